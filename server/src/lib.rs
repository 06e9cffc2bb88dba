//! The network edge of Confab. It knows HTTP, WebSocket and files; everything that happens to a message is in
//! `chat`, everything a person sees is in `app`.
//!
//! In reading order: [`cli`] and [`config`] turn arguments into settings, [`run`] is the life of the process,
//! [`listener`] takes connections, [`router`] lists the routes and what lies around them: [`log`], [`security`],
//! [`session`]. Beside them [`discovery`] knows the other nodes, and [`metrics`] answers whoever measures. The routes lead to
//! [`rest`], [`gateway`], [`pages`], [`assets`] and [`health`]; what goes wrong becomes an answer in [`problem`].

pub mod assets;
pub mod cli;
pub mod config;
pub mod discovery;
pub mod gateway;
pub mod health;
pub mod listener;
pub mod log;
pub mod metrics;
pub mod origin;
pub mod pages;
pub mod problem;
pub mod rest;
pub mod router;
pub mod run;
pub mod security;
pub mod session;

pub use config::Settings;
pub use run::run;

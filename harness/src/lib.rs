//! A black-box client: it knows a running server only through the contract in `protocol`, over the network.
//!
//! In reading order: [`server`] starts a `confab` in a folder of its own, kills and restarts it; [`client`] speaks
//! REST; [`socket`] speaks the live connection; [`replica`] applies what arrives by the rules for clients and
//! tells when something is missing; [`scene`] is a server with people in it, where most tests begin; [`demo`]
//! fills a running server with a believable team. [`recorder`] is a device that writes a [`history`] of all it does and
//! sees, and [`check`] judges one; [`faults`] breaks a server, or several on a [`backing`] server they share, while such devices
//! work, often by way of a [`proxy`].
//! [`load`] measures a server, beside the bare programs of [`floor`].

pub mod backing;
pub mod check;
pub mod client;
pub mod demo;
pub mod error;
pub mod faults;
pub mod floor;
pub mod history;
pub mod load;
pub mod proxy;
pub mod recorder;
pub mod replica;
pub mod scene;
pub mod server;
pub mod socket;

pub use client::{Answer, Client};
pub use error::Error;
pub use replica::Replica;
pub use scene::{Person, Scene};
pub use server::Server;
pub use socket::{Handshake, Hello, Socket};

use std::time::Duration;

/// How long anything may take before it counts as not happening. Far above what a healthy server needs, so that
/// a loaded machine does not turn a test red.
pub const DEADLINE: Duration = Duration::from_secs(10);

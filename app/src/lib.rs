//! The user interface, the same code on the server and in the browser.
//!
//! In reading order: [`boot`] is what a page starts from, [`app`] draws it from [`pages`] made of [`parts`], in the
//! [`words`] of a language and by the [`clock`] of a place. [`forms`] is what works without script. With script,
//! [`live`] owns what the tab knows: [`inbox`] (conversations), [`timeline`] (messages), [`outbox`] (what is not
//! sent yet), [`people`]; it talks over the socket and [`api`].

// Views are types as deep as the page; the compiler lays them out one level per query.
#![recursion_limit = "256"]

pub mod api;
pub mod app;
pub mod boot;
pub mod clock;
#[cfg(feature = "ssr")]
pub mod cookie;
pub mod forms;
pub mod inbox;
pub mod live;
pub mod names;
pub mod outbox;
pub mod pages;
pub mod parts;
pub mod people;
pub mod socket;
pub mod sound;
pub mod timeline;
pub mod words;

pub use app::{App, shell};

/// Generated from `locales/*.json` by the build script.
#[expect(
    unused_imports,
    unused_qualifications,
    dead_code,
    reason = "written by a program, for more uses than ours"
)]
mod locales {
    include!(concat!(env!("OUT_DIR"), "/i18n.rs"));
}
use locales::i18n;

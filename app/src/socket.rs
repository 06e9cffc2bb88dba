//! The tab's one connection to `/ws`: when it is made, kept alive, given up and made again. What its frames mean is
//! [`live`](crate::live)'s.

mod backoff;
#[cfg(feature = "hydrate")]
mod connection;
#[cfg(feature = "hydrate")]
mod timer;

pub use backoff::Backoff;
#[cfg(feature = "hydrate")]
pub use connection::{Wake, run};
#[cfg(feature = "hydrate")]
pub use timer::Timer;

//! kafka, as a wire and as an intake.

use super::address::Address;
use super::intake::{Intake, Work};
use super::wire::{Link, WireError};

/// Where the address names no port.
pub(crate) const PORT: u16 = 9092;
/// What an address may set besides the prefix.
pub(crate) const SETTINGS: &[&str] = &[];

/// Starts to listen and makes ready to send. An error is a setting that cannot be meant; the broker may be away.
pub(crate) async fn wire(address: &Address) -> Result<Link, String> {
    let _ = address;
    Err("not there yet".to_owned())
}

/// Makes ready to submit. An error is a setting that cannot be meant; the broker may be away.
pub(crate) async fn intake(address: &Address) -> Result<Box<dyn Intake>, String> {
    let _ = address;
    Err("not there yet".to_owned())
}

/// Makes ready to work, under a name of its own among the workers.
pub(crate) async fn work(address: &Address, worker: &str) -> Result<Box<dyn Work>, String> {
    let _ = (address, worker);
    let _unused: Option<WireError> = None;
    Err("not there yet".to_owned())
}

//! `confab-harness check`.

use super::check;
use crate::{Error, history};
use std::path::Path;
use std::process::ExitCode;

/// Exit code where a history cannot be read.
pub const UNREADABLE: u8 = 2;

/// Reads a history and judges it: the table, and success where every rule holds.
pub fn run(path: &Path) -> Result<(String, ExitCode), Error> {
    let report = check(&history::read(path)?);
    let code = if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    Ok((report.to_string(), code))
}

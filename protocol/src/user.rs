//! People.

use crate::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// A person as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who this is.
    pub id: UserId,
    /// Unique name, lower case: `a-z 0-9 . _ -`, 2 to 32 of them.
    pub username: String,
    /// The name shown, 1 to 64 characters of any script.
    pub display_name: String,
    /// Address of a picture, or none.
    pub avatar: Option<String>,
    /// Whether they can be reached right now. Wrong for at most 45 s after a crash.
    pub presence: Presence,
    /// When they were last connected, or never.
    pub last_seen: Option<Timestamp>,
}

/// Whether somebody can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// A device is connected.
    Online,
    /// A device is connected, nobody is at it.
    Away,
    /// No device is connected.
    #[default]
    #[serde(other)]
    Offline,
}

//! What a node is called.

use std::str::FromStr;

/// Longest name, in characters. It is a part of keys and of the names of measurements.
const CHARS: usize = 64;

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// A name that can stand in a path as it is; no two nodes may have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName(String);

impl NodeName {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a node is called that was given no name: two of one machine have different ports.
    pub(super) fn of(host: &str, port: u16) -> Self {
        let port = port.to_string();
        let host: String = host.chars().take(CHARS - 1 - port.len()).collect();
        Self(format!("{host}-{port}"))
    }
}

impl FromStr for NodeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A name of dots alone would be a step in a path.
        let named = text.chars().any(|c| c.is_ascii_alphanumeric());
        if named && text.len() <= CHARS && text.chars().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("accepts a name of 1 to {CHARS} of a-z A-Z 0-9 . _ -"))
    }
}

/// The name of this machine, made plain.
pub(super) fn host() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    let plain: String = name.chars().map(|c| if plain(c) { c } else { '-' }).collect();
    if plain.is_empty() { "confab".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_in_a_path() {
        for text in ["a", "North-1", "n.example.org", &"x".repeat(64)] {
            assert_eq!(text.parse::<NodeName>().unwrap().as_str(), text);
        }
        for text in ["", ".", "..", "a b", "a/b", "a?b", "ä", "%2e", &"x".repeat(65)] {
            assert!(text.parse::<NodeName>().unwrap_err().starts_with("accepts "), "{text}");
        }
    }

    #[test]
    fn what_no_name_was_given_to_is_called_by_machine_and_port() {
        let name = NodeName::of(&"h".repeat(300), 65_535);
        assert_eq!(name.as_str().len(), CHARS);
        assert!(name.as_str().ends_with("-65535") && name.as_str().parse::<NodeName>().is_ok());
        assert!(NodeName::of(&host(), 3000).as_str().parse::<NodeName>().is_ok());
    }
}

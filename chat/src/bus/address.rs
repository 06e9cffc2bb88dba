//! The addresses of brokers: `SCHEME://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][?NAME=VALUE&…]`.

use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::fmt;

/// What comes before every name on a broker where the address says nothing else.
const PREFIX: &str = "confab";
/// Longest prefix: broker's names have bounds of their own.
const PREFIX_CHARS: usize = 32;

/// The address of a broker, taken apart. It may hold a password, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Such as `redis`.
    pub(crate) scheme: &'static str,
    /// User and password, decoded.
    pub(crate) user: Option<(String, String)>,
    /// Each `HOST:PORT`; at least one.
    pub(crate) hosts: Vec<String>,
    /// Comes before every name on the broker, so that several teams can share one: `?prefix=`.
    pub(crate) prefix: String,
    /// The other settings behind the question mark.
    pub(crate) settings: BTreeMap<String, String>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://…", self.scheme)
    }
}

impl Address {
    /// Takes an address apart; `known` are the settings this broker has.
    pub(crate) fn parse(scheme: &'static str, port: u16, known: &[&str], text: &str) -> Result<Self, String> {
        let accepts = || {
            let names = known.iter().fold("prefix".to_owned(), |names, name| format!("{names}, {name}"));
            format!("accepts `{scheme}://[USER:PASSWORD@]HOST[:PORT][,HOST…][?NAME=VALUE&…]` with {names}")
        };
        let decoded = |text: &str| {
            percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| accepts())
        };
        let rest = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")).ok_or_else(accepts)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (user, hosts) = match rest.rsplit_once('@') {
            Some((user, hosts)) => {
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                (Some((decoded(name)?, decoded(password)?)), hosts)
            }
            None => (None, rest),
        };
        let with_port = |host: &str| {
            let given = host.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
            match given {
                Some((name, port)) if !name.is_empty() && port.parse::<u16>().is_ok() => Ok(host.to_owned()),
                None if !host.is_empty() => Ok(format!("{host}:{port}")),
                _ => Err(accepts()),
            }
        };
        // As everybody writes it for Redis: the number of the database as a path.
        let (hosts, path) = hosts.split_once('/').unwrap_or((hosts, ""));
        let hosts = hosts.split(',').map(with_port).collect::<Result<Vec<_>, _>>()?;
        let mut settings = BTreeMap::new();
        if !path.is_empty() {
            if !known.contains(&"db") || path.parse::<u32>().is_err() {
                return Err(accepts());
            }
            settings.insert("db".to_owned(), path.to_owned());
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(accepts)?;
            if name != "prefix" && !known.contains(&name) {
                return Err(accepts());
            }
            settings.insert(name.to_owned(), decoded(value)?);
        }
        let prefix = settings.remove("prefix").unwrap_or_else(|| PREFIX.to_owned());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if prefix.is_empty() || prefix.len() > PREFIX_CHARS || !prefix.chars().all(plain) {
            return Err(format!("accepts a prefix of 1 to {PREFIX_CHARS} of a-z 0-9 -"));
        }
        Ok(Self { scheme, user, hosts, prefix, settings })
    }

    /// A setting as a number, or its default; the sentence says what it accepts.
    pub(crate) fn number<N: std::str::FromStr + Copy>(&self, name: &str, default: N) -> Result<N, String> {
        let Some(value) = self.settings.get(name) else { return Ok(default) };
        value.parse().map_err(|_| format!("accepts a whole number as `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Address::parse("redis", 6379, &["tls", "db"], text)
    }

    #[test]
    fn an_address_is_taken_apart_and_not_shown() {
        let address = parse("redis://ada:p%40ss@one,[::1]:7,two:8/?prefix=team-a&tls=on").unwrap();
        assert_eq!(address.user, Some(("ada".to_owned(), "p@ss".to_owned())));
        assert_eq!(address.hosts, ["one:6379", "[::1]:7", "two:8"]);
        assert_eq!((address.prefix.as_str(), address.settings["tls"].as_str()), ("team-a", "on"));
        assert_eq!(format!("{address:?}"), "redis://…");
        assert_eq!(parse("redis://[::1]").unwrap().hosts, ["[::1]:6379"]);
        assert_eq!(parse("redis://h/7?prefix=a").unwrap().settings["db"], "7");
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_is_accepted() {
        for text in [
            "redis://",
            "redis://h/x",
            "redis:host",
            "redis://h:x",
            "redis://h?tsl=on",
            "redis://h?prefix=A",
            "nats://h",
        ] {
            let sentence = parse(text).unwrap_err();
            assert!(sentence.starts_with("accepts "), "{text}: {sentence}");
        }
    }
}

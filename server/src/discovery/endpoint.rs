//! Where somebody is reached: a host and a port.

use axum::http::uri::Authority;
use std::fmt;
use std::net::SocketAddr;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address; of IPv6 without its brackets.
    host: String,
    port: u16,
}

impl Endpoint {
    pub(super) const fn new(host: String, port: u16) -> Self {
        Self { host, port }
    }

    /// `HOST[:PORT]`, the port where it is named; none where it is anything else.
    pub(super) fn parse(text: &str) -> Option<(String, Option<u16>)> {
        let authority: Authority = text.parse().ok()?;
        // An authority may also hold a user, and an empty or impossible port.
        let port = authority.port_u16();
        let rest = match port {
            Some(_) => text.rsplit_once(':')?.0,
            None => text,
        };
        if rest != authority.host() || rest.is_empty() {
            return None;
        }
        Some((rest.trim_matches(['[', ']']).to_owned(), port))
    }

    /// Without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// As an address for HTTP.
    pub(super) fn url(&self) -> String {
        format!("http://{self}")
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_stands_alone_or_with_its_port() {
        let parsed = |text| Endpoint::parse(text).map(|(host, port)| (host, port.unwrap_or_default()));
        assert_eq!(parsed("a.example:3000"), Some(("a.example".to_owned(), 3000)));
        assert_eq!(parsed("10.0.0.5"), Some(("10.0.0.5".to_owned(), 0)));
        assert_eq!(parsed("[::1]:8500"), Some(("::1".to_owned(), 8500)));
        assert_eq!(parsed("[::1]"), Some(("::1".to_owned(), 0)));
        for text in ["", ":80", "a:", "a:x", "a:99999", "u@a", "u:p@a:1", "a b", "a/b", "::1", "a?b"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}

//! Origins: who may speak with a cookie in hand. A page of another site can open a WebSocket to us and the browser
//! sends our cookie along; only the `Origin` header tells it apart from our own page.

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use std::fmt;
use std::str::FromStr;

/// The address people type: scheme, host and port, nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
}

impl PublicUrl {
    /// As browsers write it in `Origin`: lower case, no default port, no slash.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether it is https.
    pub fn secure(&self) -> bool {
        self.origin.starts_with("https://")
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let uri: Uri = text.parse().ok()?;
            let scheme = uri.scheme_str()?;
            let authority = uri.authority()?;
            let bare = uri.path_and_query().is_none_or(|rest| rest.as_str() == "/");
            if !bare || authority.as_str().contains('@') || !text.is_ascii() || text.contains('#') {
                return None;
            }
            let host = authority.host().to_ascii_lowercase();
            let default = match scheme {
                "http" => 80,
                "https" => 443,
                _ => return None,
            };
            Some(match authority.port_u16().filter(|port| *port != default) {
                Some(port) => format!("{scheme}://{host}:{port}"),
                None => format!("{scheme}://{host}"),
            })
        };
        parse()
            .map(|origin| Self { origin })
            .ok_or_else(|| "accepts an address without a path such as `https://chat.example.org`".to_owned())
    }
}

/// Whether a request comes from our own page: its `Origin` is the public address, or, where none is set, the host
/// the request was sent to. A request without an `Origin`, with `null` or with several does not.
pub fn is_ours(headers: &HeaderMap, public: Option<&PublicUrl>) -> bool {
    let Some(origin) = only(headers, &header::ORIGIN) else { return false };
    if let Some(public) = public {
        return origin == public.origin();
    }
    let Some(host) = only(headers, &header::HOST) else { return false };
    // Without a public address there may be a proxy with TLS before us, so either scheme will do.
    ["http://", "https://"].iter().any(|scheme| {
        origin.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && rest.eq_ignore_ascii_case(host))
    })
}

fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(HeaderValue::to_str)?.ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_public_url_is_an_origin() {
        for (text, origin) in [
            ("https://Chat.Example.org", "https://chat.example.org"),
            ("https://chat.example.org/", "https://chat.example.org"),
            ("https://chat.example.org:443", "https://chat.example.org"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().origin(), origin);
        }
        for text in
            ["chat.example.org", "ftp://x", "https://u@x", "https://x/path", "https://x?q", "https://x#f", ""]
        {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_our_own_origin_is_ours() {
        let public = "https://chat.example.org".parse::<PublicUrl>().unwrap();
        let host = (header::HOST, "chat.example.org");
        let ours = |origin: &str| is_ours(&headers(&[host.clone(), (header::ORIGIN, origin)]), Some(&public));
        assert!(ours("https://chat.example.org"));
        for origin in [
            "null",
            "http://chat.example.org",
            "https://chat.example.org.evil.example",
            "https://evil-chat.example.org",
            "https://chat.example.org:8443",
            "https://chat.example.org/",
            "",
        ] {
            assert!(!ours(origin), "{origin}");
        }
        assert!(!is_ours(&headers(&[host]), Some(&public)));
    }

    #[test]
    fn without_a_public_address_the_host_decides() {
        let host = (header::HOST, "127.0.0.1:3000");
        let ours = |origin: &str| is_ours(&headers(&[host.clone(), (header::ORIGIN, origin)]), None);
        assert!(ours("http://127.0.0.1:3000") && ours("https://127.0.0.1:3000"));
        for origin in [
            "null",
            "http://127.0.0.1",
            "http://127.0.0.1:30001",
            "http://127.0.0.1:3000.evil.example",
            "http://",
        ] {
            assert!(!ours(origin), "{origin}");
        }
        let twice =
            headers(&[host, (header::ORIGIN, "http://127.0.0.1:3000"), (header::ORIGIN, "http://evil")]);
        assert!(!is_ours(&twice, None));
        assert!(!is_ours(&headers(&[(header::ORIGIN, "http://x")]), None));
    }
}

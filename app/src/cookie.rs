//! The session's cookie: written here only, whoever signs in.

use http::HeaderValue;

/// A year, which browsers cut to what they allow. The server may end the session earlier.
const MAX_AGE: u32 = 365 * 24 * 60 * 60;

/// The session cookie of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookies {
    secure: bool,
}

impl Cookies {
    /// For https, or for plain http.
    pub const fn new(secure: bool) -> Self {
        Self { secure }
    }

    /// The cookie's name. The prefix makes browsers refuse it from anywhere but this very host over https.
    pub const fn name(self) -> &'static str {
        if self.secure { "__Host-confab" } else { "confab" }
    }

    /// `Set-Cookie` of a session that begins; none where the token could not stand in a header.
    pub fn set(self, token: &str) -> Option<HeaderValue> {
        self.header(token, MAX_AGE)
    }

    /// `Set-Cookie` of a session that ended.
    pub fn clear(self) -> Option<HeaderValue> {
        self.header("", 0)
    }

    fn header(self, token: &str, max_age: u32) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text =
            format!("{}={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age={max_age}{secure}", self.name());
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_kept_from_scripts_and_other_sites() {
        let set = |secure| Cookies::new(secure).set("t").unwrap().to_str().unwrap().to_owned();
        assert_eq!(set(false), "confab=t; HttpOnly; SameSite=Lax; Path=/; Max-Age=31536000");
        assert_eq!(set(true), "__Host-confab=t; HttpOnly; SameSite=Lax; Path=/; Max-Age=31536000; Secure");
        assert!(Cookies::new(false).clear().unwrap().to_str().unwrap().contains("confab=; "));
    }
}

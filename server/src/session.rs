//! Who asks: a cookie for browsers, a bearer token for programs. Looked up once a request; everything behind this
//! reads the [`Identity`] from the request's extensions.

use crate::problem::Failure;
use crate::router::Edge;
use app::cookie::Cookies;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Session tokens are far shorter; more is not looked up.
const TOKEN_BYTES: usize = 256;

/// What a request shows to say who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// The browser sent it along by itself, perhaps for another site's page.
    Cookie(&'a str),
    /// A program sent it on purpose.
    Bearer(&'a str),
}

/// The credential of a request. A program that names its token is not asked for cookies too.
pub fn credential(cookies: Cookies, headers: &HeaderMap) -> Option<Credential<'_>> {
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
        let token = token.trim();
        return (scheme.eq_ignore_ascii_case("bearer") && plausible(token))
            .then_some(Credential::Bearer(token));
    }
    cookie(headers, cookies.name()).filter(|token| plausible(token)).map(Credential::Cookie)
}

fn plausible(token: &str) -> bool {
    !token.is_empty() && token.len() <= TOKEN_BYTES
}

/// The value of a cookie, where the request has one of that name; the first, where it has several.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// Looks the credential up and leaves the identity in the request's extensions.
pub async fn resolve(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    if let Some(Credential::Cookie(token) | Credential::Bearer(token)) =
        credential(edge.cookies, request.headers())
    {
        match edge.chat.authenticate(token).await {
            Ok(Some(who)) => {
                request.extensions_mut().insert(who);
            }
            Ok(None) => {}
            // Not knowing who asks is no reason to treat them as nobody.
            Err(error) => return Failure::from(error).into_response(),
        }
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let plain = Cookies::new(false);
        for text in
            ["confab=t", "a=b; confab=t", "a=b;confab=t;c=d", "xconfab=no; confab=t", "confab=t; confab=u"]
        {
            assert_eq!(
                credential(plain, &headers(&[(header::COOKIE, text)])),
                Some(Credential::Cookie("t")),
                "{text}"
            );
        }
        for text in ["", "confab", "confab=", "Confab=t", "__Host-confab=t"] {
            assert_eq!(credential(plain, &headers(&[(header::COOKIE, text)])), None, "{text}");
        }
        let host = headers(&[(header::COOKIE, "a=b"), (header::COOKIE, "__Host-confab=t")]);
        assert_eq!(credential(Cookies::new(true), &host), Some(Credential::Cookie("t")));
    }

    #[test]
    fn a_bearer_token_stands_alone() {
        let cookies = Cookies::new(false);
        let both = headers(&[(header::AUTHORIZATION, "bearer t"), (header::COOKIE, "confab=c")]);
        assert_eq!(credential(cookies, &both), Some(Credential::Bearer("t")));
        for text in ["Basic t", "Bearer", "Bearer ", "t"] {
            let wrong = headers(&[(header::AUTHORIZATION, text), (header::COOKIE, "confab=c")]);
            assert_eq!(credential(cookies, &wrong), None, "{text}");
        }
    }
}

//! The page's files, embedded from `dist/`: served under a folder named after their content, so that a browser may
//! keep them for ever, in the smallest form it understands. The compressed forms are made once, by the build.

use crate::problem::not_found;
use crate::router::Edge;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use leptos::config::LeptosOptions;
use rust_embed::{Embed, EmbeddedFile};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt::Write;

/// In a release build part of the binary; in a debug build read from the folder, so that the page can be rebuilt
/// beside a running server.
#[derive(Embed)]
#[folder = "$CARGO_MANIFEST_DIR/../dist"]
struct Files;

const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For files whose address does not change with their content: ask each time, which costs 304.
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

/// Files browsers ask for at fixed places.
const AT_ROOT: [&str; 6] =
    ["/favicon.ico", "/favicon.svg", "/apple-touch-icon.png", "/manifest.webmanifest", "/robots.txt", WORKER];

/// The service worker: its address says which pages it may answer for, and its own policy what it may fetch.
const WORKER: &str = "/sw.js";
const WORKER_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; connect-src 'self'");

/// The page's files as the pages name them.
#[derive(Debug)]
pub struct Site {
    hash: String,
    options: LeptosOptions,
}

impl Site {
    /// The embedded files, named after what they contain now.
    pub fn embedded() -> Self {
        let hash = content_hash();
        if Files::get("frontend.js").is_none() {
            tracing::warn!("the page is not built: everything works, but without script and styles");
        }
        let options = LeptosOptions::builder()
            .output_name("frontend")
            .site_root("dist")
            .site_pkg_dir(format!("pkg/{hash}"))
            .build();
        Self { hash, options }
    }

    /// For rendering: where scripts, styles and WebAssembly are.
    pub fn options(&self) -> &LeptosOptions {
        &self.options
    }
}

/// Eight hexadecimal digits over the names and contents of all files.
fn content_hash() -> String {
    let mut names: Vec<_> = Files::iter().collect();
    names.sort_unstable();
    let mut hash = Sha256::new();
    for name in names {
        if let Some(file) = Files::get(&name) {
            hash.update(name.as_bytes());
            hash.update([0]);
            hash.update(file.metadata.sha256_hash());
        }
    }
    hex(&hash.finalize()[..4])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The routes of the files.
pub fn routes() -> Router<Edge> {
    let pkg = Router::new().route("/pkg/{hash}/{*file}", get(hashed));
    AT_ROOT.into_iter().fold(pkg, |router, path| router.route(path, get(at_root)))
}

/// `GET /pkg/{hash}/{file}`. Another hash is another version's: giving out ours under it would be kept for ever.
async fn hashed(
    State(edge): State<Edge>,
    Path((hash, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if hash != edge.site.hash {
        return not_found().await.into_response();
    }
    match served(&file, &headers, FOR_EVER) {
        Some(response) => response,
        None => not_found().await.into_response(),
    }
}

async fn at_root(uri: Uri, headers: HeaderMap) -> Response {
    let file = uri.path().trim_start_matches('/');
    let response = served(file, &headers, ASK_FIRST)
        // Browsers ask for the old name; they read the type, not the ending.
        .or_else(|| (file == "favicon.ico").then(|| served("favicon.svg", &headers, ASK_FIRST)).flatten());
    match response {
        Some(mut response) => {
            if uri.path() == WORKER {
                response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, WORKER_POLICY);
            }
            response
        }
        None => not_found().await.into_response(),
    }
}

fn served(name: &str, headers: &HeaderMap, keep: HeaderValue) -> Option<Response> {
    if name.ends_with(".br") || name.ends_with(".gz") {
        return None;
    }
    let accepted = accepted(headers);
    let variant = |encoding: &'static str, ending: &str| {
        let wanted = accepted.contains(&encoding);
        let file = wanted.then(|| Files::get(&format!("{name}{ending}"))).flatten()?;
        Some((file, Some(encoding)))
    };
    let (file, encoding) = variant("br", ".br")
        .or_else(|| variant("gzip", ".gz"))
        .or_else(|| Files::get(name).map(|file| (file, None)))?;
    let tag = etag(&file)?;
    let unchanged = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|value| value.trim().trim_start_matches("W/"))
        .any(|value| value == "*" || value.as_bytes() == tag.as_bytes());
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let bytes = match file.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        Response::new(Body::from(bytes))
    };
    let answer = response.headers_mut();
    answer.insert(header::ETAG, tag);
    answer.insert(header::CACHE_CONTROL, keep);
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if !unchanged {
        answer.insert(header::CONTENT_TYPE, media_type(name));
        if let Some(encoding) = encoding {
            answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
    }
    Some(response)
}

/// A strong tag: each encoding has bytes, and so a tag, of its own.
fn etag(file: &EmbeddedFile) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("\"{}\"", hex(&file.metadata.sha256_hash()[..8]))).ok()
}

/// Which of our encodings the client takes.
fn accepted(headers: &HeaderMap) -> Vec<&'static str> {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|part| {
            let mut parts = part.split(';').map(str::trim);
            let name = parts.next()?;
            let refused = parts.any(|weight| {
                weight.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
            });
            let known = ["br", "gzip"].into_iter().find(|known| name.eq_ignore_ascii_case(known))?;
            (!refused).then_some(known)
        })
        .collect()
}

fn media_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        // Browsers compile it while it arrives only under this type.
        "wasm" => "application/wasm",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &'static str) -> Vec<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
        accepted(&headers)
    }

    #[test]
    fn the_client_says_what_it_takes() {
        assert_eq!(accepts("gzip, deflate, br, zstd"), ["gzip", "br"]);
        assert_eq!(accepts("BR;q=0.5"), ["br"]);
        assert_eq!(accepts("br;q=0, gzip; q=0.0"), [] as [&str; 0]);
        assert_eq!(accepts("identity, *"), [] as [&str; 0]);
        assert_eq!(accepted(&HeaderMap::new()), [] as [&str; 0]);
    }

    #[test]
    fn what_the_browser_runs_has_its_type() {
        assert_eq!(media_type("frontend_bg.wasm"), "application/wasm");
        assert_eq!(media_type("a/b.css"), "text/css; charset=utf-8");
        assert_eq!(media_type("plain"), "application/octet-stream");
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        for name in ["../Cargo.toml", "/etc/passwd", "..", "", ".", "frontend.js.br", "a\0b"] {
            assert!(served(name, &HeaderMap::new(), FOR_EVER).is_none(), "{name:?}");
        }
    }
}

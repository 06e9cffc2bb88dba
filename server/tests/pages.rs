//! Pages, assets and health as a browser without script meets them.

use harness::client::answer;
use harness::scene::PASSWORD;
use harness::{Answer, Client, Scene, Server};
use protocol::ConversationId;
use protocol::rest::Readiness;
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

/// Asks for a page with the session's cookie, as a browser does.
async fn page(client: &Client, path: &str) -> Answer {
    let request = client
        .anonymous()
        .request(Method::GET, path)
        .header("Cookie", format!("confab={}", client.token()))
        .header("Accept", "text/html")
        .header("Sec-Fetch-Site", "none");
    answer(request).await.expect("a page")
}

/// What is left of a page where scripts do not run: without scripts and templates.
fn without_script(html: &str) -> String {
    let mut rest = html;
    let mut left = String::new();
    while let Some(start) = ["<script", "<template"].iter().filter_map(|tag| rest.find(tag)).min() {
        left.push_str(&rest[..start]);
        let end = if rest[start..].starts_with("<script") { "</script>" } else { "</template>" };
        let Some(length) = rest[start..].find(end) else { return left };
        rest = &rest[start + length + end.len()..];
    }
    left.push_str(rest);
    left
}

/// Every address below `/pkg/` a page names.
fn assets(html: &str) -> BTreeSet<String> {
    html.match_indices("/pkg/")
        .map(|(at, _)| {
            let rest = &html[at..];
            let end = rest.find(|c: char| "\"'`<>() \\,;".contains(c)).unwrap_or(rest.len());
            rest[..end].to_owned()
        })
        .filter(|path| path.rsplit('/').next().is_some_and(|name| name.contains('.')))
        .collect()
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_door() {
    let server = Server::start(CONFAB).await.unwrap();
    let client = server.client().unwrap();
    let room = format!("/c/{}", ConversationId::generate());
    for path in ["/", "/new", &room] {
        let answer = client.get(path).await.unwrap();
        assert_eq!(answer.status, 303, "{path}");
        let location = answer.header("location").to_owned();
        // The way to `/` needs no name: that is where the door leads anyway.
        let next = location.strip_prefix("/sign-in").unwrap_or_else(|| panic!("{path} leads to {location}"));
        let next = next.strip_prefix("?next=").unwrap_or("/").replace("%2F", "/").replace("%2f", "/");
        assert_eq!(next, path);
        assert!(answer.header("cache-control").contains("no-store"), "{path}");
    }
    for path in ["/sign-in", "/register", "/sign-in?next=%2Fnew"] {
        let answer = client.get(path).await.unwrap();
        assert_eq!(answer.status, 200, "{path}");
        let html = without_script(&answer.text());
        assert!(html.contains("<form") && html.contains("type=\"password\""), "{path} works without script");
    }
}

#[tokio::test]
async fn the_door_leads_nowhere_else() {
    let Scene { server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let client = server.client().unwrap();
    for next in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
        let encoded: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let asked = client.get(&format!("/sign-in?next={encoded}")).await.unwrap();
        assert_eq!(asked.status, 200, "{next}");
        // Whoever is signed in already is sent on, or shown the page; never elsewhere.
        let sent = page(&ada.client, &format!("/sign-in?next={encoded}")).await;
        let location = sent.header("location");
        let here = location.is_empty()
            || (location.starts_with('/') && !location.starts_with("//") && !location.starts_with("/\\"));
        assert!(here, "{next} leads to {location}");
    }
}

#[tokio::test]
async fn a_conversation_can_be_read_before_any_script() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.group("Harbour depot 港口", &[ben.id()]).await.unwrap().id;
    let direct = ada.client.direct(ben.id()).await.unwrap().id;
    for words in ["the ferry is late", "你好，世界", "مرحبا بالجميع", "two < three & four > one"]
    {
        ada.client.post(room, words).await.unwrap();
    }
    ada.client.post(direct, "just between us").await.unwrap();
    let answer = page(&ben.client, &format!("/c/{room}")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/html"));
    assert!(answer.header("cache-control").contains("no-store"));
    let html = without_script(&answer.text());
    for words in ["the ferry is late", "你好，世界", "مرحبا بالجميع", "Harbour depot 港口"]
    {
        assert!(html.contains(words), "{words} is in the page itself");
    }
    assert!(html.contains("two &lt; three &amp; four"), "escaped, not interpreted");
    assert!(!html.contains("just between us") || html.contains(&direct.to_string()), "a preview at most");
    assert!(html.contains("<form"), "a message can be written without script");

    let list = page(&ben.client, "/").await;
    assert_eq!(list.status, 200);
    let html = without_script(&list.text());
    assert!(html.contains("Harbour depot 港口") && html.contains(&room.to_string()));
    assert!(html.contains("just between us"), "the last message of each conversation");
    assert!(html.to_lowercase().starts_with("<!doctype html>"));
    assert!(html.contains("<html") && html.contains("lang="));
}

#[tokio::test]
async fn words_are_never_markup() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let payloads = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(2)>",
        "</script><script>alert(3)</script>",
        "\"><svg onload=alert(4)>",
        "<!--<script>alert(5)",
        "</template><b id=planted>6</b>",
    ];
    let body = json!({"display_name": "<b id=planted>ada</b>"});
    assert_eq!(ada.client.call(Method::PATCH, "me", &body).await.unwrap().status, 200);
    let room = ada.client.group("</title><i id=planted>title</i>", &[ben.id()]).await.unwrap().id;
    for payload in payloads {
        ada.client.post(room, payload).await.unwrap();
    }
    for path in [format!("/c/{room}"), "/".to_owned()] {
        let html = page(&ben.client, &path).await.text();
        for planted in
            ["<script>alert", "<img src=x", "<svg onload", "<b id=planted", "<i id=planted", "<!--<script"]
        {
            assert!(!html.contains(planted), "{planted} in {path}");
        }
    }
}

#[tokio::test]
async fn a_strangers_page_tells_nothing() {
    let Scene { server: _server, people: [ada, ben, eve] } =
        Scene::open(CONFAB, ["ada", "ben", "eve"]).await.unwrap();
    let room = ada.client.group("Secret plans", &[ben.id()]).await.unwrap().id;
    ada.client.post(room, "under the bakery").await.unwrap();
    let (foreign, none) = (ConversationId::generate(), room);
    let mut pages = Vec::new();
    for id in [foreign, none] {
        let answer = page(&eve.client, &format!("/c/{id}")).await;
        assert_eq!(answer.status, 404);
        let html = answer.text().replace(&id.to_string(), "ID");
        assert!(!html.contains("Secret plans") && !html.contains("under the bakery"));
        pages.push(html.len());
    }
    assert_eq!(pages[0], pages[1], "the same page, but for the nonce in it");
}

#[tokio::test]
async fn every_page_brings_its_own_policy() {
    let Scene { server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let mut nonces = BTreeSet::new();
    let mut answers = vec![page(&ada.client, "/").await, page(&ada.client, "/").await];
    answers.push(server.client().unwrap().get("/sign-in").await.unwrap());
    for answer in &answers {
        let policy = answer.header("content-security-policy").to_owned();
        let directive = |name: &str| {
            let found = policy.split(';').map(str::trim).find(|directive| directive.starts_with(name));
            found.unwrap_or_else(|| panic!("{name} in {policy}")).to_owned()
        };
        let script = directive("script-src ");
        assert!(script.contains("'wasm-unsafe-eval'"), "{script}");
        assert!(!script.contains("'unsafe-inline'") && !script.contains("'unsafe-eval'"), "{script}");
        assert!(!directive("style-src ").contains("'unsafe-inline'"), "{policy}");
        assert_eq!(directive("object-src "), "object-src 'none'");
        assert_eq!(directive("base-uri "), "base-uri 'none'");
        assert_eq!(directive("form-action "), "form-action 'self'");
        assert_eq!(directive("frame-ancestors "), "frame-ancestors 'none'");
        assert!(["default-src 'none'", "default-src 'self'"].contains(&directive("default-src ").as_str()));
        let nonce = script.split('\'').find_map(|part| part.strip_prefix("nonce-")).unwrap().to_owned();
        assert!(nonce.len() >= 16);
        // Every script that stands in the page carries it; nothing else would run.
        let html = answer.text();
        for (at, _) in html.match_indices("<script") {
            let tag = &html[at..at + html[at..].find('>').unwrap()];
            assert!(tag.contains(&nonce) || tag.contains(" src="), "{tag}");
        }
        for attribute in [" onclick=", " onload=", " onerror=", " style=\"", "javascript:"] {
            assert!(!without_script(&html).contains(attribute), "{attribute}");
        }
        nonces.insert(nonce);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.header("referrer-policy").is_empty());
    }
    assert_eq!(nonces.len(), answers.len(), "a nonce is used once");
    let api = ada.client.get("/api/v1/me").await.unwrap();
    assert_eq!(api.header("x-content-type-options"), "nosniff");
    assert!(!api.header("x-request-id").is_empty());
    assert!(!api.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn assets_are_for_ever_and_compressed() {
    let server = Server::start(CONFAB).await.unwrap();
    let client = server.client().unwrap();
    let assets = assets(&client.get("/sign-in").await.unwrap().text());
    let kind = |end: &str| assets.iter().any(|path| path.ends_with(end));
    assert!(kind(".wasm") && kind(".js") && kind(".css"), "the page brings its parts: {assets:?}");
    for path in &assets {
        let fetch = async |encoding: &str| {
            let request = client.request(Method::GET, path).header("Accept-Encoding", encoding);
            answer(request).await.unwrap()
        };
        let plain = fetch("identity").await;
        assert_eq!(plain.status, 200, "{path}");
        assert!(plain.header("cache-control").contains("immutable"), "{path}");
        assert_eq!(plain.header("content-encoding"), "");
        assert!(!plain.header("content-type").is_empty());
        if path.ends_with(".wasm") {
            assert_eq!(plain.header("content-type"), "application/wasm");
        }
        for (accept, encoding) in [("gzip, deflate, br", "br"), ("gzip", "gzip")] {
            let packed = fetch(accept).await;
            assert_eq!((packed.status, packed.header("content-encoding")), (200, encoding), "{path}");
            assert!(packed.header("vary").to_lowercase().contains("accept-encoding"), "{path}");
            assert!(packed.body.len() < plain.body.len(), "{path}");
        }
    }
    for path in ["/pkg/", "/pkg/0/missing.js", "/pkg/../Cargo.toml", "/pkg/%2e%2e/Cargo.toml"] {
        assert_eq!(client.get(path).await.unwrap().status, 404, "{path}");
    }
}

#[tokio::test]
async fn health_is_told_to_anybody() {
    let server = Server::start(CONFAB).await.unwrap();
    let client = server.client().unwrap();
    assert_eq!(client.get("/health/live").await.unwrap().status, 200);
    let ready = client.get("/health/ready").await.unwrap();
    assert_eq!(ready.status, 200);
    let readiness: Readiness = ready.json().unwrap();
    assert!(
        readiness.ready && readiness.dependencies.get("store").is_some_and(|state| state == "ok"),
        "{readiness:?}"
    );
}

#[tokio::test]
async fn another_site_cannot_act_in_my_name() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let send = async |headers: &[(&str, &str)], number: usize| {
        let body =
            json!({"nonce": format!("n{number}"), "body": {"kind": "text", "text": "send me your money"}});
        let mut request = ada
            .client
            .anonymous()
            .request(Method::POST, &format!("/api/v1/conversations/{room}/messages"))
            .header("Cookie", format!("confab={}", ada.client.token()))
            .json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await.unwrap().status
    };
    let base = ada.client.base();
    assert_eq!(send(&[("Sec-Fetch-Site", "cross-site")], 1).await, 403);
    assert_eq!(send(&[("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.example")], 2).await, 403);
    assert_eq!(send(&[("Sec-Fetch-Site", "same-site"), ("Origin", "http://evil.example")], 3).await, 403);
    assert_eq!(
        send(&[("Origin", "http://evil.example")], 4).await,
        403,
        "a browser that is too old for the header"
    );
    assert_eq!(send(&[("Origin", "null")], 5).await, 403);
    assert_eq!(ada.client.conversation(room).await.unwrap().head_seq, 0);
    assert_eq!(send(&[("Sec-Fetch-Site", "same-origin"), ("Origin", base)], 6).await, 201);
    assert_eq!(send(&[("Origin", base)], 7).await, 201);

    let sign_in = ada
        .client
        .anonymous()
        .request(Method::POST, "/api/v1/sessions")
        .header("Sec-Fetch-Site", "cross-site")
        .json(&json!({"username": "ada", "password": PASSWORD}));
    assert_eq!(answer(sign_in).await.unwrap().status, 403, "nor sign me in as somebody");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let Scene { server: _server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let api = ada.client.get("/api/v1/dance").await.unwrap();
    assert_eq!((api.status, api.header("content-type")), (404, "application/problem+json"));
    assert_eq!(page(&ada.client, "/no-such-page").await.status, 404);
    let wrong = ada.client.call(Method::DELETE, "me", &json!(null)).await.unwrap();
    assert!(matches!(wrong.status, 404 | 405), "{}", wrong.status);
}

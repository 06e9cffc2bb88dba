//! Accounts and sessions, over REST and their effect on open sockets.

use futures::future::join_all;
use harness::client::answer;
use harness::scene::PASSWORD;
use harness::{Client, Handshake, Person, Scene, Server, Socket};
use protocol::rest::{Register, SignedIn};
use protocol::{Code, SessionId, UserId};
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

/// The fields of a refused request, sorted.
fn fields(error: &harness::Error) -> Vec<String> {
    let mut fields: Vec<String> =
        error.problem().into_iter().flat_map(|problem| problem.errors).map(|error| error.field).collect();
    fields.sort();
    fields.dedup();
    fields
}

#[tokio::test]
async fn an_account_is_its_session_and_its_cookie() {
    let server = Server::start(CONFAB).await.unwrap();
    let client = server.client().unwrap();
    let body = Register {
        username: "Ada.L".into(),
        password: PASSWORD.into(),
        display_name: Some("Ada Lovelace 爱达".into()),
    };
    let answer = client.call(Method::POST, "accounts", &body).await.unwrap();
    assert_eq!(answer.status, 201);
    let signed: SignedIn = answer.json().unwrap();
    assert_eq!(
        (signed.user.username.as_str(), signed.user.display_name.as_str()),
        ("ada.l", "Ada Lovelace 爱达")
    );

    let cookie = answer.header("set-cookie").to_owned();
    let attributes: Vec<&str> = cookie.split("; ").collect();
    assert!(attributes[0].starts_with("confab="), "{cookie}");
    for wanted in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(attributes.contains(&wanted), "{wanted} in {cookie}");
    }
    assert!(!cookie.contains("Domain") && !cookie.contains("Secure"), "{cookie}");

    assert_eq!(client.with_token(&signed.token).me().await.unwrap().user.id, signed.user.id);
    let with_cookie =
        harness::client::answer(client.request(Method::GET, "/api/v1/me").header("Cookie", attributes[0]))
            .await
            .unwrap();
    assert_eq!(with_cookie.status, 200);
    assert!(with_cookie.header("cache-control").contains("no-store"));
    // 256 random bits do not fit in fewer characters.
    assert!(signed.token.len() >= 43, "{} characters", signed.token.len());
}

#[tokio::test]
async fn behind_https_the_cookie_is_bound_to_the_host() {
    let server = Server::start_with(CONFAB, &["--public-url", "https://chat.example"]).await.unwrap();
    let body = Register { username: "ada".into(), password: PASSWORD.into(), display_name: None };
    let answer = server.client().unwrap().call(Method::POST, "accounts", &body).await.unwrap();
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-confab="), "{cookie}");
    for wanted in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.split("; ").any(|attribute| attribute == wanted), "{wanted} in {cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
}

#[tokio::test]
async fn a_name_is_taken_once_whatever_its_case() {
    let Scene { server, people: [_ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let client = server.client().unwrap();
    for name in ["ada", "ADA"] {
        let error = client.register(name, PASSWORD, None).await.unwrap_err();
        assert_eq!((error.status(), error.code()), (Some(409), Some(Code::Conflict)), "{error}");
    }
    let (_, user) = client.sign_in("AdA", PASSWORD).await.unwrap();
    assert_eq!(user.username, "ada");
}

#[tokio::test]
async fn two_who_want_a_name_at_once_do_not_both_get_it() {
    let server = Server::start(CONFAB).await.unwrap();
    let client = server.client().unwrap();
    let (one, other) =
        tokio::join!(client.register("ada", PASSWORD, None), client.register("ada", PASSWORD, None));
    assert!(one.is_ok() != other.is_ok());
    let refused = one.and(other).unwrap_err();
    assert_eq!(refused.code(), Some(Code::Conflict));
}

#[tokio::test]
async fn what_is_not_valid_is_named_field_by_field() {
    let server = Server::start(CONFAB).await.unwrap();
    let client = server.client().unwrap();
    let long = "n".repeat(33);
    let cases = [
        ("a", PASSWORD, None, vec!["username"]),
        (long.as_str(), PASSWORD, None, vec!["username"]),
        ("ada lovelace", PASSWORD, None, vec!["username"]),
        ("爱达", PASSWORD, None, vec!["username"]),
        ("ada", "1234567", None, vec!["password"]),
        ("a", "short", None, vec!["password", "username"]),
    ];
    for (username, password, name, wanted) in cases {
        let error = client.register(username, password, name).await.unwrap_err();
        assert_eq!((error.status(), error.code()), (Some(422), Some(Code::Invalid)), "{username}: {error}");
        assert_eq!(fields(&error), wanted, "{username} {password} {name:?}");
    }
    let longest = "字".repeat(256);
    let error = client.register("ada", &format!("{longest}字"), None).await.unwrap_err();
    assert_eq!(fields(&error), ["password"]);
    let error = client.register("ada", PASSWORD, Some(&"字".repeat(65))).await.unwrap_err();
    assert_eq!(fields(&error), ["display_name"]);
    // Nothing of all this took the name, and the limits themselves are allowed.
    client.register("ada", &longest, Some(&"字".repeat(64))).await.unwrap();
    client.sign_in("ada", &longest).await.unwrap();
    client.register(&"n".repeat(32), "12345678", None).await.unwrap();
    client.register("a0", PASSWORD, None).await.unwrap();
    // A form sends the field it leaves empty: that is no name, not an empty one.
    let (_, user) = client.register("blank", PASSWORD, Some("  ")).await.unwrap();
    assert_eq!(user.display_name, "blank");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_as_a_problem() {
    let server = Server::start(CONFAB).await.unwrap();
    let client = server.client().unwrap();
    for body in
        ["", "{", "[]", "null", r#"{"username": "ada"}"#, r#"{"username": 5, "password": "12345678"}"#]
    {
        let request = client.request(Method::POST, "/api/v1/accounts");
        let request = request.header("content-type", "application/json").body(body);
        let answer = answer(request).await.unwrap();
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json::<protocol::Problem>().unwrap().code, Code::Invalid);
    }
    // A form of another site can only send these types without asking first.
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let request = client.request(Method::POST, "/api/v1/accounts").header("content-type", kind);
        let request = request.body(r#"{"username": "ada", "password": "a long enough one"}"#);
        let answer = answer(request).await.unwrap();
        assert!((400..500).contains(&answer.status), "{kind}: {}", answer.status);
    }
    let large = json!({"username": "ada", "password": "p".repeat(4 * 1024 * 1024)});
    let answer = client.call(Method::POST, "accounts", &large).await.unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json::<protocol::Problem>().unwrap().code, Code::TooLarge);
    client.register("ada", PASSWORD, None).await.unwrap();
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_get_the_same_answer_in_the_same_time() {
    let Scene { server, people: [_ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let client = server.client().unwrap();
    let attempt = async |username: &str| {
        let body = json!({"username": username, "password": "not the password"});
        let begun = Instant::now();
        let answer = client.call(Method::POST, "sessions", &body).await.unwrap();
        (answer, begun.elapsed())
    };
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..2 {
        let (wrong, wrong_took) = attempt("ada").await;
        let (unknown, unknown_took) = attempt("nobody-here").await;
        assert_eq!(wrong.status, 401);
        assert_eq!(wrong.json::<protocol::Problem>().unwrap().code, Code::Unauthorized);
        assert_eq!(wrong.without_its_own(), unknown.without_its_own());
        fastest = [fastest[0].min(wrong_took), fastest[1].min(unknown_took)];
    }
    // Without a hash for the unknown user its answer would come in a twentieth of the time.
    assert!(fastest[1] > fastest[0] / 3 && fastest[0] > fastest[1] / 3, "{fastest:?}");
}

#[tokio::test]
async fn guessing_is_slowed_and_the_owner_is_not_locked_out() {
    let Scene { server: _server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let nobody = ada.client.anonymous();
    let guesses = (0..60).map(|attempt| {
        // A forged address must not buy more guesses.
        let request = nobody
            .request(Method::POST, "/api/v1/sessions")
            .header("X-Forwarded-For", format!("203.0.113.{attempt}"))
            .json(&json!({"username": "ada", "password": format!("guess number {attempt}")}));
        answer(request)
    });
    let answers: Vec<_> = join_all(guesses).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| matches!(answer.status, 401 | 429)));
    let slowed =
        answers.iter().find(|answer| answer.status == 429).expect("sixty guesses at once are slowed");
    assert_eq!(slowed.json::<protocol::Problem>().unwrap().code, Code::RateLimited);
    let seconds: u64 = slowed.header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&seconds), "{seconds}");
    ada.client.me().await.unwrap();
    ada.socket().await.unwrap();
}

#[tokio::test]
async fn a_revoked_session_is_over_at_once_and_the_others_go_on() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let phone = ada.second_device().await.unwrap();
    let listed = ada.client.sessions().await.unwrap().sessions;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed.iter().filter(|session| session.current).count(), 1);
    let other = listed.iter().find(|session| !session.current).unwrap().id;

    let (mut at_desk, hello) = ada.live().await.unwrap();
    let (mut on_phone, phone_hello) = phone.live().await.unwrap();
    assert_eq!(phone_hello.session, other);
    assert_ne!(hello.session, other);

    // Somebody else's session and one that does not exist are the same to ben.
    let foreign = ben.client.revoke(other).await.unwrap_err();
    let unknown = ben.client.revoke(SessionId::generate()).await.unwrap_err();
    assert_eq!((foreign.status(), foreign.code()), (Some(404), Some(Code::NotFound)));
    assert_eq!(unknown.status(), foreign.status());
    phone.client.me().await.unwrap();

    ada.client.revoke(other).await.unwrap();
    assert_eq!(on_phone.closed().await.unwrap(), protocol::frame::close::SESSION_ENDED);
    let error = phone.client.me().await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(401), Some(Code::Unauthorized)));
    let error = phone.connect().await.unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert_eq!(at_desk.settle().await.unwrap(), []);
    assert_eq!(ada.client.sessions().await.unwrap().sessions.len(), 1);
}

#[tokio::test]
async fn signing_out_ends_this_session_only() {
    let Scene { server: _server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let phone = ada.second_device().await.unwrap();
    let mut at_desk = ada.socket().await.unwrap();
    let mut on_phone = phone.socket().await.unwrap();
    phone.client.sign_out().await.unwrap();
    assert_eq!(on_phone.closed().await.unwrap(), protocol::frame::close::SESSION_ENDED);
    assert_eq!(phone.client.me().await.unwrap_err().code(), Some(Code::Unauthorized));
    assert_eq!(at_desk.settle().await.unwrap(), []);
    ada.client.me().await.unwrap();
}

#[tokio::test]
async fn a_session_names_its_device() {
    let Scene { server: _server, people: [ada] } = Scene::open(CONFAB, ["ada"]).await.unwrap();
    let request = ada
        .client
        .anonymous()
        .request(Method::POST, "/api/v1/sessions")
        .header("User-Agent", "Lighthouse Keeper 3000")
        .json(&json!({"username": "ada", "password": PASSWORD}));
    assert_eq!(answer(request).await.unwrap().status, 201);
    let sessions = ada.client.sessions().await.unwrap().sessions;
    assert_eq!(sessions[0].device, "Lighthouse Keeper 3000", "newest first");
    assert!(sessions[0].created_at >= sessions[1].created_at);
}

#[tokio::test]
async fn without_a_session_nothing_is_told() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let routes = [
        (Method::GET, "me".to_owned()),
        (Method::PATCH, "me".to_owned()),
        (Method::GET, "sessions".to_owned()),
        (Method::DELETE, "sessions/current".to_owned()),
        (Method::POST, "ws-ticket".to_owned()),
        (Method::GET, "users?q=a".to_owned()),
        (Method::GET, format!("users/{}", ben.id())),
        (Method::GET, "conversations".to_owned()),
        (Method::POST, "conversations".to_owned()),
        (Method::GET, format!("conversations/{room}")),
        (Method::PATCH, format!("conversations/{room}")),
        (Method::GET, format!("conversations/{room}/members")),
        (Method::POST, format!("conversations/{room}/members")),
        (Method::DELETE, format!("conversations/{room}/members/{}", ben.id())),
        (Method::GET, format!("conversations/{room}/messages")),
        (Method::POST, format!("conversations/{room}/messages")),
        (Method::GET, format!("conversations/{room}/changes?after=0")),
        (Method::POST, format!("conversations/{room}/read")),
        (Method::GET, "unread/all".to_owned()),
    ];
    let forged = ada.client.with_token("A".repeat(ada.client.token().len()));
    for client in [ada.client.anonymous(), forged] {
        for (method, path) in &routes {
            let answer = client.call(method.clone(), path, &json!({"user_id": ada.id()})).await.unwrap();
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
            assert_eq!(answer.json::<protocol::Problem>().unwrap().code, Code::Unauthorized);
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
}

#[tokio::test]
async fn my_account_can_be_changed_and_nobody_elses() {
    let Scene { server: _server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let me = ada.client.me().await.unwrap();
    assert_eq!((me.user.display_name.as_str(), me.locale), ("ada", None));
    let body = json!({"display_name": "  Ada 👩‍💻 ", "locale": "zh-CN", "id": ben.id(), "username": "root"});
    let answer = ada.client.call(Method::PATCH, "me", &body).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let me = ada.client.me().await.unwrap();
    assert_eq!((me.user.id, me.user.username.as_str()), (ada.id(), "ada"));
    assert_eq!((me.user.display_name.trim(), me.locale.as_deref()), ("Ada 👩‍💻", Some("zh-CN")));
    assert_eq!(ben.client.user(ada.id()).await.unwrap().display_name.trim(), "Ada 👩‍💻");

    let answer = ada.client.call(Method::PATCH, "me", &json!({"locale": "tlh"})).await.unwrap();
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json::<protocol::Problem>().unwrap().errors[0].field, "locale");
    ada.client.call(Method::PATCH, "me", &json!({"locale": ""})).await.unwrap();
    let me = ada.client.me().await.unwrap();
    assert_eq!((me.user.display_name.trim(), me.locale), ("Ada 👩‍💻", None));
}

#[tokio::test]
async fn people_are_found_by_name_and_never_with_their_secrets() {
    let Scene { server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    server.client().unwrap().register("zhang.wei", PASSWORD, Some("张伟")).await.unwrap();
    let found =
        |users: protocol::rest::Users| users.users.into_iter().map(|user| user.username).collect::<Vec<_>>();
    assert_eq!(found(ada.client.users("be").await.unwrap()), ["ben"]);
    assert_eq!(found(ada.client.users("BEN").await.unwrap()), ["ben"]);
    assert_eq!(found(ada.client.users("张").await.unwrap()), ["zhang.wei"]);
    assert_eq!(found(ada.client.users("%").await.unwrap()), [""; 0]);
    assert!(!found(ada.client.users("").await.unwrap()).contains(&"ada".to_owned()), "never myself");
    assert_eq!(ada.client.user(ben.id()).await.unwrap().username, "ben");
    assert_eq!(ada.client.user(UserId::generate()).await.unwrap_err().code(), Some(Code::NotFound));
    let raw = ada.client.get("/api/v1/users?q=").await.unwrap().text();
    assert!(!raw.contains("argon2") && !raw.contains("password") && !raw.contains("token"), "{raw}");
}

#[tokio::test]
async fn a_closed_server_takes_no_new_accounts() {
    let server = Server::start_with(CONFAB, &["--registration", "closed"]).await.unwrap();
    let error = server.client().unwrap().register("ada", PASSWORD, None).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(403), Some(Code::Forbidden)));
}

#[tokio::test]
async fn secrets_are_neither_logged_nor_stored() {
    let Scene { server, people: [ada, ben] } = Scene::open(CONFAB, ["ada", "ben"]).await.unwrap();
    let room = ada.client.direct(ben.id()).await.unwrap().id;
    let ticket = ada.client.ticket().await.unwrap().ticket;
    let mut socket = Socket::open(server.base(), Handshake::ticket(&ticket)).await.unwrap();
    socket.hello().await.unwrap();
    socket.say(room, "a canary in words").await.unwrap();
    let wrong = Client::new(server.base()).unwrap().sign_in("ada", "a canary in a password").await;
    assert_eq!(wrong.unwrap_err().status(), Some(401));
    let _device: Person = ada.second_device().await.unwrap();

    let log = server.log();
    for secret in [PASSWORD, ada.client.token(), &ticket, "a canary in words", "a canary in a password"] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
    for entry in std::fs::read_dir(server.data()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [PASSWORD, ada.client.token()] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} on the disk");
        }
    }
}

//! The REST interface, typed: accounts and sessions here, the rest by resource.

mod groups;
mod messages;

use crate::{DEADLINE, Error};
use protocol::rest::{Me, Register, Sessions, SignIn, SignedIn, Ticket, Users};
use protocol::{Body, SessionId, User, UserId};
use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde::{Serialize, de::DeserializeOwned};

/// Speaks to one server, as one session or as nobody. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// A whole answer, kept for a closer look.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
    /// Content, as it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// One header field, empty where it is absent or not text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Everything in it that must not tell two cases apart: status, header fields and content, without the date
    /// and the request's own id.
    pub fn without_its_own(&self) -> (u16, Vec<(String, String)>, String) {
        let own = ["date", "x-request-id"];
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.sort();
        (self.status, headers, self.text())
    }

    /// The content as text, for people.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The content as a value of the contract.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Unreadable(format!("{error} in {}", self.text())))
    }
}

/// A text body. Panics where the words are outside the limits: use raw JSON to try those.
pub fn text(words: &str) -> Body {
    Body::Text { text: words.parse().expect("words within the limits of a message") }
}

impl Client {
    /// Speaks to the server at `base` (`http://host:port`), signed in as nobody.
    pub fn new(base: &str) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .no_proxy() // the server under test is next door, whatever the environment says
            .redirect(reqwest::redirect::Policy::none()) // a redirect is an answer to look at
            .pool_max_idle_per_host(0) // a kept connection would outlive a restart of the server and fail once
            .timeout(DEADLINE * 3)
            .build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), token: None })
    }

    /// The same server, with this session.
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same server, as nobody.
    pub fn anonymous(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// The session's token; empty for nobody.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// Where the server is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request to any path (`/api/v1/me`), with the session's bearer header.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// `GET` of any path, whatever the answer.
    pub async fn get(&self, path: &str) -> Result<Answer, Error> {
        answer(self.request(Method::GET, path)).await
    }

    /// Any method on a path below `/api/v1/`, with a JSON body, whatever the answer.
    pub async fn call<B: Serialize + ?Sized>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<Answer, Error> {
        answer(self.request(method, &format!("/api/v1/{path}")).json(body)).await
    }

    async fn fetch<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        typed(answer(self.request(Method::GET, &format!("/api/v1/{path}"))).await?)
    }

    async fn submit<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        typed(self.call(Method::POST, path, body).await?)
    }

    /// Any method with a body, and a value of the contract for an answer.
    async fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        typed(self.call(method, path, body).await?)
    }

    /// Any method without a body, and a value of the contract for an answer.
    async fn order<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, Error> {
        typed(answer(self.request(method, &format!("/api/v1/{path}"))).await?)
    }

    /// Sends a `DELETE` and expects success.
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        succeeded(answer(self.request(Method::DELETE, &format!("/api/v1/{path}"))).await?).map(drop)
    }

    /// Opens an account; the client returned is its first session.
    pub async fn register(
        &self,
        username: &str,
        password: &str,
        name: Option<&str>,
    ) -> Result<(Self, User), Error> {
        let body = Register {
            username: username.into(),
            password: password.into(),
            display_name: name.map(str::to_owned),
        };
        let signed: SignedIn = self.submit("accounts", &body).await?;
        Ok((self.with_token(signed.token), signed.user))
    }

    /// Signs in; the client returned is a session of its own.
    pub async fn sign_in(&self, username: &str, password: &str) -> Result<(Self, User), Error> {
        let body = SignIn { username: username.into(), password: password.into() };
        let signed: SignedIn = self.submit("sessions", &body).await?;
        Ok((self.with_token(signed.token), signed.user))
    }

    /// Ends this session.
    pub async fn sign_out(&self) -> Result<(), Error> {
        self.delete("sessions/current").await
    }

    /// My signed-in devices.
    pub async fn sessions(&self) -> Result<Sessions, Error> {
        self.fetch("sessions").await
    }

    /// Ends another of my sessions.
    pub async fn revoke(&self, session: SessionId) -> Result<(), Error> {
        self.delete(&format!("sessions/{session}")).await
    }

    /// A ticket for one handshake.
    pub async fn ticket(&self) -> Result<Ticket, Error> {
        self.submit("ws-ticket", &serde_json::json!({})).await
    }

    /// My account.
    pub async fn me(&self) -> Result<Me, Error> {
        self.fetch("me").await
    }

    /// People whose names match.
    pub async fn users(&self, q: &str) -> Result<Users, Error> {
        typed(answer(self.request(Method::GET, "/api/v1/users").query(&[("q", q)])).await?)
    }

    /// One person.
    pub async fn user(&self, id: UserId) -> Result<User, Error> {
        self.fetch(&format!("users/{id}")).await
    }
}

/// Sends a request and takes the answer in, whatever its status.
pub async fn answer(request: RequestBuilder) -> Result<Answer, Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await?.to_vec();
    Ok(Answer { status, headers, body })
}

fn succeeded(answer: Answer) -> Result<Answer, Error> {
    if (200..300).contains(&answer.status) { Ok(answer) } else { Err(Error::Refused(Box::new(answer))) }
}

fn typed<T: DeserializeOwned>(answer: Answer) -> Result<T, Error> {
    succeeded(answer)?.json()
}

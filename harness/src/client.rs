//! The REST interface, typed.

use crate::{DEADLINE, Error};
use protocol::rest::{
    Changes, Conversations, Me, Members, Messages, NewConversation, NewMember, NewMessage, PatchConversation,
    Posted, Read, ReadMark, Register, Sessions, SignIn, SignedIn, Ticket, UnreadAll, Users,
};
use protocol::{Body, Conversation, ConversationId, Member, Nonce, SessionId, User, UserId};
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

    /// My conversations, newest activity first.
    pub async fn conversations(&self) -> Result<Conversations, Error> {
        self.fetch("conversations").await
    }

    /// One of my conversations.
    pub async fn conversation(&self, id: ConversationId) -> Result<Conversation, Error> {
        self.fetch(&format!("conversations/{id}")).await
    }

    /// The conversation with somebody, opened where there is none.
    pub async fn direct(&self, user: UserId) -> Result<Conversation, Error> {
        self.submit("conversations", &NewConversation::Direct { user }).await
    }

    /// A new group.
    pub async fn group(&self, title: &str, members: &[UserId]) -> Result<Conversation, Error> {
        let body = NewConversation::Group {
            title: title.into(),
            members: members.to_vec(),
            nonce: None,
            public: false,
            history: protocol::History::Join,
        };
        self.submit("conversations", &body).await
    }

    /// Gives a group another title.
    pub async fn rename(&self, id: ConversationId, title: &str) -> Result<Conversation, Error> {
        let body = PatchConversation { title: Some(title.into()), ..Default::default() };
        typed(self.call(Method::PATCH, &format!("conversations/{id}"), &body).await?)
    }

    /// Who is in a conversation.
    pub async fn members(&self, id: ConversationId) -> Result<Members, Error> {
        self.fetch(&format!("conversations/{id}/members")).await
    }

    /// Adds somebody to a group.
    pub async fn add(&self, id: ConversationId, user: UserId) -> Result<Member, Error> {
        self.submit(&format!("conversations/{id}/members"), &NewMember { user }).await
    }

    /// Removes somebody from a group; with my own id: leaves it.
    pub async fn remove(&self, id: ConversationId, user: UserId) -> Result<(), Error> {
        self.delete(&format!("conversations/{id}/members/{user}")).await
    }

    /// A page of history; `query` as in the contract, for example `before=17&limit=5`.
    pub async fn messages(&self, id: ConversationId, query: &str) -> Result<Messages, Error> {
        self.fetch(&format!("conversations/{id}/messages?{query}")).await
    }

    /// Every message of a conversation, read page by page from the start.
    pub async fn whole_history(&self, id: ConversationId) -> Result<Vec<protocol::Message>, Error> {
        let mut all: Vec<protocol::Message> = Vec::new();
        loop {
            let after = all.last().map_or(0, |message| message.seq);
            let page = self.messages(id, &format!("after={after}&limit={}", protocol::limits::PAGE)).await?;
            if page.messages.is_empty() {
                return Ok(all);
            }
            all.extend(page.messages);
        }
    }

    /// Posts words under a fresh nonce.
    pub async fn post(&self, id: ConversationId, words: &str) -> Result<Posted, Error> {
        self.post_as(id, Nonce::generate(), text(words)).await
    }

    /// Posts under a nonce of the caller's choice.
    pub async fn post_as(&self, id: ConversationId, nonce: Nonce, body: Body) -> Result<Posted, Error> {
        let body = NewMessage { nonce, body, reply_to: None };
        self.submit(&format!("conversations/{id}/messages"), &body).await
    }

    /// The log after a `rev`; `query` for example `after=3&limit=10`.
    pub async fn changes(&self, id: ConversationId, query: &str) -> Result<Changes, Error> {
        self.fetch(&format!("conversations/{id}/changes?{query}")).await
    }

    /// Moves my read mark.
    pub async fn read(&self, id: ConversationId, seq: u64) -> Result<ReadMark, Error> {
        self.submit(&format!("conversations/{id}/read"), &Read { seq }).await
    }

    /// All that is unread.
    pub async fn unread_all(&self) -> Result<UnreadAll, Error> {
        self.fetch("unread/all").await
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

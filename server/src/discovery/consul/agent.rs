//! The agent's HTTP interface, as far as it is used. Names and values as in Consul's own documentation.

use super::keep::Entry;
use crate::discovery::endpoint::Endpoint;
use crate::discovery::{ANSWER, Me};
use axum::http::{HeaderValue, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

const TOKEN: &str = "x-consul-token";
const INDEX: &str = "x-consul-index";

/// How long the agent may hold a question about changes; it adds up to a sixteenth by itself.
const WAIT: Duration = Duration::from_secs(30);
/// Larger answers are not read: 256 nodes with a thousand people each fit.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Of what the agent says when it refuses, so much is kept for the log.
const SAID_CHARS: usize = 200;

/// How long a session outlives its last renewal: the shortest time Consul takes. It may end it after twice that.
const SESSION_TTL: &str = "10s";
/// How often the agent asks whether we are ready, and how long it waits for an answer.
const CHECK_EVERY: &str = "5s";
const CHECK_TIMEOUT: &str = "2s";
/// A node that has been critical for so long is forgotten; while it runs, it registers again.
const FORGET_AFTER: &str = "10m";

/// Why the agent did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Error {
    /// It could not be asked, or did not answer in time.
    Unreachable(reqwest::Error),
    /// It said no, or that it cannot now.
    Refused(StatusCode, String),
    /// The answer is none that is known.
    Unreadable(serde_json::Error),
    /// The answer is too large.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => {
                write!(f, "{error}")?;
                let mut source = error.source();
                while let Some(error) = source {
                    write!(f, ": {error}")?;
                    source = error.source();
                }
                Ok(())
            }
            Self::Refused(status, said) => write!(f, "{status}: {said}"),
            Self::Unreadable(error) => write!(f, "unreadable: {error}"),
            Self::TooLarge => write!(f, "an answer of more than {ANSWER_BYTES} bytes"),
        }
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreachable(error.without_url())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// An instance of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    /// Of its own checks and its machine's.
    pub(super) statuses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    node: ListedNode,
    service: ListedService,
    checks: Vec<ListedCheck>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedNode {
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedService {
    #[serde(rename = "ID")]
    id: String,
    address: String,
    port: u16,
    meta: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedCheck {
    status: String,
}

impl From<Listed> for Instance {
    fn from(Listed { node, service, checks }: Listed) -> Self {
        let ListedService { id, address, port, meta } = service;
        // What somebody else registered under our name has an id and, where it says nothing, its machine's address.
        let name = meta.and_then(|mut meta| meta.remove("node")).unwrap_or(id);
        let host = if address.is_empty() { node.address } else { address };
        let statuses = checks.into_iter().map(|check| check.status).collect();
        Self { name, endpoint: Endpoint::new(host, port), statuses }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedKey {
    key: String,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Session {
    #[serde(rename = "ID")]
    id: String,
}

struct Answer {
    status: StatusCode,
    index: u64,
    body: Vec<u8>,
}

impl Answer {
    fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    fn accepted(self) -> Result<Self, Error> {
        if self.status.is_success() {
            return Ok(self);
        }
        let said = String::from_utf8_lossy(&self.body);
        Err(Error::Refused(self.status, said.trim().chars().take(SAID_CHARS).collect()))
    }

    fn read<T: DeserializeOwned>(self) -> Result<T, Error> {
        Ok(serde_json::from_slice(&self.accepted()?.body)?)
    }
}

/// Speaks to one agent about one service.
#[derive(Clone)]
pub(super) struct Agent {
    http: reqwest::Client,
    base: String,
    service: String,
    token: Option<HeaderValue>,
}

impl Agent {
    pub(super) fn new(
        http: reqwest::Client,
        at: &Endpoint,
        service: &str,
        token: Option<HeaderValue>,
    ) -> Self {
        Self { http, base: format!("{}/v1", at.url()), service: service.to_owned(), token }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        within: Duration,
    ) -> Result<Answer, Error> {
        let mut request = self.http.request(method, format!("{}/{path}", self.base)).timeout(within);
        if let Some(token) = &self.token {
            request = request.header(TOKEN, token.clone());
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let mut response = request.send().await?;
        let status = response.status();
        let index = response.headers().get(INDEX).and_then(|index| index.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await? {
            if body.len() + part.len() > ANSWER_BYTES {
                return Err(Error::TooLarge);
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { status, index: index.unwrap_or(0), body })
    }

    async fn put(&self, path: &str, body: Option<&impl Serialize>) -> Result<Answer, Error> {
        let body = body.map(serde_json::to_vec).transpose()?;
        self.ask(Method::PUT, path, body, ANSWER).await
    }

    async fn order(&self, path: &str) -> Result<Answer, Error> {
        self.ask(Method::PUT, path, None, ANSWER).await
    }

    /// Waits until what stands at `path` differs from what it was at `index`, or a while; 0 does not wait.
    async fn wait(&self, path: &str, mark: char, index: u64) -> Result<Answer, Error> {
        let path = format!("{path}{mark}index={index}&wait={}s", WAIT.as_secs());
        self.ask(Method::GET, &path, None, WAIT + WAIT / 16 + ANSWER).await
    }

    fn id(&self, me: &Me) -> String {
        format!("{}-{}", self.service, me.name.as_str())
    }

    /// Whether the agent knows us.
    pub(super) async fn is_registered(&self, me: &Me) -> Result<bool, Error> {
        let path = format!("agent/service/{}", self.id(me));
        let answer = self.ask(Method::GET, &path, None, ANSWER).await?;
        if answer.is_missing() {
            return Ok(false);
        }
        answer.accepted().map(|_| true)
    }

    /// Makes us an instance of the service, in place of what had our name.
    pub(super) async fn register(&self, me: &Me, ready: bool) -> Result<(), Error> {
        let body = json!({
            "ID": self.id(me),
            "Name": self.service,
            "Address": me.endpoint.host(),
            "Port": me.endpoint.port(),
            "Meta": { "node": me.name.as_str(), "version": env!("CARGO_PKG_VERSION") },
            "Check": {
                "Name": "ready",
                "HTTP": format!("{}/health/ready", me.endpoint.url()),
                "Interval": CHECK_EVERY,
                "Timeout": CHECK_TIMEOUT,
                "Status": if ready { "passing" } else { "critical" },
                "DeregisterCriticalServiceAfter": FORGET_AFTER,
            },
        });
        self.put("agent/service/register", Some(&body)).await?.accepted().map(drop)
    }

    /// Takes us out of the service.
    pub(super) async fn deregister(&self, me: &Me) -> Result<(), Error> {
        self.order(&format!("agent/service/deregister/{}", self.id(me))).await?.accepted().map(drop)
    }

    /// The instances of the service, healthy or not, and the index they are of.
    pub(super) async fn instances(&self, index: u64) -> Result<(Vec<Instance>, u64), Error> {
        let answer = self.wait(&format!("health/service/{}", self.service), '?', index).await?;
        let index = answer.index;
        let listed: Vec<Listed> = answer.read()?;
        Ok((listed.into_iter().map(Instance::from).collect(), index))
    }

    /// A session whose keys go with it, at once and for anybody to take.
    pub(super) async fn create_session(&self, me: &Me) -> Result<String, Error> {
        let body =
            json!({ "Name": self.id(me), "TTL": SESSION_TTL, "Behavior": "delete", "LockDelay": "0s" });
        let session: Session = self.put("session/create", Some(&body)).await?.read()?;
        Ok(session.id)
    }

    /// `false`: it has ended.
    pub(super) async fn renew(&self, session: &str) -> Result<bool, Error> {
        let answer = self.order(&format!("session/renew/{session}")).await?;
        if answer.is_missing() {
            return Ok(false);
        }
        answer.accepted().map(|_| true)
    }

    pub(super) async fn destroy_session(&self, session: &str) -> Result<(), Error> {
        self.order(&format!("session/destroy/{session}")).await?.accepted().map(drop)
    }

    /// Writes our entry under the session. `false`: another session holds it.
    pub(super) async fn write(&self, me: &Me, session: &str, entry: &Entry) -> Result<bool, Error> {
        let path = format!("kv/{}/{}/users?acquire={session}", self.service, me.name.as_str());
        self.put(&path, Some(entry)).await?.read()
    }

    /// The entries of all nodes by their names, and the index they are of. What is none is left out.
    pub(super) async fn entries(&self, index: u64) -> Result<(BTreeMap<String, Entry>, u64), Error> {
        let answer = self.wait(&format!("kv/{}/?recurse", self.service), '&', index).await?;
        let index = answer.index;
        let keys: Vec<ListedKey> = if answer.is_missing() { Vec::new() } else { answer.read()? };
        let entry = |ListedKey { key, value }: ListedKey| {
            let node = key.strip_prefix(&self.service)?.strip_prefix('/')?.strip_suffix("/users")?;
            let entry = serde_json::from_slice(&BASE64_STANDARD.decode(value?).ok()?).ok()?;
            Some((node.to_owned(), entry))
        };
        Ok((keys.into_iter().filter_map(entry).collect(), index))
    }
}

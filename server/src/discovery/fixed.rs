//! A list in the settings: each of it is asked, again and again, whether it is ready.

use super::backoff::jittered;
use super::directory::{Contact, Directory, Told};
use super::endpoint::Endpoint;
use super::{ANSWER, INSTANCE, Me};
use futures::future::join_all;
use protocol::rest::Health;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How often each is asked, at most; at least half as often.
const EVERY: Duration = Duration::from_secs(10);
/// Longest list: all are asked at once. A longer one is refused at the start.
const LIST: usize = 64;

/// The nodes there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List(Vec<Endpoint>);

impl FromStr for List {
    type Err = String;

    /// What follows `static:`.
    fn from_str(text: &str) -> Result<Self, String> {
        let accepts = || format!("accepts `static:http://HOST:PORT,…` with 1 to {LIST} nodes");
        let endpoint = |text: &str| {
            let (host, port) = Endpoint::parse(text.trim().strip_prefix("http://")?.trim_end_matches('/'))?;
            Some(Endpoint::new(host, port.unwrap_or(80)))
        };
        let list: Option<Vec<_>> = text.split(',').map(endpoint).collect();
        list.filter(|list| list.len() <= LIST).map(Self).ok_or_else(accepts)
    }
}

/// How a node of the list is.
async fn ask(endpoint: &Endpoint, http: &reqwest::Client, me: &Me) -> Told {
    let address = endpoint.url();
    let answer = http.get(format!("{address}/health/ready")).timeout(ANSWER).send().await;
    // Only the head is looked at: what follows goes with the connection.
    let (health, instance) = match &answer {
        Ok(answer) if answer.status().is_success() => (Health::Passing, answer.headers().get(INSTANCE)),
        Ok(answer) => (Health::Critical, answer.headers().get(INSTANCE)),
        Err(_) => (Health::Critical, None),
    };
    let is_self = instance.is_some_and(|instance| instance.as_bytes() == me.instance.as_bytes());
    let name = if is_self { me.name.as_str().to_owned() } else { endpoint.to_string() };
    Told { name, address, health, is_self }
}

/// Asks for ever.
pub(super) async fn run(list: List, http: reqwest::Client, me: Arc<Me>, directory: Arc<Directory>) {
    // Nobody has to be told of us.
    directory.reached(Contact::Keeping, true);
    loop {
        directory.tell(join_all(list.0.iter().map(|endpoint| ask(endpoint, &http, &me))).await);
        directory.reached(Contact::Watching, true);
        sleep(jittered(EVERY)).await;
    }
}

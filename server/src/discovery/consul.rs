//! Consul, by an agent near by: this node is an instance of a service there, checked by the agent at `/health/ready`;
//! who is connected to it stands beside, under a session that ends with the node; changes of others are waited for.
//!
//! One task keeps our entries, two wait for changes. Whatever fails is tried again after a wait that grows to five
//! seconds and begins with looking whether our entries are still there, because an agent may come back empty.

mod agent;
mod keep;

use super::backoff::Backoff;
use super::directory::{Contact, Counts, Directory, Told};
use super::endpoint::Endpoint;
use super::{Me, name::NodeName};
use agent::{Agent, Error, Instance};
use axum::http::HeaderValue;
use chat::Chat;
use keep::Keeper;
use protocol::rest::Health;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Port of an agent, as Consul itself chooses.
const PORT: u16 = 8500;
/// Name of the service, and of the folder of keys.
const SERVICE: &str = "confab";
/// Between two answers about instances: many changes at once are a few answers.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two answers about who is connected: these change all the time, and each answer is about all nodes.
const COUNTS_PAUSE: Duration = Duration::from_secs(5);

/// Where the agent is, and what we are called there. It may hold a token, so not all of it is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    agent: Endpoint,
    service: NodeName,
    /// Where others reach us, where that was said; the port where it differs from ours.
    reached: Option<(String, Option<u16>)>,
    token: Option<HeaderValue>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "consul://{}?service={}&…", self.agent, self.service.as_str())
    }
}

impl FromStr for Address {
    type Err = String;

    /// What follows `consul://`.
    fn from_str(text: &str) -> Result<Self, String> {
        let accepts = "accepts `consul://HOST[:PORT][?service=NAME&address=HOST[:PORT]&token=TOKEN]`";
        let (host, query) = text.split_once('?').unwrap_or((text, ""));
        let (host, port) = Endpoint::parse(host.trim_end_matches('/')).ok_or(accepts)?;
        let agent = Endpoint::new(host, port.unwrap_or(PORT));
        let mut address = Self { agent, service: SERVICE.parse()?, reached: None, token: None };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').ok_or(accepts)? {
                ("service", name) => address.service = name.parse().map_err(|_| accepts)?,
                ("address", at) => address.reached = Some(Endpoint::parse(at).ok_or(accepts)?),
                ("token", token) => {
                    let mut token: HeaderValue = token.parse().map_err(|_| accepts)?;
                    token.set_sensitive(true);
                    address.token = Some(token);
                }
                _ => return Err(accepts.to_owned()),
            }
        }
        Ok(address)
    }
}

impl Address {
    /// Whether it says where others reach this node.
    pub fn says_where(&self) -> bool {
        self.reached.is_some()
    }

    /// Where others reach a node that listens there.
    pub(super) fn reached_at(&self, listen: SocketAddr) -> Endpoint {
        match &self.reached {
            Some((host, port)) => Endpoint::new(host.clone(), port.unwrap_or(listen.port())),
            None => listen.into(),
        }
    }
}

/// Begins to keep our entries and to wait for changes.
pub(super) fn start(
    address: Address,
    http: reqwest::Client,
    me: &Arc<Me>,
    chat: &Chat,
    directory: &Arc<Directory>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) {
    let Address { agent, service, token, .. } = address;
    let agent = Agent::new(http, &agent, service.as_str(), token);
    tasks.spawn(Keeper::new(agent.clone(), me.clone(), chat.clone(), directory.clone()).run(stop.clone()));
    for what in [What::Instances, What::Counts] {
        let watch = Watch { what, agent: agent.clone(), me: me.clone(), directory: directory.clone() };
        tasks.spawn(stop.clone().run_until_cancelled_owned(watch.run()));
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Instances,
    Counts,
}

struct Watch {
    what: What,
    agent: Agent,
    me: Arc<Me>,
    directory: Arc<Directory>,
}

impl Watch {
    async fn run(self) {
        let (mut index, mut backoff) = (0, Backoff::new());
        loop {
            let (heard, pause) = match self.what {
                What::Instances => (self.instances(index).await, PAUSE),
                What::Counts => (self.counts(index).await, COUNTS_PAUSE),
            };
            let wait = match heard {
                Ok(new) => {
                    index = next_index(index, new);
                    backoff.reset();
                    pause
                }
                Err(error) => {
                    // Told once to people, by who keeps our entries.
                    tracing::debug!(consul.error = %error, what = ?self.what, "not heard");
                    index = 0;
                    backoff.next()
                }
            };
            sleep(wait).await;
        }
    }

    async fn instances(&self, index: u64) -> Result<u64, Error> {
        let heard = self.agent.instances(index).await;
        self.directory.reached(Contact::Watching, heard.is_ok());
        let (instances, index) = heard?;
        let own = (self.me.name.as_str(), self.me.endpoint.url());
        let told = instances.into_iter().map(|instance| {
            let (health, Instance { name, endpoint, .. }) = (health(&instance.statuses), instance);
            let address = endpoint.url();
            let is_self = (name.as_str(), &address) == (own.0, &own.1);
            Told { name, address, health, is_self }
        });
        self.directory.tell(told.collect());
        Ok(index)
    }

    async fn counts(&self, index: u64) -> Result<u64, Error> {
        let (entries, index) = self.agent.entries(index).await?;
        let counts = entries.into_iter().map(|(node, entry)| {
            let keep::Entry { users, sockets, .. } = entry;
            (node, Counts { users, sockets })
        });
        self.directory.count(counts.collect());
        Ok(index)
    }
}

/// The index to wait with. One that went back names nothing any more: then everything is read again; one of zero would
/// not wait at all.
fn next_index(before: u64, new: u64) -> u64 {
    if new < before { 0 } else { new.max(1) }
}

/// How an instance is, by its checks and those of its machine: as the worst of them.
fn health(statuses: &[String]) -> Health {
    let of = |status: &String| match status.as_str() {
        "passing" => Health::Passing,
        "warning" => Health::Warning,
        _ => Health::Critical,
    };
    statuses.iter().map(of).max().unwrap_or(Health::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_goes_back_begins_again() {
        assert_eq!(next_index(0, 7), 7);
        assert_eq!(next_index(7, 7), 7);
        assert_eq!(next_index(7, 3), 0);
        assert_eq!(next_index(0, 0), 1);
    }

    #[test]
    fn the_worst_check_decides() {
        let of = |statuses: &[&str]| health(&statuses.iter().map(|&s| s.to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["passing", "passing"]), Health::Passing);
        assert_eq!(of(&["passing", "warning"]), Health::Warning);
        assert_eq!(of(&["critical", "warning"]), Health::Critical);
        assert_eq!(of(&["maintenance"]), Health::Critical);
        assert_eq!(of(&[]), Health::Unknown);
    }

    #[test]
    fn an_address_is_taken_apart() {
        let address: Address = "h?token=t&service=team-a&address=[::1]:7&".parse().unwrap();
        assert_eq!(address.agent.to_string(), "h:8500");
        assert_eq!(address.service.as_str(), "team-a");
        assert_eq!(address.reached, Some(("::1".to_owned(), Some(7))));
        assert_eq!(address.token.unwrap(), "t");
        let plain: Address = "[::1]:9/".parse().unwrap();
        assert_eq!((plain.agent.to_string().as_str(), plain.says_where()), ("[::1]:9", false));
    }
}

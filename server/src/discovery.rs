//! Which nodes there are: each registered with Consul ([`consul`]), or a list in the settings ([`fixed`]).
//!
//! Nothing waits for it: a node starts, serves and stops whether its discovery answers or not, and goes on with the
//! list it had last. What a back end hears goes into a [`directory`], which is all that anybody reads.

mod backoff;
pub mod consul;
mod directory;
pub mod endpoint;
pub mod fixed;
pub mod name;

use axum::http::HeaderName;
use chat::{Chat, Connected};
use directory::{Directory, now};
use endpoint::Endpoint;
use name::NodeName;
use protocol::rest::{Discovery as Kind, Health, Node, Nodes};
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tells one run of a server from another, in answers of `/health/ready`: a node finds itself in a list by it.
pub const INSTANCE: HeaderName = HeaderName::from_static("confab-instance");

/// Whoever is asked whether they are there has this long to begin, and to finish.
const ANSWER: Duration = Duration::from_secs(2);
/// For saying goodbye: a request under way, and the two that take our entries away.
const LEAVE: Duration = Duration::from_secs(5);

/// How this node finds the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiscoveryUrl {
    /// By an agent of Consul.
    Consul(consul::Address),
    /// By asking those of a list.
    Static(fixed::List),
}

impl FromStr for DiscoveryUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("consul://") {
            return rest.parse().map(Self::Consul);
        }
        match text.strip_prefix("static:") {
            Some(rest) => rest.parse().map(Self::Static),
            None => Err("accepts `consul://HOST:PORT` or `static:http://HOST:PORT,…`".to_owned()),
        }
    }
}

/// This node, as the others get to know it.
#[derive(Debug)]
pub(crate) struct Me {
    name: NodeName,
    endpoint: Endpoint,
    /// Another one after each start.
    instance: String,
}

impl Me {
    fn new(name: Option<NodeName>, url: Option<&DiscoveryUrl>, listen: SocketAddr) -> Self {
        let host = name::host();
        let endpoint = match url {
            Some(DiscoveryUrl::Consul(consul)) => consul.reached_at(listen),
            // Only shown: the list says where we are reached.
            _ if listen.ip().is_unspecified() => Endpoint::new(host.clone(), listen.port()),
            _ => listen.into(),
        };
        let name = name.unwrap_or_else(|| NodeName::of(&host, listen.port()));
        Self { name, endpoint, instance: format!("{:032x}", rand::random::<u128>()) }
    }
}

/// This node's knowledge of all of them. Cheap to clone.
#[derive(Clone)]
pub struct Discovery {
    kind: Kind,
    me: Arc<Me>,
    chat: Chat,
    directory: Arc<Directory>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Discovery {
    /// Begins to look for others and to be found, for a chat served at `listen`. Waits for nobody.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub fn start(
        url: Option<DiscoveryUrl>,
        name: Option<NodeName>,
        listen: SocketAddr,
        chat: Chat,
    ) -> reqwest::Result<Self> {
        let me = Arc::new(Me::new(name, url.as_ref(), listen));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let directory = Arc::new(Directory::new(url.is_none()));
        let kind = match url {
            None => Kind::None,
            Some(DiscoveryUrl::Static(list)) => {
                let asking = fixed::run(list, client()?, me.clone(), directory.clone());
                tasks.spawn(stop.clone().run_until_cancelled_owned(asking));
                Kind::Static
            }
            Some(DiscoveryUrl::Consul(address)) => {
                consul::start(address, client()?, &me, &chat, &directory, &stop, &tasks);
                Kind::Consul
            }
        };
        tasks.close();
        Ok(Self { kind, me, chat, directory, stop, tasks })
    }

    /// What this node is called.
    pub fn name(&self) -> &str {
        self.me.name.as_str()
    }

    /// What tells this run of it from any other.
    pub fn instance(&self) -> &str {
        &self.me.instance
    }

    /// All nodes, as far as they are known; this one in any case.
    pub async fn nodes(&self) -> Nodes {
        let (mut nodes, fresh) = self.directory.nodes();
        if !nodes.iter().any(|node| node.is_self) {
            let ready = self.chat.ready().await.ready;
            nodes.push(Node {
                name: self.name().to_owned(),
                address: self.me.endpoint.url(),
                health: if ready { Health::Passing } else { Health::Critical },
                users: None,
                sockets: None,
                is_self: true,
                seen_at: None,
            });
        }
        let Connected { users, sockets } = self.chat.connected();
        for own in nodes.iter_mut().filter(|node| node.is_self) {
            own.users = Some(users.len() as u64);
            own.sockets = Some(sockets as u64);
            own.seen_at = Some(now());
        }
        nodes.sort_by(|a, b| (&a.name, &a.address).cmp(&(&b.name, &b.address)));
        Nodes { nodes, discovery: self.kind, fresh }
    }

    /// Takes this node out of everybody's list. Whoever cannot be told in time finds out by asking.
    pub async fn leave(&self) {
        self.stop.cancel();
        if timeout(LEAVE, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                node = self.name(),
                "discovery did not answer in time; others see this node until they ask it"
            );
        }
    }
}

/// Speaks to neighbours: by plain HTTP, around every proxy of the environment, following nobody elsewhere.
fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(ANSWER)
        .tcp_keepalive(Duration::from_secs(15)) // a machine that vanished is noticed while it is waited for
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_discovery_is_refused_with_what_is_accepted() {
        for text in [
            "",
            "consul",
            "consul://",
            "consul://h:x",
            "consul://user:secret@h",
            "consul://h?service=A b",
            "consul://h?servce=a",
            "consul://h?address=",
            "consul://h?token=a\nb",
            "consul://h/path",
            "etcd://h",
            "static:",
            "static:a:3000",
            "static:https://a:3000",
            "static:http://a:3000,",
            "static:http://a:3000/path",
            "static:http://u:secret@a:3000",
        ] {
            let sentence = text.parse::<DiscoveryUrl>().unwrap_err();
            assert!(sentence.starts_with("accepts ") && !sentence.contains("secret"), "{text}: {sentence}");
        }
        let long = format!("static:{}", vec!["http://a:1"; 65].join(","));
        assert!(long.parse::<DiscoveryUrl>().unwrap_err().contains("64"));
    }

    #[test]
    fn a_token_is_never_shown() {
        let url: DiscoveryUrl = "consul://h?token=hunter2&service=team-a".parse().unwrap();
        let shown = format!("{url:?}");
        assert!(!shown.contains("hunter2") && shown.contains("team-a"), "{shown}");
    }

    #[test]
    fn a_node_is_named_and_found_by_what_it_listens_on() {
        let me = |url: &str, listen: &str| {
            let url: Option<DiscoveryUrl> = (!url.is_empty()).then(|| url.parse().unwrap());
            Me::new(None, url.as_ref(), listen.parse().unwrap())
        };
        let named = me("", "127.0.0.1:3001");
        assert_eq!(named.endpoint.url(), "http://127.0.0.1:3001");
        assert!(named.name.as_str().ends_with("-3001"), "{:?}", named.name);
        let elsewhere = me("consul://h?address=10.0.0.5", "0.0.0.0:3002");
        assert_eq!(elsewhere.endpoint.url(), "http://10.0.0.5:3002");
        assert_eq!(me("consul://h?address=a:80", "[::]:3").endpoint.url(), "http://a:80");
        assert_eq!(me("consul://h", "[::1]:3003").endpoint.url(), "http://[::1]:3003");
        assert_ne!(named.instance, elsewhere.instance);
    }
}

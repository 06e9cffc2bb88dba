//! Nodes find each other: by a real agent of Consul, or by a list.
//!
//! Each test is a service of its own to the agent that `CONFAB_TEST_CONSUL` names; those that break an agent have one of
//! their own, started by `scripts/services`.

use harness::{Client, Person, Server};
use protocol::Code;
use protocol::rest::{Discovery, Health, Node, Nodes};
use serde_json::Value;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use uuid::Uuid;

const CONFAB: &str = env!("CARGO_BIN_EXE_confab");

/// What is told at once is here by then.
const AT_ONCE: Duration = Duration::from_secs(2);
/// A round, a check or a few attempts take less.
const SOON: Duration = Duration::from_secs(20);
/// A session of ten seconds may live for twice that after its last renewal.
const EXPIRED: Duration = Duration::from_secs(30);

/// Looks until it is as it should be; fails with what was seen last.
async fn until<T: Debug, F: Future<Output = T>>(
    within: Duration,
    what: &str,
    look: impl Fn() -> F,
    is_so: impl Fn(&T) -> bool,
) -> T {
    let end = Instant::now() + within;
    loop {
        let seen = look().await;
        if is_so(&seen) {
            return seen;
        }
        assert!(Instant::now() < end, "not within {within:?}: {what}; last: {seen:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An agent, as an operator sees it, and a service there that nobody else has.
struct Consul {
    url: String,
    http: reqwest::Client,
    service: String,
}

impl Consul {
    /// The shared agent.
    fn shared() -> Option<Self> {
        let url = std::env::var("CONFAB_TEST_CONSUL").ok().filter(|url| !url.is_empty());
        assert!(url.is_some() || std::env::var_os("CI").is_none(), "CONFAB_TEST_CONSUL names no agent");
        url.map(Self::at)
    }

    fn at(url: String) -> Self {
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
        Self { url, http, service: format!("t-{}", Uuid::now_v7()) }
    }

    fn base(&self) -> String {
        self.url.replace("consul://", "http://")
    }

    /// What stands at a path of its interface; none where nothing does.
    async fn get(&self, path: &str) -> Option<Value> {
        let answer = self.http.get(format!("{}/v1/{path}", self.base())).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        answer.json().await.ok()
    }

    /// Name, address with port, and the status of its own check, of each instance.
    async fn instances(&self) -> Vec<(String, String, String)> {
        let listed = self.get(&format!("health/service/{}", self.service)).await.unwrap_or_default();
        let instance = |entry: &Value| {
            let service = &entry["Service"];
            let own = entry["Checks"].as_array()?.iter().find(|check| check["ServiceID"] != "")?;
            let address = format!("{}:{}", service["Address"].as_str()?, service["Port"]);
            Some((service["Meta"]["node"].as_str()?.to_owned(), address, own["Status"].as_str()?.to_owned()))
        };
        listed.as_array().into_iter().flatten().filter_map(instance).collect()
    }

    /// The entry of a node in the key/value store.
    async fn entry(&self, node: &str) -> Option<Value> {
        self.get(&format!("kv/{}/{node}/users?raw", self.service)).await
    }

    /// A server that is found there under a name.
    async fn node(&self, name: &str) -> Site {
        let url = format!("{}?service={}", self.url, self.service);
        let server = Server::start_with(CONFAB, &["--discovery", &url, "--node", name]).await;
        Site::of(server.expect("it starts")).await
    }
}

/// A server and its administrator.
struct Site {
    server: Server,
    admin: Person,
}

impl Site {
    async fn of(server: Server) -> Self {
        let admin = Person::register(&server.client().expect("a client"), "ada").await.expect("an account");
        Self { server, admin }
    }

    async fn nodes(&self) -> Nodes {
        self.admin.client.get("/api/v1/nodes").await.expect("an answer").json().expect("nodes")
    }

    fn address(&self) -> &str {
        self.server.base().trim_start_matches("http://")
    }

    async fn stop(&mut self) {
        self.server.sigterm().expect("a signal");
        assert!(self.server.exit().await.expect("an end").success());
    }
}

fn named<'a>(nodes: &'a Nodes, name: &str) -> Option<&'a Node> {
    nodes.nodes.iter().find(|node| node.name == name)
}

fn health(nodes: &Nodes, name: &str) -> Option<Health> {
    named(nodes, name).map(|node| node.health)
}

fn names(nodes: &Nodes) -> Vec<&str> {
    nodes.nodes.iter().map(|node| node.name.as_str()).collect()
}

/// An agent of one's own. Dropped: stopped, and its folder removed.
struct OwnAgent(String);

impl OwnAgent {
    fn start() -> Self {
        let agent = Self(format!("consul-{}", Uuid::now_v7()));
        agent.run("start");
        agent
    }

    fn workspace() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("server/ lies in the workspace").to_owned()
    }

    fn run(&self, verb: &str) -> String {
        let services = Self::workspace().join("scripts").join("services");
        let output =
            Command::new(services).args([verb, "consul", &self.0]).output().expect("scripts/services runs");
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Crashes, and loses everything that it was told.
    fn lose_everything(&self) {
        self.run("kill");
        let data = Self::workspace().join("target").join("services").join(&self.0).join("data");
        std::fs::remove_dir_all(data).expect("its data");
    }
}

impl Drop for OwnAgent {
    fn drop(&mut self) {
        let services = Self::workspace().join("scripts").join("services");
        let _ = Command::new(services).args(["stop", "consul", &self.0]).output();
    }
}

#[tokio::test]
async fn a_node_alone_lists_itself_and_only_for_the_administrator() {
    let server = Server::start_with(CONFAB, &["--node", "north"]).await.unwrap();
    let site = Site::of(server).await;
    let _socket = site.admin.socket().await.unwrap();
    let nodes = site.nodes().await;
    assert_eq!((nodes.discovery, nodes.fresh, nodes.nodes.len()), (Discovery::None, true, 1));
    let node = &nodes.nodes[0];
    assert_eq!((node.name.as_str(), node.address.as_str()), ("north", site.server.base()));
    assert_eq!((node.health, node.users, node.sockets), (Health::Passing, Some(1), Some(1)));
    assert!(node.is_self && node.seen_at.is_some());

    let nobody = site.server.client().unwrap();
    let ben = Person::register(&nobody, "ben").await.unwrap();
    let refused = |client: Client| async move {
        let answer = client.get("/api/v1/nodes").await.unwrap();
        (answer.status, answer.json::<protocol::Problem>().unwrap().code)
    };
    assert_eq!(refused(ben.client).await, (403, Code::Forbidden));
    assert_eq!(refused(nobody).await, (401, Code::Unauthorized));
}

#[tokio::test]
async fn a_node_serves_while_its_agent_is_not_there() {
    // Port 9 is nobody's on a machine without old services.
    let server = Server::start_with(CONFAB, &["--discovery", "consul://127.0.0.1:9?token=hunter2"]).await;
    let mut site = Site::of(server.unwrap()).await;
    until(SOON, "a word about it", || async { site.server.log() }, |log| log.contains("Consul is away"))
        .await;
    let nodes = site.nodes().await;
    assert_eq!((nodes.discovery, nodes.fresh), (Discovery::Consul, false));
    assert!(matches!(&nodes.nodes[..], [node] if node.is_self && node.health == Health::Passing));
    site.stop().await;
    assert!(!site.server.log().contains("hunter2"));
}

#[tokio::test]
async fn a_node_is_found_from_its_start_to_its_stop() {
    let Some(consul) = Consul::shared() else { return };
    let mut north = consul.node("north").await;
    let registered = |seen: &Vec<(String, String, String)>| {
        *seen == [("north".to_owned(), north.address().to_owned(), "passing".to_owned())]
    };
    until(SOON, "registered", || consul.instances(), registered).await;
    let _socket = north.admin.socket().await.unwrap();
    let entry = until(
        SOON,
        "its people are told",
        || consul.entry("north"),
        |entry| entry.as_ref().is_some_and(|entry| entry["users"] == 1),
    )
    .await
    .unwrap();
    assert_eq!((&entry["sockets"], &entry["who"]), (&1.into(), &serde_json::json!([north.admin.id()])));

    // The check is the agent's own: it has looked, and it found nothing wrong.
    let looked = |checks: &Option<Value>| checks.as_ref().is_some_and(|checks| checks[0]["Output"] != "");
    let checks = format!("health/checks/{}", consul.service);
    let checks = until(SOON, "the agent asks it", || consul.get(&checks), looked).await.unwrap();
    assert_eq!(checks[0]["Status"], "passing", "{checks}");

    let fresh = |nodes: &Nodes| nodes.fresh && nodes.nodes.len() == 1;
    let nodes = until(SOON, "it knows itself", || north.nodes(), fresh).await;
    let node = named(&nodes, "north").unwrap();
    assert_eq!((node.health, node.is_self, node.users), (Health::Passing, true, Some(1)));
    assert_eq!((nodes.discovery, node.address.as_str()), (Discovery::Consul, north.server.base()));

    north.stop().await;
    assert_eq!(consul.instances().await, [], "it has said goodbye");
    assert_eq!(consul.entry("north").await, None);
}

#[tokio::test]
async fn a_change_is_heard_at_once_and_a_node_that_hangs_is_found_out() {
    let Some(consul) = Consul::shared() else { return };
    let north = consul.node("north").await;
    until(SOON, "north is there", || north.nodes(), |nodes| nodes.fresh).await;
    let mut south = consul.node("south").await;
    let both = |nodes: &Nodes| names(nodes) == ["north", "south"] && nodes.fresh;
    until(AT_ONCE, "north hears of south", || north.nodes(), both).await;
    until(SOON, "south hears of north", || south.nodes(), both).await;
    let _socket = south.admin.socket().await.unwrap();
    let one = |nodes: &Nodes| named(nodes, "south").is_some_and(|south| south.users == Some(1));
    until(SOON, "north hears who is at south", || north.nodes(), one).await;

    south.server.signal("STOP").unwrap();
    let critical = |seen: &Vec<(String, String, String)>| {
        seen.iter().any(|(name, _, status)| name == "south" && status == "critical")
    };
    until(SOON, "the check fails", || consul.instances(), critical).await;
    let hung = |nodes: &Nodes| health(nodes, "south") == Some(Health::Critical);
    let nodes = until(AT_ONCE, "north hears of it", || north.nodes(), hung).await;
    assert!(named(&nodes, "south").unwrap().seen_at.is_some());
    south.server.signal("CONT").unwrap();
    let passing = |nodes: &Nodes| health(nodes, "south") == Some(Health::Passing);
    until(SOON, "it passes again", || north.nodes(), passing).await;

    south.stop().await;
    until(AT_ONCE, "north hears that south stopped", || north.nodes(), |nodes| names(nodes) == ["north"])
        .await;
}

#[tokio::test]
async fn what_a_killed_node_told_goes_with_its_session() {
    let Some(consul) = Consul::shared() else { return };
    let north = consul.node("north").await;
    let mut south = consul.node("south").await;
    let told = |nodes: &Nodes| named(nodes, "south").is_some_and(|south| south.users == Some(0));
    until(SOON, "north knows who is at south", || north.nodes(), told).await;
    south.server.kill9().unwrap();
    assert!(consul.entry("south").await.is_some(), "it cannot be known yet");
    until(EXPIRED, "its entry goes", || consul.entry("south"), Option::is_none).await;
    let gone = |nodes: &Nodes| {
        named(nodes, "south").is_some_and(|south| south.users.is_none() && south.health == Health::Critical)
    };
    until(SOON, "north knows no more", || north.nodes(), gone).await;

    // It comes back under its name, and takes its key again.
    south.server.start_again().await.unwrap();
    until(SOON, "it is back", || north.nodes(), told).await;
}

#[tokio::test]
async fn nodes_go_on_with_what_they_know_while_the_agent_is_away() {
    if Consul::shared().is_none() {
        return;
    }
    let agent = OwnAgent::start();
    let consul = Consul::at(agent.run("url"));
    let (north, south) = (consul.node("north").await, consul.node("south").await);
    let both = |fresh: bool| move |nodes: &Nodes| names(nodes) == ["north", "south"] && nodes.fresh == fresh;
    until(SOON, "they know each other", || north.nodes(), both(true)).await;

    agent.run("pause");
    until(SOON, "the agent hangs", || north.nodes(), both(false)).await;
    agent.run("resume");
    until(SOON, "it goes on", || north.nodes(), both(true)).await;

    agent.lose_everything();
    until(SOON, "the agent is away", || north.nodes(), both(false)).await;
    north.admin.client.group("Still here", &[]).await.unwrap();
    agent.run("restart");
    let registered = |seen: &Vec<(String, String, String)>| seen.len() == 2;
    until(EXPIRED, "both are registered again", || consul.instances(), registered).await;
    for site in [&north, &south] {
        until(SOON, "and know it", || site.nodes(), both(true)).await;
    }
    until(SOON, "with who is there", || consul.entry("south"), Option::is_some).await;
}

#[tokio::test]
async fn nodes_of_a_list_are_asked() {
    let mut south = Server::start(CONFAB).await.unwrap();
    let home = TempDir::new().unwrap();
    let settings = home.path().join("settings.toml");
    std::fs::write(&settings, "").unwrap();
    let arguments = ["serve", "--config", "settings.toml", "--listen", "{listen}", "--node", "north"];
    let server = Server::start_as(CONFAB, home, &arguments, &[]).await.unwrap();
    let mut north = Site::of(server).await;
    // Port 9 is nobody's on a machine without old services.
    let list = format!("discovery = \"static:{},{},http://127.0.0.1:9\"", north.server.base(), south.base());
    std::fs::write(&settings, list).unwrap();
    north.server.start_again().await.unwrap();

    let nodes = until(SOON, "all were asked", || north.nodes(), |nodes| nodes.fresh).await;
    assert_eq!((nodes.discovery, nodes.nodes.len()), (Discovery::Static, 3));
    let own = named(&nodes, "north").unwrap();
    assert_eq!((own.is_self, own.health, own.address.as_str()), (true, Health::Passing, north.server.base()));
    let other = south.base().trim_start_matches("http://").to_owned();
    let node = named(&nodes, &other).unwrap();
    assert_eq!((node.is_self, node.health, node.users), (false, Health::Passing, None));
    assert!(node.seen_at.is_some());
    assert_eq!(health(&nodes, "127.0.0.1:9"), Some(Health::Critical));

    south.kill9().unwrap();
    let found_out = |nodes: &Nodes| health(nodes, &other) == Some(Health::Critical);
    until(SOON, "it is found out", || north.nodes(), found_out).await;
}

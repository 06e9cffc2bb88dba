//! A connection to the servers of an address, which comes back by itself.

use super::super::address::Address;
use super::super::wire::{LONGEST_PAUSE, PATIENCE, PAUSE};
use super::OVER_TLS;
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, RequestErrorKind, ServerAddr};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Commands that wait for the client: a batch is handed over while the one before is written. When full, callers wait.
const COMMANDS: usize = 2048;
/// Messages that wait in a subscription; the client drops the next one, and says so. Large enough for a burst that
/// arrives while the machine does something else.
const ARRIVED: usize = 8192;
/// How often a silent server is asked whether it is there. After the second question without an answer it is left.
const ASKED: Duration = Duration::from_secs(2);
/// How long a closed connection, which cannot be told to stop trying, waits before its next try.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

/// What happened to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) up: bool,
    /// How often it was made.
    pub(super) connects: u64,
    /// How often something that arrived was dropped.
    pub(super) dropped: u64,
}

/// See the module.
pub(super) struct Connection {
    pub(super) client: Client,
    news: watch::Receiver<News>,
    closed: Arc<AtomicBool>,
}

impl Connection {
    /// Begins to connect, and waits for it for a while. The server may be away.
    pub(super) async fn open(address: &Address, name: &str) -> Result<Self, String> {
        let tls = match (address.scheme == OVER_TLS, address.settings.get("tls").map(String::as_str)) {
            (true, None) | (_, Some("on")) => true,
            (false, None | Some("off")) => false,
            _ => return Err("accepts `tls=on` or `tls=off`, and no `tls=off` with tls://".to_owned()),
        };
        if address.settings.contains_key("ca") && !tls {
            return Err("accepts `ca`, the path of a certificate, only with TLS".to_owned());
        }
        let servers = address
            .hosts
            .iter()
            .map(|host| host.parse::<ServerAddr>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| "accepts names of hosts and their ports".to_owned())?;
        let (tell, news) = watch::channel(News::default());
        let closed = Arc::new(AtomicBool::new(false));
        let mut options = ConnectOptions::new()
            .name(name)
            .no_echo()
            .retry_on_initial_connect()
            .connection_timeout(PATIENCE)
            .request_timeout(Some(PATIENCE))
            .ping_interval(ASKED)
            .client_capacity(COMMANDS)
            .subscription_capacity(ARRIVED)
            .skip_subject_validation(true)
            .require_tls(tls)
            .reconnect_delay_callback(delay(closed.clone()))
            .event_callback(move |event| {
                hear(&tell, &event);
                std::future::ready(())
            });
        if let Some(file) = address.settings.get("ca") {
            options = options.add_root_certificates(file.into());
        }
        // Not within the servers' addresses, which the client writes into its logs.
        match &address.user {
            Some((token, password)) if password.is_empty() => options = options.token(token.clone()),
            Some((user, password)) => options = options.user_and_password(user.clone(), password.clone()),
            None => {}
        }
        let client =
            options.connect(servers).await.map_err(|error| format!("accepts what NATS does: {error}"))?;
        let connection = Self { client, news, closed };
        let _in_time = timeout(PATIENCE, connection.until_up()).await;
        Ok(connection)
    }

    pub(super) fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    pub(super) fn news(&self) -> watch::Receiver<News> {
        self.news.clone()
    }

    /// How often it was made until now.
    pub(super) fn connects(&self) -> u64 {
        self.news.borrow().connects
    }

    pub(super) async fn until_up(&self) {
        let mut news = self.news();
        let _up = news.wait_for(|news| news.up).await;
    }

    /// Waits until it is no longer the connection that was made `connects` times.
    pub(super) async fn until_lost(&self, connects: u64) {
        let mut news = self.news();
        let _lost = news.wait_for(|news| !news.up || news.connects != connects).await;
    }

    /// Whether the server has seen everything before, such as subscriptions: it answers for a subject nobody listens to.
    pub(super) async fn round_trip(&self) -> bool {
        match self.client.request(self.client.new_inbox(), Bytes::new()).await {
            Ok(_) => true,
            Err(error) => error.kind() == RequestErrorKind::NoResponders,
        }
    }

    /// Hands everything to the system, and stops trying to connect. The connection ends with the last copy of its client.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        if self.is_up() {
            let _written = timeout(PATIENCE, self.client.flush()).await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

/// The pauses between tries: none before the very first.
fn delay(closed: Arc<AtomicBool>) -> impl Fn(usize) -> Duration + Send + Sync + 'static {
    let first = AtomicBool::new(true);
    move |attempt| {
        if closed.load(Ordering::Relaxed) {
            return NEVER;
        }
        if first.swap(false, Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let doubled = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        LONGEST_PAUSE.min(PAUSE * (1 << doubled)).mul_f64(rand::random_range(0.0..1.0))
    }
}

fn hear(tell: &watch::Sender<News>, event: &Event) {
    match event {
        Event::Connected => tell.send_modify(|news| {
            news.up = true;
            news.connects += 1;
        }),
        Event::Disconnected | Event::Closed => tell.send_modify(|news| news.up = false),
        Event::SlowConsumer(_) => tell.send_modify(|news| news.dropped += 1),
        Event::ServerError(error) => tracing::warn!(%error, "NATS refuses something"),
        Event::LameDuckMode | Event::Draining | Event::ClientError(_) => {}
    }
}

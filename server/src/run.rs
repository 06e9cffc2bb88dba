//! The life of the process: open the chat, serve, and when told to stop, end in an order that loses nothing.

use crate::config::Settings;
use crate::discovery::Discovery;
use crate::router::{Edge, health_only, router};
use crate::{listener, metrics};
use chat::Chat;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::context::TokioContext;
use tokio_util::sync::CancellationToken;

/// Clients come back after this long, each with its own jitter.
const RETRY_AFTER_MS: u64 = 1_000;
/// For the goodbye of sockets and the end of requests under way.
const GOODBYE: Duration = Duration::from_secs(6);
/// For everything: ten seconds are promised.
const DRAIN: Duration = Duration::from_millis(9_500);

/// Why the server did not start, as one sentence.
#[derive(Debug)]
pub enum RunError {
    /// The listener has no address.
    Listener(io::Error),
    /// What measures cannot listen there.
    Metrics(SocketAddr, io::Error),
    /// The chat could not be opened.
    Open(chat::OpenError),
    /// There can be no HTTP client for the discovery.
    Discovery(reqwest::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(error) => write!(f, "listen: the listener has no address ({error})"),
            Self::Metrics(address, error) => {
                write!(f, "metrics-listen: accepts a free address of this machine, got `{address}` ({error})")
            }
            Self::Open(error) => error.fmt(f),
            Self::Discovery(error) => write!(f, "discovery: there is no HTTP client ({error})"),
        }
    }
}

impl std::error::Error for RunError {}

/// Serves on `listener` until `shutdown` resolves, then drains and returns. Calls `ready` once connections are
/// accepted. The chat's own tasks run on `chat_runtime`, which must outlive this; everything else on the caller's, which may
/// be the same.
///
/// # Errors
/// When the chat cannot be opened, or nobody can listen where measurements are to be served.
pub async fn run(
    listener: TcpListener,
    settings: Settings,
    chat_runtime: &Handle,
    ready: impl FnOnce(SocketAddr),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let address = listener.local_addr().map_err(RunError::Listener)?;
    let measuring = match settings.metrics_listen {
        Some(at) => Some(TcpListener::bind(at).await.map_err(|error| RunError::Metrics(at, error))?),
        None => None,
    };
    raise_file_limit();
    let serves = settings.chat.roles.gateway;
    // What is spawned while it opens belongs to that runtime. Opening is polled here, inside the other's context, because the
    // compiler cannot prove that a future which borrows the driver's pools may be sent there.
    let opening = TokioContext::new(Chat::open(settings.chat), chat_runtime.clone());
    let chat = opening.await.map_err(RunError::Open)?;
    // Rendering needs to know the runtime; leptos learns it when it looks at an app's routes, and any app will do.
    let _ = leptos_axum::generate_route_list(|| ());
    let discovery = Discovery::start(settings.discovery, settings.node, address, chat.clone())
        .map_err(RunError::Discovery)?;
    let edge = Edge::new(chat.clone(), settings.public_url, discovery.clone());
    let sockets = edge.sockets.clone();
    let stop = CancellationToken::new();
    let measured = CancellationToken::new();
    if let Some(listener) = measuring {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(metrics.listen = %address, "serving measurements");
        }
        tokio::spawn(metrics::serve(listener, chat.clone(), measured.clone()));
    }
    let router = if serves { router(edge) } else { health_only(edge) };
    let served = tokio::spawn(listener::serve(listener, router, stop.clone()));
    tracing::info!(listen = %address, node = discovery.name(), version = env!("CARGO_PKG_VERSION"), "serving");
    ready(address);

    shutdown.await;
    let end = Instant::now() + DRAIN;
    tracing::info!(node = discovery.name(), sockets = chat.sockets(), "draining");
    // First nobody new, here or sent here by others, then the sockets, which are told why, then what they have sent, which is committed.
    stop.cancel();
    sockets.stop();
    chat.close_all("restarting", RETRY_AFTER_MS);
    let (gone, answered, ()) =
        tokio::join!(sockets.gone(GOODBYE), timeout(GOODBYE, served), discovery.leave());
    if !gone || answered.is_err() {
        tracing::warn!(sockets = chat.sockets(), "some connections did not end by themselves");
    }
    if timeout_at(end, chat.shutdown()).await.is_err() {
        tracing::error!("the chat did not close in time");
    }
    // Last: how it ends is worth measuring.
    measured.cancel();
    tracing::info!(node = discovery.name(), "stopped");
    Ok(())
}

/// Every socket is an open file, and the usual soft limit of 1,024 was made for programs that wait with `select`. The
/// hard limit is what the administrator allows.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::info!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it is"),
    }
}

/// Resolves when the process is told to stop: SIGTERM, or Ctrl-C.
///
/// # Errors
/// When the signals cannot be listened for.
pub fn signals() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

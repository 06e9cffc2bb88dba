//! Connecting, keeping alive, giving up, connecting again.

use super::backoff::Backoff;
use super::timer::Timer;
use crate::api;
use crate::live::Live;
use futures::channel::mpsc::UnboundedReceiver;
use futures::future::poll_fn;
use futures::{FutureExt, SinkExt, StreamExt, select};
use gloo_net::websocket::{Message, State, WebSocketError, futures::WebSocket};
use leptos::prelude::{location, window};
use protocol::frame::close;
use protocol::{ClientFrame, Code, ServerFrame, limits};
use serde::Deserialize;
use std::borrow::Cow;
use std::time::Duration;

/// Longest time from opening a socket to `welcome`.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// Bytes the browser may hold back; more means that nothing leaves this machine any more.
const BUFFERED: u32 = 1024 * 1024;

/// A shorter wait still counts as connecting: the page does not flicker over a lost socket.
const NOTABLE: Duration = Duration::from_secs(1);
/// Longest time for the answer that shows a connection is still good, when somebody comes back to the tab.
const PROOF: Duration = Duration::from_secs(5);

/// What the rest of the tab tells the connection.
///
/// Its queue has no bound of its own: frames come only while connected, and per conversation one `send`, one `sync`
/// and one `read` at a time.
#[derive(Debug)]
pub enum Wake {
    /// Put this frame into the socket.
    Frame(String),
    /// The browser says there is a network: try now.
    Online,
    /// The browser says there is none.
    Offline,
    /// Somebody looks at the tab again: is the connection still good?
    Visible,
    /// The server answers, but what is asked for does not come.
    Deaf,
    /// The session is over.
    Ended,
}

/// How a connection ended.
enum End {
    /// Try again, not before this long.
    Again(Duration),
    /// The browser lost its network.
    Offline,
    /// The session is over: never again.
    Ended,
    /// The page is older than the server.
    Upgrade,
}

/// The life of the tab's connection. Returns when the session ended.
pub async fn run(live: Live, mut wakes: UnboundedReceiver<Wake>) {
    let mut backoff = Backoff::default();
    loop {
        // A browser without a network is tried now and then all the same, but nobody is told to hope.
        if navigator_online() {
            live.connecting();
        }
        let mut connection = Connection::default();
        let end = connection.run(live, &mut wakes).await;
        live.disconnected();
        if connection.live_since.is_some_and(|since| elapsed(since) >= Backoff::STABLE) {
            backoff.reset();
        }
        let at_least = match end {
            End::Again(wait) => wait,
            End::Offline => Duration::ZERO,
            End::Upgrade if live.reload_once() => return,
            End::Upgrade => Backoff::MOST,
            End::Ended => return live.ended(),
        };
        // A refused handshake looks like no network to a page. Only the server can say that it was the session.
        if !connection.welcomed && navigator_online() && session_is_over().await {
            return live.ended();
        }
        let wait = at_least + backoff.next(js_sys::Math::random());
        let wait = if navigator_online() { wait } else { wait.max(Backoff::MOST) };
        if wait >= NOTABLE || !navigator_online() {
            live.offline();
        }
        let mut over = Timer::after(wait).fuse();
        loop {
            select! {
                () = over => break,
                wake = wakes.next() => match wake {
                    Some(Wake::Online) => {
                        backoff.reset();
                        break;
                    }
                    // Whoever comes back to the tab does not want to wait, except where the server asked for it.
                    Some(Wake::Visible) if at_least.is_zero() => break,
                    Some(Wake::Offline) => live.offline(),
                    Some(Wake::Frame(_) | Wake::Visible | Wake::Deaf) => {}
                    Some(Wake::Ended) | None => return live.ended(),
                },
            }
        }
    }
}

/// One socket.
#[derive(Default)]
struct Connection {
    welcomed: bool,
    /// When everything of `hello` was answered.
    live_since: Option<f64>,
    heartbeat: Option<Duration>,
    /// The next beat comes after this long instead of when it was planned.
    beat_after: Option<Duration>,
    /// Number of the last ping, and whether its pong is still to come.
    ping: u64,
    unanswered: bool,
    /// What the server asked for in `bye`.
    retry_after: Duration,
}

impl Connection {
    async fn run(&mut self, live: Live, wakes: &mut UnboundedReceiver<Wake>) -> End {
        let Ok(mut socket) = WebSocket::open(&address()) else {
            return End::Again(Duration::ZERO);
        };
        let mut beat = Timer::after(HANDSHAKE).fuse();
        {
            // Ready means open, or closed again: only the state tells which.
            let mut ready = poll_fn(|cx| socket.poll_ready_unpin(cx)).fuse();
            loop {
                select! {
                    ready = ready => match ready {
                        Ok(()) => break,
                        Err(_) => return End::Again(Duration::ZERO),
                    },
                    () = beat => return End::Again(Duration::ZERO),
                    wake = wakes.next() => match wake {
                        Some(Wake::Offline) => return End::Offline,
                        Some(Wake::Ended) | None => return End::Ended,
                        Some(Wake::Frame(_) | Wake::Online | Wake::Visible | Wake::Deaf) => {}
                    },
                }
            }
        }
        if let Some(end) = put(&mut socket, encode(&live.hello())).await {
            return end;
        }
        loop {
            let step = select! {
                message = socket.next().fuse() => match message {
                    Some(Ok(Message::Text(text))) => self.frame(live, &text),
                    Some(Ok(Message::Bytes(_))) => None, // the server sends none
                    Some(Err(WebSocketError::ConnectionClose(event))) => Some(self.closed(event.code)),
                    Some(Err(_)) => None, // the close that follows says why
                    None => Some(End::Again(self.retry_after)),
                },
                () = beat => match self.heartbeat {
                    // No `welcome` in time, or the last ping is still unanswered: nobody is there.
                    None => Some(End::Again(Duration::ZERO)),
                    Some(_) if self.unanswered || live.is_stalled() => Some(End::Again(Duration::ZERO)),
                    Some(heartbeat) => {
                        self.beat_after = Some(heartbeat);
                        self.ping(&mut socket).await
                    }
                },
                wake = wakes.next() => match wake {
                    Some(Wake::Frame(text)) => put(&mut socket, text).await,
                    Some(Wake::Offline) => Some(End::Offline),
                    Some(Wake::Visible) if self.welcomed && !self.unanswered => {
                        self.beat_after = Some(PROOF);
                        self.ping(&mut socket).await
                    }
                    Some(Wake::Visible | Wake::Online) => None,
                    Some(Wake::Deaf) => Some(End::Again(Duration::ZERO)),
                    Some(Wake::Ended) | None => Some(End::Ended),
                },
            };
            if let Some(end) = step {
                return end;
            }
            if let Some(wait) = self.beat_after.take() {
                beat = Timer::after(wait).fuse();
            }
        }
    }

    /// Hands a frame on, after looking at what concerns the connection itself.
    fn frame(&mut self, live: Live, text: &str) -> Option<End> {
        let frame = match decode(text) {
            Ok(frame) => frame,
            Err(error) => {
                leptos::logging::warn!("a frame was not understood: {error}");
                return None;
            }
        };
        match &frame {
            ServerFrame::Welcome { heartbeat_ms, .. } => {
                self.welcomed = true;
                let heartbeat = Duration::from_millis(u64::from(*heartbeat_ms).max(1_000));
                self.heartbeat = Some(heartbeat);
                // Anywhere within the first beat, so that the clients of a restarted server do not beat in step.
                self.beat_after = Some(heartbeat.mul_f64(js_sys::Math::random()));
            }
            ServerFrame::Live {} => self.live_since = Some(js_sys::Date::now()),
            ServerFrame::Pong { n, .. } if *n == self.ping => self.unanswered = false,
            ServerFrame::Bye { retry_after_ms, .. } => {
                self.retry_after = Duration::from_millis(*retry_after_ms)
            }
            _ => {}
        }
        live.frame(frame);
        None
    }

    async fn ping(&mut self, socket: &mut WebSocket) -> Option<End> {
        self.ping += 1;
        self.unanswered = true;
        put(socket, encode(&ClientFrame::Ping { n: self.ping })).await
    }

    fn closed(&self, code: u16) -> End {
        match code {
            close::SESSION_ENDED => End::Ended,
            close::UPGRADE => End::Upgrade,
            // The server has too much to do: come back later than others would.
            close::OVERLOADED | close::RATE_LIMITED => {
                End::Again(self.retry_after.max(Duration::from_secs(5)))
            }
            _ => End::Again(self.retry_after),
        }
    }
}

/// Puts a frame into the socket. A socket that is not open would drop it silently, one that is stuck would keep it.
async fn put(socket: &mut WebSocket, text: String) -> Option<End> {
    let good = matches!(socket.state(), State::Open) && socket.buffered_amount() <= BUFFERED;
    if good && socket.send(Message::Text(text)).await.is_ok() {
        None
    } else {
        Some(End::Again(Duration::ZERO))
    }
}

/// Reads the type first, then the frame.
fn decode(text: &str) -> Result<ServerFrame, serde_json::Error> {
    #[derive(Deserialize)]
    struct Tag<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    let Tag { kind } = serde_json::from_str(text)?;
    ServerFrame::read(&kind, &mut serde_json::Deserializer::from_str(text))
}

fn encode(frame: &ClientFrame) -> String {
    let text = serde_json::to_string(frame).expect("a frame has nothing JSON cannot say");
    debug_assert!(text.len() <= limits::FRAME_BYTES, "checked where it is made");
    text
}

fn address() -> String {
    let location = location();
    let scheme = if location.protocol().is_ok_and(|scheme| scheme == "https:") { "wss" } else { "ws" };
    let host = location.host().unwrap_or_default();
    format!("{scheme}://{host}/ws")
}

fn navigator_online() -> bool {
    window().navigator().on_line()
}

/// Asks for nothing, to hear whether anybody may ask.
async fn session_is_over() -> bool {
    matches!(api::people(Vec::new()).await, Err(error) if error.code == Code::Unauthorized)
}

fn elapsed(since: f64) -> Duration {
    Duration::try_from_secs_f64((js_sys::Date::now() - since) / 1_000.0).unwrap_or_default()
}

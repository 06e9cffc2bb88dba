//! The life of a socket: hello, then frames in and frames out until one side ends it.

use super::arrivals::{Place, SILENT};
use super::reader::{self, Read};
use super::writer;
use crate::listener::Connection;
use bytes::Bytes;
use chat::{Act, Chat, Drained, Error, Identity, Resume, Socket};
use futures::{SinkExt, StreamExt};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use protocol::frame::{PROTOCOL, close};
use protocol::{ClientFrame, MessageId, Nonce, ServerFrame, limits};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

/// The WebSocket on its connection.
pub(super) type Wire = WebSocketStream<Connection>;

const HELLO: Duration = Duration::from_millis(limits::HELLO_MS as u64);
/// Two and a half heartbeats: one may be late, one may be lost.
const SILENCE: Duration = Duration::from_millis(limits::HEARTBEAT_MS as u64 * 5 / 2);
/// How long a close frame may take to be written.
const CLOSE: Duration = Duration::from_secs(10);
/// How long the other side may take to answer it.
const GOODBYE: Duration = Duration::from_secs(2);
/// Frames a socket may send at once, and each second after; beyond it they are refused. High enough for a program
/// that sends its next message at every ack, low enough that one socket takes a small part of one core.
const FRAMES_BURST: NonZeroU32 = NonZeroU32::new(limits::FRAMES_BURST).unwrap();
const FRAMES_PER_SECOND: NonZeroU32 = NonZeroU32::new(limits::FRAMES_PER_SECOND).unwrap();
/// Refusals after which a socket is closed: it does not listen. A second without one forgives all.
const REFUSALS: u32 = 1_000;
const CALM: Duration = Duration::from_secs(1);
/// Changes of one answer to `sync`, in bytes, unless a single one is larger; the client asks for the rest. Well below
/// the queue's bound, because live events need room beside it.
const CHANGES_BYTES: usize = limits::QUEUE_BYTES / 2;
/// Before a client that was refused at `hello` comes back.
const RETRY: Duration = Duration::from_secs(1);

/// How a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The connection is gone, or the other side has closed it.
    Lost,
    /// We close it, and say why.
    Close { code: u16, reason: &'static str },
}

impl Ending {
    const fn close(code: u16, reason: &'static str) -> Self {
        Self::Close { code, reason }
    }

    /// What the hub has decided, if it has.
    pub(super) fn of(socket: &Socket) -> Option<Self> {
        if !socket.is_closing() {
            return None;
        }
        match socket.drain(&mut Vec::new()) {
            Drained::Close { code, reason } => Some(Self::Close { code, reason }),
            Drained::Frames => None,
        }
    }

    /// What an error of the WebSocket protocol means for the client.
    fn from_protocol(error: &tungstenite::Error) -> Self {
        use tungstenite::Error;
        use tungstenite::error::ProtocolError;
        match error {
            Error::Capacity(_) => Self::close(close::TOO_LARGE, "the frame is too large"),
            Error::Utf8(_) => Self::close(close::NOT_UTF8, "the text is not UTF-8"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Lost,
            Error::Protocol(_) => Self::close(close::PROTOCOL, "not a WebSocket frame"),
            _ => Self::Lost,
        }
    }
}

/// Tells the hub that the socket is gone, even if its task panics.
struct Attached {
    chat: Chat,
    socket: Arc<Socket>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.chat.detach(&self.socket);
    }
}

/// Serves a socket until it ends. Its place among the handshakes is the next one's once the answer to its `hello` is there.
pub(super) async fn serve(
    chat: Chat,
    who: Identity,
    mut wire: Wire,
    place: Place,
    stopping: CancellationToken,
) {
    // From here on, because a session may end before the hello.
    let attached = Attached { socket: chat.attach(who), chat };
    let ending = match Box::pin(greet(&attached, &mut wire, place, &stopping)).await {
        Ok(()) => converse(&attached, &mut wire).await,
        Err(ending) => ending,
    };
    drop(attached);
    if let Ending::Close { code, reason } = ending {
        tracing::debug!(socket.close = code, reason, "closing a socket");
        Box::pin(say_goodbye(wire, code, reason)).await;
    }
}

/// Says why, and waits a moment for the answer, so that the reason arrives before the connection closes.
async fn say_goodbye(mut wire: Wire, code: u16, reason: &'static str) {
    let frame = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static(reason) };
    if matches!(timeout(CLOSE, wire.send(Message::Close(Some(frame)))).await, Ok(Ok(()))) {
        let _ = timeout(GOODBYE, async { while let Some(Ok(_)) = wire.next().await {} }).await;
    }
}

/// The first frame, and everything that answers it.
async fn greet(
    attached: &Attached,
    wire: &mut Wire,
    place: Place,
    stopping: &CancellationToken,
) -> Result<(), Ending> {
    let Attached { chat, socket } = attached;
    let mut place = Some(place);
    let mut silent = std::pin::pin!(sleep(SILENT));
    let _waiting = chat.metrics().handshakes_waiting.enter();
    let mut late = std::pin::pin!(sleep(HELLO));
    let text = loop {
        tokio::select! {
            message = wire.next() => if let Some(text) = text(message)? { break text },
            () = socket.wait() => if let Some(ending) = Ending::of(socket) { return Err(ending) },
            () = stopping.cancelled() => {
                return Err(Ending::close(close::RESTARTING, "the server is restarting"));
            }
            () = &mut silent, if place.is_some() => place = None,
            () = &mut late => return Err(Ending::close(close::POLICY, "no hello")),
        }
    };
    let Read::Frame(frame) = reader::read(&text) else {
        return Err(Ending::close(close::PROTOCOL, "a hello was expected"));
    };
    let ClientFrame::Hello { protocol, epoch, cursors, states } = *frame else {
        return Err(Ending::close(close::PROTOCOL, "a hello was expected"));
    };
    if protocol != PROTOCOL {
        return Err(Ending::close(close::UPGRADE, "another version of the protocol is spoken here"));
    }
    let resume = Resume { epoch, cursors: cursors.as_deref(), states: states.as_deref() };
    let answer = chat.hello(socket, resume).await;
    // Before writing: who does not read must not keep others waiting.
    drop(place);
    let frames = match answer {
        Ok(frames) => frames,
        Err(error) => return Err(refuse_hello(chat, wire, socket, &error).await),
    };
    let frames = frames.iter().filter_map(encode).collect();
    writer::write(wire, socket, frames).await?;
    // A socket that arrived after everybody was told to leave was not told.
    if stopping.is_cancelled() && !socket.is_closing() {
        let bye = ServerFrame::Bye { reason: "restarting".to_owned(), retry_after_ms: 1_000 };
        writer::write(wire, socket, encode(&bye).into_iter().collect()).await?;
        return Err(Ending::close(close::RESTARTING, "the server is restarting"));
    }
    Ok(())
}

/// Without an answer to its hello a socket is of no use: it is told why, and when to come back.
async fn refuse_hello(chat: &Chat, wire: &mut Wire, socket: &Socket, error: &Error) -> Ending {
    let mut refusal = error.refusal(None, Some("hello".to_owned()));
    chat.metrics().refused_socket.inc(refusal.code);
    let ending = match error {
        Error::Unauthorized => Ending::close(close::SESSION_ENDED, "the session ended"),
        Error::Invalid(_) | Error::TooLarge(_) => Ending::close(close::PROTOCOL, "the hello was refused"),
        _ => {
            let wait = u64::try_from(RETRY.as_millis()).unwrap_or(u64::MAX);
            refusal.retry_after_ms.get_or_insert(wait);
            Ending::close(close::OVERLOADED, "come back later")
        }
    };
    let refused = encode(&ServerFrame::Refused(refusal)).into_iter().collect();
    match writer::write(wire, socket, refused).await {
        Ok(()) => ending,
        Err(ending) => ending,
    }
}

/// Frames in, frames out. What waits in the queue is written before anything more is read, so a client that does not
/// read is not read either.
async fn converse(attached: &Attached, wire: &mut Wire) -> Ending {
    let Attached { chat, socket } = attached;
    let mut pace = Pace::new();
    let mut heard = Instant::now();
    let mut silent = std::pin::pin!(sleep(SILENCE));
    loop {
        let mut frames = Vec::new();
        let drained = socket.drain(&mut frames);
        let idle = frames.is_empty();
        if !idle && let Err(ending) = writer::write(wire, socket, frames).await {
            return ending;
        }
        if let Drained::Close { code, reason } = drained {
            return Ending::close(code, reason);
        }
        if !idle {
            // Writing may have taken the queue's bell: look again before waiting for it.
            continue;
        }
        tokio::select! {
            () = socket.wait() => {}
            message = wire.next() => {
                heard = Instant::now();
                let handled = match text(message) {
                    Ok(text) => handle(chat, socket, &mut pace, text).await,
                    Err(ending) => Err(ending),
                };
                if let Err(ending) = handled {
                    return ending;
                }
            }
            () = &mut silent => {
                // One timer that is set anew when it rings, not at every frame.
                let until = heard + SILENCE;
                if until <= Instant::now() {
                    return Ending::close(close::POLICY, "no sign of life");
                }
                silent.as_mut().reset(until);
            }
        }
    }
}

/// How fast a client may go.
struct Pace {
    limiter: DefaultDirectRateLimiter,
    refusals: u32,
    refused: Instant,
}

impl Pace {
    fn new() -> Self {
        let quota = Quota::per_second(FRAMES_PER_SECOND).allow_burst(FRAMES_BURST);
        Self { limiter: RateLimiter::direct(quota), refusals: 0, refused: Instant::now() }
    }

    /// One more frame. Answers how long to wait, where it came too soon; ends a socket that never waits.
    fn step(&mut self) -> Result<Option<Duration>, Ending> {
        let Err(early) = self.limiter.check() else { return Ok(None) };
        let now = Instant::now();
        if now.duration_since(self.refused) > CALM {
            self.refusals = 0;
        }
        (self.refused, self.refusals) = (now, self.refusals + 1);
        if self.refusals >= REFUSALS {
            return Err(Ending::close(close::RATE_LIMITED, "too many frames"));
        }
        // Written in whole milliseconds, and none would mean: at once.
        Ok(Some(early.wait_time_from(DefaultClock::default().now()).max(Duration::from_millis(1))))
    }
}

/// The text of a message; none for a ping or pong, which tungstenite has dealt with.
fn text(message: Option<Result<Message, tungstenite::Error>>) -> Result<Option<Utf8Bytes>, Ending> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(text)),
        Some(Ok(Message::Binary(_))) => Err(Ending::close(close::TYPE, "frames are text")),
        // After a close, tungstenite still wants to be read until its answer is written.
        Some(Ok(Message::Close(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Err(error)) => Err(Ending::from_protocol(&error)),
        None => Err(Ending::Lost),
    }
}

/// Carries out one frame. Its answers go into the socket's queue, behind what is there.
async fn handle(
    chat: &Chat,
    socket: &Arc<Socket>,
    pace: &mut Pace,
    text: Option<Utf8Bytes>,
) -> Result<(), Ending> {
    let slower = pace.step()?;
    let Some(text) = text else { return Ok(()) };
    let frame = match reader::read(&text) {
        Read::Frame(frame) => *frame,
        Read::Refused(refusal) => {
            socket.push(&ServerFrame::Refused(refusal));
            return Ok(());
        }
        Read::Malformed => return Err(Ending::close(close::PROTOCOL, "not a frame")),
    };
    if let Some(retry_after) = slower {
        chat.metrics().limited_frames.inc();
        let (nonce, in_reply_to) = reader::reference(&frame);
        let refusal = Error::RateLimited { retry_after }.refusal(nonce, in_reply_to);
        socket.push(&ServerFrame::Refused(refusal));
        return Ok(());
    }
    match frame {
        ClientFrame::Hello { .. } => return Err(Ending::close(close::PROTOCOL, "a second hello")),
        ClientFrame::Send { nonce, conversation, body, reply_to } => {
            if let Err(error) = chat.send(socket, nonce.clone(), conversation, body, reply_to) {
                socket.push(&ServerFrame::Refused(error.refusal(Some(nonce.into()), None)));
            }
        }
        ClientFrame::Edit { nonce, message, body } => act(chat, socket, nonce, message, Act::Edit(body)),
        ClientFrame::Recall { nonce, message } => act(chat, socket, nonce, message, Act::Recall),
        ClientFrame::React { nonce, message, emoji, on } => {
            act(chat, socket, nonce, message, Act::React(emoji, on));
        }
        ClientFrame::Pin { nonce, message, on } => act(chat, socket, nonce, message, Act::Pin(on)),
        // What is only of the moment is never answered, not even where it is refused.
        ClientFrame::Typing { conversation } => chat.typing(socket, conversation),
        ClientFrame::Presence { state } => chat.step(socket, state),
        ClientFrame::Ping { n } => socket.push(&ServerFrame::Pong { n, heads: chat.moved(socket) }),
        // On the heap: what waits for the store must not make every idle socket's task bigger.
        ClientFrame::Sync { conversation, after } => Box::pin(sync(chat, socket, conversation, after)).await,
        ClientFrame::Read { conversation, seq } => {
            if let Err(error) = Box::pin(chat.read(socket.who(), conversation, seq, Some(socket))).await {
                socket.push(&ServerFrame::Refused(error.refusal(None, Some("read".to_owned()))));
            }
        }
        ClientFrame::Unread { conversation, seq } => {
            let marked = chat.mark_unread(socket.who(), conversation, seq, Some(socket));
            if let Err(error) = Box::pin(marked).await {
                socket.push(&ServerFrame::Refused(error.refusal(None, Some("unread".to_owned()))));
            }
        }
        ClientFrame::Settings { conversation, settings } => {
            let set = chat.set(socket.who(), conversation, settings, Some(socket));
            if let Err(error) = Box::pin(set).await {
                socket.push(&ServerFrame::Refused(error.refusal(None, Some("settings".to_owned()))));
            }
        }
    }
    Ok(())
}

fn act(chat: &Chat, socket: &Arc<Socket>, nonce: Nonce, message: MessageId, act: Act) {
    if let Err(error) = chat.act_from(socket, nonce.clone(), message, act) {
        socket.push(&ServerFrame::Refused(error.refusal(Some(nonce.into()), None)));
    }
}

async fn sync(chat: &Chat, socket: &Socket, conversation: protocol::ConversationId, after: u64) {
    let answer = match chat.changes(socket.who(), conversation, after, limits::PAGE).await {
        Ok(mut page) => {
            chat.metrics().gap_fills_client.inc();
            fit(&mut page);
            let protocol::rest::Changes { from, to, changes, more } = page;
            ServerFrame::Changes { conversation, from, to, changes, more }
        }
        Err(Error::Reset(reason)) => ServerFrame::Reset { conversation, reason: reason.to_owned() },
        Err(error) => ServerFrame::Refused(error.refusal(None, Some("sync".to_owned()))),
    };
    socket.push(&answer);
}

/// Cuts a page of changes to what one frame may hold. It stays complete up to its `to`.
fn fit(page: &mut protocol::rest::Changes) {
    let mut bytes = 0;
    let fitting = page.changes.iter().position(|change| {
        bytes += serde_json::to_vec(change).map_or(0, |json| json.len());
        bytes > CHANGES_BYTES
    });
    if let Some(count) = fitting.map(|count| count.max(1)).filter(|count| *count < page.changes.len()) {
        page.changes.truncate(count);
        page.to = page.changes.last().map_or(page.to, |change| change.rev);
        page.more = true;
    }
}

fn encode(frame: &ServerFrame) -> Option<Bytes> {
    match serde_json::to_vec(frame) {
        Ok(json) => Some(json.into()),
        Err(error) => {
            tracing::error!(%error, "a frame could not be encoded");
            None
        }
    }
}

#[cfg(test)]
mod tests;

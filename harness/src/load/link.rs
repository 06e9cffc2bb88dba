//! One socket of the load generator: opened in a few allocations, read without keeping anything.

use super::frame::{self, Kind, Scanner};
use crate::Error;
use protocol::frame::PROTOCOL;
use protocol::{ClientFrame, ConversationId, Epoch, ServerFrame};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Between two pings of a socket; the server closes one that is silent for 62.5 s.
const BEAT: Duration = Duration::from_secs(20);
/// One read takes this much, into a buffer that all sockets of the thread share.
const READ: usize = 128 * 1024;
/// How long a socket may take to be live. Ten thousand that come at once wait for each other.
const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
    /// Spreads the pings of sockets that were opened together.
    static OPENED: Cell<u32> = const { Cell::new(0) };
}

/// What a client has: the epoch, and per conversation its `rev` and its read mark.
#[derive(Clone, Debug)]
pub struct Has {
    /// Incarnation of the database.
    pub epoch: Epoch,
    /// Conversation and last applied `rev`.
    pub cursors: Vec<(ConversationId, u64)>,
}

/// What a server says that admits no more handshakes: `Retry-After: 1`.
const NEXT_WAVE: Duration = Duration::from_secs(1);
/// How often a handshake is tried again.
const WAVES: u32 = 60;

/// A socket whose frames are read one by one: for its beginning.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    inbox: Vec<u8>,
}

/// A connection from an address of this machine, so that ports never run out and addresses differ.
pub async fn connect(address: SocketAddr, source: Ipv4Addr) -> Result<TcpStream, Error> {
    let socket = TcpSocket::new_v4()?;
    if source != Ipv4Addr::LOCALHOST {
        socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
    }
    let stream = timeout(PATIENCE, socket.connect(address))
        .await
        .map_err(|_| Error::Deadline("connecting".into()))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Link {
    /// Connects and upgrades.
    pub async fn open(address: SocketAddr, token: &str) -> Result<Self, Error> {
        let stream = connect(address, Ipv4Addr::LOCALHOST).await?;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        write_all(&stream, request.as_bytes()).await?;
        let mut link = Self { stream, inbox: Vec::new() };
        let head = loop {
            if let Some(end) = link.inbox.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break link.inbox.drain(..end + 4).collect::<Vec<u8>>();
            }
            link.more().await?;
        };
        if head.starts_with(b"HTTP/1.1 503") {
            return Err(Error::Deadline("a handshake is admitted".into()));
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
            return Err(Error::Unreadable(format!("the upgrade was answered with {line}")));
        }
        Ok(link)
    }

    /// Opens a socket and brings it to `live`. Where the server admits no more just now, it asks again as it is told to.
    pub async fn live(address: SocketAddr, token: &str, has: Option<&Has>) -> Result<Self, Error> {
        let mut waves = 0;
        let mut link = loop {
            match Self::open(address, token).await {
                Err(Error::Deadline(_)) if waves < WAVES => {
                    waves += 1;
                    tokio::time::sleep(NEXT_WAVE).await;
                }
                opened => break opened?,
            }
        };
        link.hello(has).await?;
        Ok(link)
    }

    /// Says hello and reads to `live`. Answers the epoch and, of each conversation that differs, its head `rev`.
    pub async fn hello(
        &mut self,
        has: Option<&Has>,
    ) -> Result<(Option<Epoch>, Vec<(ConversationId, u64)>), Error> {
        let (epoch, cursors) = has.map(|has| (has.epoch, has.cursors.clone())).unzip();
        self.send(&ClientFrame::Hello { protocol: PROTOCOL, epoch, cursors, states: None }).await?;
        let (mut epoch, mut differing) = (None, Vec::new());
        loop {
            match self.next().await? {
                (Kind::Welcome, text) => {
                    if let Ok(ServerFrame::Welcome { epoch: came, .. }) = serde_json::from_slice(&text) {
                        epoch = Some(came);
                    }
                }
                (Kind::Heads, text) if !text.ends_with(b":[]}") => {
                    if let Ok(ServerFrame::Heads { conversations }) = serde_json::from_slice(&text) {
                        differing.extend(conversations.iter().map(|it| (it.id, it.head_rev)));
                    }
                }
                (Kind::Live, _) => return Ok((epoch, differing)),
                (Kind::Refused | Kind::Close, text) => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    return Err(Error::Unreadable(format!("hello was answered with {text}")));
                }
                _ => {}
            }
        }
    }

    /// Fetches what is missing after `from` until nothing more is. Answers the `rev` reached.
    pub async fn catch_up(&mut self, conversation: ConversationId, from: u64) -> Result<u64, Error> {
        let mut after = from;
        loop {
            self.send(&ClientFrame::Sync { conversation, after }).await?;
            let text = loop {
                match self.next().await? {
                    (Kind::Changes, text) => break text,
                    (Kind::Refused | Kind::Reset | Kind::Close, text) => {
                        let text = String::from_utf8_lossy(&text).into_owned();
                        return Err(Error::Unreadable(format!("sync was answered with {text}")));
                    }
                    _ => {}
                }
            };
            match serde_json::from_slice(&text) {
                Ok(ServerFrame::Changes { to, more: true, .. }) if to > after => after = to,
                Ok(ServerFrame::Changes { to, .. }) => return Ok(to),
                _ => return Err(Error::Unreadable(String::from_utf8_lossy(&text).into_owned())),
            }
        }
    }

    async fn send(&self, frame: &ClientFrame) -> Result<(), Error> {
        let text = serde_json::to_string(frame).map_err(|error| Error::Unreadable(error.to_string()))?;
        let mut bytes = Vec::with_capacity(text.len() + 16);
        frame::masked(&text, &mut bytes);
        write_all(&self.stream, &bytes).await
    }

    async fn next(&mut self) -> Result<(Kind, Vec<u8>), Error> {
        loop {
            if let Some((kind, range)) = frame::whole(&self.inbox) {
                let text = self.inbox[range.clone()].to_vec();
                self.inbox.drain(..range.end);
                return Ok((kind, text));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), Error> {
        loop {
            timeout(PATIENCE, self.stream.readable())
                .await
                .map_err(|_| Error::Deadline("the next frame".into()))??;
            let read = BUFFER.with_borrow_mut(|buffer| {
                let count = self.stream.try_read(buffer)?;
                self.inbox.extend_from_slice(&buffer[..count]);
                Ok::<usize, io::Error>(count)
            });
            match read {
                Ok(0) => return Err(Error::Closed { code: 1006, reason: "the connection ended".into() }),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// From here on frames are only counted: `on` hears of each, with the time it was read. Must be called inside a
    /// `LocalSet`.
    pub fn listen(self, mut on: impl FnMut(Kind, Instant, &Sender) + 'static) -> Wire {
        let (mut stream, half) = self.stream.into_split();
        let sender = Sender { half: Rc::new(half), lost: Rc::default() };
        let theirs = sender.clone();
        let order = OPENED.replace(OPENED.get().wrapping_add(1)) % 1000;
        let inbox = self.inbox;
        let task = tokio::task::spawn_local(async move {
            let mut scanner = Scanner::default();
            let now = Instant::now();
            scanner.feed(&inbox, |kind| on(kind, now, &theirs));
            drop(inbox);
            let mut beat = std::pin::pin!(tokio::time::sleep(BEAT * (order + 1) / 1000));
            loop {
                let mut read = |cx: &mut Context<'_>| {
                    poll_read(&mut stream, cx, &mut scanner, &mut |kind, now| on(kind, now, &theirs))
                };
                let ended = poll_fn(|cx| {
                    if beat.as_mut().poll(cx).is_ready() { Poll::Ready(None) } else { read(cx).map(Some) }
                });
                match ended.await {
                    None => {
                        beat.as_mut().reset(tokio::time::Instant::now() + BEAT);
                        theirs.ping();
                    }
                    Some(()) => break,
                }
            }
            theirs.lost.set(true);
        });
        Wire { sender, task }
    }
}

/// Reads until the connection has no more. Ready: the connection ended.
fn poll_read(
    stream: &mut OwnedReadHalf,
    cx: &mut Context<'_>,
    scanner: &mut Scanner,
    on: &mut impl FnMut(Kind, Instant),
) -> Poll<()> {
    BUFFER.with_borrow_mut(|buffer| {
        loop {
            let mut into = ReadBuf::new(buffer);
            // `AsyncRead` knows from a short read that the socket is empty; `try_read` would ask once more.
            match Pin::new(&mut *stream).poll_read(cx, &mut into) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) if into.filled().is_empty() => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    let now = Instant::now();
                    scanner.feed(into.filled(), |kind| on(kind, now));
                }
            }
        }
    })
}

/// The writing half of a socket.
#[derive(Clone, Debug)]
pub struct Sender {
    half: Rc<OwnedWriteHalf>,
    lost: Rc<Cell<bool>>,
}

impl Sender {
    /// Writes at once, which the system's buffer allows for every frame of ours. Answers whether it did.
    pub fn write(&self, bytes: &[u8]) -> bool {
        matches!(self.half.try_write(bytes), Ok(count) if count == bytes.len())
    }

    fn ping(&self) {
        let mut bytes = Vec::with_capacity(40);
        frame::masked(r#"{"type":"ping","n":1}"#, &mut bytes);
        // A socket that takes no ping is lost soon, and then says so.
        let _full = self.write(&bytes);
    }
}

/// A socket that is only listened to. Dropped: closed.
#[derive(Debug)]
pub struct Wire {
    sender: Sender,
    task: JoinHandle<()>,
}

impl Wire {
    /// Its writing half.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Whether the server, or the network, has ended it.
    pub fn is_lost(&self) -> bool {
        self.sender.lost.get()
    }

    /// Ends it without a word, as a network does that goes away.
    pub fn cut(self) -> Result<(), Error> {
        let stream: &TcpStream = (*self.sender.half).as_ref();
        stream.set_zero_linger()?;
        Ok(())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Writes all of it, waiting where the connection is full.
pub async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

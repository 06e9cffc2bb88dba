//! The live connection, as a client sees it: frames in, frames out, and how it ended.

use crate::{DEADLINE, Error};
use futures::{SinkExt, StreamExt};
use protocol::frame::PROTOCOL;
use protocol::limits::Limits;
use protocol::{
    Body, ClientFrame, Conversation, ConversationId, Epoch, Message as Stored, Nonce, ServerFrame, SessionId,
    User,
};
use std::collections::VecDeque;
use std::future::Future;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// What a client shows at the door.
#[derive(Clone, Debug, Default)]
pub struct Handshake {
    path: String,
    headers: Vec<(&'static str, String)>,
    receive_buffer: Option<u32>,
}

impl Handshake {
    /// Nothing at all.
    pub fn bare() -> Self {
        Self { path: "/ws".into(), ..Self::default() }
    }

    /// A program's session.
    pub fn bearer(token: &str) -> Self {
        Self::bare().header("Authorization", format!("Bearer {token}"))
    }

    /// A browser's session, without an `Origin` yet.
    pub fn cookie(token: &str) -> Self {
        Self::bare().header("Cookie", format!("confab={token}"))
    }

    /// A one-time ticket.
    pub fn ticket(ticket: &str) -> Self {
        Self { path: format!("/ws?ticket={ticket}"), ..Self::default() }
    }

    /// One more header field.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The page's origin, which browsers always send.
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header("Origin", origin)
    }

    /// Bytes the system takes in before it makes the server wait: a slow reader has few.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }
}

/// The server's answer to `hello`, up to `live`.
#[derive(Clone, Debug)]
pub struct Hello {
    /// Who I am.
    pub user: User,
    /// On which session.
    pub session: SessionId,
    /// Incarnation of the database.
    pub epoch: Epoch,
    /// Milliseconds between pings.
    pub heartbeat_ms: u32,
    /// Every limit.
    pub limits: Limits,
    /// Conversations that differ from the cursors.
    pub heads: Vec<Conversation>,
    /// Cursors that are no longer mine.
    pub gone: Vec<ConversationId>,
}

/// One open socket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// Frames that came between others that were asked for. Bounded by what one `hello` or `settle` reads.
    kept: VecDeque<ServerFrame>,
    pings: u64,
    /// Whether frames of the moment are handed out.
    moments: bool,
}

impl Socket {
    /// Connects to the server at `base` (`http://host:port`) with a bearer token. No `hello` yet.
    pub async fn connect(base: &str, token: &str) -> Result<Self, Error> {
        Self::open(base, Handshake::bearer(token)).await
    }

    /// Connects with any handshake. An answer other than 101 comes back as [`Error::Refused`].
    pub async fn open(base: &str, handshake: Handshake) -> Result<Self, Error> {
        let host = base
            .strip_prefix("http://")
            .ok_or_else(|| Error::Unreadable(format!("no http address: {base}")))?;
        let uri = format!("ws://{host}{}", handshake.path)
            .parse()
            .map_err(|error| Error::Unreadable(format!("no address: {base}: {error}")))?;
        let request = handshake
            .headers
            .into_iter()
            .fold(ClientRequestBuilder::new(uri), |request, (name, value)| request.with_header(name, value));
        let stream = within("connecting", async {
            let Some(bytes) = handshake.receive_buffer else { return Ok(TcpStream::connect(host).await?) };
            let address = tokio::net::lookup_host(host).await?.next();
            let address = address.ok_or_else(|| Error::Unreadable(format!("no such host: {host}")))?;
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_recv_buffer_size(bytes)?;
            Ok(socket.connect(address).await?)
        })
        .await?;
        stream.set_nodelay(true)?;
        let handshake = within("the handshake", async { Ok(client_async(request, stream).await) }).await?;
        match handshake {
            Ok((stream, _)) => Ok(Self { stream, kept: VecDeque::new(), pings: 0, moments: false }),
            Err(tungstenite::Error::Http(response)) => {
                let (parts, body) = response.into_parts();
                Err(Error::Refused(Box::new(crate::Answer {
                    status: parts.status.as_u16(),
                    headers: parts.headers,
                    body: body.unwrap_or_default(),
                })))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// From now on `typing`, `presence` and `present` are handed out too. They come when they come, so most tests do
    /// not want them between what they wait for.
    #[must_use]
    pub fn with_moments(mut self) -> Self {
        self.moments = true;
        self
    }

    /// Says hello as a client that has nothing, and takes in everything up to `live`.
    pub async fn hello(&mut self) -> Result<Hello, Error> {
        self.hello_with(None, None, None).await
    }

    /// Says hello with what a client has: epoch, cursors and states. Events that arrive before `live` are
    /// kept for [`next`](Self::next).
    pub async fn hello_with(
        &mut self,
        epoch: Option<Epoch>,
        cursors: Option<Vec<(ConversationId, u64)>>,
        states: Option<Vec<(ConversationId, u32)>>,
    ) -> Result<Hello, Error> {
        self.frame(&ClientFrame::Hello { protocol: PROTOCOL, epoch, cursors, states }).await?;
        let first = self.next().await?;
        let ServerFrame::Welcome { user, session, epoch, heartbeat_ms, limits, .. } = first else {
            return Err(Error::Unreadable(format!("the first frame was {first:?}, not welcome")));
        };
        let mut hello =
            Hello { user, session, epoch, heartbeat_ms, limits, heads: Vec::new(), gone: Vec::new() };
        let mut between = VecDeque::new();
        loop {
            match self.next().await? {
                ServerFrame::Heads { conversations } => hello.heads.extend(conversations),
                ServerFrame::Gone { conversation } => hello.gone.push(conversation),
                ServerFrame::Live {} => break,
                other => between.push_back(other),
            }
        }
        self.kept = between;
        Ok(hello)
    }

    /// Sends one frame.
    pub async fn frame(&mut self, frame: &ClientFrame) -> Result<(), Error> {
        let text = serde_json::to_string(frame).map_err(|error| Error::Unreadable(error.to_string()))?;
        self.text(&text).await
    }

    /// Sends any text, frame or not.
    pub async fn text(&mut self, text: &str) -> Result<(), Error> {
        self.message(Message::text(text)).await
    }

    /// Sends a binary message.
    pub async fn binary(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.message(Message::binary(bytes.to_vec())).await
    }

    /// Sends bytes that claim to be text, whatever they are.
    pub async fn claimed_text(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let frame = Frame::message(bytes.to_vec(), OpCode::Data(Data::Text), true);
        self.message(Message::Frame(frame)).await
    }

    async fn message(&mut self, message: Message) -> Result<(), Error> {
        let sending = async { Ok(self.stream.send(message).await?) };
        within("sending a frame", sending).await
    }

    /// Posts words under a fresh nonce; the answer arrives later.
    pub async fn post(&mut self, conversation: ConversationId, words: &str) -> Result<Nonce, Error> {
        let nonce = Nonce::generate();
        self.post_as(conversation, nonce.clone(), crate::client::text(words)).await?;
        Ok(nonce)
    }

    /// Posts under a nonce of the caller's choice; the answer arrives later.
    pub async fn post_as(
        &mut self,
        conversation: ConversationId,
        nonce: Nonce,
        body: Body,
    ) -> Result<(), Error> {
        self.frame(&ClientFrame::Send { nonce, conversation, body, reply_to: None }).await
    }

    /// The next frame, within the deadline.
    pub async fn next(&mut self) -> Result<ServerFrame, Error> {
        within("the next frame", self.recv()).await
    }

    /// The next frame, however long it takes. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Result<ServerFrame, Error> {
        if let Some(frame) = self.kept.pop_front() {
            return Ok(frame);
        }
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text)
                        .map_err(|error| Error::Unreadable(format!("{error} in {text}")))?;
                    if self.moments || !is_moment(&frame) {
                        return Ok(frame);
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                        (frame.code.into(), frame.reason.as_str().to_owned())
                    });
                    // Reading on sends our half of the closing handshake.
                    while let Some(Ok(_)) = self.stream.next().await {}
                    return Err(Error::Closed { code, reason });
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => return Err(Error::Unreadable(format!("{other:?}"))),
                Some(Err(error)) => return Err(Error::Closed { code: 1006, reason: error.to_string() }),
                None => return Err(Error::Closed { code: 1006, reason: "the connection ended".into() }),
            }
        }
    }

    /// Reads on until `pick` takes something from a frame; frames before it are dropped. `what` names it in the
    /// error when it does not come.
    pub async fn until<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&ServerFrame) -> Option<T>,
    ) -> Result<T, Error> {
        let searching = async {
            loop {
                if let Some(found) = pick(&self.recv().await?) {
                    return Ok(found);
                }
            }
        };
        within(what, searching).await
    }

    /// Reads on to the `ack` of a nonce. A refusal of it is an error.
    pub async fn ack(&mut self, nonce: &Nonce) -> Result<(Stored, bool), Error> {
        self.until("the ack", |frame| match frame {
            ServerFrame::Ack { nonce: of, message, duplicate } if of == nonce => {
                Some(Ok((message.clone(), *duplicate)))
            }
            ServerFrame::Refused(refusal) if refusal.nonce.as_deref() == Some(nonce.as_str()) => {
                Some(Err(Error::Unreadable(format!("refused: {refusal:?}"))))
            }
            _ => None,
        })
        .await?
    }

    /// Posts words and waits for the `ack`.
    pub async fn say(&mut self, conversation: ConversationId, words: &str) -> Result<Stored, Error> {
        let nonce = self.post(conversation, words).await?;
        Ok(self.ack(&nonce).await?.0)
    }

    /// Reads on to the next refusal.
    pub async fn refusal(&mut self) -> Result<protocol::Refusal, Error> {
        self.until("a refusal", |frame| match frame {
            ServerFrame::Refused(refusal) => Some(refusal.clone()),
            _ => None,
        })
        .await
    }

    /// Everything the server has written so far: sends a `ping` and collects the frames before its `pong`.
    pub async fn settle(&mut self) -> Result<Vec<ServerFrame>, Error> {
        self.pings += 1;
        let n = u64::MAX / 2 + self.pings;
        self.frame(&ClientFrame::Ping { n }).await?;
        let mut before = Vec::new();
        loop {
            match self.next().await? {
                ServerFrame::Pong { n: of, .. } if of == n => return Ok(before),
                other => before.push(other),
            }
        }
    }

    /// Reads on until the server closes the socket; its code, 1006 where there was none.
    pub async fn closed(&mut self) -> Result<u16, Error> {
        let ending = async {
            loop {
                match self.recv().await {
                    Ok(_) => {}
                    Err(Error::Closed { code, .. }) => return Ok(code),
                    Err(error) => return Err(error),
                }
            }
        };
        within("the end of the socket", ending).await
    }

    /// Closes the socket and waits until the server has closed its half.
    pub async fn close(mut self) -> Result<(), Error> {
        self.stream.close(None).await?;
        self.closed().await.map(drop)
    }
}

fn is_moment(frame: &ServerFrame) -> bool {
    matches!(frame, ServerFrame::Typing { .. } | ServerFrame::Presence { .. } | ServerFrame::Present { .. })
}

async fn within<T>(what: &str, future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match timeout(DEADLINE, future).await {
        Ok(result) => result,
        Err(_) => Err(Error::Deadline(what.to_owned())),
    }
}

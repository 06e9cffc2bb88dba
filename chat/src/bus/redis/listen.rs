//! Listening: one pattern subscription on a connection of its own.
//!
//! The client's own subscriptions put what they hear into a queue without a bound. Here reading waits while the node has not
//! taken what it heard; the server then keeps it for as long as its `client-output-buffer-limit pubsub` allows (32 MB, or 8 MB for a minute)
//! and closes the connection beyond that, which is a gap. The answers are a small part of the protocol, so they are read here.

use super::tls::Socket;
use super::{KEEPALIVE, Pause, Server};
use crate::bus::wire::{Heard, PATIENCE};
use ::redis::{Cmd, cmd};
use bytes::{Buf, BytesMut};
use std::io::{Error, ErrorKind};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// Read at once where there is as much.
const CHUNK: usize = 32 * 1024;
/// Longest answer: far above any doorbell. Whoever sends more costs everybody a gap.
const LONGEST: usize = 16 * 1024 * 1024;

/// Listens for as long as it is awaited or heard. Says once, at the first try, whether it listens.
pub(super) async fn listen(
    server: Server,
    heard: mpsc::Sender<Heard>,
    listening: Arc<AtomicBool>,
    tried: oneshot::Sender<()>,
) {
    let mut pause = Pause::new();
    let mut tried = Some(tried);
    let mut told = false;
    for host in (0..server.hosts.len()).cycle() {
        let failure = match timeout(PATIENCE, subscribe(&server, host)).await {
            Ok(Ok(mut subscription)) => {
                pause = Pause::new();
                if told {
                    tracing::info!("redis is heard again");
                    told = false;
                }
                listening.store(true, Ordering::Relaxed);
                // Whoever waits for the first try has missed nothing by then.
                if tried.take().is_none() && heard.send(Heard::Gap).await.is_err() {
                    return;
                }
                let Some(failure) = subscription.hear(&heard).await else { return };
                listening.store(false, Ordering::Relaxed);
                failure
            }
            Ok(Err(failure)) => failure,
            Err(_) => ErrorKind::TimedOut.into(),
        };
        tried.take();
        if !told {
            tracing::warn!(bus.error = %failure, "redis is not heard; it is tried again until it is");
            told = true;
        }
        tokio::select! {
            () = sleep(pause.next()) => {}
            () = heard.closed() => return,
        }
    }
}

struct Subscription {
    socket: Box<dyn Socket>,
    buffer: BytesMut,
}

async fn subscribe(server: &Server, host: usize) -> Result<Subscription, Error> {
    let (name, port) = &server.hosts[host % server.hosts.len()];
    let socket = TcpStream::connect((name.as_str(), *port)).await?;
    socket.set_nodelay(true)?;
    let socket = match &server.tls {
        Some(tls) => tls.connect(name, socket).await?,
        None => Box::new(socket),
    };
    let mut subscription = Subscription { socket, buffer: BytesMut::with_capacity(CHUNK) };
    if let Some((user, password)) = &server.user {
        let mut login = cmd("AUTH");
        if !user.is_empty() {
            login.arg(user);
        }
        subscription.ask(login.arg(password)).await?;
    }
    subscription.ask(cmd("PSUBSCRIBE").arg(server.names.pattern())).await?;
    Ok(subscription)
}

impl Subscription {
    /// Asks, and reads the answer.
    async fn ask(&mut self, command: &Cmd) -> Result<(), Error> {
        self.write(command).await?;
        loop {
            if let Some((length, answer)) = answer(&self.buffer)? {
                self.buffer.advance(length);
                return match answer {
                    Answer::Refusal(words) => Err(Error::other(words)),
                    _ => Ok(()),
                };
            }
            self.read().await?;
        }
    }

    async fn write(&mut self, command: &Cmd) -> Result<(), Error> {
        self.socket.write_all(&command.get_packed_command()).await?;
        self.socket.flush().await
    }

    async fn read(&mut self) -> Result<(), Error> {
        self.buffer.reserve(CHUNK);
        match self.socket.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Hands on what it hears until the connection fails; none when nobody listens any more.
    async fn hear(&mut self, heard: &mpsc::Sender<Heard>) -> Option<Error> {
        loop {
            loop {
                match answer(&self.buffer) {
                    Ok(Some((length, answer))) => {
                        let frame = self.buffer.split_to(length).freeze();
                        match answer {
                            Answer::Published(payload) => {
                                heard.send(Heard::Sealed(frame.slice(payload))).await.ok()?;
                            }
                            Answer::Refusal(words) => return Some(Error::other(words)),
                            Answer::Other => {}
                        }
                    }
                    Ok(None) => break,
                    Err(failure) => return Some(failure),
                }
            }
            tokio::select! {
                more = self.read_or_ask() => if let Err(failure) = more { return Some(failure) },
                () = heard.closed() => return None,
            }
        }
    }

    /// Reads; where nothing comes it asks whether the server is there.
    async fn read_or_ask(&mut self) -> Result<(), Error> {
        if let Ok(more) = timeout(KEEPALIVE, self.read()).await {
            return more;
        }
        timeout(KEEPALIVE, async {
            self.write(&cmd("PING")).await?;
            self.read().await
        })
        .await
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }
}

/// What the server sends to somebody who listens.
#[derive(Debug, PartialEq)]
enum Answer {
    /// `pmessage`, pattern, channel, and where the payload is.
    Published(Range<usize>),
    /// An error, in its words.
    Refusal(String),
    /// That something was done, or an answer to a ping.
    Other,
}

/// The first whole answer in what was read, and its length: a line, or an array of texts and numbers.
fn answer(read: &[u8]) -> Result<Option<(usize, Answer)>, Error> {
    let found = match read.first() {
        None => None,
        Some(b'+') => line(read, 0)?.map(|(end, _)| (end, Answer::Other)),
        Some(b'-') => line(read, 0)?
            .map(|(end, words)| (end, Answer::Refusal(String::from_utf8_lossy(&read[words]).into_owned()))),
        Some(b'*') => array(read)?,
        Some(_) => return Err(ErrorKind::InvalidData.into()),
    };
    match found {
        None if read.len() > LONGEST => Err(ErrorKind::InvalidData.into()),
        found => Ok(found),
    }
}

fn array(read: &[u8]) -> Result<Option<(usize, Answer)>, Error> {
    let Some((mut end, parts)) = number(read, 0)? else { return Ok(None) };
    let (mut first, mut last) = (0..0, 0..0);
    for part in 0..parts {
        let text = match read.get(end) {
            None => return Ok(None),
            Some(b':') => match line(read, end)? {
                None => return Ok(None),
                Some((after, digits)) => {
                    end = after;
                    digits
                }
            },
            Some(b'$') => {
                let Some((start, length)) = number(read, end)? else { return Ok(None) };
                end = start + length + 2;
                if read.len() < end {
                    return Ok(None);
                }
                start..start + length
            }
            Some(_) => return Err(ErrorKind::InvalidData.into()),
        };
        if part == 0 {
            first = text.clone();
        }
        last = text;
    }
    let published = parts == 4 && read[first] == *b"pmessage";
    Ok(Some((end, if published { Answer::Published(last) } else { Answer::Other })))
}

/// The line that begins at `at`: where it ends, and what stands between its first byte and its end.
fn line(read: &[u8], at: usize) -> Result<Option<(usize, Range<usize>)>, Error> {
    let Some(length) = read[at..].iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    if length < 2 || read[at + length - 1] != b'\r' {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok(Some((at + length + 1, at + 1..at + length - 1)))
}

/// The number in the line that begins at `at`, and where the line ends. None of the lengths is above the longest.
fn number(read: &[u8], at: usize) -> Result<Option<(usize, usize)>, Error> {
    let Some((end, digits)) = line(read, at)? else { return Ok(None) };
    let digits = std::str::from_utf8(&read[digits]).ok().and_then(|digits| digits.parse::<usize>().ok());
    match digits {
        Some(number) if number <= LONGEST => Ok(Some((end, number))),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_however_they_come_apart() {
        let published = b"*4\r\n$8\r\npmessage\r\n$1\r\np\r\n$1\r\nc\r\n$4\r\na\r\nb\r\n";
        for length in 0..published.len() {
            assert_eq!(answer(&published[..length]).unwrap(), None, "{length}");
        }
        let (end, found) = answer(published).unwrap().unwrap();
        assert_eq!(end, published.len());
        assert_eq!(found, Answer::Published(published.len() - 6..published.len() - 2));
        let done = b"*3\r\n$10\r\npsubscribe\r\n$1\r\np\r\n:1\r\n+OK";
        assert_eq!(answer(done).unwrap(), Some((done.len() - 3, Answer::Other)));
        assert_eq!(answer(b"-ERR no\r\n").unwrap(), Some((9, Answer::Refusal("ERR no".to_owned()))));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in ["x\r\n", "*4\r\n!1\r\n", "*4\r\n$-1\r\n", "*4\r\n$99999999999\r\n", "\n", "*1\n"] {
            assert!(answer(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}

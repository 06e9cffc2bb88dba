//! Bytes to the server and what becomes of them, without a library that would keep us from saying the wrong thing.

use crate::{DEADLINE, Error};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Most bytes of an answer that are kept.
const ANSWER: usize = 1 << 20;

/// Text, as an opcode.
pub const TEXT: u8 = 1;
/// Binary, as an opcode.
pub const BINARY: u8 = 2;
/// The next part of a message.
pub const CONTINUATION: u8 = 0;
/// Close, as an opcode.
pub const CLOSE: u8 = 8;
/// Ping, as an opcode.
pub const PING: u8 = 9;
/// The bit of the last part of a message.
pub const LAST: u8 = 0x80;

/// How the server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It closed the socket with this code.
    Closed(u16),
    /// It refused the frame and the socket lives on.
    Refused,
    /// It answered the `ping` behind the frame and nothing else.
    Ponged,
    /// It answered with this HTTP status.
    Status(u16),
    /// It ended the connection without a word.
    Lost,
    /// Nothing came within the deadline.
    Silence,
}

/// One connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A frame as RFC 6455 5.2 has it: first byte (flags and opcode), length, a mask of zeros where it is masked, payload.
pub fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64, masked);
    bytes.extend_from_slice(payload);
    bytes
}

/// The header alone, whatever follows.
pub fn header(first: u8, length: u64, masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => bytes.push(mask | short),
        (_, Ok(middle)) => {
            bytes.push(mask | 126);
            bytes.extend(middle.to_be_bytes());
        }
        _ => {
            bytes.push(mask | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    if masked {
        bytes.extend([0; 4]);
    }
    bytes
}

/// A whole text frame.
pub fn text(words: &str) -> Vec<u8> {
    frame(LAST | TEXT, words.as_bytes(), true)
}

impl Wire {
    /// Connects, and says nothing.
    pub async fn connect(address: SocketAddr) -> Result<Self, Error> {
        let connecting = timeout(DEADLINE, TcpStream::connect(address)).await;
        let stream = connecting.map_err(|_| Error::Deadline("connecting".into()))??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// Opens a WebSocket and says hello.
    pub async fn open(address: SocketAddr, token: &str) -> Result<Self, Error> {
        let mut wire = Self::connect(address).await?;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        wire.say(request.as_bytes()).await;
        match wire.status().await {
            Outcome::Status(101) => {}
            other => return Err(Error::Unreadable(format!("the handshake was answered with {other:?}"))),
        }
        wire.say(&text(r#"{"type":"hello","protocol":1}"#)).await;
        Ok(wire)
    }

    /// Writes as much as the server takes. That it takes no more shows in its answer.
    pub async fn say(&mut self, bytes: &[u8]) {
        let _ = timeout(DEADLINE, self.stream.write_all(bytes)).await;
    }

    /// The first telling frame.
    pub async fn outcome(&mut self) -> Outcome {
        timeout(DEADLINE, self.telling()).await.unwrap_or(Outcome::Silence)
    }

    /// The status line of an HTTP answer; what follows its head is kept.
    pub async fn status(&mut self) -> Outcome {
        let reading = async {
            loop {
                if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
                    self.read.drain(..end + 4);
                    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
                    return status.map_or(Outcome::Lost, Outcome::Status);
                }
                if !self.more().await {
                    return Outcome::Lost;
                }
            }
        };
        timeout(DEADLINE, reading).await.unwrap_or(Outcome::Silence)
    }

    async fn more(&mut self) -> bool {
        if self.read.len() > ANSWER {
            return false;
        }
        matches!(self.stream.read_buf(&mut self.read).await, Ok(1..))
    }

    async fn telling(&mut self) -> Outcome {
        loop {
            let Some((opcode, payload)) = self.next().await else { return Outcome::Lost };
            let says = |word: &[u8]| payload.windows(word.len()).any(|bytes| bytes == word);
            match opcode {
                CLOSE => {
                    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    return Outcome::Closed(code);
                }
                TEXT if says(br#""type":"refused""#) => return Outcome::Refused,
                TEXT if says(br#""type":"pong""#) => return Outcome::Ponged,
                _ => {}
            }
        }
    }

    /// The next frame of the server, which neither masks nor splits.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((start, length)) = measure(&self.read)
                && self.read.len() >= start + length
            {
                let opcode = self.read[0] & 0x0f;
                let payload = self.read[start..start + length].to_vec();
                self.read.drain(..start + length);
                return Some((opcode, payload));
            }
            if !self.more().await {
                return None;
            }
        }
    }
}

/// Where a frame's payload starts and how long it is, once that much is there.
fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(1)? & 0x7f {
        126 => Some((4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)))),
        127 => Some((10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?)),
        short => Some((2, usize::from(short))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_framed_is_measured_at_every_length() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let bytes = frame(LAST | TEXT, &vec![b'a'; length], false);
            assert_eq!(measure(&bytes), Some((bytes.len() - length, length)));
            assert_eq!(measure(&bytes[..1]), None);
            let masked = frame(LAST | TEXT, &vec![b'a'; length], true);
            assert_eq!(masked.len(), bytes.len() + 4);
        }
    }
}

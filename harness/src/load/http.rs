//! REST over one kept connection: a request, the whole answer, the next one.

use super::link::{connect, write_all};
use crate::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpStream;

/// A kept connection of one session.
#[derive(Debug)]
pub struct Http {
    address: SocketAddr,
    token: String,
    stream: TcpStream,
    inbox: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Content.
    pub body: Vec<u8>,
}

impl Http {
    /// Connects from an address of this machine; an empty token is nobody's.
    pub async fn open(address: SocketAddr, source: Ipv4Addr, token: &str) -> Result<Self, Error> {
        let stream = connect(address, source).await?;
        Ok(Self { address, token: token.to_owned(), stream, inbox: Vec::new() })
    }

    /// From here on requests are this session's.
    pub fn speak_for(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    /// `GET` of a path.
    pub async fn get(&mut self, path: &str) -> Result<Answered, Error> {
        self.ask("GET", path, "").await
    }

    /// `POST` of JSON.
    pub async fn post(&mut self, path: &str, json: &str) -> Result<Answered, Error> {
        self.ask("POST", path, json).await
    }

    async fn ask(&mut self, method: &str, path: &str, json: &str) -> Result<Answered, Error> {
        let session = match self.token.as_str() {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        let content = match method {
            "GET" => String::new(),
            _ => format!("Content-Type: application/json\r\nContent-Length: {}\r\n", json.len()),
        };
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{session}{content}\r\n{json}", self.address);
        write_all(&self.stream, request.as_bytes()).await?;
        loop {
            if let Some((answer, end)) = answer(&self.inbox)? {
                self.inbox.drain(..end);
                return Ok(answer);
            }
            self.stream.readable().await?;
            let mut buffer = [0; 16 * 1024];
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Err(Error::Closed { code: 1006, reason: "the connection ended".into() }),
                Ok(count) => self.inbox.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The first whole answer, and where it ends. The server names the length of everything asked for here.
fn answer(bytes: &[u8]) -> Result<Option<(Answered, usize)>, Error> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
        return Ok(None);
    };
    let unreadable = || Error::Unreadable("an answer without a status or a length".into());
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| unreadable())?;
    let status: u16 = head.get(9..12).and_then(|code| code.parse().ok()).ok_or_else(unreadable)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.or((status == 204).then_some(0)).ok_or_else(unreadable)?;
    Ok(bytes.get(end..end + length).map(|body| (Answered { status, body: body.to_vec() }, end + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_has_come() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhelloHTTP";
        assert!(answer(&bytes[..20]).unwrap().is_none());
        assert!(answer(&bytes[..bytes.len() - 5]).unwrap().is_none());
        let (found, end) = answer(bytes).unwrap().unwrap();
        assert_eq!((found.status, &found.body[..], end), (200, &b"hello"[..], bytes.len() - 4));
    }
}

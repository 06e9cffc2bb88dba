//! WebSocket frames without a library: the load generator must cost far less than the server it measures.

use protocol::{ConversationId, Nonce};

/// Masks every client frame. RFC 6455 wants it unpredictable because of proxies; there is none here, and the server
/// does the same work for any key.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x19, 0xe7];
/// Longest header of a server's frame.
const HEADER: usize = 10;
/// `{"type":"` and three letters tell every type apart.
const PREFIX: usize = 12;

/// What a frame of the server is, as far as a load generator cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `welcome`.
    Welcome,
    /// `heads`.
    Heads,
    /// `live`.
    Live,
    /// `event`.
    Event,
    /// `accepted`.
    Accepted,
    /// `ack`.
    Ack,
    /// `refused`.
    Refused,
    /// `changes`.
    Changes,
    /// `reset`.
    Reset,
    /// Another text frame.
    Other,
    /// A close frame.
    Close,
    /// WebSocket ping or pong.
    Control,
}

impl Kind {
    fn of(opcode: u8, payload: &[u8]) -> Self {
        match opcode {
            1 => match payload.get(9..PREFIX) {
                Some(b"eve") => Self::Event,
                Some(b"acc") => Self::Accepted,
                Some(b"ack") => Self::Ack,
                Some(b"ref") => Self::Refused,
                Some(b"hea") => Self::Heads,
                Some(b"liv") => Self::Live,
                Some(b"wel") => Self::Welcome,
                Some(b"cha") => Self::Changes,
                Some(b"res") => Self::Reset,
                _ => Self::Other,
            },
            8 => Self::Close,
            _ => Self::Control,
        }
    }
}

/// Finds the frames in a stream of bytes by hopping from header to header; keeps no payload.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Header and first bytes of the payload, as far as they have come.
    begun: [u8; HEADER + PREFIX],
    have: usize,
    /// Bytes of the payload still to hop over.
    left: usize,
}

impl Scanner {
    /// Takes bytes in and calls `each` for every frame whose beginning is complete.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Kind)) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let hop = self.left.min(bytes.len());
                self.left -= hop;
                bytes = &bytes[hop..];
                continue;
            }
            let need = self.need();
            let take = (need - self.have).min(bytes.len());
            self.begun[self.have..self.have + take].copy_from_slice(&bytes[..take]);
            self.have += take;
            bytes = &bytes[take..];
            if self.have == need && self.need() == need {
                let (header, payload) = header(&self.begun[..self.have]).unwrap_or((self.have, 0));
                let seen = self.have - header;
                each(Kind::of(self.begun[0] & 0x0f, &self.begun[header..self.have]));
                (self.have, self.left) = (0, payload - seen);
            }
        }
    }

    /// Bytes needed before the next decision.
    fn need(&self) -> usize {
        let begun = &self.begun[..self.have];
        match header(begun) {
            Some((header, payload)) => header + payload.min(PREFIX),
            None if self.have < 2 => 2,
            None => header_bytes(begun[1]),
        }
    }
}

fn header_bytes(length: u8) -> usize {
    match length & 0x7f {
        126 => 4,
        127 => HEADER,
        _ => 2,
    }
}

/// Length of the header and of the payload, once the header is complete.
pub fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    let header = header_bytes(*bytes.get(1)?);
    let extended = bytes.get(2..header)?;
    let payload = match extended {
        [] => usize::from(bytes[1] & 0x7f),
        _ => extended.iter().fold(0, |length: usize, byte| length << 8 | usize::from(*byte)),
    };
    Some((header, payload))
}

/// The first whole frame: its kind, where its payload is, and where it ends.
pub fn whole(bytes: &[u8]) -> Option<(Kind, std::ops::Range<usize>)> {
    let (header, payload) = header(bytes)?;
    let range = header..header + payload;
    let content = bytes.get(range.clone())?;
    Some((Kind::of(bytes[0] & 0x0f, content), range))
}

/// A masked text frame.
pub fn masked(text: &str, into: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    into.push(0x81);
    match u16::try_from(bytes.len()) {
        Ok(length) if length < 126 => into.push(0x80 | length as u8),
        Ok(length) => {
            into.push(0x80 | 126);
            into.extend(length.to_be_bytes());
        }
        Err(_) => {
            into.push(0x80 | 127);
            into.extend((bytes.len() as u64).to_be_bytes());
        }
    }
    into.extend(MASK);
    into.extend(bytes.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// 200 bytes, the length every published figure here is for.
pub const TEXT: &str = "The bench posts two hundred bytes, which is what people write: one sentence or two, a name, a \
number, now and then a link. Longer texts are rare, shorter ones cheaper, so this stands for all of them..";

/// `send` of [`TEXT`] under a fresh nonce.
pub fn send(conversation: ConversationId, into: &mut Vec<u8>) {
    let nonce = Nonce::generate();
    let text = format!(
        r#"{{"type":"send","nonce":"{}","conversation":"{conversation}","body":{{"kind":"text","text":"{TEXT}"}}}}"#,
        nonce.as_str()
    );
    masked(&text, into);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, payload: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        masked(payload, &mut bytes);
        let header = header_bytes(bytes[1]);
        bytes[0] = 0x80 | opcode;
        bytes[1] &= 0x7f;
        bytes.truncate(header);
        bytes.extend(payload.bytes());
        bytes
    }

    #[test]
    fn frames_are_counted_however_the_bytes_are_cut() {
        let long = format!(r#"{{"type":"event","text":"{}"}}"#, "x".repeat(70_000));
        let middle = format!(r#"{{"type":"ack","text":"{}"}}"#, "x".repeat(300));
        let frames = [
            frame(1, &long),
            frame(1, &middle),
            frame(1, r#"{"type":"live"}"#),
            frame(1, r#"{"type":"accepted"}"#),
            frame(9, ""),
            frame(1, "{}"),
            frame(1, r#"{"type":"event"}"#),
            frame(8, "\u{3}"),
        ];
        let kinds = [
            Kind::Event,
            Kind::Ack,
            Kind::Live,
            Kind::Accepted,
            Kind::Control,
            Kind::Other,
            Kind::Event,
            Kind::Close,
        ];
        let stream = frames.concat();
        for size in [1, 2, 3, 5, 13, 100, 4096, stream.len()] {
            let (mut scanner, mut seen) = (Scanner::default(), Vec::new());
            for piece in stream.chunks(size) {
                scanner.feed(piece, |kind| seen.push(kind));
            }
            assert_eq!(seen, kinds, "pieces of {size}");
        }
    }

    #[test]
    fn a_whole_frame_is_found_only_when_it_is_whole() {
        let bytes = frame(1, r#"{"type":"heads","conversations":[]}"#);
        assert_eq!(whole(&bytes[..bytes.len() - 1]), None);
        let (kind, range) = whole(&bytes).unwrap();
        assert_eq!((kind, range.end), (Kind::Heads, bytes.len()));
    }

    #[test]
    fn a_send_is_a_frame_of_the_contract_with_200_bytes_of_text() {
        let mut bytes = Vec::new();
        let conversation = ConversationId::generate();
        send(conversation, &mut bytes);
        let (header, payload) = header(&bytes).unwrap();
        let text: Vec<u8> = bytes[header + 4..header + 4 + payload]
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask)
            .collect();
        let frame: protocol::ClientFrame = serde_json::from_slice(&text).unwrap();
        let protocol::ClientFrame::Send { conversation: to, body, .. } = frame else { panic!("{frame:?}") };
        assert_eq!((to, body.text().unwrap().len()), (conversation, 200));
    }
}

//! Frames to the wire.
//!
//! Frames go past tungstenite, straight to the connection: a server's frame is a short header and the bytes, which
//! all sockets of an event share. One `writev` sends a whole burst without copying a byte, and an idle socket keeps
//! no write buffer; tungstenite's own never shrinks again. Tungstenite still writes what it answers by itself (the
//! pong of a ping, a close), which is why it is flushed first: its frame and ours must not mix.

use super::connection::{Ending, Wire};
use bytes::Bytes;
use chat::Socket;
use futures::SinkExt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::AsyncWrite;

/// Frames in one system call. More would need a bigger table on the stack for little.
const BURST: usize = 32;
/// A connection that takes not one byte for this long is lost.
const STALLED: Duration = Duration::from_secs(15);
/// How long a last half-written frame may take, before the close frame.
const LAST: Duration = Duration::from_secs(10);

/// Frames on their way, and how far they got.
struct Outgoing {
    frames: Vec<Bytes>,
    /// The frame that is being written.
    at: usize,
    /// How much of it is written, its header included.
    written: usize,
    /// Counts every successful write.
    progress: u64,
}

impl Outgoing {
    /// Writes until all is written or the connection takes no more.
    fn poll(&mut self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        ready!(wire.poll_flush_unpin(cx)).map_err(|_| Lost)?;
        while self.at < self.frames.len() {
            let count = ready!(self.poll_burst(Pin::new(wire.get_mut()), cx)).map_err(|_| Lost)?;
            if count == 0 {
                return Poll::Ready(Err(Lost));
            }
            self.progress += 1;
            self.advance(count);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_burst(&self, io: Pin<&mut impl AsyncWrite>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let burst = &self.frames[self.at..self.frames.len().min(self.at + BURST)];
        let mut headers = [Header::default(); BURST];
        for (header, frame) in headers.iter_mut().zip(burst) {
            *header = Header::of(frame.len());
        }
        let mut slices = [IoSlice::new(&[]); 2 * BURST];
        let mut skip = self.written;
        let mut used = 0;
        for part in headers.iter().zip(burst).flat_map(|(header, frame)| [header.bytes(), &frame[..]]) {
            let rest = part.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(part.len());
            if !rest.is_empty() {
                slices[used] = IoSlice::new(rest);
                used += 1;
            }
        }
        io.poll_write_vectored(cx, &slices[..used])
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(frame) = self.frames.get_mut(self.at) {
            let left = Header::of(frame.len()).bytes().len() + frame.len() - self.written;
            if count < left {
                self.written += count;
                return;
            }
            count -= left;
            // The bytes may be shared by thousands of sockets; let go of them early.
            *frame = Bytes::new();
            self.at += 1;
            self.written = 0;
        }
    }

    /// Gives up everything that has not begun: the frame under way has to be completed, or the next is unreadable.
    fn abandon(&mut self) {
        let begun = usize::from(self.written > 0);
        self.frames.truncate(self.at + begun);
    }
}

/// The connection is gone.
#[derive(Debug)]
struct Lost;

/// Header of an unmasked, final text frame (RFC 6455, 5.2).
#[derive(Clone, Copy, Default)]
struct Header {
    bytes: [u8; 10],
    len: u8,
}

impl Header {
    fn of(payload: usize) -> Self {
        let mut bytes = [0; 10];
        bytes[0] = 0x81;
        let len = if let Ok(small) = u8::try_from(payload)
            && small < 126
        {
            bytes[1] = small;
            2
        } else if let Ok(medium) = u16::try_from(payload) {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&medium.to_be_bytes());
            4
        } else {
            bytes[1] = 127;
            bytes[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
            10
        };
        Self { bytes, len }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Writes the frames. Meanwhile nobody waits for this socket: the hub goes on filling its queue, and when that
/// passes its bounds, or the session ends, this stops and says how the socket is to end.
pub(super) async fn write(wire: &mut Wire, socket: &Socket, frames: Vec<Bytes>) -> Result<(), Ending> {
    let mut out = Outgoing { frames, at: 0, written: 0, progress: 0 };
    // Nearly always the kernel takes everything at once. The other case keeps its timers on the heap.
    match poll_fn(|cx| Poll::Ready(out.poll(wire, cx))).await {
        Poll::Ready(outcome) => outcome.map_err(|Lost| Ending::Lost),
        Poll::Pending => Box::pin(wait(wire, socket, out)).await,
    }
}

async fn wait(wire: &mut Wire, socket: &Socket, mut out: Outgoing) -> Result<(), Ending> {
    let mut seen = out.progress;
    let mut stalled = std::pin::pin!(tokio::time::sleep(STALLED));
    loop {
        tokio::select! {
            outcome = poll_fn(|cx| out.poll(wire, cx)) => return outcome.map_err(|Lost| Ending::Lost),
            () = socket.wait() => if let Some(ending) = Ending::of(socket) {
                out.abandon();
                let finished = tokio::time::timeout(LAST, poll_fn(|cx| out.poll(wire, cx))).await;
                return Err(if matches!(finished, Ok(Ok(()))) { ending } else { Ending::Lost });
            },
            () = &mut stalled => {
                if out.progress == seen {
                    socket.metrics().slow_stalled.inc();
                    return Err(Ending::Lost);
                }
                seen = out.progress;
                stalled.as_mut().reset(tokio::time::Instant::now() + STALLED);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use std::collections::VecDeque;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    /// Takes a few bytes at a time, as many as the next number says.
    struct Narrow {
        takes: VecDeque<usize>,
        taken: Vec<u8>,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(buf)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let take = self.takes.pop_front().unwrap_or(usize::MAX);
            let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).take(take).collect();
            self.taken.extend_from_slice(&all);
            Poll::Ready(Ok(all.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What a client reads, when the connection takes the frames in pieces as `takes` says.
    async fn read_back(frames: &[String], takes: &[usize]) -> Vec<String> {
        let frames = frames.iter().cloned().map(Bytes::from).collect();
        let mut out = Outgoing { frames, at: 0, written: 0, progress: 0 };
        let mut io = Narrow { takes: takes.iter().copied().collect(), taken: Vec::new() };
        while out.at < out.frames.len() {
            let count = poll_fn(|cx| out.poll_burst(Pin::new(&mut io), cx)).await.unwrap();
            out.advance(count);
        }
        let (client, mut server) = tokio::io::duplex(io.taken.len() + 1);
        tokio::io::AsyncWriteExt::write_all(&mut server, &io.taken).await.unwrap();
        drop(server);
        let client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        client
            .filter_map(async |message| message.ok()?.into_text().ok().map(|text| text.to_string()))
            .collect()
            .await
    }

    #[tokio::test]
    async fn frames_of_every_header_arrive_whole_however_they_are_cut() {
        let frames: Vec<_> =
            [0, 1, 125, 126, 300, 65_535, 65_536, 70_000].map(|length| "x".repeat(length)).into();
        assert_eq!(read_back(&frames, &[]).await, frames);
        assert_eq!(read_back(&frames, &[1; 2_000]).await, frames);
        assert_eq!(read_back(&frames, &[3, 1, 1, 126, 5, 70_000, 1, 9, 1]).await, frames);
        let many: Vec<_> = (0..100).map(|n| format!("frame {n}")).collect();
        assert_eq!(read_back(&many, &[7, 13, 300]).await, many);
    }

    #[test]
    fn abandoning_keeps_only_the_frame_that_has_begun() {
        let frames =
            vec![Bytes::from_static(b"one"), Bytes::from_static(b"two"), Bytes::from_static(b"three")];
        let mut out = Outgoing { frames, at: 0, written: 0, progress: 0 };
        out.advance(5 + 1);
        out.abandon();
        assert_eq!((out.at, out.frames.len()), (1, 2));
        out.advance(4);
        assert_eq!((out.at, out.written), (2, 0));
        out.abandon();
        assert_eq!(out.frames.len(), 2);
    }
}

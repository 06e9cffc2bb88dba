//! Connections: accepted up to a limit, served as HTTP/1.1, told to finish at the end, and closed so that the other
//! side can read the last words.
//!
//! Written out instead of `axum::serve` for three things that does not do: a deadline for request heads (a client
//! that sends one byte a minute would otherwise hold a connection for ever), a bound on connections, and the
//! lingering close.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use futures::FutureExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Connections at one time: the sockets of the gateway and room for requests beside them. Beyond it new ones wait in
/// the kernel's queue, unaccepted.
const CONNECTIONS: usize = 24_000;
/// A request's head must be complete after this long; an idle connection is closed after it.
const HEAD: Duration = Duration::from_secs(10);
/// Wait this long when the process has no file descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(200);
/// How long a closed connection is listened to, so that what we said last is not lost.
const LINGER: Duration = Duration::from_secs(2);

/// Serves `router` on `listener` until `stop`; then takes no more connections, lets requests under way finish and
/// returns once all have. Upgraded connections are not waited for: the gateway looks after its own.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    while let Some((connection, peer)) = stop.run_until_cancelled(accept(&listener, &room)).await {
        connections.spawn(converse(connection, peer, router.clone(), stop.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> (Connection, SocketAddr) {
    loop {
        let Ok(permit) = Arc::clone(room).acquire_owned().await else {
            // The semaphore is never closed.
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Without it every small frame waits for the acknowledgement of the one before.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "no TCP_NODELAY");
                }
                return (Connection { stream: Some(stream), finished: false, room: Some(permit) }, peer);
            }
            Err(error) if client_gave_up(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

fn client_gave_up(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn converse(connection: Connection, peer: SocketAddr, router: Router, stop: CancellationToken) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let http = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(connection), service)
        .with_upgrades();
    let mut http = std::pin::pin!(http);
    let mut stopped = std::pin::pin!(stop.cancelled().fuse());
    loop {
        tokio::select! {
            outcome = http.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a connection ended badly");
                }
                return;
            }
            () = &mut stopped => http.as_mut().graceful_shutdown(),
        }
    }
}

/// A TCP connection that closes with a lingering: first we stop speaking, then what the other side still sends is
/// read and dropped for a moment. Closing at once with unread bytes in the kernel would reset the connection, and
/// the other side would lose our last words: the answer 413, the close code 1009.
#[derive(Debug)]
pub struct Connection {
    /// Taken by `drop` only.
    stream: Option<TcpStream>,
    /// Whether the other side has closed its half: nothing can be lost any more.
    finished: bool,
    /// The place this connection takes, held until the lingering is over.
    room: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = ready!(self.stream()?.poll_read(cx, buf));
        if outcome.is_err() || (buf.filled().len() == before && buf.remaining() > 0) {
            self.finished = true;
        }
        Poll::Ready(outcome)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let (Some(stream), Some(room)) = (self.stream.take(), self.room.take()) else { return };
        if self.finished {
            return;
        }
        // Outside a runtime there is nobody to linger; the process is ending.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(linger(stream, room));
        }
    }
}

async fn linger(mut stream: TcpStream, room: OwnedSemaphorePermit) {
    let _ = tokio::time::timeout(LINGER, async {
        stream.shutdown().await?;
        // On the heap: most lingering ends with the first read, and a big task would be paid for by all.
        let mut dropped = vec![0; 4096];
        while stream.read(&mut dropped).await? > 0 {}
        Ok::<_, io::Error>(())
    })
    .await;
    drop(room);
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use tokio::io::AsyncReadExt;

    async fn started(router: Router) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        (address, stop.clone(), tokio::spawn(serve(listener, router, stop)))
    }

    #[tokio::test]
    async fn an_early_answer_reaches_a_client_that_is_still_sending() {
        let (address, ..) =
            started(Router::new().route("/", post(|| async { "no need for the rest" }))).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4000000\r\n\r\n";
        client.write_all(head).await.unwrap();
        client.write_all(&vec![b'x'; 4_000_000]).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("no need for the rest"), "{answer}");
    }

    #[tokio::test]
    async fn a_request_ends_with_its_connection() {
        let waits = CancellationToken::new();
        let (begun, ended) = (Arc::new(Semaphore::new(0)), waits.clone());
        let bell = begun.clone();
        let handler = async move || {
            let _guard = waits.clone().drop_guard();
            bell.add_permits(1);
            std::future::pending::<()>().await;
        };
        let (address, ..) = started(Router::new().route("/", post(handler))).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let _begun = begun.acquire().await.unwrap();
        assert!(!ended.is_cancelled());
        drop(client);
        ended.cancelled().await;
    }

    #[tokio::test]
    async fn stopping_closes_idle_connections_and_ends() {
        let (address, stop, served) = started(Router::new()).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut start = [0; 12];
        client.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 404");
        stop.cancel();
        served.await.unwrap();
        client.read_to_end(&mut Vec::new()).await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}

//! A TCP proxy that does to connections what networks do: cuts them, goes silent, delays, narrows, tears writes apart.
//!
//! What happens to each byte is drawn from a seed; when it happens depends on the machine. Conditions are switched at
//! run time, for one connection or for all of them and those to come.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// Connections at once; one more is reset.
const LINKS: usize = 4_096;
/// Bytes read at once, per direction.
const CHUNK: usize = 4 * 1024;
/// Chunks that may wait in one direction; when they do, nothing more is read, and the sender feels it.
const WAITING: usize = 16;
/// Buffers asked of the system, so that a reader that stops is felt at the other end and not hidden in here.
const BUFFER: u32 = 32 * 1024;
/// Longest piece of a torn write, in bytes.
const PIECE: usize = 97;

/// What one direction of a connection suffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Every byte arrives this much later.
    pub delay: Duration,
    /// Up to this much more, drawn anew for each chunk. TCP keeps the order within the connection.
    pub jitter: Duration,
    /// Up to this much more, drawn once for each connection: connections overtake one another.
    pub spread: Duration,
    /// How much passes; everything where it is not set.
    pub bytes_per_second: Option<u32>,
    /// Whether writes are torn into odd pieces.
    pub torn: bool,
    /// Whether bytes vanish without a word, as behind a dead router.
    pub swallowed: bool,
}

/// What a connection suffers. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// From the client to the server.
    pub up: Path,
    /// From the server to the client.
    pub down: Path,
    /// Whether new connections are reset.
    pub refusing: bool,
}

impl Conditions {
    /// The same in both directions.
    pub fn both(path: Path) -> Self {
        Self { up: path, down: path, refusing: false }
    }
}

/// A running proxy. Dropped: every connection is cut and nobody listens.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    links: Arc<Links>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Links {
    upstreams: Vec<SocketAddr>,
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// For connections to come.
    conditions: Conditions,
    /// The open ones, by number. Taking one out cuts its connection.
    open: BTreeMap<u64, Open>,
    accepted: u64,
    /// A server that gets no new connections.
    left: Option<usize>,
}

#[derive(Debug)]
struct Open {
    conditions: watch::Sender<Conditions>,
    /// The place of its server, once it is connected.
    upstream: Option<usize>,
}

impl Links {
    /// Held for a few instructions, never over an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Listens on a free port of the loopback and forwards to `upstream`, which need not be there yet.
    pub async fn start(upstream: SocketAddr, seed: u64) -> io::Result<Self> {
        Self::spread(vec![upstream], seed).await
    }

    /// The same in front of several servers: each connection goes to any of them, and where nobody is there to the next,
    /// as a load balancer does it.
    pub async fn spread(upstreams: Vec<SocketAddr>, seed: u64) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(BUFFER)?; // what is accepted inherits both
        socket.set_send_buffer_size(BUFFER)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(1_024)?;
        let address = listener.local_addr()?;
        let links = Arc::new(Links { upstreams, seed, state: Mutex::default() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&links)));
        Ok(Self { address, links, accepting })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Open connections, oldest first. Numbers are never used again.
    pub fn connections(&self) -> Vec<u64> {
        self.links.state().open.keys().copied().collect()
    }

    /// Conditions for every connection, open or to come. A connection that swallowed bytes until now is cut: what
    /// would follow makes no sense to anybody.
    pub fn set(&self, conditions: Conditions) {
        let mut state = self.links.state();
        state.conditions = conditions;
        state.open.retain(|_, link| change(&link.conditions, conditions));
    }

    /// Conditions for one open connection; nothing happens where it is gone.
    pub fn set_one(&self, connection: u64, conditions: Conditions) {
        let mut state = self.links.state();
        if state.open.get(&connection).is_some_and(|link| !change(&link.conditions, conditions)) {
            state.open.remove(&connection);
        }
    }

    /// Resets one connection at both ends.
    pub fn cut(&self, connection: u64) {
        self.links.state().open.remove(&connection);
    }

    /// Resets every open connection at both ends; returns how many there were.
    pub fn cut_all(&self) -> usize {
        let open = std::mem::take(&mut self.links.state().open);
        open.len()
    }

    /// From now on the server at this place gets no new connections, and those it has are reset; none: every server gets
    /// some again. Returns how many were reset.
    pub fn leave(&self, upstream: Option<usize>) -> usize {
        let mut state = self.links.state();
        state.left = upstream;
        let before = state.open.len();
        state.open.retain(|_, link| upstream.is_none() || link.upstream != upstream);
        before - state.open.len()
    }
}

/// Whether the connection can go on under the new conditions.
fn change(link: &watch::Sender<Conditions>, conditions: Conditions) -> bool {
    let before = link.send_replace(conditions);
    let heals = |before: Path, after: Path| before.swallowed && !after.swallowed;
    !heals(before.up, conditions.up) && !heals(before.down, conditions.down)
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut_all();
    }
}

async fn accept(listener: TcpListener, links: Arc<Links>) {
    loop {
        // A failed accept is the connection's end, not the proxy's; a lack of descriptors would fail at once again.
        let Ok((client, _)) = listener.accept().await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let mut state = links.state();
        if state.conditions.refusing || state.open.len() >= LINKS {
            reset(&client);
            continue;
        }
        state.accepted += 1;
        let number = state.accepted;
        let (sender, conditions) = watch::channel(state.conditions);
        state.open.insert(number, Open { conditions: sender, upstream: None });
        drop(state);
        let links = Arc::clone(&links);
        tokio::spawn(async move {
            forward(client, &links, number, conditions).await;
            links.state().open.remove(&number);
        });
    }
}

async fn forward(mut client: TcpStream, links: &Links, number: u64, conditions: watch::Receiver<Conditions>) {
    let Some(mut server) = reach(links, number).await else { return reset(&client) };
    // Small pieces must leave as small pieces. A connection that cannot be set so is gone already.
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }
    let random = |direction: u64| StdRng::seed_from_u64(links.seed ^ (number << 1 | direction));
    let (client_read, client_write) = client.split();
    let (server_read, server_write) = server.split();
    let up = pump(client_read, server_write, Suffering::new(conditions.clone(), |now| now.up, random(0)));
    let down = pump(server_read, client_write, Suffering::new(conditions.clone(), |now| now.down, random(1)));
    let whole = tokio::select! {
        ended = async { tokio::try_join!(up, down) } => ended.is_ok(),
        () = cut(conditions) => false,
    };
    if !whole {
        reset(&client);
        reset(&server);
    }
}

/// Connects to any of the servers that is there.
async fn reach(links: &Links, number: u64) -> Option<TcpStream> {
    let left = links.state().left;
    let mut places: Vec<usize> = (0..links.upstreams.len()).filter(|place| Some(*place) != left).collect();
    places.shuffle(&mut StdRng::seed_from_u64(links.seed ^ !number));
    for place in places {
        let Ok(server) = connect(links.upstreams[place]).await else { continue };
        // Cut in the meantime: the caller sees to it.
        if let Some(open) = links.state().open.get_mut(&number) {
            open.upstream = Some(place);
        }
        return Some(server);
    }
    None
}

async fn connect(upstream: SocketAddr) -> io::Result<TcpStream> {
    let socket = if upstream.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_recv_buffer_size(BUFFER)?;
    socket.set_send_buffer_size(BUFFER)?;
    socket.connect(upstream).await
}

/// The connection ends with RST as soon as it is dropped.
fn reset(stream: &TcpStream) {
    // It fails only where the connection is gone already.
    let _ = stream.set_zero_linger();
}

async fn cut(mut conditions: watch::Receiver<Conditions>) {
    while conditions.changed().await.is_ok() {}
}

/// What one direction suffers now, and the dice it is drawn with.
struct Suffering {
    conditions: watch::Receiver<Conditions>,
    direction: fn(&Conditions) -> Path,
    random: StdRng,
    /// This connection's place in the spread, 0 to 1.
    place: f64,
}

impl Suffering {
    fn new(
        conditions: watch::Receiver<Conditions>,
        direction: fn(&Conditions) -> Path,
        mut random: StdRng,
    ) -> Self {
        let place = random.random();
        Self { conditions, direction, random, place }
    }

    fn now(&self) -> Path {
        (self.direction)(&self.conditions.borrow())
    }

    fn latency(&mut self, path: Path) -> Duration {
        path.delay + path.spread.mul_f64(self.place) + path.jitter.mul_f64(self.random.random())
    }
}

async fn pump(from: ReadHalf<'_>, to: WriteHalf<'_>, suffering: Suffering) -> io::Result<()> {
    let (queue, waiting) = mpsc::channel(WAITING);
    let pieces = Suffering::new(
        suffering.conditions.clone(),
        suffering.direction,
        StdRng::seed_from_u64(suffering.place.to_bits()),
    );
    tokio::try_join!(take(from, queue, suffering), give(to, waiting, pieces)).map(drop)
}

/// Reads until the end and says when each chunk is due.
async fn take(
    mut from: ReadHalf<'_>,
    queue: mpsc::Sender<(Instant, Vec<u8>)>,
    mut suffering: Suffering,
) -> io::Result<()> {
    let mut last = Instant::now();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await;
        let path = suffering.now();
        let n = match read {
            // Behind a dead router even the end stays unheard, until the connection is cut.
            Ok(0) | Err(_) if path.swallowed => std::future::pending().await,
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) => return Err(error),
        };
        last = last.max(Instant::now() + suffering.latency(path));
        if queue.send((last, buffer[..n].to_vec())).await.is_err() {
            return Ok(());
        }
    }
}

/// Writes each chunk when it is due, then passes the end on.
async fn give(
    mut to: WriteHalf<'_>,
    mut waiting: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut suffering: Suffering,
) -> io::Result<()> {
    while let Some((due, chunk)) = waiting.recv().await {
        sleep_until(due).await;
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let path = suffering.now();
            if path.swallowed {
                break;
            }
            let n = if path.torn { suffering.random.random_range(1..=PIECE) } else { CHUNK }.min(rest.len());
            to.write_all(&rest[..n]).await?;
            rest = &rest[n..];
            if let Some(rate) = path.bytes_per_second {
                sleep(Duration::from_secs_f64(n as f64 / f64::from(rate.max(1)))).await;
            }
        }
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends back what it gets.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        address
    }

    async fn proxy() -> Proxy {
        Proxy::start(echo().await, 7).await.unwrap()
    }

    /// Connects and makes one round trip, so that the proxy has taken the connection in.
    async fn open(proxy: &Proxy) -> TcpStream {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        round_trip(&mut stream).await;
        stream
    }

    async fn round_trip(stream: &mut TcpStream) {
        stream.write_all(b"hello").await.unwrap();
        let mut back = [0; 5];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"hello");
    }

    async fn is_reset(stream: &mut TcpStream) {
        let error = stream.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn bytes_and_the_end_pass_torn_narrow_and_jittery_paths_whole() {
        let proxy = proxy().await;
        let path = Path {
            torn: true,
            jitter: Duration::from_millis(2),
            bytes_per_second: Some(20_000_000),
            ..Path::default()
        };
        proxy.set(Conditions::both(path));
        let sent: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut read, mut write) = stream.split();
        let mut back = Vec::new();
        let sending = async {
            write.write_all(&sent).await?;
            write.shutdown().await
        };
        tokio::try_join!(sending, read.read_to_end(&mut back)).unwrap();
        assert!(back == sent);
    }

    #[tokio::test]
    async fn one_is_cut_and_the_other_lives_on() {
        let proxy = proxy().await;
        let mut first = open(&proxy).await;
        let mut second = open(&proxy).await;
        proxy.cut(proxy.connections()[0]);
        is_reset(&mut first).await;
        round_trip(&mut second).await;
        assert_eq!(proxy.cut_all(), 1);
        is_reset(&mut second).await;
    }

    #[tokio::test]
    async fn connections_are_spread_over_those_who_are_there_and_leave_one() {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let proxy = Proxy::spread(vec![nobody, echo().await, echo().await], 7).await.unwrap();
        let mut streams = Vec::new();
        for _ in 0..16 {
            streams.push(open(&proxy).await);
        }
        let first = proxy.leave(Some(1));
        assert!(0 < first && first < 16, "{first}");
        assert_eq!(proxy.leave(Some(0)), 0);
        assert_eq!(proxy.leave(Some(2)), 16 - first);
        open(&proxy).await;
        assert_eq!(proxy.leave(Some(1)), 1);
    }

    #[tokio::test]
    async fn a_slow_connection_is_overtaken() {
        let proxy = proxy().await;
        let mut slow = open(&proxy).await;
        let far = Path { delay: Duration::from_secs(3_600), ..Path::default() };
        proxy.set_one(proxy.connections()[0], Conditions::both(far));
        slow.write_all(b"hello").await.unwrap();
        round_trip(&mut open(&proxy).await).await;
        assert_eq!(slow.try_read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn a_half_open_connection_says_nothing_until_it_heals_by_being_cut() {
        let proxy = proxy().await;
        let mut stream = open(&proxy).await;
        proxy.set(Conditions { down: Path { swallowed: true, ..Path::default() }, ..Conditions::default() });
        stream.write_all(b"hello").await.unwrap();
        let mut other = TcpStream::connect(proxy.address()).await.unwrap();
        other.write_all(b"hello").await.unwrap();
        assert_eq!(stream.try_read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        proxy.set(Conditions::default());
        is_reset(&mut stream).await;
        round_trip(&mut open(&proxy).await).await;
    }

    #[tokio::test]
    async fn nobody_gets_in_while_it_refuses_or_where_nobody_is_behind_it() {
        let proxy = proxy().await;
        proxy.set(Conditions { refusing: true, ..Conditions::default() });
        is_reset(&mut TcpStream::connect(proxy.address()).await.unwrap()).await;
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let proxy = Proxy::start(nobody, 7).await.unwrap();
        is_reset(&mut TcpStream::connect(proxy.address()).await.unwrap()).await;
    }
}

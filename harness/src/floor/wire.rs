//! TCP without anything on it: an echo, and one writer for many sockets.

use super::{Running, program};
use crate::Error;
use crate::load::latency::Latency;
use crate::load::link::{connect, write_all};
use crate::load::pairs::{Schedule, until};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::timeout;

/// Bytes of a small frame.
const FRAME: usize = 200;
/// Bytes of an `event` that carries a text of 200 bytes.
const EVENT: usize = 667;
/// Frames in a burst.
const BURST: u8 = 16;
/// Byte that asks for an echo of the rest; any other asks for so many frames to everybody, the next two are their size.
const ECHO: u8 = 255;
/// Echoes a second when idle.
const IDLE: f64 = 100.0;
/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a fan-out cost and did.
#[derive(Clone, Copy, Debug, Default)]
pub struct FanOut {
    /// The writer's processor time for a frame, in microseconds.
    pub cpu_us: f64,
    /// Frames a second.
    pub rate: f64,
    /// Frames.
    pub n: u64,
}

/// The writer: prints its address through `ready`, then serves until it is killed.
pub async fn serve(ready: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    ready(listener.local_addr()?);
    let sockets: Rc<RefCell<Vec<Rc<TcpStream>>>> = Rc::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let stream = Rc::new(stream);
        sockets.borrow_mut().push(stream.clone());
        let sockets = sockets.clone();
        spawn_local(async move {
            let frames = vec![b'x'; EVENT * usize::from(BURST)];
            let mut asked = [0; FRAME];
            while stream.readable().await.is_ok() {
                match stream.try_read(&mut asked) {
                    Ok(0) => return,
                    Ok(count) if asked[0] == ECHO => {
                        if write_all(&stream, &asked[..count]).await.is_err() {
                            return;
                        }
                    }
                    Ok(_) => {
                        let size = usize::from(u16::from_be_bytes([asked[1], asked[2]]));
                        let bytes = &frames[..(size * usize::from(asked[0])).min(frames.len())];
                        for socket in sockets.borrow().iter() {
                            // The next burst is asked for when this one has arrived, so there is room.
                            let _full = socket.try_write(bytes);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        });
    }
}

/// Drives the writer: echo as fast as it goes and when idle; single small frames, bursts of them, single events, bursts.
pub async fn measure(sockets: usize, time: Duration) -> Result<(Latency, Latency, [FanOut; 4]), Error> {
    let (running, line) = Running::start(program(&["floor", "wire"])?)?;
    let address: SocketAddr = line.parse().map_err(|_| Error::Unreadable(format!("an address: {line}")))?;
    let fast = echo(address, f64::INFINITY, time).await?;
    let idle = echo(address, IDLE, time).await?;
    let arrived = Rc::new(Cell::new(0_u64));
    let target = Rc::new(Cell::new(u64::MAX));
    let rung = Rc::new(Notify::new());
    let mut streams = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        let stream = Rc::new(connect(address, Ipv4Addr::LOCALHOST).await?);
        streams.push(stream.clone());
        let (arrived, target, rung) = (arrived.clone(), target.clone(), rung.clone());
        spawn_local(async move {
            let mut buffer = vec![0; 8 * 1024];
            while stream.readable().await.is_ok() {
                match stream.try_read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => arrived.set(arrived.get() + count as u64),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
                if arrived.get() >= target.get() {
                    rung.notify_one();
                }
            }
        });
    }
    // The echo's connection is closed, but the writer still counts it among its sockets: a failed write, no frame.
    let ask = async |frames: u8, size: u16| -> Result<FanOut, Error> {
        let [high, low] = size.to_be_bytes();
        let size = usize::from(size);
        let (cpu, begun, from) = (running.cpu()?, Instant::now(), arrived.get());
        while begun.elapsed() < time {
            target.set(arrived.get() + (sockets * size * usize::from(frames)) as u64);
            write_all(&streams[0], &[frames, high, low]).await?;
            while arrived.get() < target.get() {
                timeout(PATIENCE, rung.notified())
                    .await
                    .map_err(|_| Error::Deadline("a fan-out of the bare program".into()))?;
            }
        }
        let n = (arrived.get() - from) / size as u64;
        let spent = (running.cpu()? - cpu).as_secs_f64();
        Ok(FanOut { cpu_us: spent * 1e6 / n as f64, rate: n as f64 / begun.elapsed().as_secs_f64(), n })
    };
    let found = [
        ask(1, FRAME as u16).await?,
        ask(BURST, FRAME as u16).await?,
        ask(1, EVENT as u16).await?,
        ask(BURST, EVENT as u16).await?,
    ];
    Ok((fast, idle, found))
}

/// At most `rate` a second.
async fn echo(address: SocketAddr, rate: f64, time: Duration) -> Result<Latency, Error> {
    let stream = connect(address, Ipv4Addr::LOCALHOST).await?;
    let (mut latency, begun) = (Latency::default(), Instant::now());
    let mut buffer = [ECHO; FRAME];
    let (schedule, mut turn) = (Schedule::new(begun, rate), 0);
    while begun.elapsed() < time {
        until(schedule.due(turn)).await;
        turn += 1;
        let sent = Instant::now();
        write_all(&stream, &[ECHO; FRAME]).await?;
        let mut came = 0;
        while came < FRAME {
            stream.readable().await?;
            match stream.try_read(&mut buffer) {
                Ok(0) => return Err(Error::Closed { code: 1006, reason: "the echo ended".into() }),
                Ok(count) => came += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        latency.record(sent.elapsed());
    }
    Ok(latency)
}

//! Redis, where it is installed: `PUBLISH` to many subscribers in pipelined bursts. The best known fan-out to
//! compare with, though it knows no sessions, no membership and no disk.

use super::Running;
use crate::load::link::{connect, write_all};
use crate::load::process::SERVER_CORE;
use crate::{DEADLINE, Error};
use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::timeout;

/// Messages in a burst.
const BURST: usize = 16;
/// Bursts that may be on their way at once, as for the server under test.
const AHEAD: u64 = 2;
/// What a subscriber gets for a message of 200 bytes on channel `c`.
const DELIVERED: u64 = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$200\r\n".len() as u64 + 200 + 2;

/// Deliveries a second; none where redis is not installed.
pub async fn measure(subscribers: usize, time: Duration) -> Result<Option<f64>, Error> {
    // A port that was free a moment ago; redis cannot choose one itself.
    let port = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if Command::new("redis-server").arg("--version").output().is_err() {
        return Ok(None);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CORE, "redis-server", "--port", &port.to_string(), "--save", ""]);
    command.args(["--appendonly", "no", "--bind", "127.0.0.1", "--io-threads", "1"]);
    let (_running, _) = Running::start(command)?;
    let publisher = reachable(address).await?;
    let (bytes, rung) = (Rc::new(Cell::new(0_u64)), Rc::new(Notify::new()));
    for _ in 0..subscribers {
        let stream = connect(address, Ipv4Addr::LOCALHOST).await?;
        write_all(&stream, b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n").await?;
        stream.readable().await?;
        let (bytes, rung) = (bytes.clone(), rung.clone());
        let mut buffer = vec![0; 16 * 1024];
        // The answer to the subscription is no delivery.
        if let Err(error) = stream.try_read(&mut buffer) {
            return Err(error.into());
        }
        spawn_local(async move {
            while stream.readable().await.is_ok() {
                match stream.try_read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => bytes.set(bytes.get() + count as u64),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
                rung.notify_one();
            }
        });
    }
    let message = format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$200\r\n{}\r\n", "x".repeat(200));
    let burst = message.repeat(BURST);
    let size = DELIVERED * (subscribers * BURST) as u64;
    let (begun, mut sent) = (Instant::now(), 0_u64);
    while begun.elapsed() < time {
        while sent >= bytes.get() / size + AHEAD {
            timeout(DEADLINE, rung.notified())
                .await
                .map_err(|_| Error::Deadline("redis to deliver".into()))?;
        }
        write_all(&publisher, burst.as_bytes()).await?;
        // Its counts of receivers are read so that they never fill the connection.
        let mut counts = [0; 4096];
        match publisher.try_read(&mut counts) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
            _ => sent += 1,
        }
    }
    Ok(Some((bytes.get() / DELIVERED) as f64 / begun.elapsed().as_secs_f64()))
}

async fn reachable(address: SocketAddr) -> Result<TcpStream, Error> {
    let begun = Instant::now();
    loop {
        match connect(address, Ipv4Addr::LOCALHOST).await {
            Ok(stream) => return Ok(stream),
            Err(error) if begun.elapsed() > DEADLINE => return Err(error),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

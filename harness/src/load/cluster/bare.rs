//! Floors of a cluster: what that Postgres stores when it is asked for nothing else, and how long a broker alone takes.

use super::setup::Bus;
use super::stage::{Store, psql};
use super::{BATCH, IDLE};
use crate::backing::Service;
use crate::load::Options;
use crate::load::frame::TEXT;
use crate::load::latency::Latency;
use crate::load::link::{connect, write_all};
use crate::load::pairs::{Schedule, until};
use crate::load::report::Figure;
use crate::{DEADLINE, Error};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The server's table of messages.
const TABLES: &str = include_str!("../../../../chat/migrations/postgres/0001_first.sql");
/// Writers of the floor: as many as there are nodes.
const WRITERS: [usize; 2] = [1, 2];

/// Characters of an error that are told; it quotes the whole statement.
const SAID: usize = 300;

/// All of them, as rows of their own.
pub async fn measure(options: &Options, store: &Store) -> Result<Vec<Figure>, Error> {
    let seconds = options.size(5, 2);
    let mut figures = Vec::new();
    for writers in WRITERS {
        let rate = inserts(store, writers, seconds)?;
        let metric = format!("Postgres, bare inserts, {BATCH} a transaction, {writers} writing");
        figures.push(
            Figure::new(0, metric, "messages/s", rate, 0)
                .note("pgbench: one statement of many rows into the server's table, fsync on commit"),
        );
    }
    for bus in [Bus::Redis, Bus::Nats] {
        if options.cluster.iter().any(|setup| setup.bus == bus) {
            let times = round_trip(options, bus, Duration::from_secs(seconds)).await?;
            let metric = format!("{} alone, published to heard, 100 a second, p50", bus.name());
            figures.push(Figure::new(0, metric, "ms", times.p50(), times.count()).times(&times));
        }
    }
    Ok(figures)
}

/// Messages a second. Their values are in the statement, which is parsed once.
fn inserts(store: &Store, writers: usize, seconds: u64) -> Result<f64, Error> {
    let url = store.database("bare")?;
    psql(&url, TABLES)?;
    // The two parameters stand once: a statement of pgbench takes 255 at most.
    let mut script = "\\set n :n + 1\nINSERT INTO message (conversation, seq, posted_rev, rev, id, sender, nonce, digest, \
                      body, sent_at) SELECT overlay(v.conversation PLACING lpad(to_hex(p.client), 4, '0') FROM 1 FOR \
                      4)::uuid, p.n, p.n, p.n, gen_random_uuid(), v.sender::uuid, lpad(to_hex(p.n), 16, '0') || '-' || \
                      p.client || '-' || v.row, v.row, v.body, 0 FROM (SELECT :n::bigint, :client_id::integer) AS p (n, \
                      client), (VALUES "
        .to_owned();
    for row in 0..BATCH {
        let comma = if row == 0 { "" } else { ", " };
        // Writing into a String cannot fail.
        let _ = write!(
            script,
            "{comma}('{}', '{}', {row}, '{{\"kind\":\"text\",\"text\":\"{TEXT}\"}}')",
            protocol::UserId::generate().uuid(),
            protocol::UserId::generate().uuid(),
        );
    }
    script.push_str(") AS v (conversation, sender, row, body);\n");
    let file = NamedTempFile::new()?;
    std::fs::write(file.path(), script)?;
    let (count, time) = (writers.to_string(), seconds.to_string());
    let output = Command::new("pgbench")
        .args(["-n", "-M", "prepared", "-D", "n=0", "-c", &count, "-j", &count, "-T", &time, "-f"])
        .arg(file.path())
        .arg(&url)
        .output()?;
    store.drop_database("bare")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate =
        text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok());
    match rate {
        Some(rate) if output.status.success() => Ok(rate * BATCH as f64),
        _ => {
            let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(SAID).collect();
            Err(Error::Process(format!("pgbench: {said}")))
        }
    }
}

/// From publishing to hearing, on two connections of a broker that does nothing else.
async fn round_trip(options: &Options, bus: Bus, time: Duration) -> Result<Latency, Error> {
    let service = Service::start(&options.services, bus.name(), format!("bench-bare-{}", bus.name())).await?;
    let address = service.url().rsplit('/').next().and_then(|host| host.parse::<SocketAddr>().ok());
    let address = address.ok_or_else(|| Error::Unreadable("an address".into()))?;
    let (ears, mouth) =
        (connect(address, Ipv4Addr::LOCALHOST).await?, connect(address, Ipv4Addr::LOCALHOST).await?);
    let message = if bus == Bus::Redis {
        write_all(&ears, b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n").await?;
        format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n${}\r\n{TEXT}\r\n", TEXT.len())
    } else {
        write_all(&ears, b"CONNECT {\"verbose\":false}\r\nSUB c 1\r\nPING\r\n").await?;
        write_all(&mouth, b"CONNECT {\"verbose\":false}\r\nPING\r\n").await?;
        format!("PUB c {}\r\n{TEXT}\r\n", TEXT.len())
    };
    // Greetings and what subscribing is answered with.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let schedule = Schedule::new(Instant::now(), IDLE);
    let (begun, mut times) = (Instant::now(), Latency::default());
    for turn in 0_u32.. {
        let due = schedule.due(turn);
        if due.duration_since(begun) > time {
            break;
        }
        until(due).await;
        discard(&ears)?;
        discard(&mouth)?;
        let sent = Instant::now();
        write_all(&mouth, message.as_bytes()).await?;
        timeout(DEADLINE, heard(&ears))
            .await
            .map_err(|_| Error::Deadline("the broker to deliver".into()))??;
        times.record(sent.elapsed());
    }
    Ok(times)
}

/// Reads what is there; whether there was something.
fn discard(stream: &TcpStream) -> Result<bool, Error> {
    let mut buffer = [0; 4096];
    match stream.try_read(&mut buffer) {
        Ok(0) => Err(Error::Closed { code: 1006, reason: "the broker left".into() }),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn heard(stream: &TcpStream) -> Result<(), Error> {
    loop {
        stream.readable().await?;
        if discard(stream)? {
            return Ok(());
        }
    }
}

//! Faults of what nodes stand on together, and of which node serves whom.

use super::plan::Outcome;
use super::stage::Stage;
use crate::Error;
use crate::backing::Service;
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

fn drawn(random: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(random.random_range(from..to))
}

fn missing(what: &str) -> Outcome {
    format!("no {what} of our own").into()
}

/// SIGKILL of a worker: what it had in hand goes to the other one, and later to both again.
pub async fn kill_worker(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let (after, away) = (drawn(random, 0, 800), drawn(random, 500, 4_000));
    if stage.workers.is_empty() {
        return Ok(missing("worker"));
    }
    let worker = random.random_range(0..stage.workers.len());
    sleep(after).await;
    stage.workers[worker].kill9()?;
    sleep(away).await;
    stage.workers[worker].start_again().await?;
    Ok(format!("worker {worker} after {after:?}, away for {away:?}").into())
}

async fn crash(service: &Service, random: &mut StdRng) -> Result<Outcome, Error> {
    let (after, away) = (drawn(random, 0, 800), drawn(random, 0, 2_500));
    sleep(after).await;
    service.kill().await?;
    sleep(away).await;
    let begun = Instant::now();
    service.restart().await?;
    Ok(format!("{}, killed for {away:?}, back after {:?}", service.kind(), begun.elapsed()).into())
}

/// SIGKILL of the broker, which comes back with what it has synced.
pub async fn kill_broker(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    match &stage.broker {
        Some(broker) => crash(broker, random).await,
        None => Ok(missing("broker")),
    }
}

/// The broker hangs: its connections stay open and nobody answers. In a short run no longer than it must to be missed.
pub async fn pause_broker(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let lasting = drawn(random, 5_000, if stage.brief { 6_000 } else { 10_000 });
    let Some(broker) = &stage.broker else { return Ok(missing("broker")) };
    broker.pause().await?;
    sleep(lasting).await;
    broker.resume().await?;
    Ok(format!("{} for {lasting:?}", broker.kind()).into())
}

/// The database ends without finishing anything, and comes back.
pub async fn crash_store(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    match &stage.store {
        Some(store) => crash(store, random).await,
        None => Ok(missing("database")),
    }
}

/// What nodes share in memory is gone at once: nobody may be let in or shut out for it.
pub async fn flush_memory(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let Some(memory) = &stage.memory else { return Ok(missing("shared memory")) };
    let after = drawn(random, 0, 800);
    sleep(after).await;
    let address = memory.url().trim_start_matches("redis://").trim_end_matches('/');
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(b"FLUSHALL\r\n").await?;
    let mut answer = [0; 5];
    connection.read_exact(&mut answer).await?;
    if &answer != b"+OK\r\n" {
        return Err(Error::Process(format!("FLUSHALL: {}", String::from_utf8_lossy(&answer))));
    }
    Ok(format!("after {after:?}").into())
}

/// It hangs, or is killed and comes back empty.
pub async fn lose_memory(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let Some(memory) = &stage.memory else { return Ok(missing("shared memory")) };
    if random.random() {
        return crash(memory, random).await;
    }
    let lasting = drawn(random, 500, 4_000);
    memory.pause().await?;
    sleep(lasting).await;
    memory.resume().await?;
    Ok(format!("hangs for {lasting:?}").into())
}

/// Whoever spreads the clients takes a node out: its clients come to the others, and it stays without any for a while.
pub async fn evacuate(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let lasting = drawn(random, 500, 2_000);
    let node = stage.draw_node(random);
    let moved = stage.proxy.leave(Some(node));
    sleep(lasting).await;
    stage.proxy.leave(None);
    Ok(format!("{moved} connections leave node {node} for {lasting:?}").into())
}

/// SIGTERM and a new start, one node after another, workers too, as at an upgrade. Nobody may be refused for it.
pub async fn roll(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    for node in stage.nodes.iter_mut().chain(&mut stage.workers) {
        sleep(drawn(random, 100, 600)).await;
        let stopping = Instant::now();
        node.sigterm()?;
        let status = node.exit().await?;
        slowest = slowest.max(stopping.elapsed());
        if !status.success() {
            outcome.wrong.push(format!("SIGTERM ended a node with {status}"));
        }
        node.start_again().await?;
    }
    outcome.detail = format!("all nodes in {:?}, the slowest down after {slowest:?}", begun.elapsed());
    Ok(outcome)
}

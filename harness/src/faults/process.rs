//! Faults of the server's process; of several, one is drawn.

use super::plan::Outcome;
use super::stage::Stage;
use crate::{DEADLINE, Error};
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Messages of a burst.
const BURST: usize = 150;

/// SIGKILL at any moment of the workload.
pub async fn kill(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let after = Duration::from_millis(random.random_range(0..800));
    let away = Duration::from_millis(random.random_range(0..600));
    let node = stage.draw_node(random);
    sleep(after).await;
    stage.nodes[node].kill9()?;
    sleep(away).await;
    stage.nodes[node].start_again().await?;
    Ok(format!("after {after:?}, away for {away:?}").into())
}

/// SIGKILL while the acks of a burst are on their way, some of them heard already.
pub async fn kill_in_burst(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let before = stage.team.acked();
    stage.workload.burst(BURST, false, random).await?;
    let heard = random.random_range(1..BURST as u64 / 2);
    let node = stage.draw_node(random);
    let waiting = Instant::now();
    while stage.team.acked() < before + heard && waiting.elapsed() < DEADLINE {
        tokio::task::yield_now().await; // no timer: the next moment is the one that matters
    }
    stage.nodes[node].kill9()?;
    let acked = stage.team.acked() - before;
    stage.nodes[node].start_again().await?;
    Ok(format!("after {acked} acks of {BURST}").into())
}

/// SIGSTOP: connections stay open and nobody answers.
pub async fn freeze(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let frozen = Duration::from_millis(random.random_range(1_500..4_500));
    let node = stage.draw_node(random);
    stage.nodes[node].signal("STOP")?;
    sleep(frozen).await;
    stage.nodes[node].signal("CONT")?;
    Ok(format!("for {frozen:?}").into())
}

/// SIGTERM: the server takes its leave, and must do so in time and well.
pub async fn restart(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let after = Duration::from_millis(random.random_range(0..500));
    let node = stage.draw_node(random);
    sleep(after).await;
    stage.nodes[node].sigterm()?;
    let begun = Instant::now();
    let status = stage.nodes[node].exit().await?;
    let mut outcome = Outcome::from(format!("down after {:?}", begun.elapsed()));
    if !status.success() {
        outcome.wrong.push(format!("SIGTERM ended the server with {status}"));
    }
    stage.nodes[node].start_again().await?;
    Ok(outcome)
}

//! Faults of the clients: they hang, or ask again after a long time.

use super::plan::Outcome;
use super::stage::Stage;
use crate::Error;
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;
use tokio::time::sleep;

/// Long messages to everybody: more than the system's buffers and the server's queue for one socket hold together.
const FLOOD: usize = 400;
/// Old messages sent again at once.
const OLD: usize = 80;

/// The devices with a tiny buffer stop reading while more comes than may wait for them.
pub async fn stop(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let lasting = Duration::from_millis(random.random_range(1_000..4_000));
    let slow: Vec<_> = stage.team.slow.iter().map(|&place| &stage.team.devices[place]).collect();
    for device in &slow {
        device.stall(true).await?;
    }
    stage.workload.burst(FLOOD, true, random).await?;
    sleep(lasting).await;
    for device in &slow {
        device.stall(false).await?;
    }
    Ok(format!("{} devices for {lasting:?}", slow.len()).into())
}

/// The oldest messages that are remembered are sent once more.
pub async fn late_retries(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let repeated = stage.workload.repeat_old(OLD, random).await?;
    Ok(format!("{repeated} messages").into())
}

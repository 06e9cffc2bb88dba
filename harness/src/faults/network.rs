//! Faults of the network, by way of the proxy.

use super::plan::Outcome;
use super::stage::Stage;
use crate::Error;
use crate::proxy::{Conditions, Path};
use rand::RngExt;
use rand::rngs::StdRng;
use std::time::Duration;
use tokio::time::sleep;

fn seconds(random: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(random.random_range(from * 1_000..to * 1_000))
}

/// Conditions for another fault to happen in: nothing is lost, but everything comes late, in pieces and out of step.
pub fn rough(random: &mut StdRng) -> Conditions {
    let path = Path {
        jitter: Duration::from_millis(random.random_range(1..60)),
        spread: Duration::from_millis(random.random_range(1..250)),
        torn: true,
        ..Path::default()
    };
    Conditions::both(path)
}

/// Resets half of the connections, some moments after one another.
pub async fn cut(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let mut cut = 0;
    let open = stage.proxy.connections();
    for &connection in &open {
        if random.random_bool(0.5) {
            stage.proxy.cut(connection);
            cut += 1;
            sleep(Duration::from_millis(random.random_range(0..200))).await;
        }
    }
    Ok(format!("{cut} of {} connections", open.len()).into())
}

/// Swallows what half of the connections say, in one direction or both. They are cut at the end.
pub async fn half_open(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let silent = Path { swallowed: true, ..Path::default() };
    let lasting = seconds(random, 2, 5);
    let mut swallowed = 0;
    for connection in stage.proxy.connections() {
        let (up, down) = match random.random_range(0..6) {
            0 => (silent, Path::default()),
            1 => (Path::default(), silent),
            2 => (silent, silent),
            _ => continue,
        };
        stage.proxy.set_one(connection, Conditions { up, down, refusing: false });
        swallowed += 1;
    }
    sleep(lasting).await;
    stage.proxy.set(Conditions::default());
    Ok(format!("{swallowed} connections for {lasting:?}").into())
}

/// Every connection has its own delay, and every write its own jitter.
pub async fn delay(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let lasting = seconds(random, 2, 4);
    let path = Path {
        delay: Duration::from_millis(random.random_range(0..100)),
        jitter: Duration::from_millis(random.random_range(1..150)),
        spread: Duration::from_millis(random.random_range(100..800)),
        torn: true,
        ..Path::default()
    };
    stage.proxy.set(Conditions::both(path));
    sleep(lasting).await;
    stage.proxy.set(Conditions::default());
    Ok(format!("{:?} to {:?} for {lasting:?}", path.delay, path.delay + path.jitter + path.spread).into())
}

/// Lets little pass: queues grow in front of it.
pub async fn narrow(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let lasting = seconds(random, 2, 4);
    let rate = random.random_range(4_000..32_000);
    let path = Path { bytes_per_second: Some(rate), torn: random.random(), ..Path::default() };
    stage.proxy.set(Conditions::both(path));
    sleep(lasting).await;
    stage.proxy.set(Conditions::default());
    Ok(format!("{rate} bytes/s for {lasting:?}").into())
}

/// Resets every connection, and everybody who comes back at once.
pub async fn storm(stage: &mut Stage, random: &mut StdRng) -> Result<Outcome, Error> {
    let lasting = Duration::from_millis(random.random_range(0..1_500));
    stage.proxy.set(Conditions { refusing: true, ..Conditions::default() });
    let cut = stage.proxy.cut_all();
    sleep(lasting).await;
    stage.proxy.set(Conditions::default());
    Ok(format!("{cut} connections, nobody in for {lasting:?}").into())
}

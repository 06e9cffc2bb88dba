//! Row 8: everybody signs in at once, and those who are there go on talking.

use crate::Error;
use crate::client::Client;
use crate::load::Bench;
use crate::load::http::Http;
use crate::load::pairs::{Couples, Pairs};
use crate::load::process::Process;
use crate::load::report::Figure;
use crate::scene::PASSWORD;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::task::spawn_local;

/// Whose password everybody gets: a password costs 30 ms to hash, and is hashed once here.
const FIRST: &str = "first";
/// People who talk meanwhile, and how many messages a second.
const TALKING: usize = 20;
const RATE: f64 = 200.0;

/// Sends before and during a thousand logins.
pub(crate) async fn row_8(bench: Bench<'_>) -> Result<Vec<Figure>, Error> {
    let (logins, calm) = bench.options.size((1_000, 5), (60, 2));
    let register = async |process: &Process| {
        Client::new(&format!("http://{}", process.address))?.register(FIRST, PASSWORD, None).await.map(drop)
    };
    let (process, (people, couples)) = Process::filled(&bench.options.binary, register, |seed| {
        let password = seed.password_of(FIRST)?;
        Ok((seed.people(logins, &password)?, Couples::seed(seed, TALKING)?))
    })
    .await?;
    let pairs = Pairs::connect(process.address, &couples).await?;
    pairs.open(RATE, Duration::from_secs(1)).await?;
    pairs.take();
    pairs.open(RATE, Duration::from_secs(calm)).await?;
    let before = pairs.take();
    process.forget_peak()?;
    let (memory, cpu, begun) = (process.memory()?, process.cpu()?, Instant::now());
    let signing: Vec<_> = people
        .into_iter()
        .enumerate()
        .map(|(place, person)| {
            let address = process.address;
            // From addresses of their own: tries from one address wait for each other, so that guessing is slow.
            let source = Ipv4Addr::new(127, 2, (place / 250) as u8, (place % 250) as u8 + 1);
            let json = format!(r#"{{"username":"{}","password":"{PASSWORD}"}}"#, person.username);
            spawn_local(async move {
                let answer = Http::open(address, source, "").await?.post("/api/v1/sessions", &json).await?;
                Ok::<u16, Error>(answer.status)
            })
        })
        .collect();
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    let answered = async {
        for signing in signing {
            let status = match signing.await {
                Ok(Ok(status)) => status.to_string(),
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            *statuses.entry(status).or_default() += 1;
        }
    };
    tokio::select! {
        () = answered => {}
        failed = pairs.open(RATE, Duration::from_secs(600)) => failed?,
    }
    let wall = begun.elapsed().as_secs_f64();
    let during = pairs.take();
    let spent = (process.cpu()? - cpu).as_secs_f64();
    let done = statuses.get("201").copied().unwrap_or_default();
    let answers: Vec<_> = statuses.iter().map(|(status, count)| format!("{count} x {status}")).collect();
    let grown = process.memory()?.peak.saturating_sub(memory.resident) / 1_048_576;
    Ok(vec![
        Figure::new(
            8,
            format!("{logins} logins at once, others' send to ack, p99"),
            "ms",
            during.acked.p99(),
            during.acked.count(),
        )
        .at_most(2.0 * before.acked.p99())
        .times(&during.acked)
        .note(format!(
            "before: p50 {:.2}, p99 {:.2} ms; target: twice that",
            before.acked.p50(),
            before.acked.p99()
        )),
        Figure::new(8, format!("{logins} logins at once, all answered"), "s", wall, logins as u64)
            .cost(done as f64, spent)
            .note(answers.join(", ")),
        Figure::new(
            8,
            format!("{logins} logins at once, memory grew by"),
            "MiB",
            grown as f64,
            logins as u64,
        ),
    ])
}

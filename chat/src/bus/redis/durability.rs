//! What `Ok` means is a matter of the server's settings: what is weaker than it looks is told in the log.

use super::connection::{Connection, Open};
use crate::bus::wire::PATIENCE;
use ::redis::aio::ConnectionLike;
use ::redis::{Pipeline, Value};
use tokio::time::timeout;

const ASKED: [&str; 4] = ["appendonly", "appendfsync", "maxmemory", "maxmemory-policy"];

/// Looks at every connection's settings, and tells what changed since the last.
pub(super) fn tell(connection: &Connection) -> impl Future<Output = ()> + use<> {
    let mut opens = connection.opens();
    async move {
        let mut told = Vec::new();
        loop {
            let open = opens.borrow_and_update().clone();
            if let Some(open) = open
                && let Some(found) = weaknesses(open).await
                && found != told
            {
                for weakness in &found {
                    tracing::warn!("{weakness}");
                }
                told = found;
            }
            if opens.changed().await.is_err() {
                return;
            }
        }
    }
}

async fn weaknesses(mut open: Open) -> Option<Vec<&'static str>> {
    let mut pipeline = Pipeline::with_capacity(ASKED.len());
    for name in ASKED {
        pipeline.cmd("CONFIG").arg("GET").arg(name);
    }
    let answers = open.requests.req_packed_commands(&pipeline, 0, ASKED.len());
    let answers = timeout(PATIENCE, answers).await.ok()?.ok()?;
    let mut values = answers.into_iter().map(|answer| match answer {
        Value::Array(pair) => pair.into_iter().nth(1).and_then(|value| match value {
            Value::BulkString(text) => String::from_utf8(text).ok(),
            _ => None,
        }),
        _ => None,
    });
    let mut next = || values.next().flatten();
    Some(judge(next().as_deref(), next().as_deref(), next().as_deref(), next().as_deref()))
}

/// None: the server does not say.
pub(super) fn judge(
    append: Option<&str>,
    fsync: Option<&str>,
    memory: Option<&str>,
    policy: Option<&str>,
) -> Vec<&'static str> {
    let mut found = Vec::new();
    match (append, fsync) {
        (None, _) | (_, None) => {
            found.push("redis does not say how it keeps what it accepts; see docs/brokers.md");
        }
        (Some("no"), _) => found.push(
            "redis runs without appendonly: what it accepted and nobody stored yet is gone when it restarts",
        ),
        (_, Some("everysec")) => found.push(
            "redis runs with appendfsync everysec: a crash can lose what it accepted in the last two seconds",
        ),
        (_, Some("no")) => found.push(
            "redis runs with appendfsync no: a crash of its machine can lose what it accepted in the last half minute",
        ),
        _ => {}
    }
    if memory.is_some_and(|memory| memory != "0") && policy.is_some_and(|policy| policy != "noeviction") {
        found.push("redis evicts when its memory is full, also what nobody stored yet: set maxmemory-policy noeviction");
    }
    found
}

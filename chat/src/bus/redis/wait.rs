//! Waiting for work without asking all the time: a blocking `XREAD` on a connection of its own, which takes nothing.

use super::connection::{connect, in_words};
use super::intake::Entry;
use super::lease::{Leases, millis};
use super::{Pause, Server};
use crate::bus::wire::{PATIENCE, WireError};
use ::redis::aio::MultiplexedConnection;
use ::redis::{RedisError, Value, cmd};
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long a wait lasts at most before the lines are looked at all the same.
const WAIT: Duration = Duration::from_secs(1);

pub(super) struct Waiting {
    server: Server,
    /// The one tried next.
    host: usize,
    /// The wait that goes on, also when nobody awaits it, and its lines.
    present: Option<(Vec<u16>, BoxFuture<'static, Waited>)>,
    /// Its connection between two waits.
    connection: Option<MultiplexedConnection>,
    /// The last entry that a wait told of. It was read before the next wait, or it is nothing to be read: that is for later ones.
    told: BTreeMap<u16, String>,
}

/// The connection, and for each line an entry that is there.
type Waited = Result<(MultiplexedConnection, Vec<Option<String>>), WireError>;

impl Waiting {
    pub(super) fn new(server: Server) -> Self {
        Self { server, host: 0, present: None, connection: None, told: BTreeMap::new() }
    }

    /// Returns when there may be work, or after a while. Cancel safe.
    pub(super) async fn wait(&mut self, leases: &Leases) {
        let lines: Vec<u16> = {
            let lines = leases.lines();
            lines.held.iter().filter(|(_, line)| !line.leaving).map(|(partition, _)| *partition).collect()
        };
        if lines.is_empty() {
            // It is told when there are some.
            let _some = timeout(WAIT, leases.changed.notified()).await;
            return;
        }
        // A connection that waits for other lines hears nothing before it has waited: it is closed, and another made.
        if self.present.as_ref().is_none_or(|(present, _)| *present != lines) {
            let streams = lines.iter().map(|partition| {
                let after = self.told.get(partition).map_or("0", String::as_str);
                (leases.names.submitted(*partition), after.to_owned())
            });
            let waited = listen(self.server.clone(), self.host, self.connection.take(), streams.collect());
            self.present = Some((lines, Box::pin(waited)));
        }
        let Some((_, present)) = &mut self.present else { return };
        let waited = tokio::select! {
            () = leases.changed.notified() => return,
            waited = present => waited,
        };
        let lines = self.present.take().map(|(lines, _)| lines).unwrap_or_default();
        match waited {
            Ok((connection, told)) => {
                self.connection = Some(connection);
                for (partition, id) in lines.into_iter().zip(told) {
                    self.told.extend(id.map(|id| (partition, id)));
                }
            }
            // Looking from time to time goes on without it.
            Err(_) => {
                self.host = self.host.wrapping_add(1);
                sleep(Pause::new().next()).await;
            }
        }
    }

    pub(super) fn stop(&mut self) {
        self.present = None;
        self.connection = None;
    }
}

/// Waits until one of the streams has an entry after the given one.
async fn listen(
    server: Server,
    host: usize,
    connection: Option<MultiplexedConnection>,
    streams: Vec<(String, String)>,
) -> Waited {
    let mut connection = match connection {
        Some(connection) => connection,
        None => connect(&server, host).await?,
    };
    let mut read = cmd("XREAD");
    read.arg("COUNT").arg(1).arg("BLOCK").arg(millis(WAIT)).arg("STREAMS");
    for (stream, _) in &streams {
        read.arg(stream);
    }
    for (_, after) in &streams {
        read.arg(after);
    }
    let answer = timeout(WAIT + PATIENCE, read.query_async::<Value>(&mut connection)).await;
    let answer = answer
        .map_err(|_| WireError("redis did not answer in time".to_owned()))?
        .map_err(|error: RedisError| in_words(&error))?;
    let mut told = vec![None; streams.len()];
    let Value::Array(found) = answer else { return Ok((connection, told)) };
    for stream in found {
        let Value::Array(stream) = stream else { continue };
        let Ok([Value::BulkString(name), Value::Array(mut entries)]) = <[Value; 2]>::try_from(stream) else {
            continue;
        };
        let at = streams.iter().position(|(stream, _)| stream.as_bytes() == name);
        if let (Some(at), Some(entry)) = (at, entries.pop().and_then(Entry::new)) {
            told[at] = Some(entry.id);
        }
    }
    Ok((connection, told))
}

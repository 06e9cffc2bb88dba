//! Submitting: every batch is one transaction, kept as a whole or not at all, in one write.

use super::connection::{Connection, accepted};
use super::{FIELD, Names, Server, durability};
use crate::bus::intake::{DeadLetter, DeliveryId, Intake, PARTITIONS, Submission, partition};
use crate::bus::wire::WireError;
use ::redis::{Pipeline, Value};
use async_trait::async_trait;
use bytes::Bytes;

/// How long replicas may take, in milliseconds: a part of a call's patience.
const REPLICATION: u64 = 1500;

pub(super) struct Submitter {
    connection: Connection,
    names: Names,
    /// That must have it before it is `Ok`.
    replicas: u64,
}

impl Submitter {
    pub(super) fn new(server: Server, replicas: u64) -> Self {
        let names = server.names.clone();
        let connection = Connection::new(server);
        tokio::spawn(durability::tell(&connection));
        Self { connection, names, replicas }
    }

    /// All of it, or an error.
    async fn keep(&self, batch: &[Submission]) -> Result<(), WireError> {
        // A transaction, so that running out of memory in the middle cannot keep the later of a line without the earlier.
        let mut pipeline = Pipeline::with_capacity(batch.len() + 3);
        pipeline.cmd("MULTI");
        for submission in batch {
            let line = self.names.submitted(partition(submission.key));
            pipeline.cmd("XADD").arg(line).arg("*").arg(FIELD).arg(&*submission.sealed);
        }
        pipeline.cmd("EXEC");
        if self.replicas > 0 {
            pipeline.cmd("WAIT").arg(self.replicas).arg(REPLICATION);
        }
        let answers = self.connection.run(&pipeline).await?;
        // A refusal says more than the refusal of the transaction behind it.
        answers.iter().try_for_each(accepted)?;
        if let Some(Value::Array(kept)) = answers.get(batch.len() + 1) {
            kept.iter().try_for_each(accepted)?;
        }
        match answers.last() {
            Some(Value::Int(have)) if u64::try_from(*have).is_ok_and(|have| have < self.replicas) => {
                Err(WireError(format!("only {have} of {} replicas have it", self.replicas)))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Intake for Submitter {
    async fn submit(&self, batch: Vec<Submission>) -> Vec<Result<(), WireError>> {
        if batch.is_empty() {
            return Vec::new();
        }
        match self.keep(&batch).await {
            Ok(()) => batch.iter().map(|_| Ok(())).collect(),
            Err(WireError(words)) => batch.iter().map(|_| Err(WireError(words.clone()))).collect(),
        }
    }

    fn is_up(&self) -> bool {
        self.connection.is_up()
    }

    /// What waits or is being stored: a stream holds nothing else.
    async fn backlog(&self) -> Result<u64, WireError> {
        let mut pipeline = Pipeline::with_capacity(PARTITIONS.into());
        for partition in 0..PARTITIONS {
            pipeline.cmd("XLEN").arg(self.names.submitted(partition));
        }
        let lengths = self.connection.run(&pipeline).await?;
        lengths.iter().try_fold(0, |sum, length| {
            accepted(length)?;
            let Value::Int(length) = length else { return Ok(sum) };
            Ok(sum + u64::try_from(*length).unwrap_or(0))
        })
    }

    async fn dead(&self, most: usize) -> Result<Vec<DeadLetter>, WireError> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("XRANGE").arg(self.names.dead()).arg("-").arg("+").arg("COUNT").arg(most);
        let answer = self.connection.run(&pipeline).await?.pop().unwrap_or_default();
        accepted(&answer)?;
        let Value::Array(entries) = answer else { return Ok(Vec::new()) };
        let letter = |entry| {
            let mut entry = Entry::new(entry)?;
            let reason = String::from_utf8_lossy(&entry.take("reason")).into_owned();
            Some(DeadLetter { sealed: entry.take(FIELD), reason, id: DeliveryId::Text(entry.id) })
        };
        Ok(entries.into_iter().filter_map(letter).collect())
    }

    async fn forget(&self, letter: &DeadLetter) -> Result<(), WireError> {
        let DeliveryId::Text(id) = &letter.id else { return Ok(()) };
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("XDEL").arg(self.names.dead()).arg(id);
        self.connection.run(&pipeline).await?.iter().try_for_each(accepted)
    }

    async fn close(&self) {
        self.connection.close();
    }
}

/// An entry of a stream.
pub(super) struct Entry {
    pub(super) id: String,
    fields: Vec<Value>,
}

impl Entry {
    /// None: this is no entry, or its fields are gone.
    pub(super) fn new(value: Value) -> Option<Self> {
        let Value::Array(entry) = value else { return None };
        let Ok([Value::BulkString(id), Value::Array(fields)]) = <[Value; 2]>::try_from(entry) else {
            return None;
        };
        Some(Self { id: String::from_utf8(id).ok()?, fields })
    }

    /// A field's value; empty where there is none, as somebody else's entry.
    pub(super) fn take(&mut self, name: &str) -> Bytes {
        for pair in self.fields.chunks_exact_mut(2) {
            if let [Value::BulkString(field), Value::BulkString(value)] = pair
                && field == name.as_bytes()
            {
                return std::mem::take(value).into();
            }
        }
        Bytes::new()
    }
}

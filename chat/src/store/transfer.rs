//! A stopped server's data from one store to another: table by table in order of its keys, a batch a transaction.
//!
//! The tables of all stores are the same but for the types of their columns ([`TABLES`]), and all compare keys by their
//! bytes. So a transfer that was interrupted goes on behind the last row that arrived, and at the end both sides hash the
//! same rows in the same order.

use super::{Result, StoreError};
use async_trait::async_trait;
use sha2::{Digest, Sha256};

/// What a column holds, whatever a store calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Id,
    Integer,
    Flag,
    Text,
    Bytes,
}

/// What stands in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Id(uuid::Uuid),
    Integer(i64),
    Flag(bool),
    Text(String),
    Bytes(Vec<u8>),
}

pub(crate) type Row = Vec<Value>;

/// A table: its columns, those of its key first.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) key: usize,
    pub(crate) columns: &'static [(&'static str, Type)],
}

impl Table {
    /// The names of some of its columns, each made what `each` makes of it.
    pub(crate) fn list(&self, count: usize, each: impl Fn(usize, &str, Type) -> String) -> String {
        let columns = self.columns.iter().take(count).enumerate();
        columns.map(|(i, (name, kind))| each(i, name, *kind)).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn names(&self, count: usize) -> String {
        self.list(count, |_, name, _| format!("\"{name}\""))
    }
}

use Type::{Bytes, Flag, Id, Integer, Text};

/// Everything that is kept but `meta`, whatever points at something after it.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "account",
        key: 1,
        columns: &[
            ("id", Id),
            ("username", Text),
            ("display_name", Text),
            ("password", Text),
            ("avatar", Text),
            ("locale", Text),
            ("created_at", Integer),
            ("last_seen_at", Integer),
        ],
    },
    Table {
        name: "session",
        key: 1,
        columns: &[
            ("id", Id),
            ("token_hash", Bytes),
            ("account", Id),
            ("device", Text),
            ("created_at", Integer),
            ("last_used_at", Integer),
        ],
    },
    Table {
        name: "conversation",
        key: 1,
        columns: &[
            ("id", Id),
            ("kind", Integer),
            ("title", Text),
            ("head_seq", Integer),
            ("head_rev", Integer),
            ("member_count", Integer),
            ("created_at", Integer),
            ("public", Flag),
            ("history", Integer),
        ],
    },
    Table {
        name: "member",
        key: 2,
        columns: &[
            ("conversation", Id),
            ("account", Id),
            ("role", Integer),
            ("read_seq", Integer),
            ("joined_seq", Integer),
            ("joined_rev", Integer),
            ("joined_at", Integer),
            ("muted_until", Integer),
            ("pinned", Flag),
            ("archived", Flag),
            ("draft", Text),
            ("unread_from", Integer),
        ],
    },
    Table {
        name: "message",
        key: 2,
        columns: &[
            ("conversation", Id),
            ("seq", Integer),
            ("posted_rev", Integer),
            ("rev", Integer),
            ("id", Id),
            ("sender", Id),
            ("nonce", Text),
            ("digest", Integer),
            ("body", Text),
            ("sent_at", Integer),
            ("edited_at", Integer),
            ("recalled", Flag),
            ("reply_to", Id),
            ("mentions", Bytes),
            ("mentions_all", Flag),
            ("reactions", Text),
            ("pinned", Flag),
        ],
    },
    Table {
        name: "change",
        key: 2,
        columns: &[
            ("conversation", Id),
            ("rev", Integer),
            ("seq", Integer),
            ("kind", Integer),
            ("actor", Id),
            ("subject", Id),
            ("title", Text),
            ("role", Integer),
            ("changed_at", Integer),
            ("target", Integer),
            ("public", Flag),
            ("history", Integer),
        ],
    },
    Table {
        name: "mention",
        key: 3,
        columns: &[("account", Id), ("conversation", Id), ("seq", Integer), ("sender", Id)],
    },
    Table {
        name: "edit",
        key: 3,
        columns: &[("conversation", Id), ("seq", Integer), ("since", Integer), ("body", Text)],
    },
    Table {
        name: "request",
        key: 2,
        columns: &[
            ("nonce", Text),
            ("sender", Id),
            ("digest", Integer),
            ("conversation", Id),
            ("seq", Integer),
        ],
    },
    Table { name: "refused", key: 1, columns: &[("id", Id), ("reason", Integer)] },
];

/// The row of `meta` that names what is being transferred here: such a database is not whole, no server starts on it.
pub(crate) const MOVING: &str = "moving";
/// Rows of one batch, and of one transaction.
const AT_ONCE: u32 = 500;

/// A store as the owner of its tables. Nobody else uses it meanwhile.
#[async_trait]
pub(crate) trait Tables: Send {
    async fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Sets a row of `meta`; none takes it away.
    async fn set_meta(&mut self, key: &str, value: Option<&[u8]>) -> Result<()>;
    /// The rows behind a key, in order.
    async fn rows(&mut self, table: &Table, after: Option<&[Value]>, limit: u32) -> Result<Vec<Row>>;
    /// The key of the last row.
    async fn last(&mut self, table: &Table) -> Result<Option<Row>>;
    /// Adds rows, all or none.
    async fn add(&mut self, table: &Table, rows: Vec<Row>) -> Result<()>;
    /// Writes everything out and lets go.
    async fn close(self: Box<Self>) -> Result<()>;
}

/// What became of a table.
pub(crate) struct Moved {
    pub(crate) table: &'static str,
    pub(crate) rows: u64,
    /// SHA-256 over all rows, the same on both sides.
    pub(crate) hash: [u8; 32],
}

fn refused(why: impl Into<String>) -> StoreError {
    StoreError { doing: "move the data", unknown: false, source: why.into().into() }
}

fn key<'a>(table: &Table, row: &'a Row) -> &'a [Value] {
    row.get(..table.key).unwrap_or(row)
}

/// Whether the target may be written: it holds nothing, or the beginning of this very transfer.
async fn begin(from: &mut dyn Tables, to: &mut dyn Tables) -> Result<Vec<u8>> {
    let epoch =
        from.meta("epoch").await?.ok_or_else(|| refused("the source is not a database of this program"))?;
    if from.meta(MOVING).await?.is_some() {
        return Err(refused("the source is itself a transfer that was not finished"));
    }
    if let Some(begun) = to.meta(MOVING).await? {
        return if begun == epoch {
            Ok(epoch)
        } else {
            Err(refused("the target holds the beginning of a transfer from elsewhere"))
        };
    }
    for table in TABLES {
        if to.last(table).await?.is_some() {
            return Err(refused(format!("the target is not empty: it has rows in the table {}", table.name)));
        }
    }
    to.set_meta(MOVING, Some(&epoch)).await?;
    Ok(epoch)
}

async fn copy(from: &mut dyn Tables, to: &mut dyn Tables, table: &Table) -> Result<()> {
    let mut after = to.last(table).await?;
    loop {
        let rows = from.rows(table, after.as_deref(), AT_ONCE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(key(table, last).to_vec());
        to.add(table, rows).await?;
    }
}

/// Each value with its type and its length, so that no two rows look the same.
fn digest(hash: &mut Sha256, row: &[Value]) {
    for value in row {
        let (kind, bytes): (u8, &[u8]) = match value {
            Value::Null => (0, &[]),
            Value::Id(id) => (1, id.as_bytes()),
            Value::Integer(number) => (2, &number.to_be_bytes()),
            Value::Flag(flag) => (3, &[u8::from(*flag)]),
            Value::Text(text) => (4, text.as_bytes()),
            Value::Bytes(bytes) => (5, bytes),
        };
        hash.update([kind]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
}

async fn sum(side: &mut dyn Tables, table: &Table) -> Result<(u64, [u8; 32])> {
    let (mut count, mut hash, mut after) = (0, Sha256::new(), None::<Row>);
    loop {
        let rows = side.rows(table, after.as_deref(), AT_ONCE).await?;
        let Some(last) = rows.last() else { return Ok((count, hash.finalize().into())) };
        after = Some(key(table, last).to_vec());
        count += rows.len() as u64;
        rows.iter().for_each(|row| digest(&mut hash, row));
    }
}

/// Copies everything, or what is still missing of it, and compares both sides. The source's key and epoch go last: from then
/// on the target is the same database. It opens what the source's servers left at a broker, and clients go on where they were.
pub(crate) async fn transfer(mut from: Box<dyn Tables>, mut to: Box<dyn Tables>) -> Result<Vec<Moved>> {
    let epoch = begin(&mut *from, &mut *to).await?;
    for table in TABLES {
        copy(&mut *from, &mut *to, table).await?;
    }
    let mut moved = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let (there, here) = (sum(&mut *from, table).await?, sum(&mut *to, table).await?);
        if there != here {
            let name = table.name;
            return Err(refused(format!(
                "the table {name} is not the same on both sides; begin with an empty target"
            )));
        }
        moved.push(Moved { table: table.name, rows: here.0, hash: here.1 });
    }
    if let Some(key) = from.meta("key").await? {
        to.set_meta("key", Some(&key)).await?;
    }
    to.set_meta("epoch", Some(&epoch)).await?;
    to.set_meta(MOVING, None).await?;
    from.close().await?;
    to.close().await?;
    Ok(moved)
}

//! SQLite's side of a transfer.

use super::{failed, rows, uncommitted};
use crate::store::Result;
use crate::store::transfer::{Row, Table, Tables, Type, Value};
use async_trait::async_trait;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row as _, SqliteConnection};
use std::path::Path;

const DOING: &str = "move the data";

struct Side(SqliteConnection);

/// A file that nobody else uses, and that has the tables of this version.
pub(crate) async fn tables(file: &Path) -> Result<Box<dyn Tables>> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .disable_statement_logging();
    Ok(Box::new(Side(options.connect().await.map_err(failed(DOING))?)))
}

fn value(row: &SqliteRow, i: usize, kind: Type) -> sqlx::Result<Value> {
    Ok(match kind {
        Type::Id => match row.try_get::<Option<&[u8]>, _>(i)? {
            Some(bytes) => Value::Id(rows::uuid(bytes)?),
            None => Value::Null,
        },
        Type::Integer => row.try_get::<Option<i64>, _>(i)?.map_or(Value::Null, Value::Integer),
        Type::Flag => row.try_get::<Option<bool>, _>(i)?.map_or(Value::Null, Value::Flag),
        Type::Text => row.try_get::<Option<String>, _>(i)?.map_or(Value::Null, Value::Text),
        Type::Bytes => row.try_get::<Option<Vec<u8>>, _>(i)?.map_or(Value::Null, Value::Bytes),
    })
}

type Statement<'q> = Query<'q, sqlx::Sqlite, SqliteArguments>;

fn bind<'q>(statement: Statement<'q>, value: &Value) -> Statement<'q> {
    match value {
        Value::Null => statement.bind(None::<i64>),
        Value::Id(id) => statement.bind(id.as_bytes().to_vec()),
        Value::Integer(number) => statement.bind(*number),
        Value::Flag(flag) => statement.bind(*flag),
        Value::Text(text) => statement.bind(text.clone()),
        Value::Bytes(bytes) => statement.bind(bytes.clone()),
    }
}

impl Side {
    async fn read(
        &mut self,
        table: &Table,
        columns: usize,
        statement: Statement<'_>,
    ) -> sqlx::Result<Vec<Row>> {
        let found = statement.fetch_all(&mut self.0).await?;
        let kinds = table.columns.iter().take(columns).enumerate();
        found.iter().map(|row| kinds.clone().map(|(i, (_, kind))| value(row, i, *kind)).collect()).collect()
    }
}

#[async_trait]
impl Tables for Side {
    async fn meta(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        let query = sqlx::query_scalar("SELECT value FROM meta WHERE key = ?").bind(key);
        query.fetch_optional(&mut self.0).await.map_err(failed(DOING))
    }

    async fn set_meta(&mut self, key: &str, value: Option<&[u8]>) -> Result<()> {
        let statement = match value {
            Some(value) => {
                sqlx::query("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)").bind(key).bind(value)
            }
            None => sqlx::query("DELETE FROM meta WHERE key = ?").bind(key),
        };
        statement.execute(&mut self.0).await.map(drop).map_err(failed(DOING))
    }

    async fn rows(&mut self, table: &Table, after: Option<&[Value]>, limit: u32) -> Result<Vec<Row>> {
        let (all, keys) = (table.names(table.columns.len()), table.names(table.key));
        let marks = table.list(table.key, |_, _, _| "?".to_owned());
        let place = if after.is_some() { format!("WHERE ({keys}) > ({marks})") } else { String::new() };
        let sql = format!("SELECT {all} FROM {} {place} ORDER BY {keys} LIMIT {limit}", table.name);
        let statement = after.unwrap_or_default().iter().fold(sqlx::query(AssertSqlSafe(sql)), bind);
        self.read(table, table.columns.len(), statement).await.map_err(failed(DOING))
    }

    async fn last(&mut self, table: &Table) -> Result<Option<Row>> {
        let keys = table.names(table.key);
        let order = table.list(table.key, |_, name, _| format!("\"{name}\" DESC"));
        let sql = format!("SELECT {keys} FROM {} ORDER BY {order} LIMIT 1", table.name);
        let found =
            self.read(table, table.key, sqlx::query(AssertSqlSafe(sql))).await.map_err(failed(DOING))?;
        Ok(found.into_iter().next())
    }

    async fn add(&mut self, table: &Table, rows: Vec<Row>) -> Result<()> {
        let count = table.columns.len();
        let marks = table.list(count, |_, _, _| "?".to_owned());
        let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", table.name, table.names(count));
        let mut transaction = self.0.begin().await.map_err(failed(DOING))?;
        for row in &rows {
            let statement = row.iter().fold(sqlx::query(AssertSqlSafe(sql.clone())), bind);
            statement.execute(&mut *transaction).await.map_err(failed(DOING))?;
        }
        transaction.commit().await.map_err(uncommitted(DOING))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.0.close().await.map_err(failed(DOING))
    }
}

//! Postgres's side of a transfer.

use super::{failed, unhurried};
use crate::store::transfer::{Row, Table, Tables, Type, Value};
use crate::store::{Result, StoreError};
use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};

const DOING: &str = "move the data";

struct Side(PgConnection);

/// A database that has the tables of this version. Where a server is connected to it, it is refused.
pub(crate) async fn tables(url: &str) -> Result<Box<dyn Tables>> {
    let mut connection = unhurried(url, "connect to the database").await?;
    let others: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND application_name = current_setting('application_name')",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(failed(DOING))?;
    if others > 0 {
        let source = "a server is using the database; stop it first".into();
        return Err(StoreError { doing: DOING, unknown: false, source });
    }
    Ok(Box::new(Side(connection)))
}

const fn name(kind: Type) -> &'static str {
    match kind {
        Type::Id => "uuid",
        Type::Integer => "bigint",
        Type::Flag => "boolean",
        Type::Text => "text",
        Type::Bytes => "bytea",
    }
}

fn value(row: &PgRow, i: usize, kind: Type) -> sqlx::Result<Value> {
    Ok(match kind {
        Type::Id => row.try_get::<Option<uuid::Uuid>, _>(i)?.map_or(Value::Null, Value::Id),
        Type::Integer => row.try_get::<Option<i64>, _>(i)?.map_or(Value::Null, Value::Integer),
        Type::Flag => row.try_get::<Option<bool>, _>(i)?.map_or(Value::Null, Value::Flag),
        Type::Text => row.try_get::<Option<String>, _>(i)?.map_or(Value::Null, Value::Text),
        Type::Bytes => row.try_get::<Option<Vec<u8>>, _>(i)?.map_or(Value::Null, Value::Bytes),
    })
}

type Statement<'q> = Query<'q, sqlx::Postgres, PgArguments>;

/// A value of a key, which is never null.
fn bind<'q>(statement: Statement<'q>, value: &Value) -> Statement<'q> {
    match value {
        Value::Null => statement.bind(None::<i64>),
        Value::Id(id) => statement.bind(*id),
        Value::Integer(number) => statement.bind(*number),
        Value::Flag(flag) => statement.bind(*flag),
        Value::Text(text) => statement.bind(text.clone()),
        Value::Bytes(bytes) => statement.bind(bytes.clone()),
    }
}

/// A column of many rows as an array.
fn bind_column<'q>(statement: Statement<'q>, kind: Type, column: Vec<Value>) -> Statement<'q> {
    macro_rules! array {
        ($variant:ident) => {{
            let some = |value| if let Value::$variant(value) = value { Some(value) } else { None };
            statement.bind(column.into_iter().map(some).collect::<Vec<_>>())
        }};
    }
    match kind {
        Type::Id => array!(Id),
        Type::Integer => array!(Integer),
        Type::Flag => array!(Flag),
        Type::Text => array!(Text),
        Type::Bytes => array!(Bytes),
    }
}

/// Columns as the types both sides agree on, whatever width they have here.
fn selected(table: &Table, count: usize) -> String {
    table.list(count, |_, column, kind| format!("\"{column}\"::{}", name(kind)))
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
        let query = sqlx::query_scalar("SELECT value FROM meta WHERE key = $1").bind(key);
        query.fetch_optional(&mut self.0).await.map_err(failed(DOING))
    }

    async fn set_meta(&mut self, key: &str, value: Option<&[u8]>) -> Result<()> {
        let statement = match value {
            Some(value) => sqlx::query(
                "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )
            .bind(key)
            .bind(value),
            None => sqlx::query("DELETE FROM meta WHERE key = $1").bind(key),
        };
        statement.execute(&mut self.0).await.map(drop).map_err(failed(DOING))
    }

    async fn rows(&mut self, table: &Table, after: Option<&[Value]>, limit: u32) -> Result<Vec<Row>> {
        let (all, keys) = (selected(table, table.columns.len()), table.names(table.key));
        let marks = table.list(table.key, |i, _, _| format!("${}", i + 1));
        let place = if after.is_some() { format!("WHERE ({keys}) > ({marks})") } else { String::new() };
        let sql = format!("SELECT {all} FROM {} {place} ORDER BY {keys} LIMIT {limit}", table.name);
        let statement = after.unwrap_or_default().iter().fold(sqlx::query(AssertSqlSafe(sql)), bind);
        self.read(table, table.columns.len(), statement).await.map_err(failed(DOING))
    }

    async fn last(&mut self, table: &Table) -> Result<Option<Row>> {
        let keys = selected(table, table.key);
        let order = table.list(table.key, |_, name, _| format!("\"{name}\" DESC"));
        let sql = format!("SELECT {keys} FROM {} ORDER BY {order} LIMIT 1", table.name);
        let found =
            self.read(table, table.key, sqlx::query(AssertSqlSafe(sql))).await.map_err(failed(DOING))?;
        Ok(found.into_iter().next())
    }

    async fn add(&mut self, table: &Table, rows: Vec<Row>) -> Result<()> {
        let count = table.columns.len();
        let arrays = table.list(count, |i, _, kind| format!("${}::{}[]", i + 1, name(kind)));
        let sql =
            format!("INSERT INTO {} ({}) SELECT * FROM unnest({arrays})", table.name, table.names(count));
        let mut columns: Vec<Vec<Value>> = vec![Vec::with_capacity(rows.len()); count];
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let kinds = table.columns.iter().map(|(_, kind)| *kind);
        let statement =
            kinds.zip(columns).fold(sqlx::query(AssertSqlSafe(sql)), |statement, (kind, column)| {
                bind_column(statement, kind, column)
            });
        statement.execute(&mut self.0).await.map(drop).map_err(failed(DOING))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        // Its planner knows nothing of what has just arrived.
        let mut connection = self.0;
        sqlx::raw_sql("ANALYZE").execute(&mut connection).await.map_err(failed(DOING))?;
        connection.close().await.map_err(failed(DOING))
    }
}

//! Accounts and sessions in Postgres.

use super::connections::{Phase, reading, writing};
use super::rows::{self, user_columns};
use super::{Held, Postgres, locks};
use crate::store::{Accounts, FoundSession, NewAccount, NewSession, Result};
use async_trait::async_trait;
use protocol::rest::{Me, Session};
use protocol::{ConversationId, SessionId, Timestamp, User, UserId};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Row};

type Statement<'q> = Query<'q, sqlx::Postgres, PgArguments>;

fn session_id(row: &PgRow) -> sqlx::Result<SessionId> {
    row.try_get("id").map(SessionId::from_uuid)
}

fn insert_session(session: &NewSession) -> Statement<'_> {
    sqlx::query(
        "INSERT INTO session (id, token_hash, account, device, created_at, last_used_at) \
         VALUES ($1, $2, $3, $4, $5, $5)",
    )
    .bind(session.id.uuid())
    .bind(&session.token_hash[..])
    .bind(session.account.uuid())
    .bind(&session.device)
    .bind(session.created_at.millis())
}

/// One statement that commits by itself; how many rows it changed.
async fn alone(connection: &mut Held, phase: &Phase, statement: Statement<'_>) -> sqlx::Result<u64> {
    phase.committing();
    statement.execute(&mut **connection).await.map(|done| done.rows_affected())
}

async fn create_account(
    connection: &mut PgConnection,
    phase: &Phase,
    (account, session): (&NewAccount, &NewSession),
) -> sqlx::Result<bool> {
    let mut transaction = locks::begin(connection, std::iter::empty(), std::iter::empty()).await?;
    let inserted = sqlx::query(
        "INSERT INTO account (id, username, display_name, password, created_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (username) DO NOTHING",
    )
    .bind(account.id.uuid())
    .bind(&account.username)
    .bind(&account.display_name)
    .bind(&account.password)
    .bind(account.created_at.millis())
    .execute(&mut *transaction)
    .await?;
    if inserted.rows_affected() == 0 {
        transaction.rollback().await?;
        return Ok(false);
    }
    insert_session(session).execute(&mut *transaction).await?;
    locks::commit(transaction, phase).await?;
    Ok(true)
}

#[async_trait]
impl Accounts for Postgres {
    async fn create_account(&self, account: NewAccount, session: NewSession) -> Result<bool> {
        let new = (&account, &session);
        writing!(self, "create an account", |connection, phase| create_account(&mut connection, &phase, new))
    }

    async fn credentials(&self, username: &str) -> Result<Option<(UserId, String)>> {
        if rows::unstorable(username) {
            return Ok(None);
        }
        reading!(self, "find an account", |connection| async {
            let row = sqlx::query("SELECT id, password FROM account WHERE username = $1")
                .bind(username)
                .fetch_optional(&mut *connection)
                .await?;
            row.map(|row| Ok((rows::user_id(&row, "id")?, row.try_get("password")?))).transpose()
        })
    }

    async fn me(&self, account: UserId) -> Result<Option<Me>> {
        reading!(self, "read an account", |connection| async {
            let row = sqlx::query(concat!("SELECT ", user_columns!(), ", locale FROM account WHERE id = $1"))
                .bind(account.uuid())
                .fetch_optional(&mut *connection)
                .await?;
            row.map(|row| Ok(Me { user: rows::user(&row)?, locale: row.try_get("locale")? })).transpose()
        })
    }

    async fn update_me(
        &self,
        account: UserId,
        display_name: Option<String>,
        locale: Option<Option<String>>,
    ) -> Result<()> {
        writing!(self, "change an account", |connection, phase| async {
            let statement = sqlx::query(
                "UPDATE account SET display_name = coalesce($1, display_name), \
                 locale = CASE WHEN $2 THEN $3 ELSE locale END WHERE id = $4",
            )
            .bind(display_name.as_deref())
            .bind(locale.is_some())
            .bind(locale.as_ref().and_then(Option::as_deref))
            .bind(account.uuid());
            alone(&mut connection, &phase, statement).await.map(drop)
        })
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
        reading!(self, "read people", |connection| async {
            let rows = sqlx::query(concat!("SELECT ", user_columns!(), " FROM account WHERE id = ANY ($1)"))
                .bind(&ids)
                .fetch_all(&mut *connection)
                .await?;
            rows.iter().map(rows::user).collect()
        })
    }

    async fn search_users(
        &self,
        q: &str,
        except: UserId,
        within: Option<ConversationId>,
        limit: u32,
    ) -> Result<Vec<User>> {
        if rows::unstorable(q) {
            return Ok(Vec::new());
        }
        // strpos, not LIKE: what people type is taken as it is, % and _ included. lower() folds ASCII only, by the
        // columns' collation, which is exact for user names and good enough for names until search has an index of
        // its own.
        reading!(self, "search people", |connection| async {
            let rows = sqlx::query(concat!(
                "SELECT ",
                user_columns!(),
                " FROM account, (SELECT lower($1 COLLATE \"C\") AS q) asked WHERE id <> $2 \
                 AND (strpos(username, q) > 0 OR strpos(lower(display_name), q) > 0) AND ($4 IS NULL OR EXISTS \
                 (SELECT 1 FROM member WHERE conversation = $4 AND member.account = account.id)) \
                 ORDER BY NOT (strpos(username, q) = 1 OR strpos(lower(display_name), q) = 1), \
                 lower(display_name), username LIMIT $3"
            ))
            .bind(q)
            .bind(except.uuid())
            .bind(i64::from(limit))
            .bind(within.map(ConversationId::uuid))
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(rows::user).collect()
        })
    }

    async fn first_account(&self) -> Result<Option<UserId>> {
        reading!(self, "find the first account", |connection| async {
            // Ids are UUIDv7, whose order is that of time.
            let row = sqlx::query("SELECT id FROM account ORDER BY id LIMIT 1")
                .fetch_optional(&mut *connection)
                .await?;
            row.map(|row| rows::user_id(&row, "id")).transpose()
        })
    }

    async fn set_last_seen(&self, account: UserId, at: Timestamp) -> Result<()> {
        writing!(self, "note when somebody was here", |connection, phase| async {
            let statement = sqlx::query("UPDATE account SET last_seen_at = $1 WHERE id = $2")
                .bind(at.millis())
                .bind(account.uuid());
            alone(&mut connection, &phase, statement).await.map(drop)
        })
    }

    async fn create_session(&self, session: NewSession) -> Result<()> {
        writing!(self, "create a session", |connection, phase| async {
            alone(&mut connection, &phase, insert_session(&session)).await.map(drop)
        })
    }

    async fn session_by_token(&self, token_hash: &[u8; 32]) -> Result<Option<FoundSession>> {
        reading!(self, "find a session", |connection| async {
            let row = sqlx::query("SELECT id, account, last_used_at FROM session WHERE token_hash = $1")
                .bind(&token_hash[..])
                .fetch_optional(&mut *connection)
                .await?;
            row.map(|row| {
                Ok(FoundSession {
                    id: session_id(&row)?,
                    account: rows::user_id(&row, "account")?,
                    last_used_at: rows::time(&row, "last_used_at")?,
                })
            })
            .transpose()
        })
    }

    async fn session_exists(&self, id: SessionId) -> Result<bool> {
        reading!(self, "find a session", |connection| async {
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM session WHERE id = $1)")
                .bind(id.uuid())
                .fetch_one(&mut *connection)
                .await
        })
    }

    async fn touch_session(&self, id: SessionId, at: Timestamp) -> Result<()> {
        writing!(self, "note the use of a session", |connection, phase| async {
            let statement = sqlx::query("UPDATE session SET last_used_at = $1 WHERE id = $2")
                .bind(at.millis())
                .bind(id.uuid());
            alone(&mut connection, &phase, statement).await.map(drop)
        })
    }

    async fn sessions(&self, account: UserId) -> Result<Vec<Session>> {
        reading!(self, "list sessions", |connection| async {
            let rows = sqlx::query(
                "SELECT id, device, created_at, last_used_at FROM session WHERE account = $1 \
                 ORDER BY created_at DESC, id DESC",
            )
            .bind(account.uuid())
            .fetch_all(&mut *connection)
            .await?;
            rows.iter()
                .map(|row| {
                    Ok(Session {
                        id: session_id(row)?,
                        device: row.try_get("device")?,
                        created_at: rows::time(row, "created_at")?,
                        last_used_at: rows::time(row, "last_used_at")?,
                        current: false,
                    })
                })
                .collect()
        })
    }

    async fn delete_session(&self, account: UserId, id: SessionId) -> Result<Option<[u8; 32]>> {
        writing!(self, "end a session", |connection, phase| async {
            phase.committing();
            let ended: Option<Vec<u8>> =
                sqlx::query_scalar("DELETE FROM session WHERE id = $1 AND account = $2 RETURNING token_hash")
                    .bind(id.uuid())
                    .bind(account.uuid())
                    .fetch_optional(&mut *connection)
                    .await?;
            ended.map(|hash| rows::exactly(&hash)).transpose()
        })
    }
}

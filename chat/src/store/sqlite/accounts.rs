//! Accounts and sessions in SQLite.

use super::rows::{self, user_columns};
use super::{Sqlite, failed, uncommitted};
use crate::store::{Accounts, FoundSession, NewAccount, NewSession, Result};
use async_trait::async_trait;
use protocol::rest::{Me, Session};
use protocol::{ConversationId, SessionId, Timestamp, User, UserId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

fn session_id(row: &SqliteRow) -> sqlx::Result<SessionId> {
    rows::uuid(row.try_get("id")?).map(SessionId::from_uuid)
}

const INSERT_SESSION: &str = "INSERT INTO session (id, token_hash, account, device, created_at, last_used_at) \
                              VALUES (?1, ?2, ?3, ?4, ?5, ?5)";

fn insert_session(
    session: &NewSession,
) -> sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    sqlx::query(INSERT_SESSION)
        .bind(&session.id.as_bytes()[..])
        .bind(&session.token_hash[..])
        .bind(&session.account.as_bytes()[..])
        .bind(&session.device)
        .bind(session.created_at.millis())
}

#[async_trait]
impl Accounts for Sqlite {
    async fn create_account(&self, account: NewAccount, session: NewSession) -> Result<bool> {
        let doing = "create an account";
        let _turn = self.checkpoints.turn().await;
        let mut transaction = self.write.begin_with("BEGIN IMMEDIATE").await.map_err(failed(doing))?;
        let inserted = sqlx::query(
            "INSERT INTO account (id, username, display_name, password, created_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (username) DO NOTHING",
        )
        .bind(&account.id.as_bytes()[..])
        .bind(&account.username)
        .bind(&account.display_name)
        .bind(&account.password)
        .bind(account.created_at.millis())
        .execute(&mut *transaction)
        .await
        .map_err(failed(doing))?;
        if inserted.rows_affected() == 0 {
            return Ok(false);
        }
        insert_session(&session).execute(&mut *transaction).await.map_err(failed(doing))?;
        transaction.commit().await.map_err(uncommitted(doing))?;
        Ok(true)
    }

    async fn credentials(&self, username: &str) -> Result<Option<(UserId, String)>> {
        let row = sqlx::query("SELECT id, password FROM account WHERE username = ?")
            .bind(username)
            .fetch_optional(&self.read)
            .await
            .map_err(failed("find an account"))?;
        row.map(|row| Ok((rows::user_id(&row, "id")?, row.try_get("password")?)))
            .transpose()
            .map_err(failed("find an account"))
    }

    async fn me(&self, account: UserId) -> Result<Option<Me>> {
        let row = sqlx::query(concat!("SELECT ", user_columns!(), ", locale FROM account WHERE id = ?"))
            .bind(&account.as_bytes()[..])
            .fetch_optional(&self.read)
            .await
            .map_err(failed("read an account"))?;
        row.map(|row| Ok(Me { user: rows::user(&row)?, locale: row.try_get("locale")? }))
            .transpose()
            .map_err(failed("read an account"))
    }

    async fn update_me(
        &self,
        account: UserId,
        display_name: Option<String>,
        locale: Option<Option<String>>,
    ) -> Result<()> {
        let _turn = self.checkpoints.turn().await;
        sqlx::query(
            "UPDATE account SET display_name = coalesce(?1, display_name), \
             locale = CASE WHEN ?2 THEN ?3 ELSE locale END WHERE id = ?4",
        )
        .bind(display_name)
        .bind(locale.is_some())
        .bind(locale.flatten())
        .bind(&account.as_bytes()[..])
        .execute(&self.write)
        .await
        .map(drop)
        .map_err(failed("change an account"))
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        let ids =
            serde_json::Value::from(ids.iter().map(|id| id.uuid().simple().to_string()).collect::<Vec<_>>());
        let rows = sqlx::query(concat!(
            "SELECT ",
            user_columns!(),
            " FROM account WHERE id IN (SELECT unhex(value) FROM json_each(?))"
        ))
        .bind(ids.to_string())
        .fetch_all(&self.read)
        .await
        .map_err(failed("read people"))?;
        rows.iter().map(rows::user).collect::<Result<_, _>>().map_err(failed("read people"))
    }

    async fn search_users(
        &self,
        q: &str,
        except: UserId,
        within: Option<ConversationId>,
        limit: u32,
    ) -> Result<Vec<User>> {
        // instr, not LIKE: what people type is taken as it is, % and _ included. lower() folds ASCII only, which
        // is exact for user names and good enough for names until search has an index of its own.
        let rows = sqlx::query(concat!(
            "SELECT ",
            user_columns!(),
            " FROM account WHERE id <> ?2 AND (instr(username, lower(?1)) OR instr(lower(display_name), lower(?1))) \
             AND (?4 IS NULL OR EXISTS (SELECT 1 FROM member WHERE conversation = ?4 AND member.account = account.id)) \
             ORDER BY NOT (instr(username, lower(?1)) = 1 OR instr(lower(display_name), lower(?1)) = 1), \
             display_name COLLATE NOCASE, username LIMIT ?3"
        ))
        .bind(q)
        .bind(&except.as_bytes()[..])
        .bind(limit)
        .bind(within.map(|id| id.as_bytes().to_vec()))
        .fetch_all(&self.read)
        .await
        .map_err(failed("search people"))?;
        rows.iter().map(rows::user).collect::<Result<_, _>>().map_err(failed("search people"))
    }

    async fn first_account(&self) -> Result<Option<UserId>> {
        let doing = "find the first account";
        // Ids are UUIDv7, whose order is that of time.
        let row = sqlx::query("SELECT id FROM account ORDER BY id LIMIT 1")
            .fetch_optional(&self.read)
            .await
            .map_err(failed(doing))?;
        row.map(|row| rows::user_id(&row, "id")).transpose().map_err(failed(doing))
    }

    async fn set_last_seen(&self, account: UserId, at: Timestamp) -> Result<()> {
        let _turn = self.checkpoints.turn().await;
        sqlx::query("UPDATE account SET last_seen_at = ? WHERE id = ?")
            .bind(at.millis())
            .bind(&account.as_bytes()[..])
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("note when somebody was here"))
    }

    async fn create_session(&self, session: NewSession) -> Result<()> {
        let _turn = self.checkpoints.turn().await;
        insert_session(&session).execute(&self.write).await.map(drop).map_err(failed("create a session"))
    }

    async fn session_by_token(&self, token_hash: &[u8; 32]) -> Result<Option<FoundSession>> {
        let row = sqlx::query("SELECT id, account, last_used_at FROM session WHERE token_hash = ?")
            .bind(&token_hash[..])
            .fetch_optional(&self.read)
            .await
            .map_err(failed("find a session"))?;
        row.map(|row| {
            Ok(FoundSession {
                id: session_id(&row)?,
                account: rows::user_id(&row, "account")?,
                last_used_at: rows::time(&row, "last_used_at")?,
            })
        })
        .transpose()
        .map_err(failed("find a session"))
    }

    async fn session_exists(&self, id: SessionId) -> Result<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM session WHERE id = ?)")
            .bind(&id.as_bytes()[..])
            .fetch_one(&self.read)
            .await
            .map_err(failed("find a session"))
    }

    async fn touch_session(&self, id: SessionId, at: Timestamp) -> Result<()> {
        let _turn = self.checkpoints.turn().await;
        sqlx::query("UPDATE session SET last_used_at = ? WHERE id = ?")
            .bind(at.millis())
            .bind(&id.as_bytes()[..])
            .execute(&self.write)
            .await
            .map(drop)
            .map_err(failed("note the use of a session"))
    }

    async fn sessions(&self, account: UserId) -> Result<Vec<Session>> {
        let rows = sqlx::query(
            "SELECT id, device, created_at, last_used_at FROM session WHERE account = ? ORDER BY created_at DESC, id DESC",
        )
        .bind(&account.as_bytes()[..])
        .fetch_all(&self.read)
        .await
        .map_err(failed("list sessions"))?;
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
            .collect::<sqlx::Result<_>>()
            .map_err(failed("list sessions"))
    }

    async fn delete_session(&self, account: UserId, id: SessionId) -> Result<Option<[u8; 32]>> {
        let _turn = self.checkpoints.turn().await;
        sqlx::query_scalar::<_, Vec<u8>>(
            "DELETE FROM session WHERE id = ? AND account = ? RETURNING token_hash",
        )
        .bind(&id.as_bytes()[..])
        .bind(&account.as_bytes()[..])
        .fetch_optional(&self.write)
        .await
        .and_then(|ended| ended.map(|hash| rows::exactly(&hash)).transpose())
        .map_err(failed("end a session"))
    }
}

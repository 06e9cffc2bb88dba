//! What only one member sees of a conversation: settings, and what is unread.

use super::rows;
use crate::clock::now;
use crate::store::{NewSettings, Personal, SettingsChange};
use protocol::rest::PatchSettings;
use protocol::{ConversationId, Settings, Timestamp, UserId, limits};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Result, Row};

/// What only member `m` of conversation `c` sees: settings, mark, and what is unread as three counts. What is recalled after the mark is counted from a partial
/// index that is empty as long as nothing is. Own messages never stand after one's own mark, because sending
/// raises it: `unread` needs no count of them. Only a conversation kept as unread has more: what stands between the
/// place it is kept from and the mark, at most [`UNREAD_BACK`](limits::UNREAD_BACK).
macro_rules! personal_columns {
    () => {
        "c.head_seq, m.read_seq, m.muted_until, m.pinned AS on_top, m.archived, m.draft, m.unread_from, \
         (SELECT count(*) FROM message r \
         WHERE r.conversation = c.id AND r.seq > m.read_seq AND r.recalled) AS recalled_after, \
         (SELECT count(*) FROM message r WHERE m.unread_from IS NOT NULL AND r.conversation = c.id \
         AND r.seq >= m.unread_from AND r.seq <= m.read_seq AND r.sender <> m.account AND NOT r.recalled) AS kept, \
         (SELECT count(*) FROM mention n WHERE n.account = m.account AND n.conversation = c.id \
         AND n.seq > least(m.read_seq, coalesce(m.unread_from - 1, m.read_seq))) + \
         (SELECT count(*) FROM mention n WHERE n.account = '00000000-0000-0000-0000-000000000000' AND n.conversation = c.id \
         AND n.seq > least(m.read_seq, coalesce(m.unread_from - 1, m.read_seq)) AND n.sender <> m.account) AS names_me"
    };
}
pub(super) use personal_columns;

/// From the columns of `personal_columns!`.
pub(super) fn settings(row: &PgRow) -> Result<Settings> {
    Ok(Settings {
        muted_until: row.try_get::<Option<i64>, _>("muted_until")?.map(Timestamp::from_millis),
        pinned: row.try_get("on_top")?,
        archived: row.try_get("archived")?,
        draft: row.try_get("draft")?,
        unread_from: match row.try_get::<Option<i64>, _>("unread_from")? {
            Some(_) => Some(rows::count(row, "unread_from")?),
            None => None,
        },
    })
}

/// From the columns of `personal_columns!`.
pub(super) fn unread(row: &PgRow) -> Result<u64> {
    let (head_seq, read_seq) = (rows::count(row, "head_seq")?, rows::count(row, "read_seq")?);
    let recalled = rows::count(row, "recalled_after")?;
    Ok(head_seq.saturating_sub(read_seq).saturating_sub(recalled) + rows::count(row, "kept")?)
}

/// As it stands inside the caller's transaction; none: not a member.
async fn personal(
    connection: &mut PgConnection,
    user: UserId,
    id: ConversationId,
) -> Result<Option<Personal>> {
    let row = sqlx::query(concat!(
        "SELECT ",
        personal_columns!(),
        " FROM member m JOIN conversation c ON c.id = m.conversation WHERE m.conversation = $1 AND m.account = $2"
    ))
    .bind(id.uuid())
    .bind(user.uuid())
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(Personal {
            settings: settings(&row)?,
            read_seq: rows::count(&row, "read_seq")?,
            unread: unread(&row)?,
            mentions: rows::count(&row, "names_me")?,
        })
    })
    .transpose()
}

/// Changes what is named and reads all of it back.
pub(super) async fn set(connection: &mut PgConnection, new: &NewSettings) -> Result<Option<Personal>> {
    let (user, id) = (new.user, new.conversation);
    match &new.what {
        SettingsChange::Patch(patch) => change(connection, user, id, patch).await?,
        SettingsChange::UnreadFrom(seq) => keep_unread(connection, user, id, *seq).await?,
    }
    personal(connection, user, id).await
}

async fn change(
    connection: &mut PgConnection,
    user: UserId,
    id: ConversationId,
    patch: &PatchSettings,
) -> Result<()> {
    // A time that is past ends the silence: it is kept as none, so that equal settings are equal.
    let until = patch.muted_until.map(|time| (time > now()).then(|| time.millis()));
    sqlx::query(
        "UPDATE member SET muted_until = CASE WHEN $3 THEN $4 ELSE muted_until END, pinned = coalesce($5, pinned), \
         archived = coalesce($6, archived), draft = coalesce($7, draft) WHERE conversation = $1 AND account = $2",
    )
    .bind(id.uuid())
    .bind(user.uuid())
    .bind(until.is_some())
    .bind(until.flatten())
    .bind(patch.pinned)
    .bind(patch.archived)
    .bind(patch.draft.as_deref())
    .execute(connection)
    .await
    .map(drop)
}

/// Keeps the conversation as unread from `seq`, moved to the nearest message that may be: one the member may see, at
/// most [`UNREAD_BACK`](limits::UNREAD_BACK) messages counted from the newest. Where there is none, nothing is kept.
async fn keep_unread(
    connection: &mut PgConnection,
    user: UserId,
    id: ConversationId,
    seq: u64,
) -> Result<()> {
    sqlx::query(
        "UPDATE member SET unread_from = CASE WHEN c.head_seq > joined_seq \
         THEN least(c.head_seq, greatest($3, joined_seq + 1, c.head_seq - $4 + 1)) END FROM conversation c \
         WHERE c.id = $1 AND member.conversation = $1 AND member.account = $2",
    )
    .bind(id.uuid())
    .bind(user.uuid())
    .bind(rows::integer(seq))
    .bind(rows::integer(limits::UNREAD_BACK))
    .execute(connection)
    .await
    .map(drop)
}

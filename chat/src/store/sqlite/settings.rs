//! What only one member sees of a conversation: settings, and what is unread.

use super::rows::{self, Fields};
use crate::clock::now;
use crate::store::{NewSettings, Personal, SettingsChange};
use protocol::rest::PatchSettings;
use protocol::{ConversationId, Settings, Timestamp, UserId, limits};
use sqlx::{Result, SqliteConnection};

/// What only member `m` of conversation `c` sees: settings, mark, and what is unread as three counts. What is recalled after the mark is counted from a partial
/// index that is empty as long as nothing is. Own messages never stand after one's own mark, because sending
/// raises it: `unread` needs no count of them. Only a conversation kept as unread has more: what stands between the
/// place it is kept from and the mark, at most [`UNREAD_BACK`](limits::UNREAD_BACK).
macro_rules! personal_columns {
    () => {
        "c.head_seq, m.read_seq, m.muted_until, m.pinned AS on_top, m.archived, m.draft, m.unread_from, \
         (SELECT count(*) FROM message r INDEXED BY message_recalled \
         WHERE r.conversation = c.id AND r.seq > m.read_seq AND r.recalled) AS recalled_after, \
         (SELECT count(*) FROM message r WHERE m.unread_from IS NOT NULL AND r.conversation = c.id \
         AND r.seq >= m.unread_from AND r.seq <= m.read_seq AND r.sender <> m.account AND NOT r.recalled) AS kept, \
         (SELECT count(*) FROM mention n WHERE n.account = m.account AND n.conversation = c.id \
         AND n.seq > min(m.read_seq, coalesce(m.unread_from - 1, m.read_seq))) + \
         (SELECT count(*) FROM mention n WHERE n.account = zeroblob(16) AND n.conversation = c.id \
         AND n.seq > min(m.read_seq, coalesce(m.unread_from - 1, m.read_seq)) AND n.sender <> m.account) AS names_me"
    };
}
pub(super) use personal_columns;

/// From the columns of `personal_columns!`.
pub(super) fn settings(row: &impl Fields) -> Result<Settings> {
    Ok(Settings {
        muted_until: row.integer("muted_until")?.map(Timestamp::from_millis),
        pinned: rows::flag(row, "on_top")?,
        archived: rows::flag(row, "archived")?,
        draft: rows::text(row, "draft")?.to_owned(),
        unread_from: match row.integer("unread_from")? {
            Some(_) => Some(rows::count(row, "unread_from")?),
            None => None,
        },
    })
}

/// From the columns of `personal_columns!`.
pub(super) fn unread(row: &impl Fields) -> Result<u64> {
    let (head_seq, read_seq) = (rows::count(row, "head_seq")?, rows::count(row, "read_seq")?);
    let recalled = rows::count(row, "recalled_after")?;
    Ok(head_seq.saturating_sub(read_seq).saturating_sub(recalled) + rows::count(row, "kept")?)
}

/// As it stands inside the caller's transaction; none: not a member.
async fn personal(
    connection: &mut SqliteConnection,
    user: UserId,
    id: ConversationId,
) -> Result<Option<Personal>> {
    let row = sqlx::query(concat!(
        "SELECT ",
        personal_columns!(),
        " FROM member m JOIN conversation c ON c.id = m.conversation WHERE m.conversation = ? AND m.account = ?"
    ))
    .bind(&id.as_bytes()[..])
    .bind(&user.as_bytes()[..])
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
pub(super) async fn set(connection: &mut SqliteConnection, new: &NewSettings) -> Result<Option<Personal>> {
    let (user, id) = (new.user, new.conversation);
    match &new.what {
        SettingsChange::Patch(patch) => change(connection, user, id, patch).await?,
        SettingsChange::UnreadFrom(seq) => keep_unread(connection, user, id, *seq).await?,
    }
    personal(connection, user, id).await
}

async fn change(
    connection: &mut SqliteConnection,
    user: UserId,
    id: ConversationId,
    patch: &PatchSettings,
) -> Result<()> {
    // A time that is past ends the silence: it is kept as none, so that equal settings are equal.
    let until = patch.muted_until.map(|time| (time > now()).then(|| time.millis()));
    sqlx::query(
        "UPDATE member SET muted_until = iif(?3, ?4, muted_until), pinned = coalesce(?5, pinned), \
         archived = coalesce(?6, archived), draft = coalesce(?7, draft) WHERE conversation = ?1 AND account = ?2",
    )
    .bind(&id.as_bytes()[..])
    .bind(&user.as_bytes()[..])
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
    connection: &mut SqliteConnection,
    user: UserId,
    id: ConversationId,
    seq: u64,
) -> Result<()> {
    sqlx::query(
        "UPDATE member SET unread_from = iif(c.head_seq > joined_seq, \
         min(c.head_seq, max(?3, joined_seq + 1, c.head_seq - ?4 + 1)), NULL) FROM conversation c \
         WHERE c.id = ?1 AND member.conversation = ?1 AND member.account = ?2",
    )
    .bind(&id.as_bytes()[..])
    .bind(&user.as_bytes()[..])
    .bind(rows::integer(seq))
    .bind(rows::integer(limits::UNREAD_BACK))
    .execute(connection)
    .await
    .map(drop)
}

//! People, sessions and conversations in Postgres, written past the nodes: registering takes 30 ms a password.

use super::stage::{Stage, psql};
use crate::Error;
use crate::load::link::Link;
use crate::load::pairs::Couples;
use crate::load::seed::Resident;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::{ConversationId, SessionId, UserId};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// That many pairs of people with a conversation each.
pub async fn seed(stage: &Stage<'_>, count: usize) -> Result<Couples, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    let (mut sql, mut all) = ("BEGIN;\n".to_owned(), Vec::with_capacity(count));
    for number in 0..count {
        let one = person(&mut sql, 2 * number, now);
        let other = person(&mut sql, 2 * number + 1, now);
        let id = ConversationId::direct(one.id, other.id);
        let uuid = id.uuid();
        // Writing into a String cannot fail.
        let _ = writeln!(
            sql,
            "INSERT INTO conversation (id, kind, title, member_count, created_at) VALUES ('{uuid}', 0, '', 2, {now});"
        );
        for member in [&one, &other] {
            let _ = writeln!(
                sql,
                "INSERT INTO member (conversation, account, role, read_seq, joined_seq, joined_rev, joined_at) \
                 VALUES ('{uuid}', '{}', 0, 0, 0, 0, {now});",
                member.id.uuid()
            );
        }
        all.push((one, other, id));
    }
    sql.push_str("COMMIT; VACUUM ANALYZE;\n");
    psql(&stage.url, &sql)?;
    let (Some((one, ..)), Some(address)) = (all.first(), stage.addresses()?.first().copied()) else {
        return Err(Error::Process("nobody to begin with".into()));
    };
    let (epoch, _) = Link::open(address, &one.token).await?.hello(None).await?;
    let epoch = epoch.ok_or_else(|| Error::Unreadable("the epoch".into()))?;
    Ok(Couples::new(all, epoch))
}

fn person(sql: &mut String, number: usize, now: u128) -> Resident {
    let (id, session, username) = (UserId::generate(), SessionId::generate(), format!("bench{number:06}"));
    let secret: [u8; 32] = rand::random();
    let hash: String = Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect();
    let _ = writeln!(
        sql,
        "INSERT INTO account (id, username, display_name, password, created_at) VALUES ('{0}', '{username}', \
         '{username}', '', {now});\nINSERT INTO session (id, token_hash, account, device, created_at, last_used_at) \
         VALUES ('{1}', decode('{hash}', 'hex'), '{0}', 'bench', {now}, {now});",
        id.uuid(),
        session.uuid(),
    );
    Resident { id, username, token: URL_SAFE_NO_PAD.encode(secret) }
}

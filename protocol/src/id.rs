//! Identifiers. Every id is a UUID of its own type, so that a user can never stand where a message belongs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that is known to name one.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The sixteen bytes a store keeps.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// A new time-ordered id (UUIDv7).
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(
    /// An account.
    UserId
);
id!(
    /// A conversation. Groups have a random id; a direct conversation's id is derived from its two members.
    ConversationId
);
id!(
    /// A message.
    MessageId
);
id!(
    /// A signed-in device.
    SessionId
);
id!(
    /// One incarnation of the database. It changes when a backup is restored, and clients then start over.
    Epoch
);

/// Namespace of direct conversations' ids (a UUIDv4 drawn once for this purpose; it must never change).
const DIRECT: Uuid = Uuid::from_u128(0x6f0d_3c1e_9b57_4d0a_8e21_5a7c_f3b9_42d6);

impl ConversationId {
    /// The id of the direct conversation of two people: UUIDv5 over both ids, the smaller first, so that both
    /// ends compute the same one and two people who open it at once get one conversation.
    pub fn direct(one: UserId, other: UserId) -> Self {
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        let mut pair = [0; 32];
        pair[..16].copy_from_slice(low.as_bytes());
        pair[16..].copy_from_slice(high.as_bytes());
        Self(Uuid::new_v5(&DIRECT, &pair))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_conversation_has_one_id_from_both_sides() {
        let (ada, ben, cleo) = (UserId::generate(), UserId::generate(), UserId::generate());
        assert_eq!(ConversationId::direct(ada, ben), ConversationId::direct(ben, ada));
        assert_ne!(ConversationId::direct(ada, ben), ConversationId::direct(ada, cleo));
    }

    #[test]
    fn the_derivation_is_pinned() {
        let low = UserId::from_uuid(Uuid::from_u128(1));
        let high = UserId::from_uuid(Uuid::from_u128(2));
        insta::assert_snapshot!(ConversationId::direct(high, low), @"03c246a7-fcb3-5cdd-b6e7-d2dc198768e2");
    }
}

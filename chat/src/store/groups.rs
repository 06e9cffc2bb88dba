//! Who may change what of a group, as rules without a database: the same in every store.

use crate::store::Edited;
use protocol::{ChangeKind, History, Kind, Role, UserId};

pub(super) const STAYS: &str = "A direct conversation stays between its two people.";
pub(super) const TOO_MANY: &str = "They are in as many conversations as one can be in.";
const ONLY_ADMINS_REMOVE: &str = "Only an owner or an admin may remove a member.";
const ONLY_ADMINS_CHANGE: &str = "Only an owner or an admin may change the group.";
const ONLY_OWNERS_GIVE: &str = "Only the owner gives roles.";
const HAND_OVER_FIRST: &str = "Hand the group over before you leave.";
const HAND_OVER_INSTEAD: &str = "Hand the group over to give this role up.";

/// What an edit needs to know of the group and of who asks.
pub(super) struct Asked {
    pub(super) kind: Kind,
    pub(super) head_seq: u64,
    pub(super) head_rev: u64,
    pub(super) member_count: u32,
    pub(super) title: String,
    pub(super) public: bool,
    pub(super) history: History,
    /// None: not a member.
    pub(super) role: Option<Role>,
}

/// What happened, in order, none where it was so already; or why it is refused.
pub(super) type Happened = Result<Vec<ChangeKind>, Edited>;

impl Asked {
    /// Whether anybody may join by themselves. What everybody has left has no owner any more, and nobody to let others in.
    pub(super) fn is_open(&self) -> bool {
        self.public && self.member_count > 0
    }

    /// Whether somebody leaves, or is removed by somebody in this role.
    pub(super) fn leave(&self, (by, mine): (UserId, Role), (user, theirs): (UserId, Role)) -> Happened {
        if user != by && (mine < Role::Admin || theirs >= mine) {
            return Err(Edited::Forbidden(ONLY_ADMINS_REMOVE));
        }
        if theirs == Role::Owner && self.member_count > 1 {
            return Err(Edited::Conflict(HAND_OVER_FIRST));
        }
        Ok(vec![ChangeKind::Left { by, user }])
    }

    /// Another title, who may find it, what newcomers see.
    pub(super) fn patch(
        &self,
        (by, mine): (UserId, Role),
        title: Option<&str>,
        public: bool,
        history: History,
    ) -> Happened {
        if mine < Role::Admin {
            return Err(Edited::Forbidden(ONLY_ADMINS_CHANGE));
        }
        let mut happened = Vec::with_capacity(2);
        if let Some(title) = title.filter(|title| *title != self.title) {
            happened.push(ChangeKind::Renamed { by, title: title.to_owned() });
        }
        if (public, history) != (self.public, self.history) {
            happened.push(ChangeKind::Access { by, public, history });
        }
        Ok(happened)
    }
}

/// Whether somebody in this role may give roles at all.
pub(super) fn gives(mine: Role) -> Result<(), Edited> {
    if mine == Role::Owner { Ok(()) } else { Err(Edited::Forbidden(ONLY_OWNERS_GIVE)) }
}

/// The roles that change where the owner gives one. Giving the ownership away leaves an admin: the new owner first, so that
/// whoever applies one change at a time never sees the group without one.
pub(super) fn roles(
    by: UserId,
    (user, before): (UserId, Role),
    role: Role,
) -> Result<Vec<(UserId, Role)>, Edited> {
    if before == role {
        return Ok(Vec::new());
    }
    if user == by {
        return Err(Edited::Conflict(HAND_OVER_INSTEAD));
    }
    let mut given = vec![(user, role)];
    if role == Role::Owner {
        given.push((by, Role::Admin));
    }
    Ok(given)
}

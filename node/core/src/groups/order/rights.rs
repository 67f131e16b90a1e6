//! Who may do what in a shared room.

use crate::wire::Role;

/// Something that a role may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To write.
    Post,
    /// To add somebody who is not in the room, or a device of somebody else who is.
    Add,
    /// To add or take out a device of one's own.
    OwnDevice,
    /// To remove another user of this role.
    Remove(Role),
    /// To name the room.
    Rename,
    /// To say what it is about.
    Topic,
    /// To give another user another role.
    SetRole {
        /// The role that the user has.
        from: Role,
        /// The role that they get.
        to: Role,
    },
    /// To change one's own role.
    OwnRole {
        /// The role that one has.
        from: Role,
        /// The role that one takes.
        to: Role,
    },
    /// To leave.
    Leave,
    /// To renew the keys of one's own leaf.
    Update,
    /// To replace the leaf of a device that is behind, as that device asks.
    Readd,
}

/// Whether a role allows something. Only a higher role removes or lowers another one, so no two can do it to each other, and the
/// rank of rivals has no cycle.
pub fn may(role: Role, right: Right) -> bool {
    match right {
        Right::Post | Right::OwnDevice | Right::Leave | Right::Update | Right::Readd => true,
        Right::Add | Right::Rename | Right::Topic => role >= Role::Admin,
        Right::Remove(of) => role >= Role::Admin && role > of,
        Right::SetRole { from, to: _ } => role == Role::Owner && from < Role::Owner,
        Right::OwnRole { from, to } => role == from && to <= from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 3] = [Role::Member, Role::Admin, Role::Owner];

    #[test]
    fn only_a_higher_role_removes_or_changes_another_one() {
        for mine in ROLES {
            for theirs in ROLES {
                assert_eq!(may(mine, Right::Remove(theirs)), mine > theirs, "{mine:?} removes {theirs:?}");
                assert!(!(may(mine, Right::Remove(theirs)) && may(theirs, Right::Remove(mine))));
                for to in ROLES {
                    let owner_over_others = mine == Role::Owner && theirs != Role::Owner;
                    assert_eq!(may(mine, Right::SetRole { from: theirs, to }), owner_over_others, "{mine:?}: {theirs:?} to {to:?}");
                }
            }
        }
    }

    #[test]
    fn nobody_raises_themselves() {
        for from in ROLES {
            for to in ROLES {
                assert_eq!(may(from, Right::OwnRole { from, to }), to <= from);
            }
        }
    }

    #[test]
    fn members_write_and_care_for_themselves_and_admins_add_and_name() {
        for role in ROLES {
            for right in [Right::Post, Right::OwnDevice, Right::Leave, Right::Update, Right::Readd] {
                assert!(may(role, right), "{role:?} {right:?}");
            }
            for right in [Right::Add, Right::Rename, Right::Topic] {
                assert_eq!(may(role, right), role != Role::Member, "{role:?} {right:?}");
            }
        }
    }
}

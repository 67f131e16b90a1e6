//! Who may do what in a shared room.

use crate::wire::{Role, Roster, RosterUser};
use symbolon_presence::id::PeerId;

/// Something that a role may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To write.
    Post,
    /// To add somebody who is not in the room, or a device of somebody else who is.
    Add,
    /// To add or take out a device of one's own.
    OwnDevice,
    /// To add a device of somebody else who is in the room, and who alone could add anybody: they may have lost all that they had.
    LostDevice,
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
        Right::Post | Right::OwnDevice | Right::LostDevice | Right::Leave | Right::Update | Right::Readd => true,
        Right::Add | Right::Rename | Right::Topic => role >= Role::Admin,
        Right::Remove(of) => role >= Role::Admin && role > of,
        Right::SetRole { from, to: _ } => role == Role::Owner && from < Role::Owner,
        Right::OwnRole { from, to } => role == from && to <= from,
    }
}

/// What it takes to add a device of a user, by another user of this roster.
pub(in crate::groups) fn to_add(roster: &Roster, user: &PeerId, by: &PeerId) -> Right {
    let adds = |row: &RosterUser| may(row.role, Right::Add);
    if user == by {
        Right::OwnDevice
    } else if roster.user(user).is_some() && roster.users.iter().filter(|row| adds(row)).all(|row| row.user == *user) {
        Right::LostDevice
    } else {
        Right::Add
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use symbolon_presence::id::{DeviceId, PublicKeyBytes};

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
    fn a_device_of_somebody_else_is_added_by_any_member_only_while_nobody_but_its_person_may_add() {
        let [owner, member, other] = [1, 2, 3].map(|byte| PeerId([byte; 32]));
        let mut roster = Roster::founded("Crew".into(), PublicKeyBytes([1; 32]), owner, DeviceId([1; 16]));
        for user in [member, other] {
            roster.users.push(RosterUser { user, role: Role::Member, came_in: 1 });
        }
        assert_eq!(to_add(&roster, &owner, &member), Right::LostDevice);
        assert_eq!(to_add(&roster, &owner, &owner), Right::OwnDevice);
        assert_eq!(to_add(&roster, &other, &member), Right::Add, "the owner brings that one in");
        assert_eq!(to_add(&roster, &PeerId([4; 32]), &member), Right::Add, "who is not in the room");
        roster.users[2].role = Role::Admin;
        assert_eq!(to_add(&roster, &owner, &member), Right::Add, "an admin brings it in");
        assert_eq!(to_add(&roster, &owner, &other), Right::Add);
    }

    #[test]
    fn members_write_and_care_for_themselves_and_admins_add_and_name() {
        for role in ROLES {
            for right in [Right::Post, Right::OwnDevice, Right::LostDevice, Right::Leave, Right::Update, Right::Readd] {
                assert!(may(role, right), "{role:?} {right:?}");
            }
            for right in [Right::Add, Right::Rename, Right::Topic] {
                assert_eq!(may(role, right), role != Role::Member, "{role:?} {right:?}");
            }
        }
    }
}

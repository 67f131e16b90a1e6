//! What a commit does to the roster, and whether its committer may.

use super::rights::{Right, may, to_add};
use crate::limits::MEMBERS_MAX;
use crate::wire::{Knocks, Role, Roster, RosterLeaf, RosterUser, is_name, is_topic};
use std::collections::BTreeSet;
use std::fmt;
use symbolon_presence::id::{DeviceId, PeerId, PublicKeyBytes};

/// One thing that a commit does. An own update does none of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Act {
    /// A device comes in: the first of its user, or one more.
    Add {
        /// The signature key of its leaf.
        leaf: PublicKeyBytes,
        /// Whose it is.
        user: PeerId,
        /// Which device.
        device: DeviceId,
    },
    /// Somebody comes in by a voucher, who makes the commit. The caller has verified that they signed it.
    Vouch {
        /// The signature key of their leaf.
        leaf: PublicKeyBytes,
        /// Who it is.
        user: PeerId,
        /// Which device.
        device: DeviceId,
    },
    /// A user is removed, with all devices.
    Remove {
        /// Who.
        user: PeerId,
    },
    /// A user leaves, with all devices. The caller has verified that they signed it.
    Leave {
        /// Who.
        user: PeerId,
        /// Number of the epoch in which they said so, which stands in what they signed.
        said_in: u64,
    },
    /// A user takes out a device of their own.
    Drop {
        /// The signature key of its leaf.
        leaf: PublicKeyBytes,
    },
    /// A device that is behind gets a new leaf. The caller has verified that it signed the question.
    Readd {
        /// The signature key of the leaf that it had.
        old: PublicKeyBytes,
        /// The signature key of the leaf that it gets.
        leaf: PublicKeyBytes,
    },
    /// The room gets a name.
    Name(String),
    /// The room gets a topic, or none.
    Topic(String),
    /// A user gets a role.
    Role {
        /// Who.
        user: PeerId,
        /// Which one.
        role: Role,
    },
    /// People knock in this way from now on.
    Knocks(Knocks),
}

/// A commit, as far as the roster is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Commit {
    /// The signature key of the committer's leaf in the parent epoch.
    pub by: PublicKeyBytes,
    /// Number of the parent epoch.
    pub number: u64,
    /// What it does, in its order.
    pub acts: Vec<Act>,
}

impl Commit {
    /// Whom it removes, as the rank of rivals counts it.
    pub fn removes(&self) -> BTreeSet<PeerId> {
        let removed = |act: &Act| match act {
            Act::Remove { user } => Some(*user),
            Act::Add { .. }
            | Act::Vouch { .. }
            | Act::Knocks(_)
            | Act::Leave { .. }
            | Act::Drop { .. }
            | Act::Readd { .. }
            | Act::Name(_)
            | Act::Topic(_)
            | Act::Role { .. } => None,
        };
        self.acts.iter().filter_map(removed).collect()
    }
}

/// What a commit has changed: what a room's history says, and what later wishes are judged by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    /// A user came, who was not in the room.
    Came(PeerId),
    /// A user was removed.
    Removed(PeerId),
    /// A user left.
    Left(PeerId),
    /// A device of a user who is in the room has a leaf; the first one, too.
    DeviceCame(PublicKeyBytes),
    /// A device's leaf is gone, with its user or alone.
    DeviceGone(PublicKeyBytes),
    /// A device has another leaf.
    Readded {
        /// The signature key of before.
        old: PublicKeyBytes,
        /// The signature key of now.
        leaf: PublicKeyBytes,
    },
    /// The room has another name.
    Named,
    /// The room has another topic.
    TopicSet,
    /// A user has another role.
    RoleSet(PeerId, Role),
    /// A user owns the room, since its last owner has left.
    Inherited(PeerId),
}

/// Why a commit is not taken. Nothing of it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its committer is not in the room.
    NoMember,
    /// Its committer's role does not allow it.
    MayNot,
    /// It is about somebody who is not in the room.
    NobodySuch,
    /// It adds a device, or a leaf, that is in the room.
    AlreadyThere,
    /// The room would have too many devices.
    Full,
    /// A name or topic is out of bounds.
    BadText,
    /// It both adds and removes: what it adds could hide in what it removes.
    AddsAndRemoves,
    /// It removes its own committer, which MLS cannot do.
    RemovesItself,
    /// It says the same thing twice.
    Twice,
    /// Nobody would own the room, and nobody has left it.
    NoOwner,
    /// A leave that was said before its user last came in.
    OldLeave,
    /// Nobody comes in by a voucher now: the room is not open to that, or who has gone could still open knocks.
    NoVouching,
    /// Those whom it removes would read how people knock from now on, or it is what those who have gone know.
    KnocksToThoseGone,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMember => "its committer is no member",
            Self::MayNot => "its committer may not do this",
            Self::NobodySuch => "it is about somebody who is not in the room",
            Self::AlreadyThere => "it adds who is in the room",
            Self::Full => "the room would have too many devices",
            Self::BadText => "a name or topic is out of bounds",
            Self::AddsAndRemoves => "it both adds and removes",
            Self::RemovesItself => "it removes its own committer",
            Self::Twice => "it says one thing twice",
            Self::NoOwner => "nobody would own the room",
            Self::OldLeave => "it carries out a leave of before its user came in",
            Self::NoVouching => "nobody comes in by a voucher now",
            Self::KnocksToThoseGone => "those who have gone would know how people knock",
        })
    }
}

impl std::error::Error for Refused {}

impl Roster {
    /// The roster after a commit, and what has changed. Roles are judged as they are in the parent epoch, which is this one;
    /// `seat` gives the index of a leaf in its tree.
    ///
    /// # Errors
    ///
    /// [`Refused`], when any part of it may not be or cannot be.
    pub fn after(&self, commit: &Commit, seat: &dyn Fn(&PublicKeyBytes) -> Option<u32>) -> Result<(Self, Vec<Effect>), Refused> {
        let committer = self.leaf(&commit.by).ok_or(Refused::NoMember)?;
        let role = self.role(&committer.user).ok_or(Refused::NoMember)?;
        if adds(&commit.acts) && removes(&commit.acts) {
            return Err(Refused::AddsAndRemoves);
        }
        if removes(&commit.acts) && commit.acts.iter().any(|act| matches!(act, Act::Knocks(_))) {
            return Err(Refused::KnocksToThoseGone);
        }
        let number = commit.number.saturating_add(1);
        let draft = Draft { parent: self, roster: self.clone(), effects: Vec::new(), committer, role, number, said: BTreeSet::new() };
        let mut draft = commit.acts.iter().try_fold(draft, Draft::act)?;
        draft.pass_on(&commit.acts, seat)?;
        if removes(&commit.acts)
            && let Some(knocks) = &mut draft.roster.knocks
        {
            knocks.is_stale = true;
        }
        Ok((draft.roster, draft.effects))
    }
}

fn adds(acts: &[Act]) -> bool {
    acts.iter().any(|act| matches!(act, Act::Add { .. } | Act::Vouch { .. }))
}

fn removes(acts: &[Act]) -> bool {
    acts.iter().any(|act| matches!(act, Act::Remove { .. } | Act::Leave { .. } | Act::Drop { .. }))
}

/// What may be said once in a commit.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Name,
    Topic,
    Role(PeerId),
    Knocks,
}

/// A roster on its way through the acts of one commit.
struct Draft<'a> {
    parent: &'a Roster,
    roster: Roster,
    effects: Vec<Effect>,
    committer: &'a RosterLeaf,
    role: Role,
    /// Of the epoch that the commit makes.
    number: u64,
    said: BTreeSet<Said>,
}

impl Draft<'_> {
    fn act(mut self, act: &Act) -> Result<Self, Refused> {
        match act {
            Act::Add { leaf, user, device } => self.add(RosterLeaf { leaf: *leaf, user: *user, device: *device, came_in: self.number })?,
            Act::Vouch { leaf, user, device } => {
                let is_open = self.parent.knocks.as_ref().is_some_and(|knocks| !knocks.is_stale);
                if !is_open || self.parent.user(user).is_some() {
                    return Err(Refused::NoVouching);
                }
                self.come(RosterLeaf { leaf: *leaf, user: *user, device: *device, came_in: self.number })?;
            }
            Act::Knocks(knocks) => self.set_knocks(knocks)?,
            Act::Remove { user } => {
                let of = self.parent.role(user).ok_or(Refused::NobodySuch)?;
                self.allow(Right::Remove(of))?;
                self.take_out(user, Effect::Removed(*user))?;
            }
            Act::Leave { user, said_in } => {
                let row = self.roster.user(user).ok_or(Refused::NobodySuch)?;
                if *said_in < row.came_in {
                    return Err(Refused::OldLeave);
                }
                self.take_out(user, Effect::Left(*user))?;
            }
            Act::Drop { leaf } => self.drop_leaf(leaf)?,
            Act::Readd { old, leaf } => self.readd(old, leaf)?,
            Act::Name(name) => {
                self.allow(Right::Rename)?;
                self.once(Said::Name)?;
                if name.is_empty() || !is_name(name) {
                    return Err(Refused::BadText);
                }
                self.roster.name.clone_from(name);
                self.effects.push(Effect::Named);
            }
            Act::Topic(topic) => {
                self.allow(Right::Topic)?;
                self.once(Said::Topic)?;
                if !is_topic(topic) {
                    return Err(Refused::BadText);
                }
                self.roster.topic.clone_from(topic);
                self.effects.push(Effect::TopicSet);
            }
            Act::Role { user, role } => self.set_role(user, *role)?,
        }
        Ok(self)
    }

    fn allow(&self, right: Right) -> Result<(), Refused> {
        if may(self.role, right) { Ok(()) } else { Err(Refused::MayNot) }
    }

    fn once(&mut self, said: Said) -> Result<(), Refused> {
        if self.said.insert(said) { Ok(()) } else { Err(Refused::Twice) }
    }

    fn add(&mut self, leaf: RosterLeaf) -> Result<(), Refused> {
        self.allow(to_add(self.parent, &leaf.user, &self.committer.user))?;
        self.come(leaf)
    }

    fn come(&mut self, leaf: RosterLeaf) -> Result<(), Refused> {
        if self.roster.device(&leaf.device).is_some() {
            return Err(Refused::AlreadyThere);
        }
        if self.roster.leaves.len() >= MEMBERS_MAX {
            return Err(Refused::Full);
        }
        if let Err(at) = self.roster.users.binary_search_by(|row| row.user.cmp(&leaf.user)) {
            self.roster.users.insert(at, RosterUser { user: leaf.user, role: Role::Member, came_in: self.number });
            self.effects.push(Effect::Came(leaf.user));
        }
        self.effects.push(Effect::DeviceCame(leaf.leaf));
        self.seat(leaf)
    }

    fn seat(&mut self, leaf: RosterLeaf) -> Result<(), Refused> {
        match self.roster.leaves.binary_search_by(|row| row.leaf.cmp(&leaf.leaf)) {
            Ok(_) => Err(Refused::AlreadyThere),
            Err(at) => {
                self.roster.leaves.insert(at, leaf);
                Ok(())
            }
        }
    }

    fn take_out(&mut self, user: &PeerId, effect: Effect) -> Result<(), Refused> {
        if *user == self.committer.user {
            return Err(Refused::RemovesItself);
        }
        // The tree would have the new leaf of a device whose user is gone.
        if self.roster.leaves_of(user).any(|row| self.parent.leaf(&row.leaf).is_none()) {
            return Err(Refused::Twice);
        }
        let at = self.roster.users.iter().position(|row| row.user == *user).ok_or(Refused::NobodySuch)?;
        self.roster.users.remove(at);
        self.effects.push(effect);
        self.effects.extend(self.roster.leaves_of(user).map(|row| Effect::DeviceGone(row.leaf)));
        self.roster.leaves.retain(|row| row.user != *user);
        Ok(())
    }

    fn drop_leaf(&mut self, leaf: &PublicKeyBytes) -> Result<(), Refused> {
        let row = self.parent.leaf(leaf).ok_or(Refused::NobodySuch)?;
        if self.roster.leaf(leaf).is_none() {
            return Err(Refused::Twice);
        }
        if row.user != self.committer.user {
            return Err(Refused::MayNot);
        }
        if row.leaf == self.committer.leaf {
            return Err(Refused::RemovesItself);
        }
        self.allow(Right::OwnDevice)?;
        self.effects.push(Effect::DeviceGone(*leaf));
        self.roster.leaves.retain(|row| row.leaf != *leaf);
        Ok(())
    }

    fn readd(&mut self, old: &PublicKeyBytes, leaf: &PublicKeyBytes) -> Result<(), Refused> {
        let row = self.parent.leaf(old).ok_or(Refused::NobodySuch)?.clone();
        if row.leaf == self.committer.leaf {
            return Err(Refused::RemovesItself);
        }
        self.allow(Right::Readd)?;
        if self.roster.leaf(old).is_none() || self.parent.leaf(leaf).is_some() {
            return Err(Refused::Twice);
        }
        self.roster.leaves.retain(|row| row.leaf != *old);
        self.effects.push(Effect::Readded { old: *old, leaf: *leaf });
        self.seat(RosterLeaf { leaf: *leaf, came_in: self.number, ..row })
    }

    fn set_role(&mut self, user: &PeerId, to: Role) -> Result<(), Refused> {
        // Who comes in with this commit has no role in the parent epoch, and would be a member.
        let from = self.parent.role(user).unwrap_or(Role::Member);
        self.allow(if *user == self.committer.user { Right::OwnRole { from, to } } else { Right::SetRole { from, to } })?;
        self.once(Said::Role(*user))?;
        let row = self.roster.users.iter_mut().find(|row| row.user == *user).ok_or(Refused::NobodySuch)?;
        row.role = to;
        self.effects.push(Effect::RoleSet(*user, to));
        Ok(())
    }

    fn set_knocks(&mut self, knocks: &Knocks) -> Result<(), Refused> {
        self.once(Said::Knocks)?;
        let is_same = self.parent.knocks.as_ref().is_some_and(|before| before.alias == knocks.alias);
        if !knocks.is_bounded() || knocks.is_stale || is_same {
            return Err(Refused::KnocksToThoseGone);
        }
        // When somebody has gone it is everybody's duty; where the hubs are is not theirs to say.
        if !self.parent.knocks.as_ref().is_some_and(|before| before.is_stale && before.hubs == knocks.hubs) {
            self.allow(Right::Add)?;
        }
        self.roster.knocks = Some(knocks.clone());
        Ok(())
    }

    /// A room whose last owner has left goes to who has been in it longest, then to the lowest leaf.
    fn pass_on(&mut self, acts: &[Act], seat: &dyn Fn(&PublicKeyBytes) -> Option<u32>) -> Result<(), Refused> {
        if self.roster.users.iter().any(|row| row.role == Role::Owner) {
            return Ok(());
        }
        if !acts.iter().any(|act| matches!(act, Act::Leave { .. })) {
            return Err(Refused::NoOwner);
        }
        let leaves = &self.roster.leaves;
        let lowest = |user: &PeerId| leaves.iter().filter(|row| row.user == *user).filter_map(|row| seat(&row.leaf)).min();
        let oldest = |row: &&mut RosterUser| (row.came_in, lowest(&row.user).unwrap_or(u32::MAX), row.user);
        let heir = self.roster.users.iter_mut().min_by_key(oldest).ok_or(Refused::NoOwner)?;
        heir.role = Role::Owner;
        self.effects.push(Effect::Inherited(heir.user));
        Ok(())
    }
}

#[cfg(test)]
mod tests;

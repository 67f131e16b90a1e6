//! Changes of a room that somebody wants: durable until an epoch has them, or until they end.
//!
//! A wish waits while people are away, and is committed again when its commit gives way. So it must end by itself, or it
//! would undo what the room has decided since: above all, bring somebody back who was removed.

use super::changes::{Act, Effect};
use super::rights::{Right, may, to_add};
use crate::wire::{Knocks, Role, Roster};
use symbolon_presence::id::{DeviceId, MessageId, PeerId, PublicKeyBytes, RoomAlias};

/// A change of a room that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wish {
    /// Its id, drawn by its maker.
    pub id: MessageId,
    /// The change.
    pub what: What,
    /// Who wants it.
    pub maker: PeerId,
    /// Number of the epoch that it was made in.
    pub made_in: u64,
}

/// What may be wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum What {
    /// A device of somebody is to come in.
    Add {
        /// Whose it is.
        user: PeerId,
        /// Which one.
        device: DeviceId,
    },
    /// Somebody is to be removed.
    Remove(PeerId),
    /// A device of its maker, by its leaf, is to go.
    Drop(PublicKeyBytes),
    /// Its maker wants to leave, which only others can commit.
    Leave {
        /// Number of the epoch in which they said so: it stands in what they signed, and stays when the room goes back.
        said_in: u64,
    },
    /// The room is to have this name.
    Name(String),
    /// The room is to have this topic.
    Topic(String),
    /// Somebody is to have this role.
    Role(PeerId, Role),
    /// Somebody is to come in for whom its maker vouches.
    Vouch {
        /// Who it is.
        user: PeerId,
        /// Which device.
        device: DeviceId,
        /// What the room was called at its hubs when they signed it.
        alias: RoomAlias,
    },
    /// People are to knock in this way.
    Knocks(Knocks),
    /// The same, by these hubs and no others.
    Hubs(Knocks),
}

/// Something that the room has done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Past {
    /// Number of the epoch that has it.
    pub number: u64,
    /// Who committed it.
    pub by: PeerId,
    /// What has changed.
    pub effect: Effect,
}

/// What is to become of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be committed.
    Stands,
    /// It has ended.
    Over(Ended),
}

/// Why a wish has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its maker has left, or was removed.
    MakerGone,
    /// Its maker's role does not allow it.
    MayNot,
    /// It is so already.
    Already,
    /// The room has decided on the same person, name, topic or role since.
    Overtaken,
}

impl Wish {
    /// The room goes back to the epoch of this number, to follow another commit of it: what that commit and later ones do
    /// is later than the wish, though their numbers may be lower than that of the epoch it was made in.
    pub fn rewound(&mut self, number: u64) {
        self.made_in = self.made_in.min(number);
    }

    /// Whether it takes somebody out: such wishes go before all others.
    pub fn takes_out(&self) -> bool {
        matches!(self.what, What::Remove(_) | What::Drop(_) | What::Leave { .. })
    }

    /// What a commit does to grant it. `leaf` is the signature key of the package by which a device comes in; `None` when
    /// it is needed and not there.
    pub fn act(&self, leaf: Option<PublicKeyBytes>) -> Option<Act> {
        Some(match &self.what {
            What::Add { user, device } => Act::Add { leaf: leaf?, user: *user, device: *device },
            What::Remove(user) => Act::Remove { user: *user },
            What::Drop(leaf) => Act::Drop { leaf: *leaf },
            What::Leave { said_in } => Act::Leave { user: self.maker, said_in: *said_in },
            What::Name(name) => Act::Name(name.clone()),
            What::Topic(topic) => Act::Topic(topic.clone()),
            What::Role(user, role) => Act::Role { user: *user, role: *role },
            What::Vouch { user, device, .. } => Act::Vouch { leaf: leaf?, user: *user, device: *device },
            What::Knocks(knocks) | What::Hubs(knocks) => Act::Knocks(knocks.clone()),
        })
    }

    /// Whether the roster has it.
    fn is_so(&self, roster: &Roster) -> bool {
        match &self.what {
            What::Add { device, .. } => roster.device(device).is_some(),
            What::Vouch { user, .. } => roster.user(user).is_some(),
            // What somebody else has drawn is as good.
            What::Knocks(_) => roster.knocks.as_ref().is_some_and(|knocks| !knocks.is_stale),
            What::Hubs(wanted) => roster.knocks.as_ref().is_some_and(|knocks| knocks.hubs == wanted.hubs),
            What::Remove(user) => roster.user(user).is_none(),
            What::Drop(leaf) => roster.leaf(leaf).is_none(),
            What::Leave { .. } => roster.user(&self.maker).is_none(),
            What::Name(name) => roster.name == *name,
            What::Topic(topic) => roster.topic == *topic,
            What::Role(user, role) => roster.role(user) == Some(*role),
        }
    }

    /// Whether its maker may have it in this roster.
    fn is_allowed(&self, roster: &Roster) -> bool {
        let Some(role) = roster.role(&self.maker) else { return false };
        let right = match &self.what {
            What::Add { user, .. } => to_add(roster, user, &self.maker),
            What::Vouch { alias, .. } => return roster.knocks.as_ref().is_some_and(|knocks| knocks.alias == *alias && !knocks.is_stale),
            What::Knocks(_) if roster.knocks.is_some() => return true,
            What::Hubs(_) if roster.knocks.is_none() => return false,
            What::Knocks(_) | What::Hubs(_) => Right::Add,
            What::Remove(user) => match roster.role(user) {
                Some(of) => Right::Remove(of),
                None => return false,
            },
            What::Drop(leaf) => match roster.leaf(leaf) {
                Some(row) if row.user == self.maker => Right::OwnDevice,
                Some(_) | None => return false,
            },
            What::Leave { .. } => Right::Leave,
            What::Name(_) => Right::Rename,
            What::Topic(_) => Right::Topic,
            What::Role(user, to) => match roster.role(user) {
                Some(from) if *user == self.maker => Right::OwnRole { from, to: *to },
                Some(from) => Right::SetRole { from, to: *to },
                None => return false,
            },
        };
        may(role, right)
    }

    /// Whether something that happened after it was made ends it.
    fn is_ended_by(&self, past: &Past) -> bool {
        let went = |user: &PeerId| past.effect == Effect::Removed(*user) || past.effect == Effect::Left(*user);
        match &self.what {
            // The maker's own adding of one device does not end the wish for the next one of the same person.
            What::Add { user, .. } => went(user) || (past.effect == Effect::Came(*user) && past.by != self.maker),
            What::Vouch { user, .. } => went(user),
            What::Knocks(_) | What::Hubs(_) => false,
            // Who has gone and come again is not meant. Who has only come has done so on two branches, and is meant on both. A
            // device more ends no removal: who is to be removed would add one.
            What::Remove(user) => went(user),
            What::Drop(leaf) => past.effect == Effect::DeviceGone(*leaf),
            What::Leave { .. } => false,
            What::Name(_) => past.effect == Effect::Named,
            What::Topic(_) => past.effect == Effect::TopicSet,
            What::Role(user, _) => {
                let is_set = matches!(&past.effect, Effect::RoleSet(who, _) | Effect::Inherited(who) if who == user);
                is_set || went(user)
            }
        }
    }

    /// Whether a leave was said before its maker last came in, so that no commit may carry it out.
    fn is_of_an_earlier_stay(&self, roster: &Roster) -> bool {
        let came_in = roster.user(&self.maker).map_or(0, |row| row.came_in);
        matches!(self.what, What::Leave { said_in } if said_in < came_in)
    }

    fn outlives_its_maker(&self, past: &Past) -> bool {
        past.effect == Effect::Removed(self.maker) || past.effect == Effect::Left(self.maker)
    }
}

/// What is to become of a wish: until the epoch is final that has granted or ended it, since a room that goes back does
/// not know of that any more. By the roster of the epoch that would take it and by what the room has done. Of
/// `history`, only what came after the epoch that the wish was made in counts.
pub fn judge(wish: &Wish, roster: &Roster, history: &[Past]) -> Verdict {
    let mut since = history.iter().filter(|past| past.number > wish.made_in);
    let ended = if wish.is_so(roster) {
        Some(Ended::Already)
    } else if roster.user(&wish.maker).is_none() || since.clone().any(|past| wish.outlives_its_maker(past)) {
        // Who was removed and came back begins with none of their old wishes.
        Some(Ended::MakerGone)
    } else if since.any(|past| wish.is_ended_by(past)) || wish.is_of_an_earlier_stay(roster) {
        Some(Ended::Overtaken)
    } else if wish.is_allowed(roster) {
        None
    } else {
        Some(Ended::MayNot)
    };
    ended.map_or(Verdict::Stands, Verdict::Over)
}

/// Of wishes that stand, those that the next commit takes: all that take somebody out, before anything else; or all others.
pub fn next(wishes: &[Wish]) -> Vec<&Wish> {
    let first = wishes.iter().any(Wish::takes_out);
    wishes.iter().filter(|wish| wish.takes_out() == first).collect()
}

#[cfg(test)]
mod tests;

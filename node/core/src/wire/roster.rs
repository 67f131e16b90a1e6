//! What the members of a shared room agree on: its name, its topic, who is in it, with which devices, and who may do what.
//! The protocol page is `docs/protocol/rooms.md`.
//!
//! Every member computes it from the commits, and a newcomer is given it with its Welcome. Its hash stands in the context
//! of each epoch, so nobody can give two members two of them. It names no leaf by its index: who adds somebody must
//! know the hash before the commit is made that seats the newcomer.

use super::bounds::{is_name, is_topic};
use super::vouching::Knocks;
use crate::limits::{MEMBERS_MAX, ROSTER_MAX};
use minicbor::{Decode, Encode};
use std::collections::BTreeSet;
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, Digest, PeerId, PublicKeyBytes};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::HASH_ROSTER;

/// What a user may do in a room; the higher one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Writes, and leaves.
    #[n(0)]
    Member,
    /// Adds people, removes members, names the room.
    #[n(1)]
    Admin,
    /// Does everything, and says what others may.
    #[n(2)]
    Owner,
}

/// A user of a room.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct RosterUser {
    /// Who it is.
    #[n(0)]
    pub user: PeerId,
    /// What they may do.
    #[n(1)]
    pub role: Role,
    /// Number of the epoch that they came in with, by their first device.
    #[n(2)]
    pub came_in: u64,
}

/// A device of a user in a room.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct RosterLeaf {
    /// The signature key of its leaf.
    #[n(0)]
    pub leaf: PublicKeyBytes,
    /// Whose it is.
    #[n(1)]
    pub user: PeerId,
    /// Which device it is.
    #[n(2)]
    pub device: DeviceId,
    /// Number of the epoch that this leaf came in with.
    #[n(3)]
    pub came_in: u64,
}

/// What the members of a room agree on.
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(map)]
pub struct Roster {
    /// The room's name.
    #[n(0)]
    pub name: String,
    /// What the room is about; empty when nobody has said.
    #[n(1)]
    pub topic: String,
    /// Who is in it, by their Peer IDs.
    #[n(2)]
    pub users: Vec<RosterUser>,
    /// Their devices, by the signature keys of the leaves; at most [`MEMBERS_MAX`].
    #[n(3)]
    pub leaves: Vec<RosterLeaf>,
    /// How people knock, once the room is open to that.
    #[n(4)]
    pub knocks: Option<Knocks>,
}

impl std::fmt::Debug for Roster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Roster(..)")
    }
}

impl Roster {
    /// The roster of a new room, whose maker is alone in it.
    pub fn founded(name: String, leaf: PublicKeyBytes, user: PeerId, device: DeviceId) -> Self {
        let users = vec![RosterUser { user, role: Role::Owner, came_in: 0 }];
        Self { name, topic: String::new(), users, leaves: vec![RosterLeaf { leaf, user, device, came_in: 0 }], knocks: None }
    }

    /// Reads a roster and checks its bounds.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let roster: Self = codec::decode(bytes, ROSTER_MAX).ok()?;
        roster.is_bounded().then_some(roster)
    }

    /// Whether this can be a roster: in order, each user with a device and each device with a user, no device twice, and
    /// somebody owns the room.
    pub fn is_bounded(&self) -> bool {
        let devices: BTreeSet<&DeviceId> = self.leaves.iter().map(|leaf| &leaf.device).collect();
        let with_leaves: BTreeSet<PeerId> = self.leaves.iter().map(|leaf| leaf.user).collect();
        !self.name.is_empty()
            && is_name(&self.name)
            && is_topic(&self.topic)
            && self.leaves.len() <= MEMBERS_MAX
            && rises(self.leaves.iter().map(|leaf| &leaf.leaf))
            && rises(self.users.iter().map(|user| &user.user))
            && devices.len() == self.leaves.len()
            && with_leaves == self.people()
            && self.users.iter().any(|user| user.role == Role::Owner)
            && self.knocks.as_ref().is_none_or(Knocks::is_bounded)
    }

    /// What stands in the context of the epoch whose roster this is.
    pub fn hash(&self) -> Digest {
        hash(HASH_ROSTER, &[&codec::encode(self)])
    }

    /// A user, if they are in the room.
    pub fn user(&self, user: &PeerId) -> Option<&RosterUser> {
        self.users.iter().find(|row| row.user == *user)
    }

    /// What a user may do, if they are in the room.
    pub fn role(&self, user: &PeerId) -> Option<Role> {
        self.user(user).map(|row| row.role)
    }

    /// Who is in the room.
    pub fn people(&self) -> BTreeSet<PeerId> {
        self.users.iter().map(|row| row.user).collect()
    }

    /// Whose the leaf with this signature key is.
    pub fn leaf(&self, key: &PublicKeyBytes) -> Option<&RosterLeaf> {
        self.leaves.iter().find(|row| row.leaf == *key)
    }

    /// The leaf of a device.
    pub fn device(&self, device: &DeviceId) -> Option<&RosterLeaf> {
        self.leaves.iter().find(|row| row.device == *device)
    }

    /// The leaves of a user.
    pub fn leaves_of(&self, user: &PeerId) -> impl Iterator<Item = &RosterLeaf> {
        self.leaves.iter().filter(move |row| row.user == *user)
    }
}

fn rises<T: Ord>(mut keys: impl Iterator<Item = T>) -> bool {
    let Some(mut last) = keys.next() else { return true };
    keys.all(|key| {
        let above = last < key;
        last = key;
        above
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::limits::{NAME_MAX, TOPIC_MAX};

    fn roster() -> Roster {
        let mut roster = Roster::founded("Crew".into(), PublicKeyBytes([1; 32]), PeerId([1; 32]), DeviceId([1; 16]));
        roster.users.push(RosterUser { user: PeerId([2; 32]), role: Role::Member, came_in: 1 });
        let leaf = |n: u8| RosterLeaf { leaf: PublicKeyBytes([n; 32]), user: PeerId([2; 32]), device: DeviceId([n; 16]), came_in: 1 };
        roster.leaves.extend([leaf(2), leaf(3)]);
        roster
    }

    #[test]
    fn a_roster_reads_back_and_has_one_hash() {
        let mut other = roster();
        assert_eq!(Roster::decode(&codec::encode(&roster())), Some(roster()));
        assert_eq!(roster().hash(), other.hash());
        other.topic = "Boats".into();
        assert_ne!(roster().hash(), other.hash());
        other = roster();
        other.users[1].role = Role::Admin;
        assert_ne!(roster().hash(), other.hash());
        other = roster();
        other.leaves[2].came_in = 2;
        assert_ne!(roster().hash(), other.hash());
    }

    #[test]
    fn what_cannot_be_a_roster_is_refused() {
        type Harm = fn(&mut Roster);
        let cases: [(&str, Harm); 12] = [
            ("no name", |roster| roster.name.clear()),
            ("long name", |roster| roster.name = "x".repeat(NAME_MAX + 1)),
            ("name with a line end", |roster| roster.name = "Crew\nAna has left".into()),
            ("long topic", |roster| roster.topic = "x".repeat(TOPIC_MAX + 1)),
            ("topic with a control character", |roster| roster.topic = "\u{1b}[2J".into()),
            ("users out of order", |roster| roster.users.swap(0, 1)),
            ("leaves out of order", |roster| roster.leaves.swap(0, 1)),
            ("a user twice", |roster| roster.users[0] = roster.users[1].clone()),
            ("a device twice", |roster| roster.leaves[2].device = DeviceId([2; 16])),
            ("a user without a device", |roster| roster.leaves.truncate(1)),
            ("a device of nobody", |roster| roster.users.truncate(1)),
            ("no owner", |roster| roster.users[0].role = Role::Admin),
        ];
        assert!(roster().is_bounded());
        for (what, harm) in cases {
            let mut bad = roster();
            harm(&mut bad);
            assert!(!bad.is_bounded(), "{what}");
            assert_eq!(Roster::decode(&codec::encode(&bad)), None, "{what}");
        }
    }

    #[test]
    fn a_full_roster_fits_and_one_device_more_does_not() {
        let mut full = Roster::founded("x".repeat(NAME_MAX), PublicKeyBytes([0; 32]), PeerId([0; 32]), DeviceId([0; 16]));
        full.topic = "x".repeat(TOPIC_MAX);
        let key = |n: usize| {
            let mut key = [0xFF; 32];
            key[..2].copy_from_slice(&u16::try_from(n).unwrap().to_be_bytes());
            key
        };
        let add = |full: &mut Roster, n: usize| {
            full.users.push(RosterUser { user: PeerId(key(n)), role: Role::Member, came_in: u64::MAX });
            let device = DeviceId::from_slice(&key(n)[..16]).unwrap();
            full.leaves.push(RosterLeaf { leaf: PublicKeyBytes(key(n)), user: PeerId(key(n)), device, came_in: u64::MAX });
        };
        for n in 1..MEMBERS_MAX {
            add(&mut full, n);
        }
        assert_eq!(Roster::decode(&codec::encode(&full)), Some(full.clone()));
        add(&mut full, MEMBERS_MAX);
        assert!(!full.is_bounded());
    }
}

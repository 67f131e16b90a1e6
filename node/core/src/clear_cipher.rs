//! A room cipher for tests: nothing is encrypted, but everything fails as with MLS.
//!
//! A text opens once, out of order within bounds; later epochs are ahead and old ones gone;
//! an altered byte, a text of another room or branch and a wrong pre-shared key are refused;
//! KeyPackages and pre-shared keys are used up. All of it follows from one seed, and the
//! whole state can be cloned and compared: rooms are shared until one of the copies changes
//! them, so that a snapshot at each turn is cheap.
//!
//! It is not secret, and a member that was removed could compute the next epoch's secret if
//! it wished: tests of secrecy belong to the real cipher.

mod epoch;
mod room;
mod wire;

use self::epoch::{Epoch, hash};
use self::room::{Room, Step};
use self::wire::{CommitBody, InfoBody, Kind, PackageBody, WelcomeBody};
use crate::world::{CipherError, Committer, Joined, LeafKey, Lifetime, Member, Opened, Pending, Proposals, RoomCipher, RoomView, Sealed};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use symbolon_presence::id::{Digest, EpochId, PublicKeyBytes, RoomId};

/// Texts of so many epochs before the current one still open.
pub const PAST_EPOCHS: usize = 2;
/// Parent epochs kept for rewinding, a room.
pub const PARENTS_MAX: usize = 5;
/// A sender's texts open in any order within so many generations.
pub const OUT_OF_ORDER_TOLERANCE: u32 = 1_024;
/// A sender's ratchet is moved forward by at most so many generations for one message.
pub const FORWARD_DISTANCE: u32 = 65_536;

/// The cipher, which is its whole state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClearCipher {
    seed: [u8; 32],
    drawn: u64,
    leaves: BTreeSet<LeafKey>,
    /// KeyPackages of ours not used yet, by the hash of their bytes.
    packages: BTreeMap<Digest, LeafKey>,
    psks: BTreeMap<[u8; 32], Digest>,
    rooms: BTreeMap<RoomId, Arc<Room>>,
}

impl ClearCipher {
    /// A cipher without rooms. Two of the same seed behave alike; members of one room need
    /// different seeds, as they need different random numbers.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0, leaves: BTreeSet::new(), packages: BTreeMap::new(), psks: BTreeMap::new(), rooms: BTreeMap::new() }
    }

    fn draw(&mut self) -> Digest {
        self.drawn += 1;
        hash("draw", &[&self.seed, &self.drawn.to_be_bytes()])
    }

    fn room(&self, room: RoomId) -> Result<&Room, CipherError> {
        self.rooms.get(&room).map(Arc::as_ref).ok_or(CipherError::Gone)
    }

    fn room_mut(&mut self, room: RoomId) -> Result<&mut Room, CipherError> {
        self.rooms.get_mut(&room).map(Arc::make_mut).ok_or(CipherError::Gone)
    }

    /// A room whose member we still are.
    fn active(&mut self, room: RoomId) -> Result<&mut Room, CipherError> {
        let room = self.room_mut(room)?;
        if room.active { Ok(room) } else { Err(CipherError::Gone) }
    }

    /// Whether the room can be entered with this leaf.
    fn may_enter(&self, room: RoomId, leaf: LeafKey) -> Result<(), CipherError> {
        if self.leaves.contains(&leaf) && !self.rooms.contains_key(&room) { Ok(()) } else { Err(CipherError::Broken) }
    }

    fn enter(&mut self, room: RoomId, own: u32, leaf: LeafKey, epoch: Epoch) -> EpochId {
        let id = epoch.id;
        self.rooms.insert(room, Arc::new(Room::new(own, leaf, epoch)));
        id
    }
}

impl RoomCipher for ClearCipher {
    fn fresh_leaf(&mut self) -> Result<LeafKey, CipherError> {
        let leaf = LeafKey(self.draw().0);
        self.leaves.insert(leaf);
        Ok(leaf)
    }

    fn key_package(&mut self, leaf: LeafKey, credential: &[u8], lifetime: Lifetime) -> Result<Vec<u8>, CipherError> {
        if !self.leaves.contains(&leaf) {
            return Err(CipherError::Broken);
        }
        let body = PackageBody {
            leaf: PublicKeyBytes(leaf.0),
            credential: credential.to_vec(),
            not_before: lifetime.not_before,
            not_after: lifetime.not_after,
            nonce: self.draw(),
        };
        let bytes = wire::write(Kind::Package, &body, &wire::PUBLIC);
        self.packages.insert(hash("package", &[&bytes]), leaf);
        Ok(bytes)
    }

    fn create(&mut self, room: RoomId, leaf: LeafKey, credential: &[u8], _: Lifetime) -> Result<EpochId, CipherError> {
        self.may_enter(room, leaf)?;
        let members = BTreeMap::from([(0, Member { index: 0, leaf, credential: credential.to_vec() })]);
        let epoch = Epoch::new(room, 0, self.draw(), members);
        Ok(self.enter(room, 0, leaf, epoch))
    }

    fn offer(&mut self, room: RoomId) -> Result<Vec<u8>, CipherError> {
        let epoch = &self.active(room)?.current;
        let body = InfoBody {
            room,
            number: epoch.number,
            confirmation: epoch.confirmation(),
            external: epoch.external(),
            members: epoch.members.values().map(Into::into).collect(),
        };
        Ok(wire::write(Kind::Info, &body, &wire::PUBLIC))
    }

    fn inspect(&self, group_info: &[u8]) -> Result<RoomView, CipherError> {
        let info: InfoBody = wire::read_public(Kind::Info, group_info)?;
        let epoch = epoch::name(info.room, info.number, info.confirmation);
        Ok(RoomView { room: info.room, epoch, members: info.members.into_iter().map(Into::into).collect() })
    }

    fn share_psk(&mut self, id: &[u8; 32], secret: &[u8; 32]) -> Result<(), CipherError> {
        self.psks.insert(*id, Digest(*secret));
        Ok(())
    }

    fn unshare_psk(&mut self, id: &[u8; 32]) -> Result<(), CipherError> {
        self.psks.remove(id);
        Ok(())
    }

    fn join_external(
        &mut self,
        group_info: &[u8],
        psk: &[u8; 32],
        leaf: LeafKey,
        credential: &[u8],
        _: Lifetime,
    ) -> Result<Joined, CipherError> {
        let info: InfoBody = wire::read_public(Kind::Info, group_info)?;
        self.may_enter(info.room, leaf)?;
        let secret = *self.psks.get(psk).ok_or(CipherError::Broken)?;
        let mut members: BTreeMap<u32, Member> = info.members.into_iter().map(|m| (m.index, m.into())).collect();
        let own = epoch::lowest_free(&members);
        let joiner = Member { index: own, leaf, credential: credential.to_vec() };
        let mut body = CommitBody {
            room: info.room,
            number: info.number,
            sender: None,
            generation: 0,
            random: self.draw(),
            add: vec![(&joiner).into()],
            remove: Vec::new(),
            psk: Some(Digest(*psk)),
            confirmation: Digest([0; 32]),
        };
        members.insert(own, joiner);
        let epoch = body.confirm(info.external, Some(secret), members);
        let commit = wire::write(Kind::Commit, &body, &info.external);
        self.psks.remove(psk);
        let room = info.room;
        Ok(Joined { room, epoch: self.enter(room, own, leaf, epoch), commit })
    }

    fn join_welcome(&mut self, welcome: &[u8]) -> Result<Joined, CipherError> {
        let (body, check) = wire::read::<WelcomeBody>(Kind::Welcome, welcome)?;
        let found = body.packages.iter().find_map(|package| self.packages.get_key_value(package));
        let (package, leaf) = found.map(|(package, leaf)| (*package, *leaf)).ok_or(CipherError::Gone)?;
        check.with(&body.secret)?;
        self.may_enter(body.room, leaf)?;
        let members: BTreeMap<u32, Member> = body.members.into_iter().map(|m| (m.index, m.into())).collect();
        let own = members.values().find(|member| member.leaf == leaf).map(|member| member.index).ok_or(CipherError::Broken)?;
        self.packages.remove(&package);
        let epoch = Epoch::new(body.room, body.number, body.secret, members);
        Ok(Joined { room: body.room, epoch: self.enter(body.room, own, leaf, epoch), commit: Vec::new() })
    }

    fn seal(&mut self, room: RoomId, plaintext: &[u8], aad: &[u8]) -> Result<Sealed, CipherError> {
        Ok(self.active(room)?.seal(room, plaintext, aad))
    }

    fn open(&mut self, room: RoomId, bytes: &[u8]) -> Result<Opened, CipherError> {
        // A refusal must not separate this copy of the room from a snapshot's.
        let place = self.rooms.get_mut(&room).ok_or(CipherError::Gone)?;
        let mut changed = Room::clone(place);
        let (opened, psk) = changed.open(room, bytes, &self.psks)?;
        *place = Arc::new(changed);
        if let Some(psk) = psk {
            self.psks.remove(&psk.0);
        }
        Ok(opened)
    }

    fn commit(&mut self, room: RoomId, proposals: &Proposals) -> Result<Pending, CipherError> {
        let packages = proposals.add.iter().map(|bytes| wire::read_public::<PackageBody>(Kind::Package, bytes));
        let packages = packages.collect::<Result<Vec<_>, _>>()?;
        let random = self.draw();
        let place = self.active(room)?;
        if place.pending.is_some() {
            return Err(CipherError::Broken);
        }
        let mut members = place.current.members.clone();
        for index in &proposals.remove {
            if *index == place.own || members.remove(index).is_none() {
                return Err(CipherError::Broken);
            }
        }
        let mut add = Vec::new();
        for package in packages {
            let leaf = LeafKey(package.leaf.0);
            if members.values().any(|member| member.leaf == leaf) {
                return Err(CipherError::Broken);
            }
            let index = epoch::lowest_free(&members);
            let member = Member { index, leaf, credential: package.credential };
            add.push((&member).into());
            members.insert(index, member);
        }
        let mut body = CommitBody {
            room,
            number: place.current.number,
            sender: Some(place.own),
            generation: place.current.commits_sent,
            random,
            add,
            remove: proposals.remove.clone(),
            psk: None,
            confirmation: Digest([0; 32]),
        };
        place.current.commits_sent += 1;
        let next = body.confirm(place.current.secret, None, members);
        let welcome = (!proposals.add.is_empty()).then(|| {
            let welcome = WelcomeBody {
                room,
                number: next.number,
                secret: next.secret,
                members: next.members.values().map(Into::into).collect(),
                packages: proposals.add.iter().map(|bytes| hash("package", &[bytes])).collect(),
            };
            wire::write(Kind::Welcome, &welcome, &next.secret)
        });
        let commit = wire::write(Kind::Commit, &body, &place.current.secret);
        let pending = Pending { parent: place.current.id, epoch: next.id, commit, welcome };
        place.pending = Some(Step { epoch: next, removes_us: false });
        Ok(pending)
    }

    fn adopt(&mut self, room: RoomId, epoch: EpochId) -> Result<(), CipherError> {
        self.room_mut(room)?.adopt(epoch)
    }

    fn reject(&mut self, room: RoomId) -> Result<(), CipherError> {
        let room = self.room_mut(room)?;
        room.pending = None;
        room.staged = None;
        Ok(())
    }

    fn rewind(&mut self, room: RoomId, parent: EpochId) -> Result<(), CipherError> {
        self.room_mut(room)?.rewind(parent)
    }

    fn complete(&mut self, room: RoomId) -> Result<(), CipherError> {
        self.room_mut(room)?.parents.clear();
        Ok(())
    }

    fn forget(&mut self, room: RoomId) -> Result<(), CipherError> {
        let leaf = self.room(room)?.leaf;
        self.rooms.remove(&room);
        self.leaves.remove(&leaf);
        Ok(())
    }

    fn epoch(&self, room: RoomId) -> Result<EpochId, CipherError> {
        Ok(self.room(room)?.current.id)
    }

    fn members(&self, room: RoomId) -> Result<Vec<Member>, CipherError> {
        Ok(self.room(room)?.current.members.values().cloned().collect())
    }

    fn export(&self, room: RoomId, label: &str, context: &[u8]) -> Result<[u8; 32], CipherError> {
        let room = self.room(room)?;
        if !room.active {
            return Err(CipherError::Gone);
        }
        Ok(hash("export", &[&room.current.secret.0, label.as_bytes(), context]).0)
    }
}

/// Who a commit says it is from.
fn committer(body: &CommitBody) -> Committer {
    body.sender.map_or(Committer::External, Committer::Member)
}

#[cfg(test)]
mod tests;

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
use crate::world::{
    CipherError, Committer, Joined, LEAVES_MAX, LeafKey, Lifetime, Member, Opened, PackageKind, PackageView, Pending, Proposals, QUEUE_MAX,
    RoomCipher, RoomView, Sealed, Staged, WelcomeView,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use symbolon_presence::id::{Digest, EpochId, PublicKeyBytes, RoomId};

/// Texts of so many epochs before the current one still open.
pub const PAST_EPOCHS: usize = 2;
/// Parent epochs kept for rewinding, a room.
pub const PARENTS_MAX: usize = 16;
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
    /// KeyPackages of ours that can still be used, by the hash of their bytes.
    packages: BTreeMap<Digest, Package>,
    psks: BTreeMap<[u8; 32], Digest>,
    rooms: BTreeMap<RoomId, Arc<Room>>,
}

/// A KeyPackage of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    leaf: LeafKey,
    last_resort: bool,
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

    /// The KeyPackage of ours that a Welcome is for.
    fn package_of(&self, body: &WelcomeBody) -> Result<(Digest, Package), CipherError> {
        let found = body.packages.iter().find_map(|package| self.packages.get_key_value(package));
        found.map(|(name, package)| (*name, package.clone())).ok_or(CipherError::Gone)
    }

    /// Reads a Welcome to a KeyPackage of ours.
    fn welcomed(&self, welcome: &[u8]) -> Result<Welcomed, CipherError> {
        let (body, check) = wire::read::<WelcomeBody>(Kind::Welcome, welcome)?;
        let (name, package) = self.package_of(&body)?;
        check.with(&body.secret)?;
        let members: BTreeMap<u32, Member> = body.members.into_iter().map(|m| (m.index, m.into())).collect();
        let own = members.values().find(|member| member.leaf == package.leaf).map(|member| member.index).ok_or(CipherError::Broken)?;
        if members.len() > LEAVES_MAX || !self.leaves.contains(&package.leaf) {
            return Err(CipherError::Broken);
        }
        let epoch = Epoch::new(body.room, body.number, body.secret, members, body.state);
        Ok(Welcomed { room: body.room, own, name, package, epoch })
    }

    /// Erases a leaf that neither a room nor a KeyPackage needs any more.
    fn release(&mut self, leaf: LeafKey) {
        let is_needed = self.rooms.values().any(|room| room.leaf == leaf) || self.packages.values().any(|package| package.leaf == leaf);
        if !is_needed {
            self.leaves.remove(&leaf);
        }
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

    fn key_package(&mut self, leaf: LeafKey, credential: &[u8], lifetime: Lifetime, kind: &PackageKind) -> Result<Vec<u8>, CipherError> {
        let has_one = self.packages.values().any(|package| package.leaf == leaf);
        if !self.leaves.contains(&leaf) || has_one || kind.queue.len() > QUEUE_MAX {
            return Err(CipherError::Broken);
        }
        let body = PackageBody {
            leaf: PublicKeyBytes(leaf.0),
            credential: credential.to_vec(),
            not_before: lifetime.not_before,
            not_after: lifetime.not_after,
            nonce: self.draw(),
            last_resort: kind.last_resort,
            queue: kind.queue.clone(),
        };
        let bytes = wire::write(Kind::Package, &body, &wire::PUBLIC);
        self.packages.insert(hash("package", &[&bytes]), Package { leaf, last_resort: kind.last_resort });
        Ok(bytes)
    }

    fn inspect_package(&self, package: &[u8]) -> Result<PackageView, CipherError> {
        let body = read_package(package)?;
        let lifetime = Lifetime { not_before: body.not_before, not_after: body.not_after };
        let kind = PackageKind { last_resort: body.last_resort, queue: body.queue };
        Ok(PackageView { leaf: LeafKey(body.leaf.0), credential: body.credential, lifetime, kind })
    }

    fn drop_package(&mut self, leaf: LeafKey) -> Result<(), CipherError> {
        let before = self.packages.len();
        self.packages.retain(|_, package| package.leaf != leaf);
        if self.packages.len() < before {
            self.release(leaf);
        }
        Ok(())
    }

    fn create(
        &mut self,
        room: RoomId,
        leaf: LeafKey,
        credential: &[u8],
        _: Lifetime,
        state: Option<Digest>,
    ) -> Result<EpochId, CipherError> {
        self.may_enter(room, leaf)?;
        let members = BTreeMap::from([(0, Member { index: 0, leaf, credential: credential.to_vec() })]);
        let epoch = Epoch::new(room, 0, self.draw(), members, state);
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
            state: epoch.state,
        };
        Ok(wire::write(Kind::Info, &body, &wire::PUBLIC))
    }

    fn inspect(&self, group_info: &[u8]) -> Result<RoomView, CipherError> {
        let info: InfoBody = wire::read_public(Kind::Info, group_info)?;
        let epoch = epoch::name(info.room, info.number, info.confirmation);
        if info.members.len() >= LEAVES_MAX {
            return Err(CipherError::Broken);
        }
        Ok(RoomView { room: info.room, epoch, members: info.members.into_iter().map(Into::into).collect(), state: info.state })
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
            state: None,
            aad: None,
        };
        members.insert(own, joiner);
        if members.len() > LEAVES_MAX {
            return Err(CipherError::Broken);
        }
        let epoch = body.confirm(info.external, Some(secret), members, info.state);
        let commit = wire::write(Kind::Commit, &body, &info.external);
        self.psks.remove(psk);
        let room = info.room;
        let state = epoch.state;
        Ok(Joined { room, epoch: self.enter(room, own, leaf, epoch), commit, state })
    }

    fn join_welcome(&mut self, welcome: &[u8]) -> Result<Joined, CipherError> {
        let Welcomed { room, own, name, package: Package { leaf, last_resort }, epoch } = self.welcomed(welcome)?;
        self.may_enter(room, leaf)?;
        if !last_resort {
            self.packages.remove(&name);
        }
        let state = epoch.state;
        Ok(Joined { room, epoch: self.enter(room, own, leaf, epoch), commit: Vec::new(), state })
    }

    fn view_welcome(&self, welcome: &[u8], label: &str) -> Result<WelcomeView, CipherError> {
        let Welcomed { room, epoch, .. } = self.welcomed(welcome)?;
        let exported = exported(&epoch, label, &[]);
        Ok(WelcomeView { room, number: epoch.number, state: epoch.state, members: epoch.members.values().cloned().collect(), exported })
    }

    fn welcome_leaf(&self, welcome: &[u8]) -> Result<LeafKey, CipherError> {
        let (body, _) = wire::read::<WelcomeBody>(Kind::Welcome, welcome)?;
        Ok(self.package_of(&body)?.1.leaf)
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

    fn peek(&self, room: RoomId, parent: EpochId, bytes: &[u8]) -> Result<Staged, CipherError> {
        self.room(room)?.peek(room, parent, bytes, &self.psks)
    }

    fn commit(&mut self, room: RoomId, proposals: &Proposals, aad: &[u8]) -> Result<Pending, CipherError> {
        let packages = proposals.add.iter().map(|bytes| read_package(bytes)).collect::<Result<Vec<_>, _>>()?;
        let random = self.draw();
        let place = self.active(room)?;
        if place.pending.is_some() || (proposals.state.is_some() && place.current.state.is_none()) {
            return Err(CipherError::Broken);
        }
        let mut members = BTreeMap::clone(&place.current.members);
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
        if members.len() > LEAVES_MAX {
            return Err(CipherError::Broken);
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
            state: proposals.state,
            aad: (!aad.is_empty()).then(|| aad.to_vec().into()),
        };
        place.current.commits_sent += 1;
        let next = body.confirm(place.current.secret, None, members, place.current.state);
        let welcome = (!proposals.add.is_empty()).then(|| {
            let welcome = WelcomeBody {
                room,
                number: next.number,
                secret: next.secret,
                members: next.members.values().map(Into::into).collect(),
                packages: proposals.add.iter().map(|bytes| hash("package", &[bytes])).collect(),
                state: next.state,
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

    fn forget_parents(&mut self, room: RoomId, except: &[EpochId]) -> Result<(), CipherError> {
        self.room_mut(room)?.forget_parents(except);
        Ok(())
    }

    fn forget(&mut self, room: RoomId) -> Result<(), CipherError> {
        let leaf = self.room(room)?.leaf;
        self.rooms.remove(&room);
        self.release(leaf);
        Ok(())
    }

    fn epoch(&self, room: RoomId) -> Result<EpochId, CipherError> {
        Ok(self.room(room)?.current.id)
    }

    fn state(&self, room: RoomId) -> Result<Option<Digest>, CipherError> {
        Ok(self.room(room)?.current.state)
    }

    fn members(&self, room: RoomId) -> Result<Vec<Member>, CipherError> {
        Ok(self.room(room)?.current.members.values().cloned().collect())
    }

    fn export(&self, room: RoomId, label: &str, context: &[u8]) -> Result<[u8; 32], CipherError> {
        let room = self.room(room)?;
        if !room.active {
            return Err(CipherError::Gone);
        }
        Ok(exported(&room.current, label, context))
    }
}

fn exported(epoch: &Epoch, label: &str, context: &[u8]) -> [u8; 32] {
    hash("export", &[&epoch.secret.0, label.as_bytes(), context]).0
}

/// A Welcome to a KeyPackage of ours, checked.
struct Welcomed {
    room: RoomId,
    /// Our place in it.
    own: u32,
    name: Digest,
    package: Package,
    epoch: Epoch,
}

/// A KeyPackage, checked.
fn read_package(bytes: &[u8]) -> Result<PackageBody, CipherError> {
    let body: PackageBody = wire::read_public(Kind::Package, bytes)?;
    if body.queue.len() <= QUEUE_MAX { Ok(body) } else { Err(CipherError::Broken) }
}

/// Who a commit says it is from.
fn committer(body: &CommitBody) -> Committer {
    body.sender.map_or(Committer::External, Committer::Member)
}

#[cfg(test)]
mod tests;

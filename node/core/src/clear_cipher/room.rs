//! One room: the epoch it is in, those kept, and the commits that await their fate.

use super::epoch::{self, Epoch};
use super::wire::{self, CommitBody, Kind, TextBody};
use super::{PARENTS_MAX, PAST_EPOCHS, committer};
use crate::world::{CipherError, LEAVES_MAX, LeafKey, Member, Opened, Sealed, Staged};
use std::collections::BTreeMap;
use symbolon_presence::id::{Digest, EpochId, RoomId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    pub own: u32,
    pub leaf: LeafKey,
    pub active: bool,
    pub current: Epoch,
    /// Oldest first, at most [`PAST_EPOCHS`].
    pub past: Vec<Epoch>,
    /// Oldest first, at most [`PARENTS_MAX`].
    pub parents: Vec<Parent>,
    pub pending: Option<Step>,
    pub staged: Option<Step>,
}

/// A room as it was in a parent epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parent {
    current: Epoch,
    past: Vec<Epoch>,
}

/// What a commit leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub epoch: Epoch,
    pub removes_us: bool,
}

impl Room {
    pub fn new(own: u32, leaf: LeafKey, current: Epoch) -> Self {
        Self { own, leaf, active: true, current, past: Vec::new(), parents: Vec::new(), pending: None, staged: None }
    }

    pub fn seal(&mut self, room: RoomId, plaintext: &[u8], aad: &[u8]) -> Sealed {
        let body = TextBody {
            room,
            number: self.current.number,
            sender: self.own,
            generation: self.current.texts_sent,
            aad: aad.to_vec(),
            plaintext: plaintext.to_vec(),
        };
        self.current.texts_sent += 1;
        Sealed { epoch: self.current.id, bytes: wire::write(Kind::Text, &body, &self.current.secret) }
    }

    /// Opens a message; also names the pre-shared key that it used up.
    pub fn open(&mut self, room: RoomId, bytes: &[u8], psks: &BTreeMap<[u8; 32], Digest>) -> Result<(Opened, Option<Digest>), CipherError> {
        match wire::kind(bytes) {
            Some(Kind::Text) => Ok((self.open_text(room, bytes)?, None)),
            Some(Kind::Commit) => self.open_commit(room, bytes, psks),
            Some(Kind::Package | Kind::Info | Kind::Welcome) | None => Err(CipherError::Broken),
        }
    }

    /// Whether a message of this room and epoch can be looked at. Nothing of this is
    /// authenticated.
    fn admit(&self, ours: bool, number: u64) -> Result<(), CipherError> {
        if !ours {
            Err(CipherError::Broken)
        } else if !self.active {
            Err(CipherError::Gone)
        } else if number > self.current.number {
            Err(CipherError::Ahead)
        } else {
            Ok(())
        }
    }

    fn open_text(&mut self, room: RoomId, bytes: &[u8]) -> Result<Opened, CipherError> {
        let (body, check) = wire::read::<TextBody>(Kind::Text, bytes)?;
        self.admit(body.room == room, body.number)?;
        let mut epochs = self.past.iter_mut().chain([&mut self.current]);
        let epoch = epochs.find(|epoch| epoch.number == body.number).ok_or(CipherError::Gone)?;
        check.with(&epoch.secret)?;
        let sender = epoch.members.get(&body.sender).filter(|sender| sender.index != self.own).ok_or(CipherError::Broken)?.clone();
        epoch.texts.entry(body.sender).or_default().take(body.generation)?;
        let epoch = epoch.id;
        // What is opened in a later epoch must not open again after rewinding.
        for kept in self.parents.iter_mut().flat_map(|parent| parent.past.iter_mut().chain([&mut parent.current])) {
            if kept.id == epoch {
                // A parent that dropped the generation has nothing to use up.
                let _ = kept.texts.entry(body.sender).or_default().take(body.generation);
            }
        }
        Ok(Opened::Text { sender, epoch, plaintext: body.plaintext, aad: body.aad })
    }

    fn open_commit(
        &mut self,
        room: RoomId,
        bytes: &[u8],
        psks: &BTreeMap<[u8; 32], Digest>,
    ) -> Result<(Opened, Option<Digest>), CipherError> {
        let (mut body, check) = wire::read::<CommitBody>(Kind::Commit, bytes)?;
        self.admit(body.room == room, body.number)?;
        if body.number < self.current.number {
            return Err(CipherError::Gone);
        }
        let base = if body.sender.is_some() { self.current.secret } else { self.current.external() };
        check.with(&base)?;
        if let Some(sender) = body.sender {
            if sender == self.own || !self.current.members.contains_key(&sender) {
                return Err(CipherError::Broken);
            }
            self.current.commits.entry(sender).or_default().take(body.generation)?;
        }
        let psk = match (body.sender, body.psk) {
            (Some(_), None) => None,
            (None, Some(id)) => Some(*psks.get(&id.0).ok_or(CipherError::Broken)?),
            (Some(_), Some(_)) | (None, None) => return Err(CipherError::Broken),
        };
        let (members, added) = self.apply(&body)?;
        // A room has a state from the beginning or never, and anyone who enters changes none.
        if body.state.is_some() && (body.sender.is_none() || self.current.state.is_none()) {
            return Err(CipherError::Broken);
        }
        let claimed = body.confirmation;
        let mut next = body.confirm(base, psk, members, self.current.state);
        if next.confirmation() != claimed {
            return Err(CipherError::Broken);
        }
        let removes_us = body.remove.contains(&self.own);
        if removes_us {
            // Whom a commit removes does not learn the new epoch's name.
            next.id = EpochId(epoch::hash("removed", &[next.id.as_bytes()]).0);
        }
        let staged = Staged {
            parent: self.current.id,
            number: self.current.number,
            epoch: next.id,
            committer: committer(&body),
            added,
            removed: body.remove.clone(),
            state: next.state,
            aad: body.aad.map(Vec::from).unwrap_or_default(),
        };
        self.staged = Some(Step { epoch: next, removes_us });
        Ok((Opened::Commit(staged), body.psk))
    }

    /// Checks a commit as [`Room::open`] would have done in a kept parent epoch.
    pub fn peek(&self, room: RoomId, parent: EpochId, bytes: &[u8], psks: &BTreeMap<[u8; 32], Digest>) -> Result<Staged, CipherError> {
        let kept = self.parents.iter().find(|kept| kept.current.id == parent).ok_or(CipherError::Gone)?;
        let mut there = Self::new(self.own, self.leaf, kept.current.clone());
        match there.open(room, bytes, psks)? {
            (Opened::Commit(staged), _) => Ok(staged),
            (Opened::Text { .. }, _) => Err(CipherError::Broken),
        }
    }

    /// The members after a commit, and those whom it adds.
    fn apply(&self, body: &CommitBody) -> Result<(BTreeMap<u32, Member>, Vec<Member>), CipherError> {
        let mut members = BTreeMap::clone(&self.current.members);
        for index in &body.remove {
            if body.sender.is_none_or(|sender| sender == *index) || members.remove(index).is_none() {
                return Err(CipherError::Broken);
            }
        }
        let mut added = Vec::new();
        for member in &body.add {
            let member = Member::from(member.clone());
            if member.index != epoch::lowest_free(&members) || members.values().any(|other| other.leaf == member.leaf) {
                return Err(CipherError::Broken);
            }
            added.push(member.clone());
            members.insert(member.index, member);
        }
        if members.len() > LEAVES_MAX || body.sender.is_none() && added.len() != 1 {
            return Err(CipherError::Broken);
        }
        Ok((members, added))
    }

    pub fn adopt(&mut self, epoch: EpochId) -> Result<(), CipherError> {
        let leads = |step: &&mut Option<Step>| step.as_ref().is_some_and(|step| step.epoch.id == epoch);
        let step = [&mut self.staged, &mut self.pending].into_iter().find(leads).and_then(Option::take).ok_or(CipherError::Gone)?;
        self.pending = None;
        self.staged = None;
        self.parents.push(Parent { current: self.current.clone(), past: self.past.clone() });
        let excess = self.parents.len().saturating_sub(PARENTS_MAX);
        self.parents.drain(..excess);
        self.past.push(std::mem::replace(&mut self.current, step.epoch));
        let excess = self.past.len().saturating_sub(PAST_EPOCHS);
        self.past.drain(..excess);
        self.active = !step.removes_us;
        Ok(())
    }

    pub fn forget_parents(&mut self, except: &[EpochId]) {
        self.parents.retain(|parent| except.contains(&parent.current.id));
    }

    pub fn rewind(&mut self, parent: EpochId) -> Result<(), CipherError> {
        let place = self.parents.iter().position(|other| other.current.id == parent).ok_or(CipherError::Gone)?;
        let kept = self.parents.split_off(place).into_iter().next().ok_or(CipherError::Gone)?;
        self.current = kept.current;
        self.past = kept.past;
        self.pending = None;
        self.staged = None;
        self.active = true;
        Ok(())
    }
}

//! For tests: what a member of a shared room makes who does not keep to the protocol. Its commits go to whom it likes and are
//! taken by others only, so it can make any number of them in one epoch.

use crate::Core;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::order::{Act, Commit};
use crate::rooms;
use crate::rows::ROOM_LANE;
use crate::turn::TurnFailed;
use crate::wire::{CommitInfo, Piece, RoomPayload, Roster, SeatedRoster, Ways, WelcomeBundle};
use crate::world::{Proposals, Sealed, World};
use rand_chacha::ChaCha20Rng;
use symbolon_presence::id::{DeviceId, EpochId, PeerId, PublicKeyBytes, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;

/// What the forger knows of the room.
#[derive(Debug)]
pub struct Forger<'a> {
    /// The room.
    pub room: RoomId,
    /// Its present roster.
    pub roster: &'a Roster,
    /// The number of its present epoch.
    pub number: u64,
    /// The forger's own leaf.
    pub leaf: PublicKeyBytes,
    /// All leaves, by position.
    pub leaves: &'a [(u32, PublicKeyBytes)],
    /// The credential encryption key of the epoch.
    pub key: &'a Secret,
    rng: &'a mut ChaCha20Rng,
}

impl Forger<'_> {
    /// Where a leaf stands in the tree.
    pub fn position(&self, leaf: &PublicKeyBytes) -> Option<u32> {
        self.leaves.iter().find(|(_, other)| other == leaf).map(|(index, _)| *index)
    }

    /// The roster that would follow, were the forger allowed to do this.
    pub fn after(&self, acts: Vec<Act>) -> Option<Roster> {
        let commit = Commit { by: self.leaf, number: self.number, acts };
        self.roster.after(&commit, &|leaf| self.position(leaf)).ok().map(|(roster, _)| roster)
    }

    /// What a commit says, sealed as it should be.
    pub fn seal(&mut self, info: &CommitInfo) -> Vec<u8> {
        info.seal(self.key, &self.room, self.number, self.rng)
    }

    /// The same under another key.
    pub fn seal_under(&mut self, key: &Secret, info: &CommitInfo) -> Vec<u8> {
        info.seal(key, &self.room, self.number, self.rng)
    }
}

/// A commit that is to be made.
#[derive(Debug)]
pub struct Forgery {
    /// What MLS shows of it.
    pub proposals: Proposals,
    /// Its authenticated data.
    pub said: Vec<u8>,
}

impl Core {
    /// Makes a commit in a shared room, however wrong, and gives it to these members; the forger stays where it is.
    pub fn forge_commit(
        &mut self,
        now: Timestamp,
        room: RoomId,
        to: &[PeerId],
        make: impl FnOnce(&mut Forger<'_>) -> Forgery,
        world: &mut World<'_>,
    ) -> Result<EpochId, TurnFailed> {
        self.apart(now, world, |state, turn| {
            let group = state.groups.rooms.get(&room).cloned().ok_or(TurnFailed("no such room"))?;
            let key = rooms::credential_key(turn, room)?;
            let leaves: Vec<(u32, PublicKeyBytes)> =
                rooms::leaves(turn, room)?.into_iter().map(|member| (member.index, PublicKeyBytes(member.leaf.0))).collect();
            let (roster, number, leaf) = (&group.roster, group.number, group.leaf);
            let Forgery { proposals, said } = make(&mut Forger { room, roster, number, leaf, leaves: &leaves, key: &key, rng: turn.rng });
            let pending = rooms::propose(turn, room, &proposals, &said)?.ok_or(TurnFailed("the cipher makes no such commit"))?;
            rooms::drop_commits(turn, room)?;
            let is_for = |device: &DeviceId| state.devices.get(device).is_some_and(|row| to.contains(&row.peer));
            let devices: Vec<DeviceId> = rooms::members(state, &room).into_iter().filter(is_for).collect();
            for device in devices {
                for part in Piece::split(&pending.commit) {
                    outbox::enqueue_part(state, turn, (&device, room, pending.parent), EnvelopeOwner::Mark, part);
                }
            }
            Ok(pending.epoch)
        })
    }

    /// Forgets a shared room and makes another one under its id, in which this device is alone and owns it.
    pub fn forge_twin(&mut self, now: Timestamp, room: RoomId, name: &str, world: &mut World<'_>) -> Result<(), TurnFailed> {
        self.apart(now, world, |state, turn| {
            rooms::forget(state, turn, room)?;
            state.drop_group(turn, &room);
            crate::groups::found(state, turn, room, name).map_err(|_| TurnFailed("the room is not made"))
        })
    }

    /// What a member has said of themselves in a shared room, as this device knows it.
    pub fn heard_of(&self, room: RoomId, member: PeerId) -> Option<Ways> {
        let state = &self.machines.state;
        let leaf = state.groups.rooms.get(&room)?.roster.leaves_of(&member).next()?.leaf;
        state.groups.seats.get(&(room, leaf)).map(|seat| seat.ways.clone())
    }

    /// Seals anything for a room, and gives it to nobody.
    pub fn seal_in_room(
        &mut self,
        now: Timestamp,
        room: RoomId,
        payload: &RoomPayload,
        world: &mut World<'_>,
    ) -> Result<Sealed, TurnFailed> {
        self.apart(now, world, |_, turn| rooms::say(turn, room, payload))
    }

    /// Gives somebody what was sealed by anybody, as if it were of this room and epoch. It leaves with the next turn.
    pub fn give_in_room(
        &mut self,
        now: Timestamp,
        (room, epoch): (RoomId, EpochId),
        (to, bytes): (PeerId, &[u8]),
        world: &mut World<'_>,
    ) -> Result<(), TurnFailed> {
        self.apart(now, world, |state, turn| {
            let devices: Vec<DeviceId> = state.devices.iter().filter(|(_, row)| row.peer == to).map(|(id, _)| *id).collect();
            for device in devices {
                for part in Piece::split(bytes) {
                    outbox::enqueue_part(state, turn, (&device, room, epoch), EnvelopeOwner::Mark, part);
                }
            }
            Ok(())
        })
    }

    /// Changes what a Welcome of ours tells a friend of the room that it leads to, signs it again as one into `room`, and says it. The one that
    /// waits for them is taken back.
    pub fn forge_welcome(
        &mut self,
        now: Timestamp,
        bundle: &WelcomeBundle,
        (room, to): (RoomId, PeerId),
        change: impl FnOnce(&mut SeatedRoster, &mut Secret),
        world: &mut World<'_>,
    ) -> Result<(), TurnFailed> {
        self.apart(now, world, |state, turn| {
            let mut key = rooms::seated_key(turn, bundle.room)?;
            let mut seated = SeatedRoster::open(&bundle.seated, &key, &bundle.room).ok_or(TurnFailed("it is of another epoch"))?;
            let leaf = seated.roster.leaves_of(&to).next().cloned().ok_or(TurnFailed("it is not for them"))?;
            change(&mut seated, &mut key);
            let parts = (bundle.welcome.clone(), seated.seal(&key, &bundle.room, turn.rng));
            let friend = state.friends.get(&to).cloned().ok_or(TurnFailed("no such friend"))?;
            let secret = friend.friendship.ok_or(TurnFailed("no secret of theirs"))?;
            let attribution = (secret.revision, &secret.waik());
            let forged = WelcomeBundle::sign(&state.own.identity, (room, leaf.leaf.as_bytes()), parts, attribution, turn.rng);
            for (number, row) in outbox::rows(turn, &leaf.device, ROOM_LANE, 256)? {
                if matches!(row.owner, EnvelopeOwner::Welcome(_)) {
                    outbox::skip(turn, friend.room, &leaf.device, number, row)?;
                }
            }
            let sealed = rooms::say(turn, friend.room, &RoomPayload::Welcome(Box::new(forged)))?;
            outbox::enqueue_room(state, turn, friend.room, &EnvelopeOwner::Mark, &sealed);
            Ok(())
        })
    }
}

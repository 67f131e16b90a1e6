//! For tests: another room of two friends beside their friendship's.
//!
//! How rooms are offered and joined between several people is a protocol to come. What lies below it is here already: a
//! room, its members, the order of its frames, delivery. So a test carries the handshake from hand to hand.

use crate::Core;
use crate::conversations;
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::friendships::show_back;
use crate::rooms;
use crate::state::State;
use crate::turn::{Rejected, Turn, TurnFailed};
use crate::wire::{Capabilities, LeafOwner, Piece, RoomPayload, Text};
use crate::world::{CipherError, World};
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, MessageId, PeerId, RoomId};
use symbolon_presence::identity::Chain;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;

/// A part of a room message, as it goes in one envelope.
pub type Part = (Option<Piece>, Vec<u8>);

/// What lets somebody in.
#[derive(Debug)]
pub struct Offered {
    /// The room.
    pub room: RoomId,
    /// Its GroupInfo.
    pub group_info: Vec<u8>,
    /// Whose its leaf is.
    pub leaf: LeafOwner,
}

/// What somebody hands back who has entered.
#[derive(Debug)]
pub struct Entering {
    /// Their commit.
    pub commit: Vec<u8>,
    /// Whose their leaf is.
    pub leaf: LeafOwner,
}

/// The key that both sides have, and its name in the commit.
fn key() -> ([u8; 32], Secret) {
    ([0x5e; 32], Secret::from_bytes([0xc0; 32]))
}

fn failed(_: CipherError) -> TurnFailed {
    TurnFailed("the room cipher failed")
}

/// The devices that a friend names.
fn devices_of(state: &State, friend: &PeerId) -> Vec<DeviceId> {
    state.friends.get(friend).map(|friend| friend.devices.clone()).unwrap_or_default()
}

/// The certificate of a friend's device.
fn chain_of(state: &State, friend: &PeerId) -> Result<Chain, TurnFailed> {
    let chain = devices_of(state, friend).first().and_then(|device| state.devices.get(device)).map(|row| row.chain.clone());
    chain.ok_or(TurnFailed("no such friend"))
}

impl Core {
    /// Makes a room and offers it.
    pub fn offer_room(&mut self, now: Timestamp, world: &mut World<'_>) -> Result<Offered, TurnFailed> {
        self.apart(now, world, |state, turn| {
            let (room, leaf) = rooms::create(state, turn).map_err(failed)?;
            Ok(Offered { room, group_info: rooms::offer(turn, room).map_err(failed)?, leaf: leaf.owner() })
        })
    }

    /// Enters a room that a friend offers. Answers the commit that the friend adopts.
    pub fn enter_room(&mut self, now: Timestamp, friend: PeerId, offered: &Offered, world: &mut World<'_>) -> Result<Entering, TurnFailed> {
        self.apart(now, world, |state, turn| {
            let leaf = rooms::OwnLeaf::fresh(turn).map_err(failed)?;
            let joined = rooms::enter(turn, &state.own.identity, &offered.group_info, &leaf, &key()).map_err(failed)?;
            let chain = chain_of(state, &friend)?;
            rooms::keep_leaf(state, turn, offered.room, &offered.leaf, &chain);
            rooms::keep_own_leaf(state, turn, offered.room, &leaf);
            register(state, turn, &friend, offered.room)?;
            Ok(Entering { commit: joined.commit, leaf: leaf.owner() })
        })
    }

    /// Lets a friend into a room that was offered.
    pub fn let_into_room(
        &mut self,
        now: Timestamp,
        friend: PeerId,
        offered: &Offered,
        entering: &Entering,
        world: &mut World<'_>,
    ) -> Result<(), TurnFailed> {
        self.apart(now, world, |state, turn| {
            let chain = chain_of(state, &friend)?;
            let device = chain.verify_known(turn.sure).map_err(|_| TurnFailed("no such friend"))?;
            let from = rooms::epoch(turn, offered.room).ok_or(TurnFailed("no such room"))?;
            let guest = rooms::Guest { device: &device, from, key: key(), leaf_key: &entering.leaf.key, commit: &entering.commit };
            match rooms::let_in(turn, offered.room, &guest, |_, _| Ok(())) {
                Ok((leaf, ())) => {
                    rooms::keep_leaf(state, turn, offered.room, &leaf, &chain);
                    register(state, turn, &friend, offered.room)
                }
                Err(Rejected::Turn(failed)) => Err(failed),
                Err(Rejected::Drop(_)) => Err(TurnFailed("the guest is not let in")),
            }
        })
    }

    /// Writes a text into a room that is no friendship's. It leaves with the next turn.
    pub fn write_in_room(&mut self, now: Timestamp, room: RoomId, text: &str, world: &mut World<'_>) -> Result<MessageId, TurnFailed> {
        self.apart(now, world, |state, turn| Ok(conversations::send_in(state, turn, room, text.to_owned())?.1))
    }

    /// Says anything in a room, as a member who does not keep to the protocol would.
    pub fn say_in_room(&mut self, now: Timestamp, room: RoomId, payload: &RoomPayload, world: &mut World<'_>) -> Result<(), TurnFailed> {
        self.apart(now, world, |state, turn| {
            let sealed = rooms::say(turn, room, payload)?;
            outbox::enqueue_room(state, turn, room, &EnvelopeOwner::Mark, &sealed);
            Ok(())
        })
    }

    /// Says a text with so many bytes of authenticated data beside it: as long as commits and Welcomes of large rooms will be.
    /// A test may change its parts before they go.
    pub fn write_long_in_room(
        &mut self,
        now: Timestamp,
        room: RoomId,
        text: &str,
        length: usize,
        change: impl FnOnce(Vec<Part>) -> Vec<Part>,
        world: &mut World<'_>,
    ) -> Result<(), TurnFailed> {
        self.apart(now, world, |state, turn| {
            let said = Text { id: MessageId::at(turn.stamp, turn.rng), at: turn.stamp, text: text.to_owned() };
            let sealed = turn.cipher.seal(room, &codec::encode(&RoomPayload::Text(said)), &vec![0x5a; length]).map_err(failed)?;
            let parts = change(Piece::split(&sealed.bytes).into_iter().map(|(piece, part)| (piece, part.to_vec())).collect());
            for to in rooms::members(state, &room) {
                for (piece, part) in &parts {
                    outbox::enqueue_part(state, turn, (&to, room, sealed.epoch), EnvelopeOwner::Mark, (*piece, part));
                }
            }
            Ok(())
        })
    }

    /// Hears from a friend's devices what their builds take, or has never heard of it.
    pub fn hear_capabilities(
        &mut self,
        now: Timestamp,
        friend: PeerId,
        theirs: Option<Capabilities>,
        world: &mut World<'_>,
    ) -> Result<(), TurnFailed> {
        self.apart(now, world, |state, turn| {
            for id in devices_of(state, &friend) {
                match (theirs, state.device_mut(&id)) {
                    (Some(theirs), _) => show_back(state, turn, &id, theirs)?,
                    (None, Some(device)) => device.capabilities = None,
                    (None, None) => {}
                }
            }
            Ok(())
        })
    }

    pub(crate) fn apart<T>(
        &mut self,
        now: Timestamp,
        world: &mut World<'_>,
        work: impl FnOnce(&mut State, &mut Turn<'_>) -> Result<T, TurnFailed>,
    ) -> Result<T, TurnFailed> {
        let Self { machines, rng, out } = self;
        machines.state.clock.turn(now);
        let mut turn = machines.state.turn(rng, &mut *world.cipher, world.shelf, out);
        let done = work(&mut machines.state, &mut turn)?;
        machines.close_turn(&mut turn)?;
        Ok(done)
    }
}

fn register(state: &mut State, turn: &mut Turn<'_>, friend: &PeerId, room: RoomId) -> Result<(), TurnFailed> {
    let devices = devices_of(state, friend);
    if rooms::register_shared(state, turn, room, devices) { Ok(()) } else { Err(TurnFailed("no place for a room")) }
}

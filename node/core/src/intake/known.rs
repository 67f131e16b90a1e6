//! Known envelopes: room messages of devices that we know, in the order of each room.

use super::desk::Intake;
use super::early::{Early, Inside};
use super::inside::{Place, room_message};
use super::seen::{Seen, repeated_inside};
use super::unopened::Awaits;
use crate::delivery::before;
use crate::delivery::tags::{Found, Tag};
use crate::delivery::{Delivery, Origin};
use crate::friendships;
use crate::notice::IntakeNotice;
use crate::people;
use crate::rooms::{self, Membership, order};
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::Known;
use symbolon_presence::envelope::frame_id;
use symbolon_presence::id::{DeviceId, FrameId, RoomId};
use symbolon_relay::put::{Outcome, Refusal};

impl Intake {
    /// A known envelope: a room message of a device that we know.
    pub(super) fn known(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        origin: Origin,
        (frame, envelope): (FrameId, &[u8]),
        tag: Tag,
    ) -> Result<(), TurnFailed> {
        let found = match self.tags.ready(state, &tag) {
            Some(found) => Some(found),
            None => {
                // A repeat has no tag any more; it must not start a search.
                if let Some(seen) = self.repeated(state, turn, (&tag, &frame), behind(state, delivery, origin))? {
                    delivery.acknowledge(state, turn, origin, seen.sender, frame, seen.outcome);
                    return Ok(());
                }
                self.tags.search(state, turn.now, &tag)
            }
        };
        let found = match found {
            Some(found) => Some((found, None)),
            None => before::open(state, turn.sure, &tag, envelope).map(|(found, payload)| (found, Some(payload))),
        };
        match found {
            Some(found) => self.known_by(state, delivery, turn, (origin, (frame, envelope), tag), found),
            None => {
                self.nobodys(state, delivery, turn, (origin, envelope), &tag);
                Ok(())
            }
        }
    }

    /// The same, once it is found who sealed it; what was opened already is handed in.
    pub(super) fn known_by(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        (origin, (frame, envelope), tag): (Origin, (FrameId, &[u8]), Tag),
        (found, of_before): (Found, Option<Vec<u8>>),
    ) -> Result<(), TurnFailed> {
        let device = found.device;
        let is_refused = people::is_refused(state, &device);
        if is_refused && rooms::shared_with(state, &device).is_none() {
            // What a stranger gets who writes under a tag that nobody expects: silence, a fault,
            // and the time of a search.
            self.tags.search(state, turn.now, &tag);
            self.count(DropReason::Blocked);
            delivery.fault(state, turn, origin);
            return Ok(());
        }
        let Some(payload) = of_before.or_else(|| found.open(state, envelope)) else {
            self.count(DropReason::Unopenable);
            delivery.fault(state, turn, origin);
            return Ok(());
        };
        delivery.brought_known(state, turn, origin, &device);
        let peer = state.devices.get(&device).map(|row| row.peer);
        if peer.is_some_and(|peer| !origin.is_by_relay() && !state.rates.deposit(turn.now, peer, envelope.len())) {
            // Its own device has sealed it, so nobody else can use up its share.
            self.count(DropReason::Full);
            delivery.acknowledge(state, turn, origin, None, frame, Outcome::Refused(Refusal::Full));
            return Ok(());
        }
        let Some(known) = Known::decode(&payload) else {
            self.count(DropReason::Malformed);
            return self.answer_known(state, delivery, turn, (origin, frame, None, found), Outcome::Refused(Refusal::Refused));
        };
        // Its sender may have sealed it again since: under a newer seed it is another envelope. What a member gives again in a
        // shared room has no place there, and may be needed again.
        let has_place = known.sequence.is_some() || !rooms::is_shared(state, &known.room);
        let place = known.sequence.map(|sequence| (known.room, sequence));
        let inner = has_place.then(|| Inside { id: frame_id(&payload), place, is_empty: false });
        if let Some(seen) = inner.map(|inner| repeated_inside(state, turn, &device, &inner)).transpose()?.flatten() {
            self.settle_known(state, turn, (frame, None, found), seen)?;
            delivery.acknowledge(state, turn, origin, seen.sender, frame, seen.outcome);
            return Ok(());
        }
        let room = known.room;
        if is_refused && !state.groups.rooms.contains_key(&room) {
            self.count(DropReason::Blocked);
            delivery.fault(state, turn, origin);
            return Ok(());
        }
        let early = Early { origin, frame, inner, at: found, known };
        match rooms::membership(state, &device, &room) {
            Membership::Member => self.in_order(state, delivery, turn, device, early),
            Membership::Former => self.left_behind(state, delivery, turn, &device, early),
            Membership::Stranger => {
                // Of a room that is not ours yet, or not any more. Not acknowledged: its sender seals it again as soon as
                // both are in one room, and what it left at a relay may be read then.
                self.count(DropReason::Unexpected);
                self.keep(state, turn, (origin, envelope), (tag, Some(found)), Awaits::Room(device, room));
                if state.groups.rooms.contains_key(&room) {
                    // It may stay so for long: on another branch its sender counts us in.
                    delivery.put_off(state, turn, origin, frame);
                }
                Ok(())
            }
        }
    }

    /// An envelope under a tag that is expected of nobody.
    fn nobodys(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, (origin, envelope): (Origin, &[u8]), tag: &Tag) {
        let proved = behind(state, delivery, origin);
        if (proved.is_some() || origin.is_by_relay())
            && let Some(device) = self.tags.used(state, tag, proved)
            && let Some(peer) = state.devices.get(&device).map(|row| row.peer)
            && state.rates.deposit(turn.now, peer, envelope.len())
        {
            // Another envelope has taken its place: its sender is an older copy that cannot know it yet.
            self.count(DropReason::Reused);
            note_copy(state, turn, &device);
            return;
        }
        match origin {
            Origin::Link(link) => {
                self.count(DropReason::Unopenable);
                delivery.fault_of_tag(state, turn, link, proved.is_some());
            }
            Origin::Relay(..) | Origin::Kept(_) => self.keep(state, turn, (origin, envelope), (*tag, None), Awaits::Tag),
        }
    }

    /// Opens a room's frame in its turn; one that comes before it waits.
    fn in_order(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        device: DeviceId,
        early: Early,
    ) -> Result<(), TurnFailed> {
        let origin = early.origin;
        let room = early.known.room;
        let expected = order::expected(state, &device, &room);
        match early.known.sequence {
            Some(sequence) if sequence > expected => {
                self.stays = true;
                if !self.early.has_place(&device, &room, sequence - expected, early.known.mls.len()) {
                    self.count(DropReason::Full);
                    return Ok(());
                }
                let asks = !self.early.has(&device, &room);
                if rooms::is_shared(state, &room) {
                    // The one before it may wait for long: on another branch than ours.
                    delivery.put_off(state, turn, origin, early.frame);
                }
                if self.early.park(device, sequence, early) {
                    self.count(DropReason::Full);
                }
                if asks && origin.is_by_relay() {
                    // Nobody can be asked for it on a link: perhaps it was acknowledged by a newer state.
                    turn.tell(IntakeNotice::Gap(device));
                }
                // One question a gap: the sender puts everything unacknowledged again.
                return if asks { delivery.ask_again(state, turn, &device) } else { Ok(()) };
            }
            Some(_) | None => {}
        }
        // Its place may be taken by another envelope: by what was put there when it was given up, or
        // by one of a newer state than its sender's.
        let place = if early.known.sequence.is_some_and(|sequence| sequence < expected) { Place::Late } else { Place::Present };
        self.open(state, delivery, turn, &device, early, place)?;
        self.go_on(state, delivery, turn, &device, &room)
    }

    /// Opens those of a device that waited for the one before, or for the epoch that a room has come to.
    pub(super) fn go_on(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        device: &DeviceId,
        room: &RoomId,
    ) -> Result<(), TurnFailed> {
        while let Some(next) = self.early.next(state, device, room) {
            self.open(state, delivery, turn, device, next, Place::Present)?;
        }
        Ok(())
    }

    /// A shared room is in another epoch than before: what waited for that is looked at.
    pub fn moved(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, room: &RoomId) -> Result<(), TurnFailed> {
        self.asked.retain(|(_, of)| of != room);
        for device in self.early.in_room(room) {
            self.go_on(state, delivery, turn, &device, room)?;
        }
        Ok(())
    }

    /// A known envelope of a room that was left, whose sender came back from an older copy: what
    /// its newer state had left at a relay. It is taken as it comes: the state that could put it in
    /// order is gone.
    pub(super) fn left_behind(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        device: &DeviceId,
        early: Early,
    ) -> Result<(), TurnFailed> {
        let Early { origin, frame, inner, at, known } = early;
        let (room, sequence) = (known.room, known.sequence);
        let former = state.devices.get(device).and_then(|row| row.channel.formers().iter().find(|former| former.room == room));
        let expected = former.map_or(0, |former| former.receive_sequence);
        if sequence.is_some_and(|sequence| sequence > expected) && !origin.is_by_relay() {
            // Its sender is there, and seals it again in the room that both are in.
            self.count(DropReason::Unexpected);
            return Ok(());
        }
        if sequence.is_some_and(|sequence| former.and_then(|former| former.opened).is_some_and(|opened| sequence < opened)) {
            // What was given up and lay at a relay still: something else was opened in its place.
            self.count(DropReason::Repeated);
            return Ok(());
        }
        friendships::commit_taken(state, turn, &room, known.epoch)?;
        match room_message(state, turn, device, known, Place::Former) {
            Ok(_) => {}
            Err(Rejected::Turn(failed)) => return Err(failed),
            Err(Rejected::Drop(reason)) => {
                self.count(reason);
                return Ok(());
            }
        }
        let row = state.channel_mut(device).and_then(|row| row.former.as_mut());
        if let (Some(formers), Some(sequence)) = (row, sequence) {
            for former in formers.iter_mut().filter(|former| former.room == room) {
                former.receive_sequence = former.receive_sequence.max(sequence.saturating_add(1));
            }
        }
        self.answer_known(state, delivery, turn, (origin, frame, inner, at), Outcome::Delivered)
    }

    /// Answers a known envelope and its repeats.
    pub(super) fn answer_known(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        (origin, frame, inner, at): (Origin, FrameId, Option<Inside>, Found),
        outcome: Outcome,
    ) -> Result<(), TurnFailed> {
        self.settle_known(state, turn, (frame, inner, at), Seen { outcome, sender: Some(at.device) })?;
        delivery.acknowledge(state, turn, origin, Some(at.device), frame, outcome);
        Ok(())
    }
}

/// Who has proved to be behind the way by which an envelope came.
fn behind(state: &State, delivery: &Delivery, origin: Origin) -> Option<DeviceId> {
    match origin {
        Origin::Link(link) => delivery.friend_behind(state, link),
        Origin::Relay(..) | Origin::Kept(_) => None,
    }
}

/// A device sealed what its newer state has sealed already. It is asked how both stand, and hears it so.
pub(super) fn note_copy(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) {
    if let Some(row) = state.channel_mut(device).filter(|row| row.is_copied != Some(true)) {
        row.is_copied = Some(true);
        turn.tell(IntakeNotice::Reused(*device));
    }
}

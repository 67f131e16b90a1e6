//! Receipts: what others sign of our envelopes, and what we sign of theirs.

use super::links::*;
use super::outbox;
use super::owner::EnvelopeOwner;
use super::sealing::Sealer;
use crate::limits::WINDOW;
use crate::notice::DeliveryNotice;
use crate::rooms;
use crate::rows::{Inner, RelayKey};
use crate::seam::{CloseReason, LinkId, NetAction};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{Capabilities, RoomPayload};
use symbolon_presence::id::{DeviceId, FrameId, RoomId};
use symbolon_relay::frame::Frame;
use symbolon_relay::limits::RECEIPT_MAX;
use symbolon_relay::put::{Outcome, Receipt, ReceiptBody, ReceiptItem, Refusal};

/// Receipt lines waiting on one link; the other side has at most its window on the way.
pub(super) const RECEIPTS_WAITING_MAX: usize = 4 * WINDOW;

impl Delivery {
    /// Takes a receipt: which envelopes it settles, if its signature is the device's.
    pub fn receipt(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, receipt: &Receipt) -> Option<Vec<Acknowledged>> {
        let device = self.links.get(&link)?.device?;
        let row = state.devices.get(&device)?;
        let key = symbolon_presence::sign::VerifyingKey::parse(&row.entry.receipt).ok()?;
        let body = receipt.verify(&key, &row.entry.mailbox).ok()?;
        state.heard_time(&device, body.at);
        let session = self.sessions.get_mut(&device)?;
        let mut settled = Vec::new();
        let (mut greeted, mut is_stale) = (false, false);
        for item in body.items {
            if item.outcome == Outcome::Refused(Refusal::Stale) {
                // It stays on the way: put again under the new key, the same envelope is answered again.
                is_stale |= session.window.holds(&item.frame) || session.hello.as_ref().is_some_and(|(frame, _)| *frame == item.frame);
                continue;
            }
            if session.hello.as_ref().is_some_and(|(frame, _)| *frame == item.frame) {
                session.hello = None;
                greeted = true;
            }
            if item.outcome == Outcome::Refused(Refusal::Untimely) && session.window.put_off(&item.frame) {
                greeted = true;
                continue;
            }
            if let Some(row) = session.window.take(&item.frame) {
                settled.push(Acknowledged { device, number: row.number, frame: item.frame, outcome: item.outcome, at: body.at });
            }
        }
        if (greeted || !settled.is_empty())
            && let Some(at) = session.receipt_due.take()
        {
            self.due.remove(&(at, device));
            if !session.window.is_empty() {
                let at = turn.now.after(self.patience(&device));
                self.expect_receipt(&device, at);
            }
        }
        if is_stale {
            turn.tell(DeliveryNotice::KeyExpired(device));
        }
        // Only a receipt for what is on the way says anything: the device gives signed receipts
        // to others, too, and they could show an old one.
        if greeted || !settled.is_empty() {
            state.note_heard(&device, turn.now);
        }
        Some(settled)
    }

    /// Notes what became of a deposit; said at the end of the turn. The sender of one that
    /// came by way of a relay hears it in its room, once it has proved who it is.
    pub fn acknowledge(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        origin: Origin,
        sender: Option<DeviceId>,
        frame: FrameId,
        outcome: Outcome,
    ) {
        let link = match origin {
            Origin::Link(link) => link,
            Origin::Relay(..) | Origin::Kept(_) => {
                if let Origin::Relay(key, number) = origin {
                    self.complete_entry(key, number);
                }
                if let Some(device) = sender {
                    self.owed.entry(device).or_default().push(ReceiptItem { frame, outcome });
                }
                return;
            }
        };
        let Some(row) = self.links.get_mut(&link) else { return };
        if row.receipts.len() >= RECEIPTS_WAITING_MAX {
            self.close(state, turn, link, CloseReason::Flood);
            return;
        }
        row.receipts.push(ReceiptItem { frame, outcome });
        self.acknowledging.insert(link);
    }

    /// What came on a link is kept, and cannot be opened yet: its sender hears that, so that they do not take the link for dead.
    pub fn put_off(&mut self, state: &mut State, turn: &mut Turn<'_>, origin: Origin, frame: FrameId) {
        if let Origin::Link(_) = origin {
            self.acknowledge(state, turn, origin, None, frame, Outcome::Refused(Refusal::Untimely));
        }
    }

    /// Tells a device what became of envelopes that it left at a relay: at once if it is here,
    /// else by its own relay or by a friend in between.
    pub fn tell(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, items: Vec<ReceiptItem>) -> Result<(), TurnFailed> {
        let link = self.sessions.get(device).and_then(|session| session.link);
        let is_here = link.and_then(|link| self.links.get(&link)).is_some_and(|link| link.proved);
        let has_relay = || state.devices.get(device).is_some_and(|row| !row.relay_mailboxes.is_empty());
        let has_way = is_here || ((has_relay() || has_courier(state, device)) && outbox::has_room_for_list(state, turn, device)?);
        if !has_way {
            // Its sender puts it again when it is here, and hears it then.
            return Ok(());
        }
        let list = RoomPayload::Receipts(items);
        if is_here {
            if let Some(envelope) = seal_unreliable(state, turn, device, &list)? {
                self.send_unreliable(state, turn, device, &envelope, EnvelopeOwner::Receipts.policy().name);
            }
        } else if let Some((room, inner)) = say_unreliable(state, turn, device, &list)? {
            outbox::enqueue_unordered(state, turn, device, room, EnvelopeOwner::Receipts, inner);
        }
        Ok(())
    }

    /// An entry of a mailbox of ours at a relay is settled here, and may be deleted there.
    pub fn complete_entry(&mut self, key: RelayKey, number: u64) {
        self.entries.settled.push((key, number));
    }

    /// Whether it is settled in this turn.
    pub fn is_complete(&self, key: RelayKey, number: u64) -> bool {
        self.entries.settled.contains(&(key, number))
    }

    /// An entry came by an invite which somebody else had used.
    pub fn note_used_up(&mut self, key: RelayKey, number: u64) {
        self.entries.used_up.insert((key, number));
    }

    /// What was settled since this was last asked.
    pub fn take_entries(&mut self) -> Entries {
        std::mem::take(&mut self.entries)
    }

    /// What a device is to hear of envelopes that it sent by way of a relay.
    #[cfg(test)]
    pub fn owed_to(&self, device: &DeviceId) -> &[ReceiptItem] {
        self.owed.get(device).map(Vec::as_slice).unwrap_or_default()
    }

    /// Tells devices what became of envelopes that they sent by way of a relay.
    pub fn tell_owed(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        for (device, items) in std::mem::take(&mut self.owed) {
            if !state.devices.contains_key(&device) {
                continue;
            }
            for items in items.chunks(RECEIPT_MAX) {
                self.tell(state, turn, &device, items.to_vec())?;
            }
        }
        Ok(())
    }

    /// Signs one receipt for each link with deposits in this turn.
    pub fn close_turn(&mut self, state: &State, turn: &mut Turn<'_>) {
        for link in std::mem::take(&mut self.acknowledging) {
            let items = self.links.get_mut(&link).map(|row| std::mem::take(&mut row.receipts)).unwrap_or_default();
            for chunk in items.chunks(RECEIPT_MAX) {
                let body = ReceiptBody { at: turn.now, items: chunk.to_vec() };
                let receipt = Receipt::sign(&state.own.identity.signing, &state.own.admission.id(), &body);
                turn.act(NetAction::Send(link, Frame::Receipt(receipt).encode()));
                *self.sent.entry("receipt").or_default() += 1;
            }
        }
    }
}

/// Whether a friend of ours may meet a device, and takes along what is for it: else a list for a device without a relay would
/// wait for nothing.
fn has_courier(state: &State, device: &DeviceId) -> bool {
    state.own.capabilities.has(Capabilities::CARRYING)
        && rooms::together_with(state, device)
            .iter()
            .any(|other| state.can(other, Capabilities::CARRYING) && state.friend_of(other).is_some_and(|friend| friend.stands()))
}

/// A room message that stands outside the order of frames; none when there is no room to say it in.
fn say_unreliable(
    state: &State,
    turn: &mut Turn<'_>,
    device: &DeviceId,
    payload: &RoomPayload,
) -> Result<Option<(RoomId, Inner)>, TurnFailed> {
    let friend = state.friend_of(device).filter(|friend| state.may_seal(friend)).map(|friend| friend.room);
    let shared = || rooms::shared_with(state, device).filter(|_| !state.own.is_halted);
    let Some(room) = friend.or_else(shared) else { return Ok(None) };
    let sealed = rooms::say(turn, room, payload)?;
    Ok(Inner::around(room, &sealed, None).map(|inner| (room, inner)))
}

/// The same in an envelope; none as long as none can be sealed.
pub(super) fn seal_unreliable(
    state: &mut State,
    turn: &mut Turn<'_>,
    device: &DeviceId,
    payload: &RoomPayload,
) -> Result<Option<Vec<u8>>, TurnFailed> {
    let Some(mut sealer) = state.devices.get(device).map(Sealer::of) else { return Ok(None) };
    let inner = if sealer.can_seal() { say_unreliable(state, turn, device, payload)? } else { None };
    let sealed = inner.and_then(|(_, inner)| sealer.seal(turn, &inner.payload));
    sealer.keep(state, turn, device);
    Ok(sealed.map(|(_, envelope)| envelope))
}

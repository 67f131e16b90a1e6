//! Giving what waits for a device to those who may meet it, and taking the receipts.

use super::super::Delivery;
use super::super::outbox::{self, OutboxRow};
use super::super::owner::{EnvelopeOwner, Lane};
use super::super::pump::{self, Gate, Looked, Way};
use super::super::sealing::Sealer;
use super::book::{COURIERS_MAX, Couriers, HANDED_MAX, Handed, pause};
use crate::notice::DeliveryNotice;
use crate::people::requests;
use crate::rooms;
use crate::rows::Device;
use crate::seam::{LinkId, NetAction};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::Capabilities;
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, FrameId};
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::time::Timestamp;
use symbolon_relay::carry::{Carried, Carry};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Outcome, ReceiptItem, Refusal};

/// Whether a friend's device takes envelopes along.
pub(super) fn may_carry(state: &State, device: &DeviceId) -> bool {
    state.own.capabilities.has(Capabilities::CARRYING) && state.can(device, Capabilities::CARRYING)
}

/// A courier, by its link.
struct ByCourier<'a> {
    state: &'a State,
    device: &'a Device,
    link: LinkId,
    out: &'a mut BTreeSet<FrameId>,
    sealer: &'a mut Sealer,
    /// How many were given.
    given: u64,
    /// The lanes that were looked at: of each, one page.
    read: [bool; 2],
}

impl Way for ByCourier<'_> {
    fn limit(&mut self, lane: usize) -> usize {
        if self.read.get(lane) == Some(&false) { HANDED_MAX.saturating_sub(self.out.len()) } else { 0 }
    }

    fn has_read(&mut self, lane: usize, _: usize) {
        if let Some(read) = self.read.get_mut(lane) {
            *read = true;
        }
    }

    fn put(&mut self, turn: &mut Turn<'_>, number: u64, row: &OutboxRow) -> Looked {
        // Steps of requests are for two alone; and a copy at a relay is as good as one with a friend. A list of receipts is no step:
        // it goes before the others so that their sender does not wait for it.
        let is_of_rooms = row.owner.policy().lane == Lane::Rooms || row.owner == EnvelopeOwner::Receipts;
        let is_given = is_of_rooms && row.via.is_none() && row.stored.is_none();
        if !is_given || self.out.contains(&row.frame) || !outbox::has_way(row, self.device) {
            return Looked::Past;
        }
        if outbox::is_held(self.state, &self.device.device, row) {
            return Looked::Past;
        }
        if self.out.len() >= HANDED_MAX {
            return Looked::Waits;
        }
        let Some(row) = self.sealer.ready(turn, &self.device.device, number, row) else { return Looked::Waits };
        let Some(put) = outbox::put_for(&row, self.device) else { return Looked::Past };
        self.out.insert(row.frame);
        self.given = self.given.saturating_add(1);
        turn.act(NetAction::Send(self.link, Frame::Carry(Carry { to: self.device.device, put }).encode()));
        Looked::Past
    }
}

impl Couriers {
    /// Gives what waits for a device that is away to those who are here.
    pub(super) fn give(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        to: &DeviceId,
    ) -> Result<(), TurnFailed> {
        let Some(device) = state.devices.get(to).filter(|_| pump::is_served(state, turn.now, to)) else { return Ok(()) };
        if device.channel.outbox_count == 0 || delivery.link_of(to).is_some() || requests::asking_since(state, &device.peer).is_some() {
            return Ok(());
        }
        let peer = device.peer;
        let here = delivery.friends_here(state).into_iter();
        let theirs = here.filter(|(courier, of, _)| *of != peer && may_carry(state, courier) && rooms::are_together(state, to, courier));
        let mut theirs: Vec<(DeviceId, LinkId)> = theirs.map(|(courier, _, link)| (courier, link)).collect();
        let has_waited = |of: &DeviceId, handed: &Handed| of == to && !handed.out.is_empty() && handed.again <= turn.now;
        if self.handed.iter().any(|((_, of), handed)| has_waited(of, handed)) {
            // Perhaps none of these ever meets it.
            self.handed.retain(|(_, of), _| of != to);
            *self.rounds.entry(*to).or_default() += 1;
        }
        let round = self.rounds.get(to).copied().unwrap_or_default();
        let again = turn.now.after(pause(round, theirs.len()));
        theirs.sort_unstable();
        let first = round.saturating_mul(COURIERS_MAX).checked_rem(theirs.len()).unwrap_or_default();
        theirs.rotate_left(first);
        // Those who have some of it already; each more is one more copy that the device gets. Before them who has met it.
        theirs.sort_by_key(|(courier, _)| (self.proven.get(to) != Some(courier), !self.handed.contains_key(&(*courier, *to))));
        let mut wake: Option<Timestamp> = None;
        for (courier, link) in theirs.into_iter().take(COURIERS_MAX) {
            let handed = self.handed.entry((courier, *to)).or_insert_with(|| Handed::on(link, again));
            if handed.link != link {
                *handed = Handed::on(link, again);
            }
            let Some(device) = state.devices.get(to) else { return Ok(()) };
            let mut sealer = Sealer::of(device);
            let (out, sealing) = (&mut handed.out, &mut sealer);
            let mut way = ByCourier { state, device, link, out, sealer: sealing, given: 0, read: [false; 2] };
            handed.pump.run(turn, device, Gate::Everything, &mut way)?;
            let given = way.given;
            if !handed.out.is_empty() {
                wake = Some(wake.unwrap_or(handed.again).min(handed.again));
            }
            sealer.keep(state, turn, to);
            delivery.count("carry", given);
        }
        if let Some(wake) = wake {
            self.due.entry(*to).or_insert(wake);
        }
        Ok(())
    }

    /// A courier has brought a receipt. What it says of envelopes for the device; none when nobody here waits for it.
    pub fn brought(
        &mut self,
        state: &mut State,
        delivery: &Delivery,
        turn: &mut Turn<'_>,
        link: LinkId,
        carried: &Carried,
    ) -> Option<Vec<(DeviceId, ReceiptItem)>> {
        let courier = delivery.friend_behind(state, link)?;
        let row = state.devices.get(&carried.device)?;
        let key = VerifyingKey::parse(&row.entry.receipt).ok()?;
        let body = carried.receipt.verify(&key, &row.entry.mailbox).ok()?;
        self.proven.insert(carried.device, courier);
        self.rounds.remove(&carried.device);
        if let Some(handed) = self.handed.get_mut(&(courier, carried.device)) {
            handed.again = turn.now.after(pause(0, 1));
            for item in &body.items {
                handed.out.remove(&item.frame);
            }
            // There may be more than a courier takes at once.
            self.due.insert(carried.device, turn.now);
        }
        let is_stale = |item: &ReceiptItem| item.outcome == Outcome::Refused(Refusal::Stale);
        if body.items.iter().any(is_stale) {
            turn.tell(DeliveryNotice::KeyExpired(carried.device));
        }
        Some(body.items.into_iter().filter(|item| !is_stale(item)).map(|item| (carried.device, item)).collect())
    }
}

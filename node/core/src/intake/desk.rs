//! The intake itself: frames of links, each led to where it is looked at.

use super::early::EarlyFrames;
use super::given::GivenPieces;
use super::outcome::complete;
use super::unopened::Unopened;
use crate::delivery::couriers::Couriers;
use crate::delivery::relays::Relays;
use crate::delivery::tags::Tags;
use crate::delivery::{Delivery, Origin};
use crate::packages::{Answers, Packages};
use crate::presence::RecordServer;
use crate::renewal::Question;
use crate::seam::LinkId;
use crate::state::State;
use crate::turn::{DropReason, Turn, TurnFailed};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, RoomId};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::Receipt;
use symbolon_relay::put::ReceiptItem;
use symbolon_relay::records::Found;

/// Those who answer what is asked on links.
pub(crate) struct Desks<'a> {
    pub records: &'a mut RecordServer,
    pub packages: &'a mut Packages,
    pub relays: &'a mut Relays,
    pub couriers: &'a mut Couriers,
}

/// What waits and what is counted.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    pub(super) tags: Tags,
    pub(super) early: EarlyFrames,
    pub(super) given: GivenPieces,
    pub(super) unopened: Unopened,
    /// The entry under way was kept, or is to be shown again: it must stay at its relay.
    pub(super) stays: bool,
    /// What devices say became of envelopes of ours, until the end of the input.
    pub(super) reported: Vec<(DeviceId, ReceiptItem)>,
    /// What other nodes answered to look-ups, each by its link, until the end of the input.
    found: Vec<(LinkId, Found)>,
    /// What devices ask how we stand with them, until the end of the input.
    pub(super) questions: Vec<(DeviceId, Question)>,
    /// Who was asked for the commits of a room since our epoch; forgotten when the room moves. At most one for each device
    /// and room.
    pub(super) asked: BTreeSet<(DeviceId, RoomId)>,
    pub(super) dropped: BTreeMap<&'static str, u64>,
}

impl Intake {
    /// What other nodes have answered to look-ups since this was last asked.
    pub fn take_found(&mut self) -> Vec<(LinkId, Found)> {
        std::mem::take(&mut self.found)
    }

    /// What devices have asked since this was last asked.
    pub fn take_questions(&mut self) -> Vec<(DeviceId, Question)> {
        std::mem::take(&mut self.questions)
    }

    /// As if a device had said so.
    #[cfg(test)]
    pub fn tell(&mut self, told: Vec<(DeviceId, ReceiptItem)>) {
        self.reported = told;
    }

    /// Frames dropped since start, by reason.
    pub fn dropped(&self) -> Vec<(&'static str, u64)> {
        self.dropped.iter().map(|(reason, count)| (*reason, *count)).collect()
    }

    pub(super) fn count(&mut self, reason: DropReason) {
        let count = self.dropped.entry(reason.name()).or_default();
        *count = count.saturating_add(1);
    }

    /// A device is not known any more.
    pub fn forget(&mut self, device: &DeviceId) {
        self.early.forget(device);
        self.given.forget(device);
        self.asked.retain(|(of, _)| of != device);
    }

    /// One frame from a link.
    pub fn frame(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        desks: &mut Desks<'_>,
        turn: &mut Turn<'_>,
        link: LinkId,
        bytes: &[u8],
    ) -> Result<(), TurnFailed> {
        if !delivery.is_open(link) {
            return Ok(());
        }
        let faults = delivery.faults(link);
        let is_unread = delivery.has_unread(link);
        self.take(state, delivery, desks, turn, link, bytes)?;
        // A proof of nobody whom we know is no reason to let a link stay.
        if is_unread == delivery.has_unread(link) {
            delivery.heard(turn, link, faults);
        }
        Ok(())
    }

    pub(super) fn take(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        desks: &mut Desks<'_>,
        turn: &mut Turn<'_>,
        link: LinkId,
        bytes: &[u8],
    ) -> Result<(), TurnFailed> {
        match Frame::decode(bytes) {
            Ok(Frame::Put(put)) => self.put(state, delivery, turn, link, put),
            Ok(Frame::Receipt(receipt)) => {
                turn.out.taken.receipts = turn.out.taken.receipts.saturating_add(1);
                desks.couriers.signed(state, delivery, turn, link, &receipt)?;
                self.receipt(state, delivery, turn, link, &receipt)
            }
            Ok(Frame::Carry(carry)) => {
                let is_friends = desks.couriers.take(state, delivery, turn, link, carry)?;
                self.expect(state, delivery, turn, link, is_friends);
                Ok(())
            }
            Ok(Frame::Carried(carried)) => {
                let brought = desks.couriers.brought(state, delivery, turn, link, &carried);
                self.expect(state, delivery, turn, link, brought.is_some());
                self.reported.extend(brought.into_iter().flatten());
                Ok(())
            }
            Ok(Frame::Lookup(id)) => {
                desks.records.answer(state, delivery, turn, link, id);
                Ok(())
            }
            Ok(Frame::Found(found)) => {
                self.found.push((link, found));
                Ok(())
            }
            Ok(Frame::Keep(keep)) => {
                let friend = delivery.behind(state, link);
                if !friend.is_some_and(|peer| desks.records.keep(state, turn.now, peer, &keep)) {
                    self.count(DropReason::Malformed);
                    delivery.fault(state, turn, Origin::Link(link));
                }
                Ok(())
            }
            Ok(Frame::Prove(prove)) => {
                if !delivery.proof(state, turn, link, prove)? {
                    self.count(DropReason::Unexpected);
                    delivery.fault(state, turn, Origin::Link(link));
                }
                Ok(())
            }
            Ok(Frame::Fetch(fetch)) => {
                let is_friend = desks.packages.asked(state, delivery, turn, link, &fetch)?;
                self.expect(state, delivery, turn, link, is_friend);
                Ok(())
            }
            Ok(Frame::Fetched(fetched)) => {
                let from = (Answers::Link(link), &fetched);
                let is_asked = desks.packages.answered(state, delivery, desks.relays, turn, from)?;
                self.expect(state, delivery, turn, link, is_asked);
                Ok(())
            }
            // A personal node keeps no mailbox for others, and asked nothing of a relay here.
            Ok(
                Frame::Update(_)
                | Frame::Session(_)
                | Frame::Accepted(_)
                | Frame::Deposit(_)
                | Frame::Ack(_)
                | Frame::Away(_)
                | Frame::Stock(_),
            )
            | Err(_) => {
                self.count(DropReason::Malformed);
                delivery.fault(state, turn, Origin::Link(link));
                Ok(())
            }
        }
    }

    /// A frame that is a fault where nobody has a right to send it.
    fn expect(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, link: LinkId, is_expected: bool) {
        if !is_expected {
            self.count(DropReason::Unexpected);
            delivery.fault(state, turn, Origin::Link(link));
        }
    }

    pub(super) fn receipt(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        link: LinkId,
        receipt: &Receipt,
    ) -> Result<(), TurnFailed> {
        let Some(settled) = delivery.receipt(state, turn, link, receipt) else {
            self.count(DropReason::Forged);
            delivery.fault(state, turn, Origin::Link(link));
            return Ok(());
        };
        let device = settled.first().map(|item| item.device);
        for item in settled {
            complete(state, delivery, turn, &item)?;
        }
        match device {
            Some(device) => delivery.resume(state, turn, &device),
            None => Ok(()),
        }
    }
}

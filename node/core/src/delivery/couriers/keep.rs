//! What friends give to be carried, and what its receivers sign.

use super::super::Delivery;
use super::book::Couriers;
use super::note::Giver;
use crate::people;
use crate::rooms;
use crate::seam::LinkId;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::id::FrameId;
use symbolon_presence::sign::VerifyingKey;
use symbolon_relay::carry::Carry;
use symbolon_relay::put::{Outcome, Receipt, ReceiptItem, Refusal};

impl Couriers {
    /// A friend gives an envelope to be carried. Whether the frame has its place here. What cannot be carried is dropped
    /// without a word: nobody finds out by trying whom this node knows.
    pub fn take(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        link: LinkId,
        Carry { to, put }: Carry,
    ) -> Result<bool, TurnFailed> {
        let Some(from) = delivery.friend_behind(state, link) else { return Ok(false) };
        if !put.is_consistent() || !matches!(kind(&put.envelope), Some(Kind::Known(_))) {
            return Ok(false);
        }
        let Some(peer) = state.devices.get(&from).map(|row| row.peer) else { return Ok(false) };
        let is_carried = state.devices.get(&to).is_some_and(|row| row.peer != peer) && !people::is_refused(state, &to);
        let Some(room) = rooms::room_of_both(state, &from, &to).filter(|_| is_carried) else { return Ok(true) };
        let giver = Giver { device: from, peer, room };
        // Of what friends bring in a while, this is a part.
        if state.rates.deposit(turn.now, peer, put.envelope.len()) && self.load.keep(state, turn, &to, giver, put)? {
            self.load.pass(delivery, turn, &to)?;
        }
        Ok(true)
    }

    /// A receipt has come on a link: it may be for what was carried to who is there.
    pub fn signed(
        &mut self,
        state: &State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        link: LinkId,
        receipt: &Receipt,
    ) -> Result<(), TurnFailed> {
        let Some(to) = delivery.friend_behind(state, link).filter(|to| self.load.waits_for(to)) else { return Ok(()) };
        let Some(entry) = state.devices.get(&to).map(|row| &row.entry) else { return Ok(()) };
        let body = VerifyingKey::parse(&entry.receipt).ok().and_then(|key| receipt.verify(&key, &entry.mailbox).ok());
        let is_put_off = |item: &&ReceiptItem| item.outcome == Outcome::Refused(Refusal::Untimely);
        let items = || body.iter().flat_map(|body| &body.items);
        self.load.put_off(&to, items().filter(is_put_off).map(|item| item.frame));
        let frames: Vec<FrameId> = items().filter(|item| !is_put_off(item)).map(|item| item.frame).collect();
        for from in self.load.signed(turn, &to, &frames, receipt) {
            self.load.hand_back(delivery, turn, &from)?;
        }
        self.load.pass(delivery, turn, &to)
    }
}

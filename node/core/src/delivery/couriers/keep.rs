//! What friends give to be carried, and what its receivers sign.

use super::super::Delivery;
use super::book::Couriers;
use crate::people;
use crate::rooms;
use crate::seam::LinkId;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::id::FrameId;
use symbolon_presence::sign::VerifyingKey;
use symbolon_relay::carry::Carry;
use symbolon_relay::put::Receipt;

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
        let is_other = state.devices.get(&to).is_some_and(|row| row.peer != peer);
        let is_carried = is_other && !people::is_refused(state, &to) && rooms::are_together(state, &from, &to);
        // Of what friends bring in a while, this is a part.
        if is_carried && state.rates.deposit(turn.now, peer, put.envelope.len()) && self.load.keep(turn, &to, from, put) {
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
        let frames: Vec<FrameId> = body.iter().flat_map(|body| &body.items).map(|item| item.frame).collect();
        for from in self.load.signed(turn, &to, &frames, receipt) {
            self.load.hand_back(delivery, turn, &from)?;
        }
        self.load.pass(delivery, turn, &to)
    }
}

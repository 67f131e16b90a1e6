//! When something is given to couriers, or put for them.

use super::super::Delivery;
use super::book::Couriers;
use super::give::may_carry;
use crate::rooms;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::SECOND;

/// How long what waits for others is left to relays, once a courier has come.
const SOON: u64 = 5 * SECOND;

impl Couriers {
    /// Gives what is due to those who are here, and puts again what has no answer.
    pub fn tick(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let due: Vec<DeviceId> = self.due.iter().filter(|(_, at)| **at <= turn.now).map(|(device, _)| *device).collect();
        for device in due {
            self.due.remove(&device);
            self.give(state, delivery, turn, &device)?;
        }
        self.load.put_again(delivery, turn)
    }

    /// Devices have proved to be here: what is carried for them is put, what was signed for them is handed back, and what
    /// waits for others may be given to them.
    pub fn meet(
        &mut self,
        state: &State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        reached: &BTreeSet<DeviceId>,
    ) -> Result<(), TurnFailed> {
        for device in reached {
            self.handed.retain(|(courier, _), _| courier != device);
            self.load.pass(delivery, turn, device)?;
            self.load.hand_back(delivery, turn, device)?;
            if !may_carry(state, device) {
                continue;
            }
            let waits = |to: &DeviceId| state.devices.get(to).is_some_and(|row| row.channel.outbox_count > 0);
            let others = rooms::together_with(state, device).into_iter().filter(|to| waits(to) && delivery.link_of(to).is_none());
            for to in others.collect::<Vec<_>>() {
                let at = turn.now.after(SOON);
                let due = self.due.entry(to).or_insert(at);
                *due = at.min(*due);
            }
        }
        Ok(())
    }
}

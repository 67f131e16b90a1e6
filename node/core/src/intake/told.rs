//! What devices say in the room of envelopes that were left for them at relays.

use super::desk::Intake;
use super::outcome::complete;
use crate::delivery::outbox;
use crate::delivery::{Acknowledged, Delivery};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeMap;
use symbolon_presence::id::{DeviceId, FrameId};
use symbolon_relay::limits::RECEIPT_MAX;
use symbolon_relay::put::Outcome;

use std::collections::HashMap;

/// Rows of an outbox that are looked through for what a list of receipts names.
pub(super) const TOLD_MAX: usize = 4_096;

impl Intake {
    /// Settles what devices have said became of envelopes that were left for them at relays.
    pub fn complete_reported(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let mut lists: BTreeMap<DeviceId, HashMap<FrameId, Outcome>> = BTreeMap::new();
        for (device, item) in std::mem::take(&mut self.reported) {
            lists.entry(device).or_default().insert(item.frame, item.outcome);
        }
        for (device, mut outcomes) in lists.into_iter().filter(|(device, _)| state.devices.contains_key(device)).collect::<Vec<_>>() {
            let (mut from, mut seen) = (0, 0);
            // The oldest come first in both, so this rarely goes far; and it never goes through the
            // whole outbox for a list of what is not there.
            while !outcomes.is_empty() && seen < TOLD_MAX {
                let page = outbox::rows(turn, &device, from, RECEIPT_MAX)?;
                let Some((last, _)) = page.last() else { break };
                from = last.saturating_add(1);
                seen += page.len();
                for (number, row) in page {
                    let frame = row.frame;
                    if let Some(outcome) = outcomes.remove(&frame) {
                        complete(state, delivery, turn, &Acknowledged { device, number, frame, outcome, at: turn.now })?;
                        if row.owner.policy().asks.is_some() {
                            // Said in the room by somebody who has our question already: the room
                            // that we doubted is theirs, too.
                            delivery.heard_in_room(state, turn, &device);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

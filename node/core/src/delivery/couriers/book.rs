//! What is known of those who carry, and of what is carried.

use super::super::Delivery;
use super::super::pump::Pump;
use super::load::Load;
use crate::rooms;
use crate::seam::LinkId;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, FrameId};
use symbolon_presence::time::{DAY, SECOND, Timestamp};

/// How long an envelope waits for its device or a relay before it is given to couriers.
const PATIENCE: u64 = 10 * SECOND;
/// Couriers that are given the same envelope at once.
pub(super) const COURIERS_MAX: usize = 2;
/// Envelopes for one device that a courier has without a receipt.
pub(super) const HANDED_MAX: usize = 64;

/// When those who were given something have brought no receipt for so long, the next ones are: these may never meet its device.
const ROUND: u64 = 20 * SECOND;

/// What one courier was given for one device.
#[derive(Debug)]
pub(super) struct Handed {
    pub link: LinkId,
    pub pump: Pump,
    /// Without a receipt yet: at most [`HANDED_MAX`].
    pub out: BTreeSet<FrameId>,
    /// When others are given it, if no receipt has come until then.
    pub again: Timestamp,
}

impl Handed {
    pub fn on(link: LinkId, again: Timestamp) -> Self {
        Self { link, pump: Pump::default(), out: BTreeSet::new(), again }
    }

    pub fn restart(&mut self) {
        self.pump.restart();
        self.out.clear();
    }
}

/// Those who carry for us, and what we carry for others.
#[derive(Debug, Default)]
pub(crate) struct Couriers {
    /// When what waits for a device is given to those who are here. At most one for each device that is known.
    pub(super) due: BTreeMap<DeviceId, Timestamp>,
    /// How much of a device's outbox a courier has, on its present link: the courier, then the device.
    pub(super) handed: BTreeMap<(DeviceId, DeviceId), Handed>,
    /// How often others were given what waits for a device. At most one for each device that is known.
    pub(super) rounds: BTreeMap<DeviceId, usize>,
    /// Who has brought a receipt of a device last. At most one for each device that is known.
    pub(super) proven: BTreeMap<DeviceId, DeviceId>,
    pub(super) load: Load,
}

/// How long a round lasts, where there are so many couriers: all are asked one after another, then with pauses that double.
pub(super) fn pause(round: usize, couriers: usize) -> u64 {
    let circles = round / couriers.div_ceil(COURIERS_MAX).max(1);
    ROUND.saturating_mul(1 << circles.min(13)).min(DAY)
}

impl Couriers {
    /// Reads what is carried.
    pub fn start(&mut self, state: &State, turn: &Turn<'_>) -> Result<(), TurnFailed> {
        self.load = Load::read(state, turn)?;
        Ok(())
    }

    /// When something is to be given to couriers.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.values().min().copied().into_iter().chain(self.load.next_due()).min()
    }

    /// Something lies in a device's outbox, or may go no other way any more.
    pub fn queued(&mut self, state: &State, delivery: &Delivery, now: Timestamp, device: &DeviceId) {
        if delivery.link_of(device).is_none() && rooms::shared_with(state, device).is_some() {
            let at = now.after(PATIENCE);
            let due = self.due.entry(*device).or_insert(at);
            *due = at.min(*due);
        }
    }

    /// Rows of a device's outbox have changed.
    pub fn rows_changed(&mut self, state: &State, delivery: &Delivery, now: Timestamp, device: &DeviceId) {
        for ((_, to), handed) in &mut self.handed {
            if to == device {
                handed.restart();
            }
        }
        self.queued(state, delivery, now, device);
    }

    /// A device is not known any more.
    pub fn forget(&mut self, turn: &mut Turn<'_>, device: &DeviceId) {
        self.due.remove(device);
        self.rounds.remove(device);
        self.proven.retain(|of, courier| of != device && courier != device);
        self.handed.retain(|(courier, to), _| courier != device && to != device);
        self.load.forget(turn, device);
    }

    /// What was carried for too long is dropped: its sender still owns it.
    pub fn expire(&mut self, turn: &mut Turn<'_>) {
        self.load.expire(turn);
    }
}

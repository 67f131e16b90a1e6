//! Confirms of ours that may be on their way: who is heard in the room to which one led has it.

use super::status::heard;
use crate::command::{Direction, RequestStatus};
use crate::rows::Request;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, PeerId};

/// People to whose devices a Confirm of ours may be on its way. Nothing of it is stored: requests say so, too, but
/// are too many to be looked through for each message.
#[derive(Debug, Default)]
pub(crate) struct Confirming(BTreeSet<PeerId>);

impl Confirming {
    /// Those of whom requests say so.
    pub fn of(state: &State) -> Self {
        let answers =
            |row: &&Request| row.direction == Direction::Out && matches!(row.status, RequestStatus::Accepted | RequestStatus::Confirmed);
        Self(state.requests.values().filter(answers).map(|row| row.peer).collect())
    }

    /// A Confirm was sent.
    pub fn note(&mut self, peer: PeerId) {
        self.0.insert(peer);
    }

    /// A device was heard in the room that it shares with us.
    pub fn heard(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) -> Result<(), TurnFailed> {
        let Some(peer) = state.devices.get(device).map(|row| row.peer) else { return Ok(()) };
        if self.0.remove(&peer) { heard(state, turn, &peer, device) } else { Ok(()) }
    }
}

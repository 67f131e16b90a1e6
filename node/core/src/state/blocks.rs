//! Who and what is refused.

use super::State;
use crate::command::CommandError;
use crate::limits;
use crate::rows::Barred;
use crate::table::Table;
use crate::turn::Turn;
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, PeerId};

impl State {
    /// Blocks an identity and its keys: all of them or, when there is no room, none.
    pub fn block_keys(&mut self, turn: &mut Turn<'_>, keys: &BTreeSet<Vec<u8>>) -> Result<(), CommandError> {
        let fresh = keys.iter().filter(|key| !self.blocked.contains(*key)).count();
        if self.blocked.len().saturating_add(fresh) > limits::BLOCKED_MAX {
            return Err(CommandError::Full);
        }
        for key in keys {
            if self.blocked.insert(key.clone()) {
                turn.put_raw(Table::Blocked, key, Vec::new());
            }
        }
        Ok(())
    }

    /// A device of somebody who stays is refused from now on. False when there are too many of theirs.
    pub fn bar_device(&mut self, turn: &mut Turn<'_>, device: &DeviceId, of: Barred) -> bool {
        if !self.barred.contains_key(device) {
            if self.barred.values().filter(|known| known.person == of.person).count() >= limits::BARRED_OF_PERSON {
                return false;
            }
            self.barred.insert(*device, of);
            turn.put(Table::Blocked, device.as_bytes(), &of);
        }
        true
    }

    /// A device list of a person is known: what their devices have said before counts no more. What our user has shut out stays so.
    pub fn unbar_said(&mut self, turn: &mut Turn<'_>, person: &PeerId) {
        let is_over = |barred: &Barred| barred.person == *person && barred.is_said == Some(true);
        let over: Vec<DeviceId> = self.barred.iter().filter(|(_, barred)| is_over(barred)).map(|(device, _)| *device).collect();
        for device in over {
            self.barred.remove(&device);
            turn.delete(Table::Blocked, device.as_bytes());
        }
    }

    /// Takes a block back.
    pub fn unblock_key(&mut self, turn: &mut Turn<'_>, key: &[u8]) {
        if self.blocked.remove(key) {
            turn.delete(Table::Blocked, key);
        }
    }
}

//! From version 5 to 6: envelopes are counted under seeds.
//!
//! Before, a device's channel held the counters of envelopes under one key for good, and so did each room that was
//! left. What was sealed so opens nowhere any more; a friend who has said no seed gets the room made again at the
//! next start.

use super::raw::{all, put, read};
use crate::rows::Channel;
use crate::table::Table;
use crate::world::{ShelfError, ShelfMut};
use symbolon_presence::id::DeviceId;

/// Takes the counters out of channels.
pub(super) fn take_counters_out_of_channels(shelf: &mut dyn ShelfMut) -> Result<(), ShelfError> {
    for (key, bytes) in all(shelf, Table::Channel)? {
        // The table holds sequences, too, under longer keys.
        if DeviceId::from_slice(&key).is_some() {
            let channel: Channel = read(&bytes)?;
            put(shelf, Table::Channel, key, &channel)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! From version 5 to 6: envelopes are counted under seeds.
//!
//! Before, a device's channel held the counters of envelopes under one key for good, and so did each room that was
//! left. Nothing is sealed so any more; a friend who has said no seed gets the room made again at the
//! next start.

use super::raw::{all, put, read};
use crate::rows::{Before, Channel};
use crate::table::Table;
use crate::world::{ShelfError, ShelfMut};
use minicbor::Decode;
use symbolon_presence::id::DeviceId;

/// What is kept of them: what was left at relays is read until the friendship is renewed.
#[derive(Decode)]
#[cbor(map)]
struct Counters {
    #[n(1)]
    receive_counter: u64,
    #[n(2)]
    missing: Vec<u64>,
}

/// Takes the counters out of channels.
pub(super) fn take_counters_out_of_channels(shelf: &mut dyn ShelfMut) -> Result<(), ShelfError> {
    for (key, bytes) in all(shelf, Table::Channel)? {
        // The table holds sequences, too, under longer keys.
        if DeviceId::from_slice(&key).is_some() {
            let mut channel: Channel = read(&bytes)?;
            // The step from version 3 has done so already.
            if channel.before.is_none() {
                let Counters { receive_counter, missing } = read(&bytes)?;
                channel.before = Some(Before { received: receive_counter, next: receive_counter, missing });
            }
            put(shelf, Table::Channel, key, &channel)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

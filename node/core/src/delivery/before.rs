//! Envelopes of before there were seeds: what lies at relays is read until its device uses a seed. Nothing is sealed so.

use super::tags::{AHEAD, Found};
use crate::state::State;
use symbolon_presence::id::DeviceId;
use symbolon_presence::seeds::KeyOfBefore;
use symbolon_presence::time::Timestamp;

/// Opens an envelope of an older build, whose tag is expected under no seed. It is found under no seed's number.
pub(crate) fn open(state: &mut State, sure: Timestamp, tag: &[u8; 16], envelope: &[u8]) -> Option<(Found, Vec<u8>)> {
    let old: Vec<DeviceId> = state.devices.values().filter(|row| row.channel.before.is_some()).map(|row| row.device).collect();
    for device in old {
        let (row, me) = (state.devices.get(&device)?, &state.own.identity);
        let (Some(before), Ok(other)) = (&row.channel.before, row.chain.verify_known(sure)) else { continue };
        let key = KeyOfBefore::agree(&me.dh, &other.dh, &device, &me.device);
        // What waits for its turn is shown again, so none of them is used up.
        let counters = before.received..before.next.saturating_add(AHEAD);
        let mut counters = before.missing.iter().copied().chain(counters);
        let Some(counter) = counters.find(|counter| key.tag(*counter) == *tag) else { continue };
        let payload = key.open(counter, envelope).ok()?;
        if let Some(before) = state.channel_mut(&device).and_then(|channel| channel.before.as_mut()) {
            before.next = before.next.max(counter.saturating_add(1));
        }
        return Some((Found { device, seed: 0, counter }, payload));
    }
    None
}

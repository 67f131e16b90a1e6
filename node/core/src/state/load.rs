//! Loading the working set.

use crate::command::{Direction, Trust};
use crate::rows::{
    Barred, Counters, Device, Friend, Given, INDEXING, Inbound, Request, Sequences, TakenBlock, TakenLine, split_inbound_key,
    split_sequences_key,
};
use crate::table::{Change, Table};
use crate::turn::{Out, TurnFailed, all_rows, decode_row, read};
use crate::world::Shelf;
use std::collections::BTreeMap;
use symbolon_presence::id::{DeviceId, GrantId, PeerId, RequestId, RoomId};
use symbolon_presence::time::Timestamp;

/// Rows of version 2 say the same of a friend whose invite was used and of one whose words
/// were compared. A friend who only ever asked us, by an invite of ours, was compared; of
/// any other it is unknown. Answers whose row has changed.
pub(crate) fn derive_trust(friends: &mut BTreeMap<PeerId, Friend>, requests: &mut BTreeMap<RequestId, Request>) -> Vec<PeerId> {
    let mut settled = Vec::new();
    for friend in friends.values_mut().filter(|friend| friend.trust == Trust::InvitedOrCompared) {
        let mut asked = requests.values().filter(|row| row.peer == friend.peer).peekable();
        let is_compared =
            asked.peek().is_some() && asked.all(|row| row.direction == Direction::In && row.trust != Trust::InvitedOrCompared);
        friend.trust = if is_compared { Trust::Verified } else { Trust::Invited };
        settled.push(friend.peer);
    }
    for request in requests.values_mut().filter(|request| request.trust == Trust::InvitedOrCompared) {
        request.trust = Trust::Invited;
    }
    settled
}

/// The counters. An index of words that an older build made is emptied, and made again as texts come and are looked for.
pub(super) fn counters(shelf: &dyn Shelf, out: &mut Out) -> Result<Counters, TurnFailed> {
    let stored = read(shelf, &out.changes, Table::Meta, b"counters")?;
    let counters: Counters = stored.map(|bytes| decode_row(&bytes)).transpose()?.unwrap_or_default();
    if counters.indexing == Some(INDEXING) {
        return Ok(counters);
    }
    if counters.indexed > 0 {
        out.changes.push_back(Change::ClearIndex);
    }
    let counters = Counters { indexed: 0, indexing: Some(INDEXING), ..counters };
    out.changes.push_back(Change::Put(Table::Meta, b"counters".to_vec(), symbolon_presence::codec::encode_row(&counters)));
    Ok(counters)
}

/// All sequences, what opens envelopes, and what became of the newest.
#[derive(Default)]
pub(super) struct Lines {
    pub sequences: BTreeMap<(DeviceId, RoomId), Sequences>,
    pub inbound: BTreeMap<(DeviceId, u64), Inbound>,
    pub taken: BTreeMap<TakenLine, TakenBlock>,
}

/// Gives each device its channel, and answers the rest of the table.
pub(super) fn channels(shelf: &dyn Shelf, devices: &mut BTreeMap<DeviceId, Device>) -> Result<Lines, TurnFailed> {
    let (mut lines, mut found) = (Lines::default(), 0);
    for (key, bytes) in all_rows(shelf, Table::Channel)? {
        if let Some(device) = DeviceId::from_slice(&key).and_then(|device| devices.get_mut(&device)) {
            device.channel = decode_row(&bytes)?;
            found += 1;
        } else if let Some(of) = split_sequences_key(&key) {
            lines.sequences.insert(of, decode_row(&bytes)?);
        } else if let Some(of) = split_inbound_key(&key).filter(|(device, _)| devices.contains_key(device)) {
            lines.inbound.insert(of, decode_row(&bytes)?);
        } else if let Some((_, line)) = TakenLine::split(&key).filter(|(device, _)| devices.contains_key(device)) {
            lines.taken.insert(line, decode_row(&bytes)?);
        }
    }
    // To begin at 0 again would use numbers of the outbox twice.
    if found == devices.len() { Ok(lines) } else { Err(TurnFailed("a device has no channel")) }
}

/// The grants by which friends may still answer what an earlier run has said by their lifelines.
pub(super) fn lasting_replies(given: &BTreeMap<PeerId, Given>) -> BTreeMap<GrantId, (PeerId, Timestamp)> {
    given.values().flat_map(|given| given.replies.iter().map(|reply| (reply.grant, (given.peer, reply.expires)))).collect()
}

/// The devices that are refused, and whose they are.
pub(super) fn barred(shelf: &dyn Shelf) -> Result<BTreeMap<DeviceId, Barred>, TurnFailed> {
    let rows = all_rows(shelf, Table::Blocked)?.into_iter().filter_map(|(key, row)| Some((DeviceId::from_slice(&key)?, row)));
    rows.map(|(device, row)| Ok((device, decode_row(&row)?))).collect()
}

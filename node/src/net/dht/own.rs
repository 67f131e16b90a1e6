//! Our own records, and which of them no server has taken yet.

use crate::clock::{Clock, SystemClock};
use crate::net::limits::DHT_OWN_MAX;
use std::collections::BTreeSet;
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::Item;
use symbolon_presence::time::Timestamp;

/// The records of the last set that the core has published.
#[derive(Debug, Default)]
pub(in crate::net) struct OwnRecords {
    /// The newest last; at most [`DHT_OWN_MAX`].
    records: Vec<(LookupId, Vec<u8>)>,
    untaken: BTreeSet<LookupId>,
    /// Those that are for our lookup servers alone.
    entrusted: BTreeSet<LookupId>,
    /// Number of the set.
    number: u64,
}

impl OwnRecords {
    /// These are our records; the second ones go to our lookup servers only. False for an older set.
    pub(super) fn replace(&mut self, number: u64, everywhere: Vec<Vec<u8>>, servers: Vec<Vec<u8>>) -> bool {
        if number < self.number {
            return false;
        }
        self.number = number;
        let read =
            |records: Vec<Vec<u8>>| records.into_iter().filter_map(|bytes| Some((Item::read(&bytes, SystemClock.now()).ok()?.id, bytes)));
        let (everywhere, servers): (Vec<_>, Vec<_>) = (read(everywhere).collect(), read(servers).collect());
        self.entrusted = servers.iter().map(|(id, _)| *id).collect();
        self.records = everywhere.into_iter().chain(servers).take(DHT_OWN_MAX).collect();
        self.put_again();
        true
    }

    /// Number of the set.
    pub(in crate::net) fn number(&self) -> u64 {
        self.number
    }

    pub(in crate::net) fn ids(&self) -> impl Iterator<Item = LookupId> {
        self.records.iter().map(|(id, _)| *id)
    }

    /// One of them, with its end, unless it has expired.
    pub(super) fn read(&self, id: &LookupId) -> Option<(Timestamp, Vec<u8>)> {
        let (_, bytes) = self.records.iter().find(|(own, _)| own == id)?;
        Item::read(bytes, SystemClock.now()).ok().map(|item| (item.expires, bytes.clone()))
    }

    /// One of them, unless it has expired.
    pub(in crate::net) fn record(&self, id: &LookupId) -> Option<Vec<u8>> {
        self.read(id).map(|(_, bytes)| bytes)
    }

    /// Servers of the DHT are given all of theirs again, whatever they have taken.
    pub(super) fn put_again(&mut self) {
        self.untaken = self.ids().filter(|id| !self.entrusted.contains(id)).collect();
    }

    /// Those that no server of the DHT has taken.
    pub(super) fn untaken(&self) -> &BTreeSet<LookupId> {
        &self.untaken
    }

    /// A server has taken it, or it has expired.
    pub(super) fn taken(&mut self, id: &LookupId) {
        self.untaken.remove(id);
    }
}

//! Records of days to come: an owner who is away is still found, as the relay lets the
//! records of each day be looked up when it comes. It cannot read them, and does not know
//! whose they are beyond the owner's key here.

use super::*;
use crate::records::Away;
use minicbor::bytes::ByteVec;
use symbolon_presence::record::{DAYS_AHEAD, Record as Published, day_of, end_of};

/// Pause after which the records of the day are let be found again.
const HOST_INTERVAL: u64 = 6 * HOUR;
/// Rows of [`RelayTable::Away`] looked at in one turn.
const AWAY_AT_ONCE: usize = 16;

/// What is kept of an owner for one day.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Kept {
    #[n(0)]
    version: u64,
    #[n(1)]
    records: Vec<ByteVec>,
}

pub(super) fn away_key(day: u32, owner: &PublicKeyBytes) -> Vec<u8> {
    [day.to_be_bytes().as_slice(), owner.as_bytes()].concat()
}

impl Relay {
    /// Keeps what an owner leaves for a day, in place of what was left before.
    pub(super) fn leave(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, away: Away) -> Result<(), ShelfFailed> {
        let today = day_of(now);
        // A clock may be a few minutes ahead, or behind.
        let is_ahead = away.day.saturating_add(1) >= today && away.day <= today.saturating_add(DAYS_AHEAD).saturating_add(1);
        let is_of_day = |bytes: &ByteVec| Published::read_early(bytes, now).is_ok_and(|record| record.expires() == end_of(away.day));
        let is_good = self.mailboxes.contains_key(&away.owner) && is_ahead && away.verify(&self.mailbox).is_ok();
        if !is_good || !away.records.iter().all(is_of_day) {
            self.fault(link);
            return Ok(());
        }
        let key = away_key(away.day, &away.owner);
        let known = shelf.get(RelayTable::Away, &key)?;
        let before = known.as_ref().map_or(0, Vec::len);
        if known.map(|bytes| row::<Kept>(&bytes)).transpose()?.is_some_and(|known| known.version >= away.version) {
            return Ok(());
        }
        let kept = Kept { version: away.version, records: away.records };
        let bytes = codec::encode_row(&kept);
        let more = bytes.len().saturating_sub(before) as u64;
        if self.mailboxes.get(&away.owner).is_none_or(|mailbox| more > 0 && !self.has_room(mailbox, more)) {
            return Ok(());
        }
        self.count_left(&away.owner, before, bytes.len());
        shelf.set(RelayTable::Away, &key, Some(bytes));
        if away.day <= today.saturating_add(1) {
            self.host(away.owner, kept.records);
        }
        Ok(())
    }

    fn host(&mut self, owner: PublicKeyBytes, records: Vec<ByteVec>) {
        self.actions.extend(records.into_iter().map(|record| RelayAction::Host(owner, record.into())));
    }

    /// Lets the records of these days be found, and deletes those that are over, some at a time.
    pub(super) fn tend_away(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf) -> Result<(), ShelfFailed> {
        if now < self.next_host {
            return Ok(());
        }
        let today = day_of(now);
        let page = shelf.range(RelayTable::Away, &self.host_from, AWAY_AT_ONCE)?;
        let is_last = page.len() < AWAY_AT_ONCE;
        for (key, bytes) in page {
            self.host_from = [key.as_slice(), &[0]].concat();
            let day = key.first_chunk().map_or(0, |day| u32::from_be_bytes(*day));
            if end_of(day).is_expired_at(self.time.sure()) {
                shelf.set(RelayTable::Away, &key, None);
                if let Some(owner) = key.get(4..).and_then(PublicKeyBytes::from_slice) {
                    self.count_left(&owner, bytes.len(), 0);
                }
            } else if end_of(day).is_expired_at(now) {
                // Over by our clock, which may be ahead: it waits.
            } else if day > today.saturating_add(1) {
                // The rest is for later days: rows lie in the order of days.
                self.host_from.clear();
                self.next_host = now.after(HOST_INTERVAL);
                return Ok(());
            } else if let Some(owner) = key.get(4..).and_then(PublicKeyBytes::from_slice) {
                self.host(owner, row::<Kept>(&bytes)?.records);
            }
        }
        if is_last {
            self.host_from.clear();
            self.next_host = now.after(HOST_INTERVAL);
        }
        Ok(())
    }
}

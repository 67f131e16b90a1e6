//! Records of days to come: an owner who is away is still found, as the relay lets the
//! records of each day be looked up when it comes. It cannot read them, and does not know
//! whose they are beyond the owner's key here.

use super::limits::AWAY_AT_ONCE;
use super::mailboxes::Mailboxes;
use super::rows::row;
use super::seam::{RelayShelf, RelayTable, ShelfFailed};
use crate::records::Away;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{MailboxId, PublicKeyBytes};
use symbolon_presence::record::{DAYS_AHEAD, Record, day_of, end_of};
use symbolon_presence::time::{HOUR, Timestamp};

/// Pause after which the records of the day are let be found again.
const HOST_INTERVAL: u64 = 6 * HOUR;

/// What is kept of an owner for one day.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct DayRow {
    #[n(0)]
    version: u64,
    #[n(1)]
    records: Vec<ByteVec>,
}

pub(super) fn away_key(day: u32, owner: &PublicKeyBytes) -> Vec<u8> {
    [day.to_be_bytes().as_slice(), owner.as_bytes()].concat()
}

/// Records that are to be found, and whose they are.
pub(super) type Hosted = (PublicKeyBytes, Vec<ByteVec>);

/// Keeps what an owner leaves for a day, in place of what was left before. Answers with what of it is
/// to be found now, or with nothing when the frame was not in order.
pub(super) fn leave(
    mailboxes: &mut Mailboxes,
    mailbox: &MailboxId,
    shelf: &mut dyn RelayShelf,
    now: Timestamp,
    away: Away,
) -> Result<Option<Hosted>, ShelfFailed> {
    let today = day_of(now);
    // A clock may be a few minutes ahead, or behind.
    let is_ahead = away.day.saturating_add(1) >= today && away.day <= today.saturating_add(DAYS_AHEAD).saturating_add(1);
    let is_of_day = |bytes: &ByteVec| Record::read_early(bytes, now).is_ok_and(|record| record.expires() == end_of(away.day));
    let is_good = mailboxes.get(&away.owner).is_some() && is_ahead && away.verify(mailbox).is_ok();
    if !is_good || !away.records.iter().all(is_of_day) {
        return Ok(None);
    }
    let nothing = Ok(Some((away.owner, Vec::new())));
    let key = away_key(away.day, &away.owner);
    let known = shelf.get(RelayTable::Away, &key)?;
    let before = known.as_ref().map_or(0, Vec::len);
    if known.map(|bytes| row::<DayRow>(&bytes)).transpose()?.is_some_and(|known| known.version >= away.version) {
        return nothing;
    }
    let kept = DayRow { version: away.version, records: away.records };
    let bytes = codec::encode_row(&kept);
    let more = bytes.len().saturating_sub(before) as u64;
    if mailboxes.get(&away.owner).is_none_or(|mailbox| more > 0 && !mailboxes.has_room(mailbox, more)) {
        return nothing;
    }
    mailboxes.count_left(&away.owner, before, bytes.len());
    shelf.set(RelayTable::Away, &key, Some(bytes));
    if away.day <= today.saturating_add(1) { Ok(Some((away.owner, kept.records))) } else { nothing }
}

/// When records of the day are let be found again, and the row from which that continues.
#[derive(Debug)]
pub(super) struct Hosting {
    next: Timestamp,
    from: Vec<u8>,
}

impl Hosting {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { next: now, from: Vec::new() }
    }

    /// When [`Hosting::tend`] is wanted.
    pub(super) fn next_due(&self) -> Timestamp {
        self.next
    }

    /// Looks at some rows: answers with the records of these days, and deletes those that have surely expired.
    pub(super) fn tend(
        &mut self,
        mailboxes: &mut Mailboxes,
        shelf: &mut dyn RelayShelf,
        now: Timestamp,
        sure: Timestamp,
    ) -> Result<Vec<Hosted>, ShelfFailed> {
        let mut found = Vec::new();
        if now < self.next {
            return Ok(found);
        }
        let today = day_of(now);
        let page = shelf.range(RelayTable::Away, &self.from, AWAY_AT_ONCE)?;
        let mut is_last = page.len() < AWAY_AT_ONCE;
        for (key, bytes) in page {
            self.from = [key.as_slice(), &[0]].concat();
            let day = key.first_chunk().map_or(0, |day| u32::from_be_bytes(*day));
            let owner = key.get(4..).and_then(PublicKeyBytes::from_slice);
            if end_of(day).is_expired_at(sure) {
                shelf.set(RelayTable::Away, &key, None);
                if let Some(owner) = owner {
                    mailboxes.count_left(&owner, bytes.len(), 0);
                }
            } else if end_of(day).is_expired_at(now) {
                // Expired by our clock, which may be ahead: it waits.
            } else if day > today.saturating_add(1) {
                // The rest is for later days: rows lie in the order of days.
                is_last = true;
                break;
            } else if let Some(owner) = owner {
                found.push((owner, row::<DayRow>(&bytes)?.records));
            }
        }
        if is_last {
            self.from.clear();
            self.next = now.after(HOST_INTERVAL);
        }
        Ok(found)
    }
}

//! Deletes what has ended, some of it at a time: entries and uses whose time has come, mailboxes to
//! which nobody comes, rows that an earlier build has written.

use super::away::away_key;
use super::entries::delete;
use super::mailboxes::Mailboxes;
use super::packages::drop_packages;
use super::seam::{RelayShelf, RelayTable, ShelfFailed};
use super::uses::delete_uses;
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::record::{DAYS_AHEAD, day_of};
use symbolon_presence::time::Timestamp;

/// Rows deleted in one turn because they have expired, and bytes of their entries.
const EXPIRED_AT_ONCE: (usize, usize) = (256, 4 * 1024 * 1024);
/// Rows deleted in one turn of what has ended, and bytes of its entries.
const ENDED_AT_ONCE: (usize, usize) = (256, 4 * 1024 * 1024);
/// Entries of it that are looked up together.
const ENTRIES_AT_ONCE: usize = 16;

/// Deletes entries and uses that have surely expired. Whether there may be more.
pub(super) fn delete_expired(mailboxes: &mut Mailboxes, shelf: &mut dyn RelayShelf, sure: Timestamp) -> Result<bool, ShelfFailed> {
    let page = shelf.range(RelayTable::Expiry, &[], EXPIRED_AT_ONCE.0)?;
    let (mut rows, mut bytes) = (0, 0);
    for (key, _) in &page {
        let Some((at, rest)) = key.split_first_chunk::<8>() else { continue };
        if u64::from_be_bytes(*at) > sure.0 || bytes >= EXPIRED_AT_ONCE.1 {
            break;
        }
        rows += 1;
        shelf.set(RelayTable::Expiry, key, None);
        bytes += expire(mailboxes, shelf, rest)?;
    }
    Ok(rows == EXPIRED_AT_ONCE.0 || bytes >= EXPIRED_AT_ONCE.1)
}

/// Deletes an entry or a use whose time has come. How many bytes it had.
fn expire(mailboxes: &mut Mailboxes, shelf: &mut dyn RelayShelf, key: &[u8]) -> Result<usize, ShelfFailed> {
    let Some(owner) = key.get(..32).and_then(PublicKeyBytes::from_slice) else { return Ok(0) };
    if let Some(number) = key.get(32..).and_then(|rest| <[u8; 8]>::try_from(rest).ok()) {
        return Ok(delete(mailboxes, shelf, &owner, u64::from_be_bytes(number), false)?.unwrap_or(0));
    }
    shelf.set(RelayTable::Use, key, None);
    mailboxes.change(&owner, |mailbox| mailbox.uses = mailbox.uses.map(|uses| uses.saturating_sub(1)));
    Ok(0)
}

/// Deletes rows of a mailbox that has ended; itself when there are no others.
pub(super) fn delete_ended(mailboxes: &mut Mailboxes, shelf: &mut dyn RelayShelf, now: Timestamp) -> Result<(), ShelfFailed> {
    mailboxes.write_ended(shelf);
    let Some(owner) = mailboxes.first_ending() else { return Ok(()) };
    let (mut rows, mut bytes) = (0, 0);
    while rows < ENDED_AT_ONCE.0 && bytes < ENDED_AT_ONCE.1 {
        let page = shelf.range(RelayTable::Entry, owner.as_bytes(), ENTRIES_AT_ONCE)?;
        let numbers: Vec<u64> = page.iter().filter_map(|(key, _)| number_of(&owner, key)).collect();
        if numbers.is_empty() {
            break;
        }
        for number in numbers {
            rows += 1;
            bytes += delete(mailboxes, shelf, &owner, number, false)?.unwrap_or(0);
        }
    }
    let room = ENDED_AT_ONCE.0.saturating_sub(rows);
    if bytes >= ENDED_AT_ONCE.1 || room == 0 || delete_uses(shelf, &owner, room)? {
        return Ok(());
    }
    drop_packages(mailboxes, shelf, &owner)?;
    let today = day_of(now);
    for day in today.saturating_sub(2)..=today.saturating_add(DAYS_AHEAD + 2) {
        shelf.set(RelayTable::Away, &away_key(day, &owner), None);
    }
    shelf.set(RelayTable::Mailbox, owner.as_bytes(), None);
    mailboxes.is_deleted(&owner);
    Ok(())
}

/// Deletes rows of uses that an earlier build has written: it counted others.
pub(super) fn delete_outdated(mailboxes: &mut Mailboxes, shelf: &mut dyn RelayShelf) -> Result<(), ShelfFailed> {
    if let Some(owner) = mailboxes.first_outdated()
        && !delete_uses(shelf, &owner, ENDED_AT_ONCE.0)?
    {
        mailboxes.is_up_to_date(&owner);
    }
    Ok(())
}

fn number_of(owner: &PublicKeyBytes, key: &[u8]) -> Option<u64> {
    key.strip_prefix(owner.as_bytes().as_slice()).and_then(|number| number.try_into().ok()).map(u64::from_be_bytes)
}

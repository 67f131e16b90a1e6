//! Packages of the mailboxes kept here: stocked by their owners, handed out to friends.

use super::mailboxes::Mailboxes;
use super::nonces::is_now;
use super::seam::{RelayRows, RelayShelf, RelayTable, ShelfFailed};
use crate::grant::AddressBody;
use crate::limits::PACKAGES_MAX;
use crate::packages::{Fetch, Handed, Stock};
use symbolon_presence::id::{MailboxId, PublicKeyBytes};
use symbolon_presence::time::{DAY, Timestamp};

/// Where the package of last resort lies among those of its owner.
const LAST: u32 = u32::MAX;

fn package_key(owner: &PublicKeyBytes, number: u32) -> Vec<u8> {
    [owner.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

/// What became of a stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stocked {
    /// It is kept, or what is there is newer.
    Kept,
    /// There is no room for it: what was there before stays.
    NoRoom,
    /// The frame was not in order.
    Bad,
}

/// Versions may be times. One of a clock that was so far ahead gives way to any other one.
const VERSION_AHEAD: u64 = DAY;

/// Takes an owner's packages, in place of those that are there.
pub(super) fn stock(
    mailboxes: &mut Mailboxes,
    mailbox: &MailboxId,
    shelf: &mut dyn RelayShelf,
    now: Timestamp,
    stock: Stock,
) -> Result<Stocked, ShelfFailed> {
    let owner = stock.owner;
    let Some(known) = mailboxes.get(&owner).filter(|_| stock.verify(mailbox).is_ok()) else { return Ok(Stocked::Bad) };
    if known.stock_version >= stock.version && known.stock_version <= now.after(VERSION_AHEAD).0 {
        return Ok(Stocked::Kept);
    }
    let size = stock.packages.iter().chain(&stock.last).map(|package| package.len()).sum();
    // What takes no more than those before has their room.
    let before: usize = kept(shelf, &owner)?.iter().map(|(_, package)| package.len()).sum();
    if size > before && !mailboxes.has_room(known, size as u64) {
        return Ok(Stocked::NoRoom);
    }
    mailboxes.change(&owner, |mailbox| mailbox.stock_version = stock.version);
    drop_packages(mailboxes, shelf, &owner)?;
    mailboxes.count_left(&owner, 0, size);
    for (package, number) in stock.packages.into_iter().zip(0..) {
        shelf.set(RelayTable::Package, &package_key(&owner, number), Some(package.into()));
    }
    if let Some(last) = stock.last {
        shelf.set(RelayTable::Package, &package_key(&owner, LAST), Some(last.into()));
    }
    Ok(Stocked::Kept)
}

/// The packages of an owner, with the keys under which they lie.
fn kept(shelf: &dyn RelayShelf, owner: &PublicKeyBytes) -> Result<RelayRows, ShelfFailed> {
    let mut kept = shelf.range(RelayTable::Package, &package_key(owner, 0), PACKAGES_MAX + 1)?;
    kept.retain(|(key, _)| key.starts_with(owner.as_bytes()));
    Ok(kept)
}

/// Those who may take packages are others from now on: what was sealed for them is worth nothing.
pub(super) fn drop_packages(mailboxes: &mut Mailboxes, shelf: &mut dyn RelayShelf, owner: &PublicKeyBytes) -> Result<(), ShelfFailed> {
    for (key, package) in kept(shelf, owner)? {
        shelf.set(RelayTable::Package, &key, None);
        mailboxes.count_left(owner, package.len(), 0);
    }
    Ok(())
}

/// Hands a package to a friend of its owner. `body` is what the question's address says.
pub(super) fn fetch(
    mailboxes: &mut Mailboxes,
    mailbox: &MailboxId,
    shelf: &mut dyn RelayShelf,
    now: Timestamp,
    fetch: &Fetch,
    body: Option<&AddressBody>,
) -> Result<Handed, ShelfFailed> {
    // The same work whether the address, the owner or the token is unknown.
    let is_signed = fetch.verify(mailbox).is_ok();
    let owner = body.and_then(|body| mailboxes.holder(&body.queue));
    let known = owner.and_then(|owner| mailboxes.get(&owner));
    let is_current = known.is_some_and(|known| known.record.capability == fetch.capability);
    let is_past = known.is_some_and(|known| known.past.iter().any(|past| past.capability == fetch.capability));
    match owner.filter(|_| is_signed) {
        // Only of those who have the right is a nonce remembered: strangers must not fill the room for them.
        Some(owner) if is_current && is_now(now, fetch.at) && mailboxes.nonces(&owner).take_question(now, fetch.at, fetch.nonce) => {
            hand_out(mailboxes, shelf, &owner)
        }
        Some(_) if is_past => Ok(Handed::Stale),
        Some(_) | None => Ok(Handed::Refused),
    }
}

fn hand_out(mailboxes: &mut Mailboxes, shelf: &mut dyn RelayShelf, owner: &PublicKeyBytes) -> Result<Handed, ShelfFailed> {
    let first = shelf.range(RelayTable::Package, &package_key(owner, 0), 1)?.pop();
    let Some((key, package)) = first.filter(|(key, _)| key.starts_with(owner.as_bytes())) else { return Ok(Handed::Empty) };
    if key != package_key(owner, LAST) {
        shelf.set(RelayTable::Package, &key, None);
        mailboxes.count_left(owner, package.len(), 0);
    }
    Ok(Handed::Package(package))
}

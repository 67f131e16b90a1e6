//! Packages of the mailboxes kept here: stocked by their owners, handed out to friends.

use super::nonces::is_now;
use super::*;
use crate::packages::{Fetch, Fetched, Handed, Stock};

/// Where the package of last resort lies among those of its owner.
const LAST: u32 = u32::MAX;

fn package_key(owner: &PublicKeyBytes, number: u32) -> Vec<u8> {
    [owner.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

impl Relay {
    /// Takes an owner's packages, in place of those that are there.
    pub(super) fn stock(&mut self, shelf: &mut dyn RelayShelf, link: Link, stock: Stock) -> Result<(), ShelfFailed> {
        if !self.mailboxes.contains_key(&stock.owner) || stock.verify(&self.mailbox).is_err() {
            self.fault(link);
            return Ok(());
        }
        let owner = stock.owner;
        let Some(mailbox) = self.mailboxes.get(&owner).filter(|mailbox| mailbox.stock_version < stock.version) else { return Ok(()) };
        let size = stock.packages.iter().chain(&stock.last).map(|package| package.len()).sum();
        // The earlier ones do not count: the owner wants others to be handed out.
        let has_room = self.has_room(mailbox, size as u64);
        self.change(&owner, |mailbox| mailbox.stock_version = stock.version);
        self.drop_packages(shelf, &owner)?;
        if !has_room {
            return Ok(());
        }
        self.count_left(&owner, 0, size);
        for (package, number) in stock.packages.into_iter().zip(0..) {
            shelf.set(RelayTable::Package, &package_key(&owner, number), Some(package.into()));
        }
        if let Some(last) = stock.last {
            shelf.set(RelayTable::Package, &package_key(&owner, LAST), Some(last.into()));
        }
        Ok(())
    }

    /// Those who may take packages are others from now on: what was sealed for them is worth nothing.
    pub(super) fn drop_packages(&mut self, shelf: &mut dyn RelayShelf, owner: &PublicKeyBytes) -> Result<(), ShelfFailed> {
        for (key, package) in shelf.range(RelayTable::Package, &package_key(owner, 0), crate::limits::PACKAGES_MAX + 1)? {
            if key.starts_with(owner.as_bytes()) {
                shelf.set(RelayTable::Package, &key, None);
                self.count_left(owner, package.len(), 0);
            }
        }
        Ok(())
    }

    /// Hands a package to a friend of its owner.
    pub(super) fn fetch(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, fetch: &Fetch) -> Result<(), ShelfFailed> {
        // The same work whether the address, the owner or the token is unknown.
        let is_signed = fetch.verify(&self.mailbox).is_ok();
        let body = self.open(&fetch.address);
        let owner = body.as_ref().and_then(|body| self.queues.get(&body.queue).copied());
        let mailbox = owner.and_then(|owner| self.mailboxes.get(&owner));
        let is_current = mailbox.is_some_and(|mailbox| mailbox.record.capability == fetch.capability);
        let is_over = mailbox.is_some_and(|mailbox| mailbox.past.iter().any(|past| past.capability == fetch.capability));
        let handed = match owner.filter(|_| is_signed) {
            // Only of those who have the right is a nonce remembered: strangers must not fill the room for them.
            Some(owner) if is_current && is_now(now, fetch.at) && self.is_new_question(now, &owner, fetch) => {
                self.opened.remember(&fetch.address, body);
                self.hand_out(shelf, &owner)?
            }
            Some(_) if is_over => Handed::Stale,
            Some(_) | None => {
                self.fault(link);
                Handed::Refused
            }
        };
        let answer = Frame::Fetched(Fetched { nonce: fetch.nonce, handed });
        if self.links.contains_key(&link) {
            self.actions.push_back(RelayAction::Send(link, answer.encode()));
        }
        Ok(())
    }

    fn is_new_question(&mut self, now: Timestamp, owner: &PublicKeyBytes, fetch: &Fetch) -> bool {
        self.nonces.entry(*owner).or_default().take_question(now, fetch.at, fetch.nonce)
    }

    fn hand_out(&mut self, shelf: &mut dyn RelayShelf, owner: &PublicKeyBytes) -> Result<Handed, ShelfFailed> {
        let first = shelf.range(RelayTable::Package, &package_key(owner, 0), 1)?.pop();
        let Some((key, package)) = first.filter(|(key, _)| key.starts_with(owner.as_bytes())) else { return Ok(Handed::Empty) };
        if key != package_key(owner, LAST) {
            shelf.set(RelayTable::Package, &key, None);
            self.count_left(owner, package.len(), 0);
        }
        Ok(Handed::Package(package))
    }
}

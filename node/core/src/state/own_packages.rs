//! Packages of ours, and what lies at our relays: the rows in memory.

use crate::rows::{OwnPackage, Stocked};
use crate::table::Table;
use crate::turn::{TurnFailed, decode_row, load_all};
use crate::world::Shelf;
use std::collections::{BTreeMap, HashMap};
use symbolon_presence::id::{GrantId, MailboxId, PublicKeyBytes};

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct OwnPackages {
    /// At most [`limits::PACKAGES_KEPT_MAX`](crate::limits::PACKAGES_KEPT_MAX) that are no seats, and a seat for each room.
    rows: BTreeMap<PublicKeyBytes, OwnPackage>,
    /// The same by their grants.
    grants: HashMap<GrantId, PublicKeyBytes>,
    /// One for each relay of ours.
    stocks: BTreeMap<MailboxId, Stocked>,
}

impl OwnPackages {
    /// Loads them.
    pub(super) fn load(shelf: &dyn Shelf) -> Result<Self, TurnFailed> {
        let rows = load_all(shelf, Table::OwnPackage, |row: &OwnPackage| row.leaf)?;
        let stocks: Vec<Stocked> = match shelf.get(Table::Meta, b"stocks")? {
            Some(bytes) => decode_row(&bytes)?,
            None => Vec::new(),
        };
        Ok(Self {
            grants: rows.values().flat_map(|row| row.grants().map(|grant| (grant, row.leaf))).collect(),
            rows,
            stocks: stocks.into_iter().map(|stocked| (stocked.mailbox, stocked)).collect(),
        })
    }

    /// One of them.
    pub fn get(&self, leaf: &PublicKeyBytes) -> Option<&OwnPackage> {
        self.rows.get(leaf)
    }

    /// The one to which a grant belongs.
    pub fn of_grant(&self, grant: &GrantId) -> Option<&OwnPackage> {
        self.rows.get(self.grants.get(grant)?)
    }

    /// All of them, by their leaves.
    pub fn all(&self) -> impl Iterator<Item = &OwnPackage> {
        self.rows.values()
    }

    /// What lies at a relay of ours.
    pub fn stocked(&self, mailbox: &MailboxId) -> Option<Stocked> {
        self.stocks.get(mailbox).copied()
    }

    /// What lies at all of them.
    pub fn stocks(&self) -> impl Iterator<Item = &Stocked> {
        self.stocks.values()
    }

    /// Takes one in, in place of the one with the same leaf.
    pub(super) fn insert(&mut self, row: OwnPackage) {
        for grant in self.rows.get(&row.leaf).into_iter().flat_map(OwnPackage::grants) {
            self.grants.remove(&grant);
        }
        self.grants.extend(row.grants().map(|grant| (grant, row.leaf)));
        self.rows.insert(row.leaf, row);
    }

    /// Takes one out. Whether it was there.
    pub(super) fn remove(&mut self, leaf: &PublicKeyBytes) -> bool {
        let Some(row) = self.rows.remove(leaf) else { return false };
        for grant in row.grants() {
            self.grants.remove(&grant);
        }
        true
    }

    /// What lies at a relay of ours is this, or nothing is known of it.
    pub(super) fn set_stocked(&mut self, mailbox: &MailboxId, stocked: Option<Stocked>) {
        match stocked {
            Some(stocked) => drop(self.stocks.insert(*mailbox, stocked)),
            None => drop(self.stocks.remove(mailbox)),
        }
    }
}

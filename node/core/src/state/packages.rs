//! Packages of ours, and what lies at our relays: how they are saved.

use super::State;
use crate::rows::{OwnPackage, Stocked};
use crate::table::Table;
use crate::turn::Turn;
use symbolon_presence::id::{MailboxId, PublicKeyBytes};

impl State {
    /// Saves a package of ours.
    pub fn save_package(&mut self, turn: &mut Turn<'_>, row: OwnPackage) {
        turn.put(Table::OwnPackage, row.leaf.as_bytes(), &row);
        self.packages.insert(row);
    }

    /// Forgets one. Its keys are the room cipher's.
    pub fn forget_package(&mut self, turn: &mut Turn<'_>, leaf: &PublicKeyBytes) {
        if self.packages.remove(leaf) {
            turn.delete(Table::OwnPackage, leaf.as_bytes());
        }
    }

    /// Notes what lies at a relay of ours, or that nothing is known of it.
    pub fn save_stocked(&mut self, turn: &mut Turn<'_>, mailbox: &MailboxId, stocked: Option<Stocked>) {
        self.packages.set_stocked(mailbox, stocked);
        let all: Vec<Stocked> = self.packages.stocks().copied().collect();
        turn.put(Table::Meta, b"stocks", &all);
    }
}

//! Own devices, and how the person stands to others: how their rows are saved.

use super::State;
use crate::limits::PERSONS_MAX;
use crate::rows::{Listed, Person, Sibling};
use crate::table::Table;
use crate::turn::Turn;
use symbolon_presence::id::PeerId;

impl State {
    /// Saves another device of our own person.
    pub fn save_sibling(&mut self, turn: &mut Turn<'_>, row: Sibling) {
        turn.put(Table::Sibling, row.peer.as_bytes(), &row);
        self.siblings.insert(row.peer, row);
    }

    /// Changes it and saves it.
    pub fn change_sibling(&mut self, turn: &mut Turn<'_>, peer: &PeerId, change: impl FnOnce(&mut Sibling)) {
        if let Some(row) = self.siblings.get_mut(peer) {
            change(row);
            turn.put(Table::Sibling, peer.as_bytes(), row);
        }
    }

    /// Forgets a device of ours that is gone.
    pub fn delete_sibling(&mut self, turn: &mut Turn<'_>, peer: &PeerId) {
        if self.siblings.remove(peer).is_some() {
            turn.delete(Table::Sibling, peer.as_bytes());
        }
    }

    /// Saves which devices a person has. There are no more of these rows than people of whom a row of a friend is there.
    pub fn save_listed(&mut self, turn: &mut Turn<'_>, row: Listed) {
        turn.put(Table::Listed, row.person.as_bytes(), &row);
        self.listed.insert(row.person, row);
    }

    /// Whether a Peer ID is of a device of ours that is gone.
    pub fn is_gone_sibling(&self, peer: &PeerId) -> bool {
        self.siblings.get(peer).is_some_and(|row| row.gone.is_some())
    }

    /// Saves how our person stands to somebody. False when there are too many.
    pub fn save_person(&mut self, turn: &mut Turn<'_>, row: Person) -> bool {
        let person = row.said.person;
        if self.persons.len() >= PERSONS_MAX && !self.persons.contains_key(&person) {
            return false;
        }
        turn.put(Table::Person, person.as_bytes(), &row);
        self.persons.insert(person, row);
        true
    }
}

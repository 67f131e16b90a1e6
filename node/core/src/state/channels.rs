//! How far devices are, in envelopes and in rooms, and which rooms there are.

use super::State;
use crate::rows::{Channel, Commits, Inbound, Leaf, Pieces, Room, Sequences, TakenLine, inbound_key, leaf_key, piece_key, sequences_key};
use crate::table::Table;
use crate::turn::Turn;
use symbolon_presence::id::{DeviceId, PublicKeyBytes, RoomId};
use symbolon_presence::identity::Chain;

impl State {
    /// How far a device is, to change it; saved at the end of the turn.
    pub fn channel_mut(&mut self, device: &DeviceId) -> Option<&mut Channel> {
        let found = self.devices.get_mut(device)?;
        self.dirty_channels.insert(*device);
        Some(&mut found.channel)
    }

    /// Saves a room.
    pub fn save_room(&mut self, turn: &mut Turn<'_>, room: Room) {
        turn.put(Table::Room, room.room.as_bytes(), &room);
        self.openings = self.openings.saturating_add(1);
        self.rooms.insert(room.room, room);
    }

    /// Changes how own commits in a room are; nothing happens where there are none.
    pub fn change_commits(&mut self, turn: &mut Turn<'_>, room: &RoomId, change: impl FnOnce(&mut Commits)) {
        if let Some(row) = self.rooms.get_mut(room)
            && let Some(commits) = row.commits.as_mut()
        {
            change(commits);
            turn.put(Table::Room, room.as_bytes(), row);
        }
    }

    /// Saves whose a leaf is.
    pub fn save_leaf(&mut self, turn: &mut Turn<'_>, leaf: Leaf) {
        turn.put(Table::Leaf, &leaf_key(&leaf.room, &leaf.leaf), &leaf);
        self.leaves.insert((leaf.room, leaf.leaf), leaf);
    }

    /// A device has another certificate: so have its leaves.
    pub fn renew_leaves(&mut self, turn: &mut Turn<'_>, device: &DeviceId, chain: &Chain) {
        let is_its = |leaf: &&mut Leaf| leaf.chain != *chain && leaf.chain.body().is_some_and(|body| body.device == *device);
        for leaf in self.leaves.values_mut().filter(is_its) {
            leaf.chain = chain.clone();
            turn.put(Table::Leaf, &leaf_key(&leaf.room, &leaf.leaf), leaf);
            self.speakers.remove(&(leaf.room, leaf.leaf));
        }
    }

    /// A leaf is in no epoch that is kept.
    pub fn forget_leaf(&mut self, turn: &mut Turn<'_>, room: &RoomId, leaf: &PublicKeyBytes) {
        turn.delete(Table::Leaf, &leaf_key(room, leaf));
        self.leaves.remove(&(*room, *leaf));
        self.speakers.remove(&(*room, *leaf));
    }

    /// Whether it is known whose the leaves of a room are.
    pub fn has_leaves(&self, room: &RoomId) -> bool {
        self.leaves_of(room).next().is_some()
    }

    fn leaves_of(&self, room: &RoomId) -> impl Iterator<Item = PublicKeyBytes> + use<'_> {
        let room = *room;
        self.leaves.range((room, PublicKeyBytes([0; 32]))..).take_while(move |((of, _), _)| *of == room).map(|((_, leaf), _)| *leaf)
    }

    /// Deletes a room's row, and whose its leaves were.
    pub fn forget_room(&mut self, turn: &mut Turn<'_>, room: &RoomId) {
        for leaf in self.leaves_of(room).collect::<Vec<_>>() {
            self.leaves.remove(&(*room, leaf));
            self.speakers.remove(&(*room, leaf));
            turn.delete(Table::Leaf, &leaf_key(room, &leaf));
        }
        for (device, ..) in self.pieces().filter(|(_, of, _)| of == room).collect::<Vec<_>>() {
            self.forget_pieces(&device, room);
        }
        if self.rooms.remove(room).is_some() {
            turn.delete(Table::Room, room.as_bytes());
        }
    }

    /// How far a device is in a room.
    pub fn sequences_of(&self, device: &DeviceId, room: &RoomId) -> Sequences {
        self.sequences.get(&(*device, *room)).copied().unwrap_or_default()
    }

    /// The same in each room.
    pub fn sequences_to(&self, device: &DeviceId) -> impl Iterator<Item = &Sequences> {
        let device = *device;
        self.sequences.range((device, RoomId([0; 32]))..).take_while(move |((of, _), _)| *of == device).map(|(_, row)| row)
    }

    /// The same, to change it; saved at the end of the turn.
    pub fn sequences_mut(&mut self, device: &DeviceId, room: &RoomId) -> &mut Sequences {
        self.changed_sequences.insert((*device, *room));
        self.sequences.entry((*device, *room)).or_default()
    }

    /// A device is not in a room any more. Answers how far it was.
    pub fn forget_sequences(&mut self, device: &DeviceId, room: &RoomId) -> Sequences {
        self.changed_sequences.insert((*device, *room));
        let sequences = self.sequences.remove(&(*device, *room)).unwrap_or_default();
        self.gone_pieces.extend(sequences.pieces.map(|pieces| (*device, *room, pieces.next.index)));
        self.taken.end(TakenLine::Room(*device, *room));
        sequences
    }

    /// Messages that are not whole yet: of whom, and in which room.
    pub fn pieces(&self) -> impl Iterator<Item = (DeviceId, RoomId, Pieces)> {
        self.sequences.iter().filter_map(|((device, room), row)| Some((*device, *room, row.pieces?)))
    }

    /// A message that is not whole yet is given up; its pieces go at the end of the turn.
    pub fn forget_pieces(&mut self, device: &DeviceId, room: &RoomId) {
        if let Some(pieces) = self.sequences_of(device, room).pieces {
            self.gone_pieces.push((*device, *room, pieces.next.index));
            self.sequences_mut(device, room).pieces = None;
        }
    }

    /// A device is in no room any more.
    pub(super) fn forget_all_sequences(&mut self, device: &DeviceId) {
        let rooms: Vec<RoomId> = self
            .sequences
            .range((*device, RoomId([0; 32]))..)
            .take_while(|((of, _), _)| of == device)
            .map(|((_, room), _)| *room)
            .collect();
        for room in rooms {
            self.forget_sequences(device, &room);
        }
    }

    /// What opens envelopes of any device.
    pub fn inbound(&self) -> impl Iterator<Item = (&(DeviceId, u64), &Inbound)> {
        self.inbound.iter()
    }

    /// What opens envelopes of a device, the oldest seed first.
    pub fn inbound_of(&self, device: &DeviceId) -> impl DoubleEndedIterator<Item = &Inbound> + use<'_> {
        self.inbound.range((*device, 0)..=(*device, u64::MAX)).map(|(_, row)| row)
    }

    /// What opens envelopes of a device under its newest seed.
    pub fn newest_inbound(&self, device: &DeviceId) -> Option<&Inbound> {
        self.inbound_of(device).next_back()
    }

    /// What opens envelopes of a device under one seed.
    pub fn inbound_under(&self, device: &DeviceId, seed: u64) -> Option<&Inbound> {
        self.inbound.get(&(*device, seed))
    }

    /// The same, to change it; saved at the end of the turn.
    pub fn inbound_mut(&mut self, device: &DeviceId, seed: u64) -> Option<&mut Inbound> {
        let found = self.inbound.get_mut(&(*device, seed))?;
        self.changed_inbound.insert((*device, seed));
        Some(found)
    }

    /// A seed was drawn for a device.
    pub fn add_inbound(&mut self, device: &DeviceId, row: Inbound) {
        self.inbound_changes = self.inbound_changes.saturating_add(1);
        self.openings = self.openings.saturating_add(1);
        self.changed_inbound.insert((*device, row.number));
        self.inbound.insert((*device, row.number), row);
    }

    /// A device can write under a seed no more.
    pub fn drop_inbound(&mut self, device: &DeviceId, seed: u64) {
        self.inbound_changes = self.inbound_changes.saturating_add(1);
        self.changed_inbound.insert((*device, seed));
        self.inbound.remove(&(*device, seed));
        self.taken.drop(TakenLine::Seed(*device, seed));
    }

    /// How often a seed was added or taken out since the start.
    pub fn inbound_changes(&self) -> u64 {
        self.inbound_changes
    }

    /// How often something has come since the start that may open what could not be opened before.
    pub fn openings(&self) -> u64 {
        self.openings
    }

    /// A device can write under no seed any more.
    pub(super) fn forget_all_inbound(&mut self, device: &DeviceId) {
        for seed in self.inbound_of(device).map(|row| row.number).collect::<Vec<_>>() {
            self.drop_inbound(device, seed);
        }
    }

    /// Writes what has changed at the end of the turn.
    pub(super) fn flush_channels(&mut self, turn: &mut Turn<'_>) {
        for id in std::mem::take(&mut self.dirty_channels) {
            if let Some(device) = self.devices.get(&id) {
                turn.put(Table::Channel, id.as_bytes(), &device.channel);
            }
        }
        for (device, room, until) in std::mem::take(&mut self.gone_pieces) {
            // Those of the next message may lie in their places already.
            let from = self.sequences_of(&device, &room).pieces.map_or(0, |pieces| pieces.next.index);
            for index in from..until {
                turn.delete(Table::Piece, &piece_key(&device, &room, index));
            }
        }
        for (device, room) in std::mem::take(&mut self.changed_sequences) {
            match self.sequences.get(&(device, room)) {
                Some(sequences) => turn.put(Table::Channel, &sequences_key(&device, &room), sequences),
                None => turn.delete(Table::Channel, &sequences_key(&device, &room)),
            }
        }
        for (device, seed) in std::mem::take(&mut self.changed_inbound) {
            match self.inbound.get(&(device, seed)) {
                Some(row) => turn.put(Table::Channel, &inbound_key(&device, seed), row),
                None => turn.delete(Table::Channel, &inbound_key(&device, seed)),
            }
        }
        self.taken.flush(turn);
    }
}

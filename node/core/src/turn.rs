//! One turn: what a machine may touch while it handles one input.
//!
//! Everything a machine wants from or does to the world goes through here: it reads rows
//! (its own writes of the same turn included), writes rows, and queues actions and events.
//! Nothing takes effect before the shell has committed.

use crate::notice::{Notice, Notices, Restless};
use crate::seam::{Action, Event};
use crate::table::{Change, Table};
use crate::world::RANGE_LIMIT;
use crate::world::{CipherError, RoomCipher, Rows, Shelf, ShelfError};
use minicbor::{Decode, Encode};
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, HashMap, VecDeque};
use symbolon_presence::codec;
use symbolon_presence::time::Timestamp;

/// The store failed in a turn. The shell rolls back and loads a new core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnFailed(pub &'static str);

impl From<ShelfError> for TurnFailed {
    fn from(error: ShelfError) -> Self {
        Self(error.0)
    }
}

impl From<Restless> for TurnFailed {
    fn from(_: Restless) -> Self {
        Self("the machines do not come to rest")
    }
}

/// The longest row, in bytes.
pub(crate) const ROW_MAX: usize = 2 * 1024 * 1024;

/// So many changes are looked through one by one; with more of them it is noted where each row stands.
const CHANGES_MANY: usize = 64;

/// Changes that are not applied yet, in their order.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    list: VecDeque<Change>,
    /// How many were taken out before the first.
    taken: usize,
    /// Where the newest change of a row stands, those that were taken out counted. Whole while there are
    /// [`CHANGES_MANY`]: a turn that writes many rows reads many, too.
    newest: HashMap<Table, HashMap<Vec<u8>, usize>>,
}

impl Changes {
    pub fn push_back(&mut self, change: Change) {
        self.list.push_back(change);
        let first = match self.list.len() {
            ..CHANGES_MANY => return,
            CHANGES_MANY => 0,
            many => many - 1,
        };
        for (at, change) in self.list.iter().enumerate().skip(first) {
            if let Change::Put(table, key, _) | Change::Delete(table, key) = change {
                self.newest.entry(*table).or_default().insert(key.clone(), self.taken + at);
            }
        }
    }

    pub fn pop_front(&mut self) -> Option<Change> {
        let first = self.list.pop_front();
        self.taken += 1;
        if self.list.is_empty() {
            (self.taken, self.newest) = (0, HashMap::new());
        }
        first
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.list.iter()
    }

    /// The newest change of a row.
    fn of(&self, table: Table, key: &[u8]) -> Option<&Change> {
        if self.list.len() < CHANGES_MANY {
            let is_it = |change: &&Change| matches!(change, Change::Put(t, k, _) | Change::Delete(t, k) if *t == table && k == key);
            return self.list.iter().rev().find(is_it);
        }
        let at = self.newest.get(&table)?.get(key)?.checked_sub(self.taken)?;
        self.list.get(at)
    }
}

/// What was taken in since the last turn ended.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Taken {
    /// Inputs.
    pub inputs: usize,
    /// Those of them that were receipts of friends' devices.
    pub receipts: usize,
}

/// What the machines have queued.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub taken: Taken,
    /// Whether the turn that ended last took in receipts and nothing else.
    pub only_receipts: bool,
    pub changes: Changes,
    /// Rows of the outbox that are not in the store: see [`Turn::put_young`]. At most [`YOUNG_MAX`](crate::limits::YOUNG_MAX) for each
    /// device.
    pub young: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether the turn writes anything: some of it may have been taken out already.
    pub has_changed: bool,
    pub actions: VecDeque<Action>,
    pub events: VecDeque<Event>,
    /// Those of them that concern our other devices, until that is looked at: with the same input, or the next one.
    pub overheard: Vec<Event>,
    /// Notices of machines that nobody has heard yet; empty when an input is handled.
    pub notices: Notices,
}

/// The lent world and the queues for one input.
pub(crate) struct Turn<'a> {
    /// The wall clock, which may be wrong and may run back: it hides, refuses or puts off.
    pub now: Timestamp,
    /// What has certainly come: only by this anything is erased or ended; see [`crate::clock`].
    pub sure: Timestamp,
    /// What new rows are dated by.
    pub stamp: Timestamp,
    pub rng: &'a mut ChaCha20Rng,
    pub cipher: &'a mut dyn RoomCipher,
    pub shelf: &'a dyn Shelf,
    pub out: &'a mut Out,
}

impl Turn<'_> {
    /// Reads a raw row.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, TurnFailed> {
        match self.young(table).and_then(|young| young.get(key)) {
            Some(value) => Ok(Some(value.clone())),
            None => read(self.shelf, &self.out.changes, table, key),
        }
    }

    fn young(&self, table: Table) -> Option<&BTreeMap<Vec<u8>, Vec<u8>>> {
        (table == Table::Outbox && !self.out.young.is_empty()).then_some(&self.out.young)
    }

    /// Reads and decodes a row.
    pub fn row<T: for<'b> Decode<'b, ()> + Encode<()>>(&self, table: Table, key: &[u8]) -> Result<Option<T>, TurnFailed> {
        self.get(table, key)?.map(|bytes| decode_row(&bytes)).transpose()
    }

    /// At most `limit` rows from `from` upwards, this turn's writes included.
    pub fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<Rows, TurnFailed> {
        let pending: Vec<&Change> = self.out.changes.iter().filter(|change| change.table() == Some(table)).collect();
        let young = self.young(table);
        if pending.is_empty() && young.is_none() {
            return Ok(self.shelf.range(table, from, limit)?);
        }
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> =
            self.shelf.range(table, from, limit.saturating_add(pending.len()))?.into_iter().collect();
        for change in pending {
            match change {
                Change::Put(_, key, value) if key.as_slice() >= from => {
                    rows.insert(key.clone(), value.clone());
                }
                Change::Put(..) | Change::Index(..) | Change::Unindex(..) | Change::ClearIndex => {}
                Change::Delete(_, key) => {
                    rows.remove(key);
                }
            }
        }
        let young = young.into_iter().flat_map(|young| young.range(from.to_vec()..).take(limit));
        rows.extend(young.map(|(key, value)| (key.clone(), value.clone())));
        Ok(rows.into_iter().take(limit).collect())
    }

    /// The value of the last row below a key, this turn's writes included.
    pub fn last_below(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, TurnFailed> {
        let mut pending: BTreeMap<&[u8], Option<&Vec<u8>>> = BTreeMap::new();
        for change in self.out.changes.iter() {
            match change {
                Change::Put(of, at, value) if *of == table && at.as_slice() < key => drop(pending.insert(at, Some(value))),
                Change::Delete(of, at) if *of == table && at.as_slice() < key => drop(pending.insert(at, None)),
                Change::Put(..) | Change::Delete(..) | Change::Index(..) | Change::Unindex(..) | Change::ClearIndex => {}
            }
        }
        let written = pending.iter().rev().find_map(|(at, value)| Some((at.to_vec(), (*value)?.clone())));
        let rows = self.shelf.range_back(table, key, pending.len().saturating_add(1))?;
        let stored = rows.into_iter().find(|(at, _)| !pending.contains_key(at.as_slice()));
        let last = stored.into_iter().chain(written).max_by(|a, b| a.0.cmp(&b.0));
        Ok(last.map(|(_, value)| value))
    }

    /// Writes a row.
    pub fn put<T: Encode<()>>(&mut self, table: Table, key: &[u8], row: &T) {
        self.put_raw(table, key, codec::encode_row(row));
    }

    /// Keeps a row of the outbox in memory alone. It is read, changed and removed like any other. A start must be able to make it again,
    /// and [`Self::harden`] writes it.
    pub fn put_young<T: Encode<()>>(&mut self, key: &[u8], row: &T) {
        self.out.young.insert(key.to_vec(), codec::encode_row(row));
    }

    /// Writes a row that was in memory alone.
    pub fn harden(&mut self, key: &[u8]) {
        if let Some(value) = self.out.young.remove(key) {
            self.put_raw(Table::Outbox, key, value);
        }
    }

    /// Writes a raw row.
    pub fn put_raw(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        if table == Table::Outbox
            && let Some(young) = self.out.young.get_mut(key)
        {
            *young = value;
            return;
        }
        self.out.has_changed = true;
        self.out.changes.push_back(Change::Put(table, key.to_vec(), value));
    }

    /// Removes a row.
    pub fn delete(&mut self, table: Table, key: &[u8]) {
        if table == Table::Outbox && self.out.young.remove(key).is_some() {
            return;
        }
        self.out.has_changed = true;
        self.out.changes.push_back(Change::Delete(table, key.to_vec()));
    }

    /// Lets a text be found under a number.
    pub fn index(&mut self, number: u64, text: &str) {
        self.out.changes.push_back(Change::Index(number, text.to_owned()));
    }

    /// A text is not found under its number any more.
    pub fn unindex(&mut self, number: u64, text: &str) {
        self.out.changes.push_back(Change::Unindex(number, text.to_owned()));
    }

    /// Queues an action.
    pub fn act(&mut self, action: impl Into<Action>) {
        self.out.actions.push_back(action.into());
    }

    /// Tells what a machine has found out.
    pub fn tell<T: Notice>(&mut self, notice: T) {
        T::queue(&mut self.out.notices).tell(notice);
    }

    /// All notices of one machine, oldest first.
    #[cfg(test)]
    pub fn told<T: Notice>(&mut self) -> Vec<T> {
        let queue = T::queue(&mut self.out.notices);
        std::iter::from_fn(|| queue.next()).collect()
    }

    /// Queues an event.
    pub fn notify(&mut self, event: Event) {
        if matches!(event, Event::MessageState { .. } | Event::Friend(_) | Event::Room(_) | Event::Drafts) {
            self.out.overheard.push(event.clone());
        }
        self.out.events.push_back(event);
    }
}

/// Reads a raw row, changes not yet applied included.
pub(crate) fn read(shelf: &dyn Shelf, changes: &Changes, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, TurnFailed> {
    match changes.of(table, key) {
        Some(Change::Put(_, _, value)) => Ok(Some(value.clone())),
        Some(Change::Delete(..) | Change::Index(..) | Change::Unindex(..) | Change::ClearIndex) => Ok(None),
        None => Ok(shelf.get(table, key)?),
    }
}

/// Decodes a row of ours. A row that does not read is damage, which fails the turn.
pub(crate) fn decode_row<T: for<'b> Decode<'b, ()> + Encode<()>>(bytes: &[u8]) -> Result<T, TurnFailed> {
    codec::decode_row(bytes, ROW_MAX).map_err(|_| TurnFailed("a row in the store cannot be read"))
}

/// Why something from outside was dropped. Counted, never logged with what was in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DropReason {
    /// Not readable, out of bounds or not canonical.
    Malformed,
    /// No key opens it.
    Unopenable,
    /// Signature, certificate or binding does not hold.
    Forged,
    /// Too old or too far in the future.
    Untimely,
    /// Fits no row that waits for it.
    Unexpected,
    /// From somebody blocked.
    Blocked,
    /// Room message refused by the cipher.
    Cipher,
    /// Of an epoch of its room that this node is not in, or not any more.
    Epoch,
    /// A commit that gives way to ours of the same epoch.
    Outranked,
    /// A bound is reached.
    Full,
    /// Known already.
    Repeated,
    /// Under a key of the room that was used before: by an older copy of its sender's folder.
    Reused,
}

impl DropReason {
    /// Its name in `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unopenable => "unopenable",
            Self::Forged => "forged",
            Self::Untimely => "untimely",
            Self::Unexpected => "unexpected",
            Self::Blocked => "blocked",
            Self::Cipher => "cipher",
            Self::Epoch => "epoch",
            Self::Outranked => "outranked",
            Self::Full => "full",
            Self::Repeated => "repeated",
            Self::Reused => "reused",
        }
    }
}

/// How handling something from outside ends early.
#[derive(Debug)]
pub(crate) enum Rejected {
    Turn(TurnFailed),
    Drop(DropReason),
}

impl From<TurnFailed> for Rejected {
    fn from(error: TurnFailed) -> Self {
        Self::Turn(error)
    }
}

impl From<DropReason> for Rejected {
    fn from(reason: DropReason) -> Self {
        Self::Drop(reason)
    }
}

impl From<CipherError> for Rejected {
    fn from(error: CipherError) -> Self {
        match error {
            CipherError::Store => Self::Turn(TurnFailed("the room cipher's store failed")),
            CipherError::Used => Self::Drop(DropReason::Reused),
            CipherError::Ahead | CipherError::Gone | CipherError::Broken => Self::Drop(DropReason::Cipher),
        }
    }
}

/// How a command ends early.
#[derive(Debug)]
pub(crate) enum Failed {
    Turn(TurnFailed),
    Command(crate::command::CommandError),
}

impl From<TurnFailed> for Failed {
    fn from(error: TurnFailed) -> Self {
        Self::Turn(error)
    }
}

impl From<crate::command::CommandError> for Failed {
    fn from(error: crate::command::CommandError) -> Self {
        Self::Command(error)
    }
}

/// A cipher that refuses what we ourselves make is broken: the turn fails.
impl From<CipherError> for Failed {
    fn from(_: CipherError) -> Self {
        Self::Turn(TurnFailed("the room cipher failed"))
    }
}

/// Writes a row of [`Table::Meta`] before there is a turn.
pub(crate) fn put_meta<T: Encode<()>>(out: &mut Out, name: &[u8], value: &T) {
    out.changes.push_back(Change::Put(Table::Meta, name.to_vec(), symbolon_presence::codec::encode_row(value)));
}

/// All rows of a table.
pub(crate) fn all_rows(shelf: &dyn Shelf, table: Table) -> Result<Rows, TurnFailed> {
    let mut rows = Rows::new();
    let mut from = Vec::new();
    loop {
        let page = shelf.range(table, &from, RANGE_LIMIT)?;
        let Some((last, _)) = page.last() else { return Ok(rows) };
        // The smallest key behind the last one.
        from = [last.as_slice(), &[0]].concat();
        rows.extend(page);
    }
}

/// All rows of a table, each under its own key.
pub(crate) fn load_all<K: Ord, T: for<'b> Decode<'b, ()> + Encode<()>>(
    shelf: &dyn Shelf,
    table: Table,
    key: impl Fn(&T) -> K,
) -> Result<BTreeMap<K, T>, TurnFailed> {
    all_rows(shelf, table)?.into_iter().map(|(_, bytes)| decode_row::<T>(&bytes).map(|row| (key(&row), row))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_newest_change_of_a_row_is_read_however_many_there_are_and_were_taken_out() {
        let (mut changes, mut by_hand) = (Changes::default(), VecDeque::new());
        for round in 0..2_000u32 {
            let (table, key) = (if round % 3 == 0 { Table::Meta } else { Table::Outbox }, vec![u8::try_from(round * 7 % 101).unwrap()]);
            let change = match round % 5 {
                0 => Change::Delete(table, key),
                1 => Change::Index(round.into(), "text".into()),
                _ => Change::Put(table, key, round.to_be_bytes().to_vec()),
            };
            changes.push_back(change.clone());
            by_hand.push_back(change);
            // Sometimes few are left, sometimes none.
            let taken = [0, 0, 0, 1, 2, if round % 400 == 399 { usize::MAX } else { 0 }][round as usize % 6];
            for _ in 0..taken.min(by_hand.len()) {
                assert_eq!(changes.pop_front(), by_hand.pop_front());
            }
            for (table, key) in [(Table::Meta, round % 101), (Table::Outbox, round * 3 % 101)] {
                let key = [u8::try_from(key).unwrap()];
                let is_it = |change: &&Change| matches!(change, Change::Put(t, k, _) | Change::Delete(t, k) if *t == table && *k == key);
                assert_eq!(changes.of(table, &key), by_hand.iter().rev().find(is_it), "round {round}");
            }
        }
        assert!(changes.iter().eq(by_hand.iter()));
    }
}

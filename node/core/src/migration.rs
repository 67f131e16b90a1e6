//! From the rows of an older store to those of [`SCHEMA_VERSION`], step by step.
//!
//! The shell runs all steps that a store lacks in one transaction before a core sees it, so a full disk, a damaged page or a
//! killed process leaves the store as it was. A step makes tables and rewrites rows whose older form cannot be read any
//! more. Tables that grow without end (messages, outbox, a relay's entries) are never rewritten by a step: their rows are
//! read in each older form, and written in the newest whenever they are touched. The relay's tables are of the same store.

mod counters;
mod raw;
mod rooms;

use crate::table::{SCHEMA_VERSION, Table};
use crate::world::{ShelfError, ShelfMut};

/// What leads from one version to the next.
#[derive(Debug)]
pub struct Step {
    /// The version that it starts from.
    pub from: u32,
    /// Tables that the next version has and this one lacks.
    pub tables: Vec<Table>,
    /// Rewrites rows; the new tables exist already. Bounded tables only.
    pub rows: Rewrite,
}

/// What rewrites the rows of a version.
pub type Rewrite = fn(&mut dyn ShelfMut) -> Result<(), ShelfError>;

/// The oldest version that can be brought up to date.
pub const OLDEST: u32 = 2;

/// The versions whose rows are rewritten. What leads on from any other one adds tables or optional fields alone.
const REWRITES: [(u32, Rewrite); 2] = [(3, rooms::give_rooms_and_channels_rows), (5, counters::take_counters_out_of_channels)];

fn unchanged(_: &mut dyn ShelfMut) -> Result<(), ShelfError> {
    Ok(())
}

fn step(from: u32) -> Step {
    let tables = Table::ALL.into_iter().filter(|table| table.since() == from + 1).collect();
    let rows = REWRITES.into_iter().find(|(version, _)| *version == from).map_or(unchanged as Rewrite, |(_, rows)| rows);
    Step { from, tables, rows }
}

/// The steps that a store of this version lacks, in order; `None` when it is too old or too new for any.
pub fn steps_from(version: u32) -> Option<Vec<Step>> {
    (OLDEST..=SCHEMA_VERSION).contains(&version).then(|| (version..SCHEMA_VERSION).map(step).collect())
}

/// The tables of a store of this version.
pub fn tables_of(version: u32) -> impl Iterator<Item = Table> {
    Table::ALL.into_iter().filter(move |table| table.since() <= version)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rows::{RoomNote, Sibling, Told};
    use crate::turn::decode_row;
    use minicbor::{Decode, Encode};
    use symbolon_presence::codec::encode_row;
    use symbolon_presence::id::PeerId;
    use symbolon_presence::time::Timestamp;

    /// What version 9 has of another device of ours.
    #[derive(Encode, Decode)]
    #[cbor(map)]
    struct SiblingOf9 {
        #[n(0)]
        peer: PeerId,
        #[n(1)]
        label: Option<String>,
        #[n(2)]
        since: Timestamp,
        #[n(3)]
        taken: u64,
        #[n(4)]
        gone: Option<Timestamp>,
    }

    /// What version 10 has of it.
    #[derive(Encode, Decode)]
    #[cbor(map)]
    struct SiblingOf10 {
        #[n(0)]
        peer: PeerId,
        #[n(1)]
        label: Option<String>,
        #[n(2)]
        since: Timestamp,
        #[n(3)]
        taken: u64,
        #[n(4)]
        gone: Option<Timestamp>,
        #[n(8)]
        told: Option<Told>,
    }

    /// And of what the user has set for a room.
    #[derive(Encode, Decode)]
    #[cbor(map)]
    struct NoteOf9 {
        #[n(0)]
        unread: u32,
        #[n(1)]
        is_muted: bool,
        #[n(2)]
        is_archived: bool,
    }

    #[test]
    fn rows_of_version_9_are_read_and_what_was_set_then_counts_as_set_once_by_this_device() {
        let (peer, own) = (PeerId([1; 32]), PeerId([2; 32]));
        let old = SiblingOf9 { peer, label: Some("Laptop".into()), since: Timestamp(5), taken: 70, gone: None };
        let row: Sibling = decode_row(&encode_row(&old)).unwrap();
        assert_eq!((row.peer, row.taken, row.rooms), (peer, 70, None), "it has no text of a room yet");
        for (is_muted, version) in [(true, 1), (false, 0)] {
            let row: RoomNote = decode_row(&encode_row(&NoteOf9 { unread: 3, is_muted, is_archived: false })).unwrap();
            let set = row.set_by(own);
            assert_eq!((row.unread, row.is_muted, set.version, set.by), (3, is_muted, version, own));
        }
        // A newer row is none of version 9: that is why a build of then does not open the folder.
        let newer = Sibling { rooms: Some(Default::default()), ..row };
        assert!(decode_row::<SiblingOf9>(&encode_row(&newer)).is_err());
    }

    #[test]
    fn a_device_of_version_10_has_heard_everybody_and_no_draft() {
        let (label, taken, told) = (Some("Laptop".into()), 70, Some(Told::Said));
        let old = SiblingOf10 { peer: PeerId([1; 32]), label, since: Timestamp(5), taken, gone: None, told };
        let row: Sibling = decode_row(&encode_row(&old)).unwrap();
        assert_eq!((row.taken, row.told, row.told_drafts), (70, Some(Told::Said), None));
        let newer = Sibling { told_drafts: Some(Told::Said), ..row };
        assert!(decode_row::<SiblingOf10>(&encode_row(&newer)).is_err(), "a build of then does not open the folder");
    }

    #[test]
    fn steps_lead_from_the_oldest_version_to_this_one_without_a_gap() {
        for version in OLDEST..=SCHEMA_VERSION {
            let from: Vec<u32> = steps_from(version).unwrap().iter().map(|step| step.from).collect();
            assert_eq!(from, (version..SCHEMA_VERSION).collect::<Vec<u32>>());
        }
        assert!(steps_from(OLDEST - 1).is_none() && steps_from(SCHEMA_VERSION + 1).is_none());
        assert!(REWRITES.iter().all(|(version, _)| (OLDEST..SCHEMA_VERSION).contains(version)), "each is a step");
    }

    #[test]
    fn each_table_is_there_from_one_version_on() {
        assert!(tables_of(SCHEMA_VERSION).eq(Table::ALL), "none is of a version to come");
        let mut there: Vec<Table> = tables_of(OLDEST).collect();
        for step in steps_from(OLDEST).unwrap() {
            assert!(step.tables.iter().all(|table| !there.contains(table)));
            there.extend(step.tables);
            there.sort();
            assert_eq!(there, tables_of(step.from + 1).collect::<Vec<Table>>());
        }
        // Those of before any table was added are never made by a step.
        assert_eq!(tables_of(OLDEST).count(), 22);
    }
}

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
    pub tables: &'static [Table],
    /// Rewrites rows; the new tables exist already. Bounded tables only.
    pub rows: fn(&mut dyn ShelfMut) -> Result<(), ShelfError>,
}

/// The oldest version that can be brought up to date.
pub const OLDEST: u32 = 2;

/// Every step, in order; the last one leads to [`SCHEMA_VERSION`].
pub const STEPS: [Step; (SCHEMA_VERSION - OLDEST) as usize] = [
    Step { from: 2, tables: &[], rows: unchanged },
    Step { from: 3, tables: &[Table::Room, Table::Channel], rows: rooms::give_rooms_and_channels_rows },
    Step { from: 4, tables: &[Table::Leaf], rows: unchanged },
    Step { from: 5, tables: &[], rows: counters::take_counters_out_of_channels },
    Step {
        from: 6,
        tables: &[
            Table::Unopened,
            Table::Piece,
            Table::Lifeline,
            Table::HeldLifeline,
            Table::OwnPackage,
            Table::Group,
            Table::Step,
            Table::Commit,
            Table::Seat,
            Table::Wish,
            Table::Invitation,
            Table::Audience,
            Table::Tally,
            Table::RoomNote,
        ],
        rows: unchanged,
    },
    Step { from: 7, tables: &[Table::Carried], rows: unchanged },
    Step {
        from: 8,
        tables: &[Table::KnockKey, Table::Card, Table::Knock, Table::HeardKnock, Table::Sibling, Table::Person],
        rows: unchanged,
    },
];

/// For steps that add tables or optional fields only.
fn unchanged(_: &mut dyn ShelfMut) -> Result<(), ShelfError> {
    Ok(())
}

/// The steps that a store of this version lacks; `None` when it is too old or too new for any.
pub fn steps_from(version: u32) -> Option<&'static [Step]> {
    (OLDEST..=SCHEMA_VERSION).contains(&version).then(|| {
        let done = STEPS.iter().take_while(|step| step.from < version).count();
        STEPS.get(done..).unwrap_or_default()
    })
}

/// The tables of a store of this version.
pub fn tables_of(version: u32) -> impl Iterator<Item = Table> {
    let later = STEPS.iter().filter(move |step| step.from >= version).flat_map(|step| step.tables);
    Table::ALL.into_iter().filter(move |table| !later.clone().any(|new| new == table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lead_from_the_oldest_version_to_this_one_without_a_gap() {
        let from: Vec<u32> = STEPS.iter().map(|step| step.from).collect();
        assert_eq!(from, (OLDEST..SCHEMA_VERSION).collect::<Vec<u32>>());
        for version in OLDEST..=SCHEMA_VERSION {
            assert_eq!(steps_from(version).map(<[Step]>::len), Some((SCHEMA_VERSION - version) as usize));
        }
        assert!(steps_from(OLDEST - 1).is_none() && steps_from(SCHEMA_VERSION + 1).is_none());
    }

    #[test]
    fn each_table_is_there_from_one_version_on() {
        assert!(tables_of(SCHEMA_VERSION).eq(Table::ALL));
        for step in &STEPS {
            let before = tables_of(step.from).count();
            assert_eq!(tables_of(step.from + 1).count(), before + step.tables.len());
        }
    }
}

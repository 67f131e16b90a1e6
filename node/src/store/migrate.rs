//! An older store becomes one of this version: all steps in one transaction, before anybody reads it.

use super::error::StoreError;
use super::file::Store;
use super::{places, schema};
use symbolon_core::migration::{self, Step};
use symbolon_core::table::SCHEMA_VERSION;

impl Store {
    /// Runs the steps that a store of `version` lacks. On an error nothing of them is there.
    pub(super) fn migrate(&self, version: u32) -> Result<(), StoreError> {
        let steps = migration::steps_from(version).ok_or(StoreError::Failed("no step leads from this version"))?;
        self.run_steps(&steps, SCHEMA_VERSION)
    }

    /// The steps themselves, and the version that the store then has.
    pub(super) fn run_steps(&self, steps: &[Step], version: u32) -> Result<(), StoreError> {
        if steps.is_empty() {
            return Ok(());
        }
        let mut turn = self.begin()?;
        for step in steps {
            for table in &step.tables {
                self.write(&schema::create(*table), [])?;
            }
            if step.from + 1 == places::SINCE {
                places::CREATE.iter().try_for_each(|table| self.write(table, []))?;
            }
            (step.rows)(&mut turn).map_err(|error| self.take_fault().unwrap_or(StoreError::Failed(error.0)))?;
        }
        self.write(&format!("PRAGMA user_version = {version}"), [])?;
        turn.commit()
    }
}

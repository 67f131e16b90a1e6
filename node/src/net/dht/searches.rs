//! Records that are looked for, in the DHT and at lookup servers.

use crate::net::answers::Answers;
use crate::net::limits::{DHT_ANSWERS_MAX, DHT_QUERIES_MAX};
use std::collections::HashMap;
use symbolon_core::seam::Input;
use symbolon_presence::id::LookupId;
use symbolon_presence::record::RECORD_MAX;

/// All that is looked for, by numbers.
#[derive(Debug)]
pub(in crate::net) struct Searches {
    /// At most [`DHT_QUERIES_MAX`].
    open: HashMap<u64, Search>,
    next: u64,
    answers: Answers,
}

/// One record that is looked for.
#[derive(Debug)]
struct Search {
    id: LookupId,
    /// How many have not answered to the end.
    parts: usize,
    /// Answers sent to the core.
    told: usize,
}

impl Searches {
    pub(super) fn new(answers: Answers) -> Self {
        Self { open: HashMap::new(), next: 0, answers }
    }

    /// The number of a new search; none when there are too many: then it ends at once.
    ///
    /// It has one part more than those who are asked, until all of these are known.
    pub(in crate::net) fn begin(&mut self, id: LookupId) -> Option<u64> {
        if self.open.len() >= DHT_QUERIES_MAX {
            self.answers.tell(Input::Resolved(id));
            return None;
        }
        self.next += 1;
        self.open.insert(self.next, Search { id, parts: 1, told: 0 });
        Some(self.next)
    }

    /// So many more have been asked.
    pub(in crate::net) fn expect(&mut self, search: u64, parts: usize) {
        if let Some(search) = self.open.get_mut(&search) {
            search.parts += parts;
        }
    }

    /// Something was found. It may be anything.
    pub(in crate::net) fn found(&mut self, search: u64, value: Vec<u8>) {
        let Some(search) = self.open.get_mut(&search) else { return };
        if value.len() <= RECORD_MAX && search.told < DHT_ANSWERS_MAX {
            search.told += 1;
            self.answers.tell(Input::Found(search.id, value));
        }
    }

    /// One of those who were asked has nothing more to say.
    pub(in crate::net) fn part_done(&mut self, number: u64) {
        let Some(search) = self.open.get_mut(&number) else { return };
        search.parts = search.parts.saturating_sub(1);
        if search.parts == 0 {
            let id = search.id;
            self.open.remove(&number);
            self.answers.tell(Input::Resolved(id));
        }
    }

    /// Nothing more will be found.
    pub(super) fn end_all(&mut self) {
        for (_, search) in std::mem::take(&mut self.open) {
            self.answers.tell(Input::Resolved(search.id));
        }
    }
}

//! Where records are found in a simulation: it takes whatever is a record, and answers late,
//! with nothing, with something old, or with nonsense.

use super::run::{Happening, Ix, Sim};
use std::collections::BTreeMap;
use symbolon_core::seam::{Input, Look};
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::Item;

/// All that was published, by everybody. Newest last.
#[derive(Debug, Default)]
pub struct Lookup {
    /// Whether there is one at all.
    pub is_there: bool,
    records: BTreeMap<LookupId, Vec<Vec<u8>>>,
    /// How often something was looked for in the DHT.
    pub resolved: u64,
    /// The same of the records of friends, for each node.
    pub asked: BTreeMap<Ix, u64>,
    /// Whether lookup servers know all records too; if not set, some by chance.
    pub servers_know: Option<bool>,
    /// What a test has put there by hand: it is found in any case.
    pub planted: BTreeMap<LookupId, Vec<u8>>,
}

/// Versions of one record remembered.
const VERSIONS: usize = 4;

impl Lookup {
    /// All bytes that lie there.
    pub fn stored(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.records.values().flatten()
    }
}

impl Sim {
    /// The newest record that lies under an id in the DHT.
    pub(super) fn published(&self, id: &LookupId) -> Option<Vec<u8>> {
        self.lookup.records.get(id).and_then(|versions| versions.last()).cloned()
    }

    pub(super) fn publish(&mut self, bytes: Vec<u8>) {
        self.trace.add(&bytes);
        if self.lookup.is_there
            && !self.happens(self.faults.loss)
            && let Ok(record) = Item::read(&bytes, self.now)
        {
            let versions = self.lookup.records.entry(record.id).or_default();
            versions.push(bytes);
            if versions.len() > VERSIONS {
                versions.remove(0);
            }
        }
    }

    /// Lookup servers know of some records, and the DHT of all.
    pub(super) fn resolve(&mut self, ix: Ix, id: LookupId, at: &Look) {
        let knows = match at {
            Look::Servers(_) => self.lookup.servers_know.unwrap_or_else(|| self.below(2) == 0),
            Look::Dht | Look::Everywhere => {
                self.lookup.resolved += 1;
                *self.lookup.asked.entry(ix).or_default() += u64::from(*at == Look::Dht);
                true
            }
        };
        let incarnation = self.nodes[ix].incarnation;
        let planted = self.lookup.planted.get(&id).filter(|_| !matches!(at, Look::Servers(_))).cloned();
        let hosted = self.hosted(ix, &id, at);
        let mut at = self.now.after(1 + self.below(self.faults.latency.max(1)));
        if self.lookup.is_there && knows {
            let versions = self.lookup.records.get(&id).cloned().unwrap_or_default();
            let mut answers: Vec<Vec<u8>> = versions.last().cloned().filter(|_| !self.happens(self.faults.loss)).into_iter().collect();
            if self.happens(self.faults.replay) {
                // The one who answers first may be the one who shows what is old.
                let at = if self.below(2) == 0 { 0 } else { answers.len() };
                answers.splice(at..at, versions.first().cloned());
            }
            if self.happens(self.faults.flip) {
                answers.extend(versions.last().map(|bytes| bytes.iter().map(|byte| byte ^ 1).collect()));
                answers.push(vec![7; 20_000]);
            }
            for answer in answers {
                self.plan(at, ix, incarnation, Happening::Input(Input::Found(id, answer)));
                at = at.after(1 + self.below(self.faults.latency.max(1)));
            }
        }
        for answer in planted.into_iter().chain(hosted) {
            self.plan(at, ix, incarnation, Happening::Input(Input::Found(id, answer)));
            at = at.after(1);
        }
        self.plan(at, ix, incarnation, Happening::Input(Input::Resolved(id)));
    }
}

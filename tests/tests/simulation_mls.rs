//! The stories of the simulation over real OpenMLS, beside those in clear text.
//!
//! OpenMLS reads the wall clock and draws from the system's randomness: these stories begin
//! now, jump by less than a day, and do not repeat to the byte.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};
use symbolon_core::world::RoomCipher;
use symbolon_node::mls::{MemoryRows, MlsCipher};
use symbolon_presence::time::Timestamp;
use symbolon_tests::sim::rooms::Rooms;
use symbolon_tests::sim::story::{self, Setting};
use symbolon_tests::sim::trace::Log;

/// MLS over rows that belong to the turn.
struct MlsRooms {
    live: MlsCipher<Rc<MemoryRows>>,
    rows: Rc<MemoryRows>,
    kept: MemoryRows,
}

impl MlsRooms {
    fn over(kept: MemoryRows) -> Self {
        let rows = Rc::new(kept.clone());
        Self { live: MlsCipher::new(rows.clone()), rows, kept }
    }
}

impl Rooms for MlsRooms {
    fn cipher(&mut self) -> &mut dyn RoomCipher {
        &mut self.live
    }

    fn keep(&mut self) -> bool {
        let flushed = self.live.flush().is_ok();
        if flushed {
            self.kept = (*self.rows).clone();
        }
        flushed
    }

    fn take_back(&mut self) {
        // A group in memory is stale now: everything is loaded again.
        *self = Self::over(self.kept.clone());
    }
}

#[test]
fn every_accepted_message_arrives_once_and_in_order_over_openmls_too() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let start = Timestamp(u64::try_from(now).unwrap());
    let setting = Setting { start, rounds: 30, rooms: |_| Box::new(MlsRooms::over(MemoryRows::default())) };
    let mut arrived = 0;
    for seed in 0..10 {
        println!("seed {seed}");
        arrived += story::tell(seed, &setting, Log::default()).sums.arrived;
    }
    assert!(arrived > 100, "the stories are about something");
}

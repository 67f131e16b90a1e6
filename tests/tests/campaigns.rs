//! A few rounds of each durability campaign; the recipes run many more.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(unix)]

#[path = "campaigns/damage.rs"]
mod damage;
#[path = "campaigns/disks.rs"]
mod disks;
#[path = "campaigns/erased.rs"]
mod erased;

use std::time::Duration;
use symbolon_tests::campaign::kill9;
use symbolon_tests::node::Carrier;

/// A friend whose node was killed is written to again soon after it is back, also where
/// nothing tells that the old connection is dead.
const SETTLED_SOON: Duration = Duration::from_secs(12);

#[test]
fn everything_accepted_arrives_once_and_in_order_through_kills_over_tcp() {
    let report = kill9::run(15, 1, Carrier::Tcp).unwrap();
    assert!(report.kills >= 15 && report.tally.accepted > 0, "{report:?}");
    assert!(report.settled < SETTLED_SOON, "{report:?}");
}

#[test]
fn everything_accepted_arrives_once_and_in_order_through_kills_over_quic() {
    let report = kill9::run(15, 2, Carrier::Quic).unwrap();
    assert!(report.kills >= 15 && report.tally.accepted > 0, "{report:?}");
    assert!(report.settled < SETTLED_SOON, "{report:?}");
}

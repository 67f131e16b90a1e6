//! A few rounds of each durability campaign; the recipes run many more.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(unix)]

use symbolon_tests::campaign::kill9;
use symbolon_tests::node::Carrier;

#[test]
fn everything_accepted_arrives_once_and_in_order_through_kills_over_tcp() {
    let report = kill9::run(15, 1, Carrier::Tcp).unwrap();
    println!("{report:?}");
    assert!(report.kills >= 15 && report.accepted > 0, "{report:?}");
}

#[test]
fn everything_accepted_arrives_once_and_in_order_through_kills_over_quic() {
    let report = kill9::run(15, 2, Carrier::Quic).unwrap();
    println!("{report:?}");
    assert!(report.kills >= 15 && report.accepted > 0, "{report:?}");
}

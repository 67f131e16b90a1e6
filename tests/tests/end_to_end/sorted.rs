//! What lies at a relay that runs, from three friends over several days, as one would see it who wants to know who is who.

use super::four_devices::held;
use super::relay::rows_in;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use symbolon_core::table::Table;
use symbolon_tests::node::clock::{self, DAY, ahead};
use symbolon_tests::node::{Node, befriend, within};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const SOON: Duration = Duration::from_secs(30);
/// How long a run of bytes is that shows whose something is.
const RUN: usize = 8;
const FRIENDS: [&str; 3] = ["Ben", "Cleo", "Dora"];

fn person(home: &Path, name: &str, more: &[&str]) -> Node {
    Node::start(&home.join(name), &[&["--no-lan", "--listen", TCP, "--name", name], more].concat()).unwrap()
}

/// The rows of envelopes that lie at a relay, each with its key in front.
fn lying(relay: &Node) -> BTreeSet<Vec<u8>> {
    let rows = rows_in(held(relay).path());
    rows.into_iter().filter(|(table, ..)| *table == Table::Entry).map(|(_, key, row)| [key, row].concat()).collect()
}

#[test]
fn a104_what_three_friends_leave_at_a_running_relay_on_four_days_cannot_be_sorted_by_sender() {
    if !clock::can_be_set() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let start = || Node::start(&home.path().join("relay"), &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let (relay, hand) = clock::movable(&home.path().join("clock"), start);
    let mut andi = person(home.path(), "Andi", &["--relay", relay.ready["link"].as_str().unwrap()]);
    within(SOON, "the relay keeps the mailbox", || Ok((andi.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
    let mut friends = FRIENDS.map(|name| person(home.path(), name, &[]));
    for (node, name) in friends.iter_mut().zip(FRIENDS) {
        befriend((&andi, "Andi"), (node, name)).unwrap();
        node.interrupt().unwrap();
    }
    andi.interrupt().unwrap();

    // Each is on for a moment a day, one after another, so that the test knows whose each row is.
    let mut left: BTreeMap<(usize, i64), BTreeSet<Vec<u8>>> = BTreeMap::new();
    let mut seen = lying(&relay);
    for day in 0..4 {
        hand.set(day * DAY).unwrap();
        for (at, node) in friends.iter_mut().enumerate() {
            ahead(day * DAY, || node.restart()).unwrap();
            let sent = node.json(&["send", "Andi", &format!("on day {day}"), "--wait", "stored", "--timeout", "30s"]).unwrap();
            assert_eq!(sent[0]["state"], "stored", "day {day}");
            node.interrupt().unwrap();
            let all = lying(&relay);
            left.insert((at, day), all.difference(&seen).cloned().collect());
            seen = all;
        }
    }
    assert!(left.values().all(|rows| !rows.is_empty()), "each has left something on each day");
    let runs: BTreeMap<(usize, i64), BTreeSet<&[u8]>> =
        left.iter().map(|(whose, rows)| (*whose, rows.iter().flat_map(|row| row.windows(RUN)).collect())).collect();
    let of = |friend| runs.iter().filter(move |((of, _), _)| *of == friend).map(|(_, runs)| runs).collect::<Vec<_>>();
    let all = [0, 1, 2].map(of);
    for (friend, days) in all.iter().enumerate() {
        for (at, one) in days.iter().enumerate() {
            for two in &days[at + 1..] {
                let has = |days: &Vec<&BTreeSet<&[u8]>>, run: &[u8]| days.iter().any(|day| day.contains(run));
                let alone = one.intersection(two).find(|run| !all.iter().all(|others| has(others, run)));
                assert_eq!(alone, None, "what {} left on two days goes together by it", FRIENDS[friend]);
            }
        }
    }
    relay.calm().unwrap();
}

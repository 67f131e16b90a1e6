//! What former friends make of it together: their stores as they lie on the disk, and every
//! record that the built command has brought to a lookup server.

use super::lookup::{SOON, person, wait_for_record};
use super::server::{LookupServer, now};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use symbolon_node::folder::Folder;
use symbolon_presence::id::{LookupId, PeerId};
use symbolon_presence::posted::Item;
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_tests::eyes::{Eyes, assert_unlinkable, eyes, newest_body, opened};
use symbolon_tests::node::clock::{self, ahead};
use symbolon_tests::node::{Node, befriend, within};

/// Everything that a server was ever brought.
fn brought(server: &LookupServer) -> BTreeSet<Vec<u8>> {
    server.told.lock().unwrap().records.values().flatten().cloned().collect()
}

/// What lies in the store of somebody who has stopped about reading `of`.
fn eyes_of(home: &Path, name: &str, of: &PeerId) -> Eyes {
    let store = Folder::open(&home.join(name)).unwrap().open_store(None).unwrap();
    let turn = store.begin().unwrap();
    eyes(&turn, of).unwrap()
}

/// Waits until more was brought, and what the node published last was read back.
fn publish(node: &Node, server: &LookupServer, more_than: usize) -> BTreeSet<Vec<u8>> {
    within(SOON, "new records are brought", || Ok((brought(server).len() > more_than).then_some(()))).unwrap();
    wait_for_record(node);
    brought(server)
}

#[test]
fn a20_a23_a24_stores_of_former_friends_and_of_a_later_one_together_open_nothing_that_was_not_for_them() {
    let home = tempfile::tempdir().unwrap();
    let server = LookupServer::start();
    let mut andi = person(home.path(), "Andi", &[]);
    andi.json(&["lookup", "add", &server.address]).unwrap();
    let peer: PeerId = andi.ready["id"].as_str().unwrap().parse().unwrap();
    let mut others: Vec<Node> = Vec::new();
    for name in ["Ben", "Cleo", "Dora"] {
        others.push(person(home.path(), name, &[]));
        befriend((&andi, "Andi"), (others.last().unwrap(), name)).unwrap();
    }
    // Started again it publishes once, and has no reason to do so again. Its headers are those that lie there.
    andi.interrupt().unwrap();
    let count = brought(&server).len();
    andi = person(home.path(), "Andi", &[]);
    publish(&andi, &server, count + 3);
    let count = brought(&server).len();
    andi.json(&["unfriend", "Ben"]).unwrap();
    let before = publish(&andi, &server, count + 5);
    andi.json(&["block", "Cleo"]).unwrap();
    let count = publish(&andi, &server, before.len() + 5).len();
    // Those who were taken out go on asking, and those who stay go on talking.
    for node in &others {
        node.json(&["send", "Andi", "still there?"]).unwrap();
    }
    andi.interrupt().unwrap();
    andi = person(home.path(), "Andi", &[]);
    let between = publish(&andi, &server, count);
    others.push(person(home.path(), "Eva", &[]));
    befriend((&andi, "Andi"), (others.last().unwrap(), "Eva")).unwrap();
    let all = publish(&andi, &server, between.len());
    for node in &mut others {
        node.interrupt().unwrap();
    }

    let [ben, cleo, dora, eva] = ["Ben", "Cleo", "Dora", "Eva"].map(|name| eyes_of(home.path(), name, &peer));
    let since = |records: &BTreeSet<Vec<u8>>| records.difference(&before).cloned().collect::<BTreeSet<_>>();
    let (later, between) = (since(&all), since(&between));
    let now = now();
    let read = |pool: &[Eyes], records: &BTreeSet<Vec<u8>>| {
        let (headers, bodies) = opened(pool, records, now);
        (!headers.is_empty(), !bodies.is_empty())
    };
    let mut pool = vec![ben, cleo];
    assert_eq!(read(&pool, &before), (true, true), "until they were taken out they read both");
    assert_eq!(read(&pool, &later), (false, false), "afterwards they read nothing");
    assert_eq!(read(&[dora], &between), (true, true), "who stayed reads on");
    pool.push(eva);
    assert_eq!(read(&pool, &between), (false, false), "nor does a later friend help them");
    assert_eq!(read(&pool, &all), (true, true), "who reads what came after she joined");
}

#[test]
fn from_whom_somebody_hides_reads_the_keys_and_no_place_until_that_is_over() {
    let home = tempfile::tempdir().unwrap();
    let server = LookupServer::start();
    let andi = person(home.path(), "Andi", &[]);
    andi.json(&["lookup", "add", &server.address]).unwrap();
    let peer: PeerId = andi.ready["id"].as_str().unwrap().parse().unwrap();
    let mut others = ["Ben", "Cleo"].map(|name| (person(home.path(), name, &[]), name));
    for (node, name) in &others {
        befriend((&andi, "Andi"), (node, name)).unwrap();
    }
    publish(&andi, &server, 0);
    for (node, _) in &mut others {
        node.interrupt().unwrap();
    }
    let readers = others.map(|(_, name)| eyes_of(home.path(), name, &peer));
    let reads =
        || readers.each_ref().map(|reader| newest_body(reader, &peer, &brought(&server), now()).map(|body| body.entry.places.len()));
    for (arguments, expected) in [(&["hide", "Ben"][..], [Some(0), Some(1)]), (&["hide", "Ben", "--off"], [Some(1), Some(1)])] {
        andi.json(arguments).unwrap();
        let hidden = andi.json(&["friends"]).unwrap().iter().find(|friend| friend["name"] == "Ben").unwrap()["hidden"].clone();
        assert_eq!(hidden, arguments.len() == 2);
        within(SOON, "it is published", || Ok((reads() == expected).then_some(()))).unwrap();
    }
}

#[test]
fn a74_what_two_people_bring_to_one_server_over_four_days_shows_neither_owner_nor_day() {
    if !clock::can_be_set() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let server = LookupServer::start();
    let mut newest: BTreeMap<LookupId, (u64, Vec<u8>)> = BTreeMap::new();
    let mut now = Timestamp::default();
    for day in 0..4 {
        now = super::server::now().after(day * DAY);
        server.told.lock().unwrap().ahead = day * DAY;
        let seconds = i64::try_from(day * DAY / 1_000).unwrap();
        let mut people = ["Andi", "Ben"].map(|name| ahead(seconds, || person(home.path(), name, &[])));
        for node in &people {
            if day == 0 {
                node.json(&["lookup", "add", &server.address]).unwrap();
            }
            wait_for_record(node);
        }
        if day == 0 {
            befriend((&people[0], "Andi"), (&people[1], "Ben")).unwrap();
        }
        for node in &mut people {
            node.interrupt().unwrap();
        }
        for bytes in brought(&server) {
            let Ok(item) = Item::read(&bytes, now) else { continue };
            if newest.get(&item.id).is_none_or(|(counter, _)| *counter < item.counter) {
                newest.insert(item.id, (item.counter, bytes));
            }
        }
    }
    assert!(newest.len() >= 24, "{} records of two people over four days", newest.len());
    assert_unlinkable(&newest, now);
}

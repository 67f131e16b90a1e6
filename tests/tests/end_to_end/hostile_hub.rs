//! A hub that lies, to real nodes.

use super::hub_server::{HubServer, Lie, is_answer, is_knock, is_word};
use super::server::now;
use super::vouching::{LATER, NAMES, ROOM, SOON, TCP, crew, knock, members, person};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::Value;
use std::thread::sleep;
use std::time::Duration;
use symbolon_core::cards::CardLink;
use symbolon_core::wire::{CardBody, CardRecord};
use symbolon_presence::codec;
use symbolon_presence::id::RoomAlias;
use symbolon_presence::identity::Identity;
use symbolon_presence::kem::KemKey;
use symbolon_presence::record::day_of;
use symbolon_presence::time::{DAY, HOUR};
use symbolon_tests::node::{Node, befriend, within};

/// So long nothing happens that should not.
const QUIET: Duration = Duration::from_secs(3);

/// The newest knock that a node sees.
fn newest(node: &Node, direction: &str) -> Option<Value> {
    node.json(&["requests"]).unwrap().into_iter().find(|row| row["kind"] == "knock" && row["direction"] == direction)
}

fn open_room(ana: &Node, others: [&Node; 2]) -> String {
    let card = ana.json(&["room", "card", ROOM]).unwrap().remove(0)["card"].as_str().unwrap().to_owned();
    for node in others {
        within(SOON, "the members know that it is open", || Ok(node.json(&["room", "card", ROOM]).ok().map(drop))).unwrap();
    }
    card
}

/// The hub, which was shown the card, answers with a body that names a key and a room of its own.
fn a_swapped_key(hub: &HubServer, relay: &Node, dea: &Node, card: &str) {
    let CardLink(link) = CardLink::find(card).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (slot, forger) = (link.secret.slot(day_of(now())), Identity::generate(&mut rng, now(), DAY));
    let body = CardBody {
        id: link.secret.id(),
        day: day_of(now()),
        number: now().0,
        expires: now().after(DAY),
        alias: RoomAlias([7; 32]),
        key: KemKey::from_bytes([9; 32]).public().bytes(),
        hubs: vec![vec![hub.address.clone()]],
    };
    let forged = codec::encode(&CardRecord::sign(&forger, &link.peer, &body));
    let record = slot.seal(now().after(HOUR), &forged, &mut rng).unwrap();
    hub.told().planted = Some((slot.id().unwrap(), record));
    hub.told().lie(Lie::Knocks);
    // Where Anastasia's own body lies answers nothing meanwhile.
    relay.freeze().unwrap();
    dea.json(&["room", "knock", card]).unwrap();
    let is_warned = |row: &Value| row["status"] == "unresolved" && row["fault"].as_str().is_some_and(|fault| fault.contains("not signed"));
    within(LATER, "she is warned", || Ok(newest(dea, "out").filter(is_warned))).unwrap();
    sleep(QUIET);
    assert_eq!(hub.told().count(is_knock), 0, "nothing was sent");
    relay.thaw().unwrap();
    within(LATER, "by the body that Anastasia has signed it goes on", || Ok((hub.told().count(is_knock) > 0).then_some(()))).unwrap();
    hub.told().planted = None;
}

/// She knocks once more, at a hub that lies in another way.
fn knock_again(hub: &HubServer, lie: Lie, dea: &Node, card: &str) {
    let open = newest(dea, "out").unwrap();
    dea.json(&["requests", "cancel", open["request"].as_str().unwrap()]).unwrap();
    hub.told().lie(lie);
    dea.json(&["room", "knock", card]).unwrap();
}

fn answered(hub: &HubServer, newcomer: &Node) {
    let is_there = || Ok((hub.told().count(is_answer) > 0).then_some(()));
    within(LATER, "she has answered", is_there).unwrap_or_else(|late| {
        let so_far = hub.told().so_far();
        panic!("{late}: {so_far}; {:?}", newest(newcomer, "out"))
    });
}

fn lies(hub: &HubServer, dea: &Node, card: &str) {
    let words = |of: usize| within(LATER, "the members have said something", || Ok((hub.told().count(is_word) >= of).then_some(())));
    words(3).unwrap();
    for lie in [Lie::Words, Lie::Answers, Lie::Invented] {
        knock_again(hub, lie, dea, card);
        if lie == Lie::Answers {
            answered(hub, dea);
        } else {
            // To what was invented all say something, too.
            words(3).unwrap();
        }
        sleep(QUIET);
        assert!(hub.told().lies > 0, "{lie:?}");
        assert_ne!(newest(dea, "out").unwrap()["status"], "confirmed", "{lie:?}");
    }
    // She hears that all were asked, and nobody was.
    knock_again(hub, Lie::Closed, dea, card);
    knock(dea, "out", "expired", LATER);
    assert_eq!(hub.told().count(is_answer), 0);
}

#[test]
fn a54_a55_a62_a_hub_that_lies_to_real_nodes_lets_nobody_in_and_keeps_nobody_out_for_good() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let relay = Node::start(&home.join("relay"), &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let hub = HubServer::start();
    let [ana, mut ben, cem, dea, eva] = [0, 1, 2, 3, 4].map(|at| person(home, NAMES[at], &link, &[]));
    ana.json(&["relay", "add", &hub.link]).unwrap();
    crew(&ana, &ben, &cem);
    befriend((&ben, NAMES[1]), (&dea, NAMES[3])).unwrap();
    befriend((&ben, NAMES[1]), (&eva, NAMES[4])).unwrap();
    let card = open_room(&ana, [&ben, &cem]);

    a_swapped_key(&hub, &relay, &dea, &card);
    lies(&hub, &dea, &card);
    for node in [&ana, &ben, &cem] {
        assert_eq!(members(node), 3);
        // Of all that was invented nothing is shown.
        let shown: Vec<Value> = node.json(&["requests"]).unwrap().into_iter().filter(|row| row["kind"] == "knock").collect();
        assert!(shown.iter().all(|row| row["peer"] == dea.json(&["id"]).unwrap()[0]["id"]), "{shown:?}");
    }
    // The knock lies there still: by the same one she comes in, once, in whatever order and how often it hands on what is said.
    hub.told().lie(Lie::Turned);
    knock(&dea, "out", "confirmed", LATER);
    assert!(hub.told().lies > 0);
    for node in [&ana, &ben, &cem, &dea] {
        within(SOON, "four are in the room", || Ok((members(node) == 4).then_some(()))).unwrap();
    }
    removed_while_they_vouch(&hub, &mut ben, [&relay, &ana, &cem, &dea], (&eva, &card));
}

/// Benjamin has said his word to Evangeline, and does not hear that he is removed before her answer reaches him.
fn removed_while_they_vouch(hub: &HubServer, ben: &mut Node, others: [&Node; 4], (eva, card): (&Node, &str)) {
    let [_, ana, cem, dea] = others;
    hub.told().lie(Lie::Late);
    eva.json(&["room", "knock", card]).unwrap();
    answered(hub, eva);
    ben.kill().unwrap();
    ana.json(&["room", "remove", ROOM, NAMES[1]]).unwrap();
    for node in [ana, cem, dea] {
        within(SOON, "he is out", || Ok((members(node) == 3).then_some(()))).unwrap();
    }
    others.iter().for_each(|node| node.freeze().unwrap());
    ben.restart().unwrap();
    hub.told().release();
    within(LATER, "he has added her", || Ok((members(ben) == 5).then_some(()))).unwrap();
    others.iter().for_each(|node| node.thaw().unwrap());
    let is_out = || Ok((ben.json(&["room", "list"])?.is_empty() && ben.json(&["status"])?[0]["queue"] == 0).then_some(()));
    let late = within(LATER, "he hears that he is out, and all have his commit", is_out).err();
    for node in [ana, cem, dea] {
        assert_eq!(members(node), 3, "neither he nor whom he has let in is there");
    }
    assert_eq!(late, None, "{:?} {:?}", ben.json(&["room", "list"]), ben.json(&["status"]));
}

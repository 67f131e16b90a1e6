//! Somebody has copied all that lies in a node's folder, and hears everything that is left for it from then on.

use super::by_hand::Wire;
use super::four_devices::held;
use super::inside::{inside, rows};
use super::packages::copied;
use super::relay::rows_in;
use super::vouching::SOON;
use std::collections::BTreeMap;
use std::time::Duration;
use symbolon_core::seam::Input;
use symbolon_core::table::Table;
use symbolon_presence::codec;
use symbolon_presence::id::{EpochId, RoomId};
use symbolon_presence::identity::{Identity, StoredIdentity};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::Scope;
use symbolon_relay::machine::rows::Entry;
use symbolon_relay::put::Put;
use symbolon_tests::craft::Actor;
use symbolon_tests::node::{Node, befriend, within};
use symbolon_tests::sim::rows::{FriendRow, read};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";

fn texts(node: &Node) -> Vec<String> {
    node.json(&["read", "--peek"]).unwrap().iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

/// The epoch of the one friendship of a node that was stopped.
fn epoch(node: &Node) -> EpochId {
    let room: RoomId = read::<FriendRow>(&rows(node, Table::Friend)[0].1).room;
    inside(node, |_, _, world| world.cipher.epoch(room)).unwrap()
}

/// What lies at a relay, by its key: whose it is, and its number.
fn lying(relay: &Node) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let rows = rows_in(held(relay).path());
    let entries = rows.into_iter().filter(|(table, ..)| *table == Table::Entry);
    entries.map(|(_, key, row)| (key, codec::decode::<Entry>(&row, row.len()).unwrap().envelope)).collect()
}

/// Two friends who are never on at the same time, the relay between them, and all that was left there.
struct Scene {
    relay: Node,
    heard: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Scene {
    /// One of them is on for a moment: reads what there is, says something, and is off when no more comes of it.
    fn turn(&mut self, node: &mut Node, text: Option<&str>) {
        node.restart().unwrap();
        within(SOON, "the relay is there", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
        if let Some(text) = text {
            let friend = node.json(&["friends"]).unwrap()[0]["name"].as_str().unwrap().to_owned();
            node.json(&["send", &friend, text]).unwrap();
        }
        let mut before = BTreeMap::new();
        within(SOON, "all is said", || {
            std::thread::sleep(Duration::from_millis(700));
            let now = lying(&self.relay);
            let is_over = now == before && (text.is_none() || !now.is_empty());
            before = now;
            Ok(is_over.then_some(()))
        })
        .unwrap();
        self.heard.extend(before);
        node.interrupt().unwrap();
    }

    /// Somebody renews their keys as soon as they are on, and both hear of it.
    fn renews(&mut self, by: &mut Node, other: &mut Node) {
        let before = epoch(by);
        inside(by, |core, now, world| {
            core.hurry_commits();
            core.handle(now, Input::Tick, world).unwrap();
        });
        for _ in 0..2 {
            self.turn(by, None);
            self.turn(other, Some("in between"));
        }
        self.turn(by, None);
        assert!(epoch(by) != before && epoch(by) == epoch(other), "a commit was made and taken");
    }
}

/// What is heard, as anyone can put it into the mailbox of a folder that they have.
fn puts(folder: &std::path::Path, envelopes: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let rows = rows_in(folder);
    let meta = |name: &str| &rows.iter().find(|(table, key, _)| *table == Table::Meta && key == name.as_bytes()).unwrap().2;
    let stored: StoredIdentity = codec::decode_row(meta("identity"), 1 << 16).unwrap();
    let mut owner = Actor::with_identity(Identity::from_stored(&stored), 1);
    owner.mailbox = codec::decode_row(meta("mailbox"), 4_096).unwrap();
    owner.friendship = codec::decode_row(meta("friendship"), 4_096).unwrap();
    let (entry, key) = owner.entry(Scope::Friends(owner.friendship.revision));
    let put = |envelope| Frame::Put(Put::new(entry.address.clone(), &key, 3_600, None, envelope).unwrap()).encode();
    envelopes.map(put).collect()
}

#[test]
fn a111_who_has_stolen_a_real_folder_and_hears_all_that_follows_reads_nothing_new_once_both_sides_have_renewed_their_keys() {
    let home = tempfile::tempdir().unwrap();
    let relay = Node::start(&home.path().join("relay"), &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let [mut andi, mut ben] = ["Andi", "Ben"].map(|name| {
        let node = Node::start(&home.path().join(name), &["--no-lan", "--listen", TCP, "--name", name, "--relay", &link]).unwrap();
        within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(())))
            .unwrap();
        node
    });
    befriend((&andi, "Andi"), (&ben, "Ben")).unwrap();
    for (from, to) in [(&andi, "Ben"), (&ben, "Andi")] {
        let sent = from.json(&["send", to, "hello", "--wait", "delivered", "--timeout", "30s"]).unwrap();
        assert_eq!(sent[0]["state"], "delivered");
    }
    ben.interrupt().unwrap();
    andi.interrupt().unwrap();
    let stolen = home.path().join("stolen");
    copied(andi.folder(), &stolen);

    let mut scene = Scene { relay, heard: BTreeMap::new() };
    scene.turn(&mut ben, Some("before"));
    let owner = scene.heard.keys().next().unwrap()[..32].to_vec();
    scene.turn(&mut andi, None);
    assert!(scene.heard.len() > 1);
    scene.renews(&mut andi, &mut ben);
    scene.renews(&mut ben, &mut andi);
    scene.turn(&mut ben, Some("after"));
    scene.turn(&mut andi, None);
    andi.restart().unwrap();
    assert!(["before", "in between", "after"].iter().all(|text| texts(&andi).contains(&(*text).to_owned())), "{:?}", texts(&andi));
    andi.interrupt().unwrap();
    scene.relay.interrupt().unwrap();

    // The thief runs what was stolen where nobody is, and gives it all that was left for its owner, in order.
    let of_owner = scene.heard.into_iter().filter(|(key, _)| key[..32] == owner).map(|(_, envelope)| envelope);
    let frames = puts(&stolen, of_owner);
    assert!(frames.len() >= 4, "{}", frames.len());
    let thief = Node::start(&stolen, &["--no-lan", "--listen", TCP]).unwrap();
    let mut wire = Wire::call(&thief);
    for frame in &frames {
        wire.try_to_say(frame);
    }
    within(SOON, "what was sealed under the stolen keys is read", || Ok(texts(&thief).contains(&"before".to_owned()).then_some(())))
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(!texts(&thief).contains(&"after".to_owned()), "{:?}", texts(&thief));
    for node in [&andi, &ben, &scene.relay] {
        node.calm().unwrap();
    }
}

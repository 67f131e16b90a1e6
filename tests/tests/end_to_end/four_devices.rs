//! Two people with two devices each, over a relay: what is put for each device, what all of them share, and who is shut out.

use super::devices::{SOON, TCP, all_have, devices, friends, pair, person, wait_for_friend};
use minicbor::Decode;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use symbolon_core::link::InviteLink;
use symbolon_core::table::Table;
use symbolon_core::world::Shelf;
use symbolon_node::folder::Folder;
use symbolon_presence::codec;
use symbolon_presence::envelope::open_first;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::PeerId;
use symbolon_presence::identity::{Identity, StoredIdentity};
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::{KemKey, Psk};
use symbolon_relay::machine::rows::Entry;
use symbolon_tests::campaign::files;
use symbolon_tests::node::{Node, pending, within};
use symbolon_tests::sim::rows::decode;
use tempfile::TempDir;

/// What a device that has stopped has on its disk about itself and others.
struct Disk {
    identity: Identity,
    /// The friendship secret that it has drawn.
    own: FriendshipSecret,
    /// Those of others, by the Peer ID by which a device goes.
    others: Vec<(PeerId, FriendshipSecret)>,
    /// Private halves of the packages that it has given out.
    packages: Vec<KemKey>,
}

#[derive(Decode)]
#[cbor(map)]
struct FriendRow {
    #[n(0)]
    peer: PeerId,
    #[n(8)]
    friendship: Option<FriendshipSecret>,
}

#[derive(Decode)]
#[cbor(map)]
struct InviteRow {
    #[n(1)]
    key: Secret,
}

pub(super) fn rows(folder: &Path, table: Table) -> Vec<Vec<u8>> {
    let store = Folder::open(folder).unwrap().open_store(None).unwrap();
    let turn = store.begin().unwrap();
    turn.range(table, &[], 1_024).unwrap().into_iter().map(|(_, value)| value).collect()
}

fn own_row(folder: &Path, name: &[u8]) -> Vec<u8> {
    let store = Folder::open(folder).unwrap().open_store(None).unwrap();
    store.begin().unwrap().get(Table::Meta, name).unwrap().unwrap()
}

fn disk(node: &Node) -> Disk {
    disk_in(node.folder())
}

/// The same of one that runs: held for a moment, its folder is copied.
fn disk_of_running(node: &Node) -> Disk {
    disk_in(held(node).path())
}

pub(super) fn held(node: &Node) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    node.freeze().unwrap();
    files::copy(node.folder(), copy.path()).unwrap();
    node.thaw().unwrap();
    copy
}

fn disk_in(folder: &Path) -> Disk {
    let stored: StoredIdentity = decode(&own_row(folder, b"identity")).unwrap();
    let friends = rows(folder, Table::Friend).into_iter().map(|row| decode::<FriendRow>(&row).unwrap());
    let invites = rows(folder, Table::Invite).into_iter().map(|row| decode::<InviteRow>(&row).unwrap());
    Disk {
        identity: Identity::from_stored(&stored),
        own: decode(&own_row(folder, b"friendship")).unwrap(),
        others: friends.filter_map(|row| Some((row.peer, row.friendship?))).collect(),
        packages: invites.map(|row| KemKey::from_bytes(*row.key.expose())).collect(),
    }
}

impl Disk {
    /// Whether it has the present friendship secret of another device.
    fn reads(&self, other: &Self) -> bool {
        self.others.contains(&(other.identity.peer(), other.own.clone()))
    }

    /// How many of these envelopes were sealed to a package of its.
    fn opens(&self, envelopes: &BTreeSet<Vec<u8>>, psk: Option<&Psk>) -> usize {
        let opens = |envelope: &&Vec<u8>| self.packages.iter().any(|key| open_first(key, psk, envelope).is_ok());
        envelopes.iter().filter(opens).count()
    }
}

/// Everything that was put at a relay and waits there.
fn waiting(relay: &Node) -> BTreeSet<Vec<u8>> {
    let entries = rows(held(relay).path(), Table::Entry);
    entries.into_iter().map(|row| codec::decode::<Entry>(&row, row.len()).unwrap().envelope).collect()
}

/// Waits for an Offer at the relay that is sealed to one device, which is off, and shows that it is not sealed to another one.
fn offered(relay: &Node, to: &Disk, not: &Disk, psk: Option<&Psk>) {
    let there = within(SOON, "an Offer", || Ok(Some(waiting(relay)).filter(|there| to.opens(there, psk) > 0))).unwrap();
    assert_eq!(not.opens(&there, psk), 0, "of {}", there.len());
}

fn device_of(node: &Node) -> Value {
    node.json(&["id"]).unwrap()[0]["device"].clone()
}

/// Waits until a device shows so many devices of its one friend.
fn sees(node: &Node, count: usize) {
    let shown = || Ok((node.json(&["friends"])?[0]["devices"].as_array().unwrap().len() == count).then_some(()));
    within(SOON, "the friend's devices", shown).unwrap_or_else(|late| panic!("{late}: {:?}", friends(node)));
}

fn name_of_friend(node: &Node) -> Value {
    friends(node)[0]["name"].clone()
}

fn has_text(node: &Node, text: &str) -> bool {
    node.json(&["read", "--peek"]).unwrap().iter().any(|message| message["text"] == text)
}

#[test]
fn s0_23_s0_25_s0_26_a22_a76_a80_a95_two_people_with_two_devices_each_are_friends_on_all_and_one_device_is_out_alone() {
    let home = tempfile::tempdir().unwrap();
    let mut relay = Node::start(&home.path().join("host"), &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let start = |name: &str| person(&home.path().join(name), name, &link);
    let (mut a, mut l, mut b, mut t) = (start("Ana"), start("Laptop"), start("Ben"), start("Tablet"));

    // A code is good once, and one that nobody has made leads nowhere.
    let events = a.api().unwrap().events().unwrap();
    let code = a.json(&["device", "pair"]).unwrap()[0]["code"].as_str().unwrap().to_owned();
    assert_eq!(l.json(&["device", "join", &code]).unwrap().len(), 2);
    let warned = || Ok(events.try_iter().any(|(_, event)| event["warning"] == "own_device_came").then_some(()));
    within(SOON, "a device that was there says that one has come", warned).unwrap();
    let api = t.api().unwrap();
    for (code, is_over) in [("a".repeat(26), false), (code, true)] {
        api.post("devices/join", &json!({ "code": code })).unwrap();
        let ends = || Ok((api.get("devices")?["joining"]["over"] == is_over).then_some(()));
        within(SOON, "how it ends", ends).unwrap_or_else(|late| panic!("{late}: {:?}", api.get("devices")));
    }
    assert_eq!((devices(&t).len(), devices(&a).len()), (1, 2));
    pair(&b, &t);

    // Ana's further device asks Ben by an invite of one of his. What it puts is for that device.
    let invite = b.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    let psk = InviteLink::read(&invite).unwrap().secret.psk(&b.ready["id"].as_str().unwrap().parse().unwrap());
    for node in [&mut a, &mut b, &mut t] {
        node.interrupt().unwrap();
    }
    assert_eq!(l.json(&["add", &invite]).unwrap()[0]["status"], "pending");
    offered(&relay, &disk(&b), &disk(&t), Some(&psk));
    b.restart().unwrap();
    b.json(&["accept", &pending(&b).unwrap()]).unwrap();
    for node in [&b, &l] {
        wait_for_friend(node);
    }

    // The device that has accepted brings the other one in: that one asks, and Ana's puts an Offer for it as well, sealed to its own key.
    l.json(&["send", "Ben", "hello", "--wait", "delivered"]).unwrap();
    l.interrupt().unwrap();
    let (before, given) = (waiting(&relay), disk(&t).packages.len());
    t.restart().unwrap();
    let asks = || Ok((disk_of_running(&t).packages.len() > given && !waiting(&relay).is_subset(&before)).then_some(()));
    within(SOON, "its question is handed on", asks).unwrap();
    t.interrupt().unwrap();
    l.restart().unwrap();
    offered(&relay, &disk(&t), &disk_of_running(&b), None);

    // All four are friends, nobody was asked again, and every text is on all.
    for node in [&mut a, &mut t] {
        node.restart().unwrap();
    }
    for node in [&a, &l, &b, &t] {
        wait_for_friend(node);
        sees(node, 2);
    }
    for (node, to) in [(&a, "Ben"), (&l, "Ben"), (&b, "Ana"), (&t, "Ana")] {
        node.json(&["send", to, &format!("from {}", node.pid())]).unwrap();
    }
    let said = [&a, &l, &b, &t].map(|node| format!("from {}", node.pid()));
    all_have(&[&a, &l, &b, &t], &said.each_ref().map(String::as_str));

    // Each has drawn a secret and given it to its sibling and to both devices of the friend.
    for node in [&mut a, &mut l, &mut b, &mut t] {
        node.interrupt().unwrap();
    }
    let disks = [&a, &l, &b, &t].map(disk);
    for (ix, one) in disks.iter().enumerate() {
        for (at, other) in disks.iter().enumerate().filter(|(at, _)| *at != ix) {
            assert!(one.own != other.own && one.reads(other), "{ix} has what {at} has drawn");
        }
    }

    // Both of Ana's give Ben a name while they are apart. All have one of the two in the end.
    for (node, name) in [(&mut l, "Benno"), (&mut a, "Benedikt")] {
        node.restart().unwrap();
        node.json(&["rename", "Ben", name]).unwrap();
        node.interrupt().unwrap();
    }
    for node in [&mut a, &mut l, &mut b, &mut t] {
        node.restart().unwrap();
    }
    let same = || {
        let names = [&a, &l].map(name_of_friend);
        Ok((names[0] == names[1] && ["Benno", "Benedikt"].iter().any(|name| names[0] == *name)).then(|| names[0].clone()))
    };
    let ben = within(SOON, "one name on both", same).unwrap();
    let ben = ben.as_str().unwrap();

    // One device of Ben's is shut out on one of Ana's.
    let lost = device_of(&t);
    l.json(&["block", ben, "--device", lost.as_str().unwrap()]).unwrap();
    for node in [&a, &l] {
        sees(node, 1);
        assert!(
            friends(node).len() == 1 && friends(node)[0]["blocked"] == false && friends(node)[0]["devices"][0]["device"] == device_of(&b)
        );
    }
    t.json(&["send", "Ana", "it is me"]).unwrap();
    a.json(&["send", ben, "not for the tablet"]).unwrap();
    b.json(&["send", "Ana", "this is me"]).unwrap();
    l.json(&["send", ben, "I hear you"]).unwrap();
    all_have(&[&a, &l, &b], &["not for the tablet", "this is me", "I hear you"]);
    assert!(!has_text(&a, "it is me") && !has_text(&l, "it is me"));

    // Ana's laptop is stolen, and removed. Who runs a copy of its folder where nobody tells it so is not believed.
    l.interrupt().unwrap();
    let stolen = home.path().join("stolen");
    files::copy(l.folder(), &stolen).unwrap();
    a.json(&["device", "remove", "Laptop"]).unwrap();
    sees(&b, 1);
    for node in [&mut a, &mut t, &mut relay] {
        node.interrupt().unwrap();
    }
    let thief = Node::start(&stolen, &["--listen", TCP]).unwrap();
    thief.json(&["send", ben, "it is me, Ana"]).unwrap();
    b.json(&["send", "Ana", "a secret"]).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(!has_text(&b, "it is me, Ana") && !has_text(&thief, "a secret"));
    drop(thief);
    for node in [&mut relay, &mut a, &mut t] {
        node.restart().unwrap();
    }
    a.json(&["send", ben, "on we go"]).unwrap();
    all_have(&[&a, &b], &["a secret", "on we go"]);
    let are_new = || {
        // Each look stops them for a moment.
        std::thread::sleep(Duration::from_millis(300));
        let [one, other] = [&a, &b].map(disk_of_running);
        Ok((one.reads(&other) && other.reads(&one)).then_some(()))
    };
    within(SOON, "who stays has the new keys", are_new).unwrap();
    assert!(!has_text(&a, "it is me, Ana") && friends(&b).len() == 1 && friends(&b)[0]["mutual"] == true);
    for node in [&mut a, &mut b, &mut t] {
        node.interrupt().unwrap();
        node.calm().unwrap();
    }
    let [a, b, t, l] = [&a, &b, &t, &l].map(disk);
    assert!(!t.reads(&a) && !l.reads(&a) && !l.reads(&b), "who is out has the old ones");
    let all: BTreeSet<_> = [&a, &b, &t, &l].map(|disk| disk.identity.person()).into();
    assert_eq!(all.len(), 2, "two people");
}

//! Welcomes between real nodes whose makers do not keep to the protocol, and honest ones in hard times.

use super::four_devices::held;
use super::inside::{inside, rows};
use super::relay::{Rows, killed, rows_in};
use super::vouching::{LATER, NAMES, SOON, TCP, person};
use minicbor::{Decode, Encode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use symbolon_core::table::{Change, Table};
use symbolon_core::wire::{Role, RoomPayload, SeatedRoster, WelcomeBundle};
use symbolon_core::world::ShelfMut;
use symbolon_node::folder::Folder;
use symbolon_presence::id::{DeviceId, PeerId, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_tests::node::{Node, befriend, within};
use symbolon_tests::sim::rows::{FriendRow, read};

/// A Welcome that waits, as it lies in the store of who sends it.
#[derive(Encode, Decode)]
#[cbor(map)]
struct InvitationRow {
    #[n(0)]
    room: RoomId,
    #[n(1)]
    device: DeviceId,
    #[n(2)]
    bundle: WelcomeBundle,
    #[n(3)]
    said_in: Option<RoomId>,
}

/// The rooms that a node is in, by their names, and who brought it in.
fn rooms(node: &Node) -> BTreeMap<String, Value> {
    let rooms = node.json(&["room", "list"]).unwrap();
    rooms.into_iter().map(|room| (room["name"].as_str().unwrap().to_owned(), room["added_by"].clone())).collect()
}

fn peer(node: &Node) -> PeerId {
    node.ready["id"].as_str().unwrap().parse().unwrap()
}

fn connected(node: &Node) {
    within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
}

/// How many envelopes a node has left at relays.
fn stored(node: &Node) -> u64 {
    node.json(&["status"]).unwrap()[0]["sent_frames"]["stored"].as_u64().unwrap_or(0)
}

fn forged(node: &Node) -> u64 {
    let dropped = &node.json(&["status"]).unwrap()[0]["dropped_frames"];
    dropped.as_object().unwrap().values().filter_map(Value::as_u64).sum()
}

/// Makes rooms and adds Benjamin, who is away: his relay hands out a package for each, and keeps the Welcomes.
fn add_to(ana: &Node, names: &[&str]) {
    // Otherwise his own node would be asked first, which does not answer any more.
    let is_away = |friend: &Value| friend["name"] == NAMES[1] && friend["online"] == false;
    within(SOON, "he is away", || Ok(ana.json(&["friends"])?.iter().any(is_away).then_some(()))).unwrap();
    let before = stored(ana);
    for name in names {
        ana.json(&["room", "create", name]).unwrap();
        ana.json(&["room", "add", name, NAMES[1]]).unwrap();
    }
    within(LATER, "the Welcomes are left at the relay", || Ok((stored(ana) >= before + names.len() as u64).then_some(()))).unwrap();
}

/// The rooms that a node is in, by their ids.
fn names(node: &Node) -> BTreeMap<RoomId, String> {
    let rooms = node.json(&["room", "list"]).unwrap();
    rooms.iter().map(|room| (room["room"].as_str().unwrap().parse().unwrap(), room["name"].as_str().unwrap().to_owned())).collect()
}

/// A relay that was stopped loses all envelopes.
fn loses_all(relay: &Node) {
    let rows = rows_in(relay.folder());
    let entries: Vec<&Vec<u8>> = rows.iter().filter(|(table, ..)| *table == Table::Entry).map(|(_, key, _)| key).collect();
    let store = Folder::open(relay.folder()).unwrap().open_store(None).unwrap();
    let mut turn = store.begin().unwrap();
    // With what says when each ends.
    for (table, key, _) in rows.iter().filter(|(_, key, _)| entries.iter().any(|entry| key.ends_with(entry))) {
        turn.apply(&Change::Delete(*table, key.clone())).unwrap();
    }
    turn.commit().unwrap();
}

/// The Welcomes that wait at a node that was stopped, by the names of its rooms.
fn waiting(node: &Node, names: &BTreeMap<RoomId, String>) -> BTreeMap<String, WelcomeBundle> {
    let rows = rows(node, Table::Invitation).into_iter().map(|(_, row)| read::<InvitationRow>(&row));
    rows.map(|row| (names[&row.room].clone(), row.bundle)).collect()
}

/// Somebody says a Welcome to a friend of theirs, as it is.
fn says(from: &Node, to: PeerId, bundle: &WelcomeBundle) {
    let friends = rows(from, Table::Friend);
    let (_, row) = friends.iter().find(|(key, _)| key.as_slice() == to.as_bytes()).unwrap();
    let (room, payload) = (read::<FriendRow>(row).room, RoomPayload::Welcome(Box::new(bundle.clone())));
    inside(from, |core, now, world| core.say_in_room(now, room, &payload, world)).unwrap();
}

/// What lies at the relay names nobody: no person, no room, no text.
fn names_nobody(relay: &Rows, people: &[PeerId], rooms: &BTreeMap<RoomId, String>) {
    let all: Vec<u8> = relay.iter().flat_map(|(_, key, value)| [key.as_slice(), value].concat()).collect();
    let entries = relay.iter().filter(|(table, ..)| *table == Table::Entry).count();
    assert!(entries >= rooms.len(), "{entries} envelopes");
    let mut secrets: Vec<Vec<u8>> = NAMES[..3].iter().map(|name| name.as_bytes().to_vec()).collect();
    secrets.extend(people.iter().flat_map(|peer| [peer.as_bytes().to_vec(), peer.to_string().into_bytes()]));
    secrets.extend(rooms.iter().flat_map(|(id, name)| [id.as_bytes().to_vec(), name.clone().into_bytes()]));
    for secret in secrets {
        assert!(!all.windows(secret.len()).any(|part| part == secret), "it shows {}", String::from_utf8_lossy(&secret));
    }
}

/// What a friend may do to a Welcome of theirs: who is in the room, and how they are reached.
type Spoil = fn(&mut SeatedRoster, &mut Secret);

const SPOILT: [(&str, Spoil); 4] = [
    ("the room with another key", |_, key| *key = Secret::from_bytes([7; 32])),
    ("the room of many owners", |seated, _| seated.roster.users.iter_mut().for_each(|user| user.role = Role::Owner)),
    ("the room with another's chain", |seated, _| {
        let (first, others) = seated.seats.split_first_mut().unwrap();
        std::mem::swap(&mut first.owner.chain, &mut others[0].owner.chain);
    }),
    ("the room without seats", |seated, _| seated.seats.clear()),
];

const STOLEN: &str = "the room of somebody else's Welcome";
const HONEST: [&str; 2] = ["the honest room", "another honest room"];

struct Scene {
    relay: Node,
    ana: Node,
    ben: Node,
    cem: Node,
    /// Benjamin's at the relay.
    mailbox: Vec<u8>,
}

impl Scene {
    /// Three friends of each other and a relay. Benjamin is away.
    fn new(home: &Path) -> Self {
        let relay = Node::start(&home.join("relay"), &["relay", "run", "--open", "--listen", TCP]).unwrap();
        let link = relay.ready["link"].as_str().unwrap().to_owned();
        let [ana, mut ben, cem] = [0, 1, 2].map(|at| person(home, NAMES[at], &link, &[]));
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let all = [&ana, &ben, &cem];
            befriend((all[a], NAMES[a]), (all[b], NAMES[b])).unwrap();
        }
        ben.interrupt().unwrap();
        Self { relay, ana, ben, cem, mailbox: Vec::new() }
    }

    /// Benjamin comes while nobody but the relay is there.
    fn ben_alone(&mut self) {
        self.ben.restart().unwrap();
        connected(&self.ben);
    }

    /// What waits for Benjamin at the relay is read.
    fn until_read(&self) {
        let waits =
            || rows_in(held(&self.relay).path()).iter().any(|(table, key, _)| *table == Table::Entry && key.starts_with(&self.mailbox));
        within(SOON, "all of it is read", || Ok((!waits()).then_some(()))).unwrap();
    }
}

#[test]
fn a40_a41_a42_a43_a44_a45_a46_r3_s1_38_of_all_welcomes_real_nodes_take_those_that_are_true_their_own_and_of_somebody_whom_they_want() {
    let home = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(home.path());
    let spoilt = SPOILT.map(|(name, _)| name);
    add_to(&scene.ana, &[&spoilt[..], &[STOLEN]].concat());
    let names = names(&scene.ana);
    let people = [&scene.ana, &scene.ben, &scene.cem].map(peer);
    let lying = killed(&mut scene.relay);
    names_nobody(&lying, &people, &names);
    scene.mailbox = lying.iter().find(|(table, ..)| *table == Table::Entry).unwrap().1[..32].to_vec();

    // The relay loses all of them, and Anastasia spoils some. Cemalettin has come by a true one, and says it as his own.
    for node in [&mut scene.ana, &mut scene.cem] {
        node.interrupt().unwrap();
    }
    loses_all(&scene.relay);
    let welcomes = waiting(&scene.ana, &names);
    for (name, spoil) in SPOILT {
        let bundle = &welcomes[name];
        inside(&scene.ana, |core, now, world| core.forge_welcome(now, bundle, (bundle.room, people[1]), spoil, world)).unwrap();
    }
    says(&scene.cem, people[1], &welcomes[STOLEN]);
    scene.relay.restart().unwrap();
    scene.cem.restart().unwrap();
    scene.ben_alone();
    within(SOON, "it has come to him", || Ok((forged(&scene.ben) > 0).then_some(()))).unwrap();
    assert_eq!(rooms(&scene.ben), BTreeMap::new(), "by another one's Welcome nobody comes in");
    for node in [&mut scene.ben, &mut scene.cem] {
        node.interrupt().unwrap();
    }

    // Anastasia leaves hers at the relay, and true ones. When Benjamin comes, she is away: he knows from each alone who adds him.
    scene.ana.restart().unwrap();
    connected(&scene.ana);
    add_to(&scene.ana, &HONEST);
    within(SOON, "all are left", || Ok((stored(&scene.ana) >= (SPOILT.len() + HONEST.len()) as u64).then_some(()))).unwrap();
    let names = self::names(&scene.ana);
    scene.ana.interrupt().unwrap();
    let welcomes = waiting(&scene.ana, &names);
    scene.ben_alone();
    scene.until_read();
    let by_ana = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), Value::from(NAMES[0]))).collect::<BTreeMap<_, _>>();
    within(SOON, "he is in the true ones", || Ok((rooms(&scene.ben).len() == HONEST.len()).then_some(()))).unwrap();
    assert_eq!((rooms(&scene.ben), forged(&scene.ben)), (by_ana(&HONEST), SPOILT.len() as u64));
    scene.ben.interrupt().unwrap();

    // A true one again; into another room; of a secret that is not his; to somebody else.
    let bundle = &welcomes[HONEST[0]];
    says(&scene.ana, people[1], bundle);
    says(&scene.ana, people[1], &WelcomeBundle { room: RoomId([9; 32]), ..bundle.clone() });
    says(&scene.ana, people[1], &WelcomeBundle { revision: bundle.revision + 1, ..bundle.clone() });
    says(&scene.ana, people[2], bundle);
    for node in [&mut scene.ana, &mut scene.ben, &mut scene.cem] {
        node.restart().unwrap();
    }
    for to in [NAMES[1], NAMES[2]] {
        let sent = scene.ana.json(&["send", to, "behind them", "--wait", "delivered", "--timeout", "40s"]).unwrap();
        assert_eq!(sent[0]["state"], "delivered");
    }
    let mut expected = by_ana(&HONEST);
    assert_eq!((rooms(&scene.ben), rooms(&scene.cem)), (expected.clone(), BTreeMap::new()));
    assert!(forged(&scene.ben) >= 3 && forged(&scene.cem) >= 1);
    scene.ana.json(&["send", HONEST[0], "still there"]).unwrap();
    let read = || Ok(scene.ben.json(&["read", HONEST[0], "--peek"])?.iter().any(|row| row["text"] == "still there").then_some(()));
    within(SOON, "the room goes on", read).unwrap();

    // One that was made for his secret of before; and one by somebody whom he has blocked before he hears of it.
    for (name, verb, who) in [("the room of before", "unfriend", NAMES[2]), ("the room of one who is blocked", "block", NAMES[0])] {
        scene.ben.interrupt().unwrap();
        add_to(&scene.ana, &[name]);
        scene.ana.interrupt().unwrap();
        killed(&mut scene.relay);
        scene.ben.restart().unwrap();
        scene.ben.json(&[verb, who]).unwrap();
        scene.relay.restart().unwrap();
        connected(&scene.ben);
        scene.until_read();
        scene.ana.restart().unwrap();
    }
    std::thread::sleep(Duration::from_secs(1));
    expected.insert("the room of before".to_owned(), NAMES[0].into());
    assert_eq!(rooms(&scene.ben).into_keys().collect::<Vec<_>>(), expected.into_keys().collect::<Vec<_>>());
    for node in [&scene.ana, &scene.ben, &scene.cem, &scene.relay] {
        node.calm().unwrap();
    }
}

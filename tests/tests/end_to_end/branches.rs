//! A room whose members are apart, each side of which goes on: real nodes, and one of them makes commits as soon as it likes.

use super::by_hand::dropped;
use super::four_devices::{held, rows as table_in};
use super::inside::{inside, rows};
use super::server::now;
use super::vouching::{NAMES, ROOM, SOON, TCP, crew, members, person};
use serde_json::Value;
use std::path::Path;
use symbolon_core::forged_commits::{Forger, Forgery};
use symbolon_core::order::Act;
use symbolon_core::packages_at_hand::FetchedPackage;
use symbolon_core::seam::Input;
use symbolon_core::table::Table;
use symbolon_core::wire::{AddPackage, CommitInfo, LeafOwner, QueueAddress, RelayMailbox, Seat, Ways};
use symbolon_core::world::{Proposals, RoomCipher};
use symbolon_node::mls::{MemoryRows, MlsCipher};
use symbolon_presence::codec;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{PeerId, PublicKeyBytes};
use symbolon_presence::kdf::Secret;
use symbolon_tests::node::{Node, befriend, within};

/// Somebody whom nobody reaches while they are off: no relay keeps a mailbox for them.
fn lone(home: &Path, name: &str) -> Node {
    Node::start(&home.join(name), &["--no-lan", "--listen", TCP, "--name", name]).unwrap()
}

/// Commits at once, which is nobody's turn: in the folder of a node, which is off meanwhile.
fn hurries(node: &mut Node) {
    node.interrupt().unwrap();
    inside(node, |core, now, world| {
        // After the start a room must be quiet for a while: that is skipped, too.
        core.handle(now, Input::Tick, world).unwrap();
        core.hurry_commits();
        core.handle(now, Input::Tick, world).unwrap();
    });
    node.restart().unwrap();
}

fn said(node: &Node) -> Vec<Value> {
    node.json(&["read", ROOM, "--peek"]).unwrap()
}

fn has(node: &Node, text: &str) -> bool {
    said(node).iter().any(|row| row["text"] == text)
}

fn epoch(node: &Node) -> Value {
    node.json(&["room", "list", "--all"]).unwrap()[0]["epoch"].clone()
}

/// All of them are in one epoch with so many members, and each hears each other one.
fn agree(nodes: &[&Node], count: usize, what: &str) {
    within(SOON, what, || {
        let is_one = nodes.iter().all(|node| epoch(node) == epoch(nodes[0]));
        Ok((is_one && nodes.iter().all(|node| members(node) == count)).then_some(()))
    })
    .unwrap();
    for (at, from) in nodes.iter().enumerate() {
        let text = format!("{what}, says {at}");
        from.json(&["send", ROOM, &text]).unwrap();
        for to in nodes {
            within(SOON, &text, || Ok(has(to, &text).then_some(()))).unwrap();
        }
    }
}

#[test]
fn a63_a64_of_two_branches_of_a_room_real_nodes_take_the_one_that_stands_and_no_text_goes_to_who_was_not_there() {
    let home = tempfile::tempdir().unwrap();
    let [mut ana, mut ben, mut cem, mut eda] = [0, 1, 2, 3].map(|at| lone(home.path(), NAMES[at]));
    crew(&ana, &ben, &cem);
    befriend((&ana, NAMES[0]), (&eda, NAMES[3])).unwrap();
    befriend((&ben, NAMES[1]), (&cem, NAMES[2])).unwrap();

    // Two of them go on among themselves.
    for node in [&mut ana, &mut eda] {
        node.interrupt().unwrap();
    }
    let before = epoch(&ben);
    hurries(&mut ben);
    within(SOON, "another epoch", || Ok((epoch(&cem) != before && epoch(&cem) == epoch(&ben)).then_some(()))).unwrap();
    let sent = ben.json(&["send", ROOM, "for three"]).unwrap().remove(0)["message"].clone();
    within(SOON, "the other one has it", || Ok(has(&cem, "for three").then_some(()))).unwrap();
    // Meanwhile somebody comes in, of whom they know nothing.
    for node in [&mut ben, &mut cem] {
        node.interrupt().unwrap();
    }
    for node in [&mut ana, &mut eda] {
        node.restart().unwrap();
    }
    ana.json(&["room", "add", ROOM, NAMES[3]]).unwrap();
    within(SOON, "she is in", || Ok((members(&eda) == 4).then_some(()))).unwrap();
    for node in [&mut ben, &mut cem] {
        node.restart().unwrap();
    }
    agree(&[&ana, &ben, &cem, &eda], 4, "all four");
    assert!(!has(&eda, "for three"), "she was not there");
    let own = said(&ben).into_iter().find(|row| row["message"] == sent).unwrap();
    let is_told = own["state"] == "failed" && own["reason"].is_string();
    assert!(has(&ana, "for three") || is_told, "it arrives at who was there, or its writer is told: {own}");

    // Who is removed makes commits meanwhile, with one who knows nothing of it.
    for node in [&mut ben, &mut cem, &mut eda] {
        node.interrupt().unwrap();
    }
    ana.json(&["room", "remove", ROOM, NAMES[1]]).unwrap();
    within(SOON, "he is out", || Ok((members(&ana) == 3).then_some(()))).unwrap();
    ana.interrupt().unwrap();
    ben.restart().unwrap();
    cem.restart().unwrap();
    for _ in 0..3 {
        let before = epoch(&ben);
        hurries(&mut ben);
        within(SOON, "another epoch", || Ok((epoch(&cem) != before && epoch(&cem) == epoch(&ben)).then_some(()))).unwrap();
    }
    ben.json(&["send", ROOM, "I stay"]).unwrap();
    cem.json(&["send", ROOM, "who knows"]).unwrap();
    within(SOON, "they hear each other", || Ok((has(&cem, "I stay") && has(&ben, "who knows")).then_some(()))).unwrap();
    for node in [&mut ana, &mut eda] {
        node.restart().unwrap();
    }
    agree(&[&ana, &cem, &eda], 3, "all three");
    let standing = || Ok((ben.json(&["room", "list", "--all"])?[0]["standing"] == "removed").then_some(()));
    within(SOON, "he hears that he is out", standing).unwrap();
    within(SOON, "what a member wrote there is not lost", || Ok(has(&ana, "who knows").then_some(()))).unwrap();
    for node in [&ana, &ben, &cem, &eda] {
        node.calm().unwrap();
    }
}

/// A package of somebody who is off, as it lies at their relay, opened by a friend's secret.
fn package(lying: &[u8], secret: &FriendshipSecret) -> FetchedPackage {
    let package = AddPackage::decode(lying).unwrap();
    let secrets = package.open(&secret.fek()).expect("it is of this person");
    let view = MlsCipher::new(MemoryRows::default()).inspect_package(&package.key_package).unwrap();
    let device = secrets.chain.verify(now()).unwrap();
    let leaf = PublicKeyBytes(view.leaf.0);
    let queue = QueueAddress::decode(&view.kind.queue).unwrap();
    let first = queue.relay.zip(secrets.put).map(|(entry, key)| RelayMailbox { entry, key });
    let relay_mailboxes: Vec<RelayMailbox> = first.into_iter().chain(secrets.more).collect();
    let own = secrets.own.of(device.signing.bytes());
    let ways = Ways { name: String::new(), own, relay_mailboxes, seed: secrets.seed, capabilities: secrets.capabilities };
    let owner = LeafOwner { leaf, chain: Some(secrets.chain), key: secrets.key };
    let relays = ways.relay_mailboxes.len();
    FetchedPackage { peer: device.peer, leaf, key_package: package.key_package, last_resort: false, relays, seat: Seat { owner, ways } }
}

/// The commit that brings somebody in, and what is said of it.
fn adding(forger: &Forger<'_>, package: &FetchedPackage) -> (Proposals, CommitInfo) {
    let device = package.seat.owner.chain.as_ref().unwrap().body().unwrap().device;
    let act = Act::Add { leaf: package.leaf, user: package.peer, device };
    let state = forger.after(vec![act]).map(|roster| roster.hash());
    let proposals = Proposals { add: vec![package.key_package.clone()], state, ..Proposals::default() };
    (proposals, CommitInfo { seats: vec![package.seat.clone()], changes: Vec::new() })
}

/// How the maker of an add fails to seal for the room who comes in.
type Unsealed = fn(&mut Forger<'_>, CommitInfo) -> Vec<u8>;

const UNSEALED: [(&str, Unsealed); 5] = [
    ("nothing is said", |_, _| Vec::new()),
    ("it is sealed under another key", |forger, info| forger.seal_under(&Secret::from_bytes([1; 32]), &info)),
    ("it is in clear", |_, info| codec::encode(&info)),
    ("nobody has the leaf", |forger, _| forger.seal(&CommitInfo { seats: Vec::new(), changes: Vec::new() })),
    ("another key is said for the credential", |forger, mut info| {
        info.seats[0].owner.key = Secret::from_bytes([1; 32]);
        forger.seal(&info)
    }),
];

#[test]
fn a29_an_add_whose_maker_does_not_seal_for_the_room_who_comes_in_is_refused_by_all_real_members() {
    let home = tempfile::tempdir().unwrap();
    let relay = Node::start(&home.path().join("relay"), &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let [ana, mut ben, cem] = [0, 1, 2].map(|at| lone(home.path(), NAMES[at]));
    let mut dea = person(home.path(), NAMES[3], relay.ready["link"].as_str().unwrap(), &[]);
    crew(&ana, &ben, &cem);
    befriend((&ben, NAMES[1]), (&cem, NAMES[2])).unwrap();
    befriend((&ben, NAMES[1]), (&dea, NAMES[3])).unwrap();
    ana.json(&["room", "role", ROOM, NAMES[1], "admin"]).unwrap();
    within(SOON, "he is an admin", || Ok((ben.json(&["room", "list"])?[0]["role"] == "admin").then_some(()))).unwrap();
    agree(&[&ana, &ben, &cem], 3, "at first");
    let lies = || table_in(held(&relay).path(), Table::Package);
    within(SOON, "her packages lie there", || Ok((!lies().is_empty()).then_some(()))).unwrap();
    dea.interrupt().unwrap();
    let (_, secret) = rows(&dea, Table::Meta).into_iter().find(|(key, _)| key == b"friendship").unwrap();
    let secret: FriendshipSecret = codec::decode_row(&secret, 4_096).unwrap();
    let package = package(&lies()[0], &secret);

    let room = ana.json(&["room", "list"]).unwrap()[0]["room"].as_str().unwrap().parse().unwrap();
    let to: Vec<PeerId> = [&ana, &cem].map(|node| node.ready["id"].as_str().unwrap().parse().unwrap()).into();
    let before = ([&ana, &cem].map(dropped), epoch(&ana));
    let forges = |ben: &Node, said: Unsealed| {
        inside(ben, |core, now, world| {
            let make = |forger: &mut Forger<'_>| {
                let (proposals, info) = adding(forger, &package);
                Forgery { proposals, said: said(forger, info) }
            };
            core.forge_commit(now, room, &to, make, world).unwrap();
        });
    };
    ben.interrupt().unwrap();
    for (_, said) in UNSEALED {
        forges(&ben, said);
    }
    ben.restart().unwrap();
    let kinds = UNSEALED.map(|(what, _)| what);
    for (node, before) in [&ana, &cem].into_iter().zip(before.0) {
        within(SOON, "each is refused", || Ok((dropped(node) >= before + UNSEALED.len() as u64).then_some(()))).unwrap();
    }
    for node in [&ana, &cem] {
        assert_eq!((members(node), epoch(node)), (3, before.1.clone()), "{kinds:?}");
    }
    agree(&[&ana, &ben, &cem], 3, "afterwards");
    // Said as it should be, the same add is taken.
    ben.interrupt().unwrap();
    forges(&ben, |forger, info| forger.seal(&info));
    ben.restart().unwrap();
    for node in [&ana, &cem] {
        within(SOON, "she is in", || Ok((members(node) == 4).then_some(()))).unwrap();
        node.calm().unwrap();
    }
}

//! The stories of the simulation over real OpenMLS, beside those in clear text; and what who
//! has stolen all keys of a node can do with them.
//!
//! OpenMLS reads the wall clock and draws from the system's randomness: these stories begin
//! now, jump by less than a day, and do not repeat to the byte.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use minicbor::Decode;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};
use symbolon_core::command::{Command, Who};
use symbolon_core::table::Table;
use symbolon_core::wire::{Known, RoomPayload, Text};
use symbolon_core::world::{RoomCipher, Shelf};
use symbolon_node::mls::{MemoryRows, MlsCipher};
use symbolon_presence::codec;
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{MessageId, Nonce, RoomId};
use symbolon_presence::identity::{Chain, Identity, StoredIdentity};
use symbolon_presence::seeds::Ratchet;
use symbolon_presence::time::{MINUTE, SECOND, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::{MailboxKeys, Scope};
use symbolon_relay::limits::PACKAGE_MAX;
use symbolon_relay::put::{Outcome, Put};
use symbolon_tests::craft::{Actor, outcomes};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::node::SimNode;
use symbolon_tests::sim::rooms::Rooms;
use symbolon_tests::sim::rows::{self, FriendRow};
use symbolon_tests::sim::run::{Ix, Sim};
use symbolon_tests::sim::store::MemoryStore;
use symbolon_tests::sim::story::{self, Setting};
use symbolon_tests::sim::trace::Log;

/// MLS over rows that belong to the turn.
struct MlsRooms {
    live: MlsCipher<Rc<MemoryRows>>,
    rows: Rc<MemoryRows>,
    kept: MemoryRows,
    /// What a thief finds.
    copy: Copied,
}

type Copied = Rc<RefCell<MemoryRows>>;

impl MlsRooms {
    fn over(kept: MemoryRows) -> Self {
        Self::copied(kept, Copied::default())
    }

    fn copied(kept: MemoryRows, copy: Copied) -> Self {
        let rows = Rc::new(kept.clone());
        Self { live: MlsCipher::new(rows.clone()), rows, kept, copy }
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
            *self.copy.borrow_mut() = self.kept.clone();
        }
        flushed
    }

    fn withdraw(&mut self) {
        // A group in memory is stale now: everything is loaded again.
        *self = Self::copied(self.kept.clone(), self.copy.clone());
    }

    fn copy(&self) -> Option<Box<dyn Rooms>> {
        Some(Box::new(Self::over(self.kept.clone())))
    }
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    Timestamp(u64::try_from(now).unwrap())
}

/// Everything that lies in a node's store: keys, friends, rooms.
struct Loot {
    identity: Identity,
    mailbox: MailboxKeys,
    friendship: FriendshipSecret,
    friend: Chain,
    room: RoomId,
    sequence: u64,
    /// Of what the friend writes.
    keys: Ratchet,
    rooms: Copied,
}

#[derive(Decode)]
#[cbor(map)]
struct ChainRow {
    #[n(2)]
    chain: Chain,
}

/// The keys that are left under the newest seed of ours, as they lie in the store.
fn newest(store: &MemoryStore) -> Ratchet {
    #[derive(Decode)]
    #[cbor(map)]
    struct OpenerRow {
        #[n(0)]
        ratchet: Ratchet,
    }
    let (_, row) = rows::inbound(store).last().unwrap();
    let row = codec::encode_row(&row.opener);
    rows::read::<OpenerRow>(&row).ratchet
}

fn steal(sim: &Sim, ix: Ix, rooms: &Copied) -> Loot {
    let store = &sim.nodes[ix].store;
    let meta = |name: &[u8]| store.get(Table::Meta, name).unwrap().unwrap();
    let (_, friend) = store.rows(Table::Friend).next().unwrap();
    let (_, device) = store.rows(Table::Device).next().unwrap();
    Loot {
        identity: Identity::from_stored(&codec::decode::<StoredIdentity>(&meta(b"identity"), 4096).unwrap()),
        mailbox: codec::decode(&meta(b"mailbox"), 4096).unwrap(),
        friendship: codec::decode(&meta(b"friendship"), 4096).unwrap(),
        friend: rows::read::<ChainRow>(device).chain,
        room: rows::read::<FriendRow>(friend).room,
        sequence: rows::sequences(store).next().map_or(0, |row| row.receive),
        keys: newest(store),
        rooms: Rc::new(RefCell::new(rooms.borrow().clone())),
    }
}

impl Loot {
    /// Envelopes that say they come from the friend, each under another counter, around a room
    /// message that `sealed_by` makes.
    fn envelopes(&self, sealed_by: &Copied, text: &str) -> Vec<Vec<u8>> {
        let mut rooms = MlsRooms::over(sealed_by.borrow().clone());
        let payload = RoomPayload::Text(Text { id: MessageId([text.len() as u8; 16]), at: now(), text: text.into() });
        let sealed = rooms.cipher().seal(self.room, &codec::encode(&payload), &[]).unwrap();
        let known = Known { room: self.room, epoch: sealed.epoch, sequence: Some(self.sequence), mls: sealed.bytes, piece: None };
        let known = codec::encode(&known);
        let mut owner = Actor::with_identity(self.identity.clone(), 1);
        (owner.mailbox, owner.friendship) = (self.mailbox.clone(), self.friendship.clone());
        let (entry, put) = owner.entry(Scope::Friends(self.friendship.revision));
        // What the folder holds opens what is to come, so it seals that, too.
        let mut keys = self.keys.clone();
        let mut frame = || {
            let envelope = keys.turn().seal(&[7; 12], &known).unwrap();
            Frame::Put(Put::new(entry.address.clone(), &put, 3600, None, envelope).unwrap()).encode()
        };
        (0..32).map(|_| frame()).collect()
    }
}

fn taken(sim: &mut Sim, ix: Ix, frames: Vec<Vec<u8>>) -> usize {
    let mut taken = 0;
    for frame in frames {
        let link = sim.rogue_link(ix);
        let outcomes = outcomes(&sim.rogue_send(link, frame));
        taken += outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Stored(_) | Outcome::Delivered)).count();
    }
    taken
}

/// Two friends, and a copy of the first one's store. They cannot hear each other from then on.
fn robbed() -> (Sim, Loot, Copied) {
    let mut sim = Sim::new(1, Faults::NONE);
    sim.now = now();
    let copies = [Copied::default(), Copied::default()];
    for (name, copy) in ["Andi", "Ben"].into_iter().zip(&copies) {
        let rooms = MlsRooms::copied(MemoryRows::default(), copy.clone());
        sim.add_node(SimNode::with_rooms(Box::new(rooms), Some(name.to_owned())));
    }
    sim.befriend(0, 1);
    sim.say(1, 0, "it is me").unwrap();
    sim.run_for(1_000);
    let loot = steal(&sim, 0, &copies[0]);
    sim.set_apart(0, 1, true);
    let [_, friends] = copies;
    (sim, loot, friends)
}

#[test]
fn r10_who_has_stolen_all_keys_of_a_node_cannot_speak_to_it_as_its_friend() {
    let (mut sim, loot, _) = robbed();
    let forged = loot.envelopes(&loot.rooms, "not me");
    assert_eq!(taken(&mut sim, 0, forged), 0);

    // A request in the friend's name: his certificate, and keys that are not his.
    let link = sim.invite(0);
    let stolen = Identity { chain: loot.friend.clone(), device: loot.friend.verify(now()).unwrap().device, ..loot.identity.clone() };
    let (mut thief, to) = (Actor::with_identity(stolen, 2), sim.contact_of(&link));
    let offer = thief.offer(sim.now);
    let frame = thief.offer_frame(&to, Nonce([9; 16]), &offer);
    assert_eq!(taken(&mut sim, 0, vec![frame]), 0);
    assert!(sim.pending(0).is_none());

    // What was wrong with the envelopes is who sealed inside: with the friend's own room one is good.
    let (mut sim, loot, friends) = robbed();
    // However often that is sealed, it is taken in once, and answered alike.
    let genuine = loot.envelopes(&friends, "the friend's keys");
    assert_eq!(taken(&mut sim, 0, genuine), 32);
    assert_eq!(sim.texts(0), ["it is me", "the friend's keys"]);
}

/// Two friends whose rooms are real.
fn friends(seed: u64) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.now = now();
    for name in ["Andi", "Ben"] {
        sim.add_node(SimNode::with_rooms(Box::new(MlsRooms::over(MemoryRows::default())), Some(name.to_owned())));
    }
    sim.befriend(0, 1);
    sim
}

/// A text each way.
fn talk(sim: &mut Sim, text: &str) {
    for (from, to) in [(0, 1), (1, 0)] {
        sim.say(from, to, text).unwrap();
        sim.run_for(2_000);
    }
}

fn renew_keys(sim: &mut Sim, ix: Ix) {
    let epoch = |sim: &mut Sim| {
        let (_, row) = sim.nodes[ix].store.rows(Table::Friend).next().unwrap();
        let room = rows::read::<FriendRow>(row).room;
        sim.nodes[ix].cipher().epoch(room).unwrap()
    };
    let before = epoch(sim);
    sim.hurry_commits(ix);
    sim.run_for(10_000);
    assert_ne!(epoch(sim), before, "a commit was made and taken");
    talk(sim, "in another epoch");
}

/// Frames that went from one node to the other.
fn heard(sim: &Sim, from: Ix, to: Ix) -> Vec<Vec<u8>> {
    let wire = sim.wire.as_ref().unwrap().iter();
    wire.filter(|sent| (sent.from, sent.to) == (from, to)).map(|sent| sent.bytes.clone()).collect()
}

/// What a node that runs from a stolen disk reads of frames that somebody else got.
fn read_by_thief(disk: &SimNode, at: Timestamp, frames: &[Vec<u8>]) -> Vec<String> {
    let mut lair = Sim::new(77, Faults::NONE);
    lair.now = at;
    let thief = lair.add_node(disk.copy());
    for frame in frames {
        let link = lair.rogue_link(thief);
        lair.rogue_send(link, frame.clone());
    }
    lair.texts(thief)
}

/// Of the envelopes in some frames, how many a stolen disk's keys for sealing open.
fn opened_by_sealing_keys(disk: &SimNode, frames: &[Vec<u8>]) -> usize {
    let (_, channel) = rows::channels(&disk.store).next().unwrap();
    let ratchet = channel.outbound.unwrap().ratchet;
    let keys: Vec<_> = (ratchet.next()..ratchet.next() + 64).filter_map(|counter| ratchet.ahead(counter)).collect();
    let envelopes = frames.iter().filter_map(|frame| match Frame::decode(frame) {
        Ok(Frame::Put(put)) => Some(put.envelope),
        _ => None,
    });
    envelopes.filter(|envelope| keys.iter().any(|key| key.open(envelope).is_ok())).count()
}

#[test]
fn a111_a_thief_who_listens_is_out_once_both_sides_have_renewed_their_keys() {
    // Either may begin.
    for order in [[0, 1], [1, 0]] {
        let mut sim = friends(11);
        talk(&mut sim, "hello");
        let disk = sim.copy(0);
        sim.wire = Some(Vec::new());
        talk(&mut sim, "before");
        let start = heard(&sim, 0, 1).len();
        assert!(opened_by_sealing_keys(&disk, &heard(&sim, 0, 1)) > 0, "the outer layer of what Andi writes");
        for ix in order {
            renew_keys(&mut sim, ix);
        }
        let end = heard(&sim, 0, 1).len();
        assert!(end > start);
        talk(&mut sim, "after");
        assert_eq!(sim.texts(1), sim.texts(0));
        let texts = read_by_thief(&disk, sim.now, &heard(&sim, 1, 0));
        assert!(texts.iter().any(|text| text == "before"), "{texts:?}");
        assert!(!texts.iter().any(|text| text == "after"), "{texts:?}");
        assert_eq!(opened_by_sealing_keys(&disk, &heard(&sim, 0, 1)[end..]), 0);
    }
}

#[test]
fn a111_a_thief_reads_on_while_only_the_other_side_has_renewed_its_keys() {
    let mut sim = friends(12);
    talk(&mut sim, "hello");
    let disk = sim.copy(0);
    sim.wire = Some(Vec::new());
    renew_keys(&mut sim, 1);
    talk(&mut sim, "after");
    let texts = read_by_thief(&disk, sim.now, &heard(&sim, 1, 0));
    assert!(texts.iter().any(|text| text == "after"), "the one who was robbed has to renew theirs: {texts:?}");
}

#[test]
fn every_accepted_message_arrives_once_and_in_order_over_openmls_too() {
    let setting = Setting { start: now(), rounds: 30, rooms: |_| Box::new(MlsRooms::over(MemoryRows::default())) };
    let mut arrived = 0;
    for seed in 0..10 {
        println!("seed {seed}");
        arrived += story::tell(seed, &setting, Log::default()).sums.arrived;
    }
    assert!(arrived > 100, "the stories are about something");
}

#[test]
fn two_rooms_of_the_same_two_devices_keep_their_own_order_over_openmls_too() {
    for seed in 0..4 {
        let mut sim = Sim::new(seed, Faults::NONE);
        sim.now = now();
        for name in ["Andi", "Ben"] {
            sim.add_node(SimNode::with_rooms(Box::new(MlsRooms::over(MemoryRows::default())), Some(name.to_owned())));
        }
        sim.befriend(0, 1);
        let room = sim.share_room(0, 1);
        sim.faults = Faults { crash: 0, ..Faults::ROUGH };
        let mut written = Vec::new();
        for round in 0..30 {
            let text = format!("text {round}");
            assert!(sim.write_in_room(round % 2, room, &text));
            written.push((1 - round % 2, text));
            sim.say(round % 2, 1 - round % 2, "in the friendship").unwrap();
            sim.run_for(500);
        }
        sim.faults = Faults::NONE;
        sim.run_for(600_000);
        for at in 0..2 {
            let store = &sim.nodes[at].store;
            let rows = store.rows(Table::Message).filter(|(key, _)| key.starts_with(room.as_bytes()));
            let rows = rows.map(|(_, row)| rows::read::<rows::MessageRow>(row)).filter(|row| row.from != sim.nodes[at].peer);
            let texts: Vec<String> = rows.map(|row| row.text).collect();
            let expected: Vec<String> = written.iter().filter(|(to, _)| *to == at).map(|(_, text)| text.clone()).collect();
            assert_eq!(texts, expected, "seed {seed}");
        }
    }
}

/// How large the three steps are with real rooms: each fits the size that the pages name. Prints the bytes of a whole befriending.
#[test]
fn the_steps_of_a_connection_fit_their_envelopes() {
    let mut sim = Sim::new(5, Faults::NONE);
    sim.now = now();
    let [a, b] =
        ["Andi", "Ben"].map(|name| sim.add_node(SimNode::with_rooms(Box::new(MlsRooms::over(MemoryRows::default())), Some(name.into()))));
    sim.wire = Some(Vec::new());
    sim.befriend(a, b);
    let wire = sim.wire.take().unwrap();
    let first = |frame: &[u8]| match Frame::decode(frame) {
        Ok(Frame::Put(put)) if kind(&put.envelope) == Some(Kind::First) => Some(put.envelope.len()),
        _ => None,
    };
    let sizes: Vec<usize> = wire.iter().filter_map(|frame| first(&frame.bytes)).collect();
    println!("first envelopes {sizes:?}; {} frames, {} B in all", wire.len(), wire.iter().map(|frame| frame.bytes.len()).sum::<usize>());
    let [offer, accept, confirm, ..] = sizes[..] else { panic!("{sizes:?}") };
    assert_eq!((offer, accept, confirm), (8 * 1024, 32 * 1024, 8 * 1024));
}

/// What nodes have left at relays since the beginning: who, and the packages of each stock.
fn stocks(sim: &mut Sim) -> Vec<(Ix, Vec<Vec<u8>>)> {
    let sent = sim.wire.take().unwrap().into_iter();
    let left = sent.filter_map(|frame| match Frame::decode(&frame.bytes) {
        Ok(Frame::Stock(stock)) => Some((frame.from, stock.packages.into_iter().chain(stock.last).map(Vec::from).collect())),
        Ok(_) | Err(_) => None,
    });
    left.collect()
}

#[test]
fn a28_packages_of_mls_name_all_relays_and_two_of_one_device_share_nothing_that_those_of_two_people_do_not() {
    let mut sim = Sim::new(9, Faults::NONE);
    sim.now = now();
    let [a, b] =
        ["Andi", "Ben"].map(|name| sim.add_node(SimNode::with_rooms(Box::new(MlsRooms::over(MemoryRows::default())), Some(name.into()))));
    sim.befriend(a, b);
    let relays: Vec<String> = (0..3).map(|_| sim.add_relay().1).collect();
    for ix in [a, b] {
        for link in &relays {
            sim.command(ix, Command::RelayAdd { link: link.clone(), claim: None }).unwrap();
            sim.run_for(SECOND);
        }
    }
    sim.run_for(MINUTE);
    // All of them once more, when all relays are known.
    sim.wire = Some(Vec::new());
    let friend = Who(sim.nodes[b].peer.to_string());
    sim.command(a, Command::Block(friend.clone())).unwrap();
    sim.command(a, Command::Unblock(friend)).unwrap();
    let friend = Who(sim.nodes[a].peer.to_string());
    sim.command(b, Command::Block(friend.clone())).unwrap();
    sim.command(b, Command::Unblock(friend)).unwrap();
    sim.run_for(MINUTE);
    let stocks = stocks(&mut sim);
    let of = |ix| stocks.iter().filter(move |(from, _)| *from == ix).map(|(_, packages)| packages).collect::<Vec<_>>();
    assert!(of(a).len() >= 3 && of(b).len() >= 3);
    // What everybody's have: how an MLS KeyPackage looks, and the names of relays.
    let of_anybody: BTreeSet<&[u8]> = of(b).into_iter().flatten().flat_map(|package| package.windows(8)).collect();
    let is_anybodys = |run: &[u8]| run.windows(8).any(|part| of_anybody.contains(part));
    let mine: Vec<&Vec<u8>> = of(a).into_iter().flatten().collect();
    assert!(mine.iter().all(|package| package.len() == PACKAGE_MAX));
    let own: Vec<BTreeSet<&[u8]>> = mine.iter().map(|package| package.windows(12).filter(|run| !is_anybodys(run)).collect()).collect();
    for (at, one) in own.iter().enumerate() {
        assert!(one.len() > PACKAGE_MAX / 2, "most of it is its own");
        assert!(own[at + 1..].iter().all(|two| one.is_disjoint(two)), "package {at}");
    }
}

#[test]
fn a_package_of_mls_is_fetched_and_names_the_own_node_and_three_relays() {
    let mut sim = Sim::new(10, Faults::NONE);
    sim.now = now();
    let [a, b] =
        ["Andi", "Ben"].map(|name| sim.add_node(SimNode::with_rooms(Box::new(MlsRooms::over(MemoryRows::default())), Some(name.into()))));
    for _ in 0..3 {
        let (_, link) = sim.add_relay();
        sim.command(a, Command::RelayAdd { link, claim: None }).unwrap();
    }
    sim.befriend(a, b);
    sim.run_for(MINUTE);
    let (at, andi) = (sim.now, sim.nodes[a].peer);
    sim.nodes[b].with_core(|core, world| core.fetch_package(at, andi, world)).unwrap();
    let _ = sim.command(b, Command::Requests);
    sim.run_for(MINUTE);
    let package = sim.nodes[b].with_core(|core, _| core.take_packages()).remove(0).unwrap();
    assert_eq!((package.peer, package.relays), (andi, 3));
}

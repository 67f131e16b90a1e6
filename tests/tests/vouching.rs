//! Vouched rooms: people knock at a room, and a member who knows them lets them in.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use symbolon_core::command::{CardView, Command, CommandError, Direction, Reply, RequestKind, RequestStatus, RequestView, Who};
use symbolon_core::wire::Capabilities;
use symbolon_presence::id::{RoomAlias, RoomId};
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_relay::knock::Ask;
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

#[path = "vouching/attacks.rs"]
mod attacks;
#[path = "vouching/growth.rs"]
mod growth;
#[path = "vouching/hellos.rs"]
mod hellos;
#[path = "vouching/homes.rs"]
mod homes;
#[path = "vouching/hubs.rs"]
mod hubs;
#[path = "vouching/stories.rs"]
mod stories;

const ANA: Ix = 0;
const BEN: Ix = 1;
const CEM: Ix = 2;
/// Ben's friend, and nobody else's.
const DEA: Ix = 3;
/// Nobody's friend.
const EVA: Ix = 4;

const ROOM: &str = "The crew";

/// A room of Ana, Ben and Cem, with a hub at Ana's relay; Dea, whom Ben knows; and Eva, whom nobody does. Answers the hub's
/// relay as well.
fn scene(seed: u64) -> (Sim, Ix) {
    let mut sim = Sim::new(seed, Faults::NONE);
    for name in ["Ana", "Ben", "Cem", "Dea", "Eva"] {
        sim.add(name);
    }
    let mut relays = Vec::new();
    for ix in ANA..=EVA {
        let (relay, link) = sim.add_relay();
        assert!(sim.command(ix, Command::RelayAdd { link, claim: None }).is_ok());
        relays.push(relay);
    }
    sim.add_hub(relays[ANA]);
    sim.run_for(MINUTE);
    for (one, other) in [(ANA, BEN), (ANA, CEM), (BEN, DEA)] {
        sim.befriend(one, other);
    }
    sim.run_for(HOUR);
    assert!(sim.command(ANA, Command::RoomCreate(ROOM.into())).is_ok());
    assert!(sim.command(ANA, Command::RoomAdd { room: name(ROOM), who: vec![name("Ben"), name("Cem")] }).is_ok());
    sim.run_for(MINUTE);
    assert_eq!(members(&mut sim, CEM), ["Cem", "Ana", "Ben"]);
    (sim, relays[ANA])
}

fn name(text: &str) -> Who {
    Who(text.to_owned())
}

/// Who is in the room, as somebody sees it; nobody when they are not in it.
fn members(sim: &mut Sim, ix: Ix) -> Vec<String> {
    match sim.command(ix, Command::RoomMembers(name(ROOM))) {
        Ok(Reply::Members(views)) => views.into_iter().map(|view| view.name).collect(),
        _ => Vec::new(),
    }
}

/// The room's id.
fn id(sim: &mut Sim, ix: Ix) -> RoomId {
    match sim.command(ix, Command::Rooms) {
        Ok(Reply::Rooms(views)) => views[0].room,
        _ => panic!("no rooms are listed"),
    }
}

/// How many are in the room, as each of these sees it.
fn counts(sim: &mut Sim, who: &[Ix]) -> Vec<usize> {
    who.iter().map(|ix| members(sim, *ix).len()).collect()
}

fn card(sim: &mut Sim, ix: Ix) -> String {
    match sim.command(ix, Command::RoomCard(name(ROOM))) {
        Ok(Reply::Card(CardView { card, .. })) => card,
        Ok(_) => panic!("another answer"),
        Err(error) => panic!("{error:?}"),
    }
}

/// Knocks, and answers the request.
fn knock(sim: &mut Sim, ix: Ix, card: &str) -> RequestView {
    match sim.command(ix, Command::RoomKnock(card.to_owned())) {
        Ok(Reply::Request(view)) => view,
        Ok(_) => panic!("another answer"),
        Err(error) => panic!("{error:?}"),
    }
}

/// The knocks that somebody sees, newest first.
fn knocks(sim: &mut Sim, ix: Ix, direction: Direction) -> Vec<RequestView> {
    match sim.command(ix, Command::Requests) {
        Ok(Reply::Requests(views)) => {
            views.into_iter().filter(|view| view.kind == RequestKind::Knock && view.direction == direction).collect()
        }
        _ => panic!("no requests are listed"),
    }
}

/// How the newest knock of somebody's stands.
fn status(sim: &mut Sim, ix: Ix) -> RequestStatus {
    knocks(sim, ix, Direction::Out)[0].status
}

/// Whether somebody's knock comes to this within a time.
fn comes_to(sim: &mut Sim, ix: Ix, wanted: RequestStatus, time: u64) -> bool {
    sim.run_until(time, |sim| status(sim, ix) == wanted)
}

fn say(sim: &mut Sim, ix: Ix, text: &str) {
    assert!(sim.command(ix, Command::Send { to: name(ROOM), lifetime: None, text: text.to_owned() }).is_ok());
}

fn texts(sim: &mut Sim, ix: Ix) -> Vec<String> {
    match sim.command(ix, Command::Read { who: Some(name(ROOM)), since: None, limit: None, peek: true }) {
        Ok(Reply::Messages(views)) => views.into_iter().filter(|view| !view.is_line).map(|view| view.text).collect(),
        _ => Vec::new(),
    }
}

/// What the room says of who has come, as somebody sees it.
fn lines(sim: &mut Sim, ix: Ix) -> Vec<String> {
    match sim.command(ix, Command::Read { who: Some(name(ROOM)), since: None, limit: None, peek: true }) {
        Ok(Reply::Messages(views)) => views.into_iter().filter(|view| view.is_line).map(|view| view.text).collect(),
        _ => Vec::new(),
    }
}

/// The names under which members listen at a hub.
fn aliases(sim: &mut Sim, hub: Ix) -> std::collections::BTreeSet<RoomAlias> {
    let listens = |bytes: &Vec<u8>| if let Ok(Ask::Listen(listen)) = Ask::decode(bytes) { listen.room() } else { None };
    sim.hub(hub).seen.iter().filter_map(listens).collect()
}

//! Requests by the link of an invite: where its body is found, and when.

use minicbor::{Decode, Encode};
use symbolon_core::command::{Command, Reply, RequestStatus};
use symbolon_core::link::InviteLink;
use symbolon_core::seam::{Address, Input};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::ShelfMut;
use symbolon_presence::codec;
use symbolon_presence::id::{FrameId, GrantId, Nonce, PeerId, RequestId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::{DAY, HOUR, MINUTE, Timestamp};
use symbolon_relay::put::Outcome;
use symbolon_tests::craft::{Actor, outcomes};
use symbolon_tests::sim::run::address;
use symbolon_tests::sim::{Faults, Sim};

fn invite(sim: &mut Sim, no_ip: bool) -> (String, Option<&'static str>) {
    match sim.command(0, Command::Invite { lifetime: 7 * DAY, no_ip, auto_accept: false }) {
        Ok(Reply::Invite { link, warning, .. }) => (link, warning),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn an_invite_is_good_while_its_maker_is_away_by_a_relay_of_theirs_alone() {
    for away in [HOUR, 5 * DAY] {
        let mut sim = Sim::new(3, Faults::NONE);
        let (a, b) = (sim.add("Andi"), sim.add("Ben"));
        let (relay, link) = sim.add_relay();
        assert!(sim.command(a, Command::RelayAdd { link, claim: None }).is_ok());
        sim.run_for(MINUTE);
        let (link, warning) = invite(&mut sim, true);
        assert_eq!(warning, None);
        let places = InviteLink::read(&link).unwrap().places;
        assert!(places.iter().all(|place| place.is_server) && places[0].addresses() == [address(relay)]);
        // At once, before the relay could hear of anything later.
        sim.run_for(1_000);
        sim.crash(a, away + DAY);
        sim.run_for(away);
        let id = sim.ask(b, &link).unwrap();
        assert_eq!(sim.status_of(b, id), RequestStatus::Pending, "after {away} ms");
        sim.run_for(2 * DAY);
        let incoming = sim.pending(a).expect("the Offer lay at the relay");
        sim.accept(a, incoming).unwrap();
        assert!(sim.run_until(HOUR, |sim| sim.are_friends(a, b)));
    }
}

#[test]
fn an_invite_that_was_made_without_a_network_becomes_good_when_there_is_one() {
    let mut sim = Sim::new(4, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.input(a, Input::Addresses(Vec::new()));
    let (link, warning) = invite(&mut sim, false);
    assert!(warning.is_some_and(|text| text.contains("becomes good") && text.contains("symbolon relay add")), "{warning:?}");
    assert!(InviteLink::read(&link).unwrap().places.is_empty());
    let id = sim.ask(b, &link).unwrap();
    sim.run_for(HOUR);
    let view = sim.request(b, id);
    assert!(view.status == RequestStatus::Unresolved && view.fault.is_some_and(|fault| fault.contains("tried again")));
    let Ok(Reply::Status(status)) = sim.command(b, Command::Status) else { panic!("no status") };
    let said = |what: &str| status.problems.iter().any(|problem| problem.contains(what));
    assert!(said("by an invite that could not be used") && !said("name a Peer ID"), "{:?}", status.problems);
    sim.lookup.is_there = true;
    for ix in [a, b] {
        sim.input(ix, Input::Servers(vec![symbolon_tests::sim::run::nowhere()], 0));
    }
    sim.input(a, Input::Addresses(vec![address(a)]));
    assert!(sim.run_until(HOUR, |sim| sim.status_of(b, id) == RequestStatus::Pending), "it is looked for again automatically");
    assert!(sim.run_until(HOUR, |sim| sim.pending(a).is_some()), "and leads to where its maker is now");
}

#[test]
fn an_invite_that_is_made_off_the_network_by_a_node_that_knows_servers_says_that_it_is_not_good_yet() {
    let mut sim = Sim::new(9, Faults::NONE);
    let a = sim.add("Andi");
    let servers = |sim: &mut Sim| sim.input(a, Input::Servers(vec![symbolon_tests::sim::run::nowhere()], 0));
    servers(&mut sim);
    assert_eq!(invite(&mut sim, false).1, None);
    sim.input(a, Input::Addresses(Vec::new()));
    let (link, warning) = invite(&mut sim, false);
    assert!(warning.is_some_and(|text| text.contains("on no network now") && text.contains("Until then nobody can use it")), "{warning:?}");
    assert!(InviteLink::read(&link).unwrap().places.iter().all(|place| place.is_server));
    // The machine itself is no network.
    sim.input(a, Input::Addresses(vec![Address(vec![4, 127, 0, 0, 1, 6, 0x0f, 0xa1])]));
    assert_eq!(invite(&mut sim, false).1, warning);
    sim.input(a, Input::Addresses(vec![address(a)]));
    assert_eq!(invite(&mut sim, false).1, None);
}

#[test]
fn an_invite_whose_places_are_all_too_long_for_a_link_says_so_and_what_to_do() {
    let mut sim = Sim::new(10, Faults::NONE);
    let a = sim.add("Andi");
    let named = |length: u8| Address([&[0x36, length][..], &vec![b'a'; usize::from(length)], &[6, 0x0f, 0xa1]].concat());
    sim.input(a, Input::Addresses(vec![named(120)]));
    let (link, warning) = invite(&mut sim, false);
    assert!(warning.is_some_and(|text| text.contains("short enough for the link") && text.contains("symbolon relay add")), "{warning:?}");
    assert!(InviteLink::read(&link).unwrap().places.is_empty(), "no part of a place is any use");
    // One that fits is enough.
    sim.input(a, Input::Addresses(vec![named(120), named(20)]));
    let (link, warning) = invite(&mut sim, false);
    assert_eq!((warning, InviteLink::read(&link).unwrap().places.len()), (None, 1));
}

#[test]
fn an_invite_leads_to_where_its_maker_is_on_the_day_on_which_it_is_used() {
    let mut sim = Sim::new(5, Faults::NONE);
    sim.lookup.is_there = true;
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let (link, _) = invite(&mut sim, false);
    sim.run_for(2 * DAY);
    sim.move_house(a);
    sim.run_for(MINUTE);
    let id = sim.ask(b, &link).unwrap();
    assert_eq!(sim.status_of(b, id), RequestStatus::Pending, "found in the DHT, since nobody is at the old address");
    assert!(sim.run_until(HOUR, |sim| sim.pending(a).is_some()));
}

#[test]
fn an_invite_leads_to_somebody_on_the_same_network_with_no_server_at_all() {
    let mut sim = Sim::new(6, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let (link, warning) = invite(&mut sim, false);
    assert_eq!(warning, None);
    let begun = sim.now;
    sim.ask(b, &link.to_uppercase()).unwrap();
    assert!(sim.run_until(MINUTE, |sim| sim.pending(a).is_some()));
    assert!(sim.now.since(begun) < 1_000, "within a second: {}", sim.now.since(begun));
}

#[test]
fn a_newer_link_takes_the_place_of_one_that_waits_and_a_request_under_way_goes_on_until_it_can() {
    let mut sim = Sim::new(7, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let (first, second, third) = (sim.invite(a), sim.invite(a), sim.invite(a));
    let under_way = sim.ask(b, &first).unwrap();
    sim.run_for(MINUTE);
    assert_eq!(sim.status_of(b, under_way), RequestStatus::Pending);
    sim.set_apart(a, b, true);
    let waiting = sim.ask(b, &second).unwrap();
    let newest = sim.ask(b, &third).unwrap();
    let states = |sim: &mut Sim| [under_way, waiting, newest].map(|id| sim.status_of(b, id));
    assert_eq!(states(&mut sim), [RequestStatus::Pending, RequestStatus::Cancelled, RequestStatus::Unresolved]);
    sim.set_apart(a, b, false);
    assert!(sim.run_until(2 * HOUR, |sim| sim.status_of(b, newest) == RequestStatus::Pending));
    assert_eq!(states(&mut sim)[0], RequestStatus::Cancelled);
}

/// The row of an invite as builds wrote it whose links held everything.
#[derive(Encode, Decode)]
#[cbor(map)]
struct OldInvite {
    #[n(0)]
    grant: GrantId,
    #[n(1)]
    key: Secret,
    #[n(2)]
    expires: Timestamp,
    #[n(3)]
    last_resort: bool,
    #[n(4)]
    auto_accept: bool,
    #[n(5)]
    used: Option<RequestId>,
    #[n(6)]
    only_for: Option<PeerId>,
    #[n(7)]
    answered: Option<Vec<FrameId>>,
}

/// The fields of today's row that the older one has.
#[derive(Decode)]
#[cbor(map)]
struct Today {
    #[n(0)]
    grant: GrantId,
    #[n(1)]
    key: Secret,
    #[n(2)]
    expires: Timestamp,
}

#[test]
fn an_invite_of_an_older_build_ends_when_its_folder_is_opened() {
    let mut sim = Sim::new(8, Faults::NONE);
    let a = sim.add("Andi");
    let link = sim.invite(a);
    let to = sim.contact_of(&link);
    let (key, bytes) = sim.nodes[a].store.rows(Table::Invite).next().map(|(key, bytes)| (key.clone(), bytes.clone())).unwrap();
    let Today { grant, key: private, expires } = symbolon_tests::sim::rows::read(&bytes);
    let old =
        OldInvite { grant, key: private, expires, last_resort: false, auto_accept: false, used: None, only_for: None, answered: None };
    sim.crash(a, 1);
    sim.nodes[a].store.apply(&Change::Put(Table::Invite, key, codec::encode_row(&old))).unwrap();
    sim.nodes[a].store.commit();
    sim.run_for(MINUTE);
    let Ok(Reply::Invites(all)) = sim.command(a, Command::Invites) else { panic!() };
    assert!(all.is_empty() && sim.nodes[a].store.count(Table::Invite) == 0, "its key is erased");
    assert_eq!(sim.body_at(a, &link), None);
    // Who read the link by the build of before asks in vain.
    let mut mallory = Actor::new(7, sim.now);
    let offer = mallory.offer(sim.now);
    let frame = mallory.offer_frame(&to, Nonce([9; 16]), &offer);
    let wire = sim.rogue_link(a);
    assert!(matches!(outcomes(&sim.rogue_send(wire, frame)).as_slice(), [Outcome::Refused(_)]));
    assert!(sim.pending(a).is_none());
    // A new one is as good as any.
    let again = sim.invite(a);
    assert!(sim.body_at(a, &again).is_some());
}

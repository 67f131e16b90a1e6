//! Attacks on the bodies of invites: forged, swapped, old, withheld, and what others put in their place.

use super::invites::is_forged;
use symbolon_core::command::{Command, InviteState, Reply, RequestStatus};
use symbolon_core::contact::{ContactBody, ContactRecord, InviteMark};
use symbolon_core::link::InviteLink;
use symbolon_core::seam::{Input, Warning};
use symbolon_presence::codec;
use symbolon_presence::identity::Identity;
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::record::day_of;
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_relay::grant::Scope;
use symbolon_tests::craft::{Actor, invites};
use symbolon_tests::sim::run::{Ix, nowhere};
use symbolon_tests::sim::{Faults, Sim};

/// Andi's invite, whose body only a test shows around: by Andi's own node nobody gets it.
struct Hidden {
    sim: Sim,
    a: Ix,
    b: Ix,
    link: String,
    said: ContactBody,
    maker: Identity,
    secret: InviteSecret,
}

impl Hidden {
    fn new() -> Self {
        let mut sim = Sim::new(2, Faults::NONE);
        let (a, b) = (sim.add("Andi"), sim.add("Ben"));
        let link = sim.invite(a);
        let record = sim.body_at(a, &link).unwrap();
        let said = invites::said(&invites::open(&link, &record, sim.now).unwrap().1);
        sim.set_apart(a, b, true);
        let maker = super::devices::stored_identity(&sim, a);
        let secret = InviteLink::read(&link).unwrap().secret;
        Self { sim, a, b, link, said, maker, secret }
    }

    fn mark(&self) -> InviteMark {
        InviteMark { id: self.secret.id(), day: day_of(self.sim.now), number: self.sim.now.0 }
    }

    /// Shows a record in the place of the body.
    fn show(&mut self, record: &ContactRecord) {
        let (secret, day, number) = (self.secret.clone(), day_of(self.sim.now), self.sim.now.0);
        self.sim.plant(&secret, day, number, record);
    }

    fn is_forged(&mut self) -> bool {
        let (b, link) = (self.b, self.link.clone());
        is_forged(&mut self.sim, b, &link)
    }
}

#[test]
fn a112_a_body_that_is_forged_is_not_believed_and_the_true_one_is_waited_for() {
    let mut hidden = Hidden::new();
    let (said, mark, maker) = (hidden.said.clone(), hidden.mark(), hidden.maker.clone());
    let mallory = Actor::new(4, hidden.sim.now);
    // By somebody else; with another's chain; changed after it was signed; no record at all.
    let honest = invites::body(&maker, said.clone(), Some(mark));
    let foreign = invites::body(&mallory.identity, said.clone(), Some(mark));
    let mixed = ContactRecord { chain: maker.chain.clone(), ..foreign.clone() };
    let mut moved = said.clone();
    moved.contacts[0].entry.places = vec![nowhere()];
    let altered = ContactRecord { body: invites::body(&maker, moved, Some(mark)).body, ..honest.clone() };
    for (what, record) in [("foreign", foreign), ("mixed", mixed), ("altered", altered)] {
        hidden.show(&record);
        assert!(hidden.is_forged(), "{what}");
    }
    // Asked while the forged one lies there; then the true one is found.
    let (b, link) = (hidden.b, hidden.link.clone());
    let id = hidden.sim.ask(b, &link).unwrap();
    hidden.show(&honest);
    assert!(hidden.sim.run_until(HOUR, |sim| sim.status_of(b, id) == RequestStatus::Pending));
    assert_eq!(hidden.sim.request(b, id).fault, None);
    hidden.sim.set_apart(hidden.a, b, false);
    assert!(hidden.sim.run_until(HOUR, |sim| sim.pending(0).is_some()));
}

#[test]
fn a112_the_body_of_another_invite_of_the_same_person_is_not_believed() {
    let mut hidden = Hidden::new();
    let other = InviteMark { id: InviteSecret::from_bytes([9; 16]).id(), ..hidden.mark() };
    let swapped = invites::body(&hidden.maker, hidden.said.clone(), Some(other));
    hidden.show(&swapped);
    assert!(hidden.is_forged());
    // Nor what the person publishes or gives to one who is introduced, which names no invite.
    let published = invites::body(&hidden.maker, hidden.said.clone(), None);
    hidden.show(&published);
    assert!(hidden.is_forged());
    // The other way round: the body of an invite is nothing that may be published.
    let body = invites::body(&hidden.maker, hidden.said.clone(), Some(hidden.mark()));
    assert!(published.verify(hidden.sim.now).is_ok() && body.verify(hidden.sim.now).is_err());
}

#[test]
fn a112_the_body_of_yesterday_is_not_believed_today() {
    let mut hidden = Hidden::new();
    let yesterday = InviteMark { day: day_of(hidden.sim.now) - 1, ..hidden.mark() };
    let old = invites::body(&hidden.maker, hidden.said.clone(), Some(yesterday));
    hidden.show(&old);
    assert!(hidden.is_forged());
}

#[test]
fn a112_of_two_bodies_the_one_with_the_higher_number_is_used_whichever_comes_first() {
    for newer_first in [false, true] {
        let mut hidden = Hidden::new();
        let mark = hidden.mark();
        let older = ContactBody { name: "Older".into(), ..hidden.said.clone() };
        let record = invites::body(&hidden.maker, older, Some(InviteMark { number: mark.number - 5, ..mark }));
        let newer = invites::body(&hidden.maker, hidden.said.clone(), Some(mark));
        let (b, now, link) = (hidden.b, hidden.sim.now, hidden.link.clone());
        let asked = hidden.sim.command(b, Command::Add { target: link, note: None });
        let Ok(Reply::Request(asked)) = asked else { panic!("the link is good") };
        hidden.sim.run_for(10);
        let slot = hidden.secret.slot(mark.day);
        let mut rng = Actor::new(1, now).rng;
        let mut lying = [record, newer].map(|record| slot.seal(now, &codec::encode(&record), &mut rng).unwrap());
        if newer_first {
            lying.reverse();
        }
        for bytes in lying {
            hidden.sim.input(b, Input::Found(slot.id().unwrap(), bytes));
        }
        hidden.sim.run_for(1_000);
        let view = hidden.sim.request(b, asked.request);
        assert_eq!((view.status, view.name.as_str()), (RequestStatus::Pending, "Andi"), "newer first: {newer_first}");
    }
}

#[test]
fn a112_a_body_that_names_anothers_device_or_mailbox_or_too_much_is_not_believed() {
    let mut sim = Sim::new(2, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let link = sim.invite(a);
    let andi = sim.contact_of(&link);
    let mut mallory = Actor::new(4, sim.now);
    let expires = sim.now.after(DAY);
    let own = mallory.contact(Scope::Contact, expires);
    let mut foreign = andi.contacts[0].1.clone();
    foreign.chain = Some(andi.chain.clone());
    let mut entry = own.clone();
    entry.entry.receipt = foreign.entry.receipt;
    let bad = [
        ("M".to_owned(), vec![own.clone(), foreign]),
        ("M".to_owned(), vec![entry]),
        ("M".to_owned(), vec![]),
        ("M".repeat(65), vec![own.clone()]),
    ];
    for (number, (name, contacts)) in bad.into_iter().enumerate() {
        let link = mallory.invite_with(&mut sim, &name, expires, contacts);
        assert!(is_forged(&mut sim, b, &link), "body {number}");
    }
    let link = mallory.invite_with(&mut sim, "M", expires, vec![own]);
    let id = sim.ask(b, &link).unwrap();
    assert_eq!(sim.status_of(b, id), RequestStatus::Pending);
}

#[test]
fn a112_a_withheld_body_is_waited_for_over_a_restart_until_the_invite_expires() {
    let mut hidden = Hidden::new();
    let (b, link) = (hidden.b, hidden.link.clone());
    let id = hidden.sim.ask(b, &link).unwrap();
    assert_eq!(hidden.sim.ask(b, &link.to_uppercase()), Ok(id), "the same link again is the same request");
    hidden.sim.run_for(MINUTE);
    hidden.sim.restart(b);
    let view = hidden.sim.request(b, id);
    assert_eq!((view.status, view.peer), (RequestStatus::Unresolved, hidden.sim.nodes[hidden.a].peer));
    assert!(view.fault.is_some_and(|fault| fault.contains("tried again") && fault.contains("ask for a new one")), "{:?}", view.fault);
    hidden.sim.run_for(DAY + 2 * HOUR);
    let view = hidden.sim.request(b, id);
    assert_eq!((view.status, view.fault), (RequestStatus::Expired, Some("the invite has expired")));
    // And without a restart's help: it continues when its maker is reached.
    let mut hidden = Hidden::new();
    let id = hidden.sim.ask(b, &hidden.link.clone()).unwrap();
    hidden.sim.run_for(HOUR);
    hidden.sim.set_apart(hidden.a, b, false);
    assert!(hidden.sim.run_until(2 * HOUR, |sim| sim.status_of(b, id) == RequestStatus::Pending));
}

#[test]
fn a112_a_body_is_given_to_anyone_who_names_its_id_while_the_invite_is_open_and_then_to_nobody() {
    let mut sim = Sim::new(2, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let (used, revoked, short) = (sim.invite(a), sim.invite(a), sim.invite_for(a, HOUR));
    for link in [&used, &revoked, &short] {
        assert!(sim.body_at(a, link).is_some());
    }
    sim.ask(b, &used).unwrap();
    sim.run_for(MINUTE);
    assert!(sim.pending(a).is_some());
    let Ok(Reply::Invites(all)) = sim.command(a, Command::Invites) else { panic!() };
    let open: Vec<String> = all.iter().filter(|row| row.state == InviteState::Open).map(|row| row.invite.to_string()).collect();
    assert_eq!(open.len(), 2);
    // Those that end first come first.
    sim.command(a, Command::InviteRevoke(open[1].clone())).ok().unwrap();
    assert_eq!([&used, &revoked].map(|link| sim.body_at(a, link)), [None, None], "used, or taken back");
    assert!(sim.body_at(a, &short).is_some());
    sim.run_for(7 * HOUR);
    assert_eq!(sim.body_at(a, &short), None, "expired");
    // After a start the open ones are there again.
    let link = sim.invite(a);
    sim.restart(a);
    sim.run_for(MINUTE);
    assert!(sim.body_at(a, &link).is_some());
}

#[test]
fn a112_what_somebody_else_puts_in_the_place_of_a_body_is_seen_by_its_maker() {
    let mut sim = Sim::new(3, Faults::NONE);
    sim.lookup.is_there = true;
    let a = sim.add("Andi");
    let link = sim.invite(a);
    let state = |sim: &mut Sim| {
        let Ok(Reply::Invites(all)) = sim.command(a, Command::Invites) else { panic!() };
        all[0].state
    };
    sim.run_for(HOUR);
    assert_eq!(state(&mut sim), InviteState::Open, "its own lies there");
    let secret = InviteLink::read(&link).unwrap().secret;
    let spoilt = |sim: &mut Sim, number| {
        let record = Actor::new(9, sim.now).record("M", sim.now.after(DAY), Vec::new());
        sim.plant(&secret, day_of(sim.now), number, &record);
    };
    // An older record is a server's that is late.
    spoilt(&mut sim, 1);
    sim.restart(a);
    sim.run_for(HOUR);
    assert_eq!(state(&mut sim), InviteState::Open);
    assert_eq!(sim.warnings(a, Warning::InviteSpoiled), 0);
    let later = sim.now.0 + DAY;
    spoilt(&mut sim, later);
    sim.restart(a);
    sim.run_for(HOUR);
    assert_eq!(state(&mut sim), InviteState::Spoiled);
    sim.restart(a);
    assert_eq!(state(&mut sim), InviteState::Spoiled, "it is remembered");
    sim.run_for(HOUR);
    assert_eq!(sim.warnings(a, Warning::InviteSpoiled), 1, "the user hears of it once, at once, over restarts");
    sim.lookup.planted.clear();
    sim.restart(a);
    sim.run_for(HOUR);
    assert_eq!(state(&mut sim), InviteState::Open, "it has its place again");
}

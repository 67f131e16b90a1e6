//! Attacks on invites: links used twice, late, altered, or with keys that must not be used.

use super::Scene;
use symbolon_core::command::{Command, CommandError, RequestStatus};
use symbolon_core::limits::{LINK_MAX, OLD_LINK_MAX};
use symbolon_core::seam::Warning;
use symbolon_core::table::Table;
use symbolon_core::wire::{Contact, First, OfferBody, Statement, Step};
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, Digest, Nonce, SignatureBytes, base32};
use symbolon_presence::identity::Chain;
use symbolon_presence::kdf::hash;
use symbolon_presence::kem::Psk;
use symbolon_presence::labels::HASH_LINK;
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_relay::grant::Scope;
use symbolon_tests::craft::invites::psk_of;
use symbolon_tests::craft::{self, Actor, certify, put, weak_kem, weak_key};
use symbolon_tests::sim::run::Ix;
use symbolon_tests::sim::{Faults, Sim};

#[test]
fn a17_an_offer_with_a_weak_key_anywhere_is_refused() {
    for index in 0..3 {
        let mut scene = Scene::new(1);
        let honest = scene.mallory.identity.clone();
        let body = scene.mallory.offer(scene.sim.now);
        let weak = weak_key(index);
        let chains = [
            ("root", Chain { root: weak, ..honest.chain.clone() }),
            ("signing key", certify(&honest, |body| body.signing = weak)),
            ("agreement key", certify(&honest, |body| body.dh = weak)),
        ];
        for (what, chain) in chains {
            scene.mallory.identity.chain = chain;
            let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
            scene.refused(frame, what);
        }
        scene.mallory.identity = honest;
        let reply = body.replies[0].clone();
        let mut receipt = reply.clone();
        receipt.entry.receipt = weak;
        for (what, reply) in
            [("reply package", Contact { package: weak_kem(&reply.package, weak), ..reply.clone() }), ("receipt key", receipt)]
        {
            let body = OfferBody { replies: vec![reply], ..body.clone() };
            let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
            scene.refused(frame, what);
        }
        let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
        scene.taken(frame);
    }
}

#[test]
fn a17_an_invite_with_a_weak_key_anywhere_is_not_believed() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    for index in 0..3 {
        let mut mallory = Actor::new(5, sim.now);
        let (honest, weak) = (mallory.identity.clone(), weak_key(index));
        let expires = sim.now.after(DAY);
        let contact = mallory.contact(Scope::Contact, expires);
        let mut receipt = contact.clone();
        receipt.entry.receipt = weak;
        let mut links = vec![
            mallory.invite_with(&mut sim, "M", expires, vec![Contact { package: weak_kem(&contact.package, weak), ..contact.clone() }]),
            mallory.invite_with(&mut sim, "M", expires, vec![receipt]),
        ];
        for chain in
            [Chain { root: weak, ..honest.chain.clone() }, certify(&honest, |b| b.signing = weak), certify(&honest, |b| b.dh = weak)]
        {
            mallory.identity.chain = chain;
            links.push(mallory.invite_with(&mut sim, "M", expires, vec![contact.clone()]));
        }
        for (place, link) in links.into_iter().enumerate() {
            assert!(is_forged(&mut sim, a, &link), "link {place}");
        }
    }
}

/// Whether what is found in the place of an invite's body is said not to be its maker's. The request is taken back again.
pub fn is_forged(sim: &mut Sim, ix: Ix, link: &str) -> bool {
    let id = sim.ask(ix, link).unwrap();
    let view = sim.request(ix, id);
    assert!(sim.command(ix, Command::Cancel(id)).is_ok(), "it waits");
    assert_eq!(sim.nodes[ix].store.count(Table::Outbox), 0, "nothing is sent to anybody");
    view.status == RequestStatus::Unresolved && view.fault.is_some_and(|fault| fault.contains("not its maker's"))
}

#[test]
fn a18_r9_an_invite_used_twice_warns_its_owner_and_gives_the_second_user_an_error() {
    let mut sim = Sim::new(2, Faults::NONE);
    let (a, b, c) = (sim.add("Andi"), sim.add("Ben"), sim.add("Carl"));
    let link = sim.invite(a);
    sim.ask(b, &link).unwrap();
    sim.run_for(MINUTE);
    let id = sim.pending(a).unwrap();
    sim.accept(a, id).unwrap();
    sim.run_for(MINUTE);
    assert!(sim.are_friends(a, b));
    assert_eq!(sim.warnings(a, Warning::InviteReused), 0);

    let second = sim.ask(c, &link).unwrap();
    sim.run_for(MINUTE);
    assert!(sim.warnings(a, Warning::InviteReused) > 0, "the owner sees it");
    let view = sim.request(c, second);
    assert_eq!(view.status, RequestStatus::Unresolved);
    assert!(view.fault.is_some_and(|fault| fault.contains("used") && fault.contains("Ask for a new one")), "{:?}", view.fault);
    assert_eq!(sim.requests(a).len(), 1);
    assert!(sim.friends(c).is_empty());
    assert!(sim.are_friends(a, b), "the first user is unaffected");
}

#[test]
fn a18_an_invite_used_by_two_before_either_is_answered_keeps_to_the_first() {
    let mut ends = Vec::new();
    for seed in 0..12 {
        let mut sim = Sim::new(seed, Faults::NONE);
        let (a, b, c) = (sim.add("Andi"), sim.add("Ben"), sim.add("Carl"));
        let link = sim.invite(a);
        let asked = [(b, sim.ask(b, &link).unwrap()), (c, sim.ask(c, &link).unwrap())];
        sim.run_for(MINUTE);
        let found = asked.map(|(ix, request)| sim.request(ix, request));
        let (first, second): (Vec<_>, Vec<_>) = found.into_iter().partition(|view| view.status == RequestStatus::Pending);
        assert_eq!((first.len(), second.len()), (1, 1), "seed {seed}");
        // Refused, or too late already to find the body.
        let is_gone = second[0].status == RequestStatus::Unresolved && second[0].fault.is_some_and(|fault| fault.contains("used"));
        assert!(second[0].status == RequestStatus::Expired || is_gone, "seed {seed}: {:?} {:?}", second[0].status, second[0].fault);
        assert_eq!(sim.requests(a).len(), 1);
        assert!(sim.warnings(a, Warning::InviteReused) > 0);
        ends.push(second[0].status);
    }
    assert!(ends.contains(&RequestStatus::Expired) && ends.contains(&RequestStatus::Unresolved), "both ways: {ends:?}");
}

#[test]
fn a18_an_expired_invite_is_refused_and_both_sides_see_it() {
    // The user's clock is right: the link itself says that it is too old.
    let mut sim = Sim::new(2, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let link = sim.invite_for(a, HOUR);
    sim.run_for(HOUR + 11 * MINUTE);
    assert_eq!(sim.ask(b, &link), Err(CommandError::LinkExpired));

    // It expires while the Offer is under way.
    let link = sim.invite_for(a, HOUR);
    sim.spread(&link);
    sim.set_apart(a, b, true);
    let asked = sim.ask(b, &link).unwrap();
    sim.run_for(2 * HOUR);
    sim.set_apart(a, b, false);
    sim.run_for(HOUR);
    let view = sim.request(b, asked);
    assert_eq!((view.status, view.fault), (RequestStatus::Expired, Some("the invite has expired")));
    assert!(sim.warnings(a, Warning::InviteExpired) > 0, "the owner sees it");
    assert!(sim.requests(a).is_empty());
    // Asking again by a fresh link works.
    let link = sim.invite(a);
    sim.ask(b, &link).unwrap();
    sim.run_for(MINUTE);
    assert!(sim.pending(a).is_some());
}

#[test]
fn a18_the_private_key_and_the_uses_of_an_invite_are_erased_when_nobody_can_use_it() {
    let mut sim = Sim::new(2, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let link = sim.invite_for(a, HOUR);
    sim.ask(b, &link).unwrap();
    sim.run_for(MINUTE);
    use symbolon_core::table::Table;
    assert_eq!([sim.nodes[a].store.count(Table::Invite), sim.nodes[a].store.count(Table::GrantUse)], [1, 1]);
    sim.run_for(3 * DAY);
    assert_eq!([sim.nodes[a].store.count(Table::Invite), sim.nodes[a].store.count(Table::GrantUse)], [0, 0]);
}

#[test]
fn an_invite_with_any_character_altered_is_a_bad_link() {
    let mut sim = Sim::new(2, Faults::NONE);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    let link = sim.invite(a);
    assert!(link.len() <= LINK_MAX);
    let before = sim.rows(b);
    for at in "symbolon:".len()..link.len() {
        let mut bytes = link.clone().into_bytes();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        let altered = String::from_utf8(bytes).unwrap();
        if altered != link {
            assert_eq!(sim.ask(b, &altered), Err(CommandError::BadLink), "character {at}");
        }
    }
    for bad in ["symbolon:", "symbolon:a", &"symbolon:".repeat(3), &format!("symbolon:{}", "a".repeat(OLD_LINK_MAX))] {
        assert_eq!(sim.ask(b, bad), Err(CommandError::BadLink));
    }
    assert!(sim.rows(b) == before);
}

#[test]
fn a_link_of_an_older_build_is_refused_as_such() {
    let mut sim = Sim::new(2, Faults::NONE);
    let b = sim.add("Ben");
    let before = sim.rows(b);
    // A contact record and its check, as links were before.
    let record = codec::encode(&Actor::new(7, sim.now).record("Old", sim.now.after(DAY), Vec::new()));
    let check = hash(HASH_LINK, &[&record]).0;
    let link = format!("symbolon:{}", base32().encode(&[record.as_slice(), &check[..4]].concat()));
    assert_eq!(sim.ask(b, &link), Err(CommandError::OldLink));
    assert_eq!(sim.ask(b, &link.replace("symbolon:a", "symbolon:b")), Err(CommandError::BadLink));
    assert!(sim.rows(b) == before);
}

#[test]
fn the_own_invite_and_the_own_peer_id_are_refused() {
    let mut sim = Sim::new(2, Faults::NONE);
    let a = sim.add("Andi");
    let link = sim.invite(a);
    assert_eq!(sim.ask(a, &link), Err(CommandError::OwnIdentity));
    let own = sim.nodes[a].peer.to_string();
    assert_eq!(sim.ask(a, &own), Err(CommandError::OwnIdentity));
    for text in ["", "ben", "aaaaaaaa", "symbolon", "symbolon aaaa"] {
        assert_eq!(sim.ask(a, text), Err(CommandError::BadTarget), "{text}");
    }
}

#[test]
fn a18_an_offer_by_somebody_who_has_seen_the_body_and_not_the_link_is_not_opened() {
    let mut scene = Scene::new(1);
    let other = scene.sim.invite(scene.node);
    let other = scene.sim.contact_of(&other);
    let (device, contact) = scene.to.contacts[0].clone();
    let body = scene.mallory.offer(scene.sim.now);
    let statement = craft::statement(Step::Offer, &device, &contact, Digest([0; 32]), codec::encode(&body));
    let first = codec::encode(&First::sign(&scene.mallory.identity, &statement));
    let of_another_invite = psk_of(&other.contacts[0].1.package).unwrap();
    let right = psk_of(&contact.package).unwrap();
    let of_another_name = Psk { id: [7; 16], ..right.clone() };
    for (what, psk) in [("no secret", None), ("that of another invite", Some(&of_another_invite)), ("another name", Some(&of_another_name))]
    {
        let before = scene.sim.dropped(scene.node, "unopenable");
        let envelope = scene.mallory.seal_behind(&contact, psk, &first);
        scene.refused(put(&contact, Some(scene.usage), envelope), what);
        assert_eq!(scene.sim.dropped(scene.node, "unopenable"), before + 1, "{what}");
    }
    let envelope = scene.mallory.seal_behind(&contact, Some(&right), &first);
    scene.taken(put(&contact, Some(scene.usage), envelope));
}

#[test]
fn a112_only_an_offer_that_opens_and_verifies_spends_the_use_of_an_invite() {
    let mut scene = Scene::new(1);
    let uses = |scene: &Scene| scene.sim.nodes[scene.node].store.count(Table::GrantUse);
    let (device, contact) = scene.to.contacts[0].clone();
    let body = codec::encode(&scene.mallory.offer(scene.sim.now));
    let statement = craft::statement(Step::Offer, &device, &contact, Digest([0; 32]), body);
    let first = First::sign(&scene.mallory.identity, &statement);
    let forged = First { signature: SignatureBytes([7; 64]), ..first.clone() };
    let misled = First::sign(&scene.mallory.identity, &Statement { device: DeviceId([7; 16]), ..statement });
    let sealed = [codec::encode(&forged), codec::encode(&misled), vec![1; 100]];
    let junk = [vec![1, 4], vec![7; 2_046]].concat();
    let spoiled = sealed.map(|payload| scene.mallory.seal_payload(&contact, &payload)).into_iter().chain([junk]);
    // Each says that it is another use.
    for (number, envelope) in (1..).zip(spoiled) {
        scene.refused(put(&contact, Some(Nonce([number; 16])), envelope), "it is no Offer");
        assert_eq!(uses(&scene), 0, "{number}");
    }
    let offer = scene.mallory.seal_payload(&contact, &codec::encode(&first));
    scene.taken(put(&contact, Some(Nonce([99; 16])), offer));
    assert_eq!(uses(&scene), 1);
}

//! Large rooms with whole nodes: commits that are longer than an envelope, a hundred members, and what a text costs there.

use super::*;
use symbolon_core::forged_commits::{Forger, Forgery};
use symbolon_core::order::Act;
use symbolon_core::wire::{Capabilities, CommitInfo, PIECE_LEN, RelayMailbox, Seat, Ways};
use symbolon_core::world::{Lifetime, PackageKind, Proposals};
use symbolon_presence::address::Address;
use symbolon_presence::id::{MailboxId, PublicKeyBytes};
use symbolon_presence::time::Timestamp;
use symbolon_relay::grant::Scope;
use symbolon_relay::put::MailboxEntry;
use symbolon_tests::craft::Actor;

/// Somebody without a node: the KeyPackage by which they come in, and a seat that is as long as one may be.
fn nobody(number: u64, now: Timestamp) -> (Act, Vec<u8>, Seat) {
    let mut actor = Actor::new(number, now);
    let me = actor.identity.clone();
    let (leaf, credential, mut owner) = actor.leaf(&me);
    owner.chain = Some(me.chain.clone());
    let lifetime = Lifetime { not_before: now, not_after: now.after(60 * DAY) };
    let package = actor.cipher.key_package(leaf, &credential, lifetime, &PackageKind::default()).unwrap();
    let (entry, key) = actor.entry(Scope::Guest);
    let long = MailboxEntry { places: vec![Address(vec![7; Address::MAX_LEN]); 8], ..entry.clone() };
    let own = RelayMailbox { entry: MailboxEntry { places: Vec::new(), ..entry }, key: key.clone() };
    let relay = |n: u8| RelayMailbox { entry: MailboxEntry { mailbox: MailboxId([n; 32]), ..long.clone() }, key: key.clone() };
    let ways = Ways {
        name: String::new(),
        own,
        relay_mailboxes: (1..=3).map(relay).collect(),
        seed: actor.seed.clone(),
        capabilities: Capabilities::OURS,
    };
    let act = Act::Add { leaf: PublicKeyBytes(leaf.0), user: me.peer(), device: me.device };
    (act, package, Seat { owner, ways })
}

#[test]
fn a_commit_that_is_longer_than_an_envelope_is_given_by_others_when_its_maker_is_gone() {
    let mut sim = crew(60, &["Ana", "Ben", "Cem", "Dea"]);
    room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Ben"), role: RoomRole::Admin }));
    sim.run_for(MINUTE);
    let came: Vec<(Act, Vec<u8>, Seat)> = (0..66).map(|number| nobody(7_000 + number, sim.now)).collect();
    let (now, id) = (sim.now, rooms(&mut sim, BEN)[0].room);
    let to = [ANA, CEM].map(|ix| sim.nodes[ix].peer);
    let make = |forger: &mut Forger<'_>| {
        let state = forger.after(came.iter().map(|(act, ..)| act.clone()).collect()).map(|roster| roster.hash());
        let said = forger.seal(&CommitInfo { seats: came.iter().map(|(.., seat)| seat.clone()).collect(), changes: Vec::new() });
        assert!(said.len() > PIECE_LEN, "the commit fits an envelope");
        Forgery { proposals: Proposals { add: came.iter().map(|(_, add, _)| add.clone()).collect(), state, ..Proposals::default() }, said }
    };
    sim.nodes[BEN].with_core(|core, world| core.forge_commit(now, id, &to, make, world)).unwrap();
    rooms(&mut sim, BEN);
    sim.run_for(2 * SECOND);
    assert_eq!(rooms(&mut sim, CEM)[0].members, 70);
    assert_eq!(rooms(&mut sim, DEA)[0].members, 4);
    // Its maker is gone for good; Dea hears somebody who has it.
    sim.stop(BEN, 100 * DAY);
    say(&mut sim, CEM, "The crew", "so many of us");
    let is_in = (0..40).any(|_| {
        sim.run_for(SECOND);
        rooms(&mut sim, DEA)[0].members == 70
    });
    assert!(is_in);
    sim.run_for(5 * SECOND);
    assert_eq!(texts(&mut sim, DEA, "The crew"), ["so many of us"]);
    assert_agree(&mut sim, &[ANA, CEM, DEA], "The crew");
}

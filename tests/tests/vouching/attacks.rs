//! Hubs, newcomers and members who do not keep to the protocol. The numbers are those of the list of attacks.

use super::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::sync::atomic::{AtomicU16, Ordering};
use symbolon_core::cards::CardLink;
use symbolon_core::forged_commits::{Forger, Forgery};
use symbolon_core::order::Act;
use symbolon_core::packages_at_hand::FetchedPackage;
use symbolon_core::wire::{CardBody, CardRecord, CommitInfo, KnockBody, KnockSecret, Knocks, RoomChange, VerifiedCard, Vouch};
use symbolon_core::world::Proposals;
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, Digest, EpochId, Nonce, PeerId, SignatureBytes};
use symbolon_presence::identity::{Chain, Identity};
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::KemKey;
use symbolon_presence::record::{Record, day_of};
use symbolon_relay::knock::{Answer, KNOCK_LEN, Knock, Respond, Say};
use symbolon_tests::sim::relays::RELAYS;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// The body of a card as it lies at a relay, signed.
fn record_of(sim: &mut Sim, relay: Ix, card: &str) -> CardRecord {
    let (now, CardLink(link)) = (sim.now, CardLink::find(card).unwrap());
    let slot = link.secret.slot(day_of(now));
    let record = sim.relay(relay).record(&slot.id().unwrap()).expect("the body lies there").clone();
    CardRecord::decode(&slot.open(&Record::read(&record, now).unwrap()).unwrap()).unwrap()
}

/// The same, checked.
pub fn body_of(sim: &mut Sim, relay: Ix, card: &str) -> VerifiedCard {
    let (now, CardLink(link)) = (sim.now, CardLink::find(card).unwrap());
    record_of(sim, relay, card).verify(now, &link.secret.id(), day_of(now), &link.peer).unwrap()
}

/// The certificate of the device that has signed it.
pub fn chain_of(sim: &mut Sim, relay: Ix, card: &str) -> Chain {
    record_of(sim, relay, card).chain
}

/// A knock of somebody who is no node.
fn crafted(by: &Identity, card: &VerifiedCard, nonce: u8) -> Knock {
    let nonce = Nonce([nonce; 16]);
    let sealed = KnockBody::seal(by, card, &nonce, &KemKey::from_bytes([nonce.0[0]; 32]), &mut rng(7)).unwrap();
    Knock { alias: card.body.alias, nonce, sealed }
}

fn stranger(sim: &Sim, seed: u64) -> Identity {
    Identity::generate(&mut rng(seed), sim.now, 365 * DAY)
}

#[test]
fn a44_a_hub_and_its_relay_see_no_id_no_name_and_no_key_of_anybody() {
    let (mut sim, hub) = scene(21);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    knock(&mut sim, EVA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 5 * MINUTE));
    sim.run_for(5 * MINUTE);
    let ids: Vec<Vec<u8>> = (ANA..=EVA).map(|ix| sim.nodes[ix].peer.as_bytes().to_vec()).collect();
    let names = ["Ana", "Ben", "Dea", "Eva", ROOM].map(|name| name.as_bytes().to_vec());
    let seen = sim.hub(hub).seen.clone();
    assert!(seen.len() > 20, "{}", seen.len());
    let relay: Vec<Vec<u8>> = sim.relay(hub).bytes().map(<[u8]>::to_vec).collect();
    for word in ids.iter().chain(&names) {
        assert!(!seen.iter().any(|bytes| bytes.windows(word.len()).any(|window| window == word)), "at the hub: {word:?}");
        let is_id = word.len() == 32;
        assert!(!is_id || !relay.iter().any(|bytes| bytes.windows(word.len()).any(|window| window == word)), "at the relay");
    }
}

#[test]
fn a50_a_knock_in_anothers_name_lists_nobody_and_admits_nobody() {
    let (mut sim, hub) = scene(22);
    let link = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    let card = body_of(&mut sim, hub, &link);
    let thief = stranger(&sim, 1);
    // Signed by the thief for another number, and with what nobody can open.
    let mut moved = crafted(&thief, &card, 1);
    moved.nonce = Nonce([2; 16]);
    let junk = Knock { alias: card.body.alias, nonce: Nonce([3; 16]), sealed: vec![5; KNOCK_LEN] };
    for knock in [moved, junk] {
        sim.ask_as_stranger(hub, 9, &Ask::Knock(knock));
    }
    sim.run_for(5 * MINUTE);
    for ix in [ANA, BEN, CEM] {
        assert!(knocks(&mut sim, ix, Direction::In).is_empty());
    }
    // Each of them was answered by each member as any other knock.
    let says = sim.hub(hub).seen.iter().filter(|bytes| matches!(Ask::decode(bytes), Ok(Ask::Say(_)))).count();
    assert_eq!(says, 2 * 3);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM]), [3; 3]);
}

#[test]
fn a55_a_hub_that_repeats_and_swaps_what_passes_brings_nobody_in_twice_and_no_stranger() {
    let (mut sim, hub) = scene(23);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    // Each question is asked three times; words and answers of others are put in the place of some.
    sim.hub(hub).meddle = Some(|ask| vec![ask.clone(), ask.clone(), ask]);
    knock(&mut sim, EVA, &card);
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 10 * MINUTE), "{:?}", status(&mut sim, DEA));
    sim.run_for(10 * MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA, EVA]), [4, 4, 4, 4, 0]);
}

#[test]
fn a55_a_hub_that_changes_what_is_sealed_or_says_nothing_brings_nobody_in() {
    let swap: fn(Ask) -> Vec<Ask> = |ask| match ask {
        Ask::Say(say) => vec![Ask::Say(Say { sealed: vec![1; KNOCK_LEN], ..say })],
        Ask::Respond(respond) => vec![Ask::Respond(Respond { sealed: vec![1; respond.sealed.len()], ..respond })],
        other @ (Ask::Knock(_) | Ask::Await(_) | Ask::Listen(_)) => vec![other],
    };
    let mute: fn(Ask) -> Vec<Ask> = |ask| if matches!(ask, Ask::Knock(_)) { Vec::new() } else { vec![ask] };
    for (seed, meddle) in [(24, swap), (25, mute)] {
        let (mut sim, hub) = scene(seed);
        let card = card(&mut sim, ANA);
        sim.run_for(MINUTE);
        sim.hub(hub).meddle = Some(meddle);
        knock(&mut sim, DEA, &card);
        sim.run_for(30 * MINUTE);
        assert_ne!(status(&mut sim, DEA), RequestStatus::Confirmed);
        assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [3, 3, 3, 0]);
        // Once it is honest again, who was turned away knocks once more and is in.
        sim.hub(hub).meddle = None;
        knock(&mut sim, DEA, &card);
        assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, HOUR), "{seed}: {:?}", status(&mut sim, DEA));
    }
}

#[test]
fn a55_a_hub_that_invents_words_and_knocks_is_believed_in_nothing() {
    static INVENTED: AtomicU16 = AtomicU16::new(0);
    let (mut sim, hub) = scene(26);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    sim.hub(hub).distort = Some(|answer| match answer {
        Answer::Nothing => Answer::Said(INVENTED.fetch_add(1, Ordering::Relaxed), vec![7; KNOCK_LEN]),
        Answer::Closed => Answer::Knocks(Nonce([7; 16]), vec![7; KNOCK_LEN]),
        other @ (Answer::Ack | Answer::Refused(_) | Answer::Knocks(..) | Answer::Responds(..) | Answer::Said(..)) => other,
    });
    knock(&mut sim, EVA, &card);
    sim.run_for(10 * MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, EVA]), [3, 3, 3, 0]);
    sim.hub(hub).distort = None;
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, HOUR), "{:?}", status(&mut sim, DEA));
}

#[test]
fn a56_what_a_member_says_leaves_at_the_same_time_and_with_the_same_length_whatever_it_is() {
    let (mut sim, hub) = scene(27);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    for ix in [DEA, EVA] {
        sim.hub(hub).turns.clear();
        knock(&mut sim, ix, &card);
        sim.run_for(2 * MINUTE);
        let turns = sim.hub(hub).turns.clone();
        let given: Vec<_> = turns.iter().filter(|(_, is_given)| *is_given).map(|(at, _)| *at).collect();
        let told: Vec<_> = turns.iter().filter(|(_, is_given)| !*is_given).map(|(at, _)| *at).collect();
        assert!(!told.is_empty() && given.len() == told.len());
        for (given, told) in given.iter().zip(&told) {
            let pause = told.since(*given);
            assert!((8 * SECOND..9 * SECOND).contains(&pause), "{ix}: {pause}");
        }
    }
    let lengths: std::collections::BTreeSet<usize> =
        sim.hub(hub).seen.iter().filter(|bytes| matches!(Ask::decode(bytes), Ok(Ask::Say(_)))).map(Vec::len).collect();
    assert_eq!(lengths.len(), 1);
}

/// Dea, whom two members know, has knocked and answered one of them. Answers who that is, and the other one.
fn answered(seed: u64) -> (Sim, Ix, [Ix; 2]) {
    let (mut sim, hub) = scene(seed);
    sim.befriend(CEM, DEA);
    sim.run_for(HOUR);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Accepted, 3 * MINUTE));
    let voucher = knocks(&mut sim, DEA, Direction::Out)[0].peer;
    let two = if sim.nodes[BEN].peer == voucher { [BEN, CEM] } else { [CEM, BEN] };
    (sim, hub, two)
}

#[test]
fn a58_a_voucher_who_dies_half_way_makes_place_for_the_next_by_the_same_knock() {
    let (mut sim, hub, [dead, next]) = answered(28);
    // The one who was asked dies before the answer is there.
    sim.crash(dead, 3 * HOUR);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 30 * MINUTE), "{:?}", status(&mut sim, DEA));
    assert_eq!(knocks(&mut sim, DEA, Direction::Out)[0].peer, sim.nodes[next].peer, "the other one has vouched");
    let sealed: std::collections::BTreeSet<Vec<u8>> = sim
        .hub(hub)
        .seen
        .iter()
        .filter_map(|bytes| if let Ok(Ask::Knock(knock)) = Ask::decode(bytes) { Some(knock.sealed) } else { None })
        .collect();
    assert_eq!(sealed.len(), 1, "by the same knock");
    sim.run_for(4 * HOUR);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [4; 4]);
}

#[test]
fn a59_two_vouchers_whose_commits_cross_bring_one_newcomer_in_once() {
    // Now the one, now the other commit stands.
    let mut first_stands = std::collections::BTreeSet::new();
    for seed in [100, 101, 103, 113] {
        let (mut sim, _, [cut, other]) = answered(seed);
        // The first one adds her, and nobody hears of it, on no way, before the other one has done so.
        sim.crash(ANA, 10 * MINUTE);
        let apart = |sim: &mut Sim, is_apart: bool| {
            for ix in [other, DEA] {
                sim.set_apart(cut, ix, is_apart);
                sim.set_gone(RELAYS + ix, is_apart);
            }
        };
        apart(&mut sim, true);
        sim.run_for(9 * MINUTE);
        assert_eq!(counts(&mut sim, &[BEN, CEM, DEA]), [4; 3], "seed {seed}: both have added her");
        assert_eq!(knocks(&mut sim, DEA, Direction::Out)[0].peer, sim.nodes[other].peer);
        apart(&mut sim, false);
        sim.run_for(2 * HOUR);
        assert_eq!(status(&mut sim, DEA), RequestStatus::Confirmed);
        assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [4; 4], "seed {seed}");
        say(&mut sim, DEA, "once");
        sim.run_for(HOUR);
        for ix in [ANA, BEN, CEM] {
            assert_eq!(texts(&mut sim, ix), ["once"], "seed {seed}: of {ix}");
        }
        // She goes over to the first one's room if, and only if, the members do.
        let name = if cut == BEN { "Ben added you" } else { "Cem added you" };
        first_stands.insert(lines(&mut sim, DEA).iter().any(|line| line == name));
    }
    assert_eq!(first_stands.len(), 2, "either commit stood");
}

/// Of two who add her at once, a third member, who is no friend of hers, follows the one and then the other.
#[test]
fn a59_who_has_followed_the_vouch_that_gave_way_writes_to_the_newcomer_as_the_other_one_has_brought_her_in() {
    let mut first_stands = std::collections::BTreeSet::new();
    for seed in [200, 201, 202, 203, 204, 205, 206, 207] {
        let (mut sim, _, [cut, other]) = answered(seed);
        let apart = |sim: &mut Sim, is_apart: bool| {
            for ix in [other, DEA] {
                for side in [ANA, cut] {
                    sim.set_apart(side, ix, is_apart);
                }
            }
            for ix in [ANA, BEN, CEM, DEA] {
                sim.set_gone(RELAYS + ix, is_apart);
            }
        };
        apart(&mut sim, true);
        sim.run_for(9 * MINUTE);
        assert_eq!(members(&mut sim, ANA).len(), members(&mut sim, cut).len(), "seed {seed}: she hears of it there");
        apart(&mut sim, false);
        sim.run_for(2 * HOUR);
        assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [4; 4], "seed {seed}");
        let name = if cut == BEN { "Ben added you" } else { "Cem added you" };
        first_stands.insert(lines(&mut sim, DEA).iter().any(|line| line == name));
        say(&mut sim, ANA, "welcome");
        sim.run_for(HOUR);
        assert_eq!(texts(&mut sim, DEA), ["welcome"], "seed {seed}");
    }
    assert_eq!(first_stands.len(), 2, "either commit stood");
}

#[test]
fn a61_a_flood_of_knocks_ends_at_the_bounds_of_hub_and_members_and_a_friend_still_comes_in() {
    let (mut sim, hub) = scene(30);
    let link = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    let card = body_of(&mut sim, hub, &link);
    for nonce in 0..120u8 {
        let by = stranger(&sim, u64::from(nonce));
        let knock = crafted(&by, &card, nonce);
        sim.ask_as_stranger(hub, u64::from(nonce % 2), &Ask::Knock(knock));
    }
    let taken = sim.hub(hub).told.values().filter(|answer| **answer == Answer::Ack).count();
    assert_eq!(taken, 32, "of a room, and half of that from one place");
    sim.run_for(HOUR);
    for ix in [ANA, BEN, CEM] {
        assert!(knocks(&mut sim, ix, Direction::In).len() <= 32);
    }
    sim.run_for(DAY);
    knock(&mut sim, DEA, &link);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, HOUR), "{:?}", status(&mut sim, DEA));
}

#[test]
fn a62_a_card_body_that_its_maker_has_not_signed_warns_and_nothing_is_sent() {
    let (mut sim, hub) = scene(31);
    let link = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    let CardLink(read) = CardLink::find(&link).unwrap();
    // The hub, which was shown the card, puts a body with a key of its own in the place of Ana's.
    let (slot, forger) = (read.secret.slot(day_of(sim.now)), stranger(&sim, 1));
    let good = body_of(&mut sim, hub, &link);
    let body = CardBody { key: KemKey::from_bytes([9; 32]).public().bytes(), number: u64::MAX / 2, ..good.body };
    let forged = codec::encode(&CardRecord::sign(&forger, &forger.peer(), &body));
    let record = slot.seal(sim.now.after(HOUR), &forged, &mut rng(3)).unwrap();
    sim.set_gone(hub, true);
    sim.lookup.planted.insert(slot.id().unwrap(), record);
    knock(&mut sim, DEA, &link);
    sim.run_for(5 * MINUTE);
    let warned = knocks(&mut sim, DEA, Direction::Out).remove(0);
    assert_eq!(warned.status, RequestStatus::Unresolved);
    assert!(warned.fault.unwrap().contains("not signed"), "{:?}", warned.fault);
    assert!(!sim.hub(hub).seen.iter().any(|bytes| matches!(Ask::decode(bytes), Ok(Ask::Knock(_)))), "nothing was sent");
    // Ana's own body is found again: now the knock proceeds.
    sim.lookup.planted.clear();
    sim.set_gone(hub, false);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 2 * HOUR), "{:?}", status(&mut sim, DEA));
}

#[test]
fn a54_a_member_who_is_removed_while_they_vouch_brings_nobody_in() {
    let (mut sim, _) = scene(32);
    let card = card(&mut sim, ANA);
    sim.run_for(MINUTE);
    knock(&mut sim, DEA, &card);
    assert!(comes_to(&mut sim, DEA, RequestStatus::Accepted, 3 * MINUTE));
    // Ben has said his word, and does not hear that he is out before her answer reaches him.
    for ix in [ANA, CEM] {
        sim.set_apart(BEN, ix, true);
    }
    assert!(sim.command(ANA, Command::RoomRemove { room: name(ROOM), who: vec![name("Ben")] }).is_ok());
    sim.run_for(10 * MINUTE);
    for ix in [ANA, CEM] {
        sim.set_apart(BEN, ix, false);
    }
    sim.run_for(2 * HOUR);
    assert_eq!(counts(&mut sim, &[ANA, CEM]), [2, 2], "neither Ben nor whom he vouched for is in");
}

/// What the forger says that Dea has signed to them.
fn false_vouch(forger: &Forger<'_>, newcomer: DeviceId) -> RoomChange {
    RoomChange::Vouched(Box::new(Vouch {
        card: Digest([1; 32]),
        knock: Nonce([1; 16]),
        hello: Nonce([2; 16]),
        keys: Digest([2; 32]),
        newcomer,
        voucher: forger.roster.leaf(&forger.leaf).unwrap().device,
        epoch: EpochId([4; 32]),
        signature: SignatureBytes([5; 64]),
    }))
}

/// A commit that adds her, whole but for what she has signed.
fn adding(forger: &mut Forger<'_>, package: &FetchedPackage) -> Forgery {
    let device = package.seat.owner.chain.as_ref().unwrap().body().unwrap().device;
    let roster = forger.after(vec![Act::Vouch { leaf: package.leaf, user: package.peer, device }]).expect("who vouches may add her");
    let changes = vec![false_vouch(forger, device)];
    let said = forger.seal(&CommitInfo { seats: vec![package.seat.clone()], changes });
    let proposals = Proposals { add: vec![package.key_package.clone()], state: Some(roster.hash()), ..Proposals::default() };
    Forgery { proposals, said }
}

/// A package of Dea's, which Ben may ask for as her friend.
fn package_of_dea(sim: &mut Sim) -> FetchedPackage {
    sim.say(BEN, DEA, "are you there?").unwrap();
    sim.run_for(MINUTE);
    let (now, dea) = (sim.now, sim.nodes[DEA].peer);
    sim.nodes[BEN].with_core(|core, world| core.fetch_package(now, dea, world)).unwrap();
    counts(sim, &[BEN]);
    sim.run_for(MINUTE);
    sim.nodes[BEN].with_core(|core, _| core.take_packages()).pop().unwrap().unwrap()
}

/// A commit that says this, and whose roster is what would follow if the forger might.
fn said(forger: &mut Forger<'_>, acts: Vec<Act>, change: RoomChange) -> Forgery {
    let state = forger.after(acts).unwrap_or_else(|| forger.roster.clone()).hash();
    let said = forger.seal(&CommitInfo { seats: Vec::new(), changes: vec![change] });
    Forgery { proposals: Proposals { state: Some(state), ..Proposals::default() }, said }
}

#[test]
fn a54_a_member_s_forged_commits_vouch_for_nobody_and_change_no_secret() {
    let (mut sim, _) = scene(33);
    card(&mut sim, ANA);
    sim.run_for(MINUTE);
    let (room, package) = (id(&mut sim, BEN), package_of_dea(&mut sim));
    let to: Vec<PeerId> = [ANA, CEM].map(|ix| sim.nodes[ix].peer).to_vec();
    let vouch = |forger: &mut Forger<'_>| adding(forger, &package);
    let seatless = |forger: &mut Forger<'_>| {
        let vouch = false_vouch(forger, DeviceId([3; 16]));
        said(forger, Vec::new(), vouch)
    };
    let knocks = |forger: &mut Forger<'_>| {
        let secret = KnockSecret(Secret::from_bytes([7; 32]));
        let hubs = forger.roster.knocks.as_ref().unwrap().hubs.clone();
        let knocks = Knocks { alias: secret.alias(), hubs, is_stale: false };
        said(forger, vec![Act::Knocks(knocks.clone())], RoomChange::Knocks(knocks, secret))
    };
    let forgeries: [&dyn Fn(&mut Forger<'_>) -> Forgery; 3] = [&vouch, &seatless, &knocks];
    for make in forgeries {
        let before: Vec<u64> = [ANA, CEM].map(|ix| sim.dropped(ix, "forged")).to_vec();
        let now = sim.now;
        sim.nodes[BEN].with_core(|core, world| core.forge_commit(now, room, &to, make, world)).unwrap();
        // It leaves with the next turn.
        counts(&mut sim, &[BEN]);
        sim.run_for(MINUTE);
        let after: Vec<u64> = [ANA, CEM].map(|ix| sim.dropped(ix, "forged")).to_vec();
        assert_eq!(after, before.iter().map(|count| count + 1).collect::<Vec<_>>(), "refused by each of them");
    }
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM]), [3; 3]);
}

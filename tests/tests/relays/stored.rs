//! What lies at a relay: what it shows of the senders, and who fills it.

use std::collections::{BTreeMap, BTreeSet};
use symbolon_core::command::{Command, InviteState, Reply, RequestStatus};
use symbolon_presence::id::Nonce;
use symbolon_presence::time::{DAY, HOUR, MINUTE};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Outcome, Put, Refusal};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

/// How long a run of bytes is that shows whose something is.
const RUN: usize = 8;

fn runs<'a>(rows: &[&'a [u8]]) -> BTreeSet<&'a [u8]> {
    rows.iter().flat_map(|row| row.windows(RUN)).collect()
}

#[test]
fn a104_what_lies_at_a_relay_from_three_friends_over_ten_days_cannot_be_sorted_by_sender() {
    let mut sim = Sim::new(45, Faults::NONE);
    let owner = sim.add("Andi");
    let friends = ["Ben", "Cleo", "Dora"].map(|name| sim.add(name));
    let (relay, link) = sim.add_relay();
    assert!(sim.command(owner, Command::RelayAdd { link, claim: None }).is_ok());
    sim.run_for(MINUTE);
    for friend in friends {
        sim.befriend(owner, friend);
        sim.run_for(DAY);
    }
    // The owner is off all the time, so that nothing is fetched. The friends miss them on different days, so that each
    // learns from another day's record how they are written to.
    for (day, friend) in (1..).zip(&friends[1..]) {
        sim.crash(*friend, day * DAY - MINUTE);
    }
    sim.crash(owner, 30 * DAY);
    sim.wire = Some(Vec::new());
    for day in 0..10 {
        let present = friends.into_iter().filter(|friend| sim.nodes[*friend].is_up()).collect::<Vec<_>>();
        for friend in &present {
            sim.say(*friend, owner, &format!("on day {day}")).unwrap();
        }
        sim.run_for(30 * MINUTE);
        // They are on for an hour a day.
        for friend in present {
            sim.stop(friend, 22 * HOUR);
        }
        sim.run_for(DAY - 30 * MINUTE);
    }
    let put = sim.wire.take().unwrap().into_iter().filter(|wire| wire.to == relay && friends.contains(&wire.from));
    let sent: Vec<(Ix, Vec<u8>, Vec<u8>)> = put
        .filter_map(|wire| match Frame::decode(&wire.bytes) {
            Ok(Frame::Put(put)) => Some((wire.from, put.envelope, put.address)),
            Ok(_) | Err(_) => None,
        })
        .collect();
    // A row with an envelope ends when the row says in whose key stand that moment and the entry's key. What came in one moment was
    // brought in one go, which the relay sees anyway.
    let stored = sim.relay(relay).stored();
    let mut rows: BTreeMap<(Ix, u64), Vec<&[u8]>> = BTreeMap::new();
    for (entry, row) in &stored {
        let holds = |envelope: &Vec<u8>| row.windows(envelope.len()).any(|part| part == envelope);
        let Some((friend, _, address)) = sent.iter().find(|(_, envelope, _)| holds(envelope)) else { continue };
        let (end, _) = stored.iter().find(|(key, _)| key.len() == 8 + entry.len() && key.ends_with(entry)).unwrap();
        let moment = u64::from_be_bytes(end[..8].try_into().unwrap());
        // The relay itself has written the moment: what stands before and behind it counts.
        let at = row.windows(8).position(|part| part == &end[..8]).unwrap();
        rows.entry((*friend, moment)).or_default().extend([entry.as_slice(), &row[..at], &row[at + 8..]]);
        // The address that was shown counts as well: a relay may keep it, although its row does not.
        rows.entry((*friend, moment)).or_default().push(address);
    }
    let of = |friend| rows.iter().filter(move |((of, _), _)| *of == friend);
    let all: Vec<Vec<BTreeSet<&[u8]>>> = friends.iter().map(|friend| of(*friend).map(|(_, rows)| runs(rows)).collect()).collect();
    let days = friends.map(|friend| of(friend).map(|((_, moment), _)| moment / DAY).collect::<BTreeSet<_>>().len());
    assert!(days.iter().all(|days| *days >= 7), "most days of each lie there: {days:?}");
    let has = |days: &Vec<BTreeSet<&[u8]>>, run: &[u8]| days.iter().any(|day| day.contains(run));
    for (of, days) in all.iter().enumerate() {
        for (at, one) in days.iter().enumerate() {
            for two in &days[at + 1..] {
                let alone = one.intersection(two).find(|run| !all.iter().all(|others| has(others, run)));
                assert_eq!(alone, None, "what friend {of} left at two moments goes together by it");
            }
        }
    }
}

#[test]
fn a112_a18_junk_that_fills_the_grant_of_an_invite_while_its_owner_is_off_keeps_the_true_guest_out_only_until_then() {
    let mut sim = Sim::new(52, Faults::NONE);
    let [a, b] = ["Andi", "Ben"].map(|name| sim.add(name));
    let (relay, link) = sim.add_relay();
    assert!(sim.command(a, Command::RelayAdd { link, claim: None }).is_ok());
    sim.run_for(MINUTE);
    let invite = sim.invite(a);
    let (_, contact) = sim.contact_of(&invite).contacts[0].clone();
    let way = contact.relay_mailboxes[0].clone();
    sim.run_for(MINUTE);
    sim.set_apart(a, b, true);
    sim.stop(a, 6 * HOUR);
    sim.run_for(MINUTE);
    // Somebody has seen the body and has not the link: each says that it is another use.
    let junk = |n: u8| {
        let envelope = [vec![1, 4], vec![n; 8_190]].concat();
        Put::new(way.entry.address.clone(), &way.key, 30 * 24 * 3_600, Some(Nonce([n; 16])), envelope).unwrap()
    };
    let answers: Vec<Outcome> = (0..20).flat_map(|n| sim.put_as_stranger(relay, junk(n))).collect();
    assert_eq!(answers.iter().filter(|outcome| matches!(outcome, Outcome::Stored(_))).count(), 16);
    assert!(answers[16..].iter().all(|outcome| *outcome == Outcome::Refused(Refusal::Full)), "{answers:?}");
    let id = sim.ask(b, &invite).unwrap();
    sim.run_for(HOUR);
    assert_eq!((sim.status_of(b, id), sim.relay(relay).entries()), (RequestStatus::Pending, 16), "there is no room, and he waits");
    // The owner comes by: what opens by no key of hers spends nothing.
    sim.run_for(6 * HOUR);
    assert!(sim.run_until(6 * HOUR, |sim| sim.pending(a).is_some()));
    let Ok(Reply::Invites(all)) = sim.command(a, Command::Invites) else { panic!() };
    assert_eq!(all[0].state, InviteState::Used, "by him");
    let incoming = sim.pending(a).unwrap();
    sim.set_apart(a, b, false);
    sim.accept(a, incoming).unwrap();
    assert!(sim.run_until(2 * HOUR, |sim| sim.are_friends(a, b)));
}

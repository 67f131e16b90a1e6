//! Records of days to come, and packages: what an owner leaves here for others.

use super::*;
use crate::limits::{AWAY_MAX, PACKAGE_MAX, PACKAGES_MAX};
use crate::packages::{Fetch, Handed, Stock};
use crate::records::Away;
use symbolon_presence::record::{DAYS_AHEAD, Record as Published, Slot, day_of, start_of};

/// The record of a header on a day, by a lookup key that has nothing to do with the owner's key.
fn header(day: u32, version: u64) -> Vec<u8> {
    let key = SigningKey::from_seed(&[77; 32]);
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(version);
    Slot::of_header(&key.public(), day).seal(&key, Timestamp(NOW.0 + version), b"header", &mut rng).unwrap()
}

fn away(host: &Host, owner: &Owner, day: u32, version: u64) -> Frame {
    Frame::Away(Away::sign(&owner.key, &host.link().mailbox(), day, version, vec![header(day, version)]))
}

fn faults(host: &Host, link: Link) -> u32 {
    host.relay.links.faults(link).unwrap_or(u32::MAX)
}

/// Lets the time pass, with a tick whenever one is due; what was to be found meanwhile.
fn pass(host: &mut Host, until: Timestamp) -> Vec<Vec<u8>> {
    host.hosted.clear();
    while host.now < until {
        host.now = host.relay.next_due().max(host.now.after(1)).min(until);
        host.relay.tick(host.now, &mut host.rows).unwrap();
        let known = host.hosted.len();
        host.close();
        for bytes in &host.hosted[known..] {
            assert!(Published::read(bytes, host.now).is_ok(), "a record that nobody takes yet, or any more");
        }
    }
    std::mem::take(&mut host.hosted)
}

#[test]
fn what_is_left_for_a_day_is_found_from_the_day_before_and_goes_when_it_ends_restart_or_not() {
    let (mut host, owner) = open();
    let today = day_of(NOW);
    for ahead in 0..=DAYS_AHEAD {
        let frame = away(&host, &owner, today + ahead, 1);
        host.turn(1, &frame);
    }
    // At once for today and tomorrow.
    assert_eq!(std::mem::take(&mut host.hosted), [header(today, 1), header(today + 1, 1)]);
    assert_eq!(rows(&host, RelayTable::Away), DAYS_AHEAD as usize + 1);
    for day in 1..=DAYS_AHEAD {
        host.restart();
        visit(&mut host, &owner);
        host.hosted.clear();
        let noon = start_of(today + day).after(12 * HOUR);
        let hosted = pass(&mut host, noon);
        assert!(hosted.contains(&header(today + day, 1)), "day {day}");
        assert_eq!(hosted.contains(&header(today + day + 1, 1)), day < DAYS_AHEAD, "day {day}");
    }
    pass(&mut host, start_of(today + DAYS_AHEAD + 3));
    assert_eq!(rows(&host, RelayTable::Away), 0);
}

#[test]
fn only_the_owner_leaves_records_newer_ones_count_and_none_takes_them_back() {
    let (mut host, owner) = open();
    let today = day_of(NOW);
    let day = today + 1;
    let first = away(&host, &owner, day, 5);
    host.turn(1, &first);
    assert_eq!(std::mem::take(&mut host.hosted).len(), 1);
    let older = away(&host, &owner, day, 4);
    host.turn(1, &older);
    host.turn(1, &first);
    assert!(host.hosted.is_empty() && faults(&host, 1) == 0, "an older one, or the same again, is no news and no fault");
    let mailbox = host.link().mailbox();
    let none = Frame::Away(Away::sign(&owner.key, &mailbox, day, 6, Vec::new()));
    host.turn(1, &none);
    assert!(pass(&mut host, NOW.after(7 * HOUR)).is_empty());

    let stranger = Owner::new(99);
    let mut changed = Away::sign(&owner.key, &mailbox, day, 7, vec![header(day, 7)]);
    changed.day += 1;
    let bad = [
        Away::sign(&stranger.key, &mailbox, day, 7, vec![header(day, 7)]),
        Away::sign(&owner.key, &MailboxId([1; 32]), day, 7, vec![header(day, 7)]),
        Away::sign(&owner.key, &mailbox, day, 7, vec![header(day + 1, 7)]),
        Away::sign(&owner.key, &mailbox, day, 7, vec![vec![1; 500]]),
        Away::sign(&owner.key, &mailbox, day, 7, vec![header(day, 7); AWAY_MAX + 1]),
        Away::sign(&owner.key, &mailbox, today - 2, 7, Vec::new()),
        Away::sign(&owner.key, &mailbox, today + DAYS_AHEAD + 2, 7, Vec::new()),
        changed,
    ];
    for (number, away) in (1..).zip(bad) {
        host.turn(2, &Frame::Away(away));
        assert_eq!(faults(&host, 2), number);
    }
    assert!(host.hosted.is_empty());
}

fn fetch_as(host: &mut Host, owner: &Owner, friendship: &FriendshipSecret, nonce: Option<Nonce>) -> Handed {
    let mailbox = host.link().mailbox();
    let address = host.link().seal_address(&owner.address(Scope::Friends(friendship.revision)), &mut host.rng).unwrap();
    let nonce = nonce.unwrap_or_else(|| host.nonce());
    let fetch = Fetch::sign(&friendship.capability(&mailbox), &mailbox, address, nonce, host.now);
    handed(host, &fetch)
}

fn handed(host: &mut Host, fetch: &Fetch) -> Handed {
    let said = host.turn(2, &Frame::Fetch(fetch.clone()));
    let Some((2, Some(Frame::Fetched(fetched)))) = said.first() else { panic!("no answer: {said:?}") };
    assert_eq!(fetched.nonce, fetch.nonce);
    fetched.handed.clone()
}

fn stock(host: &mut Host, owner: &Owner, version: u64, packages: &[u8], last: Option<u8>) {
    let mailbox = host.link().mailbox();
    let packages = packages.iter().map(|byte| vec![*byte; 100]).collect();
    host.turn(1, &Frame::Stock(Stock::sign(&owner.key, &mailbox, version, packages, last.map(|byte| vec![byte; 100]))));
}

#[test]
fn each_package_is_handed_out_once_and_the_last_resort_again_and_again() {
    let (mut host, owner) = open();
    let friendship = owner.friendship.clone();
    assert!(fetch_as(&mut host, &owner, &friendship, None) == Handed::Empty);
    stock(&mut host, &owner, 1, &[1, 2], Some(9));
    for expected in [1, 2, 9, 9] {
        host.restart();
        assert!(fetch_as(&mut host, &owner, &friendship, None) == Handed::Package(vec![expected; 100]));
    }
    stock(&mut host, &owner, 1, &[3], None);
    assert!(fetch_as(&mut host, &owner, &friendship, None) == Handed::Package(vec![9; 100]), "only a newer stock counts");
    stock(&mut host, &owner, 2, &[3], None);
    for expected in [Handed::Package(vec![3; 100]), Handed::Empty] {
        assert!(fetch_as(&mut host, &owner, &friendship, None) == expected);
    }
}

#[test]
fn a20_an_old_friendship_token_is_stale_and_packages_of_its_time_are_gone() {
    let (mut host, mut owner) = open();
    stock(&mut host, &owner, 1, &[1, 2], Some(9));
    let past = owner.friendship.clone();
    owner.friendship = FriendshipSecret { revision: past.revision + 1, secret: Secret::from_bytes([55; 32]) };
    assert_eq!(host.update(&owner, 2, None), Verdict::Ok);
    let current = owner.friendship.clone();
    assert!(fetch_as(&mut host, &owner, &past, None) == Handed::Stale);
    assert!(fetch_as(&mut host, &owner, &current, None) == Handed::Empty);
    assert_eq!(faults(&host, 2), 0, "neither is a fault");
    stock(&mut host, &owner, 2, &[3], None);
    host.restart();
    assert!(fetch_as(&mut host, &owner, &past, None) == Handed::Stale);
    assert!(fetch_as(&mut host, &owner, &current, None) == Handed::Package(vec![3; 100]));
    // Of many secrets that were replaced the newest are remembered.
    for revision in 0..PAST_MAX as u64 + 1 {
        owner.friendship = FriendshipSecret { revision: 10 + revision, secret: Secret::from_bytes([revision as u8 + 100; 32]) };
        assert_eq!(host.update(&owner, 3 + revision, None), Verdict::Ok);
    }
    assert_eq!(host.relay.mailboxes.all().next().unwrap().past.len(), PAST_MAX);
    assert!(fetch_as(&mut host, &owner, &past, None) == Handed::Refused);
    assert!(fetch_as(&mut host, &owner, &current, None) == Handed::Refused);
}

#[test]
fn a32_anyone_who_has_no_right_is_refused_alike_and_is_sent_away_after_a_while() {
    let (mut host, owner) = open();
    stock(&mut host, &owner, 1, &[1], None);
    let friendship = owner.friendship.clone();
    let mailbox = host.link().mailbox();
    let address = host.link().seal_address(&owner.address(Scope::Friends(0)), &mut host.rng).unwrap();
    let elsewhere = host.link().seal_address(&Owner::new(99).address(Scope::Friends(0)), &mut host.rng).unwrap();
    let token = friendship.capability(&mailbox);
    let good = Fetch::sign(&token, &mailbox, address.clone(), host.nonce(), host.now);
    let mut forged = good.clone();
    forged.signature.0[5] ^= 1;
    let stranger = SigningKey::from_seed(&[1; 32]);
    let replayed = host.nonce();
    assert!(fetch_as(&mut host, &owner, &friendship, Some(replayed)) == Handed::Package(vec![1; 100]));
    stock(&mut host, &owner, 2, &[2], None);
    let bad = [
        forged,
        Fetch { capability: stranger.public(), ..good.clone() },
        Fetch::sign(&stranger, &mailbox, address.clone(), host.nonce(), host.now),
        Fetch::sign(&token, &mailbox, elsewhere, host.nonce(), host.now),
        Fetch::sign(&token, &mailbox, vec![1; 80], host.nonce(), host.now),
        Fetch::sign(&token, &MailboxId([1; 32]), address.clone(), host.nonce(), host.now),
        Fetch::sign(&friendship.capability(&MailboxId([1; 32])), &mailbox, address.clone(), host.nonce(), host.now),
        Fetch::sign(&token, &mailbox, address.clone(), replayed, host.now),
        Fetch::sign(&token, &mailbox, address, host.nonce(), Timestamp(host.now.0 - 2 * HOUR)),
    ];
    let nonces = |host: &Host| host.relay.mailboxes.nonces_kept();
    let before = nonces(&host);
    for fetch in bad.iter().cycle().take(31) {
        assert!(handed(&mut host, fetch) == Handed::Refused);
    }
    assert_eq!(nonces(&host), before, "strangers take no room from those who have a right");
    assert!(fetch_as(&mut host, &owner, &friendship, None) == Handed::Package(vec![2; 100]), "nothing was lost by it");
    let said = host.turn(2, &Frame::Fetch(bad[0].clone()));
    assert!(matches!(said.as_slice(), [(2, None)]), "{said:?}");
}

#[test]
fn a_stock_is_its_owners_and_bounded() {
    let (mut host, owner) = open();
    let mailbox = host.link().mailbox();
    let packages = |count: usize, size: usize| vec![vec![1; size]; count];
    let bad = [
        Stock::sign(&owner.key, &mailbox, 1, packages(PACKAGES_MAX + 1, 10), None),
        Stock::sign(&owner.key, &mailbox, 1, packages(1, PACKAGE_MAX + 1), None),
        Stock::sign(&owner.key, &mailbox, 1, Vec::new(), Some(vec![1; PACKAGE_MAX + 1])),
        Stock::sign(&Owner::new(99).key, &mailbox, 1, packages(1, 10), None),
        Stock::sign(&owner.key, &MailboxId([1; 32]), 1, packages(1, 10), None),
    ];
    for (number, stock) in (1..).zip(bad) {
        host.turn(2, &Frame::Stock(stock));
        assert_eq!(faults(&host, 2), number);
    }
    let full = Frame::Stock(Stock::sign(&owner.key, &mailbox, 1, packages(PACKAGES_MAX, PACKAGE_MAX), Some(vec![1; PACKAGE_MAX])));
    assert!(full.encode().len() <= crate::limits::FRAME_MAX);
    host.turn(1, &full);
    assert_eq!(host.rows.range(RelayTable::Package, &[], 100).unwrap().len(), PACKAGES_MAX + 1);
}

/// What the owner hears who opens a session on a link.
fn session(host: &mut Host, owner: &Owner, link: Link) -> Verdict {
    let (mailbox, nonce, now) = (host.link().mailbox(), host.nonce(), host.now);
    let said = host.turn(link, &Frame::Session(Session::sign(&owner.key, &mailbox, nonce, now)));
    let accepted = said.iter().find_map(|(_, frame)| if let Some(Frame::Accepted(accepted)) = frame { Some(accepted) } else { None });
    symbolon_presence::codec::decode::<AcceptedBody>(&accepted.expect("an answer").body, 4_096).unwrap().verdict
}

#[test]
fn a_stock_for_which_there_is_no_room_leaves_the_one_before_and_its_owner_hears_so_once() {
    let (mut host, owner) = open();
    let (mailbox, friendship) = (host.link().mailbox(), owner.friendship.clone());
    assert_eq!(session(&mut host, &owner, 1), Verdict::Ok);
    stock(&mut host, &owner, 1, &[1, 2], Some(9));
    assert_eq!(session(&mut host, &owner, 1), Verdict::Ok);
    host.relay.limit_bytes(0);
    host.relay.limit(RelayLimits { newcomers: Some(1_000), ..RelayLimits::default() });
    let large =
        |owner: &Owner, version| Frame::Stock(Stock::sign(&owner.key, &mailbox, version, vec![vec![7; PACKAGE_MAX]; PACKAGES_MAX], None));
    // Others take so much that nobody may have as much again.
    let is_full = |host: &mut Host, number: u32| {
        let other = Owner::number(number);
        host.now = host.now.after(MINUTE);
        assert_eq!(host.update(&other, 1, None), Verdict::Ok);
        host.turn(1, &large(&other, 1));
        session(host, &other, 1) == Verdict::Full
    };
    assert!((0..100).any(|number| is_full(&mut host, number)));
    host.now = host.now.after(MINUTE);
    host.turn(1, &large(&owner, 2));
    assert_eq!(session(&mut host, &owner, 1), Verdict::Full);
    assert_eq!(session(&mut host, &owner, 1), Verdict::Ok, "of that stock alone");
    assert!(fetch_as(&mut host, &owner, &friendship, None) == Handed::Package(vec![1; 100]), "what was there stays");
    // One of the size of those before has their room, also where nothing more is free; and the large one once there is some.
    stock(&mut host, &owner, 2, &[3], Some(8));
    assert!(fetch_as(&mut host, &owner, &friendship, None) == Handed::Package(vec![3; 100]));
    host.relay.limit_bytes(1 << 40);
    host.turn(1, &large(&owner, 3));
    assert_eq!(session(&mut host, &owner, 1), Verdict::Ok);
    assert!(fetch_as(&mut host, &owner, &friendship, None) == Handed::Package(vec![7; PACKAGE_MAX]));
}

#[test]
fn a_stock_of_a_clock_that_was_far_ahead_gives_way_to_the_next_one() {
    let (mut host, owner) = open();
    let friendship = owner.friendship.clone();
    let now = host.now;
    stock(&mut host, &owner, now.after(2 * DAY).0, &[1], None);
    stock(&mut host, &owner, now.0, &[2], None);
    assert!(fetch_as(&mut host, &owner, &friendship, None) == Handed::Package(vec![2; 100]), "the clock is right again");
    stock(&mut host, &owner, now.0 - 1, &[3], None);
    assert!(fetch_as(&mut host, &owner, &friendship, None) == Handed::Empty, "an older one is none");
    // One that is ahead by less than a day stands.
    stock(&mut host, &owner, now.after(HOUR).0, &[4], None);
    stock(&mut host, &owner, now.0 + 1, &[5], None);
    assert!(fetch_as(&mut host, &owner, &friendship, None) == Handed::Package(vec![4; 100]));
}

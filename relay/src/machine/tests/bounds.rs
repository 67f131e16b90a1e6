//! What a relay keeps is bounded, in all and for each, and ends when nobody uses it.

use super::*;
use crate::packages::Stock;
use crate::records::Away;
use symbolon_presence::envelope::BUCKETS;

/// An envelope of the greatest size.
fn long(number: u64) -> Vec<u8> {
    let mut envelope = envelope(0);
    envelope.resize(*BUCKETS.last().unwrap(), 0);
    let at = envelope.len() - 8;
    envelope[at..].copy_from_slice(&number.to_be_bytes());
    envelope
}

/// The sums in memory are those of the rows.
fn assert_counted(host: &Host) {
    let loaded = Relay::load(host.keys.clone(), host.relay.mailboxes.policy(), &host.rows, host.now).unwrap();
    host.relay.mailboxes.assert_counted(&loaded.mailboxes);
}

#[test]
fn a102_forty_sessions_begin_no_push_again() {
    let (mut host, owner) = open();
    for number in 0..64 {
        assert!(matches!(host.put(&owner, &owner.address(Scope::Friends(3)), None, long(number)), Some(Outcome::Stored(_))));
    }
    let size = |pushed: &[Deposit]| pushed.iter().map(|deposit| deposit.envelope.len()).sum::<usize>();
    let mut sent = 0;
    for _ in 0..30 {
        sent += size(&host.fetch(&owner));
    }
    assert_eq!(sent, long(0).len(), "on one link it begins once");
    // On links of their own each costs what a session begins with, as long as nothing is acknowledged.
    for link in 100..140 {
        host.relay.link_up(link, link);
        let (nonce, mailbox, now) = (host.nonce(), host.link().mailbox(), host.now);
        sent += size(&deposits(host.turn(link, &Frame::Session(Session::sign(&owner.key, &mailbox, nonce, now)))));
    }
    assert_eq!(sent, 41 * long(0).len(), "10 MiB, where it was 160");
    assert!(host.rows.1.get() <= 2 * 1024 * 1024, "{} bytes were looked up together", host.rows.1.get());
}

#[test]
fn what_waits_is_pushed_ever_faster_to_an_owner_who_acknowledges_and_look_ups_stay_bounded() {
    let (mut host, owner) = open();
    for number in 0..600 {
        host.put(&owner, &owner.address(Scope::Friends(3)), None, envelope(number));
    }
    for number in 0..200 {
        host.put(&owner, &owner.address(Scope::Friends(3)), None, long(number));
    }
    let (mut pushed, mut fetched, mut rounds) = (host.fetch(&owner), 0, 0);
    assert_eq!(pushed.len(), PUSH_FIRST.0);
    while !pushed.is_empty() {
        fetched += pushed.len();
        rounds += 1;
        let bytes: usize = pushed.iter().map(|deposit| deposit.envelope.len()).sum();
        assert!(pushed.len() <= PUSH_MAX.0 && bytes <= PUSH_MAX.1 + long(0).len());
        pushed = host.ack(&owner, pushed.iter().map(|deposit| deposit.number).collect());
    }
    assert_eq!((fetched, host.relay.counts().1), (800, 0));
    assert!(rounds < 25, "{rounds} rounds");
    assert!(host.rows.1.get() <= 17 * 1024 * 1024, "{} bytes were looked up together", host.rows.1.get());
}

#[test]
fn a102_signed_frames_on_one_link_are_bounded_and_go_on_after_a_while() {
    let (mut host, owner) = open();
    let mailbox = host.link().mailbox();
    let stock = |host: &mut Host, version: u64| {
        host.turn(2, &Frame::Stock(Stock::sign(&owner.key, &mailbox, version, Vec::new(), None)));
        host.relay.mailboxes.all().next().unwrap().stock_version == version
    };
    for version in 1..=SIGNED_MAX.0 {
        assert!(stock(&mut host, version));
    }
    assert!(!stock(&mut host, SIGNED_MAX.0 + 1));
    assert_eq!(host.relay.links.faults(2), Some(1));
    host.now = host.now.after(2 * SIGNED_MAX.1);
    assert!(stock(&mut host, SIGNED_MAX.0 + 2));
}

/// A record of somebody new, behind its signature and seal.
fn newcomer_comes(host: &mut Host, number: u32) -> Verdict {
    let mut key = [77; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    let queue = |last: u8| QueueId(std::array::from_fn(|at| if at < 4 { key[at] } else { last }));
    let record =
        MailboxRecord { direct: queue(202), contact: queue(203), at: host.now, ..Owner::new(50).record(1, &host.link().mailbox()) };
    let verdict = owner::take_record(&mut host.relay.mailboxes, &host.relay.links, &host.keys, host.now, PublicKeyBytes(key), record);
    host.relay.mailboxes.touch(PublicKeyBytes(key));
    host.close();
    verdict
}

#[test]
fn a102_updates_of_strangers_fill_an_open_relay_and_give_way_to_newcomers_before_owners_do() {
    let mut host = Host::new(Policy::Open);
    let claim = host.keys.claim;
    let (owner, regular) = (Owner::new(10), Owner::new(20));
    assert_eq!(host.update(&owner, 1, Some(claim)), Verdict::Ok);
    assert_eq!(host.update(&regular, 1, None), Verdict::Ok);
    for day in 0..u64::from(ESTABLISHED) {
        host.now = NOW.after(day * DAY);
        visit(&mut host, &regular);
    }
    for number in 0..OPEN_MAILBOXES_MAX as u32 + 1_000 {
        assert_eq!(newcomer_comes(&mut host, number), Verdict::Ok, "there is a place for a newcomer");
    }
    assert_eq!(host.relay.counts().0, OPEN_MAILBOXES_MAX + 1);
    let newcomer = Owner::new(30);
    assert_eq!(host.update(&newcomer, 1, None), Verdict::Ok);
    host.fetch(&newcomer);
    for number in 0..OPEN_MAILBOXES_MAX as u32 {
        newcomer_comes(&mut host, 100_000 + number);
    }
    for stays in [&owner, &regular, &newcomer] {
        assert!(host.relay.mailboxes.get(&stays.key.public()).is_some(), "the owner, who comes often, who is here");
    }
    assert!(host.relay.counts().0 <= OPEN_MAILBOXES_MAX + 1);
    tend(&mut host);
    assert_eq!(rows(&host, RelayTable::Mailbox), host.relay.counts().0, "nothing is left of those that gave way");
    host.restart();
    assert_counted(&host);
}

#[test]
fn mailboxes_of_an_open_relay_end_when_nobody_uses_them_and_their_rows_with_them() {
    let mut host = Host::new(Policy::Open);
    let claim = host.keys.claim;
    let (own, never, once, often) = (Owner::new(10), Owner::new(20), Owner::new(30), Owner::new(40));
    assert_eq!(host.update(&own, 1, Some(claim)), Verdict::Ok);
    for owner in [&never, &once, &often] {
        assert_eq!(host.update(owner, 1, None), Verdict::Ok);
    }
    visit(&mut host, &once);
    let here = |host: &Host, owner: &Owner| host.relay.mailboxes.get(&owner.key.public()).is_some();
    let mailbox = host.link().mailbox();
    for day in 0..200u64 {
        if day < u64::from(ESTABLISHED) {
            host.now = NOW.after(day * DAY);
            visit(&mut host, &often);
        }
        host.now = NOW.after(day * DAY + HOUR);
        tend(&mut host);
        assert!(here(&host, &own), "the relay owner's stays");
        assert_eq!(here(&host, &never), day * DAY + HOUR <= NEVER_USED_LIFE, "day {day}");
        assert_eq!(here(&host, &once), day * DAY + HOUR <= USED_LIFE, "day {day}");
        assert_eq!(here(&host, &often), day * DAY + HOUR <= 2 * DAY + USED_LIFE, "day {day}");
        // Something of every kind lies there, up to the end.
        if here(&host, &once) {
            let single = AddressBody { uses: 1, expires: NOW.after(400 * DAY), ..once.address(Scope::Contact) };
            for (at, body) in (0..).zip([once.address(Scope::Friends(3)), once.address(Scope::Guest), single]) {
                host.put(&once, &body, Some(Nonce([1; 16])), envelope(at));
            }
            host.turn(1, &Frame::Stock(Stock::sign(&once.key, &mailbox, day + 1, vec![vec![1; 100]; 3], Some(vec![2; 100]))));
            let today = symbolon_presence::record::day_of(host.now);
            host.turn(1, &Frame::Away(Away::sign(&once.key, &mailbox, today + 15, day + 1, Vec::new())));
            assert_counted(&host);
        }
    }
    let mut left: BTreeSet<RelayTable> = host.rows.0.keys().map(|(table, _)| *table).collect();
    left.remove(&RelayTable::Mailbox);
    assert_eq!(left, BTreeSet::new(), "nothing is left");
    assert_eq!(rows(&host, RelayTable::Mailbox), 1);
    // An owner who comes back is welcome under the same key.
    assert_eq!(host.update(&once, 50, None), Verdict::Ok);
    assert_counted(&host);
}

#[test]
fn an_owner_who_is_connected_for_long_is_not_taken_for_one_who_does_not_come() {
    let mut host = Host::new(Policy::Open);
    let owner = Owner::new(10);
    assert_eq!(host.update(&owner, 1, None), Verdict::Ok);
    host.fetch(&owner);
    for day in 0..120 {
        host.now = NOW.after(day * DAY);
        tend(&mut host);
    }
    assert_eq!(host.relay.counts().0, 1);
    assert!(host.relay.mailboxes.all().next().unwrap().days.unwrap() > ESTABLISHED);
}

#[test]
fn a_mailbox_that_has_ended_is_deleted_to_the_end_although_the_relay_dies_meanwhile() {
    let (mut host, owner) = open();
    for number in 0..700 {
        host.put(&owner, &owner.address(Scope::Friends(3)), None, envelope(number));
    }
    host.now = NOW.after(NEVER_USED_LIFE + HOUR);
    let mut deaths = 0;
    while rows(&host, RelayTable::Mailbox) > 0 {
        let now = host.now;
        host.relay.tick(now, &mut host.rows).unwrap();
        host.close();
        assert_eq!(host.relay.counts().0, 0);
        let said = host.update(&owner, 2, None);
        assert!(said == Verdict::Full || rows(&host, RelayTable::Entry) == 0, "not beside what is being deleted");
        if said == Verdict::Ok {
            break;
        }
        host.restart();
        deaths += 1;
        assert!(deaths < 20);
    }
    assert!(deaths >= 2, "it takes more than one turn");
    assert_eq!(rows(&host, RelayTable::Entry) + rows(&host, RelayTable::Expiry) + rows(&host, RelayTable::Frame), 0);
}

#[test]
fn a102_new_mailboxes_from_one_address_are_bounded_in_a_day_and_the_owner_is_not_counted() {
    let mut host = Host::new(Policy::Open);
    let claim = host.keys.claim;
    let (once, link) = (NEWCOMERS_MAX, |host: &mut Host, source: u64| {
        host.relay.link_down(1);
        host.relay.link_up(1, source);
    });
    for number in 0..once {
        link(&mut host, 7);
        assert_eq!(host.update(&Owner::number(number), 1, None), Verdict::Ok);
    }
    link(&mut host, 7);
    assert_eq!(host.update(&Owner::number(once), 1, None), Verdict::Full);
    assert_eq!(host.update(&Owner::number(0), 2, None), Verdict::Ok, "who is known is no newcomer");
    assert_eq!(host.update(&Owner::number(once + 1), 1, Some(claim)), Verdict::Ok);
    link(&mut host, 8);
    assert_eq!(host.update(&Owner::number(once), 1, None), Verdict::Ok, "from elsewhere");
    link(&mut host, 7);
    host.now = NOW.after(DAY);
    assert_eq!(host.update(&Owner::number(once + 2), 1, None), Verdict::Ok, "the next day");
    for source in 0..3 * SOURCES_MAX as u64 {
        host.relay.mailboxes.may_come(NOW, source);
        assert!(host.relay.mailboxes.sources() <= SOURCES_MAX);
    }
}

#[test]
fn what_an_operator_sets_holds_for_mailboxes_their_bytes_and_newcomers() {
    let mut host = Host::new(Policy::Open);
    host.relay.limit(RelayLimits { mailboxes: Some(3), newcomers: Some(2), mailbox_bytes: Some(8 << 20), ..RelayLimits::default() });
    let claim = host.keys.claim;
    let from = |host: &mut Host, source: u64, owner: u32, claim| {
        host.relay.link_down(1);
        host.relay.link_up(1, source);
        host.update(&Owner::number(owner), 1, claim)
    };
    assert_eq!(
        [0, 1, 2].map(|owner| from(&mut host, 7, owner, None)),
        [Verdict::Ok, Verdict::Ok, Verdict::Full],
        "two a day from one address"
    );
    assert_eq!(from(&mut host, 8, 3, None), Verdict::Ok);
    from(&mut host, 9, 4, None);
    assert_eq!(host.relay.counts().0, 3, "one that has not lasted gives way");
    assert_eq!(from(&mut host, 10, 5, Some(claim)), Verdict::Ok, "the owner's are not counted");
    let shares = [Share::Direct, Share::Members, Share::Contact, Share::Guest];
    assert_eq!(shares.map(|share| host.relay.mailboxes.most_of(share).1 >> 20), [4, 2, 1, 1]);
    // Nothing that was set makes a relay that takes nothing, or one of more than it can serve.
    host.relay.limit(RelayLimits { mailbox_bytes: Some(1), mailboxes: Some(u32::MAX), ..RelayLimits::default() });
    assert!(shares.into_iter().all(|share| host.relay.mailboxes.most_of(share).1 > crate::limits::FRAME_MAX as u64));
    host.relay.limit(RelayLimits::default());
    assert_eq!(host.relay.mailboxes.most_of(Share::Direct), DIRECT_MAX);
    let (set, kept) = (
        RelayLimits { mailboxes: Some(1), ..RelayLimits::default() },
        RelayLimits { mailboxes: Some(2), newcomers: Some(3), ..RelayLimits::default() },
    );
    assert_eq!(set.or(kept), RelayLimits { mailboxes: Some(1), newcomers: Some(3), ..RelayLimits::default() });
}

#[test]
fn a102_holders_of_the_friends_code_do_not_lock_the_owner_out() {
    let mut host = Host::new(Policy::Friends);
    let (claim, friends) = (host.keys.claim, host.keys.friends);
    for number in 0..FRIENDS_MAILBOXES_MAX as u32 {
        host.relay.link_down(1);
        host.relay.link_up(1, u64::from(number));
        assert_eq!(host.update(&Owner::number(number), 1, Some(friends)), Verdict::Ok);
    }
    host.relay.link_down(1);
    host.relay.link_up(1, 1_000);
    assert_eq!(host.update(&Owner::new(10), 1, Some(friends)), Verdict::Full);
    for number in 0..OWN_MAILBOXES_MAX as u32 {
        assert_eq!(host.update(&Owner::number(5_000 + number), 1, Some(claim)), Verdict::Ok);
    }
}

#[test]
fn a102_one_bound_holds_for_all_bytes_and_leaves_room_to_the_owner_and_to_everybody() {
    let mut host = Host::new(Policy::Open);
    host.relay.limit_bytes(64 * 1024 * 1024);
    let claim = host.keys.claim;
    let own = Owner::new(10);
    assert_eq!(host.update(&own, 1, Some(claim)), Verdict::Ok);
    let most = host.relay.bytes().1;
    assert!(!host.relay.is_full());
    // One stranger with many mailboxes puts what it can into each.
    for number in 0..60 {
        host.relay.link_down(1);
        host.relay.link_up(1, 1);
        let owner = Owner::number(number);
        assert_eq!(host.update(&owner, 1, None), Verdict::Ok);
        let mut envelopes = 0;
        while let Some(Outcome::Stored(_)) = host.put(&owner, &owner.address(Scope::Friends(3)), None, long(envelopes)) {
            envelopes += 1;
        }
        assert!(host.relay.bytes().0.0 + host.relay.bytes().0.1 <= most / 4 * 3);
    }
    // Somebody new has room for short ones still, and the owner for a quarter of all.
    let newcomer = Owner::new(30);
    assert_eq!(host.update(&newcomer, 1, None), Verdict::Ok);
    for number in 0..50 {
        assert!(matches!(host.put(&newcomer, &newcomer.address(Scope::Friends(3)), None, envelope(number)), Some(Outcome::Stored(_))));
    }
    for number in 0..60 {
        let said = host.put(&own, &own.address(Scope::Friends(3)), None, long(number));
        assert!(matches!(said, Some(Outcome::Stored(_))), "{number}: {said:?}");
    }
    while let Some(Outcome::Stored(_)) = host.put(&own, &own.address(Scope::Friends(3)), None, long(host.relay.counts().1 + 1_000)) {}
    assert!(host.relay.is_full(), "the longest has no room, no matter for whom");
    assert!(host.relay.bytes().0.0 + host.relay.bytes().0.1 <= most);
    assert_counted(&host);
    // A revocation is taken whatever is full.
    assert_eq!(host.update(&newcomer, 2, None), Verdict::Ok);
}

#[test]
fn rows_of_an_earlier_build_are_counted_and_its_uses_go() {
    let (mut host, owner) = open();
    let mailbox = host.link().mailbox();
    host.put(&owner, &owner.address(Scope::Friends(3)), None, envelope(0));
    host.turn(1, &Frame::Stock(Stock::sign(&owner.key, &mailbox, 1, vec![vec![1; 100]; 3], None)));
    let today = symbolon_presence::record::day_of(NOW);
    host.turn(1, &Frame::Away(Away::sign(&owner.key, &mailbox, today + 1, 1, Vec::new())));
    let counted = host.relay.bytes().0;
    // As such a build has left them: none of the newer fields, and uses by pseudonym.
    let known = host.relay.mailboxes.all().next().unwrap().clone();
    let old = rows::Mailbox { guest: None, seen: None, days: None, uses: None, left: None, ended: None, ..known };
    host.rows.set(RelayTable::Mailbox, owner.key.public().as_bytes(), Some(codec::encode_row(&old)));
    for number in 0..1_000u64 {
        let usage = [owner.key.public().as_bytes().as_slice(), &[7; 24], &number.to_be_bytes()].concat();
        host.rows.set(RelayTable::Use, &usage, Some(NOW.0.to_be_bytes().to_vec()));
    }
    host.restart();
    assert_eq!(host.relay.bytes().0, counted);
    let single = AddressBody { uses: 1, ..owner.address(Scope::Contact) };
    assert!(matches!(host.put(&owner, &single, Some(Nonce([1; 16])), envelope(1)), Some(Outcome::Stored(_))));
    tend(&mut host);
    assert_eq!(rows(&host, RelayTable::Use), 0);
    assert_counted(&host);
    host.now = NOW.after(USED_LIFE);
    tend(&mut host);
    assert_eq!(host.relay.counts().0, 1, "it counts as one that lasts");
}

//! Envelopes: who may leave one, what is answered, when one goes.

use super::*;

#[test]
fn a87_an_entry_stays_until_its_owner_has_signed_that_it_is_settled() {
    let (mut host, owner) = open();
    let friends = owner.address(Scope::Friends(3));
    for counter in 0..3 {
        assert_eq!(host.put(&owner, &friends, None, envelope(counter)), Some(Outcome::Stored(NOW.after(FOREIGN_LIFE))));
    }
    host.restart();
    let pushed = host.fetch(&owner);
    assert_eq!(pushed.iter().map(|deposit| deposit.envelope.clone()).collect::<Vec<_>>(), (0..3).map(envelope).collect::<Vec<_>>());
    host.ack(&owner, vec![pushed[0].number, pushed[2].number]);
    host.restart();
    let left = host.fetch(&owner);
    assert_eq!(left.iter().map(|deposit| deposit.number).collect::<Vec<_>>(), [pushed[1].number], "a lease ends with its link");
    host.ack(&owner, vec![pushed[1].number]);
    assert_eq!(host.relay.counts(), (1, 0));
    let tables: BTreeSet<RelayTable> = host.rows.0.keys().map(|(table, _)| *table).collect();
    assert_eq!(tables, BTreeSet::from([RelayTable::Mailbox]), "nothing of an entry stays");
}

#[test]
fn what_comes_while_the_owner_is_here_is_pushed_at_once() {
    let (mut host, owner) = open();
    assert!(host.fetch(&owner).is_empty());
    let put = host.make_put(&owner, &owner.address(Scope::Guest), None, envelope(0));
    assert_eq!(deposits(host.turn(2, &Frame::Put(put))).len(), 1);
}

#[test]
fn the_same_envelope_twice_is_stored_once_and_answered_alike() {
    let (mut host, owner) = open();
    let first = host.put(&owner, &owner.address(Scope::Guest), None, envelope(0));
    host.now = NOW.after(HOUR);
    assert_eq!(host.put(&owner, &owner.address(Scope::Guest), None, envelope(0)), first);
    assert_eq!(host.relay.counts(), (1, 1));
}

#[test]
fn an_envelope_that_is_put_again_days_later_is_kept_as_long_as_a_new_one() {
    let (mut host, owner) = open();
    visit(&mut host, &owner);
    host.put(&owner, &owner.address(Scope::Guest), None, envelope(0));
    host.now = NOW.after(5 * DAY);
    let again = host.put(&owner, &owner.address(Scope::Guest), None, envelope(0));
    assert_eq!(again, Some(Outcome::Stored(host.now.after(FOREIGN_LIFE))));
    assert_eq!(host.relay.counts(), (1, 1));
    for (days, left) in [(8, 1), (13, 0)] {
        host.now = NOW.after(days * DAY);
        host.relay.tick(host.now, &mut host.rows).unwrap();
        assert_eq!(host.relay.counts(), (1, left), "after {days} days");
    }
}

#[test]
fn a33_an_address_without_its_key_or_revoked_is_not_even_answered() {
    let (mut host, owner) = open();
    let stranger = Owner { friendship: FriendshipSecret { revision: 3, secret: Secret::from_bytes([99; 32]) }, ..Owner::new(10) };
    assert_eq!(host.put(&stranger, &owner.address(Scope::Friends(3)), None, envelope(0)), None);
    assert_eq!(host.put(&owner, &AddressBody { queue: QueueId([99; 16]), ..owner.address(Scope::Guest) }, None, envelope(0)), None);
    assert_eq!(host.put(&owner, &AddressBody { queue: owner.contact, ..owner.address(Scope::Guest) }, None, envelope(0)), None);
    let mailbox = host.link().mailbox();
    let record = MailboxRecord { revoked: vec![GrantId([7; 16])], ..owner.record(2, &mailbox) };
    let update = Update::seal(&owner.key, &host.link(), &record, &mut host.rng).unwrap();
    assert_eq!(host.verdict(&Frame::Update(update)), Verdict::Ok);
    // Holders of the key hear that it was replaced; others learn nothing.
    assert_eq!(host.put(&owner, &owner.address(Scope::Guest), None, envelope(0)), Some(Outcome::Refused(Refusal::Refused)));
    assert_eq!(host.put(&owner, &owner.address(Scope::Contact), None, envelope(0)), Some(Outcome::Refused(Refusal::UsedUp)));
    let forged = Owner { secret: Secret::from_bytes([99; 32]), ..Owner::new(10) };
    assert_eq!(host.put(&forged, &owner.address(Scope::Guest), None, envelope(0)), None);
    assert_eq!(host.relay.counts(), (1, 0));
}

#[test]
fn the_current_key_of_friends_is_good_with_an_address_told_before_and_an_old_one_with_none() {
    let (mut host, owner) = open();
    let address = owner.address(Scope::Friends(2));
    assert!(matches!(host.put(&owner, &address, None, envelope(0)), Some(Outcome::Stored(_))));
    let later = Owner { friendship: FriendshipSecret { revision: 4, secret: Secret::from_bytes([98; 32]) }, ..Owner::new(1) };
    let record =
        MailboxRecord { revision: 4, put: later.friendship.put(&host.link().mailbox()), ..owner.record(2, &host.link().mailbox()) };
    let update = Update::seal(&owner.key, &host.link(), &record, &mut host.rng).unwrap();
    assert_eq!(host.verdict(&Frame::Update(update)), Verdict::Ok);
    for revision in [2, 3, 4] {
        let address = owner.address(Scope::Friends(revision));
        assert_eq!(host.put(&owner, &address, None, envelope(1)), Some(Outcome::Refused(Refusal::Stale)));
        assert!(matches!(host.put(&later, &address, None, envelope(revision)), Some(Outcome::Stored(_))));
    }
}

#[test]
fn an_expired_grant_is_refused_with_a_signature() {
    let (mut host, owner) = open();
    for scope in [Scope::Friends(3), Scope::Guest, Scope::Contact] {
        let late = AddressBody { expires: Timestamp(NOW.0 - HOUR), ..owner.address(scope) };
        assert_eq!(host.put(&owner, &late, None, envelope(0)), Some(Outcome::Refused(Refusal::Expired)));
    }
}

#[test]
fn a61_a_full_queue_refuses_and_takes_in_again_once_there_is_room() {
    let (mut host, owner) = open();
    let contact = owner.address(Scope::Contact);
    for counter in 0..u64::from(CONTACT_MAX.0) {
        assert!(matches!(host.put(&owner, &contact, None, envelope(counter)), Some(Outcome::Stored(_))));
    }
    assert_eq!(host.put(&owner, &contact, None, envelope(1_000)), Some(Outcome::Refused(Refusal::Full)));
    assert!(
        matches!(host.put(&owner, &owner.address(Scope::Guest), None, envelope(1_001)), Some(Outcome::Stored(_))),
        "friends have room of their own"
    );
    let pushed = host.fetch(&owner);
    assert_eq!(pushed.len(), PUSH_FIRST.0, "no more than the window");
    let more = host.ack(&owner, vec![pushed[0].number]);
    assert_eq!(more.len(), PUSH_FIRST.0 + 1, "an acknowledgement doubles it");
    assert!(matches!(host.put(&owner, &contact, None, envelope(1_000)), Some(Outcome::Stored(_))));
}

#[test]
fn entries_whose_time_is_over_are_deleted() {
    let (mut host, owner) = open();
    visit(&mut host, &owner);
    for counter in 0..300 {
        host.put(&owner, &owner.address(Scope::Friends(3)), None, envelope(counter));
    }
    host.now = NOW.after(FOREIGN_LIFE + 1);
    for _ in 0..3 {
        host.relay.tick(host.now, &mut host.rows).unwrap();
        host.close();
    }
    assert_eq!(host.relay.counts(), (1, 0));
    assert!(!host.rows.0.keys().any(|(table, _)| *table != RelayTable::Mailbox));
}

//! Guests, members of rooms and holders of invites: what of theirs is kept, and for how long.

use super::*;
use crate::limits::MEMBERS_USES;

/// Envelopes under a guest's grant of its own.
fn guest(owner: &Owner, number: u8) -> AddressBody {
    AddressBody { grant: GrantId([number; 16]), ..owner.address(Scope::Guest) }
}

fn revoke(host: &mut Host, owner: &Owner, version: u64, revoked: Vec<GrantId>) {
    let record = MailboxRecord { revoked, ..owner.record(version, &host.link().mailbox()) };
    assert_eq!(host.update_with(owner, record), Verdict::Ok);
}

fn stored(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Stored(_)))
}

#[test]
fn a102_guests_fill_a_queue_of_their_own_and_friends_have_theirs() {
    let (mut host, owner) = open();
    let mut counter = 0;
    for number in 0..4 {
        for _ in 0..USES_MAX {
            counter += 1;
            assert!(stored(host.put(&owner, &guest(&owner, number), None, envelope(counter))));
        }
    }
    assert_eq!(counter, u64::from(GUEST_MAX.0));
    assert_eq!(host.put(&owner, &guest(&owner, 9), None, envelope(1_000)), Some(Outcome::Refused(Refusal::Full)));
    assert!(stored(host.put(&owner, &owner.address(Scope::Friends(3)), None, envelope(1_001))), "friends");
    assert!(stored(host.put(&owner, &owner.address(Scope::Contact), None, envelope(1_002))), "strangers");
    let pushed = host.fetch(&owner);
    assert!(pushed.iter().all(|deposit| deposit.queue == Queue::Guest));
    host.ack(&owner, vec![pushed[0].number]);
    assert!(stored(host.put(&owner, &guest(&owner, 9), None, envelope(1_000))), "there is room again");
}

/// Leaves an envelope, which the owner fetches at once.
fn put_and_fetch(host: &mut Host, owner: &Owner, body: &AddressBody, counter: u64) -> Option<Outcome> {
    let said = host.put(owner, body, None, envelope(counter));
    let numbers = host.fetch(owner).iter().map(|deposit| deposit.number).collect();
    host.ack(owner, numbers);
    host.relay.link_down(1);
    host.relay.link_up(1, 1);
    said
}

#[test]
fn a102_a_guests_grant_is_good_for_a_bounded_number_of_envelopes_in_its_life() {
    let (mut host, owner) = open();
    let body = guest(&owner, 1);
    for counter in 0..USES_MAX as u64 {
        assert!(stored(put_and_fetch(&mut host, &owner, &body, counter)));
    }
    assert!(stored(host.put(&owner, &body, None, envelope(0))), "a repeat is no other use");
    assert_eq!(host.put(&owner, &body, None, envelope(999)), Some(Outcome::Refused(Refusal::UsedUp)));
}

/// A grant of which uses are counted by the day.
fn lifeline(owner: &Owner, number: u8) -> AddressBody {
    AddressBody { uses: LIFELINE_USES, expires: NOW.after(400 * DAY), ..guest(owner, number) }
}

#[test]
fn a33_a_lifeline_is_good_for_eight_envelopes_a_day_and_sixteen_may_wait() {
    let (mut host, owner) = open();
    let (body, mut counter) = (lifeline(&owner, 1), 0);
    for day in 0..20 {
        host.now = NOW.after(day * DAY);
        visit(&mut host, &owner);
        for used in 0..LIFELINE_USES + 3 {
            let said = put_and_fetch(&mut host, &owner, &body, counter);
            assert_eq!(stored(said), used < LIFELINE_USES, "envelope {used} of day {day}");
            counter += u64::from(stored(said));
        }
        assert!(stored(host.put(&owner, &body, None, envelope(counter - 1))), "a repeat is no other use");
        put_and_fetch(&mut host, &owner, &guest(&owner, 100 + day as u8), 10_000 + day);
    }
    assert!(rows(&host, RelayTable::Use) <= USES_MAX + 20, "what is remembered of one is bounded");
    // Nobody fetches: of all days together no more wait than two days' worth.
    let mut left = 0;
    for day in 30..36 {
        host.now = NOW.after(day * DAY);
        for _ in 0..LIFELINE_USES {
            counter += 1;
            left += usize::from(stored(host.put(&owner, &lifeline(&owner, 2), None, envelope(counter))));
        }
    }
    assert_eq!(left, LIFELINE_USES as usize * LIFELINE_DAYS_WAITING);
    let greedy = AddressBody { uses: 1_000, ..lifeline(&owner, 3) };
    let taken = (0..20).filter(|counter| stored(host.put(&owner, &greedy, None, envelope(50_000 + counter)))).count();
    assert_eq!(taken, LIFELINE_USES as usize, "whatever it says itself");
}

#[test]
fn a_lifeline_outlives_the_queue_secret_that_it_was_made_under_once_unless_it_was_revoked() {
    let (mut host, owner) = open();
    let drawn = |host: &mut Host, version: u64, secret: u8, revoked: Vec<GrantId>| {
        let record =
            MailboxRecord { queue_secret: Secret::from_bytes([secret; 32]), revoked, ..owner.record(version, &host.link().mailbox()) };
        assert_eq!(host.update_with(&owner, record), Verdict::Ok);
        host.restart();
    };
    let (kept, ended, reply) = (lifeline(&owner, 1), lifeline(&owner, 2), guest(&owner, 3));
    drawn(&mut host, 2, 77, vec![ended.grant]);
    assert!(stored(host.put(&owner, &kept, None, envelope(1))));
    assert_eq!(host.put(&owner, &ended, None, envelope(2)), Some(Outcome::Refused(Refusal::Refused)));
    assert_eq!(host.put(&owner, &reply, None, envelope(3)), None, "other grants end with the secret");
    let forged = Owner { secret: Secret::from_bytes([78; 32]), ..Owner::new(10) };
    assert_eq!(host.put(&forged, &kept, None, envelope(4)), None);
    // A record that says nothing new of it takes nothing away.
    drawn(&mut host, 3, 77, vec![ended.grant]);
    assert!(stored(host.put(&owner, &kept, None, envelope(5))));
    drawn(&mut host, 4, 79, Vec::new());
    assert_eq!(host.put(&owner, &kept, None, envelope(6)), None, "of the secrets before, one is remembered");
    let under_it = Owner { secret: Secret::from_bytes([77; 32]), ..Owner::new(10) };
    assert!(stored(host.put(&under_it, &lifeline(&owner, 4), None, envelope(7))));
}

#[test]
fn a102_junk_does_not_use_an_invite_up_and_the_true_request_gets_in_once_it_is_fetched() {
    let (mut host, owner) = open();
    let single = AddressBody { uses: 1, ..owner.address(Scope::Contact) };
    for counter in 0..WAITING_FOR_USE as u64 {
        assert!(stored(host.put(&owner, &single, Some(host_nonce(counter)), envelope(counter))));
    }
    let offer = envelope(1_000);
    assert_eq!(host.put(&owner, &single, Some(host_nonce(1_000)), offer.clone()), Some(Outcome::Refused(Refusal::Full)));
    let numbers = host.fetch(&owner).iter().map(|deposit| deposit.number).collect();
    host.ack(&owner, numbers);
    assert!(stored(host.put(&owner, &single, Some(host_nonce(1_000)), offer)), "which one counts is the owner's to say");
    // However often it is filled: what is remembered of one grant is bounded.
    for counter in 2_000..2_200 {
        host.put(&owner, &single, Some(host_nonce(counter)), envelope(counter));
        let numbers = host.fetch(&owner).iter().map(|deposit| deposit.number).collect();
        host.ack(&owner, numbers);
        host.relay.link_down(1);
        host.relay.link_up(1, 1);
    }
    assert_eq!(rows(&host, RelayTable::Use), USES_MAX);
    assert_eq!(rows(&host, RelayTable::Expiry), USES_MAX);
}

#[test]
fn anyone_who_left_something_by_an_invite_that_another_has_used_hears_so_when_they_ask_again() {
    let (mut host, owner) = open();
    let single = AddressBody { uses: 1, ..owner.address(Scope::Contact) };
    let offer = |host: &mut Host, number| host.put(&owner, &single, Some(host_nonce(number)), envelope(number));
    let said = [1, 2].map(|number| offer(&mut host, number));
    assert!(said.into_iter().all(stored));
    let numbers: Vec<u64> = host.fetch(&owner).iter().map(|deposit| deposit.number).collect();
    assert_eq!([1, 2].map(|number| offer(&mut host, number)), said, "while nobody knows which one counts");
    let (nonce, mailbox, now) = (host.nonce(), host.link().mailbox(), host.now);
    let second = vec![numbers[1]];
    host.turn(1, &Frame::Ack(Ack::sign(&owner.key, &mailbox, numbers, second, nonce, now)));
    for is_revoked in [false, true] {
        if is_revoked {
            revoke(&mut host, &owner, 2, vec![single.grant]);
        }
        assert_eq!(offer(&mut host, 1), said[0], "what counts is answered as before");
        assert_eq!(offer(&mut host, 2), Some(Outcome::Refused(Refusal::UsedUp)));
        assert_eq!(host.relay.counts().1, 0, "and asking again costs the owner nothing");
        host.restart();
    }
    assert_eq!(offer(&mut host, 3), Some(Outcome::Refused(Refusal::UsedUp)));
}

fn host_nonce(number: u64) -> Nonce {
    let mut nonce = [0; 16];
    nonce[8..].copy_from_slice(&number.to_be_bytes());
    Nonce(nonce)
}

#[test]
fn what_was_answered_before_is_answered_the_same_after_its_grant_was_revoked_or_has_expired() {
    let (mut host, owner) = open();
    let single = AddressBody { uses: 1, grant: GrantId([8; 16]), ..owner.address(Scope::Contact) };
    let guest = AddressBody { expires: NOW.after(2 * DAY), ..guest(&owner, 7) };
    let (confirm, offer) = (host.put(&owner, &guest, None, envelope(0)), host.put(&owner, &single, Some(host_nonce(0)), envelope(1)));
    assert!(stored(confirm) && stored(offer));
    // While they wait, and after they were fetched and deleted.
    for is_fetched in [false, true] {
        if is_fetched {
            let numbers = host.fetch(&owner).iter().map(|deposit| deposit.number).collect();
            host.ack(&owner, numbers);
            assert_eq!(host.relay.counts().1, 0);
        }
        revoke(&mut host, &owner, 2 + u64::from(is_fetched), vec![guest.grant, single.grant]);
        assert_eq!(host.put(&owner, &guest, None, envelope(0)), confirm);
        assert_eq!(host.put(&owner, &single, Some(host_nonce(0)), envelope(1)), offer);
        assert_eq!(host.put(&owner, &guest, None, envelope(2)), Some(Outcome::Refused(Refusal::Refused)));
        assert_eq!(host.put(&owner, &single, Some(host_nonce(9)), envelope(3)), Some(Outcome::Refused(Refusal::UsedUp)));
    }
    assert_eq!(host.relay.counts().1, 0, "nothing of it is stored again");
    host.restart();
    revoke(&mut host, &owner, 4, Vec::new());
    host.now = NOW.after(3 * DAY);
    assert_eq!(host.put(&owner, &guest, None, envelope(0)), confirm, "its grant has expired");
    assert_eq!(host.put(&owner, &guest, None, envelope(2)), Some(Outcome::Refused(Refusal::Expired)));
    host.now = NOW.after(9 * DAY);
    tend(&mut host);
    assert_eq!(host.put(&owner, &guest, None, envelope(0)), Some(Outcome::Refused(Refusal::Expired)), "nor for ever");
}

#[test]
fn a102_rows_of_uses_are_bounded_in_a_mailbox_and_end_with_their_grant() {
    let (mut host, owner) = open();
    let body = |number: u32| {
        let mut grant = [3; 16];
        grant[..4].copy_from_slice(&number.to_be_bytes());
        AddressBody { grant: GrantId(grant), uses: 1, expires: NOW.after(DAY), ..owner.address(Scope::Contact) }
    };
    let mut taken = 0;
    visit(&mut host, &owner);
    for number in 0..USES_OF_MAILBOX_MAX + 100 {
        // Behind the address and its MAC, each entry fetched before the next one comes.
        let put = Put::new(vec![1; 80], &owner.secret, 30 * 24 * 3600, Some(host_nonce(0)), envelope(u64::from(number))).unwrap();
        let Relay { mailboxes, links, .. } = &mut host.relay;
        let said = entries::store(mailboxes, links, &mut host.rows, NOW, &owner.key.public(), &body(number), put).unwrap();
        taken += u32::from(stored(Some(said)));
        entries::delete(mailboxes, &mut host.rows, &owner.key.public(), u64::from(taken), false).unwrap();
    }
    host.close();
    assert_eq!(taken, USES_OF_MAILBOX_MAX);
    assert_eq!(rows(&host, RelayTable::Use), taken as usize);
    // Kept for as long as it was said that the envelope would be, here longer than the grant.
    host.now = NOW.after(FOREIGN_LIFE + HOUR);
    tend(&mut host);
    assert_eq!((rows(&host, RelayTable::Use), rows(&host, RelayTable::Expiry)), (0, 0));
    assert_eq!(host.relay.mailboxes.all().next().unwrap().uses, Some(0));
}

#[test]
fn u4_a_relay_says_stale_of_the_last_64_keys_and_signs_it_with_its_own() {
    let (mut host, owner) = open();
    let key = |number: u8| FriendshipSecret { revision: 3, secret: Secret::from_bytes([number; 32]) };
    let with = |number: u8| Owner { friendship: key(number), ..Owner::new(10) };
    let keys = 100..101 + PAST_MAX as u8 + 1;
    for (version, number) in (2..).zip(keys.clone()) {
        assert_eq!(host.update(&with(number), version, None), Verdict::Ok);
    }
    host.restart();
    let current = keys.end - 1;
    for number in keys.clone() {
        // `outcome` believes what the relay's receipt key has signed, and nothing else.
        let said = host.put(&with(number), &owner.address(Scope::Friends(3)), None, envelope(0));
        match current - number {
            0 => assert!(stored(said)),
            age if age as usize <= PAST_MAX => assert_eq!(said, Some(Outcome::Refused(Refusal::Stale)), "{age} keys ago"),
            _ => assert_eq!(said, None, "as to anybody"),
        }
    }
    assert_eq!(host.put(&owner, &owner.address(Scope::Friends(3)), None, envelope(0)), None);
}

#[test]
fn members_of_rooms_put_any_number_and_what_waits_has_a_share_of_its_own() {
    let (mut host, owner) = open();
    let members = AddressBody { uses: MEMBERS_USES, ..guest(&owner, 1) };
    for counter in 0..u64::from(MEMBERS_MAX.0) {
        // Each is fetched and deleted later: far more than a guest's 64 come under the one grant.
        assert!(stored(host.put(&owner, &members, None, envelope(counter))), "{counter}");
    }
    assert_eq!(host.put(&owner, &members, None, envelope(1_000_000)), Some(Outcome::Refused(Refusal::Full)));
    // Guests and friends have their own shares, and no row counts a member's envelopes.
    assert!(stored(host.put(&owner, &guest(&owner, 2), None, envelope(1_000_001))));
    assert!(stored(host.put(&owner, &owner.address(Scope::Friends(1)), None, envelope(1_000_002))));
    assert_eq!(rows(&host, RelayTable::Use), 1);
    host.restart();
    assert_eq!(host.put(&owner, &members, None, envelope(1_000_003)), Some(Outcome::Refused(Refusal::Full)), "also when it starts again");
    // What was fetched makes room.
    let first = host.fetch(&owner).iter().map(|deposit| deposit.number).min().unwrap();
    host.ack(&owner, vec![first]);
    assert!(stored(host.put(&owner, &members, None, envelope(1_000_004))));
}

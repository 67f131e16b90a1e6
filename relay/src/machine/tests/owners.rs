//! Owners: who may have a mailbox here, and what sessions and acknowledgements do.

use super::*;

#[test]
fn a86_only_the_claim_code_opens_an_owner_only_relay() {
    let (mut host, owner) = (Host::new(Policy::Owner), Owner::new(10));
    assert_eq!(host.update(&owner, 1, None), Verdict::Refused);
    assert_eq!(host.update(&owner, 1, Some(ClaimCode([0; 16]))), Verdict::Refused);
    let claim = host.keys.claim;
    assert_eq!(host.relay.refusals().mailboxes, 2);
    assert_eq!(host.update(&owner, 1, Some(claim)), Verdict::Ok);
    assert_eq!(host.put(&owner, &owner.address(Scope::Guest), None, envelope(0)), Some(Outcome::Stored(NOW.after(OWN_LIFE))));
    assert_eq!(host.update(&owner, 2, None), Verdict::Ok, "once is enough");
}

#[test]
fn a86_the_friends_code_opens_a_relay_for_friends_and_no_other() {
    let (mut host, owner) = (Host::new(Policy::Friends), Owner::new(10));
    let (claim, friends) = (host.keys.claim, host.keys.friends);
    assert_ne!(claim, friends);
    assert_eq!(host.update(&owner, 1, None), Verdict::Refused);
    assert_eq!(host.update(&owner, 1, Some(friends)), Verdict::Ok);
    assert_eq!(host.put(&owner, &owner.address(Scope::Guest), None, envelope(0)), Some(Outcome::Stored(NOW.after(FOREIGN_LIFE))));
    let mine = Owner::new(20);
    assert_eq!(host.update(&mine, 1, Some(claim)), Verdict::Ok);
    assert_eq!(host.put(&mine, &mine.address(Scope::Guest), None, envelope(1)), Some(Outcome::Stored(NOW.after(OWN_LIFE))));
    let (mut host, owner) = (Host::new(Policy::Owner), Owner::new(10));
    let friends = host.keys.friends;
    assert_eq!(host.update(&owner, 1, Some(friends)), Verdict::Refused, "the owner lets nobody else in");
}

#[test]
fn connections_are_forwarded_only_to_the_owner_of_a_mailbox_who_has_proved_it() {
    let (mut host, owner) = open();
    host.admitted.clear();
    let mailbox = host.link().mailbox();
    let (stranger, now) = (Owner::new(90), host.now);
    let nonce = host.nonce();
    host.turn(2, &Frame::Session(Session::sign(&stranger.key, &mailbox, nonce, now)));
    let nonce = host.nonce();
    let mut forged = Session::sign(&stranger.key, &mailbox, nonce, now);
    forged.owner = owner.key.public();
    host.turn(2, &Frame::Session(forged));
    assert_eq!(host.admitted, []);
    assert_eq!(host.relay.refusals(), Refusals::default(), "who has no mailbox yet begins so, too");
    host.fetch(&owner);
    assert_eq!(host.admitted, [1]);
}

#[test]
fn g12_a_session_for_another_mailbox_is_answered_by_a_signature_that_is_good_for_nothing_else() {
    let (mut host, owner) = open();
    let (elsewhere, now) = (MailboxKeys::random(&mut host.rng).id(), host.now);
    for at in [now, now.after(DAY)] {
        let nonce = host.nonce();
        // Also somebody who names an owner of a mailbox here finds out nothing about it.
        let asked = Session::sign(&owner.key, &elsewhere, nonce, at);
        let said = host.turn(2, &Frame::Session(asked));
        let [(2, Some(Frame::Accepted(accepted)))] = said.as_slice() else { unreachable!("{said:?}") };
        let key = VerifyingKey::parse(&host.link().receipt).unwrap();
        let body = accepted.verify(&key, &host.link().mailbox()).unwrap();
        assert_eq!((body.version, body.entries, body.bytes, body.verdict), (0, 0, 0, Verdict::Refused));
        assert_eq!(body.owner, PublicKeyBytes([0; 32]), "it is said of nobody");
        assert!(accepted.verify(&key, &elsewhere).is_err());
    }
    assert_eq!(host.relay.links.faults(2), Some(2));
}

#[test]
fn a_record_is_replaced_only_by_a_newer_one_of_its_owner() {
    let (mut host, owner) = open();
    assert_eq!(host.update(&owner, 1, None), Verdict::Outdated);
    assert_eq!(host.update(&Owner { direct: owner.direct, ..Owner::new(20) }, 9, None), Verdict::Refused, "another's queue");
    host.now = NOW.after(HOUR);
    let old = Update::seal(&owner.key, &host.link(), &owner.record(5, &host.link().mailbox()), &mut host.rng).unwrap();
    assert_eq!(host.verdict(&Frame::Update(old)), Verdict::Untimely, "sealed an hour ago");
    assert_eq!(host.update(&owner, 5, None), Verdict::Ok);
}

#[test]
fn a26_a_session_or_an_acknowledgement_replayed_or_old_changes_nothing() {
    let (mut host, owner) = open();
    let mailbox = host.link().mailbox();
    host.put(&owner, &owner.address(Scope::Guest), None, envelope(0));
    let session = Frame::Session(Session::sign(&owner.key, &mailbox, Nonce([50; 16]), NOW));
    assert_eq!(deposits(host.turn(1, &session)).len(), 1);
    assert!(host.turn(2, &session).is_empty(), "anyone who heard it cannot use it");
    let stranger = Owner::new(30);
    let ack = Frame::Ack(Ack::sign(&stranger.key, &mailbox, vec![1], Vec::new(), Nonce([51; 16]), NOW));
    assert!(host.turn(1, &ack).is_empty());
    host.now = NOW.after(HOUR);
    // An owner with a wrong clock hears what time it is here, and gets nothing.
    let late = Frame::Session(Session::sign(&owner.key, &mailbox, Nonce([52; 16]), NOW));
    assert_eq!(host.verdict(&late), Verdict::Untimely);
    assert!(deposits(host.turn(1, &late)).is_empty());
    assert_eq!(host.relay.counts(), (1, 1));
    let unknown = Frame::Session(Session::sign(&stranger.key, &mailbox, Nonce([53; 16]), host.now));
    assert_eq!(host.verdict(&unknown), Verdict::Refused);
}

#[test]
fn mailboxes_links_and_faults_are_bounded() {
    let mut host = Host::new(Policy::Owner);
    let claim = host.keys.claim;
    for number in 1..=OWN_MAILBOXES_MAX as u32 {
        assert_eq!(host.update(&Owner::number(number), 1, Some(claim)), Verdict::Ok);
    }
    assert_eq!(host.update(&Owner::number(0), 1, Some(claim)), Verdict::Full);
    for link in 10..10 + 2 * LINKS_MAX as u64 {
        host.relay.link_up(link, link);
        assert!(host.relay.links.len() <= LINKS_MAX);
    }
    let newest = 9 + 2 * LINKS_MAX as u64;
    for _ in 0..FAULTS_MAX {
        host.relay.frame(NOW, &mut host.rows, newest, b"nonsense").unwrap();
    }
    assert!(host.relay.links.faults(newest).is_none());
}

#[test]
fn a100_sessions_and_acknowledgements_of_strangers_are_their_own_faults_and_shut_nobody_out() {
    let (mut host, owner) = open();
    let mailbox = host.link().mailbox();
    host.put(&owner, &owner.address(Scope::Guest), None, envelope(0));
    let (mut link, mut sent) = (100, 0);
    host.relay.link_up(link, link);
    while sent < 3_000 {
        let stranger = SigningKey::from_seed(&[56 + (sent % 200) as u8; 32]);
        let (nonce, now) = (host.nonce(), host.now);
        let frame = match sent % 2 {
            0 => Frame::Session(Session::sign(&stranger, &mailbox, nonce, now)),
            _ => Frame::Ack(Ack::sign(&stranger, &mailbox, vec![1], Vec::new(), nonce, now)),
        };
        let said = host.turn(link, &frame);
        sent += 1;
        if said.iter().any(|(_, frame)| frame.is_none()) {
            assert_eq!(sent % u64::from(FAULTS_MAX), 0, "each is a fault");
            link += 1;
            host.relay.link_up(link, link);
        }
    }
    assert_eq!(link - 100, sent / u64::from(FAULTS_MAX));
    assert!(host.relay.mailboxes.nonces_kept().is_empty(), "nothing of a stranger is remembered");
    let pushed = host.fetch(&owner);
    assert_eq!(pushed.len(), 1, "the owner gets in");
    host.ack(&owner, vec![pushed[0].number]);
    assert_eq!(host.relay.counts(), (1, 0), "and what is settled is deleted");
    assert_eq!(host.relay.links.faults(1), Some(0), "no fault of a stranger is the owner's");
}

#[test]
fn a100_one_owner_who_signs_much_shuts_out_no_other_and_not_themselves() {
    let (mut host, busy) = open();
    let calm = Owner::new(50);
    assert_eq!(host.update(&calm, 1, None), Verdict::Ok);
    for _ in 0..2_000 {
        host.now = host.now.after(1);
        host.relay.link_down(1);
        host.relay.link_up(1, 1);
        host.fetch(&busy);
    }
    assert_eq!(host.relay.mailboxes.nonces_kept(), [(NONCES_MAX, 0)]);
    for (owner, link) in [(&calm, 1), (&busy, 2)] {
        host.relay.link_down(link);
        host.relay.link_up(link, link);
        host.put(owner, &owner.address(Scope::Friends(3)), None, envelope(0));
        let (nonce, mailbox, now) = (host.nonce(), host.link().mailbox(), host.now);
        let said = host.turn(link, &Frame::Session(Session::sign(&owner.key, &mailbox, nonce, now)));
        assert_eq!(deposits(said).len(), 1);
        assert_eq!(host.relay.links.faults(link), Some(0));
    }
    host.now = host.now.after(HOUR);
    host.relay.tick(host.now, &mut host.rows).unwrap();
    assert!(host.relay.mailboxes.nonces_kept().is_empty(), "all is forgotten in time");
}

#[test]
fn a100_an_acknowledgement_counts_where_the_session_is_open_and_for_what_was_pushed_there() {
    let (mut host, owner) = open();
    for counter in 0..2 {
        host.put(&owner, &owner.address(Scope::Guest), None, envelope(counter));
    }
    let (mailbox, now, nonce) = (host.link().mailbox(), host.now, host.nonce());
    let ack = Frame::Ack(Ack::sign(&owner.key, &mailbox, vec![1, 2], Vec::new(), nonce, now));
    host.turn(1, &ack);
    assert_eq!(host.relay.counts(), (1, 2), "no session");
    host.fetch(&owner);
    host.turn(2, &ack);
    assert_eq!(host.relay.counts(), (1, 2), "somebody who heard it, on another link");
    host.ack(&owner, vec![1, 2, 3]);
    assert_eq!(host.relay.counts(), (1, 0));
    host.put(&owner, &owner.address(Scope::Guest), None, envelope(2));
    host.turn(1, &ack);
    assert_eq!(host.relay.counts(), (1, 1), "shown again it deletes nothing");
}

#[test]
fn an_owner_s_newer_link_closes_the_older_one_so_that_nobody_waits_at_a_link_to_which_nothing_is_pushed() {
    let (mut host, owner) = open();
    host.fetch(&owner);
    host.relay.link_up(7, 7);
    let (nonce, mailbox, now) = (host.nonce(), host.link().mailbox(), host.now);
    let out = host.turn(7, &Frame::Session(Session::sign(&owner.key, &mailbox, nonce, now)));
    let closed: Vec<Link> = out.iter().filter(|(_, frame)| frame.is_none()).map(|(link, _)| *link).collect();
    assert_eq!(closed, [1], "another copy of the folder may be behind it: it comes again once this one has gone");
    host.put(&owner, &owner.address(Scope::Guest), None, envelope(1));
    host.relay.link_down(7);
    host.relay.link_up(1, 1);
    assert_eq!(host.fetch(&owner).len(), 1);
}

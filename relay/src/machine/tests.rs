#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::link::RelayLink;
use rand_core::SeedableRng;
use std::cell::Cell;
use symbolon_presence::address::Address;
use symbolon_presence::envelope::KnownKey;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::DeviceId;
use symbolon_presence::seal::DhKey;
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::time::HOUR;

mod ahead;
mod bounds;
mod guests;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// Rows in memory, and the most bytes that one look-up of several has brought.
#[derive(Debug, Default)]
struct Memory(BTreeMap<(RelayTable, Vec<u8>), Vec<u8>>, Cell<usize>);

impl RelayShelf for Memory {
    fn get(&self, table: RelayTable, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfFailed> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn range(&self, table: RelayTable, from: &[u8], limit: usize) -> Result<RelayRows, ShelfFailed> {
        let rows = self.0.range((table, from.to_vec())..).take_while(|((other, _), _)| *other == table);
        let found: RelayRows = rows.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect();
        self.1.set(self.1.get().max(found.iter().map(|(_, value)| value.len()).sum()));
        Ok(found)
    }

    fn set(&mut self, table: RelayTable, key: &[u8], value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.0.insert((table, key.to_vec()), value),
            None => self.0.remove(&(table, key.to_vec())),
        };
    }
}

/// A relay with its rows, and what it said.
struct Host {
    relay: Relay,
    rows: Memory,
    keys: RelayKeys,
    rng: rand_chacha::ChaCha20Rng,
    now: Timestamp,
    nonce: u64,
    /// Links to whose owners connections may be forwarded.
    admitted: Vec<Link>,
    kept: Vec<Link>,
    /// Records that are to be found.
    hosted: Vec<Vec<u8>>,
}

impl Host {
    fn new(policy: Policy) -> Self {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let keys = RelayKeys::random(&mut rng);
        let rows = Memory::default();
        let relay = Relay::load(keys.clone(), policy, &rows, NOW).unwrap();
        let mut host = Self { relay, rows, keys, rng, now: NOW, nonce: 0, admitted: Vec::new(), kept: Vec::new(), hosted: Vec::new() };
        host.relay.link_up(1, 1);
        host.relay.link_up(2, 2);
        host
    }

    /// What `kill -9` leaves: the rows.
    fn restart(&mut self) {
        self.relay = Relay::load(self.keys.clone(), self.relay.policy, &self.rows, self.now).unwrap();
        self.relay.link_up(1, 1);
        self.relay.link_up(2, 2);
    }

    fn link(&self) -> RelayLink {
        RelayLink { mailbox_key: self.keys.mailbox.public(), receipt: self.relay.receipt_key(), places: vec![Address(vec![4])] }
    }

    /// One turn with one frame; what left by it.
    fn turn(&mut self, link: Link, frame: &Frame) -> Vec<(Link, Option<Frame>)> {
        self.relay.frame(self.now, &mut self.rows, link, &frame.encode()).unwrap();
        self.close()
    }

    fn close(&mut self) -> Vec<(Link, Option<Frame>)> {
        self.relay.close_turn(self.now, &mut self.rows).unwrap();
        std::iter::from_fn(|| self.relay.poll_action())
            .filter_map(|action| match action {
                RelayAction::Send(link, bytes) => Some((link, Some(Frame::decode(&bytes).unwrap()))),
                RelayAction::Close(link) => Some((link, None)),
                RelayAction::Host(_, record) => {
                    self.hosted.push(record);
                    None
                }
                RelayAction::Admit(link) => {
                    self.admitted.push(link);
                    None
                }
                RelayAction::Heard(_) => None,
                RelayAction::Keep(link, kept) => {
                    self.kept.retain(|other| *other != link);
                    self.kept.extend(kept.then_some(link));
                    None
                }
            })
            .collect()
    }

    fn nonce(&mut self) -> Nonce {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_be_bytes());
        Nonce(nonce)
    }

    fn update(&mut self, owner: &Owner, version: u64, claim: Option<ClaimCode>) -> Verdict {
        let record = Record { claim, ..owner.record(version, &self.link().mailbox()) };
        self.update_with(owner, record)
    }

    fn update_with(&mut self, owner: &Owner, record: Record) -> Verdict {
        let record = Record { at: self.now, ..record };
        let update = Update::seal(&owner.key, &self.link(), &record, &mut self.rng).unwrap();
        self.verdict(&Frame::Update(update))
    }

    fn verdict(&mut self, frame: &Frame) -> Verdict {
        let key = VerifyingKey::parse(&self.relay.receipt_key()).unwrap();
        let said = self.turn(1, frame);
        let Some((1, Some(Frame::Accepted(accepted)))) = said.first() else { panic!("no answer: {said:?}") };
        accepted.verify(&key, &self.link().mailbox()).unwrap().verdict
    }

    fn put(&mut self, owner: &Owner, body: &AddressBody, usage: Option<Nonce>, envelope: Vec<u8>) -> Option<Outcome> {
        let put = self.make_put(owner, body, usage, envelope);
        self.outcome(&Frame::Put(put))
    }

    fn make_put(&mut self, owner: &Owner, body: &AddressBody, usage: Option<Nonce>, envelope: Vec<u8>) -> Put {
        let key = match body.scope {
            Scope::Friends(_) => owner.friendship.put(&self.link().mailbox()),
            Scope::Guest | Scope::Contact => grant_key(&owner.secret, body),
        };
        let address = self.link().seal_address(body, &mut self.rng).unwrap();
        Put::new(address, &key, 30 * 24 * 3600, usage, envelope).unwrap()
    }

    fn outcome(&mut self, frame: &Frame) -> Option<Outcome> {
        let key = VerifyingKey::parse(&self.relay.receipt_key()).unwrap();
        let mailbox = self.link().mailbox();
        self.turn(2, frame).into_iter().find_map(|(_, frame)| match frame {
            Some(Frame::Receipt(receipt)) => Some(receipt.verify(&key, &mailbox).unwrap().items[0].outcome),
            _ => None,
        })
    }

    /// Opens a session on link 1; what was pushed.
    fn fetch(&mut self, owner: &Owner) -> Vec<Deposit> {
        let (nonce, mailbox, now) = (self.nonce(), self.link().mailbox(), self.now);
        deposits(self.turn(1, &Frame::Session(Session::sign(&owner.key, &mailbox, nonce, now))))
    }

    fn ack(&mut self, owner: &Owner, numbers: Vec<u64>) -> Vec<Deposit> {
        let (nonce, mailbox, now) = (self.nonce(), self.link().mailbox(), self.now);
        deposits(self.turn(1, &Frame::Ack(Ack::sign(&owner.key, &mailbox, numbers, Vec::new(), nonce, now))))
    }
}

fn deposits(said: Vec<(Link, Option<Frame>)>) -> Vec<Deposit> {
    said.into_iter()
        .filter_map(|(_, frame)| match frame {
            Some(Frame::Deposit(deposit)) => Some(deposit),
            _ => None,
        })
        .collect()
}

struct Owner {
    key: SigningKey,
    direct: QueueId,
    contact: QueueId,
    secret: Secret,
    friendship: FriendshipSecret,
}

impl Owner {
    fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_seed(&[seed; 32]),
            direct: QueueId([seed; 16]),
            contact: QueueId([seed + 1; 16]),
            secret: Secret::from_bytes([seed; 32]),
            friendship: FriendshipSecret { revision: 3, secret: Secret::from_bytes([seed + 1; 32]) },
        }
    }

    /// One of many.
    fn number(number: u32) -> Self {
        let mut seed = [201; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let queue = |last: u8| {
            let mut queue = [last; 16];
            queue[..4].copy_from_slice(&number.to_be_bytes());
            QueueId(queue)
        };
        Self { key: SigningKey::from_seed(&seed), direct: queue(202), contact: queue(203), ..Self::new(200) }
    }

    fn record(&self, version: u64, mailbox: &MailboxId) -> Record {
        Record {
            version,
            direct: self.direct,
            contact: self.contact,
            queue_secret: self.secret.clone(),
            revision: self.friendship.revision,
            put: self.friendship.put(mailbox),
            revoked: Vec::new(),
            at: NOW,
            claim: None,
            capability: self.friendship.capability(mailbox).public(),
        }
    }

    fn address(&self, scope: Scope) -> AddressBody {
        let queue = if scope == Scope::Contact { self.contact } else { self.direct };
        AddressBody { queue, grant: GrantId([7; 16]), scope, expires: NOW.after(40 * DAY), uses: 0 }
    }
}

fn envelope(counter: u64) -> Vec<u8> {
    let (a, b) = (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]));
    KnownKey::agree(&a, &b.public(), &DeviceId([1; 16]), &DeviceId([2; 16])).seal(counter, &[0; 12], b"x").unwrap()
}

fn open() -> (Host, Owner) {
    let (mut host, owner) = (Host::new(Policy::Open), Owner::new(10));
    assert_eq!(host.update(&owner, 1, None), Verdict::Ok);
    (host, owner)
}

/// The owner opens a session and goes again.
fn visit(host: &mut Host, owner: &Owner) {
    host.relay.link_down(1);
    host.relay.link_up(1, 1);
    host.fetch(owner);
    host.relay.link_down(1);
    host.relay.link_up(1, 1);
}

fn rows(host: &Host, table: RelayTable) -> usize {
    host.rows.range(table, &[], usize::MAX).unwrap().len()
}

/// Ticks until nothing more is to be done now.
fn tend(host: &mut Host) {
    loop {
        let now = host.now;
        host.relay.tick(now, &mut host.rows).unwrap();
        host.close();
        if host.relay.next_due() > now {
            return;
        }
    }
}

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
    let record = Record { revoked: vec![GrantId([7; 16])], ..owner.record(2, &mailbox) };
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
    let record = Record { revision: 4, put: later.friendship.put(&host.link().mailbox()), ..owner.record(2, &host.link().mailbox()) };
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
fn a86_only_the_claim_code_opens_an_owner_only_relay() {
    let (mut host, owner) = (Host::new(Policy::Owner), Owner::new(10));
    assert_eq!(host.update(&owner, 1, None), Verdict::Refused);
    assert_eq!(host.update(&owner, 1, Some(ClaimCode([0; 16]))), Verdict::Refused);
    let claim = host.keys.claim;
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
    assert_eq!(host.relay.links[&2].faults, 2);
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
    assert!(host.turn(2, &session).is_empty(), "whoever heard it cannot use it");
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
    assert!(!host.relay.links.contains_key(&newest));
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
    assert!(host.relay.nonces.is_empty(), "nothing of a stranger is remembered");
    let pushed = host.fetch(&owner);
    assert_eq!(pushed.len(), 1, "the owner gets in");
    host.ack(&owner, vec![pushed[0].number]);
    assert_eq!(host.relay.counts(), (1, 0), "and what is settled is deleted");
    assert_eq!(host.relay.links.get(&1).unwrap().faults, 0, "no fault of a stranger is the owner's");
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
    assert_eq!(host.relay.nonces.values().map(Nonces::len).collect::<Vec<_>>(), [(NONCES_MAX, 0)]);
    for (owner, link) in [(&calm, 1), (&busy, 2)] {
        host.relay.link_down(link);
        host.relay.link_up(link, link);
        host.put(owner, &owner.address(Scope::Friends(3)), None, envelope(0));
        let (nonce, mailbox, now) = (host.nonce(), host.link().mailbox(), host.now);
        let said = host.turn(link, &Frame::Session(Session::sign(&owner.key, &mailbox, nonce, now)));
        assert_eq!(deposits(said).len(), 1);
        assert_eq!(host.relay.links.get(&link).unwrap().faults, 0);
    }
    host.now = host.now.after(HOUR);
    host.relay.tick(host.now, &mut host.rows).unwrap();
    assert!(host.relay.nonces.is_empty(), "all is forgotten in time");
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

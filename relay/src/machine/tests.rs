//! A relay in memory, its owners and their friends; what it does is tested in the files below.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::limits::*;
use super::seam::RelayRows;
use super::*;
use crate::grant::{MailboxKeys, Queue, Scope, grant_key};
use crate::limits::LIFELINE_USES;
use crate::link::{ClaimCode, RelayLink};
use crate::session::{Deposit, MailboxRecord};
use rand_core::SeedableRng;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::address::Address;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{DeviceId, GrantId, Nonce, QueueId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::seal::DhKey;
use symbolon_presence::seeds::{Ratchet, Seed};
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::time::{DAY, HOUR, MINUTE};

mod ahead;
mod bounds;
mod envelopes;
mod guests;
mod owners;

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
        self.relay = Relay::load(self.keys.clone(), self.relay.mailboxes.policy(), &self.rows, self.now).unwrap();
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
                RelayAction::Keep(link) => {
                    self.kept.retain(|other| *other != link);
                    self.kept.push(link);
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
        let record = MailboxRecord { claim, ..owner.record(version, &self.link().mailbox()) };
        self.update_with(owner, record)
    }

    fn update_with(&mut self, owner: &Owner, record: MailboxRecord) -> Verdict {
        let record = MailboxRecord { at: self.now, ..record };
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

    fn record(&self, version: u64, mailbox: &MailboxId) -> MailboxRecord {
        MailboxRecord {
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
    let seed = Seed { number: 1, secret: Secret::from_bytes([9; 32]) };
    // Another one for each counter.
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&counter.to_be_bytes());
    Ratchet::agree(&seed, &a, &b.public(), &DeviceId([1; 16]), &DeviceId([2; 16])).turn().seal(&nonce, b"x").unwrap()
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

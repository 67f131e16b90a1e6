//! The relay: mailboxes kept for others.
//!
//! Inputs in, changes and actions out; no clock, randomness, IO or runtime. A mailbox is
//! admitted by its owner's signed [`Record`], an envelope by the key that its sealed address
//! stands for. What is put is durable before the receipt leaves, is pushed to the owner
//! while a session is open, and is deleted when the owner has signed that it is settled, or
//! when its time is over. The relay opens nothing and knows no identity: owners are keys
//! that are used here only.

use crate::frame::{Frame, Outcome, Put, RECEIPT_MAX, Receipt, ReceiptBody, ReceiptItem, Refusal};
use crate::grant::{AddressBody, MailboxKeys, Scope, grant_key};
use crate::link::ClaimCode;
use crate::mailbox::{OpenedAddresses, Queue};
use crate::session::{Accepted, AcceptedBody, Ack, Deposit, Record, Session, Update, Verdict};
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use symbolon_presence::codec;
use symbolon_presence::id::{FrameId, GrantId, MailboxId, Nonce, PublicKeyBytes, QueueId};
use symbolon_presence::kdf::{Secret, mac_matches};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::{CLOCK_SKEW, DAY, HOUR, MINUTE, Timestamp};

mod away;
mod deposit;
mod nonces;
mod owner;
mod packages;

use nonces::Nonces;

/// Mailboxes of an owner-only relay.
pub const OWN_MAILBOXES_MAX: usize = 64;
/// Mailboxes of an open relay.
pub const OPEN_MAILBOXES_MAX: usize = 10_240;
/// Entries of friends and correspondents in one mailbox, and their bytes.
pub const DIRECT_MAX: (u32, u64) = (10_000, 64 * 1024 * 1024);
/// Entries of strangers in one mailbox, and their bytes.
pub const CONTACT_MAX: (u32, u64) = (256, 1024 * 1024);
/// How long an entry is kept for a mailbox of the relay's owner.
pub const OWN_LIFE: u64 = 30 * DAY;
/// How long for anybody else's.
pub const FOREIGN_LIFE: u64 = 7 * DAY;
/// Entries on the way to one owner without an acknowledgement, and their bytes.
pub const PUSH_MAX: (usize, usize) = (256, 4 * 1024 * 1024);
/// Links at once: as many as the transport lets in.
pub const LINKS_MAX: usize = 16_384;
/// Nonces of one owner's sessions that are remembered, for twice the clock skew. When full the oldest is
/// forgotten, and with it every session that is older still: nothing that was taken is taken again.
pub const NONCES_MAX: usize = 64;
/// Nonces of friends' questions remembered for one owner. Anybody who can push one out holds the
/// friendship token, and could take the packages without it.
pub const QUESTIONS_MAX: usize = 256;
/// Faults on one link before it is closed.
const FAULTS_MAX: u32 = 32;
/// Keys of friends remembered of each mailbox whose holders are told that they are over.
pub const PAST_MAX: usize = 64;
/// Entries deleted in one turn because their time is over.
const EXPIRED_AT_ONCE: usize = 256;
/// Pause between two looks at what is over.
const SWEEP: u64 = MINUTE;
/// The longest row.
const ROW_MAX: usize = 512 * 1024;

/// What a relay keeps. The shell gives each its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelayTable {
    /// A mailbox: [`PublicKeyBytes`] of the owner -> [`Mailbox`].
    Mailbox,
    /// An entry: owner, number -> [`Entry`].
    Entry,
    /// Where an envelope lies: owner, frame id -> number.
    Frame,
    /// When an entry is over: moment, owner, number -> nothing.
    Expiry,
    /// Uses of a counted grant: owner, grant, pseudonym -> when.
    Use,
    /// Records of a day: day (4 B), owner -> version and records.
    Away,
    /// Packages: owner, number (4 B) -> package.
    Package,
}

/// Keys with their values.
pub type RelayRows = Vec<(Vec<u8>, Vec<u8>)>;

/// The relay's rows, this turn's writes included.
pub trait RelayShelf {
    /// One row.
    fn get(&self, table: RelayTable, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfFailed>;
    /// At most `limit` rows from a key upwards.
    fn range(&self, table: RelayTable, from: &[u8], limit: usize) -> Result<RelayRows, ShelfFailed>;
    /// Writes a row, or deletes it.
    fn set(&mut self, table: RelayTable, key: &[u8], value: Option<Vec<u8>>);
}

/// The store failed, or a row cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShelfFailed(pub &'static str);

/// A link, as the shell numbers it.
pub type Link = u64;

/// What the shell is to do once the turn is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayAction {
    /// Send a frame.
    Send(Link, Vec<u8>),
    /// Close a link.
    Close(Link),
    /// The owner of a mailbox is on this link: connections may be forwarded to it.
    Admit(Link),
    /// The first frame on a link that makes sense has come.
    Heard(Link),
    /// The place of a link is kept when strangers fill all others: it serves an owner; or no longer.
    Keep(Link, bool),
    /// Let this record be found, for its owner.
    Host(Vec<u8>),
}

/// Who may have a mailbox here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Whoever has the claim code.
    Owner,
    /// They, and whoever has the friends' code.
    Friends,
    /// Anybody.
    Open,
}

/// A relay's own secrets, kept for good.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RelayKeys {
    /// The mailbox's HPKE key.
    #[n(0)]
    pub mailbox: MailboxKeys,
    /// Seed of the key that signs receipts.
    #[n(1)]
    pub receipt: Secret,
    /// What proves a mailbox to be the owner's.
    #[n(2)]
    pub claim: ClaimCode,
    /// What the owner gives to friends, where they may have mailboxes as well.
    #[n(3)]
    pub friends: ClaimCode,
}

impl RelayKeys {
    /// Draws a relay's secrets.
    pub fn random<R: rand_core::CryptoRng>(rng: &mut R) -> Self {
        let mailbox = MailboxKeys::random(rng);
        let receipt = Secret::random(rng);
        let mut code = || {
            let mut code = [0; 16];
            rng.fill_bytes(&mut code);
            ClaimCode(code)
        };
        let (claim, friends) = (code(), code());
        Self { mailbox, receipt, claim, friends }
    }
}

/// One mailbox kept here.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Mailbox {
    /// Whose.
    #[n(0)]
    pub owner: PublicKeyBytes,
    /// The owner's record.
    #[n(1)]
    pub record: Record,
    /// Number of the next entry.
    #[n(2)]
    pub next: u64,
    /// Entries and bytes of friends and correspondents.
    #[n(3)]
    pub direct: (u32, u64),
    /// Entries and bytes of strangers.
    #[n(4)]
    pub contact: (u32, u64),
    /// Whether it is the relay owner's: it came with the claim code.
    #[n(5)]
    pub is_own: bool,
    /// Keys of friends that are over, the newest last; at most [`PAST_MAX`].
    #[n(6)]
    pub past: Vec<Past>,
    /// Version of the packages that are there.
    #[n(7)]
    pub stock_version: u64,
}

/// What friends could do with a friendship secret that is over.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Past {
    /// The put key.
    #[n(0)]
    pub put: Secret,
    /// The public half of the friendship token.
    #[n(1)]
    pub capability: PublicKeyBytes,
}

/// One envelope in a mailbox.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// The grant under which it was put.
    #[n(0)]
    pub grant: GrantId,
    /// Its queue.
    #[n(1)]
    pub queue: Queue,
    /// Pseudonym of the use of a counted grant.
    #[n(2)]
    pub usage: Option<Nonce>,
    /// Until when it is kept.
    #[n(3)]
    pub until: Timestamp,
    /// The envelope.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub envelope: Vec<u8>,
}

/// The owner on a link.
#[derive(Debug)]
struct Served {
    owner: PublicKeyBytes,
    /// The number from which entries were not pushed yet.
    next: u64,
    /// Entries pushed and not acknowledged: number, size.
    pushed: BTreeMap<u64, usize>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Open {
    faults: u32,
    /// Whether a frame that makes sense has come.
    heard: bool,
    receipts: Vec<ReceiptItem>,
    served: Option<Served>,
}

/// The machine.
#[derive(Debug)]
pub struct Relay {
    keys: RelayKeys,
    mailbox: MailboxId,
    receipt: SigningKey,
    policy: Policy,
    /// All mailboxes, bounded by the policy.
    mailboxes: BTreeMap<PublicKeyBytes, Mailbox>,
    queues: HashMap<QueueId, PublicKeyBytes>,
    links: BTreeMap<Link, Open>,
    /// What owners and their friends have signed once. Only of owners of mailboxes here.
    nonces: BTreeMap<PublicKeyBytes, Nonces>,
    /// Addresses opened, once a Put or a question has shown the right to use them.
    opened: OpenedAddresses,
    dirty: BTreeSet<PublicKeyBytes>,
    /// Links to which something may be pushed at the end of the turn.
    hungry: BTreeSet<Link>,
    actions: VecDeque<RelayAction>,
    next_sweep: Timestamp,
    /// When records of the day are let be found again, and the row from which that goes on.
    next_host: Timestamp,
    host_from: Vec<u8>,
}

opaque_debug!(Mailbox Past);

fn entry_key(owner: &PublicKeyBytes, number: u64) -> Vec<u8> {
    [owner.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

fn row<T: for<'b> Decode<'b, ()> + Encode<()>>(bytes: &[u8]) -> Result<T, ShelfFailed> {
    codec::decode(bytes, ROW_MAX).map_err(|_| ShelfFailed("a row cannot be read"))
}

impl Relay {
    /// Loads a relay.
    pub fn load(keys: RelayKeys, policy: Policy, shelf: &dyn RelayShelf, now: Timestamp) -> Result<Self, ShelfFailed> {
        let mut mailboxes = BTreeMap::new();
        let mut from = Vec::new();
        loop {
            let page = shelf.range(RelayTable::Mailbox, &from, 256)?;
            let Some((last, _)) = page.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            for (_, bytes) in page {
                let mailbox: Mailbox = row(&bytes)?;
                mailboxes.insert(mailbox.owner, mailbox);
            }
        }
        let queues = mailboxes.values().flat_map(|mailbox| queues_of(&mailbox.record).map(|queue| (queue, mailbox.owner))).collect();
        Ok(Self {
            mailbox: keys.mailbox.id(),
            receipt: SigningKey::from_seed(keys.receipt.expose()),
            keys,
            policy,
            mailboxes,
            queues,
            links: BTreeMap::new(),
            nonces: BTreeMap::new(),
            opened: OpenedAddresses::default(),
            dirty: BTreeSet::new(),
            hungry: BTreeSet::new(),
            actions: VecDeque::new(),
            next_sweep: now,
            next_host: now,
            host_from: Vec::new(),
        })
    }

    /// The key that signs receipts.
    pub fn receipt_key(&self) -> PublicKeyBytes {
        self.receipt.public()
    }

    /// How many mailboxes and entries there are.
    pub fn counts(&self) -> (usize, u64) {
        let entries = self.mailboxes.values().map(|mailbox| u64::from(mailbox.direct.0) + u64::from(mailbox.contact.0)).sum();
        (self.mailboxes.len(), entries)
    }

    /// A link is open.
    pub fn link_up(&mut self, link: Link) {
        if self.links.len() >= LINKS_MAX {
            // Whoever serves nobody goes first.
            let idle = self.links.iter().find(|(_, open)| open.served.is_none()).map(|(link, _)| *link);
            match idle {
                Some(idle) => self.close(idle),
                None => {
                    self.actions.push_back(RelayAction::Close(link));
                    return;
                }
            }
        }
        self.links.insert(link, Open::default());
    }

    /// A link is gone. What was pushed on it and not acknowledged is pushed on the next.
    pub fn link_down(&mut self, link: Link) {
        self.links.remove(&link);
        self.hungry.remove(&link);
    }

    fn close(&mut self, link: Link) {
        self.actions.push_back(RelayAction::Close(link));
        self.link_down(link);
    }

    fn fault(&mut self, link: Link) {
        let Some(open) = self.links.get_mut(&link) else { return };
        open.faults = open.faults.saturating_add(1);
        if open.faults >= FAULTS_MAX {
            self.close(link);
        }
    }

    /// A frame from a link. Fails only when the store does.
    pub fn frame(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, bytes: &[u8]) -> Result<(), ShelfFailed> {
        let Some(faults) = self.links.get(&link).map(|open| open.faults) else { return Ok(()) };
        self.take(now, shelf, link, bytes)?;
        if let Some(open) = self.links.get_mut(&link).filter(|open| open.faults == faults && !open.heard) {
            open.heard = true;
            self.actions.push_back(RelayAction::Heard(link));
        }
        Ok(())
    }

    fn take(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, bytes: &[u8]) -> Result<(), ShelfFailed> {
        match Frame::decode(bytes) {
            Ok(Frame::Put(put)) => self.put(now, shelf, link, put),
            Ok(Frame::Update(update)) => self.update(now, shelf, link, &update),
            Ok(Frame::Session(session)) => {
                self.session(now, link, &session);
                Ok(())
            }
            Ok(Frame::Ack(ack)) => self.ack(now, shelf, link, &ack),
            Ok(Frame::Away(away)) => self.leave(now, shelf, link, away),
            Ok(Frame::Stock(stock)) => self.stock(shelf, link, stock),
            Ok(Frame::Fetch(fetch)) => self.fetch(now, shelf, link, &fetch),
            Ok(
                Frame::Receipt(_)
                | Frame::Accepted(_)
                | Frame::Deposit(_)
                | Frame::Lookup(_)
                | Frame::Found(_)
                | Frame::Fetched(_)
                | Frame::Keep(_)
                | Frame::Prove(_),
            )
            | Err(_) => {
                self.fault(link);
                Ok(())
            }
        }
    }

    /// Deletes what is over.
    pub fn tick(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf) -> Result<(), ShelfFailed> {
        self.tend_away(now, shelf)?;
        if now < self.next_sweep {
            return Ok(());
        }
        let page = shelf.range(RelayTable::Expiry, &[], EXPIRED_AT_ONCE)?;
        let mut over = 0;
        for (key, _) in &page {
            let Some((at, rest)) = key.split_first_chunk::<8>() else { continue };
            if u64::from_be_bytes(*at) > now.0 {
                break;
            }
            over += 1;
            if let Some((owner, number)) = rest.split_last_chunk::<8>()
                && let Some(owner) = PublicKeyBytes::from_slice(owner)
            {
                self.delete(shelf, &owner, u64::from_be_bytes(*number))?;
            }
            shelf.set(RelayTable::Expiry, key, None);
        }
        self.nonces.retain(|_, nonces| !nonces.is_empty(now));
        self.next_sweep = if over == EXPIRED_AT_ONCE { now } else { now.after(SWEEP) };
        Ok(())
    }

    /// When [`Relay::tick`] is wanted.
    pub fn next_due(&self) -> Timestamp {
        self.next_sweep.min(self.next_host)
    }

    /// Ends a turn: signs one receipt for each link, pushes what may be pushed, writes counters.
    pub fn close_turn(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf) -> Result<(), ShelfFailed> {
        for owner in std::mem::take(&mut self.dirty) {
            if let Some(mailbox) = self.mailboxes.get(&owner) {
                shelf.set(RelayTable::Mailbox, owner.as_bytes(), Some(codec::encode(mailbox)));
            }
        }
        for link in std::mem::take(&mut self.hungry) {
            let items = self.links.get_mut(&link).map(|open| std::mem::take(&mut open.receipts)).unwrap_or_default();
            for chunk in items.chunks(RECEIPT_MAX) {
                let receipt = Receipt::sign(&self.receipt, &self.mailbox, &ReceiptBody { at: now, items: chunk.to_vec() });
                self.actions.push_back(RelayAction::Send(link, Frame::Receipt(receipt).encode()));
            }
            self.push(shelf, link)?;
        }
        Ok(())
    }

    fn push(&mut self, shelf: &dyn RelayShelf, link: Link) -> Result<(), ShelfFailed> {
        let Some(served) = self.links.get_mut(&link).and_then(|open| open.served.as_mut()) else { return Ok(()) };
        let room = PUSH_MAX.0.saturating_sub(served.pushed.len());
        if room == 0 || served.bytes >= PUSH_MAX.1 {
            return Ok(());
        }
        for (key, bytes) in shelf.range(RelayTable::Entry, &entry_key(&served.owner, served.next), room)? {
            let Some((owner, number)) = key.split_last_chunk::<8>() else { continue };
            if owner != served.owner.as_bytes().as_slice() || served.bytes >= PUSH_MAX.1 {
                break;
            }
            let number = u64::from_be_bytes(*number);
            let entry: Entry = row(&bytes)?;
            served.next = number.saturating_add(1);
            served.pushed.insert(number, entry.envelope.len());
            served.bytes = served.bytes.saturating_add(entry.envelope.len());
            let deposit = Deposit { number, grant: entry.grant, queue: entry.queue, usage: entry.usage, envelope: entry.envelope };
            self.actions.push_back(RelayAction::Send(link, Frame::Deposit(deposit).encode()));
        }
        Ok(())
    }

    /// The next action, to be carried out once the turn is durable.
    pub fn poll_action(&mut self) -> Option<RelayAction> {
        self.actions.pop_front()
    }
}

fn queues_of(record: &Record) -> impl Iterator<Item = QueueId> + use<> {
    [record.direct, record.contact].into_iter()
}

fn expiry_key(until: Timestamp, owner: &PublicKeyBytes, number: u64) -> Vec<u8> {
    [until.0.to_be_bytes().as_slice(), owner.as_bytes(), &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests;

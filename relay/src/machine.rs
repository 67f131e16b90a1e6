//! The relay: mailboxes kept for others.
//!
//! Inputs in, changes and actions out; no clock, randomness, IO or runtime. A mailbox is
//! admitted by its owner's signed [`Record`], an envelope by the key that its sealed address
//! stands for. What is put is durable before the receipt leaves, is pushed to the owner
//! while a session is open, and is deleted when the owner has signed that it is settled, or
//! when its time is over. The relay opens nothing and knows no identity: owners are keys
//! that are used here only.

use crate::admission::OpenedAddresses;
use crate::frame::Frame;
use crate::grant::Queue;
use crate::grant::{AddressBody, MailboxKeys, Scope, grant_key};
use crate::limits::RECEIPT_MAX;
use crate::link::ClaimCode;
use crate::put::{Outcome, Put, Receipt, ReceiptBody, ReceiptItem, Refusal};
use crate::session::{Accepted, AcceptedBody, Ack, Deposit, Record, Session, Update, Verdict};
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use symbolon_presence::clock::{Kept, SureTime};
use symbolon_presence::codec;
use symbolon_presence::id::{FrameId, GrantId, MailboxId, Nonce, PublicKeyBytes, QueueId};
use symbolon_presence::kdf::{Secret, mac_matches};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::{CLOCK_SKEW, DAY, HOUR, MINUTE, SECOND, Timestamp};

mod away;
mod deposit;
mod nonces;
mod owner;
mod packages;
mod room;

pub use deposit::{USES_MAX, WAITING_FOR_USE};
use nonces::Nonces;

/// Mailboxes of the relay's owner. Nobody else's is counted there.
pub const OWN_MAILBOXES_MAX: usize = 64;
/// Mailboxes of friends of the owner, at a relay for friends.
pub const FRIENDS_MAILBOXES_MAX: usize = 256;
/// Mailboxes of anybody, at an open relay.
pub const OPEN_MAILBOXES_MAX: usize = 10_240;
/// Entries of friends and correspondents in one mailbox, and their bytes.
pub const DIRECT_MAX: (u32, u64) = (10_000, 64 * 1024 * 1024);
/// Entries of strangers in one mailbox, and their bytes.
pub const CONTACT_MAX: (u32, u64) = (256, 4 * 1024 * 1024);
/// Entries of guests in one mailbox, and their bytes.
pub const GUEST_MAX: (u32, u64) = (256, 4 * 1024 * 1024);
/// New mailboxes that come from one address on one day.
pub const NEWCOMERS_MAX: u32 = 64;
/// Addresses of which that is counted; when there are more, all counts begin again.
pub const SOURCES_MAX: usize = 4_096;
/// Rows of uses of one mailbox.
pub const USES_OF_MAILBOX_MAX: u32 = 4_096;
/// How long an envelope under a counted grant is remembered at most, if it does not wait longer.
pub const USE_LIFE: u64 = 90 * DAY;
/// Bytes that a relay keeps, unless its operator says otherwise.
pub const BYTES_DEFAULT: u64 = 4 * 1024 * 1024 * 1024;
/// The least that an operator may allow: something of everybody has room in it.
pub const BYTES_MIN: u64 = 16 * 1024 * 1024;
/// How long an entry is kept for a mailbox of the relay's owner.
pub const OWN_LIFE: u64 = 30 * DAY;
/// How long for anybody else's.
pub const FOREIGN_LIFE: u64 = 7 * DAY;
/// Entries on the way to one owner without an acknowledgement, and their bytes.
pub const PUSH_MAX: (usize, usize) = (256, 4 * 1024 * 1024);
/// Links at once: as many as the transport lets in.
pub const LINKS_MAX: usize = 16_384;
/// The same at the beginning of a session. It doubles with each acknowledgement: a session that
/// nobody acknowledges costs no more than this.
pub const PUSH_FIRST: (usize, usize) = (16, 128 * 1024);
/// Signed frames of one link at once, and for how long one of them is counted. Each frame beyond
/// that is a fault.
pub const SIGNED_MAX: (u64, u64) = (512, SECOND / 8);
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
/// Rows deleted in one turn because they have expired, and bytes of their entries.
const EXPIRED_AT_ONCE: (usize, usize) = (256, 4 * 1024 * 1024);
/// Pause between two looks at what is over.
const SWEEP: u64 = MINUTE;
/// The longest row.
const ROW_MAX: usize = 512 * 1024;
/// Mailboxes read at once at a start.
const MAILBOXES_AT_ONCE: usize = 64;
/// An entry is taken for one of this size when it is asked how many to look up: with most of
/// them shorter and a few of 256 KiB no look-up brings more than some 16 MiB.
const LONG_ENTRY: usize = 64 * 1024;
/// What an entry costs beside its envelope: its row, and those by which it is found.
const ENTRY_COST: u64 = 256;
/// What a row of a use costs.
const USE_COST: u64 = 256;

/// What a relay keeps. The shell gives each its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelayTable {
    /// A mailbox: [`PublicKeyBytes`] of the owner -> [`Mailbox`].
    Mailbox,
    /// An entry: owner, number -> [`Entry`].
    Entry,
    /// Where an envelope lies: owner, frame id -> number.
    Frame,
    /// When a row ends: moment, and the key of an entry (40 B) or of a use (64 B) -> nothing.
    Expiry,
    /// Envelopes that came under a counted grant: owner, grant, first half of the frame id -> what was answered.
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
    /// Let this record of an owner be found.
    Host(PublicKeyBytes, Vec<u8>),
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

/// What a relay's operator has set, kept over restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RelaySettings {
    /// How many bytes may be kept in all.
    #[n(0)]
    pub bytes: Option<u64>,
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
    /// Entries and bytes of guests. Absent in rows of builds that kept them among the direct ones.
    #[n(8)]
    pub guest: Option<(u32, u64)>,
    /// When the owner was last here, to the hour.
    #[n(9)]
    pub seen: Option<Timestamp>,
    /// On how many different days the owner was here; absent for a mailbox of before that was counted.
    #[n(10)]
    pub days: Option<u32>,
    /// Rows of uses. Absent as long as rows of another kind may lie there.
    #[n(11)]
    pub uses: Option<u32>,
    /// Bytes of packages and of records of days to come. Absent until they were counted.
    #[n(12)]
    pub left: Option<u64>,
    /// It has ended: its rows are being deleted, itself last.
    #[n(13)]
    pub ended: Option<bool>,
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
    /// How many may be, and their bytes; from [`PUSH_FIRST`] up to [`PUSH_MAX`].
    window: (usize, usize),
}

#[derive(Debug, Default)]
struct Open {
    source: u64,
    faults: u32,
    /// Whether a frame that makes sense has come.
    heard: bool,
    receipts: Vec<ReceiptItem>,
    served: Option<Served>,
    /// Until when the signed frames that came are counted ([`SIGNED_MAX`]).
    busy_until: Timestamp,
}

/// The machine.
#[derive(Debug)]
pub struct Relay {
    keys: RelayKeys,
    mailbox: MailboxId,
    receipt: SigningKey,
    policy: Policy,
    /// All mailboxes: at most [`OWN_MAILBOXES_MAX`], and of others what the policy says.
    mailboxes: BTreeMap<PublicKeyBytes, Mailbox>,
    /// Mailboxes that have ended and are being deleted; they were mailboxes before.
    ending: BTreeSet<PublicKeyBytes>,
    /// The most bytes that are kept, and how many are: the relay owner's, and others'.
    bytes_max: u64,
    bytes: (u64, u64),
    /// How many of them are the relay owner's.
    own: usize,
    /// Those of others that may give way, the first one first.
    fresh: BTreeSet<room::Rank>,
    queues: HashMap<QueueId, PublicKeyBytes>,
    links: BTreeMap<Link, Open>,
    /// On which link an owner is.
    serving: BTreeMap<PublicKeyBytes, Link>,
    /// What owners and their friends have signed once. Only of owners of mailboxes here.
    nonces: BTreeMap<PublicKeyBytes, Nonces>,
    /// Addresses opened, once a Put or a question has shown the right to use them.
    opened: OpenedAddresses,
    dirty: BTreeSet<PublicKeyBytes>,
    /// Mailboxes whose rows of uses are of another kind, and go.
    outdated: BTreeSet<PublicKeyBytes>,
    /// Mailboxes that have ended in this turn, to be written down.
    ended: Vec<(PublicKeyBytes, Mailbox)>,
    /// New mailboxes that came from each address on a day; at most [`SOURCES_MAX`] addresses.
    newcomers: (u32, BTreeMap<u64, u32>),
    /// Links to which something may be pushed at the end of the turn.
    hungry: BTreeSet<Link>,
    actions: VecDeque<RelayAction>,
    next_sweep: Timestamp,
    next_look: Timestamp,
    /// By what entries end. Owners of the relay sign times; nobody else's counts.
    time: SureTime,
    /// When records of the day are let be found again, and the row from which that goes on.
    next_host: Timestamp,
    host_from: Vec<u8>,
}

opaque_debug!(Mailbox Past);

fn entry_key(owner: &PublicKeyBytes, number: u64) -> Vec<u8> {
    [owner.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

fn row<T: for<'b> Decode<'b, ()> + Encode<()>>(bytes: &[u8]) -> Result<T, ShelfFailed> {
    codec::decode_row(bytes, ROW_MAX).map_err(|_| ShelfFailed("a row cannot be read"))
}

impl Relay {
    /// Loads a relay.
    pub fn load(keys: RelayKeys, policy: Policy, shelf: &dyn RelayShelf, now: Timestamp) -> Result<Self, ShelfFailed> {
        let mut mailboxes = BTreeMap::new();
        let mut ending = BTreeSet::new();
        let mut from = Vec::new();
        loop {
            let page = shelf.range(RelayTable::Mailbox, &from, MAILBOXES_AT_ONCE)?;
            let Some((last, _)) = page.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            for (_, bytes) in page {
                let mailbox: Mailbox = row(&bytes)?;
                if mailbox.ended.is_some() {
                    ending.insert(mailbox.owner);
                } else {
                    // One of before this was noted was here a moment ago, as far as is known.
                    mailboxes.insert(mailbox.owner, Mailbox { seen: mailbox.seen.or(Some(now)), ..mailbox });
                }
            }
        }
        room::count_left(&mut mailboxes, shelf)?;
        let queues = mailboxes.values().flat_map(|mailbox| queues_of(&mailbox.record).map(|queue| (queue, mailbox.owner))).collect();
        let outdated = mailboxes.values().filter(|mailbox| mailbox.uses.is_none()).map(|mailbox| mailbox.owner).collect();
        let bytes = mailboxes.values().fold((0, 0), |(own, others): (u64, u64), mailbox| match mailbox.is_own {
            true => (own.saturating_add(mailbox.cost()), others),
            false => (own, others.saturating_add(mailbox.cost())),
        });
        Ok(Self {
            mailbox: keys.mailbox.id(),
            receipt: SigningKey::from_seed(keys.receipt.expose()),
            keys,
            policy,
            ending,
            bytes_max: BYTES_DEFAULT,
            bytes,
            own: mailboxes.values().filter(|mailbox| mailbox.is_own).count(),
            fresh: mailboxes.values().filter_map(Mailbox::rank).collect(),
            mailboxes,
            queues,
            links: BTreeMap::new(),
            serving: BTreeMap::new(),
            nonces: BTreeMap::new(),
            opened: OpenedAddresses::default(),
            dirty: BTreeSet::new(),
            outdated,
            ended: Vec::new(),
            newcomers: (0, BTreeMap::new()),
            hungry: BTreeSet::new(),
            actions: VecDeque::new(),
            next_sweep: now,
            next_look: now,
            time: SureTime::first(now),
            next_host: now,
            host_from: Vec::new(),
        })
    }

    /// Says how many bytes may be kept at most. What is there stays, also if it is more.
    pub fn limit_bytes(&mut self, most: u64) {
        self.bytes_max = most.max(BYTES_MIN);
    }

    /// How many bytes are kept, of the relay's owner and of others, and how many may be.
    pub fn bytes(&self) -> ((u64, u64), u64) {
        (self.bytes, self.bytes_max)
    }

    /// Goes on from the sure time that is stored.
    pub fn set_time(&mut self, kept: Kept) {
        self.time = SureTime::load(kept);
    }

    /// The sure time that is to be stored now, if any.
    pub fn time_to_write(&mut self) -> Option<Kept> {
        self.time.to_write()
    }

    /// The key that signs receipts.
    pub fn receipt_key(&self) -> PublicKeyBytes {
        self.receipt.public()
    }

    /// How many mailboxes and entries there are.
    pub fn counts(&self) -> (usize, u64) {
        let entries = self.mailboxes.values().map(|mailbox| u64::from(mailbox.waiting().0)).sum();
        (self.mailboxes.len(), entries)
    }

    /// A link is open. `source` stands for the address from which it came, and means nothing else.
    pub fn link_up(&mut self, link: Link, source: u64) {
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
        self.links.insert(link, Open { source, ..Open::default() });
    }

    /// A link is gone. What was pushed on it and not acknowledged is pushed on the next.
    pub fn link_down(&mut self, link: Link) {
        let served = self.links.remove(&link).and_then(|open| open.served);
        if let Some(served) = served.filter(|served| self.serving.get(&served.owner) == Some(&link)) {
            self.serving.remove(&served.owner);
        }
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

    /// Whether a link may bring another signed frame. An [`Ack`] is not counted: there is one at most
    /// for each entry that was pushed.
    fn may_sign(&mut self, now: Timestamp, link: Link) -> bool {
        let Some(open) = self.links.get_mut(&link) else { return false };
        let busy_until = open.busy_until.max(now).after(SIGNED_MAX.1);
        let is_free = busy_until.since(now) <= SIGNED_MAX.0.saturating_mul(SIGNED_MAX.1);
        if is_free {
            open.busy_until = busy_until;
        }
        is_free
    }

    /// A frame from a link. Fails only when the store does.
    pub fn frame(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, bytes: &[u8]) -> Result<(), ShelfFailed> {
        self.time.turn(now);
        let Some(faults) = self.links.get(&link).map(|open| open.faults) else { return Ok(()) };
        self.take(now, shelf, link, bytes)?;
        if let Some(open) = self.links.get_mut(&link).filter(|open| open.faults == faults && !open.heard) {
            open.heard = true;
            self.actions.push_back(RelayAction::Heard(link));
        }
        Ok(())
    }

    fn take(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, bytes: &[u8]) -> Result<(), ShelfFailed> {
        let frame = Frame::decode(bytes);
        if let Ok(Frame::Update(_) | Frame::Session(_) | Frame::Away(_) | Frame::Stock(_) | Frame::Fetch(_)) = frame
            && !self.may_sign(now, link)
        {
            self.fault(link);
            return Ok(());
        }
        match frame {
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

    /// Deletes what has surely ended, some of it at a time.
    pub fn tick(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf) -> Result<(), ShelfFailed> {
        self.time.turn(now);
        self.tend_away(now, shelf)?;
        self.end_unused(now);
        self.delete_outdated(shelf)?;
        self.delete_ended(now, shelf)?;
        if now < self.next_sweep {
            return Ok(());
        }
        let page = shelf.range(RelayTable::Expiry, &[], EXPIRED_AT_ONCE.0)?;
        let (mut rows, mut bytes) = (0, 0);
        for (key, _) in &page {
            let Some((at, rest)) = key.split_first_chunk::<8>() else { continue };
            if u64::from_be_bytes(*at) > self.time.sure().0 || bytes >= EXPIRED_AT_ONCE.1 {
                break;
            }
            rows += 1;
            shelf.set(RelayTable::Expiry, key, None);
            bytes += self.expire(shelf, rest)?;
        }
        let is_more = rows == EXPIRED_AT_ONCE.0 || bytes >= EXPIRED_AT_ONCE.1;
        self.nonces.retain(|_, nonces| !nonces.is_empty(now));
        self.next_sweep = if is_more { now } else { now.after(SWEEP) };
        Ok(())
    }

    /// Deletes an entry or a use whose time has come. How many bytes it had.
    fn expire(&mut self, shelf: &mut dyn RelayShelf, key: &[u8]) -> Result<usize, ShelfFailed> {
        let Some(owner) = key.get(..32).and_then(PublicKeyBytes::from_slice) else { return Ok(0) };
        if let Some(number) = key.get(32..).and_then(|rest| <[u8; 8]>::try_from(rest).ok()) {
            return Ok(self.delete(shelf, &owner, u64::from_be_bytes(number), false)?.unwrap_or(0));
        }
        shelf.set(RelayTable::Use, key, None);
        self.change(&owner, |mailbox| mailbox.uses = mailbox.uses.map(|uses| uses.saturating_sub(1)));
        Ok(0)
    }

    /// When [`Relay::tick`] is wanted.
    pub fn next_due(&self) -> Timestamp {
        let next = self.next_sweep.min(self.next_host).min(self.next_look);
        // What is being deleted goes on as soon as there is time.
        if self.ending.is_empty() && self.outdated.is_empty() { next } else { Timestamp(0) }
    }

    /// Ends a turn: signs one receipt for each link, pushes what may be pushed, writes counters.
    pub fn close_turn(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf) -> Result<(), ShelfFailed> {
        self.write_ended(shelf);
        for owner in std::mem::take(&mut self.dirty) {
            if let Some(mailbox) = self.mailboxes.get(&owner) {
                shelf.set(RelayTable::Mailbox, owner.as_bytes(), Some(codec::encode_row(mailbox)));
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
        loop {
            let room = served.window.0.saturating_sub(served.pushed.len());
            if room == 0 || (served.bytes >= served.window.1 && !served.pushed.is_empty()) {
                return Ok(());
            }
            // Rows are looked up by as many as there is room for, were all of them long.
            let left = served.window.1.saturating_sub(served.bytes);
            let wanted = room.min((left / LONG_ENTRY).saturating_add(1));
            let page = shelf.range(RelayTable::Entry, &entry_key(&served.owner, served.next), wanted)?;
            let is_last = page.len() < wanted;
            for (key, bytes) in page {
                let Some((owner, number)) = key.split_last_chunk::<8>() else { continue };
                let is_over = served.bytes >= served.window.1 && !served.pushed.is_empty();
                if owner != served.owner.as_bytes().as_slice() || is_over {
                    return Ok(());
                }
                let number = u64::from_be_bytes(*number);
                let entry: Entry = row(&bytes)?;
                served.next = number.saturating_add(1);
                served.pushed.insert(number, entry.envelope.len());
                served.bytes = served.bytes.saturating_add(entry.envelope.len());
                let deposit = Deposit { number, grant: entry.grant, queue: entry.queue, usage: entry.usage, envelope: entry.envelope };
                self.actions.push_back(RelayAction::Send(link, Frame::Deposit(deposit).encode()));
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The next action, to be carried out once the turn is durable.
    pub fn poll_action(&mut self) -> Option<RelayAction> {
        self.actions.pop_front()
    }
}

impl Mailbox {
    /// Entries and bytes of a queue.
    fn used(&self, queue: Queue) -> (u32, u64) {
        match queue {
            Queue::Direct => self.direct,
            Queue::Contact => self.contact,
            Queue::Guest => self.guest.unwrap_or_default(),
        }
    }

    fn set_used(&mut self, queue: Queue, used: (u32, u64)) {
        match queue {
            Queue::Direct => self.direct = used,
            Queue::Contact => self.contact = used,
            Queue::Guest => self.guest = Some(used),
        }
    }

    fn add(&mut self, queue: Queue, size: u64) {
        let (entries, bytes) = self.used(queue);
        self.set_used(queue, (entries.saturating_add(1), bytes.saturating_add(size)));
    }

    fn take(&mut self, queue: Queue, size: u64) {
        let (entries, bytes) = self.used(queue);
        self.set_used(queue, (entries.saturating_sub(1), bytes.saturating_sub(size)));
    }

    /// Entries and bytes that wait, in all queues.
    fn waiting(&self) -> (u32, u64) {
        [Queue::Direct, Queue::Contact, Queue::Guest]
            .into_iter()
            .map(|queue| self.used(queue))
            .fold((0, 0), |(entries, bytes): (u32, u64), used| (entries.saturating_add(used.0), bytes.saturating_add(used.1)))
    }
}

/// The most that a queue holds: entries and bytes.
fn most_of(queue: Queue) -> (u32, u64) {
    match queue {
        Queue::Direct => DIRECT_MAX,
        Queue::Contact => CONTACT_MAX,
        Queue::Guest => GUEST_MAX,
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

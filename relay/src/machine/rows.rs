//! What a relay keeps: its secrets and settings, mailboxes and their entries, and under which keys.

use super::limits::{ENTRY_COST, ESTABLISHED, NEVER_USED_LIFE, ROW_MAX, USE_COST, USED_LIFE};
use super::seam::{Policy, RelayShelf, RelayTable, ShelfFailed};
use crate::grant::{AddressBody, MailboxKeys, Queue, Scope};
use crate::link::ClaimCode;
use crate::session::MailboxRecord;
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{FrameId, GrantId, Nonce, PublicKeyBytes, QueueId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;

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

/// What a relay's operator has set; a restart keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RelaySettings {
    /// How many bytes may be kept in all.
    #[n(0)]
    pub bytes: Option<u64>,
    /// Who may have a mailbox.
    #[n(1)]
    pub policy: Option<Policy>,
    /// The other limits. Absent where none was ever set.
    #[n(2)]
    pub limits: Option<RelayLimits>,
}

/// Limits that a relay's operator may set; the default holds for each that is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RelayLimits {
    /// Mailboxes of others than the owner.
    #[n(0)]
    pub mailboxes: Option<u32>,
    /// Bytes of one mailbox, at least [`MAILBOX_BYTES_MIN`](super::limits::MAILBOX_BYTES_MIN).
    #[n(1)]
    pub mailbox_bytes: Option<u64>,
    /// New mailboxes that come from one address on one day.
    #[n(2)]
    pub newcomers: Option<u32>,
    /// Connections at once.
    #[n(3)]
    pub connections: Option<u32>,
    /// Of them, of strangers at one address.
    #[n(4)]
    pub of_address: Option<u32>,
}

impl RelayLimits {
    /// What is set here, and for the rest what is set there.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            mailboxes: self.mailboxes.or(other.mailboxes),
            mailbox_bytes: self.mailbox_bytes.or(other.mailbox_bytes),
            newcomers: self.newcomers.or(other.newcomers),
            connections: self.connections.or(other.connections),
            of_address: self.of_address.or(other.of_address),
        }
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
    pub record: MailboxRecord,
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
    /// Keys of friends that were replaced, the newest last; at most [`PAST_MAX`](super::limits::PAST_MAX).
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
    /// The queue secret before the present one: lifelines under it stay good.
    #[n(14)]
    pub queue_before: Option<Secret>,
    /// Entries and bytes of members of the owner's rooms.
    #[n(15)]
    pub members: Option<(u32, u64)>,
}

/// Whose part of a mailbox an entry takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    Direct,
    Contact,
    Guest,
    /// Members of the owner's rooms who are no friends.
    Members,
}

impl Share {
    /// That of what comes under a grant.
    pub(super) fn of(body: &AddressBody) -> Self {
        match body.scope {
            Scope::Friends(_) => Self::Direct,
            Scope::Contact => Self::Contact,
            Scope::Guest if body.is_for_members() => Self::Members,
            Scope::Guest => Self::Guest,
        }
    }
}

/// What friends could do with a friendship secret that was replaced.
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
    /// It came under a grant for members of a room.
    #[n(5)]
    pub members: Option<bool>,
}

impl Entry {
    /// Whose part of the mailbox it takes.
    pub(super) fn share(&self) -> Share {
        match self.queue {
            Queue::Direct => Share::Direct,
            Queue::Contact => Share::Contact,
            Queue::Guest if self.members == Some(true) => Share::Members,
            Queue::Guest => Share::Guest,
        }
    }
}

opaque_debug!(Mailbox Past);

/// How soon a mailbox gives way: days on which its owner was here, when last, and whose it is.
pub(super) type Rank = (u32, Timestamp, PublicKeyBytes);

impl Mailbox {
    /// An empty one.
    pub(super) fn new(owner: PublicKeyBytes, record: MailboxRecord, is_own: bool, now: Timestamp) -> Self {
        Self {
            owner,
            record,
            next: 1,
            direct: (0, 0),
            contact: (0, 0),
            is_own,
            past: Vec::new(),
            stock_version: 0,
            guest: Some((0, 0)),
            seen: Some(now),
            days: Some(0),
            uses: Some(0),
            left: Some(0),
            ended: None,
            queue_before: None,
            members: None,
        }
    }

    /// Entries and bytes of a share.
    pub(super) fn used(&self, share: Share) -> (u32, u64) {
        match share {
            Share::Direct => self.direct,
            Share::Contact => self.contact,
            Share::Guest => self.guest.unwrap_or_default(),
            Share::Members => self.members.unwrap_or_default(),
        }
    }

    fn set_used(&mut self, share: Share, used: (u32, u64)) {
        match share {
            Share::Direct => self.direct = used,
            Share::Contact => self.contact = used,
            Share::Guest => self.guest = Some(used),
            Share::Members => self.members = Some(used),
        }
    }

    pub(super) fn add(&mut self, share: Share, size: u64) {
        let (entries, bytes) = self.used(share);
        self.set_used(share, (entries.saturating_add(1), bytes.saturating_add(size)));
    }

    pub(super) fn take(&mut self, share: Share, size: u64) {
        let (entries, bytes) = self.used(share);
        self.set_used(share, (entries.saturating_sub(1), bytes.saturating_sub(size)));
    }

    /// Entries and bytes that wait, in all shares.
    pub(super) fn waiting(&self) -> (u32, u64) {
        [Share::Direct, Share::Contact, Share::Guest, Share::Members]
            .into_iter()
            .map(|share| self.used(share))
            .fold((0, 0), |(entries, bytes): (u32, u64), used| (entries.saturating_add(used.0), bytes.saturating_add(used.1)))
    }

    /// Its place among those that give way to newcomers; none for one that lasts.
    pub(super) fn rank(&self) -> Option<Rank> {
        let days = self.days.filter(|days| !self.is_own && *days < ESTABLISHED)?;
        Some((days, self.seen.unwrap_or_default(), self.owner))
    }

    /// What it costs in bytes, as far as they are counted.
    pub(super) fn cost(&self) -> u64 {
        let (entries, bytes) = self.waiting();
        let rows = u64::from(entries).saturating_mul(ENTRY_COST);
        let uses = u64::from(self.uses.unwrap_or(0)).saturating_mul(USE_COST);
        let keys = (self.past.len() as u64).saturating_mul(72).saturating_add((self.record.revoked.len() as u64).saturating_mul(18));
        bytes.saturating_add(rows).saturating_add(uses).saturating_add(keys).saturating_add(self.left.unwrap_or(0)).saturating_add(512)
    }

    fn days(&self) -> u32 {
        self.days.unwrap_or(ESTABLISHED)
    }

    /// How long it stays although its owner does not come.
    pub(super) fn life(&self, policy: Policy) -> u64 {
        if self.days() == 0 && policy != Policy::Friends { NEVER_USED_LIFE } else { USED_LIFE }
    }
}

/// The queues that a record names.
pub(super) fn queues_of(record: &MailboxRecord) -> impl Iterator<Item = QueueId> + use<> {
    [record.direct, record.contact].into_iter()
}

pub(super) fn entry_key(owner: &PublicKeyBytes, number: u64) -> Vec<u8> {
    [owner.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

pub(super) fn frame_key(owner: &PublicKeyBytes, frame: &FrameId) -> Vec<u8> {
    [owner.as_bytes().as_slice(), frame.as_bytes()].concat()
}

pub(super) fn expiry_key(until: Timestamp, owner: &PublicKeyBytes, number: u64) -> Vec<u8> {
    [until.0.to_be_bytes().as_slice(), owner.as_bytes(), &number.to_be_bytes()].concat()
}

/// Reads a row.
pub(super) fn row<T: for<'b> Decode<'b, ()> + Encode<()>>(bytes: &[u8]) -> Result<T, ShelfFailed> {
    codec::decode_row(bytes, ROW_MAX).map_err(|_| ShelfFailed("a row cannot be read"))
}

/// Where an envelope lies, if it does.
pub(super) fn entry_of(shelf: &dyn RelayShelf, owner: &PublicKeyBytes, frame: &FrameId) -> Result<Option<(u64, Entry)>, ShelfFailed> {
    let Some(number) = shelf.get(RelayTable::Frame, &frame_key(owner, frame))? else { return Ok(None) };
    let Some(number) = number.as_slice().try_into().ok().map(u64::from_be_bytes) else { return Ok(None) };
    let Some(bytes) = shelf.get(RelayTable::Entry, &entry_key(owner, number))? else { return Ok(None) };
    Ok(Some((number, row(&bytes)?)))
}

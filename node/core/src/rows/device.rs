//! Devices of other people, and their starts.

use crate::wire::RelayMailbox;
use minicbor::{Decode, Encode};
use symbolon_presence::id::{DeviceId, Nonce, PeerId, RoomId, SignatureBytes};
use symbolon_presence::identity::Chain;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;
use symbolon_relay::put::MailboxEntry;

/// Where the numbers of room frames begin; those of steps lie below.
pub(crate) const ROOM_LANE: u64 = 1 << 63;

/// A device of somebody else, with the counters of the envelopes between it and us.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Device {
    #[n(0)]
    pub device: DeviceId,
    #[n(1)]
    pub peer: PeerId,
    #[n(2)]
    pub chain: Chain,
    /// Its own mailbox as last heard.
    #[n(3)]
    pub entry: MailboxEntry,
    /// Put key of friends there.
    #[n(4)]
    pub put: Option<Secret>,
    /// Counter of the next known envelope to it.
    #[n(5)]
    pub send_counter: u64,
    /// One more than the highest counter received.
    #[n(7)]
    pub receive_counter: u64,
    /// Lower counters not received; bounded, the lowest are forgotten first.
    #[n(8)]
    pub missing: Vec<u64>,
    /// Number of the next outbox row with a room frame.
    #[n(10)]
    pub outbox_next: u64,
    /// How many outbox rows there are.
    #[n(11)]
    pub outbox_count: u64,
    /// Number of the next outbox row with a step of a request.
    #[n(12)]
    pub outbox_first: u64,
    /// When it last showed itself by an envelope or receipt, to about a minute.
    #[n(13)]
    pub heard: Option<Timestamp>,
    /// Its mailboxes at relays, with the put keys of friends there.
    #[n(14)]
    pub relay_mailboxes: Vec<RelayMailbox>,
    /// The room that the counters belong to; absent when they began at 0.
    #[n(15)]
    pub line: Option<RoomId>,
    /// Rooms that were left; at most [`limits::FORMER_MAX`], the newest last.
    #[n(16)]
    pub former: Option<Vec<Former>>,
    /// Nonces of our Standings that the device may still answer; at most [`limits::STANDINGS_ASKED_MAX`].
    #[n(17)]
    pub asked: Option<Vec<Nonce>>,
    /// Instances of it, the last heard last; at most [`limits::INSTANCES_HEARD_MAX`].
    #[n(18)]
    pub instances: Option<Vec<Start>>,
    /// Number of the outbox row that asks how we stand with it; at most one waits.
    #[n(19)]
    pub saying: Option<u64>,
    /// The same of the row that answers.
    #[n(20)]
    pub answering: Option<u64>,
    /// Those of `asked` that are older than the start which was heard last.
    #[n(21)]
    pub asked_before: Option<Vec<Nonce>>,
    /// Whether it sealed an envelope at a place of the present room that was opened with another one: it runs from an older copy.
    #[n(22)]
    pub is_copied: Option<bool>,
}

/// A room that was left, and how far its envelopes were received.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Former {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub receive_counter: u64,
    #[n(2)]
    pub missing: Vec<u64>,
    #[n(3)]
    pub receive_sequence: u64,
    #[n(4)]
    pub until: Timestamp,
    /// Whether the cipher still holds it: what was left behind in it is read.
    #[n(5)]
    pub is_read: bool,
}

impl Device {
    /// A device that was never spoken to.
    pub fn new(device: DeviceId, peer: PeerId, chain: Chain, entry: MailboxEntry) -> Self {
        Self {
            device,
            peer,
            chain,
            entry,
            put: None,
            send_counter: 0,
            receive_counter: 0,
            missing: Vec::new(),
            outbox_next: ROOM_LANE,
            outbox_count: 0,
            outbox_first: 0,
            heard: None,
            relay_mailboxes: Vec::new(),
            line: None,
            former: None,
            asked: None,
            instances: None,
            saying: None,
            answering: None,
            asked_before: None,
            is_copied: None,
        }
    }

    /// How much waits for it besides Standings.
    pub fn waiting(&self) -> u64 {
        self.outbox_count.saturating_sub(u64::from(self.saying.is_some()) + u64::from(self.answering.is_some()))
    }

    /// Rooms that were left.
    pub fn formers(&self) -> &[Former] {
        self.former.as_deref().unwrap_or_default()
    }
}

/// One start of a device, or of a copy of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Start {
    #[n(0)]
    pub instance: Nonce,
    #[n(1)]
    pub started: Timestamp,
    /// The start after which it came back, if it did: both were at work.
    #[n(2)]
    pub over: Option<Nonce>,
    /// The device's signature over it; absent in a start that this folder made itself.
    #[n(3)]
    pub word: Option<SignatureBytes>,
}

//! Devices of other people, and their starts.

use super::channel::Channel;
use crate::wire::{Capabilities, RelayMailbox};
use minicbor::{Decode, Encode};
use symbolon_presence::id::{DeviceId, Digest, Nonce, PeerId, PublicKeyBytes, RoomId, SignatureBytes};
use symbolon_presence::identity::{Chain, peer_id};
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::KemPublicBytes;
use symbolon_presence::time::Timestamp;
use symbolon_relay::put::MailboxEntry;

/// A device of somebody else.
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
    /// When it last showed itself by an envelope or receipt, to about a minute.
    #[n(13)]
    pub heard: Option<Timestamp>,
    /// Its mailboxes at relays, with the put keys of friends there.
    #[n(14)]
    pub relay_mailboxes: Vec<RelayMailbox>,
    /// Nonces of our Standings that the device may still answer; at most [`limits::STANDINGS_ASKED_MAX`].
    #[n(17)]
    pub asked: Option<Vec<Nonce>>,
    /// Instances of it, the last heard last; at most [`limits::INSTANCES_HEARD_MAX`].
    #[n(18)]
    pub instances: Option<Vec<Start>>,
    /// Those of `asked` that are older than the start which was heard last.
    #[n(21)]
    pub asked_before: Option<Vec<Nonce>>,
    /// What direct envelopes to it are sealed to; none of a friend who was one when there were no such keys.
    #[n(23)]
    pub direct: Option<KemPublicBytes>,
    /// What its build takes, as it has said.
    #[n(24)]
    pub capabilities: Option<Capabilities>,
    /// What was said to it of this build, in which room; none if it did not take that.
    #[n(25)]
    pub shown: Option<Shown>,
    /// Hashes of its addresses of earlier revisions, the newest last; at most [`limits::OVERTAKEN_MAX`].
    #[n(26)]
    pub overtaken: Option<Vec<Digest>>,
    /// Of which devices of ours it has heard that they are gone.
    #[n(27)]
    pub gone_told: Option<GoneTold>,
    /// Which list of our devices it has seen.
    #[n(28)]
    pub listed_told: Option<ListedTold>,
    /// Where it has said itself how members of shared rooms write to it.
    #[n(29)]
    pub ways_said: Option<SaidIn>,
    /// How far it and this device are; a row of its own, because it changes with every envelope.
    #[cbor(skip)]
    pub channel: Channel,
}

impl Device {
    /// Whose device it is.
    pub fn person(&self) -> PeerId {
        peer_id(&self.chain.root)
    }

    /// A device that was never spoken to.
    pub fn new(device: DeviceId, peer: PeerId, chain: Chain, entry: MailboxEntry) -> Self {
        Self {
            device,
            peer,
            chain,
            entry,
            put: None,
            heard: None,
            relay_mailboxes: Vec::new(),
            asked: None,
            instances: None,
            asked_before: None,
            direct: None,
            capabilities: None,
            shown: None,
            overtaken: None,
            gone_told: None,
            listed_told: None,
            ways_said: None,
            channel: Channel::default(),
        }
    }
}

/// Which devices of ours that are gone a device has heard of, in which room; at most as many as are kept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct GoneTold {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub devices: Vec<DeviceId>,
}

/// In which shared room a device has said something, by which leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SaidIn {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub leaf: PublicKeyBytes,
}

/// The list of our devices that a device has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ListedTold {
    /// In this room.
    #[n(0)]
    pub room: RoomId,
    /// The list's number.
    #[n(1)]
    pub number: u64,
}

/// A device of somebody who stays that is refused. Under its id, among what is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Barred {
    /// Whose it is.
    #[n(0)]
    pub person: PeerId,
    /// The Peer ID that it goes by.
    #[n(1)]
    pub peer: PeerId,
    /// A device of that person has said so, and not our user: their device list outranks it.
    #[n(2)]
    pub is_said: Option<bool>,
}

/// What a device was shown of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Shown {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub capabilities: Capabilities,
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

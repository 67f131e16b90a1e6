//! The rows held in memory, as they are stored.

use super::*;

/// An invite, or the standing package of contact records.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Invite {
    #[n(0)]
    pub grant: GrantId,
    /// Private half of the package.
    #[n(1)]
    pub key: Secret,
    #[n(2)]
    pub expires: Timestamp,
    #[n(3)]
    pub last_resort: bool,
    #[n(4)]
    pub auto_accept: bool,
    /// The request that used it.
    #[n(5)]
    pub used: Option<RequestId>,
    /// Good for this person only: made for somebody who is introduced.
    #[n(6)]
    pub only_for: Option<PeerId>,
    /// Envelopes taken in by it: their repeats are answered the same.
    #[n(7)]
    pub answered: Option<Vec<FrameId>>,
}

/// An introduction.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Introducing {
    #[n(0)]
    pub id: RequestId,
    #[n(1)]
    pub role: IntroRole,
    #[n(2)]
    pub introducer: PeerId,
    #[n(3)]
    pub asker: PeerId,
    #[n(4)]
    pub target: PeerId,
    /// Of the other one, as the introducer names them; for the introducer, of the target.
    #[n(5)]
    pub name: String,
    #[n(6)]
    pub note: Option<String>,
    #[n(7)]
    pub status: RequestStatus,
    #[n(8)]
    pub created: Timestamp,
    #[n(9)]
    pub expires: Timestamp,
    /// For the introducer: the asker has agreed. For the asker: the request was sent.
    #[n(10)]
    pub agreed: bool,
    /// For the introducer: what the target has sent for the asker.
    #[cbor(n(11), with = "minicbor::bytes")]
    pub contact: Option<Vec<u8>>,
    /// The signed statement: who said so can be shown later.
    #[cbor(n(12), with = "minicbor::bytes")]
    pub statement: Vec<u8>,
}

/// What we are in an introduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum IntroRole {
    /// The common friend.
    #[n(0)]
    Introducer,
    /// Who asks for friendship.
    #[n(1)]
    Asker,
    /// Who is asked.
    #[n(2)]
    Target,
}

impl Introducing {
    /// The one whom we are introduced to; for the introducer, the target.
    pub fn other(&self) -> PeerId {
        match self.role {
            IntroRole::Introducer | IntroRole::Asker => self.target,
            IntroRole::Target => self.asker,
        }
    }
}

/// A friend request.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Request {
    /// Its name here. An incoming one is named by what was received, so that nobody can
    /// choose a name that is taken.
    #[n(0)]
    pub id: RequestId,
    /// Its name in the frames.
    #[n(1)]
    pub wire: RequestId,
    #[n(2)]
    pub direction: Direction,
    #[n(3)]
    pub peer: PeerId,
    #[n(4)]
    pub name: String,
    #[n(5)]
    pub trust: Trust,
    #[n(6)]
    pub note: Option<String>,
    #[n(7)]
    pub status: RequestStatus,
    #[n(8)]
    pub created: Timestamp,
    #[n(9)]
    pub expires: Timestamp,
    /// Of the newest Offer sent or received.
    #[n(10)]
    pub revision: u32,
    /// The Offer's body in its encoding.
    #[cbor(n(11), with = "minicbor::bytes")]
    pub offer: Vec<u8>,
    /// Transcript after the Offer.
    #[n(12)]
    pub transcript: Digest,
    /// Transcript after the Accept that counts.
    #[n(13)]
    pub accepted: Option<Digest>,
    /// Outgoing: how the other person's devices are written to. Incoming: none.
    #[n(14)]
    pub contacts: Vec<Contact>,
    /// The certificate of the device that signed: of the Offer (in) or contact record (out).
    #[n(15)]
    pub chain: Option<Chain>,
    /// Pseudonym of the use of a counted grant.
    #[n(16)]
    pub usage: Nonce,
    /// Grant of our reply address.
    #[n(17)]
    pub grant: GrantId,
    /// Private half of our reply package.
    #[n(18)]
    pub reply_key: Secret,
    /// Digest of our reply package.
    #[n(19)]
    pub reply_package: Digest,
    /// The room: ours (out), or joined by us (in, once accepted).
    #[n(20)]
    pub room: Option<RoomId>,
    /// Came by a package that somebody else used too.
    #[n(21)]
    pub flagged: bool,
    /// Why it cannot go on, if so.
    #[n(22)]
    pub fault: Option<Fault>,
    /// When it was confirmed, blocked, cancelled or expired.
    #[n(23)]
    pub ended: Option<Timestamp>,
    /// Envelopes taken in by its reply address: their repeats are answered the same.
    #[n(24)]
    pub answered: Option<Vec<FrameId>>,
    /// It makes the room of a friendship again; nobody is asked.
    #[n(25)]
    pub renews: Option<Renews>,
    /// Where the Confirm goes.
    #[n(26)]
    pub confirm_to: Option<Contact>,
}

/// Why a request or message cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Fault {
    #[n(0)]
    InviteUsed,
    #[n(1)]
    InviteExpired,
    #[n(2)]
    Refused,
    #[n(3)]
    Blocked,
    #[n(4)]
    Ended,
    #[n(5)]
    Expired,
}

impl Fault {
    /// A sentence for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::InviteUsed => "the invite was already used by somebody else",
            Self::InviteExpired => "the invite has expired",
            Self::Refused => "the other device refused it",
            Self::Blocked => "the friend is blocked",
            Self::Ended => "the friendship ended before it was delivered",
            Self::Expired => "it was not delivered in the time it was given",
        }
    }
}

/// A friend, or somebody who is about to be one.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Friend {
    #[n(0)]
    pub peer: PeerId,
    #[n(1)]
    pub petname: String,
    #[n(2)]
    pub trust: Trust,
    #[n(3)]
    pub state: FriendState,
    #[n(4)]
    pub blocked: bool,
    /// Where history is filed; stays when the friendship is made anew.
    #[n(5)]
    pub conversation: RoomId,
    /// The connection room.
    #[n(6)]
    pub room: RoomId,
    #[n(7)]
    pub devices: Vec<DeviceId>,
    /// The friend's current friendship secret.
    #[n(8)]
    pub friendship: Option<FriendshipSecret>,
    /// Hash of the friend's second root key.
    #[n(9)]
    pub second_root: Option<Digest>,
    #[n(10)]
    pub since: Timestamp,
    /// Numbers of messages written before the other side confirmed.
    #[n(11)]
    pub held: Vec<u64>,
    #[n(12)]
    pub unread: u32,
    /// How the friend's presence is read. The labels lie in [`Table::Labels`].
    #[n(13)]
    pub presence: Option<FriendPresence>,
    /// Was taken out for a while, and is on the way to be given everything again. Until then
    /// an old key is good enough: the friend may wait for us with nothing better.
    #[n(14)]
    pub giving: bool,
    /// Up to which arrival number the friend has read our messages, where a receipt for one of them had not come yet.
    #[n(15)]
    pub read_to: Option<u64>,
    /// The room is being made again: nothing is sealed until then.
    #[n(16)]
    pub renewing: Option<Renewing>,
    /// When the friend's device came back from an older copy; the newest [`limits::REENTRIES_PER_DAY`].
    #[n(17)]
    pub reentries: Option<Vec<Timestamp>>,
    /// When texts were last sent again to an older copy automatically.
    #[n(18)]
    pub resent: Option<Timestamp>,
    /// Texts that an older copy lacks, and that are sent again when the user says so.
    #[n(19)]
    pub lacks: Option<Lacks>,
    /// What a newer state of this folder sent, as far as this friend has it.
    #[n(20)]
    pub unknown: Option<u32>,
}

/// How the room of a friendship is being made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Renewing {
    /// This folder is behind what the friend has seen of it: it has to ask for a new room.
    #[n(0)]
    Behind,
    /// The friend's device is: we have entered its new room, and wait for its Confirm.
    #[n(1)]
    Entered,
}

/// Own texts behind one in a conversation that a friend's older copy lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Lacks {
    /// Those with a higher arrival number.
    #[n(0)]
    pub after: u64,
    /// And a lower one: later texts went into the new room.
    #[n(1)]
    pub before: u64,
    #[n(2)]
    pub count: u32,
}

impl Lacks {
    /// Both together. Where one reaches back behind the other, it holds that one's texts as well.
    pub fn and(self, other: Self) -> Self {
        let (first, second) = if self.after <= other.after { (self, other) } else { (other, self) };
        let count = if second.after < first.before { first.count.max(second.count) } else { first.count.saturating_add(second.count) };
        Self { after: first.after, before: first.before.max(second.before), count }
    }
}

impl Friend {
    /// Whether something may be sealed for the friend in their room.
    pub fn may_seal(&self) -> bool {
        self.stands() && self.renewing.is_none()
    }

    /// How often a device of theirs came back from an older copy within this time.
    pub fn returns(&self, now: Timestamp, within: u64) -> usize {
        self.reentries.iter().flatten().filter(|at| now.since(**at) < within).count()
    }

    /// Whether the friendship stands: both have confirmed it, and we have not blocked it.
    pub fn stands(&self) -> bool {
        self.state == FriendState::Mutual && !self.blocked
    }
}

/// What is known of a friend's presence records.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct FriendPresence {
    #[n(0)]
    pub reader: Reader,
    /// Of the newest header and body read: nothing older is believed.
    #[n(1)]
    pub version: u64,
    #[n(2)]
    pub sequence: u64,
    /// When the newest body was read.
    #[n(3)]
    pub read: Timestamp,
    /// The friend's lookup servers.
    #[n(4)]
    pub lookups: Vec<symbolon_presence::address::Address>,
    /// What the newest header read wrapped: it leads to bodies until the next change of the friend's readers.
    #[n(5)]
    pub wrapped: Option<Secret>,
}

/// How far a friendship is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum FriendState {
    /// Bundle sent, none received: accepted, waiting.
    #[n(0)]
    Half,
    /// Bundles exchanged.
    #[n(1)]
    Mutual,
    /// Ended by us. History and petname stay, for the case that they become friends again.
    #[n(2)]
    Ended,
}

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
    /// Sequence number of the next ordered frame to it.
    #[n(6)]
    pub send_sequence: u64,
    /// One more than the highest counter received.
    #[n(7)]
    pub receive_counter: u64,
    /// Lower counters not received; bounded, the lowest are forgotten first.
    #[n(8)]
    pub missing: Vec<u64>,
    /// Sequence number of the next ordered frame from it.
    #[n(9)]
    pub receive_sequence: u64,
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
    pub depots: Vec<Depot>,
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
            send_sequence: 0,
            receive_counter: 0,
            missing: Vec::new(),
            receive_sequence: 0,
            outbox_next: crate::outbox::ROOM_LANE,
            outbox_count: 0,
            outbox_first: 0,
            heard: None,
            depots: Vec::new(),
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

/// A mailbox of ours at a relay.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct OwnDepot {
    #[n(0)]
    pub link: RelayLink,
    /// Seed of the key under which the relay knows us; used there only.
    #[n(1)]
    pub owner: Secret,
    #[n(2)]
    pub direct: QueueId,
    #[n(3)]
    pub contact: QueueId,
    #[n(4)]
    pub queue_secret: Secret,
    /// Of our newest record there.
    #[n(5)]
    pub version: u64,
    /// Proves to an owner-only relay that it is ours.
    #[n(6)]
    pub claim: Option<ClaimCode>,
    /// Whether the relay kept our mailbox when it was last heard; none before it was. Friends do
    /// not hear of one that does not.
    #[n(7)]
    pub kept: Option<bool>,
}

impl OwnDepot {
    /// Whether others hear of it.
    pub fn is_told(&self) -> bool {
        self.kept != Some(false)
    }
}

/// A message of a conversation, as stored.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Message {
    #[n(0)]
    pub id: MessageId,
    #[n(1)]
    pub from: PeerId,
    #[n(2)]
    pub at: Timestamp,
    #[n(3)]
    pub state: MessageState,
    #[n(4)]
    pub text: String,
    #[n(5)]
    pub fault: Option<Fault>,
}

/// The key of a message: conversation, then arrival number.
pub(crate) fn message_key(conversation: &RoomId, arrival: u64) -> Vec<u8> {
    [conversation.as_bytes().as_slice(), &arrival.to_be_bytes()].concat()
}

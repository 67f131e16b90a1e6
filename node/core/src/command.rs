//! What the user can ask for, and the answers.
//!
//! These types are what the local API and the command line translate to JSON; the names
//! of fields there stand in the API's own description.

use symbolon_presence::address::Address;
use symbolon_presence::id::{DeviceId, GrantId, MailboxId, MessageId, PeerId, RequestId, RoomId};
use symbolon_presence::time::Timestamp;

/// A wish of the user.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// Who am I?
    Identity,
    /// Give myself another name; at most [`NAME_MAX`](crate::limits::NAME_MAX) bytes.
    SetName(String),
    /// Make a single-use invite.
    Invite {
        /// How long it is good, in milliseconds.
        lifetime: u64,
        /// Leave out the own addresses.
        no_ip: bool,
        /// Accept the first Offer that comes by it without asking.
        auto_accept: bool,
    },
    /// Ask somebody for friendship.
    Add {
        /// An invite link (`symbolon:…`) or a Peer ID.
        target: String,
        /// A line to go with the request.
        note: Option<String>,
    },
    /// List friend requests.
    Requests,
    /// Introduce two friends to each other; both are asked.
    Introduce {
        /// Who will ask for friendship.
        asker: Who,
        /// Who will be asked.
        target: Who,
        /// A line to both.
        note: Option<String>,
    },
    /// Accept a request.
    Accept(RequestId),
    /// Set a request aside; it can be accepted later.
    Ignore(RequestId),
    /// Take an own request back.
    Cancel(RequestId),
    /// List the invites made here.
    Invites,
    /// Take an invite back, by its id or an unambiguous beginning of it.
    InviteRevoke(String),
    /// Block a request's sender, or a friend.
    Block(Who),
    /// Take a block back: by Peer ID, request id or petname.
    Unblock(Who),
    /// List friends.
    Friends,
    /// Give a friend another petname.
    Rename {
        /// The friend.
        friend: Who,
        /// The new petname.
        name: String,
    },
    /// Show a friend's fingerprint words, or compare them and mark the friend verified.
    Verify {
        /// The friend.
        friend: Who,
        /// The words as the friend read them out.
        words: Option<String>,
    },
    /// Hide from a friend where this node is, or show it again; the friend is told nothing.
    Hide {
        /// Petname, Peer ID or its beginning.
        friend: Who,
        /// Whether to hide.
        hidden: bool,
    },
    /// End a friendship on this side; the other side is told nothing.
    Unfriend(Who),
    /// Write a message.
    Send {
        /// To whom.
        to: Who,
        /// Give it up when it is not delivered after so many milliseconds; `None` for never.
        lifetime: Option<u64>,
        /// The text; at most [`TEXT_MAX`](crate::limits::TEXT_MAX) bytes of UTF-8.
        text: String,
    },
    /// Look at one of our or others' messages.
    Message(MessageId),
    /// Read history.
    Read {
        /// Of one conversation; all of them when absent.
        who: Option<Who>,
        /// Only what arrived after this message.
        since: Option<MessageId>,
        /// Only the last so many; capped at [`READ_LIMIT`](crate::limits::READ_LIMIT).
        limit: Option<usize>,
        /// Do not mark as read.
        peek: bool,
    },
    /// Search history by words; marks nothing as read.
    Search {
        /// The words; at most [`SEARCH_MAX`](crate::limits::SEARCH_MAX) bytes. A message is
        /// found when it has all of them, the last one as the beginning of a word.
        text: String,
        /// Only what arrived before this message.
        before: Option<MessageId>,
        /// Only the last so many; capped at [`READ_LIMIT`](crate::limits::READ_LIMIT).
        limit: Option<usize>,
    },
    /// Keep a mailbox at a relay. A relay that is there already stays as it is.
    RelayAdd {
        /// The relay's link.
        link: String,
        /// The claim code, for a relay that serves its owner only.
        claim: Option<String>,
    },
    /// Prove to the relays that do not keep our mailbox that they are ours.
    RelayClaim(String),
    /// Give up the mailbox at a relay, by its id or an unambiguous beginning of it.
    RelayRemove(String),
    /// List own relays.
    Relays,
    /// Let whoever knows the own Peer ID ask for friendship, or no longer.
    SetFindable(bool),
    /// Name a lookup server; one that is there stays as it is.
    LookupAdd(Address),
    /// Name a lookup server no longer.
    LookupRemove(Address),
    /// List the lookup servers that were named.
    Lookups,
    /// This copy of the folder goes on; or its user has seen that it is an older one.
    DeviceConfirm,
    /// Send a friend's older copy the texts that it lacks.
    DeviceResend(Who),
    /// What works and what does not.
    Status,
    /// What may be wrong, as far as the core can tell.
    Doctor,
}

// Texts, notes and links must not reach a log by way of `Debug`.
impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command(..)")
    }
}

/// Whom the user means: a petname, a Peer ID, or a request id, as typed.
#[derive(Clone, PartialEq, Eq)]
pub struct Who(pub String);

impl std::fmt::Debug for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Who(..)")
    }
}

/// The answer to a command that did what was asked.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// To [`Command::Identity`] and [`Command::SetName`].
    Identity(IdentityView),
    /// To [`Command::Invite`].
    Invite {
        /// The link (`symbolon:…`).
        link: String,
        /// When it stops being good.
        expires: Timestamp,
        /// Why the link may not work for everybody, if so.
        warning: Option<&'static str>,
    },
    /// To [`Command::Invites`]: those that end first come first.
    Invites(Vec<InviteView>),
    /// To [`Command::InviteRevoke`].
    InviteRevoked(InviteView),
    /// To every command about one request.
    Request(RequestView),
    /// To [`Command::Requests`]: newest first.
    Requests(Vec<RequestView>),
    /// To [`Command::Rename`], [`Command::Verify`] and to blocking a friend.
    Friend(FriendView),
    /// To [`Command::Friends`]: by petname.
    Friends(Vec<FriendView>),
    /// To [`Command::Send`] and [`Command::Message`].
    Message(MessageView),
    /// To [`Command::Read`] and [`Command::Search`]: oldest first.
    Messages(Vec<MessageView>),
    /// To [`Command::RelayAdd`] and [`Command::RelayRemove`].
    Relay(RelayView),
    /// To [`Command::Relays`] and [`Command::RelayClaim`]: for the latter, those that were told.
    Relays(Vec<RelayView>),
    /// To [`Command::LookupAdd`] and [`Command::LookupRemove`].
    Lookup(LookupView),
    /// To [`Command::Lookups`].
    Lookups(Vec<LookupView>),
    /// To [`Command::DeviceConfirm`]: whether it had stopped because of another copy.
    Confirmed(bool),
    /// To [`Command::DeviceResend`]: how many texts are sent again.
    Resent(u32),
    /// To [`Command::Status`].
    Status(StatusView),
    /// To [`Command::Doctor`].
    Doctor(DoctorView),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply(..)")
    }
}

/// This node's identity.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityView {
    /// Peer ID.
    pub id: PeerId,
    /// Fingerprint words, separated by single spaces.
    pub words: String,
    /// Own name as sent to friends.
    pub name: String,
    /// This device.
    pub device: DeviceId,
    /// Whether whoever knows the Peer ID may ask for friendship.
    pub findable: bool,
    /// As what the own name poses, if so: it is not refused, but others see it marked.
    pub beware: Option<&'static str>,
}

/// An invite made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteView {
    /// Its id.
    pub invite: GrantId,
    /// When it stops being good.
    pub expires: Timestamp,
    /// Where it stands.
    pub state: InviteState,
}

/// Where an invite stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteState {
    /// Good for whoever comes first.
    Open,
    /// Somebody has asked by it.
    Used,
    /// Too old.
    Expired,
    /// Taken back.
    Revoked,
}

/// A friend request.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestView {
    /// The request.
    pub request: RequestId,
    /// What is asked.
    pub kind: RequestKind,
    /// Who asked whom.
    pub direction: Direction,
    /// The other person.
    pub peer: PeerId,
    /// The name the other person gave; empty while unknown.
    pub name: String,
    /// The other person's fingerprint words.
    pub words: String,
    /// How the other person is known.
    pub trust: Trust,
    /// The line that came with the request.
    pub note: Option<String>,
    /// Where it stands.
    pub status: RequestStatus,
    /// Why it cannot go on, if so; or why to look twice.
    pub fault: Option<&'static str>,
    /// The petnames of those who introduced the other person.
    pub introduced_by: Vec<String>,
    /// When the row was made.
    pub created: Timestamp,
}

/// What a request asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Friendship.
    Friend,
    /// Whether an introduction is welcome.
    Introduction,
}

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Direction {
    /// The other person asked.
    #[n(0)]
    In,
    /// We asked.
    #[n(1)]
    Out,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum RequestStatus {
    /// Only a Peer ID is known: no key to seal the request to.
    #[n(0)]
    Unresolved,
    /// Not answered.
    #[n(1)]
    Pending,
    /// Accepted by the one who was asked; the other side's confirmation is under way.
    #[n(2)]
    Accepted,
    /// Both sides are friends.
    #[n(3)]
    Confirmed,
    /// Set aside.
    #[n(4)]
    Ignored,
    /// Refused for good.
    #[n(5)]
    Blocked,
    /// Too old.
    #[n(6)]
    Expired,
    /// Taken back by the one who asked.
    #[n(7)]
    Cancelled,
}

/// How somebody's identity is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Trust {
    /// Compared by words.
    #[n(5)]
    Verified,
    /// Vouched for by a common friend.
    #[n(1)]
    Introduced,
    /// By an invite that went from one to the other: as good as the way that it went.
    #[n(2)]
    Invited,
    /// In rows of version 2 only: by the person's own invite, or by words. Read as
    /// [`Trust::Invited`] unless it must have been words.
    #[n(0)]
    InvitedOrCompared,
    /// Met in a room.
    #[n(3)]
    Room,
    /// By nothing.
    #[n(4)]
    Unknown,
}

/// A friend.
#[derive(Clone, PartialEq, Eq)]
pub struct FriendView {
    /// Peer ID.
    pub id: PeerId,
    /// Petname: unique here.
    pub name: String,
    /// Fingerprint words.
    pub words: String,
    /// How the identity is known.
    pub trust: Trust,
    /// Whether both sides have confirmed; messages wait here until then.
    pub mutual: bool,
    /// Whether blocked.
    pub blocked: bool,
    /// Whether a link is open; `None` while nothing was tried yet.
    pub online: Option<bool>,
    /// How the link runs.
    pub path: Option<Path>,
    /// Messages of this friend not read yet.
    pub unread: u32,
    /// The petnames of those who introduced the friend.
    pub introduced_by: Vec<String>,
    /// Whether we hide from the friend where we are.
    pub hidden: bool,
    /// What the petname could be taken for, if so.
    pub beware: Option<&'static str>,
    /// How the friend's build stands to ours, when they do not understand each other.
    pub build: Option<Build>,
}

/// A build that does not speak as ours does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// It is older: the friend should update.
    Older,
    /// It is newer: we should.
    Newer,
}

impl Build {
    /// One word, as shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Older => "older",
            Self::Newer => "newer",
        }
    }
}

/// How a friend's device is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Path {
    /// A connection to the friend's own address.
    #[default]
    Direct,
    /// The same, on a network that both are attached to.
    Lan,
    /// A connection that a relay forwards.
    Relay,
}

/// A message.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageView {
    /// The message.
    pub message: MessageId,
    /// The conversation.
    pub conversation: RoomId,
    /// The conversation's name: the friend's petname.
    pub conversation_name: String,
    /// Who wrote it.
    pub from: PeerId,
    /// The writer's petname, or our own name.
    pub from_name: String,
    /// The text.
    pub text: String,
    /// When it was written, by the writer's clock.
    pub at: Timestamp,
    /// How far it got.
    pub state: MessageState,
    /// Why it failed, if it did.
    pub reason: Option<&'static str>,
    /// Whether we wrote it.
    pub mine: bool,
}

/// How far a message got. Never says more than is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum MessageState {
    /// Durable here.
    #[n(0)]
    Queued,
    /// A mailbox outside this node has signed for it.
    #[n(1)]
    Stored,
    /// On the disk of one of the friend's devices. For a message of somebody else: on ours.
    #[n(2)]
    Delivered,
    /// Read.
    #[n(3)]
    Read,
    /// Given up, with a reason.
    #[n(4)]
    Failed,
}

/// What works and what does not.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct StatusView {
    /// Friends with an open link.
    pub peers: usize,
    /// Envelopes not yet acknowledged.
    pub queue: u64,
    /// What the LAN shows; none while this node does not look.
    pub lan: Option<LanView>,
    /// How it stands with the DHT.
    pub dht: DhtView,
    /// Own relays.
    pub relays: Vec<RelayView>,
    /// Faults in words, each with what to do about it.
    pub problems: Vec<String>,
    /// Frames sent since start, by kind.
    pub sent_frames: Vec<(&'static str, u64)>,
    /// Frames refused or dropped since start, by reason.
    pub dropped_frames: Vec<(&'static str, u64)>,
}

/// A lookup server that the user has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupView {
    /// Where it is.
    pub lookup: Address,
    /// Whether it answered when it was last asked; `None` when it was not asked yet.
    pub answers: Option<bool>,
}

/// How it stands with the DHT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DhtView {
    /// Servers known now.
    pub servers: usize,
    /// Nodes on the LAN that stand in for them.
    pub neighbours: usize,
    /// When our newest records were last found by ourselves, in the DHT or at a lookup server.
    pub read_back: Option<Timestamp>,
    /// Lookup servers of ours that answered when last asked, our relays among them, and all.
    pub lookups: (usize, usize),
}

/// What the LAN shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LanView {
    /// Friends on it.
    pub friends: usize,
    /// Until when this node shows its name to strangers.
    pub visible_until: Option<Timestamp>,
    /// Names of strangers who show theirs, while this node does.
    pub strangers: Vec<String>,
}

/// A mailbox of ours at a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayView {
    /// The mailbox.
    pub relay: MailboxId,
    /// How we stand with the relay.
    pub state: RelayState,
    /// Entries waiting there, as the relay last said.
    pub entries: u32,
    /// The most there may be; 0 while unknown.
    pub entries_max: u32,
    /// Bytes waiting there.
    pub bytes: u64,
    /// The most there may be; 0 while unknown.
    pub bytes_max: u64,
}

/// How we stand with a relay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RelayState {
    /// Not asked yet, or no answer yet.
    #[default]
    Connecting,
    /// It has signed that it keeps our mailbox, on the link that is open now.
    Connected,
    /// It cannot be reached; tried again by itself.
    Unreachable,
    /// It has signed that it does not keep our mailbox.
    Refused,
    /// It has no room for another mailbox.
    Full,
    /// Another relay answers at its address: it was set up again there, or its address is now
    /// somebody else's. What lay there is gone.
    Replaced,
}

impl RelayState {
    /// One word, as shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Full => "full",
            Self::Replaced => "replaced",
        }
    }

    /// What is wrong with a relay of ours and what to do about it, in a sentence; none when nothing is.
    pub fn problem(self, relay: &MailboxId) -> Option<String> {
        let id = relay.to_string();
        let short = id.get(..8).unwrap_or(&id);
        match self {
            Self::Connecting | Self::Connected => None,
            Self::Unreachable => Some("A relay of yours cannot be reached: what others leave there waits.".to_owned()),
            Self::Refused => Some("A relay of yours does not keep your mailbox: add it again with its claim code.".to_owned()),
            Self::Full => Some("A relay of yours has no room for your mailbox: ask its operator.".to_owned()),
            Self::Replaced => Some(format!(
                "Another relay answers at the address of relay {short}, and your mailbox there is gone: run `symbolon relay remove {short}`, then `symbolon relay add LINK` with the link that the new relay shows (behind `up --relay`, too)."
            )),
        }
    }
}

/// Counts and ages by which the user can be told what is wrong. Names nobody.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DoctorView {
    /// Envelopes and held messages not yet acknowledged.
    pub waiting: u64,
    /// For how long the oldest message or request among them has waited, in milliseconds.
    pub oldest_wait: Option<u64>,
    /// Friends: neither ended nor blocked.
    pub friends: usize,
    /// Those of them with an open link.
    pub connected: usize,
    /// Those not connected of whom no device was ever heard.
    pub never_heard: usize,
    /// Those not connected and not heard for [`LONG_SILENCE`](crate::limits::LONG_SILENCE).
    pub long_silent: usize,
    /// Friends that were ended or blocked here.
    pub parted: usize,
    /// Friends whom the LAN shows; `None` when this node neither looks nor shows itself there.
    pub near: Option<usize>,
    /// Own addresses as they are now: those that lead here from other machines, and all.
    pub places: (usize, usize),
    /// Relays that keep a mailbox for us now, and all that should.
    pub relays: (usize, usize),
    /// Where records are, and how long ago our newest ones were last read back there, in milliseconds.
    pub lookup: (DhtView, Option<u64>),
    /// Faults in words, as in [`StatusView::problems`].
    pub problems: Vec<String>,
}

/// Why a command was not carried out. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// No friend, request or message of that name or id.
    NotFound,
    /// More than one fits; say it by id.
    Ambiguous,
    /// The link is damaged or not an invite.
    BadLink,
    /// Not an address that can be dialled.
    BadAddress,
    /// The invite is too old.
    LinkExpired,
    /// The invite was made at a time that is still to come by our clock.
    WrongClock,
    /// The invite or Peer ID is our own.
    OwnIdentity,
    /// Neither an invite link nor a Peer ID.
    BadTarget,
    /// A friend already.
    AlreadyFriends,
    /// A blocked identity: unblock first.
    IsBlocked,
    /// The request cannot be answered like that any more.
    WrongStatus,
    /// The name is empty, too long or has control characters.
    BadName,
    /// The name is taken by another friend.
    NameTaken,
    /// The text is empty or too long.
    BadText,
    /// There is nothing in it to search for, or it is too long.
    BadSearch,
    /// The note is too long or has control characters.
    BadNote,
    /// The words are not this friend's: do not trust the connection.
    WordsDiffer,
    /// The friendship is over or not there yet.
    NotFriends,
    /// A bounded table is full.
    Full,
    /// The lifetime is zero or too long.
    BadLifetime,
    /// The store failed; the turn was taken back.
    StoreFailed,
    /// The disk is full; the turn was taken back.
    StoreFull,
}

//! What the user can ask for, the answers, and what happens meanwhile.
//!
//! These types are what the local API and the command line translate to JSON; the names
//! of fields there stand in the API's own description.

use symbolon_presence::address::Address;
use symbolon_presence::id::{GrantId, MessageId, PeerId, RequestId, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;

mod backup;
mod device;
mod error;
mod friend;
mod identity;
mod message;
mod moves;
mod quiet;
mod relay;
mod request;
mod room;
mod status;
mod warning;
mod who;

pub use backup::{BackupCursor, BackupPlace, SealedPart};
pub use device::{JoiningView, OwnDeviceView, OwnDevicesView, PairingView};
pub use error::CommandError;
pub use friend::{Build, FriendView, Path, Trust};
pub use identity::{IdentityView, InviteState, InviteView, SettingsView};
pub use message::{DraftView, MessageState, MessageView, Tally};
pub use moves::MoveKeys;
pub use relay::{RelayState, RelayView};
pub use request::{AskedRoom, Direction, RequestKind, RequestStatus, RequestView};
pub use room::{CardView, HEIRS_MAX, MemberView, RoomRole, RoomStanding, RoomView};
pub use status::{DhtView, DoctorView, LanView, LookupView, RecoveryView, StatusView};
pub use warning::Warning;
pub use who::Who;

/// What users type for it on a command line, set apart by spaces: no name can pose as one of these words.
pub const VERBS: &str = "accept add backup block completions demo device doctor export findable friends hide id ignore introduce invite \
                         lookup man name page read relay rename requests room search send settings status stop unblock unfriend up \
                         verify";

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
    /// Shut out one device of a friend who has others: by its id, or the beginning of that.
    BlockDevice(Who, String),
    /// Block a request's sender, or a friend.
    Block(Who),
    /// Take a block back: by Peer ID, request id or petname.
    Unblock(Who),
    /// List friends.
    Friends,
    /// List those whose friendship was ended here: what was written with them stays and can be read.
    FormerFriends,
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
    /// Hide from a friend where this node is, or show it again; the friend does not hear of it.
    Hide {
        /// Petname, Peer ID or its beginning.
        friend: Who,
        /// Whether to hide.
        hidden: bool,
    },
    /// End a friendship on this side; the other side does not hear of it.
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
    /// What is being written in all conversations.
    Drafts,
    /// Keep what the user has typed in a conversation and not sent, for all of their devices.
    Draft {
        /// With whom, or where.
        to: Who,
        /// What stands there now; at most [`TEXT_MAX`](crate::limits::TEXT_MAX) bytes, empty for nothing any more.
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
    /// Read what came before a message: the way back through a long history.
    ReadBefore {
        /// Of one conversation; all of them when absent.
        who: Option<Who>,
        /// Only what arrived before this message.
        before: MessageId,
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
    /// Let anyone who knows the own Peer ID ask for friendship, or no longer.
    SetFindable(bool),
    /// Name a lookup server; one that is there stays as it is.
    LookupAdd(Address),
    /// Name a lookup server no longer.
    LookupRemove(Address),
    /// List the lookup servers that were named.
    Lookups,
    /// This copy of the folder continues; or its user has seen that it is an older one.
    DeviceConfirm,
    /// Show the recovery phrase.
    Phrase,
    /// The recovery phrase is written down: it is erased here.
    PhraseConfirm,
    /// Make the next part of a backup.
    Backup(BackupCursor),
    /// Take in the next part of a backup, in a folder in which nothing was done yet.
    Restore {
        /// What the recovery phrase stands for.
        entropy: Secret,
        /// The part, a [`BackupPart`](crate::wire::BackupPart) in its encoding.
        part: Vec<u8>,
    },
    /// What this folder takes along when it becomes a device of its own: a copy of which another one runs.
    MoveKeys,
    /// The same as [`Command::Restore`], by what a copy of a folder takes along.
    Move {
        /// That.
        keys: Box<MoveKeys>,
        /// The part, a [`BackupPart`](crate::wire::BackupPart) in its encoding.
        part: Vec<u8>,
    },
    /// Make a pairing code for a further device.
    DevicePair {
        /// What all friends are written once somebody has used it; none: nothing.
        tell: Option<String>,
    },
    /// Become a further device of the person who has made this code.
    DeviceJoin(String),
    /// List own devices.
    Devices,
    /// Remove another device of ours, by its id, the beginning of that, or what it is called.
    DeviceRemove(String),
    /// This device and these others of ours stay, by the recovery phrase, and no other one: friends refuse the rest.
    DeviceKeep {
        /// What the recovery phrase stands for.
        entropy: Secret,
        /// The others, each as in [`Command::DeviceRemove`].
        devices: Vec<String>,
    },
    /// Give this device a name among our own.
    DeviceRename(String),
    /// Send a friend's older copy the texts that it lacks.
    DeviceResend(Who),
    /// Make a room.
    RoomCreate(String),
    /// Add friends to a room. Those who cannot be reached now come in when they can.
    RoomAdd {
        /// The room: name, id or its beginning.
        room: Who,
        /// The friends.
        who: Vec<Who>,
    },
    /// Remove members from a room, or take back that somebody is to come in.
    RoomRemove {
        /// The room.
        room: Who,
        /// The members.
        who: Vec<Who>,
    },
    /// Leave a room. Its history stays.
    RoomLeave(Who),
    /// Give a room another name.
    RoomRename {
        /// The room.
        room: Who,
        /// The name; at most [`NAME_MAX`](crate::limits::NAME_MAX) bytes.
        name: String,
    },
    /// Give a room another topic; an empty one is none.
    RoomTopic {
        /// The room.
        room: Who,
        /// The topic; at most [`TOPIC_MAX`](crate::limits::TOPIC_MAX) bytes.
        topic: String,
    },
    /// Give a member another role.
    RoomRole {
        /// The room.
        room: Who,
        /// The member.
        who: Who,
        /// The role.
        role: RoomRole,
    },
    /// Mute a room or put it away, or no longer; what is `None` stays.
    RoomNote {
        /// The room.
        room: Who,
        /// Whether it is muted.
        muted: Option<bool>,
        /// Whether it is put away.
        archived: Option<bool>,
    },
    /// List the settings.
    Settings,
    /// Ask before a room is shown into which a friend has brought us, or show it at once.
    SetAsksForRooms(bool),
    /// Vouch without a question for friends who knock at a room, or only when their user says so.
    SetVouches(bool),
    /// Make a card by which people knock at a room. The first one lets them.
    RoomCard(Who),
    /// Knock at a room, by its card (`symbolon:…`).
    RoomKnock(String),
    /// Vouch for somebody who knocks at a room.
    RoomVouch(RequestId),
    /// List rooms.
    Rooms,
    /// List the members of a room.
    RoomMembers(Who),
    /// Ask a member of a room for friendship.
    RoomBefriend {
        /// The room.
        room: Who,
        /// The member.
        who: Who,
        /// A line to go with the request.
        note: Option<String>,
    },
    /// List the rooms that we are in with somebody: a friend, or the sender of a request.
    RoomsWith(Who),
    /// Leave all of them.
    RoomsLeaveWith(Who),
    /// What works and what does not.
    Status,
    /// What may be wrong, as far as the core can tell.
    Doctor,
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
        /// The invite.
        invite: GrantId,
        /// A relay or lookup server of ours is to have its body: until then it works while this node is on.
        awaits_servers: bool,
    },
    /// To [`Command::Invites`]: those that end first come first.
    Invites(Vec<InviteView>),
    /// To [`Command::InviteRevoke`].
    InviteRevoked(InviteView),
    /// To [`Command::MoveKeys`].
    MoveKeys(Box<MoveKeys>),
    /// To every command about one request.
    Request(RequestView),
    /// To [`Command::Requests`]: newest first.
    Requests(Vec<RequestView>),
    /// To [`Command::Rename`], [`Command::Verify`] and to blocking a friend.
    Friend(FriendView),
    /// To [`Command::Friends`] and [`Command::FormerFriends`]: by petname.
    Friends(Vec<FriendView>),
    /// To [`Command::Send`] and [`Command::Message`].
    Message(MessageView),
    /// To [`Command::Read`], [`Command::ReadBefore`] and [`Command::Search`]: oldest first.
    Messages(Vec<MessageView>),
    /// To [`Command::RelayAdd`] and [`Command::RelayRemove`].
    Relay(RelayView),
    /// To [`Command::Relays`] and [`Command::RelayClaim`]: for the latter, those that the code was sent to.
    Relays(Vec<RelayView>),
    /// To [`Command::LookupAdd`] and [`Command::LookupRemove`].
    Lookup(LookupView),
    /// To [`Command::Lookups`].
    Lookups(Vec<LookupView>),
    /// To [`Command::DeviceConfirm`]: whether it had stopped because of another copy.
    Confirmed(bool),
    /// To [`Command::Phrase`] and [`Command::PhraseConfirm`]: the words, or that they are gone.
    Phrase {
        /// The words; none once they are erased.
        words: Option<String>,
        /// Links of the relays at which lies what they need.
        relays: Vec<String>,
    },
    /// To [`Command::Backup`].
    Backup(SealedPart),
    /// To [`Command::DevicePair`].
    Paired(PairingView),
    /// To commands about own devices: the first one first, then by serial.
    Devices(OwnDevicesView),
    /// To [`Command::DeviceResend`]: how many texts are sent again.
    Resent(u32),
    /// To [`Command::Settings`] and commands that change one.
    Settings(SettingsView),
    /// To [`Command::Drafts`] and [`Command::Draft`].
    Drafts(Vec<DraftView>),
    /// To every command about one room.
    Room(RoomView),
    /// To [`Command::RoomCard`].
    Card(CardView),
    /// To [`Command::Rooms`], [`Command::RoomsWith`] and [`Command::RoomsLeaveWith`]: by name.
    Rooms(Vec<RoomView>),
    /// To [`Command::RoomMembers`]: ourselves first, then by name.
    Members(Vec<MemberView>),
    /// To [`Command::Status`].
    Status(StatusView),
    /// To [`Command::Doctor`].
    Doctor(DoctorView),
}

/// What the user may want to know at once. Identifies, never repeats content: the face
/// reads the rest by command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message of somebody else is durable here.
    Message {
        /// Conversation.
        room: RoomId,
        /// The message.
        message: MessageId,
    },
    /// The state of one of our messages has changed.
    MessageState {
        /// The message.
        message: MessageId,
    },
    /// A request is new or its status has changed.
    Request(RequestId),
    /// A friend is new, renamed, or changed state.
    Friend(PeerId),
    /// A room is new, or something of it has changed.
    Room(RoomId),
    /// Something else is being written than before, here or at another device of ours.
    Drafts,
    /// A friend came or went.
    Online {
        /// Who.
        peer: PeerId,
        /// Whether a link to one of the friend's devices is open.
        online: bool,
    },
    /// Something the owner should look at; the text is for people, without ids or names.
    Warning(Warning),
}

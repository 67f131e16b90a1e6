//! Why a command was not carried out.

/// Why a command was not carried out. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// No friend, request or message of that name or id.
    NotFound,
    /// More than one fits; say it by id.
    Ambiguous,
    /// The link is damaged or not an invite.
    BadLink,
    /// The invite was made by an older build.
    OldLink,
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
    /// The friendship has ended or is not there yet.
    NotFriends,
    /// A bounded table is full.
    Full,
    /// Not in that room, or not any more.
    NotInRoom,
    /// The own role in the room does not allow it.
    NoRight,
    /// The friend's build is older and cannot do that yet.
    OldBuild,
    /// Only the first device of a person certifies others.
    NotFirstDevice,
    /// A part of a backup that cannot be read.
    BadBackup,
    /// The words are not those of this backup.
    WrongPhrase,
    /// The words were confirmed, and are not kept here any more.
    PhraseGone,
    /// Not a pairing code, or mistyped.
    BadCode,
    /// In this folder something was done already: it cannot become a device of somebody else.
    NotFresh,
    /// A friend's only device.
    OnlyDevice,
    /// The other device is the older one: it stands.
    OlderDevice,
    /// Our user has said by the recovery phrase which devices are theirs: only the phrase changes that.
    DevicesKept,
    /// This device was removed by another one of its person.
    DeviceGone,
    /// The certificate of this device has ended, and another device renews it.
    DeviceExpired,
    /// No relay of this node could be the hub of a room.
    NoHub,
    /// The link is a room's card.
    IsCard,
    /// The link is an invite, where another kind was looked for.
    IsInvite,
    /// The link is a relay's.
    IsRelay,
    /// Not a relay's claim code, or mistyped.
    BadClaim,
    /// The lifetime is zero or too long.
    BadLifetime,
    /// The store failed; the turn was taken back.
    StoreFailed,
    /// The disk is full; the turn was taken back.
    StoreFull,
}

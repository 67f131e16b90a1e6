//! What the owner should look at.

/// Warnings to the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    /// An invite that was already used was presented again, by somebody else.
    InviteReused,
    /// An expired invite was presented.
    InviteExpired,
    /// Something else lies in the place of an invite's body: somebody who has the link has put it there.
    InviteSpoiled,
    /// A request came with other keys than an earlier one under the same request id.
    KeysChanged,
    /// A friend has seen a newer state of this folder than it holds.
    OlderCopy,
    /// Another copy of this folder runs; this one has stopped.
    SecondCopy,
    /// Another copy of this folder runs; this one becomes a device of its own.
    CopyMoves,
    /// A friend's device came back from an older copy and has a new room.
    FriendReturned,
    /// A friend's device was restored, and continues as a new one.
    FriendDevice,
    /// A friend has said by their recovery phrase which devices are theirs.
    FriendListed,
    /// A further device of ours has come.
    OwnDeviceCame,
    /// A device of ours was removed.
    OwnDeviceGone,
    /// This device was removed by another one of ours.
    RemovedHere,
}

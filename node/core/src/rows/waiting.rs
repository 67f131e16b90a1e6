//! What has come and cannot be read yet.

use minicbor::{Decode, Encode};
use symbolon_presence::id::{DeviceId, FrameId, MailboxId, RoomId};
use symbolon_presence::time::Timestamp;

/// Of [`Table::Waiting`](crate::table::Table::Waiting): a key that begins so is of an envelope.
pub(crate) const UNOPENED: u8 = 0;

/// The same of a piece of a message.
const PIECE: u8 = 1;

/// A known envelope that a relay of ours has handed out before anything opens it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Unopened {
    /// Our mailbox there.
    #[n(0)]
    pub mailbox: MailboxId,
    #[n(1)]
    pub at: Timestamp,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub envelope: Vec<u8>,
}

/// The key of an envelope.
pub(crate) fn unopened_key(frame: &FrameId) -> Vec<u8> {
    [[UNOPENED].as_slice(), frame.as_bytes()].concat()
}

/// The envelope of a key; none of one of another kind.
pub(crate) fn split_unopened_key(key: &[u8]) -> Option<FrameId> {
    key.strip_prefix(&[UNOPENED]).and_then(FrameId::from_slice)
}

/// The key of a piece: of whom, in which room, its place.
pub(crate) fn piece_key(device: &DeviceId, room: &RoomId, index: u8) -> Vec<u8> {
    [[PIECE].as_slice(), device.as_bytes(), room.as_bytes(), &[index]].concat()
}

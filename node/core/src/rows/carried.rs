//! What is carried for friends.

use minicbor::{Decode, Encode};
use symbolon_presence::id::{DeviceId, RoomId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::put::{Put, Receipt};

/// An envelope that is carried, or the receipt for some that were.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct CarriedRow {
    /// Who has given it, and gets the receipt.
    #[n(0)]
    pub from: DeviceId,
    #[n(1)]
    pub at: Timestamp,
    #[n(2)]
    pub put: Option<Put>,
    #[n(3)]
    pub receipt: Option<Receipt>,
    /// The shared room in which giver and receiver were when it was taken.
    #[n(4)]
    pub room: Option<RoomId>,
}

/// The key of a row of [`Table::Carried`](crate::table::Table::Carried): who gets it, and a number.
pub(crate) fn carried_key(to: &DeviceId, number: u64) -> Vec<u8> {
    [to.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

/// The other way round.
pub(crate) fn split_carried_key(key: &[u8]) -> Option<(DeviceId, u64)> {
    let (device, number) = key.split_last_chunk::<8>()?;
    Some((DeviceId(device.try_into().ok()?), u64::from_be_bytes(*number)))
}

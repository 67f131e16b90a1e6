//! What is known of an envelope that is carried, without its bytes.

use crate::rows::CarriedRow;
use symbolon_presence::id::{DeviceId, FrameId, PeerId, RoomId};
use symbolon_presence::time::Timestamp;

/// What is known of one row.
#[derive(Debug)]
pub(super) struct Note {
    pub from: DeviceId,
    /// Whose device that is.
    pub peer: PeerId,
    /// In which both were with us when it was taken.
    pub room: Option<RoomId>,
    /// The envelope; none of a receipt that is brought back.
    pub frame: Option<FrameId>,
    pub size: u64,
    pub at: Timestamp,
    /// On how many links it was put.
    pub tries: u8,
}

impl Note {
    pub fn of(row: &CarriedRow, peer: PeerId) -> Self {
        let (put, receipt) = (row.put.as_ref(), row.receipt.as_ref());
        let size = put.map(|put| put.envelope.len()).or_else(|| receipt.map(|receipt| receipt.body.len())).unwrap_or_default();
        Self { from: row.from, peer, room: row.room, frame: put.map(|put| put.frame), size: size as u64, at: row.at, tries: 0 }
    }
}

/// Whose device gives something to be carried, and in which room it is together with who gets it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Giver {
    pub device: DeviceId,
    pub peer: PeerId,
    pub room: RoomId,
}

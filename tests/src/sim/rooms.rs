//! Room ciphers with turns: what happened since the last kept turn can be taken back.

use symbolon_core::clear_cipher::ClearCipher;
use symbolon_core::world::RoomCipher;

/// The state of room encryption; it belongs to the store's transactions.
pub trait Rooms {
    /// The cipher, to be lent for one input.
    fn cipher(&mut self) -> &mut dyn RoomCipher;

    /// Ends the turn; what happened stays. False when it cannot be kept: the turn failed.
    fn keep(&mut self) -> bool;

    /// Ends the turn; nothing of it stays, and nothing that was only in memory.
    fn withdraw(&mut self);

    /// What is kept, for a copy of the whole folder; none where that cannot be had.
    fn copy(&self) -> Option<Box<dyn Rooms>> {
        None
    }

    /// The same without a room, for a folder that is made again; none where that cannot be had.
    fn fresh(&self, _seed: [u8; 32]) -> Option<Box<dyn Rooms>> {
        None
    }
}

/// Rooms in clear text.
#[derive(Debug, Clone)]
pub struct ClearRooms {
    live: ClearCipher,
    kept: ClearCipher,
}

impl ClearRooms {
    /// Without rooms.
    pub fn new(seed: [u8; 32]) -> Self {
        let live = ClearCipher::new(seed);
        Self { kept: live.clone(), live }
    }
}

impl Rooms for ClearRooms {
    fn cipher(&mut self) -> &mut dyn RoomCipher {
        &mut self.live
    }

    fn keep(&mut self) -> bool {
        self.kept = self.live.clone();
        true
    }

    fn withdraw(&mut self) {
        self.live = self.kept.clone();
    }

    fn copy(&self) -> Option<Box<dyn Rooms>> {
        Some(Box::new(Self { live: self.kept.clone(), kept: self.kept.clone() }))
    }

    fn fresh(&self, seed: [u8; 32]) -> Option<Box<dyn Rooms>> {
        Some(Box::new(Self::new(seed)))
    }
}

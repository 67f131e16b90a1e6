//! One epoch of a room: its members, its secret and the senders' ratchets.

use super::{FORWARD_DISTANCE, OUT_OF_ORDER_TOLERANCE};
use crate::world::{CipherError, Member};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use symbolon_presence::id::{Digest, EpochId, RoomId};

/// SHA-256 over a label and parts, each preceded by its length.
pub(super) fn hash(label: &str, parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    for part in std::iter::once(&label.as_bytes()).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Digest(hash.finalize().into())
}

/// The epoch's name, from what also an outsider sees.
pub(super) fn name(room: RoomId, number: u64, confirmation: Digest) -> EpochId {
    EpochId(hash("epoch", &[room.as_bytes(), &number.to_be_bytes(), &confirmation.0]).0)
}

/// The leftmost free position (RFC 9420, section 12.1.1).
pub(super) fn lowest_free(members: &BTreeMap<u32, Member>) -> u32 {
    members.keys().zip(0..).take_while(|(index, place)| *index == place).count() as u32
}

/// What a member knows of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Epoch {
    pub number: u64,
    pub id: EpochId,
    pub secret: Digest,
    /// Shared by all copies: a simulation keeps one for each turn, of large rooms as well.
    pub members: Arc<BTreeMap<u32, Member>>,
    pub state: Option<Digest>,
    pub texts_sent: u32,
    pub commits_sent: u32,
    pub texts: BTreeMap<u32, Ratchet>,
    pub commits: BTreeMap<u32, Ratchet>,
}

impl Epoch {
    pub fn new(room: RoomId, number: u64, secret: Digest, members: BTreeMap<u32, Member>, state: Option<Digest>) -> Self {
        let mut epoch = Self {
            number,
            id: EpochId([0; 32]),
            secret,
            members: Arc::new(members),
            state,
            texts_sent: 0,
            commits_sent: 0,
            texts: BTreeMap::new(),
            commits: BTreeMap::new(),
        };
        epoch.id = name(room, number, epoch.confirmation());
        epoch
    }

    /// What stands for the confirmation tag.
    pub fn confirmation(&self) -> Digest {
        hash("confirmation", &[&self.secret.0])
    }

    /// What stands for the key that an external commit is made to.
    pub fn external(&self) -> Digest {
        hash("external", &[&self.secret.0])
    }
}

/// The receiving side of one sender: which generations can still be opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ratchet {
    head: u32,
    /// Generations below the head that were not opened; at most [`OUT_OF_ORDER_TOLERANCE`].
    skipped: BTreeSet<u32>,
}

impl Ratchet {
    /// Uses up a generation.
    pub fn take(&mut self, generation: u32) -> Result<(), CipherError> {
        if generation < self.head {
            if self.head - generation > OUT_OF_ORDER_TOLERANCE {
                return Err(CipherError::Gone);
            }
            return if self.skipped.remove(&generation) { Ok(()) } else { Err(CipherError::Used) };
        }
        if generation - self.head > FORWARD_DISTANCE {
            return Err(CipherError::Broken);
        }
        let head = generation.checked_add(1).ok_or(CipherError::Broken)?;
        let oldest = head.saturating_sub(OUT_OF_ORDER_TOLERANCE);
        self.skipped.extend(self.head.max(oldest)..generation);
        self.skipped = self.skipped.split_off(&oldest);
        self.head = head;
        Ok(())
    }
}

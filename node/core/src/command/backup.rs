//! How far a backup is.

use minicbor::{Decode, Encode};
use symbolon_presence::id::Nonce;

/// Which part of a backup comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BackupCursor {
    /// The backup's.
    #[n(0)]
    pub id: Nonce,
    /// Parts before it.
    #[n(1)]
    pub index: u64,
    /// What it holds.
    #[n(2)]
    pub place: BackupPlace,
}

/// One part of a backup.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedPart {
    /// The backup's.
    pub id: Nonce,
    /// The part as it stands in the file.
    pub sealed: Vec<u8>,
    /// What comes next; none behind the last part.
    pub next: Option<BackupCursor>,
}

/// What a part of a backup holds, and from where on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum BackupPlace {
    /// Whose it is.
    #[n(0)]
    Head,
    /// How the person stands to others.
    #[n(1)]
    Persons(#[n(0)] u64),
    /// How devices are written to.
    #[n(2)]
    Ways(#[n(0)] u64),
    /// Texts, those of rooms among them, from an arrival number on.
    #[n(3)]
    Texts(#[n(0)] u64),
    /// Nothing more.
    #[n(4)]
    End,
    /// Shared rooms.
    #[n(5)]
    Rooms(#[n(0)] u64),
}

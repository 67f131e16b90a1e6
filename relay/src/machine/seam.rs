//! The relay's edges: the rows that it is lent, and what the shell is to do.

use symbolon_presence::id::PublicKeyBytes;

/// What a relay keeps. The shell gives each its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelayTable {
    /// A mailbox: [`PublicKeyBytes`] of the owner -> [`Mailbox`](super::rows::Mailbox).
    Mailbox,
    /// An entry: owner, number -> [`Entry`](super::rows::Entry).
    Entry,
    /// Where an envelope lies: owner, frame id -> number.
    Frame,
    /// When a row ends: moment, and the key of an entry (40 B) or of a use (64 B) -> nothing.
    Expiry,
    /// Envelopes that came under a counted grant: owner, grant, first half of the frame id -> what was answered.
    Use,
    /// Records of a day: day (4 B), owner -> version and records.
    Away,
    /// Packages: owner, number (4 B) -> package.
    Package,
}

/// Keys with their values.
pub type RelayRows = Vec<(Vec<u8>, Vec<u8>)>;

/// The relay's rows, this turn's writes included.
pub trait RelayShelf {
    /// One row.
    fn get(&self, table: RelayTable, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfFailed>;
    /// At most `limit` rows from a key upwards.
    fn range(&self, table: RelayTable, from: &[u8], limit: usize) -> Result<RelayRows, ShelfFailed>;
    /// Writes a row, or deletes it.
    fn set(&mut self, table: RelayTable, key: &[u8], value: Option<Vec<u8>>);
}

/// The store failed, or a row cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShelfFailed(pub &'static str);

/// A link, as the shell numbers it.
pub type Link = u64;

/// What the shell is to do once the turn is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayAction {
    /// Send a frame.
    Send(Link, Vec<u8>),
    /// Close a link.
    Close(Link),
    /// The owner of a mailbox is on this link: connections may be forwarded to it.
    Admit(Link),
    /// The first frame on a link that makes sense has come.
    Heard(Link),
    /// The place of a link is kept when strangers fill all others: it serves an owner.
    Keep(Link),
    /// Let this record of an owner be found.
    Host(PublicKeyBytes, Vec<u8>),
}

/// Who may have a mailbox here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Policy {
    /// Those who have the claim code.
    #[n(0)]
    #[default]
    Owner,
    /// They, and those who have the friends' code.
    #[n(1)]
    Friends,
    /// Anybody.
    #[n(2)]
    Open,
}

impl Policy {
    /// One word, as shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Friends => "friends",
            Self::Open => "open",
        }
    }
}

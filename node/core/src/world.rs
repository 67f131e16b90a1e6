//! What the core borrows for one input: the room cipher and the shelf.
//!
//! Both live inside the store's open transaction. Whatever they answer is rolled back
//! together with the core's own changes when the turn fails.

use crate::table::{Change, Table};
use symbolon_presence::id::{Digest, EpochId, RoomId};
use symbolon_presence::time::Timestamp;

/// The world as lent to [`Core::handle`](crate::Core::handle) for one input.
pub struct World<'a> {
    /// Room encryption: MLS in the shell, clear text with MLS's failure modes in tests.
    pub cipher: &'a mut dyn RoomCipher,
    /// The durable tables, read only; writes leave as [`Change`]s.
    pub shelf: &'a dyn Shelf,
}

/// Reading access to the durable tables.
///
/// Reads see every change that was applied earlier in the same turn.
pub trait Shelf {
    /// The value under `key`, if there is one.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfError>;

    /// At most `limit` rows in ascending key order, beginning with the first key that is
    /// not less than `from`. `limit` is capped at [`RANGE_LIMIT`].
    fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<Rows, ShelfError>;

    /// Like [`Shelf::range`] but downwards: the last keys that are *less than* `before`,
    /// in descending order.
    fn range_back(&self, table: Table, before: &[u8], limit: usize) -> Result<Rows, ShelfError>;

    /// The numbers of texts put by [`Change::Index`] that have every one of these words,
    /// the last one also as the beginning of a word: the highest numbers below `before`, in
    /// descending order. `words` is what somebody typed: nothing in it is syntax, letter
    /// case and accents do not count, and without a letter, digit or emoji in it nothing is found.
    /// `limit` is capped at [`RANGE_LIMIT`].
    fn search(&self, words: &str, before: u64, limit: usize) -> Result<Vec<u64>, ShelfError>;
}

/// Keys with their values.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// The most rows that one range answers.
pub const RANGE_LIMIT: usize = 1024;

/// The store could not answer. Always fails the turn: the shell rolls back and loads again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShelfError(pub &'static str);

/// Where changes go; the shell's transaction and the tests' memory store implement it.
pub trait ShelfMut: Shelf {
    /// Applies one change inside the open transaction.
    fn apply(&mut self, change: &Change) -> Result<(), ShelfError>;
}

/// Public half of a leaf's signature key (Ed25519).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafKey(pub [u8; 32]);

/// Position of a leaf in the room's tree.
pub type LeafIndex = u32;

/// How long a leaf is valid. The core checks it against its own `now`; a cipher that reads
/// the wall clock must be given exactly these bounds and must not check them itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
}

/// One member of a room as its tree shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Position in the tree.
    pub index: LeafIndex,
    /// The key that signs for this leaf.
    pub leaf: LeafKey,
    /// Opaque credential bytes: who this is, certified by what the core understands.
    pub credential: Vec<u8>,
}

/// What a GroupInfo shows before anybody joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    /// The room.
    pub room: RoomId,
    /// The epoch that an external commit would be made in.
    pub epoch: EpochId,
    /// All leaves.
    pub members: Vec<Member>,
    /// The room state of that epoch, see [`RoomCipher::create`].
    pub state: Option<Digest>,
}

/// What a KeyPackage is for, beside its leaf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageKind {
    /// Whether it may be used more than once, when there is no other left (RFC 9420, section 16.8).
    pub last_resort: bool,
    /// Opaque bytes for anyone who adds the leaf, at most [`QUEUE_MAX`]: where to write to it.
    pub queue: Vec<u8>,
}

/// What a KeyPackage shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageView {
    /// The key that signs for the leaf.
    pub leaf: LeafKey,
    /// Its credential.
    pub credential: Vec<u8>,
    /// How long it may be added; MLS counts seconds, so the bounds are whole ones.
    pub lifetime: Lifetime,
    /// What it is for.
    pub kind: PackageKind,
}

/// Leaves that a room has at most. What would make it larger is refused, and so is a larger room.
pub const LEAVES_MAX: usize = 256;
/// Longest `queue` of a KeyPackage, in bytes.
pub const QUEUE_MAX: usize = 1_200;

/// A room just entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The room.
    pub room: RoomId,
    /// The epoch the joiner is in now.
    pub epoch: EpochId,
    /// The external commit to hand to the members; empty after a Welcome.
    pub commit: Vec<u8>,
    /// The room state of that epoch.
    pub state: Option<Digest>,
}

/// The epoch that a Welcome leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WelcomeView {
    /// The room.
    pub room: RoomId,
    /// The epoch's number (RFC 9420, section 8).
    pub number: u64,
    /// Its room state.
    pub state: Option<Digest>,
    /// Its members, us among them.
    pub members: Vec<Member>,
    /// From its exporter.
    pub exported: [u8; 32],
}

/// An application message, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The epoch it was sealed in.
    pub epoch: EpochId,
    /// An MLS PrivateMessage (RFC 9420, section 6.3).
    pub bytes: Vec<u8>,
}

/// What an incoming room message turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// An application message.
    Text {
        /// Sender's leaf.
        sender: Member,
        /// The epoch it was sealed in.
        epoch: EpochId,
        /// Decrypted content.
        plaintext: Vec<u8>,
        /// Authenticated data that travelled in clear.
        aad: Vec<u8>,
    },
    /// A commit: checked, staged, not merged. Answer with `adopt` or `reject`.
    Commit(Staged),
}

/// A commit that was checked but not merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// The epoch it was made in.
    pub parent: EpochId,
    /// The number of that epoch (RFC 9420, section 8).
    pub number: u64,
    /// The epoch that `adopt` leads to. Whom the commit removes cannot know its name and
    /// sees one of its own.
    pub epoch: EpochId,
    /// Who made it.
    pub committer: Committer,
    /// New leaves, the external joiner's included.
    pub added: Vec<Member>,
    /// Leaves that go.
    pub removed: Vec<LeafIndex>,
    /// The room state of the epoch that `adopt` leads to.
    pub state: Option<Digest>,
    /// Authenticated data that travelled in clear.
    pub aad: Vec<u8>,
}

/// Who made a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committer {
    /// A member at this position.
    Member(LeafIndex),
    /// Somebody who enters by this very commit.
    External,
}

/// A commit of our own: durable, not merged. Answer with `adopt` or `reject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The epoch it was made in.
    pub parent: EpochId,
    /// The epoch that `adopt` leads to.
    pub epoch: EpochId,
    /// Bytes for the members.
    pub commit: Vec<u8>,
    /// Bytes for those who were added; none when nobody was.
    pub welcome: Option<Vec<u8>>,
}

/// What a commit of our own changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposals {
    /// KeyPackages (RFC 9420 bytes) of those who enter.
    pub add: Vec<Vec<u8>>,
    /// Leaves that go.
    pub remove: Vec<LeafIndex>,
    /// The room state from now on; none leaves it as it is. A room made without one never has one.
    pub state: Option<Digest>,
}

/// Why a room message could not be handled. None of them changes the room's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CipherError {
    /// Of an epoch that has not been reached yet: keep it and try again later.
    Ahead,
    /// Of an epoch, or a room, that is no longer kept.
    Gone,
    /// Decrypted before: its key is used up.
    Used,
    /// Not valid for this room: malformed, forged, or refused by MLS.
    Broken,
    /// The store below the cipher failed. Always fails the turn.
    Store,
}

/// Room encryption as the core sees it: MLS (RFC 9420) without its types.
///
/// `ClearCipher` (tests) and `MlsCipher` (shell) pass one conformance suite,
/// [`conformance`](crate::conformance).
pub trait RoomCipher {
    /// Makes a leaf signature key pair; the private half stays inside the cipher.
    fn fresh_leaf(&mut self) -> Result<LeafKey, CipherError>;

    /// Makes a KeyPackage for a leaf from [`RoomCipher::fresh_leaf`], one for each leaf.
    fn key_package(&mut self, leaf: LeafKey, credential: &[u8], lifetime: Lifetime, kind: &PackageKind) -> Result<Vec<u8>, CipherError>;

    /// What a KeyPackage shows. Checks its form, suite and signatures, changes nothing. One that
    /// cannot be added any more by the cipher's own clock may be refused.
    fn inspect_package(&self, package: &[u8]) -> Result<PackageView, CipherError>;

    /// Erases the private parts of a leaf's KeyPackage, and its signature key unless a room
    /// was entered with it. Nothing happens when there is no KeyPackage of that leaf.
    fn drop_package(&mut self, leaf: LeafKey) -> Result<(), CipherError>;

    /// Creates a room whose only member is `leaf`. `state` is the *room state*: 32 bytes in the
    /// context of each epoch (RFC 9420, section 8.1), so that all members agree on it, and who
    /// joins sees it. A room made without one has none.
    fn create(
        &mut self,
        room: RoomId,
        leaf: LeafKey,
        credential: &[u8],
        lifetime: Lifetime,
        state: Option<Digest>,
    ) -> Result<EpochId, CipherError>;

    /// The room's GroupInfo with its tree, for joining by external commit.
    fn offer(&mut self, room: RoomId) -> Result<Vec<u8>, CipherError>;

    /// What a GroupInfo shows. Checks its form and signature, changes nothing.
    fn inspect(&self, group_info: &[u8]) -> Result<RoomView, CipherError>;

    /// Makes a pre-shared key known under its identifier, for the next external commit
    /// made or opened with it. That commit erases it, also when it is rejected later; one
    /// that is refused does not.
    fn share_psk(&mut self, id: &[u8; 32], secret: &[u8; 32]) -> Result<(), CipherError>;

    /// Erases a pre-shared key that was not used after all.
    fn unshare_psk(&mut self, id: &[u8; 32]) -> Result<(), CipherError>;

    /// Enters a room by external commit that carries the pre-shared key `psk` made known
    /// by [`RoomCipher::share_psk`]. Merged at once. A room that is held already must be
    /// forgotten first.
    fn join_external(
        &mut self,
        group_info: &[u8],
        psk: &[u8; 32],
        leaf: LeafKey,
        credential: &[u8],
        lifetime: Lifetime,
    ) -> Result<Joined, CipherError>;

    /// Enters a room by a Welcome to one of our KeyPackages. Refused ([`CipherError::Gone`])
    /// when the KeyPackage is not ours or used up. It is used up by that, unless it is one of
    /// last resort.
    fn join_welcome(&mut self, welcome: &[u8]) -> Result<Joined, CipherError>;

    /// The leaf of the KeyPackage that [`RoomCipher::join_welcome`] would use;
    /// [`CipherError::Gone`] when it is not ours or used up. Changes nothing, and checks nothing else.
    fn welcome_leaf(&self, welcome: &[u8]) -> Result<LeafKey, CipherError>;

    /// What a Welcome to one of our KeyPackages shows of the epoch that it leads to, with 32 bytes from that epoch's
    /// exporter. Everything is checked as by [`RoomCipher::join_welcome`], but the room may be held already. Changes
    /// nothing: the KeyPackage is not used up.
    fn view_welcome(&self, welcome: &[u8], label: &str) -> Result<WelcomeView, CipherError>;

    /// Encrypts an application message to the room's current epoch.
    fn seal(&mut self, room: RoomId, plaintext: &[u8], aad: &[u8]) -> Result<Sealed, CipherError>;

    /// Decrypts an application message or checks and stages a commit, which replaces the
    /// one staged before. A message of our own is [`CipherError::Broken`]; a text further
    /// out of order than its key is kept is [`CipherError::Gone`].
    fn open(&mut self, room: RoomId, bytes: &[u8]) -> Result<Opened, CipherError>;

    /// Checks a commit as [`RoomCipher::open`] would have done in the kept epoch `parent`, see
    /// [`RoomCipher::rewind`], and changes nothing, not even a pre-shared key.
    /// [`CipherError::Gone`] when `parent` is not kept, [`CipherError::Used`] when it was opened
    /// there, [`CipherError::Broken`] when it is our own or no commit.
    fn peek(&self, room: RoomId, parent: EpochId, bytes: &[u8]) -> Result<Staged, CipherError>;

    /// Makes a commit, which stays pending until `adopt` or `reject`; meanwhile no other can
    /// be made. It always renews the own leaf. `aad` travels in clear and is authenticated.
    fn commit(&mut self, room: RoomId, proposals: &Proposals, aad: &[u8]) -> Result<Pending, CipherError>;

    /// Merges the staged or pending commit that leads to `epoch`, and keeps the parent
    /// epoch's state for [`RoomCipher::rewind`].
    fn adopt(&mut self, room: RoomId, epoch: EpochId) -> Result<(), CipherError>;

    /// Drops whatever commit is staged or pending.
    fn reject(&mut self, room: RoomId) -> Result<(), CipherError>;

    /// Goes back to a kept parent epoch; everything after it is dropped. Texts that were
    /// opened since stay used.
    fn rewind(&mut self, room: RoomId, parent: EpochId) -> Result<(), CipherError>;

    /// Erases kept parent epochs of the room: no rewinding past now.
    fn complete(&mut self, room: RoomId) -> Result<(), CipherError>;

    /// Erases the kept parent epochs of the room that are not among `except`.
    fn forget_parents(&mut self, room: RoomId, except: &[EpochId]) -> Result<(), CipherError>;

    /// Erases everything of the room, the leaf that it was entered with included, unless that
    /// is one of last resort or another room's as well.
    fn forget(&mut self, room: RoomId) -> Result<(), CipherError>;

    /// The room's current epoch.
    fn epoch(&self, room: RoomId) -> Result<EpochId, CipherError>;

    /// The room state of the current epoch.
    fn state(&self, room: RoomId) -> Result<Option<Digest>, CipherError>;

    /// All members in the current epoch.
    fn members(&self, room: RoomId) -> Result<Vec<Member>, CipherError>;

    /// 32 bytes from the epoch's exporter (RFC 9420, section 8.5).
    fn export(&self, room: RoomId, label: &str, context: &[u8]) -> Result<[u8; 32], CipherError>;
}

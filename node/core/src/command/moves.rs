//! What a copy of a folder takes along when it becomes a device of its own.

use std::collections::BTreeMap;
use symbolon_presence::id::{Digest, PeerId};
use symbolon_presence::identity::Root;
use symbolon_presence::kdf::Secret;

/// What a copy of a folder takes along beside a backup of itself. No key of the device whose copy it was is in it.
#[derive(Clone, PartialEq, Eq)]
pub struct MoveKeys {
    /// The root key.
    pub(crate) root: Secret,
    /// Digest of the second root key.
    pub(crate) second_root: Digest,
    /// What the recovery phrase shows, while it was not confirmed.
    pub(crate) entropy: Option<Secret>,
    /// What backups are sealed under.
    pub(crate) backup_key: Secret,
    /// Whether the words were shown: only then capsules are left.
    pub(crate) has_shown_words: bool,
    /// What the device was called.
    pub(crate) label: String,
    /// What its user has set.
    pub(crate) asks_for_rooms: bool,
    /// The same.
    pub(crate) vouches: bool,
    /// How often each setting was set, and by which device.
    pub(crate) settings: BTreeMap<u8, (u64, PeerId)>,
}

impl MoveKeys {
    /// What the parts of the backup are sealed under.
    pub fn backup_key(&self) -> &Secret {
        &self.backup_key
    }

    /// Whose it is.
    pub fn person(&self) -> PeerId {
        self.root().person()
    }

    /// The root key, with the hash of the second one.
    pub(crate) fn root(&self) -> Root {
        Root::kept(&self.root, self.second_root)
    }
}

impl std::fmt::Debug for MoveKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MoveKeys(..)")
    }
}

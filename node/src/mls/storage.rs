//! OpenMLS's storage provider on the row cache.
//!
//! A row's key is its kind (1 B), for rows of a room also the space it lies in, then what
//! OpenMLS names it by, in msgpack. The current epoch of a room and each parent epoch kept
//! for rewinding are the same rows in different spaces. Values are msgpack: self-describing,
//! which one type of OpenMLS needs to be read back.

use super::crypto::Crypto;
use super::pack::{pack, unpack};
use super::rows::{MlsRows, RowCache, RowsError};
use super::split::{Parts, split};
use openmls_traits::OpenMlsProvider;
use openmls_traits::storage::{CURRENT_VERSION as V, Entity, Key, StorageProvider, traits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use symbolon_presence::id::EpochId;
use zeroize::Zeroizing;

/// What a row is. The discriminant is the first byte of its key and is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// OpenMLS: configuration of a group.
    Config = 1,
    /// OpenMLS: own leaf nodes proposed by update.
    OwnLeafNodes = 2,
    /// OpenMLS: proposals not committed. Never written by us, since no proposal is stored.
    Proposals = 3,
    /// OpenMLS: the ratchet tree.
    Tree = 4,
    /// OpenMLS: the interim transcript hash.
    InterimHash = 5,
    /// OpenMLS: the group context.
    Context = 6,
    /// OpenMLS: the confirmation tag.
    ConfirmationTag = 7,
    /// OpenMLS: operational, inactive or with a pending commit.
    GroupState = 8,
    /// OpenMLS: the message ratchets of the current epoch; behind [`Kind::PastSecrets`], one value of OpenMLS's.
    MessageSecrets = 9,
    /// OpenMLS: resumption secrets.
    ResumptionSecrets = 10,
    /// OpenMLS: position of the own leaf.
    OwnLeafIndex = 11,
    /// OpenMLS: the key schedule's secrets of the epoch.
    EpochSecrets = 12,
    /// OpenMLS: private HPKE keys of the epoch.
    EpochKeys = 13,
    /// Ours: what we remember of the room's epochs.
    Room = 14,
    /// OpenMLS: those of the kept past epochs.
    PastSecrets = 15,
    /// Private key of a leaf, by its public key.
    Leaf = 65,
    /// OpenMLS: an HPKE key pair, by its public key.
    KeyPair = 66,
    /// OpenMLS: a KeyPackage with its private keys.
    KeyPackage = 67,
    /// OpenMLS: a pre-shared key.
    Psk = 68,
    /// OpenMLS: a signature key pair. Never written by us, see [`Kind::Leaf`].
    SignatureKey = 69,
    /// Ours: the commit of another member that was checked and awaits its fate, by room.
    Staged = 70,
    /// Ours: which parent epochs are kept, by room.
    Parents = 71,
    /// Ours: the name of a leaf's KeyPackage, by the leaf's public key.
    PackageOf = 72,
    /// Ours: how many rooms and KeyPackages use a leaf beside the first; absent when there is no other.
    LeafUses = 73,
}

/// The kinds of which a room has one row in each space, keyed by the group id.
const ROOM_KINDS: [Kind; 14] = [
    Kind::Config,
    Kind::OwnLeafNodes,
    Kind::Proposals,
    Kind::Tree,
    Kind::InterimHash,
    Kind::Context,
    Kind::ConfirmationTag,
    Kind::GroupState,
    Kind::MessageSecrets,
    Kind::PastSecrets,
    Kind::ResumptionSecrets,
    Kind::OwnLeafIndex,
    Kind::EpochSecrets,
    Kind::Room,
];

/// Which epoch's rows of a room are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// The epoch the room is in.
    Current,
    /// A parent epoch kept for rewinding.
    Parent(EpochId),
}

impl Space {
    fn push(self, key: &mut Vec<u8>) {
        match self {
            Self::Current => key.push(0),
            Self::Parent(epoch) => {
                key.push(1);
                key.extend_from_slice(epoch.as_bytes());
            }
        }
    }
}

/// A proposal's reference and the proposal, both encoded.
type NamedProposal = (Vec<u8>, Vec<u8>);

/// What OpenMLS is handed: the rows of one space, and the cryptography.
pub(super) struct Provider<'a, R> {
    crypto: Crypto,
    storage: Storage<'a, R>,
}

/// The rows of one space.
pub(super) struct Storage<'a, R> {
    cache: &'a RowCache<R>,
    space: Space,
    /// Whether a write of message secrets is only noted, because the group is kept in
    /// memory and written later.
    lazy: bool,
    /// Whether message secrets are written with those of the epochs before.
    with_past: bool,
}

impl<'a, R: MlsRows> Provider<'a, R> {
    /// For a group that stays in memory.
    pub fn lazy(cache: &'a RowCache<R>) -> Self {
        Self { crypto: Crypto, storage: Storage { cache, space: Space::Current, lazy: true, with_past: true } }
    }

    /// For a group whose rows must be written as they change.
    pub fn eager(cache: &'a RowCache<R>, space: Space) -> Self {
        Self { crypto: Crypto, storage: Storage { cache, space, lazy: false, with_past: true } }
    }

    /// For the message secrets of a group whose epochs before are in the rows as they are in memory.
    pub fn present_only(cache: &'a RowCache<R>) -> Self {
        Self { crypto: Crypto, storage: Storage { cache, space: Space::Current, lazy: false, with_past: false } }
    }
}

impl<'a, R: MlsRows> OpenMlsProvider for Provider<'a, R> {
    type CryptoProvider = Crypto;
    type RandProvider = Crypto;
    type StorageProvider = Storage<'a, R>;

    fn storage(&self) -> &Storage<'a, R> {
        &self.storage
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &Crypto {
        &self.crypto
    }
}

/// The keys of all rows that a room has in `space`.
pub(super) fn room_keys<G: Serialize>(space: Space, group: &G, epoch: u64, own_leaf: u32) -> Result<Vec<Vec<u8>>, RowsError> {
    let name = encode(group)?;
    let mut keys: Vec<Vec<u8>> = ROOM_KINDS.iter().map(|kind| room_key(*kind, space, &name)).collect();
    keys.push(room_key(Kind::EpochKeys, space, &encode(&(group, epoch, own_leaf))?));
    Ok(keys)
}

/// The key of a room's message secrets in the current space.
pub(super) fn secrets_key<G: Serialize>(group: &G) -> Result<Vec<u8>, RowsError> {
    Ok(room_key(Kind::MessageSecrets, Space::Current, &encode(group)?))
}

/// A row of ours that belongs to a room.
pub(super) fn room_key(kind: Kind, space: Space, name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + EpochId::LEN + name.len());
    key.push(kind as u8);
    space.push(&mut key);
    key.extend_from_slice(name);
    key
}

/// A row that belongs to no space.
pub(super) fn plain_key(kind: Kind, name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(kind as u8);
    key.extend_from_slice(name);
    key
}

/// A value as it stands in a row.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, RowsError> {
    rmp_serde::to_vec(value).map_err(|_| RowsError)
}

impl<R: MlsRows> Storage<'_, R> {
    fn key<K: Serialize>(&self, kind: Kind, name: &K) -> Result<Vec<u8>, RowsError> {
        let name = encode(name).map_err(|e| self.cache.fail(e))?;
        Ok(if (kind as u8) < Kind::Leaf as u8 { room_key(kind, self.space, &name) } else { plain_key(kind, &name) })
    }

    fn write<K: Serialize, T: Serialize + ?Sized>(&self, kind: Kind, name: &K, value: &T) -> Result<(), RowsError> {
        let value = encode(value).map_err(|e| self.cache.fail(e))?;
        self.cache.put(self.key(kind, name)?, value);
        Ok(())
    }

    fn read<K: Serialize, T: DeserializeOwned>(&self, kind: Kind, name: &K) -> Result<Option<T>, RowsError> {
        let Some(bytes) = self.cache.get(&self.key(kind, name)?)? else { return Ok(None) };
        rmp_serde::from_slice(&bytes).map(Some).map_err(|_| self.cache.fail(RowsError))
    }

    fn erase<K: Serialize>(&self, kind: Kind, name: &K) -> Result<(), RowsError> {
        self.cache.delete(self.key(kind, name)?);
        Ok(())
    }

    fn proposals<G: Key<V>>(&self, group: &G) -> Result<Vec<NamedProposal>, RowsError> {
        Ok(self.read(Kind::Proposals, group)?.unwrap_or_default())
    }

    fn decode<T: Entity<V>>(&self, bytes: &[u8]) -> Result<T, RowsError> {
        rmp_serde::from_slice(bytes).map_err(|_| self.cache.fail(RowsError))
    }
}

/// Rows with one value a room: writer, reader, eraser.
macro_rules! room_rows {
    ($($kind:ident: $value:ident, $write:ident, $read:ident, $delete:ident;)*) => {$(
        fn $write<G: traits::GroupId<V>, T: traits::$value<V>>(&self, group: &G, value: &T) -> Result<(), RowsError> {
            self.write(Kind::$kind, group, value)
        }

        fn $read<G: traits::GroupId<V>, T: traits::$value<V>>(&self, group: &G) -> Result<Option<T>, RowsError> {
            self.read(Kind::$kind, group)
        }

        fn $delete<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), RowsError> {
            self.erase(Kind::$kind, group)
        }
    )*};
}

impl<R: MlsRows> StorageProvider<V> for Storage<'_, R> {
    type Error = RowsError;

    room_rows! {
        Config: MlsGroupJoinConfig, write_mls_join_config, mls_group_join_config, delete_group_config;
        Tree: TreeSync, write_tree, tree, delete_tree;
        InterimHash: InterimTranscriptHash, write_interim_transcript_hash, interim_transcript_hash, delete_interim_transcript_hash;
        Context: GroupContext, write_context, group_context, delete_context;
        ConfirmationTag: ConfirmationTag, write_confirmation_tag, confirmation_tag, delete_confirmation_tag;
        ResumptionSecrets: ResumptionPskStore, write_resumption_psk_store, resumption_psk_store, delete_all_resumption_psk_secrets;
        OwnLeafIndex: LeafNodeIndex, write_own_leaf_index, own_leaf_index, delete_own_leaf_index;
        EpochSecrets: GroupEpochSecrets, write_group_epoch_secrets, group_epoch_secrets, delete_group_epoch_secrets;
    }

    fn write_group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(&self, group: &G, value: &T) -> Result<(), RowsError> {
        self.write(Kind::GroupState, group, value)
    }

    fn group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(&self, group: &G) -> Result<Option<T>, RowsError> {
        self.read(Kind::GroupState, group)
    }

    fn delete_group_state<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), RowsError> {
        self.erase(Kind::GroupState, group)
    }

    fn write_message_secrets<G: traits::GroupId<V>, T: traits::MessageSecrets<V>>(&self, group: &G, value: &T) -> Result<(), RowsError> {
        let key = self.key(Kind::MessageSecrets, group)?;
        if self.lazy {
            self.cache.note_stale(key);
            return Ok(());
        }
        let Parts { before, present } = split(value, self.with_past).ok_or(RowsError).map_err(|e| self.cache.fail(e))?;
        if self.space == Space::Current {
            self.cache.clear_stale(&key);
        }
        self.cache.put(key, std::mem::take(&mut *pack(&present)));
        let Some(before) = before else { return Ok(()) };
        let key = self.key(Kind::PastSecrets, group)?;
        if self.cache.get(&key)?.is_none_or(|row| *row != *before) {
            self.cache.put(key, before.to_vec());
        }
        Ok(())
    }

    fn message_secrets<G: traits::GroupId<V>, T: traits::MessageSecrets<V>>(&self, group: &G) -> Result<Option<T>, RowsError> {
        // An older row must never be taken for the secrets: a used key would come back.
        if self.space == Space::Current && self.cache.is_stale(&self.key(Kind::MessageSecrets, group)?) {
            return Err(self.cache.fail(RowsError));
        }
        // Older builds wrote both as one row.
        let before = self.cache.get(&self.key(Kind::PastSecrets, group)?)?.unwrap_or_default();
        let Some(present) = self.cache.get(&self.key(Kind::MessageSecrets, group)?)? else { return Ok(None) };
        let present = unpack(&present).ok_or(RowsError).map_err(|e| self.cache.fail(e))?;
        let whole = Zeroizing::new([before.as_slice(), present.as_slice()].concat());
        rmp_serde::from_slice(&whole).map(Some).map_err(|_| self.cache.fail(RowsError))
    }

    fn delete_message_secrets<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), RowsError> {
        self.cache.clear_stale(&self.key(Kind::MessageSecrets, group)?);
        self.erase(Kind::PastSecrets, group)?;
        self.erase(Kind::MessageSecrets, group)
    }

    fn append_own_leaf_node<G: traits::GroupId<V>, T: traits::LeafNode<V>>(&self, group: &G, leaf: &T) -> Result<(), RowsError> {
        let mut list: Vec<Vec<u8>> = self.read(Kind::OwnLeafNodes, group)?.unwrap_or_default();
        list.push(encode(leaf).map_err(|e| self.cache.fail(e))?);
        self.write(Kind::OwnLeafNodes, group, &list)
    }

    fn own_leaf_nodes<G: traits::GroupId<V>, T: traits::LeafNode<V>>(&self, group: &G) -> Result<Vec<T>, RowsError> {
        let list: Vec<Vec<u8>> = self.read(Kind::OwnLeafNodes, group)?.unwrap_or_default();
        list.iter().map(|bytes| self.decode(bytes)).collect()
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), RowsError> {
        self.erase(Kind::OwnLeafNodes, group)
    }

    fn queue_proposal<G: traits::GroupId<V>, P: traits::ProposalRef<V>, Q: traits::QueuedProposal<V>>(
        &self,
        group: &G,
        name: &P,
        proposal: &Q,
    ) -> Result<(), RowsError> {
        let mut list = self.proposals(group)?;
        let name = encode(name).map_err(|e| self.cache.fail(e))?;
        list.push((name, encode(proposal).map_err(|e| self.cache.fail(e))?));
        self.write(Kind::Proposals, group, &list)
    }

    fn queued_proposal_refs<G: traits::GroupId<V>, P: traits::ProposalRef<V>>(&self, group: &G) -> Result<Vec<P>, RowsError> {
        self.proposals(group)?.iter().map(|(name, _)| self.decode(name)).collect()
    }

    fn queued_proposals<G: traits::GroupId<V>, P: traits::ProposalRef<V>, Q: traits::QueuedProposal<V>>(
        &self,
        group: &G,
    ) -> Result<Vec<(P, Q)>, RowsError> {
        self.proposals(group)?.iter().map(|(name, proposal)| Ok((self.decode(name)?, self.decode(proposal)?))).collect()
    }

    fn remove_proposal<G: traits::GroupId<V>, P: traits::ProposalRef<V>>(&self, group: &G, name: &P) -> Result<(), RowsError> {
        let name = encode(name).map_err(|e| self.cache.fail(e))?;
        let mut list = self.proposals(group)?;
        list.retain(|(other, _)| *other != name);
        self.write(Kind::Proposals, group, &list)
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, P: traits::ProposalRef<V>>(&self, group: &G) -> Result<(), RowsError> {
        self.erase(Kind::Proposals, group)
    }

    fn write_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[T],
    ) -> Result<(), RowsError> {
        self.write(Kind::EpochKeys, &(group, epoch, leaf), pairs)
    }

    fn encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<Vec<T>, RowsError> {
        Ok(self.read(Kind::EpochKeys, &(group, epoch, leaf))?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<(), RowsError> {
        self.erase(Kind::EpochKeys, &(group, epoch, leaf))
    }

    fn write_encryption_key_pair<K: traits::EncryptionKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        public: &K,
        pair: &T,
    ) -> Result<(), RowsError> {
        self.write(Kind::KeyPair, public, pair)
    }

    fn encryption_key_pair<T: traits::HpkeKeyPair<V>, K: traits::EncryptionKey<V>>(&self, public: &K) -> Result<Option<T>, RowsError> {
        self.read(Kind::KeyPair, public)
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<V>>(&self, public: &K) -> Result<(), RowsError> {
        self.erase(Kind::KeyPair, public)
    }

    fn write_key_package<K: traits::HashReference<V>, T: traits::KeyPackage<V>>(&self, name: &K, package: &T) -> Result<(), RowsError> {
        self.write(Kind::KeyPackage, name, package)
    }

    fn key_package<K: traits::HashReference<V>, T: traits::KeyPackage<V>>(&self, name: &K) -> Result<Option<T>, RowsError> {
        self.read(Kind::KeyPackage, name)
    }

    fn delete_key_package<K: traits::HashReference<V>>(&self, name: &K) -> Result<(), RowsError> {
        self.erase(Kind::KeyPackage, name)
    }

    fn write_psk<K: traits::PskId<V>, T: traits::PskBundle<V>>(&self, name: &K, psk: &T) -> Result<(), RowsError> {
        self.write(Kind::Psk, name, psk)
    }

    fn psk<T: traits::PskBundle<V>, K: traits::PskId<V>>(&self, name: &K) -> Result<Option<T>, RowsError> {
        self.read(Kind::Psk, name)
    }

    fn delete_psk<K: traits::PskId<V>>(&self, name: &K) -> Result<(), RowsError> {
        self.erase(Kind::Psk, name)
    }

    fn write_signature_key_pair<K: traits::SignaturePublicKey<V>, T: traits::SignatureKeyPair<V>>(
        &self,
        public: &K,
        pair: &T,
    ) -> Result<(), RowsError> {
        self.write(Kind::SignatureKey, public, pair)
    }

    fn signature_key_pair<K: traits::SignaturePublicKey<V>, T: traits::SignatureKeyPair<V>>(
        &self,
        public: &K,
    ) -> Result<Option<T>, RowsError> {
        self.read(Kind::SignatureKey, public)
    }

    fn delete_signature_key_pair<K: traits::SignaturePublicKey<V>>(&self, public: &K) -> Result<(), RowsError> {
        self.erase(Kind::SignatureKey, public)
    }
}

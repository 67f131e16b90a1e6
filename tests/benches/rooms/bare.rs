//! OpenMLS alone: the suite and the cryptography of ours, a store in memory, and nothing that the node adds (no kept parents, no
//! room state, no checks of its own).

use ed25519_dalek::{Signer as _, SigningKey};
use openmls::group::{MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, StagedWelcome};
use openmls::prelude::tls_codec::DeserializeBytes as _;
use openmls::prelude::*;
use openmls_traits::storage::{CURRENT_VERSION as V, StorageProvider, traits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::collections::HashMap;
use symbolon_node::mls::Crypto;
use symbolon_node::mls::limits::{FORWARD_DISTANCE, OUT_OF_ORDER_TOLERANCE, PAST_EPOCHS, SUITE};

/// The type of an extension of a KeyPackage that OpenMLS does not know.
const QUEUE: u16 = 0xF5B1;

struct Leaf(SigningKey);

impl openmls_traits::signatures::Signer for Leaf {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, openmls_traits::signatures::SignerError> {
        Ok(self.0.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// Rows by name, in msgpack, as ours are; written with each change, as OpenMLS's own store in memory does.
#[derive(Default)]
struct Memory {
    rows: RefCell<HashMap<Vec<u8>, Vec<u8>>>,
    /// Whether the secrets of texts are written with each text.
    has_secrets: bool,
}

/// What never happens in memory.
#[derive(Debug)]
struct Never;

impl std::fmt::Display for Never {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a row in memory is not what it was")
    }
}

impl std::error::Error for Never {}

type Done<T = ()> = Result<T, Never>;

fn encode<T: Serialize + ?Sized>(value: &T) -> Done<Vec<u8>> {
    rmp_serde::to_vec(value).map_err(|_| Never)
}

impl Memory {
    fn key<K: Serialize>(kind: u8, name: &K) -> Done<Vec<u8>> {
        Ok([&[kind][..], &encode(name)?].concat())
    }

    fn write<K: Serialize, T: Serialize + ?Sized>(&self, kind: u8, name: &K, value: &T) -> Done {
        self.rows.borrow_mut().insert(Self::key(kind, name)?, encode(value)?);
        Ok(())
    }

    fn read<K: Serialize, T: DeserializeOwned>(&self, kind: u8, name: &K) -> Done<Option<T>> {
        let rows = self.rows.borrow();
        rows.get(&Self::key(kind, name)?).map(|bytes| rmp_serde::from_slice(bytes).map_err(|_| Never)).transpose()
    }

    fn erase<K: Serialize>(&self, kind: u8, name: &K) -> Done {
        self.rows.borrow_mut().remove(&Self::key(kind, name)?);
        Ok(())
    }
}

macro_rules! of_group {
    ($($kind:literal: $value:ident, $write:ident, $read:ident, $delete:ident;)*) => {$(
        fn $write<G: traits::GroupId<V>, T: traits::$value<V>>(&self, group: &G, value: &T) -> Done {
            self.write($kind, group, value)
        }

        fn $read<G: traits::GroupId<V>, T: traits::$value<V>>(&self, group: &G) -> Done<Option<T>> {
            self.read($kind, group)
        }

        fn $delete<G: traits::GroupId<V>>(&self, group: &G) -> Done {
            self.erase($kind, group)
        }
    )*};
}

macro_rules! by_name {
    ($($kind:literal: $name:ident, $value:ident, $write:ident, $delete:ident;)*) => {$(
        fn $write<K: traits::$name<V>, T: traits::$value<V>>(&self, name: &K, value: &T) -> Done {
            self.write($kind, name, value)
        }

        fn $delete<K: traits::$name<V>>(&self, name: &K) -> Done {
            self.erase($kind, name)
        }
    )*};
}

impl StorageProvider<V> for Memory {
    type Error = Never;

    of_group! {
        1: MlsGroupJoinConfig, write_mls_join_config, mls_group_join_config, delete_group_config;
        2: TreeSync, write_tree, tree, delete_tree;
        3: InterimTranscriptHash, write_interim_transcript_hash, interim_transcript_hash, delete_interim_transcript_hash;
        4: GroupContext, write_context, group_context, delete_context;
        5: ConfirmationTag, write_confirmation_tag, confirmation_tag, delete_confirmation_tag;
        6: ResumptionPskStore, write_resumption_psk_store, resumption_psk_store, delete_all_resumption_psk_secrets;
        7: LeafNodeIndex, write_own_leaf_index, own_leaf_index, delete_own_leaf_index;
        8: GroupEpochSecrets, write_group_epoch_secrets, group_epoch_secrets, delete_group_epoch_secrets;
    }

    by_name! {
        20: EncryptionKey, HpkeKeyPair, write_encryption_key_pair, delete_encryption_key_pair;
        21: HashReference, KeyPackage, write_key_package, delete_key_package;
        22: PskId, PskBundle, write_psk, delete_psk;
        23: SignaturePublicKey, SignatureKeyPair, write_signature_key_pair, delete_signature_key_pair;
    }

    fn encryption_key_pair<T: traits::HpkeKeyPair<V>, K: traits::EncryptionKey<V>>(&self, name: &K) -> Done<Option<T>> {
        self.read(20, name)
    }

    fn key_package<K: traits::HashReference<V>, T: traits::KeyPackage<V>>(&self, name: &K) -> Done<Option<T>> {
        self.read(21, name)
    }

    fn psk<T: traits::PskBundle<V>, K: traits::PskId<V>>(&self, name: &K) -> Done<Option<T>> {
        self.read(22, name)
    }

    fn signature_key_pair<K: traits::SignaturePublicKey<V>, T: traits::SignatureKeyPair<V>>(&self, name: &K) -> Done<Option<T>> {
        self.read(23, name)
    }

    fn write_group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(&self, group: &G, value: &T) -> Done {
        self.write(9, group, value)
    }

    fn group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(&self, group: &G) -> Done<Option<T>> {
        self.read(9, group)
    }

    fn delete_group_state<G: traits::GroupId<V>>(&self, group: &G) -> Done {
        self.erase(9, group)
    }

    fn write_message_secrets<G: traits::GroupId<V>, T: traits::MessageSecrets<V>>(&self, group: &G, value: &T) -> Done {
        if self.has_secrets { self.write(10, group, value) } else { Ok(()) }
    }

    fn message_secrets<G: traits::GroupId<V>, T: traits::MessageSecrets<V>>(&self, group: &G) -> Done<Option<T>> {
        self.read(10, group)
    }

    fn delete_message_secrets<G: traits::GroupId<V>>(&self, group: &G) -> Done {
        self.erase(10, group)
    }

    fn write_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[T],
    ) -> Done {
        self.write(11, &(group, epoch, leaf), pairs)
    }

    fn encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Done<Vec<T>> {
        Ok(self.read(11, &(group, epoch, leaf))?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>>(&self, group: &G, epoch: &E, leaf: u32) -> Done {
        self.erase(11, &(group, epoch, leaf))
    }

    // Proposals by reference, and updates: nothing of it happens here.

    fn append_own_leaf_node<G: traits::GroupId<V>, T: traits::LeafNode<V>>(&self, _: &G, _: &T) -> Done {
        Err(Never)
    }

    fn own_leaf_nodes<G: traits::GroupId<V>, T: traits::LeafNode<V>>(&self, _: &G) -> Done<Vec<T>> {
        Ok(Vec::new())
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<V>>(&self, _: &G) -> Done {
        Ok(())
    }

    fn queue_proposal<G: traits::GroupId<V>, P: traits::ProposalRef<V>, Q: traits::QueuedProposal<V>>(&self, _: &G, _: &P, _: &Q) -> Done {
        Err(Never)
    }

    fn queued_proposal_refs<G: traits::GroupId<V>, P: traits::ProposalRef<V>>(&self, _: &G) -> Done<Vec<P>> {
        Ok(Vec::new())
    }

    fn queued_proposals<G: traits::GroupId<V>, P: traits::ProposalRef<V>, Q: traits::QueuedProposal<V>>(&self, _: &G) -> Done<Vec<(P, Q)>> {
        Ok(Vec::new())
    }

    fn remove_proposal<G: traits::GroupId<V>, P: traits::ProposalRef<V>>(&self, _: &G, _: &P) -> Done {
        Ok(())
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, P: traits::ProposalRef<V>>(&self, _: &G) -> Done {
        Ok(())
    }
}

#[derive(Default)]
struct Alone {
    crypto: Crypto,
    storage: Memory,
}

impl OpenMlsProvider for Alone {
    type CryptoProvider = Crypto;
    type RandProvider = Crypto;
    type StorageProvider = Memory;

    fn storage(&self) -> &Memory {
        &self.storage
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &Crypto {
        &self.crypto
    }
}

/// A member of a group of OpenMLS's.
pub struct Bare {
    provider: Alone,
    signer: Leaf,
    group: Option<MlsGroup>,
}

fn parse(bytes: &[u8]) -> MlsMessageIn {
    MlsMessageIn::tls_deserialize_exact_bytes(bytes).unwrap()
}

fn capabilities() -> Capabilities {
    Capabilities::builder().ciphersuites(vec![SUITE]).extensions(vec![ExtensionType::Unknown(QUEUE)]).build()
}

fn ratchets() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER_TOLERANCE, FORWARD_DISTANCE)
}

impl Bare {
    pub fn new() -> Self {
        let mut provider = Alone::default();
        provider.storage.has_secrets = true;
        let seed: [u8; 32] = openmls_traits::random::OpenMlsRand::random_array(&provider.crypto).unwrap();
        Self { provider, signer: Leaf(SigningKey::from_bytes(&seed)), group: None }
    }

    fn named(&self) -> CredentialWithKey {
        let key = self.signer.0.verifying_key().to_bytes();
        CredentialWithKey { credential: BasicCredential::new(super::CREDENTIAL.to_vec()).into(), signature_key: key.as_slice().into() }
    }

    pub fn create(&mut self) {
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(SUITE)
            .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .max_past_epochs(PAST_EPOCHS)
            .use_ratchet_tree_extension(true)
            .sender_ratchet_configuration(ratchets())
            .capabilities(capabilities())
            .build();
        let id = GroupId::from_slice(&super::ROOM.0);
        self.group = Some(MlsGroup::new_with_group_id(&self.provider, &self.signer, &config, id, self.named()).unwrap());
    }

    pub fn package(&mut self) -> Vec<u8> {
        let queue = Extension::Unknown(QUEUE, UnknownExtension(vec![7; 1_000]));
        let bundle = KeyPackage::builder()
            .key_package_extensions(Extensions::single(queue).unwrap())
            .leaf_node_capabilities(capabilities())
            .build(SUITE, &self.provider, &self.signer, self.named())
            .unwrap();
        MlsMessageOut::from(bundle.key_package().clone()).to_bytes().unwrap()
    }

    pub fn seal(&mut self, text: &[u8]) -> Vec<u8> {
        let group = self.group.as_mut().unwrap();
        group.create_message(&self.provider, &self.signer, text).unwrap().to_bytes().unwrap()
    }

    fn process(&mut self, bytes: &[u8]) -> ProcessedMessageContent {
        let message = parse(bytes).try_into_protocol_message().unwrap();
        self.group.as_mut().unwrap().process_message(&self.provider, message).unwrap().into_content()
    }

    pub fn open(&mut self, text: &[u8]) {
        assert!(matches!(self.process(text), ProcessedMessageContent::ApplicationMessage(_)));
    }

    /// A commit that adds these people, or none, merged; and the Welcome.
    pub fn commit(&mut self, packages: &[Vec<u8>]) -> (Vec<u8>, Option<Vec<u8>>) {
        let add: Vec<KeyPackage> = packages
            .iter()
            .map(|bytes| {
                let MlsMessageBodyIn::KeyPackage(package) = parse(bytes).extract() else { panic!("no KeyPackage") };
                package.validate(&self.provider.crypto, ProtocolVersion::Mls10).unwrap()
            })
            .collect();
        let group = self.group.as_mut().unwrap();
        group.set_aad(vec![5; 100]);
        let bundle = group
            .commit_builder()
            .propose_adds(add)
            .force_self_update(true)
            .load_psks(&self.provider.storage)
            .unwrap()
            .build(&self.provider.crypto, &self.provider.crypto, &self.signer, |_| true)
            .unwrap()
            .stage_commit(&self.provider)
            .unwrap();
        let commit = bundle.commit().to_bytes().unwrap();
        let welcome = bundle.to_welcome_msg().map(|welcome| welcome.to_bytes().unwrap());
        group.merge_pending_commit(&self.provider).unwrap();
        (commit, welcome)
    }

    pub fn follow(&mut self, commit: &[u8]) {
        let ProcessedMessageContent::StagedCommitMessage(staged) = self.process(commit) else { panic!("no commit") };
        self.group.as_mut().unwrap().merge_staged_commit(&self.provider, *staged).unwrap();
    }

    pub fn join(&mut self, welcome: &[u8]) {
        let MlsMessageBodyIn::Welcome(welcome) = parse(welcome).extract() else { panic!("no Welcome") };
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .max_past_epochs(PAST_EPOCHS)
            .use_ratchet_tree_extension(true)
            .sender_ratchet_configuration(ratchets())
            .build();
        let staged = StagedWelcome::new_from_welcome(&self.provider, &config, welcome, None).unwrap();
        self.group = Some(staged.into_group(&self.provider).unwrap());
    }

    /// From now on, the secrets of texts are written with each text, or never.
    pub fn writes_secrets(&mut self, does: bool) {
        self.provider.storage.has_secrets = does;
    }
}

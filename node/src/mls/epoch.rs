//! The name of an epoch: hash of group id, epoch number and confirmation tag.

use openmls::group::{MlsGroup, StagedCommit};
use openmls::messages::ConfirmationTag;
use openmls::messages::group_info::VerifiableGroupInfo;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use symbolon_presence::id::EpochId;
use tls_codec::{DeserializeBytes as _, Serialize as _, VLBytes};

/// SHA-256 over the label, the group id, the epoch number (8 B, big-endian) and the
/// confirmation tag's MAC, each preceded by its length (4 B, big-endian).
pub fn epoch_id(group: &[u8], epoch: u64, tag: &[u8; 32]) -> EpochId {
    named(LABEL, group, epoch, tag)
}

fn named(label: &[u8], group: &[u8], epoch: u64, tag: &[u8; 32]) -> EpochId {
    let mut hash = Sha256::new();
    for part in [label, group, &epoch.to_be_bytes(), tag] {
        // Everything hashed here has passed the message limit, far below 4 GiB.
        hash.update((part.len() as u32).to_be_bytes());
        hash.update(part);
    }
    EpochId(hash.finalize().into())
}

/// The epoch a group is in.
pub(super) fn current(group: &MlsGroup) -> Option<EpochId> {
    let tag = mac(group.confirmation_tag())?;
    Some(epoch_id(group.group_id().as_slice(), group.epoch().as_u64(), &tag))
}

/// The epoch a commit leads to, given the commit as named msgpack, see [`encode_staged`].
pub(super) fn staged(commit: &StagedCommit, encoded: &[u8]) -> Option<EpochId> {
    let view: StagedView = rmp_serde::from_slice(encoded).ok()?;
    let context = commit.group_context();
    let (group, number) = (context.group_id().as_slice(), context.epoch().as_u64());
    match view.state {
        StateView::GroupMember(state) => Some(named(LABEL, group, number, &mac(&state.staged_diff.confirmation_tag)?)),
        // Whom a commit removes cannot compute the new epoch's tag. The tree that it saw
        // names the way out, by a label of its own.
        StateView::PublicState {} => Some(named(REMOVED, group, number, context.tree_hash().try_into().ok()?)),
    }
}

/// A commit with its field names: OpenMLS has no accessor for a staged confirmation tag,
/// but its stored form, which has a version and a migration path, shows it.
pub(super) fn encode_staged(commit: &StagedCommit) -> Option<Vec<u8>> {
    rmp_serde::to_vec_named(commit).ok()
}

/// The epoch a GroupInfo describes. `message` is the MLSMessage that `info` was read from.
pub(super) fn offered(info: &VerifiableGroupInfo, message: &[u8]) -> Option<EpochId> {
    // RFC 9420, section 12.4.3: version (2 B), wire format (2 B), GroupContext, extensions,
    // confirmation tag. OpenMLS shows all but the last.
    let context = info.group_context().tls_serialize_detached().ok()?;
    let extensions = info.extensions().tls_serialize_detached().ok()?;
    let rest = message.get(4..)?.strip_prefix(context.as_slice())?.strip_prefix(extensions.as_slice())?;
    let (tag, _) = ConfirmationTag::tls_deserialize_bytes(rest).ok()?;
    Some(epoch_id(info.group_id().as_slice(), info.epoch().as_u64(), &mac(&tag)?))
}

/// The tag's MAC: 32 bytes in our ciphersuite, on the wire behind one byte of length.
fn mac(tag: &ConfirmationTag) -> Option<[u8; 32]> {
    tag.tls_serialize_detached().ok()?.get(1..)?.try_into().ok()
}

const LABEL: &[u8] = b"symbolon/1 epoch";
const REMOVED: &[u8] = b"symbolon/1 removed from epoch";

/// The public keys that a commit puts into the parents of its path, given the commit as named msgpack. Parents of newcomers,
/// whose keys stay, are among them.
pub(super) fn path_keys(encoded: &[u8]) -> Option<Vec<Vec<u8>>> {
    let view: StagedView = rmp_serde::from_slice(encoded).ok()?;
    let StateView::GroupMember(state) = view.state else { return Some(Vec::new()) };
    let parents = state.staged_diff.staged_diff.diff.parent_diff.into_values();
    Some(parents.filter_map(|parent| Some(parent.node?.encryption_key.key.as_slice().to_vec())).collect())
}

/// As much of a stored [`StagedCommit`] as leads to its confirmation tag, and to the keys of its path.
#[derive(Deserialize)]
struct StagedView {
    state: StateView,
}

#[derive(Deserialize)]
enum StateView {
    PublicState {},
    GroupMember(DiffOwner),
}

#[derive(Deserialize)]
struct DiffOwner {
    staged_diff: DiffView,
}

#[derive(Deserialize)]
struct DiffView {
    staged_diff: TreeView,
    confirmation_tag: ConfirmationTag,
}

#[derive(Deserialize)]
struct TreeView {
    diff: NodesView,
}

#[derive(Deserialize)]
struct NodesView {
    parent_diff: BTreeMap<u32, ParentView>,
}

#[derive(Deserialize)]
struct ParentView {
    node: Option<KeyView>,
}

#[derive(Deserialize)]
struct KeyView {
    encryption_key: EncryptionKeyView,
}

#[derive(Deserialize)]
struct EncryptionKeyView {
    key: VLBytes,
}

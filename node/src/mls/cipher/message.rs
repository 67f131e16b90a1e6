//! Sealing texts and opening whatever a room receives.

use super::MlsCipher;
use super::info::parse;
use crate::mls::epoch;
use crate::mls::extensions;
use crate::mls::room::{self, Record, Slot};
use crate::mls::rows::MlsRows;
use crate::mls::storage::{Provider, Space};
use openmls::framing::errors::{MessageDecryptionError, SecretTreeError};
use openmls::framing::{ContentType, MlsMessageBodyIn, ProcessedMessage, ProcessedMessageContent, ProtocolMessage, Sender};
use openmls::group::{MlsGroup, ProcessMessageError, StagedCommit, ValidationError};
use openmls::messages::proposals::{PreSharedKeyProposal, Proposal};
use openmls::prelude::LeafNodeIndex;
use openmls::schedule::{PreSharedKeyId, Psk};
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::storage::StorageProvider as _;
use std::collections::HashSet;
use symbolon_core::world::{CipherError, Committer, LEAVES_MAX, LeafIndex, Member, Opened, Sealed, Staged};
use symbolon_presence::id::{Digest, EpochId, RoomId};
use symbolon_presence::kem::{KEM_PUBLIC, KemPublic, KemPublicBytes};
use tls_codec::{DeserializeBytes as _, Serialize as _};

impl<R: MlsRows> MlsCipher<R> {
    pub(super) fn seal_text(&mut self, room: RoomId, plaintext: &[u8], aad: &[u8]) -> Result<Sealed, CipherError> {
        self.with(room, |slot, provider| {
            if !slot.group.is_active() {
                return Err(CipherError::Gone);
            }
            slot.group.set_aad(aad.to_vec());
            let message = slot.group.create_message(provider, &slot.signer, plaintext).map_err(|_| CipherError::Broken)?;
            let bytes = message.to_bytes().map_err(|_| CipherError::Broken)?;
            Ok(Sealed { epoch: slot.epoch(), bytes })
        })
    }

    pub(super) fn open_message(&mut self, room: RoomId, bytes: &[u8]) -> Result<Opened, CipherError> {
        self.with(room, |slot, provider| {
            let message = admit(&slot.group, Some(&slot.record), room, bytes)?;
            let number = message.epoch().as_u64();
            slot.past_is_written &= number == slot.group.epoch().as_u64();
            let own = message.clone();
            let processed = slot.group.process_message(provider, message).map_err(|e| refusal(&e))?;
            if matches!(processed.content(), ProcessedMessageContent::ApplicationMessage(_)) {
                self.use_up_in_parents(slot, room, number, own)?;
                return text(slot, number, processed);
            }
            self.stage(slot, provider, room, processed)
        })
    }

    /// A text of a kept parent epoch, opened in a later one, must not open again after
    /// rewinding: its key is used up there too.
    fn use_up_in_parents(&self, slot: &Slot, room: RoomId, number: u64, message: ProtocolMessage) -> Result<(), CipherError> {
        for parent in slot.parents.iter().filter(|parent| parent.number >= number) {
            let provider = Provider::eager(&self.cache, Space::Parent(EpochId(parent.epoch)));
            let group = MlsGroup::load(provider.storage(), &room::group_id(room)).map_err(|_| CipherError::Store)?;
            // The parent may have dropped the text's epoch; the key is then gone anyway.
            let _ = group.ok_or(CipherError::Store)?.process_message(&provider, message.clone());
        }
        Ok(())
    }

    fn stage(&self, slot: &mut Slot, provider: &Provider<'_, R>, room: RoomId, processed: ProcessedMessage) -> Result<Opened, CipherError> {
        let Checked { staged, commit, encoded, psks } = check(&slot.group, slot.epoch(), processed)?;
        for psk in psks {
            provider.storage().delete_psk(&psk).map_err(|_| CipherError::Store)?;
        }
        self.write_staged(room, staged.epoch, encoded);
        slot.staged = Some((staged.epoch, *commit));
        Ok(Opened::Commit(staged))
    }

    pub(super) fn look_from(&self, room: RoomId, parent: EpochId, bytes: &[u8]) -> Result<Staged, CipherError> {
        self.with(room, |slot, _| {
            if !slot.parents.iter().any(|kept| kept.epoch == parent.0) {
                return Err(CipherError::Gone);
            }
            let provider = Provider::eager(&self.cache, Space::Parent(parent));
            let mut found = Err(CipherError::Store);
            // OpenMLS writes which keys are used up: all of it is taken back, whatever was found.
            let _ = self.cache.attempt(|| {
                found = look(&provider, room, parent, bytes);
                Err::<(), ()>(())
            });
            found
        })
    }
}

/// Checks a commit in the epoch whose rows the provider has.
fn look<R: MlsRows>(provider: &Provider<'_, R>, room: RoomId, epoch: EpochId, bytes: &[u8]) -> Result<Staged, CipherError> {
    let group = MlsGroup::load(provider.storage(), &room::group_id(room)).map_err(|_| CipherError::Store)?;
    let mut group = group.ok_or(CipherError::Store)?;
    let message = admit(&group, None, room, bytes)?;
    if message.content_type() != ContentType::Commit {
        return Err(CipherError::Broken);
    }
    let processed = group.process_message(provider, message).map_err(|e| refusal(&e))?;
    Ok(check(&group, epoch, processed)?.staged)
}

/// A commit that may be staged.
struct Checked {
    staged: Staged,
    commit: Box<StagedCommit>,
    encoded: Vec<u8>,
    /// The pre-shared keys that it uses up.
    psks: Vec<Psk>,
}

/// Checks what OpenMLS took for a commit to a group in `parent`.
fn check(group: &MlsGroup, parent: EpochId, processed: ProcessedMessage) -> Result<Checked, CipherError> {
    let (sender, aad) = (processed.sender().clone(), processed.aad().to_vec());
    let ProcessedMessageContent::StagedCommitMessage(commit) = processed.into_content() else {
        // Proposals alone, and what we sent ourselves.
        return Err(CipherError::Broken);
    };
    let committer = match sender {
        Sender::Member(index) => Committer::Member(index.u32()),
        Sender::NewMemberCommit => Committer::External,
        Sender::External(_) | Sender::NewMemberProposal => return Err(CipherError::Broken),
    };
    let before = extensions::state(group.extensions())?;
    let psks = permitted(group, &commit, &committer, before.is_some())?;
    let state = extensions::state(commit.group_context().extensions())?;
    if state.is_some() != before.is_some() || !has_good_leaves(&commit, state) {
        return Err(CipherError::Broken);
    }
    let comes = commit.add_proposals().count().saturating_add(usize::from(committer == Committer::External));
    if group.members().count().saturating_add(comes).saturating_sub(commit.remove_proposals().count()) > LEAVES_MAX {
        return Err(CipherError::Broken);
    }
    let encoded = epoch::encode_staged(&commit).ok_or(CipherError::Store)?;
    if !has_good_keys(group, &commit, &encoded) {
        return Err(CipherError::Broken);
    }
    let epoch = epoch::staged(&commit, &encoded).ok_or(CipherError::Store)?;
    let removed: Vec<LeafIndex> = commit.remove_proposals().map(|p| p.remove_proposal().removed().u32()).collect();
    let added = added(group, &commit, &committer, &removed)?;
    let number = group.epoch().as_u64();
    let staged = Staged { parent, number, epoch, added, committer, removed, state, aad };
    Ok(Checked { staged, commit, encoded, psks })
}

/// Whether the leaves that a commit brings may stand in the tree.
fn has_good_leaves(commit: &StagedCommit, state: Option<Digest>) -> bool {
    let path = commit.update_path_leaf_node().is_none_or(|leaf| extensions::fits(leaf.capabilities(), leaf.extensions(), state));
    path && commit.add_proposals().all(|proposal| {
        let package = proposal.add_proposal().key_package();
        let leaf = package.leaf_node();
        extensions::fits(leaf.capabilities(), leaf.extensions(), state) && extensions::kind(package).is_ok()
    })
}

/// Whether a message can be looked at: for this room, of a form we take, of an epoch that
/// is kept. Nothing of this is authenticated yet.
fn admit(group: &MlsGroup, record: Option<&Record>, room: RoomId, bytes: &[u8]) -> Result<ProtocolMessage, CipherError> {
    let message = match parse(bytes)? {
        MlsMessageBodyIn::PrivateMessage(message) => ProtocolMessage::from(message),
        MlsMessageBodyIn::PublicMessage(message) if *message.sender() == Sender::NewMemberCommit => ProtocolMessage::from(message),
        MlsMessageBodyIn::PublicMessage(_)
        | MlsMessageBodyIn::Welcome(_)
        | MlsMessageBodyIn::GroupInfo(_)
        | MlsMessageBodyIn::KeyPackage(_) => return Err(CipherError::Broken),
    };
    if message.group_id().as_slice() != room.as_bytes() || message.content_type() == ContentType::Proposal {
        return Err(CipherError::Broken);
    }
    if !group.is_active() {
        return Err(CipherError::Gone);
    }
    let (theirs, ours) = (message.epoch().as_u64(), group.epoch().as_u64());
    if theirs > ours {
        return Err(CipherError::Ahead);
    }
    let text_of_kept_epoch =
        message.content_type() == ContentType::Application && record.is_some_and(|record| record.past(theirs).is_some());
    if theirs < ours && !text_of_kept_epoch {
        return Err(CipherError::Gone);
    }
    Ok(message)
}

fn text(slot: &Slot, number: u64, processed: ProcessedMessage) -> Result<Opened, CipherError> {
    let Sender::Member(index) = *processed.sender() else { return Err(CipherError::Broken) };
    let (epoch, earlier) = match slot.record.past(number) {
        Some(past) => (EpochId(past.epoch), slot.record.gone_leaf(number, index.u32())),
        None => (slot.epoch(), None),
    };
    let key = match earlier {
        Some(leaf) => leaf.0.to_vec(),
        None => slot.group.member_at(index).ok_or(CipherError::Broken)?.signature_key,
    };
    let sender = room::member(index.u32(), &key, processed.credential()).ok_or(CipherError::Broken)?;
    let aad = processed.aad().to_vec();
    let ProcessedMessageContent::ApplicationMessage(plaintext) = processed.into_content() else { return Err(CipherError::Broken) };
    Ok(Opened::Text { sender, epoch, plaintext: plaintext.into_bytes(), aad })
}

/// Refuses what no room of ours does: proposals other than add, remove, those of the room state (which [`check`] looks at)
/// and the parts of an external commit; an external commit that removes somebody or is without exactly one
/// pre-shared key; a committer who changes its key or credential, which would let a member
/// pass for somebody else. Returns the pre-shared keys that are now used.
fn permitted(group: &MlsGroup, commit: &StagedCommit, committer: &Committer, has_state: bool) -> Result<Vec<Psk>, CipherError> {
    let mut psks = Vec::new();
    for queued in commit.queued_proposals() {
        match (queued.proposal(), committer) {
            (Proposal::Add(_) | Proposal::Remove(_), Committer::Member(_)) | (Proposal::ExternalInit(_), Committer::External) => {}
            (Proposal::GroupContextExtensions(_), Committer::Member(_)) if has_state => {}
            (Proposal::PreSharedKey(proposal), Committer::External) => psks.push(psk_of(proposal).ok_or(CipherError::Broken)?),
            _ => return Err(CipherError::Broken),
        }
    }
    if let (Committer::Member(index), Some(leaf)) = (committer, commit.update_path_leaf_node()) {
        let before = group.member_at(LeafNodeIndex::new(*index)).ok_or(CipherError::Broken)?;
        if leaf.signature_key().as_slice() != before.signature_key || *leaf.credential() != before.credential {
            return Err(CipherError::Broken);
        }
    }
    let external = psks.iter().all(|psk| matches!(psk, Psk::External(_)));
    let as_many_as_wanted = psks.len() == usize::from(*committer == Committer::External);
    if external && as_many_as_wanted { Ok(psks) } else { Err(CipherError::Broken) }
}

/// The length of a public key as MLS writes it (RFC 9420, section 2.1.2).
const KEM_PUBLIC_LENGTH: [u8; 2] = (0x4000 | KEM_PUBLIC as u16).to_be_bytes();

/// Whether somebody can seal to the keys of a commit's path, and none of them is one of the present tree. OpenMLS asks neither: with a
/// key that is none, nobody could commit any more; with one of before, what leads to the next epoch would not be found.
fn has_good_keys(group: &MlsGroup, commit: &StagedCommit, encoded: &[u8]) -> bool {
    let Some(parents) = epoch::path_keys(encoded) else { return false };
    let is_key = |key: &[u8]| KemPublicBytes::new(key.to_vec()).is_some_and(|key| KemPublic::parse(&key).is_ok());
    let leaf = commit.update_path_leaf_node().map(|leaf| leaf.encryption_key().tls_serialize_detached());
    // On the wire behind two bytes of length.
    let leaf_is_good = leaf.is_none_or(|leaf| leaf.is_ok_and(|leaf| leaf.get(2..).is_some_and(is_key)));
    let adds = commit.add_proposals().next().is_some();
    let Ok(tree) = group.export_ratchet_tree().tls_serialize_detached() else { return false };
    // Whatever stands behind such a length may be a key: rather one too many.
    let places = tree.windows(2).enumerate().filter(|(_, length)| *length == KEM_PUBLIC_LENGTH);
    let known: HashSet<&[u8]> = places.filter_map(|(at, _)| tree.get(at + 2..at + 2 + KEM_PUBLIC)).collect();
    let is_new = |key: &Vec<u8>| adds || !known.contains(key.as_slice());
    leaf_is_good && parents.iter().all(|key| is_key(key) && is_new(key))
}

/// What a proposal names: OpenMLS has no accessor, but the proposal's bytes are exactly the
/// identifier's (RFC 9420, section 12.1.4).
fn psk_of(proposal: &PreSharedKeyProposal) -> Option<Psk> {
    let bytes = proposal.tls_serialize_detached().ok()?;
    Some(PreSharedKeyId::tls_deserialize_exact_bytes(&bytes).ok()?.psk().clone())
}

/// The leaves that a commit adds. Each takes the leftmost free position, in order, after
/// the removals (RFC 9420, sections 12.1.1 and 12.3).
fn added(group: &MlsGroup, commit: &StagedCommit, committer: &Committer, removed: &[LeafIndex]) -> Result<Vec<Member>, CipherError> {
    if *committer == Committer::External {
        let index = group.ext_commit_sender_index(commit).map_err(|_| CipherError::Broken)?.u32();
        let leaf = commit.update_path_leaf_node().ok_or(CipherError::Broken)?;
        let joiner = room::member(index, leaf.signature_key().as_slice(), leaf.credential()).ok_or(CipherError::Broken)?;
        return Ok(vec![joiner]);
    }
    let mut taken: Vec<LeafIndex> = group.members().map(|m| m.index.u32()).filter(|index| !removed.contains(index)).collect();
    taken.sort_unstable();
    let mut taken = taken.into_iter().peekable();
    let mut next = 0;
    let mut members = Vec::new();
    for proposal in commit.add_proposals() {
        while taken.next_if_eq(&next).is_some() {
            next += 1;
        }
        let leaf = proposal.add_proposal().key_package().leaf_node();
        members.push(room::member(next, leaf.signature_key().as_slice(), leaf.credential()).ok_or(CipherError::Broken)?);
        next += 1;
    }
    Ok(members)
}

fn refusal<E>(error: &ProcessMessageError<E>) -> CipherError {
    use SecretTreeError::{SecretReuseError, TooDistantInThePast};
    let ProcessMessageError::ValidationError(error) = error else { return CipherError::Broken };
    if matches!(error, ValidationError::WrongEpoch | ValidationError::NoPastEpochData) {
        return CipherError::Gone;
    }
    let ValidationError::UnableToDecrypt(MessageDecryptionError::SecretTreeError(error)) = error else { return CipherError::Broken };
    if *error == SecretReuseError {
        CipherError::Used
    } else if *error == TooDistantInThePast {
        // Erased to make room for later ones: opened or not, nobody can tell any more.
        CipherError::Gone
    } else {
        CipherError::Broken
    }
}

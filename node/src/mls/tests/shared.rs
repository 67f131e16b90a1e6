//! What another client of MLS could send into a room with a state, hostile KeyPackages and Welcomes, and what stays in the rows.

use super::hostile::{foreign_commit, openmls_takes};
use super::*;
use crate::mls::crypto::Crypto;
use crate::mls::extensions::{self, QUEUE, STATE};
use crate::mls::limits::{SUITE, capabilities, leaf_lifetime};
use crate::mls::room;
use crate::mls::rows::RowCache;
use crate::mls::signature::LeafSigner;
use crate::mls::storage::Provider;
use openmls::framing::MlsMessageOut;
use openmls::group::GroupContext;
use openmls::messages::proposals::{PreSharedKeyProposal, Proposal};
use openmls::prelude::{
    Capabilities, CredentialType, CredentialWithKey, Extension, ExtensionType, Extensions, KeyPackage, LeafNode, LeafNodeParameters,
    ProtocolVersion, RequiredCapabilitiesExtension, SignaturePublicKey, UnknownExtension,
};
use openmls::schedule::PreSharedKeyId;
use symbolon_core::world::{Committer, LEAVES_MAX, QUEUE_MAX, Staged};
use symbolon_presence::id::{Digest, EpochId};

const FIRST: Digest = Digest([0xF1; 32]);
const SECOND: Digest = Digest([0xF2; 32]);

fn new() -> (Cipher, Rows) {
    let rows = Rows::default();
    (MlsCipher::new(rows.clone()), rows)
}

fn package(cipher: &mut Cipher, last_resort: bool) -> (Vec<u8>, LeafKey) {
    let leaf = cipher.fresh_leaf().unwrap();
    let kind = PackageKind { last_resort, queue: vec![7; 100] };
    (cipher.key_package(leaf, b"you", LIFETIME, &kind).unwrap(), leaf)
}

fn adding(package: Vec<u8>) -> Proposals {
    Proposals { add: vec![package], ..Proposals::default() }
}

/// Two flushed members of [`ROOM`], which has the state [`FIRST`], with their rows.
fn shared() -> ((Cipher, Rows), (Cipher, Rows)) {
    let ((mut a, rows_a), (mut b, rows_b)) = (new(), new());
    let leaf = a.fresh_leaf().unwrap();
    a.create(ROOM, leaf, b"me", LIFETIME, Some(FIRST)).unwrap();
    let pending = a.commit(ROOM, &adding(package(&mut b, false).0), b"").unwrap();
    a.adopt(ROOM, pending.epoch).unwrap();
    a.complete(ROOM).unwrap();
    b.join_welcome(&pending.welcome.unwrap()).unwrap();
    a.flush().unwrap();
    b.flush().unwrap();
    ((a, rows_a), (b, rows_b))
}

fn demand(types: &[u16]) -> Extension {
    let types: Vec<_> = types.iter().map(|number| ExtensionType::Unknown(*number)).collect();
    Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(&types, &[], &[]))
}

fn unknown(number: u16, length: usize) -> Extension {
    Extension::Unknown(number, UnknownExtension(vec![0xF2; length]))
}

/// What a commit of another client does.
#[derive(Default)]
struct Change {
    proposal: Option<Proposal>,
    add: Option<KeyPackage>,
    leaf: LeafNodeParameters,
    context: Option<Extensions<GroupContext>>,
}

/// A commit by a member of ours with a client of OpenMLS alone: proposals, its leaf, and the extensions of the context.
fn foreign(cipher: &Cipher, change: Change) -> Vec<u8> {
    cipher.raw(ROOM, |group, provider, signer| {
        let builder = group.commit_builder().add_proposals(change.proposal).propose_adds(change.add);
        let mut builder = builder.leaf_node_parameters(change.leaf).force_self_update(true);
        if let Some(context) = change.context {
            builder = builder.propose_group_context_extensions(context).unwrap();
        }
        let builder = builder.load_psks(provider.storage()).unwrap();
        let built = builder.build(provider.rand(), provider.crypto(), signer, |_| true).unwrap();
        let commit = built.stage_commit(provider).unwrap().commit().to_bytes().unwrap();
        group.clear_pending_commit(provider.storage()).unwrap();
        commit
    })
}

fn with_context(cipher: &Cipher, context: Extensions<GroupContext>) -> Vec<u8> {
    foreign(cipher, Change { context: Some(context), ..Change::default() })
}

fn with_leaf(cipher: &Cipher, leaf: LeafNodeParameters) -> Vec<u8> {
    foreign(cipher, Change { leaf, ..Change::default() })
}

fn with_package(cipher: &Cipher, package: &[u8]) -> Vec<u8> {
    foreign(cipher, Change { add: Some(parsed(package)), ..Change::default() })
}

/// Refused by us, though a client of OpenMLS alone would take it, and nothing happens.
fn is_refused_by_us_alone(commit: &[u8], b: &mut Cipher, rows_b: &Rows) {
    let (epoch, members) = (b.epoch(ROOM), b.members(ROOM));
    assert_eq!(b.open(ROOM, commit), Err(CipherError::Broken));
    assert_eq!((b.epoch(ROOM), b.members(ROOM), b.state(ROOM)), (epoch, members, Ok(Some(FIRST))));
    assert!(openmls_takes(&MlsCipher::new(copy(rows_b)), commit));
}

#[test]
fn a_commit_that_puts_anything_but_a_state_into_the_context_is_refused() {
    let ((a, _), (mut b, rows_b)) = shared();
    for context in [
        vec![],
        vec![demand(&[STATE])],
        vec![demand(&[STATE]), unknown(STATE, 31)],
        vec![demand(&[STATE]), unknown(STATE, 33)],
        vec![demand(&[STATE]), unknown(STATE, 0)],
        vec![unknown(STATE, 32), demand(&[STATE])],
        vec![demand(&[STATE, QUEUE]), unknown(STATE, 32)],
        vec![demand(&[STATE, QUEUE]), unknown(STATE, 32), unknown(QUEUE, 32)],
        vec![demand(&[STATE]), unknown(STATE, 32), Extension::ExternalSenders(Vec::new())],
    ] {
        let commit = with_context(&a, Extensions::from_vec(context).unwrap());
        is_refused_by_us_alone(&commit, &mut b, &rows_b);
    }
    let commit = with_context(&a, extensions::context(Some(SECOND)).unwrap());
    assert!(matches!(b.open(ROOM, &commit), Ok(Opened::Commit(Staged { state: Some(SECOND), .. }))));
}

#[test]
fn a_room_of_two_gets_no_state_by_a_commit_and_one_with_other_extensions_is_not_entered() {
    let ((a, _), (mut b, _)) = pair();
    let commit = with_context(&a, Extensions::single(demand(&[])).unwrap());
    assert_eq!(b.open(ROOM, &commit), Err(CipherError::Broken));

    let ((a, _), _) = shared();
    let mut c = new().0;
    for context in [vec![], vec![demand(&[STATE]), unknown(STATE, 32), Extension::ExternalSenders(Vec::new())], vec![demand(&[STATE])]] {
        let extensions = Extensions::from_vec(context.clone()).unwrap();
        let (package, _) = package(&mut c, true);
        a.raw(ROOM, |group, provider, signer| {
            let builder = group.commit_builder().propose_group_context_extensions(extensions).unwrap();
            let builder = builder.load_psks(provider.storage()).unwrap();
            let built = builder.build(provider.rand(), provider.crypto(), signer, |_| true).unwrap();
            built.stage_commit(provider).unwrap();
            group.merge_pending_commit(provider).unwrap();
        });
        let info =
            a.raw(ROOM, |group, provider, signer| group.export_group_info(provider.crypto(), signer, true).unwrap().to_bytes().unwrap());
        let leaf = c.fresh_leaf().unwrap();
        c.share_psk(&[1; 32], &[2; 32]).unwrap();
        let welcome = a.raw(ROOM, |group, provider, signer| {
            let added = group.add_members(provider, signer, &[parsed(&package)]).unwrap();
            group.clear_pending_commit(provider.storage()).unwrap();
            added.1.to_bytes().unwrap()
        });
        if context.is_empty() {
            // As in a room of two.
            assert_eq!(c.inspect(&info).unwrap().state, None);
            assert_eq!(c.join_welcome(&welcome).unwrap().state, None);
            c.forget(ROOM).unwrap();
            continue;
        }
        assert_eq!(c.inspect(&info), Err(CipherError::Broken));
        assert_eq!(c.join_external(&info, &[1; 32], leaf, b"you", LIFETIME), Err(CipherError::Broken));
        assert_eq!(c.join_welcome(&welcome), Err(CipherError::Broken));
        assert_eq!(c.epoch(ROOM), Err(CipherError::Gone));
    }
}

/// What fills every member's tree, or is of no use in it.
fn bad_leaves() -> [(Capabilities, Extensions<LeafNode>); 2] {
    let many = (0..200).map(|number| ExtensionType::Unknown(0xF600 + number));
    let many = [ExtensionType::Unknown(STATE), ExtensionType::Unknown(QUEUE), ExtensionType::LastResort].into_iter().chain(many);
    let fat = Capabilities::builder()
        .versions(vec![ProtocolVersion::Mls10])
        .ciphersuites(vec![SUITE])
        .extensions(many.collect())
        .credentials(vec![CredentialType::Basic])
        .build();
    [(fat, Extensions::empty()), (capabilities(true), Extensions::single(unknown(STATE, 40)).unwrap())]
}

#[test]
fn leaves_that_fill_the_tree_are_refused_from_members_newcomers_and_those_who_enter_by_themselves() {
    let ((mut a, _), (mut b, rows_b)) = shared();
    for (capabilities, extensions) in bad_leaves() {
        let leaf = LeafNodeParameters::builder().with_capabilities(capabilities.clone()).with_extensions(extensions.clone()).build();
        let commit = with_leaf(&a, leaf.clone());
        is_refused_by_us_alone(&commit, &mut b, &rows_b);
        let package = hostile_package(capabilities, extensions, Extensions::empty());
        assert_eq!(b.inspect_package(&package), Err(CipherError::Broken));
        assert_eq!(b.commit(ROOM, &adding(package.clone()), b""), Err(CipherError::Broken));
        let commit = with_package(&a, &package);
        is_refused_by_us_alone(&commit, &mut b, &rows_b);
        let commit = foreign_commit(&a.offer(ROOM).unwrap(), &LeafSigner::new(&[5; 32]).unwrap(), Some([2; 32]), leaf);
        b.share_psk(&[1; 32], &[2; 32]).unwrap();
        assert_eq!(b.open(ROOM, &commit), Err(CipherError::Broken));
    }
}

fn hostile_package(capabilities: Capabilities, leaf: Extensions<LeafNode>, package: Extensions<KeyPackage>) -> Vec<u8> {
    let cache = RowCache::new(MemoryRows::default());
    let provider = Provider::lazy(&cache);
    let signer = LeafSigner::new(&[6; 32]).unwrap();
    let signature_key = SignaturePublicKey::from(signer.public().as_slice());
    let bundle = KeyPackage::builder()
        .key_package_lifetime(leaf_lifetime(LIFETIME))
        .leaf_node_capabilities(capabilities)
        .leaf_node_extensions(leaf)
        .key_package_extensions(package)
        .build(SUITE, &provider, &signer, CredentialWithKey { credential: room::credential(b"foreign"), signature_key });
    MlsMessageOut::from(bundle.unwrap().key_package().clone()).to_bytes().unwrap()
}

fn parsed(package: &[u8]) -> KeyPackage {
    let MlsMessageBodyIn::KeyPackage(package) = MlsMessageIn::tls_deserialize_exact_bytes(package).unwrap().extract() else {
        panic!("not a KeyPackage")
    };
    package.validate(&Crypto, ProtocolVersion::Mls10).unwrap()
}

#[test]
fn a_package_with_anything_but_a_queue_and_the_mark_of_last_resort_is_refused() {
    let ((a, _), (mut b, rows_b)) = shared();
    for (extension, is_good) in
        [(unknown(QUEUE, QUEUE_MAX), true), (unknown(QUEUE, QUEUE_MAX + 1), false), (unknown(QUEUE, 0), false), (unknown(STATE, 32), false)]
    {
        let package = hostile_package(capabilities(true), Extensions::empty(), Extensions::single(extension).unwrap());
        assert_eq!(b.inspect_package(&package).is_ok(), is_good);
        let commit = with_package(&a, &package);
        if is_good {
            assert!(matches!(b.open(ROOM, &commit), Ok(Opened::Commit(_))));
            b.reject(ROOM).unwrap();
            continue;
        }
        assert_eq!(b.commit(ROOM, &adding(package), b""), Err(CipherError::Broken));
        is_refused_by_us_alone(&commit, &mut b, &rows_b);
    }
    // Of somebody who does not know the state's extension; not even OpenMLS adds it.
    let package = hostile_package(capabilities(false), Extensions::empty(), Extensions::empty());
    assert!(b.inspect_package(&package).is_ok());
    assert_eq!(b.commit(ROOM, &adding(package), b""), Err(CipherError::Broken));
}

#[test]
fn a_commit_of_a_member_with_a_pre_shared_key_or_with_references_to_proposals_is_refused() {
    let ((a, _), (mut b, rows_b)) = shared();
    b.share_psk(&[1; 32], &[2; 32]).unwrap();
    b.flush().unwrap();
    a.raw(ROOM, |_, provider, _| PreSharedKeyId::external(vec![1; 32], Vec::new()).store(provider, &[2; 32]).unwrap());
    let id = PreSharedKeyId::external(vec![1; 32], vec![3; 32]);
    let proposal = Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(id)));
    let commit = foreign(&a, Change { proposal: Some(proposal), ..Change::default() });
    is_refused_by_us_alone(&commit, &mut b, &rows_b);

    let (package, _) = package(&mut new().0, false);
    let commit = a.raw(ROOM, |group, provider, signer| {
        group.propose_add_member(provider, signer, &parsed(&package)).unwrap();
        let builder = group.commit_builder().force_self_update(true).load_psks(provider.storage()).unwrap();
        let built = builder.build(provider.rand(), provider.crypto(), signer, |_| true).unwrap();
        built.stage_commit(provider).unwrap().commit().to_bytes().unwrap()
    });
    assert_eq!(b.open(ROOM, &commit), Err(CipherError::Broken));
}

#[test]
fn looking_from_a_kept_parent_leaves_no_trace_in_memory_or_rows() {
    let ((mut a, _), (mut b, rows_b)) = shared();
    let parent = b.epoch(ROOM).unwrap();
    let info = a.offer(ROOM).unwrap();
    let good = a.commit(ROOM, &Proposals { state: Some(SECOND), ..Proposals::default() }, b"why").unwrap();
    let fat = LeafNodeParameters::builder().with_extensions(Extensions::single(unknown(STATE, 4)).unwrap()).build();
    let bad = with_leaf(&a, fat);
    let external = foreign_commit(&info, &LeafSigner::new(&[5; 32]).unwrap(), Some([2; 32]), fitting());
    b.share_psk(&[1; 32], &[2; 32]).unwrap();
    let own = b.commit(ROOM, &Proposals::default(), b"").unwrap();
    b.adopt(ROOM, own.epoch).unwrap();
    b.seal(ROOM, b"not written yet", b"").unwrap();
    b.flush().unwrap();
    let before = copy(&rows_b);
    let mut altered = good.commit.clone();
    altered[300] ^= 1;
    for _ in 0..2 {
        assert_eq!(b.peek(ROOM, parent, &good.commit).unwrap().epoch, good.epoch);
        assert_eq!(b.peek(ROOM, parent, &external).unwrap().committer, Committer::External);
        for refused in [&bad, &altered, &own.commit, &info, &Vec::new()] {
            assert_eq!(b.peek(ROOM, parent, refused), Err(CipherError::Broken));
        }
        assert_eq!(b.peek(ROOM, EpochId([7; 32]), &good.commit), Err(CipherError::Gone));
    }
    b.flush().unwrap();
    assert_eq!(rows_b, before);
    b.rewind(ROOM, parent).unwrap();
    assert!(matches!(b.open(ROOM, &external), Ok(Opened::Commit(_))));
    assert!(matches!(b.open(ROOM, &good.commit), Ok(Opened::Commit(_))));
}

/// Of a leaf that may enter a room with a state.
fn fitting() -> LeafNodeParameters {
    LeafNodeParameters::builder().with_capabilities(capabilities(true)).build()
}

#[test]
fn a_welcome_with_more_newcomers_than_the_bound_is_not_searched() {
    let ((mut a, _), _) = pair();
    let mut c = new().0;
    let (package, leaf) = package(&mut c, false);
    let welcome = a.commit(ROOM, &adding(package), b"").unwrap().welcome.unwrap();
    // Version, wire format, suite; the length of the list; the name of the first package behind its length.
    let name = &welcome[8..41];
    assert_eq!((name[0], c.welcome_leaf(&welcome)), (32, Ok(leaf)));
    for (others, found) in [(LEAVES_MAX - 1, Ok(leaf)), (LEAVES_MAX, Err(CipherError::Broken))] {
        let mut list = Vec::new();
        for _ in 0..others {
            list.extend([[32].as_slice(), &[9; 32], &[0, 0]].concat());
        }
        list.extend([name, &[0, 0]].concat());
        let length = (0x4000 | list.len() as u16).to_be_bytes();
        let crafted = [&welcome[..6], &length, &list, &[0]].concat();
        assert_eq!(c.welcome_leaf(&crafted), found);
        assert_eq!(c.join_welcome(&crafted), Err(CipherError::Broken));
    }
    assert_eq!(c.join_welcome(&welcome).unwrap().room, ROOM);
}

#[test]
fn packages_that_are_dropped_and_rooms_that_are_forgotten_leave_no_row() {
    let ((mut a, _), _) = shared();
    let (mut c, rows) = new();
    let (dropped, other) = package(&mut c, false);
    assert!(c.inspect_package(&dropped).is_ok());
    c.flush().unwrap();
    assert_eq!(rows.len(), 3);
    c.drop_package(other).unwrap();
    c.flush().unwrap();
    assert!(rows.is_empty());

    let (last, leaf) = package(&mut c, true);
    let pending = a.commit(ROOM, &adding(last), b"").unwrap();
    let welcome = pending.welcome.unwrap();
    for _ in 0..2 {
        c.join_welcome(&welcome).unwrap();
        c.flush().unwrap();
        assert!(rows.len() > 12);
        c.forget(ROOM).unwrap();
        c.flush().unwrap();
        assert_eq!(rows.len(), 3);
    }
    c.join_welcome(&welcome).unwrap();
    c.drop_package(leaf).unwrap();
    assert_eq!(c.epoch(ROOM), Ok(pending.epoch));
    c.flush().unwrap();
    let mut c = MlsCipher::new(c.into_rows());
    c.seal(ROOM, b"with the leaf that stays", b"").unwrap();
    c.forget(ROOM).unwrap();
    c.flush().unwrap();
    assert!(rows.is_empty());
}

#[test]
fn a_refused_join_by_a_package_of_last_resort_changes_no_row() {
    let ((mut a, _), _) = shared();
    let (mut c, rows) = new();
    let (last, _) = package(&mut c, true);
    c.flush().unwrap();
    let before = copy(&rows);
    let mut welcome = a.commit(ROOM, &adding(last), b"").unwrap().welcome.unwrap();
    *welcome.last_mut().unwrap() ^= 1;
    assert_eq!(c.join_welcome(&welcome), Err(CipherError::Broken));
    c.flush().unwrap();
    assert_eq!(rows, before);
}

#[test]
fn a_used_key_of_an_epoch_before_stays_used_after_a_restart_whatever_was_written_when() {
    let ((mut a, _), (mut b, rows_b)) = shared();
    let texts: Vec<_> = (0..4u8).map(|n| a.seal(ROOM, &[n], b"").unwrap().bytes).collect();
    let pending = a.commit(ROOM, &Proposals::default(), b"").unwrap();
    a.adopt(ROOM, pending.epoch).unwrap();
    assert_eq!(read(&mut b, &texts[0]), [0]);
    let Opened::Commit(staged) = b.open(ROOM, &pending.commit).unwrap() else { panic!("not a commit") };
    b.adopt(ROOM, staged.epoch).unwrap();
    b.flush().unwrap();
    // A text of the present alone, then one of before, with and without one of the present after it.
    let of_present: Vec<_> = (0..3u8).map(|n| a.seal(ROOM, &[n], b"").unwrap().bytes).collect();
    read(&mut b, &of_present[0]);
    b.flush().unwrap();
    assert_eq!(read(&mut b, &texts[1]), [1]);
    b.flush().unwrap();
    assert_eq!(read(&mut b, &texts[2]), [2]);
    read(&mut b, &of_present[1]);
    b.flush().unwrap();
    let mut b = MlsCipher::new(copy(&rows_b));
    for used in texts[..3].iter().chain(&of_present[..2]) {
        assert_eq!(b.open(ROOM, used), Err(CipherError::Used));
    }
    assert_eq!(read(&mut b, &texts[3]), [3]);
    read(&mut b, &of_present[2]);
    // Nor does the row of the epochs before change with a text of the present.
    b.flush().unwrap();
    let past = |rows: &Rows| rows.rows.borrow().iter().find(|(key, _)| key[..2] == [Kind::PastSecrets as u8, 0]).unwrap().1.clone();
    let rows_b = b.into_rows();
    let before = past(&rows_b);
    let mut b = MlsCipher::new(rows_b.clone());
    read(&mut b, &a.seal(ROOM, b"one more", b"").unwrap().bytes);
    b.flush().unwrap();
    assert_eq!(past(&rows_b), before);
}

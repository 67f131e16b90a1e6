//! What another client of MLS could send, and what no client would.

use super::*;
use crate::mls::crypto::spoiling;
use crate::mls::limits::{MESSAGE_MAX, capabilities, join_config};
use crate::mls::room;
use crate::mls::rows::RowCache;
use crate::mls::signature::LeafSigner;
use crate::mls::storage::Provider;
use openmls::group::MlsGroup;
use openmls::messages::proposals::PreSharedKeyProposal;
use openmls::prelude::{CredentialWithKey, Extensions, LeafNodeParameters, NewSignerBundle, SignaturePublicKey};
use openmls::schedule::PreSharedKeyId;
use openmls_traits::random::OpenMlsRand;
use std::cell::RefCell;

/// An external commit by another client than ours, with or without the pre-shared key.
pub(super) fn foreign_commit(info: &[u8], signer: &LeafSigner, psk: Option<[u8; 32]>, leaf: LeafNodeParameters) -> Vec<u8> {
    let MlsMessageBodyIn::GroupInfo(info) = MlsMessageIn::tls_deserialize_exact_bytes(info).unwrap().extract() else {
        panic!("not a GroupInfo")
    };
    let cache = RowCache::new(MemoryRows::default());
    let provider = Provider::lazy(&cache);
    let key = SignaturePublicKey::from(signer.public().as_slice());
    let name = CredentialWithKey { credential: room::credential(b"foreign"), signature_key: key };
    let mut builder = MlsGroup::external_commit_builder().with_config(join_config()).build_group(&provider, info, name).unwrap();
    if let Some(secret) = psk {
        PreSharedKeyId::external(vec![1; 32], Vec::new()).store(&provider, &secret).unwrap();
        let id = PreSharedKeyId::external(vec![1; 32], vec![3; 32]);
        builder = builder.add_psk_proposal(PreSharedKeyProposal::new(id));
    }
    let builder = builder.leaf_node_parameters(leaf).load_psks(provider.storage()).unwrap();
    let built = builder.build(provider.rand(), provider.crypto(), signer, |_| true).unwrap();
    built.finalize(&provider).unwrap().1.commit().to_bytes().unwrap()
}

/// A leaf as in a room of two.
fn plain() -> LeafNodeParameters {
    LeafNodeParameters::builder().with_capabilities(capabilities(false)).build()
}

/// Whether OpenMLS alone takes a commit.
pub(super) fn openmls_takes(cipher: &Cipher, commit: &[u8]) -> bool {
    let message = MlsMessageIn::tls_deserialize_exact_bytes(commit).unwrap().try_into_protocol_message().unwrap();
    cipher.raw(ROOM, |group, provider, _| group.process_message(provider, message).is_ok())
}

#[test]
fn an_external_commit_without_a_pre_shared_key_is_refused() {
    let mut a = MlsCipher::new(Rows::default());
    create(&mut a, ROOM);
    let epoch = a.epoch(ROOM);
    let commit = foreign_commit(&a.offer(ROOM).unwrap(), &LeafSigner::new(&[5; 32]).unwrap(), None, plain());
    assert_eq!(a.open(ROOM, &commit), Err(CipherError::Broken));
    assert_eq!(a.epoch(ROOM), epoch);
    assert!(openmls_takes(&a, &commit));
}

#[test]
fn an_external_commit_that_removes_a_member_is_refused() {
    let mut a = MlsCipher::new(Rows::default());
    create(&mut a, ROOM);
    // The second time, OpenMLS removes the leaf with the same key.
    for round in 0..2 {
        let commit = foreign_commit(&a.offer(ROOM).unwrap(), &LeafSigner::new(&[5; 32]).unwrap(), Some([2; 32]), plain());
        a.share_psk(&[1; 32], &[2; 32]).unwrap();
        match a.open(ROOM, &commit) {
            Ok(Opened::Commit(staged)) if round == 0 => a.adopt(ROOM, staged.epoch).unwrap(),
            Err(CipherError::Broken) if round == 1 => assert!(openmls_takes(&a, &commit)),
            other => panic!("round {round}: {other:?}"),
        }
    }
}

#[test]
fn a_member_that_commits_under_another_name_or_key_is_refused() {
    let other = LeafSigner::new(&[5; 32]).unwrap();
    for (name, key) in [(b"boss".as_slice(), None), (b"me", Some(other))] {
        let ((mut a, _), (mut b, rows_b)) = pair();
        let members = b.members(ROOM);
        let commit = a.raw(ROOM, |group, provider, signer| {
            let signature_key = SignaturePublicKey::from(key.as_ref().unwrap_or(signer).public().as_slice());
            let credential_with_key = CredentialWithKey { credential: room::credential(name), signature_key };
            let leaf = LeafNodeParameters::builder().with_credential_with_key(credential_with_key.clone()).build();
            let builder = group.commit_builder().leaf_node_parameters(leaf).force_self_update(true);
            let builder = builder.load_psks(provider.storage()).unwrap();
            let built = match &key {
                None => builder.build(provider.rand(), provider.crypto(), signer, |_| true),
                Some(new) => {
                    let bundle = NewSignerBundle { signer: new, credential_with_key };
                    builder.build_with_new_signer(provider.rand(), provider.crypto(), signer, bundle, |_| true)
                }
            };
            built.unwrap().stage_commit(provider).unwrap().commit().to_bytes().unwrap()
        });
        assert_eq!(b.open(ROOM, &commit), Err(CipherError::Broken));
        assert_eq!(b.members(ROOM), members);
        assert!(openmls_takes(&MlsCipher::new(rows_b), &commit));
        a.reject(ROOM).unwrap();
    }
}

#[test]
fn a_members_proposals_of_their_own_and_commits_to_other_changes_are_refused() {
    let ((mut a, _), (mut b, _)) = pair();
    let epoch = b.epoch(ROOM);
    let leave = a.raw(ROOM, |group, provider, signer| group.leave_group(provider, signer).unwrap().to_bytes().unwrap());
    a.raw(ROOM, |group, provider, _| group.clear_pending_proposals(provider.storage()).unwrap());
    let rename = a.raw(ROOM, |group, provider, signer| {
        let builder = group.commit_builder().propose_group_context_extensions(Extensions::empty()).unwrap();
        let builder = builder.load_psks(provider.storage()).unwrap();
        let built = builder.build(provider.rand(), provider.crypto(), signer, |_| true).unwrap();
        built.stage_commit(provider).unwrap().commit().to_bytes().unwrap()
    });
    for _ in 0..2 {
        // Not even its key is used up.
        assert_eq!(b.open(ROOM, &leave), Err(CipherError::Broken));
    }
    assert_eq!(b.open(ROOM, &rename), Err(CipherError::Broken));
    assert_eq!(b.epoch(ROOM), epoch);
    a.reject(ROOM).unwrap();
    let text = a.seal(ROOM, b"still here", b"").unwrap().bytes;
    assert_eq!(read(&mut b, &text), b"still here");
}

#[test]
fn a_message_over_the_limit_is_not_looked_at() {
    let ((mut a, _), (mut b, _)) = pair();
    let text = a.seal(ROOM, &vec![0; MESSAGE_MAX], b"").unwrap().bytes;
    assert_eq!(b.open(ROOM, &text), Err(CipherError::Broken));
    let text = a.seal(ROOM, &vec![0; MESSAGE_MAX - 1024], b"").unwrap().bytes;
    assert_eq!(read(&mut b, &text).len(), MESSAGE_MAX - 1024);
}

#[test]
fn mutated_messages_never_panic_and_never_change_the_room() {
    let ((mut a, _), (mut b, rows_b)) = pair();
    // One that has moved on by itself and looks from the parent.
    let mut d = MlsCipher::new(copy(&rows_b));
    d.share_psk(&[1; 32], &[2; 32]).unwrap();
    let gone_on = d.commit(ROOM, &Proposals::default(), b"").unwrap();
    d.adopt(ROOM, gone_on.epoch).unwrap();
    let mut c = MlsCipher::new(Rows::default());
    let leaf = c.fresh_leaf().unwrap();
    let package = c.key_package(leaf, b"third", LIFETIME, &PackageKind::default()).unwrap();
    let info = a.offer(ROOM).unwrap();
    let text = a.seal(ROOM, b"text", b"aad").unwrap().bytes;
    let external = enter(&mut MlsCipher::new(Rows::default()), &info);
    b.share_psk(&[1; 32], &[2; 32]).unwrap();
    let pending = a.commit(ROOM, &Proposals { add: vec![package.clone()], ..Proposals::default() }, b"").unwrap();
    let welcome = pending.welcome.unwrap();
    let epoch = b.epoch(ROOM);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for message in [&info, &text, &external, &pending.commit, &welcome, &package] {
        for _ in 0..250 {
            let mut bytes = message.clone();
            for _ in 0..=random(3) {
                let place = random(bytes.len());
                match random(4) {
                    0 => bytes.truncate(place + 1),
                    1 => bytes.insert(place, random(256) as u8),
                    2 => bytes[place] = [0, 0x3F, 0x40, 0x80, 0xBF, 0xFF][random(6)],
                    _ => bytes[place] ^= 1 << random(8),
                }
            }
            if bytes == *message {
                continue;
            }
            assert!(b.open(ROOM, &bytes).is_err());
            assert!(b.inspect(&bytes).is_err());
            assert!(c.join_welcome(&bytes).is_err());
            assert!(c.inspect_package(&bytes).is_err());
            assert!(matches!(c.welcome_leaf(&bytes), Ok(found) if found == leaf) || c.welcome_leaf(&bytes).is_err());
            assert!(d.peek(ROOM, gone_on.parent, &bytes).is_err());
            assert!(b.commit(ROOM, &Proposals { add: vec![bytes], ..Proposals::default() }, b"").is_err());
        }
    }
    assert_eq!((b.epoch(ROOM), d.epoch(ROOM)), (epoch, Ok(gone_on.epoch)));
    assert_eq!(d.peek(ROOM, gone_on.parent, &pending.commit).unwrap().epoch, pending.epoch);
    assert_eq!(read(&mut b, &text), b"text");
    assert_eq!(c.join_welcome(&welcome).unwrap().epoch, pending.epoch);
}

/// What the one core thread works for the longest Offer's room. Prints it.
#[test]
fn a102_the_room_of_the_longest_offer_is_looked_at_in_bounded_work() {
    // As many leaves as an Offer has place for: far more than it may hold devices.
    let mut cipher = MlsCipher::new(Rows::default());
    create(&mut cipher, ROOM);
    let (mut info, mut leaves) = (cipher.offer(ROOM).unwrap(), 1);
    loop {
        let mut other = MlsCipher::new(Rows::default());
        let commit = enter(&mut other, &info);
        cipher.share_psk(&[1; 32], &[2; 32]).unwrap();
        let Opened::Commit(staged) = cipher.open(ROOM, &commit).unwrap() else { panic!("not a commit") };
        cipher.adopt(ROOM, staged.epoch).unwrap();
        let longer = cipher.offer(ROOM).unwrap();
        if longer.len() > symbolon_core::limits::GROUP_INFO_MAX {
            break;
        }
        (info, leaves) = (longer, leaves + 1);
    }
    let started = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(cipher.inspect(&info).unwrap().members.len(), leaves);
    }
    println!("a GroupInfo of {} B with {leaves} leaves: {:?} each", info.len(), started.elapsed() / 10);
    assert!((8..=64).contains(&leaves), "{leaves}");
}

/// A commit by `a` that renews its leaf, drawn from a source of random numbers of its own.
fn own_commit(a: &Cipher, rand: &impl OpenMlsRand, merges: bool) -> Option<Vec<u8>> {
    a.raw(ROOM, |group, provider, signer| {
        let builder = group.commit_builder().force_self_update(true).load_psks(provider.storage()).unwrap();
        let built = builder.build(rand, provider.crypto(), signer, |_| true).ok()?;
        let bytes = built.stage_commit(provider).ok()?.commit().to_bytes().unwrap();
        if merges {
            group.merge_pending_commit(provider).unwrap();
        }
        Some(bytes)
    })
}

#[test]
fn a_commit_with_a_key_that_nobody_can_seal_to_is_refused_and_the_room_goes_on() {
    let mut refused = 0;
    for nth in 0..3 {
        let ((a, _), (mut b, _)) = pair();
        let tape = Tape::new(Vec::new(), None);
        let Some(commit) = spoiling::during(nth, || own_commit(&a, &tape, false)) else { continue };
        match b.open(ROOM, &commit) {
            // That key pair is of the maker's own next epoch and is not sent.
            Ok(Opened::Commit(staged)) => b.adopt(ROOM, staged.epoch).unwrap(),
            other => {
                assert_eq!(other, Err(CipherError::Broken), "key {nth}");
                refused += 1;
            }
        }
        // With it, nobody could ever commit again.
        let pending = b.commit(ROOM, &Proposals::default(), b"").unwrap();
        b.adopt(ROOM, pending.epoch).unwrap();
    }
    assert_eq!(refused, 2, "leaf and path");
}

/// Random numbers of which one may be of before.
struct Tape {
    before: Vec<Vec<u8>>,
    again: Option<usize>,
    drawn: RefCell<Vec<Vec<u8>>>,
}

impl Tape {
    fn new(before: Vec<Vec<u8>>, again: Option<usize>) -> Self {
        Self { before, again, drawn: RefCell::default() }
    }

    fn draw(&self, len: usize) -> Vec<u8> {
        let mut drawn = self.drawn.borrow_mut();
        let mut bytes = vec![0; len];
        getrandom::fill(&mut bytes).unwrap();
        if self.again == Some(drawn.len()) && self.before[drawn.len()].len() == len {
            bytes.clone_from(&self.before[drawn.len()]);
        }
        drawn.push(bytes.clone());
        bytes
    }
}

impl OpenMlsRand for Tape {
    type Error = std::io::Error;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], Self::Error> {
        Ok(self.draw(N).try_into().unwrap())
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, Self::Error> {
        Ok(self.draw(len))
    }
}

#[test]
fn a_commit_that_leads_over_a_key_of_before_is_refused_and_the_room_goes_on() {
    let mut refused = 0;
    for again in 0..8 {
        let ((a, _), (mut b, _)) = pair();
        let first = Tape::new(Vec::new(), None);
        let one = own_commit(&a, &first, true).unwrap();
        let before = first.drawn.into_inner();
        if again >= before.len() {
            break;
        }
        let two = own_commit(&a, &Tape::new(before, Some(again)), false).unwrap();
        let Opened::Commit(staged) = b.open(ROOM, &one).unwrap() else { panic!("a commit") };
        b.adopt(ROOM, staged.epoch).unwrap();
        match b.open(ROOM, &two) {
            // What was drawn again was something else.
            Ok(Opened::Commit(staged)) => b.adopt(ROOM, staged.epoch).unwrap(),
            other => {
                assert_eq!(other, Err(CipherError::Broken), "number {again}");
                refused += 1;
                let pending = b.commit(ROOM, &Proposals::default(), b"").unwrap();
                b.adopt(ROOM, pending.epoch).unwrap();
            }
        }
    }
    assert!(refused > 0, "the one that makes the path");
}

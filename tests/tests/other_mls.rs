//! Rooms with a member that runs another implementation of MLS (mls-rs): what travels is RFC 9420, not what OpenMLS makes of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "other_mls/frozen.rs"]
mod frozen;
#[path = "other_mls/provider.rs"]
mod provider;

use mls_rs::client_builder::MlsConfig;
use mls_rs::extension::built_in::RequiredCapabilitiesExt;
use mls_rs::extension::{ExtensionType, MlsExtension as _};
use mls_rs::group::{CommitEffect, ReceivedMessage};
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions};
use mls_rs::psk::{ExternalPskId, PreSharedKey};
use mls_rs::{CipherSuiteProvider as _, Client, Extension, ExtensionList, Group, MlsMessage};
use provider::{SUITE, Suite};
use std::rc::Rc;
use symbolon_core::world::{CipherError, Committer, Lifetime, Opened, PackageKind, Proposals, RoomCipher, Staged};
use symbolon_node::mls::{MemoryRows, MlsCipher};
use symbolon_presence::id::{Digest, RoomId};
use symbolon_presence::time::Timestamp;

type Ours = MlsCipher<Rc<MemoryRows>>;

const ROOM: RoomId = RoomId([0xA1; 32]);
const FIRST: Digest = Digest([0xF1; 32]);
const SECOND: Digest = Digest([0xF2; 32]);
const STATE: ExtensionType = ExtensionType::new(0xF5B0);
const QUEUE: ExtensionType = ExtensionType::new(0xF5B1);
const LAST_RESORT: ExtensionType = ExtensionType::new(0x000A);
const LIFETIME: Lifetime = Lifetime { not_before: Timestamp(1_577_836_800_000), not_after: Timestamp(4_102_444_800_000) };
/// A pre-shared key's identifier and secret.
const PSK: ([u8; 32], [u8; 32]) = ([3; 32], [4; 32]);

/// Somebody with mls-rs, set up as our rooms want it: control messages encrypted, each commit with a path.
fn theirs(name: &str) -> Client<impl MlsConfig> {
    let (secret, public) = Suite.signature_key_generate().unwrap();
    let identity = SigningIdentity::new(BasicCredential::new(name.as_bytes().to_vec()).into_credential(), public);
    let options = CommitOptions::new().with_path_required(true).with_ratchet_tree_extension(true);
    let rules = DefaultMlsRules::new()
        .with_commit_options(options)
        .with_encryption_options(EncryptionOptions::new(true, mls_rs::client_builder::PaddingMode::None));
    Client::builder()
        .identity_provider(BasicIdentityProvider)
        .crypto_provider(Suite)
        .mls_rules(rules)
        .extension_types([STATE, QUEUE, LAST_RESORT])
        .psk(ExternalPskId::new(PSK.0.to_vec()), PreSharedKey::new(PSK.1.to_vec()))
        .signing_identity(identity, secret, SUITE)
        .build()
}

fn context(state: Digest) -> ExtensionList {
    let mut list = ExtensionList::new();
    list.set(RequiredCapabilitiesExt::new(vec![STATE], vec![], vec![]).into_extension().unwrap());
    list.set(Extension::new(STATE, state.0.to_vec()));
    list
}

fn ours() -> Ours {
    MlsCipher::new(Rc::default())
}

/// A KeyPackage of ours with a queue, and the leaf.
fn package(cipher: &mut Ours, last_resort: bool) -> Vec<u8> {
    let leaf = cipher.fresh_leaf().unwrap();
    cipher.key_package(leaf, b"ours", LIFETIME, &PackageKind { last_resort, queue: vec![7; 900] }).unwrap()
}

fn adding(package: MlsMessage) -> Proposals {
    Proposals { add: vec![package.to_bytes().unwrap()], ..Proposals::default() }
}

fn message(bytes: &[u8]) -> MlsMessage {
    MlsMessage::from_bytes(bytes).unwrap()
}

fn state<C: MlsConfig>(group: &Group<C>) -> Vec<u8> {
    group.context().extensions.get(STATE).unwrap().extension_data
}

/// Both have the same members, and secrets that only those in the same epoch have.
fn agree<C: MlsConfig>(cipher: &Ours, group: &Group<C>) {
    let secret = group.export_secret(b"agree", b"context", 32).unwrap();
    assert_eq!(secret.as_bytes(), cipher.export(ROOM, "agree", b"context").unwrap());
    let members: Vec<_> = group.roster().members().iter().map(|m| (m.index, m.signing_identity.signature_key.to_vec())).collect();
    let expected: Vec<_> = cipher.members(ROOM).unwrap().iter().map(|m| (m.index, m.leaf.0.to_vec())).collect();
    assert_eq!(members, expected);
}

fn staged(cipher: &mut Ours, message: &MlsMessage) -> Staged {
    match cipher.open(ROOM, &message.to_bytes().unwrap()).unwrap() {
        Opened::Commit(staged) => staged,
        Opened::Text { .. } => panic!("a text"),
    }
}

fn follow(cipher: &mut Ours, message: &MlsMessage) -> Staged {
    let staged = staged(cipher, message);
    cipher.adopt(ROOM, staged.epoch).unwrap();
    staged
}

/// Texts in both directions, some of them out of order.
fn talk<C: MlsConfig>(cipher: &mut Ours, group: &mut Group<C>) {
    let sealed: Vec<_> = (0..4u8).map(|n| cipher.seal(ROOM, &[n; 40], b"aad").unwrap().bytes).collect();
    for n in [2, 0, 3, 1u8] {
        let ReceivedMessage::ApplicationMessage(text) = group.process_incoming_message(message(&sealed[usize::from(n)])).unwrap() else {
            panic!("not a text")
        };
        assert_eq!((text.data(), text.authenticated_data.as_slice()), ([n; 40].as_slice(), b"aad".as_slice()));
    }
    let sealed: Vec<_> = (0..4u8).map(|n| group.encrypt_application_message(&[n; 40], vec![n]).unwrap().to_bytes().unwrap()).collect();
    for n in [1, 3, 0, 2u8] {
        let Ok(Opened::Text { plaintext, aad, .. }) = cipher.open(ROOM, &sealed[usize::from(n)]) else { panic!("not a text") };
        assert_eq!((plaintext, aad), (vec![n; 40], vec![n]));
    }
    assert_eq!(cipher.open(ROOM, &sealed[0]), Err(CipherError::Used));
}

/// A room of ours that somebody else's client was added to.
fn added<C: MlsConfig>(client: &Client<C>) -> (Ours, Group<C>) {
    let mut a = ours();
    let leaf = a.fresh_leaf().unwrap();
    a.create(ROOM, leaf, b"me", LIFETIME, Some(FIRST)).unwrap();
    let theirs = client.generate_key_package_message(ExtensionList::new(), ExtensionList::new(), None).unwrap();
    let pending = a.commit(ROOM, &adding(theirs), b"").unwrap();
    a.adopt(ROOM, pending.epoch).unwrap();
    let (group, _) = client.join_group(None, &message(&pending.welcome.unwrap()), None).unwrap();
    assert_eq!(state(&group), FIRST.0);
    agree(&a, &group);
    (a, group)
}

#[test]
fn another_client_comes_into_a_room_of_ours_and_follows_all_that_happens_there() {
    let (mut a, mut group) = added(&theirs("emil"));
    let mut c = ours();
    talk(&mut a, &mut group);
    // A newcomer of ours, a new state and authenticated data in one commit.
    let proposals = Proposals { add: vec![package(&mut c, false)], remove: vec![], state: Some(SECOND) };
    let pending = a.commit(ROOM, &proposals, b"why").unwrap();
    a.adopt(ROOM, pending.epoch).unwrap();
    let ReceivedMessage::Commit(seen) = group.process_incoming_message(message(&pending.commit)).unwrap() else { panic!("not a commit") };
    assert_eq!((seen.committer, seen.is_external, seen.authenticated_data.as_slice()), (0, false, b"why".as_slice()));
    assert_eq!(state(&group), SECOND.0);
    assert_eq!(c.join_welcome(&pending.welcome.unwrap()).unwrap().state, Some(SECOND));
    agree(&c, &group);
    talk(&mut c, &mut group);
    // One without any proposal, then the other client is shown out.
    let pending = a.commit(ROOM, &Proposals::default(), b"").unwrap();
    a.adopt(ROOM, pending.epoch).unwrap();
    group.process_incoming_message(message(&pending.commit)).unwrap();
    agree(&a, &group);
    let pending = a.commit(ROOM, &Proposals { remove: vec![1], ..Proposals::default() }, b"").unwrap();
    let ReceivedMessage::Commit(seen) = group.process_incoming_message(message(&pending.commit)).unwrap() else { panic!("not a commit") };
    assert!(matches!(seen.effect, CommitEffect::Removed { .. }));
}

#[test]
fn commits_of_another_client_are_followed_looked_at_and_refused_like_our_own() {
    let (mut a, mut group) = added(&theirs("emil"));
    let mut c = ours();
    let parent = a.epoch(ROOM).unwrap();
    // It commits while we do: what it did shows from the parent.
    let ours = a.commit(ROOM, &Proposals::default(), b"").unwrap();
    a.adopt(ROOM, ours.epoch).unwrap();
    let builder = group.commit_builder().set_group_context_ext(context(SECOND)).unwrap();
    let builder = builder.add_member(message(&package(&mut c, true))).unwrap().authenticated_data(b"why".to_vec());
    let made = builder.build().unwrap();
    group.apply_pending_commit().unwrap();
    let seen = a.peek(ROOM, parent, &made.commit_message().to_bytes().unwrap()).unwrap();
    a.rewind(ROOM, parent).unwrap();
    let staged = follow(&mut a, made.commit_message());
    assert_eq!(staged, seen);
    assert_eq!((staged.committer, staged.state, staged.aad.as_slice()), (Committer::Member(1), Some(SECOND), b"why".as_slice()));
    assert_eq!((staged.added.len(), staged.added[0].credential.as_slice()), (1, b"ours".as_slice()));
    agree(&a, &group);
    let welcome = made.welcome_messages()[0].to_bytes().unwrap();
    assert_eq!(c.join_welcome(&welcome).unwrap().state, Some(SECOND));
    agree(&c, &group);
    talk(&mut c, &mut group);

    // What no room of ours does is refused from it as well.
    let mut other = context(SECOND);
    other.set(Extension::new(QUEUE, vec![1]));
    let made = group.commit_builder().set_group_context_ext(other).unwrap().build();
    // mls-rs asks only the members' capabilities, which have the queue's type.
    let made = made.unwrap().commit_message().to_bytes().unwrap();
    assert_eq!(a.open(ROOM, &made), Err(CipherError::Broken));
    group.clear_pending_commit();
    let id = ExternalPskId::new(PSK.0.to_vec());
    a.share_psk(&PSK.0, &PSK.1).unwrap();
    let made = group.commit_builder().add_external_psk(id).unwrap().build().unwrap().commit_message().to_bytes().unwrap();
    assert_eq!(a.open(ROOM, &made), Err(CipherError::Broken));
    group.clear_pending_commit();
    let made = group.commit_builder().remove_member(2).unwrap().build().unwrap();
    group.apply_pending_commit().unwrap();
    assert_eq!(follow(&mut a, made.commit_message()).removed, [2]);
    agree(&a, &group);
    talk(&mut a, &mut group);
}

#[test]
fn another_client_enters_a_room_of_ours_by_external_commit_and_we_one_of_its_own() {
    // Theirs into ours.
    let mut a = ours();
    let leaf = a.fresh_leaf().unwrap();
    a.create(ROOM, leaf, b"me", LIFETIME, Some(FIRST)).unwrap();
    let client = theirs("emil");
    let enter = || client.external_commit_builder().unwrap();
    let info = message(&a.offer(ROOM).unwrap());
    let (_, bare) = enter().build(info.clone()).unwrap();
    assert_eq!(a.open(ROOM, &bare.to_bytes().unwrap()), Err(CipherError::Broken));
    let (mut group, commit) = enter().with_external_psk(ExternalPskId::new(PSK.0.to_vec())).build(info).unwrap();
    a.share_psk(&PSK.0, &PSK.1).unwrap();
    let staged = follow(&mut a, &commit);
    assert_eq!(
        (staged.committer, staged.state, staged.added[0].credential.as_slice()),
        (Committer::External, Some(FIRST), b"emil".as_slice())
    );
    agree(&a, &group);
    talk(&mut a, &mut group);

    // Ours into theirs, in a room without a state as that of two friends.
    for extensions in [ExtensionList::new(), context(SECOND)] {
        let mut group = theirs("emil").create_group_with_id(ROOM.0.to_vec(), extensions.clone(), ExtensionList::new(), None).unwrap();
        let info = group.group_info_message_allowing_ext_commit(true).unwrap().to_bytes().unwrap();
        let mut b = ours();
        let leaf = b.fresh_leaf().unwrap();
        b.share_psk(&PSK.0, &PSK.1).unwrap();
        let view = b.inspect(&info).unwrap();
        let joined = b.join_external(&info, &PSK.0, leaf, b"ours", LIFETIME).unwrap();
        assert_eq!((view.state, joined.state), (joined.state, (extensions != ExtensionList::new()).then_some(SECOND)));
        group.process_incoming_message(message(&joined.commit)).unwrap();
        agree(&b, &group);
        talk(&mut b, &mut group);
    }
}

#[test]
fn packages_of_ours_are_read_by_another_client_and_its_packages_by_us() {
    let mut a = ours();
    for last_resort in [false, true] {
        let bytes = package(&mut a, last_resort);
        let package = message(&bytes).into_key_package().unwrap();
        assert_eq!(package.cipher_suite, SUITE);
        assert_eq!(package.extensions.get(QUEUE).unwrap().extension_data, vec![7; 900]);
        assert_eq!(package.extensions.get(LAST_RESORT).is_some(), last_resort);
        assert_eq!(message(&bytes).to_bytes().unwrap(), bytes);
    }
    let mut extensions = ExtensionList::new();
    extensions.set(Extension::new(LAST_RESORT, vec![]));
    extensions.set(Extension::new(QUEUE, b"here".to_vec()));
    let package = theirs("emil").generate_key_package_message(extensions, ExtensionList::new(), None).unwrap();
    let view = a.inspect_package(&package.to_bytes().unwrap()).unwrap();
    assert_eq!((view.credential.as_slice(), view.kind), (b"emil".as_slice(), PackageKind { last_resort: true, queue: b"here".to_vec() }));
}

//! Bytes of ours that were recorded once: the other implementation reads them for as long as rooms have this suite.

use super::{FIRST, LIFETIME, PSK, QUEUE, ROOM, SECOND, message, ours, state};
use data_encoding::HEXLOWER;
use mls_rs::client_builder::MlsConfig;
use mls_rs::group::ReceivedMessage;
use mls_rs::identity::SigningIdentity;
use mls_rs::identity::basic::{BasicCredential, BasicIdentityProvider};
use mls_rs::psk::{ExternalPskId, PreSharedKey};
use mls_rs::storage_provider::KeyPackageData;
use mls_rs::storage_provider::in_memory::InMemoryKeyPackageStorage;
use mls_rs::{CipherSuiteProvider as _, Client, ExtensionList};
use serde_json::{Value, json};
use std::path::PathBuf;
use symbolon_core::world::{PackageKind, Proposals, RoomCipher as _};

use super::provider::{SUITE, Suite};

const ENTERING: &str = "GroupInfo and external commit of MLS";
const TEXT: &[u8] = b"a text of ours";

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors/mls.json")
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

/// A field of a vector of the file.
fn bytes(vectors: &Value, name: &str, side: &str, field: &str) -> Vec<u8> {
    let all = vectors["vectors"].as_array().unwrap();
    let vector = all.iter().find(|vector| vector["name"] == name).unwrap();
    HEXLOWER.decode(vector[side][field].as_str().unwrap().as_bytes()).unwrap()
}

/// Somebody with mls-rs who holds these keys.
fn client(store: InMemoryKeyPackageStorage, secret: &[u8], public: &[u8]) -> Client<impl MlsConfig + use<>> {
    let identity = SigningIdentity::new(BasicCredential::new(b"emil".to_vec()).into_credential(), public.to_vec().into());
    Client::builder()
        .key_package_repo(store)
        .identity_provider(BasicIdentityProvider)
        .crypto_provider(Suite)
        .extension_types([super::STATE, QUEUE, super::LAST_RESORT])
        .psk(ExternalPskId::new(PSK.0.to_vec()), PreSharedKey::new(PSK.1.to_vec()))
        .signing_identity(identity, secret.to_vec().into(), SUITE)
        .build()
}

/// The vector of somebody who enters a room without a state, such as that of two friends, in which another client is.
fn entering() -> Value {
    let (secret, public) = Suite.signature_key_generate().unwrap();
    let store = InMemoryKeyPackageStorage::new();
    let theirs = client(store.clone(), secret.as_bytes(), public.as_bytes());
    let theirs = theirs.generate_key_package_message(ExtensionList::new(), ExtensionList::new(), None).unwrap();
    let (reference, kept) = store.key_packages().pop().unwrap();
    let (mut a, mut b) = (ours(), ours());
    let leaf = a.fresh_leaf().unwrap();
    a.create(ROOM, leaf, b"me", LIFETIME, None).unwrap();
    let added = a.commit(ROOM, &super::adding(theirs), b"").unwrap();
    a.adopt(ROOM, added.epoch).unwrap();
    let info = a.offer(ROOM).unwrap();
    let leaf = b.fresh_leaf().unwrap();
    b.share_psk(&PSK.0, &PSK.1).unwrap();
    let joined = b.join_external(&info, &PSK.0, leaf, b"ours", LIFETIME).unwrap();
    let given = json!({
        "room": hex(ROOM.0),
        "psk_id": hex(PSK.0),
        "psk": hex(PSK.1),
        "signing": hex(secret.as_bytes()),
        "signing_public": hex(public.as_bytes()),
        "reference": hex(reference),
        "kept": hex(&kept.key_package_bytes),
        "init": hex(&kept.init_key),
        "leaf": hex(&kept.leaf_node_key),
        "expiration": hex(kept.expiration.to_be_bytes()),
        "welcome": hex(added.welcome.unwrap()),
    });
    let exported = b.export(ROOM, "agree", b"context").unwrap();
    json!({
        "name": ENTERING,
        "shows": "What an Offer holds of a room, and the commit by which we enter it under a pre-shared key. Who is a member finds the next epoch by it.",
        "in": given,
        "out": { "group_info": hex(info), "commit": hex(joined.commit), "exported": hex(exported) },
    })
}

/// Records what the file lacks.
fn record() {
    let known = std::fs::read_to_string(file()).unwrap_or_default();
    let Ok(mut all) = serde_json::from_str::<Value>(&known) else { return record_all() };
    let vectors = all["vectors"].as_array_mut().unwrap();
    if vectors.iter().all(|vector| vector["name"] != ENTERING) {
        vectors.push(entering());
    }
    std::fs::write(file(), serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
}

/// Records the file: another client's keys, and what we send to it.
fn record_all() {
    let (secret, public) = Suite.signature_key_generate().unwrap();
    let store = InMemoryKeyPackageStorage::new();
    let emil = client(store.clone(), secret.as_bytes(), public.as_bytes());
    let theirs = emil.generate_key_package_message(ExtensionList::new(), ExtensionList::new(), None).unwrap();
    let (reference, kept) = store.key_packages().pop().unwrap();
    let (mut a, mut c) = (ours(), ours());
    let leaf = a.fresh_leaf().unwrap();
    a.create(ROOM, leaf, b"me", LIFETIME, Some(FIRST)).unwrap();
    let added = a.commit(ROOM, &super::adding(theirs.clone()), b"").unwrap();
    a.adopt(ROOM, added.epoch).unwrap();
    let first = a.export(ROOM, "agree", b"context").unwrap();
    let text = a.seal(ROOM, TEXT, b"aad").unwrap().bytes;
    let leaf = c.fresh_leaf().unwrap();
    let package = c.key_package(leaf, b"ours", LIFETIME, &PackageKind { last_resort: false, queue: vec![7; 900] }).unwrap();
    let made = a.commit(ROOM, &Proposals { add: vec![package.clone()], remove: vec![], state: Some(SECOND) }, b"why").unwrap();
    a.adopt(ROOM, made.epoch).unwrap();
    let second = a.export(ROOM, "agree", b"context").unwrap();
    let vector = |name, shows, given: Value, gives: Value| json!({ "name": name, "shows": shows, "in": given, "out": gives });
    let vectors = [
        vector(
            "KeyPackage of MLS",
            "Recorded from our provider: suite 0x004D, a queue of 900 bytes; both signatures are good.",
            json!({ "queue": hex([7; 900]) }),
            json!({ "package": hex(&package) }),
        ),
        vector(
            "Welcome of MLS",
            "We add another client to a room: it finds the epoch's secrets by the private key of its KeyPackage alone.",
            json!({
                "signing": hex(secret.as_bytes()),
                "signing_public": hex(public.as_bytes()),
                "package": hex(theirs.to_bytes().unwrap()),
                "reference": hex(reference),
                "kept": hex(&kept.key_package_bytes),
                "init": hex(&kept.init_key),
                "leaf": hex(&kept.leaf_node_key),
                "expiration": hex(kept.expiration.to_be_bytes()),
            }),
            json!({ "welcome": hex(added.welcome.unwrap()), "exported": hex(first) }),
        ),
        vector(
            "text and commit of MLS",
            "In that epoch a text, then a commit that adds the KeyPackage and changes the room's state.",
            json!({ "room": hex(ROOM.0), "plaintext": hex(TEXT) }),
            json!({ "sealed": hex(text), "commit": hex(made.commit), "exported": hex(second) }),
        ),
        entering(),
    ];
    let all = json!({ "page": "docs/protocol/rooms.md", "vectors": vectors });
    std::fs::write(file(), serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
}

/// Who holds the keys of a vector.
fn holder(all: &Value, name: &str) -> Client<impl MlsConfig + use<>> {
    let given = |field| bytes(all, name, "in", field);
    let store = InMemoryKeyPackageStorage::new();
    let expiration = u64::from_be_bytes(given("expiration").try_into().unwrap());
    store.insert(given("reference"), KeyPackageData::new(given("kept"), given("init").into(), given("leaf").into(), expiration));
    client(store, &given("signing"), &given("signing_public"))
}

#[test]
fn what_was_recorded_of_our_rooms_is_read_by_another_implementation() {
    if std::env::var_os("MLS_WRITE").is_some() {
        record();
    }
    let all: Value = serde_json::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap();
    let package = bytes(&all, "KeyPackage of MLS", "out", "package");
    let read = message(&package).into_key_package().unwrap();
    assert_eq!((read.cipher_suite, read.extensions.get(QUEUE).unwrap().extension_data), (SUITE, vec![7; 900]));
    let emil = holder(&all, "Welcome of MLS");
    let welcome = bytes(&all, "Welcome of MLS", "out", "welcome");
    let (mut group, _) = emil.join_group(None, &message(&welcome), None).unwrap();
    assert_eq!((state(&group), group.roster().members().len()), (FIRST.0.to_vec(), 2));
    let exported = group.export_secret(b"agree", b"context", 32).unwrap();
    assert_eq!(exported.as_bytes(), bytes(&all, "Welcome of MLS", "out", "exported"));
    let sent = |field| message(&bytes(&all, "text and commit of MLS", "out", field));
    let ReceivedMessage::ApplicationMessage(text) = group.process_incoming_message(sent("sealed")).unwrap() else { panic!("not a text") };
    assert_eq!((text.data(), text.authenticated_data.as_slice()), (TEXT, b"aad".as_slice()));
    let ReceivedMessage::Commit(seen) = group.process_incoming_message(sent("commit")).unwrap() else { panic!("not a commit") };
    assert_eq!((seen.committer, seen.authenticated_data.as_slice(), state(&group)), (0, b"why".as_slice(), SECOND.0.to_vec()));
    assert_eq!(group.roster().members().len(), 3);
    let exported = group.export_secret(b"agree", b"context", 32).unwrap();
    assert_eq!(exported.as_bytes(), bytes(&all, "text and commit of MLS", "out", "exported"));
}

#[test]
fn an_external_commit_that_was_recorded_is_followed_by_another_implementation_and_its_group_info_still_lets_us_in() {
    let all: Value = serde_json::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap();
    let (given, out) = (|field| bytes(&all, ENTERING, "in", field), |field| bytes(&all, ENTERING, "out", field));
    let emil = holder(&all, ENTERING);
    let (mut group, _) = emil.join_group(None, &message(&given("welcome")), None).unwrap();
    assert_eq!(group.roster().members().len(), 2);
    let ReceivedMessage::Commit(_) = group.process_incoming_message(message(&out("commit"))).unwrap() else { panic!("not a commit") };
    assert_eq!(group.roster().members().len(), 3);
    assert_eq!(group.export_secret(b"agree", b"context", 32).unwrap().as_bytes(), out("exported"));
    // By the GroupInfo anyone who has the key enters.
    let info = out("group_info");
    let view = ours().inspect(&info).unwrap();
    assert_eq!((view.members.len(), view.state), (2, None));
    let mut we = ours();
    let leaf = we.fresh_leaf().unwrap();
    we.share_psk(&PSK.0, &PSK.1).unwrap();
    assert!(we.join_external(&info, &PSK.0, leaf, b"ours", LIFETIME).is_ok());
}

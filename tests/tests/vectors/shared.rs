//! Shared rooms: what commits, Welcomes and leaves carry beside MLS, and the name of an epoch.

use super::{hex, vector};
use serde_json::{Value, json};
use symbolon_core::wire::{CommitInfo, RoomPayload, SeatedRoster};
use symbolon_node::mls::epoch_id;
use symbolon_presence::codec;
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::HASH_WELCOME;
use symbolon_tests::samples::shared::{self, BENS_LEAF};
use symbolon_tests::samples::{self, NOW, ROOM, Runs};

pub fn vectors() -> Vec<Value> {
    let ben = samples::ben().identity;
    let leave = shared::leave();
    assert!(ben.chain.verify(NOW).is_ok_and(|device| leave.is_by(&device, &ROOM)));
    vec![
        vector(
            "epoch id",
            "The name of an epoch: group id, its number, and the confirmation tag of RFC 9420.",
            json!({ "group": hex(ROOM.as_bytes()), "epoch": 7, "confirmation_tag": hex([0x81; 32]) }),
            json!({ "id": hex(epoch_id(ROOM.as_bytes(), 7, &[0x81; 32]).as_bytes()) }),
        ),
        vector(
            "ways",
            "How members who are no friends of Ben write to his device: its own mailbox without places, and one relay.",
            json!({ "from": "Ben" }),
            json!({ "ways": hex(codec::encode(&shared::ways())) }),
        ),
        vector(
            "seat",
            "Whose Ben's leaf is, with the chain and what opens the leaf's credential, and his ways.",
            json!({ "leaf": hex(BENS_LEAF.as_bytes()), "chain": hex(codec::encode(&ben.chain)), "key": hex([0x7b; 32]) }),
            json!({ "seat": hex(codec::encode(&shared::seat())) }),
        ),
        vector(
            "leave",
            "Ben leaves, and says so in the epoch of number 7.",
            json!({ "seed": hex(ben.signing.seed()), "room": hex(ROOM.as_bytes()), "epoch": 7, "leaf": hex(BENS_LEAF.as_bytes()) }),
            json!({ "signature": hex(leave.signature.as_bytes()), "leave": hex(codec::encode(&leave)) }),
        ),
        vector(
            "room payload: leave",
            "Kind 14: the same as a member says it.",
            json!({ "from": "Ben" }),
            json!({ "payload": hex(codec::encode(&RoomPayload::Leave(leave))) }),
        ),
        vector(
            "room payload: ways",
            "Kind 15: Ben says to the others how they write to him now.",
            json!({ "from": "Ben" }),
            json!({ "payload": hex(codec::encode(&RoomPayload::Ways(Box::new(shared::ways())))) }),
        ),
        vector(
            "room payload: befriend",
            "Kind 16: Ben asks another member for friendship, by a way in for them alone.",
            json!({ "from": "Ben" }),
            json!({ "payload": hex(codec::encode(&RoomPayload::Befriend(Box::new(shared::befriend())))) }),
        ),
        said(
            "what a commit says",
            "Ben comes in; the room has a name and a topic, Ben another role; Ben leaves. One of each kind: no member takes such a commit.",
            &shared::commit_info(),
        ),
        said("what a commit says that names the room", "No seat, one change.", &shared::naming()),
        seated(),
        bundle(),
    ]
}

/// What a commit of the epoch of number 7 says, in clear and sealed.
fn said(name: &str, shows: &str, info: &CommitInfo) -> Value {
    let key = shared::credential_key();
    let sealed = info.seal(&key, &ROOM, 7, &mut Runs::from(0x82));
    assert!(CommitInfo::open(&sealed, &key, &ROOM, 7).as_ref() == Some(info));
    vector(
        name,
        shows,
        json!({ "cek": hex(key.expose()), "room": hex(ROOM.as_bytes()), "epoch": 7, "nonce": hex([0x82; 12]) }),
        json!({ "info": hex(codec::encode(info)), "sealed": hex(sealed) }),
    )
}

fn seated() -> Value {
    let (key, seated) = (shared::roster_key(), shared::seated_roster());
    let sealed = seated.seal(&key, &ROOM, &mut Runs::from(0x83));
    assert!(SeatedRoster::open(&sealed, &key, &ROOM).as_ref() == Some(&seated));
    vector(
        "seated roster",
        "The roster of the epoch of number 8, with two seats, sealed under that epoch's roster key; the roster's hash is the room state.",
        json!({ "key": hex(key.expose()), "room": hex(ROOM.as_bytes()), "nonce": hex([0x83; 12]) }),
        json!({
            "seated": hex(codec::encode(&seated)),
            "state": hex(seated.roster.hash().as_bytes()),
            "sealed": hex(sealed),
        }),
    )
}

fn bundle() -> Value {
    let (ann, ben) = (samples::ann().identity, samples::ben());
    let (bundle, waik) = (shared::welcome_bundle(), ben.friendship.waik());
    assert!(bundle.verify(BENS_LEAF.as_bytes(), &waik, NOW).is_some_and(|by| by.peer == ann.peer()));
    let hashes = [&bundle.welcome, &bundle.seated].map(|part| hex(hash(HASH_WELCOME, &[part]).as_bytes()));
    vector(
        "welcome bundle",
        "Ann's Welcome for Ben's leaf; who brings him in is sealed under the Welcome attribution key of his revision.",
        json!({
            "secret": hex(ben.friendship.secret.expose()),
            "revision": ben.friendship.revision,
            "seed": hex(ann.signing.seed()),
            "chain": hex(codec::encode(&ann.chain)),
            "room": hex(ROOM.as_bytes()),
            "leaf": hex(BENS_LEAF.as_bytes()),
            "welcome": hex(&bundle.welcome),
            "seated": hex(&bundle.seated),
            "nonce": hex([0x84; 12]),
        }),
        json!({
            "waik": hex(waik.expose()),
            "hashes": hashes,
            "attribution": hex(&bundle.attribution),
            "bundle": hex(codec::encode(&bundle)),
        }),
    )
}

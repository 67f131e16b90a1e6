//! Keys from entropy, Peer ID, words, signatures, device certificates, friendship keys.

use crate::{hex, vector};
use serde_json::{Value, json};
use std::net::IpAddr;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{Digest, MailboxId, PublicKeyBytes};
use symbolon_presence::identity::{DeviceCertBody, pair_context, peer_id};
use symbolon_presence::kdf::Secret;
use symbolon_presence::labels::{Label, SIGN_LEAF};
use symbolon_presence::lan::Carrier;
use symbolon_presence::sign::{SigningKey, VerifyingKey};
use symbolon_presence::words::{fingerprint_words, words_match};
use symbolon_presence::{codec, identity::CERT_MAX};
use symbolon_tests::samples::{self, NOW};

pub fn vectors() -> Vec<Value> {
    let mut all = vec![signature(SIGN_LEAF)];
    for (name, person) in [("Ann", samples::ann()), ("Ben", samples::ben())] {
        let me = &person.identity;
        let peer = me.peer();
        let words = fingerprint_words(&peer);
        assert!(words_match(&peer, &words));
        let device = me.chain.verify(NOW).unwrap();
        assert_eq!(device.device, me.device);
        let body: DeviceCertBody = codec::decode(&me.chain.cert, CERT_MAX).unwrap();
        all.extend([
            vector(
                &format!("{name}: root keys"),
                "Two Ed25519 seeds are derived from the recovery phrase's entropy; of the second only the hash of the public key is kept.",
                json!({ "entropy": hex(me.entropy.as_ref().unwrap().expose()) }),
                json!({
                    "root_seed": hex(me.root.as_ref().unwrap().seed()),
                    "root": hex(me.chain.root.as_bytes()),
                    "second_root_hash": hex(me.second_root.as_bytes()),
                }),
            ),
            vector(
                &format!("{name}: Peer ID and words"),
                "The Peer ID is SHA-256 of the root key; twelve BIP-39 words write half of a labelled hash of it.",
                json!({ "root": hex(me.chain.root.as_bytes()) }),
                json!({ "peer": hex(peer_id(&me.chain.root).as_bytes()), "text": peer.to_string(), "words": words }),
            ),
            vector(
                &format!("{name}: device certificate"),
                "The root key signs the certificate's encoding; the context of the signature is the hash of the Peer ID.",
                json!({
                    "root_seed": hex(me.root.as_ref().unwrap().seed()),
                    "device": hex(body.device.as_bytes()),
                    "signing_seed": hex(me.signing.seed()),
                    "dh_private": hex(me.dh.expose()),
                    "not_before": body.not_before.0,
                    "not_after": body.not_after.0,
                    "serial": body.serial,
                }),
                json!({
                    "signing": hex(body.signing.as_bytes()),
                    "dh": hex(body.dh.as_bytes()),
                    "cert": hex(&me.chain.cert),
                    "signature": hex(me.chain.signature.as_bytes()),
                    "chain": hex(codec::encode(&me.chain)),
                }),
            ),
        ]);
    }
    let (ann, ben) = (samples::ann().identity.peer(), samples::ben().identity.peer());
    all.push(vector(
        "context of two people",
        "What one person says to another is signed in a context that hashes both Peer IDs, the speaker's first.",
        json!({ "speaker": hex(ann.as_bytes()), "hearer": hex(ben.as_bytes()) }),
        json!({ "context": hex(pair_context(&ann, &ben).as_bytes()) }),
    ));
    all.extend([friendship(), lan_tag()]);
    all
}

fn signature(label: Label) -> Value {
    let key = SigningKey::from_seed(&[0x0c; 32]);
    let context = Digest([0x0d; 32]);
    let signature = key.sign(label, &context, b"body");
    assert_eq!(VerifyingKey::parse(&key.public()).unwrap().verify(label, &context, b"body", &signature), Ok(()));
    vector(
        "signature",
        "Ed25519 over label, 32 bytes of context and the body, one behind the other.",
        json!({
            "seed": hex(key.seed()),
            "label": String::from_utf8(label.as_bytes().to_vec()).unwrap(),
            "context": hex(context.as_bytes()),
            "body": hex(b"body"),
        }),
        json!({ "public": hex(key.public().as_bytes()), "signature": hex(signature.as_bytes()) }),
    )
}

fn lan_tag() -> Value {
    let secret = FriendshipSecret { revision: 3, secret: Secret::from_bytes([0x61; 32]) };
    let (instance, hour, transport) = ([1, 2, 3, 4, 5, 6, 7, 8], 494_583, PublicKeyBytes([0x62; 32]));
    let places = samples::lan_places();
    let octets = |ip| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let shown: Vec<Value> = places
        .iter()
        .map(|place| json!({ "tcp": place.carrier == Carrier::Tcp, "address": hex(octets(place.ip)), "port": place.port }))
        .collect();
    vector(
        "LAN tag",
        "One tag for each instance, hour, transport key and list of places, under a key of F_r. Each place is kind, address and port.",
        json!({
            "secret": hex(secret.secret.expose()),
            "instance": hex(instance),
            "hour": hour,
            "transport": hex(transport.as_bytes()),
            "places": shown,
        }),
        json!({
            "list": hex(places.as_bytes()),
            "text": data_encoding::BASE64URL_NOPAD.encode(places.as_bytes()),
            "tag": hex(secret.lan_tag(&instance, hour, &transport, &places)),
        }),
    )
}

fn friendship() -> Value {
    let secret = samples::ben().friendship;
    let mailbox: MailboxId = samples::ben().mailbox.id();
    let capability = secret.capability(&mailbox);
    vector(
        "friendship keys",
        "All that a friend may do hangs on F_r: five keys, two of them for one mailbox only.",
        json!({ "secret": hex(secret.secret.expose()), "revision": secret.revision, "mailbox": hex(mailbox.as_bytes()) }),
        json!({
            "fek": hex(secret.fek().expose()),
            "waik": hex(secret.waik().expose()),
            "lan": hex(secret.lan().expose()),
            "put": hex(secret.put(&mailbox).expose()),
            "capability_seed": hex(capability.seed()),
            "capability": hex(capability.public().as_bytes()),
            "encoded": hex(codec::encode(&secret)),
        }),
    )
}

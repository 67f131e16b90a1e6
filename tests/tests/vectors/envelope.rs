//! Seals and both kinds of envelope.

use crate::{hex, vector};
use serde_json::{Value, json};
use symbolon_presence::codec;
use symbolon_presence::envelope::{BUCKETS, FIRST_MAX, KNOWN_MAX, frame_id, open_first};
use symbolon_presence::id::DeviceId;
use symbolon_presence::kdf::{Secret, sha256};
use symbolon_presence::kem::{KemKey, Psk, kem_open, kem_seal};
use symbolon_presence::labels::{SEAL_FIRST, SEAL_KNOWN};
use symbolon_presence::seal::{DhKey, aead_open, aead_seal, hpke_open, hpke_seal};
use symbolon_presence::seeds::{KeyOfBefore, Opener, Ratchet};
use symbolon_tests::samples::{self, Runs};

pub fn vectors() -> Vec<Value> {
    let mut all = vec![
        hpke(),
        kem("X-Wing seal", None),
        kem("X-Wing seal behind a shared secret", Some(psk())),
        aead(),
        first(),
        known_keys(),
        known(),
        known_of_before("known envelope of before, counted", None),
        known_of_before("known envelope of before, with a nonce", Some([0x67; 12])),
    ];
    all.extend(buckets());
    all
}

fn hpke() -> Value {
    let key = DhKey::from_bytes([0x21; 32]);
    let sealed = hpke_seal(SEAL_FIRST, &key.public(), b"associated", b"plaintext", &mut Runs::from(0xe0));
    assert_eq!(hpke_open(SEAL_FIRST, &key, b"associated", &sealed), Ok(b"plaintext".to_vec()));
    vector(
        "HPKE seal",
        "Base mode, X25519, HKDF-SHA-256, ChaCha20-Poly1305; info is the label; the encapsulated key comes from ikm by DeriveKeyPair.",
        json!({
            "private": hex(key.expose()),
            "public": hex(key.public().bytes().as_bytes()),
            "ikm": hex([0xe0; 32]),
            "info": hex(SEAL_FIRST.as_bytes()),
            "aad": hex(b"associated"),
            "plaintext": hex(b"plaintext"),
        }),
        json!({ "sealed": hex(sealed) }),
    )
}

fn psk() -> Psk {
    Psk { secret: Secret::from_bytes([0x23; 32]), id: [0x24; 16] }
}

fn kem(name: &str, psk: Option<Psk>) -> Value {
    let key = KemKey::from_bytes([0x21; 32]);
    let sealed = kem_seal(SEAL_FIRST, &key.public(), psk.as_ref(), b"associated", b"plaintext", &mut Runs::from(0xe0));
    assert_eq!(kem_open(SEAL_FIRST, &key, psk.as_ref(), b"associated", &sealed), Ok(b"plaintext".to_vec()));
    vector(
        name,
        "X-Wing, HKDF-SHA-256, ChaCha20-Poly1305; info is the label; the private key is X-Wing's seed; 64 random bytes encapsulate: 32 for ML-KEM, then the X25519 key.",
        json!({
            "private": hex(key.expose()),
            "public": hex(key.public().bytes().as_bytes()),
            "randomness": hex([0xe0; 64]),
            "psk": psk.as_ref().map(|psk| hex(psk.secret.expose())),
            "psk_id": psk.as_ref().map(|psk| hex(psk.id)),
            "info": hex(SEAL_FIRST.as_bytes()),
            "aad": hex(b"associated"),
            "plaintext": hex(b"plaintext"),
        }),
        json!({ "sealed": hex(sealed) }),
    )
}

fn aead() -> Value {
    let key = Secret::from_bytes([0x22; 32]);
    let sealed = aead_seal(&key, 0x0102_0304, SEAL_KNOWN, b"associated", b"plaintext");
    assert_eq!(aead_open(&key, 0x0102_0304, SEAL_KNOWN, b"associated", &sealed), Ok(b"plaintext".to_vec()));
    vector(
        "AEAD seal",
        "ChaCha20-Poly1305; the nonce is four zeros and the counter, big-endian; the label stands before the associated data.",
        json!({
            "key": hex(key.expose()),
            "counter": 0x0102_0304,
            "label": hex(SEAL_KNOWN.as_bytes()),
            "aad": hex(b"associated"),
            "plaintext": hex(b"plaintext"),
        }),
        json!({ "sealed": hex(sealed) }),
    )
}

fn first() -> Value {
    let (key, psk) = (samples::ben().package, samples::invite_secret().psk(&samples::ben().identity.peer()));
    let payload = codec::encode(&samples::first());
    let envelope = samples::first_envelope();
    assert_eq!(open_first(&key, Some(&psk), &envelope), Ok(payload.clone()));
    vector(
        "first envelope",
        "Ann's Offer to Ben's invite: 01 04, encapsulated key, ciphertext; the two header bytes are the associated data.",
        json!({
            "private": hex(key.expose()),
            "secret": hex(samples::invite_secret().expose()),
            "psk": hex(psk.secret.expose()),
            "psk_id": hex(psk.id),
            "randomness": hex([0xe0; 64]),
            "payload": hex(payload),
        }),
        json!({ "envelope": hex(&envelope), "frame": hex(frame_id(&envelope).as_bytes()) }),
    )
}

fn known_keys() -> Value {
    let (ann, ben) = (samples::ann().identity, samples::ben().identity);
    let seed = samples::seed();
    let there = Ratchet::agree(&seed, &ann.dh, &ben.dh.public(), &ann.device, &ben.device);
    let back = Ratchet::agree(&seed, &ann.dh, &ben.dh.public(), &ben.device, &ann.device);
    let tags = |keys: &Ratchet| [0, 1, 64, u64::from(u32::MAX) + 1].map(|counter| hex(keys.tag(counter)));
    vector(
        "tags of known envelopes",
        "Tags of counters 0, 1, 64 and 2^32 in both directions; the root comes from the seed and X25519, then from both device ids, the sender's first, and the seed's number.",
        json!({
            "seed": hex(seed.secret.expose()),
            "number": seed.number,
            "private": hex(ann.dh.expose()),
            "public": hex(ben.dh.public().bytes().as_bytes()),
            "from": hex(ann.device.as_bytes()),
            "to": hex(ben.device.as_bytes()),
            "counters": [0, 1, 64, u64::from(u32::MAX) + 1],
        }),
        json!({ "tags": tags(&there), "tags_back": tags(&back) }),
    )
}

fn known() -> Value {
    let (ann, ben) = (samples::ann().identity, samples::ben().identity);
    let (seed, payload) = (samples::seed(), codec::encode(&samples::known()));
    let envelope = samples::known_envelope();
    // The receiver computes the same keys from the other halves, and turns the ratchet as far.
    let opener = Opener::new(Ratchet::agree(&seed, &ben.dh, &ann.dh.public(), &ann.device, &ben.device));
    assert_eq!(opener.open(9, &envelope), Ok(payload.clone()));
    vector(
        "known envelope",
        "From Ann's device to Ben's under counter 9 of a seed: 01 03, tag, nonce, ciphertext; header and tag are the associated data.",
        json!({
            "seed": hex(seed.secret.expose()),
            "number": seed.number,
            "private": hex(ben.dh.expose()),
            "public": hex(ann.dh.public().bytes().as_bytes()),
            "from": hex(ann.device.as_bytes()),
            "to": hex(ben.device.as_bytes()),
            "counter": 9,
            "nonce": hex([0x66; 12]),
            "payload": hex(payload),
        }),
        json!({ "tag": hex(opener.tag(9)), "envelope": hex(&envelope), "frame": hex(frame_id(&envelope).as_bytes()) }),
    )
}

/// From Ann's device to Ben's, as builds before seeds sealed it; today's only open it.
fn known_of_before(name: &str, nonce: Option<[u8; 12]>) -> Value {
    let (ann, ben) = (samples::ann().identity, samples::ben().identity);
    let (envelope, payload) = (samples::known_envelope_of_before(nonce), codec::encode(&samples::known()));
    let key = KeyOfBefore::agree(&ben.dh, &ann.dh.public(), &ann.device, &ben.device);
    assert_eq!(key.open(9, &envelope), Ok(payload.clone()));
    vector(
        name,
        "Builds before seeds: one key for all counters, from X25519 of the certificates; 01 02 without, 01 03 with a nonce of its own.",
        json!({
            "private": hex(ben.dh.expose()),
            "public": hex(ann.dh.public().bytes().as_bytes()),
            "from": hex(ann.device.as_bytes()),
            "to": hex(ben.device.as_bytes()),
            "counter": 9,
            "nonce": nonce.map(hex),
            "payload": hex(payload),
        }),
        json!({ "tag": hex(key.tag(9)), "envelope": hex(&envelope), "frame": hex(frame_id(&envelope).as_bytes()) }),
    )
}

/// For each size the longest payload that fits, and the next one.
fn buckets() -> Vec<Value> {
    let (key, package) = (DhKey::from_bytes([0x21; 32]), KemKey::from_bytes([0x21; 32]));
    let seed = samples::seed();
    let known = Ratchet::agree(&seed, &key, &key.public(), &DeviceId([1; 16]), &DeviceId([2; 16])).ahead(7).expect("it is near");
    let overhead = |max: usize| 256 * 1024 - max;
    let lengths = |overhead: usize| {
        BUCKETS.iter().filter_map(move |size| size.checked_sub(overhead)).flat_map(|most| [most, most + 1]).collect::<Vec<_>>()
    };
    let row = |length: usize, sealed: Option<Vec<u8>>| match sealed {
        Some(envelope) => json!({ "payload": length, "envelope": envelope.len(), "sha256": hex(sha256(&envelope)) }),
        None => json!({ "payload": length, "envelope": null }),
    };
    let first: Vec<Value> = lengths(overhead(FIRST_MAX))
        .into_iter()
        .map(|length| row(length, (length <= FIRST_MAX).then(|| samples::seal_to(&package.public(), &vec![0xaa; length]))))
        .collect();
    let known: Vec<Value> =
        lengths(overhead(KNOWN_MAX)).into_iter().map(|length| row(length, known.seal(&[0x66; 12], &vec![0xaa; length]).ok())).collect();
    vec![
        vector(
            "sizes of first envelopes",
            "A payload of so many bytes 0xaa fills an envelope to the last byte, one more takes the next size; null when none is left.",
            json!({ "private": hex(package.expose()), "randomness": hex([0xe0; 64]), "byte": "aa" }),
            json!({ "sizes": first }),
        ),
        vector(
            "sizes of known envelopes",
            "The same between devices 01.. and 02.. that share one X25519 key pair, under counter 7.",
            json!({
                "seed": hex(seed.secret.expose()),
                "number": seed.number,
                "private": hex(key.expose()),
                "from": hex([1; 16]),
                "to": hex([2; 16]),
                "counter": 7,
                "nonce": hex([0x66; 12]),
                "byte": "aa",
            }),
            json!({ "sizes": known }),
        ),
    ]
}

//! Labels, hashing, key derivation, MACs, identifiers, and which bytes the codec takes.

use crate::{hex, vector};
use serde_json::{Value, json};
use symbolon_presence::codec;
use symbolon_presence::id::{GrantId, PeerId};
use symbolon_presence::kdf::{Secret, derive, hash, mac};
use symbolon_presence::labels::{self, HASH_CONTEXT, KEY_PUT, MAC_PUT};
use symbolon_relay::put::ReceiptBody;
use symbolon_tests::samples;

pub fn vectors() -> Vec<Value> {
    let secret = Secret::from_bytes([0x0b; 32]);
    let parts: [&[u8]; 3] = [b"first", b"", b"third"];
    let given = |label: labels::Label| json!({ "label": text(label), "parts": parts.map(hex) });
    let keyed = |label: labels::Label| json!({ "key": hex(secret.expose()), "label": text(label), "parts": parts.map(hex) });
    let mut all = vec![
        vector(
            "labels",
            "Every domain-separation label in the order of the source; no label begins with another.",
            json!({}),
            json!({ "labels": labels::ALL.iter().map(|label| text(*label)).collect::<Vec<_>>() }),
        ),
        vector(
            "hash",
            "SHA-256 over the label and each part, every one behind its length in 8 bytes, big-endian.",
            given(HASH_CONTEXT),
            json!({ "digest": hex(hash(HASH_CONTEXT, &parts).as_bytes()) }),
        ),
        vector(
            "derive",
            "HKDF-SHA-256 without salt; info is the label and each part, every one behind its length.",
            keyed(KEY_PUT),
            json!({ "key": hex(derive(secret.expose(), KEY_PUT, &parts).expose()) }),
        ),
        vector(
            "mac",
            "The first 16 bytes of HMAC-SHA-256 over the label and each part, every one behind its length.",
            keyed(MAC_PUT),
            json!({ "mac": hex(mac(&secret, MAC_PUT, &parts)) }),
        ),
        vector(
            "identifier text",
            "An identifier's text is lower-case base32 without padding.",
            json!({ "bytes": hex([0xa7; 32]) }),
            json!({ "text": PeerId([0xa7; 32]).to_string() }),
        ),
        vector(
            "short identifier text",
            "Sixteen bytes are 26 characters; the bits left over are zero.",
            json!({ "bytes": hex([0xa7; 16]) }),
            json!({ "text": GrantId([0xa7; 16]).to_string() }),
        ),
    ];
    all.extend(codec_vectors());
    all
}

fn text(label: labels::Label) -> String {
    String::from_utf8(label.as_bytes().to_vec()).unwrap()
}

/// One value's only encoding, and other ways to write it, all refused.
fn codec_vectors() -> Vec<Value> {
    let max = 512;
    let good = codec::encode(&samples::receipt_body());
    let body = &good[1..];
    // {0: time, 1: items} with the second entry cut off where it begins.
    let time_end = 2 + 9;
    assert_eq!(body[time_end], 1, "key 1 follows the time");
    let (time, items) = (&body[1..time_end], &body[time_end..]);
    let framed = |parts: &[&[u8]]| [&[codec::VERSION][..], &parts.concat()].concat();
    let cases: [(&str, &str, Vec<u8>); 13] = [
        ("codec: deterministic", "A receipt body: version byte, then a map with ascending integer keys.", good.clone()),
        ("codec: trailing byte", "Nothing may follow the item.", [&good[..], &[0]].concat()),
        ("codec: cut", "Every byte is needed.", good[..good.len() - 1].to_vec()),
        ("codec: keys out of order", "Keys ascend.", framed(&[&[0xa2], items, time])),
        ("codec: duplicate key", "A key stands once.", framed(&[&[0xa3], time, time, items])),
        ("codec: unknown key", "A key that the type does not have is refused.", framed(&[&[0xa3], time, items, &[0x09, 0x00]])),
        ("codec: missing key", "A required key is missing.", framed(&[&[0xa1], time])),
        ("codec: indefinite map", "Lengths are definite.", framed(&[&[0xbf], time, items, &[0xff]])),
        ("codec: long map header", "A length takes its shortest form.", framed(&[&[0xb8, 0x02], time, items])),
        ("codec: tag", "No tags.", framed(&[&[0xc1], body])),
        ("codec: another version", "The version byte is 1.", [&[2], body].concat()),
        ("codec: empty", "Empty input is no value.", Vec::new()),
        ("codec: too long", "Longer than the limit for this type (here 512 bytes); not looked at.", vec![1; 513]),
    ];
    cases
        .into_iter()
        .map(|(name, shows, bytes)| {
            // Which error a refusal is reported as is the implementation's own business.
            let result = match codec::decode::<ReceiptBody>(&bytes, max) {
                Ok(read) => {
                    assert_eq!(read, samples::receipt_body());
                    "accepted"
                }
                Err(_) => "refused",
            };
            assert_eq!(result == "accepted", name == "codec: deterministic", "{name}");
            vector(name, shows, json!({ "type": "ReceiptBody", "max": max, "bytes": hex(bytes) }), json!({ "result": result }))
        })
        .collect()
}

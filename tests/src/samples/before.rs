//! What builds of before made and today's still read, and what goes by a lifeline.

use super::{Person, Runs, ann, ben, known, standing_statement};
use symbolon_core::wire::{First, Statement, direct_package};
use symbolon_presence::codec;
use symbolon_presence::envelope::{seal_before, seal_direct};
use symbolon_presence::kdf::{Secret, derive};
use symbolon_presence::labels::{KEY_KNOWN_BEFORE, KEY_KNOWN_SEAL, SEAL_KNOWN};
use symbolon_presence::seal::{aead_seal, aead_seal_random};
use symbolon_presence::seeds::KeyOfBefore;

/// The statement of Ann's Standing to Ben's certificate: she does not know his direct key.
pub fn standing_statement_of_before() -> Statement {
    let ben = ben().identity;
    Statement { package: direct_package(ben.dh.public().bytes().as_bytes(), &ben.device), ..standing_statement() }
}

/// It in its envelope.
pub fn envelope_of_before() -> Vec<u8> {
    let payload = codec::encode(&First::sign(&ann().identity, &standing_statement_of_before()));
    seal_before(&ben().identity.dh.public(), &payload, &mut Runs::from(0xe2)).expect("the payload is short")
}

/// Ann's Standing by Ben's lifeline.
pub fn lifeline_envelope() -> Vec<u8> {
    let Person { identity, reply, .. } = ben();
    let package = direct_package(reply.public().bytes().as_bytes(), &identity.device);
    let payload = codec::encode(&First::sign(&ann().identity, &Statement { package, ..standing_statement() }));
    seal_direct(&reply.public(), &payload, &mut Runs::from(0xe3)).expect("the payload is short")
}

/// A known envelope from Ann to Ben under counter 9, as builds before seeds made it: without a nonce of its own, or with one.
pub fn known_envelope_of_before(nonce: Option<[u8; 12]>) -> Vec<u8> {
    let (ann, ben) = (ann().identity, ben().identity);
    let root = derive(ann.dh.agree(&ben.dh.public()).expose(), KEY_KNOWN_BEFORE, &[ann.device.as_bytes(), ben.device.as_bytes()]);
    let key: Secret = derive(root.expose(), KEY_KNOWN_SEAL, &[]);
    let tag = KeyOfBefore::agree(&ann.dh, &ben.dh.public(), &ann.device, &ben.device).tag(9);
    let payload = codec::encode(&known());
    let overhead = 18 + nonce.map_or(0, |nonce| nonce.len()) + 16;
    let length = u32::try_from(payload.len()).expect("it is short");
    let mut padded = [length.to_be_bytes().as_slice(), &payload].concat();
    padded.resize(512 - overhead, 0);
    let header = [[1, if nonce.is_some() { 3 } else { 2 }].as_slice(), &tag].concat();
    match nonce {
        Some(nonce) => [header.as_slice(), &nonce, &aead_seal_random(&key, &nonce, SEAL_KNOWN, &header, &padded)].concat(),
        None => [header.as_slice(), &aead_seal(&key, 9, SEAL_KNOWN, &header, &padded)].concat(),
    }
}

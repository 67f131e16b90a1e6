//! Inbound seeds, and the keys of known envelopes that come from them.
//!
//! A receiver draws a *seed* and says it to who may write to it. So a sender that has a seed can be read: there is
//! nothing to agree on. From a seed and X25519 of the two certificates comes the root of one direction between two
//! devices: who hears a seed that is said to others cannot compute theirs. A root gives a tag key, which stays, and a
//! hash ratchet, which advances with each counter: what is behind it cannot be computed any more by anybody. So a
//! device key opens no envelope that was recorded, and what is stolen today opens none of yesterday. The protocol
//! page is `docs/protocol/envelope.md`.

use crate::envelope::{Kind, TAG, TooLong, cover, kind, uncover, uncover_before};
use crate::id::DeviceId;
use crate::kdf::{Secret, derive, derive_salted, mac};
use crate::labels::{KEY_KNOWN, KEY_KNOWN_BEFORE, KEY_KNOWN_RATCHET, KEY_KNOWN_SEAL, KEY_KNOWN_STEP, KEY_KNOWN_TAG, MAC_TAG};
use crate::seal::{DhKey, DhPublic, NONCE, OpenError};
use minicbor::{Decode, Encode};

/// How far ahead of its place a ratchet is turned to open an envelope, and how many envelopes a sender seals beyond
/// the highest that was acknowledged.
pub const FAR_AHEAD: u64 = 4_096;
/// Keys of skipped counters that a receiver remembers for each seed.
pub const SKIPPED_MAX: usize = 1_024;

/// A receiver's inbound seed, as it is said to those who may write under it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Seed {
    /// Rises by random steps: it does not tell how many there were.
    #[n(0)]
    pub number: u64,
    /// Drawn by the receiver.
    #[n(1)]
    pub secret: Secret,
}

impl Seed {
    /// Draws the seed that follows the one with the number `before`.
    pub fn draw<R: rand_core::CryptoRng + ?Sized>(before: Option<u64>, rng: &mut R) -> Self {
        let mut drawn = [0; 8];
        rng.fill_bytes(&mut drawn);
        let drawn = u64::from_be_bytes(drawn);
        let number = match before {
            Some(before) => before.saturating_add(1).saturating_add(drawn >> 32),
            // Far enough below the end for as many steps as anybody takes.
            None => drawn >> 8,
        };
        Self { number, secret: Secret::random(rng) }
    }
}

impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// The keys of known envelopes in one direction between two devices under one seed, from the next counter on.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ratchet {
    #[n(0)]
    tag: Secret,
    #[n(1)]
    state: Secret,
    #[n(2)]
    next: u64,
}

impl core::fmt::Debug for Ratchet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Ratchet(..)")
    }
}

impl Ratchet {
    /// For what `from` writes to `to` under a seed of `to`; `own` is the private key of either, `other` the public
    /// key of the other.
    pub fn agree(seed: &Seed, own: &DhKey, other: &DhPublic, from: &DeviceId, to: &DeviceId) -> Self {
        let parts: [&[u8]; 3] = [from.as_bytes(), to.as_bytes(), &seed.number.to_be_bytes()];
        let root = derive_salted(seed.secret.expose(), own.agree(other).expose(), KEY_KNOWN, &parts);
        Self { tag: derive(root.expose(), KEY_KNOWN_TAG, &[]), state: derive(root.expose(), KEY_KNOWN_RATCHET, &[]), next: 0 }
    }

    /// The counter of the next key.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The tag of the envelope with this counter.
    pub fn tag(&self, counter: u64) -> [u8; TAG] {
        mac(&self.tag, MAC_TAG, &[&counter.to_be_bytes()])
    }

    /// Takes the next key out. The ratchet cannot give it a second time.
    pub fn turn(&mut self) -> EnvelopeKey {
        let key = EnvelopeKey { counter: self.next, tag: self.tag(self.next), key: derive(self.state.expose(), KEY_KNOWN_SEAL, &[]) };
        self.state = derive(self.state.expose(), KEY_KNOWN_STEP, &[]);
        self.next = self.next.saturating_add(1);
        key
    }

    /// The key of a counter that is not behind and less than [`FAR_AHEAD`] away. The ratchet stays where it is.
    pub fn ahead(&self, counter: u64) -> Option<EnvelopeKey> {
        let far = counter.checked_sub(self.next).filter(|far| *far < FAR_AHEAD)?;
        let mut ahead = self.clone();
        (0..far).for_each(|_| {
            ahead.turn();
        });
        Some(ahead.turn())
    }
}

/// The key of known envelopes in one direction, as older builds made it: what they left at relays is still read until
/// the friendship is renewed. Nothing is sealed under it.
#[derive(Debug)]
pub struct KeyOfBefore {
    seal: Secret,
    tag: Secret,
}

impl KeyOfBefore {
    /// For what `from` wrote to `to`.
    pub fn agree(own: &DhKey, other: &DhPublic, from: &DeviceId, to: &DeviceId) -> Self {
        let key = derive(own.agree(other).expose(), KEY_KNOWN_BEFORE, &[from.as_bytes(), to.as_bytes()]);
        Self { seal: derive(key.expose(), KEY_KNOWN_SEAL, &[]), tag: derive(key.expose(), KEY_KNOWN_TAG, &[]) }
    }

    /// The tag of the envelope with this counter.
    pub fn tag(&self, counter: u64) -> [u8; TAG] {
        mac(&self.tag, MAC_TAG, &[&counter.to_be_bytes()])
    }

    /// Opens an envelope whose tag is that of `counter`.
    pub fn open(&self, counter: u64, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
        uncover_before(&self.seal, counter, envelope)
    }
}

/// The key of one known envelope.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EnvelopeKey {
    /// The envelope's counter under its seed.
    #[n(0)]
    pub counter: u64,
    /// The tag of that counter.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub tag: [u8; TAG],
    #[n(2)]
    key: Secret,
}

impl core::fmt::Debug for EnvelopeKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("EnvelopeKey(..)")
    }
}

impl EnvelopeKey {
    /// Seals a payload, with a nonce drawn for it.
    pub fn seal(&self, nonce: &[u8; NONCE], payload: &[u8]) -> Result<Vec<u8>, TooLong> {
        cover(&self.key, &self.tag, nonce, payload)
    }

    /// Opens an envelope that has this key's tag.
    pub fn open(&self, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
        if kind(envelope) != Some(Kind::Known(self.tag)) {
            return Err(OpenError);
        }
        uncover(&self.key, envelope)
    }
}

/// The key of a counter that was skipped.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Skipped {
    #[n(0)]
    counter: u64,
    #[n(1)]
    key: Secret,
}

/// What opens envelopes under one seed: the ratchet at its next counter, and the keys of those that were skipped.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Opener {
    #[n(0)]
    ratchet: Ratchet,
    /// Rising counters; at most [`SKIPPED_MAX`], the lowest are forgotten first.
    #[n(1)]
    skipped: Vec<Skipped>,
}

impl core::fmt::Debug for Opener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Opener(..)")
    }
}

impl Opener {
    /// Nothing was received yet.
    pub fn new(ratchet: Ratchet) -> Self {
        Self { ratchet, skipped: Vec::new() }
    }

    /// One more than the highest counter received.
    pub fn next(&self) -> u64 {
        self.ratchet.next
    }

    /// Lower counters that may still be received.
    pub fn skipped(&self) -> impl Iterator<Item = u64> {
        self.skipped.iter().map(|skipped| skipped.counter)
    }

    /// The tag of the envelope with this counter.
    pub fn tag(&self, counter: u64) -> [u8; TAG] {
        self.ratchet.tag(counter)
    }

    /// Opens an envelope under a counter that is still open. Nothing is used up: the tag can be somebody else's copy.
    pub fn open(&self, counter: u64, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
        let key = match self.skipped.iter().find(|skipped| skipped.counter == counter) {
            Some(skipped) => EnvelopeKey { counter, tag: self.tag(counter), key: skipped.key.clone() },
            None => self.ratchet.ahead(counter).ok_or(OpenError)?,
        };
        key.open(envelope)
    }

    /// A counter is used up, and its key erased. Answers the skipped counters that are forgotten for it.
    pub fn take(&mut self, counter: u64) -> Vec<u64> {
        if counter < self.ratchet.next {
            self.skipped.retain(|skipped| skipped.counter != counter);
            return Vec::new();
        }
        if counter - self.ratchet.next >= FAR_AHEAD {
            return Vec::new();
        }
        while self.ratchet.next < counter {
            let EnvelopeKey { counter, key, .. } = self.ratchet.turn();
            self.skipped.push(Skipped { counter, key });
        }
        self.ratchet.turn();
        let excess = self.skipped.len().saturating_sub(SKIPPED_MAX);
        self.skipped.drain(..excess).map(|skipped| skipped.counter).collect()
    }
}

#[cfg(test)]
mod tests;

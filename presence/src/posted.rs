//! What lookup stores keep: presence records, and the contact records of those who want to be
//! found by their Peer ID alone.
//!
//! A contact record says whose it is, to anybody: its owner has chosen that. It lies under a
//! hash of the Peer ID, is signed by a device that the root key has certified, and so nobody
//! else can put anything there.

use crate::codec::{self, CodecError};
use crate::id::{LookupId, PeerId, SignatureBytes};
use crate::identity::{Chain, Identity, pair_context};
use crate::kdf::hash;
use crate::labels::{HASH_POSTED, SIGN_POSTED};
use crate::record::{LIFE_MAX, RECORD_MAX, Record, RecordError};
use crate::time::{CLOCK_SKEW, Timestamp};
use minicbor::{Decode, Encode};

/// The longest contact record, in bytes, without what surrounds it here.
pub const CONTACT_MAX: usize = 8 * 1024;

/// Under which a person's contact record is looked up.
pub fn contact_id(peer: &PeerId) -> LookupId {
    LookupId(hash(HASH_POSTED, &[peer.as_bytes()]).0)
}

/// A contact record for anyone who knows the owner's Peer ID.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Posted {
    /// Certificate of the device that signed.
    #[n(0)]
    chain: Chain,
    #[cbor(n(1), with = "minicbor::bytes")]
    body: Vec<u8>,
    /// By the device; the context names its owner.
    #[n(2)]
    signature: SignatureBytes,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Body {
    #[n(0)]
    counter: u64,
    #[n(1)]
    expires: Timestamp,
    #[cbor(n(2), with = "minicbor::bytes")]
    contact: Vec<u8>,
}

impl Posted {
    /// Signs a contact record. `counter` is higher than any before. None when it is too long.
    pub fn sign(me: &Identity, counter: u64, expires: Timestamp, contact: Vec<u8>) -> Option<Self> {
        if contact.len() > CONTACT_MAX {
            return None;
        }
        let body = codec::encode(&Body { counter, expires, contact });
        let peer = me.peer();
        let signature = me.signing.sign(SIGN_POSTED, &pair_context(&peer, &peer), &body);
        Some(Self { chain: me.chain.clone(), body, signature })
    }

    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// Something that a lookup store may keep: all is checked that can be without any secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Under which it is looked up.
    pub id: LookupId,
    /// Of two under one id the one with the higher counter holds.
    pub counter: u64,
    /// When it ends.
    pub expires: Timestamp,
    /// The contact record, if it is one, still to be verified.
    pub contact: Option<Vec<u8>>,
}

impl Item {
    /// Reads and checks a presence record or a contact record.
    pub fn read(bytes: &[u8], now: Timestamp) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_MAX {
            return Err(RecordError::Codec(CodecError::TooLong));
        }
        let Ok(posted) = codec::decode::<Posted>(bytes, RECORD_MAX) else {
            let record = Record::read(bytes, now)?;
            return Ok(Self { id: record.id, counter: record.counter(), expires: record.expires(), contact: None });
        };
        let body: Body = codec::decode(&posted.body, RECORD_MAX).map_err(RecordError::Codec)?;
        if body.contact.len() > CONTACT_MAX {
            return Err(RecordError::Size);
        }
        if body.expires.is_expired_at(now) {
            return Err(RecordError::Expired);
        }
        if body.expires.0 > now.after(LIFE_MAX).after(CLOCK_SKEW).0 {
            return Err(RecordError::TooFar);
        }
        let device = posted.chain.verify(now).map_err(|_| RecordError::WeakKey)?;
        let signed = device.signing.verify(SIGN_POSTED, &pair_context(&device.peer, &device.peer), &posted.body, &posted.signature);
        signed.map_err(|_| RecordError::Signature)?;
        Ok(Self { id: contact_id(&device.peer), counter: body.counter, expires: body.expires, contact: Some(body.contact) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Slot, day_of};
    use crate::sign::SigningKey;
    use crate::time::DAY;
    use rand_core::SeedableRng;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn rng(seed: u64) -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(seed)
    }

    fn person(seed: u64) -> Identity {
        Identity::generate(&mut rng(seed), NOW, 365 * DAY)
    }

    fn posted(seed: u64) -> Vec<u8> {
        Posted::sign(&person(seed), 7, NOW.after(2 * DAY), b"contact".to_vec()).unwrap().encode()
    }

    #[test]
    fn a_contact_record_lies_under_its_owners_peer_id_and_says_what_was_signed() {
        let item = Item::read(&posted(1), NOW).unwrap();
        assert_eq!((item.id, item.counter), (contact_id(&person(1).peer()), 7));
        assert_eq!(item.contact.as_deref(), Some(&b"contact"[..]));
        assert_ne!(item.id, contact_id(&person(2).peer()));
    }

    #[test]
    fn a72_a_contact_record_with_any_bit_changed_is_refused_or_lies_elsewhere() {
        let bytes = posted(1);
        let id = contact_id(&person(1).peer());
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Item::read(&bad, NOW).map(|item| item.id) != Ok(id), "bit {bit}");
        }
    }

    #[test]
    fn a77_contact_records_that_are_long_over_or_far_ahead_are_refused() {
        assert!(Posted::sign(&person(1), 7, NOW.after(DAY), vec![0; CONTACT_MAX + 1]).is_none());
        let late = Posted::sign(&person(1), 7, Timestamp(NOW.0 - DAY), Vec::new()).unwrap().encode();
        assert_eq!(Item::read(&late, NOW), Err(RecordError::Expired));
        let far = Posted::sign(&person(1), 7, NOW.after(4 * DAY), Vec::new()).unwrap().encode();
        assert_eq!(Item::read(&far, NOW), Err(RecordError::TooFar));
        assert_eq!(Item::read(&vec![0; RECORD_MAX + 1], NOW), Err(RecordError::Codec(CodecError::TooLong)));
    }

    #[test]
    fn a_presence_record_is_an_item_too() {
        let key = SigningKey::from_seed(&[5; 32]);
        let slot = Slot::of_header(&key.public(), day_of(NOW));
        let item = Item::read(&slot.seal(&key, NOW, b"content", &mut rng(3)).unwrap(), NOW).unwrap();
        assert_eq!(Ok(item.id), slot.id(&key.public()));
        assert_eq!(item.contact, None);
    }
}

//! What an invite's secret yields: its id, and for each day the place of its body and what hides it.
//!
//! A body lies where records of presence lie, under keys that change daily, and looks like one. The protocol page
//! is `docs/protocol/invite.md`.

use crate::blind::UnfitKey;
use crate::id::{InviteId, LookupId, PeerId};
use crate::kdf::{derive, hash};
use crate::kem::Psk;
use crate::labels::{HASH_INVITE, KEY_INVITE_BODY, KEY_INVITE_LOOKUP, KEY_INVITE_PSK};
use crate::record::{Record, Slot, TooLong};
use crate::seal::OpenError;
use crate::sign::SigningKey;
use crate::time::Timestamp;
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The secret of an invite: 16 random bytes. Erased when dropped, shown by nothing, compared in constant time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct InviteSecret([u8; 16]);

impl InviteSecret {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// Takes over 16 bytes that are random.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Draws a secret.
    pub fn random<R: rand_core::CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The bytes, for a link or for sealed storage.
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// The invite's id, which its body names.
    pub fn id(&self) -> InviteId {
        let digest = hash(HASH_INVITE, &[&self.0]);
        InviteId(*digest.as_bytes().first_chunk().unwrap_or(&[0; 16]))
    }

    /// What seals an Offer by this invite besides the package in its body: who has not seen the link cannot ask.
    pub fn psk(&self, maker: &PeerId) -> Psk {
        Psk { secret: derive(&self.0, KEY_INVITE_PSK, &[maker.as_bytes()]), id: self.id().0 }
    }

    /// Where its body lies on a day.
    pub fn slot(&self, day: u32) -> InviteSlot {
        let key = SigningKey::from_seed(derive(&self.0, KEY_INVITE_LOOKUP, &[]).expose());
        let slot = Slot::of_body(&key.public(), day, &derive(&self.0, KEY_INVITE_BODY, &[]));
        InviteSlot { key, slot }
    }
}

impl PartialEq for InviteSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for InviteSecret {}

impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSecret(..)")
    }
}

impl<C> minicbor::Encode<C> for InviteSecret {
    fn encode<W: minicbor::encode::Write>(&self, e: &mut minicbor::Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for InviteSecret {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.bytes()?.try_into().map(Self).map_err(|_| minicbor::decode::Error::message("wrong length of an invite's secret"))
    }
}

/// Where the body of an invite lies on one day. Anyone who holds the link can write there, too.
pub struct InviteSlot {
    key: SigningKey,
    slot: Slot,
}

impl InviteSlot {
    /// Under which the body is looked up.
    pub fn id(&self) -> Result<LookupId, UnfitKey> {
        self.slot.id(&self.key.public())
    }

    /// Makes the record of a body. `at` must be later than at any record made for this day before.
    pub fn seal<R: rand_core::CryptoRng + ?Sized>(&self, at: Timestamp, content: &[u8], rng: &mut R) -> Result<Vec<u8>, TooLong> {
        self.slot.seal(&self.key, at, content, rng)
    }

    /// Reads what is in a record of this place.
    pub fn open(&self, record: &Record) -> Result<Vec<u8>, OpenError> {
        self.slot.open(record)
    }
}

impl fmt::Debug for InviteSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSlot(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posted::Item;
    use crate::record::{BUCKETS, RECORD_MAX, day_of, end_of};
    use rand_core::SeedableRng;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(4)
    }

    fn secret(byte: u8) -> InviteSecret {
        InviteSecret::from_bytes([byte; 16])
    }

    #[test]
    fn a_body_lies_in_another_place_each_day_and_opens_by_its_secret_alone() {
        let today = day_of(NOW);
        let bytes = secret(1).slot(today).seal(NOW, b"body", &mut rng()).unwrap();
        let record = Record::read(&bytes, NOW).unwrap();
        assert_eq!(secret(1).slot(today).id(), Ok(record.id));
        assert_eq!(secret(1).slot(today).open(&record), Ok(b"body".to_vec()));
        for other in [secret(1).slot(today + 1), secret(2).slot(today)] {
            assert_ne!(other.id(), Ok(record.id));
            assert_eq!(other.open(&record), Err(OpenError));
        }
        assert_ne!(secret(1).id(), secret(2).id());
    }

    #[test]
    fn a112_a_body_is_a_record_as_any_other_to_who_keeps_it() {
        let today = day_of(NOW);
        for length in [0, 900, 2_500] {
            let bytes = secret(3).slot(today).seal(NOW, &vec![7; length], &mut rng()).unwrap();
            let other = Slot::of_header(&SigningKey::from_seed(&[5; 32]).public(), today);
            let other = other.seal(&SigningKey::from_seed(&[5; 32]), NOW, &vec![7; length], &mut rng()).unwrap();
            // The counter takes five or six bytes in all of them.
            assert!(bytes.len().abs_diff(other.len()) <= 4 && bytes.len() <= RECORD_MAX);
            let item = Item::read(&bytes, NOW).unwrap();
            assert_eq!((item.contact, item.expires), (None, end_of(today)));
        }
        assert!(secret(3).slot(today).seal(NOW, &[0; BUCKETS[5]], &mut rng()).is_err());
    }

    #[test]
    fn a_later_body_of_a_day_has_the_higher_counter() {
        let slot = secret(1).slot(day_of(NOW));
        let counter = |at| Record::read(&slot.seal(at, b"body", &mut rng()).unwrap(), NOW).unwrap().counter();
        assert!(counter(NOW) < counter(NOW.after(1)));
    }
}

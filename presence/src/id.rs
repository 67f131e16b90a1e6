//! Fixed-length identifiers.
//!
//! An identifier prints as lower-case base32 without padding (RFC 4648) and is encoded
//! as a CBOR byte string. `Debug` prints the type's name only, so that no identifier
//! reaches a log by accident.

use crate::time::Timestamp;
use core::fmt;
use core::str::FromStr;
use data_encoding::{Encoding, Specification};
use std::sync::OnceLock;

/// Lower-case base32 without padding; reading also takes upper case.
pub fn base32() -> &'static Encoding {
    static ENCODING: OnceLock<Encoding> = OnceLock::new();
    ENCODING.get_or_init(|| {
        let mut spec = Specification::new();
        spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
        spec.translate.from.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        spec.translate.to.push_str("abcdefghijklmnopqrstuvwxyz");
        match spec.encoding() {
            Ok(encoding) => encoding,
            // The specification above is a constant and valid; RFC 4648's own is the same but upper-case.
            Err(_) => data_encoding::BASE32_NOPAD,
        }
    })
}

/// The text is not an identifier of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an identifier in base32 of the right length")
    }
}

impl std::error::Error for ParseIdError {}

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident($len:literal);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The identifier's bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads an identifier from exactly [`Self::LEN`] bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// Draws an identifier at random.
            pub fn random<R: rand_core::CryptoRng + ?Sized>(rng: &mut R) -> Self {
                let mut bytes = [0; $len];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base32().encode(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                // Twice the encoded length bounds the work on hostile input.
                if text.len() > $len * 2 {
                    return Err(ParseIdError);
                }
                base32()
                    .decode(text.as_bytes())
                    .ok()
                    .and_then(|bytes| Self::from_slice(&bytes))
                    .ok_or(ParseIdError)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let position = d.position();
                Self::from_slice(d.bytes()?)
                    .ok_or_else(|| minicbor::decode::Error::message("wrong length of identifier").at(position))
            }
        }
    )*};
}

identifiers! {
    /// A person: SHA-256 of the root public key.
    PeerId(32);
    /// A device of a person: hash of the root key and the device's keys.
    DeviceId(16);
    /// A room (an MLS group); also the MLS group id.
    RoomId(32);
    /// One epoch of one room: hash of group id, epoch number and confirmation tag.
    EpochId(32);
    /// A friend request; the same in all revisions of its Offer.
    RequestId(16);
    /// A message of a conversation; the same however often it is sealed.
    MessageId(16);
    /// An envelope: SHA-256 of its bytes.
    FrameId(32);
    /// A mailbox: hash of its HPKE public key.
    MailboxId(32);
    /// A queue in a mailbox.
    QueueId(16);
    /// An invite, as its link and its body name it: hash of its secret.
    InviteId(16);
    /// A grant to write to a queue.
    GrantId(16);
    /// A plain SHA-256 value, used where a context or transcript is hashed.
    Digest(32);
    /// A 32-byte public key as it stands on the wire, not yet checked.
    PublicKeyBytes(32);
    /// An Ed25519 signature as it stands on the wire.
    SignatureBytes(64);
    /// Under which a presence record is looked up: hash of its blinded key.
    LookupId(32);
    /// A random number used once.
    Nonce(16);
    /// What a room is called at its hub: hash of a key that only its members have.
    RoomAlias(32);
    /// Who listens at a hub: drawn for one member's device, one room and one run.
    ListenerId(16);
}

impl MessageId {
    /// Draws an id as of version 7 (RFC 9562, section 5.7): 48 bits of time, then chance. Ids
    /// of one time lie together, so an index over them is written in few places.
    pub fn at<R: rand_core::CryptoRng + ?Sized>(now: Timestamp, rng: &mut R) -> Self {
        let mut id = Self::random(rng);
        let [_, _, time @ ..] = now.0.to_be_bytes();
        if let Some((head, [version, _, variant, ..])) = id.0.split_first_chunk_mut::<6>() {
            *head = time;
            *version = 0x70 | *version & 0x0F;
            *variant = 0x80 | *variant & 0x3F;
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    #[test]
    fn message_ids_of_later_times_come_later_and_are_of_version_7() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let ids: Vec<MessageId> = (0..100u64).map(|step| MessageId::at(Timestamp(1_800_000_000_000 + step), &mut rng)).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| id.0[6] >> 4 == 7 && id.0[8] >> 6 == 2));
        let (a, b) = (MessageId::at(Timestamp(5), &mut rng), MessageId::at(Timestamp(5), &mut rng));
        assert!(a.0[..6] == b.0[..6] && a != b);
    }

    #[test]
    fn identifier_text_is_lower_case_base32_and_reads_back_in_either_case() {
        let id = PeerId([0xA7; 32]);
        let text = id.to_string();
        assert_eq!(text.len(), 52);
        assert_eq!(text, text.to_lowercase());
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn identifier_of_wrong_length_or_alphabet_is_refused() {
        for text in ["", "a", "!!!!", &"a".repeat(10_000), &"a".repeat(51)] {
            assert_eq!(text.parse::<PeerId>(), Err(ParseIdError));
        }
    }

    #[test]
    fn debug_output_shows_no_identifier() {
        assert_eq!(format!("{:?}", PeerId([1; 32])), "PeerId(..)");
    }
}

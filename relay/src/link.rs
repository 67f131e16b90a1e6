//! A relay's link: all that is needed to keep a mailbox there.
//!
//! `symbolon:relay:` and base32 of the relay's keys and addresses with a four-byte checksum.
//! Nothing in it is secret, and the one who gives the link decides which relay is meant: it is
//! handed over by a way that is trusted, like an invite.

use crate::grant::AddressBody;
use crate::limits::PLACES_MAX;
use crate::limits::SEALED_ADDRESS_MAX;
use core::fmt;
use core::str::FromStr;
use minicbor::{Decode, Encode};
use symbolon_presence::address::Address;
use symbolon_presence::codec;
use symbolon_presence::id::{MailboxId, PublicKeyBytes, base32};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::{HASH_MAILBOX, HASH_RELAY_LINK, SEAL_ADDRESS};
use symbolon_presence::seal::{DhPublic, hpke_seal};
use symbolon_presence::sign::VerifyingKey;

/// How every relay link begins.
pub const RELAY_PREFIX: &str = "symbolon:relay:";
/// The longest relay link, in characters.
pub const RELAY_LINK_MAX: usize = 4 * 1024;

/// What a relay says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RelayLink {
    /// The mailbox's HPKE key.
    #[n(0)]
    pub mailbox_key: PublicKeyBytes,
    /// The key that signs its receipts.
    #[n(1)]
    pub receipt: PublicKeyBytes,
    /// Where it is, best first; at most [`PLACES_MAX`].
    #[n(2)]
    pub places: Vec<Address>,
}

/// Not a relay's link, or mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRelayLink;

impl RelayLink {
    /// The mailbox's id: hash of its HPKE key.
    pub fn mailbox(&self) -> MailboxId {
        MailboxId(hash(HASH_MAILBOX, &[self.mailbox_key.as_bytes()]).0)
    }

    /// Seals an address to the mailbox; none when its key is no key.
    pub fn seal_address<R: rand_core::CryptoRng>(&self, body: &AddressBody, rng: &mut R) -> Option<Vec<u8>> {
        let key = DhPublic::parse(&self.mailbox_key).ok()?;
        let sealed = hpke_seal(SEAL_ADDRESS, &key, self.mailbox().as_bytes(), &codec::encode(body), rng);
        (sealed.len() <= SEALED_ADDRESS_MAX).then_some(sealed)
    }

    /// Whether every part is within its bounds and the keys are keys.
    pub fn is_bounded(&self) -> bool {
        self.places.len() <= PLACES_MAX
            && !self.places.is_empty()
            && self.places.iter().all(Address::is_bounded)
            && DhPublic::parse(&self.mailbox_key).is_ok()
            && VerifyingKey::parse(&self.receipt).is_ok()
    }
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = hash(HASH_RELAY_LINK, &[bytes]).0;
    [a, b, c, d]
}

impl fmt::Display for RelayLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = codec::encode(self);
        bytes.extend_from_slice(&checksum(&bytes));
        write!(f, "{RELAY_PREFIX}{}", base32().encode(&bytes))
    }
}

impl FromStr for RelayLink {
    type Err = BadRelayLink;

    fn from_str(link: &str) -> Result<Self, BadRelayLink> {
        let link = link.trim();
        if link.len() > RELAY_LINK_MAX {
            return Err(BadRelayLink);
        }
        let is_ours = link.get(..RELAY_PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(RELAY_PREFIX));
        let text = link.get(RELAY_PREFIX.len()..).filter(|_| is_ours).ok_or(BadRelayLink)?;
        let bytes = base32().decode(text.as_bytes()).map_err(|_| BadRelayLink)?;
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(BadRelayLink)?;
        if checksum(body) != *sum {
            return Err(BadRelayLink);
        }
        let relay: Self = codec::decode(body, RELAY_LINK_MAX).map_err(|_| BadRelayLink)?;
        if relay.is_bounded() { Ok(relay) } else { Err(BadRelayLink) }
    }
}

/// What proves to an owner-only relay that a mailbox is its owner's: 26 base32 characters.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct ClaimCode(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl fmt::Display for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32().encode(&self.0))
    }
}

impl fmt::Debug for ClaimCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimCode(..)")
    }
}

impl FromStr for ClaimCode {
    type Err = BadRelayLink;

    fn from_str(code: &str) -> Result<Self, BadRelayLink> {
        let bytes = base32().decode(code.trim().as_bytes()).map_err(|_| BadRelayLink)?;
        <[u8; 16]>::try_from(bytes).map(Self).map_err(|_| BadRelayLink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::MailboxKeys;
    use rand_core::SeedableRng;
    use symbolon_presence::sign::SigningKey;

    fn link() -> RelayLink {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let keys = MailboxKeys::random(&mut rng);
        RelayLink {
            mailbox_key: keys.public(),
            receipt: SigningKey::from_seed(&[3; 32]).public(),
            places: vec![Address(vec![4, 127, 0, 0, 1, 6, 1, 2])],
        }
    }

    #[test]
    fn a_link_reads_back_and_a_mistyped_one_does_not() {
        let text = link().to_string();
        assert_eq!(text.parse(), Ok(link()));
        assert_eq!(format!(" {} ", text.to_uppercase()).parse(), Ok(link()));
        for at in RELAY_PREFIX.len()..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'a' { b'b' } else { b'a' };
            assert!(String::from_utf8(wrong).unwrap().parse::<RelayLink>().is_err());
        }
        assert!("symbolon:aaaa".parse::<RelayLink>().is_err() && "x".repeat(RELAY_LINK_MAX + 1).parse::<RelayLink>().is_err());
    }

    #[test]
    fn an_address_sealed_by_the_link_opens_at_the_mailbox() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let keys = MailboxKeys::random(&mut rng);
        let body = AddressBody {
            queue: keys.direct,
            grant: symbolon_presence::id::GrantId([1; 16]),
            scope: crate::grant::Scope::Guest,
            expires: symbolon_presence::time::Timestamp(9),
            uses: 0,
        };
        assert_eq!(keys.open_address(&link().seal_address(&body, &mut rng).unwrap()), Some(body));
    }

    #[test]
    fn a_claim_code_is_26_characters() {
        let code = ClaimCode([7; 16]);
        assert_eq!(code.to_string().len(), 26);
        assert_eq!(code.to_string().parse(), Ok(code));
        assert!("aaaa".parse::<ClaimCode>().is_err());
    }
}

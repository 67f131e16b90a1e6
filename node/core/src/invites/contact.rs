//! Invites: minting links, reading those of others.
//!
//! A link is `symbolon:` and base32 of a signed contact record with a four-byte checksum.
//! It names one package (an HPKE key used once), one address in the contact queue with its
//! key, and where the node is. The private half stays in the invite's row until it expires.

use crate::limits::{DEVICES_MAX, LINK_MAX, SERVERS_TOLD};
use crate::seam::Address;
use crate::wire::{Contact, is_name};
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, PeerId, SignatureBytes, base32};
use symbolon_presence::identity::{Chain, ChainError, Device, pair_context};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::{HASH_LINK, SIGN_CONTACT};
use symbolon_presence::time::Timestamp;

/// How every invite link begins.
pub const LINK_PREFIX: &str = "symbolon:";

/// Who somebody is and how to write to each of their devices.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ContactBody {
    /// The person's name.
    #[n(0)]
    pub name: String,
    /// Until when.
    #[n(1)]
    pub expires: Timestamp,
    /// The signer's device first.
    #[n(2)]
    pub contacts: Vec<Contact>,
    /// DHT servers, so that anyone new finds one; at most [`SERVERS_TOLD`].
    #[n(3)]
    pub servers: Vec<Address>,
}

/// A signed contact record: an invite, or what somebody publishes.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ContactRecord {
    /// The signer's certificate.
    #[n(0)]
    pub chain: Chain,
    /// A [`ContactBody`] in its encoding.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// The device's signature; its context names the person.
    #[n(2)]
    pub signature: SignatureBytes,
}

/// A contact record whose signatures hold.
#[derive(Clone)]
pub struct VerifiedContact {
    /// The device that signed.
    pub signer: Device,
    /// Its certificate.
    pub chain: Chain,
    /// The person's name.
    pub name: String,
    /// Until when.
    pub expires: Timestamp,
    /// Each device with its way in.
    pub contacts: Vec<(Device, Contact)>,
    /// DHT servers that the person knows.
    pub servers: Vec<Address>,
}

pub(super) fn context(peer: &PeerId) -> Digest {
    pair_context(peer, peer)
}

/// Why a link is not an invite that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkError {
    /// Not a link of ours, mistyped, or not honestly signed.
    Bad,
    /// Too old.
    Expired,
    /// Made at a time that is still to come by our clock.
    NotYet,
}

impl From<ChainError> for LinkError {
    fn from(error: ChainError) -> Self {
        if error == ChainError::NotYet { Self::NotYet } else { Self::Bad }
    }
}

impl ContactRecord {
    /// Writes the link.
    pub fn to_link(&self) -> String {
        let mut bytes = codec::encode(self);
        bytes.extend_from_slice(&checksum(&bytes));
        format!("{LINK_PREFIX}{}", base32().encode(&bytes))
    }

    /// Reads a link. White space around it and upper case do not matter.
    pub fn from_link(link: &str) -> Result<Self, LinkError> {
        let link = link.trim();
        if link.len() > LINK_MAX {
            return Err(LinkError::Bad);
        }
        let text =
            link.get(..LINK_PREFIX.len()).filter(|head| head.eq_ignore_ascii_case(LINK_PREFIX)).and_then(|_| link.get(LINK_PREFIX.len()..));
        let bytes = base32().decode(text.ok_or(LinkError::Bad)?.as_bytes()).map_err(|_| LinkError::Bad)?;
        let (record, sum) = bytes.split_last_chunk::<4>().map(|(record, sum)| (record, *sum)).ok_or(LinkError::Bad)?;
        if checksum(record) != sum {
            return Err(LinkError::Bad);
        }
        codec::decode(record, LINK_MAX).map_err(|_| LinkError::Bad)
    }

    /// Verifies everything that the record claims.
    pub fn verify(&self, now: Timestamp) -> Result<VerifiedContact, LinkError> {
        self.check(now, |chain| chain.verify(now))
    }

    /// The same for one that a friend has handed on: what only the wall clock has against it is taken.
    pub(crate) fn verify_known(&self, sure: Timestamp) -> Result<VerifiedContact, LinkError> {
        self.check(sure, |chain| chain.verify_known(sure))
    }

    fn check(&self, now: Timestamp, verify: impl Fn(&Chain) -> Result<Device, ChainError>) -> Result<VerifiedContact, LinkError> {
        let signer = verify(&self.chain)?;
        signer.signing.verify(SIGN_CONTACT, &context(&signer.peer), &self.body, &self.signature).map_err(|_| LinkError::Bad)?;
        let body: ContactBody = codec::decode(&self.body, LINK_MAX).map_err(|_| LinkError::Bad)?;
        if !is_name(&body.name)
            || body.contacts.is_empty()
            || body.contacts.len() > DEVICES_MAX
            || !body.contacts.iter().all(Contact::is_bounded)
            || body.servers.len() > SERVERS_TOLD
            || !body.servers.iter().all(Address::is_bounded)
        {
            return Err(LinkError::Bad);
        }
        if body.expires.is_expired_at(now) {
            return Err(LinkError::Expired);
        }
        let mut contacts = Vec::with_capacity(body.contacts.len());
        for contact in body.contacts {
            let device = match &contact.chain {
                None => signer.clone(),
                Some(chain) => verify(chain)?,
            };
            if device.peer != signer.peer || !crate::wire::entry_is_of(&contact.entry, &device) {
                return Err(LinkError::Bad);
            }
            contacts.push((device, contact));
        }
        Ok(VerifiedContact { signer, chain: self.chain.clone(), name: body.name, expires: body.expires, contacts, servers: body.servers })
    }
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let digest = hash(HASH_LINK, &[bytes]);
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

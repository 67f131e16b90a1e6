//! Contact records: who somebody is, and how to write to them.
//!
//! One names for each device a package (an HPKE key), an address in the contact queue with its key, and where the node
//! is. It is what a person publishes, what an introducer passes on, or the body of an invite: that one says so, and is
//! good for nothing else.

use crate::limits::{CONTACT_RECORD_MAX, CONTACTS_MAX, SERVERS_TOLD};
use crate::seam::Address;
use crate::wire::{Contact, is_name};
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, InviteId, PeerId, SignatureBytes};
use symbolon_presence::identity::{Chain, ChainError, Device, pair_context};
use symbolon_presence::labels::SIGN_CONTACT;
use symbolon_presence::time::Timestamp;

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
    /// The invite whose body this is.
    #[n(4)]
    pub invite: Option<InviteMark>,
}

/// Which body of which invite a contact record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct InviteMark {
    /// The invite.
    #[n(0)]
    pub id: InviteId,
    /// The day, since 1970, on which it lies where it is.
    #[n(1)]
    pub day: u32,
    /// Of two bodies the one with the higher number holds.
    #[n(2)]
    pub number: u64,
}

/// A signed contact record: the body of an invite, or what somebody publishes.
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
    /// The number of an invite's body; 0 of any other.
    pub number: u64,
}

pub(super) fn context(peer: &PeerId) -> Digest {
    pair_context(peer, peer)
}

/// Why a contact record cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactError {
    /// Not honestly signed, or not for this.
    Bad,
    /// Too old.
    Expired,
    /// Made at a time that is still to come by our clock.
    NotYet,
}

impl From<ChainError> for ContactError {
    fn from(error: ChainError) -> Self {
        if error == ChainError::NotYet { Self::NotYet } else { Self::Bad }
    }
}

impl ContactRecord {
    /// Verifies everything that the record claims. The body of an invite is refused.
    pub fn verify(&self, now: Timestamp) -> Result<VerifiedContact, ContactError> {
        self.check(now, None, |chain| chain.verify(now))
    }

    /// The same for the body of an invite: of this one, on this day, by a device of this person; of anybody, when none is
    /// named.
    pub fn verify_body(&self, now: Timestamp, id: &InviteId, day: u32, maker: Option<&PeerId>) -> Result<VerifiedContact, ContactError> {
        let verified = self.check(now, Some((*id, day)), |chain| chain.verify(now))?;
        if maker.is_none_or(|maker| verified.signer.peer == *maker) { Ok(verified) } else { Err(ContactError::Bad) }
    }

    /// The same for one that a friend has handed on: what only the wall clock has against it is taken.
    pub(crate) fn verify_known(&self, sure: Timestamp) -> Result<VerifiedContact, ContactError> {
        self.check(sure, None, |chain| chain.verify_known(sure))
    }

    fn check(
        &self,
        now: Timestamp,
        invite: Option<(InviteId, u32)>,
        verify: impl Fn(&Chain) -> Result<Device, ChainError>,
    ) -> Result<VerifiedContact, ContactError> {
        let signer = verify(&self.chain)?;
        signer.signing.verify(SIGN_CONTACT, &context(&signer.peer), &self.body, &self.signature).map_err(|_| ContactError::Bad)?;
        let body: ContactBody = codec::decode(&self.body, CONTACT_RECORD_MAX).map_err(|_| ContactError::Bad)?;
        if !is_name(&body.name)
            || body.contacts.is_empty()
            || body.contacts.len() > CONTACTS_MAX
            || !body.contacts.iter().all(Contact::is_bounded)
            || body.servers.len() > SERVERS_TOLD
            || !body.servers.iter().all(Address::is_bounded)
            || body.invite.map(|mark| (mark.id, mark.day)) != invite
        {
            return Err(ContactError::Bad);
        }
        if body.expires.is_expired_at(now) {
            return Err(ContactError::Expired);
        }
        let number = body.invite.map_or(0, |mark| mark.number);
        let mut contacts = Vec::with_capacity(body.contacts.len());
        for contact in body.contacts {
            let device = match &contact.chain {
                None => signer.clone(),
                Some(chain) => verify(chain)?,
            };
            if device.peer != signer.peer || !crate::wire::entry_is_of(&contact.entry, &device) {
                return Err(ContactError::Bad);
            }
            contacts.push((device, contact));
        }
        Ok(VerifiedContact {
            signer,
            chain: self.chain.clone(),
            name: body.name,
            expires: body.expires,
            contacts,
            servers: body.servers,
            number,
        })
    }
}

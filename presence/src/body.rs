//! The body: what friends may know. Sealed under the header's secret and the day's ratchet
//! key together: who was taken out lacks the one, who came later the other.

use crate::generation::Reader;
use crate::id::{DeviceId, Nonce};
use crate::kdf::{Secret, derive_salted};
use crate::labels::{KEY_BODY, SEAL_BODY};
use crate::seal::{OpenError, aead_open, aead_seal};
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// The longest payload of a body, in bytes.
pub const PAYLOAD_MAX: usize = 15 * 1024 - 256;

/// A body, as it lies in a record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Body {
    /// Of the header that leads here.
    #[n(0)]
    pub version: u64,
    /// Day since the Unix epoch.
    #[n(1)]
    pub day: u32,
    /// Higher than in any body before.
    #[n(2)]
    pub sequence: u64,
    /// The own device that made it.
    #[n(3)]
    pub device: DeviceId,
    /// With the device it keeps two devices that meet on one number from using one key twice.
    #[n(4)]
    salt: Nonce,
    /// When it was made.
    #[n(5)]
    pub issued: Timestamp,
    /// Until when it holds.
    #[n(6)]
    pub expires: Timestamp,
    #[cbor(n(7), with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

/// What stands beside the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyInfo {
    /// Of the header that leads here.
    pub version: u64,
    /// Day since the Unix epoch.
    pub day: u32,
    /// Higher than in any body before.
    pub sequence: u64,
    /// The own device that makes it.
    pub device: DeviceId,
    /// When it is made.
    pub issued: Timestamp,
    /// Until when it holds.
    pub expires: Timestamp,
}

impl Body {
    /// Seals a payload under a header's secret. None when the ratchet is past that day.
    pub fn seal<R: rand_core::CryptoRng + ?Sized>(
        reader: &Reader,
        wrapped: &Secret,
        stamp: BodyInfo,
        payload: &[u8],
        rng: &mut R,
    ) -> Option<Self> {
        let BodyInfo { version, day, sequence, device, issued, expires } = stamp;
        let mut body = Self { version, day, sequence, device, salt: Nonce::random(rng), issued, expires, sealed: Vec::new() };
        body.sealed = aead_seal(&body.key(reader, wrapped)?, 0, SEAL_BODY, &body.associated(), payload);
        Some(body)
    }

    /// Opens the body.
    pub fn open(&self, reader: &Reader, wrapped: &Secret) -> Result<Vec<u8>, OpenError> {
        aead_open(&self.key(reader, wrapped).ok_or(OpenError)?, 0, SEAL_BODY, &self.associated(), &self.sealed)
    }

    fn key(&self, reader: &Reader, wrapped: &Secret) -> Option<Secret> {
        let day = reader.day_key(self.day)?;
        let parts: [&[u8]; 7] = [
            reader.lookup.as_bytes(),
            &reader.generation.to_be_bytes(),
            &self.version.to_be_bytes(),
            &self.day.to_be_bytes(),
            &self.sequence.to_be_bytes(),
            self.device.as_bytes(),
            self.salt.as_bytes(),
        ];
        Some(derive_salted(day.expose(), wrapped.expose(), KEY_BODY, &parts))
    }

    fn associated(&self) -> Vec<u8> {
        [self.issued.0.to_be_bytes(), self.expires.0.to_be_bytes()].concat()
    }
}

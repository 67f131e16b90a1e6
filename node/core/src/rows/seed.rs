//! Seeds of envelopes: those of ours under which a device writes to us, and the one of a device's under which we write.

use crate::wire::{Known, Piece};
use crate::world::Sealed;
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::envelope::KNOWN_MAX;
use symbolon_presence::id::{DeviceId, EpochId, RoomId};
use symbolon_presence::seal::NONCE;
use symbolon_presence::seeds::{EnvelopeKey, FAR_AHEAD, Opener, Ratchet};
use symbolon_presence::time::Timestamp;

/// What opens envelopes of one device under one seed that was said to it. The seed itself is not kept: by it every
/// envelope could be opened again.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Inbound {
    #[n(0)]
    pub number: u64,
    /// The room in which it was said.
    #[n(1)]
    pub room: RoomId,
    #[n(2)]
    pub opener: Opener,
    /// When the device first used a newer one.
    #[n(3)]
    pub replaced: Option<Timestamp>,
}

/// The newest seed of a device that was read, and how far it was used.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Outbound {
    #[n(0)]
    pub number: u64,
    /// The room in which it was said.
    #[n(1)]
    pub room: RoomId,
    #[n(2)]
    pub ratchet: Ratchet,
    /// One more than the highest counter under it that the device has acknowledged.
    #[n(3)]
    pub acknowledged: u64,
    /// Whether another member has said it of the device, which has not said it itself.
    #[n(4)]
    pub is_hearsay: Option<bool>,
}

impl Outbound {
    /// Whether nothing more can be sealed under it before the device has acknowledged something: so far it looks.
    pub fn is_full(&self) -> bool {
        self.ratchet.next() >= self.acknowledged.saturating_add(FAR_AHEAD)
    }
}

/// What waits for a device that holds our certificate: it is sealed when somebody takes it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Inner {
    /// The payload of a known envelope.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub payload: Vec<u8>,
    /// How it was sealed last.
    #[n(1)]
    pub wrapper: Option<Wrapper>,
}

impl Inner {
    /// Around a room message; none when it is too long for any envelope.
    pub fn around(room: RoomId, sealed: &Sealed, sequence: Option<u64>) -> Option<Self> {
        Self::part(room, sealed.epoch, sequence, (None, &sealed.bytes))
    }

    /// Around one part of a room message.
    pub fn part(room: RoomId, epoch: EpochId, sequence: Option<u64>, (piece, part): (Option<Piece>, &[u8])) -> Option<Self> {
        let known = Known { room, epoch, sequence, mls: part.to_vec(), piece };
        let payload = codec::encode(&known);
        (payload.len() <= KNOWN_MAX).then_some(Self { payload, wrapper: None })
    }
}

/// By what the same envelope is made again as often as it is put.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Wrapper {
    /// Number of the seed.
    #[n(0)]
    pub seed: u64,
    #[n(1)]
    pub key: EnvelopeKey,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub nonce: [u8; NONCE],
}

/// The key of an inbound seed's row: device, then number.
pub(crate) fn inbound_key(device: &DeviceId, number: u64) -> Vec<u8> {
    [device.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

/// Device and number.
pub(crate) fn split_inbound_key(key: &[u8]) -> Option<(DeviceId, u64)> {
    let (device, number) = key.split_last_chunk::<8>()?;
    Some((DeviceId::from_slice(device)?, u64::from_be_bytes(*number)))
}

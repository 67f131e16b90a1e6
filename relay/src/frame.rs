//! The frames of `/symbolon/mailbox/1`.
//!
//! A frame is a version byte and a CBOR array `[kind, [body]]`. The bodies stand in the modules of
//! those who say them; nothing in them is believed by itself.

use crate::carry::{Carried, Carry};
use crate::limits::FRAME_MAX;
use crate::packages::{Fetch, Fetched, Stock};
use crate::prove::Prove;
use crate::put::{Put, Receipt};
use crate::records::{Away, Found, Keep};
use crate::session::{Accepted, Ack, Deposit, Session, Update};
use minicbor::{Decode, Encode};
use symbolon_presence::codec::{self, CodecError};
use symbolon_presence::id::LookupId;

/// One frame on a mailbox stream.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Frame {
    /// Deposit an envelope.
    #[n(0)]
    Put(#[n(0)] Put),
    /// What became of deposits.
    #[n(1)]
    Receipt(#[n(0)] Receipt),
    /// Owner to relay: who may write to my mailbox.
    #[n(2)]
    Update(#[n(0)] Update),
    /// Owner to relay: I am here.
    #[n(3)]
    Session(#[n(0)] Session),
    /// Relay to owner: how your mailbox stands.
    #[n(4)]
    Accepted(#[n(0)] Accepted),
    /// Relay to owner: an entry of your mailbox.
    #[n(5)]
    Deposit(#[n(0)] Deposit),
    /// Owner to relay: these are settled.
    #[n(6)]
    Ack(#[n(0)] Ack),
    /// What lies under this id?
    #[n(7)]
    Lookup(#[n(0)] LookupId),
    /// That, or nothing.
    #[n(8)]
    Found(#[n(0)] Found),
    /// Owner to relay: let these records be found on their day.
    #[n(9)]
    Away(#[n(0)] Away),
    /// Owner to relay: these are my packages.
    #[n(10)]
    Stock(#[n(0)] Stock),
    /// Friend to relay: a package of somebody's.
    #[n(11)]
    Fetch(#[n(0)] Fetch),
    /// That, or none.
    #[n(12)]
    Fetched(#[n(0)] Fetched),
    /// Friend to friend: let our friends find these records of mine.
    #[n(13)]
    Keep(#[n(0)] Keep),
    /// Friend to friend: who is behind this end of the link.
    #[n(14)]
    Prove(#[n(0)] Prove),
    /// Friend to friend: take this along to somebody.
    #[n(15)]
    Carry(#[n(0)] Carry),
    /// Friend to friend: what became of what was taken along.
    #[n(16)]
    Carried(#[n(0)] Carried),
}

impl Frame {
    /// The frame's bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a frame of at most [`FRAME_MAX`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, FRAME_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon_presence::id::DeviceId;
    use symbolon_presence::kdf::Secret;
    use symbolon_presence::seal::DhKey;
    use symbolon_presence::seeds::{Ratchet, Seed};

    #[test]
    fn frames_read_back_and_nothing_else_is_accepted() {
        let (a, b) = (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]));
        let seed = Seed { number: 1, secret: Secret::from_bytes([9; 32]) };
        let envelope = Ratchet::agree(&seed, &a, &b.public(), &DeviceId([1; 16]), &DeviceId([2; 16])).turn().seal(&[0; 12], b"x").unwrap();
        let put = Frame::Put(Put::new(vec![1; 100], &Secret::from_bytes([4; 32]), 60, None, envelope).unwrap());
        let bytes = put.encode();
        assert_eq!(Frame::decode(&bytes), Ok(put));
        assert!(Frame::decode(&[&bytes[..], &[0]].concat()).is_err());
        assert!(Frame::decode(&vec![1; FRAME_MAX + 1]).is_err());
        for cut in 0..bytes.len() {
            assert!(Frame::decode(&bytes[..cut]).is_err());
        }
    }
}

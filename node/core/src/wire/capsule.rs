//! Where a capsule lies: what somebody finds who has nothing but the recovery phrase, and knows any server. The protocol page is
//! `docs/protocol/recovery.md`.

use crate::limits::RELAY_MAILBOXES_MAX;
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::record::RECORD_MAX;
use symbolon_relay::link::RelayLink;

/// The relays of a device that leaves a capsule.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CapsulePlaces {
    /// At most [`RELAY_MAILBOXES_MAX`].
    #[n(0)]
    pub relays: Vec<RelayLink>,
}

impl CapsulePlaces {
    /// Reads what was sealed and checks its bounds.
    pub fn decode(plain: &[u8]) -> Option<Self> {
        let places: Self = codec::decode(plain, RECORD_MAX).ok()?;
        (places.relays.len() <= RELAY_MAILBOXES_MAX && places.relays.iter().all(RelayLink::is_bounded)).then_some(places)
    }
}

impl std::fmt::Debug for CapsulePlaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CapsulePlaces(..)")
    }
}

//! What is being written and was not sent.

use super::note::SetBy;
use crate::wire::DraftPlace;
use minicbor::{Decode, Encode};
use symbolon_presence::id::PeerId;

/// What the user has typed in one conversation and not sent, at one of their devices. Under its place.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Draft {
    #[n(0)]
    pub place: DraftPlace,
    /// How often it was changed, and which device has done so last.
    #[n(1)]
    pub set: SetBy,
    /// At most [`TEXT_MAX`](crate::limits::TEXT_MAX) bytes; empty once it was sent or taken back.
    #[n(2)]
    pub text: String,
}

impl Draft {
    /// One that nobody has written yet.
    pub fn none(place: DraftPlace, own: PeerId) -> Self {
        Self { place, set: SetBy { version: 0, by: own }, text: String::new() }
    }
}

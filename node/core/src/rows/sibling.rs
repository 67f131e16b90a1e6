//! Own devices, and how the person stands to others as all of them see it.

use crate::command::Trust;
use crate::wire::{Gone, PersonSaid, PersonStanding};
use minicbor::{Decode, Encode};
use symbolon_presence::id::PeerId;
use symbolon_presence::time::Timestamp;

/// Another device of our own person. Under its Peer ID.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Sibling {
    #[n(0)]
    pub peer: PeerId,
    /// What it is called; none as long as it has not said, and so does not hold us for one of the person's devices yet.
    #[n(1)]
    pub label: Option<String>,
    /// When it came.
    #[n(2)]
    pub since: Timestamp,
    /// Texts with a lower arrival number were taken there.
    #[n(3)]
    pub taken: u64,
    /// It is ours no more.
    #[n(4)]
    pub gone: Option<Timestamp>,
    /// What says so.
    #[n(5)]
    pub said: Option<Gone>,
}

/// How the person stands to somebody. Under their Peer ID.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Person {
    /// What own devices have said of them, the newest.
    #[n(0)]
    pub said: PersonSaid,
    /// What their row here showed when it was last looked at: petname, trust, standing.
    #[n(1)]
    pub shown: (String, Trust, PersonStanding),
}

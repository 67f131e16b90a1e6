//! Where this node listens, and what of it is announced.

use crate::net::endpoint::Endpoint;
use crate::net::place::Place;
use std::io;

/// Where the node listens, as far as known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) endpoints: Vec<Endpoint>,
    /// Where relays forward connections to this node.
    pub(super) circuits: Vec<Place>,
    /// Where they will forward under the next key, or soon do after it has become this one.
    pub(super) promised: Vec<Place>,
    /// Whether the next key is about to take over.
    pub(super) is_leaving: bool,
    /// The sockets are being opened again: nothing of this is announced yet.
    pub(super) is_quiet: bool,
    /// Listeners that have not said anything yet.
    pub(super) pending: usize,
    /// What ended a listener.
    pub(super) failed: Option<io::ErrorKind>,
}

impl Listening {
    /// The circuits to be announced.
    pub(super) fn forwarded(&self) -> Vec<Place> {
        let mut told = self.promised.clone();
        if !self.is_leaving {
            told.extend(self.circuits.iter().cloned());
        }
        told.sort();
        told.dedup();
        told
    }
}

//! Whom users mean.

/// Whom the user means: a petname, a Peer ID, or a request id, as typed.
#[derive(Clone, PartialEq, Eq)]
pub struct Who(pub String);

//! What users see of how their node does.

use super::relay::RelayView;
use symbolon_presence::address::Address;
use symbolon_presence::time::Timestamp;

/// What works and what does not.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct StatusView {
    /// Friends with an open link.
    pub peers: usize,
    /// Envelopes not yet acknowledged.
    pub queue: u64,
    /// What the LAN shows; none while this node does not look.
    pub lan: Option<LanView>,
    /// How it stands with the DHT.
    pub dht: DhtView,
    /// Own relays.
    pub relays: Vec<RelayView>,
    /// Faults in words, each with what to do about it.
    pub problems: Vec<String>,
    /// Frames sent since start, by kind.
    pub sent_frames: Vec<(&'static str, u64)>,
    /// Frames refused or dropped since start, by reason.
    pub dropped_frames: Vec<(&'static str, u64)>,
}

/// A lookup server that the user has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupView {
    /// Where it is.
    pub lookup: Address,
    /// Whether it answered when it was last asked; `None` when it was not asked yet.
    pub answers: Option<bool>,
}

/// How it stands with the DHT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DhtView {
    /// Servers known now.
    pub servers: usize,
    /// Nodes on the LAN that stand in for them.
    pub neighbours: usize,
    /// When our newest records were last found by ourselves, in the DHT or at a lookup server.
    pub read_back: Option<Timestamp>,
    /// Lookup servers of ours that answered when last asked, our relays among them, and all.
    pub lookups: (usize, usize),
}

/// What the LAN shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LanView {
    /// Friends on it.
    pub friends: usize,
    /// Until when this node shows its name to strangers.
    pub visible_until: Option<Timestamp>,
    /// Names of strangers who show theirs, while this node does.
    pub strangers: Vec<String>,
}

/// Counts and ages that show the user what is wrong. Names nobody.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DoctorView {
    /// Envelopes and held messages not yet acknowledged.
    pub waiting: u64,
    /// For how long the oldest message or request among them has waited, in milliseconds.
    pub oldest_wait: Option<u64>,
    /// Friends: neither ended nor blocked.
    pub friends: usize,
    /// Those of them with an open link.
    pub connected: usize,
    /// Those not connected of whom no device was ever heard.
    pub never_heard: usize,
    /// Those not connected and not heard for [`LONG_SILENCE`](crate::limits::LONG_SILENCE).
    pub long_silent: usize,
    /// Friends that were ended or blocked here.
    pub parted: usize,
    /// Friends whom the LAN shows; `None` when this node neither looks nor shows itself there.
    pub near: Option<usize>,
    /// Own addresses as they are now: those that lead here from other machines, and all.
    pub places: (usize, usize),
    /// Relays that keep a mailbox for us now, and all that should.
    pub relays: (usize, usize),
    /// Where records are, and how long ago our newest ones were last read back there, in milliseconds.
    pub lookup: (DhtView, Option<u64>),
    /// How it stands with what the recovery phrase alone needs; none on a device without the root key.
    pub recovery: Option<RecoveryView>,
    /// Faults in words, as in [`StatusView::problems`].
    pub problems: Vec<String>,
}

/// How it stands with what the recovery phrase alone needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecoveryView {
    /// Whether the words were shown: before that, nobody can have written them down.
    pub is_shown: bool,
    /// Relays at which it was left since the start, and all that should have it.
    pub relays: (usize, usize),
    /// How long ago it was last left at one, in milliseconds.
    pub left: Option<u64>,
}

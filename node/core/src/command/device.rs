//! What users see of their own devices.

use symbolon_presence::id::DeviceId;
use symbolon_presence::time::Timestamp;

/// A device of our own.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnDeviceView {
    /// The device.
    pub device: DeviceId,
    /// What it is called; empty when nobody has said.
    pub name: String,
    /// Serial of its certificate.
    pub serial: u64,
    /// Whether it is this one.
    pub this: bool,
    /// Whether it holds the root key: it lets others in.
    pub first: bool,
    /// Its fingerprint words: the ones of its own Peer ID.
    pub words: String,
    /// Whether a link to it is open; `None` for this one, or while nothing was tried yet.
    pub online: Option<bool>,
    /// When it was heard last.
    pub heard: Option<Timestamp>,
    /// Whether both have each other.
    pub settled: bool,
    /// When it was removed.
    pub removed: Option<Timestamp>,
}

/// How far asking to be somebody's device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoiningView {
    /// Whether it has come to its end, well or not.
    pub is_over: bool,
    /// Why it waits, or has failed.
    pub reason: Option<&'static str>,
}

/// Our own devices.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnDevicesView {
    /// The first one first, then by serial.
    pub devices: Vec<OwnDeviceView>,
    /// How far this one is that asks to be somebody's.
    pub joining: Option<JoiningView>,
}

/// A pairing code.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingView {
    /// What is typed or scanned at the other device.
    pub code: String,
    /// When it stops being good.
    pub expires: Timestamp,
}

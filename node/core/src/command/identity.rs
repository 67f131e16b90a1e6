//! What users see of themselves and of the ways in that they have handed out.

use symbolon_presence::id::{DeviceId, GrantId, PeerId};
use symbolon_presence::time::Timestamp;

/// This node's identity.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityView {
    /// Peer ID.
    pub id: PeerId,
    /// Fingerprint words, separated by single spaces.
    pub words: String,
    /// Own name as sent to friends.
    pub name: String,
    /// This device.
    pub device: DeviceId,
    /// Whether anyone who knows the Peer ID may ask for friendship.
    pub findable: bool,
    /// As what the own name poses, if so: it is not refused, but others see it marked.
    pub beware: Option<&'static str>,
}

/// An invite made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteView {
    /// Its id.
    pub invite: GrantId,
    /// When it stops being good.
    pub expires: Timestamp,
    /// Where it stands.
    pub state: InviteState,
    /// Whether a server was found to have its body since the start.
    pub is_kept: bool,
}

/// Where an invite stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteState {
    /// Good for the first one who comes.
    Open,
    /// Somebody who holds the link has put something else in the place of its body: nobody can use it.
    Spoiled,
    /// Somebody has asked by it.
    Used,
    /// Too old.
    Expired,
    /// Taken back.
    Revoked,
}

/// What the user has set for this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingsView {
    /// Whether the user is asked before a room is shown into which a friend has brought them.
    pub asks_for_rooms: bool,
    /// Whether friends who knock at a room are vouched for without a question.
    pub vouches: bool,
}

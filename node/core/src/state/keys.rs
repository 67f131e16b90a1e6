//! What is known of devices: keys that are computed once, who speaks in a room, and what builds take.

use super::State;
use crate::limits;
use crate::wire::{Capabilities, OpenCredential};
use crate::world::Member;
use symbolon_presence::id::{DeviceId, PublicKeyBytes, RoomId};
use symbolon_presence::identity::Device as Speaker;
use symbolon_presence::identity::{CERT_MAX, DeviceCertBody, KNOWN_LONGER};
use symbolon_presence::seal::DhPublic;
use symbolon_presence::time::Timestamp;
use symbolon_relay::prove::LinkKey;

impl State {
    /// What a device shares with this one to prove links.
    pub fn link_key(&mut self, device: &DeviceId) -> Option<&LinkKey> {
        if !self.link_keys.contains_key(device) {
            let other = self.devices.get(device)?;
            let cert: DeviceCertBody = symbolon_presence::codec::decode(&other.chain.cert, CERT_MAX).ok()?;
            let dh = DhPublic::parse(&cert.dh).ok()?;
            let me = &self.own.identity;
            self.link_keys.insert(*device, LinkKey::agree(&me.dh, &dh, &me.device, device));
        }
        self.link_keys.get(device)
    }

    /// The device whose a leaf is, verified once and then remembered.
    /// It is somebody known: their certificate may have expired, as [`Chain::verify_known`] says.
    pub fn speaker(&mut self, room: &RoomId, member: &Member, sure: Timestamp) -> Option<Speaker> {
        let name = (*room, PublicKeyBytes(member.leaf.0));
        if let Some(known) = self.speakers.get(&name).filter(|known| !known.not_after.after(KNOWN_LONGER).is_expired_at(sure)) {
            return Some(known.clone());
        }
        let speaker = match self.leaves.get(&name) {
            Some(known) => known.chain.verify_known(sure).ok()?,
            None if self.has_leaves(room) => return None,
            // Of a room that an older build made. The leaf's key signs for its credential in the room's tree.
            None => OpenCredential::verify(&member.credential, room, &member.leaf.0, sure)?,
        };
        if self.speakers.len() >= limits::SPEAKERS_MAX {
            self.speakers.clear();
        }
        self.speakers.insert(name, speaker.clone());
        Some(speaker)
    }

    /// Whether a device has said that its build takes something.
    pub fn can(&self, device: &DeviceId, what: Capabilities) -> bool {
        self.devices.get(device).and_then(|row| row.capabilities).is_some_and(|theirs| theirs.has(what))
    }
}

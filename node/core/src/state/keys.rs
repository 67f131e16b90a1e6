//! Keys that are computed once: of envelopes, of links, and of who speaks in a room.

use super::State;
use crate::limits;
use crate::wire::LeafCredential;
use symbolon_presence::envelope::KnownKey;
use symbolon_presence::id::{DeviceId, RoomId};
use symbolon_presence::identity::Device as Speaker;
use symbolon_presence::identity::{CERT_MAX, DeviceCertBody, KNOWN_LONGER};
use symbolon_presence::kdf::sha256;
use symbolon_presence::seal::DhPublic;
use symbolon_presence::time::Timestamp;
use symbolon_relay::prove::LinkKey;

impl State {
    /// The key of known envelopes to a device.
    pub fn envelope_key_to(&mut self, device: &DeviceId) -> Option<KnownKey> {
        self.envelope_keys(device).map(|(to, _)| to.clone())
    }

    /// The key of known envelopes from a device.
    pub fn envelope_key_from(&mut self, device: &DeviceId) -> Option<KnownKey> {
        self.envelope_keys(device).map(|(_, from)| from.clone())
    }

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

    /// The device that a leaf's credential proves, verified once and then remembered.
    /// It is somebody known: their certificate may have expired, as [`Chain::verify_known`] says.
    pub fn speaker(&mut self, room: &RoomId, leaf: &[u8; 32], credential: &[u8], sure: Timestamp) -> Option<Speaker> {
        // All parts but the last are of fixed length, so nothing else has this hash.
        let name = sha256(&[room.as_bytes().as_slice(), leaf, credential].concat());
        if let Some(known) = self.speakers.get(&name).filter(|known| !known.not_after.after(KNOWN_LONGER).is_expired_at(sure)) {
            return Some(known.clone());
        }
        let speaker = LeafCredential::verify_known(credential, room, leaf, sure)?;
        if self.speakers.len() >= limits::SPEAKERS_MAX {
            self.speakers.clear();
        }
        self.speakers.insert(name, speaker.clone());
        Some(speaker)
    }

    fn envelope_keys(&mut self, device: &DeviceId) -> Option<&(KnownKey, KnownKey)> {
        let other = self.devices.get(device)?;
        let me = &self.own.identity;
        if !self.envelope_keys.contains_key(device) {
            let cert: DeviceCertBody = symbolon_presence::codec::decode(&other.chain.cert, CERT_MAX).ok()?;
            let dh = DhPublic::parse(&cert.dh).ok()?;
            let to = KnownKey::agree(&me.dh, &dh, &me.device, device);
            let from = KnownKey::agree(&me.dh, &dh, device, &me.device);
            self.envelope_keys.insert(*device, (to, from));
        }
        self.envelope_keys.get(device)
    }
}

//! Reads what a node shows. Nothing is believed here beyond its form.

use super::networks::{Networks, is_of_a_cable};
use crate::net::{Carrier, pinned_address};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use mdns_sd::{ResolvedService, ScopedIp};
use std::collections::BTreeSet;
use symbolon_core::seam::{Announcement, Instance, LanPlaces, Network, Sighting};
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::lan::Carrier as Shown;

/// The service under which nodes are found.
pub(super) const SERVICE: &str = "_symbolon._udp.local.";
/// Version of what is shown. The tags of version 1 bound no places.
pub(super) const VERSION: &str = "2";
/// Interfaces on which one record is taken to have been heard.
const ZONES_MAX: usize = 4;

pub(super) fn instance_of(name: &str) -> Option<Instance> {
    let label = name.strip_suffix(SERVICE)?.strip_suffix('.')?;
    HEXLOWER.decode(label.as_bytes()).ok()?.try_into().ok()
}

/// Reads what a node shows; none when it is of another form.
pub(super) fn sighting_of(service: &ResolvedService, networks: &Networks) -> Option<Sighting> {
    let text = |key| service.get_property_val_str(key);
    let bytes = |key| HEXLOWER.decode(text(key)?.as_bytes()).ok();
    if text("v") != Some(VERSION) {
        return None;
    }
    let transport = PublicKeyBytes(bytes("k")?.try_into().ok()?);
    let shown = Announcement {
        instance: instance_of(service.get_fullname())?,
        hour: text("h")?.parse().ok()?,
        tag: bytes("g")?.try_into().ok()?,
        places: LanPlaces::decode(&BASE64URL_NOPAD.decode(text("a")?.as_bytes()).ok()?)?,
        name: text("n").map(ToOwned::to_owned),
    };
    let zones: BTreeSet<Network> = service.get_addresses().iter().flat_map(zones_of).filter(|zone| *zone != 0).collect();
    let (mut places, mut near) = (Vec::new(), Vec::new());
    for place in shown.places.iter() {
        let carrier = match place.carrier {
            Shown::Quic => Carrier::Quic,
            Shown::Tcp => Carrier::Tcp,
        };
        let is_of_a_cable = is_of_a_cable(place.ip);
        let zones: Vec<Network> = if is_of_a_cable { zones.iter().copied().take(ZONES_MAX).collect() } else { vec![0] };
        let dialled = zones.iter().filter_map(|zone| pinned_address(place.ip, *zone, carrier, place.port, &transport));
        for address in dialled {
            if is_of_a_cable || networks.reach(place.ip) {
                near.push(address.clone());
            }
            places.push(address);
        }
    }
    Some(Sighting { shown, transport, places, near })
}

/// The indices of the interfaces on which an address was heard.
#[allow(clippy::wildcard_enum_match_arm, reason = "the enum is the library's and open-ended")]
fn zones_of(address: &ScopedIp) -> Vec<Network> {
    match address {
        ScopedIp::V4(scoped) => scoped.interface_ids().iter().map(|interface| interface.index).collect(),
        ScopedIp::V6(scoped) => vec![scoped.scope_id().index],
        // What a later version of the library may know.
        _ => Vec::new(),
    }
}

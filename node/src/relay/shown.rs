//! A relay on the LAN: shown to those who have nothing but their recovery phrase, or a friend's machine.
//!
//! It looks like the node of a stranger: a tag that belongs to nobody, places and the transport key. All of it but the tag is in the
//! relay's link anyway. What it does for others it does there as anywhere.

use crate::lan::{Lan, LanHandle, LanMode};
use crate::net::Net;
use std::collections::BTreeMap;
use std::time::Duration;
use symbolon_core::limits::LAN_NETWORKS_MAX;
use symbolon_core::seam::{Announcement, Input, Instance, LanPlaces, Network};
use symbolon_presence::time::HOUR;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::interval;

/// How much the LAN may say before it waits. Nothing of it is kept.
const HEARD: usize = 64;
/// How often it is looked whether another hour has begun.
const LOOK: Duration = Duration::from_secs(60);

/// A relay that is shown.
pub(super) struct Shown {
    lan: Lan,
    keeper: JoinHandle<()>,
}

/// Shows the relay, if it can be reached from the LAN.
pub(super) fn show(net: &Net) -> Option<Shown> {
    let named = !net.is_everywhere();
    let mut sockets = net.all_sockets();
    if named {
        sockets.retain(|(ip, ..)| !ip.is_loopback());
    }
    if sockets.is_empty() {
        return None;
    }
    let (sender, inputs) = mpsc::channel(HEARD);
    let lan = Lan::start(LanMode::Friends, named, &sockets, net.transport_key(), sender);
    let lan = lan.inspect_err(|error| tracing::warn!(%error, "the relay cannot be shown on the local network")).ok()?;
    let keeper = tokio::spawn(keep(lan.handle(), inputs));
    Some(Shown { lan, keeper })
}

impl Shown {
    /// Takes back what is shown.
    pub(super) async fn stop(self) {
        self.keeper.abort();
        self.lan.stop().await;
    }
}

/// Shows what is right now: with each hour, and when the machine's addresses change.
async fn keep(lan: LanHandle, mut inputs: mpsc::Receiver<Input>) {
    let mut clock = interval(LOOK);
    let mut shown: BTreeMap<Network, Announcement> = BTreeMap::new();
    let mut places: Vec<(Network, LanPlaces)> = Vec::new();
    loop {
        let is_new = tokio::select! {
            _ = clock.tick() => false,
            input = inputs.recv() => match input {
                Some(Input::LanUp { networks, .. } | Input::LanMoved(networks)) => {
                    places = networks;
                    true
                }
                // What others show is no business of a relay.
                Some(_) => continue,
                None => return,
            },
        };
        let hour = hour();
        if !is_new && shown.values().all(|shown| shown.hour == hour) {
            continue;
        }
        let of = |network: &Network, places: &LanPlaces| announcement(shown.get(network), hour, places);
        let next = places.iter().take(LAN_NETWORKS_MAX).filter_map(|(network, places)| Some((*network, of(network, places)?))).collect();
        shown = next;
        lan.announce(shown.iter().map(|(network, shown)| (*network, shown.clone())).collect());
    }
}

fn hour() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(now.as_millis() / u128::from(HOUR)).unwrap_or(u32::MAX)
}

/// What is shown on one network: under the instance of before, if there is one.
fn announcement(before: Option<&Announcement>, hour: u32, places: &LanPlaces) -> Option<Announcement> {
    let mut instance: Instance = Instance::default();
    match before {
        Some(before) => instance = before.instance,
        None => getrandom::fill(&mut instance).ok()?,
    }
    let mut tag = [0; 16];
    getrandom::fill(&mut tag).ok()?;
    Some(Announcement { instance, hour, tag, places: places.clone(), name: None })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use symbolon_presence::lan::{Carrier, LanPlace};

    #[test]
    fn a_relay_keeps_its_instance_and_shows_another_tag_each_hour() {
        let place = LanPlace { ip: [10, 9, 0, 1].into(), carrier: Carrier::Quic, port: 4_001 };
        let places = LanPlaces::new(vec![place]).unwrap();
        let first = announcement(None, 7, &places).unwrap();
        let next = announcement(Some(&first), 8, &places).unwrap();
        assert!(next.instance == first.instance && next.hour == 8 && next.tag != first.tag && next.name.is_none());
        assert_ne!(announcement(None, 7, &places).unwrap().instance, first.instance, "another one after a start");
    }
}

//! The task that looks again where the servers that the user has named are now.

use crate::net::endpoint::Target;
use crate::net::limits::{NAMES_AGAIN, NAMES_SOON};
use crate::net::links::Shared;
use crate::net::place::Place;
use crate::net::request::Request;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use symbolon_core::seam::Address;

/// Keeps the task that owns the swarm informed where the user's lookup servers and DHT servers
/// are now: at once when they change, and again after a while when there are names among them.
pub(super) async fn refresh(shared: Arc<Shared>) {
    let names = &shared.names;
    let (mut bootstrap_told, mut lookups_told) = (None, None);
    loop {
        let (bootstrap, lookups) = names.given();
        let has_names =
            |addresses: &Vec<Address>| addresses.iter().filter_map(Place::from_address).any(|place| matches!(place, Place::Named(_)));
        let any = lookups.iter().any(has_names) || bootstrap.iter().any(|place| matches!(place, Place::Named(_)));
        let mut is_lost = false;
        let mut called = Vec::new();
        for place in &bootstrap {
            let targets = names.targets(std::slice::from_ref(place)).await;
            is_lost |= targets.is_empty();
            called.extend(targets.into_iter().map(Target::multiaddr));
        }
        let each = lookups.iter().map(|addresses| async {
            (addresses.clone(), if has_names(addresses) { names.sockets(addresses).await } else { addresses.clone() })
        });
        let servers = futures::future::join_all(each).await;
        is_lost |= servers.iter().any(|(_, sockets)| sockets.is_empty());
        if bootstrap_told.as_ref() != Some(&called) && !called.is_empty() {
            bootstrap_told = Some(called.clone());
            let _ = shared.requests.send(Request::Bootstrap(called)).await;
        }
        if lookups_told.as_ref() != Some(&servers) {
            lookups_told = Some(servers.clone());
            let number = shared.told.fetch_add(1, Ordering::Relaxed);
            let _ = shared.requests.send(Request::Lookups(number, servers)).await;
        }
        let pause = if is_lost { NAMES_SOON } else { NAMES_AGAIN };
        tokio::select! {
            () = names.changed() => {}
            () = tokio::time::sleep(pause), if any => {}
        }
    }
}

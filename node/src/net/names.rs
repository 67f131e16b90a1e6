//! How a DNS name becomes sockets to dial: at each dial, by the system's resolver.

use crate::net::endpoint::Target;
use crate::net::limits::{ADDRESSES_MAX, RESOLVE_TIME, RESOLVING_MAX};
use crate::net::lock::lock;
use crate::net::place::{Named, Place};
use std::sync::{Arc, Mutex};
use symbolon_core::seam::Address;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

/// What is known of names.
#[derive(Debug)]
pub(super) struct Names {
    /// Questions on their way. One that takes too long holds its place, as it holds a thread.
    asking: Arc<Semaphore>,
    given: Mutex<Given>,
    changed: Notify,
}

/// What the user has named; bounded by what the core and the command line take.
#[derive(Debug, Default)]
struct Given {
    bootstrap: Vec<Place>,
    lookups: Vec<Vec<Address>>,
}

impl Default for Names {
    fn default() -> Self {
        Self { asking: Arc::new(Semaphore::new(RESOLVING_MAX)), given: Mutex::default(), changed: Notify::new() }
    }
}

impl Names {
    /// What the user has named: DHT servers, and lookup servers each by its addresses.
    pub(super) fn given(&self) -> (Vec<Place>, Vec<Vec<Address>>) {
        let given = lock(&self.given);
        (given.bootstrap.clone(), given.lookups.clone())
    }

    /// Returns when that has changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn bootstrap(&self, places: Vec<Place>) {
        lock(&self.given).bootstrap = places;
        self.changed.notify_one();
    }

    pub(super) fn lookups(&self, servers: Vec<Vec<Address>>) {
        lock(&self.given).lookups = servers;
        self.changed.notify_one();
    }

    /// Whether the user has named this name: by a relay, a lookup server or `--bootstrap`.
    fn is_given(&self, name: &str) -> bool {
        let is_it = |place: &Place| matches!(place, Place::Named(named) if named.name.eq_ignore_ascii_case(name));
        let given = lock(&self.given);
        given.bootstrap.iter().any(is_it) || given.lookups.iter().flatten().filter_map(Place::from_address).any(|place| is_it(&place))
    }

    async fn resolve(&self, named: &Named) -> Vec<Target> {
        let ask = async {
            let turn = self.asking.clone().acquire_owned().await.ok()?;
            let (name, port) = (named.name.clone(), named.port);
            let question = tokio::spawn(async move {
                let _turn = turn;
                tokio::net::lookup_host((name.as_str(), port)).await.map(|found| found.map(|socket| socket.ip()).collect::<Vec<_>>())
            });
            question.await.ok()?.ok()
        };
        let answers = timeout(RESOLVE_TIME, ask).await.ok().flatten().unwrap_or_default();
        named.targets(answers.into_iter(), self.is_given(&named.name))
    }

    /// What the places lead to now, names asked for together, at most [`ADDRESSES_MAX`].
    pub(super) async fn targets(&self, places: &[Place]) -> Vec<Target> {
        let each = places.iter().map(|place| async move {
            match place {
                Place::Target(target) => vec![*target],
                Place::Named(named) => self.resolve(named).await,
            }
        });
        let mut targets = Vec::new();
        for target in futures::future::join_all(each).await.into_iter().flatten() {
            if targets.len() < ADDRESSES_MAX && !targets.contains(&target) {
                targets.push(target);
            }
        }
        targets
    }

    /// The same for addresses, those that lead through relays left out.
    pub(super) async fn sockets(&self, addresses: &[Address]) -> Vec<Address> {
        let places: Vec<Place> =
            addresses.iter().take(ADDRESSES_MAX).filter_map(Place::from_address).filter(|place| !place.is_circuit()).collect();
        self.targets(&places).await.into_iter().map(Target::address).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn localhost_is_resolved_by_the_system_and_shown_by_no_debug_text() {
        let names = Names::default();
        let place = Place::from_multiaddr(&"/dns4/localhost/tcp/5".parse().unwrap()).unwrap();
        let targets = names.targets(std::slice::from_ref(&place)).await;
        let texts: Vec<_> = targets.iter().map(|target| target.multiaddr().to_string()).collect();
        assert_eq!(texts, ["/ip4/127.0.0.1/tcp/5"]);
        assert!(!format!("{place:?}").contains("localhost"));
    }
}

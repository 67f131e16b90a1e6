//! One dial: all addresses at once, the first connection with a stream wins. Relays are asked
//! only once the friend's own addresses had their chance.
//!
//! The race itself runs in the task that owns the swarm; here is what surrounds it: the
//! time-out, the turn among other dials, and the answer to the core.

use crate::net::endpoint::Target;
use crate::net::limits::HEAD_START;
use crate::net::links::{Place, Shared};
use crate::net::place;
use crate::net::pulse::Opened;
use crate::net::request::Request;
use libp2p::Stream;
use std::pin::pin;
use std::sync::Arc;
use symbolon_core::seam::DialId;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Tries the places and serves the link that comes of it until it ends.
pub(super) async fn dial(shared: Arc<Shared>, dial: DialId, generation: u64, places: Vec<place::Place>) {
    let won = timeout(shared.limits.dial, open(&shared, places)).await;
    match won.ok().flatten() {
        Some((stream, place)) => {
            shared.serve(stream, place, Some((dial, generation))).await;
        }
        None => shared.dial_failed(dial, generation).await,
    }
}

async fn open(shared: &Shared, places: Vec<place::Place>) -> Option<(Stream, Place)> {
    let room = shared.outbound_place()?;
    let _turn = shared.dial_room.acquire().await.ok()?;
    let (mut targets, mut by_name) = (Vec::new(), Vec::new());
    for place in places {
        match place {
            place::Place::Target(target) => targets.push(target),
            place::Place::Named(_) => by_name.push(place),
        }
    }
    let (stream, connection, pulse) = if by_name.is_empty() {
        reach(shared, targets).await?
    } else {
        // What needs no resolver does not wait for it.
        let mut known = pin!(reach(shared, targets));
        let mut named = pin!(async { reach(shared, shared.names.targets(&by_name).await).await });
        tokio::select! {
            won = &mut known => match won { Some(won) => won, None => named.await? },
            won = &mut named => match won { Some(won) => won, None => known.await? },
        }
    };
    Some((stream, Place { _room: room, _inbound: None, _connection: connection, pulse }))
}

async fn reach(shared: &Shared, targets: Vec<Target>) -> Option<Opened> {
    let by_relay: Vec<Target> = targets.iter().copied().filter(|target| target.is_circuit()).collect();
    let mut first = pin!(race(shared, targets, false));
    match timeout(HEAD_START, &mut first).await {
        Ok(Some(won)) => Some(won),
        Ok(None) if by_relay.is_empty() => None,
        Ok(None) => race(shared, by_relay, true).await,
        Err(_) if by_relay.is_empty() => first.await,
        Err(_) => {
            let mut second = pin!(race(shared, by_relay, true));
            // Who is late finds nobody waiting, and is closed.
            tokio::select! {
                won = &mut first => match won { Some(won) => Some(won), None => second.await },
                won = &mut second => match won { Some(won) => Some(won), None => first.await },
            }
        }
    }
}

async fn race(shared: &Shared, targets: Vec<Target>, by_relay: bool) -> Option<Opened> {
    let (answer, opened) = oneshot::channel();
    shared.requests.send(Request::Race { targets, by_relay, answer }).await.ok()?;
    opened.await.ok()
}

//! All links and dials of a node: what exists, what may exist, and what the core hears.
//!
//! A link is *known* from the moment its [`Input::LinkUp`] is queued until its
//! [`Input::LinkDown`] is queued or the core closes it. Both steps happen under one lock
//! together with the queueing, so each link has one beginning and at most one end, and
//! nothing is queued for a link after `close` or `reset` has returned.

use crate::net::door::{Bounds, Door, Source};
use crate::net::givers::Giver;
use crate::net::limits::Limits;
use crate::net::link::{self, Link};
use crate::net::lock::lock;
use crate::net::names::Names;
use crate::net::pulse::Pulse;
use crate::net::request::Request;
use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId as TransportId;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, Stream};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use symbolon_core::seam::{self, DialId, Input, LinkId};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// What the handle, the swarm's task and the links' tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) requests: mpsc::Sender<Request>,
    /// Addresses are to be announced again.
    pub(super) announce: Notify,
    /// Who of those that others have opened may stay.
    pub(super) door: Arc<Door>,
    /// Room for links in both directions, and how much of it others may take.
    pub(super) room: Arc<Semaphore>,
    pub(super) inbound_room: Arc<Semaphore>,
    /// Who waits for one of the latter.
    entrance: tokio::sync::Mutex<()>,
    pub(super) dial_room: Semaphore,
    /// To whom a relay of ours forwards; each of them is connected.
    pub(super) admitted: Arc<Mutex<HashSet<TransportId>>>,
    /// Numbers what is sent to the task that owns the swarm, where the last one counts.
    pub(super) told: AtomicU64,
    /// Whether the user has said where this node is: then relays do not announce what it finds
    /// itself.
    pub(super) is_announced: bool,
    /// Whether rooms may have their hub here.
    pub(super) is_hub: bool,
    /// DNS names.
    pub(super) names: Names,
    next_link: AtomicU64,
    /// Bytes waiting to be written on all links.
    waiting: Arc<AtomicUsize>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Bounded by [`Limits::links`]: each entry's task holds a permit.
    links: HashMap<LinkId, Served>,
    /// Rises with every reset; what began in an earlier generation is reported to nobody.
    generation: u64,
}

/// A link, and the connection that it is on.
#[derive(Debug, Clone)]
struct Served {
    link: Arc<Link>,
    pulse: Pulse,
}

/// What a link occupies; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) _room: OwnedSemaphorePermit,
    pub(super) _inbound: Option<OwnedSemaphorePermit>,
    pub(super) _connection: OwnedSemaphorePermit,
    /// Signs of life on the connection.
    pub(super) pulse: Pulse,
}

impl Shared {
    pub(super) fn new(limits: Limits, inputs: mpsc::Sender<Input>, requests: mpsc::Sender<Request>) -> Self {
        let Limits { silent_sockets: silent, handshakes, strangers, connections: places, .. } = limits;
        Self {
            door: Arc::new(Door::new(Bounds { silent, handshakes, strangers, places })),
            room: Arc::new(Semaphore::new(limits.links)),
            inbound_room: Arc::new(Semaphore::new(limits.inbound_links)),
            entrance: tokio::sync::Mutex::default(),
            dial_room: Semaphore::new(limits.dials),
            announce: Notify::new(),
            told: AtomicU64::new(0),
            next_link: AtomicU64::new(1),
            waiting: Arc::default(),
            admitted: Arc::default(),
            is_announced: false,
            is_hub: false,
            names: Names::default(),
            known: Mutex::default(),
            limits,
            inputs,
            requests,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    pub(super) fn generation(&self) -> u64 {
        self.known().generation
    }

    pub(super) fn send(&self, link: LinkId, frame: Vec<u8>) {
        let served = self.known().links.get(&link).cloned();
        if let Some(served) = served {
            served.link.send(frame, &self.limits);
            self.relieve();
        }
    }

    /// While too much waits to be written on all links together, the one ends on which most waits:
    /// what it does not read is what the others lack.
    fn relieve(&self) {
        while self.waiting.load(Ordering::Relaxed) > self.limits.queue_all {
            let most = self.known().links.values().map(|served| &served.link).max_by_key(|link| link.waiting()).cloned();
            // Links that were closed may hold the rest; they have little time left.
            let Some(most) = most.filter(|link| link.waiting() > 0) else { return };
            most.break_off();
        }
    }

    pub(super) fn close(&self, link: LinkId) {
        // Closed under the lock: a frame that is just being delivered is either before or never.
        if let Some(served) = self.known().links.remove(&link) {
            served.link.close();
        }
    }

    /// Forgets every link and every dial. Links end at once or, when `drain`, after what is queued.
    pub(super) fn forget_all(&self, drain: bool) {
        let mut known = self.known();
        known.generation += 1;
        for (_, served) in known.links.drain() {
            if drain { served.link.close() } else { served.link.break_off() }
        }
    }

    /// Ends every link, after what is queued or at once. The core hears of each end.
    pub(super) fn end_all(&self, drain: bool) {
        for served in self.known().links.values() {
            if drain { served.link.close() } else { served.link.break_off() }
        }
    }

    /// Whether any link has not ended.
    pub(super) fn is_serving(&self) -> bool {
        !self.known().links.is_empty()
    }

    /// The connection of a link, and who is at its other end.
    pub(super) fn end_of(&self, link: LinkId) -> Option<(ConnectionId, TransportId)> {
        self.known().links.get(&link).map(|served| (served.pulse.connection, served.pulse.peer))
    }

    /// Lets a relay of ours forward connections to the other end of a link.
    pub(super) fn admit(&self, link: LinkId) {
        if let Some((_, peer)) = self.end_of(link) {
            lock(&self.admitted).insert(peer);
        }
    }

    /// Who brings something by a connection from there: none where a relay forwards it.
    pub(super) fn giver(&self, peer: &TransportId, remote: Option<&Multiaddr>) -> Giver {
        if lock(&self.admitted).contains(peer) {
            // The key is drawn at each start, so the number means nothing elsewhere.
            let key = peer.to_bytes();
            return Giver::Owner(key.last_chunk().map_or(0, |last| u64::from_be_bytes(*last)));
        }
        Giver::Stranger(self.door.salted(remote.map_or(Source::Circuit, Source::of)))
    }

    /// Where a connection comes from, as a number that bounds what one stranger may use.
    pub(super) fn source_of(&self, remote: Option<&Multiaddr>) -> u64 {
        self.door.salted(remote.map_or(Source::Circuit, Source::of))
    }

    /// A frame that makes sense has come by a link.
    pub(super) fn heard(&self, link: LinkId) {
        if let Some(served) = self.known().links.get(&link) {
            served.link.hear();
        }
    }

    /// The place of a link is kept, or no longer.
    pub(super) fn keep(&self, link: LinkId, kept: bool) {
        // Under the lock: what is kept here is found by the end of the link.
        let known = self.known();
        if let Some(served) = known.links.get(&link)
            && served.link.keep(kept)
        {
            self.door.keep(served.pulse.connection, kept);
        }
    }

    /// Serves a stream that somebody else has opened, once there is a place. It waits at most
    /// for links that are ending: when there are too many, a stranger's connection goes.
    pub(super) async fn welcome(&self, stream: Stream, connection: OwnedSemaphorePermit, pulse: Pulse) {
        // One at a time, so that each costs others no more than it takes.
        let turn = self.entrance.lock().await;
        if self.inbound_room.available_permits() == 0 {
            self.door.make_room(pulse.connection, pulse.source);
        }
        let Ok(inbound) = self.inbound_room.clone().acquire_owned().await else { return };
        let Ok(room) = self.room.clone().acquire_owned().await else { return };
        drop(turn);
        let place = Place { _room: room, _inbound: Some(inbound), _connection: connection, pulse };
        self.serve(stream, place, None).await;
    }

    /// Tells that a dial has failed, unless it belongs to an earlier generation.
    pub(super) async fn dial_failed(&self, dial: DialId, generation: u64) {
        let Ok(permit) = self.inputs.reserve().await else { return };
        if self.known().generation == generation {
            permit.send(Input::DialFailed(dial));
        }
    }

    /// Announces a link and serves it until it ends. `None` for a dial of an earlier generation.
    pub(super) async fn serve<S>(&self, stream: S, place: Place, dial: Option<(DialId, u64)>) -> Option<link::End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        place.pulse.carries();
        let id = LinkId(self.next_link.fetch_add(1, Ordering::Relaxed));
        let link = Arc::new(Link::counted(&self.waiting));
        {
            let permit = self.inputs.reserve().await.ok()?;
            let mut known = self.known();
            if dial.is_some_and(|(_, generation)| generation != known.generation) {
                return None;
            }
            known.links.insert(id, Served { link: link.clone(), pulse: place.pulse.clone() });
            let source = seam::Source(self.door.salted(place.pulse.source));
            let Pulse { path, keys, .. } = place.pulse;
            permit.send(Input::LinkUp { link: id, dial: dial.map(|(dial, _)| dial), path, source, keys });
        }
        let pulse = place.pulse.clone();
        let end = tokio::select! {
            end = link::run(id, &link, stream, &self.inputs, &self.limits, || pulse.heard()) => end,
            () = pulse.given_up() => link::End::Gone,
            // Whom we have dialled is judged by what is asked of them.
            () = link.stays_unheard(self.limits.unheard), if dial.is_none() => link::End::Unheard,
        };
        tracing::trace!(?end, "link ended");
        // Nothing more can be sent; what the core still queues is dropped.
        link.break_off();
        if self.known().links.contains_key(&id)
            && let Ok(permit) = self.inputs.reserve().await
            && self.known().links.remove(&id).is_some()
        {
            permit.send(Input::LinkDown(id));
        }
        if link.keep(false) {
            self.door.keep(pulse.connection, false);
        }
        // The place is given back last: who opens and closes links faster than the core takes
        // inputs holds places, not memory.
        drop(place);
        Some(end)
    }

    /// A place for a link of our own, if there is one.
    pub(super) fn outbound_place(&self) -> Option<OwnedSemaphorePermit> {
        self.room.clone().try_acquire_owned().ok()
    }

    #[cfg(test)]
    pub(super) fn link(&self, link: LinkId) -> Option<Arc<Link>> {
        self.known().links.get(&link).map(|served| served.link.clone())
    }

    /// Bytes waiting to be written on all links.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn link_count(&self) -> usize {
        self.known().links.len()
    }
}

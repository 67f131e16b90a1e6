//! What the core wants done on the network, handed to the tasks that do it.

use crate::net::address::dialable;
use crate::net::dial;
use crate::net::endpoint::Target;
use crate::net::links::Shared;
use crate::net::request::Request;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use symbolon_core::seam::{Address, AskId, CloseReason, DialId, LinkId, Look, NetAction, QuestionId};
use symbolon_presence::id::LookupId;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Dials, sends and closes, from any thread, without ever waiting. Cheap to clone.
#[derive(Debug, Clone)]
pub struct NetHandle {
    pub(super) shared: Arc<Shared>,
    runtime: Handle,
}

impl NetHandle {
    pub(super) fn new(shared: Arc<Shared>, runtime: Handle) -> Self {
        Self { shared, runtime }
    }

    /// Does what the core wants done on the network.
    pub fn act(&self, action: NetAction) {
        match action {
            NetAction::Dial(dial, addresses) => self.dial(dial, addresses),
            NetAction::Send(link, frame) => self.send(link, frame),
            NetAction::Close(link, reason) => self.close(link, reason),
            NetAction::Reserve(link) => self.reserve(link),
            NetAction::Heard(link) => self.heard(link),
            NetAction::Keep(link, kept) => self.keep(link, kept),
            NetAction::Punch(link, is_allowed) => self.punch(link, is_allowed),
            NetAction::Rekey(is_now) => self.rekey(is_now),
            NetAction::Admit(link) => self.admit(link),
            NetAction::Publish { everywhere, servers } => self.publish(everywhere, servers),
            NetAction::Resolve(id, at) => self.resolve(id, at),
            NetAction::Lookups(servers) => self.lookups(servers),
            NetAction::AskHub(ask, places, bytes) => self.ask_hub(ask, places, bytes),
            NetAction::AnswerHub(question, bytes) => self.answer_hub(question, bytes),
            NetAction::Host(owner, record) => self.host(owner, record),
            NetAction::Bootstrap(addresses) => self.bootstrap(addresses),
            NetAction::Neighbours(places) => self.neighbours(places),
        }
    }

    /// Tries all addresses together. Answered by [`Input::LinkUp`] with this dial, or by
    /// [`Input::DialFailed`] after 10 s at the latest (and room in the inputs).
    ///
    /// Addresses that are malformed, of another kind, or unspecified are skipped; of the
    /// rest at most eight are tried. Our own transport key is no link.
    pub(super) fn dial(&self, dial: DialId, addresses: Vec<Address>) {
        let targets = dialable(&addresses);
        let generation = self.shared.generation();
        // Each of these tasks ends with one input; how many there are at once is the core's to bound.
        self.runtime.spawn(dial::dial(self.shared.clone(), dial, generation, targets));
    }

    /// Queues a frame of 1 to [`MAX_FRAME`](symbolon_core::seam::MAX_FRAME) bytes. A link
    /// whose queue is full (1,024 frames or 8 MiB), or a frame of another length, ends the
    /// link with [`Input::LinkDown`].
    pub(super) fn send(&self, link: LinkId, frame: Vec<u8>) {
        self.shared.send(link, frame);
    }

    /// Closes a link. What is queued is still written, for at most a second. Nothing about
    /// this link is put into the inputs after this call; what was put there before stays.
    pub(super) fn close(&self, link: LinkId, _reason: CloseReason) {
        // The reason is not sent: the other side learns nothing from it that it should know.
        self.shared.close(link);
    }

    /// Asks the relay at the other end of a link to forward connections to this node, for as
    /// long as the connection stands. Where that leads is announced as an address.
    pub(super) fn reserve(&self, link: LinkId) {
        let Some((connection, _)) = self.shared.end_of(link) else { return };
        let shared = self.shared.clone();
        self.runtime.spawn(async move { shared.requests.send(Request::Reserve(connection)).await });
    }

    /// A frame that makes sense has come by a link: it may stay.
    pub(super) fn heard(&self, link: LinkId) {
        self.shared.heard(link);
    }

    /// A link is a friend's or an owner's, whose place strangers cannot take; or no longer.
    pub(super) fn keep(&self, link: LinkId, kept: bool) {
        self.shared.keep(link, kept);
    }

    /// Takes another transport key. First it is drawn, and [`Input::Addresses`] says where relays
    /// will forward; with `is_now` all links end, and the node listens under it on the same
    /// sockets. A relay keeps its key.
    pub(super) fn rekey(&self, is_now: bool) {
        let shared = self.shared.clone();
        self.runtime.spawn(async move { shared.requests.send(Request::Rekey(is_now)).await });
    }

    /// The one behind a link that a relay forwards may know where this node is, or no longer:
    /// a hole is punched to them, on their word where we dialled, else on ours.
    pub(super) fn punch(&self, link: LinkId, is_allowed: bool) {
        let Some((connection, _)) = self.shared.end_of(link) else { return };
        let shared = self.shared.clone();
        let number = shared.told.fetch_add(1, Ordering::Relaxed);
        self.runtime.spawn(async move { shared.requests.send(Request::Punch(number, connection, is_allowed)).await });
    }

    /// As a relay, forwards connections to the other end of a link.
    pub(super) fn admit(&self, link: LinkId) {
        self.shared.admit(link);
    }

    /// Lets these records be found, and no others of ours: the first ones by anyone, the others at our lookup servers only.
    pub(super) fn publish(&self, everywhere: Vec<Vec<u8>>, servers: Vec<Vec<u8>>) {
        let shared = self.shared.clone();
        // Two of these may overtake each other on the way: the later one counts.
        let number = shared.told.fetch_add(1, Ordering::Relaxed);
        // At once where there is room, so that a stop that follows finds it done.
        let full = match shared.requests.try_send(Request::Publish(number, everywhere, servers)) {
            Err(mpsc::error::TrySendError::Full(request)) => request,
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return,
        };
        self.runtime.spawn(async move { shared.requests.send(full).await });
    }

    /// Lets a record of somebody else be found.
    pub(super) fn host(&self, owner: u64, record: Vec<u8>) {
        let shared = self.shared.clone();
        self.runtime.spawn(async move { shared.requests.send(Request::Host(owner, record)).await });
    }

    /// Looks for a record. Answered by [`Input::Found`], any number of times, and by [`Input::Resolved`].
    pub(super) fn resolve(&self, id: LookupId, at: Look) {
        let shared = self.shared.clone();
        self.runtime.spawn(async move {
            let at = match at {
                Look::Servers(servers) => {
                    let sockets = servers.iter().map(|addresses| shared.names.sockets(addresses));
                    Look::Servers(futures::future::join_all(sockets).await)
                }
                Look::Dht | Look::Everywhere => at,
            };
            let _ = shared.requests.send(Request::Resolve(id, at)).await;
        });
    }

    /// These are our lookup servers, each by its addresses. How they answer is reported by
    /// [`Input::Lookups`].
    pub(super) fn lookups(&self, servers: Vec<Vec<Address>>) {
        self.shared.names.lookups(servers);
    }

    /// Asks the hub of rooms at these addresses. Answered by [`Input::HubAnswered`].
    pub(super) fn ask_hub(&self, ask: AskId, places: Vec<Address>, bytes: Vec<u8>) {
        let shared = self.shared.clone();
        self.runtime.spawn(async move {
            let sockets = shared.names.sockets(&places).await;
            let _ = shared.requests.send(Request::AskHub(ask, sockets, bytes)).await;
        });
    }

    /// As a hub, answers a question.
    pub(super) fn answer_hub(&self, question: QuestionId, bytes: Vec<u8>) {
        let shared = self.shared.clone();
        self.runtime.spawn(async move { shared.requests.send(Request::AnswerHub(question, bytes)).await });
    }

    /// Makes up a DHT with the nodes at these addresses of the LAN and with those who join, until
    /// it is given `None`.
    pub(super) fn neighbours(&self, places: Option<Vec<Address>>) {
        let shared = self.shared.clone();
        let number = shared.told.fetch_add(1, Ordering::Relaxed);
        self.runtime.spawn(async move { shared.requests.send(Request::Neighbours(number, places)).await });
    }

    /// DHT servers may be at these addresses.
    pub(super) fn bootstrap(&self, addresses: Vec<Address>) {
        let mut places = dialable(&addresses);
        places.retain(|place| !place.is_circuit());
        let shared = self.shared.clone();
        self.runtime.spawn(async move {
            let targets = shared.names.targets(&places).await.into_iter().map(Target::multiaddr).collect();
            let _ = shared.requests.send(Request::Bootstrap(targets)).await;
        });
    }

    /// Breaks all links and forgets all dials, without another input about them, and tells
    /// the addresses again: for a core that has been loaded again.
    pub fn reset(&self) {
        self.shared.forget_all(false);
        self.shared.announce.notify_one();
        let shared = self.shared.clone();
        self.runtime.spawn(async move { shared.requests.send(Request::Servers).await });
    }
}

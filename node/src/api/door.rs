//! The sockets of the API: which are served, and which give way.
//!
//! Everybody on this machine can open connections to loopback. A connection is a
//! *stranger's* until a request on it carries a good token; then it is *let in*. Those let
//! in have [`CONNECTIONS_MAX`] places of their own that no stranger can take. Strangers
//! share [`STRANGERS_MAX`] places, and the newest always gets one: first goes the oldest
//! that has sent no byte, then the oldest with half a request, then the oldest that is
//! being answered. Nothing here knows HTTP or tokens; that is [`guard`](super::guard).

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Connections with a good token that are served at once; the next one waits.
pub const CONNECTIONS_MAX: usize = 64;
/// Connections without a good token at once; the oldest gives way to the newest.
pub const STRANGERS_MAX: usize = 128;

/// How far a connection has got. The order is that of giving way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// No byte has come.
    Silent,
    /// Bytes have come, no whole request.
    Speaking,
    /// A whole request has come.
    Asking,
    /// It has shown a good token and waits for a place.
    Waiting,
    /// It has one of the places for those with a good token.
    LetIn,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Silent, Self::Speaking, Self::Asking, Self::Waiting, Self::LetIn];
}

/// Keeps the places.
#[derive(Debug)]
pub struct Door {
    strangers: Mutex<Strangers>,
    places: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Strangers {
    entered: u64,
    by_number: BTreeMap<u64, Arc<Visitor>>,
}

/// One connection.
#[derive(Debug)]
pub struct Visitor {
    number: u64,
    stage: AtomicU8,
    place: Mutex<Option<OwnedSemaphorePermit>>,
    sent_away: Notify,
}

impl Default for Door {
    fn default() -> Self {
        Self { strangers: Mutex::default(), places: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Door {
    /// Takes a new connection in, as a stranger; when strangers are too many, one goes.
    pub fn enter(&self) -> Arc<Visitor> {
        let mut strangers = self.strangers();
        while strangers.by_number.len() >= STRANGERS_MAX {
            send_one_away(&mut strangers);
        }
        strangers.entered += 1;
        let number = strangers.entered;
        let visitor = Visitor { number, stage: AtomicU8::new(0), place: Mutex::default(), sent_away: Notify::new() };
        let visitor = Arc::new(visitor);
        strangers.by_number.insert(number, Arc::clone(&visitor));
        visitor
    }

    /// A request with a good token has come: gives the connection a place of its own, and
    /// waits while all are taken.
    pub async fn let_in(&self, visitor: &Arc<Visitor>) {
        if visitor.is_let_in() {
            return;
        }
        visitor.reach(Stage::Waiting);
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        *visitor.place() = place;
        visitor.reach(Stage::LetIn);
        self.strangers().by_number.remove(&visitor.number);
    }

    /// The connection has ended; its place is free.
    pub fn leave(&self, visitor: &Visitor) {
        self.strangers().by_number.remove(&visitor.number);
        *visitor.place() = None;
    }

    /// Sends a stranger away because the system has no more descriptors.
    pub fn make_room(&self) {
        send_one_away(&mut self.strangers());
    }

    // Every change is complete before anything in it can panic.
    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send_one_away(strangers: &mut Strangers) {
    let first = strangers.by_number.values().min_by_key(|visitor| (visitor.stage(), visitor.number)).map(|visitor| visitor.number);
    if let Some(visitor) = first.and_then(|number| strangers.by_number.remove(&number)) {
        visitor.sent_away.notify_one();
    }
}

impl Visitor {
    /// A whole request has come.
    pub fn asks(&self) {
        self.reach(Stage::Asking);
    }

    /// Whether a good token was shown on this connection.
    pub fn is_known(&self) -> bool {
        self.stage() >= Stage::Waiting
    }

    /// Resolves when the connection has to give way.
    pub async fn sent_away(&self) {
        self.sent_away.notified().await;
    }

    fn is_let_in(&self) -> bool {
        self.stage() == Stage::LetIn
    }

    fn stage(&self) -> Stage {
        let reached = usize::from(self.stage.load(Ordering::Relaxed));
        Stage::ALL.get(reached).copied().unwrap_or(Stage::LetIn)
    }

    // Never goes back.
    fn reach(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::Relaxed);
    }

    fn place(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that notes when its first byte comes.
#[derive(Debug)]
pub struct Ear {
    stream: TcpStream,
    visitor: Arc<Visitor>,
}

impl Ear {
    /// Listens to a connection.
    pub fn new(stream: TcpStream, visitor: Arc<Visitor>) -> Self {
        Self { stream, visitor }
    }
}

impl AsyncRead for Ear {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.visitor.reach(Stage::Speaking);
        }
        read
    }
}

impl AsyncWrite for Ear {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[std::io::IoSlice<'_>]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use futures::FutureExt;

    fn is_sent_away(visitor: &Visitor) -> bool {
        visitor.sent_away().now_or_never().is_some()
    }

    #[tokio::test]
    async fn a110_newest_stranger_is_taken_in_and_the_least_of_the_others_goes() {
        let door = Door::default();
        let visitors: Vec<_> = (0..STRANGERS_MAX).map(|_| door.enter()).collect();
        visitors[0].asks();
        visitors[1].reach(Stage::Speaking);
        let gone = |visitors: &[Arc<Visitor>]| visitors.iter().position(|visitor| is_sent_away(visitor));
        door.enter();
        assert_eq!(gone(&visitors), Some(2), "the oldest that has sent no byte");
        for visitor in &visitors[3..] {
            visitor.reach(Stage::Speaking);
        }
        let silent = door.strangers().by_number.last_key_value().unwrap().1.clone();
        door.enter();
        assert!(is_sent_away(&silent), "the newest, when it alone is silent");
        let silent = door.strangers().by_number.last_key_value().unwrap().1.clone();
        silent.asks();
        door.enter();
        assert_eq!(gone(&visitors), Some(1), "the oldest with half a request");
        for _ in 0..10 * STRANGERS_MAX {
            door.enter();
        }
        assert!(!is_sent_away(&visitors[0]), "silent ones do not drive out one that is being answered");
        assert_eq!(door.strangers().by_number.len(), STRANGERS_MAX);
    }

    #[tokio::test]
    async fn a110_places_of_those_let_in_are_their_own() {
        let door = Door::default();
        let mut inside = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let visitor = door.enter();
            door.let_in(&visitor).await;
            inside.push(visitor);
        }
        for _ in 0..10 * STRANGERS_MAX {
            door.enter();
        }
        assert!(inside.iter().all(|visitor| visitor.is_known() && !is_sent_away(visitor)));
        let next = door.enter();
        assert!(door.let_in(&next).now_or_never().is_none(), "waits");
        for _ in 0..STRANGERS_MAX - 1 {
            door.enter();
        }
        assert!(!is_sent_away(&next), "and does not give way to silent ones meanwhile");
        door.leave(&inside[0]);
        assert!(door.let_in(&next).now_or_never().is_some());
        assert!(door.let_in(&inside[1]).now_or_never().is_some(), "at once on the next request");
    }
}

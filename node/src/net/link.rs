//! One link: a stream with a queue in front of it.
//!
//! [`Link`] is the side that the core's thread sees: it never waits. [`run`] is the task
//! behind it: it gathers queued frames into large writes, and hands arriving frames to the
//! inputs one by one. While nobody takes inputs it does not read, so the stream's window
//! holds the sender back and no memory grows.

use crate::net::frame::{FrameBuffer, FrameError, write_frame};
use crate::net::limits::{Limits, WRITE_BATCH};
use futures::future::{Either, select};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbolon_core::seam::{Input, LinkId, MAX_FRAME};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

/// What the core's thread holds of a link.
#[derive(Debug, Default)]
pub(super) struct Link {
    state: Mutex<State>,
    /// Something to write, or the phase has changed.
    wake: Notify,
    /// The task must end soon.
    closing: Notify,
    /// The task must end now.
    abort: Notify,
    /// Whether a frame that makes sense has come.
    is_heard: AtomicBool,
    /// Whether the place is kept.
    is_kept: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// Bounded by [`Limits::queue_frames`] and [`Limits::queue_bytes`].
    queue: VecDeque<Vec<u8>>,
    queued_bytes: usize,
    /// Those of all links together.
    all: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Open,
    /// Closed by us: what is queued is still written, nothing is delivered.
    Draining,
    /// Ends without another byte.
    Broken,
}

impl Link {
    /// A link whose waiting bytes are counted with those of others.
    pub(super) fn counted(all: &Arc<AtomicUsize>) -> Self {
        Self { state: Mutex::new(State { all: all.clone(), ..State::default() }), ..Self::default() }
    }

    /// Bytes that wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.lock().queued_bytes
    }

    /// Queues a frame. A frame that does not fit breaks the link: who reads so slowly
    /// cannot make us hold more.
    pub(super) fn send(&self, frame: Vec<u8>, limits: &Limits) {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return;
        }
        let fits = state.queue.len() < limits.queue_frames && state.queued_bytes + frame.len() <= limits.queue_bytes;
        if fits && !frame.is_empty() && frame.len() <= MAX_FRAME {
            state.queued_bytes += frame.len();
            state.all.fetch_add(frame.len(), Ordering::Relaxed);
            state.queue.push_back(frame);
            // A writer that finds more than one frame was woken by the first.
            let first = state.queue.len() == 1;
            drop(state);
            if first {
                self.wake.notify_one();
            }
        } else {
            state.end(Phase::Broken);
            drop(state);
            self.abort.notify_one();
        }
    }

    /// From now on nothing is delivered; what is queued may still be written.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Draining;
        }
        drop(state);
        self.closing.notify_one();
        self.wake.notify_one();
    }

    /// From now on nothing is delivered and nothing written.
    pub(super) fn break_off(&self) {
        self.lock().end(Phase::Broken);
        self.abort.notify_one();
    }

    /// A frame that makes sense has come.
    pub(super) fn hear(&self) {
        self.is_heard.store(true, Ordering::Relaxed);
    }

    /// Ends after so long, unless a frame that makes sense has come by then.
    pub(super) async fn stays_unheard(&self, patience: Duration) {
        sleep(patience).await;
        if self.is_heard.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }

    /// The place is kept, or no longer; whether that is new.
    pub(super) fn keep(&self, kept: bool) -> bool {
        self.is_kept.swap(kept, Ordering::Relaxed) != kept
    }

    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement, so a panic elsewhere cannot spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands one frame over, unless the link was closed meanwhile. Under the lock, so that
    /// nothing follows once [`Self::close`] has returned.
    fn deliver(&self, permit: mpsc::Permit<'_, Input>, input: Input) -> bool {
        let state = self.lock();
        if state.phase != Phase::Open {
            return false;
        }
        permit.send(input);
        true
    }

    fn next_write(&self, batch: &mut Vec<u8>) -> Next {
        let mut state = self.lock();
        while batch.len() < WRITE_BATCH {
            let Some(frame) = state.queue.pop_front() else { break };
            state.queued_bytes -= frame.len();
            state.all.fetch_sub(frame.len(), Ordering::Relaxed);
            write_frame(&frame, batch);
        }
        match state.phase {
            _ if !batch.is_empty() => Next::Write,
            Phase::Open => Next::Wait,
            Phase::Draining | Phase::Broken => Next::End,
        }
    }
}

impl State {
    fn end(&mut self, phase: Phase) {
        self.phase = phase;
        self.queue = VecDeque::new();
        self.all.fetch_sub(std::mem::take(&mut self.queued_bytes), Ordering::Relaxed);
    }
}

enum Next {
    Write,
    Wait,
    End,
}

/// Bytes that an idle link keeps for its next write.
const BATCH_AT_REST: usize = 4 * 1024;

/// A link without traffic for so long gives back the memory that large frames took.
const AT_REST: Duration = Duration::from_secs(1);

/// Why a link's task has ended. For counters and tests; the core needs no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Closed by us.
    Closed,
    /// The queue ran over, or the transport was reset.
    Broken,
    /// The other side is done, or the connection is gone.
    Gone,
    /// The other side sent what is no frame.
    Malformed(FrameError),
    /// Half a frame and then nothing, or nobody reads.
    Stalled,
    /// No frame that came made sense.
    Unheard,
    /// Nobody takes inputs any more.
    Orphaned,
}

/// Carries frames both ways until the link ends. `heard` is called for every read.
pub(super) async fn run<S>(id: LinkId, link: &Arc<Link>, stream: S, inputs: &mpsc::Sender<Input>, limits: &Limits, heard: impl Fn()) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut reader, mut writer) = stream.split();
    let io = async {
        let read = pin!(read_frames(id, link, &mut reader, inputs, limits.stall, heard));
        let write = pin!(write_frames(link, &mut writer, limits.stall));
        match select(read, write).await {
            // Closed while a frame was about to be delivered: the writer still drains.
            Either::Left((End::Closed, write)) => write.await,
            Either::Left((end, _)) | Either::Right((end, _)) => end,
        }
    };
    let drained = async {
        link.closing.notified().await;
        sleep(limits.drain).await;
    };
    tokio::select! {
        biased;
        () = link.abort.notified() => End::Broken,
        end = io => end,
        () = drained => End::Closed,
    }
}

async fn read_frames<R>(id: LinkId, link: &Link, reader: &mut R, inputs: &mpsc::Sender<Input>, stall: Duration, heard: impl Fn()) -> End
where
    R: AsyncRead + Unpin,
{
    let mut buffer = FrameBuffer::new();
    loop {
        loop {
            let frame = match buffer.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return End::Malformed(error),
            };
            let Ok(permit) = inputs.reserve().await else { return End::Orphaned };
            if !link.deliver(permit, Input::Frame(id, frame)) {
                return End::Closed;
            }
        }
        // Only half a frame makes somebody suspicious; a quiet link is a good link.
        let patience = match (buffer.is_partial(), buffer.is_swollen()) {
            (true, _) => Some(stall),
            (false, true) => Some(AT_REST),
            (false, false) => None,
        };
        let read = reader.read(buffer.room());
        let read = match patience {
            None => read.await,
            Some(patience) => match timeout(patience, read).await {
                Ok(read) => read,
                Err(_) if buffer.is_swollen() => {
                    buffer.shrink();
                    continue;
                }
                Err(_) => return End::Stalled,
            },
        };
        match read {
            Ok(0) | Err(_) => return End::Gone,
            Ok(count) => buffer.filled(count),
        }
        heard();
    }
}

async fn write_frames<W>(link: &Link, writer: &mut W, stall: Duration) -> End
where
    W: AsyncWrite + Unpin,
{
    let mut batch = Vec::new();
    let mut written = 0;
    let mut dirty = false;
    loop {
        if written == batch.len() {
            batch.clear();
            written = 0;
        }
        let next = if batch.is_empty() { link.next_write(&mut batch) } else { Next::Write };
        match next {
            Next::Write => match timeout(stall, writer.write(batch.get(written..).unwrap_or_default())).await {
                Ok(Ok(count)) if count > 0 => {
                    written += count;
                    dirty = true;
                }
                Ok(_) => return End::Gone,
                Err(_) => return End::Stalled,
            },
            Next::Wait if dirty => {
                match timeout(stall, writer.flush()).await {
                    Ok(Ok(())) => dirty = false,
                    Ok(Err(_)) => return End::Gone,
                    Err(_) => return End::Stalled,
                };
            }
            Next::Wait => {
                batch.shrink_to(BATCH_AT_REST);
                link.wake.notified().await;
            }
            Next::End => {
                // The other side's end of the stream is its affair: an error here changes nothing.
                let _ = timeout(stall, writer.close()).await;
                return End::Closed;
            }
        }
    }
}

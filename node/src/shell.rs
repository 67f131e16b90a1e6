//! The turn loop: the one thread that owns core, room cipher and store.
//!
//! It holds no protocol logic. A turn: begin a transaction; take up to [`TURN_INPUTS`]
//! waiting inputs and hand each to the core, applying its changes at once; close the turn;
//! flush the cipher; commit. Only then do actions leave, are commands answered and events
//! sent, so that nothing is seen outside that a power cut could take back.
//!
//! One kind of turn does not commit: one that took in receipts, wants nothing done outside, and is learned again when it is
//! lost. It is held, and becomes durable with the next turn, or within [`HELD_MAX`].
//!
//! The wall clock may jump. What a core holds in memory, when to dial next or how long an answer
//! may take, is dated by the clock as it was. So after a jump there is a new core, as after a
//! failed turn. The same happens when the process was suspended for a while: no link has outlived
//! that, and every pause before the next call is to be forgotten.
//!
//! A failed turn is a crash: the transaction is rolled back, core and cipher are dropped
//! and made again from the store, the turn's inputs are lost like frames on the wire, its
//! commands are answered so, and all links are closed. When that cannot be done, or the store
//! is damaged, the loop ends with the reason.

mod engine;
mod error;
mod inbox;
pub mod live;
mod pace;
mod parts;

pub use error::RunError;
pub use parts::{LoadFailed, Machine, Parts, Transport, TurnCipher};

use crate::clock::Clock;
use crate::handle::{CommandRequest, NumberedEvent};
use crate::health::{Failure, Vitals};
use crate::store::{LOG_LIMIT, LOG_STEP, OpenError, Store, StoreError};
use engine::{Engine, Released};
use inbox::{Inbox, Item};
use pace::{Calm, Upkeep};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbolon_core::command::{Command, CommandError, Reply};
use symbolon_core::seam::{Action, CommandId, Input};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Most inputs in one turn. Half of the window between two nodes: while one commits a half,
/// the other works on the other half (a fifth more messages a second than with 64).
pub const TURN_INPUTS: usize = 32;
/// Inputs from the network waiting for the core thread; then who sends is held back.
pub const INPUT_QUEUE: usize = 1_024;

/// A turn that is held becomes durable within this, if no other turn comes before.
pub const HELD_MAX: Duration = Duration::from_millis(100);

/// Longest sleep: the wall clock may jump while the loop waits, and is looked at again.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A loop that does not look for this long was suspended: [`LONGEST_WAIT`] is a third of that.
const GAP: Duration = Duration::from_secs(30);
/// Pause between two lines of the log that say that turns fail.
const SAID_PAUSE: Duration = Duration::from_secs(60);

/// What joins the loop to the rest of the node.
pub struct Ends<T, C> {
    /// Commands from the face.
    pub commands: mpsc::Receiver<CommandRequest>,
    /// Inputs from the network; made with room for [`INPUT_QUEUE`].
    pub inputs: mpsc::Receiver<Input>,
    /// Events to the face.
    pub events: broadcast::Sender<NumberedEvent>,
    /// Turns true when the node shall stop.
    pub stop: watch::Receiver<bool>,
    /// Actions to the network.
    pub transport: T,
    /// The wall clock.
    pub clock: C,
    /// Where failures are noted.
    pub vitals: Arc<Vitals>,
}

/// What follows from an answer.
#[derive(Debug)]
pub enum Applied {
    /// The next command.
    GoOn,
    /// Nothing more.
    Stop(CommandError),
}

/// Carries commands out on a store, without a network, one turn each; then leaves the store complete in its one file. Stops
/// behind the first one whose answer says so.
pub fn apply<P: Parts, C: Clock>(
    store: Store,
    parts: P,
    clock: C,
    commands: impl Iterator<Item = Command>,
    answered: &mut dyn FnMut(Result<Reply, CommandError>) -> Applied,
) -> Result<Result<(), CommandError>, RunError> {
    let (mut engine, _) = Engine::load(Rc::new(store), parts, clock)?;
    let mut result = Ok(());
    for (command, number) in commands.zip(0..) {
        let released = match engine.turn(vec![Input::Command(CommandId(number), command)]) {
            Ok(released) => released,
            Err(StoreError::Full) => {
                result = Err(CommandError::StoreFull);
                break;
            }
            Err(fault) => return Err(RunError::Failed(fault)),
        };
        let reply = released.actions.into_iter().find_map(|action| if let Action::Reply(_, reply) = action { Some(reply) } else { None });
        if let Some(Applied::Stop(error)) = reply.map(&mut *answered) {
            result = Err(error);
            break;
        }
    }
    engine.finish()?;
    Ok(result)
}

/// Runs turns until a stop is asked for, then leaves the store complete in its one file.
/// Blocks; belongs in a thread of its own.
pub fn run<P: Parts, T: Transport, C: Clock>(store: Store, parts: P, ends: Ends<T, C>) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(RunError::System)?;
    let damage = store.check_rest();
    let (engine, released) = Engine::load(Rc::new(store), parts, ends.clock)?;
    let mut shell = Shell {
        engine,
        inbox: Inbox::new(ends.commands, ends.inputs),
        transport: ends.transport,
        events: ends.events,
        stop: ends.stop,
        damage: Some(damage),
        waiting: BTreeMap::new(),
        next_command: 0,
        next_event: 0,
        calm: Calm::default(),
        upkeep: Upkeep::default(),
        held: None,
        vitals: ends.vitals,
        said: None,
    };
    shell.vitals.turn_done(shell.engine.last(), false);
    shell.release(released);
    let served = runtime.block_on(shell.serve());
    if matches!(served, Ok(()) | Err(RunError::Moves)) {
        shell.engine.finish()?;
    }
    served
}

struct Shell<P: Parts, T, C> {
    engine: Engine<P, C>,
    inbox: Inbox,
    transport: T,
    events: broadcast::Sender<NumberedEvent>,
    stop: watch::Receiver<bool>,
    /// Gone once the background check has found everything whole.
    damage: Option<oneshot::Receiver<OpenError>>,
    /// Commands of the turn under way; never more than [`TURN_INPUTS`].
    waiting: BTreeMap<CommandId, oneshot::Sender<Result<Reply, CommandError>>>,
    next_command: u64,
    next_event: u64,
    calm: Calm,
    upkeep: Upkeep,
    /// Since when a turn is held.
    held: Option<Instant>,
    vitals: Arc<Vitals>,
    /// When the log has said last that a turn failed.
    said: Option<Instant>,
}

/// Why the loop wakes up.
enum Wake {
    Stop,
    Damage(Option<OpenError>),
    Item(Item),
    Time,
}

impl<P: Parts, T: Transport, C: Clock> Shell<P, T, C> {
    async fn serve(&mut self) -> Result<(), RunError> {
        loop {
            let takes_all = self.calm.is_over(Instant::now());
            let is_due = takes_all && self.engine.time_to_tick() == Some(Duration::ZERO);
            // With a tick due there is no waiting, but a look at everything else.
            let wait = if is_due { Duration::ZERO } else { self.longest_wait() };
            let mut inputs = Vec::with_capacity(TURN_INPUTS);
            if is_due {
                inputs.push(Input::Tick);
            }
            let asleep = self.engine.steady();
            let woken = self.wake(wait, takes_all).await;
            let (has_jumped, was_suspended) = (self.engine.has_jumped(), self.engine.steady().saturating_sub(asleep) > GAP);
            if has_jumped || was_suspended {
                tracing::warn!(has_jumped, was_suspended, "the node begins again");
                self.begin_again()?;
                // The tick was the old core's.
                inputs.clear();
            }
            match woken {
                Wake::Stop => return self.take_leave(),
                Wake::Damage(Some(error)) => return Err(RunError::Store(error)),
                Wake::Damage(None) => self.damage = None,
                Wake::Item(item) => {
                    let input = self.input(item);
                    inputs.push(input);
                }
                Wake::Time => {}
            }
            if !inputs.is_empty() {
                while inputs.len() < TURN_INPUTS
                    && let Some(item) = self.inbox.next(takes_all)
                {
                    let input = self.input(item);
                    inputs.push(input);
                }
                self.turn(inputs)?;
            }
            self.settle()?;
            self.keep_up()?;
        }
    }

    /// The last turn. Should it fail, the node stops without it: nothing rests on it.
    fn take_leave(&mut self) -> Result<(), RunError> {
        match self.engine.turn(vec![Input::Stopping]) {
            Ok(released) => self.release(released),
            Err(fault) => tracing::warn!(%fault, "the last turn failed and was taken back"),
        }
        Ok(())
    }

    fn longest_wait(&mut self) -> Duration {
        let now = Instant::now();
        let tick = self.engine.time_to_tick();
        let held = self.held.map(|since| (since + HELD_MAX).saturating_duration_since(now));
        [self.calm.left(now).or(tick), self.upkeep.left(now), held].into_iter().flatten().fold(LONGEST_WAIT, Duration::min)
    }

    async fn wake(&mut self, wait: Duration, takes_all: bool) -> Wake {
        let Self { stop, damage, inbox, .. } = self;
        tokio::select! {
            biased;
            // An error means that nobody is left who could ask: as good as a stop.
            _ = stop.wait_for(|stop| *stop) => Wake::Stop,
            found = found(damage) => Wake::Damage(found),
            item = inbox.wait(takes_all) => Wake::Item(item),
            () = pause(wait) => Wake::Time,
        }
    }

    /// Gives a command its number and remembers who waits for it.
    fn input(&mut self, item: Item) -> Input {
        match item {
            Item::Input(input) => input,
            Item::Command(request) => {
                let id = CommandId(self.next_command);
                self.next_command += 1;
                self.waiting.insert(id, request.reply);
                Input::Command(id, request.command)
            }
        }
    }

    fn turn(&mut self, inputs: Vec<Input>) -> Result<(), RunError> {
        let takes_all = self.calm.is_over(Instant::now());
        match self.engine.turn(inputs) {
            Ok(released) => {
                self.vitals.turn_done(self.engine.last(), released.wrote);
                self.release(released);
                if self.engine.moves() {
                    return Err(RunError::Moves);
                }
                if takes_all {
                    self.calm.succeed();
                }
                Ok(())
            }
            Err(fault) => self.crash(fault),
        }
    }

    /// Makes durable what is held, once it is time.
    fn settle(&mut self) -> Result<(), RunError> {
        if !self.engine.store().is_held() {
            self.held = None;
            return Ok(());
        }
        let since = *self.held.get_or_insert_with(Instant::now);
        if since.elapsed() < HELD_MAX {
            return Ok(());
        }
        self.held = None;
        self.engine.settle().or_else(|fault| self.crash(fault))
    }

    /// What a failed turn leads to.
    fn crash(&mut self, fault: StoreError) -> Result<(), RunError> {
        let is_said = self.said.is_some_and(|said| said.elapsed() < SAID_PAUSE);
        if P::LOGS_FAILURES && !is_said {
            self.said = Some(Instant::now());
            tracing::warn!(%fault, "something could not be written and was not done; it is tried again");
        }
        self.vitals.turn_failed(self.engine.last(), fault.words());
        self.answer_all(if fault == StoreError::Full { CommandError::StoreFull } else { CommandError::StoreFailed });
        if fault == StoreError::Damaged {
            self.transport.reset();
            return Err(self.engine.damaged());
        }
        self.calm.fail(Instant::now());
        self.begin_again()
    }

    /// Makes core and cipher from what is durable; all links end.
    fn begin_again(&mut self) -> Result<(), RunError> {
        self.transport.reset();
        let released = self.engine.reload()?;
        self.release(released);
        Ok(())
    }

    fn release(&mut self, released: Released) {
        for action in released.actions {
            match action {
                Action::Net(action) => self.transport.act(action),
                Action::Announce(shown) => self.transport.announce(shown),
                Action::Reply(id, result) => {
                    if let Some(reply) = self.waiting.remove(&id) {
                        // The caller may have gone; what was asked is done all the same.
                        let _ = reply.send(result);
                    }
                }
            }
        }
        for event in released.events {
            let number = self.next_event;
            self.next_event += 1;
            // Nobody may be listening.
            let _ = self.events.send(NumberedEvent { number, event });
        }
        if !self.waiting.is_empty() {
            // The core answers each command in its turn; a caller must not wait for ever.
            tracing::error!("a command was left without an answer");
            self.answer_all(CommandError::StoreFailed);
        }
    }

    fn answer_all(&mut self, error: CommandError) {
        for (_, reply) in std::mem::take(&mut self.waiting) {
            let _ = reply.send(Err(error));
        }
    }

    /// Rewinds the store's log when it is full, and empties it when it is time.
    fn keep_up(&mut self) -> Result<(), RunError> {
        if self.held.is_some() {
            return Ok(());
        }
        let now = Instant::now();
        let has_written = self.engine.take_wrote();
        if has_written {
            self.upkeep.wrote(now);
        }
        let store = self.engine.store();
        let limit = if self.inbox.is_empty() { LOG_STEP } else { LOG_LIMIT };
        let kept_up = if self.upkeep.is_due(now) {
            store.checkpoint().map(|()| {
                self.upkeep.done();
                self.vitals.log_moved(None);
            })
        } else if has_written && self.upkeep.may_rewind() && store.is_log_past(limit) == Ok(true) {
            store.rewind_log()
        } else {
            Ok(())
        };
        match kept_up {
            Ok(()) => Ok(()),
            Err(StoreError::Damaged) => Err(self.engine.damaged()),
            Err(error @ (StoreError::Full | StoreError::Busy | StoreError::Failed(_))) => {
                tracing::warn!(%error, "the store's log could not be moved into its file");
                self.vitals.log_moved(Some(Failure { at: self.engine.last(), what: error.words() }));
                self.upkeep.postpone(now);
                Ok(())
            }
        }
    }
}

/// Waits, or lets the runtime look at the queues once more: without that, a loop that never
/// waits would stop hearing them.
async fn pause(wait: Duration) {
    if wait.is_zero() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(wait).await;
    }
}

async fn found(damage: &mut Option<oneshot::Receiver<OpenError>>) -> Option<OpenError> {
    match damage {
        Some(damage) => damage.await.ok(),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;

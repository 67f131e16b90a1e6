//! One turn, from BEGIN to COMMIT, and the making of core and cipher from the store.
//!
//! Whatever a turn wants done outside comes back only after its commit.

use super::error::RunError;
use super::parts::{LoadFailed, Machine, Parts, TurnCipher};
use crate::clock::Clock;
use crate::store::{OpenError, Store, StoreError, Turn};
use std::rc::Rc;
use std::time::Duration;
use symbolon_core::TurnFailed;
use symbolon_core::seam::{Action, Event, Input};
use symbolon_core::world::{CipherError, ShelfError, ShelfMut, World};
use symbolon_presence::time::{SECOND, Timestamp};

/// The wall clock has jumped when it is this far, and a thousandth of the time that passed, from
/// where it should be: clocks that are set right little by little do not jump.
const JUMP: u64 = 5 * SECOND;

/// Owner of core, cipher and store.
pub(super) struct Engine<P: Parts, C> {
    live: Live<P>,
    parts: P,
    time: Time<C>,
    has_written: bool,
    store: Rc<Store>,
}

struct Live<P: Parts> {
    machine: P::Machine,
    cipher: P::Cipher,
}

/// What a durable turn wants done outside.
#[derive(Default)]
pub(super) struct Released {
    pub(super) actions: Vec<Action>,
    pub(super) events: Vec<Event>,
    /// Whether the core wrote anything in it.
    pub(super) wrote: bool,
}

/// Something in the turn failed; the store knows what.
struct Broken;

impl From<TurnFailed> for Broken {
    fn from(_: TurnFailed) -> Self {
        Self
    }
}

impl From<CipherError> for Broken {
    fn from(_: CipherError) -> Self {
        Self
    }
}

impl From<ShelfError> for Broken {
    fn from(_: ShelfError) -> Self {
        Self
    }
}

impl From<StoreError> for Broken {
    fn from(_: StoreError) -> Self {
        Self
    }
}

impl<P: Parts, C: Clock> Engine<P, C> {
    pub(super) fn load(store: Rc<Store>, mut parts: P, clock: C) -> Result<(Self, Released), RunError> {
        let mut time = Time::begin(clock);
        let (live, released) = load(&store, &mut parts, &mut time)?;
        Ok((Self { live, parts, time, has_written: true, store }, released))
    }

    /// Whether the wall clock has jumped since core and cipher were made: what they hold in
    /// memory is dated by another clock, and [`Engine::reload`] is the way on.
    pub(super) fn has_jumped(&mut self) -> bool {
        self.time.has_jumped()
    }

    /// How long this process has run, by a clock that does not jump.
    pub(super) fn steady(&mut self) -> Duration {
        self.time.clock.steady()
    }

    /// Makes core and cipher again from what is durable.
    pub(super) fn reload(&mut self) -> Result<Released, RunError> {
        let (live, released) = load(&self.store, &mut self.parts, &mut self.time)?;
        self.live = live;
        self.has_written = true;
        Ok(released)
    }

    /// Runs one turn. After an error nothing of it is durable, and core and cipher are
    /// stale: [`Engine::reload`] is the only way on.
    pub(super) fn turn(&mut self, inputs: Vec<Input>) -> Result<Released, StoreError> {
        // What failed between turns, a checkpoint for example, is no fault of this one.
        self.store.take_fault();
        let now = self.time.now();
        match self.attempt(now, inputs) {
            Ok(wrote) => Ok(Released { wrote, ..release(&mut self.live.machine) }),
            Err(Broken) => Err(self.store.take_fault().unwrap_or(StoreError::Failed("the core could not continue"))),
        }
    }

    fn attempt(&mut self, now: Timestamp, inputs: Vec<Input>) -> Result<bool, Broken> {
        let Live { machine, cipher } = &mut self.live;
        let mut turn = self.store.begin()?;
        let mut has_changed = false;
        for input in inputs {
            machine.handle(now, input, &mut World { cipher, shelf: &turn })?;
            has_changed |= apply_changes(machine, &mut turn)?;
        }
        machine.close_turn(now, &mut World { cipher, shelf: &turn })?;
        has_changed |= apply_changes(machine, &mut turn)?;
        end(cipher, turn, &self.store, machine.is_learned_again())?;
        self.has_written |= has_changed;
        Ok(has_changed)
    }

    /// Makes durable what was held. After an error nothing of it is, and core and cipher are stale.
    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        self.store.take_fault();
        self.store.settle()
    }

    /// How long until the core wants a tick; zero when one is due.
    pub(super) fn time_to_tick(&mut self) -> Option<Duration> {
        let (due, _reason) = self.live.machine.poll_timeout()?;
        Some(Duration::from_millis(due.since(self.time.now())))
    }

    /// Whether the folder is to become a device of its own.
    pub(super) fn moves(&self) -> bool {
        self.live.machine.moves()
    }

    /// The time of the last turn.
    pub(super) fn last(&self) -> Timestamp {
        self.time.now
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Whether anything was written since this was last asked.
    pub(super) fn take_wrote(&mut self) -> bool {
        std::mem::take(&mut self.has_written)
    }

    pub(super) fn damaged(&self) -> RunError {
        RunError::Store(OpenError::Damaged { file: self.store.path().to_path_buf() })
    }

    /// Lets go of core and cipher and leaves the store complete in its one file.
    pub(super) fn finish(self) -> Result<(), RunError> {
        let Self { live, parts, store, .. } = self;
        drop((live, parts));
        store.finish().map_err(RunError::Failed)
    }
}

fn load<P: Parts, C: Clock>(store: &Rc<Store>, parts: &mut P, time: &mut Time<C>) -> Result<(Live<P>, Released), RunError> {
    store.take_fault();
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(|error| RunError::System(std::io::Error::other(error)))?;
    let mut attempt = || -> Result<Live<P>, LoadFailed> {
        let failed = |_| LoadFailed("the store failed");
        let mut turn = store.begin().map_err(|_| LoadFailed("the store failed"))?;
        time.begin_again();
        let mut cipher = parts.cipher(store);
        let mut machine = parts.machine(&turn, time.now(), *seed)?;
        apply_changes(&mut machine, &mut turn).map_err(failed)?;
        end(&mut cipher, turn, store, false).map_err(failed)?;
        Ok(Live { machine, cipher })
    };
    match attempt() {
        Ok(mut live) => {
            let released = release(&mut live.machine);
            Ok((live, released))
        }
        Err(LoadFailed(what)) => Err(match store.take_fault() {
            Some(StoreError::Damaged) => RunError::Store(OpenError::Damaged { file: store.path().to_path_buf() }),
            Some(fault) => RunError::Failed(fault),
            None => RunError::Load(what),
        }),
    }
}

/// Applies everything that the core wants written; tells whether there was anything.
fn apply_changes(machine: &mut impl Machine, turn: &mut Turn<'_>) -> Result<bool, Broken> {
    let mut has_changed = false;
    while let Some(change) = machine.poll_change() {
        turn.apply(&change)?;
        has_changed = true;
    }
    Ok(has_changed)
}

/// Makes a turn durable, or holds it until the next one is.
fn end(cipher: &mut impl TurnCipher, turn: Turn<'_>, store: &Store, is_held: bool) -> Result<(), Broken> {
    cipher.flush()?;
    // A failure that the core or the cipher took for something else still fails the turn:
    // what they did after it may rest on a wrong answer.
    if store.has_fault() {
        turn.rollback();
        return Err(Broken);
    }
    if is_held {
        turn.hold();
        return Ok(());
    }
    Ok(turn.commit()?)
}

fn release(machine: &mut impl Machine) -> Released {
    Released {
        actions: std::iter::from_fn(|| machine.poll_action()).collect(),
        events: std::iter::from_fn(|| machine.poll_event()).collect(),
        wrote: false,
    }
}

/// The wall clock, and one beside it that never jumps.
struct Time<C> {
    clock: C,
    now: Timestamp,
    /// Both, when this run of the wall clock began.
    began: (Timestamp, Duration),
}

impl<C: Clock> Time<C> {
    fn begin(mut clock: C) -> Self {
        let now = clock.now();
        let began = (now, clock.steady());
        Self { clock, now, began }
    }

    fn begin_again(&mut self) {
        self.began = (self.now(), self.clock.steady());
    }

    fn now(&mut self) -> Timestamp {
        self.now = self.clock.now();
        self.now
    }

    fn has_jumped(&mut self) -> bool {
        let (wall, steady) = (self.now(), self.clock.steady());
        let run = u64::try_from(steady.saturating_sub(self.began.1).as_millis()).unwrap_or(u64::MAX);
        wall.0.abs_diff(self.began.0.after(run).0) > JUMP.saturating_add(run / 1_000)
    }
}

//! One simulated node: core, cipher and store, with the shell's turn around them.

use super::store::MemoryStore;
use symbolon_core::clear_cipher::ClearCipher;
use symbolon_core::seam::{Action, Event, Input};
use symbolon_core::table::Change;
use symbolon_core::world::{ShelfMut, World};
use symbolon_core::{Core, CoreConfig, TurnFailed};
use symbolon_presence::id::PeerId;
use symbolon_presence::time::Timestamp;

/// How a turn ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Commit,
    /// The process dies before the commit: nothing of the turn stays, nothing leaves.
    CrashBefore,
    /// The process dies behind the commit: all of it stays, nothing leaves.
    CrashAfter,
}

/// A simulated node.
pub struct SimNode {
    core: Option<Core>,
    /// The room cipher; its state belongs to the store's transactions.
    pub cipher: ClearCipher,
    /// The durable tables.
    pub store: MemoryStore,
    name: Option<String>,
    /// Rises with each start.
    pub incarnation: u64,
    /// The user.
    pub peer: PeerId,
    /// Running hash of inputs and changes.
    pub trace: Trace,
}

/// A hash over what happened, the same on every machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace(pub u64);

impl Trace {
    /// Adds a change.
    pub fn change(&mut self, change: &Change) {
        match change {
            Change::Put(table, key, value) => self.add(&[&[*table as u8][..], key, value].concat()),
            Change::Delete(table, key) => self.add(&[&[*table as u8][..], key, b"deleted"].concat()),
            Change::Index(number, text) => self.add(&[b"index", &number.to_be_bytes()[..], text.as_bytes()].concat()),
            Change::Unindex(number, text) => self.add(&[b"unindex", &number.to_be_bytes()[..], text.as_bytes()].concat()),
        }
    }

    /// Adds something.
    pub fn add(&mut self, bytes: &[u8]) {
        let digest = symbolon_presence::kdf::sha256(&[&self.0.to_be_bytes()[..], bytes].concat());
        self.0 = u64::from_be_bytes(digest[..8].try_into().unwrap());
    }
}

impl SimNode {
    /// A node that was never started.
    pub fn new(cipher_seed: [u8; 32], name: Option<String>) -> Self {
        let (store, trace) = (MemoryStore::default(), Trace::default());
        Self { core: None, cipher: ClearCipher::new(cipher_seed), store, name, incarnation: 0, peer: PeerId([0; 32]), trace }
    }

    /// Whether the process runs.
    pub fn is_up(&self) -> bool {
        self.core.is_some()
    }

    /// The core, while the process runs.
    pub fn core(&self) -> Option<&Core> {
        self.core.as_ref()
    }

    /// Starts the process from what is stored.
    pub fn start(&mut self, now: Timestamp, seed: [u8; 32]) {
        self.incarnation += 1;
        let core = Core::load(CoreConfig { name: self.name.clone() }, &self.store, now, seed).expect("the store of a simulated node loads");
        self.peer = core.peer();
        self.core = Some(core);
        // First-run rows are durable before anybody sees the identity.
        self.turn(now, vec![], End::Commit);
    }

    /// The process ends without notice.
    pub fn kill(&mut self) {
        self.core = None;
    }

    /// One turn over some inputs. `None` when the process died in it.
    pub fn turn(&mut self, now: Timestamp, inputs: Vec<Input>, end: End) -> Option<(Vec<Action>, Vec<Event>)> {
        let core = self.core.as_mut()?;
        let before = self.cipher.clone();
        let result = run(core, &mut self.cipher, &mut self.store, now, inputs, &mut self.trace);
        if result.is_err() || end == End::CrashBefore {
            self.store.roll_back();
            self.cipher = before;
            self.core = None;
            return None;
        }
        self.store.commit();
        if end == End::CrashAfter {
            self.core = None;
            return None;
        }
        let actions = std::iter::from_fn(|| core.poll_action()).collect();
        let events = std::iter::from_fn(|| core.poll_event()).collect();
        Some((actions, events))
    }

    /// Runs a closure on the core inside a turn of its own.
    pub fn with_core<T>(&mut self, f: impl FnOnce(&mut Core, &mut World<'_>) -> T) -> T {
        let core = self.core.as_mut().expect("the node runs");
        let result = f(core, &mut World { cipher: &mut self.cipher, shelf: &self.store });
        while let Some(change) = core.poll_change() {
            self.store.apply(&change).expect("the store has room");
        }
        self.store.commit();
        result
    }
}

fn run(
    core: &mut Core,
    cipher: &mut ClearCipher,
    store: &mut MemoryStore,
    now: Timestamp,
    inputs: Vec<Input>,
    trace: &mut Trace,
) -> Result<(), TurnFailed> {
    let apply = |core: &mut Core, store: &mut MemoryStore, trace: &mut Trace| -> Result<(), TurnFailed> {
        while let Some(change) = core.poll_change() {
            store.apply(&change)?;
            trace.change(&change);
        }
        Ok(())
    };
    for input in inputs {
        match &input {
            Input::Frame(link, bytes) => trace.add(&[&link.0.to_be_bytes()[..], bytes].concat()),
            Input::Command(..) => trace.add(b"command"),
            Input::Addresses(_) => trace.add(b"addresses"),
            Input::LinkUp { link, .. } => trace.add(&[b"link up", &link.0.to_be_bytes()[..]].concat()),
            Input::DialFailed(dial) => trace.add(&[b"dial failed", &dial.0.to_be_bytes()[..]].concat()),
            Input::LinkDown(link) => trace.add(&[b"link down", &link.0.to_be_bytes()[..]].concat()),
            Input::Tick => trace.add(b"tick"),
        }
        core.handle(now, input, &mut World { cipher: &mut *cipher, shelf: &*store })?;
        apply(core, store, trace)?;
    }
    core.close_turn(now, &mut World { cipher: &mut *cipher, shelf: &*store })?;
    apply(core, store, trace)
}

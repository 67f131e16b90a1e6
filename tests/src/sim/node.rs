//! One simulated node: core, cipher, store and clock, with the shell's turn around them.

use super::clock::NodeClock;
use super::rooms::{ClearRooms, Rooms};
use super::store::MemoryStore;
use super::trace::Trace;
use symbolon_core::command::{BackupCursor, BackupPlace, Command, Reply, SealedPart};
use symbolon_core::seam::{Action, CommandId, Event, Input};
use symbolon_core::table::Change;
use symbolon_core::wire::{BackupPart, Capabilities};
use symbolon_core::world::{RoomCipher, ShelfMut, World};
use symbolon_core::{Core, CoreConfig, TurnFailed};
use symbolon_presence::id::{Nonce, PeerId};
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

/// What came of a turn.
#[derive(Debug, Default)]
pub struct Ended {
    /// Whether the process lives on.
    pub is_up: bool,
    /// What became durable: of the turn, and of those before it that were held.
    pub changes: Vec<Change>,
    /// What the core wants done; nothing when the process died.
    pub actions: Vec<Action>,
    /// What the user is shown.
    pub events: Vec<Event>,
    /// Whether the process ends to begin again, as a device of its own.
    pub moves: bool,
}

/// A simulated node.
pub struct SimNode {
    core: Option<Core>,
    rooms: Box<dyn Rooms>,
    /// The durable tables.
    pub store: MemoryStore,
    /// What turns have written that become durable with the next one. A crash before that takes it back, though what they
    /// showed was shown.
    held: Vec<Change>,
    /// What has become durable between turns, and is said with the next one.
    between: Vec<Change>,
    /// The machine's clock.
    pub clock: NodeClock,
    name: Option<String>,
    /// Rises with each start.
    pub incarnation: u64,
    /// The user.
    pub peer: PeerId,
    /// A hash over all inputs.
    pub trace: Trace,
    /// A hash over all rows that it wrote.
    pub rows: Trace,
    /// The most notices that its machines had for each other in one input.
    pub notices: usize,
    /// The version of the wire that its build speaks, if it is another one.
    pub build: Option<u32>,
    /// At its next start this build takes the folder for an older one's.
    pub ages: bool,
    /// What its build takes; none for this one.
    pub takes: Option<Capabilities>,
    /// Whether it is a hub of its rooms, from its next start on.
    pub is_hub: bool,
}

impl SimNode {
    /// A node that was never started, with rooms in clear text.
    pub fn new(cipher_seed: [u8; 32], name: Option<String>) -> Self {
        Self::with_rooms(Box::new(ClearRooms::new(cipher_seed)), name)
    }

    /// A node that was never started.
    pub fn with_rooms(rooms: Box<dyn Rooms>, name: Option<String>) -> Self {
        let (store, clock) = (MemoryStore::default(), NodeClock::default());
        let (trace, rows) = (Trace::default(), Trace::default());
        Self {
            core: None,
            rooms,
            store,
            held: Vec::new(),
            between: Vec::new(),
            clock,
            name,
            incarnation: 0,
            peer: PeerId([0; 32]),
            trace,
            rows,
            notices: 0,
            build: None,
            takes: None,
            is_hub: false,
            ages: false,
        }
    }

    /// Whether what lies on its disk can be copied.
    pub fn can_copy(&self) -> bool {
        self.rooms.copy().is_some()
    }

    /// A copy of everything that lies on its disk.
    pub fn copy(&self) -> SimNode {
        let rooms = self.rooms.copy().expect("these rooms can be copied");
        let mut store = self.store.clone();
        // It lies on another disk, to which nothing came that is not durable.
        store.roll_back();
        store.fill_after(None);
        Self {
            core: None,
            rooms,
            store,
            held: Vec::new(),
            between: Vec::new(),
            clock: self.clock,
            name: self.name.clone(),
            build: self.build,
            takes: self.takes,
            is_hub: self.is_hub,
            ages: self.ages,
            incarnation: self.incarnation,
            peer: self.peer,
            trace: Trace::default(),
            rows: Trace::default(),
            notices: 0,
        }
    }

    /// A copy of a disk takes the place of this node's; the process must not run.
    pub fn put_back(&mut self, copy: &SimNode) {
        assert!(!self.is_up(), "a disk is not taken from under a process");
        let copy = copy.copy();
        self.rooms = copy.rooms;
        self.store = copy.store;
        self.between.clear();
    }

    /// What the user called it.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Whether the process runs.
    pub fn is_up(&self) -> bool {
        self.core.is_some()
    }

    /// The core, while the process runs.
    pub fn core(&self) -> Option<&Core> {
        self.core.as_ref()
    }

    /// Starts the process from what is stored. It dies again when the store is full and
    /// something must be written.
    pub fn start(&mut self, truth: Timestamp, seed: [u8; 32]) -> Ended {
        self.incarnation += 1;
        let now = self.clock.read(truth);
        if symbolon_core::moves(&self.store).expect("the store is there") {
            self.exchange(now, seed);
        }
        let mut core =
            Core::load(CoreConfig { name: self.name.clone(), hub: self.is_hub, ..CoreConfig::default() }, &self.store, now, seed)
                .expect("the store of a simulated node loads");
        if let Some(version) = self.build {
            core.speak(version);
        }
        if let Some(capabilities) = self.takes {
            core.take(capabilities);
        }
        if self.ages {
            core.age();
        }
        self.peer = core.peer();
        self.core = Some(core);
        // First-run rows are durable before anybody sees the identity.
        let ended = self.turn(truth, vec![], End::Commit);
        self.ages &= !ended.is_up;
        ended
    }

    /// As the shell does for a copy of a folder that is to become a device of its own: a backup of it goes into an empty store, which takes
    /// its place.
    fn exchange(&mut self, now: Timestamp, seed: [u8; 32]) {
        let rooms = self.rooms.fresh(seed).expect("such rooms can be made again");
        let mut fresh = SimNode { name: None, clock: self.clock, ..SimNode::with_rooms(rooms, None) };
        for (node, salt) in [(&mut *self, 1), (&mut fresh, 2)] {
            let seed = seed.map(|byte| byte ^ salt);
            node.core = Some(Core::load(CoreConfig::default(), &node.store, now, seed).expect("it loads"));
        }
        let Some(Reply::MoveKeys(keys)) = self.ask(now, Command::MoveKeys) else { panic!("it is to move") };
        let mut next = Some(BackupCursor { id: Nonce([3; 16]), index: 0, place: BackupPlace::Head });
        while let Some(cursor) = next {
            let Some(Reply::Backup(SealedPart { sealed, next: behind, .. })) = self.ask(now, Command::Backup(cursor)) else {
                panic!("no part")
            };
            let part = BackupPart::open(&sealed, keys.backup_key(), &cursor.id, cursor.index).expect("it opens");
            let taken = fresh.ask(now, Command::Move { keys: keys.clone(), part: symbolon_presence::codec::encode(&part) });
            assert!(taken.is_some(), "it is taken");
            next = behind;
        }
        (self.core, self.rooms, self.store) = (None, fresh.rooms, fresh.store);
    }

    /// What a command is answered, without a network; none for an error.
    fn ask(&mut self, now: Timestamp, command: Command) -> Option<Reply> {
        let ended = self.turn(now, vec![Input::Command(CommandId(0), command)], End::Commit);
        ended.actions.into_iter().find_map(|action| if let Action::Reply(_, reply) = action { reply.ok() } else { None })
    }

    /// The process ends without notice. What was held is gone with it.
    pub fn kill(&mut self) {
        self.core = None;
        self.store.roll_back();
        self.held.clear();
        self.rooms.withdraw();
    }

    /// One turn over some inputs.
    pub fn turn(&mut self, truth: Timestamp, inputs: Vec<Input>, end: End) -> Ended {
        let now = self.clock.read(truth);
        let Some(core) = self.core.as_mut() else { return Ended::default() };
        let mut durable = std::mem::take(&mut self.between);
        let mut changes = std::mem::take(&mut self.held);
        let mut turn =
            Open { rooms: &mut *self.rooms, store: &mut self.store, trace: &mut self.trace, rows: &mut self.rows, changes: &mut changes };
        let done = turn.run(core, now, inputs);
        self.notices = self.notices.max(core.most_notices());
        if let Err(TurnFailed(why)) = done {
            // Not the store's fault, so no crash of this world.
            assert!(!why.contains("machines") && !why.contains("notice"), "{why}");
        }
        let is_held = done.is_ok() && core.is_learned_again();
        if done.is_err() || end == End::CrashBefore || !is_held && !self.rooms.keep() {
            self.kill();
            return Ended { changes: durable, ..Ended::default() };
        }
        if is_held {
            self.held = changes;
        } else {
            self.store.commit();
            durable.append(&mut changes);
        }
        if end == End::CrashAfter {
            self.kill();
            return Ended { changes: durable, ..Ended::default() };
        }
        let actions = std::iter::from_fn(|| core.poll_action()).collect();
        let events = std::iter::from_fn(|| core.poll_event()).collect();
        Ended { is_up: true, changes: durable, actions, events, moves: core.moves() }
    }

    /// Makes durable what was held, as the shell does within a tenth of a second. Answers what has become durable since the last turn.
    pub fn settle(&mut self) -> Vec<Change> {
        if !self.held.is_empty() {
            assert!(self.rooms.keep());
            self.store.commit();
        }
        self.between.append(&mut self.held);
        std::mem::take(&mut self.between)
    }

    /// The room cipher.
    pub fn cipher(&mut self) -> &mut dyn RoomCipher {
        self.rooms.cipher()
    }

    /// Runs a closure on the core inside a turn of its own.
    pub fn with_core<T>(&mut self, f: impl FnOnce(&mut Core, &mut World<'_>) -> T) -> T {
        let core = self.core.as_mut().expect("the node runs");
        let result = f(core, &mut World { cipher: self.rooms.cipher(), shelf: &self.store });
        // What was held goes with it, as with any turn that is not held.
        self.between.append(&mut self.held);
        while let Some(change) = core.poll_change() {
            self.store.apply(&change).expect("the store has room");
            self.between.push(change);
        }
        assert!(self.rooms.keep());
        self.store.commit();
        result
    }
}

/// The parts that a turn works on.
struct Open<'a> {
    rooms: &'a mut dyn Rooms,
    store: &'a mut MemoryStore,
    trace: &'a mut Trace,
    rows: &'a mut Trace,
    changes: &'a mut Vec<Change>,
}

impl Open<'_> {
    fn run(&mut self, core: &mut Core, now: Timestamp, inputs: Vec<Input>) -> Result<(), TurnFailed> {
        // What the core wrote while it was loaded.
        self.apply(core)?;
        for input in inputs {
            self.trace.input(&input);
            core.handle(now, input, &mut World { cipher: self.rooms.cipher(), shelf: &*self.store })?;
            self.apply(core)?;
        }
        core.close_turn(now, &mut World { cipher: self.rooms.cipher(), shelf: &*self.store })?;
        self.apply(core)
    }

    fn apply(&mut self, core: &mut Core) -> Result<(), TurnFailed> {
        while let Some(change) = core.poll_change() {
            self.store.apply(&change)?;
            self.rows.change(&change);
            self.changes.push(change);
        }
        Ok(())
    }
}

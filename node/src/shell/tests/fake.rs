//! The machine, cipher, transport and clock of the loop's tests.

use super::super::*;
use crate::clock::SystemClock;
use crate::store::MlsTable;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use symbolon_core::TurnFailed;
use symbolon_core::command::{Command, StatusView};
use symbolon_core::seam::{Announcement, Event, LinkId, NetAction, Network, Warning};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::*;
use symbolon_presence::id::{Digest, EpochId, RoomId};
use symbolon_presence::time::Timestamp;

/// What tests see of the machines and tell them.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<SeenInner>);

#[derive(Default)]
pub(super) struct SeenInner {
    pub(super) loads: AtomicU32,
    pub(super) ciphers: AtomicU32,
    pub(super) seeds: Mutex<Vec<[u8; 32]>>,
    /// Inputs of each turn that was closed.
    pub(super) turns: Mutex<Vec<usize>>,
    pub(super) founds: AtomicBool,
    pub(super) cannot_load: AtomicBool,
    /// Commits after the loading one that shall fail.
    pub(super) fail_commits: AtomicU32,
    /// Makes the store report damage at the next reading.
    pub(super) damage: AtomicBool,
}

impl std::ops::Deref for Seen {
    type Target = SeenInner;
    fn deref(&self) -> &SeenInner {
        &self.0
    }
}

pub(super) struct FakeParts(pub(super) Seen);

impl Parts for FakeParts {
    type Machine = FakeMachine;
    type Cipher = FakeCipher;

    fn cipher(&mut self, store: &Rc<Store>) -> FakeCipher {
        self.0.ciphers.fetch_add(1, Ordering::SeqCst);
        FakeCipher { rows: MlsTable::new(store.clone()), store: store.clone(), seen: self.0.clone(), is_loading: true, has_sealed: false }
    }

    fn machine(&mut self, shelf: &dyn Shelf, _now: Timestamp, rng_seed: [u8; 32]) -> Result<FakeMachine, LoadFailed> {
        if self.0.cannot_load.load(Ordering::SeqCst) {
            return Err(LoadFailed("told to fail"));
        }
        self.0.loads.fetch_add(1, Ordering::SeqCst);
        self.0.seeds.lock().unwrap().push(rng_seed);
        let mut changes = VecDeque::new();
        if self.0.founds.load(Ordering::SeqCst) {
            changes.push_back(Change::Put(Table::Meta, b"founded".to_vec(), b"yes".to_vec()));
        }
        let rows = count(shelf, Table::Friend).unwrap();
        Ok(FakeMachine {
            seen: self.0.clone(),
            changes,
            actions: VecDeque::new(),
            events: VecDeque::new(),
            inputs: 0,
            is_learned_again: false,
            rows,
            tick: None,
        })
    }
}

/// Rows in a table.
fn count(shelf: &dyn Shelf, table: Table) -> Result<u64, ShelfError> {
    let (mut from, mut count) = (Vec::new(), 0);
    loop {
        let rows = shelf.range(table, &from, RANGE_LIMIT)?;
        let Some((last, _)) = rows.last() else { return Ok(count) };
        count += rows.len() as u64;
        from = last.clone();
        from.push(0);
    }
}

/// What comes on this link is learned again when it is lost: the machine stores it, shows that, and answers nothing.
pub(super) const HELD: LinkId = LinkId(8);

/// Stores and echoes frames; does what a command's text says.
pub(super) struct FakeMachine {
    seen: Seen,
    changes: VecDeque<Change>,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    inputs: usize,
    is_learned_again: bool,
    rows: u64,
    tick: Option<Timestamp>,
}

pub(super) fn number(reply: Reply) -> u64 {
    match reply {
        Reply::Status(status) => status.queue,
        other => panic!("{other:?}"),
    }
}

impl FakeMachine {
    fn put(&mut self, value: Vec<u8>) {
        self.rows += 1;
        self.changes.push_back(Change::Put(Table::Friend, self.rows.to_be_bytes().to_vec(), value));
    }

    fn carry_out(&mut self, now: Timestamp, what: &str, world: &mut World<'_>) -> Result<u64, TurnFailed> {
        match what {
            "count" => {
                let failed = |_| TurnFailed("store");
                Ok(count(world.shelf, Table::Seen).map_err(failed)? + count(world.shelf, Table::Friend).map_err(failed)?)
            }
            "put" | "put much" | "put and fail" | "put and swallow an error" => {
                self.put(vec![1; if what == "put much" { 100_000 } else { 10 }]);
                world.cipher.seal(RoomId([0; 32]), b"", b"").ok();
                Ok(self.rows)
            }
            "now" => Ok(now.0),
            "event" => {
                self.events.push_back(Event::Warning(Warning::InviteReused));
                Ok(0)
            }
            "tick in 50 ms" => {
                self.tick = Some(now.after(50));
                Ok(0)
            }
            "tick always" => {
                self.tick = Some(Timestamp(0));
                Ok(0)
            }
            other => panic!("{other}"),
        }
    }
}

impl Machine for FakeMachine {
    fn handle(&mut self, now: Timestamp, input: Input, world: &mut World<'_>) -> Result<(), TurnFailed> {
        self.inputs += 1;
        // Every input has a say.
        self.is_learned_again = matches!(&input, Input::Frame(HELD, _)) && (self.inputs == 1 || self.is_learned_again);
        match input {
            Input::Frame(HELD, frame) => {
                self.changes.push_back(Change::Put(Table::Seen, frame, Vec::new()));
                self.events.push_back(Event::Warning(Warning::InviteReused));
            }
            Input::Frame(link, frame) => {
                self.changes.push_back(Change::Put(Table::Seen, frame.clone(), Vec::new()));
                self.actions.push_back(Action::Net(NetAction::Send(link, frame)));
            }
            Input::Command(id, Command::Send { text, .. }) => {
                if text == "say nothing" {
                    return Ok(());
                }
                let number = self.carry_out(now, &text, world)?;
                let reply = Reply::Status(StatusView { queue: number, ..StatusView::default() });
                self.actions.push_back(Action::Reply(id, Ok(reply)));
                match text.as_str() {
                    "put and fail" => return Err(TurnFailed("told to fail")),
                    // A write outside of the tables' own turn is what this room's reset stands for.
                    "put and swallow an error" => assert!(world.cipher.reject(RoomId([0; 32])).is_err()),
                    _ => {}
                }
            }
            Input::Tick => {
                if self.tick != Some(Timestamp(0)) {
                    self.tick = None;
                    self.events.push_back(Event::Warning(Warning::InviteExpired));
                }
            }
            Input::Stopping => self.actions.push_back(Action::Net(NetAction::Publish { everywhere: Vec::new(), servers: Vec::new() })),
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    fn close_turn(&mut self, _now: Timestamp, world: &mut World<'_>) -> Result<(), TurnFailed> {
        assert!(self.changes.is_empty(), "changes are applied before the turn is closed");
        if self.seen.damage.load(Ordering::SeqCst) {
            world.cipher.complete(RoomId([0; 32])).map_err(|_| TurnFailed("store"))?;
        }
        self.seen.turns.lock().unwrap().push(std::mem::take(&mut self.inputs));
        Ok(())
    }

    fn is_learned_again(&self) -> bool {
        self.is_learned_again
    }

    fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Timestamp, &'static str)> {
        self.tick.map(|tick| (tick, "test"))
    }
}

/// Keeps back one row for each turn that sealed something; everything else is refused.
pub(super) struct FakeCipher {
    rows: MlsTable,
    store: Rc<Store>,
    seen: Seen,
    is_loading: bool,
    has_sealed: bool,
}

impl TurnCipher for FakeCipher {
    fn flush(&mut self) -> Result<(), CipherError> {
        if std::mem::take(&mut self.has_sealed) {
            let failed = |_| CipherError::Store;
            let flushed = self.rows.get(b"flushed").map_err(failed)?;
            let flushed = flushed.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
            self.rows.put(b"flushed", &(flushed + 1).to_be_bytes()).map_err(failed)?;
        }
        if std::mem::take(&mut self.is_loading) {
            return Ok(());
        }
        let failing = &self.seen.fail_commits;
        if failing.load(Ordering::SeqCst) > 0 {
            failing.fetch_sub(1, Ordering::SeqCst);
            self.store.failing_commits.set(1);
        }
        Ok(())
    }
}

impl RoomCipher for FakeCipher {
    fn seal(&mut self, _: RoomId, _: &[u8], _: &[u8]) -> Result<Sealed, CipherError> {
        self.has_sealed = true;
        Ok(Sealed { epoch: EpochId([0; 32]), bytes: Vec::new() })
    }
    /// A statement of the store that fails.
    fn reject(&mut self, _: RoomId) -> Result<(), CipherError> {
        self.store.fail_with(StoreError::Failed("told to fail"));
        Err(CipherError::Gone)
    }
    /// A reading that meets a damaged page.
    fn complete(&mut self, _: RoomId) -> Result<(), CipherError> {
        self.store.fail_with(StoreError::Damaged);
        Err(CipherError::Store)
    }
    fn fresh_leaf(&mut self) -> Result<LeafKey, CipherError> {
        Err(CipherError::Gone)
    }
    fn key_package(&mut self, _: LeafKey, _: &[u8], _: Lifetime, _: &PackageKind) -> Result<Vec<u8>, CipherError> {
        Err(CipherError::Gone)
    }
    fn inspect_package(&self, _: &[u8]) -> Result<PackageView, CipherError> {
        Err(CipherError::Gone)
    }
    fn drop_package(&mut self, _: LeafKey) -> Result<(), CipherError> {
        Err(CipherError::Gone)
    }
    fn view_welcome(&self, _: &[u8], _: &str) -> Result<WelcomeView, CipherError> {
        Err(CipherError::Gone)
    }
    fn welcome_leaf(&self, _: &[u8]) -> Result<LeafKey, CipherError> {
        Err(CipherError::Gone)
    }
    fn peek(&self, _: RoomId, _: EpochId, _: &[u8]) -> Result<Staged, CipherError> {
        Err(CipherError::Gone)
    }
    fn forget_parents(&mut self, _: RoomId, _: &[EpochId]) -> Result<(), CipherError> {
        Err(CipherError::Gone)
    }
    fn state(&self, _: RoomId) -> Result<Option<Digest>, CipherError> {
        Err(CipherError::Gone)
    }
    fn create(&mut self, _: RoomId, _: LeafKey, _: &[u8], _: Lifetime, _: Option<Digest>) -> Result<EpochId, CipherError> {
        Err(CipherError::Gone)
    }
    fn offer(&mut self, _: RoomId) -> Result<Vec<u8>, CipherError> {
        Err(CipherError::Gone)
    }
    fn inspect(&self, _: &[u8]) -> Result<RoomView, CipherError> {
        Err(CipherError::Gone)
    }
    fn share_psk(&mut self, _: &[u8; 32], _: &[u8; 32]) -> Result<(), CipherError> {
        Err(CipherError::Gone)
    }
    fn unshare_psk(&mut self, _: &[u8; 32]) -> Result<(), CipherError> {
        Err(CipherError::Gone)
    }
    fn join_external(&mut self, _: &[u8], _: &[u8; 32], _: LeafKey, _: &[u8], _: Lifetime) -> Result<Joined, CipherError> {
        Err(CipherError::Gone)
    }
    fn join_welcome(&mut self, _: &[u8]) -> Result<Joined, CipherError> {
        Err(CipherError::Gone)
    }
    fn open(&mut self, _: RoomId, _: &[u8]) -> Result<Opened, CipherError> {
        Err(CipherError::Gone)
    }
    fn commit(&mut self, _: RoomId, _: &Proposals, _: &[u8]) -> Result<Pending, CipherError> {
        Err(CipherError::Gone)
    }
    fn adopt(&mut self, _: RoomId, _: EpochId) -> Result<(), CipherError> {
        Err(CipherError::Gone)
    }
    fn rewind(&mut self, _: RoomId, _: EpochId) -> Result<(), CipherError> {
        Err(CipherError::Gone)
    }
    fn forget(&mut self, _: RoomId) -> Result<(), CipherError> {
        Err(CipherError::Gone)
    }
    fn epoch(&self, _: RoomId) -> Result<EpochId, CipherError> {
        Err(CipherError::Gone)
    }
    fn members(&self, _: RoomId) -> Result<Vec<Member>, CipherError> {
        Err(CipherError::Gone)
    }
    fn export(&self, _: RoomId, _: &str, _: &[u8]) -> Result<[u8; 32], CipherError> {
        Err(CipherError::Gone)
    }
}

/// Records what goes to the network.
#[derive(Clone, Default)]
pub(super) struct Sent(Arc<Mutex<Vec<String>>>);

impl Sent {
    pub(super) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn push(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Transport for Sent {
    fn act(&mut self, action: NetAction) {
        match action {
            NetAction::Send(link, frame) => self.push(format!("send {} {frame:?}", link.0)),
            NetAction::Publish { .. } => self.push("publish".into()),
            other => self.push(format!("{other:?}")),
        }
    }

    fn announce(&mut self, _: Vec<(Network, Announcement)>) {
        self.push("announce".into());
    }
    fn reset(&mut self) {
        self.push("reset".into());
    }
}

/// A clock that stands where it was put, or follows the system's.
#[derive(Clone, Default)]
pub(super) struct TestClock {
    wall: Arc<AtomicU64>,
    steady: Arc<AtomicU64>,
}

impl TestClock {
    /// The wall clock jumps.
    pub(super) fn set(&self, milliseconds: u64) {
        self.wall.store(milliseconds, Ordering::SeqCst);
    }

    /// Time passes.
    pub(super) fn pass(&self, milliseconds: u64) {
        self.steady.fetch_add(milliseconds, Ordering::SeqCst);
        self.wall.fetch_add(milliseconds, Ordering::SeqCst);
    }

    pub(super) fn follow_the_system(&self) {
        self.set(u64::MAX);
    }
}

impl Clock for TestClock {
    fn now(&mut self) -> Timestamp {
        match self.wall.load(Ordering::SeqCst) {
            u64::MAX => SystemClock.now(),
            time => Timestamp(time),
        }
    }

    fn steady(&mut self) -> Duration {
        match self.wall.load(Ordering::SeqCst) {
            u64::MAX => SystemClock.steady(),
            _ => Duration::from_millis(self.steady.load(Ordering::SeqCst)),
        }
    }
}

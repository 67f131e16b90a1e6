//! Time and turns of a simulation.

mod machines;

use super::faults::{Manners, Strike};
use super::hubs::{AtNodes, SimHub};
use super::links::Line;
use super::lookup::Lookup;
use super::node::{End, Ended, SimNode};
use super::relays::{RELAYS, SimRelay};
use super::tally::Tally;
use super::trace::{self, Log, Trace};
use super::watch::Watch;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_core::command::{Command, CommandError, Reply};
use symbolon_core::seam::{Action, Address, Announcement, CommandId, Event, Input, LinkId, NetAction, Network};
use symbolon_presence::time::{SECOND, Timestamp};
use symbolon_relay::frame::Frame;

pub use super::faults::Faults;

/// When every simulation begins.
pub const START: Timestamp = Timestamp(1_800_000_000_000);

/// Index of a node.
pub type Ix = usize;

#[derive(Debug, Clone)]
pub(super) enum Happening {
    Input(Input),
    Start,
    Timer,
}

/// A simulation.
pub struct Sim {
    rng: ChaCha20Rng,
    /// The true time.
    pub now: Timestamp,
    /// Answers that have come in a turn after that of their command.
    pub late: Vec<(CommandId, Result<Reply, CommandError>)>,
    /// The nodes.
    pub nodes: Vec<SimNode>,
    queue: BTreeMap<(Timestamp, u64), (Ix, u64, Happening)>,
    order: u64,
    next_command: u64,
    timers: BTreeMap<Ix, Timestamp>,
    pub(super) line: Line,
    /// How often a node has moved.
    pub(super) houses: BTreeMap<Ix, u32>,
    /// Where records are found.
    pub lookup: Lookup,
    /// The lookup servers of each node.
    pub(super) servers: BTreeMap<Ix, Vec<Vec<Address>>>,
    /// Relays; their indices begin at [`RELAYS`].
    pub relays: Vec<SimRelay>,
    /// Hubs of rooms, at relays.
    pub hubs: BTreeMap<Ix, SimHub>,
    /// What goes by nodes that are hubs.
    pub(super) at_nodes: AtNodes,
    /// Whether this turn takes in what a relay hands out.
    pub is_fetching: bool,
    /// What goes wrong.
    pub faults: Faults,
    /// A crash at one place, when asked for; none once it has come.
    pub strike: Option<Strike>,
    /// Nodes that do not acknowledge as they should.
    pub manners: BTreeMap<Ix, Manners>,
    /// Nodes that cannot reach each other.
    pub apart: BTreeSet<(Ix, Ix)>,
    /// Every frame put on the wire. Kept only when asked for.
    pub wire: Option<Vec<OnWire>>,
    /// Links that nodes opened to [`nowhere`], newest last. Nobody listens there unless this is set.
    pub rogue_links: Option<Vec<LinkId>>,
    /// What nodes wanted shown on the LAN, newest last. The world has none: a test shows it around.
    pub announced: Vec<(Ix, Vec<(Network, Announcement)>)>,
    /// Events so far, by node.
    pub events: Vec<Vec<Event>>,
    /// What is held against the invariants.
    pub tally: Tally,
    /// Invariants held against every turn, when asked for.
    pub watch: Option<Watch>,
    /// The file to step through.
    pub log: Log,
    pub(super) trace: Trace,
}

impl Sim {
    /// An empty simulation.
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            rng: ChaCha20Rng::seed_from_u64(seed),
            now: START,
            late: Vec::new(),
            nodes: Vec::new(),
            queue: BTreeMap::new(),
            order: 0,
            next_command: 0,
            timers: BTreeMap::new(),
            line: Line::default(),
            houses: BTreeMap::new(),
            lookup: Lookup::default(),
            servers: BTreeMap::new(),
            relays: Vec::new(),
            hubs: BTreeMap::new(),
            at_nodes: AtNodes::default(),
            is_fetching: false,
            faults,
            strike: None,
            manners: BTreeMap::new(),
            apart: BTreeSet::new(),
            wire: None,
            rogue_links: None,
            announced: Vec::new(),
            events: Vec::new(),
            tally: Tally::default(),
            watch: None,
            log: Log::default(),
            trace: Trace::default(),
        }
    }

    /// Adds and starts a node.
    pub fn add(&mut self, name: &str) -> Ix {
        self.add_prepared(name, |_| ())
    }

    /// Adds and starts a node whose store has rows already.
    pub fn add_prepared(&mut self, name: &str, prepare: impl FnOnce(&mut SimNode)) -> Ix {
        let cipher = self.seed();
        let mut node = SimNode::new(cipher, Some(name.to_owned()));
        prepare(&mut node);
        self.add_node(node)
    }

    /// Adds and starts a node.
    pub fn add_node(&mut self, node: SimNode) -> Ix {
        let ix = self.nodes.len();
        self.nodes.push(node);
        self.events.push(Vec::new());
        self.start(ix);
        ix
    }

    fn start(&mut self, ix: Ix) {
        let seed = self.seed();
        self.log(ix, || "starts".into());
        let ended = self.nodes[ix].start(self.now, seed);
        let peer = self.nodes[ix].peer;
        if let Some(watch) = &mut self.watch {
            watch.started(ix, peer);
        }
        if self.finish(ix, ended).is_some() {
            if self.lookup.is_there {
                self.deliver(ix, vec![Input::Servers(vec![nowhere()], 0)], false);
            }
            self.deliver(ix, vec![Input::Addresses(vec![address_of(ix, self.houses.get(&ix).copied().unwrap_or_default())])], false);
        }
    }

    /// 32 random bytes from the simulation's seed.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n.max(1)
    }

    pub(super) fn happens(&mut self, per_thousand: u64) -> bool {
        per_thousand > 0 && self.below(1000) < per_thousand
    }

    /// Adds a line to the log.
    pub fn log(&self, ix: Ix, what: impl FnOnce() -> String) {
        if self.log.is_on() {
            let name = self.nodes.get(ix).map_or("-", |node| node.name());
            self.log.line(self.now, name, what);
        }
    }

    /// Runs a command in a turn of its own. A crash in it answers `StoreFailed`.
    pub fn command(&mut self, ix: Ix, command: Command) -> Result<Reply, CommandError> {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        let replies = self.deliver(ix, vec![Input::Command(id, command)], true);
        replies.into_iter().find(|(reply, _)| *reply == id).map_or(Err(CommandError::StoreFailed), |(_, result)| result)
    }

    pub(super) fn plan(&mut self, at: Timestamp, ix: Ix, incarnation: u64, what: Happening) {
        self.order += 1;
        self.queue.insert((at, self.order), (ix, incarnation, what));
    }

    /// Lets time pass.
    pub fn run_for(&mut self, milliseconds: u64) {
        let end = self.now.after(milliseconds);
        while self.step(end) {}
        self.now = end;
    }

    /// Makes durable what nodes hold, as their shells would have done by now. Until it is asked for, nodes hold it without a limit of
    /// time, so that crashes take back more of it.
    pub fn settle(&mut self) {
        for ix in 0..self.nodes.len() {
            let changes = self.nodes[ix].settle();
            if let Some(mut watch) = self.watch.take() {
                watch.durable(self, ix, &changes);
                self.watch = Some(watch);
            }
        }
    }

    /// Lets time pass until a condition holds; false when it does not in time.
    pub fn run_until(&mut self, milliseconds: u64, mut condition: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now.after(milliseconds);
        loop {
            if condition(self) {
                return true;
            }
            if !self.step(end) {
                self.now = end;
                return condition(self);
            }
        }
    }

    /// Handles the next thing that happens, if it does so before `end`.
    fn step(&mut self, end: Timestamp) -> bool {
        let Some((&(at, order), _)) = self.queue.first_key_value().filter(|((at, _), _)| *at <= end) else { return false };
        self.now = self.now.max(at);
        let Some((ix, incarnation, what)) = self.queue.remove(&(at, order)) else { return false };
        if ix >= RELAYS {
            let relay = &self.relays[ix - RELAYS];
            if incarnation == relay.incarnation || matches!(what, Happening::Timer) {
                self.relay_turn(ix, what);
            }
            return true;
        }
        match what {
            Happening::Start => {
                if !self.nodes[ix].is_up() {
                    self.start(ix);
                }
            }
            Happening::Timer => {
                if self.timers.get(&ix) == Some(&at) {
                    self.timers.remove(&ix);
                    let replies = self.deliver(ix, vec![Input::Tick], true);
                    self.late.extend(replies);
                }
            }
            Happening::Input(input) => {
                if incarnation == self.nodes[ix].incarnation {
                    self.deliver(ix, vec![input], true);
                }
            }
        }
        true
    }

    pub(super) fn deliver(&mut self, ix: Ix, inputs: Vec<Input>, may_crash: bool) -> Vec<(CommandId, Result<Reply, CommandError>)> {
        if !self.nodes[ix].is_up() {
            return Vec::new();
        }
        let end = match (may_crash && self.happens(self.faults.crash), self.below(2)) {
            (false, _) => End::Commit,
            (true, 0) => End::CrashBefore,
            (true, _) => End::CrashAfter,
        };
        let end = Strike::count(&mut self.strike, ix).unwrap_or(end);
        for input in &inputs {
            self.log(ix, || trace::input(input));
        }
        let from_relay = |input: &Input| matches!(input, Input::Frame(_, bytes) if matches!(Frame::decode(bytes), Ok(Frame::Deposit(_))));
        self.is_fetching = inputs.iter().any(from_relay);
        let now = self.now;
        let ended = self.nodes[ix].turn(now, inputs, end);
        self.finish(ix, ended).unwrap_or_default()
    }

    /// Does what a turn wants done, and answers the replies in it. `None` when the process died.
    fn finish(&mut self, ix: Ix, ended: Ended) -> Option<Vec<(CommandId, Result<Reply, CommandError>)>> {
        for change in &ended.changes {
            self.log(ix, || trace::change(change));
        }
        if let Some(mut watch) = self.watch.take() {
            watch.durable(self, ix, &ended.changes);
            self.watch = Some(watch);
        }
        if !ended.is_up {
            // A full disk is looked at again less often than a crash is mended.
            let pause = if self.nodes[ix].store.is_full() { 5 * SECOND } else { 10 };
            let pause = pause + self.below(5_000);
            self.crashed(ix, pause);
            return None;
        }
        self.tally.observe(ix, &ended.events);
        self.events[ix].extend(ended.events);
        let mut replies = Vec::new();
        for action in ended.actions {
            self.log(ix, || trace::action(&action));
            match action {
                Action::Reply(id, result) => replies.push((id, result)),
                Action::Net(action) => self.on_the_net(ix, action),
                Action::Announce(shown) => self.announced.push((ix, shown)),
            }
        }
        self.set_timer(ix);
        if ended.moves {
            self.log(ix, || "becomes a device of its own".into());
            self.crash(ix, 10);
        }
        Some(replies)
    }

    fn on_the_net(&mut self, ix: Ix, action: NetAction) {
        match action {
            NetAction::Dial(dial, places) => self.dial(ix, dial, &places),
            NetAction::Send(link, bytes) => self.send(ix, link, bytes),
            NetAction::Close(link, _) => self.close(ix, link),
            NetAction::Rekey(false) => {
                let (at, incarnation) = (self.now.after(1), self.nodes[ix].incarnation);
                let place = address_of(ix, self.houses.get(&ix).copied().unwrap_or_default());
                self.plan(at, ix, incarnation, Happening::Input(Input::Addresses(vec![place])));
            }
            NetAction::Rekey(true) => self.cut_links(|ends| ends.contains(&ix)),
            // Only a node that knows of a LAN shows itself, and a test looks at it then.
            // Nothing here stands between two nodes.
            NetAction::Punch(..)
            | NetAction::Reserve(_)
            | NetAction::Admit(_)
            | NetAction::Host(..)
            | NetAction::Heard(_)
            | NetAction::Keep(..) => {}
            NetAction::Publish { everywhere, servers } => {
                let records: Vec<Vec<u8>> = everywhere.into_iter().chain(servers).collect();
                self.give_servers(ix, &records);
                records.into_iter().for_each(|record| self.publish(record));
            }
            NetAction::Lookups(servers) => drop(self.servers.insert(ix, servers)),
            NetAction::Resolve(id, at) => self.resolve(ix, id, &at),
            NetAction::AskHub(ask, places, bytes) => self.ask_hub(ix, ask, &places, bytes),
            NetAction::AnswerHub(question, bytes) => self.answered_by_node(question, bytes),
            // Who wants to be found is: see `lookup`.
            NetAction::Bootstrap(_) | NetAction::Neighbours(_) => {}
        }
    }

    fn set_timer(&mut self, ix: Ix) {
        let node = &self.nodes[ix];
        if let Some((at, _)) = node.core().and_then(|core| core.poll_timeout()) {
            let at = node.clock.truth_of(at).max(self.now.after(1));
            if self.timers.insert(ix, at) != Some(at) {
                let incarnation = node.incarnation;
                self.plan(at, ix, incarnation, Happening::Timer);
            }
        }
    }

    /// Lets a node hear something from the world in a turn of its own.
    pub fn input(&mut self, ix: Ix, input: Input) {
        self.deliver(ix, vec![input], false);
    }

    /// A hash over all nodes' inputs and all wire bytes.
    pub fn trace(&self) -> u64 {
        let mut all = self.trace.clone();
        for node in &self.nodes {
            all.add(&node.trace.0.to_be_bytes());
        }
        all.0
    }

    /// A hash over all rows that nodes wrote.
    pub fn row_trace(&self) -> u64 {
        let mut all = Trace::default();
        for node in &self.nodes {
            all.add(&node.rows.0.to_be_bytes());
        }
        all.0
    }
}

pub use super::links::{OnWire, ROGUE};

/// An address where no node is, only the test itself.
pub fn nowhere() -> Address {
    address(ROGUE)
}

/// The address of a node.
pub fn address(ix: Ix) -> Address {
    Address(format!("node {ix}").into_bytes())
}

/// The address of a node after it has moved so often.
pub(super) fn address_of(ix: Ix, house: u32) -> Address {
    if house == 0 { address(ix) } else { Address(format!("node {ix} at {house}").into_bytes()) }
}

pub(super) fn node_at(address: &Address) -> Option<(Ix, u32)> {
    let text = std::str::from_utf8(&address.0).ok()?.strip_prefix("node ")?;
    let (ix, house) = text.split_once(" at ").unwrap_or((text, "0"));
    Some((ix.parse().ok()?, house.parse().ok()?))
}

//! The network and the clock of a simulation.

use super::node::{End, SimNode, Trace};
use super::tally::Tally;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use symbolon_core::command::{Command, CommandError, Reply};
use symbolon_core::seam::{Action, Address, CommandId, DialId, Event, Input, LinkId};
use symbolon_presence::time::Timestamp;

/// When every simulation begins.
pub const START: Timestamp = Timestamp(1_800_000_000_000);

/// Index of a node.
pub type Ix = usize;

/// What goes wrong, and how often: chances are in parts per thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Longest way of a frame, in milliseconds; at least 1.
    pub latency: u64,
    /// A frame vanishes from a live link.
    pub loss: u64,
    /// A frame arrives twice.
    pub duplicate: u64,
    /// A frame is overtaken.
    pub reorder: u64,
    /// A link dies with all that is on it.
    pub cut: u64,
    /// A turn ends in a crash.
    pub crash: u64,
}

impl Faults {
    /// A network as it is in practice on a bad day.
    pub const ROUGH: Self = Self { latency: 200, loss: 20, duplicate: 20, reorder: 50, cut: 10, crash: 5 };
    /// A network without faults.
    pub const NONE: Self = Self { latency: 20, loss: 0, duplicate: 0, reorder: 0, cut: 0, crash: 0 };
}

#[derive(Debug, Clone)]
enum Happening {
    Input(Input),
    Start,
    Timer,
}

#[derive(Debug, Clone, Copy)]
struct Pipe {
    ends: [Ix; 2],
    incarnations: [u64; 2],
    open: bool,
    /// The latest planned arrival in each direction, so that frames keep their order.
    last: [Timestamp; 2],
}

/// A frame as the wire saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnWire {
    /// When it was sent.
    pub at: Timestamp,
    /// By whom.
    pub from: Ix,
    /// To whom.
    pub to: Ix,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// A simulation.
pub struct Sim {
    rng: ChaCha20Rng,
    /// The time.
    pub now: Timestamp,
    /// The nodes.
    pub nodes: Vec<SimNode>,
    queue: BTreeMap<(Timestamp, u64), (Ix, u64, Happening)>,
    order: u64,
    pipes: BTreeMap<LinkId, Pipe>,
    next_link: u64,
    next_command: u64,
    timers: BTreeMap<Ix, Timestamp>,
    /// What goes wrong.
    pub faults: Faults,
    /// Nodes that cannot reach each other.
    pub apart: BTreeSet<(Ix, Ix)>,
    /// Every frame put on the wire. Kept only when asked for.
    pub wire: Option<Vec<OnWire>>,
    /// Links that nodes opened to [`nowhere`], newest last. Nobody listens there unless this is set.
    pub rogue_links: Option<Vec<LinkId>>,
    /// Events told so far, by node.
    pub events: Vec<Vec<Event>>,
    /// Frames that nodes sent to a rogue.
    rogue: BTreeMap<LinkId, VecDeque<Vec<u8>>>,
    /// What is held against the invariants.
    pub tally: Tally,
    trace: Trace,
}

impl Sim {
    /// An empty simulation.
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            rng: ChaCha20Rng::seed_from_u64(seed),
            now: START,
            nodes: Vec::new(),
            queue: BTreeMap::new(),
            order: 0,
            pipes: BTreeMap::new(),
            next_link: 0,
            next_command: 0,
            timers: BTreeMap::new(),
            faults,
            apart: BTreeSet::new(),
            wire: None,
            rogue_links: None,
            events: Vec::new(),
            rogue: BTreeMap::new(),
            tally: Tally::default(),
            trace: Trace::default(),
        }
    }

    /// Adds and starts a node.
    pub fn add(&mut self, name: &str) -> Ix {
        self.add_prepared(name, |_| ())
    }

    /// Adds and starts a node whose store has rows already.
    pub fn add_prepared(&mut self, name: &str, prepare: impl FnOnce(&mut SimNode)) -> Ix {
        let (cipher, seed) = (self.seed(), self.seed());
        let mut node = SimNode::new(cipher, Some(name.to_owned()));
        prepare(&mut node);
        node.start(self.now, seed);
        self.nodes.push(node);
        self.events.push(Vec::new());
        let ix = self.nodes.len() - 1;
        self.started(ix);
        ix
    }

    fn started(&mut self, ix: Ix) {
        let addresses = Input::Addresses(vec![address(ix)]);
        self.deliver(ix, vec![addresses], false);
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

    fn happens(&mut self, per_thousand: u64) -> bool {
        per_thousand > 0 && self.below(1000) < per_thousand
    }

    /// Runs a command in a turn of its own. A crash in it answers `StoreFailed`.
    pub fn command(&mut self, ix: Ix, command: Command) -> Result<Reply, CommandError> {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        let replies = self.deliver(ix, vec![Input::Command(id, command)], true);
        replies.into_iter().find(|(reply, _)| *reply == id).map_or(Err(CommandError::StoreFailed), |(_, result)| result)
    }

    /// Kills a node; it starts again after `pause` milliseconds.
    pub fn crash(&mut self, ix: Ix, pause: u64) {
        self.nodes[ix].kill();
        self.crashed(ix, pause);
    }

    fn crashed(&mut self, ix: Ix, pause: u64) {
        self.tally.crashes += 1;
        self.timers.remove(&ix);
        self.cut_links(|pipe| pipe.ends.contains(&ix));
        let at = self.now.after(pause);
        self.plan(at, ix, 0, Happening::Start);
    }

    /// Cuts every link between two nodes and keeps them apart, or lets them meet again.
    pub fn set_apart(&mut self, a: Ix, b: Ix, apart: bool) {
        let pair = (a.min(b), a.max(b));
        if apart {
            self.apart.insert(pair);
            self.cut_links(|pipe| pipe.ends.contains(&a) && pipe.ends.contains(&b));
        } else {
            self.apart.remove(&pair);
        }
    }

    fn cut_links(&mut self, which: impl Fn(&Pipe) -> bool) {
        let links: Vec<LinkId> = self.pipes.iter().filter(|(_, pipe)| pipe.open && which(pipe)).map(|(link, _)| *link).collect();
        for link in links {
            self.cut(link);
        }
    }

    fn cut(&mut self, link: LinkId) {
        let Some(pipe) = self.pipes.get_mut(&link).filter(|pipe| pipe.open) else { return };
        pipe.open = false;
        let pipe = *pipe;
        for (end, incarnation) in pipe.ends.into_iter().zip(pipe.incarnations) {
            if end != ROGUE {
                let at = self.now.after(1);
                self.plan(at, end, incarnation, Happening::Input(Input::LinkDown(link)));
            }
        }
    }

    fn plan(&mut self, at: Timestamp, ix: Ix, incarnation: u64, what: Happening) {
        self.order += 1;
        self.queue.insert((at, self.order), (ix, incarnation, what));
    }

    /// Lets time pass.
    pub fn run_for(&mut self, milliseconds: u64) {
        let end = self.now.after(milliseconds);
        while self.step(end) {}
        self.now = end;
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
        match what {
            Happening::Start => {
                if !self.nodes[ix].is_up() {
                    let seed = self.seed();
                    self.nodes[ix].start(self.now, seed);
                    self.started(ix);
                }
            }
            Happening::Timer => {
                if self.timers.get(&ix) == Some(&at) {
                    self.timers.remove(&ix);
                    self.deliver(ix, vec![Input::Tick], true);
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

    fn deliver(&mut self, ix: Ix, inputs: Vec<Input>, may_crash: bool) -> Vec<(CommandId, Result<Reply, CommandError>)> {
        if !self.nodes[ix].is_up() {
            return Vec::new();
        }
        let end = match (may_crash && self.happens(self.faults.crash), self.below(2)) {
            (false, _) => End::Commit,
            (true, 0) => End::CrashBefore,
            (true, _) => End::CrashAfter,
        };
        let now = self.now;
        let Some((actions, events)) = self.nodes[ix].turn(now, inputs, end) else {
            let pause = 10 + self.below(5_000);
            self.crashed(ix, pause);
            return Vec::new();
        };
        self.tally.observe(ix, &events);
        self.events[ix].extend(events);
        let mut replies = Vec::new();
        for action in actions {
            match action {
                Action::Reply(id, result) => replies.push((id, result)),
                Action::Dial(dial, places) => self.dial(ix, dial, &places),
                Action::Send(link, bytes) => self.send(ix, link, bytes),
                Action::Close(link, _) => self.close(ix, link),
            }
        }
        if let Some((at, _)) = self.nodes[ix].core().and_then(|core| core.poll_timeout()) {
            let at = at.max(self.now.after(1));
            if self.timers.insert(ix, at) != Some(at) {
                let incarnation = self.nodes[ix].incarnation;
                self.plan(at, ix, incarnation, Happening::Timer);
            }
        }
        replies
    }

    fn dial(&mut self, from: Ix, dial: DialId, places: &[Address]) {
        let delay = 1 + self.below(self.faults.latency.max(1));
        let at = self.now.after(delay);
        let to = places.iter().find_map(node_at).filter(|to| *to != from);
        let incarnation = self.nodes[from].incarnation;
        if to == Some(ROGUE) && self.rogue_links.is_some() {
            let link = self.pipe([from, ROGUE], [incarnation, 0]);
            self.plan(at, from, incarnation, Happening::Input(Input::LinkUp { link, dial: Some(dial) }));
            self.rogue_links.get_or_insert_default().push(link);
            return;
        }
        let to = to.filter(|to| *to < self.nodes.len());
        let reachable = to.filter(|to| self.nodes[*to].is_up() && !self.apart.contains(&(from.min(*to), from.max(*to))));
        let Some(to) = reachable else {
            self.plan(at, from, incarnation, Happening::Input(Input::DialFailed(dial)));
            return;
        };
        let other = self.nodes[to].incarnation;
        let link = self.pipe([from, to], [incarnation, other]);
        self.plan(at, to, other, Happening::Input(Input::LinkUp { link, dial: None }));
        self.plan(at, from, incarnation, Happening::Input(Input::LinkUp { link, dial: Some(dial) }));
        if let Some(pipe) = self.pipes.get_mut(&link) {
            pipe.last = [at, at];
        }
    }

    fn pipe(&mut self, ends: [Ix; 2], incarnations: [u64; 2]) -> LinkId {
        self.next_link += 1;
        let link = LinkId(self.next_link);
        self.pipes.insert(link, Pipe { ends, incarnations, open: true, last: [self.now; 2] });
        link
    }

    fn send(&mut self, from: Ix, link: LinkId, bytes: Vec<u8>) {
        self.tally.frames += 1;
        self.trace.add(&bytes);
        let Some(pipe) = self.pipes.get(&link).copied().filter(|pipe| pipe.open) else { return };
        let side = usize::from(pipe.ends[0] != from);
        let to = pipe.ends[1 - side];
        if let Some(wire) = &mut self.wire {
            wire.push(OnWire { at: self.now, from, to, bytes: bytes.clone() });
        }
        if to == ROGUE {
            self.rogue.entry(link).or_default().push_back(bytes);
            return;
        }
        if self.happens(self.faults.cut) {
            self.cut(link);
            return;
        }
        if self.happens(self.faults.loss) {
            return;
        }
        let incarnation = pipe.incarnations[1 - side];
        let copies = 1 + usize::from(self.happens(self.faults.duplicate));
        for _ in 0..copies {
            let delay = 1 + self.below(self.faults.latency.max(1));
            let mut at = self.now.after(delay);
            if !self.happens(self.faults.reorder) {
                at = at.max(pipe.last[side]);
                if let Some(pipe) = self.pipes.get_mut(&link) {
                    pipe.last[side] = at;
                }
            }
            self.plan(at, to, incarnation, Happening::Input(Input::Frame(link, bytes.clone())));
        }
    }

    fn close(&mut self, by: Ix, link: LinkId) {
        let Some(pipe) = self.pipes.get_mut(&link).filter(|pipe| pipe.open) else { return };
        pipe.open = false;
        let pipe = *pipe;
        for (end, incarnation) in pipe.ends.into_iter().zip(pipe.incarnations) {
            if end != by && end != ROGUE {
                let at = self.now.after(1);
                self.plan(at, end, incarnation, Happening::Input(Input::LinkDown(link)));
            }
        }
    }

    /// Opens a link to a node from nowhere.
    pub fn rogue_link(&mut self, to: Ix) -> LinkId {
        let incarnation = self.nodes[to].incarnation;
        let link = self.pipe([ROGUE, to], [0, incarnation]);
        self.deliver(to, vec![Input::LinkUp { link, dial: None }], false);
        link
    }

    /// Sends a frame on a rogue link and returns what the node answers at once.
    pub fn rogue_send(&mut self, link: LinkId, bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let Some(pipe) = self.pipes.get(&link).copied().filter(|pipe| pipe.open) else { return Vec::new() };
        let to = if pipe.ends[0] == ROGUE { pipe.ends[1] } else { pipe.ends[0] };
        self.deliver(to, vec![Input::Frame(link, bytes)], false);
        self.rogue_take(link)
    }

    /// The frames that a node has sent on a rogue link since they were last asked for.
    pub fn rogue_take(&mut self, link: LinkId) -> Vec<Vec<u8>> {
        self.rogue.remove(&link).map(Vec::from).unwrap_or_default()
    }

    /// Lets a node hear something from the world in a turn of its own.
    pub fn input(&mut self, ix: Ix, input: Input) {
        self.deliver(ix, vec![input], false);
    }

    /// Closes a rogue link from the rogue's side.
    pub fn rogue_close(&mut self, link: LinkId) {
        self.cut(link);
    }

    /// Whether a link is open.
    pub fn is_open(&self, link: LinkId) -> bool {
        self.pipes.get(&link).is_some_and(|pipe| pipe.open)
    }

    /// A hash over all nodes' inputs and changes and all wire bytes.
    pub fn trace(&self) -> u64 {
        let mut all = self.trace.clone();
        for node in &self.nodes {
            all.add(&node.trace.0.to_be_bytes());
        }
        all.0
    }
}

/// The end of a link that no node holds.
pub const ROGUE: Ix = usize::MAX;

/// An address where no node is, only the test itself.
pub fn nowhere() -> Address {
    address(ROGUE)
}

/// The address of a node.
pub fn address(ix: Ix) -> Address {
    Address(format!("node {ix}").into_bytes())
}

fn node_at(address: &Address) -> Option<Ix> {
    std::str::from_utf8(&address.0).ok()?.strip_prefix("node ")?.parse().ok()
}

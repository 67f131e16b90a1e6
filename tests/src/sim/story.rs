//! One seed's story: people befriend, talk, read, rename, block, part and make up, while
//! machines, clocks, disks, the network and some of the people fail them.

mod trouble;

use super::faults::{Faults, Manners, flipped, forged_receipt};
use super::node::SimNode;
use super::relays::{Conduct, RELAYS};
use super::rooms::{ClearRooms, Rooms};
use super::rows::{FriendRow, RequestRow, read};
use super::run::{Ix, START, Sim};
use super::trace::Log;
use super::watch::{Label, Sums, Watch};
use std::collections::BTreeMap;
use symbolon_core::command::{Command, CommandError, Direction, Reply, RequestStatus, Who};
use symbolon_core::seam::LinkId;
use symbolon_core::table::Table;
use symbolon_core::world::Shelf;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};

/// What may happen in a story.
pub struct Setting {
    /// When it begins.
    pub start: Timestamp,
    /// How many things happen.
    pub rounds: u64,
    /// How rooms are encrypted, from 32 random bytes.
    pub rooms: fn([u8; 32]) -> Box<dyn Rooms>,
}

impl Default for Setting {
    fn default() -> Self {
        Self { start: START, rounds: 40, rooms: |seed| Box::new(ClearRooms::new(seed)) }
    }
}

/// What came of a story.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Hash of all inputs and of the wire.
    pub trace: u64,
    /// Hash of all rows written.
    pub rows: u64,
    /// The most notices that a node's machines had for each other in one input.
    pub notices: usize,
    /// Frames put on the wire.
    pub frames: u64,
    /// Times that a process died.
    pub crashes: u64,
    /// Envelopes fetched from relays.
    pub fetched: u64,
    /// Texts.
    pub sums: Sums,
    /// Simulated time, in milliseconds.
    pub time: u64,
}

/// Something that ends by itself.
#[derive(Debug, Clone, Copy)]
enum Undo {
    Meet(Ix, Ix),
    Room(Ix),
    Clock(Ix),
    Honest(Ix),
    Unblock(Ix, Ix),
    MakeUp(Ix, Ix),
    Hang(LinkId),
    Back(Ix),
    Reform(Ix),
}

struct Story {
    sim: Sim,
    /// The liar, if there is one, is the last.
    people: usize,
    liar: Option<Ix>,
    numbers: BTreeMap<(Ix, Ix), u64>,
    undo: Vec<(Timestamp, Undo)>,
    /// Copies of folders that people have made.
    copies: Vec<(Ix, SimNode)>,
}

/// Tells the story of a seed. Panics when an invariant does not hold.
pub fn tell(seed: u64, setting: &Setting, log: Log) -> Outcome {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.now = setting.start;
    sim.log = log;
    sim.watch = Some(Watch::default());
    let people = 2 + sim.below(3) as usize;
    let has_liar = sim.below(4) == 0;
    for name in ["Andi", "Ben", "Cleo", "Dora"].iter().take(people).chain(has_liar.then_some(&"Liar")) {
        let rooms = (setting.rooms)(sim.seed());
        let mut node = SimNode::with_rooms(rooms, Some((*name).to_owned()));
        // Clocks may differ by ten minutes when two meet.
        node.clock.offset = sim.below(8 * MINUTE) as i64 - 4 * MINUTE as i64;
        sim.add_node(node);
    }
    let liar = has_liar.then_some(people);
    let mut story = Story { sim, people, liar, numbers: BTreeMap::new(), undo: Vec::new(), copies: Vec::new() };
    story.sim.lookup.is_there = story.sim.below(2) == 0;
    story.take_relays();
    story.meet();
    story.live(setting.rounds);
    story.complete();
    let sim = &story.sim;
    let sums = sim.watch.as_ref().map(Watch::sums).unwrap_or_default();
    Outcome {
        trace: sim.trace(),
        rows: sim.row_trace(),
        notices: sim.nodes.iter().map(|node| node.notices).max().unwrap_or_default(),
        frames: sim.tally.frames,
        crashes: sim.tally.crashes,
        fetched: sim.tally.fetched,
        sums,
        time: sim.now.since(setting.start),
    }
}

impl Story {
    fn everybody(&self) -> usize {
        self.sim.nodes.len()
    }

    fn pairs(&self) -> Vec<(Ix, Ix)> {
        let all = self.everybody();
        (0..all).flat_map(|a| (a + 1..all).map(move |b| (a, b))).collect()
    }

    fn pick(&mut self) -> Ix {
        let people = self.people as u64;
        self.sim.below(people) as Ix
    }

    /// Two different people.
    fn pick_two(&mut self) -> (Ix, Ix) {
        let a = self.pick();
        let step = 1 + self.sim.below(self.people as u64 - 1) as usize;
        (a, (a + step) % self.people)
    }

    fn who(&self, ix: Ix) -> Who {
        Who(self.sim.nodes[ix].peer.to_string())
    }

    fn friend(&self, a: Ix, b: Ix) -> Option<FriendRow> {
        let peer = self.sim.nodes[b].peer;
        self.sim.nodes[a].store.get(Table::Friend, peer.as_bytes()).unwrap().map(|row| read(&row))
    }

    fn is_mutual(&self, a: Ix, b: Ix) -> bool {
        let holds = |row: Option<FriendRow>| row.is_some_and(|row| row.state == FriendRow::MUTUAL && !row.blocked);
        holds(self.friend(a, b)) && holds(self.friend(b, a))
    }

    fn request(&self, at: Ix, of: Ix, direction: Direction) -> Option<RequestRow> {
        let peer = self.sim.nodes[of].peer;
        let rows = self.sim.nodes[at].store.rows(Table::Request).map(|(_, row)| read::<RequestRow>(row));
        rows.into_iter().find(|row| row.peer == peer && row.direction == direction && row.status == RequestStatus::Pending)
    }

    /// In two stories of three there are relays, and most people have one or two.
    fn take_relays(&mut self) {
        for _ in 0..self.sim.below(3) {
            let (_, link) = self.sim.add_relay();
            for ix in 0..self.everybody() {
                if self.sim.below(4) > 0 {
                    let _ = self.sim.command(ix, Command::RelayAdd { link: link.clone(), claim: None });
                }
            }
        }
    }

    /// Something befalls a relay.
    fn relay_trouble(&mut self) {
        let relays = self.sim.relays.len() as u64;
        if relays == 0 {
            return;
        }
        let ix = RELAYS + self.sim.below(relays) as usize;
        match self.sim.below(8) {
            0 => self.sim.crash_relay(ix),
            1 => self.sim.wipe_relay(ix),
            2 | 3 => self.sim.double_relay(ix),
            4 => {
                self.sim.set_gone(ix, true);
                self.later(HOUR, Undo::Back(ix));
            }
            kind => {
                self.sim.relay(ix).conduct = match kind {
                    5 => Conduct::Full,
                    6 => Conduct::Liar,
                    _ => Conduct::Lazy,
                };
                self.later(10 * MINUTE, Undo::Reform(ix));
            }
        }
    }

    /// All become friends, over a network and on machines that fail.
    fn meet(&mut self) {
        self.sim.faults = Faults::ROUGH;
        for (a, b) in self.pairs() {
            self.befriend(a, b);
        }
        if let Some(liar) = self.liar {
            self.sim.manners.insert(liar, Manners::Liar);
            if let Some(watch) = &mut self.sim.watch {
                watch.liars.insert(liar);
            }
        }
    }

    /// `b` asks `a` until they are friends: what fails is tried again, as a person would.
    fn befriend(&mut self, a: Ix, b: Ix) {
        for step in 0..720 {
            if self.is_mutual(a, b) {
                return;
            }
            self.answer(a, b);
            self.answer(b, a);
            if step % 30 == 0 {
                self.ask(b, a);
            }
            self.sim.run_for(10 * SECOND);
        }
        panic!("nodes {a} and {b} do not become friends in two hours: {:?} {:?}", self.friend(a, b), self.friend(b, a));
    }

    /// `a` asks `b`, by an invite of `b`'s or by the Peer ID alone.
    fn ask(&mut self, a: Ix, b: Ix) {
        if self.sim.lookup.is_there && self.sim.below(3) == 0 {
            self.sim.log(a, || format!("asks node {b} by Peer ID"));
            let _ = self.sim.command(b, Command::SetFindable(true));
            let target = self.sim.nodes[b].peer.to_string();
            let _ = self.sim.command(a, Command::Add { target, note: None });
            return;
        }
        let Ok(Reply::Invite { link, .. }) = self.sim.command(b, Command::Invite { lifetime: DAY, no_ip: false, auto_accept: false })
        else {
            return;
        };
        self.sim.log(a, || format!("asks node {b}"));
        if self.sim.command(a, Command::Add { target: link, note: None }).err() == Some(CommandError::AlreadyFriends) {
            // Who seems to be there is written to first: the answer, or none, shows whether it is so.
            self.say(a, b);
        }
    }

    /// `a` accepts what `b` asks.
    fn answer(&mut self, a: Ix, b: Ix) {
        if let Some(row) = self.request(a, b, Direction::In) {
            self.sim.log(a, || format!("accepts node {b}"));
            let _ = self.sim.command(a, Command::Accept(row.id));
        }
    }

    fn say(&mut self, from: Ix, to: Ix) {
        let number = self.numbers.entry((from, to)).or_default();
        *number += 1;
        let number = *number;
        let lifetime = if self.sim.below(8) == 0 { 10 * SECOND + self.sim.below(10 * MINUTE) } else { 0 };
        let padding = if self.sim.below(16) == 0 { self.sim.below(8_000) } else { self.sim.below(200) };
        let text = Label { from, to, number, lifetime }.text(padding as usize);
        self.sim.log(from, || format!("writes {number} to node {to}"));
        let to = self.who(to);
        let _ = self.sim.command(from, Command::Send { to, text, lifetime: (lifetime > 0).then_some(lifetime) });
    }

    fn live(&mut self, rounds: u64) {
        self.sim.faults = if self.sim.below(2) == 0 { Faults::HOSTILE } else { Faults::ROUGH };
        for _ in 0..rounds {
            self.something();
            let pause = match self.sim.below(8) {
                0 => self.sim.below(2 * MINUTE),
                _ => self.sim.below(10 * SECOND),
            };
            self.sim.run_for(pause);
            let now = self.sim.now;
            let due: Vec<Undo> = self.undo.extract_if(.., |(at, _)| *at <= now).map(|(_, undo)| undo).collect();
            for undo in due {
                self.withdraw(undo);
            }
            self.check_bounds();
        }
    }

    fn check_bounds(&self) {
        if let Some(watch) = &self.sim.watch {
            watch.check_bounds(&self.sim);
        }
    }

    fn later(&mut self, longest: u64, undo: Undo) {
        let at = self.sim.now.after(SECOND + self.sim.below(longest));
        self.undo.push((at, undo));
    }

    fn something(&mut self) {
        let (a, b) = self.pick_two();
        match self.sim.below(100) {
            0..37 => {
                let to = self.liar.filter(|_| self.sim.below(4) == 0).unwrap_or(b);
                for _ in 0..1 + self.sim.below(8) {
                    self.say(a, to);
                }
            }
            37..40 => {
                self.sim.hurry_commits(a);
                if self.sim.below(2) == 0 {
                    self.sim.hurry_commits(b);
                }
            }
            40..44 => {
                if let Some(liar) = self.liar {
                    self.say(liar, a);
                }
            }
            44..54 => {
                let limit = (self.sim.below(2) == 0).then_some(1 + self.sim.below(5) as usize);
                let who = self.who(b);
                let _ = self.sim.command(a, Command::Read { who: Some(who), since: None, limit, peek: false });
            }
            54..58 => {
                let pause = self.sim.below(MINUTE);
                if self.sim.nodes[a].is_up() {
                    match self.sim.below(4) {
                        0 => self.sim.crash(a, pause),
                        1 => self.sim.stop(a, pause),
                        _ => self.copy(a, pause),
                    }
                }
            }
            58..64 => self.part_network(),
            64..69 => {
                let writes = self.sim.below(40);
                self.sim.fill(a, Some(writes));
                self.later(MINUTE, Undo::Room(a));
            }
            69..74 => {
                // By hours, or by years.
                let most = if self.sim.below(2) == 0 { 6 * HOUR } else { 6 * 365 * DAY };
                let offset = self.sim.below(2 * most) as i64 - most as i64;
                self.sim.set_clock(a, offset);
                self.later(10 * MINUTE, Undo::Clock(a));
            }
            74..78 => {
                self.sim.manners.insert(a, Manners::Lazy);
                self.later(3 * MINUTE, Undo::Honest(a));
            }
            78..84 => self.rogue(a),
            84..86 => self.relay_trouble(),
            86..87 => {
                let name = format!("Friend {}", self.sim.below(6));
                let friend = self.who(b);
                let _ = self.sim.command(a, Command::Rename { friend, name });
            }
            87..91 => {
                self.part(a, b);
                let who = self.who(b);
                let _ = self.sim.command(a, Command::Block(who));
                self.later(5 * MINUTE, Undo::Unblock(a, b));
            }
            91..96 => {
                self.part(a, b);
                let who = self.who(b);
                let _ = self.sim.command(a, Command::Unfriend(who));
                self.later(2 * MINUTE, Undo::MakeUp(a, b));
            }
            _ => {
                let pause = self.sim.below(2 * HOUR);
                self.sim.run_for(pause);
            }
        }
    }

    /// The faults end. Those who parted make up, and everything settles.
    fn complete(&mut self) {
        self.sim.faults = Faults::NONE;
        for (_, undo) in std::mem::take(&mut self.undo) {
            if !matches!(undo, Undo::MakeUp(..)) {
                self.withdraw(undo);
            }
        }
        for ix in 0..self.everybody() {
            self.sim.set_clock(ix, 0);
        }
        self.sim.run_for(MINUTE);
        for (a, b) in self.pairs() {
            for (a, b) in [(a, b), (b, a)] {
                if self.friend(a, b).is_some_and(|row| row.blocked) {
                    let who = self.who(b);
                    assert!(self.sim.command(a, Command::Unblock(who)).is_ok());
                }
            }
        }
        for (a, b) in self.pairs() {
            if self.liar != Some(b) {
                self.befriend(a, b);
                self.say(a, b);
                self.say(b, a);
            }
        }
        self.sim.run_for(2 * HOUR);
        self.sim.settle();
        self.check_bounds();
        if let Some(watch) = &self.sim.watch {
            watch.check_settled(&self.sim);
        }
    }
}

//! Stories of shared rooms: people talk, rename, remove, add, leave and renew their keys while the network is cut and joined
//! at random, frames are lost and nodes crash. Afterwards all who are in the room are in one epoch, and each text is with all
//! to whom it was written, once, and with nobody else.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::PeerId;

/// What was written, by whom, and to whom: those whom the writer's node counted as members then.
struct Written {
    text: String,
    by: Ix,
    to: BTreeSet<PeerId>,
}

struct Story {
    sim: Sim,
    people: Vec<String>,
    written: Vec<Written>,
    halves: Option<(Vec<Ix>, Vec<Ix>)>,
    may_remove: bool,
}

impl Story {
    fn new(seed: u64, people: usize, may_remove: bool) -> Self {
        let names: Vec<String> = ["Ana", "Ben", "Cem", "Dea", "Eda", "Fay"][..people].iter().map(|name| (*name).to_owned()).collect();
        let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut sim = crew(seed, &borrowed);
        for called in &names[1..] {
            if sim.below(2) == 0 {
                room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name(called), role: RoomRole::Admin }));
            }
        }
        sim.run_for(MINUTE);
        Self { sim, people: names, written: Vec::new(), halves: None, may_remove }
    }

    fn pick(&mut self) -> Ix {
        self.sim.below(self.people.len() as u64) as Ix
    }

    fn room_of(&mut self, ix: Ix) -> Option<RoomView> {
        match self.sim.command(ix, Command::Rooms) {
            Ok(Reply::Rooms(views)) => views.into_iter().next(),
            _ => None,
        }
    }

    fn is_member(&mut self, ix: Ix) -> bool {
        self.room_of(ix).is_some_and(|view| view.standing == RoomStanding::Member)
    }

    fn ids(&mut self, ix: Ix) -> BTreeSet<PeerId> {
        let Some(view) = self.room_of(ix) else { return BTreeSet::new() };
        match self.sim.command(ix, Command::RoomMembers(name(&view.room.to_string()))) {
            Ok(Reply::Members(views)) => views.into_iter().map(|view| view.id).collect(),
            _ => BTreeSet::new(),
        }
    }

    fn write(&mut self, ix: Ix) {
        let Some(view) = self.room_of(ix) else { return };
        let to = self.ids(ix);
        let text = format!("text {} of {}", self.written.len(), self.people[ix]);
        let command = Command::Send { to: name(&view.room.to_string()), lifetime: None, text: text.clone() };
        if let Ok(Reply::Message(_)) = self.sim.command(ix, command) {
            self.written.push(Written { text, by: ix, to });
        }
    }

    fn cut_or_join(&mut self) {
        match self.halves.take() {
            Some((left, right)) => cut(&mut self.sim, &left, &right, false),
            None => {
                let (mut left, mut right) = (Vec::new(), Vec::new());
                for ix in 0..self.people.len() {
                    if self.sim.below(2) == 0 { left.push(ix) } else { right.push(ix) }
                }
                cut(&mut self.sim, &left, &right, true);
                self.halves = Some((left, right));
            }
        }
    }

    fn step(&mut self) {
        let ix = self.pick();
        let room = self.room_of(ix).map(|view| name(&view.room.to_string()));
        match (self.sim.below(14), room) {
            (0..=4, _) => self.write(ix),
            (5 | 6, _) => self.cut_or_join(),
            (7, _) => self.sim.hurry_commits(ix),
            (8, Some(room)) => {
                let topic = format!("topic {}", self.sim.below(1_000));
                self.sim.command(ix, Command::RoomTopic { room, topic }).ok();
            }
            (9, _) => self.sim.crash(ix, SECOND),
            (10, Some(room)) if self.may_remove => {
                let who = self.pick();
                let who = vec![name(&self.sim.nodes[who].peer.to_string())];
                self.sim.command(ix, Command::RoomRemove { room, who }).ok();
            }
            (11, Some(room)) if self.may_remove => {
                let who = self.pick();
                let who = vec![name(&self.sim.nodes[who].peer.to_string())];
                self.sim.command(ix, Command::RoomAdd { room, who }).ok();
            }
            (12, Some(room)) if self.may_remove && self.sim.below(3) == 0 => {
                self.sim.command(ix, Command::RoomLeave(room)).ok();
            }
            _ => {}
        }
        let pause = [SECOND / 10, SECOND, 10 * SECOND, MINUTE][self.sim.below(4) as usize];
        self.sim.run_for(pause);
    }

    /// Everything works again, for long enough.
    fn heal(&mut self) {
        if self.halves.is_some() {
            self.cut_or_join();
        }
        self.sim.faults = Faults::NONE;
        self.sim.run_for(2 * HOUR);
    }

    fn check(&mut self, seed: u64) {
        let present: Vec<Ix> = (0..self.people.len()).filter(|ix| self.is_member(*ix)).collect();
        let mut views = BTreeMap::new();
        for ix in &present {
            let (view, ids) = (self.room_of(*ix).unwrap(), self.ids(*ix));
            views.insert(*ix, (view.epoch, view.topic, ids));
        }
        let all: BTreeSet<_> = views.values().collect();
        assert!(
            all.len() <= 1,
            "seed {seed}: the members do not agree: {:?}",
            views.iter().map(|(ix, (epoch, topic, ids))| (ix, epoch, topic, ids.len())).collect::<Vec<_>>()
        );
        let Some((_, _, ids)) = views.values().next().cloned() else { return };
        let counted: BTreeSet<PeerId> = present.iter().map(|ix| self.sim.nodes[*ix].peer).collect();
        assert_eq!(ids, counted, "seed {seed}: who is in the room knows it");
        for ix in 0..self.people.len() {
            let Some(view) = self.room_of(ix) else { continue };
            let here = texts(&mut self.sim, ix, &view.room.to_string());
            let once: BTreeSet<&String> = here.iter().collect();
            assert_eq!(once.len(), here.len(), "seed {seed}: a text is there twice at {ix}");
            let me = self.sim.nodes[ix].peer;
            for written in &self.written {
                let has = once.contains(&written.text);
                assert!(!has || written.to.contains(&me), "seed {seed}: {:?} was not written to {ix}", written.text);
                let is_due = !self.may_remove && written.to.contains(&me);
                assert!(has || !is_due, "seed {seed}: {:?} by {} is not with {ix}", written.text, written.by);
            }
        }
    }
}

fn tell(seed: u64, people: usize, steps: usize, may_remove: bool) {
    let mut story = Story::new(seed, people, may_remove);
    story.sim.faults = Faults { loss: 20, ..Faults::NONE };
    for _ in 0..steps {
        story.step();
    }
    story.heal();
    story.check(seed);
}

/// How many stories of each kind are played; more by `ROOM_STORIES`.
fn stories() -> u64 {
    std::env::var("ROOM_STORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(3)
}

#[test]
fn rooms_that_are_cut_at_random_are_one_again_and_no_text_is_lost() {
    for seed in 0..stories() {
        tell(seed, 4, 40, false);
    }
}

#[test]
fn rooms_whose_members_come_and_go_while_they_are_cut_agree_in_the_end() {
    for seed in 1_000..1_000 + stories() {
        tell(seed, 5, 40, true);
    }
}

#[test]
fn a_friend_who_is_away_is_brought_into_several_rooms_one_after_another_without_a_pause() {
    let mut sim = scene(91, Faults::NONE, &["Ana", "Ben"]);
    sim.crash(BEN, DAY);
    sim.run_for(MINUTE);
    let names = ["one", "two", "three", "four"];
    for name in names {
        create(&mut sim, ANA, name);
        add(&mut sim, ANA, name, &["Ben"]);
    }
    sim.run_for(20 * SECOND);
    for name in names {
        assert_eq!(members(&mut sim, ANA, name).len(), 2, "{name}");
    }
}

//! A room of four members, each a state machine that uses the rules of shared rooms and nothing else: it knows some commits, follows
//! the one that stands, and commits what it wants. Everything may be late by any time, and what is lost comes again as long as
//! somebody follows it.

use crate::state::{Epoch, GUEST, Held, MEMBERS, Node, ROOT, Rules, Script, Set, State, Step, When, number_of, user};
use std::collections::{BTreeSet, HashMap};
use symbolon_core::limits::FINAL_AGE;
use symbolon_core::order::{Act, Branch, Commit, Committer, Ear, Effect, Past, Rival, Verdict, What, Wish, next, strongest};
use symbolon_core::wire::{Role, Roster, RosterLeaf, RosterUser};
use symbolon_presence::id::{DeviceId, EpochId, MessageId, PeerId, PublicKeyBytes, RoomId};
use symbolon_tests::search::Model;

/// How many epochs two branches have in common.
fn common(one: &[u16], other: &[u16]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

fn tip(path: &[u16]) -> u16 {
    *path.last().expect("a path has the first epoch")
}

/// What a commit takes: wishes, and what it does for them.
type Taken = (Vec<u8>, Vec<Act>);

/// A room under some rules.
pub struct Room {
    rules: Rules,
    script: Script,
    id: RoomId,
    epochs: Vec<Epoch>,
    made: HashMap<(u16, u8, Vec<u8>), u16>,
    won: HashMap<Vec<u16>, u16>,
    judged: HashMap<(u8, u16, Vec<Held>), Taken>,
}

impl Room {
    pub fn new(rules: Rules, script: Script, id: RoomId) -> Self {
        let mut roster = Roster::founded("Crew".into(), PublicKeyBytes([0; 32]), user(0), DeviceId([0; 16]));
        roster.users[0].role = script.roles[0];
        for n in 1..MEMBERS {
            roster.users.push(RosterUser { user: user(n), role: script.roles[usize::from(n)], came_in: 0 });
            roster.leaves.push(RosterLeaf { leaf: PublicKeyBytes([n; 32]), user: user(n), device: DeviceId([n; 16]), came_in: 0 });
        }
        assert!(roster.is_bounded());
        let by = Committer::External { user: user(0), device: DeviceId([0; 16]) };
        let rival = Rival { epoch: EpochId([0; 32]), by, removes: BTreeSet::new() };
        let root = Epoch { parent: ROOT, chain: vec![ROOT], by: 0, number: 0, roster, effects: Vec::new(), rival };
        Self { rules, script, id, epochs: vec![root], made: HashMap::new(), won: HashMap::new(), judged: HashMap::new() }
    }

    fn epoch(&self, at: u16) -> &Epoch {
        &self.epochs[usize::from(at)]
    }

    fn has(&self, at: u16, who: u8) -> bool {
        self.epoch(at).roster.user(&user(who)).is_some()
    }

    fn chain(&self, at: u16) -> &[u16] {
        &self.epoch(at).chain
    }

    fn is_stubborn(&self, who: u8) -> bool {
        self.script.stubborn == Some(who)
    }

    /// The epoch that a member follows: behind what is final, the commits that stand among those it knows.
    fn follow(&mut self, who: u8, pin: u16, known: &[u16]) -> u16 {
        let mut tip = pin;
        while self.has(tip, who) {
            let follows = |at: &u16| {
                let epoch = self.epoch(*at);
                epoch.parent == tip && *at != ROOT && !(self.is_stubborn(who) && epoch.rival.removes.contains(&user(who)))
            };
            let rivals: Vec<u16> = known.iter().copied().filter(follows).collect();
            match self.stands(rivals) {
                Some(first) => tip = first,
                None => break,
            }
        }
        tip
    }

    fn stands(&mut self, rivals: Vec<u16>) -> Option<u16> {
        let number = self.epoch(*rivals.first()?).number - 1;
        if let Some(first) = self.won.get(&rivals) {
            return Some(*first);
        }
        let list: Vec<Rival> = rivals.iter().map(|at| self.epoch(*at).rival.clone()).collect();
        let best = (self.rules.winner)(&self.id, number, &list).expect("there are some");
        let first = *rivals.iter().find(|at| self.epoch(**at).rival.epoch == best).expect("one of them");
        self.won.insert(rivals, first);
        Some(first)
    }

    fn history(&self, path: &[u16]) -> Vec<Past> {
        let epochs = path.iter().map(|at| self.epoch(*at));
        let past = |epoch: &Epoch, effect: &Effect| Past { number: epoch.number, by: user(epoch.by), effect: effect.clone() };
        epochs.flat_map(|epoch| epoch.effects.iter().map(move |effect| past(epoch, effect))).collect()
    }

    fn wish(&self, held: &Held) -> Wish {
        let want = &self.script.wants[usize::from(held.want)];
        Wish { id: MessageId([held.want; 16]), what: want.what.clone(), maker: user(want.by), made_in: held.made_in }
    }

    /// The epoch that a commit makes: the same for the same commit.
    fn make(&mut self, parent: u16, by: u8, wants: &[u8], acts: Vec<Act>) -> Option<u16> {
        let key = (parent, by, wants.to_vec());
        if let Some(at) = self.made.get(&key) {
            return Some(*at);
        }
        let before = self.epoch(parent);
        let commit = Commit { by: PublicKeyBytes([by; 32]), number: before.number, acts };
        let seat = |key: &PublicKeyBytes| Some(u32::from(key.as_bytes()[0]));
        let (roster, effects) = before.roster.after(&commit, &seat).ok()?;
        let at = u16::try_from(self.epochs.len()).expect("a small room");
        let mut epoch = [0; 32];
        epoch[..2].copy_from_slice(&at.to_be_bytes());
        let role = before.roster.role(&user(by)).expect("a member");
        let committer = Committer::Member { leaf: u32::from(by), user: user(by), role };
        let rival = Rival { epoch: EpochId(epoch), by: committer, removes: commit.removes() };
        let number = before.number + 1;
        let chain = before.chain.iter().copied().chain([at]).collect();
        self.epochs.push(Epoch { parent, chain, by, number, roster, effects, rival });
        self.made.insert(key, at);
        Some(at)
    }

    /// A member comes to know a commit, and follows what stands now.
    fn learn(&mut self, state: &State, who: u8, at: u16) -> State {
        let mut next = state.clone();
        if !self.epoch(at).rival.removes.is_empty() {
            next.removals.insert(at);
        }
        let node = &mut next.nodes[usize::from(who)];
        node.known.push(at);
        let (pin, before) = (node.pin, node.tip);
        if self.rules.remembers {
            node.tip = self.follow(who, pin, &node.known);
        } else {
            let known = [self.chain(before), &[at]].concat();
            node.known.clear();
            node.tip = self.follow(who, pin, &known);
        }
        let (old, new) = (self.chain(before), self.chain(node.tip));
        let shared = common(old, new);
        if self.rules.lowers && shared < old.len() {
            let number = self.epoch(new[shared - 1]).number;
            for held in &mut node.wishes {
                let mut wish = self.wish(held);
                wish.rewound(number);
                held.made_in = wish.made_in;
            }
        }
        self.notice(who, node);
        next
    }

    fn notice(&self, who: u8, node: &mut Node) {
        if self.script.finals || self.script.week {
            self.chain(node.tip).iter().filter(|at| **at != ROOT && self.has(**at, who)).for_each(|at| node.on.insert(*at));
        }
    }

    /// The wishes of a member that the next commit would take, and what it would do.
    fn wanted(&mut self, who: u8, node: &Node, path: &[u16]) -> Taken {
        let key = (who, tip(path), node.wishes.clone());
        if let Some(known) = self.judged.get(&key) {
            return known.clone();
        }
        let roster = &self.epoch(tip(path)).roster;
        let history = self.history(path);
        let is_own_leave = |wish: &Wish| wish.maker == user(who) && matches!(wish.what, What::Leave { .. });
        let stands = |wish: &Wish| (self.rules.judge)(wish, roster, &history) == Verdict::Stands && !is_own_leave(wish);
        let wishes: Vec<Wish> = node.wishes.iter().map(|held| self.wish(held)).filter(stands).collect();
        let taken = next(&wishes);
        let package = Some(PublicKeyBytes([0x50 + who; 32]));
        let acts = taken.iter().filter_map(|wish| wish.act(package)).collect();
        let wanted: Taken = (taken.iter().map(|wish| wish.id.as_bytes()[0]).collect(), acts);
        self.judged.insert(key, wanted.clone());
        wanted
    }

    fn is_leaving(&self, who: u8, node: &Node) -> bool {
        node.wishes.iter().map(|held| self.wish(held)).any(|wish| wish.maker == user(who) && matches!(wish.what, What::Leave { .. }))
    }

    /// What one member may do by itself.
    fn own_steps(&mut self, state: &State, who: u8, path: &[u16], steps: &mut Vec<(Step, State)>) {
        let node = &state.nodes[usize::from(who)];
        let last = tip(path);
        if !self.has(last, who) || self.is_leaving(who, node) {
            return;
        }
        let (wants, acts) = self.wanted(who, node, path);
        if !wants.is_empty() {
            let made = self.make(last, who, &wants, acts);
            steps.extend(made.map(|at| (Step::Commit(who, wants), self.learn(state, who, at))));
        }
        if node.updates > 0 {
            steps.push((Step::Update(who), self.update(state, who, last)));
        }
        let roster = &self.epoch(last).roster;
        for (want, wanted) in (0..).zip(&self.script.wants) {
            let is_new = wanted.by == who && node.wishes.iter().all(|held| held.want != want);
            let is_time = match wanted.when {
                When::Start => false,
                When::Whenever => true,
                When::Once(so) => so(roster),
            };
            if is_new && is_time {
                let mut next = state.clone();
                next.nodes[usize::from(who)].wishes.push(Held { want, made_in: self.epoch(last).number, born: last });
                steps.push((Step::Want(who, want), next));
            }
        }
    }

    /// An own commit. Who is in a hurry makes all of theirs at once.
    fn update(&mut self, state: &State, who: u8, mut tip: u16) -> State {
        let mut next = state.clone();
        let count = if self.is_stubborn(who) { next.nodes[usize::from(who)].updates } else { 1 };
        for _ in 0..count {
            tip = self.make(tip, who, &[], Vec::new()).expect("an own update is always allowed");
            next = self.learn(&next, who, tip);
            next.nodes[usize::from(who)].updates -= 1;
        }
        next
    }

    /// What comes to a member from those who follow it.
    fn incoming(&mut self, state: &State, to: u8, paths: &[Vec<u16>], steps: &mut Vec<(Step, State)>) {
        let (node, path) = (&state.nodes[usize::from(to)], &paths[usize::from(to)]);
        let others = (0..MEMBERS).filter(|from| *from != to);
        let carried: BTreeSet<u16> = others.clone().flat_map(|from| paths[usize::from(from)].iter().copied()).collect();
        let finals = self.chain(node.pin).len() - 1;
        for at in carried.into_iter().filter(|at| *at != ROOT && !path.contains(at) && !node.known.contains(at)) {
            let Epoch { parent, by, .. } = *self.epoch(at);
            let is_of_use = path.iter().skip(finals).any(|mine| *mine == parent);
            if is_of_use && self.has(parent, to) {
                let next = self.learn(state, to, at);
                // What gives way at once changes nothing and is forgotten.
                if self.rules.remembers || next.nodes[usize::from(to)].tip != node.tip {
                    steps.push((Step::Come { epoch: at, of: by, to }, next));
                }
            }
        }
        for from in others {
            let theirs = &state.nodes[usize::from(from)];
            let last = tip(&paths[usize::from(from)]);
            for held in theirs.wishes.iter().filter(|held| matches!(self.wish(held).what, What::Leave { .. })) {
                if self.has(last, to) && node.wishes.iter().all(|mine| mine.want != held.want) {
                    let mut next = state.clone();
                    let shared = common(self.chain(held.born), path);
                    let made_in = held.made_in.min(self.epoch(path[shared - 1]).number);
                    next.nodes[usize::from(to)].wishes.push(Held { made_in, ..*held });
                    steps.push((Step::Hear(to, from), next));
                }
            }
        }
    }

    /// The next epoch of a member that may be final.
    fn finals(&mut self, state: &State, who: u8, path: &[u16], steps: &mut Vec<(Step, State)>) {
        let first = self.chain(state.nodes[usize::from(who)].pin).len();
        let most = if self.rules.in_order { first + 1 } else { path.len() };
        for (place, at) in path.iter().enumerate().take(most).skip(first) {
            let epoch = self.epoch(*at);
            // The guest hears all at once.
            let hears = |row: &RosterLeaf| number_of(&row.user) == GUEST || state.nodes[usize::from(number_of(&row.user))].on.has(*at);
            let ears: Vec<Ear> = epoch.roster.leaves.iter().map(|row| Ear { past: hears(row), unheard: 0 }).collect();
            let later: Vec<PeerId> = path.iter().skip(place + 1).map(|at| user(self.epoch(*at).by)).collect();
            if (self.rules.is_final)(&later, &ears, 0) {
                let mut next = state.clone();
                next.nodes[usize::from(who)].pin = *at;
                steps.push((Step::Final(who), next));
            }
        }
    }

    fn week(&mut self, state: &State, paths: &[Vec<u16>]) -> State {
        let mut next = state.clone();
        assert!((self.rules.is_final)(&[], &[Ear { past: false, unheard: 0 }], FINAL_AGE));
        for (node, path) in next.nodes.iter_mut().zip(paths) {
            node.pin = tip(path);
        }
        next.week = true;
        next
    }

    /// Members meet who follow different branches, of which one is final for somebody, and show each other who was heard in which.
    fn meet(&mut self, state: &State, paths: &[Vec<u16>]) -> Option<State> {
        let honest = (0..MEMBERS).filter(|who| !self.is_stubborn(*who) && self.has(tip(&paths[usize::from(*who)]), *who));
        let honest: Vec<u8> = honest.collect();
        let forks = honest.iter().flat_map(|a| honest.iter().map(move |b| (*a, *b))).filter_map(|(a, b)| {
            let (one, other) = (&state.nodes[usize::from(a)], &state.nodes[usize::from(b)]);
            let shared = common(self.chain(one.tip), self.chain(other.tip));
            let part = shared < self.chain(one.tip).len() && shared < self.chain(other.tip).len();
            // One of them cannot go back.
            (part && self.chain(one.pin).len() > shared).then(|| self.chain(one.pin)[shared - 1])
        });
        let fork = forks.min_by_key(|at| (self.epoch(*at).number, *at))?;
        let firsts: BTreeSet<u16> = paths.iter().flatten().copied().filter(|at| *at != ROOT && self.epoch(*at).parent == fork).collect();
        let heard = |first: &u16| (0..MEMBERS).filter(|who| state.nodes[usize::from(*who)].on.has(*first)).map(user).collect();
        let branches: Vec<Branch> =
            firsts.iter().map(|first| Branch { first: self.epoch(*first).rival.clone(), heard: heard(first) }).collect();
        let Epoch { number, roster, .. } = self.epoch(fork);
        let best = strongest(&self.id, *number, &roster.people(), &branches).expect("there are two");
        let first = *firsts.iter().find(|at| self.epoch(**at).rival.epoch == best).expect("one of them");
        let number = *number;
        let leader = &state.nodes[usize::from(*honest.iter().find(|who| paths[usize::from(**who)].contains(&first))?)];
        let path = self.chain(leader.tip).to_vec();
        // What was decided is final for all; what comes behind it may still give way, and who was added again follows.
        let decided = if self.chain(leader.pin).contains(&first) { leader.pin } else { first };
        let mut next = state.clone();
        for who in honest.into_iter().filter(|who| paths[usize::from(*who)].contains(&fork)) {
            let node = &mut next.nodes[usize::from(who)];
            if self.chain(node.tip).contains(&first) {
                node.pin = if self.chain(node.pin).contains(&first) { node.pin } else { first };
                continue;
            }
            // Added again, or removed there.
            node.tip = path.iter().copied().find(|at| !self.has(*at, who)).unwrap_or(tip(&path));
            node.pin = if self.chain(node.tip).contains(&decided) { decided } else { node.tip };
            node.known.clone_from(&leader.known);
            for held in &mut node.wishes {
                held.made_in = held.made_in.min(number);
            }
            self.notice(who, node);
        }
        Some(next)
    }

    fn paths(&self, state: &State) -> Vec<Vec<u16>> {
        state.nodes.iter().map(|node| self.chain(node.tip).to_vec()).collect()
    }

    /// Nobody sends what nobody follows, so that it was once followed says nothing any more.
    fn forget(&self, state: &mut State) {
        let mut followed = Set::default();
        state.nodes.iter().flat_map(|node| self.chain(node.tip)).for_each(|at| followed.insert(*at));
        state.nodes.iter_mut().for_each(|node| node.on.keep(&followed));
    }
}

impl Model for Room {
    type State = State;
    type Step = Step;

    fn start(&mut self) -> State {
        let node = |who: u8| {
            let wants = (0..).zip(&self.script.wants).filter(|(_, want)| want.by == who && matches!(want.when, When::Start));
            let wishes = wants.map(|(want, _)| Held { want, made_in: 0, born: ROOT }).collect();
            Node { tip: ROOT, known: Vec::new(), pin: ROOT, on: Set::default(), wishes, updates: self.script.updates[usize::from(who)] }
        };
        State { nodes: (0..MEMBERS).map(node).collect(), removals: Set::default(), week: false }
    }

    fn steps(&mut self, state: &State) -> Vec<(Step, State)> {
        let paths = self.paths(state);
        let mut steps = Vec::new();
        let away = self.script.away;
        for who in (0..MEMBERS).filter(|who| away != Some(*who)).chain(away) {
            if away == Some(who) && steps.iter().any(|(step, _)| !self.is_free(step)) {
                break;
            }
            let path = &paths[usize::from(who)];
            self.own_steps(state, who, path, &mut steps);
            self.incoming(state, who, &paths, &mut steps);
            if self.script.finals {
                self.finals(state, who, path, &mut steps);
            }
        }
        if self.script.week && !state.week {
            steps.push((Step::Week, self.week(state, &paths)));
        }
        if state.week {
            steps.extend(self.meet(state, &paths).map(|next| (Step::Meet, next)));
        }
        if self.script.finals || self.script.week {
            for (_, next) in &mut steps {
                self.forget(next);
            }
        }
        steps
    }

    fn is_free(&self, step: &Step) -> bool {
        matches!(step, Step::Want(..) | Step::Update(_) | Step::Final(_) | Step::Week)
    }

    fn wrong(&mut self, state: &State) -> Option<String> {
        let paths = self.paths(state);
        self.apart(&paths).or_else(|| self.undone(state, &paths)).or_else(|| self.lost(state, &paths))
    }
}

#[path = "claims.rs"]
mod claims;

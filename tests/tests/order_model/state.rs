//! What a room of the model is made of: what its members are about to do, what they hold, and the steps between.

use symbolon_core::order::{Ear, Effect, Past, Rival, Verdict, What, Wish, is_final, judge, winner};
use symbolon_core::wire::{Role, Roster};
use symbolon_presence::id::{EpochId, PeerId, RoomId};

/// Members at the start; the next number is that of somebody who may be added.
pub const MEMBERS: u8 = 4;
/// Who may be added.
pub const GUEST: u8 = 4;
pub const ROOT: u16 = 0;

/// Some epochs.
#[derive(Clone, Copy, Default, Hash)]
pub struct Set([u64; 8]);

impl Set {
    pub fn insert(&mut self, at: u16) {
        self.0[usize::from(at / 64)] |= 1 << (at % 64);
    }

    pub fn has(&self, at: u16) -> bool {
        self.0[usize::from(at / 64)] & (1 << (at % 64)) != 0
    }

    pub fn keep(&mut self, these: &Self) {
        self.0.iter_mut().zip(these.0).for_each(|(mine, theirs)| *mine &= theirs);
    }
}

/// A member by number.
pub fn user(n: u8) -> PeerId {
    PeerId([n; 32])
}

pub fn number_of(user: &PeerId) -> u8 {
    user.as_bytes()[0]
}

/// The rules that members follow; a mutant has others.
pub struct Rules {
    pub winner: fn(&RoomId, u64, &[Rival]) -> Option<EpochId>,
    pub is_final: fn(&[PeerId], &[Ear], u64) -> bool,
    pub judge: fn(&Wish, &Roster, &[Past]) -> Verdict,
    /// Wishes get the parent's number when their maker goes back to it.
    pub lowers: bool,
    /// An epoch is final only after its parent is.
    pub in_order: bool,
    /// Members keep commits that gave way, and the rule sees all in the order in which they came.
    pub remembers: bool,
}

impl Rules {
    /// Those of the protocol.
    pub const OURS: Self = Self { winner, is_final, judge, lowers: true, in_order: true, remembers: false };
}

/// When somebody begins to want something.
#[derive(Clone, Copy)]
pub enum When {
    Start,
    /// At any time.
    Whenever,
    /// At any time at which the roster that they have is so.
    Once(fn(&Roster) -> bool),
}

/// Something that a member wants.
pub struct Want {
    pub by: u8,
    pub what: What,
    pub when: When,
}

/// What the members of a room are about to do.
pub struct Script {
    pub roles: [Role; 4],
    /// Own commits that each makes, at any time.
    pub updates: [u8; 4],
    pub wants: Vec<Want>,
    /// Who continues as if nobody had removed them.
    pub stubborn: Option<u8>,
    /// Who does and hears nothing until all others are done.
    pub away: Option<u8>,
    /// Epochs may become final.
    pub finals: bool,
    /// The room may be cut for more than a week.
    pub week: bool,
}

/// An epoch that some member has made, or the one that all begin with.
pub struct Epoch {
    pub parent: u16,
    /// The epochs up to it, from the first.
    pub chain: Vec<u16>,
    pub by: u8,
    pub number: u64,
    pub roster: Roster,
    pub effects: Vec<Effect>,
    pub rival: Rival,
}

/// What a member holds.
#[derive(Clone, Hash)]
pub struct Node {
    /// The epoch that it follows; those before it came with it.
    pub tip: u16,
    /// Commits that have come, if the rules remember those that gave way.
    pub known: Vec<u16>,
    /// The newest epoch that is final here.
    pub pin: u16,
    /// Epochs in which it was.
    pub on: Set,
    pub wishes: Vec<Held>,
    pub updates: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Held {
    pub want: u8,
    pub made_in: u64,
    /// The epoch it was made in. No rule sees it.
    pub born: u16,
}

/// A state of the whole room.
#[derive(Clone, Hash)]
pub struct State {
    pub nodes: Vec<Node>,
    /// The removals that were ever committed.
    pub removals: Set,
    /// The room was cut for more than a week.
    pub week: bool,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member begins to want something.
    Want(u8, u8),
    /// A member commits what it wants.
    Commit(u8, Vec<u8>),
    /// A member renews its keys.
    Update(u8),
    /// A commit comes to a member, from anyone who follows it.
    Come { epoch: u16, of: u8, to: u8 },
    /// A member hears that another one wants to leave.
    Hear(u8, u8),
    /// An epoch is final for a member.
    Final(u8),
    /// A week passes, and everything is final for everybody.
    Week,
    /// Two branches meet, of which one is final for somebody.
    Meet,
}

//! Other copies of this folder that are at work.

use crate::copies;
use crate::limits::{COPY_QUESTION, INSTANCES_HEARD_MAX, INSTANCES_OWN_MAX};
use crate::notice::RenewalNotice;
use crate::rows::Start;
use crate::state::State;
use crate::turn::Turn;
use crate::wire::{Heard, Standing, is_start_of};
use symbolon_presence::id::PeerId;
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::time::Timestamp;

/// Another copy of this folder that runs, or ran a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rival {
    pub seen: Timestamp,
    /// Whether it was started later than this one, as far as is known.
    pub is_later: bool,
    /// Whether this device has signed a start of it, so that no friend can have made it up.
    pub is_sure: bool,
}

/// What a copy does that another one runs beside, when its user has said nothing for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turns {
    /// It keeps the device's key.
    GoesOn,
    /// It becomes a device of its own.
    Moves,
    /// It waits for its user.
    Waits,
}

impl Rival {
    /// Of two that can become devices the later one does, and the earlier one stays what it is. Where they cannot, the later one goes on:
    /// who moved the folder to another machine started it there last.
    pub fn leads_to(self, can_move: bool) -> Turns {
        match (can_move && self.is_sure, self.is_later) {
            (true, true) | (false, false) => Turns::GoesOn,
            (true, false) => Turns::Moves,
            (false, true) => Turns::Waits,
        }
    }

    /// When that is, if its user says nothing. The earlier copy is back before the later one is anything else: who writes to the device
    /// finds somebody, and a copy that could not be sure hears of it then.
    pub fn due(self, can_move: bool) -> Option<Timestamp> {
        match self.leads_to(can_move) {
            Turns::GoesOn if self.is_later => Some(self.seen.after(COPY_QUESTION / 2)),
            Turns::GoesOn | Turns::Moves => Some(self.seen.after(COPY_QUESTION)),
            Turns::Waits => None,
        }
    }
}

/// Starts of this device that are none of this run: of a copy that was at work, or is. Each bears this
/// device's own signature, so that no friend can invent one. No clock is asked which came first: friends'
/// clocks may jump as our own does.
pub(super) fn watch_for_rivals(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, said: &Standing) {
    let present = state.own.start();
    let own_peer = state.own.peer;
    let Ok(own_key) = VerifyingKey::parse(&state.own.identity.signing.public()) else { return };
    let is_ours = |heard: &&Heard| is_start_of(&own_key, &own_peer, heard.instance, heard.started, &heard.word);
    let back_after = said.heard.iter().find(|heard| heard.instance == present.instance).and_then(|heard| heard.over);
    for heard in said.heard.iter().filter(|heard| heard.instance != present.instance).filter(is_ours) {
        let own = &state.own.starts;
        let known = own.iter().find(|start| start.instance == heard.instance);
        let is_known = known.is_some();
        // Made by another copy: nobody but this device signs a start.
        let is_sure = known.is_none_or(|start| start.word.is_some());
        // This folder's own starts are all earlier, whatever the clock said then. Both copies compare the same, so one of them is the later.
        let is_later = is_sure && (heard.started, heard.instance) > (present.started, present.instance);
        // Of our own starts only so many are remembered: what is older than these may be one.
        let is_before_memory = own.len() >= INSTANCES_OWN_MAX && own.iter().rev().nth(1).is_none_or(|last| heard.started <= last.started);
        if !is_known && is_before_memory {
            continue;
        }
        // It came back after this start was heard; or this one did after it was, and it is none of ours.
        let is_back = heard.over == Some(present.instance);
        let is_rival = is_back || (!is_known && back_after == Some(heard.instance));
        if is_rival && state.own.is_at_peace(turn.now) && !state.own.ignored.contains(&heard.instance) {
            // Where the user let this one continue, the other is heard until it knows that.
            state.own.ignored.truncate(INSTANCES_HEARD_MAX - 1);
            state.own.ignored.insert(0, heard.instance);
        }
        let is_rival = is_rival && !state.own.ignored.contains(&heard.instance);
        if !is_known {
            state.own.know_start(Start { instance: heard.instance, started: heard.started, over: None, word: Some(heard.word) });
        }
        // That a start which is known here came back is believed of one friend once a day: a liar must not stop
        // this node again and again. One that is unknown is signed by a copy of this folder and nobody else.
        // Where a copy can become a device of its own, one that is known already is believed each time: it happens once.
        let is_sure_now = !is_known || (is_sure && copies::can_move(state));
        if is_rival && (is_sure_now || state.own.is_halted || state.rates.rival(turn.now, *peer)) {
            turn.tell(RenewalNotice::Rival { is_later, is_sure });
        } else if is_rival || !is_known {
            turn.tell(RenewalNotice::Newer);
        }
    }
}

//! How it stands with the relays that are asked.

use crate::limits::{FETCH_AGAIN, FETCH_CALLS_MAX};
use crate::seam::{CloseReason, DialId, LinkId, NetAction};
use std::collections::{BTreeMap, VecDeque};
use symbolon_presence::id::Nonce;
use symbolon_presence::time::Timestamp;
use symbolon_relay::link::RelayLink;

/// How it stands with one relay.
pub(super) struct Asked {
    pub(super) relay: RelayLink,
    pub(super) step: Step,
    /// Calls so far.
    pub(super) calls: u32,
    /// The mailbox at hand, and the capsule of which it is.
    pub(super) number: u8,
    pub(super) version: Option<(u64, u16)>,
    /// What was fetched from each mailbox here, as it lies there.
    pub(super) sealed: BTreeMap<(u8, u16), Vec<u8>>,
    pub(super) frames: usize,
    /// What became of it.
    pub(super) end: Option<Ending>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is called at this time.
    Waits(Timestamp),
    Dialled(DialId, Timestamp),
    /// A question is out.
    Linked(LinkId, Nonce, Timestamp),
    Over,
}

/// What became of the question at one relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All of a capsule lay there.
    Whole,
    /// Not all of it.
    Parts,
    /// It has none of these words.
    Nothing,
    /// It could not be reached, or did not answer.
    Silent,
}

impl Asked {
    /// Whether every piece of its capsule is here.
    pub(super) fn has_all(&self) -> bool {
        self.version.is_some_and(|(_, count)| self.sealed.len() >= usize::from(count))
    }

    /// It was not reached, or the link is gone: what is still there is asked for again.
    pub(super) fn try_again(&mut self, now: Timestamp) {
        if self.calls < FETCH_CALLS_MAX {
            self.step = Step::Waits(now.after(FETCH_AGAIN));
            return;
        }
        self.step = Step::Over;
        self.end = Some(if self.sealed.is_empty() { Ending::Silent } else { Ending::Parts });
    }

    pub(super) fn close(&mut self, actions: &mut VecDeque<NetAction>, link: LinkId, ending: Ending) {
        actions.push_back(NetAction::Close(link, CloseReason::Idle));
        self.step = Step::Over;
        self.end = Some(ending);
    }
}

//! What of a conversation one side lacks, because it came back from an older copy.
//! `docs/protocol/renewal.md`.

use crate::limits::{RENEWAL_NAMES_MAX, RESEND_LIFE, RESEND_ROWS_MAX};
use crate::notice::ConversationsNotice;
use crate::rows::{Friend, Lacks, Message, message_key, split_key};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed, decode_row};
use crate::wire::Renews;
use crate::world::RANGE_LIMIT;
use symbolon_presence::id::{MessageId, PeerId};
use symbolon_presence::time::Timestamp;

/// Which texts of a conversation are known here: own ones, the newest that is known to be delivered
/// and the newest of all; and the newest of the friend's.
pub(crate) fn known_texts(state: &State, turn: &Turn<'_>, friend: &Friend) -> Result<(Vec<MessageId>, Option<MessageId>), TurnFailed> {
    let (mut sent, mut had, mut has_delivered) = (Vec::new(), None, false);
    walk_back(turn, friend, |_, text| {
        let is_own = text.from == state.own.peer;
        let is_delivered = matches!(text.state, crate::command::MessageState::Delivered | crate::command::MessageState::Read);
        if is_own && !has_delivered && (sent.len() < RENEWAL_NAMES_MAX || is_delivered) {
            has_delivered = is_delivered;
            sent.push(text.id);
        }
        if !is_own && had.is_none() {
            had = Some(text.id);
        }
        !(has_delivered && had.is_some())
    })?;
    Ok((sent, had))
}

/// What the side that is not behind finds in its history: how many texts of the other's are not
/// known there, and which own ones it lacks.
pub(crate) fn compare(turn: &Turn<'_>, friend: &Friend, renews: &Renews) -> Result<(u32, Missing), TurnFailed> {
    let (mut unknown, mut all_theirs_seen) = (0u32, false);
    let (mut missing, mut all_ours_seen) = (Missing::default(), false);
    walk_back(turn, friend, |arrival, text| {
        if text.from == friend.peer {
            all_theirs_seen |= renews.sent.contains(&text.id);
            unknown = unknown.saturating_add(u32::from(!all_theirs_seen));
        } else {
            all_ours_seen |= renews.had == Some(text.id) || turn.now.since(text.at) > RESEND_LIFE;
            if !all_ours_seen {
                missing.add(arrival, &text);
            }
        }
        !(all_theirs_seen && all_ours_seen)
    })?;
    Ok((unknown, missing))
}

/// Own texts that a friend's older copy lacks.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    arrivals: Vec<u64>,
}

impl Missing {
    fn add(&mut self, arrival: u64, text: &Message) {
        // What was not delivered waits anyway; what was given up stays so.
        if matches!(text.state, crate::command::MessageState::Delivered | crate::command::MessageState::Read) {
            self.arrivals.push(arrival);
        }
    }

    /// Lets them be sent again: automatically once in a while, otherwise when the user says so.
    pub fn resend(mut self, friend: &mut Friend, now: Timestamp) {
        let (Some(newest), Some(oldest)) = (self.arrivals.first().copied(), self.arrivals.last().copied()) else { return };
        if friend.resent.is_some_and(|at| now.since(at) < RESEND_LIFE) {
            let count = u32::try_from(self.arrivals.len()).unwrap_or(u32::MAX);
            let lacks = Lacks { after: oldest.saturating_sub(1), before: newest.saturating_add(1), count };
            friend.lacks = Some(friend.lacks.map_or(lacks, |known| known.and(lacks)));
            return;
        }
        friend.resent = Some(now);
        friend.held.append(&mut self.arrivals);
        friend.held.sort_unstable();
        friend.held.dedup();
    }
}

/// Sends again what a friend's older copy lacks, because the user says so.
pub(crate) fn resend(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<u32, TurnFailed> {
    let Some(friend) = state.friends.get(peer) else { return Ok(0) };
    let Some(lacks) = friend.lacks else { return Ok(0) };
    let mut missing = Missing::default();
    walk_back(turn, friend, |arrival, text| {
        if text.from == state.own.peer && arrival > lacks.after && arrival < lacks.before {
            missing.add(arrival, &text);
        }
        arrival > lacks.after
    })?;
    let now = turn.now;
    state.change_friend(turn, peer, |friend| {
        friend.lacks = None;
        friend.held.append(&mut missing.arrivals);
        friend.held.sort_unstable();
        friend.held.dedup();
        friend.resent = Some(now);
    });
    turn.tell(ConversationsNotice::Held(*peer));
    turn.notify(Event::Friend(*peer));
    Ok(lacks.count)
}

/// Looks at the texts of a conversation, the newest first, for as long as `look` wants.
fn walk_back(turn: &Turn<'_>, friend: &Friend, mut look: impl FnMut(u64, Message) -> bool) -> Result<(), TurnFailed> {
    let mut before = message_key(&friend.conversation, u64::MAX);
    for _ in 0..RESEND_ROWS_MAX.div_ceil(RANGE_LIMIT) {
        let page = turn.shelf.range_back(Table::Message, &before, RANGE_LIMIT)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        before.clone_from(last);
        for (key, bytes) in page {
            let Some((_, arrival)) = split_key(&key).filter(|(conversation, _)| *conversation == friend.conversation) else {
                return Ok(());
            };
            if !look(arrival, decode_row(&bytes)?) {
                return Ok(());
            }
        }
    }
    Ok(())
}

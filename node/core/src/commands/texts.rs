//! What the user writes and reads.

use crate::command::{DraftView, Reply, Who};
use crate::conversations::history::Part;
use crate::conversations::{self, history};
use crate::devices;
use crate::groups;
use crate::people::{self, Target};
use crate::state::State;
use crate::turn::{Failed, Turn};
use symbolon_presence::id::MessageId;

pub(super) fn send(state: &mut State, turn: &mut Turn<'_>, to: &Who, text: String, lifetime: Option<u64>) -> Result<Reply, Failed> {
    let target = people::find_target(state, to)?;
    let written = text.clone();
    let id = match target {
        Target::Friend(peer) => conversations::send(state, turn, peer, text, lifetime)?,
        Target::Room(room) => groups::send(state, turn, &room, text)?,
    };
    devices::draft_sent(state, turn, &target, &written)?;
    message(state, turn, &id)
}

pub(super) fn drafts(state: &State) -> Reply {
    let view = |(target, text): (Target, String)| DraftView { to: id_of(&target), text };
    Reply::Drafts(devices::drafts(state).into_iter().map(view).collect())
}

pub(super) fn draft(state: &mut State, turn: &mut Turn<'_>, to: &Who, text: String) -> Result<Reply, Failed> {
    let target = people::find_target(state, to)?;
    devices::write_draft(state, turn, &target, text)?;
    Ok(drafts(state))
}

fn id_of(target: &Target) -> String {
    match target {
        Target::Friend(peer) => peer.to_string(),
        Target::Room(room) => room.to_string(),
    }
}

pub(super) fn message(state: &State, turn: &Turn<'_>, id: &MessageId) -> Result<Reply, Failed> {
    Ok(Reply::Message(history::message(state, turn, id)?))
}

pub(super) fn read(
    state: &mut State,
    turn: &mut Turn<'_>,
    of: Option<Target>,
    part: Part,
    limit: Option<usize>,
    peek: bool,
) -> Result<Reply, Failed> {
    Ok(Reply::Messages(history::read(state, turn, of, part, limit, peek)?))
}

/// Sends again what a friend's older copy lacks.
pub(super) fn resend(state: &mut State, turn: &mut Turn<'_>, who: &Who) -> Result<Reply, Failed> {
    let peer = people::find(state, who)?;
    Ok(Reply::Resent(conversations::resend(state, turn, &peer)?))
}

//! What the user does with friends.

use super::requests;
use crate::command::{CommandError, Reply, Who};
use crate::delivery::Delivery;
use crate::devices;
use crate::friendships;
use crate::people::{self, Mirror};
use crate::presence;
use crate::state::State;
use crate::turn::{Failed, Turn};
use crate::views;
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::time::Timestamp;

/// The answer that shows a friend.
fn reply(state: &State, delivery: &Delivery, now: Timestamp, peer: &PeerId) -> Result<Reply, Failed> {
    let view = views::friend::view(state, delivery, &Mirror::of(state), now, peer);
    view.map(Reply::Friend).ok_or(Failed::Command(CommandError::NotFound))
}

/// Blocks or unblocks a friend, or the sender of a request.
pub(super) fn block(state: &mut State, delivery: &Delivery, turn: &mut Turn<'_>, who: &Who, blocked: bool) -> Result<Reply, Failed> {
    match people::resolve(state, who) {
        Ok(peer) => {
            for row in people::persons::rows_of(state, &peer) {
                friendships::set_blocked(state, turn, &row, blocked)?;
            }
            reply(state, delivery, turn.now, &peer)
        }
        Err(CommandError::NotFound) => {
            let id = people::requests::resolve(state, who)?;
            if blocked {
                friendships::block(state, turn, &id)?
            } else {
                friendships::unblock(state, turn, &id)?
            }
            requests::reply(state, &id)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn rename(state: &mut State, delivery: &Delivery, turn: &mut Turn<'_>, friend: &Who, name: &str) -> Result<Reply, Failed> {
    let peer = people::find(state, friend)?;
    friendships::rename(state, turn, &peer, name)?;
    reply(state, delivery, turn.now, &peer)
}

pub(super) fn unfriend(state: &mut State, delivery: &Delivery, turn: &mut Turn<'_>, friend: &Who) -> Result<Reply, Failed> {
    let peer = people::resolve(state, friend)?;
    friendships::unfriend(state, turn, &peer)?;
    reply(state, delivery, turn.now, &peer)
}

pub(super) fn block_device(state: &mut State, delivery: &Delivery, turn: &mut Turn<'_>, who: &Who, device: &str) -> Result<Reply, Failed> {
    let peer = people::resolve(state, who)?;
    let lower = device.trim().to_ascii_lowercase();
    let devices = people::persons::rows_of(state, &peer).into_iter().flat_map(|row| people::devices_of(state, &row));
    let found: Vec<DeviceId> = devices.filter(|device| lower.len() >= 4 && device.to_string().starts_with(&lower)).collect();
    let device = match found.as_slice() {
        [one] => *one,
        [] => return Err(CommandError::NotFound.into()),
        _ => return Err(CommandError::Ambiguous.into()),
    };
    devices::shut_out(state, turn, &peer, &device)?;
    let head = people::persons::head(state, &peer);
    reply(state, delivery, turn.now, &head)
}

pub(super) fn hide(state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, friend: &Who, hidden: bool) -> Result<Reply, Failed> {
    let peer = people::find(state, friend)?;
    for row in people::persons::rows_of(state, &peer) {
        presence::hide(state, turn, &row, hidden);
        delivery.hidden(state, turn, &people::devices_of(state, &row).into_iter().collect());
    }
    reply(state, delivery, turn.now, &peer)
}

pub(super) fn verify(
    state: &mut State,
    delivery: &Delivery,
    turn: &mut Turn<'_>,
    friend: &Who,
    words: Option<&str>,
) -> Result<Reply, Failed> {
    let peer = people::find(state, friend)?;
    friendships::verify(state, turn, &peer, words)?;
    reply(state, delivery, turn.now, &peer)
}

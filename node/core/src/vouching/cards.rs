//! Cards of ours: made when our user asks for one, renewed when they end soon.

use crate::command::CommandError;
use crate::groups;
use crate::invites::cards::{self, CardLink};
use crate::limits::{CARD_LEFT, CARD_LIFE};
use crate::rows::Card;
use crate::seam::Address;
use crate::state::State;
use crate::turn::{Failed, Turn};
use symbolon_presence::id::RoomId;
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::time::{EARLIEST, Timestamp};

/// A card for a room, and until when it is good. The first one lets people knock.
pub(crate) fn card(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> Result<(String, Timestamp), Failed> {
    if turn.stamp < EARLIEST {
        // It would have expired everywhere else.
        return Err(CommandError::WrongClock.into());
    }
    let at_hand = cards::hubs_at_hand(state);
    groups::open(state, turn, room, at_hand.clone())?;
    let known = state.vouching.cards.get(room).filter(|card| !card.expires.is_expired_at(turn.stamp.after(CARD_LEFT))).cloned();
    let card = known.unwrap_or_else(|| Card { room: *room, secret: InviteSecret::random(turn.rng), expires: turn.stamp.after(CARD_LIFE) });
    state.save_card(turn, card.clone());
    cards::changed(turn);
    let hubs = state.groups.rooms.get(room).and_then(|group| group.roster.knocks.as_ref()).map(|knocks| knocks.hubs.clone());
    // Our own relays have the body for certain; hubs may.
    let places: Vec<Vec<Address>> = at_hand.into_iter().chain(hubs.into_iter().flatten()).collect();
    let link = CardLink::new(card.secret, state.own.peer, card.expires, &places);
    Ok((link.text(), card.expires))
}

/// Cards of rooms in which we are no more, and of long ago, are forgotten.
pub(super) fn expire(state: &mut State, turn: &mut Turn<'_>) {
    let is_in = |room: &RoomId| state.groups.rooms.get(room).is_some_and(|group| group.standing.is_in());
    let over = state.vouching.cards.values().filter(|card| !is_in(&card.room) || card.expires.is_expired_at(turn.sure));
    for room in over.map(|card| card.room).collect::<Vec<_>>() {
        state.drop_card(turn, &room);
    }
}

//! Cards of ours: made when our user asks for one, renewed when they end soon.

use crate::command::CommandError;
use crate::groups;
use crate::invites::cards::{self, CardLink};
use crate::limits::{CARD_LEFT, CARD_LIFE};
use crate::rows::Card;
use crate::seam::Address;
use crate::state::State;
use crate::turn::{Failed, Turn};
use crate::wire::hubs_of;
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
    let is_ours = groups::open(state, turn, room, at_hand.clone())?;
    let before = state.vouching.cards.get(room);
    let hubs = if is_ours { Some(hubs_of(at_hand)) } else { before.and_then(|card| card.hubs.clone()) };
    let known = before.filter(|card| !card.expires.is_expired_at(turn.stamp.after(CARD_LEFT)));
    let (secret, expires) = match known {
        Some(card) => (card.secret.clone(), card.expires),
        None => (InviteSecret::random(turn.rng), turn.stamp.after(CARD_LIFE)),
    };
    let card = Card { room: *room, secret, expires, hubs };
    state.save_card(turn, card.clone());
    cards::changed(turn);
    let hubs = state.groups.rooms.get(room).and_then(|group| group.roster.knocks.as_ref()).map(|knocks| knocks.hubs.clone());
    // Our own relays have the body for certain; hubs may, but for those that are members' nodes.
    let own = cards::own_hub(state);
    let hubs = hubs.into_iter().flatten().filter(|hub| own.as_ref() != Some(hub));
    let places: Vec<Vec<Address>> = cards::relays_at_hand(state).into_iter().chain(hubs).collect();
    let link = CardLink::new(card.secret, state.own.peer, card.expires, &places);
    Ok((link.text(), card.expires))
}

/// Where the hubs are by which we have let people knock: if one of them is not at hand any more, or this node has become one,
/// the room has others from now on. So a room outlives that its hub, a member's node, has another address.
pub(crate) fn move_hubs(state: &mut State, turn: &mut Turn<'_>) {
    let (own, at_hand) = (cards::own_hub(state), hubs_of(cards::hubs_at_hand(state)));
    // Where this node is now it does not know yet, or there is no other hub.
    if at_hand.is_empty() || (state.own.is_hub && own.is_none()) {
        return;
    }
    let is_other = |card: &&Card| {
        let present = state.groups.rooms.get(&card.room).and_then(|group| group.roster.knocks.as_ref()).map(|knocks| &knocks.hubs);
        let places: Vec<&Address> = at_hand.iter().flatten().collect();
        let is_at_hand = |hub: &Vec<Address>| hub.iter().any(|place| places.contains(&place));
        let lacks_own = own.as_ref().is_some_and(|own| present.is_some_and(|hubs| !hubs.contains(own)));
        present == card.hubs.as_ref() && (lacks_own || !present.into_iter().flatten().all(is_at_hand))
    };
    for card in state.vouching.cards.values().filter(is_other).cloned().collect::<Vec<_>>() {
        if groups::move_hubs(state, turn, &card.room, at_hand.clone()) {
            state.save_card(turn, Card { hubs: Some(at_hand.clone()), ..card });
        }
    }
}

/// Cards of rooms in which we are no more, and of long ago, are forgotten; not by which hubs we let people knock.
pub(super) fn expire(state: &mut State, turn: &mut Turn<'_>) {
    let is_in = |room: &RoomId| state.groups.rooms.get(room).is_some_and(|group| group.standing.is_in());
    let is_late = |card: &Card| card.expires.is_expired_at(turn.sure) && card.hubs.is_none();
    let over = state.vouching.cards.values().filter(|card| !is_in(&card.room) || is_late(card));
    for room in over.map(|card| card.room).collect::<Vec<_>>() {
        state.drop_card(turn, &room);
    }
}

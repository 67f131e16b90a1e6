//! Room cards: how people come to knock at a room. A card is a link as short as an invite's; how to knock now stands in its
//! body, which lies where bodies of invites lie. `docs/protocol/vouching.md`.

use super::link::{CARD_VERSION, InviteLink, LinkError};
use super::place::Place;
use crate::limits::{HUB_PLACES_MAX, HUBS_MAX};
use crate::notice::InvitesNotice;
use crate::rows::Card;
use crate::seam::Address;
use crate::state::State;
use crate::turn::Turn;
use crate::wire::{CardBody, CardRecord};
use symbolon_presence::codec;
use symbolon_presence::id::{LookupId, PeerId};
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::time::Timestamp;

/// What a card says: who has made it, and where its body may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardLink(pub InviteLink);

impl CardLink {
    /// A card with as many of these places as fit.
    pub fn new(secret: InviteSecret, peer: PeerId, expires: Timestamp, hubs: &[Vec<Address>]) -> Self {
        let places: Vec<Address> = hubs.iter().flatten().cloned().collect();
        Self(InviteLink::new(secret, peer, expires, Vec::new(), Place::of(&places, true)))
    }

    /// Writes it.
    pub fn text(&self) -> String {
        self.0.text_as(CARD_VERSION)
    }

    /// Finds the first card in whatever somebody has pasted.
    pub fn find(pasted: &str) -> Result<Self, LinkError> {
        InviteLink::find_as(pasted, CARD_VERSION).map(Self)
    }

    /// Where its body may be fetched, each server by its addresses.
    pub fn servers(&self) -> Vec<Vec<Address>> {
        self.0.places.iter().map(Place::addresses).take(2 * HUBS_MAX).collect()
    }
}

/// Our relays, as their links say.
pub(crate) fn relays_at_hand(state: &State) -> Vec<Vec<Address>> {
    state.own.relay_mailboxes.values().filter(|relay| relay.is_told()).map(|relay| relay.link.places.clone()).collect()
}

/// Where this node is found as a hub, if it is one: anybody dials it there, without a key and without a relay between.
pub(crate) fn own_hub(state: &State) -> Option<Vec<Address>> {
    let places = Place::of(&state.own.places, true).iter().flat_map(Place::addresses).take(HUB_PLACES_MAX).collect::<Vec<_>>();
    (state.own.is_hub && !places.is_empty()).then_some(places)
}

/// Where the hubs of a room of ours may be: this node, and our relays.
pub(crate) fn hubs_at_hand(state: &State) -> Vec<Vec<Address>> {
    own_hub(state).into_iter().chain(relays_at_hand(state)).collect()
}

/// There are other cards than before, or their bodies say something else.
pub(crate) fn changed(turn: &mut Turn<'_>) {
    turn.tell(InvitesNotice::BodiesChanged);
}

/// Cards whose bodies are to be found: of rooms in which we are.
pub(crate) fn open(state: &State, now: Timestamp) -> impl Iterator<Item = &Card> {
    let is_open = move |card: &&Card| {
        let group = state.groups.rooms.get(&card.room);
        !card.expires.is_expired_at(now) && group.is_some_and(|group| group.is_member()) && state.groups.knock_key(&card.room).is_some()
    };
    state.vouching.cards.values().filter(is_open)
}

/// Makes the body of a card for a day, and where it lies.
pub(crate) fn seal(state: &State, turn: &mut Turn<'_>, card: &Card, day: u32, number: u64) -> Option<(LookupId, Vec<u8>)> {
    let knocks = state.groups.rooms.get(&card.room)?.roster.knocks.clone()?;
    let secret = &state.groups.knock_key(&card.room)?.secret;
    let key = secret.key().public().bytes();
    let body = CardBody { id: card.secret.id(), day, number, expires: card.expires, alias: knocks.alias, key, hubs: knocks.hubs };
    let content = codec::encode(&CardRecord::sign(&state.own.identity, &state.own.peer, &body));
    let slot = card.secret.slot(day);
    Some((slot.id().ok()?, slot.seal(Timestamp(number), &content, turn.rng).ok()?))
}

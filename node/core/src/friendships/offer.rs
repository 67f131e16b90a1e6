//! The Offer: A asks B.

use super::accept::accept;
use super::step::{reply_contact, seal_step, seal_to_friend};
use crate::command::{Direction, RequestStatus, Trust};
use crate::delivery::Delivery;
use crate::delivery::outbox::{self, Via};
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::ways;
use crate::invites::contact::VerifiedContact;
use crate::limits::{OFFER_MAX, REQUEST_LIFETIME};
use crate::rooms::{self, OwnLeaf};
use crate::rows::Request;
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{Contact, OfferBody, Step};
use crate::world::CipherError;
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, Nonce, RequestId, RoomId};
use symbolon_presence::time::{EARLIEST, Timestamp};

/// Makes a room and sends the Offer to every device of a contact record.
pub(crate) fn send(
    state: &mut State,
    turn: &mut Turn<'_>,
    id: RequestId,
    to: VerifiedContact,
    note: Option<String>,
    trust: Trust,
) -> Result<RequestId, Failed> {
    let (room, leaf) = rooms::create(state, turn)?;
    let mut row = Request {
        peer: to.signer.peer,
        name: to.name.clone(),
        trust,
        note,
        room: Some(room),
        chain: Some(to.chain.clone()),
        contacts: to.contacts.iter().map(|(_, contact)| contact.clone()).collect(),
        invite: state.requests.get(&id).and_then(|row| row.invite.clone()),
        joins: state.requests.get(&id).and_then(|row| row.joins),
        ..Request::blank(turn, id, Direction::Out)
    };
    first_revision(state, turn, &mut row, (room, &leaf))?;
    let body = row.offer.clone();
    let (usage, psk) = (row.usage, row.psk());
    state.save_request(turn, row);
    for (device, contact) in &to.contacts {
        let chain = contact.chain.as_ref().unwrap_or(&to.chain);
        ways::register_device(state, turn, device, chain, contact.entry.clone());
        let Some(envelope) = seal_step(
            state,
            turn,
            Step::Offer,
            device,
            contact,
            psk.as_ref().filter(|_| !contact.last_resort),
            (Digest([0; 32]), body.clone()),
        ) else {
            continue;
        };
        let usage = (!contact.last_resort).then_some(usage);
        outbox::enqueue(state, turn, &device.device, EnvelopeOwner::Offer(id), Some(Via::contact(contact, usage)), envelope);
    }
    turn.notify(Event::Request(id));
    Ok(id)
}

/// Makes the first revision of a request's Offer, with its reply address and transcript.
pub(crate) fn first_revision(
    state: &State,
    turn: &mut Turn<'_>,
    row: &mut Request,
    (room, leaf): (RoomId, &OwnLeaf),
) -> Result<(), CipherError> {
    let (reply, digest) = reply_contact(state, turn, row);
    row.reply_package = digest;
    let offer = fit(OfferBody {
        request: row.wire,
        revision: 0,
        name: state.own.name.clone(),
        note: row.note.clone(),
        replies: vec![reply],
        nonce: Nonce::random(turn.rng),
        group_info: rooms::offer(turn, room)?,
        created: row.created,
        expires: row.expires,
        renews: row.renews.clone(),
        leaves: vec![leaf.owner()],
    });
    row.transcript = offer.transcript(&state.own.peer, &row.peer);
    row.offer = codec::encode(&offer);
    Ok(())
}

/// Leaves out places at relays, and then our own, until an Offer is short enough.
pub(super) fn fit(mut offer: OfferBody) -> OfferBody {
    while codec::encode(&offer).len() > OFFER_MAX {
        let relays = offer.replies.iter_mut().flat_map(|reply| reply.relay_mailboxes.iter_mut().map(|mailbox| &mut mailbox.entry.places));
        let longest = relays.max_by_key(|places| places.len()).filter(|places| places.len() > 1);
        let shortened = match longest {
            Some(places) => places.pop().is_some(),
            None => offer.replies.iter_mut().any(|reply| reply.entry.places.pop().is_some()),
        };
        if !shortened {
            break;
        }
    }
    offer
}

/// This node can be written to elsewhere: friends hear of it, and who was asked for friendship
/// gets a new Offer.
pub(crate) fn moved(state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    delivery.greet_all(state, turn)?;
    reissue(state, turn, false)
}

/// Makes the Offers of unanswered requests again, because this node's addresses have
/// changed: same request and terms, next revision. Without it the answer would go to a dead
/// address. `all`: also those that name the present addresses, but a grant that has ended.
pub(crate) fn reissue(state: &mut State, turn: &mut Turn<'_>, all: bool) -> Result<(), TurnFailed> {
    let stale = |row: &&Request| {
        row.direction == Direction::Out
            && row.status == RequestStatus::Pending
            && may_go(state, turn, row)
            && row.body().is_some_and(|offer| {
                all || offer.replies.iter().any(|reply| {
                    reply.entry.places != state.own.places_for(&row.peer) || reply.relay_mailboxes.len() != state.own.told_relays()
                })
            })
    };
    let ids: Vec<RequestId> = state.requests.values().filter(stale).map(|row| row.id).collect();
    for id in ids {
        let Some(row) = state.requests.get(&id).cloned() else { continue };
        let Some(offer) = row.body() else { continue };
        send_again(state, turn, row, offer)?;
    }
    Ok(())
}

/// Gives new dates to Offers that were made by a clock which was ahead, or never set: nobody takes
/// them with the old ones.
pub(crate) fn redate(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let stamp = state.clock.stamp();
    let is_wrong = |created: Timestamp| created.is_future_at(stamp) || created < EARLIEST;
    if is_wrong(stamp) {
        return Ok(());
    }
    let asks = |row: &&Request| row.direction == Direction::Out && matches!(row.status, RequestStatus::Pending | RequestStatus::Unresolved);
    let rows: Vec<Request> = state.requests.values().filter(asks).filter(|row| is_wrong(row.created)).cloned().collect();
    for row in rows {
        let lasts = stamp.after(REQUEST_LIFETIME);
        let expires = row.invite.as_ref().filter(|_| row.offer.is_empty()).map_or(lasts, |invite| invite.expires);
        let created = stamp;
        let row = Request { created, expires, ..row };
        match row.body() {
            Some(_) if !may_go(state, turn, &row) => {}
            Some(offer) => send_again(state, turn, row, OfferBody { created, expires, ..offer })?,
            None => state.save_request(turn, row),
        }
    }
    Ok(())
}

/// Our certificate was renewed: Offers under the one of before are made again, and what our user has agreed to meanwhile
/// is answered.
pub(crate) fn certified(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    reissue(state, turn, true)?;
    let waits = |row: &&Request| row.agreed == Some(true) && row.status == RequestStatus::Pending;
    for id in state.requests.values().filter(waits).map(|row| row.id).collect::<Vec<_>>() {
        state.change_request(turn, &id, |row| row.agreed = None);
        match accept(state, turn, &id) {
            Ok(()) | Err(Failed::Command(_)) => {}
            Err(Failed::Turn(failed)) => return Err(failed),
        }
    }
    Ok(())
}

/// Whether an Offer may go now: under a certificate that has ended only one to a friend, who knows us.
fn may_go(state: &State, turn: &Turn<'_>, row: &Request) -> bool {
    row.renews.is_some() || !state.own.is_expired(turn.stamp)
}

/// Sends the next revision of an Offer.
fn send_again(state: &mut State, turn: &mut Turn<'_>, mut row: Request, offer: OfferBody) -> Result<(), TurnFailed> {
    let id = row.id;
    // A way in that has expired would only end the request that was stored by it.
    let contacts: Vec<Contact> = row.contacts.iter().filter(|contact| !contact.expires.is_expired_at(turn.now)).cloned().collect();
    if contacts.is_empty() && row.renews.is_none() {
        return Ok(());
    }
    row.revision = row.revision.saturating_add(1);
    let (reply, digest) = reply_contact(state, turn, &row);
    row.reply_package = digest;
    let offer = fit(OfferBody { revision: row.revision, replies: vec![reply], ..offer });
    row.transcript = offer.transcript(&state.own.peer, &row.peer);
    row.offer = codec::encode(&offer);
    state.save_request(turn, row.clone());
    if row.renews.is_some() {
        return send_to_friend(state, turn, &row);
    }
    let psk = row.psk();
    for contact in &contacts {
        let Some(chain) = contact.chain.as_ref().or(row.chain.as_ref()) else { continue };
        let Ok(device) = chain.verify_known(turn.sure) else { continue };
        let Some(envelope) = seal_step(
            state,
            turn,
            Step::Offer,
            &device,
            contact,
            psk.as_ref().filter(|_| !contact.last_resort),
            (Digest([0; 32]), row.offer.clone()),
        ) else {
            continue;
        };
        let usage = (!contact.last_resort).then_some(row.usage);
        outbox::supersede(state, turn, &device.device, &EnvelopeOwner::Offer(id))?;
        outbox::enqueue(state, turn, &device.device, EnvelopeOwner::Offer(id), Some(Via::contact(contact, usage)), envelope);
    }
    Ok(())
}

/// Puts an Offer that renews into the outboxes of the friend's devices. It goes by the contact that
/// one of them has named.
pub(crate) fn send_to_friend(state: &mut State, turn: &mut Turn<'_>, row: &Request) -> Result<(), TurnFailed> {
    let devices = state.friends.get(&row.peer).map(|friend| friend.devices.clone()).unwrap_or_default();
    for id in devices {
        let way = row.contacts.first().filter(|way| !way.expires.is_expired_at(turn.now));
        let named = way.map(|way| &way.package);
        let Some(envelope) = seal_to_friend(state, turn, &id, named, Step::Offer, row.offer.clone()) else { continue };
        outbox::supersede(state, turn, &id, &EnvelopeOwner::Offer(row.id))?;
        outbox::enqueue(state, turn, &id, EnvelopeOwner::Offer(row.id), way.map(|way| Via::contact(way, None)), envelope);
    }
    Ok(())
}

//! The Offer: A asks B.

use super::{answer, set_status};
use crate::command::{Direction, RequestStatus, Trust};
use crate::contact::VerifiedContact;
use crate::delivery::Delivery;
use crate::delivery::outbox::{self, Via, What};
use crate::limits::{LEAF_LIFETIME, OFFER_MAX, PENDING_STRANGERS_MAX, REQUEST_LIFETIME};
use crate::people;
use crate::rows::{FriendState, Invite, Request};
use crate::seam::{Event, Warning};
use crate::state::State;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::{Contact, First, LeafCredential, OfferBody, Statement, Step};
use crate::world::{CipherError, LeafKey, Lifetime};
use symbolon_presence::codec;
use symbolon_presence::envelope::seal_first;
use symbolon_presence::id::{Digest, Nonce, PeerId, RequestId, RoomId};
use symbolon_presence::identity::{Chain, Device};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::HASH_REQUEST;
use symbolon_presence::seal::{DhKey, DhPublic};
use symbolon_presence::time::{EARLIEST, Timestamp};
use symbolon_relay::grant::Scope;

/// How long a leaf of ours is valid. It begins at the same moment for everybody, so it holds even
/// if our clock is ahead.
pub(crate) fn leaf_lifetime(stamp: Timestamp) -> Lifetime {
    Lifetime { not_before: EARLIEST, not_after: stamp.max(EARLIEST).after(LEAF_LIFETIME) }
}

/// Our reply address for a request, and the digest of its package.
pub(crate) fn reply_contact(state: &State, turn: &mut Turn<'_>, row: &Request) -> (Contact, Digest) {
    let (mut entry, key) = state.own.address(turn.rng, row.grant, Scope::Guest, row.expires, 0);
    entry.places = state.own.places_for(&row.peer).to_vec();
    let depots = state.own.depots(turn.rng, row.grant, Scope::Guest, row.expires, 0);
    let package = DhKey::from_bytes(*row.reply_key.expose()).public().bytes();
    let contact = Contact { chain: None, package, expires: row.expires, last_resort: false, entry, key, depots };
    let digest = contact.digest(&state.own.identity.device);
    (contact, digest)
}

/// Leaves out places at relays, and then our own, until an Offer is short enough.
fn fit(mut offer: OfferBody) -> OfferBody {
    while codec::encode(&offer).len() > OFFER_MAX {
        let relays = offer.replies.iter_mut().flat_map(|reply| reply.depots.iter_mut().map(|depot| &mut depot.entry.places));
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

/// Signs a step to a device and seals it to one of its packages.
pub(crate) fn seal_step(
    state: &State,
    turn: &mut Turn<'_>,
    step: Step,
    to: &Device,
    contact: &Contact,
    transcript: Digest,
    body: Vec<u8>,
) -> Option<Vec<u8>> {
    let statement = Statement { step, to: to.peer, device: to.device, package: contact.digest(&to.device), transcript, body };
    let first = First::sign(&state.own.identity, &statement);
    let package = DhPublic::parse(&contact.package).ok()?;
    seal_first(&package, &codec::encode(&first), turn.rng).ok()
}

/// Makes a room that holds this device alone.
pub(super) fn create_room(state: &State, turn: &mut Turn<'_>) -> Result<RoomId, CipherError> {
    let room = RoomId::random(turn.rng);
    let leaf = turn.cipher.fresh_leaf()?;
    let own = &state.own.identity;
    let credential = LeafCredential::sign(&own.chain, &own.signing, &room, &leaf.0);
    turn.cipher.create(room, leaf, &credential, leaf_lifetime(turn.stamp))?;
    Ok(room)
}

/// Makes the first revision of a request's Offer, with its reply address and transcript.
pub(super) fn first_revision(state: &State, turn: &mut Turn<'_>, row: &mut Request, room: RoomId) -> Result<(), CipherError> {
    let (reply, digest) = reply_contact(state, turn, row);
    row.reply_package = digest;
    let offer = fit(OfferBody {
        request: row.wire,
        revision: 0,
        name: state.own.name.clone(),
        note: row.note.clone(),
        replies: vec![reply],
        nonce: Nonce::random(turn.rng),
        group_info: turn.cipher.offer(room)?,
        created: row.created,
        expires: row.expires,
        renews: row.renews.clone(),
    });
    row.transcript = offer.transcript(&state.own.peer, &row.peer);
    row.offer = codec::encode(&offer);
    Ok(())
}

/// Makes a room and sends the Offer to every device of a contact record.
pub(crate) fn send(
    state: &mut State,
    turn: &mut Turn<'_>,
    id: RequestId,
    to: VerifiedContact,
    note: Option<String>,
    trust: Trust,
) -> Result<RequestId, Failed> {
    let room = create_room(state, turn)?;
    let mut row = Request {
        peer: to.signer.peer,
        name: to.name.clone(),
        trust,
        note,
        room: Some(room),
        chain: Some(to.chain.clone()),
        contacts: to.contacts.iter().map(|(_, contact)| contact.clone()).collect(),
        ..Request::blank(turn, id, Direction::Out)
    };
    first_revision(state, turn, &mut row, room)?;
    let body = row.offer.clone();
    let usage = row.usage;
    state.save_request(turn, row);
    for (device, contact) in &to.contacts {
        let chain = contact.chain.as_ref().unwrap_or(&to.chain);
        outbox::register_device(state, device, chain, contact.entry.clone());
        let Some(envelope) = seal_step(state, turn, Step::Offer, device, contact, Digest([0; 32]), body.clone()) else { continue };
        let usage = (!contact.last_resort).then_some(usage);
        outbox::enqueue(state, turn, &device.device, What::Offer(id), Some(Via::contact(contact, usage)), envelope);
    }
    turn.notify(Event::Request(id));
    Ok(id)
}

/// Makes the Offers of unanswered requests again, because this node's addresses have
/// changed: same request and terms, next revision. Without it the answer would go to a dead
/// address. `all`: also those that name the present addresses, but a grant that has ended.
pub(crate) fn reissue(state: &mut State, turn: &mut Turn<'_>, all: bool) -> Result<(), TurnFailed> {
    let stale = |row: &&Request| {
        row.direction == Direction::Out
            && row.status == RequestStatus::Pending
            && row.body().is_some_and(|offer| {
                all || offer
                    .replies
                    .iter()
                    .any(|reply| reply.entry.places != state.own.places_for(&row.peer) || reply.depots.len() != state.own.told_depots())
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
        let (created, expires) = (stamp, stamp.after(REQUEST_LIFETIME));
        let row = Request { created, expires, ..row };
        match row.body() {
            Some(offer) => send_again(state, turn, row, OfferBody { created, expires, ..offer })?,
            None => state.save_request(turn, row),
        }
    }
    Ok(())
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
        return super::renewal::dispatch(state, turn, &row);
    }
    for contact in &contacts {
        let Some(chain) = contact.chain.as_ref().or(row.chain.as_ref()) else { continue };
        let Ok(device) = chain.verify_known(turn.sure) else { continue };
        let Some(envelope) = seal_step(state, turn, Step::Offer, &device, contact, Digest([0; 32]), row.offer.clone()) else {
            continue;
        };
        let usage = (!contact.last_resort).then_some(row.usage);
        outbox::supersede(state, turn, &device.device, &What::Offer(id))?;
        outbox::enqueue(state, turn, &device.device, What::Offer(id), Some(Via::contact(contact, usage)), envelope);
    }
    Ok(())
}

/// The local name of an incoming request: nobody can make it collide with another's.
pub(super) fn local_id(chain: &Chain, wire: &RequestId) -> RequestId {
    let digest = hash(HASH_REQUEST, &[&codec::encode(chain), wire.as_bytes()]);
    let (head, _) = digest.as_bytes().split_at(RequestId::LEN);
    RequestId::from_slice(head).unwrap_or(*wire)
}

/// What an incoming Offer proved.
pub(crate) struct IncomingOffer {
    pub first: First,
    pub device: Device,
    pub statement: Statement,
    /// The invite whose package it was sealed to.
    pub invite: Invite,
}

/// Takes an Offer in. Errors change nothing but the use of the invite.
pub(crate) fn receive(state: &mut State, turn: &mut Turn<'_>, offer: IncomingOffer) -> Result<(), Rejected> {
    let IncomingOffer { first, device, statement, invite } = offer;
    // Bounded before any key in it is touched.
    let body: OfferBody = codec::decode(&statement.body, OFFER_MAX).map_err(|_| DropReason::Malformed)?;
    if !body.is_bounded() || body.renews.is_some() {
        return Err(DropReason::Malformed.into());
    }
    if device.peer == state.own.peer {
        return Err(DropReason::Unexpected.into());
    }
    if body.expires.since(body.created) > REQUEST_LIFETIME {
        return Err(DropReason::Malformed.into());
    }
    if body.created.is_future_at(turn.now) || body.expires.is_expired_at(turn.now) {
        return Err(DropReason::Untimely.into());
    }
    let id = local_id(&first.chain, &body.request);
    if state.requests.get(&id).is_some_and(|known| body.revision <= known.revision) {
        // Keys and content are immutable; a repeat changes nothing and tells nobody.
        return Err(DropReason::Repeated.into());
    }
    if !state.rates.offer_of(turn.now, device.peer) {
        return Err(DropReason::Full.into());
    }
    check_room(turn, &IncomingRoom { group_info: &body.group_info, initiator: &device.peer })?;
    if invite.only_for.is_some_and(|only| only != device.peer) {
        // Somebody else has got hold of what was made for one.
        return Err(DropReason::Forged.into());
    }
    let transcript = body.transcript(&device.peer, &state.own.peer);
    if let Some(known) = state.requests.get(&id).cloned() {
        return revise(state, turn, known, &body, &statement.body, transcript);
    }
    // One invite, one request. The link was handed on, or somebody probes whom we know.
    if !invite.last_resort && invite.used.is_some_and(|used| used != id) {
        state.rates.warn(turn, Warning::InviteReused);
        return Err(DropReason::Unexpected.into());
    }
    // A blocked sender passes every check that others pass, in the same order, so that
    // nothing of the answer depends on the block.
    let blocked = people::is_blocked(state, &device.peer, &first.chain);
    if blocked && invite.used == Some(id) {
        return Err(DropReason::Blocked.into());
    }
    let pending = |row: &&Request| row.direction == Direction::In && row.status == RequestStatus::Pending;
    let strangers = state.requests.values().filter(pending).filter(|row| row.peer != device.peer).count();
    // One person, one question: a newer Offer takes the place of the older one. They may
    // overtake each other on the way.
    let waiting: Vec<&Request> = state.requests.values().filter(|row| waits(row, &device.peer)).collect();
    let is_older = |known: OfferBody| (known.created, known.request) > (body.created, body.request);
    if waiting.iter().filter_map(|row| row.body()).any(is_older) {
        return Err(DropReason::Repeated.into());
    }
    let replaced: Vec<RequestId> = waiting.iter().map(|row| row.id).collect();
    if strangers >= PENDING_STRANGERS_MAX || !super::has_place(state, replaced.len(), &device.peer) {
        return Err(DropReason::Full.into());
    }
    if blocked {
        if invite.used.is_none() {
            state.save_invite(turn, Invite { used: Some(id), ..invite });
        }
        return Err(DropReason::Blocked.into());
    }
    for older in replaced {
        super::forget(state, turn, &older)?;
    }
    super::make_room_of(state, turn, &device.peer)?;
    if state.requests.values().any(|row| row.wire == body.request && row.direction == Direction::In) {
        state.rates.warn(turn, Warning::KeysChanged);
    }
    let flagged = invite.last_resort && invite.used.is_some();
    let row = Request {
        wire: body.request,
        peer: device.peer,
        name: body.name.clone(),
        trust: match (invite.last_resort, invite.only_for) {
            (true, _) => Trust::Unknown,
            (false, Some(_)) => Trust::Introduced,
            (false, None) => Trust::Invited,
        },
        note: body.note.clone(),
        expires: body.expires,
        revision: body.revision,
        offer: statement.body.clone(),
        transcript,
        chain: Some(first.chain),
        flagged,
        ..Request::blank(turn, id, Direction::In)
    };
    state.save_request(turn, row);
    if invite.used.is_none() {
        state.save_invite(turn, Invite { used: Some(id), ..invite.clone() });
    }
    turn.notify(Event::Request(id));
    decide(state, turn, &device.peer, &id, &body, invite.auto_accept)
}

/// Whether a request of this person to us waits for an answer, or did so until it was too old.
fn waits(row: &Request, peer: &PeerId) -> bool {
    let is_open = matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored | RequestStatus::Expired);
    row.peer == *peer && row.direction == Direction::In && row.accepted.is_none() && is_open
}

/// Accepts without asking where the user has consented already.
fn decide(
    state: &mut State,
    turn: &mut Turn<'_>,
    peer: &PeerId,
    id: &RequestId,
    body: &OfferBody,
    auto_accept: bool,
) -> Result<(), Rejected> {
    // Crossed: we asked them, too. The lower Peer ID's Offer goes on; ours waits for their Accept.
    let asked = super::outgoing(state, peer).next().is_some();
    let friend = state.friends.get(peer).filter(|friend| friend.state == FriendState::Mutual);
    if friend.is_some_and(|friend| body.created <= friend.since && friend.since <= turn.stamp) {
        // Their Offer crossed ours and came late: our friendship has answered it. A date by a clock
        // that was ahead does not show that.
        return Ok(set_status(state, turn, id, RequestStatus::Confirmed)?);
    }
    // A friend who asks anew has lost the friendship on that side; on ours it was never ended.
    // So many times a day by itself, then its user is asked.
    let renews = friend.is_some() && state.rates.renewal(turn.now, *peer);
    if (asked && *peer < state.own.peer) || auto_accept || renews {
        return match answer::accept(state, turn, id) {
            Ok(()) => Ok(()),
            Err(Failed::Turn(failed)) => Err(failed.into()),
            // Not acceptable by itself: the row stays for the user.
            Err(Failed::Command(_)) => Ok(()),
        };
    }
    Ok(())
}

/// An Offer for a row that is there: a repeat, or a newer revision.
pub(super) fn revise(
    state: &mut State,
    turn: &mut Turn<'_>,
    known: Request,
    body: &OfferBody,
    bytes: &[u8],
    transcript: Digest,
) -> Result<(), Rejected> {
    let (status, id, room) = (known.status, known.id, known.room);
    let same_terms = transcript == known.transcript;
    let row = Request { revision: body.revision, offer: bytes.to_vec(), transcript, ..known };
    match status {
        RequestStatus::Pending | RequestStatus::Ignored => {
            state.save_request(turn, row);
            Ok(())
        }
        RequestStatus::Accepted if same_terms => {
            answer::readdress(state, turn, &row)?;
            state.save_request(turn, row);
            Ok(())
        }
        RequestStatus::Accepted => {
            // Accepted already: join the newer room without asking again.
            if let Some(room) = room {
                turn.cipher.forget(room)?;
            }
            state.save_request(turn, Request { status: RequestStatus::Pending, room: None, accepted: None, ..row });
            match answer::accept(state, turn, &id) {
                Ok(()) => Ok(()),
                Err(Failed::Turn(failed)) => Err(failed.into()),
                Err(Failed::Command(_)) => Ok(()),
            }
        }
        RequestStatus::Unresolved
        | RequestStatus::Confirmed
        | RequestStatus::Blocked
        | RequestStatus::Expired
        | RequestStatus::Cancelled => Err(DropReason::Repeated.into()),
    }
}

/// The room of an Offer.
pub(super) struct IncomingRoom<'a> {
    pub group_info: &'a [u8],
    pub initiator: &'a PeerId,
}

/// Every leaf of the offered room must be a device of the initiator.
pub(super) fn check_room(turn: &Turn<'_>, room: &IncomingRoom<'_>) -> Result<(), Rejected> {
    let IncomingRoom { group_info, initiator } = *room;
    let view = turn.cipher.inspect(group_info)?;
    let certified = |leaf: &LeafKey, credential: &[u8]| {
        LeafCredential::verify(credential, &view.room, &leaf.0, turn.now).is_some_and(|device| device.peer == *initiator)
    };
    if view.members.is_empty() || !view.members.iter().all(|member| certified(&member.leaf, &member.credential)) {
        return Err(DropReason::Forged.into());
    }
    Ok(())
}

/// This node can be written to elsewhere: friends are told, and who was asked for friendship
/// gets a new Offer.
pub(crate) fn moved(state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    delivery.greet_all(state, turn)?;
    reissue(state, turn, false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixture::{NOW, in_turn, peer};
    use crate::limits::{ADDRESSES_MAX, DEPOTS_MAX, ENDED_OF_PERSON_MAX, NAME_MAX, NOTE_MAX, REQUESTS_MAX};
    use crate::seam::Address;
    use crate::wire::Depot;

    #[test]
    fn an_offer_of_the_longest_parts_fits_and_still_says_where_we_are() {
        in_turn(|state, turn| {
            state.own.places = vec![Address(vec![1; Address::MAX_LEN]); ADDRESSES_MAX];
            let row = Request::blank(turn, RequestId([1; 16]), Direction::Out);
            let (mut reply, _) = reply_contact(state, turn, &row);
            let depot = Depot { entry: reply.entry.clone(), key: reply.key.clone() };
            reply.depots = vec![depot; DEPOTS_MAX];
            let offer = |group_info: usize| OfferBody {
                request: row.wire,
                revision: u32::MAX,
                name: "n".repeat(NAME_MAX),
                note: Some("n".repeat(NOTE_MAX)),
                replies: vec![reply.clone()],
                nonce: Nonce([1; 16]),
                group_info: vec![1; group_info],
                created: NOW,
                expires: NOW,
                renews: None,
            };
            for group_info in [1_500, 3_000, 4_500] {
                let fitted = fit(offer(group_info));
                assert!(fitted.is_bounded(), "{group_info}");
                let reply = fitted.replies.first().unwrap();
                assert_eq!(reply.depots.len(), DEPOTS_MAX);
                assert!(!reply.entry.places.is_empty() && reply.depots.iter().all(|depot| !depot.entry.places.is_empty()));
            }
            assert!(!offer(8 * 1024).is_bounded());
        });
    }

    #[test]
    fn a102_what_ended_with_strangers_gives_way_first_and_no_offer_drives_out_what_ended_with_friends() {
        in_turn(|state, turn| {
            let fill = |state: &mut State, turn: &mut Turn<'_>, number: u64, created: u64| {
                let id = RequestId(number.to_be_bytes().repeat(2).try_into().unwrap());
                let row = Request {
                    peer: peer(number),
                    status: RequestStatus::Confirmed,
                    created: Timestamp(created),
                    ..Request::blank(turn, id, Direction::In)
                };
                state.requests.insert(id, row);
            };
            // The rows of friends are the oldest.
            for number in 0..REQUESTS_MAX as u64 {
                fill(state, turn, number, number);
                if number < 1_000 {
                    state.friends.insert(peer(number), crate::fixture::friend(number));
                }
            }
            for round in 0..REQUESTS_MAX as u64 - 1_000 {
                assert!(super::super::has_place(state, 0, &peer(5_000)));
                super::super::make_place(state, turn, Some(&peer(5_000)));
                let next = 10_000 + round;
                state.friends.insert(peer(next), crate::fixture::friend(next));
                fill(state, turn, next, next);
            }
            assert_eq!(state.requests.len(), REQUESTS_MAX);
            assert!(!super::super::has_place(state, 0, &peer(5_000)), "only friends' rows are left");
            assert!(super::super::has_place(state, 1, &peer(5_000)), "but one that is replaced makes a place");
            let friends = state.requests.values().filter(|row| row.created.0 < 1_000).count();
            assert_eq!(friends, 1_000);
            assert!(super::super::make_room(state, turn).is_ok(), "our own requests may drive out the oldest");
            assert_eq!(state.requests.values().filter(|row| row.created.0 < 1_000).count(), 999);
        });
    }

    #[test]
    fn a102_of_one_person_a_few_rows_are_kept_that_have_ended() {
        in_turn(|state, turn| {
            for number in 0..20_u8 {
                let id = RequestId([number; 16]);
                let created = Timestamp(u64::from(number));
                let row = Request { peer: peer(1), status: RequestStatus::Confirmed, created, ..Request::blank(turn, id, Direction::In) };
                state.requests.insert(id, row);
            }
            let surplus = super::super::surplus(state, &peer(1));
            assert_eq!(surplus.len(), 20 - ENDED_OF_PERSON_MAX);
            assert!(surplus.iter().all(|id| usize::from(id.0[0]) < 20 - ENDED_OF_PERSON_MAX), "the oldest ones");
        });
    }
}

//! The Offer: A asks B.

use super::{answer, blank, make_room, set_status};
use crate::command::{Direction, RequestStatus, Trust};
use crate::contact::VerifiedContact;
use crate::limits::{LEAF_LIFETIME, PENDING_STRANGERS_MAX, REQUEST_LIFETIME};
use crate::outbox::{self, Via, What};
use crate::seam::{Event, Warning};
use crate::state::{FriendState, Invite, Request, State};
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::{Contact, First, LeafCredential, OfferBody, PAYLOAD_MAX, Statement, Step};
use crate::world::{LeafKey, Lifetime};
use symbolon_presence::codec;
use symbolon_presence::envelope::seal_first;
use symbolon_presence::id::{Digest, Nonce, PeerId, RequestId, RoomId};
use symbolon_presence::identity::{Chain, Device};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::HASH_REQUEST;
use symbolon_presence::seal::{DhKey, DhPublic};
use symbolon_presence::time::{HOUR, Timestamp};
use symbolon_relay::grant::Scope;

/// How long a leaf of ours is valid, from an hour ago for clocks that run late.
pub(crate) fn leaf_lifetime(now: Timestamp) -> Lifetime {
    Lifetime { not_before: Timestamp(now.0.saturating_sub(HOUR)), not_after: now.after(LEAF_LIFETIME) }
}

/// Our reply address for a request, and the digest of its package.
pub(crate) fn reply_contact(state: &State, turn: &mut Turn<'_>, row: &Request) -> (Contact, Digest) {
    let (entry, key) = state.own.address(turn.rng, row.grant, Scope::Guest, row.expires, 0);
    let depots = state.own.depots(turn.rng, row.grant, Scope::Guest, row.expires, 0);
    let package = DhKey::from_bytes(*row.reply_key.expose()).public().bytes();
    let contact = Contact { chain: None, package, expires: row.expires, last_resort: false, entry, key, depots };
    let digest = contact.digest(&state.own.identity.device);
    (contact, digest)
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

/// Makes a room and sends the Offer to every device of a contact record.
pub(crate) fn send(
    state: &mut State,
    turn: &mut Turn<'_>,
    id: RequestId,
    to: VerifiedContact,
    note: Option<String>,
    trust: Trust,
) -> Result<RequestId, Failed> {
    let room = RoomId::random(turn.rng);
    let leaf = turn.cipher.fresh_leaf()?;
    let own = &state.own.identity;
    let credential = LeafCredential::sign(&own.chain, &own.signing, &room, &leaf.0);
    turn.cipher.create(room, leaf, &credential, leaf_lifetime(turn.now))?;
    let mut row = Request {
        peer: to.signer.peer,
        name: to.name.clone(),
        trust,
        note,
        room: Some(room),
        chain: Some(to.chain.clone()),
        contacts: to.contacts.iter().map(|(_, contact)| contact.clone()).collect(),
        ..blank(turn, id, Direction::Out)
    };
    let (reply, digest) = reply_contact(state, turn, &row);
    row.reply_package = digest;
    let offer = OfferBody {
        request: row.wire,
        revision: 0,
        name: state.own.name.clone(),
        note: row.note.clone(),
        replies: vec![reply],
        nonce: Nonce::random(turn.rng),
        group_info: turn.cipher.offer(room)?,
        created: turn.now,
        expires: row.expires,
    };
    row.transcript = offer.transcript(&state.own.peer, &row.peer);
    row.offer = codec::encode(&offer);
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

/// Makes the Offers of unanswered requests anew, because this node's addresses have
/// changed: same request and terms, next revision. Without it the answer would go to a dead
/// address.
pub(crate) fn reissue(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let stale = |row: &&Request| {
        row.direction == Direction::Out
            && row.status == RequestStatus::Pending
            && super::offer_of(row).is_some_and(|offer| {
                offer.replies.iter().any(|reply| reply.entry.places != state.own.places || reply.depots.len() != state.own.depots.len())
            })
    };
    let ids: Vec<RequestId> = state.requests.values().filter(stale).map(|row| row.id).collect();
    for id in ids {
        let Some(mut row) = state.requests.get(&id).cloned() else { continue };
        // A way in that has expired would only end the request that was stored by it.
        row.contacts.retain(|contact| !contact.expires.is_expired_at(turn.now));
        if row.contacts.is_empty() {
            continue;
        }
        let Some(offer) = super::offer_of(&row) else { continue };
        row.revision = row.revision.saturating_add(1);
        let (reply, digest) = reply_contact(state, turn, &row);
        row.reply_package = digest;
        row.offer = codec::encode(&OfferBody { revision: row.revision, replies: vec![reply], ..offer });
        state.save_request(turn, row.clone());
        for contact in &row.contacts {
            let Some(chain) = contact.chain.as_ref().or(row.chain.as_ref()) else { continue };
            let Ok(device) = chain.verify(turn.now) else { continue };
            let Some(envelope) = seal_step(state, turn, Step::Offer, &device, contact, Digest([0; 32]), row.offer.clone()) else {
                continue;
            };
            let usage = (!contact.last_resort).then_some(row.usage);
            outbox::supersede(state, turn, &device.device, &What::Offer(id))?;
            outbox::enqueue(state, turn, &device.device, What::Offer(id), Some(Via::contact(contact, usage)), envelope);
        }
    }
    Ok(())
}

/// The local name of an incoming request: nobody can make it collide with another's.
fn local_id(chain: &Chain, wire: &RequestId) -> RequestId {
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
    let body: OfferBody = codec::decode(&statement.body, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
    if !body.is_bounded() {
        return Err(DropReason::Malformed.into());
    }
    if device.peer == state.own.peer {
        return Err(DropReason::Unexpected.into());
    }
    let lasts = body.expires.since(body.created);
    if body.created.is_future_at(turn.now) || body.expires.is_expired_at(turn.now) || lasts > REQUEST_LIFETIME {
        return Err(DropReason::Untimely.into());
    }
    check_room(turn, &body, &device.peer)?;
    if invite.only_for.is_some_and(|only| only != device.peer) {
        // Somebody else has got hold of what was made for one.
        return Err(DropReason::Forged.into());
    }
    let id = local_id(&first.chain, &body.request);
    let transcript = body.transcript(&device.peer, &state.own.peer);
    if let Some(known) = state.requests.get(&id).cloned() {
        return revise(state, turn, known, &body, &statement.body, transcript);
    }
    // One invite, one request. The link was handed on, or somebody probes whom we know.
    if !invite.last_resort && invite.used.is_some_and(|used| used != id) {
        turn.notify(Event::Warning(Warning::InviteReused));
        return Err(DropReason::Unexpected.into());
    }
    // A blocked sender passes every check that others pass, in the same order, so that
    // nothing of the answer depends on the block.
    let blocked = super::is_blocked(state, &device.peer, &first.chain);
    if blocked && invite.used == Some(id) {
        return Err(DropReason::Blocked.into());
    }
    let pending = |row: &&Request| row.direction == Direction::In && row.status == RequestStatus::Pending;
    let strangers = state.requests.values().filter(pending).filter(|row| row.peer != device.peer).count();
    if strangers >= PENDING_STRANGERS_MAX || make_room(state, turn).is_err() {
        return Err(DropReason::Full.into());
    }
    if blocked {
        if invite.used.is_none() {
            state.save_invite(turn, Invite { used: Some(id), ..invite });
        }
        return Err(DropReason::Blocked.into());
    }
    // One person, one question: whoever asks anew has given up the older request.
    // Offers may overtake each other on the way.
    let waiting = state.requests.values().filter(pending).filter(|row| row.peer == device.peer);
    if waiting.filter_map(super::offer_of).any(|known| known.created > body.created) {
        return Err(DropReason::Repeated.into());
    }
    let older: Vec<RequestId> = state.requests.values().filter(pending).filter(|row| row.peer == device.peer).map(|row| row.id).collect();
    for older in older {
        set_status(state, turn, &older, RequestStatus::Cancelled)?;
    }
    if state.requests.values().any(|row| row.wire == body.request && row.direction == Direction::In) {
        turn.notify(Event::Warning(Warning::KeysChanged));
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
        ..blank(turn, id, Direction::In)
    };
    state.save_request(turn, row);
    if invite.used.is_none() {
        state.save_invite(turn, Invite { used: Some(id), ..invite.clone() });
    }
    turn.notify(Event::Request(id));
    decide(state, turn, &device.peer, &id, &body, invite.auto_accept)
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
    if friend.is_some_and(|friend| body.created <= friend.since) {
        // Their Offer crossed ours and came late: it has been answered by our friendship.
        return Ok(set_status(state, turn, id, RequestStatus::Confirmed)?);
    }
    // A friend who asks anew has lost the friendship on that side; on ours it was never ended.
    if (asked && *peer < state.own.peer) || auto_accept || friend.is_some() {
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
fn revise(
    state: &mut State,
    turn: &mut Turn<'_>,
    known: Request,
    body: &OfferBody,
    bytes: &[u8],
    transcript: Digest,
) -> Result<(), Rejected> {
    if body.revision <= known.revision {
        // Keys and content are immutable; a repeat changes nothing and tells nobody.
        return Err(DropReason::Repeated.into());
    }
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

/// Every leaf of the offered room must be a device of the initiator.
fn check_room(turn: &Turn<'_>, body: &OfferBody, initiator: &PeerId) -> Result<(), Rejected> {
    let view = turn.cipher.inspect(&body.group_info)?;
    let certified = |leaf: &LeafKey, credential: &[u8]| {
        LeafCredential::verify(credential, &view.room, &leaf.0, turn.now).is_some_and(|device| device.peer == *initiator)
    };
    if view.members.is_empty() || !view.members.iter().all(|member| certified(&member.leaf, &member.credential)) {
        return Err(DropReason::Forged.into());
    }
    Ok(())
}

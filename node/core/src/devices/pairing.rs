//! Pairing: a further device asks by a code, and the first one certifies it.
//!
//! The code is the secret of an invite of ours, and nothing else: who asks does not know yet whose device they become. They
//! ask like any stranger, are certified, and ask once more as what they are then. From that on they are a friend like any
//! other.

use super::{listed, removal, renewal};
use crate::command::{CommandError, Direction, RequestStatus, Trust};
use crate::conversations;
use crate::delivery::outbox::{self, Via};
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::ways;
use crate::friendships::{self, Answer, IncomingOffer};
use crate::invites;
use crate::invites::contact::VerifiedContact;
use crate::limits::{DEVICE_LIFETIME, OFFER_MAX, PAIRING_LIFETIME};
use crate::packages;
use crate::people::persons;
use crate::rows::{Friend, Invite, Invited, Pairing, Request};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::{JoinedBody, OfferBody, PAYLOAD_MAX, Step, is_name, is_text};
use symbolon_presence::codec;
use symbolon_presence::id::{RequestId, base32};
use symbolon_presence::identity::{Chain, Device};
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::time::{EARLIEST, Timestamp};

/// Makes a pairing code. Only a device with the root key can, the first one or one that was restored: it certifies. Once somebody
/// has used it, friends are written what `tell` says.
pub(crate) fn pair(state: &mut State, turn: &mut Turn<'_>, tell: Option<String>) -> Result<(String, Timestamp), Failed> {
    if state.own.identity.root.is_none() {
        return Err(CommandError::NotFirstDevice.into());
    }
    if listed::needs_words(state) {
        return Err(CommandError::DevicesKept.into());
    }
    if !removal::has_place(state) {
        return Err(CommandError::Full.into());
    }
    if tell.as_deref().is_some_and(|text| !is_text(text)) {
        return Err(CommandError::BadText.into());
    }
    if turn.stamp < EARLIEST {
        return Err(CommandError::WrongClock.into());
    }
    let (secret, expires) = invites::pairing(state, turn, tell)?;
    Ok((base32().encode(secret.expose()), expires))
}

/// What somebody has typed: white space, hyphens and case do not matter.
fn read(code: &str) -> Option<InviteSecret> {
    let letters: String = code.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect();
    let bytes = base32().decode(letters.to_ascii_lowercase().as_bytes()).ok()?;
    Some(InviteSecret::from_bytes(bytes.try_into().ok()?))
}

/// Asks to be a further device of the one who has made a code. Only a folder in which nothing was done yet can.
pub(crate) fn join(state: &mut State, turn: &mut Turn<'_>, code: &str) -> Result<RequestId, Failed> {
    let secret = read(code).ok_or(CommandError::BadCode)?;
    let joins = |row: &&Request| row.joins.is_some();
    let is_same = |row: &&Request| row.invite.as_ref().is_some_and(|invite| invite.secret == secret);
    if let Some(known) = state.requests.values().filter(joins).find(is_same) {
        return Ok(known.id);
    }
    if !is_fresh(state) {
        return Err(CommandError::NotFresh.into());
    }
    for older in state.requests.values().filter(joins).map(|row| row.id).collect::<Vec<_>>() {
        friendships::set_status(state, turn, &older, RequestStatus::Cancelled)?;
    }
    let expires = turn.stamp.after(PAIRING_LIFETIME);
    let invite = Some(Invited { secret, nodes: Vec::new(), servers: Vec::new(), expires });
    let id = RequestId::random(turn.rng);
    let row = Request {
        status: RequestStatus::Unresolved,
        trust: Trust::Verified,
        expires,
        invite,
        joins: Some(true),
        ..Request::blank(turn, id, Direction::Out)
    };
    state.save_request(turn, row);
    turn.notify(Event::Request(id));
    Ok(id)
}

/// Whether nothing was done in this folder that would be lost.
pub(super) fn is_fresh(state: &State) -> bool {
    state.own.identity.root.is_some()
        && state.friends.is_empty()
        && state.requests.values().all(|row| row.joins.is_some())
        && state.groups.rooms.is_empty()
        && state.siblings.is_empty()
        && state.counters.arrival == 0
        && state.vouching.knocks.is_empty()
        && !state.invites.values().any(|invite| invites::is_own_wish(&invite) || invite.pairs.is_some())
}

/// Somebody asks by a pairing code of ours: the first one is certified. Errors change nothing.
pub(crate) fn certify(state: &mut State, turn: &mut Turn<'_>, offer: IncomingOffer) -> Result<(), Rejected> {
    let IncomingOffer { first, device, statement, invite } = offer;
    let body: OfferBody = codec::decode(&statement.body, OFFER_MAX).map_err(|_| DropReason::Malformed)?;
    if !body.is_bounded() || body.renews.is_some() || device.peer != device.person {
        return Err(DropReason::Malformed.into());
    }
    if body.created.is_future_at(turn.now) || body.expires.is_expired_at(turn.now) {
        return Err(DropReason::Untimely.into());
    }
    if invite.expires <= turn.now {
        // By our own clock, which has set it: no skew is granted.
        return Err(DropReason::Unexpected.into());
    }
    let keys = (device.signing.bytes(), device.dh.bytes());
    let is_of = |chain: &Chain| chain.body().is_some_and(|cert| (cert.signing, cert.dh) == keys);
    let mut tell = None;
    let chain = match invite.pairs.as_ref().and_then(|pairs| pairs.certified.clone()) {
        // It asks again: the answer was lost.
        Some(chain) if is_of(&chain) => chain,
        // Somebody else was first.
        Some(_) => return Err(DropReason::Unexpected.into()),
        None if !removal::has_place(state) => return Err(DropReason::Full.into()),
        None => {
            renewal::raise_serial(state);
            let serial = state.own.next_serial(turn);
            let end = turn.now.max(turn.sure).max(EARLIEST).after(DEVICE_LIFETIME);
            let chain = state.own.identity.certify_further(keys, serial, EARLIEST, end).ok_or(DropReason::Unexpected)?;
            // Once, however often it asks again.
            tell = invite.pairs.as_ref().and_then(|pairs| pairs.tell.clone());
            let pairs = Some(Box::new(Pairing { certified: Some(chain.clone()), tell: None }));
            state.save_invite(turn, Invite { pairs, ..invite });
            chain
        }
    };
    let own = &state.own;
    let joined = JoinedBody { chain, second_root: own.identity.second_root, name: own.name.clone() };
    let transcript = body.transcript(&device.peer, &own.peer);
    let Some(reply) = body.replies.first() else { return Err(DropReason::Malformed.into()) };
    ways::register_device(state, turn, &device, &first.chain, reply.entry.clone());
    let sealed = friendships::seal_step(state, turn, Step::Joined, &device, reply, None, (transcript, codec::encode(&joined)));
    let Some(envelope) = sealed else { return Err(DropReason::Malformed.into()) };
    let owner = EnvelopeOwner::Joined(friendships::local_id(&device.device, &body.request));
    outbox::supersede(state, turn, &device.device, &owner)?;
    outbox::enqueue(state, turn, &device.device, owner, Some(Via::contact(reply, None)), envelope);
    tell_friends(state, turn, tell)?;
    Ok(())
}

/// Writes to all friends what the user wished when they made the code.
fn tell_friends(state: &mut State, turn: &mut Turn<'_>, text: Option<String>) -> Result<(), TurnFailed> {
    let Some(text) = text else { return Ok(()) };
    let is_friend = |friend: &&Friend| friend.stands() && friend.follows.is_none() && !persons::is_own(state, friend);
    for peer in state.friends.values().filter(is_friend).map(|friend| friend.peer).collect::<Vec<_>>() {
        match conversations::send(state, turn, peer, text.clone(), None) {
            // Who takes no more of ours now is shown the device by their own node all the same.
            Ok(_) | Err(Failed::Command(_)) => {}
            Err(Failed::Turn(failed)) => return Err(failed),
        }
    }
    Ok(())
}

/// We are certified: from now on this is a further device of the person whose code it was. Errors change nothing.
pub(crate) fn joined(state: &mut State, turn: &mut Turn<'_>, answer: Answer) -> Result<(), Rejected> {
    let Answer { device, statement, request, .. } = answer;
    let row = state.requests.get(&request).ok_or(DropReason::Unexpected)?;
    if row.joins.is_none() || row.status != RequestStatus::Pending {
        return Err(DropReason::Repeated.into());
    }
    if device.peer != row.peer || statement.transcript != row.transcript {
        return Err(DropReason::Forged.into());
    }
    let JoinedBody { chain, second_root, name } = codec::decode(&statement.body, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
    if chain.root != device.root || !is_name(&name) || !is_fresh(state) {
        return Err(DropReason::Forged.into());
    }
    if !state.own.identity.become_further(&chain, second_root, turn.now) {
        return Err(DropReason::Forged.into());
    }
    let label = std::mem::replace(&mut state.own.name, name);
    state.own.peer = state.own.identity.peer();
    state.own.label = label;
    turn.put(Table::Meta, b"identity", &state.own.identity.to_stored());
    turn.put(Table::Meta, b"name", &state.own.name);
    turn.put(Table::Meta, b"label", &state.own.label);
    // What was made for the identity of before is of no use.
    packages::begin_again(state, turn);
    crate::identity::records_changed(turn);
    ask_again(state, turn, &request, device)?;
    Ok(())
}

/// Asks the first device for friendship, by the same way in.
fn ask_again(state: &mut State, turn: &mut Turn<'_>, asked: &RequestId, device: Device) -> Result<(), TurnFailed> {
    let Some(row) = state.requests.get(asked) else { return Ok(()) };
    let Some(chain) = row.chain.clone() else { return Ok(()) };
    let id = RequestId::random(turn.rng);
    let again = Request {
        status: RequestStatus::Unresolved,
        peer: row.peer,
        invite: row.invite.clone(),
        expires: row.expires,
        joins: Some(true),
        ..Request::blank(turn, id, Direction::Out)
    };
    let contact = VerifiedContact {
        signer: device.clone(),
        chain,
        name: row.name.clone(),
        expires: row.expires,
        contacts: row.contacts.iter().map(|contact| (device.clone(), contact.clone())).collect(),
        servers: Vec::new(),
        number: 0,
    };
    friendships::set_status(state, turn, asked, RequestStatus::Cancelled)?;
    state.save_request(turn, again);
    match friendships::found(state, turn, &id, contact) {
        Ok(()) | Err(Failed::Command(_)) => Ok(()),
        Err(Failed::Turn(failed)) => Err(failed),
    }
}

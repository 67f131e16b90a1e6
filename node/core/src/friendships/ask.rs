//! What the user does with requests: asking, setting aside, taking back.

use super::accept::accept;
use super::offer;
use super::places::make_room;
use super::status::set_status;
use crate::command::{CommandError, Direction, RequestStatus, Trust};
use crate::invites::contact::VerifiedContact;
use crate::invites::link::{InviteLink, LinkError, is_link};
use crate::invites::place::Place;
use crate::people;
use crate::people::requests::{incoming, outgoing};
use crate::presence;
use crate::rows::{FriendState, Invited, Request};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Failed, Turn};
use crate::wire::is_note;
use symbolon_presence::id::{PeerId, RequestId};
use symbolon_presence::identity::Chain;

/// Asks somebody for friendship, by invite link or Peer ID.
///
/// Asking a friend again is for a friendship that is broken on the other side, so it takes
/// an invite and a friend who does not answer (`is_online` says who does).
pub(crate) fn add(
    state: &mut State,
    turn: &mut Turn<'_>,
    target: &str,
    note: Option<String>,
    is_online: impl Fn(&PeerId) -> bool,
) -> Result<RequestId, Failed> {
    if note.as_deref().is_some_and(|note| !is_note(note)) {
        return Err(CommandError::BadNote.into());
    }
    let target = target.trim();
    if is_link(target) {
        return by_invite(state, turn, target, note, is_online);
    }
    let peer: PeerId = target.parse().map_err(|_| CommandError::BadTarget)?;
    check_peer(state, &peer)?;
    if is_friend(state, &peer) {
        return Err(CommandError::AlreadyFriends.into());
    }
    if let Some(waiting) = incoming(state, &peer).map(|row| row.id) {
        accept(state, turn, &waiting)?;
        return Ok(waiting);
    }
    if let Some(known) = outgoing(state, &peer).next() {
        return Ok(known.id);
    }
    make_room(state, turn)?;
    let id = RequestId::random(turn.rng);
    let row = Request { peer, note, status: RequestStatus::Unresolved, ..Request::blank(turn, id, Direction::Out) };
    state.save_request(turn, row);
    turn.notify(Event::Request(id));
    Ok(id)
}

/// Asks the maker of an invite. Only its body says how they are written to: until that is found, the request waits.
fn by_invite(
    state: &mut State,
    turn: &mut Turn<'_>,
    link: &str,
    note: Option<String>,
    is_online: impl Fn(&PeerId) -> bool,
) -> Result<RequestId, Failed> {
    let link = InviteLink::find(link).map_err(|error| match error {
        LinkError::Bad => CommandError::BadLink,
        LinkError::Old => CommandError::OldLink,
        LinkError::Card => CommandError::IsCard,
        LinkError::Relay => CommandError::IsRelay,
        LinkError::Invite => CommandError::BadLink,
    })?;
    if link.expires.is_expired_at(turn.now) {
        return Err(CommandError::LinkExpired.into());
    }
    let peer = link.peer;
    check_peer(state, &peer)?;
    if is_friend(state, &peer) && is_online(&peer) {
        return Err(CommandError::AlreadyFriends.into());
    }
    if let Some(id) = accept_waiting(state, turn, &peer, Trust::Invited)? {
        return Ok(id);
    }
    // The same link again is the same request.
    let is_same = |row: &&Request| row.invite.as_ref().is_some_and(|invite| invite.secret == link.secret);
    if let Some(known) = outgoing(state, &peer).find(is_same) {
        return Ok(known.id);
    }
    // What was sent already proceeds until this one can be; what still waits for a way is for this one now.
    let waiting = outgoing(state, &peer).filter(|row| row.status == RequestStatus::Unresolved);
    for id in waiting.map(|row| row.id).collect::<Vec<_>>() {
        set_status(state, turn, &id, RequestStatus::Cancelled)?;
    }
    make_room(state, turn)?;
    let id = RequestId::random(turn.rng);
    let (servers, nodes): (Vec<&Place>, Vec<&Place>) = link.places.iter().partition(|place| place.is_server);
    let invite = Invited {
        secret: link.secret.clone(),
        nodes: nodes.into_iter().flat_map(Place::addresses).collect(),
        servers: servers.into_iter().map(Place::addresses).collect(),
        expires: link.expires,
    };
    // Nobody has compared anything yet: the link is as good as the way by which it came.
    let row = Request {
        peer,
        note,
        status: RequestStatus::Unresolved,
        trust: Trust::Invited,
        expires: link.expires,
        invite: Some(invite),
        ..Request::blank(turn, id, Direction::Out)
    };
    state.save_request(turn, row);
    turn.notify(Event::Request(id));
    Ok(id)
}

/// Asking somebody who has asked us is consent to their request. The more that is known of the person, the better its trust.
pub(super) fn accept_waiting(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, trust: Trust) -> Result<Option<RequestId>, Failed> {
    let Some(waiting) = incoming(state, peer).cloned() else { return Ok(None) };
    let id = waiting.id;
    state.save_request(turn, Request { trust: waiting.trust.min(trust), ..waiting });
    accept(state, turn, &id)?;
    Ok(Some(id))
}

/// Asks the person of a verified contact record. The more that is known of the person, the
/// better the trust of a request of theirs that waits already.
pub(crate) fn ask(
    state: &mut State,
    turn: &mut Turn<'_>,
    contact: VerifiedContact,
    note: Option<String>,
    trust: Trust,
) -> Result<RequestId, Failed> {
    if state.own.is_expired(turn.stamp) {
        return Err(CommandError::DeviceExpired.into());
    }
    let peer = contact.signer.peer;
    if let Some(id) = accept_waiting(state, turn, &peer, trust)? {
        return Ok(id);
    }
    // The same link again is the same request.
    let packages: Vec<_> = contact.contacts.iter().map(|(_, contact)| &contact.package).collect();
    let known = outgoing(state, &peer).find(|row| row.contacts.iter().map(|contact| &contact.package).eq(packages.iter().copied()));
    if let Some(known) = known {
        return Ok(known.id);
    }
    let superseded: Vec<RequestId> = outgoing(state, &peer).map(|row| row.id).collect();
    for id in superseded {
        set_status(state, turn, &id, RequestStatus::Cancelled)?;
    }
    make_room(state, turn)?;
    let id = RequestId::random(turn.rng);
    offer::send(state, turn, id, contact, note, trust)
}

/// A contact record of the person whom a request names was found: the request proceeds as any other.
pub(crate) fn found(state: &mut State, turn: &mut Turn<'_>, id: &RequestId, contact: VerifiedContact) -> Result<(), Failed> {
    let Some(row) = state.requests.get(id) else { return Ok(()) };
    // Who has made a pairing code is known now.
    let peer = if row.joins.is_some() { contact.signer.peer } else { row.peer };
    let (note, trust) = (row.note.clone(), row.trust);
    check_target(state, &peer, &contact.chain)?;
    if !contact.servers.is_empty() {
        presence::remember_servers(state, turn, contact.servers.clone());
        turn.act(crate::seam::NetAction::Bootstrap(contact.servers.clone()));
    }
    if let Some(waiting) = incoming(state, &peer).map(|row| row.id) {
        return accept(state, turn, &waiting);
    }
    let others = outgoing(state, &peer).map(|row| row.id).filter(|other| other != id);
    for other in others.collect::<Vec<_>>() {
        set_status(state, turn, &other, RequestStatus::Cancelled)?;
    }
    offer::send(state, turn, *id, contact, note, trust).map(|_| ())
}

fn check_target(state: &State, peer: &PeerId, chain: &Chain) -> Result<(), CommandError> {
    check_peer(state, peer)?;
    if people::is_blocked(state, peer, chain) { Err(CommandError::IsBlocked) } else { Ok(()) }
}

fn check_peer(state: &State, peer: &PeerId) -> Result<(), CommandError> {
    if *peer == state.own.peer {
        return Err(CommandError::OwnIdentity);
    }
    if state.blocked.contains(peer.as_bytes().as_slice()) {
        return Err(CommandError::IsBlocked);
    }
    Ok(())
}

/// Whether somebody is a friend who has confirmed it. Half a friendship may be begun again.
fn is_friend(state: &State, peer: &PeerId) -> bool {
    state.friends.get(peer).is_some_and(|friend| friend.state == FriendState::Mutual)
}

/// Sets a request aside. The one who asked is not notified.
pub(crate) fn ignore(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.requests.get(id).ok_or(CommandError::NotFound)?;
    match (row.direction, row.status) {
        (Direction::In, RequestStatus::Pending | RequestStatus::Ignored) => Ok(set_status(state, turn, id, RequestStatus::Ignored)?),
        _ => Err(CommandError::WrongStatus.into()),
    }
}

/// Takes an own request back. Who was asked learns of it when they answer.
pub(crate) fn cancel(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.requests.get(id).ok_or(CommandError::NotFound)?;
    match (row.direction, row.status) {
        (Direction::Out, RequestStatus::Unresolved | RequestStatus::Pending | RequestStatus::Cancelled) => {
            Ok(set_status(state, turn, id, RequestStatus::Cancelled)?)
        }
        _ => Err(CommandError::WrongStatus.into()),
    }
}

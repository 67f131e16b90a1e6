//! Friend requests: the rows, and what the user does with them.
//!
//! ```text
//! out: pending -> accepted -> confirmed            (also unresolved, expired, cancelled)
//! in:  pending -> accepted -> confirmed            (also ignored <-> pending, blocked, expired)
//! ```
//!
//! A connection is three sealed messages: Offer, Accept, Confirm. Making and checking the
//! first is [`offer`], the other two [`answer`]. Ignored, blocked and unread requests look
//! alike to the one who asked. The protocol page is `docs/protocol/connection.md`.

pub(crate) mod answer;
pub(crate) mod offer;
pub(crate) mod renewal;

use crate::command::{CommandError, Direction, RequestKind, RequestStatus, RequestView, Trust, Who};
use crate::contact::{ContactRecord, LINK_PREFIX, LinkError, VerifiedContact};
use crate::delivery::outbox::{self, What};
use crate::friend;
use crate::grants;
use crate::introduction;
use crate::limits::{ENDED_OF_PERSON_MAX, REQUESTS_MAX};
use crate::mirror::Mirror;
use crate::people;
use crate::requests;
use crate::rows::{Fault, Friend, FriendState, Request};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::is_note;
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, PeerId, RequestId};
use symbolon_presence::identity::Chain;
use symbolon_presence::kdf::Secret;
use symbolon_presence::words::fingerprint_words;

/// Asks somebody for friendship, by invite link or Peer ID.
///
/// Asking a friend anew is for a friendship that is broken on the other side, so it takes
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
    if target.get(..LINK_PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(LINK_PREFIX)) {
        let record = ContactRecord::from_link(target).and_then(|record| record.verify(turn.now));
        let contact = record.map_err(|error| match error {
            LinkError::Bad => CommandError::BadLink,
            LinkError::Expired => CommandError::LinkExpired,
            LinkError::NotYet => CommandError::WrongClock,
        })?;
        let peer = contact.signer.peer;
        if !contact.servers.is_empty() {
            crate::presence::remember_servers(state, turn, contact.servers.clone());
            turn.act(crate::seam::NetAction::Bootstrap(contact.servers.clone()));
        }
        check_target(state, &peer, &contact.chain)?;
        if is_friend(state, &peer) && is_online(&peer) {
            return Err(CommandError::AlreadyFriends.into());
        }
        // Nobody has compared anything yet: the link is as good as the way by which it came.
        return ask(state, turn, contact, note, Trust::Invited);
    }
    let peer: PeerId = target.parse().map_err(|_| CommandError::BadTarget)?;
    check_peer(state, &peer)?;
    if is_friend(state, &peer) {
        return Err(CommandError::AlreadyFriends.into());
    }
    if let Some(waiting) = incoming(state, &peer).map(|row| row.id) {
        answer::accept(state, turn, &waiting)?;
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

/// Asks whoever a verified contact record is of. The more that is known of the person, the
/// better the trust of a request of theirs that waits already.
pub(crate) fn ask(
    state: &mut State,
    turn: &mut Turn<'_>,
    contact: VerifiedContact,
    note: Option<String>,
    trust: Trust,
) -> Result<RequestId, Failed> {
    let peer = contact.signer.peer;
    // Asking somebody who has asked us is consent to their request.
    if let Some(waiting) = incoming(state, &peer) {
        let mut row = waiting.clone();
        row.trust = row.trust.min(trust);
        let id = row.id;
        state.save_request(turn, row);
        answer::accept(state, turn, &id)?;
        return Ok(id);
    }
    // The same link again is the same request.
    let packages: Vec<_> = contact.contacts.iter().map(|(_, contact)| contact.package).collect();
    let known = outgoing(state, &peer).find(|row| row.contacts.iter().map(|contact| contact.package).eq(packages.iter().copied()));
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

/// A contact record of whom a request names was found: it goes on as any other.
pub(crate) fn found(state: &mut State, turn: &mut Turn<'_>, id: &RequestId, contact: VerifiedContact) -> Result<(), Failed> {
    let Some(row) = state.requests.get(id).cloned() else { return Ok(()) };
    check_target(state, &row.peer, &contact.chain)?;
    if let Some(waiting) = incoming(state, &row.peer).map(|row| row.id) {
        return answer::accept(state, turn, &waiting);
    }
    offer::send(state, turn, *id, contact, row.note, row.trust).map(|_| ())
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

/// Whether somebody is a friend who has confirmed it. Half a friendship may be begun anew.
fn is_friend(state: &State, peer: &PeerId) -> bool {
    state.friends.get(peer).is_some_and(|friend| friend.state == FriendState::Mutual)
}

/// The newest request of this person that waits for an answer of ours: they may have given
/// up older ones.
fn incoming<'a>(state: &'a State, peer: &PeerId) -> Option<&'a Request> {
    let waits = |row: &&Request| {
        row.peer == *peer && row.direction == Direction::In && matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored)
    };
    state.requests.values().filter(waits).max_by_key(|row| (row.created, row.id))
}

/// Requests to this person that wait for an answer.
fn outgoing<'a>(state: &'a State, peer: &PeerId) -> impl Iterator<Item = &'a Request> + use<'a> {
    let peer = *peer;
    state.requests.values().filter(move |row| {
        let waits = matches!(row.status, RequestStatus::Pending | RequestStatus::Unresolved);
        row.peer == peer && row.direction == Direction::Out && waits && row.renews.is_none()
    })
}

/// Whether one more row has a place for somebody's Offer, once `replaced` others have gone. No row of
/// another friend gives way for it.
fn has_place(state: &State, replaced: usize, of: &PeerId) -> bool {
    let gives_way = |row: &Request| row.gives_way() && (row.peer == *of || !state.friends.contains_key(&row.peer));
    state.requests.len().saturating_sub(replaced) < REQUESTS_MAX || state.requests.values().any(gives_way)
}

/// Whether one more row of our own, or of a renewal, has a place.
fn has_room(state: &State) -> bool {
    state.requests.len() < REQUESTS_MAX || state.requests.values().any(Request::gives_way)
}

/// Makes room for one more row of our own.
fn make_room(state: &mut State, turn: &mut Turn<'_>) -> Result<(), CommandError> {
    if !has_room(state) {
        return Err(CommandError::Full);
    }
    make_place(state, turn, None);
    Ok(())
}

/// Makes room for a row that somebody's doing brings about: what that has left before goes first, so
/// that however much one person does, little of others gives way.
fn make_room_of(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    for older in surplus(state, peer) {
        forget(state, turn, &older)?;
    }
    make_place(state, turn, Some(peer));
    Ok(())
}

/// Takes the oldest row that has ended, if there are too many: first those of strangers, then those of the
/// one for whom the place is made (`of`), then those of friends.
fn make_place(state: &mut State, turn: &mut Turn<'_>, of: Option<&PeerId>) {
    if state.requests.len() < REQUESTS_MAX {
        return;
    }
    let is_anothers = |row: &Request| state.friends.contains_key(&row.peer) && of != Some(&row.peer);
    let rank = |row: &&Request| (is_anothers(row), state.friends.contains_key(&row.peer), row.created, row.id);
    let oldest = state.requests.values().filter(|row| row.gives_way()).min_by_key(rank).map(|row| row.id);
    if let Some(row) = oldest.and_then(|id| state.requests.remove(&id)) {
        turn.delete(crate::table::Table::Request, row.id.as_bytes());
        grants::end(state, turn, &row);
    }
}

/// The oldest of the rows that one person's doings have left and that have ended, beyond those that are
/// kept: their requests to us, and renewals on either side.
fn surplus(state: &State, peer: &PeerId) -> Vec<RequestId> {
    let is_theirs = |row: &Request| row.direction == Direction::In || row.renews.is_some();
    let of_person = |row: &&Request| row.peer == *peer && is_theirs(row) && row.gives_way();
    let mut rows: Vec<_> = state.requests.values().filter(of_person).map(|row| (row.created, row.id)).collect();
    rows.sort_unstable();
    let count = rows.len().saturating_sub(ENDED_OF_PERSON_MAX);
    rows.into_iter().take(count).map(|(_, id)| id).collect()
}

/// Takes the row of a request away. Nobody is told of it: a newer one is.
fn forget(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), TurnFailed> {
    let Some(row) = state.requests.remove(id) else { return Ok(()) };
    turn.delete(crate::table::Table::Request, id.as_bytes());
    grants::end(state, turn, &row);
    for device in people::devices_of(state, &row.peer) {
        for step in [What::Accept(*id), What::Confirm(*id)] {
            outbox::supersede(state, turn, &device, &step)?;
        }
    }
    Ok(())
}

/// Finds a request by its id or an unambiguous beginning of it, a person's id, or a name.
pub(crate) fn resolve(state: &State, who: &Who) -> Result<RequestId, CommandError> {
    let text = who.0.trim();
    let lower = text.to_ascii_lowercase();
    let whole_id = lower.parse::<PeerId>().ok();
    let by_id = |row: &&Request| text.len() >= 4 && row.id.to_string().starts_with(&lower);
    // A whole id means that id and no name; names here are what strangers call themselves.
    let by_person = |row: &&Request| match whole_id {
        Some(peer) => row.peer == peer,
        None => !row.name.is_empty() && row.name == text,
    };
    let mut found: Vec<&Request> = state.requests.values().filter(by_id).collect();
    if found.is_empty() {
        found = state.requests.values().filter(by_person).collect();
    }
    match found.as_slice() {
        [] => Err(CommandError::NotFound),
        [one] => Ok(one.id),
        _ => Err(CommandError::Ambiguous),
    }
}

/// Sets a request aside. The one who asked is told nothing.
pub(crate) fn ignore(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.requests.get(id).ok_or(CommandError::NotFound)?;
    match (row.direction, row.status) {
        (Direction::In, RequestStatus::Pending | RequestStatus::Ignored) => Ok(set_status(state, turn, id, RequestStatus::Ignored)?),
        _ => Err(CommandError::WrongStatus.into()),
    }
}

/// Takes an own request back. Who was asked is told so when they answer.
pub(crate) fn cancel(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.requests.get(id).ok_or(CommandError::NotFound)?;
    match (row.direction, row.status) {
        (Direction::Out, RequestStatus::Unresolved | RequestStatus::Pending | RequestStatus::Cancelled) => {
            Ok(set_status(state, turn, id, RequestStatus::Cancelled)?)
        }
        _ => Err(CommandError::WrongStatus.into()),
    }
}

/// A friend's device was heard in the room to which a Confirm of ours led it: it has the Confirm,
/// whatever became of its receipt.
pub(crate) fn heard(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, device: &DeviceId) -> Result<(), TurnFailed> {
    let Some(room) = state.friends.get(peer).map(|friend| friend.room) else { return Ok(()) };
    let led_here = |row: &&Request| {
        row.peer == *peer
            && row.direction == Direction::Out
            && row.room == Some(room)
            && matches!(row.status, RequestStatus::Accepted | RequestStatus::Confirmed)
    };
    let ids: Vec<RequestId> = state.requests.values().filter(led_here).map(|row| row.id).collect();
    for id in ids {
        outbox::supersede(state, turn, device, &What::Confirm(id))?;
        set_status(state, turn, &id, RequestStatus::Confirmed)?;
    }
    state.confirming.remove(peer);
    Ok(())
}

/// Refuses a request for good: its sender, by root and by every key in its Offer.
pub(crate) fn block(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.requests.get(id).ok_or(CommandError::NotFound)?;
    let allowed =
        row.direction == Direction::In && matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored | RequestStatus::Blocked);
    if !allowed {
        return Err(CommandError::WrongStatus.into());
    }
    let peer = row.peer;
    friend::set_blocked(state, turn, &peer, true)?;
    Ok(set_status(state, turn, id, RequestStatus::Blocked)?)
}

/// Takes a block back; the request is ignored then, and can be accepted.
pub(crate) fn unblock(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.requests.get(id).ok_or(CommandError::NotFound)?;
    if row.status != RequestStatus::Blocked {
        return Err(CommandError::WrongStatus.into());
    }
    let peer = row.peer;
    friend::set_blocked(state, turn, &peer, false)?;
    Ok(set_status(state, turn, id, RequestStatus::Ignored)?)
}

/// Moves a row to another status. A row that led nowhere erases its reply key and ends its grant
/// at once; one that is confirmed a day later, for repeats.
pub(crate) fn set_status(state: &mut State, turn: &mut Turn<'_>, id: &RequestId, status: RequestStatus) -> Result<(), TurnFailed> {
    let Some(mut row) = state.requests.get(id).cloned() else { return Ok(()) };
    if row.status == status {
        return Ok(());
    }
    row.status = status;
    row.ended = grants::has_ended(status).then_some(turn.stamp);
    if row.direction == Direction::Out {
        // What waited for the answer goes on.
        state.restart.extend(state.devices.values().filter(|device| device.peer == row.peer).map(|device| device.device));
    }
    let over = matches!(status, RequestStatus::Expired | RequestStatus::Cancelled);
    let is_settled = over || status == RequestStatus::Confirmed;
    let steps = match row.direction {
        // Nobody is asked any more, and nobody hears that we have come.
        Direction::Out => [is_settled.then_some(What::Offer(row.id)), over.then_some(What::Confirm(row.id))],
        // Our answer was answered, or counts no longer.
        Direction::In => [(status != RequestStatus::Accepted).then_some(What::Accept(row.id)), None],
    };
    for step in steps.into_iter().flatten() {
        for device in people::devices_of(state, &row.peer) {
            outbox::supersede(state, turn, &device, &step)?;
        }
    }
    if over {
        grants::end(state, turn, &row);
        row.reply_key = Secret::from_bytes([0; 32]);
        let unfinished = state.friends.get(&row.peer).is_none_or(|friend| Some(friend.room) != row.room);
        if let Some(room) = row.room.take().filter(|_| unfinished) {
            // The room of a request that led nowhere; gone already is as good.
            if turn.cipher.forget(room) == Err(crate::world::CipherError::Store) {
                return Err(TurnFailed("the room cipher's store failed"));
            }
        }
    }
    let (peer, direction) = (row.peer, row.direction);
    state.save_request(turn, row);
    if status == RequestStatus::Confirmed {
        if direction == Direction::In {
            grants::confirmed(state, turn, id);
        }
        end_others(state, turn, &peer)?;
    }
    turn.notify(Event::Request(*id));
    Ok(())
}

/// A friendship has a room: requests that were on their way to another one lead nowhere. A side
/// that had ended the friendship is silent, so steps to it would be put for ever.
fn end_others(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(room) = state.friends.get(peer).map(|friend| friend.room) else { return Ok(()) };
    let others = state.requests.values().filter(|row| row.peer == *peer && row.status == RequestStatus::Accepted && row.room != Some(room));
    for other in others.map(|row| row.id).collect::<Vec<_>>() {
        set_status(state, turn, &other, RequestStatus::Cancelled)?;
    }
    Ok(())
}

/// Expires what is surely too old.
pub(crate) fn expire(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let old: Vec<RequestId> = state.requests.values().filter(|row| requests::is_late(state, row, turn.sure)).map(|row| row.id).collect();
    for id in old {
        // Waited for long enough: what was written in the meantime fails with it.
        if let Some(friend) = state.requests.get(&id).and_then(|row| half_of(state, row)) {
            friend::end(state, turn, friend)?;
        }
        set_status(state, turn, &id, RequestStatus::Expired)?;
    }
    Ok(())
}

/// Puts Accepts again that were received and not answered: whoever had blocked us at that
/// moment has dropped them, and may have changed their mind on a link that lasts. And Offers that
/// were put off there because the two clocks disagreed.
pub(crate) fn remind(state: &mut State) {
    let waits = |row: &&Request| match row.direction {
        Direction::In => row.status == RequestStatus::Accepted,
        Direction::Out => row.status == RequestStatus::Pending,
    };
    let peers: BTreeSet<PeerId> = state.requests.values().filter(waits).map(|row| row.peer).collect();
    let devices = state.devices.values().filter(|device| peers.contains(&device.peer) && device.outbox_count > 0);
    state.restart.extend(devices.map(|device| device.device));
}

/// The provisional friendship of a request.
fn half_of(state: &State, row: &Request) -> Option<Friend> {
    let half = |friend: &&Friend| friend.state == FriendState::Half && Some(friend.room) == row.room;
    state.friends.get(&row.peer).filter(half).cloned()
}

/// Ends the provisional friendship of a request that will not be confirmed.
pub(crate) fn end_half(state: &mut State, turn: &mut Turn<'_>, row: &Request) -> Result<(), TurnFailed> {
    let Some(mut friend) = half_of(state, row) else { return Ok(()) };
    // Nobody has ended anything: what was written in the meantime waits for the next request
    // to go better.
    let held = std::mem::take(&mut friend.held);
    let peer = friend.peer;
    friend::end(state, turn, friend)?;
    people::update(state, turn, &peer, |friend| friend.held = held)
}

/// The other side has signed that it does not take a step of a request.
pub(crate) fn refused(state: &mut State, turn: &mut Turn<'_>, id: &RequestId, fault: Option<Fault>) -> Result<(), TurnFailed> {
    let Some(row) = state.requests.get(id).cloned() else { return Ok(()) };
    if row.direction == Direction::Out && row.status == RequestStatus::Pending {
        state.save_request(turn, Request { fault, ..row });
        set_status(state, turn, id, RequestStatus::Expired)?;
    } else if row.direction == Direction::In && row.status == RequestStatus::Accepted {
        // Given up on the other side before our answer came: half a friendship leads nowhere.
        end_half(state, turn, &row)?;
        state.save_request(turn, Request { fault, ..row });
        set_status(state, turn, id, RequestStatus::Expired)?;
    }
    Ok(())
}

/// A request as shown to the user.
pub(crate) fn view(state: &State, mirror: &Mirror, row: &Request) -> RequestView {
    // Of those only that wait to be answered: there are few.
    let waits = row.direction == Direction::In && row.status == RequestStatus::Pending;
    let namesake = waits.then(|| mirror.namesake(&row.peer, &row.name)).flatten();
    let returns = "your friend's device came back from an older copy unusually often: ask them before you accept";
    let flag = row.flagged.then_some("somebody else used the same contact address").or(namesake.filter(|_| row.renews.is_none()));
    let flag = flag.or(row.renews.is_some().then_some(returns));
    RequestView {
        request: row.id,
        kind: RequestKind::Friend,
        direction: row.direction,
        peer: row.peer,
        name: row.name.clone(),
        words: fingerprint_words(&row.peer),
        trust: row.trust,
        note: row.note.clone(),
        // By the wall clock it only looks so, until that is sure.
        status: if requests::is_late(state, row, state.clock.now()) { RequestStatus::Expired } else { row.status },
        fault: row.fault.map(crate::rows::Fault::text).or(flag),
        introduced_by: introduction::introducers_of(state, &row.peer),
        created: row.created,
    }
}

/// Everything about friends that a request needs when it ends well.
pub(crate) fn settle(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    // Crossed requests end together: both sides wanted it.
    let open: Vec<RequestId> = state
        .requests
        .values()
        .filter(|row| {
            let waits = matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored | RequestStatus::Unresolved);
            // An Offer accepted before the one that led here.
            let overtaken = row.direction == Direction::In && row.status == RequestStatus::Accepted;
            row.peer == *peer && (waits || overtaken)
        })
        .map(|row| row.id)
        .collect();
    for id in open {
        set_status(state, turn, &id, RequestStatus::Confirmed)?;
    }
    introduction::settled(state, turn, peer);
    // The bundle that led here may be of a generation that is over.
    friend::give_again(state, turn, peer)?;
    people::update(state, turn, peer, |_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{friend, in_turn, peer};
    use crate::state::settle_trust;

    #[test]
    fn whoever_was_verified_by_an_invite_alone_in_a_row_of_before_is_invited() {
        use Direction::{In, Out};
        use Trust::{Introduced, Invited, InvitedOrCompared, Verified};
        let stories: [(&[(Direction, Trust)], Trust); 6] = [
            (&[(In, Invited)], Verified),
            (&[(In, Introduced), (In, Invited)], Verified),
            (&[(Out, InvitedOrCompared)], Invited),
            (&[(In, Invited), (Out, InvitedOrCompared)], Invited),
            (&[(In, InvitedOrCompared)], Invited),
            (&[], Invited),
        ];
        in_turn(|state, turn| {
            for (number, (rows, _)) in (1..).zip(stories) {
                state.friends.insert(peer(number), Friend { trust: InvitedOrCompared, ..friend(number) });
                for (direction, trust) in rows {
                    let id = RequestId::random(turn.rng);
                    let row = Request { peer: peer(number), trust: *trust, ..Request::blank(turn, id, *direction) };
                    state.requests.insert(id, row);
                }
            }
            state.friends.insert(peer(9), Friend { trust: Verified, ..friend(9) });
            let settled = settle_trust(&mut state.friends, &mut state.requests);
            assert_eq!(settled.len(), stories.len(), "one that was compared since stays as it is");
            for (number, (_, trust)) in (1..).zip(stories) {
                assert_eq!(state.friends.get(&peer(number)).map(|friend| friend.trust), Some(trust), "{number}");
            }
            assert!(state.requests.values().all(|row| row.trust != InvitedOrCompared));
            assert_eq!(symbolon_presence::codec::encode(&InvitedOrCompared), [0x01, 0x00], "as rows of before have it");
        });
    }
}

//! Renewal: the room of a friendship is made again, and nobody is asked.
//!
//! It is an Offer like any other except for its field `renews` and its seal, which is to the key of
//! the friend's device certificate, in the queue of friends. It follows a Standing of the friend's
//! and names its nonce, so that none that was recorded counts twice. `docs/protocol/renewal.md`.

use super::offer::{IncomingRoom, check_room, create_room, first_revision, local_id, revise};
use super::{answer, has_room, make_room_of, set_status};
use crate::command::{Direction, RequestStatus};
use crate::delivery::outbox::{self, Via, What};
use crate::limits::{OFFER_MAX, REENTRIES_PER_DAY, RENEWAL_ANSWER, RENEWAL_NAMES_MAX, REQUEST_LIFETIME, RESEND_LIFE, RESEND_ROWS_MAX};
use crate::people;
use crate::rows::{Friend, Lacks, Message, Renewing, Request, message_key, split_key};
use crate::seam::{Event, Warning};
use crate::standing;
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed, decode_row};
use crate::wire::{First, OfferBody, Renews, Standing, Statement, Step};
use crate::world::RANGE_LIMIT;
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, MessageId, PeerId, RequestId};
use symbolon_presence::identity::Device;
use symbolon_presence::time::{DAY, Timestamp};

/// Our renewals that wait for a friend's answer.
fn open_of<'a>(state: &'a State, peer: &PeerId, direction: Direction) -> impl Iterator<Item = &'a Request> + use<'a> {
    let peer = *peer;
    state.requests.values().filter(move |row| {
        let waits = matches!(row.status, RequestStatus::Pending | RequestStatus::Accepted | RequestStatus::Ignored);
        row.renews.is_some() && row.peer == peer && row.direction == direction && waits
    })
}

/// Whether an Offer of ours is on its way to a friend, or the Accept to us. After a while it is not: the friend's device
/// may have lost the question that the Offer follows, or ours the Accept, with a newer state of its folder.
pub(crate) fn is_under_way(state: &State, turn: &Turn<'_>, peer: &PeerId) -> bool {
    open_of(state, peer, Direction::Out).any(|row| turn.stamp.since(row.created) < RENEWAL_ANSWER)
}

/// Whether a friend asks to have the room made again, more often than is accepted without the user.
pub(crate) fn needs_word(state: &State, peer: &PeerId) -> bool {
    open_of(state, peer, Direction::In).any(|row| row.status == RequestStatus::Pending)
}

/// A friend's device waits for the Confirm of this room still: it was lost with a newer state of its folder.
pub(crate) fn confirm_again(state: &mut State, turn: &mut Turn<'_>, device: &Device, said: &Standing) -> Result<(), Rejected> {
    let room = said.rooms.first().map(|room| room.room);
    let is_in = |row: &&Request| {
        let is_answered = matches!(row.status, RequestStatus::Accepted | RequestStatus::Confirmed);
        row.peer == device.peer && row.direction == Direction::Out && row.room == room && row.renews.is_some() && is_answered
    };
    if room.is_none() || state.friends.get(&device.peer).map(|friend| friend.room) != room {
        return Ok(());
    }
    let Some(row) = state.requests.values().find(is_in).cloned() else { return Ok(()) };
    if outbox::waits(turn, &device.device, &What::Confirm(row.id))? {
        return Ok(());
    }
    answer::confirm(state, turn, &row, device)
}

/// Takes back that a friend's renewal was accepted.
pub(crate) fn give_up_entering(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let accepted = open_of(state, peer, Direction::In).filter(|row| row.status == RequestStatus::Accepted);
    for id in accepted.map(|row| row.id).collect::<Vec<_>>() {
        set_status(state, turn, &id, RequestStatus::Cancelled)?;
    }
    Ok(())
}

/// Asks a friend's device for a new room, because of what it has said. An older Offer is given up.
pub(crate) fn offer(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, id: &DeviceId, said: &Standing) -> Result<(), Rejected> {
    let Some(friend) = state.friends.get(peer).cloned() else { return Ok(()) };
    for older in open_of(state, peer, Direction::Out).map(|row| row.id).collect::<Vec<_>>() {
        set_status(state, turn, &older, RequestStatus::Cancelled)?;
    }
    if !has_room(state) {
        return Err(DropReason::Full.into());
    }
    make_room_of(state, turn, peer)?;
    let room = create_room(state, turn)?;
    let (sent, had) = known_texts(state, turn, &friend)?;
    let renews = Renews { room: friend.room, answers: said.nonce, sent, had };
    let request = RequestId::random(turn.rng);
    let chain = state.devices.get(id).map(|row| row.chain.clone());
    let mut row = Request {
        peer: *peer,
        name: friend.petname.clone(),
        trust: friend.trust,
        room: Some(room),
        chain,
        contacts: said.reply.iter().cloned().collect(),
        renews: Some(renews),
        ..Request::blank(turn, request, Direction::Out)
    };
    first_revision(state, turn, &mut row, room)?;
    state.save_request(turn, row.clone());
    dispatch(state, turn, &row)?;
    Ok(())
}

/// Puts an Offer that renews into the outboxes of the friend's devices. It goes by the contact that
/// one of them has named.
pub(super) fn dispatch(state: &mut State, turn: &mut Turn<'_>, row: &Request) -> Result<(), TurnFailed> {
    let devices = state.friends.get(&row.peer).map(|friend| friend.devices.clone()).unwrap_or_default();
    for id in devices {
        let Some(envelope) = standing::seal(state, turn, &id, Step::Offer, row.offer.clone()) else { continue };
        outbox::supersede(state, turn, &id, &What::Offer(row.id))?;
        let way = row.contacts.first().filter(|way| !way.expires.is_expired_at(turn.now));
        outbox::enqueue(state, turn, &id, What::Offer(row.id), way.map(|way| Via::contact(way, None)), envelope);
    }
    Ok(())
}

/// Which texts of a conversation are known here: own ones, the newest that is known to be delivered
/// and the newest of all; and the newest of the friend's.
fn known_texts(state: &State, turn: &Turn<'_>, friend: &Friend) -> Result<(Vec<MessageId>, Option<MessageId>), TurnFailed> {
    let (mut sent, mut had, mut has_delivered) = (Vec::new(), None, false);
    walk_back(turn, friend, |_, text| {
        let is_own = text.from == state.own.peer;
        let is_delivered = matches!(text.state, crate::command::MessageState::Delivered | crate::command::MessageState::Read);
        if is_own && !has_delivered && (sent.len() < RENEWAL_NAMES_MAX || is_delivered) {
            has_delivered = is_delivered;
            sent.push(text.id);
        }
        if !is_own && had.is_none() {
            had = Some(text.id);
        }
        !(has_delivered && had.is_some())
    })?;
    Ok((sent, had))
}

/// Looks at the texts of a conversation, the newest first, for as long as `look` wants.
fn walk_back(turn: &Turn<'_>, friend: &Friend, mut look: impl FnMut(u64, Message) -> bool) -> Result<(), TurnFailed> {
    let mut before = message_key(&friend.conversation, u64::MAX);
    for _ in 0..RESEND_ROWS_MAX.div_ceil(RANGE_LIMIT) {
        let page = turn.shelf.range_back(Table::Message, &before, RANGE_LIMIT)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        before.clone_from(last);
        for (key, bytes) in page {
            let Some((_, arrival)) = split_key(&key).filter(|(conversation, _)| *conversation == friend.conversation) else {
                return Ok(());
            };
            if !look(arrival, decode_row(&bytes)?) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Takes in an Offer that renews. Errors change nothing.
pub(crate) fn receive(
    state: &mut State,
    turn: &mut Turn<'_>,
    first: First,
    device: &Device,
    statement: &Statement,
) -> Result<(), Rejected> {
    let body: OfferBody = codec::decode(&statement.body, OFFER_MAX).map_err(|_| DropReason::Malformed)?;
    let Some(renews) = body.renews.clone().filter(|_| body.is_bounded()) else { return Err(DropReason::Malformed.into()) };
    let lasts = body.expires.since(body.created);
    if body.created.is_future_at(turn.now) || body.expires.is_expired_at(turn.now) || lasts > REQUEST_LIFETIME {
        return Err(DropReason::Untimely.into());
    }
    // A renewal brings back nobody who was blocked, and no friendship that was ended here: silence.
    let friend = state.friends.get(&device.peer).filter(|friend| friend.stands() && friend.devices.contains(&device.device)).cloned();
    let Some(friend) = friend.filter(|_| !people::is_blocked(state, &device.peer, &first.chain)) else {
        return Err(DropReason::Blocked.into());
    };
    let id = local_id(&first.chain, &body.request);
    let transcript = body.transcript(&device.peer, &state.own.peer);
    let returns = friend.returns(turn.now, DAY);
    if let Some(known) = state.requests.get(&id).cloned() {
        // Another revision of what was let in: older ones no longer count, and each other room is a
        // return.
        let is_other_room = known.status == RequestStatus::Accepted && known.transcript != transcript;
        if body.revision <= known.revision || (is_other_room && returns >= REENTRIES_PER_DAY) {
            return Err(DropReason::Repeated.into());
        }
        check_room(turn, &IncomingRoom { group_info: &body.group_info, initiator: &device.peer })?;
        return revise(state, turn, known, &body, &statement.body, transcript);
    }
    // It answers what we said last about how we stand; a recorded one does not.
    let asked = state.devices.get(&device.device).and_then(|row| row.asked.as_ref());
    if !asked.is_some_and(|asked| asked.contains(&renews.answers)) {
        return Err(DropReason::Repeated.into());
    }
    check_room(turn, &IncomingRoom { group_info: &body.group_info, initiator: &device.peer })?;
    // Both are behind: the room is made by the device with the lower id.
    if open_of(state, &device.peer, Direction::Out).any(|row| row.status == RequestStatus::Pending)
        && state.own.identity.device < device.device
    {
        return Err(DropReason::Repeated.into());
    }
    let overtaken = open_of(state, &device.peer, Direction::In).chain(open_of(state, &device.peer, Direction::Out));
    let overtaken: Vec<RequestId> = overtaken.map(|row| row.id).collect();
    if overtaken.is_empty() && !has_room(state) {
        return Err(DropReason::Full.into());
    }
    for older in overtaken {
        set_status(state, turn, &older, RequestStatus::Cancelled)?;
    }
    make_room_of(state, turn, &device.peer)?;
    if let Some(asked) = state.device_mut(&device.device).and_then(|row| row.asked.as_mut()) {
        asked.retain(|nonce| *nonce != renews.answers);
    }
    let row = Request {
        wire: body.request,
        peer: device.peer,
        name: friend.petname.clone(),
        trust: friend.trust,
        expires: body.expires,
        revision: body.revision,
        offer: statement.body.clone(),
        transcript,
        chain: Some(first.chain),
        renews: Some(renews),
        ..Request::blank(turn, id, Direction::In)
    };
    state.save_request(turn, row);
    state.rates.warn(turn, Warning::FriendReturned);
    if returns >= REENTRIES_PER_DAY {
        // Too often for a copy that was put back: its friend's user decides.
        turn.notify(Event::Request(id));
        return Ok(());
    }
    match answer::accept(state, turn, &id) {
        Ok(()) => Ok(()),
        Err(Failed::Turn(failed)) => Err(failed.into()),
        // It cannot be accepted automatically: the row stays for the user.
        Err(Failed::Command(_)) => Ok(()),
    }
}

/// What the side that is not behind finds in its history: how many texts of the other's are not
/// known there, and which own ones it lacks.
pub(super) fn compare(turn: &Turn<'_>, friend: &Friend, renews: &Renews) -> Result<(u32, Missing), TurnFailed> {
    let (mut unknown, mut all_theirs_seen) = (0u32, false);
    let (mut missing, mut all_ours_seen) = (Missing::default(), false);
    walk_back(turn, friend, |arrival, text| {
        if text.from == friend.peer {
            all_theirs_seen |= renews.sent.contains(&text.id);
            unknown = unknown.saturating_add(u32::from(!all_theirs_seen));
        } else {
            all_ours_seen |= renews.had == Some(text.id) || turn.now.since(text.at) > RESEND_LIFE;
            if !all_ours_seen {
                missing.add(arrival, &text);
            }
        }
        !(all_theirs_seen && all_ours_seen)
    })?;
    Ok((unknown, missing))
}

/// Own texts that a friend's older copy lacks.
#[derive(Debug, Default)]
pub(super) struct Missing {
    arrivals: Vec<u64>,
}

impl Missing {
    fn add(&mut self, arrival: u64, text: &Message) {
        // What was not delivered waits anyway; what was given up stays so.
        if matches!(text.state, crate::command::MessageState::Delivered | crate::command::MessageState::Read) {
            self.arrivals.push(arrival);
        }
    }

    /// Lets them be sent again: automatically once in a while, otherwise when the user says so.
    pub(super) fn resend(mut self, friend: &mut Friend, now: Timestamp) {
        let (Some(newest), Some(oldest)) = (self.arrivals.first().copied(), self.arrivals.last().copied()) else { return };
        if friend.resent.is_some_and(|at| now.since(at) < RESEND_LIFE) {
            let count = u32::try_from(self.arrivals.len()).unwrap_or(u32::MAX);
            let lacks = Lacks { after: oldest.saturating_sub(1), before: newest.saturating_add(1), count };
            friend.lacks = Some(friend.lacks.map_or(lacks, |known| known.and(lacks)));
            return;
        }
        friend.resent = Some(now);
        friend.held.append(&mut self.arrivals);
        friend.held.sort_unstable();
        friend.held.dedup();
    }
}

/// Sends again what a friend's older copy lacks, because the user says so.
pub(crate) fn resend(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<u32, TurnFailed> {
    let Some(mut friend) = state.friends.get(peer).cloned() else { return Ok(0) };
    let Some(lacks) = friend.lacks.take() else { return Ok(0) };
    let mut missing = Missing::default();
    walk_back(turn, &friend, |arrival, text| {
        if text.from == state.own.peer && arrival > lacks.after && arrival < lacks.before {
            missing.add(arrival, &text);
        }
        arrival > lacks.after
    })?;
    friend.held.append(&mut missing.arrivals);
    friend.held.sort_unstable();
    friend.held.dedup();
    friend.resent = Some(turn.now);
    state.save_friend(turn, friend);
    state.releasing.insert(*peer);
    turn.notify(Event::Friend(*peer));
    Ok(lacks.count)
}

/// A friend who entered the room of a renewal stays what they were; nothing is sealed before their Confirm.
pub(super) fn entered(half: Friend, before: &Friend, now: Timestamp) -> Friend {
    let mut reentries = before.reentries.clone().unwrap_or_default();
    let excess = reentries.len().saturating_sub(REENTRIES_PER_DAY - 1);
    reentries.drain(..excess);
    reentries.push(now);
    Friend {
        state: before.state,
        devices: before.devices.clone(),
        friendship: before.friendship.clone(),
        presence: before.presence.clone(),
        renewing: Some(Renewing::Entered),
        reentries: Some(reentries),
        ..half
    }
}

/// The devices that a row of a renewal concerns are those of a friend.
pub(super) fn is_of_friend(state: &State, row: &Request) -> bool {
    row.renews.is_none() || state.friends.get(&row.peer).is_some_and(Friend::stands) && !people::devices_of(state, &row.peer).is_empty()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::offer::{leaf_lifetime, reply_contact};
    use super::*;
    use crate::fixture::{Person, friend, in_turn, peer};
    use crate::limits::{ENDED_OF_PERSON_MAX, REQUESTS_MAX};
    use crate::wire::LeafCredential;
    use symbolon_presence::envelope::open_direct;
    use symbolon_presence::id::{Nonce, RoomId};

    /// A friend who has come back as often as a friend does in a day.
    fn returned(state: &mut State, turn: &mut Turn<'_>) -> Person {
        let ben = Person::new(state, turn, 2);
        let reentries = Some(vec![turn.now; REENTRIES_PER_DAY]);
        state.friends.get_mut(&ben.device.peer).unwrap().reentries = reentries;
        ben
    }

    /// Renews the room, because of a question of ours that names this nonce.
    fn renews(ben: &Person, state: &mut State, turn: &mut Turn<'_>, nonce: Nonce) -> Result<(), Rejected> {
        state.device_mut(&ben.device.device).unwrap().asked = Some(vec![nonce]);
        let room = RoomId::random(turn.rng);
        let leaf = turn.cipher.fresh_leaf()?;
        let credential = LeafCredential::sign(&ben.identity.chain, &ben.identity.signing, &room, &leaf.0);
        turn.cipher.create(room, leaf, &credential, leaf_lifetime(turn.stamp))?;
        let id = RequestId::random(turn.rng);
        let row = Request::blank(turn, id, Direction::Out);
        let (reply, _) = reply_contact(state, turn, &row);
        let body = OfferBody {
            request: id,
            revision: 0,
            name: "Ben".into(),
            note: None,
            replies: vec![reply],
            nonce: Nonce::random(turn.rng),
            group_info: turn.cipher.offer(room)?,
            created: turn.now,
            expires: turn.now.after(REQUEST_LIFETIME),
            renews: Some(Renews { room: friend(2).room, answers: nonce, sent: Vec::new(), had: None }),
        };
        let envelope = ben.direct(state, turn, Step::Offer, codec::encode(&body));
        let payload = open_direct(&state.own.identity.dh, &envelope).unwrap();
        let first: First = codec::decode(&payload, crate::wire::PAYLOAD_MAX).unwrap();
        let (device, statement) = first.verify(&state.own.peer, turn.now).unwrap();
        receive(state, turn, first, &device, &statement)
    }

    /// A row that has ended of somebody else who is a friend.
    fn ended_of_another(state: &mut State, turn: &mut Turn<'_>, number: u64) {
        let id = RequestId(number.to_be_bytes().repeat(2).try_into().unwrap());
        let row = Request {
            peer: peer(number),
            status: RequestStatus::Confirmed,
            created: Timestamp(number),
            ..Request::blank(turn, id, Direction::In)
        };
        state.friends.insert(row.peer, friend(number));
        state.requests.insert(id, row);
    }

    #[test]
    fn a102_a_friend_who_returns_without_end_drives_out_one_row_of_others_and_warns_once_a_minute() {
        in_turn(|state, turn| {
            let ben = returned(state, turn);
            for number in 0..REQUESTS_MAX as u64 {
                ended_of_another(state, turn, 1_000 + number);
            }
            for round in 0..40 {
                renews(&ben, state, turn, Nonce([round; 16])).unwrap();
                assert_eq!(state.requests.len(), REQUESTS_MAX);
            }
            let others = state.requests.values().filter(|row| row.peer != ben.device.peer).count();
            assert_eq!(others, REQUESTS_MAX - 1, "once it has a row, its own give way");
            let is_warning = |event: &&Event| **event == Event::Warning(Warning::FriendReturned);
            assert_eq!(turn.out.events.iter().filter(is_warning).count(), 1);
        });
    }

    #[test]
    fn a102_of_a_friend_who_returns_without_end_and_of_rooms_made_again_for_them_a_few_rows_are_kept() {
        in_turn(|state, turn| {
            let ben = returned(state, turn);
            for round in 0..20 {
                renews(&ben, state, turn, Nonce([round; 16])).unwrap();
            }
            assert_eq!(state.requests.len(), ENDED_OF_PERSON_MAX + 1, "those that have ended, and the one that waits");
            // On our side, because of what they say.
            let said = ben.standing(turn, 1, Nonce([2; 16]));
            for _ in 0..20 {
                offer(state, turn, &ben.device.peer, &ben.device.device, &said).unwrap();
            }
            let own = state.requests.values().filter(|row| row.direction == Direction::Out).count();
            assert!(own <= ENDED_OF_PERSON_MAX + 1, "{own}");
            assert!(state.requests.len() <= ENDED_OF_PERSON_MAX + 3, "{}", state.requests.len());
        });
    }
}

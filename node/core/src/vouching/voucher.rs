//! Knocks of others at rooms of ours: who is vouched for, and how they come in.
//!
//! We vouch by ourselves for friends, unless our user wants to be asked. For anybody else nothing is said that looks like
//! anything, at the same time, and the knock stays listed for a person's word.

use super::desk::{Vouching, known};
use super::talks::{Heard, PASSED_MAX, Say, Saying};
use crate::command::{CommandError, RequestStatus};
use crate::groups::{self, Groups};
use crate::limits::{HEARD_KNOCKS_MAX, HEARD_KNOCKS_OF_ROOM, KNOCK_LIFE, VOUCH_DELAY};
use crate::packages;
use crate::people;
use crate::rows::{Friend, HeardKnock, Vouched};
use crate::seam::Event;
use crate::state::State;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{KnockBody, Transcript, Vouch, VouchHello, VouchResponse, keys_digest};
use symbolon_presence::id::{Nonce, RequestId, RoomId};
use symbolon_presence::identity::Device;
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::{KemKey, KemPublic};
use symbolon_presence::time::Timestamp;

impl Vouching {
    /// A hub has given us something.
    pub(super) fn heard(
        &mut self,
        state: &mut State,
        groups: &mut Groups,
        turn: &mut Turn<'_>,
        (room, hub): (&RoomId, usize),
        heard: Heard,
    ) -> Result<(), TurnFailed> {
        match heard {
            Heard::Knock(nonce, sealed) => {
                self.knocks(state, turn, (room, hub), nonce, &sealed);
                Ok(())
            }
            Heard::Response(nonce, sealed) => responds(state, groups, turn, room, &nonce, &sealed),
        }
    }

    /// Somebody knocks at a room of ours.
    fn knocks(&mut self, state: &mut State, turn: &mut Turn<'_>, (room, hub): (&RoomId, usize), nonce: Nonce, sealed: &[u8]) {
        let Some(secret) = state.groups.knock_key(room).map(|row| row.secret.clone()) else { return };
        let at = turn.now.after(VOUCH_DELAY);
        // By several hubs, or from one that was started again: the same word.
        if let Some(row) = known(state, room, &nonce).cloned() {
            self.speak(state, turn, &row, at);
            return;
        }
        if self.passed.contains(&nonce) {
            return;
        }
        let alias = secret.alias();
        let hub = state.groups.rooms.get(room).and_then(|group| group.roster.knocks.as_ref()).and_then(|knocks| knocks.hubs.get(hub));
        let Some(hub) = hub.cloned() else { return };
        let opened = KnockBody::open(sealed, &secret, &nonce, turn.now).filter(|(body, device, _)| is_wanted(state, room, body, device));
        let Some((body, device, _)) = opened.filter(|_| make_place(state, turn, room)) else {
            self.passed.push(nonce);
            let excess = self.passed.len().saturating_sub(PASSED_MAX);
            self.passed.drain(..excess);
            self.say(Say { at, hub, what: Saying::Member(*room, alias, nonce, VouchHello::pass(turn.rng)) });
            return;
        };
        let mut row = HeardKnock {
            id: RequestId::random(turn.rng),
            room: *room,
            alias,
            nonce,
            card: body.card,
            peer: device.peer,
            person: device.person,
            chain: body.chain,
            key: body.key,
            at: turn.stamp,
            status: RequestStatus::Pending,
            hub,
            vouched: None,
        };
        let is_friend = state.friends.get(&device.peer).is_some_and(Friend::stands);
        if is_friend && state.own.vouches && state.own.may_show(turn.stamp) {
            row = decide(state, turn, row);
        }
        turn.notify(Event::Request(row.id));
        state.save_heard(turn, row.clone());
        self.speak(state, turn, &row, at);
    }

    /// Says what there is to say to who knocks: that we vouch, or nothing that looks the same.
    fn speak(&mut self, state: &State, turn: &mut Turn<'_>, row: &HeardKnock, at: Timestamp) {
        let word = word(state, turn, row);
        self.say(Say { at, hub: row.hub.clone(), what: Saying::Member(row.room, row.alias, row.nonce, word) });
    }

    /// Our certificate was renewed: friends who have knocked meanwhile are vouched for, and vouchers of ours are asked once
    /// more for what was not answered.
    pub fn certified(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        let is_friend = |row: &HeardKnock| state.friends.get(&row.peer).is_some_and(Friend::stands);
        let waits = |row: &&HeardKnock| row.status == RequestStatus::Pending && !row.is_over(turn.now) && is_friend(row);
        let rows: Vec<HeardKnock> = state.vouching.heard.values().filter(|_| state.own.vouches).filter(waits).cloned().collect();
        for row in rows {
            let row = decide(state, turn, row);
            turn.notify(Event::Request(row.id));
            state.save_heard(turn, row.clone());
            self.speak(state, turn, &row, turn.now);
        }
        for id in state.vouching.knocks.values().filter(|row| row.waits(turn.now)).map(|row| row.id) {
            self.talks.knock_again(turn.now, &id);
        }
    }

    /// Our user vouches for somebody who knocks.
    pub fn vouch(&mut self, state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
        let row = state.vouching.heard.get(id).cloned().ok_or(CommandError::NotFound)?;
        let is_open = matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored);
        let is_present = state.groups.knock_key(&row.room).is_some_and(|key| key.alias == row.alias);
        if !is_open || !is_present || row.is_over(turn.now) {
            return Err(CommandError::WrongStatus.into());
        }
        let row = decide(state, turn, row);
        turn.notify(Event::Request(row.id));
        state.save_heard(turn, row.clone());
        self.speak(state, turn, &row, turn.now);
        Ok(())
    }
}

/// Sets a knock aside; who knocks hears nothing.
pub(crate) fn ignore(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.vouching.heard.get(id).cloned().ok_or(CommandError::NotFound)?;
    if !matches!(row.status, RequestStatus::Pending | RequestStatus::Ignored) {
        return Err(CommandError::WrongStatus.into());
    }
    state.save_heard(turn, HeardKnock { status: RequestStatus::Ignored, ..row });
    turn.notify(Event::Request(*id));
    Ok(())
}

/// Whether a knock is one that a member may answer: of nobody who is in the room, blocked, or ourselves.
fn is_wanted(state: &State, room: &RoomId, body: &KnockBody, device: &Device) -> bool {
    let is_in = state.groups.rooms.get(room).is_none_or(|group| group.roster.role(&device.person).is_some());
    !is_in
        && device.person != state.own.person()
        && !people::is_blocked(state, &device.peer, &body.chain)
        && !people::is_parted(state, &device.person)
}

/// One more has place: one that has expired makes it, then one that our user has set aside, then the oldest; not one that we
/// have vouched for and that may still be answered. It is of this room.
fn make_place(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) -> bool {
    let of_room = state.vouching.heard.values().filter(|row| row.room == *room).count();
    if of_room < HEARD_KNOCKS_OF_ROOM && state.vouching.heard.len() < HEARD_KNOCKS_MAX {
        return true;
    }
    let waits = |row: &HeardKnock| row.status == RequestStatus::Accepted && !row.is_over(turn.now);
    let rank = |row: &&HeardKnock| match row.status {
        RequestStatus::Confirmed | RequestStatus::Expired => 0,
        RequestStatus::Ignored => 1,
        RequestStatus::Unresolved
        | RequestStatus::Pending
        | RequestStatus::Accepted
        | RequestStatus::Blocked
        | RequestStatus::Cancelled => 2,
    };
    let idle = state.vouching.heard.values().filter(|row| row.room == *room && !waits(row));
    let Some(oldest) = idle.min_by_key(|row| (rank(row), row.at)).map(|row| row.id) else { return false };
    state.drop_heard(turn, &oldest);
    true
}

/// We vouch: what is needed for that is drawn.
fn decide(state: &State, turn: &mut Turn<'_>, row: HeardKnock) -> HeardKnock {
    let Some(epoch) = state.groups.rooms.get(&row.room).map(|group| group.epoch) else { return row };
    let vouched = Vouched { hello: Nonce::random(turn.rng), key: Secret::random(turn.rng), epoch };
    HeardKnock { status: RequestStatus::Accepted, vouched: Some(vouched), ..row }
}

/// What newcomer and voucher sign.
fn transcript(state: &State, row: &HeardKnock, vouched: &Vouched) -> Option<Transcript> {
    let newcomer = row.chain.body()?.device;
    let key = KemKey::from_bytes(*vouched.key.expose()).public().bytes();
    Some(Transcript {
        alias: row.alias,
        card: row.card,
        knock: row.nonce,
        hello: vouched.hello,
        keys: keys_digest(&row.key, &key),
        newcomer: (row.person, newcomer),
        voucher: (state.own.person(), state.own.identity.device),
        room: row.room,
        epoch: vouched.epoch,
    })
}

/// What is said to who knocks. One that has expired is not vouched for again, however often a hub brings it.
fn word(state: &State, turn: &mut Turn<'_>, row: &HeardKnock) -> Vec<u8> {
    let hello = hello(state, turn, row).filter(|_| !row.is_over(turn.now) && state.own.may_show(turn.stamp));
    hello.unwrap_or_else(|| VouchHello::pass(turn.rng))
}

/// The word by which we vouch, if we do.
fn hello(state: &State, turn: &mut Turn<'_>, row: &HeardKnock) -> Option<Vec<u8>> {
    let vouched = row.vouched.as_ref()?;
    let (transcript, to) = (transcript(state, row, vouched)?, KemPublic::parse(&row.key).ok()?);
    VouchHello::seal(&state.own.identity, &transcript, &KemKey::from_bytes(*vouched.key.expose()), &to, turn.rng)
}

/// Who knocks answers to our word: both ends are proved, and they come in.
fn responds(
    state: &mut State,
    groups: &mut Groups,
    turn: &mut Turn<'_>,
    room: &RoomId,
    nonce: &Nonce,
    sealed: &[u8],
) -> Result<(), TurnFailed> {
    let Some(row) = known(state, room, nonce).filter(|row| row.status == RequestStatus::Accepted).cloned() else { return Ok(()) };
    let Some(vouched) = row.vouched.as_ref() else { return Ok(()) };
    let Some(device) = row.chain.verify(turn.now).ok() else { return Ok(()) };
    // Our user may have thought better of it since.
    if row.is_over(turn.now) || people::is_blocked(state, &device.peer, &row.chain) || people::is_parted(state, &device.person) {
        return Ok(());
    }
    let Some(transcript) = transcript(state, &row, vouched) else { return Ok(()) };
    let key = KemKey::from_bytes(*vouched.key.expose());
    let Some(response) = VouchResponse::open(sealed, &key, &transcript, &device) else { return Ok(()) };
    let Some(package) = packages::verify_of(state, turn, &device, &response.package) else { return Ok(()) };
    groups::vouch(state, turn, groups, (room, row.alias), Vouch::new(&transcript, response.signature), package);
    Ok(())
}

/// Knocks whose people have come in are answered. Those that lie for a day have expired, and are shown no more; they are
/// forgotten a day later, so that a hub that brings one again is answered with a pass.
pub(super) fn expire(state: &mut State, turn: &mut Turn<'_>, room: Option<&RoomId>) {
    let rows = state.vouching.heard.values().filter(|row| room.is_none_or(|room| row.room == *room));
    for row in rows.cloned().collect::<Vec<_>>() {
        let group = state.groups.rooms.get(&row.room).filter(|group| group.is_member());
        let is_in = group.is_some_and(|group| group.roster.role(&row.person).is_some());
        let is_answered = matches!(row.status, RequestStatus::Confirmed | RequestStatus::Expired);
        let status = match (is_answered, is_in) {
            (false, true) => RequestStatus::Confirmed,
            (false, false) if row.is_over(turn.sure) || group.is_none() => RequestStatus::Expired,
            _ => row.status,
        };
        if row.is_over(turn.sure) && row.at.after(2 * KNOCK_LIFE).is_expired_at(turn.sure) {
            state.drop_heard(turn, &row.id);
        } else if status != row.status {
            turn.notify(Event::Request(row.id));
            state.save_heard(turn, HeardKnock { status, ..row });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::{NOW, Person, certified, further, in_turn};
    use symbolon_presence::id::{Digest, RoomAlias};
    use symbolon_presence::time::EARLIEST;

    #[test]
    fn under_a_certificate_that_has_ended_we_vouch_for_nobody_until_there_is_another() {
        in_turn(|state, turn| {
            let ben = Person::new(state, turn, 1);
            let room = groups::create(state, turn, "Crew").unwrap();
            let row = HeardKnock {
                id: RequestId([1; 16]),
                room,
                alias: RoomAlias([1; 32]),
                nonce: Nonce([1; 16]),
                card: Digest([1; 32]),
                peer: ben.device.peer,
                person: ben.device.person,
                chain: ben.identity.chain.clone(),
                key: KemKey::from_bytes([1; 32]).public().bytes(),
                at: NOW,
                status: RequestStatus::Pending,
                hub: Vec::new(),
                vouched: None,
            };
            let mut vouching = Vouching::default();
            let decided = decide(state, turn, row.clone());
            let vouches = |state: &State, turn: &mut Turn<'_>| {
                let (key, word) = (KemKey::from_bytes([1; 32]), word(state, turn, &decided));
                VouchHello::open(&word, &key, &decided.alias, &decided.nonce).is_some()
            };
            assert!(vouches(state, turn));
            let first = further(state, EARLIEST);
            assert!(!vouches(state, turn), "it looks like nothing");
            state.save_heard(turn, row);
            certified(state, first);
            vouching.certified(state, turn);
            let row = state.vouching.heard.get(&RequestId([1; 16])).unwrap();
            assert!(row.status == RequestStatus::Accepted && row.vouched.is_some());
        });
    }
}

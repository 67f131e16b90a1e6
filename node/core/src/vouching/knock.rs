//! Our knocks: from a card to the room.
//!
//! Nothing leaves before the card's body is there and signed by the one whom the card names. Who vouches must be somebody
//! that our user knows; if not, our user is warned, and nothing more is sent.

use super::desk::{FoundCard, Vouching};
use super::talks::{Say, Saying};
use crate::command::{CommandError, RequestStatus};
use crate::invites::cards::CardLink;
use crate::invites::link::LinkError;
use crate::limits::{BODY_PAUSE, FIND_PAUSE, FIND_PAUSE_MAX, FINDS_MAX, KNOCK_LIFE, KNOCKS_MAX, VOUCH_PATIENCE};
use crate::packages;
use crate::people;
use crate::rows::{ANSWERED_MAX, Friend, Handed, Knock, KnockFault};
use crate::seam::{Event, Look, NetAction};
use crate::state::State;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{CardRecord, KnockBody, Transcript, VouchHello, VouchResponse, keys_digest};
use symbolon_presence::id::{LookupId, Nonce, RequestId, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::{KemKey, KemPublic};
use symbolon_presence::record::{Record, day_of};
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::knock::{Answer, Ask, Refusal, Respond};

/// Knocks by a card. The same card again is the same knock, as long as nobody has said no to that.
pub(crate) fn knock(state: &mut State, vouching: &mut Vouching, turn: &mut Turn<'_>, card: &str) -> Result<RequestId, Failed> {
    let CardLink(link) = CardLink::find(card).map_err(|error| match error {
        LinkError::Bad | LinkError::Card => CommandError::BadLink,
        LinkError::Old => CommandError::OldLink,
        LinkError::Invite => CommandError::IsInvite,
        LinkError::Relay => CommandError::IsRelay,
    })?;
    if link.expires.is_expired_at(turn.now) {
        return Err(CommandError::LinkExpired.into());
    }
    if state.blocked.contains(link.peer.as_bytes().as_slice()) {
        return Err(CommandError::IsBlocked.into());
    }
    let is_open = |row: &&Knock| row.secret == link.secret && (row.status == RequestStatus::Unresolved || row.waits(turn.now));
    if let Some(known) = state.vouching.knocks.values().find(is_open).cloned() {
        if known.status != RequestStatus::Expired {
            return Ok(known.id);
        }
        // Who was turned away knocks once more: a member may have come, or have changed their mind.
        set(state, turn, &known.id, RequestStatus::Cancelled, known.fault);
    }
    make_place(state, turn)?;
    let servers = CardLink(link.clone()).servers();
    let id = RequestId::random(turn.rng);
    let row = Knock {
        id,
        secret: link.secret,
        signer: link.peer,
        servers,
        status: RequestStatus::Unresolved,
        created: turn.stamp,
        expires: turn.stamp.after(KNOCK_LIFE),
        handed: None,
        answered: Vec::new(),
        voucher: None,
        fault: None,
        responded: None,
    };
    state.save_knock(turn, row);
    vouching.search = Some(turn.now);
    vouching.rounds = 0;
    turn.notify(Event::Request(id));
    Ok(id)
}

/// One more has place: one that has ended makes it.
fn make_place(state: &mut State, turn: &mut Turn<'_>) -> Result<(), CommandError> {
    if state.vouching.knocks.len() < KNOCKS_MAX {
        return Ok(());
    }
    let is_over = |row: &&Knock| row.status != RequestStatus::Unresolved && !row.waits(turn.now);
    let over = state.vouching.knocks.values().filter(is_over).min_by_key(|row| row.created).map(|row| row.id);
    state.drop_own_knock(turn, &over.ok_or(CommandError::Full)?);
    Ok(())
}

/// Takes a knock back. Nobody hears of it: nothing more is sent.
pub(crate) fn cancel(state: &mut State, turn: &mut Turn<'_>, id: &RequestId) -> Result<(), Failed> {
    let row = state.vouching.knocks.get(id).ok_or(CommandError::NotFound)?;
    if row.status == RequestStatus::Confirmed {
        return Err(CommandError::WrongStatus.into());
    }
    set(state, turn, id, RequestStatus::Cancelled, None);
    Ok(())
}

fn set(state: &mut State, turn: &mut Turn<'_>, id: &RequestId, status: RequestStatus, fault: Option<KnockFault>) {
    let Some(row) = state.vouching.knocks.get(id) else { return };
    if row.status != status || row.fault != fault {
        state.change_knock(turn, id, |row| (row.status, row.fault) = (status, fault));
        turn.notify(Event::Request(*id));
    }
}

/// A room is in another epoch than before: if we have come in by a voucher, the knock is answered.
pub(super) fn moved(state: &mut State, turn: &mut Turn<'_>, room: &RoomId) {
    let Some(group) = state.groups.rooms.get(room).filter(|group| group.standing.is_member()) else { return };
    let added_by = group.added_by;
    let is_it = |row: &&Knock| row.waits(turn.now) && row.answered.iter().any(|(of, by)| of == room && Some(*by) == added_by);
    for id in state.vouching.knocks.values().filter(is_it).map(|row| row.id).collect::<Vec<_>>() {
        state.change_knock(turn, &id, |row| row.voucher = added_by);
        set(state, turn, &id, RequestStatus::Confirmed, None);
    }
}

/// Knocks that waited in vain expire; a while later nothing of them is kept.
pub(super) fn expire(state: &mut State, turn: &mut Turn<'_>) {
    let rows: Vec<(RequestId, RequestStatus, Timestamp)> =
        state.vouching.knocks.values().map(|row| (row.id, row.status, row.expires)).collect();
    for (id, status, expires) in rows {
        let is_open = matches!(status, RequestStatus::Unresolved | RequestStatus::Pending | RequestStatus::Accepted);
        if is_open && expires.is_expired_at(turn.sure) {
            set(state, turn, &id, RequestStatus::Expired, Some(KnockFault::Nobody));
        }
        if expires.after(30 * DAY).is_expired_at(turn.sure) {
            state.drop_own_knock(turn, &id);
        }
    }
}

impl Vouching {
    /// Looks for the bodies of cards.
    pub(super) fn seek(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if self.search.is_none_or(|at| at > turn.now) {
            return;
        }
        for (id, _) in std::mem::take(&mut self.sought).into_values() {
            self.note(state, turn, &id, KnockFault::NotFound);
        }
        let unresolved = state.vouching.knocks.values().filter(|row| row.status == RequestStatus::Unresolved);
        let rows: Vec<Knock> = unresolved.take(FINDS_MAX).cloned().collect();
        let today = day_of(turn.now);
        for row in &rows {
            // Where it is another day already, or still.
            for day in [Some(today), today.checked_sub(1), today.checked_add(1)].into_iter().flatten() {
                let Ok(id) = row.secret.slot(day).id() else { continue };
                self.sought.insert(id, (row.id, day));
                turn.act(NetAction::Resolve(id, Look::Servers(row.servers.clone())));
                turn.act(NetAction::Resolve(id, Look::Dht));
            }
        }
        let pause = FIND_PAUSE.saturating_mul(1 << self.rounds.min(20)).min(FIND_PAUSE_MAX);
        self.rounds = self.rounds.saturating_add(1);
        self.search = (!rows.is_empty()).then(|| turn.now.after(pause));
    }

    /// Something was found under an id. It may be anything.
    pub fn found(&mut self, state: &mut State, turn: &mut Turn<'_>, id: &LookupId, bytes: &[u8]) {
        let Some((knock, day)) = self.sought.get(id).copied() else { return };
        let Some(row) = state.vouching.knocks.get(&knock).filter(|row| row.status == RequestStatus::Unresolved) else { return };
        // Anyone who has the card can put something there; others cannot.
        let Some(record) = Record::read(bytes, turn.now).ok().filter(|record| record.id == *id) else { return };
        let opened = row.secret.slot(day).open(&record).ok().and_then(|content| CardRecord::decode(&content));
        match opened.and_then(|record| record.verify(turn.now, &row.secret.id(), day, &row.signer)) {
            Some(card) => {
                let known = self.found.get(&knock);
                if known.is_none_or(|known| known.card.body.number < card.body.number) {
                    let at = known.map_or(turn.now.after(BODY_PAUSE), |known| known.at);
                    self.found.insert(knock, FoundCard { card, at });
                }
            }
            None => self.note(state, turn, &knock, KnockFault::Forged),
        }
    }

    /// Says at a knock why it waits, unless its card is known. What is worse than silence stays said.
    fn note(&self, state: &mut State, turn: &mut Turn<'_>, id: &RequestId, fault: KnockFault) {
        let Some(row) = state.vouching.knocks.get(id).filter(|row| row.status == RequestStatus::Unresolved) else { return };
        let is_milder = row.fault == Some(KnockFault::Forged) && fault == KnockFault::NotFound;
        if !is_milder && !self.found.contains_key(id) {
            set(state, turn, id, RequestStatus::Unresolved, Some(fault));
        }
    }

    /// Cards that are known now: we knock.
    pub(super) fn go_on_found(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        if !state.own.may_show(turn.stamp) {
            // They are found once more, when we may knock.
            self.found.clear();
            return;
        }
        let ready: Vec<RequestId> = self.found.iter().filter(|(_, found)| found.at <= turn.now).map(|(id, _)| *id).collect();
        for id in ready {
            let Some(FoundCard { card, .. }) = self.found.remove(&id) else { continue };
            if state.vouching.knocks.get(&id).is_none_or(|row| row.status != RequestStatus::Unresolved) {
                continue;
            }
            let (nonce, key) = (Nonce::random(turn.rng), KemKey::random(turn.rng));
            let Some(sealed) = KnockBody::seal(&state.own.identity, &card, &nonce, &key, turn.rng) else { continue };
            let key = Secret::from_bytes(*key.expose());
            let handed = Handed { alias: card.body.alias, hubs: card.body.hubs, card: card.digest, nonce, key, sealed };
            state.change_knock(turn, &id, |row| row.handed = Some(handed));
            set(state, turn, &id, RequestStatus::Pending, None);
            self.sought.retain(|_, (of, _)| *of != id);
            self.look(state, turn);
        }
    }

    /// A hub has the knock, or does not take it.
    pub(super) fn knocked(&mut self, state: &mut State, turn: &mut Turn<'_>, id: &RequestId, hub: usize, answer: Option<Answer>) {
        let Some(talk) = self.talks.of_knock(id, hub) else { return };
        if answer == Some(Answer::Ack) {
            (talk.is_known, talk.is_closed) = (true, false);
            talk.goes_on(turn.now);
            let row = state.vouching.knocks.get(id).filter(|row| row.fault == Some(KnockFault::NoHub));
            if row.is_some_and(|row| row.status == RequestStatus::Pending) {
                set(state, turn, id, RequestStatus::Pending, None);
            }
            return;
        }
        talk.failed(turn.now);
        // One hub is enough.
        let is_handed = self.talks.is_handed(id);
        let is_new = state.vouching.knocks.get(id).is_some_and(|row| row.status == RequestStatus::Pending && row.fault.is_none());
        if is_new && !is_handed {
            set(state, turn, id, RequestStatus::Pending, Some(KnockFault::NoHub));
        }
    }

    /// What a hub says to a knock of ours that waits.
    pub(super) fn waited(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        id: &RequestId,
        hub: usize,
        answer: Option<Answer>,
    ) -> Result<(), TurnFailed> {
        let Some(talk) = self.talks.of_knock(id, hub) else { return Ok(()) };
        match answer {
            Some(Answer::Nothing) => talk.goes_on(turn.now),
            Some(Answer::Said(word, sealed)) if word >= talk.had => {
                talk.had = word.saturating_add(1);
                talk.goes_on(turn.now);
                self.said(state, turn, id, hub, (word, &sealed))?;
            }
            Some(Answer::Closed) => {
                talk.is_closed = true;
                talk.goes_on(turn.now);
                if state.vouching.knocks.get(id).is_some_and(|row| row.status == RequestStatus::Pending) {
                    set(state, turn, id, RequestStatus::Expired, Some(KnockFault::Nobody));
                }
            }
            Some(Answer::Refused(Refusal::Unknown)) => {
                // It was started again, and has nothing of before.
                (talk.is_known, talk.had) = (false, 0);
                talk.failed(turn.now);
            }
            Some(Answer::Ack | Answer::Refused(_) | Answer::Knocks(..) | Answer::Responds(..) | Answer::Said(..)) | None => {
                talk.failed(turn.now);
            }
        }
        Ok(())
    }

    /// A member has said something: a voucher's word, or nothing.
    fn said(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        id: &RequestId,
        hub: usize,
        (word, sealed): (u16, &[u8]),
    ) -> Result<(), TurnFailed> {
        let Some(row) = state.vouching.knocks.get(id).filter(|row| row.waits(turn.now)).cloned() else { return Ok(()) };
        let Some(handed) = row.handed else { return Ok(()) };
        let key = KemKey::from_bytes(*handed.key.expose());
        let Some(hello) = VouchHello::open(sealed, &key, &handed.alias, &handed.nonce) else { return Ok(()) };
        let Ok(voucher) = hello.chain.verify(turn.now) else { return Ok(()) };
        let me = (state.own.person(), state.own.identity.device);
        let transcript = Transcript {
            alias: handed.alias,
            card: handed.card,
            knock: handed.nonce,
            hello: hello.hello,
            keys: keys_digest(&key.public().bytes(), &hello.key),
            newcomer: me,
            voucher: (voucher.person, voucher.device),
            room: hello.room,
            epoch: hello.epoch,
        };
        let Some(to) = KemPublic::parse(&hello.key).ok().filter(|_| hello.is_by(&voucher, &transcript)) else { return Ok(()) };
        let is_friend = state.friends.get(&voucher.peer).is_some_and(Friend::stands);
        if voucher.person == me.0 || row.answered.len() >= ANSWERED_MAX {
            return Ok(());
        }
        state.change_knock(turn, id, |row| row.voucher = Some(voucher.person));
        if !is_friend || people::is_blocked(state, &voucher.peer, &hello.chain) {
            set(state, turn, id, RequestStatus::Cancelled, Some(KnockFault::Stranger));
            return Ok(());
        }
        if !state.own.may_show(turn.stamp) {
            // Nobody takes a package that shows it. We knock again under the next certificate.
            return Ok(());
        }
        let package = packages::make_for(state, turn, voucher.peer)?;
        let Some(sealed) = VouchResponse::seal(&state.own.identity, &transcript, package, &to, turn.rng) else { return Ok(()) };
        let respond = Ask::Respond(Respond { alias: handed.alias, nonce: handed.nonce, to: word, sealed });
        if let Some(hub) = handed.hubs.get(hub).cloned() {
            self.say(Say { at: turn.now, hub, what: Saying::Newcomer(respond.encode()) });
        }
        let (room, now) = (hello.room, turn.stamp);
        state.change_knock(turn, id, |row| {
            row.answered.push((room, voucher.person));
            row.responded = Some(now);
        });
        set(state, turn, id, RequestStatus::Accepted, None);
        Ok(())
    }

    /// Vouchers who stay silent: the others are asked, by the same knock.
    pub(super) fn renew(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        let is_late = |row: &&Knock| {
            let since = row.responded.filter(|_| row.status == RequestStatus::Accepted);
            row.waits(turn.now) && since.is_some_and(|since| turn.stamp.since(since) >= VOUCH_PATIENCE)
        };
        for id in state.vouching.knocks.values().filter(is_late).map(|row| row.id).collect::<Vec<_>>() {
            self.talks.knock_again(turn.now, &id);
            set(state, turn, &id, RequestStatus::Pending, None);
        }
    }
}

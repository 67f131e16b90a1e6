//! Our own mailboxes at relays: taking one, giving it up, and letting what is settled be deleted.

use super::sessions::*;
use crate::clock::Signer;
use crate::command::{CommandError, RelayState, RelayView};
use crate::delivery::Entries;
use crate::identity;
use crate::limits::{RELAY_MAILBOXES_MAX, RELAY_SESSIONS_MAX};
use crate::notice::DeliveryNotice;
use crate::rows::{OwnRelayMailbox, RelayKey};
use crate::seam::{CloseReason, LinkId, NetAction};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn};
use std::collections::BTreeMap;
use symbolon_presence::id::{MailboxId, Nonce, QueueId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::record::{DAYS_AHEAD, day_of};
use symbolon_presence::sign::{SigningKey, VerifyingKey};
use symbolon_presence::time::{HOUR, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::limits::ACK_MAX;
use symbolon_relay::link::{ClaimCode, RelayLink};
use symbolon_relay::records::Away;
use symbolon_relay::session::{Accepted, Ack, MailboxRecord, Session as Opening, Update, Verdict};

/// That another relay stands in the place of a friend's is remembered as long.
pub(super) const REPLACED_PAUSE: u64 = HOUR;

impl Relays {
    /// Calls a relay of our own, now and whenever it is gone.
    pub fn add_own(&mut self, own: &OwnRelayMailbox, now: Timestamp) {
        let session = self.sessions.entry((own.link.mailbox(), own.link.receipt)).or_default();
        session.places.clone_from(&own.link.places);
        session.own.is_own = true;
        session.next_dial = Some(now);
    }

    /// Relays of ours that this machine does not know yet, as those that another device of ours has named.
    pub fn follow_own(&mut self, state: &State, now: Timestamp) {
        for own in state.own.relay_mailboxes.values() {
            let key = (own.link.mailbox(), own.link.receipt);
            if !self.sessions.get(&key).is_some_and(|session| session.own.is_own) {
                self.add_own(own, now);
            }
        }
    }

    /// A relay of ours is asked again, on a fresh link.
    pub fn renew_own(&mut self, state: &State, turn: &mut Turn<'_>, own: &OwnRelayMailbox) {
        let key = (own.link.mailbox(), own.link.receipt);
        self.add_own(own, turn.now);
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.own = Standing { is_own: true, ..Standing::default() };
        if session.link.is_some() {
            self.open(state, turn, &key);
        }
    }

    /// Whether a relay of ours has never said how it stands with our mailbox, and may not know it yet. Who is left something there now may
    /// answer before it does: that answer would be lost.
    pub(super) fn is_new_to(&self, state: &State, key: &RelayKey) -> bool {
        let has_said = |session: &Session| !matches!(session.own.state, RelayState::Connecting | RelayState::Unreachable);
        let is_open = self.sessions.get(key).is_some_and(|session| session.own.is_own && !has_said(session));
        is_open && state.own.relay_mailboxes.get(&key.0).is_some_and(|own| own.kept.is_none())
    }

    /// Friends have other keys from now on, or a grant has ended: our relays learn it, each by one update.
    pub fn revoked(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        for own in state.own.relay_mailboxes.values().cloned().collect::<Vec<_>>() {
            let own = OwnRelayMailbox { version: own.version.saturating_add(1), ..own };
            state.save_relay_mailbox(turn, own.clone());
            self.update(state, turn, &(own.link.mailbox(), own.link.receipt), &own);
        }
    }

    /// Leaves the records of the days to come with our relays: anyone who is away is found by them.
    pub fn leave_records(&mut self, state: &State, turn: &mut Turn<'_>) {
        for own in state.own.relay_mailboxes.values() {
            self.leave_at(state, turn, own, [&state.own.away, &state.own.bodies_ahead]);
        }
    }

    fn leave_at(&mut self, state: &State, turn: &mut Turn<'_>, own: &OwnRelayMailbox, left: [&BTreeMap<u32, Vec<Vec<u8>>>; 2]) {
        let key = (own.link.mailbox(), own.link.receipt);
        let session = self.sessions.get(&key).filter(|session| session.own.state == RelayState::Connected);
        let Some(link) = session.and_then(|session| session.link) else { return };
        let today = day_of(turn.now);
        for day in today..=today.saturating_add(DAYS_AHEAD) {
            let records = left.iter().filter_map(|left| left.get(&day)).flatten().cloned().collect();
            let away = Away::sign(&owner_key(own), &key.0, day, state.own.presence.sequence, records);
            *self.sent.entry("away").or_default() += 1;
            turn.act(NetAction::Send(link, Frame::Away(away).encode()));
        }
    }

    /// A relay is not ours any more.
    pub fn remove_own(&mut self, state: &mut State, turn: &mut Turn<'_>, own: &OwnRelayMailbox) {
        let key = (own.link.mailbox(), own.link.receipt);
        let presence = &mut state.own.presence;
        presence.sequence = presence.sequence.saturating_add(1);
        turn.put(Table::Meta, b"presence", &*presence);
        self.leave_at(state, turn, own, [&BTreeMap::new(), &BTreeMap::new()]);
        if let Some(link) = self.sessions.get(&key).and_then(|session| session.link) {
            turn.act(NetAction::Close(link, CloseReason::Idle));
            self.links.remove(&link);
        }
        self.forget(&key);
    }

    /// How a relay of ours is doing.
    pub fn view(&self, own: &OwnRelayMailbox) -> RelayView {
        let standing = self.sessions.get(&(own.link.mailbox(), own.link.receipt)).map(|session| session.own).unwrap_or_default();
        RelayView {
            relay: own.link.mailbox(),
            state: standing.state,
            entries: standing.entries.0,
            entries_max: standing.entries.1,
            bytes: standing.bytes.0,
            bytes_max: standing.bytes.1,
        }
    }

    /// A relay says what it holds for us, if it is ours. Whether what waits for others may go elsewhere now.
    pub(super) fn accepted(&mut self, state: &mut State, turn: &mut Turn<'_>, key: &RelayKey, link: LinkId, accepted: &Accepted) -> bool {
        let (mailbox, signer) = key;
        let verified = VerifyingKey::parse(signer).ok().and_then(|signer| accepted.verify(&signer, mailbox).ok());
        let Some(body) = verified else {
            // This end does not have the key of the relay that we know.
            self.stands_in(state, turn, key, link);
            return true;
        };
        self.replaced.remove(key);
        let Some(session) = self.sessions.get_mut(key) else { return false };
        session.unanswered = false;
        let Some(own) = state.own.relay_mailboxes.get(mailbox).filter(|own| body.owner == owner_key(own).public()).cloned() else {
            return false;
        };
        session.attempts = 0;
        // What was left there meanwhile gets an answer of its own.
        session.deadline = session.deadline.filter(|_| !session.window.is_empty());
        state.clock.heard(Signer::Relay(*mailbox), body.at);
        if body.verdict == Verdict::Untimely {
            // By its time, as far as we may go by that: once on each link.
            if !std::mem::replace(&mut session.own.retimed, true) {
                turn.stamp = state.clock.stamp();
                self.open(state, turn, key);
            }
            return false;
        }
        if session.own.accepted.replace(body.version).is_none() {
            session.own.found = Some(body.version);
        }
        session.own.entries = (body.entries, body.entries_max);
        session.own.bytes = (body.bytes, body.bytes_max);
        if body.version != own.version {
            // Nothing there yet, or it was restored from an older state, or we were.
            if session.own.updated {
                session.own.state = if body.verdict == Verdict::Full { RelayState::Full } else { RelayState::Refused };
                return body.version == 0 && keep(state, turn, mailbox, false);
            }
            session.own.updated = true;
            if body.version > own.version {
                // Ours are written down before they are sent: a newer state of this folder was there.
                turn.tell(DeliveryNotice::NewerAtRelay);
            }
            if body.version == 0 && own.kept == Some(true) {
                // It has lost ours, and so most likely all that others have left there.
                session.wiped = Some(turn.stamp);
                turn.tell(DeliveryNotice::CopiesLost);
            }
            let own = if body.version > own.version { OwnRelayMailbox { version: body.version.saturating_add(1), ..own } } else { own };
            self.update(state, turn, key, &own);
            state.save_relay_mailbox(turn, own);
            return false;
        }
        match body.verdict {
            Verdict::Ok if session.own.updated && session.own.state != RelayState::Connected => {
                session.own.state = RelayState::Connected;
                self.open(state, turn, key);
            }
            Verdict::Ok => {
                session.own.state = RelayState::Connected;
                if let Some(link) = session.link.filter(|_| !std::mem::replace(&mut session.own.reserved, true)) {
                    turn.act(NetAction::Reserve(link));
                    self.leave_at(state, turn, &own, [&state.own.away, &state.own.bodies_ahead]);
                }
            }
            Verdict::Full => session.own.state = RelayState::Full,
            Verdict::Refused | Verdict::Outdated | Verdict::Untimely => session.own.state = RelayState::Refused,
        }
        if body.verdict != Verdict::Ok || !keep(state, turn, mailbox, true) {
            return false;
        }
        // What found no place there has one now.
        self.restart_all();
        true
    }

    /// Another relay answers where one of ours, or of a friend, was. Nothing is left there, and it is not
    /// called often.
    fn stands_in(&mut self, state: &mut State, turn: &mut Turn<'_>, key: &RelayKey, link: LinkId) {
        self.close(turn, link, CloseReason::Refused);
        turn.tell(DeliveryNotice::CopiesLost);
        if let Some(session) = self.sessions.get_mut(key).filter(|session| session.own.is_own) {
            session.own.state = RelayState::Replaced;
            keep(state, turn, &key.0, false);
            return;
        }
        if self.replaced.len() >= RELAY_SESSIONS_MAX {
            self.replaced.clear();
        }
        self.replaced.insert(*key, turn.now.after(REPLACED_PAUSE));
    }

    /// Makes somebody else's relay sign something, by a question under a key that is used this
    /// once: a relay that answers nothing may not be the one that we expect.
    pub(super) fn ask_who(&mut self, turn: &mut Turn<'_>, key: &RelayKey, link: LinkId) {
        let once = Secret::random(turn.rng);
        let opening = Opening::sign(&SigningKey::from_seed(once.expose()), &key.0, Nonce::random(turn.rng), turn.stamp);
        *self.sent.entry("session").or_default() += 1;
        turn.act(NetAction::Send(link, Frame::Session(opening).encode()));
    }

    /// Sends our record to a relay of ours.
    pub(super) fn update(&mut self, state: &State, turn: &mut Turn<'_>, key: &RelayKey, own: &OwnRelayMailbox) {
        let Some(link) = self.sessions.get(key).and_then(|session| session.link) else { return };
        let record = MailboxRecord {
            version: own.version,
            direct: own.direct,
            contact: own.contact,
            queue_secret: own.queue_secret.clone(),
            revision: state.own.friendship.revision,
            put: state.own.friendship.put(&own.link.mailbox()),
            revoked: state.own.revoked.iter().map(|revoked| revoked.grant).collect(),
            at: turn.stamp,
            claim: own.claim,
            capability: state.own.friendship.capability(&own.link.mailbox()).public(),
        };
        if let Some(update) = Update::seal(&owner_key(own), &own.link, &record, turn.rng) {
            *self.sent.entry("update").or_default() += 1;
            turn.act(NetAction::Send(link, Frame::Update(update).encode()));
        }
    }

    /// Asks a relay of ours for what it holds.
    pub(super) fn open(&mut self, state: &State, turn: &mut Turn<'_>, key: &RelayKey) {
        let (Some(link), Some(own)) = (self.sessions.get(key).and_then(|session| session.link), state.own.relay_mailboxes.get(&key.0))
        else {
            return;
        };
        let opening = Opening::sign(&owner_key(own), &key.0, Nonce::random(turn.rng), turn.stamp);
        *self.sent.entry("session").or_default() += 1;
        turn.act(NetAction::Send(link, Frame::Session(opening).encode()));
    }

    /// Lets our relays delete what is settled here. Called once a turn, before it is durable;
    /// the frames leave after.
    pub fn close_turn(&mut self, state: &State, turn: &mut Turn<'_>, entries: Entries) {
        let Entries { settled: numbers, used_up } = entries;
        let mut settled: BTreeMap<RelayKey, Vec<u64>> = BTreeMap::new();
        for (key, number) in numbers {
            settled.entry(key).or_default().push(number);
        }
        for (key, numbers) in settled {
            let link = self.sessions.get(&key).and_then(|session| session.link);
            let (Some(link), Some(own)) = (link, state.own.relay_mailboxes.get(&key.0)) else { continue };
            for numbers in numbers.chunks(ACK_MAX) {
                let used_up = numbers.iter().copied().filter(|number| used_up.contains(&(key, *number))).collect();
                let ack = Ack::sign(&owner_key(own), &key.0, numbers.to_vec(), used_up, Nonce::random(turn.rng), turn.stamp);
                *self.sent.entry("ack").or_default() += 1;
                turn.act(NetAction::Send(link, Frame::Ack(ack).encode()));
            }
        }
    }
}

/// Notes whether a relay keeps our mailbox. Answers whether that has changed: then friends, and
/// those who were asked, hear of it.
fn keep(state: &mut State, turn: &mut Turn<'_>, mailbox: &MailboxId, kept: bool) -> bool {
    let Some(own) = state.own.relay_mailboxes.get(mailbox).filter(|own| own.kept != Some(kept)).cloned() else { return false };
    if own.is_told() != kept {
        changed(turn);
    }
    state.save_relay_mailbox(turn, OwnRelayMailbox { kept: Some(kept), ..own });
    true
}

pub(super) fn owner_key(own: &OwnRelayMailbox) -> SigningKey {
    SigningKey::from_seed(own.owner.expose())
}

/// Makes a mailbox at a relay. Everything the relay gets to know of us is drawn for it.
pub(crate) fn add(state: &mut State, turn: &mut Turn<'_>, link: &str, claim: Option<&str>) -> Result<OwnRelayMailbox, Failed> {
    let link: RelayLink = link.trim().parse().map_err(|_| CommandError::BadLink)?;
    let claim = claim.map(|code| code.trim().parse::<ClaimCode>()).transpose().map_err(|_| CommandError::BadClaim)?;
    let known = state.own.relay_mailboxes.get(&link.mailbox()).cloned();
    let own = match known {
        // As it is named at each start: nobody has to hear of it, and what lies there stays.
        Some(known) if known.link == link && (claim.is_none() || known.claim == claim) => return Ok(known),
        Some(known) => OwnRelayMailbox { link, claim: claim.or(known.claim), ..known },
        None if state.own.relay_mailboxes.len() >= RELAY_MAILBOXES_MAX => return Err(CommandError::Full.into()),
        None => OwnRelayMailbox {
            link,
            owner: Secret::random(turn.rng),
            direct: QueueId::random(turn.rng),
            contact: QueueId::random(turn.rng),
            queue_secret: Secret::random(turn.rng),
            version: 1,
            claim,
            kept: None,
        },
    };
    state.save_relay_mailbox(turn, own.clone());
    changed(turn);
    Ok(own)
}

/// What our records say of relays has changed, and where others may leave things.
fn changed(turn: &mut Turn<'_>) {
    identity::records_changed(turn);
    turn.tell(DeliveryNotice::OwnRelaysChanged);
}

/// Gives a claim code to the own relays that it is for: those that do not keep our mailbox.
pub(crate) fn claim(
    state: &mut State,
    turn: &mut Turn<'_>,
    code: &str,
    unkept: impl Fn(&OwnRelayMailbox) -> bool,
) -> Result<Vec<OwnRelayMailbox>, Failed> {
    let code: ClaimCode = code.trim().parse().map_err(|_| CommandError::BadClaim)?;
    let told: Vec<OwnRelayMailbox> = state
        .own
        .relay_mailboxes
        .values()
        .filter(|own| unkept(own))
        .map(|own| OwnRelayMailbox { claim: Some(code), ..own.clone() })
        .collect();
    if told.is_empty() {
        return Err(CommandError::NotFound.into());
    }
    for own in &told {
        state.save_relay_mailbox(turn, own.clone());
    }
    Ok(told)
}

/// Gives up the mailbox at a relay. The relay deletes what lies there when its time is up.
pub(crate) fn remove(state: &mut State, turn: &mut Turn<'_>, id: &str) -> Result<OwnRelayMailbox, Failed> {
    // Its link means it as well.
    let id = id.parse::<RelayLink>().map_or_else(|_| id.trim().to_lowercase(), |link| link.mailbox().to_string());
    let found: Vec<MailboxId> =
        state.own.relay_mailboxes.keys().filter(|mailbox| id.len() >= 4 && mailbox.to_string().starts_with(&id)).copied().collect();
    let mailbox = match found.as_slice() {
        [] => return Err(CommandError::NotFound.into()),
        [one] => *one,
        _ => return Err(CommandError::Ambiguous.into()),
    };
    turn.delete(Table::RelayMailbox, mailbox.as_bytes());
    changed(turn);
    state.own.relay_mailboxes.remove(&mailbox).ok_or(Failed::Command(CommandError::NotFound))
}

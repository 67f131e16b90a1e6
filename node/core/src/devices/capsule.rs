//! The capsule: what a new machine needs to continue with the words alone, left at each relay of ours and renewed.
//!
//! It is a backup without texts. It lies in mailboxes of its own, under keys that follow from the key of backups; so a relay
//! needs nothing that it has not had before. It is left once the user has seen the words: until then nobody could use it. The
//! protocol page is `docs/protocol/recovery.md`; [`crate::recovery`] fetches it.

use super::backup;
use crate::command::RecoveryView;
use crate::limits::{CAPSULE_AGAIN, CAPSULE_DEADLINE, CAPSULE_EVERY, CAPSULE_FAILED, CAPSULE_FRAMES_MAX, CAPSULE_SOON};
use crate::rows::OwnRelayMailbox;
use crate::seam::{CloseReason, DialId, Event, LinkId, NetAction};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use std::collections::BTreeMap;
use symbolon_presence::capsule::{CapsuleKeys, PIECES_OF_MAILBOX, Piece};
use symbolon_presence::id::{MailboxId, Nonce};
use symbolon_presence::kdf::Secret;
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::time::Timestamp;
use symbolon_relay::frame::Frame;
use symbolon_relay::packages::Stock;
use symbolon_relay::session::{Accepted, AcceptedBody, MailboxRecord, Session as Opening, Update, Verdict};

/// Leaves the capsule at relays. Nothing of it is stored: after a start it is left once more.
#[derive(Debug, Default)]
pub(crate) struct Capsules {
    /// When a relay is to be visited, and how it was the last time; one for each own relay.
    plans: BTreeMap<MailboxId, Plan>,
    /// At most one visit for each own relay, those with a link among them.
    dials: BTreeMap<DialId, Visit>,
    links: BTreeMap<LinkId, Visit>,
    next_dial_id: u64,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    due: Timestamp,
    /// When it was left there last, since the start, and when that was tried last.
    left: Option<Timestamp>,
    tried: Option<Timestamp>,
}

/// A visit to a relay: one mailbox of the capsule after the other.
#[derive(Debug, Clone)]
struct Visit {
    own: OwnRelayMailbox,
    keys: CapsuleKeys,
    pieces: Vec<Piece>,
    /// The mailbox at hand.
    number: u8,
    /// Its record was sent.
    is_updated: bool,
    /// All is left; what is asked now shows that it has come.
    is_left: bool,
    frames: usize,
    deadline: Timestamp,
}

impl Capsules {
    /// After a start.
    pub fn start(&mut self, rng: &mut ChaCha20Rng) {
        // Not from zero: a dial of a core that failed must not be taken for one of this core.
        *self = Self { next_dial_id: rng.next_u64() >> 1, ..Self::default() };
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        let visits = self.dials.values().chain(self.links.values()).map(|visit| visit.deadline);
        let plans = self.plans.iter().filter(|(relay, _)| !self.is_visited(relay)).map(|(_, plan)| plan.due);
        visits.chain(plans).min()
    }

    /// How it stands with what the words alone need; none on a device without the root key.
    pub fn view(&self, state: &State, now: Timestamp) -> Option<RecoveryView> {
        state.own.identity.root.as_ref()?;
        let left: Vec<Timestamp> = self.plans.values().filter_map(|plan| plan.left).collect();
        Some(RecoveryView {
            is_shown: state.own.backup_key.is_some(),
            relays: (left.len(), state.own.relay_mailboxes.len()),
            left: left.iter().max().map(|at| now.since(*at)),
        })
    }

    /// Whether a dial is one of these.
    pub fn has_dial(&self, dial: DialId) -> bool {
        self.dials.contains_key(&dial)
    }

    /// Whether a link is one of these.
    pub fn has_link(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    fn is_visited(&self, relay: &MailboxId) -> bool {
        self.dials.values().chain(self.links.values()).any(|visit| visit.own.link.mailbox() == *relay)
    }

    /// Follows what has changed here, and visits the relays whose time has come.
    pub fn follow(&mut self, state: &State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        if state.own.backup_key.is_none() || state.own.is_halted || state.own.gone.is_some() {
            self.plans.clear();
            return Ok(());
        }
        let keeps = |relay: &MailboxId| state.own.relay_mailboxes.get(relay).is_some_and(|own| own.kept == Some(true));
        self.plans.retain(|relay, _| keeps(relay));
        for relay in state.own.relay_mailboxes.keys().filter(|relay| keeps(relay)) {
            self.plans.entry(*relay).or_insert(Plan { due: turn.now.after(CAPSULE_SOON), left: None, tried: None });
        }
        if turn.out.overheard.iter().any(|event| matches!(event, Event::Friend(_))) {
            for plan in self.plans.values_mut() {
                let soon = turn.now.after(CAPSULE_SOON).max(plan.tried.map_or(Timestamp(0), |tried| tried.after(CAPSULE_AGAIN)));
                plan.due = plan.due.min(soon);
            }
        }
        self.end_late(turn);
        let due: Vec<MailboxId> =
            self.plans.iter().filter(|(relay, plan)| plan.due <= turn.now && !self.is_visited(relay)).map(|(relay, _)| *relay).collect();
        if due.is_empty() {
            return Ok(());
        }
        // One capsule for all: what one relay has lost another one may have.
        let pieces = backup::capsule(state, turn)?.and_then(|capsule| Piece::cut(turn.stamp.0, &capsule));
        let (Some(pieces), Some(key)) = (pieces, &state.own.backup_key) else {
            // Nothing of it fits: tried again like what a relay did not take, and not at once.
            for plan in self.plans.values_mut().filter(|plan| plan.due <= turn.now) {
                plan.due = turn.now.after(CAPSULE_AGAIN);
            }
            return Ok(());
        };
        let keys = CapsuleKeys::new(key);
        for relay in due {
            let Some(own) = state.own.relay_mailboxes.get(&relay).cloned() else { continue };
            self.next_dial_id = self.next_dial_id.saturating_add(1);
            let dial = DialId(self.next_dial_id);
            turn.act(NetAction::Dial(dial, own.link.places.clone()));
            let deadline = turn.now.after(CAPSULE_DEADLINE);
            let visit = Visit {
                own,
                keys: keys.clone(),
                pieces: pieces.clone(),
                number: 0,
                is_updated: false,
                is_left: false,
                frames: 0,
                deadline,
            };
            self.dials.insert(dial, visit);
        }
        Ok(())
    }

    fn end_late(&mut self, turn: &mut Turn<'_>) {
        let late = |visit: &Visit| visit.deadline <= turn.now;
        let dials: Vec<DialId> = self.dials.iter().filter(|(_, visit)| late(visit)).map(|(dial, _)| *dial).collect();
        let links: Vec<LinkId> = self.links.iter().filter(|(_, visit)| late(visit)).map(|(link, _)| *link).collect();
        for dial in dials {
            self.dial_failed(turn, dial);
        }
        for link in links {
            turn.act(NetAction::Close(link, CloseReason::Idle));
            self.link_down(turn, link);
        }
    }

    /// A relay was not reached.
    pub fn dial_failed(&mut self, turn: &Turn<'_>, dial: DialId) {
        if let Some(visit) = self.dials.remove(&dial) {
            self.plan(turn.now, &visit, CAPSULE_FAILED);
        }
    }

    /// A link is gone before all was left.
    pub fn link_down(&mut self, turn: &Turn<'_>, link: LinkId) {
        if let Some(visit) = self.links.remove(&link) {
            self.plan(turn.now, &visit, CAPSULE_FAILED);
        }
    }

    fn plan(&mut self, now: Timestamp, visit: &Visit, pause: u64) {
        if let Some(plan) = self.plans.get_mut(&visit.own.link.mailbox()) {
            (plan.due, plan.tried) = (now.after(pause), Some(now));
        }
    }

    /// A relay was reached.
    pub fn link_up(&mut self, turn: &mut Turn<'_>, link: LinkId, dial: DialId) {
        let Some(visit) = self.dials.remove(&dial) else { return };
        let visit = Visit { deadline: turn.now.after(CAPSULE_DEADLINE), ..visit };
        Self::open(turn, link, &visit);
        self.links.insert(link, visit);
    }

    /// Comes as the owner of the mailbox at hand.
    fn open(turn: &mut Turn<'_>, link: LinkId, visit: &Visit) {
        let relay = visit.own.link.mailbox();
        let opening = Opening::sign(&visit.keys.owner(&relay, visit.number), &relay, Nonce::random(turn.rng), turn.stamp);
        turn.act(NetAction::Send(link, Frame::Session(opening).encode()));
    }

    /// A frame on one of these links. Only what the relay says of the mailbox at hand counts.
    pub fn frame(&mut self, turn: &mut Turn<'_>, link: LinkId, bytes: &[u8]) {
        let Some(mut visit) = self.links.remove(&link) else { return };
        visit.frames += 1;
        let said = match Frame::decode(bytes) {
            Ok(Frame::Accepted(accepted)) => visit.heard(&accepted),
            Ok(_) | Err(_) => None,
        };
        let goes_on = match said {
            Some(body) => Self::answered(turn, link, &mut visit, &body),
            None => visit.frames < CAPSULE_FRAMES_MAX,
        };
        if goes_on {
            self.links.insert(link, visit);
            return;
        }
        turn.act(NetAction::Close(link, CloseReason::Idle));
        self.plan(turn.now, &visit, if visit.is_left { CAPSULE_EVERY } else { CAPSULE_FAILED });
        if let Some(plan) = self.plans.get_mut(&visit.own.link.mailbox()).filter(|_| visit.is_left) {
            plan.left = Some(turn.now);
        }
    }

    /// What follows from how the mailbox at hand stands. Whether the visit continues.
    fn answered(turn: &mut Turn<'_>, link: LinkId, visit: &mut Visit, body: &AcceptedBody) -> bool {
        let relay = visit.own.link.mailbox();
        if visit.is_left {
            // Where it had no room, it lies there as it did before.
            visit.is_left = body.verdict == Verdict::Ok;
            return false;
        }
        match body.verdict {
            Verdict::Refused if body.version == 0 && !visit.is_updated => {
                visit.is_updated = true;
                if let Some(update) = visit.record(turn) {
                    turn.act(NetAction::Send(link, Frame::Update(update).encode()));
                }
                true
            }
            // It keeps the record that was just sent. From now on its owner is here.
            Verdict::Ok if std::mem::take(&mut visit.is_updated) => {
                Self::open(turn, link, visit);
                true
            }
            Verdict::Ok => {
                let (packages, last) = visit.packages(turn);
                let version = visit.pieces.first().map_or(0, |piece| piece.version);
                let stock = Stock::sign(&visit.keys.owner(&relay, visit.number), &relay, version, packages, last);
                turn.act(NetAction::Send(link, Frame::Stock(stock).encode()));
                let next = visit.number.saturating_add(1);
                if visit.of(next).is_empty() {
                    visit.is_left = true;
                } else {
                    visit.number = next;
                }
                Self::open(turn, link, visit);
                true
            }
            Verdict::Refused | Verdict::Full | Verdict::Outdated | Verdict::Untimely => false,
        }
    }
}

impl Visit {
    /// What the relay says of the mailbox at hand, if it is the relay that we know.
    fn heard(&self, accepted: &Accepted) -> Option<AcceptedBody> {
        let relay = self.own.link.mailbox();
        let signer = VerifyingKey::parse(&self.own.link.receipt).ok()?;
        let body = accepted.verify(&signer, &relay).ok()?;
        (body.owner == self.keys.owner(&relay, self.number).public()).then_some(body)
    }

    /// The record of the mailbox at hand. Nobody puts anything there, so the keys for that are drawn and forgotten.
    fn record(&self, turn: &mut Turn<'_>) -> Option<Update> {
        let relay = self.own.link.mailbox();
        let [direct, contact] = self.keys.queues(&relay, self.number);
        let record = MailboxRecord {
            version: 1,
            direct,
            contact,
            queue_secret: Secret::random(turn.rng),
            revision: 0,
            put: Secret::random(turn.rng),
            revoked: Vec::new(),
            at: turn.stamp,
            claim: self.own.claim,
            capability: self.keys.token(&relay, self.number).public(),
        };
        Update::seal(&self.keys.owner(&relay, self.number), &self.own.link, &record, turn.rng)
    }

    /// The pieces in a mailbox.
    fn of(&self, number: u8) -> &[Piece] {
        self.pieces.chunks(PIECES_OF_MAILBOX).nth(usize::from(number)).unwrap_or_default()
    }

    /// What is left in the mailbox at hand. The last piece is the package of last resort.
    fn packages(&self, turn: &mut Turn<'_>) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
        let relay = self.own.link.mailbox();
        let mut sealed: Vec<Vec<u8>> =
            self.of(self.number).iter().map(|piece| self.keys.seal(&relay, self.number, piece, turn.rng)).collect();
        let last = sealed.pop();
        (sealed, last)
    }
}

#[cfg(test)]
mod tests;

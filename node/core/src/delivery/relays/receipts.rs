//! What relays say: receipts for what was left there, and entries of our own mailboxes.

use super::super::pump::OnItsWay;
use super::sessions::*;
use crate::clock::Signer;
use crate::limits::RECEIPT_TIMEOUT;
use crate::notice::DeliveryNotice;
use crate::rows::{Friend, RelayKey};
use crate::seam::{CloseReason, LinkId};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::{DeviceId, MailboxId};
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::time::{HOUR, SECOND};
use symbolon_relay::frame::Frame;
use symbolon_relay::packages::Fetched;
use symbolon_relay::put::{Outcome, Receipt, Refusal};
use symbolon_relay::session::Deposit;

/// What a relay says of an old key is believed for so long.
pub(super) const STALE_PAUSE: u64 = HOUR;
/// Pause before a relay that was full is asked again.
pub(super) const FULL_PAUSE: u64 = 60 * SECOND;
/// It doubles up to this.
pub(super) const FULL_PAUSE_MAX: u64 = 60 * FULL_PAUSE;

/// What a frame of a relay has brought, for those above.
pub(crate) enum Arrived {
    /// An entry of a mailbox of ours.
    Entry(RelayKey, Deposit),
    /// A receipt for what was left there.
    Signed(Signed),
    /// The answer to a question for a package.
    Fetched(RelayKey, Fetched),
}

/// What a relay has signed of envelopes that were left there.
pub(crate) struct Signed {
    pub mailbox: MailboxId,
    /// Device and number of the row, and what has become of its copy.
    pub items: Vec<(DeviceId, u64, Outcome)>,
    /// Devices for which something is left again.
    again: Vec<DeviceId>,
}

impl Relays {
    /// A frame from a relay. What it has brought is answered: it is for those above.
    pub fn frame(&mut self, state: &mut State, turn: &mut Turn<'_>, link: LinkId, bytes: &[u8]) -> Result<Option<Arrived>, TurnFailed> {
        let Some(key) = self.links.get(&link).copied() else { return Ok(None) };
        match Frame::decode(bytes) {
            Ok(Frame::Receipt(receipt)) => return Ok(self.receipt(state, turn, &key, &receipt).map(Arrived::Signed)),
            Ok(Frame::Accepted(accepted)) => {
                let was_new = self.is_new_to(state, &key);
                if self.accepted(state, turn, &key, link, &accepted) || was_new {
                    self.pump(state, turn)?;
                }
            }
            Ok(Frame::Deposit(deposit)) if self.sessions.get(&key).is_some_and(|session| session.own.is_own) => {
                return Ok(Some(Arrived::Entry(key, deposit)));
            }
            Ok(Frame::Fetched(fetched)) => return Ok(Some(Arrived::Fetched(key, fetched))),
            Ok(
                Frame::Deposit(_)
                | Frame::Put(_)
                | Frame::Update(_)
                | Frame::Session(_)
                | Frame::Ack(_)
                | Frame::Lookup(_)
                | Frame::Found(_)
                | Frame::Away(_)
                | Frame::Stock(_)
                | Frame::Fetch(_)
                | Frame::Keep(_)
                | Frame::Prove(_)
                | Frame::Carry(_)
                | Frame::Carried(_),
            )
            | Err(_) => {
                self.close(turn, link, CloseReason::Protocol);
            }
        }
        Ok(None)
    }

    /// A relay has signed for what was left there. None when the signature is not the relay's.
    pub(super) fn receipt(&mut self, state: &mut State, turn: &mut Turn<'_>, key: &RelayKey, receipt: &Receipt) -> Option<Signed> {
        let (mailbox, signer) = key;
        let verified = VerifyingKey::parse(signer).ok().and_then(|signer| receipt.verify(&signer, mailbox).ok());
        let (body, session) = (verified?, self.sessions.get_mut(key)?);
        session.attempts = 0;
        session.unanswered = false;
        // A relay of ours, or one that a friend of ours has named: not one of a stranger's invite.
        let is_trusted = |left: &Left| state.friend_of(&left.device).is_some_and(Friend::stands);
        if session.own.is_own || session.window.notes().any(is_trusted) {
            state.clock.heard(Signer::Relay(*mailbox), body.at);
        }
        let mut items = Vec::new();
        let (mut unplaced, mut with_new_keys, mut unstored) = (Vec::new(), Vec::new(), Vec::new());
        for item in body.items {
            let Some(OnItsWay { number, note: Left { device, revision, asks }, .. }) = session.window.take(&item.frame) else { continue };
            match item.outcome {
                Outcome::Refused(Refusal::Full) => unplaced.push(device),
                Outcome::Stored(_) => {
                    session.full = 0;
                    *self.sent.entry("stored").or_default() += 1;
                    if asks {
                        self.next_ask.get_or_insert(turn.now.after(ASK_PAUSE));
                    }
                }
                // The new key was read while this was on its way.
                Outcome::Refused(Refusal::Stale) if revision != revision_of(state, &device) => with_new_keys.push(device),
                Outcome::Refused(Refusal::Stale) => {
                    session.stale.insert(device, (revision, turn.now.after(STALE_PAUSE)));
                    turn.tell(DeliveryNotice::KeyExpired(device));
                }
                Outcome::Delivered | Outcome::Refused(_) => {}
            }
            if !matches!(item.outcome, Outcome::Stored(until) if until > turn.now) {
                unstored.push(device);
            }
            items.push((device, number, item.outcome));
        }
        if !unplaced.is_empty() {
            let pause = FULL_PAUSE.saturating_mul(1 << session.full.min(20)).min(FULL_PAUSE_MAX);
            session.full = session.full.saturating_add(1);
            session.full_until = Some(turn.now.after(pause));
        }
        let wait = if session.window.is_empty() { IDLE } else { RECEIPT_TIMEOUT };
        session.deadline = (!session.own.is_own || !session.window.is_empty()).then(|| turn.now.after(wait));
        for device in unstored {
            self.look_again(&device);
        }
        unplaced.append(&mut with_new_keys);
        Some(Signed { mailbox: *mailbox, items, again: unplaced })
    }

    /// What a relay has signed is looked at: what found no place there, or has new keys, is left elsewhere.
    pub fn go_on(&mut self, state: &mut State, turn: &mut Turn<'_>, signed: &Signed) -> Result<(), TurnFailed> {
        for device in &signed.again {
            self.begin_again(device);
        }
        self.pump(state, turn)
    }
}

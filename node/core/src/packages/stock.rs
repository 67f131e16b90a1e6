//! What lies at our relays for friends: left there, looked after, replaced.
//!
//! A relay does not say how many it has handed out. The owner sees it by asking for one, as a friend does: they are handed
//! out in their order.

use super::own;
use crate::delivery::relays::Relays;
use crate::limits::{DRAIN_TOLD, PACKAGE_DEADLINE, PACKAGE_LIFE, PACKAGE_LOOK_PAUSE, PACKAGE_REFILL_PAUSE, PACKAGES_STOCKED};
use crate::rows::{Lies, OwnPackage, OwnRelayMailbox, RelayKey, Stocked};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::Capabilities;
use std::collections::BTreeMap;
use symbolon_presence::id::{Digest, MailboxId, Nonce};
use symbolon_presence::kdf::sha256;
use symbolon_presence::time::Timestamp;
use symbolon_relay::packages::{Fetch, Fetched, Handed};

/// Most of a stock is gone.
const GONE_MANY: u32 = PACKAGES_STOCKED / 2;
/// So many of one stock that friends took brought us into no room: somebody empties it.
const DRAINED: u32 = 6;

/// Looks that have no answer yet. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// At most one for each relay of ours.
    looks: BTreeMap<MailboxId, Look>,
}

#[derive(Debug)]
struct Look {
    nonce: Nonce,
    at: Timestamp,
    /// Whether that was so long ago that another one was to be made.
    is_over: bool,
}

/// What is to be done at a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Stock,
    Look,
    At(Timestamp),
}

/// When something is to be done at a relay whose record and packages are as they were.
fn due(state: &State, stocked: Option<Stocked>, now: Timestamp) -> Due {
    // A clock that is put back must not make them old for years.
    let is_present = |stocked: &Stocked| stocked.revision == state.own.friendship.revision && !stocked.at.is_future_at(now);
    let Some(stocked) = stocked.filter(is_present) else { return Due::Stock };
    let aged = stocked.at.after(PACKAGE_LIFE / 2);
    let filled = stocked.at.after(PACKAGE_REFILL_PAUSE);
    if now >= aged || (stocked.gone > GONE_MANY && now >= filled) {
        return Due::Stock;
    }
    if stocked.gone > GONE_MANY {
        return Due::At(filled);
    }
    match stocked.looked.filter(|looked| !looked.is_future_at(now)).map(|looked| looked.after(PACKAGE_LOOK_PAUSE)) {
        Some(next) if now < next => Due::At(next.min(aged)),
        Some(_) | None => Due::Look,
    }
}

impl Looks {
    /// When something is due at a relay that is reached.
    pub fn next_due(&self, state: &State, relays: &Relays) -> Option<Timestamp> {
        let reached = state.own.relay_mailboxes.iter().filter(|(_, own)| is_stocked(state) && relays.stands(own));
        let at = reached.filter_map(|(mailbox, _)| match self.looks.get(mailbox).filter(|look| !look.is_over) {
            Some(look) => Some(look.at.after(PACKAGE_DEADLINE)),
            None => match due(state, state.packages.stocked(mailbox), state.clock.now()) {
                // What is due is done before the input ends.
                Due::Stock | Due::Look => None,
                Due::At(at) => Some(at),
            },
        });
        at.min()
    }

    /// Leaves packages at the relays of ours that are reached and need some, and looks how many are left.
    pub fn follow(&mut self, state: &mut State, relays: &mut Relays, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        forget_relays(state, turn);
        self.looks.retain(|mailbox, _| state.own.relay_mailboxes.contains_key(mailbox));
        if !is_stocked(state) || !state.own.may_show(turn.stamp) {
            return Ok(());
        }
        let reached: Vec<OwnRelayMailbox> = state.own.relay_mailboxes.values().filter(|own| relays.stands(own)).cloned().collect();
        for own in reached {
            self.follow_one(state, relays, turn, &own)?;
        }
        Ok(())
    }

    fn follow_one(&mut self, state: &mut State, relays: &mut Relays, turn: &mut Turn<'_>, own: &OwnRelayMailbox) -> Result<(), TurnFailed> {
        let mailbox = own.link.mailbox();
        let mut stocked = state.packages.stocked(&mailbox);
        if let Some(found) = relays.take_found(own) {
            // Another link: nobody answers what was asked on the one before.
            self.looks.remove(&mailbox);
            // It was set back: what it had handed out before, it would hand out once more. Where its record does not show that,
            // the next package does.
            stocked = stocked.filter(|stocked| stocked.record <= found);
            let is_old = |looked: Timestamp| turn.now.since(looked) >= PACKAGE_REFILL_PAUSE;
            stocked.iter_mut().for_each(|stocked| stocked.looked = stocked.looked.filter(|looked| !is_old(*looked)));
        }
        if let Some(look) = self.looks.get_mut(&mailbox).filter(|look| !look.is_over) {
            if turn.now.since(look.at) < PACKAGE_DEADLINE {
                return Ok(());
            }
            // It does not answer. What is asked next is asked in a day, or on another link.
            look.is_over = true;
            note(state, turn, &mailbox, |stocked, at| stocked.looked = Some(at));
            return Ok(());
        }
        match due(state, stocked, turn.now) {
            Due::Stock => self.stock(state, relays, turn, own),
            Due::Look => {
                self.look(state, relays, turn, own);
                Ok(())
            }
            Due::At(_) => Ok(()),
        }
    }

    fn stock(&mut self, state: &mut State, relays: &mut Relays, turn: &mut Turn<'_>, own: &OwnRelayMailbox) -> Result<(), TurnFailed> {
        let mailbox = own.link.mailbox();
        own::replace_at(state, turn, &mailbox);
        let mut packages = Vec::with_capacity(PACKAGES_STOCKED as usize);
        for place in 0..PACKAGES_STOCKED {
            packages.push(own::make(state, turn, Lies::AtRelay(mailbox, place), false)?);
        }
        let last = own::make(state, turn, Lies::AtRelay(mailbox, PACKAGES_STOCKED), true)?;
        let before = state.packages.stocked(&mailbox);
        let stocked = Stocked {
            mailbox,
            // Also where an older copy of this folder has counted less.
            version: before.map_or(0, |before| before.version.saturating_add(1)).max(turn.stamp.0),
            at: turn.now,
            revision: state.own.friendship.revision,
            record: own.version,
            is_there: false,
            gone: 0,
            looks: 0,
            looked: None,
            drained: before.and_then(|before| before.drained),
        };
        state.save_stocked(turn, &mailbox, Some(stocked));
        relays.stock(turn, own, stocked.version, packages, last);
        self.looks.remove(&mailbox);
        // Whether it has them all is seen at once: there may have been no room.
        self.look(state, relays, turn, own);
        Ok(())
    }

    /// Asks for one of our own packages.
    fn look(&mut self, state: &State, relays: &mut Relays, turn: &mut Turn<'_>, own: &OwnRelayMailbox) {
        let mailbox = own.link.mailbox();
        let key: RelayKey = (mailbox, own.link.receipt);
        let ways = state.own.whereabouts(turn.rng).relay_mailboxes;
        let Some(address) = ways.into_iter().find(|entry| entry.mailbox == mailbox).map(|entry| entry.address) else { return };
        let nonce = Nonce::random(turn.rng);
        let capability = state.own.friendship.capability(&mailbox);
        let is_asked = relays.ask_package(turn, &key, |turn| Fetch::sign(&capability, &mailbox, address, nonce, turn.stamp));
        if is_asked {
            self.looks.insert(mailbox, Look { nonce, at: turn.now, is_over: false });
        }
    }

    /// A relay has answered. Whether it was asked.
    pub fn answered(&mut self, state: &mut State, turn: &mut Turn<'_>, key: &RelayKey, fetched: &Fetched) -> Result<bool, TurnFailed> {
        let mailbox = key.0;
        if self.looks.get(&mailbox).is_none_or(|look| look.nonce != fetched.nonce) {
            return Ok(false);
        }
        self.looks.remove(&mailbox);
        let Some(before) = state.packages.stocked(&mailbox) else { return Ok(true) };
        note(state, turn, &mailbox, |stocked, at| stocked.looked = Some(at));
        match &fetched.handed {
            Handed::Package(package) => {
                let digest = Digest(sha256(package));
                let shown = state.packages.all().find(|row| row.digest == digest && row.replaced.is_none()).cloned();
                match shown.as_ref().map(|row| row.lies) {
                    Some(Lies::AtRelay(at, place)) if at == mailbox => shown_at(state, turn, before, place)?,
                    // Another copy of this folder has left them, or ours did not arrive.
                    Some(Lies::AtRelay(..) | Lies::WithFriend(_)) | None => all_gone(state, turn, &mailbox),
                }
            }
            Handed::Empty => all_gone(state, turn, &mailbox),
            // Our record there is on its way, or our clocks differ.
            Handed::Stale | Handed::Refused => {}
        }
        Ok(true)
    }
}

/// Whether this build's friends add it to rooms.
fn is_stocked(state: &State) -> bool {
    state.own.capabilities.has(Capabilities::ROOMS)
}

/// A relay has shown that this one is the next.
fn shown_at(state: &mut State, turn: &mut Turn<'_>, before: Stocked, place: u32) -> Result<(), TurnFailed> {
    let mailbox = before.mailbox;
    if place < before.gone {
        // It was handed out before: the relay was set back.
        state.save_stocked(turn, &mailbox, None);
        return Ok(());
    }
    let is_last = place >= PACKAGES_STOCKED;
    let taken = place.min(PACKAGES_STOCKED).saturating_sub(before.looks);
    if taken.saturating_sub(used_of(state, &mailbox)) >= DRAINED {
        note(state, turn, &mailbox, |stocked, at| stocked.drained = Some(at));
    }
    note(state, turn, &mailbox, |stocked, _| {
        stocked.is_there = true;
        stocked.gone = place.saturating_add(u32::from(!is_last));
        stocked.looks = stocked.looks.saturating_add(u32::from(!is_last));
    });
    // It was handed to nobody else, and never is.
    let ours = |row: &&OwnPackage| row.lies == Lies::AtRelay(mailbox, place) && row.replaced.is_none() && !is_last;
    let leaf = state.packages.all().find(ours).map(|row| row.leaf);
    match leaf {
        Some(leaf) => own::forget(state, turn, &leaf),
        None => Ok(()),
    }
}

/// How many of the packages at a relay have brought us into rooms.
fn used_of(state: &State, mailbox: &MailboxId) -> u32 {
    let used = |row: &&OwnPackage| row.seats > 0 && row.replaced.is_none() && matches!(row.lies, Lies::AtRelay(at, _) if at == *mailbox);
    u32::try_from(state.packages.all().filter(used).count()).unwrap_or(u32::MAX)
}

/// Nothing of ours is left there. It is left again after a while: a relay may have no room.
fn all_gone(state: &mut State, turn: &mut Turn<'_>, mailbox: &MailboxId) {
    note(state, turn, mailbox, |stocked, _| (stocked.is_there, stocked.gone) = (false, PACKAGES_STOCKED));
}

fn note(state: &mut State, turn: &mut Turn<'_>, mailbox: &MailboxId, change: impl FnOnce(&mut Stocked, Timestamp)) {
    if let Some(mut stocked) = state.packages.stocked(mailbox) {
        change(&mut stocked, turn.now);
        state.save_stocked(turn, mailbox, Some(stocked));
    }
}

/// What lies at relays that are not ours any more is handed out no more.
fn forget_relays(state: &mut State, turn: &mut Turn<'_>) {
    let gone: Vec<MailboxId> =
        state.packages.stocks().map(|stocked| stocked.mailbox).filter(|mailbox| !state.own.relay_mailboxes.contains_key(mailbox)).collect();
    for mailbox in gone {
        own::replace_at(state, turn, &mailbox);
        state.save_stocked(turn, &mailbox, None);
    }
}

/// Friends have other keys: nobody else may ask for what was made before.
pub(crate) fn revoked(state: &mut State, turn: &mut Turn<'_>) {
    let revision = state.own.friendship.revision;
    own::replace(state, turn, |row| row.revision != revision);
}

/// Our relays take other grants, or are others: all that lies there is to be replaced, since it says how we are written to.
pub(crate) fn begin_again(state: &mut State, turn: &mut Turn<'_>) {
    for mailbox in state.packages.stocks().map(|stocked| stocked.mailbox).collect::<Vec<_>>() {
        note(state, turn, &mailbox, |stocked, _| stocked.at = Timestamp(0));
    }
}

/// Whether somebody has emptied what lies at a relay of ours, and used little of it.
pub(crate) fn is_drained(state: &State, now: Timestamp) -> bool {
    state.packages.stocks().any(|stocked| stocked.drained.is_some_and(|at| now.since(at) < DRAIN_TOLD))
}

#[cfg(test)]
mod tests;

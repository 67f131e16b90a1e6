//! Asking those of whom nothing is heard any more: by what friends have, and by their lifelines when nothing else works.

use super::account::Lasts;
use super::friends::{friends_devices, is_friends};
use super::standings::Standings;
use crate::invites::lifelines;
use crate::limits::{LIFELINE_LOOK, LIFELINE_PATIENCE, LIFELINE_PAUSE, LIFELINE_PAUSE_MAX, LIFELINE_UNHEARD, LIFELINE_UNREAD};
use crate::rows::{Device, Friend, Held};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::Contact;
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::Timestamp;

/// How often a lifeline was used in vain.
fn tries(row: &Device, held: &Held) -> u32 {
    if row.heard > held.used { 0 } else { held.tries }
}

/// The lifeline of a device, if it may be used now.
fn usable(tries: u32, held: Held, now: Timestamp) -> Option<Contact> {
    let pause = LIFELINE_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(LIFELINE_PAUSE_MAX);
    let is_rested = held.used.is_none_or(|at| now.since(at) >= pause);
    held.contact.filter(|contact| is_rested && !contact.expires.is_expired_at(now))
}

/// What is to be done about a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// Nothing is heard of it: it is asked by what friends have. Its relays say whether that is good still.
    Question,
    /// What is said to it finds no way, or no answer comes.
    Lifeline,
}

fn need(row: &Device, friend: &Friend, held: &Held, asked: Option<Timestamp>, now: Timestamp) -> Need {
    let is_past = |at: Option<Timestamp>, span| at.is_none_or(|at| now.since(at) >= span);
    if row.channel.saying.is_some() {
        return if is_past(asked, LIFELINE_LOOK) { Need::Lifeline } else { Need::Nothing };
    }
    let read = friend.presence.as_ref().map(|presence| presence.read);
    if !is_past(row.heard, LIFELINE_UNHEARD) || !is_past(read, LIFELINE_UNREAD) {
        return Need::Nothing;
    }
    match held.asked.filter(|at| row.heard.is_none_or(|heard| heard < *at)) {
        None => Need::Question,
        Some(at) if is_past(Some(at), LIFELINE_PATIENCE) => Need::Lifeline,
        Some(_) => Need::Nothing,
    }
}

impl Standings {
    /// Whether somebody was asked so short a time ago that nobody can say yet whether that works.
    pub(super) fn is_asking(&self, state: &State, now: Timestamp) -> bool {
        let is_fresh = |id: &DeviceId| self.asked_at(id).is_some_and(|at| now.since(at) < LIFELINE_LOOK);
        friends_devices(state).iter().any(|id| is_fresh(id) && state.devices.get(id).is_some_and(|row| row.channel.saying.is_some()))
    }

    /// Asks those of whom nothing else is heard.
    pub(super) fn reach_out(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let now = turn.now;
        for id in friends_devices(state) {
            let (Some(row), Some(friend)) = (state.devices.get(&id).filter(|_| is_friends(state, &id)), state.friend_of(&id)) else {
                continue;
            };
            let Some(held) = lifelines::held(turn, &id)?.filter(|held| held.contact.is_some()) else { continue };
            match need(row, friend, &held, self.asked_at(&id), now) {
                Need::Nothing => {}
                Need::Question => {
                    if self.say(state, turn, &id, None, None, Lasts::AMonth)? {
                        lifelines::note(turn, &id, |held| held.asked = Some(now))?;
                    }
                }
                Need::Lifeline => {
                    let tries = tries(row, &held);
                    if let Some(way) = usable(tries, held, now)
                        && self.say(state, turn, &id, None, Some(&way), Lasts::AMonth)?
                    {
                        lifelines::note(turn, &id, |held| (held.used, held.tries) = (Some(now), tries.saturating_add(1)))?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Coming back: what waits is sent within seconds of the network's return.
//!
//! A friend or relay that cannot be reached is called less and less often, up to a quarter of an
//! hour apart. That is right for a friend who is off, and wrong for a network that is. So while
//! this node reaches nobody at all beyond its LAN, neither friend nor relay, it tries a few of them
//! every three seconds, every fifteen after an hour, and every minute after a day: a node whose
//! only friend is away for months must not call thousands of times a day. The first link that comes
//! up, and a change of the own addresses, begins everything again: each pause is forgotten, and
//! those for whom something waits are called at once. A process that was suspended begins again
//! automatically; see the shell's turn loop.

use crate::delivery::Delivery;
use crate::delivery::relays::Relays;
use crate::limits::{PROBE_FRIENDS_MAX, PROBE_LONG, PROBE_PAUSE, PROBE_PAUSE_LONG};
use crate::rows::Friend;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::{DAY, MINUTE, SECOND, Timestamp};

/// After a shorter outage no pause has become long.
const BLINK: u64 = 10 * SECOND;

/// Whether anybody is reached. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// Since when nobody is.
    since: Option<Timestamp>,
    next: Option<Timestamp>,
    /// Whose turn it is.
    round: usize,
    /// The transport has named our addresses once since the start.
    has_places: bool,
}

impl Outage {
    /// When the next try is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.next
    }

    /// The own addresses are others than before. Whether that means that the network is back.
    pub fn moved(&mut self, state: &State) -> bool {
        let had_places = std::mem::replace(&mut self.has_places, true);
        had_places && !state.own.places.is_empty()
    }

    /// Looks whether anybody is reached now. Answers whether that is the first time after an
    /// outage.
    pub fn watch(&mut self, state: &State, delivery: &Delivery, relays: &Relays, turn: &Turn<'_>) -> bool {
        if delivery.reaches_far(state) || relays.reaches_any() {
            self.next = None;
            return self.since.take().is_some_and(|since| turn.now.since(since) >= BLINK);
        }
        let has_somebody = !state.own.relay_mailboxes.is_empty()
            || state.friends.values().any(Friend::stands)
            || state.devices.values().any(|device| device.channel.outbox_count > 0);
        if !has_somebody {
            *self = Self { has_places: self.has_places, ..Self::default() };
            return false;
        }
        self.since.get_or_insert(turn.now);
        self.next.get_or_insert(turn.now.after(PROBE_PAUSE));
        false
    }

    /// Tries the next few: a relay of ours, the friend heard last, and another one in turn.
    pub fn tick(&mut self, state: &mut State, delivery: &mut Delivery, relays: &mut Relays, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let (Some(since), true) = (self.since, self.next.is_some_and(|next| next <= turn.now)) else { return Ok(()) };
        let pause = match turn.now.since(since) {
            lasted if lasted < PROBE_LONG => PROBE_PAUSE,
            lasted if lasted < DAY => PROBE_PAUSE_LONG,
            _ => MINUTE,
        };
        self.next = Some(turn.now.after(pause));
        self.round = self.round.wrapping_add(1);
        relays.try_own(turn, self.round);
        let friends = delivery.missed(state);
        let mut tried: Vec<DeviceId> = friends.first().into_iter().copied().collect();
        let others = friends.get(1..PROBE_FRIENDS_MAX.min(friends.len())).unwrap_or_default();
        tried.extend(self.round.checked_rem(others.len()).and_then(|at| others.get(at)).copied());
        for device in tried {
            delivery.try_now(state, turn, &device)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixture::{friend, in_turn, peer};
    use symbolon_presence::time::HOUR;

    #[test]
    fn tries_are_three_seconds_apart_for_an_hour_and_then_fifteen() {
        in_turn(|state, turn| {
            let (mut outage, mut delivery, mut relays) = (Outage::default(), Delivery::default(), Relays::default());
            let begin = turn.now;
            assert!(!outage.watch(state, &delivery, &relays, turn));
            assert_eq!(outage.next_due(), None, "there is nobody to try");
            state.friends.insert(peer(1), friend(1));
            assert!(!outage.watch(state, &delivery, &relays, turn));
            let mut pauses = Vec::new();
            while turn.now.since(begin) < 2 * HOUR {
                let next = outage.next_due().unwrap();
                pauses.push((turn.now.since(begin), next.since(turn.now)));
                turn.now = next;
                outage.tick(state, &mut delivery, &mut relays, turn).unwrap();
                assert!(!outage.watch(state, &delivery, &relays, turn));
            }
            for (at, pause) in pauses {
                assert_eq!(pause, if at < HOUR { 3 * SECOND } else { 15 * SECOND }, "after {at} ms");
            }
        });
    }
}

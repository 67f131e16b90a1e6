//! The LAN: which of the nodes that it shows are friends', and where they are.
//!
//! Each node shows one tag under its owner's friendship secret, bound to its instance, the
//! hour and its transport key; a reader computes one MAC for each friend. What is shown
//! proves nothing: a replayed tag leads to a place that must prove the transport key of the
//! tag, and who is there must prove itself by envelopes as on any other way.

use crate::command::LanView;
use crate::limits::{
    ADDRESSES_MAX, LAN_NEW_MAX, LAN_SEEN_MAX, LAN_TAGS_MAX, LAN_VISIBLE, NEIGHBOUR_PLACES_MAX, NEIGHBOURS_DELAY, NEIGHBOURS_MAX,
};
use crate::seam::{Action, Address, Announcement, Instance, Sighting};
use crate::state::State;
use crate::turn::Turn;
use crate::wire::is_name;
use rand_core::Rng;
use std::collections::BTreeMap;
use symbolon_presence::id::{PeerId, PublicKeyBytes};
use symbolon_presence::kdf::mac_matches;
use symbolon_presence::time::{HOUR, MINUTE, Timestamp};

/// Hours that a shown tag may be away from ours: clocks differ, and a record lives for a while.
const HOURS_APART: u32 = 1;

/// This node on the LAN.
#[derive(Debug)]
struct Own {
    instance: Instance,
    transport: PublicKeyBytes,
    visible_until: Option<Timestamp>,
    shown: Option<Announcement>,
}

/// A node that the LAN shows.
#[derive(Debug)]
struct Seen {
    sighting: Sighting,
    /// Whose tag it is, if it is a friend's.
    friend: Option<PeerId>,
    at: Timestamp,
}

/// What a flood may cost in a minute. Tags are read for longer than strangers are taken in:
/// a friend is found behind ten thousand invented nodes.
#[derive(Debug, Default)]
struct Minute {
    begun: Timestamp,
    /// Tags computed, at most [`LAN_TAGS_MAX`] and those of one instance more.
    tags: usize,
    /// Strangers' instances taken in, at most [`LAN_NEW_MAX`].
    strangers: usize,
}

/// What is shown and seen. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Lan {
    own: Option<Own>,
    /// At most [`LAN_SEEN_MAX`].
    seen: BTreeMap<Instance, Seen>,
    /// What was done within the minute.
    minute: Minute,
    /// Whether the user wants a DHT of the LAN.
    has_dht: bool,
    /// Since when no DHT server is known.
    alone_since: Option<Timestamp>,
    /// Where those are with whom this node makes up a DHT, if it does. It goes on when nobody
    /// is there: who was there last may have left something for who comes next.
    neighbours: Option<Vec<Address>>,
}

fn hour_of(now: Timestamp) -> u32 {
    u32::try_from(now.0 / HOUR).unwrap_or(u32::MAX)
}

impl Lan {
    /// `has_dht`: whether nodes of the LAN, strangers' among them, may see what records this one
    /// brings and looks for.
    pub fn new(has_dht: bool) -> Self {
        Self { has_dht, ..Self::default() }
    }

    /// This node can show itself.
    pub fn up(&mut self, state: &State, turn: &mut Turn<'_>, transport: PublicKeyBytes, visible: bool) {
        let mut instance = [0; 8];
        turn.rng.fill_bytes(&mut instance);
        self.own = Some(Own { instance, transport, visible_until: visible.then(|| turn.now.after(LAN_VISIBLE)), shown: None });
        self.show(state, turn);
    }

    /// When what is shown changes by itself: with the hour, or when the name is to be hidden.
    pub fn next_due(&self) -> Option<Timestamp> {
        let own = self.own.as_ref()?;
        let shown = own.shown.as_ref()?;
        let next_hour = Timestamp((u64::from(shown.hour).saturating_add(1)).saturating_mul(HOUR));
        let hidden = own.visible_until.filter(|_| shown.name.is_some());
        let lonely = self.alone_since.filter(|_| self.neighbours.is_none());
        [Some(next_hour), hidden, lonely.map(|at| at.after(NEIGHBOURS_DELAY))].into_iter().flatten().min()
    }

    /// Without a DHT server the nodes of a LAN are servers to each other, if their users want
    /// it: what somebody published who is gone can be read there. Those that were seen first
    /// are taken, friends' before strangers', so that nobody who comes later pushes them out.
    pub fn choose_neighbours(&mut self, turn: &mut Turn<'_>, knows_servers: bool) {
        if !self.has_dht {
            return;
        }
        let mut neighbours = None;
        if knows_servers || self.own.is_none() {
            self.alone_since = None;
        } else if turn.now.since(*self.alone_since.get_or_insert(turn.now)) >= NEIGHBOURS_DELAY {
            let mut seen: Vec<&Seen> = self.seen.values().collect();
            seen.sort_unstable_by_key(|seen| (seen.friend.is_none(), seen.at, seen.sighting.shown.instance));
            let places = |seen: &Seen| seen.sighting.places.iter().take(NEIGHBOUR_PLACES_MAX).cloned().collect::<Vec<_>>();
            neighbours = Some(seen.into_iter().take(NEIGHBOURS_MAX).flat_map(places).collect());
        }
        if self.neighbours != neighbours {
            self.neighbours.clone_from(&neighbours);
            turn.act(Action::Neighbours(neighbours));
        }
    }

    /// Shows what is right now, if that is something else than before, and forgets whose tag
    /// is of an hour gone by: that node was never taken away, and has not shown itself since.
    pub fn renew(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        let hour = hour_of(turn.now);
        let is_over = |seen: &Seen| seen.sighting.shown.hour.abs_diff(hour) > HOURS_APART;
        let over: Vec<Instance> = self.seen.iter().filter(|(_, seen)| is_over(seen)).map(|(instance, _)| *instance).collect();
        over.iter().for_each(|instance| self.unsighted(state, instance));
        self.show(state, turn);
    }

    fn show(&mut self, state: &State, turn: &mut Turn<'_>) {
        let Some(own) = &mut self.own else { return };
        let hour = hour_of(turn.now);
        let shown = Announcement {
            instance: own.instance,
            hour,
            tag: state.own.friendship.lan_tag(&own.instance, hour, &own.transport),
            name: own.visible_until.filter(|until| *until > turn.now).map(|_| state.own.name.clone()),
        };
        if own.shown.as_ref() != Some(&shown) {
            own.shown = Some(shown.clone());
            turn.act(Action::Announce(shown));
        }
    }

    /// The LAN shows a node. Answers the friend whose way this changes.
    pub fn sighted(&mut self, state: &mut State, now: Timestamp, mut sighting: Sighting) -> Option<PeerId> {
        sighting.places.retain(Address::is_bounded);
        sighting.places.truncate(ADDRESSES_MAX);
        sighting.shown.name = sighting.shown.name.filter(|name| is_name(name));
        let instance = sighting.shown.instance;
        let is_own = self.own.as_ref().is_none_or(|own| own.instance == instance);
        if is_own || sighting.places.is_empty() || sighting.shown.hour.abs_diff(hour_of(now)) > HOURS_APART {
            return None;
        }
        if self.seen.get(&instance).is_some_and(|known| known.sighting == sighting) || !self.may_read(state, now) {
            return None;
        }
        let friend = owner_of(state, &sighting);
        let known = self.seen.get(&instance).map(|known| known.friend);
        // Somebody writes over what a friend shows: that stays until it is taken away.
        let is_forged = friend.is_none() && known.flatten().is_some();
        if is_forged || (known.is_none() && !self.has_room(friend.is_some())) {
            return None;
        }
        let moved = self.seen.get(&instance).is_none_or(|known| known.sighting.places != sighting.places || known.friend != friend);
        self.seen.insert(instance, Seen { sighting, friend, at: now });
        self.tell(state, friend?);
        friend.filter(|_| moved)
    }

    /// A node is gone.
    pub fn unsighted(&mut self, state: &mut State, instance: &Instance) {
        if let Some(friend) = self.seen.remove(instance).and_then(|seen| seen.friend) {
            self.tell(state, friend);
        }
    }

    /// A friendship begins or has changed: what is seen already may be the friend's.
    pub fn look_again(&mut self, state: &mut State) {
        let mut found = Vec::new();
        for seen in self.seen.values_mut().filter(|seen| seen.friend.is_none()) {
            seen.friend = owner_of(state, &seen.sighting);
            found.extend(seen.friend);
        }
        for friend in found {
            self.tell(state, friend);
        }
    }

    /// What there is to show to the user.
    pub fn view(&self, now: Timestamp) -> Option<LanView> {
        let own = self.own.as_ref()?;
        let visible_until = own.visible_until.filter(|until| *until > now);
        let friends: std::collections::BTreeSet<PeerId> = self.seen.values().filter_map(|seen| seen.friend).collect();
        let names = self.seen.values().filter(|seen| seen.friend.is_none()).filter_map(|seen| seen.sighting.shown.name.clone());
        Some(LanView {
            friends: friends.len(),
            visible_until,
            strangers: if visible_until.is_some() { names.collect() } else { Vec::new() },
        })
    }

    /// Whether another tag may be read in this minute. Counts it.
    fn may_read(&mut self, state: &State, now: Timestamp) -> bool {
        if now.since(self.minute.begun) >= MINUTE {
            self.minute = Minute { begun: now, ..Minute::default() };
        }
        let is_left = self.minute.tags < LAN_TAGS_MAX;
        if is_left {
            self.minute.tags = self.minute.tags.saturating_add(state.friends.len().max(1));
        }
        is_left
    }

    /// Whether another instance may be remembered: not too many strangers' in a minute, and
    /// the oldest stranger's gives way.
    fn has_room(&mut self, is_friend: bool) -> bool {
        if !is_friend && self.minute.strangers >= LAN_NEW_MAX {
            return false;
        }
        if self.seen.len() >= LAN_SEEN_MAX {
            let oldest = self.seen.iter().filter(|(_, seen)| seen.friend.is_none()).min_by_key(|(_, seen)| seen.at).map(|(id, _)| *id);
            let Some(oldest) = oldest else { return false };
            self.seen.remove(&oldest);
        }
        if !is_friend {
            self.minute.strangers = self.minute.strangers.saturating_add(1);
        }
        true
    }

    /// Where a friend is on the LAN, for whoever dials.
    fn tell(&self, state: &mut State, friend: PeerId) {
        let seen = self.seen.values().filter(|seen| seen.friend == Some(friend));
        let places: Vec<Address> = seen.flat_map(|seen| seen.sighting.places.iter().cloned()).take(ADDRESSES_MAX).collect();
        if places.is_empty() {
            state.near.remove(&friend);
        } else {
            state.near.insert(friend, places);
        }
    }
}

/// Whose tag it is.
fn owner_of(state: &State, sighting: &Sighting) -> Option<PeerId> {
    let shown = &sighting.shown;
    let standing = state.friends.values().filter(|friend| friend.stands());
    let mut keyed = standing.filter_map(|friend| Some((friend.peer, friend.friendship.as_ref()?)));
    keyed
        .find(|(_, friendship)| mac_matches(&friendship.lan_tag(&shown.instance, shown.hour, &sighting.transport), &shown.tag))
        .map(|(peer, _)| peer)
}

#[cfg(test)]
mod tests;

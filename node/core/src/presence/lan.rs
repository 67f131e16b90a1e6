//! The LAN: which of the nodes that it shows are friends', and where they are.
//!
//! On each network a node shows one tag under its owner's friendship secret, bound to its instance,
//! the hour, its transport key and the list of places where it listens; a reader computes one MAC
//! for each friend. What is shown proves nothing: anyone who shows a tag again shows the friend's
//! own places. The node there must prove the transport key of the tag, and then that it is the
//! friend's, as on any other way.
//!
//! Friends who both took somebody out while they were apart know no secret of each other that is
//! good: each looks like a stranger. Without a server that could help, a node that has taken
//! somebody out asks strangers' nodes, eight a minute, whether they belong to a friend whom it has
//! not met since.

use crate::command::LanView;
use crate::delivery::Delivery;
use crate::limits::{
    ADDRESSES_MAX, FINDS_MAX, LAN_ASK_DELAY, LAN_ASK_PAUSE, LAN_NETWORKS_MAX, LAN_NEW_MAX, LAN_SEEN_MAX, LAN_TAGS_MAX, LAN_VISIBLE,
    NEIGHBOUR_PLACES_MAX, NEIGHBOURS_DELAY, NEIGHBOURS_MAX, PAST_LIFE,
};
use crate::seam::{Action, Address, Announcement, Instance, LanPlaces, NetAction, Network, Sighting};
use crate::state::State;
use crate::turn::Turn;
use crate::wire::is_name;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, PeerId, PublicKeyBytes};
use symbolon_presence::kdf::mac_matches;
use symbolon_presence::time::{HOUR, MINUTE, Timestamp};

/// Hours that a shown tag may be away from ours: clocks differ, and a record lives for a while.
const HOURS_APART: u32 = 1;

/// This node on the LAN.
#[derive(Debug)]
struct Own {
    transport: PublicKeyBytes,
    visible_until: Option<Timestamp>,
    /// At most [`LAN_NETWORKS_MAX`]. One instance for each, so that a reader who hears two of them
    /// takes them for two nodes.
    networks: BTreeMap<Network, (Instance, LanPlaces)>,
    shown: Vec<(Network, Announcement)>,
    /// The hour of what is shown.
    hour: u32,
}

/// A node that the LAN shows.
#[derive(Debug)]
struct Seen {
    sighting: Sighting,
    /// Whose tag it is, if it is a friend's.
    friend: Option<PeerId>,
    at: Timestamp,
    /// Friends' devices for which it was asked since it has shown this. Questions are slow, so
    /// these are few.
    asked: BTreeSet<DeviceId>,
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
    /// Since when there is no server or relay of any kind, while a friend may not know our newest secret.
    unserved_since: Option<Timestamp>,
    /// When the next stranger's node may be asked.
    next_ask: Timestamp,
    /// Where those are with whom this node makes up a DHT, if it does. It continues when nobody
    /// is there: who was there last may have left something for who comes next.
    neighbours: Option<Vec<Address>>,
    /// Friends who are elsewhere than was said to those who dial.
    placed: BTreeSet<PeerId>,
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
    pub fn up(
        &mut self,
        state: &State,
        turn: &mut Turn<'_>,
        transport: PublicKeyBytes,
        visible: bool,
        networks: Vec<(Network, LanPlaces)>,
    ) {
        let visible_until = visible.then(|| turn.now.after(LAN_VISIBLE));
        self.own = Some(Own { transport, visible_until, networks: BTreeMap::new(), shown: Vec::new(), hour: hour_of(turn.now) });
        self.moved(state, turn, networks);
    }

    /// It listens at these places now, on these networks.
    pub fn moved(&mut self, state: &State, turn: &mut Turn<'_>, networks: Vec<(Network, LanPlaces)>) {
        let Some(own) = &mut self.own else { return };
        let before = std::mem::take(&mut own.networks);
        for (network, places) in networks.into_iter().take(LAN_NETWORKS_MAX) {
            let instance = before.get(&network).map_or_else(
                || {
                    let mut drawn = [0; 8];
                    turn.rng.fill_bytes(&mut drawn);
                    drawn
                },
                |(instance, _)| *instance,
            );
            own.networks.insert(network, (instance, places));
        }
        self.show(state, turn);
    }

    /// When what is shown changes by itself: with the hour, or when the name is to be hidden.
    pub fn next_due(&self) -> Option<Timestamp> {
        let own = self.own.as_ref()?;
        let next_hour = Timestamp((u64::from(own.hour).saturating_add(1)).saturating_mul(HOUR));
        let hidden = own.visible_until.filter(|_| own.shown.iter().any(|(_, shown)| shown.name.is_some()));
        let lonely = self.alone_since.filter(|_| self.neighbours.is_none());
        [Some(next_hour), hidden, lonely.map(|at| at.after(NEIGHBOURS_DELAY)), self.ask_due()].into_iter().flatten().min()
    }

    /// Notes whether there is a server or relay by which friends could learn our newest secret.
    pub fn watch(&mut self, state: &State, now: Timestamp, is_served: bool) {
        if is_served || self.own.is_none() || state.own.past.is_empty() {
            self.unserved_since = None;
        } else {
            self.unserved_since.get_or_insert(now);
        }
    }

    fn ask_due(&self) -> Option<Timestamp> {
        let due = self.unserved_since?.after(LAN_ASK_DELAY).max(self.next_ask);
        self.seen.values().any(|seen| seen.friend.is_none()).then_some(due)
    }

    /// A stranger's node to ask, where it is, and a friend's device that it could be: one that is
    /// missed, and was not met since somebody was taken out here. Drawn at random, so that nobody
    /// comes first by being there first. At most one in [`LAN_ASK_PAUSE`].
    pub fn ask(&mut self, state: &State, delivery: &Delivery, turn: &mut Turn<'_>) -> Option<(DeviceId, Vec<Address>)> {
        self.ask_due().filter(|due| *due <= turn.now)?;
        self.next_ask = turn.now.after(LAN_ASK_PAUSE);
        // A friend who was met a while after that knows it.
        let revoked = state.own.past.last()?.until.0.saturating_sub(PAST_LIFE);
        let is_lost = |device: &DeviceId| {
            let is_missed = state.friend_of(device).is_some_and(|friend| friend.stands() && self.places(&friend.peer).is_empty());
            let heard = state.devices.get(device).and_then(|row| row.heard);
            is_missed && heard.is_none_or(|at| at < Timestamp(revoked).after(MINUTE))
        };
        let lost: Vec<DeviceId> = delivery.missed(state).into_iter().filter(is_lost).collect();
        let strangers = self.seen.iter().filter(|(_, seen)| seen.friend.is_none() && !seen.sighting.near.is_empty());
        let open: Vec<(Instance, DeviceId)> = strangers
            .flat_map(|(instance, seen)| lost.iter().filter(|device| !seen.asked.contains(device)).map(|device| (*instance, *device)))
            .collect();
        let drawn = usize::try_from(turn.rng.next_u32()).unwrap_or_default().checked_rem(open.len())?;
        let (instance, device) = open.get(drawn)?;
        let seen = self.seen.get_mut(instance)?;
        seen.asked.insert(*device);
        Some((*device, seen.sighting.near.clone()))
    }

    /// Nodes that are no friends' and on a network of this machine, some of them by chance if there are many.
    pub fn strangers(&self, rng: &mut ChaCha20Rng) -> Vec<Vec<Address>> {
        let strangers = self.seen.values().filter(|seen| seen.friend.is_none() && !seen.sighting.near.is_empty());
        let mut drawn: Vec<(u32, &Seen)> = strangers.map(|seen| (rng.next_u32(), seen)).collect();
        drawn.sort_unstable_by_key(|(number, _)| *number);
        drawn.into_iter().take(FINDS_MAX).map(|(_, seen)| seen.sighting.near.clone()).collect()
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
            let places = |seen: &Seen| seen.sighting.near.iter().take(NEIGHBOUR_PLACES_MAX).cloned().collect::<Vec<_>>();
            neighbours = Some(seen.into_iter().take(NEIGHBOURS_MAX).flat_map(places).collect());
        }
        if self.neighbours != neighbours {
            self.neighbours.clone_from(&neighbours);
            turn.act(NetAction::Neighbours(neighbours));
        }
    }

    /// Shows what is right now, if that is something else than before, and forgets whose tag
    /// is of an hour gone by: that node was never taken away, and has not shown itself since.
    pub fn renew(&mut self, state: &State, turn: &mut Turn<'_>) {
        let hour = hour_of(turn.now);
        let is_past = |seen: &Seen| seen.sighting.shown.hour.abs_diff(hour) > HOURS_APART;
        let past: Vec<Instance> = self.seen.iter().filter(|(_, seen)| is_past(seen)).map(|(instance, _)| *instance).collect();
        past.iter().for_each(|instance| self.unsighted(instance));
        self.show(state, turn);
    }

    fn show(&mut self, state: &State, turn: &mut Turn<'_>) {
        let Some(own) = &mut self.own else { return };
        own.hour = hour_of(turn.now);
        let name = own.visible_until.filter(|until| *until > turn.now).map(|_| &state.own.name);
        let announcement = |(network, (instance, places)): (&Network, &(Instance, LanPlaces))| {
            let tag = state.own.friendship.lan_tag(instance, own.hour, &own.transport, places);
            (*network, Announcement { instance: *instance, hour: own.hour, tag, places: places.clone(), name: name.cloned() })
        };
        let shown: Vec<_> = own.networks.iter().map(announcement).collect();
        if own.shown != shown {
            own.shown.clone_from(&shown);
            turn.act(Action::Announce(shown));
        }
    }

    /// The LAN shows a node. Answers the friend whose way this changes.
    pub fn sighted(&mut self, state: &State, now: Timestamp, mut sighting: Sighting) -> Option<PeerId> {
        sighting.places.retain(Address::is_bounded);
        sighting.places.truncate(ADDRESSES_MAX);
        sighting.near.retain(|place| sighting.places.contains(place));
        sighting.near.truncate(ADDRESSES_MAX);
        sighting.shown.name = sighting.shown.name.filter(|name| is_name(name));
        let instance = sighting.shown.instance;
        let is_own = self.own.as_ref().is_none_or(|own| own.networks.values().any(|(own, _)| *own == instance));
        if is_own || sighting.places.is_empty() || sighting.shown.hour.abs_diff(hour_of(now)) > HOURS_APART {
            return None;
        }
        if self.seen.get(&instance).is_some_and(|known| known.sighting == sighting) || !self.may_read(state, now) {
            return None;
        }
        let friend = owner_of(state, &sighting);
        let known = self.seen.get(&instance).map(|known| known.friend);
        // Somebody shows something else in place of what a friend shows: that stays until it is taken away.
        let is_forged = friend.is_none() && known.flatten().is_some();
        if is_forged || (known.is_none() && !self.has_room(friend.is_some())) {
            return None;
        }
        let moved = self.seen.get(&instance).is_none_or(|known| known.sighting.places != sighting.places || known.friend != friend);
        self.seen.insert(instance, Seen { sighting, friend, at: now, asked: BTreeSet::new() });
        self.placed.insert(friend?);
        friend.filter(|_| moved)
    }

    /// A node is gone.
    pub fn unsighted(&mut self, instance: &Instance) {
        if let Some(friend) = self.seen.remove(instance).and_then(|seen| seen.friend) {
            self.placed.insert(friend);
        }
    }

    /// A friendship begins or has changed: what is seen already may be the friend's.
    pub fn look_again(&mut self, state: &State) {
        for seen in self.seen.values_mut().filter(|seen| seen.friend.is_none()) {
            seen.friend = owner_of(state, &seen.sighting);
            self.placed.extend(seen.friend);
        }
    }

    /// What there is to show to the user.
    pub fn view(&self, now: Timestamp) -> Option<LanView> {
        let own = self.own.as_ref()?;
        let visible_until = own.visible_until.filter(|until| *until > now);
        let friends: BTreeSet<PeerId> = self.seen.values().filter_map(|seen| seen.friend).collect();
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

    /// Where a friend is on the LAN.
    fn places(&self, friend: &PeerId) -> Vec<Address> {
        let seen = self.seen.values().filter(|seen| seen.friend == Some(*friend));
        seen.flat_map(|seen| seen.sighting.places.iter().cloned()).take(ADDRESSES_MAX).collect()
    }

    /// Says where friends are now, if that has changed.
    pub fn place(&mut self, delivery: &mut Delivery) {
        for friend in std::mem::take(&mut self.placed) {
            delivery.place(friend, self.places(&friend));
        }
    }
}

/// Whose tag it is.
fn owner_of(state: &State, sighting: &Sighting) -> Option<PeerId> {
    let shown = &sighting.shown;
    let standing = state.friends.values().filter(|friend| friend.stands());
    let mut keyed = standing.filter_map(|friend| Some((friend.peer, friend.friendship.as_ref()?)));
    keyed
        .find(|(_, friendship)| {
            mac_matches(&friendship.lan_tag(&shown.instance, shown.hour, &sighting.transport, &shown.places), &shown.tag)
        })
        .map(|(peer, _)| peer)
}

#[cfg(test)]
mod tests;

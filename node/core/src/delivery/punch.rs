//! Who may know where this node is, on links that a relay forwards.
//!
//! Two nodes behind NATs tell each other their addresses to make a direct connection. Only
//! a friend who has proved to be behind the link, and from whom places are not hidden,
//! hears ours.

use super::links::*;
use crate::command::Path;
use crate::seam::NetAction;
use crate::state::State;
use crate::turn::Turn;
use std::collections::BTreeSet;
use symbolon_presence::id::DeviceId;

impl Delivery {
    /// These devices have proved a link: what is forwarded may get shorter.
    pub fn shorten(&mut self, state: &State, turn: &mut Turn<'_>, devices: &BTreeSet<DeviceId>) {
        if !devices.is_empty() {
            self.shorten_to(state, turn, |device| devices.contains(device));
        }
    }

    /// Somebody has become a friend, perhaps one whose link was proved before.
    pub fn shorten_all(&mut self, state: &State, turn: &mut Turn<'_>) {
        self.shorten_to(state, turn, |_| true);
    }

    fn shorten_to(&mut self, state: &State, turn: &mut Turn<'_>, is_wanted: impl Fn(&DeviceId) -> bool) {
        self.punching.retain(|link| self.links.contains_key(link));
        let forwarded = self.links.iter().filter(|(_, row)| row.path == Path::Relay && row.proved);
        let theirs = forwarded.filter(|(_, row)| row.device.is_some_and(|device| is_wanted(&device) && may_know(state, &device)));
        for link in theirs.map(|(link, _)| *link).collect::<Vec<_>>() {
            if self.punching.insert(link) {
                turn.act(NetAction::Punch(link, true));
            }
        }
    }

    /// What a friend may know has changed.
    pub fn hidden(&mut self, state: &State, turn: &mut Turn<'_>, devices: &BTreeSet<DeviceId>) {
        let theirs = self.links.iter().filter(|(_, row)| row.device.is_some_and(|device| devices.contains(&device)));
        for (link, row) in theirs {
            if !row.device.is_some_and(|device| may_know(state, &device)) && self.punching.remove(link) {
                turn.act(NetAction::Punch(*link, false));
            }
        }
        self.shorten(state, turn, devices);
    }
}

/// Whether a device's person may know where this node is.
fn may_know(state: &State, device: &DeviceId) -> bool {
    state.friend_of(device).is_some_and(|friend| friend.stands() && !state.own.presence.is_hidden_from(&friend.peer))
}

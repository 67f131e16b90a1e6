//! How this node is.

use super::problems;
use crate::command::StatusView;
use crate::delivery::Delivery;
use crate::delivery::relays::Relays;
use crate::intake::Intake;
use crate::packages::Packages;
use crate::people::persons;
use crate::presence::Presence;
use crate::renewal::Standings;
use crate::rows::Friend;
use crate::state::State;
use std::collections::BTreeSet;
use symbolon_presence::time::Timestamp;

/// The machines of which something is shown.
pub(crate) struct Shown<'a> {
    pub delivery: &'a Delivery,
    pub relays: &'a Relays,
    pub presence: &'a Presence,
    pub packages: &'a Packages,
    pub intake: &'a Intake,
    pub standings: &'a Standings,
}

/// How this node is.
pub(crate) fn view(state: &State, machines: &Shown<'_>, now: Timestamp) -> StatusView {
    let Shown { delivery, relays, presence, packages, intake, standings } = machines;
    let mailboxes: Vec<_> = state.own.relay_mailboxes.values().map(|own| relays.view(own)).collect();
    let mut problems = problems::of_copies(state, standings, now);
    problems.extend(problems::of_node(state, presence, &mailboxes));
    problems.extend(problems::of_builds(state, now));
    problems.extend(problems::of_requests(state));
    problems.extend(problems::of_packages(state, packages, now));
    // Persons are counted, and none of our own devices.
    let rows = delivery.online(state);
    let friends = rows.iter().filter_map(|peer| state.friends.get(peer)).filter(|friend| !persons::is_own(state, friend));
    let online: BTreeSet<_> = friends.map(Friend::person).collect();
    StatusView {
        peers: online.len(),
        queue: state.devices.values().map(|row| row.channel.waiting()).sum(),
        lan: presence.lan.view(now),
        dht: presence.dht_view(),
        relays: mailboxes,
        problems,
        sent_frames: delivery.sent().into_iter().chain(relays.sent()).collect(),
        dropped_frames: intake.dropped(),
    }
}

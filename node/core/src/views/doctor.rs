//! What the core has to say when the user asks what is wrong: counts and ages, no names.

use crate::command::{DoctorView, RelayState, StatusView};
use crate::delivery::Delivery;
use crate::delivery::outbox;
use crate::delivery::owner::Concern;
use crate::devices::Capsules;
use crate::limits::LONG_SILENCE;
use crate::people::persons;
use crate::rows::{Friend, FriendState, Message, message_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::Timestamp;

/// Rows looked at for each device that something waits for: receipts and read marks before
/// the first message say nothing about when they were made.
const ROWS: usize = 32;

/// Looks at outbox and friends.
pub(crate) fn view(
    state: &State,
    (delivery, capsules): (&Delivery, &Capsules),
    turn: &Turn<'_>,
    status: &StatusView,
) -> Result<DoctorView, TurnFailed> {
    let near = status.lan.as_ref().map(|lan| lan.friends);
    let connected = status.relays.iter().filter(|relay| relay.state == RelayState::Connected).count();
    let own = &state.own.places;
    let places = (own.iter().filter(|place| !place.is_loopback()).count(), own.len());
    let lookup = (status.dht, status.dht.read_back.map(|at| turn.now.since(at)));
    let mut view = DoctorView {
        lookup,
        near,
        places,
        relays: (connected, status.relays.len()),
        recovery: capsules.view(state, turn.now),
        problems: status.problems.clone(),
        ..DoctorView::default()
    };
    for device in state.devices.values().filter(|device| device.channel.waiting() > 0) {
        view.waiting = view.waiting.saturating_add(device.channel.waiting());
        view.oldest_wait = view.oldest_wait.max(oldest(state, turn, &device.device)?.map(|at| turn.now.since(at)));
    }
    // Persons are counted, and none of our own devices.
    let shown = || state.friends.values().filter(|friend| persons::is_shown(state, friend));
    let has_ended = |friend: &&Friend| friend.state == FriendState::Ended || friend.blocked;
    view.parted = shown().filter(has_ended).count();
    for friend in shown().filter(|friend| !has_ended(friend)) {
        view.friends += 1;
        let held = friend.held.first().copied();
        if let Some(message) = held.map(|arrival| turn.row::<Message>(Table::Message, &message_key(&friend.conversation, arrival))) {
            view.waiting = view.waiting.saturating_add(friend.held.len() as u64);
            view.oldest_wait = view.oldest_wait.max(message?.map(|message| turn.now.since(message.at)));
        }
        let rows = persons::rows_of(state, &friend.peer);
        let devices: Vec<_> = rows.iter().filter_map(|row| state.friends.get(row)).flat_map(|row| row.devices.iter().copied()).collect();
        let heard = devices.iter().filter_map(|device| state.devices.get(device)).filter_map(|device| device.heard).max();
        match heard {
            _ if delivery.is_online(&devices) == Some(true) => view.connected += 1,
            None => view.never_heard += 1,
            Some(at) if turn.now.since(at) > LONG_SILENCE => view.long_silent += 1,
            Some(_) => {}
        }
    }
    Ok(view)
}

/// When the first thing that waits for a device was made.
fn oldest(state: &State, turn: &Turn<'_>, device: &DeviceId) -> Result<Option<Timestamp>, TurnFailed> {
    let mut oldest: Option<Timestamp> = None;
    // Both lanes: steps of requests come first, then what goes to the room.
    for from in [0, crate::rows::ROOM_LANE] {
        for (_, row) in outbox::rows(turn, device, from, ROWS)? {
            let made = match row.owner.concern() {
                Concern::Text(conversation, arrival) => {
                    turn.row::<Message>(Table::Message, &message_key(&conversation, arrival))?.map(|message| message.at)
                }
                Concern::Ask(request) | Concern::Confirm(request) => state.requests.get(&request).map(|request| request.created),
                Concern::Friend
                | Concern::Lifeline
                | Concern::Welcome(_)
                | Concern::Shown
                | Concern::Commit(..)
                | Concern::Own
                | Concern::OwnTexts(_)
                | Concern::OwnRoomTexts(..)
                | Concern::OwnDrafts
                | Concern::OwnGone
                | Concern::Nobody => None,
            };
            if let Some(made) = made {
                oldest = Some(oldest.map_or(made, |oldest| oldest.min(made)));
                break;
            }
        }
    }
    Ok(oldest)
}

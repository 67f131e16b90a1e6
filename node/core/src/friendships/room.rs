//! The room of a friendship: moving into it, and what is left behind.

use crate::command::{MessageState, Trust};
use crate::delivery::outbox;
use crate::delivery::owner::{EnvelopeOwner, Links};
use crate::delivery::{line, notices};
use crate::limits::FRIENDS_MAX;
use crate::people::{self, Mirror, persons};
use crate::rooms;
use crate::rows::{Friend, FriendState, Message, ROOM_LANE, message_key};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, PeerId, RoomId};
use symbolon_relay::prove::WIRE_VERSION;

/// A room that a friendship moves into.
pub(crate) struct Entered {
    pub room: RoomId,
    pub step: FriendState,
    /// The other side came back from an older state: what is left behind in the old room is read.
    pub renews: bool,
    /// Whose device the other side is.
    pub person: PeerId,
}

/// Moves a friend into a new connection room, or makes the friend. Petname, conversation
/// and block stay when there was a friendship before; what was not delivered in the old
/// room waits to be sealed in the new one.
pub(crate) fn enter_room(
    state: &mut State,
    turn: &mut Turn<'_>,
    peer: PeerId,
    name: &str,
    trust: Trust,
    into: Entered,
) -> Result<Friend, TurnFailed> {
    let Some(old) = state.friends.get(&peer).cloned() else { return new_friend(state, turn, peer, (name, trust), into) };
    let Entered { step, room, renews, .. } = into;
    let mut held = old.held.clone();
    if old.room != room {
        // An Offer that follows a question about the room that is left, and comes late, would lead into one that its maker has given up.
        for device in &old.devices {
            if let Some(row) = state.device_mut(device) {
                row.asked = None;
            }
        }
        // What lies at relays in the room that is left is read, when only one side came back from
        // an older state: the other one, and all that it wrote since, are still as they were.
        let mut forgotten = line::enter(state, turn, &peer, Some(old.room), room, renews);
        if !renews {
            forgotten.push(old.room);
        }
        held.extend(withdraw_texts(state, turn, &peer)?);
        held.sort_unstable();
        held.dedup();
        for room in forgotten {
            rooms::forget(state, turn, room)?;
        }
    }
    rooms::register(state, turn, peer, room, old.conversation);
    Ok(Friend {
        state: step,
        room,
        trust: old.trust.min(trust),
        devices: Vec::new(),
        friendship: None,
        presence: None,
        giving: false,
        renewing: None,
        version: Some(WIRE_VERSION),
        since: turn.stamp,
        held,
        ..old
    })
}

/// A friend who was none before.
fn new_friend(
    state: &mut State,
    turn: &mut Turn<'_>,
    peer: PeerId,
    (name, trust): (&str, Trust),
    Entered { step, room, person, .. }: Entered,
) -> Result<Friend, TurnFailed> {
    // A further device of somebody who is a friend already: what is shown of them stays as it is.
    let stands = |head: &PeerId| state.friends.get(head).filter(|friend| friend.state != FriendState::Ended);
    let head = persons::head_of(state, &person).filter(|_| person != state.own.person()).and_then(|head| stands(&head));
    // What their other devices have not got may never be got there: they may be lost.
    let waiting = head.map(|head| waiting_texts(state, turn, head)).transpose()?.unwrap_or_default();
    let (conversation, petname, trust, follows) = match head {
        Some(head) => (head.conversation, head.petname.clone(), head.trust, Some(head.peer)),
        None => (room, Mirror::of(state).free_petname(&peer, name), trust, None),
    };
    rooms::register(state, turn, peer, room, conversation);
    Ok(Friend {
        peer,
        petname,
        trust,
        state: step,
        blocked: false,
        conversation,
        room,
        devices: Vec::new(),
        friendship: None,
        second_root: None,
        since: turn.stamp,
        held: waiting,
        unread: 0,
        presence: None,
        giving: false,
        read_to: None,
        renewing: None,
        reentries: None,
        resent: None,
        lacks: None,
        unknown: None,
        version: Some(WIRE_VERSION),
        person: (person != peer).then_some(person),
        follows,
        says: None,
    })
}

/// The texts that wait for all devices of a person, by arrival number.
fn waiting_texts(state: &State, turn: &Turn<'_>, head: &Friend) -> Result<Vec<u64>, TurnFailed> {
    let mut waiting: BTreeSet<u64> = BTreeSet::new();
    for row in persons::rows_of(state, &head.peer) {
        waiting.extend(state.friends.get(&row).into_iter().flat_map(|friend| friend.held.iter().copied()));
        for device in state.friends.get(&row).into_iter().flat_map(|friend| friend.devices.iter()) {
            let mut from = ROOM_LANE;
            while waiting.len() < WAITING_MAX {
                let page = outbox::rows(turn, device, from, 256)?;
                let Some((last, _)) = page.last() else { break };
                from = last.saturating_add(1);
                for (_, row) in page {
                    if let EnvelopeOwner::Text(conversation, arrival) = row.owner
                        && conversation == head.conversation
                    {
                        waiting.insert(arrival);
                    }
                }
            }
        }
    }
    let mut undelivered = Vec::new();
    for arrival in waiting {
        let message = turn.row::<Message>(Table::Message, &message_key(&head.conversation, arrival))?;
        if message.is_some_and(|message| matches!(message.state, MessageState::Queued | MessageState::Stored)) {
            undelivered.push(arrival);
        }
    }
    Ok(undelivered)
}

/// So many texts are handed to a new device at most.
const WAITING_MAX: usize = 10_000;

/// Takes every text of a friendship out of the outbox. Answers the texts' arrival numbers.
pub(crate) fn withdraw_texts(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<Vec<u64>, TurnFailed> {
    let devices: Vec<DeviceId> = state.devices.values().filter(|device| device.peer == *peer).map(|device| device.device).collect();
    let mut texts = Vec::new();
    for device in devices {
        let (mut from, mut taken) = (0, Vec::new());
        loop {
            let page = outbox::rows(turn, &device, from, 256)?;
            let Some((last, _)) = page.last() else { break };
            from = last.saturating_add(1);
            // What waits in other rooms of theirs has nothing to do with the friendship.
            for (number, row) in page.into_iter().filter(|(_, row)| row.room.is_none_or(|room| !rooms::is_shared(state, &room))) {
                // What is of no friendship stays. Lists of receipts are said in the room, too: a side that has ended
                // the friendship would hang up on one, before the step behind it is heard.
                if row.owner.policy().links != Links::Friends {
                    continue;
                }
                if let EnvelopeOwner::Text(_, arrival) = row.owner {
                    texts.push(arrival);
                }
                taken.push((number, row.is_long()));
            }
        }
        // Behind the last page: what is taken out already is gone through with every page that is read.
        for (number, is_long) in taken {
            outbox::remove_row(state, turn, &device, number, is_long);
        }
        notices::rows_changed(turn, &device);
    }
    Ok(texts)
}

/// Takes back what names a way to us that is closed now: anyone who answered by it would not be heard, and not know
/// it. Both are asked again, once they may talk.
pub(super) fn withdraw_standings(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    for device in people::devices_of(state, peer) {
        let Some(row) = state.devices.get(&device) else { continue };
        for number in [row.channel.saying, row.channel.answering].into_iter().flatten() {
            outbox::remove(state, turn, &device, number);
            notices::rows_changed(turn, &device);
        }
    }
}

/// Forgets rooms that were left and whose time is up.
pub(crate) fn expire_former(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    for peer in state.friends.keys().copied().collect::<Vec<_>>() {
        for room in line::forget(state, turn, &peer, false) {
            rooms::forget(state, turn, room)?;
        }
    }
    Ok(())
}

/// Whether somebody may become a friend: is one already, or there are not too many.
pub(crate) fn has_place_for(state: &State, peer: &PeerId) -> bool {
    state.friends.contains_key(peer) || state.friends.len() < FRIENDS_MAX
}

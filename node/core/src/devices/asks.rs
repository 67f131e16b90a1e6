//! A new device's friendships with the devices of friends.
//!
//! Each of them is asked once, by a way in that is for it alone. An older device of ours, which is a friend already, hands it
//! on: so nobody is asked who is not a friend, and a friend's device says yes without its user.

use super::listed;
use crate::command::{RequestStatus, Trust};
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::friendships::{self, Asking};
use crate::invites;
use crate::limits::{DEVICE_ASK_PAUSE, DEVICE_ASKS_MAX, DEVICE_ASKS_SPAN, RESTORED_PAUSE};
use crate::people::{self, persons, requests};
use crate::rows::{FriendState, Request};
use crate::state::State;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{Befriend, PersonStanding, Step};
use std::collections::BTreeMap;
use symbolon_presence::codec;
use symbolon_presence::device_list::DeviceList;
use symbolon_presence::id::PeerId;
use symbolon_presence::time::Timestamp;

/// The devices of friends, and those of our own person, that this one is no friend of.
fn missing(state: &State, stamp: Timestamp) -> Vec<PeerId> {
    let is_tied = |peer: &PeerId| state.friends.get(peer).is_some_and(|friend| friend.state == FriendState::Mutual);
    let is_wanted = |peer: &&PeerId| **peer != state.own.peer && !is_tied(peer) && !people::is_out(state, peer);
    let friends = state.persons.values().map(|row| &row.said).filter(|said| said.standing == PersonStanding::Friend);
    let mut missing: Vec<PeerId> = friends.flat_map(|said| &said.peers).filter(is_wanted).copied().collect();
    // A device of ours that a backup knows of.
    let is_waiting = |peer: &&PeerId| state.friends.get(*peer).is_some_and(|friend| friend.state == FriendState::Half);
    let waiting = state.siblings.values().filter(|row| row.gone.is_none()).map(|row| &row.peer).filter(is_waiting);
    missing.extend(waiting.copied());
    missing.retain(|peer| held_until(state, peer).is_none_or(|at| at <= stamp));
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// Until when a device of ours that a backup knows of is not asked. It may be stolen, and the thief
/// would know of this device before our user can say which ones are theirs.
fn held_until(state: &State, peer: &PeerId) -> Option<Timestamp> {
    // A copy that has become a device of its own was started by who has the folder: nothing was lost.
    let row = state.siblings.get(peer).filter(|row| row.gone.is_none() && state.own.moved.is_none())?;
    let friend = state.friends.get(peer).filter(|friend| friend.state == FriendState::Half)?;
    let is_kept = friend.devices.iter().any(|device| listed::names(state, &state.own.person(), device));
    (!is_kept).then(|| row.since.after(RESTORED_PAUSE))
}

/// Friends' devices that were asked for a friendship with this one.
#[derive(Debug, Default)]
pub(super) struct Asks {
    /// When each was asked last, or looked at; at most as many as are missing.
    asked: BTreeMap<PeerId, Timestamp>,
    /// When something is to be asked next.
    next: Option<Timestamp>,
}

impl Asks {
    pub fn next_due(&self) -> Option<Timestamp> {
        self.next
    }

    /// Nobody can answer now: what is due is looked at when somebody can, and wakes nobody until then.
    pub fn pause(&mut self) {
        self.next = None;
    }

    /// Questions that are to be put now: to be handed on by another device of ours if `is_heard`, or to those who can be
    /// written to. What nobody can take is left for later, and uses nothing up.
    pub fn due(&mut self, state: &mut State, turn: &mut Turn<'_>, is_heard: bool) -> Result<Vec<(PeerId, Befriend)>, TurnFailed> {
        let mut missing = missing(state, turn.stamp);
        self.asked.retain(|peer, at| missing.contains(peer) && *at <= turn.now);
        missing.retain(|peer| is_heard || can_knock(state, peer));
        let mut started = self.asked.values().filter(|at| turn.now.since(**at) < DEVICE_ASKS_SPAN).count();
        let mut due = Vec::new();
        for peer in &missing {
            let is_recent = self.asked.get(peer).is_some_and(|at| turn.now.since(*at) < DEVICE_ASK_PAUSE);
            if is_recent || started >= DEVICE_ASKS_MAX {
                continue;
            }
            // Also where nothing is to be said of it now: it is looked at again after the pause, not before.
            self.asked.insert(*peer, turn.now);
            started += 1;
            if let Some(befriend) = question(state, turn, *peer)? {
                due.push((*peer, Befriend { list: list_for(state, turn.now), ..befriend }));
            }
        }
        let again = missing.iter().filter_map(|peer| Some(self.asked.get(peer)?.after(DEVICE_ASK_PAUSE))).min();
        // Those for whom there was no place come when there is.
        let is_left = missing.iter().any(|peer| !self.asked.contains_key(peer)) || again.is_some_and(|at| at <= turn.now);
        let freed = self.asked.values().filter(|at| turn.now.since(**at) < DEVICE_ASKS_SPAN).min().map(|at| at.after(DEVICE_ASKS_SPAN));
        let held = state.siblings.keys().filter_map(|peer| held_until(state, peer)).filter(|at| *at > turn.stamp).min();
        // The stamp may be ahead of the clock by which this is woken.
        let held = held.map(|at| turn.now.after(at.since(turn.stamp)));
        self.next = if is_left { freed } else { again }.into_iter().chain(held).min();
        Ok(due)
    }
}

/// Whether a device can be asked itself: a backup tells how it is written to.
fn can_knock(state: &State, peer: &PeerId) -> bool {
    state.friends.get(peer).is_some_and(|friend| friend.state == FriendState::Half && friend.friendship.is_some())
}

/// The question for a friend's device. None when they are on their way to each other already.
fn question(state: &mut State, turn: &mut Turn<'_>, peer: PeerId) -> Result<Option<Befriend>, TurnFailed> {
    // What was answered by an Offer of ours that has ended since leads nowhere.
    let is_open = requests::outgoing(state, &peer).next().is_some();
    let is_under_way = |row: &Request| row.status == RequestStatus::Accepted && (is_open || !row.is_of_room());
    if state.requests.values().any(|row| row.peer == peer && is_under_way(row)) {
        return Ok(None);
    }
    let open = requests::outgoing(state, &peer).find_map(|row| row.in_room.as_ref()?.invite);
    if let Some(grant) = open {
        let contact = invites::minted(state, turn, &grant, peer);
        return Ok(contact.map(|contact| Befriend { contact: codec::encode(&contact), note: None, list: None }));
    }
    let name = state.friends.get(&persons::head(state, &peer)).map(|friend| friend.petname.clone()).unwrap_or_default();
    let of = whose(state, &peer);
    match friendships::befriend(state, turn, peer, name, None) {
        Ok(Asking::Known(_)) | Err(Failed::Command(_)) => Ok(None),
        Ok(Asking::Say(id, befriend)) => {
            state.change_request(turn, &id, |row| {
                row.trust = Trust::Verified;
                if let Some(asked) = &mut row.in_room {
                    asked.device_of = of;
                }
            });
            Ok(Some(*befriend))
        }
        Err(Failed::Turn(failed)) => Err(failed),
    }
}

/// Our device list, every other time: a build that knows no lists refuses what holds one, and one that has seen our list refuses what
/// holds none.
fn list_for(state: &State, now: Timestamp) -> Option<Box<DeviceList>> {
    let is_with = (now.0 / DEVICE_ASK_PAUSE).is_multiple_of(2);
    listed::own_list(state).filter(|_| is_with).map(Box::new)
}

/// Whose device it is, as our devices have said.
fn whose(state: &State, peer: &PeerId) -> Option<PeerId> {
    if state.siblings.contains_key(peer) {
        return Some(state.own.person());
    }
    state.persons.values().find(|row| row.said.peers.contains(peer)).map(|row| row.said.person)
}

/// The same said to the device itself, where a backup tells how it is written to: no other device of ours may be left.
pub(super) fn knock(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, befriend: &Befriend) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer).filter(|_| can_knock(state, peer)) else { return Ok(()) };
    let devices = friend.devices.clone();
    let asked = requests::outgoing(state, peer).find(|row| row.in_room.is_some()).map(|row| row.id);
    let Some(request) = asked else { return Ok(()) };
    for device in devices {
        let body = codec::encode(befriend);
        let Some(envelope) = friendships::seal_to_friend(state, turn, &device, None, Step::Returned, body) else { continue };
        outbox::supersede(state, turn, &device, &EnvelopeOwner::Returned(request))?;
        outbox::enqueue(state, turn, &device, EnvelopeOwner::Returned(request), None, envelope);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::command::Direction;
    use crate::fixture::in_turn;
    use crate::rows::{Barred, InRoom, Person, Sibling};
    use crate::wire::PersonSaid;
    use symbolon_presence::id::{DeviceId, RequestId, RoomId};

    /// A friend of the person, as our devices have said, with one device.
    fn known(state: &mut State, turn: &mut Turn<'_>, n: u8) -> PeerId {
        let (person, by, petname, conversation) = (PeerId([n; 32]), state.own.peer, format!("Nr {n}"), RoomId([n; 32]));
        let (trust, standing, peers) = (Trust::Invited, PersonStanding::Friend, vec![person]);
        let shown = (petname.clone(), trust, standing);
        let said = PersonSaid { person, version: 1, by, petname, trust, standing, conversation, peers };
        assert!(state.save_person(turn, Person { said, shown }));
        person
    }

    #[test]
    fn so_many_are_asked_at_once_and_nobody_is_woken_before_more_can_be() {
        in_turn(|state, turn| {
            let count = u8::try_from(DEVICE_ASKS_MAX).unwrap() + 3;
            for n in 1..=count {
                known(state, turn, n);
            }
            let mut asks = Asks::default();
            assert!(asks.due(state, turn, false).unwrap().is_empty(), "nobody can hand them on");
            assert_eq!(asks.next_due(), None);
            let mut asked = 0;
            for _ in 0..4 {
                asked += asks.due(state, turn, true).unwrap().len();
                let next = asks.next_due().unwrap();
                assert!(next > turn.now, "never at once");
                turn.now = next;
            }
            assert!(asked > usize::from(count), "all of them, the first ones again");
        });
    }

    #[test]
    fn a_device_that_was_answered_by_an_offer_which_has_ended_is_asked_again() {
        in_turn(|state, turn| {
            let peer = known(state, turn, 1);
            let in_room = Some(InRoom { invite: None, contact: Some(vec![1]), device_of: None, room: None });
            let asked = Request { peer, in_room, ..Request::blank(turn, RequestId([1; 16]), Direction::In) };
            state.save_request(turn, Request { status: RequestStatus::Accepted, ..asked });
            let offer = RequestId([2; 16]);
            let row = Request { peer, ..Request::blank(turn, offer, Direction::Out) };
            state.save_request(turn, row);
            assert!(question(state, turn, peer).unwrap().is_none(), "they are on their way to each other");
            state.change_request(turn, &offer, |row| row.status = RequestStatus::Expired);
            assert!(question(state, turn, peer).unwrap().is_some());
        });
    }

    #[test]
    fn another_device_of_ours_is_asked_an_hour_after_we_were_restored_or_once_our_user_keeps_it() {
        in_turn(|state, turn| {
            let words = state.own.identity.entropy.clone().unwrap();
            let one = crate::fixture::Person::new(state, turn, 2).device;
            state.change_friend(turn, &one.peer, |friend| friend.state = FriendState::Half);
            let since = turn.stamp;
            let row = Sibling::new(one.peer, since);
            state.save_sibling(turn, row);
            assert!(missing(state, turn.stamp).is_empty());
            let mut asks = Asks::default();
            assert!(asks.due(state, turn, true).unwrap().is_empty());
            assert_eq!(asks.next_due(), Some(turn.now.after(RESTORED_PAUSE)), "it is woken for that");
            assert_eq!(missing(state, turn.stamp.after(RESTORED_PAUSE)), [one.peer]);
            super::super::keeping::keep(state, turn, &words, &[one.device]).unwrap();
            assert_eq!(missing(state, turn.stamp), [one.peer], "at once");
        });
    }

    #[test]
    fn a_device_that_was_shut_out_is_not_asked() {
        in_turn(|state, turn| {
            let (one, other) = (known(state, turn, 1), known(state, turn, 2));
            assert_eq!(missing(state, turn.stamp), [one, other]);
            state.bar_device(turn, &DeviceId([1; 16]), Barred { person: one, peer: one, is_said: None });
            assert_eq!(missing(state, turn.stamp), [other]);
        });
    }
}

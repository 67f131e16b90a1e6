//! Friends: petnames, bundles, and what the user does with friends.

use crate::command::{Build, CommandError, Direction, FriendView, MessageState, RequestStatus, Trust};
use crate::delivery::Delivery;
use crate::delivery::line;
use crate::delivery::outbox::{self, What};
use crate::devices;
use crate::grants;
use crate::limits::FRIENDS_MAX;
use crate::mirror::Mirror;
use crate::names;
use crate::people;
use crate::presence;
use crate::rows::{Fault, Friend, FriendPresence, FriendState, Request, set_message_state};
use crate::seam::Event;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::{Bundle, BundleDevice, Depot, RoomPayload, Whereabouts, entry_is_of, is_name};
use crate::world::CipherError;
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, PeerId, RequestId, RoomId};
use symbolon_presence::identity::Device;
use symbolon_presence::time::Timestamp;
use symbolon_presence::words::{fingerprint_words, words_match};

/// The own bundle for a person's devices.
pub(crate) fn own_bundle(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, to: &[Device]) -> Bundle {
    let presence = presence::grant(state, turn, peer, to);
    let own = &state.own;
    let Whereabouts { entry, depots } = own.whereabouts_for(turn.rng, peer);
    Bundle {
        name: own.name.clone(),
        second_root: own.identity.second_root,
        friendship: own.friendship.clone(),
        devices: vec![BundleDevice { chain: own.identity.chain.clone(), entry, depots }],
        presence,
    }
}

/// A friend's bundle whose certificates hold.
pub(crate) struct VerifiedBundle {
    pub bundle: Bundle,
    pub devices: Vec<Device>,
}

/// Checks a bundle: every device is certified by `peer`'s root, has its own mailbox entry, and the
/// device that sent the bundle is among them. It came in a room of theirs, so the wall clock does
/// not judge its time.
pub(crate) fn verify_bundle(bundle: Bundle, peer: &PeerId, sender: &DeviceId, sure: Timestamp) -> Option<VerifiedBundle> {
    let mut devices = Vec::with_capacity(bundle.devices.len());
    for item in &bundle.devices {
        let device = item.chain.verify_known(sure).ok()?;
        if device.peer != *peer || !entry_is_of(&item.entry, &device) {
            return None;
        }
        devices.push(device);
    }
    devices.iter().any(|device| device.device == *sender).then_some(VerifiedBundle { bundle, devices })
}

/// Takes a verified bundle into a friend's row and device rows.
pub(crate) fn adopt_bundle(state: &mut State, turn: &mut Turn<'_>, friend: &mut Friend, verified: VerifiedBundle) {
    let VerifiedBundle { bundle, devices } = verified;
    friend.second_root = Some(bundle.second_root);
    let named: Vec<DeviceId> = devices.iter().map(|device| device.device).collect();
    devices::forget_unneeded(state, &friend.peer, &named);
    friend.devices.clear();
    for (device, item) in devices.iter().zip(&bundle.devices) {
        // Beyond the bounds a device is passed over: the friend's own one is known already.
        let is_known = state.devices.contains_key(&device.device);
        if is_known || (devices::has_room(state, &friend.peer) && state.rates.device(turn.now, friend.peer)) {
            outbox::register_device(state, device, &item.chain, item.entry.clone());
        }
        let is_named = friend.devices.contains(&device.device);
        if let Some(row) = state.device_mut(&device.device).filter(|row| row.peer == friend.peer && !is_named) {
            friend.devices.push(device.device);
            row.entry = item.entry.clone();
            row.put = Some(bundle.friendship.put(&item.entry.mailbox));
            let depots = Depot::of_friend(&bundle.friendship, item.depots.clone());
            let leaves_one = outbox::leaves_one(&row.depots, &depots);
            row.depots = depots;
            state.recounts |= leaves_one;
        }
    }
    friend.friendship = Some(bundle.friendship);
    let identity = &state.own.identity;
    if let Some(keys) = bundle.presence
        && let Some(labels) = keys.open(&identity.device, &identity.dh)
    {
        turn.put_raw(Table::Labels, friend.peer.as_bytes(), labels.to_bytes());
        friend.presence =
            Some(FriendPresence { reader: keys.reader, version: 0, sequence: 0, read: turn.stamp, lookups: keys.lookups, wrapped: None });
    }
    state.has_new_friend = true;
    state.befriended.extend(&friend.devices);
}

/// Whether somebody may become a friend: is one already, or there are not too many.
pub(crate) fn has_room(state: &State, peer: &PeerId) -> bool {
    state.friends.contains_key(peer) || state.friends.len() < FRIENDS_MAX
}

/// A room that a friendship moves into.
pub(crate) struct Entered {
    pub room: RoomId,
    pub step: FriendState,
    /// The other side came back from an older state: what is left behind in the old room is read.
    pub renews: bool,
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
    let Entered { step, room, renews } = into;
    let Some(old) = state.friends.get(&peer).cloned() else {
        return Ok(Friend {
            peer,
            petname: Mirror::of(state).free_petname(&peer, name),
            trust,
            state: step,
            blocked: false,
            conversation: room,
            room,
            devices: Vec::new(),
            friendship: None,
            second_root: None,
            since: turn.stamp,
            held: Vec::new(),
            unread: 0,
            presence: None,
            giving: false,
            read_to: None,
            renewing: None,
            reentries: None,
            resent: None,
            lacks: None,
            unknown: None,
        });
    };
    let mut held = old.held.clone();
    if old.room != room {
        // What lies at relays in the room that is left is read, when only one side came back from
        // an older state: the other one, and all that it wrote since, are still as they were.
        let mut forgotten = line::enter(state, turn, &peer, Some(old.room), room, renews);
        if !renews {
            forgotten.push(old.room);
        }
        held.extend(take_back(state, turn, &peer)?);
        held.sort_unstable();
        held.dedup();
        for room in forgotten {
            forget_room(turn, room)?;
        }
    }
    Ok(Friend {
        state: step,
        room,
        trust: old.trust.min(trust),
        devices: Vec::new(),
        friendship: None,
        presence: None,
        giving: false,
        renewing: None,
        since: turn.stamp,
        held,
        ..old
    })
}

/// Takes every text to a person's devices out of the outbox. Answers the texts' arrival numbers.
pub(crate) fn take_back(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<Vec<u64>, TurnFailed> {
    let devices: Vec<DeviceId> = state.devices.values().filter(|device| device.peer == *peer).map(|device| device.device).collect();
    let mut texts = Vec::new();
    for device in devices {
        let (mut from, mut taken) = (0, Vec::new());
        loop {
            let page = outbox::rows(turn, &device, from, 256)?;
            let Some((last, _)) = page.last() else { break };
            from = last.saturating_add(1);
            for (number, row) in page {
                match row.what {
                    What::Text(_, arrival) => texts.push(arrival),
                    // Lists of receipts are said in the room, too. A side that has ended the
                    // friendship would hang up on one, before the step behind it is heard.
                    What::Mark | What::Skip | What::Receipts | What::Bundle | What::Introduction => {}
                    // These are not bound to a room.
                    What::Offer(_) | What::Accept(_) | What::Confirm(_) | What::Standing | What::Answer => continue,
                }
                taken.push(number);
            }
        }
        // Behind the last page: what is taken out already is gone through with every page that is read.
        for number in taken {
            outbox::remove(state, turn, &device, number);
        }
        state.restart.insert(device);
    }
    Ok(texts)
}

pub(crate) fn forget_room(turn: &mut Turn<'_>, room: RoomId) -> Result<(), TurnFailed> {
    match turn.cipher.forget(room) {
        Err(CipherError::Store) => Err(TurnFailed("the room cipher's store failed")),
        // A room that is gone already is as good.
        Ok(()) | Err(CipherError::Ahead | CipherError::Gone | CipherError::Used | CipherError::Broken) => Ok(()),
    }
}

/// Forgets rooms that were left and whose time is up.
pub(crate) fn expire_former(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    for peer in state.friends.keys().copied().collect::<Vec<_>>() {
        for room in line::forget(state, turn, &peer, false) {
            forget_room(turn, room)?;
        }
    }
    Ok(())
}

/// Ends a friendship on this side. The other side is told nothing: to it, this node looks
/// as if it were off. What was not delivered is given up.
pub(crate) fn unfriend(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), Failed> {
    let friend = state.friends.get(peer).cloned().ok_or(CommandError::NotFound)?;
    if friend.state == FriendState::Ended && friend.held.is_empty() {
        return Ok(());
    }
    Ok(end(state, turn, friend)?)
}

/// Ends a friendship: keys and queue go, history and petname stay.
pub(crate) fn end(state: &mut State, turn: &mut Turn<'_>, mut friend: Friend) -> Result<(), TurnFailed> {
    let peer = friend.peer;
    let mut given_up = take_back(state, turn, &peer)?;
    given_up.append(&mut friend.held);
    for arrival in given_up {
        set_message_state(turn, &friend.conversation, arrival, MessageState::Failed, Some(Fault::Ended))?;
    }
    forget_room(turn, friend.room)?;
    for room in line::forget(state, turn, &peer, true) {
        forget_room(turn, room)?;
    }
    friend.renewing = None;
    friend.lacks = None;
    state.hang_up.extend(state.devices.values().filter(|device| device.peer == peer).map(|device| device.device));
    friend.state = FriendState::Ended;
    friend.friendship = None;
    friend.presence = None;
    friend.giving = false;
    turn.delete(Table::Labels, peer.as_bytes());
    presence::end(state, turn, &peer);
    friend.trust = friend.trust.max(Trust::Invited);
    take_back_acceptance(state, turn, &peer, friend.room)?;
    part(state, turn, &peer)?;
    let devices = std::mem::take(&mut friend.devices);
    for device in devices {
        if let Some(row) = state.device_mut(&device) {
            row.put = None;
            row.depots.clear();
        }
    }
    state.save_friend(turn, friend);
    turn.notify(Event::Friend(peer));
    Ok(())
}

/// A friendship has ended on this side: so have the grants that led to it, and their keys.
fn part(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    grants::take_back(state, turn, peer);
    for row in grants::rows_of(state, peer) {
        if grants::has_ended(row.status) {
            grants::end(state, turn, &row);
            grants::erase(state, turn, row);
        } else if row.direction == Direction::Out && row.status == RequestStatus::Accepted {
            // Our Confirm is not acknowledged yet, and need not arrive any more.
            for device in people::devices_of(state, peer) {
                outbox::supersede(state, turn, &device, &outbox::What::Confirm(row.id))?;
            }
            crate::request::set_status(state, turn, &row.id, RequestStatus::Cancelled)?;
        }
    }
    Ok(())
}

/// An acceptance that was not confirmed ends with the friendship that it began: it must not
/// be sent any more, nor stand in the way of a later request.
fn take_back_acceptance(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, room: RoomId) -> Result<(), TurnFailed> {
    let of_this = |row: &&Request| {
        row.peer == *peer && row.room == Some(room) && row.direction == Direction::In && row.status == RequestStatus::Accepted
    };
    let accepted: Vec<RequestId> = state.requests.values().filter(of_this).map(|row| row.id).collect();
    let devices: Vec<DeviceId> = state.devices.values().filter(|device| device.peer == *peer).map(|device| device.device).collect();
    for id in accepted {
        for device in &devices {
            outbox::supersede(state, turn, device, &What::Accept(id))?;
        }
        crate::request::set_status(state, turn, &id, RequestStatus::Cancelled)?;
    }
    Ok(())
}

/// A friend as shown to the user.
pub(crate) fn view(state: &State, delivery: &Delivery, mirror: &Mirror, now: Timestamp, peer: &PeerId) -> Option<FriendView> {
    let friend = state.friends.get(peer)?;
    let online = delivery.is_online(&friend.devices);
    Some(FriendView {
        id: friend.peer,
        name: friend.petname.clone(),
        words: fingerprint_words(&friend.peer),
        trust: friend.trust,
        mutual: friend.state == FriendState::Mutual,
        blocked: friend.blocked,
        online,
        path: delivery.path(&friend.devices),
        unread: friend.unread,
        introduced_by: crate::introduction::introducers_of(state, peer),
        hidden: state.own.presence.is_hidden_from(peer),
        beware: mirror.beware(friend),
        build: build(state, now, friend),
    })
}

/// How a friend's build stands to ours, if it speaks another version.
pub(crate) fn build(state: &State, now: Timestamp, friend: &Friend) -> Option<Build> {
    let stands = friend.stands().then_some(&friend.devices);
    let version = stands?.iter().find_map(|device| state.other_build(now, device))?.version;
    Some(if version < state.own.wire { Build::Older } else { Build::Newer })
}

/// Gives a friend another petname.
pub(crate) fn rename(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, name: &str) -> Result<(), Failed> {
    if !is_name(name.trim()) {
        return Err(CommandError::BadName.into());
    }
    let name = names::clean(name);
    let name = name.as_str();
    // By a whole id only that id can be named, so no friend is called like one.
    let is_id = name.to_ascii_lowercase().parse::<PeerId>().is_ok() || name.to_ascii_lowercase().parse::<RequestId>().is_ok();
    if name.is_empty() || is_id {
        return Err(CommandError::BadName.into());
    }
    if state.friends.values().any(|friend| friend.peer != *peer && names::is_same(&friend.petname, name)) {
        return Err(CommandError::NameTaken.into());
    }
    Ok(people::update(state, turn, peer, |friend| name.clone_into(&mut friend.petname))?)
}

/// Compares fingerprint words; the friend is verified when they match.
pub(crate) fn verify(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, words: Option<&str>) -> Result<(), Failed> {
    if let Some(words) = words {
        if !words_match(peer, words) {
            return Err(CommandError::WordsDiffer.into());
        }
        people::update(state, turn, peer, |friend| friend.trust = Trust::Verified)?;
    }
    Ok(())
}

/// Blocks or unblocks a friend: its links close, nothing of it is taken, nothing is sent.
pub(crate) fn set_blocked(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, blocked: bool) -> Result<(), Failed> {
    let devices: Vec<DeviceId> = state.devices.values().filter(|device| device.peer == *peer).map(|device| device.device).collect();
    let keys = people::keys_of_person(state, peer);
    if blocked {
        state.block_keys(turn, &keys)?;
        state.hang_up.extend(devices);
        presence::revoke(state, turn, peer);
        grants::block(state, turn, peer);
    } else {
        for key in keys {
            state.unblock_key(turn, &key);
        }
        grants::unblock(state, turn, peer);
        state.befriended.extend(&devices);
        state.wake.extend(devices);
    }
    people::update(state, turn, peer, |friend| friend.blocked = blocked)?;
    if !blocked {
        give_again(state, turn, peer)?;
    }
    Ok(())
}

/// Gives a friend who has no place in our tree, or was taken out since the last bundle, what
/// friends have, in the connection room.
pub(crate) fn give_again(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let Some(friend) = state.friends.get(peer).filter(|friend| friend.state == FriendState::Mutual).cloned() else { return Ok(()) };
    // A room that is being made again brings a bundle of its own.
    if !state.may_seal(&friend) || state.own.presence.has_block(peer) {
        return Ok(());
    }
    let rows = friend.devices.iter().filter_map(|device| state.devices.get(device));
    let devices: Vec<Device> = rows.filter_map(|row| row.chain.verify_known(turn.sure).ok()).collect();
    let bundle = RoomPayload::Bundle(own_bundle(state, turn, peer, &devices));
    let sealed = turn.cipher.seal(friend.room, &codec::encode(&bundle), &[]).map_err(|_| TurnFailed("the room cipher failed"))?;
    outbox::enqueue_room(state, turn, &friend, &What::Bundle, &sealed);
    people::update(state, turn, peer, |friend| friend.giving = true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use crate::fixture::{Empty, friend, peer};
    use rand_core::SeedableRng;

    #[test]
    fn friends_are_bounded_and_one_who_is_there_may_come_again() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let mut state = State::load(None, &Empty, Timestamp(1), &mut rng, &mut crate::turn::Out::default()).unwrap();
        for n in 0..FRIENDS_MAX as u64 {
            assert!(has_room(&state, &peer(n)));
            state.friends.insert(peer(n), friend(n));
        }
        assert!(has_room(&state, &PeerId([0; 32])));
        assert!(!has_room(&state, &PeerId([9; 32])));
    }
}

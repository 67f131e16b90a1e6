//! The working set: every row that the core holds in memory, and how it is saved.
//!
//! Rows are loaded once at start and written whenever they change. What grows without end
//! (history, outbox, seen envelopes) is not here but on the shelf.

use crate::clock::{Clock, Signer};
use crate::identity::Own;
use crate::rates::Rates;
use crate::rows::{
    Barred, Counters, Device, Draft, Friend, Given, GroupRows, Inbound, Introducing, Invite, Leaf, Listed, OwnRelayMailbox, Person,
    Request, Room, Sequences, Sibling, VouchingRows,
};
use crate::table::{Change, Table};
use crate::turn::all_rows;
use crate::turn::load_all;
use crate::turn::{Turn, TurnFailed};
use crate::wire::DraftPlace;
use crate::world::{RoomCipher, Shelf};
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use symbolon_presence::id::{DeviceId, GrantId, PeerId, PublicKeyBytes, RequestId, RoomId};
use symbolon_presence::identity::Device as Speaker;
use symbolon_presence::time::{MINUTE, Timestamp};
use symbolon_relay::prove::LinkKey;

mod blocks;
mod channels;
mod drafts;
mod groups;
mod keys;
mod load;
mod notes;
mod own_packages;
mod packages;
mod siblings;
mod signs;
mod taken;
mod vouching;

pub(crate) use load::derive_trust;
use own_packages::OwnPackages;
pub(crate) use signs::Build;
use taken::Taken;

/// So many numbers of arrivals are taken together: a start begins behind those that were taken and not used.
const ARRIVALS_TAKEN: u64 = 64;

/// All of it.
#[derive(Debug)]
pub(crate) struct State {
    pub own: Own,
    pub counters: Counters,
    pub invites: BTreeMap<GrantId, Invite>,
    pub requests: BTreeMap<RequestId, Request>,
    /// At most [`limits::INTRODUCTIONS_MAX`].
    pub introductions: BTreeMap<RequestId, Introducing>,
    pub friends: BTreeMap<PeerId, Friend>,
    pub devices: BTreeMap<DeviceId, Device>,
    /// One for each friendship, and for each of its rooms that were left and are read; at most [`limits::ROOMS_MAX`] others.
    pub rooms: BTreeMap<RoomId, Room>,
    /// Shared rooms.
    pub groups: GroupRows,
    /// Room cards and knocks.
    pub vouching: VouchingRows,
    /// Whose the leaves of rooms are; one for each member of each room.
    leaves: BTreeMap<(RoomId, PublicKeyBytes), Leaf>,
    /// Devices that have proved to be behind a link which is open; delivery's to say.
    pub near: BTreeSet<DeviceId>,
    /// At most one for each member of each room.
    sequences: BTreeMap<(DeviceId, RoomId), Sequences>,
    /// Other devices of our own person, those that are gone among them; at most [`limits::SIBLINGS_KEPT_MAX`].
    pub siblings: BTreeMap<PeerId, Sibling>,
    /// Which devices people have, where they have said so by their second root key; of friends and of ourselves alone.
    pub listed: BTreeMap<PeerId, Listed>,
    /// How our person stands to others, as our devices agree; empty while there is one device. At most
    /// [`limits::PERSONS_MAX`].
    pub persons: BTreeMap<PeerId, Person>,
    /// What is being written and was not sent; at most [`limits::DRAFTS_MAX`].
    pub drafts: BTreeMap<DraftPlace, Draft>,
    /// Peer IDs and public keys.
    pub blocked: BTreeSet<Vec<u8>>,
    /// Devices of people who stay, and whose they are: at most [`limits::BARRED_OF_PERSON`] of each.
    pub barred: BTreeMap<DeviceId, Barred>,
    /// Grants of this run by which a friend may answer a Standing or have the room made again, and until
    /// when; at most [`limits::REPLY_GRANTS_MAX`].
    pub reply_grants: BTreeMap<GrantId, (PeerId, Timestamp)>,
    /// Lifelines of ours that friends hold; at most [`limits::LIFELINES_MAX`].
    pub lifelines: BTreeMap<PeerId, Given>,
    /// By what friends add us to rooms.
    pub packages: OwnPackages,
    /// What time it is.
    pub clock: Clock,
    /// How much of what others send is looked at; never stored.
    pub rates: Rates,
    /// Friends' devices whose build speaks another version than ours.
    pub builds: BTreeMap<DeviceId, Build>,
    /// What each device shares with this one to prove links, computed once.
    link_keys: HashMap<DeviceId, LinkKey>,
    /// What opens envelopes, for each device and each seed of ours that it may use; at most
    /// [`limits::SEEDS_KEPT_MAX`] of a device.
    inbound: BTreeMap<(DeviceId, u64), Inbound>,
    /// What became of what devices have sent lately.
    taken: Taken,
    /// How often a seed was added or taken out since the start.
    inbound_changes: u64,
    /// How often something has come since the start that may open what could not be opened before: a seed, a device, a room.
    openings: u64,
    /// Owners of leaves whose certificates were verified; at most [`limits::SPEAKERS_MAX`]. To verify them
    /// for each message costs more than to open it.
    speakers: HashMap<(RoomId, PublicKeyBytes), Speaker>,
    dirty_devices: BTreeSet<DeviceId>,
    dirty_channels: BTreeSet<DeviceId>,
    /// Devices whose rows are to be deleted.
    gone_devices: BTreeSet<DeviceId>,
    dirty_friends: BTreeSet<PeerId>,
    /// Pieces to delete at the end of the turn: those below these places.
    gone_pieces: Vec<(DeviceId, RoomId, u8)>,
    /// Lanes to write or to delete at the end of the turn.
    changed_sequences: BTreeSet<(DeviceId, RoomId)>,
    /// Seeds to write or to delete at the end of the turn.
    changed_inbound: BTreeSet<(DeviceId, u64)>,
    dirty_counters: bool,
    /// The first number of arrivals that may not be used before more are taken.
    arrivals_taken: u64,
    /// What the last row of [`Table::Arrival`] says.
    arrives_in: Option<RoomId>,
}

impl State {
    /// Loads the working set; at first run draws an identity and writes it.
    pub fn load(
        name: Option<String>,
        shelf: &dyn Shelf,
        now: Timestamp,
        rng: &mut ChaCha20Rng,
        out: &mut crate::turn::Out,
    ) -> Result<Self, TurnFailed> {
        let clock = Clock::load(shelf, now, shelf.get(Table::Meta, b"identity")?.is_none())?;
        let own = Own::load(name, shelf, (now, clock.sure()), rng, out)?;
        let counters = load::counters(shelf, out)?;
        let mut requests = load_all(shelf, Table::Request, |row: &Request| row.id)?;
        let mut friends = load_all(shelf, Table::Friend, |row: &Friend| row.peer)?;
        for peer in derive_trust(&mut friends, &mut requests) {
            // Kept at once: the requests that tell may be forgotten later.
            if let Some(friend) = friends.get(&peer) {
                out.changes.push_back(Change::Put(Table::Friend, peer.as_bytes().to_vec(), symbolon_presence::codec::encode_row(friend)));
            }
        }
        let mut devices = load_all(shelf, Table::Device, |row: &Device| row.device)?;
        let load::Lines { sequences, inbound, taken } = load::channels(shelf, &mut devices)?;
        let lifelines = load_all(shelf, Table::Lifeline, |row: &Given| row.peer)?;
        Ok(Self {
            invites: load_all(shelf, Table::Invite, |row: &Invite| row.grant)?,
            requests,
            introductions: load_all(shelf, Table::Introduction, |row: &Introducing| row.id)?,
            friends,
            devices,
            rooms: load_all(shelf, Table::Room, |row: &Room| row.room)?,
            groups: GroupRows::load(shelf)?,
            vouching: VouchingRows::load(shelf)?,
            leaves: load_all(shelf, Table::Leaf, |row: &Leaf| (row.room, row.leaf))?,
            sequences,
            inbound,
            taken: Taken::load(taken),
            reply_grants: load::lasting_replies(&lifelines),
            lifelines,
            packages: OwnPackages::load(shelf)?,
            siblings: load_all(shelf, Table::Sibling, |row: &Sibling| row.peer)?,
            listed: load_all(shelf, Table::Listed, |row: &Listed| row.person)?,
            persons: load_all(shelf, Table::Person, |row: &Person| row.said.person)?,
            drafts: load_all(shelf, Table::Draft, |row: &Draft| row.place)?,
            blocked: all_rows(shelf, Table::Blocked)?.into_iter().map(|(key, _)| key).filter(|key| key.len() != DeviceId::LEN).collect(),
            barred: load::barred(shelf)?,
            arrivals_taken: counters.arrival,
            arrives_in: shelf.range_back(Table::Arrival, &[u8::MAX; 9], 1)?.first().and_then(|(_, room)| RoomId::from_slice(room)),
            counters,
            ..Self::empty(own, clock)
        })
    }

    /// No rows, and nothing to do.
    fn empty(own: Own, clock: Clock) -> Self {
        Self {
            own,
            counters: Counters::default(),
            invites: BTreeMap::new(),
            requests: BTreeMap::new(),
            introductions: BTreeMap::new(),
            friends: BTreeMap::new(),
            devices: BTreeMap::new(),
            rooms: BTreeMap::new(),
            groups: GroupRows::default(),
            vouching: VouchingRows::default(),
            leaves: BTreeMap::new(),
            sequences: BTreeMap::new(),
            gone_pieces: Vec::new(),
            changed_sequences: BTreeSet::new(),
            blocked: BTreeSet::new(),
            barred: BTreeMap::new(),
            reply_grants: BTreeMap::new(),
            lifelines: BTreeMap::new(),
            packages: OwnPackages::default(),
            siblings: BTreeMap::new(),
            listed: BTreeMap::new(),
            persons: BTreeMap::new(),
            drafts: BTreeMap::new(),
            clock,
            rates: Rates::default(),
            builds: BTreeMap::new(),
            link_keys: HashMap::new(),
            inbound: BTreeMap::new(),
            taken: Taken::default(),
            inbound_changes: 0,
            openings: 0,
            changed_inbound: BTreeSet::new(),
            speakers: HashMap::new(),
            dirty_devices: BTreeSet::new(),
            near: BTreeSet::new(),
            dirty_channels: BTreeSet::new(),
            gone_devices: BTreeSet::new(),
            dirty_friends: BTreeSet::new(),
            dirty_counters: false,
            arrivals_taken: 0,
            arrives_in: None,
        }
    }

    /// Saves a friend.
    pub fn save_friend(&mut self, turn: &mut Turn<'_>, friend: Friend) {
        turn.put(Table::Friend, friend.peer.as_bytes(), &friend);
        self.friends.insert(friend.peer, friend);
    }

    /// A turn over this state, with the clock's moments.
    pub fn turn<'a>(
        &self,
        rng: &'a mut ChaCha20Rng,
        cipher: &'a mut dyn RoomCipher,
        shelf: &'a dyn Shelf,
        out: &'a mut crate::turn::Out,
    ) -> Turn<'a> {
        let clock = &self.clock;
        Turn { now: clock.now(), sure: clock.sure(), stamp: clock.stamp(), rng, cipher, shelf, out }
    }

    /// A device has just signed something with the time of its clock.
    pub fn heard_time(&mut self, device: &DeviceId, at: Timestamp) {
        let Some(peer) = self.devices.get(device).map(|device| device.peer) else { return };
        let is_friend = self.friends.get(&peer).is_some_and(Friend::stands);
        self.clock.heard(if is_friend { Signer::Friend(peer) } else { Signer::Asked(peer) }, at);
    }

    /// A friend to change; saved at the end of the turn.
    pub fn friend_mut(&mut self, peer: &PeerId) -> Option<&mut Friend> {
        let found = self.friends.get_mut(peer)?;
        self.dirty_friends.insert(*peer);
        Some(found)
    }

    /// Changes a friend's row and saves it; false when there is none.
    pub fn change_friend(&mut self, turn: &mut Turn<'_>, peer: &PeerId, change: impl FnOnce(&mut Friend)) -> bool {
        let Some(friend) = self.friends.get_mut(peer) else { return false };
        change(friend);
        turn.put(Table::Friend, peer.as_bytes(), friend);
        true
    }

    /// Changes a request's row and saves it.
    pub fn change_request(&mut self, turn: &mut Turn<'_>, id: &RequestId, change: impl FnOnce(&mut Request)) {
        if let Some(request) = self.requests.get_mut(id) {
            change(request);
            turn.put(Table::Request, id.as_bytes(), request);
        }
    }

    /// Saves a request.
    pub fn save_request(&mut self, turn: &mut Turn<'_>, request: Request) {
        turn.put(Table::Request, request.id.as_bytes(), &request);
        self.requests.insert(request.id, request);
    }

    /// Changes an invite's row and saves it.
    pub fn change_invite(&mut self, turn: &mut Turn<'_>, grant: &GrantId, change: impl FnOnce(&mut Invite)) {
        if let Some(invite) = self.invites.get_mut(grant) {
            change(invite);
            turn.put(Table::Invite, grant.as_bytes(), invite);
        }
    }

    /// Saves an invite.
    pub fn save_invite(&mut self, turn: &mut Turn<'_>, invite: Invite) {
        turn.put(Table::Invite, invite.grant.as_bytes(), &invite);
        self.invites.insert(invite.grant, invite);
    }

    /// Saves a mailbox of ours at a relay.
    pub fn save_relay_mailbox(&mut self, turn: &mut Turn<'_>, own: OwnRelayMailbox) {
        turn.put(Table::RelayMailbox, own.link.mailbox().as_bytes(), &own);
        self.own.relay_mailboxes.insert(own.link.mailbox(), own);
    }

    /// Saves what a friend was given.
    pub fn save_given(&mut self, turn: &mut Turn<'_>, given: Given) {
        turn.put(Table::Lifeline, given.peer.as_bytes(), &given);
        self.lifelines.insert(given.peer, given);
    }

    /// Saves a device at the end of the turn.
    pub fn save_device(&mut self, device: Device) {
        self.gone_devices.remove(&device.device);
        self.dirty_channels.insert(device.device);
        self.dirty_devices.insert(device.device);
        if self.devices.insert(device.device, device).is_none() {
            self.openings = self.openings.saturating_add(1);
        }
    }

    /// Forgets a device and its keys; its row goes at the end of the turn.
    pub fn forget_device(&mut self, device: &DeviceId) {
        self.devices.remove(device);
        self.near.remove(device);
        self.dirty_devices.remove(device);
        self.dirty_channels.remove(device);
        self.gone_devices.insert(*device);
        self.forget_all_sequences(device);
        self.builds.remove(device);
        self.link_keys.remove(device);
        self.forget_all_inbound(device);
    }

    /// A device to change; saved at the end of the turn.
    pub fn device_mut(&mut self, device: &DeviceId) -> Option<&mut Device> {
        let found = self.devices.get_mut(device)?;
        self.dirty_devices.insert(*device);
        Some(found)
    }

    /// Notes that a device has shown itself just now.
    pub fn note_heard(&mut self, device: &DeviceId, now: Timestamp) {
        let known = self.devices.get(device).and_then(|device| device.heard);
        if known.is_none_or(|at| now.since(at) >= MINUTE)
            && let Some(device) = self.device_mut(device)
        {
            device.heard = Some(now);
        }
    }

    /// The number of the next message to arrive.
    pub fn next_arrival(&mut self, turn: &mut Turn<'_>, conversation: &RoomId) -> u64 {
        let number = self.counters.arrival;
        if self.arrives_in.replace(*conversation) != Some(*conversation) {
            turn.put_raw(Table::Arrival, &number.to_be_bytes(), conversation.as_bytes().to_vec());
        }
        self.counters.arrival = number.saturating_add(1);
        if self.counters.arrival > self.arrivals_taken {
            self.arrivals_taken = number.saturating_add(ARRIVALS_TAKEN);
            self.dirty_counters = true;
        }
        number
    }

    /// Rows of [`Table::Arrival`] were taken out: the next arrival gets one.
    pub fn arrivals_forgotten(&mut self) {
        self.arrives_in = None;
    }

    /// How many messages are not in the index of words yet.
    pub fn index_backlog(&self) -> u64 {
        self.counters.arrival.saturating_sub(self.counters.indexed)
    }

    /// Messages with a lower number are in the index of words now.
    pub fn set_indexed(&mut self, number: u64) {
        self.counters.indexed = number;
        self.dirty_counters = true;
    }

    /// Writes what `device_mut` and `next_arrival` left to the end of the turn.
    pub fn flush(&mut self, turn: &mut Turn<'_>) {
        for id in std::mem::take(&mut self.dirty_devices) {
            if let Some(device) = self.devices.get(&id) {
                turn.put(Table::Device, id.as_bytes(), device);
            }
        }
        for id in std::mem::take(&mut self.gone_devices) {
            turn.delete(Table::Device, id.as_bytes());
            turn.delete(Table::Channel, id.as_bytes());
            turn.delete(Table::HeldLifeline, id.as_bytes());
        }
        self.flush_channels(turn);
        for peer in std::mem::take(&mut self.dirty_friends) {
            if let Some(friend) = self.friends.get(&peer) {
                turn.put(Table::Friend, peer.as_bytes(), friend);
            }
        }
        if std::mem::take(&mut self.dirty_counters) {
            turn.put(Table::Meta, b"counters", &Counters { arrival: self.arrivals_taken, ..self.counters });
        }
        // With what is written anyway.
        if std::mem::take(&mut turn.out.has_changed) {
            if std::mem::take(&mut self.own.dirty_starts) {
                turn.put(Table::Meta, b"starts", &self.own.starts);
            }
            self.clock.save(turn);
            turn.out.has_changed = false;
        }
    }

    /// Whether something may be sealed for a friend in their room.
    pub fn may_seal(&self, friend: &Friend) -> bool {
        friend.may_seal() && !self.own.is_halted && self.own.gone.is_none()
    }

    /// Own commits are due at once.
    #[cfg(feature = "testing")]
    pub fn hurry_commits(&mut self) {
        self.rooms.values_mut().filter_map(|row| row.commits.as_mut()).for_each(|commits| commits.due = Timestamp(0));
        self.groups.rooms.values_mut().for_each(|group| group.due = Timestamp(0));
    }

    /// Makes the state like that of an older build: no friend's version and no direct key is known.
    #[cfg(feature = "testing")]
    pub fn age(&mut self) {
        self.friends.values_mut().for_each(|friend| friend.version = None);
        self.devices.values_mut().for_each(|device| device.direct = None);
        self.dirty_friends.extend(self.friends.keys());
        self.dirty_devices.extend(self.devices.keys());
    }

    /// The friend to whom a device belongs.
    pub fn friend_of(&self, device: &DeviceId) -> Option<&Friend> {
        self.devices.get(device).and_then(|device| self.friends.get(&device.peer))
    }
}

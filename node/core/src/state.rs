//! The working set: every row that the core holds in memory, and how it is saved.
//!
//! Rows are loaded once at start and written whenever they change. What grows without end
//! (history, outbox, seen envelopes) is not here but on the shelf.

use crate::clock::{Clock, Signer};
use crate::command::{CommandError, Direction, RequestStatus, Trust};
use crate::limits;
use crate::rates::Rates;
use crate::rows::{self, DepotKey, Device, Friend, Introducing, Invite, OwnDepot, OwnPresence, Past, Request, Revoked, Start};
use crate::seam::{Address, LinkId};
use crate::table::{Change, Table};
use crate::turn::{Turn, TurnFailed, decode_row, read};
use crate::wire::{Contact, Depot, LeafCredential, Standing, Whereabouts};
use crate::world::{RANGE_LIMIT, RoomCipher, Rows, Shelf};
use minicbor::{Decode, Encode};
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use symbolon_presence::envelope::KnownKey;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{DeviceId, GrantId, LookupId, MailboxId, Nonce, PeerId, RequestId, RoomId};
use symbolon_presence::identity::Device as Speaker;
use symbolon_presence::identity::{CERT_MAX, DeviceCertBody, Identity, KNOWN_LONGER, StoredIdentity};
use symbolon_presence::kdf::{Secret, sha256};
use symbolon_presence::seal::DhPublic;
use symbolon_presence::time::{EARLIEST, MINUTE, Timestamp};
use symbolon_presence::words::fingerprint_words;
use symbolon_relay::admission::Admission;
use symbolon_relay::grant::{AddressBody, MailboxKeys, Scope, grant_key};
use symbolon_relay::prove::{Instance, LinkKey, WIRE_VERSION};
use symbolon_relay::put::{MailboxEntry, ReceiptItem};
use symbolon_relay::records::Found;

/// This node's own keys and facts. Row names in [`Table::Meta`]: `identity`, `mailbox`,
/// `friendship`, `past`, `revoked`, `presence`, `servers`, `lookups`, `findable`, `name`, `counters`, `clock`, `starts`, `behind`.
#[derive(Debug)]
pub(crate) struct Own {
    pub identity: Identity,
    pub peer: PeerId,
    /// Names this run of the node: drawn at each start, never stored.
    pub instance: Instance,
    /// The version of the wire that this build speaks.
    pub wire: u32,
    pub name: String,
    pub admission: Admission,
    pub friendship: FriendshipSecret,
    /// Secrets that are over; at most [`limits::PAST_MAX`].
    pub past: Vec<Past>,
    pub presence: OwnPresence,
    /// DHT servers that were met, for the next start; at most [`limits::SERVERS_MAX`].
    pub servers: Vec<Address>,
    /// Lookup servers that the user has named, and those named for this start only; each at
    /// most [`limits::LOOKUPS_MAX`].
    pub lookups: Vec<Address>,
    pub lookups_now: Vec<Address>,
    /// The starts of this folder, the newest last; at most [`limits::INSTANCES_OWN_MAX`].
    pub starts: Vec<Start>,
    /// Another copy of this folder runs: nothing is sealed, and nobody is called.
    pub is_halted: bool,
    /// This one was halted, and goes on since then.
    pub has_gone_on: Option<Timestamp>,
    /// Starts of the other copy that were heard a moment after that.
    pub ignored: Vec<Nonce>,
    /// Whether whoever knows our Peer ID may find a way in.
    pub is_findable: bool,
    /// Records published last, for friends who ask this node itself; never stored.
    pub records: BTreeMap<LookupId, Vec<u8>>,
    /// Of each day to come, what our relays are to publish; while we have relays.
    pub away: BTreeMap<u32, Vec<Vec<u8>>>,
    /// Where this node can be reached now; told by the world, never stored.
    pub places: Vec<Address>,
    /// Own mailboxes at relays.
    pub depots: BTreeMap<MailboxId, OwnDepot>,
    /// Grants that our relays take no longer; fewer than [`limits::REVOKED_MAX`].
    pub revoked: Vec<Revoked>,
}

impl Own {
    /// Whether the user has just let this copy go on.
    pub fn is_at_peace(&self, now: Timestamp) -> bool {
        self.has_gone_on.is_some_and(|since| now.since(since) < limits::COPY_PEACE)
    }

    /// Where one person may know that this node is: one from whom it hides is told no place of it.
    pub fn places_for(&self, peer: &PeerId) -> &[Address] {
        if self.presence.is_hidden_from(peer) { &[] } else { &self.places }
    }

    /// A queue address of the own mailbox with the key that goes with it.
    pub fn address(&self, rng: &mut ChaCha20Rng, grant: GrantId, scope: Scope, expires: Timestamp, uses: u32) -> (MailboxEntry, Secret) {
        let keys = self.admission.keys();
        let queue = if scope == Scope::Contact { keys.contact } else { keys.direct };
        let body = AddressBody { queue, grant, scope, expires, uses };
        let key = keys.put_key(&self.admission.id(), &body, &self.friendship);
        let sealed = keys.seal_address(&body, rng);
        (MailboxEntry::own(keys, self.identity.signing.public(), sealed, self.places.clone()), key)
    }

    /// The same for each of the own mailboxes at relays.
    pub fn depots(&self, rng: &mut ChaCha20Rng, grant: GrantId, scope: Scope, expires: Timestamp, uses: u32) -> Vec<Depot> {
        let mut depots = Vec::with_capacity(self.depots.len());
        for (mailbox, own) in self.depots.iter().filter(|(_, own)| own.is_told()) {
            let queue = if scope == Scope::Contact { own.contact } else { own.direct };
            let body = AddressBody { queue, grant, scope, expires, uses };
            let key = match scope {
                Scope::Friends(_) => self.friendship.put(mailbox),
                Scope::Guest | Scope::Contact => grant_key(&own.queue_secret, &body),
            };
            let Some(address) = own.link.seal_address(&body, rng) else { continue };
            let entry = MailboxEntry { mailbox: *mailbox, receipt: own.link.receipt, address, places: own.link.places.clone() };
            depots.push(Depot { entry, key });
        }
        depots
    }

    /// At how many relays others may leave something.
    pub fn told_depots(&self) -> usize {
        self.depots.values().filter(|own| own.is_told()).count()
    }

    /// The own mailboxes as one friend gets to know them.
    pub fn whereabouts_for(&self, rng: &mut ChaCha20Rng, peer: &PeerId) -> Whereabouts {
        let mut whereabouts = self.whereabouts(rng);
        whereabouts.entry.places = self.places_for(peer).to_vec();
        whereabouts
    }

    /// The own mailboxes as friends get to know them.
    pub fn whereabouts(&self, rng: &mut ChaCha20Rng) -> Whereabouts {
        let grant = GrantId::random(rng);
        let scope = Scope::Friends(self.friendship.revision);
        let entry = self.address(rng, grant, scope, Timestamp(u64::MAX), 0).0;
        let depots = self.depots(rng, grant, scope, Timestamp(u64::MAX), 0);
        Whereabouts { entry, depots: depots.into_iter().map(|depot| depot.entry).collect() }
    }
}

/// A friend's build that speaks another version than ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Build {
    /// 0 stands for all before links were proved.
    pub version: u32,
    /// Whether the device itself has said so.
    pub is_sure: bool,
    /// When that was last seen.
    pub at: Timestamp,
}

/// Counters that must not run backwards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Counters {
    /// The number of the next message to arrive, over all conversations.
    #[n(0)]
    pub arrival: u64,
    /// Messages with a lower number are in the index of words.
    #[n(1)]
    pub indexed: u64,
}

/// Why a friend's records are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The friend cannot be reached.
    Missed,
    /// The friend's node says that our keys are over.
    Stale,
}

/// What shows that this folder is an older copy, or that another copy of it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A relay or a lookup server holds something of ours that this folder did not write.
    Newer,
    /// A friend holds a later friendship secret of ours, of this revision.
    Revision(u64),
    /// Another copy was at work while this one ran; and whether it was started later.
    Rival { is_later: bool },
}

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
    /// Peer IDs and public keys.
    pub blocked: BTreeSet<Vec<u8>>,
    /// Signs, seen in this turn, that somebody has seen a newer state of this folder.
    pub signs: Vec<Sign>,
    /// Friends whose rooms are there, and for whom texts are held.
    pub releasing: BTreeSet<PeerId>,
    /// Devices whose rows have gone in this input, with the keys of envelopes from them: the machines forget them, too.
    pub forgotten: Vec<(Device, Option<KnownKey>)>,
    /// Devices whose envelopes are counted from elsewhere now.
    pub relined: BTreeSet<DeviceId>,
    /// What devices have said about how they stand with us, and want answered.
    pub standings: Vec<(DeviceId, Standing)>,
    /// Grants of this run by which a friend may answer a Standing or have the room made again, and until
    /// when; at most [`limits::REPLY_GRANTS_MAX`].
    pub reply_grants: BTreeMap<GrantId, (PeerId, Timestamp)>,
    /// Devices that have not answered how they stand with us.
    pub awaiting: BTreeSet<DeviceId>,
    /// Devices to which it is to be said how we stand, and by which way where they have named one.
    pub compare: BTreeMap<DeviceId, Option<Contact>>,
    /// When a device was first heard in another start than before; at most one moment for each.
    pub starts_heard: BTreeMap<DeviceId, Timestamp>,
    /// Devices for which something new lies in the outbox.
    pub wake: BTreeSet<DeviceId>,
    /// Devices to which no link may stay open.
    pub hang_up: BTreeSet<DeviceId>,
    /// Devices whose outbox has changed beneath what is on its way: put it anew.
    pub restart: BTreeSet<DeviceId>,
    /// Devices that miss a frame and ask for everything again.
    pub asked_again: BTreeSet<DeviceId>,
    /// A friend's secret has come: what the LAN shows may be theirs.
    pub has_new_friend: bool,
    /// What our records say has changed.
    pub republish: bool,
    /// Others may leave things at other relays of ours than before: friends and those who were
    /// asked hear of it.
    pub has_other_depots: bool,
    /// Copies at relays are to be looked at again: some of them do not count any more.
    pub recounts: bool,
    /// Our tree or header is full: it takes a new generation.
    pub needs_generation: bool,
    /// What time it is.
    pub clock: Clock,
    /// Somebody was taken out since this was last looked at.
    pub has_revoked: bool,
    /// Our relays take other grants than they know of.
    pub has_ended_grants: bool,
    /// Our relays have another queue secret: who was asked gets another address.
    pub has_new_secrets: bool,
    /// People to whose devices a Confirm of ours may be on its way.
    pub confirming: BTreeSet<PeerId>,
    /// Devices whose places or keys were read anew.
    pub moved: BTreeSet<DeviceId>,
    /// Friends whose records are to be read.
    pub seek: BTreeMap<PeerId, Why>,
    /// What other nodes answered to look-ups in this turn, each by its link.
    pub found: Vec<(LinkId, Found)>,
    /// Where friends are on the LAN.
    pub near: BTreeMap<PeerId, Vec<Address>>,
    /// Devices that cannot be reached directly: what waits for them goes to their relays.
    pub unreachable: BTreeSet<DeviceId>,
    /// Entries of own mailboxes at relays that are settled here, and may be deleted there.
    pub fetched: Vec<(DepotKey, u64)>,
    /// Those of them that came by an invite which somebody else had used.
    pub used_up: BTreeSet<(DepotKey, u64)>,
    /// What became of envelopes that a device sent by way of a relay, until the turn ends.
    pub owed: BTreeMap<DeviceId, Vec<ReceiptItem>>,
    /// What a device says became of envelopes of ours.
    pub told: Vec<(DeviceId, ReceiptItem)>,
    /// How much of what others send is looked at; never stored.
    pub rates: Rates,
    /// Devices whose owners have become friends, or are again.
    pub befriended: BTreeSet<DeviceId>,
    /// Friends' devices whose build speaks another version than ours.
    pub builds: BTreeMap<DeviceId, Build>,
    /// What each device shares with this one to prove links, computed once.
    link_keys: HashMap<DeviceId, LinkKey>,
    /// Envelope keys to and from each device, computed once.
    envelope_keys: HashMap<DeviceId, (KnownKey, KnownKey)>,
    /// Leaf credentials whose two signatures were verified, by hash of room, leaf and
    /// credential; at most [`limits::SPEAKERS_MAX`]. To verify them for each message costs more
    /// than to open it.
    speakers: HashMap<[u8; 32], Speaker>,
    dirty_devices: BTreeSet<DeviceId>,
    /// Devices whose rows are to be deleted.
    gone_devices: BTreeSet<DeviceId>,
    dirty_friends: BTreeSet<PeerId>,
    dirty_counters: bool,
    dirty_starts: bool,
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
        let stored = shelf.get(Table::Meta, b"identity")?;
        let clock = Clock::load(shelf, now, stored.is_none())?;
        let identity = match stored {
            Some(bytes) => Identity::from_stored(&decode_row::<StoredIdentity>(&bytes)?),
            None => {
                // Good from the same moment on for everybody, so also if this clock is ahead.
                let life = now.since(EARLIEST).saturating_add(limits::DEVICE_LIFETIME);
                let identity = Identity::generate(rng, EARLIEST, life);
                put_meta(out, b"identity", &identity.to_stored());
                put_meta(out, b"mailbox", &MailboxKeys::random(rng));
                put_meta(out, b"friendship", &FriendshipSecret { revision: u64::from(rows::begin(rng)), secret: Secret::random(rng) });
                put_meta(out, b"name", &default_name(&identity.peer()));
                identity
            }
        };
        let meta = |name: &[u8], out: &crate::turn::Out| read(shelf, &out.changes, Table::Meta, name);
        let missing = TurnFailed("a row that must be in the store is missing");
        let keys: MailboxKeys = decode_row(&meta(b"mailbox", out)?.ok_or(missing)?)?;
        let friendship = decode_row(&meta(b"friendship", out)?.ok_or(missing)?)?;
        let past = meta(b"past", out)?.map(|bytes| decode_row(&bytes)).transpose()?.unwrap_or_default();
        let revoked = meta(b"revoked", out)?.map(|bytes| decode_row(&bytes)).transpose()?.unwrap_or_default();
        let presence = match meta(b"presence", out)? {
            Some(bytes) => decode_row(&bytes)?,
            None => {
                let presence = OwnPresence::random(clock.sure(), rng);
                put_meta(out, b"presence", &presence);
                presence
            }
        };
        let servers = meta(b"servers", out)?.map(|bytes| decode_row(&bytes)).transpose()?.unwrap_or_default();
        let lookups = meta(b"lookups", out)?.map(|bytes| decode_row(&bytes)).transpose()?.unwrap_or_default();
        let is_findable = meta(b"findable", out)?.map(|bytes| decode_row(&bytes)).transpose()?.unwrap_or_default();
        let starts = begin_start(meta(b"starts", out)?, now, rng)?;
        let stored_name: String = decode_row(&meta(b"name", out)?.ok_or(missing)?)?;
        let counters = meta(b"counters", out)?.map(|bytes| decode_row(&bytes)).transpose()?.unwrap_or_default();
        let name = match name.filter(|name| *name != stored_name) {
            Some(name) => {
                put_meta(out, b"name", &name);
                name
            }
            None => stored_name,
        };
        let peer = identity.peer();
        let depots = load_all(shelf, Table::Depot, |row: &OwnDepot| row.link.mailbox())?;
        let mut requests = load_all(shelf, Table::Request, |row: &Request| row.id)?;
        let mut friends = load_all(shelf, Table::Friend, |row: &Friend| row.peer)?;
        for peer in settle_trust(&mut friends, &mut requests) {
            // Kept at once: the requests that tell may be forgotten later.
            if let Some(friend) = friends.get(&peer) {
                out.changes.push_back(Change::Put(Table::Friend, peer.as_bytes().to_vec(), symbolon_presence::codec::encode_row(friend)));
            }
        }
        let answers =
            |row: &&Request| row.direction == Direction::Out && matches!(row.status, RequestStatus::Accepted | RequestStatus::Confirmed);
        let confirming = requests.values().filter(answers).map(|row| row.peer).collect();
        Ok(Self {
            own: Own {
                identity,
                peer,
                instance: starts.last().map_or([0; 16], |start| *start.instance.as_bytes()),
                wire: WIRE_VERSION,
                name,
                admission: Admission::new(keys),
                friendship,
                past,
                presence,
                servers,
                lookups,
                lookups_now: Vec::new(),
                starts,
                is_halted: false,
                has_gone_on: None,
                ignored: Vec::new(),
                is_findable,
                records: BTreeMap::new(),
                away: BTreeMap::new(),
                places: Vec::new(),
                depots,
                revoked,
            },
            counters,
            invites: load_all(shelf, Table::Invite, |row: &Invite| row.grant)?,
            requests,
            introductions: load_all(shelf, Table::Introduction, |row: &Introducing| row.id)?,
            friends,
            devices: load_all(shelf, Table::Device, |row: &Device| row.device)?,
            blocked: all_rows(shelf, Table::Blocked)?.into_iter().map(|(key, _)| key).collect(),
            signs: Vec::new(),
            releasing: BTreeSet::new(),
            forgotten: Vec::new(),
            relined: BTreeSet::new(),
            standings: Vec::new(),
            reply_grants: BTreeMap::new(),
            awaiting: BTreeSet::new(),
            compare: BTreeMap::new(),
            starts_heard: BTreeMap::new(),
            wake: BTreeSet::new(),
            has_new_friend: false,
            republish: false,
            has_other_depots: false,
            recounts: false,
            needs_generation: false,
            clock,
            has_revoked: false,
            has_ended_grants: false,
            has_new_secrets: false,
            confirming,
            moved: BTreeSet::new(),
            seek: BTreeMap::new(),
            found: Vec::new(),
            near: BTreeMap::new(),
            hang_up: BTreeSet::new(),
            restart: BTreeSet::new(),
            asked_again: BTreeSet::new(),
            unreachable: BTreeSet::new(),
            fetched: Vec::new(),
            used_up: BTreeSet::new(),
            owed: BTreeMap::new(),
            told: Vec::new(),
            rates: Rates::default(),
            befriended: BTreeSet::new(),
            builds: BTreeMap::new(),
            link_keys: HashMap::new(),
            envelope_keys: HashMap::new(),
            speakers: HashMap::new(),
            dirty_devices: BTreeSet::new(),
            gone_devices: BTreeSet::new(),
            dirty_friends: BTreeSet::new(),
            dirty_counters: false,
            dirty_starts: true,
        })
    }

    /// Saves a friend.
    pub fn save_friend(&mut self, turn: &mut Turn<'_>, friend: Friend) {
        turn.put(Table::Friend, friend.peer.as_bytes(), &friend);
        self.friends.insert(friend.peer, friend);
    }

    /// A friend's records are to be read. The more pressing reason counts.
    pub fn seek(&mut self, peer: PeerId, why: Why) {
        let known = self.seek.entry(peer).or_insert(why);
        *known = why.max(*known);
    }

    /// A friend's device cannot be reached.
    pub fn miss(&mut self, device: &DeviceId) {
        self.unreachable.insert(*device);
        if let Some(peer) = self.friend_of(device).map(|friend| friend.peer) {
            self.seek(peer, Why::Missed);
        }
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

    /// Saves a friend at the end of the turn: for what changes with every text.
    pub fn save_friend_later(&mut self, friend: Friend) {
        self.dirty_friends.insert(friend.peer);
        self.friends.insert(friend.peer, friend);
    }

    /// Saves a request.
    pub fn save_request(&mut self, turn: &mut Turn<'_>, request: Request) {
        turn.put(Table::Request, request.id.as_bytes(), &request);
        self.requests.insert(request.id, request);
    }

    /// Saves an invite.
    pub fn save_invite(&mut self, turn: &mut Turn<'_>, invite: Invite) {
        turn.put(Table::Invite, invite.grant.as_bytes(), &invite);
        self.invites.insert(invite.grant, invite);
    }

    /// Saves a mailbox of ours at a relay.
    pub fn save_depot(&mut self, turn: &mut Turn<'_>, own: OwnDepot) {
        turn.put(Table::Depot, own.link.mailbox().as_bytes(), &own);
        self.own.depots.insert(own.link.mailbox(), own);
    }

    /// Saves a device at the end of the turn; its counters change with every envelope.
    pub fn save_device(&mut self, device: Device) {
        self.gone_devices.remove(&device.device);
        self.dirty_devices.insert(device.device);
        self.devices.insert(device.device, device);
    }

    /// Forgets a device and what hangs on it; its row goes at the end of the turn.
    pub fn forget_device(&mut self, device: &DeviceId) {
        let key = self.envelope_key_from(device);
        let Some(row) = self.devices.remove(device) else { return };
        self.dirty_devices.remove(device);
        self.gone_devices.insert(*device);
        for set in [
            &mut self.relined,
            &mut self.awaiting,
            &mut self.wake,
            &mut self.hang_up,
            &mut self.restart,
            &mut self.asked_again,
            &mut self.moved,
            &mut self.unreachable,
            &mut self.befriended,
        ] {
            set.remove(device);
        }
        self.compare.remove(device);
        self.starts_heard.remove(device);
        self.builds.remove(device);
        self.owed.remove(device);
        self.link_keys.remove(device);
        self.envelope_keys.remove(device);
        self.told.retain(|(of, _)| of != device);
        self.standings.retain(|(of, _)| of != device);
        self.forgotten.push((row, key));
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

    /// The key of known envelopes to a device.
    pub fn envelope_key_to(&mut self, device: &DeviceId) -> Option<KnownKey> {
        self.envelope_keys(device).map(|(to, _)| to.clone())
    }

    /// The key of known envelopes from a device.
    pub fn envelope_key_from(&mut self, device: &DeviceId) -> Option<KnownKey> {
        self.envelope_keys(device).map(|(_, from)| from.clone())
    }

    /// What a device shares with this one to prove links.
    pub fn link_key(&mut self, device: &DeviceId) -> Option<&LinkKey> {
        if !self.link_keys.contains_key(device) {
            let other = self.devices.get(device)?;
            let cert: DeviceCertBody = symbolon_presence::codec::decode(&other.chain.cert, CERT_MAX).ok()?;
            let dh = DhPublic::parse(&cert.dh).ok()?;
            let me = &self.own.identity;
            self.link_keys.insert(*device, LinkKey::agree(&me.dh, &dh, &me.device, device));
        }
        self.link_keys.get(device)
    }

    /// The device that a leaf's credential proves, verified once and then remembered.
    /// It is somebody known: their certificate may have expired, as [`Chain::verify_known`] says.
    pub fn speaker(&mut self, room: &RoomId, leaf: &[u8; 32], credential: &[u8], sure: Timestamp) -> Option<Speaker> {
        // All parts but the last are of fixed length, so nothing else has this hash.
        let name = sha256(&[room.as_bytes().as_slice(), leaf, credential].concat());
        if let Some(known) = self.speakers.get(&name).filter(|known| !known.not_after.after(KNOWN_LONGER).is_expired_at(sure)) {
            return Some(known.clone());
        }
        let speaker = LeafCredential::verify_known(credential, room, leaf, sure)?;
        if self.speakers.len() >= limits::SPEAKERS_MAX {
            self.speakers.clear();
        }
        self.speakers.insert(name, speaker.clone());
        Some(speaker)
    }

    fn envelope_keys(&mut self, device: &DeviceId) -> Option<&(KnownKey, KnownKey)> {
        let other = self.devices.get(device)?;
        let me = &self.own.identity;
        if !self.envelope_keys.contains_key(device) {
            let cert: DeviceCertBody = symbolon_presence::codec::decode(&other.chain.cert, CERT_MAX).ok()?;
            let dh = DhPublic::parse(&cert.dh).ok()?;
            let to = KnownKey::agree(&me.dh, &dh, &me.device, device);
            let from = KnownKey::agree(&me.dh, &dh, device, &me.device);
            self.envelope_keys.insert(*device, (to, from));
        }
        self.envelope_keys.get(device)
    }

    /// The number of the next message to arrive.
    pub fn next_arrival(&mut self) -> u64 {
        let number = self.counters.arrival;
        self.counters.arrival = number.saturating_add(1);
        self.dirty_counters = true;
        number
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
        }
        for peer in std::mem::take(&mut self.dirty_friends) {
            if let Some(friend) = self.friends.get(&peer) {
                turn.put(Table::Friend, peer.as_bytes(), friend);
            }
        }
        if std::mem::take(&mut self.dirty_counters) {
            turn.put(Table::Meta, b"counters", &self.counters);
        }
        // With what is written anyway.
        if std::mem::take(&mut turn.out.has_changed) {
            if std::mem::take(&mut self.dirty_starts) {
                turn.put(Table::Meta, b"starts", &self.own.starts);
            }
            self.clock.save(turn);
            turn.out.has_changed = false;
        }
    }

    /// Blocks an identity and its keys: all of them or, when there is no room, none.
    pub fn block_keys(&mut self, turn: &mut Turn<'_>, keys: &BTreeSet<Vec<u8>>) -> Result<(), CommandError> {
        let fresh = keys.iter().filter(|key| !self.blocked.contains(*key)).count();
        if self.blocked.len().saturating_add(fresh) > limits::BLOCKED_MAX {
            return Err(CommandError::Full);
        }
        for key in keys {
            if self.blocked.insert(key.clone()) {
                turn.put_raw(Table::Blocked, key, Vec::new());
            }
        }
        Ok(())
    }

    /// Takes a block back.
    pub fn unblock_key(&mut self, turn: &mut Turn<'_>, key: &[u8]) {
        if self.blocked.remove(key) {
            turn.delete(Table::Blocked, key);
        }
    }

    /// Whether something may be sealed for a friend in their room.
    pub fn may_seal(&self, friend: &Friend) -> bool {
        friend.may_seal() && !self.own.is_halted
    }

    /// This copy goes on where another one ran: to those who hear it, it was started now.
    pub fn start_over(&mut self, now: Timestamp, rng: &mut ChaCha20Rng) {
        if self.own.starts.len() >= limits::INSTANCES_OWN_MAX {
            self.own.starts.remove(0);
        }
        let instance = Nonce::random(rng);
        self.own.instance = *instance.as_bytes();
        self.own.has_gone_on = Some(now);
        self.own.starts.push(Start { instance, started: now, over: None, word: None });
        self.dirty_starts = true;
    }

    /// A copy of this folder was noticed: its starts surprise nobody any more.
    pub fn know_start(&mut self, start: Start) {
        if self.own.starts.len() >= limits::INSTANCES_OWN_MAX {
            self.own.starts.remove(0);
        }
        // The present one stays the last.
        let present = self.own.starts.len().saturating_sub(1);
        self.own.starts.insert(present, start);
        self.dirty_starts = true;
    }

    /// This start of the folder.
    pub fn start(&self) -> Start {
        // One is there from the beginning.
        self.own.starts.last().cloned().unwrap_or(Start { instance: Nonce([0; 16]), started: Timestamp(0), over: None, word: None })
    }

    /// The friend to whom a device belongs.
    pub fn friend_of(&self, device: &DeviceId) -> Option<&Friend> {
        self.devices.get(device).and_then(|device| self.friends.get(&device.peer))
    }
}

/// Notes that this folder was started once more: written with the first turn that writes anything,
/// so that a full disk can still be started on.
fn begin_start(stored: Option<Vec<u8>>, now: Timestamp, rng: &mut ChaCha20Rng) -> Result<Vec<Start>, TurnFailed> {
    let mut starts: Vec<Start> = stored.map(|bytes| decode_row(&bytes)).transpose()?.unwrap_or_default();
    if starts.len() >= limits::INSTANCES_OWN_MAX {
        starts.remove(0);
    }
    starts.push(Start { instance: Nonce::random(rng), started: now, over: None, word: None });
    Ok(starts)
}

/// A name for somebody who gave none: the first two fingerprint words.
fn default_name(peer: &PeerId) -> String {
    let words = fingerprint_words(peer);
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    words.split(' ').take(2).map(capital).collect::<Vec<_>>().join(" ")
}

/// Rows of version 2 say the same of a friend whose invite was used and of one whose words
/// were compared. A friend who only ever asked us, by an invite of ours, was compared; of
/// any other it cannot be told. Answers whose row has changed.
pub(crate) fn settle_trust(friends: &mut BTreeMap<PeerId, Friend>, requests: &mut BTreeMap<RequestId, Request>) -> Vec<PeerId> {
    let mut settled = Vec::new();
    for friend in friends.values_mut().filter(|friend| friend.trust == Trust::InvitedOrCompared) {
        let mut asked = requests.values().filter(|row| row.peer == friend.peer).peekable();
        let is_compared =
            asked.peek().is_some() && asked.all(|row| row.direction == Direction::In && row.trust != Trust::InvitedOrCompared);
        friend.trust = if is_compared { Trust::Verified } else { Trust::Invited };
        settled.push(friend.peer);
    }
    for request in requests.values_mut().filter(|request| request.trust == Trust::InvitedOrCompared) {
        request.trust = Trust::Invited;
    }
    settled
}

fn put_meta<T: Encode<()>>(out: &mut crate::turn::Out, name: &[u8], value: &T) {
    out.changes.push_back(Change::Put(Table::Meta, name.to_vec(), symbolon_presence::codec::encode_row(value)));
}

fn all_rows(shelf: &dyn Shelf, table: Table) -> Result<Rows, TurnFailed> {
    let mut rows = Rows::new();
    let mut from = Vec::new();
    loop {
        let page = shelf.range(table, &from, RANGE_LIMIT)?;
        let Some((last, _)) = page.last() else { return Ok(rows) };
        // The smallest key behind the last one.
        from = [last.as_slice(), &[0]].concat();
        rows.extend(page);
    }
}

fn load_all<K: Ord, T: for<'b> Decode<'b, ()> + Encode<()>>(
    shelf: &dyn Shelf,
    table: Table,
    key: impl Fn(&T) -> K,
) -> Result<BTreeMap<K, T>, TurnFailed> {
    all_rows(shelf, table)?.into_iter().map(|(_, bytes)| decode_row::<T>(&bytes).map(|row| (key(&row), row))).collect()
}

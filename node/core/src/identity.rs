//! This device: its keys and name, its mailboxes, what friends have of it, and the starts of its folder.

use crate::limits;
use crate::notice::IdentityNotice;
use crate::rows::{self, OwnPresence, OwnRelayMailbox, Past, Revoked, Start};
use crate::seam::Address;
use crate::table::Table;
use crate::turn::load_all;
use crate::turn::put_meta;
use crate::turn::{Out, Turn, TurnFailed, decode_row, read};
use crate::wire::{Capabilities, RelayMailbox, Whereabouts};
use crate::world::Shelf;
use minicbor::{Decode, Encode};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::codec;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{GrantId, LookupId, MailboxId, Nonce, PeerId, PublicKeyBytes};
use symbolon_presence::identity::{Identity, StoredIdentity};
use symbolon_presence::kdf::{Secret, derive};
use symbolon_presence::labels::KEY_FRIENDS_ADDRESS;
use symbolon_presence::time::{CLOCK_SKEW, EARLIEST, Timestamp};
use symbolon_presence::words::fingerprint_words;
use symbolon_relay::admission::Admission;
use symbolon_relay::grant::{AddressBody, MailboxKeys, Scope, grant_key};
use symbolon_relay::prove::{Instance, WIRE_VERSION};
use symbolon_relay::put::MailboxEntry;

mod direct;

pub(crate) use direct::DirectKeys;
use direct::Speaks;

/// What our records say is something else now.
pub(crate) fn records_changed(turn: &mut Turn<'_>) {
    turn.tell(IdentityNotice::RecordsChanged);
}

/// Our certificate was renewed: it is kept, and shown to all.
pub(crate) fn certificate_renewed(turn: &mut Turn<'_>, identity: &Identity) {
    turn.put(Table::Meta, b"identity", &identity.to_stored());
    records_changed(turn);
    turn.tell(IdentityNotice::CertificateRenewed);
}

/// Row `moved`: this folder was a copy of another device's, and is a device of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Moved {
    /// Since when.
    #[n(0)]
    pub at: Timestamp,
    /// Whether its user has said that they have seen it.
    #[n(1)]
    pub is_seen: bool,
}

/// This node's own keys and facts. Row names in [`Table::Meta`]: `identity`, `mailbox`,
/// `friendship`, `past`, `revoked`, `presence`, `servers`, `lookups`, `findable`, `rooms ask`, `name`, `counters`, `clock`, `starts`, `behind`,
/// `direct`, `wire`, `stocks`, `label`, `gone`, `serial`, `backup key`, `moves`, `moved`.
#[derive(Debug)]
pub(crate) struct Own {
    pub identity: Identity,
    pub peer: PeerId,
    person: PersonOf,
    /// Names this run of the node: drawn at each start, never stored.
    pub instance: Instance,
    /// What this device is called among those of its person; empty for none.
    pub label: String,
    /// An older device of the person has said that this one is theirs no more.
    pub gone: Option<Timestamp>,
    /// What backups are sealed under, when the entropy is not here any more.
    pub backup_key: Option<Secret>,
    /// The number of the device list that the person had when this device was restored, which does not name it.
    pub listed_before: Option<u64>,
    /// This folder was a copy of another device's, and is a device of its own since then.
    pub moved: Option<Moved>,
    /// This folder becomes a device of its own as soon as its node is started again.
    pub moves: bool,
    /// The highest serial that this root has given a certificate.
    pub last_serial: u64,
    /// The version of the wire that this build speaks.
    pub wire: u32,
    /// What this build takes.
    pub capabilities: Capabilities,
    pub name: String,
    pub admission: Admission,
    pub friendship: FriendshipSecret,
    /// What direct envelopes are sealed to.
    pub direct: DirectKeys,
    speaks: Speaks,
    /// Secrets that have expired; at most [`limits::PAST_MAX`].
    pub past: Vec<Past>,
    pub presence: OwnPresence,
    /// DHT servers that were met, for the next start; at most [`limits::SERVERS_MAX`].
    pub servers: Vec<Address>,
    /// Lookup servers that the user has named, and those named for this start only; each at
    /// most [`limits::LOOKUPS_MAX`].
    pub lookups: Vec<Address>,
    pub lookups_now: Vec<Address>,
    /// Whether rooms of ours may have their hub here, for this start.
    pub is_hub: bool,
    /// The starts of this folder, the newest last; at most [`limits::INSTANCES_OWN_MAX`].
    pub starts: Vec<Start>,
    /// Another copy of this folder runs: nothing is sealed, and nobody is called.
    pub is_halted: bool,
    /// This one was halted, and continues since then by its user's word.
    pub has_gone_on: Option<Timestamp>,
    /// Starts of the other copy that were heard a moment after that.
    pub ignored: Vec<Nonce>,
    /// Whether anyone who knows our Peer ID may find a way in.
    pub is_findable: bool,
    /// Whether our user is asked before a room is shown into which a friend has brought us.
    pub asks_for_rooms: bool,
    /// Whether we vouch for friends who knock at a room of ours, without a question.
    pub vouches: bool,
    /// Which of our devices has set what the user can set, and how often; by the numbers of the settings, and none of what nobody has.
    pub settings: BTreeMap<u8, rows::SetBy>,
    /// Records published last, for friends who ask this node itself; never stored.
    pub records: BTreeMap<LookupId, Vec<u8>>,
    /// Of each day to come, what our relays are to publish; while we have relays.
    pub away: BTreeMap<u32, Vec<Vec<u8>>>,
    /// Bodies of our open invites for today and tomorrow, for anyone who asks this node itself; never stored.
    pub bodies: BTreeMap<LookupId, Vec<u8>>,
    /// Invites whose bodies were found at servers since the start.
    pub kept_bodies: BTreeSet<GrantId>,
    /// Where bodies of used invites would lie: who asks for one holds a link that somebody else has used.
    pub used_bodies: BTreeSet<LookupId>,
    /// The bodies of each day to come, for our relays.
    pub bodies_ahead: BTreeMap<u32, Vec<Vec<u8>>>,
    /// Where this node can be reached now; the world says it, and it is never stored.
    pub places: Vec<Address>,
    /// Own mailboxes at relays.
    pub relay_mailboxes: BTreeMap<MailboxId, OwnRelayMailbox>,
    /// Grants that our relays do not take any more; fewer than [`limits::REVOKED_MAX`].
    pub revoked: Vec<Revoked>,
    /// Whether `starts` differ from their row.
    pub dirty_starts: bool,
}

/// Our person's Peer ID, hashed once for a root key: where a name is looked for, each friend's row is held against it.
#[derive(Debug, Default)]
struct PersonOf(Cell<Option<(PublicKeyBytes, PeerId)>>);

impl PersonOf {
    fn get(&self, identity: &Identity) -> PeerId {
        let root = identity.chain.root;
        if let Some((_, person)) = self.0.get().filter(|(of, _)| *of == root) {
            return person;
        }
        let person = identity.person();
        self.0.set(Some((root, person)));
        person
    }
}

impl Own {
    /// Whether the user has just let this copy continue.
    pub fn is_at_peace(&self, now: Timestamp) -> bool {
        self.has_gone_on.is_some_and(|since| now.since(since) < limits::COPY_PEACE)
    }

    /// Whether the certificate of this device has ended and another device renews it: nothing new is shown under it.
    /// The device that holds the root key renews its own before.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.identity.root.is_none() && self.identity.chain.body().is_some_and(|body| body.not_after.is_expired_at(now))
    }

    /// Whether this device shows its certificate to people who do not know it, or brings somebody in by it: not while
    /// another copy of this folder runs, nor once it has ended.
    pub fn may_show(&self, now: Timestamp) -> bool {
        !self.is_halted && !self.is_expired(now)
    }

    /// Whether friends of an older build may be met under the keys of before.
    pub fn is_before_valid(&self, sure: Timestamp) -> bool {
        self.speaks.is_before_valid(sure)
    }

    /// Where one person may know that this node is: one from whom it hides hears no place of it.
    pub fn places_for(&self, peer: &PeerId) -> &[Address] {
        if self.presence.is_hidden_from(peer) { &[] } else { &self.places }
    }

    /// A queue address of the own mailbox with the key that goes with it.
    pub fn address(&self, rng: &mut ChaCha20Rng, grant: GrantId, scope: Scope, expires: Timestamp, uses: u32) -> (MailboxEntry, Secret) {
        let keys = self.admission.keys();
        let queue = if scope == Scope::Contact { keys.contact } else { keys.direct };
        let body = AddressBody { queue, grant, scope, expires, uses };
        let key = keys.put_key(&self.admission.id(), &body, &self.friendship);
        let sealed = match scope {
            Scope::Friends(_) => keys.seal_address(&body, &mut self.friends_rng(&self.admission.id(), &body)),
            Scope::Guest | Scope::Contact => keys.seal_address(&body, rng),
        };
        (MailboxEntry::own(keys, self.identity.signing.public(), sealed, self.places.clone()), key)
    }

    /// The same for each of the own mailboxes at relays.
    pub fn relay_mailboxes(&self, rng: &mut ChaCha20Rng, grant: GrantId, scope: Scope, expires: Timestamp, uses: u32) -> Vec<RelayMailbox> {
        let mut relay_mailboxes = Vec::with_capacity(self.relay_mailboxes.len());
        for (mailbox, own) in self.relay_mailboxes.iter().filter(|(_, own)| own.is_told()) {
            let queue = if scope == Scope::Contact { own.contact } else { own.direct };
            let body = AddressBody { queue, grant, scope, expires, uses };
            let key = match scope {
                Scope::Friends(_) => self.friendship.put(mailbox),
                Scope::Guest | Scope::Contact => grant_key(&own.queue_secret, &body),
            };
            let address = match scope {
                Scope::Friends(_) => own.link.seal_address(&body, &mut self.friends_rng(mailbox, &body)),
                Scope::Guest | Scope::Contact => own.link.seal_address(&body, rng),
            };
            let Some(address) = address else { continue };
            let entry = MailboxEntry { mailbox: *mailbox, receipt: own.link.receipt, address, places: own.link.places.clone() };
            relay_mailboxes.push(RelayMailbox { entry, key });
        }
        relay_mailboxes
    }

    /// At how many relays others may leave something.
    pub fn told_relays(&self) -> usize {
        self.relay_mailboxes.values().filter(|own| own.is_told()).count()
    }

    /// The own mailboxes as one friend gets to know them.
    pub fn whereabouts_for(&self, rng: &mut ChaCha20Rng, peer: &PeerId) -> Whereabouts {
        let mut whereabouts = self.whereabouts(rng);
        whereabouts.entry.places = self.places_for(peer).to_vec();
        whereabouts
    }

    /// From what an address for friends is sealed: the same for the same address, so that all friends of a revision show
    /// a mailbox the same bytes, and nobody differs from others by them.
    fn friends_rng(&self, mailbox: &MailboxId, body: &AddressBody) -> ChaCha20Rng {
        let seed = derive(self.identity.dh.expose(), KEY_FRIENDS_ADDRESS, &[mailbox.as_bytes(), &codec::encode(body)]);
        ChaCha20Rng::from_seed(*seed.expose())
    }

    /// The own mailboxes as friends get to know them.
    pub fn whereabouts(&self, rng: &mut ChaCha20Rng) -> Whereabouts {
        let drawn = derive(self.identity.dh.expose(), KEY_FRIENDS_ADDRESS, &[&self.friendship.revision.to_be_bytes()]);
        let grant = GrantId(*drawn.expose().first_chunk().unwrap_or(&[0; 16]));
        let scope = Scope::Friends(self.friendship.revision);
        let entry = self.address(rng, grant, scope, Timestamp(u64::MAX), 0).0;
        let relay_mailboxes = self.relay_mailboxes(rng, grant, scope, Timestamp(u64::MAX), 0);
        Whereabouts { entry, relay_mailboxes: relay_mailboxes.into_iter().map(|mailbox| mailbox.entry).collect() }
    }
}

/// A row of [`Table::Meta`], as it is after what this start has written.
fn stored<T: for<'b> Decode<'b, ()> + Encode<()>>(shelf: &dyn Shelf, out: &Out, name: &[u8]) -> Result<Option<T>, TurnFailed> {
    read(shelf, &out.changes, Table::Meta, name)?.map(|bytes| decode_row(&bytes)).transpose()
}

impl Own {
    /// Loads them; at first run draws an identity and writes it.
    pub fn load(
        name: Option<String>,
        shelf: &dyn Shelf,
        (now, sure): (Timestamp, Timestamp),
        rng: &mut ChaCha20Rng,
        out: &mut Out,
    ) -> Result<Self, TurnFailed> {
        let identity = match shelf.get(Table::Meta, b"identity")? {
            Some(bytes) => Identity::from_stored(&decode_row::<StoredIdentity>(&bytes)?),
            None => draw(now, rng, out),
        };
        let meta = |name: &[u8], out: &Out| read(shelf, &out.changes, Table::Meta, name);
        let missing = TurnFailed("a row that must be in the store is missing");
        let keys: MailboxKeys = stored(shelf, out, b"mailbox")?.ok_or(missing)?;
        let presence = match stored(shelf, out, b"presence")? {
            Some(presence) => presence,
            None => {
                let presence = OwnPresence::random(sure, rng);
                put_meta(out, b"presence", &presence);
                presence
            }
        };
        let direct = DirectKeys::load(meta(b"direct", out)?, sure, rng, out)?;
        let speaks = Speaks::load(meta(b"wire", out)?, sure, out)?;
        let starts = begin_start(meta(b"starts", out)?, now, rng)?;
        let stored_name: String = stored(shelf, out, b"name")?.ok_or(missing)?;
        let own_serial = identity.chain.body().map_or(0, |body| body.serial);
        let last_serial: u64 = stored(shelf, out, b"serial")?.unwrap_or_default();
        let name = match name.filter(|name| *name != stored_name) {
            Some(name) => {
                put_meta(out, b"name", &name);
                name
            }
            None => stored_name,
        };
        Ok(Self {
            peer: identity.peer(),
            identity,
            label: stored(shelf, out, b"label")?.unwrap_or_default(),
            gone: stored(shelf, out, b"gone")?,
            backup_key: stored(shelf, out, b"backup key")?,
            listed_before: stored(shelf, out, b"listed before")?,
            moved: stored(shelf, out, b"moved")?,
            moves: false,
            last_serial: last_serial.max(own_serial),
            instance: starts.last().map_or([0; 16], |start| *start.instance.as_bytes()),
            wire: WIRE_VERSION,
            capabilities: Capabilities::OURS,
            name,
            admission: Admission::new(keys),
            friendship: stored(shelf, out, b"friendship")?.ok_or(missing)?,
            direct,
            speaks,
            past: stored(shelf, out, b"past")?.unwrap_or_default(),
            presence,
            servers: stored(shelf, out, b"servers")?.unwrap_or_default(),
            lookups: stored(shelf, out, b"lookups")?.unwrap_or_default(),
            lookups_now: Vec::new(),
            is_hub: false,
            starts,
            is_halted: false,
            has_gone_on: None,
            ignored: Vec::new(),
            is_findable: stored(shelf, out, b"findable")?.unwrap_or_default(),
            asks_for_rooms: stored(shelf, out, b"rooms ask")?.unwrap_or_default(),
            vouches: stored(shelf, out, b"rooms vouch")?.unwrap_or(true),
            settings: stored(shelf, out, b"settings")?.unwrap_or_default(),
            records: BTreeMap::new(),
            away: BTreeMap::new(),
            bodies: BTreeMap::new(),
            kept_bodies: BTreeSet::new(),
            used_bodies: BTreeSet::new(),
            bodies_ahead: BTreeMap::new(),
            places: Vec::new(),
            relay_mailboxes: load_all(shelf, Table::RelayMailbox, |row: &OwnRelayMailbox| row.link.mailbox())?,
            revoked: stored(shelf, out, b"revoked")?.unwrap_or_default(),
            dirty_starts: true,
            person: PersonOf::default(),
        })
    }

    /// Renews the device's certificate when half of its time is gone, or when it is longer than one can be by a clock
    /// that is right again. Friends learn the next one from records and Standings.
    ///
    /// It does not wait for sure time: a node whose clock was never set could ask nobody, and what a wrong clock makes
    /// of it is replaced.
    pub fn renew_certificate(&mut self, turn: &mut Turn<'_>) {
        let Some(body) = self.identity.chain.body() else { return };
        let at = turn.now.max(turn.sure).max(EARLIEST);
        let end = at.after(limits::DEVICE_LIFETIME);
        let is_right = (at.after(limits::DEVICE_LIFETIME / 2)..=end.after(CLOCK_SKEW)).contains(&body.not_after);
        let is_due = !is_right || body.not_before.is_future_at(at);
        if !is_due || self.identity.root.is_none() {
            // Of a further device, the first one renews it, and sends it.
            return;
        }
        let serial = self.next_serial(turn);
        self.identity.renew(serial, EARLIEST, end);
        certificate_renewed(turn, &self.identity);
    }

    /// A serial that this root has given to no certificate.
    pub fn next_serial(&mut self, turn: &mut Turn<'_>) -> u64 {
        // No copy of this folder picks the same one.
        let step = 1 + u64::from(turn.rng.next_u32() >> 8);
        self.last_serial = self.last_serial.saturating_add(step);
        turn.put(Table::Meta, b"serial", &self.last_serial);
        self.last_serial
    }

    /// Serials may have been given that this folder does not know of: none of them is given again.
    pub fn skip_serials(&mut self, turn: &mut Turn<'_>) {
        self.last_serial = self.last_serial.saturating_add(limits::SERIALS_ABOVE);
        turn.put(Table::Meta, b"serial", &self.last_serial);
    }

    /// Our own Peer ID as others see it: the person's.
    pub fn person(&self) -> PeerId {
        self.person.get(&self.identity)
    }

    /// Renews the direct key when it is due; friends read the next one in our records.
    pub fn renew_direct(&mut self, turn: &mut Turn<'_>) {
        if self.direct.renew(turn.sure, turn.rng) {
            turn.put(Table::Meta, b"direct", &self.direct);
            records_changed(turn);
        }
    }

    /// This copy continues where another one ran: to those who hear it, it was started now.
    pub fn start_over(&mut self, now: Timestamp, rng: &mut ChaCha20Rng) {
        if self.starts.len() >= limits::INSTANCES_OWN_MAX {
            self.starts.remove(0);
        }
        let instance = Nonce::random(rng);
        self.instance = *instance.as_bytes();
        self.starts.push(Start { instance, started: now, over: None, word: None });
        self.dirty_starts = true;
    }

    /// A copy of this folder was noticed: its starts surprise nobody any more.
    pub fn know_start(&mut self, start: Start) {
        if self.starts.len() >= limits::INSTANCES_OWN_MAX {
            self.starts.remove(0);
        }
        // The present one stays the last.
        let present = self.starts.len().saturating_sub(1);
        self.starts.insert(present, start);
        self.dirty_starts = true;
    }

    /// This start of the folder.
    pub fn start(&self) -> Start {
        // One is there from the beginning.
        self.starts.last().cloned().unwrap_or(Start { instance: Nonce([0; 16]), started: Timestamp(0), over: None, word: None })
    }
}

/// Draws an identity and writes it.
fn draw(now: Timestamp, rng: &mut ChaCha20Rng, out: &mut Out) -> Identity {
    // Good from the same moment on for everybody, so also if this clock is ahead.
    let life = now.since(EARLIEST).saturating_add(limits::DEVICE_LIFETIME);
    let identity = Identity::generate(rng, EARLIEST, life);
    put_meta(out, b"identity", &identity.to_stored());
    put_meta(out, b"mailbox", &MailboxKeys::random(rng));
    put_meta(out, b"friendship", &FriendshipSecret { revision: u64::from(rows::begin(rng)), secret: Secret::random(rng) });
    put_meta(out, b"name", &default_name(&identity.peer()));
    identity
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

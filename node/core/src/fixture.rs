//! What the tests of single machines share: a store at first run, and a turn over it.

#![allow(clippy::unwrap_used)]

use crate::clear_cipher::ClearCipher;
use crate::command::{Path, Trust};
use crate::delivery::{Delivery, Up, seeds};
use crate::limits::DEVICE_LIFETIME;
use crate::rows::{Friend, FriendState, Members, Outbound, OwnRelayMailbox, Room};
use crate::seam::{Address, LinkId, TransportKeys};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Out, Turn};
use crate::wire::{First, RoomStanding, Standing, Statement, Step, direct_package, sign_start};
use crate::world::{Rows, Shelf, ShelfError};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use symbolon_presence::codec;
use symbolon_presence::envelope::seal_direct;
use symbolon_presence::id::{Digest, Nonce, PeerId, PublicKeyBytes, QueueId, RoomId};
use symbolon_presence::identity::{self, Identity};
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::{KemKey, KemPublic};
use symbolon_presence::seeds::{Ratchet, Seed};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::{EARLIEST, Timestamp};
use symbolon_relay::grant::MailboxKeys;
use symbolon_relay::link::RelayLink;
use symbolon_relay::prove::{Ends, LinkKey, Prove, Role, WIRE_VERSION};
use symbolon_relay::put::MailboxEntry;

/// A moment.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// A store at first run.
pub(crate) struct Empty;

impl Shelf for Empty {
    fn get(&self, _: Table, _: &[u8]) -> Result<Option<Vec<u8>>, ShelfError> {
        Ok(None)
    }

    fn range(&self, _: Table, _: &[u8], _: usize) -> Result<Rows, ShelfError> {
        Ok(Vec::new())
    }

    fn range_back(&self, _: Table, _: &[u8], _: usize) -> Result<Rows, ShelfError> {
        Ok(Vec::new())
    }

    fn search(&self, _: &str, _: u64, _: usize) -> Result<Vec<u64>, ShelfError> {
        Ok(Vec::new())
    }
}

/// A turn of a node at its first run.
pub(crate) fn in_turn(f: impl FnOnce(&mut State, &mut Turn<'_>)) {
    in_turn_of(1, f);
}

/// The same of one of several nodes.
pub(crate) fn in_turn_of<R>(number: u8, f: impl FnOnce(&mut State, &mut Turn<'_>) -> R) -> R {
    let mut rng = ChaCha20Rng::seed_from_u64(number.into());
    let mut out = Out::default();
    let mut state = State::load(None, &Empty, NOW, &mut rng, &mut out).unwrap();
    let mut cipher = ClearCipher::new([number; 32]);
    f(&mut state, &mut Turn { now: NOW, sure: NOW, stamp: NOW, rng: &mut rng, cipher: &mut cipher, shelf: &Empty, out: &mut out })
}

/// Our device is a further one now, whose certificate ends at this moment. Answers who certifies it.
pub(crate) fn further(state: &mut State, ends: Timestamp) -> Identity {
    let mut first = state.own.identity.clone();
    let serial = first.chain.body().unwrap().serial + 1;
    assert!(first.renew(serial, EARLIEST, ends));
    state.own.identity = Identity { root: None, ..first.clone() };
    first
}

/// The first device has renewed our certificate: it is good again.
pub(crate) fn certified(state: &mut State, mut first: Identity) {
    let serial = first.chain.body().unwrap().serial + 1;
    assert!(first.renew(serial, EARLIEST, NOW.after(DEVICE_LIFETIME)));
    state.own.identity.chain = first.chain;
}

/// A Peer ID for each number.
pub(crate) fn peer(number: u64) -> PeerId {
    let mut id = [0; 32];
    id.split_at_mut(8).0.copy_from_slice(&number.to_be_bytes());
    PeerId(id)
}

/// A friend with one device, whose every frame a test makes.
pub(crate) struct Person {
    pub identity: Identity,
    pub device: identity::Device,
    /// Our seed for their device, and theirs for ours.
    pub heard: Seed,
    pub said: Seed,
}

impl Person {
    /// Who is a friend of ours.
    pub fn new(state: &mut State, turn: &mut Turn<'_>, number: u64) -> Self {
        let identity = Identity::generate(turn.rng, EARLIEST, NOW.since(EARLIEST) + DEVICE_LIFETIME);
        let device = identity.chain.verify_known(turn.sure).unwrap();
        let entry = Self::entry(turn, &identity);
        crate::delivery::ways::register_device(state, turn, &device, &identity.chain, entry);
        state.device_mut(&device.device).unwrap().direct = Some(KemKey::from_bytes([7; 32]).public().bytes());
        let row = Friend { peer: device.peer, devices: vec![device.device], ..friend(number) };
        state.save_room(turn, Room { room: row.room, conversation: row.conversation, members: Members::Friend(row.peer), commits: None });
        let room = row.room;
        state.friends.insert(device.peer, row);
        let heard = seeds::draw(state, turn, &room, std::slice::from_ref(&device));
        let (said, me) = (Seed::draw(None, turn.rng), &state.own.identity);
        let ratchet = Ratchet::agree(&said, &me.dh, &device.dh, &me.device, &device.device);
        let outbound = Outbound { number: said.number, room, ratchet, acknowledged: 0, is_hearsay: None };
        state.channel_mut(&device.device).unwrap().outbound = Some(outbound);
        Self { identity, device, heard, said }
    }

    /// A mailbox for one of their devices.
    pub fn entry(turn: &mut Turn<'_>, of: &Identity) -> MailboxEntry {
        MailboxEntry::own(&MailboxKeys::random(turn.rng), of.signing.public(), Vec::new(), Vec::new())
    }

    /// A step to our device, sealed to its direct key.
    pub fn direct(&self, state: &State, turn: &mut Turn<'_>, step: Step, body: Vec<u8>) -> Vec<u8> {
        let mine = &state.own.identity;
        let key = state.own.direct.present();
        let package = direct_package(key.as_bytes(), &mine.device);
        let statement = Statement { step, to: state.own.peer, device: mine.device, package, transcript: Digest([0; 32]), body };
        let first = First::sign(&self.identity, &statement);
        seal_direct(&KemPublic::parse(&key).unwrap(), &codec::encode(&first), turn.rng).unwrap()
    }

    /// How they stand with us, asked now in one of their starts.
    pub fn standing(&self, turn: &Turn<'_>, start: u8, nonce: Nonce) -> Standing {
        let (instance, started) = (Nonce([start; 16]), turn.now);
        Standing {
            instance,
            started,
            nonce,
            answers: None,
            at: turn.now,
            revision: None,
            next: None,
            opened: None,
            rooms: vec![RoomStanding { room: friend(0).room, epoch: None, sent: 0, opened: 0, settled: 0 }],
            heard: Vec::new(),
            reply: None,
            word: sign_start(&self.identity, instance, started),
            copied: None,
            entered: None,
        }
    }

    /// A question how both stand, in an envelope; each another one.
    pub fn question(&self, state: &State, turn: &mut Turn<'_>) -> Vec<u8> {
        let nonce = Nonce::random(turn.rng);
        let standing = self.standing(turn, 1, nonce);
        self.direct(state, turn, Step::Standing, codec::encode(&standing))
    }
}

/// A link of a friend of ours that their device has proved.
pub(crate) fn proved(delivery: &mut Delivery, state: &mut State, turn: &mut Turn<'_>, who: &Person, number: u64) -> LinkId {
    let (link, keys) = (LinkId(number), TransportKeys { own: PublicKeyBytes([1; 32]), other: PublicKeyBytes([2; 32]) });
    delivery.link_up(state, turn, Up { link, dial: None, path: Path::Direct, keys: Some(keys) }).unwrap();
    let me = &state.own.identity;
    let key = LinkKey::agree(&who.identity.dh, &me.dh.public(), &who.device.device, &me.device);
    let ends = Ends { dialler: keys.other, dialled: keys.own };
    assert!(delivery.proof(state, turn, link, Prove::new(&key, Role::Dialler, &ends, [3; 16], WIRE_VERSION, [4; 16])).unwrap());
    assert!(delivery.friend_behind(state, link).is_some());
    link
}

/// A mailbox of ours at a relay. Answers the relay's keys.
pub(crate) fn own_relay(state: &mut State, turn: &mut Turn<'_>, number: u8) -> MailboxKeys {
    let keys = MailboxKeys::random(&mut ChaCha20Rng::from_seed([number; 32]));
    let receipt = SigningKey::from_seed(&[number; 32]).public();
    let own = OwnRelayMailbox {
        link: RelayLink { mailbox_key: keys.public(), receipt, places: vec![Address(vec![4])] },
        owner: Secret::from_bytes([number; 32]),
        direct: QueueId([number; 16]),
        contact: QueueId([number + 100; 16]),
        queue_secret: Secret::from_bytes([number; 32]),
        version: 1,
        claim: None,
        kept: None,
    };
    state.save_relay_mailbox(turn, own);
    keys
}

/// A friend without devices.
pub(crate) fn friend(number: u64) -> Friend {
    Friend {
        peer: peer(number),
        petname: number.to_string(),
        trust: Trust::Unknown,
        state: FriendState::Mutual,
        blocked: false,
        conversation: RoomId([1; 32]),
        room: RoomId([1; 32]),
        devices: Vec::new(),
        friendship: None,
        second_root: None,
        since: NOW,
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
        version: Some(WIRE_VERSION),
        person: None,
        follows: None,
        says: None,
    }
}

//! What travels in shared rooms: a commit of Ann's that brings Ben in, and her Welcome for him.

use super::{LEAF, NOW, ROOM, Runs, ann, ben, leaf_owner, roster, seed};
use symbolon_core::wire::{
    Befriend, Capabilities, CommitInfo, LeafOwner, Leave, RelayMailbox, Role, RoomChange, Seat, SeatedRoster, Ways, WelcomeBundle,
};
use symbolon_presence::codec;
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::DAY;
use symbolon_relay::grant::Scope;

/// The leaf of Ben's device in the roster of the samples.
pub const BENS_LEAF: PublicKeyBytes = PublicKeyBytes([0x73; 32]);

/// The credential encryption key of the epoch of number 7.
pub fn credential_key() -> Secret {
    Secret::from_bytes([0x7d; 32])
}

/// The roster key of the epoch of number 8.
pub fn roster_key() -> Secret {
    Secret::from_bytes([0x7f; 32])
}

/// How members who are no friends of Ben write to his device: to itself, and to one relay.
pub fn ways() -> Ways {
    let ben = ben();
    let (_, address, key) = ben.address(0x76, Scope::Guest, NOW.after(400 * DAY), 0);
    let relay = RelayMailbox { entry: ben.entry(address), key };
    let mut own = relay.clone();
    own.entry.places.clear();
    Ways { name: "Ben".to_owned(), own, relay_mailboxes: vec![relay], seed: seed(), capabilities: Capabilities::ROOMS }
}

/// Ben asks another member for friendship.
pub fn befriend() -> Befriend {
    Befriend { contact: codec::encode(&ben().contact_record("Ben")), note: Some("from the boat".to_owned()), list: None }
}

/// Ben's seat.
pub fn seat() -> Seat {
    let owner = LeafOwner { leaf: BENS_LEAF, chain: Some(ben().identity.chain), key: Secret::from_bytes([0x7b; 32]) };
    Seat { owner, ways: ways() }
}

/// Ann's seat; she has no relay, and has not said her name.
pub fn ann_s_seat() -> Seat {
    let ann = ann();
    let (_, address, key) = ann.address(0x76, Scope::Guest, NOW.after(400 * DAY), 0);
    let mut own = RelayMailbox { entry: ann.entry(address), key };
    own.entry.places.clear();
    let owner = LeafOwner { leaf: PublicKeyBytes(LEAF), chain: Some(ann.identity.chain), key: leaf_owner().key };
    let ways = Ways { name: String::new(), own, relay_mailboxes: Vec::new(), seed: seed(), capabilities: Capabilities(15) };
    Seat { owner, ways }
}

/// Ben leaves, in the epoch of number 7.
pub fn leave() -> Leave {
    Leave::sign(&ben().identity, &ROOM, BENS_LEAF, 7)
}

/// What a commit says that brings Ben in, and does all else that a commit can say. No member takes it whole.
pub fn commit_info() -> CommitInfo {
    let changes = vec![
        RoomChange::Name("Crew".into()),
        RoomChange::Topic("Who sails on Sunday".into()),
        RoomChange::Role(ben().identity.peer(), Role::Admin),
        RoomChange::Left(leave()),
    ];
    CommitInfo { seats: vec![seat()], changes }
}

/// What a commit says that names the room.
pub fn naming() -> CommitInfo {
    CommitInfo { seats: Vec::new(), changes: vec![RoomChange::Name("Crew".into())] }
}

/// What Ben hears of the members when he comes in: the roster of the samples, with two seats.
pub fn seated_roster() -> SeatedRoster {
    SeatedRoster { roster: roster(), seats: vec![ann_s_seat(), seat()], epoch: 8, knocks: None }
}

/// Ann's Welcome for Ben, around a stand-in for that of MLS.
pub fn welcome_bundle() -> WelcomeBundle {
    let (ann, ben) = (ann(), ben());
    let seated = seated_roster().seal(&roster_key(), &ROOM, &mut Runs::from(0x83));
    let parts = (b"stand-in for a Welcome".to_vec(), seated);
    let secret = (ben.friendship.revision, &ben.friendship.waik());
    WelcomeBundle::sign(&ann.identity, (ROOM, BENS_LEAF.as_bytes()), parts, secret, &mut Runs::from(0x84))
}

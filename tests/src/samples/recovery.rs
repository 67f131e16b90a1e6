//! A backup of Ben's, and how a device that was restored asks Ann.

use super::{NOW, Runs, ben, devices};
use symbolon_core::command::MessageState;
use symbolon_core::wire::{
    BackupHead, BackupPart, Befriend, CapsulePlaces, DeviceWays, First, ReaderWays, RelayMailbox, Statement, Step, TextSaid, backup_key,
    direct_package,
};
use symbolon_presence::address::Address;
use symbolon_presence::capsule::{CapsuleKeys, PIECE_BYTES, Piece};
use symbolon_presence::codec;
use symbolon_presence::envelope::seal_direct;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{Digest, MailboxId, MessageId, Nonce, PeerId};
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::DAY;
use symbolon_relay::link::RelayLink;

/// The backup's id.
pub const ID: Nonce = Nonce([0xb1; 16]);

/// The key of Ben's backups.
pub fn key() -> Secret {
    backup_key(ben().identity.entropy.as_ref().expect("Ben's first device holds it"))
}

/// How Ben's own device is written to, then Ann's, whose records can be read.
fn ways() -> Vec<DeviceWays> {
    let of = |person: super::Person, name: &str, friendship: FriendshipSecret, presence| {
        let device = person.bundle(name).devices.remove(0);
        let relay_mailboxes = RelayMailbox::of_friend(&friendship, device.relay_mailboxes);
        DeviceWays { chain: device.chain, entry: device.entry, relay_mailboxes, direct: device.direct, friendship, presence }
    };
    let reader = super::generation().reader();
    let presence = ReaderWays { reader, labels: vec![0xb5; 4_354], lookups: vec![server()] };
    let of_ann = FriendshipSecret { revision: 1, secret: Secret::from_bytes([0xb2; 32]) };
    vec![of(ben(), "Ben", ben().friendship, None), of(super::ann(), "Ann", of_ann, Some(presence))]
}

/// /ip4/192.0.2.9/tcp/4001
fn server() -> Address {
    Address(vec![0x04, 192, 0, 2, 9, 0x06, 0x0f, 0xa1])
}

/// One part of each kind, and what it is called.
pub fn parts() -> [(&'static str, BackupPart); 7] {
    let person = ben().identity.person();
    let relays = vec![("symbolon-relay:stand-in".to_owned(), Some("stand-in".to_owned())), ("symbolon-relay:another".to_owned(), None)];
    let head = BackupHead { made: NOW, person, serial: 9, name: "Ben".to_owned(), relays, lookups: vec![server()], list: None };
    let text = TextSaid {
        person: PeerId([0x91; 32]),
        id: MessageId([0x6a; 16]),
        at: NOW,
        mine: true,
        state: MessageState::Delivered,
        text: "from the boat".to_owned(),
    };
    [
        ("head", BackupPart::Head(head)),
        ("persons", BackupPart::Persons(vec![devices::person()])),
        ("ways", BackupPart::Ways(ways())),
        ("texts", BackupPart::Texts(vec![text])),
        ("rooms", BackupPart::Rooms(vec![devices::room()])),
        ("room_texts", BackupPart::RoomTexts(vec![devices::text_in_room()])),
        ("end", BackupPart::End),
    ]
}

/// The parts as they stand in a file.
pub fn sealed() -> Vec<Vec<u8>> {
    parts().iter().zip(0..).map(|((_, part), index)| part.seal(&key(), &ID, index, &mut Runs::from(0xb3))).collect()
}

/// A whole file.
pub fn file() -> Vec<u8> {
    let part = |sealed: Vec<u8>| [u32::try_from(sealed.len()).expect("it is short").to_be_bytes().to_vec(), sealed].concat();
    let parts = sealed().into_iter().flat_map(part);
    b"symbolon backup 1\n".iter().copied().chain(ID.as_bytes().iter().copied()).chain(parts).collect()
}

/// The device that was made of it.
pub fn restored() -> Identity {
    let mut device = devices::newcomer();
    let entropy = ben().identity.entropy.expect("Ben's first device holds it");
    device.return_as_further(&Identity::root_of(&entropy), 1 << 41, NOW, NOW.after(365 * DAY));
    device
}

/// What it asks Ann's device.
pub fn returned() -> Statement {
    let (ann, contact) = (super::ann(), devices::comes(restored()).contact_record("Ben"));
    let (device, direct) = (ann.identity.device, ann.direct.public().bytes());
    Statement {
        step: Step::Returned,
        to: ann.identity.peer(),
        device,
        package: direct_package(direct.as_bytes(), &device),
        transcript: Digest([0; 32]),
        body: codec::encode(&Befriend { contact: codec::encode(&contact), note: None, list: None }),
    }
}

/// The same in its envelope.
pub fn returned_envelope() -> Vec<u8> {
    let payload = codec::encode(&First::sign(&restored(), &returned()));
    seal_direct(&super::ann().direct.public(), &payload, &mut Runs::from(0xb6)).expect("the payload is short")
}

/// The relay at which Ben's capsule lies.
pub const RELAY: MailboxId = MailboxId([0xb7; 32]);

/// The keys of it.
pub fn capsule() -> CapsuleKeys {
    CapsuleKeys::new(&key())
}

/// Its first piece, made of the file.
pub fn piece() -> Piece {
    Piece { version: NOW.0, index: 0, count: 2, bytes: file().into_iter().take(PIECE_BYTES).collect() }
}

/// The same as it lies in the first mailbox there.
pub fn package() -> Vec<u8> {
    capsule().seal(&RELAY, 0, &piece(), &mut Runs::from(0xb8))
}

/// Which relays have it.
pub fn places() -> CapsulePlaces {
    let link = RelayLink { mailbox_key: ben().mailbox.public(), receipt: ben().identity.signing.public(), places: vec![server()] };
    CapsulePlaces { relays: vec![link] }
}

//! A backup of Ben's, and how a device that was restored asks Ann.

use super::{NOW, Runs, ben, devices, shared};
use symbolon_core::command::MessageState;
use symbolon_core::wire::{BackupHead, BackupPart, DeviceWays, RelayMailbox, TextSaid, backup_key};
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{MessageId, Nonce, PeerId};
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::DAY;

/// The backup's id.
pub const ID: Nonce = Nonce([0xb1; 16]);

/// The key of Ben's backups.
pub fn key() -> Secret {
    backup_key(ben().identity.entropy.as_ref().expect("Ben's first device holds it"))
}

/// How Ann's device is written to.
fn ways() -> DeviceWays {
    let ann = super::ann();
    let device = ann.bundle("Ann").devices.remove(0);
    let friendship = FriendshipSecret { revision: 1, secret: Secret::from_bytes([0xb2; 32]) };
    let relay_mailboxes = RelayMailbox::of_friend(&friendship, device.relay_mailboxes);
    DeviceWays { chain: device.chain, entry: device.entry, relay_mailboxes, direct: device.direct, friendship, presence: None }
}

/// One part of each kind, and what it is called.
pub fn parts() -> [(&'static str, BackupPart); 5] {
    let person = ben().identity.person();
    let head = BackupHead { made: NOW, person, serial: 9, name: "Ben".to_owned(), relays: Vec::new(), lookups: Vec::new() };
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
        ("ways", BackupPart::Ways(vec![ways()])),
        ("texts", BackupPart::Texts(vec![text])),
        ("end", BackupPart::End),
    ]
}

/// The parts as they stand in a file.
pub fn sealed() -> Vec<Vec<u8>> {
    parts().iter().zip(0..).map(|((_, part), index)| part.seal(&key(), &ID, index, &mut Runs::from(0xb3))).collect()
}

/// The device that was made of it.
pub fn restored() -> Identity {
    let mut device = devices::newcomer();
    let entropy = ben().identity.entropy.expect("Ben's first device holds it");
    device.return_as_further(&Identity::root_of(&entropy), 1 << 41, NOW, NOW.after(365 * DAY));
    device
}

/// What it asks Ann's device, and the body of that.
pub fn befriend() -> Vec<u8> {
    symbolon_presence::codec::encode(&shared::befriend())
}

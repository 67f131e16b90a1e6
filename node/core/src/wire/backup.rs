//! A backup: what a new device needs to continue where others ended. The protocol page is `docs/protocol/recovery.md`.
//!
//! It holds no key of any room, no ratchet and no key of any device: who restores it is a further device of the person, with
//! keys of its own, and a friend of nobody until each friend's device has answered.

use super::bounds::{are_relay_mailboxes, is_name};
use super::contact::RelayMailbox;
use super::own::{PersonSaid, RoomSaid, RoomTextSaid, TextSaid};
use crate::limits::{LOOKUPS_MAX, RELAY_MAILBOXES_MAX, WAYS_SAID};
use minicbor::{Decode, Encode};
use symbolon_presence::address::Address;
use symbolon_presence::codec;
use symbolon_presence::device_list::DeviceList;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::generation::Reader;
use symbolon_presence::id::{Digest, Nonce, PeerId};
use symbolon_presence::identity::Chain;
use symbolon_presence::kdf::{Secret, derive, hash};
use symbolon_presence::kem::{KemPublic, KemPublicBytes};
use symbolon_presence::labels::{HASH_CONTEXT, KEY_BACKUP, SEAL_BACKUP};
use symbolon_presence::seal::{NONCE, aead_open_random, aead_seal_random};
use symbolon_presence::time::Timestamp;
use symbolon_relay::put::MailboxEntry;

/// The first line of a backup file.
pub const BACKUP_MAGIC: &[u8] = b"symbolon backup 1\n";

/// The longest part of a backup, sealed, in bytes.
pub const BACKUP_PART_MAX: usize = 256 * 1024;

/// One part of a backup.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum BackupPart {
    /// The first one.
    #[n(0)]
    Head(#[n(0)] BackupHead),
    /// How the person stands to others.
    #[n(1)]
    Persons(#[n(0)] Vec<PersonSaid>),
    /// How devices of friends, and other devices of the person, are written to; at most [`WAYS_SAID`].
    #[n(2)]
    Ways(#[n(0)] Vec<DeviceWays>),
    /// Texts.
    #[n(3)]
    Texts(#[n(0)] Vec<TextSaid>),
    /// The last one: nothing was cut off.
    #[n(4)]
    End,
    /// Shared rooms: a file without any has no such part, and builds that know of none read it.
    #[n(5)]
    Rooms(#[n(0)] Vec<RoomSaid>),
    /// Their texts.
    #[n(6)]
    RoomTexts(#[n(0)] Vec<RoomTextSaid>),
}

/// Who it is of.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BackupHead {
    /// When it was made.
    #[n(0)]
    pub made: Timestamp,
    /// The Peer ID of the person.
    #[n(1)]
    pub person: PeerId,
    /// The highest serial that the person's root was known to have given.
    #[n(2)]
    pub serial: u64,
    /// The person's name.
    #[n(3)]
    pub name: String,
    /// Links of the relays that the device used, each with the claim code, if it has one.
    #[n(4)]
    pub relays: Vec<(String, Option<String>)>,
    /// Its lookup servers; at most [`LOOKUPS_MAX`].
    #[n(5)]
    pub lookups: Vec<Address>,
    /// The person's device list, if there is one.
    #[n(6)]
    pub list: Option<Box<DeviceList>>,
}

/// How a device that was a friend is written to.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeviceWays {
    /// Its certificate.
    #[n(0)]
    pub chain: Chain,
    /// Its own mailbox.
    #[n(1)]
    pub entry: MailboxEntry,
    /// Its mailboxes at relays.
    #[n(2)]
    pub relay_mailboxes: Vec<RelayMailbox>,
    /// What direct envelopes to it are sealed to.
    #[n(3)]
    pub direct: KemPublicBytes,
    /// Its owner's friendship secret.
    #[n(4)]
    pub friendship: FriendshipSecret,
    /// How its presence records are read; absent when that is not known.
    #[n(5)]
    pub presence: Option<ReaderWays>,
}

/// How somebody's presence records are read.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReaderWays {
    /// Lookup key, header key and ratchet.
    #[n(0)]
    pub reader: Reader,
    /// Leaf and labels.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub labels: Vec<u8>,
    /// Lookup servers.
    #[n(2)]
    pub lookups: Vec<Address>,
}

impl BackupPart {
    /// Seals a part in its place among the others. `id` is the backup's.
    pub fn seal<R: rand_core::CryptoRng + ?Sized>(&self, key: &Secret, id: &Nonce, index: u64, rng: &mut R) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let sealed = aead_seal_random(key, &nonce, SEAL_BACKUP, &context(id, index).0, &codec::encode(self));
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens a part and checks its bounds.
    pub fn open(sealed: &[u8], key: &Secret, id: &Nonce, index: u64) -> Option<Self> {
        if sealed.len() > BACKUP_PART_MAX {
            return None;
        }
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        Self::decode(&aead_open_random(key, nonce, SEAL_BACKUP, &context(id, index).0, sealed).ok()?)
    }

    /// Reads what was sealed and checks its bounds.
    pub fn decode(plain: &[u8]) -> Option<Self> {
        let part: Self = codec::decode(plain, BACKUP_PART_MAX).ok()?;
        let is_bounded = match &part {
            Self::Head(head) => {
                let relays = head.relays.len() <= RELAY_MAILBOXES_MAX;
                is_name(&head.name) && relays && head.lookups.len() <= LOOKUPS_MAX && head.lookups.iter().all(Address::is_bounded)
            }
            Self::Persons(persons) => super::own::OwnSaid::Persons(persons.clone()).is_bounded(),
            Self::Ways(ways) => ways.len() <= WAYS_SAID && ways.iter().all(DeviceWays::is_bounded),
            Self::Texts(texts) => super::own::OwnSaid::Texts(texts.clone()).is_bounded(),
            Self::Rooms(rooms) => super::own::OwnSaid::Rooms(rooms.clone()).is_bounded(),
            Self::RoomTexts(texts) => super::own::OwnSaid::RoomTexts(texts.clone()).is_bounded(),
            Self::End => true,
        };
        is_bounded.then_some(part)
    }
}

impl DeviceWays {
    fn is_bounded(&self) -> bool {
        let entries: Vec<MailboxEntry> = self.relay_mailboxes.iter().map(|mailbox| mailbox.entry.clone()).collect();
        self.entry.is_bounded() && are_relay_mailboxes(&entries) && KemPublic::parse(&self.direct).is_ok()
    }
}

/// The key of backups: from what the recovery phrase shows.
pub fn backup_key(entropy: &Secret) -> Secret {
    derive(entropy.expose(), KEY_BACKUP, &[])
}

fn context(id: &Nonce, index: u64) -> Digest {
    hash(HASH_CONTEXT, &[id.as_bytes(), &index.to_be_bytes()])
}

macro_rules! opaque_debug {
    ($($name:ident)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
opaque_debug!(BackupPart BackupHead DeviceWays ReaderWays);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand_core::SeedableRng;

    #[test]
    fn a_part_opens_under_its_key_in_its_backup_and_place_alone() {
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
        let (key, id) = (backup_key(&Secret::from_bytes([2; 32])), Nonce([3; 16]));
        let sealed = BackupPart::End.seal(&key, &id, 4, &mut rng);
        assert!(BackupPart::open(&sealed, &key, &id, 4) == Some(BackupPart::End));
        assert!(BackupPart::open(&sealed, &key, &id, 5).is_none(), "another place");
        assert!(BackupPart::open(&sealed, &key, &Nonce([9; 16]), 4).is_none(), "another backup");
        assert!(BackupPart::open(&sealed, &backup_key(&Secret::from_bytes([9; 32])), &id, 4).is_none(), "other words");
        for at in 0..sealed.len() {
            let mut broken = sealed.clone();
            *broken.get_mut(at).unwrap() ^= 1;
            assert!(BackupPart::open(&broken, &key, &id, 4).is_none(), "byte {at}");
        }
        assert!(BackupPart::open(&[], &key, &id, 4).is_none());
    }

    #[test]
    fn rooms_and_their_texts_keep_within_their_bounds() {
        use crate::command::MessageState;
        use crate::limits::{ROOMS_SAID, TEXTS_SAID};
        use crate::wire::RoomIs;
        use symbolon_presence::id::{MessageId, RoomId};
        let (peer, at) = (PeerId([1; 32]), Timestamp(1));
        let room = |name: &str| RoomSaid {
            room: RoomId([2; 32]),
            version: 0,
            by: peer,
            is_muted: false,
            is_archived: false,
            name: name.to_owned(),
            is: RoomIs::Left,
        };
        let text =
            |text: String| RoomTextSaid { room: RoomId([2; 32]), id: MessageId([3; 16]), at, from: peer, state: MessageState::Read, text };
        let is_read = |part: &BackupPart| BackupPart::decode(&codec::encode(part)).is_some();
        assert!(is_read(&BackupPart::Rooms(vec![room("Crew"); ROOMS_SAID])));
        assert!(!is_read(&BackupPart::Rooms(vec![room("Crew"); ROOMS_SAID + 1])), "too many rooms");
        assert!(!is_read(&BackupPart::Rooms(vec![room("")])) && !is_read(&BackupPart::Rooms(vec![room(&"x".repeat(65))])), "their names");
        assert!(is_read(&BackupPart::RoomTexts(vec![text("hi".to_owned()); TEXTS_SAID])));
        assert!(!is_read(&BackupPart::RoomTexts(vec![text("hi".to_owned()); TEXTS_SAID + 1])), "too many texts");
        assert!(!is_read(&BackupPart::RoomTexts(vec![text("x".repeat(100_000))])), "one that is too long");
    }
}

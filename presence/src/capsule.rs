//! What the recovery phrase yields for the *capsule*: at which mailboxes it lies, who may fetch it there, and what hides it.
//!
//! A capsule is a backup without texts that lies at the person's own relays, as packages of mailboxes under keys of its own.
//! Everything here follows from the key of backups, so the words alone find and open it. The protocol page is
//! `docs/protocol/recovery.md`.

use crate::codec;
use crate::id::{MailboxId, QueueId};
use crate::invite::InviteSecret;
use crate::kdf::{Secret, derive};
use crate::labels::{
    KEY_CAPSULE, KEY_CAPSULE_OWNER, KEY_CAPSULE_PIECE, KEY_CAPSULE_PLACES, KEY_CAPSULE_QUEUE, KEY_CAPSULE_TOKEN, SEAL_CAPSULE,
};
use crate::seal::{NONCE, aead_open_random, aead_seal_random};
use crate::sign::SigningKey;
use core::fmt;
use minicbor::{Decode, Encode};

/// Mailboxes of a capsule at one relay, at most.
pub const CAPSULE_MAILBOXES: u8 = 4;
/// Pieces in one mailbox: 32 packages and the one of last resort.
pub const PIECES_OF_MAILBOX: usize = 33;
/// Bytes of the capsule in each piece but the last.
pub const PIECE_BYTES: usize = 4_000;
/// The longest capsule, in bytes: all mailboxes full.
pub const CAPSULE_MAX: usize = 4 * PIECES_OF_MAILBOX * PIECE_BYTES;
/// A sealed piece, in bytes. All have this length.
pub const SEALED_PIECE: usize = 4_096;
/// What is sealed of a piece: its record, and zeros behind it.
const PLAIN_PIECE: usize = SEALED_PIECE - NONCE - TAG;
/// What the AEAD adds.
const TAG: usize = 16;

/// A part of a capsule as it lies at a relay.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Piece {
    /// Of the capsule: when it was made, in milliseconds, by the device that made it. The higher one is the newer.
    #[n(0)]
    pub version: u64,
    /// Its place in the capsule.
    #[n(1)]
    pub index: u16,
    /// How many pieces the capsule has.
    #[n(2)]
    pub count: u16,
    /// At most [`PIECE_BYTES`].
    #[cbor(n(3), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

impl Piece {
    /// Cuts a capsule into pieces; none when it is too long, or empty.
    pub fn cut(version: u64, capsule: &[u8]) -> Option<Vec<Self>> {
        if capsule.is_empty() || capsule.len() > CAPSULE_MAX {
            return None;
        }
        let chunks = capsule.chunks(PIECE_BYTES);
        let count = u16::try_from(chunks.len()).ok()?;
        Some(chunks.zip(0..).map(|(bytes, index)| Self { version, index, count, bytes: bytes.to_vec() }).collect())
    }

    /// What is sealed of it: its record between its length and zeros.
    pub fn padded(&self) -> Vec<u8> {
        let mut plain = codec::encode(self);
        let length = u16::try_from(plain.len()).unwrap_or(u16::MAX);
        plain.splice(0..0, length.to_be_bytes());
        plain.resize(PLAIN_PIECE, 0);
        plain
    }

    /// Reads what was sealed and checks its bounds.
    pub fn read(plain: &[u8]) -> Option<Self> {
        let (length, rest) = plain.split_first_chunk::<2>()?;
        let (record, zeros) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        if plain.len() != PLAIN_PIECE || zeros.iter().any(|byte| *byte != 0) {
            return None;
        }
        let piece: Self = codec::decode(record, PLAIN_PIECE).ok()?;
        piece.is_bounded().then_some(piece)
    }

    fn is_bounded(&self) -> bool {
        let most = usize::from(CAPSULE_MAILBOXES) * PIECES_OF_MAILBOX;
        let is_last = self.index.checked_add(1) == Some(self.count);
        // Only the last one may be shorter: so the pieces of a capsule fit in one way.
        let fits = self.bytes.len() == PIECE_BYTES || is_last && !self.bytes.is_empty() && self.bytes.len() <= PIECE_BYTES;
        self.index < self.count && usize::from(self.count) <= most && fits
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Piece(..)")
    }
}

/// The keys of a person's capsule.
#[derive(Clone)]
pub struct CapsuleKeys(Secret);

impl CapsuleKeys {
    /// From the key of the person's backups.
    pub fn new(backup_key: &Secret) -> Self {
        Self(derive(backup_key.expose(), KEY_CAPSULE, &[]))
    }

    /// Whose a mailbox of the capsule is. `number` counts the mailboxes at one relay.
    pub fn owner(&self, relay: &MailboxId, number: u8) -> SigningKey {
        SigningKey::from_seed(derive(self.0.expose(), KEY_CAPSULE_OWNER, &[relay.as_bytes(), &[number]]).expose())
    }

    /// Its queues: the label under which it is found, and one that is of no use.
    pub fn queues(&self, relay: &MailboxId, number: u8) -> [QueueId; 2] {
        let Self(secret) = self;
        let drawn = derive(secret.expose(), KEY_CAPSULE_QUEUE, &[relay.as_bytes(), &[number]]);
        let (first, second) = drawn.expose().split_at(QueueId::LEN);
        [first, second].map(|half| QueueId(*half.first_chunk().unwrap_or(&[0; QueueId::LEN])))
    }

    /// Who may fetch what lies there.
    pub fn token(&self, relay: &MailboxId, number: u8) -> SigningKey {
        SigningKey::from_seed(derive(self.0.expose(), KEY_CAPSULE_TOKEN, &[relay.as_bytes(), &[number]]).expose())
    }

    /// Where it is said, as if it were the body of an invite, at which relays the capsule lies.
    pub fn places(&self) -> InviteSecret {
        let drawn = derive(self.0.expose(), KEY_CAPSULE_PLACES, &[]);
        InviteSecret::from_bytes(*drawn.expose().first_chunk().unwrap_or(&[0; InviteSecret::LEN]))
    }

    /// Seals a piece for a mailbox.
    pub fn seal<R: rand_core::CryptoRng + ?Sized>(&self, relay: &MailboxId, number: u8, piece: &Piece, rng: &mut R) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let sealed = aead_seal_random(&self.piece_key(relay, number), &nonce, SEAL_CAPSULE, &[], &piece.padded());
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what lies in a mailbox. None when it is no piece of a capsule of these keys, or of another mailbox.
    pub fn open(&self, relay: &MailboxId, number: u8, sealed: &[u8]) -> Option<Piece> {
        if sealed.len() != SEALED_PIECE {
            return None;
        }
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        Piece::read(&aead_open_random(&self.piece_key(relay, number), nonce, SEAL_CAPSULE, &[], sealed).ok()?)
    }

    fn piece_key(&self, relay: &MailboxId, number: u8) -> Secret {
        derive(self.0.expose(), KEY_CAPSULE_PIECE, &[relay.as_bytes(), &[number]])
    }
}

impl fmt::Debug for CapsuleKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CapsuleKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    const HERE: MailboxId = MailboxId([1; 32]);

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(4)
    }

    fn keys(byte: u8) -> CapsuleKeys {
        CapsuleKeys::new(&Secret::from_bytes([byte; 32]))
    }

    #[test]
    fn a_capsule_is_whole_again_from_its_pieces_and_none_is_too_long() {
        for length in [1, PIECE_BYTES, PIECE_BYTES + 1, CAPSULE_MAX] {
            let capsule: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let pieces = Piece::cut(7, &capsule).unwrap();
            assert_eq!(pieces.len(), length.div_ceil(PIECE_BYTES));
            let opened: Vec<Piece> =
                pieces.iter().map(|piece| keys(1).open(&HERE, 0, &keys(1).seal(&HERE, 0, piece, &mut rng())).unwrap()).collect();
            assert_eq!(opened.iter().flat_map(|piece| piece.bytes.clone()).collect::<Vec<_>>(), capsule);
        }
        assert!(Piece::cut(7, &[]).is_none() && Piece::cut(7, &vec![0; CAPSULE_MAX + 1]).is_none());
    }

    #[test]
    fn a_piece_opens_by_its_words_at_its_mailbox_alone_and_unchanged() {
        let piece = Piece { version: 3, index: 0, count: 1, bytes: vec![5; 9] };
        let sealed = keys(1).seal(&HERE, 2, &piece, &mut rng());
        assert_eq!(sealed.len(), SEALED_PIECE);
        assert!(keys(1).open(&HERE, 2, &sealed) == Some(piece));
        assert!(keys(2).open(&HERE, 2, &sealed).is_none(), "other words");
        assert!(keys(1).open(&HERE, 1, &sealed).is_none(), "another mailbox");
        assert!(keys(1).open(&MailboxId([2; 32]), 2, &sealed).is_none(), "another relay");
        for at in (0..sealed.len()).step_by(97) {
            let mut broken = sealed.clone();
            broken[at] ^= 1;
            assert!(keys(1).open(&HERE, 2, &broken).is_none(), "byte {at}");
        }
        assert!(keys(1).open(&HERE, 2, &sealed[1..]).is_none() && keys(1).open(&HERE, 2, &[]).is_none());
    }

    #[test]
    fn a_piece_out_of_its_bounds_is_none() {
        let good = Piece { version: 3, index: 0, count: 2, bytes: vec![5; PIECE_BYTES] };
        let open = |piece: &Piece| keys(1).open(&HERE, 0, &keys(1).seal(&HERE, 0, piece, &mut rng()));
        assert!(open(&good).is_some());
        let bad = [
            Piece { index: 2, ..good.clone() },
            Piece { index: 0, count: 0, ..good.clone() },
            Piece { count: 133, ..good.clone() },
            Piece { bytes: vec![5; 9], ..good.clone() },
            Piece { index: 1, bytes: Vec::new(), ..good.clone() },
            Piece { index: u16::MAX, count: u16::MAX, ..good },
        ];
        assert!(bad.iter().all(|piece| open(piece).is_none()));
    }

    #[test]
    fn each_relay_and_mailbox_has_keys_and_labels_of_its_own() {
        let there = MailboxId([2; 32]);
        let all = [(&HERE, 0), (&HERE, 1), (&there, 0)];
        let queues: std::collections::BTreeSet<QueueId> = all.iter().flat_map(|(relay, number)| keys(1).queues(relay, *number)).collect();
        assert_eq!(queues.len(), 6);
        let owners: std::collections::BTreeSet<_> = all
            .iter()
            .flat_map(|(relay, number)| [keys(1).owner(relay, *number).public(), keys(1).token(relay, *number).public()])
            .collect();
        assert_eq!(owners.len(), 6);
        assert_ne!(keys(1).queues(&HERE, 0), keys(2).queues(&HERE, 0));
    }
}

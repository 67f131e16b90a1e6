//! The keys that friends' direct envelopes are sealed to, and until when those of older builds are taken.

use crate::limits::{BEFORE_LIFETIME, DIRECT_LIFETIME};
use crate::turn::{Out, TurnFailed, decode_row, put_meta};
use minicbor::{Decode, Encode};
use rand_chacha::ChaCha20Rng;
use symbolon_presence::envelope::open_direct;
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::{KemKey, KemPublicBytes};
use symbolon_presence::seal::OpenError;
use symbolon_presence::time::Timestamp;
use symbolon_relay::prove::WIRE_VERSION;

/// Row `direct` in [`Table::Meta`](crate::table::Table::Meta): seeds of direct keys, the present one last.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct DirectKeys {
    /// At most [`KEPT`].
    #[n(0)]
    keys: Vec<DirectKey>,
}

/// One of them.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
struct DirectKey {
    #[n(0)]
    seed: Secret,
    /// When it was drawn.
    #[n(1)]
    made: Timestamp,
}

/// The present key, and the one before it for friends who have not heard of the present one.
const KEPT: usize = 2;

impl std::fmt::Debug for DirectKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectKeys(..)")
    }
}

impl DirectKeys {
    /// Loads them. A folder that has none yet draws the first.
    pub(super) fn load(row: Option<Vec<u8>>, sure: Timestamp, rng: &mut ChaCha20Rng, out: &mut Out) -> Result<Self, TurnFailed> {
        if let Some(row) = row {
            return decode_row(&row);
        }
        let keys = Self { keys: vec![DirectKey::fresh(sure, rng)] };
        put_meta(out, b"direct", &keys);
        Ok(keys)
    }

    /// The public half of the present one, for friends.
    pub fn present(&self) -> KemPublicBytes {
        // One is there from the beginning.
        self.keys.last().map_or(KemKey::from_bytes([0; 32]), DirectKey::key).public().bytes()
    }

    /// Opens a direct envelope: what was sealed, and the public key that it was sealed to.
    pub fn open(&self, envelope: &[u8]) -> Result<(Vec<u8>, KemPublicBytes), OpenError> {
        let open = |key: KemKey| open_direct(&key, envelope).map(|payload| (payload, key.public().bytes()));
        self.keys.iter().rev().map(|key| open(key.key())).find(Result::is_ok).unwrap_or(Err(OpenError))
    }

    /// Draws the next one when the present one is old enough. Whether it was.
    pub(super) fn renew(&mut self, sure: Timestamp, rng: &mut ChaCha20Rng) -> bool {
        let is_old = self.keys.last().is_none_or(|key| sure.since(key.made) >= DIRECT_LIFETIME);
        if is_old {
            self.keys.push(DirectKey::fresh(sure, rng));
            let excess = self.keys.len().saturating_sub(KEPT);
            self.keys.drain(..excess);
        }
        is_old
    }
}

impl DirectKey {
    fn fresh(made: Timestamp, rng: &mut ChaCha20Rng) -> Self {
        Self { seed: Secret::random(rng), made }
    }

    fn key(&self) -> KemKey {
        KemKey::from_bytes(*self.seed.expose())
    }
}

/// Row `wire` in [`Table::Meta`](crate::table::Table::Meta): which version of the wire this folder speaks, and since when.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Speaks {
    #[n(0)]
    version: u32,
    #[n(1)]
    since: Timestamp,
}

impl Speaks {
    /// Loads it, and notes when this version is another one.
    pub(super) fn load(row: Option<Vec<u8>>, sure: Timestamp, out: &mut Out) -> Result<Self, TurnFailed> {
        let known: Option<Self> = row.map(|row| decode_row(&row)).transpose()?;
        if let Some(known) = known.filter(|known| known.version == WIRE_VERSION) {
            return Ok(known);
        }
        let speaks = Self { version: WIRE_VERSION, since: sure };
        put_meta(out, b"wire", &speaks);
        Ok(speaks)
    }

    /// Whether friends who are of before may still be written to, and write, under the keys of before.
    pub(super) fn is_before_valid(&self, sure: Timestamp) -> bool {
        sure.since(self.since) < BEFORE_LIFETIME
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand_core::SeedableRng;
    use symbolon_presence::envelope::seal_direct;
    use symbolon_presence::kem::KemPublic;
    use symbolon_presence::time::{DAY, EARLIEST};

    #[test]
    fn a_direct_key_is_renewed_in_time_and_the_one_before_opens_until_the_next() {
        let (rng, out) = (&mut ChaCha20Rng::from_seed([1; 32]), &mut Out::default());
        let mut keys = DirectKeys::load(None, EARLIEST, rng, out).unwrap();
        let seal = |key: &KemPublicBytes, rng: &mut ChaCha20Rng| seal_direct(&KemPublic::parse(key).unwrap(), b"hello", rng).unwrap();
        let first = keys.present();
        assert!(!keys.renew(EARLIEST.after(DIRECT_LIFETIME - 1), rng));
        assert!(keys.renew(EARLIEST.after(DIRECT_LIFETIME), rng));
        let second = keys.present();
        assert!(first != second);
        for key in [&first, &second] {
            assert!(keys.open(&seal(key, rng)).unwrap() == (b"hello".to_vec(), key.clone()));
        }
        assert!(keys.renew(EARLIEST.after(2 * DIRECT_LIFETIME), rng));
        assert!(keys.open(&seal(&first, rng)).is_err() && keys.open(&seal(&second, rng)).is_ok());
        assert_eq!(keys.keys.len(), KEPT);
    }

    #[test]
    fn keys_of_before_are_taken_for_ninety_days_after_this_version_came() {
        let out = &mut Out::default();
        let old = Speaks { version: WIRE_VERSION - 1, since: EARLIEST };
        let row = symbolon_presence::codec::encode_row(&old);
        let speaks = Speaks::load(Some(row), EARLIEST.after(400 * DAY), out).unwrap();
        assert!(speaks.is_before_valid(EARLIEST.after(489 * DAY)) && !speaks.is_before_valid(EARLIEST.after(490 * DAY)));
        let again = Speaks::load(Some(symbolon_presence::codec::encode_row(&speaks)), EARLIEST.after(600 * DAY), out).unwrap();
        assert_eq!(again.since, speaks.since);
    }
}

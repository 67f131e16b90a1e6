//! What the owner of presence records holds, and what a friend gets once and for all.

use crate::id::PublicKeyBytes;
use crate::kdf::{Secret, derive};
use crate::labels::{KEY_DRAW, KEY_HEADER, KEY_RATCHET};
use crate::sign::SigningKey;
use crate::time::DAY;
use crate::tree::{Tree, TreeSecret};
use crate::wrapping::{Class, Wrapping};
use minicbor::{Decode, Encode};

/// The most days that a ratchet is turned at once.
pub const TURNS_MAX: u32 = 1 << 16;

/// A key that changes daily and cannot be turned back: who takes a friend's keys does not
/// read the days before.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ratchet {
    /// Days since the generation began.
    #[n(0)]
    pub day: u32,
    /// Key of that day.
    #[n(1)]
    pub key: Secret,
}

impl Ratchet {
    /// The key of a day, unless it is forgotten or absurdly far ahead.
    pub fn at(&self, day: u32) -> Option<Secret> {
        let turns = day.checked_sub(self.day).filter(|turns| *turns <= TURNS_MAX)?;
        Some((0..turns).fold(self.key.clone(), |key, _| derive(key.expose(), KEY_RATCHET, &[])))
    }

    /// Forgets the keys of earlier days.
    pub fn forget_before(&mut self, day: u32) {
        if let Some(key) = self.at(day) {
            *self = Self { day, key };
        }
    }
}

/// The owner's secrets. A new generation begins when the tree is full or an own device is lost.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Generation {
    /// 0 for the first.
    #[n(0)]
    pub number: u32,
    /// From which all labels come.
    #[n(1)]
    tree: Secret,
    /// Seed of the lookup key.
    #[n(2)]
    lookup: Secret,
    /// Day since the Unix epoch on which it began.
    #[n(3)]
    pub began: u32,
    /// As far as it is turned.
    #[n(4)]
    pub ratchet: Ratchet,
}

impl Generation {
    /// Draws a generation that begins on a day.
    pub fn random<R: rand_core::CryptoRng + ?Sized>(number: u32, began: u32, rng: &mut R) -> Self {
        let [tree, lookup, key] = [(); 3].map(|()| Secret::random(rng));
        Self { number, tree, lookup, began, ratchet: Ratchet { day: 0, key } }
    }

    /// Signs records, blinded.
    pub fn lookup(&self) -> SigningKey {
        SigningKey::from_seed(self.lookup.expose())
    }

    /// Seed of everything that is random in the headers of a set of readers: in the header itself without a day, in its
    /// record of a day with it. So a header that is made again, after a start or at a relay, is the same bytes and tells nothing.
    pub fn header_seed(&self, wrapping: &Wrapping, day: Option<u32>) -> Secret {
        let day = day.map(|day| day.to_be_bytes());
        let day = day.as_ref().map_or([].as_slice(), |day| day.as_slice());
        let [full, limited] = [Class::Full, Class::Limited].map(|class| wrapping.secret(class).expose());
        derive(self.tree.expose(), KEY_DRAW, &[b"seed", &wrapping.version.to_be_bytes(), full, limited, day])
    }

    /// The moment of a day, in milliseconds since its begin, at which an owner without a server of its own brings its headers: it
    /// has nothing to do with when the owner comes or goes.
    pub fn header_moment(&self, day: u32) -> u64 {
        let drawn = derive(self.tree.expose(), KEY_DRAW, &[b"moment", &day.to_be_bytes()]);
        let [a, b, c, d, e, f, ..] = *drawn.expose();
        u64::from_be_bytes([0, 0, a, b, c, d, e, f]) % DAY
    }

    /// The tree's labels.
    pub fn tree(&self) -> TreeSecret<'_> {
        TreeSecret { tree: Tree::FULL, secret: &self.tree, generation: self.number }
    }

    /// What a friend gets beside its labels.
    pub fn reader(&self) -> Reader {
        Reader {
            generation: self.number,
            lookup: self.lookup().public(),
            header: derive(self.tree.expose(), KEY_HEADER, &[]),
            began: self.began,
            ratchet: self.ratchet.clone(),
        }
    }
}

/// What a friend needs, beside the labels of its leaf, to read the owner's records.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Reader {
    /// Which generation.
    #[n(0)]
    pub generation: u32,
    /// Public half of the lookup key.
    #[n(1)]
    pub lookup: PublicKeyBytes,
    /// Hides the entries of headers.
    #[n(2)]
    pub header: Secret,
    /// Day since the Unix epoch on which the generation began.
    #[n(3)]
    pub began: u32,
    /// From the day on which the friend joined.
    #[n(4)]
    pub ratchet: Ratchet,
}

impl Reader {
    /// The ratchet's key of a day since the Unix epoch.
    pub fn day_key(&self, day: u32) -> Option<Secret> {
        self.ratchet.at(day.checked_sub(self.began)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng;

    #[test]
    fn a_ratchet_turns_forward_only_and_not_without_end() {
        let mut ratchet = Ratchet { day: 3, key: Secret::from_bytes([1; 32]) };
        let tenth = ratchet.at(10).unwrap();
        assert_ne!(ratchet.at(3), ratchet.at(4));
        assert_eq!(ratchet.at(2), None);
        assert_eq!(ratchet.at(4 + TURNS_MAX), None, "a91: a jump from outside costs bounded work");
        ratchet.forget_before(7);
        assert_eq!((ratchet.day, ratchet.at(6), ratchet.at(10)), (7, None, Some(tenth.clone())));
        ratchet.forget_before(5);
        assert_eq!(ratchet.at(10), Some(tenth), "never back");
    }

    #[test]
    fn a_reader_gets_no_secret_of_the_tree_or_the_lookup_key() {
        let generation = Generation::random(0, 20_000, &mut rand_chacha::ChaCha20Rng::seed_from_u64(1));
        let reader = crate::codec::encode(&generation.reader());
        for secret in [&generation.tree, &generation.lookup] {
            assert!(!reader.windows(32).any(|part| part == secret.expose()));
        }
        assert_eq!(generation.reader().day_key(20_004), generation.ratchet.at(4));
        assert_eq!(generation.reader().day_key(19_999), None);
    }
}

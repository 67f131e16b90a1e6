//! The header: who may read. It wraps two secrets, each for the leaves that get it: the full
//! one leads to the body with everything, the limited one to a body without places.

use crate::blocks::Readers;
use crate::generation::{Generation, Reader};
use crate::id::{Digest, Nonce, PublicKeyBytes};
use crate::kdf::{Secret, derive, hash};
use crate::labels::{HASH_COMMIT, KEY_ENTRIES, KEY_WRAP, SEAL_ENTRIES, SEAL_WRAP};
use crate::seal::{AEAD_OVERHEAD, aead_open, aead_seal};
use crate::tree::{HEIGHT, LeafLabels, NobodyRevoked, Subset, Tree};
use crate::wrapping::{Class, Wrapping};
use core::fmt;
use minicbor::{Decode, Encode};

/// Bytes of an entry: two nodes, and the wrapped secret.
const ENTRY: usize = 3 + 3 + 32 + AEAD_OVERHEAD;
/// Numbers of entries that headers have.
const ENTRIES: [usize; 7] = [4, 8, 16, 32, 64, 128, 256];

/// A header, as it lies in a record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Header {
    /// Of the owner's secrets.
    #[n(0)]
    pub generation: u32,
    /// Of the set of readers.
    #[n(1)]
    pub version: u64,
    #[n(2)]
    nonce: Nonce,
    /// New in each header, also of one version.
    #[n(3)]
    salt: Nonce,
    #[cbor(n(4), with = "minicbor::bytes")]
    entries: Vec<u8>,
    /// What the full secret is.
    #[n(5)]
    full: Digest,
    /// What the limited secret is.
    #[n(6)]
    limited: Digest,
}

/// Why no header can be made: a new generation is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// More than 256 subsets.
    TooMany,
    /// Every leaf is a reader's.
    Full,
}

impl From<NobodyRevoked> for HeaderError {
    fn from(_: NobodyRevoked) -> Self {
        Self::Full
    }
}

/// The header is of another generation or altered, or this leaf is not among its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CannotRead;

/// What everything in a header hangs on.
struct Bound<'a> {
    lookup: PublicKeyBytes,
    generation: u32,
    version: u64,
    nonce: &'a Nonce,
}

impl Bound<'_> {
    fn wrap_key(&self, subset_key: &Secret, subset: Subset, class: Class) -> Secret {
        let parts: [&[u8]; 7] = [
            self.lookup.as_bytes(),
            &self.generation.to_be_bytes(),
            &self.version.to_be_bytes(),
            &class.byte(),
            self.nonce.as_bytes(),
            &subset.all.to_be_bytes(),
            &subset.but.to_be_bytes(),
        ];
        derive(subset_key.expose(), KEY_WRAP, &parts)
    }

    fn commit(&self, secret: &Secret, class: Class) -> Digest {
        let parts: [&[u8]; 5] =
            [secret.expose(), self.lookup.as_bytes(), &self.generation.to_be_bytes(), &self.version.to_be_bytes(), &class.byte()];
        hash(HASH_COMMIT, &parts)
    }

    fn entries_key(&self, header: &Secret, salt: &Nonce) -> Secret {
        derive(header.expose(), KEY_ENTRIES, &[&self.version.to_be_bytes(), salt.as_bytes()])
    }
}

fn three(node: u32) -> [u8; 3] {
    let [_, rest @ ..] = node.to_be_bytes();
    rest
}

/// An entry that opens for nobody.
fn dummy<R: rand_core::CryptoRng + ?Sized>(rng: &mut R) -> Vec<u8> {
    let depth = rng.next_u32() % u32::from(HEIGHT);
    let all = (1 << depth) | (rng.next_u32() % (1 << depth));
    let deeper = 1 + rng.next_u32() % (u32::from(HEIGHT) - depth);
    let but = (all << deeper) | (rng.next_u32() % (1 << deeper));
    let mut entry = [three(all), three(but)].concat();
    entry.resize(ENTRY, 0);
    rng.fill_bytes(entry.split_at_mut(6).1);
    entry
}

impl Header {
    /// No header is longer, in bytes. It fits into a record.
    pub const MAX_LEN: usize = 256 * ENTRY + AEAD_OVERHEAD + 192;
    const FITS: () = assert!(Self::MAX_LEN + 20 <= 15 * 1024);

    /// Wraps the secrets of a version for its readers. The order of the entries and those
    /// that open for nobody are drawn, so that numbers of friends cannot be read from it.
    pub fn wrap<R: rand_core::CryptoRng + ?Sized>(
        generation: &Generation,
        wrapping: &Wrapping,
        readers: &Readers,
        rng: &mut R,
    ) -> Result<Self, HeaderError> {
        const { Self::FITS };
        let reader = generation.reader();
        let bound = Bound { lookup: reader.lookup, generation: generation.number, version: wrapping.version, nonce: &wrapping.nonce };
        let tree = generation.tree();
        let mut entries = Vec::new();
        for (class, leaves) in [(Class::Full, &readers.full), (Class::Limited, &readers.limited)] {
            for subset in Tree::FULL.cover(leaves)? {
                let Some(key) = tree.subset_key(subset) else { unreachable!("a cover's subsets are the tree's") };
                let wrapped = aead_seal(&bound.wrap_key(&key, subset, class), 0, SEAL_WRAP, &[], wrapping.secret(class).expose());
                entries.push([three(subset.all).as_slice(), &three(subset.but), &wrapped].concat());
            }
        }
        let count = ENTRIES.into_iter().find(|count| entries.len() <= *count).ok_or(HeaderError::TooMany)?;
        entries.resize_with(count, || dummy(rng));
        for last in (1..entries.len()).rev() {
            let other = usize::try_from(rng.next_u64() % (last as u64 + 1)).unwrap_or_default();
            entries.swap(last, other);
        }
        let salt = Nonce::random(rng);
        Ok(Self {
            generation: generation.number,
            version: wrapping.version,
            nonce: wrapping.nonce,
            entries: aead_seal(&bound.entries_key(&reader.header, &salt), 0, SEAL_ENTRIES, &[], &entries.concat()),
            salt,
            full: bound.commit(&wrapping.full, Class::Full),
            limited: bound.commit(&wrapping.limited, Class::Limited),
        })
    }

    /// Opens the header with the labels of a leaf.
    pub fn open(&self, reader: &Reader, labels: &LeafLabels) -> Result<(Class, Secret), CannotRead> {
        if self.generation != reader.generation {
            return Err(CannotRead);
        }
        let bound = Bound { lookup: reader.lookup, generation: self.generation, version: self.version, nonce: &self.nonce };
        let entries =
            aead_open(&bound.entries_key(&reader.header, &self.salt), 0, SEAL_ENTRIES, &[], &self.entries).map_err(|_| CannotRead)?;
        for entry in entries.chunks_exact(ENTRY).take(256) {
            let ([a, b, c, d, e, f], wrapped) = entry.split_first_chunk::<6>().ok_or(CannotRead)?;
            let subset = Subset { all: u32::from_be_bytes([0, *a, *b, *c]), but: u32::from_be_bytes([0, *d, *e, *f]) };
            let Some(key) = labels.subset_key(Tree::FULL, subset) else { continue };
            for (class, commit) in [(Class::Full, self.full), (Class::Limited, self.limited)] {
                let opened = aead_open(&bound.wrap_key(&key, subset, class), 0, SEAL_WRAP, &[], wrapped).ok();
                let secret = opened.and_then(|bytes| bytes.try_into().ok()).map(Secret::from_bytes);
                // The cipher commits to no key: without this check an owner could show two friends two bodies.
                if let Some(secret) = secret.filter(|secret| bound.commit(secret, class) == commit) {
                    return Ok((class, secret));
                }
            }
        }
        Err(CannotRead)
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the set of readers has outgrown the generation")
    }
}

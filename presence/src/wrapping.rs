//! The secrets of one version of a header, and the two classes of readers that they are for.

use crate::id::Nonce;
use crate::kdf::Secret;
use minicbor::{Decode, Encode};

/// Which of the two secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Leads to the body with everything.
    Full,
    /// Leads to the body without places.
    Limited,
}

impl Class {
    pub(crate) fn byte(self) -> [u8; 1] {
        match self {
            Self::Full => [0],
            Self::Limited => [1],
        }
    }
}

/// The secrets of one version. Drawn again whenever the set of readers changes, so that who
/// was taken out knows none that is still used.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Wrapping {
    /// Rises by one with each change.
    #[n(0)]
    pub version: u64,
    #[n(1)]
    pub(crate) nonce: Nonce,
    #[n(2)]
    pub(crate) full: Secret,
    #[n(3)]
    pub(crate) limited: Secret,
}

impl Wrapping {
    /// Draws the secrets of a version.
    pub fn random<R: rand_core::CryptoRng + ?Sized>(version: u64, rng: &mut R) -> Self {
        let nonce = Nonce::random(rng);
        Self { version, nonce, full: Secret::random(rng), limited: Secret::random(rng) }
    }

    /// One of the two secrets.
    pub fn secret(&self, class: Class) -> &Secret {
        match class {
            Class::Full => &self.full,
            Class::Limited => &self.limited,
        }
    }
}

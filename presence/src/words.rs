//! Fingerprint words: a Peer ID as twelve words that two people can read to each other.
//!
//! 128 bits of a hash of the Peer ID, written as BIP-39 English words, whose last one
//! carries a 4-bit checksum against mishearing.

use crate::id::PeerId;
use crate::kdf::hash;
use crate::labels::HASH_WORDS;
use bip39::{Language, Mnemonic};

/// Twelve lower-case English words, separated by single spaces.
pub fn fingerprint_words(peer: &PeerId) -> String {
    let digest = hash(HASH_WORDS, &[peer.as_bytes()]);
    let (entropy, _) = digest.as_bytes().split_at(16);
    let Ok(mnemonic) = Mnemonic::from_entropy_in(Language::English, entropy) else {
        unreachable!("16 bytes are a length that BIP-39 knows");
    };
    mnemonic.words().collect::<Vec<_>>().join(" ")
}

/// Whether typed words are this Peer ID's. Case, spacing and punctuation do not matter.
pub fn words_match(peer: &PeerId, typed: &str) -> bool {
    // Twelve words of at most eight letters fit many times over.
    if typed.len() > 1024 {
        return false;
    }
    let given: Vec<String> = typed.split(|c: char| !c.is_alphabetic()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect();
    given.join(" ") == fingerprint_words(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_twelve_and_differ_between_people() {
        let a = fingerprint_words(&PeerId([1; 32]));
        let b = fingerprint_words(&PeerId([2; 32]));
        assert_eq!(a.split(' ').count(), 12);
        assert_ne!(a, b);
    }

    #[test]
    fn words_are_compared_as_people_type_them() {
        let peer = PeerId([1; 32]);
        let typed = fingerprint_words(&peer).to_uppercase().replace(' ', ",  ");
        assert!(words_match(&peer, &typed));
        assert!(!words_match(&PeerId([2; 32]), &typed));
        assert!(!words_match(&peer, ""));
        assert!(!words_match(&peer, &"word ".repeat(10_000)));
    }
}

//! Fingerprint words: a Peer ID as twelve words that two people can read to each other.
//!
//! 128 bits of a hash of the Peer ID, written as BIP-39 English words, whose last one
//! carries a 4-bit checksum against mishearing.

use crate::id::PeerId;
use crate::kdf::{Secret, hash};
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
    let given = split(typed);
    given.join(" ") == fingerprint_words(peer)
}

/// The recovery phrase of an entropy: twenty-four words.
pub fn recovery_words(entropy: &Secret) -> String {
    let Ok(mnemonic) = Mnemonic::from_entropy_in(Language::English, entropy.expose()) else {
        unreachable!("32 bytes are a length that BIP-39 knows");
    };
    mnemonic.words().collect::<Vec<_>>().join(" ")
}

/// What a recovery phrase stands for, as people type it. None when a word is wrong, or their number.
pub fn read_recovery_words(typed: &str) -> Option<Secret> {
    if typed.len() > 1024 {
        return None;
    }
    let given = split(typed);
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &given.join(" ")).ok()?;
    let (entropy, length) = mnemonic.to_entropy_array();
    Some(Secret::from_bytes(*entropy.first_chunk::<32>().filter(|_| length == 32)?))
}

/// What is wrong with so many typed words by themselves: their number, one that is not in the list, or that they do not go
/// together. Empty when only their meaning can be wrong. It repeats no word: recovery phrases are secret.
pub fn wrong_with(typed: &str, count: usize) -> String {
    let given = split(typed);
    if given.len() != count {
        return format!(
            "{count} words are needed, {} given",
            match given.len() {
                0 => "none is".to_owned(),
                1 => "1 is".to_owned(),
                many => format!("{many} are"),
            }
        );
    }
    let unknown = given.iter().position(|word| Language::English.find_word(word).is_none());
    if let Some(at) = unknown {
        return format!("word {} is not in the list of words: look how it is spelled", at.saturating_add(1));
    }
    match Mnemonic::parse_in_normalized(Language::English, &given.join(" ")) {
        Ok(_) => String::new(),
        Err(_) => "these words do not go together: one of them is another word, or stands in another place".to_owned(),
    }
}

fn split(typed: &str) -> Vec<String> {
    typed.split(|c: char| !c.is_alphabetic()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
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

    #[test]
    fn what_is_wrong_with_typed_words_is_their_number_or_place_and_no_word_is_repeated() {
        let words = recovery_words(&Secret::from_bytes([7; 32]));
        assert_eq!(wrong_with(&words.to_uppercase(), 24), "");
        assert!(wrong_with("tip couple", 12).starts_with("12 words are needed, 2 are given"));
        assert!(wrong_with("", 24).contains("none is given"));
        let mut typed: Vec<&str> = words.split(' ').collect();
        typed.swap(0, 23);
        assert!(wrong_with(&typed.join(" "), 24).contains("do not go together"));
        typed[2] = "abandonn";
        let wrong = wrong_with(&typed.join(" "), 24);
        assert!(wrong.starts_with("word 3 is not in the list") && !wrong.contains("abandonn"), "{wrong}");
    }

    #[test]
    fn a_recovery_phrase_is_read_back_as_people_type_it_and_one_wrong_word_is_noticed() {
        let entropy = Secret::from_bytes([7; 32]);
        let words = recovery_words(&entropy);
        assert_eq!(words.split(' ').count(), 24);
        assert_eq!(read_recovery_words(&words.to_uppercase().replace(' ', ",\n")).unwrap().expose(), entropy.expose());
        let mut wrong: Vec<&str> = words.split(' ').collect();
        wrong.swap(0, 23);
        assert!(read_recovery_words(&wrong.join(" ")).is_none());
        assert!(read_recovery_words(&fingerprint_words(&PeerId([1; 32]))).is_none(), "twelve are too few");
        assert!(read_recovery_words("").is_none());
    }
}

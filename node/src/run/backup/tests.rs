#![allow(clippy::unwrap_used)]

use super::restore;
use rand_core::SeedableRng;
use std::path::{Path, PathBuf};
use symbolon_core::wire::{BACKUP_MAGIC, BackupHead, BackupPart, backup_key};
use symbolon_presence::id::Nonce;
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::EARLIEST;
use symbolon_presence::words::recovery_words;

const ID: Nonce = Nonce([4; 16]);

fn entropy() -> Secret {
    Secret::from_bytes([7; 32])
}

fn file(folder: &Path, parts: &[BackupPart]) -> PathBuf {
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
    let mut bytes = [BACKUP_MAGIC, ID.as_bytes()].concat();
    for (part, index) in parts.iter().zip(0..) {
        let sealed = part.seal(&backup_key(&entropy()), &ID, index, &mut rng);
        bytes.extend(u32::try_from(sealed.len()).unwrap().to_be_bytes());
        bytes.extend(sealed);
    }
    let path = folder.join("backup");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn head() -> BackupPart {
    let person = Identity::root_of(&entropy()).person();
    BackupPart::Head(BackupHead {
        made: EARLIEST,
        person,
        serial: 9,
        name: "Ann".into(),
        relays: Vec::new(),
        lookups: Vec::new(),
        list: None,
    })
}

#[test]
fn a_fresh_folder_becomes_a_device_of_the_person_and_nothing_is_made_of_a_bad_file_or_bad_words() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let whole = file(folder.path(), &[head(), BackupPart::End]);
    let words = recovery_words(&entropy());
    let kind = |file: &Path, words: &str| restore(&data, file, words, None).unwrap_err().kind;
    assert_eq!(kind(&whole, "one two three"), "bad_phrase");
    assert_eq!(kind(&whole, &recovery_words(&Secret::from_bytes([8; 32]))), "wrong_phrase");
    let bytes = std::fs::read(&whole).unwrap();
    let broken = folder.path().join("broken");
    for length in 0..bytes.len() {
        std::fs::write(&broken, bytes.get(..length).unwrap()).unwrap();
        assert_eq!(kind(&broken, &words), "damaged_backup", "cut off behind {length} bytes");
    }
    std::fs::write(&broken, [bytes.as_slice(), &[0]].concat()).unwrap();
    assert_eq!(kind(&broken, &words), "damaged_backup", "something behind the end");
    std::fs::write(&broken, b"x".repeat(200)).unwrap();
    assert_eq!(kind(&broken, &words), "not_a_backup");
    assert_eq!(kind(&folder.path().join("nowhere"), &words), "unreadable");
    // Who has the words' key can write these; half a device would be made of them.
    let twice = file(folder.path(), &[head(), head(), BackupPart::End]);
    assert_eq!(kind(&twice, &words), "damaged_backup", "a second head");
    for parts in [vec![BackupPart::End], vec![BackupPart::Persons(Vec::new()), head(), BackupPart::End]] {
        assert_eq!(kind(&file(folder.path(), &parts), &words), "wrong_phrase", "no head");
    }
    let whole = file(folder.path(), &[head(), BackupPart::End]);
    assert!(!data.exists(), "nothing was made");
    let restored = restore(&data, &whole, &words, None).unwrap();
    assert_eq!(restored.id, Identity::root_of(&entropy()).person().to_string());
    assert_eq!(kind(&whole, &words), "not_fresh", "once");
}

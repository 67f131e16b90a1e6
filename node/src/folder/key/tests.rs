#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::*;

fn folder() -> (tempfile::TempDir, Folder) {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::open(home.path()).unwrap();
    (home, folder)
}

fn same(a: &StoreKey, b: &StoreKey) -> bool {
    a.key == b.key && a.salt == b.salt
}

#[test]
fn key_is_read_back_in_the_clear_and_under_a_passphrase() {
    for passphrase in [None, Passphrase::new(b"correct horse")] {
        let (_home, folder) = folder();
        assert!(folder.load_key(passphrase.as_ref()).unwrap().is_none());
        let key = StoreKey::random().unwrap();
        folder.save_key(&key, passphrase.as_ref()).unwrap();
        assert!(same(&key, &folder.load_key(passphrase.as_ref()).unwrap().unwrap()));
    }
}

#[test]
fn sealed_key_file_does_not_hold_the_key() {
    let (home, folder) = folder();
    let key = StoreKey::random().unwrap();
    folder.save_key(&key, Passphrase::new(b"p").as_ref()).unwrap();
    let bytes = std::fs::read(home.path().join(SALT_FILE)).unwrap();
    assert!(!bytes.windows(32).any(|window| window == key.key.as_ref()));
    assert!(!home.path().join(KEY_FILE).exists());
}

#[test]
fn wrong_missing_and_needless_passphrases_are_named() {
    let (_home, folder) = folder();
    folder.save_key(&StoreKey::random().unwrap(), Passphrase::new(b"right").as_ref()).unwrap();
    assert!(matches!(folder.load_key(Passphrase::new(b"wrong").as_ref()), Err(KeyError::WrongPassphrase { .. })));
    assert!(matches!(folder.load_key(None), Err(KeyError::PassphraseNeeded { .. })));
    let (home, folder) = self::folder();
    folder.save_key(&StoreKey::random().unwrap(), None).unwrap();
    let before = std::fs::read(home.path().join(KEY_FILE)).unwrap();
    assert!(matches!(folder.load_key(Passphrase::new(b"any").as_ref()), Err(KeyError::PassphraseNotUsed { .. })));
    assert_eq!(std::fs::read(home.path().join(KEY_FILE)).unwrap(), before);
}

#[test]
fn every_flipped_byte_of_a_clear_key_file_is_found() {
    let (home, folder) = folder();
    folder.save_key(&StoreKey::random().unwrap(), None).unwrap();
    let path = home.path().join(KEY_FILE);
    let good = std::fs::read(&path).unwrap();
    for position in 0..good.len() {
        let mut bad = good.clone();
        bad[position] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        assert!(matches!(folder.load_key(None), Err(KeyError::Damaged { .. })), "byte {position}");
    }
    for bad in [&good[..good.len() - 1], &[], &[0; 5_000]] {
        std::fs::write(&path, bad).unwrap();
        assert!(matches!(folder.load_key(None), Err(KeyError::Damaged { .. })));
    }
}

#[test]
fn damaged_sealed_key_is_told_from_a_wrong_passphrase_and_costs_nothing() {
    let (home, folder) = folder();
    let passphrase = Passphrase::new(b"right");
    folder.save_key(&StoreKey::random().unwrap(), passphrase.as_ref()).unwrap();
    let path = home.path().join(SALT_FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(folder.load_key(passphrase.as_ref()), Err(KeyError::Damaged { .. })));
    // A file that asks for 4 TiB, checksum and all.
    bytes.truncate(bytes.len() - CHECKSUM);
    bytes[16..20].copy_from_slice(&[0xFF; 4]);
    append_checksum(&mut bytes);
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(folder.load_key(passphrase.as_ref()), Err(KeyError::Damaged { .. })));
}

#[test]
fn first_line_of_a_passphrase_file_counts_and_is_bounded() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("p");
    write::create_private(&path).unwrap();
    for (content, passphrase) in
        [("word\n", "word"), ("word\r\n", "word"), ("word", "word"), ("word\nmore\n", "word"), ("word\n\n", "word")]
    {
        std::fs::write(&path, content).unwrap();
        assert_eq!(Passphrase::from_file(&path).unwrap().text.as_slice(), passphrase.as_bytes());
    }
    for content in [String::new(), "\n".into(), "x".repeat(PASSPHRASE_MAX + 1), "x".repeat(100_000)] {
        std::fs::write(&path, content).unwrap();
        assert!(Passphrase::from_file(&path).is_err());
    }
}

#[test]
fn folder_that_was_sealed_under_the_whole_file_still_opens_and_a_new_one_takes_the_first_line() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("p");
    write::create_private(&path).unwrap();
    std::fs::write(&path, "word\n# a remark\n").unwrap();
    let of_file = Passphrase::from_file(&path).unwrap();
    for (sealed, opens) in [("word\n# a remark", true), ("word", true), ("# a remark", false)] {
        let (_home, folder) = folder();
        let key = StoreKey::random().unwrap();
        folder.save_key(&key, Passphrase::new(sealed.as_bytes()).as_ref()).unwrap();
        assert_eq!(folder.load_key(Some(&of_file)).is_ok_and(|loaded| same(&key, &loaded.unwrap())), opens, "{sealed:?}");
    }
    let (_home, folder) = folder();
    folder.save_key(&StoreKey::random().unwrap(), Some(&of_file)).unwrap();
    assert!(folder.load_key(Passphrase::new(b"word").as_ref()).is_ok());
}

#[test]
fn a110_passphrase_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("p");
    std::fs::write(&path, "word").unwrap();
    for (mode, is_refused) in [(0o600, false), (0o400, false), (0o644, true), (0o640, true), (0o604, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(matches!(Passphrase::from_file(&path), Err(PassphraseError::Exposed)), is_refused, "{mode:o}");
    }
    let link = home.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(Passphrase::from_file(&link), Err(PassphraseError::Exposed)), "by another name");
}

//! A relay's claim codes in files beside its store: so no log has to show them, and they can be
//! read later.

use crate::folder::api::TOKEN_FILE;
use crate::folder::{STORE_FILE, write};
use std::io;
use std::path::{Path, PathBuf};

/// The code that makes a mailbox the relay's owner's.
pub const CLAIM_FILE: &str = "relay-claim";
/// The code that friends of the owner get.
const FRIENDS_FILE: &str = "relay-claim-friends";

/// Writes the codes, one a file, and answers where they are. Without a code for friends its file is
/// removed.
pub fn write(folder: &Path, claim: &str, friends: Option<&str>) -> io::Result<(PathBuf, Option<PathBuf>)> {
    let put = |name: &str, code: &str| {
        let path = folder.join(name);
        write::replace_private(&path, format!("{code}\n").as_bytes())?;
        std::path::absolute(path)
    };
    let friends = match friends {
        Some(code) => Some(put(FRIENDS_FILE, code)?),
        None => match std::fs::remove_file(folder.join(FRIENDS_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => None,
        },
    };
    Ok((put(CLAIM_FILE, claim)?, friends))
}

/// Whether a folder looks like a relay's. A person's has a token of the local API; relays of older builds have neither file.
pub fn is_relays(path: &Path) -> bool {
    path.join(CLAIM_FILE).exists() || (path.join(STORE_FILE).exists() && !path.join(TOKEN_FILE).exists())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn folder_of_a_relay_is_known_by_its_code_and_that_of_a_person_by_its_token() {
        let home = tempfile::tempdir().unwrap();
        assert!(!is_relays(home.path()), "an empty one is no relay's");
        std::fs::write(home.path().join(STORE_FILE), "x").unwrap();
        assert!(is_relays(home.path()), "a relay's of an older build");
        std::fs::write(home.path().join(TOKEN_FILE), "x").unwrap();
        assert!(!is_relays(home.path()));
        write(home.path(), "code", None).unwrap();
        assert!(is_relays(home.path()));
    }

    #[test]
    fn codes_lie_in_files_that_only_their_owner_can_read() {
        let home = tempfile::tempdir().unwrap();
        let (claim, friends) = write(home.path(), "first", Some("second")).unwrap();
        let friends = friends.unwrap();
        for (path, code) in [(&claim, "first\n"), (&friends, "second\n")] {
            assert_eq!(std::fs::read_to_string(path).unwrap(), code);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(write(home.path(), "third", None).unwrap(), (claim.clone(), None));
        assert!(!friends.exists(), "a code that opens nothing is not kept");
        assert_eq!(std::fs::read_to_string(claim).unwrap(), "third\n");
    }
}

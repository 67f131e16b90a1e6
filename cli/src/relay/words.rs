//! Words that `relay run` and `relay info` share.

use crate::text::line;
use std::path::Path;

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    format!("'{}'", line(&path.display().to_string()).replace('\'', "'\\''"))
}

/// For whom a relay keeps mailboxes, in words.
pub fn serves(policy: &str) -> &'static str {
    match policy {
        "open" => "anybody",
        "friends" => "those with the claim code, and friends with theirs",
        _ => "those with the claim code",
    }
}

/// How much a relay keeps, in words.
pub fn at_most(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 10 << 30 || bytes.is_multiple_of(1 << 30) => format!("at most {} GiB", bytes >> 30),
        bytes => format!("at most {} MiB", bytes >> 20),
    }
}

//! Words that `relay run` and `relay info` share.

use crate::text::line;
use std::path::Path;

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    format!("'{}'", line(&path.display().to_string()).replace('\'', "'\\''"))
}

/// What those type who want a mailbox, on the machines of their nodes.
pub fn to_add(link: &str, claim: &str, friends: Option<&str>, policy: &str) -> String {
    let add = |whose: &str, claim: String| format!("{whose}, on the machine of the node:\n\n  symbolon relay add {link}{claim}\n");
    let friends = friends.map_or_else(String::new, |code| add("\nFor friends of yours", format!(" --claim {code}")));
    let anybody = if policy == "open" { add("\nFor anybody", String::new()) } else { String::new() };
    format!("{}{friends}{anybody}", add("To keep a mailbox of yours here", format!(" --claim {claim}")))
}

/// Where the codes are that a file or pipe does not show.
pub fn not_in_a_log(claim: &Path, friends: Option<&Path>) -> String {
    let friends = friends.map_or_else(String::new, |file| format!(", that for friends in {}", quoted(file)));
    format!(
        "\nOthers may read this, so the codes are not in it. On this machine yours is in {}{friends}.\nPaste it behind `--claim -`, then press Ctrl-D.\n",
        quoted(claim)
    )
}

/// A number of things.
pub fn number_of(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
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

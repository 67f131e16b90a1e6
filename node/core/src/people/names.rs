//! Names of people: which look alike, and which pose as something else.
//!
//! Everybody chooses their own name, so a name proves nothing. What is done here keeps one
//! name from being taken for another, for an id, or for a command. Nothing is refused: names
//! are cleaned, numbered ([`people`](crate::people)) and marked where they are shown.
//! Look-alikes are found by the skeletons of Unicode Technical Standard 39, in two orders:
//! capital I is like small l before letters are made small, and unlike it after.

use crate::command::VERBS;
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::skeleton;

/// Words besides commands that a name could pass for on a command line or in the program's own sentences.
const WORDS: &str = "all anybody conversation everybody false friend help me nobody null off on somebody symbolon true version you";

/// All words that no name can pose as. A test of the command compares them with its verbs.
pub fn reserved() -> impl Iterator<Item = &'static str> {
    VERBS.split_whitespace().chain(WORDS.split_whitespace())
}

/// From so many letters on, a name made only of those that ids have looks like an id: the
/// length of the ids of requests, rooms and devices.
const ID_LENGTH: usize = 26;

/// As what a name poses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pose {
    /// It looks like an id.
    Id,
    /// It looks like a command, a flag or a link.
    Command,
    /// It has letters that cannot be seen, or that turn the direction of others.
    Hidden,
}

impl Pose {
    /// What to tell the user.
    pub fn text(self) -> &'static str {
        match self {
            Self::Id => "this name looks like an id; it is only a name",
            Self::Command => "this name looks like a command or a link; it is only a name",
            Self::Hidden => "this name has letters that cannot be seen",
        }
    }
}

/// Whether a character cannot be seen, or turns the direction of others, wherever it stands.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00ad | 0x034f | 0x061c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
            | 0x200b | 0x200e | 0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164
            | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3 | 0x1d159 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// Whether a character joins or varies its neighbours, as emoji and several scripts need it.
pub fn is_joiner(c: char) -> bool {
    matches!(u32::from(c), 0x200c | 0x200d | 0xfe00..=0xfe0f)
}

/// Whether a joiner behind this character has nothing to join: so it only hides there.
pub fn joins_nothing(before: Option<char>) -> bool {
    before.is_none_or(|c| c.is_whitespace() || (c.is_alphabetic() && u32::from(c) < 0x0590))
}

/// A name without what cannot be seen, composed, and with single spaces.
pub fn clean(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.nfc() {
        let is_out = is_hidden(c) || (is_joiner(c) && joins_nothing(out.chars().last()));
        match c {
            _ if is_out => {}
            c if c.is_whitespace() => {
                if !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            c => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Whether two names are one to who types them: case, composition, width and what cannot be
/// seen do not matter.
pub fn is_same(a: &str, b: &str) -> bool {
    a == b || fold(a) == fold(b)
}

/// Whether a name begins with what was typed, in the same sense.
pub fn begins(name: &str, typed: &str) -> bool {
    let typed = fold(typed);
    !typed.is_empty() && fold(name).starts_with(&typed)
}

/// Whether two names can be taken for each other by who reads them.
pub fn is_alike(a: &str, b: &str) -> bool {
    Look::of(a).is_alike(&Look::of(b))
}

/// How a name looks, in the forms by which names are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// As it is typed: two names with this in common are the same.
    pub folded: String,
    /// As it is seen. Two names that have this or the next in common look alike.
    pub seen: String,
    /// As it is seen once its letters are small.
    pub small: String,
}

impl Look {
    /// Looks at a name.
    pub fn of(name: &str) -> Self {
        let folded = fold(name);
        let small = skeleton(&folded).collect();
        Self { folded, seen: read(name), small }
    }

    /// Whether who reads one of them may take it for the other.
    pub fn is_alike(&self, other: &Self) -> bool {
        self.folded == other.folded || self.seen == other.seen || self.small == other.small
    }

    /// What it would be as the beginning of an id: eight letters are enough to name somebody.
    pub fn beginnings(&self) -> impl Iterator<Item = String> + use<> {
        let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let is_one = |text: &String| text.len() >= 8 && text.chars().all(is_of_ids);
        [bare(&self.folded), bare(&self.seen)].into_iter().filter(is_one)
    }
}

/// As what a name poses by itself, no matter who else there is.
pub fn pose(name: &str) -> Option<Pose> {
    let folded = fold(name);
    let seen = read(name);
    if is_like_an_id(&folded) || is_like_an_id(&seen) {
        return Some(Pose::Id);
    }
    let begins = |mark: &str| folded.starts_with(mark) || seen.starts_with(mark);
    if begins("-") || begins("symbolon:") || reserved().any(|word| word == folded || read(word) == seen) {
        return Some(Pose::Command);
    }
    let is_clean = clean(name) == name.nfc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
    if is_clean && !folded.is_empty() { None } else { Some(Pose::Hidden) }
}

/// What a room's history says of people. A name that has one of these in it reads as if something had happened.
const TELLING: [&str; 7] = ["added", "removed", "the room", "the topic", "is a member", "is an admin", "is an owner"];

/// Whether a name reads as a line of a room's history, or as the reader's own.
pub fn tells(name: &str) -> bool {
    let words = |text: &str| {
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        format!(" {} ", words.join(" "))
    };
    [(words(&fold(name)), fold as fn(&str) -> String), (words(&read(name)), read)]
        .iter()
        .any(|(said, form)| TELLING.iter().any(|telling| said.contains(&words(&form(telling)))) || *said == words(&form("you")))
}

fn is_like_an_id(name: &str) -> bool {
    let letters = || name.chars().filter(|c| !c.is_whitespace() && *c != '-');
    letters().count() >= ID_LENGTH && letters().all(is_of_ids)
}

fn is_of_ids(c: char) -> bool {
    matches!(c, 'a'..='z' | '2'..='7')
}

/// As it is typed: compatible forms, small letters, nothing hidden.
fn fold(name: &str) -> String {
    let seen: String = name.nfkc().filter(|c| !is_hidden(*c) && !is_joiner(*c)).collect();
    let small: String = seen.chars().flat_map(char::to_lowercase).nfkc().collect();
    small.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As it is seen: what looks alike is one letter.
fn read(name: &str) -> String {
    let seen: String = name.nfkc().filter(|c| !is_hidden(*c) && !is_joiner(*c)).collect();
    skeleton(&seen.split_whitespace().collect::<Vec<_>>().join(" ")).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests;

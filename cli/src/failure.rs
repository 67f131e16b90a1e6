//! A command that did not do what was asked, and what the user sees then.

use crate::text;
use serde_json::{Map, Value, json};

/// Exit code of a command that failed.
pub const FAILED: u8 = 1;
/// Exit code of a command line that cannot be understood.
pub const USAGE: u8 = 2;

/// The kind of a failure that the reader of standard output has caused by going away: nothing is said.
pub const CLOSED: &str = "output_closed";
/// The kind of one that standard output has caused otherwise: it can be said on stderr only.
pub const LOST: &str = "output_failed";

/// Why a command failed, what to do, and with which code the process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable name for programs.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Exit code.
    pub code: u8,
    /// Fields that stand in the JSON object beside the others, or in place of them.
    pub fields: Map<String, Value>,
    /// Whether standard output says it already, so that JSON has no object more.
    pub is_told: bool,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(kind: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), hint: hint.into(), code: FAILED, fields: Map::new(), is_told: false }
    }

    /// The same, for a command line or a file that cannot work.
    pub fn usage(kind: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: USAGE, ..Self::new(kind, message, hint) }
    }

    /// The question was not answered with yes.
    pub fn declined() -> Self {
        Self::new("declined", "nothing was done", "Run it again, and answer with y, if it is meant.")
    }

    /// Every line about it stands on standard output already; only the exit code is left.
    pub fn told(message: impl Into<String>) -> Self {
        Self { is_told: true, ..Self::new("checks_failed", message, "What to do stands beside each check.") }
    }

    /// This device was not let in by a code.
    pub fn not_joined(reason: Option<&str>) -> Self {
        let message = reason.unwrap_or("the code has expired");
        Self::new("not_joined", message, "Run `symbolon device pair` on your first device for a new code, then try again.")
    }

    /// Standard output is gone: its reader has seen enough.
    pub fn closed_output() -> Self {
        Self::new(CLOSED, "the output was closed", "Nothing to do.")
    }

    /// Standard output takes nothing any more.
    pub fn lost_output(error: &std::io::Error) -> Self {
        let message = format!("the output cannot be written: {error}");
        Self::new(LOST, message, "Make room there, or write to another place, and run the command again.")
    }

    /// A flag stands where the text of `send` was meant to stand, perhaps.
    pub fn taken_for_a_flag(word: &str) -> Self {
        let word = text::line(word);
        let message = format!("`{word}` behind the name is a flag, and there is no text");
        let hint = format!("To send it as a text, write -- first: symbolon send Ben -- {word}. Flags: symbolon send --help");
        Self { code: USAGE, ..Self::new("usage", message, hint) }
    }

    /// The one object that `--json` prints.
    pub fn object(&self) -> Value {
        let mut object = json!({ "error": self.kind, "message": self.message, "hint": self.hint });
        if let Some(object) = object.as_object_mut() {
            object.extend(self.fields.clone());
        }
        object
    }

    /// The two lines for people.
    pub fn lines(&self) -> String {
        format!("error: {}\nhint: {}\n", text::block(&self.message), text::block(&self.hint))
    }
}

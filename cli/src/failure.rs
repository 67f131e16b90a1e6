//! A command that did not do what was asked, and how the user is told.

use crate::text;
use serde_json::{Map, Value, json};

/// Exit code of a command that failed.
pub const FAILED: u8 = 1;
/// Exit code of a command line that cannot be understood.
pub const USAGE: u8 = 2;

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

    /// The question was not answered with yes.
    pub fn declined() -> Self {
        Self::new("declined", "nothing was done", "Answer with y, or give --yes, to go on.")
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
        Self::new("output_closed", "the output was closed", "Nothing to do.")
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

//! Standard output: JSON lines or plain text, never both.

use crate::failure::Failure;
use crate::text;
use serde_json::Value;
use std::io::{BufRead, ErrorKind, IsTerminal, Read, Write};

/// Longest answer to a question, in bytes.
const ANSWER_MAX: u64 = 64;

/// Where and how answers are printed.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// One JSON object a line.
    pub json: bool,
}

impl Output {
    /// Prints one answer: the object, or what `plain` makes of it.
    pub fn show(self, value: &Value, plain: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        if self.json { self.print(&format!("{}\n", text::json(value))) } else { self.print(&plain(value)) }
    }

    /// Prints text that is ready for a terminal.
    pub fn print(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
            // The reader has seen enough.
            let is_closed = error.kind() == ErrorKind::BrokenPipe;
            if is_closed { Failure::closed_output() } else { Failure::lost_output(&error) }
        })
    }

    /// Says on stderr why something takes its time.
    pub fn aside(self, text: &str) {
        if !self.json {
            complain(&format!("{}\n", text::block(text)));
        }
    }

    /// Says something that is no answer; only to a person at a terminal.
    pub fn remark(self, text: &str) -> Result<(), Failure> {
        if self.json || self.is_piped() { Ok(()) } else { self.print(text) }
    }

    /// Whether somebody sits there who can answer a question.
    pub fn can_ask(self) -> bool {
        !self.json && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks a question that is answered with yes or, by anything else, with no. It stands
    /// on stderr: stdout is for answers.
    pub fn ask(self, question: &str) -> Result<bool, Failure> {
        let mut err = std::io::stderr().lock();
        err.write_all(format!("{question} [y/N] ").as_bytes()).and_then(|()| err.flush()).map_err(|_| Failure::closed_output())?;
        let mut answer = String::new();
        // The end of the input is a no.
        let read = std::io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer);
        Ok(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// Whether colours may be set: at a terminal, except where `NO_COLOR` is set.
    pub fn has_colours(self) -> bool {
        !self.is_piped() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
    }

    /// Whether a program, not a person, reads along.
    pub fn is_piped(self) -> bool {
        !std::io::stdout().is_terminal()
    }
}

/// Writes to stderr. Nobody who reads along is no reason to stop.
pub fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

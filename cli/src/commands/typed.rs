//! What is typed as an argument, or comes by standard input.

use crate::args::flags;
use crate::failure::Failure;
use crate::output::Output;
use std::io::{IsTerminal as _, Read as _};
use symbolon_core::limits::TEXT_MAX;

/// The kind of a failure by standard input without anything in it.
const EMPTY: &str = "empty_input";

/// An argument, or standard input in place of `-`: other users of the machine can read
/// command lines.
pub(super) fn typed(output: Output, argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    from_stdin(output).map_err(|failure| match failure.kind.as_str() {
        EMPTY => {
            Failure { hint: "Write it in place of the `-`, or let a file or a pipe be standard input: … - < FILE".to_owned(), ..failure }
        }
        _ => failure,
    })
}

/// The text of `send` when none stands behind the name, though a flag may.
pub(super) fn text_of_stdin(output: Output) -> Result<String, Failure> {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let flag = flags::flag_for_text(&arguments).map(Failure::taken_for_a_flag);
    match flag {
        // Nobody types a text behind a flag that was meant as one.
        Some(failure) if std::io::stdin().is_terminal() => Err(failure),
        flag => from_stdin(output).map_err(|failure| flag.filter(|_| failure.kind == EMPTY).unwrap_or(failure)),
    }
}

/// Standard input.
pub(super) fn from_stdin(output: Output) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        output.aside("Type it here; Ctrl-D on a line of its own ends it.");
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(TEXT_MAX).unwrap_or(u64::MAX).saturating_add(2);
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|_| Failure::new("bad_text", "standard input cannot be read", "Give the text as an argument."))?;
    let mut text = String::from_utf8(bytes)
        .map_err(|_| Failure::new("bad_text", "the text is not UTF-8, or longer than 16 KiB", "Convert or shorten it."))?;
    // The shell's last line break is not part of what was meant.
    if text.ends_with('\n') {
        text.pop();
    }
    if text.is_empty() {
        let hint = "Pipe it in, for example: echo 'Hello' | symbolon send Ben -";
        return Err(Failure::new(EMPTY, "standard input is empty or closed", hint));
    }
    Ok(text)
}

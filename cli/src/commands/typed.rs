//! What is typed as an argument, or comes by standard input.

use crate::failure::Failure;
use std::io::Read as _;
use symbolon_core::limits::TEXT_MAX;

/// An argument, or standard input in place of `-`: other users of the machine can read
/// command lines.
pub(super) fn typed(argument: &str) -> Result<String, Failure> {
    if argument == "-" { from_stdin() } else { Ok(argument.to_owned()) }
}

/// Standard input.
pub(super) fn from_stdin() -> Result<String, Failure> {
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
    Ok(text)
}

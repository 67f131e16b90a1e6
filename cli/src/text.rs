//! Texts of other people on a terminal.
//!
//! A name or message may carry escape sequences that move the cursor, retitle the window
//! or answer for the user, and direction marks that make it read as something else. Here
//! every such character becomes a visible, harmless one; nothing is dropped silently.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::OnceLock;
use symbolon_core::names::{is_hidden, is_joiner, joins_nothing};

/// A text on one line: line breaks and tabs become visible as well.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars() {
        push(&mut out, before, c);
        before = Some(c);
    }
    out
}

/// A text that may have several lines.
pub fn block(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            other => push(&mut out, before, other),
        }
        before = Some(c);
    }
    out
}

/// A JSON line of whatever content: its strings carry no raw control character anyway;
/// C1 controls and what cannot be seen, which JSON leaves as they are, are escaped too.
pub fn json(value: &serde_json::Value) -> String {
    let plain = value.to_string();
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        if is_hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Columns of what is no terminal. In a wider one, lines of text are no easier to read.
pub const WIDTH: usize = 80;
/// Columns for which everything still has a place.
const NARROWEST: usize = 30;

/// Columns that there are for a line of text.
pub fn width() -> usize {
    static COLUMNS: OnceLock<usize> = OnceLock::new();
    *COLUMNS.get_or_init(|| {
        let out = std::io::stdout();
        let columns = if out.is_terminal() { rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col)) } else { 0 };
        // Some terminals do not say.
        if columns == 0 { WIDTH } else { columns.clamp(NARROWEST, WIDTH) }
    })
}

/// A label with a text behind it, broken between words where it is too long for a terminal. What continues stands below
/// the text, so that no line of it can pass for another field.
pub fn labelled(label: &str, text: &str) -> String {
    within(width(), label, text)
}

fn within(width: usize, label: &str, text: &str) -> String {
    let indent = label.chars().count();
    let (mut out, mut used) = (label.to_owned(), indent);
    for (at, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if at > 0 && used.saturating_add(length) >= width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        } else if at > 0 {
            out.push(' ');
            used = used.saturating_add(1);
        }
        out.push_str(word);
        used = used.saturating_add(length);
    }
    out.push('\n');
    out
}

fn push(out: &mut String, before: Option<char>, c: char) {
    match u32::from(c) {
        // The block "Control Pictures" has a visible twin of each C0 control.
        code @ 0..=0x1f => out.push(char::from_u32(0x2400 + code).unwrap_or('\u{fffd}')),
        0x7f => out.push('\u{2421}'),
        code if is_hidden(c) || (is_joiner(c) && joins_nothing(before)) => {
            let _ = write!(out, "<U+{code:04X}>");
        }
        _ => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_sequence_reaches_the_terminal() {
        let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\r\nbye\u{8}\u{7f}";
        for shown in [line(hostile), block(hostile)] {
            assert!(shown.chars().all(|c| !c.is_control() || c == '\n'), "{shown:?}");
            assert!(shown.contains("␛[2J"));
        }
        assert_eq!(line("a\nb\tc"), "a␊b␉c");
        assert_eq!(block("a\nb\tc"), "a\nb    c");
    }

    #[test]
    fn a_field_fits_the_columns_that_there_are_and_loses_no_word() {
        let text = ["ginger"; 24].join(" ");
        for width in [NARROWEST, 40, WIDTH] {
            let field = within(width, "  words    ", &text);
            assert!(field.lines().count() > 1 && field.lines().all(|line| line.len() <= width), "{field}");
            assert_eq!(field.matches("ginger").count(), 24);
        }
    }

    #[test]
    fn direction_overrides_and_invisible_characters_are_shown_as_codes() {
        assert_eq!(line("gpj.\u{202e}exe"), "gpj.<U+202E>exe");
        assert_eq!(line("a\u{200b}b\u{2066}c\u{feff}"), "a<U+200B>b<U+2066>c<U+FEFF>");
        assert_eq!(line("\u{e0041}"), "<U+E0041>");
        assert_eq!(line("Be\u{200d}n \u{200c}x\u{2800}"), "Be<U+200D>n <U+200C>x<U+2800>");
    }

    #[test]
    fn ordinary_texts_stay_as_they_are() {
        for text in ["Jürgen", "שלום", "👩‍👩‍👧", "日本語", "a\u{301}", "<img src=x onerror=alert(1)>"] {
            assert_eq!(line(text), text);
            assert_eq!(block(text), text);
        }
    }

    #[test]
    fn json_stays_the_same_value_without_raw_controls() {
        let value = serde_json::json!({ "name": "\u{1b}\u{9b}\u{202e}\u{e0041}é" });
        let text = json(&value);
        assert!(text.chars().all(|c| !is_hidden(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(value));
    }
}

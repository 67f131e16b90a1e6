//! Texts of other people on a terminal.
//!
//! A name or message may carry escape sequences that move the cursor, retitle the window
//! or answer for the user, and direction marks that make it read as something else. Here
//! every such character becomes a visible, harmless one; nothing is dropped silently.

use std::fmt::Write as _;

/// A text on one line: line breaks and tabs become visible as well.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push(&mut out, c);
    }
    out
}

/// A text that may have several lines.
pub fn block(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            other => push(&mut out, other),
        }
    }
    out
}

/// A JSON line of whatever content: its strings carry no raw control character anyway;
/// C1 controls and direction marks, which JSON leaves as they are, are escaped too.
pub fn json(value: &serde_json::Value) -> String {
    let plain = value.to_string();
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        if is_harmful(c) {
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

fn push(out: &mut String, c: char) {
    match u32::from(c) {
        // The block "Control Pictures" has a visible twin of each C0 control.
        code @ 0..=0x1f => out.push(char::from_u32(0x2400 + code).unwrap_or('\u{fffd}')),
        0x7f => out.push('\u{2421}'),
        code if is_harmful(c) => {
            let _ = write!(out, "<U+{code:04X}>");
        }
        _ => out.push(c),
    }
}

/// Controls, and characters that are invisible or change the order of others. The
/// zero-width joiner and variation selectors stay: emoji and several scripts need them.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00ad | 0x034f | 0x061c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180e
            | 0x200b | 0x200e | 0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164
            | 0xfeff | 0xffa0 | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
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
    fn direction_overrides_and_invisible_characters_are_shown_as_codes() {
        assert_eq!(line("gpj.\u{202e}exe"), "gpj.<U+202E>exe");
        assert_eq!(line("a\u{200b}b\u{2066}c\u{feff}"), "a<U+200B>b<U+2066>c<U+FEFF>");
        assert_eq!(line("\u{e0041}"), "<U+E0041>");
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
        assert!(text.chars().all(|c| !is_harmful(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(value));
    }
}

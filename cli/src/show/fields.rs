//! Fields of an answer, in words.

use serde_json::Value;

/// A text; empty when there is none.
pub fn str_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A count.
pub fn number_of(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or_default()
}

/// Columns of a narrow terminal.
const WIDTH: usize = 80;

/// A label with a text behind it, broken between words where it is too long for a terminal. What goes on stands below
/// the text, so that no line of it can pass for another field.
pub fn labelled(label: &str, text: &str) -> String {
    let indent = label.chars().count();
    let (mut out, mut used) = (label.to_owned(), indent);
    for (at, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if at > 0 && used.saturating_add(length) >= WIDTH {
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

/// How somebody's identity is known.
pub fn trust(trust: &str) -> &str {
    match trust {
        "verified" => "verified",
        "introduced" => "introduced by a friend",
        "invited" => "known by an invite; words not compared yet",
        "room" => "met in a room; words not compared yet",
        _ => "words not compared yet",
    }
}

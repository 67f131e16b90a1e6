//! Fields of an answer, in words.

use crate::text::line;
use serde_json::Value;

/// A text; empty when there is none.
pub fn str_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A count.
pub fn number_of(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or_default()
}

/// How somebody's identity is known.
pub fn trust(trust: &str) -> &str {
    match trust {
        "verified" => "verified",
        "introduced" => "introduced by a friend",
        "invited" => "came by an invite; words not compared yet",
        "room" => "met in a room; words not compared yet",
        _ => "words not compared yet",
    }
}

/// `2026-11-20T23:48:49.250Z` as a date and a time of day here; anything else as it is.
pub fn moment(time: &str) -> String {
    match chrono::DateTime::parse_from_rfc3339(time) {
        Ok(at) => at.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M").to_string(),
        Err(_) => line(time),
    }
}

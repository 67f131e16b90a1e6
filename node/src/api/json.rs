//! What resources show alike, as JSON: lists and times.
//!
//! Ids are lower-case base32, times RFC 3339 in UTC, enumerations lower-case words. What
//! this version does not have yet is shown as what it is: off, or an empty list.

use serde_json::{Map, Value};
use symbolon_presence::time::Timestamp;
use time::{Duration, OffsetDateTime};

/// A list in an object under its own name.
pub fn list<T>(name: &str, views: &[T], view: fn(&T) -> Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), views.iter().map(view).collect())]))
}

/// RFC 3339 in UTC with milliseconds; a moment beyond the calendar is shown as its last one.
pub fn time(at: Timestamp) -> String {
    const LAST: u64 = 253_402_300_799_999;
    let millis = at.0.min(LAST);
    let at = OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::milliseconds(i64::try_from(millis).unwrap_or(i64::MAX)));
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_never_panic() {
        assert_eq!(time(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(Timestamp(1_795_218_529_250)), "2026-11-20T23:48:49.250Z");
        assert_eq!(time(Timestamp(u64::MAX)), "9999-12-31T23:59:59.999Z");
    }
}

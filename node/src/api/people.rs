//! What is shown alike of friends and of people who ask.

use super::schema::word;
use serde_json::Value;
use symbolon_core::command::Trust;

/// Why somebody is believed to be who they say they are, as a word.
pub fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Verified => "verified",
        Trust::Introduced => "introduced",
        Trust::Invited | Trust::InvitedOrCompared => "invited",
        Trust::Room => "room",
        Trust::Unknown => "unknown",
    }
}

/// Its schema.
pub fn trust_schema() -> Value {
    word(&["verified", "introduced", "invited", "room", "unknown"])
}

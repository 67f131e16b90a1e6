//! Bounds and waiting times of the API.

use std::time::Duration;

/// Longest request body, in bytes.
pub const BODY_MAX: usize = 64 * 1024;
/// An answer begins within this time. Event streams continue after it.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The head of a request is there within this time; a connection that rests is closed after it.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that has shown no good token ends after this time.
pub const STRANGER_TIMEOUT: Duration = Duration::from_secs(10);

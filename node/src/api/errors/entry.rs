//! A row of the table of errors.

/// What the table says about one fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Stable name for programs.
    pub kind: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Short heading, the same for every case of this kind.
    pub title: &'static str,
    /// What happened, for people.
    pub detail: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

//! Everything that can go wrong with a request, in one table: a stable kind, an HTTP
//! status, a sentence and a hint (RFC 9457, `application/problem+json`).
//!
//! No entry repeats what the user typed or names a person: the texts may be shown, kept
//! and pasted into a report. The ids that an ambiguous name could mean travel in a member
//! of their own.

mod commands;
mod entry;
pub mod sought;

pub use entry::Entry;
pub use sought::Sought;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use symbolon_core::command::CommandError;

/// Why a request was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The node refused the command.
    Command(CommandError),
    /// No token, or not a good one.
    Unauthorized,
    /// The `Host` header names somebody else: another site's name that leads here.
    WrongHost,
    /// The request was made by another site's page.
    ForeignOrigin,
    /// No such address.
    NoRoute,
    /// The address does not know this method.
    WrongMethod,
    /// Body, query or header is not what the route takes.
    BadRequest,
    /// The body is longer than [`BODY_MAX`](super::limits::BODY_MAX).
    TooLarge,
    /// The body is not declared as JSON.
    NotJson,
    /// No answer within [`REQUEST_TIMEOUT`](super::limits::REQUEST_TIMEOUT).
    TimedOut,
    /// The node is stopping.
    Stopping,
    /// A fault of this program.
    Internal,
}

impl Fault {
    /// Every fault once, in the order of the API's description.
    pub const ALL: [Self; 53] = [
        Self::Command(CommandError::NotFound),
        Self::Command(CommandError::Ambiguous),
        Self::Command(CommandError::BadLink),
        Self::Command(CommandError::BadAddress),
        Self::Command(CommandError::LinkExpired),
        Self::Command(CommandError::OldLink),
        Self::Command(CommandError::WrongClock),
        Self::Command(CommandError::OwnIdentity),
        Self::Command(CommandError::BadTarget),
        Self::Command(CommandError::AlreadyFriends),
        Self::Command(CommandError::IsBlocked),
        Self::Command(CommandError::WrongStatus),
        Self::Command(CommandError::BadName),
        Self::Command(CommandError::NameTaken),
        Self::Command(CommandError::BadText),
        Self::Command(CommandError::BadSearch),
        Self::Command(CommandError::BadNote),
        Self::Command(CommandError::WordsDiffer),
        Self::Command(CommandError::NotFriends),
        Self::Command(CommandError::NotInRoom),
        Self::Command(CommandError::NoRight),
        Self::Command(CommandError::OldBuild),
        Self::Command(CommandError::NoHub),
        Self::Command(CommandError::IsCard),
        Self::Command(CommandError::IsInvite),
        Self::Command(CommandError::IsRelay),
        Self::Command(CommandError::BadClaim),
        Self::Command(CommandError::Full),
        Self::Command(CommandError::NotFirstDevice),
        Self::Command(CommandError::BadBackup),
        Self::Command(CommandError::WrongPhrase),
        Self::Command(CommandError::PhraseGone),
        Self::Command(CommandError::BadCode),
        Self::Command(CommandError::NotFresh),
        Self::Command(CommandError::OnlyDevice),
        Self::Command(CommandError::OlderDevice),
        Self::Command(CommandError::DevicesKept),
        Self::Command(CommandError::DeviceGone),
        Self::Command(CommandError::DeviceExpired),
        Self::Command(CommandError::BadLifetime),
        Self::Command(CommandError::StoreFailed),
        Self::Command(CommandError::StoreFull),
        Self::Unauthorized,
        Self::WrongHost,
        Self::ForeignOrigin,
        Self::NoRoute,
        Self::WrongMethod,
        Self::BadRequest,
        Self::TooLarge,
        Self::NotJson,
        Self::TimedOut,
        Self::Stopping,
        Self::Internal,
    ];

    /// The table.
    pub fn entry(self) -> Entry {
        let (kind, status, title, detail, hint) = match self {
            Self::Command(error) => return commands::entry(error),
            Self::Unauthorized => (
                "unauthorized",
                401,
                "Not signed in",
                "This request carries no good token.",
                "Run `symbolon page` for a fresh address of the page, or send the token of the data folder as `Authorization: Bearer`.",
            ),
            Self::WrongHost => (
                "wrong_host",
                403,
                "Wrong host",
                "The request was addressed to another host name than this node's own.",
                "Use 127.0.0.1 or localhost with the node's port.",
            ),
            Self::ForeignOrigin => (
                "foreign_origin",
                403,
                "Foreign page",
                "The request was made by a page that is not this node's own.",
                "Use the node's own page, or a program that sends the token as `Authorization: Bearer`.",
            ),
            Self::NoRoute => {
                ("no_route", 404, "No such address", "There is nothing at this address.", "All addresses stand in /api/v1/openapi.json.")
            }
            Self::WrongMethod => (
                "wrong_method",
                405,
                "Wrong method",
                "This address does not take this method.",
                "The methods of every address stand in /api/v1/openapi.json.",
            ),
            Self::BadRequest => (
                "bad_request",
                400,
                "Malformed request",
                "The body, a parameter or a header is not what this address takes.",
                "The fields of every address stand in /api/v1/openapi.json.",
            ),
            Self::TooLarge => ("too_large", 413, "Too large", "The request is longer than 64 KiB.", "Make it shorter, or split it."),
            Self::NotJson => {
                ("not_json", 415, "Not JSON", "The body is not declared as JSON.", "Send it with `Content-Type: application/json`.")
            }
            Self::TimedOut => (
                "timed_out",
                504,
                "No answer in time",
                "The node did not answer within 30 seconds.",
                "The command may still be carried out: look before you repeat it.",
            ),
            Self::Stopping => {
                ("stopping", 503, "Stopping", "The node is stopping and takes no more commands.", "Start it again with `symbolon up`.")
            }
            Self::Internal => (
                "internal",
                500,
                "Internal fault",
                "Something went wrong inside the node.",
                "Restart the node; if it happens again, please report it.",
            ),
        };
        Entry { kind, status, title, detail, hint }
    }
}

/// A fault on its way to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong.
    pub fault: Fault,
    /// What an ambiguous name could mean; at most [`CANDIDATES_MAX`].
    pub candidates: Vec<Candidate>,
    /// What there is not, where it was clear what was looked for.
    pub sought: Option<Sought>,
}

/// One of those whom an ambiguous name could mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// A whole id.
    pub id: String,
    /// The name that goes with it.
    pub name: String,
}

/// Most ids listed for an ambiguous name.
pub const CANDIDATES_MAX: usize = 16;

impl Problem {
    /// Whether a name or the beginning of an id could mean several.
    pub fn is_ambiguous(&self) -> bool {
        self.fault == Fault::Command(CommandError::Ambiguous)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self { fault, candidates: Vec::new(), sought: None }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        Fault::Command(error).into()
    }
}

/// RFC 9457, with the members `error`, `hint`, `candidates` (ids) and `choices` (ids and names) of our own.
#[derive(Debug, Serialize)]
struct ProblemView {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'static str,
    error: &'static str,
    hint: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<Candidate>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Entry { kind, status, title, detail, hint } = self.fault.entry();
        let Sought { detail, hint } = self.sought.unwrap_or(Sought { detail, hint });
        let view = ProblemView {
            r#type: format!("/api/v1/openapi.json#/components/x-problems/{kind}"),
            title,
            status,
            detail,
            error: kind,
            hint,
            candidates: self.candidates.iter().map(|one| one.id.clone()).collect(),
            choices: self.candidates,
        };
        // A struct of strings and one number always serialises.
        let body = serde_json::to_vec(&view).unwrap_or_default();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_fault_has_its_own_kind_a_sentence_and_a_hint() {
        let mut kinds = BTreeSet::new();
        for fault in Fault::ALL {
            let entry = fault.entry();
            assert!(kinds.insert(entry.kind), "{} stands twice", entry.kind);
            assert!((400..600).contains(&entry.status));
            assert!(entry.kind.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
            for text in [entry.detail, entry.hint] {
                assert!(text.ends_with('.') && text.len() > 10, "{}: {text}", entry.kind);
            }
        }
    }
}

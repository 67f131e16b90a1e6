//! Every route of the API, once: what the server answers and what
//! `/api/v1/openapi.json` describes are both made from this table.

use super::{ApiState, handlers};
use axum::routing::{MethodRouter, get, post, put};

/// One method of one address.
pub struct Route {
    /// HTTP method, in lower case.
    pub method: &'static str,
    /// Address, with `{…}` for parameters.
    pub path: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Parameters in the query.
    pub query: &'static [Parameter],
    /// Name of the body's schema.
    pub body: Option<&'static str>,
    /// Status and media type when it went well.
    pub success: (u16, &'static str),
    /// Name of the answer's schema.
    pub answer: &'static str,
    /// Whether it answers without a token: the ways in.
    pub is_entrance: bool,
    /// What answers it.
    pub handler: fn() -> MethodRouter<ApiState>,
}

/// Name, JSON type, whether required, description.
pub type Parameter = (&'static str, &'static str, bool, &'static str);

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

const JSON: (u16, &str) = (200, "application/json");

const fn read(path: &'static str, answer: &'static str, summary: &'static str, handler: fn() -> MethodRouter<ApiState>) -> Route {
    Route { method: "get", path, summary, query: &[], body: None, success: JSON, answer, is_entrance: false, handler }
}

const fn change(
    path: &'static str,
    body: Option<&'static str>,
    answer: &'static str,
    summary: &'static str,
    handler: fn() -> MethodRouter<ApiState>,
) -> Route {
    Route { method: "post", path, summary, query: &[], body, success: JSON, answer, is_entrance: false, handler }
}

/// The table.
pub const ROUTES: &[Route] = &[
    read("/api/v1/openapi.json", "Description", "This description.", || get(handlers::description)),
    Route {
        success: (200, "text/event-stream"),
        ..read(
            "/api/v1/events",
            "EventStream",
            "What happens, as it happens. Ids are `<start nonce>-<number>`; `Last-Event-ID` continues, or answers `lagged`.",
            || get(handlers::events),
        )
    },
    read("/api/v1/identity", "Identity", "Who I am.", || get(handlers::identity)),
    Route {
        success: (200, "image/svg+xml"),
        ..read("/api/v1/identity/qr", "Picture", "My Peer ID as a QR code.", || get(handlers::identity_qr))
    },
    Route {
        method: "put",
        ..change("/api/v1/identity/name", Some("NameBody"), "Identity", "Gives myself another name.", || put(handlers::set_name))
    },
    change(
        "/api/v1/identity/findable",
        Some("FindableBody"),
        "Identity",
        "Lets whoever knows my Peer ID ask for friendship, or no longer.",
        || post(handlers::set_findable),
    ),
    change("/api/v1/invites", Some("InviteBody"), "Invite", "Makes a single-use invite.", || post(handlers::invite)),
    read("/api/v1/invites", "Invites", "The invites that I have made, those that end first before the others.", || get(handlers::invites)),
    change(
        "/api/v1/invites/{invite}/revoke",
        None,
        "InviteRow",
        "Takes an invite back that nobody has used, by its id or a beginning of it that fits no other.",
        || post(handlers::invite_revoke),
    ),
    read("/api/v1/requests", "Requests", "All friend requests, newest first.", || get(handlers::requests)),
    change("/api/v1/requests", Some("AddBody"), "Request", "Asks somebody for friendship, by invite link or Peer ID.", || {
        post(handlers::add)
    }),
    change(
        "/api/v1/requests/{request}/accept",
        None,
        "Request",
        "Accepts a request, by its id or a beginning of it that fits no other.",
        || post(handlers::accept),
    ),
    change(
        "/api/v1/requests/{request}/ignore",
        None,
        "Request",
        "Sets a request aside, by its id or a beginning of it that fits no other.",
        || post(handlers::ignore),
    ),
    change(
        "/api/v1/requests/{request}/cancel",
        None,
        "Request",
        "Takes an own request back, by its id or a beginning of it that fits no other.",
        || post(handlers::cancel),
    ),
    change("/api/v1/block", Some("WhoBody"), "FriendOrRequest", "Blocks a friend or a request's sender.", || post(handlers::block)),
    change("/api/v1/unblock", Some("WhoBody"), "FriendOrRequest", "Takes a block back.", || post(handlers::unblock)),
    read("/api/v1/friends", "Friends", "All friends, by name.", || get(handlers::friends)),
    change("/api/v1/friends/rename", Some("RenameBody"), "Friend", "Gives a friend another name here.", || post(handlers::rename)),
    change(
        "/api/v1/friends/verify",
        Some("VerifyBody"),
        "Friend",
        "Shows a friend's fingerprint words, or compares them with those that the friend read out.",
        || post(handlers::verify),
    ),
    change(
        "/api/v1/introductions",
        Some("IntroduceBody"),
        "Request",
        "Introduces two friends to each other; both are asked, and the first one then asks the second one for friendship.",
        || post(handlers::introduce),
    ),
    change(
        "/api/v1/friends/hide",
        Some("HideBody"),
        "Friend",
        "Hides from a friend where this node is, or shows it again; the friend is told nothing.",
        || post(handlers::hide),
    ),
    change(
        "/api/v1/friends/unfriend",
        Some("UnfriendBody"),
        "Friend",
        "Ends a friendship on this side; the other side is told nothing. History and name stay.",
        || post(handlers::unfriend),
    ),
    Route {
        query: &[
            ("who", "string", false, "Only this conversation: a friend's name or id."),
            ("since", "string", false, "Only what arrived after this message."),
            ("limit", "integer", false, "At most so many, never more than 1,000: the last ones, or with `since` the first ones after it."),
        ],
        ..read("/api/v1/messages", "Messages", "History, oldest first; marks nothing as read.", || get(handlers::messages))
    },
    change("/api/v1/messages", Some("SendBody"), "Message", "Writes a message; answers once it is durable here.", || post(handlers::send)),
    change("/api/v1/messages/read", Some("ReadBody"), "Messages", "History, oldest first; marks it as read unless `peek`.", || {
        post(handlers::read)
    }),
    Route {
        query: &[
            (
                "text",
                "string",
                true,
                "Words, at most 256 bytes: all of them must stand in a message, the last one as the beginning of a word.",
            ),
            ("before", "string", false, "Only what arrived before this message."),
            ("limit", "integer", false, "At most so many, the last ones; never more than 1,000."),
        ],
        ..read("/api/v1/messages/search", "Messages", "The messages with these words, oldest first; marks nothing as read.", || {
            get(handlers::search)
        })
    },
    read("/api/v1/messages/{message}", "Message", "One message.", || get(handlers::message)),
    Route {
        query: &[
            ("state", "string", true, "The state to wait for; a later one counts."),
            ("timeout", "integer", false, "Seconds, at most 25."),
        ],
        ..read(
            "/api/v1/messages/{message}/wait",
            "WaitedMessage",
            "Waits until a message has reached a state, has failed, or the time is over.",
            || get(handlers::wait),
        )
    },
    read("/api/v1/relays", "Relays", "My mailboxes at relays.", || get(handlers::relays)),
    change("/api/v1/relays", Some("RelayBody"), "Relay", "Keeps a mailbox at a relay; one that is there already stays.", || {
        post(handlers::relay_add)
    }),
    change(
        "/api/v1/relays/claim",
        Some("RelayClaimBody"),
        "Relays",
        "Gives a claim code to the relays that do not keep my mailbox.",
        || post(handlers::relay_claim),
    ),
    change("/api/v1/relays/remove", Some("RelayRemoveBody"), "Relay", "Gives up the mailbox at a relay.", || post(handlers::relay_remove)),
    read("/api/v1/lookups", "Lookups", "The lookup servers that I have named.", || get(handlers::lookups)),
    change("/api/v1/lookups", Some("LookupBody"), "Lookup", "Names a lookup server, by its multiaddr; one that is there stays.", || {
        post(handlers::lookup_add)
    }),
    change("/api/v1/lookups/remove", Some("LookupBody"), "Lookup", "Names a lookup server no longer.", || post(handlers::lookup_remove)),
    change(
        "/api/v1/device/confirm",
        None,
        "Confirmed",
        "This copy of the data folder goes on, or its user has seen that it is an older one.",
        || post(handlers::device_confirm),
    ),
    change("/api/v1/device/resend", Some("ResendBody"), "Resent", "Sends a friend's older copy the texts that it lacks.", || {
        post(handlers::device_resend)
    }),
    read("/api/v1/status", "Status", "What works and what does not.", || get(handlers::status)),
    read("/api/v1/doctor", "Checks", "What may be wrong, check by check, and what to do about it.", || get(handlers::doctor)),
    change("/api/v1/page-token", None, "PageToken", "Makes a fresh address of the page: good once, for a minute.", || {
        post(handlers::page_token)
    }),
    Route {
        is_entrance: true,
        ..change(
            "/api/v1/session",
            Some("SessionBody"),
            "Session",
            "Trades the one-time token of a page's address for a session, which is a bearer token for 30 days.",
            || post(handlers::session),
        )
    },
    Route {
        is_entrance: true,
        ..change(
            "/api/v1/session/proof",
            Some("ProofBody"),
            "Proof",
            "Proves that this is the node which gave a session: HMAC-SHA-256 under the session's hash over `port:nonce`.",
            || post(handlers::proof),
        )
    },
    change("/api/v1/sessions/end", None, "SessionsEnded", "Signs out every browser.", || post(handlers::end_sessions)),
    Route {
        success: (202, "application/json"),
        ..change("/api/v1/stop", None, "Stopping", "Stops the node cleanly.", || post(handlers::stop))
    },
];

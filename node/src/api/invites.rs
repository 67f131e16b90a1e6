//! Invites: made, listed, taken back.

use super::ask::{Answer, answer, ask, ask_while};
use super::errors::{Fault, Problem};
use super::extract::Json;
use super::json::{self, list};
use super::qr::Qr;
use super::route::{Resource, change, read};
use super::schema::{self, Schemas, id, object, text, text_or_null, time, word};
use super::state::ApiState;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use symbolon_core::command::{Command, InviteState, InviteView, Reply};
use symbolon_core::limits::INVITE_LIFETIME;
use symbolon_presence::id::GrantId;

/// How long the answer waits for a relay or lookup server to have the invite.
const KEPT_PATIENCE: Duration = Duration::from_secs(9);
/// How often it looks.
const KEPT_PAUSE: Duration = Duration::from_millis(60);
/// What to tell when none has.
const NOT_KEPT: &str = "no relay or lookup server of yours has the invite yet: until one has, it can be used only while this node is on and \
    reachable. `symbolon relay list` says how they are.";

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        change("/api/v1/invites", Some("InviteBody"), "Invite", "Makes a single-use invite.", || post(make)),
        read("/api/v1/invites", "Invites", "The invites that I have made, those that end first before the others.", || get(all)),
        change(
            "/api/v1/invites/{invite}/revoke",
            None,
            "InviteRow",
            "Takes an invite back that nobody has used, by its id or a beginning of it that fits no other.",
            || post(revoke),
        ),
    ],
    schemas,
};

fn schemas() -> Schemas {
    let invite = json!({ "invite": id(), "link": text(), "expires": time(), "warning": text_or_null(), "qr": text_or_null() });
    let row = json!({
        "invite": id(),
        "expires": time(),
        "used": { "type": "boolean", "description": "Somebody has asked by it." },
        "state": word(&["open", "spoiled", "used", "expired", "revoked"]),
    });
    let body = json!({
        "expires_in": { "type": ["integer", "null"], "description": "Seconds; 7 days when absent, at most 90." },
        "no_ip": { "type": "boolean", "description": "Leave out the own addresses." },
        "auto_accept": { "type": "boolean", "description": "Accept the one who comes with it first." },
    });
    vec![
        ("Invite", object(invite, &[])),
        ("InviteRow", object(row, &[])),
        ("Invites", object(json!({ "invites": schema::list("InviteRow") }), &[])),
        ("InviteBody", object(body, &["expires_in", "no_ip", "auto_accept"])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    if let Reply::Invite { link, expires, warning, invite, .. } = reply {
        let qr = Qr::link(link).map(|qr| qr.svg());
        return Some(json!({ "invite": invite.to_string(), "link": link, "expires": json::time(*expires), "warning": warning, "qr": qr }));
    }
    if let Reply::Invites(views) = reply {
        return Some(list("invites", views, view));
    }
    let Reply::InviteRevoked(revoked) = reply else { return None };
    Some(view(revoked))
}

fn view(view: &InviteView) -> Value {
    json!({
        "invite": view.invite.to_string(),
        "expires": json::time(view.expires),
        "used": view.state == InviteState::Used,
        "state": match view.state {
            InviteState::Open => "open",
            InviteState::Spoiled => "spoiled",
            InviteState::Used => "used",
            InviteState::Expired => "expired",
            InviteState::Revoked => "revoked",
        },
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InviteBody {
    expires_in: Option<u64>,
    #[serde(default)]
    no_ip: bool,
    #[serde(default)]
    auto_accept: bool,
}

async fn make(State(state): State<ApiState>, Json(body): Json<InviteBody>) -> Answer {
    let lifetime = body.expires_in.map_or(INVITE_LIFETIME, |seconds| seconds.saturating_mul(1_000));
    let mut reply = ask(&state, Command::Invite { lifetime, no_ip: body.no_ip, auto_accept: body.auto_accept }).await?;
    if let Reply::Invite { invite, warning, awaits_servers: true, .. } = &mut reply
        && !is_kept(&state, invite).await?
    {
        warning.get_or_insert(NOT_KEPT);
    }
    Ok(axum::Json(show(&reply).ok_or(Fault::Internal)?))
}

/// Waits until a relay or lookup server has an invite; false when none has it in time.
async fn is_kept(state: &ApiState, invite: &GrantId) -> Result<bool, Problem> {
    // Used already, or taken back: nobody waits for it any more.
    let waits = |reply: &Reply| {
        let Reply::Invites(all) = reply else { return false };
        all.iter().any(|row| row.invite == *invite && !row.is_kept && row.state == InviteState::Open)
    };
    let last = ask_while(state, || Command::Invites, (KEPT_PATIENCE, KEPT_PAUSE), waits).await?;
    Ok(!waits(&last))
}

async fn all(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Invites, show).await
}

async fn revoke(State(state): State<ApiState>, Path(invite): Path<String>) -> Answer {
    answer(&state, Command::InviteRevoke(invite), show).await
}

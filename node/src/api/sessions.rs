//! How the page comes in: its one-time address, sessions of browsers, and the node's proof to them.

use super::ask::Answer;
use super::errors::Fault;
use super::extract::Brief;
use super::json;
use super::route::{Resource, Route, change};
use super::schema::{Schemas, number, object, text};
use super::state::ApiState;
use crate::clock::{Clock, SystemClock};
use axum::extract::State;
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        change("/api/v1/page-token", None, "PageToken", "Makes a fresh address of the page: good once, for a minute.", || post(page_token)),
        Route {
            is_entrance: true,
            ..change(
                "/api/v1/session",
                Some("SessionBody"),
                "Session",
                "Trades the one-time token of a page's address for a session, which is a bearer token for 30 days.",
                || post(session),
            )
        },
        Route {
            is_entrance: true,
            ..change(
                "/api/v1/session/proof",
                Some("ProofBody"),
                "Proof",
                "Proves that this is the node which gave a session: HMAC-SHA-256 under the session's hash over `port:nonce`.",
                || post(proof),
            )
        },
        change("/api/v1/sessions/end", None, "SessionsEnded", "Signs out every browser.", || post(end)),
    ],
    schemas,
};

fn schemas() -> Schemas {
    vec![
        ("PageToken", object(json!({ "http": text(), "token": text() }), &[])),
        ("Session", object(json!({ "session": text(), "expires": { "type": "string", "format": "date-time" } }), &[])),
        ("Proof", object(json!({ "proof": text() }), &[])),
        ("SessionsEnded", object(json!({ "ended": number() }), &[])),
        ("SessionBody", object(json!({ "token": text() }), &[])),
        ("ProofBody", object(json!({ "session": text(), "nonce": text() }), &[])),
    ]
}

async fn page_token(State(state): State<ApiState>) -> Answer {
    let token = state.tokens().issue(Instant::now()).map_err(|_| Fault::Internal)?;
    Ok(axum::Json(json!({ "http": state.page_address(&token), "token": token.secret() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionBody {
    token: String,
}

async fn session(State(state): State<ApiState>, Brief(body): Brief<SessionBody>) -> Answer {
    let (now, wall) = (Instant::now(), SystemClock.now());
    // It writes a file.
    let traded = tokio::task::spawn_blocking(move || state.tokens().redeem(&body.token, now, wall));
    let traded = traded.await.map_err(|_| Fault::Internal)?.map_err(|_| Fault::Internal)?;
    let (session, expires) = traded.ok_or(Fault::Unauthorized)?;
    Ok(axum::Json(json!({ "session": session.secret(), "expires": json::time(expires) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofBody {
    session: String,
    nonce: String,
}

async fn proof(State(state): State<ApiState>, Brief(body): Brief<ProofBody>) -> Answer {
    let proof = state.tokens().proof(&body.session, &body.nonce, SystemClock.now()).ok_or(Fault::Unauthorized)?;
    Ok(axum::Json(json!({ "proof": proof })))
}

async fn end(State(state): State<ApiState>) -> Answer {
    let ended = tokio::task::spawn_blocking(move || state.tokens().end_sessions()).await.map_err(|_| Fault::Internal)?;
    Ok(axum::Json(json!({ "ended": ended })))
}

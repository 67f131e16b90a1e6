//! The door: who may ask, from where, and what every answer tells a browser.
//!
//! A page of another site can make the user's browser send requests here. What keeps it
//! out: the `Host` must be our own (no DNS rebinding), an `Origin` must be our own, and the
//! only thing that opens the door is a header which no browser sends by itself. There are
//! no cookies: they know no ports, so a browser would show them to each program that serves
//! on 127.0.0.1.

use super::door::Visitor;
use super::errors::{Fault, Problem};
use super::limits::REQUEST_TIMEOUT;
use super::state::ApiState;
use crate::clock::{Clock, SystemClock};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Only our own files, no inline code, no frame around us.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// On every answer, errors included.
const HEADERS: [(&str, &str); 8] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
];

/// Outermost layer: checks where the request was addressed to and where it comes from,
/// bounds its time, and puts [`CONTENT_SECURITY_POLICY`] and its companions on the answer.
/// A connection that has shown no good token serves one request.
pub async fn every_request(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let visitor = visitor_of(&request);
    let mut response = match check_source(&state, &request) {
        Err(fault) => fault.into_response(),
        Ok(()) => match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Fault::TimedOut.into_response(),
        },
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if visitor.is_some_and(|visitor| !visitor.is_known()) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Layer of the API's own routes: the folder's token or a session, as a bearer token.
pub async fn api_request(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    if let Err(fault) = check_caller(&state, request.headers()) {
        return Problem::from(fault).into_response();
    }
    if let Some(visitor) = visitor_of(&request) {
        state.door().let_in(&visitor).await;
    }
    next.run(request).await
}

fn visitor_of(request: &Request) -> Option<Arc<Visitor>> {
    request.extensions().get().cloned()
}

fn check_source(state: &ApiState, request: &Request) -> Result<(), Fault> {
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    let own = |value: &HeaderValue| state.hosts().iter().any(|host| host.as_bytes() == value.as_bytes());
    if !hosts.next().is_some_and(own) || hosts.next().is_some() {
        return Err(Fault::WrongHost);
    }
    // The absolute form of a request's target must not say anything else.
    if request.uri().authority().is_some_and(|authority| !state.hosts().iter().any(|host| host == authority.as_str())) {
        return Err(Fault::WrongHost);
    }
    if headers.get_all(header::ORIGIN).iter().any(|origin| !is_own_origin(state, origin)) {
        return Err(Fault::ForeignOrigin);
    }
    Ok(())
}

fn is_own_origin(state: &ApiState, origin: &HeaderValue) -> bool {
    origin.as_bytes().strip_prefix(b"http://").is_some_and(|rest| state.hosts().iter().any(|host| host.as_bytes() == rest))
}

fn check_caller(state: &ApiState, headers: &HeaderMap) -> Result<(), Fault> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(authorization), None) = (all.next(), all.next()) else { return Err(Fault::Unauthorized) };
    match authorization.to_str().ok().and_then(|value| value.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && state.tokens().is_bearer(token.trim(), SystemClock.now()) => {
            Ok(())
        }
        Some(_) | None => Err(Fault::Unauthorized),
    }
}

//! The door: who may ask, from where, and what every answer tells a browser.
//!
//! A page of another site can make the user's browser send requests here. What keeps it
//! out: the `Host` must be our own (no DNS rebinding), an `Origin` must be our own, a
//! session cookie counts only together with proof that the request comes from our page
//! (cookies know no ports, so `SameSite` alone does not tell our page from one that
//! another program serves on 127.0.0.1), and a bearer token is never sent by itself.

use super::errors::{Fault, Problem};
use super::{ApiState, REQUEST_TIMEOUT};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

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
pub async fn every_request(State(state): State<ApiState>, request: Request, next: Next) -> Response {
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
    response
}

/// Layer of the API's own routes: a good bearer token, or a session from our own page.
pub async fn api_request(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    match check_caller(&state, request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(fault) => Problem::from(fault).into_response(),
    }
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

fn check_caller(state: &ApiState, method: &Method, headers: &HeaderMap) -> Result<(), Fault> {
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let token = authorization.to_str().ok().and_then(|value| value.split_once(' '));
        return match token {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && state.tokens().is_bearer(token.trim()) => Ok(()),
            Some(_) | None => Err(Fault::Unauthorized),
        };
    }
    if !has_session(state, headers) {
        return Err(Fault::Unauthorized);
    }
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let same_origin = site == Some(b"same-origin");
    let proven = if method == Method::GET || method == Method::HEAD {
        // Reading changes nothing, and a foreign page cannot see the answer; `none` is an
        // address that the user typed.
        same_origin || site.is_none() || site == Some(b"none")
    } else {
        // Any `Origin` still here is our own.
        site.is_none_or(|_| same_origin) && (same_origin || headers.contains_key(header::ORIGIN))
    };
    if proven { Ok(()) } else { Err(Fault::ForeignOrigin) }
}

/// Whether one of the request's cookies is a session of this node.
pub fn has_session(state: &ApiState, headers: &HeaderMap) -> bool {
    let name = state.cookie_name();
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .any(|(key, value)| key == name && state.tokens().is_session(value))
}

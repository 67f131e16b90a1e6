//! The page: its files, embedded, and the one-time address by which a browser comes in.
//!
//! The files hold nothing secret. Everything shown is read through the API, with the
//! session cookie that [`index`] gives in exchange for the one-time token.

use super::errors::Problem;
use super::extract::Query;
use super::{ApiState, Fault, guard};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

const INDEX: &str = include_str!("page/index.html");

/// Address, media type and content of every file but the page itself.
const FILES: [(&str, &str, &str); 10] = [
    ("/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/app.js", "text/javascript; charset=utf-8", include_str!("page/app.js")),
    ("/node.js", "text/javascript; charset=utf-8", include_str!("page/node.js")),
    ("/dom.js", "text/javascript; charset=utf-8", include_str!("page/dom.js")),
    ("/chat.js", "text/javascript; charset=utf-8", include_str!("page/chat.js")),
    ("/people.js", "text/javascript; charset=utf-8", include_str!("page/people.js")),
    ("/friend.js", "text/javascript; charset=utf-8", include_str!("page/friend.js")),
    ("/search.js", "text/javascript; charset=utf-8", include_str!("page/search.js")),
    ("/settings.js", "text/javascript; charset=utf-8", include_str!("page/settings.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// Routes of the page.
pub fn router() -> Router<ApiState> {
    let router = Router::new().route("/", get(index));
    FILES.into_iter().fold(router, |router, (path, media, content)| {
        router.route(path, get(move || async move { ([(header::CONTENT_TYPE, media)], content) }))
    })
}

/// Query of [`index`]; anything else in it is of no interest.
#[derive(Deserialize)]
struct Entrance {
    token: Option<String>,
}

async fn index(State(state): State<ApiState>, headers: HeaderMap, Query(query): Query<Entrance>) -> Result<Response, Problem> {
    let known = guard::has_session(&state, &headers);
    let Some(token) = query.token else {
        // A navigation that began elsewhere brings no SameSite=Strict cookie, but the page
        // it leads to does: so the page is served either way and finds out by itself.
        return Ok(page(if known { StatusCode::OK } else { StatusCode::UNAUTHORIZED }));
    };
    let session = state.tokens().redeem(&token).map_err(|_| Fault::Internal)?;
    let Some(session) = session else {
        // The address of this very browser, opened again.
        return Ok(if known { to_root() } else { page(StatusCode::UNAUTHORIZED) });
    };
    let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", state.cookie_name(), session.secret());
    let cookie = HeaderValue::try_from(cookie).map_err(|_| Fault::Internal)?;
    let mut response = to_root();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

fn page(status: StatusCode) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], INDEX).into_response()
}

fn to_root() -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response()
}

//! The page: its files, embedded.
//!
//! They hold nothing secret, and everybody on this machine can read them. Everything shown
//! is read through the API, with the session that the page gets for the one-time token of
//! its address.

use super::state::ApiState;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

const INDEX: &str = include_str!("page/index.html");

/// Address, media type and content of every file but the page itself.
const FILES: [(&str, &str, &str); 15] = [
    ("/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/app.js", "text/javascript; charset=utf-8", include_str!("page/app.js")),
    ("/session.js", "text/javascript; charset=utf-8", include_str!("page/session.js")),
    ("/node.js", "text/javascript; charset=utf-8", include_str!("page/node.js")),
    ("/dom.js", "text/javascript; charset=utf-8", include_str!("page/dom.js")),
    ("/chat.js", "text/javascript; charset=utf-8", include_str!("page/chat.js")),
    ("/history.js", "text/javascript; charset=utf-8", include_str!("page/history.js")),
    ("/relays.js", "text/javascript; charset=utf-8", include_str!("page/relays.js")),
    ("/people.js", "text/javascript; charset=utf-8", include_str!("page/people.js")),
    ("/devices.js", "text/javascript; charset=utf-8", include_str!("page/devices.js")),
    ("/friend.js", "text/javascript; charset=utf-8", include_str!("page/friend.js")),
    ("/room.js", "text/javascript; charset=utf-8", include_str!("page/room.js")),
    ("/search.js", "text/javascript; charset=utf-8", include_str!("page/search.js")),
    ("/settings.js", "text/javascript; charset=utf-8", include_str!("page/settings.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// Routes of the page. The one-time token in its address is traded by the page itself, so
/// that a program which only looks at the address does not use it up.
pub fn router() -> Router<ApiState> {
    let router = Router::new().route("/", get(|| file("text/html; charset=utf-8", INDEX)));
    FILES.into_iter().fold(router, |router, (path, media, content)| router.route(path, get(move || file(media, content))))
}

async fn file(media: &'static str, content: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, media)], content)
}

//! The route of the event stream.

use super::route::{Resource, Route, read};
use super::schema::{Schemas, text};
use super::state::ApiState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::time::Duration;

/// Route and schema.
pub const RESOURCE: Resource = Resource {
    routes: &[Route {
        success: (200, "text/event-stream"),
        ..read(
            "/api/v1/events",
            "EventStream",
            "What happens, as it happens. Ids are `<start nonce>-<number>`; `Last-Event-ID` continues, or answers `lagged`.",
            || get(events),
        )
    }],
    schemas,
};

fn schemas() -> Schemas {
    vec![("EventStream", text())]
}

async fn events(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    let last_id = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    Sse::new(state.log().stream(last_id)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}

//! Texts: written, read, searched, waited for.

use super::ask::{Answer, answer, answer_about, ask};
use super::errors::{Fault, Problem, sought};
use super::extract::{Json, Query};
use super::json::{self, list};
use super::route::{Resource, Route, change, read};
use super::schema::{self, Schemas, flag, id, object, text, text_or_null, time, word};
use super::state::ApiState;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use symbolon_core::command::{Command, CommandError, MessageState, MessageView, Reply, Who};
use symbolon_core::seam::Event;
use symbolon_presence::id::MessageId;
use tokio::time::Instant;

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        Route {
            query: &[
                ("who", "string", false, "Only this conversation: name or id of a friend or a room."),
                ("since", "string", false, "Only what arrived after this message."),
                ("before", "string", false, "Only what arrived before this message; not together with `since`."),
                (
                    "limit",
                    "integer",
                    false,
                    "At most so many, never more than 1,000: the last ones, or with `since` the first ones after it.",
                ),
            ],
            ..read("/api/v1/messages", "Messages", "History, oldest first; marks nothing as read.", || get(all))
        },
        change("/api/v1/messages", Some("SendBody"), "Message", "Writes a message; answers once it is durable here.", || post(send)),
        change("/api/v1/messages/read", Some("ReadBody"), "Messages", "History, oldest first; marks it as read unless `peek`.", || {
            post(mark_read)
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
                get(search)
            })
        },
        read("/api/v1/messages/{message}", "Message", "One message.", || get(one)),
        Route {
            query: &[
                ("state", "string", true, "The state to wait for; a later one counts."),
                ("timeout", "integer", false, "Seconds, at most 25."),
            ],
            ..read(
                "/api/v1/messages/{message}/wait",
                "WaitedMessage",
                "Waits until a message has reached a state, has failed, or the time is up.",
                || get(wait),
            )
        },
    ],
    schemas,
};

fn schemas() -> Schemas {
    let message = json!({
        "message": id(),
        "conversation": text(),
        "conversation_id": id(),
        "from": text(),
        "from_id": id(),
        "text": text_or_null(),
        "file": { "type": ["object", "null"] },
        "at": time(),
        "state": word(&["queued", "stored", "delivered", "read", "failed"]),
        "reason": text_or_null(),
        "mine": flag(),
        "line": { "type": "boolean", "description": "It says what has happened in a room, and was written by nobody." },
        "delivered_by": {
            "type": ["string", "null"],
            "description": "Of one's own text in a room: by how many of how many it is held, as `2/5`.",
        },
        "read_by": { "type": ["string", "null"], "description": "The same: who have read it." },
    });
    let mut waited = message.clone();
    if let Some(fields) = waited.as_object_mut() {
        fields.insert("reached".to_owned(), flag());
    }
    let read = json!({ "who": text_or_null(), "since": text_or_null(), "before": text_or_null(), "limit": { "type": ["integer", "null"] }, "peek": flag() });
    let send = json!({
        "to": text(),
        "text": text(),
        "lifetime_seconds": {
            "type": ["integer", "null"],
            "description": "Given up (`failed`) when not delivered after so many seconds; never when absent.",
        },
    });
    vec![
        ("Message", object(message, &[])),
        ("WaitedMessage", object(waited, &[])),
        ("Messages", object(json!({ "messages": schema::list("Message") }), &[])),
        ("ReadBody", object(read, &["who", "since", "before", "limit", "peek"])),
        ("SendBody", object(send, &["lifetime_seconds"])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    if let Reply::Messages(views) = reply {
        return Some(list("messages", views, view));
    }
    let Reply::Message(message) = reply else { return None };
    Some(view(message))
}

fn view(view: &MessageView) -> Value {
    json!({
        "message": view.message.to_string(),
        "conversation": view.conversation_name,
        "conversation_id": view.conversation.to_string(),
        "from": view.from_name,
        "from_id": view.from.to_string(),
        "text": view.text,
        "file": null,
        "at": json::time(view.at),
        "state": state(view.state),
        "reason": view.reason,
        "mine": view.mine,
        "line": view.is_line,
        "delivered_by": view.tally.map(|tally| format!("{}/{}", tally.delivered, tally.members)),
        "read_by": view.tally.map(|tally| format!("{}/{}", tally.read, tally.members)),
    })
}

/// How far a message got, as a word.
fn state(state: MessageState) -> &'static str {
    match state {
        MessageState::Queued => "queued",
        MessageState::Stored => "stored",
        MessageState::Delivered => "delivered",
        MessageState::Read => "read",
        MessageState::Failed => "failed",
    }
}

/// A word for a state, read back.
fn parse_state(word: &str) -> Option<MessageState> {
    [MessageState::Queued, MessageState::Stored, MessageState::Delivered, MessageState::Read, MessageState::Failed]
        .into_iter()
        .find(|one| state(*one) == word)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessagesQuery {
    who: Option<String>,
    since: Option<String>,
    before: Option<String>,
    limit: Option<usize>,
}

async fn all(State(state): State<ApiState>, Query(query): Query<MessagesQuery>) -> Answer {
    let read = ReadBody { who: query.who, since: query.since, before: query.before, limit: query.limit, peek: true };
    history(&state, read).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadBody {
    who: Option<String>,
    since: Option<String>,
    before: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    peek: bool,
}

async fn mark_read(State(state): State<ApiState>, Json(body): Json<ReadBody>) -> Answer {
    history(&state, body).await
}

async fn history(state: &ApiState, read: ReadBody) -> Answer {
    let ReadBody { who, since, before, limit, peek } = read;
    let since = since.map(|id| message_id(&id)).transpose()?;
    let name = who.clone().unwrap_or_default();
    let who = who.map(Who);
    let command = match before {
        None => Command::Read { who, since, limit, peek },
        Some(_) if since.is_some() => return Err(Fault::BadRequest.into()),
        Some(before) => Command::ReadBefore { who, before: message_id(&before)?, limit, peek },
    };
    answer_about(state, &name, command, show).await
}

fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse().map_err(|_| Problem { sought: Some(sought::MESSAGE), ..CommandError::NotFound.into() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendBody {
    to: String,
    text: String,
    lifetime_seconds: Option<u64>,
}

async fn send(State(state): State<ApiState>, Json(body): Json<SendBody>) -> Answer {
    let lifetime = body.lifetime_seconds.map(|seconds| seconds.saturating_mul(1_000));
    answer_about(&state, &body.to, Command::Send { to: Who(body.to.clone()), text: body.text, lifetime }, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchQuery {
    text: String,
    before: Option<String>,
    limit: Option<usize>,
}

async fn search(State(state): State<ApiState>, Query(query): Query<SearchQuery>) -> Answer {
    let before = query.before.map(|id| message_id(&id)).transpose()?;
    answer(&state, Command::Search { text: query.text, before, limit: query.limit }, show).await
}

async fn one(State(state): State<ApiState>, Path(message): Path<String>) -> Answer {
    answer(&state, Command::Message(message_id(&message)?), show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitQuery {
    state: String,
    timeout: Option<u64>,
}

/// Longest wait of one request, in seconds: well below the request time-out.
const WAIT_MAX: u64 = 25;

async fn wait(State(state): State<ApiState>, Path(message): Path<String>, Query(query): Query<WaitQuery>) -> Answer {
    let id = message_id(&message)?;
    let wanted = parse_state(&query.state).ok_or(Fault::BadRequest)?;
    let limit = Duration::from_secs(query.timeout.unwrap_or(WAIT_MAX).min(WAIT_MAX));
    let deadline = Instant::now() + limit;
    // Subscribed before the first look, so that no change falls between.
    let mut events = state.node().subscribe();
    loop {
        let Reply::Message(view) = ask(&state, Command::Message(id)).await? else { return Err(Fault::Internal.into()) };
        let reached = has_reached(&view, wanted);
        if reached || view.state == MessageState::Failed {
            return Ok(waited(&view, reached));
        }
        let changed = async {
            loop {
                match events.recv().await {
                    Ok(event) if event.event == (Event::MessageState { message: id }) => return true,
                    Ok(_) => {}
                    // Events were missed; this one may have been among them.
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return true,
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return false,
                }
            }
        };
        tokio::select! {
            changed = changed => if !changed { return Err(Fault::Stopping.into()) },
            () = state.node().stopping() => return Err(Fault::Stopping.into()),
            () = tokio::time::sleep_until(deadline) => return Ok(waited(&view, false)),
        }
    }
}

fn has_reached(view: &MessageView, wanted: MessageState) -> bool {
    // A delivered message may never have been stored elsewhere: it got further.
    view.state == wanted || (view.state != MessageState::Failed && wanted != MessageState::Failed && view.state > wanted)
}

fn waited(view: &MessageView, reached: bool) -> axum::Json<Value> {
    let mut value = self::view(view);
    if let Some(object) = value.as_object_mut() {
        object.insert("reached".to_owned(), Value::Bool(reached));
    }
    axum::Json(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_states_read_back() {
        for word in ["queued", "stored", "delivered", "read", "failed"] {
            assert_eq!(parse_state(word).map(state), Some(word));
        }
        assert_eq!(parse_state("sent"), None);
    }
}

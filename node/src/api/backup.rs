//! The recovery phrase, and backups.

use super::ask::{Answer, answer};
use super::errors::Fault;
use super::extract::Json;
use super::route::{Resource, change};
use super::schema::{Schemas, object, text, text_or_null, texts};
use super::state::ApiState;
use axum::extract::State;
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};
use symbolon_core::command::{BackupCursor, BackupPlace, Command, Reply, SealedPart};
use symbolon_presence::codec;
use symbolon_presence::id::{Nonce, base32};

/// Routes and schemas.
pub const RESOURCE: Resource = Resource {
    routes: &[
        change("/api/v1/phrase", None, "Phrase", "My recovery phrase: anyone who has it is me. Shown until it is confirmed.", || {
            post(phrase)
        }),
        change("/api/v1/phrase/confirm", None, "Phrase", "My recovery phrase is written down: it is erased here.", || post(confirm)),
        change(
            "/api/v1/backup",
            Some("BackupBody"),
            "BackupPart",
            "The next part of a backup, sealed under my recovery phrase; without a cursor, the first one.",
            || post(part),
        ),
    ],
    schemas,
};

/// The longest cursor, in bytes.
const CURSOR_MAX: usize = 64;

fn schemas() -> Schemas {
    vec![
        ("Phrase", object(json!({ "phrase": text_or_null(), "relays": texts() }), &[])),
        ("BackupBody", object(json!({ "cursor": text_or_null() }), &["cursor"])),
        ("BackupPart", object(json!({ "id": text(), "part": text(), "cursor": text_or_null() }), &[])),
    ]
}

fn show(reply: &Reply) -> Option<Value> {
    let Reply::Phrase { words, relays } = reply else { return None };
    Some(json!({ "phrase": words, "relays": relays }))
}

async fn phrase(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::Phrase, show).await
}

async fn confirm(State(state): State<ApiState>) -> Answer {
    answer(&state, Command::PhraseConfirm, show).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupBody {
    cursor: Option<String>,
}

fn read(cursor: &str) -> Option<BackupCursor> {
    codec::decode(&base32().decode(cursor.as_bytes()).ok()?, CURSOR_MAX).ok()
}

async fn part(State(state): State<ApiState>, Json(body): Json<BackupBody>) -> Answer {
    let cursor = match body.cursor {
        Some(text) => read(&text).ok_or(Fault::BadRequest)?,
        None => {
            let mut id = [0; Nonce::LEN];
            getrandom::fill(&mut id).map_err(|_| Fault::Internal)?;
            BackupCursor { id: Nonce(id), index: 0, place: BackupPlace::Head }
        }
    };
    answer(&state, Command::Backup(cursor), show_part).await
}

fn show_part(reply: &Reply) -> Option<Value> {
    let Reply::Backup(SealedPart { id, sealed, next }) = reply else { return None };
    let next = next.map(|next| base32().encode(&codec::encode(&next)));
    Some(json!({ "id": base32().encode(id.as_bytes()), "part": base32().encode(sealed), "cursor": next }))
}

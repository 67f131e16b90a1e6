//! The API's description (OpenAPI 3.1), made from the route table and the schemas below.

use super::errors::Fault;
use super::routes::{ROUTES, Route};
use serde_json::{Map, Value, json};

/// The whole document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(route.method.to_owned(), operation(route));
        }
    }
    let problems: Map<String, Value> = Fault::ALL
        .into_iter()
        .map(|fault| {
            let entry = fault.entry();
            let problem = json!({ "status": entry.status, "title": entry.title, "detail": entry.detail, "hint": entry.hint });
            (entry.kind.to_owned(), problem)
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Symbolon, local API of a node",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "On loopback only. Every request but those of `/api/v1/session` needs a bearer token: that of the data \
                folder (`api-token`), or a session, for which the page trades the one-time token of its address.",
        },
        "paths": paths,
        "security": [{ "bearer": [] }],
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
            },
            "responses": {
                "Problem": {
                    "description": "Not done. `error` is one of the names under `x-problems`.",
                    "content": { "application/problem+json": { "schema": schema_ref("Problem") } },
                },
            },
            "schemas": joined(schemas(), entrance_schemas()),
            "x-problems": problems,
        },
    })
}

fn operation(route: &Route) -> Value {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let path_parameters = in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let query_parameters = route.query.iter().map(|(name, kind, required, description)| {
        json!({ "name": name, "in": "query", "required": required, "description": description, "schema": { "type": kind } })
    });
    let (status, media) = route.success;
    let mut operation = json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "parameters": path_parameters.chain(query_parameters).collect::<Vec<_>>(),
        "responses": {
            status.to_string(): { "description": "Done.", "content": { media: { "schema": schema_ref(route.answer) } } },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    if let (true, Some(operation)) = (route.is_entrance, operation.as_object_mut()) {
        operation.insert("security".to_owned(), json!([]));
    }
    if let (Some(body), Some(operation)) = (route.body, operation.as_object_mut()) {
        let content = json!({ "application/json": { "schema": schema_ref(body) } });
        operation.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api/v1/").replace(['{', '}'], "").replace(['/', '.', '-'], "_");
    format!("{}_{path}", route.method)
}

fn schema_ref(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn joined(mut all: Value, more: Value) -> Value {
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

/// What the page needs to come in.
fn entrance_schemas() -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "PageToken": object(json!({ "http": text(), "token": text() }), &[]),
        "Session": object(json!({ "session": text(), "expires": { "type": "string", "format": "date-time" } }), &[]),
        "Proof": object(json!({ "proof": text() }), &[]),
        "SessionsEnded": object(json!({ "ended": { "type": "integer", "minimum": 0 } }), &[]),
        "SessionBody": object(json!({ "token": text() }), &[]),
        "ProofBody": object(json!({ "session": text(), "nonce": text() }), &[]),
    })
}

/// An object whose fields are all there, but for those in `optional`.
fn object(fields: Value, optional: &[&str]) -> Value {
    let required: Vec<String> = fields
        .as_object()
        .map(|fields| fields.keys().filter(|key| !optional.contains(&key.as_str())).cloned().collect())
        .unwrap_or_default();
    json!({ "type": "object", "properties": fields, "required": required })
}

fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    let id = || json!({ "type": "string", "description": "Lower-case base32 without padding." });
    let time = || json!({ "type": "string", "format": "date-time", "description": "RFC 3339, UTC." });
    let flag = || json!({ "type": "boolean" });
    let number = || json!({ "type": "integer", "minimum": 0 });
    let text_or_null = || json!({ "type": ["string", "null"] });
    let word = |words: &[&str]| json!({ "type": "string", "enum": words });
    let list = |name: &str| json!({ "type": "array", "items": schema_ref(name) });
    let names = || json!({ "type": "array", "items": { "type": "string" } });
    let trust = || word(&["verified", "introduced", "invited", "room", "unknown"]);
    let beware = || json!({ "type": ["string", "null"], "description": "What the name could be taken for." });
    let counters = || json!({ "type": "object", "additionalProperties": { "type": "integer" } });

    let identity = json!({ "id": id(), "words": text(), "name": text(), "device": id(), "findable": flag(), "beware": beware() });
    let request = json!({
        "request": id(),
        "introduction": { "type": ["string", "null"], "description": "The same id, when it is an introduction." },
        "kind": word(&["friend", "introduction"]),
        "direction": word(&["in", "out"]),
        "peer": id(),
        "name": text(),
        "words": text(),
        "trust": trust(),
        "note": text_or_null(),
        "status": word(&["unresolved", "pending", "accepted", "confirmed", "ignored", "blocked", "expired", "cancelled"]),
        "fault": { "type": ["string", "null"], "description": "Why it cannot go on, or why to look twice." },
        "introduced_by": names(),
        "created": time(),
    });
    let friend = json!({
        "id": id(),
        "name": text(),
        "words": text(),
        "trust": trust(),
        "introduced_by": names(),
        "online": { "type": ["boolean", "null"] },
        "path": { "type": ["string", "null"], "enum": ["direct", "lan", "relay", null] },
        "blocked": flag(),
        "hidden": { "type": "boolean", "description": "One's own addresses are kept from this friend." },
        "beware": beware(),
        "build": {
            "type": ["string", "null"],
            "enum": ["older", "newer", null],
            "description": "The friend's version of Symbolon, when it and ours do not understand each other: texts wait until one is updated.",
        },
        "mutual": { "type": "boolean", "description": "Both sides have confirmed; messages wait until then." },
        "unread": number(),
    });
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
    });
    let mut waited = message.clone();
    if let Some(fields) = waited.as_object_mut() {
        fields.insert("reached".to_owned(), flag());
    }
    let status = json!({
        "peers": number(),
        "lan": text(),
        "nearby": {
            "type": ["object", "null"],
            "description": "What the LAN shows: the number of `friends`; while `visible_until`, names of `strangers`. Null while `lan` is off.",
        },
        "dht": { "type": "string", "enum": ["on", "lan", "off"], "description": "Whether DHT servers are known, or only nodes on the LAN that stand in for them." },
        "lookup": {
            "type": "object",
            "description": "How many `servers` of the DHT are known, how many lookup servers of one's `own` there are and how many answered last, and when one's newest records were last found by oneself (`read_back`).",
        },
        "relays": { "type": "array", "items": { "type": "object" } },
        "queue": number(),
        "problems": names(),
        "sent_frames": counters(),
        "dropped_frames": counters(),
    });
    let problem = json!({
        "type": text(),
        "title": text(),
        "status": number(),
        "detail": text(),
        "error": text(),
        "hint": text(),
        "candidates": names(),
        "choices": { "type": "array", "items": object(json!({ "id": id(), "name": text() }), &[]) },
    });
    let read = json!({ "who": text_or_null(), "since": text_or_null(), "limit": { "type": ["integer", "null"] }, "peek": flag() });
    let invite = json!({ "link": text(), "expires": time(), "warning": text_or_null(), "qr": text_or_null() });
    let invite_row = json!({
        "invite": id(),
        "expires": time(),
        "used": { "type": "boolean", "description": "Somebody has asked by it." },
        "state": word(&["open", "used", "expired", "revoked"]),
    });
    let invite_body = json!({
        "expires_in": { "type": ["integer", "null"], "description": "Seconds; 7 days when absent, at most 90." },
        "no_ip": { "type": "boolean", "description": "Leave out the own addresses." },
        "auto_accept": { "type": "boolean", "description": "Accept whoever comes with it first." },
    });
    let send_body = json!({
        "to": text(),
        "text": text(),
        "lifetime_seconds": {
            "type": ["integer", "null"],
            "description": "Given up (`failed`) when not delivered after so many seconds; never when absent.",
        },
    });
    let mut all = json!({
        "Description": { "type": "object" },
        "EventStream": { "type": "string" },
        "Picture": { "type": "string" },
        "Identity": object(identity, &[]),
        "Invite": object(invite, &[]),
        "Request": object(request, &[]),
        "Requests": object(json!({ "requests": list("Request") }), &[]),
        "Friend": object(friend, &[]),
        "Friends": object(json!({ "friends": list("Friend") }), &[]),
        "FriendOrRequest": { "oneOf": [schema_ref("Friend"), schema_ref("Request")] },
        "Message": object(message, &[]),
        "WaitedMessage": object(waited, &[]),
        "Messages": object(json!({ "messages": list("Message") }), &[]),
        "Relay": object(
            json!({ "relay": text(), "role": text(), "state": text(), "problem": { "type": ["string", "null"] }, "quota": { "type": ["object", "null"] } }),
            &[],
        ),
        "Relays": object(json!({ "relays": list("Relay") }), &[]),
        "RelayBody": object(json!({ "link": text(), "claim": text_or_null() }), &["claim"]),
        "Confirmed": object(json!({ "device": text(), "had_stopped": { "type": "boolean" } }), &[]),
        "ResendBody": object(json!({ "friend": text() }), &[]),
        "Resent": object(json!({ "resent": { "type": "integer" } }), &[]),
        "RelayClaimBody": object(json!({ "code": text() }), &[]),
        "RelayRemoveBody": object(json!({ "relay": text() }), &[]),
        "Lookup": object(json!({ "lookup": text(), "state": { "type": "string", "enum": ["answers", "unreachable", "not_asked"] } }), &[]),
        "Lookups": object(json!({ "lookups": list("Lookup") }), &[]),
        "LookupBody": object(json!({ "lookup": text() }), &[]),
        "FindableBody": object(json!({ "findable": flag() }), &[]),
        "Status": object(status, &[]),
        "Check": object(json!({ "check": text(), "ok": flag(), "detail": text(), "hint": text_or_null() }), &[]),
        "Checks": object(json!({ "checks": list("Check") }), &[]),
        "Stopping": object(json!({ "stopping": flag() }), &[]),
        "Problem": object(problem, &["candidates", "choices"]),
        "NameBody": object(json!({ "name": text() }), &[]),
        "InviteBody": object(invite_body, &["expires_in", "no_ip", "auto_accept"]),
        "AddBody": object(json!({ "target": text(), "note": text_or_null() }), &["note"]),
        "WhoBody": object(json!({ "who": text() }), &[]),
        "RenameBody": object(json!({ "friend": text(), "name": text() }), &[]),
        "VerifyBody": object(json!({ "friend": text(), "words": text_or_null() }), &["words"]),
        "ReadBody": object(read, &["who", "since", "limit", "peek"]),
        "IntroduceBody": object(json!({ "asker": text(), "target": text(), "note": text_or_null() }), &["note"]),
        "HideBody": object(json!({ "friend": text(), "hidden": { "type": "boolean" } }), &[]),
        "UnfriendBody": object(json!({ "friend": text() }), &[]),
        "SendBody": object(send_body, &["lifetime_seconds"]),
    });
    // The macro takes no more entries at once.
    if let Some(entries) = all.as_object_mut() {
        entries.insert("InviteRow".to_owned(), object(invite_row, &[]));
        entries.insert("Invites".to_owned(), object(json!({ "invites": list("InviteRow") }), &[]));
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use std::collections::BTreeSet;

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if let (true, Some(target)) = (key == "$ref", value.as_str()) {
                        found.insert(target.to_owned());
                    }
                    references(value, found);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let document = document();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone())))
            .collect();
        let routed: BTreeSet<(String, String)> = ROUTES.iter().map(|route| (route.path.to_owned(), route.method.to_owned())).collect();
        assert_eq!(described, routed);
        assert_eq!(ROUTES.len(), routed.len(), "no route stands twice");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for target in &found {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(found.contains(&format!("#/components/schemas/{name}")), "{name} is not used");
        }
    }

    #[test]
    fn operation_ids_are_unique() {
        let ids: BTreeSet<_> = ROUTES.iter().map(operation_id).collect();
        assert_eq!(ids.len(), ROUTES.len());
    }
}

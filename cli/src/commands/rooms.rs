//! What is done with rooms.

use super::list::{entries, show_all};
use super::typed::typed;
use crate::args::RoomVerb;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show::{card, member, request, room, room_left};
use serde_json::{Value, json};
use symbolon_node::api::qr::Qr;

/// Carries out a command about a room.
pub fn run(client: &Client, output: Output, verb: &RoomVerb) -> Result<(), Failure> {
    let post = |path: &str, body: Value| client.post(&format!("/api/v1/rooms{path}"), &body);
    let view = match verb {
        RoomVerb::List { all } => return list(client, output, *all),
        RoomVerb::Members { room } => {
            let answer = client.get("/api/v1/rooms/members", &[("room", room)])?;
            return show_all(output, entries(&answer, "members"), member, "Nobody.\n");
        }
        RoomVerb::Befriend { room, who, note } => {
            let view = post("/befriend", json!({ "room": room, "who": who, "note": note }))?;
            return output.show(&view, request);
        }
        RoomVerb::Card { room, qr } => {
            let mut view = post("/card", json!({ "room": room }))?;
            if let Some(fields) = view.as_object_mut() {
                // The picture is for the page; a terminal draws its own.
                fields.remove("qr");
            }
            output.show(&view, card)?;
            let code = Qr::link(view.get("card").and_then(Value::as_str).unwrap_or_default()).filter(|_| *qr && !output.json);
            return code.map_or(Ok(()), |code| output.print(&format!("\n{}", code.half_blocks(!output.is_piped()))));
        }
        RoomVerb::Knock { card } => return output.show(&post("/knock", json!({ "card": typed(output, card)? }))?, request),
        RoomVerb::Vouch { request: id } => return output.show(&post("/vouch", json!({ "request": id }))?, request),
        RoomVerb::Leave { room } => return output.show(&post("/leave", json!({ "room": room }))?, room_left),
        RoomVerb::Create { name } => post("", json!({ "name": name }))?,
        RoomVerb::Add { room, who } => post("/add", json!({ "room": room, "who": who }))?,
        RoomVerb::Remove { room, who } => post("/remove", json!({ "room": room, "who": who }))?,
        RoomVerb::Rename { room, name } => post("/rename", json!({ "room": room, "name": name }))?,
        RoomVerb::Topic { room, topic } => post("/topic", json!({ "room": room, "topic": topic.join(" ") }))?,
        RoomVerb::Role { room, who, role } => post("/role", json!({ "room": room, "who": who, "role": role.word() }))?,
        RoomVerb::Mute { room, off } => post("/note", json!({ "room": room, "muted": !off }))?,
        RoomVerb::Archive { room, off } => post("/note", json!({ "room": room, "archived": !off }))?,
    };
    output.show(&view, room)
}

fn list(client: &Client, output: Output, all: bool) -> Result<(), Failure> {
    let answer = client.get("/api/v1/rooms", &[])?;
    let is_in = |view: &&Value| all || matches!(view.get("standing").and_then(Value::as_str), Some("member" | "leaving" | "elsewhere"));
    let nothing = "No rooms. `symbolon room create NAME` makes one, `symbolon room add NAME FRIEND` takes a friend in.\n";
    show_all(output, entries(&answer, "rooms").filter(is_in), room, nothing)
}

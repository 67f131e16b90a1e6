//! What is done with rooms.

use super::list::{entries, show_all};
use super::typed::typed;
use crate::args::RoomVerb;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show::{card, member, request, room, room_left};
use crate::text::line;
use serde_json::{Value, json};
use symbolon_core::names::is_same;
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
            return code.map_or(Ok(()), |code| output.print(&format!("\n{}", code.half_blocks(output.has_colours()))));
        }
        RoomVerb::Knock { card } => return output.show(&post("/knock", json!({ "card": typed(output, card)? }))?, request),
        RoomVerb::Vouch { request: id } => return output.show(&post("/vouch", json!({ "request": id }))?, request),
        RoomVerb::Leave { room, yes } if !yes && !may_leave(client, output, room)? => return Err(Failure::declined()),
        RoomVerb::Leave { room, yes: _ } => {
            // What the room says after it was left names nobody any more.
            let heirs = heirs(client, room)?;
            let left = post("/leave", json!({ "room": room }))?;
            output.show(&left, room_left)?;
            return if heirs.is_empty() { Ok(()) } else { output.remark(&format!("{heirs}\n")) };
        }
        RoomVerb::Create { name } => {
            let view = post("", json!({ "name": name }))?;
            say_twice(client, output, &view)?;
            view
        }
        RoomVerb::Add { room, who } => post("/add", json!({ "room": room, "who": who }))?,
        RoomVerb::Remove { room, who } => post("/remove", json!({ "room": room, "who": who }))?,
        RoomVerb::Rename { room: which, name } => {
            let view = post("/rename", json!({ "room": which, "name": name }))?;
            return output.show(&view, |view| format!("{}{}", room(view), becoming(view, name)));
        }
        RoomVerb::Topic { room, topic } => post("/topic", json!({ "room": room, "topic": topic.join(" ") }))?,
        RoomVerb::Role { room: which, who, role } => {
            let view = post("/role", json!({ "room": which, "who": who, "role": role.word() }))?;
            return output.show(&view, |view| format!("{}  role     {} for {}\n", room(view), role.word(), line(who)));
        }
        RoomVerb::Mute { room, off } => post("/note", json!({ "room": room, "muted": !off }))?,
        RoomVerb::Archive { room, off } => post("/note", json!({ "room": room, "archived": !off }))?,
    };
    output.show(&view, room)
}

/// Asks somebody at a terminal, and nobody else.
fn may_leave(client: &Client, output: Output, room: &str) -> Result<bool, Failure> {
    if !output.can_ask() {
        return Ok(true);
    }
    let question = format!("Leave {}? Only a member can bring you back. {}", line(room), heirs(client, room)?);
    output.ask(question.trim_end())
}

/// Who becomes the owner when one leaves a room, as a sentence; nothing where it has another owner.
fn heirs(client: &Client, room: &str) -> Result<String, Failure> {
    let all = client.get("/api/v1/rooms", &[])?;
    let is_it = |view: &&Value| ["name", "room"].iter().any(|field| view.get(field).and_then(Value::as_str) == Some(room.trim()));
    let mut found = entries(&all, "rooms").filter(is_it);
    let (Some(view), None) = (found.next(), found.next()) else { return Ok(String::new()) };
    let names: Vec<String> =
        view.get("heirs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(line).collect();
    Ok(match names.as_slice() {
        [] => String::new(),
        [one] => format!("{one} then becomes the owner."),
        several => format!("One of those who have been there longest then becomes the owner: {}.", several.join(", ")),
    })
}

/// A new name stands in the room's next epoch, which may be a moment away.
fn becoming(view: &Value, name: &str) -> String {
    match view.get("name").and_then(Value::as_str) {
        Some(now) if now != name.trim() => format!("  becomes  {}, in a moment\n", line(name)),
        _ => String::new(),
    }
}

/// Says that a room that was made has the name of another one.
fn say_twice(client: &Client, output: Output, made: &Value) -> Result<(), Failure> {
    let all = client.get("/api/v1/rooms", &[])?;
    let name = |view: &Value| view.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if entries(&all, "rooms").any(|view| view.get("room") != made.get("room") && is_same(&name(view), &name(made))) {
        output.aside("Another room has this name already. Say which one you mean by its id, or rename one: symbolon room rename ID NAME");
    }
    Ok(())
}

fn list(client: &Client, output: Output, all: bool) -> Result<(), Failure> {
    let answer = client.get("/api/v1/rooms", &[])?;
    let is_in = |view: &&Value| all || matches!(view.get("standing").and_then(Value::as_str), Some("member" | "leaving" | "elsewhere"));
    let nothing = "No rooms. `symbolon room create NAME` makes one, `symbolon room add NAME FRIEND` takes a friend in.\n";
    show_all(output, entries(&answer, "rooms").filter(is_in), room, nothing)
}

//! Requests, and how each stands.

use super::fields::{str_of, trust};
use crate::text::{labelled, line};
use serde_json::Value;

/// One request.
pub fn request(view: &Value) -> String {
    let incoming = str_of(view, "direction") == "in";
    let name = match str_of(view, "name") {
        "" => "somebody".to_owned(),
        name => line(name),
    };
    let by = view.get("introduced_by").and_then(Value::as_array).and_then(|names| names.first()).and_then(Value::as_str).map(line);
    let is_introduction = str_of(view, "kind") == "introduction";
    let room = line(str_of(view, "room_name"));
    let is_room = str_of(view, "kind") == "room";
    let is_knock = str_of(view, "kind") == "knock";
    let is_faulty = !str_of(view, "fault").is_empty();
    let what = match (incoming, str_of(view, "status")) {
        (incoming, status) if is_knock => knock(incoming, status, &name, &room),
        (_, "pending") if is_room => format!("{name} has brought you into the room {room}; nothing of it is shown before you accept"),
        (_, "confirmed") if is_room => format!("you came into the room {room}"),
        (_, "ignored") if is_room => format!("you leave the room {room}"),
        (true, "pending") if is_introduction => format!("{} introduces you to {name}", by.as_deref().unwrap_or("a friend")),
        (false, "pending") if is_introduction => format!("you introduced {name}; both are asked"),
        (true, "accepted") if is_introduction => format!("you would like to meet {name}; the rest happens automatically"),
        (false, "confirmed") if is_introduction => format!("you introduced {name}; both have agreed"),
        (true, "pending") => format!("{name} asks to be your friend"),
        (false, "pending") => format!("you asked {name}; not answered yet"),
        (false, "unresolved") if str_of(view, "trust") == "invited" && is_faulty => {
            "you asked somebody by an invite that could not be used so far".to_owned()
        }
        (false, "unresolved") if str_of(view, "trust") == "invited" => {
            "you asked somebody by their invite, which is being fetched".to_owned()
        }
        (false, "unresolved") => format!("you asked {name}; no way to them is known yet"),
        (true, "accepted") => format!("you accepted {name}; waiting for their confirmation"),
        (false, "accepted") => format!("{name} accepted; the confirmation is on its way"),
        (_, "confirmed") => format!("{name} and you became friends"),
        (_, "ignored") => format!("{name}: set aside"),
        (_, "blocked") => format!("{name}: blocked"),
        (_, "expired") => format!("{name}: expired"),
        (_, "cancelled") => format!("{name}: taken back"),
        (_, other) => format!("{name}: {}", line(other)),
    };
    let id = line(str_of(view, "request"));
    let mut out = format!("{what}\n  request  {id}\n");
    out.push_str(&labelled("  known    ", trust(str_of(view, "trust"))));
    if !str_of(view, "words").is_empty() {
        out.push_str(&labelled("  words    ", &line(str_of(view, "words"))));
    }
    if !str_of(view, "note").is_empty() {
        out.push_str(&labelled("  note     ", &line(str_of(view, "note"))));
    }
    for (field, label) in [("members", "there"), ("parted", "parted")] {
        let names: Vec<String> =
            view.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(line).collect();
        if !names.is_empty() {
            out.push_str(&labelled(&format!("  {label:<8} "), &names.join(", ")));
        }
    }
    if !str_of(view, "fault").is_empty() {
        out.push_str(&labelled("  beware   ", &line(str_of(view, "fault"))));
    }
    if !incoming && is_faulty && str_of(view, "status") == "unresolved" {
        let short: String = id.chars().take(8).collect();
        out.push_str(&labelled("  end      ", &format!("symbolon requests cancel {short}")));
    }
    if incoming && str_of(view, "status") == "pending" {
        let short: String = id.chars().take(8).collect();
        let other = match (is_room, is_introduction || is_knock) {
            (true, _) => "ignore, which leaves it",
            (false, true) => "ignore",
            (false, false) => "ignore, block",
        };
        out.push_str(&labelled("  answer   ", &format!("symbolon accept {short}  (or {other})")));
    }
    out
}

/// How a knock at a room stands.
fn knock(incoming: bool, status: &str, name: &str, room: &str) -> String {
    match (incoming, status) {
        (true, "pending") => format!("{name} knocks at the room {room}: if you vouch for them (accept), they come in"),
        (true, "accepted") => format!("you vouch for {name}, who knocks at the room {room}"),
        (true, "confirmed") => format!("{name} was let into the room {room}"),
        (true, "ignored") => format!("{name}, who knocks at the room {room}: set aside"),
        (true, _) => format!("{name} knocked at the room {room}, and was not let in"),
        (false, "unresolved") => "you knock at a room, whose card is being fetched".to_owned(),
        (false, "pending") => "you knock at a room; nobody has vouched yet".to_owned(),
        (false, "accepted") => format!("{name} vouches for you; you are being let in"),
        (false, "confirmed") => format!("{name} has vouched for you: you came into the room {room}"),
        (false, "cancelled") => "your knock at a room has ended".to_owned(),
        (false, _) => "you were turned away: nobody who was asked has vouched".to_owned(),
    }
}

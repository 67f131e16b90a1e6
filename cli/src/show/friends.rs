//! Friends, and those who were.

use super::fields::{str_of, trust};
use crate::text::{labelled, line};
use serde_json::Value;

/// Somebody whose friendship was ended here.
pub fn former_friend(view: &Value) -> String {
    let name = line(str_of(view, "name"));
    let read = format!("symbolon read {}{}", dashes(&name), quoted(&name));
    format!("{name}\n  former friend\n  id       {}\n{}", line(str_of(view, "id")), labelled("  history  ", &read))
}

/// One friend.
pub fn friend(view: &Value) -> String {
    let flag = |field: &str| view.get(field).and_then(Value::as_bool);
    let online = match (flag("blocked"), flag("mutual"), flag("online")) {
        (Some(true), _, _) => "blocked",
        (_, Some(false), _) => "waiting for their confirmation",
        (_, _, Some(true)) => match view.get("path").and_then(Value::as_str) {
            Some("lan") => "online, on this network",
            Some("relay") => "online, through a relay",
            Some(_) | None => "online",
        },
        (_, _, Some(false)) => "offline",
        (_, _, None) => "not seen yet",
    };
    let unread = match view.get("unread").and_then(Value::as_u64) {
        None | Some(0) => String::new(),
        Some(count) => format!(", {count} unread"),
    };
    let build = match str_of(view, "build") {
        "older" => ", runs an older version than you: texts wait until they update",
        "newer" => ", runs a newer version than you: texts wait until you update",
        _ => "",
    };
    let hidden = if flag("hidden") == Some(true) { ", may not know where you are" } else { "" };
    let name = line(str_of(view, "name"));
    let mut out = format!(
        "{name}\n{}  id       {}\n{}",
        labelled("  ", &format!("{online}, {}{unread}{hidden}{build}", trust(str_of(view, "trust")))),
        line(str_of(view, "id")),
        labelled("  words    ", &line(str_of(view, "words"))),
    );
    if !str_of(view, "calls_themself").is_empty() {
        out.push_str(&labelled("  says     ", &format!("calls themself \"{}\"", line(str_of(view, "calls_themself")))));
    }
    let devices = view.get("devices").and_then(Value::as_array).filter(|devices| devices.len() > 1);
    for device in devices.into_iter().flatten() {
        let online = if device.get("online").and_then(Value::as_bool) == Some(true) { "  online" } else { "" };
        out.push_str(&format!("  device   {}{online}\n", line(str_of(device, "device"))));
    }
    if !str_of(view, "beware").is_empty() {
        out.push_str(&labelled("  beware   ", &line(str_of(view, "beware"))));
    }
    if str_of(view, "trust") != "verified" {
        let verify = format!("symbolon verify {}{}  (then with the words that they read out)", dashes(&name), quoted(&name));
        out.push_str(&labelled("  compare  ", &verify));
    }
    out
}

/// A friendship that was ended.
pub fn unfriended(view: &Value) -> String {
    format!("No longer friends with {} (they are not notified). The history stays: symbolon read\n", line(str_of(view, "name")))
}

/// What stands before a name that looks like a flag.
fn dashes(name: &str) -> &'static str {
    if name.starts_with('-') { "-- " } else { "" }
}

/// A name as a shell takes it for one word.
fn quoted(name: &str) -> String {
    let is_plain = !name.is_empty() && name.chars().all(char::is_alphanumeric);
    if is_plain { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

//! Rooms, and who is in them.

use super::fields::{moment, number_of, str_of, trust};
use crate::text::{labelled, line};
use serde_json::Value;
use std::fmt::Write as _;

/// One room.
pub fn room(view: &Value) -> String {
    let standing = match str_of(view, "standing") {
        "asked" => "a friend has brought you in: answer it by symbolon requests".to_owned(),
        "left" => "you have left it".to_owned(),
        "removed" => "you were removed from it".to_owned(),
        "elsewhere" => "another device of yours is in it, and this one is not".to_owned(),
        "leaving" => "you are leaving it".to_owned(),
        _ => match number_of(view, "members") {
            0 | 1 => "nobody but you".to_owned(),
            people => format!("{people} people"),
        },
    };
    let role = match str_of(view, "role") {
        "owner" => ", you own it",
        "admin" => ", you are an admin",
        _ => "",
    };
    let unread = match number_of(view, "unread") {
        0 => String::new(),
        count => format!(", {count} unread"),
    };
    let flag = |field: &str, word: &'static str| if view.get(field) == Some(&Value::Bool(true)) { word } else { "" };
    let mut out = format!(
        "{}\n{}  room     {}\n",
        line(str_of(view, "name")),
        labelled("  ", &format!("{standing}{role}{unread}{}{}", flag("muted", ", muted"), flag("archived", ", archived"))),
        line(str_of(view, "room")),
    );
    // Writing to a String cannot fail.
    if !str_of(view, "topic").is_empty() {
        out.push_str(&labelled("  topic    ", &line(str_of(view, "topic"))));
    }
    if !str_of(view, "added_by").is_empty() {
        let _ = writeln!(out, "  added by {}", line(str_of(view, "added_by")));
    }
    let invited = view.get("invited").and_then(Value::as_array).into_iter().flatten();
    for name in invited.filter_map(Value::as_str) {
        let _ = writeln!(out, "  invited  {}, not reached yet", line(name));
    }
    out
}

/// A card by which people knock at a room.
pub fn card(view: &Value) -> String {
    format!(
        "{}\n  good until {}\n{}{}",
        line(str_of(view, "card")),
        moment(str_of(view, "expires")),
        labelled("  ", "Anyone who has it can knock at the room: symbolon room knock CARD"),
        labelled("  ", "A knock needs a hub: one of your relays that runs with --hub, or this node started by `symbolon up --hub`."),
    )
}

/// A room that one leaves.
pub fn room_left(view: &Value) -> String {
    format!("You leave {}. Its history stays: symbolon read\n", line(str_of(view, "name")))
}

/// Somebody in a room.
pub fn member(view: &Value) -> String {
    let is_me = view.get("me") == Some(&Value::Bool(true));
    let known = if is_me { "you" } else { trust(str_of(view, "trust")) };
    format!(
        "{}\n{}  id       {}\n{}",
        line(str_of(view, "name")),
        labelled("  ", &format!("{}, {known}", line(str_of(view, "role")))),
        line(str_of(view, "id")),
        labelled("  words    ", &line(str_of(view, "words"))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hostile_names_and_topics_of_rooms_are_neutral() {
        let evil = "\u{1b}]0;x\u{7}\u{202e}\r\n\u{9b}2J";
        let view = json!({
            "name": evil, "room": evil, "topic": evil, "role": evil, "standing": evil, "invited": [evil], "added_by": evil,
            "id": evil, "words": evil, "trust": evil,
        });
        for text in [room(&view), room_left(&view), member(&view)] {
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            assert!(!text.contains('\u{202e}'));
        }
    }

    #[test]
    fn a_room_says_who_is_in_it_and_who_is_to_come() {
        let view = json!({
            "name": "Crew", "room": "abc", "topic": "Sails", "role": "owner", "standing": "member", "members": 3, "unread": 2,
            "muted": true, "archived": false, "invited": ["Ben"], "added_by": null,
        });
        assert_eq!(
            room(&view),
            "Crew\n  3 people, you own it, 2 unread, muted\n  room     abc\n  topic    Sails\n  invited  Ben, not reached yet\n"
        );
        assert!(room(&json!({ "name": "Crew", "standing": "removed", "members": 3 })).contains("you were removed from it"));
        assert!(room(&json!({ "name": "Crew", "standing": "member", "members": 1 })).contains("nobody but you"));
    }
}

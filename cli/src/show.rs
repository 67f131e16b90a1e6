//! Answers in plain words, for people.
//!
//! Whatever came from outside passes through [`text`] on its way.

mod devices;
mod fields;
mod friends;
mod requests;
mod rooms;

use crate::text::{block, labelled, line};
pub use devices::{backup, confirmed, own_device, pairing, phrase};
pub use fields::moment;
use fields::str_of;
pub use friends::{former_friend, friend, unfriended};
pub use requests::request;
pub use rooms::{card, member, room, room_left};
use serde_json::Value;
use std::fmt::Write as _;
use symbolon_core::counted::counted;

// Writing to a String cannot fail; the results are dropped on purpose throughout.

/// Own identity.
pub fn identity(view: &Value) -> String {
    let beware = match str_of(view, "beware") {
        "" => String::new(),
        beware => labelled("beware  ", &format!("{}: friends see it marked and numbered", line(beware))),
    };
    format!(
        "name    {}\nid      {}\n{}device  {}\n{}{beware}",
        line(str_of(view, "name")),
        line(str_of(view, "id")),
        labelled("words   ", &line(str_of(view, "words"))),
        line(str_of(view, "device")),
        if view.get("findable") == Some(&Value::Bool(true)) { "findable by anyone who knows the id\n" } else { "" },
    )
}

/// An invite: the link alone on the first line, so that it can be copied or piped.
pub fn invite(view: &Value, piped: bool) -> String {
    let mut out = format!("{}\n", line(str_of(view, "link")));
    if !piped {
        let _ = write!(
            out,
            "\nGive this link to one person, who types: symbolon add LINK\nIt is good once, until {}.\n",
            moment(str_of(view, "expires"))
        );
    }
    out
}

/// One of the invites made before.
pub fn invite_row(view: &Value) -> String {
    let expires = moment(str_of(view, "expires"));
    let what = match str_of(view, "state") {
        "open" => format!("good once, until {expires}"),
        "spoiled" => "spoiled: somebody who has the link put something else in its place. Take it back, and make a new one".to_owned(),
        "used" => "used".to_owned(),
        "expired" => format!("expired {expires}"),
        "revoked" => "taken back: nobody can use it any more".to_owned(),
        other => line(other),
    };
    format!("invite  {}\n  {what}\n", line(str_of(view, "invite")))
}

/// One setting.
pub fn setting(view: &Value) -> String {
    let (setting, value) = (str_of(view, "setting"), str_of(view, "value"));
    let meaning = match (setting, value) {
        ("rooms", "join") => "a room to which a friend adds me is shown at once",
        ("vouch", "on") => "I vouch for friends who knock at a room that I am in",
        ("vouch", "off") => "friends who knock at a room that I am in wait for my word",
        ("rooms", "ask") => "I am asked before a room is shown to which a friend adds me",
        _ => "",
    };
    format!("{}  {}  {meaning}\n", line(setting), line(value))
}

/// One message of a history.
pub fn message(view: &Value) -> String {
    let flag = |field: &str| view.get(field).and_then(Value::as_bool).unwrap_or(false);
    let (from, conversation) = (line(str_of(view, "from")), line(str_of(view, "conversation")));
    let at = moment(str_of(view, "at"));
    if flag("line") {
        // No name can pose as this: behind a name stands a colon.
        return format!("{at}  -- {conversation}: {} --\n", line(str_of(view, "text")));
    }
    let mut lines = block(str_of(view, "text")).lines().map(str::to_owned).collect::<Vec<_>>().into_iter();
    let first = lines.next().unwrap_or_default();
    let mut out = match flag("mine") {
        true => format!("{at}  {from} to {conversation}: {first}"),
        // With a friend, the conversation has the friend's name.
        false if from == conversation => format!("{at}  {from}: {first}"),
        false => format!("{at}  {from} in {conversation}: {first}"),
    };
    if flag("mine") {
        let _ = write!(out, "  [{}]", state(view));
    }
    out.push('\n');
    for rest in lines {
        let _ = writeln!(out, "    {rest}");
    }
    out
}

/// How far a message just sent has got.
pub fn sent(view: &Value) -> String {
    format!("{}  {}\n", line(str_of(view, "message")), state(view))
}

fn state(view: &Value) -> String {
    match (str_of(view, "state"), str_of(view, "reason")) {
        ("failed", reason) if !reason.is_empty() => format!("failed: {}", line(reason)),
        (state, _) if str_of(view, "delivered_by") == "0/0" => format!("{}, nobody else is in the room", line(state)),
        (state, _) if !str_of(view, "delivered_by").is_empty() => {
            format!("{}, {} have it", line(state), line(str_of(view, "delivered_by")))
        }
        (state, _) => line(state),
    }
}

/// Browsers that are signed out.
pub fn signed_out(view: &Value) -> String {
    let ended = view.get("ended").and_then(Value::as_u64).unwrap_or_default();
    format!("Browsers signed out: {ended}. `symbolon page` prints an address to sign in with.\n")
}

/// One line of the doctor, and what to do about it.
pub fn check(view: &Value) -> String {
    // What holds and has advice all the same is worth a look.
    let mark = match (view.get("ok").and_then(Value::as_bool), str_of(view, "hint").is_empty()) {
        (Some(true), true) => "ok  ",
        (Some(true), false) => "note",
        _ => "FAIL",
    };
    let mut out = labelled(&format!("{mark}  {:<10} ", line(str_of(view, "check"))), &line(str_of(view, "detail")));
    if !str_of(view, "hint").is_empty() {
        out.push_str(&labelled(&" ".repeat(17), &line(str_of(view, "hint"))));
    }
    out
}

/// One relay, in a line.
pub fn relay(view: &Value) -> String {
    let count = |field: &str| view.get("quota").and_then(|quota| quota.get(field)).and_then(Value::as_u64);
    let quota = match (count("entries"), count("entries_max")) {
        (Some(waiting), Some(most)) => format!("  {waiting} of {most} entries"),
        _ => String::new(),
    };
    let problem = match str_of(view, "problem") {
        "" => String::new(),
        problem => labelled("  ", &line(problem)),
    };
    format!("{}  {}{quota}\n{problem}", line(str_of(view, "relay")), line(str_of(view, "state")))
}

/// One lookup server, in a line.
pub fn lookup(view: &Value) -> String {
    let state = match str_of(view, "state") {
        "answers" => "answered when last asked",
        "unreachable" => "did not answer when last asked; tried again by itself",
        _ => "not asked yet",
    };
    format!("{}  {state}\n", line(str_of(view, "lookup")))
}

/// A lookup server that is used no longer.
pub fn lookup_removed(view: &Value) -> String {
    format!("{} is used no longer; what lies there ends by itself within two days.\n", line(str_of(view, "lookup")))
}

/// A relay that is ours no longer.
pub fn relay_removed(view: &Value) -> String {
    format!("{} is given up; friends are shown where else to write.\n", line(str_of(view, "relay")))
}

/// What a friend's older copy lacks is on its way.
pub fn resent(view: &Value) -> String {
    match view.get("resent").and_then(Value::as_u64).unwrap_or_default() {
        0 => "Nothing to send again.\n".to_owned(),
        texts => format!("{} sent again.\n", counted(texts, "text is", "texts are")),
    }
}

/// What works and what does not.
pub fn status(view: &Value) -> String {
    let number = |field: &str| view.get(field).and_then(Value::as_u64).unwrap_or_default();
    let mut out = format!(
        "friends connected  {}\nwaiting to be sent {}\nlocal network      {}\nlookup network     {}\n",
        number("peers"),
        number("queue"),
        line(str_of(view, "lan")),
        line(str_of(view, "dht")),
    );
    let near = view.get("nearby").filter(|near| !near.is_null());
    let strangers = near.and_then(|near| near.get("strangers")).and_then(Value::as_array);
    if let Some(friends) = near.and_then(|near| near.get("friends")).and_then(Value::as_u64) {
        let _ = writeln!(out, "friends near by    {friends}");
    }
    for stranger in strangers.into_iter().flatten() {
        let _ = writeln!(out, "a stranger says to be {}", line(stranger.as_str().unwrap_or_default()));
    }
    let relays = view.get("relays").and_then(Value::as_array).map_or(0, Vec::len);
    let _ = writeln!(out, "relays             {relays}");
    let lookups = |field: &str| view.get("lookup").and_then(|lookup| lookup.get(field)).and_then(Value::as_u64).unwrap_or_default();
    if lookups("own") > 0 {
        let _ = writeln!(out, "lookup servers     {} of {} answer, my relays among them", lookups("own_answering"), lookups("own"));
    }
    match view.get("problems").and_then(Value::as_array) {
        Some(problems) if !problems.is_empty() => {
            for problem in problems {
                out.push_str(&labelled("problem: ", &line(problem.as_str().unwrap_or_default())));
            }
        }
        _ => out.push_str("no problems\n"),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hostile_names_and_texts_are_neutral_in_every_view() {
        let evil = "\u{1b}]0;x\u{7}\u{202e}\r\n\u{9b}2J";
        let view = json!({
            "name": evil, "id": evil, "words": evil, "device": evil, "link": evil, "expires": evil, "note": evil,
            "direction": "in", "status": evil, "request": evil, "trust": evil, "from": evil, "text": evil, "at": evil,
            "conversation": evil, "beware": evil, "state": evil, "reason": evil, "message": evil, "mine": true, "lan": evil, "dht": evil,
            "problems": [evil], "nearby": { "friends": 1, "strangers": [evil] }, "check": evil, "detail": evil, "hint": evil,
        });
        let people = [identity(&view), invite(&view, false), request(&view), friend(&view), unfriended(&view)];
        let shown = people.into_iter().chain([message(&view), sent(&view), status(&view), check(&view)]);
        for text in shown {
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            assert!(!text.contains('\u{202e}'));
        }
    }

    #[test]
    fn what_has_ended_is_said_as_what_happened_for_nobody_knows_if_it_is_still_so() {
        for kind in ["friend", "introduction", "room", "knock"] {
            for direction in ["in", "out"] {
                let view = json!({ "kind": kind, "direction": direction, "status": "confirmed", "name": "Ben", "room_name": "Crew" });
                let said = request(&view);
                assert!(!said.contains("are friends") && !said.contains("you are in") && !said.contains("is in the room"), "{said}");
            }
        }
        let view = json!({ "kind": "friend", "direction": "out", "status": "confirmed", "name": "Ben" });
        assert!(request(&view).starts_with("Ben and you became friends\n"));
    }

    #[test]
    fn an_invite_that_was_used_is_not_said_to_be_on_its_way() {
        let view = |fault: Option<&str>| {
            json!({
                "kind": "friend", "direction": "out", "status": "unresolved", "trust": "invited", "request": "bcbhh3ymwm6aqqzqbf3ov6noeq",
                "fault": fault,
            })
        };
        let used = request(&view(Some("it was used")));
        assert!(!used.contains("being fetched") && used.contains("it was used") && used.contains("requests cancel bcbhh3ym"), "{used}");
        let fetched = request(&view(None));
        assert!(fetched.contains("being fetched") && !fetched.contains("cancel"), "{fetched}");
    }

    #[test]
    fn how_a_friend_is_reached_and_who_is_near_is_said_in_words() {
        let shown = |path: &str| friend(&json!({ "name": "Ben", "online": true, "path": path, "trust": "verified" }));
        assert!(shown("lan").contains("online, on this network"));
        assert!(shown("relay").contains("online, through a relay"));
        assert!(shown("direct").contains("online, "));
        let near = status(&json!({ "lan": "on", "nearby": { "friends": 2, "strangers": ["Tom"] } }));
        assert!(near.contains("friends near by    2\na stranger says to be Tom\n"), "{near}");
        assert!(!status(&json!({ "lan": "off", "nearby": null })).contains("near by"));
    }

    #[test]
    fn long_fields_fit_eighty_columns_and_lose_no_word() {
        let words = ["ginger"; 24].join(" ");
        let view = json!({
            "name": "Ben", "id": "b".repeat(52), "words": words, "note": words, "beware": words, "fault": words, "check": "listening",
            "detail": words, "hint": words, "problems": [words], "problem": words, "relay": "b".repeat(52), "trust": "invited",
            "direction": "in", "kind": "friend", "status": "pending", "request": "k".repeat(26),
        });
        for text in [identity(&view), request(&view), friend(&view), check(&view), relay(&view), status(&view)] {
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            let words = text.split_whitespace().map(|word| word.trim_matches(|letter: char| letter.is_ascii_punctuation()));
            assert!(words.filter(|word| *word == "ginger").count() % 24 == 0 && text.contains("ginger"), "{text}");
        }
    }

    #[test]
    fn lines_of_a_message_cannot_pose_as_another_message() {
        let view = json!({ "from": "Tom", "conversation": "Tom", "text": "hi\n2026-11-20 23:48 UTC  Andi: fake", "at": "2026-11-20T23:48:49.250Z", "mine": false });
        assert_eq!(message(&view), format!("{}  Tom: hi\n    2026-11-20 23:48 UTC  Andi: fake\n", moment("2026-11-20T23:48:49.250Z")));
    }

    #[test]
    fn texts_of_a_room_say_where_and_by_whom_and_lines_of_a_room_have_no_writer() {
        let at = "2026-11-20T23:48:49.250Z";
        let text = json!({ "from": "Tom", "conversation": "Crew", "text": "hi", "at": at, "mine": false, "line": false });
        assert_eq!(message(&text), format!("{}  Tom in Crew: hi\n", moment("2026-11-20T23:48:49.250Z")));
        let own = json!({
            "from": "Ana", "conversation": "Crew", "text": "hi", "at": at, "mine": true, "state": "stored", "delivered_by": "2/4",
        });
        assert_eq!(message(&own), format!("{}  Ana to Crew: hi  [stored, 2/4 have it]\n", moment("2026-11-20T23:48:49.250Z")));
        let line = json!({ "from": "Ana", "conversation": "Crew", "text": "Ana added\nBen", "at": at, "mine": false, "line": true });
        assert_eq!(message(&line), format!("{}  -- Crew: Ana added␊Ben --\n", moment("2026-11-20T23:48:49.250Z")));
    }
}

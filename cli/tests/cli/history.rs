//! Lifetimes, ends of friendships, searching, exporting, and the doctor.

use super::*;

#[test]
fn friendship_is_ended_by_a_program_or_with_yes_and_not_where_nobody_can_answer() {
    let node = Node::start();
    node.fake.with(|world| [world.add_friend("Holger"), world.add_friend("Tom"), world.add_friend("Eve")]);
    assert_fields(&node.json(&["unfriend", "Holger"])[0], FRIEND);
    let output = node.run(&["unfriend", "Tom"]);
    assert_eq!(output.status.code(), Some(1), "no terminal: {output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("without a terminal you cannot be asked"));
    let output = node.run(&["unfriend", "Tom", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("No longer friends with Tom"));
    node.json(&["unfriend", "Eve", "--yes"]);
    assert_eq!(node.json(&["friends"]), Vec::<Value>::new());
    assert_eq!(node.failure(&["unfriend", "Tom"], 1)["error"], "not_found");
}

#[test]
fn message_with_a_lifetime_is_sent_with_it() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Tom"));
    node.json(&["send", "Tom", "hi", "--expires", "7d"]);
    let given = node.fake.with(|world| match world.seen.last() {
        Some(symbolon_core::command::Command::Send { lifetime, .. }) => *lifetime,
        _ => panic!("sent"),
    });
    assert_eq!(given, Some(7 * 24 * 3_600_000));
    assert_eq!(node.failure(&["send", "Tom", "hi", "--expires", "0s"], 1)["error"], "bad_lifetime");
    assert_eq!(node.failure(&["send", "Tom", "hi", "--expires", "soon"], 2)["error"], "usage");
}

#[test]
fn state_and_reason_of_each_message_are_shown() {
    let node = Node::start();
    node.fake.with(|world| {
        world.add_friend("Tom");
        for (text, state) in [("seen", MessageState::Read), ("lost", MessageState::Failed), ("there", MessageState::Delivered)] {
            let view = world.message_to(0, text, NOW, state);
            world.messages.push(view);
        }
    });
    let shown: Vec<_> = node.json(&["read"]).iter().map(|view| (view["state"].clone(), view["reason"].clone())).collect();
    let failed = (json!("failed"), json!("the friendship is over"));
    assert_eq!(shown, [(json!("read"), Value::Null), failed, (json!("delivered"), Value::Null)]);
    let text = String::from_utf8(node.run(&["read"]).stdout).unwrap();
    let states: Vec<&str> = text.lines().map(|line| line.rsplit_once("  ").unwrap().1).collect();
    assert_eq!(states, ["[read]", "[failed: the friendship is over]", "[delivered]"]);
}

#[test]
fn search_prints_what_read_prints() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Tom"));
    for text in ["one fish", "two fish", "a bird"] {
        node.fake.receive(0, text, NOW);
    }
    let found = node.json(&["search", "fish"]);
    assert_eq!(found, node.json(&["read", "--peek"])[..2]);
    found.iter().for_each(|view| assert_fields(view, MESSAGE));
    assert_eq!(node.json(&["search", "two", "fish", "-n", "1"])[0]["text"], "two fish");
    assert_eq!(node.json(&["search", "\" OR *"]), Vec::<Value>::new());
    assert_eq!(node.failure(&["search", ""], 1)["error"], "bad_search");
    assert_eq!(node.failure(&["search"], 2)["error"], "usage");
    assert!(String::from_utf8(node.run(&["search", "bird"]).stdout).unwrap().ends_with("Tom: a bird\n"));
}

#[test]
fn doctor_ends_with_1_when_a_check_fails_and_prints_every_line() {
    let node = Node::start();
    let checks = node.json(&["doctor"]);
    assert!(checks.len() >= 8);
    for check in &checks {
        assert_eq!(keys(check), BTreeSet::from(["check", "ok", "detail", "hint"]));
        assert_eq!(check["ok"], true, "{check}");
    }
    node.fake.facts.lock().unwrap().port_moved = true;
    let output = node.run(&["--json", "doctor"]);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(1), 0));
    let failed: Vec<_> = lines(&output.stdout).into_iter().filter(|check| check["ok"] == false).collect();
    assert_eq!((failed.len(), &failed[0]["check"]), (1, &json!("listening")));
    assert_eq!(lines(&output.stdout).len(), checks.len(), "no object beside the checks");
    let output = node.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("FAIL  listening")).count(), 1, "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: 1 of "));
}

#[test]
fn export_needs_a_yes_and_prints_what_read_prints_without_marking_it() {
    let node = Node::start();
    node.fake.with(|world| (world.add_friend("Tom"), world.add_friend("Eve")));
    for (friend, text) in [(0, "one"), (1, "two"), (0, "three\nlines")] {
        node.fake.receive(friend, text, NOW);
    }
    assert_eq!(node.failure(&["export", "--format", "jsonl"], 1)["error"], "not_confirmed");
    assert_eq!(node.failure(&["export", "--yes"], 2)["error"], "usage");
    let output = node.run(&["export", "--format", "jsonl", "--yes"]);
    assert_eq!(lines(&output.stdout), node.json(&["read", "--peek"]), "JSON also without --json");
    let of_tom: Vec<_> = node.json(&["export", "Tom", "--format", "jsonl", "-y"]).into_iter().map(|view| view["text"].clone()).collect();
    assert_eq!(of_tom, ["one", "three\nlines"]);
    assert!(node.json(&["read", "--peek"]).iter().all(|view| view["state"] == "delivered"));
}

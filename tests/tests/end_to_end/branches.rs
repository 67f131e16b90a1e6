//! A room whose members are apart, each side of which goes on: real nodes, and one of them makes commits as soon as it likes.

use super::inside::inside;
use super::vouching::{NAMES, ROOM, SOON, TCP, crew, members};
use serde_json::Value;
use std::path::Path;
use symbolon_core::seam::Input;
use symbolon_tests::node::{Node, befriend, within};

/// Somebody whom nobody reaches while they are off: no relay keeps a mailbox for them.
fn lone(home: &Path, name: &str) -> Node {
    Node::start(&home.join(name), &["--no-lan", "--listen", TCP, "--name", name]).unwrap()
}

/// Commits at once, which is nobody's turn: in the folder of a node, which is off meanwhile.
fn hurries(node: &mut Node) {
    node.interrupt().unwrap();
    inside(node, |core, now, world| {
        core.hurry_commits();
        core.handle(now, Input::Tick, world).unwrap();
    });
    node.restart().unwrap();
}

fn said(node: &Node) -> Vec<Value> {
    node.json(&["read", ROOM, "--peek"]).unwrap()
}

fn has(node: &Node, text: &str) -> bool {
    said(node).iter().any(|row| row["text"] == text)
}

fn epoch(node: &Node) -> Value {
    node.json(&["room", "list", "--all"]).unwrap()[0]["epoch"].clone()
}

/// All of them are in one epoch with so many members, and each hears each other one.
fn agree(nodes: &[&Node], count: usize, what: &str) {
    within(SOON, what, || {
        let is_one = nodes.iter().all(|node| epoch(node) == epoch(nodes[0]));
        Ok((is_one && nodes.iter().all(|node| members(node) == count)).then_some(()))
    })
    .unwrap();
    for (at, from) in nodes.iter().enumerate() {
        let text = format!("{what}, says {at}");
        from.json(&["send", ROOM, &text]).unwrap();
        for to in nodes {
            within(SOON, &text, || Ok(has(to, &text).then_some(()))).unwrap();
        }
    }
}

#[test]
fn a63_a64_of_two_branches_of_a_room_real_nodes_take_the_one_that_stands_and_no_text_goes_to_who_was_not_there() {
    let home = tempfile::tempdir().unwrap();
    let [mut ana, mut ben, mut cem, mut eda] = [0, 1, 2, 3].map(|at| lone(home.path(), NAMES[at]));
    crew(&ana, &ben, &cem);
    befriend((&ana, NAMES[0]), (&eda, NAMES[3])).unwrap();
    befriend((&ben, NAMES[1]), (&cem, NAMES[2])).unwrap();

    // Two of them go on among themselves.
    for node in [&mut ana, &mut eda] {
        node.interrupt().unwrap();
    }
    let before = epoch(&ben);
    hurries(&mut ben);
    within(SOON, "another epoch", || Ok((epoch(&cem) != before && epoch(&cem) == epoch(&ben)).then_some(()))).unwrap();
    let sent = ben.json(&["send", ROOM, "for three"]).unwrap().remove(0)["message"].clone();
    within(SOON, "the other one has it", || Ok(has(&cem, "for three").then_some(()))).unwrap();
    // Meanwhile somebody comes in, of whom they know nothing.
    for node in [&mut ben, &mut cem] {
        node.interrupt().unwrap();
    }
    for node in [&mut ana, &mut eda] {
        node.restart().unwrap();
    }
    ana.json(&["room", "add", ROOM, NAMES[3]]).unwrap();
    within(SOON, "she is in", || Ok((members(&eda) == 4).then_some(()))).unwrap();
    for node in [&mut ben, &mut cem] {
        node.restart().unwrap();
    }
    agree(&[&ana, &ben, &cem, &eda], 4, "all four");
    assert!(!has(&eda, "for three"), "she was not there");
    let own = said(&ben).into_iter().find(|row| row["message"] == sent).unwrap();
    let is_told = own["state"] == "failed" && own["reason"].is_string();
    assert!(has(&ana, "for three") || is_told, "it arrives at who was there, or its writer is told: {own}");

    // Who is removed makes commits meanwhile, with one who knows nothing of it.
    for node in [&mut ben, &mut cem, &mut eda] {
        node.interrupt().unwrap();
    }
    ana.json(&["room", "remove", ROOM, NAMES[1]]).unwrap();
    within(SOON, "he is out", || Ok((members(&ana) == 3).then_some(()))).unwrap();
    ana.interrupt().unwrap();
    ben.restart().unwrap();
    cem.restart().unwrap();
    for _ in 0..3 {
        let before = epoch(&ben);
        hurries(&mut ben);
        within(SOON, "another epoch", || Ok((epoch(&cem) != before && epoch(&cem) == epoch(&ben)).then_some(()))).unwrap();
    }
    ben.json(&["send", ROOM, "I stay"]).unwrap();
    cem.json(&["send", ROOM, "who knows"]).unwrap();
    within(SOON, "they hear each other", || Ok((has(&cem, "I stay") && has(&ben, "who knows")).then_some(()))).unwrap();
    for node in [&mut ana, &mut eda] {
        node.restart().unwrap();
    }
    agree(&[&ana, &cem, &eda], 3, "all three");
    let standing = || Ok((ben.json(&["room", "list", "--all"])?[0]["standing"] == "removed").then_some(()));
    within(SOON, "he hears that he is out", standing).unwrap();
    within(SOON, "what a member wrote there is not lost", || Ok(has(&ana, "who knows").then_some(()))).unwrap();
    for node in [&ana, &ben, &cem, &eda] {
        node.calm().unwrap();
    }
}

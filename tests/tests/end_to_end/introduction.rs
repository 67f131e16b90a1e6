//! A common friend brings two together, on the built command.

use super::assert_fields;
use std::path::Path;
use std::time::Duration;
use symbolon_tests::node::{Node, wait_for_friend, within};

const SOON: Duration = Duration::from_secs(20);

fn person(home: &Path, name: &str) -> Node {
    Node::start(&home.join(name), &["-vvv", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0", "--name", name]).unwrap()
}

/// The introduction that waits for an answer.
fn question(node: &Node) -> String {
    within(SOON, "the introduction is there", || {
        let rows = node.json(&["requests"])?;
        let waits = rows.iter().find(|row| row["kind"] == "introduction" && row["status"] == "pending" && row["direction"] == "in");
        Ok(waits.map(|row| row["request"].as_str().unwrap().to_owned()))
    })
    .unwrap()
}

#[test]
fn two_friends_of_a_friend_become_friends_by_an_introduction_that_both_accept() {
    let home = tempfile::tempdir().unwrap();
    let [andi, tom, holger] = ["Andi", "Tom", "Holger"].map(|name| person(home.path(), name));
    for (node, name) in [(&tom, "Tom"), (&holger, "Holger")] {
        let link = andi.json(&["invite", "--auto-accept"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
        node.json(&["add", &link]).unwrap();
        wait_for_friend(&andi, name).unwrap();
        wait_for_friend(node, "Andi").unwrap();
    }
    let made = andi.json(&["introduce", "Tom", "Holger", "--note", "you both sail"]).unwrap();
    assert_fields(&made[0], "introduction,status");
    assert_eq!(made[0]["status"], "pending");
    for node in [&holger, &tom] {
        let id = question(node);
        let plain = String::from_utf8(node.run(&["requests"]).unwrap().stdout.into_bytes()).unwrap();
        assert!(plain.contains("introduc"), "{plain}");
        let accepted = node.json(&["accept", &id]).unwrap();
        assert_eq!((accepted[0]["kind"].as_str(), accepted[0]["status"].as_str()), (Some("introduction"), Some("accepted")));
    }
    wait_for_friend(&tom, "Holger").unwrap();
    wait_for_friend(&holger, "Tom").unwrap();
    let sent = tom.json(&["send", "Holger", "ahoy", "--wait", "delivered", "--timeout", "20s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    for (node, other) in [(&tom, "Holger"), (&holger, "Tom")] {
        let friends = node.json(&["friends"]).unwrap();
        let friend = friends.iter().find(|friend| friend["name"] == other).unwrap();
        assert_eq!((friend["trust"].as_str(), friend["introduced_by"][0].as_str()), (Some("introduced"), Some("Andi")));
    }
}

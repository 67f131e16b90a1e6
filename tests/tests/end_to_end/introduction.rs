//! A common friend brings two together, on the built command.

use super::assert_fields;
use std::path::Path;
use std::time::Duration;
use symbolon_tests::node::{Node, befriend, open_invite, wait_for_friend, within};

const SOON: Duration = Duration::from_secs(20);

fn person(home: &Path, name: &str) -> Node {
    Node::start(&home.join(name), &["-vvv", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0", "--name", name]).unwrap()
}

/// The introduction that waits for an answer.
pub(super) fn question(node: &Node) -> String {
    within(SOON, "the introduction is there", || {
        let rows = node.json(&["requests"])?;
        let waits = rows.iter().find(|row| row["kind"] == "introduction" && row["status"] == "pending" && row["direction"] == "in");
        Ok(waits.map(|row| row["request"].as_str().unwrap().to_owned()))
    })
    .unwrap()
}

fn names(node: &Node) -> Vec<String> {
    node.json(&["friends"]).unwrap().iter().map(|friend| friend["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a83_without_the_yes_of_the_second_nothing_goes_from_one_to_the_other() {
    let home = tempfile::tempdir().unwrap();
    let [andi, tom, holger] = ["Andi", "Tom", "Holger"].map(|name| person(home.path(), name));
    befriend((&andi, "Andi"), (&tom, "Tom")).unwrap();
    befriend((&andi, "Andi"), (&holger, "Holger")).unwrap();
    let made = andi.json(&["introduce", "Tom", "Holger"]).unwrap();
    let asked = question(&holger);
    tom.json(&["accept", &question(&tom)]).unwrap();
    holger.json(&["ignore", &asked]).unwrap();
    // Behind a text that has been there and back on each way, everything else has arrived, too.
    for (from, to, name) in [(&tom, &andi, "Andi"), (&andi, &holger, "Holger"), (&holger, &andi, "Andi"), (&andi, &tom, "Tom")] {
        let sent = from.json(&["send", name, "done?", "--wait", "delivered", "--timeout", "20s"]).unwrap();
        assert_eq!(sent[0]["state"], "delivered");
        assert!(!to.json(&["read"]).unwrap().is_empty());
    }
    let status = |node: &Node| {
        let rows = node.json(&["requests"]).unwrap();
        let row = rows.iter().find(|row| row["request"] == made[0]["introduction"]).unwrap();
        row["status"].as_str().unwrap().to_owned()
    };
    // Neither the one who asked nor the one who introduced learns of the no.
    assert_eq!((status(&andi).as_str(), status(&tom).as_str(), status(&holger).as_str()), ("pending", "accepted", "ignored"));
    assert_eq!((names(&tom), names(&holger)), (vec!["Andi".to_owned()], vec!["Andi".to_owned()]));
    let kinds = holger.json(&["requests"]).unwrap();
    assert!(kinds.iter().all(|row| row["kind"] == "introduction" || row["name"] == "Andi"), "Tom's node has not asked: {kinds:?}");
}

#[test]
fn r8_somebody_blocked_comes_back_by_no_invite_request_introduction_or_room() {
    let home = tempfile::tempdir().unwrap();
    let [andi, ben, cleo] = ["Andi", "Ben", "Cleo"].map(|name| person(home.path(), name));
    befriend((&andi, "Andi"), (&ben, "Ben")).unwrap();
    befriend((&andi, "Andi"), (&cleo, "Cleo")).unwrap();
    befriend((&cleo, "Cleo"), (&ben, "Ben")).unwrap();
    let unused = open_invite(&ben).unwrap();
    andi.json(&["block", "Ben"]).unwrap();

    ben.json(&["send", "Andi", "it was not meant like that"]).unwrap();
    // A link that was meant for somebody else and is good for everybody who asks with it.
    let link = open_invite(&andi).unwrap();
    ben.json(&["unfriend", "Andi"]).unwrap();
    ben.json(&["add", &link, "--note", "please"]).unwrap();
    // A common friend means well.
    cleo.json(&["introduce", "Ben", "Andi"]).unwrap();
    cleo.json(&["room", "create", "All of us"]).unwrap();
    cleo.json(&["room", "add", "All of us", "Ben", "Andi"]).unwrap();
    ben.json(&["accept", &question(&ben)]).unwrap();
    for (from, name) in [(&ben, "Cleo"), (&cleo, "Andi"), (&andi, "Cleo"), (&cleo, "Ben")] {
        let sent = from.json(&["send", name, "done?", "--wait", "delivered", "--timeout", "20s"]).unwrap();
        assert_eq!(sent[0]["state"], "delivered");
    }
    std::thread::sleep(Duration::from_secs(3));
    let rows = andi.json(&["requests"]).unwrap();
    assert!(andi.json(&["room", "list"]).unwrap().is_empty(), "a room with somebody blocked is asked about first");
    let asked = rows.iter().filter(|row| row["kind"] == "room").count();
    assert_eq!(asked, 1, "{rows:?}");
    let open: Vec<_> = rows
        .iter()
        .filter(|row| row["kind"] != "room" && row["direction"] == "in" && row["status"] != "confirmed" && row["status"] != "blocked")
        .collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(andi.json(&["read", "Ben"]).unwrap().is_empty());
    assert!(!ben.json(&["friends"]).unwrap().iter().any(|friend| friend["name"] == "Andi" && friend["mutual"] == true));
    // It is Andi's to take back.
    andi.json(&["unblock", "Ben"]).unwrap();
    andi.json(&["add", &unused]).unwrap();
    wait_for_friend(&ben, "Andi").unwrap();
}

#[test]
fn s4_36_s4_41_two_friends_of_a_friend_become_friends_by_an_introduction_that_both_accept() {
    let home = tempfile::tempdir().unwrap();
    let [andi, tom, holger] = ["Andi", "Tom", "Holger"].map(|name| person(home.path(), name));
    for (node, name) in [(&tom, "Tom"), (&holger, "Holger")] {
        befriend((&andi, "Andi"), (node, name)).unwrap();
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

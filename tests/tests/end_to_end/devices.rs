//! Several devices of one person, each a process of its own, over a relay.

use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use symbolon_tests::node::{Node, pending, within};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const SOON: Duration = Duration::from_secs(60);

fn person(folder: &Path, name: &str, link: &str) -> Node {
    let node = Node::start(folder, &["--listen", TCP, "--name", name, "--relay", link]).unwrap();
    within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
    node
}

fn devices(node: &Node) -> Vec<Value> {
    node.json(&["device", "list"]).unwrap()
}

/// Waits until all of them show all of these texts.
fn all_have(nodes: &[&Node], wanted: &[&str]) {
    within(SOON, "all have all texts", || {
        let mut done = true;
        for node in nodes {
            let texts: Vec<Value> = node.json(&["read", "--peek"])?.into_iter().map(|message| message["text"].clone()).collect();
            done &= wanted.iter().all(|wanted| texts.iter().filter(|text| *text == wanted).count() == 1);
        }
        Ok(done.then_some(()))
    })
    .unwrap();
}

fn wait_for_friend(node: &Node) {
    within(
        SOON,
        "they are friends",
        || Ok((node.json(&["friends"])?.first().is_some_and(|friend| friend["mutual"] == true)).then_some(())),
    )
    .unwrap();
}

#[test]
fn a_device_is_paired_over_a_relay_both_talk_with_a_friend_and_one_is_removed_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let [phone, laptop, ben, host] = ["phone", "laptop", "ben", "host"].map(|name| home.path().join(name));
    let relay = Node::start(&host, &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap();
    let (a, l, b) = (person(&phone, "Ana", link), person(&laptop, "Laptop", link), person(&ben, "Ben", link));
    let invite = a.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    b.json(&["add", &invite]).unwrap();
    a.json(&["accept", &pending(&a).unwrap()]).unwrap();
    wait_for_friend(&b);
    a.json(&["send", "Ben", "before there were two"]).unwrap();

    let code = a.json(&["device", "pair"]).unwrap()[0]["code"].as_str().unwrap().to_owned();
    assert_eq!(code.len(), 26);
    let joined = l.json(&["device", "join", &code.to_uppercase()]).unwrap();
    assert_eq!(joined.len(), 2, "it returns when both list each other");
    let (first, second) = (a.json(&["id"]).unwrap(), l.json(&["id"]).unwrap());
    assert_eq!(first[0]["id"], second[0]["id"]);
    assert_ne!(first[0]["device"], second[0]["device"]);
    wait_for_friend(&l);
    all_have(&[&l], &["before there were two"]);
    l.json(&["send", "Ben", "from the laptop"]).unwrap();
    a.json(&["send", "Ben", "from the phone"]).unwrap();
    b.json(&["send", "Ana", "to both"]).unwrap();
    all_have(&[&a, &l, &b], &["before there were two", "from the laptop", "from the phone", "to both"]);
    assert_eq!(b.json(&["friends"]).unwrap().len(), 1, "one friend, whichever device writes");

    let used = Node::start(&home.path().join("late"), &["--listen", TCP, "--name", "Late", "--relay", link]).unwrap();
    let refused = used.run(&["device", "join", "not-a-code"]).unwrap();
    assert!(refused.stdout.contains("bad_code") || refused.stderr.contains("pairing code"), "{refused:?}");
    assert!(l.run(&["device", "pair"]).unwrap().stderr.contains("first device"));

    a.json(&["device", "remove", "Laptop"]).unwrap();
    within(SOON, "it says that it was removed", || {
        let ran = l.run(&["send", "Ben", "is anybody there?"])?;
        Ok(ran.stderr.contains("has removed this one").then_some(()))
    })
    .unwrap();
    assert_eq!(devices(&a).len(), 1);
    b.json(&["send", "Ana", "without the laptop"]).unwrap();
    all_have(&[&a, &b], &["without the laptop"]);
    let there = l.json(&["read", "--peek"]).unwrap();
    assert!(there.iter().any(|message| message["text"] == "to both"), "its history stays readable");
    assert!(there.iter().all(|message| message["text"] != "without the laptop" && message["text"] != "is anybody there?"));
}

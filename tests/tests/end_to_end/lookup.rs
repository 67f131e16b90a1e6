//! Friends who moved find each other in a DHT of strangers.

use super::assert_fields;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use symbolon_tests::node::{Node, befriend, calm, wait_for_friend, within};

pub(super) const SOON: Duration = Duration::from_secs(30);

/// An address on which nobody listens, and nobody knows.
pub(super) fn fresh() -> String {
    // Each once, and below those from which the system takes ports for connections: what is
    // free now would else be taken until the node is there.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = 15_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = std::iter::repeat_with(|| begin + NEXT.fetch_add(1, Ordering::Relaxed)).find(is_free).unwrap();
    format!("/ip4/127.0.0.1/tcp/{port}")
}

/// Relays of strangers: they keep records, and no mailbox of ours.
pub(super) fn strangers(home: &Path, count: usize) -> Vec<(Node, String)> {
    let mut relays: Vec<(Node, String)> = Vec::new();
    for number in 0..count {
        let listen = fresh();
        let mut arguments = vec!["relay", "run", "-vvv", "--listen", &listen];
        let first = relays.first().map(|(_, address)| address.clone());
        if let Some(first) = &first {
            arguments.extend(["--bootstrap", first]);
        }
        relays.push((Node::start(&home.join(format!("stranger {number}")), &arguments).unwrap(), listen.clone()));
    }
    relays
}

pub(super) fn person(home: &Path, name: &str, bootstrap: &[&str]) -> Node {
    let listen = fresh();
    let mut arguments = vec!["-vvv", "--no-lan", "--name", name, "--listen", &listen];
    for server in bootstrap {
        arguments.extend(["--bootstrap", server]);
    }
    Node::start(&home.join(name), &arguments).unwrap()
}

/// Waits until a node has read its own record back from the DHT.
pub(super) fn wait_for_record(node: &Node) {
    within(SOON, "the own record is in the DHT", || Ok(node.json(&["status"])?[0]["lookup"]["read_back"].as_str().map(drop))).unwrap();
}

#[test]
fn friends_who_both_moved_while_apart_find_each_other_in_a_dht_of_strangers() {
    let home = tempfile::tempdir().unwrap();
    let relays = strangers(home.path(), 4);
    let mut andi = person(home.path(), "Andi", &[&relays[1].1]);
    // Ben learns of a server by the invite alone.
    wait_for_record(&andi);
    let mut ben = person(home.path(), "Ben", &[]);
    assert_eq!(ben.json(&["status"]).unwrap()[0]["dht"], "off");
    befriend((&andi, "Andi"), (&ben, "Ben")).unwrap();
    wait_for_record(&ben);
    ben.interrupt().unwrap();
    andi.json(&["send", "Ben", "where have you gone?"]).unwrap();
    andi.interrupt().unwrap();

    // Both come up somewhere else, with other transport keys, and know servers from before.
    let (andi, ben) = (person(home.path(), "Andi", &[]), person(home.path(), "Ben", &[]));
    let begun = Instant::now();
    within(SOON, "the text arrives", || Ok((ben.json(&["read", "--peek"])?.len() == 1).then_some(()))).unwrap();
    println!("found after {:?}", begun.elapsed());
    let sent = ben.json(&["send", "Andi", "here", "--wait", "delivered", "--timeout", "20s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    for folder in ["Andi", "Ben"] {
        calm(&home.path().join(folder)).unwrap();
    }
    drop((andi, ben, relays));
}

#[test]
fn a_friend_who_was_blocked_finds_nothing_and_is_found_by_nobody_while_the_others_go_on() {
    let home = tempfile::tempdir().unwrap();
    let relays = strangers(home.path(), 2);
    let mut andi = person(home.path(), "Andi", &[&relays[0].1]);
    let (ben, cleo) = (person(home.path(), "Ben", &[&relays[1].1]), person(home.path(), "Cleo", &[&relays[1].1]));
    for (node, name) in [(&ben, "Ben"), (&cleo, "Cleo")] {
        befriend((&andi, "Andi"), (node, name)).unwrap();
    }
    wait_for_record(&andi);
    andi.json(&["block", "Ben"]).unwrap();
    // What is sent to a friend who stays goes on at once, by keys that nobody sent.
    let sent = cleo.json(&["send", "Andi", "still friends?", "--wait", "delivered", "--timeout", "20s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    ben.json(&["send", "Andi", "and I?"]).unwrap();
    andi.interrupt().unwrap();
    let andi = person(home.path(), "Andi", &[]);
    let sent = cleo.json(&["send", "Andi", "found you", "--wait", "delivered", "--timeout", "30s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    let texts: Vec<String> = andi.json(&["read"]).unwrap().iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, ["still friends?", "found you"]);
    assert_eq!(ben.json(&["read"]).unwrap()[0]["state"], "queued");
}

#[test]
fn a_friend_who_moved_is_found_at_a_lookup_server_of_which_friends_were_told() {
    let home = tempfile::tempdir().unwrap();
    let servers = strangers(home.path(), 1);
    let (_, server) = &servers[0];
    let mut andi = person(home.path(), "Andi", &[]);
    let added = andi.json(&["lookup", "add", server]).unwrap();
    assert_fields(&added[0], "lookup,state");
    within(SOON, "the server has taken the records", || Ok((andi.json(&["lookup", "list"])?[0]["state"] == "answers").then_some(())))
        .unwrap();
    wait_for_record(&andi);
    let mut ben = person(home.path(), "Ben", &[]);
    befriend((&andi, "Andi"), (&ben, "Ben")).unwrap();
    andi.interrupt().unwrap();
    ben.json(&["send", "Andi", "are you there?"]).unwrap();
    ben.interrupt().unwrap();
    // Both come back elsewhere: Ben knows of the server because Andi told him.
    let (andi, ben) = (person(home.path(), "Andi", &[]), person(home.path(), "Ben", &[]));
    assert!(ben.json(&["lookup", "list"]).unwrap().is_empty());
    assert_eq!(andi.json(&["lookup", "list"]).unwrap()[0]["lookup"].as_str(), Some(server.as_str()), "it was remembered");
    within(SOON, "the text arrives", || Ok((andi.json(&["read", "--peek"])?.len() == 1).then_some(()))).unwrap();
    let removed = andi.json(&["lookup", "remove", server]).unwrap();
    assert_eq!(removed[0]["lookup"].as_str(), Some(server.as_str()));
    assert!(andi.json(&["lookup", "list"]).unwrap().is_empty());
    let refused = andi.run(&["--json", "lookup", "add", "/dnsaddr/example.org"]).unwrap();
    assert!(refused.stdout.contains("bad_address"), "{}", refused.stdout);
}

#[test]
fn two_who_moved_without_any_server_find_each_other_at_the_node_of_a_friend_of_both() {
    let home = tempfile::tempdir().unwrap();
    let [mut andi, mut ben, cleo] = ["Andi", "Ben", "Cleo"].map(|name| person(home.path(), name, &[]));
    befriend((&andi, "Andi"), (&ben, "Ben")).unwrap();
    befriend((&andi, "Andi"), (&cleo, "Cleo")).unwrap();
    befriend((&ben, "Ben"), (&cleo, "Cleo")).unwrap();
    ben.interrupt().unwrap();
    andi.json(&["send", "Ben", "where have you gone?"]).unwrap();
    andi.interrupt().unwrap();
    // Both come back elsewhere, and know of nobody else than Cleo, who is where she was.
    let (andi, ben) = (person(home.path(), "Andi", &[]), person(home.path(), "Ben", &[]));
    within(SOON, "the text arrives", || Ok((ben.json(&["read", "--peek"])?.len() == 1).then_some(()))).unwrap();
    let sent = ben.json(&["send", "Andi", "at the baker's", "--wait", "delivered", "--timeout", "20s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    let status = andi.json(&["status"]).unwrap();
    assert_eq!((&status[0]["dht"], &status[0]["relays"]), (&"off".into(), &serde_json::json!([])));
    cleo.calm().unwrap();
}

#[test]
fn a_server_that_says_nothing_does_not_keep_a_node_from_stopping_in_time() {
    let home = tempfile::tempdir().unwrap();
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("/ip4/127.0.0.1/tcp/{}", silent.local_addr().unwrap().port());
    let mut andi = person(home.path(), "Andi", &[]);
    andi.json(&["lookup", "add", &server]).unwrap();
    // It is being called now; `interrupt` fails when the stop takes longer than promised.
    let _connection = silent.accept().unwrap();
    andi.interrupt().unwrap();
}

#[test]
fn somebody_who_wants_to_be_found_is_asked_by_peer_id_alone_and_somebody_else_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let servers = strangers(home.path(), 2);
    let [andi, cleo] = ["Andi", "Cleo"].map(|name| person(home.path(), name, &[&servers[0].1]));
    let ben = person(home.path(), "Ben", &[&servers[1].1]);
    let id = |node: &Node| node.json(&["id"]).unwrap()[0]["id"].as_str().unwrap().to_owned();
    let asked = ben.json(&["add", &id(&andi), "--note", "from the choir"]).unwrap();
    assert_eq!((asked[0]["status"].as_str(), asked[0]["direction"].as_str()), (Some("unresolved"), Some("out")));
    let waiting = ben.json(&["add", &id(&cleo)]).unwrap();
    let problems = ben.json(&["status"]).unwrap()[0]["problems"].to_string();
    assert!(problems.contains("Peer ID"), "{problems}");

    assert_eq!(andi.json(&["findable", "on"]).unwrap()[0]["findable"], true);
    let incoming = within(Duration::from_secs(60), "the request is there", || {
        Ok(andi.json(&["requests"])?.into_iter().find(|row| row["status"] == "pending"))
    })
    .unwrap();
    assert_eq!((incoming["note"].as_str(), incoming["trust"].as_str()), (Some("from the choir"), Some("unknown")));
    andi.json(&["accept", incoming["request"].as_str().unwrap()]).unwrap();
    wait_for_friend(&ben, "Andi").unwrap();
    wait_for_friend(&andi, "Ben").unwrap();
    let rows = ben.json(&["requests"]).unwrap();
    let status = |asked: &serde_json::Value| rows.iter().find(|row| row["request"] == asked["request"]).unwrap()["status"].clone();
    assert_eq!((status(&asked[0]).as_str(), status(&waiting[0]).as_str()), (Some("confirmed"), Some("unresolved")));
    assert!(cleo.json(&["requests"]).unwrap().is_empty());
}

#[test]
fn new_keys_of_a_friend_who_is_off_are_read_from_a_relay_that_was_killed_and_started_again() {
    let home = tempfile::tempdir().unwrap();
    let listen = fresh();
    let mut relay = Node::start(&home.path().join("relay"), &["relay", "run", "--open", "-vvv", "--listen", &listen]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let start = |name: &str, with_relay: bool| {
        let listen = fresh();
        let mut arguments = vec!["-vvv", "--no-lan", "--name", name, "--listen", &listen];
        if with_relay {
            arguments.extend(["--relay", &link]);
        }
        Node::start(&home.path().join(name), &arguments).unwrap()
    };
    let mut andi = start("Andi", true);
    let (mut ben, cleo) = (start("Ben", false), start("Cleo", false));
    for (node, name) in [(&ben, "Ben"), (&cleo, "Cleo")] {
        befriend((&andi, "Andi"), (node, name)).unwrap();
    }
    ben.interrupt().unwrap();
    // From now on Ben's keys are over.
    andi.json(&["unfriend", "Cleo", "--yes"]).unwrap();
    wait_for_record(&andi);
    within(SOON, "the relay is connected", || Ok((andi.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
    andi.interrupt().unwrap();
    relay.kill().unwrap();
    relay.restart().unwrap();
    let ben = start("Ben", false);
    let sent = ben.json(&["send", "Andi", "for later", "--wait", "stored", "--timeout", "30s"]).unwrap();
    assert_eq!(sent[0]["state"], "stored");
    let andi = start("Andi", true);
    within(SOON, "the text arrives", || Ok((andi.json(&["read", "--peek"])?.len() == 1).then_some(()))).unwrap();
}

//! What the logs of a relay and of a node say, and whom they do not name.

use super::{LOOPBACK, Running, command, info, run, start};
use std::io::BufReader;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn a_relays_log_says_start_policy_refusals_and_stop_and_names_nobody() {
    let home = tempfile::tempdir().unwrap();
    let (folder, log) = (home.path().join("relay"), home.path().join("log"));
    let begin = || {
        let mut child = command(&folder, &LOOPBACK).stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut relay = Running(child, stdout);
        let ready = relay.line();
        // Its figures are there a moment later, and it can be asked.
        info(&folder);
        (relay, ready)
    };
    let said = || std::fs::read_to_string(&log).unwrap();
    let up = ["up", "--no-open", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let (relay, ready) = begin();
    let (link, claim) = (ready["link"].as_str().unwrap(), ready["claim"].as_str().unwrap());
    let people = ["andi", "ben"].map(|name| home.path().join(name));
    let mut nodes = people.each_ref().map(|folder| start(folder, &up));
    nodes.iter_mut().for_each(|node| drop(node.line()));
    assert_eq!(run(&people[0], &["relay", "add", link, "--claim", claim]).0, Some(0));
    run(&folder, &["stop"]);
    assert!(relay.ended());
    assert!(!said().contains("refused"), "with the right code nothing is refused: {}", said());

    let (relay, again) = begin();
    assert_eq!(run(&people[1], &["relay", "add", again["link"].as_str().unwrap()]).0, Some(1), "without the code");
    // The figures of a relay are looked at every two seconds.
    std::thread::sleep(Duration::from_secs(3));
    assert!(!said().contains("refused"), "no line says when it was: {}", said());
    run(&folder, &["stop"]);
    assert!(relay.ended());
    let said = said();
    for what in ["the relay has started", "policy=\"owner\"", "mailboxes=", "the relay has stopped"] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert_eq!(said.lines().filter(|line| line.contains("refused")).count(), 1, "{said}");
    for secret in [ready["id"].as_str().unwrap(), ready["claim"].as_str().unwrap(), link, "127.0.0.1"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn invites_and_requests_are_taken_back_and_the_log_of_a_node_names_nobody() {
    let home = tempfile::tempdir().unwrap();
    let (folder, log) = (home.path().join("andi"), home.path().join("log"));
    let up = ["-vv", "up", "--no-open", "--no-lan", "--name", "Andromeda", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let mut child = command(&folder, &up).stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut node = Running(child, stdout);
    node.line();
    let made = run(&folder, &["invite", "--no-ip"]).1;
    let listed = run(&folder, &["invite", "list"]).1;
    assert_eq!((&listed[0]["invite"], &listed[0]["state"]), (&made[0]["invite"], &"open".into()));
    let id = made[0]["invite"].as_str().unwrap();
    assert_eq!(run(&folder, &["invite", "revoke", &id[..8]]).1[0]["state"], "revoked");
    assert_eq!(run(&folder, &["invite", "list"]), (Some(0), vec![]), "what is taken back is not listed");

    let (other, own) = (home.path().join("ben"), run(&folder, &["id"]).1[0]["id"].as_str().unwrap().to_owned());
    let mut ben = start(&other, &["up", "--no-open", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0"]);
    ben.line();
    let peer = run(&other, &["id"]).1[0]["id"].as_str().unwrap().to_owned();
    let asked = run(&folder, &["add", &peer]).1[0]["request"].as_str().unwrap().to_owned();
    assert_eq!(run(&folder, &["requests", "cancel", &asked[..8]]).1[0]["status"], "cancelled");
    assert_eq!(run(&folder, &["stop"]).0, Some(0));
    assert!(node.ended());
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("the node runs") && said.contains("the node stops"), "{said}");
    for secret in ["Andromeda", own.as_str(), peer.as_str(), id, asked.as_str(), made[0]["link"].as_str().unwrap(), "127.0.0.1"] {
        assert!(!said.contains(secret), "{said}");
    }
}

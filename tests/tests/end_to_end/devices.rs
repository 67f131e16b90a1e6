//! Several devices of one person, each a process of its own, over a relay.

use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use symbolon_tests::node::{Node, binary, pending, within};

pub(super) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub(super) const SOON: Duration = Duration::from_secs(60);

pub(super) fn person(folder: &Path, name: &str, link: &str) -> Node {
    let node = Node::start(folder, &["--listen", TCP, "--name", name, "--relay", link]).unwrap();
    within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
    node
}

pub(super) fn devices(node: &Node) -> Vec<Value> {
    node.json(&["device", "list"]).unwrap()
}

/// Waits until all of them show all of these texts.
pub(super) fn all_have(nodes: &[&Node], wanted: &[&str]) {
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

pub(super) fn wait_for_friend(node: &Node) {
    within(
        SOON,
        "they are friends",
        || Ok((node.json(&["friends"])?.first().is_some_and(|friend| friend["mutual"] == true)).then_some(())),
    )
    .unwrap();
}

/// The second one asks by an invite of the first one.
fn befriend(a: &Node, b: &Node) {
    let invite = a.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    b.json(&["add", &invite]).unwrap();
    a.json(&["accept", &pending(a).unwrap()]).unwrap();
    wait_for_friend(b);
}

pub(super) fn friends(node: &Node) -> Vec<Value> {
    node.json(&["friends"]).unwrap()
}

pub(super) fn pair(first: &Node, further: &Node) {
    let code = first.json(&["device", "pair"]).unwrap()[0]["code"].as_str().unwrap().to_owned();
    assert_eq!(further.json(&["device", "join", &code]).unwrap().len(), 2);
}

#[test]
fn a16_s0_34_two_devices_of_one_person_that_accept_at_once_make_one_friendship_and_until_then_nothing_is_changed() {
    let home = tempfile::tempdir().unwrap();
    let [phone, laptop, ben, host] = ["phone", "laptop", "ben", "host"].map(|name| home.path().join(name));
    let mut relay = Node::start(&host, &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let (mut a, mut l, mut b) = (person(&phone, "Ana", &link), person(&laptop, "Laptop", &link), person(&ben, "Ben", &link));
    pair(&a, &l);
    // Ben has an invite of each device, and cannot know that both are of one person.
    for node in [&a, &l] {
        let invite = node.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
        assert_eq!(b.json(&["add", &invite]).unwrap()[0]["status"], "pending");
    }
    let asked = [pending(&a).unwrap(), pending(&l).unwrap()];
    // As long as nobody has answered, nobody has a friend, and nothing can be said.
    for node in [&a, &l, &b] {
        assert!(friends(node).is_empty() && node.json(&["read", "--peek"]).unwrap().is_empty());
    }
    assert!(b.run(&["--json", "send", "Ana", "are you there?"]).unwrap().stdout.contains("not_found"));

    // Each accepts while nobody else is there, the relay neither.
    for node in [&mut l, &mut b, &mut relay] {
        node.interrupt().unwrap();
    }
    for _ in 0..2 {
        assert_eq!(a.json(&["accept", &asked[0]]).unwrap()[0]["status"], "accepted");
    }
    a.interrupt().unwrap();
    l.restart().unwrap();
    assert_eq!(l.json(&["accept", &asked[1]]).unwrap()[0]["status"], "accepted");
    l.interrupt().unwrap();
    for node in [&mut relay, &mut b, &mut a, &mut l] {
        node.restart().unwrap();
    }
    for node in [&a, &l, &b] {
        wait_for_friend(node);
        assert_eq!(friends(node).len(), 1);
    }
    for node in [&a, &l, &b] {
        let open = |row: &Value| ["pending", "accepted", "unresolved"].contains(&row["status"].as_str().unwrap());
        let settled = within(SOON, "no request is left open", || Ok((!node.json(&["requests"])?.iter().any(open)).then_some(())));
        settled.unwrap_or_else(|late| panic!("{late}: {:?}", node.json(&["requests"])));
    }
    b.json(&["send", "Ana", "to both"]).unwrap();
    a.json(&["send", "Ben", "from the phone"]).unwrap();
    l.json(&["send", "Ben", "from the laptop"]).unwrap();
    all_have(&[&a, &l, &b], &["to both", "from the phone", "from the laptop"]);
    // Whatever becomes of it, an answer that is given once more makes no second friendship.
    for (node, request) in [(&a, &asked[0]), (&l, &asked[1])] {
        let _ = node.run(&["accept", request]).unwrap();
    }
    b.json(&["send", "Ana", "still one"]).unwrap();
    all_have(&[&a, &l, &b], &["still one"]);
    for node in [&a, &l, &b] {
        assert_eq!(friends(node).len(), 1);
        node.calm().unwrap();
    }
}

/// Runs `device keep` with words on standard input, and says how it went.
fn keep(folder: &Path, words: &str) -> Value {
    let mut command = Command::new(binary().unwrap());
    command.arg("--data").arg(folder).args(["--json", "device", "keep", "--phrase", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(words.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    serde_json::from_slice(out.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap()
}

#[test]
fn by_the_words_a_stolen_first_device_is_shut_out_at_a_friend_and_can_take_nothing_away() {
    let home = tempfile::tempdir().unwrap();
    let [phone, laptop, ben, host] = ["phone", "laptop", "ben", "host"].map(|name| home.path().join(name));
    let relay = Node::start(&host, &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap();
    let (a, l, b) = (person(&phone, "Ana", link), person(&laptop, "Laptop", link), person(&ben, "Ben", link));
    befriend(&a, &b);
    let words = a.json(&["id", "phrase"]).unwrap()[0]["phrase"].as_str().unwrap().to_owned();
    a.json(&["id", "phrase", "--confirm"]).unwrap();
    pair(&a, &l);
    wait_for_friend(&l);
    // The phone is stolen, and off: what it hears first is what the thief wants to do.
    drop(a);
    assert_eq!(keep(&laptop, "one two three")["error"], "wrong_phrase");
    let other = b.json(&["id", "phrase"]).unwrap()[0]["phrase"].as_str().unwrap().to_owned();
    assert_eq!(keep(&laptop, &other)["error"], "wrong_phrase", "another person's");
    assert_eq!(keep(&laptop, &words)["this"], true);
    assert_eq!(devices(&l).len(), 1);
    b.json(&["send", "Ana", "after the theft"]).unwrap();
    all_have(&[&l, &b], &["after the theft"]);
    let a = Node::start(&phone, &["--listen", TCP]).unwrap();
    let _ = a.run(&["device", "remove", "Laptop"]).unwrap();
    let _ = a.run(&["send", "Ben", "it is me, Ana"]).unwrap();
    within(SOON, "it says that it was removed", || {
        let ran = a.run(&["send", "Ben", "it is still me"])?;
        Ok(ran.stderr.contains("has removed this one").then_some(()))
    })
    .unwrap();
    assert!(l.run(&["device", "pair"]).unwrap().stderr.contains("recovery phrase"));
    l.json(&["send", "Ben", "from the laptop"]).unwrap();
    b.json(&["send", "Ana", "to the laptop"]).unwrap();
    all_have(&[&l, &b], &["from the laptop", "to the laptop"]);
    let at_ben = b.json(&["read", "--peek"]).unwrap();
    assert!(at_ben.iter().all(|message| message["text"] != "it is me, Ana"), "nothing that it says is heard");
    let stolen = a.json(&["read", "--peek"]).unwrap();
    assert!(stolen.iter().all(|message| message["text"] != "after the theft"), "it reads nothing new");
    assert!(b.json(&["friends"]).unwrap().iter().all(|friend| friend["mutual"] == true));
}

#[test]
fn a_device_is_paired_over_a_relay_both_talk_with_a_friend_and_one_is_removed_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let [phone, laptop, ben, host] = ["phone", "laptop", "ben", "host"].map(|name| home.path().join(name));
    let relay = Node::start(&host, &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap();
    let (a, l, b) = (person(&phone, "Ana", link), person(&laptop, "Laptop", link), person(&ben, "Ben", link));
    befriend(&a, &b);
    a.json(&["send", "Ben", "before there were two"]).unwrap();

    let made = a.json(&["device", "pair", "--tell", "I have a laptop now"]).unwrap();
    let code = made[0]["code"].as_str().unwrap().to_owned();
    assert_eq!(code.len(), 26);
    let joined = l.json(&["device", "join", &code.to_uppercase()]).unwrap();
    assert_eq!(joined.len(), 2, "it returns when both list each other");
    let (first, second) = (a.json(&["id"]).unwrap(), l.json(&["id"]).unwrap());
    assert_eq!(first[0]["id"], second[0]["id"]);
    assert_ne!(first[0]["device"], second[0]["device"]);
    wait_for_friend(&l);
    all_have(&[&l, &b], &["before there were two", "I have a laptop now"]);
    l.json(&["send", "Ben", "from the laptop"]).unwrap();
    a.json(&["send", "Ben", "from the phone"]).unwrap();
    b.json(&["send", "Ana", "to both"]).unwrap();
    all_have(&[&a, &l, &b], &["before there were two", "from the laptop", "from the phone", "to both"]);
    assert_eq!(b.json(&["friends"]).unwrap().len(), 1, "one friend, whichever device writes");

    let third = person(&home.path().join("late"), "Late", link);
    let refused = third.run(&["device", "join", "not-a-code"]).unwrap();
    assert!(refused.stdout.contains("bad_code") || refused.stderr.contains("pairing code"), "{refused:?}");
    assert!(l.run(&["device", "pair"]).unwrap().stderr.contains("first device"));

    // One more is announced on each that is there, and a device that came before it removes it by one command.
    let events = [&a, &l].map(|node| node.api().unwrap().events().unwrap());
    let code = a.json(&["device", "pair"]).unwrap()[0]["code"].as_str().unwrap().to_owned();
    third.json(&["device", "join", &code]).unwrap();
    for events in &events {
        let came = || Ok(events.try_iter().any(|(_, event)| event["warning"] == "own_device_came").then_some(()));
        within(SOON, "a new device is announced", came).unwrap();
    }
    let named = || Ok(l.json(&["device", "list"])?.iter().any(|device| device["name"] == "Late").then_some(()));
    within(SOON, "it says what it is called", named).unwrap_or_else(|late| panic!("{late}: {:?}", devices(&l)));
    l.json(&["device", "remove", "Late"]).unwrap();
    for node in [&a, &l] {
        within(SOON, "it is gone", || Ok((node.json(&["device", "list"])?.len() == 2).then_some(()))).unwrap();
    }

    a.json(&["device", "remove", "Laptop"]).unwrap();
    within(SOON, "it says that it was removed", || {
        let ran = l.run(&["device", "rename", "Laptop"])?;
        Ok(ran.stderr.contains("has removed this one").then_some(()))
    })
    .unwrap();
    assert!(l.run(&["send", "Ben", "is anybody there?"]).unwrap().stderr.contains("has removed this one"));
    assert_eq!(devices(&a).len(), 1);
    b.json(&["send", "Ana", "without the laptop"]).unwrap();
    all_have(&[&a, &b], &["without the laptop"]);
    let there = l.json(&["read", "--peek"]).unwrap();
    assert!(there.iter().any(|message| message["text"] == "to both"), "its history stays readable");
    assert!(there.iter().all(|message| message["text"] != "without the laptop" && message["text"] != "is anybody there?"));
}

/// Waits until a room looks like this at all of them: how we stand to it, how much is unread, whether it is muted.
fn room_is(nodes: &[&Node], standing: &str, unread: u64, muted: bool) {
    let wanted = (Value::from(standing), Value::from(unread), Value::from(muted));
    let look = |node: &&Node| -> Result<Vec<(Value, Value, Value)>, String> {
        let rooms = node.json(&["room", "list", "--all"])?;
        Ok(rooms.iter().map(|room| (room["standing"].clone(), room["unread"].clone(), room["muted"].clone())).collect())
    };
    within(SOON, "the room is the same on all", || {
        let all = nodes.iter().map(look).collect::<Result<Vec<_>, _>>()?;
        Ok(all.iter().all(|rooms| *rooms == [wanted.clone()]).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}: {:?} is not {wanted:?}", nodes.iter().map(look).collect::<Vec<_>>()));
}

#[test]
fn s0_31_s0_32_a_device_that_is_paired_later_has_a_rooms_history_once_and_what_is_read_or_muted_on_one_is_so_on_both() {
    let home = tempfile::tempdir().unwrap();
    let [phone, laptop, ben, host] = ["phone", "laptop", "ben", "host"].map(|name| home.path().join(name));
    let relay = Node::start(&host, &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap();
    let (a, l, b) = (person(&phone, "Ana", link), person(&laptop, "Laptop", link), person(&ben, "Ben", link));
    befriend(&a, &b);
    b.json(&["room", "create", "Crew"]).unwrap();
    b.json(&["room", "add", "Crew", "Ana"]).unwrap();
    room_is(&[&a], "member", 0, false);
    b.json(&["send", "Crew", "one"]).unwrap();
    a.json(&["send", "Crew", "two"]).unwrap();
    room_is(&[&a], "member", 1, false);
    a.json(&["read", "Crew"]).unwrap();
    b.json(&["send", "Crew", "three"]).unwrap();
    room_is(&[&a], "member", 1, false);

    let code = a.json(&["device", "pair"]).unwrap()[0]["code"].as_str().unwrap().to_owned();
    l.json(&["device", "join", &code]).unwrap();
    all_have(&[&a, &l, &b], &["one", "two", "three"]);
    room_is(&[&a, &l], "member", 1, false);
    l.json(&["send", "Crew", "four"]).unwrap();
    b.json(&["send", "Crew", "five"]).unwrap();
    all_have(&[&a, &l, &b], &["one", "two", "three", "four", "five"]);
    room_is(&[&a, &l], "member", 2, false);

    l.json(&["read", "Crew"]).unwrap();
    a.json(&["room", "mute", "Crew"]).unwrap();
    room_is(&[&a, &l], "member", 0, true);
    // Off and on again: what the other one does meanwhile is so here, too.
    drop(l);
    b.json(&["send", "Crew", "six"]).unwrap();
    room_is(&[&a], "member", 1, true);
    a.json(&["read", "Crew"]).unwrap();
    a.json(&["room", "mute", "Crew", "--off"]).unwrap();
    let l = Node::start(&laptop, &["--listen", TCP]).unwrap();
    all_have(&[&a, &l, &b], &["one", "two", "three", "four", "five", "six"]);
    room_is(&[&a, &l], "member", 0, false);
    let there = l.json(&["read", "Crew", "--peek"]).unwrap();
    let mine: Vec<&Value> =
        there.iter().filter(|message| message["mine"] == true && message["line"] == false).map(|message| &message["text"]).collect();
    assert_eq!(mine.len(), 2, "what the person has written, whichever device has sent it: {mine:?}");
    // S4-33: nobody wished that friends hear of the new device, and so Ben's user has heard nothing.
    let said = b.json(&["read", "Ana", "--peek"]).unwrap();
    assert!(said.is_empty() && friends(&b).len() == 1, "{said:?}");
}

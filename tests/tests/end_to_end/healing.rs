//! Two real nodes in every pair of states that a friendship has: each leads to friends again, or to one clear question.

use serde_json::Value;
use std::time::Duration;
use symbolon_tests::node::{Carrier, Node, Pair, field, run, start_named, within};

const SOON: Duration = Duration::from_secs(40);

fn invite(node: &Node) -> String {
    field(node.json(&["invite"]).unwrap().first(), "link").unwrap()
}

fn id(node: &Node) -> &str {
    node.ready["id"].as_str().unwrap()
}

fn is_friend(node: &Node, other: &Node) -> bool {
    let is_theirs = |friend: &Value| friend["id"] == id(other) && friend["mutual"] == true;
    node.json(&["friends"]).unwrap().iter().any(is_theirs)
}

/// The questions that a node's user is asked.
fn questions(node: &Node) -> Vec<String> {
    let rows = node.json(&["requests"]).unwrap();
    let open = rows.iter().filter(|row| row["direction"] == "in" && row["status"] == "pending");
    open.map(|row| row["request"].as_str().unwrap().to_owned()).collect()
}

/// The one question that is asked, answered with yes.
fn accepts(node: &Node) {
    let asked = within(SOON, "a question", || Ok(Some(questions(node)).filter(|asked| !asked.is_empty()))).unwrap();
    assert_eq!(asked.len(), 1, "one question");
    node.json(&["accept", &asked[0]]).unwrap();
}

/// Both are friends, nothing is asked, and a text goes each way.
fn healed(a: &Node, b: &Node, what: &str) {
    within(SOON, what, || Ok((is_friend(a, b) && is_friend(b, a)).then_some(()))).unwrap();
    for (from, to) in [(a, b), (b, a)] {
        let sent = from.json(&["send", id(to), what, "--wait", "delivered", "--timeout", "40s"]).unwrap();
        assert_eq!(sent[0]["state"], "delivered", "{what}");
        assert_eq!(questions(from), Vec::<String>::new(), "{what}");
    }
}

/// One ends it while the other is away.
fn ends(by: &mut Node, other: &mut Node) {
    other.interrupt().unwrap();
    by.json(&["unfriend", id(other), "--yes"]).unwrap();
    other.restart().unwrap();
}

#[test]
fn r14_from_every_pair_of_states_two_real_nodes_come_to_be_friends_again_or_to_one_clear_question() {
    let mut pair = Pair::befriended(Carrier::Tcp).unwrap();
    let again = pair.home().join("again");
    let (andi, ben) = (&mut pair.andi, &mut pair.ben);
    healed(andi, ben, "at first");

    // Andi has ended it. Ben, who does not know, asks again: Andi is asked once.
    ends(andi, ben);
    ben.json(&["add", &invite(andi)]).unwrap();
    accepts(andi);
    healed(andi, ben, "the one who was left has asked");
    // Andi has ended it, and asks again: Ben has never ended it, so nobody is asked.
    ends(andi, ben);
    andi.json(&["add", &invite(ben)]).unwrap();
    healed(andi, ben, "the one who ended it has asked");
    // Both have ended it, and one asks.
    ends(andi, ben);
    ben.json(&["unfriend", id(andi), "--yes"]).unwrap();
    ben.json(&["add", &invite(andi)]).unwrap();
    accepts(andi);
    healed(andi, ben, "both had ended it");
    // Both have ended it, and both ask: neither is asked.
    ends(andi, ben);
    ben.json(&["unfriend", id(andi), "--yes"]).unwrap();
    let asks = [(ben.folder(), invite(andi)), (andi.folder(), invite(ben))].map(|(folder, link)| {
        let folder = folder.to_owned();
        std::thread::spawn(move || run(&folder, &["add", &link]).unwrap().code)
    });
    asks.into_iter().for_each(|asked| assert_eq!(asked.join().unwrap(), Some(0)));
    healed(andi, ben, "their requests crossed");
    // Killed on both sides as soon as the answer is given.
    ends(andi, ben);
    ben.json(&["unfriend", id(andi), "--yes"]).unwrap();
    ben.json(&["add", &invite(andi)]).unwrap();
    accepts(andi);
    for node in [&mut *andi, &mut *ben] {
        node.kill().unwrap();
    }
    ben.restart().unwrap();
    andi.restart().unwrap();
    healed(andi, ben, "both were killed");

    // Ben sets his node up again: he is somebody else to Andi, who is asked once; the old friend stays as he was.
    ben.interrupt().unwrap();
    let again = start_named(&again, Carrier::Tcp, "Ben").unwrap();
    again.json(&["add", &invite(andi)]).unwrap();
    accepts(andi);
    healed(andi, &again, "a new person of that name");
    assert!(is_friend(andi, ben), "the old one stays");
    andi.calm().unwrap();
    ben.calm().unwrap();
}

//! A node that is killed while it takes a friend out.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use symbolon_tests::node::{Carrier, Node, befriend, start_named, within};

const SOON: Duration = Duration::from_secs(60);

/// How often the node is killed; more by `REVOCATIONS`.
fn rounds() -> u32 {
    std::env::var("REVOCATIONS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

fn is_blocked(andi: &Node) -> bool {
    andi.json(&["friends"]).unwrap().iter().find(|friend| friend["name"] == "Ben").unwrap()["blocked"] == true
}

fn texts(node: &Node) -> Vec<Value> {
    node.json(&["read", "--peek"]).unwrap().into_iter().map(|message| message["text"].clone()).collect()
}

#[test]
fn a31_a_node_that_is_killed_while_it_takes_a_friend_out_has_done_it_or_not_and_what_it_confirmed_holds() {
    let home = tempfile::tempdir().unwrap();
    let [mut andi, ben, cleo] = ["Andi", "Ben", "Cleo"].map(|name| start_named(&home.path().join(name), Carrier::Tcp, name).unwrap());
    for (node, name) in [(&ben, "Ben"), (&cleo, "Cleo")] {
        befriend((&andi, "Andi"), (node, name)).unwrap();
    }
    let api = andi.api().unwrap();
    let begun = Instant::now();
    for verb in ["block", "unblock"] {
        api.post(verb, &json!({ "who": "Ben" })).unwrap();
    }
    let both = begun.elapsed();
    let (mut done, mut confirmed) = (0, 0);
    for round in 0..rounds() {
        // From at once to behind the answer, when what follows from it is under way; more often early.
        let delay = both * (round * round) / (rounds() * rounds());
        let api = andi.api().unwrap();
        let asked = std::thread::spawn(move || api.post("block", &json!({ "who": "Ben" })));
        std::thread::sleep(delay);
        andi.kill().unwrap();
        let answer = asked.join().unwrap();
        andi.restart().unwrap();
        let is_out = is_blocked(&andi);
        assert!(is_out || answer.is_err(), "what was confirmed holds: round {round}, {delay:?}");
        (done, confirmed) = (done + u32::from(is_out), confirmed + u32::from(answer.is_ok()));
        let [from_ben, from_cleo, back] = ["Ben", "Cleo", "Andi"].map(|name| format!("{round}, says {name}"));
        ben.json(&["send", "Andi", &from_ben]).unwrap();
        for (node, to, text) in [(&cleo, "Andi", &from_cleo), (&andi, "Cleo", &back)] {
            let sent = node.json(&["send", to, text, "--wait", "delivered", "--timeout", "50s"]).unwrap();
            assert_eq!(sent[0]["state"], "delivered", "the others go on: round {round}, {delay:?}");
        }
        if is_out {
            assert!(!texts(&andi).contains(&Value::from(from_ben.as_str())), "who is out is not heard: round {round}, {delay:?}");
            andi.json(&["unblock", "Ben"]).unwrap();
        }
        within(SOON, "a friend is heard", || Ok(texts(&andi).contains(&Value::from(from_ben.as_str())).then_some(()))).unwrap();
    }
    println!("{} killed, {done} taken out, {confirmed} confirmed", rounds());
    andi.json(&["unfriend", "Ben"]).unwrap();
    andi.kill().unwrap();
    andi.restart().unwrap();
    ben.json(&["send", "Andi", "and I?"]).unwrap();
    let sent = cleo.json(&["send", "Andi", "at the end", "--wait", "delivered", "--timeout", "50s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    assert!(!texts(&andi).contains(&Value::from("and I?")));
    for node in [&andi, &ben, &cleo] {
        node.calm().unwrap();
    }
}

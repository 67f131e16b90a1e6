//! What takes days, on the built command: real processes that are told another date.

use super::introduction::question;
use super::lookup::{SOON, person, strangers, wait_for_record};
use serde_json::Value;
use std::path::Path;
use symbolon_tests::node::clock::{self, DAY, ahead};
use symbolon_tests::node::{Node, Trouble, befriend, calm, open_invite, pending, within};

/// Starts somebody so many days from now.
fn later(days: i64, home: &Path, name: &str, bootstrap: &[&str]) -> Node {
    ahead(days * DAY, || person(home, name, bootstrap))
}

fn is_friend(node: &Node, name: &str) -> bool {
    node.json(&["friends"]).unwrap().iter().any(|friend| friend["name"] == name)
}

#[test]
fn a21_who_was_away_for_400_days_and_50_revocations_comes_back_with_the_first_text() {
    if !clock::can_be_set() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut relays = strangers(home.path(), 1);
    let address = relays[0].1.clone();
    let mut andi = person(home.path(), "Andi", &[&address]);
    let mut ben = person(home.path(), "Ben", &[]);
    befriend((&andi, "Andi"), (&ben, "Ben")).unwrap();
    let first = ben.json(&["send", "Andi", "back soon", "--wait", "delivered", "--timeout", "20s"]).unwrap();
    wait_for_record(&andi);
    ben.interrupt().unwrap();
    for days in [0, 100, 200, 300, 399] {
        andi.interrupt().unwrap();
        andi = later(days, home.path(), "Andi", &[]);
        let name = format!("Guest of day {days}");
        let guest = later(days, home.path(), &name, &[]);
        for _ in 0..10 {
            guest.json(&["add", &open_invite(&andi).unwrap()]).unwrap();
            for (node, friend) in [(&andi, name.as_str()), (&guest, "Andi")] {
                within(SOON, "they are friends", || Ok(is_friend(node, friend).then_some(()))).unwrap();
            }
            andi.json(&["unfriend", &name]).unwrap();
            guest.json(&["unfriend", "Andi"]).unwrap();
        }
    }
    andi.interrupt().unwrap();
    relays[0].0.interrupt().unwrap();

    ahead(400 * DAY, || relays[0].0.restart()).unwrap();
    let andi = later(400, home.path(), "Andi", &[]);
    wait_for_record(&andi);
    let ben = later(400, home.path(), "Ben", &[]);
    ben.json(&["send", "Andi", "I am back"]).unwrap();
    within(SOON, "the text arrives", || Ok((andi.json(&["read", "--peek"])?.len() == 2).then_some(()))).unwrap();
    let sent = andi.json(&["send", "Ben", "and I am here", "--wait", "delivered", "--timeout", "20s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    let year = |message: &Value| message["at"].as_str().unwrap()[..4].parse::<u32>().unwrap();
    assert!(year(&sent[0]) > year(&first[0]), "it was another date");
    for folder in ["Andi", "Ben"] {
        calm(&home.path().join(folder)).unwrap();
    }
}

/// Andi has introduced Tom to Holger, who agreed; his way in lies with Andi, and the question
/// before Tom.
fn introduced(home: &Path) -> ([Node; 3], String) {
    let [andi, tom, holger] = ["Andi", "Tom", "Holger"].map(|name| person(home, name, &[]));
    befriend((&andi, "Andi"), (&tom, "Tom")).unwrap();
    befriend((&andi, "Andi"), (&holger, "Holger")).unwrap();
    andi.json(&["introduce", "Tom", "Holger"]).unwrap();
    holger.json(&["accept", &question(&holger)]).unwrap();
    let asked = question(&tom);
    // Behind a text on the same way everything else has arrived, too.
    for (from, to) in [(&holger, "Andi"), (&andi, "Tom")] {
        let sent = from.json(&["send", to, "done?", "--wait", "delivered", "--timeout", "20s"]).unwrap();
        assert_eq!(sent[0]["state"], "delivered");
    }
    ([andi, tom, holger], asked)
}

#[test]
fn a84_a_way_in_of_which_no_use_was_made_is_over_after_its_time() {
    if !clock::can_be_set() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let ([_andi, mut tom, mut holger], asked) = introduced(home.path());
    for node in [&mut tom, &mut holger] {
        node.interrupt().unwrap();
    }
    ahead(20 * DAY, || [&mut tom, &mut holger].map(|node| node.restart().unwrap()));
    let late = tom.run(&["--json", "accept", &asked]).unwrap();
    assert!(late.stdout.contains("wrong_status"), "{late:?}");
    let rows = tom.json(&["requests"]).unwrap();
    assert_eq!(rows.iter().find(|row| row["request"] == asked.as_str()).unwrap()["status"], "expired");
    assert!(!is_friend(&tom, "Holger") && !is_friend(&holger, "Tom"));
}

#[test]
fn a84_a_way_in_that_is_used_too_late_is_refused_whatever_the_clock_of_who_uses_it_says() {
    if !clock::can_be_set() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let ([_andi, tom, mut holger], asked) = introduced(home.path());
    holger.interrupt().unwrap();
    ahead(20 * DAY, || holger.restart()).unwrap();
    // By Holger's clock alone it would only be put off: somebody has to sign that time.
    let eve = later(20, home.path(), "Eve", &[]);
    befriend((&eve, "Eve"), (&holger, "Holger")).unwrap();
    let sent = holger.json(&["send", "Eve", "what day is it?", "--wait", "delivered", "--timeout", "20s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    tom.json(&["accept", &asked]).unwrap();
    let row = within(SOON, "Holger's node has refused", || {
        let rows = tom.json(&["requests"])?;
        Ok(rows.into_iter().find(|row| row["kind"] == "friend" && row["name"] == "Holger" && row["fault"].is_string()))
    })
    .unwrap();
    assert_eq!((&row["status"], &row["fault"]), (&"expired".into(), &"the invite has expired".into()));
    assert!(!is_friend(&tom, "Holger") && !is_friend(&holger, "Tom"));
    assert!(holger.json(&["requests"]).unwrap().iter().all(|row| row["name"] != "Tom" || row["kind"] == "introduction"));
}

#[test]
fn a92_clocks_nine_minutes_apart_do_no_harm() {
    if !clock::can_be_set() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let andi = person(home.path(), "Andi", &[]);
    for (minutes, name) in [(9, "Ben"), (-9, "Cleo")] {
        let other = ahead(60 * minutes, || person(home.path(), name, &[]));
        befriend((&andi, "Andi"), (&other, name)).unwrap();
        for (from, to) in [(&andi, name), (&other, "Andi")] {
            let sent = from.json(&["send", to, "what time is it?", "--wait", "delivered", "--timeout", "20s"]).unwrap();
            assert_eq!(sent[0]["state"], "delivered");
        }
        assert_eq!(other.json(&["status"]).unwrap()[0]["problems"], serde_json::json!([]));
    }
}

#[test]
fn a92_clocks_two_hours_apart_are_named_as_what_is_wrong() {
    if !clock::can_be_set() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let andi = person(home.path(), "Andi", &[]);
    let slow = ahead(-7_200, || person(home.path(), "Ben", &[]));
    // What is two hours old to the one is good, and both are warned.
    befriend((&andi, "Andi"), (&slow, "Ben")).unwrap();
    let problem = clock_problem(&slow).unwrap();
    assert!(problem.contains("2 hours behind"), "{problem}");

    // What is made in two hours is put off, and waits until the clock is right.
    let mut fast = ahead(7_200, || person(home.path(), "Cleo", &[]));
    fast.json(&["add", &open_invite(&andi).unwrap()]).unwrap();
    let problem = clock_problem(&fast).unwrap();
    assert!(problem.contains("2 hours apart"), "{problem}");
    let rows = fast.json(&["requests"]).unwrap();
    assert_eq!((&rows[0]["status"], &rows[0]["fault"]), (&"pending".into(), &Value::Null));
    assert!(!is_friend(&fast, "Andi"));
    fast.interrupt().unwrap();
    fast.restart().unwrap();
    for (node, friend) in [(&fast, "Andi"), (&andi, "Cleo")] {
        within(SOON, "they are friends", || Ok(is_friend(node, friend).then_some(()))).unwrap();
    }
}

/// Waits until a node says that clocks disagree.
fn clock_problem(node: &Node) -> Result<String, Trouble> {
    within(SOON, "it says that the clocks are apart", || {
        let status = node.json(&["status"])?.swap_remove(0);
        let problems = status["problems"].as_array().cloned().unwrap_or_default();
        Ok(problems.iter().filter_map(Value::as_str).find(|problem| problem.contains("clock")).map(str::to_owned))
    })
}

/// A text to a friend arrives.
fn arrives(from: &Node, to: &str, text: &str) {
    let sent = from.json(&["send", to, text, "--wait", "delivered", "--timeout", "30s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
}

#[test]
fn a106_a_real_node_whose_clock_is_years_wrong_at_a_start_or_while_running_is_whole_when_it_is_right() {
    if !clock::can_be_set() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let andi_home = home.path().join("moved clock");
    let (mut andi, hand) = clock::movable(&andi_home, || person(home.path(), "Andi", &[]));
    let ben = person(home.path(), "Ben", &[]);
    befriend((&andi, "Andi"), (&ben, "Ben")).unwrap();
    arrives(&andi, "Ben", "before");
    let open = open_invite(&andi).unwrap();
    let cleo = person(home.path(), "Cleo", &[]);
    andi.json(&["add", cleo.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap()]).unwrap();
    let asked = pending(&cleo).unwrap();
    const YEARS: i64 = 6 * 365 * DAY;
    for seconds in [YEARS, -YEARS] {
        hand.set(seconds).unwrap();
        arrives(&ben, "Andi", "what day is it?");
        arrives(&andi, "Ben", "no idea");
        let problem = clock_problem(&andi).unwrap();
        assert!(problem.contains("6 years ahead") || problem.contains("never set"), "{problem}");
        hand.set(0).unwrap();
        arrives(&ben, "Andi", "and now?");
    }
    andi.interrupt().unwrap();
    for seconds in [YEARS, -YEARS, -(56 * 365 * DAY)] {
        hand.set(seconds).unwrap();
        andi.restart().unwrap();
        andi.json(&["send", "Ben", "good morning"]).unwrap();
        clock_problem(&andi).unwrap();
        andi.interrupt().unwrap();
        hand.set(0).unwrap();
        andi.restart().unwrap();
        arrives(&andi, "Ben", "good evening");
    }
    let history = andi.json(&["read", "--peek"]).unwrap();
    assert!(history.iter().all(|message| message["state"] != "failed"), "{history:?}");
    cleo.json(&["accept", &asked]).unwrap();
    let dora = person(home.path(), "Dora", &[]);
    dora.json(&["add", &open]).unwrap();
    for friend in ["Cleo", "Dora"] {
        within(SOON, "they are friends", || Ok(is_friend(&andi, friend).then_some(()))).unwrap();
    }
}

#[test]
fn a96_a_friend_who_is_away_for_sixty_days_gets_every_text_from_a_relay_that_keeps_seven_and_none_is_called_stored_that_is_gone() {
    if !clock::can_be_set() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let [at_relay, at_ben, folder] = ["relay's clock", "Ben's clock", "relay"].map(|name| home.path().join(name));
    let listen = ["relay", "run", "--open", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let (mut relay, relays_hand) = clock::movable(&at_relay, || Node::start(&folder, &listen).unwrap());
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let mut andi = person(home.path(), "Andi", &[]);
    andi.json(&["relay", "add", &link]).unwrap();
    let is_connected = || Ok((andi.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()));
    within(SOON, "the relay keeps the mailbox", is_connected).unwrap();
    let (mut ben, bens_hand) = clock::movable(&at_ben, || person(home.path(), "Ben", &[]));
    befriend((&andi, "Andi"), (&ben, "Ben")).unwrap();
    andi.interrupt().unwrap();
    let set = |half_days: i64| [&relays_hand, &bens_hand].map(|hand| hand.set(half_days * DAY / 2).unwrap());
    let are = |state: &str| {
        let rows = ben.json(&["read", "--peek"])?;
        Ok::<_, Trouble>(rows.iter().all(|row| row["state"] == state).then_some(rows.len()))
    };
    let stored = || Ok::<_, Trouble>(ben.json(&["status"])?[0]["sent_frames"]["stored"].as_u64().unwrap_or(0));
    let mut written = Vec::new();
    // Before a copy has lived its seven days, all that were written so far are left again.
    for round in 0..10 {
        set(11 * round);
        let text = format!("in round {round}");
        ben.json(&["send", "Andi", &text]).unwrap();
        written.push(text);
        within(SOON, "all of it lies there", || Ok((are("stored")?.is_some() && stored()? >= written.len() as u64).then_some(()))).unwrap();
    }
    // Where the relay is gone for as long as it keeps anything, nothing is called stored any more.
    relay.kill().unwrap();
    set(11 * 9 + 16);
    within(SOON, "nothing is called stored", || are("queued")).unwrap();
    relay.restart().unwrap();
    within(SOON, "all of it lies there", || are("stored")).unwrap();
    ben.interrupt().unwrap();
    ahead(DAY * (11 * 9 + 16) / 2, || andi.restart()).unwrap();
    let texts = || andi.json(&["read", "--peek"]).map(|rows| rows.iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect());
    within(SOON, "every text arrives", || Ok(Some(texts()?).filter(|texts: &Vec<String>| *texts == written))).unwrap();
    for node in [&andi, &relay] {
        node.calm().unwrap();
    }
}

//! Vouched rooms, on the built command: a room of three with a hub, and three who knock.

use super::assert_fields;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;
use symbolon_tests::node::{Node, befriend, said, within};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const SOON: Duration = Duration::from_secs(45);
/// Until the hub has asked all members, one after another.
const LATER: Duration = Duration::from_secs(150);

const REQUEST: &str = "request,kind,direction,peer,name,words,trust,note,status,introduced_by";

fn person(home: &Path, name: &str, link: &str) -> Node {
    let node = Node::start(&home.join(name), &["--no-lan", "--listen", TCP, "--name", name, "--relay", link]).unwrap();
    within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
    node
}

/// The knock that a node sees, once it stands so.
fn knock(node: &Node, direction: &str, status: &str, limit: Duration) -> Value {
    let is_it = |row: &Value| row["kind"] == "knock" && row["direction"] == direction && row["status"] == status;
    let found = within(limit, "the knock is where it should be", || Ok(node.json(&["requests"])?.into_iter().find(is_it)));
    found.unwrap_or_else(|why| panic!("{direction} {status}: {why}: {:?}", node.json(&["requests"])))
}

fn members(node: &Node) -> usize {
    node.json(&["room", "members", "Crew"]).map(|rows| rows.len()).unwrap_or_default()
}

/// All that lies in a folder, file by file.
fn bytes_in(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            all.extend(bytes_in(&path));
        } else if path.is_file() {
            all.extend(fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn one_who_is_known_comes_in_one_whom_nobody_knows_does_not_and_one_leaves_who_does_not_know_the_voucher() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let hub = Node::start(&home.join("hub"), &["relay", "run", "--open", "--hub", "--listen", TCP]).unwrap();
    assert_eq!(hub.ready["hub"], true);
    within(SOON, "it says so", || Ok((hub.json(&["relay", "info"])?[0]["hub"] == true).then_some(()))).unwrap();
    let link = hub.ready["link"].as_str().unwrap().to_owned();
    let [ana, ben, cem, dea, eva, fay] = ["Ana", "Ben", "Cem", "Dea", "Eva", "Fay"].map(|name| person(home, name, &link));
    befriend((&ana, "Ana"), (&ben, "Ben")).unwrap();
    befriend((&ana, "Ana"), (&cem, "Cem")).unwrap();
    befriend((&ben, "Ben"), (&dea, "Dea")).unwrap();
    ana.json(&["room", "create", "Crew"]).unwrap();
    ana.json(&["room", "add", "Crew", "Ben", "Cem"]).unwrap();
    for node in [&ana, &ben, &cem] {
        within(SOON, "three are in the room", || Ok((members(node) == 3).then_some(()))).unwrap();
    }

    let refused = cem.run(&["--json", "room", "card", "Crew"]).unwrap();
    assert!(refused.stdout.contains("no_right"), "who may not add people does not open the room: {}", refused.stdout);
    let card = ana.json(&["room", "card", "Crew"]).unwrap().remove(0)["card"].as_str().unwrap().to_owned();
    assert!(card.starts_with("symbolon:") && card.len() <= 195, "{card}");
    let refused = dea.run(&["--json", "add", &card]).unwrap();
    assert!(refused.stdout.contains("is_card"), "{}", refused.stdout);

    // Dea, whom Ben knows, knocks and is in.
    let asked = dea.json(&["room", "knock", &card]).unwrap().remove(0);
    assert_fields(&asked, REQUEST);
    assert_eq!((&asked["kind"], &asked["direction"]), (&"knock".into(), &"out".into()));
    let knocked = knock(&dea, "out", "confirmed", LATER);
    assert_eq!((&knocked["name"], &knocked["room_name"]), (&"Ben".into(), &"Crew".into()));
    for node in [&ana, &ben, &cem, &dea] {
        within(SOON, "four are in the room", || Ok((members(node) == 4).then_some(()))).unwrap();
    }
    assert_eq!(knock(&ben, "in", "confirmed", SOON)["name"], "Dea");
    dea.json(&["send", "Crew", "hello from Dea"]).unwrap();
    for node in [&ana, &ben, &cem] {
        let heard = within(SOON, "her hello is there", || {
            Ok(node.json(&["read", "Crew", "--peek"])?.into_iter().find(|message| message["text"] == "hello from Dea"))
        });
        assert_eq!(heard.unwrap()["from"], "Dea");
    }

    // Eva, whom nobody knows, is turned away.
    eva.json(&["room", "knock", &card]).unwrap();
    let away = knock(&eva, "out", "expired", LATER);
    assert!(away["fault"].as_str().unwrap().contains("not vouched"), "{away}");

    // Cem vouches for Fay, who does not know Cem: she is warned, and leaves.
    fay.json(&["room", "knock", &card]).unwrap();
    let words = fay.json(&["id"]).unwrap()[0]["id"].as_str().unwrap().to_owned();
    let listed = within(LATER, "Cem sees her knock", || {
        Ok(cem.json(&["requests"])?.into_iter().find(|row| row["kind"] == "knock" && row["peer"] == words.as_str()))
    });
    let listed = listed.unwrap();
    assert_eq!((&listed["status"], &listed["room_name"]), (&"pending".into(), &"Crew".into()));
    cem.json(&["room", "vouch", listed["request"].as_str().unwrap()]).unwrap();
    let warned = knock(&fay, "out", "cancelled", LATER);
    assert!(warned["fault"].as_str().unwrap().contains("do not know"), "{warned}");
    assert_eq!(members(&ana), 4, "neither of them is in");
    assert_eq!((members(&eva), members(&fay)), (0, 0));

    // The hub has no word of any of them.
    let nodes = [&ana, &ben, &cem, &dea, &eva, &fay];
    let ids: Vec<String> = nodes.iter().map(|node| node.json(&["id"]).unwrap()[0]["id"].as_str().unwrap().to_owned()).collect();
    let folder = hub.folder().to_owned();
    let mut told = said(&folder);
    drop(hub);
    let lies = bytes_in(&folder);
    told.push_str(&String::from_utf8_lossy(&lies));
    for word in ids.iter().map(String::as_str).chain(["Crew", "Ana", "Dea", card.as_str()]) {
        assert!(!told.contains(word), "the hub keeps {word}");
    }
}

#[test]
fn a_relay_goes_on_as_a_hub_until_its_operator_says_otherwise() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("hub");
    for (flags, is_hub) in [(&[][..], false), (&["--hub"], true), (&[], true), (&["--no-hub"], false), (&[], false)] {
        let mut hub = Node::start(&folder, &[&["relay", "run", "--listen", TCP], flags].concat()).unwrap();
        assert_eq!(hub.ready["hub"], is_hub, "{flags:?}");
        hub.interrupt().unwrap();
    }
}

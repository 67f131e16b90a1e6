//! Fields and exit codes of every command, on a real node.

use super::{assert_fields, assert_id, assert_time};
use serde_json::Value;
use symbolon_tests::node::{Carrier, Node, Pair, Ran, binary, pending, run, wait_for_friend};

const REQUEST: &str = "request,kind,direction,peer,name,words,trust,note,status,introduced_by";
const FRIEND: &str = "id,name,words,trust,introduced_by,online,path";
const MESSAGE: &str = "message,conversation,from,text,file,at,state,mine";
const STATUS: &str = "peers,lan,dht,relays,queue,problems,sent_frames";

/// The one object of a command that failed, by its rules: exit 1, nothing else printed.
fn failure(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let mut objects = ran.objects().unwrap();
    assert_eq!(objects.len(), 1, "{ran:?}");
    assert!(ran.stderr.is_empty(), "{ran:?}");
    let object = objects.remove(0);
    for field in ["error", "message", "hint"] {
        assert!(object[field].as_str().is_some_and(|text| !text.is_empty()), "{object}");
    }
    object
}

fn kind_of(node: &Node, arguments: &[&str]) -> String {
    let ran = node.run(&[&["--json"], arguments].concat()).unwrap();
    failure(&ran)["error"].as_str().unwrap().to_owned()
}

#[test]
fn every_command_answers_with_the_fields_of_the_contract() {
    let pair = Pair::strangers(Carrier::Tcp).unwrap();
    let (andi, ben) = (&pair.andi, &pair.ben);
    assert_fields(&andi.ready, "event,id,http,listen");
    assert!(andi.ready["http"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert!(andi.ready["http"].as_str().unwrap().contains("/?token="));
    assert!(!andi.ready["listen"].as_array().unwrap().is_empty());

    let id = &andi.json(&["id"]).unwrap()[0];
    assert_fields(id, "id,words,name,device");
    assert_id(&id["id"]);
    assert_eq!((&id["name"], &id["id"]), (&Value::from("Andi"), &andi.ready["id"]));
    assert_eq!(id["words"].as_str().unwrap().split(' ').count(), 12);

    let link = andi.json(&["invite", "--expires", "1h"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    assert!(link.starts_with("symbolon:"));
    let added = &ben.json(&["add", &link, "--note", "hi Andi"]).unwrap()[0];
    assert_fields(added, REQUEST);
    assert_eq!((&added["direction"], &added["trust"], &added["kind"]), (&"out".into(), &"invited".into(), &"friend".into()));
    let request = pending(andi).unwrap();
    let row = &andi.json(&["requests"]).unwrap()[0];
    assert_fields(row, REQUEST);
    assert_eq!((&row["note"], &row["name"], &row["status"]), (&"hi Andi".into(), &"Ben".into(), &"pending".into()));

    assert_eq!(andi.json(&["ignore", &request]).unwrap()[0]["status"], "ignored");
    let accepted = &andi.json(&["accept", &request]).unwrap()[0];
    assert_fields(accepted, REQUEST);
    assert!(matches!(accepted["status"].as_str(), Some("accepted" | "confirmed")));
    wait_for_friend(andi, "Ben").unwrap();
    wait_for_friend(ben, "Andi").unwrap();
    assert_eq!(ben.json(&["friends"]).unwrap()[0]["trust"], "invited", "who was given the link has compared nothing either");
    let friend = &andi.json(&["friends"]).unwrap()[0];
    assert_fields(friend, FRIEND);
    assert_eq!((&friend["trust"], &friend["id"]), (&"invited".into(), &ben.ready["id"]));
    assert_eq!((&friend["online"], &friend["path"]), (&true.into(), &"direct".into()));

    let words = friend["words"].as_str().unwrap();
    let verified = &andi.json(&[&["verify", "Ben"], words.split(' ').collect::<Vec<_>>().as_slice()].concat()).unwrap()[0];
    assert_eq!(verified["trust"], "verified");
    assert_eq!(andi.json(&["rename", "Ben", "Benjamin"]).unwrap()[0]["name"], "Benjamin");

    let sent = &andi.json(&["send", "Benjamin", "hello", "--wait", "delivered"]).unwrap()[0];
    assert_fields(sent, "message,state");
    assert_id(&sent["message"]);
    let read = &ben.json(&["read"]).unwrap()[0];
    assert_fields(read, MESSAGE);
    assert_eq!((&read["mine"], &read["file"], &read["from"]), (&false.into(), &Value::Null, &"Andi".into()));
    assert_time(&read["at"]);
    assert!(ben.json(&["read", "--since", read["message"].as_str().unwrap()]).unwrap().is_empty());

    assert_fields(&andi.json(&["status"]).unwrap()[0], STATUS);
    let blocked = &andi.json(&["block", "Benjamin"]).unwrap()[0];
    assert!(blocked["blocked"] == true || blocked["status"] == "blocked", "{blocked}");
    let freed = &andi.json(&["unblock", "Benjamin"]).unwrap()[0];
    assert!(freed["blocked"] == false || freed["request"].is_string(), "{freed}");
    pair.assert_calm().unwrap();
}

#[test]
fn the_demo_plays_through_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    for (flags, expected) in [(&["--json", "demo"][..], "{\"ok\":true,\"step\":\"read\"}"), (&["demo"], "All of it worked.")] {
        let done = std::process::Command::new(binary().unwrap()).args(flags).env("TMPDIR", home.path()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("\"ok\":false") && !said.contains("did not work"), "{said}");
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "folders are gone");
}

#[test]
fn what_cannot_be_done_is_said_with_a_kind_a_sentence_and_a_hint() {
    let pair = Pair::befriended(Carrier::Tcp).unwrap();
    let andi = &pair.andi;
    assert_eq!(kind_of(andi, &["send", "Nobody", "x"]), "not_found");
    assert_eq!(kind_of(andi, &["send", "Ben", ""]), "bad_text");
    assert_eq!(kind_of(andi, &["send", "Ben", &"x".repeat(16 * 1024 + 1)]), "bad_text");
    assert_eq!(kind_of(andi, &["add", "symbolon:notalink"]), "bad_link");
    assert_eq!(kind_of(andi, &["add", "hello"]), "bad_target");
    assert_eq!(kind_of(andi, &["accept", "zzzz"]), "not_found");
    assert_eq!(kind_of(andi, &["invite", "--expires", "400d"]), "bad_lifetime");
    assert_eq!(kind_of(andi, &["rename", "Ben", &"n".repeat(65)]), "bad_name");
    assert_eq!(kind_of(andi, &["verify", "Ben", "these", "are", "not", "the", "words"]), "words_differ");
    let own = andi.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    assert_eq!(kind_of(andi, &["add", &own]), "own_identity");
    let ran = andi.run(&["send", "Nobody", "x"]).unwrap();
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.is_empty() && ran.stderr.contains("error: ") && ran.stderr.contains("hint: "), "{ran:?}");
    for wrong in [&["frobnicate"][..], &["send"], &["send", "Ben", "x", "--wait", "never"], &["up", "--http", "0.0.0.0:0"]] {
        assert_eq!(run(andi.folder(), wrong).unwrap().code, Some(2), "{wrong:?}");
    }
    // A text of the full length is taken, and arrives whole.
    let long = "ü".repeat(8 * 1024);
    andi.json(&["send", "Ben", &long, "--wait", "delivered"]).unwrap();
    assert_eq!(pair.ben.json(&["read", "-n", "1"]).unwrap()[0]["text"], long.as_str());
    pair.assert_calm().unwrap();
}

#[test]
fn commands_without_a_node_name_the_command_that_starts_one() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("nobody");
    let verbs: [&[&str]; 6] = [&["id"], &["invite"], &["friends"], &["send", "Ben", "x"], &["read"], &["status"]];
    for verb in verbs {
        let told = failure(&run(&folder, &[&["--json"], verb].concat()).unwrap());
        assert_eq!(told["error"], "not_running");
        assert!(told["hint"].as_str().unwrap().contains("up"), "{told}");
    }
    assert!(!folder.exists(), "asking made a folder");
}

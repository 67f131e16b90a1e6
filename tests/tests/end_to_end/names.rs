//! Names that pose, on the built command.

use serde_json::Value;
use std::time::Duration;
use symbolon_tests::node::{Carrier, Node, field, open_invite, start_named, wait_for_friend, within};
use tempfile::TempDir;

/// Makes somebody a friend of Andi and answers the petname that they get there.
fn befriend(andi: &Node, other: &Node) -> String {
    other.json(&["add", &open_invite(andi).unwrap()]).unwrap();
    wait_for_friend(other, "Andi").unwrap();
    let id = other.ready["id"].as_str().unwrap();
    let friend = |node: &Node| node.json(&["friends"]).unwrap().into_iter().find(|friend| friend["id"] == id);
    within(Duration::from_secs(20), "both are friends", || Ok(friend(andi).filter(|friend| friend["mutual"] == true))).unwrap()["name"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_friend_s_new_name_is_shown_beside_the_petname_which_stays() {
    let home = TempDir::new().unwrap();
    let node = |name: &str, given: &str| start_named(&home.path().join(name), Carrier::Tcp, given).unwrap();
    let (andi, ben) = (node("andi", "Andi"), node("ben", "Ben"));
    assert_eq!(befriend(&andi, &ben), "Ben");
    let friend = || andi.json(&["friends"]).unwrap().remove(0);
    assert_eq!(friend()["calls_themself"], Value::Null, "it is the petname");
    ben.json(&["name", "Benjamin"]).unwrap();
    within(Duration::from_secs(20), "the new name is there", || Ok((friend()["calls_themself"] == "Benjamin").then_some(()))).unwrap();
    assert_eq!(friend()["name"], "Ben", "the petname is the user's");
    // Written to as before, in both directions, under the keys that came with it.
    andi.json(&["send", "Ben", "hello Benjamin", "--wait", "delivered"]).unwrap();
    ben.json(&["send", "Andi", "hello Andi", "--wait", "delivered"]).unwrap();
    assert_eq!(andi.run(&["send", "Benjamin", "x"]).unwrap().code, Some(1), "it names nobody here");
    andi.json(&["rename", "Ben", "Benjamin"]).unwrap();
    assert_eq!((&friend()["name"], &friend()["calls_themself"]), (&Value::from("Benjamin"), &Value::Null));
}

#[test]
fn a109_friend_who_takes_anothers_id_as_a_name_gets_and_ends_nothing_of_theirs() {
    let home = TempDir::new().unwrap();
    let node = |name: &str, given: &str| start_named(&home.path().join(name), Carrier::Tcp, given).unwrap();
    let (andi, ben) = (node("andi", "Andi"), node("ben", "Ben"));
    let id = ben.ready["id"].as_str().unwrap().to_owned();
    assert_eq!(befriend(&andi, &ben), "Ben");
    let eve = node("eve", &id);
    assert!(eve.json(&["id"]).unwrap()[0]["beware"].as_str().unwrap().contains("looks like an id"), "own names are marked, not refused");
    let petname = befriend(&andi, &eve);
    assert_eq!(petname, format!("{id} 2"));
    let look_alike = node("mallory", "\u{412}e\u{200b}n");
    assert_eq!(befriend(&andi, &look_alike), "\u{412}en 2");

    let texts =
        |node: &Node| -> Vec<Value> { node.json(&["read", "--peek"]).unwrap().into_iter().map(|text| text["text"].clone()).collect() };
    for to in [&id, &id.to_uppercase(), &format!(" {id} "), "Ben", "BEN"] {
        andi.json(&["send", to, "for Ben only", "--wait", "delivered"]).unwrap();
    }
    assert_eq!(texts(&ben).len(), 5);
    assert!(texts(&eve).is_empty() && texts(&look_alike).is_empty());
    let friends = andi.json(&["friends"]).unwrap();
    let marked = |name: &str| friends.iter().find(|friend| friend["name"] == name).unwrap()["beware"].is_string();
    assert!(marked(&petname) && marked("\u{412}en 2") && marked("Ben"), "{friends:?}");

    // Eight letters of an id that are a name as well: nobody can know, so both are listed.
    andi.json(&["rename", &petname, &id[..12]]).unwrap();
    let ran = andi.run(&["--json", "unfriend", &id[..12]]).unwrap();
    let failure = &ran.objects().unwrap()[0];
    assert_eq!(failure["error"], "ambiguous", "{failure}");
    let mut choices: Vec<String> = failure["choices"].as_array().unwrap().iter().map(|one| field(Some(one), "name").unwrap()).collect();
    choices.sort();
    assert_eq!(
        choices,
        ["Ben".to_owned(), id[..12].to_owned()].into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
    andi.json(&["unfriend", &id.to_uppercase()]).unwrap();
    let left: Vec<Value> = andi.json(&["friends"]).unwrap().into_iter().map(|friend| friend["id"].clone()).collect();
    assert!(left.len() == 2 && !left.contains(&Value::from(id)), "{left:?}");
}

#[test]
fn invite_of_a_node_without_a_network_says_so_and_what_to_do() {
    let home = TempDir::new().unwrap();
    let andi = start_named(&home.path().join("andi"), Carrier::Tcp, "Andi").unwrap();
    let warning = andi.json(&["invite"]).unwrap()[0]["warning"].as_str().unwrap().to_owned();
    assert!(warning.contains("another machine") && warning.contains("relay add"), "{warning}");
    let ran = andi.run(&["invite"]).unwrap();
    assert!(ran.code == Some(0) && ran.stderr.contains(&warning[..40]), "{ran:?}");
    let check = andi.json(&["doctor"]).unwrap().into_iter().find(|check| check["check"] == "listening").unwrap();
    assert!(check["ok"] == true && check["detail"].as_str().unwrap().contains("this machine only"), "{check}");
}

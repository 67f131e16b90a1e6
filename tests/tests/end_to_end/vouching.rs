//! Vouched rooms, on the built command: a room of three with a hub, and three who knock.

use super::assert_fields;
use super::vouchers::keys_of;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;
use symbolon_tests::node::{Node, befriend, said, within};

pub(super) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub(super) const SOON: Duration = Duration::from_secs(45);
/// Until the hub has asked all members, one after another.
pub(super) const LATER: Duration = Duration::from_secs(150);

const REQUEST: &str = "request,kind,direction,peer,name,words,trust,note,status,introduced_by";

/// Long enough that no random bytes have them.
pub(super) const NAMES: [&str; 6] = ["Anastasia", "Benjamin", "Cemalettin", "Deborah", "Evangeline", "Fayruza"];
pub(super) const ROOM: &str = "The whole crew";

pub(super) fn person(home: &Path, name: &str, link: &str, more: &[&str]) -> Node {
    let flags = ["--no-lan", "--listen", TCP, "--name", name, "--relay", link];
    let node = Node::start(&home.join(name), &[&flags, more].concat()).unwrap();
    within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
    node
}

/// The knock that a node sees, once it stands so.
pub(super) fn knock(node: &Node, direction: &str, status: &str, limit: Duration) -> Value {
    let is_it = |row: &Value| row["kind"] == "knock" && row["direction"] == direction && row["status"] == status;
    let found = within(limit, "the knock is where it should be", || Ok(node.json(&["requests"])?.into_iter().find(is_it)));
    found.unwrap_or_else(|why| panic!("{direction} {status}: {why}: {:?}", node.json(&["requests"])))
}

pub(super) fn members(node: &Node) -> usize {
    node.json(&["room", "members", ROOM]).map(|rows| rows.len()).unwrap_or_default()
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

/// Three in a room, two of them friends of the first one.
pub(super) fn crew(ana: &Node, ben: &Node, cem: &Node) {
    befriend((ana, NAMES[0]), (ben, NAMES[1])).unwrap();
    befriend((ana, NAMES[0]), (cem, NAMES[2])).unwrap();
    ana.json(&["room", "create", ROOM]).unwrap();
    ana.json(&["room", "add", ROOM, NAMES[1], NAMES[2]]).unwrap();
    for node in [ana, ben, cem] {
        within(SOON, "three are in the room", || Ok((members(node) == 3).then_some(()))).unwrap();
    }
}

#[test]
fn one_who_is_known_comes_in_one_whom_nobody_knows_does_not_and_one_leaves_who_does_not_know_the_voucher() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    // As talkative as it gets: its log is searched below.
    let hub = Node::start(&home.join("hub"), &["relay", "run", "-vvv", "--open", "--hub", "--listen", TCP]).unwrap();
    assert_eq!(hub.ready["hub"], true);
    within(SOON, "it says so", || Ok(hub.json(&["relay", "info"]).ok().filter(|shown| shown[0]["hub"] == true).map(drop))).unwrap();
    let link = hub.ready["link"].as_str().unwrap().to_owned();
    let [ana, ben, cem, dea, eva, fay] = NAMES.map(|name| person(home, name, &link, &[]));
    crew(&ana, &ben, &cem);
    befriend((&ben, NAMES[1]), (&dea, NAMES[3])).unwrap();

    let refused = cem.run(&["--json", "room", "card", ROOM]).unwrap();
    assert!(refused.stdout.contains("no_right"), "who may not add people does not open the room: {}", refused.stdout);
    let card = ana.json(&["room", "card", ROOM]).unwrap().remove(0)["card"].as_str().unwrap().to_owned();
    assert!(card.starts_with("symbolon:") && card.len() <= 195, "{card}");
    let refused = dea.run(&["--json", "add", &card]).unwrap();
    assert!(refused.stdout.contains("is_card"), "{}", refused.stdout);

    ana.json(&["send", ROOM, "before Deborah"]).unwrap();
    // Deborah, whom Benjamin knows, knocks and is in.
    let asked = dea.json(&["room", "knock", &card]).unwrap().remove(0);
    assert_fields(&asked, REQUEST);
    assert_eq!((&asked["kind"], &asked["direction"]), (&"knock".into(), &"out".into()));
    let knocked = knock(&dea, "out", "confirmed", LATER);
    assert_eq!((&knocked["name"], &knocked["room_name"]), (&NAMES[1].into(), &ROOM.into()));
    for node in [&ana, &ben, &cem, &dea] {
        within(SOON, "four are in the room", || Ok((members(node) == 4).then_some(()))).unwrap();
    }
    assert_eq!(knock(&ben, "in", "confirmed", SOON)["name"], NAMES[3]);
    dea.json(&["send", ROOM, "hello from Deborah"]).unwrap();
    for node in [&ana, &ben, &cem] {
        let heard = within(SOON, "her hello is there", || {
            Ok(node.json(&["read", ROOM, "--peek"])?.into_iter().find(|message| message["text"] == "hello from Deborah"))
        });
        assert_eq!(heard.unwrap()["from"], NAMES[3]);
    }

    // Evangeline, whom nobody knows, is turned away.
    eva.json(&["room", "knock", &card]).unwrap();
    let away = knock(&eva, "out", "expired", LATER);
    assert!(away["fault"].as_str().unwrap().contains("not vouched"), "{away}");

    // Cemalettin vouches for Fayruza, who does not know him: she is warned, and leaves.
    fay.json(&["room", "knock", &card]).unwrap();
    let words = fay.json(&["id"]).unwrap()[0]["id"].as_str().unwrap().to_owned();
    let listed = within(LATER, "he sees her knock", || {
        Ok(cem.json(&["requests"])?.into_iter().find(|row| row["kind"] == "knock" && row["peer"] == words.as_str()))
    });
    let listed = listed.unwrap();
    assert_eq!((&listed["status"], &listed["room_name"]), (&"pending".into(), &ROOM.into()));
    cem.json(&["room", "vouch", listed["request"].as_str().unwrap()]).unwrap();
    let warned = knock(&fay, "out", "cancelled", LATER);
    assert!(warned["fault"].as_str().unwrap().contains("do not know"), "{warned}");
    assert_eq!(members(&ana), 4, "neither of them is in");
    assert_eq!((members(&eva), members(&fay)), (0, 0));

    a_newcomer_reads_what_is_said_while_they_are_in(&ana, [&ben, &cem], &dea);
    #[cfg(target_os = "linux")]
    super::knock_flood::a_friend_comes_in_through(&hub, [&ana, &ben, &cem], &eva, &card);

    let mut nodes = [ana, ben, cem, dea, eva, fay];
    let ids: Vec<String> = nodes.iter().map(|node| node.json(&["id"]).unwrap()[0]["id"].as_str().unwrap().to_owned()).collect();
    let folder = hub.folder().to_owned();
    let log = said(&folder);
    drop(hub);
    assert!(log.contains("the relay has started") && log.contains("what the relay keeps"), "the log says something: {log}");
    for node in &mut nodes {
        node.interrupt().unwrap();
    }
    let keys: Vec<Vec<u8>> = nodes.iter().flat_map(|node| keys_of(node, home)).collect();
    assert!(keys.len() > 3 * nodes.len(), "of people and of the room");
    hub_keeps_nothing(&[bytes_in(&folder), log.into_bytes()].concat(), &ids, &card, keys);
}

/// And nothing of before, or of after.
fn a_newcomer_reads_what_is_said_while_they_are_in(ana: &Node, others: [&Node; 2], dea: &Node) {
    ana.json(&["room", "remove", ROOM, NAMES[3]]).unwrap();
    let out = || Ok(dea.json(&["room", "list"])?.is_empty().then_some(()));
    within(SOON, "she is out", out).unwrap();
    ana.json(&["send", ROOM, "after Deborah"]).unwrap();
    let all = ["before Deborah", "hello from Deborah", "after Deborah"];
    // Beside them the room says who has come and gone.
    let texts = |node: &Node| -> Vec<String> {
        let rows = node.json(&["read", ROOM, "--peek"]).unwrap();
        rows.into_iter().filter_map(|row| row["text"].as_str().filter(|text| all.contains(text)).map(str::to_owned)).collect()
    };
    for node in others {
        let read = within(SOON, "the others read it", || Ok((texts(node) == all).then_some(())));
        read.unwrap_or_else(|late| panic!("{late}: {:?}", texts(node)));
    }
    // What is for her is there by now: what she says to a friend is.
    dea.json(&["send", NAMES[1], "I am out", "--wait", "delivered", "--timeout", "30s"]).unwrap();
    assert_eq!(texts(dea), [all[1]]);
}

/// Neither as text nor as bytes: ids, names, texts, keys, the card, and the secret in it, from which the keys of its body come.
fn hub_keeps_nothing(kept: &[u8], ids: &[String], card: &str, keys: Vec<Vec<u8>>) {
    let bytes_of = |text: &str| data_encoding::BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).unwrap();
    let secret = bytes_of(card.strip_prefix("symbolon:").unwrap())[1..17].to_vec();
    let texts = ids.iter().map(String::as_str).chain(NAMES).chain([ROOM, card, "hello from Deborah"]);
    let mut words: Vec<Vec<u8>> = texts.map(|text| text.as_bytes().to_vec()).collect();
    words.extend(ids.iter().map(|id| bytes_of(id)));
    words.push(secret);
    words.extend(keys);
    for word in words {
        assert!(!kept.windows(word.len()).any(|window| window == word), "the hub keeps {:?}", String::from_utf8_lossy(&word));
    }
}

#[test]
fn by_a_member_s_own_node_come_in_who_knocks_past_a_voucher_who_vanished_and_who_vanished_themselves() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let relay = Node::start(&home.join("relay"), &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let [mut ana, ben, cem, dea, mut eva] =
        [0, 1, 2, 3, 4].map(|at| person(home, NAMES[at], &link, if at == 0 { &["--hub"] } else { &[] }));
    crew(&ana, &ben, &cem);
    befriend((&ben, NAMES[1]), (&dea, NAMES[3])).unwrap();
    befriend((&cem, NAMES[2]), (&dea, NAMES[3])).unwrap();
    befriend((&cem, NAMES[2]), (&eva, NAMES[4])).unwrap();
    let card = ana.json(&["room", "card", ROOM]).unwrap().remove(0)["card"].as_str().unwrap().to_owned();
    // It goes on as a hub without the flag.
    ana.interrupt().unwrap();
    let ana = Node::start(&home.join(NAMES[0]), &["--no-lan", "--listen", TCP]).unwrap();

    // Two know her. One of them is silent, whether asked first or not; and she has the name of the other one.
    dea.json(&["name", NAMES[2]]).unwrap();
    ben.freeze().unwrap();
    dea.json(&["room", "knock", &card]).unwrap();
    assert_eq!(knock(&dea, "out", "confirmed", LATER)["name"], NAMES[2]);
    ben.thaw().unwrap();
    for node in [&ana, &ben, &cem, &dea] {
        within(SOON, "four are in the room, once each", || Ok((members(node) == 4).then_some(()))).unwrap();
    }
    let id = dea.json(&["id"]).unwrap()[0]["id"].as_str().unwrap().to_owned();
    let called = |row: &Value| row["name"].as_str().unwrap_or_default().to_owned();
    let shown = || {
        let names: Vec<String> = ana.json(&["room", "members", ROOM])?.iter().map(called).collect();
        Ok((names.contains(&NAMES[2].to_owned()) && names.iter().any(|name| name.contains(&id[..8]))).then_some(()))
    };
    within(SOON, "who has a member's name is shown by their id beside it", shown).unwrap();

    // Evangeline vanishes while she waits, and comes back.
    eva.json(&["room", "knock", &card]).unwrap();
    knock(&eva, "out", "pending", SOON);
    eva.kill().unwrap();
    eva.restart().unwrap();
    knock(&eva, "out", "confirmed", LATER);
    within(SOON, "five are in the room", || Ok((members(&eva) == 5).then_some(()))).unwrap();
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

//! What nodes and a relay write of what people do with them: nothing that names anybody, at the finest level of the log, in
//! error texts, and in the files.

use super::introduction::question;
use std::path::Path;
use std::time::Duration;
use symbolon_presence::id::PeerId;
use symbolon_tests::node::{Node, befriend, said, within};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const SOON: Duration = Duration::from_secs(40);
/// Long enough that chance does not write them.
const NAMES: [&str; 3] = ["Anastasia", "Benjamin", "Cemalettin"];
const ROOM: &str = "The whole crew";
const SAID: [&str; 4] = ["we met at the old harbour", "what only two may read", "who sails on Sunday", "what the whole crew may read"];

fn friends(node: &Node, count: usize) {
    within(SOON, "they are friends", || Ok((node.json(&["friends"])?.len() == count).then_some(()))).unwrap();
}

/// All files of a folder.
fn bytes_in(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.flat_map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn a88_r11_s4_13_whatever_people_do_no_log_no_error_and_no_file_of_real_nodes_and_their_relay_names_anybody() {
    let home = tempfile::tempdir().unwrap();
    let start = |name: &str, more: &[&str]| Node::start(&home.path().join(name), &[more, &["-vvv", "--listen", TCP]].concat()).unwrap();
    let relay = start("relay", &["relay", "run", "--open", "--hub"]);
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let person = |folder: &str, name: &str| {
        let node = start(folder, &["--no-lan", "--name", name, "--relay", &link]);
        within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(())))
            .unwrap();
        node
    };
    let [mut ana, ben, cem] = [("one", NAMES[0]), ("two", NAMES[1]), ("three", NAMES[2])].map(|(folder, name)| person(folder, name));
    let laptop = person("four", NAMES[0]);

    // They befriend, are introduced, write, meet in a room, add a device, block each other, and are away.
    let invite = ana.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    ben.json(&["add", &invite, "--note", SAID[0]]).unwrap();
    let request = symbolon_tests::node::pending(&ana).unwrap();
    ana.json(&["accept", &request]).unwrap();
    friends(&ana, 1);
    befriend((&ana, NAMES[0]), (&cem, NAMES[2])).unwrap();
    ana.json(&["introduce", NAMES[1], NAMES[2]]).unwrap();
    for node in [&ben, &cem] {
        node.json(&["accept", &question(node)]).unwrap();
    }
    friends(&ben, 2);
    ana.json(&["send", NAMES[1], SAID[1], "--wait", "delivered", "--timeout", "40s"]).unwrap();
    ana.json(&["room", "create", ROOM]).unwrap();
    ana.json(&["room", "topic", ROOM, SAID[2]]).unwrap();
    ana.json(&["room", "add", ROOM, NAMES[1], NAMES[2]]).unwrap();
    within(SOON, "three are in the room", || {
        Ok((cem.json(&["room", "list"])?.first().is_some_and(|room| room["members"] == 3)).then_some(()))
    })
    .unwrap();
    cem.json(&["send", ROOM, SAID[3]]).unwrap();
    let card = ana.json(&["room", "card", ROOM]).unwrap()[0]["card"].as_str().unwrap().to_owned();
    let code = ana.json(&["device", "pair"]).unwrap()[0]["code"].as_str().unwrap().to_owned();
    laptop.json(&["device", "join", &code]).unwrap();
    friends(&laptop, 2);
    cem.json(&["block", NAMES[1]]).unwrap();
    ben.json(&["unfriend", NAMES[2], "--yes"]).unwrap();
    ana.kill().unwrap();
    ana.restart().unwrap();
    ana.json(&["send", NAMES[2], SAID[1], "--wait", "delivered", "--timeout", "40s"]).unwrap();
    let own = ana.json(&["id"]).unwrap().remove(0);

    // And make mistakes. To ask a friend again is one while they answer; of one who does not, it makes the friendship again.
    within(SOON, "the second knows that the first is back", || {
        Ok(ben.json(&["friends"])?.iter().any(|friend| friend["name"] == NAMES[0] && friend["online"] == true).then_some(()))
    })
    .unwrap();
    let bent = format!("{}zz", &invite[..invite.len() - 2]);
    let mut printed = String::new();
    for wrong in [&["add", &bent][..], &["add", &invite], &["accept", &request], &["device", "join", &code], &["relay", "add", &link[..60]]]
    {
        let ran = ben.run(wrong).unwrap();
        assert_eq!(ran.code, Some(1), "{ran:?}");
        printed += &(ran.stdout + &ran.stderr);
    }
    printed += &[&ana, &ben, &cem, &laptop, &relay].map(|node| said(node.folder())).concat();
    assert!(printed.len() > 2_000, "there is a log: {}", printed.len());

    let mut secrets: Vec<String> = NAMES.iter().chain(&SAID).map(|text| (*text).to_owned()).collect();
    secrets.extend([ROOM, "127.0.0.1", &invite, &code, &card, &link].map(str::to_owned));
    secrets.extend([&invite, &card, &link, &code].map(|secret| secret[secret.len() - 20..].to_owned()));
    secrets.push(own["words"].as_str().unwrap().to_owned());
    secrets.push(own["device"].as_str().unwrap().to_owned());
    for node in [&ana, &ben, &cem] {
        let raw: PeerId = node.ready["id"].as_str().unwrap().parse().unwrap();
        secrets.extend([raw.to_string(), raw.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()]);
        secrets.push(format!("tcp/{}", node.ready["listen"][0].as_str().unwrap().rsplit('/').next().unwrap()));
    }
    for secret in &secrets {
        assert!(!printed.contains(secret.as_str()), "{secret} is written");
    }
    // Nor do the folders: what stands there in clear are the node's own settings, and where its page is.
    let texts = secrets.iter().filter(|secret| !secret.contains("127.0.0.1") && !secret.starts_with("tcp/"));
    let files = [&ana, &ben, &cem, &laptop, &relay].map(|node| bytes_in(node.folder())).concat();
    let files = String::from_utf8_lossy(&files);
    for secret in texts.filter(|secret| !link.contains(secret.as_str())) {
        assert!(!files.contains(secret.as_str()), "{secret} lies in a file");
    }
}

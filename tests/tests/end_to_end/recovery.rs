//! A disk that died: backup, words, and a fresh folder.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use symbolon_tests::node::{Node, binary, calm, pending, run, within};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const SOON: Duration = Duration::from_secs(30);

fn person(folder: &Path, name: &str, link: &str) -> Node {
    Node::start(folder, &["-vvv", "--listen", TCP, "--name", name, "--relay", link]).unwrap()
}

fn texts(node: &Node) -> Vec<String> {
    node.json(&["read", "--peek"]).unwrap().iter().filter_map(|message| message["text"].as_str().map(str::to_owned)).collect()
}

fn wait_for_text(node: &Node, text: &str) {
    within(SOON, text, || Ok(texts(node).iter().any(|there| there == text).then_some(()))).unwrap();
}

/// Runs `backup restore` with words on standard input. Answers its one line, and whether it went well.
fn restore(folder: &Path, file: &Path, words: &str) -> (serde_json::Value, bool) {
    restore_by(folder, &[file.to_str().unwrap()], words)
}

fn restore_by(folder: &Path, arguments: &[&str], words: &str) -> (serde_json::Value, bool) {
    let mut command = Command::new(binary().unwrap());
    command.arg("--data").arg(folder).args(["--json", "backup", "restore"]).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(words.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    (serde_json::from_slice(&done.stdout).unwrap(), done.status.success())
}

#[test]
fn r13_a_person_whose_disk_died_goes_on_by_words_and_backup_and_a_friend_notices_one_line() {
    let home = tempfile::tempdir().unwrap();
    let [andi, ben, host, fresh] = ["andi", "ben", "host", "fresh"].map(|name| home.path().join(name));
    let relay = Node::start(&host, &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let mut a = person(&andi, "Andi", &link);
    let b = person(&ben, "Ben", &link);
    let invite = a.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    b.json(&["add", &invite]).unwrap();
    a.json(&["accept", &pending(&a).unwrap()]).unwrap();
    within(SOON, "they are friends", || Ok((a.json(&["friends"])?.first().is_some_and(|view| view["mutual"] == true)).then_some(())))
        .unwrap();
    a.json(&["send", "Ben", "before", "--wait", "delivered"]).unwrap();
    b.json(&["room", "create", "Crew"]).unwrap();
    b.json(&["room", "add", "Crew", "Andi"]).unwrap();
    // What is written before somebody has come in is not for them.
    within(SOON, "Andi is in the room", || Ok((a.json(&["room", "list"])?.len() == 1).then_some(()))).unwrap();
    b.json(&["send", "Crew", "to the crew"]).unwrap();
    wait_for_text(&a, "to the crew");

    let words = a.json(&["id", "phrase"]).unwrap()[0]["phrase"].as_str().unwrap().to_owned();
    assert_eq!(words.split(' ').count(), 24);
    let file = home.path().join("backup");
    let made = a.json(&["backup", "create", file.to_str().unwrap()]).unwrap();
    assert!(made[0]["file"].as_str().unwrap().ends_with("backup"));
    let again = run(&andi, &["--json", "backup", "create", file.to_str().unwrap()]).unwrap();
    assert_eq!(again.objects().unwrap()[0]["error"], "file_exists", "no backup is overwritten");
    a.json(&["id", "phrase", "--confirm"]).unwrap();
    let gone = run(&andi, &["--json", "id", "phrase"]).unwrap();
    assert_eq!(gone.objects().unwrap()[0]["error"], "phrase_gone");
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(6).any(|part| part == b"before"), "a backup shows nothing");
    let before = a.json(&["device", "list"]).unwrap()[0].clone();
    let id = a.json(&["id"]).unwrap()[0].clone();

    a.kill().unwrap();
    std::fs::remove_dir_all(&andi).unwrap();
    b.json(&["send", "Andi", "while your disk was dead"]).unwrap();
    let (refused, is_good) = restore(&fresh, &file, "one two three");
    assert!(!is_good && refused["error"] == "bad_phrase" && !fresh.exists(), "{refused}");
    let (restored, is_good) = restore(&fresh, &file, &words);
    assert!(is_good && restored["id"] == id["id"] && restored["device"] != id["device"], "{restored}");
    let (refused, is_good) = restore(&fresh, &file, &words);
    assert!(!is_good && refused["error"] == "not_fresh", "{refused}");

    let a = Node::start(&fresh, &["-vvv", "--listen", TCP]).unwrap();
    assert_eq!(a.ready["id"], id["id"]);
    within(SOON, "the friend's device answers", || Ok((a.json(&["friends"])?[0]["mutual"] == true).then_some(()))).unwrap();
    wait_for_text(&a, "before");
    wait_for_text(&a, "to the crew");
    assert_eq!(a.json(&["room", "list", "--all"]).unwrap()[0]["standing"], "left", "it is read, and nobody is in it by a backup");
    wait_for_text(&a, "while your disk was dead");
    a.json(&["send", "Ben", "I am back", "--wait", "delivered"]).unwrap();
    b.json(&["send", "Andi", "good to see you", "--wait", "delivered"]).unwrap();
    let friends = b.json(&["friends"]).unwrap();
    assert!(friends.len() == 1 && friends[0]["id"] == id["id"] && friends[0]["name"] == "Andi");
    let lost = before["device"].as_str().unwrap();
    a.json(&["device", "remove", lost]).unwrap();
    within(SOON, "the lost device is gone", || Ok((a.json(&["device", "list"])?.len() == 1).then_some(()))).unwrap();
    b.json(&["send", "Andi", "to the new one alone", "--wait", "delivered"]).unwrap();
    for folder in [&fresh, &ben] {
        calm(folder).unwrap();
    }
}

#[test]
fn r13_a_person_whose_disk_died_goes_on_by_the_words_alone_and_texts_go_each_way() {
    let home = tempfile::tempdir().unwrap();
    let [andi, ben, host, other, probe, fresh] = ["andi", "ben", "host", "other", "probe", "fresh"].map(|name| home.path().join(name));
    let relay = Node::start(&host, &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let empty = Node::start(&other, &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let [link, empty] = [&relay, &empty].map(|relay| relay.ready["link"].as_str().unwrap().to_owned());
    let mut a = person(&andi, "Andi", &link);
    let b = person(&ben, "Ben", &link);
    let invite = a.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    b.json(&["add", &invite]).unwrap();
    a.json(&["accept", &pending(&a).unwrap()]).unwrap();
    within(SOON, "they are friends", || Ok((a.json(&["friends"])?.first().is_some_and(|view| view["mutual"] == true)).then_some(())))
        .unwrap();
    a.json(&["rename", "Ben", "Benny"]).unwrap();
    let by_words = |folder: &Path, words: &str, link: &str| restore_by(folder, &["--phrase", "-", "--relay", link], words);

    let shown = a.json(&["id", "phrase"]).unwrap()[0].clone();
    let words = shown["phrase"].as_str().unwrap();
    assert_eq!(shown["relays"], serde_json::json!([link]), "the link stands beside the words");
    a.json(&["id", "phrase", "--confirm"]).unwrap();
    let id = a.json(&["id"]).unwrap()[0].clone();
    within(SOON, "it lies at the relay", || {
        let (done, is_good) = by_words(&probe, words, &link);
        assert!(is_good || done["error"] == "nothing_there" && !probe.exists(), "{done}");
        Ok(is_good.then_some(()))
    })
    .unwrap();

    a.kill().unwrap();
    std::fs::remove_dir_all(&andi).unwrap();
    b.json(&["send", "Andi", "while your disk was dead"]).unwrap();
    for (phrase, arguments, error) in [
        ("one two three", vec!["--phrase", "-", "--relay", &link], "bad_phrase"),
        (words, vec!["--phrase", "-"], "no_relay"),
        (words, vec!["--phrase", "-", "--relay", "symbolon:relay:aaaa"], "bad_link"),
        (words, vec!["--phrase", "-", "--relay", &empty], "nothing_there"),
    ] {
        let (refused, is_good) = restore_by(&fresh, &arguments, phrase);
        assert!(!is_good && refused["error"] == error && !fresh.exists(), "{error}: {refused}");
    }
    let (restored, is_good) = by_words(&fresh, words, &link);
    assert!(is_good && restored["id"] == id["id"] && restored["device"] != id["device"], "{restored}");
    super::assert_time(&restored["as_of"]);
    let (refused, is_good) = by_words(&fresh, words, &link);
    assert!(!is_good && refused["error"] == "not_fresh", "{refused}");

    let a = Node::start(&fresh, &["-vvv", "--listen", TCP]).unwrap();
    assert_eq!(a.ready["id"], id["id"]);
    within(SOON, "the friend's device answers", || Ok((a.json(&["friends"])?[0]["mutual"] == true).then_some(()))).unwrap();
    assert_eq!(a.json(&["friends"]).unwrap()[0]["name"], "Benny");
    wait_for_text(&a, "while your disk was dead");
    a.json(&["send", "Benny", "I am back", "--wait", "delivered"]).unwrap();
    b.json(&["send", "Andi", "good to see you", "--wait", "delivered"]).unwrap();
    let friends = b.json(&["friends"]).unwrap();
    assert!(friends.len() == 1 && friends[0]["id"] == id["id"] && friends[0]["name"] == "Andi");
    for folder in [&fresh, &ben] {
        calm(folder).unwrap();
    }
}

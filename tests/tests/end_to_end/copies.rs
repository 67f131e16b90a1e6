//! Copies of a data folder, as people make them: an older one that is put back, and one that runs elsewhere.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use symbolon_tests::node::{Carrier, Node, Pair, calm, start, within};

const SOON: Duration = Duration::from_secs(60);
const OLDER: &str = "This folder is an older copy: friends have seen a newer state of it.";
const SEEN: &str = "Run `symbolon device confirm` when you have seen this.";
const RETURNED: &str = "A device of Andi came back from an older copy (1 time within a week): if Andi did not do it, \
                        somebody may have copied their folder. Ask them.";
const SECOND: &str = "Another copy of this folder runs, or ran a moment ago. This one has stopped for a minute: it sends and receives nothing. \
                      Then the copy that was started last becomes a new device of yours, and the other one goes on. \
                      Run `symbolon device confirm` where you want to go on as the device that you had.";
const MOVED: &str = "Another copy of this folder runs, so this one is a new device of yours since then, called \"copy\": ";

/// A copy of a folder whose node does not run.
fn copy(folder: &Path, to: &str) -> PathBuf {
    let copy = folder.with_file_name(to);
    let _ = std::fs::remove_dir_all(&copy);
    let done = Command::new("cp").args(["-a".as_ref(), folder.as_os_str(), copy.as_os_str()]).status().unwrap();
    assert!(done.success(), "{} is copied", folder.display());
    copy
}

fn problems(node: &Node) -> Vec<String> {
    let status = node.json(&["status"]).unwrap();
    status[0]["problems"].as_array().unwrap().iter().map(|problem| problem.as_str().unwrap().to_owned()).collect()
}

/// Waits until a problem stands there, word by word.
fn says(node: &Node, problem: &str) {
    let said = within(SOON, "it is said", || Ok(problems(node).iter().any(|said| said == problem).then_some(())));
    assert!(said.is_ok(), "{problem:?} in {:?}", problems(node));
}

fn delivered(from: &Node, to: &str, text: &str) {
    let sent = from.json(&["send", to, text, "--wait", "delivered", "--timeout", "50s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered", "{text}");
}

/// What stands in a node's history, each text once.
fn texts(node: &Node) -> Vec<String> {
    let rows = node.json(&["read", "--peek"]).unwrap();
    let texts: Vec<String> = rows.iter().filter_map(|row: &Value| row["text"].as_str().map(str::to_owned)).collect();
    let mut once = texts.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), texts.len(), "each is shown once: {texts:?}");
    texts
}

/// Waits until all these texts are shown, each once.
fn shows(node: &Node, wanted: &[&str]) {
    let there = within(SOON, "the texts are shown", || {
        let shown = texts(node);
        Ok(wanted.iter().all(|text| shown.iter().any(|shown| shown == text)).then_some(()))
    });
    assert!(there.is_ok(), "{wanted:?} in {:?}", texts(node));
}

#[test]
fn a107_an_older_copy_of_a_real_folder_is_said_at_both_ends_and_loses_nothing() {
    let mut pair = Pair::befriended(Carrier::Tcp).unwrap();
    delivered(&pair.andi, "Ben", "before");
    delivered(&pair.ben, "Andi", "before, too");
    pair.andi.interrupt().unwrap();
    let folder = pair.andi.folder().to_owned();
    let older = copy(&folder, "older");
    pair.andi.restart().unwrap();
    for text in ["newer 1", "newer 2", "newer 3"] {
        delivered(&pair.andi, "Ben", text);
    }
    for text in ["to the newer 1", "to the newer 2"] {
        delivered(&pair.ben, "Andi", text);
    }
    pair.andi.interrupt().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(&older, &folder).unwrap();
    pair.andi.restart().unwrap();

    // Both write at once, before anything is healed.
    pair.andi.json(&["send", "Ben", "after"]).unwrap();
    delivered(&pair.ben, "Andi", "after, too");
    says(&pair.andi, &format!("{OLDER} 3 texts that you sent from the newer state are with your friends, and not here. {SEEN}"));
    says(&pair.ben, RETURNED);
    shows(&pair.andi, &["before, too", "to the newer 1", "to the newer 2", "after, too"]);
    shows(&pair.ben, &["before", "newer 1", "newer 2", "newer 3", "after"]);
    delivered(&pair.andi, "Ben", "and on");
    delivered(&pair.ben, "Andi", "and on, too");

    // Seen: the line does not come back.
    pair.andi.json(&["device", "confirm"]).unwrap();
    assert!(!problems(&pair.andi).iter().any(|problem| problem.starts_with(OLDER)));
    pair.assert_calm().unwrap();
}

#[test]
fn a107_a_copied_folder_that_runs_elsewhere_is_said_by_both_and_the_original_goes_on_and_the_copy_becomes_a_device() {
    let mut pair = Pair::befriended(Carrier::Tcp).unwrap();
    let home = tempfile::tempdir().unwrap();
    let relay = Node::start(&home.path().join("relay"), &["relay", "run", "--open", "--listen", "/ip4/127.0.0.1/tcp/0"]).unwrap();
    pair.andi.json(&["relay", "add", relay.ready["link"].as_str().unwrap()]).unwrap();
    delivered(&pair.andi, "Ben", "before");
    pair.andi.interrupt().unwrap();
    let elsewhere = copy(pair.andi.folder(), "elsewhere");
    pair.andi.restart().unwrap();
    delivered(&pair.andi, "Ben", "from the original");

    let mut rival = start(&elsewhere, Carrier::Tcp).unwrap();
    says(&pair.andi, SECOND);
    says(&rival, SECOND);
    rival.interrupt().unwrap();
    // What is written meanwhile waits.
    pair.andi.json(&["send", "Ben", "waits"]).unwrap();
    pair.andi.json(&["device", "confirm"]).unwrap();
    shows(&pair.ben, &["before", "from the original", "waits"]);
    delivered(&pair.andi, "Ben", "goes on");
    delivered(&pair.ben, "Andi", "goes on, too");
    assert!(!problems(&pair.andi).iter().any(|problem| problem == SECOND));

    // It runs again, and nobody says which of them goes on: it is a device of its own from then on.
    let mut copy = start(&elsewhere, Carrier::Tcp).unwrap();
    let moved = within(3 * SOON, "the copy is another device", || {
        // While it starts again nobody answers.
        let Ok(status) = copy.json(&["status"]) else { return Ok(None) };
        let said = status[0]["problems"].as_array().unwrap().iter().filter_map(Value::as_str).any(|said| said.starts_with(MOVED));
        Ok(said.then_some(()))
    });
    assert!(moved.is_ok(), "{:?}", problems(&copy));
    within(SOON, "both know each other", || {
        let settled = |node: &Node| node.json(&["device", "list"]).unwrap().iter().filter(|view| view["settled"] == true).count();
        Ok((settled(&pair.andi) == 2 && settled(&copy) == 2).then_some(()))
    })
    .unwrap();
    delivered(&copy, "Ben", "by the copy");
    delivered(&pair.andi, "Ben", "by the original");
    delivered(&pair.ben, "Andi", "to both");
    let all = ["before", "from the original", "waits", "goes on", "goes on, too", "by the copy", "by the original", "to both"];
    for node in [&pair.andi, &pair.ben, &copy] {
        shows(node, &all);
    }
    copy.json(&["device", "confirm"]).unwrap();
    copy.restart().unwrap();
    assert!(!problems(&copy).iter().any(|problem| problem.starts_with(MOVED)), "seen");
    copy.interrupt().unwrap();
    pair.assert_calm().unwrap();
    calm(&elsewhere).unwrap();
}

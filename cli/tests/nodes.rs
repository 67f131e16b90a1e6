//! Real nodes, as a user runs them: the built command, real folders, loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

fn symbolon(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_symbolon"));
    command.arg("--data").arg(folder).arg("--json").args(args).env_remove("SYMBOLON_DATA").stdin(Stdio::null());
    command
}

fn objects(output: &Output) -> Vec<Value> {
    std::str::from_utf8(&output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A node in a folder; killed when dropped.
struct Node {
    folder: PathBuf,
    process: Child,
    ready: Value,
    _stdout: BufReader<ChildStdout>,
}

impl Node {
    fn up(folder: &Path, flags: &[&str]) -> Self {
        let args = [&["up", "--listen", "/ip4/127.0.0.1/tcp/0"], flags].concat();
        let mut process = symbolon(folder, &args).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        let begun = Instant::now();
        stdout.read_line(&mut line).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10), "the first line within 10 s");
        let ready: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["event"], "ready", "{ready}");
        Self { folder: folder.to_owned(), process, ready, _stdout: stdout }
    }

    /// One command, which must succeed.
    fn run(&self, args: &[&str]) -> Vec<Value> {
        let output = symbolon(&self.folder, args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        objects(&output)
    }

    /// Repeats a command until its answer is as it should become.
    fn until(&self, args: &[&str], holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let answer = self.run(args);
            if holds(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{args:?} stays {answer:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn texts(&self) -> Vec<Value> {
        self.run(&["read", "--peek"]).into_iter().map(|view| view["text"].clone()).collect()
    }

    /// SIGTERM; the node must end well within 5 s.
    fn stop(mut self) {
        let status = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
        let begun = Instant::now();
        let status = self.process.wait().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(status.code(), Some(0));
    }

    /// SIGKILL, as a power cut for the process.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Gone already after `stop` and `kill`.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Pair {
    _home: TempDir,
    a: Node,
    b: Node,
}

/// Two friends.
fn friends() -> Pair {
    let home = tempfile::tempdir().unwrap();
    let a = Node::up(&home.path().join("a"), &["--name", "Andi"]);
    let b = Node::up(&home.path().join("b"), &["--name", "Berta"]);
    let link = a.run(&["invite"])[0]["link"].as_str().unwrap().to_owned();
    assert!(link.starts_with("symbolon:"));
    let asked = b.run(&["add", &link, "--note", "it is me"]);
    assert_eq!((&asked[0]["direction"], &asked[0]["trust"]), (&json!("out"), &json!("invited")));
    let pending = a.until(&["requests"], |rows| !rows.is_empty());
    assert_eq!((&pending[0]["status"], &pending[0]["name"], &pending[0]["note"]), (&json!("pending"), &json!("Berta"), &json!("it is me")));
    a.run(&["accept", pending[0]["request"].as_str().unwrap()]);
    for (node, name) in [(&a, "Berta"), (&b, "Andi")] {
        let listed = node.until(&["friends"], |rows| rows.first().is_some_and(|row| row["mutual"] == true));
        assert_eq!(listed[0]["name"], name);
    }
    Pair { _home: home, a, b }
}

#[test]
fn two_nodes_befriend_talk_and_keep_their_history_over_restarts() {
    let Pair { _home, a, b } = friends();
    assert_eq!(a.run(&["send", "Berta", "one", "--wait", "delivered"])[0]["state"], "delivered");
    assert_eq!(b.run(&["send", "Andi", "two", "--wait", "delivered"])[0]["state"], "delivered");
    let id = a.ready["id"].clone();
    let (folder_a, folder_b) = (a.folder.clone(), b.folder.clone());
    a.stop();
    assert_eq!(objects(&symbolon(&folder_a, &["id"]).output().unwrap())[0]["error"], "not_running");
    // Written while the friend is away: kept here, delivered when the friend is back.
    let sent = b.run(&["send", "Andi", "three"]);
    assert_ne!(sent[0]["state"], "delivered");
    b.kill();
    let a = Node::up(&folder_a, &["--listen", "/ip4/127.0.0.1/tcp/0"]);
    let b = Node::up(&folder_b, &[]);
    assert_eq!(a.ready["id"], id);
    let message = sent[0]["message"].as_str().unwrap();
    b.until(&["read", "--peek"], |rows| rows.iter().any(|row| row["message"] == message && row["state"] == "delivered"));
    for node in [&a, &b] {
        assert_eq!(node.texts(), ["one", "two", "three"]);
    }
}

#[test]
fn ended_friendship_fails_what_waits_and_can_be_made_again() {
    let Pair { _home, a, b } = friends();
    assert_eq!(a.run(&["send", "Berta", "before", "--wait", "delivered"])[0]["state"], "delivered");
    let folder_b = b.folder.clone();
    b.stop();
    let waiting = a.run(&["send", "Berta", "never arrives"])[0]["message"].clone();
    assert_eq!(a.run(&["unfriend", "Berta"])[0]["name"], "Berta");
    assert_eq!(a.run(&["friends"]), Vec::<Value>::new());
    let rows = a.run(&["read", "Berta", "--peek"]);
    assert_eq!(rows[0]["state"], "delivered");
    assert_eq!((&rows[1]["message"], &rows[1]["state"]), (&waiting, &json!("failed")));
    assert!(rows[1]["reason"].as_str().unwrap().contains("friendship"));
    let refused = symbolon(&a.folder, &["send", "Berta", "again"]).output().unwrap();
    assert_eq!((refused.status.code(), &objects(&refused)[0]["error"]), (Some(1), &json!("not_friends")));

    let b = Node::up(&folder_b, &[]);
    let link = b.run(&["invite"])[0]["link"].as_str().unwrap().to_owned();
    a.run(&["add", &link]);
    // The other side was not notified and still counts Andi as a friend: it need not ask.
    a.until(&["friends"], |rows| rows.first().is_some_and(|row| row["mutual"] == true && row["name"] == "Berta"));
    assert_eq!(a.run(&["send", "Berta", "after", "--wait", "delivered"])[0]["state"], "delivered");
    assert_eq!(b.texts(), ["before", "after"]);
    assert_eq!(a.texts(), ["before", "never arrives", "after"]);
}

#[test]
fn message_not_delivered_in_its_time_fails_with_a_reason_and_what_follows_arrives() {
    let Pair { _home, a, b } = friends();
    let folder_b = b.folder.clone();
    b.stop();
    let sent = a.run(&["send", "Berta", "too late", "--expires", "1s"]);
    assert_eq!(sent[0]["state"], "queued");
    a.run(&["send", "Berta", "in time"]);
    let rows = a.until(&["read", "--peek"], |rows| rows[0]["state"] == "failed");
    assert_eq!(rows[0]["reason"], "it was not delivered in the time it was given; a copy that lies at a relay may still arrive");
    let b = Node::up(&folder_b, &[]);
    b.until(&["read"], |rows| !rows.is_empty());
    assert_eq!(b.texts(), ["in time"]);
    a.until(&["read", "--peek"], |rows| rows[1]["state"] == "read");
    assert_eq!(a.run(&["read", "--peek"])[0]["state"], "failed");
}

#[test]
fn texts_of_both_sides_are_found_by_their_words_also_after_a_restart() {
    let Pair { _home, a, b } = friends();
    a.run(&["send", "Berta", "Shall we meet at the café on Friday?", "--wait", "delivered"]);
    b.run(&["send", "Andi", "FRIDAY is fine, it's a holiday", "--wait", "delivered"]);
    let found = |node: &Node, args: &[&str]| -> Vec<Value> {
        node.run(&[&["search"], args].concat()).into_iter().map(|view| view["text"].clone()).collect()
    };
    for node in [&a, &b] {
        assert_eq!(found(node, &["friday"]).len(), 2);
        assert_eq!(found(node, &["cafe", "fri"]), ["Shall we meet at the café on Friday?"]);
        assert_eq!(found(node, &["it's"]), ["FRIDAY is fine, it's a holiday"]);
        assert_eq!(found(node, &["\") OR text:* NOT"]), Vec::<Value>::new());
    }
    let folder = a.folder.clone();
    a.kill();
    let a = Node::up(&folder, &[]);
    assert_eq!(found(&a, &["holi"]), ["FRIDAY is fine, it's a holiday"]);
    assert_eq!(a.run(&["read", "--peek"])[1]["state"], "delivered", "searching marks nothing");
}

#[test]
fn doctor_of_a_real_node_sees_what_is_done_to_it() {
    let Pair { _home, a, b } = friends();
    let failing = |node: &Node| -> Vec<Value> {
        let output = symbolon(&node.folder, &["doctor"]).output().unwrap();
        let checks = objects(&output);
        let failing: Vec<_> = checks.iter().filter(|check| check["ok"] == false).map(|check| check["check"].clone()).collect();
        assert_eq!(output.status.code(), Some(i32::from(!failing.is_empty())), "{output:?}");
        failing
    };
    assert_eq!(failing(&a), Vec::<Value>::new());
    let detail = |node: &Node, name: &str| -> String {
        let checks = node.run(&["doctor"]);
        checks.iter().find(|check| check["check"] == name).unwrap()["detail"].as_str().unwrap().to_owned()
    };
    assert!(detail(&a, "friends").starts_with("1 friend, 1 online"));
    assert!(detail(&a, "key").contains("beside the data"));
    assert!(detail(&a, "store") == "no damage found", "a small store is checked at once");
    a.until(&["doctor"], |checks| checks.iter().any(|check| check["detail"] == "nothing waits to be delivered"));
    b.stop();
    a.run(&["send", "Berta", "for later"]);
    a.until(&["doctor"], |checks| checks.iter().any(|check| check["detail"].as_str().unwrap().starts_with("1 item waits")));
    a.until(&["friends"], |friends| friends[0]["online"] == false);
    assert!(detail(&a, "friends").starts_with("1 friend, 0 online"));
    let key = a.folder.join("store.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert_eq!(failing(&a), ["key"]);
    std::fs::write(&key, kept).unwrap();
    std::fs::rename(a.folder.join("symbolon.db"), a.folder.join("elsewhere")).unwrap();
    assert_eq!(failing(&a), ["store"]);
    std::fs::rename(a.folder.join("elsewhere"), a.folder.join("symbolon.db")).unwrap();
    assert_eq!(failing(&a), Vec::<Value>::new());
}

#[test]
fn export_of_a_real_node_is_its_history() {
    let Pair { _home, a, b } = friends();
    a.run(&["send", "Berta", "one", "--wait", "delivered"]);
    b.run(&["send", "Andi", "two", "--wait", "delivered"]);
    assert_eq!(objects(&symbolon(&a.folder, &["export", "--format", "jsonl"]).output().unwrap())[0]["error"], "not_confirmed");
    let exported = a.run(&["export", "Berta", "--format", "jsonl", "--yes"]);
    assert_eq!(exported, a.run(&["read", "--peek"]));
    assert_eq!(exported.iter().map(|view| &view["text"]).collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn one_folder_takes_one_process_and_a_killed_one_leaves_no_trace() {
    let home = tempfile::tempdir().unwrap();
    let node = Node::up(home.path(), &[]);
    let second = symbolon(home.path(), &["up"]).output().unwrap();
    assert_eq!((second.status.code(), &objects(&second)[0]["error"]), (Some(1), &json!("in_use")));
    assert_eq!(node.run(&["id"]).len(), 1, "the first continues");
    node.kill();
    assert_eq!(objects(&symbolon(home.path(), &["id"]).output().unwrap())[0]["error"], "not_running");
    Node::up(home.path(), &["--name", "Renamed"]).run(&["id"]).iter().for_each(|view| assert_eq!(view["name"], "Renamed"));
}

#[test]
fn page_address_of_a_real_node_is_on_loopback_and_changes_with_each_start() {
    let home = tempfile::tempdir().unwrap();
    let addresses = [(); 2].map(|()| {
        let node = Node::up(home.path(), &[]);
        let address = node.ready["http"].as_str().unwrap().to_owned();
        assert!(address.starts_with("http://127.0.0.1:"));
        node.stop();
        address
    });
    assert_ne!(addresses[0], addresses[1]);
}

#[test]
fn wrong_starts_end_with_a_sentence_and_a_hint_and_change_nothing() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("node");
    Node::up(&folder, &[]).stop();
    let store = folder.join("symbolon.db");
    let whole = std::fs::read(&store).unwrap();
    let fails = |args: &[&str]| -> String {
        let begun = Instant::now();
        let output = symbolon(&folder, &[&["up"], args].concat()).output().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(8));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let objects = objects(&output);
        assert_eq!(objects.len(), 1);
        assert!(["message", "hint"].iter().all(|field| objects[0][field].as_str().is_some_and(|text| text.len() > 10)));
        objects[0]["error"].as_str().unwrap().to_owned()
    };
    assert_eq!(fails(&["--listen", "nonsense"]), "bad_listen");
    assert_eq!(fails(&["--name", "x\u{7}y"]), "bad_name");
    assert_eq!(fails(&["--name", &"x".repeat(65)]), "bad_name");
    assert_eq!(fails(&["--passphrase-file", "/nowhere/at/all"]), "passphrase_unreadable");
    assert_eq!(std::fs::read(&store).unwrap(), whole);

    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for (bytes, errors) in [
        (damaged, ["store_damaged", "not_a_store"]),
        (whole[..whole.len() / 2].to_vec(), ["store_damaged", "not_a_store"]),
        (vec![], ["store_damaged"; 2]),
    ] {
        std::fs::write(&store, &bytes).unwrap();
        let error = fails(&[]);
        assert!(errors.contains(&error.as_str()), "{error}");
        assert_eq!(std::fs::read(&store).unwrap(), bytes, "nothing was changed");
    }
    std::fs::write(&store, &whole).unwrap();
    Node::up(&folder, &[]).stop();
}

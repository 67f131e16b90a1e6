//! The built command in front of a made-up node: fields, exit codes, and what reaches a
//! terminal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../../node/tests/support/fake.rs"]
mod fake;
#[path = "cli/history.rs"]
mod history;
#[path = "cli/outputs.rs"]
mod outputs;
#[path = "cli/rooms.rs"]
mod rooms;
#[path = "cli/shell.rs"]
mod shell;
#[path = "cli/texts.rs"]
mod texts;

use fake::{Fake, NOW};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use symbolon_core::command::{CommandError, Direction, MessageState, RequestStatus, RoomStanding};
use symbolon_node::api::Api;
use symbolon_node::api::errors::Fault;
use symbolon_node::api::tokens::Token;
use symbolon_node::folder::Folder;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A made-up node whose data folder is a temporary one.
struct Node {
    fake: Fake,
    folder: TempDir,
    token: String,
    // Holds the folder's lock, as a running node does.
    _lock: Folder,
    // Serves in the background for as long as this lives.
    _runtime: Runtime,
}

impl Node {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lock = Folder::open(folder.path()).unwrap();
        let token = lock.api_token().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (fake, address) = runtime.block_on(async {
            let fake = Fake::start();
            let api = Api::start(Some("127.0.0.1:0".parse().unwrap()), Token::from_text(&token), None, fake.handle.clone()).await.unwrap();
            (fake, api.address())
        });
        lock.publish_address(&address).unwrap();
        Self { fake, folder, token, _lock: lock, _runtime: runtime }
    }

    fn run(&self, args: &[&str]) -> Output {
        command(self.folder.path(), args).output().unwrap()
    }

    /// Runs with `--json`, expects success, answers the lines.
    fn json(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run(&[&["--json"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        lines(&output.stdout)
    }

    /// Runs with `--json`, expects failure, answers the one object.
    fn failure(&self, args: &[&str], code: i32) -> Value {
        failure(&self.run(&[&["--json"], args].concat()), code)
    }
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_symbolon"));
    command.arg("--data").arg(folder).args(args).env_remove("SYMBOLON_DATA").stdin(Stdio::null());
    command
}

fn lines(stdout: &[u8]) -> Vec<Value> {
    std::str::from_utf8(stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn failure(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let mut objects = lines(&output.stdout);
    assert_eq!(objects.len(), 1, "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let object = objects.remove(0);
    for field in ["error", "message", "hint"] {
        assert!(object[field].as_str().is_some_and(|text| !text.is_empty()), "{object}");
    }
    object
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn assert_fields(value: &Value, fields: &str) {
    let missing: Vec<&str> = fields.split(',').filter(|field| !keys(value).contains(field)).collect();
    assert!(missing.is_empty(), "{missing:?} missing in {value}");
}

const REQUEST: &str = "request,kind,direction,peer,name,words,trust,note,status,introduced_by";
const FRIEND: &str = "id,name,words,trust,introduced_by,online,path";
const MESSAGE: &str = "message,conversation,from,text,file,at,state,mine";

#[test]
fn every_command_prints_the_fields_it_promises() {
    let node = Node::start();
    let request = node.fake.with(|world| {
        world.add_friend("Holger");
        world.add_request("Eve", Direction::In, RequestStatus::Pending, Some("hi"))
    });
    assert_fields(&node.json(&["id"])[0], "id,words,name,device");
    let invite = &node.json(&["invite", "--expires", "1h", "--qr"])[0];
    assert!(invite["link"].as_str().unwrap().starts_with("symbolon:"));
    assert_eq!(keys(invite), BTreeSet::from(["invite", "link", "expires", "warning"]));
    assert_fields(&node.json(&["add", "symbolon:x", "--note", "me"])[0], REQUEST);
    let requests = node.json(&["requests"]);
    assert_eq!(requests.len(), 2);
    requests.iter().for_each(|view| assert_fields(view, REQUEST));
    assert_eq!(node.json(&["ignore", &request.to_string()])[0]["status"], "ignored");
    assert_eq!(node.json(&["block", &request.to_string()])[0]["status"], "blocked");
    assert_eq!(node.json(&["unblock", &request.to_string()])[0]["status"], "pending");
    assert_eq!(node.json(&["accept", &request.to_string()[..6]])[0]["status"], "confirmed");
    let friends = node.json(&["friends"]);
    assert_eq!(friends.len(), 2);
    friends.iter().for_each(|view| assert_fields(view, FRIEND));
    assert_eq!(node.json(&["rename", "Holger", "H. P."])[0]["name"], "H. P.");
    let words = node.json(&["verify", "H. P."])[0]["words"].as_str().unwrap().to_owned();
    assert_eq!(node.json(&["verify", "H. P.", &words])[0]["trust"], "verified");
    let each: Vec<&str> = ["verify", "H. P."].into_iter().chain(words.split(' ')).collect();
    assert_fields(&node.json(&each)[0], FRIEND);
    let sent = &node.json(&["send", "H. P.", "hello"])[0];
    assert_fields(sent, "message,state");
    node.fake.receive(0, "hello yourself", NOW);
    let messages = node.json(&["read", "H. P."]);
    assert_eq!(messages.len(), 2);
    for (view, mine) in messages.iter().zip([true, false]) {
        assert_fields(view, MESSAGE);
        assert_eq!((&view["mine"], &view["file"], &view["conversation"]), (&json!(mine), &Value::Null, &json!("H. P.")));
    }
    let since = sent["message"].as_str().unwrap();
    assert_eq!(node.json(&["read", "--since", since]).len(), 1);
    assert_eq!(node.json(&["read", "--limit", "1", "--peek"])[0]["text"], "hello yourself");
    assert_fields(&node.json(&["status"])[0], "peers,lan,dht,relays,queue,problems,sent_frames");
    assert!(node.json(&["page"])[0]["http"].as_str().unwrap().contains("/?token="));
}

#[test]
fn nothing_to_list_prints_nothing() {
    let node = Node::start();
    for verb in ["friends", "requests", "read"] {
        assert_eq!(node.json(&[verb]), Vec::<Value>::new());
        let output = node.run(&[verb]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "quiet when piped");
    }
}

#[test]
fn each_command_error_is_the_only_object_and_two_lines_for_people() {
    let node = Node::start();
    for fault in Fault::ALL {
        let Fault::Command(error) = fault else { continue };
        let entry = fault.entry();
        if error == CommandError::Ambiguous {
            continue;
        }
        node.fake.script(Err(error));
        let object = node.failure(&["friends"], 1);
        assert_eq!(object, json!({ "error": entry.kind, "message": entry.detail, "hint": entry.hint }));
    }
    node.fake.script(Err(CommandError::IsBlocked));
    let output = node.run(&["friends"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let text = String::from_utf8(output.stderr).unwrap();
    let mut said = text.lines();
    assert!(said.next().unwrap().starts_with("error: ") && said.next().unwrap().starts_with("hint: ") && said.next().is_none(), "{text}");
}

#[test]
fn ambiguous_name_lists_ids() {
    let node = Node::start();
    let ids = node.fake.with(|world| {
        world.add_friend("Tom");
        world.add_friend("Tom");
        world.friends.iter().map(|friend| friend.id.to_string()).collect::<Vec<_>>()
    });
    let object = node.failure(&["send", "Tom", "hi"], 1);
    assert_eq!(object["error"], "ambiguous");
    assert!(ids.iter().all(|id| object["hint"].as_str().unwrap().contains(id)), "{object}");
}

#[test]
fn without_a_node_the_error_names_the_command_that_starts_one() {
    let folder = tempfile::tempdir().unwrap();
    for verb in [&["id"][..], &["friends"], &["send", "Tom", "hi"], &["read", "--follow"], &["page"]] {
        let output = command(folder.path(), &[&["--json"], verb].concat()).output().unwrap();
        let object = failure(&output, 1);
        assert_eq!(object["error"], "not_running");
        assert!(object["hint"].as_str().unwrap().contains(" up"), "{object}");
    }
    let mut unnamed = Command::new(env!("CARGO_BIN_EXE_symbolon"));
    unnamed.args(["--json", "friends"]).env_remove("SYMBOLON_DATA").env_remove("XDG_DATA_HOME").env("HOME", folder.path());
    let hint = failure(&unnamed.output().unwrap(), 1)["hint"].clone();
    assert!(hint.as_str().unwrap().ends_with(": symbolon up"), "the usual folder need not be named: {hint}");
    // A killed node's address that somebody else answers now, and addresses that would send
    // the token elsewhere.
    let node = Node::start();
    let lock = Folder::open(folder.path()).unwrap();
    std::fs::write(folder.path().join("api-token"), &node.token).unwrap();
    std::fs::copy(node.folder.path().join("api-address"), folder.path().join("api-address")).unwrap();
    drop(lock);
    let output = command(folder.path(), &["--json", "id"]).output().unwrap();
    assert_eq!(failure(&output, 1)["error"], "not_running");
    let _lock = Folder::open(folder.path()).unwrap();
    let output = command(folder.path(), &["--json", "id"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "believed only while the folder is held");
    for address in
        ["http://127.0.0.1:1", "http://evil.example:80", "http://127.0.0.1:80@evil.example", "http://127.0.0.1.evil.example:80", ""]
    {
        std::fs::write(folder.path().join("api-address"), address).unwrap();
        let output = command(folder.path(), &["--json", "id"]).output().unwrap();
        assert_eq!(failure(&output, 1)["error"], "not_running", "{address}");
    }
}

#[test]
fn folder_comes_from_the_flag_before_the_environment() {
    let node = Node::start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_symbolon"));
    let output = command.args(["--json", "id"]).env("SYMBOLON_DATA", node.folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_symbolon"));
    command.args(["id", "--json", "--data"]).arg(elsewhere.path()).env("SYMBOLON_DATA", node.folder.path());
    assert_eq!(failure(&command.output().unwrap(), 1)["error"], "not_running");
}

#[test]
fn usage_errors_end_with_2_and_one_object() {
    let folder = tempfile::tempdir().unwrap();
    let wrong: [&[&str]; 9] = [
        &["nonsense"],
        &["add"],
        &["send"],
        &["friends", "--nonsense"],
        &["invite", "--expires", "never"],
        &["send", "Tom", "x", "--wait", "queued"],
        &["up", "--http", "0.0.0.0:80"],
        &["read", "--limit", "-1"],
        &[],
    ];
    for args in wrong {
        let output = command(folder.path(), &[&["--json"], args].concat()).output().unwrap();
        assert_eq!(failure(&output, 2)["error"], "usage", "{args:?}");
        let output = command(folder.path(), args).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
    let output = command(folder.path(), &["friends", "--nonsense"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: ") && text.contains("\nhint: "), "{text}");
    for flag in ["--help", "--version"] {
        assert_eq!(command(folder.path(), &[flag]).output().unwrap().status.code(), Some(0));
    }
}

#[test]
fn flags_for_what_is_not_there_yet_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &["--json", "up", "--proxy", "x"]).output().unwrap();
    let object = failure(&output, 1);
    assert_eq!(object["error"], "not_available");
    assert!(object["message"].as_str().unwrap().contains("--proxy"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_servers_address_that_is_none_is_refused_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    for (flag, error) in [("--bootstrap", "bad_bootstrap"), ("--lookup", "bad_lookup"), ("--announce", "bad_announce")] {
        for address in ["x", "/dnsaddr/example.org", "/dns4/127.0.0.1/tcp/4001", "/ip4/0.0.0.0/tcp/0"] {
            let output = command(folder.path(), &["--json", "up", "--no-open", "--no-lan", flag, address]).output().unwrap();
            let object = failure(&output, 1);
            assert_eq!(object["error"], error, "{address}");
            assert!(object["hint"].as_str().unwrap().contains("/ip4/"));
            assert!(object["hint"].as_str().unwrap().contains("/dnsaddr"));
        }
    }
}

#[test]
fn long_histories_are_read_whole_and_the_last_ones_exactly() {
    let node = Node::start();
    node.fake.with(|world| {
        world.add_friend("Tom");
        for number in 0..2_500 {
            let view = world.message_from(0, &number.to_string(), NOW);
            world.messages.push(view);
        }
    });
    let texts = |args: &[&str]| -> Vec<usize> {
        node.json(&[&["read", "--peek"], args].concat()).iter().map(|view| view["text"].as_str().unwrap().parse().unwrap()).collect()
    };
    let id = |number: usize| node.fake.with(|world| world.messages[number].message.to_string());
    assert_eq!(texts(&[]), (0..2_500).collect::<Vec<_>>());
    assert_eq!(texts(&["Tom", "--limit", "3"]), [2_497, 2_498, 2_499]);
    assert_eq!(texts(&["--limit", "1200"]), (1_300..2_500).collect::<Vec<_>>());
    assert_eq!(texts(&["--since", &id(10)]), (11..2_500).collect::<Vec<_>>());
    assert_eq!(texts(&["--since", &id(10), "--limit", "2"]), [2_498, 2_499]);
    assert_eq!(texts(&["--since", &id(2_497), "--limit", "5"]), [2_498, 2_499]);
    assert_eq!(texts(&["--limit", "0"]), Vec::<usize>::new());
    let read = || node.fake.with(|world| world.messages.iter().filter(|view| view.state == MessageState::Read).count());
    assert_eq!(read(), 0, "peeked only");
    node.json(&["read", "--since", &id(10), "--limit", "2"]);
    assert_eq!(read(), 2, "only what was shown is read");
}

#[test]
fn hostile_names_and_texts_never_reach_the_terminal_raw() {
    let node = Node::start();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\u{9b}31m\r\nerror: fake";
    node.fake.with(|world| {
        world.me.name = evil.to_owned();
        world.me.words = evil.to_owned();
        world.add_friend(evil);
        world.friends[0].words = evil.to_owned();
        world.add_request(evil, Direction::In, RequestStatus::Pending, Some(evil));
        let view = world.message_from(0, evil, NOW);
        world.messages.push(view);
        let view = world.message_to(0, evil, NOW, MessageState::Failed);
        world.messages.push(view);
    });
    for verb in ["id", "friends", "requests", "read", "status"] {
        for json in [&[][..], &["--json"]] {
            let output = node.run(&[json, &[verb]].concat());
            assert_eq!(output.status.code(), Some(0));
            let shown = String::from_utf8(output.stdout).unwrap();
            assert!(!shown.is_empty());
            assert!(shown.chars().all(|c| c == '\n' || !c.is_control()) && !shown.contains('\u{202e}'), "{verb}: {shown:?}");
            assert!(!shown.lines().any(|line| line.starts_with("error:")), "{shown:?}");
        }
    }
    assert_eq!(node.json(&["friends"])[0]["name"], evil, "the value itself is whole");
}

#[test]
fn no_secret_is_printed_to_stderr_however_much_is_asked_for() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Tom"));
    let output = node.run(&["-vvvv", "send", "Tom", "very private"]);
    let text = String::from_utf8(output.stderr).unwrap();
    for secret in [node.token.as_str(), "Tom", "very private"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn invite_prints_the_link_alone_when_piped_and_a_code_when_asked() {
    let node = Node::start();
    let output = node.run(&["invite"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("symbolon:") && text.lines().count() == 1, "{text}");
    let text = String::from_utf8(node.run(&["invite", "--qr"]).stdout).unwrap();
    assert!(text.lines().skip(2).all(|line| line.chars().all(|c| " █▀▄".contains(c))) && text.lines().count() > 20, "{text}");
    let output = node.run(&["invite", "--no-ip"]);
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("warning: "));
}

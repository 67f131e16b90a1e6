//! What the host of a relay asks on its folder, and how a node is stopped, renamed and followed: real processes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "host/folders.rs"]
mod folders;
#[path = "host/logs.rs"]
mod logs;

use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is killed when dropped.
struct Running(Child, BufReader<ChildStdout>);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Waits until it has ended.
    fn ended(mut self) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_symbolon"));
    command.arg("--data").arg(folder).arg("--json").args(args).env_remove("SYMBOLON_DATA").stdin(Stdio::null());
    command
}

fn start(folder: &Path, args: &[&str]) -> Running {
    let mut child = command(folder, args).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    Running(child, stdout)
}

fn run(folder: &Path, args: &[&str]) -> (Option<i32>, Vec<Value>) {
    let Output { status, stdout, .. } = command(folder, args).output().unwrap();
    let lines = std::str::from_utf8(&stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (status.code(), lines)
}

/// Looks until a relay's figures are there: they are written a moment after its first line.
fn info(folder: &Path) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let (code, lines) = run(folder, &["relay", "info"]);
        if code == Some(0) {
            return lines[0].clone();
        }
        assert!(Instant::now() < end, "{lines:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

const LOOPBACK: [&str; 4] = ["relay", "run", "--listen", "/ip4/127.0.0.1/tcp/0"];

#[test]
fn a_running_relay_says_how_it_is_and_stops_when_it_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("relay");
    assert_eq!(run(&folder, &["relay", "info"]).1[0]["error"], "not_running");
    let mut relay = start(&folder, &LOOPBACK);
    let ready = relay.line();
    let view = info(&folder);
    assert_eq!((&view["id"], &view["claim"], &view["policy"]), (&ready["id"], &ready["claim"], &"owner".into()));
    assert_eq!((&view["mailboxes"], &view["bytes"]), (&0.into(), &0.into()));
    let (code, checks) = run(&folder, &["doctor"]);
    let reachable = checks.iter().find(|check| check["check"] == "reachable").unwrap();
    assert_eq!((code, &reachable["ok"]), (Some(1), &false.into()), "nobody else reaches loopback");
    assert!(reachable["hint"].as_str().unwrap().contains("--announce"));
    assert!(checks.iter().any(|check| check["check"] == "disk"), "{checks:?}");
    // Into a pipe goes no code, but where it is.
    let piped = Command::new(env!("CARGO_BIN_EXE_symbolon")).arg("--data").arg(&folder).args(["relay", "info"]).output().unwrap();
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert!(piped.contains("--claim -\n") && piped.contains("relay-claim'"), "{piped}");
    assert!(!piped.contains(ready["claim"].as_str().unwrap()), "{piped}");
    assert_eq!(run(&folder, &["status"]).1[0]["bytes_max"], 4_294_967_296_u64);
    assert_eq!(run(&folder, &["friends"]).1[0]["error"], "is_relay");

    // A mailbox is counted.
    let person = home.path().join("andi");
    let mut node = start(&person, &["up", "--no-open", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0"]);
    node.line();
    let link = view["link"].as_str().unwrap();
    assert_eq!(run(&person, &["relay", "add", link, "--claim", view["claim"].as_str().unwrap()]).0, Some(0));
    let end = Instant::now() + PATIENCE;
    while info(&folder)["mailboxes"] != 1 {
        assert!(Instant::now() < end, "the mailbox is not counted");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(run(&folder, &["stop"]), (Some(0), vec![serde_json::json!({ "event": "stopped" })]));
    assert!(relay.ended());
    for args in [&["relay", "info"][..], &["status"], &["doctor"]] {
        let (code, lines) = run(&folder, args);
        assert_eq!((code, &lines[0]["error"]), (Some(1), &"not_running".into()), "{args:?}");
        assert!(lines[0]["hint"].as_str().unwrap().contains("relay run"), "{args:?}: {lines:?}");
    }
    // And a node leaves nothing there.
    assert_eq!(run(&folder, &["up", "--no-open"]).1[0]["error"], "not_a_person");
    assert!(!folder.join("api-token").exists());
}

#[test]
fn who_may_have_a_mailbox_is_remembered_over_restarts_and_a_file_gives_flags() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("relay");
    let config = home.path().join("relay.conf");
    std::fs::write(&config, "# ours\npolicy = friends\nbytes = 100M\n").unwrap();
    let policy_of = |flags: &[&str]| {
        let mut relay = start(&folder, &[&LOOPBACK[..], flags].concat());
        let ready = relay.line();
        assert_eq!(ready["bytes"], 100 << 20);
        // Killed, not stopped: what was set is on the disk by then.
        ready["policy"].as_str().unwrap().to_owned()
    };
    assert_eq!(policy_of(&["--config", config.to_str().unwrap()]), "friends");
    assert_eq!(policy_of(&[]), "friends");
    assert_eq!(policy_of(&["--open"]), "open");
    assert_eq!(policy_of(&[]), "open");
    assert_eq!(policy_of(&["--owner-only"]), "owner");
    assert_eq!(policy_of(&[]), "owner");
}

#[test]
fn limits_that_an_operator_sets_hold_and_are_remembered() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("relay");
    let nonsense = run(&folder, &[&LOOPBACK[..], &["--mailboxes", "0"]].concat());
    assert_eq!(nonsense.0, Some(2), "{nonsense:?}");
    let set = [
        "--open",
        "--mailboxes",
        "5",
        "--newcomers",
        "1",
        "--mailbox-bytes",
        "8M",
        "--connections",
        "100",
        "--connections-per-address",
        "3",
    ];
    let mut relay = start(&folder, &[&LOOPBACK[..], &set].concat());
    assert_eq!(relay.line()["connections_max"], 100);
    info(&folder);
    assert_eq!(run(&folder, &["stop"]).0, Some(0));
    assert!(relay.ended());
    let mut relay = start(&folder, &LOOPBACK);
    let ready = relay.line();
    assert_eq!(ready["connections_max"], 100, "remembered");

    let set = info(&folder)["set"].clone();
    let known = serde_json::json!({ "mailboxes": 5, "mailbox-bytes": 8 << 20, "newcomers": 1, "connections-per-address": 3 });
    assert_eq!(set, known, "and shown");

    // Of sockets that say nothing so many are held of one address, and the oldest gives way at once.
    let listen = ready["listen"][0].as_str().unwrap();
    let port: u16 = listen.rsplit('/').next().unwrap().parse().unwrap();
    let mut silent: Vec<TcpStream> = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }
    let is_open = |socket: &mut TcpStream| {
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        socket.read(&mut [0]).is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    };
    let (first, newest) = (is_open(&mut silent[0]), is_open(&mut silent[3]));
    assert!(!first && newest, "{first} {newest}");

    // One mailbox for one address in a day, and so much in it.
    let link = info(&folder)["link"].as_str().unwrap().to_owned();
    let up = ["up", "--no-open", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let people = ["andi", "ben"].map(|name| home.path().join(name));
    let _nodes: Vec<Running> = people
        .iter()
        .map(|folder| {
            let mut node = start(folder, &up);
            node.line();
            node
        })
        .collect();
    assert_eq!(run(&people[0], &["relay", "add", &link]).0, Some(0));
    let (code, refused) = run(&people[1], &["relay", "add", &link]);
    assert_eq!(code, Some(1), "{refused:?}");
    let rows = run(&people[0], &["relay", "list"]).1;
    assert_eq!(rows[0]["quota"]["bytes_max"], 4 << 20, "{rows:?}");
    // The figures are written a moment later.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(info(&folder)["mailboxes"], 1);
}

#[test]
fn a_node_is_renamed_stopped_and_followed_over_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("andi");
    let up = ["up", "--no-open", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let mut node = start(&folder, &up);
    node.line();
    assert_eq!(run(&folder, &["name", "Andi B."]).1[0]["name"], "Andi B.");
    assert_eq!(run(&folder, &["room", "create", "Diary"]).0, Some(0));
    let mut reader = start(&folder, &["read", "Diary", "--follow"]);
    run(&folder, &["send", "Diary", "before"]);
    let texts = |reader: &mut Running, wanted: &str| while reader.line()["text"] != wanted {};
    texts(&mut reader, "before");
    assert_eq!(run(&folder, &["stop"]), (Some(0), vec![serde_json::json!({ "event": "stopped" })]));
    assert!(node.ended());
    let mut node = start(&folder, &up);
    node.line();
    run(&folder, &["send", "Diary", "after"]);
    texts(&mut reader, "after");
    assert_eq!(run(&folder, &["id"]).1[0]["name"], "Andi B.");
}

#[test]
fn a_port_that_is_taken_at_one_start_is_gone_back_to_at_the_next() {
    let home = tempfile::tempdir().unwrap();
    let port = |folder: &Path, args: &[&str]| -> u16 {
        let mut running = start(folder, args);
        let ready = running.line();
        let listen = ready["listen"][0].as_str().unwrap();
        let port = listen.split('/').nth(4).unwrap().parse().unwrap();
        // A relay can be asked a moment after its first line.
        let end = Instant::now() + PATIENCE;
        while run(folder, &["stop"]).0 != Some(0) {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(running.ended());
        port
    };
    let (person, relay) = (home.path().join("andi"), home.path().join("relay"));
    let up = ["up", "--no-open", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0"];
    for (folder, args) in [(&person, &up[..]), (&relay, &LOOPBACK[..])] {
        let first = port(folder, args);
        let taken = std::net::TcpListener::bind(("127.0.0.1", first)).unwrap();
        assert_ne!(port(folder, args), first);
        drop(taken);
        assert_eq!(port(folder, args), first, "the kept port is not forgotten");
    }

    // One that was named is in a firewall, or in a link: nothing stands in for it, also when it is remembered.
    let (folder, drawn) = (home.path().join("named"), port(&home.path().join("drawn"), &LOOPBACK));
    let number = drawn.to_string();
    let named = ["relay", "run", "--no-lan", "--port", &number];
    let refused = |args: &[&str]| {
        let (code, lines) = run(&folder, args);
        assert_eq!((code, &lines[0]["error"]), (Some(2), &"port_refused".into()), "{lines:?}");
        assert!(lines[0]["message"].as_str().unwrap().contains(&number), "{lines:?}");
    };
    let taken = std::net::TcpListener::bind(("127.0.0.1", drawn)).unwrap();
    refused(&named);
    drop(taken);
    assert_eq!(port(&folder, &named), drawn);
    let taken = std::net::UdpSocket::bind(("127.0.0.1", drawn)).unwrap();
    refused(&["relay", "run", "--no-lan"]);
    drop(taken);
    assert_eq!(port(&folder, &["relay", "run", "--no-lan"]), drawn);
}

#[test]
fn a_suspended_node_is_named_within_seconds_and_answers_again_when_it_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("andi");
    let mut node = start(&folder, &["up", "--no-open", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0"]);
    node.line();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &node.0.id().to_string()]).status().unwrap().success());
    signal("-STOP");
    for args in [&["friends"][..], &["name", "Ben"], &["read", "--follow"]] {
        let begun = Instant::now();
        let (code, lines) = run(&folder, args);
        assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
        assert_eq!((code, &lines[0]["error"]), (Some(1), &"timed_out".into()), "{args:?}");
        assert!(lines[0]["message"].as_str().unwrap().contains("does not answer"));
        assert!(lines[0]["hint"].as_str().unwrap().contains("fg") && !lines[0]["hint"].as_str().unwrap().contains("status"));
    }
    signal("-CONT");
    assert_eq!(run(&folder, &["friends"]).0, Some(0));
}

#[test]
fn a_relays_word_is_waited_for_and_a_link_of_another_kind_is_named() {
    let home = tempfile::tempdir().unwrap();
    let mut relay = start(&home.path().join("relay"), &LOOPBACK);
    let ready = relay.line();
    let (link, claim) = (ready["link"].as_str().unwrap(), ready["claim"].as_str().unwrap());
    let person = home.path().join("andi");
    let mut node = start(&person, &["up", "--no-open", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0"]);
    node.line();
    let error = |args: &[&str]| {
        let (code, lines) = run(&person, args);
        assert_eq!(code, Some(1), "{args:?}: {lines:?}");
        (lines[0]["error"].as_str().unwrap().to_owned(), format!("{} {}", lines[0]["message"], lines[0]["hint"]))
    };
    let mistyped = format!("{}a", &claim[..25]);
    let wrong = if mistyped == claim { format!("{}q", &claim[..25]) } else { mistyped };
    for args in [&["relay", "add", link][..], &["relay", "add", link, "--claim", &wrong]] {
        let (kind, said) = error(args);
        // A letter that cannot stand there is seen at once.
        assert!(kind == "relay_refused" || kind == "bad_claim", "{kind}");
        assert!(said.contains("claim code"), "{said}");
    }
    let (kind, said) = error(&["relay", "add", link, "--claim", "no code"]);
    assert!(kind == "bad_claim" && said.contains("26 letters"), "{said}");
    assert_eq!(error(&["relay", "claim", "no code"]).0, "bad_claim");
    let (code, lines) = run(&person, &["relay", "add", link, "--claim", claim]);
    assert_eq!((code, &lines[0]["state"]), (Some(0), &"connected".into()));

    let invite = run(&person, &["invite", "--no-ip"]).1[0]["link"].as_str().unwrap().to_owned();
    let (kind, said) = error(&["relay", "add", &invite]);
    assert!(kind == "is_invite" && said.contains("symbolon add LINK"), "{said}");
    for link in [link.to_owned(), link.to_uppercase(), format!("<{link}>")] {
        let (kind, said) = error(&["add", &link]);
        assert!(kind == "is_relay_link" && said.contains("symbolon relay add"), "{said}");
    }
    assert_eq!(error(&["relay", "add", "symbolon:nonsense"]).0, "bad_link");
    assert_eq!(run(&person, &["relay", "remove", link]).0, Some(0), "by its link");
    for (args, what) in [
        (&["relay", "remove", link][..], "None of your relays"),
        (&["send", "Zoe", "hi"], "no friend or room"),
        (&["read", "Zoe"], "no friend or room"),
        (&["accept", "zzz"], "no request"),
        (&["room", "members", "Crew"], "no room"),
        (&["unfriend", "Zoe", "--yes"], "whole name"),
        (&["verify", "Zoe"], "no friend"),
        (&["invite", "revoke", "zzzz"], "no invite"),
        (&["read", "--since", "zzz"], "no message"),
    ] {
        let (kind, said) = error(args);
        assert!(kind == "not_found" && said.contains(what), "{args:?}: {said}");
    }
}

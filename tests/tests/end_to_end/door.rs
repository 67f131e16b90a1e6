//! What another user of the machine finds at the door of the local API: sockets, ports,
//! files and command lines.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use symbolon_tests::node::{Node, binary, within};
use tempfile::TempDir;

const LOOPBACK: [&str; 3] = ["--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0"];
/// Longest patience with the machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One request with a JSON body; answers status and JSON.
fn post(address: SocketAddr, path: &str, bearer: Option<&str>, body: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = body.to_string();
    let bearer = bearer.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n{bearer}");
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

/// Where a node's page is, and the one-time token of its address.
fn page(ready: &Value) -> (SocketAddr, String) {
    let (address, token) = ready["http"].as_str().unwrap().strip_prefix("http://").unwrap().split_once("/?token=").unwrap();
    (address.parse().unwrap(), token.to_owned())
}

fn trade(address: SocketAddr, token: &str) -> String {
    let (status, answer) = post(address, "/api/v1/session", None, &json!({ "token": token }));
    assert_eq!(status, 200, "{answer}");
    answer["session"].as_str().unwrap().to_owned()
}

fn is_good(address: SocketAddr, token: &str) -> bool {
    post(address, "/api/v1/messages/read", Some(token), &json!({ "peek": true })).0 == 200
}

#[test]
fn a110_two_hundred_open_sockets_of_another_user_delay_no_command() {
    let home = TempDir::new().unwrap();
    let node = Node::start(&home.path().join("andi"), &LOOPBACK).unwrap();
    let (address, _) = page(&node.ready);
    let mut held = Vec::new();
    for round in 0..3 {
        for number in 0..200 {
            let mut stream = TcpStream::connect(address).unwrap();
            if number % 2 == 1 {
                // Half a request.
                let _ = write!(stream, "GET / HTTP/1.1\r\nhost: {address}\r\n");
            }
            held.push(stream);
        }
        let begun = Instant::now();
        node.json(&["status"]).unwrap();
        // With 64 places for everybody and 10 s for each head this takes 19 s.
        assert!(begun.elapsed() < Duration::from_secs(8), "round {round}: {:?}", begun.elapsed());
    }
}

#[test]
fn a110_session_lives_through_a_restart_at_the_port_that_is_kept() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("andi");
    let mut node = Node::start(&folder, &LOOPBACK).unwrap();
    let (address, token) = page(&node.ready);
    assert!(!is_good(address, &token), "the one-time token opens nothing itself");
    let session = trade(address, &token);
    assert_eq!(post(address, "/api/v1/session", None, &json!({ "token": token })).0, 401, "once");
    assert!(is_good(address, &session));
    node.interrupt().unwrap();

    // Somebody else takes the port: the node has another one for a while, where what was
    // shown to that program opens nothing.
    let holder = TcpListener::bind(address).unwrap();
    let mut node = Node::start(&folder, &LOOPBACK).unwrap();
    let (elsewhere, _) = page(&node.ready);
    assert_ne!(elsewhere.port(), address.port());
    assert!(!is_good(elsewhere, &session));
    node.interrupt().unwrap();
    drop(holder);

    let node = Node::start(&folder, &LOOPBACK).unwrap();
    assert_eq!(page(&node.ready).0, address);
    assert!(is_good(address, &session), "and the tab goes on");
    for entry in std::fs::read_dir(&folder).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        assert!(!bytes.windows(session.len()).any(|window| window == session.as_bytes()), "{:?}", entry.path());
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
    }
    assert_eq!(node.json(&["page", "--sign-out"]).unwrap()[0]["ended"], 1);
    assert!(!is_good(address, &session));
}

/// Starts the node as a person does, with its standard output in a file.
fn up_into_a_file(folder: &Path, log: &Path) -> Killed {
    let out = std::fs::File::create(log).unwrap();
    let mut command = Command::new(binary().unwrap());
    command.arg("--data").arg(folder).arg("up").args(LOOPBACK).arg("--no-open").env_remove("SYMBOLON_DATA").stdin(Stdio::null());
    let node = command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
    within(PATIENCE, "the node runs", || Ok(std::fs::read_to_string(log).unwrap_or_default().contains("Ctrl-C").then_some(()))).unwrap();
    Killed(node)
}

#[test]
fn a110_address_of_the_page_reaches_no_file_and_no_pipe() {
    let home = TempDir::new().unwrap();
    let (folder, log) = (home.path().join("andi"), home.path().join("log"));
    let _node = up_into_a_file(&folder, &log);
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(!said.contains("token") && said.contains("symbolon page"), "{said}");
    let ran = symbolon_tests::node::run(&folder, &["page"]).unwrap();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("terminal") && !ran.stderr.contains("token"), "{ran:?}");
}

#[test]
fn a110_browser_is_opened_by_a_private_file_and_nothing_stands_in_its_command_line() {
    // `script` makes a terminal of its standard output; without it there is nobody to open a browser for.
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no `script` to make a terminal");
        return;
    }
    let home = TempDir::new().unwrap();
    let (folder, seen, copy) = (home.path().join("andi"), home.path().join("seen"), home.path().join("copy"));
    let browser = home.path().join("xdg-open");
    let script = format!("#!/bin/sh\ncp \"$1\" {}\nprintf '%s\\n' \"$*\" > {}\n", copy.display(), seen.display());
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    let line = format!("{} --data {} up {}", binary().unwrap().display(), folder.display(), LOOPBACK.join(" "));
    let path = format!("{}:{}", home.path().display(), std::env::var("PATH").unwrap_or_default());
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).env("PATH", path).env("DISPLAY", ":99").env_remove("SYMBOLON_DATA");
    let _node = Killed(terminal.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let argument =
        within(PATIENCE, "the browser is opened", || Ok(std::fs::read_to_string(&seen).ok().filter(|seen| seen.ends_with('\n')))).unwrap();
    let file = folder.join("open-page.html");
    assert_eq!(argument.trim(), file.display().to_string());
    assert!(std::fs::read_to_string(&copy).unwrap().contains("/?token="));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    symbolon_tests::node::Api::of(&folder).unwrap().post("stop", &json!({})).unwrap();
    within(PATIENCE, "the file goes with the node", || Ok((!file.exists()).then_some(()))).unwrap();
}

#[test]
fn a110_node_leaves_no_core_dump() {
    let home = TempDir::new().unwrap();
    let node = Node::start(&home.path().join("andi"), &LOOPBACK).unwrap();
    let Ok(limits) = std::fs::read_to_string(format!("/proc/{}/limits", node.pid())) else {
        eprintln!("skipped: this system has no /proc");
        return;
    };
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
}

#[test]
fn page_opens_in_a_browser_by_its_address() {
    if Command::new("chromium").arg("--version").output().is_err() {
        eprintln!("skipped: there is no chromium");
        return;
    }
    let home = TempDir::new().unwrap();
    let node = Node::start(&home.path().join("andi"), &[&LOOPBACK[..], &["--name", "Andi in a tab"]].concat()).unwrap();
    let open = |address: &str| {
        let mut browser = Command::new("chromium");
        browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000", "--dump-dom"]);
        browser.arg(format!("--user-data-dir={}", home.path().join("chromium").display())).arg(address);
        String::from_utf8_lossy(&browser.output().unwrap().stdout).into_owned()
    };
    node.json(&["invite"]).unwrap();
    let address = node.ready["http"].as_str().unwrap();
    let shown = open(&format!("{address}#/add"));
    assert!(shown.contains("Andi in a tab"), "{shown}");
    assert!(shown.contains("Your open invites") && shown.contains("Nobody has used it yet"), "{shown}");
    let again = open(address);
    assert!(again.contains("This browser is not signed in") && !again.contains("Andi in a tab"), "{again}");
}

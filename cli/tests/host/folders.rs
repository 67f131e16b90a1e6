//! Which folder a relay and a node take when none is named, and which they refuse.

use super::{LOOPBACK, PATIENCE, Running, run, start};
use serde_json::Value;
use std::io::BufReader;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_relay_without_a_named_folder_does_not_take_the_persons() {
    let home = tempfile::tempdir().unwrap();
    let share = home.path().join("share");
    let bare = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_symbolon"));
        command.arg("--json").args(args).env_remove("SYMBOLON_DATA").env("HOME", home.path()).env("XDG_DATA_HOME", &share);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    let begin = |args: &[&str]| {
        let mut child = bare(args).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut running = Running(child, stdout);
        let id = running.line()["id"].as_str().unwrap().to_owned();
        (running, id)
    };
    let ask = |args: &[&str]| -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let output = bare(args).output().unwrap();
            let first = std::str::from_utf8(&output.stdout).unwrap().lines().next().unwrap().to_owned();
            let first: Value = serde_json::from_str(&first).unwrap();
            if output.status.success() || Instant::now() > end {
                return first;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let (relay, id) = begin(&LOOPBACK);
    assert!(share.join("symbolon-relay").exists() && !share.join("symbolon").exists());
    assert_eq!(ask(&["relay", "info"])["id"], id.as_str());
    assert_eq!(ask(&["status"])["mailboxes"], 0, "no node runs");
    // The person's folder is free.
    let (node, _) = {
        let mut child = bare(&["up", "--no-open", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0"]).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut running = Running(child, stdout);
        let ready = running.line();
        (running, ready)
    };
    assert!(ask(&["status"]).get("peers").is_some(), "of both, the node");
    assert_eq!(ask(&["relay", "info"])["id"], id.as_str());
    drop((relay, node));

    // One that lies in the default folder since before is the one that is started.
    let (old, new) = (share.join("symbolon"), home.path().join("old"));
    std::fs::rename(&old, &new).unwrap();
    let mut relay = start(&old, &LOOPBACK);
    let id = relay.line()["id"].clone();
    drop(relay);
    let (relay, again) = begin(&LOOPBACK);
    assert_eq!(id, again.as_str());
    drop(relay);
}

#[test]
fn a_folder_with_other_things_in_it_is_refused_and_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("letter.txt"), "x").unwrap();
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for args in [&["up", "--no-open"][..], &LOOPBACK] {
        let (code, lines) = run(home.path(), args);
        assert_eq!((code, &lines[0]["error"]), (Some(1), &"folder_exposed".into()));
        assert!(lines[0]["hint"].as_str().unwrap().contains("inside it"));
    }
    assert_eq!(std::fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

//! The walkthroughs in docs/walkthroughs, typed as they stand.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use symbolon_tests::lab::Lab;
use symbolon_tests::node::{binary, within};

/// Everything between fences of a kind.
fn blocks(page: &str, kind: &str) -> String {
    let fence = format!("```{kind}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Types a walkthrough in an empty folder. What it shows must come in this order.
fn walk(name: &str, afterwards: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/walkthroughs").join(name);
    let page = std::fs::read_to_string(page).unwrap();
    let home = tempfile::tempdir().unwrap();
    let script = format!("set -eu\n{}", blocks(&page, "sh"));
    let folder = binary().unwrap().parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let tidy = || Command::new("bash").args(["-c", afterwards]).stderr(Stdio::null()).status();
    tidy().unwrap();
    let output = std::fs::File::create(home.path().join("output")).unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(home.path()).env("PATH", path).env_remove("SYMBOLON_DATA").process_group(0);
    let mut shell = shell.stdin(Stdio::null()).stderr(output.try_clone().unwrap()).stdout(output).spawn().unwrap();
    let ended = within(Duration::from_secs(90), "the walkthrough comes to its end", || shell.try_wait().map_err(|error| error.to_string()));
    let said = std::fs::read_to_string(home.path().join("output")).unwrap();
    // Whatever it has started and not ended goes with it.
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", shell.id())]).stderr(Stdio::null()).status();
    tidy().unwrap();
    assert!(ended.as_ref().is_ok_and(|status| status.success()), "{ended:?}: {said}");
    let mut rest = said.as_str();
    for line in blocks(&page, "text").lines() {
        let at = rest.find(line).unwrap_or_else(|| panic!("{line:?} does not come: {said}"));
        rest = &rest[at + line.len()..];
    }
}

#[test]
fn two_friends_who_are_never_online_together() {
    walk("relay.md", "true");
}

#[test]
fn friends_who_meet_part_and_move() {
    walk("friends.md", "true");
}

#[test]
fn one_whom_a_member_knows_knocks_at_a_room() {
    walk("knock.md", "true");
}

#[test]
fn one_person_on_two_computers() {
    walk("devices.md", "true");
}

#[test]
fn a_room_of_three_of_whom_two_are_strangers() {
    walk("rooms.md", "true");
}

#[test]
fn two_friends_whose_internet_is_down() {
    let Some(_) = Lab::open() else { return };
    let afterwards = "for name in walk-a walk-b; do ip netns del $name; ip link del $name; done; ip link del walk";
    walk("lan.md", afterwards);
}

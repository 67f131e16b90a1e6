//! The walkthroughs in docs/walkthroughs, typed as they stand.
//!
//! What a person types at each machine stands behind its prompt, and below it what they see then. A command that only looks
//! is typed again until that is seen, as a person does. The folder of each machine, and that it listens on this one, is
//! added here.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use symbolon_tests::lab::Lab;
use symbolon_tests::node::{binary, within};

/// How often somebody looks again, and for how long.
const LOOKS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(40));
/// Commands that only look.
const LOOKING: [&str; 7] = ["friends", "requests", "read", "relay list", "room list", "room members", "doctor"];
/// What is copied from the screen: the word on the page, and what stands before it on the screen. A link stands alone, and so
/// does the address of a server.
const COPIED: [(&str, &str); 5] = [
    ("RELAY", "symbolon relay add "),
    ("REQUEST", "answer   symbolon accept "),
    ("CODE", "symbolon device join "),
    ("PEER-ID", "id      "),
    ("WORDS", "words   "),
];

/// A line that somebody types at a machine, what they type into that command, and what they see then.
#[derive(Debug, Default, PartialEq)]
struct Typed {
    at: String,
    line: String,
    into: String,
    shown: Vec<String>,
}

/// What is typed on a page, in its order. What nobody types, because it happens meanwhile, stands in a comment.
fn typed(page: &str) -> Vec<Typed> {
    let mut all: Vec<Typed> = Vec::new();
    let mut is_screen = false;
    for line in page.lines() {
        let happens = line.strip_prefix("<!-- happens: ").and_then(|rest| rest.strip_suffix(" -->"));
        let into = line.strip_prefix("> ").filter(|_| is_screen);
        let prompt = line.split_once("$ ").filter(|(at, _)| !at.is_empty() && at.chars().all(|c| c.is_ascii_lowercase()));
        match (happens, prompt) {
            (Some(what), _) if !is_screen => all.push(Typed { line: what.to_owned(), ..Typed::default() }),
            (_, Some((at, line))) if is_screen => all.push(Typed { at: at.to_owned(), line: line.to_owned(), ..Typed::default() }),
            _ if into.is_some() => all.last_mut().unwrap().into += into.unwrap_or_default(),
            _ if line.starts_with("```") => is_screen = line == "```console",
            _ if is_screen && !line.trim().is_empty() => all.last_mut().unwrap().shown.push(line.trim().to_owned()),
            _ => {}
        }
    }
    all
}

/// Whether these lines are seen, in their order. `…` stands for anything.
fn is_seen(screen: &str, lines: &[String]) -> bool {
    let mut rest = screen;
    lines.iter().flat_map(|line| line.split('…')).map(str::trim).all(|part| {
        rest.find(part).is_some_and(|at| {
            rest = &rest[at + part.len()..];
            true
        })
    })
}

/// Somebody walks through a page, in an empty folder.
struct Walk {
    home: tempfile::TempDir,
    /// What stands before a command at a machine.
    inside: fn(&str) -> String,
    /// What else a node is started with.
    apart: &'static str,
    running: BTreeMap<String, Child>,
    /// How often a machine's node was started.
    starts: BTreeMap<String, u8>,
    copied: BTreeMap<&'static str, String>,
}

impl Drop for Walk {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            // Also what a shell has started.
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).stderr(Stdio::null()).status();
            let _ = child.wait();
        }
    }
}

impl Walk {
    fn new(inside: fn(&str) -> String, apart: &'static str) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { home, inside, apart, running: BTreeMap::new(), starts: BTreeMap::new(), copied: BTreeMap::new() }
    }

    /// What is typed, as a shell of this machine takes it.
    fn shell(&self, at: &str, line: &str, more: &str) -> Command {
        let line = line.strip_prefix("symbolon ").unwrap_or_else(|| panic!("{line:?} is nothing that is typed here"));
        let line = self.with_copied(line);
        let path = format!("{}:{}", binary().unwrap().parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {}symbolon --data {at} {line}{more}", (self.inside)(at))]);
        shell.current_dir(self.home.path()).env("PATH", path).env_remove("SYMBOLON_DATA").stdin(Stdio::null());
        shell
    }

    /// A line with what was copied in the place of the words that stand for it.
    fn with_copied(&self, line: &str) -> String {
        self.copied.iter().fold(line.to_owned(), |line, (word, text)| line.replace(word, text))
    }

    /// Types a line, and what belongs into the command, and waits for its end.
    fn run(&self, at: &str, line: &str, into: &str) -> Output {
        let mut child = self.shell(at, line, "").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that wants nothing may have ended.
        let _ = child.stdin.take().unwrap().write_all(self.with_copied(into).as_bytes());
        child.wait_with_output().unwrap()
    }

    fn copy(&mut self, at: &str, screen: &str) {
        // The 24 words stand in rows, each behind its number.
        let rows = screen.lines().filter(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit()));
        let words: Vec<&str> = rows.flat_map(str::split_whitespace).filter(|word| word.chars().all(|c| c.is_ascii_lowercase())).collect();
        if words.len() == 24 {
            self.copied.insert("PHRASE", words.join(" "));
        }
        if let Some(lost) = screen.lines().find(|line| line.contains("can add devices") && !line.contains("this device")) {
            self.copied.insert("DEVICE", lost.split_whitespace().next().unwrap_or_default().to_owned());
        }
        // A line that is too long continues below, behind spaces.
        let whole = screen.replace("\n        ", " ");
        for line in whole.lines().map(str::trim) {
            for (word, before) in COPIED {
                if let Some(text) = line.strip_prefix(before) {
                    let first = text.split_whitespace().next().unwrap_or_default();
                    self.copied.insert(word, if word == "WORDS" { text.to_owned() } else { first.to_owned() });
                }
            }
            if line.starts_with("symbolon:") {
                self.copied.insert("LINK", line.to_owned());
            }
        }
        if let Some(address) = screen.split_whitespace().find(|word| at == "relay" && word.starts_with("/ip4/")) {
            self.copied.insert("SERVER", address.to_owned());
        }
    }

    /// A node or a relay, which runs in a terminal of its own.
    fn start(&mut self, Typed { at, line, shown, .. }: &Typed) {
        let start = self.starts.entry(at.clone()).or_default();
        *start += 1;
        let more = match (line.starts_with("symbolon relay run"), self.apart) {
            (true, _) => " --listen /ip4/127.0.0.1/tcp/0".to_owned(),
            // In another network.
            (false, "--no-lan") => format!(" --no-open --no-lan --listen /ip4/127.0.0.{start}/tcp/0"),
            (false, apart) => format!(" --no-open {apart}"),
        };
        let screen = self.home.path().join(format!("{at}.screen"));
        let file = File::create(&screen).unwrap();
        let child = self.shell(at, line, &more).process_group(0).stderr(file.try_clone().unwrap()).stdout(file).spawn().unwrap();
        self.running.insert(at.clone(), child);
        let is_seen = || Ok(is_seen(&std::fs::read_to_string(&screen).unwrap(), shown).then_some(()));
        within(LOOKS.1, "it runs", is_seen).unwrap_or_else(|_| panic!("{at}$ {line}\n{}", std::fs::read_to_string(&screen).unwrap()));
        self.copy(at, &std::fs::read_to_string(&screen).unwrap());
    }

    /// Waits for what nobody does, and what the walk needs next.
    fn comes(&self, at: &str, what: &str, is_so: impl Fn(&serde_json::Value) -> bool) {
        let look = || {
            let Output { stdout, .. } = self.shell(at, "symbolon --json status", "").output().unwrap();
            let status = serde_json::from_slice(&stdout).map_err(|error| error.to_string())?;
            Ok(is_so(&status).then_some(()))
        };
        within(LOOKS.1, what, look).unwrap();
    }

    fn happens(&self, what: &str, other: impl Fn(&str)) {
        if let Some(at) = what.strip_prefix("the relay signs for what is left by ") {
            self.comes(at, what, |status| status["sent_frames"]["stored"].as_u64().is_some_and(|frames| frames > 0));
        } else if let Some(at) = what.strip_prefix("others can read the record of ") {
            self.comes(at, what, |status| status["lookup"]["read_back"].is_string());
        } else {
            other(what);
        }
    }

    fn end(&mut self, at: &str, signal: &str) {
        let mut child = self.running.remove(at).unwrap_or_else(|| panic!("nothing runs at {at}"));
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        within(LOOKS.1, "it ends", || child.try_wait().map_err(|error| error.to_string())).unwrap();
    }

    fn type_in(&mut self, typed: &Typed) {
        let Typed { at, line, into, shown } = typed;
        let rest = line.strip_prefix("symbolon ").unwrap_or(line);
        match line.as_str() {
            "^C" => return self.end(at, "-INT"),
            "kill -KILL $(pidof symbolon)" => return self.end(at, "-KILL"),
            _ if rest.starts_with("up") || rest.starts_with("relay run") => return self.start(typed),
            _ => {}
        }
        let looks = LOOKING.iter().any(|word| rest == *word || rest.starts_with(&format!("{word} ")));
        assert!(!looks || !shown.is_empty(), "{at}$ {line}: what is seen then?");
        let began = Instant::now();
        loop {
            let Output { status, stdout, stderr } = self.run(at, line, into);
            let screen = format!("{}{}", String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
            let is_refused = shown.iter().any(|line| line.starts_with("error: "));
            if status.success() != is_refused && is_seen(&screen, shown) {
                return self.copy(at, &screen);
            }
            assert!(looks && began.elapsed() < LOOKS.1, "{at}$ {line}\n{screen}\nis to show {shown:#?}");
            std::thread::sleep(LOOKS.0);
        }
    }
}

/// Types a page. `happens` does what nobody types.
fn walk(mut walk: Walk, name: &str, happens: impl Fn(&str)) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/walkthroughs").join(name);
    let all = typed(&std::fs::read_to_string(page).unwrap());
    assert!(all.iter().filter(|typed| !typed.shown.is_empty()).count() > 5, "{name} shows next to nothing");
    for typed in &all {
        if typed.at.is_empty() { walk.happens(&typed.line, &happens) } else { walk.type_in(typed) }
    }
    assert!(walk.running.is_empty(), "{name} leaves something running: {:?}", walk.running.keys());
}

/// On one machine, where the nodes find each other by relays and invites only.
fn here() -> Walk {
    Walk::new(|_| String::new(), "--no-lan")
}

fn nothing(what: &str) {
    panic!("nobody does that: {what}");
}

#[test]
fn what_is_typed_and_what_is_seen_are_told_apart() {
    let page = "Text.\n```console\nandi$ symbolon id\n> one two\nname …\n\nben$ symbolon status\n```\n<!-- happens: rain -->\nandi$ no\n";
    let [id, status, rain] = &typed(page)[..] else { panic!("{:?}", typed(page)) };
    assert_eq!((id.at.as_str(), id.line.as_str(), &id.shown), ("andi", "symbolon id", &vec!["name …".to_owned()]));
    assert_eq!(id.into, "one two");
    assert_eq!((status.at.as_str(), status.shown.len(), rain.at.as_str(), rain.line.as_str()), ("ben", 0, "", "rain"));
    let lines = |text: &[&str]| text.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
    assert!(is_seen("a b\nc d", &lines(&["a … b", "d"])));
    assert!(!is_seen("a b\nc d", &lines(&["d", "a"])) && !is_seen("a b", &lines(&["x"])));
}

#[test]
fn two_friends_who_are_never_online_together() {
    walk(here(), "relay.md", nothing);
}

#[test]
fn friends_who_meet_part_and_move() {
    walk(here(), "friends.md", nothing);
}

#[test]
fn one_whom_a_member_knows_knocks_at_a_room() {
    walk(here(), "knock.md", nothing);
}

#[test]
fn one_person_on_two_computers() {
    walk(here(), "devices.md", nothing);
}

#[test]
fn somebody_whose_computer_is_gone() {
    walk(here(), "recovery.md", nothing);
}

#[test]
fn a_room_of_three_of_whom_two_are_strangers() {
    walk(here(), "rooms.md", nothing);
}

/// Two hosts of one machine, joined by a switch that leads nowhere.
const TWO_HOSTS: &str = "
ip link add name walk type bridge
ip link set walk up
for host in andi ben; do
    ip netns add walk-$host
    ip link add walk-$host type veth peer name eth0 netns walk-$host
    ip link set walk-$host master walk up
    ip -n walk-$host link set lo up
    ip -n walk-$host link set eth0 up
done
ip -n walk-andi address add 10.9.0.1/24 dev eth0
ip -n walk-ben address add 10.9.0.2/24 dev eth0";
const OTHER_ADDRESSES: &str = "
ip -n walk-andi address flush dev eth0 scope global
ip -n walk-ben address flush dev eth0 scope global
ip -n walk-andi address add 10.7.0.11/24 dev eth0
ip -n walk-ben address add 10.7.0.12/24 dev eth0";
const NO_HOSTS: &str = "for host in andi ben; do ip netns del walk-$host; ip link del walk-$host; done; ip link del walk";

fn as_root(script: &str) -> bool {
    Command::new("sh").args(["-c", script]).stderr(Stdio::null()).status().unwrap().success()
}

#[test]
fn two_friends_whose_internet_is_down() {
    let Some(_) = Lab::open() else { return };
    as_root(NO_HOSTS);
    assert!(as_root(&format!("set -e{TWO_HOSTS}")), "there are two hosts");
    let lan = Walk::new(|at| format!("ip netns exec walk-{at} "), "");
    walk(lan, "lan.md", |what| {
        assert_eq!(what, "other addresses");
        assert!(as_root(&format!("set -e{OTHER_ADDRESSES}")));
    });
    as_root(NO_HOSTS);
}

//! Data folders that an older build wrote (`tests/folders/BUILD`, made by `tests/folders/make`), opened by this one: nothing
//! that a user had is gone, and who knew each other talk on.
//!
//! A folder of a build holds: Andi, Ben (passphrase "correct horse") and their relay; three texts each way; one that lies at
//! the relay, one that is queued at Andi's and one at Ben's; an open invite of Andi's; Cara, whose request to Andi is
//! pending; and Dora, whose request Andi has blocked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use symbolon_tests::node::clock::{self, DAY, ahead};
use symbolon_tests::node::{Node, within};

const SOON: Duration = Duration::from_secs(60);

/// An older build's folders.
struct Build {
    /// Its commit.
    name: &'static str,
    /// When its folders were there, in Unix seconds.
    made: u64,
    /// Where its nodes listen: the folders name these addresses.
    net: &'static str,
    /// One set of them can listen there at a time.
    places: Mutex<()>,
}

/// Before folders were brought up to date at all.
static D14785D: Build = Build { name: "d14785d", made: 1_795_749_483, net: "127.83.89", places: Mutex::new(()) };
/// Before frames were counted by room.
static B84955B9: Build = Build { name: "84955b9", made: 1_795_803_023, net: "127.83.90", places: Mutex::new(()) };

/// Before keys of X-Wing, and leaves whose owners nobody else sees.
static B11EE37: Build = Build { name: "b11ee37", made: 1_795_816_372, net: "127.83.91", places: Mutex::new(()) };
/// Before builds said what they take.
static AAC3DD3: Build = Build { name: "aac3dd3", made: 1_795_824_749, net: "127.83.92", places: Mutex::new(()) };

/// Before a relay took any number of envelopes from members of a room.
static B7D5B730: Build = Build { name: "7d5b730", made: 1_795_853_763, net: "127.83.93", places: Mutex::new(()) };

/// Before a person's devices said which of them are theirs, and had their rooms from each other.
static B832C3BD2: Build = Build { name: "832c3bd2", made: 1_795_953_266, net: "127.83.94", places: Mutex::new(()) };

/// Before what is typed and not sent was kept.
static B97ACDFD: Build = Build { name: "97acdfd", made: 1_796_010_748, net: "127.83.95", places: Mutex::new(()) };

/// Before messages stood under whole numbers in the store.
static F39AB35: Build = Build { name: "f39ab35", made: 1_796_056_220, net: "127.83.96", places: Mutex::new(()) };

impl Build {
    /// Runs a story with its folders. Once they are old enough for what lies in them to expire, the clocks of nodes are put back to
    /// the day after they were made.
    fn tell(&'static self, story: impl FnOnce(&'static Self)) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let age = i64::try_from(now).unwrap() - i64::try_from(self.made).unwrap();
        if age < 28 * DAY {
            story(self);
        } else if clock::can_be_set() {
            ahead(DAY - age, || story(self));
        }
    }
}

/// A build's folders, copied to where they may change.
struct Old {
    home: tempfile::TempDir,
    net: &'static str,
    /// Released once the nodes are gone, which are made behind it.
    _places: MutexGuard<'static, ()>,
}

impl Old {
    fn of(build: &'static Build) -> Self {
        let places = build.places.lock().unwrap_or_else(PoisonError::into_inner);
        let home = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("folders").join(build.name), home.path());
        let passphrase = home.path().join("passphrase");
        fs::write(&passphrase, "correct horse\n").unwrap();
        fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
        Self { home, net: build.net, _places: places }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn place(&self, host: u8, port: u16) -> String {
        format!("/ip4/{}.{host}/tcp/{port}", self.net)
    }

    fn start(&self, name: &str, place: &str, more: &[&str]) -> Node {
        Node::start(&self.path(name), &[&["--no-lan", "--listen", place], more].concat()).unwrap()
    }

    fn andi(&self) -> Node {
        self.start("andi", &self.place(2, 47_011), &[])
    }

    fn ben(&self) -> Node {
        let passphrase = self.path("passphrase");
        self.start("ben", &self.place(3, 47_012), &["--passphrase-file", passphrase.to_str().unwrap()])
    }

    fn cara(&self) -> Node {
        self.start("cara", &self.place(4, 47_013), &[])
    }

    fn relay(&self) -> Node {
        Node::start(&self.path("relay"), &["relay", "run", "--open", "--listen", &self.place(1, 47_010)]).unwrap()
    }
}

/// As a user's folder lies on the disk: for its owner only, whatever a checkout made of it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(&target, fs::read(entry.path()).unwrap()).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// The texts of a history, those that were written here with their states.
fn history(node: &Node) -> Vec<(String, Option<String>)> {
    let text = |message: &Value, name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let messages = node.json(&["read", "--peek"]).unwrap();
    messages
        .iter()
        .filter(|message| message["text"].is_string())
        .map(|message| (text(message, "text"), (message["mine"] == true).then(|| text(message, "state"))))
        .collect()
}

fn wait_for_text(node: &Node, text: &str) {
    within(SOON, text, || Ok(history(node).iter().any(|(found, _)| found == text).then_some(()))).unwrap();
}

fn wait_for_state(node: &Node, text: &str, states: &[&str]) {
    within(SOON, text, || {
        let is_there = |(found, state): &(String, Option<String>)| found == text && state.as_deref().is_some_and(|at| states.contains(&at));
        Ok(history(node).iter().any(is_there).then_some(()))
    })
    .unwrap();
}

#[test]
fn folders_of_d14785d_keep_their_history_and_their_friends_talk_on() {
    D14785D.tell(keep_their_history_and_talk_on);
}

#[test]
fn folders_of_84955b9_keep_their_history_and_their_friends_talk_on() {
    B84955B9.tell(keep_their_history_and_talk_on);
}

#[test]
fn folders_of_b11ee37_keep_their_history_and_their_friends_talk_on() {
    B11EE37.tell(keep_their_history_and_talk_on);
}

#[test]
fn folders_of_aac3dd3_keep_their_history_and_their_friends_talk_on() {
    AAC3DD3.tell(keep_their_history_and_talk_on);
}

#[test]
fn folders_of_7d5b730_keep_their_history_and_their_friends_talk_on() {
    B7D5B730.tell(keep_their_history_and_talk_on);
}

#[test]
fn folders_of_832c3bd2_keep_their_history_and_their_friends_talk_on() {
    B832C3BD2.tell(keep_their_history_and_talk_on);
}

#[test]
fn folders_of_97acdfd_keep_their_history_and_their_friends_talk_on() {
    B97ACDFD.tell(keep_their_history_and_talk_on);
}

#[test]
fn folders_of_f39ab35_keep_their_history_and_their_friends_talk_on() {
    F39AB35.tell(keep_their_history_and_talk_on);
}

#[test]
fn rooms_in_folders_of_f39ab35_go_on_with_all_their_texts() {
    F39AB35.tell(rooms_go_on_with_all_their_texts);
}

#[test]
fn requests_in_folders_of_f39ab35_go_on_and_who_was_blocked_stays_so() {
    F39AB35.tell(requests_go_on_and_who_was_blocked_stays_so);
}

#[test]
fn rooms_in_folders_of_97acdfd_go_on_with_all_their_texts() {
    B97ACDFD.tell(rooms_go_on_with_all_their_texts);
}

#[test]
fn requests_in_folders_of_97acdfd_go_on_and_who_was_blocked_stays_so() {
    B97ACDFD.tell(requests_go_on_and_who_was_blocked_stays_so);
}

#[test]
fn rooms_in_folders_of_832c3bd2_go_on_with_all_their_texts() {
    B832C3BD2.tell(rooms_go_on_with_all_their_texts);
}

#[test]
fn requests_in_folders_of_832c3bd2_go_on_and_who_was_blocked_stays_so() {
    B832C3BD2.tell(requests_go_on_and_who_was_blocked_stays_so);
}

#[test]
fn rooms_in_folders_of_7d5b730_go_on_with_all_their_texts() {
    B7D5B730.tell(rooms_go_on_with_all_their_texts);
}

fn rooms_go_on_with_all_their_texts(build: &'static Build) {
    let old = Old::of(build);
    let (andi, ben) = (old.andi(), old.ben());
    for node in [&andi, &ben] {
        let rooms = node.json(&["room", "list"]).unwrap();
        assert_eq!(rooms.iter().map(|room| room["name"].as_str().unwrap()).collect::<Vec<_>>(), ["The two"]);
    }
    for (from, text) in [(&andi, "and on"), (&ben, "and back")] {
        let sent = from.json(&["send", "The two", text, "--wait", "delivered", "--timeout", "60s"]).unwrap();
        assert_eq!(sent[0]["state"], "delivered");
    }
    for node in [&andi, &ben] {
        let texts = node.json(&["read", "The two", "--limit", "50"]).unwrap();
        for text in ["from Andi in the room", "from Ben in the room", "and on", "and back"] {
            assert_eq!(texts.iter().filter(|row| row["text"] == text).count(), 1, "{text}");
        }
        node.calm().unwrap();
    }
}

fn keep_their_history_and_talk_on(build: &'static Build) {
    let old = Old::of(build);
    let mut andi = old.andi();
    let before: Vec<String> = history(&andi).into_iter().map(|(text, _)| text).collect();
    for number in 1..=3 {
        assert!(before.contains(&format!("from Andi {number}")) && before.contains(&format!("from Ben {number}")), "{before:?}");
    }
    let friends = andi.json(&["friends"]).unwrap();
    assert_eq!(friends.iter().map(|friend| friend["name"].as_str().unwrap()).collect::<Vec<_>>(), ["Ben"]);
    assert_eq!(friends[0]["trust"], "invited");

    // Neither is online together with the other at first: what lay at the relay is fetched from it.
    andi.interrupt().unwrap();
    let relay = old.relay();
    let ben = old.ben();
    // d14785d said `verified` of the one who had made the invite, though nobody had compared anything.
    assert_eq!(ben.json(&["friends"]).unwrap()[0]["trust"], "invited");
    wait_for_text(&ben, "stored at the relay");
    andi.restart().unwrap();
    wait_for_text(&ben, "queued at Andi's");
    wait_for_text(&andi, "queued at Ben's");
    for (node, text) in [(&andi, "stored at the relay"), (&andi, "queued at Andi's"), (&ben, "queued at Ben's")] {
        wait_for_state(node, text, &["delivered", "read"]);
    }
    for (from, to, text) in [(&andi, "Ben", "and on"), (&ben, "Andi", "and back")] {
        let sent = from.json(&["send", to, text, "--wait", "delivered", "--timeout", "60s"]).unwrap();
        assert_eq!(sent[0]["state"], "delivered");
    }
    // Nobody is said to be an older copy, or to have come back from one, not even for a moment. Only a relay whose link was lost may be
    // called again first.
    for node in [&andi, &ben] {
        let mut problems = Value::Null;
        let well = within(SOON, "nothing is wrong", || {
            problems = node.json(&["status"])?.swap_remove(0)["problems"].take();
            let all = problems.as_array().ok_or("no problems are named")?;
            let is_relay = |problem: &Value| problem.as_str().is_some_and(|text| text.starts_with("A relay of yours cannot be reached"));
            if !all.iter().all(is_relay) {
                return Err("something else than the relay is wrong".to_owned());
            }
            Ok(all.is_empty().then_some(()))
        });
        assert!(well.is_ok(), "{problems}\nthe relay: {:?} {:?}\nthe node: {:?}", relay.run(&["status"]), relay.said(), node.said());
    }
    for node in [&andi, &ben, &relay] {
        node.calm().unwrap();
    }
}

#[test]
fn requests_in_folders_of_d14785d_are_begun_again_and_who_was_blocked_stays_so() {
    D14785D.tell(requests_are_begun_again_and_who_was_blocked_stays_so);
}

#[test]
fn requests_in_folders_of_84955b9_are_begun_again_and_who_was_blocked_stays_so() {
    B84955B9.tell(requests_are_begun_again_and_who_was_blocked_stays_so);
}

#[test]
fn requests_in_folders_of_b11ee37_are_begun_again_and_who_was_blocked_stays_so() {
    B11EE37.tell(requests_are_begun_again_and_who_was_blocked_stays_so);
}

#[test]
fn requests_in_folders_of_aac3dd3_go_on_and_who_was_blocked_stays_so() {
    AAC3DD3.tell(requests_go_on_and_who_was_blocked_stays_so);
}

#[test]
fn requests_in_folders_of_7d5b730_go_on_and_who_was_blocked_stays_so() {
    B7D5B730.tell(requests_go_on_and_who_was_blocked_stays_so);
}

fn requests_go_on_and_who_was_blocked_stays_so(build: &'static Build) {
    let old = Old::of(build);
    let andi = old.andi();
    let requests = andi.json(&["requests"]).unwrap();
    let of = |name: &str| requests.iter().find(|request| request["name"] == name).unwrap();
    assert_eq!((of("Cara")["status"].as_str(), of("Dora")["status"].as_str()), (Some("pending"), Some("blocked")));
    andi.json(&["accept", of("Cara")["request"].as_str().unwrap()]).unwrap();
    reaches_andi(&old.cara());
}

/// Cara has become a friend of Andi's, and says so.
fn reaches_andi(cara: &Node) {
    within(SOON, "Cara is a friend", || {
        let friends = cara.json(&["friends"])?;
        Ok(friends.iter().any(|friend| friend["name"] == "Andi").then_some(()))
    })
    .unwrap();
    let sent = cara.json(&["send", "Andi", "at last", "--wait", "delivered", "--timeout", "60s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
}

fn requests_are_begun_again_and_who_was_blocked_stays_so(build: &'static Build) {
    let old = Old::of(build);
    let andi = old.andi();
    let requests = andi.json(&["requests"]).unwrap();
    let of = |name: &str| requests.iter().find(|request| request["name"] == name).unwrap();
    assert_eq!((of("Cara")["status"].as_str(), of("Dora")["status"].as_str()), (Some("expired"), Some("blocked")));
    assert!(of("Cara")["fault"].as_str().unwrap().contains("older version"), "{}", of("Cara"));

    let cara = old.cara();
    let link = fs::read_to_string(old.path("invite")).unwrap();
    assert!(cara.json(&["add", link.trim()]).is_err(), "a link of before leads nowhere");
    let link = andi.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    cara.json(&["add", &link]).unwrap();
    let request = within(SOON, "Cara asks", || {
        let requests = andi.json(&["requests"])?;
        Ok(requests.iter().find(|row| row["name"] == "Cara" && row["status"] == "pending").map(|row| row["request"].clone()))
    })
    .unwrap();
    andi.json(&["accept", request.as_str().unwrap()]).unwrap();
    reaches_andi(&cara);
}

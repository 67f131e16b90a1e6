//! From a knock to the newcomer's first text at another member, on the built command with real sockets; beside it, in the same
//! run, the floor: the same member brings the same friend in with `room add`, and their first text. What a knock costs more is
//! the way by the hub, two signatures and seals more, and a pause that hides whether a member vouches or passes.
//!
//! `cargo bench -p symbolon-tests --bench vouching`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_tests::node::{Node, befriend, within};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const ROUNDS: usize = 5;
const SOON: Duration = Duration::from_secs(60);

fn person(home: &Path, name: &str, link: &str) -> Node {
    let node = Node::start(&home.join(name), &["--no-lan", "--listen", TCP, "--name", name, "--relay", link]).unwrap();
    within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
    node
}

/// From a command until the newcomer's first text is read in the room.
fn hello(newcomer: &Node, member: &Node, room: &str, from: impl FnOnce()) -> Duration {
    let start = Instant::now();
    from();
    let is_in = || Ok(newcomer.json(&["room", "list"])?.iter().any(|row| row["name"] == room).then_some(()));
    within(SOON, "the newcomer is in the room", is_in).unwrap();
    newcomer.json(&["send", room, "hello"]).unwrap();
    let is_there = || Ok(member.json(&["read", room, "--peek"])?.iter().any(|row| row["text"] == "hello").then_some(()));
    within(SOON, "their first text is there", is_there).unwrap();
    start.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let relay = Node::start(&home.join("hub"), &["relay", "run", "--open", "--hub", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let ana = person(home, "Ana", &link);
    let (mut added, mut knocked) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let name = format!("Friend {round}");
        let friend = person(home, &name, &link);
        befriend((&ana, "Ana"), (&friend, &name)).unwrap();
        let [plain, open] = ["added", "knocked"].map(|how| format!("{how} {round}"));
        ana.json(&["room", "create", &plain]).unwrap();
        added.push(hello(&friend, &ana, &plain, || drop(ana.json(&["room", "add", &plain, &name]).unwrap())));
        // Ana alone is in it, so that nobody is asked before her.
        ana.json(&["room", "create", &open]).unwrap();
        let card = ana.json(&["room", "card", &open]).unwrap()[0]["card"].as_str().unwrap().to_owned();
        std::thread::sleep(Duration::from_secs(2));
        knocked.push(hello(&friend, &ana, &open, || drop(friend.json(&["room", "knock", &card]).unwrap())));
    }
    let (floor, knock) = (median(&mut added), median(&mut knocked));
    let pause = Duration::from_millis(symbolon_core::limits::VOUCH_DELAY);
    let rest = knock.saturating_sub(pause);
    println!("added to first text, the floor:  {:>6} ms", floor.as_millis());
    println!("knock to first text:             {:>6} ms, {:.1} of it", knock.as_millis(), knock.as_secs_f64() / floor.as_secs_f64());
    println!(
        "  without the pause of {} s:       {:>6} ms, {:.1} of it",
        pause.as_secs(),
        rest.as_millis(),
        rest.as_secs_f64() / floor.as_secs_f64()
    );
    println!("  of {ROUNDS} rounds: {added:?} and {knocked:?}");
}

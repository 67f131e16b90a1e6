//! Friends in two houses, each behind a router that lets nobody in, and a relay in the world.

use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_tests::lab::{Host, Lab, Nat, Switch};
use symbolon_tests::node::{Node, Trouble, wait_for_friend, within};

/// By then a direct way has taken over.
const SHORTER: Duration = Duration::from_secs(30);
/// For what takes seconds on a machine that is not busy.
const SOON: Duration = Duration::from_secs(60);

/// Two houses, their routers, and a relay.
struct World {
    a: Host,
    b: Host,
    r: Host,
    /// The relay's device.
    wire: String,
    /// Gone with the world, and their cables with them.
    _routers: [Host; 2],
    _switches: [Switch; 3],
}

impl World {
    fn build(lab: &Lab, nat: Nat) -> Result<Option<Self>, Trouble> {
        let [world, east, west] = [lab.switch()?, lab.switch()?, lab.switch()?];
        let (a, b, r) = (lab.host()?, lab.host()?, lab.host()?);
        let wire = r.plug(&world, &["203.0.113.1/24"])?;
        let Some(first) = lab.router((&world, "203.0.113.11/24"), (&east, "10.1.0.1/24"), nat)? else { return Ok(None) };
        let Some(second) = lab.router((&world, "203.0.113.12/24"), (&west, "10.2.0.1/24"), nat)? else { return Ok(None) };
        a.plug(&east, &["10.1.0.2/24"])?;
        a.leave_by("10.1.0.1")?;
        b.plug(&west, &["10.2.0.2/24"])?;
        b.leave_by("10.2.0.1")?;
        Ok(Some(Self { a, b, r, wire, _routers: [first, second], _switches: [world, east, west] }))
    }
}

fn person(host: &Host, folder: &Path, name: &str, link: &str) -> Node {
    let node = host.run(|| Node::start(folder, &["--name", name, "--relay", link])).unwrap();
    within(SOON, "the relay keeps the mailbox", || {
        Ok((host.run(|| node.json(&["relay", "list"]))?[0]["state"] == "connected").then_some(()))
    })
    .unwrap();
    node
}

fn path(host: &Host, node: &Node) -> Result<Option<String>, Trouble> {
    let friends = host.run(|| node.json(&["friends"]))?;
    Ok(friends[0]["path"].as_str().map(str::to_owned))
}

fn deliver(host: &Host, node: &Node, to: &str, text: &str) -> Duration {
    let begun = Instant::now();
    let sent = host.run(|| node.json(&["send", to, text, "--wait", "delivered", "--timeout", "30s"])).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    begun.elapsed()
}

fn texts(host: &Host, node: &Node) -> Vec<String> {
    let messages = host.run(|| node.json(&["read"])).unwrap();
    messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

/// Two who have just befriended each other through the relay, and since when they are friends.
fn befriended(world: &World, home: &Path) -> (Node, Node, Node, Instant) {
    let relay = world.r.run(|| Node::start(&home.join("relay"), &["relay", "run", "--open"])).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let andi = person(&world.a, &home.join("andi"), "Andi", &link);
    let ben = person(&world.b, &home.join("ben"), "Ben", &link);
    let invite = world.a.run(|| Ok(andi.json(&["invite", "--auto-accept"])?[0]["link"].as_str().unwrap().to_owned())).unwrap();
    world.b.run(|| ben.json(&["add", &invite])).unwrap();
    world.a.run(|| wait_for_friend(&andi, "Ben")).unwrap();
    world.b.run(|| wait_for_friend(&ben, "Andi")).unwrap();
    (andi, ben, relay, Instant::now())
}

#[test]
fn behind_two_routers_friends_talk_by_the_relay_and_within_30_s_directly_and_go_on_when_the_relay_is_cut() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let Some(world) = World::build(&lab, Nat::KeepsPorts).unwrap() else { return };
    let (andi, ben, relay, since) = befriended(&world, home.path());
    deliver(&world.a, &andi, "Ben", "through the relay");
    within(SHORTER, "the way is direct at both ends", || {
        Ok((path(&world.a, &andi)?.as_deref() == Some("direct") && path(&world.b, &ben)?.as_deref() == Some("direct")).then_some(()))
    })
    .unwrap();
    eprintln!("direct {:.1} s after they were friends", since.elapsed().as_secs_f32());
    world.r.connect(&world.wire, false).unwrap();
    let there = deliver(&world.a, &andi, "Ben", "without it");
    let back = deliver(&world.b, &ben, "Andi", "and back");
    eprintln!("without the relay delivered in {there:?} and {back:?}");
    // Longer than a connection on which nothing is heard: what stands does not lean on the relay.
    std::thread::sleep(Duration::from_secs(35));
    assert_eq!(path(&world.a, &andi).unwrap().as_deref(), Some("direct"));
    deliver(&world.a, &andi, "Ben", "still there");
    assert_eq!(texts(&world.b, &ben), ["through the relay", "without it", "and back", "still there"]);
    for node in [&andi, &ben, &relay] {
        node.calm().unwrap();
    }
}

#[test]
fn behind_symmetric_routers_friends_stay_on_the_circuit_and_are_told_so() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let Some(world) = World::build(&lab, Nat::DrawsPorts).unwrap() else { return };
    let (andi, ben, relay, since) = befriended(&world, home.path());
    within(SOON, "the way leads through the relay", || {
        Ok((path(&world.a, &andi)?.as_deref() == Some("relay") && path(&world.b, &ben)?.as_deref() == Some("relay")).then_some(()))
    })
    .unwrap();
    eprintln!("by the relay {:.1} s after they were friends", since.elapsed().as_secs_f32());
    // Holes are tried, in vain: three times at once, and again after half a minute.
    for number in 0..9 {
        deliver(&world.a, &andi, "Ben", &format!("there {number}"));
        deliver(&world.b, &ben, "Andi", &format!("back {number}"));
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(path(&world.a, &andi).unwrap().as_deref(), Some("relay"));
        assert_eq!(path(&world.b, &ben).unwrap().as_deref(), Some("relay"));
    }
    assert_eq!(texts(&world.b, &ben).len(), 18);
    for node in [&andi, &ben, &relay] {
        node.calm().unwrap();
    }
}

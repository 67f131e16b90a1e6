//! Friends in two houses, and a relay that both reach: between the houses there is no way.

use std::path::Path;
use std::time::Duration;
use symbolon_tests::lab::{Host, Lab, Switch};
use symbolon_tests::node::{Node, Trouble, wait_for_friend, within};

const SOON: Duration = Duration::from_secs(20);

/// Two houses and a relay.
struct Town {
    a: Host,
    b: Host,
    r: Host,
    /// The relay's devices towards each house.
    wires: [String; 2],
    /// Gone with the town, and their cables with them.
    _switches: [Switch; 2],
}

impl Town {
    fn build(lab: &Lab) -> Result<Self, Trouble> {
        let (east, west) = (lab.switch()?, lab.switch()?);
        let (a, b, r) = (lab.host()?, lab.host()?, lab.host()?);
        a.plug(&east, &["10.1.0.2/24"])?;
        b.plug(&west, &["10.2.0.2/24"])?;
        let wires = [r.plug(&east, &["10.1.0.1/24"])?, r.plug(&west, &["10.2.0.1/24"])?];
        Ok(Self { a, b, r, wires, _switches: [east, west] })
    }
}

fn relay(host: &Host, folder: &Path) -> (Node, String) {
    let node = host.run(|| Node::start(folder, &["relay", "run", "--open"])).unwrap();
    let link = node.ready["link"].as_str().unwrap().to_owned();
    (node, link)
}

fn person(host: &Host, folder: &Path, name: &str, link: &str) -> Node {
    let node = host.run(|| Node::start(folder, &["--name", name, "--relay", link])).unwrap();
    within(SOON, "the relay keeps the mailbox", || {
        Ok((host.run(|| node.json(&["relay", "list"]))?[0]["state"] == "connected").then_some(()))
    })
    .unwrap();
    node
}

fn befriend(town: &Town, andi: &Node, ben: &Node) {
    let link = town.a.run(|| Ok(andi.json(&["invite", "--auto-accept"])?[0]["link"].as_str().unwrap().to_owned())).unwrap();
    town.b.run(|| ben.json(&["add", &link])).unwrap();
    town.a.run(|| wait_for_friend(andi, "Ben")).unwrap();
    town.b.run(|| wait_for_friend(ben, "Andi")).unwrap();
}

fn path(host: &Host, node: &Node) -> Result<Option<String>, Trouble> {
    let friends = host.run(|| node.json(&["friends"]))?;
    Ok(friends[0]["path"].as_str().map(str::to_owned))
}

fn deliver(host: &Host, node: &Node, to: &str, text: &str) {
    let sent = host.run(|| node.json(&["send", to, text, "--wait", "delivered", "--timeout", "30s"])).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
}

fn texts(host: &Host, node: &Node) -> Vec<String> {
    let messages = host.run(|| node.json(&["read"])).unwrap();
    messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn friends_without_a_way_between_them_talk_live_through_their_relay() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let town = Town::build(&lab).unwrap();
    let (relay, link) = relay(&town.r, &home.path().join("relay"));
    let andi = person(&town.a, &home.path().join("andi"), "Andi", &link);
    let ben = person(&town.b, &home.path().join("ben"), "Ben", &link);
    befriend(&town, &andi, &ben);
    within(SOON, "the way leads through the relay", || {
        Ok((path(&town.a, &andi)?.as_deref() == Some("relay") && path(&town.b, &ben)?.as_deref() == Some("relay")).then_some(()))
    })
    .unwrap();
    deliver(&town.a, &andi, "Ben", "over there");
    deliver(&town.b, &ben, "Andi", "over here");
    assert_eq!(texts(&town.b, &ben), ["over there", "over here"]);
    for node in [&andi, &ben, &relay] {
        node.calm().unwrap();
    }
}

#[test]
fn a_relay_that_is_killed_again_and_again_under_load_loses_and_doubles_nothing() {
    const TEXTS: usize = 60;
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let town = Town::build(&lab).unwrap();
    let (mut relay, link) = relay(&town.r, &home.path().join("relay"));
    let andi = person(&town.a, &home.path().join("andi"), "Andi", &link);
    let ben = person(&town.b, &home.path().join("ben"), "Ben", &link);
    befriend(&town, &andi, &ben);
    for number in 0..TEXTS {
        town.a.run(|| andi.json(&["send", "Ben", &format!("there {number}")])).unwrap();
        town.b.run(|| ben.json(&["send", "Andi", &format!("back {number}")])).unwrap();
        if number % 20 == 10 {
            town.r.run(|| relay.restart()).unwrap();
        }
    }
    let there: Vec<String> = (0..TEXTS).map(|number| format!("there {number}")).collect();
    let back: Vec<String> = (0..TEXTS).map(|number| format!("back {number}")).collect();
    let told = |host: &Host, node: &Node, prefix: &str| -> Result<Vec<String>, Trouble> {
        let messages = host.run(|| node.json(&["read", "--peek"]))?;
        let texts = messages.iter().map(|message| message["text"].as_str().unwrap().to_owned());
        Ok(texts.filter(|text| text.starts_with(prefix)).collect())
    };
    within(Duration::from_secs(60), "all of it arrives", || {
        let (at_ben, at_andi) = (told(&town.b, &ben, "there")?, told(&town.a, &andi, "back")?);
        Ok((at_ben.len() >= TEXTS && at_andi.len() >= TEXTS).then_some(()))
    })
    .unwrap();
    assert_eq!(told(&town.b, &ben, "there").unwrap(), there);
    assert_eq!(told(&town.a, &andi, "back").unwrap(), back);
    within(SOON, "and is known to have arrived", || {
        let messages = town.a.run(|| andi.json(&["read", "--peek"]))?;
        Ok(messages.iter().filter(|message| message["mine"] == true).all(|message| message["state"] == "delivered").then_some(()))
    })
    .unwrap();
}

#[test]
fn a_way_that_dies_in_mid_conversation_costs_seconds() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let town = Town::build(&lab).unwrap();
    let (_relay, link) = relay(&town.r, &home.path().join("relay"));
    let andi = person(&town.a, &home.path().join("andi"), "Andi", &link);
    let ben = person(&town.b, &home.path().join("ben"), "Ben", &link);
    befriend(&town, &andi, &ben);
    deliver(&town.a, &andi, "Ben", "before");
    // Ben's house is cut off: nobody closes a connection, nothing comes back.
    town.r.connect(&town.wires[1], false).unwrap();
    let sent = town.a.run(|| andi.json(&["send", "Ben", "meanwhile", "--wait", "stored", "--timeout", "60s"])).unwrap();
    assert_eq!(sent[0]["state"], "stored");
    town.r.connect(&town.wires[1], true).unwrap();
    within(Duration::from_secs(60), "it arrives", || Ok((town.b.run(|| ben.json(&["read", "--peek"]))?.len() == 2).then_some(()))).unwrap();
    assert_eq!(texts(&town.b, &ben), ["before", "meanwhile"]);
}

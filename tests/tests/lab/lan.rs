//! Friends in one house, whose internet is down.

#[path = "lan/listener.rs"]
mod listener;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_tests::lab::{Host, Lab, SlowCable, Switch};
use symbolon_tests::node::{Node, Trouble, wait_for_friend, within};

const SOON: Duration = Duration::from_secs(20);
/// Instances that somebody invents.
const FLOOD: u64 = 60_000;

fn three_on_one_cable(lab: &Lab) -> (Switch, [Host; 3]) {
    let switch = lab.switch().unwrap();
    let hosts = ["10.9.0.1/24", "10.9.0.2/24", "10.9.0.3/24"].map(|address| {
        let host = lab.host().unwrap();
        host.plug(&switch, &[address]).unwrap();
        host
    });
    (switch, hosts)
}

fn start(host: &Host, folder: &Path, name: &str, more: &[&str]) -> Node {
    host.run(|| Node::start(folder, &[&["--name", name], more].concat())).unwrap()
}

/// By an invite that is accepted by itself.
fn befriend(andi: (&Host, &Node), ben: (&Host, &Node)) {
    let link = andi.0.run(|| Ok(andi.1.json(&["invite", "--auto-accept"])?[0]["link"].as_str().unwrap().to_owned())).unwrap();
    ben.0.run(|| ben.1.json(&["add", &link])).unwrap();
    andi.0.run(|| wait_for_friend(andi.1, "Ben")).unwrap();
    ben.0.run(|| wait_for_friend(ben.1, "Andi")).unwrap();
}

/// Sends a text, and says how long it took until the other side had it on its disk.
fn deliver(host: &Host, node: &Node, to: &str, text: &str) -> Duration {
    let begun = Instant::now();
    let sent = host.run(|| node.json(&["send", to, text, "--wait", "delivered", "--timeout", "30s"])).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    begun.elapsed()
}

fn path(host: &Host, node: &Node) -> Result<Option<String>, Trouble> {
    let friends = host.run(|| node.json(&["friends"]))?;
    Ok(friends[0]["path"].as_str().map(str::to_owned))
}

fn texts(host: &Host, node: &Node) -> Vec<String> {
    let messages = host.run(|| node.json(&["read"])).unwrap();
    messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn friends_without_internet_befriend_talk_and_find_each_other_after_both_were_renumbered() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (switch, a, b) = (lab.switch().unwrap(), lab.host().unwrap(), lab.host().unwrap());
    let device = a.plug(&switch, &["10.9.0.1/24"]).unwrap();
    b.plug(&switch, &["10.9.0.2/24"]).unwrap();
    let mut andi = start(&a, &home.path().join("andi"), "Andi", &[]);
    let mut ben = start(&b, &home.path().join("ben"), "Ben", &[]);
    befriend((&a, &andi), (&b, &ben));
    deliver(&a, &andi, "Ben", "one");
    deliver(&b, &ben, "Andi", "two");
    within(SOON, "the way is the LAN's", || Ok((path(&a, &andi)?.as_deref() == Some("lan")).then_some(()))).unwrap();

    a.renumber(&device, &["10.7.0.11/24"]).unwrap();
    b.renumber(&device, &["10.7.0.12/24"]).unwrap();
    let there = deliver(&a, &andi, "Ben", "three");
    let back = deliver(&b, &ben, "Andi", "four");
    assert!(there.max(back) < Duration::from_secs(10), "it took {there:?} and {back:?}");

    // Both were off, and woke up elsewhere: nobody knows an address of the other that is good.
    a.run(|| andi.interrupt()).unwrap();
    b.run(|| ben.interrupt()).unwrap();
    a.renumber(&device, &["10.5.0.21/24"]).unwrap();
    b.renumber(&device, &["10.5.0.22/24"]).unwrap();
    a.run(|| andi.restart()).unwrap();
    b.run(|| ben.restart()).unwrap();
    let there = deliver(&a, &andi, "Ben", "five");
    assert!(there < Duration::from_secs(10), "it took {there:?}");
    for (host, node) in [(&a, &andi), (&b, &ben)] {
        assert_eq!(texts(host, node), ["one", "two", "three", "four", "five"]);
        node.calm().unwrap();
    }
}

#[test]
fn a_new_device_is_paired_without_internet_and_without_a_relay_and_talks_with_a_friend() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (_switch, [a, b, c]) = three_on_one_cable(&lab);
    let andi = start(&a, &home.path().join("andi"), "Andi", &[]);
    let ben = start(&b, &home.path().join("ben"), "Ben", &[]);
    befriend((&a, &andi), (&b, &ben));
    deliver(&b, &ben, "Andi", "before");
    let phone = start(&c, &home.path().join("phone"), "Phone", &[]);
    let code = a.run(|| Ok(andi.json(&["device", "pair"])?[0]["code"].as_str().unwrap().to_owned())).unwrap();
    c.run(|| phone.json(&["device", "join", &code])).unwrap();
    within(SOON, "Ben is a friend of the phone", || {
        let friends = c.run(|| phone.json(&["friends"]))?;
        Ok(friends.iter().any(|friend| friend["name"] == "Ben" && friend["mutual"] == true).then_some(()))
    })
    .unwrap();
    within(SOON, "the phone has the history", || Ok((texts(&c, &phone) == ["before"]).then_some(()))).unwrap();
    deliver(&c, &phone, "Ben", "from the phone");
    within(SOON, "both devices show it", || Ok((texts(&a, &andi) == ["before", "from the phone"]).then_some(()))).unwrap();
    let friends = b.run(|| ben.json(&["friends"])).unwrap();
    assert_eq!(friends.len(), 1, "one person");
    for (host, node) in [(&a, &andi), (&b, &ben), (&c, &phone)] {
        host.run(|| node.calm()).unwrap();
    }
}

/// `backup restore --phrase -` on a host, with these words on standard input.
fn restore_by_words(host: &Host, folder: &Path, words: &str) -> serde_json::Value {
    host.run(|| {
        let mut command = std::process::Command::new(symbolon_tests::node::binary()?);
        command.arg("--data").arg(folder).args(["--json", "backup", "restore", "--phrase", "-"]);
        let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), words.as_bytes()).unwrap();
        Ok(serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap())
    })
    .unwrap()
}

#[test]
fn r13_the_words_alone_and_no_link_are_enough_where_a_relay_of_ones_own_is_in_the_house() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (_switch, [a, b, c]) = three_on_one_cable(&lab);
    let relay = a.run(|| Node::start(&home.path().join("relay"), &["relay", "run", "--open"])).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let mut andi = start(&b, &home.path().join("andi"), "Andi", &["--relay", &link]);
    let words = b.run(|| Ok(andi.json(&["id", "phrase"])?[0]["phrase"].as_str().unwrap().to_owned())).unwrap();
    b.run(|| andi.json(&["id", "phrase", "--confirm"])).unwrap();
    within(2 * SOON, "it lies at the relay", || {
        // Until the relay keeps the mailbox, the command ends as one that has found something.
        let said = b.run(|| andi.run(&["--json", "doctor"])?.objects())?;
        let detail = said.iter().find(|check| check["check"] == "recovery").map(|check| check["detail"].clone());
        Ok(detail.is_some_and(|detail| detail.as_str().is_some_and(|detail| detail.contains("lies at 1 of 1"))).then_some(()))
    })
    .unwrap();
    let id = andi.ready["id"].clone();
    b.run(|| andi.kill()).unwrap();

    let restored = restore_by_words(&c, &home.path().join("fresh"), &words);
    assert_eq!(restored["id"], id, "{restored}");
}

#[test]
fn who_is_gone_is_found_by_peer_id_alone_at_a_strangers_node_without_internet() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (_switch, [a, b, c]) = three_on_one_cable(&lab);
    let mut andi = start(&a, &home.path().join("andi"), "Andi", &["--lan-dht"]);
    let ben = start(&b, &home.path().join("ben"), "Ben", &["--lan-dht"]);
    let status = |host: &Host, node: &Node| host.run(|| Ok(node.json(&["status"])?.swap_remove(0)));
    // Nodes that know no DHT server wait for one, and then serve one another.
    within(Duration::from_secs(60), "Ben's node keeps Andi's records", || {
        let (andi, ben) = (status(&a, &andi)?, status(&b, &ben)?);
        Ok((andi["dht"] == "lan" && ben["dht"] == "lan" && andi["lookup"]["read_back"].is_string()).then_some(()))
    })
    .unwrap();
    a.run(|| andi.json(&["findable", "on"])).unwrap();
    let id = andi.ready["id"].as_str().unwrap().to_owned();
    a.run(|| andi.interrupt()).unwrap();

    // For a while Ben's node is the only one, and knows it.
    std::thread::sleep(Duration::from_secs(5));
    let cleo = start(&c, &home.path().join("cleo"), "Cleo", &["--lan-dht"]);
    let asked = c.run(|| cleo.json(&["add", &id])).unwrap();
    assert_eq!(asked[0]["status"], "unresolved");
    within(Duration::from_secs(90), "Cleo's node has read Andi's record", || {
        Ok((c.run(|| cleo.json(&["requests"]))?[0]["status"] == "pending").then_some(()))
    })
    .unwrap();
    a.run(|| andi.restart()).unwrap();
    let asked = within(SOON, "the request has arrived", || Ok(a.run(|| andi.json(&["requests"]))?.pop())).unwrap();
    a.run(|| andi.json(&["accept", asked["request"].as_str().unwrap()])).unwrap();
    c.run(|| wait_for_friend(&cleo, "Andi")).unwrap();
    deliver(&c, &cleo, "Andi", "found you");
    ben.calm().unwrap();
}

#[test]
fn friends_on_a_bare_cable_talk_by_link_local_addresses() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (switch, a, b) = (lab.switch().unwrap(), lab.host().unwrap(), lab.host().unwrap());
    let device = a.plug(&switch, &["10.9.0.1/24"]).unwrap();
    b.plug(&switch, &["10.9.0.2/24"]).unwrap();
    let andi = start(&a, &home.path().join("andi"), "Andi", &[]);
    let ben = start(&b, &home.path().join("ben"), "Ben", &[]);
    befriend((&a, &andi), (&b, &ben));

    // The router that gave the addresses is gone.
    a.renumber(&device, &[]).unwrap();
    b.renumber(&device, &[]).unwrap();
    let there = deliver(&a, &andi, "Ben", "no address but the cable's");
    let back = deliver(&b, &ben, "Andi", "nor here");
    assert!(there.max(back) < Duration::from_secs(10), "it took {there:?} and {back:?}");
    assert_eq!(path(&a, &andi).unwrap().as_deref(), Some("lan"));
}

#[test]
fn friends_behind_a_pulled_cable_talk_again_when_it_is_back() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (switch, a, b) = (lab.switch().unwrap(), lab.host().unwrap(), lab.host().unwrap());
    let device = a.plug(&switch, &["10.9.0.1/24"]).unwrap();
    b.plug(&switch, &["10.9.0.2/24"]).unwrap();
    let andi = start(&a, &home.path().join("andi"), "Andi", &[]);
    let ben = start(&b, &home.path().join("ben"), "Ben", &[]);
    befriend((&a, &andi), (&b, &ben));
    deliver(&a, &andi, "Ben", "before");

    a.connect(&device, false).unwrap();
    let sent = a.run(|| andi.json(&["send", "Ben", "into the void"])).unwrap();
    assert_ne!(sent[0]["state"], "delivered");
    std::thread::sleep(Duration::from_secs(2));
    a.connect(&device, true).unwrap();
    // Pulling a cable takes the routes away, not the address.
    a.renumber(&device, &["10.9.0.1/24"]).unwrap();
    deliver(&a, &andi, "Ben", "after");
    assert_eq!(texts(&b, &ben), ["before", "into the void", "after"]);
}

#[test]
fn friends_on_a_slow_cable_that_loses_frames_miss_nothing() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (a, b) = (lab.host().unwrap(), lab.host().unwrap());
    let cable = SlowCable::join([&a, &b], ["10.9.0.1/24", "10.9.0.2/24"], Duration::from_millis(100), 30).unwrap();
    let Some((_cable, _)) = cable else { return };
    let andi = start(&a, &home.path().join("andi"), "Andi", &[]);
    let ben = start(&b, &home.path().join("ben"), "Ben", &[]);
    befriend((&a, &andi), (&b, &ben));
    let written: Vec<String> = (0..30).map(|number| format!("text {number}")).collect();
    for text in &written {
        a.run(|| andi.json(&["send", "Ben", text])).unwrap();
    }
    let last = deliver(&a, &andi, "Ben", "the last");
    assert!(last >= Duration::from_millis(200), "nothing is quicker than the cable: {last:?}");
    let mut expected = written;
    expected.push("the last".to_owned());
    assert_eq!(texts(&b, &ben), expected);
}

#[test]
fn friends_who_both_took_somebody_out_while_apart_find_each_other_on_the_lan_alone() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (switch, a, b, c) = (lab.switch().unwrap(), lab.host().unwrap(), lab.host().unwrap(), lab.host().unwrap());
    let device = a.plug(&switch, &["10.9.0.1/24"]).unwrap();
    b.plug(&switch, &["10.9.0.2/24"]).unwrap();
    c.plug(&switch, &["10.9.0.3/24"]).unwrap();
    let mut andi = start(&a, &home.path().join("andi"), "Andi", &[]);
    let mut ben = start(&b, &home.path().join("ben"), "Ben", &[]);
    let mut cleo = start(&c, &home.path().join("cleo"), "Cleo", &[]);
    befriend((&a, &andi), (&b, &ben));
    for (host, node) in [(&a, &andi), (&b, &ben)] {
        let link = c.run(|| Ok(cleo.json(&["invite", "--auto-accept"])?[0]["link"].as_str().unwrap().to_owned())).unwrap();
        host.run(|| node.json(&["add", &link])).unwrap();
        host.run(|| wait_for_friend(node, "Cleo")).unwrap();
    }
    deliver(&a, &andi, "Ben", "before");

    c.run(|| cleo.interrupt()).unwrap();
    b.connect(&device, false).unwrap();
    for (host, node) in [(&a, &andi), (&b, &ben)] {
        host.run(|| node.json(&["unfriend", "Cleo"])).unwrap();
    }
    a.run(|| andi.interrupt()).unwrap();
    b.run(|| ben.interrupt()).unwrap();
    // Nobody knows an address of the other that is good, or a secret.
    b.connect(&device, true).unwrap();
    a.renumber(&device, &["10.7.0.11/24"]).unwrap();
    b.renumber(&device, &["10.7.0.12/24"]).unwrap();
    a.run(|| andi.restart()).unwrap();
    b.run(|| ben.restart()).unwrap();
    let begun = Instant::now();
    a.run(|| andi.json(&["send", "Ben", "after"])).unwrap();
    let arrived = || Ok((b.run(|| ben.json(&["read"]))?.len() == 2).then_some(()));
    within(Duration::from_secs(180), "Ben has Andi's text", arrived).unwrap();
    println!("found after {:?}", begun.elapsed());
    assert!(begun.elapsed() > Duration::from_secs(45), "they were strangers to each other");
    deliver(&b, &ben, "Andi", "and back");

    // They have exchanged the news, and know each other's records from now on.
    let knows = |host: &Host, node: &Node| -> Result<bool, Trouble> {
        Ok(host.run(|| node.json(&["status"]))?.swap_remove(0)["nearby"]["friends"] == 1)
    };
    within(SOON, "each knows the other's record", || Ok((knows(&a, &andi)? && knows(&b, &ben)?).then_some(()))).unwrap();
    for node in [&andi, &ben] {
        node.calm().unwrap();
    }
}

#[test]
fn strangers_who_want_to_be_seen_see_each_other_by_name_and_nobody_else_does() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let (_switch, [a, b, c]) = three_on_one_cable(&lab);
    let andi = start(&a, &home.path().join("andi"), "Andi", &["--lan-visible"]);
    let ben = start(&b, &home.path().join("ben"), "Ben", &["--lan-visible"]);
    let cleo = start(&c, &home.path().join("cleo"), "Cleo", &[]);
    let nearby = |host: &Host, node: &Node| -> Result<serde_json::Value, Trouble> {
        Ok(host.run(|| node.json(&["status"]))?.swap_remove(0)["nearby"]["strangers"].take())
    };
    within(SOON, "they see each other", || {
        let seen = (nearby(&a, &andi)?, nearby(&b, &ben)?);
        Ok((seen == (serde_json::json!(["Ben"]), serde_json::json!(["Andi"]))).then_some(()))
    })
    .unwrap();
    assert_eq!(nearby(&c, &cleo).unwrap(), serde_json::json!([]));
}

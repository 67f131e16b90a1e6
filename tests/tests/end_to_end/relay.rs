//! Two people who are never online together, and a relay that is killed between.

use super::vouchers::keys_of;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_core::link::InviteLink;
use symbolon_core::table::Table;
use symbolon_core::world::Shelf;
use symbolon_node::folder::Folder;
use symbolon_presence::codec;
use symbolon_presence::envelope::BUCKETS;
use symbolon_relay::link::RelayLink;
use symbolon_relay::machine::rows::Entry;
use symbolon_tests::node::{Node, calm, pending, said, within};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const SOON: Duration = Duration::from_secs(20);

fn person(folder: &Path, name: &str, link: &str) -> Node {
    Node::start(folder, &["-vvv", "--listen", TCP, "--name", name, "--relay", link]).unwrap()
}

fn texts(node: &Node) -> Vec<String> {
    node.json(&["read"]).unwrap().iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

/// Waits until a relay keeps our mailbox.
fn wait_for_relay(node: &Node) {
    within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
}

/// Waits until a message has got so far.
fn wait_for_state(node: &Node, text: &str, state: &str) {
    within(SOON, state, || {
        let messages = node.json(&["read", "--peek"])?;
        Ok(messages.iter().any(|message| message["text"] == text && message["state"] == state).then_some(()))
    })
    .unwrap();
}

/// A port that is free now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_relay_is_announced_added_and_used_by_its_dns_name() {
    let home = tempfile::tempdir().unwrap();
    let [andi, ben, host] = ["andi", "ben", "host"].map(|name| home.path().join(name));
    let port = free_port();
    let (listen, name) = (format!("/ip4/127.0.0.1/tcp/{port}"), format!("/dns4/localhost/tcp/{port}"));
    let mut relay = Node::start(&host, &["relay", "run", "--open", "--listen", &listen]).unwrap();
    assert!(relay.ready["warning"].as_str().unwrap().contains("--announce"), "{}", relay.ready);
    relay.interrupt().unwrap();
    let public = "/dns4/relay.example.org/tcp/4001";
    let mut relay = Node::start(&host, &["relay", "run", "--open", "--listen", &listen, "--announce", public]).unwrap();
    assert!(relay.ready["warning"].is_null(), "{}", relay.ready);
    let kept = relay.ready["link"].clone();
    relay.interrupt().unwrap();
    let mut relay = Node::start(&host, &["relay", "run", "--open", "--listen", &listen]).unwrap();
    assert_eq!(relay.ready["link"], kept, "what is announced survives a start");
    relay.interrupt().unwrap();
    let relay = Node::start(&host, &["relay", "run", "--open", "--listen", &listen, "--announce", &name]).unwrap();
    // The link holds the address as well; one with the name alone shows that the name is used.
    let link: RelayLink = relay.ready["link"].as_str().unwrap().parse().unwrap();
    let by_name = symbolon_node::net::server_address_from_text(&name).unwrap();
    assert_eq!(link.places.first(), Some(&by_name));
    let link = RelayLink { places: vec![by_name], ..link }.to_string();

    let a = person(&andi, "Andi", &link);
    wait_for_relay(&a);
    let mut b = person(&ben, "Ben", &link);
    wait_for_relay(&b);
    let invite = a.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    b.json(&["add", &invite]).unwrap();
    let request = pending(&a).unwrap();
    a.json(&["accept", &request]).unwrap();
    within(SOON, "they are friends", || Ok((b.json(&["friends"])?.len() == 1).then_some(()))).unwrap();
    b.interrupt().unwrap();
    a.json(&["send", "Ben", "by name"]).unwrap();
    wait_for_state(&a, "by name", "stored");
    for folder in [&andi, &ben, &host] {
        assert!(!said(folder).contains("localhost"), "no log line holds a name");
    }
}

#[test]
fn an_invite_leads_to_the_name_that_its_maker_announces() {
    let home = tempfile::tempdir().unwrap();
    let [andi, ben] = ["andi", "ben"].map(|name| home.path().join(name));
    let port = free_port();
    let (listen, name) = (format!("/ip4/127.0.0.1/tcp/{port}"), format!("/dns4/localhost/tcp/{port}"));
    let a = Node::start(&andi, &["-vvv", "--listen", &listen, "--name", "Andi", "--announce", &name]).unwrap();
    let b = Node::start(&ben, &["-vvv", "--listen", TCP, "--name", "Ben"]).unwrap();
    let text = a.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    let places = InviteLink::read(&text).unwrap().places;
    let places: Vec<_> = places.iter().flat_map(|place| place.addresses()).collect();
    assert_eq!(places.first(), symbolon_node::net::server_address_from_text(&name).as_ref(), "the name comes first");
    b.json(&["add", &text]).unwrap();
    let request = pending(&a).unwrap();
    a.json(&["accept", &request]).unwrap();
    within(SOON, "they are friends", || Ok((b.json(&["friends"])?.len() == 1).then_some(()))).unwrap();
    assert!(!said(&ben).contains("localhost"), "no log line holds a name");
}

#[test]
fn an_invite_is_handed_out_once_a_relay_has_it_and_with_a_warning_when_none_takes_it() {
    let home = tempfile::tempdir().unwrap();
    let [andi, host] = ["andi", "host"].map(|name| home.path().join(name));
    let mut relay = Node::start(&host, &["relay", "run", "-vvv", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let a = person(&andi, "Andi", &link);
    wait_for_relay(&a);
    let begun = Instant::now();
    let invite = &a.json(&["invite"]).unwrap()[0];
    assert!(invite["warning"].is_null() && begun.elapsed() < Duration::from_secs(8), "{invite} {:?}", begun.elapsed());
    let read = InviteLink::read(invite["link"].as_str().unwrap()).unwrap();
    assert!(read.places.iter().any(|place| place.is_server), "the relay is among the places");
    relay.interrupt().unwrap();
    let invite = &a.json(&["invite"]).unwrap()[0];
    assert!(invite["warning"].as_str().is_some_and(|text| text.contains("has the invite yet")), "{invite}");
}

/// Names that chance does not put into a sealed row: three given letters stand in a megabyte of random bytes once in 17 runs.
const ANDI: &str = "Andi from the mill";
const BEN: &str = "Ben from the well";
const NOTE: &str = "we met at the old harbour";

/// All rows of a relay, decrypted.
pub(super) type Rows = Vec<(Table, Vec<u8>, Vec<u8>)>;

/// Kills a relay; what lies on its disk.
pub(super) fn killed(relay: &mut Node) -> Rows {
    relay.kill().unwrap();
    rows_in(relay.folder())
}

pub(super) fn rows_in(folder: &Path) -> Rows {
    let store = Folder::open(folder).unwrap().open_store(None).unwrap();
    let turn = store.begin().unwrap();
    let rows = |table| turn.range(table, &[], 1_024).unwrap().into_iter().map(move |(key, value)| (table, key, value));
    Table::ALL.into_iter().flat_map(rows).collect()
}

#[test]
fn a01_s2_26_s2_29_two_who_are_never_online_together_befriend_and_talk_through_a_relay_that_is_killed_between_and_learns_nothing() {
    let home = tempfile::tempdir().unwrap();
    let [andi, ben, host] = ["andi", "ben", "host"].map(|name| home.path().join(name));
    let mut relay = Node::start(&host, &["relay", "run", "-vvv", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    assert!(relay.ready["claim"].as_str().is_some_and(|claim| claim.len() == 26));

    let mut a = person(&andi, ANDI, &link);
    wait_for_relay(&a);
    let invite = a.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    a.interrupt().unwrap();

    let mut b = person(&ben, BEN, &link);
    b.json(&["add", &invite, "--note", NOTE]).unwrap();
    let stored = |node: &Node| node.json(&["status"]).map(|status| status[0]["sent_frames"]["stored"].as_u64().unwrap_or(0));
    within(SOON, "the Offer lies at the relay", || Ok((stored(&b)? >= 1).then_some(()))).unwrap();
    b.interrupt().unwrap();
    let mut kept = vec![killed(&mut relay)];
    relay.restart().unwrap();
    assert_eq!(relay.ready["link"], link.as_str(), "key and port are kept");

    a.restart().unwrap();
    let request = pending(&a).unwrap();
    a.json(&["accept", &request]).unwrap();
    within(SOON, "the Accept lies at the relay", || Ok((stored(&a)? >= 1).then_some(()))).unwrap();
    a.interrupt().unwrap();
    kept.push(killed(&mut relay));
    relay.restart().unwrap();

    b.restart().unwrap();
    within(SOON, "Andi is a friend", || Ok(b.json(&["friends"])?.iter().any(|friend| friend["mutual"] == true).then_some(()))).unwrap();
    for text in ["number eleven", "number twelve", "number thirteen"] {
        let sent = b.json(&["send", ANDI, text, "--wait", "stored", "--timeout", "20s"]).unwrap();
        assert_eq!(sent[0]["state"], "stored");
    }
    b.interrupt().unwrap();
    kept.push(killed(&mut relay));
    relay.restart().unwrap();

    a.restart().unwrap();
    within(SOON, "the texts arrive", || Ok((a.json(&["read", "--peek"])?.len() == 3).then_some(()))).unwrap();
    assert_eq!(texts(&a), ["number eleven", "number twelve", "number thirteen"]);
    let sent = a.json(&["send", BEN, "an answer", "--wait", "stored", "--timeout", "20s"]).unwrap();
    assert_eq!(sent[0]["state"], "stored");
    a.interrupt().unwrap();
    kept.push(killed(&mut relay));
    relay.restart().unwrap();

    b.restart().unwrap();
    wait_for_state(&b, "number thirteen", "read");
    wait_for_state(&b, "an answer", "delivered");
    assert_eq!(texts(&b), ["number eleven", "number twelve", "number thirteen", "an answer"]);
    let ids = [a.ready["id"].as_str().unwrap().to_owned(), b.ready["id"].as_str().unwrap().to_owned()];
    let ports = [&a, &b].map(|node| node.ready["listen"][0].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap());
    b.interrupt().unwrap();
    relay.interrupt().unwrap();
    for folder in [&andi, &ben, &host] {
        calm(folder).unwrap();
    }
    let keys: Vec<Vec<u8>> = [&a, &b].iter().flat_map(|node| keys_of(node, home.path())).collect();
    assert!(keys.len() >= 6);
    kept.push(killed(&mut relay));
    let both: Rows = [&andi, &ben].into_iter().flat_map(|folder| rows_in(folder)).collect();
    for (stage, rows) in kept.iter().enumerate() {
        assert_knows_nobody(rows, &both, &ids, &keys, ports);
        let count = assert_shows_no_sender(rows);
        assert!(stage == 4 || count > 0, "something lies there after stage {stage}");
    }
    for folder in [&andi, &ben, &host] {
        assert_tells_nobody(&said(folder), &ids, &link);
    }
    // Nor does it log whose mailbox it keeps.
    let log = said(&host);
    for (_, owner, _) in kept.iter().flatten().filter(|(table, ..)| *table == Table::Kept) {
        let hex: String = owner.iter().map(|byte| format!("{byte:02x}")).collect();
        let base32 = data_encoding::BASE32_NOPAD.encode(owner).to_ascii_lowercase();
        assert!(!log.contains(&hex[..16]) && !log.contains(&base32[..16]), "the log names a mailbox");
    }
}

/// Everything that was logged, at the finest level, names nobody and nothing.
fn assert_tells_nobody(log: &str, ids: &[String], link: &str) {
    assert!(!log.is_empty(), "there is a log");
    let mut secrets: Vec<String> = [ANDI, BEN, NOTE, "eleven", "thirteen", "an answer", "127.0.0.1"].map(str::to_owned).into();
    secrets.push(link[link.len() - 60..].to_owned());
    for id in ids {
        let raw: symbolon_presence::id::PeerId = id.parse().unwrap();
        secrets.push(id.clone());
        secrets.push(raw.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect());
    }
    for secret in secrets {
        assert!(!log.contains(&secret), "the log says {secret}: {log}");
    }
}

/// Of envelopes at a relay all that shows is a size that many have; and what lies in one mailbox has nothing in common with another
/// one, that of who has put it there among them. Answers how many there are.
pub(super) fn assert_shows_no_sender(rows: &Rows) -> usize {
    let entries = || rows.iter().filter(|(table, ..)| *table == Table::Entry);
    for (_, key, value) in entries() {
        let entry: Entry = codec::decode(value, value.len()).unwrap();
        assert!(BUCKETS.contains(&entry.envelope.len()));
        let of_others = rows.iter().filter(|(table, owner, _)| {
            let is_of_mailbox = matches!(table, Table::Kept | Table::Entry | Table::Package);
            is_of_mailbox && owner[..32] != key[..32]
        });
        let runs: BTreeSet<&[u8]> = of_others.flat_map(|(_, key, value)| key.windows(12).chain(value.windows(12))).collect();
        assert!(!value.windows(12).any(|run| runs.contains(run)), "an envelope and another mailbox have something in common");
    }
    entries().count()
}

/// Nothing in a relay's rows, decrypted, names who uses it or what they said.
fn assert_knows_nobody(kept: &Rows, both: &Rows, ids: &[String], keys: &[Vec<u8>], ports: [u16; 2]) {
    let rows: Vec<u8> = kept.iter().flat_map(|(_, key, value)| [key.as_slice(), value].concat()).collect();
    assert!(rows.len() > 500, "the rows were read");
    let mut secrets: Vec<Vec<u8>> =
        [ANDI, BEN, NOTE, "number eleven", "number thirteen", "an answer"].map(|text| text.as_bytes().to_vec()).into();
    // Nor where its users are: as text, or as a binary multiaddr. Its own place stands in the packages that it hands out.
    secrets.push(b"127.0.0.1".to_vec());
    secrets.extend(keys.iter().cloned());
    secrets.extend(ports.map(|port| [[4, 127, 0, 0, 1, 6].as_slice(), &port.to_be_bytes()].concat()));
    for id in ids {
        let raw: symbolon_presence::id::PeerId = id.parse().unwrap();
        secrets.push(raw.as_bytes().to_vec());
        secrets.push(id.as_bytes().to_vec());
        secrets.push(raw.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes());
    }
    // What is looked for is what the two hold.
    let shows = |bytes: &[u8], secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    let said = [ANDI, BEN, NOTE, "number eleven"].map(str::as_bytes);
    for held in said.into_iter().chain(keys.iter().map(Vec::as_slice)) {
        assert!(both.iter().any(|(_, key, value)| shows(key, held) || shows(value, held)), "it is no secret of theirs");
    }
    for secret in secrets {
        assert!(!shows(&rows, &secret), "the relay knows {}", String::from_utf8_lossy(&secret));
    }
}

#[test]
fn an_owner_only_relay_keeps_a_mailbox_once_it_is_claimed() {
    let home = tempfile::tempdir().unwrap();
    let mut relay = Node::start(&home.path().join("host"), &["relay", "run", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let mut a = person(&home.path().join("andi"), "Andi", &link);
    within(SOON, "the relay refuses", || Ok((a.json(&["relay", "list"])?[0]["state"] == "refused").then_some(()))).unwrap();
    assert!(!a.json(&["status"]).unwrap()[0]["problems"].as_array().unwrap().is_empty(), "and the status says so");
    let claim = relay.ready["claim"].as_str().unwrap().to_owned();
    a.json(&["relay", "claim", &claim]).unwrap();
    wait_for_relay(&a);
    let id = a.json(&["relay", "list"]).unwrap()[0]["relay"].as_str().unwrap().to_owned();
    assert_eq!(id, relay.ready["id"]);
    a.json(&["relay", "remove", &id]).unwrap();
    assert!(a.json(&["relay", "list"]).unwrap().is_empty());
    a.interrupt().unwrap();
    relay.interrupt().unwrap();
}

#[test]
fn g12_another_relay_at_the_same_address_is_named_on_both_screens_and_texts_arrive_by_another_one() {
    let home = tempfile::tempdir().unwrap();
    let [andi, ben, first, second] = ["andi", "ben", "first", "second"].map(|name| home.path().join(name));
    let listen = format!("/ip4/127.0.0.1/tcp/{}", free_port());
    let mut relay = Node::start(&first, &["relay", "run", "--open", "--listen", &listen]).unwrap();
    let other = Node::start(&second, &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let [link, other_link] = [&relay, &other].map(|relay| relay.ready["link"].as_str().unwrap().to_owned());
    let mut a = person(&andi, "Andi", &link);
    let mut b = Node::start(&ben, &["--listen", TCP, "--name", "Ben", "--relay", &link, "--relay", &other_link]).unwrap();
    let states = |node: &Node| -> Result<Vec<String>, String> {
        let mut states: Vec<String> =
            node.json(&["relay", "list"])?.iter().map(|relay| relay["state"].as_str().unwrap().to_owned()).collect();
        states.sort();
        Ok(states)
    };
    let wait_for = |node: &Node, expected: &[&str]| {
        within(SOON, &format!("{expected:?}"), || Ok((states(node)? == expected).then_some(()))).unwrap();
    };
    wait_for(&a, &["connected"]);
    wait_for(&b, &["connected", "connected"]);
    let invite = a.json(&["invite"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    b.json(&["add", &invite]).unwrap();
    let request = pending(&a).unwrap();
    a.json(&["accept", &request]).unwrap();
    within(SOON, "both are friends", || Ok((a.json(&["friends"])?.len() + b.json(&["friends"])?.len() == 2).then_some(()))).unwrap();
    wait_for_state_of_friendship(&a);
    b.interrupt().unwrap();

    // Andi is at the first relay already, so that one gets it.
    a.json(&["send", "Ben", "on its way", "--wait", "stored", "--timeout", "20s"]).unwrap();
    let stored = |node: &Node| Ok::<_, String>(node.json(&["status"])?[0]["sent_frames"]["stored"].as_u64().unwrap_or(0));
    let before = stored(&a).unwrap();
    relay.interrupt().unwrap();
    std::fs::remove_dir_all(&first).unwrap();
    let again = Node::start(&first, &["relay", "run", "--open", "--listen", &listen]).unwrap();
    assert_ne!(again.ready["id"], relay.ready["id"]);
    let names_it = |node: &Node| {
        let problems = node.json(&["status"]).unwrap()[0]["problems"].to_string();
        assert!(problems.contains("Another relay answers") && problems.contains("symbolon relay remove"), "{problems}");
    };
    wait_for(&a, &["replaced"]);
    names_it(&a);
    within(SOON, "the text is left at the other one", || Ok((stored(&a)? > before).then_some(()))).unwrap();
    wait_for_state(&a, "on its way", "stored");
    a.interrupt().unwrap();

    b.restart().unwrap();
    within(SOON, "the text arrives", || Ok((texts(&b) == ["on its way"]).then_some(()))).unwrap();
    wait_for(&b, &["connected", "replaced"]);
    names_it(&b);

    // What the hint says helps.
    let a = Node::start(&andi, &["-vvv", "--listen", TCP]).unwrap();
    let id = a.json(&["relay", "list"]).unwrap()[0]["relay"].as_str().unwrap().to_owned();
    a.json(&["relay", "remove", &id]).unwrap();
    a.json(&["relay", "add", again.ready["link"].as_str().unwrap()]).unwrap();
    wait_for(&a, &["connected"]);
    wait_for_state(&a, "on its way", "read");
}

/// Waits until the other side holds the friendship, too.
fn wait_for_state_of_friendship(node: &Node) {
    within(SOON, "the friendship is mutual", || Ok(node.json(&["friends"])?.iter().all(|friend| friend["mutual"] == true).then_some(())))
        .unwrap();
}

#[test]
fn a_relay_for_friends_keeps_a_mailbox_for_who_has_the_second_code() {
    let home = tempfile::tempdir().unwrap();
    let mut relay = Node::start(&home.path().join("host"), &["relay", "run", "--friends", "--listen", TCP]).unwrap();
    let [link, claim, code] = ["link", "claim", "friends_claim"].map(|field| relay.ready[field].as_str().unwrap().to_owned());
    assert_ne!(claim, code);
    let mut a = Node::start(&home.path().join("andi"), &["--listen", TCP, "--name", "Andi"]).unwrap();
    assert!(a.json(&["relay", "add", &link]).unwrap_err().contains("relay_refused"));
    within(SOON, "the relay refuses", || Ok((a.json(&["relay", "list"])?[0]["state"] == "refused").then_some(()))).unwrap();
    a.json(&["relay", "claim", &code]).unwrap();
    wait_for_relay(&a);
    a.interrupt().unwrap();
    relay.interrupt().unwrap();
}

#[test]
fn a88_a_relays_codes_stand_in_private_files_and_in_no_log_and_the_command_that_is_printed_works() {
    let home = tempfile::tempdir().unwrap();
    let (host, log) = (home.path().join("host's"), home.path().join("relay.log"));
    let mut relay = std::process::Command::new(symbolon_tests::node::binary().unwrap());
    relay.arg("--data").arg(&host).args(["relay", "run", "--friends", "--listen", TCP]);
    let out = std::fs::File::create(&log).unwrap();
    let mut relay = relay.stdin(std::process::Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
    let printed =
        within(SOON, "the relay is up", || Ok(std::fs::read_to_string(&log).ok().filter(|said| said.contains("Ctrl-D")))).unwrap();
    let commands: Vec<String> =
        printed.lines().filter_map(|line| line.trim().strip_prefix("symbolon relay add ")).map(str::to_owned).collect();
    let codes = ["relay-claim", "relay-claim-friends"].map(|name| {
        let path = host.join(name);
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777, 0o600);
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    });
    assert!(codes[0] != codes[1] && codes.iter().all(|code| code.len() == 26));
    assert!(codes.iter().all(|code| !printed.contains(code)), "{printed}");
    assert_eq!(commands.len(), 2, "{printed}");
    for ((name, command), code) in ["Andi", "Ben"].into_iter().zip(commands).zip(&codes) {
        let folder = home.path().join(name);
        let mut node = Node::start(&folder, &["--listen", TCP, "--name", name]).unwrap();
        let line = format!("{} --data {} relay add {command}", symbolon_tests::node::binary().unwrap().display(), folder.display());
        // In place of the code there is a dash: it is pasted.
        let mut shell = std::process::Command::new("sh").args(["-c", &line]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut shell.stdin.take().unwrap(), format!("{code}\n").as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success(), "{line}");
        wait_for_relay(&node);
        node.interrupt().unwrap();
    }
    relay.kill().unwrap();
    relay.wait().unwrap();
}

#[test]
fn a_person_and_a_relay_do_not_share_a_folder() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("one");
    Node::start(&folder, &["relay", "run", "--listen", TCP]).unwrap().interrupt().unwrap();
    let refused = Node::try_start(&folder, &["--listen", TCP]).unwrap().err().unwrap();
    assert_eq!((refused.code, &refused.objects[0]["error"]), (Some(1), &"not_a_person".into()));
    let folder = home.path().join("two");
    Node::start(&folder, &["--listen", TCP]).unwrap().interrupt().unwrap();
    let refused = Node::try_start(&folder, &["relay", "run", "--listen", TCP]).unwrap().err().unwrap();
    assert_eq!((refused.code, &refused.objects[0]["error"]), (Some(1), &"not_a_relay".into()));
}

#[test]
fn what_a_relay_keeps_at_most_is_set_by_its_operator_and_kept_over_restarts() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("host");
    let run = |more: &[&str]| Node::start(&folder, &[&["relay", "run", "--listen", TCP], more].concat());
    for (more, bytes) in
        [(&[][..], 4u64 << 30), (&["--bytes", "512M"], 512 << 20), (&[], 512 << 20), (&["--bytes", "2GiB"], 2 << 30), (&[], 2 << 30)]
    {
        let mut relay = run(more).unwrap();
        assert_eq!(relay.ready["bytes"], bytes, "{more:?}");
        relay.interrupt().unwrap();
    }
    for bad in ["1M", "lots", "5Q", "99999999999T"] {
        assert!(run(&["--bytes", bad]).is_err(), "{bad}");
    }
}

//! What a node refuses: a second process, a second user of an invite, a blocked friend, a
//! damaged store.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
use symbolon_tests::node::{Carrier, Node, Pair, Refused, calm, field, pending, start_named, within};

const SOON: Duration = Duration::from_secs(20);
/// A store that cannot be used is refused within this time (contract of the face).
const REFUSED_WITHIN: Duration = Duration::from_secs(8);

fn refused(folder: &Path) -> Refused {
    let refused = Node::try_start(folder, &["--listen", Carrier::Tcp.address()]).unwrap().expect_err("the node must not run");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.objects.len(), 1, "{refused:?}");
    assert!(refused.took < REFUSED_WITHIN, "{refused:?}");
    for field in ["error", "message", "hint"] {
        assert!(refused.objects[0][field].as_str().is_some_and(|text| !text.is_empty()), "{refused:?}");
    }
    refused
}

#[test]
fn second_node_on_a_folder_is_refused_and_the_first_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("andi");
    let node = start_named(&folder, Carrier::Tcp, "Andi").unwrap();
    let told = refused(&folder).objects.remove(0);
    assert_eq!(told["error"], "in_use");
    assert!(told["message"].as_str().unwrap().contains(folder.to_str().unwrap()));
    assert_eq!(node.json(&["id"]).unwrap()[0]["name"], "Andi");
    calm(&folder).unwrap();
}

#[test]
fn folder_and_files_belong_to_their_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("andi");
    let _node = start_named(&folder, Carrier::Tcp, "Andi").unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn second_user_of_an_invite_is_told_and_the_owner_sees_it() {
    let pair = Pair::strangers(Carrier::Tcp).unwrap();
    let eve = start_named(&pair.home().join("eve"), Carrier::Tcp, "Eve").unwrap();
    let happened = pair.andi.api().unwrap().events().unwrap();
    let link = field(pair.andi.json(&["invite"]).unwrap().first(), "link").unwrap();
    pair.ben.json(&["add", &link]).unwrap();
    pending(&pair.andi).unwrap();
    eve.json(&["add", &link]).unwrap();
    within(SOON, "the second user is told", || {
        let rows = eve.json(&["requests"])?;
        Ok(rows[0]["fault"].is_string().then_some(()))
    })
    .unwrap();
    assert!(eve.json(&["requests"]).unwrap().iter().all(|row| row["status"] != "confirmed"));
    assert!(eve.json(&["friends"]).unwrap().is_empty());
    let rows = pair.andi.json(&["requests"]).unwrap();
    assert_eq!(rows.iter().filter(|row| row["status"] == "pending").count(), 1, "{rows:?}");
    let warned = within(SOON, "the owner is warned", || Ok(happened.try_iter().find(|(event, _)| event == "warning"))).unwrap();
    assert_eq!(warned.1["warning"], "invite_reused", "{warned:?}");
    calm(eve.folder()).unwrap();
    pair.assert_calm().unwrap();
}

#[test]
fn blocked_friend_reaches_nobody_and_hears_nothing() {
    let mut pair = Pair::befriended(Carrier::Tcp).unwrap();
    pair.ben.json(&["send", "Andi", "before", "--wait", "delivered"]).unwrap();
    pair.andi.json(&["block", "Ben"]).unwrap();
    let ran = pair.ben.run(&["--json", "send", "Andi", "during", "--wait", "delivered", "--timeout", "3s"]).unwrap();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.objects().unwrap()[0]["state"], "queued");
    let ran = pair.andi.run(&["--json", "send", "Ben", "hello?"]).unwrap();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    // Nor after restarts, when the other side dials again.
    pair.andi.interrupt().unwrap();
    pair.andi.restart().unwrap();
    pair.ben.interrupt().unwrap();
    pair.ben.restart().unwrap();
    let ran = pair.ben.run(&["--json", "send", "Andi", "again", "--wait", "delivered", "--timeout", "3s"]).unwrap();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let texts =
        |node: &Node| node.json(&["read", "--peek"]).unwrap().iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(texts(&pair.andi), ["before"]);
    // Taken back, everything that waited arrives, in order, once.
    pair.andi.json(&["unblock", "Ben"]).unwrap();
    within(SOON, "what waited arrives", || Ok((texts(&pair.andi) == ["before", "during", "again"]).then_some(()))).unwrap();
    pair.assert_calm().unwrap();
}

#[test]
fn damaged_store_is_refused_by_name_and_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("andi");
    start_named(&folder, Carrier::Tcp, "Andi").unwrap().interrupt().unwrap();
    let store = folder.join("symbolon.db");
    let good = std::fs::read(&store).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&store).unwrap();
    file.write_all_at(&[good[5_000] ^ 0x40], 5_000).unwrap();
    let bad = std::fs::read(&store).unwrap();
    assert_ne!(good, bad);
    let told = refused(&folder).objects.remove(0);
    assert_eq!(told["error"], "store_damaged");
    assert!(told["message"].as_str().unwrap().contains(store.to_str().unwrap()), "{told}");
    assert_eq!(std::fs::read(&store).unwrap(), bad, "the damaged file was touched");
    // Put right again, everything is there.
    std::fs::write(&store, &good).unwrap();
    let node = Node::start(&folder, &["--listen", Carrier::Tcp.address()]).unwrap();
    assert_eq!(node.json(&["id"]).unwrap()[0]["name"], "Andi");
    calm(&folder).unwrap();
}

//! A lookup server that answers with lies.

use super::lookup::{SOON, person, strangers, wait_for_record};
use super::server::{Lie, LookupServer};
use symbolon_tests::node::{befriend, within};

#[test]
fn a70_a72_a_lookup_server_that_lies_costs_time_and_no_friend() {
    let home = tempfile::tempdir().unwrap();
    let (liar, honest) = (LookupServer::start(), strangers(home.path(), 1));
    let (mut andi, mut ben) = (person(home.path(), "Andi", &[]), person(home.path(), "Ben", &[]));
    for node in [&andi, &ben] {
        for server in [&liar.address, &honest[0].1] {
            node.json(&["lookup", "add", server]).unwrap();
        }
    }
    befriend((&andi, "Andi"), (&ben, "Ben")).unwrap();
    for lie in [Lie::Old, Lie::Changed, Lie::Another, Lie::Rubbish, Lie::Silence] {
        {
            let mut told = liar.told.lock().unwrap();
            (told.lie, told.lies) = (lie, 0);
        }
        wait_for_record(&andi);
        andi.interrupt().unwrap();
        let text = format!("in spite of {lie:?}");
        let sent = ben.json(&["send", "Andi", "--", &text]).unwrap();
        assert_eq!(sent[0]["state"], "queued");
        ben.interrupt().unwrap();
        // Both come back somewhere else.
        (andi, ben) = (person(home.path(), "Andi", &[]), person(home.path(), "Ben", &[]));
        within(SOON, &text, || Ok(andi.json(&["read", "--peek"])?.iter().any(|view| view["text"] == text.as_str()).then_some(()))).unwrap();
        let lies = liar.told.lock().unwrap().lies;
        assert!(lies > 0 || lie == Lie::Silence, "{lie:?} was told to nobody");
    }
}

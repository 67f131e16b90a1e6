//! Lost devices: a fresh one is made of a backup and the recovery phrase, and continues with the friends of before.
//!
//! What each story must show: no key of before is used again; friends' devices answer without a question to people, and see
//! that it happened; what they wrote meanwhile arrives.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "recovery/both.rs"]
mod both;
#[path = "recovery/rooms.rs"]
mod rooms;
#[path = "recovery/words.rs"]
mod words;

use std::collections::BTreeSet;
use symbolon_core::command::{
    BackupCursor, BackupPlace, Command, CommandError, FriendView, MessageState, OwnDeviceView, OwnDevicesView, PairingView, Reply,
    SealedPart, Who,
};
use symbolon_core::seam::{Address, Event, Warning};
use symbolon_core::wire::{BackupPart, backup_key};
use symbolon_presence::codec;
use symbolon_presence::id::{MessageId, Nonce};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};
use symbolon_presence::words::read_recovery_words;
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::node::SimNode;
use symbolon_tests::sim::run::{Ix, Sim};

const ANA: Ix = 0;
const BEN: Ix = 1;
const CEM: Ix = 2;

fn friends(seed: u64) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    sim.lookup.is_there = true;
    for name in ["Ana", "Ben", "Cem"] {
        let ix = sim.add(name);
        let (_, link) = sim.add_relay();
        assert!(sim.command(ix, Command::RelayAdd { link, claim: None }).is_ok());
    }
    sim.run_for(MINUTE);
    sim.befriend(ANA, BEN);
    sim.befriend(ANA, CEM);
    sim.run_for(MINUTE);
    sim
}

fn phrase(sim: &mut Sim, ix: Ix) -> Secret {
    match sim.command(ix, Command::Phrase) {
        Ok(Reply::Phrase { words: Some(words), .. }) => read_recovery_words(&words).expect("the words are good"),
        other => panic!("no words: {:?}", other.err()),
    }
}

/// All parts of a backup, opened.
fn backup(sim: &mut Sim, ix: Ix, entropy: &Secret) -> Vec<BackupPart> {
    let mut cursor = BackupCursor { id: Nonce([7; 16]), index: 0, place: BackupPlace::Head };
    let mut parts = Vec::new();
    loop {
        let Ok(Reply::Backup(SealedPart { sealed, next, .. })) = sim.command(ix, Command::Backup(cursor)) else { panic!("no part") };
        parts.push(BackupPart::open(&sealed, &backup_key(entropy), &cursor.id, cursor.index).expect("it opens with the words"));
        match next {
            Some(next) => cursor = next,
            None => return parts,
        }
    }
}

/// A fresh folder that is made of a backup; it is started on the network only then.
fn restore(sim: &mut Sim, entropy: &Secret, parts: &[BackupPart]) -> Ix {
    let seed = sim.seed();
    let ix = sim.add_node(SimNode::new(seed, None));
    for part in parts {
        let done = sim.command(ix, Command::Restore { entropy: entropy.clone(), part: codec::encode(part) });
        assert!(done.is_ok(), "{:?}", done.err());
    }
    sim.crash(ix, SECOND);
    sim.run_for(5 * SECOND);
    sim.nodes[ix].peer = sim.nodes[ANA].peer;
    ix
}

fn say(sim: &mut Sim, from: Ix, to: &str, text: &str) -> MessageId {
    match sim.command(from, Command::Send { to: Who(to.into()), text: text.into(), lifetime: None }) {
        Ok(Reply::Message(view)) => view.message,
        other => panic!("{text} is not taken: {:?}", other.err()),
    }
}

fn texts(sim: &mut Sim, ix: Ix) -> BTreeSet<String> {
    let all = sim.history(ix);
    let once: BTreeSet<MessageId> = all.iter().map(|view| view.message).collect();
    assert_eq!(once.len(), all.len(), "each is shown once");
    all.into_iter().map(|view| view.text).collect()
}

fn have(sim: &mut Sim, who: &[Ix], wanted: &[&str]) {
    let wanted: BTreeSet<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
    let done = sim.run_until(6 * HOUR, |sim| who.iter().all(|ix| texts(sim, *ix).is_superset(&wanted)));
    for ix in who {
        let there = texts(sim, *ix);
        assert!(done, "{ix} lacks {:?}", wanted.difference(&there).collect::<Vec<_>>());
    }
}

fn friend_views(sim: &mut Sim, ix: Ix) -> Vec<FriendView> {
    match sim.command(ix, Command::Friends) {
        Ok(Reply::Friends(views)) => views,
        other => panic!("no friends: {:?}", other.err()),
    }
}

fn devices(sim: &mut Sim, ix: Ix) -> Vec<OwnDeviceView> {
    match sim.command(ix, Command::Devices) {
        Ok(Reply::Devices(OwnDevicesView { devices, .. })) => devices,
        other => panic!("no devices: {:?}", other.err()),
    }
}

fn warned(sim: &Sim, ix: Ix, warning: Warning) -> usize {
    sim.events[ix].iter().filter(|event| **event == Event::Warning(warning)).count()
}

fn all_mutual(sim: &mut Sim, ix: Ix, count: usize) -> bool {
    friend_views(sim, ix).iter().filter(|view| view.mutual).count() == count
}

#[test]
fn r13_a_lost_device_is_replaced_by_a_new_one_that_reuses_no_key_and_friends_talk_on_and_see_it() {
    let mut sim = friends(1);
    for n in 0..90 {
        say(&mut sim, ANA, "Ben", &format!("before {n}"));
    }
    sim.run_for(MINUTE);
    let entropy = phrase(&mut sim, ANA);
    let parts = backup(&mut sim, ANA, &entropy);
    let Ok(Reply::Identity(lost)) = sim.command(ANA, Command::Identity) else { panic!() };
    // Its disk is gone. Friends write on; one revokes somebody meanwhile, so that all keys to them have changed.
    sim.stop(ANA, 400 * DAY);
    sim.run_for(HOUR);
    let meanwhile = say(&mut sim, BEN, "Ana", "while you were away");
    sim.add("Stranger");
    sim.befriend(BEN, 3);
    assert!(sim.command(BEN, Command::Unfriend(Who("Stranger".into()))).is_ok());
    sim.run_for(HOUR);
    let fresh = restore(&mut sim, &entropy, &parts);
    let Ok(Reply::Identity(me)) = sim.command(fresh, Command::Identity) else { panic!() };
    assert_eq!((me.id, &me.words, me.name.as_str()), (lost.id, &lost.words, "Ana"), "the same person");
    assert_ne!(me.device, lost.device, "another device");
    // Others of the person may have got serials of which the backup knows nothing.
    let serial =
        |parts: &[BackupPart]| parts.iter().find_map(|part| if let BackupPart::Head(head) = part { Some(head.serial) } else { None });
    let again = backup(&mut sim, fresh, &entropy);
    assert!(serial(&again).unwrap() > serial(&parts).unwrap() + (1 << 40));
    let before: Vec<String> = (0..90).map(|n| format!("before {n}")).collect();
    have(&mut sim, &[fresh], &before.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(sim.run_until(6 * HOUR, |sim| all_mutual(sim, fresh, 2)), "friends' devices answer");
    for friend in [BEN, CEM] {
        assert_eq!(warned(&sim, friend, Warning::FriendDevice), 1, "{friend} sees that it happened");
        assert_eq!(friend_views(&mut sim, friend).len(), 1, "and has one friend, as before");
        assert!(sim.pending(friend).is_none(), "nobody is asked");
    }
    have(&mut sim, &[fresh], &["while you were away"]);
    say(&mut sim, fresh, "Ben", "I am back");
    say(&mut sim, BEN, "Ana", "good to see you");
    have(&mut sim, &[fresh, BEN], &["I am back", "good to see you"]);
    let state = sim.history(BEN).into_iter().find(|view| view.message == meanwhile).map(|view| view.state);
    assert_eq!(state, Some(MessageState::Delivered));
}

#[test]
fn a_restored_device_removes_the_lost_one_which_comes_back_to_nothing() {
    let mut sim = friends(2);
    let entropy = phrase(&mut sim, ANA);
    let parts = backup(&mut sim, ANA, &entropy);
    sim.stop(ANA, 6 * HOUR);
    sim.run_for(MINUTE);
    let fresh = restore(&mut sim, &entropy, &parts);
    assert!(sim.run_until(5 * HOUR, |sim| all_mutual(sim, fresh, 2)));
    let lost = devices(&mut sim, fresh).into_iter().find(|view| !view.this).expect("the lost one is shown");
    assert!(!lost.settled && lost.online != Some(true));
    assert!(sim.command(fresh, Command::DeviceRemove(lost.device.to_string())).is_ok());
    sim.run_for(MINUTE);
    say(&mut sim, BEN, "Ana", "a secret for the new one");
    have(&mut sim, &[fresh], &["a secret for the new one"]);
    // The thief starts it.
    sim.run_for(6 * HOUR);
    assert!(sim.nodes[ANA].is_up());
    let _ = sim.command(ANA, Command::Send { to: Who("Ben".into()), text: "it is me, Ana".into(), lifetime: None });
    say(&mut sim, BEN, "Ana", "another secret");
    have(&mut sim, &[fresh], &["another secret"]);
    sim.run_for(HOUR);
    assert!(!texts(&mut sim, BEN).contains("it is me, Ana"), "nothing that it signs is believed");
    let stolen = texts(&mut sim, ANA);
    assert!(!stolen.contains("a secret for the new one") && !stolen.contains("another secret"), "it reads nothing new");
}

#[test]
fn a_second_device_beside_the_first_comes_in_by_the_phrase_and_every_device_shows_it() {
    let mut sim = friends(3);
    let entropy = phrase(&mut sim, ANA);
    // As many lookup servers as there may be.
    for number in 0..8 {
        assert!(sim.command(ANA, Command::LookupAdd(Address(vec![4, 192, 0, 2, number]))).is_ok());
    }
    let parts = backup(&mut sim, ANA, &entropy);
    let fresh = restore(&mut sim, &entropy, &parts);
    let Ok(Reply::Lookups(servers)) = sim.command(fresh, Command::Lookups) else { panic!() };
    assert_eq!(servers.len(), 8, "they come along");
    assert!(sim.run_until(6 * HOUR, |sim| all_mutual(sim, fresh, 2)));
    say(&mut sim, BEN, "Ana", "for both");
    have(&mut sim, &[ANA, fresh], &["for both"]);
    let both = |sim: &mut Sim| [ANA, fresh].iter().all(|ix| devices(sim, *ix).iter().filter(|view| view.settled).count() == 2);
    assert!(sim.run_until(6 * HOUR, both), "both are devices of one person");
    assert!(warned(&sim, ANA, Warning::OwnDeviceCame) == 1, "the first device shows it");
    assert!(sim.command(fresh, Command::Rename { friend: Who("Ben".into()), name: "Benny".into() }).is_ok());
    sim.run_for(HOUR);
    assert!(friend_views(&mut sim, ANA).iter().any(|view| view.name == "Benny"));
}

#[test]
fn a_restored_device_pairs_another_one_when_the_first_is_lost_and_its_names_come_along() {
    let mut sim = friends(5);
    let entropy = phrase(&mut sim, ANA);
    let parts = backup(&mut sim, ANA, &entropy);
    sim.stop(ANA, 300 * HOUR);
    let fresh = restore(&mut sim, &entropy, &parts);
    assert!(sim.run_until(5 * HOUR, |sim| all_mutual(sim, fresh, 2)));
    assert!(sim.command(fresh, Command::Rename { friend: Who("Ben".into()), name: "Benny".into() }).is_ok());
    let Ok(Reply::Paired(PairingView { code, .. })) = sim.command(fresh, Command::DevicePair { tell: None }) else { panic!("no code") };
    let third = sim.add("Third");
    let (_, link) = sim.add_relay();
    assert!(sim.command(third, Command::RelayAdd { link, claim: None }).is_ok());
    sim.run_for(MINUTE);
    assert!(sim.command(third, Command::DeviceJoin(code)).is_ok());
    assert!(sim.run_until(6 * HOUR, |sim| all_mutual(sim, third, 2)), "it has the friends, too");
    assert!(friend_views(&mut sim, third).iter().any(|view| view.name == "Benny"), "as the restored one has named them");
    sim.nodes[third].peer = sim.nodes[ANA].peer;
    say(&mut sim, BEN, "Ana", "for the new ones");
    have(&mut sim, &[fresh, third], &["for the new ones"]);
}

#[test]
fn whose_words_have_said_which_devices_are_theirs_is_restored_as_one_more_of_them() {
    let mut sim = friends(6);
    let entropy = phrase(&mut sim, ANA);
    assert!(sim.command(ANA, Command::DeviceKeep { entropy: entropy.clone(), devices: Vec::new() }).is_ok());
    sim.run_for(HOUR);
    for friend in [BEN, CEM] {
        assert_eq!(warned(&sim, friend, Warning::FriendListed), 1);
    }
    let parts = backup(&mut sim, ANA, &entropy);
    sim.stop(ANA, 400 * DAY);
    sim.run_for(MINUTE);
    let fresh = restore(&mut sim, &entropy, &parts);
    sim.run_for(6 * HOUR);
    assert!(!all_mutual(&mut sim, fresh, 2), "no list names it yet");
    let Ok(Reply::Status(status)) = sim.command(fresh, Command::Status) else { panic!("no status") };
    assert!(status.problems.iter().any(|problem| problem.contains("device keep")), "{:?}", status.problems);
    assert_eq!(sim.command(fresh, Command::DevicePair { tell: None }).err(), Some(CommandError::DevicesKept));
    assert!(sim.command(fresh, Command::DeviceKeep { entropy, devices: Vec::new() }).is_ok());
    assert!(sim.run_until(3 * DAY, |sim| all_mutual(sim, fresh, 2)), "friends' devices take it by the list that it brings");
    say(&mut sim, BEN, "Ana", "for the new one");
    say(&mut sim, fresh, "Ben", "I am back");
    have(&mut sim, &[fresh, BEN], &["for the new one", "I am back"]);
}

#[test]
fn a_thief_who_removes_every_new_device_hears_of_a_restored_one_when_the_words_have_said_who_stays() {
    let mut sim = friends(8);
    let entropy = phrase(&mut sim, ANA);
    assert!(sim.command(ANA, Command::PhraseConfirm).is_ok());
    let parts = backup(&mut sim, ANA, &entropy);
    // The first device is stolen, and runs.
    let fresh = restore(&mut sim, &entropy, &parts);
    sim.run_for(50 * MINUTE);
    assert!(all_mutual(&mut sim, fresh, 2), "friends take it at once");
    assert_eq!(devices(&mut sim, ANA).len(), 1, "the thief has heard nothing");
    assert!(sim.command(fresh, Command::DeviceKeep { entropy, devices: Vec::new() }).is_ok());
    for _ in 0..24 {
        sim.run_for(HOUR);
        let shown = devices(&mut sim, ANA).into_iter().filter(|view| !view.this).map(|view| view.device.to_string()).collect::<Vec<_>>();
        for device in shown {
            let _ = sim.command(ANA, Command::DeviceRemove(device));
        }
    }
    assert_eq!((warned(&sim, fresh, Warning::RemovedHere), warned(&sim, BEN, Warning::FriendListed)), (0, 1));
    say(&mut sim, ANA, "Ben", "from the thief");
    say(&mut sim, BEN, "Ana", "for the new one alone");
    say(&mut sim, fresh, "Ben", "from me");
    have(&mut sim, &[fresh, BEN], &["for the new one alone", "from me"]);
    sim.run_for(DAY);
    assert!(!texts(&mut sim, ANA).contains("for the new one alone") && !texts(&mut sim, BEN).contains("from the thief"));
}

#[test]
fn the_words_are_shown_until_they_are_confirmed_and_backups_open_with_them_ever_after() {
    let mut sim = friends(4);
    let entropy = phrase(&mut sim, ANA);
    assert_eq!(phrase(&mut sim, ANA).expose(), entropy.expose(), "the same words again");
    assert!(sim.command(ANA, Command::PhraseConfirm).is_ok());
    assert_eq!(sim.command(ANA, Command::Phrase).err(), Some(CommandError::PhraseGone));
    sim.crash(ANA, SECOND);
    sim.run_for(MINUTE);
    assert_eq!(sim.command(ANA, Command::Phrase).err(), Some(CommandError::PhraseGone));
    let parts = backup(&mut sim, ANA, &entropy);
    assert!(matches!((parts.first(), parts.last()), (Some(BackupPart::Head(_)), Some(BackupPart::End))));
    let are_of_rooms = parts.iter().any(|part| matches!(part, BackupPart::Rooms(_) | BackupPart::RoomTexts(_)));
    assert!(!are_of_rooms, "who is in no room has a file that older builds read");
    // In a folder with a life of its own, and under other words, nothing happens.
    for part in &parts {
        let used = sim.command(BEN, Command::Restore { entropy: entropy.clone(), part: codec::encode(part) });
        assert_eq!(used.err(), Some(CommandError::NotFresh));
    }
    let stranger = sim.add("Stranger");
    let other = Secret::from_bytes([9; 32]);
    let wrong = sim.command(stranger, Command::Restore { entropy: other, part: codec::encode(&parts[0]) });
    assert_eq!(wrong.err(), Some(CommandError::WrongPhrase));
}

#[test]
fn a_backup_of_before_a_device_was_removed_is_good_for_friends_at_once() {
    let mut sim = friends(8);
    let entropy = phrase(&mut sim, ANA);
    let Ok(Reply::Paired(PairingView { code, .. })) = sim.command(ANA, Command::DevicePair { tell: None }) else { panic!("no code") };
    let laptop = sim.add("Laptop");
    let (_, link) = sim.add_relay();
    assert!(sim.command(laptop, Command::RelayAdd { link, claim: None }).is_ok());
    sim.run_for(MINUTE);
    assert!(sim.command(laptop, Command::DeviceJoin(code)).is_ok());
    assert!(sim.run_until(6 * HOUR, |sim| all_mutual(sim, laptop, 2)));
    sim.nodes[laptop].peer = sim.nodes[ANA].peer;
    sim.run_for(10 * MINUTE);
    let parts = backup(&mut sim, ANA, &entropy);
    let gone = devices(&mut sim, ANA).into_iter().find(|view| !view.this).expect("the laptop");
    assert!(sim.command(ANA, Command::DeviceRemove(gone.device.to_string())).is_ok());
    sim.run_for(HOUR);
    sim.stop(laptop, 400 * DAY);
    sim.stop(ANA, 400 * DAY);
    let fresh = restore(&mut sim, &entropy, &parts);
    assert!(sim.run_until(MINUTE, |sim| all_mutual(sim, fresh, 2)), "friends' devices answer");
    say(&mut sim, BEN, "Ana", "for you");
    have(&mut sim, &[fresh], &["for you"]);
    // Who is invited by it, and compares words before anything else, sees those of the person.
    let dora = sim.add("Dora");
    let Ok(Reply::Invite { link, .. }) = sim.command(fresh, Command::Invite { lifetime: DAY, no_ip: false, auto_accept: false }) else {
        panic!("no invite")
    };
    assert!(sim.command(dora, Command::Add { target: link, note: None }).is_ok());
    let Ok(Reply::Identity(me)) = sim.command(fresh, Command::Identity) else { panic!() };
    let asks = |sim: &mut Sim| match sim.command(dora, Command::Requests) {
        Ok(Reply::Requests(rows)) => rows.iter().any(|row| (row.peer, &row.words) == (me.id, &me.words)),
        _ => false,
    };
    assert!(sim.run_until(MINUTE, asks), "the words of the person");
}

//! The words alone: what devices have left at relays is found by them, and by nothing else.

use super::*;
use symbolon_core::recovery::{Capsule, Ending, Search};
use symbolon_core::wire::BACKUP_MAGIC;
use symbolon_relay::frame::Frame;
use symbolon_relay::packages::{Fetched, Handed};
use symbolon_tests::sim::relays::RELAYS;

/// The links that stand beside the words.
fn links(sim: &mut Sim, ix: Ix) -> Vec<String> {
    match sim.command(ix, Command::Phrase) {
        Ok(Reply::Phrase { relays, .. }) => relays,
        other => panic!("no words: {:?}", other.err()),
    }
}

fn ask(sim: &mut Sim, entropy: &Secret, links: &[String]) -> Search {
    sim.ask_by_words(entropy, links, |_, _, frame| Some(frame))
}

/// The parts of a capsule, as a restoring folder reads them.
fn parts_of(capsule: &Capsule, entropy: &Secret) -> Vec<BackupPart> {
    let (magic, rest) = capsule.bytes.split_at(BACKUP_MAGIC.len());
    assert_eq!(magic, BACKUP_MAGIC);
    let (id, mut rest) = rest.split_at(Nonce::LEN);
    let id = Nonce(id.try_into().unwrap());
    let mut parts = Vec::new();
    while let Some((length, more)) = rest.split_first_chunk::<4>() {
        let (sealed, more) = more.split_at(u32::from_be_bytes(*length) as usize);
        parts.push(BackupPart::open(sealed, &backup_key(entropy), &id, parts.len() as u64).expect("it opens with the words"));
        rest = more;
    }
    assert!(rest.is_empty() && parts.last() == Some(&BackupPart::End));
    parts
}

/// Ana, who has seen her words, and what stands beside them.
fn written_down(sim: &mut Sim) -> (Secret, Vec<String>) {
    let entropy = phrase(sim, ANA);
    let links = links(sim, ANA);
    assert!(sim.command(ANA, Command::PhraseConfirm).is_ok());
    sim.run_for(5 * MINUTE);
    (entropy, links)
}

#[test]
fn r13_with_the_words_alone_a_fresh_machine_is_the_same_person_and_texts_go_each_way() {
    let mut sim = friends(31);
    say(&mut sim, ANA, "Ben", "before");
    assert!(sim.command(ANA, Command::Rename { friend: Who("Cem".into()), name: "Cemo".into() }).is_ok());
    let (entropy, links) = written_down(&mut sim);
    let Ok(Reply::Identity(lost)) = sim.command(ANA, Command::Identity) else { panic!() };
    sim.stop(ANA, 400 * DAY);
    // The relay keeps it for longer than a letter, whatever friends do meanwhile.
    sim.run_for(8 * DAY);
    say(&mut sim, BEN, "Ana", "while you were away");
    sim.add("Stranger");
    sim.befriend(BEN, 3);
    assert!(sim.command(BEN, Command::Unfriend(Who("Stranger".into()))).is_ok());
    sim.run_for(HOUR);
    let search = ask(&mut sim, &entropy, &links);
    assert_eq!(search.endings(), [Some(Ending::Whole)]);
    let [capsule] = search.found().try_into().expect("one");
    let fresh = restore(&mut sim, &entropy, &parts_of(&capsule, &entropy));
    let Ok(Reply::Identity(me)) = sim.command(fresh, Command::Identity) else { panic!() };
    assert_eq!((me.id, &me.words, me.name.as_str()), (lost.id, &lost.words, "Ana"), "the same person");
    assert_ne!(me.device, lost.device, "another device: no key is used again");
    assert!(sim.run_until(6 * HOUR, |sim| all_mutual(sim, fresh, 2)), "friends' devices answer");
    let names: BTreeSet<String> = friend_views(&mut sim, fresh).into_iter().map(|view| view.name).collect();
    assert_eq!(names, BTreeSet::from(["Ben".to_owned(), "Cemo".to_owned()]), "as she called them");
    for friend in [BEN, CEM] {
        assert_eq!(warned(&sim, friend, Warning::FriendDevice), 1, "{friend} sees that it happened");
        assert_eq!(friend_views(&mut sim, friend).len(), 1, "and has one friend, as before");
        assert!(sim.pending(friend).is_none(), "nobody is asked");
    }
    have(&mut sim, &[fresh], &["while you were away"]);
    assert!(!texts(&mut sim, fresh).contains("before"), "texts are in no capsule");
    say(&mut sim, fresh, "Ben", "I am back");
    say(&mut sim, BEN, "Ana", "good to see you");
    have(&mut sim, &[fresh, BEN], &["I am back", "good to see you"]);
    // What was restored leaves a capsule in its turn, as whole as the one that it came from.
    sim.run_for(20 * MINUTE);
    let [again] = ask(&mut sim, &entropy, &links).found().try_into().expect("one");
    assert!(again.made > capsule.made);
    let ways =
        |parts: &[BackupPart]| parts.iter().map(|part| if let BackupPart::Ways(ways) = part { ways.len() } else { 0 }).sum::<usize>();
    assert!(ways(&parts_of(&again, &entropy)) >= ways(&parts_of(&capsule, &entropy)));
}

#[test]
fn a_capsule_is_there_only_for_who_has_seen_the_words_and_opens_for_nobody_else() {
    let mut sim = friends(32);
    sim.run_for(HOUR);
    let relay = sim.relays.len() - 3;
    let packages = sim.relays[relay].packages();
    let (entropy, links) = written_down(&mut sim);
    assert!(sim.relays[relay].packages() > packages, "it lies there once the words may be on paper");
    let other = ask(&mut sim, &Secret::from_bytes([9; 32]), &links);
    assert_eq!((other.endings(), other.found().len()), (vec![Some(Ending::Nothing)], 0), "under other words there is nothing");
    // Anyone who asks gets it again and again: each piece is put back.
    for _ in 0..3 {
        assert_eq!(ask(&mut sim, &entropy, &links).found().len(), 1);
    }
    for secret in ["Ben", "Cem"] {
        let shows = sim.relays[relay].bytes().any(|bytes| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
        assert!(!shows, "the relay reads no name in it");
    }
}

#[test]
fn a_new_friend_is_in_the_capsule_within_minutes_and_one_who_is_blocked_is_in_it_no_more() {
    let mut sim = friends(33);
    let (entropy, links) = written_down(&mut sim);
    let people = |sim: &mut Sim| {
        let [capsule] = ask(sim, &entropy, &links).found().try_into().expect("one");
        let parts = parts_of(&capsule, &entropy);
        parts.iter().map(|part| if let BackupPart::Ways(ways) = part { ways.len() } else { 0 }).sum::<usize>()
    };
    assert_eq!(people(&mut sim), 3, "two friends' devices, and this one");
    sim.add("Dea");
    sim.befriend(ANA, 3);
    sim.run_for(15 * MINUTE);
    assert_eq!(people(&mut sim), 4);
    assert!(sim.command(ANA, Command::Block(Who("Ben".into()))).is_ok());
    sim.run_for(15 * MINUTE);
    assert_eq!(people(&mut sim), 3, "who is blocked is not asked by a restored device");
}

/// What the relay at this place answers, with another package in it.
fn handed(frame: Frame, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Frame {
    if let Frame::Fetched(Fetched { nonce, handed: Handed::Package(package) }) = frame {
        return Frame::Fetched(Fetched { nonce, handed: Handed::Package(change(package)) });
    }
    frame
}

#[test]
fn relays_that_withhold_repeat_forge_or_cut_off_bring_nothing_in_and_an_honest_one_is_enough() {
    let mut sim = friends(34);
    let (bad, second) = sim.add_relay();
    assert!(sim.command(ANA, Command::RelayAdd { link: second.clone(), claim: None }).is_ok());
    sim.run_for(MINUTE);
    let (entropy, both) = written_down(&mut sim);
    assert_eq!(both.len(), 2);
    let honest = RELAYS;
    type Attack = fn(&mut Option<Vec<u8>>, Frame) -> Option<Frame>;
    let attacks: [(&str, Attack); 6] = [
        ("it hangs up", |_, _| None),
        ("rubbish", |_, frame| Some(handed(frame, |_| vec![7; 4_096]))),
        ("nothing in it", |_, frame| Some(handed(frame, |_| Vec::new()))),
        ("a bit of it", |_, frame| {
            Some(handed(frame, |mut package| {
                package[99] ^= 1;
                package
            }))
        }),
        ("the same piece again and again", |first, frame| Some(handed(frame, |package| first.get_or_insert(package).clone()))),
        ("an answer to another question", |_, frame| {
            let Frame::Fetched(fetched) = frame else { return Some(frame) };
            Some(Frame::Fetched(Fetched { nonce: Nonce([0; 16]), ..fetched }))
        }),
    ];
    for (what, attack) in attacks {
        let mut first = None;
        let search =
            sim.ask_by_words(&entropy, &both, |_, relay, frame| if relay == bad { attack(&mut first, frame) } else { Some(frame) });
        let found = search.found();
        assert_eq!(found.len(), 1, "{what}: {:?}", search.endings());
        parts_of(&found[0], &entropy);
        // The bad one alone: nothing comes of it, and it is said what became of the question.
        sim.set_gone(honest, true);
        let mut first = None;
        let alone = sim.ask_by_words(&entropy, std::slice::from_ref(&second), |_, _, frame| attack(&mut first, frame));
        assert!(alone.found().is_empty(), "{what}");
        assert!(alone.endings().iter().all(|ending| ending.is_some_and(|ending| ending != Ending::Whole)), "{what}: {:?}", alone.endings());
        sim.set_gone(honest, false);
    }
    sim.lookup.is_there = false;
    sim.set_gone(bad, true);
    let alone = ask(&mut sim, &entropy, &[second]);
    assert_eq!((alone.endings(), alone.found().len()), (vec![Some(Ending::Silent)], 0));
    assert_eq!(ask(&mut sim, &entropy, &both).found().len(), 1);
}

#[test]
fn of_an_older_capsule_and_a_newer_one_the_newer_comes_first() {
    let mut sim = friends(35);
    let (old, second) = sim.add_relay();
    assert!(sim.command(ANA, Command::RelayAdd { link: second, claim: None }).is_ok());
    sim.run_for(MINUTE);
    let (entropy, both) = written_down(&mut sim);
    let [before] = ask(&mut sim, &entropy, &both).found().try_into().expect("the same at both");
    // One relay puts an older state back after the next capsule has come.
    sim.double_relay(old);
    sim.add("Dea");
    sim.befriend(ANA, 3);
    sim.run_for(20 * MINUTE);
    sim.stop(ANA, 400 * DAY);
    sim.run_for(MINUTE);
    sim.double_relay(old);
    let found = ask(&mut sim, &entropy, &both).found();
    assert_eq!(found.len(), 2);
    assert!(found[0].made > found[1].made && found[1].made == before.made);
}

#[test]
fn a_link_that_ends_in_the_middle_costs_nothing_that_was_handed_out() {
    let mut sim = friends(36);
    let (entropy, links) = written_down(&mut sim);
    let mut frames = 0;
    let search = sim.ask_by_words(&entropy, &links, |_, _, frame| {
        frames += 1;
        (frames != 3).then_some(frame)
    });
    // What was lost on the way is the one thing that nobody has any more.
    assert_eq!(search.endings(), [Some(Ending::Parts)]);
    sim.crash(ANA, SECOND);
    sim.run_for(5 * MINUTE);
    assert_eq!(ask(&mut sim, &entropy, &links).found().len(), 1, "the next capsule is whole");
}

#[test]
fn any_relay_that_is_named_leads_to_the_relays_of_the_words() {
    let mut sim = friends(37);
    let (_, foreign) = sim.add_relay();
    let (entropy, _) = written_down(&mut sim);
    sim.stop(ANA, 400 * DAY);
    sim.run_for(MINUTE);
    let search = ask(&mut sim, &entropy, std::slice::from_ref(&foreign));
    assert_eq!(search.endings(), [Some(Ending::Nothing), Some(Ending::Whole)]);
    assert_eq!(search.found().len(), 1);
    // Where nobody has heard of them there is nothing, and it is said.
    sim.lookup.is_there = false;
    let search = ask(&mut sim, &entropy, &[foreign]);
    assert_eq!((search.endings(), search.found().len()), (vec![Some(Ending::Nothing)], 0));
}

//! Shared rooms with a member who makes commits and Welcomes as they like: each is refused by every honest member, its maker is
//! counted as faulty, and the room continues.

use super::*;
use symbolon_core::forged_commits::{Forger, Forgery};
use symbolon_core::order::Act;
use symbolon_core::packages_at_hand::FetchedPackage;
use symbolon_core::wire::{CommitInfo, Leave, Role, RoomChange, Roster};
use symbolon_core::world::Proposals;
use symbolon_presence::id::{DeviceId, Digest, PeerId, PublicKeyBytes};
use symbolon_presence::kdf::Secret;

type Make = fn(&mut Forger<'_>) -> Forgery;

/// A commit of the forger's in their room, given to some.
fn forge(sim: &mut Sim, by: Ix, to: &[Ix], make: impl FnOnce(&mut Forger<'_>) -> Forgery) {
    let (now, id) = (sim.now, rooms(sim, by)[0].room);
    let to: Vec<PeerId> = to.iter().map(|ix| sim.nodes[*ix].peer).collect();
    sim.nodes[by].with_core(|core, world| core.forge_commit(now, id, &to, make, world)).unwrap();
    // It leaves with the next turn.
    rooms(sim, by);
    sim.run_for(MINUTE);
}

/// A commit that changes something and says so.
fn changing(forger: &mut Forger<'_>, act: Act, change: RoomChange) -> Forgery {
    let state = forger.after(vec![act]).map(|roster| roster.hash());
    let said = forger.seal(&CommitInfo { seats: Vec::new(), changes: vec![change] });
    Forgery { proposals: Proposals { state, ..Proposals::default() }, said }
}

fn topic(forger: &mut Forger<'_>, topic: &str) -> Forgery {
    changing(forger, Act::Topic(topic.into()), RoomChange::Topic(topic.into()))
}

/// What a forged roster's commit says of it: nothing, or what it may say.
fn with_roster(forger: &mut Forger<'_>, change: impl FnOnce(&mut Roster)) -> Forgery {
    let mut roster = forger.roster.clone();
    change(&mut roster);
    let said = forger.seal(&CommitInfo { seats: Vec::new(), changes: Vec::new() });
    Forgery { proposals: Proposals { state: Some(roster.hash()), ..Proposals::default() }, said }
}

fn other(forger: &Forger<'_>) -> (PeerId, PublicKeyBytes) {
    let leaf = forger.roster.leaves.iter().find(|leaf| forger.roster.role(&leaf.user) == Some(Role::Owner)).unwrap();
    (leaf.user, leaf.leaf)
}

fn removing(forger: &mut Forger<'_>, changes: Vec<RoomChange>, state: Option<Digest>) -> Forgery {
    let (_, leaf) = other(forger);
    let remove = vec![forger.position(&leaf).unwrap()];
    let said = forger.seal(&CommitInfo { seats: Vec::new(), changes });
    Forgery { proposals: Proposals { remove, state, ..Proposals::default() }, said }
}

const FORGED: [(&str, Make); 10] = [
    ("a name that a member may not give", |forger| changing(forger, Act::Name("Mine".into()), RoomChange::Name("Mine".into()))),
    ("an own role that is higher", |forger| {
        let me = forger.roster.leaf(&forger.leaf).unwrap().user;
        changing(forger, Act::Role { user: me, role: Role::Owner }, RoomChange::Role(me, Role::Owner))
    }),
    ("a roster in which the forger owns the room, and not a word of it", |forger| {
        let me = forger.roster.leaf(&forger.leaf).unwrap().user;
        with_roster(forger, |roster| roster.users.iter_mut().filter(|user| user.user == me).for_each(|user| user.role = Role::Owner))
    }),
    ("a roster with somebody's device in another's name", |forger| {
        with_roster(forger, |roster| {
            let user = roster.leaves[0].user;
            roster.leaves[1].user = user;
        })
    }),
    ("a roster with the same of everything but a number", |forger| with_roster(forger, |roster| roster.leaves[0].came_in += 1)),
    ("no roster at all", |forger| {
        let said = forger.seal(&CommitInfo { seats: Vec::new(), changes: Vec::new() });
        Forgery { proposals: Proposals { state: Some(Digest([7; 32])), ..Proposals::default() }, said }
    }),
    ("the owner removed", |forger| removing(forger, Vec::new(), Some(Digest([7; 32])))),
    ("the owner removed, who is said to have left", |forger| {
        let (user, leaf) = other(forger);
        let said_in = forger.number;
        let state = forger.after(vec![Act::Leave { user, said_in }]).map(|roster| roster.hash());
        let signature = symbolon_presence::id::SignatureBytes([9; 64]);
        removing(forger, vec![RoomChange::Left(Leave { leaf, epoch: said_in, signature })], state)
    }),
    ("what it says in clear", |forger| Forgery {
        proposals: Proposals { state: Some(forger.roster.hash()), ..Proposals::default() },
        said: symbolon_presence::codec::encode(&CommitInfo { seats: Vec::new(), changes: Vec::new() }),
    }),
    ("nothing said", |forger| Forgery {
        proposals: Proposals { state: Some(forger.roster.hash()), ..Proposals::default() },
        said: Vec::new(),
    }),
];

fn refused(sim: &mut Sim, ix: Ix) -> u64 {
    ["forged", "malformed"].iter().map(|reason| sim.dropped(ix, reason)).sum()
}

#[test]
fn every_forged_roster_and_right_is_refused_by_every_member_and_the_room_goes_on() {
    let mut sim = crew(41, &["Ana", "Ben", "Cem"]);
    let epoch = rooms(&mut sim, ANA)[0].epoch;
    for (what, make) in FORGED {
        let before = [ANA, CEM].map(|ix| refused(&mut sim, ix));
        forge(&mut sim, BEN, &[ANA, CEM], make);
        for (ix, before) in [ANA, CEM].into_iter().zip(before) {
            assert_eq!(refused(&mut sim, ix), before + 1, "{what}: not refused at {ix}");
            assert_eq!(rooms(&mut sim, ix)[0].epoch, epoch, "{what}: taken at {ix}");
        }
        assert_agree(&mut sim, &[ANA, BEN, CEM], "The crew");
    }
    // What the forger says behind all of that is heard, and so is an honest commit.
    say(&mut sim, BEN, "The crew", "me again");
    room(sim.command(ANA, Command::RoomTopic { room: name("The crew"), topic: "as before".into() }));
    sim.run_for(10 * MINUTE);
    for ix in [ANA, CEM] {
        assert_eq!(texts(&mut sim, ix, "The crew"), ["me again"], "at {ix}");
        assert_eq!(rooms(&mut sim, ix)[0].topic, "as before");
        assert!(lines(&mut sim, ix, "The crew").iter().all(|line| !line.contains("Ben removed") && !line.contains("left")));
    }
    assert_agree(&mut sim, &[ANA, BEN, CEM], "The crew");
}

/// Ben, an admin, holds a package of Dea, a friend of his alone.
fn with_package(seed: u64) -> (Sim, Ix, FetchedPackage) {
    let mut sim = crew(seed, &["Ana", "Ben", "Cem"]);
    room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Ben"), role: RoomRole::Admin }));
    let dea = sim.add("Dea");
    sim.befriend(BEN, dea);
    sim.run_for(HOUR);
    sim.say(BEN, dea, "are you there?").unwrap();
    sim.run_for(MINUTE);
    let (now, friend) = (sim.now, sim.nodes[dea].peer);
    sim.nodes[BEN].with_core(|core, world| core.fetch_package(now, friend, world)).unwrap();
    rooms(&mut sim, BEN);
    sim.run_for(MINUTE);
    let package = sim.nodes[BEN].with_core(|core, _| core.take_packages()).pop().unwrap().unwrap();
    // Those that it asks for from now on are for its rooms.
    sim.crash(BEN, SECOND);
    sim.run_for(MINUTE);
    (sim, dea, package)
}

/// The commit that brings somebody in, and what is said of it.
fn adding(forger: &Forger<'_>, package: &FetchedPackage) -> (Proposals, CommitInfo) {
    let device = package.seat.owner.chain.as_ref().unwrap().body().unwrap().device;
    let act = Act::Add { leaf: package.leaf, user: package.peer, device };
    let state = forger.after(vec![act]).map(|roster| roster.hash());
    let proposals = Proposals { add: vec![package.key_package.clone()], state, ..Proposals::default() };
    (proposals, CommitInfo { seats: vec![package.seat.clone()], changes: Vec::new() })
}

#[test]
fn a29_an_add_whose_maker_does_not_seal_for_the_room_who_comes_in_is_refused_by_all() {
    type Spoil = fn(&mut Forger<'_>, Proposals, CommitInfo) -> Forgery;
    let spoil: [(&str, Spoil); 8] = [
        ("nothing is said", |_, proposals, _| Forgery { proposals, said: Vec::new() }),
        ("it is sealed under another key", |forger, proposals, info| {
            let said = forger.seal_under(&Secret::from_bytes([1; 32]), &info);
            Forgery { proposals, said }
        }),
        ("it is in clear", |_, proposals, info| Forgery { proposals, said: symbolon_presence::codec::encode(&info) }),
        ("nobody has the leaf", |forger, proposals, _| {
            let said = forger.seal(&CommitInfo { seats: Vec::new(), changes: Vec::new() });
            Forgery { proposals, said }
        }),
        ("another key is said for the credential", |forger, proposals, mut info| {
            info.seats[0].owner.key = Secret::from_bytes([1; 32]);
            let said = forger.seal(&info);
            Forgery { proposals, said }
        }),
        ("it has no chain", |forger, proposals, mut info| {
            info.seats[0].owner.chain = None;
            let said = forger.seal(&info);
            Forgery { proposals, said }
        }),
        ("a seat of somebody who does not come", |forger, proposals, mut info| {
            let mut more = info.seats[0].clone();
            more.owner.leaf = PublicKeyBytes([3; 32]);
            info.seats.push(more);
            let said = forger.seal(&info);
            Forgery { proposals, said }
        }),
        ("the roster has them as another device", |forger, proposals, info| {
            let user = info.seats[0].owner.chain.as_ref().unwrap().body().map(|_| info.seats[0].owner.leaf).unwrap();
            let device = DeviceId([7; 16]);
            let peer = forger.roster.users[0].user;
            let state = forger.after(vec![Act::Add { leaf: user, user: peer, device }]).map(|roster| roster.hash());
            let said = forger.seal(&info);
            Forgery { proposals: Proposals { state, ..proposals }, said }
        }),
    ];
    let (mut sim, dea, package) = with_package(42);
    let epoch = rooms(&mut sim, ANA)[0].epoch;
    for (what, spoil) in spoil {
        let before = [ANA, CEM].map(|ix| refused(&mut sim, ix));
        forge(&mut sim, BEN, &[ANA, CEM], |forger| {
            let (proposals, info) = adding(forger, &package);
            spoil(forger, proposals, info)
        });
        for (ix, before) in [ANA, CEM].into_iter().zip(before) {
            assert_eq!(refused(&mut sim, ix), before + 1, "{what}: not refused at {ix}");
            assert_eq!(rooms(&mut sim, ix)[0].epoch, epoch, "{what}: taken at {ix}");
        }
    }
    // Said as it should be, it is taken.
    add(&mut sim, BEN, "The crew", &["Dea"]);
    sim.run_for(10 * MINUTE);
    assert_agree(&mut sim, &[ANA, BEN, CEM, dea], "The crew");
    assert_eq!(members(&mut sim, dea, "The crew").len(), 4);
}

#[test]
fn a_member_who_gives_each_member_another_commit_parts_nobody_for_long_and_is_named() {
    for seed in 43..46 {
        let mut sim = crew(seed, &["Ana", "Ben", "Cem", "Dea"]);
        room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Ben"), role: RoomRole::Admin }));
        sim.run_for(MINUTE);
        forge(&mut sim, BEN, &[ANA], |forger| topic(forger, "for Ana"));
        forge(&mut sim, BEN, &[CEM], |forger| topic(forger, "for Cem"));
        // Dea is given none.
        let topics = [ANA, CEM, DEA].map(|ix| rooms(&mut sim, ix)[0].topic.clone());
        assert_eq!(topics, ["for Ana", "for Cem", ""]);
        for (ix, text) in [(ANA, "one"), (CEM, "two"), (DEA, "three")] {
            say(&mut sim, ix, "The crew", text);
        }
        sim.run_for(2 * HOUR);
        assert_agree(&mut sim, &[ANA, CEM, DEA], "The crew");
        let topic = rooms(&mut sim, ANA)[0].topic.clone();
        assert_ne!(topic, "", "seed {seed}");
        let mut named = 0;
        for ix in [ANA, CEM, DEA] {
            assert_eq!(rooms(&mut sim, ix)[0].topic, topic, "seed {seed}");
            assert_eq!(texts(&mut sim, ix, "The crew"), ["one", "three", "two"], "of {ix}, seed {seed}");
            named += lines(&mut sim, ix, "The crew").iter().filter(|line| line.starts_with("Ben has changed the room in two ways")).count();
        }
        assert!(named >= 1, "seed {seed}: nobody hears that Ben's device does what no honest one does");
    }
}

#[test]
fn a_commit_that_is_withheld_from_somebody_is_given_by_others() {
    let mut sim = crew(46, &["Ana", "Ben", "Cem", "Dea"]);
    room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Ben"), role: RoomRole::Admin }));
    sim.run_for(MINUTE);
    forge(&mut sim, BEN, &[ANA, CEM], |forger| topic(forger, "not for Dea"));
    assert_eq!(rooms(&mut sim, DEA)[0].topic, "");
    // Its maker never gives it; Dea hears somebody who has it.
    say(&mut sim, CEM, "The crew", "on we go");
    sim.run_for(HOUR);
    assert_eq!(rooms(&mut sim, DEA)[0].topic, "not for Dea");
    assert_eq!(texts(&mut sim, DEA, "The crew"), ["on we go"]);
    assert_agree(&mut sim, &[ANA, CEM, DEA], "The crew");
}

#[test]
fn a_member_who_fills_an_epoch_with_commits_keeps_no_place_from_one_that_stands_before_them() {
    let mut sim = crew(47, &["Ana", "Ben", "Cem"]);
    room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Ben"), role: RoomRole::Admin }));
    sim.run_for(MINUTE);
    // Ana removes him while she is cut off, and he has made more commits than there are places for.
    cut(&mut sim, &[ANA], &[BEN, CEM], true);
    room(sim.command(ANA, Command::RoomRemove { room: name("The crew"), who: vec![name("Ben")] }));
    let now = sim.now;
    let (id, cem) = (rooms(&mut sim, BEN)[0].room, sim.nodes[CEM].peer);
    for number in 0..600 {
        let make = |forger: &mut Forger<'_>| topic(forger, &format!("topic {number}"));
        sim.nodes[BEN].with_core(|core, world| core.forge_commit(now, id, &[cem], make, world)).unwrap();
    }
    rooms(&mut sim, BEN);
    sim.run_for(HOUR);
    assert!(rooms(&mut sim, CEM)[0].topic.starts_with("topic "));
    let kept = sim.nodes[CEM].store.count(symbolon_core::table::Table::Commit);
    assert!(kept < 20, "{kept} commits of one epoch are kept");
    let told = lines(&mut sim, CEM, "The crew").iter().filter(|line| line.contains("two ways")).count();
    assert!((1..=10).contains(&told), "it is said {told} times");
    cut(&mut sim, &[ANA], &[BEN, CEM], false);
    sim.run_for(2 * HOUR);
    assert_agree(&mut sim, &[ANA, CEM], "The crew");
    assert_eq!(members(&mut sim, CEM, "The crew").len(), 2);
}

#[test]
fn a54_who_is_no_member_any_more_brings_nobody_in() {
    let (mut sim, dea, package) = with_package(48);
    cut(&mut sim, &[ANA], &[BEN, CEM, dea], true);
    room(sim.command(ANA, Command::RoomRemove { room: name("The crew"), who: vec![name("Ben")] }));
    sim.run_for(MINUTE);
    // Ben, who has not heard it, adds Dea; Cem takes it, and Dea comes into a room that is none any more.
    add(&mut sim, BEN, "The crew", &["Dea"]);
    sim.run_for(10 * MINUTE);
    assert_eq!(members(&mut sim, CEM, "The crew").len(), 4);
    cut(&mut sim, &[ANA], &[BEN, CEM, dea], false);
    sim.run_for(2 * HOUR);
    assert_agree(&mut sim, &[ANA, CEM], "The crew");
    assert_eq!(members(&mut sim, ANA, "The crew").len(), 2);
    assert_eq!(standing(&mut sim, BEN), RoomStanding::Removed);
    // Nor by a commit of the epoch that he was removed in, or of the one that he sees.
    let before = rooms(&mut sim, CEM)[0].epoch;
    let now = sim.now;
    let (id, to) = (rooms(&mut sim, BEN)[0].room, [sim.nodes[ANA].peer, sim.nodes[CEM].peer]);
    let make = |forger: &mut Forger<'_>| {
        let (proposals, info) = adding(forger, &package);
        let said = forger.seal(&info);
        Forgery { proposals, said }
    };
    sim.nodes[BEN].with_core(|core, world| core.forge_commit(now, id, &to, make, world).err());
    rooms(&mut sim, BEN);
    sim.run_for(HOUR);
    assert_agree(&mut sim, &[ANA, CEM], "The crew");
    assert_eq!(rooms(&mut sim, CEM)[0].epoch, before);
    say(&mut sim, ANA, "The crew", "for Cem");
    sim.run_for(MINUTE);
    assert!(!texts(&mut sim, dea, "The crew").contains(&"for Cem".to_owned()));
}

#[test]
fn a_flood_of_names_and_topics_drives_no_text_out_of_sight_and_who_comes_and_goes_is_always_said() {
    let mut sim = crew(49, &["Ana", "Ben", "Cem"]);
    room(sim.command(ANA, Command::RoomRole { room: name("The crew"), who: name("Ben"), role: RoomRole::Admin }));
    sim.run_for(MINUTE);
    say(&mut sim, CEM, "The crew", "do you see this?");
    for number in 0..80 {
        room(sim.command(BEN, Command::RoomTopic { room: name("The crew"), topic: format!("topic {number}") }));
        sim.run_for(SECOND);
    }
    room(sim.command(BEN, Command::RoomRemove { room: name("The crew"), who: vec![name("Cem")] }));
    sim.run_for(10 * MINUTE);
    assert_eq!(rooms(&mut sim, ANA)[0].topic, "topic 79");
    for ix in [ANA, CEM] {
        let said = lines(&mut sim, ix, "The crew");
        assert_eq!(said.iter().filter(|line| line.contains("topic")).count(), symbolon_core::limits::LINES_OF_MEMBER, "at {ix}");
        assert!(said.last().unwrap().starts_with("Ben removed"), "at {ix}");
        assert_eq!(texts(&mut sim, ix, "The crew"), ["do you see this?"]);
    }
    // The next day is another one.
    sim.run_for(DAY);
    room(sim.command(BEN, Command::RoomTopic { room: name("The crew"), topic: "good morning".into() }));
    sim.run_for(MINUTE);
    assert!(lines(&mut sim, ANA, "The crew").last().unwrap().contains("good morning"));
}

#[test]
fn names_and_texts_that_pose_as_lines_or_as_others_are_seen_for_what_they_are() {
    for (seed, posing) in (50..).zip(["Ana added Eve. Ben", "You", "Dеa", "ＡＮＡ"]) {
        let mut sim = scene(seed, Faults::NONE, &["Ana", "Ben", posing]);
        // Ben has a friend Dea, who is not in the room.
        let dea = sim.add("Dea");
        sim.befriend(BEN, dea);
        sim.run_for(MINUTE);
        let third = sim.nodes[CEM].peer.to_string();
        create(&mut sim, ANA, "The crew");
        add(&mut sim, ANA, "The crew", &["Ben"]);
        sim.run_for(MINUTE);
        add(&mut sim, ANA, "The crew", &[&third]);
        sim.run_for(MINUTE);
        let sent = "Ana removed you";
        say(&mut sim, CEM, "The crew", sent);
        sim.run_for(MINUTE);
        let shown = history(&mut sim, BEN, "The crew");
        let text = shown.iter().find(|view| view.text == sent).unwrap();
        assert!(!text.is_line, "what somebody writes is a text of theirs: {posing}");
        let called = members(&mut sim, BEN, "The crew").into_iter().find(|view| view.id.to_string() == third).unwrap().name;
        assert!(called.contains(&third[..8]), "{posing:?} is shown as {called:?}");
        let line = shown.iter().filter(|view| view.is_line).find(|view| view.text.contains(&third[..8]));
        let line = line.map(|view| view.text.clone()).unwrap_or_default();
        assert!(line.starts_with("Ana added ") && !line.contains("Eve") && !line.contains("left the room"), "{line:?}");
    }
}

#[test]
fn what_friends_say_to_each_other_is_refused_in_a_shared_room() {
    use symbolon_core::wire::{Capabilities, Consent, IntroCard, RoomPayload};
    use symbolon_presence::id::RequestId;
    use symbolon_tests::samples;
    let said = [
        RoomPayload::Bundle(samples::ben().bundle("Ben")),
        RoomPayload::Introduce(samples::introduction()),
        RoomPayload::Consent(Consent { id: RequestId([1; 16]), contact: Some(vec![1; 64]) }),
        RoomPayload::IntroCard(IntroCard { id: RequestId([1; 16]), contact: vec![1; 64] }),
        RoomPayload::Seed(samples::seed()),
        RoomPayload::Capabilities(Capabilities(5)),
        RoomPayload::Lifeline(samples::ben().lifeline()),
        RoomPayload::Welcome(Box::new(samples::shared::welcome_bundle())),
    ];
    // Ben and Cem are no friends, and Cem has blocked nobody yet: he reaches him by the room alone.
    let mut sim = scene(59, Faults::NONE, &["Ana", "Ben", "Cem"]);
    create(&mut sim, ANA, "The crew");
    add(&mut sim, ANA, "The crew", &["Ben", "Cem"]);
    sim.run_for(MINUTE);
    let id = rooms(&mut sim, BEN)[0].room;
    for (nth, payload) in (1..).zip(&said) {
        let now = sim.now;
        sim.nodes[BEN].with_core(|core, world| core.say_in_room(now, id, payload, world)).unwrap();
        rooms(&mut sim, BEN);
        sim.run_for(10 * MINUTE);
        assert_eq!(sim.dropped(CEM, "unexpected"), nth, "number {nth}");
    }
    assert!(sim.pending(CEM).is_none() && rooms(&mut sim, CEM).len() == 1);
    say(&mut sim, BEN, "The crew", "hello");
    sim.run_for(10 * MINUTE);
    assert_eq!(texts(&mut sim, CEM, "The crew"), ["hello"]);
}

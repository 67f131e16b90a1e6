//! Shared rooms in a backup: what was said there is read again, and nobody is in a room by that.

use super::*;
use symbolon_core::command::{MessageView, RoomRole, RoomStanding, RoomView};

fn room(sim: &mut Sim, ix: Ix, name: &str) -> Option<RoomView> {
    match sim.command(ix, Command::Rooms) {
        Ok(Reply::Rooms(rooms)) => rooms.into_iter().find(|room| room.name == name),
        other => panic!("no rooms: {:?}", other.err()),
    }
}

/// The texts of a room in their order, with who has written each, and whether that was its reader.
fn said_in(sim: &mut Sim, ix: Ix, name: &str) -> Vec<(String, String, bool)> {
    let (mut all, mut since) = (Vec::new(), None);
    loop {
        let read = Command::Read { who: Some(Who(name.into())), since, limit: None, peek: true };
        let Ok(Reply::Messages(views)) = sim.command(ix, read) else { return all };
        let Some(last) = views.last() else { return all };
        since = Some(last.message);
        let texts = views.into_iter().filter(|view: &MessageView| !view.is_line);
        all.extend(texts.map(|view| (view.text, view.from.to_string(), view.mine)));
    }
}

/// The texts of all conversations, as they stand one below the other.
fn one_after_the_other(sim: &mut Sim, ix: Ix) -> Vec<String> {
    sim.history(ix).into_iter().filter(|view| !view.is_line).map(|view| view.text).collect()
}

/// One makes a room of all three.
fn create(sim: &mut Sim, maker: Ix, name: &str) {
    assert!(sim.command(maker, Command::RoomCreate(name.into())).is_ok());
    let others: Vec<Ix> = [ANA, BEN, CEM].into_iter().filter(|ix| *ix != maker).collect();
    let who = others.iter().map(|ix| Who(["Ana", "Ben", "Cem"][*ix].into())).collect();
    assert!(sim.command(maker, Command::RoomAdd { room: Who(name.into()), who }).is_ok());
    let are_in = |sim: &mut Sim| others.iter().all(|ix| room(sim, *ix, name).is_some_and(|room| room.standing == RoomStanding::Member));
    assert!(sim.run_until(HOUR, are_in), "all come in");
}

#[test]
fn texts_of_rooms_are_in_a_backup_and_are_read_again_in_rooms_that_nobody_is_in_by_that() {
    let mut sim = friends(41);
    sim.befriend(BEN, CEM);
    create(&mut sim, BEN, "Crew");
    create(&mut sim, BEN, "Old");
    for n in 0..150 {
        say(&mut sim, [ANA, BEN, CEM][n % 3], "Crew", &format!("text {n}"));
        if n % 50 == 25 {
            say(&mut sim, ANA, "Ben", &format!("aside {n}"));
        }
    }
    say(&mut sim, BEN, "Old", "long ago");
    sim.run_for(HOUR);
    assert!(sim.command(ANA, Command::RoomLeave(Who("Old".into()))).is_ok());
    assert!(sim.command(ANA, Command::Read { who: Some(Who("Crew".into())), since: None, limit: None, peek: false }).is_ok());
    say(&mut sim, BEN, "Crew", "unread");
    assert!(sim.command(ANA, Command::RoomNote { room: Who("Crew".into()), muted: Some(true), archived: None }).is_ok());
    sim.run_for(HOUR);
    let lost = ["Crew", "Old"].map(|name| said_in(&mut sim, ANA, name));
    assert_eq!(lost.each_ref().map(Vec::len), [151, 1]);
    let together = one_after_the_other(&mut sim, ANA);
    let place = |text: &str| together.iter().position(|other| other == text).unwrap();
    assert!(place("text 0") < place("aside 25") && place("aside 25") < place("aside 75") && place("aside 75") < place("unread"));
    let unread = room(&mut sim, ANA, "Crew").unwrap().unread;
    let entropy = phrase(&mut sim, ANA);
    let parts = backup(&mut sim, ANA, &entropy);
    sim.stop(ANA, 400 * DAY);
    sim.run_for(MINUTE);
    let fresh = restore(&mut sim, &entropy, &parts);
    assert_eq!(["Crew", "Old"].map(|name| said_in(&mut sim, fresh, name)), lost, "all of it, in its order, once");
    assert_eq!(one_after_the_other(&mut sim, fresh), together, "conversations stand among each other as before");
    let crew = room(&mut sim, fresh, "Crew").unwrap();
    assert_eq!((crew.standing, crew.is_muted, crew.unread), (RoomStanding::Left, true, unread));
    assert_eq!(room(&mut sim, fresh, "Old").unwrap().standing, RoomStanding::Left);
    let refused = sim.command(fresh, Command::Send { to: Who("Crew".into()), text: "hello?".into(), lifetime: None }).err();
    assert_eq!(refused, Some(CommandError::NotInRoom));
    assert!(sim.run_until(6 * HOUR, |sim| all_mutual(sim, fresh, 2)), "friends' devices answer");
    // An owner who is a friend brings the new device in: its person is in the room.
    let members = room(&mut sim, BEN, "Crew").unwrap().members;
    let is_in = |sim: &mut Sim| room(sim, fresh, "Crew").is_some_and(|room| room.standing == RoomStanding::Member);
    assert!(sim.run_until(6 * HOUR, is_in), "it comes in");
    say(&mut sim, CEM, "Crew", "welcome back");
    have(&mut sim, &[fresh], &["welcome back"]);
    say(&mut sim, fresh, "Crew", "thank you");
    have(&mut sim, &[BEN, CEM], &["thank you"]);
    assert_eq!(said_in(&mut sim, fresh, "Crew").len(), 153);
    let crew = room(&mut sim, BEN, "Crew").unwrap();
    assert_eq!((crew.members, crew.invited), (members, Vec::new()), "nobody new is in it");
    assert_eq!(room(&mut sim, fresh, "Old").unwrap().standing, RoomStanding::Left, "what the user has left stays so");
}

#[test]
fn whose_lost_device_alone_could_add_anybody_is_brought_in_by_a_member_and_goes_on_as_owner() {
    let mut sim = friends(42);
    create(&mut sim, ANA, "Crew");
    say(&mut sim, CEM, "Crew", "before");
    sim.run_for(HOUR);
    let entropy = phrase(&mut sim, ANA);
    let parts = backup(&mut sim, ANA, &entropy);
    sim.stop(ANA, 6 * HOUR);
    let fresh = restore(&mut sim, &entropy, &parts);
    let is_in = |sim: &mut Sim| room(sim, fresh, "Crew").is_some_and(|room| room.standing == RoomStanding::Member);
    assert!(sim.run_until(6 * HOUR, is_in), "it comes in");
    assert_eq!(room(&mut sim, fresh, "Crew").unwrap().role, Some(RoomRole::Owner));
    say(&mut sim, BEN, "Crew", "welcome back");
    say(&mut sim, fresh, "Crew", "thank you");
    have(&mut sim, &[fresh, CEM], &["before", "welcome back", "thank you"]);
    // It takes the lost one out, which reads nothing new when a thief starts it.
    let lost = devices(&mut sim, fresh).into_iter().find(|view| !view.this).expect("the lost one is shown");
    assert!(sim.command(fresh, Command::DeviceRemove(lost.device.to_string())).is_ok());
    sim.run_for(6 * HOUR);
    assert!(sim.nodes[ANA].is_up());
    say(&mut sim, CEM, "Crew", "for the new one");
    have(&mut sim, &[fresh, BEN], &["for the new one"]);
    sim.run_for(HOUR);
    assert!(!texts(&mut sim, ANA).contains("for the new one"));
    assert!(sim.command(fresh, Command::RoomRename { room: Who("Crew".into()), name: "Boat".into() }).is_ok());
    assert!(sim.run_until(HOUR, |sim| room(sim, CEM, "Boat").is_some()), "the owner goes on as such");
}

//! Shared rooms in a backup: what was said there is read again, and nobody is in a room by that.

use super::*;
use symbolon_core::command::{MessageView, RoomStanding, RoomView};

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

fn create(sim: &mut Sim, name: &str) {
    assert!(sim.command(BEN, Command::RoomCreate(name.into())).is_ok());
    let who = vec![Who("Ana".into()), Who("Cem".into())];
    assert!(sim.command(BEN, Command::RoomAdd { room: Who(name.into()), who }).is_ok());
    let are_in = |sim: &mut Sim| [ANA, CEM].iter().all(|ix| room(sim, *ix, name).is_some());
    assert!(sim.run_until(HOUR, are_in), "all come in");
}

#[test]
fn texts_of_rooms_are_in_a_backup_and_are_read_again_in_rooms_that_nobody_is_in_by_that() {
    let mut sim = friends(41);
    sim.befriend(BEN, CEM);
    create(&mut sim, "Crew");
    create(&mut sim, "Old");
    for n in 0..150 {
        say(&mut sim, [ANA, BEN, CEM][n % 3], "Crew", &format!("text {n}"));
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
    let unread = room(&mut sim, ANA, "Crew").unwrap().unread;
    let entropy = phrase(&mut sim, ANA);
    let parts = backup(&mut sim, ANA, &entropy);
    sim.stop(ANA, 400 * DAY);
    sim.run_for(MINUTE);
    let fresh = restore(&mut sim, &entropy, &parts);
    assert_eq!(["Crew", "Old"].map(|name| said_in(&mut sim, fresh, name)), lost, "all of it, in its order, once");
    let crew = room(&mut sim, fresh, "Crew").unwrap();
    assert_eq!((crew.standing, crew.is_muted, crew.unread), (RoomStanding::Left, true, unread));
    assert_eq!(room(&mut sim, fresh, "Old").unwrap().standing, RoomStanding::Left);
    let refused = sim.command(fresh, Command::Send { to: Who("Crew".into()), text: "hello?".into(), lifetime: None }).err();
    assert_eq!(refused, Some(CommandError::NotInRoom));
    assert!(sim.run_until(6 * HOUR, |sim| all_mutual(sim, fresh, 2)), "friends' devices answer");
    // An owner takes the lost device out and brings the new one in: then it is the same room.
    let (crew, ana) = (|| Who("Crew".into()), || vec![Who("Ana".into())]);
    assert!(sim.command(BEN, Command::RoomRemove { room: crew(), who: ana() }).is_ok());
    sim.run_for(HOUR);
    assert!(sim.command(BEN, Command::RoomAdd { room: crew(), who: ana() }).is_ok());
    let is_in = |sim: &mut Sim| room(sim, fresh, "Crew").is_some_and(|room| room.standing == RoomStanding::Member);
    assert!(sim.run_until(6 * HOUR, is_in), "it comes in");
    say(&mut sim, CEM, "Crew", "welcome back");
    have(&mut sim, &[fresh], &["welcome back"]);
    say(&mut sim, fresh, "Crew", "thank you");
    have(&mut sim, &[BEN, CEM], &["thank you"]);
    assert_eq!(said_in(&mut sim, fresh, "Crew").len(), 153);
}

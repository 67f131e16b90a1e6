//! Rooms: what each command prints.

use super::*;

const ROOM: &str = "room,name,topic,epoch,members,role,standing,unread,muted,archived,invited,added_by";

#[test]
fn every_command_about_rooms_prints_the_fields_it_promises() {
    let node = Node::start();
    node.fake.with(|world| (world.add_friend("Ben"), world.add_friend("Cem")));
    assert_fields(&node.json(&["room", "create", "Crew"])[0], ROOM);
    let room = &node.json(&["room", "add", "Crew", "Ben", "Cem"])[0];
    assert_fields(room, ROOM);
    assert_eq!((&room["members"], &room["invited"]), (&json!(2), &json!(["Cem"])));
    let members = node.json(&["room", "members", "Crew"]);
    members.iter().for_each(|member| assert_fields(member, "id,name,words,trust,role"));
    assert_eq!(members.iter().map(|member| &member["name"]).collect::<Vec<_>>(), ["Andi", "Ben"]);
    assert_eq!(node.json(&["room", "topic", "Crew", "who", "sails"])[0]["topic"], "who sails");
    assert_eq!(node.json(&["room", "topic", "Crew"])[0]["topic"], "");
    assert_fields(&node.json(&["room", "role", "Crew", "Ben", "admin"])[0], ROOM);
    assert_eq!(node.json(&["room", "members", "Crew"])[1]["role"], "admin");
    assert_eq!(node.json(&["room", "rename", "Crew", "Boat"])[0]["name"], "Boat");
    assert_eq!(node.json(&["room", "mute", "Boat"])[0]["muted"], true);
    assert_eq!(node.json(&["room", "mute", "Boat", "--off"])[0]["muted"], false);
    assert_eq!(node.json(&["room", "archive", "Boat"])[0]["archived"], true);
    assert_eq!(node.json(&["room", "remove", "Boat", "Ben"])[0]["members"], 1);
    assert_eq!(node.json(&["room", "leave", "Boat"])[0]["standing"], "leaving");
    for wrong in [&["room", "add", "Boat"][..], &["room", "role", "Boat", "Ben", "king"], &["room"]] {
        node.failure(wrong, 2);
    }
}

#[test]
fn rooms_that_one_has_left_are_listed_only_when_asked_for() {
    let node = Node::start();
    let standings = [RoomStanding::Elsewhere, RoomStanding::Left, RoomStanding::Member, RoomStanding::Removed];
    for (name, standing) in ["Afar", "Gone", "Crew", "Out"].into_iter().zip(standings) {
        node.json(&["room", "create", name]);
        node.fake.with(|world| world.rooms.last_mut().unwrap().view.standing = standing);
    }
    let names = |args: &[&str]| node.json(args).iter().map(|room| room["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&["room", "list"]), ["Afar", "Crew"]);
    assert_eq!(names(&["room", "list", "--all"]), ["Afar", "Gone", "Crew", "Out"]);
    let plain = String::from_utf8(node.run(&["room", "list", "--all"]).stdout).unwrap();
    assert!(plain.contains("another device of yours is in it, and this one is not"), "{plain}");
    assert!(plain.contains("you were removed from it") && plain.contains("nobody but you, you own it"), "{plain}");
}

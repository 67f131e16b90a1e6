//! Rooms: what each route asks, shows, and how it fails.

use super::commands::{assert_described, last_command};
use crate::Server;
use serde_json::{Value, json};
use symbolon_core::command::{Command, CommandError, MessageState, RoomRole, Tally, Who};

#[tokio::test]
async fn a_room_is_made_filled_named_and_left() {
    let server = Server::start().await;
    server.fake.with(|world| (world.add_friend("Ben"), world.add_friend("Cem")));
    let room = server.post("/api/v1/rooms", &json!({ "name": "Crew" })).await.json();
    assert_described(&server, "Room", &room).await;
    assert_eq!((&room["members"], &room["role"], &room["standing"]), (&json!(1), &json!("owner"), &json!("member")));
    assert_eq!((&room["topic"], &room["added_by"]), (&json!(""), &Value::Null));

    let room = server.post("/api/v1/rooms/add", &json!({ "room": "Crew", "who": ["Ben", "Cem"] })).await.json();
    assert!(last_command(&server) == Command::RoomAdd { room: Who("Crew".into()), who: vec![Who("Ben".into()), Who("Cem".into())] });
    assert_eq!((&room["members"], &room["invited"]), (&json!(2), &json!(["Cem"])), "Cem is offline");

    let members = server.get("/api/v1/rooms/members?room=Crew").await.json();
    assert_described(&server, "Members", &members).await;
    assert_described(&server, "Member", &members["members"][1]).await;
    let shown = members["members"].as_array().unwrap().iter().map(|one| (&one["name"], &one["role"], &one["me"])).collect::<Vec<_>>();
    let expected = [(json!("Andi"), json!("owner"), json!(true)), (json!("Ben"), json!("member"), json!(false))];
    assert_eq!(shown, expected.iter().map(|(name, role, me)| (name, role, me)).collect::<Vec<_>>());

    server.post("/api/v1/rooms/role", &json!({ "room": "Crew", "who": "Ben", "role": "admin" })).await.json();
    assert!(last_command(&server) == Command::RoomRole { room: Who("Crew".into()), who: Who("Ben".into()), role: RoomRole::Admin });
    let topic = server.post("/api/v1/rooms/topic", &json!({ "room": "Crew", "topic": "Sails" })).await.json();
    assert_eq!(topic["topic"], "Sails");
    let room = server.post("/api/v1/rooms/rename", &json!({ "room": "Crew", "name": "Boat" })).await.json();
    let id = room["room"].as_str().unwrap().to_owned();
    let room = server.post("/api/v1/rooms/note", &json!({ "room": id, "muted": true })).await.json();
    assert_eq!((&room["name"], &room["muted"], &room["archived"]), (&json!("Boat"), &json!(true), &json!(false)));
    assert!(last_command(&server) == Command::RoomNote { room: Who(id.clone()), muted: Some(true), archived: None });
    let room = server.post("/api/v1/rooms/remove", &json!({ "room": id, "who": ["Ben"] })).await.json();
    assert_eq!(room["members"], 1);
    let room = server.post("/api/v1/rooms/leave", &json!({ "room": id })).await.json();
    assert_eq!(room["standing"], "leaving");
    let rooms = server.get("/api/v1/rooms").await.json();
    assert_described(&server, "Rooms", &rooms).await;
    assert_eq!(rooms["rooms"], json!([room]));
}

#[tokio::test]
async fn what_cannot_be_asked_of_a_room_is_refused() {
    let server = Server::start().await;
    server.post("/api/v1/rooms", &json!({ "name": "Crew" })).await.json();
    for (path, body, error) in [
        ("", json!({ "name": "" }), "bad_name"),
        ("/add", json!({ "room": "Crew", "who": [] }), "bad_request"),
        ("/add", json!({ "room": "Crew", "who": "Ben" }), "bad_request"),
        ("/add", json!({ "room": "Crew", "who": ["nobody"] }), "not_found"),
        ("/add", json!({ "room": "Boat", "who": ["nobody"] }), "not_found"),
        ("/role", json!({ "room": "Crew", "who": "Ben", "role": "king" }), "bad_request"),
        ("/leave", json!({ "room": "Boat" }), "not_found"),
        ("/leave", json!({ "room": "Crew", "quietly": true }), "bad_request"),
    ] {
        assert_eq!(server.post(&format!("/api/v1/rooms{path}"), &body).await.error(), error, "{path} {body}");
    }
    for (error, kind) in
        [(CommandError::NotInRoom, "not_in_room"), (CommandError::NoRight, "no_right"), (CommandError::OldBuild, "old_build")]
    {
        server.fake.script(Err(error));
        assert_eq!(server.post("/api/v1/rooms/rename", &json!({ "room": "Crew", "name": "Boat" })).await.error(), kind);
    }
}

#[tokio::test]
async fn a_name_that_a_room_and_a_friend_have_lists_both() {
    let server = Server::start().await;
    server.fake.with(|world| (world.add_friend("Crew"), world.add_friend("Ben"), world.add_friend("Ben")));
    let room = server.post("/api/v1/rooms", &json!({ "name": "Crew" })).await.json();
    let friend = server.get("/api/v1/friends").await.json()["friends"][0]["id"].clone();
    server.fake.script(Err(CommandError::Ambiguous));
    let answer = server.post("/api/v1/messages", &json!({ "to": "Crew", "text": "hi" })).await;
    assert_eq!((answer.error().as_str(), &answer.json()["candidates"]), ("ambiguous", &json!([friend, room["room"]])));
    // Of several names, the one that is meant twice is listed.
    let answer = server.post("/api/v1/rooms/add", &json!({ "room": room["room"], "who": ["Ben"] })).await;
    assert_eq!((answer.error().as_str(), answer.json()["choices"].as_array().unwrap().len()), ("ambiguous", 2));
}

#[tokio::test]
async fn a_text_in_a_room_says_by_how_many_it_is_held_and_a_line_that_nobody_wrote_it() {
    let server = Server::start().await;
    server.fake.with(|world| {
        let at = world.add_friend("Ben");
        let mut own = world.message_to(at, "hi", 1, MessageState::Stored);
        own.tally = Some(Tally { delivered: 2, read: 1, members: 4 });
        world.messages.push(own);
        let mut line = world.message_from(at, "Ben left", 2);
        line.is_line = true;
        world.messages.push(line);
    });
    let messages = server.get("/api/v1/messages").await.json()["messages"].clone();
    assert_described(&server, "Message", &messages[0]).await;
    assert_eq!(
        (&messages[0]["delivered_by"], &messages[0]["read_by"], &messages[0]["line"]),
        (&json!("2/4"), &json!("1/4"), &json!(false))
    );
    assert_eq!((&messages[1]["delivered_by"], &messages[1]["line"]), (&Value::Null, &json!(true)));
}

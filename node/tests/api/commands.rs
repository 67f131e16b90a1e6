//! Every route: what it asks the node, what it shows, and how it fails.

use crate::Server;
use crate::fake::NOW;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use symbolon_core::command::{Command, Direction, MessageState, RequestStatus, Who};
use symbolon_core::seam::Event;
use symbolon_node::api::errors::Fault;
use symbolon_node::api::routes;

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

/// Asserts that an answer has exactly the fields that the description names.
pub async fn assert_described(server: &Server, schema: &str, value: &Value) {
    let document = server.get("/api/v1/openapi.json").await.json();
    let properties = &document["components"]["schemas"][schema]["properties"];
    assert_eq!(keys(value), keys(properties), "{schema}");
}

pub fn last_command(server: &Server) -> Command {
    server.fake.with(|world| world.seen.last().unwrap().clone())
}

#[tokio::test]
async fn identity_is_shown_and_renamed() {
    let server = Server::start().await;
    let view = server.get("/api/v1/identity").await.json();
    assert_described(&server, "Identity", &view).await;
    assert_eq!(view["id"].as_str().unwrap().len(), 52);
    assert_eq!(view["words"].as_str().unwrap().split(' ').count(), 12);
    let view = server.send("PUT", "/api/v1/identity/name", &json!({ "name": "Berta" })).await.json();
    assert_eq!(view["name"], "Berta");
    let qr = server.get("/api/v1/identity/qr").await;
    assert_eq!(qr.header("content-type"), Some("image/svg+xml"));
    assert!(qr.body.starts_with(b"<svg"));
}

#[tokio::test]
async fn invite_takes_seconds_and_shows_link_and_picture() {
    let server = Server::start().await;
    let view = server.post("/api/v1/invites", &json!({ "expires_in": 3600, "no_ip": true, "auto_accept": true })).await.json();
    assert_described(&server, "Invite", &view).await;
    assert!(view["link"].as_str().unwrap().starts_with("symbolon:"));
    assert_eq!(view["expires"], "2026-11-20T21:00:00.000Z");
    assert!(view["warning"].is_string());
    assert!(view["qr"].as_str().unwrap().starts_with("<svg"));
    assert!(last_command(&server) == Command::Invite { lifetime: 3_600_000, no_ip: true, auto_accept: true });
    server.post("/api/v1/invites", &json!({})).await.json();
    assert!(last_command(&server) == Command::Invite { lifetime: 7 * 24 * 3_600_000, no_ip: false, auto_accept: false });
    server.post("/api/v1/invites", &json!({ "expires_in": u64::MAX })).await.json();
    assert!(last_command(&server) == Command::Invite { lifetime: u64::MAX, no_ip: false, auto_accept: false }, "saturates");
}

#[tokio::test]
async fn request_is_made_listed_and_answered_by_the_beginning_of_its_id() {
    let server = Server::start().await;
    let made = server.post("/api/v1/requests", &json!({ "target": "symbolon:x", "note": "hi" })).await.json();
    assert_described(&server, "Request", &made).await;
    assert_eq!((&made["status"], &made["direction"], &made["kind"]), (&json!("pending"), &json!("out"), &json!("friend")));

    let id = server.fake.with(|world| world.add_request("Tom", Direction::In, RequestStatus::Pending, None));
    let listed = server.get("/api/v1/requests").await.json();
    assert_eq!(listed["requests"].as_array().unwrap().len(), 2);
    assert_eq!(listed["requests"][0]["note"], Value::Null);

    let beginning = id.to_string()[..5].to_uppercase();
    let view = server.post(&format!("/api/v1/requests/{beginning}/ignore"), &json!({})).await.json();
    assert_eq!((&view["request"], &view["status"]), (&json!(id.to_string()), &json!("ignored")));
    let view = server.post(&format!("/api/v1/requests/{id}/accept"), &json!({})).await.json();
    assert_eq!(view["status"], "confirmed");
    for nobody in ["zzzz", "%20", "0", "..%2f"] {
        assert_eq!(server.post(&format!("/api/v1/requests/{nobody}/accept"), &json!({})).await.error(), "not_found", "{nobody}");
    }
}

#[tokio::test]
async fn invites_are_listed_and_taken_back_and_so_is_an_own_request() {
    let server = Server::start().await;
    let listed = server.get("/api/v1/invites").await.json();
    assert_described(&server, "Invites", &listed).await;
    assert_eq!((&listed["invites"][0]["state"], &listed["invites"][1]["state"]), (&json!("open"), &json!("used")));
    assert_eq!((&listed["invites"][0]["used"], &listed["invites"][1]["used"]), (&json!(false), &json!(true)));
    let id = listed["invites"][0]["invite"].as_str().unwrap();
    let view = server.post(&format!("/api/v1/invites/{id}/revoke"), &json!({})).await.json();
    assert_described(&server, "InviteRow", &view).await;
    assert_eq!((&view["invite"], &view["state"]), (&json!(id), &json!("revoked")));
    assert_eq!(server.post("/api/v1/invites/zzzz/revoke", &json!({})).await.error(), "not_found");

    let made = server.post("/api/v1/requests", &json!({ "target": "symbolon:x" })).await.json();
    let id = made["request"].as_str().unwrap();
    let view = server.post(&format!("/api/v1/requests/{id}/cancel"), &json!({})).await.json();
    assert_described(&server, "Request", &view).await;
    assert_eq!(view["status"], "cancelled");
}

#[tokio::test]
async fn ambiguous_beginning_lists_what_it_could_mean() {
    let server = Server::start().await;
    let ids = server.fake.with(|world| {
        let first = world.add_request("Tom", Direction::In, RequestStatus::Pending, None);
        let mut second = first;
        second.0[15] = 8;
        let mut view = world.requests[0].clone();
        view.request = second;
        world.requests.push(view);
        [first.to_string(), second.to_string()]
    });
    let answer = server.post(&format!("/api/v1/requests/{}/accept", &ids[0][..6]), &json!({})).await;
    assert_eq!((answer.status, answer.error().as_str()), (409, "ambiguous"));
    let candidates: BTreeSet<String> = serde_json::from_value(answer.json()["candidates"].clone()).unwrap();
    assert_eq!(candidates, ids.into_iter().collect());
}

#[tokio::test]
async fn ambiguous_friend_lists_ids() {
    let server = Server::start().await;
    server.fake.with(|world| {
        world.add_friend("Tom");
        world.add_friend("Tom");
    });
    let answer = server.post("/api/v1/messages", &json!({ "to": "Tom", "text": "hi" })).await;
    assert_eq!(answer.error(), "ambiguous");
    assert_eq!(answer.json()["candidates"].as_array().unwrap().len(), 2);
    assert!(!answer.json()["detail"].as_str().unwrap().contains("Tom"));
}

#[tokio::test]
async fn block_takes_a_friend_a_request_or_the_beginning_of_one() {
    let server = Server::start().await;
    let id = server.fake.with(|world| {
        world.add_friend("Tom");
        world.add_request("Eve", Direction::In, RequestStatus::Pending, None)
    });
    let view = server.post("/api/v1/block", &json!({ "who": "Tom" })).await.json();
    assert_described(&server, "Friend", &view).await;
    assert_eq!(view["blocked"], true);
    assert_eq!(server.post("/api/v1/unblock", &json!({ "who": "Tom" })).await.json()["blocked"], false);
    let view = server.post("/api/v1/block", &json!({ "who": id.to_string()[..6] })).await.json();
    assert_eq!(view["status"], "blocked");
    assert!(last_command(&server) == Command::Block(Who(id.to_string())));
    assert_eq!(server.post("/api/v1/block", &json!({ "who": "nobody!" })).await.error(), "not_found");
}

#[tokio::test]
async fn friends_are_listed_renamed_and_verified() {
    let server = Server::start().await;
    server.fake.with(|world| (world.add_friend("Holger"), world.add_friend("Tom"), world.add_friend("Eve")));
    let listed = server.get("/api/v1/friends").await.json();
    let online: Vec<&Value> = listed["friends"].as_array().unwrap().iter().map(|friend| &friend["online"]).collect();
    assert_eq!(online, [&json!(true), &json!(false), &Value::Null]);
    assert_eq!(listed["friends"][0]["path"], "direct");
    assert_eq!(listed["friends"][0]["introduced_by"], json!([]));

    let view = server.post("/api/v1/friends/rename", &json!({ "friend": "Tom", "name": "Tommy" })).await.json();
    assert_eq!(view["name"], "Tommy");
    let view = server.post("/api/v1/friends/verify", &json!({ "friend": "Tommy" })).await.json();
    assert_eq!(view["trust"], "invited");
    let words = view["words"].clone();
    let wrong = server.post("/api/v1/friends/verify", &json!({ "friend": "Tommy", "words": "other words" })).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (409, "words_differ"));
    let view = server.post("/api/v1/friends/verify", &json!({ "friend": "Tommy", "words": words })).await.json();
    assert_eq!(view["trust"], "verified");
}

#[tokio::test]
async fn friendship_is_ended_by_name_or_id() {
    let server = Server::start().await;
    server.fake.with(|world| (world.add_friend("Holger"), world.add_friend("Tom")));
    let view = server.post("/api/v1/friends/unfriend", &json!({ "friend": "Tom" })).await.json();
    assert_described(&server, "Friend", &view).await;
    assert_eq!(view["name"], "Tom");
    assert!(last_command(&server) == Command::Unfriend(Who("Tom".to_owned())));
    assert_eq!(server.get("/api/v1/friends").await.json()["friends"].as_array().unwrap().len(), 1);
    assert_eq!(server.post("/api/v1/friends/unfriend", &json!({ "friend": "Tom" })).await.error(), "not_found");
    assert_eq!(server.post("/api/v1/friends/unfriend", &json!({})).await.error(), "bad_request");
}

#[tokio::test]
async fn lifetime_of_a_message_is_given_in_seconds() {
    let server = Server::start().await;
    server.fake.with(|world| world.add_friend("Tom"));
    let send = |lifetime: Value| json!({ "to": "Tom", "text": "hi", "lifetime_seconds": lifetime });
    for (lifetime, expected) in [(json!(90), Some(90_000)), (Value::Null, None), (json!(u64::MAX), Some(u64::MAX))] {
        assert_eq!(server.post("/api/v1/messages", &send(lifetime)).await.status, 200);
        assert!(matches!(last_command(&server), Command::Send { lifetime, .. } if lifetime == expected));
    }
    assert_eq!(server.post("/api/v1/messages", &send(json!(0))).await.error(), "bad_lifetime");
    assert_eq!(server.post("/api/v1/messages", &send(json!(-1))).await.error(), "bad_request");
}

#[tokio::test]
async fn messages_are_sent_and_read_and_looking_marks_nothing() {
    let server = Server::start().await;
    server.fake.with(|world| world.add_friend("Tom"));
    let sent = server.post("/api/v1/messages", &json!({ "to": "Tom", "text": "hi <b>" })).await.json();
    assert_described(&server, "Message", &sent).await;
    assert_eq!(
        (&sent["state"], &sent["mine"], &sent["file"], &sent["from"]),
        (&json!("queued"), &json!(true), &Value::Null, &json!("Andi"))
    );
    let id = sent["message"].as_str().unwrap();
    server.fake.receive(0, "hello", NOW);
    assert_eq!(server.get(&format!("/api/v1/messages/{id}")).await.json(), sent);

    let looked = server.get(&format!("/api/v1/messages?who=Tom&since={id}&limit=5")).await.json();
    assert_eq!(looked["messages"][0]["text"], "hello");
    assert_eq!(looked["messages"][0]["state"], "delivered");
    assert!(matches!(last_command(&server), Command::Read { peek: true, limit: Some(5), .. }));
    let newest = looked["messages"][0]["message"].as_str().unwrap();
    let earlier = server.get(&format!("/api/v1/messages?who=Tom&before={newest}&limit=5")).await.json();
    assert_eq!(earlier["messages"].as_array().unwrap().len(), 1);
    assert_eq!(earlier["messages"][0]["message"], sent["message"]);
    assert!(matches!(last_command(&server), Command::ReadBefore { peek: true, limit: Some(5), .. }));
    let both = server.get(&format!("/api/v1/messages?before={newest}&since={id}")).await;
    assert_eq!(both.status, 400);
    server.post("/api/v1/messages/read", &json!({ "who": "Tom", "peek": true })).await.json();
    assert_eq!(server.get("/api/v1/messages").await.json()["messages"][1]["state"], "delivered", "peeked");
    server.post("/api/v1/messages/read", &json!({ "who": "Tom" })).await.json();
    assert_eq!(server.get("/api/v1/messages?limit=1").await.json()["messages"][0]["state"], "read");

    for (path, error) in [
        ("/api/v1/messages?since=nonsense", "not_found"),
        ("/api/v1/messages?limit=-1", "bad_request"),
        ("/api/v1/messages?limit=1&peek=false", "bad_request"),
        ("/api/v1/messages/nonsense", "not_found"),
    ] {
        assert_eq!(server.get(path).await.error(), error, "{path}");
    }
}

#[tokio::test]
async fn history_is_searched_page_by_page() {
    let server = Server::start().await;
    server.fake.with(|world| world.add_friend("Tom"));
    for text in ["one fish", "two fish", "a bird", "blue fish"] {
        server.fake.receive(0, text, NOW);
    }
    let texts = |answer: Value| -> Vec<String> {
        answer["messages"].as_array().unwrap().iter().map(|view| view["text"].as_str().unwrap().to_owned()).collect()
    };
    let found = server.get("/api/v1/messages/search?text=fish&limit=2").await.json();
    assert_eq!(found["messages"][0]["state"], "delivered", "not marked as read");
    let first = found["messages"][0]["message"].as_str().unwrap().to_owned();
    assert_eq!(texts(found), ["two fish", "blue fish"]);
    assert_eq!(texts(server.get(&format!("/api/v1/messages/search?text=fish&before={first}")).await.json()), ["one fish"]);
    assert_eq!(texts(server.get("/api/v1/messages/search?text=fish%20blue%22%20OR").await.json()), Vec::<String>::new());
    for (path, error) in [
        ("/api/v1/messages/search", "bad_request"),
        ("/api/v1/messages/search?text=", "bad_search"),
        ("/api/v1/messages/search?text=x&before=nonsense", "not_found"),
        ("/api/v1/messages/search?text=x&limit=-1", "bad_request"),
    ] {
        assert_eq!(server.get(path).await.error(), error, "{path}");
    }
}

#[tokio::test]
async fn waiting_ends_when_the_state_is_reached() {
    let server = Server::start().await;
    server.fake.with(|world| world.add_friend("Tom"));
    let sent = server.post("/api/v1/messages", &json!({ "to": "Tom", "text": "hi" })).await.json();
    let path = format!("/api/v1/messages/{}/wait?state=delivered", sent["message"].as_str().unwrap());
    let id = sent["message"].as_str().unwrap().parse().unwrap();
    let seen = server.fake.with(|world| world.seen.len());
    let (answer, ()) = tokio::join!(server.get(&path), async {
        crate::until("the first look", || server.fake.with(|world| world.seen.len() > seen)).await;
        server.fake.tell(Event::Friend(symbolon_presence::id::PeerId([9; 32])));
        server.fake.advance(id, MessageState::Stored);
        server.fake.advance(id, MessageState::Delivered);
    });
    let view = answer.json();
    assert_described(&server, "WaitedMessage", &view).await;
    assert_eq!((&view["reached"], &view["state"]), (&json!(true), &json!("delivered")));
    assert_eq!(server.get(&path.replace("delivered", "stored")).await.json()["reached"], true, "delivered is more than stored");
    assert_eq!(server.get(&path.replace("delivered", "sent")).await.error(), "bad_request");
}

#[tokio::test]
async fn waiting_ends_with_the_time_and_with_failure() {
    let server = Server::start().await;
    server.fake.with(|world| world.add_friend("Tom"));
    let sent = server.post("/api/v1/messages", &json!({ "to": "Tom", "text": "hi" })).await.json();
    let path = format!("/api/v1/messages/{}/wait?state=delivered", sent["message"].as_str().unwrap());
    let view = server.get(&format!("{path}&timeout=0")).await.json();
    assert_eq!((&view["reached"], &view["state"]), (&json!(false), &json!("queued")));
    server.fake.advance(sent["message"].as_str().unwrap().parse().unwrap(), MessageState::Failed);
    let view = server.get(&path).await.json();
    assert_eq!((&view["reached"], &view["state"], &view["reason"]), (&json!(false), &json!("failed"), &json!("the friendship is over")));
}

#[tokio::test]
async fn status_tells_the_truth_about_what_is_not_there() {
    let server = Server::start().await;
    let view = server.get("/api/v1/status").await.json();
    assert_described(&server, "Status", &view).await;
    assert_eq!((&view["lan"], &view["dht"], &view["relays"]), (&json!("off"), &json!("off"), &json!([])));
    assert_eq!(view["sent_frames"], json!({ "envelope": 12, "receipt": 4 }));
}

#[tokio::test]
async fn doctor_tells_what_is_the_case_now() {
    let server = Server::start().await;
    server.fake.with(|world| world.add_friend("Tom"));
    let checks = server.get("/api/v1/doctor").await.json()["checks"].clone();
    let line = |checks: &Value, name: &str| checks.as_array().unwrap().iter().find(|check| check["check"] == name).unwrap().clone();
    for check in checks.as_array().unwrap() {
        assert_described(&server, "Check", check).await;
        assert_eq!(check["ok"], true, "{check}");
    }
    assert_eq!(line(&checks, "friends")["detail"].as_str().unwrap(), "1 friend, 1 online");
    let facts = &server.fake.facts;
    facts.lock().unwrap().disk_free = Some(1 << 20);
    facts.lock().unwrap().pages = (3, 120);
    let checks = server.get("/api/v1/doctor").await.json()["checks"].clone();
    assert_eq!(line(&checks, "disk")["ok"], false);
    assert!(line(&checks, "disk")["hint"].is_string());
    assert!(line(&checks, "store")["detail"].as_str().unwrap().ends_with("3 of 120 pages checked"));
    assert!(!checks.to_string().contains("Tom"), "no names");
}

#[tokio::test]
async fn each_command_error_is_a_problem_of_its_own() {
    let server = Server::start().await;
    let mut kinds = BTreeSet::new();
    for fault in Fault::ALL {
        let Fault::Command(error) = fault else { continue };
        server.fake.script(Err(error));
        let answer = server.get("/api/v1/friends").await;
        let entry = fault.entry();
        assert_eq!(answer.status, entry.status);
        let problem = answer.json();
        assert_eq!(keys(&problem), ["type", "title", "status", "detail", "error", "hint"].into_iter().map(str::to_owned).collect());
        assert_eq!((&problem["error"], &problem["detail"]), (&json!(entry.kind), &json!(entry.detail)));
        assert_eq!(problem["status"], entry.status);
        assert!(kinds.insert(answer.error()));
        let pointer = problem["type"].as_str().unwrap().split_once('#').unwrap().1.to_owned();
        assert!(server.get("/api/v1/openapi.json").await.json().pointer(&pointer).is_some());
    }
    assert_eq!(kinds.len(), 42);
}

#[tokio::test]
async fn every_described_route_is_served_and_no_other_method() {
    let server = Server::start().await;
    let document = server.get("/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, methods) in document["paths"].as_object().unwrap() {
        let real = path.replace("{request}", "zzzz").replace("{message}", "zzzz");
        for method in ["get", "post", "put", "delete", "patch"] {
            if path.ends_with("/events") || path.ends_with("/stop") {
                continue;
            }
            let answer = server.send(&method.to_uppercase(), &real, &json!({})).await;
            let is_described = methods.get(method).is_some();
            assert_eq!(answer.status != 405, is_described, "{method} {path}");
            assert!(answer.status != 404 || answer.error() == "not_found", "{method} {path}");
        }
    }
    assert_eq!(document["paths"].as_object().unwrap().values().map(|methods| keys(methods).len()).sum::<usize>(), routes().count());
}

#[tokio::test]
async fn hostile_texts_travel_as_json_strings_and_nothing_else() {
    let server = Server::start().await;
    let evil = "</script><img src=x onerror=alert(1)>\u{202e}\u{0}\"'&";
    server.fake.with(|world| world.add_friend(evil));
    let answer = server.get("/api/v1/friends").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["friends"][0]["name"], evil);
}

#[tokio::test]
async fn stopped_node_is_told_as_such() {
    let server = Server::start().await;
    // The made-up node drops its end and does not tell the API to stop.
    server.fake.with(|world| world.is_deaf = true);
    let pending = tokio::join!(server.get("/api/v1/identity"), async {
        crate::until("the question", || server.fake.with(|world| !world.seen.is_empty())).await;
        server.fake.handle.stop();
    });
    assert_eq!((pending.0.status, pending.0.error().as_str()), (503, "stopping"));
}

#[tokio::test]
async fn what_is_being_written_is_kept_shown_and_taken_back() {
    let server = Server::start().await;
    let ben = server.fake.with(|world| {
        let at = world.add_friend("Ben");
        world.friends[at].id.to_string()
    });
    let drafts = server.post("/api/v1/drafts", &json!({ "to": "Ben", "text": "half a sen" })).await.json();
    assert!(last_command(&server) == Command::Draft { to: Who("Ben".into()), text: "half a sen".into() });
    assert_described(&server, "Drafts", &drafts).await;
    assert_described(&server, "Draft", &drafts["drafts"][0]).await;
    assert_eq!(drafts["drafts"], json!([{ "to": ben, "text": "half a sen" }]));
    assert_eq!(server.get("/api/v1/drafts").await.json(), drafts);
    assert_eq!(server.post("/api/v1/drafts", &json!({ "to": ben, "text": "" })).await.json()["drafts"], json!([]));
    assert_eq!(server.post("/api/v1/drafts", &json!({ "to": "nobody", "text": "" })).await.error(), "not_found");
    assert_eq!(server.post("/api/v1/drafts", &json!({ "to": ben })).await.error(), "bad_request");
}

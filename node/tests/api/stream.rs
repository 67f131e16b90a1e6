//! The event stream: order, resuming, and admitting what was lost.

use crate::{Server, TOKEN, http};
use std::time::Duration;
use symbolon_core::seam::{Event, Warning};
use symbolon_node::api::events::RING;
use symbolon_presence::id::{MessageId, PeerId, RequestId, RoomId};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// One listener.
struct Listener {
    stream: TcpStream,
    text: String,
}

/// What a listener heard.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    id: String,
    event: String,
    data: serde_json::Value,
}

impl Listener {
    async fn open(server: &Server, last_id: Option<&str>) -> Self {
        let bearer = format!("Bearer {TOKEN}");
        let host = server.host();
        let mut headers = vec![("host", host.as_str()), ("authorization", &bearer)];
        headers.extend(last_id.map(|id| ("last-event-id", id)));
        let stream = http::open(server.address, "GET", "/api/v1/events", &headers, b"").await;
        let mut listener = Self { stream, text: String::new() };
        let head = listener.until("\r\n\r\n").await;
        assert!(head.contains("text/event-stream"), "{head}");
        listener
    }

    /// Reads up to an end mark, and takes everything before it.
    async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.text.find(end) {
                let rest = self.text.split_off(at + end.len());
                return std::mem::replace(&mut self.text, rest);
            }
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(Duration::from_secs(10), self.stream.read(&mut bytes)).await.expect("an event").unwrap();
            assert!(read > 0, "the stream ended");
            self.text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
    }

    async fn next(&mut self) -> Heard {
        let block = self.until("\n\n").await;
        let field = |name: &str| {
            block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in {block:?}")).trim().to_owned()
        };
        Heard { id: field("id:"), event: field("event:"), data: serde_json::from_str(&field("data:")).unwrap() }
    }
}

fn numbered(number: u8) -> Event {
    Event::Friend(PeerId([number; 32]))
}

#[tokio::test]
async fn stream_begins_with_hello_and_numbers_rise_by_one() {
    let server = Server::start().await;
    let mut listener = Listener::open(&server, None).await;
    let hello = listener.next().await;
    assert_eq!(hello.event, "hello");
    let (nonce, number) = hello.id.split_once('-').unwrap();
    assert_eq!((nonce.len(), number), (16, "0"));
    for at in 1..=3 {
        server.fake.tell(numbered(at));
        let heard = listener.next().await;
        assert_eq!((heard.id, heard.event.as_str()), (format!("{nonce}-{at}"), "friend"));
        assert_eq!(heard.data, serde_json::json!({ "id": PeerId([at; 32]).to_string() }));
    }
}

#[tokio::test]
async fn every_event_has_a_name_and_tells_ids_only() {
    let server = Server::start().await;
    let mut listener = Listener::open(&server, None).await;
    listener.next().await;
    let (room, message) = (RoomId([1; 32]), MessageId([2; 16]));
    let events = [
        (Event::Message { room, message }, "message", vec!["conversation_id", "message"]),
        (Event::MessageState { message }, "message_state", vec!["message"]),
        (Event::Request(RequestId([3; 16])), "request", vec!["request"]),
        (Event::Friend(PeerId([4; 32])), "friend", vec!["id"]),
        (Event::Online { peer: PeerId([4; 32]), online: true }, "online", vec!["id", "online"]),
        (Event::Warning(Warning::InviteReused), "warning", vec!["text", "warning"]),
        (Event::Warning(Warning::InviteExpired), "warning", vec!["text", "warning"]),
        (Event::Warning(Warning::InviteSpoiled), "warning", vec!["text", "warning"]),
        (Event::Warning(Warning::KeysChanged), "warning", vec!["text", "warning"]),
        (Event::Warning(Warning::OlderCopy), "warning", vec!["text", "warning"]),
        (Event::Warning(Warning::SecondCopy), "warning", vec!["text", "warning"]),
        (Event::Warning(Warning::FriendReturned), "warning", vec!["text", "warning"]),
    ];
    for (event, name, fields) in events {
        server.fake.tell(event);
        let heard = listener.next().await;
        assert_eq!(heard.event, name);
        assert_eq!(heard.data.as_object().unwrap().keys().collect::<Vec<_>>(), fields);
    }
}

#[tokio::test]
async fn listener_that_comes_back_hears_exactly_what_it_missed() {
    let server = Server::start().await;
    let mut listener = Listener::open(&server, None).await;
    let hello = listener.next().await.id;
    for at in 1..=5 {
        server.fake.tell(numbered(at));
    }
    let mut second = String::new();
    for _ in 0..2 {
        second = listener.next().await.id;
    }
    drop(listener);
    let mut back = Listener::open(&server, Some(&second)).await;
    for at in 3..=5u8 {
        let heard = back.next().await;
        assert_eq!((heard.event.as_str(), &heard.data["id"]), ("friend", &serde_json::json!(PeerId([at; 32]).to_string())));
    }
    let mut from_start = Listener::open(&server, Some(&hello)).await;
    assert_eq!(from_start.next().await.event, "friend");
}

#[tokio::test]
async fn listener_that_was_away_too_long_is_told_and_goes_on() {
    let server = Server::start().await;
    let mut listener = Listener::open(&server, None).await;
    let hello = listener.next().await.id;
    for at in 0..RING + 1 {
        server.fake.tell(numbered(u8::try_from(at % 256).unwrap()));
        // Heard one by one, so that the channel to the API never overflows.
        listener.next().await;
    }
    drop(listener);
    let mut back = Listener::open(&server, Some(&hello)).await;
    let lagged = back.next().await;
    assert_eq!((lagged.event.as_str(), lagged.id.split_once('-').unwrap().1), ("lagged", "1025"));
    server.fake.tell(numbered(7));
    assert_eq!(back.next().await.event, "friend");
}

#[tokio::test]
async fn burst_beyond_the_channel_is_admitted_not_hidden() {
    let server = Server::start().await;
    let mut listener = Listener::open(&server, None).await;
    listener.next().await;
    // One thread: nothing is taken out of the channel while this runs.
    for at in 0..3_000u32 {
        server.fake.tell(numbered(u8::try_from(at % 256).unwrap()));
    }
    let mut last = 0u64;
    let mut is_lagged = false;
    while last < 3_000 {
        let heard = listener.next().await;
        let number: u64 = heard.id.split_once('-').unwrap().1.parse().unwrap();
        assert!(number == last + 1 || heard.event == "lagged", "a gap without a word");
        is_lagged |= heard.event == "lagged";
        last = number;
    }
    assert!(is_lagged);
}

#[tokio::test]
async fn ids_of_another_start_or_of_nobody_cannot_be_continued() {
    let server = Server::start().await;
    server.fake.tell(numbered(1));
    let own = Listener::open(&server, None).await.next().await.id;
    let nonce = own.split_once('-').unwrap().0;
    for id in ["otherstart-0", "", "x", "-", &format!("{nonce}-999"), &format!("{nonce}-x"), &"9".repeat(4_000)] {
        let mut listener = Listener::open(&server, Some(id)).await;
        assert_eq!(listener.next().await.event, "lagged", "{id}");
    }
}

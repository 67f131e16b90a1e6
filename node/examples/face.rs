//! Serves the page in front of a made-up node, to look at it and to work on it.
//!
//! `cargo run -p symbolon-node --example face [empty]`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../tests/support/fake.rs"]
mod fake;

use fake::{Fake, NOW};
use symbolon_core::command::{Direction, MessageState, RequestStatus};
use symbolon_core::seam::{Event, Warning};
use symbolon_node::api::Api;
use symbolon_node::api::tokens::Token;

#[tokio::main]
async fn main() {
    let fake = Fake::start();
    if std::env::args().nth(1).as_deref() != Some("empty") {
        fake.with(|world| {
            for name in [
                "Holger",
                "Tom 🏔",
                "<img src=x onerror=alert(1)>",
                "A very long name that goes on and on until it is cut off",
                "gpj.\u{202e}exe.tfosorciM",
                "👩‍👩‍👧‍👦👩‍👩‍👧‍👦",
                "שלום עולם",
            ] {
                world.add_friend(name);
            }
            world.friends[6].blocked = true;
            let minute = 60_000;
            for at in 0..100 {
                let text = format!(
                    "Message number {at}{}",
                    if at % 7 == 0 {
                        ", and this one is somewhat longer, so that it runs over more than one line in the bubble and shows how that looks."
                    } else {
                        "."
                    }
                );
                let state = [MessageState::Read, MessageState::Delivered][usize::from(at > 90)];
                let mut view = if at % 3 == 0 {
                    world.message_from(0, &text, NOW + at * 20 * minute)
                } else {
                    world.message_to(0, &text, NOW + at * 20 * minute, state)
                };
                if !view.mine {
                    view.state = MessageState::Read;
                }
                world.messages.push(view);
            }
            let later = NOW + 2_010 * minute;
            for (at, state) in
                [MessageState::Read, MessageState::Delivered, MessageState::Stored, MessageState::Queued, MessageState::Failed]
                    .into_iter()
                    .enumerate()
            {
                let view = world.message_to(0, &format!("This one is {state:?}."), later + at as u64, state);
                world.messages.push(view);
            }
            for text in [
                "<script>alert(1)</script> & <b>bold</b>",
                "\u{202e}reversed?",
                "https://example.org/a/very/long/address/without/any/break/".repeat(3).as_str(),
                "line one\nline two\n\n  indented",
            ] {
                let view = world.message_from(2, text, later);
                world.messages.push(view);
            }
            let view = world.message_from(6, "מה שלומך?", later);
            world.messages.push(view);
            world.add_request("Berta", Direction::In, RequestStatus::Pending, Some("It’s me, from the choir. <i>hello</i>"));
            world.add_request("", Direction::Out, RequestStatus::Pending, None);
            world.add_request("Carl", Direction::Out, RequestStatus::Accepted, None);
            world.add_request("Spam\u{1b}[2J <b>", Direction::In, RequestStatus::Blocked, None);
            world.add_request("Holger", Direction::In, RequestStatus::Confirmed, None);
        });
    }
    let api = Api::start(Some("127.0.0.1:0".parse().unwrap()), Token::from_text("example-token"), None, fake.handle.clone()).await.unwrap();
    println!("{}", api.page_address().unwrap());
    let teller = fake.clone();
    // Lines on standard input make things happen.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match line.trim() {
                "receive" => {
                    teller.receive(0, "A message just now.", NOW + 200_000_000);
                }
                "advance" => {
                    let waiting = teller.with(|world| {
                        world.messages.iter().find(|view| view.mine && view.state == MessageState::Queued).map(|view| view.message)
                    });
                    if let Some(message) = waiting {
                        teller.advance(message, MessageState::Delivered);
                    }
                }
                "warn" => teller.tell(Event::Warning(Warning::InviteReused)),
                _ => {}
            }
        }
    });
    api.stopped().await;
}

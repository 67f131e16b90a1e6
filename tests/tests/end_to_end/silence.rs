//! What people see whose request the user of a node that runs has ignored, blocked, or not looked at: the same.

use super::by_hand::{Wire, invite, somebody};
use super::called::Called;
use super::server::now;
use serde_json::Value;
use std::thread::{sleep, spawn};
use std::time::Duration;
use symbolon_core::contact::VerifiedContact;
use symbolon_core::link::InviteLink;
use symbolon_core::wire::OfferBody;
use symbolon_presence::id::Nonce;
use symbolon_presence::record::day_of;
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Outcome, Put, ReceiptBody, Refusal};
use symbolon_tests::craft::Actor;
use symbolon_tests::node::{Carrier, Node, start_named, within};

const SOON: Duration = Duration::from_secs(20);
/// So long nothing comes that should not.
const QUIET: Duration = Duration::from_secs(4);

/// What the user does with the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unread,
    Ignored,
    Blocked,
}

/// All that is seen of a node from outside, line by line.
struct Seen {
    lines: Vec<String>,
    mallory: Actor,
    wire: Wire,
}

impl Seen {
    /// Puts an Offer, and notes what comes back: its length, and what it says.
    fn ask(&mut self, what: &str, to: &VerifiedContact, usage: u8, body: &OfferBody) {
        let frame = self.mallory.offer_frame(to, Nonce([usage; 16]), body);
        let Ok(Frame::Put(Put { frame: id, .. })) = Frame::decode(&frame) else { panic!("a frame that puts") };
        self.wire.say(&frame);
        let (length, outcome) = self.wire.hear(what, |heard| {
            let Ok(Frame::Receipt(receipt)) = Frame::decode(heard) else { return None };
            let body: ReceiptBody = symbolon_presence::codec::decode(&receipt.body, 1 << 16).ok()?;
            body.items.iter().find(|item| item.frame == id).map(|item| (heard.len(), item.outcome))
        });
        let outcome = match outcome {
            // How long it is kept does not depend on the moment.
            Outcome::Stored(until) => format!("stored for {} hours", (until.since(now()) + DAY / 48) / (DAY / 24)),
            Outcome::Delivered | Outcome::Refused(_) => format!("{outcome:?}"),
        };
        self.lines.push(format!("{what}: {length} bytes, {outcome}"));
    }

    /// Asks for the body of an invite, and notes how long the answer is.
    fn look(&mut self, link: &str) {
        let id = InviteLink::read(link).unwrap().secret.slot(day_of(now())).id().unwrap();
        self.wire.say(&Frame::Lookup(id).encode());
        let found = self.wire.hear("the body", |heard| match Frame::decode(heard) {
            Ok(Frame::Found(found)) if found.id == id => Some((heard.len(), found.record.is_some())),
            Ok(_) | Err(_) => None,
        });
        self.lines.push(format!("a body: {found:?}"));
    }
}

/// All requests that wait are treated so.
fn treat(andi: &Node, fate: Fate) {
    let verb = match fate {
        Fate::Unread => return,
        Fate::Ignored => "ignore",
        Fate::Blocked => "block",
    };
    for row in andi.json(&["requests"]).unwrap() {
        if row["status"] == "pending" {
            andi.json(&[verb, row["request"].as_str().unwrap()]).unwrap();
        }
    }
}

/// What a real node that asks shows its user, and counts.
fn shown(ben: &Node) -> Vec<String> {
    let rows = ben.json(&["requests"]).unwrap().into_iter().map(|mut row| {
        for field in ["request", "peer", "words", "created"] {
            row.as_object_mut().unwrap().remove(field);
        }
        row.to_string()
    });
    let status = ben.json(&["status"]).unwrap().remove(0);
    rows.chain(["sent_frames", "queue", "problems", "dropped_frames"].map(|field| format!("{field}: {}", status[field]))).collect()
}

/// What two people see who ask: one made by hand, who tries all that an asker can; and one with a node.
fn seen_by_the_asking(fate: Fate) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let node = |name: &str| start_named(&home.path().join(name), Carrier::Tcp, name).unwrap();
    let (mut andi, ben, mut called) = (node("Andi"), node("Ben"), Called::start());
    let wire = Wire::call(&andi);
    let mut seen = Seen { lines: Vec::new(), mallory: somebody(7), wire };
    seen.mallory.places = vec![called.address.clone()];
    let links: Vec<String> = (0..5).map(|_| invite(&andi)).collect();
    let to: Vec<VerifiedContact> = links[..4].iter().map(|link| seen.wire.contact_of(link).1).collect();
    let first = seen.mallory.offer(now());
    seen.ask("an Offer", &to[0], 1, &first);
    assert_eq!(ben.json(&["add", &links[4]]).unwrap()[0]["status"], "pending");
    within(SOON, "both have asked", || Ok((andi.json(&["requests"])?.len() == 2).then_some(()))).unwrap();
    treat(&andi, fate);

    // Again, with other words, with what is wrong; and by more invites, older and newer.
    let dated = |mallory: &mut Actor, ahead: i64| {
        let offer = mallory.offer(now());
        OfferBody { created: Timestamp(first.created.0.checked_add_signed(ahead).unwrap()), ..offer }
    };
    let other = seen.mallory.offer(now());
    let [older, between, newer, newest] = [-1_000, 30_000, 60_000, 90_000].map(|ahead| dated(&mut seen.mallory, ahead));
    let no_room = |body: &OfferBody| OfferBody { group_info: vec![1, 2, 3], ..body.clone() };
    let revised = |revision| OfferBody { revision, note: None, ..first.clone() };
    seen.ask("again", &to[0], 1, &first);
    seen.ask("with other words", &to[0], 1, &revised(1));
    seen.ask("with other words again", &to[0], 1, &revised(1));
    seen.ask("without a room", &to[0], 1, &no_room(&revised(2)));
    seen.ask("of another time", &to[0], 1, &OfferBody { expires: Timestamp(1), ..revised(2) });
    seen.ask("under too long a name", &to[0], 1, &OfferBody { name: "n".repeat(65), ..revised(2) });
    seen.ask("another request by the same invite", &to[0], 1, &other);
    seen.ask("and as another use of it", &to[0], 2, &other);
    seen.ask("by a second invite, without a room", &to[1], 3, &no_room(&older));
    seen.ask("by a second invite, an older one", &to[1], 3, &older);
    seen.ask("by a second invite, a newer one", &to[1], 3, &newer);
    seen.ask("the same again", &to[1], 3, &newer);
    seen.ask("the same with other words", &to[1], 3, &OfferBody { revision: 1, ..newer.clone() });
    seen.ask("by a third invite, one between", &to[2], 4, &between);
    seen.look(&links[3]);
    // After a restart, by another connection.
    treat(&andi, fate);
    andi.interrupt().unwrap();
    andi.restart().unwrap();
    seen.wire = Wire::call(&andi);
    seen.ask("after a restart", &to[0], 1, &first);
    seen.ask("by a fourth invite", &to[3], 5, &newest);
    treat(&andi, fate);
    seen.ask("by a fourth invite, again", &to[3], 5, &newest);
    seen.look(&links[3]);
    within(SOON, "Ben has nothing left to say", || Ok((ben.json(&["status"])?[0]["queue"] == 0).then_some(()))).unwrap();
    sleep(QUIET);
    assert_eq!(called.count(|_| true), 0, "nobody is called");
    seen.lines.push(format!("silent afterwards: {}", seen.wire.is_silent()));
    assert!(ben.json(&["friends"]).unwrap().is_empty());
    seen.lines.extend(shown(&ben));
    // What Andi's own user sees differs.
    let status: Vec<Value> = andi.json(&["requests"]).unwrap().iter().map(|row| row["status"].clone()).collect();
    let expected = ["pending", "ignored", "blocked"][fate as usize];
    assert!(status.iter().all(|status| status == expected), "{fate:?}: {status:?}");
    andi.calm().unwrap();
    seen.lines
}

#[test]
fn s2_25_a13_whether_a_request_is_ignored_blocked_or_unread_does_not_show_outside_of_a_running_node() {
    let all = [Fate::Unread, Fate::Ignored, Fate::Blocked].map(|fate| spawn(move || seen_by_the_asking(fate)));
    let [unread, ignored, blocked] = all.map(|seen| seen.join().unwrap());
    let said = |word: &str| unread.iter().any(|line| line.contains(word));
    assert!(said("stored") && said(&format!("{:?}", Refusal::Refused)) && said("pending"), "{unread:#?}");
    assert_eq!(ignored, unread);
    assert_eq!(blocked, unread);
}

//! A relay made by hand that does not keep to the protocol, and a node that keeps a mailbox there.

use super::by_hand::{Wire, somebody};
use super::called::Called;
use super::friend::Friend;
use super::server::now;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeSet;
use std::time::Duration;
use symbolon_presence::envelope::seal_first;
use symbolon_presence::id::{GrantId, PublicKeyBytes, QueueId};
use symbolon_presence::kem::KemKey;
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::{AddressBody, MailboxKeys, Queue, Scope};
use symbolon_relay::link::RelayLink;
use symbolon_relay::put::{MailboxEntry, Outcome, Put, Receipt, ReceiptBody, ReceiptItem};
use symbolon_relay::records::Found;
use symbolon_relay::session::{Accepted, AcceptedBody, Deposit, Verdict};
use symbolon_tests::node::{Node, within};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const SOON: Duration = Duration::from_secs(30);

/// A relay that says what a test wants.
struct Rogue {
    called: Called,
    keys: MailboxKeys,
    receipt: SigningKey,
    rng: ChaCha20Rng,
    wire: Option<Wire>,
    owner: PublicKeyBytes,
    version: u64,
    /// What the owner has settled.
    settled: BTreeSet<u64>,
    /// What the owner has left here for others.
    left: Vec<Put>,
    number: u64,
}

impl Rogue {
    fn start() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(85);
        let (called, keys, receipt) = (Called::start(), MailboxKeys::random(&mut rng), SigningKey::random(&mut rng));
        let (owner, settled) = (PublicKeyBytes([0; 32]), BTreeSet::new());
        Self { called, keys, receipt, rng, wire: None, owner, version: 0, settled, left: Vec::new(), number: 0 }
    }

    fn link(&self) -> RelayLink {
        RelayLink { mailbox_key: self.keys.public(), receipt: self.receipt.public(), places: vec![self.called.address.clone()] }
    }

    /// Says that all is well, whatever it does.
    fn accepts(&self) -> Vec<u8> {
        let (version, owner) = (self.version, self.owner);
        let body =
            AcceptedBody { version, entries: 0, entries_max: 256, bytes: 0, bytes_max: 1 << 24, verdict: Verdict::Ok, owner, at: now() };
        Frame::Accepted(Accepted::sign(&self.receipt, &self.keys.id(), &body)).encode()
    }

    /// Answers what has come; links that are opened again are taken.
    fn serves(&mut self) {
        if let Some(wire) = self.called.taken() {
            self.wire = Some(wire);
        }
        let Some(mut wire) = self.wire.take() else { return };
        while let Some(frame) = wire.heard(|frame| Frame::decode(frame).ok()) {
            match frame {
                Frame::Session(session) => {
                    self.owner = session.owner;
                    wire.try_to_say(&self.accepts());
                }
                Frame::Update(update) => {
                    let record = update.open(&self.keys.dh(), &self.keys.id()).unwrap();
                    (self.owner, self.version) = (update.owner, record.version);
                    wire.try_to_say(&self.accepts());
                }
                Frame::Ack(ack) => {
                    ack.verify(&self.keys.id()).unwrap();
                    self.settled.extend(ack.numbers);
                }
                Frame::Put(put) => self.left.push(put),
                Frame::Lookup(id) => {
                    wire.try_to_say(&Frame::Found(Found { id, record: None }).encode());
                }
                Frame::Receipt(_)
                | Frame::Accepted(_)
                | Frame::Deposit(_)
                | Frame::Found(_)
                | Frame::Away(_)
                | Frame::Stock(_)
                | Frame::Fetch(_)
                | Frame::Fetched(_)
                | Frame::Keep(_)
                | Frame::Prove(_)
                | Frame::Carry(_)
                | Frame::Carried(_) => {}
            }
        }
        self.wire = Some(wire);
    }

    /// Serves until something is so.
    fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        within(SOON, what, || {
            self.serves();
            Ok(is_so(self).then_some(()))
        })
        .unwrap();
    }

    fn says(&mut self, frame: &Frame) {
        self.wire.as_mut().unwrap().say(&frame.encode());
    }

    /// Brings an envelope as one of the owner's mailbox; under which number.
    fn brings(&mut self, queue: Queue, grant: GrantId, envelope: &[u8]) -> u64 {
        self.number += 1;
        let deposit = Deposit { number: self.number, grant, queue, usage: None, envelope: envelope.to_vec() };
        self.says(&Frame::Deposit(deposit));
        self.number
    }

    /// Signs for what was left here.
    fn signs(&mut self, put: &Put, outcome: Outcome) {
        let body = ReceiptBody { at: now(), items: vec![ReceiptItem { frame: put.frame, outcome }] };
        let receipt = Receipt::sign(&self.receipt, &self.keys.id(), &body);
        self.says(&Frame::Receipt(receipt));
    }

    /// A mailbox here of somebody else's.
    fn mailbox_of_another(&mut self) -> MailboxEntry {
        let body = AddressBody {
            queue: QueueId([7; 16]),
            grant: GrantId([7; 16]),
            scope: Scope::Friends(0),
            expires: Timestamp(u64::MAX),
            uses: 0,
        };
        let sealed = self.keys.seal_address(&body, &mut self.rng);
        MailboxEntry::own(&self.keys, self.receipt.public(), sealed, vec![self.called.address.clone()])
    }
}

fn envelope(frame: &[u8]) -> Vec<u8> {
    let Ok(Frame::Put(put)) = Frame::decode(frame) else { panic!("a frame that puts") };
    put.envelope
}

fn texts(node: &Node) -> Vec<String> {
    node.json(&["read", "--peek"]).unwrap().iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a85_a_relay_that_drops_doubles_reorders_invents_and_signs_falsely_costs_a_running_node_no_text_and_becomes_nobody_s_friend() {
    let home = tempfile::tempdir().unwrap();
    let mut rogue = Rogue::start();
    let link = rogue.link().to_string();
    let andi = Node::start(&home.path().join("andi"), &["--no-lan", "--listen", TCP, "--name", "Andi", "--relay", &link]).unwrap();
    let is_connected = || andi.json(&["relay", "list"]).unwrap()[0]["state"] == "connected";
    rogue.until("the node keeps a mailbox there", |_| is_connected());
    let mut actor = somebody(7);
    actor.relays = vec![rogue.mailbox_of_another()];
    let mut ben = Friend::of(&andi, actor);
    let entry = ben.bond.bundle.devices[0].relay_mailboxes.first().expect("friends hear of the relay").clone();
    let grant = rogue.keys.open_address(&entry.address).unwrap().grant;

    // "Befriend me", in its own name: as an envelope of the mailbox, in each queue. Nothing of that is asked for.
    rogue.serves();
    let people = || [andi.json(&["requests"]).unwrap().len(), andi.json(&["friends"]).unwrap().len()];
    let before = people();
    let mut relay = somebody(85);
    let offer = relay.offer(now());
    let to = KemKey::random(&mut relay.rng).public();
    let asking = seal_first(&to, None, &symbolon_presence::codec::encode(&offer), &mut relay.rng).unwrap();
    for queue in [Queue::Direct, Queue::Contact, Queue::Guest] {
        rogue.brings(queue, grant, &asking);
    }
    // Nor is anything that it makes up.
    for junk in [vec![0; 512], vec![1; 8_192], Vec::new()] {
        rogue.brings(Queue::Direct, grant, &junk);
    }

    // Of four texts it loses the last, and brings the others in another order, each more than once.
    let sealed = ["one", "two", "three", "four"].map(|text| ben.actor.say(&ben.bond, text, now()));
    let mut numbers = BTreeSet::new();
    for at in [2, 0, 0, 2, 1, 1, 0] {
        numbers.insert(rogue.brings(Queue::Direct, grant, &envelope(&sealed[at])));
    }
    rogue.until("three have come", |_| texts(&andi).len() == 3);
    assert_eq!(texts(&andi), ["one", "two", "three"], "in their order, each once");
    rogue.until("what is settled is said", |rogue| rogue.settled.iter().filter(|number| numbers.contains(number)).count() >= 3);
    assert_eq!(people(), before, "nobody asks, and nobody is a friend");
    // The one that was lost comes by another way.
    assert_eq!(ben.puts(&sealed[3]), Outcome::Delivered);
    assert_eq!(texts(&andi), ["one", "two", "three", "four"]);

    // What is left there for a friend who is away: only the friend can say that they have it.
    let message = andi.json(&["send", "Mallory", "is it there?"]).unwrap().remove(0)["message"].clone();
    let state = || {
        let row = andi.json(&["read", "--peek"]).unwrap().into_iter().find(|row| row["message"] == message).unwrap();
        row["state"].as_str().unwrap().to_owned()
    };
    let all_left = |rogue: &mut Rogue| {
        rogue.until("it is left at the relay", |rogue| !rogue.left.is_empty());
        std::thread::sleep(Duration::from_millis(500));
        rogue.serves();
        std::mem::take(&mut rogue.left)
    };
    for put in all_left(&mut rogue) {
        rogue.signs(&put, Outcome::Delivered);
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(state(), "queued", "a relay does not say that");
    for put in all_left(&mut rogue) {
        rogue.signs(&put, Outcome::Stored(now().after(DAY)));
    }
    rogue.until("it says that it keeps it", |_| state() == "stored");
    // It throws it away. When the two meet, it comes.
    ben.wire = Wire::call(&andi);
    ben.proves();
    ben.takes_text("is it there?");
    within(SOON, "it is delivered", || Ok((state() == "delivered").then_some(()))).unwrap();

    // Taken away from it, the right to bring anything is over.
    let id = andi.json(&["relay", "list"]).unwrap()[0]["relay"].as_str().unwrap().to_owned();
    andi.json(&["relay", "remove", &id]).unwrap();
    let late = ben.actor.say(&ben.bond, "by the relay of before", now());
    let deposit = Deposit { number: 99, grant, queue: Queue::Direct, usage: None, envelope: envelope(&late) };
    rogue.wire.as_mut().unwrap().try_to_say(&Frame::Deposit(deposit).encode());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(texts(&andi).len(), 5);
    assert_eq!(ben.puts(&late), Outcome::Delivered, "by the friend themselves it comes");
    andi.calm().unwrap();
}

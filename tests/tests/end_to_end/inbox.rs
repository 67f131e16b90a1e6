//! People made by hand before a relay that runs: who may put into a mailbox, read it and empty it.

use super::by_hand::Wire;
use super::server::now;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::time::Duration;
use symbolon_presence::envelope::{frame_id, seal_first};
use symbolon_presence::id::{FrameId, GrantId, Nonce, QueueId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::KemKey;
use symbolon_presence::sign::{SigningKey, VerifyingKey};
use symbolon_presence::time::DAY;
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::{AddressBody, Scope, grant_key};
use symbolon_relay::link::RelayLink;
use symbolon_relay::put::{Outcome, Put};
use symbolon_relay::session::{Ack, Deposit, MailboxRecord, Session, Update, Verdict};
use symbolon_tests::node::Node;

const TCP: &str = "/ip4/127.0.0.1/tcp/0";

/// A relay, and what its link says.
struct Host {
    node: Node,
    link: RelayLink,
}

impl Host {
    fn start(folder: &std::path::Path) -> Self {
        let node = Node::start(folder, &["relay", "run", "--open", "--listen", TCP]).unwrap();
        let link = node.ready["link"].as_str().unwrap().parse().unwrap();
        Self { node, link }
    }

    fn call(&self) -> Wire {
        Wire::call(&self.node)
    }

    /// What it has signed of a put; none when it signs nothing.
    fn outcome(&self, put: &Put) -> Option<Outcome> {
        let (mut wire, key) = (self.call(), VerifyingKey::parse(&self.link.receipt).unwrap());
        wire.say(&Frame::Put(put.clone()).encode());
        heard(&mut wire, |frame| {
            let Frame::Receipt(receipt) = frame else { return None };
            receipt.verify(&key, &self.link.mailbox()).unwrap().items.first().map(|item| item.outcome)
        })
        .pop()
    }

    /// Says a frame on a link of its own; the envelopes that it brings, by their ids.
    fn brings(&self, frame: &Frame) -> BTreeSet<FrameId> {
        self.deposits(frame).into_iter().map(|deposit| frame_id(&deposit.envelope)).collect()
    }

    fn deposits(&self, frame: &Frame) -> Vec<Deposit> {
        let mut wire = self.call();
        wire.say(&frame.encode());
        heard(&mut wire, |frame| if let Frame::Deposit(deposit) = frame { Some(deposit) } else { None })
    }
}

impl Host {
    /// Opens a session, and says an acknowledgement on its link.
    fn settles(&self, session: Session, ack: Ack) {
        let mut wire = self.call();
        for frame in [Frame::Session(session), Frame::Ack(ack)] {
            wire.say(&frame.encode());
            heard(&mut wire, |_| None::<()>);
        }
    }
}

/// What comes in a while.
fn heard<T>(wire: &mut Wire, wanted: impl Fn(Frame) -> Option<T>) -> Vec<T> {
    std::thread::sleep(Duration::from_millis(250));
    std::iter::from_fn(|| wire.heard(|frame| wanted(Frame::decode(frame).unwrap()))).collect()
}

/// Whose mailbox it is.
struct Owner {
    key: SigningKey,
    secret: Secret,
    rng: ChaCha20Rng,
}

impl Owner {
    fn nonce(&mut self) -> Nonce {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        Nonce(bytes)
    }

    fn keeps(&mut self, host: &Host) {
        let record = MailboxRecord {
            version: 1,
            direct: QueueId([1; 16]),
            contact: QueueId([2; 16]),
            queue_secret: self.secret.clone(),
            revision: 1,
            put: Secret::from_bytes([3; 32]),
            revoked: Vec::new(),
            at: now(),
            claim: None,
            capability: SigningKey::from_seed(&[4; 32]).public(),
        };
        let mut wire = host.call();
        wire.say(&Frame::Update(Update::seal(&self.key, &host.link, &record, &mut self.rng).unwrap()).encode());
        let (key, mailbox) = (VerifyingKey::parse(&host.link.receipt).unwrap(), host.link.mailbox());
        let verdict = wire.hear("the verdict", |frame| match Frame::decode(frame) {
            Ok(Frame::Accepted(accepted)) => Some(accepted.verify(&key, &mailbox).unwrap().verdict),
            _ => None,
        });
        assert_eq!(verdict, Verdict::Ok);
    }

    fn session(&mut self, host: &Host) -> Session {
        let nonce = self.nonce();
        Session::sign(&self.key, &host.link.mailbox(), nonce, now())
    }

    fn ack(&mut self, at: &Host, numbers: Vec<u64>) -> Ack {
        let nonce = self.nonce();
        Ack::sign(&self.key, &at.link.mailbox(), numbers, Vec::new(), nonce, now())
    }

    /// An envelope of a guest's for the mailbox.
    fn put(&mut self, host: &Host) -> Put {
        let body =
            AddressBody { queue: QueueId([1; 16]), grant: GrantId([7; 16]), scope: Scope::Guest, expires: now().after(DAY), uses: 0 };
        let envelope = seal_first(&KemKey::random(&mut self.rng).public(), None, b"for the owner", &mut self.rng).unwrap();
        let address = host.link.seal_address(&body, &mut self.rng).unwrap();
        Put::new(address, &grant_key(&self.secret, &body), 3600, None, envelope).unwrap()
    }
}

#[test]
fn a26_a87_only_its_owner_reads_and_empties_a_mailbox_at_a_running_relay_and_what_is_not_acknowledged_comes_again() {
    let home = tempfile::tempdir().unwrap();
    let (mut host, other) = (Host::start(&home.path().join("host")), Host::start(&home.path().join("other")));
    let mut rng = ChaCha20Rng::seed_from_u64(26);
    let mut owner = Owner { key: SigningKey::random(&mut rng), secret: Secret::random(&mut rng), rng };
    let stranger = SigningKey::from_seed(&[9; 32]);
    owner.keeps(&host);
    owner.keeps(&other);

    // What is put: once however often it comes, and nothing that was changed, swapped or meant for another mailbox.
    let puts = [owner.put(&host), owner.put(&host)];
    for put in [&puts[0], &puts[1], &puts[0]] {
        assert!(matches!(host.outcome(put), Some(Outcome::Stored(_))));
    }
    let third = owner.put(&host);
    let mut bent = third.clone();
    bent.envelope[40] ^= 1;
    let swapped = Put { bucket: puts[0].bucket, frame: puts[0].frame, envelope: puts[0].envelope.clone(), ..third.clone() };
    let longer = Put { ttl: third.ttl + 1, ..third.clone() };
    for (what, put) in [("a changed envelope", &bent), ("another's envelope", &swapped), ("a longer life", &longer)] {
        assert!(!matches!(host.outcome(put), Some(Outcome::Stored(_) | Outcome::Delivered)), "{what}");
    }
    assert!(!matches!(other.outcome(&third), Some(Outcome::Stored(_) | Outcome::Delivered)), "for another mailbox");

    // Who reads: the owner, by a session that is new and for this relay.
    let both: BTreeSet<FrameId> = puts.iter().map(|put| put.frame).collect();
    let nonce = owner.nonce();
    let posing = Session { owner: owner.key.public(), ..Session::sign(&stranger, &host.link.mailbox(), nonce, now()) };
    for (what, session) in [
        ("a stranger", Session::sign(&stranger, &host.link.mailbox(), nonce, now())),
        ("a stranger in the owner's name", posing),
        ("a session for another relay", owner.session(&other)),
    ] {
        assert_eq!(host.brings(&Frame::Session(session)), BTreeSet::new(), "{what}");
    }
    let session = owner.session(&host);
    assert_eq!(host.brings(&Frame::Session(session.clone())), both);
    assert_eq!(host.brings(&Frame::Session(session)), BTreeSet::new(), "a session that somebody has heard");

    // Who empties it: the same. Until then all of it comes again, also after the relay was killed.
    let session = Frame::Session(owner.session(&host));
    let numbers: Vec<u64> = host.deposits(&session).iter().map(|deposit| deposit.number).collect();
    assert_eq!(numbers.len(), 2);
    let first = owner.ack(&host, vec![numbers[0]]);
    let nonce = owner.nonce();
    let by_stranger = Ack::sign(&stranger, &host.link.mailbox(), numbers.clone(), Vec::new(), nonce, now());
    let forged = [
        Ack { owner: owner.key.public(), ..by_stranger.clone() },
        by_stranger,
        Ack { numbers: numbers.clone(), ..first.clone() },
        owner.ack(&other, numbers.clone()),
    ];
    for ack in forged {
        let session = owner.session(&host);
        host.settles(session, ack);
    }
    host.node.kill().unwrap();
    host.node.restart().unwrap();
    let session = Frame::Session(owner.session(&host));
    assert_eq!(host.brings(&session), both, "nobody else has emptied it");
    let session = owner.session(&host);
    host.settles(session, first);
    let session = Frame::Session(owner.session(&host));
    assert_eq!(host.deposits(&session).iter().map(|deposit| deposit.number).collect::<Vec<_>>(), [numbers[1]]);
    let (session, ack) = (owner.session(&host), owner.ack(&host, numbers));
    host.settles(session, ack);
    let session = Frame::Session(owner.session(&host));
    assert_eq!(host.brings(&session), BTreeSet::new());
    for node in [&host.node, &other.node] {
        node.calm().unwrap();
    }
}

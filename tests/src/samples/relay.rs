//! What goes to relays and comes from them.

use super::{NOW, Runs, ben, first_envelope, known_envelope, record};
use symbolon_presence::address::Address;
use symbolon_presence::id::{FrameId, GrantId, Nonce};
use symbolon_presence::kdf::Secret;
use symbolon_presence::record::day_of;
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::{DAY, HOUR};
use symbolon_relay::carry::{Carried, Carry};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::{Queue, Scope};
use symbolon_relay::link::RelayLink;
use symbolon_relay::packages::{Fetch, Fetched, Handed, Stock};
use symbolon_relay::put::{Outcome, Put, Receipt, ReceiptBody, ReceiptItem, Refusal};
use symbolon_relay::records::{Away, Keep};
use symbolon_relay::session::{Accepted, AcceptedBody, Ack, Deposit, MailboxRecord, Session, Update, Verdict};

/// Ann deposits her Offer in Ben's contact queue.
pub fn put() -> Put {
    let contact = ben().contact();
    Put::new(contact.entry.address, &contact.key, 86_400, Some(Nonce([0x66; 16])), first_envelope()).expect("the envelope is padded")
}

/// An envelope that is given to a friend to be carried to Ben, and Ben's receipt on its way back.
pub fn carried() -> [Frame; 2] {
    let ben = ben();
    let (_, address, key) = ben.address(0x73, Scope::Friends(3), NOW, 0);
    let put = Put::new(address, &key, 30 * 24 * 3600, None, known_envelope()).expect("the envelope is padded");
    let device = ben.identity.device;
    [Frame::Carry(Carry { to: device, put }), Frame::Carried(Carried { device, receipt: receipt() })]
}

/// Three lines of a receipt, one of each outcome.
pub fn receipt_body() -> ReceiptBody {
    let line = |byte, outcome| ReceiptItem { frame: FrameId([byte; 32]), outcome };
    ReceiptBody {
        at: NOW.after(HOUR),
        items: vec![
            line(0x67, Outcome::Stored(NOW.after(30 * DAY))),
            line(0x68, Outcome::Delivered),
            line(0x69, Outcome::Refused(Refusal::Full)),
        ],
    }
}

/// Ben's mailbox signs for them.
pub fn receipt() -> Receipt {
    let ben = ben();
    Receipt::sign(&ben.identity.signing, &ben.mailbox.id(), &receipt_body())
}

/// What the owner of a mailbox leaves at Ben's relay for others, and a friend with Ben.
pub fn left() -> [Frame; 5] {
    let (ben, owner) = (ben(), SigningKey::from_seed(&[0x41; 32]));
    let mailbox = ben.mailbox.id();
    let address = ben.contact().entry.address;
    let token = ben.friendship.capability(&mailbox);
    let nonce = Nonce([0x45; 16]);
    [
        Frame::Away(Away::sign(&owner, &mailbox, day_of(NOW), 7, vec![record()])),
        Frame::Stock(Stock::sign(&owner, &mailbox, 8, vec![vec![0x46; 40], vec![0x47; 40]], Some(vec![0x48; 40]))),
        Frame::Fetch(Fetch::sign(&token, &mailbox, address, nonce, NOW)),
        Frame::Fetched(Fetched { nonce, handed: Handed::Package(vec![0x46; 40]) }),
        Frame::Keep(Keep { records: vec![record().into()] }),
    ]
}

/// What the owner of a mailbox and Ben's relay say to each other.
pub fn relay_frames() -> Vec<(&'static str, Frame)> {
    let (ben, owner) = (ben(), SigningKey::from_seed(&[0x41; 32]));
    let mailbox = ben.mailbox.id();
    let places = vec![Address(vec![4, 192, 0, 2, 1, 6, 0x0f, 0xa1])];
    let link = RelayLink { mailbox_key: ben.mailbox.public(), receipt: ben.identity.signing.public(), places };
    let record = MailboxRecord {
        version: 5,
        direct: ben.mailbox.direct,
        contact: ben.mailbox.contact,
        queue_secret: Secret::from_bytes([0x35; 32]),
        revision: ben.friendship.revision,
        put: ben.friendship.put(&mailbox),
        revoked: vec![GrantId([0x49; 16])],
        at: NOW,
        claim: None,
        capability: ben.friendship.capability(&mailbox).public(),
    };
    let body = AcceptedBody {
        version: 5,
        entries: 2,
        entries_max: 10_000,
        bytes: 1_024,
        bytes_max: 67_108_864,
        verdict: Verdict::Ok,
        owner: owner.public(),
        at: NOW,
    };
    let update = Update::seal(&owner, &link, &record, &mut Runs::from(0xe4)).expect("the key is good");
    let deposit = Deposit { number: 1, grant: GrantId([0x44; 16]), queue: Queue::Direct, usage: None, envelope: put().envelope };
    vec![
        ("session", Frame::Session(Session::sign(&owner, &mailbox, Nonce([0x42; 16]), NOW))),
        ("update", Frame::Update(update)),
        ("accepted", Frame::Accepted(Accepted::sign(&ben.identity.signing, &mailbox, &body))),
        ("deposit", Frame::Deposit(deposit)),
        ("ack", Frame::Ack(Ack::sign(&owner, &mailbox, vec![1, 2, 300], vec![2], Nonce([0x43; 16]), NOW))),
    ]
}

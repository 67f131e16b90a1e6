//! Devices of one person: Ben's first device lets a further one in, tells it what he has, and takes it out again.

use super::{NOW, Runs, ben, handshake, offer_body, shared};
use symbolon_core::command::{MessageState, Trust};
use symbolon_core::wire::{First, Gone, JoinedBody, OwnSaid, PersonSaid, PersonStanding, RelaySaid, Statement, Step, TextSaid};
use symbolon_presence::codec;
use symbolon_presence::id::{MessageId, PeerId, RoomId};
use symbolon_presence::identity::{Chain, Identity};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::DAY;

/// The keys of the device that comes, as the first device of a person of its own.
pub fn newcomer() -> Identity {
    Identity::certify(Secret::from_bytes([0xa0; 32]), 1, &mut Runs::from(0xa1), NOW, 365 * DAY)
}

/// Ben's certificate for it.
pub fn certificate() -> Chain {
    let newcomer = newcomer();
    let keys = (newcomer.signing.public(), newcomer.dh.public().bytes());
    ben().identity.certify_further(keys, 9, NOW, NOW.after(365 * DAY)).expect("Ben's first device holds the root key")
}

/// The device as what it was certified for.
pub fn laptop() -> Identity {
    let mut laptop = newcomer();
    assert!(laptop.become_further(&certificate(), ben().identity.second_root, NOW), "it is for these keys");
    laptop
}

/// What the first device answers to who has asked by its code.
pub fn joined() -> JoinedBody {
    JoinedBody { chain: certificate(), second_root: ben().identity.second_root, name: "Ben".to_owned() }
}

/// The answer to an Offer of the newcomer, which is that of the samples in all other ways.
pub fn joined_statement() -> Statement {
    let newcomer = newcomer();
    Statement {
        step: Step::Joined,
        to: newcomer.peer(),
        device: newcomer.device,
        package: handshake().accept.package,
        transcript: offer_body().transcript(&newcomer.peer(), &ben().identity.peer()),
        body: codec::encode(&joined()),
    }
}

/// The same, signed.
pub fn joined_first() -> First {
    First::sign(&ben().identity, &joined_statement())
}

/// Ben's first device says that the further one is gone.
pub fn gone() -> Gone {
    Gone::sign(&ben().identity, &certificate())
}

/// How Ben stands to somebody.
pub fn person() -> PersonSaid {
    PersonSaid {
        person: PeerId([0x91; 32]),
        version: 3,
        by: laptop().peer(),
        petname: "Ann".to_owned(),
        trust: Trust::Verified,
        standing: PersonStanding::Friend,
        conversation: RoomId([0x92; 32]),
        peers: vec![PeerId([0x91; 32])],
    }
}

/// One of each kind that own devices say to each other, and what it is called.
pub fn said() -> [(&'static str, OwnSaid); 10] {
    let text = TextSaid {
        person: PeerId([0x91; 32]),
        id: MessageId([0x6a; 16]),
        at: NOW,
        mine: true,
        state: MessageState::Delivered,
        text: "from the boat".to_owned(),
    };
    [
        ("own_persons", OwnSaid::Persons(vec![person()])),
        ("own_texts", OwnSaid::Texts(vec![text])),
        ("own_ask", OwnSaid::Ask(PeerId([0x91; 32]), Box::new(shared::befriend()))),
        ("own_read", OwnSaid::Read(PeerId([0x91; 32]), MessageId([0x6a; 16]))),
        ("own_label", OwnSaid::Label("Laptop".to_owned())),
        ("own_certificate", OwnSaid::Certificate(certificate())),
        ("own_states", OwnSaid::States(vec![(MessageId([0x6a; 16]), MessageState::Read)])),
        ("own_relays", OwnSaid::Relays(vec![RelaySaid { link: "symbolon-relay:stand-in".to_owned(), claim: Some("stand-in".to_owned()) }])),
        ("own_gone", OwnSaid::Gone(Box::new(gone()))),
        ("own_barred", OwnSaid::Barred(super::ann().identity.chain)),
    ]
}

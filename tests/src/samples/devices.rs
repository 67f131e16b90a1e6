//! Devices of one person: Ben's first device lets a further one in, tells it what he has, and takes it out again.

use super::{NOW, Person, Runs, ben, offer_body, shared};
use symbolon_core::command::{MessageState, Trust};
use symbolon_core::contact::{ContactBody, ContactRecord, InviteMark};
use symbolon_core::wire::{
    Contact, DraftPlace, DraftSaid, First, Gone, JoinedBody, OfferBody, OwnSaid, PersonSaid, PersonStanding, RelaySaid, RoomIs, RoomSaid,
    RoomTextSaid, SettingSaid, Statement, Step, TextSaid,
};
use symbolon_presence::codec;
use symbolon_presence::device_list::DeviceList;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{Digest, MessageId, PeerId, RequestId, RoomId};
use symbolon_presence::identity::{Chain, Identity, pair_context};
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::KemKey;
use symbolon_presence::labels::SIGN_CONTACT;
use symbolon_presence::record::day_of;
use symbolon_presence::time::{DAY, MINUTE};
use symbolon_relay::grant::{MailboxKeys, Scope};

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

/// A device that comes, with a mailbox and keys of its own.
pub fn comes(identity: Identity) -> Person {
    Person {
        identity,
        mailbox: MailboxKeys::random(&mut Runs::from(0xa4)),
        friendship: FriendshipSecret { revision: 3, secret: Secret::from_bytes([0xa8; 32]) },
        package: KemKey::from_bytes([0xa9; 32]),
        reply: KemKey::from_bytes([0xaa; 32]),
        direct: KemKey::from_bytes([0xab; 32]),
        seals: 0x20,
    }
}

/// The secret of Ben's pairing code.
pub fn code() -> InviteSecret {
    InviteSecret::from_bytes([0xac; 16])
}

/// The way in of the code: ten minutes, two uses.
pub fn code_contact() -> Contact {
    let (ben, expires) = (ben(), NOW.after(10 * MINUTE));
    let (_, address, key) = ben.address(0x77, Scope::Contact, expires, 2);
    Contact { expires, package: KemKey::from_bytes([0xad; 32]).public().bytes(), entry: ben.entry(address), key, ..ben.contact() }
}

/// The body of the code.
pub fn code_body() -> ContactRecord {
    let (me, contact) = (ben().identity, code_contact());
    let invite = Some(InviteMark { id: code().id(), day: day_of(NOW), number: NOW.0 });
    let body = ContactBody { name: "Ben".to_owned(), expires: contact.expires, contacts: vec![contact], servers: Vec::new(), invite };
    let body = codec::encode(&body);
    let signature = me.signing.sign(SIGN_CONTACT, &pair_context(&me.peer(), &me.peer()), &body);
    ContactRecord { chain: me.chain, body, signature }
}

/// The record in which it lies.
pub fn code_record() -> Vec<u8> {
    code().slot(day_of(NOW)).seal(NOW, &codec::encode(&code_body()), &mut Runs::from(0xae)).expect("it fits")
}

/// The Offer of a device that comes, as what it is then.
pub fn asks(who: &Person, request: u8) -> (OfferBody, Statement) {
    let expires = NOW.after(10 * MINUTE);
    let (name, replies) = ("Laptop".to_owned(), vec![who.reply_contact()]);
    let body = OfferBody { request: RequestId([request; 16]), name, note: None, replies, expires, ..offer_body() };
    let ben = ben().identity;
    let statement = Statement {
        step: Step::Offer,
        to: ben.peer(),
        device: ben.device,
        package: code_contact().digest(&ben.device),
        transcript: Digest([0; 32]),
        body: codec::encode(&body),
    };
    (body, statement)
}

/// What the first device answers to who has asked by its code.
pub fn joined() -> JoinedBody {
    JoinedBody { chain: certificate(), second_root: ben().identity.second_root, name: "Ben".to_owned() }
}

/// The answer to the Offer of the newcomer.
pub fn joined_statement() -> Statement {
    let newcomer = comes(newcomer());
    let (offer, _) = asks(&newcomer, 0xaf);
    Statement {
        step: Step::Joined,
        to: newcomer.identity.peer(),
        device: newcomer.identity.device,
        package: newcomer.reply_contact().digest(&newcomer.identity.device),
        transcript: offer.transcript(&newcomer.identity.peer(), &ben().identity.peer()),
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

/// Ben's words say that these two devices are his.
pub fn list() -> DeviceList {
    let (ben, laptop) = (ben().identity, laptop());
    let entropy = ben.entropy.as_ref().expect("Ben has his words");
    DeviceList::sign(entropy, &ben.chain.root, 7, vec![laptop.device, ben.device]).expect("two devices")
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

/// A shared room, as one device says it.
pub fn room() -> RoomSaid {
    RoomSaid {
        room: RoomId([0x72; 32]),
        version: 2,
        by: PeerId([0x92; 32]),
        is_muted: true,
        is_archived: false,
        name: "Crew".to_owned(),
        is: RoomIs::In,
    }
}

/// A text in it.
pub fn text_in_room() -> RoomTextSaid {
    RoomTextSaid {
        room: RoomId([0x72; 32]),
        id: MessageId([0x6b; 16]),
        at: NOW,
        from: PeerId([0x91; 32]),
        state: MessageState::Read,
        text: "to all on board".to_owned(),
    }
}

fn draft(place: DraftPlace, text: &str) -> DraftSaid {
    DraftSaid { place, version: 2, by: PeerId([0x92; 32]), text: text.to_owned() }
}

/// One of each kind that own devices say to each other, and what it is called.
pub fn said() -> [(&'static str, OwnSaid); 15] {
    let text = TextSaid {
        person: PeerId([0x91; 32]),
        id: MessageId([0x6a; 16]),
        at: NOW,
        mine: true,
        state: MessageState::Delivered,
        text: "from the boat".to_owned(),
    };
    let (room, in_room) = (room(), text_in_room());
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
        ("own_rooms", OwnSaid::Rooms(vec![room])),
        ("own_room_texts", OwnSaid::RoomTexts(vec![in_room])),
        ("own_room_reads", OwnSaid::RoomReads(vec![MessageId([0x6b; 16])])),
        ("own_settings", OwnSaid::Settings(vec![SettingSaid { number: 1, version: 2, by: PeerId([0x92; 32]), is_on: false }])),
        (
            "own_drafts",
            OwnSaid::Drafts(vec![
                draft(DraftPlace::Person(PeerId([0x91; 32])), "half a sen"),
                draft(DraftPlace::Room(RoomId([0x72; 32])), ""),
            ]),
        ),
    ]
}

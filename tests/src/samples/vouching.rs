//! What newcomers and members of a room say by its hub: Ben knocks at Ann's room, and Ann vouches for him.

use super::{NOW, ROOM, Runs, ann, ben};
use symbolon_core::cards::CardLink;
use symbolon_core::wire::{
    CardBody, CardRecord, KnockBody, KnockSecret, Transcript, VerifiedCard, Vouch, VouchHello, VouchResponse, keys_digest,
};
use symbolon_presence::address::Address;
use symbolon_presence::id::{EpochId, ListenerId, Nonce};
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::KemKey;
use symbolon_presence::time::DAY;
use symbolon_relay::knock::{Answer, Ask, Await, Knock, Listen, Respond, Say};

/// The number of Ben's knock, and of Ann's answer.
pub const KNOCK: Nonce = Nonce([0x91; 16]);
/// The same of Ann's answer.
pub const HELLO: Nonce = Nonce([0x92; 16]);
/// The day of the card's body.
pub const CARD_DAY: u32 = 20_833;

/// What Ann's room has in common for those who knock.
pub fn secret() -> KnockSecret {
    KnockSecret(Secret::from_bytes([0x93; 32]))
}

/// From which the keys of Ann's card come.
pub fn card_secret() -> InviteSecret {
    InviteSecret::from_bytes([0x94; 16])
}

/// Where the hub is.
pub fn hubs() -> Vec<Vec<Address>> {
    vec![vec![Address(vec![4, 192, 0, 2, 7, 6, 0x0f, 0xa1])]]
}

/// Ann's card.
pub fn card() -> CardLink {
    CardLink::new(card_secret(), ann().identity.peer(), NOW.after(30 * DAY), &hubs())
}

/// Its body.
pub fn card_body() -> CardBody {
    let key = secret().key().public().bytes();
    CardBody {
        id: card_secret().id(),
        day: CARD_DAY,
        number: NOW.0,
        expires: NOW.after(30 * DAY),
        alias: secret().alias(),
        key,
        hubs: hubs(),
    }
}

/// The body as Ann has signed it.
pub fn card_record() -> CardRecord {
    let ann = ann().identity;
    CardRecord::sign(&ann, &ann.peer(), &card_body())
}

/// The same, checked.
pub fn verified() -> VerifiedCard {
    card_record().verify(NOW, &card_secret().id(), CARD_DAY, &ann().identity.peer()).expect("the sample is good")
}

/// What Ben has drawn for his knock.
pub fn ephemeral() -> KemKey {
    KemKey::from_bytes([0x95; 32])
}

/// What Ann has drawn for her answer.
pub fn answer_key() -> KemKey {
    KemKey::from_bytes([0x96; 32])
}

/// Ben's knock.
pub fn knock() -> Vec<u8> {
    KnockBody::seal(&ben().identity, &verified(), &KNOCK, &ephemeral(), &mut Runs::from(0x97)).expect("it fits")
}

/// What both sign.
pub fn transcript() -> Transcript {
    let (ann, ben) = (ann().identity, ben().identity);
    Transcript {
        alias: secret().alias(),
        card: verified().digest,
        knock: KNOCK,
        hello: HELLO,
        keys: keys_digest(&ephemeral().public().bytes(), &answer_key().public().bytes()),
        newcomer: (ben.peer(), ben.device),
        voucher: (ann.peer(), ann.device),
        room: ROOM,
        epoch: EpochId([0x98; 32]),
    }
}

/// Ann's word.
pub fn hello() -> Vec<u8> {
    VouchHello::seal(&ann().identity, &transcript(), &answer_key(), &ephemeral().public(), &mut Runs::from(0x99)).expect("it fits")
}

/// Ben's answer, with a stand-in for his package.
pub fn response() -> Vec<u8> {
    let package = vec![0x9a; 4_096];
    VouchResponse::seal(&ben().identity, &transcript(), package, &answer_key().public(), &mut Runs::from(0x9b)).expect("it fits")
}

/// What the commit that adds Ben shows.
pub fn vouch() -> Vouch {
    let device = ben().identity.chain.verify(NOW).expect("the sample is good");
    let response = VouchResponse::open(&response(), &answer_key(), &transcript(), &device).expect("the sample is good");
    Vouch::new(&transcript(), response.signature)
}

/// One question of each kind.
pub fn asks() -> Vec<(&'static str, Ask)> {
    let (alias, hub, listener) = (secret().alias(), secret().hub(), ListenerId([0x9c; 16]));
    vec![
        ("knock", Ask::Knock(Knock { alias, nonce: KNOCK, sealed: knock() })),
        ("await", Ask::Await(Await { alias, nonce: KNOCK, had: 1, is_closed: true })),
        ("respond", Ask::Respond(Respond { alias, nonce: KNOCK, to: 0, sealed: response() })),
        ("listen", Ask::Listen(Listen::sign(&hub, listener, 3))),
        ("say", Ask::Say(Say::sign(&hub, listener, KNOCK, hello()))),
    ]
}

/// One answer of each kind.
pub fn answers() -> Vec<(&'static str, Answer)> {
    vec![
        ("ack", Answer::Ack),
        ("refused", Answer::Refused(symbolon_relay::knock::Refusal::Unknown)),
        ("nothing", Answer::Nothing),
        ("knocks", Answer::Knocks(KNOCK, knock())),
        ("responds", Answer::Responds(KNOCK, response())),
        ("said", Answer::Said(1, hello())),
        ("closed", Answer::Closed),
    ]
}

//! How two become friends, and how they come together again: Offer, Accept, Confirm, Standing.

use super::{EPOCH, NOW, Person, ROOM, Runs, ann, ben, leaf_owner, seed};
use symbolon_core::wire::{
    AcceptBody, AcceptHead, ConfirmBody, Contact, Counted, First, Heard, OfferBody, Renews, RoomStanding, Standing, Statement, Step, True,
    direct_package, sign_start,
};
use symbolon_presence::codec;
use symbolon_presence::envelope::seal_direct;
use symbolon_presence::id::{Digest, MessageId, Nonce, RequestId, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::DAY;

/// The three statements of a connection, in order, each with the transcript after it.
#[derive(Debug)]
pub struct Handshake {
    /// Ann's Offer to Ben's invite.
    pub offer: Statement,
    /// The transcript after the Offer.
    pub after_offer: Digest,
    /// Head of Ben's Accept.
    pub head: Vec<u8>,
    /// Ben's Accept to Ann's reply address.
    pub accept: Statement,
    /// The transcript after the Accept.
    pub after_accept: Digest,
    /// Ann's Confirm to Ben's reply address.
    pub confirm: Statement,
}

/// Ann's Offer.
pub fn offer_body() -> OfferBody {
    OfferBody {
        request: RequestId([0x63; 16]),
        revision: 0,
        name: "Ann".to_owned(),
        note: Some("from the harbour".to_owned()),
        replies: vec![ann().reply_contact()],
        nonce: Nonce([0x64; 16]),
        group_info: b"stand-in for a GroupInfo".to_vec(),
        created: NOW,
        expires: NOW.after(30 * DAY),
        renews: None,
        leaves: vec![leaf_owner()],
    }
}

/// Ann's Standing to Ben's device, a question.
pub fn standing() -> Standing {
    let room = |room, epoch| RoomStanding { room, epoch, sent: 7, opened: 5, settled: 6 };
    Standing {
        instance: Nonce([0x71; 16]),
        started: NOW,
        nonce: Nonce([0x72; 16]),
        answers: None,
        at: NOW.after(1_000),
        revision: Some(0),
        next: Some(Counted { seed: seed().number, counter: 9 }),
        opened: Some(Counted { seed: 0x0708_090a, counter: 12 }),
        rooms: vec![room(ROOM, Some(EPOCH)), RoomStanding { sent: 0, settled: 0, ..room(RoomId([0x73; 32]), None) }],
        heard: vec![Heard {
            instance: Nonce([0x74; 16]),
            started: NOW,
            over: Some(Nonce([0x79; 16])),
            word: sign_start(&ben().identity, Nonce([0x74; 16]), NOW),
        }],
        reply: Some(ann().reply_contact()),
        word: sign_start(&ann().identity, Nonce([0x71; 16]), NOW),
        copied: None,
        entered: None,
    }
}

/// Ben's answer to it: he has seen Ann's device seal twice, and waits for a Confirm.
pub fn standing_answer() -> Standing {
    let instance = Nonce([0x71; 16]);
    Standing {
        instance: Nonce([0x74; 16]),
        nonce: Nonce([0x75; 16]),
        answers: Some(Nonce([0x72; 16])),
        heard: vec![Heard { instance, started: NOW, over: None, word: sign_start(&ann().identity, instance, NOW) }],
        reply: Some(ben().reply_contact()),
        word: sign_start(&ben().identity, Nonce([0x74; 16]), NOW),
        copied: Some(True),
        entered: Some(True),
        ..standing()
    }
}

/// What an Offer of Ann's rests on that renews.
pub fn renews() -> Renews {
    let (sent, had) = (vec![MessageId([0x76; 16]), MessageId([0x77; 16])], Some(MessageId([0x78; 16])));
    Renews { room: ROOM, answers: Nonce([0x75; 16]), sent, had }
}

/// The statement of Ann's Standing.
pub fn standing_statement() -> Statement {
    let Person { identity: ben, direct, .. } = ben();
    Statement {
        step: Step::Standing,
        to: ben.peer(),
        device: ben.device,
        package: direct_package(direct.public().bytes().as_bytes(), &ben.device),
        transcript: Digest([0; 32]),
        body: codec::encode(&standing()),
    }
}

/// Ann's Standing in its envelope.
pub fn direct_envelope() -> Vec<u8> {
    let payload = codec::encode(&First::sign(&ann().identity, &standing_statement()));
    seal_direct(&ben().direct.public(), &payload, &mut Runs::from(0xe1)).expect("the payload is short")
}

/// The head of Ben's Accept.
pub fn accept_head() -> AcceptHead {
    AcceptHead {
        leaf_key: Secret::from_bytes([0x7a; 32]),
        leaves: None,
        lacks: None,
        request: RequestId([0x63; 16]),
        nonce: Nonce([0x65; 16]),
        name: "Ben".to_owned(),
        reply: ben().reply_contact(),
        epoch: EPOCH,
    }
}

/// Ben's Accept.
pub fn accept_body() -> AcceptBody {
    AcceptBody {
        head: codec::encode(&accept_head()),
        commit: b"stand-in for an external commit".to_vec(),
        bundle: b"stand-in for a sealed bundle".to_vec(),
    }
}

/// Ann's Confirm.
pub fn confirm_body() -> ConfirmBody {
    ConfirmBody { request: RequestId([0x63; 16]), bundle: Some(b"stand-in for a sealed bundle".to_vec()) }
}

/// A whole connection.
pub fn handshake() -> Handshake {
    let (ann, ben) = (ann(), ben());
    let statement = |step, to: &Person, contact: &Contact, transcript, body| Statement {
        step,
        to: to.identity.peer(),
        device: to.identity.device,
        package: contact.digest(&to.identity.device),
        transcript,
        body,
    };
    let offer = statement(Step::Offer, &ben, &ben.contact(), Digest([0; 32]), codec::encode(&offer_body()));
    let after_offer = offer_body().transcript(&ann.identity.peer(), &ben.identity.peer());
    let body = accept_body();
    let accept = statement(Step::Accept, &ann, &ann.reply_contact(), after_offer, codec::encode(&body));
    let after_accept = AcceptBody::transcript(&after_offer, &accept.body, &ben.identity.device);
    let confirm = statement(Step::Confirm, &ben, &ben.reply_contact(), after_accept, codec::encode(&confirm_body()));
    Handshake { offer, after_offer, head: body.head, accept, after_accept, confirm }
}

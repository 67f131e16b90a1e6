//! Every decoder that takes bytes or text from outside, in one list.
//!
//! Fuzz targets, corpus replay and mutation test all run this list; a new wire type that is
//! missing here is not tested. Each entry reads like the node does: decode, then verify or
//! open what can be, with the fixed keys of [`crate::samples`]. It panics only where the
//! code under test breaks its promise: what is accepted must be the one encoding of what it
//! says. What OpenMLS reads is not here; it stands behind these.

mod devices;
mod presence;
mod rooms;
mod vouching;

use crate::samples::{self, NOW, Person};
use core::convert::Infallible;
use minicbor::{Decode, Encode};
use std::sync::LazyLock;
use symbolon_core::contact::{ContactBody, ContactRecord};
use symbolon_core::limits::{CARD_MAX, CONTACT_RECORD_MAX, LINK_MAX, OLD_LINK_MAX, ROSTER_MAX};
use symbolon_core::link::{InviteLink, LINK_PREFIX};
use symbolon_core::place::Place;
use symbolon_core::wire::{
    AcceptBody, AcceptHead, BACKUP_PART_MAX, Bundle, COMMIT_INFO_MAX, ConfirmBody, First, Known, OfferBody, PAYLOAD_MAX, PIECE_LEN,
    Standing, Statement, WHOLE_MAX,
};
use symbolon_presence::capsule::SEALED_PIECE;
use symbolon_presence::codec;
use symbolon_presence::envelope::{self, Kind};
use symbolon_presence::id::{GrantId, Nonce, PeerId, SignatureBytes};
use symbolon_presence::identity::{CERT_MAX, Chain, DeviceCertBody};
use symbolon_presence::lan::LanPlaces;
use symbolon_presence::record::{RECORD_MAX, Record, day_of};
use symbolon_presence::seeds::{EnvelopeKey, KeyOfBefore};
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::words::{fingerprint_words, words_match};
use symbolon_relay::admission::{Admission, GrantUses};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::AddressBody;
use symbolon_relay::knock;
use symbolon_relay::limits::{ACK_MAX, AWAY_MAX, FRAME_MAX, PACKAGE_MAX, PACKAGES_MAX, RECEIPT_MAX, REVOKED_MAX, SEALED_ADDRESS_MAX};
use symbolon_relay::lookup::MESSAGE_MAX;
use symbolon_relay::put::{MailboxEntry, ReceiptBody};

/// One decoder.
#[derive(Debug, Clone, Copy)]
pub struct Decoder {
    /// Also the name of its fuzz target and of its folder in the corpus.
    pub name: &'static str,
    /// The longest input that it looks at, in bytes.
    pub max: usize,
    /// Reads; true when the bytes were accepted as a value (verified or not).
    pub run: fn(&[u8]) -> bool,
}

/// All decoders.
pub const ALL: &[Decoder] = &[
    Decoder { name: "frame", max: FRAME_MAX, run: frame },
    Decoder { name: "receipt_body", max: FRAME_MAX, run: receipt_body },
    Decoder { name: "mailbox_entry", max: PAYLOAD_MAX, run: mailbox_entry },
    Decoder { name: "sealed_address", max: SEALED_ADDRESS_MAX, run: sealed_address },
    Decoder { name: "address_body", max: SEALED_ADDRESS_MAX, run: address_body },
    Decoder { name: "first_envelope", max: 256 * 1024, run: first_envelope },
    Decoder { name: "known_envelope", max: 256 * 1024, run: known_envelope },
    Decoder { name: "device_cert", max: CERT_MAX, run: device_cert },
    Decoder { name: "chain", max: PAYLOAD_MAX, run: chain },
    Decoder { name: "link", max: OLD_LINK_MAX, run: link },
    Decoder { name: "invite_body", max: RECORD_MAX, run: invite_body },
    Decoder { name: "contact_record", max: CONTACT_RECORD_MAX, run: contact_record },
    Decoder { name: "contact_body", max: CONTACT_RECORD_MAX, run: contact_body },
    Decoder { name: "first", max: PAYLOAD_MAX, run: first },
    Decoder { name: "statement", max: PAYLOAD_MAX, run: statement },
    Decoder { name: "offer_body", max: PAYLOAD_MAX, run: offer_body },
    Decoder { name: "accept_body", max: PAYLOAD_MAX, run: accept_body },
    Decoder { name: "accept_head", max: PAYLOAD_MAX, run: accept_head },
    Decoder { name: "confirm_body", max: PAYLOAD_MAX, run: confirm_body },
    Decoder { name: "standing", max: PAYLOAD_MAX, run: standing },
    Decoder { name: "bundle", max: PAYLOAD_MAX, run: bundle },
    Decoder { name: "known", max: PAYLOAD_MAX, run: known },
    Decoder { name: "room_payload", max: PAYLOAD_MAX, run: rooms::room_payload },
    Decoder { name: "roster", max: ROSTER_MAX, run: rooms::roster },
    Decoder { name: "commit_info", max: COMMIT_INFO_MAX, run: rooms::commit_info },
    Decoder { name: "seated_roster", max: WHOLE_MAX, run: rooms::seated_roster },
    Decoder { name: "welcome_bundle", max: WHOLE_MAX, run: rooms::welcome_bundle },
    Decoder { name: "leaf_credential", max: 1024, run: rooms::leaf_credential },
    Decoder { name: "add_package", max: PACKAGE_MAX, run: rooms::add_package },
    Decoder { name: "package_secrets", max: PACKAGE_MAX, run: rooms::package_secrets },
    Decoder { name: "queue_address", max: PACKAGE_MAX, run: rooms::queue_address },
    Decoder { name: "joined_body", max: PAYLOAD_MAX, run: devices::joined_body },
    Decoder { name: "own_said", max: PAYLOAD_MAX, run: devices::own_said },
    Decoder { name: "gone", max: PAYLOAD_MAX, run: devices::gone },
    Decoder { name: "backup_part", max: BACKUP_PART_MAX, run: devices::backup_part },
    Decoder { name: "capsule_piece", max: SEALED_PIECE, run: devices::capsule_piece },
    Decoder { name: "capsule_places", max: RECORD_MAX, run: devices::capsule_places },
    Decoder { name: "record", max: RECORD_MAX, run: presence::record },
    Decoder { name: "posted", max: RECORD_MAX, run: presence::posted },
    Decoder { name: "ask", max: MESSAGE_MAX, run: presence::ask },
    Decoder { name: "answer", max: MESSAGE_MAX, run: presence::answer },
    Decoder { name: "hub_ask", max: knock::MESSAGE_MAX, run: vouching::hub_ask },
    Decoder { name: "hub_answer", max: knock::MESSAGE_MAX, run: vouching::hub_answer },
    Decoder { name: "card_record", max: CARD_MAX, run: vouching::card_record },
    Decoder { name: "card", max: OLD_LINK_MAX, run: vouching::card },
    Decoder { name: "header", max: RECORD_MAX, run: presence::header },
    Decoder { name: "body", max: RECORD_MAX, run: presence::body },
    Decoder { name: "signed_presence", max: RECORD_MAX, run: presence::signed_presence },
    Decoder { name: "identifier", max: 1024, run: identifier },
    Decoder { name: "words", max: 2048, run: words },
    Decoder { name: "lan_places", max: LanPlaces::MAX_LEN, run: lan_places },
];

/// The decoder of a name.
pub fn find(name: &str) -> Option<&'static Decoder> {
    ALL.iter().find(|decoder| decoder.name == name)
}

/// What reading needs beside the bytes; made once.
struct Reader {
    ann: Person,
    ben: Person,
    known: Vec<EnvelopeKey>,
    before: KeyOfBefore,
}

static READER: LazyLock<Reader> = LazyLock::new(|| {
    let (ann, ben) = (samples::ann(), samples::ben());
    let before = KeyOfBefore::agree(&ben.identity.dh, &ann.identity.dh.public(), &ann.identity.device, &ben.identity.device);
    Reader { ann, ben, known: (0..16).map(samples::known_key).collect(), before }
});

/// Decodes, and checks that the value has no second encoding.
fn canonical<'b, T: Encode<()> + Decode<'b, ()>>(bytes: &'b [u8], max: usize) -> Option<T> {
    let value: T = codec::decode(bytes, max).ok()?;
    assert!(bytes.len() <= max, "longer than its limit");
    assert!(codec::encode(&value) == bytes, "a second encoding was accepted");
    Some(value)
}

fn frame(bytes: &[u8]) -> bool {
    let Ok(frame) = Frame::decode(bytes) else { return false };
    assert!(frame.encode() == bytes, "a second encoding was accepted");
    let ben = &READER.ben;
    match frame {
        Frame::Put(put) => {
            let Ok(outcome) = Admission::new(ben.mailbox.clone()).admit(NOW, &put, &ben.friendship, &[], &Unused);
            assert!(outcome.is_err() || put.is_consistent());
        }
        Frame::Receipt(receipt) => {
            let key = VerifyingKey::parse(&ben.identity.signing.public());
            if let Some(Ok(body)) = key.ok().map(|key| receipt.verify(&key, &ben.mailbox.id())) {
                assert!(body.items.len() <= RECEIPT_MAX);
            }
        }
        Frame::Update(update) => {
            if let Ok(record) = update.open(&ben.mailbox.dh(), &ben.mailbox.id()) {
                assert!(record.revoked.len() <= REVOKED_MAX);
            }
        }
        Frame::Session(session) => assert!(session.verify(&ben.mailbox.id()).is_err() || session.owner != ben.identity.signing.public()),
        Frame::Accepted(accepted) => {
            let key = VerifyingKey::parse(&ben.identity.signing.public());
            let _ = key.map(|key| accepted.verify(&key, &ben.mailbox.id()));
        }
        Frame::Deposit(deposit) => assert!(deposit.envelope.len() <= FRAME_MAX),
        Frame::Lookup(_) | Frame::Keep(_) | Frame::Prove(_) | Frame::Carry(_) | Frame::Carried(_) => {}
        Frame::Found(found) => {
            if let Some(Ok(record)) = found.record.map(|bytes| Record::read(&bytes, NOW)) {
                assert!(!record.expires().is_expired_at(NOW));
            }
        }
        Frame::Away(away) => assert!(away.verify(&ben.mailbox.id()).is_err() || away.records.len() <= AWAY_MAX),
        Frame::Stock(stock) => assert!(stock.verify(&ben.mailbox.id()).is_err() || stock.packages.len() <= PACKAGES_MAX),
        Frame::Fetch(fetch) => assert!(fetch.verify(&ben.mailbox.id()).is_err() || fetch.address.len() <= SEALED_ADDRESS_MAX),
        Frame::Fetched(_) => {}
        Frame::Ack(ack) => assert!(ack.verify(&ben.mailbox.id()).is_err() || ack.numbers.len() <= ACK_MAX),
    }
    true
}

/// No grant was used yet.
struct Unused;

impl GrantUses for Unused {
    type Error = Infallible;

    fn uses(&self, _: &GrantId, _: &Nonce) -> Result<(u32, bool), Infallible> {
        Ok((0, false))
    }
}

fn receipt_body(bytes: &[u8]) -> bool {
    canonical::<ReceiptBody>(bytes, FRAME_MAX).is_some()
}

fn mailbox_entry(bytes: &[u8]) -> bool {
    canonical::<MailboxEntry>(bytes, PAYLOAD_MAX).map(|entry| entry.is_bounded()).is_some()
}

fn sealed_address(bytes: &[u8]) -> bool {
    READER.ben.mailbox.open_address(bytes).is_some()
}

fn address_body(bytes: &[u8]) -> bool {
    let Some(body) = canonical::<AddressBody>(bytes, SEALED_ADDRESS_MAX) else { return false };
    let _ = READER.ben.mailbox.put_key(&READER.ben.mailbox.id(), &body, &READER.ben.friendship);
    true
}

fn first_envelope(bytes: &[u8]) -> bool {
    let psk = samples::invite_secret().psk(&READER.ben.identity.peer());
    let opened = envelope::open_first(&READER.ben.package, Some(&psk), bytes)
        .or_else(|_| envelope::open_first(&READER.ben.package, None, bytes))
        .or_else(|_| envelope::open_direct(&READER.ben.direct, bytes))
        .or_else(|_| envelope::open_direct(&READER.ben.reply, bytes))
        .or_else(|_| envelope::open_before(&READER.ben.identity.dh, bytes));
    match opened {
        Ok(payload) => {
            assert!(envelope::kind(bytes) == Some(Kind::First));
            first(&payload)
        }
        Err(_) => false,
    }
}

fn known_envelope(bytes: &[u8]) -> bool {
    let Some(Kind::Known(tag)) = envelope::kind(bytes) else { return false };
    let now = READER.known.iter().find(|key| key.tag == tag).and_then(|key| key.open(bytes).ok());
    let before = || (0..16).find(|counter| READER.before.tag(*counter) == tag).and_then(|counter| READER.before.open(counter, bytes).ok());
    match now.or_else(before) {
        Some(payload) => known(&payload),
        None => false,
    }
}

fn device_cert(bytes: &[u8]) -> bool {
    canonical::<DeviceCertBody>(bytes, CERT_MAX).is_some()
}

fn chain(bytes: &[u8]) -> bool {
    let Some(chain) = canonical::<Chain>(bytes, PAYLOAD_MAX) else { return false };
    // Only the two people of the samples have signed anything.
    if let Ok(device) = chain.verify(NOW) {
        assert!([&READER.ann, &READER.ben].iter().any(|person| person.identity.peer() == device.peer));
    }
    true
}

fn link(bytes: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(bytes) else { return false };
    // As `add` reads it: in whatever was pasted.
    let found = InviteLink::find(text);
    if bytes.len() > OLD_LINK_MAX {
        return false;
    }
    if let Ok(found) = &found {
        assert!(InviteLink::read(&found.text()).is_ok_and(|again| again == *found), "what it writes says something else");
    }
    let Ok(link) = InviteLink::read(text) else { return found.is_ok() };
    assert!(found.is_ok_and(|found| found == link), "a link by itself is not found");
    assert!(link.text() == text.trim().to_ascii_lowercase(), "a second spelling of the link was accepted");
    assert!(text.trim().len() > LINK_PREFIX.len() && text.trim().len() <= LINK_MAX);
    assert!(link.places.iter().flat_map(Place::addresses).count() <= 30);
    true
}

fn invite_body(bytes: &[u8]) -> bool {
    // What anyone who holds the link can put in its place.
    let secret = samples::invite_secret();
    let Ok(record) = Record::read(bytes, NOW) else { return false };
    let Ok(content) = secret.slot(day_of(NOW)).open(&record) else { return false };
    let Some(contact) = canonical::<ContactRecord>(&content, CONTACT_RECORD_MAX) else { return false };
    let ben = READER.ben.identity.peer();
    contact.verify_body(NOW, &secret.id(), day_of(NOW), Some(&ben)).is_ok_and(|verified| verified.signer.peer == ben)
}

fn contact_record(bytes: &[u8]) -> bool {
    canonical::<ContactRecord>(bytes, CONTACT_RECORD_MAX).map(|record| record.verify(NOW).is_ok()).is_some()
}

fn contact_body(bytes: &[u8]) -> bool {
    canonical::<ContactBody>(bytes, CONTACT_RECORD_MAX).is_some()
}

fn first(bytes: &[u8]) -> bool {
    let Some(first) = canonical::<First>(bytes, PAYLOAD_MAX) else { return false };
    if let Some((device, said)) = first.verify(&READER.ben.identity.peer(), NOW) {
        assert!(said.to == READER.ben.identity.peer() && device.peer != said.to);
    }
    true
}

fn statement(bytes: &[u8]) -> bool {
    canonical::<Statement>(bytes, PAYLOAD_MAX).is_some()
}

fn standing(bytes: &[u8]) -> bool {
    canonical::<Standing>(bytes, PAYLOAD_MAX).map(|body| body.is_bounded()).is_some()
}

fn offer_body(bytes: &[u8]) -> bool {
    canonical::<OfferBody>(bytes, PAYLOAD_MAX).map(|body| body.is_bounded()).is_some()
}

fn accept_body(bytes: &[u8]) -> bool {
    let Some(body) = canonical::<AcceptBody>(bytes, PAYLOAD_MAX) else { return false };
    let _ = accept_head(&body.head);
    true
}

fn accept_head(bytes: &[u8]) -> bool {
    canonical::<AcceptHead>(bytes, PAYLOAD_MAX).map(|head| head.reply.is_bounded()).is_some()
}

fn confirm_body(bytes: &[u8]) -> bool {
    canonical::<ConfirmBody>(bytes, PAYLOAD_MAX).is_some()
}

fn bundle(bytes: &[u8]) -> bool {
    canonical::<Bundle>(bytes, PAYLOAD_MAX).map(|bundle| bundle.is_bounded()).is_some()
}

fn known(bytes: &[u8]) -> bool {
    canonical::<Known>(bytes, PAYLOAD_MAX)
        .map(|known| {
            if known.piece.is_some() && known.is_bounded() {
                assert!(known.mls.len() <= PIECE_LEN && known.piece.is_some_and(|piece| piece.whole_max() <= WHOLE_MAX));
            }
        })
        .is_some()
}

fn identifier(bytes: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(bytes) else { return false };
    let spelled = |read: String| assert!(read == text.to_ascii_lowercase(), "a second spelling of an identifier was accepted");
    let peer = text.parse::<PeerId>().map(|id| spelled(id.to_string()));
    let grant = text.parse::<GrantId>().map(|id| spelled(id.to_string()));
    let signature = text.parse::<SignatureBytes>().map(|id| spelled(id.to_string()));
    peer.is_ok() || grant.is_ok() || signature.is_ok()
}

fn lan_places(bytes: &[u8]) -> bool {
    let Some(list) = LanPlaces::decode(bytes) else { return false };
    let places: Vec<_> = list.iter().collect();
    assert!((1..=LanPlaces::MAX).contains(&places.len()), "an empty list or an endless one");
    assert!(list.as_bytes() == bytes && LanPlaces::new(places) == Some(list), "a second encoding was accepted");
    true
}

fn words(bytes: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(bytes) else { return false };
    let peer = READER.ben.identity.peer();
    let matches = words_match(&peer, text);
    if matches {
        let letters = |text: &str| text.to_lowercase().chars().filter(char::is_ascii_alphabetic).collect::<String>();
        assert!(letters(text) == letters(&fingerprint_words(&peer)));
    }
    matches
}

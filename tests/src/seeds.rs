//! Inputs from which fuzzing and mutation start: one valid encoding or more for each
//! decoder, and what breaks careless CBOR readers.
//!
//! They lie as files in `tests/fuzz/corpus/`, one folder for each decoder and `nasty/` for
//! all of them; `just corpus` writes them again. Inputs that fuzzing found are kept beside
//! them and are not listed here.

use crate::samples::{self, NOW};
use symbolon_core::wire::{Capabilities, Consent, IntroCard, PackageSecrets, QueueAddress, RoomPayload, Whereabouts};
use symbolon_presence::address::Address;
use symbolon_presence::codec;
use symbolon_presence::id::{FrameId, GrantId, LookupId, MessageId, PeerId, RequestId};
use symbolon_presence::words::fingerprint_words;
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::Scope;
use symbolon_relay::limits::RECEIPT_MAX;
use symbolon_relay::lookup::{Answer, Ask, Kept};
use symbolon_relay::put::{Outcome, Receipt, ReceiptItem};
use symbolon_relay::records::Found;

/// An input and the name of its file.
pub type Seed = (&'static str, Vec<u8>);

/// Inputs that the decoder of this name accepts.
pub fn valid(decoder: &str) -> Vec<Seed> {
    let (ann, ben) = (samples::ann(), samples::ben());
    let shake = samples::handshake();
    let bundle = ben.bundle("Ben");
    match decoder {
        "frame" => {
            let mut uncounted = samples::put();
            uncounted.usage = None;
            let known = {
                let (_, address, key) = ben.address(0x73, Scope::Friends(3), NOW, 0);
                symbolon_relay::put::Put::new(address, &key, 0, None, samples::known_envelope())
            };
            let mut all = vec![
                ("put", Frame::Put(samples::put()).encode()),
                ("put_without_usage", Frame::Put(uncounted).encode()),
                ("receipt", Frame::Receipt(samples::receipt()).encode()),
            ];
            let found = Found { id: symbolon_presence::id::LookupId([0x6c; 32]), record: Some(samples::record()) };
            all.extend([
                ("lookup", Frame::Lookup(found.id).encode()),
                ("found", Frame::Found(found.clone()).encode()),
                ("not_found", Frame::Found(Found { record: None, ..found }).encode()),
            ]);
            let [away, stock, fetch, fetched, keep] = samples::left();
            all.extend([
                ("away", away.encode()),
                ("stock", stock.encode()),
                ("fetch", fetch.encode()),
                ("fetched", fetched.encode()),
                ("keep", keep.encode()),
            ]);
            let ([question, answer], ..) = samples::proofs();
            all.extend(samples::relay_frames().into_iter().map(|(name, frame)| (name, frame.encode())));
            all.extend([("prove", Frame::Prove(question).encode()), ("prove_answer", Frame::Prove(answer).encode())]);
            let [carry, carried] = samples::carried();
            all.extend([("carry", carry.encode()), ("carried", carried.encode())]);
            all.extend(known.map(|put| ("put_known", Frame::Put(put).encode())));
            all
        }
        "receipt_body" => {
            let mut longest = samples::receipt_body();
            longest.items = longest.items.iter().cycle().take(RECEIPT_MAX).copied().collect();
            let mut empty = samples::receipt_body();
            empty.items.clear();
            vec![("three", codec::encode(&samples::receipt_body())), ("longest", codec::encode(&longest)), ("empty", codec::encode(&empty))]
        }
        "mailbox_entry" => {
            let entry = ben.contact().entry;
            let mut nowhere = entry.clone();
            nowhere.places.clear();
            // The type that grows most in memory: one byte on the wire, a vector each.
            let mut crowded = entry.clone();
            crowded.places = vec![Address(Vec::new()); 4_096];
            vec![("one_place", codec::encode(&entry)), ("no_place", codec::encode(&nowhere)), ("crowded", codec::encode(&crowded))]
        }
        "sealed_address" => vec![("contact", ben.contact().entry.address), ("guest", ben.reply_contact().entry.address)],
        "address_body" => [("contact", Scope::Contact), ("guest", Scope::Guest), ("friends", Scope::Friends(3))]
            .map(|(name, scope)| (name, codec::encode(&ben.address(0x73, scope, NOW, 0).0)))
            .to_vec(),
        "first_envelope" => vec![
            ("offer", samples::first_envelope()),
            ("standing", samples::direct_envelope()),
            ("before", samples::envelope_of_before()),
            ("lifeline", samples::lifeline_envelope()),
        ],
        "known_envelope" => vec![
            ("known", samples::known_envelope()),
            ("counted", samples::known_envelope_of_before(None)),
            ("with_nonce", samples::known_envelope_of_before(Some([0x67; 12]))),
        ],
        "device_cert" => vec![("ann", ann.identity.chain.cert), ("ben", ben.identity.chain.cert)],
        "chain" => vec![("ann", codec::encode(&ann.identity.chain)), ("ben", codec::encode(&ben.identity.chain))],
        "link" => {
            let link = ben.invite_link().text();
            vec![
                ("lower", link.clone().into_bytes()),
                ("upper_in_spaces", format!("  {}\n", link.to_uppercase()).into_bytes()),
                ("in_a_text", format!("Ben says: <{link}>, come in").into_bytes()),
            ]
        }
        "invite_body" => vec![("ben", samples::invite_record())],
        "contact_record" => vec![("ben", codec::encode(&ben.contact_record("Ben"))), ("nameless", codec::encode(&ann.contact_record("")))],
        "contact_body" => vec![("ben", ben.contact_record("Ben").body), ("ann", ann.invite_body("Ann").body)],
        "first" => vec![("offer", codec::encode(&samples::first()))],
        "statement" => {
            vec![
                ("offer", codec::encode(&shake.offer)),
                ("accept", codec::encode(&shake.accept)),
                ("confirm", codec::encode(&shake.confirm)),
                ("standing", codec::encode(&samples::standing_statement())),
            ]
        }
        "offer_body" => {
            let mut bare = samples::offer_body();
            bare.note = None;
            let mut renewing = bare.clone();
            renewing.renews = Some(samples::renews());
            vec![("noted", shake.offer.body), ("bare", codec::encode(&bare)), ("renewing", codec::encode(&renewing))]
        }
        "standing" => vec![("question", codec::encode(&samples::standing())), ("answer", codec::encode(&samples::standing_answer()))],
        "accept_body" => vec![("ben", shake.accept.body)],
        "accept_head" => vec![("ben", shake.head)],
        "confirm_body" => {
            let mut bare = samples::confirm_body();
            bare.bundle = None;
            vec![("bundled", shake.confirm.body), ("bare", codec::encode(&bare))]
        }
        "add_package" => vec![("ben", samples::add_package().encode())],
        "package_secrets" => {
            let bare = PackageSecrets { put: None, more: Vec::new(), ..samples::package_secrets() };
            vec![("ben", codec::encode(&samples::package_secrets())), ("bare", codec::encode(&bare))]
        }
        "queue_address" => {
            vec![("relay", codec::encode(&samples::queue_address())), ("none", codec::encode(&QueueAddress { relay: None }))]
        }
        "bundle" => vec![("ben", codec::encode(&bundle))],
        "known" => {
            let mut unordered = samples::known();
            unordered.sequence = None;
            vec![
                ("ordered", codec::encode(&samples::known())),
                ("unordered", codec::encode(&unordered)),
                ("piece", codec::encode(&samples::piece())),
            ]
        }
        "room_payload" => {
            let hello = bundle
                .devices
                .first()
                .map(|device| RoomPayload::Hello(Whereabouts { entry: device.entry.clone(), relay_mailboxes: vec![device.entry.clone()] }));
            let mut all = vec![("text", codec::encode(&samples::text())), ("bundle", codec::encode(&RoomPayload::Bundle(bundle)))];
            all.extend(hello.map(|hello| ("hello", codec::encode(&hello))));
            all.extend([
                ("welcome", codec::encode(&RoomPayload::Welcome(Box::new(samples::shared::welcome_bundle())))),
                ("leave", codec::encode(&RoomPayload::Leave(samples::shared::leave()))),
                ("ways", codec::encode(&RoomPayload::Ways(Box::new(samples::shared::ways())))),
                ("befriend", codec::encode(&RoomPayload::Befriend(Box::new(samples::shared::befriend())))),
                ("sibling", codec::encode(&RoomPayload::Sibling(Box::new(samples::shared::befriend())))),
                ("gone", codec::encode(&RoomPayload::Gone(Box::new(samples::devices::gone())))),
                ("device_list", codec::encode(&RoomPayload::DeviceList(Box::new(samples::devices::list())))),
                ("read", codec::encode(&RoomPayload::Read(MessageId([0x6a; 16])))),
                ("again", codec::encode(&RoomPayload::Again)),
                ("skip", codec::encode(&RoomPayload::Skip)),
                ("seed", codec::encode(&RoomPayload::Seed(samples::seed()))),
                ("lifeline", codec::encode(&RoomPayload::Lifeline(samples::ben().lifeline()))),
                ("capabilities", codec::encode(&RoomPayload::Capabilities(Capabilities(5)))),
                ("introduce", codec::encode(&RoomPayload::Introduce(samples::introduction()))),
                ("consent", codec::encode(&RoomPayload::Consent(Consent { id: RequestId([0x71; 16]), contact: Some(vec![1; 64]) }))),
                ("card", codec::encode(&RoomPayload::IntroCard(IntroCard { id: RequestId([0x71; 16]), contact: vec![1; 64] }))),
                (
                    "receipts",
                    codec::encode(&RoomPayload::Receipts(vec![ReceiptItem { frame: FrameId([0x6b; 32]), outcome: Outcome::Delivered }])),
                ),
            ]);
            let own = samples::devices::said().into_iter().map(|(name, said)| (name, RoomPayload::Own(Box::new(said))));
            all.extend(own.map(|(name, said)| (name, codec::encode(&said))));
            all
        }
        "roster" => vec![("crew", codec::encode(&samples::roster()))],
        "commit_info" => {
            vec![("all", codec::encode(&samples::shared::commit_info())), ("name", codec::encode(&samples::shared::naming()))]
        }
        "seated_roster" => vec![("crew", codec::encode(&samples::shared::seated_roster()))],
        "welcome_bundle" => vec![("ben", codec::encode(&samples::shared::welcome_bundle()))],
        "joined_body" => vec![("ben", codec::encode(&samples::devices::joined()))],
        "own_said" => samples::devices::said().into_iter().map(|(name, said)| (name, codec::encode(&said))).collect(),
        "gone" => vec![("ben", codec::encode(&samples::devices::gone()))],
        "backup_part" => samples::recovery::parts().into_iter().map(|(name, part)| (name, codec::encode(&part))).collect(),
        "capsule_piece" => vec![("first", samples::recovery::piece().padded())],
        "capsule_places" => vec![("one", codec::encode(&samples::recovery::places()))],
        "leaf_credential" => vec![("ann", samples::credential())],
        "posted" => vec![("ben", samples::posted()), ("presence", samples::record())],
        "ask" => vec![("get", Ask::Get(LookupId([0x6c; 32])).encode()), ("put", Ask::Put(samples::record()).encode())],
        "answer" => vec![
            ("found", Answer::Found(Some(samples::record())).encode()),
            ("nothing", Answer::Found(None).encode()),
            ("kept", Answer::Put(Kept::Yes).encode()),
        ],
        "hub_ask" => samples::vouching::asks().into_iter().map(|(name, ask)| (name, ask.encode())).collect(),
        "hub_answer" => samples::vouching::answers().into_iter().map(|(name, answer)| (name, answer.encode())).collect(),
        "card_record" => vec![("ann", codec::encode(&samples::vouching::card_record()))],
        "card" => vec![("ann", samples::vouching::card().text().into_bytes())],
        "record" => vec![("header", samples::record())],
        "header" => vec![("one_friend", codec::encode(&samples::header()))],
        "body" => vec![("short", codec::encode(&samples::body()))],
        "signed_presence" => vec![("ben", codec::encode(&samples::signed_presence()))],
        "identifier" => vec![
            ("peer", PeerId([0xa7; 32]).to_string().into_bytes()),
            ("grant", GrantId([0xa7; 16]).to_string().into_bytes()),
            ("signature", samples::receipt().signature.to_string().into_bytes()),
        ],
        "words" => {
            let words = fingerprint_words(&ben.identity.peer());
            vec![("plain", words.clone().into_bytes()), ("shouted", words.to_uppercase().replace(' ', ", ").into_bytes())]
        }
        "lan_places" => {
            let list = samples::lan_places().as_bytes().to_vec();
            vec![("three", list.clone()), ("one", list.get(..7).unwrap_or_default().to_vec())]
        }
        _ => Vec::new(),
    }
}

/// Inputs that no decoder may stumble over.
pub fn nasty() -> Vec<Seed> {
    let framed = |body: &[u8]| [&[codec::VERSION][..], body].concat();
    let receipt = codec::encode(&samples::receipt_body());
    let mut too_many = samples::receipt_body();
    too_many.items = too_many.items.iter().cycle().take(RECEIPT_MAX + 1).copied().collect();
    let me = samples::ben();
    let long = Receipt::sign(&me.identity.signing, &me.mailbox.id(), &too_many);
    vec![
        ("empty", Vec::new()),
        ("version_only", framed(&[])),
        ("version_2", vec![2, 0xa0]),
        ("zeros", vec![0; 600]),
        ("ones", vec![0xff; 600]),
        ("arrays_in_arrays", framed(&[0x81; 4_096])),
        ("maps_in_maps", framed(&[[0xa1, 0x00]; 2_048].concat())),
        ("open_arrays_in_arrays", framed(&[0x9f; 4_096])),
        ("tags_of_tags", framed(&[0xc1; 4_096])),
        ("array_of_2_64", framed(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        ("array_of_2_32", framed(&[0x9a, 0xff, 0xff, 0xff, 0xff, 0x00])),
        ("map_of_2_64", framed(&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        ("bytes_of_2_60", framed(&[0xa1, 0x00, 0x5b, 0x10, 0, 0, 0, 0, 0, 0, 0])),
        ("text_of_2_60", framed(&[0xa1, 0x00, 0x7b, 0x10, 0, 0, 0, 0, 0, 0, 0])),
        ("items_of_2_64", framed(&[0xa2, 0x00, 0x00, 0x01, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        ("open_map", framed(&[0xbf, 0x00, 0x00, 0xff])),
        ("open_bytes", framed(&[0xa1, 0x00, 0x5f, 0x41, 0x00, 0x41, 0x00, 0xff])),
        ("open_text", framed(&[0xa1, 0x00, 0x7f, 0x61, 0x61, 0xff])),
        ("break_alone", framed(&[0xff])),
        ("duplicate_key", framed(&[0xa2, 0x00, 0x00, 0x00, 0x00])),
        ("descending_keys", framed(&[0xa2, 0x01, 0x80, 0x00, 0x00])),
        ("negative_key", framed(&[0xa1, 0x20, 0x00])),
        ("text_key", framed(&[0xa1, 0x61, 0x30, 0x00])),
        ("key_in_8_bytes", framed(&[0xa1, 0x1b, 0, 0, 0, 0, 0, 0, 0, 0, 0x00])),
        ("null_fields", framed(&[0xa3, 0x00, 0xf6, 0x01, 0xf6, 0x02, 0xf6])),
        ("undefined_fields", framed(&[0xa3, 0x00, 0xf7, 0x01, 0xf7, 0x02, 0xf7])),
        ("float_fields", framed(&[0xa2, 0x00, 0xf9, 0x7e, 0x00, 0x01, 0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0])),
        ("bool_fields", framed(&[0xa2, 0x00, 0xf5, 0x01, 0xf4])),
        ("reserved_head", framed(&[0xa1, 0x00, 0x1c])),
        ("reserved_simple", framed(&[0xa1, 0x00, 0xf8, 0x10])),
        ("bad_utf8", framed(&[0xa3, 0x00, 0x62, 0xc3, 0x28, 0x01, 0x61, 0xff, 0x02, 0x63, 0xed, 0xa0, 0x80])),
        ("unknown_variant", framed(&[0x82, 0x18, 0x63, 0x80])),
        ("variant_of_2_32", framed(&[0x82, 0x1a, 0xff, 0xff, 0xff, 0xff, 0x80])),
        ("variant_without_body", framed(&[0x82, 0x00, 0x80])),
        ("trailing_item", [&receipt[..], &receipt[..]].concat()),
        ("receipt_of_too_many", Frame::Receipt(long).encode()),
        ("receipt_cut", receipt.get(..receipt.len() / 2).unwrap_or_default().to_vec()),
        ("first_envelope_of_zeros", [&[1, 1][..], &[0; 510]].concat()),
        ("known_envelope_of_zeros", [&[1, 2][..], &[0; 510]].concat()),
        ("link_without_text", b"symbolon:".to_vec()),
        ("link_of_multibyte_text", "symbolö:äöü".as_bytes().to_vec()),
        ("link_with_stray_bits", b"symbolon:aaaaaaab".to_vec()),
        ("words_of_dotted_capitals", "\u{130}\u{130}\u{130} \u{1e9e}".as_bytes().to_vec()),
        ("words_without_end", b"zoo ".repeat(512)),
        ("lan_places_without_end", [1, 10, 9, 0, 1, 0, 9].repeat(9)),
        ("lan_place_of_this_machine", vec![3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1, 0, 9]),
    ]
}

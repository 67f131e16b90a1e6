//! What `docs/protocol/vouching.md` refuses.

use super::{Case, case, flipped, replaced, taken, vectors_of, with_field};
use crate::hex;
use minicbor::Encode;
use serde_json::{Value, json};
use symbolon_core::wire::{CardBody, CardRecord, KnockBody, PAYLOAD_MAX, Transcript, Vouch, VouchHello, VouchResponse};
use symbolon_presence::address::Address;
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, Digest, EpochId, InviteId, ListenerId, Nonce, PeerId, PublicKeyBytes, RoomAlias, RoomId};
use symbolon_presence::identity::{Device, Identity, pair_context};
use symbolon_presence::kdf::hash;
use symbolon_presence::kem::{KEM_OVERHEAD, KemPublic, KemPublicBytes, kem_seal};
use symbolon_presence::labels::{HASH_CONTEXT, Label, SEAL_KNOCK, SEAL_VOUCHER, SIGN_CARD, SIGN_KNOCK, SIGN_NEWCOMER, SIGN_VOUCHER};
use symbolon_presence::time::{DAY, MINUTE, Timestamp};
use symbolon_relay::knock::{Answer, Ask, Await, KNOCK_LEN, Knock, Listen, RESPONSE_LEN, Respond, Say};
use symbolon_tests::samples::{self, NOW, ROOM, Runs, vouching};

/// What belongs to `docs/protocol/vouching.md`.
pub fn rooms() -> Vec<Value> {
    [
        vectors_of("card body", cards()),
        vectors_of("knock", knocks()),
        vectors_of("voucher", words()),
        vectors_of("newcomer", answers()),
        vectors_of("vouch", vouches()),
        vectors_of("question to a hub", questions()),
        vectors_of("answer of a hub", said_by_hub()),
    ]
    .concat()
}

fn cards() -> Vec<Case> {
    let ann = samples::ann().identity;
    let (id, maker) = (vouching::card_secret().id(), ann.peer());
    let read_at = |now: Timestamp, bytes: &[u8]| {
        CardRecord::decode(bytes).is_some_and(|record| record.verify(now, &id, vouching::CARD_DAY, &maker).is_some())
    };
    let given = |now: Timestamp, bytes: &[u8]| json!({ "bytes": hex(bytes), "now": now.0, "id": hex(id.as_bytes()), "day": vouching::CARD_DAY, "maker": hex(maker.as_bytes()) });
    let at = |name, why, now, record: &CardRecord| {
        let bytes = codec::encode(record);
        case(name, why, given(now, &bytes), read_at(now, &bytes))
    };
    let no = |name, why, record: &CardRecord| at(name, why, NOW, record);
    let of = |name, why, body: CardBody| no(name, why, &CardRecord::sign(&ann, &maker, &body));
    let (good, record) = (vouching::card_body(), vouching::card_record());
    let bytes = codec::encode(&record);
    let hub = vouching::hubs().remove(0);
    let low = KemPublicBytes::new([&good.key.as_bytes()[..1_184], &[0; 32]].concat()).unwrap();
    let ben = samples::ben().identity;
    let long = {
        let body = codec::encode(&good);
        let body = replaced(&body, &[1, 0xa7], &[1, 0xb8, 7]);
        CardRecord { signature: ann.signing.sign(SIGN_CARD, &pair_context(&maker, &maker), &body), body, ..record.clone() }
    };
    vec![
        taken(given(NOW, &bytes), read_at(NOW, &bytes)),
        at("a certificate that has ended", "chain", NOW.after(366 * DAY), &record),
        no("of somebody else", "maker", &CardRecord::sign(&ben, &ben.peer(), &good)),
        no(
            "signature over another body",
            "signature",
            &CardRecord { body: codec::encode(&CardBody { number: 1, ..good.clone() }), ..record.clone() },
        ),
        no("a body in another encoding", "malformed", &long),
        of("of another card", "card", CardBody { id: InviteId([1; 16]), ..good.clone() }),
        of("of another day", "card", CardBody { day: 1, ..good.clone() }),
        of("without a hub", "hubs", CardBody { hubs: Vec::new(), ..good.clone() }),
        of("four hubs", "hubs", CardBody { hubs: vec![hub.clone(); 4], ..good.clone() }),
        of("a hub without an address", "hubs", CardBody { hubs: vec![Vec::<Address>::new()], ..good.clone() }),
        of("a hub of five addresses", "hubs", CardBody { hubs: vec![vec![hub[0].clone(); 5]], ..good.clone() }),
        of("that has ended, skew granted", "expires", CardBody { expires: Timestamp(NOW.0 - 11 * MINUTE), ..good.clone() }),
        of("a knock key whose X25519 half is of small order", "key", CardBody { key: low, ..good }),
    ]
}

fn knock_context(alias: &RoomAlias, number: &Nonce) -> Digest {
    hash(HASH_CONTEXT, &[alias.as_bytes(), number.as_bytes()])
}

/// What is sealed, of any content: its length before it and zeros behind it.
fn filled(content: &[u8], length: usize) -> Vec<u8> {
    let mut plain = [&u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat();
    plain.resize(length - KEM_OVERHEAD, 0);
    plain
}

fn encoded(body: &impl Encode<()>) -> Vec<u8> {
    codec::encode(body)
}

fn knocks() -> Vec<Case> {
    let (secret, number, ben) = (vouching::secret(), vouching::KNOCK, samples::ben().identity);
    let context = knock_context(&secret.alias(), &number);
    let read_at = |now, sealed: &[u8]| KnockBody::open(sealed, &secret, &number, now).is_some();
    let given = |now: Timestamp, sealed: &[u8]| json!({ "secret": hex(secret.0.expose()), "knock": hex(number.as_bytes()), "now": now.0, "bytes": hex(sealed) });
    let no = |name, why, sealed: &[u8]| case(name, why, given(NOW, sealed), read_at(NOW, sealed));
    let seal = |label: Label, to: &KemPublic, plain: &[u8]| kem_seal(label, to, None, context.as_bytes(), plain, &mut Runs::from(0x97));
    let to = secret.key().public();
    let plain = |name, why, plain: &[u8]| no(name, why, &seal(SEAL_KNOCK, &to, plain));
    let of = |name, why, body: &KnockBody| plain(name, why, &filled(&encoded(body), KNOCK_LEN));
    let good = vouching::knock();
    let (body, ..) = KnockBody::open(&good, &secret, &number, NOW).unwrap();
    let content = encoded(&body);
    let weak = KemPublicBytes::new([vec![0xff; 1_184], vec![9; 32]].concat()).unwrap();
    let signature = ben.signing.sign(SIGN_KNOCK, &context, &codec::encode(&(body.card, &weak)));
    let end = NOW.after(366 * DAY);
    vec![
        taken(given(NOW, &good), read_at(NOW, &good)),
        no("one byte short", "seal", &good[..KNOCK_LEN - 1]),
        no("sealed to another key", "seal", &seal(SEAL_KNOCK, &vouching::ephemeral().public(), &filled(&content, KNOCK_LEN))),
        no("sealed for another use", "seal", &seal(SEAL_VOUCHER, &to, &filled(&content, KNOCK_LEN))),
        plain("a byte behind the record", "padding", &flipped(&filled(&content, KNOCK_LEN), KNOCK_LEN - KEM_OVERHEAD - 1)),
        plain("longer than what is sealed", "padding", &[&[0xff, 0xff], &filled(&content, KNOCK_LEN)[2..]].concat()),
        plain("a field too many", "malformed", &filled(&with_field(&content, 4), KNOCK_LEN)),
        case("a certificate that has ended", "chain", given(end, &good), read_at(end, &good)),
        of("the chain of somebody else", "signature", &KnockBody { chain: samples::ann().identity.chain, ..body.clone() }),
        of("by another card", "signature", &KnockBody { card: Digest([1; 32]), ..body.clone() }),
        of("a drawn key that is none", "key", &KnockBody { key: weak, signature, ..body }),
    ]
}

/// What members say to Ben, as he takes them: from the chain in the word on, before it is asked whose friend they are.
fn words() -> Vec<Case> {
    let (number, key, ann) = (vouching::KNOCK, vouching::ephemeral(), samples::ann().identity);
    let transcript = vouching::transcript();
    let context = knock_context(&transcript.alias, &number);
    let read_at = |now: Timestamp, sealed: &[u8]| {
        let Some(word) = VouchHello::open(sealed, &key, &transcript.alias, &number) else { return false };
        let Ok(voucher) = word.chain.verify(now) else { return false };
        let Ok(drawn) = KemPublic::parse(&word.key) else { return false };
        word.is_by(&voucher, &of_word(&word, &voucher, &drawn.bytes()))
    };
    let given = |now: Timestamp, sealed: &[u8]| json!({ "knock": hex(number.as_bytes()), "now": now.0, "bytes": hex(sealed) });
    let no = |name, why, sealed: &[u8]| case(name, why, given(NOW, sealed), read_at(NOW, sealed));
    let seal = |plain: &[u8]| kem_seal(SEAL_VOUCHER, &key.public(), None, context.as_bytes(), plain, &mut Runs::from(0x99));
    let plain = |name, why, plain: &[u8]| no(name, why, &seal(plain));
    let of = |name, why, word: &VouchHello| plain(name, why, &filled(&encoded(word), KNOCK_LEN));
    let good = vouching::hello();
    let word = VouchHello::open(&good, &key, &transcript.alias, &number).unwrap();
    let content = encoded(&word);
    let signed_as = |label, said: &Transcript| VouchHello { signature: ann.signing.sign(label, &said.digest(), &[]), ..word.clone() };
    let end = NOW.after(366 * DAY);
    vec![
        taken(given(NOW, &good), read_at(NOW, &good)),
        no("a pass", "seal", &[0x5a; KNOCK_LEN]),
        plain("a byte behind the record", "padding", &flipped(&filled(&content, KNOCK_LEN), KNOCK_LEN - KEM_OVERHEAD - 1)),
        plain("a field too many", "malformed", &filled(&with_field(&content, 6), KNOCK_LEN)),
        case("a certificate that has ended", "chain", given(end, &good), read_at(end, &good)),
        of("the chain of somebody else", "signature", &VouchHello { chain: samples::ben().identity.chain, ..word.clone() }),
        of("another room", "signature", &VouchHello { room: RoomId([1; 32]), ..word.clone() }),
        of("another epoch", "signature", &VouchHello { epoch: EpochId([1; 32]), ..word.clone() }),
        of("signed for another knock", "signature", &signed_as(SIGN_VOUCHER, &Transcript { knock: Nonce([1; 16]), ..transcript.clone() })),
        of("signed by another card", "signature", &signed_as(SIGN_VOUCHER, &Transcript { card: Digest([1; 32]), ..transcript.clone() })),
        of("signed as a newcomer", "signature", &signed_as(SIGN_NEWCOMER, &transcript)),
    ]
}

/// The transcript as Ben builds it of a word.
fn of_word(word: &VouchHello, voucher: &Device, drawn: &KemPublicBytes) -> Transcript {
    let ben = samples::ben().identity;
    Transcript {
        hello: word.hello,
        keys: symbolon_core::wire::keys_digest(&vouching::ephemeral().public().bytes(), drawn),
        newcomer: (ben.person(), ben.device),
        voucher: (voucher.person, voucher.device),
        room: word.room,
        epoch: word.epoch,
        ..vouching::transcript()
    }
}

fn answers() -> Vec<Case> {
    let (transcript, key) = (vouching::transcript(), vouching::answer_key());
    let ben = samples::ben().identity;
    let device = ben.chain.verify(NOW).unwrap();
    let read = |sealed: &[u8]| VouchResponse::open(sealed, &key, &transcript, &device).is_some();
    let given = |sealed: &[u8]| json!({ "transcript": hex(codec::encode(&transcript)), "bytes": hex(sealed) });
    let no = |name, why, sealed: &[u8]| case(name, why, given(sealed), read(sealed));
    let good = vouching::response();
    let by = |who: &Identity, said: &Transcript| {
        VouchResponse::seal(who, said, vec![0x9a; 4_096], &key.public(), &mut Runs::from(0x9b)).unwrap()
    };
    let other = Transcript { epoch: EpochId([1; 32]), ..transcript.clone() };
    vec![
        taken(given(&good), read(&good)),
        no("one byte short", "seal", &good[..RESPONSE_LEN - 1]),
        no("to what was said in another epoch", "seal", &by(&ben, &other)),
        no("signature of another device", "signature", &by(&samples::ann().identity, &transcript)),
    ]
}

/// What a commit shows, as members of the room check it.
fn vouches() -> Vec<Case> {
    let (alias, ann) = (vouching::secret().alias(), samples::ann().identity);
    let ben = samples::ben().identity;
    let read = |newcomer: &Identity, voucher: &PeerId, room: &RoomId, alias: &RoomAlias, bytes: &[u8]| {
        let device = newcomer.chain.verify(NOW).unwrap();
        codec::decode::<Vouch>(bytes, PAYLOAD_MAX).is_ok_and(|vouch| vouch.is_by(&device, voucher, room, alias))
    };
    let given = |newcomer: &Identity, voucher: &PeerId, room: &RoomId, alias: &RoomAlias, bytes: &[u8]| {
        json!({
            "seat": hex(codec::encode(&newcomer.chain)),
            "voucher": hex(voucher.as_bytes()),
            "room": hex(room.as_bytes()),
            "alias": hex(alias.as_bytes()),
            "bytes": hex(bytes),
        })
    };
    let good = vouching::vouch();
    let bytes = codec::encode(&good);
    let no = |name, why, vouch: &Vouch| {
        let bytes = codec::encode(vouch);
        case(name, why, given(&ben, &ann.peer(), &ROOM, &alias, &bytes), read(&ben, &ann.peer(), &ROOM, &alias, &bytes))
    };
    let with = |name, why, newcomer: &Identity, voucher: &PeerId, room: &RoomId, alias: &RoomAlias| {
        case(name, why, given(newcomer, voucher, room, alias, &bytes), read(newcomer, voucher, room, alias, &bytes))
    };
    vec![
        taken(given(&ben, &ann.peer(), &ROOM, &alias, &bytes), read(&ben, &ann.peer(), &ROOM, &alias, &bytes)),
        with("a seat of somebody else", "seat", &ann, &ann.peer(), &ROOM, &alias),
        with("a committer of another person", "signature", &ben, &ben.peer(), &ROOM, &alias),
        with("another room", "signature", &ben, &ann.peer(), &RoomId([1; 32]), &alias),
        with("after a departure, which gives the room another alias", "signature", &ben, &ann.peer(), &ROOM, &RoomAlias([1; 32])),
        no("another knock", "signature", &Vouch { knock: Nonce([1; 16]), ..good.clone() }),
        no("another device of the voucher", "signature", &Vouch { voucher: DeviceId([1; 16]), ..good.clone() }),
        no("another epoch", "signature", &Vouch { epoch: EpochId([1; 32]), ..good }),
    ]
}

fn questions() -> Vec<Case> {
    let (alias, hub, listener) = (vouching::secret().alias(), vouching::secret().hub(), ListenerId([0x9c; 16]));
    let read = |bytes: &[u8]| {
        Ask::decode(bytes).is_ok_and(|ask| match ask {
            Ask::Listen(listen) => listen.room().is_some(),
            Ask::Say(say) => say.room().is_some(),
            Ask::Knock(_) | Ask::Await(_) | Ask::Respond(_) => true,
        })
    };
    let given = |bytes: &[u8]| json!({ "bytes": hex(bytes) });
    let raw = |name, why, bytes: &[u8]| case(name, why, given(bytes), read(bytes));
    let no = |name, why, ask: &Ask| raw(name, why, &ask.encode());
    let good = Ask::Say(Say::sign(&hub, listener, vouching::KNOCK, vouching::hello())).encode();
    let waits = Ask::Await(Await { alias, nonce: vouching::KNOCK, had: 1, is_closed: false }).encode();
    let said = Say::sign(&hub, listener, vouching::KNOCK, vouching::hello());
    let listens = Listen::sign(&hub, listener, 3);
    let mut weak = listens.clone();
    weak.member.key = PublicKeyBytes([0; 32]);
    let mut other = listens;
    other.member.listener = ListenerId([1; 16]);
    vec![
        taken(given(&good), read(&good)),
        raw("of no kind", "malformed", &replaced(&waits, &[0x82, 1], &[0x82, 5])),
        raw("a count of more than 16 bits", "malformed", &replaced(&waits, &[2, 1, 3], &[2, 0x1a, 0, 1, 0, 0, 3])),
        raw("a count in two bytes", "malformed", &replaced(&waits, &[2, 1, 3], &[2, 0x18, 1, 3])),
        no("a knock that is a byte short", "length", &Ask::Knock(Knock { alias, nonce: vouching::KNOCK, sealed: vec![0; KNOCK_LEN - 1] })),
        no("a word that is a byte too long", "length", &Ask::Say(Say::sign(&hub, listener, vouching::KNOCK, vec![0; KNOCK_LEN + 1]))),
        no(
            "an answer that is a byte short",
            "length",
            &Ask::Respond(Respond { alias, nonce: vouching::KNOCK, to: 0, sealed: vec![0; RESPONSE_LEN - 1] }),
        ),
        no("a word about another knock", "signature", &Ask::Say(Say { nonce: Nonce([1; 16]), ..said.clone() })),
        no("another word", "signature", &Ask::Say(Say { sealed: vec![0; KNOCK_LEN], ..said })),
        no("another listener", "signature", &Ask::Listen(other)),
        no("a hub key that is none", "signature", &Ask::Listen(weak)),
    ]
}

fn said_by_hub() -> Vec<Case> {
    let given = |bytes: &[u8]| json!({ "bytes": hex(bytes) });
    let read = |bytes: &[u8]| Answer::decode(bytes).is_ok();
    let no = |name, why, bytes: &[u8]| case(name, why, given(bytes), read(bytes));
    let good = Answer::Said(1, vouching::hello()).encode();
    vec![
        taken(given(&good), read(&good)),
        no("a word that is a byte short", "length", &Answer::Said(1, vec![0; KNOCK_LEN - 1]).encode()),
        no("a knock that is a byte too long", "length", &Answer::Knocks(vouching::KNOCK, vec![0; KNOCK_LEN + 1]).encode()),
        no("an answer that is a byte short", "length", &Answer::Responds(vouching::KNOCK, vec![0; RESPONSE_LEN - 1]).encode()),
        no("of no kind", "malformed", &[1, 0x82, 7, 0x80]),
        no("a reason that is none", "malformed", &[1, 0x82, 1, 0x81, 3]),
        no("a closed one with content", "malformed", &[1, 0x82, 6, 0x81, 0]),
    ]
}

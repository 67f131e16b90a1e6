//! What `docs/protocol/devices.md` and `recovery.md` refuse.

use super::{Case, case, flipped, replaced, taken, vectors_of, with_field};
use crate::hex;
use serde_json::{Value, json};
use symbolon_core::command::{Command, CommandError};
use symbolon_core::contact::{ContactBody, ContactRecord, InviteMark};
use symbolon_core::wire::{BACKUP_MAGIC, BackupHead, BackupPart, Contact, First, Gone, JoinedBody, PAYLOAD_MAX, Statement, Step, is_name};
use symbolon_node::run::backup::restore;
use symbolon_presence::capsule::{PIECE_BYTES, Piece};
use symbolon_presence::codec;
use symbolon_presence::device_list::{DeviceList, DeviceListBody};
use symbolon_presence::id::{DeviceId, Digest, InviteId, base32};
use symbolon_presence::identity::{Chain, Identity, pair_context};
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kdf::{Secret, derive, hash};
use symbolon_presence::kem::KemPublicBytes;
use symbolon_presence::labels::{HASH_CONTEXT, KEY_CAPSULE, KEY_CAPSULE_PIECE, KEY_SECOND_ROOT, SEAL_CAPSULE, SIGN_CONTACT, SIGN_DEVICES};
use symbolon_presence::record::day_of;
use symbolon_presence::seal::aead_seal_random;
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::{DAY, MINUTE, Timestamp};
use symbolon_presence::words::recovery_words;
use symbolon_tests::samples::{self, NOW, Runs, devices, recovery};
use symbolon_tests::sim::{Faults, Sim};

/// What belongs to `docs/protocol/devices.md` and `recovery.md`.
pub fn devices() -> Vec<Value> {
    [
        vectors_of("device list", lists()),
        vectors_of("gone", gone()),
        vectors_of("capsule piece", pieces()),
        vectors_of("backup", backups()),
        vectors_of("pairing code", codes()),
        vectors_of("pairing body", bodies()),
        vectors_of("joined", joined()),
    ]
    .concat()
}

fn lists() -> Vec<Case> {
    let (ben, ann) = (samples::ben().identity, samples::ann().identity);
    let root = ben.chain.root;
    let second_of = |who: &Identity| SigningKey::from_seed(derive(who.entropy.as_ref().unwrap().expose(), KEY_SECOND_ROOT, &[]).expose());
    let context = hash(HASH_CONTEXT, &[root.as_bytes()]);
    let by = |key: &SigningKey, body: Vec<u8>| DeviceList {
        root,
        second: key.public(),
        signature: key.sign(SIGN_DEVICES, &context, &body),
        body,
    };
    let signed = |body: Vec<u8>| by(&second_of(&ben), body);
    let of =
        |devices: Vec<u8>| codec::encode(&DeviceListBody { number: 7, devices: devices.into_iter().map(|n| DeviceId([n; 16])).collect() });
    let read = |bytes: &[u8]| {
        let list = codec::decode::<DeviceList>(bytes, PAYLOAD_MAX).ok();
        list.is_some_and(|list| list.person() == ben.person() && list.verify(&ben.second_root).is_some())
    };
    let given = |bytes: &[u8]| json!({ "bytes": hex(bytes), "person": hex(ben.person().as_bytes()), "second_root": hex(ben.second_root.as_bytes()) });
    let no = |name, why, list: &DeviceList| {
        let bytes = codec::encode(list);
        case(name, why, given(&bytes), read(&bytes))
    };
    let good = devices::list();
    let bytes = codec::encode(&good);
    let broken = with_field(&bytes, 4);
    let body = of(vec![1, 2]);
    vec![
        taken(given(&bytes), read(&bytes)),
        case("a field too many", "malformed", given(&broken), read(&broken)),
        no("of another person", "person", &DeviceList { root: ann.chain.root, ..good.clone() }),
        no("another second root key", "second root", &by(&second_of(&ann), good.body.clone())),
        no("signed by the root key", "second root", &by(ben.root.as_ref().unwrap(), good.body.clone())),
        no("signature of another key", "signature", &DeviceList { second: good.second, ..by(&second_of(&ann), good.body.clone()) }),
        no("signature over another body", "signature", &DeviceList { body: body.clone(), ..good.clone() }),
        no("a number in two bytes", "body", &signed(replaced(&body, &[0, 7, 1], &[0, 0x18, 7, 1]))),
        no("a byte behind the body", "body", &signed([body.as_slice(), &[0]].concat())),
        no("ids that fall", "devices", &signed(of(vec![2, 1]))),
        no("one id twice", "devices", &signed(of(vec![1, 1]))),
        no("no device", "devices", &signed(of(Vec::new()))),
        no("nine devices", "devices", &signed(of((1..=9).collect()))),
    ]
}

/// A further device of Ben's, with other keys than the laptop and a rank above it.
fn phone() -> Identity {
    let mut phone = Identity::certify(Secret::from_bytes([0xc0; 32]), 1, &mut Runs::from(0xc1), NOW, 365 * DAY);
    let keys = (phone.signing.public(), phone.dh.public().bytes());
    let chain = samples::ben().identity.certify_further(keys, 20, NOW, NOW.after(365 * DAY)).unwrap();
    assert!(phone.become_further(&chain, samples::ben().identity.second_root, NOW));
    phone
}

fn gone() -> Vec<Case> {
    let (ben, ann, laptop, phone) = (samples::ben().identity, samples::ann().identity, devices::laptop(), phone());
    let at = |sure: Timestamp, bytes: &[u8]| {
        let is_taken = codec::decode::<Gone>(bytes, PAYLOAD_MAX).is_ok_and(|gone| gone.verify(sure).is_some());
        (json!({ "bytes": hex(bytes), "sure": sure.0 }), is_taken)
    };
    let no = |name, why, gone: &Gone| {
        let (given, is_taken) = at(NOW, &codec::encode(gone));
        case(name, why, given, is_taken)
    };
    let good = devices::gone();
    let bytes = codec::encode(&good);
    let yes = |sure, bytes: &[u8]| {
        let (given, is_taken) = at(sure, bytes);
        Case { name: "", why: None, given, is_taken }
    };
    let named = |name, case: Case| Case { name, ..case };
    let ((broken, broken_taken), (late, late_taken)) = (at(NOW, &with_field(&bytes, 4)), at(NOW.after(766 * DAY), &bytes));
    let of_ann = Chain { signature: ann.chain.signature, ..laptop.chain.clone() };
    let mut cases = vec![
        yes(NOW, &bytes),
        case("a field too many", "malformed", broken, broken_taken),
        case("certificates that have ended 401 days ago", "chain", late, late_taken),
        no("a certificate that the root has not signed", "chain", &Gone { device: of_ann, ..good.clone() }),
        no("signature of another key", "signature", &Gone { signature: Gone::sign(&ann, &laptop.chain).signature, ..good.clone() }),
        no("root signature of another key", "root signature", &Gone { root: Gone::sign(&ann, &laptop.chain).root, ..good.clone() }),
        no("of another person", "person", &Gone::sign(&ann, &laptop.chain)),
        no("of itself", "device", &Gone::sign(&ben, &ben.chain)),
        no("by the first device without the root key", "rank", &Gone { root: None, ..good.clone() }),
        no("by a device of a higher rank", "rank", &Gone::sign(&phone, &laptop.chain)),
        no("of the first device by a further one", "rank", &Gone::sign(&phone, &ben.chain)),
    ];
    // What is taken all the same: by rank alone, and long after.
    for (name, sure, said) in [
        ("by the lower rank", NOW, Gone::sign(&laptop, &phone.chain)),
        ("certificates that have ended 400 days ago", NOW.after(765 * DAY), good),
    ] {
        cases.push(named(name, yes(sure, &codec::encode(&said))));
    }
    cases
}

fn pieces() -> Vec<Case> {
    let (keys, relay, words) = (recovery::capsule(), recovery::RELAY, recovery::key());
    let sealed_with = |words: &Secret, number: u8, plain: &[u8]| {
        let key = derive(derive(words.expose(), KEY_CAPSULE, &[]).expose(), KEY_CAPSULE_PIECE, &[relay.as_bytes(), &[number]]);
        [&[0xb8; 12], aead_seal_random(&key, &[0xb8; 12], SEAL_CAPSULE, &[], plain).as_slice()].concat()
    };
    let good = Piece { version: 7, index: 0, count: 1, bytes: vec![0xb9; 9] };
    let given = |package: &[u8]| json!({ "key": hex(words.expose()), "relay": hex(relay.as_bytes()), "number": 0, "bytes": hex(package) });
    let read = |package: &[u8]| keys.open(&relay, 0, package).is_some();
    let no = |name, why, package: &[u8]| case(name, why, given(package), read(package));
    let plain = |name, why, plain: &[u8]| no(name, why, &sealed_with(&words, 0, plain));
    let of = |name, piece: &Piece| plain(name, "bounds", &piece.padded());
    let package = sealed_with(&words, 0, &good.padded());
    let padded = |record: &[u8]| {
        let mut plain = [&u16::try_from(record.len()).unwrap().to_be_bytes(), record].concat();
        plain.resize(4_068, 0);
        plain
    };
    let record = codec::encode(&good);
    vec![
        taken(given(&package), read(&package)),
        no("one byte short", "length", &package[..4_095]),
        no("one bit flipped", "seal", &flipped(&package, 2_000)),
        no("of another mailbox", "seal", &sealed_with(&words, 1, &good.padded())),
        no("of other words", "seal", &sealed_with(&Secret::from_bytes([1; 32]), 0, &good.padded())),
        plain("longer than what is sealed", "padding", &[&[0xff, 0xff], &good.padded()[2..]].concat()),
        plain("a byte behind the piece", "padding", &flipped(&good.padded(), 4_067)),
        plain("a number in two bytes", "malformed", &padded(&replaced(&record, &[0, 7, 1], &[0, 0x18, 7, 1]))),
        plain("a field too many", "malformed", &padded(&with_field(&record, 4))),
        of("index behind the last", &Piece { index: 1, ..good.clone() }),
        of("none in all", &Piece { count: 0, ..good.clone() }),
        of("133 in all", &Piece { count: 133, bytes: vec![0xb9; PIECE_BYTES], ..good.clone() }),
        of("a short one before the last", &Piece { count: 2, ..good.clone() }),
        of("an empty one", &Piece { bytes: Vec::new(), ..good.clone() }),
        of("one of 4,001 bytes", &Piece { bytes: vec![0xb9; PIECE_BYTES + 1], ..good }),
    ]
}

/// Files of a first and a last part, read as the command reads them.
fn backups() -> Vec<Case> {
    let words = samples::ben().identity.entropy.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let person = samples::ben().identity.person();
    let head = |person| {
        BackupPart::Head(BackupHead {
            made: NOW,
            person,
            serial: 9,
            name: "Ben".to_owned(),
            relays: Vec::new(),
            lookups: Vec::new(),
            list: None,
        })
    };
    let sealed = |part: &BackupPart, at| part.seal(&recovery::key(), &recovery::ID, at, &mut Runs::from(0xbb));
    let written = |parts: &[Vec<u8>]| {
        let part = |sealed: &Vec<u8>| [u32::try_from(sealed.len()).unwrap().to_be_bytes().as_slice(), sealed].concat();
        [BACKUP_MAGIC, recovery::ID.as_bytes(), &parts.iter().flat_map(part).collect::<Vec<u8>>()].concat()
    };
    let (first, last) = (sealed(&head(person), 0), sealed(&BackupPart::End, 1));
    let good = written(&[first.clone(), last.clone()]);
    let read = |words: &Secret, file: &[u8]| {
        let (path, data) = (folder.path().join("backup"), folder.path().join("data"));
        std::fs::write(&path, file).unwrap();
        let read = restore(&data, &path, &recovery_words(words), None).map_err(|error| error.kind);
        // What was refused has made nothing; what was taken makes place for the next one.
        assert_eq!(data.exists(), read.is_ok());
        let _ = std::fs::remove_dir_all(&data);
        read.map(|_| ())
    };
    let given = |words: &Secret, file: &[u8]| json!({ "entropy": hex(words.expose()), "bytes": hex(file) });
    let with = |name, why: &'static str, words: &Secret, file: &[u8]| {
        let read = read(words, file);
        let kind = match why {
            "no backup" => "not_a_backup",
            "wrong phrase" => "wrong_phrase",
            _ => "damaged_backup",
        };
        assert!(read == Ok(()) || read == Err(kind), "{name}: {read:?}");
        case(name, why, given(words, file), read.is_ok())
    };
    let no = |name, why, file: &[u8]| with(name, why, &words, file);
    let other = samples::ann().identity.person();
    vec![
        taken(given(&words, &good), read(&words, &good).is_ok()),
        no("another first line", "no backup", &flipped(&good, 16)),
        no("cut off in its id", "damaged backup", &good[..30]),
        no("cut off behind its id", "damaged backup", &good[..34]),
        no("cut off in a part", "damaged backup", &good[..good.len() - 1]),
        no("without its last part", "damaged backup", &written(std::slice::from_ref(&first))),
        no("a byte behind the last part", "damaged backup", &[good.as_slice(), &[0]].concat()),
        no("a part that is too long", "damaged backup", &[&good[..34], &[0, 4, 0, 1], &good[38..]].concat()),
        with("other words", "wrong phrase", &Secret::from_bytes([1; 32]), &good),
        no("a first part that was changed", "wrong phrase", &flipped(&good, 60)),
        no("a second part that was changed", "damaged backup", &flipped(&good, good.len() - 1)),
        no("a part in another place", "damaged backup", &written(&[first.clone(), sealed(&BackupPart::End, 2)])),
        no("its parts the other way round", "wrong phrase", &written(&[last.clone(), first.clone()])),
        no("no head", "wrong phrase", &written(&[sealed(&BackupPart::Persons(Vec::new()), 0), last.clone()])),
        no("a second head", "damaged backup", &written(&[first.clone(), sealed(&head(person), 1), sealed(&BackupPart::End, 2)])),
        no("a head of another person", "wrong phrase", &written(&[sealed(&head(other), 0), last])),
    ]
}

/// Codes, as a fresh node reads them.
fn codes() -> Vec<Case> {
    let mut sim = Sim::new(1, Faults::NONE);
    let node = sim.add("Laptop");
    let mut read = |code: &str| sim.command(node, Command::DeviceJoin(code.to_owned())).err() != Some(CommandError::BadCode);
    let good = base32().encode(devices::code().expose());
    let given = |code: &str| json!({ "code": code });
    let mut no = |name, code: &str| case(name, "code", given(code), read(code));
    let mut cases = vec![
        no("25 letters", &good[..25]),
        no("27 letters", &format!("{good}a")),
        no("a digit that base32 has not", &good.replacen('v', "1", 1)),
        no("bits left over that are not zero", &format!("{}n", &good[..25])),
        no("a full stop behind it", &format!("{good}.")),
    ];
    let spelled = format!(" {}-{} \n", &good[..13].to_uppercase(), &good[13..]);
    cases.insert(0, taken(given(&spelled), read(&spelled)));
    cases
}

fn bodies() -> Vec<Case> {
    let (code, today, ben) = (devices::code(), day_of(NOW), samples::ben().identity);
    let read_at = |now: Timestamp, id: &InviteId, bytes: &[u8]| {
        codec::decode::<ContactRecord>(bytes, PAYLOAD_MAX).is_ok_and(|record| record.verify_body(now, id, today, None).is_ok())
    };
    let given = |now: Timestamp, bytes: &[u8]| json!({ "secret": hex(code.expose()), "day": today, "now": now.0, "bytes": hex(bytes) });
    let signed = |body: &ContactBody| {
        let body = codec::encode(body);
        let signature = ben.signing.sign(SIGN_CONTACT, &pair_context(&ben.peer(), &ben.peer()), &body);
        ContactRecord { chain: ben.chain.clone(), body, signature }
    };
    let good = devices::code_contact();
    let mark = InviteMark { id: code.id(), day: today, number: NOW.0 };
    let body = |contacts: Vec<Contact>, invite| ContactBody {
        name: "Ben".to_owned(),
        expires: good.expires,
        contacts,
        servers: Vec::new(),
        invite,
    };
    let whole = |contact: Contact| body(vec![contact], Some(mark));
    let at = |name, why, now, record: &ContactRecord| {
        let bytes = codec::encode(record);
        case(name, why, given(now, &bytes), read_at(now, &code.id(), &bytes))
    };
    let no = |name, why, record: &ContactRecord| at(name, why, NOW, record);
    let of = |name, why, contact: Contact| no(name, why, &signed(&whole(contact)));
    let record = signed(&whole(good.clone()));
    let bytes = codec::encode(&record);
    let ann = samples::ann();
    let other = InviteSecret::from_bytes([1; 16]);
    let weak = KemPublicBytes::new([vec![0xff; 1_184], vec![9; 32]].concat()).unwrap();
    vec![
        taken(given(NOW, &bytes), read_at(NOW, &code.id(), &bytes)),
        at("a certificate that has ended", "chain", NOW.after(366 * DAY), &record),
        no("signature of another key", "signature", &ContactRecord { chain: ann.identity.chain.clone(), ..record.clone() }),
        no("without a contact", "bounds", &signed(&body(Vec::new(), Some(mark)))),
        no("five contacts", "bounds", &signed(&body(vec![good.clone(); 5], Some(mark)))),
        no("a name with a line feed", "bounds", &signed(&ContactBody { name: "B\nn".to_owned(), ..whole(good.clone()) })),
        of("a package that is no key", "bounds", Contact { package: weak, ..good.clone() }),
        no("body of no invite", "invite", &signed(&body(vec![good.clone()], None))),
        no("body of another code", "invite", &signed(&body(vec![good.clone()], Some(InviteMark { id: other.id(), ..mark })))),
        no("body of another day", "invite", &signed(&body(vec![good.clone()], Some(InviteMark { day: today + 1, ..mark })))),
        at("a code that has ended, skew granted", "expires", NOW.after(21 * MINUTE), &record),
        of("a mailbox whose receipts another key signs", "entry", Contact { entry: ann.contact().entry, ..good.clone() }),
        of(
            "a contact of another person",
            "peer",
            Contact { chain: Some(ann.identity.chain.clone()), entry: ann.contact().entry, ..good.clone() },
        ),
    ]
}

/// Answers to the Offer of a newcomer, as that takes them.
fn joined() -> Vec<Case> {
    let (ben, ann, newcomer) = (samples::ben().identity, samples::ann().identity, devices::newcomer());
    let statement = devices::joined_statement();
    let read_at = |now: Timestamp, bytes: &[u8]| {
        let Ok(first) = codec::decode::<First>(bytes, PAYLOAD_MAX) else { return false };
        let Some((device, read)) = first.verify(&newcomer.peer(), now) else { return false };
        let is_for_us = read.step == Step::Joined && read.device == newcomer.device && read.package == statement.package;
        let is_asked = device.peer == ben.peer() && read.transcript == statement.transcript;
        let Ok(body) = codec::decode::<JoinedBody>(&read.body, PAYLOAD_MAX) else { return false };
        is_for_us
            && is_asked
            && is_name(&body.name)
            && body.chain.root == device.root
            && newcomer.clone().become_further(&body.chain, body.second_root, now)
    };
    let given = |now: Timestamp, bytes: &[u8]| {
        json!({
            "bytes": hex(bytes),
            "now": now.0,
            "me": hex(newcomer.peer().as_bytes()),
            "device": hex(newcomer.device.as_bytes()),
            "package": hex(statement.package.as_bytes()),
            "asked": hex(ben.peer().as_bytes()),
            "transcript": hex(statement.transcript.as_bytes()),
            "signing": hex(newcomer.signing.public().as_bytes()),
            "dh": hex(newcomer.dh.public().bytes().as_bytes()),
        })
    };
    let at = |name, why, now, first: &First| {
        let bytes = codec::encode(first);
        case(name, why, given(now, &bytes), read_at(now, &bytes))
    };
    let no = |name, why, said: &Statement| at(name, why, NOW, &First::sign(&ben, said));
    let of = |name, why, body: JoinedBody| no(name, why, &Statement { body: codec::encode(&body), ..statement.clone() });
    let good = devices::joined_first();
    let bytes = codec::encode(&good);
    let body = devices::joined();
    let certified = |by: &Identity, keys, end| by.certify_further(keys, 9, NOW, end).unwrap();
    let (keys, end) = ((newcomer.signing.public(), newcomer.dh.public().bytes()), NOW.after(365 * DAY));
    let chain = |chain| JoinedBody { chain, ..body.clone() };
    vec![
        taken(given(NOW, &bytes), read_at(NOW, &bytes)),
        at("a certificate of the sender that has ended", "chain", NOW.after(366 * DAY), &good),
        at("signature of another key", "signature", NOW, &First { chain: ann.chain.clone(), ..good.clone() }),
        at("to somebody else", "signature", NOW, &First::sign(&ben, &Statement { to: ann.peer(), ..statement.clone() })),
        no("another step", "step", &Statement { step: Step::Confirm, ..statement.clone() }),
        no("to another device", "device", &Statement { device: DeviceId([1; 16]), ..statement.clone() }),
        no("sealed to another package", "package", &Statement { package: Digest([1; 32]), ..statement.clone() }),
        at("by somebody who was not asked", "asked", NOW, &First::sign(&ann, &statement)),
        no("answer to another Offer", "transcript", &Statement { transcript: Digest([1; 32]), ..statement.clone() }),
        of("a name of 65 bytes", "name", JoinedBody { name: "n".repeat(65), ..body.clone() }),
        of("a certificate by another root", "root", chain(certified(&ann, keys, end))),
        of("a certificate that has ended", "certificate", chain(certified(&ben, keys, Timestamp(NOW.0 - 11 * MINUTE)))),
        of("a certificate of a first device", "certificate", chain(ben.chain.clone())),
        of("a certificate for other keys", "certificate", chain(phone().chain)),
    ]
}

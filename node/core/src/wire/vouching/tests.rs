//! What newcomer and voucher sign, and what of it is worth nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use symbolon_presence::time::DAY;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn person(seed: u64) -> Identity {
    Identity::generate(&mut rng(seed), NOW, 365 * DAY)
}

fn device(of: &Identity) -> Device {
    of.chain.verify(NOW).unwrap()
}

fn secret() -> KnockSecret {
    KnockSecret(Secret::from_bytes([3; 32]))
}

fn body(secret: &KnockSecret) -> CardBody {
    let hubs = vec![vec![Address(vec![4, 192, 0, 2, 1, 6, 0, 80])]];
    let key = secret.key().public().bytes();
    CardBody { id: InviteId([1; 16]), day: 7, number: 1, expires: NOW.after(DAY), alias: secret.alias(), key, hubs }
}

fn card(by: &Identity, body: &CardBody) -> CardRecord {
    CardRecord::sign(by, &by.peer(), body)
}

/// A newcomer and a voucher, half-way.
struct Scene {
    newcomer: Identity,
    voucher: Identity,
    ephemeral: KemKey,
    answer: KemKey,
    transcript: Transcript,
}

fn scene() -> Scene {
    let (newcomer, voucher, ephemeral, answer) = (person(1), person(2), KemKey::from_bytes([4; 32]), KemKey::from_bytes([5; 32]));
    let transcript = Transcript {
        alias: secret().alias(),
        card: Digest([6; 32]),
        knock: Nonce([7; 16]),
        hello: Nonce([8; 16]),
        keys: keys_digest(&ephemeral.public().bytes(), &answer.public().bytes()),
        newcomer: (newcomer.peer(), newcomer.device),
        voucher: (voucher.peer(), voucher.device),
        room: RoomId([9; 32]),
        epoch: EpochId([10; 32]),
    };
    Scene { newcomer, voucher, ephemeral, answer, transcript }
}

fn hello(scene: &Scene) -> VouchHello {
    let sealed = VouchHello::seal(&scene.voucher, &scene.transcript, &scene.answer, &scene.ephemeral.public(), &mut rng(3)).unwrap();
    assert_eq!(sealed.len(), KNOCK_LEN);
    VouchHello::open(&sealed, &scene.ephemeral, &scene.transcript.alias, &scene.transcript.knock).unwrap()
}

fn response(scene: &Scene, by: &Identity, over: &Transcript) -> Vec<u8> {
    VouchResponse::seal(by, over, vec![1; 4_096], &scene.answer.public(), &mut rng(4)).unwrap()
}

/// Everything in a transcript, each changed alone.
fn changed(of: &Transcript) -> Vec<(&'static str, Transcript)> {
    let other = (PeerId([99; 32]), DeviceId([99; 16]));
    vec![
        ("alias", Transcript { alias: RoomAlias([99; 32]), ..of.clone() }),
        ("card", Transcript { card: Digest([99; 32]), ..of.clone() }),
        ("knock", Transcript { knock: Nonce([99; 16]), ..of.clone() }),
        ("hello", Transcript { hello: Nonce([99; 16]), ..of.clone() }),
        ("keys", Transcript { keys: Digest([99; 32]), ..of.clone() }),
        ("newcomer", Transcript { newcomer: (other.0, of.newcomer.1), ..of.clone() }),
        ("newcomer's device", Transcript { newcomer: (of.newcomer.0, other.1), ..of.clone() }),
        ("voucher", Transcript { voucher: (other.0, of.voucher.1), ..of.clone() }),
        ("voucher's device", Transcript { voucher: (of.voucher.0, other.1), ..of.clone() }),
        ("room", Transcript { room: RoomId([99; 32]), ..of.clone() }),
        ("epoch", Transcript { epoch: EpochId([99; 32]), ..of.clone() }),
    ]
}

#[test]
fn a_card_is_believed_for_its_secret_its_day_and_its_maker_alone() {
    let (maker, body) = (person(1), body(&secret()));
    let record = card(&maker, &body);
    let read = CardRecord::decode(&codec::encode(&record)).unwrap();
    let good = read.verify(NOW, &body.id, 7, &maker.peer()).unwrap();
    assert!(good.body == body && good.key == secret().key().public());
    assert!(read.verify(NOW, &InviteId([2; 16]), 7, &maker.peer()).is_none());
    assert!(read.verify(NOW, &body.id, 8, &maker.peer()).is_none());
    assert!(read.verify(NOW.after(2 * DAY), &body.id, 7, &maker.peer()).is_none());
    assert!(read.verify(NOW, &body.id, 7, &person(2).peer()).is_none());
    let mut swapped = record;
    swapped.body = codec::encode(&CardBody { key: KemKey::from_bytes([9; 32]).public().bytes(), ..body });
    assert!(swapped.verify(NOW, &InviteId([1; 16]), 7, &maker.peer()).is_none());
}

#[test]
fn a62_a_card_that_somebody_else_has_signed_is_believed_in_nothing() {
    let (maker, hub) = (person(1), person(2));
    let mut body = body(&secret());
    body.key = KemKey::from_bytes([9; 32]).public().bytes();
    for record in [card(&hub, &body), CardRecord { chain: maker.chain.clone(), ..card(&hub, &body) }] {
        assert!(record.verify(NOW, &body.id, 7, &maker.peer()).is_none());
    }
}

#[test]
fn a_knock_opens_for_members_alone_and_shows_who_knocks() {
    let (newcomer, maker) = (person(1), person(2));
    let verified = card(&maker, &body(&secret())).verify(NOW, &InviteId([1; 16]), 7, &maker.peer()).unwrap();
    let (nonce, key) = (Nonce([7; 16]), KemKey::from_bytes([4; 32]));
    let sealed = KnockBody::seal(&newcomer, &verified, &nonce, &key, &mut rng(3)).unwrap();
    assert_eq!(sealed.len(), KNOCK_LEN);
    let (opened, who, ephemeral) = KnockBody::open(&sealed, &secret(), &nonce, NOW).unwrap();
    assert!(who == device(&newcomer) && ephemeral == key.public() && opened.card == verified.digest);
    assert!(KnockBody::open(&sealed, &KnockSecret(Secret::from_bytes([4; 32])), &nonce, NOW).is_none(), "former members have another");
    assert!(KnockBody::open(&sealed, &secret(), &Nonce([8; 16]), NOW).is_none(), "as another knock");
    assert!(KnockBody::open(&sealed, &secret(), &nonce, NOW.after(400 * DAY)).is_none(), "with a certificate that has ended");
}

#[test]
fn a50_who_has_not_the_newcomers_key_neither_knocks_nor_answers_as_them() {
    let scene = scene();
    let (newcomer, thief) = (&scene.newcomer, person(5));
    // The thief has the newcomer's certificate, and the card.
    let maker = person(2);
    let verified = card(&maker, &body(&secret())).verify(NOW, &InviteId([1; 16]), 7, &maker.peer()).unwrap();
    let (nonce, key) = (Nonce([7; 16]), KemKey::from_bytes([4; 32]));
    let said = codec::encode(&(verified.digest, &key.public().bytes()));
    let signature = thief.signing.sign(SIGN_KNOCK, &knock_context(&verified.body.alias, &nonce), &said);
    let posed = KnockBody { card: verified.digest, chain: newcomer.chain.clone(), key: key.public().bytes(), signature };
    let context = knock_context(&verified.body.alias, &nonce);
    let sealed = sealed(SEAL_KNOCK, &verified.key, &context, &posed, KNOCK_LEN, &mut rng(3)).unwrap();
    assert!(KnockBody::open(&sealed, &secret(), &nonce, NOW).is_none());
    let answer = response(&scene, &thief, &scene.transcript);
    assert!(VouchResponse::open(&answer, &scene.answer, &scene.transcript, &device(newcomer)).is_none());
    let answer = response(&scene, newcomer, &scene.transcript);
    assert!(VouchResponse::open(&answer, &scene.answer, &scene.transcript, &device(newcomer)).is_some());
}

#[test]
fn a51_a_word_for_one_newcomer_or_from_one_voucher_is_none_for_or_from_another() {
    let scene = scene();
    let hello = hello(&scene);
    assert!(hello.is_by(&device(&scene.voucher), &scene.transcript));
    assert!(!hello.is_by(&device(&person(5)), &scene.transcript));
    // Who is trusted by both hands the one's word to the other: whatever of it is changed, nobody has signed that.
    for (what, other) in changed(&scene.transcript) {
        assert!(!hello.is_by(&device(&scene.voucher), &other), "{what}");
    }
    let sealed = VouchHello::seal(&scene.voucher, &scene.transcript, &scene.answer, &scene.ephemeral.public(), &mut rng(3)).unwrap();
    assert!(VouchHello::open(&sealed, &KemKey::from_bytes([6; 32]), &scene.transcript.alias, &scene.transcript.knock).is_none());
    assert!(VouchHello::open(&sealed, &scene.ephemeral, &RoomAlias([99; 32]), &scene.transcript.knock).is_none());
}

#[test]
fn a52_what_a_voucher_has_signed_is_no_answer_of_a_newcomer_and_no_card() {
    let scene = scene();
    let hello = hello(&scene);
    let reflected = VouchResponse { signature: hello.signature, package: vec![1; 4_096] };
    let digest = scene.transcript.digest();
    let sealed = sealed(SEAL_NEWCOMER, &scene.answer.public(), &digest, &reflected, RESPONSE_LEN, &mut rng(3)).unwrap();
    assert!(VouchResponse::open(&sealed, &scene.answer, &scene.transcript, &device(&scene.voucher)).is_none());
    let answer = response(&scene, &scene.newcomer, &scene.transcript);
    let signature = VouchResponse::open(&answer, &scene.answer, &scene.transcript, &device(&scene.newcomer)).unwrap().signature;
    assert!(!VouchHello { signature, ..hello }.is_by(&device(&scene.newcomer), &scene.transcript));
}

#[test]
fn a53_an_answer_is_good_in_its_transcript_alone_and_so_is_what_members_are_shown() {
    let scene = scene();
    let newcomer = device(&scene.newcomer);
    let answer = response(&scene, &scene.newcomer, &scene.transcript);
    assert_eq!(answer.len(), RESPONSE_LEN);
    let signature = VouchResponse::open(&answer, &scene.answer, &scene.transcript, &newcomer).unwrap().signature;
    let vouch = Vouch::new(&scene.transcript, signature);
    let (voucher, room, alias) = (scene.voucher.peer(), scene.transcript.room, scene.transcript.alias);
    assert!(vouch.is_by(&newcomer, &voucher, &room, &alias));
    for (what, other) in changed(&scene.transcript) {
        assert!(VouchResponse::open(&answer, &scene.answer, &other, &newcomer).is_none(), "{what}");
        let shown = Vouch::new(&other, signature);
        let (voucher, room, alias) = (other.voucher.0, other.room, other.alias);
        // Who comes in, and who brings them, members see by the commit.
        let newcomer = if what == "newcomer" { device(&person(5)) } else { newcomer.clone() };
        assert!(!shown.is_by(&newcomer, &voucher, &room, &alias), "{what}");
    }
}

#[test]
fn a56_a_pass_looks_as_a_word_does() {
    let scene = scene();
    let word = VouchHello::seal(&scene.voucher, &scene.transcript, &scene.answer, &scene.ephemeral.public(), &mut rng(3)).unwrap();
    let pass = VouchHello::pass(&mut rng(4));
    assert_eq!(word.len(), pass.len());
    assert!(VouchHello::open(&pass, &scene.ephemeral, &scene.transcript.alias, &scene.transcript.knock).is_none());
    // No byte is the same in each word.
    let words: Vec<Vec<u8>> = (0..64)
        .map(|seed| VouchHello::seal(&scene.voucher, &scene.transcript, &scene.answer, &scene.ephemeral.public(), &mut rng(seed)).unwrap())
        .collect();
    assert!((0..KNOCK_LEN).all(|at| words.iter().any(|word| word[at] != words[0][at])));
}

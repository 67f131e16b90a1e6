//! Two vouchers at once, and wrong numbers: real nodes, some of them answered by a hand-made peer with a real friend's keys.

use super::hub_client::HubClient;
use super::vouching::{LATER, NAMES, ROOM, SOON, TCP, crew, knock, members, person};
use minicbor::{Decode, Encode};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use symbolon_core::wire::{CardBody, KnockBody, KnockSecret, Transcript, VerifiedCard, VouchHello, VouchResponse, keys_digest};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, EpochId, InviteId, ListenerId, Nonce, RoomAlias, RoomId};
use symbolon_presence::identity::{Identity, StoredIdentity};
use symbolon_presence::kdf::hash;
use symbolon_presence::kem::{KEM_OVERHEAD, KemKey, KemPublic, kem_seal};
use symbolon_presence::labels::{HASH_CONTEXT, Label, SEAL_NEWCOMER, SEAL_VOUCHER, SIGN_NEWCOMER, SIGN_VOUCHER};
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::knock::{Answer, Ask, Await, KNOCK_LEN, Knock, Listen, RESPONSE_LEN, Respond, Say};
use symbolon_tests::campaign::files;
use symbolon_tests::node::{Node, befriend, within};

/// Longer than a member waits with what they say.
const WORD: Duration = Duration::from_secs(12);
/// So soon a hub has heard a question.
const HEARD: Duration = Duration::from_millis(300);
/// So soon a question is answered when there is something.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Somebody whom nobody reaches while they are away: no relay keeps a mailbox for them.
fn lone(home: &Path, name: &str) -> Node {
    Node::start(&home.join(name), &["--no-lan", "--listen", TCP, "--name", name]).unwrap()
}

/// Somebody waits for what does not come: what each node shows.
fn stuck(late: &str, nodes: [&Node; 4]) {
    for (name, node) in NAMES.iter().zip(nodes) {
        for look in [&["status"][..], &["room", "list"], &["read", ROOM, "--peek"]] {
            println!("{name} {look:?}: {:?}", node.json(look).map(serde_json::Value::from).map(|shown| shown.to_string()));
        }
    }
    panic!("{late}");
}

#[test]
fn a59_two_members_who_vouch_at_once_and_do_not_hear_of_each_other_bring_one_newcomer_in_once() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut hub = Node::start(&home.join("hub"), &["relay", "run", "--open", "--hub", "--listen", TCP]).unwrap();
    let link = hub.ready["link"].as_str().unwrap().to_owned();
    let mut ana = person(home, NAMES[0], &link, &[]);
    let [mut ben, mut cem, mut dea] = [1, 2, 3].map(|at| lone(home, NAMES[at]));
    crew(&ana, &ben, &cem);
    befriend((&ben, NAMES[1]), (&dea, NAMES[3])).unwrap();
    befriend((&cem, NAMES[2]), (&dea, NAMES[3])).unwrap();
    let card = ana.json(&["room", "card", ROOM]).unwrap().remove(0)["card"].as_str().unwrap().to_owned();
    for node in [&ben, &cem] {
        // Who may not open the room makes a card once it is open.
        within(SOON, "the members know that it is open", || Ok(node.json(&["room", "card", ROOM]).ok().map(drop))).unwrap();
    }
    ana.kill().unwrap();
    cem.kill().unwrap();
    // It forgets who listened: Benjamin is the one whom it asks.
    hub.restart().unwrap();
    dea.json(&["room", "knock", &card]).unwrap();
    knock(&ben, "in", "accepted", LATER);
    // His word is there, and he is held, before she reads it; she has answered, and is gone, before he goes on.
    dea.freeze().unwrap();
    sleep(WORD);
    ben.freeze().unwrap();
    dea.thaw().unwrap();
    assert_eq!(knock(&dea, "out", "accepted", SOON)["name"], NAMES[1]);
    sleep(AT_ONCE);
    dea.kill().unwrap();
    ben.thaw().unwrap();
    within(SOON, "Benjamin has added her", || Ok((members(&ben) == 4).then_some(()))).unwrap();
    ben.kill().unwrap();

    // Cemalettin has heard nothing of it, and vouches for her, too. The hub waits for nobody who is away: it has forgotten them.
    hub.restart().unwrap();
    cem.restart().unwrap();
    assert_eq!(members(&cem), 3);
    dea.restart().unwrap();
    assert_eq!(knock(&dea, "out", "confirmed", LATER)["name"], NAMES[2]);
    for node in [&cem, &dea] {
        within(SOON, "four are in the room", || Ok((members(node) == 4).then_some(()))).unwrap();
    }
    // Now both hear of the other's commit, and so does Anastasia.
    ben.restart().unwrap();
    assert_eq!(members(&ben), 4);
    ana.restart().unwrap();
    dea.json(&["send", ROOM, "here once"]).unwrap();
    for node in [&ana, &ben, &cem] {
        let heard = || {
            let texts = node.json(&["read", ROOM, "--peek"])?.into_iter().filter(|message| message["text"] == "here once").count();
            Ok((members(node) == 4 && texts == 1).then_some(()))
        };
        within(LATER, "all are in one room, and she is in it once", heard).unwrap_or_else(|late| stuck(&late, [&ana, &ben, &cem, &dea]));
        node.json(&["send", ROOM, &format!("welcome, says {}", node.pid())]).unwrap();
    }
    let welcomes = || {
        let texts = dea.json(&["read", ROOM, "--peek"])?;
        Ok((texts.iter().filter(|message| message["text"].as_str().is_some_and(|text| text.starts_with("welcome"))).count() == 3)
            .then_some(()))
    };
    within(LATER, "she reads what each of them writes", welcomes).unwrap_or_else(|late| stuck(&late, [&ana, &ben, &cem, &dea]));
    assert_eq!(members(&dea), 4);
}

/// How a node remembers what its room's members have in common.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Kept {
    #[n(0)]
    room: RoomId,
    #[n(1)]
    alias: RoomAlias,
    #[n(2)]
    secret: KnockSecret,
    #[n(3)]
    until: Option<Timestamp>,
}

/// The keys of a node that was stopped, and the room whose knocks it opens, if there is one.
pub(super) fn stolen(node: &Node, home: &Path) -> (Identity, Option<Kept>) {
    let copy = home.join(format!("copy {}", node.pid()));
    files::copy(node.folder(), &copy).unwrap();
    let rows = files::rows(&copy).unwrap();
    let stored: StoredIdentity = codec::decode_row(&rows[&("meta".to_owned(), b"identity".to_vec())], 1 << 16).unwrap();
    let kept = rows.iter().find(|((table, _), _)| table == "knock_key").map(|(_, value)| codec::decode_row(value, 1 << 16).unwrap());
    (Identity::from_stored(&stored), kept)
}

/// The same as bytes: the public keys of person and device, and of the room its secret and the beginning of its knock key.
pub(super) fn keys_of(node: &Node, home: &Path) -> Vec<Vec<u8>> {
    let (identity, kept) = stolen(node, home);
    let public = [identity.chain.root, identity.signing.public(), identity.dh.public().bytes()];
    let of_room = |kept: Kept| [kept.secret.0.expose().to_vec(), kept.secret.key().public().bytes().as_bytes()[..32].to_vec()];
    public.iter().map(|key| key.as_bytes().to_vec()).chain(kept.into_iter().flat_map(of_room)).collect()
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn now() -> Timestamp {
    super::server::now()
}

/// As the page says: length, record, zeros, all of it to one length.
fn sealed(label: Label, to: &KemPublic, context: &Digest, body: &impl Encode<()>, length: usize) -> Vec<u8> {
    let record = codec::encode(body);
    let mut plain = [u16::try_from(record.len()).unwrap().to_be_bytes().as_slice(), &record].concat();
    plain.resize(length - KEM_OVERHEAD, 0);
    kem_seal(label, to, None, context.as_bytes(), &plain, &mut rng(9))
}

fn context(alias: &RoomAlias, knock: &Nonce) -> Digest {
    hash(HASH_CONTEXT, &[alias.as_bytes(), knock.as_bytes()])
}

/// A member at the hub who says what a test wants.
struct Member<'a> {
    hub: &'a mut HubClient,
    secret: &'a KnockSecret,
    listener: ListenerId,
}

impl Member<'_> {
    fn listen(&mut self, had: u16, limit: Duration) -> Option<Answer> {
        self.hub.ask(&Ask::Listen(Listen::sign(&self.secret.hub(), self.listener, had)), limit)
    }

    fn say(&mut self, knock: Nonce, sealed: Vec<u8>) {
        let say = Ask::Say(Say::sign(&self.secret.hub(), self.listener, knock, sealed));
        assert_eq!(self.hub.ask(&say, SOON), Some(Answer::Ack));
    }
}

/// Somebody else, who is nobody's friend and in no room.
fn third() -> Identity {
    Identity::generate(&mut rng(50), now(), DAY)
}

/// Transcripts in each of which one thing is another: a number, or one of the two people. What is signed over the last two a third
/// person may have of an honest one, who meant them.
fn wrong(transcript: &Transcript) -> [Transcript; 4] {
    let (number, third) = (Nonce([99; 16]), third());
    let other = (third.person(), third.device);
    [
        Transcript { hello: number, ..transcript.clone() },
        Transcript { knock: number, ..transcript.clone() },
        Transcript { newcomer: other, ..transcript.clone() },
        Transcript { voucher: other, ..transcript.clone() },
    ]
}

/// Benjamin's node is away, and somebody with his keys answers Deborah's. Answers what she has signed to him, and the
/// package by which he may add her.
fn a_voucher_with_a_wrong_number(hub: &mut HubClient, ben: &Identity, kept: &Kept, dea: &Node, card: &str) -> VouchResponse {
    let alias = kept.alias;
    let mut liar = Member { hub, secret: &kept.secret, listener: ListenerId([1; 16]) };
    assert_eq!(liar.listen(0, AT_ONCE), None);
    dea.json(&["room", "knock", card]).unwrap();
    let heard = within(LATER, "he hears her knock", || Ok(liar.listen(0, LATER).filter(|answer| *answer != Answer::Nothing))).unwrap();
    let Answer::Knocks(nonce, bytes) = heard else { panic!("another answer") };
    let (body, device, to) = KnockBody::open(&bytes, &kept.secret, &nonce, now()).unwrap();
    let key = KemKey::from_bytes([5; 32]);
    let transcript = Transcript {
        alias,
        card: body.card,
        knock: nonce,
        hello: Nonce([8; 16]),
        keys: keys_digest(&body.key, &key.public().bytes()),
        newcomer: (device.person, device.device),
        voucher: (ben.person(), ben.device),
        room: kept.room,
        epoch: EpochId([7; 32]),
    };
    // What is signed is not what is said; it is signed as a newcomer, or by somebody else; and what she has said comes back.
    let by = |who: &Identity, label: Label, over: &Transcript| who.signing.sign(label, &over.digest(), &[]);
    let mut signed: Vec<_> = wrong(&transcript).iter().map(|other| by(ben, SIGN_VOUCHER, other)).collect();
    signed.extend([by(ben, SIGN_NEWCOMER, &transcript), by(&third(), SIGN_VOUCHER, &transcript)]);
    let words = signed.into_iter().map(|signature| {
        let (hello, room, epoch) = (transcript.hello, transcript.room, transcript.epoch);
        let word = VouchHello { chain: ben.chain.clone(), hello, key: key.public().bytes(), room, epoch, signature };
        sealed(SEAL_VOUCHER, &to, &context(&alias, &nonce), &word, KNOCK_LEN)
    });
    // Each listener may say two things.
    for (at, word) in (2u8..).zip(words.chain([bytes])) {
        liar.listener = ListenerId([at / 2; 16]);
        if at % 2 == 0 && at > 2 {
            liar.listen(0, HEARD);
        }
        liar.say(nonce, word);
    }
    sleep(AT_ONCE);
    let waiting = dea.json(&["requests"]).unwrap().into_iter().find(|row| row["kind"] == "knock").unwrap();
    assert!(["pending", "expired"].contains(&waiting["status"].as_str().unwrap()), "{waiting}");
    // The same keys with the right numbers: she answers that word, and no other.
    let mut honest = Member { hub: &mut *liar.hub, secret: &kept.secret, listener: ListenerId([90; 16]) };
    let had = u16::from(matches!(honest.listen(0, AT_ONCE), Some(Answer::Knocks(..))));
    honest.say(nonce, VouchHello::seal(ben, &transcript, &key, &to, &mut rng(3)).unwrap());
    let heard = within(SOON, "she answers", || Ok(honest.listen(had, SOON).filter(|answer| *answer != Answer::Nothing))).unwrap();
    let Answer::Responds(of, bytes) = heard else { panic!("another answer") };
    assert_eq!(of, nonce);
    let mut liar = Member { hub: honest.hub, secret: &kept.secret, listener: ListenerId([1; 16]) };
    assert_eq!(liar.listen(1, AT_ONCE), None, "she has answered none of the wrong words");
    VouchResponse::open(&bytes, &key, &transcript, &device).unwrap()
}

/// Somebody at the hub who knocks as a test wants.
struct Newcomer<'a> {
    hub: &'a mut HubClient,
    alias: RoomAlias,
}

impl Newcomer<'_> {
    fn knock(&mut self, nonce: Nonce, sealed: Vec<u8>) {
        let asked = Ask::Knock(Knock { alias: self.alias, nonce, sealed });
        within(SOON, "the hub takes the knock", || Ok((self.hub.ask(&asked, SOON) == Some(Answer::Ack)).then_some(()))).unwrap();
    }

    /// The first word that is said to a knock.
    fn word(&mut self, nonce: Nonce) -> (u16, Vec<u8>) {
        let wait = Ask::Await(Await { alias: self.alias, nonce, had: 0, is_closed: true });
        let said = |answer| if let Answer::Said(number, bytes) = answer { Some((number, bytes)) } else { None };
        within(LATER, "a word is there", || Ok(self.hub.ask(&wait, LATER).and_then(said))).unwrap()
    }
}

/// Deborah's node is away, and somebody answers Benjamin's: without her keys, then with them.
fn a_newcomer_with_a_wrong_number(hub: &mut HubClient, dea: &Identity, kept: &Kept, before: &VouchResponse, ben: &Node) {
    let (alias, nonce) = (kept.alias, Nonce([6; 16]));
    let key = KemKey::from_bytes([4; 32]);
    let (id, hubs) = (InviteId([1; 16]), Vec::new());
    let body = CardBody { id, day: 0, number: 1, expires: now().after(DAY), alias, key: kept.secret.key().public().bytes(), hubs };
    let card = VerifiedCard { body, key: kept.secret.key().public(), digest: Digest([3; 32]) };
    let mut newcomer = Newcomer { hub, alias };
    // Her certificate anybody may have. Her friend does not vouch for it, and does not list it.
    let posed = Identity { chain: dea.chain.clone(), device: dea.device, ..third() };
    let [by_thief, echo] = [61, 62].map(|number| Nonce([number; 16]));
    newcomer.knock(by_thief, KnockBody::seal(&posed, &card, &by_thief, &key, &mut rng(5)).unwrap());
    newcomer.knock(nonce, KnockBody::seal(dea, &card, &nonce, &key, &mut rng(4)).unwrap());
    let (word, said) = newcomer.word(nonce);
    let hello = VouchHello::open(&said, &key, &alias, &nonce).expect("he vouches for her");
    // His own word is no knock.
    newcomer.knock(echo, said);
    for nonce in [by_thief, echo] {
        let (_, said) = newcomer.word(nonce);
        assert!(VouchHello::open(&said, &key, &alias, &nonce).is_none(), "he passes");
    }
    let listed = ben.json(&["requests"]).unwrap().into_iter().filter(|row| row["kind"] == "knock").count();
    assert_eq!(listed, 1, "hers alone");
    let voucher = hello.chain.verify(now()).unwrap();
    let transcript = Transcript {
        alias,
        card: card.digest,
        knock: nonce,
        hello: hello.hello,
        keys: keys_digest(&key.public().bytes(), &hello.key),
        newcomer: (dea.person(), dea.device),
        voucher: (voucher.person, voucher.device),
        room: hello.room,
        epoch: hello.epoch,
    };
    assert!(hello.is_by(&voucher, &transcript));
    let to = KemPublic::parse(&hello.key).unwrap();
    let hub = newcomer.hub;
    let mut answer = |signature| {
        let body = VouchResponse { signature, package: before.package.clone() };
        let bytes = sealed(SEAL_NEWCOMER, &to, &transcript.digest(), &body, RESPONSE_LEN);
        let respond = Ask::Respond(Respond { alias, nonce, to: word, sealed: bytes });
        assert_eq!(hub.ask(&respond, SOON), Some(Answer::Ack));
    };
    // For others, what she had signed to him before, as a voucher, his own word, and by somebody else.
    let by = |who: &Identity, label: Label, over: &Transcript| who.signing.sign(label, &over.digest(), &[]);
    let mut signed: Vec<_> = wrong(&transcript).iter().map(|other| by(dea, SIGN_NEWCOMER, other)).collect();
    signed.extend([before.signature, by(dea, SIGN_VOUCHER, &transcript), hello.signature, by(&posed, SIGN_NEWCOMER, &transcript)]);
    for signature in signed {
        answer(signature);
    }
    sleep(WORD);
    assert_eq!(members(ben), 3);
    answer(by(dea, SIGN_NEWCOMER, &transcript));
    within(SOON, "with the right numbers he adds her", || Ok((members(ben) == 4).then_some(()))).unwrap();
}

#[test]
fn a50_a51_a52_a53_real_nodes_believe_no_voucher_and_let_in_no_newcomer_by_what_was_signed_for_something_else() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mut hub = Node::start(&home.join("hub"), &["relay", "run", "--open", "--hub", "--listen", TCP]).unwrap();
    let link = hub.ready["link"].as_str().unwrap().to_owned();
    let [mut ana, mut ben, mut cem, mut dea] = [0, 1, 2, 3].map(|at| person(home, NAMES[at], &link, &[]));
    crew(&ana, &ben, &cem);
    befriend((&ben, NAMES[1]), (&dea, NAMES[3])).unwrap();
    let card = ana.json(&["room", "card", ROOM]).unwrap().remove(0)["card"].as_str().unwrap().to_owned();
    within(SOON, "Benjamin knows that it is open", || Ok(ben.json(&["room", "card", ROOM]).ok().map(drop))).unwrap();
    // The others would only pass, each in their turn; the hub forgets them, and asks who is there.
    for node in [&mut ana, &mut cem, &mut ben] {
        node.interrupt().unwrap();
    }
    hub.restart().unwrap();
    let mut client = HubClient::connect(hub.ready["listen"][0].as_str().unwrap());

    let (keys, kept) = stolen(&ben, home);
    let kept = kept.unwrap();
    let signed = a_voucher_with_a_wrong_number(&mut client, &keys, &kept, &dea, &card);

    dea.interrupt().unwrap();
    hub.restart().unwrap();
    let mut client = HubClient::connect(hub.ready["listen"][0].as_str().unwrap());
    ben.restart().unwrap();
    let (keys, _) = stolen(&dea, home);
    a_newcomer_with_a_wrong_number(&mut client, &keys, &kept, &signed, &ben);
    // Her own node is in by that.
    dea.restart().unwrap();
    within(LATER, "four are in the room", || Ok((members(&dea) == 4).then_some(()))).unwrap();
}

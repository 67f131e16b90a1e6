//! A flood of knocks at a real hub, from one place.

use super::hub_client::HubClient;
use super::server::now;
use super::vouching::{LATER, NAMES, SOON, knock, members};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::net::SocketAddr;
use symbolon_core::cards::CardLink;
use symbolon_core::wire::{CardRecord, KnockBody, VerifiedCard};
use symbolon_presence::id::Nonce;
use symbolon_presence::identity::Identity;
use symbolon_presence::kem::KemKey;
use symbolon_presence::record::{Record, day_of};
use symbolon_presence::time::DAY;
use symbolon_relay::knock::{Answer, Ask, Knock, Refusal};
use symbolon_relay::limits::HUB_KNOCKS_OF_SOURCE;
use symbolon_relay::lookup;
use symbolon_tests::node::{Node, befriend, within};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};

/// What a flood may add to the resident memory of a hub, in bytes.
const GROWTH_MAX: u64 = 16 * 1024 * 1024;

/// An address that leads to a server as if the one who connects there, once, were elsewhere than at 127.0.0.1.
fn from_elsewhere(runtime: &Runtime, server: &str) -> String {
    let there = SocketAddr::from(([127, 0, 0, 1], server.rsplit('/').next().unwrap().parse().unwrap()));
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let own = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
        let mut far = socket.connect(there).await.unwrap();
        copy_bidirectional(&mut near, &mut far).await
    });
    format!("/ip4/127.0.0.1/tcp/{own}")
}

/// What anybody who has the card is told.
fn body_of(client: &mut HubClient, card: &str) -> VerifiedCard {
    let CardLink(link) = CardLink::find(card).unwrap();
    let slot = link.secret.slot(day_of(now()));
    let found = client.look(&lookup::Ask::Get(slot.id().unwrap()), SOON);
    let Some(lookup::Answer::Found(Some(record))) = found else { panic!("no body is there") };
    let content = slot.open(&Record::read(&record, now()).unwrap()).unwrap();
    CardRecord::decode(&content).unwrap().verify(now(), &link.secret.id(), day_of(now()), &link.peer).unwrap()
}

/// Strangers knock as often as they are let, and Benjamin's friend comes in meanwhile.
pub(super) fn a_friend_comes_in_through(hub: &Node, room: [&Node; 3], eva: &Node, card: &str) {
    befriend((room[1], NAMES[1]), (eva, NAMES[4])).unwrap();
    let before = members(room[0]);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut client = HubClient::connect(&from_elsewhere(&runtime, hub.ready["listen"][0].as_str().unwrap()));
    let memory = hub.resident().unwrap();
    let body = body_of(&mut client, card);
    let mut rng = ChaCha20Rng::seed_from_u64(60);
    let mut knock_as_a_stranger = |number: u8| {
        let by = Identity::generate(&mut rng, now(), DAY);
        let (nonce, key) = (Nonce([number; 16]), KemKey::from_bytes([number; 32]));
        let sealed = KnockBody::seal(&by, &body, &nonce, &key, &mut rng).unwrap();
        client.ask(&Ask::Knock(Knock { alias: body.body.alias, nonce, sealed }), SOON).unwrap()
    };
    let (mut taken, mut refused) = (0, 0);
    for number in 0..60 {
        if number == 30 {
            eva.json(&["room", "knock", card]).unwrap();
        }
        let answer = knock_as_a_stranger(number);
        assert!(answer == Answer::Ack || answer == Answer::Refused(Refusal::Full), "another answer");
        if answer == Answer::Ack {
            taken += 1;
        } else {
            refused += 1;
        }
    }
    assert_eq!((taken, refused), (HUB_KNOCKS_OF_SOURCE, 60 - HUB_KNOCKS_OF_SOURCE));
    assert_eq!(knock(eva, "out", "confirmed", LATER)["name"], NAMES[1]);
    for node in room {
        within(SOON, "one more is in the room", || Ok((members(node) == before + 1).then_some(()))).unwrap();
        let listed = node.json(&["requests"]).unwrap().into_iter().filter(|row| row["kind"] == "knock").count();
        // Those of the strangers, and of the three who had knocked before.
        assert!(listed <= HUB_KNOCKS_OF_SOURCE + 4, "{listed}");
    }
    let growth = hub.resident().unwrap().saturating_sub(memory);
    assert!(growth < GROWTH_MAX, "{growth}");
}

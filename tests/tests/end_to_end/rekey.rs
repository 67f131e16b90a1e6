//! After a block the node looks like another one to relays and to anyone who dials it.

use futures::StreamExt;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId as TransportId, SwarmBuilder, noise, relay, tcp, yamux};
use std::path::Path;
use std::time::Duration;
use symbolon_tests::node::{Node, wait_for_friend, within};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const SOON: Duration = Duration::from_secs(60);

/// Who answers at an address: libp2p's own code dials it.
#[allow(clippy::wildcard_enum_match_arm, reason = "the enum is libp2p's and open-ended; only the end of the dial matters")]
fn key_at(address: Multiaddr) -> Option<TransportId> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_relay_client(noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_, circuits: relay::client::Behaviour| circuits)
            .unwrap()
            .build();
        let options = DialOpts::unknown_peer_id().address(address).build();
        let wanted = options.connection_id();
        swarm.dial(options).ok()?;
        let answer = async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } if connection_id == wanted => return Some(peer_id),
                    SwarmEvent::OutgoingConnectionError { connection_id, .. } if connection_id == wanted => return None,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(15), answer).await.ok().flatten()
    })
}

fn listens_at(node: &Node) -> Multiaddr {
    node.ready["listen"][0].as_str().unwrap().parse().unwrap()
}

fn person(folder: &Path, name: &str, link: &str) -> Node {
    let node = Node::start(folder, &["--listen", TCP, "--name", name, "--relay", link]).unwrap();
    within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()))).unwrap();
    node
}

fn befriend(andi: &Node, other: &Node, name: &str) {
    let invite = andi.json(&["invite", "--auto-accept"]).unwrap()[0]["link"].as_str().unwrap().to_owned();
    other.json(&["add", &invite]).unwrap();
    wait_for_friend(andi, name).unwrap();
    wait_for_friend(other, "Andi").unwrap();
}

#[test]
fn a105_after_a_block_key_and_circuit_are_new_the_port_is_kept_and_friends_are_back_without_loss() {
    const TEXTS: usize = 30;
    let home = tempfile::tempdir().unwrap();
    let relay = Node::start(&home.path().join("relay"), &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let andi = person(&home.path().join("andi"), "Andi", &link);
    let ben = person(&home.path().join("ben"), "Ben", &link);
    let cleo = person(&home.path().join("cleo"), "Cleo", &link);
    befriend(&andi, &ben, "Ben");
    befriend(&andi, &cleo, "Cleo");

    let relay_at = listens_at(&relay);
    let relay_key = key_at(relay_at.clone()).unwrap();
    let circuit = |key: TransportId| relay_at.clone().with(Protocol::P2p(relay_key)).with(Protocol::P2pCircuit).with(Protocol::P2p(key));
    let before = key_at(listens_at(&andi)).unwrap();
    within(SOON, "the relay forwards", || Ok((key_at(circuit(before)) == Some(before)).then_some(()))).unwrap();

    for number in 0..TEXTS {
        if number == TEXTS / 3 {
            andi.json(&["block", "Ben"]).unwrap();
        }
        cleo.json(&["send", "Andi", &format!("there {number}")]).unwrap();
        andi.json(&["send", "Cleo", &format!("back {number}")]).unwrap();
    }
    let after = within(SOON, "another key at the same place", || Ok(key_at(listens_at(&andi)).filter(|key| *key != before))).unwrap();
    within(SOON, "the relay forwards to it", || Ok((key_at(circuit(after)) == Some(after)).then_some(()))).unwrap();
    assert_eq!(key_at(circuit(before)), None, "the circuit that Ben knows leads nowhere");

    let told = |node: &Node, prefix: &str| -> Vec<String> {
        let messages = node.json(&["read", "--peek"]).unwrap();
        let texts = messages.iter().map(|message| message["text"].as_str().unwrap().to_owned());
        texts.filter(|text| text.starts_with(prefix)).collect()
    };
    let expected = |prefix: &str| (0..TEXTS).map(|number| format!("{prefix} {number}")).collect::<Vec<_>>();
    for (node, prefix) in [(&andi, "there"), (&cleo, "back")] {
        within(SOON, "all of it arrives", || Ok((told(node, prefix).len() >= TEXTS).then_some(()))).unwrap();
        assert_eq!(told(node, prefix), expected(prefix));
    }
    let sent = cleo.json(&["send", "Andi", "and live", "--wait", "delivered", "--timeout", "30s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
    for node in [&andi, &cleo, &relay] {
        node.calm().unwrap();
    }
}

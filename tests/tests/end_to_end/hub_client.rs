//! Somebody at a hub who says what a test wants: plain libp2p, one question on each stream.

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use std::time::Duration;
use symbolon_relay::knock::{Answer, Ask};
use tokio::runtime::{Builder, Runtime};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/symbolon/room/1");

pub(super) struct HubClient {
    control: libp2p_stream::Control,
    peer: PeerId,
    runtime: Runtime,
}

impl HubClient {
    /// Connects with a transport key of its own.
    pub(super) fn connect(address: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address: Multiaddr = address.parse().unwrap();
        let (control, peer) = runtime.block_on(async {
            let mut swarm = SwarmBuilder::with_new_identity()
                .with_tokio()
                .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
                .unwrap()
                .with_behaviour(|_| libp2p_stream::Behaviour::new())
                .unwrap()
                .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
                .build();
            let control = swarm.behaviour().new_control();
            swarm.dial(DialOpts::unknown_peer_id().address(address).build()).unwrap();
            let peer = loop {
                if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
                    break peer_id;
                }
            };
            tokio::spawn(async move {
                loop {
                    swarm.select_next_some().await;
                }
            });
            (control, peer)
        });
        Self { control, peer, runtime }
    }

    /// Asks; nothing when there is no answer within this time.
    pub(super) fn ask(&mut self, ask: &Ask, limit: Duration) -> Option<Answer> {
        let (mut control, peer, bytes) = (self.control.clone(), self.peer, ask.encode());
        self.runtime.block_on(async move {
            let asking = async move {
                let mut stream = control.open_stream(peer, PROTOCOL).await.unwrap();
                stream.write_all(&[length(bytes.len()), bytes].concat()).await.unwrap();
                stream.close().await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.unwrap();
                let begins = answer.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
                Answer::decode(&answer[begins..]).unwrap()
            };
            tokio::time::timeout(limit, asking).await.ok()
        })
    }
}

/// A varint.
fn length(mut of: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while of >= 0x80 {
        bytes.push(u8::try_from(of & 0x7f).unwrap() | 0x80);
        of >>= 7;
    }
    bytes.push(u8::try_from(of).unwrap());
    bytes
}

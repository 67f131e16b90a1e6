//! A peer that is no friend and keeps no rule: plain libp2p, streams opened at will, bytes
//! by hand.
// Events of libp2p are many, and more come.
#![allow(clippy::wildcard_enum_match_arm)]

use futures::StreamExt;
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(10);

pub struct Stranger {
    control: libp2p_stream::Control,
    own: PeerId,
    peer: PeerId,
    task: JoinHandle<()>,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stranger {
    /// Connects with a transport key of its own; `None` when the node does not let it in.
    pub async fn connect(address: &str) -> Option<Self> {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        let (control, own) = (swarm.behaviour().new_control(), *swarm.local_peer_id());
        let address: Multiaddr = address.parse().unwrap();
        swarm.dial(DialOpts::unknown_peer_id().address(address).build()).unwrap();
        let (sender, connected) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut sender = Some(sender);
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                        if let Some(sender) = sender.take() {
                            let _ = sender.send(Some(peer_id));
                        }
                    }
                    SwarmEvent::OutgoingConnectionError { .. } => {
                        if let Some(sender) = sender.take() {
                            let _ = sender.send(None);
                        }
                    }
                    _ => {}
                }
            }
        });
        let peer = tokio::time::timeout(PATIENCE, connected).await.ok()?.ok()??;
        Some(Self { control, own, peer, task })
    }

    /// Under which key it answers.
    #[allow(dead_code, reason = "not every story asks")]
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// Under which key it was called: its own.
    #[allow(dead_code, reason = "not every story asks")]
    pub fn own(&self) -> PeerId {
        self.own
    }

    /// Opens a stream of a protocol.
    pub async fn open(&mut self, protocol: StreamProtocol) -> Option<Stream> {
        tokio::time::timeout(PATIENCE, self.control.open_stream(self.peer, protocol)).await.ok()?.ok()
    }
}

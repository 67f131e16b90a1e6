//! The transport over real sockets on loopback: what all its tests share.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod circuits;
mod dht;
mod dials;
mod floods;
mod forwarding;
mod hostile;
mod lifetimes;
mod links;
mod neighbours;
mod rekey;
mod scale;
mod start;
mod stranger;

use super::*;
use std::time::Instant;
use symbolon_core::seam::{Address, CloseReason, DialId, LinkId, Look};
use symbolon_presence::id::LookupId;

pub(super) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub(super) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
pub(super) const TCP6: &str = "/ip6/::1/tcp/0";
pub(super) const QUIC6: &str = "/ip6/::1/udp/0/quic-v1";

/// Nothing that a test waits for takes longer on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A transport with its inputs in the test's hands.
pub(super) struct Peer {
    pub(super) net: Net,
    pub(super) handle: NetHandle,
    pub(super) inputs: mpsc::Receiver<Input>,
    pub(super) addresses: Vec<Address>,
    pub(super) limits: Limits,
}

impl Peer {
    pub(super) async fn new(listen: &[&str]) -> Self {
        Self::with(listen, Limits::default(), 256).await
    }

    pub(super) async fn with(listen: &[&str], limits: Limits, queue: usize) -> Self {
        Self::start(NetConfig { listen: listen.iter().map(|text| (*text).to_owned()).collect(), limits, ..NetConfig::default() }, queue)
            .await
    }

    pub(super) async fn start(config: NetConfig, queue: usize) -> Self {
        let limits = config.limits.clone();
        let (sender, mut inputs) = mpsc::channel(queue);
        let net = Net::start(config, sender).await.unwrap();
        let addresses = loop {
            match timeout(PATIENCE, inputs.recv()).await.unwrap() {
                Some(Input::Addresses(addresses)) => break addresses,
                // How things stand with nobody is said by tasks of their own.
                Some(Input::Servers(..) | Input::Lookups(_)) => {}
                other => panic!("no addresses first: {other:?}"),
            }
        };
        Self { handle: net.handle(), net, inputs, addresses, limits }
    }

    pub(super) async fn next(&mut self) -> Input {
        loop {
            let input = timeout(PATIENCE, self.inputs.recv()).await.expect("an input in time").expect("a transport");
            // Anyone who meets a relay knows a DHT server; that is another test's.
            if !matches!(input, Input::Servers(..) | Input::Lookups(_)) {
                return input;
            }
        }
    }

    /// The next input must be a new link.
    pub(super) async fn up(&mut self) -> (LinkId, Option<DialId>) {
        match self.next().await {
            Input::LinkUp { link, dial, .. } => (link, dial),
            other => panic!("no LinkUp: {other:?}"),
        }
    }

    pub(super) async fn frame(&mut self, from: LinkId) -> Vec<u8> {
        match self.next().await {
            Input::Frame(link, frame) if link == from => frame,
            other => panic!("no frame: {other:?}"),
        }
    }

    /// The next input must be the end of this link.
    pub(super) async fn down(&mut self, link: LinkId) {
        assert_eq!(self.next().await, Input::LinkDown(link));
    }

    /// Everything that is sent from now on until a dial that must fail has failed: what
    /// was on its way when this was called is among it.
    pub(super) async fn until_quiet(&mut self) -> Vec<Input> {
        let marker = DialId(u64::MAX);
        self.handle.dial(marker, Vec::new());
        let mut told = Vec::new();
        loop {
            match self.next().await {
                Input::DialFailed(dial) if dial == marker => return told,
                input => told.push(input),
            }
        }
    }
}

/// Two transports with a link from the first to the second.
pub(super) async fn pair(listen: &str) -> (Peer, LinkId, Peer, LinkId) {
    pair_with(listen, Limits::default(), 256).await
}

pub(super) async fn pair_with(listen: &str, limits: Limits, queue: usize) -> (Peer, LinkId, Peer, LinkId) {
    let mut a = Peer::with(&[listen], limits.clone(), queue).await;
    let mut b = Peer::with(&[listen], limits, queue).await;
    a.handle.dial(DialId(7), b.addresses.clone());
    let (at_a, dial) = a.up().await;
    assert_eq!(dial, Some(DialId(7)));
    let (at_b, dial) = b.up().await;
    assert_eq!(dial, None);
    (a, at_a, b, at_b)
}

/// Whether this machine has IPv6 on loopback.
pub(super) fn has_ipv6() -> bool {
    let there = std::net::TcpListener::bind(("::1", 0)).is_ok();
    if !there {
        println!("skipped: no IPv6 on loopback here");
    }
    there
}

/// Waits until something becomes true that no input tells.
pub(super) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

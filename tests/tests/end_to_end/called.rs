//! A person made by hand whom a node that runs calls: they listen, and what the node asks for or brings is answered by a test.

use super::by_hand::{MAILBOX, Wire, runtime};
use super::server::now;
use futures::StreamExt;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Stream, Swarm, SwarmBuilder, noise, tcp, yamux};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use symbolon_core::contact::{ContactBody, ContactRecord, InviteMark};
use symbolon_core::seam::Address;
use symbolon_presence::id::LookupId;
use symbolon_presence::time::DAY;
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::Scope;
use symbolon_relay::records::Found;
use symbolon_tests::craft::{Actor, invites};
use symbolon_tests::node::{Node, run, within};
use tokio::runtime::Runtime;

const SOON: Duration = Duration::from_secs(20);

/// Where nodes call a person who is made by hand.
pub(super) struct Called {
    /// What nodes dial.
    pub(super) address: Address,
    runtime: Arc<Runtime>,
    streams: Receiver<Stream>,
    /// Nobody has taken these.
    wires: Vec<Wire>,
    /// What lies where the bodies of invites are looked for.
    bodies: BTreeMap<LookupId, Vec<u8>>,
}

/// A swarm over TCP that speaks streams and nothing else. Made inside a runtime.
pub(super) fn stream_swarm() -> Swarm<libp2p_stream::Behaviour> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}

impl Called {
    /// Listens on a port of loopback.
    pub(super) fn start() -> Self {
        let runtime = runtime();
        let (sender, streams) = channel();
        let (listens, listening) = channel();
        runtime.spawn(async move {
            let mut swarm = stream_swarm();
            let mut incoming = swarm.behaviour().new_control().accept(MAILBOX).unwrap();
            swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
            loop {
                tokio::select! {
                    event = swarm.select_next_some() => if let SwarmEvent::NewListenAddr { address, .. } = event {
                        let _ = listens.send(address);
                    },
                    Some((_, stream)) = incoming.next() => if sender.send(stream).is_err() {
                        return;
                    },
                }
            }
        });
        let address: Multiaddr = listening.recv_timeout(SOON).expect("loopback has a port");
        Self { address: Address(address.to_vec()), runtime, streams, wires: Vec::new(), bodies: BTreeMap::new() }
    }

    /// An invite of somebody who is called here, whose body a test signs.
    pub(super) fn invite_with(
        &mut self,
        by: &mut Actor,
        said: &ContactBody,
        sign: impl Fn(&Actor, ContactBody, InviteMark) -> ContactRecord,
    ) -> String {
        let (link, lying) = by.invite_at_home(said, now(), sign);
        self.bodies.extend(lying);
        link
    }

    /// Gives no body of an invite from now on; all that there are, for when they are put back.
    pub(super) fn withhold(&mut self) -> BTreeMap<LookupId, Vec<u8>> {
        std::mem::take(&mut self.bodies)
    }

    /// Gives these bodies of invites again.
    pub(super) fn put_back(&mut self, bodies: BTreeMap<LookupId, Vec<u8>>) {
        self.bodies.extend(bodies);
    }

    /// What an honest invite of somebody who is called here says.
    pub(super) fn said(&self, by: &mut Actor) -> ContactBody {
        by.places = vec![self.address.clone()];
        let expires = now().after(DAY);
        let contacts = vec![by.contact(Scope::Contact, expires)];
        ContactBody { name: "Mallory".into(), expires, contacts, servers: Vec::new(), invite: None }
    }

    /// An honest invite of somebody who is called here.
    pub(super) fn invite(&mut self, by: &mut Actor) -> String {
        let said = self.said(by);
        self.invite_with(by, &said, |by, said, mark| invites::body(&by.identity, said, Some(mark)))
    }

    /// A node's user adds somebody by an invite.
    pub(super) fn adds(node: &Node, link: &str) -> JoinHandle<Value> {
        let (folder, link) = (node.folder().to_owned(), link.to_owned());
        std::thread::spawn(move || run(&folder, &["--json", "add", &link]).unwrap().objects().unwrap().remove(0))
    }

    /// What the commands say: they wait for what the invites say.
    pub(super) fn until_added(&mut self, adding: Vec<JoinHandle<Value>>) -> Vec<Value> {
        let are_done = |called: &mut Self| {
            called.answer();
            adding.iter().all(JoinHandle::is_finished)
        };
        within(SOON, "the commands end", || Ok(are_done(self).then_some(()))).unwrap();
        adding.into_iter().map(|adding| adding.join().unwrap()).collect()
    }

    /// A node's user adds somebody by an invite; what the command says.
    pub(super) fn add(&mut self, node: &Node, link: &str) -> Value {
        self.until_added(vec![Self::adds(node, link)]).remove(0)
    }

    /// The next link, if a node has opened one.
    pub(super) fn taken(&mut self) -> Option<Wire> {
        self.streams.try_recv().ok().map(|stream| Wire::over(self.runtime.clone(), stream, None))
    }

    /// Answers each question for the body of an invite by what lies there.
    pub(super) fn answer(&mut self) {
        self.wires.extend(self.streams.try_iter().map(|stream| Wire::over(self.runtime.clone(), stream, None)));
        for wire in &mut self.wires {
            while let Some(id) = wire.heard(looked_up) {
                let record = self.bodies.get(&id).cloned();
                wire.say(&Frame::Found(Found { id, record }).encode());
            }
        }
    }

    /// The first frame that is what is wanted, and the link that it came by.
    pub(super) fn hear<T>(&mut self, what: &str, mut wanted: impl FnMut(&[u8]) -> Option<T>) -> (Wire, T) {
        within(SOON, what, || {
            self.answer();
            let heard = self.wires.iter_mut().enumerate().find_map(|(ix, wire)| Some((ix, wire.heard(&mut wanted)?)));
            Ok(heard.map(|(ix, heard)| (self.wires.remove(ix), heard)))
        })
        .unwrap()
    }

    /// How many frames that are wanted have come by links that nobody has taken.
    pub(super) fn count(&mut self, wanted: impl Fn(&[u8]) -> bool) -> usize {
        self.answer();
        self.wires.iter_mut().map(|wire| wire.count(&wanted)).sum()
    }
}

fn looked_up(frame: &[u8]) -> Option<LookupId> {
    match Frame::decode(frame) {
        Ok(Frame::Lookup(id)) => Some(id),
        Ok(_) | Err(_) => None,
    }
}

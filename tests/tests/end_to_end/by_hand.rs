//! A person made by hand before a node that runs: every frame is a test's own, over real sockets, and
//! what the node answers is looked at before anything of the node's own reads it.

use super::server::now;
use super::stranger::Stranger;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::identity::PublicKey;
use libp2p::{PeerId, Stream, StreamProtocol};
use serde_json::Value;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::{Duration, Instant};
use symbolon_core::contact::{ContactRecord, VerifiedContact};
use symbolon_core::link::InviteLink;
use symbolon_core::wire::{AcceptBody, AcceptHead, Contact, PAYLOAD_MAX};
use symbolon_node::mls::{MemoryRows, MlsCipher};
use symbolon_presence::codec;
use symbolon_presence::id::{FrameId, MailboxId, Nonce, PublicKeyBytes};
use symbolon_presence::record::day_of;
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::time::DAY;
use symbolon_relay::frame::Frame;
use symbolon_relay::prove::{Ends, Prove, Role, WIRE_VERSION};
use symbolon_relay::put::{MailboxEntry, Outcome, ReceiptBody};
use symbolon_tests::craft::{Actor, Bond, invites};
use symbolon_tests::node::{Node, field, within};
use tokio::runtime::{Builder, Runtime};

pub(super) const MAILBOX: StreamProtocol = StreamProtocol::new("/symbolon/mailbox/1");
const SOON: Duration = Duration::from_secs(10);

/// A person without a node, whose rooms are of MLS.
pub(super) fn somebody(seed: u64) -> Actor {
    let mut actor = Actor::new(seed, now());
    actor.cipher = Box::new(MlsCipher::new(MemoryRows::default()));
    actor
}

/// Threads on which streams are read.
pub(super) fn runtime() -> Arc<Runtime> {
    Arc::new(Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
}

/// A stream of frames to or from a node.
pub(super) struct Wire {
    runtime: Arc<Runtime>,
    write: futures::io::WriteHalf<Stream>,
    frames: Receiver<Vec<u8>>,
    /// Came while something else was waited for.
    waiting: Vec<Vec<u8>>,
    /// The connection that it belongs to, if the test has made it.
    connection: Option<Stranger>,
}

impl Wire {
    /// Calls a node with a transport key that nobody has seen before.
    pub(super) fn call(node: &Node) -> Self {
        Self::reach(node).expect("the node is there")
    }

    fn reach(node: &Node) -> Option<Self> {
        let (runtime, address) = (runtime(), node.ready["listen"][0].as_str().unwrap().to_owned());
        let (stranger, stream) = runtime.block_on(async {
            let mut stranger = Stranger::connect(&address).await?;
            let stream = stranger.open(MAILBOX).await?;
            Some((stranger, stream))
        })?;
        Some(Self::over(runtime, stream, Some(stranger)))
    }

    /// Calls a node that begins again, as after another date: all links end.
    pub(super) fn call_again(&mut self, node: &Node) {
        within(SOON, "the link ends", || Ok(self.has_ended().then_some(()))).unwrap();
        *self = within(SOON, "the node is there again", || Ok(Self::reach(node))).unwrap();
    }

    /// Calls a node that takes another transport key. Before it does, it still answers under the old one for a moment, while its
    /// links end; then it cannot be reached for another moment.
    pub(super) fn call_by_another_key(&mut self, node: &Node) {
        let before = self.connection.as_ref().expect("a connection of our own").peer();
        let again = || Ok(Self::reach(node).filter(|wire| wire.connection.as_ref().is_some_and(|it| it.peer() != before)));
        *self = within(SOON, "the node is there under another key", again).unwrap();
    }

    fn has_ended(&mut self) -> bool {
        self.waiting.extend(self.frames.try_iter());
        matches!(self.frames.try_recv(), Err(TryRecvError::Disconnected))
    }

    pub(super) fn over(runtime: Arc<Runtime>, stream: Stream, connection: Option<Stranger>) -> Self {
        let (mut read, write) = stream.split();
        let (sender, frames) = channel();
        runtime.spawn(async move {
            loop {
                let (mut length, mut shift, mut byte) = (0, 0, [0x80]);
                while byte[0] & 0x80 != 0 {
                    if read.read_exact(&mut byte).await.is_err() {
                        return;
                    }
                    length |= usize::from(byte[0] & 0x7f) << shift;
                    shift += 7;
                }
                let mut frame = vec![0; length];
                if read.read_exact(&mut frame).await.is_err() || sender.send(frame).is_err() {
                    return;
                }
            }
        });
        Self { runtime, write, frames, waiting: Vec::new(), connection }
    }

    /// Sends a frame.
    pub(super) fn say(&mut self, frame: &[u8]) {
        assert!(self.try_to_say(frame), "the link is there");
    }

    /// Sends a frame; false when the link is gone.
    pub(super) fn try_to_say(&mut self, frame: &[u8]) -> bool {
        let (mut rest, mut bytes) = (frame.len(), Vec::new());
        while rest >= 0x80 {
            bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap());
        bytes.extend_from_slice(frame);
        self.runtime.block_on(async { self.write.write_all(&bytes).await.is_ok() && self.write.flush().await.is_ok() })
    }

    /// Which keys both ends of the connection have proved.
    pub(super) fn ends(&self) -> Ends {
        let connection = self.connection.as_ref().expect("a connection of our own");
        Ends { dialler: transport_key(&connection.own()), dialled: transport_key(&connection.peer()) }
    }

    /// That a friend is behind this link.
    pub(super) fn proof(&self, by: &Actor, bond: &Bond) -> Prove {
        Prove::new(&by.link_key(bond), Role::Dialler, &self.ends(), [5; 16], WIRE_VERSION, [6; 16])
    }

    /// Says these frames, and then nothing; all that comes until the link ends.
    pub(super) fn until_it_ends(&mut self, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let _ = frames.iter().all(|frame| self.try_to_say(frame));
        let (until, mut heard) = (Instant::now() + SOON, std::mem::take(&mut self.waiting));
        loop {
            match self.frames.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(frame) => heard.push(frame),
                Err(RecvTimeoutError::Disconnected) => return heard,
                Err(RecvTimeoutError::Timeout) => panic!("the link does not end; {} frames came", heard.len()),
            }
        }
    }

    /// The first frame that is what is wanted; the others wait.
    pub(super) fn hear<T>(&mut self, what: &str, mut wanted: impl FnMut(&[u8]) -> Option<T>) -> T {
        if let Some((ix, found)) = self.waiting.iter().enumerate().find_map(|(ix, frame)| Some((ix, wanted(frame)?))) {
            self.waiting.remove(ix);
            return found;
        }
        let until = Instant::now() + SOON;
        loop {
            let frame = self.frames.recv_timeout(until.saturating_duration_since(Instant::now()));
            let frame = frame.unwrap_or_else(|_| panic!("{what} does not come"));
            match wanted(&frame) {
                Some(found) => return found,
                None => self.waiting.push(frame),
            }
        }
    }

    /// The first frame that is what is wanted among those that are here.
    pub(super) fn heard<T>(&mut self, mut wanted: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        self.waiting.extend(self.frames.try_iter());
        let (ix, found) = self.waiting.iter().enumerate().find_map(|(ix, frame)| Some((ix, wanted(frame)?)))?;
        self.waiting.remove(ix);
        Some(found)
    }

    /// How many of the frames that are here are what is wanted.
    pub(super) fn count(&mut self, wanted: impl Fn(&[u8]) -> bool) -> usize {
        self.waiting.extend(self.frames.try_iter());
        self.waiting.iter().filter(|frame| wanted(frame)).count()
    }

    /// Whether nothing comes for a while.
    pub(super) fn is_silent(&mut self) -> bool {
        self.waiting.is_empty() && self.frames.recv_timeout(Duration::from_millis(300)).is_err()
    }

    /// Puts an envelope; what the mailbox has signed of it.
    pub(super) fn put(&mut self, to: &MailboxEntry, frame: &[u8]) -> Outcome {
        let Ok(Frame::Put(put)) = Frame::decode(frame) else { panic!("a frame that puts") };
        self.say(frame);
        self.receipt(&to.receipt_key(), &to.mailbox, put.frame)
    }

    /// What a mailbox has signed of an envelope.
    pub(super) fn receipt(&mut self, key: &VerifyingKey, mailbox: &MailboxId, id: FrameId) -> Outcome {
        self.hear("a receipt", |frame| {
            let Ok(Frame::Receipt(receipt)) = Frame::decode(frame) else { return None };
            let body: ReceiptBody = receipt.verify(key, mailbox).unwrap();
            body.items.iter().find(|item| item.frame == id).map(|item| item.outcome)
        })
    }

    /// What the invite of a node says, asked of the node.
    pub(super) fn contact_of(&mut self, link: &str) -> (ContactRecord, VerifiedContact) {
        let id = InviteLink::read(link).unwrap().secret.slot(day_of(now())).id().unwrap();
        self.say(&Frame::Lookup(id).encode());
        let bytes = self.hear("the body of the invite", |frame| match Frame::decode(frame) {
            Ok(Frame::Found(found)) if found.id == id => found.record,
            Ok(_) | Err(_) => None,
        });
        (invites::open(link, &bytes, now()).unwrap().1, invites::read(link, &bytes, now()))
    }
}

/// The key that signs a mailbox's receipts.
pub(super) trait ReceiptKey {
    fn receipt_key(&self) -> VerifyingKey;
}

impl ReceiptKey for MailboxEntry {
    fn receipt_key(&self) -> VerifyingKey {
        VerifyingKey::parse(&self.receipt).unwrap()
    }
}

/// An invite of a node.
pub(super) fn invite(node: &Node) -> String {
    field(node.json(&["invite"]).unwrap().first(), "link").unwrap()
}

/// The Ed25519 key that a transport's id holds.
fn transport_key(peer: &PeerId) -> PublicKeyBytes {
    let key = PublicKey::try_decode_protobuf(&peer.to_bytes()[2..]).unwrap().try_into_ed25519().unwrap();
    PublicKeyBytes(key.to_bytes())
}

/// Somebody made by hand befriends a node: asks by an invite of it, is accepted, completes. Answers by which way the Confirm went, as well.
pub(super) fn befriends(node: &Node, wire: &mut Wire, by: &mut Actor) -> (Bond, Contact) {
    let (_, to) = wire.contact_of(&invite(node));
    let (offer, usage) = (by.offer(now()), Nonce::random(&mut by.rng));
    let asked = by.offer_frame(&to, usage, &offer);
    assert!(matches!(wire.put(&to.contacts[0].1.entry, &asked), Outcome::Stored(_)));
    let id = by.peer().to_string();
    let row = node.json(&["requests"]).unwrap().into_iter().find(|row| row["peer"] == id.as_str()).unwrap();
    node.json(&["accept", row["request"].as_str().unwrap()]).unwrap();
    let heard = wire.hear("the Accept", |frame| by.hear(frame, now()));
    wire.say(&by.receipt(now(), &[heard.frame], Outcome::Stored(now().after(DAY))));
    let accept: AcceptBody = codec::decode(&heard.statement.body, PAYLOAD_MAX).unwrap();
    let head: AcceptHead = codec::decode(&accept.head, PAYLOAD_MAX).unwrap();
    let (bond, confirm) = by.complete(&offer, &heard, now());
    assert!(matches!(wire.put(&head.reply.entry, &confirm), Outcome::Stored(_)));
    let is_friend = |friend: &Value| friend["id"] == id.as_str() && friend["mutual"] == true;
    within(SOON, "they are friends", || Ok(node.json(&["friends"])?.iter().any(is_friend).then_some(()))).unwrap();
    (bond, head.reply)
}

/// All that a user sees of people: requests, friends but for who is there just now and with which build, texts.
pub(super) fn people(node: &Node) -> [Vec<Value>; 3] {
    let mut seen = [&["requests"][..], &["friends"], &["read", "--peek"]].map(|arguments| node.json(arguments).unwrap());
    for friend in &mut seen[1] {
        friend.as_object_mut().unwrap().retain(|name, _| !["online", "path", "devices", "build"].contains(&name.as_str()));
    }
    seen
}

/// How many frames a node has dropped.
pub(super) fn dropped(node: &Node) -> u64 {
    let status = node.json(&["status"]).unwrap().remove(0);
    status["dropped_frames"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// Bytes of a message, in their encoding.
pub(super) fn bytes<T: minicbor::Encode<()>>(message: &T) -> Vec<u8> {
    codec::encode(message)
}

//! The invariants, held against every turn and every frame of a story.
//!
//! - What shows at a friend was durably written by its author, shows once, and in order.
//! - `delivered` is said only of what is on the other disk, `read` only of what was read,
//!   `failed` only with a reason that is true.
//! - A signed receipt names only what is on the signer's disk.
//! - No envelope tag is used for two envelopes; after an older copy was put back, no tag and nonce.
//! - No room message goes into a link whose other end has not said who it is.
//! - What was acknowledged opens no more by what is on disk.
//! - Every bounded table is within its bound, and counters of queues are right.

use super::node::SimNode;
use super::rows::{self, DeviceRow, FriendRow, MessageRow, channels, fault, read};
use super::run::{Ix, Sim};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_core::command::MessageState;
use symbolon_core::limits::{BLOCKED_MAX, FRIENDS_MAX, INVITES_MAX, OUTBOX_MAX, PIECES_BYTES_MAX, REQUESTS_MAX, UNOPENED_MAX, YOUNG_MAX};
use symbolon_core::seam::LinkId;
use symbolon_core::table::{Change, Table};
use symbolon_core::world::Shelf;
use symbolon_presence::envelope::{Kind, kind};
use symbolon_presence::id::{FrameId, MessageId, PeerId};
use symbolon_presence::record::Record;
use symbolon_presence::time::{MINUTE, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::put::{Outcome, ReceiptBody};

/// What a text of a story says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Who writes.
    pub from: Ix,
    /// To whom.
    pub to: Ix,
    /// Rises with every text from one to the other.
    pub number: u64,
    /// How long it may take, in milliseconds; 0 for ever.
    pub lifetime: u64,
}

impl Label {
    /// The text.
    pub fn text(&self, padding: usize) -> String {
        format!("{} {} {} {}|{}", self.from, self.to, self.number, self.lifetime, "x".repeat(padding))
    }

    fn parse(text: &str) -> Self {
        let numbers: Vec<u64> = text.split('|').next().unwrap_or_default().split(' ').filter_map(|part| part.parse().ok()).collect();
        let [from, to, number, lifetime] = numbers.as_slice() else { panic!("a text that nobody wrote") };
        Self { from: *from as Ix, to: *to as Ix, number: *number, lifetime: *lifetime }
    }
}

#[derive(Debug, Clone)]
struct Known {
    key: Vec<u8>,
    label: Label,
    length: usize,
    state: MessageState,
}

/// More turns in a minute of a story than a node has reason for: in a rough one each is killed four
/// times, has four friends whom it looks for at lookup servers and in the DHT, and greets.
const BUSY: u64 = 700;

/// What the invariants remember.
#[derive(Debug, Default)]
pub struct Watch {
    peers: BTreeMap<PeerId, Ix>,
    messages: BTreeMap<(Ix, MessageId), Known>,
    /// What stood on a disk of which an older copy was put back.
    vanished: BTreeMap<(Ix, MessageId), Known>,
    /// The newest number at one node from another.
    arrived: BTreeMap<(Ix, Ix), u64>,
    /// The newest number read at one node from another.
    seen: BTreeMap<(Ix, Ix), u64>,
    tags: BTreeMap<(Ix, [u8; 16]), FrameId>,
    /// Known envelopes that were sent.
    envelopes: BTreeMap<FrameId, Vec<u8>>,
    nonces: BTreeMap<(Ix, Vec<u8>), FrameId>,
    /// Which node has proved on which link who it is.
    said: BTreeSet<(LinkId, Ix)>,
    /// Nodes whose word counts for nothing.
    pub liars: BTreeSet<Ix>,
    /// Nodes of which an older copy was put back.
    pub returned: BTreeSet<Ix>,
    /// Who ended it, or blocked, with whom.
    pub parted: BTreeSet<(Ix, Ix)>,
    /// Turns since then.
    lately: u64,
    since: Timestamp,
}

/// Sums over a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Texts durable at their author.
    pub written: u64,
    /// Of these on the friend's disk.
    pub arrived: u64,
    /// Of these said to be given up.
    pub failed: u64,
}

impl Watch {
    /// A node has an identity.
    pub fn started(&mut self, ix: Ix, peer: PeerId) {
        self.peers.insert(peer, ix);
    }

    /// An older copy of a node's folder was put back: it holds what it held.
    pub fn put_back(&mut self, node: &SimNode, ix: Ix) {
        self.returned.insert(ix);
        let gone: Vec<_> = self.messages.extract_if(.., |(at, _), _| *at == ix).collect();
        self.vanished.extend(gone);
        self.arrived.retain(|(at, _), _| *at != ix);
        self.seen.retain(|(at, _), _| *at != ix);
        for (key, row) in node.store.rows(Table::Message) {
            let row: MessageRow = read(row);
            let label = Label::parse(&row.text);
            if label.from != ix {
                let newest = self.arrived.entry((ix, label.from)).or_default();
                *newest = label.number.max(*newest);
                if row.state == MessageState::Read {
                    let newest = self.seen.entry((ix, label.from)).or_default();
                    *newest = label.number.max(*newest);
                }
            }
            self.messages.insert((ix, row.id), Known { key: key.to_vec(), label, length: row.text.len(), state: row.state });
        }
    }

    /// A turn has ended; these changes have become durable at a node.
    pub fn durable(&mut self, sim: &Sim, ix: Ix, changes: &[Change]) {
        // After each crash a relay hands out again what is not settled, up to 256 entries, and
        // each of these is a turn here that may crash: nobody's fault.
        self.lately += u64::from(!sim.is_fetching);
        if sim.now.since(self.since) > MINUTE {
            (self.since, self.lately) = (sim.now, 0);
        }
        assert!(self.lately < BUSY * sim.nodes.len() as u64, "nobody keeps anybody busy for nothing");
        for change in changes {
            match change {
                Change::Put(Table::Message, key, value) => self.message(sim, ix, key, &read(value)),
                Change::Delete(table, _) => assert!(*table != Table::Message, "a message is never deleted"),
                Change::Put(..) | Change::Index(..) | Change::Unindex(..) | Change::ClearIndex => {}
            }
        }
    }

    fn message(&mut self, sim: &Sim, ix: Ix, key: &[u8], row: &MessageRow) {
        let label = Label::parse(&row.text);
        let known = self.messages.get(&(ix, row.id)).cloned();
        if let Some(known) = &known {
            assert_eq!(known.key, key, "a message is shown once: {label:?} at {ix}");
            assert_eq!(known.label, label, "a text never changes");
        }
        let before = known.map(|known| known.state);
        if row.from == sim.nodes[ix].peer {
            assert_eq!(label.from, ix);
            self.own(sim, ix, row, label, before);
        } else {
            assert_eq!(self.peers.get(&row.from), Some(&label.from), "a text is by the one who wrote it");
            assert_eq!(label.to, ix, "a text is at the one whom it was written to");
            self.theirs(ix, row, label, before);
        }
        self.messages.insert((ix, row.id), Known { key: key.to_vec(), label, length: row.text.len(), state: row.state });
    }

    fn own(&self, sim: &Sim, ix: Ix, row: &MessageRow, label: Label, before: Option<MessageState>) {
        use MessageState::{Delivered, Failed, Queued, Read, Stored};
        match (before, row.state) {
            (None | Some(Queued), Queued) => {}
            // A copy at a relay counts while it is there, and no longer.
            (Some(Queued | Stored), Stored) | (Some(Stored), Queued) => assert!(!sim.relays.is_empty(), "only a relay stores"),
            (Some(Queued | Stored), Delivered) | (Some(Delivered), Delivered) => {
                let there = sim.nodes[label.to].store.get(Table::MessageIndex, row.id.as_bytes()).unwrap().is_some();
                let was_there = there || self.vanished.contains_key(&(label.to, row.id));
                assert!(was_there || self.liars.contains(&label.to), "delivered is said only of what is on the other disk: {label:?}");
            }
            // The word that it was read may overtake the receipt.
            (Some(Queued | Stored | Delivered | Read), Read) => {
                let read = self.seen.get(&(label.to, ix)).is_some_and(|newest| *newest >= label.number);
                let was_read = read || self.returned.contains(&label.to);
                assert!(was_read || self.liars.contains(&label.to), "read is said only of what was read: {label:?}");
            }
            (Some(Queued | Stored | Failed), Failed) => self.reason(sim, ix, row, label),
            (before, after) => panic!("a message went from {before:?} to {after:?}: {label:?}"),
        }
        assert_eq!(row.fault.is_some(), row.state == Failed, "who failed says why");
    }

    fn reason(&self, sim: &Sim, ix: Ix, row: &MessageRow, label: Label) {
        let is_true = match row.fault {
            Some(fault::EXPIRED) => label.lifetime > 0 && sim.nodes[ix].clock.newest().since(row.at) >= label.lifetime,
            Some(fault::ENDED) => self.parted.contains(&(ix, label.to)),
            Some(fault::REFUSED) => self.parted.contains(&(label.to, ix)) || self.liars.contains(&label.to),
            Some(_) | None => false,
        };
        assert!(is_true, "the reason for giving up is true: {:?} of {label:?}", row.fault);
    }

    fn theirs(&mut self, ix: Ix, row: &MessageRow, label: Label, before: Option<MessageState>) {
        let from = label.from;
        match (before, row.state) {
            (None, MessageState::Delivered) => {
                let written = self.messages.get(&(from, row.id)).or(self.vanished.get(&(from, row.id)));
                assert!(
                    written.is_some_and(|written| written.label == label && written.length == row.text.len()),
                    "what arrives was durably written: {label:?}"
                );
                let newest = self.arrived.entry((ix, from)).or_default();
                // What a lost state left at a relay comes in any order.
                let is_next = *newest < label.number || self.returned.contains(&from);
                assert!(is_next, "texts arrive in the order of writing: {label:?} behind {newest}");
                *newest = label.number.max(*newest);
            }
            (Some(MessageState::Delivered | MessageState::Read), MessageState::Read) => {
                let newest = self.seen.entry((ix, from)).or_default();
                *newest = label.number.max(*newest);
            }
            (before, after) => panic!("a friend's message went from {before:?} to {after:?}: {label:?}"),
        }
    }

    /// A node has released a frame on a link; `to` is the node at its other end, if it is one.
    pub fn sent(&mut self, sim: &Sim, from: Ix, link: LinkId, to: Option<Ix>, bytes: &[u8]) {
        match Frame::decode(bytes).expect("what a node sends is a frame") {
            Frame::Put(put) => {
                if let Some(Kind::Known(tag)) = kind(&put.envelope) {
                    self.envelopes.entry(put.frame).or_insert_with(|| put.envelope.clone());
                    let is_proved = to.is_none_or(|to| self.said.contains(&(link, to)));
                    assert!(is_proved, "no room message goes into a link whose other end has not said who it is");
                    let first = *self.nonces.entry((from, put.envelope.iter().take(30).copied().collect())).or_insert(put.frame);
                    assert_eq!(first, put.frame, "no nonce is used for two envelopes");
                    let first = *self.tags.entry((from, tag)).or_insert(put.frame);
                    assert!(first == put.frame || self.returned.contains(&from), "no counter is used for two envelopes");
                }
            }
            Frame::Receipt(receipt) => {
                let body: ReceiptBody = read(&receipt.body);
                for item in body.items.iter().filter(|item| item.outcome == Outcome::Delivered) {
                    assert!(rows::is_taken(&sim.nodes[from].store, &item.frame), "a receipt names only what is on disk");
                    let opens = |envelope: &Vec<u8>| rows::inbound(&sim.nodes[from].store).any(|(_, row)| row.opens(envelope));
                    let is_kept = self.envelopes.get(&item.frame).is_some_and(opens);
                    assert!(!is_kept, "the key of what was acknowledged is erased on disk");
                }
            }
            Frame::Found(found) => {
                // One that has ended meanwhile is of no use to anybody, nor any harm.
                let record = found.record.and_then(|bytes| Record::read(&bytes, sim.nodes[from].clock.newest()).ok());
                assert!(record.is_none_or(|record| record.id == found.id), "what is handed out is what was asked for");
            }
            Frame::Carry(_) => assert!(
                to.is_none_or(|to| self.said.contains(&(link, to))),
                "nothing is given to be carried into a link whose other end has not said who it is"
            ),
            Frame::Lookup(_) | Frame::Keep(_) | Frame::Carried(_) => {}
            Frame::Prove(_) => {
                self.said.insert((link, from));
            }
            // Of relays and their mailboxes' owners.
            Frame::Update(_)
            | Frame::Session(_)
            | Frame::Accepted(_)
            | Frame::Deposit(_)
            | Frame::Ack(_)
            | Frame::Away(_)
            | Frame::Stock(_)
            | Frame::Fetch(_)
            | Frame::Fetched(_) => {}
        }
    }

    /// Bounds and counters at rest.
    pub fn check_bounds(&self, sim: &Sim) {
        let bounds =
            [(Table::Friend, FRIENDS_MAX), (Table::Request, REQUESTS_MAX), (Table::Invite, INVITES_MAX), (Table::Blocked, BLOCKED_MAX)];
        for node in &sim.nodes {
            for (table, max) in bounds {
                assert!(node.store.count(table) <= max, "{table:?} is bounded");
            }
            assert!(node.store.count(Table::Unopened) <= UNOPENED_MAX, "what could not be opened is bounded");
            let pieces = node.store.rows(Table::Piece).map(|(_, row)| row.len());
            assert!(pieces.sum::<usize>() <= PIECES_BYTES_MAX, "pieces are bounded");
            for friend in node.store.rows(Table::Friend).map(|(_, row)| read::<FriendRow>(row)).filter(|row| row.state == FriendRow::MUTUAL)
            {
                assert!(node.store.get(Table::Room, friend.room.as_bytes()).unwrap().is_some(), "a friendship's room has a row");
            }
            let rows = node.store.rows(Table::Outbox).filter(|(key, _)| key.len() == 24).count();
            let cares = node.store.rows(Table::Outbox).filter(|(key, _)| key.len() == 25);
            for (key, _) in cares {
                assert!(key.last() == Some(&0) && node.store.get(Table::Outbox, &key[..24]).unwrap().is_some(), "of a row that is there");
            }
            let young: Vec<usize> = channels(&node.store).map(|(_, row)| row.young.map_or(0, |young| young.len())).collect();
            assert!(young.iter().all(|young| *young <= YOUNG_MAX), "what is in memory alone is bounded");
            let rows = rows + young.iter().sum::<usize>();
            let counts: Vec<u64> = channels(&node.store).map(|(_, row)| row.outbox_count).collect();
            assert!(counts.iter().all(|count| *count <= OUTBOX_MAX), "the outbox is bounded");
            assert_eq!(counts.iter().sum::<u64>(), rows as u64, "the outbox is counted right");
        }
    }

    /// At the end, all friends being friends: everything written has arrived, or is said to
    /// have failed; and whatever arrived is known to have.
    pub fn check_settled(&self, sim: &Sim) {
        for ((ix, id), message) in &self.messages {
            let Label { from, to, .. } = message.label;
            if from != *ix || self.liars.contains(&to) || self.liars.contains(&from) {
                continue;
            }
            let there = self.messages.contains_key(&(to, *id));
            match message.state {
                // An older copy gets what it lacks automatically once a month.
                MessageState::Delivered | MessageState::Read => assert!(there || self.returned.contains(&to), "what is delivered is there"),
                MessageState::Failed => {}
                MessageState::Queued | MessageState::Stored => panic!("a text is still under way: {:?}", message.label),
            }
        }
        // Anyone who lies about what was received may wait for ever for somebody who believed it.
        for (ix, node) in sim.nodes.iter().enumerate().filter(|(ix, _)| !self.liars.contains(ix)) {
            let friends = node.store.rows(Table::Friend).map(|(_, row)| read::<FriendRow>(row));
            for friend in friends.filter(|friend| !self.peers.get(&friend.peer).is_some_and(|peer| self.liars.contains(peer))) {
                assert!(friend.held.is_empty(), "node {ix} holds nothing back");
            }
            for (device, channel) in channels(&node.store) {
                let device: DeviceRow = read(&node.store.get(Table::Device, device).unwrap().expect("a channel has its device"));
                let is_liars = self.peers.get(&device.peer).is_some_and(|peer| self.liars.contains(peer));
                assert!(is_liars || channel.outbox_count == 0, "the outbox of node {ix} is empty");
            }
        }
    }

    /// How much was written, arrived and failed.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for ((ix, _), message) in &self.messages {
            if message.label.from == *ix {
                sums.written += 1;
                sums.failed += u64::from(message.state == MessageState::Failed);
            } else {
                sums.arrived += 1;
            }
        }
        sums
    }
}

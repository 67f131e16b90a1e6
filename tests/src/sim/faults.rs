//! What goes wrong, and how often.

use super::node::End;
use super::run::{Ix, Sim};
use symbolon_presence::id::{FrameId, MailboxId};
use symbolon_presence::identity::{Identity, StoredIdentity};
use symbolon_presence::record::RECORD_MAX;
use symbolon_presence::sign::SigningKey;
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::MailboxKeys;
use symbolon_relay::put::{Outcome, Receipt, ReceiptBody, ReceiptItem, Refusal};
use symbolon_relay::records::Found;

/// What goes wrong on the way and in turns: chances are in parts per thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Longest way of a frame, in milliseconds; at least 1.
    pub latency: u64,
    /// A frame vanishes from a live link.
    pub loss: u64,
    /// A frame arrives twice.
    pub duplicate: u64,
    /// A frame is overtaken.
    pub reorder: u64,
    /// A link dies with all that is on it.
    pub cut: u64,
    /// A turn ends in a crash.
    pub crash: u64,
    /// A frame arrives with one bit changed.
    pub flip: u64,
    /// Behind a frame comes another one that was recorded anywhere before.
    pub replay: u64,
}

impl Faults {
    /// A network as it is in practice on a bad day.
    pub const ROUGH: Self = Self { latency: 200, loss: 20, duplicate: 20, reorder: 50, cut: 10, crash: 5, flip: 0, replay: 0 };
    /// The same, with somebody on the line who changes and repeats what passes.
    pub const HOSTILE: Self = Self { flip: 5, replay: 10, ..Self::ROUGH };
    /// A network without faults.
    pub const NONE: Self = Self { latency: 20, loss: 0, duplicate: 0, reorder: 0, cut: 0, crash: 0, flip: 0, replay: 0 };
}

/// A process that dies in one of its next turns.
#[derive(Debug, Clone, Copy)]
pub struct Strike {
    /// Which node.
    pub node: Ix,
    /// How many turns it completes before.
    pub after: usize,
    /// On which side of the commit it dies.
    pub end: End,
}

impl Strike {
    /// Counts a turn of a node. How it ends, when it is the one.
    pub(super) fn count(strike: &mut Option<Self>, node: Ix) -> Option<End> {
        let struck = strike.as_mut().filter(|strike| strike.node == node)?;
        match struck.after.checked_sub(1) {
            Some(left) => {
                struck.after = left;
                None
            }
            None => strike.take().map(|struck| struck.end),
        }
    }
}

/// How a node treats the receipts that it owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Acknowledges nothing.
    Lazy,
    /// Signs receipts for whatever frames it has heard of, and tells wrong outcomes; and answers
    /// look-ups with nothing, or with what is no record.
    Liar,
}

/// A bit of a frame changed.
pub fn flipped(sim: &mut Sim, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = sim.below(bytes.len() as u64) as usize;
    let bit = sim.below(8);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
    bytes
}

/// A receipt about frames that were recorded, signed with any key.
fn lie(sim: &mut Sim, honest: Vec<ReceiptItem>, key: &SigningKey, mailbox: &MailboxId) -> Vec<u8> {
    let mut items = honest;
    for _ in 0..1 + sim.below(8) {
        if let Some(frame) = recorded_frame(sim) {
            items.push(ReceiptItem { frame, outcome: Outcome::Delivered });
        }
    }
    for item in &mut items {
        item.outcome = match sim.below(8) {
            0 => Outcome::Refused(Refusal::Refused),
            1 => Outcome::Refused(Refusal::Full),
            2 => Outcome::Stored(sim.now),
            _ => Outcome::Delivered,
        };
    }
    Frame::Receipt(Receipt::sign(key, mailbox, &ReceiptBody { at: sim.now, items })).encode()
}

/// What a liar sends in place of its receipt.
pub fn lying_receipt(sim: &mut Sim, liar: Ix, honest: &Receipt) -> Vec<u8> {
    let (identity, mailbox) = own_keys(sim, liar);
    let items = super::rows::decode::<ReceiptBody>(&honest.body).map(|body| body.items).unwrap_or_default();
    lie(sim, items, &identity.signing, &mailbox)
}

/// What a liar answers to a look-up: nothing, a record with a bit changed, or bytes.
pub fn lying_answer(sim: &mut Sim, honest: Found) -> Vec<u8> {
    let record = match (sim.below(4), honest.record) {
        (0, Some(record)) => Some(flipped(sim, &record)),
        (1, _) => Some(vec![0x82; RECORD_MAX]),
        (..) => None,
    };
    Frame::Found(Found { record, ..honest }).encode()
}

/// A receipt about recorded frames in the name of a node, signed by nobody that anybody knows.
pub fn forged_receipt(sim: &mut Sim, of: Ix) -> Vec<u8> {
    let (_, mailbox) = own_keys(sim, of);
    let key = SigningKey::from_seed(&sim.seed());
    lie(sim, Vec::new(), &key, &mailbox)
}

fn own_keys(sim: &Sim, ix: Ix) -> (Identity, MailboxId) {
    use symbolon_core::table::Table;
    use symbolon_core::world::Shelf;
    let row = |name: &[u8]| sim.nodes[ix].store.get(Table::Meta, name).unwrap().expect("a started node has an identity");
    let identity: StoredIdentity = super::rows::read(&row(b"identity"));
    let mailbox: MailboxKeys = super::rows::read(&row(b"mailbox"));
    (Identity::from_stored(&identity), mailbox.id())
}

fn recorded_frame(sim: &mut Sim) -> Option<FrameId> {
    let bytes = sim.recorded()?;
    match Frame::decode(&bytes) {
        Ok(Frame::Put(put)) => Some(put.frame),
        Ok(_) | Err(_) => None,
    }
}

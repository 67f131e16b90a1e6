//! The network of a simulation: links that delay, lose, double, reorder, change and cut.

use super::faults::{Manners, flipped, lying_answer, lying_receipt};
use super::relays::{RELAYS, relay_at};
use super::run::{Happening, Ix, Sim, address_of, node_at};
use std::collections::{BTreeMap, VecDeque};
use symbolon_core::command::Path;
use symbolon_core::seam::{Address, DialId, Input, LinkId, Source, TransportKeys};
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::kdf::sha256;
use symbolon_presence::time::Timestamp;
use symbolon_relay::frame::Frame;

/// The end of a link that no node holds.
pub const ROGUE: Ix = usize::MAX;

/// Frames remembered for one who repeats them later.
const RECORDED_MAX: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Pipe {
    ends: [Ix; 2],
    incarnations: [u64; 2],
    /// The latest planned arrival in each direction, so that frames keep their order.
    last: [Timestamp; 2],
}

/// A frame as the wire saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnWire {
    /// When it was sent.
    pub at: Timestamp,
    /// By whom.
    pub from: Ix,
    /// To whom.
    pub to: Ix,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// All open links, and what was overheard on them.
#[derive(Debug, Default)]
pub(super) struct Line {
    pipes: BTreeMap<LinkId, Pipe>,
    next_link: u64,
    /// Frames that nodes sent to a rogue.
    rogue: BTreeMap<LinkId, VecDeque<Vec<u8>>>,
    /// What passed lately.
    recorded: VecDeque<Vec<u8>>,
}

impl Sim {
    /// How many links were opened so far.
    pub fn links_opened(&self) -> u64 {
        self.line.next_link
    }

    /// Cuts every link between two nodes and keeps them apart, or lets them meet again.
    pub fn set_apart(&mut self, a: Ix, b: Ix, apart: bool) {
        let pair = (a.min(b), a.max(b));
        if apart {
            self.log(a, || format!("cannot reach node {b}"));
            self.apart.insert(pair);
            self.cut_links(|ends| ends.contains(&a) && ends.contains(&b));
        } else {
            self.apart.remove(&pair);
        }
    }

    /// A node gets another address, under which nobody knows it yet, and nobody is at the old one.
    pub fn move_house(&mut self, ix: Ix) {
        let house = self.houses.entry(ix).or_default();
        *house += 1;
        let address = address_of(ix, *house);
        self.log(ix, || "has another address".into());
        self.cut_links(|ends| ends.contains(&ix));
        self.deliver(ix, vec![Input::Addresses(vec![address])], false);
    }

    pub(super) fn cut_links(&mut self, which: impl Fn(&[Ix; 2]) -> bool) {
        let links: Vec<LinkId> = self.line.pipes.iter().filter(|(_, pipe)| which(&pipe.ends)).map(|(link, _)| *link).collect();
        for link in links {
            self.cut(link);
        }
    }

    fn cut(&mut self, link: LinkId) {
        self.end(link, None);
    }

    pub(super) fn close(&mut self, by: Ix, link: LinkId) {
        self.end(link, Some(by));
    }

    fn end(&mut self, link: LinkId, by: Option<Ix>) {
        let Some(pipe) = self.line.pipes.remove(&link) else { return };
        for (end, incarnation) in pipe.ends.into_iter().zip(pipe.incarnations) {
            if Some(end) != by && end != ROGUE {
                let at = self.now.after(1);
                self.plan(at, end, incarnation, Happening::Input(Input::LinkDown(link)));
            }
        }
    }

    pub(super) fn dial(&mut self, from: Ix, dial: DialId, places: &[Address]) {
        let delay = 1 + self.below(self.faults.latency.max(1));
        let at = self.now.after(delay);
        if let Some(relay) = places.iter().find_map(relay_at) {
            self.dial_relay(from, dial, relay, at);
            return;
        }
        let lives_there = |at: &(Ix, u32)| self.houses.get(&at.0).copied().unwrap_or_default() == at.1;
        let to = places.iter().filter_map(node_at).find(lives_there).map(|(to, _)| to).filter(|to| *to != from);
        let incarnation = self.nodes[from].incarnation;
        if to == Some(ROGUE) && self.rogue_links.is_some() {
            let link = self.pipe([from, ROGUE], [incarnation, 0]);
            let keys = self.keys(from, ROGUE);
            self.plan(
                at,
                from,
                incarnation,
                Happening::Input(Input::LinkUp { link, dial: Some(dial), path: Path::Direct, source: Source::default(), keys }),
            );
            self.rogue_links.get_or_insert_default().push(link);
            return;
        }
        let to = to.filter(|to| *to < self.nodes.len());
        let reachable = to.filter(|to| self.nodes[*to].is_up() && !self.apart.contains(&(from.min(*to), from.max(*to))));
        let Some(to) = reachable else {
            self.plan(at, from, incarnation, Happening::Input(Input::DialFailed(dial)));
            return;
        };
        let other = self.nodes[to].incarnation;
        let link = self.pipe([from, to], [incarnation, other]);
        let (theirs, ours) = (self.keys(to, from), self.keys(from, to));
        self.plan(
            at,
            to,
            other,
            Happening::Input(Input::LinkUp { link, dial: None, path: Path::Direct, source: Source::default(), keys: theirs }),
        );
        self.plan(
            at,
            from,
            incarnation,
            Happening::Input(Input::LinkUp { link, dial: Some(dial), path: Path::Direct, source: Source::default(), keys: ours }),
        );
        if let Some(pipe) = self.line.pipes.get_mut(&link) {
            pipe.last = [at, at];
        }
    }

    /// The key by which a node's transport is known while this process of it lives.
    pub fn transport_key(&self, ix: Ix) -> PublicKeyBytes {
        let incarnation = self.nodes.get(ix).map_or(0, |node| node.incarnation);
        PublicKeyBytes(sha256(&[b"transport".as_slice(), &(ix as u64).to_be_bytes(), &incarnation.to_be_bytes()].concat()))
    }

    /// The keys of a link, as one of its ends sees them.
    fn keys(&self, own: Ix, other: Ix) -> Option<TransportKeys> {
        Some(TransportKeys { own: self.transport_key(own), other: self.transport_key(other) })
    }

    pub(super) fn pipe(&mut self, ends: [Ix; 2], incarnations: [u64; 2]) -> LinkId {
        self.line.next_link += 1;
        let link = LinkId(self.line.next_link);
        self.line.pipes.insert(link, Pipe { ends, incarnations, last: [self.now; 2] });
        link
    }

    pub(super) fn send(&mut self, from: Ix, link: LinkId, bytes: Vec<u8>) {
        self.tally.frames += 1;
        self.trace.add(&bytes);
        if from < RELAYS
            && let Some(mut watch) = self.watch.take()
        {
            let pipe = self.line.pipes.get(&link);
            let to = pipe.map(|pipe| if pipe.ends[0] == from { pipe.ends[1] } else { pipe.ends[0] }).filter(|to| *to < RELAYS);
            watch.sent(self, from, link, to, &bytes);
            self.watch = Some(watch);
        }
        let Some(pipe) = self.line.pipes.get(&link).copied() else { return };
        let side = usize::from(pipe.ends[0] != from);
        let to = pipe.ends[1 - side];
        if let Some(wire) = &mut self.wire {
            wire.push(OnWire { at: self.now, from, to, bytes: bytes.clone() });
        }
        if to == ROGUE {
            self.line.rogue.entry(link).or_default().push_back(bytes);
            return;
        }
        let Some(mut bytes) = self.by_manners(from, bytes) else { return };
        if self.line.recorded.len() >= RECORDED_MAX {
            self.line.recorded.pop_front();
        }
        self.line.recorded.push_back(bytes.clone());
        if self.happens(self.faults.cut) {
            self.log(from, || format!("loses link {}", link.0));
            self.cut(link);
            return;
        }
        if self.happens(self.faults.loss) {
            self.log(from, || "a frame is lost".into());
            return;
        }
        if self.happens(self.faults.flip) {
            self.log(from, || "a frame is changed".into());
            bytes = flipped(self, &bytes);
        }
        let mut arriving = vec![bytes];
        if self.happens(self.faults.duplicate) {
            arriving.push(arriving[0].clone());
        }
        if self.happens(self.faults.replay)
            && let Some(old) = self.recorded()
        {
            arriving.push(old);
        }
        let incarnation = pipe.incarnations[1 - side];
        for bytes in arriving {
            let delay = 1 + self.below(self.faults.latency.max(1));
            let mut at = self.now.after(delay);
            if !self.happens(self.faults.reorder) {
                at = at.max(self.line.pipes.get(&link).map_or(at, |pipe| pipe.last[side]));
                if let Some(pipe) = self.line.pipes.get_mut(&link) {
                    pipe.last[side] = at;
                }
            }
            self.plan(at, to, incarnation, Happening::Input(Input::Frame(link, bytes)));
        }
    }

    /// What a node of bad manners makes of its frame; none when it keeps it to itself.
    fn by_manners(&mut self, from: Ix, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let Some(manners) = self.manners.get(&from).copied() else { return Some(bytes) };
        match (manners, Frame::decode(&bytes)) {
            (Manners::Lazy, Ok(Frame::Receipt(_))) => None,
            (Manners::Liar, Ok(Frame::Receipt(honest))) => Some(lying_receipt(self, from, &honest)),
            (Manners::Liar, Ok(Frame::Found(honest))) => Some(lying_answer(self, honest)),
            (Manners::Lazy | Manners::Liar, Ok(_) | Err(_)) => Some(bytes),
        }
    }

    /// One of the frames that passed lately.
    pub fn recorded(&mut self) -> Option<Vec<u8>> {
        let at = self.below(self.line.recorded.len() as u64) as usize;
        self.line.recorded.get(at).cloned()
    }

    /// Opens a link to a node from nowhere.
    pub fn rogue_link(&mut self, to: Ix) -> LinkId {
        let incarnation = self.nodes[to].incarnation;
        let link = self.pipe([ROGUE, to], [0, incarnation]);
        let keys = self.keys(to, ROGUE);
        self.deliver(to, vec![Input::LinkUp { link, dial: None, path: Path::Direct, source: Source::default(), keys }], false);
        link
    }

    /// Sends a frame on a rogue link and returns what the node answers at once.
    pub fn rogue_send(&mut self, link: LinkId, bytes: Vec<u8>) -> Vec<Vec<u8>> {
        let Some(pipe) = self.line.pipes.get(&link).copied() else { return Vec::new() };
        let to = if pipe.ends[0] == ROGUE { pipe.ends[1] } else { pipe.ends[0] };
        self.deliver(to, vec![Input::Frame(link, bytes)], false);
        self.rogue_take(link)
    }

    /// The frames that a node has sent on a rogue link since they were last asked for.
    pub fn rogue_take(&mut self, link: LinkId) -> Vec<Vec<u8>> {
        self.line.rogue.remove(&link).map(Vec::from).unwrap_or_default()
    }

    /// Closes a rogue link from the rogue's side.
    pub fn rogue_close(&mut self, link: LinkId) {
        self.cut(link);
    }

    /// Whether a link is open.
    pub fn is_open(&self, link: LinkId) -> bool {
        self.line.pipes.contains_key(&link)
    }
}

//! The words alone: fetches the capsule that a person's devices have left at relays. The protocol page is
//! `docs/protocol/recovery.md`.
//!
//! A machine of its own, beside the core: nobody is anybody yet. It is given inputs of the network and gives actions to it, and
//! has neither clock nor store. Who answers is believed in nothing: what opens under the words was made by who had their key.

mod asked;
mod looking;

use crate::limits::{ADDRESSES_MAX, FETCH_DEADLINE, FETCH_FRAMES_MAX, FETCH_SETTLE, LOOK_NEAR_MAX};
use crate::seam::{Address, CloseReason, DialId, Input, LinkId, Look, NetAction, Sighting};
use crate::wire::CapsulePlaces;
pub use asked::Ending;
use asked::{Asked, Step};
use looking::Looking;
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use symbolon_presence::capsule::{CAPSULE_MAILBOXES, CapsuleKeys, PIECES_OF_MAILBOX, Piece};
use symbolon_presence::id::{GrantId, LookupId, MailboxId, Nonce};
use symbolon_presence::kdf::Secret;
use symbolon_presence::record::{Record, day_of};
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::{AddressBody, Scope};
use symbolon_relay::link::RelayLink;
use symbolon_relay::packages::{Fetch, Fetched, Handed, Stock};

/// Relays that are asked at once.
pub const ASKED_MAX: usize = 8;
/// Capsules of which pieces are kept, for all relays together. The oldest gives way.
const VERSIONS_MAX: usize = 16;

/// Pieces that are remembered of an earlier search, for all relays together.
const TAKEN_MAX: usize = ASKED_MAX * CAPSULE_MAILBOXES as usize * PIECES_OF_MAILBOX;

/// A piece that a relay has handed out, sealed as it lay there. A relay hands each out once: a search that was broken off continues with those
/// that it got.
#[derive(Clone, PartialEq, Eq)]
pub struct Taken {
    /// The relay's mailbox id.
    pub relay: MailboxId,
    /// The number of the capsule's mailbox there.
    pub number: u8,
    /// The package.
    pub package: Vec<u8>,
}

/// A search for capsules.
pub struct Search {
    keys: CapsuleKeys,
    rng: ChaCha20Rng,
    /// At most [`ASKED_MAX`].
    asked: Vec<Asked>,
    /// The pieces of each capsule, by version; at most [`VERSIONS_MAX`] of them.
    pieces: BTreeMap<u64, BTreeMap<u16, Piece>>,
    actions: VecDeque<NetAction>,
    next_dial: u64,
    /// When one was whole first.
    whole_at: Option<Timestamp>,
    looking: Looking,
    /// What an earlier search has got, of relays that are not asked yet; at most [`TAKEN_MAX`].
    before: Vec<Taken>,
    /// What this one has got since that was last asked.
    taken: Vec<Taken>,
    /// The time of the last input.
    now: Timestamp,
}

/// A capsule: when it was made, and the bytes of the backup that it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Capsule {
    /// When it was made, by the clock of the device that did.
    pub made: Timestamp,
    /// A backup without texts, as it would lie in a file.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Search(..)")
    }
}

impl fmt::Debug for Capsule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Capsule(..)")
    }
}

impl Search {
    /// Begins with the relays that are known; more may be named later. `backup_key` is what the words yield.
    pub fn new(backup_key: &Secret, rng: ChaCha20Rng) -> Self {
        Self {
            keys: CapsuleKeys::new(backup_key),
            rng,
            asked: Vec::new(),
            pieces: BTreeMap::new(),
            actions: VecDeque::new(),
            next_dial: 0,
            whole_at: None,
            looking: Looking::default(),
            before: Vec::new(),
            taken: Vec::new(),
            now: Timestamp(0),
        }
    }

    /// Goes on with what an earlier search has got, which was broken off. Before any relay is asked.
    pub fn go_on(&mut self, taken: Vec<Taken>) {
        self.before = taken;
        self.before.truncate(TAKEN_MAX);
    }

    /// What relays have handed out since this was last asked: it is nowhere else until it is put back.
    pub fn take_taken(&mut self) -> Vec<Taken> {
        std::mem::take(&mut self.taken)
    }

    /// Looks at these servers, each by its addresses, at nodes that the LAN shows meanwhile, and from there in the DHT, for the
    /// record that names the person's relays.
    pub fn look_at(&mut self, servers: Vec<Vec<Address>>, now: Timestamp) {
        let today = day_of(now);
        for day in [Some(today), today.checked_sub(1), today.checked_add(1)].into_iter().flatten() {
            if let Ok(id) = self.keys.places().slot(day).id() {
                self.looking.ids.insert(id, day);
            }
        }
        (self.looking.servers, self.looking.next) = (servers, Some(now));
        self.actions.push_back(self.looking.bootstrap());
        self.tick(now);
    }

    /// The LAN shows a node. It may be a relay, and relays keep such records: it is asked at once, and with the others from then on.
    fn sighted(&mut self, sighting: &Sighting) {
        let Self { looking, actions, .. } = self;
        let (instance, near) = (sighting.shown.instance, &sighting.near);
        let is_known = looking.near.get(&instance).is_some_and(|known| known == near);
        let has_room = looking.near.contains_key(&instance) || looking.near.len() < LOOK_NEAR_MAX;
        if looking.next.is_none() || near.is_empty() || is_known || !has_room {
            return;
        }
        let near: Vec<Address> = near.iter().filter(|place| place.is_bounded()).take(ADDRESSES_MAX).cloned().collect();
        looking.near.insert(instance, near.clone());
        actions.push_back(looking.bootstrap());
        for id in looking.ids.keys() {
            actions.push_back(NetAction::Resolve(*id, Look::Servers(vec![near.clone()])));
        }
    }

    /// Whether the LAN has shown anybody.
    pub fn has_company(&self) -> bool {
        !self.looking.near.is_empty()
    }

    /// Something was found. It names relays only if it was sealed under the words.
    fn found_places(&mut self, now: Timestamp, id: &LookupId, bytes: &[u8]) {
        let Some(day) = self.looking.ids.get(id).copied() else { return };
        let record = Record::read(bytes, now).ok().filter(|record| record.id == *id);
        let plain = record.and_then(|record| self.keys.places().slot(day).open(&record).ok());
        let Some(places) = plain.and_then(|plain| CapsulePlaces::decode(&plain)) else { return };
        for relay in places.relays {
            self.ask(relay, now);
        }
    }

    /// Asks one more relay. False when it is asked already, or there are too many.
    pub fn ask(&mut self, relay: RelayLink, now: Timestamp) -> bool {
        let is_known = self.asked.iter().any(|asked| asked.relay.mailbox() == relay.mailbox());
        if is_known || self.asked.len() >= ASKED_MAX || !relay.is_bounded() {
            return false;
        }
        let mut asked =
            Asked { relay, step: Step::Waits(now), calls: 0, number: 0, version: None, sealed: BTreeMap::new(), frames: 0, end: None };
        self.remember(&mut asked);
        self.asked.push(asked);
        self.tick(now);
        true
    }

    /// What an earlier search has got from a relay is there already.
    fn remember(&mut self, asked: &mut Asked) {
        let relay = asked.relay.mailbox();
        for Taken { number, package, .. } in self.before.extract_if(.., |taken| taken.relay == relay).collect::<Vec<_>>() {
            let Some(piece) = self.keys.open(&relay, number, &package) else { continue };
            let is_here = usize::from(piece.index) / PIECES_OF_MAILBOX == usize::from(number);
            if is_here && *asked.version.get_or_insert((piece.version, piece.count)) == (piece.version, piece.count) {
                asked.sealed.insert((number, piece.index), package);
                self.keep(piece);
            }
        }
        let so_far = u8::try_from(asked.sealed.len() / PIECES_OF_MAILBOX).unwrap_or(u8::MAX);
        asked.number = so_far.min(CAPSULE_MAILBOXES - 1);
    }

    /// What the network is to do.
    pub fn poll_action(&mut self) -> Option<NetAction> {
        self.actions.pop_front()
    }

    /// When [`Search::tick`] is wanted.
    pub fn next_due(&self) -> Option<Timestamp> {
        let steps = self.asked.iter().filter_map(|asked| match asked.step {
            Step::Waits(at) | Step::Dialled(_, at) | Step::Linked(_, _, at) => Some(at),
            Step::Over => None,
        });
        steps.chain(self.whole_at.map(|at| at.after(FETCH_SETTLE))).chain(self.looking.next).min()
    }

    /// What became of the question at each relay, as far as it is known.
    pub fn endings(&self) -> Vec<Option<Ending>> {
        self.asked.iter().map(|asked| asked.end).collect()
    }

    /// Whether there is nothing to wait for: all relays have answered or do not, or one capsule is whole and the others have
    /// had their time.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let is_settled = self.whole_at.is_some_and(|at| at.after(FETCH_SETTLE) <= now);
        is_settled || self.looking.next.is_none() && self.asked.iter().all(|asked| asked.step == Step::Over)
    }

    /// The capsules that are whole, the newest first. One that was made by a clock that was ahead comes last: who knows when it was.
    pub fn found(&self) -> Vec<Capsule> {
        let (sure, ahead): (Vec<_>, Vec<_>) = self.pieces.iter().rev().partition(|(version, _)| **version <= self.now.after(DAY).0);
        let whole = sure.into_iter().chain(ahead).filter(|(_, pieces)| is_whole(pieces));
        let join = |pieces: &BTreeMap<u16, Piece>| pieces.values().flat_map(|piece| piece.bytes.iter().copied()).collect();
        whole.map(|(version, pieces)| Capsule { made: Timestamp(*version), bytes: join(pieces) }).collect()
    }

    /// An input of the network.
    pub fn handle(&mut self, now: Timestamp, input: &Input) {
        if let Input::LinkUp { link, dial, .. } = input {
            self.link_up(now, *link, *dial);
        } else if let Input::DialFailed(dial) = input {
            self.failed(now, |step| matches!(step, Step::Dialled(of, _) if of == *dial));
        } else if let Input::LinkDown(link) = input {
            self.failed(now, |step| matches!(step, Step::Linked(of, ..) if of == *link));
        } else if let Input::Frame(link, bytes) = input {
            self.frame(now, *link, bytes);
        } else if let Input::Found(id, bytes) = input {
            self.found_places(now, id, bytes);
        } else if let Input::Sighted(sighting) = input {
            self.sighted(sighting);
        }
        self.tick(now);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp) {
        self.now = now;
        let Self { asked, actions, next_dial, looking, .. } = self;
        looking.tick(now, actions);
        for asked in asked.iter_mut() {
            match asked.step {
                Step::Dialled(_, at) if at <= now => asked.try_again(now),
                Step::Linked(link, _, at) if at <= now => {
                    actions.push_back(NetAction::Close(link, CloseReason::Idle));
                    asked.try_again(now);
                }
                Step::Waits(_) | Step::Dialled(..) | Step::Linked(..) | Step::Over => {}
            }
            if let Step::Waits(at) = asked.step
                && at <= now
            {
                asked.calls = asked.calls.saturating_add(1);
                *next_dial = next_dial.saturating_add(1);
                let dial = DialId(*next_dial);
                actions.push_back(NetAction::Dial(dial, asked.relay.places.clone()));
                asked.step = Step::Dialled(dial, now.after(FETCH_DEADLINE));
            }
        }
    }

    fn failed(&mut self, now: Timestamp, is_it: impl Fn(Step) -> bool) {
        if let Some(asked) = self.asked.iter_mut().find(|asked| is_it(asked.step)) {
            asked.try_again(now);
        }
    }

    fn link_up(&mut self, now: Timestamp, link: LinkId, dial: Option<DialId>) {
        let at = self.asked.iter().position(|asked| matches!(asked.step, Step::Dialled(of, _) if Some(of) == dial));
        match at {
            Some(at) if self.asked.get(at).is_some_and(Asked::has_all) => self.end(now, at, link, true),
            Some(at) => self.fetch(now, at, link),
            // Nobody else has any business here.
            None => self.actions.push_back(NetAction::Close(link, CloseReason::Idle)),
        }
    }

    /// Asks for the next piece in the mailbox at hand.
    fn fetch(&mut self, now: Timestamp, at: usize, link: LinkId) {
        let Self { asked, rng, keys, actions, .. } = self;
        let Some(asked) = asked.get_mut(at) else { return };
        let relay = asked.relay.mailbox();
        let [queue, _] = keys.queues(&relay, asked.number);
        let body = AddressBody { queue, grant: GrantId::random(rng), scope: Scope::Guest, expires: now, uses: 0 };
        let Some(address) = asked.relay.seal_address(&body, rng) else { return asked.close(actions, link, Ending::Silent) };
        let nonce = Nonce::random(rng);
        let fetch = Fetch::sign(&keys.token(&relay, asked.number), &relay, address, nonce, now);
        actions.push_back(NetAction::Send(link, Frame::Fetch(fetch).encode()));
        asked.step = Step::Linked(link, nonce, now.after(FETCH_DEADLINE));
    }

    fn frame(&mut self, now: Timestamp, link: LinkId, bytes: &[u8]) {
        let at = self.asked.iter().position(|asked| matches!(asked.step, Step::Linked(of, ..) if of == link));
        let Some((at, asked)) = at.and_then(|at| self.asked.get_mut(at).map(|asked| (at, asked))) else { return };
        asked.frames += 1;
        let is_answer = |fetched: &Fetched| matches!(asked.step, Step::Linked(_, nonce, _) if nonce == fetched.nonce);
        let handed = match Frame::decode(bytes) {
            Ok(Frame::Fetched(fetched)) if is_answer(&fetched) => Some(fetched.handed),
            Ok(_) | Err(_) => None,
        };
        match handed {
            Some(Handed::Package(package)) => self.piece(now, at, link, package),
            Some(Handed::Empty | Handed::Stale | Handed::Refused) => self.end(now, at, link, false),
            None if asked.frames >= FETCH_FRAMES_MAX => self.end(now, at, link, false),
            None => {}
        }
    }

    /// A relay has handed something out.
    fn piece(&mut self, now: Timestamp, at: usize, link: LinkId, package: Vec<u8>) {
        let Some(asked) = self.asked.get_mut(at) else { return };
        let (relay, number) = (asked.relay.mailbox(), asked.number);
        let Some(piece) = self.keys.open(&relay, number, &package) else { return self.end(now, at, link, false) };
        let version = *asked.version.get_or_insert((piece.version, piece.count));
        let is_here = usize::from(piece.index) / PIECES_OF_MAILBOX == usize::from(number);
        let is_known = asked.sealed.contains_key(&(number, piece.index));
        if version != (piece.version, piece.count) {
            // A device has left another one meanwhile: that stays as it is.
            asked.version = None;
            return self.end(now, at, link, false);
        }
        if !is_here || is_known || asked.frames >= FETCH_FRAMES_MAX {
            // All that there is was handed out.
            return self.end(now, at, link, false);
        }
        self.taken.push(Taken { relay, number, package: package.clone() });
        asked.sealed.insert((number, piece.index), package);
        let (here, count) = (asked.sealed.len(), usize::from(piece.count));
        let so_far = (usize::from(number) + 1) * PIECES_OF_MAILBOX;
        self.keep(piece);
        if here >= count {
            return self.end(now, at, link, true);
        }
        if here >= so_far
            && let Some(asked) = self.asked.get_mut(at)
        {
            asked.number = number.saturating_add(1).min(CAPSULE_MAILBOXES - 1);
        }
        self.fetch(now, at, link);
    }

    fn keep(&mut self, piece: Piece) {
        let known = self.pieces.entry(piece.version).or_default();
        if known.values().next().is_none_or(|first| first.count == piece.count) {
            known.insert(piece.index, piece);
        }
        if self.pieces.len() > VERSIONS_MAX {
            self.pieces.pop_first();
        }
    }

    /// A relay has no more. What it has handed out is put back, because it hands each piece out once.
    fn end(&mut self, now: Timestamp, at: usize, link: LinkId, has_all: bool) {
        let Self { asked, keys, actions, .. } = self;
        let Some(asked) = asked.get_mut(at) else { return };
        let relay = asked.relay.mailbox();
        for number in 0..CAPSULE_MAILBOXES {
            let of = |(key, sealed): (&(u8, u16), &Vec<u8>)| (key.0 == number).then(|| sealed.clone());
            let mut packages: Vec<Vec<u8>> = asked.sealed.iter().filter_map(of).collect();
            let Some((last, (version, _))) = packages.pop().zip(asked.version) else { continue };
            // Above what lies there, also when it was put back before, and below what a device leaves next.
            let version = version.max(now.0).saturating_add(1);
            let stock = Stock::sign(&keys.owner(&relay, number), &relay, version, packages, Some(last));
            actions.push_back(NetAction::Send(link, Frame::Stock(stock).encode()));
        }
        let ending = match (has_all, asked.sealed.is_empty()) {
            (true, _) => Ending::Whole,
            (false, true) => Ending::Nothing,
            (false, false) => Ending::Parts,
        };
        asked.close(actions, link, ending);
        if self.whole_at.is_none() && self.pieces.values().any(is_whole) {
            self.whole_at = Some(now);
        }
    }
}

fn is_whole(pieces: &BTreeMap<u16, Piece>) -> bool {
    pieces.values().next().is_some_and(|first| pieces.len() == usize::from(first.count))
}

#[cfg(test)]
mod tests;

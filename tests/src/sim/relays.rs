//! Relays of a simulation: the real machine over rows in memory, and what befalls it.

use super::run::{Happening, Ix, Sim};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_core::command::Path;
use symbolon_core::seam::{Address, DialId, Input, LinkId, Look, Source};
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::Item;
use symbolon_presence::time::{SECOND, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::link::RelayLink;
use symbolon_relay::machine::Relay;
use symbolon_relay::machine::limits::FOREIGN_LIFE;
use symbolon_relay::machine::rows::RelayKeys;
use symbolon_relay::machine::seam::{Policy, RelayAction, RelayRows, RelayShelf, RelayTable, ShelfFailed};
use symbolon_relay::put::{Outcome, Put, Receipt, ReceiptBody, ReceiptItem, Refusal};

/// The first relay's index; nodes' are below.
pub const RELAYS: Ix = 1 << 32;

/// Turns between two looks at what has expired.
const TICK: u64 = 60 * SECOND;

/// How a relay deals with what is put there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Conduct {
    /// As it should.
    #[default]
    Honest,
    /// Has no room, and says so.
    Full,
    /// Signs that it has stored what it throws away.
    Liar,
    /// Takes everything and answers nothing.
    Lazy,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rows(BTreeMap<(RelayTable, Vec<u8>), Vec<u8>>);

impl RelayShelf for Rows {
    fn get(&self, table: RelayTable, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfFailed> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn range(&self, table: RelayTable, from: &[u8], limit: usize) -> Result<RelayRows, ShelfFailed> {
        let rows = self.0.range((table, from.to_vec())..).take_while(|((other, _), _)| *other == table);
        Ok(rows.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn set(&mut self, table: RelayTable, key: &[u8], value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.0.insert((table, key.to_vec()), value),
            None => self.0.remove(&(table, key.to_vec())),
        };
    }
}

/// A relay. It has no clock of its own to be wrong.
pub struct SimRelay {
    keys: RelayKeys,
    rows: Rows,
    /// What somebody once copied.
    copy: Option<Rows>,
    machine: Option<Relay>,
    pub(super) incarnation: u64,
    /// How it behaves.
    pub conduct: Conduct,
    /// Whether anybody reaches it.
    pub gone: bool,
    /// Records that it lets be found: those of its owners' days, and what nodes whose lookup server it is have brought.
    hosted: BTreeMap<LookupId, Vec<u8>>,
}

impl SimRelay {
    fn load(&mut self, now: Timestamp) {
        self.incarnation += 1;
        self.machine = Some(Relay::load(self.keys.clone(), Policy::Open, &self.rows, now).expect("its rows can be read"));
    }

    fn link(&self, ix: Ix) -> String {
        let receipt = self.machine.as_ref().map(Relay::receipt_key).expect("it was loaded");
        RelayLink { mailbox_key: self.keys.mailbox.public(), receipt, places: vec![super::run::address(ix)] }.to_string()
    }

    /// Its id, as its users see it.
    pub fn id(&self) -> String {
        self.keys.mailbox.id().to_string()
    }

    /// Envelopes that lie there.
    pub fn entries(&self) -> u64 {
        self.machine.as_ref().map_or(0, |machine| machine.counts().1)
    }

    /// All that lies on its disk: keys of rows, and rows.
    pub fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.0.iter().flat_map(|((_, key), row)| [key.as_slice(), row.as_slice()])
    }

    /// Keys and rows of what others have left there, and not of mailboxes.
    pub fn stored(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let left = |table: &RelayTable| matches!(table, RelayTable::Entry | RelayTable::Frame | RelayTable::Expiry | RelayTable::Use);
        self.rows.0.iter().filter(|((table, _), _)| left(table)).map(|((_, key), row)| (key.clone(), row.clone())).collect()
    }

    /// The record that it lets be found under an id.
    pub fn record(&self, id: &LookupId) -> Option<&Vec<u8>> {
        self.hosted.get(id)
    }

    /// Packages that lie there.
    pub fn packages(&self) -> usize {
        self.rows.0.keys().filter(|(table, _)| *table == RelayTable::Package).count()
    }

    /// What a relay of bad conduct answers to a deposit in place of the machine.
    fn misanswer(&self, put: &Put, now: Timestamp) -> Option<Frame> {
        let outcome = match self.conduct {
            Conduct::Full => Outcome::Refused(Refusal::Full),
            Conduct::Liar => Outcome::Stored(now.after(FOREIGN_LIFE)),
            Conduct::Honest | Conduct::Lazy => return None,
        };
        let key = symbolon_presence::sign::SigningKey::from_seed(self.keys.receipt.expose());
        let body = ReceiptBody { at: now, items: vec![ReceiptItem { frame: put.frame, outcome }] };
        Some(Frame::Receipt(Receipt::sign(&key, &self.keys.mailbox.id(), &body)))
    }
}

impl Sim {
    /// Adds a relay for everybody, and answers its link.
    pub fn add_relay(&mut self) -> (Ix, String) {
        let keys = RelayKeys::random(&mut ChaCha20Rng::from_seed(self.seed()));
        let ix = RELAYS + self.relays.len();
        let mut relay = SimRelay {
            keys,
            rows: Rows::default(),
            copy: None,
            machine: None,
            incarnation: 0,
            conduct: Conduct::Honest,
            gone: false,
            hosted: BTreeMap::new(),
        };
        relay.load(self.now);
        let link = relay.link(ix);
        self.relays.push(relay);
        self.plan(self.now.after(TICK), ix, 0, Happening::Timer);
        (ix, link)
    }

    /// A relay, by its index.
    pub fn relay(&mut self, ix: Ix) -> &mut SimRelay {
        &mut self.relays[ix - RELAYS]
    }

    /// Kills a relay, which starts again at once from its rows.
    pub fn crash_relay(&mut self, ix: Ix) {
        self.log(ix, || format!("relay {} dies", ix - RELAYS));
        self.tally.crashes += 1;
        self.cut_links(|ends| ends.contains(&ix));
        let now = self.now;
        self.relay(ix).load(now);
    }

    /// A relay loses everything but its keys.
    pub fn wipe_relay(&mut self, ix: Ix) {
        self.log(ix, || format!("relay {} loses everything", ix - RELAYS));
        self.relay(ix).rows = Rows::default();
        self.relay(ix).hosted.clear();
        self.crash_relay(ix);
    }

    /// A relay's folder is deleted, and another relay is set up at its address, whose link is answered.
    pub fn replace_relay(&mut self, ix: Ix) -> String {
        let seed = self.seed();
        self.relay(ix).keys = RelayKeys::random(&mut ChaCha20Rng::from_seed(seed));
        self.wipe_relay(ix);
        self.relay(ix).link(ix)
    }

    /// A relay loses the records that were left with it, and nothing else.
    pub fn wipe_away(&mut self, ix: Ix) {
        self.relay(ix).rows.0.retain(|(table, _), _| *table != RelayTable::Away);
        self.crash_relay(ix);
    }

    /// Copies a relay's rows, or puts a copy back: entries that were fetched lie there again,
    /// later ones are gone.
    pub fn double_relay(&mut self, ix: Ix) {
        let relay = self.relay(ix);
        match relay.copy.take() {
            None => relay.copy = Some(relay.rows.clone()),
            Some(copy) => {
                relay.rows = copy;
                self.crash_relay(ix);
            }
        }
    }

    /// Takes a relay from the network, or brings it back.
    pub fn set_gone(&mut self, ix: Ix, gone: bool) {
        self.log(ix, || format!("relay {} is {}", ix - RELAYS, if gone { "gone" } else { "back" }));
        self.relay(ix).gone = gone;
        if gone {
            self.cut_links(|ends| ends.contains(&ix));
        }
    }

    /// A node dials a relay.
    pub(super) fn dial_relay(&mut self, from: Ix, dial: DialId, to: Ix, at: Timestamp) {
        let incarnation = self.nodes[from].incarnation;
        let Some(relay) = self.relays.get(to - RELAYS).filter(|relay| !relay.gone) else {
            self.plan(at, from, incarnation, Happening::Input(Input::DialFailed(dial)));
            return;
        };
        let other = relay.incarnation;
        let link = self.pipe([from, to], [incarnation, other]);
        self.plan(
            at,
            to,
            other,
            Happening::Input(Input::LinkUp { link, dial: None, path: Path::Direct, source: Source(from as u64), keys: None }),
        );
        self.plan(
            at,
            from,
            incarnation,
            Happening::Input(Input::LinkUp { link, dial: Some(dial), path: Path::Direct, source: Source::default(), keys: None }),
        );
    }

    /// Somebody who is no node, on a link of their own, puts something to a relay. Answers the lines of its receipts.
    pub fn put_as_stranger(&mut self, ix: Ix, put: Put) -> Vec<Outcome> {
        crate::craft::outcomes(&self.answers_of_relay(ix, &Frame::Put(put).encode()))
    }

    pub(super) fn answers_of_relay(&mut self, ix: Ix, frame: &[u8]) -> Vec<Vec<u8>> {
        const STRANGER: u64 = u64::MAX;
        let now = self.now;
        let relay = self.relay(ix);
        let Some(machine) = relay.machine.as_mut() else { return Vec::new() };
        machine.link_up(STRANGER, 0);
        machine.frame(now, &mut relay.rows, STRANGER, frame).expect("rows in memory do not fail");
        machine.close_turn(now, &mut relay.rows).expect("rows in memory do not fail");
        let actions: Vec<RelayAction> = std::iter::from_fn(|| machine.poll_action()).collect();
        let mut said = Vec::new();
        for action in actions {
            match action {
                RelayAction::Send(STRANGER, bytes) => said.push(bytes),
                RelayAction::Send(link, bytes) => self.send(ix, LinkId(link), bytes),
                RelayAction::Close(_) | RelayAction::Admit(_) | RelayAction::Heard(_) | RelayAction::Keep(..) | RelayAction::Host(..) => {}
            }
        }
        let relay = self.relay(ix);
        if let Some(machine) = relay.machine.as_mut() {
            machine.link_down(STRANGER);
        }
        said
    }

    /// A relay is given a record to keep.
    pub(super) fn host(&mut self, ix: Ix, bytes: &[u8]) {
        let now = self.now;
        let relay = self.relay(ix);
        if let Some(item) = Item::read(bytes, now).ok().filter(|_| !relay.gone) {
            let known = relay.hosted.get(&item.id).and_then(|known| Item::read(known, now).ok());
            if known.is_none_or(|known| known.counter < item.counter) {
                relay.hosted.insert(item.id, bytes.to_vec());
            }
        }
    }

    /// What relays that are asked as lookup servers have under an id: a node's own, and those that it names.
    pub(super) fn hosted(&self, ix: Ix, id: &LookupId, at: &Look) -> Vec<Vec<u8>> {
        let named = match at {
            Look::Servers(servers) => servers.as_slice(),
            Look::Everywhere => &[],
            Look::Dht => return Vec::new(),
        };
        let own = self.servers.get(&ix).into_iter().flatten();
        let asked: BTreeSet<Ix> = named.iter().chain(own).flatten().filter_map(relay_at).collect();
        let relays = asked.into_iter().filter_map(|ix| self.relays.get(ix - RELAYS)).filter(|relay| !relay.gone);
        relays.filter_map(|relay| relay.hosted.get(id).cloned()).collect()
    }

    /// The relays among a node's lookup servers get its records.
    pub(super) fn give_servers(&mut self, ix: Ix, records: &[Vec<u8>]) {
        let own: BTreeSet<Ix> = self.servers.get(&ix).into_iter().flatten().flatten().filter_map(relay_at).collect();
        for relay in own {
            records.iter().for_each(|record| self.host(relay, record));
        }
    }

    /// One turn of a relay.
    pub(super) fn relay_turn(&mut self, ix: Ix, what: Happening) {
        let now = self.now;
        if let Happening::Input(input @ (Input::HubAsked(..) | Input::Tick)) = &what {
            self.hub_turn(ix, input);
            return;
        }
        if matches!(what, Happening::Timer) {
            self.plan(now.after(TICK), ix, 0, Happening::Timer);
        }
        let crash = self.happens(self.faults.crash).then(|| self.below(2));
        if crash == Some(0) {
            self.crash_relay(ix);
            return;
        }
        let relay = &mut self.relays[ix - RELAYS];
        let Some(machine) = relay.machine.as_mut() else { return };
        let mut instead = None;
        match what {
            Happening::Input(Input::LinkUp { link, source, .. }) => machine.link_up(link.0, source.0),
            Happening::Input(Input::LinkDown(link)) => machine.link_down(link.0),
            Happening::Input(Input::Frame(link, bytes)) => match Frame::decode(&bytes) {
                Ok(Frame::Put(put)) if relay.conduct != Conduct::Honest => {
                    instead = relay.misanswer(&put, now).map(|frame| (link, frame));
                }
                Ok(_) | Err(_) => machine.frame(now, &mut relay.rows, link.0, &bytes).expect("rows in memory do not fail"),
            },
            Happening::Timer => machine.tick(now, &mut relay.rows).expect("rows in memory do not fail"),
            Happening::Input(_) | Happening::Start => {}
        }
        let relay = &mut self.relays[ix - RELAYS];
        let Some(machine) = relay.machine.as_mut() else { return };
        machine.close_turn(now, &mut relay.rows).expect("rows in memory do not fail");
        let actions: Vec<RelayAction> = std::iter::from_fn(|| machine.poll_action()).collect();
        if crash.is_some() {
            // Durable, and nobody hears of it.
            self.crash_relay(ix);
            return;
        }
        for action in actions {
            match action {
                RelayAction::Send(link, bytes) => {
                    self.tally.fetched += u64::from(matches!(Frame::decode(&bytes), Ok(Frame::Deposit(_))));
                    self.send(ix, LinkId(link), bytes);
                }
                RelayAction::Close(link) => self.close(ix, LinkId(link)),
                // Nothing is forwarded here: those who meet, meet directly.
                RelayAction::Admit(_) | RelayAction::Heard(_) | RelayAction::Keep(..) => {}
                RelayAction::Host(_, record) => {
                    self.host(ix, &record);
                    self.publish(record);
                }
            }
        }
        if let Some((link, frame)) = instead {
            self.send(ix, link, frame.encode());
        }
    }
}

/// The relay at an address.
pub(super) fn relay_at(address: &Address) -> Option<Ix> {
    super::run::node_at(address).map(|(ix, _)| ix).filter(|ix| (RELAYS..super::links::ROGUE).contains(ix))
}

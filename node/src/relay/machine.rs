//! The relay's machine in the turn loop of a node, where a person's node has the core.

use crate::mls::MlsCipher;
use crate::run::kept::RELAY_ROW;
use crate::shell::{LoadFailed, Machine, Parts};
use crate::store::{MlsTable, Store};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use symbolon_core::TurnFailed;
use symbolon_core::command::CommandError;
use symbolon_core::seam::{Action, CloseReason, Event, Input, LinkId, NetAction, QuestionId};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{Shelf, World};
use symbolon_presence::clock::StoredTime;
use symbolon_presence::codec;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;
use symbolon_relay::hub::Hub;
use symbolon_relay::link::{ClaimCode, RelayLink};
use symbolon_relay::machine::rows::{RelayKeys, RelayLimits, RelaySettings};
use symbolon_relay::machine::seam::{Policy, RelayAction, RelayRows, RelayShelf, RelayTable, ShelfFailed};
use symbolon_relay::machine::{Refusals, Relay};
use tokio::sync::watch;

/// The row of [`Table::Meta`] with sure time, and that in which older versions kept the newest wall time.
const CLOCK_ROW: &[u8] = b"clock";
const NEWEST_ROW: &[u8] = b"newest";
/// The row of [`Table::Meta`] with what the operator has set.
const SETTINGS_ROW: &[u8] = b"relay settings";
/// The longest row of keys.
const KEYS_MAX: usize = 1024;
/// The longest row of sure time.
const CLOCK_MAX: usize = 64;

/// What a relay says about itself once it is up.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) link: RelayLink,
    pub(super) claim: ClaimCode,
    pub(super) friends: Option<ClaimCode>,
    pub(super) policy: Policy,
    pub(super) bytes: u64,
    pub(super) counts: Counts,
    pub(super) is_full: bool,
    pub(super) refused: Refusals,
}

/// What a relay keeps at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) mailboxes: usize,
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

pub(super) struct RelayParts {
    pub(super) policy: Option<Policy>,
    pub(super) bytes: Option<u64>,
    pub(super) limits: RelayLimits,
    pub(super) hub: bool,
    pub(super) facts: watch::Sender<Option<Facts>>,
}

impl Parts for RelayParts {
    type Machine = RelayMachine;
    // A line at each failed turn would say when somebody has left something: `status` says it by the minute.
    const LOGS_FAILURES: bool = false;
    // No room is ever opened here; the loop wants a cipher all the same.
    type Cipher = MlsCipher<MlsTable>;

    fn cipher(&mut self, store: &Rc<Store>) -> Self::Cipher {
        MlsCipher::new(MlsTable::new(store.clone()))
    }

    fn machine(&mut self, shelf: &dyn Shelf, now: Timestamp, rng_seed: [u8; 32]) -> Result<RelayMachine, LoadFailed> {
        let stored = shelf.get(Table::Meta, RELAY_ROW).map_err(|error| LoadFailed(error.0))?;
        let mut changes = VecDeque::new();
        let is_first = stored.is_none();
        let keys = match stored {
            Some(bytes) => codec::decode_row(&bytes, KEYS_MAX).map_err(|_| LoadFailed("the relay's keys cannot be read"))?,
            None => {
                let keys = RelayKeys::random(&mut ChaCha20Rng::from_seed(rng_seed));
                changes.push_back(Change::Put(Table::Meta, RELAY_ROW.to_vec(), codec::encode_row(&keys)));
                keys
            }
        };
        let (mailbox_key, claim) = (keys.mailbox.public(), keys.claim);
        let known = settings(shelf)?;
        let limits = self.limits.or(known.limits.unwrap_or_default());
        let limits = (limits != RelayLimits::default()).then_some(limits);
        let settings = RelaySettings { bytes: self.bytes.or(known.bytes), policy: self.policy.or(known.policy), limits };
        if settings != known {
            changes.push_back(Change::Put(Table::Meta, SETTINGS_ROW.to_vec(), codec::encode_row(&settings)));
        }
        let policy = settings.policy.unwrap_or_default();
        let friends = (policy == Policy::Friends).then_some(keys.friends);
        let mut relay = Relay::load(keys, policy, &Rows { shelf, written: BTreeMap::new() }, now).map_err(|error| LoadFailed(error.0))?;
        if let Some(bytes) = settings.bytes {
            relay.limit_bytes(bytes);
        }
        relay.limit(settings.limits.unwrap_or_default());
        let row = |name| shelf.get(Table::Meta, name).map_err(|error| LoadFailed(error.0));
        if let Some(row) = row(CLOCK_ROW)? {
            relay.set_time(codec::decode_row(&row, CLOCK_MAX).map_err(|_| LoadFailed("the relay's sure time cannot be read"))?);
        } else if !is_first {
            // A folder of an older version: if one of the two times is wrong, it is the later one.
            let newest = row(NEWEST_ROW)?.and_then(|row| row.try_into().ok()).map(u64::from_be_bytes).unwrap_or_default();
            relay.set_time(StoredTime { sure: now.min(Timestamp(newest)), is_signed: false });
        }
        // Nothing of it outlasts this run.
        let hub = self.hub.then(|| Hub::new(Secret::from_bytes(rng_seed)));
        Ok(RelayMachine { hub, relay, changes, actions: VecDeque::new(), mailbox_key, claim, friends, policy, facts: self.facts.clone() })
    }
}

/// What the operator has set so far.
pub(super) fn settings(shelf: &dyn Shelf) -> Result<RelaySettings, LoadFailed> {
    match shelf.get(Table::Meta, SETTINGS_ROW).map_err(|error| LoadFailed(error.0))? {
        Some(bytes) => codec::decode_row(&bytes, KEYS_MAX).map_err(|_| LoadFailed("the relay's settings cannot be read")),
        None => Ok(RelaySettings::default()),
    }
}

/// The relay in the turn loop.
pub(super) struct RelayMachine {
    hub: Option<Hub>,
    relay: Relay,
    changes: VecDeque<Change>,
    actions: VecDeque<Action>,
    mailbox_key: symbolon_presence::id::PublicKeyBytes,
    claim: ClaimCode,
    friends: Option<ClaimCode>,
    policy: Policy,
    facts: watch::Sender<Option<Facts>>,
}

impl RelayMachine {
    fn with<T>(
        &mut self,
        world: &World<'_>,
        work: impl FnOnce(&mut Relay, &mut Rows<'_>) -> Result<T, ShelfFailed>,
    ) -> Result<T, TurnFailed> {
        let mut rows = Rows { shelf: world.shelf, written: BTreeMap::new() };
        let done = work(&mut self.relay, &mut rows).map_err(|error| TurnFailed(error.0))?;
        self.changes.extend(rows.written.into_iter().map(|((table, key), value)| match value {
            Some(value) => Change::Put(table_of(table), key, value),
            None => Change::Delete(table_of(table), key),
        }));
        Ok(done)
    }
}

impl RelayMachine {
    fn counts(&self) -> Counts {
        let (mailboxes, entries) = self.relay.counts();
        let ((own, foreign), _) = self.relay.bytes();
        Counts { mailboxes, entries, bytes: own.saturating_add(foreign) }
    }
}

impl Machine for RelayMachine {
    fn handle(&mut self, now: Timestamp, input: Input, world: &mut World<'_>) -> Result<(), TurnFailed> {
        match input {
            Input::Command(id, _) => self.actions.push_back(Action::Reply(id, Err(CommandError::NotFound))),
            Input::Addresses(places) => {
                let places: Vec<_> = places.into_iter().take(symbolon_relay::limits::PLACES_MAX).collect();
                let link = RelayLink { mailbox_key: self.mailbox_key, receipt: self.relay.receipt_key(), places };
                if link.is_bounded() {
                    let (claim, friends, policy, bytes) = (self.claim, self.friends, self.policy, self.relay.bytes().1);
                    self.facts.send_replace(Some(Facts {
                        link,
                        claim,
                        friends,
                        policy,
                        bytes,
                        counts: self.counts(),
                        is_full: self.relay.is_full(),
                        refused: self.relay.refusals(),
                    }));
                }
            }
            Input::LinkUp { link, source, .. } => self.relay.link_up(link.0, source.0),
            Input::LinkDown(link) => self.relay.link_down(link.0),
            Input::HubAsked(question, source, bytes) => {
                if let Some(hub) = &mut self.hub {
                    hub.ask(now, question.0, source.0, &bytes);
                }
            }
            // A relay calls nobody and shows itself to nobody.
            Input::DialFailed(_)
            | Input::LanUp { .. }
            | Input::LanMoved(_)
            | Input::Sighted(_)
            | Input::Unsighted(_)
            | Input::Found(..)
            | Input::Servers(..)
            | Input::Lookups(_)
            | Input::HubAnswered(..)
            | Input::Resolved(_)
            | Input::Stopping => {}
            Input::Frame(link, bytes) => self.with(world, |relay, rows| relay.frame(now, rows, link.0, &bytes))?,
            Input::Tick => {
                if let Some(hub) = &mut self.hub {
                    hub.tick(now);
                }
                self.with(world, |relay, rows| relay.tick(now, rows))?
            }
        }
        Ok(())
    }

    fn close_turn(&mut self, now: Timestamp, world: &mut World<'_>) -> Result<(), TurnFailed> {
        self.with(world, |relay, rows| relay.close_turn(now, rows))?;
        let (counts, is_full, refused) = (self.counts(), self.relay.is_full(), self.relay.refusals());
        self.facts.send_if_modified(|facts| match facts {
            Some(facts) if facts.counts != counts || facts.refused != refused => {
                (facts.counts, facts.is_full, facts.refused) = (counts, is_full, refused);
                true
            }
            Some(_) | None => false,
        });
        if let Some(kept) = self.relay.time_to_write() {
            self.changes.push_back(Change::Put(Table::Meta, CLOCK_ROW.to_vec(), codec::encode_row(&kept)));
        }
        Ok(())
    }

    fn is_learned_again(&self) -> bool {
        false
    }

    fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    fn poll_action(&mut self) -> Option<Action> {
        if let Some((question, bytes)) = self.hub.as_mut().and_then(Hub::poll_answer) {
            return Some(Action::Net(NetAction::AnswerHub(QuestionId(question), bytes)));
        }
        self.actions.pop_front().or_else(|| {
            let action = self.relay.poll_action()?;
            Some(Action::Net(match action {
                RelayAction::Send(link, frame) => NetAction::Send(LinkId(link), frame),
                RelayAction::Admit(link) => NetAction::Admit(LinkId(link)),
                RelayAction::Heard(link) => NetAction::Heard(LinkId(link)),
                RelayAction::Keep(link) => NetAction::Keep(LinkId(link), true),
                RelayAction::Host(owner, record) => {
                    NetAction::Host(owner.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first)), record)
                }
                RelayAction::Close(link) => NetAction::Close(LinkId(link), CloseReason::Protocol),
            }))
        })
    }

    fn poll_event(&mut self) -> Option<Event> {
        None
    }

    fn poll_timeout(&self) -> Option<(Timestamp, &'static str)> {
        let relay = (self.relay.next_due(), "what has ended is deleted, and records of the day are let be found");
        let hub = self.hub.as_ref().and_then(Hub::next_due).map(|at| (at, "it is another member's turn at a hub"));
        [Some(relay), hub].into_iter().flatten().min()
    }
}

/// The relay's rows in the node's store, with what is written and not applied yet.
struct Rows<'a> {
    shelf: &'a dyn Shelf,
    written: BTreeMap<(RelayTable, Vec<u8>), Option<Vec<u8>>>,
}

fn table_of(table: RelayTable) -> Table {
    match table {
        RelayTable::Mailbox => Table::Kept,
        RelayTable::Entry => Table::Entry,
        RelayTable::Frame => Table::EntryFrame,
        RelayTable::Expiry => Table::EntryExpiry,
        RelayTable::Use => Table::GrantUse,
        RelayTable::Away => Table::Away,
        RelayTable::Package => Table::Package,
    }
}

impl RelayShelf for Rows<'_> {
    fn get(&self, table: RelayTable, key: &[u8]) -> Result<Option<Vec<u8>>, ShelfFailed> {
        match self.written.get(&(table, key.to_vec())) {
            Some(written) => Ok(written.clone()),
            None => self.shelf.get(table_of(table), key).map_err(|error| ShelfFailed(error.0)),
        }
    }

    fn range(&self, table: RelayTable, from: &[u8], limit: usize) -> Result<RelayRows, ShelfFailed> {
        let written: Vec<_> = self.written.range((table, from.to_vec())..).take_while(|((other, _), _)| *other == table).collect();
        let rows = self.shelf.range(table_of(table), from, limit.saturating_add(written.len())).map_err(|error| ShelfFailed(error.0))?;
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = rows.into_iter().collect();
        for ((_, key), value) in written {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().take(limit).collect())
    }

    fn set(&mut self, table: RelayTable, key: &[u8], value: Option<Vec<u8>>) {
        self.written.insert((table, key.to_vec()), value);
    }
}

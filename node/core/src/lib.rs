//! What a Symbolon node does for its user: friendships, rooms, delivery.
//!
//! The core is pure: inputs in, actions out; no clock, no randomness of its own, no socket,
//! no file. The shell lends it a room cipher and a shelf for each input and carries out its
//! actions once the turn is durable. So thousands of nodes run in one thread from one seed.
//!
//! ```text
//! user  --Command-->  Core  --Action-->  world
//! user  <--Event----  Core  <--Input---  world
//! ```
//!
//! The core itself only routes. Each sub-protocol is a file:
//!
//! | file | does |
//! |---|---|
//! | [`command`], `dispatch` | what the user can ask; which machine does it |
//! | `people`, `requests`, `starts` | who is who; what rows of requests say; which starts of devices were heard |
//! | [`contact`] | invites and contact records |
//! | `request`, `request/offer`, `request/answer` | the connection: Offer, Accept, Confirm |
//! | `friend`, `devices` | friends, petnames, bundles; how many devices of one person are known |
//! | `grants` | the rights to write to us that go with a request, and their end |
//! | `conversation` | messages from writing to reading |
//! | `history`, `search` | reading what is stored; finding it by words |
//! | `outbox`, `delivery` | envelopes until they are acknowledged; links and dialling |
//! | `depot` | mailboxes at relays: leaving envelopes there, fetching our own |
//! | `outage` | what is tried while nobody is reached |
//! | `intake`, `tags` | from a frame to the machine it is meant for |
//! | `state` | every row held in memory |
//! | `clock` | what time it is, as far as anybody can be sure |
//! | `presence` | where we are, for friends: who may read it, publishing, resolving; lookup servers and the LAN |
//! | `rates` | how much of what others send is looked at |
//! | `standing`, `line`, `request/renewal` | who is behind what others have seen; rooms made again |
//! | [`wire`] | what travels inside envelopes |

mod clock;
pub mod command;
pub mod contact;
mod conversation;
mod delivery;
mod devices;
mod dispatch;
mod doctor;
#[cfg(test)]
mod fixture;
mod friend;
mod grants;
mod history;
mod intake;
mod introduction;
pub mod limits;
pub mod migration;
mod mirror;
pub mod names;
mod people;
mod presence;
mod rates;
mod request;
mod requests;
mod rows;
pub mod seam;
mod search;
mod standing;
mod state;
pub mod table;
mod turn;
pub mod wire;
pub mod world;

#[cfg(feature = "testing")]
pub mod clear_cipher;
#[cfg(feature = "testing")]
pub mod conformance;

pub use turn::TurnFailed;

use command::Command;
use delivery::outage::Outage;
use delivery::rekey::Rekey;
use delivery::relays::{Arrived, Depots};
use delivery::{Delivery, Up};
use dispatch::Machines;
use intake::Intake;
use presence::Presence;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use seam::{Action, Event, Input, NetAction};
use search::{Search, Wish};
use standing::Standings;
use state::State;
use std::collections::BTreeSet;
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::limits::RECEIPT_MAX;
use table::{Change, Table};
use turn::{Failed, Out, Turn};
use wire::is_name;
use world::{Shelf, World};

/// What the core is told at its start.
#[derive(Debug, Clone, Default)]
pub struct CoreConfig {
    /// The own name; `None` keeps the stored one.
    pub name: Option<String>,
    /// Lookup servers for this start; at most [`limits::LOOKUPS_MAX`] count.
    pub lookups: Vec<seam::Address>,
    /// Whether the nodes of the LAN make up a DHT while no server is known.
    pub lan_dht: bool,
}

/// Why a core cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// The name in the configuration is too long or has control characters.
    BadName,
    /// The store failed or a row cannot be read.
    Store(TurnFailed),
}

/// A node's core.
#[derive(Debug)]
pub struct Core {
    state: State,
    delivery: Delivery,
    depots: Depots,
    presence: Presence,
    outage: Outage,
    rekey: Rekey,
    intake: Intake,
    standings: Standings,
    was_halted: bool,
    rng: ChaCha20Rng,
    out: Out,
    started: bool,
    next_sweep: Timestamp,
    sweep_from: Vec<u8>,
    /// When the next text is to be given up.
    next_expiry: Option<Timestamp>,
    search: Search,
}

impl Core {
    /// Loads a core from its store; makes an identity at first run. `seed` is drawn anew at
    /// each start and never stored. What it writes leaves by [`Core::poll_change`].
    pub fn load(config: CoreConfig, shelf: &dyn Shelf, now: Timestamp, seed: [u8; 32]) -> Result<Self, LoadError> {
        if config.name.as_deref().is_some_and(|name| name.is_empty() || !is_name(name)) {
            return Err(LoadError::BadName);
        }
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut out = Out::default();
        let mut state = State::load(config.name, shelf, now, &mut rng, &mut out).map_err(LoadError::Store)?;
        state.own.lookups_now = config.lookups.into_iter().filter(seam::Address::is_bounded).take(limits::LOOKUPS_MAX).collect();
        let (delivery, intake) = (Delivery::default(), Intake::default());
        Ok(Self {
            state,
            delivery,
            depots: Depots::default(),
            presence: Presence::new(config.lan_dht),
            outage: Outage::default(),
            rekey: Rekey::default(),
            intake,
            standings: Standings::default(),
            was_halted: false,
            rng,
            out,
            started: false,
            next_sweep: now,
            sweep_from: Vec::new(),
            next_expiry: None,
            search: Search::default(),
        })
    }

    /// The Peer ID of this node's user.
    pub fn peer(&self) -> PeerId {
        self.state.own.peer
    }

    /// Speaks another version of the wire, as another build would.
    #[cfg(feature = "testing")]
    pub fn speak(&mut self, version: u32) {
        self.state.own.wire = version;
    }

    /// Handles one input. It fails only when the store failed beneath; then the turn is
    /// taken back and this core is dropped.
    pub fn handle(&mut self, now: Timestamp, input: Input, world: &mut World<'_>) -> Result<(), TurnFailed> {
        let Self { state, delivery, depots, presence, outage, rekey, intake, standings, rng, out, .. } = self;
        state.clock.turn(now);
        let mut turn = state.turn(rng, &mut *world.cipher, world.shelf, out);
        let turn = &mut turn;
        let (mut expiry_changed, mut is_back) = (false, false);
        if !self.started {
            self.started = true;
            expiry_changed = true;
            standings.start(state, turn)?;
            conversation::begin_releasing(state);
            delivery.start(state, now, turn.rng);
            depots.start(state, turn);
            presence.start(state, turn);
            request::offer::redate(state, turn)?;
            if !state.own.servers.is_empty() {
                turn.act(NetAction::Bootstrap(state.own.servers.clone()));
            }
        }
        match input {
            Input::Command(id, Command::Search { text, before, limit }) => {
                self.search.ask(state, turn, id, Wish { text, before, limit })?;
            }
            Input::Command(id, command) => {
                let result = match dispatch::run(state, &mut Machines { delivery, depots, presence, intake, standings }, turn, command) {
                    Ok(reply) => Ok(reply),
                    Err(Failed::Command(error)) => Err(error),
                    Err(Failed::Turn(failed)) => return Err(failed),
                };
                turn.act(Action::Reply(id, result));
            }
            Input::Addresses(mut places) => {
                places.retain(seam::Address::is_bounded);
                places.truncate(limits::ADDRESSES_MAX);
                if places != state.own.places {
                    state.own.places = places;
                    state.republish = true;
                    moved(state, delivery, turn)?;
                    is_back = outage.moved(state);
                }
                rekey.placed();
            }
            Input::LinkUp { link, .. } if state.own.is_halted => turn.act(NetAction::Close(link, seam::CloseReason::Idle)),
            Input::LinkUp { link, dial: Some(dial), .. } if depots.has_dial(dial) => depots.link_up(state, turn, link, dial)?,
            Input::LinkUp { link, dial, path, keys, source: _ } => delivery.link_up(state, turn, Up { link, dial, path, keys })?,
            Input::DialFailed(dial) if depots.has_dial(dial) => depots.dial_failed(turn, dial),
            Input::DialFailed(dial) => delivery.dial_failed(state, turn, dial),
            Input::LinkDown(link) if depots.has_link(link) => depots.link_down(turn, link),
            Input::LinkDown(link) => delivery.link_down(state, turn, link),
            Input::Frame(link, bytes) if depots.has_link(link) => match depots.frame(state, turn, link, &bytes)? {
                Some(Arrived::Entry(key, deposit)) => intake.deposit(state, delivery, turn, key, &deposit)?,
                Some(Arrived::Signed(signed)) => {
                    intake::signed(state, turn, &signed)?;
                    depots.go_on(state, turn, &signed)?;
                }
                None => {}
            },
            Input::Frame(link, bytes) => intake.frame(state, delivery, &mut presence.record_server, turn, link, &bytes)?,
            Input::LanUp { transport, visible, networks } => presence.lan.up(state, turn, transport, visible, networks),
            Input::LanMoved(networks) => presence.lan.moved(state, turn, networks),
            Input::Sighted(sighting) => {
                if let Some(friend) = presence.lan.sighted(state, now, sighting) {
                    for device in people::devices_of(state, &friend) {
                        delivery.sighted(state, turn, &device)?;
                    }
                }
            }
            Input::Unsighted(instance) => presence.lan.unsighted(state, &instance),
            Input::Found(id, bytes) => {
                if let Some((request, contact)) = presence.found(state, delivery, turn, id, &bytes)? {
                    match request::found(state, turn, &request, contact) {
                        Ok(()) => presence.finder.finish(&id),
                        // It waits on; the row says what it is.
                        Err(Failed::Command(_)) => {}
                        Err(Failed::Turn(failed)) => return Err(failed),
                    }
                }
            }
            Input::Servers(servers, neighbours) => presence.dht_servers(state, delivery, turn, servers, neighbours),
            Input::Lookups(standing) => presence.lookup_servers(state, delivery, now, standing),
            Input::Resolved(id) => presence.resolved(state, delivery, turn, id),
            Input::Stopping => presence.publisher.farewell(state, turn),
            Input::Tick => {
                presence.tick(state, delivery, turn);
                outage.tick(state, delivery, depots, turn)?;
                delivery.tick(state, turn)?;
                if let Some((device, places)) = presence.lan.ask(state, delivery, turn) {
                    delivery.ask(state, turn, &device, places);
                }
                depots.tick(state, turn)?;
                conversation::expire(state, turn)?;
                standings.tick(state, turn);
                if now >= self.next_sweep {
                    self.next_sweep = now.after(limits::SWEEP_INTERVAL);
                    request::expire(state, turn)?;
                    grants::sweep(state, turn)?;
                    introduction::expire(state, turn);
                    request::offer::redate(state, turn)?;
                    request::remind(state);
                    standings.look(state, turn)?;
                    friend::expire_former(state, turn)?;
                    depots.renew(state, turn)?;
                    contact::forget_expired(state, turn)?;
                    if sweep_seen(turn, &mut self.sweep_from)? {
                        self.next_sweep = now.after(limits::SWEEP_PAUSE);
                    }
                }
            }
        }
        // Those who are reached first after an outage, or after a change of our own addresses.
        if outage.watch(state, delivery, depots, turn) || is_back {
            delivery.rouse(state, turn);
            depots.rouse(turn);
            presence.look_again(state, delivery, now);
            presence.publisher.changed(now, false);
            if !state.own.servers.is_empty() {
                turn.act(NetAction::Bootstrap(state.own.servers.clone()));
            }
        }
        presence.watch(state, turn, depots.reaches_any());
        if !state.told.is_empty() {
            intake::told(state, delivery, turn)?;
        }
        let was_halted = std::mem::replace(&mut self.was_halted, state.own.is_halted);
        if was_halted && !state.own.is_halted {
            delivery.start(state, now, turn.rng);
            depots.start(state, turn);
            presence.publisher.start(now);
            conversation::begin_releasing(state);
        }
        standings.follow(state, turn)?;
        if state.own.is_halted && !self.was_halted {
            self.was_halted = true;
            delivery.halt(state, turn);
            depots.halt(turn);
        }
        for peer in std::mem::take(&mut state.releasing) {
            conversation::release_held(state, turn, &peer)?;
        }
        presence.seek(state, delivery, turn)?;
        let has_revoked = std::mem::take(&mut state.has_revoked);
        if has_revoked {
            // The LAN and our relays go by the new secret from now on.
            presence.revoked(state, turn);
            rekey.begin(turn);
        }
        if std::mem::take(&mut state.has_ended_grants) || has_revoked {
            depots.revoked(state, turn);
        }
        if std::mem::take(&mut state.has_new_secrets) {
            request::offer::reissue(state, turn, true)?;
        }
        if std::mem::take(&mut state.has_other_depots) {
            moved(state, delivery, turn)?;
        }
        if std::mem::take(&mut state.recounts) {
            depots.recount(state, turn)?;
        }
        if std::mem::take(&mut state.republish) {
            presence.changed(state, turn, has_revoked);
            delivery.greet_anew();
        }
        for peer in presence.publish(state, turn) {
            friend::give_again(state, turn, &peer)?;
        }
        if presence.publisher.take_leaves_ahead() {
            depots.leave_records(state, turn);
        }
        if std::mem::take(&mut state.has_new_friend) {
            presence.lan.look_again(state);
            delivery.shorten_all(state, turn);
        }
        for device in std::mem::take(&mut state.befriended) {
            delivery.befriended(state, turn, &device)?;
        }
        for device in std::mem::take(&mut state.hang_up) {
            delivery.hang_up(state, turn, &device);
        }
        for device in std::mem::take(&mut state.asked_again) {
            delivery.asked_again(state, turn, &device)?;
        }
        for device in std::mem::take(&mut state.restart) {
            delivery.restart(state, turn, &device)?;
            depots.restart(&device);
        }
        for device in std::mem::take(&mut state.moved) {
            delivery.moved(state, turn, &device);
        }
        for (row, key) in std::mem::take(&mut state.forgotten) {
            delivery.forget(state, turn, &row.device);
            depots.forget_device(&row.device);
            standings.forget(&row.device);
            intake.forget(&row, key.as_ref());
        }
        if expiry_changed || turn.out.changes.iter().any(|change| change.table() == Some(Table::Expiry)) {
            self.next_expiry = conversation::next_expiry(turn)?;
        }
        self.search.follow(state, turn)
    }

    /// Ends a turn: answers searches, signs receipts and writes rows that change with every input. Called once
    /// before the shell commits.
    pub fn close_turn(&mut self, now: Timestamp, world: &mut World<'_>) -> Result<(), TurnFailed> {
        let Self { state, delivery, depots, presence, rekey, search, standings, rng, out, .. } = self;
        state.clock.turn(now);
        let mut turn = state.turn(rng, &mut *world.cipher, world.shelf, out);
        search.close_turn(state, &mut turn)?;
        for (device, items) in std::mem::take(&mut state.owed) {
            for items in items.chunks(RECEIPT_MAX) {
                delivery.tell(state, &mut turn, &device, items.to_vec())?;
            }
        }
        let reached = delivery.take_reached();
        delivery.shorten(state, &mut turn, &reached);
        let waits = |device: &&DeviceId| state.devices.get(*device).is_some_and(|row| row.outbox_count > 0);
        let left: Vec<DeviceId> = state.unreachable.iter().filter(waits).copied().collect();
        let met = reached.iter().copied().chain(left);
        standings.meet(state, &mut turn, met.collect::<Vec<_>>())?;
        after(state, delivery, depots, &mut turn, &reached)?;
        depots.close_turn(state, &mut turn);
        delivery.close_turn(state, &mut turn);
        rekey.close_turn(&mut turn, delivery);
        // Behind the receipts, which prove to a friend who we are.
        presence.close_turn(state, delivery, &mut turn, &reached);
        state.flush(&mut turn);
        Ok(())
    }

    /// The next write, to be applied inside the open transaction.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.out.changes.pop_front()
    }

    /// The next action, to be carried out once the turn is durable.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.out.actions.pop_front()
    }

    /// The next event, to be told once the turn is durable.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// When [`Input::Tick`] is wanted, and what for.
    pub fn poll_timeout(&self) -> Option<(Timestamp, &'static str)> {
        let due = self.delivery.next_due().map(|at| (at, "a dial or a receipt is due"));
        // By sure time; should that be behind the clock, it comes when so much was lived through.
        let expiry = self.next_expiry.map(|at| (self.state.clock.wall_at(at), "a message is to be given up"));
        let depots = self.depots.next_due().map(|at| (at, "a relay is due"));
        let outage = self.outage.next_due().map(|at| (at, "nobody is reached"));
        let lan = self.presence.lan.next_due().map(|at| (at, "the LAN is shown something else"));
        let presence = self.presence.next_due().map(|at| (at, "records are due"));
        let rekey = self.rekey.next_due().map(|at| (at, "the transport key is to change"));
        let copies = self.standings.next_due(&self.state).map(|at| (at, "one of two copies of this folder is to go on"));
        let held = conversation::can_release(&self.state).then_some((Timestamp(0), "held texts are to be sealed"));
        let index = self.search.next_due().map(|at| (at, "texts are to be put into the index of words"));
        let sweep = Some((self.next_sweep, "expired rows are swept"));
        [due, depots, outage, lan, presence, rekey, expiry, copies, held, index, sweep].into_iter().flatten().min()
    }

    /// The contact record that this node would publish now: signed, with a package that
    /// others may hold too. Its rows leave by [`Core::poll_change`].
    pub fn contact_record(&mut self, now: Timestamp, world: &mut World<'_>) -> contact::ContactRecord {
        let Self { state, rng, out, .. } = self;
        state.clock.turn(now);
        let mut turn = state.turn(rng, &mut *world.cipher, world.shelf, out);
        contact::contact_record(state, &mut turn)
    }
}

/// Sends what the turn's inputs have left in the outbox, once for all of them: wakes whom
/// something waits for, and leaves at relays what cannot go directly.
fn after(
    state: &mut State,
    delivery: &mut Delivery,
    depots: &mut Depots,
    turn: &mut Turn<'_>,
    reached: &BTreeSet<DeviceId>,
) -> Result<(), TurnFailed> {
    for device in std::mem::take(&mut state.wake) {
        delivery.wake(state, turn, &device)?;
    }
    for device in reached {
        depots.reached(device);
        if delivery::outbox::forget_lists(state, turn, device)? {
            delivery.restart(state, turn, device)?;
        }
    }
    for device in std::mem::take(&mut state.unreachable) {
        depots.wait(state, turn, &device)?;
    }
    Ok(())
}

/// This node can be written to elsewhere: friends are told, and who was asked for friendship
/// gets a new Offer.
fn moved(state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    delivery.greet_all(state, turn)?;
    request::offer::reissue(state, turn, false)
}

/// Forgets the ids of envelopes taken in long ago, a page at a time. Whether there are more pages.
fn sweep_seen(turn: &mut Turn<'_>, from: &mut Vec<u8>) -> Result<bool, TurnFailed> {
    let page = turn.range(Table::Seen, from, world::RANGE_LIMIT)?;
    let more = !page.is_empty();
    *from = page.last().map(|(last, _)| [last.as_slice(), &[0]].concat()).unwrap_or_default();
    for (key, value) in page {
        let at = value.first_chunk().map_or(0, |at| u64::from_be_bytes(*at));
        if turn.sure.since(Timestamp(at)) > limits::SEEN_LIFETIME {
            turn.delete(Table::Seen, &key);
        }
    }
    Ok(more)
}

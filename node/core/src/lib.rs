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
//! The core itself only routes. Each machine is a folder with a file for each sub-protocol:
//!
//! | module | does |
//! |---|---|
//! | [`command`], `commands`, `views` | what the user can ask; which machine does it; what the user sees |
//! | `route` | every input, to the machine that it is for |
//! | `people` | who is who: names, devices, blocks |
//! | `invites` | invites and contact records; the rights to write to us that go with a request |
//! | `conversations` | messages from writing to reading; history and search |
//! | `friendships` | the connection: Offer, Accept, Confirm; bundles, petnames, the end |
//! | `groups` | shared rooms: members, commits and their order, how a room that was cut heals |
//! | `vouching` | people knock at a room, and a member who knows them lets them in |
//! | `renewal` | who is behind what others have seen; rooms made again |
//! | `introductions` | two friends brought together |
//! | `delivery` | envelopes until they are acknowledged; links, dialling and relays |
//! | `intake` | from a frame to the machine it is meant for |
//! | `packages` | by what friends add us to rooms, and we them |
//! | `presence` | where we are, for friends: who may read it, publishing, resolving; lookup servers and the LAN |
//! | `identity`, `state` | this device; every row held in memory |
//! | `copies` | a copy of a folder that becomes a device of its own |
//! | `clock` | what time it is, as far as anybody can be sure |
//! | `rates` | how much of what others send is looked at |
//! | [`wire`] | what travels inside envelopes |
//! | [`recovery`] | beside all this: what the recovery phrase alone finds at relays |

mod clock;
pub mod command;
mod commands;
mod conversations;
mod copies;
pub mod counted;
mod delivery;
mod devices;
#[cfg(test)]
mod fixture;
mod friendships;
mod groups;
mod identity;
mod intake;
mod introductions;
mod invites;
pub mod limits;
pub mod migration;
mod notice;
mod packages;
mod people;
mod presence;
mod rates;
pub mod recovery;
mod renewal;
mod rooms;
mod route;
mod rows;
pub mod seam;
mod state;
pub mod table;
mod turn;
mod views;
mod vouching;
pub mod wire;
pub mod world;

#[cfg(feature = "testing")]
pub mod clear_cipher;
#[cfg(feature = "testing")]
pub mod conformance;
#[cfg(feature = "testing")]
pub mod forged_commits;
#[cfg(feature = "testing")]
pub mod packages_at_hand;
#[cfg(feature = "testing")]
mod second_room;

pub use groups::order;
pub use invites::{cards, contact, link, place};
pub use people::names;
pub use turn::TurnFailed;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use route::Machines;
use seam::{Action, Event, Input};
use state::State;
use symbolon_presence::id::PeerId;
use symbolon_presence::time::Timestamp;
use table::Change;
use turn::Out;
use wire::is_name;
use world::{Shelf, World};

/// What the core is given at its start.
#[derive(Debug, Clone, Default)]
pub struct CoreConfig {
    /// The own name; `None` keeps the stored one.
    pub name: Option<String>,
    /// Lookup servers for this start; at most [`limits::LOOKUPS_MAX`] count.
    pub lookups: Vec<seam::Address>,
    /// Whether the nodes of the LAN make up a DHT while no server is known.
    pub lan_dht: bool,
    /// Whether rooms that this node is in may have their hub here.
    pub hub: bool,
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
    machines: Machines,
    rng: ChaCha20Rng,
    out: Out,
}

/// Whether a folder is a copy that is to become a device of its own. The shell that starts its node does it before: a backup of it, asked for
/// part by part ([`Command::Backup`](command::Command::Backup)), is taken in by a store without a row
/// ([`Command::Move`](command::Command::Move)), which then takes this one's place.
pub fn moves(shelf: &dyn Shelf) -> Result<bool, world::ShelfError> {
    Ok(shelf.get(table::Table::Meta, b"moves")?.is_some())
}

impl Core {
    /// Loads a core from its store; makes an identity at first run. `seed` is drawn again at
    /// each start and never stored. What it writes leaves by [`Core::poll_change`].
    pub fn load(config: CoreConfig, shelf: &dyn Shelf, now: Timestamp, seed: [u8; 32]) -> Result<Self, LoadError> {
        if config.name.as_deref().is_some_and(|name| name.is_empty() || !is_name(name)) {
            return Err(LoadError::BadName);
        }
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut out = Out::default();
        let mut state = State::load(config.name, shelf, now, &mut rng, &mut out).map_err(LoadError::Store)?;
        state.own.lookups_now = config.lookups.into_iter().filter(seam::Address::is_bounded).take(limits::LOOKUPS_MAX).collect();
        state.own.is_hub = config.hub;
        Ok(Self { machines: Machines::new(state, config.lan_dht, now), rng, out })
    }

    /// The Peer ID of this node's user.
    pub fn peer(&self) -> PeerId {
        self.machines.state.own.peer
    }

    /// Whether this folder is to become a device of its own: see [`moves`].
    pub fn moves(&self) -> bool {
        self.machines.state.own.moves
    }

    /// Speaks another version of the wire, as another build would.
    #[cfg(feature = "testing")]
    pub fn speak(&mut self, version: u32) {
        self.machines.state.own.wire = version;
    }

    /// Takes and says less than this build can, as an older one would.
    #[cfg(feature = "testing")]
    pub fn take(&mut self, capabilities: wire::Capabilities) {
        self.machines.state.own.capabilities = capabilities;
    }

    /// Own commits are due at once.
    #[cfg(feature = "testing")]
    pub fn hurry_commits(&mut self) {
        self.machines.state.hurry_commits();
        self.machines.groups.hurry(&self.machines.state);
        self.machines.next_sweep = Timestamp(0);
    }

    /// Takes all friendships for those of an older build, as if this build were started on its folder for the first time.
    #[cfg(feature = "testing")]
    pub fn age(&mut self) {
        self.machines.state.age();
    }

    /// The most notices that machines had for each other in one input.
    #[cfg(feature = "testing")]
    pub fn most_notices(&self) -> usize {
        self.out.notices.most()
    }

    /// Handles one input. It fails only when the store failed; then the turn is
    /// taken back and this core is dropped.
    pub fn handle(&mut self, now: Timestamp, input: Input, world: &mut World<'_>) -> Result<(), TurnFailed> {
        let Self { machines, rng, out } = self;
        out.taken.inputs = out.taken.inputs.saturating_add(1);
        machines.state.clock.turn(now);
        let mut turn = machines.state.turn(rng, &mut *world.cipher, world.shelf, out);
        machines.handle(&mut turn, input)
    }

    /// Ends a turn: answers searches, signs receipts and writes rows that change with every input. Called once
    /// before the shell commits.
    pub fn close_turn(&mut self, now: Timestamp, world: &mut World<'_>) -> Result<(), TurnFailed> {
        let Self { machines, rng, out } = self;
        machines.state.clock.turn(now);
        let mut turn = machines.state.turn(rng, &mut *world.cipher, world.shelf, out);
        machines.close_turn(&mut turn)?;
        let taken = std::mem::take(&mut out.taken);
        out.only_receipts = taken.receipts > 0 && taken.receipts == taken.inputs;
        Ok(())
    }

    /// Whether all that the turn has written is learned again, should it be lost: it took in receipts and nothing
    /// else, wants nothing done outside, and shows no more than how far messages have got. What was acknowledged lies in the
    /// outbox again then, is put again, and is acknowledged again. Asked when the turn is closed and before its actions are
    /// polled. Such a turn may become durable together with the next one.
    pub fn is_learned_again(&self) -> bool {
        let shows_states = |event: &Event| matches!(event, Event::MessageState { .. });
        self.out.only_receipts && self.out.actions.is_empty() && self.out.events.iter().all(shows_states)
    }

    /// The next write, to be applied inside the open transaction.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.out.changes.pop_front()
    }

    /// The next action, to be carried out once the turn is durable.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.out.actions.pop_front()
    }

    /// The next event, to be handed out once the turn is durable.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// When [`Input::Tick`] is wanted, and what for.
    pub fn poll_timeout(&self) -> Option<(Timestamp, &'static str)> {
        let due = self.machines.delivery.next_due().map(|at| (at, "a dial or a receipt is due"));
        // By sure time; should that be behind the clock, it comes when so much was lived through.
        let expiry = self.machines.next_expiry.map(|at| (self.machines.state.clock.wall_at(at), "a message is to be given up"));
        let relays = self.machines.relays.next_due().map(|at| (at, "a relay is due"));
        let couriers = self.machines.couriers.next_due().map(|at| (at, "what waits is given to those who carry it"));
        let outage = self.machines.outage.next_due().map(|at| (at, "nobody is reached"));
        let lan = self.machines.presence.lan.next_due().map(|at| (at, "the LAN is shown something else"));
        let presence = self.machines.presence.next_due().map(|at| (at, "records are due"));
        let packages = self.machines.packages.next_due(&self.machines.state, &self.machines.relays).map(|at| (at, "packages are due"));
        let rekey = self.machines.rekey.next_due().map(|at| (at, "the transport key is to change"));
        let copies = self.machines.standings.next_due(&self.machines.state).map(|at| (at, "one of two copies of this folder is to go on"));
        let own_devices = self.machines.own_devices.next_due().map(|at| (at, "a friend's device is asked for a new device of ours"));
        let capsules = self.machines.capsules.next_due().map(|at| (at, "the capsule is to be left at a relay"));
        let groups = self.machines.groups.next_due().map(|at| (at, "something is to be done in a room"));
        let vouching = self.machines.vouching.next_due().map(|at| (at, "a hub is to be asked"));
        let held = self.machines.held.can_release(&self.machines.state).then_some((Timestamp(0), "held texts are to be sealed"));
        let kept = self.machines.intake.next_due(&self.machines.state).map(|at| (at, "what could not be opened is tried again"));
        let index = self.machines.search.next_due().map(|at| (at, "texts are to be put into the index of words"));
        let sweep = Some((self.machines.next_sweep, "expired rows are swept"));
        [
            due,
            relays,
            couriers,
            outage,
            lan,
            presence,
            packages,
            rekey,
            expiry,
            copies,
            groups,
            capsules,
            own_devices,
            vouching,
            held,
            kept,
            index,
            sweep,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The contact record that this node would publish now: signed, with a package that
    /// others may hold too. Its rows leave by [`Core::poll_change`].
    pub fn contact_record(&mut self, now: Timestamp, world: &mut World<'_>) -> contact::ContactRecord {
        let Self { machines, rng, out } = self;
        let state = &mut machines.state;
        state.clock.turn(now);
        let mut turn = state.turn(rng, &mut *world.cipher, world.shelf, out);
        invites::contact_record(state, &mut turn)
    }
}

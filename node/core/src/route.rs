//! Routes: each input to the machine that it is for, and what machines have found out to those whom it concerns.
//!
//! Nothing of a protocol stands here: a match, a call, nothing else.

use crate::command::Command;
use crate::commands;
use crate::conversations::search::{Search, Wish};
use crate::conversations::{self, Held};
use crate::delivery::couriers::Couriers;
use crate::delivery::fate::Fate;
use crate::delivery::outage::Outage;
use crate::delivery::outbox;
use crate::delivery::rekey::Rekey;
use crate::delivery::relays::{Arrived, Relays};
use crate::delivery::young;
use crate::delivery::{Delivery, Up};
use crate::devices::{Capsules, Devices};
use crate::friendships::{self, Confirming};
use crate::groups::{self, Groups};
use crate::identity;
use crate::intake::{self, Intake};
use crate::limits;
use crate::packages::{Answers, Packages};
use crate::people;
use crate::presence::Presence;
use crate::renewal::{self, Standings};
use crate::seam::{self, Action, Input, NetAction};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::vouching::{self, Vouching};
use std::collections::BTreeSet;
use symbolon_presence::id::DeviceId;
use symbolon_presence::time::Timestamp;

mod notices;
pub(crate) mod sweep;

/// All machines, and when the routes themselves have something to do.
#[derive(Debug)]
pub(crate) struct Machines {
    pub state: State,
    pub delivery: Delivery,
    pub relays: Relays,
    pub couriers: Couriers,
    pub presence: Presence,
    pub packages: Packages,
    pub outage: Outage,
    pub rekey: Rekey,
    pub intake: Intake,
    pub standings: Standings,
    pub search: Search,
    pub held: Held,
    pub groups: Groups,
    pub own_devices: Devices,
    pub capsules: Capsules,
    pub vouching: Vouching,
    confirming: Confirming,
    was_halted: bool,
    started: bool,
    pub next_sweep: Timestamp,
    sweep_from: Vec<u8>,
    /// When the next text is to be given up.
    pub next_expiry: Option<Timestamp>,
}

impl Machines {
    /// Machines over a state that was loaded.
    pub fn new(state: State, lan_dht: bool, now: Timestamp) -> Self {
        let confirming = Confirming::of(&state);
        Self {
            state,
            delivery: Delivery::default(),
            relays: Relays::default(),
            couriers: Couriers::default(),
            presence: Presence::new(lan_dht),
            packages: Packages::default(),
            outage: Outage::default(),
            rekey: Rekey::default(),
            intake: Intake::default(),
            standings: Standings::default(),
            search: Search::default(),
            held: Held::default(),
            groups: Groups::default(),
            own_devices: Devices::default(),
            capsules: Capsules::default(),
            vouching: Vouching::default(),
            confirming,
            was_halted: false,
            started: false,
            next_sweep: now,
            sweep_from: Vec::new(),
            next_expiry: None,
        }
    }

    /// Handles one input.
    pub fn handle(&mut self, turn: &mut Turn<'_>, input: Input) -> Result<(), TurnFailed> {
        turn.out.notices.begin();
        let is_first = !std::mem::replace(&mut self.started, true);
        if is_first {
            self.start(turn)?;
        }
        let is_back = self.input(turn, input)?;
        self.ask_found(turn)?;
        self.look_around(turn, is_back)?;
        // Each step stands on what was said before it.
        self.notices(turn)?;
        self.follow(turn)?;
        self.notices(turn)?;
        self.rooms(turn)?;
        self.notices(turn)?;
        self.capsules.follow(&self.state, turn)?;
        if self.own_devices.follow(&mut self.state, turn)? {
            groups::follow_devices(&mut self.state, turn);
        }
        self.notices(turn)?;
        self.publish(turn)?;
        self.notices(turn)?;
        self.delivery.follow(&mut self.state, turn)?;
        self.notices(turn)?;
        for (device, owner) in self.relays.take_lost() {
            intake::tell(&mut self.state, turn, &device, &owner, Fate::Queued)?;
        }
        self.notices(turn)?;
        if is_first || turn.out.changes.iter().any(|change| change.table() == Some(Table::Expiry)) {
            self.next_expiry = conversations::next_expiry(turn)?;
        }
        self.search.follow(&mut self.state, turn)
    }

    /// Whether the network is another one.
    fn input(&mut self, turn: &mut Turn<'_>, input: Input) -> Result<bool, TurnFailed> {
        let Self { state, delivery, relays, presence, capsules, .. } = self;
        match input {
            Input::Command(id, Command::Search { text, before, limit }) => {
                self.search.ask(state, turn, id, Wish { text, before, limit })?
            }
            Input::Command(id, command) => self.command(turn, id, command)?,
            Input::Addresses(places) => return self.addresses(turn, places),
            Input::LinkUp { link, dial, path, keys, source: _ } => self.link_up(turn, Up { link, dial, path, keys })?,
            Input::DialFailed(dial) if relays.has_dial(dial) => relays.dial_failed(turn, dial),
            Input::DialFailed(dial) if presence.finder.calls.has_dial(dial) => presence.finder.calls.dial_failed(dial),
            Input::DialFailed(dial) if capsules.has_dial(dial) => capsules.dial_failed(turn, dial),
            Input::DialFailed(dial) => delivery.dial_failed(state, turn, dial),
            Input::LinkDown(link) if relays.has_link(link) => relays.link_down(turn, link),
            Input::LinkDown(link) if presence.finder.calls.has_link(link) => presence.finder.calls.link_down(link),
            Input::LinkDown(link) if capsules.has_link(link) => capsules.link_down(turn, link),
            Input::LinkDown(link) => delivery.link_down(state, turn, link),
            Input::Frame(link, bytes) => self.frame(turn, link, &bytes)?,
            Input::LanUp { transport, visible, networks } => presence.lan.up(state, turn, transport, visible, networks),
            Input::LanMoved(networks) => presence.lan.moved(state, turn, networks),
            Input::Sighted(sighting) => self.sighted(turn, sighting)?,
            Input::Unsighted(instance) => presence.unsighted(delivery, &instance),
            Input::Found(id, bytes) => {
                self.vouching.found(state, turn, &id, &bytes);
                presence.found(state, delivery, turn, id, &bytes)?;
            }
            Input::HubAnswered(ask, answer) => self.vouching.answered(state, &mut self.groups, turn, ask, answer.as_deref())?,
            Input::HubAsked(question, source, bytes) => self.vouching.asked(state, turn, question, source, &bytes),
            Input::Servers(servers, neighbours) => presence.dht_servers(state, delivery, turn, servers, neighbours),
            Input::Lookups(standing) => presence.lookup_servers(state, delivery, turn.now, standing),
            Input::Resolved(id) => presence.resolved(state, delivery, turn, id),
            Input::Stopping => {
                young::harden_all(state, turn);
                presence.publisher.farewell(state, turn);
            }
            Input::Tick => self.tick(turn)?,
        }
        Ok(false)
    }

    fn start(&mut self, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let Self { state, delivery, relays, couriers, presence, standings, held, intake, groups, own_devices, vouching, capsules, .. } =
            self;
        // Before anything else is sealed in those rooms.
        young::seal_again(state, turn)?;
        intake.start(turn)?;
        couriers.start(state, turn)?;
        standings.start(state, turn)?;
        renewal::begin_again(state, turn)?;
        friendships::show_all(state, turn)?;
        held.start(state);
        groups.start(state, turn);
        own_devices.start(state, turn)?;
        capsules.start(turn.rng);
        vouching.start(state, turn);
        delivery.start(state, turn.now, turn.rng);
        relays.start(state, turn);
        presence.start(state, turn);
        friendships::redate(state, turn)?;
        if !state.own.servers.is_empty() {
            turn.act(NetAction::Bootstrap(state.own.servers.clone()));
        }
        Ok(())
    }

    fn command(&mut self, turn: &mut Turn<'_>, id: seam::CommandId, command: Command) -> Result<(), TurnFailed> {
        let Self { state, delivery, relays, presence, packages, intake, standings, vouching, capsules, .. } = self;
        let mut machines = commands::Machines { delivery, relays, presence, packages, intake, standings, vouching, capsules };
        let result = match commands::run(state, &mut machines, turn, command) {
            Ok(reply) => Ok(reply),
            Err(Failed::Command(error)) => Err(error),
            Err(Failed::Turn(failed)) => return Err(failed),
        };
        turn.act(Action::Reply(id, result));
        Ok(())
    }

    /// Where this node can be reached. Whether the network is another one.
    fn addresses(&mut self, turn: &mut Turn<'_>, mut places: Vec<seam::Address>) -> Result<bool, TurnFailed> {
        let Self { state, delivery, outage, rekey, .. } = self;
        let mut is_back = false;
        places.retain(seam::Address::is_bounded);
        places.truncate(limits::ADDRESSES_MAX);
        if places != state.own.places {
            state.own.places = places;
            identity::records_changed(turn);
            friendships::moved(state, delivery, turn)?;
            is_back = outage.moved(state);
            vouching::move_hubs(state, turn);
        }
        rekey.placed();
        Ok(is_back)
    }

    fn tick(&mut self, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let Self { state, delivery, relays, couriers, presence, outage, standings, .. } = self;
        presence.tick(state, delivery, turn);
        outage.tick(state, delivery, relays, turn)?;
        delivery.tick(state, turn)?;
        if let Some((device, places)) = presence.lan.ask(state, delivery, turn) {
            delivery.ask(state, turn, &device, places);
        }
        relays.tick(state, turn)?;
        couriers.tick(state, delivery, turn)?;
        conversations::expire(state, turn)?;
        standings.tick(state, turn, |state| relays.reaches_any() || !delivery.friends_here(state).is_empty())?;
        if turn.now >= self.next_sweep {
            self.sweep(turn)?;
        }
        Ok(())
    }

    fn link_up(&mut self, turn: &mut Turn<'_>, up: Up) -> Result<(), TurnFailed> {
        let Self { state, delivery, relays, presence, capsules, .. } = self;
        match up.dial {
            _ if state.own.is_halted => turn.act(NetAction::Close(up.link, seam::CloseReason::Idle)),
            Some(dial) if relays.has_dial(dial) => relays.link_up(state, turn, up.link, dial)?,
            Some(dial) if presence.finder.calls.has_dial(dial) => presence.finder.calls.link_up(turn, up.link, dial),
            Some(dial) if capsules.has_dial(dial) => capsules.link_up(turn, up.link, dial),
            Some(_) | None => delivery.link_up(state, turn, up)?,
        }
        Ok(())
    }

    fn frame(&mut self, turn: &mut Turn<'_>, link: seam::LinkId, bytes: &[u8]) -> Result<(), TurnFailed> {
        if self.capsules.has_link(link) {
            self.capsules.frame(turn, link, bytes);
            return Ok(());
        }
        let Self { state, delivery, relays, couriers, presence, packages, intake, .. } = self;
        if presence.finder.calls.has_link(link) {
            presence.finder.frame(state, turn, link, bytes);
            return Ok(());
        }
        if !relays.has_link(link) {
            let mut desks = intake::Desks { records: &mut presence.record_server, packages, relays, couriers };
            return intake.frame(state, delivery, &mut desks, turn, link, bytes);
        }
        match relays.frame(state, turn, link, bytes)? {
            Some(Arrived::Entry(key, deposit)) => intake.deposit(state, delivery, turn, key, &deposit),
            Some(Arrived::Signed(signed)) => {
                intake::signed(state, turn, &signed)?;
                relays.go_on(state, turn, &signed)
            }
            Some(Arrived::Fetched(key, fetched)) => {
                // One that was not asked, or not so late, is of no use, and no fault.
                packages.answered(state, delivery, relays, turn, (Answers::Relay(key), &fetched)).map(drop)
            }
            None => Ok(()),
        }
    }

    fn sighted(&mut self, turn: &mut Turn<'_>, sighting: seam::Sighting) -> Result<(), TurnFailed> {
        let Self { state, delivery, presence, .. } = self;
        if let Some(friend) = presence.sighted(state, delivery, turn.now, sighting) {
            for device in people::devices_of(state, &friend) {
                delivery.sighted(state, turn, &device)?;
            }
        }
        Ok(())
    }

    /// Those who were looked for, and whose contact records are known now, are asked.
    fn ask_found(&mut self, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let Self { state, presence, .. } = self;
        while let Some((request, contact)) = presence.finder.take_found(state, turn.now) {
            match friendships::found(state, turn, &request, contact) {
                Ok(()) => presence.finder.finish(turn, &request),
                // It waits on; the row says what it is.
                Err(Failed::Command(_)) => {}
                Err(Failed::Turn(failed)) => return Err(failed),
            }
        }
        Ok(())
    }

    /// What follows from how this node stands to the world: whom it reaches, and what was said of its envelopes.
    fn look_around(&mut self, turn: &mut Turn<'_>, is_back: bool) -> Result<(), TurnFailed> {
        let Self { state, delivery, relays, presence, outage, intake, vouching, .. } = self;
        let now = turn.now;
        // Those who are reached first after an outage, or after a change of our own addresses.
        if outage.watch(state, delivery, relays, turn) || is_back {
            delivery.rouse(state, turn);
            relays.rouse(turn);
            vouching.rouse(turn);
            presence.look_again(state, delivery, now);
            presence.publisher.changed(now, false);
            if !state.own.servers.is_empty() {
                turn.act(NetAction::Bootstrap(state.own.servers.clone()));
            }
        }
        presence.watch(state, turn, relays.reaches_any());
        intake.try_again(state, delivery, turn)?;
        intake.complete_reported(state, delivery, turn)
    }

    /// What machines do once an input, when all that it has shown is said.
    fn follow(&mut self, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        self.go_on(turn);
        let Self { state, standings, intake, .. } = self;
        standings.follow(state, turn, intake.take_questions())?;
        self.halt(turn);
        let Self { state, delivery, presence, intake, held, .. } = self;
        held.follow(state, turn)?;
        presence.seek(state, delivery, turn, intake.take_found())
    }

    /// What is to be done in shared rooms, and for those who want to add us to theirs.
    fn rooms(&mut self, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let Self { state, delivery, relays, packages, groups, vouching, .. } = self;
        for (device, package) in packages.take_fetched() {
            groups.fetched(state, device, package);
        }
        for device in packages.take_ready() {
            groups.ready(state, &device);
        }
        groups.follow(state, delivery, relays, packages, turn)?;
        vouching.follow(state, groups, turn)
    }

    /// This copy of the folder had stopped, and continues.
    fn go_on(&mut self, turn: &mut Turn<'_>) {
        let Self { state, delivery, relays, presence, held, .. } = self;
        if self.was_halted && !state.own.is_halted {
            self.was_halted = false;
            self.groups.start(state, turn);
            delivery.start(state, turn.now, turn.rng);
            relays.start(state, turn);
            presence.publisher.start(turn.now);
            presence.finder.begin_again(state, turn.now);
            held.start(state);
        }
    }

    /// Another copy of the folder speaks for it.
    fn halt(&mut self, turn: &mut Turn<'_>) {
        if self.state.own.is_halted && !std::mem::replace(&mut self.was_halted, true) {
            self.delivery.halt(&mut self.state, turn);
            self.relays.halt(turn);
        }
    }

    /// Publishes what is due, and brings it to those who need it.
    fn publish(&mut self, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        let Self { state, relays, presence, .. } = self;
        for peer in presence.publish(state, turn) {
            friendships::send_bundle(state, turn, &peer)?;
        }
        if presence.publisher.take_leaves_ahead() {
            relays.leave_records(state, turn);
        }
        Ok(())
    }

    /// Ends a turn.
    pub fn close_turn(&mut self, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        turn.out.notices.begin();
        let Self { state, delivery, search, standings, .. } = self;
        search.close_turn(state, turn)?;
        delivery.tell_owed(state, turn)?;
        let reached = delivery.take_reached();
        delivery.shorten(state, turn, &reached);
        let waits = |device: &&DeviceId| state.devices.get(*device).is_some_and(|row| row.channel.outbox_count > 0);
        let left: Vec<DeviceId> = delivery.unreachable().iter().filter(waits).copied().collect();
        let met = reached.iter().copied().chain(left);
        standings.meet(state, turn, met.collect::<Vec<_>>())?;
        self.notices(turn)?;
        let Self { state, delivery, relays, couriers, presence, packages, rekey, .. } = self;
        couriers.meet(state, delivery, turn, &reached)?;
        after(state, delivery, relays, turn, &reached)?;
        packages.close_turn(state, delivery, relays, turn, &reached)?;
        relays.close_turn(state, turn, delivery.take_entries());
        delivery.close_turn(state, turn);
        rekey.close_turn(turn, delivery);
        // Behind the receipts, which prove to a friend who we are.
        presence.close_turn(state, delivery, turn, &reached);
        self.notices(turn)?;
        self.state.flush(turn);
        if turn.out.notices.is_empty() { Ok(()) } else { Err(TurnFailed("a notice was not handed on")) }
    }
}

/// Sends what the turn's inputs have left in the outbox, once for all of them: wakes whom
/// something waits for, and leaves at relays what cannot go directly.
fn after(
    state: &mut State,
    delivery: &mut Delivery,
    relays: &mut Relays,
    turn: &mut Turn<'_>,
    reached: &BTreeSet<DeviceId>,
) -> Result<(), TurnFailed> {
    delivery.wake_all(state, turn)?;
    for device in reached {
        relays.reached(device);
        if outbox::forget_lists(state, turn, device)? {
            delivery.restart(state, turn, device)?;
        }
    }
    for device in delivery.take_unreachable() {
        relays.wait(state, turn, &device)?;
    }
    Ok(())
}

//! Commands, each led to the machine that it is for, and the answers.

use crate::command::{Build, Command, CommandError, IdentityView, RelayState, Reply, RequestStatus, StatusView, Who};
use crate::contact;
use crate::conversation;
use crate::delivery::Delivery;
use crate::delivery::relays::{self as depot, Depots};
use crate::doctor;
use crate::friend;
use crate::history;
use crate::intake::Intake;
use crate::introduction;
use crate::mirror::Mirror;
use crate::names;
use crate::people;
use crate::presence::{self, Presence, lookup_servers};
use crate::request;
use crate::standing::Standings;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn};
use crate::wire::is_name;
use symbolon_presence::id::{PeerId, RequestId};
use symbolon_presence::time::Timestamp;
use symbolon_presence::words::fingerprint_words;

/// The machines that commands ask.
pub(crate) struct Machines<'a> {
    pub delivery: &'a mut Delivery,
    pub depots: &'a mut Depots,
    pub presence: &'a mut Presence,
    pub intake: &'a Intake,
    pub standings: &'a mut Standings,
}

/// Does what the user asks.
pub(crate) fn run(state: &mut State, machines: &mut Machines<'_>, turn: &mut Turn<'_>, command: Command) -> Result<Reply, Failed> {
    let (delivery, depots) = (&mut *machines.delivery, &mut *machines.depots);
    match command {
        Command::Identity => Ok(identity(state)),
        Command::SetName(name) => {
            let name = name.trim().to_owned();
            if name.is_empty() || !is_name(&name) {
                return Err(CommandError::BadName.into());
            }
            turn.put(Table::Meta, b"name", &name);
            state.own.name = name;
            Ok(identity(state))
        }
        Command::Invite { lifetime, no_ip, auto_accept } => contact::invite(state, turn, lifetime, no_ip, auto_accept),
        Command::Add { target, note } => {
            let online: std::collections::BTreeSet<PeerId> = delivery.online(state);
            let id = request::add(state, turn, &target, note, |peer| online.contains(peer))?;
            machines.presence.finder.begin_again(state, turn.now);
            request_reply(state, &id)
        }
        Command::Requests => {
            let mirror = Mirror::of(state);
            let of_friends = state.requests.values().filter(|row| row.is_shown()).map(|row| request::view(state, &mirror, row));
            let mut views: Vec<_> =
                of_friends.chain(state.introductions.values().map(|row| introduction::view(state, &mirror, row))).collect();
            views.sort_by_key(|view| (std::cmp::Reverse(view.created), view.request));
            Ok(Reply::Requests(views))
        }
        Command::Introduce { asker, target, note } => {
            let id = introduction::introduce(state, turn, &asker, &target, note)?;
            request_reply(state, &id)
        }
        Command::Accept(id) if state.introductions.contains_key(&id) => {
            introduction::accept(state, turn, &id)?;
            request_reply(state, &id)
        }
        Command::Ignore(id) if state.introductions.contains_key(&id) => {
            introduction::ignore(state, turn, &id)?;
            request_reply(state, &id)
        }
        Command::Cancel(id) if state.introductions.contains_key(&id) => {
            introduction::cancel(state, turn, &id)?;
            request_reply(state, &id)
        }
        Command::Cancel(id) => {
            request::cancel(state, turn, &id)?;
            request_reply(state, &id)
        }
        Command::Invites => Ok(Reply::Invites(contact::views(state, turn.now))),
        Command::InviteRevoke(id) => Ok(Reply::InviteRevoked(contact::take_back(state, turn, &id)?)),
        Command::Accept(id) => {
            request::answer::accept(state, turn, &id)?;
            request_reply(state, &id)
        }
        Command::Ignore(id) => {
            request::ignore(state, turn, &id)?;
            request_reply(state, &id)
        }
        Command::Block(who) => block(state, delivery, turn, &who, true),
        Command::Unblock(who) => block(state, delivery, turn, &who, false),
        Command::Friends => {
            let current = state.friends.values().filter(|friend| friend.state != crate::rows::FriendState::Ended);
            let mirror = Mirror::of(state);
            let mut views: Vec<_> = current.filter_map(|friend| friend::view(state, delivery, &mirror, turn.now, &friend.peer)).collect();
            views.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(Reply::Friends(views))
        }
        Command::Rename { friend, name } => {
            let peer = people::resolve(state, &friend)?;
            friend::rename(state, turn, &peer, &name)?;
            friend_reply(state, delivery, turn.now, &peer)
        }
        Command::Unfriend(friend) => {
            let peer = people::resolve(state, &friend)?;
            friend::unfriend(state, turn, &peer)?;
            friend_reply(state, delivery, turn.now, &peer)
        }
        Command::Hide { friend, hidden } => {
            let peer = people::resolve(state, &friend)?;
            presence::hide(state, turn, &peer, hidden);
            delivery.hidden(state, turn, &people::devices_of(state, &peer).into_iter().collect());
            friend_reply(state, delivery, turn.now, &peer)
        }
        Command::Verify { friend, words } => {
            let peer = people::resolve(state, &friend)?;
            friend::verify(state, turn, &peer, words.as_deref())?;
            friend_reply(state, delivery, turn.now, &peer)
        }
        Command::Send { to, text, lifetime } => {
            let peer = people::resolve(state, &to)?;
            let id = conversation::send(state, turn, peer, text, lifetime)?;
            Ok(Reply::Message(history::message(state, turn, &id)?))
        }
        Command::Message(id) => Ok(Reply::Message(history::message(state, turn, &id)?)),
        Command::Read { who, since, limit, peek } => {
            let of = who.map(|who| people::resolve(state, &who)).transpose()?;
            Ok(Reply::Messages(history::read(state, turn, of, since, limit, peek)?))
        }
        // Answered at the end of its turn and never led here.
        Command::Search { .. } => Ok(Reply::Messages(Vec::new())),
        Command::RelayAdd { link, claim } => {
            let own = depot::add(state, turn, &link, claim.as_deref())?;
            depots.add_own(&own, turn.now);
            state.republish = true;
            request::offer::moved(state, delivery, turn)?;
            Ok(Reply::Relay(depots.view(&own)))
        }
        Command::RelayClaim(code) => {
            let unkept = |own: &crate::rows::OwnDepot| depots.view(own).state != RelayState::Connected;
            let told = depot::claim(state, turn, &code, unkept)?;
            for own in &told {
                depots.renew_own(state, turn, own);
            }
            Ok(Reply::Relays(told.iter().map(|own| depots.view(own)).collect()))
        }
        Command::RelayRemove(id) => {
            let own = depot::remove(state, turn, &id)?;
            depots.remove_own(state, turn, &own);
            state.republish = true;
            request::offer::moved(state, delivery, turn)?;
            Ok(Reply::Relay(depots.view(&own)))
        }
        Command::Relays => Ok(Reply::Relays(state.own.depots.values().map(|own| depots.view(own)).collect())),
        Command::SetFindable(is_findable) => {
            presence::set_findable(state, turn, is_findable);
            Ok(identity(state))
        }
        Command::LookupAdd(address) => {
            lookup_servers::add(state, turn, address.clone())?;
            Ok(Reply::Lookup(machines.presence.lookup_servers.view(&address)))
        }
        Command::LookupRemove(address) => {
            let view = machines.presence.lookup_servers.view(&address);
            lookup_servers::remove(state, turn, &address)?;
            Ok(Reply::Lookup(view))
        }
        Command::Lookups => Ok(Reply::Lookups(machines.presence.lookup_servers.views(state))),
        Command::DeviceConfirm => Ok(Reply::Confirmed(machines.standings.confirm(state, turn))),
        Command::DeviceResend(who) => {
            let peer = people::resolve(state, &who)?;
            Ok(Reply::Resent(request::renewal::resend(state, turn, &peer)?))
        }
        Command::Status => Ok(Reply::Status(status(state, machines, turn.now))),
        Command::Doctor => {
            let status = status(state, machines, turn.now);
            Ok(Reply::Doctor(doctor::view(state, machines.delivery, turn, &status)?))
        }
    }
}

fn identity(state: &State) -> Reply {
    let own = &state.own;
    Reply::Identity(IdentityView {
        id: own.peer,
        words: fingerprint_words(&own.peer),
        name: own.name.clone(),
        device: own.identity.device,
        findable: own.is_findable,
        beware: names::pose(&own.name).map(names::Pose::text),
    })
}

fn request_reply(state: &State, id: &RequestId) -> Result<Reply, Failed> {
    let mirror = Mirror::of(state);
    let introduction = || state.introductions.get(id).map(|row| introduction::view(state, &mirror, row));
    state
        .requests
        .get(id)
        .map(|row| request::view(state, &mirror, row))
        .or_else(introduction)
        .map(Reply::Request)
        .ok_or(Failed::Command(CommandError::NotFound))
}

fn friend_reply(state: &State, delivery: &Delivery, now: Timestamp, peer: &PeerId) -> Result<Reply, Failed> {
    friend::view(state, delivery, &Mirror::of(state), now, peer).map(Reply::Friend).ok_or(Failed::Command(CommandError::NotFound))
}

/// Blocks or unblocks a friend, or the sender of a request.
fn block(state: &mut State, delivery: &Delivery, turn: &mut Turn<'_>, who: &Who, blocked: bool) -> Result<Reply, Failed> {
    match people::resolve(state, who) {
        Ok(peer) => {
            friend::set_blocked(state, turn, &peer, blocked)?;
            friend_reply(state, delivery, turn.now, &peer)
        }
        Err(CommandError::NotFound) => {
            let id = request::resolve(state, who)?;
            if blocked {
                request::block(state, turn, &id)?
            } else {
                request::unblock(state, turn, &id)?
            }
            request_reply(state, &id)
        }
        Err(error) => Err(error.into()),
    }
}

fn status(state: &State, machines: &Machines<'_>, now: Timestamp) -> StatusView {
    let Machines { delivery, depots, presence, intake, standings, .. } = machines;
    let mut problems = standings.problems(state, now);
    if state.own.places.is_empty() {
        problems.push("No address of this node is known: friends cannot reach it. Check the network, then start it again.".to_owned());
    }
    if presence.publisher.is_header_full() {
        problems.push("Too many friends came and went for one record: friends do not find this node by look-up any more.".to_owned());
    }
    problems.extend(state.clock.problem());
    let relays: Vec<_> = state.own.depots.values().map(|own| depots.view(own)).collect();
    problems.extend(relays.iter().filter_map(|relay| relay.state.problem(&relay.relay)));
    let builds: Vec<Build> = state.friends.values().filter_map(|friend| friend::build(state, now, friend)).collect();
    let count = |which| builds.iter().filter(|build| **build == which).count();
    match count(Build::Older) {
        0 => {}
        older => problems.push(format!(
            "{older} friend(s) run an older version of Symbolon than you: what you write to them waits here until they update. `symbolon friends` shows who; ask them to update."
        )),
    }
    match count(Build::Newer) {
        0 => {}
        newer => problems.push(format!(
            "{newer} friend(s) run a newer version of Symbolon than you: what you write to them waits here until you update. Update Symbolon on this machine and start it again."
        )),
    }
    let waiting = state.requests.values().filter(|row| row.status == RequestStatus::Unresolved).count();
    if waiting > 0 {
        problems.push(format!(
            "{waiting} request(s) name a Peer ID under which nothing was found yet: ask that person for an invite link, or to run `symbolon findable on`."
        ));
    }
    StatusView {
        peers: delivery.online(state).len(),
        queue: state.devices.values().map(crate::rows::Device::waiting).sum(),
        lan: presence.lan.view(now),
        dht: presence.dht_view(),
        relays,
        problems,
        sent_frames: delivery.sent().into_iter().chain(depots.sent()).collect(),
        dropped_frames: intake.dropped(),
    }
}

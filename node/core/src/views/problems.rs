//! What the user is to know, in words.

use super::friend;
use crate::command::{Build, RelayView, RequestStatus};
use crate::copies;
use crate::counted::counted;
use crate::limits::DEVICE_LIFETIME;
use crate::packages::{self, Packages};
use crate::presence::Presence;
use crate::renewal::{self, Standings};
use crate::rows::{Friend, Renewing};
use crate::state::State;
use symbolon_presence::time::{DAY, Timestamp};

/// Friends named in problems, for each kind.
const NAMED_MAX: usize = 3;

/// Of copies of this folder, and of friends'.
pub(super) fn of_copies(state: &State, standings: &Standings, now: Timestamp) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(of_moving(state));
    if state.own.is_halted && !state.own.moves {
        problems.extend(of_rival(standings.is_sure_of_rival(), copies::can_move(state)).map(str::to_owned));
    }
    let friends = || state.friends.values().filter(|friend| friend.stands());
    let waiting = friends().filter(|friend| friend.renewing == Some(Renewing::Behind)).count();
    let unknown: u64 = friends().filter_map(|friend| friend.unknown).map(u64::from).sum();
    let is_recent = standings.behind().is_some_and(|behind| now.since(behind.at) < 30 * DAY);
    if is_recent || waiting > 0 || friends().any(|friend| friend.unknown.is_some()) {
        let texts = match unknown {
            0 => String::new(),
            texts => format!(
                " {} with your friends, and not here.",
                counted(texts, "text that you sent from the newer state is", "texts that you sent from the newer state are")
            ),
        };
        let waits = match waiting {
            0 => String::new(),
            count => format!(" {} not answered yet: texts to them wait.", counted(count, "friend has", "friends have")),
        };
        problems.push(format!(
            "This folder is an older copy: friends have seen a newer state of it.{texts}{waits} Run `symbolon device confirm` when you have seen this."
        ));
    }
    if is_recent && standings.behind().is_some_and(|behind| behind.has_revoked) {
        problems.push(
            "Since this copy was made, somebody was blocked or unfriended here, and the copy does not know who: look through your friends."
                .to_owned(),
        );
    }
    problems.extend(of_friends_copies(state, now));
    problems
}

/// Of another copy that runs, or ran a moment ago: what becomes of the two.
fn of_rival(is_sure: bool, can_move: bool) -> impl Iterator<Item = &'static str> {
    let stopped = if is_sure && can_move {
        "Another copy of this folder runs, or ran a moment ago. This one has stopped for a minute: it sends and receives nothing. \
         Then the copy that was started last becomes a new device of yours, and the other one goes on. \
         Run `symbolon device confirm` where you want to go on as the device that you had."
    } else {
        "Another copy of this folder runs, or ran a moment ago. This one has stopped: it sends and receives nothing. \
         Run `symbolon device confirm` where you want to go on; the other one then stops."
    };
    let needs_code = (!can_move).then_some(
        "To use both, the copy needs keys of its own, and cannot make them: start a new folder there, and `symbolon device join` with a code of your first device.",
    );
    std::iter::once(stopped).chain(needs_code)
}

/// Of this folder, which was a copy of another one's.
fn of_moving(state: &State) -> Option<String> {
    let own = &state.own;
    if own.moves {
        return Some("Another copy of this folder runs. This one becomes a device of its own now, and starts again for that.".to_owned());
    }
    own.moved.filter(|moved| !moved.is_seen).map(|_| {
        format!(
            "Another copy of this folder runs, so this one is a new device of yours since then, called \"{}\": it has its own keys, and your friends and history. \
             If the other copy is gone for good, remove that device: `symbolon device list`, `symbolon device remove`. Run `symbolon device confirm` when you have seen this.",
            own.label
        )
    })
}

fn of_friends_copies(state: &State, now: Timestamp) -> Vec<String> {
    let mut problems = Vec::new();
    let friends = || state.friends.values().filter(|friend| friend.stands());
    let returned: Vec<&Friend> = friends().filter(|friend| friend.returns(now, 7 * DAY) > 0).collect();
    for friend in returned.iter().take(NAMED_MAX) {
        let (name, count) = (&friend.petname, friend.returns(now, 7 * DAY));
        problems.push(format!(
            "A device of {name} came back from an older copy ({} within a week): if {name} did not do it, somebody may have copied their folder. Ask them.",
            counted(count, "time", "times")
        ));
    }
    if returned.len() > NAMED_MAX {
        problems.push(format!("Devices of {} more friends came back from older copies within a week.", returned.len() - NAMED_MAX));
    }
    for friend in friends().filter(|friend| renewal::needs_word(state, &friend.peer)).take(NAMED_MAX) {
        problems.push(format!(
            "A device of {0} came back from an older copy too often within a day: texts between you and {0} wait until you `accept` their request (`symbolon requests`).",
            friend.petname
        ));
    }
    for (friend, lacks) in friends().filter_map(|friend| Some((friend, friend.lacks?))).take(NAMED_MAX) {
        problems.push(format!(
            "The older copy of {} lacks {} of yours: `symbolon device resend FRIEND` sends them again.",
            friend.petname,
            counted(lacks.count, "text", "texts")
        ));
    }
    problems
}

/// Of this node: where it can be reached, its record, its clock, its relays.
pub(super) fn of_node(state: &State, presence: &Presence, relays: &[RelayView]) -> Vec<String> {
    let mut problems = Vec::new();
    if state.own.places.is_empty() {
        problems.push("No address of this node is known: friends cannot reach it. Check the network, then start it again.".to_owned());
    }
    if presence.publisher.is_header_full() {
        problems.push("Too many friends came and went for one record: friends do not find this node by look-up any more.".to_owned());
    }
    if state.own.gone.is_some() {
        problems.push(
            "This device is yours no more: another device of yours has removed it. It keeps its history, and sends and receives nothing. To use it again, pair it again in a new folder."
                .to_owned(),
        );
    }
    problems.extend(of_list(state));
    problems.extend(of_certificate(state));
    problems.extend(state.clock.problem());
    problems.extend(relays.iter().filter_map(|relay| relay.state.problem(&relay.relay)));
    problems
}

/// A restored device stands in no device list until its user makes one.
fn of_list(state: &State) -> Option<String> {
    let own = &state.own;
    let is_open = own.listed_before.is_some() && !state.listed.contains_key(&own.person()) && own.gone.is_none();
    is_open.then(|| {
        "You have said by your words which devices are yours, and this one came later: friends do not take it yet. Say it once more, here: `symbolon device keep`, with those that you still have."
            .to_owned()
    })
}

/// A further device cannot renew its certificate: the first one does, at half of its time.
fn of_certificate(state: &State) -> Option<String> {
    let own = &state.own;
    let end = own.identity.chain.body().filter(|_| own.identity.root.is_none() && own.gone.is_none())?.not_after;
    let now = state.clock.stamp();
    let days = end.since(now) / DAY;
    if end.is_expired_at(now) {
        return Some(
            "The certificate of this device has expired: it invites, asks, accepts and publishes nothing until it is renewed, and after a while friends stop reading what it sends. Start your first device, so that both meet."
                .to_owned(),
        );
    }
    (end.since(now) < DEVICE_LIFETIME / 4).then(|| {
        format!(
            "Your first device was not met for long. It renews this one, and has to within {}: start it, so that both meet. If it is lost, restore a backup and pair again.",
            counted(days, "day", "days")
        )
    })
}

/// Of friends whose build speaks another version.
pub(super) fn of_builds(state: &State, now: Timestamp) -> Vec<String> {
    let builds: Vec<Build> = state.friends.values().filter_map(|friend| friend::build(state, now, friend)).collect();
    let count = |which| builds.iter().filter(|build| **build == which).count();
    let mut problems = Vec::new();
    match count(Build::Older) {
        0 => {}
        older => problems.push(format!(
            "{} an older version of Symbolon than you: what you write to them waits here until they update. `symbolon friends` shows who; ask them to update.",
            counted(older, "friend runs", "friends run")
        )),
    }
    match count(Build::Newer) {
        0 => {}
        newer => problems.push(format!(
            "{} a newer version of Symbolon than you: what you write to them waits here until you update. Update Symbolon on this machine and start it again.",
            counted(newer, "friend runs", "friends run")
        )),
    }
    // Nobody knows yet which build they run.
    let unmet =
        |friend: &&Friend| friend.stands() && friend.renewing == Some(Renewing::Outgrown) && friend::build(state, now, friend).is_none();
    match state.friends.values().filter(unmet).count() {
        0 => {}
        unmet => problems.push(format!(
            "Since the update, {} not met yet: what you write to them waits here until they have updated as well and both of you were on.",
            counted(unmet, "friend was", "friends were")
        )),
    }
    problems
}

/// Of requests for which nobody was found yet.
pub(super) fn of_requests(state: &State) -> Vec<String> {
    let unresolved = || state.requests.values().filter(|row| row.status == RequestStatus::Unresolved && row.joins.is_none());
    let waiting = unresolved().filter(|row| row.invite.is_none()).count();
    let refused = unresolved().filter(|row| row.invite.is_some() && row.fault.is_some()).count();
    let by_id = (waiting > 0).then(|| {
        format!(
            "{} a Peer ID under which nothing was found yet: ask that person for an invite link, or to run `symbolon findable on`.",
            counted(waiting, "request names", "requests name")
        )
    });
    let by_invite = (refused > 0).then(|| {
        format!(
            "{} by an invite that could not be used so far: `symbolon requests` says why.",
            counted(refused, "request is", "requests are")
        )
    });
    by_id.into_iter().chain(by_invite).collect()
}

/// Of friends who take packages and use none.
pub(super) fn of_packages(state: &State, packages: &Packages, now: Timestamp) -> Vec<String> {
    let mut problems = Vec::new();
    if packages::is_drained(state, now) {
        problems.push(
            "Somebody among your friends takes what others need to add you to rooms from your relay, and uses none of it. You can still be added. \
             If it goes on, ask your friends; who is unfriended or blocked can take no more."
                .to_owned(),
        );
    }
    let names = packages.drains(now).filter_map(|peer| state.friends.get(peer)).map(|friend| &friend.petname);
    for name in names.take(NAMED_MAX) {
        problems.push(format!(
            "{name} asks this node again and again for what is needed to add you to rooms, and uses none of it: {name} gets no more of it today. Ask {name}."
        ));
    }
    problems
}

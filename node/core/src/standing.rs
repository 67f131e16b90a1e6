//! Standing: who of two devices is behind what the other one has seen of it.
//!
//! An older copy of a folder that is put back cannot know alone that it is one: it has every
//! reason to go on. So devices of friends say to each other, sealed to the keys of their
//! certificates, how far they have read each other, and a device that hears of more than it has
//! sent, or that it has acknowledged what it does not have, has the room of that
//! friendship made again ([`crate::request::renewal`]). `docs/protocol/renewal.md`.

use crate::delivery::outbox::{self, Via, What};
use crate::delivery::starts;
use crate::delivery::tags::FAR_AHEAD;
use crate::grants;
use crate::limits::{
    COPY_QUESTION, INSTANCES_HEARD_MAX, INSTANCES_OWN_MAX, STANDING_QUESTIONS_PER_HOUR, STANDING_WAIT, STANDINGS_ASKED_MAX,
    STANDINGS_PER_HOUR,
};
use crate::people;
use crate::presence;
use crate::request::renewal;
use crate::rows::{Device, Friend, FriendState, Message, ROOM_LANE, Renewing, Start, message_key};
use crate::seam::{Event, Warning};
use crate::state::{Sign, State};
use crate::table::Table;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::{
    Contact, First, Heard, PAYLOAD_MAX, RoomStanding, Standing, Statement, Step, True, direct_package, is_start_of, sign_start,
};
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::envelope::seal_direct;
use symbolon_presence::id::{DeviceId, Digest, GrantId, Nonce, PeerId};
use symbolon_presence::sign::VerifyingKey;
use symbolon_presence::time::{CLOCK_SKEW, DAY, HOUR, Timestamp};
use symbolon_presence::{codec, identity};
use symbolon_relay::grant::Scope;

#[cfg(test)]
mod tests;

/// Friends named in problems, for each kind.
const NAMED_MAX: usize = 3;

/// Revisions that a friend may know of and we do not: more than anybody takes out.
const REVISIONS_AHEAD_MAX: u64 = 1 << 32;

/// Row `behind` in [`Table::Meta`]: this folder was found to be an older copy.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Behind {
    /// When that was last noticed.
    #[n(0)]
    pub at: Timestamp,
    /// Whether friends hold a later friendship secret: somebody was taken out since.
    #[n(1)]
    pub has_revoked: bool,
}

/// Another copy of this folder that runs, or ran a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rival {
    seen: Timestamp,
    /// Whether it was started later than this one, as far as is known.
    is_later: bool,
}

/// What was said at this start. Nothing of it is stored but what stands in rows.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    /// When Standings went to each device in the last hour, and which of them were questions; at most
    /// [`STANDINGS_PER_HOUR`] each.
    sent: BTreeMap<DeviceId, Vec<(Timestamp, bool)>>,
    /// Devices that have heard of this start, and those that hear of it once they are a friend's.
    greeted: BTreeSet<DeviceId>,
    pending: BTreeSet<DeviceId>,
    behind: Option<Behind>,
    rival: Option<Rival>,
    /// When all were last asked because of a sign.
    asked_all: Option<Timestamp>,
}

impl Standings {
    /// After a start.
    pub fn start(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        self.behind = turn.row(Table::Meta, b"behind")?;
        drop_answers(state, turn);
        Ok(())
    }

    /// When the question which copy goes on is over.
    pub fn next_due(&self, state: &State) -> Option<Timestamp> {
        let rival = self.rival.filter(|rival| state.own.is_halted && !rival.is_later)?;
        Some(rival.seen.after(COPY_QUESTION))
    }

    /// Links to devices are there, or something is left for them at relays: each hears of us once, at
    /// every start, and before anything else that waits.
    pub fn meet(&mut self, state: &mut State, turn: &mut Turn<'_>, met: impl IntoIterator<Item = DeviceId>) -> Result<(), TurnFailed> {
        self.pending.extend(met);
        self.pending.retain(|device| state.devices.contains_key(device) && !self.greeted.contains(device));
        for device in self.pending.iter().copied().filter(|device| is_friends(state, device)).collect::<Vec<_>>() {
            self.pending.remove(&device);
            self.greeted.insert(device);
            self.send(state, turn, &device, None, None)?;
        }
        Ok(())
    }

    /// Says to a device how we stand with it. False when too much was said in this hour.
    /// It goes by `way` where the device has named one: of its friends' keys we may know those of long ago.
    fn send(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        id: &DeviceId,
        answers: Option<&Standing>,
        way: Option<&Contact>,
    ) -> Result<bool, TurnFailed> {
        let sent = self.sent.entry(*id).or_default();
        sent.retain(|(at, _)| turn.now.since(*at) < HOUR);
        let is_question = answers.is_none();
        let asked = sent.iter().filter(|(_, is_question)| *is_question).count();
        if state.own.is_halted || sent.len() >= STANDINGS_PER_HOUR || (is_question && asked >= STANDING_QUESTIONS_PER_HOUR) {
            return Ok(false);
        }
        let Some(body) = body(state, turn, id, answers)? else { return Ok(false) };
        let Some(envelope) = seal(state, turn, id, Step::Standing, codec::encode(&body)) else { return Ok(false) };
        sent.push((turn.now, is_question));
        let Some(row) = state.device_mut(id) else { return Ok(false) };
        let mut asked = row.asked.take().unwrap_or_default();
        let excess = asked.len().saturating_sub(STANDINGS_ASKED_MAX - 1);
        asked.drain(..excess);
        asked.push(body.nonce);
        row.asked = Some(asked);
        // Where an answer comes late, the way that was named for it may be closed.
        let via = way.filter(|way| !way.expires.is_expired_at(turn.now)).map(|way| Via::contact(way, None));
        // An answer that waits is not taken back by a question: two who only asked would never learn anything.
        let what = if is_question { What::Standing } else { What::Answer };
        outbox::supersede(state, turn, id, &what)?;
        outbox::enqueue(state, turn, id, what, via, envelope);
        if answers.is_none() {
            state.awaiting.insert(*id);
        }
        Ok(true)
    }

    /// A device is known no longer.
    pub fn forget(&mut self, device: &DeviceId) {
        self.sent.remove(device);
        self.greeted.remove(device);
        self.pending.remove(device);
    }

    /// What the turn has brought: answers, questions, signs.
    pub fn follow(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        for sign in std::mem::take(&mut state.signs) {
            self.heed(state, turn, sign)?;
        }
        for (device, standing) in std::mem::take(&mut state.standings) {
            self.send(state, turn, &device, Some(&standing), standing.reply.as_ref())?;
        }
        for (device, way) in std::mem::take(&mut state.compare) {
            if is_friends(state, &device) {
                self.send(state, turn, &device, None, way.as_ref())?;
            }
        }
        Ok(())
    }

    fn heed(&mut self, state: &mut State, turn: &mut Turn<'_>, sign: Sign) -> Result<(), TurnFailed> {
        match sign {
            Sign::Newer => {
                let has_revoked = self.behind.as_ref().is_some_and(|behind| behind.has_revoked);
                self.note_behind(turn, has_revoked);
            }
            Sign::Revision(revision) => {
                // Somebody was taken out by the newer state, and we do not know who: keys and tree
                // begin again above everything that was given away.
                presence::begin_above(state, turn, revision);
                self.note_behind(turn, true);
            }
            Sign::Rival { is_later } => {
                let is_new = self.rival.is_none();
                self.rival = Some(Rival { seen: turn.now, is_later });
                state.own.is_halted = true;
                if is_new {
                    turn.notify(Event::Warning(Warning::SecondCopy));
                }
                return Ok(());
            }
        }
        // Everybody may have seen more of us than we remember. Not more than once an hour.
        if self.asked_all.is_none_or(|at| turn.now.since(at) >= HOUR) {
            self.asked_all = Some(turn.now);
            for device in friends_devices(state) {
                state.compare.entry(device).or_insert(None);
            }
        }
        Ok(())
    }

    fn note_behind(&mut self, turn: &mut Turn<'_>, has_revoked: bool) {
        let behind = Behind { at: turn.now, has_revoked };
        turn.put(Table::Meta, b"behind", &behind);
        self.behind = Some(behind);
    }

    /// Without its user's word, the copy that was started last goes on.
    pub fn tick(&mut self, state: &mut State, turn: &mut Turn<'_>) -> bool {
        let is_due = self.next_due(state).is_some_and(|due| due <= turn.now);
        if is_due {
            self.go_on(state, turn);
        }
        is_due
    }

    /// This copy goes on, as one that is behind. Whether it had stopped.
    pub fn confirm(&mut self, state: &mut State, turn: &mut Turn<'_>) -> bool {
        let had_stopped = state.own.is_halted;
        if had_stopped {
            self.go_on(state, turn);
        }
        self.behind = None;
        turn.delete(Table::Meta, b"behind");
        for peer in state.friends.keys().copied().collect::<Vec<_>>() {
            if state.friends.get(&peer).is_some_and(|friend| friend.unknown.is_some()) {
                let _ = people::update(state, turn, &peer, |friend| friend.unknown = None);
            }
        }
        had_stopped
    }

    fn go_on(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        self.rival = None;
        state.own.is_halted = false;
        state.own.start_over(turn.now, turn.rng);
        drop_answers(state, turn);
        self.greeted.clear();
        self.pending.clear();
        self.sent.clear();
        state.signs.push(Sign::Newer);
    }

    /// Once an hour: where texts wait although their receiver is heard, and where a room is being
    /// made again, it is asked once more.
    pub fn look(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        for id in friends_devices(state) {
            let Some(row) = state.devices.get(&id) else { continue };
            let is_asked = |(at, is_question): &(Timestamp, bool)| *is_question && turn.now.since(*at) < HOUR / 2;
            if self.sent.get(&id).is_some_and(|sent| sent.iter().any(is_asked)) {
                // The answer may be on its way.
                continue;
            }
            let is_renewing = state.friend_of(&id).is_some_and(|friend| friend.renewing.is_some() || lacks_keys(state, friend));
            let is_unanswered = state.awaiting.contains(&id) && row.heard.is_some_and(|at| turn.now.since(at) < HOUR);
            if is_renewing || is_unanswered || is_stuck(row, turn)? {
                state.compare.entry(id).or_insert(None);
            }
        }
        Ok(())
    }

    /// What the user is to know, in words.
    pub fn problems(&self, state: &State, now: Timestamp) -> Vec<String> {
        let mut problems = Vec::new();
        if state.own.is_halted {
            problems.push(
                "Another copy of this folder runs, or ran a moment ago. This one has stopped: it sends and receives nothing. \
                 Run `symbolon device confirm` where you want to go on; the other one then stops."
                    .to_owned(),
            );
        }
        let friends = || state.friends.values().filter(|friend| friend.stands());
        let waiting = friends().filter(|friend| friend.renewing == Some(Renewing::Behind)).count();
        let unknown: u64 = friends().filter_map(|friend| friend.unknown).map(u64::from).sum();
        let is_recent = self.behind.as_ref().is_some_and(|behind| now.since(behind.at) < 30 * DAY);
        if is_recent || waiting > 0 || friends().any(|friend| friend.unknown.is_some()) {
            let texts = match unknown {
                0 => String::new(),
                texts => format!(" {texts} texts that you sent from the newer state are with your friends, and not here."),
            };
            let waits = match waiting {
                0 => String::new(),
                count => format!(" {count} friend(s) have not answered yet: texts to them wait."),
            };
            problems.push(format!(
                "This folder is an older copy: friends have seen a newer state of it.{texts}{waits} Run `symbolon device confirm` when you have seen this."
            ));
        }
        if is_recent && self.behind.as_ref().is_some_and(|behind| behind.has_revoked) {
            problems.push(
                "Since this copy was made, somebody was blocked or unfriended here, and the copy does not know who: look through your friends."
                    .to_owned(),
            );
        }
        let returned: Vec<&Friend> = friends().filter(|friend| friend.returns(now, 7 * DAY) > 0).collect();
        for friend in returned.iter().take(NAMED_MAX) {
            let (name, count) = (&friend.petname, friend.returns(now, 7 * DAY));
            problems.push(format!(
                "A device of {name} came back from an older copy ({count} time(s) within a week): if {name} did not do it, somebody may have copied their folder. Ask them."
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
                "The older copy of {} lacks {} text(s) of yours: `symbolon device resend FRIEND` sends them again.",
                friend.petname, lacks.count
            ));
        }
        problems
    }
}

/// Answers that an earlier start has signed: they would show that it runs beside this one.
fn drop_answers(state: &mut State, turn: &mut Turn<'_>) {
    let rows: Vec<(DeviceId, u64)> = state.devices.values().filter_map(|row| Some((row.device, row.answering?))).collect();
    for (device, number) in rows {
        outbox::remove(state, turn, &device, number);
    }
}

/// A text has waited for long, and its receiver was heard meanwhile.
fn is_stuck(device: &Device, turn: &Turn<'_>) -> Result<bool, TurnFailed> {
    if device.outbox_count == 0 || device.heard.is_none_or(|at| turn.now.since(at) > STANDING_WAIT) {
        return Ok(false);
    }
    let Some((_, row)) = outbox::rows(turn, &device.device, ROOM_LANE, 1)?.into_iter().next() else { return Ok(false) };
    let What::Text(conversation, arrival) = row.what else { return Ok(false) };
    let text = turn.row::<Message>(Table::Message, &message_key(&conversation, arrival))?;
    Ok(text.is_some_and(|text| turn.now.since(text.at) > STANDING_WAIT))
}

fn friends_devices(state: &State) -> Vec<DeviceId> {
    let standing = state.friends.values().filter(|friend| friend.stands());
    standing.flat_map(|friend| friend.devices.iter().copied()).collect()
}

fn is_friends(state: &State, device: &DeviceId) -> bool {
    !people::is_device_blocked(state, device)
        && state.friend_of(device).is_some_and(|friend| friend.stands() && friend.devices.contains(device))
}

/// Signs a step to a friend's device and seals it to the key of its certificate.
pub(crate) fn seal(state: &State, turn: &mut Turn<'_>, to: &DeviceId, step: Step, body: Vec<u8>) -> Option<Vec<u8>> {
    let device = state.devices.get(to)?.chain.verify_known(turn.sure).ok()?;
    let package = direct_package(&device.dh.bytes(), to);
    let statement = Statement { step, to: device.peer, device: *to, package, transcript: Digest([0; 32]), body };
    let first = First::sign(&state.own.identity, &statement);
    seal_direct(&device.dh, &codec::encode(&first), turn.rng).ok()
}

/// How we stand with a device.
fn body(state: &mut State, turn: &mut Turn<'_>, id: &DeviceId, answers: Option<&Standing>) -> Result<Option<Standing>, TurnFailed> {
    let Some(peer) = state.devices.get(id).map(|row| row.peer) else { return Ok(None) };
    let reply = Some(reply_contact(state, turn, peer));
    let (Some(row), Some(friend)) = (state.devices.get(id), state.friend_of(id)) else { return Ok(None) };
    let start = state.own.start();
    let present = RoomStanding {
        room: friend.room,
        epoch: turn.cipher.epoch(friend.room).ok(),
        sent: row.send_sequence,
        opened: row.receive_sequence,
        settled: outbox::settled_below(turn, row)?,
    };
    let left = row.formers().iter().rev();
    let left = left.map(|former| RoomStanding { room: former.room, epoch: None, sent: 0, opened: former.receive_sequence, settled: 0 });
    let instances = row.instances.as_deref().unwrap_or_default();
    let heard = |known: &Start| Some(Heard { instance: known.instance, started: known.started, over: known.over, word: known.word? });
    Ok(Some(Standing {
        instance: start.instance,
        started: start.started,
        nonce: Nonce::random(turn.rng),
        answers: answers.map(|standing| standing.nonce),
        at: turn.now,
        revision: friend.friendship.as_ref().map(|friendship| friendship.revision),
        next: row.send_counter,
        opened: row.receive_counter,
        rooms: std::iter::once(present).chain(left).collect(),
        heard: instances.iter().filter_map(heard).collect(),
        reply,
        word: sign_start(&state.own.identity, start.instance, start.started),
        copied: row.is_copied.filter(|is| *is).map(|_| True),
        entered: (friend.renewing == Some(Renewing::Entered)).then_some(True),
    }))
}

/// Where a friend may answer for a day, whatever else changes meanwhile.
pub(crate) fn reply_contact(state: &mut State, turn: &mut Turn<'_>, peer: PeerId) -> Contact {
    let (grant, expires) = (GrantId::random(turn.rng), turn.stamp.after(DAY));
    grants::give(state, turn, grant, peer, expires);
    let (mut entry, key) = state.own.address(turn.rng, grant, Scope::Guest, expires, 0);
    entry.places = state.own.places_for(&peer).to_vec();
    let depots = state.own.depots(turn.rng, grant, Scope::Guest, expires, 0);
    let package = state.own.identity.dh.public().bytes();
    Contact { chain: None, package, expires, last_resort: false, entry, key, depots }
}

/// Takes a Standing in. Errors change nothing. `is_left` says that it lay at a relay.
pub(crate) fn receive(
    state: &mut State,
    turn: &mut Turn<'_>,
    device: &identity::Device,
    statement: &Statement,
    is_left: bool,
) -> Result<(), Rejected> {
    let standing: Standing = codec::decode(&statement.body, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
    let is_start = is_start_of(&device.signing, &device.peer, standing.instance, standing.started, &standing.word);
    if !standing.is_bounded() || !is_start {
        return Err(DropReason::Malformed.into());
    }
    let id = device.device;
    if !is_friends(state, &id) {
        // Anybody who is no friend hears nothing: it looks as if this node had not come back yet.
        return Err(DropReason::Blocked.into());
    }
    if is_left && standing.answers.is_none() && is_overtaken(state, turn, &id, &standing) {
        return Err(DropReason::Repeated.into());
    }
    let fits = |nonce: &Nonce| state.devices.get(&id).and_then(|row| row.asked.as_ref()).is_some_and(|asked| asked.contains(nonce));
    let is_answer = match &standing.answers {
        Some(nonce) => fits(nonce),
        None => false,
    };
    starts::heard(state, turn, &id, &standing, is_answer);
    let is_timely = turn.now.0.abs_diff(standing.at.0) <= CLOCK_SKEW;
    if is_answer || is_timely {
        watch_for_rivals(state, turn, &device.peer, &standing);
        if standing.entered.is_some() {
            renewal::confirm_again(state, turn, device, &standing)?;
        }
    }
    let Some(nonce) = standing.answers else {
        // A question, which may be old: what it says is a reason to ask, never one to act.
        if judge(state, &id, &standing) != Verdict::Fine {
            state.compare.insert(id, standing.reply.clone());
        }
        state.standings.push((id, standing));
        return Ok(());
    };
    if !is_answer {
        return Err(DropReason::Repeated.into());
    }
    if let Some(asked) = state.device_mut(&id).and_then(|row| row.asked.as_mut()) {
        asked.retain(|known| *known != nonce);
    }
    state.awaiting.remove(&id);
    act(state, turn, &device.peer, &id, &standing)
}

/// Whether a question was made before the start that was heard last, in another one: that run is over, and
/// nobody waits for the answer. A start to come says nothing: that device's clock was ahead.
fn is_overtaken(state: &State, turn: &Turn<'_>, id: &DeviceId, question: &Standing) -> bool {
    let last = state.devices.get(id).and_then(|row| row.instances.as_ref()?.last());
    last.is_some_and(|last| last.instance != question.instance && question.at < last.started && !last.started.is_future_at(turn.now))
}

/// What two devices' accounts of each other come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// The other one has seen more of us than we know of.
    Behind,
    /// Both hold what they can have only if one of them was put back, and nobody can say which.
    Astray,
}

fn judge(state: &State, id: &DeviceId, said: &Standing) -> Verdict {
    let (Some(row), Some(friend), Some(theirs)) = (state.devices.get(id), state.friend_of(id), said.rooms.first()) else {
        return Verdict::Fine;
    };
    if theirs.room == friend.room {
        let far = FAR_AHEAD.saturating_mul(FAR_AHEAD);
        if said.opened.abs_diff(row.send_counter) > far || said.next.abs_diff(row.receive_counter) > far {
            // Counted from different places: one of us entered this room without the other's knowing.
            return Verdict::Astray;
        }
        let has_seen_more = said.opened > row.send_counter || theirs.opened > row.send_sequence;
        // It has our word for what we do not hold.
        let has_our_word = theirs.settled > row.receive_sequence;
        return if has_seen_more || has_our_word || said.copied.is_some() { Verdict::Behind } else { Verdict::Fine };
    }
    // On the way from one room to the other.
    let is_under_way = state.requests.values().any(|row| row.peer == friend.peer && row.room == Some(theirs.room) && row.is_open());
    if is_under_way || row.formers().iter().any(|former| former.room == theirs.room) {
        return Verdict::Fine;
    }
    if said.rooms.iter().any(|left| left.room == friend.room) {
        return Verdict::Behind;
    }
    Verdict::Astray
}

/// A device has answered how it stands with us.
fn act(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, id: &DeviceId, said: &Standing) -> Result<(), Rejected> {
    let verdict = judge(state, id, said);
    let known = state.own.friendship.revision;
    let later = said.revision.filter(|revision| *revision > known && revision - known < REVISIONS_AHEAD_MAX);
    // Of one friend once a day: each costs all friends new keys.
    if let Some(revision) = later.filter(|_| state.rates.revision(turn.now, *peer)) {
        state.signs.push(Sign::Revision(revision));
    }
    let Some(friend) = state.friends.get(peer).cloned() else { return Ok(()) };
    let is_ours_to_do = match (friend.renewing, verdict) {
        (Some(Renewing::Behind), _) | (_, Verdict::Behind) => true,
        // Somebody has to begin: it takes one.
        (_, Verdict::Astray) => state.own.identity.device < *id,
        (_, Verdict::Fine) => false,
    };
    if verdict == Verdict::Fine && lacks_keys(state, &friend) {
        // Whatever began again since: in a room that is whole it can be said.
        crate::friend::give_again(state, turn, peer)?;
    }
    if !is_ours_to_do || renewal::is_under_way(state, turn, peer) {
        return Ok(());
    }
    if friend.renewing != Some(Renewing::Behind) || verdict == Verdict::Behind {
        if friend.renewing == Some(Renewing::Entered) {
            // The room that was entered is none that both share: nobody confirms it.
            renewal::give_up_entering(state, turn, peer)?;
        }
        fall_behind(state, turn, friend)?;
        state.signs.push(Sign::Newer);
    }
    if !state.rates.room(turn.now, *peer) {
        return Ok(());
    }
    renewal::offer(state, turn, peer, id, said)
}

/// Whether a friend holds none of the keys by which our records are read now, and none is on its way.
fn lacks_keys(state: &State, friend: &Friend) -> bool {
    friend.state == FriendState::Mutual && friend.renewing.is_none() && !friend.giving && !state.own.presence.has_block(&friend.peer)
}

/// Nothing more is sealed in the room of a friendship: what was not delivered waits for the next one.
fn fall_behind(state: &mut State, turn: &mut Turn<'_>, mut friend: Friend) -> Result<(), TurnFailed> {
    if friend.state != FriendState::Mutual {
        return Ok(());
    }
    friend.held.extend(crate::friend::take_back(state, turn, &friend.peer)?);
    friend.held.sort_unstable();
    friend.held.dedup();
    let is_new = friend.renewing != Some(Renewing::Behind);
    friend.renewing = Some(Renewing::Behind);
    let peer = friend.peer;
    state.save_friend(turn, friend);
    turn.notify(Event::Friend(peer));
    if is_new {
        turn.notify(Event::Warning(Warning::OlderCopy));
    }
    Ok(())
}

/// Starts of this device that are none of this run: of a copy that was at work, or is. Each bears this
/// device's own signature, so that no friend can invent one. No clock is asked which came first: friends'
/// clocks may jump as our own does.
fn watch_for_rivals(state: &mut State, turn: &Turn<'_>, peer: &PeerId, said: &Standing) {
    let present = state.own.start();
    let own_peer = state.own.peer;
    let Ok(own_key) = VerifyingKey::parse(&state.own.identity.signing.public()) else { return };
    let is_ours = |heard: &&Heard| is_start_of(&own_key, &own_peer, heard.instance, heard.started, &heard.word);
    let back_after = said.heard.iter().find(|heard| heard.instance == present.instance).and_then(|heard| heard.over);
    for heard in said.heard.iter().filter(|heard| heard.instance != present.instance).filter(is_ours) {
        let own = &state.own.starts;
        let known = own.iter().find(|start| start.instance == heard.instance);
        let is_known = known.is_some();
        // This folder's own starts are all earlier, whatever the clock said then.
        let is_later = known.is_none_or(|start| start.word.is_some()) && heard.started > present.started;
        // Of our own starts only so many are remembered: what is older than these may be one.
        let is_before_memory = own.len() >= INSTANCES_OWN_MAX && own.iter().rev().nth(1).is_none_or(|last| heard.started <= last.started);
        if !is_known && is_before_memory {
            continue;
        }
        // It came back after this start was heard; or this one did after it was, and it is none of ours.
        let is_back = heard.over == Some(present.instance);
        let is_rival = is_back || (!is_known && back_after == Some(heard.instance));
        if is_rival && state.own.is_at_peace(turn.now) && !state.own.ignored.contains(&heard.instance) {
            // Where the user let this one go on, the other is heard until it knows that.
            state.own.ignored.truncate(INSTANCES_HEARD_MAX - 1);
            state.own.ignored.insert(0, heard.instance);
        }
        let is_rival = is_rival && !state.own.ignored.contains(&heard.instance);
        if !is_known {
            state.own.know_start(Start { instance: heard.instance, started: heard.started, over: None, word: Some(heard.word) });
        }
        // That a start which is known here came back is believed of one friend once a day: a liar must not stop
        // this node again and again. One that is unknown is signed by a copy of this folder and nobody else.
        if is_rival && (!is_known || state.own.is_halted || state.rates.rival(turn.now, *peer)) {
            state.signs.push(Sign::Rival { is_later });
        } else if is_rival || !is_known {
            state.signs.push(Sign::Newer);
        }
    }
}

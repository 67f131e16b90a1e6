//! What is said to friends' devices about how we stand with them, and what was noticed since the start.

use super::account::{Lasts, account};
use super::friends::{friends_devices, is_friends, lacks_keys};
use super::judge::Question;
use super::lifelines::Lifelines;
use super::rivals::{Rival, Turns};
use crate::copies;
use crate::delivery::outbox::{self, Via};
use crate::delivery::owner::EnvelopeOwner;
use crate::friendships::seal_to_friend;
use crate::invites::lifelines;
use crate::limits::{STANDING_QUESTIONS_PER_HOUR, STANDING_WAIT, STANDINGS_ASKED_MAX, STANDINGS_BACK_PER_MINUTE, STANDINGS_PER_HOUR};
use crate::notice::RenewalNotice;
use crate::people;
use crate::presence;
use crate::rows::{Device, Message, ROOM_LANE, message_key};
use crate::seam::{Event, Warning};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{Contact, Standing, Step};
use minicbor::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::time::{HOUR, MINUTE, Timestamp};

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

/// Why a Standing was sent. Each kind has a bound of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// At most [`STANDINGS_PER_HOUR`], together with the questions.
    Answer,
    /// At most [`STANDING_QUESTIONS_PER_HOUR`].
    Question,
    /// A question because a start of the device came back: at most [`STANDINGS_BACK_PER_MINUTE`].
    QuestionOfBack,
}

/// What was said at this start. Nothing of it is stored but what stands in rows.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    /// What was said to each device in the last hour, and when.
    sent: BTreeMap<DeviceId, Vec<(Timestamp, Said)>>,
    /// Devices that have heard of this start, and those that hear of it once they are a friend's.
    greeted: BTreeSet<DeviceId>,
    pending: BTreeSet<DeviceId>,
    behind: Option<Behind>,
    rival: Option<Rival>,
    /// When all were last asked because of a sign.
    asked_all: Option<Timestamp>,
    /// Devices that have not answered how they stand with us.
    awaiting: BTreeSet<DeviceId>,
    /// Devices to which it is to be said how we stand, and by which way where they have named one.
    asking: BTreeMap<DeviceId, Option<Contact>>,
    lifelines: Lifelines,
    /// Devices of which one start came back after another one: in this input they hear of it, however often they were asked.
    back: BTreeSet<DeviceId>,
}

impl Standings {
    /// After a start.
    pub fn start(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        self.behind = turn.row(Table::Meta, b"behind")?;
        self.lifelines.start(turn.now);
        drop_answers(state, turn);
        Ok(())
    }

    /// When the question which copy continues has expired, or something is to be done about lifelines.
    pub fn next_due(&self, state: &State) -> Option<Timestamp> {
        let rival = self.rival.filter(|_| state.own.is_halted && !state.own.moves);
        let rival = rival.and_then(|rival| rival.due(copies::can_move(state)));
        let lifelines = self.lifelines.next_due().filter(|_| !state.own.is_halted);
        rival.into_iter().chain(lifelines).min()
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
    pub(super) fn send(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        id: &DeviceId,
        answers: Option<&Standing>,
        way: Option<&Contact>,
    ) -> Result<bool, TurnFailed> {
        let is_apart = lifelines::is_apart(turn, id)?;
        // What was said by a lifeline and has not left yet is as good as what goes by keys that may have ended.
        let is_said =
            is_apart && answers.is_none() && way.is_none() && state.devices.get(id).is_some_and(|row| row.channel.saying.is_some());
        if is_said {
            return Ok(false);
        }
        self.say(state, turn, id, answers, way, if is_apart { Lasts::AMonth } else { Lasts::ADay })
    }

    /// The same, and how long its answer may take.
    pub(super) fn say(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        id: &DeviceId,
        answers: Option<&Standing>,
        way: Option<&Contact>,
        lasts: Lasts,
    ) -> Result<bool, TurnFailed> {
        let is_question = answers.is_none();
        let said = match is_question {
            true if self.back.contains(id) => Said::QuestionOfBack,
            true => Said::Question,
            false => Said::Answer,
        };
        if !self.may_say(state, turn.now, id, said) {
            return Ok(false);
        }
        let way = self.way_by(turn, id, way)?;
        let Some(body) = account(state, turn, id, answers, lasts)? else { return Ok(false) };
        let named = way.as_ref().map(|way| &way.package);
        let Some(envelope) = seal_to_friend(state, turn, id, named, Step::Standing, codec::encode(&body)) else { return Ok(false) };
        self.sent.entry(*id).or_default().push((turn.now, said));
        let Some(row) = state.device_mut(id) else { return Ok(false) };
        let mut asked = row.asked.take().unwrap_or_default();
        let excess = asked.len().saturating_sub(STANDINGS_ASKED_MAX - 1);
        asked.drain(..excess);
        asked.push(body.nonce);
        row.asked = Some(asked);
        // Where an answer comes late, the way that was named for it may be closed.
        let via = way.map(|way| Via::contact(&way, None));
        // An answer that waits is not taken back by a question: two who only asked would never learn anything.
        let owner = if is_question { EnvelopeOwner::Standing } else { EnvelopeOwner::Answer };
        outbox::supersede(state, turn, id, &owner)?;
        outbox::enqueue(state, turn, id, owner, via, envelope);
        if answers.is_none() {
            self.awaiting.insert(*id);
        }
        Ok(true)
    }

    /// Whether something more may be said to a device now.
    fn may_say(&mut self, state: &State, now: Timestamp, id: &DeviceId, said: Said) -> bool {
        let sent = self.sent.entry(*id).or_default();
        sent.retain(|(at, _)| now.since(*at) < HOUR);
        let count = |kind, within| sent.iter().filter(|(at, said)| *said == kind && now.since(*at) < within).count();
        let questions = count(Said::Question, HOUR);
        let has_room = match said {
            // Two copies that come and go take the device's one link from each other each second. Those that were
            // not to hear of each other before an hour is up would do so for as long.
            Said::QuestionOfBack => count(Said::QuestionOfBack, MINUTE) < STANDINGS_BACK_PER_MINUTE,
            Said::Question if questions >= STANDING_QUESTIONS_PER_HOUR => false,
            Said::Question | Said::Answer => questions + count(Said::Answer, HOUR) < STANDINGS_PER_HOUR,
        };
        has_room && !state.own.is_halted
    }

    /// The way that was named, while it is open. Where it is not, and nothing else may work, the device's lifeline.
    fn way_by(&self, turn: &Turn<'_>, id: &DeviceId, named: Option<&Contact>) -> Result<Option<Contact>, TurnFailed> {
        let is_open = |way: &Contact| !way.expires.is_expired_at(turn.now);
        match named {
            Some(way) if !is_open(way) && lifelines::is_apart(turn, id)? => {
                Ok(lifelines::held(turn, id)?.and_then(|held| held.contact).filter(is_open))
            }
            named => Ok(named.filter(|way| is_open(way)).cloned()),
        }
    }

    /// When a device was asked last, in this hour or so.
    pub(super) fn asked_at(&self, id: &DeviceId) -> Option<Timestamp> {
        self.sent.get(id)?.iter().filter(|(_, said)| *said != Said::Answer).map(|(at, _)| *at).max()
    }

    /// A device is not known any more.
    pub fn forget(&mut self, device: &DeviceId) {
        self.sent.remove(device);
        self.greeted.remove(device);
        self.pending.remove(device);
        self.awaiting.remove(device);
        self.asking.remove(device);
        self.back.remove(device);
    }

    /// A device has answered how it stands with us.
    pub fn answered(&mut self, device: &DeviceId) {
        self.awaiting.remove(device);
    }

    /// A device is to be asked how it stands with us.
    pub fn ask(&mut self, device: DeviceId) {
        self.asking.entry(device).or_insert(None);
    }

    /// All friends' devices are to see our certificate: it was renewed, and comes with what is said to them.
    pub fn show_all(&mut self, state: &State) {
        friends_devices(state).into_iter().for_each(|device| self.ask(device));
    }

    /// One of its starts came back after another one: both are to hear of each other.
    pub fn came_back(&mut self, device: DeviceId) {
        self.back.insert(device);
        self.ask(device);
    }

    /// The same, unless it owes an answer.
    pub fn ask_once(&mut self, device: DeviceId) {
        if !self.awaiting.contains(&device) {
            self.ask(device);
        }
    }

    /// What the input has brought: questions are answered, and asked.
    pub fn follow(&mut self, state: &mut State, turn: &mut Turn<'_>, questions: Vec<(DeviceId, Question)>) -> Result<(), TurnFailed> {
        for (device, question) in questions.iter().filter(|(_, question)| question.is_odd) {
            self.asking.insert(*device, question.standing.reply.clone());
        }
        for (device, Question { standing, .. }) in
            questions.iter().filter(|(device, _)| state.devices.contains_key(device)).collect::<Vec<_>>()
        {
            self.send(state, turn, device, Some(standing), standing.reply.as_ref())?;
        }
        for (device, way) in std::mem::take(&mut self.asking) {
            if is_friends(state, &device) {
                self.send(state, turn, &device, None, way.as_ref())?;
            }
        }
        self.back.clear();
        Ok(())
    }

    /// Somebody has seen more of us than this folder holds.
    pub fn newer(&mut self, state: &mut State, turn: &mut Turn<'_>) {
        let has_revoked = self.behind.as_ref().is_some_and(|behind| behind.has_revoked);
        self.note_behind(state, turn, has_revoked);
        self.ask_all(state, turn.now);
    }

    /// A friend holds a later friendship secret of ours: somebody was taken out by the newer state, and we do not
    /// know who. So keys and tree begin again above everything that was given away.
    pub fn later_revision(&mut self, state: &mut State, turn: &mut Turn<'_>, revision: u64) {
        presence::begin_above(state, turn, revision);
        self.note_behind(state, turn, true);
        self.ask_all(state, turn.now);
    }

    /// Another copy of this folder was at work while this one ran: this one stops until it is known which continues.
    pub fn rival(&mut self, state: &mut State, turn: &mut Turn<'_>, is_later: bool, is_sure: bool) {
        let is_new = self.rival.is_none();
        // What is sure stays so, whatever a friend adds.
        let is_less = self.rival.is_some_and(|known| known.is_sure && !is_sure);
        if !is_less {
            self.rival = Some(Rival { seen: turn.now, is_later, is_sure });
        }
        state.own.is_halted = true;
        if is_new {
            turn.notify(Event::Warning(Warning::SecondCopy));
        }
    }

    /// Whether another copy was noticed by more than a friend's word.
    pub fn is_sure_of_rival(&self) -> bool {
        self.rival.is_some_and(|rival| rival.is_sure)
    }

    /// Everybody may have seen more of us than we remember. Not more than once an hour.
    fn ask_all(&mut self, state: &State, now: Timestamp) {
        if self.asked_all.is_none_or(|at| now.since(at) >= HOUR) {
            self.asked_all = Some(now);
            friends_devices(state).into_iter().for_each(|device| self.ask(device));
        }
    }

    fn note_behind(&mut self, state: &mut State, turn: &mut Turn<'_>, has_revoked: bool) {
        // Each friend says so; one of them is enough, and every later copy is found again.
        if state.own.identity.root.is_some() && self.behind.as_ref().is_none_or(|known| turn.now.since(known.at) >= HOUR) {
            state.own.skip_serials(turn);
        }
        let behind = Behind { at: turn.now, has_revoked };
        turn.put(Table::Meta, b"behind", &behind);
        self.behind = Some(behind);
    }

    /// Without its user's word, one of two copies continues, and the other one becomes a device of its own or waits. Lifelines are said,
    /// and used once this node reaches anybody.
    pub fn tick(&mut self, state: &mut State, turn: &mut Turn<'_>, reaches: impl FnOnce(&State) -> bool) -> Result<(), TurnFailed> {
        let can_move = copies::can_move(state);
        let rival = self.rival.filter(|rival| state.own.is_halted && rival.due(can_move).is_some_and(|at| at <= turn.now));
        match rival.map(|rival| rival.leads_to(can_move)) {
            Some(Turns::GoesOn) => self.go_on(state, turn),
            Some(Turns::Moves) => copies::begin_to_move(state, turn),
            Some(Turns::Waits) | None => {}
        }
        if state.own.is_halted {
            return Ok(());
        }
        self.lifelines.give_some(state, turn)?;
        if self.lifelines.is_due(turn.now) {
            if reaches(state) {
                self.reach_out(state, turn)?;
            }
            let waits = self.is_asking(state, turn.now);
            self.lifelines.has_looked(turn.now, waits);
        }
        Ok(())
    }

    /// Friends may lack a lifeline: of mailboxes of ours, or because their builds take one now.
    pub fn lifelines_changed(&mut self, now: Timestamp) {
        self.lifelines.changed(now);
    }

    /// A friend's keys came with a new room: both have each other's.
    pub fn keys_known(&self, state: &State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
        people::devices_of(state, peer).iter().try_for_each(|device| lifelines::found_again(turn, device))
    }

    /// This copy continues, as one that is behind. Whether it had stopped.
    pub fn confirm(&mut self, state: &mut State, turn: &mut Turn<'_>) -> bool {
        let had_stopped = state.own.is_halted;
        if had_stopped {
            self.go_on(state, turn);
            state.own.has_gone_on = Some(turn.now);
        }
        self.behind = None;
        turn.delete(Table::Meta, b"behind");
        copies::seen(state, turn);
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
        turn.tell(RenewalNotice::Newer);
    }

    /// Once an hour: where texts wait although their receiver is heard, and where a room is being
    /// made again, it is asked once more.
    pub fn look(&mut self, state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        for id in friends_devices(state) {
            let Some(row) = state.devices.get(&id) else { continue };
            let is_asked = |(at, said): &(Timestamp, Said)| *said != Said::Answer && turn.now.since(*at) < HOUR / 2;
            if self.sent.get(&id).is_some_and(|sent| sent.iter().any(is_asked)) {
                // The answer may be on its way.
                continue;
            }
            let is_renewing = state.friend_of(&id).is_some_and(|friend| friend.renewing.is_some() || lacks_keys(state, friend));
            let is_unanswered = self.awaiting.contains(&id) && row.heard.is_some_and(|at| turn.now.since(at) < HOUR);
            if is_renewing || is_unanswered || is_stuck(row, turn)? {
                self.ask(id);
            }
        }
        Ok(())
    }

    /// When this folder was found to be an older copy, and what is known of that.
    pub fn behind(&self) -> Option<&Behind> {
        self.behind.as_ref()
    }
}

/// Answers that an earlier start has signed: they would show that it runs beside this one.
fn drop_answers(state: &mut State, turn: &mut Turn<'_>) {
    let rows: Vec<(DeviceId, u64)> = state.devices.values().filter_map(|row| Some((row.device, row.channel.answering?))).collect();
    for (device, number) in rows {
        outbox::remove(state, turn, &device, number);
    }
}

/// A text has waited for long, and its receiver was heard meanwhile.
fn is_stuck(device: &Device, turn: &Turn<'_>) -> Result<bool, TurnFailed> {
    if device.channel.outbox_count == 0 || device.heard.is_none_or(|at| turn.now.since(at) > STANDING_WAIT) {
        return Ok(false);
    }
    let Some((_, row)) = outbox::rows(turn, &device.device, ROOM_LANE, 1)?.into_iter().next() else { return Ok(false) };
    let EnvelopeOwner::Text(conversation, arrival) = row.owner else { return Ok(false) };
    let text = turn.row::<Message>(Table::Message, &message_key(&conversation, arrival))?;
    Ok(text.is_some_and(|text| turn.now.since(text.at) > STANDING_WAIT))
}

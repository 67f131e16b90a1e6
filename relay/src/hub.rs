//! The hub of rooms: hands knocks from newcomers to members, and what members say back.
//!
//! It takes a knock for a room in which a member has listened, hands the same sealed bytes to one member after another, each
//! for 20 seconds and in an order that only chance makes, and keeps them listed for a day, for members who come later.
//! It opens nothing, holds no key, writes nothing, and knows nobody: rooms are hashes of keys, members and knocks are numbers
//! drawn for one run and one knock. A word of a voucher and a pass are the same to it.
//!
//! Questions in, answers out; no clock, randomness, IO or runtime. A question to which there is no answer yet is held.

use crate::knock::{Answer, Ask, Await, Knock, Listen, Refusal, Respond, Say};
use crate::limits::{
    HUB_CLOSED_AFTER, HUB_GRACE, HUB_HOLD, HUB_INBOX_MAX, HUB_KNOCK_LIFE, HUB_KNOCKS_HOUR, HUB_KNOCKS_HOUR_OF_SOURCE, HUB_KNOCKS_MAX,
    HUB_KNOCKS_OF_ROOM, HUB_KNOCKS_OF_SOURCE, HUB_LISTENERS_MAX, HUB_PRESENT, HUB_ROOM_LIFE, HUB_ROOMS_MAX, HUB_ROOMS_OF_SOURCE, HUB_TURN,
    HUB_WORDS_MAX, HUB_WORDS_OF_KNOCK,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use symbolon_presence::id::{ListenerId, Nonce, RoomAlias};
use symbolon_presence::kdf::{Secret, hash};
use symbolon_presence::labels::HASH_HUB_ORDER;
use symbolon_presence::time::{HOUR, Timestamp};

/// A hub.
pub struct Hub {
    /// What makes the order in which members are asked.
    seed: Secret,
    /// At most [`HUB_ROOMS_MAX`].
    rooms: BTreeMap<RoomAlias, Room>,
    answers: VecDeque<(u64, Vec<u8>)>,
    next: Option<Timestamp>,
}

impl core::fmt::Debug for Hub {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Hub(..)")
    }
}

struct Room {
    /// Who has opened it.
    source: u64,
    /// When a member was heard last.
    heard: Timestamp,
    /// At most [`HUB_LISTENERS_MAX`].
    listeners: BTreeMap<ListenerId, Listener>,
    /// At most [`HUB_KNOCKS_OF_ROOM`].
    knocks: BTreeMap<Nonce, Waiting>,
    /// Since when these were counted, and how many have come from each source; at most [`HUB_KNOCKS_HOUR`] in all.
    hour: (Timestamp, BTreeMap<u64, u32>),
    /// When something of it is due.
    due: Option<Timestamp>,
}

struct Listener {
    heard: Timestamp,
    /// Its question that is held, and until when.
    question: Option<(u64, Timestamp)>,
    /// At most [`HUB_INBOX_MAX`]; the first one has this number.
    inbox: VecDeque<Item>,
    first: u16,
}

struct Item {
    nonce: Nonce,
    /// What a newcomer answers; none of a knock.
    response: Option<Vec<u8>>,
}

/// Somebody who knocks.
struct Waiting {
    sealed: Vec<u8>,
    at: Timestamp,
    /// When the newcomer was heard last. Who waits asks again as soon as it is answered.
    heard: Timestamp,
    source: u64,
    asked: BTreeSet<ListenerId>,
    /// Whose turn it is, and until when.
    turn: Option<(ListenerId, Timestamp)>,
    /// What members have said and the newcomer has not got; at most [`HUB_WORDS_MAX`]. The first one has this number.
    words: VecDeque<Vec<u8>>,
    first: u16,
    /// Who has said each, the ones that were got, too; at most [`HUB_WORDS_OF_KNOCK`].
    by: Vec<ListenerId>,
    /// The newcomer's question that is held.
    question: Option<Held>,
    /// All who listen were asked.
    is_closed: bool,
    /// The newcomer has answered one of them: nobody else is asked meanwhile.
    is_answered: bool,
}

struct Held {
    id: u64,
    had: u16,
    knows_closed: bool,
    until: Timestamp,
}

impl Hub {
    /// A hub with nothing in it. `seed` is drawn at each start.
    pub fn new(seed: Secret) -> Self {
        Self { seed, rooms: BTreeMap::new(), answers: VecDeque::new(), next: None }
    }

    /// How many rooms are known, and how many knocks are listed.
    pub fn counts(&self) -> (usize, usize) {
        (self.rooms.len(), self.rooms.values().map(|room| room.knocks.len()).sum())
    }

    /// Somebody asks. Each question gets one answer, now or later.
    pub fn ask(&mut self, now: Timestamp, question: u64, source: u64, bytes: &[u8]) {
        let taken = match Ask::decode(bytes) {
            Ok(Ask::Knock(knock)) => self.knock(now, source, knock).map(|alias| (alias, Some(Answer::Ack))),
            Ok(Ask::Await(wait)) => self.wait(now, question, &wait).map(|()| (wait.alias, None)),
            Ok(Ask::Respond(respond)) => self.respond(now, respond).map(|alias| (alias, Some(Answer::Ack))),
            Ok(Ask::Listen(listen)) => self.listen(now, (question, source), &listen).map(|alias| (alias, None)),
            Ok(Ask::Say(say)) => self.say(now, say).map(|alias| (alias, Some(Answer::Ack))),
            Err(_) => Err(Refusal::Malformed),
        };
        match taken {
            Ok((alias, answer)) => {
                self.answers.extend(answer.map(|answer| (question, answer.encode())));
                // Only that room has changed.
                if let Some(room) = self.rooms.get_mut(&alias) {
                    room.tick(now, &self.seed, &mut self.answers);
                }
            }
            Err(refusal) => self.answers.push_back((question, Answer::Refused(refusal).encode())),
        }
        self.look(now);
    }

    /// The next answer that is ready.
    pub fn poll_answer(&mut self) -> Option<(u64, Vec<u8>)> {
        self.answers.pop_front()
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.next
    }

    /// Continues with what is due.
    pub fn tick(&mut self, now: Timestamp) {
        let unheard = self.rooms.iter().filter(|(_, room)| now.since(room.heard) >= HUB_ROOM_LIFE);
        for alias in unheard.map(|(alias, _)| *alias).collect::<Vec<_>>() {
            self.forget(&alias);
        }
        for room in self.rooms.values_mut().filter(|room| room.due.is_some_and(|due| due <= now)) {
            room.tick(now, &self.seed, &mut self.answers);
        }
        self.look(now);
    }

    /// When the next room is due.
    fn look(&mut self, now: Timestamp) {
        self.next = self.rooms.values().filter_map(|room| room.due).min().map(|due| due.max(now));
    }

    /// Forgets a room; anyone who waits there gets the answer that it is not known here.
    fn forget(&mut self, alias: &RoomAlias) {
        let Some(room) = self.rooms.remove(alias) else { return };
        let listeners = room.listeners.into_values().filter_map(|listener| listener.question.map(|(id, _)| id));
        let newcomers = room.knocks.into_values().filter_map(|known| known.question.map(|held| held.id));
        let unknown = Answer::Refused(Refusal::Unknown).encode();
        self.answers.extend(listeners.chain(newcomers).map(|id| (id, unknown.clone())));
    }

    fn knock(&mut self, now: Timestamp, source: u64, knock: Knock) -> Result<RoomAlias, Refusal> {
        let room = self.rooms.get_mut(&knock.alias).ok_or(Refusal::Unknown)?;
        if let Some(known) = room.knocks.get_mut(&knock.nonce) {
            if known.sealed != knock.sealed {
                return Err(Refusal::Malformed);
            }
            // The one whom the newcomer had answered is silent.
            (known.is_answered, known.is_closed, known.heard) = (false, false, now);
            return Ok(knock.alias);
        }
        if now.since(room.hour.0) >= HOUR {
            room.hour = (now, BTreeMap::new());
        }
        let of_source = room.hour.1.get(&source).copied().unwrap_or_default();
        if room.hour.1.values().sum::<u32>() >= HUB_KNOCKS_HOUR || of_source >= HUB_KNOCKS_HOUR_OF_SOURCE {
            return Err(Refusal::Full);
        }
        let anywhere = |_: &RoomAlias, _: &Waiting| true;
        self.make_place(now, HUB_KNOCKS_OF_ROOM, |alias, _| *alias == knock.alias)?;
        self.make_place(now, HUB_KNOCKS_OF_SOURCE, |_, known| known.source == source)?;
        self.make_place(now, HUB_KNOCKS_MAX, anywhere)?;
        let room = self.rooms.get_mut(&knock.alias).ok_or(Refusal::Unknown)?;
        *room.hour.1.entry(source).or_default() += 1;
        let waiting = Waiting {
            sealed: knock.sealed,
            at: now,
            heard: now,
            source,
            asked: BTreeSet::new(),
            turn: None,
            words: VecDeque::new(),
            first: 0,
            by: Vec::new(),
            question: None,
            is_closed: false,
            is_answered: false,
        };
        room.knocks.insert(knock.nonce, waiting);
        Ok(knock.alias)
    }

    /// One more has place among these knocks: one whose newcomer waits no more gives way, first of all one who is let in.
    fn make_place(&mut self, now: Timestamp, most: usize, of: impl Fn(&RoomAlias, &Waiting) -> bool) -> Result<(), Refusal> {
        let listed = self.rooms.iter().flat_map(|(alias, room)| room.knocks.iter().map(move |(nonce, known)| (alias, nonce, known)));
        let these: Vec<_> = listed.filter(|(alias, _, known)| of(alias, known)).collect();
        if these.len() < most {
            return Ok(());
        }
        let idle = these.into_iter().filter(|(.., known)| known.question.is_none() && now.since(known.heard) >= HUB_PRESENT);
        let idle = idle.min_by_key(|(.., known)| (!known.is_answered, known.heard)).map(|(alias, nonce, _)| (*alias, *nonce));
        let (alias, nonce) = idle.ok_or(Refusal::Full)?;
        self.rooms.get_mut(&alias).and_then(|room| room.knocks.remove(&nonce)).map(drop).ok_or(Refusal::Full)
    }

    fn wait(&mut self, now: Timestamp, question: u64, wait: &Await) -> Result<(), Refusal> {
        let known = self.rooms.get_mut(&wait.alias).and_then(|room| room.knocks.get_mut(&wait.nonce)).ok_or(Refusal::Unknown)?;
        while known.first < wait.had && known.words.pop_front().is_some() {
            known.first = known.first.saturating_add(1);
        }
        known.heard = now;
        let held = Held { id: question, had: wait.had, knows_closed: wait.is_closed, until: now.after(HUB_HOLD) };
        if let Some(before) = known.question.replace(held) {
            self.answers.push_back((before.id, Answer::Nothing.encode()));
        }
        Ok(())
    }

    fn respond(&mut self, now: Timestamp, respond: Respond) -> Result<RoomAlias, Refusal> {
        let room = self.rooms.get_mut(&respond.alias).ok_or(Refusal::Unknown)?;
        let known = room.knocks.get_mut(&respond.nonce).ok_or(Refusal::Unknown)?;
        let listener = known.by.get(usize::from(respond.to)).ok_or(Refusal::Unknown)?;
        let listener = room.listeners.get_mut(listener).ok_or(Refusal::Unknown)?;
        if listener.inbox.len() >= HUB_INBOX_MAX {
            return Err(Refusal::Full);
        }
        listener.inbox.push_back(Item { nonce: respond.nonce, response: Some(respond.sealed) });
        (known.is_answered, known.turn, known.heard) = (true, None, now);
        // It is known to listen: it is given time to fetch this.
        listener.heard = listener.heard.max(now);
        Ok(respond.alias)
    }

    fn listen(&mut self, now: Timestamp, (question, source): (u64, u64), listen: &Listen) -> Result<RoomAlias, Refusal> {
        let alias = listen.room().ok_or(Refusal::Malformed)?;
        let room = self.room(now, source, alias)?;
        room.heard = now;
        let id = listen.member.listener;
        if !room.listeners.contains_key(&id) && room.listeners.len() >= HUB_LISTENERS_MAX {
            // One that listens no more gives way: a device is another listener after each of its starts.
            let absent = room.listeners.iter().filter(|(_, listener)| !listener.is_present(now));
            let absent = absent.min_by_key(|(_, listener)| (!listener.inbox.is_empty(), listener.heard)).map(|(id, _)| *id);
            room.listeners.remove(&absent.ok_or(Refusal::Full)?);
        }
        let listener =
            room.listeners.entry(id).or_insert_with(|| Listener { heard: now, question: None, inbox: VecDeque::new(), first: listen.had });
        listener.heard = now;
        while listener.first < listen.had && listener.inbox.pop_front().is_some() {
            listener.first = listener.first.saturating_add(1);
        }
        if let Some((before, _)) = listener.question.replace((question, now.after(HUB_HOLD))) {
            self.answers.push_back((before, Answer::Nothing.encode()));
        }
        Ok(alias)
    }

    /// The room of this name; a new one when a member is the first to come.
    fn room(&mut self, now: Timestamp, source: u64, alias: RoomAlias) -> Result<&mut Room, Refusal> {
        let is_new = !self.rooms.contains_key(&alias);
        if is_new && self.rooms.values().filter(|room| room.source == source).count() >= HUB_ROOMS_OF_SOURCE {
            return Err(Refusal::Full);
        }
        if is_new && self.rooms.len() >= HUB_ROOMS_MAX {
            // One in which nobody listens any more gives way.
            let idle = self.rooms.iter().filter(|(_, room)| now.since(room.heard) >= HUB_PRESENT);
            let idle = idle.min_by_key(|(_, room)| room.heard).map(|(alias, _)| *alias).ok_or(Refusal::Full)?;
            self.forget(&idle);
        }
        let fresh =
            || Room { source, heard: now, listeners: BTreeMap::new(), knocks: BTreeMap::new(), hour: (now, BTreeMap::new()), due: None };
        Ok(self.rooms.entry(alias).or_insert_with(fresh))
    }

    fn say(&mut self, now: Timestamp, say: Say) -> Result<RoomAlias, Refusal> {
        let alias = say.room().ok_or(Refusal::Malformed)?;
        let room = self.rooms.get_mut(&alias).ok_or(Refusal::Unknown)?;
        let known = room.knocks.get_mut(&say.nonce).ok_or(Refusal::Unknown)?;
        let listener = say.member.listener;
        if !room.listeners.contains_key(&listener) {
            return Err(Refusal::Unknown);
        }
        if known.words.contains(&say.sealed) {
            // The answer to it was lost.
            return Ok(alias);
        }
        // A pass, and later the word of a person.
        let said = known.by.iter().filter(|other| **other == listener).count();
        if known.by.len() >= HUB_WORDS_OF_KNOCK || known.words.len() >= HUB_WORDS_MAX || said >= 2 {
            return Err(Refusal::Full);
        }
        known.words.push_back(say.sealed);
        known.by.push(listener);
        known.asked.insert(listener);
        if let Some((_, until)) = known.turn.as_mut().filter(|(of, _)| *of == listener) {
            *until = (*until).min(now.after(HUB_GRACE));
        }
        Ok(alias)
    }
}

impl Room {
    fn tick(&mut self, now: Timestamp, seed: &Secret, answers: &mut VecDeque<(u64, Vec<u8>)>) {
        let over: Vec<Nonce> = self.knocks.iter().filter(|(_, known)| now.since(known.at) >= HUB_KNOCK_LIFE).map(|(id, _)| *id).collect();
        for nonce in over {
            if let Some(held) = self.knocks.remove(&nonce).and_then(|known| known.question) {
                answers.push_back((held.id, Answer::Refused(Refusal::Unknown).encode()));
            }
        }
        let gone = |listener: &Listener| listener.question.is_none() && now.since(listener.heard) >= HUB_KNOCK_LIFE;
        self.listeners.retain(|_, listener| !gone(listener));
        let nonces: Vec<Nonce> = self.knocks.keys().copied().collect();
        for nonce in nonces {
            self.proceed(now, seed, nonce);
        }
        for known in self.knocks.values_mut() {
            known.answer(now, answers);
        }
        let Self { listeners, knocks, .. } = self;
        for listener in listeners.values_mut() {
            listener.answer(now, knocks, answers);
        }
        self.due = self.next(now);
    }

    /// Gives a knock to the next member when it is time.
    fn proceed(&mut self, now: Timestamp, seed: &Secret, nonce: Nonce) {
        let Some(known) = self.knocks.get_mut(&nonce) else { return };
        if known.is_answered || known.words.len() >= HUB_WORDS_MAX || known.turn.is_some_and(|(_, until)| now < until) {
            return;
        }
        known.turn = None;
        let order = |id: &ListenerId| hash(HASH_HUB_ORDER, &[seed.expose(), nonce.as_bytes(), id.as_bytes()]);
        let listens = |listener: &Listener| listener.is_present(now) && listener.inbox.len() < HUB_INBOX_MAX;
        let free = self.listeners.iter_mut().filter(|(id, listener)| !known.asked.contains(*id) && listens(listener));
        match free.min_by_key(|(id, _)| order(id)) {
            Some((id, listener)) => {
                listener.inbox.push_back(Item { nonce, response: None });
                known.asked.insert(*id);
                known.turn = Some((*id, now.after(HUB_TURN)));
                known.is_closed = false;
            }
            None => known.is_closed |= now.since(known.at) >= HUB_CLOSED_AFTER,
        }
    }

    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let of_knock = |known: &Waiting| {
            let turn = known.turn.map(|(_, until)| until);
            let closes = (!known.is_closed && !known.is_answered).then(|| known.at.after(HUB_CLOSED_AFTER));
            let held = known.question.as_ref().map(|held| held.until);
            [turn, closes, held, Some(known.at.after(HUB_KNOCK_LIFE))].into_iter().flatten().filter(|at| *at > now).min()
        };
        let held = self.listeners.values().filter_map(|listener| listener.question.map(|(_, until)| until));
        self.knocks.values().filter_map(of_knock).chain(held).chain([self.heard.after(HUB_ROOM_LIFE)]).filter(|at| *at > now).min()
    }
}

impl Listener {
    fn is_present(&self, now: Timestamp) -> bool {
        self.question.is_some() || now.since(self.heard) < HUB_PRESENT
    }

    /// Answers its question, if there is something or it was held long enough.
    fn answer(&mut self, now: Timestamp, knocks: &BTreeMap<Nonce, Waiting>, answers: &mut VecDeque<(u64, Vec<u8>)>) {
        let Some((question, until)) = self.question else { return };
        let item = self.inbox.front().map(|item| match (&item.response, knocks.get(&item.nonce)) {
            (Some(response), _) => Answer::Responds(item.nonce, response.clone()),
            (None, Some(known)) => Answer::Knocks(item.nonce, known.sealed.clone()),
            // It has ended, and was not counted yet.
            (None, None) => Answer::Nothing,
        });
        if item == Some(Answer::Nothing) {
            self.inbox.pop_front();
            return self.answer(now, knocks, answers);
        }
        let Some(answer) = item.or_else(|| (until <= now).then_some(Answer::Nothing)) else { return };
        self.question = None;
        self.heard = now;
        answers.push_back((question, answer.encode()));
    }
}

impl Waiting {
    /// Answers the newcomer's question, if there is something or it was held long enough.
    fn answer(&mut self, now: Timestamp, answers: &mut VecDeque<(u64, Vec<u8>)>) {
        let Some(held) = &self.question else { return };
        // Who was started again has had none, as far as it knows: it is given the first one that is still here.
        let number = held.had.max(self.first);
        let word = number.checked_sub(self.first).and_then(|at| self.words.get(usize::from(at)));
        let word = word.map(|word| Answer::Said(number, word.clone()));
        let closed = (self.is_closed && !held.knows_closed).then_some(Answer::Closed);
        let late = (held.until <= now).then_some(Answer::Nothing);
        let Some(answer) = word.or(closed).or(late) else { return };
        answers.push_back((held.id, answer.encode()));
        (self.question, self.heard) = (None, now);
    }
}

#[cfg(test)]
mod tests;

//! Questions to hubs: members listen, newcomers wait, and both say something. A question that stays unanswered is asked
//! again, later each time.

use crate::limits::HUB_ASKS_MAX;
use crate::seam::{Address, AskId};
use crate::state::State;
use crate::turn::Turn;
use rand_core::Rng;
use std::collections::BTreeMap;
use symbolon_presence::id::{ListenerId, Nonce, RequestId, RoomAlias, RoomId};
use symbolon_presence::time::{MINUTE, SECOND, Timestamp};
use symbolon_relay::knock::{Answer, Ask, Await, Knock, Listen};

/// Knocks whose numbers are remembered.
pub(super) const PASSED_MAX: usize = 256;
/// A listener begins again before its count is full.
const COUNT_MAX: u16 = 60_000;
/// After a question that was not answered.
const PAUSE: u64 = 2 * SECOND;
const PAUSE_MAX: u64 = MINUTE;
/// Between two questions to one hub for one room or knock.
const PACE: u64 = SECOND / 2;
/// The world answers each question before this.
const DEADLINE: u64 = 2 * MINUTE;

/// What a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// What is there for members of this room, at this one of its hubs?
    Listen(RoomId, usize),
    /// Our knock is handed over at this one of the hubs.
    Knock(RequestId, usize),
    /// What was said to it there?
    Await(RequestId, usize),
    /// Something is said.
    Said,
}

/// How it goes with one hub.
#[derive(Debug)]
pub(super) struct Talk {
    /// The question that is under way, and since when.
    asked: Option<(AskId, Timestamp)>,
    due: Timestamp,
    failures: u32,
    /// How much has come.
    pub had: u16,
    /// Of a newcomer: the hub has the knock, and has said that all were asked.
    pub is_known: bool,
    pub is_closed: bool,
    /// Of a member.
    listener: ListenerId,
    alias: RoomAlias,
}

impl Talk {
    fn new(turn: &mut Turn<'_>, alias: RoomAlias) -> Self {
        let listener = ListenerId::random(turn.rng);
        Self { asked: None, due: turn.now, failures: 0, had: 0, is_known: false, is_closed: false, listener, alias }
    }

    /// It has answered: the next question goes at once, unless it answers faster than anybody has something to say.
    pub fn goes_on(&mut self, now: Timestamp) {
        let earliest = self.asked.map_or(now, |(_, since)| since.after(PACE));
        (self.asked, self.failures, self.due) = (None, 0, now.max(earliest));
    }

    /// It has not, or nothing that helps.
    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.asked = None;
        self.due = now.after(PAUSE.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX));
    }

    fn is_due(&self, now: Timestamp) -> bool {
        match self.asked {
            Some((_, since)) => now.since(since) >= DEADLINE,
            None => self.due <= now,
        }
    }

    fn next(&self) -> Timestamp {
        self.asked.map_or(self.due, |(_, since)| since.after(DEADLINE))
    }
}

/// How often what did not reach a hub is said again. A pass as often as a word: the hub must not know one from the other by it.
const SAYS_AGAIN: u32 = 4;

/// Something that is said at a moment.
#[derive(Debug)]
pub(super) struct Say {
    pub at: Timestamp,
    pub hub: Vec<Address>,
    pub what: Saying,
}

/// What is said.
#[derive(Debug, Clone)]
pub(super) enum Saying {
    /// As a member of a room: to who has knocked.
    Member(RoomId, RoomAlias, Nonce, Vec<u8>),
    /// As a newcomer: ready as it is.
    Newcomer(Vec<u8>),
}

/// All questions. Nothing of it is stored.
#[derive(Debug, Default)]
pub(super) struct Talks {
    next_ask: u64,
    asks: BTreeMap<AskId, For>,
    /// For each hub of each room.
    listens: BTreeMap<(RoomId, usize), Talk>,
    /// For each hub of each knock of ours.
    awaits: BTreeMap<(RequestId, usize), Talk>,
    /// At most [`HUB_ASKS_MAX`], and how often each was said in vain.
    says: Vec<(Say, u32)>,
    /// What was said and is not answered, of the questions above.
    said: BTreeMap<AskId, (Say, u32)>,
    /// Questions that are to leave in this turn.
    sent: Vec<Sent>,
}

/// A question, and the hub that it is for.
#[derive(Debug)]
pub(super) struct Sent {
    pub ask: AskId,
    pub hub: Vec<Address>,
    pub bytes: Vec<u8>,
}

impl Talks {
    pub fn start(&mut self, turn: &mut Turn<'_>) {
        // Not from zero: an answer to a core that failed must not be taken for one to this core.
        self.next_ask = turn.rng.next_u64() >> 1;
    }

    /// Hubs are asked soon.
    pub fn rouse(&mut self, now: Timestamp) {
        for talk in self.listens.values_mut().chain(self.awaits.values_mut()).filter(|talk| talk.asked.is_none()) {
            talk.due = talk.due.min(now);
        }
    }

    /// There is a talk for each hub of each room that people may knock at, and of each knock that waits.
    pub fn follow(&mut self, state: &State, turn: &mut Turn<'_>) {
        let rooms = state.groups.rooms.values().filter(|group| group.is_member());
        let hubs = rooms.filter_map(|group| Some((group.room, group.roster.knocks.as_ref()?)));
        let wanted: BTreeMap<(RoomId, usize), RoomAlias> =
            hubs.flat_map(|(room, knocks)| (0..knocks.hubs.len()).map(move |at| ((room, at), knocks.alias))).collect();
        self.listens.retain(|key, talk| wanted.get(key) == Some(&talk.alias));
        for (key, alias) in wanted {
            self.listens.entry(key).or_insert_with(|| Talk::new(turn, alias));
        }
        let now = turn.now;
        let knocks = state.vouching.knocks.values().filter(|knock| knock.waits(now));
        let handed = knocks.filter_map(|knock| Some((knock.id, knock.handed.as_ref()?)));
        let wanted: BTreeMap<(RequestId, usize), RoomAlias> =
            handed.flat_map(|(id, handed)| (0..handed.hubs.len()).map(move |at| ((id, at), handed.alias))).collect();
        self.awaits.retain(|key, _| wanted.contains_key(key));
        for (key, alias) in wanted {
            self.awaits.entry(key).or_insert_with(|| Talk::new(turn, alias));
        }
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        let talks = self.listens.values().chain(self.awaits.values()).map(Talk::next);
        talks.chain(self.says.iter().map(|(say, _)| say.at)).min()
    }

    pub fn say(&mut self, say: Say) {
        if self.says.len() < HUB_ASKS_MAX {
            self.says.push((say, 0));
        }
    }

    /// The hub has answered to what was said, or was not reached: then the same is said again. Nobody else would: a hub asks each
    /// member once, and who has knocked answers once.
    pub fn heard_said(&mut self, now: Timestamp, ask: AskId, is_heard: bool) {
        let Some((say, tries)) = self.said.remove(&ask) else { return };
        if !is_heard && tries < SAYS_AGAIN && self.says.len() < HUB_ASKS_MAX {
            let at = now.after(PAUSE.saturating_mul(1 << tries));
            self.says.push((Say { at, ..say }, tries.saturating_add(1)));
        }
    }

    /// Whether some hub has this knock.
    pub fn is_handed(&self, id: &RequestId) -> bool {
        self.awaits.iter().any(|((of, _), talk)| of == id && talk.is_known)
    }

    /// What a newcomer hears of a hub.
    pub fn of_knock(&mut self, id: &RequestId, hub: usize) -> Option<&mut Talk> {
        self.awaits.get_mut(&(*id, hub))
    }

    /// The knock is handed over once more.
    pub fn knock_again(&mut self, now: Timestamp, id: &RequestId) {
        for ((of, _), talk) in &mut self.awaits {
            if of == id {
                (talk.is_known, talk.is_closed) = (false, false);
                talk.goes_on(now);
            }
        }
    }

    /// What an answer is to, if it was asked.
    pub fn take(&mut self, ask: AskId) -> Option<For> {
        let of = self.asks.remove(&ask)?;
        let talk = match of {
            For::Listen(room, hub) => self.listens.get(&(room, hub)),
            For::Knock(id, hub) | For::Await(id, hub) => self.awaits.get(&(id, hub)),
            For::Said => return Some(of),
        };
        // To an older question of a talk that has given it up: nothing.
        talk?.asked.filter(|(asked, _)| *asked == ask).map(|_| of)
    }

    /// What a member has heard, if anything.
    pub fn listened(&mut self, now: Timestamp, key: (RoomId, usize), answer: Option<&Answer>) -> Option<Heard> {
        let talk = self.listens.get_mut(&key)?;
        let heard = match answer {
            Some(Answer::Knocks(nonce, sealed)) => Some(Heard::Knock(*nonce, sealed.clone())),
            Some(Answer::Responds(nonce, sealed)) => Some(Heard::Response(*nonce, sealed.clone())),
            Some(Answer::Nothing) => None,
            Some(Answer::Ack | Answer::Refused(_) | Answer::Said(..) | Answer::Closed) | None => {
                talk.failed(now);
                return None;
            }
        };
        talk.had = talk.had.saturating_add(u16::from(heard.is_some()));
        talk.goes_on(now);
        heard
    }

    /// Asks what is due, and says it: what is to leave.
    pub fn ask(&mut self, state: &State, turn: &mut Turn<'_>) -> Vec<Sent> {
        let now = turn.now;
        let listens: Vec<(RoomId, usize)> = self.listens.iter().filter(|(_, talk)| talk.is_due(now)).map(|(key, _)| *key).collect();
        for key in listens {
            self.listen(state, turn, key);
        }
        let awaits: Vec<(RequestId, usize)> = self.awaits.iter().filter(|(_, talk)| talk.is_due(now)).map(|(key, _)| *key).collect();
        for key in awaits {
            self.wait(state, turn, key);
        }
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.says).into_iter().partition(|(say, _)| say.at <= now);
        self.says = later;
        for (say, tries) in due {
            let bytes = match say.what.clone() {
                Saying::Newcomer(bytes) => Some(bytes),
                Saying::Member(room, alias, nonce, sealed) => self.as_member(state, (&room, &say.hub), &alias, (nonce, sealed)),
            };
            if let Some(bytes) = bytes {
                let ask = self.send(For::Said, say.hub.clone(), bytes);
                self.said.insert(ask, (say, tries));
            }
        }
        std::mem::take(&mut self.sent)
    }

    fn as_member(
        &self,
        state: &State,
        (room, hub): (&RoomId, &[Address]),
        alias: &RoomAlias,
        (nonce, sealed): (Nonce, Vec<u8>),
    ) -> Option<Vec<u8>> {
        let key = state.groups.knock_keys.get(&(*room, *alias))?.secret.hub();
        let hubs = &state.groups.rooms.get(room)?.roster.knocks.as_ref()?.hubs;
        let at = hubs.iter().position(|other| other == hub)?;
        let talk = self.listens.get(&(*room, at)).filter(|talk| talk.alias == *alias)?;
        Some(Ask::Say(symbolon_relay::knock::Say::sign(&key, talk.listener, nonce, sealed)).encode())
    }

    fn listen(&mut self, state: &State, turn: &mut Turn<'_>, key: (RoomId, usize)) {
        let knocks = state.groups.rooms.get(&key.0).and_then(|group| group.roster.knocks.as_ref());
        let hub = knocks.and_then(|knocks| knocks.hubs.get(key.1)).cloned();
        let secret = state.groups.knock_key(&key.0).map(|row| row.secret.hub());
        let (Some(hub), Some(secret), Some(talk)) = (hub, secret, self.listens.get_mut(&key)) else { return };
        if talk.had >= COUNT_MAX {
            *talk = Talk::new(turn, talk.alias);
        }
        let bytes = Ask::Listen(Listen::sign(&secret, talk.listener, talk.had)).encode();
        let ask = self.send(For::Listen(key.0, key.1), hub, bytes);
        if let Some(talk) = self.listens.get_mut(&key) {
            talk.asked = Some((ask, turn.now));
        }
    }

    fn wait(&mut self, state: &State, turn: &mut Turn<'_>, key: (RequestId, usize)) {
        let handed = state.vouching.knocks.get(&key.0).and_then(|knock| knock.handed.as_ref());
        let hub = handed.and_then(|handed| handed.hubs.get(key.1)).cloned();
        let (Some(handed), Some(hub), Some(talk)) = (handed, hub, self.awaits.get(&key)) else { return };
        let (alias, nonce) = (handed.alias, handed.nonce);
        let (of, ask) = if talk.is_known {
            (For::Await(key.0, key.1), Ask::Await(Await { alias, nonce, had: talk.had, is_closed: talk.is_closed }))
        } else {
            (For::Knock(key.0, key.1), Ask::Knock(Knock { alias, nonce, sealed: handed.sealed.clone() }))
        };
        let ask = self.send(of, hub, ask.encode());
        if let Some(talk) = self.awaits.get_mut(&key) {
            talk.asked = Some((ask, turn.now));
        }
    }

    fn send(&mut self, of: For, hub: Vec<Address>, bytes: Vec<u8>) -> AskId {
        self.next_ask = self.next_ask.saturating_add(1);
        let ask = AskId(self.next_ask);
        if self.asks.len() >= HUB_ASKS_MAX {
            // The oldest one ended long ago.
            let oldest = self.asks.pop_first();
            self.said.retain(|ask, _| oldest.is_none_or(|(oldest, _)| oldest != *ask));
        }
        self.asks.insert(ask, of);
        self.sent.push(Sent { ask, hub, bytes });
        ask
    }
}

/// What a member hears from a hub.
pub(super) enum Heard {
    /// Somebody knocks.
    Knock(Nonce, Vec<u8>),
    /// Who has knocked answers.
    Response(Nonce, Vec<u8>),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::in_turn;

    #[test]
    fn what_did_not_reach_a_hub_is_said_again_the_same_four_times_and_what_it_has_heard_is_not() {
        in_turn(|state, turn| {
            let mut talks = Talks::default();
            let say = |talks: &mut Talks, turn: &Turn<'_>| {
                talks.say(Say { at: turn.now, hub: vec![Address(vec![4])], what: Saying::Newcomer(vec![7]) });
            };
            say(&mut talks, turn);
            let mut said = 0;
            while let Some(at) = talks.next_due() {
                turn.now = turn.now.max(at);
                let sent = talks.ask(state, turn);
                assert!(sent.len() == 1 && sent[0].bytes == [7] && talks.says.is_empty());
                said += 1;
                assert_eq!(talks.take(sent[0].ask), Some(For::Said));
                talks.heard_said(turn.now, sent[0].ask, false);
                talks.heard_said(turn.now, sent[0].ask, false);
            }
            assert_eq!((said, talks.said.len()), (1 + SAYS_AGAIN, 0), "each answer counts once");
            say(&mut talks, turn);
            let sent = talks.ask(state, turn);
            talks.heard_said(turn.now, sent[0].ask, true);
            assert_eq!(talks.next_due(), None);
            // However much is said and never answered, no more of it is kept than there are questions.
            for _ in 0..2 * HUB_ASKS_MAX {
                say(&mut talks, turn);
                talks.ask(state, turn);
            }
            assert!(talks.said.len() <= HUB_ASKS_MAX && talks.asks.len() <= HUB_ASKS_MAX);
        });
    }
}

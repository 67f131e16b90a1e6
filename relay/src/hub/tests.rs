use super::*;
use crate::knock::{KNOCK_LEN, RESPONSE_LEN, alias};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::SECOND;

const START: Timestamp = Timestamp(1_800_000_000_000);

/// A hub, and one room there.
struct World {
    hub: Hub,
    now: Timestamp,
    key: SigningKey,
    next: u64,
    /// All answers, by the question's number.
    answers: BTreeMap<u64, Answer>,
}

impl World {
    fn new() -> Self {
        let key = SigningKey::from_seed(&[7; 32]);
        Self { hub: Hub::new(Secret::from_bytes([1; 32])), now: START, key, next: 0, answers: BTreeMap::new() }
    }

    fn alias(&self) -> RoomAlias {
        alias(&self.key.public())
    }

    fn collect(&mut self) {
        while let Some((id, bytes)) = self.hub.poll_answer() {
            let before = self.answers.insert(id, Answer::decode(&bytes).unwrap());
            assert_eq!(before, None, "a question is answered once");
        }
    }

    /// Asks, and answers the question's number.
    fn asks(&mut self, source: u64, ask: &Ask) -> u64 {
        self.next += 1;
        self.hub.ask(self.now, self.next, source, &ask.encode());
        self.collect();
        self.next
    }

    fn answer(&self, id: u64) -> Option<&Answer> {
        self.answers.get(&id)
    }

    /// Asks what is answered at once.
    fn ask(&mut self, ask: &Ask) -> Answer {
        let id = self.asks(0, ask);
        self.answers[&id].clone()
    }

    fn listen(&mut self, member: u8, had: u16) -> u64 {
        let listen = Ask::Listen(Listen::sign(&self.key, ListenerId([member; 16]), had));
        self.asks(0, &listen)
    }

    fn knock(&self, nonce: u8) -> Ask {
        Ask::Knock(Knock { alias: self.alias(), nonce: Nonce([nonce; 16]), sealed: vec![nonce; KNOCK_LEN] })
    }

    fn wait(&mut self, nonce: u8, had: u16, is_closed: bool) -> u64 {
        let wait = Ask::Await(Await { alias: self.alias(), nonce: Nonce([nonce; 16]), had, is_closed });
        self.asks(0, &wait)
    }

    fn say(&mut self, member: u8, nonce: u8, byte: u8) -> Answer {
        let say = Say::sign(&self.key, ListenerId([member; 16]), Nonce([nonce; 16]), vec![byte; KNOCK_LEN]);
        self.ask(&Ask::Say(say))
    }

    fn respond(&mut self, nonce: u8, to: u16) -> Answer {
        let sealed = vec![5; RESPONSE_LEN];
        self.ask(&Ask::Respond(Respond { alias: self.alias(), nonce: Nonce([nonce; 16]), to, sealed }))
    }

    fn pass(&mut self, time: u64) {
        self.now = self.now.after(time);
        self.hub.tick(self.now);
        self.collect();
    }

    /// Members that ask again as soon as they are answered, for so long. Which of them were asked to vouch, in order.
    fn listens_for(&mut self, members: &[u8], time: u64) -> Vec<u8> {
        let mut asked = Vec::new();
        let mut questions: Vec<(u8, u16, u64)> = members.iter().map(|member| (*member, 0, self.listen(*member, 0))).collect();
        for _ in 0..time / SECOND {
            self.pass(SECOND);
            for (member, had, question) in &mut questions {
                let Some(answer) = self.answers.get(question) else { continue };
                if matches!(answer, Answer::Knocks(..)) {
                    asked.push(*member);
                    *had += 1;
                }
                *question = self.listen(*member, *had);
            }
        }
        asked
    }

    /// Which of these questions were answered by a knock.
    fn asked(&self, questions: &[u64]) -> Vec<u64> {
        questions.iter().copied().filter(|id| matches!(self.answer(*id), Some(Answer::Knocks(..)))).collect()
    }
}

#[test]
fn a_knock_goes_to_one_member_after_another_with_the_same_bytes() {
    let mut world = World::new();
    let waiting: Vec<u64> = (1..=3).map(|member| world.listen(member, 0)).collect();
    assert_eq!(world.ask(&world.knock(9)), Answer::Ack);
    let mut waiting = waiting;
    for turn in 1..=3 {
        assert_eq!(world.asked(&waiting).len(), turn);
        let free: Vec<usize> = (0..3).filter(|at| world.asked(&waiting[*at..=*at]).is_empty()).collect();
        free.into_iter().for_each(|at| waiting[at] = world.listen(u8::try_from(at + 1).unwrap(), 0));
        world.pass(HUB_TURN - 1);
        assert_eq!(world.asked(&waiting).len(), turn, "before its turn has ended nobody else is asked");
        world.pass(1);
    }
    let knocks = world.answers.values().filter(|answer| matches!(answer, Answer::Knocks(..))).collect::<Vec<_>>();
    assert_eq!(knocks, [&Answer::Knocks(Nonce([9; 16]), vec![9; KNOCK_LEN]); 3]);
}

#[test]
fn the_order_in_which_members_are_asked_is_not_theirs_to_choose() {
    let first = |seed: u8| {
        let mut world = World { hub: Hub::new(Secret::from_bytes([seed; 32])), ..World::new() };
        let waiting: Vec<u64> = (1..=4).map(|member| world.listen(member, 0)).collect();
        world.ask(&world.knock(9));
        world.asked(&waiting)
    };
    let firsts: BTreeSet<Vec<u64>> = (0..32).map(first).collect();
    assert_eq!(firsts.len(), 4, "each of them is the first one under some seed");
}

#[test]
fn a_word_reaches_the_newcomer_and_an_answer_the_one_who_said_it() {
    let mut world = World::new();
    let question = world.listen(1, 0);
    world.ask(&world.knock(9));
    assert_eq!(world.asked(&[question]), [question]);
    let wait = world.wait(9, 0, false);
    assert_eq!(world.answer(wait), None);
    assert_eq!(world.say(1, 9, 3), Answer::Ack);
    assert_eq!(world.answer(wait), Some(&Answer::Said(0, vec![3; KNOCK_LEN])));
    let next = world.listen(1, 1);
    assert_eq!(world.respond(9, 0), Answer::Ack);
    assert_eq!(world.answer(next), Some(&Answer::Responds(Nonce([9; 16]), vec![5; RESPONSE_LEN])));
    assert_eq!(world.respond(9, 1), Answer::Refused(Refusal::Unknown), "nobody has said that");
}

#[test]
fn what_was_lost_on_the_way_is_given_again_until_it_was_had() {
    let mut world = World::new();
    let lost = world.listen(1, 0);
    world.ask(&world.knock(9));
    let again = world.listen(1, 0);
    assert_eq!(world.answer(lost), world.answer(again));
    let later = world.listen(1, 1);
    assert_eq!(world.answer(later), None);
    world.say(1, 9, 3);
    for had in [0, 0] {
        let wait = world.wait(9, had, false);
        assert_eq!(world.answer(wait), Some(&Answer::Said(0, vec![3; KNOCK_LEN])));
    }
    let wait = world.wait(9, 1, false);
    assert_eq!(world.answer(wait), None);
}

#[test]
fn a_newcomer_who_was_started_again_is_given_what_is_said_later_and_by_its_number() {
    let mut world = World::new();
    world.listen(1, 0);
    world.listen(2, 0);
    world.ask(&world.knock(9));
    world.say(1, 9, 3);
    let wait = world.wait(9, 0, false);
    assert_eq!(world.answer(wait), Some(&Answer::Said(0, vec![3; KNOCK_LEN])));
    world.wait(9, 1, false);
    // It does not know any more how many it has had, and knocks as at first.
    assert_eq!(world.ask(&world.knock(9)), Answer::Ack);
    let wait = world.wait(9, 0, false);
    assert_eq!(world.answer(wait), None);
    world.say(2, 9, 4);
    assert_eq!(world.answer(wait), Some(&Answer::Said(1, vec![4; KNOCK_LEN])));
    let second = world.listen(2, 1);
    assert_eq!(world.respond(9, 1), Answer::Ack);
    assert_eq!(world.answer(second), Some(&Answer::Responds(Nonce([9; 16]), vec![5; RESPONSE_LEN])), "to the one who said it");
}

#[test]
fn a56_a_newcomer_is_told_that_all_were_asked_and_not_before_some_time() {
    for members in [0u8, 1, 2] {
        let mut world = World::new();
        world.listen(9, 0);
        world.pass(HUB_PRESENT + HUB_HOLD);
        world.ask(&world.knock(9));
        let wait = world.wait(9, 0, false);
        world.pass(HUB_CLOSED_AFTER - SECOND);
        assert_eq!(world.answer(wait), None);
        let all: Vec<u8> = (1..=members).collect();
        let mut asked = world.listens_for(&all, 60 * SECOND);
        asked.sort_unstable();
        assert_eq!(asked, all);
        let wait = world.wait(9, 0, false);
        assert_eq!(world.answer(wait), Some(&Answer::Closed));
        // It stays listed for those who come later, and for a person's word.
        let wait = world.wait(9, 0, true);
        assert_eq!(world.answer(wait), None);
        let late = world.listen(50, 0);
        assert_eq!(world.asked(&[late]), [late]);
        world.say(50, 9, 3);
        assert_eq!(world.answer(wait), Some(&Answer::Said(0, vec![3; KNOCK_LEN])));
    }
}

#[test]
fn a58_who_was_answered_and_is_silent_makes_place_for_the_next_one_by_the_same_knock() {
    let mut world = World::new();
    let waiting = [world.listen(1, 0), world.listen(2, 0)];
    world.ask(&world.knock(9));
    let first = world.asked(&waiting);
    let member = if first == [waiting[0]] { 1 } else { 2 };
    world.say(member, 9, 3);
    world.respond(9, 0);
    world.pass(10 * HUB_TURN);
    assert_eq!(world.asked(&waiting), first, "nobody else is asked while it is answered");
    assert_eq!(world.listen(3 - member, 0), world.next);
    let other = world.next;
    assert_eq!(world.ask(&world.knock(9)), Answer::Ack);
    assert_eq!(world.asked(&[other]), [other]);
    let swapped = Ask::Knock(Knock { alias: world.alias(), nonce: Nonce([9; 16]), sealed: vec![1; KNOCK_LEN] });
    assert_eq!(world.ask(&swapped), Answer::Refused(Refusal::Malformed));
}

#[test]
fn a61_floods_of_knocks_end_at_their_bounds() {
    let mut world = World::new();
    assert_eq!(world.ask(&world.knock(1)), Answer::Refused(Refusal::Unknown), "no member has listened here");
    world.listen(1, 0);
    let mut taken = 0;
    for (nonce, source) in (0..=255u8).zip((0..).map(|n: u64| n / 64)) {
        let knock = world.knock(nonce);
        let id = world.asks(source, &knock);
        taken += usize::from(world.answer(id) == Some(&Answer::Ack));
    }
    assert_eq!(taken, HUB_KNOCKS_OF_ROOM);
    let of_source = world.hub.rooms[&world.alias()].knocks.values().filter(|known| known.source == 0).count();
    assert_eq!(of_source, HUB_KNOCKS_OF_SOURCE);
    world.pass(HUB_KNOCK_LIFE);
    assert_eq!(world.hub.counts().1, 0);
}

#[test]
fn rooms_and_listeners_end_at_their_bounds_and_idle_rooms_give_way() {
    let mut world = World::new();
    for member in 0..=HUB_LISTENERS_MAX {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&member.to_be_bytes());
        let listen = Ask::Listen(Listen::sign(&world.key, ListenerId(id), 0));
        let id = world.asks(0, &listen);
        assert_eq!(world.answer(id) == Some(&Answer::Refused(Refusal::Full)), member == HUB_LISTENERS_MAX);
    }
    // A device is another listener after each start: one that is heard no more gives way.
    world.now = world.now.after(HUB_PRESENT + HUB_HOLD);
    world.pass(0);
    world.pass(HUB_PRESENT);
    let next = world.listen(1, 0);
    assert_eq!(world.answer(next), None);
    assert_eq!(world.hub.rooms[&world.alias()].listeners.len(), HUB_LISTENERS_MAX);
    let own = world.alias();
    for room in 0..HUB_ROOMS_MAX {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&room.to_be_bytes());
        let listen = Ask::Listen(Listen::sign(&SigningKey::from_seed(&seed), ListenerId([1; 16]), 0));
        let id = world.asks(1 + (room / HUB_ROOMS_OF_SOURCE) as u64, &listen);
        let is_full = room == HUB_ROOMS_MAX - 1;
        assert_eq!(world.answer(id) == Some(&Answer::Refused(Refusal::Full)), is_full);
        world.pass(1);
    }
    assert_eq!(world.hub.counts().0, HUB_ROOMS_MAX);
    let once_more = Ask::Listen(Listen::sign(&SigningKey::from_seed(&[5; 32]), ListenerId([1; 16]), 0));
    world.pass(HUB_PRESENT);
    let id = world.asks(1, &once_more);
    assert_eq!(world.answer(id), Some(&Answer::Refused(Refusal::Full)), "no source drives out more than its share");
    world.now = world.now.after(HUB_PRESENT);
    let listen = Ask::Listen(Listen::sign(&SigningKey::from_seed(&[8; 32]), ListenerId([1; 16]), 0));
    let id = world.asks(0, &listen);
    assert_eq!(world.answer(id), None);
    assert!(!world.hub.rooms.contains_key(&own), "the one that was heard first makes place");
}

#[test]
fn strangers_say_nothing_and_listen_to_nothing() {
    let mut world = World::new();
    let member = world.listen(1, 0);
    world.ask(&world.knock(9));
    assert_eq!(world.asked(&[member]), [member]);
    let stranger = SigningKey::from_seed(&[6; 32]);
    let say = Say::sign(&stranger, ListenerId([1; 16]), Nonce([9; 16]), vec![3; KNOCK_LEN]);
    assert_eq!(world.ask(&Ask::Say(say)), Answer::Refused(Refusal::Unknown));
    let mut posed = Listen::sign(&stranger, ListenerId([1; 16]), 0);
    posed.member.key = world.key.public();
    assert_eq!(world.ask(&Ask::Listen(posed)), Answer::Refused(Refusal::Malformed));
    // A member says two things at most.
    assert_eq!([3, 4, 5].map(|byte| world.say(1, 9, byte)), [Answer::Ack, Answer::Ack, Answer::Refused(Refusal::Full)]);
    assert_eq!(world.say(7, 9, 3), Answer::Refused(Refusal::Unknown), "it has never listened");
}

#[test]
fn a_question_is_held_for_some_time_and_the_hub_says_when_it_wants_to_be_woken() {
    let mut world = World::new();
    let question = world.listen(1, 0);
    assert_eq!(world.hub.next_due(), Some(START.after(HUB_HOLD)));
    world.pass(HUB_HOLD - SECOND);
    assert_eq!(world.answer(question), None);
    world.pass(SECOND);
    assert_eq!(world.answer(question), Some(&Answer::Nothing));
    let (first, second) = (world.listen(1, 0), world.listen(1, 0));
    assert_eq!((world.answer(first), world.answer(second)), (Some(&Answer::Nothing), None), "one question is held for each");
    world.pass(HUB_ROOM_LIFE);
    assert_eq!((world.hub.counts(), world.hub.next_due()), ((0, 0), None));
}

#[test]
fn a61_where_a_room_or_a_source_has_all_its_knocks_one_gives_way_whose_newcomer_waits_no_more() {
    let mut world = World::new();
    world.listen(1, 0);
    let sources = |nonce: u8| u64::from(nonce) / HUB_KNOCKS_OF_SOURCE as u64;
    let most = u8::try_from(HUB_KNOCKS_OF_ROOM).unwrap();
    for nonce in 0..most {
        let knock = world.knock(nonce);
        let id = world.asks(sources(nonce), &knock);
        assert_eq!(world.answer(id), Some(&Answer::Ack));
    }
    // All but the last one wait on; the first one was answered.
    let [late, later] = [most + 1, most + 2].map(|nonce| world.knock(nonce));
    let waits = |world: &mut World| {
        for nonce in 0..most - 1 {
            world.wait(nonce, 0, true);
        }
    };
    waits(&mut world);
    world.pass(HUB_PRESENT - SECOND);
    waits(&mut world);
    let [own, other] = [0, 9].map(|source| world.asks(source, &late));
    assert_eq!([own, other].map(|id| world.answer(id)), [Some(&Answer::Refused(Refusal::Full)); 2], "all were heard within a minute");
    world.pass(SECOND);
    let id = world.asks(0, &late);
    assert_eq!(world.answer(id), Some(&Answer::Refused(Refusal::Full)), "the idle one is of another source");
    let id = world.asks(9, &late);
    assert_eq!(world.answer(id), Some(&Answer::Ack));
    let listed = &world.hub.rooms[&world.alias()].knocks;
    assert!(listed.len() == HUB_KNOCKS_OF_ROOM && !listed.contains_key(&Nonce([most - 1; 16])));
    let id = world.asks(9, &later);
    assert_eq!(world.answer(id), Some(&Answer::Refused(Refusal::Full)), "the others still wait");
}

#[test]
fn a61_one_source_uses_up_half_of_a_room_s_knocks_of_an_hour_and_leaves_the_others_theirs() {
    let mut world = World::new();
    world.listen(1, 0);
    // Each of them gives way to the next one, so that nothing but the hour bounds them.
    let flood = |world: &mut World, source: u64, first: u8| {
        let mut taken = 0;
        for nonce in first..first + 40 {
            world.pass(HUB_PRESENT);
            world.listen(1, 0);
            let knock = world.knock(nonce);
            let id = world.asks(source, &knock);
            taken += u32::from(world.answer(id) == Some(&Answer::Ack));
        }
        taken
    };
    assert_eq!(flood(&mut world, 1, 0), HUB_KNOCKS_HOUR_OF_SOURCE);
    let (hub, now) = (world.hub.rooms[&world.alias()].hour.0, world.now);
    assert!(now.since(hub) < HOUR, "within the hour");
    let knock = world.knock(200);
    let id = world.asks(2, &knock);
    assert_eq!(world.answer(id), Some(&Answer::Ack), "somebody else comes through");
    world.pass(HOUR);
    let knock = world.knock(201);
    let id = world.asks(1, &knock);
    assert_eq!(world.answer(id), Some(&Answer::Ack), "it is counted again");
    assert_eq!(world.hub.rooms[&world.alias()].hour.1.len(), 1, "of the hour before nothing is kept");
}

#[test]
fn who_waits_in_a_room_that_is_forgotten_is_answered() {
    let mut world = World::new();
    world.listen(1, 0);
    world.ask(&world.knock(9));
    world.pass(HUB_ROOM_LIFE - HUB_HOLD);
    let knock = world.knock(8);
    world.ask(&knock);
    let wait = world.wait(8, 0, true);
    let listening = SigningKey::from_seed(&[5; 32]);
    let other = world.asks(0, &Ask::Listen(Listen::sign(&listening, ListenerId([1; 16]), 0)));
    world.pass(HUB_HOLD - 1);
    assert_eq!((world.answer(wait), world.answer(other)), (None, None));
    world.pass(1);
    assert_eq!(world.answer(wait), Some(&Answer::Refused(Refusal::Unknown)));
    assert_eq!(world.answer(other), Some(&Answer::Nothing), "another room stays");
    assert_eq!(world.hub.counts(), (1, 0));
}

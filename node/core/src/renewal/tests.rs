//! What a friend's word about starts is worth.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::command::{Direction, RequestStatus};
use crate::delivery::starts::Starts;
use crate::fixture::{Person, in_turn};
use crate::limits::{COPY_QUESTION, INSTANCES_HEARD_MAX, STANDING_QUESTIONS_PER_HOUR, STANDINGS_BACK_PER_MINUTE, STANDINGS_PER_HOUR};
use crate::notice::{DeliveryNotice, RenewalNotice};
use crate::rows::{Device, Fault, Request, Start};
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Rejected, Turn};
use crate::wire::{Heard, Standing, Statement, Step, direct_package, sign_start};
use symbolon_presence::codec;
use symbolon_presence::id::{Digest, Nonce, RequestId, SignatureBytes};
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};

/// A friend with one device, who says what they like.
struct Ben {
    person: Person,
    /// What they say lay at a relay.
    is_left: bool,
}

impl Ben {
    fn new(state: &mut State, turn: &mut Turn<'_>) -> Self {
        let person = Person::new(state, turn, 2);
        // No room is there in which they could be given anything.
        state.friends.get_mut(&person.device.peer).unwrap().giving = true;
        Self { person, is_left: false }
    }

    /// A question of one of their starts.
    fn question(&self, turn: &Turn<'_>, start: u8, heard: Vec<Heard>) -> Standing {
        Standing { heard, ..self.person.standing(turn, start, Nonce([0x10 + start; 16])) }
    }

    fn says(&self, state: &mut State, turn: &mut Turn<'_>, standing: &Standing) -> Result<Option<Question>, Rejected> {
        let mine = &state.own.identity;
        let package = direct_package(state.own.direct.present().as_bytes(), &mine.device);
        let (to, device, body) = (state.own.peer, mine.device, codec::encode(standing));
        let statement = Statement { step: Step::Standing, to, device, package, transcript: Digest([0; 32]), body };
        receive(state, turn, &self.person.device, &statement, Came { is_left: self.is_left, by_lifeline: false })
    }

    /// Answers one of our questions, in one of their starts.
    fn answers(&self, state: &mut State, turn: &mut Turn<'_>, start: u8, nonce: Nonce) {
        let answer = Standing { answers: Some(nonce), ..self.question(turn, start, Vec::new()) };
        assert!(self.says(state, turn, &answer).unwrap().is_none());
    }

    /// Asks a question, and gives its nonce.
    fn is_asked(&self, state: &mut State, turn: &mut Turn<'_>) -> Nonce {
        assert!(Standings::default().send(state, turn, &self.person.device.device, None, None).unwrap());
        *self.row(state).asked.as_ref().unwrap().last().unwrap()
    }

    fn row<'a>(&self, state: &'a State) -> &'a Device {
        &state.devices[&self.person.device.device]
    }

    /// The start that is taken for the one at work, and the one after which it came back.
    fn last(&self, state: &State) -> (u8, Option<u8>) {
        let last = self.row(state).instances.as_ref().unwrap().last().unwrap();
        (last.instance.as_bytes()[0], last.over.map(|over| over.as_bytes()[0]))
    }
}

/// A start of ours as a friend names it.
fn ours(state: &State, start: u8, started: Timestamp, over: Option<Nonce>) -> Heard {
    let instance = Nonce([start; 16]);
    Heard { instance, started, over, word: sign_start(&state.own.identity, instance, started) }
}

#[test]
fn a_start_that_this_device_has_not_signed_is_no_copy_of_it() {
    in_turn(|state, turn| {
        let ben = Ben::new(state, turn);
        let (present, later) = (state.own.start(), turn.now.after(DAY));
        let true_one = ours(state, 7, later, Some(present.instance));
        let by_ben = sign_start(&ben.person.identity, true_one.instance, later);
        for word in [by_ben, SignatureBytes([0; 64])] {
            let invented = Heard { word, ..true_one.clone() };
            ben.says(state, turn, &ben.question(turn, 1, vec![invented])).unwrap();
        }
        // A signature of another moment is none of this one.
        let dated = Heard { started: later.after(SECOND), ..true_one.clone() };
        ben.says(state, turn, &ben.question(turn, 1, vec![dated])).unwrap();
        assert_eq!((turn.told::<RenewalNotice>().len(), state.own.starts.len()), (0, 1));
        ben.says(state, turn, &ben.question(turn, 1, vec![true_one])).unwrap();
        assert_eq!(turn.told::<RenewalNotice>(), [RenewalNotice::Rival { is_later: true, is_sure: true }]);
        assert_eq!(state.own.starts.len(), 2);
    });
}

#[test]
fn a_friend_who_says_that_an_earlier_start_came_back_is_believed_once_a_day_and_this_one_goes_on() {
    in_turn(|state, turn| {
        let ben = Ben::new(state, turn);
        // The clock was years ahead at that start.
        let earlier = ours(state, 7, turn.now.after(1_000 * DAY), Some(state.own.start().instance));
        let row = Start { instance: earlier.instance, started: earlier.started, over: None, word: None };
        state.own.starts.insert(0, row);
        ben.says(state, turn, &ben.question(turn, 1, vec![earlier.clone()])).unwrap();
        assert_eq!(turn.told::<RenewalNotice>(), [RenewalNotice::Rival { is_later: false, is_sure: false }]);
        let mut standings = Standings::default();
        standings.rival(state, turn, false, false);
        assert!(state.own.is_halted);
        turn.now = turn.now.after(COPY_QUESTION);
        standings.tick(state, turn, |_| true).unwrap();
        assert!(!state.own.is_halted, "it continues without a word of its user");
        assert_eq!(turn.told::<RenewalNotice>(), [RenewalNotice::Newer], "as one that is behind");
        turn.now = turn.now.after(HOUR);
        let again = Heard { over: Some(state.own.start().instance), ..earlier };
        ben.says(state, turn, &ben.question(turn, 1, vec![again])).unwrap();
        assert_eq!(turn.told::<RenewalNotice>(), [RenewalNotice::Newer]);
    });
}

#[test]
fn of_two_copies_the_later_one_becomes_a_device_where_it_can_and_no_friend_s_word_alone_makes_it_one() {
    // Whether it holds the root key, whether the other one is sure and later; what it does automatically, and when.
    let half = COPY_QUESTION / 2;
    let cases = [
        (true, true, true, Some(half), false),
        (true, true, false, Some(COPY_QUESTION), true),
        (true, false, false, Some(COPY_QUESTION), false),
        (false, true, false, Some(COPY_QUESTION), false),
        (false, true, true, None, false),
    ];
    for (holds_root, is_sure, is_later, after, moves) in cases {
        in_turn(|state, turn| {
            if !holds_root {
                state.own.identity.root = None;
            }
            let mut standings = Standings::default();
            standings.rival(state, turn, is_later, is_sure);
            // A friend adds that an earlier start came back: what is sure stays.
            turn.now = turn.now.after(SECOND);
            if is_sure {
                standings.rival(state, turn, !is_later, false);
            }
            let due = after.map(|after| turn.now.after(after - SECOND));
            assert_eq!(standings.next_due(state), due);
            turn.now = due.unwrap_or(turn.now.after(HOUR)).after(0);
            let before = Timestamp(turn.now.0 - 1);
            let at = std::mem::replace(&mut turn.now, before);
            standings.tick(state, turn, |_| true).unwrap();
            assert!(state.own.is_halted && !state.own.moves, "not before");
            turn.now = at;
            standings.tick(state, turn, |_| true).unwrap();
            assert_eq!((state.own.moves, state.own.is_halted), (moves, moves || after.is_none()));
            assert_eq!(turn.get(Table::Meta, b"moves").unwrap().is_some(), moves);
            assert!(!state.own.is_at_peace(turn.now), "a later start is heard at once");
            // What it takes along is given to nobody else.
            assert_eq!(crate::copies::keys(state, turn).is_ok(), moves);
        });
    }
}

#[test]
fn a_copy_whose_person_has_a_device_list_or_no_place_does_not_become_a_device() {
    in_turn(|state, turn| {
        assert!(crate::copies::can_move(state));
        state.own.listed_before = Some(7);
        assert!(!crate::copies::can_move(state), "friends refuse who is not in the list");
        state.own.listed_before = None;
        for n in 0..crate::limits::SIBLINGS_MAX {
            let peer = symbolon_presence::id::PeerId([u8::try_from(n).unwrap(); 32]);
            state.save_sibling(turn, crate::rows::Sibling::new(peer, turn.now));
        }
        assert!(!crate::copies::can_move(state));
    });
}

#[test]
fn a_standing_whose_start_its_sender_has_not_signed_is_refused() {
    in_turn(|state, turn| {
        let ben = Ben::new(state, turn);
        let question = ben.question(turn, 1, Vec::new());
        let forged = Standing { started: question.started.after(SECOND), ..question.clone() };
        assert!(matches!(ben.says(state, turn, &forged), Err(Rejected::Drop(DropReason::Malformed))));
        assert!(ben.row(state).instances.is_none());
        ben.says(state, turn, &question).unwrap();
        assert_eq!(ben.last(state), (1, None));
    });
}

#[test]
fn an_answer_to_a_question_of_before_the_last_start_brings_no_start_back() {
    in_turn(|state, turn| {
        let ben = Ben::new(state, turn);
        let early = ben.is_asked(state, turn);
        ben.says(state, turn, &ben.question(turn, 1, Vec::new())).unwrap();
        ben.says(state, turn, &ben.question(turn, 2, Vec::new())).unwrap();
        assert_eq!(ben.last(state), (2, None));
        // It was on its way when the device was started again.
        ben.answers(state, turn, 1, early);
        assert_eq!(ben.last(state), (2, None));
        let late = ben.is_asked(state, turn);
        ben.answers(state, turn, 1, late);
        assert_eq!(ben.last(state), (1, Some(2)), "both are at work");
        assert!(turn.told::<DeliveryNotice>().contains(&DeliveryNotice::StartCameBack(ben.person.device.device)));
    });
}

#[test]
fn of_a_start_that_came_back_its_device_hears_however_much_was_said_to_it_but_not_without_end() {
    in_turn(|state, turn| {
        let ben = Ben::new(state, turn);
        let device = ben.person.device.device;
        let mut standings = Standings::default();
        let mut is_asked = |turn: &mut Turn<'_>, came_back: bool| {
            state.channel_mut(&device).unwrap().saying = None;
            if came_back {
                standings.came_back(device)
            } else {
                standings.ask(device)
            }
            standings.follow(state, turn, Vec::new()).unwrap();
            state.devices[&device].channel.saying.is_some()
        };
        let asked = (0..20).filter(|_| is_asked(turn, false)).count();
        assert_eq!(asked, STANDING_QUESTIONS_PER_HOUR);
        assert!(is_asked(turn, true) && !is_asked(turn, false), "once for each time");
        let more = (0..20).filter(|_| is_asked(turn, true)).count();
        assert_eq!(1 + more, STANDINGS_BACK_PER_MINUTE);
        // Two copies that take the link from each other hear of it, no matter for how long they did before.
        for _ in 0..70 {
            turn.now = turn.now.after(MINUTE);
            assert!(is_asked(turn, true));
        }
    });
}

#[test]
fn a_device_is_answered_so_often_in_an_hour_and_questions_of_a_start_that_came_back_take_nothing_of_it() {
    in_turn(|state, turn| {
        let ben = Ben::new(state, turn);
        let device = ben.person.device.device;
        let mut standings = Standings::default();
        standings.came_back(device);
        standings.follow(state, turn, Vec::new()).unwrap();
        let question = ben.question(turn, 1, Vec::new());
        let mut is_answered = |turn: &mut Turn<'_>| standings.send(state, turn, &device, Some(&question), None).unwrap();
        assert_eq!((0..20).filter(|_| is_answered(turn)).count(), STANDINGS_PER_HOUR);
        turn.now = turn.now.after(HOUR);
        assert!(is_answered(turn));
    });
}

#[test]
fn a_link_of_before_the_last_start_brings_no_start_back() {
    in_turn(|state, turn| {
        let ben = Ben::new(state, turn);
        let (device, before) = (ben.person.device.device, turn.now);
        let mut starts = Starts::default();
        ben.says(state, turn, &ben.question(turn, 1, Vec::new())).unwrap();
        turn.now = turn.now.after(SECOND);
        ben.says(state, turn, &ben.question(turn, 2, Vec::new())).unwrap();
        assert_eq!(turn.told::<DeliveryNotice>(), [DeliveryNotice::StartHeard(device)], "once as long as it waits");
        starts.note(state, &device, turn.now);
        starts.met(state, turn, &device, Nonce([1; 16]), before).unwrap();
        assert_eq!(ben.last(state), (2, None));
        starts.met(state, turn, &device, Nonce([2; 16]), turn.now.after(SECOND)).unwrap();
        assert_eq!(ben.last(state), (2, None));
        starts.met(state, turn, &device, Nonce([1; 16]), turn.now.after(SECOND)).unwrap();
        assert_eq!(ben.last(state), (1, Some(2)));
    });
}

#[test]
fn an_answer_waits_for_the_start_that_asked_and_for_no_other() {
    in_turn(|state, turn| {
        let ben = Ben::new(state, turn);
        let mut standings = Standings::default();
        let asked = ben.says(state, turn, &ben.question(turn, 1, Vec::new())).unwrap().unwrap();
        standings.follow(state, turn, vec![(ben.person.device.device, asked)]).unwrap();
        assert!(ben.row(state).channel.answering.is_some());
        let starts = Starts::default();
        starts.met(state, turn, &ben.person.device.device, Nonce([1; 16]), turn.now).unwrap();
        assert!(ben.row(state).channel.answering.is_some());
        starts.met(state, turn, &ben.person.device.device, Nonce([2; 16]), turn.now).unwrap();
        assert!(ben.row(state).channel.answering.is_none());
    });
}

#[test]
fn of_each_device_only_so_many_starts_are_remembered() {
    in_turn(|state, turn| {
        let ben = Ben::new(state, turn);
        for start in 1..100 {
            ben.says(state, turn, &ben.question(turn, start, Vec::new())).unwrap();
        }
        assert_eq!(ben.row(state).instances.as_ref().unwrap().len(), INSTANCES_HEARD_MAX);
        assert_eq!((ben.last(state), turn.told::<DeliveryNotice>().len()), ((99, None), 1));
    });
}

#[test]
fn a_question_of_a_run_that_is_over_which_a_relay_brings_late_is_passed_over() {
    in_turn(|state, turn| {
        let mut ben = Ben::new(state, turn);
        let early = ben.question(turn, 1, Vec::new());
        turn.now = turn.now.after(HOUR);
        let late = ben.question(turn, 2, Vec::new());
        ben.is_left = true;
        assert!(ben.says(state, turn, &late).unwrap().is_some());
        assert!(matches!(ben.says(state, turn, &early), Err(Rejected::Drop(DropReason::Repeated))));
        assert_eq!(ben.last(state), (2, None), "it is neither noted nor answered");
        // In that run, but after the other one began: both are at work.
        let after = Standing { at: turn.now.after(SECOND), ..early.clone() };
        assert!(ben.says(state, turn, &after).unwrap().is_some());
        assert_eq!(ben.last(state), (1, None));
        // On a link its sender is there.
        ben.is_left = false;
        assert!(ben.says(state, turn, &ben.question(turn, 3, Vec::new())).unwrap().is_some());
        assert!(ben.says(state, turn, &Standing { nonce: Nonce([9; 16]), ..early }).unwrap().is_some());
        // The clock of that device was years ahead: its last start is none to go by.
        ben.is_left = true;
        turn.now = Timestamp(turn.now.0 + 2_000 * DAY);
        let ahead = ben.question(turn, 4, Vec::new());
        turn.now = Timestamp(turn.now.0 - 2_000 * DAY);
        ben.says(state, turn, &ahead).unwrap();
        ben.says(state, turn, &ben.question(turn, 5, Vec::new())).unwrap();
        assert_eq!(ben.last(state), (5, None));
        // Nor is what it left at a relay taken for a later one.
        ben.says(state, turn, &Standing { nonce: Nonce([8; 16]), ..ahead }).unwrap();
        assert_eq!(ben.last(state), (5, None));
    });
}

#[test]
fn after_an_update_between_accept_and_confirm_the_asker_reads_that_nobody_can_say_whether_it_came() {
    in_turn(|state, turn| {
        let id = RequestId::random(turn.rng);
        // What an older build has stored of an Offer cannot be read any more.
        let row = Request { offer: vec![0xff; 8], status: RequestStatus::Accepted, ..Request::blank(turn, id, Direction::Out) };
        state.save_request(turn, row);
        begin_again(state, turn).unwrap();
        let row = &state.requests[&id];
        assert_eq!((row.status, row.fault), (RequestStatus::Accepted, Some(Fault::Older)));
    });
}

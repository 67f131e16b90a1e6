#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::in_turn;
use crate::seam::Action;

fn request(number: u8) -> RequestId {
    RequestId([number; 16])
}

fn ids() -> Vec<LookupId> {
    (0..3).map(|number| LookupId([number; 32])).collect()
}

fn dialled(turn: &mut Turn<'_>) -> Vec<DialId> {
    let dials = turn.out.actions.drain(..).filter_map(|action| match action {
        Action::Net(NetAction::Dial(dial, _)) => Some(dial),
        Action::Net(_) | Action::Announce(_) | Action::Reply(..) => None,
    });
    dials.collect()
}

fn found(id: LookupId, record: Option<Vec<u8>>) -> Vec<u8> {
    Frame::Found(Found { id, record }).encode()
}

#[test]
fn nodes_are_called_within_a_bound_once_for_each_request_and_given_up_in_time() {
    in_turn(|_, turn| {
        let mut calls = Calls::default();
        for number in 0..FINDS_MAX as u8 + 5 {
            for _ in 0..2 {
                calls.call(turn, request(number), &[vec![Address(vec![1])]], &ids());
            }
        }
        calls.call(turn, request(99), &[Vec::new()], &ids());
        assert_eq!(dialled(turn).len(), FINDS_MAX);
        turn.now = calls.next_due().unwrap();
        calls.tick(turn);
        assert_eq!((calls.next_due(), calls.dials.len()), (None, 0));
    });
}

#[test]
fn several_nodes_are_called_for_one_request_and_all_of_them_within_the_bound() {
    in_turn(|_, turn| {
        let mut calls = Calls::default();
        let nodes = |count: u8| -> Vec<Vec<Address>> { (0..count).map(|number| vec![Address(vec![number])]).collect() };
        calls.call(turn, request(1), &nodes(3), &ids());
        assert_eq!(dialled(turn).len(), 3);
        calls.call(turn, request(1), &nodes(3), &ids());
        assert_eq!(dialled(turn).len(), 0, "that is under way");
        calls.call(turn, request(2), &nodes(u8::MAX), &ids());
        assert_eq!(dialled(turn).len(), FINDS_MAX - 3);
    });
}

#[test]
fn who_has_nothing_is_told_from_who_answers_in_part_and_a_talker_is_hung_up_on() {
    in_turn(|_, turn| {
        let mut calls = Calls::default();
        let link = |turn: &mut Turn<'_>, calls: &mut Calls, number: u8| {
            calls.call(turn, request(number), &[vec![Address(vec![1])]], &ids());
            let dial = dialled(turn)[0];
            calls.link_up(turn, LinkId(u64::from(number)), dial);
            LinkId(u64::from(number))
        };
        let at = link(turn, &mut calls, 1);
        assert!(calls.frame(turn, at, &found(ids()[0], None)).is_none());
        assert!(calls.frame(turn, at, &found(ids()[0], None)).is_none(), "said already");
        assert!(calls.frame(turn, at, &found(LookupId([9; 32]), Some(vec![1]))).is_none(), "nobody has asked for it");
        assert!(calls.frame(turn, at, &found(ids()[1], None)).is_none());
        assert!(matches!(calls.frame(turn, at, &found(ids()[2], None)), Some(Heard::Nothing(of)) if of == request(1)));
        assert!(!calls.has_link(at));

        let at = link(turn, &mut calls, 2);
        assert!(matches!(calls.frame(turn, at, &found(ids()[0], Some(vec![7]))), Some(Heard::Record(id, _)) if id == ids()[0]));
        assert!(calls.frame(turn, at, &found(ids()[1], None)).is_none());
        assert!(calls.frame(turn, at, &found(ids()[2], None)).is_none(), "something was there");

        let at = link(turn, &mut calls, 3);
        for _ in 0..BODY_FRAMES_MAX {
            assert!(calls.has_link(at));
            assert!(calls.frame(turn, at, &[7; 100]).is_none());
        }
        assert!(!calls.has_link(at));
    });
}

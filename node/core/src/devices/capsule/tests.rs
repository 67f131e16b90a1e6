#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::fixture::{NOW, in_turn, own_relay};
use crate::seam::Action;
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::SECOND;

const LINK: LinkId = LinkId(7);

/// A relay that keeps our mailbox, and words that were shown.
fn ready(state: &mut State, turn: &mut Turn<'_>) -> MailboxId {
    let relay = own_relay(state, turn, 3).id();
    let own = state.own.relay_mailboxes.get(&relay).unwrap().clone();
    state.save_relay_mailbox(turn, OwnRelayMailbox { kept: Some(true), ..own });
    state.own.backup_key = Some(Secret::from_bytes([4; 32]));
    relay
}

fn sent(turn: &mut Turn<'_>) -> Vec<Frame> {
    let frame = |action| {
        let Action::Net(NetAction::Send(LINK, bytes)) = action else { return None };
        Some(Frame::decode(&bytes).unwrap())
    };
    std::mem::take(&mut turn.out.actions).into_iter().filter_map(frame).collect()
}

/// The dial of the visit that is due now.
fn dialled(capsules: &mut Capsules, state: &State, turn: &mut Turn<'_>) -> DialId {
    capsules.follow(state, turn).unwrap();
    turn.now = capsules.next_due().unwrap();
    capsules.follow(state, turn).unwrap();
    let dial = |action| if let Action::Net(NetAction::Dial(dial, _)) = action { Some(dial) } else { None };
    std::mem::take(&mut turn.out.actions).into_iter().find_map(dial).expect("the relay is called")
}

fn answer(relay: &MailboxId, signer: u8, owner: PublicKeyBytes, version: u64, verdict: Verdict) -> Vec<u8> {
    let body = AcceptedBody { version, entries: 0, entries_max: 0, bytes: 0, bytes_max: 0, verdict, owner, at: NOW };
    Frame::Accepted(Accepted::sign(&SigningKey::from_seed(&[signer; 32]), relay, &body)).encode()
}

#[test]
fn nothing_is_left_while_nobody_has_seen_the_words_or_at_a_relay_that_keeps_nothing() {
    in_turn(|state, turn| {
        let relay = ready(state, turn);
        let key = state.own.backup_key.take();
        let mut capsules = Capsules::default();
        capsules.follow(state, turn).unwrap();
        assert_eq!(capsules.next_due(), None);
        state.own.backup_key = key;
        capsules.follow(state, turn).unwrap();
        assert_eq!(capsules.next_due(), Some(NOW.after(10 * SECOND)));
        let own = state.own.relay_mailboxes.get(&relay).unwrap().clone();
        state.save_relay_mailbox(turn, OwnRelayMailbox { kept: Some(false), ..own });
        capsules.follow(state, turn).unwrap();
        assert_eq!(capsules.next_due(), None);
    });
}

#[test]
fn a_mailbox_is_made_stocked_and_asked_once_more_and_then_all_is_left() {
    in_turn(|state, turn| {
        let relay = ready(state, turn);
        let owner = CapsuleKeys::new(state.own.backup_key.as_ref().unwrap()).owner(&relay, 0).public();
        let mut capsules = Capsules::default();
        let dial = dialled(&mut capsules, state, turn);
        capsules.link_up(turn, LINK, dial);
        assert!(matches!(sent(turn).as_slice(), [Frame::Session(session)] if session.owner == owner));
        capsules.frame(turn, LINK, &answer(&relay, 3, owner, 0, Verdict::Refused));
        assert!(matches!(sent(turn).as_slice(), [Frame::Update(update)] if update.owner == owner));
        capsules.frame(turn, LINK, &answer(&relay, 3, owner, 1, Verdict::Ok));
        assert!(matches!(sent(turn).as_slice(), [Frame::Session(_)]));
        capsules.frame(turn, LINK, &answer(&relay, 3, owner, 1, Verdict::Ok));
        let frames = sent(turn);
        assert!(
            matches!(frames.as_slice(), [Frame::Stock(stock), Frame::Session(_)] if stock.owner == owner && stock.last.is_some()),
            "{frames:?}"
        );
        assert_eq!(capsules.view(state, turn.now).unwrap().relays, (0, 1), "not before it was answered");
        capsules.frame(turn, LINK, &answer(&relay, 3, owner, 1, Verdict::Ok));
        assert_eq!(capsules.view(state, turn.now).unwrap().relays, (1, 1));
        assert!(!capsules.has_link(LINK));
        assert_eq!(capsules.next_due(), Some(turn.now.after(CAPSULE_EVERY)));
    });
}

#[test]
fn where_a_relay_had_no_room_for_the_capsule_it_is_not_said_to_lie_there_and_is_tried_again() {
    in_turn(|state, turn| {
        let relay = ready(state, turn);
        let owner = CapsuleKeys::new(state.own.backup_key.as_ref().unwrap()).owner(&relay, 0).public();
        let mut capsules = Capsules::default();
        let dial = dialled(&mut capsules, state, turn);
        capsules.link_up(turn, LINK, dial);
        capsules.frame(turn, LINK, &answer(&relay, 3, owner, 1, Verdict::Ok));
        assert!(sent(turn).iter().any(|frame| matches!(frame, Frame::Stock(_))));
        capsules.frame(turn, LINK, &answer(&relay, 3, owner, 1, Verdict::Full));
        assert!(!capsules.has_link(LINK));
        assert_eq!(capsules.view(state, turn.now).unwrap().relays, (0, 1));
        assert_eq!(capsules.next_due(), Some(turn.now.after(CAPSULE_FAILED)));
    });
}

#[test]
fn what_another_relay_says_or_of_another_mailbox_moves_nothing_and_is_not_listened_to_for_ever() {
    in_turn(|state, turn| {
        let relay = ready(state, turn);
        let owner = CapsuleKeys::new(state.own.backup_key.as_ref().unwrap()).owner(&relay, 0).public();
        let mut capsules = Capsules::default();
        let dial = dialled(&mut capsules, state, turn);
        capsules.link_up(turn, LINK, dial);
        sent(turn);
        for count in 1..=CAPSULE_FRAMES_MAX {
            assert!(capsules.has_link(LINK), "after {count} frames");
            let said = match count % 3 {
                0 => answer(&relay, 9, owner, 0, Verdict::Refused),
                1 => answer(&relay, 3, PublicKeyBytes([1; 32]), 0, Verdict::Refused),
                _ => vec![1, 2, 3],
            };
            capsules.frame(turn, LINK, &said);
        }
        assert!(!capsules.has_link(LINK) && sent(turn).is_empty());
        assert_eq!(capsules.next_due(), Some(turn.now.after(CAPSULE_FAILED)));
    });
}

#[test]
fn a_relay_that_is_silent_gone_or_has_no_room_is_tried_again_later() {
    in_turn(|state, turn| {
        let relay = ready(state, turn);
        let owner = CapsuleKeys::new(state.own.backup_key.as_ref().unwrap()).owner(&relay, 0).public();
        let mut capsules = Capsules::default();
        for case in 0..4 {
            let dial = dialled(&mut capsules, state, turn);
            match case {
                0 => capsules.dial_failed(turn, dial),
                1 => {
                    capsules.link_up(turn, LINK, dial);
                    capsules.link_down(turn, LINK);
                }
                2 => {
                    capsules.link_up(turn, LINK, dial);
                    capsules.frame(turn, LINK, &answer(&relay, 3, owner, 0, Verdict::Full));
                }
                _ => {
                    capsules.link_up(turn, LINK, dial);
                    turn.now = capsules.next_due().unwrap();
                    capsules.follow(state, turn).unwrap();
                }
            }
            assert!(!capsules.has_dial(dial) && !capsules.has_link(LINK), "case {case}");
            assert_eq!(capsules.next_due(), Some(turn.now.after(CAPSULE_FAILED)), "case {case}");
        }
    });
}

#[test]
fn a_friend_of_whom_much_changes_brings_a_visit_every_ten_minutes_at_most() {
    in_turn(|state, turn| {
        ready(state, turn);
        let mut capsules = Capsules::default();
        let dial = dialled(&mut capsules, state, turn);
        capsules.dial_failed(turn, dial);
        let (failed, mut visits) = (turn.now, 0);
        while turn.now.since(failed) < CAPSULE_AGAIN + 2 * CAPSULE_SOON {
            turn.now = turn.now.after(SECOND);
            turn.out.overheard.push(Event::Friend(state.own.peer));
            capsules.follow(state, turn).unwrap();
            visits += std::mem::take(&mut turn.out.actions).len();
        }
        assert_eq!(visits, 1);
    });
}

//! What receipts make of an envelope, by its policy alone.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::{NOW, in_turn};
use crate::table::Table;
use symbolon_presence::id::{FrameId, RequestId, RoomId};
use symbolon_presence::time::DAY;

const DEVICE: DeviceId = DeviceId([7; 16]);
const MAILBOX: MailboxId = MailboxId([6; 32]);
const REQUEST: RequestId = RequestId([1; 16]);
const LATER: Timestamp = Timestamp(NOW.0 + DAY);

/// What is said of a row: what its owner hears, and what is left of the row.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    AsBefore,
    WithCopy,
    Nothing,
}

fn after(owner: EnvelopeOwner, settle: impl FnOnce(&mut State, &mut Turn<'_>) -> Option<Settled>) -> (Option<Fate>, Left) {
    let mut found = None;
    in_turn(|state, turn| {
        let frame = FrameId([1; 32]);
        let row = OutboxRow { frame, owner, via: None, envelope: vec![1], sequence: None, stored: None, room: None, inner: None };
        turn.put(Table::Outbox, &outbox::outbox_key(&DEVICE, 5), &row);
        let fate = settle(state, turn).map(|settled| {
            let fate = settled.fate;
            settled.close(state, turn).unwrap();
            fate
        });
        let left = match outbox::row(turn, &DEVICE, 5).unwrap() {
            None => Left::Nothing,
            Some(row) if row.stored.is_some() => Left::WithCopy,
            Some(_) => Left::AsBefore,
        };
        found = Some((fate, left));
    });
    found.unwrap()
}

fn by_recipient(owner: EnvelopeOwner, outcome: Outcome) -> (Option<Fate>, Left) {
    let item = Acknowledged { device: DEVICE, number: 5, frame: FrameId([1; 32]), outcome, at: NOW };
    after(owner, |state, turn| Delivery::default().settle(state, turn, &item).unwrap())
}

fn by_relay(owner: EnvelopeOwner, outcome: Outcome) -> (Option<Fate>, Left) {
    after(owner, |_, turn| of_copy(turn, MAILBOX, DEVICE, 5, outcome).unwrap())
}

#[test]
fn a_text_is_kept_until_its_recipient_has_opened_it() {
    let text = || EnvelopeOwner::Text(RoomId([8; 32]), 3);
    assert_eq!(by_relay(text(), Outcome::Stored(LATER)), (Some(Fate::Stored), Left::WithCopy));
    assert_eq!(by_recipient(text(), Outcome::Stored(LATER)), (None, Left::AsBefore));
    assert_eq!(by_recipient(text(), Outcome::Delivered), (Some(Fate::Delivered), Left::Nothing));
    assert_eq!(by_recipient(text(), Outcome::Refused(Refusal::Refused)), (Some(Fate::Refused(Refusal::Refused)), Left::Nothing));
}

#[test]
fn a_list_of_receipts_is_kept_until_a_relay_has_it() {
    for owner in [EnvelopeOwner::Receipts, EnvelopeOwner::Standing, EnvelopeOwner::Answer] {
        assert_eq!(by_relay(owner.clone(), Outcome::Stored(LATER)), (Some(Fate::Stored), Left::Nothing));
        assert_eq!(by_recipient(owner, Outcome::Stored(LATER)), (Some(Fate::Delivered), Left::Nothing));
    }
}

#[test]
fn a_step_is_kept_until_its_recipients_own_mailbox_has_it() {
    for owner in [EnvelopeOwner::Offer(REQUEST), EnvelopeOwner::Accept(REQUEST), EnvelopeOwner::Confirm(REQUEST)] {
        assert_eq!(by_relay(owner.clone(), Outcome::Stored(LATER)), (Some(Fate::Stored), Left::WithCopy));
        assert_eq!(by_recipient(owner, Outcome::Stored(LATER)), (Some(Fate::Delivered), Left::Nothing));
    }
}

#[test]
fn a_relay_says_of_nothing_that_it_was_delivered_or_refused() {
    for outcome in [Outcome::Delivered, Outcome::Refused(Refusal::Refused), Outcome::Refused(Refusal::UsedUp), Outcome::Stored(NOW)] {
        for owner in [EnvelopeOwner::Mark, EnvelopeOwner::Offer(REQUEST)] {
            assert_eq!(by_relay(owner, outcome), (None, Left::AsBefore), "{outcome:?}");
        }
    }
}

#[test]
fn what_may_find_room_keys_or_the_right_time_later_waits() {
    let mark = || EnvelopeOwner::Mark;
    assert_eq!(by_recipient(mark(), Outcome::Refused(Refusal::Full)), (None, Left::AsBefore));
    assert_eq!(by_recipient(mark(), Outcome::Refused(Refusal::Stale)), (None, Left::AsBefore));
    assert_eq!(by_recipient(mark(), Outcome::Refused(Refusal::Untimely)), (Some(Fate::Untimely), Left::AsBefore));
}

//! What of the intake is bounded, and for whom.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::{Person, in_turn};
use symbolon_presence::id::{MailboxId, PublicKeyBytes};
use symbolon_presence::time::{EARLIEST, HOUR};

/// A relay of ours.
fn relay(number: u8) -> DepotKey {
    (MailboxId([number; 32]), PublicKeyBytes([number; 32]))
}

/// An entry of a queue of ours there.
fn entry(number: u64, queue: Queue, grant: GrantId, envelope: &[u8]) -> Deposit {
    Deposit { number, grant, queue, usage: None, envelope: envelope.to_vec() }
}

#[test]
fn a106_a_standing_that_came_while_the_clock_was_behind_is_remembered_as_long_as_any() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 2);
        let (mut intake, mut delivery) = (Intake::default(), Delivery::default());
        turn.now = EARLIEST.after(HOUR);
        let envelope = ben.question(state, turn);
        let deposit = entry(1, Queue::Direct, GrantId([1; 16]), &envelope);
        intake.deposit(state, &mut delivery, turn, relay(1), &deposit).unwrap();
        assert_eq!(state.standings.len(), 1);
        turn.now = turn.sure;
        crate::sweep_seen(turn, &mut Vec::new()).unwrap();
        intake.deposit(state, &mut delivery, turn, relay(1), &deposit).unwrap();
        assert_eq!(state.standings.len(), 1, "once");
    });
}

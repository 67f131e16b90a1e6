//! After a revocation: another transport key.
//!
//! A former friend knows the circuit at which a relay forwards to this node, and the transport key
//! in it. So the node takes another key and another reservation. Friends hear of it first: the
//! transport says which circuits it will have ([`NetAction::Rekey`] with false), a greeting takes them
//! to everybody who is here, and once all have signed for it, or after [`REKEY_PATIENCE`], the
//! transport begins again under the new key ([`NetAction::Rekey`] with true). All links end then; what
//! was on the way is put again on the next ones.

use crate::delivery::Delivery;
use crate::limits::REKEY_PATIENCE;
use crate::seam::NetAction;
use crate::turn::Turn;
use symbolon_presence::time::Timestamp;

/// Where a change of the transport key stands.
#[derive(Debug, Default)]
pub(crate) struct Rekey {
    /// The latest moment for the change that is under way.
    due: Option<Timestamp>,
    /// Whether friends know where this node will be.
    is_told: bool,
    /// Somebody else was taken out since: they may know it.
    again: bool,
}

impl Rekey {
    /// Somebody has been taken out.
    pub fn begin(&mut self, turn: &mut Turn<'_>) {
        if self.due.is_some() {
            self.again |= self.is_told;
            return;
        }
        *self = Self { due: Some(turn.now.after(REKEY_PATIENCE)), is_told: false, again: false };
        turn.act(NetAction::Rekey(false));
    }

    /// The transport has said where this node is, or will be.
    pub fn placed(&mut self) {
        self.is_told = self.due.is_some();
    }

    /// When the change is due at the latest.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Changes the key when everybody who is here knows, or has had their time.
    pub fn close_turn(&mut self, turn: &mut Turn<'_>, delivery: &Delivery) {
        let Some(due) = self.due else { return };
        let is_known = self.is_told && !delivery.is_greeting();
        if !is_known && turn.now < due {
            return;
        }
        turn.act(NetAction::Rekey(true));
        let again = self.again;
        *self = Self::default();
        if again {
            self.begin(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::in_turn;
    use crate::seam::Action;

    #[test]
    fn the_key_changes_once_friends_know_where_the_node_will_be() {
        in_turn(|_, turn| {
            let (mut rekey, delivery) = (Rekey::default(), Delivery::default());
            rekey.begin(turn);
            assert_eq!(turn.out.actions.pop_front(), Some(Action::Net(NetAction::Rekey(false))));
            rekey.close_turn(turn, &delivery);
            assert_eq!(turn.out.actions.pop_front(), None, "nobody knows yet where that will be");
            rekey.placed();
            rekey.close_turn(turn, &delivery);
            assert_eq!(turn.out.actions.pop_front(), Some(Action::Net(NetAction::Rekey(true))));
            rekey.close_turn(turn, &delivery);
            assert_eq!((turn.out.actions.pop_front(), rekey.next_due()), (None, None));
        });
    }

    #[test]
    fn it_changes_after_its_time_whatever_friends_say() {
        in_turn(|_, turn| {
            let (mut rekey, delivery) = (Rekey::default(), Delivery::default());
            rekey.begin(turn);
            turn.out.actions.clear();
            turn.now = rekey.next_due().unwrap();
            rekey.close_turn(turn, &delivery);
            assert_eq!(turn.out.actions.pop_front(), Some(Action::Net(NetAction::Rekey(true))));
        });
    }

    #[test]
    fn who_is_taken_out_after_they_were_told_makes_it_change_again() {
        in_turn(|_, turn| {
            let (mut rekey, delivery) = (Rekey::default(), Delivery::default());
            rekey.begin(turn);
            rekey.begin(turn);
            rekey.placed();
            rekey.begin(turn);
            turn.out.actions.clear();
            rekey.close_turn(turn, &delivery);
            let done: Vec<_> = turn.out.actions.drain(..).collect();
            assert_eq!(done, [Action::Net(NetAction::Rekey(true)), Action::Net(NetAction::Rekey(false))]);
            rekey.placed();
            rekey.close_turn(turn, &delivery);
            assert_eq!(turn.out.actions.pop_front(), Some(Action::Net(NetAction::Rekey(true))));
            rekey.close_turn(turn, &delivery);
            assert_eq!(turn.out.actions.pop_front(), None);
        });
    }
}

//! What is told of outboxes, and of the ways to those for whom something waits.

use crate::notice::DeliveryNotice;
use crate::turn::Turn;

/// Some copies at relays do not count any more.
pub(crate) fn copies_lost(turn: &mut Turn<'_>) {
    turn.tell(DeliveryNotice::CopiesLost);
}

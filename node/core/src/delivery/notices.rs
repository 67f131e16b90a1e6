//! What those above have done to outboxes and counters: announced here, and heard by the machines of this module.

use crate::notice::DeliveryNotice;
use crate::turn::Turn;
use symbolon_presence::id::DeviceId;

/// Something new lies in a device's outbox, or may go now.
pub(crate) fn queued(turn: &mut Turn<'_>, device: &DeviceId) {
    turn.tell(DeliveryNotice::Queued(*device));
}

/// Rows of a device's outbox have changed, or the key by which they are put.
pub(crate) fn rows_changed(turn: &mut Turn<'_>, device: &DeviceId) {
    turn.tell(DeliveryNotice::RowsChanged(*device));
}

/// Some copies at relays do not count any more.
pub(crate) fn copies_lost(turn: &mut Turn<'_>) {
    turn.tell(DeliveryNotice::CopiesLost);
}

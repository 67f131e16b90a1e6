//! What is remembered of envelopes that were taken in: their repeats are answered the same.

use symbolon_presence::id::DeviceId;
use symbolon_presence::time::Timestamp;
use symbolon_relay::put::{Outcome, Refusal};

/// Behind the time of an envelope that was taken in and refused.
const SEEN_REFUSED: u8 = 1;

/// What is remembered of an envelope taken in; without a sender, nobody hears of a repeat.
pub(super) fn seen(at: Timestamp, outcome: Outcome, sender: Option<&DeviceId>) -> Vec<u8> {
    let mut row = at.0.to_be_bytes().to_vec();
    row.push(if outcome == Outcome::Delivered { 0 } else { SEEN_REFUSED });
    row.extend_from_slice(sender.map(|sender| sender.as_bytes().as_slice()).unwrap_or_default());
    row
}

/// Who is to hear of a repeat.
pub(super) fn seen_sender(seen: &[u8]) -> Option<DeviceId> {
    seen.get(9..).and_then(DeviceId::from_slice)
}

/// What became of an envelope the first time: a repeat gets the same answer.
pub(super) fn seen_outcome(seen: &[u8]) -> Outcome {
    if seen.get(8) == Some(&SEEN_REFUSED) { Outcome::Refused(Refusal::Refused) } else { Outcome::Delivered }
}

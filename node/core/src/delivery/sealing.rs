//! Sealing: what waits for a device is wrapped under its newest seed when somebody takes it.
//!
//! At most [`FAR_AHEAD`](symbolon_presence::seeds::FAR_AHEAD) counters beyond the highest that was acknowledged are sealed: so far a receiver looks. What
//! was sealed is put again as the same bytes, as long as the device has said no newer seed; then it is sealed again.

use super::outbox::{self, OutboxRow};
use crate::notice::DeliveryNotice;
use crate::rows::{Device, Inner, Outbound, Wrapper};
use crate::state::State;
use crate::turn::Turn;
use rand_core::Rng;
use symbolon_presence::envelope::frame_id;
use symbolon_presence::id::{DeviceId, FrameId};
use symbolon_presence::seal::NONCE;

/// Seals what waits for one device. What it has used up is kept by [`Self::keep`], in the same turn.
pub(crate) struct Sealer {
    outbound: Option<Outbound>,
    has_sealed: bool,
    /// So much is without acknowledgement that something has to wait.
    is_full: bool,
}

impl Sealer {
    pub fn of(device: &Device) -> Self {
        Self { outbound: device.channel.outbound.clone(), has_sealed: false, is_full: false }
    }

    /// Whether anything can be sealed: a seed is known, and it was not used too far.
    pub fn can_seal(&mut self) -> bool {
        let Some(outbound) = &self.outbound else { return false };
        let is_full = outbound.is_full();
        self.is_full |= is_full;
        !is_full
    }

    /// A row as it goes out; none when it must wait.
    pub fn ready(&mut self, turn: &mut Turn<'_>, device: &DeviceId, number: u64, row: &OutboxRow) -> Option<OutboxRow> {
        let Some(inner) = &row.inner else { return Some(row.clone()) };
        let newest = self.outbound.as_ref()?.number;
        if let Some(wrapper) = inner.wrapper.as_ref().filter(|wrapper| wrapper.seed == newest) {
            return Some(OutboxRow { envelope: wrapper.key.seal(&wrapper.nonce, &inner.payload).ok()?, ..row.clone() });
        }
        let (wrapper, envelope) = self.seal(turn, &inner.payload)?;
        let row = OutboxRow { frame: frame_id(&envelope), inner: Some(Inner { wrapper: Some(wrapper), ..inner.clone() }), ..row.clone() };
        outbox::note(turn, device, number, &row);
        Some(OutboxRow { envelope, ..row })
    }

    /// Seals a payload under the next counter.
    pub fn seal(&mut self, turn: &mut Turn<'_>, payload: &[u8]) -> Option<(Wrapper, Vec<u8>)> {
        if !self.can_seal() {
            return None;
        }
        let outbound = self.outbound.as_mut()?;
        let mut nonce = [0; NONCE];
        turn.rng.fill_bytes(&mut nonce);
        let key = outbound.ratchet.turn();
        self.has_sealed = true;
        let envelope = key.seal(&nonce, payload).ok()?;
        Some((Wrapper { seed: outbound.number, key, nonce }, envelope))
    }

    /// Notes what was used up.
    pub fn keep(self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId) {
        if self.is_full {
            turn.tell(DeliveryNotice::Unacknowledged(*device));
        }
        if self.has_sealed
            && let Some(channel) = state.channel_mut(device)
        {
            channel.outbound = self.outbound;
        }
    }
}

/// Whether nothing more can be sealed for a device before it has acknowledged something.
pub(crate) fn is_full(state: &State, device: &DeviceId) -> bool {
    state.devices.get(device).and_then(|row| row.channel.outbound.as_ref()).is_some_and(Outbound::is_full)
}

/// A device has opened the envelope that a row was last sealed as. What had to wait may proceed.
pub(super) fn acknowledged(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, row: &OutboxRow, frame: &FrameId) {
    let wrapper = row.inner.as_ref().and_then(|inner| inner.wrapper.as_ref()).filter(|_| row.frame == *frame);
    if let Some(wrapper) = wrapper {
        opened(state, turn, device, wrapper.seed, wrapper.key.counter.saturating_add(1));
    }
}

/// A device has opened all that it will of our envelopes below a counter.
pub(crate) fn opened(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, seed: u64, next: u64) {
    let is_news = |outbound: &Outbound| outbound.number == seed && next > outbound.acknowledged && next <= outbound.ratchet.next();
    let Some(outbound) = state.devices.get(device).and_then(|row| row.channel.outbound.as_ref()).filter(|known| is_news(known)) else {
        return;
    };
    let was_full = outbound.is_full();
    if let Some(outbound) = state.channel_mut(device).and_then(|channel| channel.outbound.as_mut()) {
        outbound.acknowledged = next;
    }
    if was_full {
        super::notices::queued(turn, device);
    }
}

#[cfg(test)]
mod tests;

//! What one row of the outbox holds: an envelope that this node owns, and how it is put.

use super::care::{Care, Copy, LONG};
use super::owner::EnvelopeOwner;
use crate::rows::{Device, Inner};
use crate::wire::{Contact, RelayMailbox};
use minicbor::{Decode, Encode};
use symbolon_presence::envelope::frame_id;
use symbolon_presence::id::{DeviceId, FrameId, Nonce, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_relay::put::{MailboxEntry, Put};

/// How long a mailbox may keep what we put, in seconds: 30 days.
pub(crate) const TTL: u32 = 30 * 24 * 3600;

/// One envelope in the outbox.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct OutboxRow {
    /// The id of the envelope as it was sealed last.
    #[n(0)]
    pub frame: FrameId,
    #[n(1)]
    pub owner: EnvelopeOwner,
    /// How it may be written; absent for a friend's queue.
    #[n(2)]
    pub via: Option<Via>,
    /// A first envelope. Of what is sealed when it goes, empty in the store.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub envelope: Vec<u8>,
    /// The number of an ordered frame.
    #[n(4)]
    pub sequence: Option<u64>,
    /// The copy that a relay has signed for.
    #[n(5)]
    pub stored: Option<Copy>,
    /// The room of an ordered frame; absent in rows of an older build, which are all of the friendship's present room.
    #[n(6)]
    pub room: Option<RoomId>,
    /// What goes in a known envelope.
    #[n(7)]
    pub inner: Option<Inner>,
}

/// The right to write to somebody who is no friend yet.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Via {
    #[n(0)]
    pub entry: MailboxEntry,
    #[n(1)]
    pub key: Secret,
    #[n(2)]
    pub usage: Option<Nonce>,
    #[n(3)]
    pub relay_mailboxes: Vec<RelayMailbox>,
}

impl Via {
    pub fn contact(contact: &Contact, usage: Option<Nonce>) -> Self {
        Self { entry: contact.entry.clone(), key: contact.key.clone(), usage, relay_mailboxes: contact.relay_mailboxes.clone() }
    }
}

impl OutboxRow {
    /// Whether what it holds is written once, however it is cared for: a page of the store would not hold many of it.
    pub fn is_long(&self) -> bool {
        self.inner.as_ref().map_or(self.envelope.len(), |inner| inner.payload.len()) > LONG
    }

    pub(super) fn care(&mut self, care: Care) {
        (self.frame, self.stored) = (care.frame, care.stored);
        if let Some(inner) = &mut self.inner {
            inner.wrapper = care.wrapper;
        }
    }

    /// Another room message in the place of this one. A copy of the old one at a relay is none of it.
    pub fn with(self, owner: EnvelopeOwner, inner: Inner) -> Self {
        Self { sequence: self.sequence, room: self.room, ..row_of(owner, inner) }
    }
}

/// A row with something to be sealed.
pub(super) fn row_of(owner: EnvelopeOwner, inner: Inner) -> OutboxRow {
    // Nobody gets an envelope with this id.
    let frame = frame_id(&inner.payload);
    OutboxRow { frame, owner, via: None, envelope: Vec::new(), sequence: None, stored: None, room: None, inner: Some(inner) }
}

/// The key of an outbox row.
pub(crate) fn outbox_key(device: &DeviceId, number: u64) -> Vec<u8> {
    [device.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

/// Whether anything gives the right to write a row to its device.
pub(crate) fn has_way(row: &OutboxRow, device: &Device) -> bool {
    row.via.is_some() || device.put.is_some()
}

/// The put that carries a row to a device; none when nothing gives the right to write there.
pub(crate) fn put_for(row: &OutboxRow, device: &Device) -> Option<Put> {
    let (address, key, usage) = match &row.via {
        Some(via) => (via.entry.address.clone(), via.key.clone(), via.usage),
        None => (device.entry.address.clone(), device.put.clone()?, None),
    };
    Put::known(address, &key, TTL, usage, row.envelope.clone(), row.frame)
}

/// The mailboxes at relays where a row can be left for a device.
pub(crate) fn relay_mailboxes_of<'a>(row: &'a OutboxRow, device: &'a Device) -> &'a [RelayMailbox] {
    row.via.as_ref().map_or(device.relay_mailboxes.as_slice(), |via| via.relay_mailboxes.as_slice())
}

/// The put that leaves a row at a relay.
pub(crate) fn put_at(row: &OutboxRow, mailbox: &RelayMailbox) -> Option<Put> {
    let usage = row.via.as_ref().and_then(|via| via.usage);
    Put::known(mailbox.entry.address.clone(), &mailbox.key, TTL, usage, row.envelope.clone(), row.frame)
}

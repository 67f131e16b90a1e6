//! The rows of the store that are neither core's nor the relay machine's: what a node must know
//! of its folder before its machine is loaded.

use crate::store::{Store, StoreError};
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{Shelf, ShelfMut};
use symbolon_presence::kdf::Secret;

/// The row of [`Table::Meta`] with the listen port that was drawn once (2 bytes, big-endian).
const PORT_ROW: &[u8] = b"port";
/// The row of [`Table::Meta`] that says that the operator of a relay has named this port (1 byte, 1).
const PORT_NAMED_ROW: &[u8] = b"port named";
/// The row of [`Table::Meta`] with what a relay announces, as multiaddr texts, one a line.
const ANNOUNCE_ROW: &[u8] = b"announce";
/// The row of [`Table::Meta`] with the seed of a relay's transport key.
const TRANSPORT_ROW: &[u8] = b"transport";
/// The row of [`Table::Meta`] that says whether rooms may have their hub here (1 byte, 0 or 1).
const HUB_ROW: &[u8] = b"hub";
/// The row of [`Table::Meta`] that a person's folder has.
const IDENTITY_ROW: &[u8] = b"identity";
/// The row of [`Table::Meta`] that a relay's folder has: its keys.
pub(crate) const RELAY_ROW: &[u8] = b"relay";

/// What must be known of a store before its machine is loaded.
pub(crate) struct Kept {
    /// The listen port that was drawn once.
    pub port: Option<u16>,
    /// Whether the operator has named it: then no other one stands in for it.
    pub is_port_named: bool,
    /// The transport key that was drawn once: a relay's.
    pub transport: Option<Secret>,
    /// Where a relay is reached, as its owner said last.
    pub announce: Vec<String>,
    /// Whether rooms may have their hub here, as its owner said last.
    pub is_hub: bool,
    /// Whether it is a relay's.
    pub is_relay: bool,
    /// Whether it is a person's.
    pub is_person: bool,
    /// Whether it is a copy that is to become a device of its own.
    pub moves: bool,
}

impl Kept {
    pub(crate) fn read(store: &Store) -> Result<Self, StoreError> {
        let turn = store.begin()?;
        let row = |name| turn.get(Table::Meta, name).map_err(|error| StoreError::Failed(error.0));
        let (port, transport, announce) = (row(PORT_ROW)?, row(TRANSPORT_ROW)?, row(ANNOUNCE_ROW)?);
        let has = |name| row(name).is_ok_and(|row| row.is_some());
        let is_port_named = row(PORT_NAMED_ROW)?.is_some_and(|row| row == [1]);
        let is_hub = row(HUB_ROW)?.is_some_and(|row| row == [1]);
        let (is_relay, is_person) = (has(RELAY_ROW), has(IDENTITY_ROW));
        let moves = symbolon_core::moves(&turn).map_err(|error| StoreError::Failed(error.0))?;
        turn.rollback();
        Ok(Self {
            moves,
            port: port.and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes),
            is_port_named,
            transport: transport.and_then(|bytes| bytes.try_into().ok()).map(Secret::from_bytes),
            announce: announce
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .map_or_else(Vec::new, |text| text.lines().map(str::to_owned).collect()),
            is_hub,
            is_relay,
            is_person,
        })
    }

    pub(crate) fn write_port(store: &Store, port: u16) -> Result<(), StoreError> {
        Self::write(store, PORT_ROW, port.to_be_bytes().to_vec())
    }

    pub(crate) fn write_port_named(store: &Store) -> Result<(), StoreError> {
        Self::write(store, PORT_NAMED_ROW, vec![1])
    }

    pub(crate) fn write_transport(store: &Store, key: &Secret) -> Result<(), StoreError> {
        Self::write(store, TRANSPORT_ROW, key.expose().to_vec())
    }

    pub(crate) fn write_announce(store: &Store, announce: &[String]) -> Result<(), StoreError> {
        Self::write(store, ANNOUNCE_ROW, announce.join("\n").into_bytes())
    }

    pub(crate) fn write_hub(store: &Store, is_hub: bool) -> Result<(), StoreError> {
        Self::write(store, HUB_ROW, vec![u8::from(is_hub)])
    }

    fn write(store: &Store, row: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        let mut turn = store.begin()?;
        let change = Change::Put(Table::Meta, row.to_vec(), value);
        turn.apply(&change).map_err(|error| StoreError::Failed(error.0))?;
        turn.commit()
    }
}

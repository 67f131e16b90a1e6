//! Room encryption by MLS (RFC 9420): OpenMLS behind the core's [`RoomCipher`].
//!
//! | module | holds |
//! |---|---|
//! | [`limits`] | every number that OpenMLS is configured with, and our own bounds |
//! | `crypto` | OpenMLS's crypto provider for the one ciphersuite |
//! | `rows` | rows, and the write-back cache over those of the store |
//! | `storage`, `split` | OpenMLS's storage provider on that cache; what of a room's secrets changes with each text |
//! | `room` | what we remember of a room beside OpenMLS's own rows; the cache of groups |
//! | `epoch` | the name of an epoch |
//! | `extensions` | the room state in an epoch's context, the queue in a KeyPackage |
//! | `cipher` | [`MlsCipher`]: the [`RoomCipher`] itself |
//!
//! It is not a place for protocol: who may join and what a credential means is the core's.
//!
//! [`RoomCipher`]: symbolon_core::world::RoomCipher

mod cipher;
mod crypto;
mod epoch;
mod extensions;
pub mod limits;
mod pack;
mod room;
mod rows;
mod signature;
mod split;
mod storage;
#[cfg(test)]
mod tests;

pub use cipher::MlsCipher;
pub use crypto::{Crypto, NoRandomness};
pub use epoch::epoch_id;
pub use rows::{MemoryRows, MlsRows, RowsError};

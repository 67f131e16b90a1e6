//! Identity, deterministic codec, seals, signatures and envelopes of Symbolon.
//!
//! This crate is pure: no clock, no randomness, no file, no socket. Time and random
//! numbers are passed in by the caller.
//!
//! | module | holds | protocol page |
//! |---|---|---|
//! | [`id`] | the fixed-length identifiers and their text form | `docs/protocol/encoding.md` |
//! | [`codec`] | deterministic CBOR (RFC 8949, section 4.2) | `docs/protocol/encoding.md` |
//! | [`labels`] | every domain-separation label | `docs/protocol/encoding.md` |
//! | [`kdf`] | hashing and key derivation | `docs/protocol/encoding.md` |
//! | [`sign`] | strict Ed25519 signatures over bytes as received | `docs/protocol/identity.md` |
//! | [`seal`] | HPKE with X25519, and AEAD | `docs/protocol/envelope.md` |
//! | [`kem`] | HPKE with X-Wing: X25519 and ML-KEM-768 | `docs/protocol/envelope.md` |
//! | [`identity`] | root key, Peer ID, device certificate | `docs/protocol/identity.md` |
//! | [`words`] | fingerprint words | `docs/protocol/identity.md` |
//! | [`envelope`] | the two kinds of envelope, padding | `docs/protocol/envelope.md` |
//! | [`friendship`] | keys that the friendship secret yields | `docs/protocol/connection.md` |
//! | [`lan`] | where a node says it is on a LAN | `docs/protocol/lan.md` |
//! | [`tree`] | broadcast encryption by subset difference | `docs/protocol/presence.md` |
//! | [`blocks`] | which friend has which leaves | `docs/protocol/presence.md` |
//! | [`blind`] | blinded keys | `docs/protocol/presence.md` |
//! | [`generation`] | what the owner and a reader hold; the ratchet | `docs/protocol/presence.md` |
//! | [`wrapping`] | the secrets of one version, for two classes of readers | `docs/protocol/presence.md` |
//! | [`header`] | who may read | `docs/protocol/presence.md` |
//! | [`body`] | where somebody is | `docs/protocol/presence.md` |
//! | [`capsule`] | what the recovery phrase finds at relays | `docs/protocol/recovery.md` |
//! | [`record`] | what lookup stores see | `docs/protocol/lookup.md` |
//! | [`posted`] | contact records for anyone who knows a Peer ID | `docs/protocol/lookup.md` |
//! | [`address`] | network addresses, opaque | |
//! | [`time`] | timestamps and the allowed clock skew | |
//! | [`clock`] | sure time: by what may be erased | `docs/protocol/encoding.md` |

pub mod address;
pub mod blind;
pub mod blocks;
pub mod body;
pub mod capsule;
pub mod clock;
pub mod codec;
pub mod device_list;
pub mod envelope;
pub mod friendship;
pub mod generation;
pub mod header;
pub mod id;
pub mod identity;
pub mod invite;
pub mod kdf;
pub mod kem;
pub mod labels;
pub mod lan;
pub mod posted;
pub mod record;
pub mod seal;
pub mod seeds;
pub mod sign;
pub mod time;
pub mod tree;
pub mod words;
pub mod wrapping;

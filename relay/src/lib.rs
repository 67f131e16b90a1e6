//! What a Symbolon node does for others: it keeps mailboxes.
//!
//! This crate is pure: no clock, no randomness, no file, no socket. Every node runs it, for
//! its own user first: *every node is its own mailbox*. To deliver is to `put` a sealed
//! envelope into a mailbox of the recipient, and the mailbox answers with a signed receipt
//! once the envelope is durable.
//!
//! | module | holds |
//! |---|---|
//! | [`admission`] | every check of a Put before anything is stored |
//! | [`frame`] | the frames of `/symbolon/mailbox/1` |
//! | [`grant`] | who may write to which queue: sealed addresses and their keys |
//! | [`hub`], [`knock`] | the hub of rooms: knocks from newcomers to members, and what these say |
//! | [`limits`] | bounds of what travels |
//! | [`link`] | a relay's link and its claim code |
//! | [`lookup`] | the messages of `/symbolon/lookup/1` |
//! | [`machine`] | the relay: mailboxes kept for others |
//! | [`packages`] | what friends may take from a mailbox |
//! | [`prove`] | who is behind a link |
//! | [`put`] | Put, Receipt, and how a mailbox is reached |
//! | [`records`] | records left with a relay or a friend |
//! | [`session`] | what passes between a relay and a mailbox's owner |
//! | [`signed`] | what a signature about a mailbox covers |
//!
//! The protocol page is `docs/protocol/mailbox.md`.

/// Types whose content must reach no log say their name only.
macro_rules! opaque_debug {
    ($($name:ident)*) => {$(
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

/// Messages of their own streams: how they are written, and read when they are no longer than this and within their bounds.
macro_rules! messages {
    ($most:expr, $is_bounded:expr; $($name:ident)*) => {$(
        impl $name {
            /// The message's bytes.
            pub fn encode(&self) -> Vec<u8> {
                symbolon_presence::codec::encode(self)
            }

            /// Reads a message of at most [`MESSAGE_MAX`] bytes.
            pub fn decode(bytes: &[u8]) -> Result<Self, symbolon_presence::codec::CodecError> {
                let message: Self = symbolon_presence::codec::decode(bytes, $most)?;
                let is_bounded: fn(&Self) -> bool = $is_bounded;
                if is_bounded(&message) { Ok(message) } else { Err(symbolon_presence::codec::CodecError::Malformed) }
            }
        }
    )*};
}

pub mod admission;
pub mod carry;
pub mod frame;
pub mod grant;
pub mod hub;
pub mod knock;
pub mod limits;
pub mod link;
pub mod lookup;
pub mod machine;
pub mod packages;
pub mod prove;
pub mod put;
pub mod records;
pub mod session;
pub mod signed;

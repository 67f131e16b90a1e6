//! Relays: mailboxes at relays, our friends' and our own.
//!
//! An envelope whose recipient cannot be reached is left, unchanged, at one of the
//! recipient's relays. The relay's signed receipt makes it `stored`, nothing more: the
//! outbox owns it until the recipient says that it arrived, and leaves it again once the
//! copy has lived three quarters of its life. From our own relays we fetch what others left
//! for us; an entry is deleted there once it is settled on our disk.
//!
//! A session per relay holds at most one link. A relay is believed as far as its receipt
//! key goes: that it stores, and what it stores; never that somebody has read it.

mod calls;
mod copies;
mod leave;
mod own;
mod packages;
mod receipts;
mod sessions;

pub(crate) use own::{add, claim, remove};
pub(crate) use receipts::{Arrived, Signed};
pub(crate) use sessions::Relays;

#[cfg(test)]
mod tests;

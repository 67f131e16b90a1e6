//! Delivery: links, dialling, and getting the outbox acknowledged.
//!
//! A session per device holds at most one link. While the link is up, envelopes are put in
//! outbox order with at most [`WINDOW`] of them unacknowledged; a signed receipt takes them
//! out. Without a receipt for [`RECEIPT_TIMEOUT`] the link is given up and dialled again,
//! after a pause that doubles; sooner, once the device has proved to be behind a newer link,
//! which then takes over. Nothing on a link is believed because of the link: receipts
//! carry the mailbox's signature, envelopes their own seals. Who is behind it is another
//! question: [`prove`] answers it, and only then room frames go there, and the device counts
//! as online.

pub(crate) mod before;
mod call;
mod care;
pub(crate) mod couriers;
pub(crate) mod fate;
mod feed;
pub(crate) mod line;
mod link;
mod links;
pub(crate) mod notices;
pub(crate) mod outage;
pub(crate) mod outbox;
pub(crate) mod owner;
mod proofs;
mod prove;
mod pump;
mod punch;
mod receipts;
pub(crate) mod rekey;
pub(crate) mod relays;
mod row;
pub(crate) mod sealing;
pub(crate) mod seeds;
pub(crate) mod starts;
pub(crate) mod tags;
pub(crate) mod ways;
pub(crate) mod young;

pub(crate) use links::{Acknowledged, Delivery, Entries, Origin, Up};

#[cfg(test)]
mod tests;

//! Intake: from a frame on a link to the machine it is meant for.
//!
//! The order of checks is the order of trust: form, the mailbox's admission, the seal, the
//! binding to this device and package, then the machine. What fails is dropped and counted.
//! Ordered frames of a device are opened in the order of sealing; early ones wait in memory
//! and are not acknowledged, so their sender still owns them.

mod again;
mod desk;
mod early;
mod first;
mod given;
mod inside;
mod known;
mod opener;
mod opening;
mod outcome;
mod put;
mod seen;
mod told;
mod unopened;

pub(crate) use desk::{Desks, Intake};
pub(crate) use outcome::{signed, tell};

#[cfg(test)]
mod tests;

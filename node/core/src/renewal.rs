//! Renewal: who of two devices is behind what the other one has seen of it, and the room made again.
//!
//! An older copy of a folder that is put back cannot know alone that it is one: it has every
//! reason to continue. So devices of friends say to each other, sealed to the keys of their
//! certificates, how far they have read each other, and a device that hears of more than it has
//! sent, or that it has acknowledged what it does not have, has the room of that
//! friendship made again. `docs/protocol/renewal.md`.
//!
//! | file | does |
//! |---|---|
//! | `standings`, `account` | what is said to friends' devices, when, and how it is made |
//! | `judge` | what their word means |
//! | `rivals` | other copies of this folder that are at work |
//! | `room` | the room that is made again |
//! | `lifelines`, `reach` | who is given a lifeline, and when those of friends are used |
//! | `outgrown` | friendships that an older build made |
//! | `friends` | whom all this concerns |

mod account;
mod friends;
mod judge;
mod lifelines;
mod outgrown;
mod reach;
mod rivals;
mod room;
mod standings;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use account::{Lasts, reply_contact};
pub(crate) use judge::{Came, Question, receive};
pub(crate) use lifelines::learn as learn_lifeline;
pub(crate) use outgrown::begin_again;
pub(crate) use room::{needs_word, receive_offer};
pub(crate) use standings::Standings;

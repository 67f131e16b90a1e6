//! Invites: the ways in that we have handed out, and the rights that go with them.
//!
//! | file | holds |
//! |---|---|
//! | `contact` | links and contact records: who somebody is, and how to write to them |
//! | `mint` | invites of ours, from minting to forgetting |
//! | `owners` | who has given out the grant by which a first envelope comes |
//! | `grants` | how long the right to answer a request is good |

pub mod contact;
pub(crate) mod grants;
mod mint;
pub(crate) mod owners;

pub(crate) use mint::{Minted, USES_MAX, contact_record, forget_expired, invite, is_own_wish, mint_for, withdraw};

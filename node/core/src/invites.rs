//! Invites: the ways in that we have handed out, and the rights that go with them.
//!
//! | file | holds |
//! |---|---|
//! | `link`, `place` | the link of an invite, and the places in it |
//! | `contact` | contact records: who somebody is, and how to write to them |
//! | `mint` | invites of ours, from minting to forgetting |
//! | `bodies` | what is fetched by a link |
//! | `cards` | room cards: by which people come to knock |
//! | `owners` | who has given out the grant by which a first envelope comes |
//! | `grants` | how long the right to answer a request is good |
//! | `lifelines` | the right to write that is left when all keys have changed |

pub(crate) mod bodies;
pub mod cards;
pub mod contact;
pub(crate) mod grants;
pub(crate) mod lifelines;
pub mod link;
mod mint;
pub(crate) mod owners;
pub mod place;

pub(crate) use mint::{
    Minted, USES_MAX, contact_record, forget_expired, forget_older, invite, is_own_wish, mint_for, mint_in_room, minted, note_spoiled,
    pairing, take_back, used, withdraw,
};

//! The order of commits in a shared room, and how a room heals that was cut: the rules alone, over what the caller knows.
//! No state of the core, no cipher, no turn. The protocol page is `docs/protocol/rooms.md`.
//!
//! There is no server that says which commit came first. So every rule is a function of what every member of the parent
//! epoch knows, never of when something arrived and never of bytes that a committer chooses. Users and their devices
//! (leaves) are counted apart: who has eight devices has one voice.

mod changes;
mod finality;
mod rank;
mod rights;
mod wishes;

pub use changes::{Act, Commit, Effect, Refused};
pub use finality::{Branch, Ear, is_final, may_resend, strongest};
pub use rank::{Committer, Rival, doubles, winner};
pub(super) use rights::to_add;
pub use rights::{Right, may};
pub use wishes::{Ended, Past, Verdict, What, Wish, judge, next};

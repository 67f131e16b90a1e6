//! Conversations: what is written and read.
//!
//! | file | does |
//! |---|---|
//! | `texts` | a text from writing to reading |
//! | `held`, `expiry` | texts that wait; texts that are given up |
//! | `marks` | what was read in shared rooms at another device of ours |
//! | `history`, `search` | looking at what is stored; finding it by words |
//! | `lacking` | what one side lacks that came back from an older copy |

mod expiry;
mod held;
pub(crate) mod history;
mod lacking;
mod marks;
pub(crate) mod search;
mod texts;

pub(crate) use expiry::{expire, next_expiry};
pub(crate) use held::{Held, release_held};
pub(crate) use lacking::{compare, known_texts, resend};
pub(crate) use marks::read_elsewhere_in_rooms;
pub(crate) use texts::{
    Copied, copy, copy_in, copy_shared, delivered, forget, got, is_empty, is_flood, mark_read, note_line, receive, send, send_in,
};

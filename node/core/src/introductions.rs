//! Introductions: a common friend brings two together.
//!
//! The introducer tells both who the other is, under its signature. Each of them answers or
//! does not; a no is shown to nobody. Who will be asked mints, with the yes, a way in that is
//! good for the asker alone and needs no second question. Once both have agreed the
//! introducer hands it to the asker, whose node then asks for friendship by it. From then on
//! the introducer is out of it: it learns neither whether they became friends nor where they
//! are, and may be off.
//!
//! | file | does |
//! |---|---|
//! | `introducer` | what the common friend does |
//! | `introduced` | what the two others do |
//! | `rows` | what both need |

mod introduced;
mod introducer;
mod rows;

pub(crate) use introduced::{accept, card, certified, expire, ignore, receive};
pub(crate) use introducer::{cancel, consented, introduce};
pub(crate) use rows::is_late;

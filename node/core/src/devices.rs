//! Own devices: several nodes of one person. The protocol page is `docs/protocol/devices.md`.
//!
//! Each device is a node like any other, under a Peer ID of its own that its certificate ties to the person. Two devices of
//! one person are friends of each other; so are each of them and each device of a friend. What one of them learns and does it
//! says to the others, and they do the same. Nothing is decided by a clock.
//!
//! | file | does |
//! |---|---|
//! | `pairing` | the first device certifies a further one that asks by a code |
//! | `persons` | how the person stands to others, agreed among devices |
//! | `sync` | what devices say to each other |
//! | `hear` | what other devices have said |
//! | `asks` | a new device asks friends' devices for friendships |
//! | `returned` | a friend's further device asks for one |
//! | `renewal` | the first device renews the certificates of the others |
//! | `backup`, `restore` | what a device knows, in sealed parts; a fresh folder that becomes a device by it |
//! | `phrase` | the words from which the root key comes |
//! | `removal` | a device is ours no more |
//! | `shut` | one device of a friend is shut out |

mod asks;
mod backup;
mod hear;
mod pairing;
mod persons;
mod phrase;
mod removal;
mod renewal;
mod restore;
mod returned;
mod shut;
mod sync;

pub(crate) use backup::{Made, part};
pub(crate) use hear::hear;
pub(crate) use pairing::{certify, join, joined, pair};
pub(crate) use phrase::{confirm_phrase, phrase};
pub(crate) use removal::{gone, remove};
pub(crate) use renewal::sweep;
pub(crate) use restore::restore;
pub(crate) use returned::{asked_by_sibling, returned};
pub(crate) use shut::shut_out;
pub(crate) use sync::Devices;

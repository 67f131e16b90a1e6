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
//! | `texts` | what they are shown of each other's texts |
//! | `shared` | the same about shared rooms: which there are, their texts, what was read |
//! | `settings` | what the user has set, the same on all devices |
//! | `drafts` | what the user has typed and not sent |
//! | `speak` | how one device speaks to another one |
//! | `hear` | what other devices have said |
//! | `asks` | a new device asks friends' devices for friendships |
//! | `returned` | a friend's further device asks for one |
//! | `renewal` | the first device renews the certificates of the others |
//! | `backup`, `restore` | what a device knows, in sealed parts; a fresh folder that becomes a device by it |
//! | `capsule` | what the words alone need, left at our relays |
//! | `phrase` | the words from which the root key comes |
//! | `removal` | a device is ours no more |
//! | `listed`, `keeping` | which devices a person has, by their second root key: what is known, and how it comes to be |
//! | `shut` | one device of a friend is shut out |

mod asks;
mod backup;
mod capsule;
mod drafts;
mod hear;
mod keeping;
mod listed;
mod pairing;
mod persons;
mod phrase;
mod removal;
mod renewal;
mod restore;
mod returned;
mod settings;
mod shared;
mod shut;
mod speak;
mod sync;
mod texts;

pub(crate) use backup::{Made, part};
pub(crate) use capsule::Capsules;
pub(crate) use drafts::{all as drafts, sent as draft_sent, write as write_draft};
pub(crate) use hear::hear;
pub(crate) use keeping::{heard as listed, keep};
pub(crate) use pairing::{certify, join, joined, pair};
pub(crate) use phrase::{confirm_phrase, relays_of_phrase, show_phrase};
pub(crate) use removal::{gone, remove};
pub(crate) use renewal::sweep;
pub(crate) use restore::{become_own, restore};
pub(crate) use returned::{asked_by_sibling, returned};
pub(crate) use settings::{Setting, set as set_setting};
pub(crate) use shared::is_elsewhere;
pub(crate) use shut::shut_out;
pub(crate) use sync::Devices;

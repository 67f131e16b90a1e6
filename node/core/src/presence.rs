//! Presence: where somebody is, published for friends and read by them.
//!
//! | file | does |
//! |---|---|
//! | `readers` | who may read our records, and how somebody is taken out |
//! | `publisher` | makes and publishes our records |
//! | `resolver` | reads friends' records |
//! | `record_server` | keeps friends' records for others, and answers look-ups |
//! | `lookup_servers` | lookup servers of our own, and those of friends |
//! | `finder` | finds people of whom only the Peer ID is known |
//! | `lan` | which of the nodes that the LAN shows are friends' |
//!
//! The protocol pages are `docs/protocol/presence.md`, `lookup.md` and `lan.md`.

mod finder;
mod lan;
pub(crate) mod lookup_servers;
mod publisher;
mod readers;
mod record_server;
mod resolver;

pub(crate) use finder::Finder;
pub(crate) use lan::Lan;
pub(crate) use lookup_servers::LookupServers;
pub(crate) use publisher::{Publisher, remember_servers, set_findable};
pub(crate) use readers::{begin_above, end, grant, hide, renew, revoke};
pub(crate) use record_server::{RecordServer, leave_with_friends};
pub(crate) use resolver::{Resolver, Source};

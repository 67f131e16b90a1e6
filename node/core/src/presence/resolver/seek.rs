//! One friend's records being read: what was asked for, of whom, and what is still to come.

use super::pace::Why;
use crate::limits::{SEEK_DEADLINE, SEEK_SERVERS_DEADLINE};
use crate::seam::LinkId;
use std::collections::BTreeSet;
use symbolon_presence::id::LookupId;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::Timestamp;

/// Who is asked, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Our lookup servers and the friend's.
    Servers,
    Dht,
    /// All friends' nodes: only when nobody else has had a record for some time, as a common
    /// friend learns by it who looks for whom.
    Friends,
}

/// One friend's records being read.
#[derive(Debug)]
pub(super) struct Seek {
    pub why: Why,
    pub pass: Pass,
    /// Days still to be tried, the last one first.
    pub days: Vec<u32>,
    pub day: u32,
    /// The header, which is listened for to the end: who answers first may show an old one. None while the body is
    /// looked for by what an earlier header wrapped.
    pub header: Option<Asked>,
    /// Of the newest header opened.
    pub version: u64,
    /// The body, once a header was opened, with what that wrapped.
    pub body: Option<(Asked, Secret)>,
    pub deadline: Timestamp,
    /// Whether a body was taken, and whether one was newer than what was known.
    pub found: bool,
    pub is_newer: bool,
    /// Whether the body by what the last header wrapped was found before the header was looked for.
    pub is_known: bool,
}

impl Seek {
    /// What was asked for: the header, and the body once it is known where that lies.
    pub fn asked(&self) -> impl Iterator<Item = &Asked> {
        self.header.iter().chain(self.body.iter().map(|(body, _)| body))
    }
}

/// What is to be looked for next.
pub(super) struct Next {
    pub why: Why,
    pub pass: Pass,
    pub days: Vec<u32>,
    pub is_known: bool,
}

impl Pass {
    /// How long an answer may take, in milliseconds.
    pub fn deadline(self) -> u64 {
        if self == Self::Servers { SEEK_SERVERS_DEADLINE } else { SEEK_DEADLINE }
    }
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The DHT or lookup servers, whichever the transport was to ask.
    Servers,
    /// A node on a link.
    Link(LinkId),
}

/// Something that was asked for, and who has not answered yet: each has one answer.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub id: LookupId,
    pub awaits_servers: bool,
    pub links: BTreeSet<LinkId>,
}

impl Asked {
    pub fn answered(&mut self, id: &LookupId, source: Source) {
        match source {
            _ if self.id != *id => {}
            Source::Servers => self.awaits_servers = false,
            Source::Link(link) => {
                self.links.remove(&link);
            }
        }
    }

    pub fn is_answered(&self) -> bool {
        !self.awaits_servers && self.links.is_empty()
    }
}

/// The days for which somebody's record may be valid now, the likeliest last: clocks differ,
/// around midnight a friend may be a day ahead of us, or behind.
pub(super) fn days_about(today: u32) -> Vec<u32> {
    vec![today.saturating_add(1), today.saturating_sub(1), today]
}

//! Packages at relays: our own are left there, and those of friends asked for. What is to be left and asked for is said by
//! those above.

use super::own::owner_key;
use super::sessions::*;
use crate::command::RelayState;
use crate::rows::{OwnRelayMailbox, RelayKey};
use crate::seam::NetAction;
use crate::turn::Turn;
use crate::wire::RelayMailbox;
use symbolon_relay::frame::Frame;
use symbolon_relay::packages::{Fetch, Stock};

impl Relays {
    /// Whether a relay of ours is reached, and keeps our newest record.
    pub fn stands(&self, own: &OwnRelayMailbox) -> bool {
        let session = self.sessions.get(&(own.link.mailbox(), own.link.receipt));
        session.is_some_and(|session| {
            session.link.is_some() && session.own.state == RelayState::Connected && session.own.accepted == Some(own.version)
        })
    }

    /// Which record of ours a relay had when its link came up. Asked once for each link.
    pub fn take_found(&mut self, own: &OwnRelayMailbox) -> Option<u64> {
        self.sessions.get_mut(&(own.link.mailbox(), own.link.receipt))?.own.found.take()
    }

    /// Leaves packages at a relay of ours, in place of those before.
    pub fn stock(&mut self, turn: &mut Turn<'_>, own: &OwnRelayMailbox, version: u64, packages: Vec<Vec<u8>>, last: Vec<u8>) {
        let key = (own.link.mailbox(), own.link.receipt);
        if let Some(link) = self.sessions.get(&key).and_then(|session| session.link) {
            let stock = Stock::sign(&owner_key(own), &key.0, version, packages, Some(last));
            *self.sent.entry("stock").or_default() += 1;
            turn.act(NetAction::Send(link, Frame::Stock(stock).encode()));
        }
    }

    /// Asks a relay for a package, if it is reached.
    pub fn ask_package(&mut self, turn: &mut Turn<'_>, key: &RelayKey, fetch: impl FnOnce(&mut Turn<'_>) -> Fetch) -> bool {
        let Some(session) = self.sessions.get_mut(key).filter(|session| !session.is_replaced()) else { return false };
        let Some(link) = session.link else { return false };
        if !session.own.is_own {
            // It stays until there was time for the answer.
            session.deadline = session.deadline.max(Some(turn.now.after(IDLE)));
        }
        let fetch = fetch(turn);
        *self.sent.entry("fetch").or_default() += 1;
        turn.act(NetAction::Send(link, Frame::Fetch(fetch).encode()));
        true
    }

    /// A relay is wanted because a friend's packages lie there.
    pub fn want(&mut self, turn: &mut Turn<'_>, mailbox: &RelayMailbox) {
        self.asked.insert(key_of(mailbox));
        self.call(turn, mailbox);
    }

    /// Nobody asks a relay for packages any more.
    pub fn unwant(&mut self, key: &RelayKey) {
        self.asked.remove(key);
    }

    /// How many relays are asked for packages.
    #[cfg(test)]
    pub fn asked_relays(&self) -> usize {
        self.asked.len()
    }
}

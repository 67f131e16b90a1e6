//! Running tallies that invariants are held against.

use super::run::{Ix, Sim};
use std::collections::{BTreeMap, BTreeSet};
use symbolon_core::command::{Command, MessageState, MessageView, Reply, Who};
use symbolon_core::seam::Event;
use symbolon_presence::id::MessageId;

/// What has happened so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// Messages accepted for sending: from, to, in order.
    pub sent: BTreeMap<(Ix, Ix), Vec<MessageId>>,
    /// Message events at each node.
    pub arrived: BTreeMap<Ix, Vec<MessageId>>,
    /// Frames put on the wire.
    pub frames: u64,
    /// Envelopes that relays have handed to their owners, repeats included.
    pub fetched: u64,
    /// Crashes.
    pub crashes: u64,
}

impl Tally {
    /// Notes the events of a turn.
    pub fn observe(&mut self, ix: Ix, events: &[Event]) {
        for event in events {
            if let Event::Message { message, .. } = event {
                self.arrived.entry(ix).or_default().push(*message);
            }
        }
    }
}

impl Sim {
    /// The whole history of a node, without marking it read. Faults are suspended meanwhile.
    pub fn history(&mut self, ix: Ix) -> Vec<MessageView> {
        let crash = std::mem::take(&mut self.faults.crash);
        let mut all: Vec<MessageView> = Vec::new();
        loop {
            let since = all.last().map(|message| message.message);
            let page = match self.command(ix, Command::Read { who: None, since, limit: None, peek: true }) {
                Ok(Reply::Messages(page)) => page,
                other => panic!("history is read: {}", other.is_ok()),
            };
            if page.is_empty() {
                self.faults.crash = crash;
                return all;
            }
            all.extend(page);
        }
    }

    /// Writes a message and notes it when it was accepted.
    pub fn say(&mut self, from: Ix, to: Ix, text: &str) -> Option<MessageId> {
        let who = Who(self.nodes[to].peer.to_string());
        match self.command(from, Command::Send { to: who, text: text.to_owned(), lifetime: None }) {
            Ok(Reply::Message(message)) => {
                self.tally.sent.entry((from, to)).or_default().push(message.message);
                Some(message.message)
            }
            _ => None,
        }
    }

    /// Holds every history against what was sent. `complete` also demands that everything
    /// accepted has arrived and is known to have.
    pub fn check(&mut self, complete: bool) {
        let sent = self.tally.sent.clone();
        for ix in 0..self.nodes.len() {
            if !self.nodes[ix].is_up() {
                continue;
            }
            let history = self.history(ix);
            let ids: BTreeSet<MessageId> = history.iter().map(|message| message.message).collect();
            assert_eq!(ids.len(), history.len(), "a message is shown once");
            for ((from, to), accepted) in &sent {
                if *to == ix {
                    let peer = self.nodes[*from].peer;
                    let got: Vec<MessageId> =
                        history.iter().filter(|message| message.from == peer).map(|message| message.message).collect();
                    let known: Vec<MessageId> = got.iter().filter(|id| accepted.contains(id)).copied().collect();
                    let expected: Vec<MessageId> = accepted.iter().filter(|id| got.contains(id)).copied().collect();
                    assert_eq!(known, expected, "messages arrive in sending order");
                    if complete {
                        assert_eq!(&known, accepted, "every accepted message arrives");
                    }
                }
                if *from == ix && self.nodes[*to].is_up() {
                    let there: BTreeSet<MessageId> = self.history(*to).iter().map(|message| message.message).collect();
                    for message in history.iter().filter(|message| accepted.contains(&message.message)) {
                        let told = matches!(message.state, MessageState::Delivered | MessageState::Read);
                        assert!(!told || there.contains(&message.message), "delivered is said only of what is on the other disk");
                        assert!(!complete || told, "what has arrived is known to have: {:?}", message.state);
                    }
                }
            }
        }
    }
}

//! What the users of simulated nodes do and see, in a line each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

use crate::sim::Faults;
use crate::sim::rows::{RequestRow, read};
use crate::sim::run::{Ix, Sim};
use std::collections::BTreeMap;
use symbolon_core::command::{
    Command, CommandError, Direction, FriendView, MessageState, MessageView, Reply, RequestStatus, RequestView, StatusView, Who,
};
use symbolon_core::contact::ContactRecord;
use symbolon_core::link::is_link;
use symbolon_core::seam::{Event, Warning};
use symbolon_core::table::Table;
use symbolon_core::world::Shelf;
use symbolon_presence::id::{MessageId, PeerId, RequestId, RoomId};
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};

/// All rows of all tables of a node.
pub type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

impl Sim {
    /// Makes an invite that is good for a day.
    pub fn invite(&mut self, ix: Ix) -> String {
        self.invite_for(ix, DAY)
    }

    /// Makes an invite.
    pub fn invite_for(&mut self, ix: Ix, lifetime: u64) -> String {
        match self.command(ix, Command::Invite { lifetime, no_ip: false, auto_accept: false }) {
            Ok(Reply::Invite { link, .. }) => link,
            other => panic!("an invite is made: {:?}", other.err()),
        }
    }

    /// Asks for friendship.
    pub fn ask(&mut self, ix: Ix, target: &str) -> Result<RequestId, CommandError> {
        match self.command(ix, Command::Add { target: target.to_owned(), note: Some("hi".into()) })? {
            Reply::Request(view) => {
                // As the command does: what an invite says is fetched first. Nobody is asked whether it is: that might fail.
                let waits = |sim: &mut Self| {
                    let row = sim.nodes[ix].store.get(Table::Request, view.request.as_bytes()).unwrap();
                    row.is_some_and(|row| read::<RequestRow>(&row).status == RequestStatus::Unresolved)
                };
                if is_link(target) {
                    self.run_until(2 * SECOND, |sim| !waits(sim));
                }
                Ok(view.request)
            }
            _ => panic!("`add` answers with a request"),
        }
    }

    /// All requests of a node, newest first.
    pub fn requests(&mut self, ix: Ix) -> Vec<RequestView> {
        match self.command(ix, Command::Requests) {
            Ok(Reply::Requests(rows)) => rows,
            other => panic!("requests are listed: {:?}", other.err()),
        }
    }

    /// One request.
    pub fn request(&mut self, ix: Ix, id: RequestId) -> RequestView {
        self.requests(ix).into_iter().find(|row| row.request == id).expect("the row is there")
    }

    /// The status of one request.
    pub fn status_of(&mut self, ix: Ix, id: RequestId) -> RequestStatus {
        self.request(ix, id).status
    }

    /// An incoming request that waits for the user.
    pub fn pending(&mut self, ix: Ix) -> Option<RequestId> {
        let rows = self.requests(ix);
        rows.iter().find(|row| row.direction == Direction::In && row.status == RequestStatus::Pending).map(|row| row.request)
    }

    /// Accepts a request.
    pub fn accept(&mut self, ix: Ix, id: RequestId) -> Result<RequestStatus, CommandError> {
        self.answer(ix, Command::Accept(id))
    }

    /// Sets a request aside.
    pub fn ignore(&mut self, ix: Ix, id: RequestId) -> Result<RequestStatus, CommandError> {
        self.answer(ix, Command::Ignore(id))
    }

    /// Blocks the sender of a request.
    pub fn block(&mut self, ix: Ix, id: RequestId) -> Result<RequestStatus, CommandError> {
        self.answer(ix, Command::Block(Who(id.to_string())))
    }

    /// Takes the block of a request's sender back.
    pub fn unblock(&mut self, ix: Ix, id: RequestId) -> Result<RequestStatus, CommandError> {
        self.answer(ix, Command::Unblock(Who(id.to_string())))
    }

    fn answer(&mut self, ix: Ix, command: Command) -> Result<RequestStatus, CommandError> {
        match self.command(ix, command)? {
            Reply::Request(view) => Ok(view.status),
            _ => panic!("an answer shows the request"),
        }
    }

    /// All friends of a node.
    pub fn friends(&mut self, ix: Ix) -> Vec<FriendView> {
        match self.command(ix, Command::Friends) {
            Ok(Reply::Friends(friends)) => friends,
            other => panic!("friends are listed: {:?}", other.err()),
        }
    }

    /// A friend's row.
    pub fn friend(&mut self, ix: Ix, peer: &PeerId) -> Option<FriendView> {
        self.friends(ix).into_iter().find(|friend| friend.id == *peer)
    }

    /// Whether both sides have confirmed, as far as this node knows.
    pub fn is_friend(&mut self, ix: Ix, peer: &PeerId) -> bool {
        self.friend(ix, peer).is_some_and(|friend| friend.mutual)
    }

    /// Whether two nodes hold each other for friends.
    pub fn are_friends(&mut self, a: Ix, b: Ix) -> bool {
        let (pa, pb) = (self.nodes[a].peer, self.nodes[b].peer);
        self.is_friend(a, &pb) && self.is_friend(b, &pa)
    }

    /// Two nodes become friends by an invite of the first.
    pub fn befriend(&mut self, a: Ix, b: Ix) {
        let link = self.invite(a);
        self.ask(b, &link).expect("the invite can be used");
        assert!(self.run_until(HOUR, |sim| sim.pending(a).is_some()), "the Offer arrives");
        let id = self.pending(a).expect("a row waits");
        self.accept(a, id).expect("the row can be accepted");
        assert!(self.run_until(HOUR, |sim| sim.are_friends(a, b)), "the connection completes");
    }

    /// Friends of the first one, and somewhere to look each other up.
    pub fn of_friends(seed: u64, names: &[&str]) -> Self {
        let mut sim = Self::new(seed, Faults::NONE);
        sim.lookup.is_there = true;
        for name in names {
            sim.add(name);
        }
        for other in 1..names.len() {
            sim.befriend(0, other);
        }
        sim.run_for(MINUTE);
        sim
    }

    /// What a node says of itself.
    pub fn report(&mut self, ix: Ix) -> StatusView {
        match self.command(ix, Command::Status) {
            Ok(Reply::Status(view)) => view,
            other => panic!("the status is shown: {:?}", other.err()),
        }
    }

    /// How many frames a node has dropped for a reason.
    pub fn dropped(&mut self, ix: Ix, reason: &str) -> u64 {
        self.report(ix).dropped_frames.iter().find(|(name, _)| *name == reason).map_or(0, |(_, count)| *count)
    }

    /// How far a message got.
    pub fn message_state(&mut self, ix: Ix, message: MessageId) -> MessageState {
        self.message(ix, message).state
    }

    /// One message.
    pub fn message(&mut self, ix: Ix, message: MessageId) -> MessageView {
        match self.command(ix, Command::Message(message)) {
            Ok(Reply::Message(view)) => view,
            other => panic!("the message is there: {:?}", other.err()),
        }
    }

    /// The texts of a node's history.
    pub fn texts(&mut self, ix: Ix) -> Vec<String> {
        self.history(ix).into_iter().map(|message| message.text).collect()
    }

    /// Two friends who share another room as well.
    pub fn with_two_rooms(seed: u64) -> (Self, RoomId) {
        let mut sim = Self::new(seed, Faults::NONE);
        let (a, b) = (sim.add("Andi"), sim.add("Ben"));
        sim.befriend(a, b);
        sim.run_for(MINUTE);
        let room = sim.share_room(a, b);
        (sim, room)
    }

    /// Two friends make a room beside that of their friendship: a test carries what they say from hand to hand.
    pub fn share_room(&mut self, a: Ix, b: Ix) -> RoomId {
        let (room, let_in) = self.enter_room(a, b);
        let_in(self);
        room
    }

    /// The same, but the second one has entered before the first one knows: the rest is done when the test says so.
    pub fn enter_room(&mut self, a: Ix, b: Ix) -> (RoomId, impl FnOnce(&mut Self) + use<>) {
        let (now, [at_a, at_b]) = (self.now, [a, b].map(|ix| self.nodes[ix].peer));
        let offered = self.nodes[a].with_core(|core, world| core.offer_room(now, world)).expect("a room is offered");
        let entering = self.nodes[b].with_core(|core, world| core.enter_room(now, at_a, &offered, world)).expect("the room is entered");
        (offered.room, move |sim: &mut Self| {
            let now = sim.now;
            let let_in = sim.nodes[a].with_core(|core, world| core.let_into_room(now, at_b, &offered, &entering, world));
            let_in.expect("the friend is let in");
            // What the turn has left to do is done with the next one.
            let _ = sim.command(a, Command::Requests);
        })
    }

    /// Writes into such a room; false when the node is down.
    pub fn write_in_room(&mut self, ix: Ix, room: RoomId, text: &str) -> bool {
        let now = self.now;
        if self.nodes[ix].is_up() {
            self.nodes[ix].with_core(|core, world| core.write_in_room(now, room, text, world)).expect("the store is there");
            // What the turn has left to do is done with the next one.
            let _ = self.command(ix, Command::Requests);
            return true;
        }
        false
    }

    /// How often a node's user was warned so.
    pub fn warnings(&self, ix: Ix, warning: Warning) -> usize {
        self.events[ix].iter().filter(|event| **event == Event::Warning(warning)).count()
    }

    /// How often a node's user was notified of a request.
    pub fn told_of(&self, ix: Ix, id: RequestId) -> usize {
        self.events[ix].iter().filter(|event| **event == Event::Request(id)).count()
    }

    /// The contact record that a node would publish now.
    pub fn contact_record(&mut self, ix: Ix) -> ContactRecord {
        let now = self.now;
        self.nodes[ix].with_core(|core, world| core.contact_record(now, world))
    }

    /// Everything durable at a node.
    pub fn rows(&self, ix: Ix) -> Rows {
        let store = &self.nodes[ix].store;
        let tables = Table::ALL.into_iter();
        tables.flat_map(|table| store.rows(table).map(move |(key, value)| ((table, key.clone()), value.clone()))).collect()
    }

    /// Ends a node's process and starts it again at once.
    pub fn restart(&mut self, ix: Ix) {
        self.crash(ix, 1);
        self.run_for(2);
        assert!(self.nodes[ix].is_up(), "the node is back");
    }
}

//! The state machines of a connection, an arrow a test: outgoing and incoming requests,
//! crossed requests, friendship. What is no arrow gives its own error and changes nothing.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "requests/crossed.rs"]
mod crossed;
#[path = "requests/found.rs"]
mod found;
#[path = "requests/friendship.rs"]
mod friendship;
#[path = "requests/healing.rs"]
mod healing;
#[path = "requests/incoming.rs"]
mod incoming;
#[path = "requests/invited.rs"]
mod invited;
#[path = "requests/outgoing.rs"]
mod outgoing;
#[path = "requests/revoked.rs"]
mod revoked;

use symbolon_presence::id::RequestId;
use symbolon_presence::time::MINUTE;
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

/// Two nodes; the second has asked the first, which has the row pending.
struct Pair {
    sim: Sim,
    a: Ix,
    b: Ix,
    /// The row at the one who was asked.
    incoming: RequestId,
    /// The row at the one who asks.
    outgoing: RequestId,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut sim = Sim::new(seed, Faults::NONE);
        let (a, b) = (sim.add("Andi"), sim.add("Ben"));
        let link = sim.invite(a);
        let outgoing = sim.ask(b, &link).unwrap();
        sim.run_for(MINUTE);
        let incoming = sim.pending(a).unwrap();
        Self { sim, a, b, incoming, outgoing }
    }

    /// The same, accepted while the two cannot reach each other.
    fn accepted_apart(seed: u64) -> Self {
        let mut pair = Self::new(seed);
        pair.sim.set_apart(pair.a, pair.b, true);
        pair.sim.run_for(MINUTE);
        pair.sim.accept(pair.a, pair.incoming).unwrap();
        pair.sim.run_for(MINUTE);
        pair
    }

    fn meet(&mut self) {
        self.sim.set_apart(self.a, self.b, false);
    }

    /// Both sides are friends, and a text goes each way.
    fn are_friends_and_talk(&mut self) {
        talk(&mut self.sim, self.a, self.b);
    }
}

/// Two nodes are friends, and texts go both ways.
fn talk(sim: &mut Sim, a: Ix, b: Ix) {
    assert!(sim.are_friends(a, b), "both hold each other for friends");
    let (one, two) = (sim.say(a, b, "one").unwrap(), sim.say(b, a, "two").unwrap());
    sim.run_for(60 * MINUTE);
    use symbolon_core::command::MessageState::{Delivered, Read};
    assert!(matches!(sim.message_state(a, one), Delivered | Read), "{:?}", sim.message_state(a, one));
    assert!(matches!(sim.message_state(b, two), Delivered | Read), "{:?}", sim.message_state(b, two));
    sim.check(true);
}

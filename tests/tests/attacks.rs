//! Attacks on a node, each through its real core: what a hostile peer sends, and that
//! nothing comes of it. A test is named after the row of the list of attacks it covers.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "attacks/answers.rs"]
mod answers;
#[path = "attacks/blocked.rs"]
mod blocked;
#[path = "attacks/bodies.rs"]
mod bodies;
#[path = "attacks/delivery.rs"]
mod delivery;
#[path = "attacks/devices.rs"]
mod devices;
#[path = "attacks/floods.rs"]
mod floods;
#[path = "attacks/garbage.rs"]
mod garbage;
#[path = "attacks/introductions.rs"]
mod introductions;
#[path = "attacks/invites.rs"]
mod invites;
#[path = "attacks/links.rs"]
mod links;
#[path = "attacks/offers.rs"]
mod offers;
#[path = "attacks/silence.rs"]
mod silence;

use symbolon_core::contact::VerifiedContact;
use symbolon_core::seam::LinkId;
use symbolon_presence::id::Nonce;
use symbolon_relay::put::{Outcome, Refusal};
use symbolon_tests::craft::people::Rows;
use symbolon_tests::craft::{Actor, outcomes};
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, Sim};

/// A node, a stranger who holds an invite of it, and the stranger's link.
struct Scene {
    sim: Sim,
    node: Ix,
    mallory: Actor,
    to: VerifiedContact,
    usage: Nonce,
    link: LinkId,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut sim = Sim::new(seed, Faults::NONE);
        let node = sim.add("Andi");
        let link = sim.invite(node);
        let to = sim.contact_of(&link);
        let mallory = Actor::new(seed + 100, sim.now);
        let link = sim.rogue_link(node);
        Self { sim, node, mallory, to, usage: Nonce([9; 16]), link }
    }

    /// Sends a frame; what its receipt says.
    fn send(&mut self, frame: Vec<u8>) -> Vec<Outcome> {
        outcomes(&self.sim.rogue_send(self.link, frame))
    }

    /// Sends a frame that must be refused by a receipt and change no row.
    fn refused(&mut self, frame: Vec<u8>, what: &str) {
        let before = self.rows();
        assert_eq!(self.send(frame), [Outcome::Refused(Refusal::Refused)], "{what}");
        assert!(self.rows() == before, "{what} changes nothing");
    }

    /// Sends a frame that must be put off by a receipt, as one of the clocks is wrong, and change no row.
    fn put_off(&mut self, frame: Vec<u8>, what: &str) {
        let before = self.rows();
        assert_eq!(self.send(frame), [Outcome::Refused(Refusal::Untimely)], "{what}");
        assert!(self.rows() == before, "{what} changes nothing");
    }

    /// Sends a frame that must be taken in.
    fn taken(&mut self, frame: Vec<u8>) {
        let outcomes = self.send(frame);
        assert!(matches!(outcomes.as_slice(), [Outcome::Stored(_)]), "{outcomes:?}");
    }

    fn rows(&self) -> Rows {
        self.sim.rows(self.node)
    }
}

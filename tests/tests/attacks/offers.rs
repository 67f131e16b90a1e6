//! Attacks by an Offer.

use symbolon_tests::craft::Actor;
use symbolon_tests::sim::{Faults, Sim};

#[test]
fn an_honest_actor_befriends_a_node_and_is_heard() {
    let mut sim = Sim::new(1, Faults::NONE);
    let a = sim.add("Andi");
    let mut ben = Actor::new(7, sim.now);
    let (bond, link) = ben.befriend(&mut sim, a);
    let frame = ben.say(&bond, "hello", sim.now);
    sim.rogue_send(link, frame);
    assert_eq!(sim.texts(a), ["hello"]);
}

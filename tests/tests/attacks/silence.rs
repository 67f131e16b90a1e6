//! What the one who asks can see of an answer that does not come: nothing.

use super::Scene;
use symbolon_core::command::{Command, RequestStatus};
use symbolon_core::seam::Input;
use symbolon_core::wire::OfferBody;
use symbolon_presence::id::Nonce;
use symbolon_presence::time::{DAY, HOUR, MINUTE, Timestamp};
use symbolon_relay::put::Outcome;
use symbolon_tests::sim::Faults;
use symbolon_tests::sim::run::{Ix, OnWire, Sim, address, nowhere};

/// What the user does with a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Unread,
    Ignored,
    Blocked,
}

/// A frame as the one who asks sees it: when, which way, how long.
type Seen = Vec<(Timestamp, bool, usize)>;

/// Everything that `b` can see over 40 days while `a` treats `b`'s request so.
fn seen_by_the_asking(fate: Fate, faults: Faults) -> (Seen, RequestStatus, usize) {
    let mut sim = Sim::new(11, faults);
    let (a, b) = (sim.add("Andi"), sim.add("Ben"));
    sim.wire = Some(Vec::new());
    let link = sim.invite_for(a, 60 * DAY);
    let asked = sim.ask(b, &link).unwrap();
    sim.run_for(HOUR);
    let id = sim.pending(a).expect("the request arrives");
    let command = match fate {
        Fate::Unread => Command::Status,
        Fate::Ignored => Command::Ignore(id),
        Fate::Blocked => Command::Block(symbolon_core::command::Who(id.to_string())),
    };
    assert!(sim.command(a, command).is_ok());
    // The one who asks does what a curious person can do: comes back, moves, waits, asks by another link.
    probe(&mut sim, a, b);
    let link = sim.invite_for(a, 60 * DAY);
    let second = sim.ask(b, &link).unwrap();
    sim.run_for(HOUR);
    sim.restart(a);
    sim.run_for(MINUTE);
    probe(&mut sim, a, b);
    sim.run_for(31 * DAY);
    assert!(sim.friends(b).is_empty());
    let status = sim.status_of(b, asked);
    assert_eq!(sim.status_of(b, second), RequestStatus::Expired);
    let of_b = |frame: &&OnWire| frame.from == b || frame.to == b;
    let trace = sim.wire.take().unwrap().iter().filter(of_b).map(|frame| (frame.at, frame.from == b, frame.bytes.len())).collect();
    (trace, status, sim.events[b].len())
}

fn probe(sim: &mut Sim, a: Ix, b: Ix) {
    sim.set_apart(a, b, true);
    sim.run_for(MINUTE);
    sim.set_apart(a, b, false);
    sim.input(b, Input::Addresses(vec![nowhere(), address(b)]));
    sim.run_for(HOUR);
    sim.restart(b);
    sim.run_for(HOUR);
    sim.input(b, Input::Addresses(vec![address(b)]));
    sim.run_for(HOUR);
}

#[test]
fn a13_ignored_blocked_and_unread_requests_give_the_same_trace_of_frames() {
    for faults in [Faults::NONE, Faults { latency: 200, loss: 30, duplicate: 30, reorder: 50, cut: 10, ..Faults::NONE }] {
        let (unread, status, events) = seen_by_the_asking(Fate::Unread, faults);
        assert!(unread.len() >= 8, "frames went by: {}", unread.len());
        assert!(unread.iter().any(|(_, mine, _)| !mine), "in both directions");
        for fate in [Fate::Ignored, Fate::Blocked] {
            let (trace, other, told) = seen_by_the_asking(fate, faults);
            assert_eq!(trace, unread, "{fate:?}: sizes, directions and times");
            assert_eq!((other, told), (status, events), "{fate:?}");
        }
    }
}

/// The outcomes of every odd Offer that a curious stranger can make by one invite.
fn probed_by_the_asking(fate: Fate) -> Vec<Vec<Outcome>> {
    let mut scene = Scene::new(3);
    let now = scene.sim.now;
    let body = scene.mallory.offer(now);
    let frame = scene.mallory.offer_frame(&scene.to, scene.usage, &body);
    scene.taken(frame.clone());
    let id = scene.sim.pending(scene.node).unwrap();
    match fate {
        Fate::Unread => None,
        Fate::Ignored => scene.sim.ignore(scene.node, id).ok(),
        Fate::Blocked => scene.sim.block(scene.node, id).ok(),
    };
    let [fresh, second, third] = std::array::from_fn(|_| {
        let link = scene.sim.invite(scene.node);
        scene.sim.contact_of(&link)
    });
    let dated = |mallory: &mut symbolon_tests::craft::Actor, later: u64| OfferBody {
        created: Timestamp(now.0 - 1_000 + later),
        ..mallory.offer(now)
    };
    let mut heard = vec![scene.send(frame)];
    let other = scene.mallory.offer(now);
    let newer = dated(&mut scene.mallory, 2_000);
    let probes = [
        (scene.to.clone(), scene.usage, OfferBody { revision: 1, ..body.clone() }),
        (scene.to.clone(), scene.usage, OfferBody { revision: 1, ..body.clone() }),
        (scene.to.clone(), scene.usage, OfferBody { revision: 2, group_info: vec![1, 2, 3], ..body.clone() }),
        (scene.to.clone(), scene.usage, OfferBody { revision: 2, expires: Timestamp(1), ..body.clone() }),
        (scene.to.clone(), scene.usage, OfferBody { revision: 2, name: "n".repeat(65), ..body.clone() }),
        (scene.to.clone(), scene.usage, other.clone()),
        (scene.to.clone(), Nonce([1; 16]), other.clone()),
        (fresh.clone(), Nonce([2; 16]), OfferBody { group_info: vec![], ..other.clone() }),
        (fresh.clone(), Nonce([2; 16]), other.clone()),
        (fresh.clone(), Nonce([2; 16]), other.clone()),
        (fresh.clone(), Nonce([3; 16]), other.clone()),
        (fresh, Nonce([2; 16]), scene.mallory.offer(now)),
        // By further invites, each twice: older than what waits, then newer; and between the two newest.
        (second.clone(), Nonce([4; 16]), dated(&mut scene.mallory, 0)),
        (second.clone(), Nonce([5; 16]), newer.clone()),
        (second.clone(), Nonce([5; 16]), OfferBody { group_info: vec![1, 2, 3], ..newer.clone() }),
        (second.clone(), Nonce([5; 16]), OfferBody { revision: 1, ..newer.clone() }),
        (second.clone(), Nonce([5; 16]), OfferBody { revision: 1, group_info: vec![1, 2, 3], ..newer.clone() }),
        (second, Nonce([5; 16]), newer),
        (third.clone(), Nonce([6; 16]), dated(&mut scene.mallory, 1_500)),
        (third, Nonce([7; 16]), dated(&mut scene.mallory, 3_000)),
    ];
    for (to, usage, body) in probes {
        let frame = scene.mallory.offer_frame(&to, usage, &body);
        heard.push(scene.send(frame));
    }
    heard
}

#[test]
fn a13_no_odd_offer_finds_out_whether_its_sender_is_blocked() {
    let unread = probed_by_the_asking(Fate::Unread);
    assert!(unread.iter().any(|heard| matches!(heard.as_slice(), [Outcome::Stored(_)])));
    assert!(unread.iter().any(|heard| matches!(heard.as_slice(), [Outcome::Refused(_)])));
    for fate in [Fate::Ignored, Fate::Blocked] {
        assert_eq!(probed_by_the_asking(fate), unread, "{fate:?}");
    }
}

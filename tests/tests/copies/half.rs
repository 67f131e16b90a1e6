//! A copy of the minute in which two people become friends: it does not know what the other one has accepted.

use super::*;
use symbolon_core::command::{Direction, RequestStatus};

/// `a` asks `b` by an invite.
fn asks(sim: &mut Sim, a: Ix, b: Ix) {
    let Ok(Reply::Invite { link, .. }) = sim.command(b, Command::Invite { lifetime: DAY, no_ip: false, auto_accept: false }) else {
        panic!()
    };
    assert!(sim.command(a, Command::Add { target: link, note: None }).is_ok());
    sim.run_for(MINUTE);
}

fn accepts(sim: &mut Sim, b: Ix) {
    let Ok(Reply::Requests(rows)) = sim.command(b, Command::Requests) else { panic!() };
    let pending = rows.iter().filter(|row| row.direction == Direction::In && row.status == RequestStatus::Pending);
    for row in pending.map(|row| row.request).collect::<Vec<_>>() {
        assert!(sim.command(b, Command::Accept(row)).is_ok());
    }
    sim.run_for(MINUTE);
}

/// Ben accepts what Andi asks, who was put back meanwhile to a copy that knows nothing of it.
fn half(seed: u64) -> Sim {
    let mut sim = Sim::new(seed, Faults::NONE);
    assert_eq!((sim.add("Andi"), sim.add("Ben")), (A, B));
    let copy = sim.copy(A);
    asks(&mut sim, A, B);
    sim.crash(A, HOUR);
    accepts(&mut sim, B);
    sim.put_back(A, &copy, SECOND);
    sim.run_for(HOUR);
    sim
}

/// Whether a text of each comes to the other once one has asked and the other has accepted.
fn befriends(sim: &mut Sim, asker: Ix, other: Ix) -> bool {
    asks(sim, asker, other);
    accepts(sim, other);
    [(A, B), (B, A)].into_iter().all(|(from, to)| {
        let said = sim.say(from, to, "there");
        sim.run_for(MINUTE);
        said.is_some_and(|text| is_delivered(sim, from, text))
    })
}

#[test]
fn who_has_accepted_what_an_older_copy_does_not_know_is_a_friend_by_its_next_request_or_once_they_have_ended_it() {
    for seed in 60..64 {
        assert!(befriends(&mut half(seed), A, B), "seed {seed}: the copy asks again");

        let mut sim = half(seed);
        let andi = Who(sim.nodes[A].peer.to_string());
        assert!(sim.command(B, Command::Unfriend(andi)).is_ok());
        assert!(befriends(&mut sim, B, A), "seed {seed}: ended, and asked by who had accepted");
    }
}

#[test]
#[ignore = "fails: where the copy has the lower Peer ID, its answer is taken for one to a crossing request for 30 days"]
fn who_has_accepted_what_an_older_copy_does_not_know_is_a_friend_by_a_request_of_their_own() {
    for seed in 60..64 {
        assert!(befriends(&mut half(seed), B, A), "seed {seed}");
    }
}

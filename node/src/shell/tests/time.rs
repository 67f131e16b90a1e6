//! What the turn loop does as time passes, stands still and jumps.

use super::{Bench, Clock};
use crate::clock::SystemClock;
use crate::handle::NumberedEvent;
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbolon_core::seam::Event;
use symbolon_presence::time::{HOUR, MINUTE, SECOND};

#[test]
fn tick_comes_when_the_core_asked_for_it() {
    let mut bench = Bench::new();
    bench.clock.follow_the_system();
    let running = bench.start();
    let mut events = bench.handle.subscribe();
    let before = SystemClock.now();
    bench.ask("tick in 50 ms").unwrap();
    let event = events.blocking_recv().unwrap();
    assert_eq!(event, NumberedEvent { number: 0, event: Event::Warning(symbolon_core::seam::Warning::InviteExpired) });
    assert!(SystemClock.now().since(before) >= 50);
    bench.stop(running);
}

#[test]
fn core_that_always_wants_a_tick_does_not_shut_out_commands_or_the_stop() {
    let mut bench = Bench::new();
    let running = bench.start();
    bench.ask("tick always").unwrap();
    for _ in 0..500 {
        bench.ask("count").unwrap();
    }
    bench.stop(running);
}

#[test]
fn a_clock_that_jumps_in_either_direction_begins_a_new_core_and_ends_all_links() {
    let mut bench = Bench::new();
    bench.clock.set(10 * HOUR);
    let running = bench.start();
    assert_eq!(bench.ask("put"), Ok(1));
    assert_eq!(bench.seen.loads.load(Ordering::SeqCst), 1);
    for (at, loads) in [(9 * HOUR, 2), (60_000 * HOUR, 3), (0, 4), (10 * HOUR, 5)] {
        bench.clock.set(at);
        assert_eq!(bench.ask("now"), Ok(at), "the command is answered by the new core");
        assert_eq!(bench.seen.loads.load(Ordering::SeqCst), loads);
    }
    assert_eq!(bench.sent.taken(), ["reset"; 4]);
    assert_eq!(bench.ask("count"), Ok(1), "nothing is lost");
    bench.stop(running);
}

#[test]
fn a108_a_process_that_was_suspended_begins_again_at_once() {
    let mut bench = Bench::new();
    bench.clock.set(10 * HOUR);
    let running = bench.start();
    assert_eq!(bench.ask("put"), Ok(1));
    // The loop sleeps; meanwhile both clocks run on.
    std::thread::sleep(Duration::from_millis(200));
    bench.clock.pass(31 * SECOND);
    assert_eq!(bench.ask("count"), Ok(1));
    assert_eq!(bench.seen.loads.load(Ordering::SeqCst), 2);
    assert_eq!(bench.sent.taken(), ["reset"]);
    bench.stop(running);
}

#[test]
fn time_that_passes_and_a_clock_that_is_set_right_by_little_begin_nothing() {
    let mut bench = Bench::new();
    bench.clock.set(10 * HOUR);
    let running = bench.start();
    for minutes in 1..=60 {
        // Steps shorter than the silence after which a loop counts as suspended.
        for _ in 0..3 {
            bench.clock.pass(20 * SECOND);
            assert!(bench.ask("now").is_ok());
        }
        assert_eq!(bench.ask("now"), Ok(10 * HOUR + minutes * MINUTE));
    }
    bench.clock.pass(20 * SECOND);
    bench.clock.set(11 * HOUR + 16 * SECOND);
    assert_eq!(bench.ask("now"), Ok(11 * HOUR + 16 * SECOND));
    assert_eq!(bench.seen.loads.load(Ordering::SeqCst), 1);
    assert!(bench.sent.taken().is_empty());
    bench.stop(running);
}

//! A pump alone: an outbox, and a way that writes down what it was given.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::delivery::owner::EnvelopeOwner;
use crate::fixture::in_turn;
use crate::seam::Action;
use crate::table::Table;
use symbolon_presence::id::{MailboxId, PeerId, PublicKeyBytes, RequestId, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::seal::DhKey;
use symbolon_presence::seeds::{Ratchet, Seed};
use symbolon_relay::put::MailboxEntry;

const DEVICE: DeviceId = DeviceId([7; 16]);
const REQUEST: RequestId = RequestId([1; 16]);
const ROOM: RoomId = RoomId([8; 32]);

/// A way that takes rows until it is shut.
#[derive(Default)]
struct Fake {
    given: Vec<u64>,
    waits: Vec<u64>,
    limit: usize,
    left: usize,
}

impl Fake {
    fn new(waits: &[u64]) -> Self {
        Self { given: Vec::new(), waits: waits.to_vec(), limit: 2, left: usize::MAX }
    }
}

impl Way for Fake {
    fn limit(&mut self, _: usize) -> usize {
        self.limit.min(self.left)
    }

    fn has_read(&mut self, _: usize, rows: usize) {
        self.left = self.left.saturating_sub(rows);
    }

    fn put(&mut self, _: &mut Turn<'_>, number: u64, _: &OutboxRow) -> Looked {
        if self.waits.contains(&number) {
            return Looked::Waits;
        }
        self.given.push(number);
        Looked::Past
    }
}

fn row(number: u64, owner: EnvelopeOwner) -> OutboxRow {
    let mut frame = [0; 32];
    frame.split_at_mut(8).0.copy_from_slice(&number.to_be_bytes());
    OutboxRow { frame: FrameId(frame), owner, via: None, envelope: vec![1; 16], sequence: None, stored: None, room: None, inner: None }
}

/// A device for which steps wait, a question how both stand, and texts.
fn with_outbox(f: impl FnOnce(&State, &mut Turn<'_>, &Device)) {
    in_turn(|state, turn| {
        let entry =
            MailboxEntry { mailbox: MailboxId([1; 32]), receipt: PublicKeyBytes([2; 32]), address: vec![1; 80], places: Vec::new() };
        let mut device = Device::new(DEVICE, PeerId([9; 32]), state.own.identity.chain.clone(), entry);
        let mut put = |number: u64, owner| turn.put(Table::Outbox, &outbox::outbox_key(&DEVICE, number), &row(number, owner));
        put(0, EnvelopeOwner::Standing);
        put(1, EnvelopeOwner::Accept(REQUEST));
        put(2, EnvelopeOwner::Confirm(REQUEST));
        for number in 0..5 {
            put(ROOM_LANE + number, EnvelopeOwner::Text(ROOM, number));
        }
        (device.channel.outbox_first, device.channel.outbox_next, device.channel.outbox_count) = (3, ROOM_LANE + 5, 8);
        f(state, turn, &device);
    });
}

const TEXTS: [u64; 5] = [ROOM_LANE, ROOM_LANE + 1, ROOM_LANE + 2, ROOM_LANE + 3, ROOM_LANE + 4];

#[test]
fn steps_go_before_texts_and_each_goes_once() {
    with_outbox(|_, turn, device| {
        let (mut pump, mut way) = (Pump::default(), Fake::new(&[]));
        assert_eq!(pump.run(turn, device, Gate::Everything, &mut way), Ok(Stopped::AtEnd));
        assert_eq!(way.given, [[0, 1, 2].as_slice(), &TEXTS].concat());
        assert_eq!(pump.run(turn, device, Gate::Everything, &mut way), Ok(Stopped::AtEnd));
        assert_eq!(way.given.len(), 8, "what was looked at is not looked at again");
        pump.restart();
        pump.run(turn, device, Gate::Everything, &mut way).unwrap();
        assert_eq!(way.given.len(), 16, "until it is to go again");
    });
}

#[test]
fn a_row_that_waits_holds_up_those_behind_it() {
    with_outbox(|_, turn, device| {
        let (mut pump, mut way) = (Pump::default(), Fake::new(&[1]));
        assert_eq!(pump.run(turn, device, Gate::Everything, &mut way), Ok(Stopped::Waiting));
        assert_eq!(way.given, [0]);
        way.waits.clear();
        assert_eq!(pump.run(turn, device, Gate::Everything, &mut way), Ok(Stopped::AtEnd));
        assert_eq!(way.given, [[0, 1, 2].as_slice(), &TEXTS].concat());
    });
}

#[test]
fn a_row_that_waits_aside_holds_up_nobody_and_is_looked_at_again() {
    with_outbox(|_, turn, device| {
        let (mut pump, mut way) = (Pump::default(), Fake::new(&[0]));
        assert_eq!(pump.run(turn, device, Gate::Everything, &mut way), Ok(Stopped::Waiting));
        assert_eq!(way.given, [[1, 2].as_slice(), &TEXTS].concat());
        way.waits.clear();
        way.given.clear();
        assert_eq!(pump.run(turn, device, Gate::Everything, &mut way), Ok(Stopped::AtEnd));
        assert_eq!(way.given, [0, 1, 2], "with those of its lane behind it, which the way knows");
    });
}

#[test]
fn a_look_that_must_end_goes_on_where_it_stopped() {
    with_outbox(|_, turn, device| {
        let (mut pump, mut way) = (Pump::default(), Fake { left: 3, ..Fake::new(&[]) });
        assert_eq!(pump.run(turn, device, Gate::Everything, &mut way), Ok(Stopped::Early));
        assert_eq!(way.given, [0, 1, 2]);
        way.left = 2;
        assert_eq!(pump.run(turn, device, Gate::Everything, &mut way), Ok(Stopped::Early));
        way.left = usize::MAX;
        assert_eq!(pump.run(turn, device, Gate::Everything, &mut way), Ok(Stopped::AtEnd));
        assert_eq!(way.given, [[0, 1, 2].as_slice(), &TEXTS].concat());
    });
}

#[test]
fn rooms_wait_behind_every_gate_but_the_open_one() {
    for gate in [Gate::Newcomers, Gate::Alone, Gate::FirstLane] {
        with_outbox(|_, turn, device| {
            let (mut pump, mut way) = (Pump::default(), Fake::new(&[]));
            assert_eq!(pump.run(turn, device, gate, &mut way), Ok(Stopped::AtEnd));
            assert_eq!(way.given, [0, 1, 2]);
            pump.run(turn, device, Gate::Everything, &mut way).unwrap();
            assert_eq!(way.given.len(), 8);
        });
    }
}

#[test]
fn each_gate_lets_through_what_may_go() {
    with_outbox(|state, _, _| {
        let admits = |gate: Gate, owner: &EnvelopeOwner| gate.admits(state, &owner.policy());
        let owners = [EnvelopeOwner::Offer(REQUEST), EnvelopeOwner::Answer, EnvelopeOwner::Receipts, EnvelopeOwner::Text(ROOM, 1)];
        for (gate, expected) in [
            (Gate::Newcomers, [true, false, false, false]),
            (Gate::Alone, [true, true, false, false]),
            (Gate::FirstLane, [true, true, true, true]),
            (Gate::Everything, [true, true, true, true]),
        ] {
            assert_eq!(owners.each_ref().map(|owner| admits(gate, owner)), expected, "{gate:?}");
        }
    });
}

#[test]
fn a_window_is_full_by_number_or_by_bytes_and_each_receipt_makes_room() {
    in_turn(|_, turn| {
        let (a, b) = (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]));
        let envelope = {
            let seed = Seed { number: 1, secret: Secret::from_bytes([9; 32]) };
            Ratchet::agree(&seed, &a, &b.public(), &DeviceId([1; 16]), &DEVICE).turn().seal(&[0; 12], b"x").unwrap()
        };
        let put = || Put::new(vec![1; 80], &Secret::from_bytes([3; 32]), 60, None, envelope.clone()).unwrap();
        let mut window = Window::<()>::default();
        for number in 0..WINDOW as u64 {
            assert!(!window.is_full());
            let row = row(number, EnvelopeOwner::Mark);
            window.send(turn, LinkId(1), put(), number, &row, ());
        }
        assert!(window.is_full() && window.room() == 0);
        assert_eq!(turn.out.actions.iter().filter(|action| matches!(action, Action::Net(NetAction::Send(..)))).count(), WINDOW);
        assert_eq!(window.take(&row(3, EnvelopeOwner::Mark).frame).map(|taken| taken.number), Some(3));
        assert_eq!((window.is_full(), window.take(&row(3, EnvelopeOwner::Mark).frame)), (false, None));
        assert!(window.give_up(4) && !window.give_up(4));
        assert_eq!((window.len(), window.clear().len()), (WINDOW - 2, WINDOW - 2));
        assert_eq!((window.len(), window.bytes), (0, 0));

        let large = OutboxRow { envelope: vec![1; WINDOW_BYTES], ..row(1, EnvelopeOwner::Mark) };
        window.send(turn, LinkId(1), put(), 1, &large, ());
        assert!(window.is_full() && window.len() == 1);
    });
}

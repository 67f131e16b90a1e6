//! What is sealed when, and how far.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::seeds;
use crate::fixture::{Person, in_turn};
use crate::rows::ROOM_LANE;
use crate::table::{Change, Table};
use crate::world::Sealed;
use symbolon_presence::id::{EpochId, MailboxId, RoomId};
use symbolon_presence::seeds::FAR_AHEAD;
use symbolon_presence::seeds::{Ratchet, Seed};
use symbolon_presence::time::DAY;

const ROOM: RoomId = RoomId([1; 32]);

fn sealed(text: &str) -> Sealed {
    Sealed { epoch: EpochId([0; 32]), bytes: text.as_bytes().to_vec() }
}

/// The row as it waits.
fn waiting(text: &str) -> OutboxRow {
    let row = OutboxRow {
        frame: FrameId([0; 32]),
        owner: EnvelopeOwner::Mark,
        via: None,
        envelope: Vec::new(),
        sequence: Some(0),
        stored: None,
        room: Some(ROOM),
        inner: None,
    };
    row.with(EnvelopeOwner::Mark, Inner::around(ROOM, &sealed(text), Some(0)).unwrap())
}

/// What the row in the store is now.
fn stored(turn: &Turn<'_>) -> OutboxRow {
    let put = |change: &Change| match change {
        Change::Put(Table::Outbox, _, row) => Some(crate::turn::decode_row(row).unwrap()),
        Change::Put(..) | Change::Delete(..) | Change::Index(..) | Change::Unindex(..) | Change::ClearIndex => None,
    };
    turn.out.changes.iter().rev().find_map(put).unwrap()
}

fn ready(state: &mut State, turn: &mut Turn<'_>, ben: &Person, row: &OutboxRow) -> Option<OutboxRow> {
    let mut sealer = Sealer::of(&state.devices[&ben.device.device]);
    let ready = sealer.ready(turn, &ben.device.device, ROOM_LANE, row);
    sealer.keep(state, turn, &ben.device.device);
    ready
}

fn next(state: &State, ben: &Person) -> u64 {
    state.devices[&ben.device.device].channel.outbound.as_ref().unwrap().ratchet.next()
}

fn bens(state: &State, ben: &Person, seed: &Seed) -> Ratchet {
    let me = &state.own.identity;
    Ratchet::agree(seed, &ben.identity.dh, &me.dh.public(), &me.device, &ben.device.device)
}

#[test]
fn what_is_put_again_is_the_same_until_the_device_says_a_newer_seed() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let first = ready(state, turn, &ben, &waiting("a")).unwrap();
        let row = stored(turn);
        assert!(row.envelope.is_empty() && row.frame == frame_id(&first.envelope));
        let again = ready(state, turn, &ben, &row).unwrap();
        assert!(again.envelope == first.envelope && next(state, &ben) == 1);

        let newer = Seed::draw(Some(ben.said.number), turn.rng);
        seeds::read(state, turn, &ROOM, &ben.device.device, &newer);
        let other = ready(state, turn, &ben, &row).unwrap();
        assert!(other.frame != first.frame && stored(turn).frame == other.frame);
        let payload = row.inner.unwrap().payload;
        assert_eq!(bens(state, &ben, &ben.said).ahead(0).unwrap().open(&first.envelope), Ok(payload.clone()));
        assert_eq!(bens(state, &ben, &newer).ahead(0).unwrap().open(&other.envelope), Ok(payload));
    });
}

#[test]
fn a_long_row_is_written_once_and_read_as_it_was_sealed_and_left_last() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let id = ben.device.device;
        let texts = ["short".to_owned(), "long".repeat(1_000), "longer".repeat(1_000)];
        for (text, number) in texts.iter().zip(ROOM_LANE..) {
            outbox::replace(turn, &id, number, &waiting(text));
        }
        let before = turn.out.changes.iter().count();
        let mut sealed = Vec::new();
        let mut sealer = Sealer::of(&state.devices[&id]);
        for (number, row) in outbox::rows(turn, &id, ROOM_LANE, 9).unwrap() {
            assert!(row.inner.as_ref().unwrap().wrapper.is_none());
            sealed.push(sealer.ready(turn, &id, number, &row).unwrap());
        }
        sealer.keep(state, turn, &id);
        for number in ROOM_LANE..ROOM_LANE + 3 {
            let row = outbox::row(turn, &id, number).unwrap().unwrap();
            outbox::keep_copy(turn, &id, number, row, MailboxId([5; 32]), turn.stamp.after(DAY));
        }
        let size = |change: &Change| if let Change::Put(Table::Outbox, _, row) = change { row.len() } else { 0 };
        let most = turn.out.changes.iter().skip(before).map(size).max().unwrap();
        assert!(most < 512, "{most} bytes for a row of 4,000");
        for limit in 1..5 {
            let rows = outbox::rows(turn, &id, ROOM_LANE, limit).unwrap();
            assert_eq!(rows.len(), limit.min(3));
            for ((number, row), (sealed, text)) in rows.into_iter().zip(sealed.iter().zip(&texts)) {
                assert_eq!((row.frame, row.stored.as_ref().map(|copy| copy.mailbox)), (sealed.frame, Some(MailboxId([5; 32]))));
                assert!(row.inner.as_ref().unwrap().payload.windows(text.len()).any(|bytes| bytes == text.as_bytes()));
                assert!(Sealer::of(&state.devices[&id]).ready(turn, &id, number, &row).unwrap().envelope == sealed.envelope, "as it was");
                assert!(outbox::row(turn, &id, number).unwrap().unwrap() == row);
            }
        }
        // Another one in its place begins as it did, and what is taken out leaves nothing.
        outbox::replace(turn, &id, ROOM_LANE + 1, &waiting(&texts[1]));
        assert!(outbox::row(turn, &id, ROOM_LANE + 1).unwrap().unwrap().inner.unwrap().wrapper.is_none());
        for number in ROOM_LANE..ROOM_LANE + 3 {
            outbox::remove(state, turn, &id, number);
        }
        assert!(turn.range(Table::Outbox, &[], 100).unwrap().is_empty());
    });
}

#[test]
fn nothing_is_sealed_for_a_device_that_has_said_no_seed() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        state.channel_mut(&ben.device.device).unwrap().outbound = None;
        assert!(ready(state, turn, &ben, &waiting("a")).is_none());
        assert!(!turn.out.changes.iter().any(|change| change.table() == Some(Table::Outbox)));
    });
}

#[test]
fn so_much_is_sealed_beyond_what_was_acknowledged_and_the_rest_waits() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 1);
        let id = ben.device.device;
        let mut rows = Vec::new();
        for _ in 0..FAR_AHEAD {
            ready(state, turn, &ben, &waiting("a")).unwrap();
            rows.push(stored(turn));
        }
        assert!(ready(state, turn, &ben, &waiting("a")).is_none());
        // What was sealed goes again all the same.
        assert!(ready(state, turn, &ben, &rows[0]).is_some());
        // A receipt for another envelope than the last one made of it says nothing of this one's counter.
        acknowledged(state, turn, &id, &rows[9], &FrameId([7; 32]));
        assert!(ready(state, turn, &ben, &waiting("a")).is_none());
        acknowledged(state, turn, &id, &rows[9], &rows[9].frame);
        for _ in 0..10 {
            ready(state, turn, &ben, &waiting("a")).unwrap();
        }
        assert!(ready(state, turn, &ben, &waiting("a")).is_none());
        // The device cannot have opened what was never sealed.
        let seed = ben.said.number;
        opened(state, turn, &id, seed, FAR_AHEAD + 11);
        opened(state, turn, &id, seed + 1, FAR_AHEAD);
        assert!(ready(state, turn, &ben, &waiting("a")).is_none());
        opened(state, turn, &id, seed, FAR_AHEAD);
        assert!(ready(state, turn, &ben, &waiting("a")).is_some());
    });
}

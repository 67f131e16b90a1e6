//! The table of policies, and what stands on disk of an owner.

#![allow(clippy::unwrap_used)]

use super::*;
use symbolon_presence::codec;

const REQUEST: RequestId = RequestId([1; 16]);
const ROOM: RoomId = RoomId([2; 32]);
const EPOCH: EpochId = EpochId([4; 32]);

/// One of each owner.
const ALL: [EnvelopeOwner; 21] = [
    EnvelopeOwner::Offer(REQUEST),
    EnvelopeOwner::Accept(REQUEST),
    EnvelopeOwner::Confirm(REQUEST),
    EnvelopeOwner::Text(ROOM, 3),
    EnvelopeOwner::Mark,
    EnvelopeOwner::Skip,
    EnvelopeOwner::Receipts,
    EnvelopeOwner::Bundle,
    EnvelopeOwner::Said,
    EnvelopeOwner::Standing,
    EnvelopeOwner::Answer,
    EnvelopeOwner::Seed,
    EnvelopeOwner::Capabilities,
    EnvelopeOwner::Piece,
    EnvelopeOwner::Commit(ROOM, EPOCH),
    EnvelopeOwner::Lifeline,
    EnvelopeOwner::Welcome(ROOM),
    EnvelopeOwner::RoomCommit(ROOM, EPOCH),
    EnvelopeOwner::Since,
    EnvelopeOwner::Leave(ROOM),
    EnvelopeOwner::Ways(ROOM),
];

#[test]
fn every_owner_has_its_policy() {
    use {Lane::*, Until::*};
    let any = Links::Any(REQUEST);
    let expected = [
        ("offer", Steps, Taken, any),
        ("accept", Steps, Answered(REQUEST), any),
        ("confirm", Steps, Taken, any),
        ("text", Rooms, Delivered, Links::Friends),
        ("mark", Rooms, Delivered, Links::Friends),
        ("skip", Rooms, Delivered, Links::Friends),
        ("receipts", Steps, Stored, Links::Friends),
        ("bundle", Rooms, Delivered, Links::Friends),
        ("said", Rooms, Delivered, Links::Friends),
        ("standing", Steps, Stored, Links::Proved),
        ("standing", Steps, Stored, Links::Proved),
        ("seed", Rooms, Delivered, Links::Friends),
        ("capabilities", Rooms, Delivered, Links::Friends),
        ("piece", Rooms, Delivered, Links::Friends),
        ("commit", Rooms, Delivered, Links::Friends),
        ("lifeline", Rooms, Delivered, Links::Friends),
        ("welcome", Rooms, Delivered, Links::Friends),
        ("commit", Rooms, Delivered, Links::Friends),
        ("since", Rooms, Delivered, Links::Friends),
        ("leave", Rooms, Delivered, Links::Friends),
        ("ways", Rooms, Delivered, Links::Friends),
    ];
    let found = ALL.map(|owner| owner.policy()).map(|policy| (policy.name, policy.lane, policy.until, policy.links));
    assert_eq!(found, expected);
}

#[test]
fn what_is_special_about_an_owner_is_so_for_no_other() {
    let those = |holds: fn(&DeliveryPolicy) -> bool| ALL.iter().filter(|owner| holds(&owner.policy())).cloned().collect::<Vec<_>>();
    assert_eq!(those(|policy| policy.asks == Some(REQUEST)), [EnvelopeOwner::Offer(REQUEST)]);
    assert_eq!(those(|policy| policy.for_away), [EnvelopeOwner::Receipts]);
    assert_eq!(those(|policy| policy.waits_aside), [EnvelopeOwner::Receipts, EnvelopeOwner::Standing, EnvelopeOwner::Answer]);
    assert_eq!(those(|policy| policy.single == Some(Single::Question)), [EnvelopeOwner::Standing]);
    assert_eq!(those(|policy| policy.single == Some(Single::Answer)), [EnvelopeOwner::Answer]);
}

#[test]
fn a_fate_concerns_the_one_who_finds_a_row_by_it() {
    let concerns = ALL.map(|owner| owner.concern());
    let (ask, confirm, nobody) = (Concern::Ask(REQUEST), Concern::Confirm(REQUEST), Concern::Nobody);
    let expected = [
        ask,
        ask,
        confirm,
        Concern::Text(ROOM, 3),
        nobody,
        nobody,
        nobody,
        Concern::Friend,
        nobody,
        nobody,
        nobody,
        nobody,
        Concern::Shown,
        nobody,
        Concern::Commit(ROOM, EPOCH),
        Concern::Lifeline,
        Concern::Welcome(ROOM),
        nobody,
        nobody,
        nobody,
        nobody,
    ];
    assert_eq!(concerns, expected);
}

#[test]
fn owners_on_disk_are_read_as_they_were_written() {
    let heads = ALL.map(|owner| {
        let bytes = codec::encode_row(&owner);
        assert_eq!(codec::decode_row::<EnvelopeOwner>(&bytes, bytes.len()).unwrap(), owner);
        bytes[1..3].to_vec()
    });
    let expected: Vec<Vec<u8>> = (0..21).map(|number| vec![0x82, number]).collect();
    assert_eq!(heads.to_vec(), expected);
}

#[test]
fn texts_stand_in_the_order_in_which_they_were_written() {
    let text = EnvelopeOwner::Text(ROOM, 3);
    assert_eq!(text.order_of_texts(&ROOM, 3), Some(Ordering::Equal));
    assert_eq!(text.order_of_texts(&ROOM, 4), Some(Ordering::Less));
    assert_eq!(text.order_of_texts(&ROOM, 2), Some(Ordering::Greater));
    assert_eq!(text.order_of_texts(&RoomId([9; 32]), 3), None, "of another conversation");
    assert_eq!(EnvelopeOwner::Mark.order_of_texts(&ROOM, 3), None);
}

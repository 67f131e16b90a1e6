#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn a_queue_tells_in_order_and_each_thing_once_as_long_as_it_waits() {
    let mut queue = Queue::default();
    for number in [3, 1, 3, 2, 1] {
        queue.tell(number);
    }
    assert_eq!(queue.next(), Some(3));
    // It is given again once it was handed on.
    queue.tell(3);
    assert_eq!(std::iter::from_fn(|| queue.next()).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(queue.waiting.is_empty());
}

#[test]
fn notices_are_handed_on_the_lowest_floor_first() {
    let mut notices = Notices::default();
    FriendshipsNotice::queue(&mut notices).tell(FriendshipsNotice::KeysKnown(PeerId([1; 32])));
    PresenceNotice::queue(&mut notices).tell(PresenceNotice::Revoked);
    IdentityNotice::queue(&mut notices).tell(IdentityNotice::RecordsChanged);
    assert!(!notices.is_empty());
    let told: Vec<Told> = std::iter::from_fn(|| notices.next().unwrap()).collect();
    let all = [
        Told::Identity(IdentityNotice::RecordsChanged),
        Told::Presence(PresenceNotice::Revoked),
        Told::Friendships(FriendshipsNotice::KeysKnown(PeerId([1; 32]))),
    ];
    assert_eq!((told.as_slice(), notices.is_empty(), notices.most()), (all.as_slice(), true, 3));
}

#[test]
fn machines_that_tell_each_other_without_end_fail_the_turn() {
    let mut notices = Notices::default();
    let failed = loop {
        PresenceNotice::queue(&mut notices).tell(PresenceNotice::Full);
        if let Err(failed) = notices.next() {
            break failed;
        }
    };
    assert_eq!((failed, notices.most()), (Restless, NOTICES_MAX + 1));
    // Of one input: the next one begins again.
    notices.begin();
    PresenceNotice::queue(&mut notices).tell(PresenceNotice::Full);
    assert_eq!(notices.next(), Ok(Some(Told::Presence(PresenceNotice::Full))));
}

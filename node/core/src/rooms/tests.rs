#![allow(clippy::unwrap_used)]

use super::{Membership, friend_in, is_shared, members, membership, order, register_shared};
use crate::fixture::{Person, in_turn};
use crate::limits::{MEMBERS_MAX, ROOMS_MAX};
use symbolon_presence::id::{DeviceId, RoomId};

fn room(number: usize) -> RoomId {
    let mut id = [0xee; 32];
    id.split_at_mut(8).0.copy_from_slice(&number.to_be_bytes());
    RoomId(id)
}

#[test]
fn a_room_has_a_bounded_number_of_members_and_a_node_of_rooms() {
    in_turn(|state, turn| {
        let crowd: Vec<DeviceId> = (0..MEMBERS_MAX).map(|number| DeviceId([u8::try_from(number).unwrap(); 16])).collect();
        assert!(!register_shared(state, turn, room(0), crowd.clone()), "with this device they are one too many");
        for number in 0..ROOMS_MAX {
            assert!(register_shared(state, turn, room(number), crowd.iter().skip(1).copied().collect()));
        }
        assert!(!register_shared(state, turn, room(ROOMS_MAX), Vec::new()));
        let friend = Person::new(state, turn, 1);
        assert_eq!(
            membership(state, &friend.device.device, &crate::fixture::friend(1).room),
            Membership::Member,
            "friendships have places of their own"
        );
    });
}

#[test]
fn each_room_counts_its_own_frames_and_a_device_that_is_forgotten_counts_nowhere() {
    in_turn(|state, turn| {
        let friend = Person::new(state, turn, 1);
        let (device, of_friends, shared) = (friend.device.device, crate::fixture::friend(1).room, room(1));
        assert!(register_shared(state, turn, shared, vec![device]));
        assert_eq!(members(state, &of_friends), [device]);
        assert_eq!(members(state, &shared), [device]);
        assert!(is_shared(state, &shared) && !is_shared(state, &of_friends));
        assert_eq!(friend_in(state, &of_friends), Some(friend.device.peer));
        assert_eq!(membership(state, &device, &room(2)), Membership::Stranger);
        assert_eq!(membership(state, &DeviceId([3; 16]), &shared), Membership::Stranger);

        assert_eq!(order::next_sequence(state, &device, &of_friends), Some(0));
        assert_eq!(order::next_sequence(state, &device, &of_friends), Some(1));
        assert_eq!(order::next_sequence(state, &device, &shared), Some(0));
        order::advance(state, &device, &shared);
        assert_eq!((order::sent(state, &device, &of_friends), order::expected(state, &device, &of_friends)), (2, 0));
        assert_eq!((order::sent(state, &device, &shared), order::expected(state, &device, &shared)), (1, 1));
        assert_eq!(order::next_sequence(state, &DeviceId([9; 16]), &shared), None, "nobody knows that device");

        state.forget_device(&device);
        assert_eq!((order::sent(state, &device, &of_friends), order::expected(state, &device, &shared)), (0, 0));
    });
}

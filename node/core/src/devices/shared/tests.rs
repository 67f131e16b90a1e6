#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::command::MessageState;
use crate::fixture::{NOW, Person, in_turn, peer};
use crate::groups;
use crate::limits::VERSIONS_AHEAD;
use crate::rows::Sibling;

const ROOM: RoomId = RoomId([7; 32]);
const WRITER: PeerId = PeerId([9; 32]);

fn said(version: u64, by: u64, is: RoomIs) -> RoomSaid {
    RoomSaid { room: ROOM, version, by: peer(by), is_muted: version % 2 == 1, is_archived: version > 1, name: format!("Nr {version}"), is }
}

fn text(n: u8, from: PeerId, reached: MessageState) -> RoomTextSaid {
    RoomTextSaid { room: ROOM, id: MessageId([n; 16]), at: NOW, from, state: reached, text: format!("text {n}") }
}

/// Another device of ours.
fn sibling(state: &mut State, turn: &mut Turn<'_>, number: u64, rooms: Option<RoomsTaken>) -> PeerId {
    let peer = peer(number);
    state.save_sibling(turn, Sibling { rooms, ..Sibling::new(peer, NOW) });
    peer
}

fn note(state: &State) -> (bool, bool, u32) {
    let note = &state.groups.notes[&ROOM];
    (note.is_muted, note.is_archived, note.unread)
}

#[test]
fn a_room_that_another_device_is_in_is_known_here_as_long_as_one_of_ours_is_there() {
    in_turn(|state, turn| {
        let (one, other) = (sibling(state, turn, 1, None), sibling(state, turn, 2, None));
        let is_elsewhere = |state: &State| is_elsewhere(state, &state.groups.rooms[&ROOM]);
        heard(state, turn, &one, &said(0, 1, RoomIs::In));
        heard(state, turn, &other, &said(0, 2, RoomIs::Elsewhere));
        assert!(is_elsewhere(state), "who is not in it says nothing about who is");
        heard(state, turn, &other, &said(0, 2, RoomIs::In));
        heard(state, turn, &one, &said(0, 1, RoomIs::Removed));
        assert!(is_elsewhere(state), "the other one still is");
        let gone = Sibling { gone: Some(NOW), ..state.siblings[&other].clone() };
        state.save_sibling(turn, gone);
        assert!(!is_elsewhere(state), "a device that is ours no more is nowhere");
        assert_eq!(state.groups.rooms[&ROOM].standing, GroupStanding::Removed);
        assert!(!state.groups.rooms[&ROOM].is_member() && state.rooms.is_empty(), "it opens nothing that is said there");
    });
}

#[test]
fn of_two_that_differ_in_what_is_set_the_higher_version_stands_then_the_higher_peer_id_and_nobody_has_the_last_word() {
    in_turn(|state, turn| {
        let from = sibling(state, turn, 1, None);
        heard(state, turn, &from, &said(0, 1, RoomIs::In));
        assert!(!state.groups.notes.contains_key(&ROOM), "nothing is set");
        for (version, by, stands) in [(2, 5, 2), (1, 9, 2), (2, 4, 2), (3, 1, 3), (3 + VERSIONS_AHEAD + 1, 1, 3)] {
            heard(state, turn, &from, &said(version, by, RoomIs::In));
            assert_eq!(state.groups.notes[&ROOM].set.unwrap().version, stands, "{version} by {by}");
        }
        let same = RoomSaid { is_muted: false, ..said(3, 0, RoomIs::In) };
        heard(state, turn, &from, &same);
        assert_eq!(note(state), (true, true, 0), "of one version the higher one stands");
        assert!(state.set_room(turn, &ROOM, false, false));
        assert_eq!(state.groups.notes[&ROOM].set, Some(SetBy { version: 4, by: state.own.peer }));
        assert!(!state.set_room(turn, &ROOM, false, false), "nothing has changed");
    });
}

#[test]
fn a_conversation_with_a_friend_is_no_room_and_of_rooms_there_are_so_many_and_no_more() {
    in_turn(|state, turn| {
        let from = sibling(state, turn, 1, None);
        let ben = Person::new(state, turn, 2).device.peer;
        let (conversation, room) = (state.friends[&ben].conversation, state.friends[&ben].room);
        for id in [conversation, room] {
            heard(state, turn, &from, &RoomSaid { room: id, ..said(1, 1, RoomIs::In) });
            heard_text(state, turn, from, RoomTextSaid { room: id, ..text(1, WRITER, MessageState::Delivered) }).unwrap();
        }
        assert!(state.groups.rooms.is_empty() && turn.get(Table::MessageIndex, &[1; 16]).unwrap().is_none());
        for n in 0..=ROOMS_MAX as u64 {
            heard(state, turn, &from, &RoomSaid { room: RoomId(peer(n).0), ..said(1, 1, RoomIs::In) });
        }
        assert_eq!((state.groups.rooms.len(), state.groups.notes.len()), (ROOMS_ELSEWHERE_MAX, ROOMS_ELSEWHERE_MAX));
    });
}

#[test]
fn a_text_is_filed_once_and_what_was_read_at_one_device_is_read_whichever_word_comes_first() {
    in_turn(|state, turn| {
        let from = sibling(state, turn, 1, None);
        heard_text(state, turn, from, text(1, WRITER, MessageState::Delivered)).unwrap();
        assert!(turn.get(Table::MessageIndex, &[1; 16]).unwrap().is_none(), "a room of which nothing was said");
        heard(state, turn, &from, &said(0, 1, RoomIs::In));
        for n in [1, 1, 2] {
            heard_text(state, turn, from, text(n, WRITER, MessageState::Delivered)).unwrap();
        }
        // A writer of whom it is said that they have not got it to all is somebody else all the same.
        heard_text(state, turn, from, text(3, WRITER, MessageState::Queued)).unwrap();
        heard_text(state, turn, from, text(4, state.own.person(), MessageState::Stored)).unwrap();
        heard_text(state, turn, from, text(5, WRITER, MessageState::Read)).unwrap();
        assert_eq!(note(state), (false, false, 3));
        let reached = |turn: &Turn<'_>, n: u8| {
            let key = key_of_message(turn, &MessageId([n; 16])).unwrap().unwrap();
            turn.row::<Message>(Table::Message, &key).unwrap().unwrap()
        };
        conversations::read_elsewhere_in_rooms(state, turn, &[MessageId([1; 16]), MessageId([4; 16]), MessageId([99; 16])]).unwrap();
        conversations::read_elsewhere_in_rooms(state, turn, &[MessageId([1; 16])]).unwrap();
        assert_eq!(note(state).2, 2, "once, and no text of ours");
        heard_text(state, turn, from, text(2, WRITER, MessageState::Read)).unwrap();
        assert_eq!((note(state).2, reached(turn, 2).state), (1, MessageState::Read), "the text is said as read");
        heard_text(state, turn, from, text(2, WRITER, MessageState::Delivered)).unwrap();
        assert_eq!((note(state).2, reached(turn, 2).state), (1, MessageState::Read), "and never goes back");
        heard_text(state, turn, from, text(4, state.own.person(), MessageState::Delivered)).unwrap();
        let ours = reached(turn, 4);
        assert_eq!((ours.from, ours.state, ours.via), (state.own.peer, MessageState::Delivered, Some(from)));
        assert_eq!(state.counters.arrival, 5);
    });
}

#[test]
fn after_going_back_what_was_on_its_way_counts_no_more_and_who_got_nothing_yet_begins_at_the_beginning() {
    in_turn(|state, turn| {
        let taken = Some(RoomsTaken::new(3, 64));
        let (one, fresh) = (sibling(state, turn, 1, taken), sibling(state, turn, 2, None));
        let mut rooms = SharedRooms::default();
        rooms.flight.insert(one, (3, 128));
        rooms.taken(state, turn, &one, (3, 100));
        assert_eq!((state.siblings[&one].rooms, rooms.flight.len()), (Some(RoomsTaken::new(3, 100)), 1));
        for peer in [one, fresh] {
            rooms.go_back(state, turn, &peer, 80);
        }
        assert_eq!((state.siblings[&one].rooms, rooms.flight.len()), (Some(RoomsTaken::new(4, 80)), 0));
        assert_eq!(state.siblings[&fresh].rooms, None);
        rooms.taken(state, turn, &one, (3, 128));
        assert_eq!(state.siblings[&one].rooms, Some(RoomsTaken::new(4, 80)), "it is of the round before");
        rooms.taken(state, turn, &one, (4, 128));
        assert_eq!(state.siblings[&one].rooms, Some(RoomsTaken::new(4, 128)));
    });
}

#[test]
fn what_is_read_while_a_device_cannot_hear_it_is_said_with_the_text_once_more() {
    in_turn(|state, turn| {
        let one = sibling(state, turn, 1, Some(RoomsTaken::new(0, 9)));
        heard(state, turn, &one, &said(0, 1, RoomIs::In));
        for n in 1..=3 {
            heard_text(state, turn, peer(5), text(n, WRITER, MessageState::Delivered)).unwrap();
        }
        state.change_sibling(turn, &one, |row| row.told_rooms = Some(Told::Said));
        let mut rooms = SharedRooms::start(state, turn).unwrap();
        for n in [3, 2] {
            rooms.read(MessageId([n; 16]));
        }
        // It is no friend now: its room is made again.
        rooms.follow(state, turn, &[]).unwrap();
        assert_eq!(state.siblings[&one].rooms, Some(RoomsTaken::new(1, 1)), "the first that was read is the second");
        state.set_room(turn, &ROOM, true, false);
        rooms.changed(ROOM);
        rooms.follow(state, turn, &[]).unwrap();
        assert_eq!(state.siblings[&one].told_rooms, None, "and of rooms it hears all then");
    });
}

#[test]
fn a_room_about_which_its_user_is_asked_is_said_once_they_want_to_be_in_it_and_what_has_come_meanwhile_too() {
    in_turn(|state, turn| {
        let one = sibling(state, turn, 1, Some(RoomsTaken::new(0, 0)));
        let room = groups::create(state, turn, "Crew").unwrap();
        let question = crate::rows::RoomQuestion { id: symbolon_presence::id::RequestId([1; 16]), from: 0, is_known: false };
        state.change_group(turn, &room, |group| group.question = Some(question));
        let mut rooms = SharedRooms::start(state, turn).unwrap();
        assert!(rooms.said.is_empty() && all(state).is_empty(), "nothing of it is shown");
        let arrival = state.counters.arrival - 1;
        assert!(super::text(state, turn, Some(&one), &room, arrival).unwrap().is_none());
        state.change_group(turn, &room, |group| group.question = None);
        rooms.changed(room);
        let news = rooms.look(state, turn).unwrap();
        assert_eq!(news.iter().map(|said| (said.room, said.is)).collect::<Vec<_>>(), [(room, RoomIs::In)]);
        rooms.changed(room);
        assert!(rooms.look(state, turn).unwrap().is_empty(), "once");
    });
}

#[test]
fn a_room_that_only_another_device_has_named_is_forgotten_by_its_user_and_frees_its_place() {
    in_turn(|state, turn| {
        let from = sibling(state, turn, 1, None);
        for n in 0..=ROOMS_ELSEWHERE_MAX as u64 {
            heard(state, turn, &from, &RoomSaid { room: RoomId(peer(n).0), ..said(1, 1, RoomIs::In) });
        }
        let own = groups::create(state, turn, "Mine").unwrap();
        let first = RoomId(peer(0).0);
        heard_text(state, turn, from, RoomTextSaid { room: first, ..text(1, WRITER, MessageState::Delivered) }).unwrap();
        assert!(!groups::forget_elsewhere(state, turn, &own).unwrap(), "a room of ours is left, and not forgotten");
        assert!(groups::forget_elsewhere(state, turn, &first).unwrap());
        assert!(!state.groups.rooms.contains_key(&first) && !state.groups.notes.contains_key(&first));
        assert!(turn.get(Table::MessageIndex, &[1; 16]).unwrap().is_none(), "with what was said in it");
        // A place is free, and who names it again is heard.
        heard(state, turn, &from, &RoomSaid { room: first, ..said(1, 1, RoomIs::In) });
        assert!(state.groups.rooms.contains_key(&first));
        assert!(state.groups.rooms.contains_key(&own));
    });
}

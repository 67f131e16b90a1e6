#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::fixture::{Person, in_turn, peer};
use crate::limits::{DRAFTS_MAX, VERSIONS_AHEAD};

fn said(place: DraftPlace, version: u64, by: u64, text: &str) -> DraftSaid {
    DraftSaid { place, version, by: peer(by), text: text.to_owned() }
}

#[test]
fn of_two_drafts_the_same_one_stands_on_both_nobody_has_the_last_word_and_nothing_heard_is_news() {
    in_turn(|state, turn| {
        let ben = Person::new(state, turn, 7).device;
        let (place, target) = (DraftPlace::Person(ben.person), Target::Friend(ben.peer));
        let text = |state: &State| all(state).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        write(state, turn, &target, "half".into()).unwrap();
        let mut drafts = Drafts::default();
        drafts.changed();
        drafts.look(state, turn);
        assert_eq!(drafts.looked[&place], 1);
        for (version, by, stands) in [(1, 0, "half"), (2 + VERSIONS_AHEAD, 9, "half"), (2, 9, "2 by 9"), (2, 8, "2 by 9"), (3, 0, "3 by 0")]
        {
            heard(state, turn, said(place, version, by, &format!("{version} by {by}")));
            assert_eq!(text(state), [stands], "{version} by {by}");
        }
        drafts.changed();
        drafts.look(state, turn);
        assert!(drafts.looked.is_empty(), "what was heard is none of ours");
        // What is sent takes back what is its beginning, and nothing else.
        sent(state, turn, &target, "something else").unwrap();
        assert_eq!(text(state), ["3 by 0"]);
        sent(state, turn, &target, " 3 by 0 and more").unwrap();
        assert!(text(state).is_empty());
        heard(state, turn, said(place, 3, 9, "of before"));
        assert!(text(state).is_empty(), "it does not come back");
        assert_eq!(write(state, turn, &target, "x".repeat(TEXT_MAX + 1)), Err(CommandError::BadText));
    });
}

#[test]
fn drafts_with_nobody_who_is_known_are_not_kept_and_of_others_so_many_and_no_more() {
    in_turn(|state, turn| {
        let own = state.own.person();
        for place in [DraftPlace::Person(own), DraftPlace::Person(peer(99)), DraftPlace::Room(symbolon_presence::id::RoomId([9; 32]))] {
            heard(state, turn, said(place, 1, 9, "nowhere"));
        }
        assert!(state.drafts.is_empty());
        let people: Vec<PeerId> = (1..=DRAFTS_MAX as u64 + 1).map(|number| Person::new(state, turn, number).device.peer).collect();
        let (last, rest) = people.split_last().unwrap();
        for peer in rest {
            write(state, turn, &Target::Friend(*peer), "kept".into()).unwrap();
        }
        assert_eq!(write(state, turn, &Target::Friend(*last), "one more".into()), Err(CommandError::Full));
        heard(state, turn, said(place_of(state, &Target::Friend(*last)).unwrap(), 1, 9, "one more"));
        assert_eq!(all(state).len(), DRAFTS_MAX);
        // One that was sent gives way.
        write(state, turn, &Target::Friend(rest[3]), String::new()).unwrap();
        write(state, turn, &Target::Friend(*last), "one more".into()).unwrap();
        assert_eq!((state.drafts.len(), all(state).len()), (DRAFTS_MAX, DRAFTS_MAX));
    });
}

//! How rooms are shown: what somebody of whom our user wants nothing has given them is not.

use super::blocks::is_parted;
use crate::rows::{GivenBy, Group};
use crate::state::State;

fn shown<'a>(state: &State, now: &'a str, given: Option<&'a GivenBy>) -> &'a str {
    given.filter(|given| is_parted(state, &given.by)).map_or(now, |given| &given.before)
}

/// The name of a room.
pub(crate) fn room_name<'a>(state: &State, group: &'a Group) -> &'a str {
    shown(state, &group.roster.name, group.named.as_ref())
}

/// What a room is about.
pub(crate) fn room_topic<'a>(state: &State, group: &'a Group) -> &'a str {
    shown(state, &group.roster.topic, group.about.as_ref())
}

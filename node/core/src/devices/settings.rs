//! What the user has set for the person, and so for all of their devices: of two that differ the one set more often counts.

use crate::rows::SetBy;
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use crate::wire::SettingSaid;
use std::collections::BTreeMap;

/// Something that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// The user is asked before a room is shown into which a friend has brought them.
    AsksForRooms,
    /// Friends who knock at a room are vouched for without a question.
    Vouches,
}

impl Setting {
    const ALL: [Self; 2] = [Self::AsksForRooms, Self::Vouches];

    /// Its number in what devices say to each other, and in the row.
    fn number(self) -> u8 {
        match self {
            Self::AsksForRooms => 0,
            Self::Vouches => 1,
        }
    }

    fn key(self) -> &'static [u8] {
        match self {
            Self::AsksForRooms => b"rooms ask",
            Self::Vouches => b"rooms vouch",
        }
    }

    /// As it is when nobody has set it.
    fn is_on_at_first(self) -> bool {
        matches!(self, Self::Vouches)
    }

    fn is_on(self, state: &State) -> bool {
        match self {
            Self::AsksForRooms => state.own.asks_for_rooms,
            Self::Vouches => state.own.vouches,
        }
    }

    /// By whom it was set. What an earlier build has set was set once, by this device.
    fn set_by(self, state: &State) -> SetBy {
        let unknown = SetBy { version: u64::from(self.is_on(state) != self.is_on_at_first()), by: state.own.peer };
        state.own.settings.get(&self.number()).copied().unwrap_or(unknown)
    }

    fn save(self, state: &mut State, turn: &mut Turn<'_>, is_on: bool, by: SetBy) {
        let own = match self {
            Self::AsksForRooms => &mut state.own.asks_for_rooms,
            Self::Vouches => &mut state.own.vouches,
        };
        *own = is_on;
        turn.put(Table::Meta, self.key(), &is_on);
        state.own.settings.insert(self.number(), by);
        turn.put(Table::Meta, b"settings", &state.own.settings);
    }
}

/// The user sets it here.
pub(crate) fn set(state: &mut State, turn: &mut Turn<'_>, setting: Setting, is_on: bool) {
    if setting.is_on(state) != is_on {
        let version = setting.set_by(state).version.saturating_add(1);
        let by = state.own.peer;
        setting.save(state, turn, is_on, SetBy { version, by });
    }
}

/// What was set by anybody.
pub(super) fn all(state: &State) -> Vec<SettingSaid> {
    let said = |setting: Setting| {
        let SetBy { version, by } = setting.set_by(state);
        (version > 0).then(|| SettingSaid { number: setting.number(), version, by, is_on: setting.is_on(state) })
    };
    Setting::ALL.into_iter().filter_map(said).collect()
}

/// Of these, what was set here since it was last looked at.
pub(super) fn news(state: &State, before: &BTreeMap<u8, SetBy>) -> Vec<SettingSaid> {
    let is_new = |said: &SettingSaid| {
        let set = SetBy { version: said.version, by: said.by };
        said.by == state.own.peer && state.own.settings.contains_key(&said.number) && before.get(&said.number) != Some(&set)
    };
    all(state).into_iter().filter(is_new).collect()
}

/// Another device has said how something is set. What this build does not know changes nothing.
pub(super) fn heard(state: &mut State, turn: &mut Turn<'_>, said: &SettingSaid) {
    let Some(setting) = Setting::ALL.into_iter().find(|setting| setting.number() == said.number) else { return };
    let (present, theirs) = (setting.set_by(state), SetBy { version: said.version, by: said.by });
    if present.gives_way_to(theirs) {
        setting.save(state, turn, said.is_on, theirs);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixture::{in_turn, peer};

    #[test]
    fn of_two_who_set_something_the_same_one_stands_on_both_and_nobody_has_the_last_word_for_good() {
        in_turn(|state, turn| {
            assert!(all(state).is_empty(), "nothing was set");
            let before = state.own.settings.clone();
            set(state, turn, Setting::Vouches, true);
            assert!(news(state, &before).is_empty(), "it is so already");
            set(state, turn, Setting::Vouches, false);
            let ours = news(state, &before);
            assert_eq!(ours, [SettingSaid { number: 1, version: 1, by: state.own.peer, is_on: false }]);
            assert!(news(state, &state.own.settings).is_empty(), "said once");
            let said = |number, version, by, is_on| SettingSaid { number, version, by: peer(by), is_on };
            for too_far in [said(1, (1 << 20) + 2, 9, true), said(1, 0, 9, true), said(7, 1, 9, true)] {
                heard(state, turn, &too_far);
                assert_eq!(all(state), ours);
            }
            let theirs = said(1, 2, 9, true);
            heard(state, turn, &theirs);
            assert!(state.own.vouches && all(state) == [theirs.clone()]);
            assert!(news(state, &before).is_empty(), "what was heard is not said back");
            heard(state, turn, &ours[0]);
            assert_eq!(all(state), [theirs], "an older one changes nothing");
            set(state, turn, Setting::AsksForRooms, true);
            assert_eq!(all(state).len(), 2);
        });
    }

    #[test]
    fn what_an_earlier_build_has_set_is_said_as_set_once() {
        in_turn(|state, _| {
            state.own.asks_for_rooms = true;
            assert_eq!(all(state), [SettingSaid { number: 0, version: 1, by: state.own.peer, is_on: true }]);
            assert!(news(state, &BTreeMap::new()).is_empty());
        });
    }
}

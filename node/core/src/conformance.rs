//! What every [`RoomCipher`] must do: one suite for the clear cipher and the real one.
//!
//! Each check is a function over a [`Lab`]; [`conformance_tests!`](crate::conformance_tests)
//! makes each a `#[test]`. Every check runs twice: with ciphers that live on, and with
//! ciphers that are dropped and loaded again before every single call, so that nothing can
//! depend on what only memory holds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod commits;
mod forks;
mod joining;
mod shared;
mod texts;

pub use commits::*;
pub use forks::*;
pub use joining::*;
pub use shared::*;
pub use texts::*;

use crate::world::{CipherError, LeafKey, Lifetime, Opened, PackageKind, Proposals, RoomCipher, Staged};
use std::cell::Cell;
use symbolon_presence::id::{EpochId, RoomId};
use symbolon_presence::time::Timestamp;

/// How to make and reload the cipher under test.
pub struct Lab<C> {
    make: fn() -> C,
    reload: fn(C) -> C,
    forgetful: bool,
}

impl<C: RoomCipher> Lab<C> {
    /// `make` gives a cipher with an empty store of its own; `reload` makes it durable,
    /// drops it, and gives one over the same store.
    pub fn new(make: fn() -> C, reload: fn(C) -> C) -> Self {
        Self { make, reload, forgetful: false }
    }

    /// The same, with a reload before every call.
    pub fn forgetful(self) -> Self {
        Self { forgetful: true, ..self }
    }

    fn party(&self, name: &str) -> Party<C> {
        let cipher = Some((self.make)());
        Party { cipher, reload: self.reload, forgetful: self.forgetful, name: name.as_bytes().to_vec(), leaf: Cell::new(None) }
    }
}

/// One device with a cipher.
struct Party<C> {
    cipher: Option<C>,
    reload: fn(C) -> C,
    forgetful: bool,
    name: Vec<u8>,
    leaf: Cell<Option<LeafKey>>,
}

impl<C: RoomCipher> Party<C> {
    /// The cipher, for one call.
    fn c(&mut self) -> &mut C {
        if self.forgetful {
            self.restart();
        }
        self.cipher.as_mut().unwrap()
    }

    fn restart(&mut self) {
        self.cipher = self.cipher.take().map(self.reload);
    }

    fn fresh_leaf(&mut self) -> LeafKey {
        let leaf = self.c().fresh_leaf().unwrap();
        self.leaf.set(Some(leaf));
        leaf
    }

    fn create(&mut self, room: RoomId) -> EpochId {
        let (leaf, name) = (self.fresh_leaf(), self.name.clone());
        self.c().create(room, leaf, &name, LIFETIME, None).unwrap()
    }

    fn package(&mut self) -> Vec<u8> {
        let (leaf, name) = (self.fresh_leaf(), self.name.clone());
        self.c().key_package(leaf, &name, LIFETIME, &PackageKind::default()).unwrap()
    }

    /// Enters by external commit with the pre-shared key [`PSK`]; the commit.
    fn enter(&mut self, info: &[u8]) -> Vec<u8> {
        let (leaf, name) = (self.fresh_leaf(), self.name.clone());
        self.c().share_psk(&PSK.0, &PSK.1).unwrap();
        self.c().join_external(info, &PSK.0, leaf, &name, LIFETIME).unwrap().commit
    }

    fn seal(&mut self, text: &str) -> Vec<u8> {
        self.c().seal(ROOM, text.as_bytes(), b"").unwrap().bytes
    }

    fn open(&mut self, bytes: &[u8]) -> Result<Opened, CipherError> {
        self.c().open(ROOM, bytes)
    }

    fn read(&mut self, bytes: &[u8]) -> String {
        match self.open(bytes).unwrap() {
            Opened::Text { plaintext, .. } => String::from_utf8(plaintext).unwrap(),
            Opened::Commit(_) => panic!("a commit, not a text"),
        }
    }

    fn staged(&mut self, bytes: &[u8]) -> Staged {
        match self.open(bytes).unwrap() {
            Opened::Commit(staged) => staged,
            Opened::Text { .. } => panic!("a text, not a commit"),
        }
    }

    /// Opens a commit and adopts it.
    fn follow(&mut self, bytes: &[u8]) -> Staged {
        let staged = self.staged(bytes);
        self.c().adopt(ROOM, staged.epoch).unwrap();
        staged
    }

    fn epoch(&mut self) -> EpochId {
        self.c().epoch(ROOM).unwrap()
    }

    /// What must not change when a call is refused.
    fn face(&mut self) -> (EpochId, Vec<crate::world::Member>, [u8; 32]) {
        (self.epoch(), self.c().members(ROOM).unwrap(), self.c().export(ROOM, "face", b"").unwrap())
    }
}

/// Two parties that agree on the epoch, its members and its exporter.
fn agree<C: RoomCipher>(a: &mut Party<C>, b: &mut Party<C>) {
    assert_eq!(a.face(), b.face());
}

/// `a` created the room, `b` has entered it by external commit, both have moved on.
fn pair<C: RoomCipher>(lab: &Lab<C>) -> (Party<C>, Party<C>) {
    let (mut a, mut b) = (lab.party("andi"), lab.party("berta"));
    a.create(ROOM);
    let info = a.c().offer(ROOM).unwrap();
    let commit = b.enter(&info);
    a.c().share_psk(&PSK.0, &PSK.1).unwrap();
    a.follow(&commit);
    agree(&mut a, &mut b);
    (a, b)
}

/// As [`pair`], and `c` was added by `a`.
fn trio<C: RoomCipher>(lab: &Lab<C>) -> (Party<C>, Party<C>, Party<C>) {
    let ((mut a, mut b), mut c) = (pair(lab), lab.party("clara"));
    let add = vec![c.package()];
    let pending = a.c().commit(ROOM, &Proposals { add, ..Proposals::default() }, b"").unwrap();
    a.c().adopt(ROOM, pending.epoch).unwrap();
    b.follow(&pending.commit);
    c.c().join_welcome(&pending.welcome.unwrap()).unwrap();
    agree(&mut a, &mut b);
    agree(&mut a, &mut c);
    (a, b, c)
}

/// A commit of `a` without proposals that both follow.
fn step<C: RoomCipher>(a: &mut Party<C>, b: &mut Party<C>) -> EpochId {
    let pending = a.c().commit(ROOM, &Proposals::default(), b"").unwrap();
    a.c().adopt(ROOM, pending.epoch).unwrap();
    b.follow(&pending.commit);
    agree(a, b);
    pending.epoch
}

/// The room that most checks are about.
const ROOM: RoomId = RoomId([0xA1; 32]);
/// Another one.
const OTHER: RoomId = RoomId([0xB2; 32]);
/// A pre-shared key's identifier and secret.
const PSK: ([u8; 32], [u8; 32]) = ([3; 32], [4; 32]);
/// From 2020 to 2100, since a cipher may read the wall clock.
const LIFETIME: Lifetime = Lifetime { not_before: Timestamp(1_577_836_800_000), not_after: Timestamp(4_102_444_800_000) };

/// Makes every check a `#[test]`. Takes an expression that gives a [`Lab`].
#[macro_export]
macro_rules! conformance_tests {
    ($lab:expr) => {
        $crate::conformance_tests! { @each $lab;
            a_room_has_its_creator_as_only_member
            a_room_is_not_created_twice_nor_with_a_strangers_leaf
            a_group_info_shows_room_epoch_and_members_and_changes_nothing
            an_altered_group_info_is_refused
            an_external_commit_with_the_pre_shared_key_brings_both_to_one_epoch
            a_commit_with_another_pre_shared_key_changes_nothing
            a_commit_whose_pre_shared_key_is_unknown_changes_nothing
            joining_without_knowing_the_pre_shared_key_is_refused
            a_pre_shared_key_is_used_once
            a_pre_shared_key_taken_back_is_unknown
            an_external_commit_to_an_epoch_that_has_passed_is_refused
            a_room_that_is_held_is_not_entered_again_before_it_is_forgotten
            a_welcome_brings_the_newcomer_into_the_room
            a_welcome_for_a_package_of_somebody_else_is_refused
            a_package_is_used_once
            an_altered_welcome_is_refused_and_uses_nothing_up
            texts_go_both_ways_with_their_sender_and_authenticated_data
            twenty_texts_in_reversed_order_all_open
            a_text_opens_once
            a_text_too_far_out_of_order_is_gone
            every_altered_byte_of_a_text_is_refused_and_the_text_still_opens
            noise_is_refused
            a_text_of_another_room_is_refused
            ones_own_text_does_not_open
            a_text_of_a_later_epoch_is_ahead_and_opens_when_it_has_come
            texts_of_two_past_epochs_open_and_older_ones_are_gone
            a_text_from_before_joining_is_gone
            the_sender_of_a_past_epoch_is_named_as_it_was_then
            an_unknown_room_is_gone_for_every_call
            a_forgotten_room_is_gone
            a_forged_epoch_changes_nothing
            the_state_survives_a_restart
            a_commit_of_ours_is_pending_until_it_is_adopted
            a_rejected_commit_of_ours_leaves_nothing
            a_commit_of_another_is_staged_until_it_is_adopted
            a_rejected_commit_of_another_leaves_nothing
            adopting_what_was_not_seen_is_refused
            an_altered_commit_is_refused_and_changes_nothing
            a_commit_for_an_epoch_that_has_passed_is_gone
            a_commit_without_proposals_renews_the_epoch_for_all
            adding_names_the_leaf_and_position_of_the_newcomer
            a_removed_member_is_out_and_the_others_go_on
            a_freed_position_is_taken_by_the_next_newcomer
            bad_proposals_are_refused
            epochs_are_named_alike_by_all_and_never_twice
            the_exporter_differs_by_label_context_epoch_and_room
            rewinding_returns_to_the_parent_epoch
            texts_of_the_parent_epoch_open_after_rewinding_unless_they_were_used
            texts_of_the_dropped_branch_do_not_open_after_rewinding
            the_other_of_two_rival_commits_can_be_followed_after_rewinding
            settling_makes_rewinding_impossible
            sixteen_parents_are_kept_and_the_oldest_goes
            rewinding_over_several_epochs_drops_them_all
            a_room_state_is_seen_by_all_and_changes_only_with_a_commit_that_says_so
            a_wrong_room_state_is_refused
            several_are_added_one_is_removed_and_the_state_set_by_one_commit
            altered_authenticated_data_of_a_commit_is_refused
            a_rival_commit_is_looked_at_from_the_kept_parent
            a_newcomers_commit_is_looked_at_from_the_kept_parent_and_uses_no_key_up
            a_longer_branch_is_left_for_its_rival_epoch_by_epoch
            parents_that_are_not_wanted_any_more_are_forgotten
            a_room_has_at_most_as_many_leaves_as_the_bound
            a_package_shows_what_was_put_in
            a_package_of_last_resort_serves_more_than_once
            an_erased_package_opens_no_welcome
            a_welcome_names_the_package_it_is_for
            a_welcome_into_a_held_room_is_viewed_and_not_entered
        }
    };
    (@each $lab:expr; $($name:ident)*) => {$(
        #[test]
        fn $name() {
            $crate::conformance::$name(&$lab);
            $crate::conformance::$name(&$lab.forgetful());
        }
    )*};
}

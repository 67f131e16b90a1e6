#![allow(clippy::unwrap_used)]

use super::*;
use crate::command::RequestStatus;
use crate::fixture::{in_turn, peer};
use crate::invites::{self, grants, lifelines};
use crate::rows::{Lies, OwnPackage, Request};
use crate::turn::Turn;
use symbolon_presence::id::{Digest, PublicKeyBytes, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::seeds::Seed;
use symbolon_presence::time::HOUR;

#[test]
fn every_grant_that_is_given_out_leads_to_the_one_who_gave_it() {
    in_turn(|state, turn| {
        let nobodys = GrantId::random(turn.rng);
        assert_eq!(owner_of(state, &nobodys), GrantOwner::Friends);

        invites::contact_record(state, turn);
        let package = *state.invites.keys().next().unwrap();
        assert_eq!(owner_of(state, &package), GrantOwner::Invite);

        let id = RequestId::random(turn.rng);
        let row = Request { peer: peer(1), status: RequestStatus::Pending, ..Request::blank(turn, id, Direction::Out) };
        let grant = row.grant;
        state.save_request(turn, row.clone());
        assert_eq!(owner_of(state, &grant), GrantOwner::Friends, "nobody holds it yet");
        state.save_request(turn, Request { offer: vec![1], ..row });
        assert_eq!(owner_of(state, &grant), GrantOwner::Reply(id));

        let (of_standing, until) = (GrantId::random(turn.rng), turn.now.after(HOUR));
        grants::give(state, turn, of_standing, peer(2), until);
        assert_eq!(owner_of(state, &of_standing), GrantOwner::Standing(peer(2), until));
        lifelines::give(state, turn, &peer(2), RoomId([1; 32])).unwrap();
        let line = state.lifelines.get(&peer(2)).unwrap().lines.last().unwrap().grant;
        assert_eq!(owner_of(state, &line), GrantOwner::Lifeline(peer(2)));
        let leaf = PublicKeyBytes([5; 32]);
        let of_package = package_of(turn, leaf);
        state.save_package(turn, of_package.clone());
        assert_eq!(owner_of(state, &of_package.grant), GrantOwner::Package(leaf));
        state.forget_package(turn, &leaf);
        assert_eq!(owner_of(state, &of_package.grant), GrantOwner::Friends);
        grants::withdraw(state, turn, &peer(2));
        lifelines::withdraw(state, turn, &peer(2));
        for ended in [of_standing, line] {
            assert_eq!(owner_of(state, &ended), GrantOwner::Friends);
        }
    });
}

/// A package of ours with this leaf.
fn package_of(turn: &mut Turn<'_>, leaf: PublicKeyBytes) -> OwnPackage {
    OwnPackage {
        leaf,
        key: Secret::random(turn.rng),
        grant: GrantId::random(turn.rng),
        grant_expires: turn.now.after(HOUR),
        seed: Seed::draw(None, turn.rng),
        revision: 0,
        lies: Lies::WithFriend(peer(1)),
        made: turn.now,
        expires: turn.now.after(HOUR),
        last_resort: false,
        digest: Digest([1; 32]),
        replaced: None,
        seats: 0,
        former: None,
    }
}

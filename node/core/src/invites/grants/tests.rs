#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use super::*;
use crate::command::Direction;
use crate::fixture::{NOW, friend, in_turn, peer};
use crate::notice::IdentityNotice;
use crate::rows::OwnRelayMailbox;
use crate::seam::{Action, Address, NetAction};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use symbolon_presence::id::QueueId;
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::{DAY, HOUR};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::MailboxKeys;
use symbolon_relay::link::RelayLink;
use symbolon_relay::session::MailboxRecord;

fn relay() -> MailboxKeys {
    MailboxKeys::random(&mut ChaCha20Rng::seed_from_u64(3))
}

/// A mailbox of ours at a relay.
fn with_relay(state: &mut State, turn: &mut Turn<'_>) {
    let receipt = SigningKey::from_seed(&[4; 32]).public();
    let link = RelayLink { mailbox_key: relay().public(), receipt, places: vec![Address(vec![4])] };
    let own = OwnRelayMailbox {
        link,
        owner: Secret::from_bytes([5; 32]),
        direct: QueueId([1; 16]),
        contact: QueueId([2; 16]),
        queue_secret: Secret::from_bytes([6; 32]),
        version: 1,
        claim: None,
        kept: None,
    };
    state.save_relay_mailbox(turn, own);
}

/// A request of ours, or an accepted one to us, of a person.
fn row(state: &mut State, turn: &mut Turn<'_>, number: u8, direction: Direction, status: RequestStatus) -> RequestId {
    let id = RequestId([number; 16]);
    let row = Request {
        peer: peer(u64::from(number)),
        status,
        offer: vec![1],
        accepted: (direction == Direction::In || status == RequestStatus::Confirmed).then_some(symbolon_presence::id::Digest([1; 32])),
        ended: has_ended(status).then_some(turn.now),
        ..Request::blank(turn, id, direction)
    };
    state.save_request(turn, row);
    id
}

fn get<'a>(state: &'a State, id: &RequestId) -> &'a Request {
    state.requests.get(id).unwrap()
}

#[test]
fn the_key_that_opens_answers_is_erased_a_day_after_a_request_ended_and_its_grant_is_revoked() {
    in_turn(|state, turn| {
        with_relay(state, turn);
        let ended = [RequestStatus::Confirmed, RequestStatus::Blocked, RequestStatus::Cancelled, RequestStatus::Expired];
        let mut rows = Vec::new();
        for (number, status) in (1..).zip(ended) {
            for direction in [Direction::In, Direction::Out] {
                let number = number * 2 + u8::from(direction == Direction::Out);
                rows.push(row(state, turn, number, direction, status));
            }
        }
        let open = row(state, turn, 100, Direction::Out, RequestStatus::Pending);
        (turn.now, turn.sure) = (NOW.after(DAY - 1), NOW.after(DAY - 1));
        sweep(state, turn).unwrap();
        assert!(rows.iter().all(|id| !is_erased(get(state, id))), "repeats may still come");
        (turn.now, turn.sure) = (NOW.after(DAY), NOW.after(DAY));
        sweep(state, turn).unwrap();
        assert!(rows.iter().all(|id| is_erased(get(state, id))));
        assert!(!is_erased(get(state, &open)));
        assert_eq!(state.own.revoked.len(), rows.len());
        assert_eq!(turn.told::<InvitesNotice>(), [InvitesNotice::GrantsChanged]);
        // Also in the store.
        for id in rows {
            let stored: Request = turn.row(Table::Request, id.as_bytes()).unwrap().unwrap();
            assert!(is_erased(&stored));
        }
    });
}

#[test]
fn the_rows_of_a_folder_that_is_older_than_this_end_a_day_after_it_is_opened() {
    in_turn(|state, turn| {
        let id = row(state, turn, 1, Direction::Out, RequestStatus::Confirmed);
        state.requests.get_mut(&id).unwrap().ended = None;
        sweep(state, turn).unwrap();
        assert_eq!(get(state, &id).ended, Some(NOW));
        (turn.now, turn.sure) = (NOW.after(DAY), NOW.after(DAY));
        sweep(state, turn).unwrap();
        assert!(is_erased(get(state, &id)));
    });
}

#[test]
fn a103_block_part_and_cancel_revoke_at_once_and_a_block_taken_back_gives_what_waits_again() {
    in_turn(|state, turn| {
        with_relay(state, turn);
        let waiting = row(state, turn, 1, Direction::Out, RequestStatus::Pending);
        let grant = get(state, &waiting).grant;
        let is_revoked = |state: &State, grant: &GrantId| state.own.revoked.iter().any(|revoked| revoked.grant == *grant);
        assert_eq!(standing(state, &grant, NOW), Standing::Good);
        block(state, turn, &peer(1));
        state.blocked.insert(peer(1).as_bytes().to_vec());
        assert!(is_revoked(state, &grant) && standing(state, &grant, NOW) == Standing::Silent);
        state.blocked.clear();
        unblock(state, turn, &peer(1));
        assert!(!is_revoked(state, &grant) && standing(state, &grant, NOW) == Standing::Good);
        crate::friendships::cancel(state, turn, &waiting).unwrap();
        assert!(is_revoked(state, &grant) && is_erased(get(state, &waiting)));
        assert_eq!(standing(state, &grant, NOW), Standing::Refused);
        assert_eq!(standing(state, &grant, NOW.after(DAY)), Standing::Silent);

        let confirmed = row(state, turn, 2, Direction::In, RequestStatus::Confirmed);
        let grant = get(state, &confirmed).grant;
        assert_eq!(standing(state, &grant, NOW.after(DAY - 1)), Standing::Good);
        assert_eq!(standing(state, &grant, NOW.after(DAY)), Standing::Silent);
        crate::friendships::end(state, turn, friend(2)).unwrap();
        assert!(is_revoked(state, &grant) && is_erased(get(state, &confirmed)));
        assert_eq!(standing(state, &grant, NOW), Standing::Silent);
        assert_eq!(standing(state, &GrantId([99; 16]), NOW), Standing::Silent, "of nobody");
    });
}

#[test]
fn a103_the_grants_that_came_with_a_standing_are_bounded_and_end_with_the_friendship() {
    in_turn(|state, turn| {
        with_relay(state, turn);
        state.friends.insert(peer(1), friend(1));
        state.friends.insert(peer(2), friend(2));
        let grants = [GrantId([1; 16]), GrantId([2; 16]), GrantId([3; 16])];
        for (grant, number) in grants.iter().zip([1, 2, 2]) {
            give(state, turn, *grant, peer(number), NOW.after(DAY));
        }
        assert!(grants.iter().all(|grant| standing(state, grant, NOW) == Standing::Good));
        assert_eq!(standing(state, &grants[0], NOW.after(DAY + HOUR)), Standing::Silent, "for a day");
        block(state, turn, &peer(2));
        let now = grants.map(|grant| standing(state, &grant, NOW));
        assert_eq!(now, [Standing::Good, Standing::Silent, Standing::Silent]);
        assert_eq!(state.own.revoked.len(), 2, "relays hear of it, too");
        for number in 0..2 * REPLY_GRANTS_MAX {
            give(state, turn, GrantId::from_slice(&(number as u128).to_be_bytes()).unwrap(), peer(1), NOW.after(DAY));
        }
        assert_eq!(state.reply_grants.len(), REPLY_GRANTS_MAX);
    });
}

#[test]
fn a103_who_is_given_most_grants_loses_the_oldest_and_nobody_elses_end() {
    in_turn(|state, turn| {
        for number in [1, 2] {
            state.friends.insert(peer(number), friend(number));
        }
        let grant = |number: usize| GrantId::from_slice(&(number as u128).to_be_bytes()).unwrap();
        // The smallest id, and the oldest.
        give(state, turn, grant(0), peer(2), NOW.after(HOUR));
        let count = 2 * REPLY_GRANTS_MAX;
        // Ids fall, so that the newest are the smallest of their holder's.
        for number in 1..count {
            give(state, turn, grant(count - number), peer(1), NOW.after(HOUR + number as u64));
        }
        assert_eq!(state.reply_grants.len(), REPLY_GRANTS_MAX);
        assert_eq!(standing(state, &grant(0), NOW), Standing::Good);
        let is_good = |number: usize| standing(state, &grant(number), NOW) == Standing::Good;
        assert!((1..REPLY_GRANTS_MAX).all(is_good) && !is_good(REPLY_GRANTS_MAX));
    });
}

#[test]
fn revoked_ids_leave_the_list_at_their_expiry() {
    in_turn(|state, turn| {
        with_relay(state, turn);
        revoke(state, turn, GrantId([1; 16]), NOW.after(DAY));
        revoke(state, turn, GrantId([1; 16]), NOW.after(DAY));
        revoke(state, turn, GrantId([2; 16]), NOW.after(2 * DAY));
        revoke(state, turn, GrantId([3; 16]), NOW);
        assert_eq!(state.own.revoked.len(), 2, "each once, and none that has expired");
        (turn.now, turn.sure) = (NOW.after(DAY + HOUR), NOW.after(DAY + HOUR));
        sweep(state, turn).unwrap();
        let left: Vec<GrantId> = state.own.revoked.iter().map(|revoked| revoked.grant).collect();
        assert_eq!(left, [GrantId([2; 16])]);
    });
}

#[test]
fn a103_a_full_list_draws_the_queue_secret_again_and_who_was_asked_gets_a_new_address() {
    in_turn(|state, turn| {
        with_relay(state, turn);
        let secret = |state: &State| state.own.relay_mailboxes.values().next().unwrap().queue_secret.clone();
        let before = secret(state);
        for number in 0..REVOKED_MAX - 1 {
            let grant = GrantId::from_slice(&(number as u128).to_be_bytes()).unwrap();
            revoke(state, turn, grant, NOW.after(DAY));
        }
        assert!(secret(state).expose() == before.expose());
        assert_eq!(turn.told::<InvitesNotice>(), [InvitesNotice::GrantsChanged]);
        revoke(state, turn, GrantId([255; 16]), NOW.after(DAY));
        assert!(secret(state).expose() != before.expose() && state.own.revoked.is_empty());
        assert_eq!(turn.told::<InvitesNotice>(), [InvitesNotice::SecretsRenewed, InvitesNotice::GrantsChanged]);
        assert_eq!(turn.told::<IdentityNotice>(), [IdentityNotice::RecordsChanged], "the published package names the new secret");
    });
}

#[test]
fn the_relay_is_told_the_list_in_one_update() {
    in_turn(|state, turn| {
        with_relay(state, turn);
        let mut relays = crate::delivery::relays::Relays::default();
        relays.start(state, turn);
        relays.tick(state, turn).unwrap();
        let dial = turn.out.actions.iter().find_map(|action| match action {
            Action::Net(NetAction::Dial(dial, _)) => Some(*dial),
            _ => None,
        });
        relays.link_up(state, turn, crate::seam::LinkId(1), dial.unwrap()).unwrap();
        revoke(state, turn, GrantId([1; 16]), NOW.after(DAY));
        revoke(state, turn, GrantId([2; 16]), NOW.after(DAY));
        turn.out.actions.clear();
        relays.revoked(state, turn);
        let sent: Vec<MailboxRecord> = turn
            .out
            .actions
            .iter()
            .filter_map(|action| match action {
                Action::Net(NetAction::Send(_, bytes)) => match Frame::decode(bytes) {
                    Ok(Frame::Update(update)) => update.open(&relay().dh(), &relay().id()).ok(),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let [record] = sent.as_slice() else { panic!("one update: {}", sent.len()) };
        assert_eq!((record.version, &record.revoked), (2, &vec![GrantId([1; 16]), GrantId([2; 16])]));
    });
}

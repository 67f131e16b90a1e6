//! When packages are left at a relay again, and when it is looked how many are left.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::{in_turn, own_relay};
use symbolon_presence::time::{DAY, HOUR, MINUTE};

#[test]
fn a_stock_is_renewed_when_it_is_old_little_of_it_is_left_or_keys_are_others_and_looked_at_daily() {
    in_turn(|state, turn| {
        let (now, revision) = (turn.now, state.own.friendship.revision);
        let mailbox = MailboxId([1; 32]);
        let fresh = Stocked {
            mailbox,
            version: 1,
            at: now,
            revision,
            record: 1,
            is_there: true,
            gone: 1,
            looks: 1,
            looked: Some(now),
            drained: None,
        };
        let due = |stocked: Stocked, at: Timestamp| due(state, Some(stocked), at);
        assert_eq!(super::due(state, None, now), Due::Stock);
        assert_eq!(due(fresh, now), Due::At(now.after(DAY)));
        assert_eq!(due(fresh, now.after(DAY)), Due::Look);
        assert_eq!(due(Stocked { looked: None, ..fresh }, now), Due::Look);
        assert_eq!(due(Stocked { revision: revision + 1, ..fresh }, now), Due::Stock);
        let old = Stocked { looked: Some(now.after(30 * DAY - HOUR)), ..fresh };
        assert_eq!(due(old, now.after(30 * DAY - MINUTE)), Due::At(now.after(30 * DAY)));
        assert_eq!(due(old, now.after(30 * DAY)), Due::Stock);
        let empty = Stocked { gone: GONE_MANY + 1, ..fresh };
        assert_eq!(due(empty, now.after(MINUTE)), Due::At(now.after(HOUR)), "not more often than once an hour");
        assert_eq!(due(empty, now.after(HOUR)), Due::Stock);
        // A clock that was ahead, and is right again.
        assert_eq!(due(Stocked { at: now.after(400 * DAY), ..fresh }, now), Due::Stock);
        assert_eq!(due(Stocked { looked: Some(now.after(400 * DAY)), ..fresh }, now), Due::Look);
    });
}

#[test]
fn what_lies_at_a_relay_that_is_not_ours_any_more_is_forgotten() {
    in_turn(|state, turn| {
        let [kept, gone] = [1, 2].map(|number| own_relay(state, turn, number).id());
        for mailbox in [kept, gone] {
            own::make(state, turn, Lies::AtRelay(mailbox, 0), false).unwrap();
            let (at, revision) = (turn.now, state.own.friendship.revision);
            let stocked =
                Stocked { mailbox, version: 1, at, revision, record: 1, is_there: true, gone: 0, looks: 0, looked: None, drained: None };
            state.save_stocked(turn, &mailbox, Some(stocked));
        }
        state.own.relay_mailboxes.remove(&gone);
        Looks::default().follow(state, &mut Relays::default(), turn).unwrap();
        assert_eq!(state.packages.stocks().map(|stocked| stocked.mailbox).collect::<Vec<_>>(), [kept]);
        let replaced: Vec<Lies> = state.packages.all().filter(|row| row.replaced.is_some()).map(|row| row.lies).collect();
        assert_eq!(replaced, [Lies::AtRelay(gone, 0)]);
    });
}

#[test]
fn an_answer_that_nobody_asked_for_changes_nothing() {
    in_turn(|state, turn| {
        let mailbox = own_relay(state, turn, 1).id();
        let key = (mailbox, symbolon_presence::id::PublicKeyBytes([1; 32]));
        let fetched = Fetched { nonce: Nonce([1; 16]), handed: Handed::Empty };
        let mut looks = Looks::default();
        assert!(!looks.answered(state, turn, &key, &fetched).unwrap());
        looks.looks.insert(mailbox, Look { nonce: Nonce([2; 16]), at: turn.now, is_over: false });
        assert!(!looks.answered(state, turn, &key, &fetched).unwrap(), "an answer to something else");
        assert_eq!(looks.looks.len(), 1);
    });
}

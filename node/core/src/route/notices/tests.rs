#![allow(clippy::unwrap_used)]

use super::*;
use crate::clear_cipher::ClearCipher;
use crate::fixture::{Empty, NOW, Person};
use crate::notice::Notice;
use crate::rows::FriendPresence;
use crate::seam::{Action, NetAction};
use crate::state::State;
use crate::turn::Out;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use symbolon_presence::generation::Generation;
use symbolon_presence::id::PeerId;
use symbolon_presence::record::day_of;

/// All machines of a node with one friend, for whom a text is held and whose records can be read.
fn machines(f: impl FnOnce(&mut Machines, &mut Turn<'_>, PeerId, DeviceId)) {
    let (mut rng, mut out) = (ChaCha20Rng::seed_from_u64(1), Out::default());
    let state = State::load(None, &Empty, NOW, &mut rng, &mut out).unwrap();
    let (mut machines, mut cipher) = (Machines::new(state, false, NOW), ClearCipher::new([1; 32]));
    let mut turn = Turn { now: NOW, sure: NOW, stamp: NOW, rng: &mut rng, cipher: &mut cipher, shelf: &Empty, out: &mut out };
    let ben = Person::new(&mut machines.state, &mut turn, 2);
    let reader = Generation::random(0, day_of(NOW), turn.rng).reader();
    let friend = machines.state.friends.get_mut(&ben.device.peer).unwrap();
    friend.held.push(7);
    friend.presence = Some(FriendPresence { reader, version: 0, sequence: 0, read: NOW, lookups: Vec::new(), wrapped: None });
    f(&mut machines, &mut turn, ben.device.peer, ben.device.device);
}

/// Tells something and hands it on. Whether that changes what `is_known` looks at.
fn reaches<T: Notice>(notice: impl Fn(PeerId, DeviceId) -> T, is_known: impl Fn(&mut Machines, &mut Turn<'_>, DeviceId) -> bool) -> bool {
    let mut has_reached = false;
    for is_told in [false, true] {
        machines(|machines, turn, peer, device| {
            turn.out.actions.clear();
            if is_told {
                turn.tell(notice(peer, device));
            }
            machines.notices(turn).unwrap();
            assert!(turn.out.notices.is_empty());
            has_reached = is_known(machines, turn, device);
        });
        assert!(is_told || !has_reached, "it is known without a notice");
    }
    has_reached
}

/// Whether an action was asked for.
fn asks(turn: &Turn<'_>, of: impl Fn(&NetAction) -> bool) -> bool {
    turn.out.actions.iter().any(|action| matches!(action, Action::Net(action) if of(action)))
}

#[test]
fn what_is_told_of_this_device_and_of_records_reaches_presence_and_the_transport_key() {
    assert!(reaches(|_, _| IdentityNotice::RecordsChanged, |machines, _, _| machines.presence.next_due().is_some()));
    assert!(reaches(|_, _| PresenceNotice::Full, |machines, _, _| machines.presence.publisher.take_needs_generation()));
    let begins = |machines: &mut Machines, turn: &mut Turn<'_>, _| {
        machines.presence.next_due() == Some(NOW) && asks(turn, |action| matches!(action, NetAction::Rekey(false)))
    };
    assert!(reaches(|_, _| PresenceNotice::Revoked, begins));
}

#[test]
fn what_is_told_of_outboxes_reaches_those_who_call() {
    let calls = |machines: &mut Machines, turn: &mut Turn<'_>, _| {
        machines.delivery.follow(&mut machines.state, turn).unwrap();
        machines.delivery.wake_all(&mut machines.state, turn).unwrap();
        machines.delivery.next_due().is_some()
    };
    assert!(reaches(|_, device| DeliveryNotice::Queued(device), calls));
    assert!(reaches(|_, device| DeliveryNotice::RowsChanged(device), calls));
    assert!(reaches(|_, device| PresenceNotice::Moved(device), calls));
    let asks = |machines: &mut Machines, turn: &mut Turn<'_>, device| {
        machines.standings.follow(&mut machines.state, turn, Vec::new()).unwrap();
        machines.state.devices[&device].channel.saying.is_some()
    };
    assert!(reaches(|_, device| DeliveryNotice::Unacknowledged(device), asks));
    // Of somebody who was forgotten in the same input nothing is kept.
    machines(|machines, turn, _, device| {
        turn.tell(DeliveryNotice::Queued(device));
        turn.tell(DeliveryNotice::RowsChanged(device));
        machines.state.forget_device(&device);
        turn.tell(PeopleNotice::DeviceGone(device));
        machines.notices(turn).unwrap();
        assert!(!calls(machines, turn, device));
    });
}

#[test]
fn who_is_missed_or_has_other_keys_is_looked_for() {
    let seeks = |machines: &mut Machines, turn: &mut Turn<'_>, _| {
        machines.follow(turn).unwrap();
        asks(turn, |action| matches!(action, NetAction::Resolve(..)))
    };
    assert!(reaches(|_, device| DeliveryNotice::Missed(device), seeks));
    assert!(reaches(|_, device| DeliveryNotice::KeyExpired(device), seeks));
}

#[test]
fn what_is_told_of_copies_and_gaps_reaches_renewal() {
    let is_behind = |machines: &mut Machines, _: &mut Turn<'_>, _| machines.standings.behind().is_some();
    assert!(reaches(|_, _| DeliveryNotice::NewerAtRelay, is_behind));
    assert!(reaches(|_, _| RenewalNotice::Newer, is_behind));
    assert!(reaches(|_, _| RenewalNotice::LaterRevision(1 << 40), is_behind));
    assert!(reaches(|_, _| RenewalNotice::Rival { is_later: true, is_sure: true }, |machines, _, _| machines.state.own.is_halted));
    let asks = |machines: &mut Machines, turn: &mut Turn<'_>, device| {
        machines.follow(turn).unwrap();
        machines.state.devices[&device].channel.saying.is_some()
    };
    assert!(reaches(|_, _| IdentityNotice::CertificateRenewed, asks));
    assert!(reaches(|_, device| DeliveryNotice::QuestionLost(device), asks));
    assert!(reaches(|_, device| DeliveryNotice::StartCameBack(device), asks));
    assert!(reaches(|_, device| IntakeNotice::Gap(device), asks));
    assert!(reaches(|_, device| IntakeNotice::Reused(device), asks));
}

#[test]
fn held_texts_reach_those_who_seal_them() {
    assert!(reaches(|peer, _| ConversationsNotice::Held(peer), |machines, _, _| machines.held.can_release(&machines.state)));
}

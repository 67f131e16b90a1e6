//! Proofs as one side sees them: their bounds, and what a link is worth without and with one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::super::owner::EnvelopeOwner;
use super::*;
use crate::delivery::outbox;
use crate::delivery::proofs::Proofs;
use crate::fixture::{friend, in_turn};
use crate::limits::PROOFS_MAX;
use crate::seam::Address;
use crate::seam::DialId;
use crate::seam::NetAction;
use crate::seam::{Action, TransportKeys};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use symbolon_presence::id::PeerId;
use symbolon_presence::id::{PublicKeyBytes, RequestId};
use symbolon_presence::identity::Identity;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::DAY;
use symbolon_presence::time::MINUTE;
use symbolon_relay::grant::MailboxKeys;
use symbolon_relay::prove::Ends;
use symbolon_relay::prove::{LinkKey, WIRE_VERSION};
use symbolon_relay::put::MailboxEntry;

/// A friend whose device we know.
struct Ben {
    identity: Identity,
    key: LinkKey,
}

impl Ben {
    fn new(seed: u64, state: &mut State, turn: &Turn<'_>) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Identity::generate(&mut rng, turn.now, 365 * DAY);
        let device = identity.chain.verify(turn.now).unwrap();
        let keys = MailboxKeys::random(&mut rng);
        let entry = MailboxEntry::own(&keys, identity.signing.public(), Vec::new(), Vec::new());
        state.save_device(crate::rows::Device::new(device.device, device.peer, identity.chain.clone(), entry));
        let row = crate::rows::Friend { peer: device.peer, devices: vec![device.device], ..friend(seed) };
        state.friends.insert(device.peer, row);
        let me = &state.own.identity;
        let key = LinkKey::agree(&identity.dh, &me.dh.public(), &identity.device, &me.device);
        Self { identity, key }
    }

    fn device(&self) -> DeviceId {
        self.identity.device
    }

    fn peer(&self) -> PeerId {
        self.identity.peer()
    }

    /// What it says on the link with this number, which it dialled.
    fn proof(&self, number: u64, instance: u8) -> Prove {
        let keys = keys(number);
        let ends = Ends { dialler: keys.other, dialled: keys.own };
        Prove::new(&self.key, Role::Dialler, &ends, [number as u8; 16], WIRE_VERSION, [instance; 16])
    }
}

fn keys(number: u64) -> TransportKeys {
    TransportKeys { own: PublicKeyBytes([1; 32]), other: PublicKeyBytes([number as u8; 32]) }
}

/// Somebody opens a link, by this way.
fn come(delivery: &mut Delivery, state: &mut State, turn: &mut Turn<'_>, number: u64, path: Path) -> LinkId {
    let link = LinkId(number);
    delivery.link_up(state, turn, Up { link, dial: None, path, keys: Some(keys(number)) }).unwrap();
    link
}

/// How many proofs were said since this was last asked.
fn said(turn: &mut Turn<'_>) -> usize {
    let actions: Vec<Action> = turn.out.actions.drain(..).collect();
    actions
        .iter()
        .filter(|action| matches!(action, Action::Net(NetAction::Send(_, bytes)) if matches!(Frame::decode(bytes), Ok(Frame::Prove(_)))))
        .count()
}

#[test]
fn proofs_of_all_links_together_cost_a_bounded_number_of_macs_in_a_minute() {
    in_turn(|state, turn| {
        let mut delivery = Delivery::default();
        let ben = Ben::new(1, state, turn);
        for seed in 2..12 {
            Ben::new(seed, state, turn);
        }
        delivery.proofs = Proofs { begun: turn.now, macs: PROOFS_MAX - 1 };
        // A stranger's proof is the last one of this minute: one MAC for each friend's device.
        let stranger = come(&mut delivery, state, turn, 1, Path::Direct);
        assert!(delivery.proof(state, turn, stranger, ben.proof(9, 0)).unwrap());
        assert_eq!(delivery.proofs.macs, PROOFS_MAX - 1 + 11);
        let link = come(&mut delivery, state, turn, 2, Path::Direct);
        assert!(delivery.proof(state, turn, link, ben.proof(2, 0)).unwrap());
        assert_eq!((said(turn), delivery.proofs.macs), (0, PROOFS_MAX + 10), "not looked at");
        // Where we have dialled, one MAC is enough, and is not counted.
        let dial = DialId(7);
        delivery.dials.insert(dial, ben.device());
        delivery.link_up(state, turn, Up { link: LinkId(3), dial: Some(dial), path: Path::Direct, keys: Some(keys(3)) }).unwrap();
        assert_eq!(said(turn), 1);
        // There is no room in which it could be greeted.
        delivery.sessions.get_mut(&ben.device()).unwrap().greet = false;
        let ends = Ends { dialler: keys(3).own, dialled: keys(3).other };
        let answer = Prove::new(&ben.key, Role::Dialled, &ends, [0; 16], WIRE_VERSION, [0; 16]);
        assert!(delivery.proof(state, turn, LinkId(3), answer).unwrap());
        assert_eq!(delivery.friend_behind(state, LinkId(3)), Some(ben.device()));
        // A minute later friends are looked for again.
        turn.now = turn.now.after(MINUTE);
        let link = come(&mut delivery, state, turn, 4, Path::Direct);
        assert!(delivery.proof(state, turn, link, ben.proof(4, 0)).unwrap());
        assert_eq!(said(turn), 1);
    });
}

#[test]
fn each_end_proves_itself_once_on_a_link_and_whatever_follows_is_a_fault() {
    in_turn(|state, turn| {
        let mut delivery = Delivery::default();
        let ben = Ben::new(1, state, turn);
        let link = come(&mut delivery, state, turn, 1, Path::Direct);
        assert!(delivery.proof(state, turn, link, ben.proof(1, 0)).unwrap());
        assert!(!delivery.proof(state, turn, link, ben.proof(1, 0)).unwrap(), "again");
        // A stranger's: met with silence, and looked at once.
        let stranger = come(&mut delivery, state, turn, 2, Path::Direct);
        assert!(delivery.proof(state, turn, stranger, ben.proof(9, 0)).unwrap());
        let macs = delivery.proofs.macs;
        assert!(!delivery.proof(state, turn, stranger, ben.proof(2, 0)).unwrap());
        assert_eq!((said(turn), delivery.proofs.macs), (1, macs));
        assert_eq!(delivery.friend_behind(state, stranger), None);
        // An answer that nobody waits for: on a link to somebody who is no friend.
        let dial = DialId(7);
        delivery.dials.insert(dial, DeviceId([9; 16]));
        delivery.link_up(state, turn, Up { link: LinkId(3), dial: Some(dial), path: Path::Direct, keys: Some(keys(3)) }).unwrap();
        assert!(!delivery.proof(state, turn, LinkId(3), ben.proof(3, 0)).unwrap());
    });
}

#[test]
fn a_proof_that_came_before_the_friendship_is_answered_once_there_is_one() {
    in_turn(|state, turn| {
        let mut delivery = Delivery::default();
        let ben = Ben::new(1, state, turn);
        let row = state.friends.remove(&ben.peer()).unwrap();
        let link = come(&mut delivery, state, turn, 1, Path::Direct);
        assert!(delivery.proof(state, turn, link, ben.proof(1, 0)).unwrap());
        delivery.befriended(state, turn, &ben.device()).unwrap();
        assert_eq!(said(turn), 0);
        state.friends.insert(ben.peer(), row);
        delivery.befriended(state, turn, &ben.device()).unwrap();
        assert_eq!((said(turn), delivery.friend_behind(state, link)), (1, Some(ben.device())));
        delivery.befriended(state, turn, &ben.device()).unwrap();
        assert_eq!(said(turn), 0);
    });
}

#[test]
fn who_is_blocked_or_ended_is_not_answered() {
    for step in 0..3 {
        in_turn(|state, turn| {
            let mut delivery = Delivery::default();
            let ben = Ben::new(1, state, turn);
            let row = state.friends.get_mut(&ben.peer()).unwrap();
            match step {
                0 => row.state = FriendState::Ended,
                1 => row.blocked = true,
                _ => {
                    state.blocked.insert(ben.peer().as_bytes().to_vec());
                }
            }
            let link = come(&mut delivery, state, turn, 1, Path::Direct);
            assert!(delivery.proof(state, turn, link, ben.proof(1, 0)).unwrap());
            assert_eq!((said(turn), delivery.behind(state, link)), (0, None), "{step}");
        });
    }
}

#[test]
fn a_friend_from_whom_we_hide_is_answered_through_a_relay_only() {
    in_turn(|state, turn| {
        let mut delivery = Delivery::default();
        let ben = Ben::new(1, state, turn);
        crate::presence::hide(state, turn, &ben.peer(), true);
        for (number, path, expected) in [(1, Path::Direct, 0), (2, Path::Lan, 0), (3, Path::Relay, 1)] {
            let link = come(&mut delivery, state, turn, number, path);
            assert!(delivery.proof(state, turn, link, ben.proof(number, 0)).unwrap());
            assert_eq!(said(turn), expected, "{path:?}");
            assert_eq!(delivery.friend_behind(state, link).is_some(), expected == 1);
        }
    });
}

#[test]
fn another_run_of_a_device_ends_the_link_of_the_run_before() {
    in_turn(|state, turn| {
        let mut delivery = Delivery::default();
        let ben = Ben::new(1, state, turn);
        let first = come(&mut delivery, state, turn, 1, Path::Direct);
        delivery.proof(state, turn, first, ben.proof(1, 0)).unwrap();
        let second = come(&mut delivery, state, turn, 2, Path::Direct);
        delivery.proof(state, turn, second, ben.proof(2, 0)).unwrap();
        assert!(delivery.is_open(first), "two dials may have crossed");
        assert_eq!(delivery.sessions[&ben.device()].link, Some(first));
        let third = come(&mut delivery, state, turn, 3, Path::Direct);
        delivery.proof(state, turn, third, ben.proof(3, 1)).unwrap();
        assert!(!delivery.is_open(first) && !delivery.is_open(second));
        assert_eq!(delivery.sessions[&ben.device()].link, Some(third));
        assert_eq!(delivery.is_online(&[ben.device()]), Some(true));
    });
}

#[test]
fn a_link_without_transport_keys_is_never_proved() {
    in_turn(|state, turn| {
        let mut delivery = Delivery::default();
        let ben = Ben::new(1, state, turn);
        let link = LinkId(1);
        delivery.link_up(state, turn, Up { link, dial: None, path: Path::Direct, keys: None }).unwrap();
        assert!(delivery.proof(state, turn, link, ben.proof(1, 0)).unwrap());
        assert_eq!((said(turn), delivery.behind(state, link)), (0, None));
    });
}

#[test]
fn a_build_is_remembered_for_a_day_and_a_suspicion_does_not_outweigh_what_was_said() {
    in_turn(|state, turn| {
        let device = DeviceId([1; 16]);
        state.note_build(turn.now, &device, WIRE_VERSION + 1);
        state.suspect_build(turn.now, &device);
        assert!(state.is_incompatible(turn.now, &device));
        assert!(!state.is_incompatible(turn.now.after(BUILD_REMEMBERED), &device));
        state.note_build(turn.now, &device, WIRE_VERSION);
        assert!(state.other_build(turn.now, &device).is_none());
        state.suspect_build(turn.now, &device);
        assert!(state.other_build(turn.now, &device).is_some() && !state.is_incompatible(turn.now, &device), "nothing follows from it");
    });
}

#[test]
fn a_strangers_node_that_is_asked_gets_one_proof_and_no_envelope_until_it_has_answered() {
    in_turn(|state, turn| {
        let ben = Ben::new(1, state, turn);
        let entry = state.devices[&ben.device()].entry.clone();
        let via = outbox::Via { entry, key: Secret::from_bytes([6; 32]), usage: None, relay_mailboxes: Vec::new() };
        let envelope = vec![0; 512];
        outbox::enqueue(state, turn, &ben.device(), EnvelopeOwner::Offer(RequestId([1; 16])), Some(via), envelope);
        let frames = |turn: &mut Turn<'_>, on: LinkId| {
            let actions: Vec<Action> = turn.out.actions.drain(..).collect();
            let sent = actions.into_iter().filter_map(|action| {
                let Action::Net(NetAction::Send(link, bytes)) = action else { return None };
                Frame::decode(&bytes).ok().filter(|_| link == on)
            });
            sent.collect::<Vec<_>>()
        };
        let mut delivery = Delivery::default();
        let open = |delivery: &mut Delivery, state: &mut State, turn: &mut Turn<'_>, number: u64| {
            let dial = turn
                .out
                .actions
                .drain(..)
                .find_map(|action| if let Action::Net(NetAction::Dial(dial, _)) = action { Some(dial) } else { None });
            delivery.link_up(state, turn, Up { link: LinkId(number), dial, path: Path::Lan, keys: Some(keys(number)) }).unwrap();
        };
        delivery.sessions.entry(ben.device()).or_default().attempts = 5;
        let places = vec![Address(vec![4, 10, 9, 0, 1, 6, 0, 9])];
        delivery.ask(state, turn, &ben.device(), places.clone());
        assert!(matches!(turn.out.actions.back(), Some(Action::Net(NetAction::Dial(_, at))) if *at == places));
        open(&mut delivery, state, turn, 1);
        delivery.wake(state, turn, &ben.device()).unwrap();
        let sent = frames(turn, LinkId(1));
        assert!(matches!(sent.as_slice(), [Frame::Prove(_)]), "{sent:?}");
        delivery.ask(state, turn, &ben.device(), places.clone());
        assert!(turn.out.actions.is_empty(), "one at a time");
        // Nobody answers.
        turn.now = turn.now.after(PROVE_TIMEOUT);
        delivery.tick(state, turn).unwrap();
        assert!(turn.out.actions.drain(..).any(|action| matches!(action, Action::Net(NetAction::Close(LinkId(1), _)))));
        let session = &delivery.sessions[&ben.device()];
        assert_eq!((session.attempts, session.next_dial.is_some()), (5, true), "the way to where the friend was is tried as before");
        // It is the friend's.
        delivery.ask(state, turn, &ben.device(), places.clone());
        open(&mut delivery, state, turn, 2);
        delivery.sessions.get_mut(&ben.device()).unwrap().greet = false;
        let ends = Ends { dialler: keys(2).own, dialled: keys(2).other };
        delivery.proof(state, turn, LinkId(2), Prove::new(&ben.key, Role::Dialled, &ends, [0; 16], WIRE_VERSION, [0; 16])).unwrap();
        let sent = frames(turn, LinkId(2));
        assert!(matches!(sent.as_slice(), [Frame::Prove(_), Frame::Put(_)]), "{sent:?}");
        // A call that fails leaves nothing behind.
        let mut delivery = Delivery::default();
        delivery.ask(state, turn, &ben.device(), places);
        let Some(Action::Net(NetAction::Dial(dial, _))) = turn.out.actions.pop_back() else { panic!("no call") };
        delivery.dial_failed(state, turn, dial);
        assert!(delivery.dials.is_empty() && delivery.asking.is_empty());
    });
}

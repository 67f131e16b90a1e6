//! Bounds that only a look inside can fill: sessions of strangers, receipt lines of a link.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::link::FAULTS_MAX;
use super::*;
use crate::State;
use crate::clear_cipher::ClearCipher;
use crate::command::Path;
use crate::delivery::receipts::RECEIPTS_WAITING_MAX;
use crate::fixture::Empty;
use crate::limits::WINDOW;
use crate::seam::Action;
use crate::seam::CloseReason;
use crate::seam::LinkId;
use crate::seam::NetAction;
use crate::turn::Out;
use crate::turn::Turn;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use symbolon_presence::id::{DeviceId, FrameId, PeerId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::limits::RECEIPT_MAX;
use symbolon_relay::put::Outcome;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// Runs a closure in a turn of a node at its first run; answers the actions it led to.
fn in_turn(f: impl FnOnce(&mut Delivery, &mut State, &mut Turn<'_>)) -> Vec<Action> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut out = Out::default();
    let mut state = State::load(None, &Empty, NOW, &mut rng, &mut out).unwrap();
    let mut cipher = ClearCipher::new([1; 32]);
    let mut turn = Turn { now: NOW, sure: NOW, stamp: NOW, rng: &mut rng, cipher: &mut cipher, shelf: &Empty, out: &mut out };
    f(&mut Delivery::default(), &mut state, &mut turn);
    out.actions.into()
}

/// A link that somebody has opened to us.
fn inbound(number: u64) -> Up {
    Up { link: LinkId(number), dial: None, path: Path::Direct, keys: None }
}

#[test]
fn a_strangers_session_goes_with_its_link() {
    in_turn(|delivery, state, turn| {
        for n in 0..1_000u64 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_be_bytes());
            delivery.link_up(state, turn, inbound(n)).unwrap();
            delivery.brought_step(state, turn, Origin::Link(LinkId(n)), &DeviceId(id)).unwrap();
            assert_eq!(delivery.sessions.len(), 1);
            delivery.link_down(state, turn, LinkId(n));
            assert!(delivery.sessions.is_empty() && delivery.links.is_empty() && delivery.due.is_empty());
        }
    });
}

#[test]
fn a_link_that_wants_too_many_receipts_in_one_turn_is_closed() {
    let actions = in_turn(|delivery, state, turn| {
        delivery.link_up(state, turn, inbound(1)).unwrap();
        for n in 0..RECEIPTS_WAITING_MAX {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            delivery.acknowledge(state, turn, Origin::Link(LinkId(1)), None, FrameId(id), Outcome::Delivered);
            assert!(delivery.is_open(LinkId(1)));
        }
        delivery.acknowledge(state, turn, Origin::Link(LinkId(1)), None, FrameId([9; 32]), Outcome::Delivered);
        assert!(!delivery.is_open(LinkId(1)));
        delivery.close_turn(state, turn);
    });
    assert_eq!(actions, [Action::Net(NetAction::Close(LinkId(1), CloseReason::Flood))], "and nothing more is sent");
}

#[test]
fn receipts_of_one_turn_come_in_as_few_signatures_as_their_bound_allows() {
    let actions = in_turn(|delivery, state, turn| {
        delivery.link_up(state, turn, inbound(1)).unwrap();
        for n in 0..=RECEIPT_MAX {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            delivery.acknowledge(state, turn, Origin::Link(LinkId(1)), None, FrameId(id), Outcome::Delivered);
        }
        delivery.close_turn(state, turn);
    });
    let sent = actions.iter().filter(|action| matches!(action, Action::Net(NetAction::Send(..)))).count();
    assert_eq!(sent, 2);
}

#[test]
fn a_link_that_brought_a_friends_envelope_under_an_old_key_may_bring_a_window_and_no_more() {
    in_turn(|delivery, state, turn| {
        let link = LinkId(1);
        delivery.link_up(state, turn, inbound(1)).unwrap();
        delivery.forgive_a_window(link);
        for _ in 0..WINDOW as u32 + FAULTS_MAX - 1 {
            delivery.fault_of_old_key(state, turn, link);
            // Another one of the friend's gives nothing more.
            delivery.forgive_a_window(link);
        }
        assert!(delivery.is_open(link));
        delivery.fault_of_old_key(state, turn, link);
        assert!(!delivery.is_open(link));

        let stranger = LinkId(2);
        delivery.link_up(state, turn, inbound(2)).unwrap();
        for _ in 0..FAULTS_MAX {
            assert!(delivery.is_open(stranger));
            delivery.fault_of_old_key(state, turn, stranger);
        }
        assert!(!delivery.is_open(stranger));
    });
}

#[test]
fn a105_nobody_but_a_proved_friend_who_may_know_where_we_are_is_punched_to() {
    use crate::fixture::friend;
    let (known, stranger) = (DeviceId([1; 16]), DeviceId([2; 16]));
    let actions = in_turn(|delivery, state, turn| {
        let friend = crate::rows::Friend { devices: vec![known], ..friend(1) };
        let entry = symbolon_relay::put::MailboxEntry {
            mailbox: state.own.admission.id(),
            receipt: state.own.identity.signing.public(),
            address: vec![1; 80],
            places: Vec::new(),
        };
        for (device, peer) in [(known, friend.peer), (stranger, PeerId([9; 32]))] {
            state.save_device(crate::rows::Device::new(device, peer, state.own.identity.chain.clone(), entry.clone()));
        }
        state.friends.insert(friend.peer, friend);
        for (link, device, proved, path) in [
            (1, known, true, Path::Relay),
            (2, known, false, Path::Relay),
            (3, known, true, Path::Direct),
            (4, stranger, true, Path::Relay),
        ] {
            delivery.link_up(state, turn, Up { link: LinkId(link), dial: None, path, keys: None }).unwrap();
            let row = delivery.links.get_mut(&LinkId(link)).unwrap();
            (row.device, row.proved) = (Some(device), proved);
        }
        let both = [known, stranger].into();
        delivery.shorten(state, turn, &both);
        delivery.shorten_all(state, turn);
        for hidden in [true, true, false] {
            crate::presence::hide(state, turn, &crate::fixture::peer(1), hidden);
            delivery.hidden(state, turn, &both);
        }
    });
    let (yes, no) = (Action::Net(NetAction::Punch(LinkId(1), true)), Action::Net(NetAction::Punch(LinkId(1), false)));
    assert_eq!(actions, [yes.clone(), no, yes]);
}

//! What a relay may make us believe, and the bounds that only a look inside can fill.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::sessions::*;
use super::*;
use crate::clear_cipher::ClearCipher;
use crate::command::{MessageState, RelayState};
use crate::delivery::fate::Fate;
use crate::delivery::outbox::{self, Copy, OutboxRow};
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::relays::receipts::STALE_PAUSE;
use crate::fixture::{self, Empty};
use crate::limits::RELAY_SESSIONS_MAX;
use crate::notice::DeliveryNotice;
use crate::rows::{Channel, Device, Friend, Message, ROOM_LANE, message_key};
use crate::seam::{Action, DialId, LinkId, NetAction};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Out, Turn, TurnFailed};
use crate::wire::RelayMailbox;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;
use symbolon_presence::address::Address;
use symbolon_presence::envelope::frame_id;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::{DeviceId, FrameId, MailboxId, MessageId, PeerId, RequestId, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::seal::DhKey;
use symbolon_presence::seeds::{Ratchet, Seed};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::MailboxKeys;
use symbolon_relay::put::{MailboxEntry, Outcome, Receipt, ReceiptBody, ReceiptItem, Refusal};
use symbolon_relay::session::{Accepted, AcceptedBody, Verdict};

mod budget;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const DEVICE: DeviceId = DeviceId([7; 16]);
const ROOM: RoomId = RoomId([8; 32]);
const LINK: LinkId = LinkId(1);

fn in_turn(f: impl FnOnce(&mut Relays, &mut State, &mut Turn<'_>)) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut out = Out::default();
    let mut state = State::load(None, &Empty, NOW, &mut rng, &mut out).unwrap();
    let mut cipher = ClearCipher::new([1; 32]);
    let mut turn = Turn { now: NOW, sure: NOW, stamp: NOW, rng: &mut rng, cipher: &mut cipher, shelf: &Empty, out: &mut out };
    f(&mut Relays::default(), &mut state, &mut turn);
}

/// A relay's keys and the mailbox that a friend has there.
fn relay_mailbox(seed: u64) -> (SigningKey, RelayMailbox) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let keys = MailboxKeys::random(&mut rng);
    let mut receipt = [0; 32];
    receipt[..8].copy_from_slice(&seed.to_be_bytes());
    let signer = SigningKey::from_seed(&receipt);
    let entry = MailboxEntry { mailbox: keys.id(), receipt: signer.public(), address: vec![1; 80], places: vec![Address(vec![4])] };
    (signer, RelayMailbox { entry, key: Secret::from_bytes([5; 32]) })
}

/// A device that cannot be reached, with one text of ours in its outbox. Answers its frame.
fn with_text(state: &mut State, turn: &mut Turn<'_>, relays: Vec<RelayMailbox>) -> FrameId {
    let (a, b) = (DhKey::from_bytes([1; 32]), DhKey::from_bytes([2; 32]));
    let envelope = {
        let seed = Seed { number: 1, secret: Secret::from_bytes([9; 32]) };
        Ratchet::agree(&seed, &a, &b.public(), &DeviceId([1; 16]), &DEVICE).turn().seal(&[0; 12], b"x").unwrap()
    };
    let (_, own) = relay_mailbox(1_000_000);
    let device = Device::new(DEVICE, PeerId([9; 32]), state.own.identity.chain.clone(), own.entry);
    let channel = Channel { outbox_next: ROOM_LANE + 1, outbox_count: 1, ..Channel::default() };
    state.save_device(Device { relay_mailboxes: relays, channel, ..device });
    let frame = frame_id(&envelope);
    let owner = EnvelopeOwner::Text(ROOM, 3);
    let row = OutboxRow { frame, owner, via: None, envelope, sequence: Some(0), stored: None, room: Some(ROOM), inner: None };
    turn.put(Table::Outbox, &outbox::outbox_key(&DEVICE, ROOM_LANE), &row);
    let message = Message {
        id: MessageId([1; 16]),
        from: state.own.peer,
        at: NOW,
        state: MessageState::Queued,
        text: "x".into(),
        fault: None,
        line: None,
        via: None,
    };
    turn.put(Table::Message, &message_key(&ROOM, 3), &message);
    frame
}

fn message_state(turn: &Turn<'_>) -> MessageState {
    turn.row::<Message>(Table::Message, &message_key(&ROOM, 3)).unwrap().unwrap().state
}

fn copy(turn: &Turn<'_>) -> Option<Copy> {
    outbox::row(turn, &DEVICE, ROOM_LANE).unwrap().expect("the outbox still owns it").stored
}

/// Brings the link to the one relay up.
fn connect(relays: &mut Relays, state: &mut State, turn: &mut Turn<'_>) {
    relays.wait(state, turn, &DEVICE).unwrap();
    let Some(Action::Net(NetAction::Dial(dial, _))) = turn.out.actions.pop_back() else { panic!("the relay is called") };
    relays.link_up(state, turn, LINK, dial).unwrap();
    assert!(matches!(turn.out.actions.pop_back(), Some(Action::Net(NetAction::Send(LINK, _)))), "the envelope is left");
}

/// A frame of the relay comes, and what it has signed is taken in.
fn heard(relays: &mut Relays, state: &mut State, turn: &mut Turn<'_>, bytes: &[u8]) -> Result<(), TurnFailed> {
    if let Some(Arrived::Signed(signed)) = relays.frame(state, turn, LINK, bytes)? {
        crate::intake::signed(state, turn, &signed)?;
        relays.go_on(state, turn, &signed)?;
    }
    Ok(())
}

/// Looks at all copies, and tells whose do not count any more.
fn renew(relays: &mut Relays, state: &mut State, turn: &mut Turn<'_>) {
    relays.renew(state, turn).unwrap();
    for (device, owner) in relays.take_lost() {
        crate::intake::tell(state, turn, &device, &owner, Fate::Queued).unwrap();
    }
}

fn receipt(signer: &SigningKey, mailbox: &MailboxId, frame: FrameId, outcome: Outcome) -> Vec<u8> {
    let body = ReceiptBody { at: NOW, items: vec![ReceiptItem { frame, outcome }] };
    Frame::Receipt(Receipt::sign(signer, mailbox, &body)).encode()
}

#[test]
fn a_relay_can_say_that_it_stores_but_not_that_somebody_has_it() {
    let (signer, relay) = relay_mailbox(1);
    let mailbox = relay.entry.mailbox;
    for (signer, outcome, expected) in [
        (&SigningKey::from_seed(&[77; 32]), Outcome::Stored(NOW.after(DAY)), MessageState::Queued),
        (&signer, Outcome::Delivered, MessageState::Queued),
        (&signer, Outcome::Refused(Refusal::Refused), MessageState::Queued),
        (&signer, Outcome::Stored(Timestamp(NOW.0 - 1)), MessageState::Queued),
        (&signer, Outcome::Stored(NOW.after(DAY)), MessageState::Stored),
    ] {
        in_turn(|relays, state, turn| {
            let frame = with_text(state, turn, vec![relay.clone()]);
            connect(relays, state, turn);
            heard(relays, state, turn, &receipt(signer, &mailbox, frame, outcome)).unwrap();
            assert_eq!(message_state(turn), expected, "{outcome:?}");
            assert_eq!(copy(turn).is_some(), expected == MessageState::Stored);
        });
    }
}

#[test]
fn a96_a_copy_that_has_lived_three_quarters_of_its_life_is_left_again() {
    let (signer, relay) = relay_mailbox(1);
    in_turn(|relays, state, turn| {
        let frame = with_text(state, turn, vec![relay.clone()]);
        connect(relays, state, turn);
        let bytes = receipt(&signer, &relay.entry.mailbox, frame, Outcome::Stored(NOW.after(4 * DAY)));
        heard(relays, state, turn, &bytes).unwrap();
        turn.now = NOW.after(2 * DAY);
        renew(relays, state, turn);
        assert_eq!((message_state(turn), turn.out.actions.len()), (MessageState::Stored, 0));
        turn.now = NOW.after(3 * DAY);
        renew(relays, state, turn);
        assert_eq!(message_state(turn), MessageState::Queued, "nothing is said that is not so");
        assert!(matches!(turn.out.actions.pop_back(), Some(Action::Net(NetAction::Send(LINK, _)))), "left again");
    });
}

#[test]
fn a_copy_where_the_friend_fetches_no_longer_does_not_count() {
    let (signer, relay) = relay_mailbox(1);
    in_turn(|relays, state, turn| {
        let frame = with_text(state, turn, vec![relay.clone()]);
        connect(relays, state, turn);
        let bytes = receipt(&signer, &relay.entry.mailbox, frame, Outcome::Stored(NOW.after(4 * DAY)));
        heard(relays, state, turn, &bytes).unwrap();
        state.device_mut(&DEVICE).unwrap().relay_mailboxes = vec![relay_mailbox(2).1];
        renew(relays, state, turn);
        assert_eq!(message_state(turn), MessageState::Queued);
        assert!(matches!(turn.out.actions.pop_back(), Some(Action::Net(NetAction::Dial(..)))), "the new relay is called");
    });
}

#[test]
fn what_was_on_its_way_when_a_link_died_is_left_on_the_next() {
    let (_, relay) = relay_mailbox(1);
    in_turn(|relays, state, turn| {
        with_text(state, turn, vec![relay]);
        connect(relays, state, turn);
        relays.link_down(turn, LINK);
        turn.now = NOW.after(2_000);
        relays.tick(state, turn).unwrap();
        let Some(Action::Net(NetAction::Dial(dial, _))) = turn.out.actions.pop_back() else { panic!("called again") };
        relays.link_up(state, turn, LinkId(2), dial).unwrap();
        assert!(matches!(turn.out.actions.pop_back(), Some(Action::Net(NetAction::Send(LinkId(2), _)))));
    });
}

#[test]
fn relays_spoken_to_at_once_are_bounded() {
    in_turn(|relays, _, turn| {
        for seed in 0..3 * RELAY_SESSIONS_MAX as u64 {
            relays.call(turn, &relay_mailbox(seed).1);
            assert!(relays.sessions.len() <= RELAY_SESSIONS_MAX && relays.dials.len() <= RELAY_SESSIONS_MAX);
        }
        assert_eq!(relays.sessions.len(), RELAY_SESSIONS_MAX);
    });
}

#[test]
fn a20_what_was_on_its_way_when_a_new_key_was_read_is_left_again_under_it() {
    let (signer, relay) = relay_mailbox(1);
    let peer = PeerId([9; 32]);
    let friend = |revision| Friend {
        peer,
        devices: vec![DEVICE],
        friendship: Some(FriendshipSecret { revision, secret: Secret::from_bytes([revision as u8; 32]) }),
        room: ROOM,
        ..fixture::friend(9)
    };
    in_turn(|relays, state, turn| {
        let frame = with_text(state, turn, vec![relay.clone()]);
        state.friends.insert(peer, friend(0));
        connect(relays, state, turn);
        let stale = receipt(&signer, &relay.entry.mailbox, frame, Outcome::Refused(Refusal::Stale));
        heard(relays, state, turn, &stale).unwrap();
        assert!(
            turn.out.actions.is_empty() && turn.told::<DeliveryNotice>().contains(&DeliveryNotice::KeyExpired(DEVICE)),
            "without a new key it waits until one is read"
        );
        relays.restart(&DEVICE);
        relays.pump(state, turn).unwrap();
        assert!(turn.out.actions.is_empty(), "and is not left again and again under the old one");
        turn.now = NOW.after(STALE_PAUSE);
        relays.renew(state, turn).unwrap();
        assert!(matches!(turn.out.actions.pop_back(), Some(Action::Net(NetAction::Send(LINK, _)))), "a relay may have been wrong");
        // The key is read while the old one is still on its way: the relay's answer is about the old one.
        state.friends.insert(peer, friend(1));
        relays.restart(&DEVICE);
        relays.pump(state, turn).unwrap();
        assert!(turn.out.actions.is_empty(), "one at a time");
        heard(relays, state, turn, &stale).unwrap();
        assert!(matches!(turn.out.actions.pop_back(), Some(Action::Net(NetAction::Send(LINK, _)))), "left again");
        heard(relays, state, turn, &receipt(&signer, &relay.entry.mailbox, frame, Outcome::Stored(NOW.after(DAY)))).unwrap();
        assert_eq!(message_state(turn), MessageState::Stored);
    });
}

#[test]
fn an_old_key_of_friends_stands_in_the_way_of_no_question_by_invite() {
    let (signer, relay) = relay_mailbox(1);
    in_turn(|relays, state, turn| {
        let frame = with_text(state, turn, vec![relay.clone()]);
        connect(relays, state, turn);
        let stale = receipt(&signer, &relay.entry.mailbox, frame, Outcome::Refused(Refusal::Stale));
        heard(relays, state, turn, &stale).unwrap();
        let row = outbox::row(turn, &DEVICE, ROOM_LANE).unwrap().unwrap();
        let via =
            outbox::Via { entry: relay.entry.clone(), key: Secret::from_bytes([6; 32]), usage: None, relay_mailboxes: vec![relay.clone()] };
        let asks = OutboxRow { owner: EnvelopeOwner::Offer(RequestId([1; 16])), via: Some(via), ..row };
        turn.put(Table::Outbox, &outbox::outbox_key(&DEVICE, ROOM_LANE), &asks);
        relays.restart(&DEVICE);
        relays.pump(state, turn).unwrap();
        assert!(matches!(turn.out.actions.pop_back(), Some(Action::Net(NetAction::Send(LINK, _)))));
    });
}

#[test]
fn lists_of_receipts_that_no_relay_took_are_taken_back_once_their_device_is_here() {
    in_turn(|_, state, turn| {
        let text = with_text(state, turn, Vec::new());
        for number in 0..300_u64 {
            outbox::enqueue(state, turn, &DEVICE, EnvelopeOwner::Receipts, None, number.to_be_bytes().to_vec());
        }
        assert_eq!(state.devices[&DEVICE].channel.outbox_count, 301);
        assert_eq!(outbox::forget_lists(state, turn, &DEVICE), Ok(true));
        let left: Vec<FrameId> = outbox::rows(turn, &DEVICE, 0, 400).unwrap().into_iter().map(|(_, row)| row.frame).collect();
        assert_eq!((left, state.devices[&DEVICE].channel.outbox_count), (vec![text], 1));
        assert_eq!(outbox::forget_lists(state, turn, &DEVICE), Ok(false));
    });
}

#[test]
fn n7_a_relay_that_nothing_waits_for_is_not_dialled_again() {
    let (signer, relay) = relay_mailbox(1);
    in_turn(|relays, state, turn| {
        let frame = with_text(state, turn, vec![relay.clone()]);
        connect(relays, state, turn);
        assert_eq!(relays.waiting().count(), 0, "it is on its way");
        heard(relays, state, turn, &receipt(&signer, &relay.entry.mailbox, frame, Outcome::Stored(NOW.after(DAY)))).unwrap();
        relays.link_down(turn, LINK);
        assert!(relays.waiting().count() == 0 && relays.sessions.is_empty(), "while the friend is away");
        assert_eq!(relays.next_due(), None);
        // Something new, and the relay is gone: it is called until it is there.
        relays.wait(state, turn, &DEVICE).unwrap();
        assert!(relays.waiting().count() == 0, "what lies there lies there");
    });
    in_turn(|relays, state, turn| {
        with_text(state, turn, vec![relay.clone()]);
        connect(relays, state, turn);
        // The receipt is lost with the link.
        relays.link_down(turn, LINK);
        for _ in 0..5 {
            turn.now = relays.next_due().expect("it is called again");
            relays.tick(state, turn).unwrap();
            let Some(Action::Net(NetAction::Dial(dial, _))) = turn.out.actions.pop_back() else { panic!("the relay is called") };
            relays.dial_failed(turn, dial);
        }
        relays.reached(&DEVICE);
        turn.now = relays.next_due().unwrap();
        relays.tick(state, turn).unwrap();
        assert!(relays.sessions.is_empty() && relays.next_due().is_none(), "its friend is here: nobody is called");
    });
}

/// The frames that have left on the link.
fn frames(turn: &mut Turn<'_>) -> Vec<Frame> {
    let sent = turn.out.actions.drain(..).filter_map(|action| match action {
        Action::Net(NetAction::Send(LINK, bytes)) => Frame::decode(&bytes).ok(),
        Action::Net(_) | Action::Announce(_) | Action::Reply(..) => None,
    });
    sent.collect()
}

#[test]
fn at_a_relay_of_ours_nothing_is_left_before_it_has_said_how_it_stands_with_our_mailbox() {
    for (version, verdict) in [(1, Verdict::Ok), (0, Verdict::Full)] {
        in_turn(|relays, state, turn| {
            let keys = fixture::own_relay(state, turn, 3);
            let (signer, owner) = (SigningKey::from_seed(&[3; 32]), SigningKey::from_seed(&[3; 32]).public());
            let entry = MailboxEntry { mailbox: keys.id(), receipt: signer.public(), address: vec![1; 80], places: vec![Address(vec![4])] };
            with_text(state, turn, vec![RelayMailbox { entry, key: Secret::from_bytes([5; 32]) }]);
            relays.start(state, turn);
            relays.wait(state, turn, &DEVICE).unwrap();
            relays.tick(state, turn).unwrap();
            let Some(Action::Net(NetAction::Dial(dial, _))) = turn.out.actions.pop_back() else { panic!("the relay is called") };
            relays.link_up(state, turn, LINK, dial).unwrap();
            assert!(matches!(frames(turn)[..], [Frame::Session(_)]), "who has it could answer before there is a mailbox");
            let says = |version, verdict| {
                let body = AcceptedBody { version, entries: 0, entries_max: 1, bytes: 0, bytes_max: 1, verdict, owner, at: NOW };
                Frame::Accepted(Accepted::sign(&signer, &keys.id(), &body)).encode()
            };
            heard(relays, state, turn, &says(0, verdict)).unwrap();
            assert!(matches!(frames(turn)[..], [Frame::Update(_)]), "it does not know ours");
            heard(relays, state, turn, &says(version, verdict)).unwrap();
            assert!(frames(turn).iter().any(|frame| matches!(frame, Frame::Put(_))), "{verdict:?}: now it is left");
        });
    }
}

#[test]
fn a_call_that_fails_once_an_older_one_has_come_up_does_not_make_the_relay_unreachable() {
    let (_, relay) = relay_mailbox(1);
    in_turn(|relays, state, turn| {
        let own = Standing { is_own: true, ..Standing::default() };
        relays.sessions.insert(key_of(&relay), Session { places: relay.entry.places.clone(), own, ..Session::default() });
        // The first has no answer yet when it is tried once more.
        for round in 0..2 {
            relays.try_own(turn, round);
        }
        let dials: Vec<DialId> = relays.dials.keys().copied().collect();
        let [first, second] = dials[..] else { panic!("two calls are under way") };
        relays.link_up(state, turn, LINK, first).unwrap();
        relays.dial_failed(turn, second);
        let session = &relays.sessions[&key_of(&relay)];
        assert_eq!((session.link, session.own.state, session.next_dial), (Some(LINK), RelayState::Connecting, None));
    });
}

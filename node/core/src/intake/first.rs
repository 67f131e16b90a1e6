//! First envelopes: steps of a connection, and how two devices stand.

use super::desk::Intake;
use super::opener::{Opened, Opener, opener};
use super::seen::seen;
use crate::delivery::{Delivery, Origin};
use crate::devices as own_devices;
use crate::friendships::{self, Answer, IncomingOffer};
use crate::invites::grants;
use crate::invites::owners::{self, GrantOwner};
use crate::limits::{FIRST_MAX, REQUEST_LIFETIME};
use crate::people::{devices, requests};
use crate::renewal::{self, Came};
use crate::rows::{Friend, FriendState};
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::{First, PAYLOAD_MAX, Statement, Step};
use symbolon_presence::codec;
use symbolon_presence::envelope::frame_id;
use symbolon_presence::id::DeviceId;
use symbolon_presence::identity::Device;
use symbolon_relay::admission::Admitted;
use symbolon_relay::grant::Queue;
use symbolon_relay::put::{Outcome, Refusal};

/// What is answered to a first envelope that was not taken, and whether it is a fault of those who brought it.
fn refusal_of(reason: DropReason, queue: Queue) -> (Option<Refusal>, bool) {
    match reason {
        // A blocked sender and a repeat look like one that waits for an answer.
        DropReason::Blocked | DropReason::Repeated => (None, false),
        DropReason::Full => (Some(Refusal::Full), false),
        DropReason::Untimely => (Some(Refusal::Untimely), true),
        DropReason::Unexpected if queue == Queue::Contact => (Some(Refusal::UsedUp), false),
        DropReason::Malformed
        | DropReason::Unopenable
        | DropReason::Forged
        | DropReason::Unexpected
        | DropReason::Reused
        | DropReason::Cipher
        | DropReason::Epoch
        | DropReason::Outranked => (Some(Refusal::Refused), true),
    }
}

impl Intake {
    /// A first envelope: a step of a connection.
    pub(super) fn first(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        origin: Origin,
        envelope: &[u8],
        admitted: &Admitted,
    ) -> Result<(), TurnFailed> {
        let mut opened = FirstOpened::default();
        let taken = match self.may_open(state, delivery, turn, origin, envelope, admitted) {
            Ok(()) => self.step(state, turn, origin, envelope, admitted, &mut opened),
            Err(reason) => Err(reason.into()),
        };
        let FirstOpened { sender, step } = opened;
        // Of those who are refused in silence as well: nobody hears more than others.
        let is_use = admitted.first_use.is_some() && matches!(taken, Ok(()) | Err(Rejected::Drop(DropReason::Blocked)));
        let is_answer = admitted.queue != Queue::Contact && matches!(taken, Ok(()));
        if is_use || is_answer {
            grants::answered(state, turn, &admitted.grant, frame_id(envelope));
        }
        let outcome = match taken {
            Ok(()) => {
                if let Some(device) = sender {
                    delivery.brought_step(state, turn, origin, &device)?;
                }
                None
            }
            Err(Rejected::Turn(failed)) => return Err(failed),
            Err(Rejected::Drop(DropReason::Untimely)) if origin.is_by_relay() && state.clock.is_doubtful() => {
                // Our own clock may be wrong: at a relay it stays for when that is settled.
                self.count(DropReason::Untimely);
                self.stays = true;
                return Ok(());
            }
            Err(Rejected::Drop(reason)) => {
                self.count(reason);
                let (refusal, is_fault) = refusal_of(reason, admitted.queue);
                if is_fault {
                    delivery.fault(state, turn, origin);
                }
                refusal
            }
        };
        match outcome {
            None => {
                if let Some(usage) = admitted.first_use {
                    let key = [admitted.grant.as_bytes().as_slice(), usage.as_bytes()].concat();
                    turn.put_raw(Table::GrantUse, &key, turn.stamp.0.to_be_bytes().to_vec());
                }
                // Durable here for as long as a request can be answered.
                let stored = Outcome::Stored(turn.stamp.after(REQUEST_LIFETIME));
                // Of what came by way of a relay, only a friend can hear, in the room.
                let friend = sender.filter(|device| is_mutual(state, device) && step != Some(Step::Standing));
                let outcome = if friend.is_some() && origin.is_by_relay() { Outcome::Delivered } else { stored };
                delivery.acknowledge(state, turn, origin, friend, frame_id(envelope), outcome);
            }
            Some(refusal) => {
                if let (Origin::Relay(key, number), Refusal::UsedUp) = (origin, refusal) {
                    delivery.note_used_up(key, number);
                }
                delivery.acknowledge(state, turn, origin, None, frame_id(envelope), Outcome::Refused(refusal));
            }
        }
        Ok(())
    }

    /// Whether a first envelope is looked at, before any key is used for it. What a relay brings is
    /// counted for the relay.
    pub(super) fn may_open(
        &mut self,
        state: &mut State,
        delivery: &Delivery,
        turn: &Turn<'_>,
        origin: Origin,
        envelope: &[u8],
        admitted: &Admitted,
    ) -> Result<(), DropReason> {
        if envelope.len() > FIRST_MAX {
            return Err(DropReason::Malformed);
        }
        let Origin::Link(link) = origin else { return Ok(()) };
        let grant = admitted.grant;
        // Anyone with a friends' key can name any grant: only those that are known here have a count.
        let within = match (admitted.queue, owners::owner_of(state, &grant)) {
            (Queue::Contact, GrantOwner::Invite) => {
                let is_posted = state.invites.get(&grant).is_some_and(|invite| invite.last_resort);
                state.rates.offer(turn.now, grant, is_posted)
            }
            // Of an invite that has done its work: no key is left that opens it.
            (Queue::Contact, _) => true,
            (Queue::Direct | Queue::Guest, GrantOwner::Reply(_)) => state.rates.answer(turn.now, grant),
            (Queue::Guest, GrantOwner::Standing(peer, _) | GrantOwner::Lifeline(peer)) => state.rates.direct(turn.now, Some(peer)),
            // Under a friends' key.
            (Queue::Direct | Queue::Guest, _) => {
                let of = delivery.behind(state, link);
                state.rates.direct(turn.now, of)
            }
        };
        if within { Ok(()) } else { Err(DropReason::Full) }
    }

    pub(super) fn step(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        origin: Origin,
        envelope: &[u8],
        admitted: &Admitted,
        opened: &mut FirstOpened,
    ) -> Result<(), Rejected> {
        let opener = opener(state, admitted)?;
        let frame = frame_id(envelope);
        // A step to a contact or reply package has a row that knows it again; these have none.
        let is_direct = matches!(opener, Opener::Direct | Opener::Lifeline(..));
        if is_direct && turn.get(Table::Seen, frame.as_bytes())?.is_some() {
            return Err(DropReason::Repeated.into());
        }
        let Opened { payload, package, is_of_before } = opener.open(state, envelope, turn.sure).map_err(|_| DropReason::Unopenable)?;
        let first: First = codec::decode(&payload, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
        let untimely = || if first.chain.is_untimely(turn.now) { DropReason::Untimely } else { DropReason::Forged };
        let known = || first.verify_known(&state.own.peer, turn.sure).filter(|(device, said)| is_between(state, device, said, &opener));
        let (device, statement) = first.verify(&state.own.peer, turn.now).or_else(known).ok_or_else(untimely)?;
        if statement.device != state.own.identity.device || statement.package != package {
            return Err(DropReason::Forged.into());
        }
        if state.devices.get(&device.device).is_some_and(|known| known.peer != device.peer) {
            return Err(DropReason::Forged.into());
        }
        // Good for the friend to whom it was given: anybody else has stolen it.
        if matches!(opener, Opener::Lifeline(peer, _) if peer != device.peer) {
            return Err(DropReason::Forged.into());
        }
        if is_of_before && !state.friends.get(&device.peer).is_some_and(Friend::is_of_before) {
            return Err(DropReason::Unexpected.into());
        }
        devices::learn_chain(state, turn, &first.chain);
        *opened = FirstOpened { sender: Some(device.device), step: Some(statement.step) };
        match (statement.step, opener) {
            (Step::Standing, opener @ (Opener::Direct | Opener::Lifeline(..))) => {
                let way = Came { is_left: origin.is_by_relay(), by_lifeline: matches!(opener, Opener::Lifeline(..)) };
                let taken = renewal::receive(state, turn, &device, &statement, way);
                // Taken or not, it is looked at once.
                if !matches!(taken, Err(Rejected::Turn(_))) {
                    turn.put_raw(Table::Seen, frame.as_bytes(), seen(turn.stamp, Outcome::Delivered, None));
                }
                self.questions.extend(taken?.map(|question| (device.device, question)));
                Ok(())
            }
            (Step::Offer, Opener::Direct) => renewal::receive_offer(state, turn, first, &device, &statement),
            // What was certified asks as what it is then.
            (Step::Offer, Opener::Invite(invite)) if invite.pairs.is_some() && device.person != state.own.person() => {
                own_devices::certify(state, turn, IncomingOffer { first, device, statement, invite })
            }
            (Step::Returned, Opener::Direct) => {
                let taken = own_devices::returned(state, turn, &device, &statement);
                if !matches!(taken, Err(Rejected::Turn(_))) {
                    turn.put_raw(Table::Seen, frame.as_bytes(), seen(turn.stamp, Outcome::Delivered, None));
                }
                taken
            }
            (Step::Joined, Opener::Request(request, ..)) => own_devices::joined(state, turn, Answer { first, device, statement, request }),
            (Step::Offer, Opener::Invite(invite)) => {
                friendships::receive_offer(state, turn, IncomingOffer { first, device, statement, invite })
            }
            (Step::Accept, Opener::Request(request, ..)) => {
                friendships::receive_accept(state, turn, Answer { first, device, statement, request })
            }
            (Step::Confirm, Opener::Request(request, ..)) => {
                friendships::receive_confirm(state, turn, Answer { first, device, statement, request })
            }
            (Step::Offer | Step::Standing | Step::Returned, Opener::Request(..))
            | (Step::Accept | Step::Confirm | Step::Standing | Step::Joined | Step::Returned, Opener::Invite(_))
            | (Step::Accept | Step::Confirm | Step::Joined, Opener::Direct)
            | (Step::Offer | Step::Accept | Step::Confirm | Step::Joined | Step::Returned, Opener::Lifeline(..)) => {
                Err(DropReason::Unexpected.into())
            }
        }
    }
}

/// Whether a step is between two who know each other: it is read for a while after the certificate of the sender has ended.
/// Blocked or not: nobody hears that from what is refused.
fn is_between(state: &State, device: &Device, statement: &Statement, opener: &Opener) -> bool {
    let is_known = state.friend_of(&device.device).is_some();
    let is_of_friends = match (statement.step, opener) {
        (Step::Standing, _) | (Step::Offer, Opener::Direct) => true,
        (Step::Accept | Step::Confirm, Opener::Request(request, ..)) => requests::renews(state, request),
        (Step::Offer | Step::Accept | Step::Confirm | Step::Joined | Step::Returned, _) => false,
    };
    is_known && is_of_friends
}

/// Who has signed a first envelope, and what it is, once that is known.
#[derive(Debug, Default)]
pub(super) struct FirstOpened {
    sender: Option<DeviceId>,
    step: Option<Step>,
}

fn is_mutual(state: &State, device: &DeviceId) -> bool {
    state.friend_of(device).is_some_and(|friend| friend.state == FriendState::Mutual)
}

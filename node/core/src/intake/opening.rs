//! A frame of a room is opened, in its turn or in a place that is taken.

use super::desk::Intake;
use super::early::{Early, Inside};
use super::given::Came;
use super::inside::{Place, Said, room_message};
use super::known::note_copy;
use super::seen::{Seen, was_given_up};
use crate::delivery::{Delivery, Origin};
use crate::friendships;
use crate::groups;
use crate::notice::IntakeNotice;
use crate::rooms::{self, order, pieces};
use crate::state::State;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::{Known, Piece};
use symbolon_presence::id::DeviceId;
use symbolon_relay::put::{Outcome, Refusal};

/// Of what kind a frame was that was taken in.
#[derive(Default)]
struct SaidIs {
    receipts: bool,
    /// It stands in the place of something that was given up.
    empty: bool,
    /// It is of an epoch that is not kept any more.
    outgrown: bool,
}

impl Intake {
    /// Opens a frame, or lets it wait for its epoch.
    pub(super) fn open(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        device: &DeviceId,
        early: Early,
        place: Place,
    ) -> Result<(), TurnFailed> {
        // Also in a place that is taken: its sender may begin again by a commit that is still on its way to us.
        if place != Place::Former && !early.known.mls.is_empty() && groups::is_early(state, &early.known) {
            let (origin, frame) = (early.origin, early.frame);
            if self.wait(state, turn, device, early) {
                delivery.put_off(state, turn, origin, frame);
            }
            return Ok(());
        }
        let Early { origin, frame, mut inner, at, known } = early;
        let (room, epoch) = (known.room, known.epoch);
        let known = match self.whole_of_given(state, device, known) {
            Ok(known) => known,
            Err(outcome) => return self.answer_known(state, delivery, turn, (origin, frame, inner, at), outcome),
        };
        // Whether it is the next one; nothing of what has no place in the order.
        let next = known.sequence.map(|sequence| sequence == order::expected(state, device, &room));
        let is_next = next == Some(true);
        friendships::commit_taken(state, turn, &room, epoch)?;
        let mut is = SaidIs::default();
        if let Some(piece) = known.piece.filter(|_| place == Place::Present && known.is_bounded())
            && !pieces::make_place(state, turn, device, &room, &piece)
        {
            // Its sender owns it, and puts it again.
            self.count(DropReason::Full);
            self.stays = true;
            return Ok(());
        }
        let outcome = match room_message(state, turn, device, known, place) {
            Ok(said) => {
                let is_friends = rooms::friend_in(state, &room).is_some();
                let is_friends = is_friends && !matches!(said, Said::Part);
                if is_friends {
                    turn.tell(IntakeNotice::Heard(*device));
                }
                is = self.note_said(turn, device, said);
                if is.outgrown {
                    // It stays its turn: what its sender seals again takes its place. Nothing is noted of it, so that its
                    // repeats are answered the same.
                    delivery.acknowledge(state, turn, origin, Some(*device), frame, Outcome::Refused(Refusal::Outgrown));
                    return Ok(());
                }
                inner = inner.map(|inner| Inside { is_empty: inner.is_empty || is.empty, ..inner });
                if is_friends && matches!(origin, Origin::Link(_)) {
                    delivery.heard_in_room(state, turn, device);
                }
                Outcome::Delivered
            }
            Err(Rejected::Turn(failed)) => return Err(failed),
            Err(Rejected::Drop(reason)) => match self.not_taken(state, turn, device, (origin, inner.as_ref(), next), reason)? {
                Some(outcome) => outcome,
                None => return Ok(()),
            },
        };
        // What stands in the place of another frame was sealed later than those behind it.
        if is_next && !is.empty && outcome == Outcome::Delivered {
            friendships::heard_in_epoch(state, turn, &room, epoch);
        }
        if is_next {
            order::advance(state, device, &room);
        }
        // A list of receipts is not receipted itself, nor is its repeat: that would never end.
        let sender = Some(*device).filter(|_| !is.receipts);
        self.settle_known(state, turn, (frame, inner, at), Seen { outcome, sender })?;
        delivery.acknowledge(state, turn, origin, sender, frame, outcome);
        Ok(())
    }

    /// Passes on what a frame was, where others look at it, and says of what kind it is.
    fn note_said(&mut self, turn: &mut Turn<'_>, device: &DeviceId, said: Said) -> SaidIs {
        match said {
            Said::Something | Said::Part => SaidIs::default(),
            Said::Nothing => SaidIs { empty: true, ..SaidIs::default() },
            Said::Receipts(items) => {
                self.reported.extend(items.into_iter().map(|item| (*device, item)));
                SaidIs { receipts: true, ..SaidIs::default() }
            }
            Said::Again => {
                turn.tell(IntakeNotice::AskedAgain(*device));
                SaidIs::default()
            }
            Said::Outgrown => {
                self.count(DropReason::Epoch);
                SaidIs { outgrown: true, ..SaidIs::default() }
            }
        }
    }

    /// What is answered to a frame that was not taken; nothing where its sender learns otherwise how both stand.
    fn not_taken(
        &mut self,
        state: &mut State,
        turn: &mut Turn<'_>,
        device: &DeviceId,
        (origin, inner, next): (Origin, Option<&Inside>, Option<bool>),
        reason: DropReason,
    ) -> Result<Option<Outcome>, TurnFailed> {
        if reason == DropReason::Reused && origin.is_by_relay() && was_given_up(state, turn, device, inner)? {
            // The keys behind it are gone already. It is no sign of a copy.
            self.count(DropReason::Repeated);
            return Ok(None);
        }
        self.count(reason);
        if reason == DropReason::Reused {
            // No answer: its sender makes the room again, and says what is in it once more.
            note_copy(state, turn, device);
            return Ok(None);
        }
        if reason == DropReason::Epoch {
            // One of the two was put back to before a commit that the other one has taken. Asked how both stand, it
            // has the room made again, and says it once more. What is not the next one in the order shows nothing: it may
            // only come late, of an epoch that both have left.
            if let Some(row) = state.channel_mut(device).filter(|row| next == Some(true) && row.is_lost != Some(true)) {
                row.is_lost = Some(true);
            }
            if next.is_some() {
                turn.tell(IntakeNotice::Gap(*device));
            }
            return Ok(None);
        }
        Ok(Some(Outcome::Refused(Refusal::Refused)))
    }

    /// A commit of a shared room that is given in pieces, once it is whole; until then, or when it cannot be, what is answered.
    fn whole_of_given(&mut self, state: &State, device: &DeviceId, known: Known) -> Result<Known, Outcome> {
        let piece = known.piece.filter(|_| known.sequence.is_none() && rooms::is_shared(state, &known.room));
        let Some(piece) = piece else { return Ok(known) };
        match self.given(device, &known, &piece) {
            Came::Whole(mls) => Ok(Known { mls, piece: None, ..known }),
            Came::Part => Err(Outcome::Delivered),
            Came::Bad => {
                self.count(DropReason::Malformed);
                Err(Outcome::Refused(Refusal::Refused))
            }
        }
    }

    /// Takes a piece of a commit that a device gives which has not made it.
    fn given(&mut self, device: &DeviceId, known: &Known, piece: &Piece) -> Came {
        let (came, lost) = self.given.take(*device, known, piece);
        // Who has lost some may be asked again.
        self.asked.retain(|(of, _)| Some(*of) != lost);
        came
    }

    /// Keeps a frame of an epoch of its room that this device has not come to. It is not acknowledged: its sender owns it. If
    /// it comes again, the commit that leads there may not come automatically. False when there is no place for it.
    fn wait(&mut self, state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, early: Early) -> bool {
        self.stays = true;
        let (room, epoch) = (early.known.room, early.known.epoch);
        groups::note_behind(turn, room);
        // Also in a place that is taken: it is looked at when the commit has come that begins the order again.
        let sequence = early.known.sequence;
        let is_again = sequence.is_some_and(|sequence| self.early.holds(device, &room, sequence, &epoch)) || early.origin.is_by_relay();
        let has_place = sequence.is_none() || self.early.has_place(device, &room, 0, early.known.mls.len());
        match sequence {
            Some(sequence) if has_place => {
                if self.early.park(*device, sequence, early) {
                    self.count(DropReason::Full);
                }
            }
            Some(_) | None => self.count(DropReason::Epoch),
        }
        if is_again && self.asked.insert((*device, room)) {
            groups::ask(state, turn, device, &room);
        }
        has_place
    }
}

//! The right to write: what is put on a link, and entries of our mailboxes at relays.

use super::desk::Intake;
use crate::delivery::{Delivery, Origin};
use crate::identity::Own;
use crate::invites::USES_MAX;
use crate::invites::grants::{self, Standing};
use crate::invites::lifelines;
use crate::invites::owners::{self, GrantOwner};
use crate::limits::REQUEST_LIFETIME;
use crate::people;
use crate::rows::RelayKey;
use crate::seam::{LinkId, Warning};
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Turn, TurnFailed};
use symbolon_presence::envelope::{Kind, frame_id, kind};
use symbolon_presence::id::{FrameId, GrantId, Nonce};
use symbolon_relay::admission::{Admitted, GrantUses, NotAdmitted};
use symbolon_relay::grant::{Queue, Scope};
use symbolon_relay::put::{Outcome, Put, Refusal};
use symbolon_relay::session::Deposit;

/// Uses of counted grants, as the admission asks for them.
struct Uses<'a, 'b>(&'a Turn<'b>);

impl GrantUses for Uses<'_, '_> {
    type Error = TurnFailed;

    fn uses(&self, grant: &GrantId, usage: &Nonce) -> Result<(u32, bool), TurnFailed> {
        let rows = self.0.range(Table::GrantUse, grant.as_bytes(), USES_MAX)?;
        let own: Vec<_> = rows.iter().filter_map(|(key, _)| key.strip_prefix(grant.as_bytes().as_slice())).collect();
        let known = own.iter().any(|used| *used == usage.as_bytes());
        Ok((u32::try_from(own.len()).unwrap_or(u32::MAX), known))
    }
}

/// Counts what comes by a lifeline. Whether it may be looked at; anything else may. A repeat is no other use.
fn is_counted(state: &mut State, turn: &mut Turn<'_>, grant: &GrantId, frame: &FrameId) -> Result<bool, TurnFailed> {
    let is_lifeline = matches!(owners::owner_of(state, grant), GrantOwner::Lifeline(_));
    let is_repeat = || turn.get(Table::Seen, frame.as_bytes()).map(|seen| seen.is_some());
    Ok(!is_lifeline || is_repeat()? || lifelines::take_use(state, turn, grant))
}

/// Whether a grant is for members of rooms, who write known envelopes as friends do.
fn is_of_member(state: &State, grant: &GrantId) -> bool {
    matches!(owners::owner_of(state, grant), GrantOwner::Package(_)) && grants::standing(state, grant, state.clock.now()) == Standing::Good
}

/// The same of what was left at a relay: one that has ended since was good there when this came.
fn was_of_member(state: &State, grant: &GrantId) -> bool {
    let is_former = |leaf| state.packages.get(&leaf).is_some_and(|row| row.former().iter().any(|former| former.grant == *grant));
    let of_package = if let GrantOwner::Package(leaf) = owners::owner_of(state, grant) { Some(leaf) } else { None };
    is_of_member(state, grant) || of_package.is_some_and(is_former)
}

impl Intake {
    pub(super) fn put(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        link: LinkId,
        put: Put,
    ) -> Result<(), TurnFailed> {
        let origin = Origin::Link(link);
        if !put.is_consistent() {
            // The id is not that of the envelope, so nothing is signed about it: on its own
            // way the true one may still come.
            self.count(DropReason::Malformed);
            delivery.fault(state, turn, origin);
            return Ok(());
        }
        let is_first = kind(&put.envelope) == Some(Kind::First);
        // Who has not proved to be a friend hears nothing of keys that have expired, and costs what
        // any stranger costs.
        let friend = delivery.friend_behind(state, link);
        let Own { admission, friendship, past, .. } = &mut state.own;
        let over = past.iter().filter(|past| friend.is_some() && past.until > turn.sure).map(|past| &past.friendship);
        let admitted = admission.admit(turn.now, &put, friendship, over, &Uses(turn))?;
        let proved = match &admitted {
            Ok(admitted) => Some(admitted.grant),
            Err(not) => not.grant,
        };
        if let Some(grant) = proved.filter(|_| is_first)
            && grants::was_answered(state, &grant, &put.frame)
        {
            // Before it is looked at whether the grant is still good: the first receipt may be lost.
            delivery.acknowledge(state, turn, origin, None, put.frame, Outcome::Stored(turn.stamp.after(REQUEST_LIFETIME)));
            return Ok(());
        }
        let admitted = match admitted {
            Ok(admitted) if admitted.scope == Scope::Guest && !self.is_good(state, delivery, turn, link, &put, &admitted)? => return Ok(()),
            Ok(admitted) => admitted,
            // How two devices stand is said under any key that friends have had: where both have drawn
            // new ones while they were apart, nothing else would ever get in.
            Err(NotAdmitted { refusal: Refusal::Stale, grant: Some(grant), .. }) if is_first && friend.is_some() => {
                Admitted { queue: Queue::Direct, grant, scope: Scope::Guest, first_use: None }
            }
            Err(not) if not.refusal == Refusal::Stale => return self.put_by_old_key(state, delivery, turn, link, &put),
            Err(not) => {
                self.refuse(state, delivery, turn, link, put.frame, &not);
                return Ok(());
            }
        };
        match kind(&put.envelope) {
            Some(Kind::First) => self.first(state, delivery, turn, origin, &put.envelope, &admitted),
            Some(Kind::Known(tag)) if matches!(admitted.scope, Scope::Friends(_)) || is_of_member(state, &admitted.grant) => {
                self.known(state, delivery, turn, origin, (put.frame, &put.envelope), tag)
            }
            Some(Kind::Known(_)) | None => {
                self.count(DropReason::Malformed);
                delivery.acknowledge(state, turn, origin, None, put.frame, Outcome::Refused(Refusal::Refused));
                delivery.fault(state, turn, origin);
                Ok(())
            }
        }
    }

    /// Whether a guest's grant is good. One that is not is answered as it deserves.
    fn is_good(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        link: LinkId,
        put: &Put,
        admitted: &Admitted,
    ) -> Result<bool, TurnFailed> {
        let origin = Origin::Link(link);
        let standing = grants::standing(state, &admitted.grant, turn.now);
        if standing == Standing::Good && is_counted(state, turn, &admitted.grant, &put.frame)? {
            return Ok(true);
        }
        self.count(DropReason::Unexpected);
        if standing == Standing::Refused {
            delivery.acknowledge(state, turn, origin, None, put.frame, Outcome::Refused(Refusal::Refused));
        }
        delivery.fault(state, turn, origin);
        Ok(false)
    }

    /// An envelope was put under a key of friends that has been replaced.
    fn put_by_old_key(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        link: LinkId,
        put: &Put,
    ) -> Result<(), TurnFailed> {
        let origin = Origin::Link(link);
        let sender = kind(&put.envelope).and_then(|kind| match kind {
            Kind::Known(tag) => Some((self.tags.ready(state, &tag)?.device, tag)),
            Kind::First => None,
        });
        match sender {
            // A friend brings what somebody made who was taken out: that one hears nothing.
            Some((device, _)) if people::is_refused(state, &device) => {
                self.count(DropReason::Blocked);
                delivery.fault(state, turn, origin);
            }
            Some((device, tag)) if state.friend_of(&device).is_some_and(|friend| friend.giving) => {
                return self.known(state, delivery, turn, origin, (put.frame, &put.envelope), tag);
            }
            Some(_) => {
                delivery.acknowledge(state, turn, origin, None, put.frame, Outcome::Refused(Refusal::Stale));
                delivery.forgive_a_window(link);
            }
            // An old key and no friend's envelope, as far as is known without a search: they hear so, but not for ever.
            None => {
                delivery.acknowledge(state, turn, origin, None, put.frame, Outcome::Refused(Refusal::Stale));
                delivery.fault_of_old_key(state, turn, link);
            }
        }
        Ok(())
    }

    /// Somebody has no right to write here.
    fn refuse(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, link: LinkId, frame: FrameId, not: &NotAdmitted) {
        let origin = Origin::Link(link);
        // A refusal cannot be undone, so the wall clock alone gives none.
        let is_sure = not.expires.is_none_or(|expires| expires.is_expired_at(turn.sure));
        let refusal = if is_sure { not.refusal } else { Refusal::Untimely };
        match refusal {
            Refusal::UsedUp => state.rates.warn(turn, Warning::InviteReused),
            Refusal::Expired if not.grant.is_some_and(|grant| state.invites.contains_key(&grant)) => {
                state.rates.warn(turn, Warning::InviteExpired);
            }
            Refusal::Expired | Refusal::Refused | Refusal::Full | Refusal::Stale | Refusal::Untimely | Refusal::Outgrown => {}
        }
        self.count(DropReason::Unexpected);
        // Signed only for who holds the grant: somebody in the middle must not get
        // a refusal for another's frame by changing a bit of it. And not for who once
        // held one: they would find out for ever whether this node is still here.
        let is_told =
            !matches!(refusal, Refusal::Expired | Refusal::Untimely) || not.grant.is_some_and(|grant| state.invites.contains_key(&grant));
        if not.grant.is_some() && is_told {
            delivery.acknowledge(state, turn, origin, None, frame, Outcome::Refused(refusal));
        }
        delivery.fault(state, turn, origin);
    }

    /// An entry of a mailbox of ours at a relay. The relay has checked the right to write
    /// there; everything else is checked here. What cannot be used is deleted there, too: its
    /// sender owns it and leaves it again.
    pub fn deposit(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        key: RelayKey,
        deposit: &Deposit,
    ) -> Result<(), TurnFailed> {
        let origin = Origin::Relay(key, deposit.number);
        self.stays = false;
        if kind(&deposit.envelope) == Some(Kind::First) && !state.rates.relayed(turn.now, key.0) {
            // No honest relay holds so many. It stays there for the next session.
            self.count(DropReason::Full);
            return Ok(());
        }
        match kind(&deposit.envelope) {
            Some(Kind::First) => {
                let first_use = match deposit.usage {
                    Some(usage) => match Uses(turn).uses(&deposit.grant, &usage)? {
                        (_, true) => None,
                        (0, false) => Some(usage),
                        (_, false) => {
                            state.rates.warn(turn, Warning::InviteReused);
                            self.count(DropReason::Unexpected);
                            delivery.complete_entry(key, deposit.number);
                            delivery.note_used_up(key, deposit.number);
                            return Ok(());
                        }
                    },
                    None => None,
                };
                let admitted = Admitted { queue: deposit.queue, grant: deposit.grant, scope: Scope::Guest, first_use };
                let is_ours = matches!(
                    owners::owner_of(state, &deposit.grant),
                    GrantOwner::Reply(_) | GrantOwner::Lifeline(_) | GrantOwner::Package(_)
                );
                let is_good = !is_ours
                    || grants::standing(state, &deposit.grant, turn.now) == Standing::Good
                        && is_counted(state, turn, &deposit.grant, &frame_id(&deposit.envelope))?;
                if !is_good {
                    // It may have come before the relay heard that the grant has ended.
                    self.count(DropReason::Unexpected);
                    delivery.complete_entry(key, deposit.number);
                    return Ok(());
                }
                self.first(state, delivery, turn, origin, &deposit.envelope, &admitted)?;
            }
            Some(Kind::Known(tag)) if deposit.queue == Queue::Direct || was_of_member(state, &deposit.grant) => {
                self.known(state, delivery, turn, origin, (frame_id(&deposit.envelope), &deposit.envelope), tag)?
            }
            Some(Kind::Known(_)) | None => self.count(DropReason::Malformed),
        }
        if !self.stays && !delivery.is_complete(key, deposit.number) {
            delivery.complete_entry(key, deposit.number);
        }
        Ok(())
    }
}

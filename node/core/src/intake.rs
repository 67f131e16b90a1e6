//! Intake: from a frame on a link to the machine it is meant for.
//!
//! The order of checks is the order of trust: form, the mailbox's admission, the seal, the
//! binding to this device and package, then the machine. What fails is dropped and counted.
//! Ordered frames of a device are opened in the order of sealing; early ones wait in memory
//! and are not acknowledged, so their sender still owns them.

use crate::command::{Direction, MessageState, RequestStatus};
use crate::contact::USES_MAX;
use crate::conversation;
use crate::delivery::outbox::{self, What};
use crate::delivery::tags::Tags;
use crate::delivery::{Acknowledged, Delivery, Origin};
use crate::grants::{self, Standing};
use crate::limits::{EARLY_BYTES_MAX, FIRST_MAX, PARKED_MAX, REQUEST_LIFETIME, WINDOW_BYTES};
use crate::people;
use crate::presence::RecordServer;
use crate::request::answer::{self, Answer};
use crate::request::offer::{self, IncomingOffer};
use crate::request::{self, renewal};
use crate::rows::{DepotKey, Device, Fault, Former, FriendState};
use crate::seam::{LinkId, Warning};
use crate::standing;
use crate::state::{Own, State};
use crate::table::Table;
use crate::turn::{DropReason, Rejected, Turn, TurnFailed};
use crate::wire::{First, Known, PAYLOAD_MAX, Step};
use std::collections::BTreeMap;
use symbolon_presence::codec;
use symbolon_presence::envelope::{Kind, KnownKey, frame_id, kind};
use symbolon_presence::id::{DeviceId, FrameId, GrantId, Nonce};
use symbolon_presence::time::Timestamp;
use symbolon_relay::admission::{Admitted, GrantUses, NotAdmitted};
use symbolon_relay::frame::Frame;
use symbolon_relay::grant::{Queue, Scope};
use symbolon_relay::limits::RECEIPT_MAX;
use symbolon_relay::put::{Outcome, Put, Receipt, Refusal};
use symbolon_relay::session::Deposit;

mod first;
mod inside;
mod outcome;

use first::{Opener, opener};
use inside::{Place, Said, room_message};
use outcome::{seen, seen_outcome, seen_sender, settle};
pub(crate) use outcome::{signed, told};

/// An ordered frame that came before its turn.
#[derive(Debug)]
struct Early {
    origin: Origin,
    frame: FrameId,
    counter: u64,
    known: Known,
}

/// The early frames of one device.
#[derive(Debug, Default)]
struct Waiting {
    frames: BTreeMap<u64, Early>,
    bytes: usize,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known(..)")
    }
}

/// What waits and what is counted.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    tags: Tags,
    /// At most [`PARKED_MAX`] and [`WINDOW_BYTES`] for each device.
    early: BTreeMap<DeviceId, Waiting>,
    /// Of all of them; at most [`EARLY_BYTES_MAX`].
    early_bytes: usize,
    /// The entry under way was kept, or is to be shown again: it must stay at its relay.
    stays: bool,
    dropped: BTreeMap<&'static str, u64>,
}

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

impl Intake {
    /// Frames dropped since start, by reason.
    pub fn dropped(&self) -> Vec<(&'static str, u64)> {
        self.dropped.iter().map(|(reason, count)| (*reason, *count)).collect()
    }

    fn count(&mut self, reason: DropReason) {
        let count = self.dropped.entry(reason.name()).or_default();
        *count = count.saturating_add(1);
    }

    /// A device is known no longer.
    pub fn forget(&mut self, row: &Device, key: Option<&KnownKey>) {
        self.tags.forget(row, key);
        let waiting = self.early.remove(&row.device).map_or(0, |waiting| waiting.bytes);
        self.early_bytes = self.early_bytes.saturating_sub(waiting);
    }

    /// One frame from a link.
    pub fn frame(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        record_server: &mut RecordServer,
        turn: &mut Turn<'_>,
        link: LinkId,
        bytes: &[u8],
    ) -> Result<(), TurnFailed> {
        if !delivery.is_open(link) {
            return Ok(());
        }
        let faults = delivery.faults(link);
        let is_unread = delivery.has_unread(link);
        self.take(state, delivery, record_server, turn, link, bytes)?;
        // A proof of nobody whom we know is no reason to let a link stay.
        if is_unread == delivery.has_unread(link) {
            delivery.heard(turn, link, faults);
        }
        Ok(())
    }

    fn take(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        record_server: &mut RecordServer,
        turn: &mut Turn<'_>,
        link: LinkId,
        bytes: &[u8],
    ) -> Result<(), TurnFailed> {
        match Frame::decode(bytes) {
            Ok(Frame::Put(put)) => self.put(state, delivery, turn, link, put),
            Ok(Frame::Receipt(receipt)) => self.receipt(state, delivery, turn, link, &receipt),
            Ok(Frame::Lookup(id)) => {
                record_server.answer(state, delivery, turn, link, id);
                Ok(())
            }
            Ok(Frame::Found(found)) => {
                state.found.push((link, found));
                Ok(())
            }
            Ok(Frame::Keep(keep)) => {
                let friend = delivery.behind(state, link);
                if !friend.is_some_and(|peer| record_server.keep(state, turn.now, peer, &keep)) {
                    self.count(DropReason::Malformed);
                    delivery.fault(state, turn, Origin::Link(link));
                }
                Ok(())
            }
            Ok(Frame::Prove(prove)) => {
                if !delivery.proof(state, turn, link, prove)? {
                    self.count(DropReason::Unexpected);
                    delivery.fault(state, turn, Origin::Link(link));
                }
                Ok(())
            }
            // A personal node keeps no mailbox for others, and asked nothing of a relay here.
            Ok(
                Frame::Update(_)
                | Frame::Session(_)
                | Frame::Accepted(_)
                | Frame::Deposit(_)
                | Frame::Ack(_)
                | Frame::Away(_)
                | Frame::Stock(_)
                | Frame::Fetch(_)
                | Frame::Fetched(_),
            )
            | Err(_) => {
                self.count(DropReason::Malformed);
                delivery.fault(state, turn, Origin::Link(link));
                Ok(())
            }
        }
    }

    fn receipt(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        link: LinkId,
        receipt: &Receipt,
    ) -> Result<(), TurnFailed> {
        let Some(settled) = delivery.receipt(state, turn, link, receipt) else {
            self.count(DropReason::Forged);
            delivery.fault(state, turn, Origin::Link(link));
            return Ok(());
        };
        let device = settled.first().map(|item| item.device);
        for item in settled {
            settle(state, delivery, turn, &item)?;
        }
        match device {
            Some(device) => delivery.resume(state, turn, &device),
            None => Ok(()),
        }
    }

    fn put(&mut self, state: &mut State, delivery: &mut Delivery, turn: &mut Turn<'_>, link: LinkId, put: Put) -> Result<(), TurnFailed> {
        let origin = Origin::Link(link);
        if !put.is_consistent() {
            // The id is not that of the envelope, so nothing is signed about it: on its own
            // way the true one may still come.
            self.count(DropReason::Malformed);
            delivery.fault(state, turn, origin);
            return Ok(());
        }
        let is_first = kind(&put.envelope) == Some(Kind::First);
        // Who has not proved to be a friend is told nothing of keys that are over, and costs what
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
            Ok(admitted) if admitted.scope == Scope::Guest => {
                let standing = grants::standing(state, &admitted.grant, turn.now);
                if standing != Standing::Good {
                    self.count(DropReason::Unexpected);
                    if standing == Standing::Refused {
                        delivery.acknowledge(state, turn, origin, None, put.frame, Outcome::Refused(Refusal::Refused));
                    }
                    delivery.fault(state, turn, origin);
                    return Ok(());
                }
                admitted
            }
            Ok(admitted) => admitted,
            // How two devices stand is said under any key that friends have had: where both have drawn
            // new ones while they were apart, nothing else would ever get in.
            Err(NotAdmitted { refusal: Refusal::Stale, grant: Some(grant), .. }) if is_first && friend.is_some() => {
                Admitted { queue: Queue::Direct, grant, scope: Scope::Guest, first_use: None }
            }
            Err(not) if not.refusal == Refusal::Stale => {
                let sender = kind(&put.envelope).and_then(|kind| match kind {
                    Kind::Known(tag) => Some((self.tags.ready(state, &tag)?.0, tag)),
                    Kind::First => None,
                });
                match sender {
                    // A friend brings what somebody made who was taken out: that one is told nothing.
                    Some((device, _)) if people::is_refused(state, &device) => {
                        self.count(DropReason::Blocked);
                        delivery.fault(state, turn, origin);
                    }
                    Some((device, tag)) if state.friend_of(&device).is_some_and(|friend| friend.giving) => {
                        return self.known(state, delivery, turn, origin, &put.envelope, tag);
                    }
                    Some(_) => {
                        delivery.acknowledge(state, turn, origin, None, put.frame, Outcome::Refused(Refusal::Stale));
                        delivery.forgive_a_window(link);
                    }
                    // An old key and no friend's envelope, as far as is known without a search: told, but not for ever.
                    None => {
                        delivery.acknowledge(state, turn, origin, None, put.frame, Outcome::Refused(Refusal::Stale));
                        delivery.fault_of_old_key(state, turn, link);
                    }
                }
                return Ok(());
            }
            Err(not) => {
                // A refusal cannot be undone, so the wall clock alone gives none.
                let is_sure = not.expires.is_none_or(|expires| expires.is_expired_at(turn.sure));
                let refusal = if is_sure { not.refusal } else { Refusal::Untimely };
                match refusal {
                    Refusal::UsedUp => state.rates.warn(turn, Warning::InviteReused),
                    Refusal::Expired if not.grant.is_some_and(|grant| state.invites.contains_key(&grant)) => {
                        state.rates.warn(turn, Warning::InviteExpired);
                    }
                    Refusal::Expired | Refusal::Refused | Refusal::Full | Refusal::Stale | Refusal::Untimely => {}
                }
                self.count(DropReason::Unexpected);
                // Signed only for who holds the grant: somebody in the middle must not get
                // a refusal for another's frame by changing a bit of it. And not for who once
                // held one: they would find out for ever whether this node is still here.
                let is_told = !matches!(refusal, Refusal::Expired | Refusal::Untimely)
                    || not.grant.is_some_and(|grant| state.invites.contains_key(&grant));
                if not.grant.is_some() && is_told {
                    delivery.acknowledge(state, turn, origin, None, put.frame, Outcome::Refused(refusal));
                }
                delivery.fault(state, turn, origin);
                return Ok(());
            }
        };
        match kind(&put.envelope) {
            Some(Kind::First) => self.first(state, delivery, turn, origin, &put.envelope, &admitted),
            Some(Kind::Known(tag)) if matches!(admitted.scope, Scope::Friends(_)) => {
                self.known(state, delivery, turn, origin, &put.envelope, tag)
            }
            Some(Kind::Known(_)) | None => {
                self.count(DropReason::Malformed);
                delivery.acknowledge(state, turn, origin, None, put.frame, Outcome::Refused(Refusal::Refused));
                delivery.fault(state, turn, origin);
                Ok(())
            }
        }
    }

    /// An entry of a mailbox of ours at a relay. The relay has checked the right to write
    /// there; everything else is checked here. What cannot be used is deleted there, too: its
    /// sender owns it and leaves it anew.
    pub fn deposit(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        key: DepotKey,
        deposit: &Deposit,
    ) -> Result<(), TurnFailed> {
        let origin = Origin::Depot(key, deposit.number);
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
                            state.fetched.push((key, deposit.number));
                            state.used_up.insert((key, deposit.number));
                            return Ok(());
                        }
                    },
                    None => None,
                };
                let admitted = Admitted { queue: deposit.queue, grant: deposit.grant, scope: Scope::Guest, first_use };
                if grants::is_of_reply(state, &deposit.grant) && grants::standing(state, &deposit.grant, turn.now) != Standing::Good {
                    // It may have come before the relay was told that the grant has ended.
                    self.count(DropReason::Unexpected);
                    state.fetched.push((key, deposit.number));
                    return Ok(());
                }
                self.first(state, delivery, turn, origin, &deposit.envelope, &admitted)?;
            }
            Some(Kind::Known(tag)) if deposit.queue == Queue::Direct => {
                self.known(state, delivery, turn, origin, &deposit.envelope, tag)?
            }
            Some(Kind::Known(_)) | None => self.count(DropReason::Malformed),
        }
        if !self.stays && !state.fetched.contains(&(key, deposit.number)) {
            state.fetched.push((key, deposit.number));
        }
        Ok(())
    }

    /// A first envelope: a step of a connection.
    fn first(
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
        // Of those who are refused in silence as well: nobody is told more than others.
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
            Err(Rejected::Drop(reason)) => {
                self.count(reason);
                match reason {
                    // A blocked sender and a repeat look like one that waits for an answer.
                    DropReason::Blocked | DropReason::Repeated => None,
                    DropReason::Full => Some(Refusal::Full),
                    // Our own clock may be wrong: at a relay it stays for when that is settled.
                    DropReason::Untimely if origin.is_depot() && state.clock.is_doubtful() => {
                        self.stays = true;
                        return Ok(());
                    }
                    DropReason::Untimely => {
                        delivery.fault(state, turn, origin);
                        Some(Refusal::Untimely)
                    }
                    DropReason::Unexpected if admitted.queue == Queue::Contact => Some(Refusal::UsedUp),
                    DropReason::Malformed
                    | DropReason::Unopenable
                    | DropReason::Forged
                    | DropReason::Unexpected
                    | DropReason::Reused
                    | DropReason::Cipher => {
                        delivery.fault(state, turn, origin);
                        Some(Refusal::Refused)
                    }
                }
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
                // Of what came by way of a relay, only a friend can be told, in the room.
                let friend = sender.filter(|device| is_mutual(state, device) && step != Some(Step::Standing));
                let outcome = if friend.is_some() && origin.is_depot() { Outcome::Delivered } else { stored };
                delivery.acknowledge(state, turn, origin, friend, frame_id(envelope), outcome);
            }
            Some(refusal) => {
                if let (Origin::Depot(key, number), Refusal::UsedUp) = (origin, refusal) {
                    state.used_up.insert((key, number));
                }
                delivery.acknowledge(state, turn, origin, None, frame_id(envelope), Outcome::Refused(refusal));
            }
        }
        Ok(())
    }

    /// Whether a first envelope is looked at, before any key is used for it. What a relay brings is
    /// counted for the relay.
    fn may_open(
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
        let within = match admitted.queue {
            Queue::Contact => match state.invites.get(&grant).map(|invite| invite.last_resort) {
                Some(is_posted) => state.rates.offer(turn.now, grant, is_posted),
                // Of an invite that has done its work: no key is left that opens it.
                None => true,
            },
            Queue::Direct | Queue::Guest if state.requests.values().any(|row| row.grant == grant) => state.rates.answer(turn.now, grant),
            // Under a friends' key, or where a Standing of ours wants its answer.
            Queue::Direct | Queue::Guest => {
                let given = state.reply_grants.get(&grant).filter(|_| admitted.queue == Queue::Guest).map(|(peer, _)| *peer);
                let of = given.or_else(|| delivery.behind(state, link));
                state.rates.direct(turn.now, of)
            }
        };
        if within { Ok(()) } else { Err(DropReason::Full) }
    }

    fn step(
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
        let is_direct = matches!(opener, Opener::Direct);
        if is_direct && turn.get(Table::Seen, frame.as_bytes())?.is_some() {
            return Err(DropReason::Repeated.into());
        }
        let payload = opener.open(state, envelope).map_err(|_| DropReason::Unopenable)?;
        let first: First = codec::decode(&payload, PAYLOAD_MAX).map_err(|_| DropReason::Malformed)?;
        let untimely = || if first.chain.is_untimely(turn.now) { DropReason::Untimely } else { DropReason::Forged };
        let (device, statement) = first.verify(&state.own.peer, turn.now).ok_or_else(untimely)?;
        if statement.device != state.own.identity.device || statement.package != opener.package(state) {
            return Err(DropReason::Forged.into());
        }
        if state.devices.get(&device.device).is_some_and(|known| known.peer != device.peer) {
            return Err(DropReason::Forged.into());
        }
        *opened = FirstOpened { sender: Some(device.device), step: Some(statement.step) };
        match (statement.step, opener) {
            (Step::Standing, Opener::Direct) => {
                let taken = standing::receive(state, turn, &device, &statement, origin.is_depot());
                // Taken or not, it is looked at once.
                if !matches!(taken, Err(Rejected::Turn(_))) {
                    turn.put_raw(Table::Seen, frame.as_bytes(), seen(turn.stamp, Outcome::Delivered, None));
                }
                taken
            }
            (Step::Offer, Opener::Direct) => renewal::receive(state, turn, first, &device, &statement),
            (Step::Offer, Opener::Invite(invite)) => offer::receive(state, turn, IncomingOffer { first, device, statement, invite }),
            (Step::Accept, Opener::Request(request, ..)) => {
                answer::receive_accept(state, turn, Answer { first, device, statement, request })
            }
            (Step::Confirm, Opener::Request(request, ..)) => {
                answer::receive_confirm(state, turn, Answer { first, device, statement, request })
            }
            (Step::Offer | Step::Standing, Opener::Request(..))
            | (Step::Accept | Step::Confirm | Step::Standing, Opener::Invite(_))
            | (Step::Accept | Step::Confirm, Opener::Direct) => Err(DropReason::Unexpected.into()),
        }
    }

    /// A known envelope: a room message of a device that we know.
    fn known(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        origin: Origin,
        envelope: &[u8],
        tag: [u8; 16],
    ) -> Result<(), TurnFailed> {
        let frame = frame_id(envelope);
        let found = match self.tags.ready(state, &tag) {
            Some(found) => Some(found),
            None => {
                // A repeat has no tag any more; it must not start a search.
                if let Some(seen) = turn.get(Table::Seen, frame.as_bytes())? {
                    let sender = seen_sender(&seen);
                    delivery.acknowledge(state, turn, origin, sender, frame, seen_outcome(&seen));
                    return Ok(());
                }
                self.tags.search(state, turn.now, &tag)
            }
        };
        let Some((device, counter)) = found else {
            let proved = match origin {
                Origin::Link(link) => delivery.friend_behind(state, link),
                Origin::Depot(..) => None,
            };
            if (proved.is_some() || origin.is_depot())
                && let Some(device) = self.tags.used(state, &tag, proved)
                && let Some(peer) = state.devices.get(&device).map(|row| row.peer)
                && state.rates.deposit(turn.now, peer, envelope.len())
            {
                // Another envelope has taken its place: its sender is an older copy that cannot know it yet.
                self.count(DropReason::Reused);
                note_copy(state, &device);
                return Ok(());
            }
            self.count(DropReason::Unopenable);
            delivery.fault(state, turn, origin);
            return Ok(());
        };
        if people::is_refused(state, &device) {
            // What a stranger gets who writes under a tag that nobody expects: silence, a fault,
            // and the time of a search.
            self.tags.search(state, turn.now, &tag);
            self.count(DropReason::Blocked);
            delivery.fault(state, turn, origin);
            return Ok(());
        }
        let opened = state.envelope_key_from(&device).and_then(|key| key.open(counter, envelope).ok());
        let Some(payload) = opened else {
            self.count(DropReason::Unopenable);
            delivery.fault(state, turn, origin);
            return Ok(());
        };
        delivery.brought_known(state, turn, origin, &device);
        let peer = state.devices.get(&device).map(|row| row.peer);
        if peer.is_some_and(|peer| !origin.is_depot() && !state.rates.deposit(turn.now, peer, envelope.len())) {
            // Its own device has sealed it, so nobody else can use up its share.
            self.count(DropReason::Full);
            delivery.acknowledge(state, turn, origin, None, frame, Outcome::Refused(Refusal::Full));
            return Ok(());
        }
        let Ok(known) = codec::decode::<Known>(&payload, PAYLOAD_MAX) else {
            self.count(DropReason::Malformed);
            self.answer_known(state, delivery, turn, &device, (origin, frame, counter), Outcome::Refused(Refusal::Refused));
            return Ok(());
        };
        let early = Early { origin, frame, counter, known };
        if state.friend_of(&device).is_none_or(|friend| friend.room != early.known.room) {
            let is_read = |former: &Former| former.room == early.known.room && former.is_read;
            if state.devices.get(&device).is_some_and(|row| row.formers().iter().any(is_read)) {
                return self.left_behind(state, delivery, turn, &device, early);
            }
            // Of a connection room that is not, or no longer, ours. Not acknowledged: its
            // sender seals it anew as soon as both are in one room.
            self.count(DropReason::Unexpected);
            return Ok(());
        }
        let expected = state.devices.get(&device).map_or(0, |row| row.receive_sequence);
        match early.known.sequence {
            Some(sequence) if sequence > expected => {
                self.stays = true;
                let bytes = self.early.get(&device).map_or(0, |waiting| waiting.bytes);
                // No honest sender has more on the way than its window.
                if sequence - expected > PARKED_MAX || bytes.saturating_add(early.known.mls.len()) > WINDOW_BYTES {
                    self.count(DropReason::Full);
                    return Ok(());
                }
                let asks = !self.early.contains_key(&device);
                self.park(device, sequence, early);
                if asks && origin.is_depot() {
                    // Nobody can be asked for it on a link: perhaps it was acknowledged by a newer state.
                    state.compare.entry(device).or_insert(None);
                }
                // One question a gap: the sender puts everything unacknowledged again.
                return if asks { delivery.ask_again(state, turn, &device) } else { Ok(()) };
            }
            Some(_) | None => {}
        }
        // Its place may be taken by another envelope: by what was put there when it was given up, or
        // by one of a newer state than its sender's.
        let place = if early.known.sequence.is_some_and(|sequence| sequence < expected) { Place::Late } else { Place::Present };
        self.open(state, delivery, turn, &device, early, place)?;
        // Those that waited for this one.
        while let Some(next) = self.next_early(state, &device) {
            self.open(state, delivery, turn, &device, next, Place::Present)?;
        }
        Ok(())
    }

    /// A known envelope of a room that was left, whose sender came back from an older copy: what
    /// its newer state had left at a relay. It is taken as it comes: the state that could put it in
    /// order is gone.
    fn left_behind(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        device: &DeviceId,
        early: Early,
    ) -> Result<(), TurnFailed> {
        let Early { origin, frame, counter, known } = early;
        let (room, sequence) = (known.room, known.sequence);
        let former = state.devices.get(device).and_then(|row| row.formers().iter().find(|former| former.room == room));
        let expected = former.map_or(0, |former| former.receive_sequence);
        if sequence.is_some_and(|sequence| sequence > expected) && !origin.is_depot() {
            // Its sender is there, and seals it again in the room that both are in.
            self.count(DropReason::Unexpected);
            return Ok(());
        }
        match room_message(state, turn, device, known, Place::Former) {
            Ok(_) => {}
            Err(Rejected::Turn(failed)) => return Err(failed),
            Err(Rejected::Drop(reason)) => {
                self.count(reason);
                return Ok(());
            }
        }
        let row = state.device_mut(device).and_then(|row| row.former.as_mut());
        if let (Some(formers), Some(sequence)) = (row, sequence) {
            for former in formers.iter_mut().filter(|former| former.room == room) {
                former.receive_sequence = former.receive_sequence.max(sequence.saturating_add(1));
            }
        }
        self.answer_known(state, delivery, turn, device, (origin, frame, counter), Outcome::Delivered);
        Ok(())
    }

    /// Answers a known envelope and its repeats.
    fn answer_known(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        device: &DeviceId,
        (origin, frame, counter): (Origin, FrameId, u64),
        outcome: Outcome,
    ) {
        self.tags.take(state, device, counter);
        turn.put_raw(Table::Seen, frame.as_bytes(), seen(turn.stamp, outcome, Some(device)));
        delivery.acknowledge(state, turn, origin, Some(*device), frame, outcome);
    }

    /// Keeps an early frame. When there is no more room for those of all, the device that holds
    /// most loses what it has here: nothing of it was acknowledged, so it is put again.
    fn park(&mut self, device: DeviceId, sequence: u64, early: Early) {
        let size = early.known.mls.len();
        if self.early_bytes.saturating_add(size) > EARLY_BYTES_MAX
            && let Some(largest) = self.early.iter().max_by_key(|(_, waiting)| waiting.bytes).map(|(device, _)| *device)
            && let Some(waiting) = self.early.remove(&largest)
        {
            self.early_bytes = self.early_bytes.saturating_sub(waiting.bytes);
            self.count(DropReason::Full);
        }
        let waiting = self.early.entry(device).or_default();
        let replaced = waiting.frames.insert(sequence, early).map_or(0, |old| old.known.mls.len());
        waiting.bytes = waiting.bytes.saturating_add(size).saturating_sub(replaced);
        self.early_bytes = self.early_bytes.saturating_add(size).saturating_sub(replaced);
    }

    fn next_early(&mut self, state: &State, device: &DeviceId) -> Option<Early> {
        let expected = state.devices.get(device)?.receive_sequence;
        let room = state.friend_of(device).map(|friend| friend.room);
        let waiting = self.early.get_mut(device)?;
        let before = waiting.bytes;
        // A room counts its own frames: those of an older one must not take their places.
        waiting.frames.retain(|sequence, early| *sequence >= expected && Some(early.known.room) == room);
        let next = waiting.frames.remove(&expected);
        waiting.bytes = waiting.frames.values().map(|early| early.known.mls.len()).sum();
        self.early_bytes = self.early_bytes.saturating_sub(before.saturating_sub(waiting.bytes));
        if waiting.frames.is_empty() {
            self.early.remove(device);
        }
        next
    }

    fn open(
        &mut self,
        state: &mut State,
        delivery: &mut Delivery,
        turn: &mut Turn<'_>,
        device: &DeviceId,
        early: Early,
        place: Place,
    ) -> Result<(), TurnFailed> {
        let Early { origin, frame, counter, known } = early;
        let expected = state.devices.get(device).map(|row| row.receive_sequence);
        let is_next = known.sequence.is_some() && known.sequence == expected;
        let mut is_receipts = false;
        let outcome = match room_message(state, turn, device, known, place) {
            Ok(kind) => {
                if let Some(peer) = state.devices.get(device).map(|row| row.peer).filter(|peer| state.confirming.contains(peer)) {
                    request::heard(state, turn, &peer, device)?;
                }
                is_receipts = kind == Said::Receipts;
                if matches!(origin, Origin::Link(_)) {
                    delivery.heard_in_room(state, turn, device);
                }
                Outcome::Delivered
            }
            Err(Rejected::Turn(failed)) => return Err(failed),
            Err(Rejected::Drop(DropReason::Reused)) => {
                // No answer: its sender makes the room again, and says what is in it once more.
                self.count(DropReason::Reused);
                note_copy(state, device);
                return Ok(());
            }
            Err(Rejected::Drop(reason)) => {
                self.count(reason);
                Outcome::Refused(Refusal::Refused)
            }
        };
        self.tags.take(state, device, counter);
        if is_next && let Some(row) = state.device_mut(device) {
            row.receive_sequence = row.receive_sequence.saturating_add(1);
        }
        // A list of receipts is not receipted itself, nor is its repeat: that would never end.
        let sender = Some(*device).filter(|_| !is_receipts);
        turn.put_raw(Table::Seen, frame.as_bytes(), seen(turn.stamp, outcome, sender.as_ref()));
        delivery.acknowledge(state, turn, origin, sender, frame, outcome);
        Ok(())
    }
}

/// Who has signed a first envelope, and what it is, once that is known.
#[derive(Debug, Default)]
struct FirstOpened {
    sender: Option<DeviceId>,
    step: Option<Step>,
}

/// A device sealed what its newer state has sealed already. It is asked how both stand, and hears it so.
fn note_copy(state: &mut State, device: &DeviceId) {
    if let Some(row) = state.device_mut(device).filter(|row| row.is_copied != Some(true)) {
        row.is_copied = Some(true);
        state.compare.entry(*device).or_insert(None);
    }
}

/// Behind the time of an envelope that was taken in and refused.
const SEEN_REFUSED: u8 = 1;

fn is_mutual(state: &State, device: &DeviceId) -> bool {
    state.friend_of(device).is_some_and(|friend| friend.state == FriendState::Mutual)
}

#[cfg(test)]
mod tests;

//! What is inside a known envelope: a message of the connection room, for the machine it is meant for.

use crate::conversations;
use crate::delivery::notices;
use crate::delivery::seeds;
use crate::delivery::ways::{self, Ways};
use crate::devices;
use crate::friendships::{adopt_bundle, receive_commit, show_back, verify_bundle};
use crate::groups::{self, Heard};
use crate::introductions;
use crate::notice::IntakeNotice;
use crate::renewal;
use crate::rooms::{self, pieces};
use crate::rows::FriendState;
use crate::state::State;
use crate::table::Table;
use crate::turn::{DropReason, Rejected, Turn};
use crate::wire::{Known, RelayMailbox, RoomPayload, Whereabouts, entry_is_of};
use crate::world::Opened;
use symbolon_presence::id::DeviceId;
use symbolon_presence::identity::Device;
use symbolon_relay::put::ReceiptItem;

/// What a room message was, as far as its receipt goes.
pub(super) enum Said {
    /// Looked at already.
    Something,
    /// A part of something that is not whole yet.
    Part,
    /// Nothing: it stands in the place of something that was given up.
    Nothing,
    /// What became of envelopes of ours.
    Receipts(Vec<ReceiptItem>),
    /// The device misses a frame, and asks for everything again.
    Again,
    /// Of an epoch of a shared room that is not kept any more.
    Outgrown,
}

/// Which room of a friendship a message is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Present,
    /// The present one, in a place that is taken.
    Late,
    /// One that was left, and is read still.
    Former,
}

/// A room message of a device.
pub(super) fn room_message(
    state: &mut State,
    turn: &mut Turn<'_>,
    device: &DeviceId,
    known: Known,
    place: Place,
) -> Result<Said, Rejected> {
    let peer = state.devices.get(device).map(|row| row.peer).ok_or(DropReason::Unexpected)?;
    let room = known.room;
    let Some(known) = whole(state, turn, device, known, place)? else { return Ok(Said::Part) };
    if state.groups.rooms.contains_key(&room) {
        return shared(state, turn, device, &known, place);
    }
    let (sender, plaintext) = match rooms::hear(turn, room, &known.mls)? {
        Opened::Text { sender, plaintext, .. } => (sender, plaintext),
        // Its key was not used before, so it is another one than what stands in its place.
        Opened::Commit(_) if place == Place::Late => return Err(DropReason::Reused.into()),
        Opened::Commit(staged) => return receive_commit(state, turn, &room, device, &staged).map(|()| Said::Something),
    };
    let speaker = state.speaker(&room, &sender, turn.sure).ok_or(DropReason::Forged)?;
    if speaker.device != *device || speaker.peer != peer {
        return Err(DropReason::Forged.into());
    }
    let payload = RoomPayload::decode(&plaintext).ok_or(DropReason::Malformed)?;
    // What friends say to each other belongs into their own room.
    if rooms::friend_in(state, &room) != Some(peer) && !matches!(payload, RoomPayload::Text(_) | RoomPayload::Skip) {
        return Err(DropReason::Unexpected.into());
    }
    // Where a lost state was, whom it introduced or what it had read is of no use any more.
    if place == Place::Former && !matches!(payload, RoomPayload::Text(_)) {
        return Ok(Said::Something);
    }
    if place == Place::Late {
        let RoomPayload::Text(text) = payload else { return Err(DropReason::Repeated.into()) };
        if turn.get(Table::MessageIndex, text.id.as_bytes())?.is_some() {
            return Ok(Said::Something);
        }
        // Given up by its sender, who is owed no answer; or an older copy's, who seals it again.
        return Err(DropReason::Reused.into());
    }
    match payload {
        RoomPayload::Text(text) => conversations::receive(state, turn, &room, &peer, text)?,
        RoomPayload::Read(message) => conversations::mark_read(state, turn, &peer, &message)?,
        RoomPayload::Again => return Ok(Said::Again),
        RoomPayload::Skip => return Ok(Said::Nothing),
        RoomPayload::Hello(whereabouts) => is_here(state, turn, &speaker, whereabouts)?,
        RoomPayload::Seed(seed) => seeds::read(state, turn, &room, device, &seed),
        RoomPayload::Capabilities(theirs) => {
            show_back(state, turn, device, theirs)?;
            turn.tell(IntakeNotice::Shown(*device));
        }
        RoomPayload::Lifeline(contact) => renewal::learn_lifeline(state, turn, &speaker, contact)?,
        RoomPayload::Welcome(bundle) => groups::receive_welcome(state, turn, &speaker, &bundle)?,
        // Said in shared rooms alone.
        RoomPayload::Leave(_) | RoomPayload::Ways(_) | RoomPayload::Befriend(_) => return Err(DropReason::Unexpected.into()),
        RoomPayload::Sibling(befriend) => devices::asked_by_sibling(state, turn, &speaker, *befriend)?,
        RoomPayload::Own(said) => devices::hear(state, turn, &speaker, *said)?,
        RoomPayload::Gone(said) => devices::gone(state, turn, &speaker, &said)?,
        RoomPayload::DeviceList(list) => devices::listed(state, turn, &speaker, &list)?,
        RoomPayload::Receipts(items) => return Ok(Said::Receipts(items)),
        RoomPayload::Introduce(statement) => introductions::receive(state, turn, &peer, &statement)?,
        RoomPayload::Consent(consent) => introductions::consented(state, turn, &peer, consent)?,
        RoomPayload::IntroCard(card) => introductions::card(state, turn, &peer, &card)?,
        RoomPayload::Bundle(bundle) => {
            let verified = verify_bundle(bundle, &peer, device, turn.sure).ok_or(DropReason::Forged)?;
            let friend = state.friends.get(&peer).filter(|friend| friend.state == FriendState::Mutual);
            let mut friend = friend.cloned().ok_or(DropReason::Unexpected)?;
            adopt_bundle(state, turn, &mut friend, verified);
            state.save_friend(turn, friend);
            notices::rows_changed(turn, device);
        }
    }
    Ok(Said::Something)
}

/// A friend's device says where it is.
fn is_here(
    state: &mut State,
    turn: &mut Turn<'_>,
    speaker: &Device,
    Whereabouts { entry, relay_mailboxes }: Whereabouts,
) -> Result<(), DropReason> {
    if !entry_is_of(&entry, speaker) {
        return Err(DropReason::Forged);
    }
    let friendship = state.friends.get(&speaker.peer).and_then(|friend| friend.friendship.clone());
    if state.devices.get(&speaker.device).is_some_and(|row| row.entry.mailbox == entry.mailbox) {
        let relay_mailboxes = friendship.map(|friendship| RelayMailbox::of_friend(&friendship, relay_mailboxes)).unwrap_or_default();
        ways::learn(state, turn, &speaker.device, Ways { entry, put: None, relay_mailboxes, direct: None });
    }
    Ok(())
}

/// A message that fits, or the last piece of one together with those before; nothing until that comes.
fn whole(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, known: Known, place: Place) -> Result<Option<Known>, Rejected> {
    match (known.piece, place) {
        (None, _) => {
            if known.sequence.is_some() && place == Place::Present {
                // Nothing comes between the pieces of a message.
                state.forget_pieces(device, &known.room);
            }
            Ok(Some(known))
        }
        (Some(piece), Place::Present) => {
            let mls = pieces::take(state, turn, device, &known, piece)?;
            Ok(mls.map(|mls| Known { mls, ..known }))
        }
        (Some(_), Place::Late) => Err(DropReason::Reused.into()),
        (Some(_), Place::Former) => Err(DropReason::Unexpected.into()),
    }
}

/// A frame of a shared room.
fn shared(state: &mut State, turn: &mut Turn<'_>, device: &DeviceId, known: &Known, place: Place) -> Result<Said, Rejected> {
    match (groups::receive(state, turn, device, known)?, place) {
        (Heard::Something | Heard::Since, _) => Ok(Said::Something),
        (Heard::Nothing, _) => Ok(Said::Nothing),
        (Heard::Again, _) => Ok(Said::Again),
        (Heard::Receipts(items), _) => Ok(Said::Receipts(items)),
        (Heard::Outgrown, Place::Present) => Ok(Said::Outgrown),
        // What stands in its place was opened.
        (Heard::Outgrown, Place::Late | Place::Former) => Ok(Said::Something),
    }
}

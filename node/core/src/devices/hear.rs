//! What other devices of ours have said.

use super::{drafts, persons as stands, removal, settings, shared, shut};
use crate::conversations::{self, Copied, history};
use crate::delivery::outbox;
use crate::delivery::owner::EnvelopeOwner;
use crate::delivery::relays;
use crate::identity;
use crate::people::{self, persons};
use crate::rooms;
use crate::state::State;
use crate::turn::{DropReason, Failed, Rejected, Turn, TurnFailed};
use crate::wire::{Befriend, Capabilities, OwnSaid, RelaySaid, RoomPayload, Text};
use symbolon_presence::id::{DeviceId, PeerId};
use symbolon_presence::identity::{Chain, Device};

/// Another device has said something. Nobody but a device of our own person is listened to.
pub(crate) fn hear(state: &mut State, turn: &mut Turn<'_>, from: &Device, said: OwnSaid) -> Result<(), Rejected> {
    let is_ours = from.person == state.own.person() && from.peer != state.own.peer;
    // Shown to our user as one of theirs, and not removed: who has no place there says nothing.
    let is_shown = state.siblings.get(&from.peer).is_some_and(|row| row.gone.is_none());
    if !is_ours || !is_shown || people::is_unlisted(state, &from.person, &from.device) {
        return Err(DropReason::Forged.into());
    }
    match said {
        OwnSaid::Persons(all) => {
            for said in all {
                stands::heard(state, turn, said)?;
            }
        }
        OwnSaid::Texts(texts) => {
            for text in texts {
                let Some(friend) = persons::head_of(state, &text.person) else { continue };
                let (is_mine, reached, via) = (text.mine, text.state, from.peer);
                let text = Text { id: text.id, at: text.at, text: text.text };
                conversations::copy(state, turn, Copied { friend, text, is_mine, state: reached, via })?;
            }
        }
        OwnSaid::Ask(peer, befriend) => hand_on(state, turn, &peer, *befriend)?,
        OwnSaid::Read(person, message) => {
            if let Some(friend) = persons::head_of(state, &person) {
                history::read_elsewhere(state, turn, &friend, &message)?;
            }
        }
        OwnSaid::Label(label) => state.change_sibling(turn, &from.peer, |row| row.label = Some(label)),
        OwnSaid::Certificate(chain) => renewed(state, turn, &chain)?,
        OwnSaid::States(states) => {
            for (id, reached) in states {
                conversations::got(turn, &id, reached)?;
            }
        }
        OwnSaid::Relays(relays) => take_relays(state, turn, &from.peer, &relays)?,
        OwnSaid::Gone(said) => removal::gone(state, turn, from, &said)?,
        OwnSaid::Barred(chain) => shut::heard(state, turn, &chain)?,
        OwnSaid::Rooms(rooms) => rooms.iter().for_each(|said| shared::heard(state, turn, &from.peer, said)),
        OwnSaid::RoomTexts(texts) => {
            for text in texts {
                shared::heard_text(state, turn, from.peer, text)?;
            }
        }
        OwnSaid::RoomReads(texts) => conversations::read_elsewhere_in_rooms(state, turn, &texts)?,
        OwnSaid::Settings(all) => all.iter().for_each(|said| settings::heard(state, turn, said)),
        OwnSaid::Drafts(all) => all.into_iter().for_each(|said| drafts::heard(state, turn, said)),
    }
    Ok(())
}

/// Hands a question of another device of ours on to a friend's device, or to one of ours, if this one is its friend.
fn hand_on(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, befriend: Befriend) -> Result<(), Rejected> {
    let Some(friend) = state.friends.get(peer).filter(|friend| state.may_seal(friend)) else {
        return Ok(());
    };
    let takes = |device: &DeviceId| state.can(device, Capabilities::DEVICES) && outbox::has_room(state, device);
    if friend.devices.is_empty() || !friend.devices.iter().all(takes) {
        // An older build: asked again later.
        return Ok(());
    }
    let room = friend.room;
    let sealed = rooms::say(turn, room, &RoomPayload::Sibling(Box::new(befriend)))?;
    outbox::enqueue_room(state, turn, room, &EnvelopeOwner::Own, &sealed);
    Ok(())
}

/// A device that has no relay takes those of the first one that it meets; later it goes its own way.
fn take_relays(state: &mut State, turn: &mut Turn<'_>, from: &PeerId, said: &[RelaySaid]) -> Result<(), TurnFailed> {
    let is_first_word = state.siblings.get(from).is_some_and(|row| row.label.is_none());
    if !is_first_word || !state.own.relay_mailboxes.is_empty() {
        return Ok(());
    }
    for relay in said {
        match relays::add(state, turn, &relay.link, relay.claim.as_deref()) {
            Ok(_) | Err(Failed::Command(_)) => {}
            Err(Failed::Turn(failed)) => return Err(failed),
        }
    }
    Ok(())
}

/// The first device has renewed our certificate.
fn renewed(state: &mut State, turn: &mut Turn<'_>, chain: &Chain) -> Result<(), Rejected> {
    let device = chain.verify(turn.now).map_err(|_| DropReason::Forged)?;
    let own = &mut state.own;
    let present = own.identity.chain.body().map_or(0, |body| body.serial);
    if device.device != own.identity.device || device.peer != own.peer || device.serial <= present {
        return Err(DropReason::Repeated.into());
    }
    own.identity.chain = chain.clone();
    identity::certificate_renewed(turn, &own.identity);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::command::Trust;
    use crate::fixture::{NOW, Person, in_turn};
    use crate::rows::Sibling;
    use crate::wire::{DraftPlace, DraftSaid, PersonSaid, PersonStanding, RoomIs, RoomSaid, RoomTextSaid, SettingSaid, TextSaid};
    use symbolon_presence::id::{MessageId, RoomId};

    #[test]
    fn r6_what_devices_of_one_person_say_to_each_other_is_heard_from_nobody_else() {
        in_turn(|state, turn| {
            let friend = Person::new(state, turn, 7);
            let person = state.own.person();
            let said = PersonSaid {
                person,
                version: 1,
                by: friend.device.peer,
                petname: "Mallory".into(),
                trust: Trust::Verified,
                standing: PersonStanding::Friend,
                conversation: RoomId([0; 32]),
                peers: vec![friend.device.peer],
            };
            let text = TextSaid {
                person: friend.device.person,
                id: MessageId([1; 16]),
                at: NOW,
                mine: true,
                state: crate::command::MessageState::Delivered,
                text: "never written".into(),
            };
            let room = RoomSaid {
                room: RoomId([5; 32]),
                version: 1,
                by: friend.device.peer,
                is_muted: true,
                is_archived: true,
                name: "Crew".into(),
                is: RoomIs::In,
            };
            let in_room = RoomTextSaid {
                room: RoomId([5; 32]),
                id: MessageId([2; 16]),
                at: NOW,
                from: person,
                state: crate::command::MessageState::Delivered,
                text: "never written".into(),
            };
            let forged = [
                OwnSaid::Persons(vec![said]),
                OwnSaid::Texts(vec![text]),
                OwnSaid::Read(friend.device.person, MessageId([1; 16])),
                OwnSaid::Label("laptop".into()),
                OwnSaid::States(vec![(MessageId([1; 16]), crate::command::MessageState::Read)]),
                OwnSaid::Relays(Vec::new()),
                OwnSaid::Certificate(friend.identity.chain.clone()),
                OwnSaid::Barred(friend.identity.chain.clone()),
                OwnSaid::Rooms(vec![room]),
                OwnSaid::RoomTexts(vec![in_room]),
                OwnSaid::RoomReads(vec![MessageId([1; 16])]),
                OwnSaid::Settings(vec![SettingSaid { number: 1, version: 9, by: friend.device.peer, is_on: false }]),
                OwnSaid::Drafts(vec![DraftSaid {
                    place: DraftPlace::Person(friend.device.person),
                    version: 9,
                    by: friend.device.peer,
                    text: "never written".into(),
                }]),
            ];
            let (name, changes) = (state.own.name.clone(), turn.out.changes.iter().count());
            for said in forged {
                assert!(matches!(hear(state, turn, &friend.device, said), Err(Rejected::Drop(DropReason::Forged))));
            }
            assert_eq!((&state.own.name, turn.out.changes.iter().count()), (&name, changes), "nothing of it is written");
        });
    }

    #[test]
    fn a_device_of_ours_that_was_removed_is_heard_no_more() {
        in_turn(|state, turn| {
            let laptop = Device { person: state.own.person(), ..Person::new(state, turn, 7).device };
            let row = Sibling::new(laptop.peer, NOW);
            state.save_sibling(turn, row.clone());
            let room = RoomSaid {
                room: RoomId([5; 32]),
                version: 1,
                by: laptop.peer,
                is_muted: true,
                is_archived: false,
                name: "Crew".into(),
                is: RoomIs::In,
            };
            let text = RoomTextSaid {
                room: RoomId([5; 32]),
                id: MessageId([2; 16]),
                at: NOW,
                from: laptop.person,
                state: crate::command::MessageState::Delivered,
                text: "never written".into(),
            };
            assert!(hear(state, turn, &laptop, OwnSaid::Rooms(vec![room.clone()])).is_ok(), "while it is ours");
            state.save_sibling(turn, Sibling { gone: Some(NOW), ..row });
            for said in [OwnSaid::Rooms(vec![room]), OwnSaid::RoomTexts(vec![text]), OwnSaid::Label("laptop".into())] {
                assert!(matches!(hear(state, turn, &laptop, said), Err(Rejected::Drop(DropReason::Forged))));
            }
            assert_eq!(turn.get(crate::table::Table::MessageIndex, &[2; 16]).unwrap(), None, "no text of it is filed");
        });
    }
}

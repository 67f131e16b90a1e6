//! What our records say, and how they are made. The protocol page is `docs/protocol/presence.md`.

use crate::presence::lookup_servers::named_for_friends;
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use crate::wire::{PresenceBody, SignedPresence};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeSet;
use symbolon_presence::body::{Body, BodyInfo};
use symbolon_presence::codec;
use symbolon_presence::header::Header;
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::{Item, Posted};
use symbolon_presence::record::{DAYS_AHEAD, Slot, day_of, end_of};
use symbolon_presence::time::Timestamp;
use symbolon_presence::wrapping::Class;

/// Makes the records of today and tomorrow: the ids of the headers among them. None when no header can be made.
pub(super) fn make(state: &mut State, turn: &mut Turn<'_>, most: Class) -> Option<BTreeSet<LookupId>> {
    // Should no header hold the readers, nobody shall get one for other readers from us.
    state.own.records.clear();
    let (today, surely) = (day_of(turn.now), day_of(turn.sure));
    let generation = &mut state.own.presence.generation;
    generation.ratchet.forget_before(today.min(surely).saturating_sub(1).saturating_sub(generation.began));
    let sequence = next_sequence(state, turn);
    let bodies = bodies_of(state, turn, most, sequence);
    let header = header_of(state)?;
    let mut headers = BTreeSet::new();
    for day in [today, today.saturating_add(1)] {
        let records = records_of(state, turn, day, sequence, &header, &bodies)?;
        let read = records.into_iter().filter_map(|bytes| Some((Item::read(&bytes, turn.now).ok()?.id, bytes)));
        for (at, (id, bytes)) in read.enumerate() {
            if at == 0 {
                headers.insert(id);
            }
            state.own.records.insert(id, bytes);
        }
    }
    let contact = contact_of(state, turn, today).and_then(|bytes| Some((Item::read(&bytes, turn.now).ok()?.id, bytes)));
    state.own.records.extend(contact);
    Some(headers)
}

/// The number of what is published next. Never lower than before, also when the clock was set back. By two: one less is
/// for what our relays publish, which must not stand in the way of what we publish ourselves.
pub(super) fn next_sequence(state: &mut State, turn: &mut Turn<'_>) -> u64 {
    let presence = &mut state.own.presence;
    presence.sequence = presence.sequence.saturating_add(2).max(turn.stamp.0);
    turn.put(Table::Meta, b"presence", &*presence);
    presence.sequence
}

/// Makes the records that our relays are to publish while we are away, from today on. None when
/// no header can be made.
pub(super) fn prepare(state: &mut State, turn: &mut Turn<'_>) -> Option<()> {
    state.own.away.clear();
    if state.own.relay_mailboxes.is_empty() {
        return Some(());
    }
    let sequence = state.own.presence.sequence.saturating_sub(1);
    let bodies = bodies_of(state, turn, Class::Limited, sequence);
    let header = header_of(state)?;
    let today = day_of(turn.now);
    for day in today..=today.saturating_add(DAYS_AHEAD) {
        let records = records_of(state, turn, day, sequence, &header, &bodies)?;
        state.own.away.insert(day, records);
    }
    Some(())
}

/// The bodies, none of which says more than `most`: a node that is where nobody knows tells
/// everybody what it tells those from whom it hides.
fn bodies_of(state: &State, turn: &mut Turn<'_>, most: Class, sequence: u64) -> [(Class, Vec<u8>); 2] {
    [Class::Full, Class::Limited].map(|class| {
        let says = if most == Class::Limited { most } else { class };
        (class, body_of(state, turn, says, sequence))
    })
}

/// The same bytes as long as the same people read.
fn header_of(state: &State) -> Option<Vec<u8>> {
    let presence = &state.own.presence;
    let mut rng = ChaCha20Rng::from_seed(*presence.generation.header_seed(&presence.wrapping, None).expose());
    Header::wrap(&presence.generation, &presence.wrapping, &presence.readers(), &mut rng).ok().map(|header| codec::encode(&header))
}

/// Header and bodies of a day, the header first.
fn records_of(
    state: &State,
    turn: &mut Turn<'_>,
    day: u32,
    sequence: u64,
    header: &[u8],
    bodies: &[(Class, Vec<u8>)],
) -> Option<Vec<Vec<u8>>> {
    let presence = &state.own.presence;
    let (generation, wrapping, at) = (&presence.generation, &presence.wrapping, Timestamp(sequence));
    let (lookup, reader) = (generation.lookup(), generation.reader());
    let mut rng = ChaCha20Rng::from_seed(*generation.header_seed(wrapping, Some(day)).expose());
    let mut records = vec![Slot::of_header(&reader.lookup, day).seal_header(&lookup, wrapping.version, header, &mut rng).ok()?];
    for (class, payload) in bodies {
        let wrapped = wrapping.secret(*class);
        let stamp = BodyInfo {
            version: wrapping.version,
            day,
            sequence,
            device: state.own.identity.device,
            issued: turn.stamp,
            expires: end_of(day),
        };
        let body = codec::encode(&Body::seal(&reader, wrapped, stamp, payload, turn.rng)?);
        records.push(Slot::of_body(&reader.lookup, day, wrapped).seal(&lookup, at, &body, turn.rng).ok()?);
    }
    Some(records)
}

/// The way in for anyone who knows our Peer ID, if the user wants to be found so.
fn contact_of(state: &mut State, turn: &mut Turn<'_>, today: u32) -> Option<Vec<u8>> {
    if !state.own.is_findable {
        return None;
    }
    let contact = codec::encode(&crate::invites::contact_record(state, turn));
    let posted = Posted::sign(&state.own.identity, state.own.presence.sequence, end_of(today), contact)?;
    Some(posted.encode())
}

/// What friends read; those from whom we hide, without our own addresses.
fn body_of(state: &State, turn: &mut Turn<'_>, class: Class, sequence: u64) -> Vec<u8> {
    let own = &state.own;
    let mut whereabouts = own.whereabouts(turn.rng);
    if class == Class::Limited {
        whereabouts.entry.places.clear();
    }
    let body = PresenceBody {
        name: own.name.clone(),
        friendship: own.friendship.clone(),
        chain: own.identity.chain.clone(),
        entry: whereabouts.entry,
        relay_mailboxes: whereabouts.relay_mailboxes,
        lookups: named_for_friends(state),
        direct: Some(own.direct.present()),
    };
    let lookup = own.presence.generation.reader().lookup;
    codec::encode(&SignedPresence::sign(&own.identity.signing, &lookup, sequence, &body))
}

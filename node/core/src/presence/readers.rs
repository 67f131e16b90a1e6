//! Who may read our records, and how somebody is taken out.
//!
//! Friends hold a block of the revocation tree each. Any change of the set of readers
//! begins a new version of the header; taking somebody out also begins a new friendship
//! secret, and with it new keys for all who stay. No message says so: who stays reads it.

use super::lookup_servers::named_for_friends;
use crate::identity;
use crate::invites::grants;
use crate::limits::{DEVICES_MAX, PAST_LIFE, PAST_MAX};
use crate::notice::PresenceNotice;
use crate::rows::{Past, step};
use crate::state::State;
use crate::table::Table;
use crate::turn::Turn;
use crate::wire::{Labels, PresenceKeys};
use symbolon_presence::codec;
use symbolon_presence::friendship::FriendshipSecret;
use symbolon_presence::id::PeerId;
use symbolon_presence::identity::{CERT_MAX, Device, DeviceCertBody, Identity};
use symbolon_presence::kdf::Secret;
use symbolon_presence::labels::SEAL_LABELS;
use symbolon_presence::record::day_of;
use symbolon_presence::seal::hpke_seal;

fn serial(identity: &Identity) -> u64 {
    codec::decode::<DeviceCertBody>(&identity.chain.cert, CERT_MAX).map_or(0, |cert| cert.serial)
}

/// Gives a friend's devices what they need to read our records. None when the tree is full:
/// the friendship then lives by direct ways and relays alone.
pub(crate) fn grant(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, to: &[Device]) -> Option<PresenceKeys> {
    let own = &mut state.own;
    let serial = serial(&own.identity);
    let presence = &mut own.presence;
    // The bundle around this gives the friendship secret away, also when there is no block left.
    let Some(block) = presence.issue(turn.rng, peer, serial) else {
        turn.tell(PresenceNotice::Full);
        turn.put(Table::Meta, b"presence", &*presence);
        return None;
    };
    let reader = presence.generation.reader();
    let mut labels = Vec::with_capacity(to.len());
    for (device, number) in to.iter().take(DEVICES_MAX).zip(0..) {
        let of_leaf = presence.generation.tree().leaf_labels(block.leaf(number)?).to_bytes();
        let sealed = hpke_seal(SEAL_LABELS, &device.dh, reader.lookup.as_bytes(), &of_leaf, turn.rng);
        labels.push(Labels { device: device.device, sealed });
    }
    presence.change(turn);
    identity::records_changed(turn);
    Some(PresenceKeys { reader, labels, lookups: named_for_friends(state) })
}

/// Takes somebody out: records, keys and grants of the new friendship secret are for those
/// who stay. Nothing happens when that person was never given anything.
pub(crate) fn revoke(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    let own = &mut state.own;
    if !own.presence.take_out(peer) {
        return;
    }
    own.presence.change(turn);
    let new = FriendshipSecret { revision: own.friendship.revision.saturating_add(step(turn.rng)), secret: Secret::random(turn.rng) };
    let old = std::mem::replace(&mut own.friendship, new);
    turn.put(Table::Meta, b"friendship", &own.friendship);
    put_past(state, turn, old);
    identity::records_changed(turn);
    turn.tell(PresenceNotice::Revoked);
    // Friends have other keys to our relays, too.
    grants::changed(turn);
}

/// Remembers a friendship secret that was replaced.
fn put_past(state: &mut State, turn: &mut Turn<'_>, old: FriendshipSecret) {
    let past = &mut state.own.past;
    past.retain(|past| past.until > turn.sure);
    if past.len() >= PAST_MAX {
        past.remove(0);
    }
    past.push(Past { friendship: old, until: turn.stamp.after(PAST_LIFE) });
    turn.put(Table::Meta, b"past", past);
}

/// Begins a new generation, without those who have left: the old one's tree or header is full, or
/// the keys of today are erased since our clock and a friend's were wrong together. None when a new one
/// would be as full, and no day is lost.
///
/// Answers who was given what friends have: friends get it again in their connection rooms; until that has
/// arrived they go by what they know. Somebody who is not a friend yet, or is blocked, gets it once that has changed.
pub(crate) fn renew(state: &mut State, turn: &mut Turn<'_>) -> Option<Vec<PeerId>> {
    let has_lost_today = state.clock.is_confirmed() && !state.own.presence.has_day(day_of(turn.now));
    let presence = &mut state.own.presence;
    if !presence.has_revoked() && !has_lost_today {
        return None;
    }
    let number = presence.generation.number.saturating_add(1);
    presence.begin_generation(number, turn.sure.min(turn.now), turn.rng);
    presence.change(turn);
    identity::records_changed(turn);
    Some(presence.given())
}

/// After an older copy was put back: friendship secret, tree and header begin again above all that
/// the newer state gave away, of which nothing is known here. Nothing is sealed now: each friend
/// gets it in the room that is made again, or in the present one once that friend has said that it
/// is whole.
pub(crate) fn begin_above(state: &mut State, turn: &mut Turn<'_>, revision: u64) {
    let own = &mut state.own;
    let presence = &mut own.presence;
    let number = presence.generation.number.saturating_add(GENERATIONS_ABOVE);
    presence.begin_generation(number, turn.sure, turn.rng);
    presence.wrapping.version = presence.wrapping.version.saturating_add(STEP_ABOVE);
    presence.change(turn);
    let new = FriendshipSecret { revision: revision.max(own.friendship.revision).saturating_add(1), secret: Secret::random(turn.rng) };
    // A friend who still holds what this folder gave away hears that it was replaced, and reads the
    // new one.
    let old = std::mem::replace(&mut own.friendship, new);
    put_past(state, turn, old);
    turn.put(Table::Meta, b"friendship", &state.own.friendship);
    identity::records_changed(turn);
    turn.tell(PresenceNotice::Revoked);
    // Friends have other keys to our relays, too.
    grants::changed(turn);
}

/// Versions that a newer state may have counted since the copy was made, and more.
const STEP_ABOVE: u64 = 1 << 32;
/// The same for generations.
const GENERATIONS_ABOVE: u32 = 1 << 16;

/// A friendship has ended: one that is made again begins without what was hidden.
pub(crate) fn end(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) {
    // Saved with the change of readers that follows.
    state.own.presence.hide(peer, false);
    revoke(state, turn, peer);
}

/// Hides from a friend where we are, or shows it again.
pub(crate) fn hide(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId, hidden: bool) {
    let presence = &mut state.own.presence;
    if presence.hide(peer, hidden) {
        presence.change(turn);
        identity::records_changed(turn);
        if !hidden {
            // Their proofs are answered again.
            turn.tell(PresenceNotice::Shown(*peer));
        }
        turn.notify(crate::seam::Event::Friend(*peer));
    }
}

#[cfg(test)]
mod tests;

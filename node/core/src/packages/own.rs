//! Packages of ours: made, used by a Welcome, replaced, forgotten.

use crate::identity::Own;
use crate::invites::grants;
use crate::limits::{
    FORMER_GRANT_LIFE, FORMER_GRANTS_MAX, GRANT_OVERLAP, PACKAGE_GRACE, PACKAGE_GRANT_LIFE, PACKAGE_LIFE, PACKAGES_KEPT_MAX,
    PACKAGES_UNUSED_OF_FRIEND,
};
use crate::rooms;
use crate::rows::{Awaited, FormerGrant, Lies, OwnPackage};
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::{AddPackage, OwnMailbox, PackageSecrets, QueueAddress, RelayMailbox};
use crate::world::Lifetime;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, Digest, GrantId, MailboxId, PeerId, PublicKeyBytes};
use symbolon_presence::kdf::{Secret, sha256};
use symbolon_presence::seal::NONCE;
use symbolon_presence::seeds::Seed;
use symbolon_presence::time::{DAY, Timestamp};
use symbolon_relay::grant::Scope;
use symbolon_relay::limits::MEMBERS_USES;

/// Bytes of a relay's places in a package: with more of them nothing else had room.
const PLACES_BYTES: usize = 256;

/// How long the leaf of a package made now may be added. From the beginning of a day on, and by whole days: two packages
/// of one hour could be distinguished by their moment.
fn lifetime(stamp: Timestamp) -> Lifetime {
    let day = Timestamp(stamp.0 / DAY * DAY);
    Lifetime { not_before: day, not_after: day.after(PACKAGE_LIFE + DAY) }
}

/// Where members of rooms write to us under a grant: our own node, and our relays.
fn ways_by(own: &Own, rng: &mut ChaCha20Rng, grant: GrantId, until: Timestamp) -> (RelayMailbox, Vec<RelayMailbox>) {
    let (mut entry, key) = own.address(rng, grant, Scope::Guest, until, MEMBERS_USES);
    entry.places.clear();
    let mut relays = own.relay_mailboxes(rng, grant, Scope::Guest, until, MEMBERS_USES);
    for relay in &mut relays {
        let mut bytes = 0;
        relay.entry.places.retain(|place| {
            bytes += place.0.len();
            bytes <= PLACES_BYTES
        });
    }
    (RelayMailbox { entry, key }, relays)
}

/// Makes a package to be handed out there. Its row is written in this turn, so it is on disk before the package leaves.
pub(super) fn make(state: &mut State, turn: &mut Turn<'_>, lies: Lies, last_resort: bool) -> Result<Vec<u8>, TurnFailed> {
    make_place(state, turn, &lies)?;
    let (grant, grant_expires) = (GrantId::random(turn.rng), turn.sure.max(turn.stamp).after(PACKAGE_GRANT_LIFE));
    let seed = Seed::draw(None, turn.rng);
    let own = &state.own;
    let (node, mut relays) = ways_by(own, turn.rng, grant, grant_expires);
    let first = match lies {
        Lies::AtRelay(mailbox, _) => relays.iter().position(|relay| relay.entry.mailbox == mailbox),
        Lies::WithFriend(_) => (!relays.is_empty()).then_some(0),
    };
    let (relay, put) = first.map(|first| relays.remove(first)).map(|first| (first.entry, first.key)).unzip();
    let lifetime = lifetime(turn.stamp);
    let queue = codec::encode(&QueueAddress { relay });
    let made = rooms::make_package(turn, &own.identity, lifetime, last_resort, queue).map_err(|_| TurnFailed("the room cipher failed"))?;
    let mut nonce = [0; NONCE];
    turn.rng.fill_bytes(&mut nonce);
    let mut secrets = PackageSecrets {
        revision: own.friendship.revision,
        chain: own.identity.chain.clone(),
        key: made.key.clone(),
        seed: seed.clone(),
        capabilities: own.capabilities,
        put,
        own: OwnMailbox { mailbox: node.entry.mailbox, address: node.entry.address, key: node.key },
        more: relays,
    };
    let fek = own.friendship.fek();
    let bytes = loop {
        if let Some(package) = AddPackage::seal(&fek, made.bytes.clone(), &secrets, &nonce) {
            break package.encode();
        }
        // Nothing was sealed yet. Where there is no room for all, the first ways are enough.
        if secrets.more.pop().is_none() {
            return Err(TurnFailed("a package does not fit"));
        }
    };
    let row = OwnPackage {
        leaf: made.leaf,
        key: made.key,
        grant,
        grant_expires,
        seed,
        revision: own.friendship.revision,
        lies,
        made: turn.stamp,
        expires: lifetime.not_after,
        last_resort,
        digest: Digest(sha256(&bytes)),
        replaced: None,
        seats: 0,
        former: None,
    };
    state.save_package(turn, row);
    Ok(bytes)
}

/// One more has place: of those that nobody has used, one of this friend's or the one that was replaced first gives way.
fn make_place(state: &mut State, turn: &mut Turn<'_>, lies: &Lies) -> Result<(), TurnFailed> {
    if let Lies::WithFriend(peer) = lies {
        let of_friend = unused(state).filter(|row| row.lies == Lies::WithFriend(*peer));
        let held: Vec<(Timestamp, PublicKeyBytes)> = of_friend.map(|row| (row.made, row.leaf)).collect();
        if held.len() >= PACKAGES_UNUSED_OF_FRIEND
            && let Some((_, oldest)) = held.into_iter().min()
        {
            forget(state, turn, &oldest)?;
        }
    }
    while unused(state).count() >= PACKAGES_KEPT_MAX {
        // Those that wait to be handed out are few: there is another one.
        let first = unused(state).min_by_key(|row| (row.replaced.is_none(), matches!(row.lies, Lies::AtRelay(..)), row.made));
        let Some(first) = first.map(|row| row.leaf) else { break };
        forget(state, turn, &first)?;
    }
    Ok(())
}

fn unused(state: &State) -> impl Iterator<Item = &OwnPackage> {
    state.packages.all().filter(|row| row.seats == 0)
}

/// A package is worth nothing any more: nobody enters a room by it.
pub(super) fn forget(state: &mut State, turn: &mut Turn<'_>, leaf: &PublicKeyBytes) -> Result<(), TurnFailed> {
    state.forget_package(turn, leaf);
    rooms::drop_package(turn, leaf)
}

/// A package of ours, or the seat that has come of it.
pub(crate) fn own<'a>(state: &'a State, leaf: &PublicKeyBytes) -> Option<&'a OwnPackage> {
    state.packages.get(leaf)
}

/// A room was entered by a Welcome to this leaf: from now on the package is our seat there, with its grant and its seed,
/// until the room is [`left`]. One of last resort may be used again. None when it is no package of ours, or was used
/// before.
pub(crate) fn used(state: &mut State, turn: &mut Turn<'_>, leaf: &PublicKeyBytes) -> Option<OwnPackage> {
    let row = state.packages.get(leaf).filter(|row| row.seats == 0 || row.last_resort)?;
    let row = OwnPackage { seats: row.seats.saturating_add(1), ..row.clone() };
    if let Lies::AtRelay(mailbox, place) = row.lies
        && row.replaced.is_none()
        && let Some(mut stocked) = state.packages.stocked(&mailbox)
    {
        // A relay hands them out in their order.
        stocked.gone = stocked.gone.max(place.saturating_add(1));
        stocked.is_there = true;
        state.save_stocked(turn, &mailbox, Some(stocked));
    }
    state.save_package(turn, row.clone());
    Some(row)
}

/// A room was made here: our leaf there comes from no package, and is a seat like any other, until the room is [`left`].
pub(crate) fn found(state: &mut State, turn: &mut Turn<'_>, leaf: PublicKeyBytes, key: Secret) {
    let (grant, grant_expires) = (GrantId::random(turn.rng), turn.sure.max(turn.stamp).after(PACKAGE_GRANT_LIFE));
    let row = OwnPackage {
        leaf,
        key,
        grant,
        grant_expires,
        seed: Seed::draw(None, turn.rng),
        revision: state.own.friendship.revision,
        lies: Lies::WithFriend(state.own.peer),
        made: turn.stamp,
        expires: turn.stamp,
        last_resort: false,
        digest: Digest([0; 32]),
        replaced: None,
        seats: 1,
        former: None,
    };
    state.save_package(turn, row);
}

/// The room of a seat was left. With the last one its grant ends, at our relays too.
pub(crate) fn left(state: &mut State, turn: &mut Turn<'_>, leaf: &PublicKeyBytes) -> Result<(), TurnFailed> {
    let Some(row) = state.packages.get(leaf).filter(|row| row.seats > 0).cloned() else { return Ok(()) };
    let seats = row.seats.saturating_sub(1);
    if seats > 0 || (row.last_resort && row.replaced.is_none()) {
        state.save_package(turn, OwnPackage { seats, ..row });
        return Ok(());
    }
    grants::revoke(state, turn, row.grant, row.grant_expires);
    for former in row.former().iter().filter(|former| former.ended.is_none()) {
        grants::revoke(state, turn, former.grant, former.expires);
    }
    forget(state, turn, leaf)
}

/// Somebody has gone who knows the grant of this seat: another one takes its place. That of before is good until [`heard`] was
/// called for all who wait, and for [`GRANT_OVERLAP`] at most.
pub(crate) fn renew_grant(state: &mut State, turn: &mut Turn<'_>, leaf: &PublicKeyBytes, waits: Vec<Awaited>) {
    let Some(mut row) = state.packages.get(leaf).cloned() else { return };
    let mut former = row.former.take().unwrap_or_default();
    former.push(FormerGrant { grant: row.grant, expires: row.grant_expires, replaced: turn.sure, waits, ended: None });
    let excess = former.len().saturating_sub(FORMER_GRANTS_MAX);
    for over in former.drain(..excess).filter(|over| over.ended.is_none()) {
        grants::revoke(state, turn, over.grant, over.expires);
    }
    (row.grant, row.grant_expires) = (GrantId::random(turn.rng), turn.sure.max(turn.stamp).after(PACKAGE_GRANT_LIFE));
    end_former(state, turn, OwnPackage { former: Some(former), ..row });
}

/// A device has what lay in our outbox under this number, and so the newest grant of this seat.
pub(crate) fn heard(state: &mut State, turn: &mut Turn<'_>, leaf: &PublicKeyBytes, device: &DeviceId, number: u64) {
    let Some(mut row) = state.packages.get(leaf).cloned() else { return };
    let is_done = |awaited: &Awaited| awaited.device == *device && awaited.number <= number;
    for former in row.former.iter_mut().flatten() {
        former.waits.retain(|awaited| !is_done(awaited));
    }
    end_former(state, turn, row);
}

/// Ends the grants of before for which nobody waits any more, and forgets those that have ended long ago.
fn end_former(state: &mut State, turn: &mut Turn<'_>, mut row: OwnPackage) {
    let Some(mut former) = row.former.take() else { return };
    for of in former.iter_mut().filter(|of| of.ended.is_none()) {
        if of.waits.is_empty() || turn.sure.since(of.replaced) >= GRANT_OVERLAP {
            of.waits.clear();
            of.ended = Some(turn.sure);
            grants::revoke(state, turn, of.grant, of.expires);
        }
    }
    former.retain(|of| of.ended.is_none_or(|at| turn.sure.since(at) < FORMER_GRANT_LIFE));
    row.former = (!former.is_empty()).then_some(former);
    if state.packages.get(&row.leaf) != Some(&row) {
        state.save_package(turn, row);
    }
}

/// How other members write to us in this seat now: at our own node, without a place, and at our relays. Addresses of
/// before stay good as long as they are.
pub(crate) fn ways(state: &mut State, turn: &mut Turn<'_>, leaf: &PublicKeyBytes) -> Option<(RelayMailbox, Vec<RelayMailbox>)> {
    let mut row = state.packages.get(leaf)?.clone();
    if row.grant_expires.since(turn.sure) < PACKAGE_GRANT_LIFE / 2 {
        row.grant_expires = turn.sure.after(PACKAGE_GRANT_LIFE);
        state.save_package(turn, row.clone());
    }
    Some(ways_by(&state.own, turn.rng, row.grant, row.grant_expires))
}

/// Others take the place of these. A Welcome may be on its way to them.
pub(super) fn replace(state: &mut State, turn: &mut Turn<'_>, is_replaced: impl Fn(&OwnPackage) -> bool) {
    let gone: Vec<OwnPackage> = state.packages.all().filter(|row| row.replaced.is_none() && is_replaced(row)).cloned().collect();
    for row in gone {
        state.save_package(turn, OwnPackage { replaced: Some(turn.stamp), ..row });
    }
}

/// The packages that a relay of ours hands out are others from now on.
pub(super) fn replace_at(state: &mut State, turn: &mut Turn<'_>, mailbox: &MailboxId) {
    replace(state, turn, |row| matches!(row.lies, Lies::AtRelay(at, _) if at == *mailbox));
}

/// A friendship has ended: what was handed to that person is worth nothing.
pub(crate) fn parted(state: &mut State, turn: &mut Turn<'_>, peer: &PeerId) -> Result<(), TurnFailed> {
    let theirs: Vec<OwnPackage> = unused(state).filter(|row| row.lies == Lies::WithFriend(*peer)).cloned().collect();
    for row in theirs {
        grants::revoke(state, turn, row.grant, row.grant_expires);
        forget(state, turn, &row.leaf)?;
    }
    Ok(())
}

/// Erases what nobody can be added by any more, by sure time.
pub(crate) fn sweep(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let with_former: Vec<OwnPackage> = state.packages.all().filter(|row| row.former.is_some()).cloned().collect();
    for mut row in with_former {
        // Who is gone themselves is waited for no more.
        let rooms = state.groups.rooms.values().filter(|group| group.leaf == row.leaf);
        let rosters: Vec<_> = rooms.map(|group| &group.roster).collect();
        for former in row.former.iter_mut().flatten() {
            former.waits.retain(|awaited| rosters.iter().any(|roster| roster.device(&awaited.device).is_some()));
        }
        end_former(state, turn, row);
    }
    let is_over = |row: &&OwnPackage| {
        let is_late = row.replaced.is_some_and(|at| turn.sure.since(at) >= PACKAGE_GRACE);
        (is_late || row.expires.is_expired_at(turn.sure)) && (row.seats == 0 || row.last_resort)
    };
    let over: Vec<OwnPackage> = state.packages.all().filter(is_over).cloned().collect();
    for row in over {
        if row.seats == 0 {
            forget(state, turn, &row.leaf)?;
        } else {
            // The seat stays.
            rooms::drop_package(turn, &row.leaf)?;
            state.save_package(turn, OwnPackage { last_resort: false, ..row });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! Minting invites, and taking them back.
//!
//! The private half of a package stays in the row of the invite until that has expired.

use super::bodies;
use super::contact::ContactRecord;
use super::grants;
use super::link::InviteLink;
use super::place::Place;
use crate::command::CommandError;
use crate::limits::{INVITE_LIFETIME_MAX, INVITES_MAX, PAIRING_LIFETIME};
use crate::notice::InvitesNotice;
use crate::rows::{Invite, Pairing};
use crate::seam::{Address, Warning};
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use symbolon_presence::id::{GrantId, PeerId, RequestId};
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kdf::Secret;
use symbolon_presence::time::{DAY, EARLIEST, Timestamp};

/// What to tell of an invite that names no way to us.
pub const NO_WAY: &str = "the invite names no address, and there is no relay yet: nobody can reach this node by it. \
    Add a relay with `symbolon relay add`: the invite becomes good then. Or leave the addresses in, and make a new one.";

/// What to tell of an invite that was made without a network, by a node that knows servers.
pub const NOT_YET: &str = "this node is on no network now: the invite becomes good once it is. Until then nobody can use it.";

/// What to tell of an invite that was made without a network.
pub const THIS_MACHINE_ONLY: &str = "nobody on another machine can use this link yet: this node knows no network address of its own, no \
    relay and no lookup server now. It becomes good once this node is on a network, for anyone who asks in the same place; to be sure, \
    connect, or add a relay with `symbolon relay add`, and make a new invite.";

/// What to tell of an invite whose places are too long for a link.
pub const TOO_LONG: &str = "no address of this node is short enough for the link. Add a relay with a shorter address, with \
    `symbolon relay add`; then make a new invite.";

/// An invite as its user hands it on.
pub(crate) struct Minted {
    pub link: String,
    pub expires: Timestamp,
    /// What is wrong with it, if something is.
    pub warning: Option<&'static str>,
    pub invite: GrantId,
}

/// Mints a single-use invite.
pub(crate) fn invite(state: &mut State, turn: &mut Turn<'_>, lifetime: u64, no_ip: bool, auto_accept: bool) -> Result<Minted, Failed> {
    if lifetime == 0 || lifetime > INVITE_LIFETIME_MAX {
        return Err(CommandError::BadLifetime.into());
    }
    forget_expired(state, turn)?;
    if state.invites.len() >= INVITES_MAX {
        return Err(CommandError::Full.into());
    }
    if turn.stamp < EARLIEST {
        // It would have expired everywhere else.
        return Err(CommandError::WrongClock.into());
    }
    let invite = Invite {
        auto_accept,
        secret: Some(InviteSecret::random(turn.rng)),
        no_ip: no_ip.then_some(true),
        ..fresh(turn, turn.stamp.after(lifetime))
    };
    let (link, warning) = link_of(state, &invite);
    let (expires, grant) = (invite.expires, invite.grant);
    state.save_invite(turn, invite);
    changed(turn);
    Ok(Minted { link: link.text(), expires, warning, invite: grant })
}

/// Mints a pairing code: who comes by it is to be a further device of ours, about which friends are written what the user wishes.
pub(crate) fn pairing(state: &mut State, turn: &mut Turn<'_>, tell: Option<String>) -> Result<(InviteSecret, Timestamp), Failed> {
    forget_expired(state, turn)?;
    if state.invites.len() >= INVITES_MAX {
        return Err(CommandError::Full.into());
    }
    // One at a time: an older one that nobody has used is of no use any more.
    let older = state.invites.values().filter(|invite| invite.pairs.is_some() && invite.used.is_none());
    for (grant, expires) in older.map(|invite| (invite.grant, invite.expires)).collect::<Vec<_>>() {
        forget(state, turn, &grant, expires)?;
    }
    let (secret, expires) = (InviteSecret::random(turn.rng), turn.stamp.after(PAIRING_LIFETIME));
    let pairs = Some(Box::new(Pairing { certified: None, tell }));
    let invite = Invite { auto_accept: true, secret: Some(secret.clone()), pairs, ..fresh(turn, expires) };
    state.save_invite(turn, invite);
    changed(turn);
    Ok((secret, expires))
}

/// The link of an invite, and what is wrong with it, if something is.
fn link_of(state: &State, invite: &Invite) -> (InviteLink, Option<&'static str>) {
    let own = if invite.no_ip == Some(true) { Vec::new() } else { Place::of(&state.own.places, false) };
    let relays = state.own.relay_mailboxes.values().filter(|relay| relay.is_told()).flat_map(|relay| relay.link.places.clone());
    let servers: Vec<Address> =
        relays.chain(state.own.lookups.iter().chain(&state.own.lookups_now).chain(&state.own.servers).cloned()).collect();
    let servers = Place::of(&servers, true);
    let is_reachable = state.own.places.iter().any(|place| !place.is_loopback());
    let has_server = !servers.is_empty();
    let secret = invite.secret.clone().unwrap_or_else(|| InviteSecret::from_bytes([0; 16]));
    let link = InviteLink::new(secret, state.own.peer, invite.expires, own, servers);
    let warning = if state.own.told_relays() == 0 && invite.no_ip == Some(true) {
        Some(NO_WAY)
    } else if state.own.told_relays() == 0 && !is_reachable {
        Some(if has_server { NOT_YET } else { THIS_MACHINE_ONLY })
    } else {
        link.places.is_empty().then_some(TOO_LONG)
    };
    (link, warning)
}

/// A row with a grant and a key of its own.
fn fresh(turn: &mut Turn<'_>, expires: Timestamp) -> Invite {
    Invite {
        grant: GrantId::random(turn.rng),
        key: Secret::random(turn.rng),
        expires,
        last_resort: false,
        auto_accept: false,
        used: None,
        only_for: None,
        answered: None,
        secret: None,
        no_ip: None,
        made: Some(turn.stamp),
        spoiled: None,
        pairs: None,
    }
}

/// Other bodies than before are to be found.
fn changed(turn: &mut Turn<'_>) {
    turn.tell(InvitesNotice::BodiesChanged);
}

/// A request has come by an invite: nobody needs its body any more.
pub(crate) fn used(state: &mut State, turn: &mut Turn<'_>, invite: Invite, by: RequestId) {
    if invite.used.is_none() {
        if invite.secret.is_some() {
            changed(turn);
        }
        state.save_invite(turn, Invite { used: Some(by), ..invite });
    }
}

/// Notes that something else lies in the place of an invite's body, or nothing else any more. The user is warned
/// when it begins.
pub(crate) fn note_spoiled(state: &mut State, turn: &mut Turn<'_>, grant: &GrantId, since: Option<Timestamp>) {
    if state.invites.get(grant).is_none_or(|invite| invite.spoiled.is_some() == since.is_some()) {
        return;
    }
    if since.is_some() {
        state.rates.warn(turn, Warning::InviteSpoiled);
    }
    state.change_invite(turn, grant, |invite| invite.spoiled = since);
}

/// The record that a person publishes. Its package is kept until somebody used it; then
/// the next record has a fresh one.
pub(crate) fn contact_record(state: &mut State, turn: &mut Turn<'_>) -> ContactRecord {
    let expires = turn.stamp.after(POSTED_LIFETIME);
    // Anybody may read it: where a relay takes what strangers bring, it does not say where we are.
    let no_ip = state.own.told_relays() > 0;
    mint(state, turn, Mint { expires, last_resort: true, auto_accept: false, no_ip, only_for: None })
}

/// How long a published package is good.
const POSTED_LIFETIME: u64 = 30 * DAY;

/// A published one stays good for at least this long.
const POSTED_LEFT: u64 = 3 * DAY;

/// A way in for one person who is introduced: once, and without another question.
pub(crate) fn mint_for(state: &mut State, turn: &mut Turn<'_>, only: PeerId, by: &PeerId, expires: Timestamp) -> ContactRecord {
    // The one who passes it on reads it, too.
    let no_ip = [&only, by].into_iter().any(|peer| state.own.presence.is_hidden_from(peer));
    mint(state, turn, Mint { expires, last_resort: false, auto_accept: true, no_ip, only_for: Some(only) })
}

/// The same for a member of a shared room whom we ask. Nobody passes it on. Answers its grant, too.
pub(crate) fn mint_in_room(state: &mut State, turn: &mut Turn<'_>, only: PeerId, expires: Timestamp) -> (ContactRecord, GrantId) {
    let no_ip = state.own.presence.is_hidden_from(&only);
    let invite = Invite { auto_accept: true, only_for: Some(only), ..fresh(turn, expires) };
    let (record, grant) = (bodies::record(state, turn, &invite, no_ip), invite.grant);
    state.save_invite(turn, invite);
    (record, grant)
}

/// What was minted so, once more: with the present ways to us. None when it was used, or is no more.
pub(crate) fn minted(state: &mut State, turn: &mut Turn<'_>, grant: &GrantId, only: PeerId) -> Option<ContactRecord> {
    let is_open = |invite: &&Invite| invite.used.is_none() && invite.only_for == Some(only) && !invite.expires.is_expired_at(turn.now);
    let invite = state.invites.get(grant).filter(is_open)?;
    let no_ip = state.own.presence.is_hidden_from(&only);
    Some(bodies::record(state, turn, invite, no_ip))
}

/// Takes back what was minted for one person, unless they have used it.
pub(crate) fn take_back(state: &mut State, turn: &mut Turn<'_>, grant: &GrantId) -> Result<(), TurnFailed> {
    match state.invites.get(grant).filter(|invite| invite.used.is_none()).map(|invite| invite.expires) {
        Some(expires) => forget(state, turn, grant, expires),
        None => Ok(()),
    }
}

struct Mint {
    expires: Timestamp,
    last_resort: bool,
    auto_accept: bool,
    no_ip: bool,
    only_for: Option<PeerId>,
}

fn mint(state: &mut State, turn: &mut Turn<'_>, mint: Mint) -> ContactRecord {
    let is_full = state.invites.len() >= INVITES_MAX;
    let stands = |invite: &&Invite| {
        // Nor one that was made by a clock which was ahead.
        let lasts = turn.stamp.after(POSTED_LEFT)..=turn.stamp.after(POSTED_LIFETIME);
        let is_fresh = invite.used.is_none() && lasts.contains(&invite.expires);
        mint.last_resort && invite.last_resort && (is_fresh || is_full)
    };
    let standing = state.invites.values().filter(stands).max_by_key(|invite| invite.expires).cloned();
    let invite = standing.unwrap_or_else(|| Invite {
        last_resort: mint.last_resort,
        auto_accept: mint.auto_accept,
        only_for: mint.only_for,
        ..fresh(turn, mint.expires)
    });
    let record = bodies::record(state, turn, &invite, mint.no_ip);
    state.save_invite(turn, invite);
    record
}

/// Whether the user has made an invite by asking for one.
pub(crate) fn is_own_wish(invite: &&Invite) -> bool {
    !invite.last_resort && invite.only_for.is_none() && invite.pairs.is_none()
}

/// Takes an invite back that nobody has used: its key is erased, and who comes by it is refused
/// here and at our relays.
pub(crate) fn withdraw(state: &mut State, turn: &mut Turn<'_>, id: &str) -> Result<Invite, Failed> {
    let id = id.trim().to_lowercase();
    let fits = |invite: &&Invite| is_own_wish(invite) && id.len() >= 4 && invite.grant.to_string().starts_with(&id);
    let found: Vec<Invite> = state.invites.values().filter(fits).cloned().collect();
    match found.as_slice() {
        [] => Err(CommandError::NotFound.into()),
        [invite] if invite.used.is_some() => Err(CommandError::WrongStatus.into()),
        [invite] => {
            forget(state, turn, &invite.grant, invite.expires)?;
            Ok(invite.clone())
        }
        _ => Err(CommandError::Ambiguous.into()),
    }
}

/// Erases invites that surely nobody can use any more, their private keys and uses with them.
pub(crate) fn forget_expired(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let useless = |invite: &&Invite| invite.expires.after(DAY).is_expired_at(turn.sure) || grants::is_spent(state, invite, turn.sure);
    let useless: Vec<(GrantId, Timestamp)> = state.invites.values().filter(useless).map(|invite| (invite.grant, invite.expires)).collect();
    for (grant, expires) in useless {
        forget(state, turn, &grant, expires)?;
    }
    Ok(())
}

/// Erases the invites of older builds: nobody can seal to their packages any more.
pub(crate) fn forget_older(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    let older: Vec<_> =
        state.invites.values().filter(|invite| invite.made.is_none()).map(|invite| (invite.grant, invite.expires)).collect();
    for (grant, expires) in older {
        forget(state, turn, &grant, expires)?;
    }
    Ok(())
}

/// Erases an invite: its private key, its uses, and the right to write by it.
fn forget(state: &mut State, turn: &mut Turn<'_>, grant: &GrantId, expires: Timestamp) -> Result<(), TurnFailed> {
    grants::revoke(state, turn, *grant, expires);
    if state.invites.remove(grant).is_some_and(|invite| invite.secret.is_some()) {
        changed(turn);
    }
    turn.delete(Table::Invite, grant.as_bytes());
    for (key, _) in turn.range(Table::GrantUse, grant.as_bytes(), USES_MAX)? {
        if key.starts_with(grant.as_bytes()) {
            turn.delete(Table::GrantUse, &key);
        }
    }
    Ok(())
}

/// Most recorded uses of one grant.
pub(crate) const USES_MAX: usize = 8;

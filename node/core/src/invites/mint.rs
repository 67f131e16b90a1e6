//! Minting invites, and taking them back.
//!
//! The private half of a package stays in the row of the invite until that has expired.

use super::contact::{ContactBody, ContactRecord, context};
use super::grants;
use crate::command::CommandError;
use crate::limits::{INVITE_LIFETIME_MAX, INVITES_MAX, SERVERS_TOLD};
use crate::rows::Invite;
use crate::state::State;
use crate::table::Table;
use crate::turn::{Failed, Turn, TurnFailed};
use crate::wire::Contact;
use symbolon_presence::codec;
use symbolon_presence::id::{GrantId, PeerId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::labels::SIGN_CONTACT;
use symbolon_presence::seal::DhKey;
use symbolon_presence::time::{DAY, EARLIEST, Timestamp};
use symbolon_relay::grant::Scope;

/// What to tell of an invite that names no way to us.
pub const NO_WAY: &str = "the link names no address, and there is no relay yet: nobody can reach this node by it. \
    Add a relay with `symbolon relay add`, or leave the addresses in; then make a new invite.";

/// What to tell of an invite that was made without a network.
pub const THIS_MACHINE_ONLY: &str = "nobody on another machine can use this link: this node knows no network address of its own now. \
    Connect to a network, or add a relay with `symbolon relay add`; then make a new invite.";

/// An invite as its user hands it on.
pub(crate) struct Minted {
    pub link: String,
    pub expires: Timestamp,
    /// What is wrong with it, if something is.
    pub warning: Option<&'static str>,
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
    let expires = turn.stamp.after(lifetime);
    let record = mint(state, turn, Mint { expires, last_resort: false, auto_accept, no_ip, only_for: None });
    let is_reachable = state.own.places.iter().any(|place| !place.is_loopback());
    let warning = match (no_ip, is_reachable) {
        _ if state.own.told_relays() > 0 => None,
        (true, _) => Some(NO_WAY),
        (false, false) => Some(THIS_MACHINE_ONLY),
        (false, true) => None,
    };
    Ok(Minted { link: record.to_link(), expires, warning })
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
        grant: GrantId::random(turn.rng),
        key: Secret::random(turn.rng),
        expires: mint.expires,
        last_resort: mint.last_resort,
        auto_accept: mint.auto_accept,
        used: None,
        only_for: mint.only_for,
        answered: None,
    });
    let uses = u32::from(!mint.last_resort);
    let (mut entry, key) = state.own.address(turn.rng, invite.grant, Scope::Contact, invite.expires, uses);
    if mint.no_ip {
        entry.places.clear();
    }
    let relay_mailboxes = state.own.relay_mailboxes(turn.rng, invite.grant, Scope::Contact, invite.expires, uses);
    let package = DhKey::from_bytes(*invite.key.expose()).public().bytes();
    let contact = Contact { chain: None, package, expires: invite.expires, last_resort: invite.last_resort, entry, key, relay_mailboxes };
    let servers = state.own.servers.iter().take(SERVERS_TOLD).cloned().collect();
    let body = codec::encode(&ContactBody { name: state.own.name.clone(), expires: invite.expires, contacts: vec![contact], servers });
    let signature = state.own.identity.signing.sign(SIGN_CONTACT, &context(&state.own.peer), &body);
    let record = ContactRecord { chain: state.own.identity.chain.clone(), body, signature };
    state.save_invite(turn, invite);
    record
}

/// Whether the user has made an invite by asking for one.
pub(crate) fn is_own_wish(invite: &&Invite) -> bool {
    !invite.last_resort && invite.only_for.is_none()
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

/// Erases an invite: its private key, its uses, and the right to write by it.
fn forget(state: &mut State, turn: &mut Turn<'_>, grant: &GrantId, expires: Timestamp) -> Result<(), TurnFailed> {
    grants::revoke(state, turn, *grant, expires);
    state.invites.remove(grant);
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

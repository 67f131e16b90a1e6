//! The bodies of our invites: what anyone who holds a link fetches, sealed and signed for that invite alone.
//!
//! A body is made for a day. Those that are left with our relays for days to come do not say where this node is, since
//! that is not known yet. The protocol page is `docs/protocol/invite.md`.

use super::contact::{ContactBody, ContactRecord, InviteMark, context};
use crate::limits::SERVERS_TOLD;
use crate::rows::Invite;
use crate::state::State;
use crate::turn::Turn;
use crate::wire::Contact;
use symbolon_presence::codec;
use symbolon_presence::id::LookupId;
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kem::KemKey;
use symbolon_presence::labels::SIGN_CONTACT;
use symbolon_presence::time::Timestamp;
use symbolon_relay::grant::Scope;

/// Invites whose bodies are to be found now, the newest first: of those that somebody has used, none is needed.
pub(crate) fn open(state: &State, now: Timestamp) -> Vec<Invite> {
    let is_open = |invite: &&Invite| invite.secret.is_some() && invite.used.is_none() && !invite.expires.is_expired_at(now);
    let mut open: Vec<Invite> = state.invites.values().filter(is_open).cloned().collect();
    open.sort_by_key(|invite| (std::cmp::Reverse(invite.made), invite.grant));
    open
}

/// Where the bodies of used invites would lie on a day.
pub(crate) fn places_of_used(state: &State, now: Timestamp, day: u32) -> impl Iterator<Item = LookupId> {
    let is_used = move |invite: &&Invite| invite.used.is_some() && !invite.expires.is_expired_at(now);
    let secrets = state.invites.values().filter(is_used).filter_map(|invite| invite.secret.as_ref());
    secrets.filter_map(move |secret| secret.slot(day).id().ok())
}

/// What the bodies of an invite say, whatever their day.
pub(crate) struct Draft {
    secret: InviteSecret,
    body: ContactBody,
}

/// What the bodies of an invite say now. `is_ahead`: also when this node is not there any more.
pub(crate) fn draft(state: &State, turn: &mut Turn<'_>, invite: &Invite, is_ahead: bool) -> Option<Draft> {
    let body = contact_body(state, turn, invite, is_ahead || invite.no_ip == Some(true));
    Some(Draft { secret: invite.secret.clone()?, body })
}

impl Draft {
    /// Makes the body of a day, and where it lies. `number` is higher than of any body of that day before.
    pub fn seal(&self, state: &State, turn: &mut Turn<'_>, day: u32, number: u64) -> Option<(LookupId, Vec<u8>)> {
        let mark = InviteMark { id: self.secret.id(), day, number };
        let content = codec::encode(&sign(state, &ContactBody { invite: Some(mark), ..self.body.clone() }));
        let slot = self.secret.slot(day);
        Some((slot.id().ok()?, slot.seal(Timestamp(number), &content, turn.rng).ok()?))
    }
}

/// The contact record of a way in that is published or passed on.
pub(super) fn record(state: &State, turn: &mut Turn<'_>, invite: &Invite, no_ip: bool) -> ContactRecord {
    let body = contact_body(state, turn, invite, no_ip);
    sign(state, &body)
}

fn contact_body(state: &State, turn: &mut Turn<'_>, invite: &Invite, no_ip: bool) -> ContactBody {
    let uses = match (&invite.pairs, invite.last_resort) {
        // To be certified, and then as what it was certified for.
        (Some(_), _) => 2,
        (None, is_last_resort) => u32::from(!is_last_resort),
    };
    let (mut entry, key) = state.own.address(turn.rng, invite.grant, Scope::Contact, invite.expires, uses);
    if no_ip {
        entry.places.clear();
    }
    let relay_mailboxes = state.own.relay_mailboxes(turn.rng, invite.grant, Scope::Contact, invite.expires, uses);
    let package = KemKey::from_bytes(*invite.key.expose()).public().bytes();
    let contact = Contact { chain: None, package, expires: invite.expires, last_resort: invite.last_resort, entry, key, relay_mailboxes };
    let servers = state.own.servers.iter().take(SERVERS_TOLD).cloned().collect();
    ContactBody { name: state.own.name.clone(), expires: invite.expires, contacts: vec![contact], servers, invite: None }
}

fn sign(state: &State, body: &ContactBody) -> ContactRecord {
    let body = codec::encode(body);
    let signature = state.own.identity.signing.sign(SIGN_CONTACT, &context(&state.own.peer), &body);
    ContactRecord { chain: state.own.identity.chain.clone(), body, signature }
}

/// Reads what lies where the body of an invite is looked for, as it was opened there.
pub(crate) fn read(content: &[u8]) -> Option<ContactRecord> {
    codec::decode(content, crate::limits::CONTACT_RECORD_MAX).ok()
}

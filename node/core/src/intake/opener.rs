//! Which of our keys opens a first envelope, and what it must name.

use crate::invites::owners::{GrantOwner, owner_of};
use crate::rows::Invite;
use crate::state::State;
use crate::turn::DropReason;
use crate::wire::{direct_package, package_digest};
use symbolon_presence::envelope::{open_direct, open_first};
use symbolon_presence::id::{Digest, RequestId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::seal::{DhKey, OpenError};
use symbolon_relay::admission::Admitted;
use symbolon_relay::grant::Queue;

/// Whose key opens a first envelope.
pub(super) enum Opener {
    Invite(Invite),
    Request(RequestId, Secret),
    /// The key of our device's certificate: from a friend.
    Direct,
}

impl Opener {
    /// Opens an envelope under it.
    pub(super) fn open(&self, state: &State, envelope: &[u8]) -> Result<Vec<u8>, OpenError> {
        match self {
            Self::Invite(Invite { key, .. }) | Self::Request(_, key) => open_first(&DhKey::from_bytes(*key.expose()), envelope),
            Self::Direct => open_direct(&state.own.identity.dh, envelope),
        }
    }

    /// The digest that a statement under this key must name.
    pub(super) fn package(&self, state: &State) -> Digest {
        let device = &state.own.identity.device;
        match self {
            Self::Invite(invite) => {
                let public = DhKey::from_bytes(*invite.key.expose()).public().bytes();
                package_digest(&public, invite.expires, invite.last_resort, device)
            }
            Self::Direct => direct_package(&state.own.identity.dh.public().bytes(), device),
            Self::Request(id, _) => state.requests.get(id).map_or(Digest([0; 32]), |row| row.reply_package),
        }
    }
}

/// The key for what was put to a queue under a grant.
pub(super) fn opener(state: &State, admitted: &Admitted) -> Result<Opener, DropReason> {
    let found = match (admitted.queue, owner_of(state, &admitted.grant)) {
        (Queue::Contact, GrantOwner::Invite) => state.invites.get(&admitted.grant).cloned().map(Opener::Invite),
        (Queue::Contact, GrantOwner::Reply(_) | GrantOwner::Standing(..) | GrantOwner::Friends) => None,
        (Queue::Direct | Queue::Guest, GrantOwner::Reply(id)) => {
            state.requests.get(&id).map(|row| Opener::Request(id, row.reply_key.clone()))
        }
        (Queue::Direct | Queue::Guest, GrantOwner::Invite | GrantOwner::Standing(..) | GrantOwner::Friends) => Some(Opener::Direct),
    };
    found.ok_or(DropReason::Unexpected)
}

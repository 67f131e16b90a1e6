//! Which of our keys opens a first envelope, and what it must name.

use crate::state::{Invite, State};
use crate::turn::DropReason;
use crate::wire::package_digest;
use symbolon_presence::id::{Digest, RequestId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::seal::DhKey;
use symbolon_relay::mailbox::{Admitted, Queue};

/// Whose key opens a first envelope.
pub(super) enum Opener {
    Invite(Invite),
    Request(RequestId, Secret),
}

impl Opener {
    pub(super) fn key(&self) -> &Secret {
        match self {
            Self::Invite(invite) => &invite.key,
            Self::Request(_, key) => key,
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
            Self::Request(id, _) => state.requests.get(id).map_or(Digest([0; 32]), |row| row.reply_package),
        }
    }
}

/// The key for what was put to a queue under a grant.
pub(super) fn opener(state: &State, admitted: &Admitted) -> Result<Opener, DropReason> {
    match admitted.queue {
        Queue::Contact => state.invites.get(&admitted.grant).cloned().map(Opener::Invite),
        Queue::Direct | Queue::Guest => state
            .requests
            .values()
            .find(|row| row.grant == admitted.grant && !row.offer.is_empty())
            .map(|row| Opener::Request(row.id, row.reply_key.clone())),
    }
    .ok_or(DropReason::Unexpected)
}

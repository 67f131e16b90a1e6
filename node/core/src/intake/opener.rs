//! Which of our keys opens a first envelope, and what it must name.

use crate::invites::lifelines;
use crate::invites::owners::{GrantOwner, owner_of};
use crate::rows::Invite;
use crate::state::State;
use crate::turn::DropReason;
use crate::wire::{direct_package, package_digest};
use symbolon_presence::envelope::{is_of_before, open_before, open_direct, open_first};
use symbolon_presence::id::{Digest, PeerId, RequestId};
use symbolon_presence::kdf::Secret;
use symbolon_presence::kem::KemKey;
use symbolon_presence::seal::OpenError;
use symbolon_presence::time::Timestamp;
use symbolon_relay::admission::Admitted;
use symbolon_relay::grant::Queue;

/// Whose key opens a first envelope.
pub(super) enum Opener {
    Invite(Invite),
    Request(RequestId, Secret),
    /// Our direct key: from a friend.
    Direct,
    /// The key of this friend's lifeline.
    Lifeline(PeerId, KemKey),
}

/// What was sealed, and what the statement in it must name.
pub(super) struct Opened {
    pub payload: Vec<u8>,
    pub package: Digest,
    /// Sealed to the key of our certificate: only friends of before do so.
    pub is_of_before: bool,
}

impl Opener {
    /// Opens an envelope under it.
    pub(super) fn open(&self, state: &State, envelope: &[u8], sure: Timestamp) -> Result<Opened, OpenError> {
        let device = &state.own.identity.device;
        let now = |(payload, package)| Opened { payload, package, is_of_before: false };
        match self {
            Self::Invite(invite) => {
                let key = KemKey::from_bytes(*invite.key.expose());
                let psk = invite.secret.as_ref().map(|secret| secret.psk(&state.own.peer));
                let payload = open_first(&key, psk.as_ref(), envelope)?;
                let package = package_digest(key.public().bytes().as_bytes(), invite.expires, invite.last_resort, device);
                Ok(now((payload, package)))
            }
            Self::Request(id, key) => {
                let payload = open_first(&KemKey::from_bytes(*key.expose()), None, envelope)?;
                Ok(now((payload, state.requests.get(id).map_or(Digest([0; 32]), |row| row.reply_package))))
            }
            Self::Direct if is_of_before(envelope) => {
                if !state.own.is_before_valid(sure) {
                    return Err(OpenError);
                }
                let key = &state.own.identity.dh;
                let package = direct_package(key.public().bytes().as_bytes(), device);
                Ok(Opened { payload: open_before(key, envelope)?, package, is_of_before: true })
            }
            Self::Lifeline(_, key) => {
                let package = direct_package(key.public().bytes().as_bytes(), device);
                Ok(now((open_direct(key, envelope)?, package)))
            }
            Self::Direct => {
                let (payload, key) = state.own.direct.open(envelope)?;
                Ok(now((payload, direct_package(key.as_bytes(), device))))
            }
        }
    }
}

/// The key for what was put to a queue under a grant.
pub(super) fn opener(state: &State, admitted: &Admitted) -> Result<Opener, DropReason> {
    let found = match (admitted.queue, owner_of(state, &admitted.grant)) {
        (Queue::Contact, GrantOwner::Invite) => state.invites.get(&admitted.grant).cloned().map(Opener::Invite),
        (
            Queue::Contact,
            GrantOwner::Reply(_) | GrantOwner::Standing(..) | GrantOwner::Lifeline(_) | GrantOwner::Package(_) | GrantOwner::Friends,
        )
        // Members of rooms write known envelopes only.
        | (Queue::Direct | Queue::Guest, GrantOwner::Package(_)) => None,
        (Queue::Direct | Queue::Guest, GrantOwner::Lifeline(peer)) => {
            lifelines::key_of(state, &admitted.grant).map(|key| Opener::Lifeline(peer, key))
        }
        (Queue::Direct | Queue::Guest, GrantOwner::Reply(id)) => {
            state.requests.get(&id).map(|row| Opener::Request(id, row.reply_key.clone()))
        }
        (Queue::Direct | Queue::Guest, GrantOwner::Invite | GrantOwner::Standing(..) | GrantOwner::Friends) => Some(Opener::Direct),
    };
    found.ok_or(DropReason::Unexpected)
}

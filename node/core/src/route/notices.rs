//! Notices, each handed to those whom it concerns: a match, a call, nothing else.

use super::Machines;
use crate::friendships;
use crate::notice::{DeliveryNotice, FriendshipsNotice, IdentityNotice, InvitesNotice, PresenceNotice, Told};
use crate::turn::{Turn, TurnFailed};

impl Machines {
    /// Hands on what machines have told, until none has anything to tell.
    pub(super) fn notices(&mut self, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        while let Some(told) = turn.out.notices.next()? {
            match told {
                Told::Identity(notice) => self.of_identity(turn, notice),
                Told::Invites(notice) => self.of_invites(turn, notice)?,
                Told::Delivery(notice) => self.of_delivery(turn, notice)?,
                Told::Presence(notice) => self.of_presence(turn, notice),
                Told::Friendships(FriendshipsNotice::KeysKnown(_)) => self.keys_known(turn),
            }
        }
        Ok(())
    }

    fn of_identity(&mut self, turn: &mut Turn<'_>, notice: IdentityNotice) {
        let Self { state, delivery, presence, .. } = self;
        match notice {
            IdentityNotice::RecordsChanged => {
                presence.changed(state, turn);
                delivery.greet_again();
            }
        }
    }

    fn of_invites(&mut self, turn: &mut Turn<'_>, notice: InvitesNotice) -> Result<(), TurnFailed> {
        let Self { state, relays, .. } = self;
        match notice {
            InvitesNotice::GrantsChanged => {
                relays.revoked(state, turn);
                Ok(())
            }
            InvitesNotice::SecretsRenewed => friendships::reissue(state, turn, true),
        }
    }

    fn of_delivery(&mut self, turn: &mut Turn<'_>, notice: DeliveryNotice) -> Result<(), TurnFailed> {
        let Self { state, delivery, relays, .. } = self;
        match notice {
            DeliveryNotice::OwnRelaysChanged => friendships::moved(state, delivery, turn),
            DeliveryNotice::CopiesLost => relays.recount(state, turn),
        }
    }

    fn of_presence(&mut self, turn: &mut Turn<'_>, notice: PresenceNotice) {
        let Self { state, presence, rekey, .. } = self;
        match notice {
            PresenceNotice::Revoked => {
                presence.revoked(state, turn);
                rekey.begin(turn);
            }
            PresenceNotice::Full => presence.publisher.full(),
            PresenceNotice::KeysKnown(_) => self.keys_known(turn),
        }
    }

    /// What the LAN shows may be a friend's, and what hid a shorter way may be gone.
    fn keys_known(&mut self, turn: &mut Turn<'_>) {
        let Self { state, delivery, presence, .. } = self;
        presence.lan.look_again(state);
        delivery.shorten_all(state, turn);
    }
}

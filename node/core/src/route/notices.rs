//! Notices, each handed to those whom it concerns: a match, a call, nothing else.

use super::Machines;
use crate::friendships;
use crate::groups;
use crate::introductions;
use crate::notice::{
    ConversationsNotice, DeliveryNotice, FriendshipsNotice, GroupsNotice, IdentityNotice, IntakeNotice, InvitesNotice, PackagesNotice,
    PeopleNotice, PresenceNotice, RenewalNotice, Told,
};
use crate::packages;
use crate::people;
use crate::presence::Why;
use crate::turn::{Turn, TurnFailed};
use crate::vouching;
use symbolon_presence::id::{DeviceId, PeerId};

impl Machines {
    /// Hands on the notices of machines, until none has any.
    pub(super) fn notices(&mut self, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
        while let Some(told) = turn.out.notices.next()? {
            match told {
                Told::Identity(notice) => self.of_identity(turn, notice)?,
                Told::People(PeopleNotice::DeviceGone(device)) => self.forget(turn, &device),
                Told::Invites(notice) => self.of_invites(turn, notice)?,
                Told::Delivery(notice) => self.of_delivery(turn, notice)?,
                Told::Presence(notice) => self.of_presence(turn, notice)?,
                Told::Packages(PackagesNotice::KeyExpired(device)) => self.presence.want(&self.state, &device, Why::Stale),
                Told::Renewal(notice) => self.of_renewal(turn, notice),
                Told::Intake(notice) => self.of_intake(turn, notice)?,
                Told::Conversations(ConversationsNotice::Held(friend)) => self.held.note(friend),
                Told::Conversations(ConversationsNotice::Read(friend, message)) => self.own_devices.read(&self.state, &friend, message),
                Told::Conversations(ConversationsNotice::ReadInRoom(message)) => self.own_devices.read_in_room(message),
                Told::Friendships(notice) => self.of_friendships(turn, notice)?,
                Told::Groups(notice) => self.of_groups(turn, notice)?,
            }
        }
        Ok(())
    }

    fn of_groups(&mut self, turn: &mut Turn<'_>, notice: GroupsNotice) -> Result<(), TurnFailed> {
        let Self { state, delivery, intake, groups, vouching, presence, .. } = self;
        match notice {
            GroupsNotice::Moved(room) => {
                groups.moved(room, turn.now);
                vouching::moved(state, turn, &room);
                vouching.look(state, turn);
                if state.vouching.cards.contains_key(&room) {
                    presence.publisher.bodies_changed(turn.now);
                }
                intake.moved(state, delivery, turn, &room)
            }
            GroupsNotice::WentBack(room) => {
                groups.went_back(room, turn.now);
                Ok(())
            }
            GroupsNotice::Behind(room) => {
                groups.behind(room, turn.now);
                Ok(())
            }
            GroupsNotice::Wished(room) => {
                groups.note(room);
                Ok(())
            }
        }
    }

    fn of_identity(&mut self, turn: &mut Turn<'_>, notice: IdentityNotice) -> Result<(), TurnFailed> {
        let Self { state, delivery, presence, standings, groups, vouching, .. } = self;
        match notice {
            IdentityNotice::CertificateRenewed => {
                let (device, chain) = (state.own.identity.device, state.own.identity.chain.clone());
                state.renew_leaves(turn, &device, &chain);
                standings.show_all(state);
                // What waited for it proceeds.
                friendships::certified(state, turn)?;
                introductions::certified(state, turn)?;
                presence.finder.begin_again(state, turn.now);
                groups.note_all(state);
                vouching.certified(state, turn);
            }
            IdentityNotice::RecordsChanged => {
                presence.changed(state, turn);
                delivery.greet_again();
            }
        }
        Ok(())
    }

    /// A device is not known any more: nothing of it is kept.
    fn forget(&mut self, turn: &mut Turn<'_>, device: &DeviceId) {
        let Self { state, delivery, relays, couriers, packages, standings, intake, .. } = self;
        couriers.forget(turn, device);
        delivery.forget(state, turn, device);
        relays.forget_device(device);
        packages.forget(relays, device);
        standings.forget(device);
        intake.forget(device);
    }

    fn of_invites(&mut self, turn: &mut Turn<'_>, notice: InvitesNotice) -> Result<(), TurnFailed> {
        let Self { state, relays, presence, standings, .. } = self;
        match notice {
            InvitesNotice::BodiesChanged => {
                presence.publisher.bodies_changed(turn.now);
                Ok(())
            }
            InvitesNotice::GrantsChanged => {
                relays.revoked(state, turn);
                Ok(())
            }
            InvitesNotice::SecretsRenewed => {
                standings.lifelines_changed(turn.now);
                packages::begin_again(state, turn);
                groups::changed(state, turn)?;
                friendships::reissue(state, turn, true)
            }
        }
    }

    fn of_delivery(&mut self, turn: &mut Turn<'_>, notice: DeliveryNotice) -> Result<(), TurnFailed> {
        let Self { state, delivery, relays, couriers, presence, standings, .. } = self;
        match notice {
            DeliveryNotice::OwnRelaysChanged => {
                relays.follow_own(state, turn.now);
                standings.lifelines_changed(turn.now);
                groups::changed(state, turn)?;
                packages::begin_again(state, turn);
                friendships::moved(state, delivery, turn)?
            }
            DeliveryNotice::CopiesLost => relays.recount(state, turn)?,
            DeliveryNotice::Queued(device) => {
                couriers.queued(state, delivery, turn.now, &device);
                delivery.queued(state, device);
            }
            DeliveryNotice::RowsChanged(device) => {
                couriers.rows_changed(state, delivery, turn.now, &device);
                delivery.rows_changed(state, device);
                relays.restart(&device);
            }
            DeliveryNotice::Unacknowledged(device) => standings.ask_once(device),
            DeliveryNotice::Missed(device) => {
                couriers.queued(state, delivery, turn.now, &device);
                presence.want(state, &device, Why::Missed);
            }
            DeliveryNotice::KeyExpired(device) => presence.want(state, &device, Why::Stale),
            DeliveryNotice::NewerAtRelay => standings.newer(state, turn),
            DeliveryNotice::StartHeard(device) => delivery.starts.note(state, &device, turn.now),
            DeliveryNotice::StartCameBack(device) => {
                delivery.starts.note(state, &device, turn.now);
                standings.came_back(device);
            }
            DeliveryNotice::QuestionLost(device) => standings.ask(device),
        }
        Ok(())
    }

    fn of_renewal(&mut self, turn: &mut Turn<'_>, notice: RenewalNotice) {
        let Self { state, standings, .. } = self;
        match notice {
            RenewalNotice::Newer => standings.newer(state, turn),
            RenewalNotice::LaterRevision(revision) => standings.later_revision(state, turn, revision),
            RenewalNotice::Rival { is_later, is_sure } => standings.rival(state, turn, is_later, is_sure),
            RenewalNotice::Answered(device) => standings.answered(&device),
        }
    }

    fn of_presence(&mut self, turn: &mut Turn<'_>, notice: PresenceNotice) -> Result<(), TurnFailed> {
        let Self { state, delivery, presence, rekey, .. } = self;
        match notice {
            PresenceNotice::Revoked => {
                presence.revoked(state, delivery, turn);
                packages::revoked(state, turn);
                rekey.begin(turn);
            }
            PresenceNotice::Full => presence.publisher.full(),
            PresenceNotice::KeysKnown(peer) => self.keys_known(turn, &peer),
            PresenceNotice::Moved(device) => delivery.moved(state, turn, &device),
            PresenceNotice::Shown(peer) => {
                for device in people::devices_of(state, &peer) {
                    delivery.befriended(state, turn, &device)?;
                }
            }
        }
        Ok(())
    }

    fn of_friendships(&mut self, turn: &mut Turn<'_>, notice: FriendshipsNotice) -> Result<(), TurnFailed> {
        let Self { state, delivery, standings, own_devices, .. } = self;
        match notice {
            FriendshipsNotice::KeysKnown(peer) => {
                standings.keys_known(state, turn, &peer)?;
                standings.lifelines_changed(turn.now);
                self.keys_known(turn, &peer);
            }
            FriendshipsNotice::Confirmed(peer) => self.confirming.note(peer),
            FriendshipsNotice::Befriended(device) => {
                groups::say_again(state, turn, &device)?;
                own_devices.befriended(state, turn, &device)?;
                delivery.befriended(state, turn, &device)?;
            }
            FriendshipsNotice::Parted(peer) => {
                packages::parted(state, turn, &peer)?;
                for device in people::devices_of(state, &peer) {
                    delivery.hang_up(state, turn, &device);
                }
            }
        }
        Ok(())
    }

    /// What the LAN shows may be a friend's, and so may what hides the shorter way of a link.
    fn keys_known(&mut self, turn: &mut Turn<'_>, peer: &PeerId) {
        let Self { state, delivery, presence, packages, .. } = self;
        packages.keys_known(state, peer);
        presence.keys_known(state, delivery);
        delivery.shorten_all(state, turn);
    }

    fn of_intake(&mut self, turn: &mut Turn<'_>, notice: IntakeNotice) -> Result<(), TurnFailed> {
        let Self { state, delivery, standings, confirming, groups, own_devices, .. } = self;
        match notice {
            IntakeNotice::GoneTold(device) => own_devices.told(state, &device),
            IntakeNotice::TextsTaken(device, up_to) => own_devices.taken(state, turn, &device, up_to),
            IntakeNotice::RoomTextsTaken(device, round, up_to) => own_devices.room_texts_taken(state, turn, &device, (round, up_to)),
            IntakeNotice::DraftsTaken(device) => own_devices.drafts_taken(state, turn, &device)?,
            IntakeNotice::OwnRefused(device) => own_devices.refused(state, turn, &device),
            IntakeNotice::Gap(device) | IntakeNotice::Reused(device) => standings.ask(device),
            IntakeNotice::Heard(device) => confirming.heard(state, turn, &device)?,
            IntakeNotice::Shown(device) => {
                standings.lifelines_changed(turn.now);
                groups.ready(state, &device);
                groups::follow_friend(state, turn, &device);
                own_devices.shown(state, &device);
            }
            IntakeNotice::AskedAgain(device) => delivery.asked_again(state, turn, &device)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

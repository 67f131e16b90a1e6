//! Notices: what one machine has found out that concerns another one above it or beside it.
//!
//! A machine calls what stands below it, and tells the rest. A notice says what is so, never what to do, and
//! carries ids only. It waits in the queue of the machine that gave it, until [`crate::route`] hands it on, still
//! in the same input. Only that machine and `route` name its enum; `.ci/floors` sees to it.

use std::collections::{BTreeSet, VecDeque};
use symbolon_presence::id::{DeviceId, MessageId, PeerId, RoomId};

/// Notices handed on for one input. Each friend's every device may be the matter of a few, so there may be many;
/// more than this is a circle of machines that tell each other.
pub(crate) const NOTICES_MAX: usize = 1 << 18;

/// What one machine has to tell: each thing once as long as it waits, in order.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    list: VecDeque<T>,
    waiting: BTreeSet<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { list: VecDeque::new(), waiting: BTreeSet::new() }
    }
}

impl<T: Ord + Copy> Queue<T> {
    /// Tells it, unless it waits already.
    pub fn tell(&mut self, notice: T) {
        if self.waiting.insert(notice) {
            self.list.push_back(notice);
        }
    }

    /// The oldest one.
    pub fn next(&mut self) -> Option<T> {
        let notice = self.list.pop_front()?;
        self.waiting.remove(&notice);
        Some(notice)
    }
}

/// What a machine tells, and where that waits.
pub(crate) trait Notice: Ord + Copy {
    fn queue(of: &mut Notices) -> &mut Queue<Self>;
}

/// What this device tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IdentityNotice {
    /// What our records say is something else now.
    RecordsChanged,
    /// Our certificate was renewed.
    CertificateRenewed,
}

/// Notices of who is who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PeopleNotice {
    /// A device is not known any more.
    DeviceGone(DeviceId),
}

/// Notices of ways in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum InvitesNotice {
    /// Our relays take other grants than they know of.
    GrantsChanged,
    /// Our relays have another queue secret: addresses that were given to those who were asked are worth nothing.
    SecretsRenewed,
    /// An invite of ours was made, used or taken back, or has expired.
    BodiesChanged,
}

/// Notices of the ways to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeliveryNotice {
    /// Others may leave things at other relays of ours than before.
    OwnRelaysChanged,
    /// Some copies at relays do not count any more.
    CopiesLost,
    /// Something new lies in a device's outbox.
    Queued(DeviceId),
    /// Rows of a device's outbox have changed, or the key by which they are put.
    RowsChanged(DeviceId),
    /// So much is without acknowledgement by a device that nothing more is sealed for it.
    Unacknowledged(DeviceId),
    /// A device cannot be reached directly.
    Missed(DeviceId),
    /// A device, or its relay, says that our key for it has expired.
    KeyExpired(DeviceId),
    /// A relay of ours holds something of ours that this folder did not write.
    NewerAtRelay,
    /// A device was heard in another start than before.
    StartHeard(DeviceId),
    /// A device was heard in an earlier start after it was heard in a later one.
    StartCameBack(DeviceId),
    /// The start of a device that named a way for a question of ours has ended, and the question was taken back.
    QuestionLost(DeviceId),
}

/// Notices of records, ours and friends'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PresenceNotice {
    /// Somebody was taken out.
    Revoked,
    /// Our tree has no place left, or the keys of today are gone.
    Full,
    /// A friend's present keys are known.
    KeysKnown(PeerId),
    /// A friend's device is in another place than before.
    Moved(DeviceId),
    /// A friend may know again where we are.
    Shown(PeerId),
}

/// Notices of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PackagesNotice {
    /// A device, or its relay, says that our right to its packages has expired.
    KeyExpired(DeviceId),
}

/// Notices of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ConversationsNotice {
    /// Texts are held for a friend whose room is there.
    Held(PeerId),
    /// A friend's texts were read up to this one.
    Read(PeerId, MessageId),
    /// A text of a shared room was read.
    ReadInRoom(MessageId),
}

/// Notices of friendships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FriendshipsNotice {
    /// A friend's keys are known.
    KeysKnown(PeerId),
    /// A device's owner has become a friend, or is one again.
    Befriended(DeviceId),
    /// Somebody is no friend any more, or is blocked.
    Parted(PeerId),
    /// A Confirm of ours may be on its way to somebody's devices.
    Confirmed(PeerId),
}

/// Notices of who is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RenewalNotice {
    /// A friend or another copy has seen something of ours that this folder did not write.
    Newer,
    /// A friend holds a later friendship secret of ours, of this revision.
    LaterRevision(u64),
    /// Another copy was at work while this one ran; whether it was started later; and whether this device has signed a start that
    /// this folder did not make, so that it is sure that there is a copy.
    Rival { is_later: bool, is_sure: bool },
    /// A device has answered how it stands with us.
    Answered(DeviceId),
}

/// Notices of shared rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GroupsNotice {
    /// A room is in another epoch than before, or new here.
    Moved(RoomId),
    /// A room has gone back to an epoch of before, and takes another branch.
    WentBack(RoomId),
    /// Something has come of an epoch to which a room has not come here.
    Behind(RoomId),
    /// Something is to be so in a room.
    Wished(RoomId),
}

/// Notices of frames that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IntakeNotice {
    /// A relay brought a device's frame, and not the one before it.
    Gap(DeviceId),
    /// A device has used again what its newer state had used.
    Reused(DeviceId),
    /// A device was heard in the room that it shares with us.
    Heard(DeviceId),
    /// A device misses a frame, and asks for everything again.
    AskedAgain(DeviceId),
    /// A device has said what its build takes.
    Shown(DeviceId),
    /// A device of ours has the texts with a lower arrival number than this.
    TextsTaken(DeviceId, u64),
    /// A device of ours has the texts of shared rooms with a lower arrival number than the second, in this round.
    RoomTextsTaken(DeviceId, u64, u64),
    /// A device of ours has what is being written here.
    DraftsTaken(DeviceId),
    /// Another device of ours has refused something that was said to it.
    OwnRefused(DeviceId),
    /// A device of ours has heard that it is ours no more.
    GoneTold(DeviceId),
}

/// A notice, with the machine that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Identity(IdentityNotice),
    People(PeopleNotice),
    Invites(InvitesNotice),
    Delivery(DeliveryNotice),
    Presence(PresenceNotice),
    Packages(PackagesNotice),
    Conversations(ConversationsNotice),
    Friendships(FriendshipsNotice),
    Renewal(RenewalNotice),
    Groups(GroupsNotice),
    Intake(IntakeNotice),
}

/// What all machines have to tell in this input: a queue for each.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    identity: Queue<IdentityNotice>,
    people: Queue<PeopleNotice>,
    invites: Queue<InvitesNotice>,
    delivery: Queue<DeliveryNotice>,
    presence: Queue<PresenceNotice>,
    packages: Queue<PackagesNotice>,
    conversations: Queue<ConversationsNotice>,
    friendships: Queue<FriendshipsNotice>,
    renewal: Queue<RenewalNotice>,
    groups: Queue<GroupsNotice>,
    intake: Queue<IntakeNotice>,
    /// How many were handed on in this input, and the most that it ever were.
    count: usize,
    most: usize,
}

/// There are more notices than one input can lead to: machines tell each other without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restless;

macro_rules! queues {
    ($($notice:ident: $field:ident as $machine:ident,)*) => {
        $(impl Notice for $notice {
            fn queue(of: &mut Notices) -> &mut Queue<Self> {
                &mut of.$field
            }
        })*

        impl Notices {
            fn first(&mut self) -> Option<Told> {
                None$(.or_else(|| self.$field.next().map(Told::$machine)))*
            }

            /// Whether nobody has anything to tell.
            pub fn is_empty(&self) -> bool {
                true $(&& self.$field.list.is_empty())*
            }
        }
    };
}

// The lowest floor first: those above know what was said there before they hear anything else.
queues! {
    IdentityNotice: identity as Identity,
    PeopleNotice: people as People,
    InvitesNotice: invites as Invites,
    DeliveryNotice: delivery as Delivery,
    PresenceNotice: presence as Presence,
    PackagesNotice: packages as Packages,
    ConversationsNotice: conversations as Conversations,
    FriendshipsNotice: friendships as Friendships,
    RenewalNotice: renewal as Renewal,
    GroupsNotice: groups as Groups,
    IntakeNotice: intake as Intake,
}

impl Notices {
    /// An input begins.
    pub fn begin(&mut self) {
        self.count = 0;
    }

    /// The next one to hand on, of the lowest floor. Fails when there is no end of them.
    pub fn next(&mut self) -> Result<Option<Told>, Restless> {
        let Some(told) = self.first() else { return Ok(None) };
        self.count = self.count.saturating_add(1);
        self.most = self.most.max(self.count);
        if self.count > NOTICES_MAX {
            return Err(Restless);
        }
        Ok(Some(told))
    }

    /// The most that were handed on for one input since the start.
    #[cfg(any(test, feature = "testing"))]
    pub fn most(&self) -> usize {
        self.most
    }
}

#[cfg(test)]
mod tests;

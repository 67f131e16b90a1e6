//! Links and sessions: what is known of the ways to devices. Nothing of it is stored.

use crate::command::Path;
use crate::delivery::proofs::Proofs;
use crate::delivery::pump::{Pump, Window};
use crate::delivery::starts::Starts;
use crate::people;
use crate::rows::{FriendState, RelayKey};
use crate::seam::{Address, DialId, LinkId, TransportKeys};
use crate::state::State;
use std::collections::{BTreeMap, BTreeSet};
use symbolon_presence::id::{DeviceId, FrameId, PeerId};
use symbolon_presence::time::Timestamp;
use symbolon_relay::prove::{Ends, Instance, Prove, Role};
use symbolon_relay::put::{Outcome, ReceiptItem};

/// The way by which a frame came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A link, whose other end awaits a receipt.
    Link(LinkId),
    /// A mailbox of ours at a relay, and the entry's number there.
    Relay(RelayKey, u64),
    /// The same, some time ago: it was kept here until it could be opened.
    Kept(FrameId),
}

impl Origin {
    /// Whether it came by way of a relay.
    pub fn is_by_relay(self) -> bool {
        matches!(self, Self::Relay(..) | Self::Kept(_))
    }
}

/// A link that came up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Up {
    pub link: LinkId,
    /// The attempt that led to it.
    pub dial: Option<DialId>,
    pub path: Path,
    pub keys: Option<TransportKeys>,
}

/// One live link.
#[derive(Debug)]
pub(super) struct Link {
    /// When it came up.
    pub(super) since: Timestamp,
    /// The device behind it: the one that was dialled, that has proved itself, or whose step of
    /// a request came by it.
    pub(super) device: Option<DeviceId>,
    /// Whether the device has proved to be behind it.
    pub(super) proved: bool,
    /// Which end we are.
    pub(super) role: Role,
    /// By which keys the transport knows the ends.
    pub(super) ends: Option<Ends>,
    /// Whether we have said who we are, and whether the other end has.
    pub(super) has_said: bool,
    pub(super) has_heard: bool,
    /// What it has said, as long as nobody whom we know is behind it.
    pub(super) unread: Option<Prove>,
    /// The other end's run, once it is proved.
    pub(super) instance: Option<Instance>,
    /// How its other end is reached.
    pub(super) path: Path,
    /// Receipt lines for this turn.
    pub(super) receipts: Vec<ReceiptItem>,
    pub(super) faults: u32,
    /// Faults still forgiven on this link since it brought a friend's envelope under an expired key;
    /// [`WINDOW`] at first.
    pub(super) forgiven: Option<usize>,
    /// Envelopes with an unknown tag, since one of the device behind it was opened.
    pub(super) unopened: usize,
    /// Whether a frame that makes sense has come.
    pub(super) heard: bool,
    /// Whether its place is kept.
    pub(super) kept: bool,
    /// Whether it leads to a stranger's node on the LAN that is only asked whether it is the device's.
    pub(super) asked: bool,
}

impl Link {
    pub(super) fn new(up: &Up, device: Option<DeviceId>, since: Timestamp) -> Self {
        let role = if up.dial.is_some() { Role::Dialler } else { Role::Dialled };
        let ends = up.keys.map(|keys| match role {
            Role::Dialler => Ends { dialler: keys.own, dialled: keys.other },
            Role::Dialled => Ends { dialler: keys.other, dialled: keys.own },
        });
        Self {
            since,
            device,
            proved: false,
            role,
            ends,
            has_said: false,
            has_heard: false,
            unread: None,
            instance: None,
            path: up.path,
            receipts: Vec::new(),
            faults: 0,
            forgiven: None,
            unopened: 0,
            heard: false,
            kept: false,
            asked: false,
        }
    }
}

/// What is known of the way to one device.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) link: Option<LinkId>,
    pub(super) dial: Option<DialId>,
    /// Failed attempts in a row.
    pub(super) attempts: u32,
    /// When to dial next.
    pub(super) next_dial: Option<Timestamp>,
    pub(super) last_attempt: Timestamp,
    /// Whether anything was tried since start.
    pub(super) tried: bool,
    /// When the device was last heard in its room.
    pub(super) heard: Timestamp,
    /// How far its outbox was looked at for this link.
    pub(super) pump: Pump,
    pub(super) window: Window<()>,
    /// When the next receipt is due; or, when all that is on its way was put off, when it is put again.
    pub(super) receipt_due: Option<Timestamp>,
    /// How often it was put again on this link.
    pub(super) put_offs: u32,
    /// Whether the device is to be greeted on its link.
    pub(super) greet: bool,
    /// When the device was last put everything again because it asked.
    pub(super) again: Option<Timestamp>,
    /// A greeting without receipt, put again on every new link: sealing a new one each time
    /// would run ahead of the tags that the device expects.
    pub(super) hello: Option<(FrameId, Vec<u8>)>,
    /// What it says is out of date: the next link gets another one.
    pub(super) hello_is_over: bool,
}

impl Session {
    /// What waits is put from the beginning; for what is on its way, nobody waits any more.
    pub(super) fn begin_again(&mut self) {
        self.pump.restart();
        self.window.clear();
    }

    /// While we ask a friend again, the old room is doubtful: its frames wait, until the
    /// answer comes or the friend is heard in it.
    pub(super) fn is_doubtful(&self, asking_since: Option<Timestamp>) -> bool {
        asking_since.is_some_and(|since| self.heard < since)
    }
}

/// What a receipt line was about.
pub(crate) struct Acknowledged {
    pub device: DeviceId,
    pub number: u64,
    /// The envelope that it names.
    pub frame: FrameId,
    pub outcome: Outcome,
    /// When it was signed, by the clock of the one who did.
    pub at: Timestamp,
}

/// Entries of own mailboxes at relays that are settled in this turn, and may be deleted there.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub settled: Vec<(RelayKey, u64)>,
    /// Those of them that came by an invite which somebody else had used.
    pub used_up: BTreeSet<(RelayKey, u64)>,
}

/// All sessions and links. Nothing of it is stored.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) sessions: BTreeMap<DeviceId, Session>,
    pub(super) dials: BTreeMap<DialId, DeviceId>,
    /// Those of them that only ask who is there.
    pub(super) asking: BTreeSet<DialId>,
    pub(super) next_dial_id: u64,
    /// Sessions by the moment that something is due.
    pub(super) due: BTreeSet<(Timestamp, DeviceId)>,
    /// Links with receipt lines waiting.
    pub(super) acknowledging: BTreeSet<LinkId>,
    pub(super) sent: BTreeMap<&'static str, u64>,
    /// Devices that have proved a link since this was last looked at.
    pub(super) reached: BTreeSet<DeviceId>,
    /// Links that may get shorter; each stands or stood.
    pub(super) punching: BTreeSet<LinkId>,
    pub(super) entries: Entries,
    /// What became of envelopes that a device sent by way of a relay, until the turn ends.
    pub(super) owed: BTreeMap<DeviceId, Vec<ReceiptItem>>,
    pub(super) proofs: Proofs,
    /// Devices for which something new lies in the outbox, until the turn ends.
    pub(super) waking: BTreeSet<DeviceId>,
    /// Devices whose outbox has changed, perhaps while rows of it were on their way, until the input ends.
    pub(super) changed: BTreeSet<DeviceId>,
    /// Devices that cannot be reached directly, until the turn ends: what waits for them goes to their relays.
    pub(super) unreachable: BTreeSet<DeviceId>,
    /// Where friends are on the LAN.
    pub(super) near: BTreeMap<PeerId, Vec<Address>>,
    pub(crate) starts: Starts,
}

impl Delivery {
    /// Frames sent since start, by kind.
    pub fn sent(&self) -> Vec<(&'static str, u64)> {
        self.sent.iter().map(|(kind, count)| (*kind, *count)).collect()
    }

    /// So many frames of a kind were sent.
    pub(super) fn count(&mut self, kind: &'static str, frames: u64) {
        if frames > 0 {
            let count = self.sent.entry(kind).or_default();
            *count = count.saturating_add(frames);
        }
    }

    /// Whether one of these devices has proved to be there; `None` while nothing was tried.
    pub fn is_online(&self, devices: &[DeviceId]) -> Option<bool> {
        let sessions: Vec<&Session> = devices.iter().filter_map(|device| self.sessions.get(device)).collect();
        if sessions.iter().any(|session| session.link.and_then(|link| self.links.get(&link)).is_some_and(|link| link.proved)) {
            return Some(true);
        }
        // A first dial under way, or its link without proof yet, is neither.
        sessions.iter().any(|session| session.tried).then_some(false)
    }

    /// How one of these devices is reached, if it has proved to be there.
    pub fn path(&self, devices: &[DeviceId]) -> Option<Path> {
        let links = devices.iter().filter_map(|device| self.links.get(&self.sessions.get(device)?.link?));
        links.filter(|link| link.proved).map(|link| link.path).next()
    }

    /// Devices that have proved to be behind a link since this was last asked.
    pub fn take_reached(&mut self) -> BTreeSet<DeviceId> {
        std::mem::take(&mut self.reached)
    }

    /// Devices that could not be reached directly in this turn.
    pub fn unreachable(&self) -> &BTreeSet<DeviceId> {
        &self.unreachable
    }

    /// The same, since this was last asked.
    pub fn take_unreachable(&mut self) -> BTreeSet<DeviceId> {
        std::mem::take(&mut self.unreachable)
    }

    /// Where a friend is on the LAN now.
    pub fn place(&mut self, friend: PeerId, near: Vec<Address>) {
        if near.is_empty() {
            self.near.remove(&friend);
        } else {
            self.near.insert(friend, near);
        }
    }

    /// The friends who are online.
    pub fn online(&self, state: &State) -> BTreeSet<PeerId> {
        state.friends.values().filter(|friend| self.is_online(&friend.devices) == Some(true)).map(|friend| friend.peer).collect()
    }
}

/// Whether a link to a device is worth having: something waits for it, or it is a friend's.
pub(super) fn wants_link(state: &State, device: &DeviceId) -> bool {
    let Some(row) = state.devices.get(device) else { return false };
    if people::is_device_blocked(state, device) || state.own.is_halted {
        return false;
    }
    row.channel.outbox_count > 0
        || state.friends.get(&row.peer).is_some_and(|friend| friend.state == FriendState::Mutual && friend.devices.contains(device))
}

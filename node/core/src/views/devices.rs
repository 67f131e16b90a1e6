//! Own devices as shown to their user.

use crate::command::{Direction, JoiningView, OwnDeviceView, RequestStatus};
use crate::delivery::Delivery;
use crate::rows::{Fault, Request};
use crate::state::State;
use symbolon_presence::identity::Chain;
use symbolon_presence::words::fingerprint_words;

/// All of them: the first one first, then by serial; those that were removed last.
pub(crate) fn all(state: &State, delivery: &Delivery) -> Vec<OwnDeviceView> {
    let own = &state.own;
    let serial = |chain: &Chain| chain.body().map_or(0, |body| body.serial);
    let mut all = vec![OwnDeviceView {
        device: own.identity.device,
        name: own.label.clone(),
        serial: serial(&own.identity.chain),
        this: true,
        first: own.identity.root.is_some(),
        words: fingerprint_words(&own.peer),
        online: None,
        heard: None,
        settled: true,
        removed: own.gone,
    }];
    for row in state.siblings.values() {
        let Some(device) = state.devices.values().find(|device| device.peer == row.peer) else { continue };
        all.push(OwnDeviceView {
            device: device.device,
            name: row.label.clone().unwrap_or_default(),
            serial: serial(&device.chain),
            this: false,
            first: row.peer == own.person(),
            words: fingerprint_words(&row.peer),
            online: delivery.is_online(&[device.device]),
            heard: device.heard,
            settled: row.label.is_some(),
            removed: row.gone,
        });
    }
    all.sort_by_key(|view| (view.removed.is_some(), !view.first, view.serial));
    all
}

/// How far this device is that asks to be somebody's.
pub(crate) fn joining(state: &State) -> Option<JoiningView> {
    let newest: &Request = state
        .requests
        .values()
        .filter(|row| row.joins.is_some())
        .max_by_key(|row| (row.created, row.direction == Direction::Out && is_open(row)))?;
    let is_over = !is_open(newest);
    let late = (newest.status == RequestStatus::Expired).then_some(LATE);
    let reason = newest.fault.map(reason).or(late);
    Some(JoiningView { is_over, reason })
}

fn is_open(row: &Request) -> bool {
    matches!(row.status, RequestStatus::Unresolved | RequestStatus::Pending | RequestStatus::Accepted)
}

const LATE: &str = "the code has expired: make a new one on your first device with `symbolon device pair`";

/// What it is in the words of a code.
fn reason(fault: Fault) -> &'static str {
    match fault {
        Fault::InviteNotFound | Fault::InviteGone => {
            "nobody with this code was found yet: is the first device on, in the same network or at a relay that this one knows, and is this its newest code?"
        }
        Fault::InviteUsed => {
            "the code was used by another device, or has expired: make a new one on your first device with `symbolon device pair`"
        }
        Fault::InviteExpired | Fault::Expired => LATE,
        Fault::InviteForged => "somebody else who has seen the code has spoiled it: make a new one where nobody reads along",
        Fault::Refused | Fault::Blocked | Fault::Ended | Fault::InviteUntimely | Fault::Older | Fault::OtherMembers | Fault::NotInRoom => {
            fault.text()
        }
    }
}

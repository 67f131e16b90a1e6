//! Certificates of further devices: the first one renews them, because it alone holds the root key.

use super::speak;
use crate::delivery::owner::EnvelopeOwner;
use crate::limits::DEVICE_LIFETIME;
use crate::people::{devices, persons};
use crate::rows::Friend;
use crate::state::State;
use crate::turn::{Turn, TurnFailed};
use crate::wire::OwnSaid;
use symbolon_presence::time::EARLIEST;

/// Renews those of which half the time has passed.
pub(crate) fn sweep(state: &mut State, turn: &mut Turn<'_>) -> Result<(), TurnFailed> {
    if state.own.identity.root.is_none() {
        return Ok(());
    }
    let at = turn.now.max(turn.sure).max(EARLIEST);
    let present: Vec<Friend> = persons::siblings(state).filter(|friend| state.may_seal(friend)).cloned().collect();
    for friend in present {
        for id in &friend.devices {
            let Some(cert) = state.devices.get(id).and_then(|row| row.chain.body()) else { continue };
            if cert.not_after > at.after(DEVICE_LIFETIME / 2) {
                continue;
            }
            let Some(first) = cert.alias else { continue };
            raise_serial(state);
            let serial = state.own.next_serial(turn);
            let end = at.after(DEVICE_LIFETIME);
            let Some(chain) = state.own.identity.certify_again(((cert.signing, cert.dh), first), serial, EARLIEST, end) else { continue };
            devices::learn_chain(state, turn, &chain);
            speak::say(state, turn, &friend, &OwnSaid::Certificate(chain), EnvelopeOwner::Own)?;
        }
    }
    Ok(())
}

/// Another device that holds the root key may have given higher serials than this one.
pub(super) fn raise_serial(state: &mut State) {
    let root = state.own.identity.chain.root;
    let ours = state.devices.values().filter(|row| row.chain.root == root);
    let highest = ours.filter_map(|row| row.chain.body()).map(|cert| cert.serial).max();
    state.own.last_serial = state.own.last_serial.max(highest.unwrap_or_default());
}

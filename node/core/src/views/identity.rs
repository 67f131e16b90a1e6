//! This device as shown to its user.

use crate::command::IdentityView;
use crate::people::names;
use crate::state::State;
use symbolon_presence::words::fingerprint_words;

/// This device as shown to its user.
pub(crate) fn identity(state: &State) -> IdentityView {
    let own = &state.own;
    IdentityView {
        id: own.person(),
        words: fingerprint_words(&own.person()),
        name: own.name.clone(),
        device: own.identity.device,
        findable: own.is_findable,
        beware: names::pose(&own.name).map(names::Pose::text),
    }
}

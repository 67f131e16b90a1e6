//! Loading the working set.

use crate::command::{Direction, Trust};
use crate::rows::{Friend, Request};
use std::collections::BTreeMap;
use symbolon_presence::id::{PeerId, RequestId};

/// Rows of version 2 say the same of a friend whose invite was used and of one whose words
/// were compared. A friend who only ever asked us, by an invite of ours, was compared; of
/// any other it cannot be told. Answers whose row has changed.
pub(crate) fn derive_trust(friends: &mut BTreeMap<PeerId, Friend>, requests: &mut BTreeMap<RequestId, Request>) -> Vec<PeerId> {
    let mut settled = Vec::new();
    for friend in friends.values_mut().filter(|friend| friend.trust == Trust::InvitedOrCompared) {
        let mut asked = requests.values().filter(|row| row.peer == friend.peer).peekable();
        let is_compared =
            asked.peek().is_some() && asked.all(|row| row.direction == Direction::In && row.trust != Trust::InvitedOrCompared);
        friend.trust = if is_compared { Trust::Verified } else { Trust::Invited };
        settled.push(friend.peer);
    }
    for request in requests.values_mut().filter(|request| request.trust == Trust::InvitedOrCompared) {
        request.trust = Trust::Invited;
    }
    settled
}

//! Uses: the envelopes that came under a grant whose envelopes are counted.

use super::limits::{LIFELINE_DAYS_WAITING, USE_LIFE, USES_MAX, USES_OF_MAILBOX_MAX, WAITING_FOR_USE};
use super::mailboxes::Mailboxes;
use super::rows::{Entry, row};
use super::seam::{RelayShelf, RelayTable, ShelfFailed};
use crate::grant::{AddressBody, Scope};
use crate::limits::LIFELINE_USES;
use crate::put::{Outcome, Refusal};
use minicbor::{Decode, Encode};
use symbolon_presence::codec;
use symbolon_presence::id::{FrameId, GrantId, PublicKeyBytes};
use symbolon_presence::time::{DAY, Timestamp};

/// An envelope that came under a grant whose envelopes are counted. Kept until the grant expires,
/// or, if that is later, as long as the envelope waits.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Use {
    /// What was answered: until when it is kept.
    #[n(0)]
    pub until: Timestamp,
    /// Whether it waits for its owner.
    #[n(1)]
    pub waits: bool,
    /// When this row ends.
    #[n(2)]
    pub ends: Timestamp,
    /// Whether its owner has said that somebody else had used the invite.
    #[n(3)]
    pub used_up: Option<bool>,
    /// When it came, if it came by a lifeline.
    #[n(4)]
    pub at: Option<Timestamp>,
}

impl Use {
    /// What its sender hears when they ask again, if nothing is to be stored for it.
    pub(super) fn answer(&self) -> Outcome {
        if self.used_up == Some(true) { Outcome::Refused(Refusal::UsedUp) } else { Outcome::Stored(self.until) }
    }
}

fn uses_of(owner: &PublicKeyBytes, grant: &GrantId) -> Vec<u8> {
    [owner.as_bytes().as_slice(), grant.as_bytes()].concat()
}

fn use_key(owner: &PublicKeyBytes, grant: &GrantId, frame: &FrameId) -> Vec<u8> {
    let begin: &[u8] = frame.as_bytes().first_chunk::<16>().map_or(&[], |begin| begin);
    [uses_of(owner, grant).as_slice(), begin].concat()
}

fn use_end_key(ends: Timestamp, key: &[u8]) -> Vec<u8> {
    [ends.0.to_be_bytes().as_slice(), key].concat()
}

/// Whether the envelopes that come under a grant are counted.
pub(super) fn is_counted(body: &AddressBody) -> bool {
    match body.scope {
        Scope::Friends(_) => false,
        Scope::Guest => !body.is_for_members(),
        Scope::Contact => body.uses > 0,
    }
}

/// Whether a grant is a lifeline: a guest's that is counted by the day.
pub(super) fn is_lifeline(body: &AddressBody) -> bool {
    body.scope == Scope::Guest && body.uses > 0 && !body.is_for_members()
}

/// The use that an envelope is, if it was counted and its row can be read: one that cannot is of a build
/// that counted otherwise, and ends soon.
pub(super) fn use_of(shelf: &dyn RelayShelf, owner: &PublicKeyBytes, grant: &GrantId, frame: &FrameId) -> Result<Option<Use>, ShelfFailed> {
    Ok(shelf.get(RelayTable::Use, &use_key(owner, grant, frame))?.and_then(|bytes| row(&bytes).ok()))
}

/// Counts an envelope under its grant. Answers why it cannot be taken.
pub(super) fn count_use(
    mailboxes: &mut Mailboxes,
    shelf: &mut dyn RelayShelf,
    now: Timestamp,
    owner: &PublicKeyBytes,
    body: &AddressBody,
    frame: &FrameId,
    until: Timestamp,
) -> Result<Option<Refusal>, ShelfFailed> {
    let prefix = uses_of(owner, &body.grant);
    let key = use_key(owner, &body.grant, frame);
    let rows = shelf.range(RelayTable::Use, &prefix, USES_MAX)?.into_iter().take_while(|(key, _)| key.starts_with(&prefix));
    // A row that cannot be read is of a build that counted otherwise, and ends soon.
    let known: Vec<(Vec<u8>, Use)> = rows.filter_map(|(key, bytes)| Some((key, row(&bytes).ok()?))).collect();
    let uses = body.uses as usize;
    let before = known.iter().find(|(used, _)| *used == key);
    match body.scope {
        Scope::Friends(_) => return Ok(None),
        Scope::Guest if is_lifeline(body) => {
            let most = uses.min(LIFELINE_USES as usize);
            let today = known.iter().filter(|(_, used)| used.at.is_some_and(|at| now.since(at) < DAY)).count();
            let waiting = known.iter().filter(|(_, used)| used.waits).count();
            if before.is_none() && (today >= most || waiting >= most.saturating_mul(LIFELINE_DAYS_WAITING)) {
                return Ok(Some(Refusal::UsedUp));
            }
        }
        Scope::Guest => {
            if before.is_none() && known.len() >= USES_MAX {
                return Ok(Some(Refusal::UsedUp));
            }
        }
        Scope::Contact => {
            let waiting = known.iter().filter(|(_, used)| used.waits).count();
            if waiting >= WAITING_FOR_USE.saturating_mul(uses).min(USES_MAX) {
                return Ok(Some(Refusal::Full));
            }
        }
    }
    let mut ends = before.map(|(key, used)| (key.clone(), used.ends));
    if before.is_none() && known.len() >= USES_MAX {
        // One that does not wait any more gives way: there is one, or there were too many waiting.
        ends = known.iter().filter(|(_, used)| !used.waits).min_by_key(|(_, used)| used.until).map(|(key, used)| (key.clone(), used.ends));
    }
    let gone = ends.is_some();
    if !gone && mailboxes.get(owner).is_none_or(|mailbox| mailbox.uses.unwrap_or(0) >= USES_OF_MAILBOX_MAX) {
        return Ok(Some(Refusal::Full));
    }
    if let Some((key, ends)) = ends {
        shelf.set(RelayTable::Use, &key, None);
        shelf.set(RelayTable::Expiry, &use_end_key(ends, &key), None);
    }
    let (at, life) = if is_lifeline(body) { (Some(now), DAY) } else { (None, USE_LIFE) };
    let ends = body.expires.min(now.after(life)).max(until);
    shelf.set(RelayTable::Use, &key, Some(codec::encode_row(&Use { until, waits: true, ends, used_up: None, at })));
    shelf.set(RelayTable::Expiry, &use_end_key(ends, &key), Some(Vec::new()));
    if !gone {
        mailboxes.change(owner, |mailbox| mailbox.uses = Some(mailbox.uses.unwrap_or(0).saturating_add(1)));
    }
    Ok(None)
}

/// An entry is gone: its envelope does not wait any more, and stays counted until its grant expires.
pub(super) fn waits_no_more(
    shelf: &mut dyn RelayShelf,
    owner: &PublicKeyBytes,
    entry: &Entry,
    frame: &FrameId,
    is_used_up: bool,
) -> Result<(), ShelfFailed> {
    let key = use_key(owner, &entry.grant, frame);
    if let Some(used) = shelf.get(RelayTable::Use, &key)?.and_then(|bytes| row::<Use>(&bytes).ok()) {
        let used_up = is_used_up.then_some(true);
        shelf.set(RelayTable::Use, &key, Some(codec::encode_row(&Use { waits: false, used_up, ..used })));
    }
    Ok(())
}

/// Deletes so many rows of uses. Whether there may be more.
pub(super) fn delete_uses(shelf: &mut dyn RelayShelf, owner: &PublicKeyBytes, most: usize) -> Result<bool, ShelfFailed> {
    let page = shelf.range(RelayTable::Use, owner.as_bytes(), most)?;
    let own: Vec<_> = page.into_iter().filter(|(key, _)| key.starts_with(owner.as_bytes())).collect();
    for (key, bytes) in &own {
        shelf.set(RelayTable::Use, key, None);
        if let Ok(used) = row::<Use>(bytes) {
            shelf.set(RelayTable::Expiry, &use_end_key(used.ends, key), None);
        }
    }
    Ok(own.len() == most)
}

//! Envelopes left for the owners of mailboxes: who may, and where they lie.

use super::limits::{ENTRY_COST, FOREIGN_LIFE, OWN_LIFE};
use super::links::Links;
use super::mailboxes::Mailboxes;
use super::rows::{Entry, Mailbox, Share, entry_key, entry_of, expiry_key, frame_key, row};
use super::seam::{RelayShelf, RelayTable, ShelfFailed};
use super::uses::{count_use, is_counted, is_lifeline, use_of, waits_no_more};
use crate::grant::{AddressBody, Queue, Scope, grant_key};
use crate::put::{Outcome, Put, Refusal};
use symbolon_presence::codec;
use symbolon_presence::envelope::frame_id;
use symbolon_presence::id::{FrameId, PublicKeyBytes};
use symbolon_presence::time::{HOUR, Timestamp};

/// A repeat after this time begins an entry's time again; an earlier one costs no write.
const RENEWED_AFTER: u64 = HOUR;

/// The right that a Put's MAC proves.
pub(super) enum Right {
    /// To write there.
    Holds(PublicKeyBytes, AddressBody),
    /// It was taken back, or has expired.
    Ended(PublicKeyBytes, AddressBody, Refusal),
    /// Of a friend, under a key that has been replaced.
    Replaced,
}

/// Whose mailbox a Put is for, if its MAC is that of the grant, or once was. `body` is what its address says.
pub(super) fn right_of(mailboxes: &Mailboxes, now: Timestamp, put: &Put, body: AddressBody) -> Option<Right> {
    let owner = mailboxes.holder(&body.queue)?;
    let Mailbox { record, past, queue_before, .. } = mailboxes.get(&owner)?;
    let key = match body.scope {
        // Whatever revision the address is of: a new one may come with an old key, an old one with a new key.
        Scope::Friends(_) if body.queue == record.direct => record.put.clone(),
        Scope::Guest if body.queue == record.direct => grant_key(&record.queue_secret, &body),
        Scope::Contact if body.queue == record.contact => grant_key(&record.queue_secret, &body),
        Scope::Friends(_) | Scope::Guest | Scope::Contact => return None,
    };
    let was_before = || {
        queue_before
            .as_ref()
            .is_some_and(|before| (is_lifeline(&body) || body.is_for_members()) && put.is_granted(&grant_key(before, &body)))
    };
    if put.is_granted(&key) || was_before() {
        return Some(match body.scope {
            Scope::Contact if record.revoked.contains(&body.grant) => Right::Ended(owner, body, Refusal::UsedUp),
            Scope::Friends(_) | Scope::Guest if record.revoked.contains(&body.grant) => Right::Ended(owner, body, Refusal::Refused),
            _ if body.expires.is_expired_at(now) => Right::Ended(owner, body, Refusal::Expired),
            Scope::Friends(_) | Scope::Guest | Scope::Contact => Right::Holds(owner, body),
        });
    }
    let is_replaced = matches!(body.scope, Scope::Friends(_)) && past.iter().any(|past| put.is_granted(&past.put));
    is_replaced.then_some(Right::Replaced)
}

/// What was answered to this envelope before, whatever has become of its grant since: a repeat,
/// because the receipt was lost, must not turn what arrived into what failed.
pub(super) fn known_answer(
    shelf: &dyn RelayShelf,
    owner: &PublicKeyBytes,
    body: &AddressBody,
    frame: &FrameId,
) -> Result<Option<Outcome>, ShelfFailed> {
    if let Some((_, entry)) = entry_of(shelf, owner, frame)? {
        return Ok(Some(Outcome::Stored(entry.until)));
    }
    Ok(use_of(shelf, owner, &body.grant, frame)?.map(|used| used.answer()))
}

/// Keeps an envelope, or answers why not. `body` is the right under which it came.
pub(super) fn store(
    mailboxes: &mut Mailboxes,
    links: &mut Links,
    shelf: &mut dyn RelayShelf,
    now: Timestamp,
    owner: &PublicKeyBytes,
    body: &AddressBody,
    put: Put,
) -> Result<Outcome, ShelfFailed> {
    let Some(mailbox) = mailboxes.get(owner) else { return Ok(Outcome::Refused(Refusal::Refused)) };
    let life = (u64::from(put.ttl).saturating_mul(1_000)).min(if mailbox.is_own { OWN_LIFE } else { FOREIGN_LIFE });
    let until = now.after(life);
    if let Some((number, entry)) = entry_of(shelf, owner, &put.frame)? {
        if until <= entry.until.after(RENEWED_AFTER) {
            return Ok(Outcome::Stored(entry.until));
        }
        // Its sender still cares for it: its time begins again.
        shelf.set(RelayTable::Expiry, &expiry_key(entry.until, owner, number), None);
        shelf.set(RelayTable::Expiry, &expiry_key(until, owner, number), Some(Vec::new()));
        shelf.set(RelayTable::Entry, &entry_key(owner, number), Some(codec::encode_row(&Entry { until, ..entry })));
        return Ok(Outcome::Stored(until));
    }
    if body.scope == Scope::Contact && is_counted(body) {
        // Fetched already. A sender who asks now and then whether it counted costs the owner
        // nothing.
        let used = use_of(shelf, owner, &body.grant, &put.frame)?;
        if let Some(used) = used.filter(|used| !used.waits && (used.used_up == Some(true) || used.until > now)) {
            return Ok(used.answer());
        }
    }
    let (queue, share) = (queue_of(body.scope), Share::of(body));
    let size = put.envelope.len() as u64;
    let (used, max) = (mailbox.used(share), mailboxes.most_of(share));
    if used.0 >= max.0 || used.1.saturating_add(size) > max.1 || !mailboxes.has_room(mailbox, size.saturating_add(ENTRY_COST)) {
        return Ok(Outcome::Refused(Refusal::Full));
    }
    if is_counted(body)
        && let Some(refusal) = count_use(mailboxes, shelf, now, owner, body, &put.frame, until)?
    {
        return Ok(Outcome::Refused(refusal));
    }
    let Some(number) = mailboxes.change(owner, |mailbox| {
        mailbox.add(share, size);
        let number = mailbox.next;
        mailbox.next = number.saturating_add(1);
        number
    }) else {
        return Ok(Outcome::Refused(Refusal::Refused));
    };
    let entry =
        Entry { grant: body.grant, queue, usage: put.usage, until, envelope: put.envelope, members: body.is_for_members().then_some(true) };
    shelf.set(RelayTable::Entry, &entry_key(owner, number), Some(codec::encode_row(&entry)));
    shelf.set(RelayTable::Frame, &frame_key(owner, &put.frame), Some(number.to_be_bytes().to_vec()));
    shelf.set(RelayTable::Expiry, &expiry_key(until, owner, number), Some(Vec::new()));
    links.wake(owner);
    Ok(Outcome::Stored(until))
}

/// Deletes an entry and what belongs to it; its size, if it was there.
pub(super) fn delete(
    mailboxes: &mut Mailboxes,
    shelf: &mut dyn RelayShelf,
    owner: &PublicKeyBytes,
    number: u64,
    is_used_up: bool,
) -> Result<Option<usize>, ShelfFailed> {
    let key = entry_key(owner, number);
    let Some(bytes) = shelf.get(RelayTable::Entry, &key)? else { return Ok(None) };
    let entry: Entry = row(&bytes)?;
    let frame = frame_id(&entry.envelope);
    shelf.set(RelayTable::Entry, &key, None);
    shelf.set(RelayTable::Frame, &frame_key(owner, &frame), None);
    shelf.set(RelayTable::Expiry, &expiry_key(entry.until, owner, number), None);
    if entry.queue != Queue::Direct {
        waits_no_more(shelf, owner, &entry, &frame, is_used_up && entry.queue == Queue::Contact)?;
    }
    mailboxes.change(owner, |mailbox| mailbox.take(entry.share(), entry.envelope.len() as u64));
    Ok(Some(entry.envelope.len()))
}

/// Its queue.
fn queue_of(scope: Scope) -> Queue {
    match scope {
        Scope::Friends(_) => Queue::Direct,
        Scope::Guest => Queue::Guest,
        Scope::Contact => Queue::Contact,
    }
}

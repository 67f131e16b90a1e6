//! The record of an owner: whether the mailbox may be kept here, and what replaces what.

use super::limits::PAST_MAX;
use super::links::Links;
use super::mailboxes::Mailboxes;
use super::rows::{Mailbox, Past, RelayKeys, queues_of};
use super::seam::Policy;
use crate::session::{MailboxRecord, Verdict};
use symbolon_presence::id::PublicKeyBytes;
use symbolon_presence::kdf::mac_matches;
use symbolon_presence::time::{CLOCK_SKEW, Timestamp};

/// Whether a record proves its mailbox to be the relay's owner's.
pub(super) fn is_claimed(keys: &RelayKeys, record: &MailboxRecord) -> bool {
    record.claim.is_some_and(|code| mac_matches(&code.0, &keys.claim.0))
}

/// Keeps an owner's record, or says why not.
pub(super) fn take_record(
    mailboxes: &mut Mailboxes,
    links: &Links,
    keys: &RelayKeys,
    now: Timestamp,
    owner: PublicKeyBytes,
    record: MailboxRecord,
) -> Verdict {
    if now.since(record.at) > CLOCK_SKEW || record.at.is_future_at(now) {
        return Verdict::Untimely;
    }
    if record.version == 0 || record.direct == record.contact {
        return Verdict::Refused;
    }
    let is_claimed = is_claimed(keys, &record);
    let is_friend = mailboxes.policy() == Policy::Friends && record.claim.is_some_and(|code| mac_matches(&code.0, &keys.friends.0));
    let known = mailboxes.get(&owner);
    if known.is_some_and(|known| known.record.version >= record.version) {
        return Verdict::Outdated;
    }
    // A queue is its owner's: nobody can take over another's by naming it.
    if queues_of(&record).any(|queue| mailboxes.holder(&queue).is_some_and(|holder| holder != owner)) {
        return Verdict::Refused;
    }
    let record = MailboxRecord { claim: None, ..record };
    let mailbox = match known.cloned() {
        Some(known) => replaced(known, record, is_claimed),
        None if mailboxes.policy() != Policy::Open && !is_claimed && !is_friend => return Verdict::Refused,
        // What was there under the same key is being deleted, and must not take the new one with it.
        None if mailboxes.is_ending(&owner) || !mailboxes.make_place(links, is_claimed) => return Verdict::Full,
        None => {
            let mailbox = Mailbox::new(owner, record, is_claimed, now);
            if !mailboxes.has_room(&mailbox, 0) {
                return Verdict::Full;
            }
            mailbox
        }
    };
    mailboxes.insert(mailbox);
    Verdict::Ok
}

/// A mailbox with a newer record. Keys of friends that it replaces are remembered for a while, and the queue secret for
/// lifelines: they are for those who have heard nothing for long.
fn replaced(known: Mailbox, record: MailboxRecord, is_claimed: bool) -> Mailbox {
    let mut past = known.past;
    let is_drawn = record.queue_secret != known.record.queue_secret;
    let queue_before = if is_drawn { Some(known.record.queue_secret) } else { known.queue_before };
    if record.put != known.record.put {
        if past.len() >= PAST_MAX {
            past.remove(0);
        }
        past.push(Past { put: known.record.put, capability: known.record.capability });
    }
    Mailbox { record, is_own: known.is_own || is_claimed, past, queue_before, ..known }
}

//! Envelopes left for the owners of mailboxes: who may, and where they lie.

use super::*;

/// Uses recorded of one counted grant.
const USES_MAX: usize = 64;
/// A repeat by so much later begins an entry's time anew; one before costs no write.
const RENEWED_AFTER: u64 = HOUR;

/// The right that a Put's MAC proves.
enum Right {
    /// To write there.
    Holds(PublicKeyBytes, AddressBody),
    /// Of a friend, under a key that is over.
    IsOver,
}

impl Relay {
    /// An envelope is left for the owner of a mailbox.
    pub(super) fn put(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, put: Put) -> Result<(), ShelfFailed> {
        // Nothing is signed for who does not hold the grant: it would confirm that a queue exists.
        let outcome = match self.admitted(&put) {
            Some(Right::Holds(owner, body)) => self.store(now, shelf, &owner, &body, put.clone())?,
            Some(Right::IsOver) => Outcome::Refused(Refusal::Stale),
            None => {
                self.fault(link);
                return Ok(());
            }
        };
        if let Some(open) = self.links.get_mut(&link) {
            open.receipts.push(ReceiptItem { frame: put.frame, outcome });
            self.hungry.insert(link);
        }
        Ok(())
    }

    /// Whose mailbox a Put is for, if its MAC is that of the grant, or once was.
    fn admitted(&mut self, put: &Put) -> Option<Right> {
        if !put.is_consistent() {
            return None;
        }
        let body = self.open(&put.address)?;
        let owner = *self.queues.get(&body.queue)?;
        let Mailbox { record, past, .. } = self.mailboxes.get(&owner)?;
        let key = match body.scope {
            // Whatever revision the address is of: a new one may come with an old key, an old one with a new key.
            Scope::Friends(_) if body.queue == record.direct => record.put.clone(),
            Scope::Guest if body.queue == record.direct => grant_key(&record.queue_secret, &body),
            Scope::Contact if body.queue == record.contact => grant_key(&record.queue_secret, &body),
            Scope::Friends(_) | Scope::Guest | Scope::Contact => return None,
        };
        if put.is_granted(&key) {
            self.opened.remember(&put.address, Some(body.clone()));
            return (!record.revoked.contains(&body.grant)).then_some(Right::Holds(owner, body));
        }
        let is_over = matches!(body.scope, Scope::Friends(_)) && past.iter().any(|past| put.is_granted(&past.put));
        is_over.then_some(Right::IsOver)
    }

    /// What a sealed address says. One that was used with right is not opened again.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<AddressBody> {
        self.opened.get(sealed).cloned().or_else(|| self.keys.mailbox.open_address(sealed))
    }

    fn store(
        &mut self,
        now: Timestamp,
        shelf: &mut dyn RelayShelf,
        owner: &PublicKeyBytes,
        body: &AddressBody,
        put: Put,
    ) -> Result<Outcome, ShelfFailed> {
        let Some(mailbox) = self.mailboxes.get_mut(owner) else { return Ok(Outcome::Refused(Refusal::Refused)) };
        if body.expires.is_expired_at(now) {
            return Ok(Outcome::Refused(Refusal::Expired));
        }
        let life = (u64::from(put.ttl).saturating_mul(1_000)).min(if mailbox.is_own { OWN_LIFE } else { FOREIGN_LIFE });
        let until = now.after(life);
        let frame_key = [owner.as_bytes().as_slice(), put.frame.as_bytes()].concat();
        if let Some(number) = shelf.get(RelayTable::Frame, &frame_key)? {
            let key = [owner.as_bytes().as_slice(), &number].concat();
            if let Some(bytes) = shelf.get(RelayTable::Entry, &key)? {
                let entry: Entry = row(&bytes)?;
                if until <= entry.until.after(RENEWED_AFTER) {
                    return Ok(Outcome::Stored(entry.until));
                }
                // Its sender cares for it still: its time begins anew.
                if let Some(number) = number.as_slice().try_into().ok().map(u64::from_be_bytes) {
                    shelf.set(RelayTable::Expiry, &expiry_key(entry.until, owner, number), None);
                    shelf.set(RelayTable::Expiry, &expiry_key(until, owner, number), Some(Vec::new()));
                    shelf.set(RelayTable::Entry, &key, Some(codec::encode(&Entry { until, ..entry })));
                }
                return Ok(Outcome::Stored(until));
            }
        }
        let mut first_use = None;
        if body.uses > 0 {
            let Some(usage) = put.usage else { return Ok(Outcome::Refused(Refusal::Refused)) };
            let prefix = [owner.as_bytes().as_slice(), body.grant.as_bytes()].concat();
            let uses = shelf.range(RelayTable::Use, &prefix, USES_MAX)?;
            let known: Vec<_> = uses.iter().filter_map(|(key, _)| key.strip_prefix(prefix.as_slice())).collect();
            if !known.contains(&usage.as_bytes().as_slice()) {
                if known.len() >= USES_MAX || known.len() >= body.uses as usize {
                    return Ok(Outcome::Refused(Refusal::UsedUp));
                }
                first_use = Some([prefix.as_slice(), usage.as_bytes()].concat());
            }
        }
        let queue = if body.queue == mailbox.record.contact { Queue::Contact } else { Queue::Direct };
        let (used, max) = match queue {
            Queue::Direct => (&mut mailbox.direct, DIRECT_MAX),
            Queue::Contact => (&mut mailbox.contact, CONTACT_MAX),
        };
        let size = put.envelope.len() as u64;
        if used.0 >= max.0 || used.1.saturating_add(size) > max.1 {
            return Ok(Outcome::Refused(Refusal::Full));
        }
        *used = (used.0.saturating_add(1), used.1.saturating_add(size));
        let number = mailbox.next;
        mailbox.next = number.saturating_add(1);
        let entry = Entry { grant: body.grant, queue, usage: put.usage, until, envelope: put.envelope };
        shelf.set(RelayTable::Entry, &entry_key(owner, number), Some(codec::encode(&entry)));
        shelf.set(RelayTable::Frame, &frame_key, Some(number.to_be_bytes().to_vec()));
        shelf.set(RelayTable::Expiry, &expiry_key(until, owner, number), Some(Vec::new()));
        if let Some(key) = first_use {
            shelf.set(RelayTable::Use, &key, Some(now.0.to_be_bytes().to_vec()));
        }
        self.dirty.insert(*owner);
        let serving = self.links.iter().filter(|(_, open)| open.served.as_ref().is_some_and(|served| served.owner == *owner));
        self.hungry.extend(serving.map(|(link, _)| *link));
        Ok(Outcome::Stored(until))
    }
}

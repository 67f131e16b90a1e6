//! Envelopes left for the owners of mailboxes: who may, and where they lie.

use super::*;

/// Different envelopes of one counted grant that are remembered. Of a guest's grant it is also how
/// many it may bring in its life; of a stranger's the oldest that do not wait any more are forgotten.
pub const USES_MAX: usize = 64;
/// Envelopes that wait under a grant for each use that it allows: which of them counts is the
/// owner's to say, so that junk does not use an invite up.
pub const WAITING_FOR_USE: usize = 16;
/// A repeat after this time begins an entry's time again; an earlier one costs no write.
const RENEWED_AFTER: u64 = HOUR;

/// The right that a Put's MAC proves.
enum Right {
    /// To write there.
    Holds(PublicKeyBytes, AddressBody),
    /// It was taken back, or has expired.
    Ended(PublicKeyBytes, AddressBody, Refusal),
    /// Of a friend, under a key that has been replaced.
    IsOver,
}

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
}

impl Use {
    /// What its sender hears when they ask again, if nothing is to be stored for it.
    fn answer(&self) -> Outcome {
        if self.used_up == Some(true) { Outcome::Refused(Refusal::UsedUp) } else { Outcome::Stored(self.until) }
    }
}

fn uses_of(owner: &PublicKeyBytes, grant: &GrantId) -> Vec<u8> {
    [owner.as_bytes().as_slice(), grant.as_bytes()].concat()
}

pub(super) fn use_key(owner: &PublicKeyBytes, grant: &GrantId, frame: &FrameId) -> Vec<u8> {
    let begin: &[u8] = frame.as_bytes().first_chunk::<16>().map_or(&[], |begin| begin);
    [uses_of(owner, grant).as_slice(), begin].concat()
}

pub(super) fn use_end_key(ends: Timestamp, key: &[u8]) -> Vec<u8> {
    [ends.0.to_be_bytes().as_slice(), key].concat()
}

fn frame_key(owner: &PublicKeyBytes, frame: &FrameId) -> Vec<u8> {
    [owner.as_bytes().as_slice(), frame.as_bytes()].concat()
}

/// Whether the envelopes that come under a grant are counted.
fn is_counted(body: &AddressBody) -> bool {
    match body.scope {
        Scope::Friends(_) => false,
        Scope::Guest => true,
        Scope::Contact => body.uses > 0,
    }
}

/// Its queue.
pub(super) fn queue_of(scope: Scope) -> Queue {
    match scope {
        Scope::Friends(_) => Queue::Direct,
        Scope::Guest => Queue::Guest,
        Scope::Contact => Queue::Contact,
    }
}

impl Relay {
    /// An envelope is left for the owner of a mailbox.
    pub(super) fn put(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, put: Put) -> Result<(), ShelfFailed> {
        let frame = put.frame;
        // Nothing is signed for who does not hold the grant: it would confirm that a queue exists.
        let outcome = match self.admitted(now, &put) {
            Some(Right::Holds(owner, body)) => self.store(now, shelf, &owner, &body, put)?,
            Some(Right::Ended(owner, body, refusal)) => {
                self.known_answer(shelf, &owner, &body, &frame)?.unwrap_or(Outcome::Refused(refusal))
            }
            Some(Right::IsOver) => Outcome::Refused(Refusal::Stale),
            None => {
                self.fault(link);
                return Ok(());
            }
        };
        if let Some(open) = self.links.get_mut(&link) {
            open.receipts.push(ReceiptItem { frame, outcome });
            self.hungry.insert(link);
        }
        Ok(())
    }

    /// Whose mailbox a Put is for, if its MAC is that of the grant, or once was.
    fn admitted(&mut self, now: Timestamp, put: &Put) -> Option<Right> {
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
            return Some(match body.scope {
                Scope::Contact if record.revoked.contains(&body.grant) => Right::Ended(owner, body, Refusal::UsedUp),
                Scope::Friends(_) | Scope::Guest if record.revoked.contains(&body.grant) => Right::Ended(owner, body, Refusal::Refused),
                _ if body.expires.is_expired_at(now) => Right::Ended(owner, body, Refusal::Expired),
                Scope::Friends(_) | Scope::Guest | Scope::Contact => Right::Holds(owner, body),
            });
        }
        let is_over = matches!(body.scope, Scope::Friends(_)) && past.iter().any(|past| put.is_granted(&past.put));
        is_over.then_some(Right::IsOver)
    }

    /// What a sealed address says. One that was used with right is not opened again.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<AddressBody> {
        self.opened.get(sealed).cloned().or_else(|| self.keys.mailbox.open_address(sealed))
    }

    /// What was answered to this envelope before, whatever has become of its grant since: a repeat,
    /// because the receipt was lost, must not turn what arrived into what failed.
    fn known_answer(
        &self,
        shelf: &dyn RelayShelf,
        owner: &PublicKeyBytes,
        body: &AddressBody,
        frame: &FrameId,
    ) -> Result<Option<Outcome>, ShelfFailed> {
        if let Some((_, entry)) = entry_of(shelf, owner, frame)? {
            return Ok(Some(Outcome::Stored(entry.until)));
        }
        let used = shelf.get(RelayTable::Use, &use_key(owner, &body.grant, frame))?;
        Ok(used.and_then(|bytes| row::<Use>(&bytes).ok()).map(|used| used.answer()))
    }

    pub(super) fn store(
        &mut self,
        now: Timestamp,
        shelf: &mut dyn RelayShelf,
        owner: &PublicKeyBytes,
        body: &AddressBody,
        put: Put,
    ) -> Result<Outcome, ShelfFailed> {
        let Some(mailbox) = self.mailboxes.get(owner) else { return Ok(Outcome::Refused(Refusal::Refused)) };
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
            let used = shelf.get(RelayTable::Use, &use_key(owner, &body.grant, &put.frame))?.and_then(|bytes| row::<Use>(&bytes).ok());
            if let Some(used) = used.filter(|used| !used.waits && (used.used_up == Some(true) || used.until > now)) {
                return Ok(used.answer());
            }
        }
        let queue = queue_of(body.scope);
        let size = put.envelope.len() as u64;
        let (used, max) = (mailbox.used(queue), most_of(queue));
        if used.0 >= max.0 || used.1.saturating_add(size) > max.1 || !self.has_room(mailbox, size.saturating_add(ENTRY_COST)) {
            return Ok(Outcome::Refused(Refusal::Full));
        }
        if is_counted(body)
            && let Some(refusal) = self.count_use(now, shelf, owner, body, &put.frame, until)?
        {
            return Ok(Outcome::Refused(refusal));
        }
        let Some(number) = self.change(owner, |mailbox| {
            mailbox.add(queue, size);
            let number = mailbox.next;
            mailbox.next = number.saturating_add(1);
            number
        }) else {
            return Ok(Outcome::Refused(Refusal::Refused));
        };
        let entry = Entry { grant: body.grant, queue, usage: put.usage, until, envelope: put.envelope };
        shelf.set(RelayTable::Entry, &entry_key(owner, number), Some(codec::encode_row(&entry)));
        shelf.set(RelayTable::Frame, &frame_key(owner, &put.frame), Some(number.to_be_bytes().to_vec()));
        shelf.set(RelayTable::Expiry, &expiry_key(until, owner, number), Some(Vec::new()));
        self.hungry.extend(self.serving.get(owner));
        Ok(Outcome::Stored(until))
    }

    /// Counts an envelope under its grant. Answers why it cannot be taken.
    fn count_use(
        &mut self,
        now: Timestamp,
        shelf: &mut dyn RelayShelf,
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
            Scope::Guest => {
                let most = if uses == 0 { USES_MAX } else { uses.min(USES_MAX) };
                if before.is_none() && known.len() >= most {
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
            ends =
                known.iter().filter(|(_, used)| !used.waits).min_by_key(|(_, used)| used.until).map(|(key, used)| (key.clone(), used.ends));
        }
        let gone = ends.is_some();
        if !gone && self.mailboxes.get(owner).is_none_or(|mailbox| mailbox.uses.unwrap_or(0) >= USES_OF_MAILBOX_MAX) {
            return Ok(Some(Refusal::Full));
        }
        if let Some((key, ends)) = ends {
            shelf.set(RelayTable::Use, &key, None);
            shelf.set(RelayTable::Expiry, &use_end_key(ends, &key), None);
        }
        let ends = body.expires.min(now.after(USE_LIFE)).max(until);
        shelf.set(RelayTable::Use, &key, Some(codec::encode_row(&Use { until, waits: true, ends, used_up: None })));
        shelf.set(RelayTable::Expiry, &use_end_key(ends, &key), Some(Vec::new()));
        if !gone {
            self.change(owner, |mailbox| mailbox.uses = Some(mailbox.uses.unwrap_or(0).saturating_add(1)));
        }
        Ok(None)
    }

    /// An entry is gone: its envelope does not wait any more, and stays counted until its grant expires.
    fn waits_no_more(
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

    /// Deletes an entry and what belongs to it; its size, if it was there.
    pub(super) fn delete(
        &mut self,
        shelf: &mut dyn RelayShelf,
        owner: &PublicKeyBytes,
        number: u64,
        is_used_up: bool,
    ) -> Result<Option<usize>, ShelfFailed> {
        let key = entry_key(owner, number);
        let Some(bytes) = shelf.get(RelayTable::Entry, &key)? else { return Ok(None) };
        let entry: Entry = row(&bytes)?;
        let frame: FrameId = symbolon_presence::envelope::frame_id(&entry.envelope);
        shelf.set(RelayTable::Entry, &key, None);
        shelf.set(RelayTable::Frame, &frame_key(owner, &frame), None);
        shelf.set(RelayTable::Expiry, &expiry_key(entry.until, owner, number), None);
        if entry.queue != Queue::Direct {
            Self::waits_no_more(shelf, owner, &entry, &frame, is_used_up && entry.queue == Queue::Contact)?;
        }
        self.change(owner, |mailbox| mailbox.take(entry.queue, entry.envelope.len() as u64));
        Ok(Some(entry.envelope.len()))
    }
}

/// Where an envelope lies, if it does.
fn entry_of(shelf: &dyn RelayShelf, owner: &PublicKeyBytes, frame: &FrameId) -> Result<Option<(u64, Entry)>, ShelfFailed> {
    let Some(number) = shelf.get(RelayTable::Frame, &frame_key(owner, frame))? else { return Ok(None) };
    let Some(number) = number.as_slice().try_into().ok().map(u64::from_be_bytes) else { return Ok(None) };
    let Some(bytes) = shelf.get(RelayTable::Entry, &entry_key(owner, number))? else { return Ok(None) };
    Ok(Some((number, row(&bytes)?)))
}

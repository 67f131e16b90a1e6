//! What the owner of a mailbox may do: keep it here, open a session, let entries be deleted.

use super::nonces::is_now;
use super::*;

impl Relay {
    pub(super) fn update(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, update: &Update) -> Result<(), ShelfFailed> {
        let Ok(record) = update.open(&self.keys.mailbox.dh(), &self.mailbox) else {
            self.fault(link);
            return Ok(());
        };
        let before = self.mailboxes.get(&update.owner).map(|mailbox| mailbox.record.capability);
        let capability = record.capability;
        let verdict = self.take_record(now, update.owner, record);
        if verdict == Verdict::Ok && before.is_some_and(|before| before != capability) {
            self.drop_packages(shelf, &update.owner)?;
        }
        if verdict == Verdict::Ok
            && let Some(mailbox) = self.mailboxes.get(&update.owner)
        {
            shelf.set(RelayTable::Mailbox, update.owner.as_bytes(), Some(codec::encode(mailbox)));
        }
        self.answer(link, &update.owner, verdict);
        if !self.mailboxes.contains_key(&update.owner) {
            self.fault(link);
        }
        Ok(())
    }

    pub(super) fn take_record(&mut self, now: Timestamp, owner: PublicKeyBytes, record: Record) -> Verdict {
        if now.since(record.at) > CLOCK_SKEW || record.at.is_future_at(now) || record.version == 0 || record.direct == record.contact {
            return Verdict::Refused;
        }
        let is_claimed = record.claim.is_some_and(|code| mac_matches(&code.0, &self.keys.claim.0));
        let is_friend = self.policy == Policy::Friends && record.claim.is_some_and(|code| mac_matches(&code.0, &self.keys.friends.0));
        let known = self.mailboxes.get(&owner);
        if known.is_some_and(|known| known.record.version >= record.version) {
            return Verdict::Outdated;
        }
        // A queue is its owner's: nobody can take over another's by naming it.
        if queues_of(&record).any(|queue| self.queues.get(&queue).is_some_and(|holder| *holder != owner)) {
            return Verdict::Refused;
        }
        let most = match self.policy {
            Policy::Owner | Policy::Friends => OWN_MAILBOXES_MAX,
            Policy::Open => OPEN_MAILBOXES_MAX,
        };
        let mailbox = match known.cloned() {
            Some(known) => {
                self.queues.retain(|_, holder| *holder != owner);
                let record = Record { claim: None, ..record };
                let mut past = known.past;
                if record.put != known.record.put {
                    if past.len() >= PAST_MAX {
                        past.remove(0);
                    }
                    past.push(Past { put: known.record.put, capability: known.record.capability });
                }
                Mailbox { owner, record, is_own: known.is_own || is_claimed, past, ..known }
            }
            None if self.policy != Policy::Open && !is_claimed && !is_friend => return Verdict::Refused,
            None if self.mailboxes.len() >= most => return Verdict::Full,
            None => {
                let record = Record { claim: None, ..record };
                Mailbox { owner, record, next: 1, direct: (0, 0), contact: (0, 0), is_own: is_claimed, past: Vec::new(), stock_version: 0 }
            }
        };
        self.queues.extend(queues_of(&mailbox.record).map(|queue| (queue, owner)));
        self.mailboxes.insert(owner, mailbox);
        Verdict::Ok
    }

    /// The owner of a mailbox is here. The owner is looked up before anything is remembered: a
    /// session of anybody else is answered, and is a fault of the link it came on.
    pub(super) fn session(&mut self, now: Timestamp, link: Link, session: &Session) {
        if !is_now(now, session.at) || session.verify(&self.mailbox).is_err() {
            self.fault(link);
            return;
        }
        if !self.mailboxes.contains_key(&session.owner) {
            self.answer(link, &session.owner, Verdict::Refused);
            self.fault(link);
            return;
        }
        if !self.nonces.entry(session.owner).or_default().take_session(now, session.at, session.nonce) {
            self.fault(link);
            return;
        }
        // A newer link of the same owner takes over; the older one is dead, or will be.
        for (other, open) in &mut self.links {
            if open.served.as_ref().is_some_and(|served| served.owner == session.owner) {
                open.served = None;
                self.actions.push_back(RelayAction::Keep(*other, false));
            }
        }
        if let Some(open) = self.links.get_mut(&link) {
            open.served = Some(Served { owner: session.owner, next: 0, pushed: BTreeMap::new(), bytes: 0 });
            self.hungry.insert(link);
        }
        self.actions.push_back(RelayAction::Keep(link, true));
        self.actions.push_back(RelayAction::Admit(link));
        self.answer(link, &session.owner, Verdict::Ok);
    }

    pub(super) fn answer(&mut self, link: Link, owner: &PublicKeyBytes, verdict: Verdict) {
        let (version, direct, contact) =
            self.mailboxes.get(owner).map_or((0, (0, 0), (0, 0)), |mailbox| (mailbox.record.version, mailbox.direct, mailbox.contact));
        let body = AcceptedBody {
            version,
            entries: direct.0.saturating_add(contact.0),
            entries_max: DIRECT_MAX.0,
            bytes: direct.1.saturating_add(contact.1),
            bytes_max: DIRECT_MAX.1,
            verdict,
            owner: *owner,
        };
        let accepted = Accepted::sign(&self.receipt, &self.mailbox, &body);
        self.actions.push_back(RelayAction::Send(link, Frame::Accepted(accepted).encode()));
    }

    /// Deletes what its owner has settled. It counts only where the owner's session is open, and
    /// for what was pushed there: so nothing of it has to be remembered, and nobody can show it again.
    pub(super) fn ack(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, ack: &Ack) -> Result<(), ShelfFailed> {
        let is_here = self.links.get(&link).and_then(|open| open.served.as_ref()).is_some_and(|served| served.owner == ack.owner);
        if !is_here || !is_now(now, ack.at) || ack.verify(&self.mailbox).is_err() {
            self.fault(link);
            return Ok(());
        }
        for number in &ack.numbers {
            let served = self.links.get_mut(&link).and_then(|open| open.served.as_mut());
            let Some((served, size)) = served.and_then(|served| served.pushed.remove(number).map(|size| (served, size))) else { continue };
            served.bytes = served.bytes.saturating_sub(size);
            self.delete(shelf, &ack.owner, *number)?;
        }
        self.hungry.insert(link);
        Ok(())
    }

    pub(super) fn delete(&mut self, shelf: &mut dyn RelayShelf, owner: &PublicKeyBytes, number: u64) -> Result<(), ShelfFailed> {
        let key = entry_key(owner, number);
        let Some(bytes) = shelf.get(RelayTable::Entry, &key)? else { return Ok(()) };
        let entry: Entry = row(&bytes)?;
        let frame: FrameId = symbolon_presence::envelope::frame_id(&entry.envelope);
        shelf.set(RelayTable::Entry, &key, None);
        shelf.set(RelayTable::Frame, &[owner.as_bytes().as_slice(), frame.as_bytes()].concat(), None);
        shelf.set(RelayTable::Expiry, &expiry_key(entry.until, owner, number), None);
        if let Some(mailbox) = self.mailboxes.get_mut(owner) {
            let used = match entry.queue {
                Queue::Direct => &mut mailbox.direct,
                Queue::Contact => &mut mailbox.contact,
            };
            *used = (used.0.saturating_sub(1), used.1.saturating_sub(entry.envelope.len() as u64));
            self.dirty.insert(*owner);
        }
        Ok(())
    }
}

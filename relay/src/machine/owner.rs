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
        let at = record.at;
        let verdict = match before {
            None if self.policy != Policy::Owner && !self.is_claimed(&record) && !self.may_come(now, link) => Verdict::Full,
            None | Some(_) => self.take_record(now, update.owner, record),
        };
        self.witnessed(&update.owner, at, now);
        if verdict == Verdict::Ok && before.is_some_and(|before| before != capability) {
            self.drop_packages(shelf, &update.owner)?;
        }
        if verdict == Verdict::Ok
            && let Some(mailbox) = self.mailboxes.get(&update.owner)
        {
            shelf.set(RelayTable::Mailbox, update.owner.as_bytes(), Some(codec::encode_row(mailbox)));
        }
        self.answer(now, link, &update.owner, verdict);
        if !self.mailboxes.contains_key(&update.owner) {
            self.fault(link);
        }
        Ok(())
    }

    pub(super) fn take_record(&mut self, now: Timestamp, owner: PublicKeyBytes, record: Record) -> Verdict {
        if now.since(record.at) > CLOCK_SKEW || record.at.is_future_at(now) {
            return Verdict::Untimely;
        }
        if record.version == 0 || record.direct == record.contact {
            return Verdict::Refused;
        }
        let is_claimed = self.is_claimed(&record);
        let is_friend = self.policy == Policy::Friends && record.claim.is_some_and(|code| mac_matches(&code.0, &self.keys.friends.0));
        let known = self.mailboxes.get(&owner);
        if known.is_some_and(|known| known.record.version >= record.version) {
            return Verdict::Outdated;
        }
        // A queue is its owner's: nobody can take over another's by naming it.
        if queues_of(&record).any(|queue| self.queues.get(&queue).is_some_and(|holder| *holder != owner)) {
            return Verdict::Refused;
        }
        let mailbox = match known.cloned() {
            Some(known) => {
                for queue in queues_of(&known.record) {
                    self.queues.remove(&queue);
                }
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
            // What was there under the same key is being deleted, and must not take the new one with it.
            None if self.ending.contains(&owner) || !self.make_place(is_claimed) => return Verdict::Full,
            None => {
                let record = Record { claim: None, ..record };
                let mailbox = Mailbox {
                    owner,
                    record,
                    next: 1,
                    direct: (0, 0),
                    contact: (0, 0),
                    is_own: is_claimed,
                    past: Vec::new(),
                    stock_version: 0,
                    guest: Some((0, 0)),
                    seen: Some(now),
                    days: Some(0),
                    uses: Some(0),
                    left: Some(0),
                    ended: None,
                };
                if !self.has_room(&mailbox, 0) {
                    return Verdict::Full;
                }
                mailbox
            }
        };
        let known = self.mailboxes.get(&owner).map(|known| (known.is_own, known.cost(), known.rank()));
        let (was_own, before, rank) = known.unwrap_or((mailbox.is_own, 0, None));
        self.count((was_own, before), (mailbox.is_own, mailbox.cost()));
        self.rank(rank, mailbox.rank());
        self.own = self.own.saturating_add(usize::from(mailbox.is_own && !known.is_some_and(|(was_own, ..)| was_own)));
        self.queues.extend(queues_of(&mailbox.record).map(|queue| (queue, owner)));
        self.mailboxes.insert(owner, mailbox);
        Verdict::Ok
    }

    fn is_claimed(&self, record: &Record) -> bool {
        record.claim.is_some_and(|code| mac_matches(&code.0, &self.keys.claim.0))
    }

    /// The owner of a mailbox is here. The owner is looked up before anything is remembered: a
    /// session of anybody else is answered, and is a fault of the link it came on.
    pub(super) fn session(&mut self, now: Timestamp, link: Link, session: &Session) {
        if session.verify(&self.mailbox).is_err() {
            // For another mailbox, perhaps one that was at this address before. The signature shows
            // its owner that it is gone; about mailboxes here it says nothing.
            self.answer(now, link, &PublicKeyBytes([0; 32]), Verdict::Refused);
            self.fault(link);
            return;
        }
        if !is_now(now, session.at) {
            if self.mailboxes.contains_key(&session.owner) {
                // One of the two clocks is wrong. The owner hears which time it is here.
                self.witnessed(&session.owner, session.at, now);
                self.answer(now, link, &session.owner, Verdict::Untimely);
            }
            self.fault(link);
            return;
        }
        self.witnessed(&session.owner, session.at, now);
        if !self.mailboxes.contains_key(&session.owner) {
            self.answer(now, link, &session.owner, Verdict::Refused);
            self.fault(link);
            return;
        }
        if !self.nonces.entry(session.owner).or_default().take_session(now, session.at, session.nonce) {
            self.fault(link);
            return;
        }
        self.seen(now, &session.owner);
        // A newer link of the same owner takes over; the older one is dead, or will be.
        match self.serving.insert(session.owner, link) {
            Some(older) if older == link => {
                // It is here already: nothing is pushed again on one link, however often the owner
                // says so.
                self.answer(now, link, &session.owner, Verdict::Ok);
                self.fault(link);
                return;
            }
            Some(older) => {
                if let Some(open) = self.links.get_mut(&older) {
                    open.served = None;
                }
                self.actions.push_back(RelayAction::Keep(older, false));
            }
            None => {}
        }
        if let Some(open) = self.links.get_mut(&link) {
            open.served = Some(Served { owner: session.owner, next: 0, pushed: BTreeMap::new(), bytes: 0, window: PUSH_FIRST });
            self.hungry.insert(link);
        }
        self.actions.push_back(RelayAction::Keep(link, true));
        self.actions.push_back(RelayAction::Admit(link));
        self.answer(now, link, &session.owner, Verdict::Ok);
    }

    /// The relay's own owner has signed a time. Nobody else's counts.
    fn witnessed(&mut self, owner: &PublicKeyBytes, at: Timestamp, now: Timestamp) {
        if self.mailboxes.get(owner).is_some_and(|mailbox| mailbox.is_own) {
            self.time.signed(at, now);
        }
    }

    pub(super) fn answer(&mut self, now: Timestamp, link: Link, owner: &PublicKeyBytes, verdict: Verdict) {
        let (version, (entries, bytes)) =
            self.mailboxes.get(owner).map_or((0, (0, 0)), |mailbox| (mailbox.record.version, mailbox.waiting()));
        let (entries_max, bytes_max) = DIRECT_MAX;
        let body = AcceptedBody { version, entries, entries_max, bytes, bytes_max, verdict, owner: *owner, at: now };
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
        let mut settled = 0;
        for number in &ack.numbers {
            let served = self.links.get_mut(&link).and_then(|open| open.served.as_mut());
            let Some((served, size)) = served.and_then(|served| served.pushed.remove(number).map(|size| (served, size))) else { continue };
            served.bytes = served.bytes.saturating_sub(size);
            settled += 1;
            let is_used_up = ack.used_up.as_ref().is_some_and(|used_up| used_up.contains(number));
            self.delete(shelf, &ack.owner, *number, is_used_up)?;
        }
        match self.links.get_mut(&link).and_then(|open| open.served.as_mut()) {
            Some(served) if settled > 0 => {
                let (entries, bytes) = served.window;
                served.window = (entries.saturating_mul(2).min(PUSH_MAX.0), bytes.saturating_mul(2).min(PUSH_MAX.1));
            }
            Some(_) | None => self.fault(link),
        }
        self.hungry.insert(link);
        Ok(())
    }
}

//! The relay: mailboxes kept for others.
//!
//! Inputs in, changes and actions out; no clock, randomness, IO or runtime. A mailbox is
//! admitted by its owner's signed [`MailboxRecord`](crate::session::MailboxRecord), an envelope by the key that its
//! sealed address stands for. What is put is durable before the receipt leaves, is pushed to the owner
//! while a session is open, and is deleted when the owner has signed that it is settled, or
//! when its time has come. The relay opens nothing and knows no identity: owners are keys
//! that are used here only.
//!
//! | file | holds |
//! |---|---|
//! | [`seam`], [`limits`], [`rows`] | the edges, all bounds, what is kept |
//! | `links` | what came and leaves on each link, and what is pushed there |
//! | `mailboxes` | which there are, what each costs, which gives way |
//! | `owner` | whether an owner's record is taken |
//! | `entries`, `uses` | envelopes, and how many came under one grant |
//! | `away`, `packages` | what owners leave here for others |
//! | `nonces` | what must not be taken twice |
//! | `sweep` | deletes what has ended |

use crate::admission::OpenedAddresses;
use crate::frame::Frame;
use crate::grant::AddressBody;
use crate::packages::{Fetch, Fetched, Handed};
use crate::put::{Outcome, Put, Receipt, ReceiptBody, ReceiptItem, Refusal};
use crate::session::{Accepted, AcceptedBody, Ack, Session, Update, Verdict};
use away::{Hosted, Hosting};
use entries::Right;
use limits::SWEEP;
use links::Links;
use mailboxes::Mailboxes;
use nonces::is_now;
use packages::Stocked;
use rows::{RelayKeys, RelayLimits, Share};
use seam::{Link, Policy, RelayAction, RelayShelf, RelayTable, ShelfFailed};
use symbolon_presence::clock::{StoredTime, SureTime};
use symbolon_presence::codec;
use symbolon_presence::id::{MailboxId, PublicKeyBytes};
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::Timestamp;

mod away;
mod entries;
pub mod limits;
mod links;
mod mailboxes;
mod nonces;
mod owner;
mod packages;
pub mod rows;
pub mod seam;
mod sweep;
mod uses;

/// The machine.
#[derive(Debug)]
pub struct Relay {
    keys: RelayKeys,
    mailbox: MailboxId,
    receipt: SigningKey,
    mailboxes: Mailboxes,
    links: Links,
    /// Addresses opened, once a Put or a question has shown the right to use them.
    opened: OpenedAddresses,
    hosting: Hosting,
    next_sweep: Timestamp,
    /// By what entries end. Owners of the relay sign times; nobody else's counts.
    time: SureTime,
    refused: Refusals,
}

/// What was refused since the start, by kind: never whose it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Mailboxes that somebody may not have here.
    pub mailboxes: u64,
    /// Mailboxes for which there was no place.
    pub places: u64,
    /// Envelopes that had no room.
    pub room: u64,
    /// Envelopes under a right that has ended.
    pub rights: u64,
}

impl Relay {
    /// Loads a relay.
    pub fn load(keys: RelayKeys, policy: Policy, shelf: &dyn RelayShelf, now: Timestamp) -> Result<Self, ShelfFailed> {
        Ok(Self {
            mailbox: keys.mailbox.id(),
            receipt: SigningKey::from_seed(keys.receipt.expose()),
            keys,
            mailboxes: Mailboxes::load(policy, shelf, now)?,
            links: Links::default(),
            opened: OpenedAddresses::default(),
            hosting: Hosting::new(now),
            next_sweep: now,
            time: SureTime::first(now),
            refused: Refusals::default(),
        })
    }

    /// Says how many bytes may be kept at most. What is there stays, also if it is more.
    pub fn limit_bytes(&mut self, most: u64) {
        self.mailboxes.limit_bytes(most);
    }

    /// Says what else the operator has set. What is there stays, also if it is more.
    pub fn limit(&mut self, limits: RelayLimits) {
        self.mailboxes.limit(limits);
    }

    /// How many bytes are kept, of the relay's owner and of others, and how many may be.
    pub fn bytes(&self) -> ((u64, u64), u64) {
        self.mailboxes.bytes()
    }

    /// Continues from the sure time that is stored.
    pub fn set_time(&mut self, kept: StoredTime) {
        self.time = SureTime::load(kept);
    }

    /// The sure time that is to be stored now, if any.
    pub fn time_to_write(&mut self) -> Option<StoredTime> {
        self.time.to_write()
    }

    /// The key that signs receipts.
    pub fn receipt_key(&self) -> PublicKeyBytes {
        self.receipt.public()
    }

    /// What was refused since the start.
    pub fn refusals(&self) -> Refusals {
        self.refused
    }

    /// Whether there is no room for the longest envelope: of the owner, or in an empty mailbox of somebody else.
    pub fn is_full(&self) -> bool {
        self.mailboxes.is_full()
    }

    /// How many mailboxes and entries there are.
    pub fn counts(&self) -> (usize, u64) {
        self.mailboxes.counts()
    }

    /// A link is open. `source` stands for the address from which it came, and means nothing else.
    pub fn link_up(&mut self, link: Link, source: u64) {
        self.links.up(link, source);
    }

    /// A link is gone. What was pushed on it and not acknowledged is pushed on the next.
    pub fn link_down(&mut self, link: Link) {
        self.links.down(link);
    }

    /// A frame from a link. Fails only when the store does.
    pub fn frame(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, bytes: &[u8]) -> Result<(), ShelfFailed> {
        self.time.turn(now);
        let Some(faults) = self.links.faults(link) else { return Ok(()) };
        self.take(now, shelf, link, bytes)?;
        self.links.heard(link, faults);
        Ok(())
    }

    fn take(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, bytes: &[u8]) -> Result<(), ShelfFailed> {
        let frame = Frame::decode(bytes);
        if let Ok(Frame::Update(_) | Frame::Session(_) | Frame::Away(_) | Frame::Stock(_) | Frame::Fetch(_)) = frame
            && !self.links.may_sign(now, link)
        {
            self.links.fault(link);
            return Ok(());
        }
        match frame {
            Ok(Frame::Put(put)) => self.put(now, shelf, link, put)?,
            Ok(Frame::Update(update)) => self.update(now, shelf, link, &update)?,
            Ok(Frame::Session(session)) => self.session(now, link, &session),
            Ok(Frame::Ack(ack)) => self.ack(now, shelf, link, &ack)?,
            Ok(Frame::Away(away)) => match away::leave(&mut self.mailboxes, &self.mailbox, shelf, now, away)? {
                Some(found) => self.host(found),
                None => self.links.fault(link),
            },
            Ok(Frame::Stock(stock)) => match packages::stock(&mut self.mailboxes, &self.mailbox, shelf, now, stock)? {
                Stocked::Kept => {}
                Stocked::NoRoom => self.links.not_stocked(link),
                Stocked::Bad => self.links.fault(link),
            },
            Ok(Frame::Fetch(fetch)) => self.fetch(now, shelf, link, &fetch)?,
            Ok(
                Frame::Receipt(_)
                | Frame::Accepted(_)
                | Frame::Deposit(_)
                | Frame::Lookup(_)
                | Frame::Found(_)
                | Frame::Fetched(_)
                | Frame::Keep(_)
                | Frame::Prove(_)
                | Frame::Carry(_)
                | Frame::Carried(_),
            )
            | Err(_) => self.links.fault(link),
        }
        Ok(())
    }

    /// An envelope is left for the owner of a mailbox.
    fn put(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, put: Put) -> Result<(), ShelfFailed> {
        let frame = put.frame;
        // Nothing is signed for who does not hold the grant: it would confirm that a queue exists.
        let outcome = match self.right_of(now, &put) {
            Some(Right::Holds(owner, body)) => entries::store(&mut self.mailboxes, &mut self.links, shelf, now, &owner, &body, put)?,
            Some(Right::Ended(owner, body, refusal)) => {
                entries::known_answer(shelf, &owner, &body, &frame)?.unwrap_or(Outcome::Refused(refusal))
            }
            Some(Right::Replaced) => Outcome::Refused(Refusal::Stale),
            None => {
                self.links.fault(link);
                return Ok(());
            }
        };
        match outcome {
            Outcome::Refused(Refusal::Full) => self.refused.room = self.refused.room.saturating_add(1),
            Outcome::Refused(
                Refusal::Refused | Refusal::Expired | Refusal::UsedUp | Refusal::Stale | Refusal::Untimely | Refusal::Outgrown,
            ) => {
                self.refused.rights = self.refused.rights.saturating_add(1);
            }
            Outcome::Stored(_) | Outcome::Delivered => {}
        }
        self.links.report(link, ReceiptItem { frame, outcome });
        Ok(())
    }

    /// The right that a Put proves. An address that comes with its key is remembered.
    fn right_of(&mut self, now: Timestamp, put: &Put) -> Option<Right> {
        if !put.is_consistent() {
            return None;
        }
        let body = self.open(&put.address)?;
        let right = entries::right_of(&self.mailboxes, now, put, body)?;
        if let Right::Holds(_, body) | Right::Ended(_, body, _) = &right {
            self.opened.remember(&put.address, Some(body.clone()));
        }
        Some(right)
    }

    /// What a sealed address says. One that was used with right is not opened again.
    fn open(&self, sealed: &[u8]) -> Option<AddressBody> {
        self.opened.get(sealed).cloned().or_else(|| self.keys.mailbox.open_address(sealed))
    }

    /// The owner of a mailbox sends a record.
    fn update(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, update: &Update) -> Result<(), ShelfFailed> {
        let Ok(record) = update.open(&self.keys.mailbox.dh(), &self.mailbox) else {
            self.links.fault(link);
            return Ok(());
        };
        let before = self.mailboxes.get(&update.owner).map(|mailbox| mailbox.record.capability);
        let (capability, at) = (record.capability, record.at);
        let is_newcomer = before.is_none() && self.mailboxes.policy() != Policy::Owner && !owner::is_claimed(&self.keys, &record);
        let verdict = if is_newcomer && !self.links.source(link).is_some_and(|source| self.mailboxes.may_come(now, source)) {
            Verdict::Full
        } else {
            owner::take_record(&mut self.mailboxes, &self.links, &self.keys, now, update.owner, record)
        };
        self.witnessed(&update.owner, at, now);
        if verdict == Verdict::Ok && before.is_some_and(|before| before != capability) {
            packages::drop_packages(&mut self.mailboxes, shelf, &update.owner)?;
        }
        let known = self.mailboxes.get(&update.owner);
        if let Some(mailbox) = known.filter(|_| verdict == Verdict::Ok) {
            shelf.set(RelayTable::Mailbox, update.owner.as_bytes(), Some(codec::encode_row(mailbox)));
        }
        let is_known = known.is_some();
        // Counted here alone: an owner's first session comes before their record, and its answer refuses nothing.
        match verdict {
            Verdict::Refused => self.refused.mailboxes = self.refused.mailboxes.saturating_add(1),
            Verdict::Full => self.refused.places = self.refused.places.saturating_add(1),
            Verdict::Ok | Verdict::Outdated | Verdict::Untimely => {}
        }
        self.answer(now, link, &update.owner, verdict);
        if !is_known {
            self.links.fault(link);
        }
        Ok(())
    }

    /// The owner of a mailbox is here. The owner is looked up before anything is remembered: a
    /// session of anybody else is answered, and is a fault of the link it came on.
    fn session(&mut self, now: Timestamp, link: Link, session: &Session) {
        if session.verify(&self.mailbox).is_err() {
            // For another mailbox, perhaps one that was at this address before. The signature shows
            // its owner that it is gone; about mailboxes here it says nothing.
            self.answer(now, link, &PublicKeyBytes([0; 32]), Verdict::Refused);
            self.links.fault(link);
            return;
        }
        let is_known = self.mailboxes.get(&session.owner).is_some();
        self.witnessed(&session.owner, session.at, now);
        if !is_now(now, session.at) {
            if is_known {
                // One of the two clocks is wrong. The owner hears which time it is here.
                self.answer(now, link, &session.owner, Verdict::Untimely);
            }
            self.links.fault(link);
            return;
        }
        if !is_known {
            self.answer(now, link, &session.owner, Verdict::Refused);
            self.links.fault(link);
            return;
        }
        if !self.mailboxes.nonces(&session.owner).take_session(now, session.at, session.nonce) {
            self.links.fault(link);
            return;
        }
        self.mailboxes.seen(now, &session.owner);
        let is_new = self.links.serve(link, session.owner);
        // Nothing else says what became of a stock.
        let verdict = if self.links.take_not_stocked(link) { Verdict::Full } else { Verdict::Ok };
        self.answer(now, link, &session.owner, verdict);
        if !is_new {
            self.links.fault(link);
        }
    }

    /// The relay's own owner has signed a time. Nobody else's counts.
    fn witnessed(&mut self, owner: &PublicKeyBytes, at: Timestamp, now: Timestamp) {
        if self.mailboxes.get(owner).is_some_and(|mailbox| mailbox.is_own) {
            self.time.signed(at, now);
        }
    }

    fn answer(&mut self, now: Timestamp, link: Link, owner: &PublicKeyBytes, verdict: Verdict) {
        let known = self.mailboxes.get(owner);
        let (version, (entries, bytes)) = known.map_or((0, (0, 0)), |mailbox| (mailbox.record.version, mailbox.waiting()));
        let (entries_max, bytes_max) = self.mailboxes.most_of(Share::Direct);
        let body = AcceptedBody { version, entries, entries_max, bytes, bytes_max, verdict, owner: *owner, at: now };
        self.links.send(link, &Frame::Accepted(Accepted::sign(&self.receipt, &self.mailbox, &body)));
    }

    /// Deletes what its owner has settled. It counts only where the owner's session is open, and
    /// for what was pushed there: so nothing of it has to be remembered, and nobody can show it again.
    fn ack(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, ack: &Ack) -> Result<(), ShelfFailed> {
        if !self.links.is_on(link, &ack.owner) || !is_now(now, ack.at) || ack.verify(&self.mailbox).is_err() {
            self.links.fault(link);
            return Ok(());
        }
        let settled = self.links.complete(link, &ack.numbers);
        for number in &settled {
            let is_used_up = ack.used_up.as_ref().is_some_and(|used_up| used_up.contains(number));
            entries::delete(&mut self.mailboxes, shelf, &ack.owner, *number, is_used_up)?;
        }
        if settled.is_empty() {
            self.links.fault(link);
        }
        Ok(())
    }

    /// A friend of an owner asks for a package.
    fn fetch(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf, link: Link, fetch: &Fetch) -> Result<(), ShelfFailed> {
        let body = self.open(&fetch.address);
        let handed = packages::fetch(&mut self.mailboxes, &self.mailbox, shelf, now, fetch, body.as_ref())?;
        match handed {
            Handed::Package(_) | Handed::Empty => self.opened.remember(&fetch.address, body),
            Handed::Stale => {}
            Handed::Refused => self.links.fault(link),
        }
        // The fault may have closed the link.
        if self.links.faults(link).is_some() {
            self.links.send(link, &Frame::Fetched(Fetched { nonce: fetch.nonce, handed }));
        }
        Ok(())
    }

    fn host(&mut self, (owner, records): Hosted) {
        self.links.host(owner, records.into_iter().map(Into::into));
    }

    /// Deletes what has surely ended, some of it at a time.
    pub fn tick(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf) -> Result<(), ShelfFailed> {
        self.time.turn(now);
        let sure = self.time.sure();
        for found in self.hosting.tend(&mut self.mailboxes, shelf, now, sure)? {
            self.host(found);
        }
        self.mailboxes.end_unused(now, sure, self.links.owners());
        sweep::delete_outdated(&mut self.mailboxes, shelf)?;
        sweep::delete_ended(&mut self.mailboxes, shelf, now)?;
        if now < self.next_sweep {
            return Ok(());
        }
        let is_more = sweep::delete_expired(&mut self.mailboxes, shelf, sure)?;
        self.mailboxes.age_nonces(now);
        self.next_sweep = if is_more { now } else { now.after(SWEEP) };
        Ok(())
    }

    /// When [`Relay::tick`] is wanted.
    pub fn next_due(&self) -> Timestamp {
        self.next_sweep.min(self.hosting.next_due()).min(self.mailboxes.next_due())
    }

    /// Ends a turn: signs one receipt for each link, pushes what may be pushed, writes counters.
    pub fn close_turn(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf) -> Result<(), ShelfFailed> {
        self.mailboxes.write(shelf);
        let sign = |items| Receipt::sign(&self.receipt, &self.mailbox, &ReceiptBody { at: now, items });
        self.links.close_turn(shelf, sign)
    }

    /// The next action, to be carried out once the turn is durable.
    pub fn poll_action(&mut self) -> Option<RelayAction> {
        self.links.poll_action()
    }
}

#[cfg(test)]
mod tests;

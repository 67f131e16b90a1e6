//! How much is kept, for whom, and what goes when nobody uses it.
//!
//! One number bounds all bytes. A quarter of it is for the mailboxes of the relay's owner alone.
//! Of what is free to the others each of their mailboxes may take a part only, so that one who
//! fills many leaves something to everybody else. A mailbox of somebody else ends when its owner
//! does not come any more.

use super::deposit::use_end_key;
use super::*;
use crate::limits::PACKAGES_MAX;
use symbolon_presence::record::{DAYS_AHEAD, day_of};

/// A mailbox whose owner was never here ends after so long.
pub const NEVER_USED_LIFE: u64 = DAY;
/// One whose owner was here, after the last time.
pub const USED_LIFE: u64 = 90 * DAY;
/// An owner who was here on so many different days does not give way to a newcomer.
pub const ESTABLISHED: u32 = 3;
/// A mailbox of somebody else may take this part of what is free.
const SHARE: u64 = 32;
/// Pause between two searches for mailboxes whose owner does not come any more.
const LOOK: u64 = HOUR;
/// Rows deleted in one turn of what has ended, and bytes of its entries.
const ENDED_AT_ONCE: (usize, usize) = (256, 4 * 1024 * 1024);
/// Entries of it that are looked up together.
const ENTRIES_AT_ONCE: usize = 16;

/// How soon a mailbox gives way: days on which its owner was here, when last, and whose it is.
pub(super) type Rank = (u32, Timestamp, PublicKeyBytes);

impl Mailbox {
    /// Its place among those that give way to newcomers; none for one that lasts.
    pub(super) fn rank(&self) -> Option<Rank> {
        let days = self.days.filter(|days| !self.is_own && *days < ESTABLISHED)?;
        Some((days, self.seen.unwrap_or_default(), self.owner))
    }

    /// What it costs in bytes, as far as they are counted.
    pub(super) fn cost(&self) -> u64 {
        let (entries, bytes) = self.waiting();
        let rows = u64::from(entries).saturating_mul(ENTRY_COST);
        let uses = u64::from(self.uses.unwrap_or(0)).saturating_mul(USE_COST);
        let keys = (self.past.len() as u64).saturating_mul(72).saturating_add((self.record.revoked.len() as u64).saturating_mul(18));
        bytes.saturating_add(rows).saturating_add(uses).saturating_add(keys).saturating_add(self.left.unwrap_or(0)).saturating_add(512)
    }

    fn days(&self) -> u32 {
        self.days.unwrap_or(ESTABLISHED)
    }

    /// How long it stays although its owner does not come.
    fn life(&self, policy: Policy) -> u64 {
        if self.days() == 0 && policy != Policy::Friends { NEVER_USED_LIFE } else { USED_LIFE }
    }
}

/// Counts what owners have left, where that was not counted yet: in rows of earlier builds.
pub(super) fn count_left(mailboxes: &mut BTreeMap<PublicKeyBytes, Mailbox>, shelf: &dyn RelayShelf) -> Result<(), ShelfFailed> {
    let uncounted: BTreeSet<PublicKeyBytes> =
        mailboxes.values().filter(|mailbox| mailbox.left.is_none()).map(|mailbox| mailbox.owner).collect();
    if uncounted.is_empty() {
        return Ok(());
    }
    let mut left: BTreeMap<PublicKeyBytes, u64> = BTreeMap::new();
    for owner in &uncounted {
        let rows = shelf.range(RelayTable::Package, owner.as_bytes(), PACKAGES_MAX + 1)?;
        let own = rows.iter().filter(|(key, _)| key.starts_with(owner.as_bytes()));
        left.insert(*owner, own.map(|(_, bytes)| bytes.len() as u64).sum());
    }
    let mut from = Vec::new();
    loop {
        let page = shelf.range(RelayTable::Away, &from, ENTRIES_AT_ONCE)?;
        let Some((last, _)) = page.last() else { break };
        from = [last.as_slice(), &[0]].concat();
        for (key, bytes) in page {
            let owner = key.get(4..).and_then(PublicKeyBytes::from_slice);
            if let Some(sum) = owner.and_then(|owner| left.get_mut(&owner)) {
                *sum = sum.saturating_add(bytes.len() as u64);
            }
        }
    }
    for (owner, bytes) in left {
        if let Some(mailbox) = mailboxes.get_mut(&owner) {
            mailbox.left = Some(bytes);
        }
    }
    Ok(())
}

impl Relay {
    /// Changes a mailbox, if it is there, and the sums with it.
    pub(super) fn change<T>(&mut self, owner: &PublicKeyBytes, change: impl FnOnce(&mut Mailbox) -> T) -> Option<T> {
        let mailbox = self.mailboxes.get_mut(owner)?;
        let before = (mailbox.is_own, mailbox.cost());
        let rank = mailbox.rank();
        let done = change(mailbox);
        let after = (mailbox.is_own, mailbox.cost());
        let ranks = (rank, mailbox.rank());
        self.dirty.insert(*owner);
        self.count(before, after);
        self.rank(ranks.0, ranks.1);
        Some(done)
    }

    /// A mailbox stands at another place among those that give way.
    pub(super) fn rank(&mut self, before: Option<Rank>, after: Option<Rank>) {
        if before != after {
            before.map(|rank| self.fresh.remove(&rank));
            self.fresh.extend(after);
        }
    }

    /// Corrects the sums from what a mailbox cost to what it costs now.
    pub(super) fn count(&mut self, before: (bool, u64), after: (bool, u64)) {
        let sum = |bytes: &mut (u64, u64), is_own: bool, change: &dyn Fn(u64) -> u64| {
            let sum = if is_own { &mut bytes.0 } else { &mut bytes.1 };
            *sum = change(*sum);
        };
        sum(&mut self.bytes, before.0, &|sum| sum.saturating_sub(before.1));
        sum(&mut self.bytes, after.0, &|sum| sum.saturating_add(after.1));
    }

    /// Whether a mailbox may grow by so many bytes.
    pub(super) fn has_room(&self, mailbox: &Mailbox, more: u64) -> bool {
        let free = self.bytes_max.saturating_sub(self.bytes.0).saturating_sub(self.bytes.1);
        if mailbox.is_own {
            return more <= free;
        }
        let free = free.min((self.bytes_max / 4 * 3).saturating_sub(self.bytes.1));
        more <= free && mailbox.cost().saturating_add(more) <= free / SHARE
    }

    /// What an owner has left here has another size now.
    pub(super) fn count_left(&mut self, owner: &PublicKeyBytes, before: usize, after: usize) {
        self.change(owner, |mailbox| {
            mailbox.left = Some(mailbox.left.unwrap_or(0).saturating_sub(before as u64).saturating_add(after as u64));
        });
    }

    /// Whether there is a place for a new mailbox. At an open relay a place is made, when there is
    /// none, by ending one that has not lasted: the one whose owner was here on the fewest days,
    /// and of two such not for longest.
    pub(super) fn make_place(&mut self, is_own: bool) -> bool {
        let most = match self.policy {
            _ if is_own => return self.own < OWN_MAILBOXES_MAX,
            Policy::Owner => 0,
            Policy::Friends => FRIENDS_MAILBOXES_MAX,
            Policy::Open => OPEN_MAILBOXES_MAX,
        };
        if self.mailboxes.len().saturating_sub(self.own) < most {
            return true;
        }
        let is_away = |(_, _, owner): &&Rank| !self.serving.contains_key(owner);
        let least = self.fresh.iter().find(is_away).filter(|_| self.policy == Policy::Open);
        let Some(least) = least.map(|(_, _, owner)| *owner) else { return false };
        self.end(&least);
        true
    }

    /// Whether another new mailbox may come by a link, and counts it.
    pub(super) fn may_come(&mut self, now: Timestamp, link: Link) -> bool {
        let Some(source) = self.links.get(&link).map(|open| open.source) else { return false };
        let (day, counts) = &mut self.newcomers;
        if *day != day_of(now) || (counts.len() >= SOURCES_MAX && !counts.contains_key(&source)) {
            *day = day_of(now);
            counts.clear();
        }
        let count = counts.entry(source).or_default();
        let may_come = *count < NEWCOMERS_MAX;
        *count = count.saturating_add(u32::from(may_come));
        may_come
    }

    /// The owner is here.
    pub(super) fn seen(&mut self, now: Timestamp, owner: &PublicKeyBytes) {
        let Some(mailbox) = self.mailboxes.get(owner) else { return };
        let is_first = mailbox.days == Some(0);
        let (last, is_new_day) = mailbox.seen.map_or((0, true), |seen| (now.since(seen), day_of(seen) < day_of(now)));
        if is_first || is_new_day || last >= HOUR {
            self.change(owner, |mailbox| {
                mailbox.seen = Some(now);
                mailbox.days = mailbox.days.map(|days| days.saturating_add(u32::from(is_first || is_new_day)));
            });
        }
    }

    /// Ends the mailboxes to which nobody comes any more.
    pub(super) fn end_unused(&mut self, now: Timestamp) {
        if now < self.next_look {
            return;
        }
        self.next_look = now.after(LOOK);
        for owner in self.serving.keys().copied().collect::<Vec<_>>() {
            self.seen(now, &owner);
        }
        let sure = self.time.sure();
        let is_unused =
            |mailbox: &&Mailbox| !mailbox.is_own && mailbox.seen.is_some_and(|seen| sure.since(seen) > mailbox.life(self.policy));
        for owner in self.mailboxes.values().filter(is_unused).map(|mailbox| mailbox.owner).collect::<Vec<_>>() {
            self.end(&owner);
        }
    }

    /// A mailbox has ended. Its rows are deleted some at a time.
    fn end(&mut self, owner: &PublicKeyBytes) {
        let Some(mailbox) = self.mailboxes.remove(owner) else { return };
        self.count((mailbox.is_own, mailbox.cost()), (mailbox.is_own, 0));
        self.rank(mailbox.rank(), None);
        for queue in queues_of(&mailbox.record) {
            self.queues.remove(&queue);
        }
        self.nonces.remove(owner);
        self.outdated.remove(owner);
        self.dirty.remove(owner);
        self.ending.insert(*owner);
        self.ended.push((*owner, Mailbox { ended: Some(true), ..mailbox }));
    }

    /// Writes down which mailboxes have ended in this turn.
    pub(super) fn write_ended(&mut self, shelf: &mut dyn RelayShelf) {
        for (owner, mailbox) in std::mem::take(&mut self.ended) {
            shelf.set(RelayTable::Mailbox, owner.as_bytes(), Some(codec::encode_row(&mailbox)));
        }
    }

    /// Deletes rows of a mailbox that has ended; itself when there are no others.
    pub(super) fn delete_ended(&mut self, now: Timestamp, shelf: &mut dyn RelayShelf) -> Result<(), ShelfFailed> {
        self.write_ended(shelf);
        let Some(owner) = self.ending.first().copied() else { return Ok(()) };
        let (mut rows, mut bytes) = (0, 0);
        while rows < ENDED_AT_ONCE.0 && bytes < ENDED_AT_ONCE.1 {
            let page = shelf.range(RelayTable::Entry, owner.as_bytes(), ENTRIES_AT_ONCE)?;
            let numbers: Vec<u64> = page.iter().filter_map(|(key, _)| number_of(&owner, key)).collect();
            if numbers.is_empty() {
                break;
            }
            for number in numbers {
                rows += 1;
                bytes += self.delete(shelf, &owner, number, false)?.unwrap_or(0);
            }
        }
        let room = ENDED_AT_ONCE.0.saturating_sub(rows);
        if bytes >= ENDED_AT_ONCE.1 || room == 0 || self.delete_uses(shelf, &owner, room)? {
            return Ok(());
        }
        self.drop_packages(shelf, &owner)?;
        let today = day_of(now);
        for day in today.saturating_sub(2)..=today.saturating_add(DAYS_AHEAD + 2) {
            shelf.set(RelayTable::Away, &away::away_key(day, &owner), None);
        }
        shelf.set(RelayTable::Mailbox, owner.as_bytes(), None);
        self.ending.remove(&owner);
        Ok(())
    }

    /// Deletes rows of uses that an earlier build has written: it counted others.
    pub(super) fn delete_outdated(&mut self, shelf: &mut dyn RelayShelf) -> Result<(), ShelfFailed> {
        if let Some(owner) = self.outdated.first().copied()
            && !self.delete_uses(shelf, &owner, ENDED_AT_ONCE.0)?
        {
            self.outdated.remove(&owner);
            self.change(&owner, |mailbox| mailbox.uses = Some(0));
        }
        Ok(())
    }

    /// Deletes so many rows of uses. Whether there may be more.
    fn delete_uses(&mut self, shelf: &mut dyn RelayShelf, owner: &PublicKeyBytes, most: usize) -> Result<bool, ShelfFailed> {
        let page = shelf.range(RelayTable::Use, owner.as_bytes(), most)?;
        let own: Vec<_> = page.into_iter().filter(|(key, _)| key.starts_with(owner.as_bytes())).collect();
        for (key, bytes) in &own {
            shelf.set(RelayTable::Use, key, None);
            if let Ok(used) = row::<deposit::Use>(bytes) {
                shelf.set(RelayTable::Expiry, &use_end_key(used.ends, key), None);
            }
        }
        Ok(own.len() == most)
    }
}

fn number_of(owner: &PublicKeyBytes, key: &[u8]) -> Option<u64> {
    key.strip_prefix(owner.as_bytes().as_slice()).and_then(|number| number.try_into().ok()).map(u64::from_be_bytes)
}

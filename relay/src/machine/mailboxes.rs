//! How much is kept, for whom, and what goes when nobody uses it.
//!
//! One number bounds all bytes. A quarter of it is for the mailboxes of the relay's owner alone.
//! Of what is free to the others each of their mailboxes may take a part only, so that one who
//! fills many leaves something to everybody else. A mailbox of somebody else ends when its owner
//! does not come any more.

use super::limits::{
    AWAY_AT_ONCE, BYTES_DEFAULT, BYTES_MIN, CONTACT_MAX, DIRECT_MAX, FRIENDS_MAILBOXES_MAX, GUEST_MAX, MAILBOX_BYTES_MIN,
    MAILBOXES_AT_ONCE, MEMBERS_MAX, NEWCOMERS_MAX, OPEN_MAILBOXES_MAX, OWN_MAILBOXES_MAX, SOURCES_MAX,
};
use super::links::Links;
use super::nonces::Nonces;
use super::rows::{Mailbox, Rank, RelayLimits, Share, queues_of, row};
use super::seam::{Policy, RelayShelf, RelayTable, ShelfFailed};
use crate::limits::{FRAME_MAX, PACKAGES_MAX};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use symbolon_presence::codec;
use symbolon_presence::id::{PublicKeyBytes, QueueId};
use symbolon_presence::record::day_of;
use symbolon_presence::time::{HOUR, Timestamp};

/// A mailbox of somebody else may take this part of what is free.
const SHARE: u64 = 32;
/// Pause between two searches for mailboxes whose owner does not come any more.
const LOOK: u64 = HOUR;

/// All mailboxes that are kept here.
#[derive(Debug)]
pub(super) struct Mailboxes {
    policy: Policy,
    /// At most [`OWN_MAILBOXES_MAX`], and of others what the policy says.
    all: BTreeMap<PublicKeyBytes, Mailbox>,
    /// Those that have ended and are being deleted; they were mailboxes before.
    ending: BTreeSet<PublicKeyBytes>,
    /// Those that have ended in this turn, to be written down.
    ended: Vec<(PublicKeyBytes, Mailbox)>,
    /// Those that have changed in this turn.
    dirty: BTreeSet<PublicKeyBytes>,
    /// Those whose rows of uses are of another kind, and go.
    outdated: BTreeSet<PublicKeyBytes>,
    /// The most bytes that are kept, and how many are: the relay owner's, and others'.
    bytes_max: u64,
    bytes: (u64, u64),
    /// What the operator has set of the rest.
    limits: RelayLimits,
    /// How many of them are the relay owner's.
    own: usize,
    /// Those of others that may give way, the first one first.
    fresh: BTreeSet<Rank>,
    queues: HashMap<QueueId, PublicKeyBytes>,
    /// What owners and their friends have signed once. Only of owners of mailboxes here.
    nonces: BTreeMap<PublicKeyBytes, Nonces>,
    /// New mailboxes that came from each address on a day; at most [`SOURCES_MAX`] addresses.
    newcomers: (u32, BTreeMap<u64, u32>),
    next_look: Timestamp,
}

impl Mailboxes {
    /// Reads all mailboxes.
    pub(super) fn load(policy: Policy, shelf: &dyn RelayShelf, now: Timestamp) -> Result<Self, ShelfFailed> {
        let mut all = BTreeMap::new();
        let mut ending = BTreeSet::new();
        let mut from = Vec::new();
        loop {
            let page = shelf.range(RelayTable::Mailbox, &from, MAILBOXES_AT_ONCE)?;
            let Some((last, _)) = page.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            for (_, bytes) in page {
                let mailbox: Mailbox = row(&bytes)?;
                if mailbox.ended.is_some() {
                    ending.insert(mailbox.owner);
                } else {
                    // One of before this was noted was here a moment ago, as far as is known.
                    all.insert(mailbox.owner, Mailbox { seen: mailbox.seen.or(Some(now)), ..mailbox });
                }
            }
        }
        count_all_left(&mut all, shelf)?;
        let bytes = all.values().fold((0, 0), |(own, others): (u64, u64), mailbox| match mailbox.is_own {
            true => (own.saturating_add(mailbox.cost()), others),
            false => (own, others.saturating_add(mailbox.cost())),
        });
        Ok(Self {
            policy,
            ending,
            ended: Vec::new(),
            dirty: BTreeSet::new(),
            outdated: all.values().filter(|mailbox| mailbox.uses.is_none()).map(|mailbox| mailbox.owner).collect(),
            bytes_max: BYTES_DEFAULT,
            limits: RelayLimits::default(),
            bytes,
            own: all.values().filter(|mailbox| mailbox.is_own).count(),
            fresh: all.values().filter_map(Mailbox::rank).collect(),
            queues: all.values().flat_map(|mailbox| queues_of(&mailbox.record).map(|queue| (queue, mailbox.owner))).collect(),
            nonces: BTreeMap::new(),
            newcomers: (0, BTreeMap::new()),
            next_look: now,
            all,
        })
    }

    /// Who may have a mailbox here.
    pub(super) fn policy(&self) -> Policy {
        self.policy
    }

    /// Says how many bytes may be kept at most. What is there stays, also if it is more.
    pub(super) fn limit_bytes(&mut self, most: u64) {
        self.bytes_max = most.max(BYTES_MIN);
    }

    /// Says what else the operator has set. What is there stays, also if it is more.
    pub(super) fn limit(&mut self, limits: RelayLimits) {
        self.limits = limits;
    }

    /// The most that a share of a mailbox holds: entries and bytes. Of the bytes that the operator allows a mailbox friends have
    /// half, members of rooms a quarter, strangers and guests an eighth each, so that none of them takes another's.
    pub(super) fn most_of(&self, share: Share) -> (u32, u64) {
        let (default, part) = match share {
            Share::Direct => (DIRECT_MAX, 2),
            Share::Members => (MEMBERS_MAX, 4),
            Share::Contact => (CONTACT_MAX, 8),
            Share::Guest => (GUEST_MAX, 8),
        };
        (default.0, self.limits.mailbox_bytes.map_or(default.1, |bytes| bytes.max(MAILBOX_BYTES_MIN) / part))
    }

    /// How many bytes are kept, of the relay's owner and of others, and how many may be.
    pub(super) fn bytes(&self) -> ((u64, u64), u64) {
        (self.bytes, self.bytes_max)
    }

    /// How many mailboxes and entries there are.
    pub(super) fn counts(&self) -> (usize, u64) {
        let entries = self.all.values().map(|mailbox| u64::from(mailbox.waiting().0)).sum();
        (self.all.len(), entries)
    }

    /// The mailbox of an owner, unless it has ended.
    pub(super) fn get(&self, owner: &PublicKeyBytes) -> Option<&Mailbox> {
        self.all.get(owner)
    }

    /// Whose a queue is.
    pub(super) fn holder(&self, queue: &QueueId) -> Option<PublicKeyBytes> {
        self.queues.get(queue).copied()
    }

    /// What was signed once for a mailbox. Asked for owners of mailboxes here only.
    pub(super) fn nonces(&mut self, owner: &PublicKeyBytes) -> &mut Nonces {
        self.nonces.entry(*owner).or_default()
    }

    /// Forgets nonces that are refused for their age alone.
    pub(super) fn age_nonces(&mut self, now: Timestamp) {
        self.nonces.retain(|_, nonces| !nonces.is_empty(now));
    }

    /// Keeps a mailbox, in place of the one that its owner has here.
    pub(super) fn insert(&mut self, mailbox: Mailbox) {
        let known = self.all.get(&mailbox.owner);
        for queue in known.into_iter().flat_map(|known| queues_of(&known.record)) {
            self.queues.remove(&queue);
        }
        let known = known.map(|known| (known.is_own, known.cost(), known.rank()));
        let (was_own, before, rank) = known.unwrap_or((mailbox.is_own, 0, None));
        self.count((was_own, before), (mailbox.is_own, mailbox.cost()));
        self.rank(rank, mailbox.rank());
        self.own = self.own.saturating_add(usize::from(mailbox.is_own && !known.is_some_and(|(was_own, ..)| was_own)));
        self.queues.extend(queues_of(&mailbox.record).map(|queue| (queue, mailbox.owner)));
        self.all.insert(mailbox.owner, mailbox);
    }

    /// Changes a mailbox, if it is there, and the sums with it.
    pub(super) fn change<T>(&mut self, owner: &PublicKeyBytes, change: impl FnOnce(&mut Mailbox) -> T) -> Option<T> {
        let mailbox = self.all.get_mut(owner)?;
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
    fn rank(&mut self, before: Option<Rank>, after: Option<Rank>) {
        if before != after {
            before.map(|rank| self.fresh.remove(&rank));
            self.fresh.extend(after);
        }
    }

    /// Corrects the sums from what a mailbox cost to what it costs now.
    fn count(&mut self, before: (bool, u64), after: (bool, u64)) {
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

    /// Whether the longest envelope has no room: of the owner, or where others may have mailboxes, in one of theirs that is empty.
    pub(super) fn is_full(&self) -> bool {
        let free = self.bytes_max.saturating_sub(self.bytes.0).saturating_sub(self.bytes.1);
        let others = free.min((self.bytes_max / 4 * 3).saturating_sub(self.bytes.1)) / SHARE;
        free.min(if self.policy == Policy::Owner { free } else { others }) < FRAME_MAX as u64
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
    pub(super) fn make_place(&mut self, links: &Links, is_own: bool) -> bool {
        let default = match self.policy {
            _ if is_own => return self.own < OWN_MAILBOXES_MAX,
            Policy::Owner => 0,
            Policy::Friends => FRIENDS_MAILBOXES_MAX,
            Policy::Open => OPEN_MAILBOXES_MAX,
        };
        let set = self.limits.mailboxes.and_then(|most| usize::try_from(most).ok());
        let most = set.filter(|_| self.policy != Policy::Owner).map_or(default, |most| most.min(OPEN_MAILBOXES_MAX));
        if self.all.len().saturating_sub(self.own) < most {
            return true;
        }
        let is_away = |(_, _, owner): &&Rank| !links.serves(owner);
        let least = self.fresh.iter().find(is_away).filter(|_| self.policy == Policy::Open);
        let Some(least) = least.map(|(_, _, owner)| *owner) else { return false };
        self.end(&least);
        true
    }

    /// Whether another new mailbox may come from an address, and counts it.
    pub(super) fn may_come(&mut self, now: Timestamp, source: u64) -> bool {
        let (day, counts) = &mut self.newcomers;
        if *day != day_of(now) || (counts.len() >= SOURCES_MAX && !counts.contains_key(&source)) {
            *day = day_of(now);
            counts.clear();
        }
        let count = counts.entry(source).or_default();
        let may_come = *count < self.limits.newcomers.unwrap_or(NEWCOMERS_MAX);
        *count = count.saturating_add(u32::from(may_come));
        may_come
    }

    /// The owner is here.
    pub(super) fn seen(&mut self, now: Timestamp, owner: &PublicKeyBytes) {
        let Some(mailbox) = self.all.get(owner) else { return };
        let is_first = mailbox.days == Some(0);
        let (last, is_new_day) = mailbox.seen.map_or((0, true), |seen| (now.since(seen), day_of(seen) < day_of(now)));
        if is_first || is_new_day || last >= HOUR {
            self.change(owner, |mailbox| {
                mailbox.seen = Some(now);
                mailbox.days = mailbox.days.map(|days| days.saturating_add(u32::from(is_first || is_new_day)));
            });
        }
    }

    /// Ends the mailboxes to which nobody comes any more. `here` are the owners of open sessions.
    pub(super) fn end_unused(&mut self, now: Timestamp, sure: Timestamp, here: impl Iterator<Item = PublicKeyBytes>) {
        if now < self.next_look {
            return;
        }
        self.next_look = now.after(LOOK);
        for owner in here {
            self.seen(now, &owner);
        }
        let is_unused =
            |mailbox: &&Mailbox| !mailbox.is_own && mailbox.seen.is_some_and(|seen| sure.since(seen) > mailbox.life(self.policy));
        for owner in self.all.values().filter(is_unused).map(|mailbox| mailbox.owner).collect::<Vec<_>>() {
            self.end(&owner);
        }
    }

    /// A mailbox has ended. Its rows are deleted some at a time.
    fn end(&mut self, owner: &PublicKeyBytes) {
        let Some(mailbox) = self.all.remove(owner) else { return };
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

    /// Writes down what has changed in this turn.
    pub(super) fn write(&mut self, shelf: &mut dyn RelayShelf) {
        self.write_ended(shelf);
        for owner in std::mem::take(&mut self.dirty) {
            if let Some(mailbox) = self.all.get(&owner) {
                shelf.set(RelayTable::Mailbox, owner.as_bytes(), Some(codec::encode_row(mailbox)));
            }
        }
    }

    /// Whether a mailbox under this key has ended, and is being deleted.
    pub(super) fn is_ending(&self, owner: &PublicKeyBytes) -> bool {
        self.ending.contains(owner)
    }

    /// A mailbox that has ended and still has rows.
    pub(super) fn first_ending(&self) -> Option<PublicKeyBytes> {
        self.ending.first().copied()
    }

    /// All rows of a mailbox that has ended are deleted.
    pub(super) fn is_deleted(&mut self, owner: &PublicKeyBytes) {
        self.ending.remove(owner);
    }

    /// A mailbox whose rows of uses an earlier build has written.
    pub(super) fn first_outdated(&self) -> Option<PublicKeyBytes> {
        self.outdated.first().copied()
    }

    /// Those rows are deleted.
    pub(super) fn is_up_to_date(&mut self, owner: &PublicKeyBytes) {
        self.outdated.remove(owner);
        self.change(owner, |mailbox| mailbox.uses = Some(0));
    }

    /// When something is to be done: what is being deleted continues as soon as there is time.
    pub(super) fn next_due(&self) -> Timestamp {
        if self.ending.is_empty() && self.outdated.is_empty() { self.next_look } else { Timestamp(0) }
    }
}

/// Counts what owners have left, where that was not counted yet: in rows of earlier builds.
fn count_all_left(mailboxes: &mut BTreeMap<PublicKeyBytes, Mailbox>, shelf: &dyn RelayShelf) -> Result<(), ShelfFailed> {
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
        let page = shelf.range(RelayTable::Away, &from, AWAY_AT_ONCE)?;
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

#[cfg(test)]
impl Mailboxes {
    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Mailbox> {
        self.all.values()
    }

    /// How many nonces are remembered of each owner: of sessions, of questions.
    pub(super) fn nonces_kept(&self) -> Vec<(usize, usize)> {
        self.nonces.values().map(Nonces::len).collect()
    }

    /// From how many addresses new mailboxes are counted.
    pub(super) fn sources(&self) -> usize {
        self.newcomers.1.len()
    }

    /// Lets the row of a mailbox be written again.
    pub(super) fn touch(&mut self, owner: PublicKeyBytes) {
        self.dirty.insert(owner);
    }

    /// The sums in memory are those of the rows, from which the other one was loaded.
    pub(super) fn assert_counted(&self, loaded: &Self) {
        assert_eq!((loaded.bytes, loaded.own, &loaded.fresh), (self.bytes, self.own, &self.fresh));
        let sum = |is_own: bool| self.all.values().filter(|mailbox| mailbox.is_own == is_own).map(Mailbox::cost).sum::<u64>();
        assert_eq!(self.bytes, (sum(true), sum(false)));
    }
}

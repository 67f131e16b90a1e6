//! Who has brought the records that are kept for others, and which of them give way.
//!
//! Anybody may bring records, and a server cannot tell whose they are. So places are kept for those
//! that somebody stands behind: owners of mailboxes here, and records that are brought again. What
//! a stranger has brought once gives way first, and among strangers the one who has brought most.
//! The records themselves lie in the store of the DHT.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use symbolon_presence::id::LookupId;
use symbolon_presence::time::{CLOCK_SKEW, MINUTE, SECOND, Timestamp};

/// A record that is brought again so long after it first came has somebody behind it.
pub(super) const RENEWED_AFTER: u64 = 20 * MINUTE;
/// Records that one stranger brings at once, and for how long one of them is counted.
pub(super) const BROUGHT_MAX: (u64, u64) = (512, SECOND / 32);
/// Strangers of whom that is counted; when there are more, all counts begin again.
pub(super) const GIVERS_COUNTED_MAX: usize = 4_096;

/// Who has brought a record: a stranger's address or an owner, as a number that means nothing elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Giver {
    /// Somebody of whom an address is known.
    Stranger(u64),
    /// The owner of a mailbox here.
    Owner(u64),
}

/// Who stands behind a record. The first kind gives way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Once,
    Renewed,
    Owned,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    giver: Giver,
    kind: Kind,
    cost: usize,
    /// When it first came.
    since: Timestamp,
    ends: Timestamp,
    number: u64,
}

/// What one giver has of one kind.
#[derive(Debug, Default)]
struct Given {
    records: BTreeSet<(u64, LookupId)>,
    cost: usize,
}

impl Given {
    /// Its place among all givers of the kind: the greatest gives way first, of two the one that was here first.
    fn place(&self) -> (usize, Reverse<u64>) {
        (self.cost, Reverse(self.records.first().map_or(0, |(number, _)| *number)))
    }
}

/// The records that are kept, by who brought them, within bounds that are set when it is made.
#[derive(Debug)]
pub(super) struct Givers {
    /// What all may cost. A record costs its bytes, or, if that is more, the part of one of the most records.
    most: usize,
    least: usize,
    held: HashMap<LookupId, Held>,
    ends: BTreeSet<(Timestamp, LookupId)>,
    given: BTreeMap<(Kind, Giver), Given>,
    places: BTreeSet<(Kind, (usize, Reverse<u64>), Giver)>,
    sums: BTreeMap<Kind, usize>,
    next: u64,
    /// Until when what strangers have brought is counted.
    busy: HashMap<u64, Timestamp>,
}

impl Givers {
    /// For so many records and bytes.
    pub(super) fn new(records: usize, bytes: usize) -> Self {
        Self {
            most: bytes,
            least: bytes.div_ceil(records.max(1)),
            held: HashMap::new(),
            ends: BTreeSet::new(),
            given: BTreeMap::new(),
            places: BTreeSet::new(),
            sums: BTreeMap::new(),
            next: 0,
            busy: HashMap::new(),
        }
    }

    /// All records are forgotten.
    pub(super) fn clear(&mut self) {
        *self = Self { busy: std::mem::take(&mut self.busy), ..Self::new(self.most.div_ceil(self.least.max(1)), self.most) };
    }

    /// A record could not be kept after all.
    pub(super) fn lost(&mut self, id: &LookupId) {
        self.remove(id);
    }

    /// Whether a giver may bring another record now: each costs a look at its signature.
    pub(super) fn may_bring(&mut self, now: Timestamp, giver: Giver) -> bool {
        let Giver::Stranger(stranger) = giver else { return true };
        if self.busy.len() >= GIVERS_COUNTED_MAX && !self.busy.contains_key(&stranger) {
            self.busy.retain(|_, until| *until > now);
            if self.busy.len() >= GIVERS_COUNTED_MAX {
                self.busy.clear();
            }
        }
        let busy = self.busy.entry(stranger).or_insert(now);
        let until = (*busy).max(now).after(BROUGHT_MAX.1);
        let is_free = until.since(now) <= BROUGHT_MAX.0.saturating_mul(BROUGHT_MAX.1);
        if is_free {
            *busy = until;
        }
        is_free
    }

    /// A record is brought that is newer than the one that is kept under its id, or the first there. Answers
    /// which others give way to it; none when it cannot be kept.
    pub(super) fn bring(&mut self, now: Timestamp, id: LookupId, giver: Giver, bytes: usize, ends: Timestamp) -> Option<Vec<LookupId>> {
        let mut gone = self.end(now);
        let known = self.remove(&id);
        let since = known.map_or(now, |known| known.since);
        let kind = self.kind_of(now, giver, known.as_ref());
        // It counts as its owner's, no matter who brings what the owner has signed.
        let giver = known.filter(|known| known.kind == Kind::Owned && kind == Kind::Owned).map_or(giver, |known| known.giver);
        let (cost, number) = (bytes.max(self.least), self.next);
        self.next += 1;
        let held = Held { giver, kind, cost, since, ends, number };
        if self.make_room(&held, &mut gone) {
            self.insert(id, held);
            return Some(gone);
        }
        if let Some(known) = known {
            self.insert(id, known);
        }
        None
    }

    /// The record that is kept is brought once more.
    pub(super) fn brought_again(&mut self, now: Timestamp, id: &LookupId, giver: Giver) -> Vec<LookupId> {
        let mut gone = self.end(now);
        let Some(known) = self.held.get(id).copied() else { return gone };
        let kind = self.kind_of(now, giver, Some(&known));
        if kind > known.kind {
            self.remove(id);
            let held = Held { giver, kind, ..known };
            let has_room = self.make_room(&held, &mut gone);
            self.insert(*id, if has_room { held } else { known });
        }
        gone
    }

    fn kind_of(&self, now: Timestamp, giver: Giver, known: Option<&Held>) -> Kind {
        match (giver, known) {
            (Giver::Owner(_), _) => Kind::Owned,
            (Giver::Stranger(_), Some(known)) if known.kind == Kind::Owned => Kind::Owned,
            (Giver::Stranger(_), Some(known)) if now.since(known.since) >= RENEWED_AFTER => Kind::Renewed,
            (Giver::Stranger(_), Some(known)) => known.kind,
            (Giver::Stranger(_), None) => Kind::Once,
        }
    }

    fn sum(&self, kind: Kind) -> usize {
        self.sums.get(&kind).copied().unwrap_or(0)
    }

    /// Each kind has a quarter of its own, and half at most; strangers have three quarters at most together.
    fn fits(&self, held: &Held) -> bool {
        let strangers = self.sum(Kind::Once) + self.sum(Kind::Renewed);
        let all = strangers + self.sum(Kind::Owned);
        self.sum(held.kind) + held.cost <= self.most / 2
            && all + held.cost <= self.most
            && (held.kind == Kind::Owned || strangers + held.cost <= self.most / 4 * 3)
    }

    /// Of which kind something gives way to a record.
    fn poorest(&self, held: &Held) -> Kind {
        let is_over = |kind| self.sum(kind) > self.most / 4;
        if self.sum(held.kind) + held.cost > self.most / 2 {
            return held.kind;
        }
        match held.kind {
            Kind::Once if self.sum(Kind::Once) + held.cost <= self.most / 4 && is_over(Kind::Renewed) => Kind::Renewed,
            Kind::Once => Kind::Once,
            Kind::Renewed | Kind::Owned if is_over(Kind::Once) => Kind::Once,
            Kind::Owned if is_over(Kind::Renewed) => Kind::Renewed,
            Kind::Renewed | Kind::Owned => held.kind,
        }
    }

    /// Makes room for a record. False when there is none for it, whatever gives way.
    fn make_room(&mut self, held: &Held, gone: &mut Vec<LookupId>) -> bool {
        if held.cost > self.most / 2 {
            return false;
        }
        while !self.fits(held) {
            let kind = self.poorest(held);
            let own = self.given.get(&(kind, held.giver));
            let least = (kind, (0, Reverse(u64::MAX)), Giver::Stranger(0));
            let greatest = (kind, (usize::MAX, Reverse(0)), Giver::Owner(u64::MAX));
            let Some((of, (cost, _), giver)) = self.places.range(least..=greatest).next_back().copied() else { return false };
            // A giver who would have as much as the greatest one displaces a record of their own.
            let displaces_own = own.is_some_and(|own| own.cost + held.cost >= cost);
            let giver = if displaces_own { held.giver } else { giver };
            let Some((_, id)) = self.given.get(&(of, giver)).and_then(|given| given.records.first()).copied() else { return false };
            self.remove(&id);
            gone.push(id);
        }
        true
    }

    fn insert(&mut self, id: LookupId, held: Held) {
        self.ends.insert((held.ends, id));
        *self.sums.entry(held.kind).or_default() += held.cost;
        let key = (held.kind, held.giver);
        let given = self.given.entry(key).or_default();
        if !given.records.is_empty() {
            self.places.remove(&(key.0, given.place(), key.1));
        }
        given.records.insert((held.number, id));
        given.cost += held.cost;
        self.places.insert((key.0, given.place(), key.1));
        self.held.insert(id, held);
    }

    fn remove(&mut self, id: &LookupId) -> Option<Held> {
        let held = self.held.remove(id)?;
        self.ends.remove(&(held.ends, *id));
        let sum = self.sums.entry(held.kind).or_default();
        *sum = sum.saturating_sub(held.cost);
        let key = (held.kind, held.giver);
        if let Some(given) = self.given.get_mut(&key) {
            self.places.remove(&(key.0, given.place(), key.1));
            given.records.remove(&(held.number, *id));
            given.cost = given.cost.saturating_sub(held.cost);
            if given.records.is_empty() {
                self.given.remove(&key);
            } else {
                self.places.insert((key.0, given.place(), key.1));
            }
        }
        Some(held)
    }

    /// Those that have ended go.
    fn end(&mut self, now: Timestamp) -> Vec<LookupId> {
        let mut gone = Vec::new();
        while let Some((ends, id)) = self.ends.first().copied().filter(|(ends, _)| now.since(*ends) > CLOCK_SKEW) {
            self.ends.remove(&(ends, id));
            self.remove(&id);
            gone.push(id);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use symbolon_presence::time::{DAY, HOUR};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const RECORDS: usize = 400;

    /// A server with its records; times in minutes.
    struct Server {
        kept: Givers,
        next: u64,
        now: Timestamp,
    }

    impl Server {
        fn new() -> Self {
            Self { kept: Givers::new(RECORDS, RECORDS * 2_048), next: 0, now: NOW }
        }

        fn bring(&mut self, giver: Giver) -> LookupId {
            self.next += 1;
            let mut id = [0; 32];
            id[..8].copy_from_slice(&self.next.to_be_bytes());
            self.put(LookupId(id), giver);
            LookupId(id)
        }

        fn put(&mut self, id: LookupId, giver: Giver) {
            let before = self.kept.held.len();
            let gone = self.kept.bring(self.now, id, giver, 600, NOW.after(2 * DAY)).unwrap();
            assert!(self.kept.held.len() + gone.len() >= before);
            self.assert_whole();
        }

        fn has(&self, id: &LookupId) -> bool {
            self.kept.held.contains_key(id)
        }

        fn assert_whole(&self) {
            let kept = &self.kept;
            assert!(kept.held.len() <= RECORDS);
            let cost: usize = kept.held.values().map(|held| held.cost).sum();
            assert_eq!(cost, kept.sums.values().sum::<usize>());
            assert!(cost <= kept.most);
            assert_eq!(kept.ends.len(), kept.held.len());
            assert_eq!(kept.given.values().map(|given| given.records.len()).sum::<usize>(), kept.held.len());
            assert_eq!(kept.places.len(), kept.given.len());
        }
    }

    #[test]
    fn a102_records_that_one_stranger_brings_displace_their_own_and_nobody_elses() {
        let mut server = Server::new();
        let others: Vec<LookupId> = (1..20).map(|other| server.bring(Giver::Stranger(other))).collect();
        let owned: Vec<LookupId> = (1..20).map(|other| server.bring(Giver::Owner(other))).collect();
        for _ in 0..5 * RECORDS {
            server.bring(Giver::Stranger(0));
        }
        assert!(others.iter().chain(&owned).all(|id| server.has(id)));
        assert!(server.kept.held.len() <= RECORDS / 2 + 20, "half at most");
        let late = server.bring(Giver::Stranger(50));
        server.bring(Giver::Stranger(0));
        assert!(server.has(&late), "who comes later finds a place");
    }

    #[test]
    fn a102_records_brought_once_give_way_to_those_that_are_brought_again_and_to_owners() {
        let mut server = Server::new();
        // A flood from many addresses, none of which comes twice.
        let flood = |server: &mut Server, from: u64| {
            for other in from..from + 3 * RECORDS as u64 {
                server.bring(Giver::Stranger(other));
            }
        };
        let mine: Vec<LookupId> = (0..50).map(|_| server.bring(Giver::Stranger(1))).collect();
        server.now = NOW.after(RENEWED_AFTER);
        for id in &mine {
            assert!(server.kept.brought_again(server.now, id, Giver::Stranger(1)).is_empty());
        }
        flood(&mut server, 1_000);
        assert!(mine.iter().all(|id| server.has(id)), "the same again counts");
        server.now = NOW.after(HOUR);
        for id in &mine {
            server.put(*id, Giver::Stranger(2));
        }
        let owned: Vec<LookupId> = (0..90).map(|_| server.bring(Giver::Owner(1))).collect();
        flood(&mut server, 10_000);
        assert!(mine.iter().chain(&owned).all(|id| server.has(id)), "and so does a newer one");
        // Repeats that come at once are no sign of anything.
        let hasty = server.bring(Giver::Stranger(3));
        server.kept.brought_again(server.now, &hasty, Giver::Stranger(3));
        flood(&mut server, 20_000);
        assert!(!server.has(&hasty));
    }

    #[test]
    fn a102_anyone_who_renews_much_leaves_a_quarter_to_newcomers_and_owners_leave_half() {
        let mut server = Server::new();
        let many: Vec<LookupId> = (0..RECORDS as u64 / 2).map(|_| server.bring(Giver::Stranger(1))).collect();
        server.now = NOW.after(HOUR);
        for id in &many {
            server.kept.brought_again(server.now, id, Giver::Stranger(1));
        }
        for _ in 0..2 * RECORDS {
            server.bring(Giver::Owner(9));
        }
        assert_eq!(server.kept.sum(Kind::Owned), server.kept.most / 2);
        assert!(server.kept.sum(Kind::Renewed) >= server.kept.most / 4);
        let newcomers: Vec<LookupId> = (10..10 + RECORDS as u64 / 8).map(|other| server.bring(Giver::Stranger(other))).collect();
        assert!(newcomers.iter().all(|id| server.has(id)));
    }

    #[test]
    fn what_an_owner_has_brought_stays_the_owners_no_matter_who_brings_it_again() {
        let mut server = Server::new();
        let id = server.bring(Giver::Owner(1));
        server.put(id, Giver::Stranger(5));
        assert_eq!(server.kept.held.get(&id).unwrap().giver, Giver::Owner(1));
        let other = server.bring(Giver::Stranger(5));
        server.kept.brought_again(server.now, &other, Giver::Owner(1));
        assert_eq!(server.kept.held.get(&other).unwrap().kind, Kind::Owned);
    }

    #[test]
    fn records_that_have_ended_give_way_to_everybody() {
        let mut server = Server::new();
        for _ in 0..RECORDS / 2 {
            server.bring(Giver::Stranger(1));
        }
        server.now = NOW.after(2 * DAY + HOUR);
        let gone = server.kept.bring(server.now, LookupId([7; 32]), Giver::Stranger(1), 600, NOW.after(4 * DAY)).unwrap();
        assert_eq!((gone.len(), server.kept.held.len()), (RECORDS / 2, 1));
        server.assert_whole();
    }

    #[test]
    fn a_record_that_is_longer_than_its_share_is_not_kept() {
        let mut kept = Givers::new(4, 4_000);
        assert!(kept.bring(NOW, LookupId([1; 32]), Giver::Stranger(1), 3_000, NOW.after(DAY)).is_none());
        assert!(kept.bring(NOW, LookupId([1; 32]), Giver::Stranger(1), 1_500, NOW.after(DAY)).is_some());
        assert!(kept.bring(NOW, LookupId([1; 32]), Giver::Stranger(1), 3_000, NOW.after(DAY)).is_none());
        assert_eq!(kept.held.len(), 1, "the older one stays");
    }

    #[test]
    fn a102_records_are_looked_at_at_a_bounded_pace_for_each_address() {
        let mut kept = Givers::new(RECORDS, RECORDS * 2_048);
        for _ in 0..BROUGHT_MAX.0 {
            assert!(kept.may_bring(NOW, Giver::Stranger(1)));
        }
        assert!(
            !kept.may_bring(NOW, Giver::Stranger(1)) && kept.may_bring(NOW, Giver::Stranger(2)) && kept.may_bring(NOW, Giver::Owner(1))
        );
        assert!(kept.may_bring(NOW.after(BROUGHT_MAX.1), Giver::Stranger(1)));
        for other in 0..3 * GIVERS_COUNTED_MAX as u64 {
            kept.may_bring(NOW, Giver::Stranger(other));
            assert!(kept.busy.len() <= GIVERS_COUNTED_MAX);
        }
    }
}

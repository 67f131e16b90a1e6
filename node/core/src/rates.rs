//! Rates: how much of what others send is looked at within a minute, an hour or a day.
//!
//! Counted in memory and not stored: a start begins all of them again. There is a table for each kind,
//! with a bound of its own; when it is full, the one that has done least gives way, so that nobody who
//! invents others shuts anybody out. What all of them together may do is counted apart.

use crate::limits::{
    ANSWERS_OF_GRANT, DEPOSIT_BYTES_OF_FRIEND, DEPOSITS_OF_FRIEND, DEVICES_NEW_OF_FRIEND, DIRECTS_OF_FRIEND, FIRSTS_OF_RELAY, FRIENDS_MAX,
    OFFERS_OF_GRANT, OFFERS_OF_PERSON, OFFERS_OF_POSTED, OFFERS_OF_STRANGERS, PACKAGES_OF_FRIEND, RENEWALS_OF_FRIEND, ROOMS_OF_FRIEND,
    SINCES_OF_MEMBER, UNOPENED_BYTES_MAX, WORDS_OF_FRIEND,
};
use crate::seam::{Event, Warning};
use crate::turn::Turn;
use std::collections::BTreeMap;
use symbolon_presence::id::{GrantId, MailboxId, PeerId};
use symbolon_presence::time::{DAY, HOUR, MINUTE, Timestamp};

/// People and grants that are counted by themselves.
const COUNTED_MAX: usize = FRIENDS_MAX;

/// Counts within one span of time, for each of many.
#[derive(Debug)]
struct Counts<K> {
    span: u64,
    /// Which span the counts are of. A clock that jumps begins another one.
    number: u64,
    /// At most [`COUNTED_MAX`].
    each: BTreeMap<K, u64>,
}

impl<K: Ord + Copy> Counts<K> {
    fn new(span: u64) -> Self {
        Self { span, number: 0, each: BTreeMap::new() }
    }

    /// Adds to a count unless that would exceed `most`. Whether it was added.
    fn take(&mut self, now: Timestamp, key: K, amount: u64, most: u64) -> bool {
        let number = now.0 / self.span;
        if self.number != number {
            self.number = number;
            self.each.clear();
        }
        let sum = self.each.get(&key).map_or(amount, |count| count.saturating_add(amount));
        if sum > most {
            return false;
        }
        if self.each.len() >= COUNTED_MAX
            && !self.each.contains_key(&key)
            && let Some(least) = self.each.iter().min_by_key(|(_, count)| **count).map(|(key, _)| *key)
        {
            self.each.remove(&least);
        }
        self.each.insert(key, sum);
        true
    }
}

/// All rates of a node.
#[derive(Debug)]
pub(crate) struct Rates {
    strangers: Counts<bool>,
    offers: Counts<GrantId>,
    answers: Counts<GrantId>,
    /// By who has proved to be behind the link, or to whom the grant was given.
    directs: Counts<Option<PeerId>>,
    relays: Counts<MailboxId>,
    people: Counts<PeerId>,
    renewals: Counts<PeerId>,
    rivals: Counts<PeerId>,
    revisions: Counts<PeerId>,
    rooms: Counts<PeerId>,
    sinces: Counts<PeerId>,
    devices: Counts<PeerId>,
    packages: Counts<PeerId>,
    deposits: Counts<PeerId>,
    bytes: Counts<PeerId>,
    /// Of what a relay brought and nothing opens.
    unopened: Counts<MailboxId>,
    warnings: Counts<Warning>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            strangers: Counts::new(MINUTE),
            offers: Counts::new(MINUTE),
            answers: Counts::new(MINUTE),
            directs: Counts::new(MINUTE),
            relays: Counts::new(MINUTE),
            people: Counts::new(HOUR),
            renewals: Counts::new(DAY),
            rivals: Counts::new(DAY),
            revisions: Counts::new(DAY),
            rooms: Counts::new(DAY),
            sinces: Counts::new(MINUTE),
            devices: Counts::new(DAY),
            packages: Counts::new(DAY),
            deposits: Counts::new(MINUTE),
            bytes: Counts::new(MINUTE),
            unopened: Counts::new(MINUTE),
            warnings: Counts::new(MINUTE),
        }
    }
}

impl Rates {
    /// Whether one more first envelope is looked at that came under the grant of an invite of ours, or
    /// of a package that is published for all.
    pub fn offer(&mut self, now: Timestamp, grant: GrantId, is_posted: bool) -> bool {
        // Who floods the one package that everybody may hold does not shut out who was invited.
        self.offers.take(now, grant, 1, OFFERS_OF_GRANT)
            && (!is_posted || self.strangers.take(now, true, 1, OFFERS_OF_POSTED))
            && self.strangers.take(now, false, 1, OFFERS_OF_STRANGERS)
    }

    /// The same under the grant of a reply address of a request.
    pub fn answer(&mut self, now: Timestamp, grant: GrantId) -> bool {
        self.answers.take(now, grant, 1, ANSWERS_OF_GRANT)
    }

    /// Whether one more envelope of a friend to the key of our certificate is looked at. All on links of
    /// which nobody knows whose they are share one count.
    pub fn direct(&mut self, now: Timestamp, of: Option<PeerId>) -> bool {
        self.directs.take(now, of, 1, DIRECTS_OF_FRIEND)
    }

    /// Whether one more first envelope is looked at that a relay of ours brings. It has passed the relay's
    /// bounds, if the relay is honest; it counts against nobody else.
    pub fn relayed(&mut self, now: Timestamp, relay: MailboxId) -> bool {
        self.relays.take(now, relay, 1, FIRSTS_OF_RELAY)
    }

    /// Whether one more Offer of a person is taken in.
    pub fn offer_of(&mut self, now: Timestamp, peer: PeerId) -> bool {
        self.people.take(now, peer, 1, OFFERS_OF_PERSON)
    }

    /// Whether one more question of a member for the commits of a room is answered.
    pub fn since(&mut self, now: Timestamp, peer: PeerId) -> bool {
        self.sinces.take(now, peer, 1, SINCES_OF_MEMBER)
    }

    /// Whether one more Offer of a friend is accepted without asking the user.
    pub fn renewal(&mut self, now: Timestamp, peer: PeerId) -> bool {
        self.renewals.take(now, peer, 1, RENEWALS_OF_FRIEND)
    }

    /// Whether a friend is believed once more that another copy of this folder runs.
    pub fn rival(&mut self, now: Timestamp, peer: PeerId) -> bool {
        self.rivals.take(now, peer, 1, WORDS_OF_FRIEND)
    }

    /// The same, that friends hold a later friendship secret than this folder.
    pub fn revision(&mut self, now: Timestamp, peer: PeerId) -> bool {
        self.revisions.take(now, peer, 1, WORDS_OF_FRIEND)
    }

    /// Whether the room of a friendship may be made again because of what the friend says.
    pub fn room(&mut self, now: Timestamp, peer: PeerId) -> bool {
        self.rooms.take(now, peer, 1, ROOMS_OF_FRIEND)
    }

    /// Whether one more device of a friend is made known by a bundle.
    pub fn device(&mut self, now: Timestamp, peer: PeerId) -> bool {
        self.devices.take(now, peer, 1, DEVICES_NEW_OF_FRIEND)
    }

    /// Whether one more package is handed to a friend on a link.
    pub fn package(&mut self, now: Timestamp, peer: PeerId) -> bool {
        self.packages.take(now, peer, 1, PACKAGES_OF_FRIEND)
    }

    /// Whether one more envelope of a friend is opened.
    pub fn deposit(&mut self, now: Timestamp, peer: PeerId, size: usize) -> bool {
        self.deposits.take(now, peer, 1, DEPOSITS_OF_FRIEND) && self.bytes.take(now, peer, size as u64, DEPOSIT_BYTES_OF_FRIEND)
    }

    /// Whether one more envelope is kept that a relay has handed out before anything opens it.
    pub fn unopened(&mut self, now: Timestamp, mailbox: MailboxId, size: usize) -> bool {
        self.unopened.take(now, mailbox, size as u64, UNOPENED_BYTES_MAX as u64)
    }

    /// Warns the owner; of one kind once a minute.
    pub fn warn(&mut self, turn: &mut Turn<'_>, warning: Warning) {
        if self.warnings.take(turn.now, warning, 1, 1) {
            turn.notify(Event::Warning(warning));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{NOW, peer};

    #[test]
    fn a_span_takes_its_number_and_the_next_one_as_many_again() {
        let mut counts = Counts::new(MINUTE);
        let start = Timestamp(NOW.0 / MINUTE * MINUTE);
        let taken = (0..10).filter(|_| counts.take(start, 1, 1, 7)).count();
        assert_eq!(taken, 7);
        assert!(counts.take(start, 2, 1, 7), "another one has a count of its own");
        assert!(!counts.take(start.after(MINUTE - 1), 1, 1, 7));
        assert!(counts.take(start.after(MINUTE), 1, 7, 7) && !counts.take(start.after(MINUTE), 1, 1, 7));
        assert!(counts.take(start, 1, 1, 7), "a clock that is put back shuts nobody out");
    }

    #[test]
    fn a102_more_people_than_are_counted_shut_nobody_out_and_who_has_done_much_is_still_counted() {
        let mut counts = Counts::new(HOUR);
        assert!(counts.take(NOW, peer(0), 2, 2));
        for n in 1..2 * COUNTED_MAX as u64 {
            assert!(counts.take(NOW, peer(n), 1, 2));
        }
        assert_eq!(counts.each.len(), COUNTED_MAX);
        assert!(!counts.take(NOW, peer(0), 1, 2), "to invent others makes it no less");
        assert!(counts.take(NOW, peer(1_000_000), 1, 2));
    }

    #[test]
    fn a102_a_flood_at_the_published_package_leaves_room_for_who_was_invited() {
        let mut rates = Rates::default();
        let posted = (0..1_000u64).filter(|n| rates.offer(NOW, GrantId([(n % 7) as u8; 16]), true)).count();
        assert_eq!(posted as u64, OFFERS_OF_POSTED);
        let invited = (0..1_000).filter(|_| rates.offer(NOW, GrantId([200; 16]), false)).count();
        assert_eq!(invited as u64, OFFERS_OF_GRANT);
    }

    #[test]
    fn a102_a_friend_who_asks_again_is_accepted_by_itself_eight_times_a_day_and_then_by_the_user() {
        let mut rates = Rates::default();
        let day = Timestamp(NOW.0 / DAY * DAY);
        let by_itself = (0..24).filter(|hour| rates.renewal(day.after(hour * HOUR), peer(1))).count();
        assert_eq!(by_itself as u64, RENEWALS_OF_FRIEND);
        assert!(rates.renewal(day, peer(2)) && rates.renewal(day.after(DAY), peer(1)));
    }

    #[test]
    fn a_friends_word_about_copies_and_secrets_counts_once_a_day_and_their_room_is_made_again_16_times() {
        let mut rates = Rates::default();
        let day = Timestamp(NOW.0 / DAY * DAY);
        let count = |take: &mut dyn FnMut(Timestamp) -> bool| (0..24).filter(|hour| take(day.after(hour * HOUR))).count() as u64;
        assert_eq!(count(&mut |at| rates.rival(at, peer(1))), WORDS_OF_FRIEND);
        assert_eq!(count(&mut |at| rates.revision(at, peer(1))), WORDS_OF_FRIEND);
        assert_eq!(count(&mut |at| rates.room(at, peer(1))), ROOMS_OF_FRIEND);
        assert!(rates.rival(day, peer(2)) && rates.rival(day.after(DAY), peer(1)));
    }

    #[test]
    fn a102_a_friend_who_floods_is_full_for_the_rest_of_the_minute_and_the_others_go_on() {
        let mut rates = Rates::default();
        let start = Timestamp(NOW.0 / MINUTE * MINUTE);
        let taken = (0..2 * DEPOSITS_OF_FRIEND).filter(|_| rates.deposit(start, peer(1), 512)).count();
        assert_eq!(taken as u64, DEPOSITS_OF_FRIEND);
        assert!(rates.deposit(start, peer(2), 512), "another friend");
        assert!(rates.deposit(start.after(MINUTE), peer(1), 512), "the next minute");
        let largest = (0..10_000).filter(|_| rates.deposit(start.after(MINUTE), peer(3), 256 * 1024)).count();
        assert_eq!(largest, 512, "128 MiB");
    }
}

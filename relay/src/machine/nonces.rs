//! What must not be taken twice, kept for each owner apart: one who signs much fills a ring of
//! their own and nobody else's.

use super::limits::{NONCES_MAX, QUESTIONS_MAX};
use std::collections::{BTreeSet, VecDeque};
use symbolon_presence::id::Nonce;
use symbolon_presence::time::{CLOCK_SKEW, Timestamp};

/// Whether a signed moment is now, as far as clocks agree.
pub(super) fn is_now(now: Timestamp, at: Timestamp) -> bool {
    now.since(at) <= CLOCK_SKEW && !at.is_future_at(now)
}

/// What one owner, and those who hold the owner's friendship token, have signed lately.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    /// Sessions by when they were signed; at most [`NONCES_MAX`].
    sessions: BTreeSet<(Timestamp, Nonce)>,
    /// The newest moment of a session that was forgotten. Nothing older is taken, and of that moment
    /// only while all that is remembered is of it: a clock that stands still locks nobody out.
    floor: Timestamp,
    /// Questions of friends in the order in which they came; at most [`QUESTIONS_MAX`].
    questions: VecDeque<(Timestamp, Nonce)>,
}

impl Nonces {
    /// Forgets what is refused for its age alone.
    fn age(&mut self, now: Timestamp) {
        while let Some(first) = self.sessions.first().copied().filter(|(at, _)| now.since(*at) > 2 * CLOCK_SKEW) {
            self.sessions.remove(&first);
        }
        self.questions.retain(|(at, _)| now.since(*at) <= 2 * CLOCK_SKEW);
    }

    /// Whether nothing is remembered any more.
    pub(super) fn is_empty(&mut self, now: Timestamp) -> bool {
        self.age(now);
        self.sessions.is_empty() && self.questions.is_empty()
    }

    /// Takes a session's nonce once. Its signature was checked.
    pub(super) fn take_session(&mut self, now: Timestamp, at: Timestamp, nonce: Nonce) -> bool {
        self.age(now);
        let stands_still = self.sessions.first().is_none_or(|(oldest, _)| *oldest == self.floor);
        if at < self.floor || (at == self.floor && !stands_still) || !self.sessions.insert((at, nonce)) {
            return false;
        }
        if self.sessions.len() > NONCES_MAX
            && let Some((oldest, _)) = self.sessions.pop_first()
        {
            self.floor = self.floor.max(oldest);
        }
        true
    }

    /// Takes a question's nonce once. Its signature was checked.
    pub(super) fn take_question(&mut self, now: Timestamp, at: Timestamp, nonce: Nonce) -> bool {
        self.age(now);
        if self.questions.contains(&(at, nonce)) {
            return false;
        }
        self.questions.push_back((at, nonce));
        if self.questions.len() > QUESTIONS_MAX {
            self.questions.pop_front();
        }
        true
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.sessions.len(), self.questions.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use symbolon_presence::time::{HOUR, MINUTE, SECOND};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn nonce(number: u64) -> Nonce {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        Nonce(nonce)
    }

    #[test]
    fn a_full_ring_forgets_the_oldest_and_takes_nothing_twice() {
        let mut nonces = Nonces::default();
        let many = 4 * NONCES_MAX as u64;
        for number in 0..many {
            assert!(nonces.take_session(NOW, Timestamp(NOW.0 + number), nonce(number)), "the owner stays in, however often");
            assert!(nonces.len().0 <= NONCES_MAX);
        }
        for number in 0..many {
            assert!(!nonces.take_session(NOW, Timestamp(NOW.0 + number), nonce(number)), "session {number} was taken twice");
        }
    }

    #[test]
    fn a_clock_that_stands_still_does_not_shut_its_owner_out() {
        let mut nonces = Nonces::default();
        for number in 0..4 * NONCES_MAX as u64 {
            assert!(nonces.take_session(NOW, NOW, nonce(number)));
        }
    }

    #[test]
    fn questions_have_a_ring_of_their_own() {
        let mut nonces = Nonces::default();
        for number in 0..4 * QUESTIONS_MAX as u64 {
            assert!(nonces.take_question(NOW, NOW.after(5 * MINUTE), nonce(number)));
            assert!(!nonces.take_question(NOW, NOW.after(5 * MINUTE), nonce(number)));
        }
        assert_eq!(nonces.len(), (0, QUESTIONS_MAX));
        assert!(nonces.take_session(NOW, Timestamp(NOW.0 - SECOND), nonce(1)), "no friend shuts the owner out");
        assert!(!nonces.is_empty(NOW) && nonces.is_empty(NOW.after(HOUR)));
    }
}

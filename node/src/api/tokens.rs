//! Who may talk to the API: the folder's token, one-time tokens of printed addresses, and
//! the sessions that these are exchanged for.
//!
//! Tokens are compared in constant time, live in memory only, and are never logged.

use data_encoding::Encoding;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use subtle::{Choice, ConstantTimeEq};
use symbolon_presence::id::base32;

/// One-time tokens that are good at once; the oldest goes first.
pub const ONE_TIME_MAX: usize = 8;
/// Browser sessions that are good at once; the oldest goes first.
pub const SESSIONS_MAX: usize = 16;

/// 32 random bytes in base32.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Draws a token.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        let base32: &Encoding = base32();
        Ok(Self(base32.encode(&bytes)))
    }

    /// Takes a token that lies in the data folder.
    pub fn from_text(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The token itself. Secret: for a header, a cookie or a printed address only.
    pub fn secret(&self) -> &str {
        &self.0
    }

    fn is(&self, offered: &str) -> Choice {
        self.0.as_bytes().ct_eq(offered.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

/// Everything that opens the door.
#[derive(Debug)]
pub struct Tokens {
    api: Token,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    one_time: VecDeque<Token>,
    sessions: VecDeque<Token>,
}

impl Tokens {
    /// Begins with the folder's token alone.
    pub fn new(api: Token) -> Self {
        Self { api, held: Mutex::default() }
    }

    /// Makes a one-time token for a printed address.
    pub fn issue(&self) -> Result<Token, NoRandomness> {
        let token = Token::random()?;
        push_bounded(&mut self.held().one_time, token.clone(), ONE_TIME_MAX);
        Ok(token)
    }

    /// Exchanges a one-time token for a session; `None` when it is not good (any more).
    pub fn redeem(&self, offered: &str) -> Result<Option<Token>, NoRandomness> {
        let session = Token::random()?;
        let mut held = self.held();
        let before = held.one_time.len();
        held.one_time.retain(|token| !bool::from(token.is(offered)));
        if held.one_time.len() == before {
            return Ok(None);
        }
        push_bounded(&mut held.sessions, session.clone(), SESSIONS_MAX);
        Ok(Some(session))
    }

    /// Whether a bearer token is the folder's or an unused one-time token.
    pub fn is_bearer(&self, offered: &str) -> bool {
        let held = self.held();
        let one_time = held.one_time.iter().fold(Choice::from(0), |found, token| found | token.is(offered));
        bool::from(self.api.is(offered) | one_time)
    }

    /// Whether a cookie's value is a session.
    pub fn is_session(&self, offered: &str) -> bool {
        bool::from(self.held().sessions.iter().fold(Choice::from(0), |found, token| found | token.is(offered)))
    }

    // A panic elsewhere cannot leave two queues of tokens in a bad state.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push_bounded(queue: &mut VecDeque<Token>, token: Token, max: usize) {
    while queue.len() >= max {
        queue.pop_front();
    }
    queue.push_back(token);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(Token::from_text("folder\n"))
    }

    #[test]
    fn one_time_token_is_a_bearer_until_it_is_redeemed() {
        let tokens = tokens();
        let token = tokens.issue().unwrap();
        assert!(tokens.is_bearer(token.secret()));
        let session = tokens.redeem(token.secret()).unwrap().unwrap();
        assert!(!tokens.is_bearer(token.secret()));
        assert_eq!(tokens.redeem(token.secret()).unwrap(), None);
        assert!(tokens.is_session(session.secret()));
        assert!(!tokens.is_bearer(session.secret()));
    }

    #[test]
    fn only_the_folders_token_and_issued_ones_are_bearers() {
        let tokens = tokens();
        assert!(tokens.is_bearer("folder"));
        for wrong in ["", "folder ", "folde", "Folder"] {
            assert!(!tokens.is_bearer(wrong) && !tokens.is_session(wrong));
        }
    }

    #[test]
    fn oldest_token_and_oldest_session_give_way() {
        let tokens = tokens();
        let issued: Vec<_> = (0..=ONE_TIME_MAX).map(|_| tokens.issue().unwrap()).collect();
        assert!(!tokens.is_bearer(issued[0].secret()));
        assert!(issued[1..].iter().all(|token| tokens.is_bearer(token.secret())));

        let sessions: Vec<_> = (0..=SESSIONS_MAX)
            .map(|_| {
                let token = tokens.issue().unwrap();
                tokens.redeem(token.secret()).unwrap().unwrap()
            })
            .collect();
        assert!(!tokens.is_session(sessions[0].secret()));
        assert!(sessions[1..].iter().all(|session| tokens.is_session(session.secret())));
    }
}

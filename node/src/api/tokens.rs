//! Who may talk to the API: the folder's token, and the sessions of browsers.
//!
//! A printed address of the page carries a *one-time token*. It opens nothing: the page
//! trades it for a *session*, once, within [`ONE_TIME_LIFE`]. The page keeps the session,
//! the node keeps its hash, so that a tab lives through restarts. A session is good only at
//! the port where it was given: a program that takes the port of a stopped node, and is
//! shown a session there, cannot use it, for the node has another port then.
//!
//! A page that has lost its node asks for a *proof* before it shows its session to whatever
//! answers next: an HMAC under the session's hash over the port and a nonce.
//!
//! ```text
//! hash  = SHA-256("session:" || session)              what the node keeps
//! name  = SHA-256("id:" || hash in hex)               what the page asks about, in hex
//! proof = HMAC-SHA-256(hash, port || ":" || nonce)    what the node answers, in hex
//! ```
//!
//! Tokens are compared in constant time and never logged.

use crate::folder::door::{DoorFile, KeptSession};
pub use crate::folder::door::{Kept, SESSIONS_MAX};
use data_encoding::{Encoding, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq};
use symbolon_presence::id::base32;
use symbolon_presence::time::{DAY, MINUTE, Timestamp};
use tokio::time::Instant;

/// One-time tokens that are good at once; the oldest goes first.
pub const ONE_TIME_MAX: usize = 8;
/// How long a one-time token is good.
pub const ONE_TIME_LIFE: Duration = Duration::from_secs(60);
/// How long a session is good, in milliseconds.
pub const SESSION_LIFE: u64 = 30 * DAY;
/// Longest nonce that is answered, in bytes.
pub const NONCE_MAX: usize = 128;

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

    /// The token itself. Secret: for a header or a printed address only.
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
    port: u16,
    /// Where sessions outlive the process, if anywhere.
    file: Option<DoorFile>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    one_time: VecDeque<(Token, Instant)>,
    kept: Kept,
}

impl Tokens {
    /// Begins with the folder's token and the sessions that are kept, for an API at `port`.
    pub fn new(api: Token, port: u16, kept: Kept, file: Option<DoorFile>) -> Self {
        Self { api, port, file, held: Mutex::new(Held { one_time: VecDeque::new(), kept }) }
    }

    /// Makes a one-time token for a printed address.
    pub fn issue(&self, now: Instant) -> Result<Token, NoRandomness> {
        let token = Token::random()?;
        let mut held = self.held();
        while held.one_time.len() >= ONE_TIME_MAX {
            held.one_time.pop_front();
        }
        held.one_time.push_back((token.clone(), now));
        Ok(token)
    }

    /// Trades a one-time token for a session; `None` when it is not good (any more). The
    /// session outlives the process unless the disk refuses it.
    pub fn redeem(&self, offered: &str, now: Instant, wall: Timestamp) -> Result<Option<(Token, Timestamp)>, NoRandomness> {
        let session = Token::random()?;
        let mut held = self.held();
        held.one_time.retain(|(_, issued)| now.saturating_duration_since(*issued) < ONE_TIME_LIFE);
        let before = held.one_time.len();
        held.one_time.retain(|(token, _)| !bool::from(token.is(offered)));
        if held.one_time.len() == before {
            return Ok(None);
        }
        let expires = wall.after(SESSION_LIFE);
        let fresh = KeptSession { hash: hash_of(session.secret()), port: self.port, expires };
        while held.kept.sessions.len() >= SESSIONS_MAX {
            // One that is not good now goes first, then the one that ends first.
            let least = |(_, one): &(usize, &KeptSession)| (self.is_live(one, wall), one.expires);
            let Some((at, _)) = held.kept.sessions.iter().enumerate().min_by_key(least) else { break };
            held.kept.sessions.remove(at);
        }
        held.kept.sessions.push(fresh);
        self.save(&held.kept);
        Ok(Some((session, expires)))
    }

    /// Whether a bearer token is the folder's, or a session that is good now and here.
    pub fn is_bearer(&self, offered: &str, wall: Timestamp) -> bool {
        let hash = hash_of(offered);
        let held = self.held();
        let session = held.kept.sessions.iter().fold(Choice::from(0), |found, one| {
            let live = Choice::from(u8::from(self.is_live(one, wall)));
            found | (live & one.hash.as_slice().ct_eq(hash.as_slice()))
        });
        bool::from(self.api.is(offered) | session)
    }

    /// Shows a page that this is the node which gave it its session; `None` for a session
    /// that is not good here.
    pub fn proof(&self, name: &str, nonce: &str, wall: Timestamp) -> Option<String> {
        if nonce.len() > NONCE_MAX {
            return None;
        }
        let held = self.held();
        let live = held.kept.sessions.iter().filter(|one| self.is_live(one, wall));
        let hash = live.map(|one| one.hash).find(|hash| bool::from(name_of(hash).as_bytes().ct_eq(name.as_bytes())))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&hash).ok()?;
        mac.update(format!("{}:{nonce}", self.port).as_bytes());
        Some(HEXLOWER.encode(&mac.finalize().into_bytes()))
    }

    /// Ends every session and takes back every one-time token; answers how many sessions there were.
    pub fn end_sessions(&self) -> usize {
        let mut held = self.held();
        held.one_time.clear();
        let ended = std::mem::take(&mut held.kept.sessions).len();
        self.save(&held.kept);
        ended
    }

    /// The wall clock hides a session, it never deletes one: a clock that was wrong for a
    /// while signs nobody out.
    fn is_live(&self, session: &KeptSession, wall: Timestamp) -> bool {
        let KeptSession { port, expires, .. } = *session;
        port == self.port && wall < expires && expires.0 <= wall.after(SESSION_LIFE + 10 * MINUTE).0
    }

    fn save(&self, kept: &Kept) {
        if let Some(file) = &self.file
            && let Err(error) = file.write(kept)
        {
            tracing::warn!(kind = %error.kind(), "sessions of the page could not be kept; browsers sign in again after a restart");
        }
    }

    // A panic elsewhere cannot leave two queues of tokens in a bad state.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash_of(session: &str) -> [u8; 32] {
    Sha256::new().chain_update(b"session:").chain_update(session.as_bytes()).finalize().into()
}

fn name_of(hash: &[u8; 32]) -> String {
    let name = Sha256::new().chain_update(b"id:").chain_update(HEXLOWER.encode(hash).as_bytes()).finalize();
    HEXLOWER.encode(&name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const WALL: Timestamp = Timestamp(1_795_204_800_000);

    fn tokens() -> Tokens {
        Tokens::new(Token::from_text("folder\n"), 40_123, Kept::default(), None)
    }

    fn sign_in(tokens: &Tokens, wall: Timestamp) -> Token {
        let now = Instant::now();
        let token = tokens.issue(now).unwrap();
        tokens.redeem(token.secret(), now, wall).unwrap().unwrap().0
    }

    #[test]
    fn a110_one_time_token_is_no_bearer_and_trades_once_within_a_minute() {
        let (tokens, now) = (tokens(), Instant::now());
        let token = tokens.issue(now).unwrap();
        assert!(!tokens.is_bearer(token.secret(), WALL));
        assert_eq!(tokens.redeem("wrong", now, WALL).unwrap(), None);
        let (session, expires) = tokens.redeem(token.secret(), now + ONE_TIME_LIFE - Duration::from_secs(1), WALL).unwrap().unwrap();
        assert_eq!(expires, WALL.after(SESSION_LIFE));
        assert!(tokens.is_bearer(session.secret(), WALL));
        assert_eq!(tokens.redeem(token.secret(), now, WALL).unwrap(), None, "once");
        let late = tokens.issue(now).unwrap();
        assert_eq!(tokens.redeem(late.secret(), now + ONE_TIME_LIFE, WALL).unwrap(), None, "for a minute");
        assert_eq!(tokens.redeem(late.secret(), now, WALL).unwrap(), None, "and gone");
    }

    #[test]
    fn only_the_folders_token_and_sessions_are_bearers() {
        let tokens = tokens();
        assert!(tokens.is_bearer("folder", WALL));
        for wrong in ["", "folder ", "folde", "Folder"] {
            assert!(!tokens.is_bearer(wrong, WALL));
        }
    }

    #[test]
    fn oldest_token_and_oldest_session_give_way() {
        let (tokens, now) = (tokens(), Instant::now());
        let issued: Vec<_> = (0..=ONE_TIME_MAX).map(|_| tokens.issue(now).unwrap()).collect();
        assert_eq!(tokens.redeem(issued[0].secret(), now, WALL).unwrap(), None);
        assert!(tokens.redeem(issued[1].secret(), now, WALL).unwrap().is_some());
        tokens.end_sessions();
        assert_eq!(tokens.redeem(issued[2].secret(), now, WALL).unwrap(), None, "taken back with the sessions");

        let sessions: Vec<_> = (0..=SESSIONS_MAX as u64).map(|n| sign_in(&tokens, Timestamp(WALL.0 + n))).collect();
        assert!(!tokens.is_bearer(sessions[0].secret(), WALL));
        assert!(sessions[1..].iter().all(|session| tokens.is_bearer(session.secret(), WALL)));
        assert_eq!(tokens.end_sessions(), SESSIONS_MAX);
        assert!(sessions.iter().all(|session| !tokens.is_bearer(session.secret(), WALL)));
    }

    #[test]
    fn a110_session_is_good_for_thirty_days_at_its_own_port_and_lies_as_a_hash() {
        let home = tempfile::tempdir().unwrap();
        let folder = crate::folder::Folder::open(home.path()).unwrap();
        let at = |port| Tokens::new(Token::from_text("folder"), port, folder.door().read(), Some(folder.door()));
        let session = sign_in(&at(40_123), WALL);
        let file = std::fs::read_to_string(home.path().join(crate::folder::door::DOOR_FILE)).unwrap();
        assert!(!file.contains(session.secret()));
        let again = at(40_123);
        assert!(again.is_bearer(session.secret(), WALL.after(SESSION_LIFE - 1)));
        for wall in [WALL.after(SESSION_LIFE + 1), Timestamp(0)] {
            assert!(!again.is_bearer(session.secret(), wall), "a wrong clock hides it");
        }
        assert!(again.is_bearer(session.secret(), WALL), "and a right one shows it again");
        assert!(!at(40_124).is_bearer(session.secret(), WALL), "for anyone who was shown it on the old port");
    }

    #[test]
    fn a110_proof_names_port_and_nonce_and_is_made_for_sessions_only() {
        let tokens = tokens();
        let session = sign_in(&tokens, WALL);
        let hash = hash_of(session.secret());
        let mut mac = Hmac::<Sha256>::new_from_slice(&hash).unwrap();
        mac.update(b"40123:nonce");
        let expected = HEXLOWER.encode(&mac.finalize().into_bytes());
        assert_eq!(tokens.proof(&name_of(&hash), "nonce", WALL), Some(expected.clone()));
        assert_ne!(tokens.proof(&name_of(&hash), "other", WALL), Some(expected));
        for wrong in ["", session.secret(), &HEXLOWER.encode(&hash)] {
            assert_eq!(tokens.proof(wrong, "nonce", WALL), None);
        }
        assert_eq!(tokens.proof(&name_of(&hash), &"x".repeat(NONCE_MAX + 1), WALL), None);
        assert_eq!(tokens.proof(&name_of(&hash), "nonce", WALL.after(SESSION_LIFE + 1)), None);
    }
}

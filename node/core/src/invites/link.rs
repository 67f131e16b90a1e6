//! The link of an invite: short enough for a QR code that a phone reads off a screen or a card.
//!
//! `symbolon:` and base32 of a version byte, the invite's secret, its maker's Peer ID, when it ends, places where its
//! body may be fetched, and four bytes against mistyping. Everything else is in the body. The protocol page is
//! `docs/protocol/invite.md`.

use super::place::{Place, fit};
use crate::limits::{LINK_MAX, OLD_LINK_MAX};
use symbolon_presence::id::{PeerId, base32};
use symbolon_presence::invite::InviteSecret;
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::HASH_LINK;
use symbolon_presence::time::{MINUTE, Timestamp};

/// How every invite link begins.
pub const LINK_PREFIX: &str = "symbolon:";
/// The first byte. It was 1 while a link held all that its body says now.
const VERSION: u8 = 2;
const OLD_VERSION: u8 = 1;
/// The first byte of a room card, which says the rest in the same way.
pub(super) const CARD_VERSION: u8 = 3;
const CHECK: usize = 4;
/// Of the time when it ends.
const END: usize = 3;
/// In which that is counted.
const END_UNIT: u64 = 5 * MINUTE;
/// Pieces into which a link may be broken.
const PIECES_MAX: usize = 64;
/// Bytes for places: what is left of 195 characters.
pub(super) const PLACES_ROOM: usize = (LINK_MAX - LINK_PREFIX.len()) * 5 / 8 - 1 - InviteSecret::LEN - PeerId::LEN - END - CHECK;

/// What a link says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteLink {
    /// From which all keys of the invite come.
    pub secret: InviteSecret,
    /// Who has made it.
    pub peer: PeerId,
    /// Until when, to the next five minutes.
    pub expires: Timestamp,
    /// Where its body may be fetched; what fits into [`LINK_MAX`].
    pub places: Vec<Place>,
}

/// Why a text is not an invite link that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkError {
    /// Not a link of ours, or mistyped.
    Bad,
    /// Of an older build: its maker must make another one.
    Old,
    /// A room's card, where an invite was looked for.
    Card,
    /// A relay's link.
    Relay,
    /// An invite, where a room's card was looked for.
    Invite,
}

fn check(bytes: &[u8]) -> [u8; CHECK] {
    let [a, b, c, d, ..] = hash(HASH_LINK, &[bytes]).0;
    [a, b, c, d]
}

/// What stands for the beginning of a link where somebody has encoded it.
const ENCODED_PREFIX: &str = "symbolon%3a";

/// How a relay's link continues: neither sign stands in an invite.
const RELAY_STARTS: [&str; 2] = ["relay:", "relay%3a"];

/// Letters that nobody sees, which come along when something is copied.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

fn is_base32(letter: char) -> bool {
    letter.is_ascii_alphabetic() || matches!(letter, '2'..='7')
}

/// What follows the first beginning of a link in a text.
fn behind_prefix(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let ends = [LINK_PREFIX, ENCODED_PREFIX].into_iter().filter_map(|prefix| Some(lower.find(prefix)? + prefix.len()));
    let rest = text.get(ends.min()?..)?;
    Some(rest.strip_prefix("//").unwrap_or(rest))
}

/// Whether a text holds something that says that it is a link of ours.
pub fn is_link(text: &str) -> bool {
    behind_prefix(text).is_some()
}

impl InviteLink {
    /// A link with as many of these places as fit: our own first, and one server at least, if any fits.
    pub fn new(secret: InviteSecret, peer: PeerId, expires: Timestamp, own: Vec<Place>, servers: Vec<Place>) -> Self {
        let end = expires.0.div_ceil(END_UNIT).saturating_mul(END_UNIT);
        Self { secret, peer, expires: Timestamp(end), places: fit(own, servers, PLACES_ROOM) }
    }

    fn bytes(&self, version: u8) -> Vec<u8> {
        let [.., a, b, c] = (self.expires.0 / END_UNIT).to_be_bytes();
        let mut bytes = [&[version], self.secret.expose().as_slice(), self.peer.as_bytes(), &[a, b, c]].concat();
        self.places.iter().for_each(|place| place.put(&mut bytes));
        bytes
    }

    /// Writes it.
    pub fn text(&self) -> String {
        self.text_as(VERSION)
    }

    /// The same, with another first byte.
    pub(super) fn text_as(&self, version: u8) -> String {
        let mut bytes = self.bytes(version);
        bytes.extend_from_slice(&check(&bytes));
        format!("{LINK_PREFIX}{}", base32().encode(&bytes))
    }

    /// Finds the first link in whatever somebody has pasted: broken into lines, in brackets or quotes, with words around it.
    pub fn find(pasted: &str) -> Result<Self, LinkError> {
        Self::find_as(pasted, VERSION)
    }

    /// The same of links with this first byte.
    pub(super) fn find_as(pasted: &str, version: u8) -> Result<Self, LinkError> {
        let visible: String = pasted.chars().filter(|letter| !is_invisible(*letter)).take(2 * OLD_LINK_MAX).collect();
        let rest = behind_prefix(&visible).ok_or(LinkError::Bad)?;
        if RELAY_STARTS.into_iter().any(|start| rest.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))) {
            return Err(LinkError::Relay);
        }
        let (mut text, mut found) = (LINK_PREFIX.to_owned(), LinkError::Bad);
        // Words behind a link look like more of it: the check says where it ends.
        for piece in rest.split(|letter: char| letter.is_whitespace() || letter == '>').filter(|piece| !piece.is_empty()).take(PIECES_MAX) {
            let letters = piece.find(|letter| !is_base32(letter)).map_or(piece, |end| piece.split_at(end).0);
            text.push_str(letters);
            match Self::read_as(&text, version) {
                Ok(link) => return Ok(link),
                Err(LinkError::Bad) => {}
                Err(error @ (LinkError::Old | LinkError::Card | LinkError::Relay | LinkError::Invite)) => found = error,
            }
            if letters.len() < piece.len() {
                break;
            }
        }
        Err(found)
    }

    /// Reads a link. White space around it and upper case do not matter.
    pub fn read(text: &str) -> Result<Self, LinkError> {
        Self::read_as(text, VERSION)
    }

    fn read_as(text: &str, version: u8) -> Result<Self, LinkError> {
        let text = text.trim();
        let is_ours = text.get(..LINK_PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(LINK_PREFIX));
        if text.len() > OLD_LINK_MAX || !is_ours {
            return Err(LinkError::Bad);
        }
        let text = text.get(LINK_PREFIX.len()..).ok_or(LinkError::Bad)?;
        let bytes = base32().decode(text.as_bytes()).map_err(|_| LinkError::Bad)?;
        let (said, sum) = bytes.split_last_chunk::<CHECK>().ok_or(LinkError::Bad)?;
        if check(said) != *sum {
            return Err(LinkError::Bad);
        }
        match said.split_first() {
            Some((first, rest)) if *first == version => {
                Self::from_rest(rest).filter(|link| link.bytes(version) == said).ok_or(LinkError::Bad)
            }
            Some((&OLD_VERSION, _)) => Err(LinkError::Old),
            Some((&CARD_VERSION, _)) => Err(LinkError::Card),
            Some((&VERSION, _)) => Err(LinkError::Invite),
            Some(_) | None => Err(LinkError::Bad),
        }
    }

    fn from_rest(bytes: &[u8]) -> Option<Self> {
        let (secret, bytes) = bytes.split_first_chunk::<{ InviteSecret::LEN }>()?;
        let (peer, bytes) = bytes.split_first_chunk::<{ PeerId::LEN }>()?;
        let ([a, b, c], mut bytes) = bytes.split_first_chunk::<END>()?;
        if bytes.len() > PLACES_ROOM {
            return None;
        }
        let mut places = Vec::new();
        while !bytes.is_empty() {
            places.push(Place::read(&mut bytes)?);
        }
        let expires = Timestamp(u64::from(u32::from_be_bytes([0, *a, *b, *c])).saturating_mul(END_UNIT));
        Some(Self { secret: InviteSecret::from_bytes(*secret), peer: PeerId(*peer), expires, places })
    }
}

#[cfg(test)]
mod tests;

//! Bounds that several of these types share.

use crate::limits::{HUB_PLACES_MAX, HUBS_MAX, NAME_MAX, NOTE_MAX, RELAY_MAILBOXES_MAX, TEXT_MAX, TOPIC_MAX};
use symbolon_presence::address::Address;
use symbolon_relay::put::MailboxEntry;

/// The longest payload inside an envelope, in bytes.
pub const PAYLOAD_MAX: usize = 256 * 1024;

/// Bytes of an MLS message that go in one envelope; of a longer one, each piece but the last has so many.
pub const PIECE_LEN: usize = 261_888;

/// Whether a name may be kept: at most [`NAME_MAX`] bytes, no control characters.
pub fn is_name(name: &str) -> bool {
    name.len() <= NAME_MAX && !name.chars().any(char::is_control)
}

/// Whether a room's topic may be kept: at most [`TOPIC_MAX`] bytes, no control characters.
pub fn is_topic(topic: &str) -> bool {
    topic.len() <= TOPIC_MAX && !topic.chars().any(char::is_control)
}

/// Whether a note may be kept: at most [`NOTE_MAX`] bytes, no control characters but line ends.
pub fn is_note(note: &str) -> bool {
    note.len() <= NOTE_MAX && !note.chars().any(|c| c.is_control() && c != '\n')
}

/// Whether a text may be sent or kept: 1 to [`TEXT_MAX`] bytes.
pub fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_MAX
}

/// Whether these can be the mailboxes at relays of one device: at most [`RELAY_MAILBOXES_MAX`].
pub(super) fn are_relay_mailboxes(relay_mailboxes: &[MailboxEntry]) -> bool {
    relay_mailboxes.len() <= RELAY_MAILBOXES_MAX && relay_mailboxes.iter().all(MailboxEntry::is_bounded)
}

/// Whether hubs of a room can be there.
pub(super) fn is_hubs(hubs: &[Vec<Address>]) -> bool {
    let is_hub = |places: &Vec<Address>| !places.is_empty() && places.len() <= HUB_PLACES_MAX && places.iter().all(Address::is_bounded);
    !hubs.is_empty() && hubs.len() <= HUBS_MAX && hubs.iter().all(is_hub)
}

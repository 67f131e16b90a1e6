//! What users see of their mailboxes at relays.

use symbolon_presence::id::MailboxId;

/// A mailbox of ours at a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayView {
    /// The mailbox.
    pub relay: MailboxId,
    /// How we stand with the relay.
    pub state: RelayState,
    /// Entries waiting there, as the relay last said.
    pub entries: u32,
    /// The most there may be; 0 while unknown.
    pub entries_max: u32,
    /// Bytes waiting there.
    pub bytes: u64,
    /// The most there may be; 0 while unknown.
    pub bytes_max: u64,
}

/// How we stand with a relay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RelayState {
    /// Not asked yet, or no answer yet.
    #[default]
    Connecting,
    /// It has signed that it keeps our mailbox, on the link that is open now.
    Connected,
    /// It cannot be reached; tried again automatically.
    Unreachable,
    /// It has signed that it does not keep our mailbox.
    Refused,
    /// It has no room for another mailbox.
    Full,
    /// Another relay answers at its address: it was set up again there, or its address is now
    /// somebody else's. What lay there is gone.
    Replaced,
}

impl RelayState {
    /// One word, as shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Full => "full",
            Self::Replaced => "replaced",
        }
    }

    /// What is wrong with a relay of ours and what to do about it, in a sentence; none when nothing is.
    pub fn problem(self, relay: &MailboxId) -> Option<String> {
        let id = relay.to_string();
        let short = id.get(..8).unwrap_or(&id);
        match self {
            Self::Connecting | Self::Connected => None,
            Self::Unreachable => Some("A relay of yours cannot be reached: what others leave there waits.".to_owned()),
            Self::Refused => Some("A relay of yours does not keep your mailbox: add it again with its claim code.".to_owned()),
            Self::Full => Some("A relay of yours has no room for your mailbox: ask its operator.".to_owned()),
            Self::Replaced => Some(format!(
                "Another relay answers at the address of relay {short}, and your mailbox there is gone: run `symbolon relay remove {short}`, then `symbolon relay add LINK` with the link that the new relay shows (behind `up --relay`, too)."
            )),
        }
    }
}

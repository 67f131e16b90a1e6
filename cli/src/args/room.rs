//! What can be typed about rooms.

use clap::{Subcommand, ValueEnum};

/// What to do with rooms.
#[derive(Debug, Subcommand)]
pub enum RoomVerb {
    /// Make a room
    Create {
        /// Its name, for all who come in
        name: String,
    },
    /// Add friends to a room
    Add {
        /// The room's name or id
        room: String,
        /// The friends' names or ids
        #[arg(required = true)]
        who: Vec<String>,
    },
    /// Remove people from a room, or take back that they are invited
    Remove {
        /// The room's whole name or id
        room: String,
        /// Their whole names or ids
        #[arg(required = true)]
        who: Vec<String>,
    },
    /// Ask somebody in a room for friendship
    Befriend {
        /// The room's name or id
        room: String,
        /// Their name or id
        who: String,
        /// A line to go with the request
        #[arg(long)]
        note: Option<String>,
    },
    /// Make a card: anyone who has it can ask to come in (knock). Nobody can knock before the first card
    Card {
        /// The room's name or id
        room: String,
        /// Show it as a QR code, too
        #[arg(long)]
        qr: bool,
    },
    /// Knock at a room by its card; somebody in it who knows me lets me in
    Knock {
        /// The card (`symbolon:…`); `-` reads it from standard input
        card: String,
    },
    /// Vouch for somebody who knocks at a room
    Vouch {
        /// The request, or its beginning
        request: String,
    },
    /// Leave a room; its history stays
    Leave {
        /// The room's whole name or id
        room: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// List the rooms that I am in
    List {
        /// Also those that I have left, or was removed from
        #[arg(long)]
        all: bool,
    },
    /// List who is in a room
    Members {
        /// The room's name or id
        room: String,
    },
    /// Give a room another name, for all who are in it
    Rename {
        /// The room's name or id
        room: String,
        /// The new name
        name: String,
    },
    /// Set the topic of a room
    Topic {
        /// The room's name or id
        room: String,
        /// The topic; nothing takes it back
        topic: Vec<String>,
    },
    /// Set somebody's role in a room
    Role {
        /// The room's name or id
        room: String,
        /// Their whole name or id
        who: String,
        /// The role
        #[arg(value_enum)]
        role: Role,
    },
    /// Mute a room: its new texts are shown without a notice
    Mute {
        /// The room's name or id
        room: String,
        /// Unmute it
        #[arg(long)]
        off: bool,
    },
    /// Archive a room
    Archive {
        /// The room's name or id
        room: String,
        /// Unarchive it
        #[arg(long)]
        off: bool,
    },
}

/// What somebody may do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Writes, and leaves
    Member,
    /// Adds people, removes members, names the room
    Admin,
    /// Does everything, and gives others their roles
    Owner,
}

impl Role {
    /// Its name in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

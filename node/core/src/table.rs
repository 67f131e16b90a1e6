//! Every durable table of a node on one page.
//!
//! A table maps a byte key to a byte value (CBOR unless said otherwise). Numbers in keys
//! are big-endian, so that key order is number order. [`SCHEMA_VERSION`] rises with every
//! change of a key or value that an older node could not read, and with it
//! [`migration`](crate::migration) gets a step.

/// Version of everything below. An older store is brought up to it by [`migration`](crate::migration); a newer one is
/// refused, never changed. It says nothing about the wire.
pub const SCHEMA_VERSION: u32 = 12;

/// Makes the tables of one list.
macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident = $number:literal, $name:literal, since $version:literal;)+) => {
        /// The tables. The discriminant names the table in the store and is never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Table {
            $($(#[$doc])* $table = $number,)+
        }

        impl Table {
            /// All tables, in the order of their discriminants.
            pub const ALL: [Self; [$($number),+].len()] = [$(Self::$table),+];

            /// The name under which the store keeps it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$table => $name,)+
                }
            }

            /// The first [`SCHEMA_VERSION`] that has it.
            pub const fn since(self) -> u32 {
                match self {
                    $(Self::$table => $version,)+
                }
            }
        }
    };
}

// Each with its number, its name in the store, and the version that it came with.
tables! {
    /// Single values. Key: a name in ASCII. Owner: the one to whom the name belongs.
    Meta = 1, "meta", since 1;
    /// One friend. Key: Peer ID.
    Friend = 2, "friend", since 1;
    /// One friend request, in or out. Key: request id.
    Request = 3, "request", since 1;
    /// One invite that we made. Key: grant id.
    Invite = 4, "invite", since 1;
    /// One blocked identity or key. Key: Peer ID, or a public key seen in an Offer. Value: empty, or the newest Offer that
    /// came since: when it was made, and its id. Or one device that is refused: its id, and whose it is.
    Blocked = 5, "blocked", since 1;
    /// One known device of somebody else. Key: device id.
    Device = 6, "device", since 1;
    /// One message of a conversation. Key: room id, then arrival number (8 B).
    Message = 7, "message", since 1;
    /// When a message has arrived. Key: message id. Value: arrival number (8 B); in rows of older builds, key in [`Table::Message`].
    MessageIndex = 8, "message_index", since 1;
    /// One envelope not yet acknowledged, but for texts to somebody who is here: [`Table::Channel`] names these. Key: device id, then
    /// outbox number (8 B). Behind one that is long, under its key and 0 (1 B): how it was sealed last, and where a copy lies.
    Outbox = 9, "outbox", since 1;
    /// What became of what was taken in. Three kinds of rows, distinguished by the length of their keys: of first envelopes,
    /// and of what has no number, by frame id: when, in milliseconds (8 B), 1 (1 B) if it was refused, and who hears of a repeat;
    /// and 32 notes each of envelopes under a seed and of ordered frames in a room, under the key of their line in
    /// [`Table::Channel`], then the block's number (8 B).
    Seen = 10, "seen", since 1;
    /// Uses of a grant. Key: grant id, then the use's pseudonym. Value: when (8 B).
    GrantUse = 11, "grant_use", since 1;
    /// When a message is to be given up. Key: moment in milliseconds (8 B), conversation,
    /// arrival number (8 B). Value: empty.
    Expiry = 12, "expiry", since 1;
    /// In which conversation messages have arrived. Key: arrival number (8 B) of the first of those that came one after the other
    /// in one conversation; in rows of older builds, of each message. Value: room id.
    Arrival = 13, "arrival", since 1;
    /// One mailbox of ours at a relay. Key: mailbox id.
    RelayMailbox = 14, "depot", since 1;
    /// Relay: one mailbox kept for somebody. Key: the owner's key. Owner: `symbolon-relay`.
    Kept = 15, "kept", since 1;
    /// Relay: one entry of a mailbox. Key: the owner's key, then the entry's number (8 B).
    Entry = 16, "entry", since 1;
    /// Relay: where an envelope lies. Key: the owner's key, then frame id. Value: the entry's number (8 B).
    EntryFrame = 17, "entry_frame", since 1;
    /// Relay: when an entry's time is up. Key: moment (8 B), the owner's key, the entry's number (8 B).
    EntryExpiry = 18, "entry_expiry", since 1;
    /// What opens a friend's presence headers. Key: Peer ID. Value: leaf and labels.
    Labels = 19, "labels", since 1;
    /// One introduction: ours, or of us. Key: its id.
    Introduction = 20, "introduction", since 1;
    /// Relay: records of a day, left by their owner. Key: day (4 B), the owner's key.
    Away = 21, "away", since 1;
    /// Relay: packages of a mailbox. Key: the owner's key, then a number (4 B).
    Package = 22, "package", since 1;
    /// One room that this node is in. Key: room id.
    Room = 23, "room", since 4;
    /// How far a device and this one are. Three kinds of rows, distinguished by the length of their keys:
    /// the outbox (device id), the frames of a room (device id, room id), and the envelopes under a seed
    /// of ours (device id, the seed's number of 8 B). Behind each of the last two, under its key and 0 (1 B): the newest
    /// notes of what was taken in there.
    Channel = 24, "channel", since 4;
    /// Whose one leaf of a room is. Key: room id, then the leaf's signature public key.
    Leaf = 25, "leaf", since 5;
    /// One envelope that a relay has brought and nothing opens yet. Key: frame id.
    Unopened = 26, "unopened", since 7;
    /// One piece of a room message that is not whole yet. Key: device id, room id, place (1 B).
    Piece = 27, "piece", since 7;
    /// What a friend was given of our lifelines. Key: Peer ID.
    Lifeline = 28, "lifeline", since 7;
    /// What is known of a device's lifeline for us. Key: device id.
    HeldLifeline = 29, "held_lifeline", since 7;
    /// One package of ours, or the seat in rooms that has come of it. Key: the leaf's signature public key.
    OwnPackage = 30, "own_package", since 7;
    /// One shared room. Key: room id.
    Group = 31, "shared_room", since 7;
    /// One epoch of a shared room that was left and may come back. Key: room id, then its number (8 B).
    Step = 32, "step", since 7;
    /// One commit of a shared room. Key: room id, then the epoch that it leads to.
    Commit = 33, "room_commit", since 7;
    /// How a member of a shared room is written to. Key: room id, then the leaf's signature public key.
    Seat = 34, "seat", since 7;
    /// What is to be so in a shared room. Key: room id, then the wish's id.
    Wish = 35, "wish", since 7;
    /// A Welcome that its device does not have yet; one for us that waits until we are out of its room. Key: room id, then device id.
    Invitation = 36, "invitation", since 7;
    /// Who was in a shared room. Key: room id, then epoch.
    Audience = 37, "audience", since 7;
    /// Who has a text of ours in a shared room. Key: arrival number (8 B).
    Tally = 38, "tally", since 7;
    /// What the user has set for a shared room. Key: room id.
    RoomNote = 39, "room_note", since 7;
    /// An envelope that is carried for somebody, or the receipt that is brought back. Key: device id of who gets it, then a
    /// number (8 B).
    Carried = 40, "carried", since 8;
    /// What opens knocks at a room. Key: room id, then what the room is called at its hubs.
    KnockKey = 41, "knock_key", since 9;
    /// A card of ours for a room. Key: room id.
    Card = 42, "card", since 9;
    /// A knock of ours. Key: request id.
    Knock = 43, "knock", since 9;
    /// A knock of somebody's at a room of ours. Key: request id.
    HeardKnock = 44, "heard_knock", since 9;
    /// Another device of our own person. Key: its Peer ID.
    Sibling = 45, "sibling", since 9;
    /// How our person stands to somebody, as our devices agree. Key: their Peer ID.
    Person = 46, "person", since 9;
    /// Which devices a person has, by their second root key. Key: the person's Peer ID.
    Listed = 47, "listed", since 10;
    /// What is being written in one conversation and was not sent. Key: 0 and a Peer ID, or 1 and a room id.
    Draft = 48, "draft", since 11;
}

/// One write to a durable table. The shell applies it inside the turn's transaction, at
/// once after the input that caused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets the value under a key.
    Put(Table, Vec<u8>, Vec<u8>),
    /// Removes a key; nothing happens when it is not there.
    Delete(Table, Vec<u8>),
    /// Lets a text be found by its words, under a number that no other text has; see
    /// [`Shelf::search`](crate::world::Shelf::search).
    Index(u64, String),
    /// Takes a text out of the index again: exactly the number and text that went in.
    Unindex(u64, String),
    /// Takes every text out of the index.
    ClearIndex,
}

impl Change {
    /// The table it writes to; the index of words is none.
    pub fn table(&self) -> Option<Table> {
        match self {
            Self::Put(table, ..) | Self::Delete(table, _) => Some(*table),
            Self::Index(..) | Self::Unindex(..) | Self::ClearIndex => None,
        }
    }
}

//! The messages of `/symbolon/room/1`: what newcomers and members of a room say to its hub. One question and one answer on
//! each stream; the protocol page is `docs/protocol/vouching.md`.
//!
//! A hub sees what a room is called there, which is the hash of a key that only its members have, numbers that were drawn
//! for one knock, and sealed bytes of fixed lengths. Members show by that key that they are members, and not which.

use minicbor::{Decode, Encode};
use symbolon_presence::id::{ListenerId, Nonce, PublicKeyBytes, RoomAlias, SignatureBytes};
use symbolon_presence::kdf::hash;
use symbolon_presence::labels::{HASH_CONTEXT, HASH_ROOM_ALIAS, SIGN_HUB};
use symbolon_presence::sign::{SigningKey, VerifyingKey};

/// Bytes of a knock, and of what a member says to it: a voucher's word and a pass have the same length.
pub const KNOCK_LEN: usize = 3_184;
/// Bytes of what a newcomer answers to a voucher.
pub const RESPONSE_LEN: usize = 6_256;
/// The longest message, in bytes.
pub const MESSAGE_MAX: usize = RESPONSE_LEN + 256;

/// What a hub is asked.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Ask {
    /// Newcomer: hand this knock to the members. Once more with the same bytes: ask those who were not asked yet.
    #[n(0)]
    Knock(#[n(0)] Knock),
    /// Newcomer: what have members said?
    #[n(1)]
    Await(#[n(0)] Await),
    /// Newcomer: this is for the member who said that.
    #[n(2)]
    Respond(#[n(0)] Respond),
    /// Member: what is there for me?
    #[n(3)]
    Listen(#[n(0)] Listen),
    /// Member: this is for the one who knocks.
    #[n(4)]
    Say(#[n(0)] Say),
}

/// Somebody knocks: `identity` of the source.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Knock {
    /// The room.
    #[n(0)]
    pub alias: RoomAlias,
    /// Drawn for this knock.
    #[n(1)]
    pub nonce: Nonce,
    /// For the room's members; [`KNOCK_LEN`] bytes.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// Somebody who has knocked waits.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Await {
    /// The room.
    #[n(0)]
    pub alias: RoomAlias,
    /// The knock.
    #[n(1)]
    pub nonce: Nonce,
    /// How many words of members have come already.
    #[n(2)]
    pub had: u16,
    /// Whether it was said already that all who listen were asked.
    #[n(3)]
    pub is_closed: bool,
}

/// Somebody who has knocked answers a member.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Respond {
    /// The room.
    #[n(0)]
    pub alias: RoomAlias,
    /// The knock.
    #[n(1)]
    pub nonce: Nonce,
    /// Which word of a member it answers, from 0.
    #[n(2)]
    pub to: u16,
    /// For that member; [`RESPONSE_LEN`] bytes.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// A member listens.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Listen {
    /// What shows that it is a member.
    #[n(0)]
    pub member: Member,
    /// How much of what there was for it has come already.
    #[n(1)]
    pub had: u16,
}

/// A member's word to a knock: a voucher's, or a pass, which looks the same.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Say {
    /// What shows that it is a member.
    #[n(0)]
    pub member: Member,
    /// The knock.
    #[n(1)]
    pub nonce: Nonce,
    /// For who knocks; [`KNOCK_LEN`] bytes.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// What shows that somebody is a member of a room, and not which.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Member {
    /// The public half of the key that all members have; the alias is its hash.
    #[n(0)]
    pub key: PublicKeyBytes,
    /// Which of those who listen.
    #[n(1)]
    pub listener: ListenerId,
    /// By that key.
    #[n(2)]
    pub signature: SignatureBytes,
}

/// What a hub answers.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub enum Answer {
    /// To a Knock, Respond or Say: it is taken.
    #[n(0)]
    Ack,
    /// It is not.
    #[n(1)]
    Refused(#[n(0)] Refusal),
    /// To an Await or Listen: nothing until now; ask again.
    #[n(2)]
    Nothing,
    /// To a Listen: somebody knocks (`new_user` of the source).
    #[n(3)]
    Knocks(#[n(0)] Nonce, #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>),
    /// To a Listen: who has knocked answers.
    #[n(4)]
    Responds(#[n(0)] Nonce, #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>),
    /// To an Await: a member has said this; the first word has the number 0.
    #[n(5)]
    Said(#[n(0)] u16, #[cbor(n(1), with = "minicbor::bytes")] Vec<u8>),
    /// To an Await: all who listen were asked.
    #[n(6)]
    Closed,
}

/// Why a hub does not take something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// It is beyond its bounds, or its signature is not good.
    #[n(0)]
    Malformed,
    /// No member of this room has listened here, or the knock is not known here.
    #[n(1)]
    Unknown,
    /// There is no room for more.
    #[n(2)]
    Full,
}

/// What a room is called at its hub.
pub fn alias(key: &PublicKeyBytes) -> RoomAlias {
    RoomAlias(hash(HASH_ROOM_ALIAS, &[key.as_bytes()]).0)
}

fn said(about: Option<(&Nonce, &[u8])>) -> Vec<u8> {
    match about {
        None => Vec::new(),
        Some((nonce, sealed)) => [nonce.as_bytes().as_slice(), sealed].concat(),
    }
}

impl Member {
    fn sign(key: &SigningKey, listener: ListenerId, about: Option<(&Nonce, &[u8])>) -> Self {
        let context = hash(HASH_CONTEXT, &[listener.as_bytes()]);
        Self { key: key.public(), listener, signature: key.sign(SIGN_HUB, &context, &said(about)) }
    }

    /// The room that it shows to be a member of, if it does.
    fn verify(&self, about: Option<(&Nonce, &[u8])>) -> Option<RoomAlias> {
        let context = hash(HASH_CONTEXT, &[self.listener.as_bytes()]);
        VerifyingKey::parse(&self.key).ok()?.verify(SIGN_HUB, &context, &said(about), &self.signature).ok()?;
        Some(alias(&self.key))
    }
}

impl Listen {
    /// Listens with the key that all members have.
    pub fn sign(key: &SigningKey, listener: ListenerId, had: u16) -> Self {
        Self { member: Member::sign(key, listener, None), had }
    }

    /// The room whose member it is of.
    pub fn room(&self) -> Option<RoomAlias> {
        self.member.verify(None)
    }
}

impl Say {
    /// Says something to who knocks.
    pub fn sign(key: &SigningKey, listener: ListenerId, nonce: Nonce, sealed: Vec<u8>) -> Self {
        let member = Member::sign(key, listener, Some((&nonce, &sealed)));
        Self { member, nonce, sealed }
    }

    /// The room whose member it is of.
    pub fn room(&self) -> Option<RoomAlias> {
        self.member.verify(Some((&self.nonce, &self.sealed)))
    }
}

impl Ask {
    /// The room that it is about, as it says.
    pub fn room(&self) -> RoomAlias {
        match self {
            Self::Knock(Knock { alias, .. }) | Self::Await(Await { alias, .. }) | Self::Respond(Respond { alias, .. }) => *alias,
            Self::Listen(Listen { member, .. }) | Self::Say(Say { member, .. }) => alias(&member.key),
        }
    }

    /// Whether what is sealed in it has its length.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Knock(Knock { sealed, .. }) | Self::Say(Say { sealed, .. }) => sealed.len() == KNOCK_LEN,
            Self::Respond(Respond { sealed, .. }) => sealed.len() == RESPONSE_LEN,
            Self::Await(_) | Self::Listen(_) => true,
        }
    }
}

impl Answer {
    /// Whether what is sealed in it has its length.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Knocks(_, sealed) | Self::Said(_, sealed) => sealed.len() == KNOCK_LEN,
            Self::Responds(_, sealed) => sealed.len() == RESPONSE_LEN,
            Self::Ack | Self::Refused(_) | Self::Nothing | Self::Closed => true,
        }
    }
}

messages!(MESSAGE_MAX, |message| message.is_bounded(); Ask Answer);
opaque_debug!(Ask Answer Knock Await Respond Listen Say Member);

#[cfg(test)]
mod tests {
    use super::*;

    const ALIAS: RoomAlias = RoomAlias([1; 32]);
    const NONCE: Nonce = Nonce([2; 16]);

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_seed(&[byte; 32])
    }

    #[test]
    fn messages_read_back_and_nothing_else_is_accepted() {
        let listener = ListenerId([3; 16]);
        let asks = [
            Ask::Knock(Knock { alias: ALIAS, nonce: NONCE, sealed: vec![1; KNOCK_LEN] }),
            Ask::Await(Await { alias: ALIAS, nonce: NONCE, had: u16::MAX, is_closed: true }),
            Ask::Respond(Respond { alias: ALIAS, nonce: NONCE, to: 1, sealed: vec![1; RESPONSE_LEN] }),
            Ask::Listen(Listen::sign(&key(1), listener, 7)),
            Ask::Say(Say::sign(&key(1), listener, NONCE, vec![1; KNOCK_LEN])),
        ];
        for ask in asks {
            let bytes = ask.encode();
            assert!(bytes.len() <= MESSAGE_MAX);
            assert_eq!(Ask::decode(&bytes), Ok(ask));
            assert!(Ask::decode(&[&bytes[..], &[0]].concat()).is_err());
            assert!((0..bytes.len()).step_by(7).all(|cut| Ask::decode(&bytes[..cut]).is_err()));
        }
        let answers = [
            Answer::Ack,
            Answer::Refused(Refusal::Full),
            Answer::Nothing,
            Answer::Knocks(NONCE, vec![1; KNOCK_LEN]),
            Answer::Responds(NONCE, vec![1; RESPONSE_LEN]),
            Answer::Said(1, vec![1; KNOCK_LEN]),
            Answer::Closed,
        ];
        for answer in answers {
            let bytes = answer.encode();
            assert!(bytes.len() <= MESSAGE_MAX);
            assert_eq!(Answer::decode(&bytes), Ok(answer));
            assert!((0..bytes.len()).step_by(7).all(|cut| Answer::decode(&bytes[..cut]).is_err()));
        }
    }

    #[test]
    fn what_is_sealed_has_one_length() {
        for length in [0, KNOCK_LEN - 1, KNOCK_LEN + 1] {
            let sealed = vec![1; length];
            assert!(Ask::decode(&Ask::Knock(Knock { alias: ALIAS, nonce: NONCE, sealed: sealed.clone() }).encode()).is_err());
            assert!(Answer::decode(&Answer::Said(0, sealed).encode()).is_err());
        }
    }

    #[test]
    fn only_who_has_the_key_of_a_room_is_its_member_and_says_what_it_signed() {
        let (one, two) = (ListenerId([3; 16]), ListenerId([4; 16]));
        let listen = Listen::sign(&key(1), one, 0);
        assert_eq!(listen.room(), Some(alias(&key(1).public())));
        assert_ne!(listen.room(), Some(alias(&key(2).public())));
        let mut other = listen.clone();
        other.member.listener = two;
        assert_eq!(other.room(), None);
        let mut posed = listen.clone();
        posed.member.key = key(2).public();
        assert_eq!(posed.room(), None);
        let say = Say::sign(&key(1), one, NONCE, vec![1; KNOCK_LEN]);
        assert_eq!(say.room(), listen.room());
        let mut swapped = say.clone();
        swapped.sealed = vec![2; KNOCK_LEN];
        assert_eq!(swapped.room(), None);
        let mut moved = say.clone();
        moved.nonce = Nonce([9; 16]);
        assert_eq!(moved.room(), None);
        // What was signed to listen says nothing.
        assert_eq!(Say { member: listen.member, ..say }.room(), None);
    }
}

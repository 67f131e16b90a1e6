//! The bytes that members exchange: a kind, a body in CBOR, a check value.

use super::epoch::{Epoch, hash};
use crate::wire::WHOLE_MAX;
use crate::world::{CipherError, LeafKey, Member};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;
use symbolon_presence::id::{Digest, PublicKeyBytes, RoomId};
use symbolon_presence::time::Timestamp;

/// What a message is: its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Package = 1,
    Info = 2,
    Welcome = 3,
    Commit = 4,
    Text = 5,
}

/// The key of the check value where everybody may check.
pub(super) const PUBLIC: Digest = Digest([0; 32]);

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct WireMember {
    #[n(0)]
    pub index: u32,
    #[n(1)]
    pub leaf: PublicKeyBytes,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub credential: Vec<u8>,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct PackageBody {
    #[n(0)]
    pub leaf: PublicKeyBytes,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub credential: Vec<u8>,
    #[n(2)]
    pub not_before: Timestamp,
    #[n(3)]
    pub not_after: Timestamp,
    #[n(4)]
    pub nonce: Digest,
    #[n(5)]
    pub last_resort: bool,
    #[cbor(n(6), with = "minicbor::bytes")]
    pub queue: Vec<u8>,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct InfoBody {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub number: u64,
    #[n(2)]
    pub confirmation: Digest,
    #[n(3)]
    pub external: Digest,
    #[n(4)]
    pub members: Vec<WireMember>,
    #[n(5)]
    pub state: Option<Digest>,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct WelcomeBody {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub number: u64,
    #[n(2)]
    pub secret: Digest,
    #[n(3)]
    pub members: Vec<WireMember>,
    #[n(4)]
    pub packages: Vec<Digest>,
    #[n(5)]
    pub state: Option<Digest>,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct CommitBody {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub number: u64,
    /// Nobody in an external commit.
    #[n(2)]
    pub sender: Option<u32>,
    #[n(3)]
    pub generation: u32,
    #[n(4)]
    pub random: Digest,
    #[n(5)]
    pub add: Vec<WireMember>,
    #[n(6)]
    pub remove: Vec<u32>,
    #[n(7)]
    pub psk: Option<Digest>,
    #[n(8)]
    pub confirmation: Digest,
    /// None when the commit leaves the room state as it is.
    #[n(9)]
    pub state: Option<Digest>,
    /// None when there is none, as in a room of two.
    #[n(10)]
    pub aad: Option<ByteVec>,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct TextBody {
    #[n(0)]
    pub room: RoomId,
    #[n(1)]
    pub number: u64,
    #[n(2)]
    pub sender: u32,
    #[n(3)]
    pub generation: u32,
    #[cbor(n(4), with = "minicbor::bytes")]
    pub aad: Vec<u8>,
    #[cbor(n(5), with = "minicbor::bytes")]
    pub plaintext: Vec<u8>,
}

impl CommitBody {
    /// Computes the epoch that the commit leads to from what its maker and its receivers
    /// share, the room state before among it, and writes its confirmation into the commit.
    pub fn confirm(&mut self, base: Digest, psk: Option<Digest>, members: BTreeMap<u32, Member>, before: Option<Digest>) -> Epoch {
        self.confirmation = Digest([0; 32]);
        let content = minicbor::to_vec(&*self).unwrap_or_default();
        let state = self.state.or(before);
        let psk = psk.unwrap_or(PUBLIC);
        let mut parts = vec![base.as_bytes().as_slice(), psk.as_bytes(), &content];
        parts.extend(state.as_ref().map(|state| state.as_bytes().as_slice()));
        let secret = hash("next", &parts);
        let epoch = Epoch::new(self.room, self.number.saturating_add(1), secret, members, state);
        self.confirmation = epoch.confirmation();
        epoch
    }
}

impl From<&Member> for WireMember {
    fn from(member: &Member) -> Self {
        Self { index: member.index, leaf: PublicKeyBytes(member.leaf.0), credential: member.credential.clone() }
    }
}

impl From<WireMember> for Member {
    fn from(member: WireMember) -> Self {
        Self { index: member.index, leaf: LeafKey(member.leaf.0), credential: member.credential }
    }
}

/// A check value not compared yet: the key is known only after reading the body.
#[derive(Debug)]
pub(super) struct Check<'a> {
    content: &'a [u8],
    value: &'a [u8],
}

impl Check<'_> {
    /// Refuses the message unless it was made with this key and not altered since.
    pub fn with(&self, key: &Digest) -> Result<(), CipherError> {
        if hash("check", &[&key.0, self.content]).as_bytes() == self.value { Ok(()) } else { Err(CipherError::Broken) }
    }
}

/// Writes a message.
pub(super) fn write<T: Encode<()>>(kind: Kind, body: &T, key: &Digest) -> Vec<u8> {
    let mut bytes = vec![kind as u8];
    bytes.extend(minicbor::to_vec(body).unwrap_or_default());
    let check = hash("check", &[&key.0, &bytes]);
    bytes.extend(check.as_bytes());
    bytes
}

/// What a message says it is.
pub(super) fn kind(bytes: &[u8]) -> Option<Kind> {
    [Kind::Package, Kind::Info, Kind::Welcome, Kind::Commit, Kind::Text].into_iter().find(|kind| bytes.first() == Some(&(*kind as u8)))
}

/// Reads a message; nothing in it counts before its check value has been compared.
pub(super) fn read<'a, T: Decode<'a, ()>>(wanted: Kind, bytes: &'a [u8]) -> Result<(T, Check<'a>), CipherError> {
    if kind(bytes) != Some(wanted) || bytes.len() > WHOLE_MAX {
        return Err(CipherError::Broken);
    }
    let split = bytes.len().checked_sub(Digest::LEN).ok_or(CipherError::Broken)?;
    let (content, value) = bytes.split_at_checked(split).ok_or(CipherError::Broken)?;
    let body = minicbor::decode(content.get(1..).ok_or(CipherError::Broken)?).map_err(|_| CipherError::Broken)?;
    Ok((body, Check { content, value }))
}

/// Reads a message that everybody may check.
pub(super) fn read_public<'a, T: Decode<'a, ()>>(wanted: Kind, bytes: &'a [u8]) -> Result<T, CipherError> {
    let (body, check) = read(wanted, bytes)?;
    check.with(&PUBLIC)?;
    Ok(body)
}

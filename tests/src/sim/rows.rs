//! What the invariants read of stored rows: the fields that they need, by their keys.

use super::store::MemoryStore;
use minicbor::Decode;
use symbolon_core::command::{Direction, MessageState, RequestStatus};
use symbolon_core::table::Table;
use symbolon_presence::id::{DeviceId, FrameId, MessageId, PeerId, RequestId, RoomId};
use symbolon_presence::identity::Chain;
use symbolon_presence::seeds::{Opener, Ratchet};
use symbolon_presence::time::Timestamp;

/// A message.
#[derive(Debug, Clone, Decode)]
#[cbor(map)]
pub struct MessageRow {
    /// The message.
    #[n(0)]
    pub id: MessageId,
    /// Who wrote it.
    #[n(1)]
    pub from: PeerId,
    /// When, by the writer's clock.
    #[n(2)]
    pub at: Timestamp,
    /// How far it got.
    #[n(3)]
    pub state: MessageState,
    /// The text.
    #[n(4)]
    pub text: String,
    /// Why it was given up, as stored.
    #[n(5)]
    pub fault: Option<u32>,
}

/// Reasons for giving a message up, as stored.
pub mod fault {
    /// The other device has signed that it does not take it.
    pub const REFUSED: u32 = 2;
    /// The friendship was ended here.
    pub const ENDED: u32 = 4;
    /// Its time was up.
    pub const EXPIRED: u32 = 5;
}

/// A friend.
#[derive(Debug, Clone, Decode)]
#[cbor(map)]
pub struct FriendRow {
    /// Who.
    #[n(0)]
    pub peer: PeerId,
    /// 0 half, 1 mutual, 2 ended.
    #[n(3)]
    pub state: u32,
    /// Whether blocked.
    #[n(4)]
    pub blocked: bool,
    /// The connection room.
    #[n(6)]
    pub room: RoomId,
    /// Texts that wait for the other side's confirmation.
    #[n(11)]
    pub held: Vec<u64>,
}

impl FriendRow {
    /// Bundles are exchanged.
    pub const MUTUAL: u32 = 1;
    /// Ended here.
    pub const ENDED: u32 = 2;
}

/// A device of somebody else.
#[derive(Debug, Clone, Decode)]
#[cbor(map)]
pub struct DeviceRow {
    /// Whose.
    #[n(1)]
    pub peer: PeerId,
    /// Its certificate.
    #[n(2)]
    pub chain: Chain,
}

/// The serial and the end of a device's certificate, as a node has it.
pub fn certificate(store: &MemoryStore, device: &DeviceId) -> Option<(u64, Timestamp)> {
    let row: DeviceRow = store.rows(Table::Device).find(|(key, _)| key.as_slice() == device.as_bytes()).map(|(_, row)| read(row))?;
    row.chain.body().map(|body| (body.serial, body.not_after))
}

/// The rows of single devices among those of [`Table::Channel`], by their ids.
pub fn channels(store: &MemoryStore) -> impl Iterator<Item = (&Vec<u8>, ChannelRow)> {
    store.rows(Table::Channel).filter(|(key, _)| key.len() == DeviceId::LEN).map(|(key, row)| (key, read(row)))
}

/// The rows of devices in rooms.
pub fn sequences(store: &MemoryStore) -> impl Iterator<Item = SequencesRow> {
    store.rows(Table::Channel).filter(|(key, _)| key.len() == DeviceId::LEN + RoomId::LEN).map(|(_, row)| read(row))
}

/// What opens envelopes of devices, by device, the oldest seed first.
pub fn inbound(store: &MemoryStore) -> impl Iterator<Item = (DeviceId, InboundRow)> {
    let lines = store.rows(Table::Channel).filter(|(key, _)| key.len() == DeviceId::LEN + 8);
    lines.filter_map(|(key, row)| Some((DeviceId::from_slice(key.get(..DeviceId::LEN)?)?, read(row))))
}

/// What opens envelopes of a device under one seed of ours.
#[derive(Clone, Decode)]
#[cbor(map)]
pub struct InboundRow {
    /// Which seed.
    #[n(0)]
    pub number: u64,
    /// The keys that are left.
    #[n(2)]
    pub opener: Opener,
}

impl InboundRow {
    /// Whether an envelope can be opened by a key that was skipped, or by the next one.
    pub fn opens(&self, envelope: &[u8]) -> bool {
        self.opener.skipped().chain(std::iter::once(self.opener.next())).any(|counter| self.opener.open(counter, envelope).is_ok())
    }
}

/// What became of some of a device's envelopes, or of what was inside.
#[derive(Decode)]
#[cbor(map)]
struct TakenRow {
    /// Nine bytes for each number: what became of it, and how its id begins.
    #[cbor(n(2), with = "minicbor::bytes")]
    notes: Vec<u8>,
}

/// Whether an envelope was taken in as delivered.
pub fn is_taken(store: &MemoryStore, frame: &FrameId) -> bool {
    let alone = store.rows(Table::Seen).find(|(key, _)| key.as_slice() == frame.as_bytes());
    if let Some((_, row)) = alone {
        return row.get(8) == Some(&0);
    }
    let newest = store.rows(Table::Channel).filter(|(key, _)| key.len() == DeviceId::LEN + 8 + 1);
    let older = store.rows(Table::Seen).filter(|(key, _)| key.len() == DeviceId::LEN + 8 + 1 + 8);
    newest.chain(older).any(|(_, row)| {
        let TakenRow { notes } = read(row);
        notes.chunks(9).any(|note| note[0] & 3 == 1 && frame.as_bytes().starts_with(&note[1..]))
    })
}

/// What seals envelopes to a device.
#[derive(Clone, Decode)]
#[cbor(map)]
pub struct OutboundRow {
    /// Under which seed of the device's.
    #[n(0)]
    pub number: u64,
    /// The keys to come.
    #[n(2)]
    pub ratchet: Ratchet,
    /// One more than the highest counter that was acknowledged.
    #[n(3)]
    pub acknowledged: u64,
}

/// How far a device and this one are in envelopes.
#[derive(Clone, Decode)]
#[cbor(map)]
pub struct ChannelRow {
    /// How many rows its outbox has.
    #[n(4)]
    pub outbox_count: u64,
    /// What seals envelopes to it.
    #[n(11)]
    pub outbound: Option<OutboundRow>,
    /// Which rows of its outbox are in memory alone.
    #[n(14)]
    pub young: Option<Vec<YoungRow>>,
}

/// A text whose outbox row is in memory alone.
#[derive(Debug, Clone, Decode)]
pub struct YoungRow {
    /// The row's number.
    #[n(0)]
    pub number: u64,
}

/// How far a device and this one are in a room.
#[derive(Debug, Clone, Decode)]
#[cbor(map)]
pub struct SequencesRow {
    /// Sequence of the next ordered frame to it.
    #[n(0)]
    pub send: u64,
    /// Sequence of the next ordered frame from it.
    #[n(1)]
    pub receive: u64,
}

/// A request.
#[derive(Debug, Clone, Decode)]
#[cbor(map)]
pub struct RequestRow {
    /// Its name here.
    #[n(0)]
    pub id: RequestId,
    /// Who asked.
    #[n(2)]
    pub direction: Direction,
    /// The other person.
    #[n(3)]
    pub peer: PeerId,
    /// Where it stands.
    #[n(7)]
    pub status: RequestStatus,
}

/// A package of ours.
#[derive(Debug, Clone, Decode)]
#[cbor(map)]
pub struct OwnPackageRow {
    /// Whether it is handed out again and again.
    #[n(9)]
    pub last_resort: bool,
    /// When others took its place.
    #[n(11)]
    pub replaced: Option<Timestamp>,
    /// How many rooms were entered by it.
    #[n(12)]
    pub seats: u32,
}

/// Reads a row of ours.
pub fn read<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> T {
    decode(bytes).expect("a row reads")
}

/// Reads what is encoded behind a version byte; fields that are not asked for are skipped.
pub fn decode<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Option<T> {
    minicbor::decode(bytes.get(1..)?).ok()
}

/// A row in words, for the log; nothing of most tables.
pub fn describe(table: Table, bytes: &[u8]) -> String {
    let text = if table == Table::Message {
        decode::<MessageRow>(bytes)
            .map(|row| format!(" {:?} {:?} fault {:?}", row.text.split('|').next().unwrap_or_default(), row.state, row.fault))
    } else if table == Table::Friend {
        decode::<FriendRow>(bytes).map(|row| {
            format!(" state {} blocked {} room {} held {}", row.state, row.blocked, super::trace::short(&row.room.0), row.held.len())
        })
    } else if table == Table::Request {
        decode::<RequestRow>(bytes).map(|row| format!(" {:?}", row.status))
    } else if table == Table::Channel {
        let outbox = decode::<ChannelRow>(bytes).map(|row| format!(" outbox {}", row.outbox_count));
        outbox.or_else(|| decode::<SequencesRow>(bytes).map(|row| format!(" sends {} awaits {}", row.send, row.receive)))
    } else {
        None
    };
    text.unwrap_or_default()
}

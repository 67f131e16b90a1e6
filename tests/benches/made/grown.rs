//! A folder grown by rows: many friends who are away, and a long history.
//!
//! One friend and one text are real. The other rows are theirs again with other ids in the same places. Nobody can write to
//! such a friend, because their room has no keys here; but a node holds, lists and calls them like all others.

use minicbor::{Decode, Encode};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::path::Path;
use symbolon_core::table::{Change, Table};
use symbolon_core::world::{RANGE_LIMIT, Rows, Shelf, ShelfMut};
use symbolon_node::folder::Folder;
use symbolon_node::store::{LOG_LIMIT, Store, Turn};
use symbolon_presence::codec::encode_row;
use symbolon_presence::id::{DeviceId, MessageId, PeerId, PublicKeyBytes, RoomId};
use symbolon_presence::identity::{Chain, peer_id};

/// What friends have of their own; other tables are not looked at.
const OF_FRIENDS: [Table; 8] =
    [Table::Friend, Table::Device, Table::Labels, Table::Room, Table::Channel, Table::Leaf, Table::Lifeline, Table::HeldLifeline];
/// Rows in one turn.
const BATCH: usize = 4_000;
/// So many texts come one after the other in one conversation.
const TALK: u64 = 100;

#[derive(Decode)]
#[cbor(map)]
struct FriendRow {
    #[n(0)]
    peer: PeerId,
    #[n(1)]
    petname: String,
    #[n(5)]
    conversation: RoomId,
    #[n(6)]
    room: RoomId,
    #[n(7)]
    devices: Vec<DeviceId>,
}

#[derive(Decode)]
#[cbor(map)]
struct DeviceRow {
    #[n(2)]
    chain: Chain,
}

#[derive(Decode)]
#[cbor(map)]
struct MessageRow {
    #[n(0)]
    id: MessageId,
    #[n(4)]
    text: String,
}

/// The whole row, as it is written again.
#[derive(Decode, Encode)]
#[cbor(map)]
struct CountersRow {
    #[n(0)]
    arrival: u64,
    #[n(1)]
    indexed: u64,
    #[n(2)]
    indexing: Option<u32>,
}

/// Makes more friends of the kind of the one who is called `like` (four letters), and a history that is spread over the
/// conversations of all friends. The newest message with `like` is the one whose row is repeated.
pub fn grow(folder: &Path, like: &str, friends: usize, messages: usize) {
    let folder = Folder::open(folder).unwrap();
    let store = folder.open_store(None).unwrap();
    let mut writer = Writer { store: &store, waiting: Vec::new() };
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let all: Vec<FriendRow> = rows(&writer.turn(), Table::Friend, &[]).iter().map(|(_, row)| row_of(row)).collect();
    let model = all.iter().find(|friend| friend.petname == like).unwrap();
    let mut conversations: Vec<RoomId> = all.iter().map(|friend| friend.conversation).collect();
    let device = model.devices[0];
    let bytes = writer.turn().get(Table::Device, device.as_bytes()).unwrap().unwrap();
    let root = row_of::<DeviceRow>(&bytes).chain.root;
    let old = [
        model.peer.as_bytes().to_vec(),
        model.conversation.as_bytes().to_vec(),
        model.room.as_bytes().to_vec(),
        device.as_bytes().to_vec(),
        root.as_bytes().to_vec(),
        like.as_bytes().to_vec(),
    ];
    let is_of = |bytes: &[u8]| old.iter().any(|old| bytes.windows(old.len()).any(|window| window == old));
    let mut models = Vec::new();
    for table in OF_FRIENDS {
        let found = rows(&writer.turn(), table, &[]).into_iter().filter(|(key, value)| is_of(key) || is_of(value));
        models.extend(found.map(|(key, value)| (table, key, value)));
    }
    for number in 0..friends {
        let (mut conversation, mut room, mut device, mut root) = ([0; 32], [0; 32], [0; 16], [0; 32]);
        rng.fill_bytes(&mut conversation);
        rng.fill_bytes(&mut device);
        rng.fill_bytes(&mut root);
        if model.room == model.conversation {
            room = conversation;
        } else {
            rng.fill_bytes(&mut room);
        }
        let peer = peer_id(&PublicKeyBytes(root));
        let new =
            [peer.as_bytes().to_vec(), conversation.into(), room.into(), device.into(), root.into(), format!("{number:04}").into_bytes()];
        for (table, key, value) in &models {
            writer.put(*table, replaced(key, &old, &new), replaced(value, &old, &new));
        }
        conversations.push(RoomId(conversation));
    }
    history(&mut writer, &mut rng, &conversations, model.conversation, messages as u64);
    writer.commit();
    store.finish().unwrap();
}

fn history(writer: &mut Writer<'_>, rng: &mut ChaCha20Rng, conversations: &[RoomId], of: RoomId, messages: u64) {
    if messages == 0 {
        return;
    }
    let key = [of.as_bytes().as_slice(), &u64::MAX.to_be_bytes()].concat();
    let (_, model) = writer.turn().range_back(Table::Message, &key, 1).unwrap().remove(0);
    let message: MessageRow = row_of(&model);
    let place = |part: &[u8]| model.windows(part.len()).position(|window| window == part).unwrap();
    let (id_at, text_at) = (place(message.id.as_bytes()), place(message.text.as_bytes()));
    let bytes = writer.turn().get(Table::Meta, b"counters").unwrap().unwrap();
    let counters: CountersRow = row_of(&bytes);
    assert!(encode_row(&counters) == bytes, "counters have a field that this bench does not know");
    let (first, end) = (counters.arrival, counters.arrival + messages);
    for number in first..end {
        let conversation = conversations[((number - first) / TALK) as usize % conversations.len()];
        let mut row = model.clone();
        // Ids begin with the time, so that of later texts are mostly higher.
        let mut id = message.id.as_bytes().to_vec();
        rng.fill_bytes(&mut id[8..]);
        let head = u64::from_be_bytes(id[..8].try_into().unwrap()).wrapping_add((number - first) << 16);
        id[..8].copy_from_slice(&head.to_be_bytes());
        row[id_at..id_at + id.len()].copy_from_slice(&id);
        // A word that no other text has, in the place of the first letters.
        let text = format!("mark{number:09}{}", &message.text[13..]);
        row[text_at..text_at + text.len()].copy_from_slice(text.as_bytes());
        let arrival = number.to_be_bytes();
        writer.put(Table::Message, [conversation.as_bytes().as_slice(), &arrival].concat(), row);
        writer.put(Table::MessageIndex, id, arrival.to_vec());
        if (number - first).is_multiple_of(TALK) {
            writer.put(Table::Arrival, arrival.to_vec(), conversation.as_bytes().to_vec());
        }
        writer.apply(Change::Index(number, text));
    }
    let counters = CountersRow { arrival: end, indexed: end, indexing: counters.indexing };
    writer.put(Table::Meta, b"counters".to_vec(), encode_row(&counters));
}

/// Changes, a batch in each turn.
struct Writer<'a> {
    store: &'a Store,
    waiting: Vec<Change>,
}

impl<'a> Writer<'a> {
    fn turn(&self) -> Turn<'a> {
        self.store.begin().unwrap()
    }

    fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.apply(Change::Put(table, key, value));
    }

    fn apply(&mut self, change: Change) {
        self.waiting.push(change);
        if self.waiting.len() >= BATCH {
            self.commit();
        }
    }

    fn commit(&mut self) {
        let mut turn = self.turn();
        for change in self.waiting.drain(..) {
            turn.apply(&change).unwrap();
        }
        turn.commit().unwrap();
        if self.store.is_log_past(LOG_LIMIT).unwrap() {
            self.store.checkpoint().unwrap();
        }
    }
}

/// A row behind its version.
fn row_of<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> T {
    minicbor::decode(&bytes[1..]).unwrap()
}

fn rows(shelf: &dyn Shelf, table: Table, from: &[u8]) -> Rows {
    let page = shelf.range(table, from, RANGE_LIMIT).unwrap();
    assert!(page.len() < RANGE_LIMIT, "a folder that is to grow is small");
    page
}

fn replaced(bytes: &[u8], old: &[Vec<u8>], new: &[Vec<u8>]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        if let Some(index) = old.iter().position(|old| bytes[at..].starts_with(old)) {
            out.extend_from_slice(&new[index]);
            at += old[index].len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

//! The MLS cipher against the conformance suite, and what concerns its rows.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::limits::{DIRTY_ROWS_MAX, GROUPS_MAX};
use super::storage::Kind;
use super::*;
use openmls::framing::{MlsMessageBodyIn, MlsMessageIn};
use openmls_traits::OpenMlsProvider as _;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use symbolon_core::conformance::Lab;
use symbolon_core::world::{CipherError, LeafKey, Lifetime, Opened, PackageKind, Proposals, RoomCipher};
use symbolon_presence::id::RoomId;
use symbolon_presence::time::Timestamp;
use tls_codec::DeserializeBytes as _;

type Rows = Rc<MemoryRows>;
type Cipher = MlsCipher<Rows>;

fn lab() -> Lab<Cipher> {
    Lab::new(
        || MlsCipher::new(Rows::default()),
        |mut cipher| {
            cipher.flush().unwrap();
            MlsCipher::new(cipher.into_rows())
        },
    )
}

mod hostile;
mod shared;

symbolon_core::conformance_tests!(lab());

const ROOM: RoomId = RoomId([1; 32]);
const LIFETIME: Lifetime = Lifetime { not_before: Timestamp(1_577_836_800_000), not_after: Timestamp(4_102_444_800_000) };

/// A copy of what a transaction would have left.
fn copy(rows: &Rows) -> Rows {
    Rc::new(MemoryRows::clone(rows))
}

fn create(cipher: &mut Cipher, room: RoomId) -> LeafKey {
    let leaf = cipher.fresh_leaf().unwrap();
    cipher.create(room, leaf, b"me", LIFETIME, None).unwrap();
    leaf
}

fn enter(cipher: &mut Cipher, info: &[u8]) -> Vec<u8> {
    let leaf = cipher.fresh_leaf().unwrap();
    cipher.share_psk(&[1; 32], &[2; 32]).unwrap();
    cipher.join_external(info, &[1; 32], leaf, b"you", LIFETIME).unwrap().commit
}

/// Two flushed members of [`ROOM`] with their rows.
fn pair() -> ((Cipher, Rows), (Cipher, Rows)) {
    let (rows_a, rows_b) = (Rows::default(), Rows::default());
    let (mut a, mut b) = (MlsCipher::new(rows_a.clone()), MlsCipher::new(rows_b.clone()));
    create(&mut a, ROOM);
    let commit = enter(&mut b, &a.offer(ROOM).unwrap());
    a.share_psk(&[1; 32], &[2; 32]).unwrap();
    let Opened::Commit(staged) = a.open(ROOM, &commit).unwrap() else { panic!("not a commit") };
    a.adopt(ROOM, staged.epoch).unwrap();
    a.complete(ROOM).unwrap();
    a.flush().unwrap();
    b.flush().unwrap();
    ((a, rows_a), (b, rows_b))
}

fn read(cipher: &mut Cipher, bytes: &[u8]) -> Vec<u8> {
    match cipher.open(ROOM, bytes).unwrap() {
        Opened::Text { plaintext, .. } => plaintext,
        Opened::Commit(_) => panic!("a commit"),
    }
}

#[test]
fn a_turn_that_is_not_flushed_leaves_no_trace_and_can_be_done_again() {
    let ((mut a, rows_a), (mut b, rows_b)) = pair();
    let texts: Vec<_> = (0..3u8).map(|n| a.seal(ROOM, &[n], b"").unwrap().bytes).collect();
    a.flush().unwrap();
    let before = (rows_a.clone(), copy(&rows_b));

    assert_eq!(read(&mut b, &texts[0]), [0]);
    let pending = b.commit(ROOM, &Proposals::default(), b"").unwrap();
    b.adopt(ROOM, pending.epoch).unwrap();
    create(&mut b, RoomId([9; 32]));
    b.share_psk(&[5; 32], &[6; 32]).unwrap();
    let rows = b.into_rows();
    assert_eq!(rows, before.1);

    let mut b = MlsCipher::new(rows);
    assert_eq!(b.epoch(ROOM), a.epoch(ROOM));
    assert_eq!(b.epoch(RoomId([9; 32])), Err(CipherError::Gone));
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(read(&mut b, text), [n as u8]);
    }
    b.flush().unwrap();
    let mut b = MlsCipher::new(b.into_rows());
    assert_eq!(b.open(ROOM, &texts[1]), Err(CipherError::Used));
    assert_ne!(copy(&rows_b), before.1);
}

#[test]
fn a_flush_after_many_texts_writes_the_rooms_secrets_once() {
    let ((mut a, _), (b, rows)) = pair();
    let counting = Counting { rows, puts: Cell::new(0) };
    drop(b);
    let mut b = MlsCipher::new(counting);
    for n in 0..64u8 {
        let text = a.seal(ROOM, &[n], b"").unwrap().bytes;
        assert!(matches!(b.open(ROOM, &text), Ok(Opened::Text { .. })));
    }
    b.flush().unwrap();
    b.flush().unwrap();
    assert_eq!(b.into_rows().puts.get(), 1);
}

#[test]
fn no_more_groups_than_the_bound_stay_in_memory_and_those_put_out_come_back_as_they_were() {
    let rows = Rows::default();
    let mut cipher = MlsCipher::new(rows.clone());
    let rooms: Vec<_> = (0..GROUPS_MAX as u16 + 100).map(|n| RoomId([n.to_be_bytes(); 16].concat().try_into().unwrap())).collect();
    let mut sealed = Vec::new();
    for room in &rooms {
        create(&mut cipher, *room);
        sealed.push(cipher.seal(*room, b"first", b"").unwrap().bytes);
        assert!(cipher.cached_groups() <= GROUPS_MAX);
    }
    assert_eq!(cipher.cached_groups(), GROUPS_MAX);
    // Nor more changed rows than their bound: the transaction takes them early.
    assert!(rows.len() > DIRTY_ROWS_MAX / 2);
    // The generation of the text sealed before counts: its key is not used again.
    let again = cipher.seal(rooms[0], b"first", b"").unwrap().bytes;
    assert_ne!(again, sealed[0]);
    let epoch = cipher.epoch(rooms[0]).unwrap();
    let info = cipher.offer(rooms[0]).unwrap();
    assert_eq!(cipher.inspect(&info).unwrap().epoch, epoch);
    cipher.flush().unwrap();
    let mut cipher = MlsCipher::new(cipher.into_rows());
    for room in &rooms {
        cipher.seal(*room, b"second", b"").unwrap();
    }
    assert_eq!(cipher.cached_groups(), GROUPS_MAX);
}

#[test]
fn a_forgotten_room_leaves_no_row() {
    let ((mut a, rows_a), (mut b, rows_b)) = pair();
    for _ in 0..7 {
        let pending = a.commit(ROOM, &Proposals::default(), b"").unwrap();
        a.adopt(ROOM, pending.epoch).unwrap();
        let Opened::Commit(staged) = b.open(ROOM, &pending.commit).unwrap() else { panic!("not a commit") };
        b.adopt(ROOM, staged.epoch).unwrap();
        a.flush().unwrap();
        b.flush().unwrap();
    }
    let pending = a.commit(ROOM, &Proposals::default(), b"").unwrap();
    b.open(ROOM, &pending.commit).unwrap();
    for (mut cipher, rows) in [(a, rows_a), (b, rows_b)] {
        cipher.flush().unwrap();
        assert!(rows.len() > 50);
        cipher.forget(ROOM).unwrap();
        cipher.flush().unwrap();
        assert_eq!(*rows, MemoryRows::default());
    }
}

/// The tree and its secrets are large with X-Wing; what changes with each text is not among them. Prints the sizes.
#[test]
fn a_text_rewrites_a_small_part_of_a_room() {
    let ((mut a, rows_a), (mut b, rows_b)) = pair();
    let whole: usize = rows_a.rows.borrow().clone().values().map(Vec::len).sum();
    let package_leaf = a.fresh_leaf().unwrap();
    let package = a.key_package(package_leaf, &[0; 80], LIFETIME, &PackageKind::default()).unwrap().len();
    let info = a.offer(ROOM).unwrap().len();
    // As many as a room remembers of which keys were used.
    for _ in 0..1_100 {
        let text = a.seal(ROOM, b"", b"").unwrap().bytes;
        read(&mut b, &text);
    }
    a.flush().unwrap();
    b.flush().unwrap();
    let text = a.seal(ROOM, &[7; 200], b"").unwrap().bytes;
    let (before_a, before_b) = (rows_a.rows.borrow().clone(), rows_b.rows.borrow().clone());
    a.flush().unwrap();
    read(&mut b, &text);
    b.flush().unwrap();
    let changed = |before: &BTreeMap<Vec<u8>, Vec<u8>>, after: &Rows| -> usize {
        after.rows.borrow().iter().filter(|(key, row)| before.get(*key) != Some(row)).map(|(_, row)| row.len()).sum()
    };
    let (sealing, opening) = (changed(&before_a, &rows_a), changed(&before_b, &rows_b));
    println!("rows of a room of two {whole} B, a text of 200 B {} B, rewritten by sealing {sealing} B, by opening {opening} B", text.len());
    println!("KeyPackage {package} B, GroupInfo of two {info} B");
    // What SQLite keeps in one page, with the key.
    assert!(sealing < 900 && opening < 900, "{sealing} {opening}");
}

#[test]
fn settling_erases_the_rows_of_kept_parents() {
    let ((mut a, rows), _) = pair();
    let before = rows.len();
    for _ in 0..3 {
        let pending = a.commit(ROOM, &Proposals::default(), b"").unwrap();
        a.adopt(ROOM, pending.epoch).unwrap();
    }
    a.flush().unwrap();
    assert!(rows.len() > before + 30);
    // A kept parent holds none of the secrets of the commit that led on.
    let states = |space: u8| -> Vec<usize> {
        let rows = rows.rows.borrow();
        rows.iter().filter(|(key, _)| key[..2] == [Kind::GroupState as u8, space]).map(|(_, value)| value.len()).collect()
    };
    assert_eq!(states(1), [states(0)[0]; 3]);
    a.complete(ROOM).unwrap();
    a.flush().unwrap();
    assert_eq!(rows.len(), before);
}

#[test]
fn used_packages_and_pre_shared_keys_leave_the_rows() {
    let ((mut a, _), _) = pair();
    let rows = Rows::default();
    let mut c = MlsCipher::new(rows.clone());
    let leaf = c.fresh_leaf().unwrap();
    let package = c.key_package(leaf, b"third", LIFETIME, &PackageKind::default()).unwrap();
    c.share_psk(&[7; 32], &[8; 32]).unwrap();
    c.flush().unwrap();
    let kinds = |rows: &Rows, kind: u8| rows.rows.borrow().keys().filter(|key| key[0] == kind).count();
    let (packages, psks) = (Kind::KeyPackage as u8, Kind::Psk as u8);
    assert_eq!((kinds(&rows, packages), kinds(&rows, psks)), (1, 1));
    let pending = a.commit(ROOM, &Proposals { add: vec![package], ..Proposals::default() }, b"").unwrap();
    c.join_welcome(&pending.welcome.unwrap()).unwrap();
    let other = RoomId([9; 32]);
    create(&mut a, other);
    let info = a.offer(other).unwrap();
    let leaf = c.fresh_leaf().unwrap();
    c.join_external(&info, &[7; 32], leaf, b"third", LIFETIME).unwrap();
    c.flush().unwrap();
    assert_eq!((kinds(&rows, packages), kinds(&rows, psks)), (0, 0));
}

#[test]
fn a_failing_store_is_said_and_not_taken_for_a_missing_room_or_a_bad_message() {
    let ((mut a, _), (b, rows)) = pair();
    drop(b);
    let text = a.seal(ROOM, b"text", b"").unwrap().bytes;
    let mut opened = 0;
    for allowed in 0..40 {
        let mut b = MlsCipher::new(Failing { rows: copy(&rows), left: Cell::new(allowed) });
        match b.open(ROOM, &text) {
            Err(CipherError::Store) => assert_eq!(b.flush(), Err(CipherError::Store)),
            Ok(Opened::Text { .. }) => opened += 1,
            other => panic!("after {allowed} calls: {other:?}"),
        }
    }
    // It takes at least a dozen rows to open a text, and far fewer than 40.
    assert!((10..29).contains(&opened), "{opened}");
}

#[test]
fn a_damaged_row_is_a_failing_store() {
    let (_, (b, rows)) = pair();
    drop(b);
    let keys: Vec<_> = rows.rows.borrow().keys().cloned().collect();
    let mut refused = 0;
    for key in keys {
        let damaged = copy(&rows);
        damaged.put(&key, &[0xC1]).unwrap();
        let cipher = MlsCipher::new(damaged);
        match cipher.epoch(ROOM) {
            Err(CipherError::Store) => refused += 1,
            // Rows that a text does not need: HPKE keys of the tree.
            Ok(_) => assert_eq!(key[0], Kind::EpochKeys as u8),
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 8);
}

#[test]
fn wire_formats_are_private_messages_except_for_external_commits() {
    let rows = Rows::default();
    let mut a = MlsCipher::new(Rows::default());
    create(&mut a, ROOM);
    let body = |bytes: &[u8]| MlsMessageIn::tls_deserialize_exact_bytes(bytes).unwrap().extract();
    let info = a.offer(ROOM).unwrap();
    assert!(matches!(body(&info), MlsMessageBodyIn::GroupInfo(_)));
    let mut b = MlsCipher::new(rows);
    assert!(matches!(body(&enter(&mut b, &info)), MlsMessageBodyIn::PublicMessage(_)));
    let leaf = b.fresh_leaf().unwrap();
    let package = b.key_package(leaf, b"", LIFETIME, &PackageKind::default()).unwrap();
    assert!(matches!(body(&package), MlsMessageBodyIn::KeyPackage(_)));
    let pending = a.commit(ROOM, &Proposals { add: vec![package], ..Proposals::default() }, b"").unwrap();
    assert!(matches!(body(&pending.commit), MlsMessageBodyIn::PrivateMessage(_)));
    assert!(matches!(body(&pending.welcome.unwrap()), MlsMessageBodyIn::Welcome(_)));
    assert!(matches!(body(&a.seal(ROOM, b"text", b"").unwrap().bytes), MlsMessageBodyIn::PrivateMessage(_)));
}

#[test]
fn lifetimes_are_exactly_as_given_and_expired_leaves_do_not_hinder_joining() {
    let (mut a, mut b, mut c) = (MlsCipher::new(Rows::default()), MlsCipher::new(Rows::default()), MlsCipher::new(Rows::default()));
    let past = Lifetime { not_before: Timestamp(1_500), not_after: Timestamp(31_536_000_001) };
    let leaf = b.fresh_leaf().unwrap();
    let package = b.key_package(leaf, b"you", past, &PackageKind::default()).unwrap();
    let seconds = [1u64.to_be_bytes(), 31_536_001u64.to_be_bytes()].concat();
    assert!(package.windows(16).any(|window| window == seconds));

    let leaf = a.fresh_leaf().unwrap();
    a.create(ROOM, leaf, b"me", past, None).unwrap();
    let info = a.offer(ROOM).unwrap();
    assert_eq!(c.inspect(&info).unwrap().members.len(), 1);
    enter(&mut c, &info);
    // Adding is the one place where OpenMLS insists on the wall clock.
    assert_eq!(a.commit(ROOM, &Proposals { add: vec![package], ..Proposals::default() }, b""), Err(CipherError::Broken));
    let leaf = c.fresh_leaf().unwrap();
    let package = c.key_package(leaf, b"third", LIFETIME, &PackageKind::default()).unwrap();
    let pending = a.commit(ROOM, &Proposals { add: vec![package], ..Proposals::default() }, b"").unwrap();
    c.forget(ROOM).unwrap();
    assert_eq!(c.join_welcome(&pending.welcome.unwrap()).unwrap().epoch, pending.epoch);
}

/// Counts writes.
struct Counting {
    rows: Rows,
    puts: Cell<usize>,
}

impl MlsRows for Counting {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        self.rows.get(key)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        self.puts.set(self.puts.get() + 1);
        self.rows.put(key, value)
    }

    fn delete(&self, key: &[u8]) -> Result<(), RowsError> {
        self.rows.delete(key)
    }
}

/// Fails after so many calls.
struct Failing {
    rows: Rows,
    left: Cell<usize>,
}

impl Failing {
    fn spend(&self) -> Result<(), RowsError> {
        let left = self.left.get().checked_sub(1).ok_or(RowsError)?;
        self.left.set(left);
        Ok(())
    }
}

impl MlsRows for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        self.spend()?;
        self.rows.get(key)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        self.spend()?;
        self.rows.put(key, value)
    }

    fn delete(&self, key: &[u8]) -> Result<(), RowsError> {
        self.spend()?;
        self.rows.delete(key)
    }
}

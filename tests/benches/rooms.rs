//! What a text, a commit, an add and a join cost in rooms of 10, 100 and 250 members with real MLS: CPU, bytes on the
//! wire, bytes of rows. Beside it, in the same run, what the signatures and seals alone cost, and mls-rs with the same suite.
//!
//! `cargo bench -p symbolon-tests --bench rooms`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/other_mls/provider.rs"]
mod provider;

use mls_rs::CipherSuiteProvider as _;
use provider::Suite;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;
use symbolon_core::world::{Lifetime, Opened, PackageKind, Proposals, RoomCipher};
use symbolon_node::mls::{MemoryRows, MlsCipher, MlsRows, RowsError};
use symbolon_presence::id::{Digest, RoomId};
use symbolon_presence::time::Timestamp;

const ROOM: RoomId = RoomId([7; 32]);
const LIFETIME: Lifetime = Lifetime { not_before: Timestamp(1_577_836_800_000), not_after: Timestamp(4_102_444_800_000) };
/// As long as a sealed leaf credential.
const CREDENTIAL: [u8; 80] = [1; 80];

/// Counts the bytes that are written.
#[derive(Default)]
struct Counting {
    rows: MemoryRows,
    written: Cell<usize>,
}

impl MlsRows for Counting {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        self.rows.get(key)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        self.written.set(self.written.get() + key.len() + value.len());
        self.rows.put(key, value)
    }

    fn delete(&self, key: &[u8]) -> Result<(), RowsError> {
        self.rows.delete(key)
    }
}

struct Member {
    cipher: MlsCipher<Rc<Counting>>,
    rows: Rc<Counting>,
}

impl Member {
    fn new() -> Self {
        let rows = Rc::new(Counting::default());
        Self { cipher: MlsCipher::new(rows.clone()), rows }
    }

    fn package(&mut self) -> Vec<u8> {
        let leaf = self.cipher.fresh_leaf().unwrap();
        self.cipher.key_package(leaf, &CREDENTIAL, LIFETIME, &PackageKind { last_resort: false, queue: vec![7; 1_000] }).unwrap()
    }

    /// Does something, flushed; milliseconds and bytes of rows.
    fn timed<T>(&mut self, what: impl FnOnce(&mut MlsCipher<Rc<Counting>>) -> T) -> (T, f64, usize) {
        self.cipher.flush().unwrap();
        let before = self.rows.written.get();
        let start = Instant::now();
        let done = what(&mut self.cipher);
        self.cipher.flush().unwrap();
        (done, start.elapsed().as_secs_f64() * 1e3, self.rows.written.get() - before)
    }

    fn follow(&mut self, commit: &[u8]) {
        let Ok(Opened::Commit(staged)) = self.cipher.open(ROOM, commit) else { panic!("not a commit") };
        self.cipher.adopt(ROOM, staged.epoch).unwrap();
        self.cipher.complete(ROOM).unwrap();
    }
}

/// Members with ciphers of their own, of `size`: the creator, the next, the last, and every eighth.
fn room(size: usize) -> Vec<Member> {
    let mut creator = Member::new();
    let leaf = creator.cipher.fresh_leaf().unwrap();
    creator.cipher.create(ROOM, leaf, &CREDENTIAL, LIFETIME, Some(Digest([1; 32]))).unwrap();
    let (mut others, mut add, mut idle) = (Vec::new(), Vec::new(), Member::new());
    for place in 1..size {
        if place == 1 || place + 1 == size || place % 8 == 0 {
            let mut member = Member::new();
            add.push(member.package());
            others.push(member);
        } else {
            add.push(idle.package());
        }
    }
    let pending = creator.cipher.commit(ROOM, &Proposals { add, ..Proposals::default() }, b"").unwrap();
    creator.cipher.adopt(ROOM, pending.epoch).unwrap();
    creator.cipher.complete(ROOM).unwrap();
    let welcome = pending.welcome.unwrap();
    println!("  all added by one commit: commit {} B, Welcome {} B", pending.commit.len(), welcome.len());
    for member in &mut others {
        member.cipher.join_welcome(&welcome).unwrap();
    }
    let mut members = vec![creator];
    members.append(&mut others);
    members
}

fn texts(members: &mut [Member], name: &str) {
    let (from, to) = members.split_at_mut(1);
    let (a, b) = (&mut from[0], &mut to[0]);
    let (mut seal, mut open, mut sealed_rows, mut opened_rows, mut wire) = (0.0, 0.0, 0, 0, 0);
    let count = 50;
    for _ in 0..count {
        let (text, time, rows) = a.timed(|cipher| cipher.seal(ROOM, &[9; 200], b"").unwrap().bytes);
        (seal, sealed_rows, wire) = (seal + time, sealed_rows + rows, text.len());
        let (_, time, rows) = b.timed(|cipher| cipher.open(ROOM, &text).unwrap());
        (open, opened_rows) = (open + time, opened_rows + rows);
    }
    let each = |total: f64| total / f64::from(count);
    println!(
        "  text of 200 B, {name}: {wire} B, seal {:.3} ms, {} B of rows; open {:.3} ms, {} B of rows",
        each(seal),
        sealed_rows / 50,
        each(open),
        opened_rows / 50
    );
}

fn commits(members: &mut [Member], name: &str) {
    let adds = |newcomer: &mut Member| Proposals { add: vec![newcomer.package()], ..Proposals::default() };
    for what in ["renews its leaf", "adds one"] {
        let mut newcomer = Member::new();
        let proposals = if what == "adds one" { adds(&mut newcomer) } else { Proposals::default() };
        let (a, others) = members.split_first_mut().unwrap();
        let (pending, make, made_rows) = a.timed(|cipher| cipher.commit(ROOM, &proposals, &[5; 100]).unwrap());
        let ((), adopt, adopt_rows) = a.timed(|cipher| cipher.adopt(ROOM, pending.epoch).unwrap());
        a.cipher.complete(ROOM).unwrap();
        let (staged, open, open_rows) = others[0].timed(|cipher| match cipher.open(ROOM, &pending.commit).unwrap() {
            Opened::Commit(staged) => staged,
            Opened::Text { .. } => panic!("a text"),
        });
        let ((), follow, follow_rows) = others[0].timed(|cipher| cipher.adopt(ROOM, staged.epoch).unwrap());
        others[0].cipher.complete(ROOM).unwrap();
        println!(
            "  commit that {what}, {name}: {} B, make {make:.1} ms, {made_rows} B of rows; adopt {adopt:.1} ms, {adopt_rows} B; open {open:.1} ms, {open_rows} B; follow {follow:.1} ms, {follow_rows} B",
            pending.commit.len()
        );
        for other in &mut others[1..] {
            other.follow(&pending.commit);
        }
        if let Some(welcome) = pending.welcome {
            let (_, time, rows) = newcomer.timed(|cipher| cipher.join_welcome(&welcome).unwrap());
            println!("  join, {name}: Welcome {} B, {time:.1} ms, {rows} B of rows", welcome.len());
        }
    }
}

/// Every member with a cipher renews its leaf, so that most parents of the tree have keys.
fn warm(members: &mut [Member]) {
    for place in 0..members.len() {
        let pending = members[place].cipher.commit(ROOM, &Proposals::default(), b"").unwrap();
        members[place].cipher.adopt(ROOM, pending.epoch).unwrap();
        members[place].cipher.complete(ROOM).unwrap();
        for (other, member) in members.iter_mut().enumerate() {
            if other != place {
                member.follow(&pending.commit);
            }
        }
    }
}

/// Milliseconds of one signature, one verification, one seal and one opening with X-Wing.
fn floor() {
    let (secret, public) = Suite.signature_key_generate().unwrap();
    let (kem_secret, kem_public) = Suite.kem_generate().unwrap();
    let each = |what: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..200).for_each(|_| what());
        start.elapsed().as_secs_f64() * 1e3 / 200.0
    };
    let signature = Suite.sign(&secret, &[7; 400]).unwrap();
    let sealed = Suite.hpke_seal(&kem_public, b"", None, &[7; 32]).unwrap();
    let sign = each(&mut || drop(Suite.sign(&secret, &[7; 400]).unwrap()));
    let verify = each(&mut || Suite.verify(&public, &signature, &[7; 400]).unwrap());
    let seal = each(&mut || drop(Suite.hpke_seal(&kem_public, b"", None, &[7; 32]).unwrap()));
    let open = each(&mut || drop(Suite.hpke_open(&sealed, &kem_secret, &kem_public, b"", None).unwrap()));
    println!("floor: sign {sign:.3} ms, verify {verify:.3} ms, seal {seal:.3} ms, open {open:.3} ms");
}

fn main() {
    // `cargo test --benches` and the like only want to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    floor();
    let only: Option<usize> = std::env::var("MEMBERS").ok().and_then(|size| size.parse().ok());
    for size in [10, 100, 250].into_iter().filter(|size| only.is_none_or(|only| only == *size)) {
        println!("{size} members:");
        let mut members = room(size);
        texts(&mut members, "flat tree");
        commits(&mut members, "flat tree");
        warm(&mut members);
        texts(&mut members, "used tree");
        for round in 0..3 {
            for place in 2..members.len() {
                let text = members[place].cipher.seal(ROOM, &[round; 200], b"").unwrap().bytes;
                members[0].cipher.open(ROOM, &text).unwrap();
                members[1].cipher.open(ROOM, &text).unwrap();
            }
        }
        texts(&mut members, "others have written");
        commits(&mut members, "used tree");
    }
}

//! What a text, a commit, an add and a join cost in rooms of 10, 100 and 250 members with real MLS: CPU, bytes on the
//! wire, bytes of rows. Beside it, in the same run, what the signatures and seals alone cost, and OpenMLS alone: with the same suite,
//! the same cryptography and rows in memory.
//!
//! `cargo bench -p symbolon-tests --bench rooms`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "rooms/bare.rs"]
mod bare;
#[path = "../tests/other_mls/provider.rs"]
mod provider;

use bare::Bare;
use mls_rs::CipherSuiteProvider as _;
use provider::Suite;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;
use symbolon_core::world::{LEAVES_MAX, Lifetime, Opened, PackageKind, Pending, Proposals, RoomCipher};
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

    /// Commits as one turn of a node does: made, adopted, and told to others.
    fn commits(&mut self, proposals: &Proposals) -> Pending {
        let pending = self.cipher.commit(ROOM, proposals, &[5; 100]).unwrap();
        self.cipher.adopt(ROOM, pending.epoch).unwrap();
        self.cipher.complete(ROOM).unwrap();
        pending
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

/// The same people in a group of OpenMLS's alone.
fn bare_room(size: usize) -> Vec<Bare> {
    let (mut creator, mut others, mut add, mut idle) = (Bare::new(), Vec::new(), Vec::new(), Bare::new());
    creator.create();
    for place in 1..size {
        if place == 1 || place + 1 == size || place % 8 == 0 {
            let mut member = Bare::new();
            add.push(member.package());
            others.push(member);
        } else {
            // OpenMLS takes each signature key once.
            idle = Bare::new();
            add.push(idle.package());
        }
    }
    drop(idle);
    let (_, welcome) = creator.commit(&add);
    let welcome = welcome.unwrap();
    others.iter_mut().for_each(|member| member.join(&welcome));
    let mut members = vec![creator];
    members.append(&mut others);
    members
}

fn warm_bare(members: &mut [Bare]) {
    for place in 0..members.len() {
        let (commit, _) = members[place].commit(&[]);
        for (other, member) in members.iter_mut().enumerate() {
            if other != place {
                member.follow(&commit);
            }
        }
    }
}

/// CPU milliseconds of this process so far; it counts in steps of ten.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) * 10.0
}

fn wall() -> f64 {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed().as_secs_f64() * 1e3
}

/// What was measured of ours and of OpenMLS alone, by turns.
#[derive(Default)]
struct Pair {
    ours: Vec<f64>,
    bare: Vec<f64>,
}

fn timed<T>(clock: fn() -> f64, times: &mut Vec<f64>, what: impl FnOnce() -> T) -> T {
    let start = clock();
    let done = what();
    times.push(clock() - start);
    done
}

impl Pair {
    fn print(&self, what: &str, of: impl Fn(&[f64]) -> f64) {
        let (ours, bare) = (of(&self.ours), of(&self.bare));
        println!("    {what}: ours {ours:.3} ms, OpenMLS alone {bare:.3} ms; ours takes {:.2} of it", ours / bare);
    }
}

/// Of what is short, the shortest: a machine that does other work beside makes some longer.
fn best(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Of what is long, the mean.
fn mean(times: &[f64]) -> f64 {
    times.iter().sum::<f64>() / times.len() as f64
}

/// Ours beside OpenMLS alone. Of ours all that a turn does: what is written is flushed, a parent is kept.
fn beside(members: &mut [Member], bare: &mut [Bare], size: usize, name: &str) {
    println!("  beside OpenMLS alone, {name}:");
    for writes in [true, false] {
        bare.iter_mut().for_each(|member| member.writes_secrets(writes));
        let (mut seal, mut open) = (Pair::default(), Pair::default());
        for _ in 0..100 {
            let text = timed(wall, &mut seal.ours, || {
                let text = members[0].cipher.seal(ROOM, &[9; 200], b"").unwrap().bytes;
                members[0].cipher.flush().unwrap();
                text
            });
            timed(wall, &mut open.ours, || {
                members[1].cipher.open(ROOM, &text).unwrap();
                members[1].cipher.flush().unwrap();
            });
            let text = timed(wall, &mut seal.bare, || bare[0].seal(&[9; 200]));
            timed(wall, &mut open.bare, || bare[1].open(&text));
        }
        let how = if writes { "its secrets written with each text" } else { "nothing written for a text" };
        seal.print(&format!("text sealed ({how})"), best);
        open.print(&format!("text opened ({how})"), best);
    }
    bare.iter_mut().for_each(|member| member.writes_secrets(true));
    let (mut add, mut follow, mut join) = (Pair::default(), Pair::default(), Pair::default());
    // Some more have to find a place after these.
    for _ in 0..(LEAVES_MAX - 1 - size).min(10) {
        let mut newcomer = Member::new();
        let proposals = Proposals { add: vec![newcomer.package()], ..Proposals::default() };
        let pending = timed(cpu, &mut add.ours, || {
            let pending = members[0].commits(&proposals);
            members[0].cipher.flush().unwrap();
            pending
        });
        timed(cpu, &mut follow.ours, || {
            members[1].follow(&pending.commit);
            members[1].cipher.flush().unwrap();
        });
        members[2..].iter_mut().for_each(|member| member.follow(&pending.commit));
        timed(cpu, &mut join.ours, || {
            newcomer.cipher.join_welcome(pending.welcome.as_ref().unwrap()).unwrap();
            newcomer.cipher.flush().unwrap();
        });

        let mut newcomer = Bare::new();
        let package = newcomer.package();
        let (commit, welcome) = timed(cpu, &mut add.bare, || bare[0].commit(std::slice::from_ref(&package)));
        timed(cpu, &mut follow.bare, || bare[1].follow(&commit));
        bare[2..].iter_mut().for_each(|member| member.follow(&commit));
        timed(cpu, &mut join.bare, || newcomer.join(welcome.as_ref().unwrap()));
    }
    add.print("one added, CPU of who adds", mean);
    follow.print("one added, CPU of a member", mean);
    join.print("join by Welcome, CPU", mean);
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
        let mut bare = bare_room(size);
        beside(&mut members, &mut bare, size, "flat tree");
        texts(&mut members, "flat tree");
        commits(&mut members, "flat tree");
        if size > 100 {
            // To use the tree takes a commit of every eighth, at every eighth: minutes.
            continue;
        }
        warm(&mut members);
        warm_bare(&mut bare);
        beside(&mut members, &mut bare, size, "used tree");
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

//! Pieces on real disks: two processes with the shell's turn loop, store and MLS, joined by sockets of this machine, are
//! killed by `kill -9` while pieces are on their way both ways.

use super::{A, B, say_long};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc as queues};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use symbolon_core::CoreConfig;
use symbolon_core::command::Path as By;
use symbolon_core::seam::{Announcement, DialId, Input, LinkId, NetAction, Network, Source, TransportKeys};
use symbolon_core::table::{Change, Table};
use symbolon_core::wire::PIECE_LEN;
use symbolon_core::world::{RoomCipher, ShelfMut};
use symbolon_node::clock::SystemClock;
use symbolon_node::folder::Folder;
use symbolon_node::health::Vitals;
use symbolon_node::mls::{MlsCipher, MlsRows, RowsError};
use symbolon_node::shell::live::LiveParts;
use symbolon_node::shell::{Ends, INPUT_QUEUE, Transport, run};
use symbolon_node::store::MlsTable;
use symbolon_presence::id::{PublicKeyBytes, RoomId};
use symbolon_presence::time::{MINUTE, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_tests::campaign::{Dice, files};
use symbolon_tests::sim::node::SimNode;
use symbolon_tests::sim::rooms::Rooms;
use symbolon_tests::sim::rows::{MessageRow, read};
use symbolon_tests::sim::run::{Faults, Ix, Sim, address};
use tokio::sync::{broadcast, mpsc, watch};

/// By which environment variable a process knows whose folder is its own.
const FOLDER: &str = "SYMBOLON_TEST_FOLDER";
/// Pieces of each message that is written, in the order of writing.
const LENGTHS: [usize; 3] = [2, 8, 16];

/// One that says nothing for so long has nothing left to say.
const PATIENCE: Duration = Duration::from_secs(6);

/// Processes killed at least.
const KILLS: usize = 8;

/// Rows of OpenMLS in memory, to be written to a disk afterwards.
#[derive(Clone, Default)]
struct MlsRowset(Rc<RefCell<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl MlsRows for MlsRowset {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        Ok(self.0.borrow().get(key).cloned())
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        self.0.borrow_mut().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<(), RowsError> {
        self.0.borrow_mut().remove(key);
        Ok(())
    }
}

struct MlsRooms(MlsCipher<MlsRowset>);

impl Rooms for MlsRooms {
    fn cipher(&mut self) -> &mut dyn RoomCipher {
        &mut self.0
    }

    fn keep(&mut self) -> bool {
        self.0.flush().is_ok()
    }

    fn withdraw(&mut self) {
        panic!("nobody dies before there are disks");
    }
}

/// Two friends who have written long messages to each other that have not left, each in a folder on disk.
fn folders(home: &Path) -> (RoomId, [Vec<String>; 2]) {
    let mut sim = Sim::new(1, Faults::NONE);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    sim.now = Timestamp(u64::try_from(now).unwrap() - 10 * MINUTE);
    let mls = [A, B].map(|ix| {
        let rows = MlsRowset::default();
        let rooms = Box::new(MlsRooms(MlsCipher::new(rows.clone())));
        assert_eq!(sim.add_node(SimNode::with_rooms(rooms, Some(["Andi", "Ben"][ix].to_owned()))), ix);
        rows
    });
    sim.befriend(A, B);
    sim.run_for(MINUTE);
    let room = sim.share_room(A, B);
    sim.run_for(MINUTE);
    sim.set_apart(A, B, true);
    let mut written: [Vec<String>; 2] = Default::default();
    for (from, written) in written.iter_mut().enumerate() {
        for pieces in LENGTHS {
            let text = format!("{pieces} pieces of {from}");
            assert!(say_long(&mut sim, from, room, &text, pieces * PIECE_LEN - 1_000));
            written.push(text);
        }
    }
    for ix in [A, B] {
        let folder = Folder::open(&home.join(ix.to_string())).unwrap();
        let store = Rc::new(folder.open_store(None).unwrap());
        let mut turn = store.begin().unwrap();
        for table in Table::ALL {
            for (key, value) in sim.nodes[ix].store.rows(table) {
                turn.apply(&Change::Put(table, key.clone(), value.clone())).unwrap();
            }
        }
        let table = MlsTable::new(store.clone());
        for (key, value) in mls[ix].0.borrow().iter() {
            table.put(key, value).unwrap();
        }
        turn.commit().unwrap();
        store.finish().unwrap();
    }
    (room, written)
}

/// Links over sockets of this machine, each a file beside the folders.
struct Sockets {
    own: Ix,
    home: PathBuf,
    inputs: mpsc::Sender<Input>,
    links: Arc<Mutex<BTreeMap<LinkId, queues::Sender<Vec<u8>>>>>,
    next: Arc<AtomicU64>,
    /// As long as the number of receipts that have left: what they are for is on disk.
    receipts: Mutex<File>,
}

impl Sockets {
    fn listen(own: Ix, home: &Path, inputs: mpsc::Sender<Input>) -> Arc<Self> {
        let receipts = Mutex::new(File::create(receipts_of(home, own)).unwrap());
        let wire = Arc::new(Self { own, home: home.to_path_buf(), inputs, links: Arc::default(), next: Arc::default(), receipts });
        let at = wire.at(own);
        let _ = std::fs::remove_file(&at);
        let listener = UnixListener::bind(&at).unwrap();
        let accepting = wire.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                accepting.up(stream.unwrap(), None);
            }
        });
        wire
    }

    fn at(&self, ix: Ix) -> PathBuf {
        self.home.join(format!("{ix}.socket"))
    }

    fn hear(&self, input: Input) {
        // The loop has ended when nobody hears it.
        let _ = self.inputs.blocking_send(input);
    }

    fn up(self: &Arc<Self>, stream: UnixStream, dial: Option<DialId>) {
        let link = LinkId(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, frames) = queues::channel::<Vec<u8>>();
        self.links.lock().unwrap().insert(link, sender);
        let mut writing = stream.try_clone().unwrap();
        std::thread::spawn(move || {
            for frame in frames {
                // A narrow link: kills find pieces on their way.
                std::thread::sleep(Duration::from_micros(frame.len() as u64 / 6));
                let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
                if writing.write_all(&[&length, frame.as_slice()].concat()).is_err() {
                    break;
                }
            }
            let _ = writing.shutdown(Shutdown::Both);
        });
        let (wire, mut reading) = (self.clone(), stream);
        std::thread::spawn(move || {
            let key = |ix: Ix| PublicKeyBytes([u8::try_from(ix).unwrap() + 1; 32]);
            let keys = Some(TransportKeys { own: key(wire.own), other: key(1 - wire.own) });
            wire.hear(Input::LinkUp { link, dial, path: By::Direct, source: Source::default(), keys });
            while let Ok(frame) = next_frame(&mut reading) {
                wire.hear(Input::Frame(link, frame));
            }
            wire.links.lock().unwrap().remove(&link);
            wire.hear(Input::LinkDown(link));
        });
    }
}

fn next_frame(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

fn receipts_of(home: &Path, ix: Ix) -> PathBuf {
    home.join(format!("{ix}.receipts"))
}

/// What the turn loop has of them.
struct Ways(Arc<Sockets>);

impl Transport for Ways {
    fn act(&mut self, action: NetAction) {
        let wire = self.0.clone();
        match action {
            NetAction::Dial(dial, places) => {
                let other = [A, B].into_iter().find(|ix| *ix != wire.own && places.contains(&address(*ix)));
                std::thread::spawn(move || match other.and_then(|ix| UnixStream::connect(wire.at(ix)).ok()) {
                    Some(stream) => wire.up(stream, Some(dial)),
                    None => wire.hear(Input::DialFailed(dial)),
                });
            }
            NetAction::Send(link, frame) => {
                if let Some(frames) = wire.links.lock().unwrap().get(&link) {
                    if frame.len() < 4_096 && matches!(Frame::decode(&frame), Ok(Frame::Receipt(_))) {
                        wire.receipts.lock().unwrap().write_all(&[0]).unwrap();
                    }
                    let _ = frames.send(frame);
                }
            }
            NetAction::Close(link, _) => drop(wire.links.lock().unwrap().remove(&link)),
            NetAction::Reserve(_)
            | NetAction::Heard(_)
            | NetAction::Keep(..)
            | NetAction::Punch(..)
            | NetAction::Rekey(_)
            | NetAction::Admit(_)
            | NetAction::Publish { .. }
            | NetAction::Resolve(..)
            | NetAction::Lookups(_)
            | NetAction::AskHub(..)
            | NetAction::AnswerHub(..)
            | NetAction::Host(..)
            | NetAction::Bootstrap(_)
            | NetAction::Neighbours(_) => {}
        }
    }

    fn announce(&mut self, _: Vec<(Network, Announcement)>) {}

    fn reset(&mut self) {
        panic!("no turn fails here");
    }
}

#[test]
#[ignore = "a process of its own, which the test below starts and kills"]
fn a_process_with_a_folder_of_its_own() {
    let Ok(folder) = std::env::var(FOLDER).map(PathBuf::from) else { return };
    let own: Ix = folder.file_name().unwrap().to_str().unwrap().parse().unwrap();
    // It ends with the one that has started it, if it is not killed before.
    let (stopper, stop) = watch::channel(false);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        stopper.send(true)
    });
    let opened = Folder::open(&folder).unwrap();
    let (inputs, heard) = mpsc::channel(INPUT_QUEUE);
    let wire = Sockets::listen(own, folder.parent().unwrap(), inputs);
    wire.hear(Input::Addresses(vec![address(own)]));
    let (_commands, commands) = mpsc::channel(1);
    let (events, _) = broadcast::channel(1_024);
    let ends =
        Ends { commands, inputs: heard, events, stop, transport: Ways(wire), clock: SystemClock, vitals: Arc::new(Vitals::default()) };
    run(opened.open_store(None).unwrap(), LiveParts { config: CoreConfig::default() }, ends).unwrap();
}

fn start(home: &Path, ix: Ix) -> Child {
    let _ = std::fs::remove_file(receipts_of(home, ix));
    let mut process = Process::new(std::env::current_exe().unwrap());
    process.args(["killed::a_process_with_a_folder_of_its_own", "--exact", "--ignored", "--nocapture"]);
    process.env(FOLDER, home.join(ix.to_string())).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    process.spawn().unwrap()
}

/// What lies on the disk of a process that is dead.
struct Disk {
    outbox: usize,
    pieces: usize,
    texts: Vec<String>,
}

fn disk(home: &Path, ix: Ix, room: RoomId) -> Disk {
    let copy = tempfile::tempdir().unwrap();
    files::copy(&home.join(ix.to_string()), copy.path()).unwrap();
    let db = files::connect(copy.path(), true).unwrap();
    let count = |table: &str| db.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get::<_, u32>(0)).unwrap() as usize;
    let (outbox, pieces) = (count("outbox"), count("piece"));
    drop(db);
    let rows = files::rows(copy.path()).unwrap();
    let of_room = rows.iter().filter(|((table, key), _)| table == "message" && key.starts_with(room.as_bytes()));
    let texts = of_room.map(|(_, row)| read::<MessageRow>(row).text).collect();
    Disk { outbox, pieces, texts }
}

#[test]
fn messages_in_pieces_arrive_once_and_in_order_through_kills_of_both_processes() {
    let home = tempfile::tempdir().unwrap();
    let (room, written) = folders(home.path());
    let whole = disk(home.path(), A, room).outbox;
    assert!(whole >= LENGTHS.iter().sum());
    let mut dice = Dice::new(1);
    let mut running: [Option<Child>; 2] = [A, B].map(|ix| Some(start(home.path(), ix)));
    let (begin, mut kills) = (Instant::now(), 0);
    // On whose disk a kill has left pieces of something that was not whole, and an outbox that was not whole any more.
    let (mut received, mut sent, mut done) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    loop {
        // Something new is on a disk.
        let has_left =
            || -> u64 { [A, B].map(|ix| std::fs::metadata(receipts_of(home.path(), ix)).map_or(0, |file| file.len())).iter().sum() };
        // Once both have died with halves on their disks as often as this, they come to their end.
        let is_last = kills >= KILLS && received.len() + sent.len() == 4;
        let (mut waits, mut left, enough) = (Instant::now(), has_left(), has_left() + 1 + dice.below(3));
        while waits.elapsed() < PATIENCE && (is_last || left < enough) {
            std::thread::sleep(Duration::from_millis(10));
            if has_left() != left {
                (waits, left) = (Instant::now(), has_left());
            }
        }
        let victims = if is_last { 3 } else { 1 + dice.below(3) };
        for ix in [A, B].into_iter().filter(|ix| victims & (1 << ix) != 0) {
            let mut process = running[ix].take().unwrap();
            assert!(process.try_wait().unwrap().is_none(), "the process has ended by itself");
            process.kill().unwrap();
            process.wait().unwrap();
            kills += 1;
        }
        for ix in [A, B].into_iter().filter(|ix| victims & (1 << ix) != 0) {
            let Disk { outbox, pieces, texts } = disk(home.path(), ix, room);
            assert!(written[1 - ix].starts_with(&texts), "{texts:?}: once and in order");
            if pieces > 0 {
                received.insert(ix);
            }
            if (1..whole).contains(&outbox) {
                sent.insert(ix);
            }
            if outbox + pieces == 0 && texts == written[1 - ix] {
                done.insert(ix);
            }
        }
        if done.len() == 2 {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(180), "they do not come to an end");
        for ix in [A, B] {
            running[ix].get_or_insert_with(|| start(home.path(), ix));
        }
    }
    assert_eq!((received.len(), sent.len()), (2, 2), "{kills} kills");
}

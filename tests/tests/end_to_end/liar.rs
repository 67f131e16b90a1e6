//! A lookup server that takes every record and answers with lies.

use super::lookup::{SOON, fresh, person, strangers, wait_for_record};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::Item;
use symbolon_presence::time::Timestamp;
use symbolon_relay::lookup::{Answer, Ask, Kept};
use symbolon_tests::node::{befriend, within};

/// What the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// The first record that it was ever given under the id.
    Old,
    /// The newest, with one bit changed.
    Changed,
    /// Somebody's record of another id.
    Another,
    /// As many bytes as a record may have.
    Rubbish,
    /// Nothing.
    Silence,
}

#[derive(Debug)]
struct Told {
    lie: Lie,
    records: BTreeMap<LookupId, Vec<Vec<u8>>>,
    /// Questions answered by a lie that is a record's bytes.
    lies: usize,
}

struct Liar {
    address: String,
    told: Arc<Mutex<Told>>,
    _runtime: tokio::runtime::Runtime,
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_millis()).unwrap())
}

impl Told {
    fn answer(&mut self, ask: Ask) -> Option<Answer> {
        match ask {
            Ask::Put(record) => {
                let id = Item::read(&record, now()).unwrap().id;
                self.records.entry(id).or_default().push(record);
                Some(Answer::Put(Kept::Yes))
            }
            Ask::Get(id) => {
                let versions = self.records.get(&id).cloned().unwrap_or_default();
                let lie = match self.lie {
                    Lie::Old => versions.first().cloned(),
                    Lie::Changed => versions.last().cloned().map(|mut record| {
                        let middle = record.len() / 2;
                        record[middle] ^= 1;
                        record
                    }),
                    Lie::Another => self.records.iter().find(|(other, _)| **other != id).and_then(|(_, versions)| versions.last().cloned()),
                    Lie::Rubbish => Some(vec![0x82; 16 * 1024]),
                    Lie::Silence => return None,
                };
                self.lies += usize::from(lie.is_some());
                Some(Answer::Found(lie))
            }
        }
    }
}

async fn serve(mut stream: libp2p::Stream, told: Arc<Mutex<Told>>) -> Option<()> {
    let (mut length, mut byte) = (0, [0x80]);
    for at in 0..3 {
        if byte[0] & 0x80 != 0 {
            stream.read_exact(&mut byte).await.ok()?;
            length |= usize::from(byte[0] & 0x7f) << (7 * at);
        }
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.ok()?;
    let answer = told.lock().unwrap().answer(Ask::decode(&message).ok()?);
    let Some(answer) = answer else { return std::future::pending().await };
    let (answer, mut bytes) = (answer.encode(), Vec::new());
    let mut length = answer.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    stream.write_all(&[bytes, answer].concat()).await.ok()?;
    stream.close().await.ok()
}

impl Liar {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = fresh();
        let told = Arc::new(Mutex::new(Told { lie: Lie::Silence, records: BTreeMap::new(), lies: 0 }));
        let (listen, shared): (Multiaddr, _) = (address.parse().unwrap(), told.clone());
        runtime.spawn(async move {
            let mut swarm = SwarmBuilder::with_new_identity()
                .with_tokio()
                .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
                .unwrap()
                .with_behaviour(|_| libp2p_stream::Behaviour::new())
                .unwrap()
                .build();
            let mut streams = swarm.behaviour().new_control().accept(StreamProtocol::new("/symbolon/lookup/1")).unwrap();
            swarm.listen_on(listen).unwrap();
            loop {
                tokio::select! {
                    _ = swarm.select_next_some() => {}
                    Some((_, stream)) = streams.next() => { tokio::spawn(serve(stream, shared.clone())); }
                }
            }
        });
        Self { address, told, _runtime: runtime }
    }
}

#[test]
fn a70_a72_a_lookup_server_that_lies_costs_time_and_no_friend() {
    let home = tempfile::tempdir().unwrap();
    let (liar, honest) = (Liar::start(), strangers(home.path(), 1));
    let (mut andi, mut ben) = (person(home.path(), "Andi", &[]), person(home.path(), "Ben", &[]));
    for node in [&andi, &ben] {
        for server in [&liar.address, &honest[0].1] {
            node.json(&["lookup", "add", server]).unwrap();
        }
    }
    befriend((&andi, "Andi"), (&ben, "Ben")).unwrap();
    for lie in [Lie::Old, Lie::Changed, Lie::Another, Lie::Rubbish, Lie::Silence] {
        {
            let mut told = liar.told.lock().unwrap();
            (told.lie, told.lies) = (lie, 0);
        }
        wait_for_record(&andi);
        andi.interrupt().unwrap();
        let text = format!("in spite of {lie:?}");
        let sent = ben.json(&["send", "Andi", "--", &text]).unwrap();
        assert_eq!(sent[0]["state"], "queued");
        ben.interrupt().unwrap();
        // Both come back somewhere else.
        (andi, ben) = (person(home.path(), "Andi", &[]), person(home.path(), "Ben", &[]));
        within(SOON, &text, || Ok(andi.json(&["read", "--peek"])?.iter().any(|view| view["text"] == text.as_str()).then_some(()))).unwrap();
        let lies = liar.told.lock().unwrap().lies;
        assert!(lies > 0 || lie == Lie::Silence, "{lie:?} was told to nobody");
    }
}

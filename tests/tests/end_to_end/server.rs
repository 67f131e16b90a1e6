//! A lookup server that takes every record, keeps them all, and answers with what a test wants.

use super::lookup::fresh;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::request_response::{Behaviour, Codec, Config, Event, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use symbolon_presence::id::LookupId;
use symbolon_presence::posted::Item;
use symbolon_presence::time::Timestamp;
use symbolon_relay::lookup::{Answer, Ask, Kept};

/// What the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// The newest, as it came.
    None,
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
pub(super) struct Told {
    pub(super) lie: Lie,
    /// All that was ever brought, the newest last.
    pub(super) records: BTreeMap<LookupId, Vec<Vec<u8>>>,
    /// Its clock is so many milliseconds ahead.
    pub(super) ahead: u64,
    /// Questions answered by a lie that is a record's bytes.
    pub(super) lies: usize,
}

pub(super) struct LookupServer {
    pub(super) address: String,
    pub(super) told: Arc<Mutex<Told>>,
    _runtime: tokio::runtime::Runtime,
}

pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_millis()).unwrap())
}

impl Told {
    fn answer(&mut self, ask: Ask) -> Option<Answer> {
        match ask {
            Ask::Put(record) => {
                let id = Item::read(&record, now().after(self.ahead)).unwrap().id;
                self.records.entry(id).or_default().push(record);
                Some(Answer::Put(Kept::Yes))
            }
            Ask::Get(id) => {
                let versions = self.records.get(&id).cloned().unwrap_or_default();
                let lie = match self.lie {
                    Lie::None => versions.last().cloned(),
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
                self.lies += usize::from(lie.is_some() && self.lie != Lie::None);
                Some(Answer::Found(lie))
            }
        }
    }
}

/// Lengths and messages as the lookup page has them. What comes is read to its end.
#[derive(Debug, Clone, Default)]
struct Messages;

impl Codec for Messages {
    type Protocol = StreamProtocol;
    type Request = Ask;
    type Response = Answer;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> std::io::Result<Ask> {
        let mut bytes = Vec::new();
        io.take(20_000).read_to_end(&mut bytes).await?;
        let begins = bytes.iter().position(|byte| byte & 0x80 == 0).map_or(bytes.len(), |last| last + 1);
        Ask::decode(&bytes[begins..]).map_err(|_| std::io::ErrorKind::InvalidData.into())
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: Answer,
    ) -> std::io::Result<()> {
        let (answer, mut bytes) = (answer.encode(), Vec::new());
        let mut length = answer.len();
        while length >= 0x80 {
            bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        bytes.push(u8::try_from(length).unwrap());
        io.write_all(&[bytes, answer].concat()).await?;
        io.close().await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(&mut self, _: &StreamProtocol, _: &mut T, _: Ask) -> std::io::Result<()> {
        unreachable!("a server asks nothing")
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, _: &mut T) -> std::io::Result<Answer> {
        unreachable!("a server asks nothing")
    }
}

impl LookupServer {
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = fresh();
        let told = Arc::new(Mutex::new(Told { lie: Lie::None, records: BTreeMap::new(), ahead: 0, lies: 0 }));
        let (listen, shared): (Multiaddr, _) = (address.parse().unwrap(), told.clone());
        runtime.spawn(async move {
            let protocols = [(StreamProtocol::new("/symbolon/lookup/1"), ProtocolSupport::Inbound)];
            let mut swarm = SwarmBuilder::with_new_identity()
                .with_tokio()
                .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
                .unwrap()
                .with_behaviour(|_| Behaviour::with_codec(Messages, protocols, Config::default()))
                .unwrap()
                .build();
            swarm.listen_on(listen).unwrap();
            let mut silenced = Vec::new();
            loop {
                let event = swarm.select_next_some().await;
                let SwarmEvent::Behaviour(Event::Message { message: Message::Request { request, channel, .. }, .. }) = event else {
                    continue;
                };
                let answer = shared.lock().unwrap().answer(request);
                match answer {
                    Some(answer) => drop(swarm.behaviour_mut().send_response(channel, answer)),
                    // Without an end, too.
                    None => silenced.push(channel),
                }
            }
        });
        Self { address, told, _runtime: runtime }
    }
}

//! A hub of rooms that does what a test wants: the real one, behind plain libp2p, whose owner changes what passes. It is asked
//! for records of cards, too.

use super::lookup::fresh;
use super::server::now;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{Multiaddr, Stream, StreamProtocol};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbolon_presence::address::Address;
use symbolon_presence::id::{ListenerId, LookupId, Nonce};
use symbolon_presence::kdf::Secret;
use symbolon_presence::seal::DhKey;
use symbolon_presence::sign::SigningKey;
use symbolon_presence::time::Timestamp;
use symbolon_relay::hub::Hub;
use symbolon_relay::knock::{Answer, Ask, Await, KNOCK_LEN, RESPONSE_LEN, Respond, Say};
use symbolon_relay::link::RelayLink;
use symbolon_relay::lookup::{Answer as Found, Ask as Look, Kept};
use tokio::sync::oneshot::{Receiver, Sender, channel};

/// So much faster its clock runs: it asks one member soon after another.
const HASTE: u64 = 8;

/// What it makes of what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// Nothing.
    None,
    /// Knocks are changed on their way to members.
    Knocks,
    /// What members say is changed.
    Words,
    /// What newcomers answer is changed.
    Answers,
    /// Newcomers and members are given what nobody has said.
    Invented,
    /// Newcomers hear that all were asked, and members hear nothing.
    Closed,
    /// Members are given everything twice, and say everything twice; of the words of three the last one comes first.
    Turned,
    /// What newcomers answer is held back.
    Late,
}

pub(super) struct Told {
    hub: Hub,
    started: Timestamp,
    next: u64,
    /// Who waits for the answer to each question, and which listener it is.
    waiting: BTreeMap<u64, (Sender<Vec<u8>>, Option<ListenerId>)>,
    pub(super) lie: Lie,
    /// Each time that something was given, or not given, because of it.
    pub(super) lies: usize,
    /// All that it was asked, but for those who wait.
    pub(super) seen: Vec<Ask>,
    held: Vec<Ask>,
    late: Option<Answer>,
    /// What was given to each listener last, to be given again; and how often that was done.
    last: BTreeMap<ListenerId, Option<Answer>>,
    again: BTreeMap<ListenerId, u16>,
    silenced: Vec<Sender<Vec<u8>>>,
    /// What lies under the id of a card's body.
    pub(super) planted: Option<(LookupId, Vec<u8>)>,
}

pub(super) struct HubServer {
    /// As a relay's owner is given it.
    pub(super) link: String,
    pub(super) address: Address,
    pub(super) told: Arc<Mutex<Told>>,
    _runtime: tokio::runtime::Runtime,
}

fn changed(mut sealed: Vec<u8>) -> Vec<u8> {
    let middle = sealed.len() / 2;
    sealed[middle] ^= 1;
    sealed
}

impl Told {
    fn now(&self) -> Timestamp {
        self.started.after(now().since(self.started) * HASTE)
    }

    /// From now on it lies like this; it begins with nothing, as after a start.
    pub(super) fn lie(&mut self, lie: Lie) {
        let seed = Secret::from_bytes([u8::try_from(self.next % 251).unwrap(); 32]);
        self.hub = Hub::new(seed);
        (self.lie, self.lies) = (lie, 0);
        self.waiting.clear();
        self.silenced.clear();
        self.seen.clear();
        self.held.clear();
        self.last.clear();
        self.again.clear();
    }

    /// The answer that was held back is for the member who listens next, by whatever number since their start.
    pub(super) fn release(&mut self) {
        self.lie = Lie::None;
        let responds = |ask| if let Ask::Respond(respond) = ask { Some(Answer::Responds(respond.nonce, respond.sealed)) } else { None };
        self.late = std::mem::take(&mut self.held).into_iter().find_map(responds);
    }

    fn pass(&mut self, ask: &Ask, asker: Option<(Sender<Vec<u8>>, Option<ListenerId>)>) {
        self.next += 1;
        if let Some(asker) = asker {
            self.waiting.insert(self.next, asker);
        }
        self.hub.ask(self.now(), self.next, 0, &ask.encode());
    }

    fn ask(&mut self, bytes: &[u8]) -> Receiver<Vec<u8>> {
        let (sender, answer) = channel();
        let mut ask = Ask::decode(bytes).unwrap();
        if !matches!(ask, Ask::Listen(_) | Ask::Await(_)) {
            self.seen.push(ask.clone());
        }
        let mut listener = None;
        if let Ask::Listen(listen) = &mut ask {
            listener = Some(listen.member.listener);
            let again = self.last.get_mut(&listen.member.listener).and_then(Option::take);
            if let Some(last) = again.or_else(|| self.late.take()) {
                self.lies += 1;
                *self.again.entry(listen.member.listener).or_default() += 1;
                drop(sender.send(last.encode()));
                return answer;
            }
            listen.had -= self.again.get(&listen.member.listener).copied().unwrap_or_default();
        }
        match (self.lie, &ask) {
            (Lie::Invented, Ask::Await(_) | Ask::Listen(_)) => {
                self.lies += 1;
                drop(sender.send(self.invented(&ask).encode()));
            }
            (Lie::Closed, Ask::Await(Await { is_closed: false, .. })) => drop(sender.send(Answer::Closed.encode())),
            (Lie::Closed, Ask::Await(_) | Ask::Listen(_)) => {
                self.lies += 1;
                self.silenced.push(sender);
                self.pass(&ask, None);
            }
            (Lie::Late, Ask::Respond(_)) => {
                self.lies += 1;
                self.held.push(ask);
                drop(sender.send(Answer::Ack.encode()));
            }
            // What is still said of an earlier knock is none of the three.
            (Lie::Turned, Ask::Say(say)) if self.newest() == Some(say.nonce) => {
                self.held.push(ask);
                drop(sender.send(Answer::Ack.encode()));
                if self.held.len() == 3 {
                    for ask in std::mem::take(&mut self.held).into_iter().rev().flat_map(|ask| [ask.clone(), ask]) {
                        self.pass(&ask, None);
                    }
                }
            }
            _ => self.pass(&ask, Some((sender, listener))),
        }
        self.answer();
        answer
    }

    /// The newest knock.
    fn newest(&self) -> Option<Nonce> {
        self.seen.iter().rev().find_map(|ask| if let Ask::Knock(knock) = ask { Some(knock.nonce) } else { None })
    }

    /// What nobody has said: a word, a knock, and an answer to the newest knock.
    fn invented(&self, ask: &Ask) -> Answer {
        let number = u8::try_from(self.lies % 251).unwrap();
        match (ask, self.newest()) {
            (Ask::Await(wait), _) => Answer::Said(wait.had, vec![number; KNOCK_LEN]),
            (_, Some(nonce)) if number % 2 == 0 => Answer::Responds(nonce, vec![number; RESPONSE_LEN]),
            _ => Answer::Knocks(Nonce([number; 16]), vec![number; KNOCK_LEN]),
        }
    }

    /// Hands on what the hub has answered.
    fn answer(&mut self) {
        while let Some((question, bytes)) = self.hub.poll_answer() {
            let Some((asker, listener)) = self.waiting.remove(&question) else { continue };
            let answer = Answer::decode(&bytes).unwrap();
            if let (Lie::Turned, Some(listener), Answer::Knocks(..) | Answer::Responds(..)) = (self.lie, listener, &answer) {
                self.last.insert(listener, Some(answer.clone()));
            }
            let told = match (self.lie, answer.clone()) {
                (Lie::Knocks, Answer::Knocks(nonce, sealed)) => Answer::Knocks(nonce, changed(sealed)),
                (Lie::Words, Answer::Said(number, sealed)) => Answer::Said(number, changed(sealed)),
                (Lie::Answers, Answer::Responds(nonce, sealed)) => Answer::Responds(nonce, changed(sealed)),
                (_, answer) => answer,
            };
            self.lies += usize::from(told != answer);
            drop(asker.send(told.encode()));
        }
    }

    fn look(&self, bytes: &[u8]) -> Vec<u8> {
        match Look::decode(bytes).unwrap() {
            Look::Get(id) => Found::Found(self.planted.as_ref().filter(|(of, _)| *of == id).map(|(_, record)| record.clone())).encode(),
            Look::Put(_) => Found::Put(Kept::Yes).encode(),
        }
    }

    /// For a test that waits in vain.
    pub(super) fn so_far(&self) -> String {
        let kinds = [is_knock, is_word, is_answer].map(|is_it| self.count(is_it));
        format!("{:?}: knocks, words, answers {kinds:?}; rooms, knocks {:?}; {} wait", self.lie, self.hub.counts(), self.waiting.len())
    }

    /// How often something of a kind was asked.
    pub(super) fn count(&self, is_it: fn(&Ask) -> bool) -> usize {
        self.seen.iter().filter(|ask| is_it(ask)).count()
    }
}

pub(super) fn is_knock(ask: &Ask) -> bool {
    matches!(ask, Ask::Knock(_))
}

pub(super) fn is_word(ask: &Ask) -> bool {
    matches!(ask, Ask::Say(Say { .. }))
}

pub(super) fn is_answer(ask: &Ask) -> bool {
    matches!(ask, Ask::Respond(Respond { .. }))
}

/// One question and its answer, as the page has them.
async fn serve(mut stream: Stream, told: Arc<Mutex<Told>>, is_look: bool) -> Option<()> {
    let mut bytes = Vec::new();
    (&mut stream).take(20_000).read_to_end(&mut bytes).await.ok()?;
    let begins = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let answer = if is_look {
        told.lock().unwrap().look(&bytes[begins..])
    } else {
        let waits = told.lock().unwrap().ask(&bytes[begins..]);
        waits.await.ok()?
    };
    stream.write_all(&[super::hub_client::length(answer.len()), answer].concat()).await.ok()?;
    stream.close().await.ok()
}

impl HubServer {
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listen: Multiaddr = fresh().parse().unwrap();
        let address = Address(listen.to_vec());
        let keys = (DhKey::from_bytes([21; 32]).public().bytes(), SigningKey::from_seed(&[22; 32]).public());
        let link = RelayLink { mailbox_key: keys.0, receipt: keys.1, places: vec![address.clone()] }.to_string();
        let told = Told {
            hub: Hub::new(Secret::from_bytes([23; 32])),
            started: now(),
            next: 0,
            waiting: BTreeMap::new(),
            lie: Lie::None,
            lies: 0,
            seen: Vec::new(),
            held: Vec::new(),
            late: None,
            last: BTreeMap::new(),
            again: BTreeMap::new(),
            silenced: Vec::new(),
            planted: None,
        };
        let told = Arc::new(Mutex::new(told));
        let _runtime = runtime;
        let _guard = _runtime.enter();
        let mut swarm = super::called::stream_swarm();
        swarm.listen_on(listen).unwrap();
        let mut control = swarm.behaviour().new_control();
        for (protocol, is_look) in [("/symbolon/room/1", false), ("/symbolon/lookup/1", true)] {
            let (mut streams, told) = (control.accept(StreamProtocol::new(protocol)).unwrap(), Arc::clone(&told));
            _runtime.spawn(async move {
                while let Some((_, stream)) = streams.next().await {
                    tokio::spawn(serve(stream, Arc::clone(&told), is_look));
                }
            });
        }
        _runtime.spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        let ticking = Arc::clone(&told);
        _runtime.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let mut told = ticking.lock().unwrap();
                let now = told.now();
                told.hub.tick(now);
                told.answer();
            }
        });
        drop(_guard);
        Self { link, address, told, _runtime }
    }

    pub(super) fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }
}

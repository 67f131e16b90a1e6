//! What is kept of a run: a hash of everything, and on request a file to step through.

use std::sync::{Arc, Mutex};
use symbolon_core::seam::{Action, Input, Look, NetAction};
use symbolon_core::table::Change;
use symbolon_presence::kdf::sha256;
use symbolon_presence::time::{HOUR, MINUTE, SECOND, Timestamp};
use symbolon_relay::frame::Frame;
use symbolon_relay::knock::Answer;

/// A hash over what happened, the same on every machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace(pub u64);

impl Trace {
    /// Adds a change.
    pub fn change(&mut self, change: &Change) {
        match change {
            Change::Put(table, key, value) => self.add(&[&[*table as u8][..], key, value].concat()),
            Change::Delete(table, key) => self.add(&[&[*table as u8][..], key, b"deleted"].concat()),
            Change::Index(number, text) => self.add(&[b"index", &number.to_be_bytes()[..], text.as_bytes()].concat()),
            Change::Unindex(number, text) => self.add(&[b"unindex", &number.to_be_bytes()[..], text.as_bytes()].concat()),
            Change::ClearIndex => self.add(b"clear index"),
        }
    }

    /// Adds something.
    pub fn add(&mut self, bytes: &[u8]) {
        let digest = sha256(&[&self.0.to_be_bytes()[..], bytes].concat());
        self.0 = u64::from_be_bytes(digest[..8].try_into().unwrap());
    }

    /// Adds an input.
    pub fn input(&mut self, input: &Input) {
        match input {
            Input::Frame(link, bytes) => self.add(&[&link.0.to_be_bytes()[..], bytes].concat()),
            Input::Command(..) => self.add(b"command"),
            Input::Addresses(_) => self.add(b"addresses"),
            Input::LinkUp { link, .. } => self.add(&[b"link up", &link.0.to_be_bytes()[..]].concat()),
            Input::DialFailed(dial) => self.add(&[b"dial failed", &dial.0.to_be_bytes()[..]].concat()),
            Input::LinkDown(link) => self.add(&[b"link down", &link.0.to_be_bytes()[..]].concat()),
            Input::HubAnswered(ask, answer) => {
                self.add(&[b"hub answered", &ask.0.to_be_bytes()[..], answer.as_deref().unwrap_or_default()].concat());
            }
            Input::HubAsked(question, _, bytes) => self.add(&[b"hub asked", &question.0.to_be_bytes()[..], bytes].concat()),
            Input::Stopping => self.add(b"stopping"),
            Input::Tick => self.add(b"tick"),
            Input::LanUp { .. } => self.add(b"lan up"),
            Input::LanMoved(_) => self.add(b"lan moved"),
            Input::Sighted(sighting) => self.add(&[b"sighted", &sighting.shown.instance[..]].concat()),
            Input::Found(id, bytes) => self.add(&[b"found", &id.0[..], bytes].concat()),
            Input::Servers(..) => self.add(b"servers"),
            Input::Lookups(_) => self.add(b"lookups"),
            Input::Resolved(id) => self.add(&[b"resolved", &id.0[..]].concat()),
            Input::Unsighted(instance) => self.add(&[b"unsighted", &instance[..]].concat()),
        }
    }
}

/// One line for each input, action, change and fault, with time and node. Shared, so that
/// it outlives a run that panics. Costs nothing until it is switched on.
#[derive(Debug, Clone, Default)]
pub struct Log(Option<Arc<Mutex<Vec<String>>>>, Timestamp);

impl Log {
    /// A log that keeps its lines, with times since `start`.
    pub fn recording(start: Timestamp) -> Self {
        Self(Some(Arc::default()), start)
    }

    /// Whether lines are kept.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Adds a line.
    pub fn line(&self, at: Timestamp, node: &str, what: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            let mut lines = lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let number = lines.len() + 1;
            lines.push(format!("{number:>6} {} {node:<8} {}", clock(at.since(self.1)), what()));
        }
    }

    /// All lines.
    pub fn text(&self) -> String {
        let lines = self.0.as_ref().map(|lines| lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).join("\n"));
        lines.unwrap_or_default()
    }
}

/// Time since the beginning of a run: `12:03:04.567`.
fn clock(since: u64) -> String {
    format!("{:>3}:{:02}:{:02}.{:03}", since / HOUR, since / MINUTE % 60, since / SECOND % 60, since % SECOND)
}

/// The first bytes of something, enough to find it again in one file.
pub fn short(bytes: &[u8]) -> String {
    bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// What a frame is.
pub fn frame(bytes: &[u8]) -> String {
    match Frame::decode(bytes) {
        Ok(Frame::Put(put)) => format!("put {} of {} B", short(&put.frame.0), put.envelope.len()),
        Ok(Frame::Receipt(receipt)) => format!("receipt {}", receipt_items(&receipt.body)),
        Ok(Frame::Update(_)) => "update".into(),
        Ok(Frame::Session(_)) => "session".into(),
        Ok(Frame::Accepted(_)) => "accepted".into(),
        Ok(Frame::Deposit(deposit)) => format!("deposit {} of {} B", deposit.number, deposit.envelope.len()),
        Ok(Frame::Lookup(_)) => "lookup".into(),
        Ok(Frame::Found(found)) => format!("found {} B", found.record.map_or(0, |record| record.len())),
        Ok(Frame::Away(away)) => format!("away {} of {} records", away.day, away.records.len()),
        Ok(Frame::Stock(_)) => "stock".into(),
        Ok(Frame::Fetch(_)) => "fetch".into(),
        Ok(Frame::Fetched(_)) => "fetched".into(),
        Ok(Frame::Keep(keep)) => format!("keep {} records", keep.records.len()),
        Ok(Frame::Prove(_)) => "prove".into(),
        Ok(Frame::Carry(carry)) => format!("carry {} of {} B", short(&carry.put.frame.0), carry.put.envelope.len()),
        Ok(Frame::Carried(carried)) => format!("carried {}", receipt_items(&carried.receipt.body)),
        Ok(Frame::Ack(ack)) => format!("ack {:?}", ack.numbers),
        Err(_) => format!("{} B that are no frame", bytes.len()),
    }
}

fn receipt_items(body: &[u8]) -> String {
    let Some(body) = super::rows::decode::<symbolon_relay::put::ReceiptBody>(body) else { return "unreadable".into() };
    let items: Vec<String> = body.items.iter().map(|item| format!("{} {:?}", short(&item.frame.0), item.outcome)).collect();
    items.join(", ")
}

/// An input in words.
pub fn input(input: &Input) -> String {
    match input {
        Input::Command(id, _) => format!("< command {}", id.0),
        Input::Addresses(places) => format!("< {} address(es)", places.len()),
        Input::LinkUp { link, dial: Some(dial), .. } => format!("< link {} up by dial {}", link.0, dial.0 % 10_000),
        Input::LinkUp { link, dial: None, .. } => format!("< link {} up from outside", link.0),
        Input::DialFailed(dial) => format!("< dial {} failed", dial.0 % 10_000),
        Input::LinkDown(link) => format!("< link {} down", link.0),
        Input::Frame(link, bytes) => format!("< link {}: {}", link.0, frame(bytes)),
        Input::HubAnswered(ask, Some(bytes)) => format!("< hub answers {}: {}", ask.0 % 10_000, hub_answer(bytes)),
        Input::HubAnswered(ask, None) => format!("< no hub answers {}", ask.0 % 10_000),
        Input::HubAsked(_, _, bytes) => format!("< asked as a hub: {} B", bytes.len()),
        Input::Stopping => "< stopping".into(),
        Input::Tick => "< tick".into(),
        Input::LanUp { .. } => "< the LAN is there".into(),
        Input::LanMoved(networks) => format!("< {} network(s)", networks.len()),
        Input::Sighted(sighting) => format!("< sighted at {} place(s)", sighting.places.len()),
        Input::Found(_, bytes) => format!("< found {} B", bytes.len()),
        Input::Servers(servers, neighbours) => format!("< {} server(s), {neighbours} neighbour(s)", servers.len()),
        Input::Lookups(servers) => format!("< {} lookup server(s)", servers.len()),
        Input::Resolved(_) => "< resolved".into(),
        Input::Unsighted(_) => "< gone from the LAN".into(),
    }
}

fn hub_answer(bytes: &[u8]) -> String {
    match Answer::decode(bytes) {
        Ok(Answer::Knocks(..)) => "somebody knocks".into(),
        Ok(Answer::Responds(..)) => "a newcomer answers".into(),
        Ok(Answer::Said(..)) => "a member's word".into(),
        Ok(Answer::Ack) => "taken".into(),
        Ok(Answer::Nothing) => "nothing".into(),
        Ok(Answer::Closed) => "all were asked".into(),
        Ok(Answer::Refused(why)) => format!("refused, {why:?}"),
        Err(_) => "unreadable".into(),
    }
}

/// An action in words.
pub fn action(action: &Action) -> String {
    match action {
        Action::Net(action) => on_the_net(action),
        Action::Announce(shown) => format!("> announce on {} network(s)", shown.len()),
        Action::Reply(id, Ok(_)) => format!("> command {} done", id.0),
        Action::Reply(id, Err(error)) => format!("> command {} refused: {error:?}", id.0),
    }
}

fn on_the_net(action: &NetAction) -> String {
    match action {
        NetAction::Dial(dial, _) => format!("> dial {}", dial.0 % 10_000),
        NetAction::Send(link, bytes) => format!("> link {}: {}", link.0, frame(bytes)),
        NetAction::Close(link, reason) => format!("> close link {}: {reason:?}", link.0),
        NetAction::Rekey(is_now) => format!("> rekey {is_now}"),
        NetAction::Punch(link, is_allowed) => format!("> punch {} {is_allowed}", link.0),
        NetAction::Reserve(link) => format!("> reserve {}", link.0),
        NetAction::Heard(link) => format!("> heard {}", link.0),
        NetAction::Keep(link, true) => format!("> keep {}", link.0),
        NetAction::Keep(link, false) => format!("> keep {} no longer", link.0),
        NetAction::Admit(link) => format!("> admit {}", link.0),
        NetAction::Publish { everywhere, servers } => format!("> publish {} and {} records", everywhere.len(), servers.len()),
        NetAction::AskHub(ask, _, bytes) => format!("> ask {} of a hub: {} B", ask.0 % 10_000, bytes.len()),
        NetAction::AnswerHub(_, bytes) => format!("> answer as a hub: {} B", bytes.len()),
        NetAction::Host(_, record) => format!("> host {} B", record.len()),
        NetAction::Neighbours(places) => format!("> {:?} neighbours", places.as_ref().map(Vec::len)),
        NetAction::Bootstrap(servers) => format!("> bootstrap {}", servers.len()),
        NetAction::Resolve(_, Look::Servers(_)) => "> resolve at servers".into(),
        NetAction::Resolve(_, Look::Dht | Look::Everywhere) => "> resolve".into(),
        NetAction::Lookups(servers) => format!("> lookups {}", servers.len()),
    }
}

/// A change in words.
pub fn change(change: &Change) -> String {
    match change {
        Change::Put(table, key, value) => {
            let tail = key.last_chunk::<8>().map_or(0, |tail| u64::from_be_bytes(*tail) % 10_000);
            format!("  put {table:?} {}..{tail}: {} B{}", short(key), value.len(), super::rows::describe(*table, value))
        }
        Change::Delete(table, key) => {
            let tail = key.last_chunk::<8>().map_or(0, |tail| u64::from_be_bytes(*tail) % 10_000);
            format!("  delete {table:?} {}..{tail}", short(key))
        }
        Change::Index(number, text) => format!("  index {number}: {} B", text.len()),
        Change::Unindex(number, text) => format!("  unindex {number}: {} B", text.len()),
        Change::ClearIndex => "  clear the index".to_owned(),
    }
}

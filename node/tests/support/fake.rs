//! A made-up node behind a real `NodeHandle`: answers commands from memory, sends events
//! on request. It knows nothing of networks or sealing; it is there to test the face.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::wildcard_enum_match_arm)]

#[path = "fake/people.rs"]
mod people;
#[path = "fake/rooms.rs"]
mod rooms;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use symbolon_core::command::{
    Command, CommandError, Direction, DoctorView, DraftView, FriendView, IdentityView, InviteState, InviteView, LookupView, MessageState,
    MessageView, Path, Reply, RequestKind, RequestStatus, RequestView, StatusView, Trust, Who,
};
use symbolon_core::seam::Event;
use symbolon_node::handle::{COMMAND_QUEUE, CommandRequest, EVENT_QUEUE, NodeHandle, NumberedEvent};
use symbolon_node::health::{Facts, Health, KeyPlace};
use symbolon_presence::id::{DeviceId, GrantId, MessageId, PeerId, RequestId, RoomId};
use symbolon_presence::time::Timestamp;
use tokio::sync::{broadcast, mpsc, watch};

/// 2026-11-20T20:00:00Z.
pub const NOW: u64 = 1_795_204_800_000;

/// The node's memory and its ends of the channels.
#[derive(Clone)]
pub struct Fake {
    pub handle: NodeHandle,
    pub world: Arc<Mutex<World>>,
    events: broadcast::Sender<NumberedEvent>,
    /// What it says of its condition.
    pub facts: Arc<Mutex<Facts>>,
}

/// A healthy node.
fn facts() -> Facts {
    Facts {
        now: Timestamp(NOW),
        newest: Timestamp(NOW),
        pages: (120, 120),
        has_store: true,
        key: KeyPlace::Beside,
        failed_turns: 0,
        failing: None,
        log_failing: None,
        listening: vec!["/ip4/192.0.2.1/tcp/4001".to_owned()],
        is_everywhere: true,
        port_moved: false,
        disk_free: Some(1 << 33),
        is_found: true,
    }
}

/// An invite in each state.
fn invite(state: InviteState) -> InviteView {
    let number = if state == InviteState::Used { 8 } else { 7 };
    InviteView { invite: GrantId([number; 16]), expires: Timestamp(NOW), state, is_kept: true }
}

/// What the made-up node knows.
pub struct World {
    pub me: IdentityView,
    pub friends: Vec<FriendView>,
    pub requests: Vec<RequestView>,
    pub messages: Vec<MessageView>,
    pub rooms: Vec<rooms::FakeRoom>,
    pub asks_for_rooms: bool,
    pub drafts: Vec<DraftView>,
    /// Answers given before any other, in order.
    pub scripted: VecDeque<Result<Reply, CommandError>>,
    /// Commands are not answered while set.
    pub is_deaf: bool,
    /// Every command that came.
    pub seen: Vec<Command>,
    events: u64,
}

impl Fake {
    /// Starts it on the current tokio runtime.
    pub fn start() -> Self {
        let (commands, mut incoming) = mpsc::channel::<CommandRequest>(COMMAND_QUEUE);
        let (events, _) = broadcast::channel(EVENT_QUEUE);
        let (stop, _) = watch::channel(false);
        let facts = Arc::new(Mutex::new(facts()));
        let told = Arc::clone(&facts);
        let handle = NodeHandle::new(commands, events.clone(), Arc::new(stop), Health::new(move || told.lock().unwrap().clone()));
        let me = IdentityView {
            id: PeerId([1; 32]),
            words: words(1),
            name: "Andi".to_owned(),
            device: DeviceId([2; 16]),
            findable: false,
            beware: None,
        };
        let world = World {
            me,
            friends: vec![],
            requests: vec![],
            messages: vec![],
            rooms: vec![],
            asks_for_rooms: false,
            drafts: vec![],
            scripted: VecDeque::new(),
            is_deaf: false,
            seen: vec![],
            events: 0,
        };
        let fake = Self { handle: handle.clone(), world: Arc::new(Mutex::new(world)), events, facts };
        let node = fake.clone();
        tokio::spawn(async move {
            let mut unanswered = vec![];
            loop {
                let request = tokio::select! {
                    request = incoming.recv() => request,
                    () = handle.stopping() => return,
                };
                let Some(CommandRequest { command, reply }) = request else { return };
                let mut happened = vec![];
                let answer = {
                    let mut world = node.world.lock().unwrap();
                    world.seen.push(command.clone());
                    if world.is_deaf {
                        unanswered.push(reply);
                        continue;
                    }
                    match world.scripted.pop_front() {
                        Some(answer) => answer,
                        None => rooms::answer(&mut world, &command).unwrap_or_else(|| world.answer(command, &mut happened)),
                    }
                };
                let _ = reply.send(answer);
                happened.into_iter().for_each(|event| node.tell(event));
            }
        });
        fake
    }

    /// Sends an event.
    pub fn tell(&self, event: Event) {
        let mut world = self.world.lock().unwrap();
        let number = world.events;
        world.events += 1;
        // Nobody may be listening.
        let _ = self.events.send(NumberedEvent { number, event });
    }

    /// The next command is answered like this.
    pub fn script(&self, answer: Result<Reply, CommandError>) {
        self.world.lock().unwrap().scripted.push_back(answer);
    }

    /// Changes the world.
    pub fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.world.lock().unwrap())
    }

    /// A friend writes.
    pub fn receive(&self, friend: usize, text: &str, at: u64) -> MessageId {
        let (room, message) = self.with(|world| {
            let view = world.message_from(friend, text, at);
            let named = (view.conversation, view.message);
            world.messages.push(view);
            named
        });
        self.tell(Event::Message { room, message });
        message
    }

    /// A message of ours gets further.
    pub fn advance(&self, message: MessageId, state: MessageState) {
        self.with(|world| {
            let view = world.messages.iter_mut().find(|view| view.message == message).unwrap();
            view.state = state;
            view.reason = (state == MessageState::Failed).then_some("the friendship is over");
        });
        self.tell(Event::MessageState { message });
    }
}

impl World {
    fn friend(&mut self, who: &Who) -> Result<usize, CommandError> {
        let fits: Vec<usize> =
            (0..self.friends.len()).filter(|at| self.friends[*at].name == who.0 || self.friends[*at].id.to_string() == who.0).collect();
        match fits[..] {
            [] => Err(CommandError::NotFound),
            [one] => Ok(one),
            [..] => Err(CommandError::Ambiguous),
        }
    }

    fn set_request(&mut self, request: RequestId, status: RequestStatus) -> Result<Reply, CommandError> {
        let view = self.requests.iter_mut().find(|view| view.request == request).ok_or(CommandError::NotFound)?;
        view.status = status;
        Ok(Reply::Request(view.clone()))
    }

    fn set_blocked(&mut self, who: &Who, blocked: bool) -> Result<Reply, CommandError> {
        if let Ok(at) = self.friend(who) {
            self.friends[at].blocked = blocked;
            return Ok(Reply::Friend(self.friends[at].clone()));
        }
        let request = who.0.parse().map_err(|_| CommandError::NotFound)?;
        self.set_request(request, if blocked { RequestStatus::Blocked } else { RequestStatus::Pending })
    }

    fn answer(&mut self, command: Command, happened: &mut Vec<Event>) -> Result<Reply, CommandError> {
        match command {
            Command::Identity => Ok(Reply::Identity(self.me.clone())),
            Command::SetName(name) if name.is_empty() || name.len() > 64 => Err(CommandError::BadName),
            Command::SetName(name) => {
                self.me.name = name;
                Ok(Reply::Identity(self.me.clone()))
            }
            Command::Invite { lifetime: 0, .. } => Err(CommandError::BadLifetime),
            Command::Invite { lifetime, no_ip, .. } => Ok(Reply::Invite {
                link: format!("symbolon:{}", "invite234567".repeat(38).split_at(186).0),
                invite: GrantId([7; 16]),
                awaits_servers: false,
                expires: Timestamp(NOW.saturating_add(lifetime)),
                warning: no_ip.then_some("Without addresses your friend cannot find you yet: this version has no lookup."),
            }),
            Command::Add { target, note } => {
                if !target.starts_with("symbolon:") {
                    return Err(CommandError::BadTarget);
                }
                let request = self.add_request("Holger", Direction::Out, RequestStatus::Pending, note.as_deref());
                happened.push(Event::Request(request));
                Ok(Reply::Request(self.requests.last().unwrap().clone()))
            }
            Command::Requests => Ok(Reply::Requests(self.requests.iter().rev().cloned().collect())),
            Command::Accept(request) => {
                let reply = self.set_request(request, RequestStatus::Confirmed)?;
                let name = self.requests.iter().find(|view| view.request == request).unwrap().name.clone();
                let at = self.add_friend(&name);
                happened.extend([Event::Request(request), Event::Friend(self.friends[at].id)]);
                Ok(reply)
            }
            Command::Ignore(request) => self.set_request(request, RequestStatus::Ignored),
            Command::Cancel(request) => self.set_request(request, RequestStatus::Cancelled),
            Command::Invites => Ok(Reply::Invites(vec![invite(InviteState::Open), invite(InviteState::Used)])),
            Command::InviteRevoke(id) if invite(InviteState::Open).invite.to_string().starts_with(&id) => {
                Ok(Reply::InviteRevoked(invite(InviteState::Revoked)))
            }
            Command::InviteRevoke(_) => Err(CommandError::NotFound),
            Command::Block(who) => self.set_blocked(&who, true),
            Command::Unblock(who) => self.set_blocked(&who, false),
            Command::Friends => {
                for friend in &mut self.friends {
                    let unread = |view: &&MessageView| view.from == friend.id && view.state == MessageState::Delivered;
                    friend.unread = u32::try_from(self.messages.iter().filter(unread).count()).unwrap();
                }
                Ok(Reply::Friends(self.friends.clone()))
            }
            Command::FormerFriends => Ok(Reply::Friends(Vec::new())),
            Command::Rename { friend, name } => {
                let at = self.friend(&friend)?;
                let old = std::mem::replace(&mut self.friends[at].name, name.clone());
                for view in self.messages.iter_mut().filter(|view| view.conversation_name == old) {
                    view.conversation_name = name.clone();
                }
                Ok(Reply::Friend(self.friends[at].clone()))
            }
            Command::Unfriend(friend) => {
                let at = self.friend(&friend)?;
                Ok(Reply::Friend(self.friends.remove(at)))
            }
            Command::Introduce { asker, target, note } => {
                let (_, target) = (self.friend(&asker)?, self.friend(&target)?);
                let name = self.friends[target].name.clone();
                let request = self.add_request(&name, Direction::Out, RequestStatus::Pending, note.as_deref());
                let row = self.requests.last_mut().unwrap();
                row.kind = RequestKind::Introduction;
                happened.push(Event::Request(request));
                Ok(Reply::Request(self.requests.last().unwrap().clone()))
            }
            Command::Hide { friend, hidden } => {
                let at = self.friend(&friend)?;
                self.friends[at].hidden = hidden;
                Ok(Reply::Friend(self.friends[at].clone()))
            }
            Command::Verify { friend, words } => {
                let at = self.friend(&friend)?;
                match words {
                    Some(words) if words != self.friends[at].words => return Err(CommandError::WordsDiffer),
                    Some(_) => self.friends[at].trust = Trust::Verified,
                    None => {}
                }
                Ok(Reply::Friend(self.friends[at].clone()))
            }
            Command::Send { lifetime: Some(0), .. } => Err(CommandError::BadLifetime),
            Command::Send { to, text, .. } => {
                let at = self.friend(&to)?;
                if text.is_empty() || text.len() > 16 * 1024 {
                    return Err(CommandError::BadText);
                }
                let view = self.message_to(at, &text, NOW, MessageState::Queued);
                self.messages.push(view.clone());
                Ok(Reply::Message(view))
            }
            Command::Drafts => Ok(Reply::Drafts(self.drafts.clone())),
            Command::Draft { to, text } => {
                let at = self.friend(&to)?;
                let to = self.friends[at].id.to_string();
                self.drafts.retain(|draft| draft.to != to);
                self.drafts.extend((!text.is_empty()).then_some(DraftView { to, text }));
                happened.push(Event::Drafts);
                Ok(Reply::Drafts(self.drafts.clone()))
            }
            Command::Message(message) => {
                self.messages.iter().find(|view| view.message == message).cloned().map(Reply::Message).ok_or(CommandError::NotFound)
            }
            Command::Read { who, since, limit, peek } => {
                let room = who.map(|who| self.friend(&who).map(|at| RoomId(self.friends[at].id.0))).transpose()?;
                let start = match since {
                    Some(since) => 1 + self.messages.iter().position(|view| view.message == since).ok_or(CommandError::NotFound)?,
                    None => 0,
                };
                let mut fits: Vec<_> =
                    self.messages[start..].iter().filter(|view| room.is_none_or(|room| room == view.conversation)).cloned().collect();
                let count = limit.unwrap_or(1_000).min(1_000);
                if since.is_none() && limit.is_some() {
                    fits.drain(..fits.len().saturating_sub(count));
                }
                fits.truncate(count);
                for view in self.messages.iter_mut().filter(|view| !peek && !view.mine) {
                    if fits.iter().any(|shown| shown.message == view.message) {
                        view.state = MessageState::Read;
                    }
                }
                Ok(Reply::Messages(fits))
            }
            Command::ReadBefore { who, before, limit, peek } => {
                let end = self.messages.iter().position(|view| view.message == before).ok_or(CommandError::NotFound)?;
                let later = self.messages.split_off(end);
                let found = self.answer(Command::Read { who, since: None, limit: Some(limit.unwrap_or(1_000)), peek }, happened);
                self.messages.extend(later);
                found
            }
            Command::Search { text, .. } if text.is_empty() => Err(CommandError::BadSearch),
            Command::Search { text, before, limit } => {
                let end = match before {
                    Some(before) => self.messages.iter().position(|view| view.message == before).ok_or(CommandError::NotFound)?,
                    None => self.messages.len(),
                };
                let mut found: Vec<_> = self.messages[..end].iter().filter(|view| view.text.contains(&text)).cloned().collect();
                found.drain(..found.len().saturating_sub(limit.unwrap_or(1_000).min(1_000)));
                Ok(Reply::Messages(found))
            }
            Command::Doctor => Ok(Reply::Doctor(DoctorView {
                waiting: 2,
                oldest_wait: Some(3_600_000),
                friends: self.friends.len(),
                connected: self.friends.iter().filter(|friend| friend.online == Some(true)).count(),
                ..DoctorView::default()
            })),
            Command::SetFindable(findable) => {
                self.me.findable = findable;
                Ok(Reply::Identity(self.me.clone()))
            }
            Command::LookupAdd(lookup) => Ok(Reply::Lookup(LookupView { lookup, answers: None })),
            Command::LookupRemove(_) => Err(CommandError::NotFound),
            Command::Lookups => Ok(Reply::Lookups(Vec::new())),
            Command::Relays => Ok(Reply::Relays(Vec::new())),
            Command::RelayAdd { .. } => Err(CommandError::BadLink),
            Command::RelayClaim(_) | Command::RelayRemove(_) => Err(CommandError::NotFound),
            Command::DeviceConfirm => Ok(Reply::Confirmed(false)),
            Command::DeviceResend(_) => Err(CommandError::NotFound),
            Command::Status => Ok(Reply::Status(StatusView {
                dht: symbolon_core::command::DhtView::default(),
                lan: None,
                relays: Vec::new(),
                peers: self.friends.iter().filter(|friend| friend.online == Some(true)).count(),
                queue: self.messages.iter().filter(|view| view.state == MessageState::Queued).count() as u64,
                problems: vec![],
                sent_frames: vec![("envelope", 12), ("receipt", 4)],
                dropped_frames: vec![("malformed", 1)],
            })),
            _ => unreachable!("answered by its rooms"),
        }
    }
}

/// Twelve words, other ones for each number.
pub fn words(number: u8) -> String {
    const WORDS: [&str; 8] = ["abandon", "basket", "crystal", "dolphin", "evidence", "firefly", "gravity", "hundred"];
    (0..12).map(|at| WORDS[(usize::from(number) * 5 + at * at + at) % WORDS.len()]).collect::<Vec<_>>().join(" ")
}

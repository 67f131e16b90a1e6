//! People and texts that a scripted core knows.

use super::*;

impl World {
    pub fn add_friend(&mut self, name: &str) -> usize {
        let number = self.friends.len();
        let byte = 10 + u8::try_from(number).unwrap();
        self.friends.push(FriendView {
            devices: Vec::new(),
            id: PeerId([byte; 32]),
            name: name.to_owned(),
            says: None,
            words: words(byte),
            trust: if number.is_multiple_of(2) { Trust::Verified } else { Trust::Invited },
            blocked: false,
            mutual: true,
            unread: 0,
            online: [Some(true), Some(false), None][number % 3],
            path: number.is_multiple_of(3).then_some(Path::Direct),
            hidden: false,
            beware: None,
            build: None,
            introduced_by: if number == 2 { vec!["Andi".to_owned()] } else { Vec::new() },
        });
        number
    }

    pub fn add_request(&mut self, name: &str, direction: Direction, status: RequestStatus, note: Option<&str>) -> RequestId {
        let byte = 100 + u8::try_from(self.requests.len()).unwrap();
        let mut request = [byte; 16];
        request[15] = 7;
        self.requests.push(RequestView {
            request: RequestId(request),
            kind: RequestKind::Friend,
            introduced_by: Vec::new(),
            room: None,
            direction,
            peer: PeerId([byte; 32]),
            name: name.to_owned(),
            words: words(byte),
            trust: Trust::Invited,
            note: note.map(str::to_owned),
            status,
            fault: None,
            created: Timestamp(NOW),
        });
        RequestId(request)
    }

    pub fn message_from(&self, friend: usize, text: &str, at: u64) -> MessageView {
        let friend = &self.friends[friend];
        MessageView {
            message: self.message_id(),
            conversation: RoomId(friend.id.0),
            conversation_name: friend.name.clone(),
            from: friend.id,
            from_name: friend.name.clone(),
            text: text.to_owned(),
            at: Timestamp(at),
            state: MessageState::Delivered,
            reason: None,
            mine: false,
            is_line: false,
            tally: None,
        }
    }

    pub fn message_to(&self, friend: usize, text: &str, at: u64, state: MessageState) -> MessageView {
        let mut view = self.message_from(friend, text, at);
        view.from = self.me.id;
        view.from_name = self.me.name.clone();
        view.mine = true;
        view.state = state;
        view.reason = (state == MessageState::Failed).then_some("the friendship is over");
        view
    }

    pub(super) fn message_id(&self) -> MessageId {
        let mut id = [3; 16];
        id[..8].copy_from_slice(&(self.messages.len() as u64).to_be_bytes());
        MessageId(id)
    }
}

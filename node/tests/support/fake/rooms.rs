//! Rooms of the made-up node.

use super::World;
use symbolon_core::command::{
    Command, CommandError, Direction, MemberView, Reply, RequestStatus, RoomRole, RoomStanding, RoomView, SettingsView, Trust, Who,
};
use symbolon_presence::id::RoomId;

/// A room and who is in it.
pub struct FakeRoom {
    pub view: RoomView,
    pub members: Vec<MemberView>,
}

/// What it answers to a command about rooms; `None` to any other.
pub fn answer(world: &mut World, command: &Command) -> Option<Result<Reply, CommandError>> {
    Some(match command {
        Command::Rooms => Ok(Reply::Rooms(world.rooms.iter().map(|room| room.view.clone()).collect())),
        Command::Settings => Ok(Reply::Settings(SettingsView { asks_for_rooms: world.asks_for_rooms, vouches: true })),
        Command::SetAsksForRooms(asks) => {
            world.asks_for_rooms = *asks;
            Ok(Reply::Settings(SettingsView { asks_for_rooms: *asks, vouches: true }))
        }
        Command::RoomCreate(name) if name.is_empty() => Err(CommandError::BadName),
        Command::RoomCreate(name) => Ok(Reply::Room(create(world, name))),
        Command::RoomBefriend { who, note, .. } => {
            world.add_request(&who.0, Direction::Out, RequestStatus::Pending, note.as_deref());
            Ok(Reply::Request(world.requests[world.requests.len() - 1].clone()))
        }
        Command::RoomsWith(who) => Ok(Reply::Rooms(shared(world, who))),
        Command::RoomsLeaveWith(who) => {
            let rooms = shared(world, who);
            for room in &mut world.rooms {
                if rooms.iter().any(|left| left.room == room.view.room) {
                    room.view.standing = RoomStanding::Leaving;
                }
            }
            Ok(Reply::Rooms(shared(world, who)))
        }
        Command::RoomMembers(room) => find(world, room).map(|at| Reply::Members(world.rooms[at].members.clone())),
        Command::RoomAdd { room, who } => add(world, room, who),
        Command::RoomRemove { room, who } => change(world, room, |room| {
            room.members.retain(|member| member.is_me || !who.iter().any(|who| who.0 == member.name));
        }),
        Command::RoomLeave(room) => change(world, room, |room| room.view.standing = RoomStanding::Leaving),
        Command::RoomRename { room, name } => change(world, room, |room| room.view.name.clone_from(name)),
        Command::RoomTopic { room, topic } => change(world, room, |room| room.view.topic.clone_from(topic)),
        Command::RoomRole { room, who, role } => change(world, room, |room| {
            let fits = room.members.iter_mut().filter(|member| member.name == who.0);
            fits.for_each(|member| member.role = *role);
        }),
        Command::RoomNote { room, muted, archived } => change(world, room, |room| {
            room.view.is_muted = muted.unwrap_or(room.view.is_muted);
            room.view.is_archived = archived.unwrap_or(room.view.is_archived);
        }),
        _ => return None,
    })
}

fn create(world: &mut World, name: &str) -> RoomView {
    let me = MemberView {
        id: world.me.id,
        name: world.me.name.clone(),
        words: world.me.words.clone(),
        trust: Trust::Verified,
        role: RoomRole::Owner,
        is_me: true,
    };
    let view = RoomView {
        room: RoomId([200 + u8::try_from(world.rooms.len()).unwrap(); 32]),
        name: name.to_owned(),
        topic: String::new(),
        epoch: 0,
        members: 1,
        role: Some(RoomRole::Owner),
        standing: RoomStanding::Member,
        unread: 0,
        is_muted: false,
        is_archived: false,
        invited: Vec::new(),
        added_by: None,
        heirs: Vec::new(),
    };
    world.rooms.push(FakeRoom { view: view.clone(), members: vec![me] });
    view
}

/// The room of a name or an id.
fn find(world: &World, room: &Who) -> Result<usize, CommandError> {
    let fits = |view: &RoomView| view.name == room.0 || view.room.to_string() == room.0;
    let fits: Vec<usize> = (0..world.rooms.len()).filter(|at| fits(&world.rooms[*at].view)).collect();
    match fits[..] {
        [] => Err(CommandError::NotFound),
        [one] => Ok(one),
        [..] => Err(CommandError::Ambiguous),
    }
}

/// Who is online comes in at once.
fn add(world: &mut World, room: &Who, who: &[Who]) -> Result<Reply, CommandError> {
    let at = find(world, room)?;
    for who in who {
        let friend = world.friend(who)?;
        let friend = world.friends[friend].clone();
        if friend.online != Some(true) {
            world.rooms[at].view.invited.push(friend.name);
            continue;
        }
        let member =
            MemberView { id: friend.id, name: friend.name, words: friend.words, trust: friend.trust, role: RoomRole::Member, is_me: false };
        world.rooms[at].members.push(member);
    }
    change(world, room, |_| {})
}

fn change(world: &mut World, room: &Who, change: impl FnOnce(&mut FakeRoom)) -> Result<Reply, CommandError> {
    let at = find(world, room)?;
    let room = &mut world.rooms[at];
    change(room);
    room.view.epoch += 1;
    room.view.members = room.members.len();
    Ok(Reply::Room(room.view.clone()))
}

/// The rooms in which somebody is with us.
fn shared(world: &World, who: &Who) -> Vec<RoomView> {
    let is_there = |room: &&FakeRoom| room.members.iter().any(|member| member.name == who.0 || member.id.to_string() == who.0);
    world.rooms.iter().filter(is_there).map(|room| room.view.clone()).collect()
}

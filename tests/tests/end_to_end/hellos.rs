//! What members of a room say of themselves to a node that runs, false or said again: by hand, with all that lies in a member's own folder.

use super::by_hand::{Wire, dropped};
use super::vouching::{NAMES, ROOM, SOON, TCP, crew, person};
use minicbor::Decode;
use serde_json::json;
use std::path::Path;
use symbolon_core::wire::{Known, RoomPayload, Seat, Ways};
use symbolon_core::world::{RoomCipher, Sealed};
use symbolon_node::mls::{MemoryRows, MlsCipher, MlsRows};
use symbolon_presence::codec;
use symbolon_presence::id::{DeviceId, RoomId};
use symbolon_presence::seeds::Ratchet;
use symbolon_relay::frame::Frame;
use symbolon_relay::put::Put;
use symbolon_tests::campaign::files;
use symbolon_tests::node::{Node, calm, within};
use symbolon_tests::sim::rows::{ChannelRow, SequencesRow, read};

#[derive(Decode)]
#[cbor(map)]
struct SeatRow {
    #[n(1)]
    seat: Seat,
}

/// A member whose node was stopped: their leaf in the room, and what they know of the one to whom they speak.
struct Member {
    cipher: MlsCipher<MemoryRows>,
    room: RoomId,
    own: Ways,
    to: Ways,
    keys: Ratchet,
    sequence: u64,
}

fn device(node: &Node) -> DeviceId {
    node.json(&["id"]).unwrap()[0]["device"].as_str().unwrap().parse().unwrap()
}

impl Member {
    fn stolen(node: &Node, own: DeviceId, to: DeviceId, home: &Path) -> Self {
        let copy = home.join(format!("copy {}", node.pid()));
        files::copy(node.folder(), &copy).unwrap();
        let rows = files::rows(&copy).unwrap();
        fn of<'a>(rows: &'a files::Rows, name: &'a str) -> impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)> {
            rows.iter().filter(move |((table, _), _)| table == name).map(|((_, key), value)| (key, value))
        }
        let mls = MemoryRows::default();
        of(&rows, "mls").for_each(|(key, value)| mls.put(key, value).unwrap());
        let (room, _) = of(&rows, "shared_room").next().unwrap();
        let room = RoomId::from_slice(room).unwrap();
        let seats: Vec<Seat> = of(&rows, "seat").map(|(_, row)| read::<SeatRow>(row).seat).collect();
        let ways = |whose: DeviceId| {
            let is_theirs = |seat: &&Seat| seat.owner.chain.as_ref().unwrap().body().unwrap().device == whose;
            seats.iter().find(is_theirs).unwrap().ways.clone()
        };
        let row = |key: &[u8]| &rows[&("channel".to_owned(), key.to_vec())];
        let channel: ChannelRow = read(row(to.as_bytes()));
        let place: SequencesRow = read(row(&[to.as_bytes().as_slice(), room.as_bytes()].concat()));
        let (own, to) = (ways(own), ways(to));
        Self { cipher: MlsCipher::new(mls), room, own, to, keys: channel.outbound.unwrap().ratchet, sequence: place.send }
    }

    /// A hello, sealed in the room.
    fn hello(&mut self, ways: &Ways, name: &str) -> Sealed {
        let ways = Ways { name: name.to_owned(), ..ways.clone() };
        self.cipher.seal(self.room, &codec::encode(&RoomPayload::Ways(Box::new(ways))), &[]).unwrap()
    }

    /// Gives what was sealed, by anybody, to the one to whom they speak.
    fn give(&mut self, wire: &mut Wire, sealed: &Sealed) {
        let known = Known { room: self.room, epoch: sealed.epoch, sequence: Some(self.sequence), mls: sealed.bytes.clone(), piece: None };
        self.sequence += 1;
        let envelope = self.keys.turn().seal(&[7; 12], &codec::encode(&known)).unwrap();
        let to = self.to.own.clone();
        let put = Put::new(to.entry.address.clone(), &to.key, 3_600, None, envelope).unwrap();
        wire.say(&Frame::Put(put).encode());
    }
}

/// How a node names the members of the room.
fn names(node: &Node) -> Vec<String> {
    node.json(&["room", "members", ROOM]).unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a60_a_running_node_hears_no_hello_in_another_s_name_or_of_another_s_sealing_and_none_twice() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let relay = Node::start(&home.join("relay"), &["relay", "run", "--open", "--listen", TCP]).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let [ana, ben, cem] = [0, 1, 2].map(|at| person(home, NAMES[at], &link, &[]));
    crew(&ana, &ben, &cem);
    let [mut ana, mut cem] = [ana, cem];
    // Benjamin and Cemalettin are no friends: each has the other one's name from the other one alone.
    ben.json(&["send", ROOM, "is everybody here?"]).unwrap();
    for node in [&ana, &cem] {
        node.json(&["send", ROOM, "here"]).unwrap();
        within(SOON, "all is said", || Ok((node.json(&["status"])?[0]["queue"] == 0).then_some(()))).unwrap();
    }
    within(SOON, "he knows his name", || Ok(names(&ben).contains(&NAMES[2].to_owned()).then_some(()))).unwrap();
    let devices = [&ana, &ben, &cem].map(device);
    for node in [&mut ana, &mut cem] {
        node.interrupt().unwrap();
    }
    let [mut friend, mut member] = [(&ana, 0), (&cem, 2)].map(|(node, at)| Member::stolen(node, devices[at], devices[1], home));
    let mut wire = Wire::call(&ben);
    let is_called = |name: &str| names(&ben).contains(&name.to_owned());

    // Where another member is written to, as if it were his own; and what she has sealed herself, given by him.
    let hers = friend.own.clone();
    let lies = [member.hello(&hers, "Ana herself"), friend.hello(&hers, "Anna"), friend.hello(&member.own.clone(), "Cem")];
    for (number, lie) in lies.iter().enumerate() {
        let before = (names(&ben), dropped(&ben));
        member.give(&mut wire, lie);
        within(SOON, "it came", || Ok((dropped(&ben) > before.1).then_some(()))).unwrap();
        assert_eq!(names(&ben), before.0, "lie {number}");
    }

    // His own is heard, and then another one; the first one is not heard again, no matter who gives it.
    let own = member.own.clone();
    let [first, second] = ["Cem the first", "Cem the second"].map(|name| member.hello(&own, name));
    for (hello, name) in [(&first, "Cem the first"), (&second, "Cem the second")] {
        member.give(&mut wire, hello);
        within(SOON, name, || Ok(is_called(name).then_some(()))).unwrap();
    }
    for by in [&mut member, &mut friend] {
        let before = dropped(&ben);
        by.give(&mut wire, &first);
        within(SOON, "it came", || Ok((dropped(&ben) > before).then_some(()))).unwrap();
        assert!(is_called("Cem the second") && !is_called("Cem the first"));
    }
    assert_eq!(ben.json(&["status"]).unwrap()[0]["dropped_frames"], json!({ "forged": 3, "reused": 2 }));
    calm(ben.folder()).unwrap();
}

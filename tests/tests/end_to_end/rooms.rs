//! Rooms, on the built command: three people, of whom two have never heard of each other, and a relay.

use super::assert_fields;
use super::relay::{Rows, assert_shows_no_sender, killed, rows_in};
use super::vouchers::keys_of;
use minicbor::Decode;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use symbolon_core::table::Table;
use symbolon_core::wire::Seat;
use symbolon_presence::codec;
use symbolon_presence::id::{GrantId, PeerId, RoomId};
use symbolon_presence::kdf::Secret;
use symbolon_relay::grant::Queue;
use symbolon_relay::machine::rows::Entry;
use symbolon_tests::node::{Node, befriend, within};

const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const SOON: Duration = Duration::from_secs(30);

const ROOM: &str = "room,name,topic,epoch,members,role,standing,unread,muted,archived,invited,added_by";
const MEMBER: &str = "id,name,words,trust,role";

/// Ana, who is a friend of Ben and of Cem, and the relay at which all three keep mailboxes.
struct Crew {
    ana: Node,
    ben: Node,
    cem: Node,
    relay: Node,
}

impl Crew {
    fn start(home: &Path) -> Self {
        let relay = Node::start(&home.join("relay"), &["relay", "run", "--open", "--listen", TCP]).unwrap();
        let link = relay.ready["link"].as_str().unwrap().to_owned();
        let person = |name: &str| Node::start(&home.join(name), &["--no-lan", "--listen", TCP, "--name", name, "--relay", &link]).unwrap();
        let (ana, ben, cem) = (person("Ana"), person("Ben"), person("Cem"));
        for node in [&ana, &ben, &cem] {
            within(SOON, "the relay keeps the mailbox", || Ok((node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(())))
                .unwrap();
        }
        befriend((&ana, "Ana"), (&ben, "Ben")).unwrap();
        befriend((&ana, "Ana"), (&cem, "Cem")).unwrap();
        Self { ana, ben, cem, relay }
    }

    fn all(&self) -> [&Node; 3] {
        [&self.ana, &self.ben, &self.cem]
    }

    /// A room of all three.
    fn with_room(home: &Path) -> Self {
        let crew = Self::start(home);
        assert_fields(&crew.ana.json(&["room", "create", "Crew"]).unwrap()[0], ROOM);
        assert_fields(&crew.ana.json(&["room", "add", "Crew", "Ben", "Cem"]).unwrap()[0], ROOM);
        for node in crew.all() {
            wait_for_people(node, 3);
        }
        crew
    }
}

/// Waits until as many people are in the one room of a node.
fn wait_for_people(node: &Node, people: u64) -> Value {
    within(SOON, "all are in the room", || {
        let rooms = node.json(&["room", "list"])?;
        Ok(rooms.into_iter().find(|room| room["members"] == people))
    })
    .unwrap_or_else(|why| panic!("{why}: {:?}", node.json(&["room", "list", "--all"])))
}

/// Waits until a text, or a line about the room, is in the history of the room.
fn wait_for_text(node: &Node, text: &str) -> Value {
    within(SOON, "the text is there", || {
        let messages = node.json(&["read", "Crew", "--peek"])?;
        Ok(messages.into_iter().find(|message| message["text"] == text))
    })
    .unwrap_or_else(|why| panic!("{text}: {why}: {:?}", node.json(&["read", "Crew", "--peek"])))
}

/// Ben's Peer ID, as a friend has it.
fn of_ben(node: &Node) -> String {
    let friends = node.json(&["friends"]).unwrap();
    friends.iter().find(|friend| friend["name"] == "Ben").unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn three_people_of_whom_two_are_strangers_talk_in_a_room() {
    let home = tempfile::tempdir().unwrap();
    let crew = Crew::with_room(home.path());
    let Crew { ana, ben, cem, .. } = &crew;

    let members = ben.json(&["room", "members", "Crew"]).unwrap();
    members.iter().for_each(|member| assert_fields(member, MEMBER));
    let of = |name: &str| members.iter().find(|member| member["name"] == name).unwrap_or_else(|| panic!("{name} in {members:?}"));
    assert_eq!((&of("Ana")["role"], &of("Ben")["role"]), (&"owner".into(), &"member".into()));
    assert_eq!((&of("Ana")["trust"], &of("Cem")["trust"]), (&"invited".into(), &"room".into()), "Ben has never heard of Cem");
    assert_eq!(ben.json(&["friends"]).unwrap().len(), 1, "and Cem is no friend by that");
    assert_eq!(cem.json(&["room", "list"]).unwrap()[0]["added_by"], "Ana");

    let sent = ben.json(&["send", "Crew", "ahoy from Ben"]).unwrap();
    for (node, from) in [(ana, "Ben"), (cem, "Ben")] {
        let message = wait_for_text(node, "ahoy from Ben");
        assert_eq!((&message["from"], &message["conversation"], &message["line"]), (&from.into(), &"Crew".into(), &false.into()));
    }
    let id = sent[0]["message"].as_str().unwrap();
    let held = within(SOON, "all have it", || {
        let own = ben.json(&["read", "Crew", "--peek"])?.into_iter().find(|message| message["message"] == id);
        Ok(own.filter(|message| message["delivered_by"] == "2/2"))
    });
    assert_eq!(held.unwrap()["state"], "delivered");
    cem.json(&["send", "Crew", "ahoy from Cem"]).unwrap();
    assert_eq!(wait_for_text(ben, "ahoy from Cem")["from"], "Cem");

    // Friends and rooms have one namespace: what could mean either is refused, and both ids are listed.
    let namesake = ana.json(&["room", "create", "Ben"]).unwrap()[0]["room"].as_str().unwrap().to_owned();
    let refused = ana.run(&["--json", "send", "Ben", "which one?"]).unwrap().stdout;
    assert!(refused.contains("ambiguous") && refused.contains(&namesake) && refused.contains(of_ben(ana).as_str()), "{refused}");
    ana.json(&["send", &namesake, "the room"]).unwrap();

    let plain = cem.run(&["read", "Crew"]).unwrap().stdout;
    assert!(plain.contains("Ben in Crew: ahoy from Ben"), "{plain}");
    for node in crew.all() {
        node.calm().unwrap();
    }
}

/// A row of [`Table::Seat`].
#[derive(Decode)]
#[cbor(map)]
struct SeatRow {
    #[n(1)]
    seat: Seat,
}

/// A row of [`Table::Step`], as far as it matters here.
#[derive(Decode)]
#[cbor(map)]
struct StepRow {
    #[n(5)]
    key: Secret,
}

fn rows_of<T: for<'b> Decode<'b, ()>>(rows: &Rows, table: Table) -> Vec<T> {
    // Behind the version.
    rows.iter().filter(|(of, ..)| *of == table).map(|(.., value)| minicbor::decode(&value[1..]).unwrap()).collect()
}

fn seats_of(rows: &Rows) -> Vec<Seat> {
    rows_of(rows, Table::Seat).into_iter().map(|row: SeatRow| row.seat).collect()
}

/// The credential encryption keys of epochs that may come back.
fn epoch_keys(rows: &Rows) -> Vec<Vec<u8>> {
    rows_of(rows, Table::Step).into_iter().map(|row: StepRow| row.key.expose().to_vec()).collect()
}

/// Cem is off while he is brought into a second room, and two write to him: a friend, and a stranger in the first room.
#[test]
fn s0_16_s0_17_s0_33_s1_01_s1_03_s1_04_s1_12_s1_25_s1_26_s1_33_a_relay_with_packages_a_welcome_and_texts_of_rooms_knows_nobody_in_them() {
    let home = tempfile::tempdir().unwrap();
    let mut crew = Crew::with_room(home.path());
    crew.cem.interrupt().unwrap();
    crew.ana.json(&["room", "create", "Boat"]).unwrap();
    crew.ana.json(&["room", "add", "Boat", "Cem"]).unwrap();
    within(SOON, "Cem is brought in by a package that lies at the relay", || {
        Ok(crew.ana.json(&["room", "list"])?.into_iter().find(|room| room["name"] == "Boat" && room["members"] == 2))
    })
    .unwrap();
    for node in [&crew.ana, &crew.ben] {
        let sent = node.json(&["send", "Crew", "while he is away", "--wait", "stored", "--timeout", "20s"]).unwrap();
        assert_eq!(sent[0]["state"], "stored");
    }
    let rooms: Vec<RoomId> =
        crew.ana.json(&["room", "list"]).unwrap().iter().map(|room| room["room"].as_str().unwrap().parse().unwrap()).collect();
    let kept = killed(&mut crew.relay);
    let of = |table| kept.iter().filter(move |(of, ..)| *of == table);
    assert!(of(Table::Package).count() >= 3, "packages of all three");
    assert!(assert_shows_no_sender(&kept) >= 3, "a Welcome and two texts");
    // In the queue of friends, and in that of those who are in a room with him.
    let queues: Vec<(Queue, bool)> = of(Table::Entry)
        .map(|(.., value)| codec::decode::<Entry>(value, value.len()).unwrap())
        .map(|entry| (entry.queue, entry.members == Some(true)))
        .collect();
    assert!(queues.contains(&(Queue::Direct, false)) && queues.contains(&(Queue::Guest, true)), "{queues:?}");

    for node in [&mut crew.ana, &mut crew.ben] {
        node.interrupt().unwrap();
    }
    let bytes =
        |rows: &[(Table, Vec<u8>, Vec<u8>)]| rows.iter().flat_map(|(_, key, value)| [key.as_slice(), value].concat()).collect::<Vec<u8>>();
    let (at_relay, at_ana) = (bytes(&kept), bytes(&rows_in(crew.ana.folder())));
    let shows = |bytes: &[u8], secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    // The rooms, and whose they are: by Peer ID, and by the keys that stand in the certificates of all three.
    let mut secrets: Vec<Vec<u8>> = rooms.iter().map(|room| room.as_bytes().to_vec()).collect();
    for node in crew.all() {
        secrets.push(node.ready["id"].as_str().unwrap().parse::<PeerId>().unwrap().as_bytes().to_vec());
        secrets.extend(keys_of(node, home.path()));
    }
    // What opens credentials: the key of each leaf, and that of each epoch of which the room keeps it.
    let at_ben = rows_in(crew.ben.folder());
    let seats = seats_of(&rows_in(crew.ana.folder()));
    assert_eq!(seats.len(), 5, "three in one room and two in the other");
    secrets.extend(seats.iter().map(|seat| seat.owner.key.expose().to_vec()));
    secrets.extend(epoch_keys(&rows_in(crew.ana.folder())));
    assert!(secrets.len() >= 20, "{}", secrets.len());
    for secret in secrets {
        assert!(shows(&at_ana, &secret), "it is nothing that members know");
        assert!(!shows(&at_relay, &secret), "the relay knows it");
    }
    // Ben, who is no friend of Cem, has read whose the mailbox is, and where; what its address says only the relay has opened.
    let cem: PeerId = crew.cem.ready["id"].as_str().unwrap().parse().unwrap();
    let is_of_cem = |seat: &Seat| seat.owner.chain.as_ref().is_some_and(|chain| chain.verify(super::server::now()).unwrap().person == cem);
    let of_cem = seats_of(&at_ben).into_iter().find(is_of_cem).unwrap();
    let mailbox = &of_cem.ways.relay_mailboxes[0].entry;
    assert!(!mailbox.places.is_empty());
    let (at_ben, entries) = (bytes(&at_ben), of(Table::Entry).map(|(.., value)| codec::decode::<Entry>(value, value.len()).unwrap()));
    let grants: Vec<GrantId> = entries.filter(|entry| entry.members == Some(true)).map(|entry| entry.grant).collect();
    assert!(shows(&at_ben, &mailbox.address) && !grants.is_empty());
    assert!(!grants.iter().any(|grant| shows(&at_ben, grant.as_bytes())));
    crew.relay.restart().unwrap();
    crew.cem.restart().unwrap();
    within(SOON, "he comes in by the Welcome that lay there", || {
        Ok(crew.cem.json(&["room", "list"])?.into_iter().find(|room| room["name"] == "Boat" && room["added_by"] == "Ana"))
    })
    .unwrap();
}

#[test]
fn who_is_removed_reads_nothing_new_and_keeps_the_history() {
    let home = tempfile::tempdir().unwrap();
    let crew = Crew::with_room(home.path());
    let Crew { ana, ben, cem, .. } = &crew;
    ana.json(&["send", "Crew", "all of us"]).unwrap();
    wait_for_text(cem, "all of us");
    let refused = ben.run(&["--json", "room", "remove", "Crew", "Cem"]).unwrap();
    assert!(refused.stdout.contains("no_right"), "a member removes nobody: {}", refused.stdout);

    ana.json(&["room", "remove", "Crew", "Cem"]).unwrap();
    for node in [ana, ben] {
        wait_for_people(node, 2);
    }
    ana.json(&["send", "Crew", "without Cem"]).unwrap();
    wait_for_text(ben, "without Cem");
    within(SOON, "Cem knows", || {
        let rooms = cem.json(&["room", "list", "--all"])?;
        Ok(rooms.into_iter().find(|room| room["standing"] == "removed"))
    })
    .unwrap();
    assert!(cem.json(&["room", "list"]).unwrap().is_empty());
    let room = cem.json(&["room", "list", "--all"]).unwrap()[0]["room"].as_str().unwrap().to_owned();
    let history = cem.json(&["read", &room]).unwrap();
    assert!(history.iter().any(|message| message["text"] == "all of us"), "{history:?}");
    assert!(!history.iter().any(|message| message["text"] == "without Cem"), "{history:?}");
    let refused = cem.run(&["--json", "send", &room, "let me in"]).unwrap();
    assert!(refused.stdout.contains("not_in_room"), "{}", refused.stdout);
}

#[test]
fn a_room_is_named_gets_roles_survives_a_restart_and_passes_on_when_its_owner_leaves() {
    let home = tempfile::tempdir().unwrap();
    let mut crew = Crew::with_room(home.path());
    crew.ana.json(&["room", "topic", "Crew", "who", "sails", "on", "Sunday"]).unwrap();
    crew.ana.json(&["room", "role", "Crew", "Ben", "admin"]).unwrap();
    within(SOON, "Ben is an admin", || {
        let room = &crew.ben.json(&["room", "list"])?[0];
        Ok((room["role"] == "admin" && room["topic"] == "who sails on Sunday").then_some(()))
    })
    .unwrap();
    crew.ben.json(&["room", "rename", "Crew", "Boat"]).unwrap();
    for node in crew.all() {
        within(SOON, "the room has another name", || Ok((node.json(&["room", "list"])?[0]["name"] == "Boat").then_some(()))).unwrap();
    }
    crew.cem.json(&["room", "mute", "Boat"]).unwrap();
    crew.cem.interrupt().unwrap();
    crew.cem.restart().unwrap();
    let room = crew.cem.json(&["room", "list"]).unwrap()[0].clone();
    assert_eq!((&room["muted"], &room["members"], &room["topic"]), (&true.into(), &3.into(), &"who sails on Sunday".into()));

    // Ben and Cem came in together: which of them owns the room afterwards is decided by the commit.
    let heirs = crew.ana.json(&["room", "list"]).unwrap()[0]["heirs"].clone();
    assert!(heirs == json!(["Ben", "Cem"]) || heirs == json!(["Cem", "Ben"]), "{heirs}");
    assert_eq!(crew.ben.json(&["room", "list"]).unwrap()[0]["heirs"], json!([]), "only an owner leaves it to somebody");
    assert_eq!(crew.ana.json(&["room", "leave", "Boat"]).unwrap()[0]["standing"], "leaving");
    for node in [&crew.ben, &crew.cem] {
        wait_for_people(node, 2);
    }
    let owners: Vec<_> =
        [&crew.ben, &crew.cem].into_iter().filter(|node| node.json(&["room", "list"]).unwrap()[0]["role"] == "owner").collect();
    assert_eq!(owners.len(), 1, "one of the two owns it now");
    crew.cem.json(&["send", "Boat", "still here"]).unwrap();
    within(SOON, "the text is there", || Ok(crew.ben.json(&["read", "Boat"])?.into_iter().find(|message| message["text"] == "still here")))
        .unwrap();
    assert!(!crew.ana.json(&["read"]).unwrap().iter().any(|message| message["text"] == "still here"));
}

#[test]
fn who_wants_to_be_asked_is_shown_a_room_after_their_yes_and_leaves_it_by_their_no() {
    let home = tempfile::tempdir().unwrap();
    let crew = Crew::start(home.path());
    let Crew { ana, ben, cem, .. } = &crew;
    assert!(ben.json(&["settings"]).unwrap().contains(&json!({ "setting": "rooms", "value": "join" })));
    for node in [ben, cem] {
        assert_eq!(node.json(&["settings", "rooms", "ask"]).unwrap()[0]["value"], "ask");
    }
    assert_eq!(ben.json(&["settings", "rooms"]).unwrap()[0]["value"], "ask");
    ana.json(&["room", "create", "Crew"]).unwrap();
    ana.json(&["room", "add", "Crew", "Ben", "Cem"]).unwrap();
    wait_for_people(ana, 3);
    ana.json(&["send", "Crew", "before their word"]).unwrap();
    let question = |node: &Node| {
        within(SOON, "the question is there", || {
            Ok(node.json(&["requests"])?.into_iter().find(|one| one["kind"] == "room" && one["status"] == "pending"))
        })
        .unwrap()
    };
    let of_ben = question(ben);
    assert_eq!((&of_ben["name"], &of_ben["room_name"], &of_ben["parted"]), (&"Ana".into(), &"Crew".into(), &json!([])));
    assert!(ben.json(&["room", "list"]).unwrap().is_empty() && ben.json(&["read"]).unwrap().is_empty());
    assert_eq!(ben.json(&["room", "list", "--all"]).unwrap()[0]["standing"], "asked");
    let plain = ben.run(&["requests"]).unwrap().stdout;
    assert!(plain.contains("Ana has brought you into the room Crew"), "{plain}");

    let answered = ben.json(&["accept", of_ben["request"].as_str().unwrap()]).unwrap();
    assert_eq!((&answered[0]["kind"], &answered[0]["status"]), (&"room".into(), &"confirmed".into()));
    wait_for_text(ben, "before their word");
    let of_cem = question(cem)["request"].as_str().unwrap().to_owned();
    cem.json(&["ignore", &of_cem]).unwrap();
    for node in [ana, ben] {
        wait_for_people(node, 2);
    }
    assert!(cem.json(&["room", "list", "--all"]).unwrap().is_empty() && cem.json(&["read"]).unwrap().is_empty());
}

#[test]
fn s4_11_two_who_are_never_on_at_the_same_time_and_have_no_relay_write_to_each_other_by_a_friend() {
    let home = tempfile::tempdir().unwrap();
    let person = |name: &str| Node::start(&home.path().join(name), &["--no-lan", "--listen", TCP, "--name", name]).unwrap();
    let (mut ana, ben, mut cem) = (person("Ana"), person("Ben"), person("Cem"));
    befriend((&ana, "Ana"), (&ben, "Ben")).unwrap();
    befriend((&ben, "Ben"), (&cem, "Cem")).unwrap();
    befriend((&ana, "Ana"), (&cem, "Cem")).unwrap();
    ana.json(&["room", "create", "Crew"]).unwrap();
    ana.json(&["room", "add", "Crew", "Ben", "Cem"]).unwrap();
    for node in [&ana, &ben, &cem] {
        wait_for_people(node, 3);
    }
    cem.interrupt().unwrap();
    let sent = ana.json(&["send", "Crew", "to all"]).unwrap();
    let private = ana.json(&["send", "Cem", "to you alone"]).unwrap();
    // By then Ben has both.
    within(Duration::from_secs(90), "Ben carries", || {
        let frames = &ana.json(&["status"])?[0]["sent_frames"];
        Ok(frames["carry"].as_u64().filter(|frames| *frames >= 2))
    })
    .unwrap_or_else(|why| panic!("{why}: {:?}", ana.json(&["status"])));
    ana.kill().unwrap();
    cem.restart().unwrap();
    wait_for_text(&cem, "to all");
    within(SOON, "the private text is there", || {
        Ok(cem.json(&["read", "Ana", "--peek"])?.into_iter().find(|row| row["text"] == "to you alone"))
    })
    .unwrap();
    cem.kill().unwrap();
    ana.restart().unwrap();
    for (of, message) in [("Crew", &sent[0]["message"]), ("Cem", &private[0]["message"])] {
        within(SOON, "the receipt is back", || {
            let rows = ana.json(&["read", of, "--peek"])?;
            Ok(rows.into_iter().find(|row| row["message"] == *message && row["state"] == "delivered"))
        })
        .unwrap_or_else(|why| panic!("{of}: {why}: {:?}", ana.json(&["read", of, "--peek"])));
    }
    assert!(!ben.json(&["read", "Ana", "--peek"]).unwrap().iter().any(|row| row["text"] == "to you alone"));
    ben.calm().unwrap();
}

#[test]
fn who_ends_a_friendship_or_blocks_somebody_stays_in_rooms_or_leaves_those_that_both_are_in() {
    let home = tempfile::tempdir().unwrap();
    let crew = Crew::with_room(home.path());
    let Crew { ana, ben, cem, .. } = &crew;
    ana.json(&["room", "create", "Two"]).unwrap();
    ana.json(&["room", "add", "Two", "Cem"]).unwrap();
    within(SOON, "Cem is in both", || Ok((cem.json(&["room", "list"])?.len() == 2).then_some(()))).unwrap();
    ben.json(&["unfriend", "Ana"]).unwrap();
    assert_eq!(ben.json(&["room", "list"]).unwrap()[0]["standing"], "member", "he stays");
    cem.json(&["block", "Ana", "--leave-rooms"]).unwrap();
    let left = cem.json(&["room", "list", "--all"]).unwrap();
    assert!(left.len() == 2 && left.iter().all(|room| room["standing"] != "member"), "{left:?}");
    within(SOON, "the others see that he has left", || {
        Ok(ana.json(&["room", "list"])?.into_iter().find(|room| room["name"] == "Two" && room["members"] == 1))
    })
    .unwrap();
}

#[test]
fn two_members_who_are_strangers_become_friends_by_one_command_and_one_yes() {
    let home = tempfile::tempdir().unwrap();
    let crew = Crew::with_room(home.path());
    let Crew { ben, cem, .. } = &crew;
    let asked = ben.json(&["room", "befriend", "Crew", "Cem", "--note", "from the boat"]).unwrap();
    assert_eq!((&asked[0]["status"], &asked[0]["trust"]), (&"pending".into(), &"room".into()));
    let request = within(SOON, "Cem is asked", || {
        Ok(cem.json(&["requests"])?.into_iter().find(|one| one["name"] == "Ben" && one["status"] == "pending"))
    })
    .unwrap();
    assert_eq!((&request["kind"], &request["trust"], &request["note"]), (&"friend".into(), &"room".into(), &"from the boat".into()));
    cem.json(&["accept", request["request"].as_str().unwrap()]).unwrap();
    for (node, other) in [(ben, "Cem"), (cem, "Ben")] {
        within(SOON, "they are friends", || {
            Ok(node.json(&["friends"])?.into_iter().find(|friend| friend["name"] == other && friend["mutual"] == true))
        })
        .unwrap();
    }
    ben.json(&["send", "Cem", "just us"]).unwrap();
    within(SOON, "the text is there", || {
        Ok(cem.json(&["read", "Ben", "--peek"])?.into_iter().find(|message| message["text"] == "just us"))
    })
    .unwrap();
}

//! A room whose network is cut in two for most of a week, and healed.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_tests::lab::{Host, Lab, Switch};
use symbolon_tests::node::clock::{self, DAY, Hand};
use symbolon_tests::node::{Node, wait_for_friend, within};

/// For what goes by a courier, and for a room that heals, on a machine that does much else.
const LATER: Duration = Duration::from_secs(180);

/// Between two looks: each is a command.
const PAUSE: Duration = Duration::from_millis(200);
/// Why a text is not said again automatically: somebody would read it who was not there when it was written.
const ASKED: &str = "others have come into the room since it was written";
const HEALED: &str = "Parts of the room had gone different ways, and are one again";

/// Somebody on a machine of their own, with a clock of their own.
struct Person {
    name: &'static str,
    host: Host,
    node: Node,
    hand: Hand,
}

/// What somebody has written, and to whom.
struct Written {
    text: &'static str,
    by: &'static str,
    to: &'static [&'static str],
}

impl Person {
    fn start(lab: &Lab, home: &Path, (switch, address): (&Switch, u8), name: &'static str, more: &[&str]) -> Self {
        let host = lab.host().unwrap();
        host.plug(switch, &[&format!("10.9.0.{address}/24")]).unwrap();
        let begin = || host.run(|| Node::start(&home.join(name), &[&["--name", name], more].concat())).unwrap();
        let (node, hand) = clock::movable(&home.join(format!("clock of {name}")), begin);
        Self { name, host, node, hand }
    }

    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        self.host.run(|| self.node.json(arguments)).unwrap()
    }

    /// The one room that they are in or were in.
    fn room(&self) -> Value {
        self.json(&["room", "list", "--all"]).into_iter().next().unwrap_or_default()
    }

    fn in_room(&self, verb: &str, more: &[&str]) {
        let room = self.room();
        self.json(&[&["room", verb, room["room"].as_str().unwrap()], more].concat());
    }

    /// Writes a text, to so many others.
    fn says(&self, text: &str, others: usize) {
        let room = self.room();
        let sent = self.json(&["send", room["room"].as_str().unwrap(), text]);
        assert_eq!(sent[0]["delivered_by"], format!("0/{others}"), "{text}");
    }

    fn writes(&self, written: &mut Vec<Written>, text: &'static str, to: &'static [&'static str]) {
        self.says(text, to.len() - usize::from(to.contains(&self.name)));
        written.push(Written { text, by: self.name, to });
    }

    /// All that is shown of the room: what people have written, or what the room says itself.
    fn history(&self, is_line: bool) -> Vec<Value> {
        let room = self.room();
        let Some(room) = room["room"].as_str() else { return Vec::new() };
        let history = self.json(&["read", room, "--peek"]);
        history.into_iter().filter(|row| row["line"] == is_line).collect()
    }

    fn texts(&self) -> Vec<String> {
        self.history(false).iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
    }

    fn lines(&self) -> Vec<String> {
        self.history(true).iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
    }

    /// What they have written that all others have not got, and will not.
    fn was_asked_about(&self) -> Vec<String> {
        let asked = |row: &&Value| row["mine"] == true && row["reason"].as_str().is_some_and(|reason| reason.starts_with(ASKED));
        self.history(false).iter().filter(asked).map(|row| row["text"].as_str().unwrap().to_owned()).collect()
    }

    /// The members that they see; nobody when they are none.
    fn members(&self) -> BTreeSet<String> {
        let room = self.room();
        if room["standing"] != "member" {
            return BTreeSet::new();
        }
        let members = self.json(&["room", "members", room["room"].as_str().unwrap()]);
        members.iter().map(|member| member["id"].as_str().unwrap().to_owned()).collect()
    }

    fn waits<T>(&self, what: &str, is_so: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        let looked = within(LATER, what, || {
            let answer = is_so();
            if answer.is_none() {
                std::thread::sleep(PAUSE);
            }
            Ok(answer)
        });
        println!("{}: {what}, after {:?}", self.name, begun.elapsed());
        looked.unwrap_or_else(|why| panic!("{}: {why}: {} {:?} {:?}", self.name, self.room(), self.history(false), self.lines()))
    }

    /// Waits until it shows all of these texts.
    fn reads(&self, texts: &[&str]) {
        self.waits(&format!("reads {texts:?}"), || {
            let here = self.texts();
            texts.iter().all(|text| here.iter().any(|other| other == text)).then_some(())
        });
    }

    /// Waits until they are out of the room.
    fn is_out(&self) {
        self.waits("is out", || (self.room()["standing"] == "removed").then_some(()));
    }
}

fn befriend(a: &Person, b: &Person) {
    let link = a.json(&["invite", "--auto-accept"])[0]["link"].as_str().unwrap().to_owned();
    b.json(&["add", &link]);
    a.host.run(|| wait_for_friend(&a.node, b.name)).unwrap();
    b.host.run(|| wait_for_friend(&b.node, a.name)).unwrap();
}

/// Waits until all of these people are in one epoch and show just these members.
fn agree(who: &[&Person], there: &[&Person]) {
    let id = |person: &&Person| person.node.ready["id"].as_str().unwrap().to_owned();
    let ids: BTreeSet<String> = there.iter().map(id).collect();
    for person in who {
        person.waits("sees who is in the room", || (person.members() == ids).then_some(()));
    }
    who[0].waits("is in the epoch of all", || {
        let epochs: BTreeSet<u64> = who.iter().filter_map(|person| person.room()["epoch"].as_u64()).collect();
        (epochs.len() == 1 && who.iter().all(|person| person.members() == ids)).then_some(())
    });
}

/// All are off, and on again so many days after the beginning.
fn sleep_until(people: &mut [&mut Person], relay: &Hand, days: i64) {
    for person in &mut *people {
        person.node.interrupt().unwrap();
    }
    relay.set(days * DAY).unwrap();
    for person in people {
        person.hand.set(days * DAY).unwrap();
        person.host.run(|| person.node.restart()).unwrap();
    }
}

/// Each text is once with everybody to whom it was written and who is in the room still, or its writer was asked; and with nobody
/// else. Waits for what is on its way.
fn is_there_once(written: &[Written], stay: &[&Person], gone: &[&Person]) {
    let lacks = |person: &Person| {
        let asked: BTreeSet<String> = stay.iter().flat_map(|person| person.was_asked_about()).collect();
        let (here, stays) = (person.texts(), stay.iter().any(|other| other.name == person.name));
        let mut lacks = Vec::new();
        for Written { text, by, to } in written {
            let count = here.iter().filter(|other| other == text).count();
            assert!(count <= usize::from(to.contains(&person.name)), "{text} of {by} is {count} times with {}: {here:?}", person.name);
            if count == 0 && stays && to.contains(&person.name) && !asked.contains(*text) {
                lacks.push(*text);
            }
        }
        lacks
    };
    for person in stay.iter().chain(gone) {
        person.waits("has what was written to them", || lacks(person).is_empty().then_some(()));
    }
}

/// Without `libfaketime` all of it happens on one day; with it the halves are apart for six days. Seven would be too many: the
/// epochs of both halves are final by then. Nobody is on for long enough to renew keys: what these do in halves of a room for weeks
/// is shown by the stories of `groups`.
#[test]
fn five_people_whose_room_is_cut_in_two_for_six_days_while_both_halves_add_remove_and_talk_are_one_room_again() {
    let Some(lab) = Lab::open() else { return };
    clock::can_be_set();
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (left, right) = (lab.switch().unwrap(), lab.switch().unwrap());
    let between = left.join(&right).unwrap();
    let r = lab.host().unwrap();
    r.plug(&left, &["10.9.0.100/24"]).unwrap();
    let keeps = || r.run(|| Node::start(&home.join("relay"), &["relay", "run", "--open"])).unwrap();
    let (relay, relays_hand) = clock::movable(&home.join("clock of the relay"), keeps);
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let person = |switch, address, name, more: &[&str]| Person::start(&lab, home, (switch, address), name, more);
    let mut ana = person(&left, 1, "Ana", &[]);
    let mut ben = person(&left, 2, "Ben", &[]);
    let mut cem = person(&left, 3, "Cem", &[]);
    let mut dea = person(&right, 4, "Dea", &[]);
    let mut eda = person(&right, 5, "Eda", &[]);
    // She has a relay in the left half, and is off when she is added there.
    let mut fay = person(&left, 6, "Fay", &["--relay", &link]);
    let mut gil = person(&right, 7, "Gil", &[]);
    fay.waits("her relay keeps her mailbox", || (fay.json(&["relay", "list"])[0]["state"] == "connected").then_some(()));
    // Ben, Cem, Eda, Fay and Gil are no friends of each other.
    for other in [&ben, &cem, &dea, &eda, &fay] {
        befriend(&ana, other);
    }
    for other in [&ben, &cem, &eda, &fay, &gil] {
        befriend(&dea, other);
    }
    ana.json(&["room", "create", "Crew"]);
    ana.in_room("add", &["Ben", "Cem", "Dea", "Eda"]);
    let five = [&ana, &ben, &cem, &dea, &eda];
    agree(&five, &five);
    ana.in_room("role", &["Dea", "admin"]);
    dea.waits("is an admin", || (dea.room()["role"] == "admin").then_some(()));
    agree(&five, &five);
    let mut written = Vec::new();
    ana.writes(&mut written, "all five", &["Ana", "Ben", "Cem", "Dea", "Eda"]);
    five.iter().for_each(|person| person.reads(&["all five"]));
    fay.node.interrupt().unwrap();

    between.connect(false).unwrap();
    cem.writes(&mut written, "left: nobody is gone", &["Ana", "Ben", "Cem", "Dea", "Eda"]);
    gil_comes(&dea, &eda, &gil, [&ana, &ben, &cem], &mut written);
    ben.reads(&["left: nobody is gone"]);
    ana.in_room("remove", &["Ben"]);
    ben.is_out();
    agree(&[&ana, &cem], &[&ana, &cem, &dea, &eda]);
    cem.writes(&mut written, "left: without Ben", &["Ana", "Cem", "Dea", "Eda"]);
    ana.in_room("add", &["Fay"]);
    agree(&[&ana, &cem], &[&ana, &cem, &dea, &eda, &fay]);
    ana.writes(&mut written, "left: with Fay", &["Ana", "Cem", "Dea", "Eda", "Fay"]);
    cem.reads(&["left: with Fay"]);
    eda.reads(&["right: with Gil"]);
    dea.in_room("remove", &["Eda"]);
    eda.is_out();
    dea.in_room("rename", &["Boat"]);
    gil.waits("sees the name", || (gil.room()["name"] == "Boat").then_some(()));
    dea.writes(&mut written, "right: without Eda", &["Ana", "Ben", "Cem", "Dea", "Gil"]);
    gil.reads(&["right: without Eda"]);

    sleep_until(&mut [&mut ana, &mut ben, &mut cem, &mut dea, &mut eda, &mut gil], &relays_hand, 3);
    ana.writes(&mut written, "left: on day three", &["Ana", "Cem", "Dea", "Eda", "Fay"]);
    cem.reads(&["left: on day three"]);
    gil.writes(&mut written, "right: on day three", &["Ana", "Ben", "Cem", "Dea", "Gil"]);
    dea.reads(&["right: on day three"]);
    sleep_until(&mut [&mut ana, &mut ben, &mut cem, &mut dea, &mut eda, &mut gil], &relays_hand, 6);
    fay.hand.set(6 * DAY).unwrap();
    fay.host.run(|| fay.node.restart()).unwrap();
    fay.reads(&["left: with Fay", "left: on day three"]);
    assert_eq!((ana.members().len(), dea.members().len()), (5, 5));
    assert!(!dea.lines().contains(&HEALED.to_owned()));

    between.connect(true).unwrap();
    let (stay, gone) = ([&ana, &cem, &dea, &fay, &gil], [&ben, &eda]);
    agree(&stay, &stay);
    for person in stay {
        assert_eq!(person.room()["name"], "Boat", "{}", person.name);
    }
    eda.is_out();
    agree(&stay, &stay);
    is_there_once(&written, &stay, &gone);
    println!("asked: {:?}", stay.map(|person| (person.name, person.was_asked_about())));
    // Of who stands in the end, the half that has gone back says so; both see what was done in the other one.
    assert!(dea.lines().contains(&HEALED.to_owned()) && dea.lines().contains(&"Ana removed Ben".to_owned()), "{:?}", dea.lines());
    for line in ["Dea removed Eda", "Dea named the room \"Boat\""] {
        assert!(ana.lines().contains(&line.to_owned()), "{line}: {:?}", ana.lines());
    }

    // Who was asked writes it again; and all say something.
    let again: Vec<(&Person, String)> = stay
        .iter()
        .flat_map(|person| person.was_asked_about().into_iter().map(|text| (*person, format!("again: {text}"))))
        .chain(stay.iter().map(|person| (*person, format!("{} is back", person.name))))
        .collect();
    again.iter().for_each(|(person, text)| person.says(text, 4));
    let again: Vec<&str> = again.iter().map(|(_, text)| text.as_str()).collect();
    stay.iter().for_each(|person| person.reads(&again));
    is_there_once(&written, &stay, &gone);
    // What is for them is there by now: what they say to a friend is.
    for person in gone {
        let sent = person.json(&["send", "Ana", "I am out", "--wait", "delivered", "--timeout", "30s"]);
        assert_eq!(sent[0]["state"], "delivered");
        let here = person.texts();
        assert!(!again.iter().any(|text| here.iter().any(|other| other == text)), "{}: {here:?}", person.name);
    }
    assert_eq!(ben.texts(), ["all five", "left: nobody is gone"]);
    for person in stay.iter().chain(&gone) {
        person.node.calm().unwrap();
    }
}

/// In the right half somebody comes in and talks.
fn gil_comes(dea: &Person, eda: &Person, gil: &Person, left: [&Person; 3], written: &mut Vec<Written>) {
    dea.in_room("add", &["Gil"]);
    agree(&[dea, eda, gil], &[left[0], left[1], left[2], dea, eda, gil]);
    gil.writes(written, "right: with Gil", &["Ana", "Ben", "Cem", "Dea", "Eda", "Gil"]);
}

//! The network goes away and comes back: what waits is sent within seconds, whatever was gone.
//!
//! All cases are run side by side, for two minutes, or for `OUTAGE_MINUTES`.

use std::path::Path;
use std::time::{Duration, Instant};
use symbolon_tests::lab::{Host, Lab, Switch};
use symbolon_tests::node::{Api, Node, Trouble, wait_for_friend, within};

const SOON: Duration = Duration::from_secs(30);
/// How long after the network's return what waits is delivered.
const BACK: Duration = Duration::from_secs(5);

/// Somebody on a machine.
struct Person {
    host: Host,
    node: Node,
}

impl Person {
    fn start(host: Host, folder: &Path, name: &str, more: &[&str]) -> Self {
        let node = host.run(|| Node::start(folder, &[&["--name", name, "--no-lan"], more].concat())).unwrap();
        Self { host, node }
    }

    fn api<T>(&self, ask: impl FnOnce(&Api) -> T) -> T {
        self.host.run(|| Ok(ask(&self.node.api()?))).unwrap()
    }

    fn says(&self, to: &str, text: &str) {
        self.api(|api| api.send(to, text)).unwrap();
    }

    fn has_delivered(&self, text: &str) -> bool {
        let history = self.api(Api::history).unwrap();
        let message = history.iter().find(|message| message["text"] == text).unwrap();
        assert_ne!(message["state"], "failed");
        message["state"] == "delivered" || message["state"] == "read"
    }
}

fn befriend(andi: &Person, ben: &Person) {
    let invite = || Ok(andi.node.json(&["invite", "--auto-accept"])?[0]["link"].as_str().unwrap().to_owned());
    let link = andi.host.run(invite).unwrap();
    ben.host.run(|| ben.node.json(&["add", &link])).unwrap();
    andi.host.run(|| wait_for_friend(&andi.node, "Ben")).unwrap();
    ben.host.run(|| wait_for_friend(&ben.node, "Andi")).unwrap();
}

/// Takes something away, or brings it back.
type Set = Box<dyn Fn(&Case, bool)>;

/// Two friends, and what goes away between them.
struct Case {
    what: &'static str,
    andi: Person,
    ben: Person,
    /// Takes it away, or brings it back.
    set: Set,
    /// Whether Ben's node answers meanwhile.
    ben_is_there: bool,
    _relay: Option<Node>,
}

/// Both on one switch.
fn direct(lab: &Lab, home: &Path, what: &'static str, ben_is_there: bool, set: impl Fn(&Case, &Switch, &str, bool) + 'static) -> Case {
    let switch = lab.switch().unwrap();
    let (a, b) = (lab.host().unwrap(), lab.host().unwrap());
    a.plug(&switch, &["10.3.0.1/24"]).unwrap();
    let device = b.plug(&switch, &["10.3.0.2/24"]).unwrap();
    let home = home.join(what.replace(' ', "-"));
    std::fs::create_dir(&home).unwrap();
    let andi = Person::start(a, &home.join("andi"), "Andi", &[]);
    let ben = Person::start(b, &home.join("ben"), "Ben", &[]);
    befriend(&andi, &ben);
    let set = Box::new(move |case: &Case, on| set(case, &switch, &device, on));
    Case { what, andi, ben, set, ben_is_there, _relay: None }
}

/// Each in a house of their own, and a relay that both reach.
fn by_relay(lab: &Lab, home: &Path, what: &'static str, set: impl Fn(&Case, &[Switch; 2], &str, bool) + 'static) -> Case {
    let houses = [lab.switch().unwrap(), lab.switch().unwrap()];
    let (a, b, r) = (lab.host().unwrap(), lab.host().unwrap(), lab.host().unwrap());
    a.plug(&houses[0], &["10.1.0.2/24"]).unwrap();
    let device = b.plug(&houses[1], &["10.2.0.2/24"]).unwrap();
    r.plug(&houses[0], &["10.1.0.1/24"]).unwrap();
    r.plug(&houses[1], &["10.2.0.1/24"]).unwrap();
    let home = home.join(what.replace(' ', "-"));
    std::fs::create_dir(&home).unwrap();
    let relay = r.run(|| Node::start(&home.join("relay"), &["relay", "run", "--open"])).unwrap();
    let link = relay.ready["link"].as_str().unwrap().to_owned();
    let andi = Person::start(a, &home.join("andi"), "Andi", &["--relay", &link]);
    let ben = Person::start(b, &home.join("ben"), "Ben", &["--relay", &link]);
    for person in [&andi, &ben] {
        let is_kept = || Ok((person.node.json(&["relay", "list"])?[0]["state"] == "connected").then_some(()));
        within(SOON, "the relay keeps the mailbox", || person.host.run(is_kept)).unwrap();
    }
    befriend(&andi, &ben);
    let set = Box::new(move |case: &Case, on| set(case, &houses, &device, on));
    Case { what, andi, ben, set, ben_is_there: true, _relay: Some(relay) }
}

fn hold(person: &Person, goes_on: bool) -> Result<(), Trouble> {
    if goes_on { person.node.thaw() } else { person.node.freeze() }
}

#[test]
fn a108_what_waits_goes_within_five_seconds_when_the_network_is_back() {
    let Some(lab) = Lab::open() else { return };
    let home = tempfile::tempdir().unwrap();
    let minutes = std::env::var("OUTAGE_MINUTES").ok().and_then(|minutes| minutes.parse().ok()).unwrap_or(2);
    let cases = [
        direct(&lab, home.path(), "interface down", true, |case, _, device, on| case.ben.host.connect(device, on).unwrap()),
        direct(&lab, home.path(), "router gone", true, |_, switch, _, on| switch.power(on).unwrap()),
        direct(&lab, home.path(), "process suspended", false, |case, _, _, on| hold(&case.ben, on).unwrap()),
        by_relay(&lab, home.path(), "relay, interface down", |case, _, device, on| case.ben.host.connect(device, on).unwrap()),
        by_relay(&lab, home.path(), "relay, routers gone", |_, houses, _, on| houses.iter().for_each(|house| house.power(on).unwrap())),
    ];
    for case in &cases {
        (case.set)(case, false);
    }
    let gone = Instant::now();
    for case in &cases {
        case.andi.says("Ben", "waits for Ben");
        if case.ben_is_there {
            case.ben.says("Andi", "waits for Andi");
        }
    }
    std::thread::sleep(Duration::from_secs(60 * minutes).saturating_sub(gone.elapsed()));
    // One after the other, so that their work does not hide what is measured.
    let mut late = Vec::new();
    for case in &cases {
        (case.set)(case, true);
        let back = Instant::now();
        let mut took = [None, (!case.ben_is_there).then_some(Duration::ZERO)];
        within(Duration::from_secs(300), case.what, || {
            let sent = [(&case.andi, "waits for Ben"), (&case.ben, "waits for Andi")];
            for (took, (person, text)) in took.iter_mut().zip(sent) {
                if took.is_none() && person.has_delivered(text) {
                    *took = Some(back.elapsed());
                }
            }
            Ok(took.iter().all(Option::is_some).then_some(()))
        })
        .unwrap();
        println!("{minutes} minutes, {}: {took:?}", case.what);
        late.extend(took.into_iter().flatten().filter(|took| *took > BACK).map(|took| (case.what, took)));
    }
    assert!(late.is_empty(), "later than {BACK:?}: {late:?}");
}

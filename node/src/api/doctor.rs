//! The judgement on the node's condition: one line a check, each resting on a fact.
//!
//! A check that fails has a hint. One that holds may have one too, where there is
//! something the owner should know.

use crate::health::{Facts, KeyPlace};
use serde_json::{Value, json};
use symbolon_core::command::DoctorView;
use symbolon_core::counted::counted;
use symbolon_core::limits::LONG_SILENCE;
use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};

/// The clock may run behind the newest time seen by so many milliseconds.
const CLOCK_TOLERANCE: u64 = 5 * SECOND;
/// With fewer bytes left, the disk counts as nearly full.
const DISK_LOW: u64 = 64 * 1024 * 1024;
/// With room for fewer connections, a flood of strangers can leave too few for friends.
const PLACES_LOW: usize = 512;
/// A message that has waited longer, in milliseconds, is worth a look.
const LONG_WAIT: u64 = 3 * DAY;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub check: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do about it, or what to know.
    pub hint: Option<String>,
}

impl Check {
    fn good(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, ok: true, detail: detail.into(), hint: None }
    }

    fn bad(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { check, ok: false, detail: detail.into(), hint: Some(hint.into()) }
    }

    fn knowing(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The line as JSON.
    pub fn view(&self) -> Value {
        json!({ "check": self.check, "ok": self.ok, "detail": self.detail, "hint": self.hint })
    }
}

/// All checks.
pub fn examine(core: &DoctorView, facts: &Facts) -> Vec<Check> {
    let fixed = [
        store(facts),
        key(facts),
        disk(facts),
        clock(facts),
        listening(core, facts),
        files(crate::net::room_for_connections()),
        lan(core),
        relays(core),
        lookup(core),
        outbox(core),
        friends(core),
        api(facts),
    ];
    fixed.into_iter().chain(recovery(core)).chain(former(core)).chain(core.problems.iter().map(|problem| known_problem(problem))).collect()
}

/// What brings its person back when the disk dies.
fn recovery(core: &DoctorView) -> Option<Check> {
    let view = core.recovery?;
    Some(match (view.is_shown, view.relays, view.left) {
        (false, ..) => Check::good("recovery", "the recovery phrase was never shown")
            .knowing("Run `symbolon id phrase` and write the words down: without them nothing brings you back when this disk dies."),
        (true, (_, 0), _) => Check::good("recovery", "without a relay the recovery phrase alone brings nobody back")
            .knowing("Add a relay of yours with `symbolon relay add LINK`, or make backups with `symbolon backup create FILE`."),
        (true, (left, all), Some(ago)) => Check::good(
            "recovery",
            format!("what the recovery phrase alone needs lies at {left} of {}, left there {} ago", of_relays(all), age(ago)),
        ),
        (true, ..) => Check::good("recovery", "what the recovery phrase alone needs was not left at a relay since the start")
            .knowing("It is left as soon as a relay of yours keeps your mailbox: see `symbolon relay list`."),
    })
}

/// What former friends can still see.
fn former(core: &DoctorView) -> Option<Check> {
    (core.parted > 0).then(|| {
        Check::good(
            "former friends",
            format!(
                "{}: relays and records lead none of them here",
                counted(core.parted, "former or blocked friend", "former or blocked friends")
            ),
        )
        .knowing(
            "Anyone who remembers the port still sees that something answers there. `symbolon up --listen` with another port ends that.",
        )
    })
}

fn store(facts: &Facts) -> Check {
    let (checked, pages) = facts.pages;
    if !facts.has_store {
        return Check::bad(
            "store",
            "the store's file is gone from the data folder",
            "Do not stop the node: put the file back, or send what you cannot lose to another device first.",
        );
    }
    if let Some(failure) = facts.failing.or(facts.log_failing) {
        let ago = age(facts.now.since(failure.at));
        return Check::bad(
            "store",
            format!("the last attempt to write failed {ago} ago: {}", failure.what),
            "Nothing accepted is lost. Check that the disk has room and is not read-only; the node continues automatically.",
        );
    }
    let verified = match checked >= pages {
        true => "no damage found".to_owned(),
        false => format!("no damage found so far, {checked} of {pages} pages checked"),
    };
    match facts.failed_turns {
        0 => Check::good("store", verified),
        count => {
            Check::good("store", format!("{verified}; writing failed {} since the start, and works again", counted(count, "time", "times")))
                .knowing("Was the disk full for a while? Nothing accepted was lost.")
        }
    }
}

fn key(facts: &Facts) -> Check {
    match facts.key {
        KeyPlace::Passphrase => Check::good("key", "the store's key is under a passphrase"),
        KeyPlace::Beside => Check::good("key", "the store's key lies beside the data: anyone who takes the folder can read everything")
            .knowing("Encrypt the disk; or begin a new folder with `symbolon up --passphrase-file FILE`."),
        KeyPlace::Gone => Check::bad(
            "key",
            "the file with the store's key is gone from the data folder: the node cannot start again",
            "Do not stop the node: put `store.key` or `store.salt` back from a backup first.",
        ),
    }
}

fn disk(facts: &Facts) -> Check {
    match facts.disk_free {
        None => Check::bad("disk", "how much space the disk has left is not known", "Check that the data folder is still there."),
        Some(free) if free < DISK_LOW => {
            Check::bad("disk", format!("only {} MiB are free", free >> 20), "Free some space: on a full disk nothing is accepted.")
        }
        Some(free) => Check::good("disk", format!("{} MiB are free", free >> 20)),
    }
}

fn clock(facts: &Facts) -> Check {
    let behind = facts.newest.since(facts.now);
    if behind > CLOCK_TOLERANCE {
        let hint = "Set this machine's clock. Until it has caught up, new messages carry the last time the node knew.";
        return Check::bad("clock", format!("the clock runs {} behind the newest time the node has seen", age(behind)), hint);
    }
    Check::good("clock", "the clock runs on: it is not behind any time that the node has seen")
}

/// Addresses come and go with networks, so those of this moment count, not those of the start.
fn listening(core: &DoctorView, facts: &Facts) -> Check {
    let (beyond, count) = core.places;
    let addresses = if count == 1 { "1 address".to_owned() } else { format!("{count} addresses") };
    if facts.listening.is_empty() {
        let hint = "Check the network, then start the node again.";
        return Check::bad("listening", "the node listens nowhere: friends cannot reach it", hint);
    }
    if facts.port_moved {
        return Check::bad(
            "listening",
            format!("{addresses}, on another port than last time: that one was taken"),
            "Friends hear of the new port as soon as this node reaches them. Stop whatever uses the old port, then start again.",
        );
    }
    if beyond > 0 {
        return Check::good("listening", format!("{addresses}, the port kept"));
    }
    let is_local = |address: &String| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
    let check = Check::good("listening", format!("{addresses}, for this machine only"));
    if count > 0 && facts.listening.iter().all(is_local) && !facts.is_everywhere {
        check.knowing("Start without --listen to be reachable from elsewhere.")
    } else {
        check.knowing(
            "This machine has no network now. Connect to one: the node notices by itself. Invites made meanwhile are of no use elsewhere.",
        )
    }
}

/// `places` is how many connections the system's bound on open files leaves room for.
fn files(places: Option<usize>) -> Check {
    match places {
        None => Check::good("files", "this system does not tell how many files may be open"),
        Some(places) if places < PLACES_LOW => Check::bad(
            "files",
            format!("the system allows open files for {places} connections only"),
            "Allow more open files, by `ulimit -Hn 4096` or `LimitNOFILE=4096` in the unit, then start the node again.",
        ),
        Some(places) => Check::good("files", format!("the system allows open files for {places} connections")),
    }
}

fn lan(core: &DoctorView) -> Check {
    match core.near {
        None => Check::good("lan", "not on the local network: no friend is found there")
            .knowing("Start without --no-lan, and without --listen addresses of this machine only, to be found by friends near by."),
        Some(near) => Check::good("lan", format!("on the local network, where {} seen", counted(near, "friend is", "friends are"))),
    }
}

fn relays(core: &DoctorView) -> Check {
    match core.relays {
        (_, 0) => Check::good(
            "relays",
            "no relay: friends reach this node only while it is online and has a public address or one network with theirs",
        )
        .knowing("`symbolon relay run` on a machine that is always on makes one; `symbolon relay add LINK` uses it."),
        (0, all) => Check::bad(
            "relays",
            format!("none of {} keeps a mailbox now", of_relays(all)),
            "`symbolon relay list` says how each stands. Friends cannot leave anything while this node is offline.",
        ),
        (1, 1) => Check::good("relays", "one relay keeps a mailbox")
            .knowing("While it is down nothing can be left for you. A second relay, run by somebody else, helps."),
        (up, all) => Check::good("relays", format!("{up} of {all} relays keep a mailbox")),
    }
}

fn lookup(core: &DoctorView) -> Check {
    let (view, read_back) = core.lookup;
    let (answering, own) = view.lookups;
    let mut known = match view.neighbours {
        near if view.servers == 0 && near > 0 => {
            format!(
                "no DHT server is known, but {} in for them",
                counted(near, "node on the local network stands", "nodes on the local network stand")
            )
        }
        _ => format!("{} address(es) of DHT servers are known", view.servers),
    };
    if own > 0 {
        known = format!("{known}, {answering} of {} of yours answer", counted(own, "lookup server", "lookup servers"));
    }
    match read_back {
        _ if view.servers == 0 && view.neighbours == 0 && own == 0 => Check::good(
            "lookup",
            "no lookup server: friends may lose you when your address changes",
        )
        .knowing(
            "A relay of yours is one, and so is what an invite brings along; `symbolon up --bootstrap ADDRESS` or `symbolon lookup add ADDRESS` names another.",
        ),
        Some(ago) => Check::good("lookup", format!("{known}; the own record was read back {} ago", age(ago))),
        None => Check::good("lookup", format!("{known}; the own record was not found there yet"))
            .knowing("It is published again until it is found; look again in a minute."),
    }
}

fn outbox(core: &DoctorView) -> Check {
    match (core.waiting, core.oldest_wait) {
        (0, _) => Check::good("outbox", "nothing waits to be delivered"),
        (count, Some(wait)) if wait > LONG_WAIT => Check::bad(
            "outbox",
            format!("{} to be delivered, the oldest for {}", items(count), age(wait)),
            "Both devices must be online at the same time: ask your friend to start theirs. `symbolon friends` shows who is there.",
        ),
        (count, Some(wait)) => Check::good("outbox", format!("{} to be delivered, the oldest for {}", items(count), age(wait))),
        (count, None) => Check::good("outbox", format!("{} to be delivered, none of them a message or request", items(count))),
    }
}

fn friends(core: &DoctorView) -> Check {
    let DoctorView { friends, connected, never_heard, long_silent, .. } = core;
    if *friends == 0 {
        return Check::good("friends", "no friends yet").knowing("`symbolon invite` makes a link to give to somebody.");
    }
    let long = LONG_SILENCE / DAY;
    let mut detail = format!("{friends} {}, {connected} online", if *friends == 1 { "friend" } else { "friends" });
    if *long_silent > 0 {
        detail.push_str(&format!(", {long_silent} not heard of for more than {long} days"));
    }
    if *never_heard > 0 {
        detail.push_str(&format!(", {never_heard} never heard of"));
    }
    if never_heard + long_silent == *friends {
        let hint = "When it is all of them, this side is the likely cause: check network and firewall, and exchange a new invite.";
        return Check::bad("friends", detail, hint);
    }
    Check::good("friends", detail)
}

fn api(facts: &Facts) -> Check {
    match facts.is_found {
        true => Check::good("api", "commands find this node by its data folder"),
        false => {
            Check::bad("api", "the files by which commands find this node are gone or changed", "Restart the node: it makes them again.")
        }
    }
}

/// The problems of the status are one sentence of finding and the rest of advice.
fn known_problem(problem: &str) -> Check {
    let (detail, hint) = problem.split_once(": ").or_else(|| problem.split_once(". ")).unwrap_or((problem, "See `symbolon status`."));
    Check::bad("status", detail, hint)
}

/// A span of time in words.
fn age(milliseconds: u64) -> String {
    match milliseconds {
        0..MINUTE => counted(milliseconds / SECOND, "second", "seconds"),
        MINUTE..HOUR => counted(milliseconds / MINUTE, "minute", "minutes"),
        HOUR..DAY => counted(milliseconds / HOUR, "hour", "hours"),
        _ => counted(milliseconds / DAY, "day", "days"),
    }
}

fn of_relays(count: usize) -> String {
    counted(count, "relay", "relays")
}

fn items(count: u64) -> String {
    counted(count, "item waits", "items wait")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::health::Failure;
    use symbolon_presence::time::Timestamp;

    const NOW: Timestamp = Timestamp(1_795_204_800_000);

    fn facts() -> Facts {
        Facts {
            now: NOW,
            newest: NOW,
            pages: (10, 10),
            has_store: true,
            key: KeyPlace::Passphrase,
            failed_turns: 0,
            failing: None,
            log_failing: None,
            listening: vec!["/ip4/192.0.2.1/tcp/4001".to_owned()],
            is_everywhere: true,
            port_moved: false,
            disk_free: Some(1 << 30),
            is_found: true,
        }
    }

    #[test]
    fn advice_fits_the_network_of_this_moment() {
        let line = |places, is_everywhere, listening: &str| {
            let facts = Facts { is_everywhere, listening: vec![listening.to_owned()], ..facts() };
            let checks = examine(&DoctorView { places, ..DoctorView::default() }, &facts);
            let check = checks.into_iter().find(|check| check.check == "listening").unwrap();
            (check.ok, check.detail, check.hint.unwrap_or_default())
        };
        // Started without a network, which has come since.
        let (ok, detail, hint) = line((2, 2), true, "/ip4/127.0.0.1/tcp/4001");
        assert!(ok && detail.contains("the port kept") && hint.is_empty(), "{detail} {hint}");
        // Started with one, which has gone since.
        let (ok, detail, hint) = line((0, 1), true, "/ip4/192.0.2.1/tcp/4001");
        assert!(ok && detail.contains("this machine only") && hint.contains("no network now") && !hint.contains("--listen"), "{hint}");
        let (_, _, hint) = line((0, 1), false, "/ip4/127.0.0.1/tcp/4001");
        assert!(hint.contains("--listen"), "{hint}");
    }

    fn failing(core: &DoctorView, facts: &Facts) -> Vec<&'static str> {
        examine(core, facts).iter().filter(|check| !check.ok).map(|check| check.check).collect()
    }

    #[test]
    fn healthy_node_fails_no_check() {
        let core = DoctorView { friends: 2, connected: 1, long_silent: 1, ..DoctorView::default() };
        assert_eq!(failing(&core, &facts()), [""; 0]);
        assert_eq!(failing(&DoctorView::default(), &facts()), [""; 0], "nor does one without friends");
    }

    #[test]
    fn few_open_files_are_a_fault_with_a_way_out() {
        assert!(files(Some(PLACES_LOW)).ok && files(None).ok);
        let few = files(Some(PLACES_LOW - 1));
        assert!(!few.ok && few.hint.is_some());
    }

    #[test]
    fn each_fault_fails_its_own_check_with_a_hint() {
        let failure = Some(Failure { at: NOW, what: "the disk is full" });
        let faults: [(&str, Facts); 11] = [
            ("store", Facts { has_store: false, ..facts() }),
            ("store", Facts { failing: failure, failed_turns: 1, ..facts() }),
            ("store", Facts { log_failing: failure, ..facts() }),
            ("key", Facts { key: KeyPlace::Gone, ..facts() }),
            ("disk", Facts { disk_free: Some(DISK_LOW - 1), ..facts() }),
            ("disk", Facts { disk_free: None, ..facts() }),
            ("clock", Facts { now: Timestamp(NOW.0 - CLOCK_TOLERANCE - 1), ..facts() }),
            ("listening", Facts { listening: vec![], ..facts() }),
            ("listening", Facts { port_moved: true, ..facts() }),
            ("api", Facts { is_found: false, ..facts() }),
            ("clock", Facts { newest: Timestamp(u64::MAX), ..facts() }),
        ];
        for (check, facts) in faults {
            assert_eq!(failing(&DoctorView::default(), &facts), [check], "{facts:?}");
        }
        let cores = [
            ("outbox", DoctorView { waiting: 1, oldest_wait: Some(LONG_WAIT + 1), ..DoctorView::default() }),
            ("friends", DoctorView { friends: 2, never_heard: 1, long_silent: 1, ..DoctorView::default() }),
            ("relays", DoctorView { relays: (0, 2), ..DoctorView::default() }),
            ("status", DoctorView { problems: vec!["Something is off: do that.".to_owned()], ..DoctorView::default() }),
        ];
        for (check, core) in cores {
            assert_eq!(failing(&core, &facts()), [check]);
            assert!(examine(&core, &facts()).iter().all(|check| check.ok || check.hint.as_ref().is_some_and(|hint| hint.ends_with('.'))));
        }
    }

    #[test]
    fn what_is_found_is_told_in_numbers() {
        let core = DoctorView { waiting: 3, oldest_wait: Some(2 * HOUR), ..DoctorView::default() };
        let half = Facts { pages: (5, 10), failed_turns: 2, key: KeyPlace::Beside, ..facts() };
        let details: Vec<String> = examine(&core, &half).into_iter().map(|check| check.detail).collect();
        assert!(
            details.iter().any(|detail| detail.starts_with("no damage found so far, 5 of 10 pages checked") && detail.contains("2 times"))
        );
        assert!(details.iter().any(|detail| detail == "3 items wait to be delivered, the oldest for 2 hours"));
        assert!(details.iter().any(|detail| detail.contains("anyone who takes the folder can read everything")));
        assert_eq!((age(0), age(DAY - 1), age(9 * DAY)), ("0 seconds".into(), "23 hours".into(), "9 days".into()));
    }
}

//! What the host of a relay asks on its folder: `relay info`, `status`, `doctor`, `stop`.
//!
//! A relay has no local API. It keeps what it says of itself in a private file (`relay-status`), and
//! ends at a signal.

use super::words::{at_most, not_in_a_log, number_of, quoted, serves, to_add};
use crate::failure::Failure;
use crate::output::Output;
use crate::text::line;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use symbolon_node::folder::is_in_use;
use symbolon_node::relay::{RelayStatus, running};

/// How long a relay may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Below so many free bytes, in hundredths of what may be kept, the relay is nearly full.
const NEARLY_FULL: u64 = 90;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Link, claim code, policy, figures.
    Info,
    /// The figures.
    Status,
    /// What is wrong.
    Doctor,
    /// To stop.
    Stop,
}

/// Answers for the relay that runs on a folder; `None` when none does.
pub fn ask(folder: &Path, asked: Asked, output: Output) -> Option<Result<(), Failure>> {
    let relay = running(folder)?;
    Some(match asked {
        Asked::Info => info(&relay, output),
        Asked::Status => output.show(&shown(&relay.view), figures),
        Asked::Doctor => doctor(folder, &relay.view, output),
        Asked::Stop => stop(folder, &relay, output),
    })
}

/// Nothing runs on a relay's folder.
pub fn not_running(folder: &Path) -> Failure {
    Failure::new(
        "not_running",
        format!("no relay is running on {}", folder.display()),
        format!("Name its folder with --data, or start one: symbolon --data {} relay run", quoted(folder)),
    )
}

/// Whether this user may not look into a folder.
pub fn is_closed(folder: &Path) -> Option<Failure> {
    let error = std::fs::read_dir(folder).err()?;
    (error.kind() == std::io::ErrorKind::PermissionDenied).then(|| {
        Failure::new(
            "not_permitted",
            format!("this user may not look into {}", folder.display()),
            "Run the command as root, with sudo perhaps, or as the user who runs the relay.",
        )
    })
}

/// What is to be said of a disk that has not the space for what a relay may still keep.
pub fn short_disk(folder: &Path, bytes: u64, most: u64) -> Option<String> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let (free, more) = (disk.f_bavail.saturating_mul(disk.f_frsize), most.saturating_sub(bytes));
    (free < more).then(|| format!("the disk has {} MiB free, and the relay may keep {} MiB more", free >> 20, more >> 20))
}

/// Whether a relay runs on a folder.
pub fn runs(folder: &Path) -> bool {
    running(folder).is_some()
}

fn text_of<'a>(view: &'a Value, field: &str) -> &'a str {
    view.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn number(view: &Value, field: &str) -> u64 {
    view.get(field).and_then(Value::as_u64).unwrap_or_default()
}

/// A code out of its file. It stands in no other file, so that a backup of figures has none.
fn code(view: &Value, field: &str) -> Option<String> {
    let code = std::fs::read_to_string(view.get(field)?.as_str()?).ok()?;
    let code = code.trim();
    (code.len() <= 128 && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')).then(|| code.to_owned())
}

/// The view with how long the relay has run, in place of when it was started.
fn shown(view: &Value) -> Value {
    let mut view = view.clone();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seconds = now.saturating_sub(number(&view, "started"));
    if let Some(fields) = view.as_object_mut() {
        fields.remove("started");
        fields.insert("running_seconds".to_owned(), seconds.into());
    }
    view
}

fn info(relay: &RelayStatus, output: Output) -> Result<(), Failure> {
    let mut view = shown(&relay.view);
    let (claim, friends) = (code(&view, "claim_file"), code(&view, "friends_claim_file"));
    if let Some(fields) = view.as_object_mut() {
        fields.insert("claim".to_owned(), claim.clone().into());
        fields.insert("friends_claim".to_owned(), friends.clone().into());
    }
    output.show(&view, |view| {
        // A log may have other readers: there the codes stay in their files.
        let is_log = output.is_piped();
        let shown = |code: &str| if is_log { "-".to_owned() } else { code.to_owned() };
        let (claim, has_claim) = (claim.as_deref().map_or_else(|| "-".to_owned(), shown), claim.is_some());
        let friends = friends.as_deref().map(shown);
        let add = to_add(&line(text_of(view, "link")), &claim, friends.as_deref(), text_of(view, "policy"));
        let friends_file = friends.as_ref().map(|_| Path::new(text_of(view, "friends_claim_file")));
        let kept = if is_log || !has_claim { not_in_a_log(Path::new(text_of(view, "claim_file")), friends_file) } else { String::new() };
        let listen = view.get("listen").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let listen = listen.map(|address| format!("           {}\n", line(address))).collect::<String>();
        format!("{}{}  listens\n{listen}\n{add}{kept}", figures(view), settings(view))
    })
}

/// What else was set and is remembered, a line each.
fn settings(view: &Value) -> String {
    let set = view.get("set").and_then(Value::as_object).into_iter().flatten();
    let shown = set.map(|(key, value)| match value.as_array() {
        Some(lines) => (key, lines.iter().filter_map(Value::as_str).map(line).collect::<Vec<_>>().join(" ")),
        None => (key, line(&value.to_string())),
    });
    shown.map(|(key, value)| format!("  set      {} = {value}\n", line(key))).collect()
}

fn figures(view: &Value) -> String {
    let minutes = number(view, "running_seconds") / 60;
    let since = match (minutes / (24 * 60), minutes / 60) {
        (0, 0) => format!("{minutes} min"),
        (0, hours) => format!("{hours} h {} min", minutes % 60),
        (days, hours) => format!("{days} d {} h", hours % 24),
    };
    format!(
        "The relay is running.\n\n  id       {}\n  since    {since}\n  serves   {}{}\n  keeps    {}, {}, {} MiB; {}\n  holds    at most {} connections\n",
        line(text_of(view, "id")),
        serves(text_of(view, "policy")),
        if view.get("hub") == Some(&Value::Bool(true)) { "; takes knocks at rooms" } else { "" },
        number_of(number(view, "mailboxes"), "mailbox", "mailboxes"),
        number_of(number(view, "entries"), "entry", "entries"),
        number(view, "bytes").div_ceil(1 << 20),
        at_most(number(view, "bytes_max")),
        number(view, "connections_max"),
    )
}

/// One check: its name, whether it holds, what was found, what to do or to know.
type Check = (&'static str, bool, String, Option<&'static str>);

fn checks(view: &Value, short: Option<String>) -> [Check; 5] {
    let flag = |field: &str| view.get(field) == Some(&Value::Bool(true));
    let (bytes, most) = (number(view, "bytes"), number(view, "bytes_max"));
    let is_full = bytes >= most / 100 * NEARLY_FULL;
    let space = format!("{} of {} MiB are used", bytes.div_ceil(1 << 20), most >> 20);
    let full = "Allow more with `symbolon relay run --bytes SIZE`. Messages that do not fit are refused; their senders keep them.";
    let private = "Nobody outside your network can use the relay. Start it with --announce, for example --announce /dns4/NAME/tcp/PORT.";
    let files = "Raise the limit of open files: LimitNOFILE=65536 in the unit, or `ulimit -Hn 65536` as root in the shell that starts it; then start it again.";
    let disk = "Free some space on the disk, or allow the relay less with `symbolon relay run --bytes SIZE`.";
    let is_short = short.is_some();
    let unused = "Nobody has a mailbox yet. `symbolon relay info` prints the command for your own node.";
    let is_unused = number(view, "mailboxes") == 0;
    [
        ("reachable", !flag("is_private"), reach(flag("is_private")), flag("is_private").then_some(private)),
        ("space", !is_full, space, is_full.then_some(full)),
        (
            "disk",
            !is_short,
            short.unwrap_or_else(|| "the disk has space for all that the relay may keep".to_owned()),
            is_short.then_some(disk),
        ),
        (
            "files",
            !flag("is_short"),
            format!("open files for {} connections", number(view, "connections_max")),
            flag("is_short").then_some(files),
        ),
        ("mailboxes", true, number_of(number(view, "mailboxes"), "mailbox", "mailboxes"), is_unused.then_some(unused)),
    ]
}

fn reach(is_private: bool) -> String {
    if is_private { "the link holds addresses of this network only" } else { "the link holds a public address or a name" }.to_owned()
}

fn doctor(folder: &Path, view: &Value, output: Output) -> Result<(), Failure> {
    let checks = checks(view, short_disk(folder, number(view, "bytes"), number(view, "bytes_max")));
    for (check, ok, detail, hint) in &checks {
        let object = json!({ "check": check, "ok": ok, "detail": detail, "hint": hint });
        output.show(&object, crate::show::check)?;
    }
    match checks.iter().filter(|(_, ok, ..)| !ok).count() {
        0 => Ok(()),
        failed => Err(Failure::told(format!("{failed} of {} checks failed", checks.len()))),
    }
}

fn stop(folder: &Path, relay: &RelayStatus, output: Output) -> Result<(), Failure> {
    let failed =
        || Failure::new("stop_failed", "the relay cannot be asked to stop", "Stop it as the user who started it, or through its service.");
    let process = rustix::process::Pid::from_raw(relay.process).ok_or_else(failed)?;
    rustix::process::kill_process(process, rustix::process::Signal::TERM).map_err(|_| failed())?;
    let end = Instant::now() + STOP_WITHIN;
    while is_in_use(folder) {
        if Instant::now() > end {
            return Err(Failure::new("timed_out", "the relay has not stopped yet", "Look again in a moment."));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    output.show(&json!({ "event": "stopped" }), |_| "The relay has stopped.\n".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> Value {
        json!({ "policy": "owner", "bytes": 0, "bytes_max": 1 << 30, "is_private": false, "is_short": false, "mailboxes": 2, "connections_max": 900 })
    }

    #[test]
    fn a_relay_that_cannot_be_reached_or_is_full_fails_a_check() {
        assert!(checks(&view(), None).iter().all(|(_, ok, ..)| *ok));
        for (field, value) in [("is_private", json!(true)), ("is_short", json!(true)), ("bytes", json!(1 << 30))] {
            let mut view = view();
            view[field] = value;
            let failed: Vec<_> = checks(&view, None).into_iter().filter(|(_, ok, ..)| !ok).collect();
            assert_eq!(failed.len(), 1, "{field}");
            assert!(failed.iter().all(|(.., hint)| hint.is_some()));
        }
        let home = std::env::temp_dir();
        assert_eq!(short_disk(&home, 0, 0), None);
        let short = short_disk(&home, 0, u64::MAX);
        assert!(short.is_some() && checks(&view(), short).iter().any(|(check, ok, ..)| *check == "disk" && !ok));
    }
}

//! What the host of a relay asks on its folder: `relay info`, `status`, `doctor`, `stop`.
//!
//! A relay has no local API. It keeps what it says of itself in a private file (`relay-status`), and
//! ends at a signal.

use super::words::{at_most, quoted, serves};
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
        Asked::Doctor => doctor(&relay.view, output),
        Asked::Stop => stop(folder, &relay, output),
    })
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
        let (link, file) = (line(text_of(view, "link")), text_of(view, "claim_file"));
        // A log may have other readers: there the code stays in its file.
        let shown = |code: &Option<String>, file: &str| match code {
            Some(code) if !output.is_piped() => code.clone(),
            _ => format!("- < {}", quoted(Path::new(file))),
        };
        let claim = match text_of(view, "policy") {
            "open" => String::new(),
            _ => format!(" --claim {}", shown(&claim, file)),
        };
        let friends = friends.as_ref().map_or_else(String::new, |_| {
            let file = text_of(view, "friends_claim_file");
            format!("\nFor friends of yours:\n\n  symbolon relay add {link} --claim {}\n", shown(&friends, file))
        });
        let listen = view.get("listen").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let listen = listen.map(|address| format!("           {}\n", line(address))).collect::<String>();
        format!(
            "{}  listens\n{listen}\nTo keep a mailbox here, on the machine of your node:\n\n  symbolon relay add {link}{claim}\n{friends}",
            figures(view)
        )
    })
}

fn figures(view: &Value) -> String {
    let minutes = number(view, "running_seconds") / 60;
    let since = match (minutes / (24 * 60), minutes / 60) {
        (0, 0) => format!("{minutes} min"),
        (0, hours) => format!("{hours} h {} min", minutes % 60),
        (days, hours) => format!("{days} d {} h", hours % 24),
    };
    format!(
        "The relay is running.\n\n  id       {}\n  since    {since}\n  serves   {}{}\n  keeps    {} mailboxes, {} entries, {} MiB; {}\n  holds    at most {} connections\n",
        line(text_of(view, "id")),
        serves(text_of(view, "policy")),
        if view.get("hub") == Some(&Value::Bool(true)) { "; takes knocks at rooms" } else { "" },
        number(view, "mailboxes"),
        number(view, "entries"),
        number(view, "bytes").div_ceil(1 << 20),
        at_most(number(view, "bytes_max")),
        number(view, "connections_max"),
    )
}

/// One check: its name, whether it holds, what was found, what to do or to know.
type Check = (&'static str, bool, String, Option<&'static str>);

fn checks(view: &Value) -> [Check; 4] {
    let flag = |field: &str| view.get(field) == Some(&Value::Bool(true));
    let (bytes, most) = (number(view, "bytes"), number(view, "bytes_max"));
    let is_full = bytes >= most / 100 * NEARLY_FULL;
    let space = format!("{} of {} MiB are used", bytes.div_ceil(1 << 20), most >> 20);
    let full = "Allow more with `symbolon relay run --bytes SIZE`. Messages that do not fit are refused; their senders keep them.";
    let private = "Nobody outside your network can use the relay. Start it with --announce, for example --announce /dns4/NAME/tcp/PORT.";
    let files = "Raise the limit of open files: `ulimit -Hn 65536`, or LimitNOFILE=65536 in the unit, then start the relay again.";
    let unused = "Nobody has a mailbox yet. `symbolon relay info` prints the command for your own node.";
    let is_unused = number(view, "mailboxes") == 0;
    [
        ("reachable", !flag("is_private"), reach(flag("is_private")), flag("is_private").then_some(private)),
        ("space", !is_full, space, is_full.then_some(full)),
        (
            "files",
            !flag("is_short"),
            format!("open files for {} connections", number(view, "connections_max")),
            flag("is_short").then_some(files),
        ),
        ("mailboxes", true, format!("{} mailboxes", number(view, "mailboxes")), is_unused.then_some(unused)),
    ]
}

fn reach(is_private: bool) -> String {
    if is_private { "the link holds addresses of this network only" } else { "the link holds a public address or a name" }.to_owned()
}

fn doctor(view: &Value, output: Output) -> Result<(), Failure> {
    let checks = checks(view);
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
        assert!(checks(&view()).iter().all(|(_, ok, ..)| *ok));
        for (field, value) in [("is_private", json!(true)), ("is_short", json!(true)), ("bytes", json!(1 << 30))] {
            let mut view = view();
            view[field] = value;
            let failed: Vec<_> = checks(&view).into_iter().filter(|(_, ok, ..)| !ok).collect();
            assert_eq!(failed.len(), 1, "{field}");
            assert!(failed.iter().all(|(.., hint)| hint.is_some()));
        }
    }
}

//! `symbolon relay run`: a relay, in the foreground.

mod config;
mod host;
mod words;

pub use host::{Asked, ask, is_closed, not_running, runs};
pub use words::quoted;

use crate::args::RelayRun;
use crate::failure::Failure;
use crate::output::Output;
use crate::text;
use serde_json::json;
use std::path::{Path, PathBuf};
use symbolon_node::relay::{RelayConfig, RelayReady};
use symbolon_node::run::RunError;
use symbolon_relay::machine::rows::RelayLimits;
use symbolon_relay::machine::seam::Policy;
use words::{at_most, not_in_a_log, serves, to_add};

/// For a relay whose link works only in its own network.
const PRIVATE: &str = "the relay's link holds addresses of this machine and its network only, so it works nowhere else. \
                       If a router or container host forwards a port to it, start it with `--announce`, for example \
                       `--announce /ip4/PUBLIC_IP/tcp/PORT` or `--announce /dns4/NAME/tcp/PORT`; the relay remembers it.";

/// Runs a relay until it is stopped.
pub fn run(data: PathBuf, flags: &RelayRun, output: Output) -> Result<(), Failure> {
    let flags = &match &flags.config {
        Some(file) => config::merge(flags, file)?,
        None => flags.clone(),
    };
    refuse_what_is_not_there(flags)?;
    let config = RelayConfig {
        data,
        listen: flags.listen.clone(),
        bootstrap: flags.bootstrap.clone(),
        announce: flags.announce.clone(),
        policy: match (flags.open, flags.friends, flags.owner_only) {
            (true, _, _) => Some(Policy::Open),
            (false, true, _) => Some(Policy::Friends),
            (false, false, true) => Some(Policy::Owner),
            (false, false, false) => None,
        },
        port: flags.port,
        bytes: flags.bytes,
        limits: RelayLimits {
            mailboxes: flags.mailboxes,
            mailbox_bytes: flags.mailbox_bytes,
            newcomers: flags.newcomers,
            connections: flags.connections,
            of_address: flags.connections_per_address,
        },
        hub: flags.hub.then_some(true).or(flags.no_hub.then_some(false)),
        lan: flags.lan.then_some(true).or(flags.no_lan.then_some(false)),
        passphrase_file: flags.passphrase_file.clone(),
    };
    let (mut told, folder) = (Ok(()), config.data.clone());
    let ended = symbolon_node::relay::run_here(config, &mut |ready| told = announce(ready, &folder, output));
    ended.map_err(|RunError { kind, message, hint }| match kind {
        // Nothing that a start a moment later mends.
        "port_refused" => Failure::usage(kind, message, hint),
        _ => Failure::new(kind, message, hint),
    })?;
    told
}

fn refuse_what_is_not_there(flags: &RelayRun) -> Result<(), Failure> {
    let asked = [("--http", flags.http.is_some()), ("--metrics", flags.metrics.is_some())];
    match asked.into_iter().find(|(_, asked)| *asked) {
        None => Ok(()),
        Some((flag, _)) => Err(Failure::new(
            "not_available",
            format!("{flag} is not available in this version"),
            format!("Start without {flag}: relays of this version keep mailboxes and records and forward connections."),
        )),
    }
}

fn announce(ready: &RelayReady, folder: &Path, output: Output) -> Result<(), Failure> {
    let warning = ready.is_private.then_some(PRIVATE);
    let object = json!({ "event": "ready", "id": ready.id, "claim": ready.claim, "claim_file": ready.claim_file.display().to_string(), "listen": ready.listen, "link": ready.link, "friends_claim": ready.friends, "connections_max": ready.places, "bytes": ready.bytes, "policy": ready.policy.name(), "hub": ready.is_hub, "warning": warning });
    // A log may have other readers: there the codes stay in their files.
    let is_log = output.is_piped();
    let code = |code: &str| if is_log { "-".to_owned() } else { text::line(code) };
    output.show(&object, |_| {
        let listen = ready.listen.iter().map(|address| format!("           {}\n", text::line(address))).collect::<String>();
        let kept = if is_log {
            not_in_a_log(&ready.claim_file, ready.friends_file.as_deref())
        } else {
            format!("\nThe claim code is kept in {}.\n", quoted(&ready.claim_file))
        };
        let friends = ready.friends.as_deref().map(code);
        let add = to_add(&text::line(&ready.link), &code(&ready.claim), friends.as_deref(), ready.policy.name());
        let disk = host::short_disk(folder, 0, ready.bytes).map_or_else(String::new, |short| format!("Warning: {short}.\n\n"));
        let end = if is_log { "" } else { "Ctrl-C stops the relay.\n" };
        let private = warning.map_or_else(String::new, |warning| format!("Warning: {warning}\n\n"));
        let short = if ready.is_short {
            let places = ready.places;
            format!(
                "Open files: this system allows enough for {places} connections. For more, raise the limit (`ulimit -Hn`, or \
                 `LimitNOFILE=` in the unit) and start again.\n\n"
            )
        } else {
            String::new()
        };
        format!(
            "The relay is running.\n\n  id       {}\n  serves   {}\n  keeps    {}{}\n  listens\n{listen}\n\
             {add}{kept}\n{private}{disk}{short}{end}",
            text::line(&ready.id),
            serves(ready.policy.name()),
            at_most(ready.bytes),
            if ready.is_hub { "; takes knocks at rooms" } else { "" },
        )
    })
}

//! `symbolon up`: the node itself, in the foreground.

use crate::args::Up;
use crate::failure::Failure;
use crate::output::Output;
use crate::text;
use serde_json::json;
use std::path::PathBuf;
use symbolon_node::lan::LanMode;
use symbolon_node::run::{Ready, RunConfig, RunError};

/// Runs a node until it is stopped.
pub fn run(data: PathBuf, flags: &Up, output: Output) -> Result<(), Failure> {
    refuse_what_is_not_there(flags)?;
    let (folder, is_named) = (data.display().to_string(), flags.name.is_some());
    let config = RunConfig {
        data,
        name: flags.name.clone(),
        listen: flags.listen.clone(),
        bootstrap: flags.bootstrap.clone(),
        announce: flags.announce.clone(),
        lookups: flags.lookup.clone(),
        http: flags.http,
        // Who reads JSON is a program, and has no use for a browser window.
        open_browser: !flags.no_open && !output.json && !output.is_piped(),
        passphrase_file: flags.passphrase_file.clone(),
        relays: flags.relay.clone(),
        lan: match (flags.no_lan, flags.lan_visible) {
            (true, _) => LanMode::Off,
            (false, true) => LanMode::Visible,
            (false, false) => LanMode::Friends,
        },
        lan_dht: flags.lan_dht,
        hub: flags.hub.then_some(true).or(flags.no_hub.then_some(false)),
    };
    let mut told = Ok(());
    let ended = symbolon_node::run::run_here(config, &mut |ready| told = announce(ready, (&folder, is_named), output));
    ended.map_err(|RunError { kind, message, hint }| Failure::new(kind, message, hint))?;
    told
}

fn refuse_what_is_not_there(flags: &Up) -> Result<(), Failure> {
    let asked = [("--proxy", flags.proxy.is_some())];
    match asked.into_iter().find(|(_, asked)| *asked) {
        None => Ok(()),
        Some((flag, _)) => Err(Failure::new(
            "not_available",
            format!("{flag} is not available in this version"),
            format!("Start without {flag}: nodes of this version find each other by their relays and the DHT."),
        )),
    }
}

fn announce(ready: &Ready, (folder, is_named): (&str, bool), output: Output) -> Result<(), Failure> {
    let object = json!({ "event": "ready", "id": ready.id, "name": ready.name, "http": ready.http, "listen": ready.listen });
    output.show(&object, |_| {
        // What is not a terminal may be a file that others can read: the address stays out of it.
        let (page, advice) = match output.is_piped() {
            false => (text::line(&ready.http), "Open the page's address in a browser on this machine, within a minute."),
            true => ("run `symbolon page` in a terminal for its address".to_owned(), "The node runs."),
        };
        let listen = ready.listen.iter().map(|address| format!("           {}\n", text::line(address))).collect::<String>();
        let rename = if is_named { "" } else { " `symbolon name NEW` changes your name." };
        format!(
            "Symbolon is running as {}.\n\n  page     {page}\n  id       {}\n  data     {}\n  listens\n{listen}\n{advice}\n\
             Ctrl-C stops the node. In another terminal `symbolon invite` makes a link for\n\
             a friend, `symbolon add LINK` takes one.{rename}\n",
            text::line(&ready.name),
            text::line(&ready.id),
            text::line(folder),
        )
    })
}

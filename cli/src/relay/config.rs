//! `relay run --config FILE`: the flags of `relay run`, one a line.
//!
//! ```text
//! # a remark
//! policy = open
//! announce = /dns4/relay.example.org/tcp/4001
//! ```
//! A key is a flag without its dashes. `policy` stands for `--open`, `--friends` and `--owner-only`. What the
//! command line says holds over the file.

use crate::args::RelayRun;
use crate::failure::{Failure, USAGE};
use clap::Parser;
use std::path::Path;

/// The longest file.
const FILE_MAX: u64 = 64 * 1024;
/// What may stand in the file.
const KEYS: [&str; 14] = [
    "listen",
    "port",
    "bootstrap",
    "announce",
    "policy",
    "bytes",
    "mailboxes",
    "mailbox-bytes",
    "newcomers",
    "connections",
    "connections-per-address",
    "hub",
    "lan",
    "passphrase-file",
];

/// The file's lines, as a command line has them.
#[derive(Debug, Parser)]
struct Lines {
    #[command(flatten)]
    run: RelayRun,
}

/// What the command line and the file say together.
pub(super) fn merge(flags: &RelayRun, file: &Path) -> Result<RelayRun, Failure> {
    let about = |message: String| Failure {
        code: USAGE,
        ..Failure::new(
            "bad_config",
            message,
            "`symbolon relay run --help` explains each key as a flag; packaging/symbolon-relay.conf beside the source code has all of them.",
        )
    };
    let read = std::fs::metadata(file).and_then(|metadata| match metadata.len() <= FILE_MAX {
        true => std::fs::read_to_string(file),
        false => Err(std::io::Error::other("it is too long")),
    });
    let text = read.map_err(|error| about(format!("{} cannot be read: {error}", file.display())))?;
    let arguments = arguments(&text).map_err(|message| about(format!("{}: {message}", file.display())))?;
    // What is wrong with two lines together; of each alone its number is said.
    let lines = Lines::try_parse_from(arguments).map_err(|error| {
        let first = error.render().to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        about(format!("{}: {first}. A key of this file is a flag without its dashes", file.display()))
    })?;
    let (kept, own) = (lines.run, flags.clone());
    let longer = |own: Vec<String>, kept: Vec<String>| if own.is_empty() { kept } else { own };
    let has_policy = own.open || own.friends || own.owner_only;
    let has_hub = own.hub || own.no_hub;
    let has_lan = own.lan || own.no_lan;
    // One of the two on the command line is enough to replace both.
    let has_place = own.port.is_some() || !own.listen.is_empty();
    let (listen, port) = if has_place { (own.listen, own.port) } else { (kept.listen, kept.port) };
    Ok(RelayRun {
        config: None,
        listen,
        port,
        http: own.http,
        bootstrap: longer(own.bootstrap, kept.bootstrap),
        announce: longer(own.announce, kept.announce),
        open: if has_policy { own.open } else { kept.open },
        friends: if has_policy { own.friends } else { kept.friends },
        owner_only: if has_policy { own.owner_only } else { kept.owner_only },
        bytes: own.bytes.or(kept.bytes),
        mailboxes: own.mailboxes.or(kept.mailboxes),
        mailbox_bytes: own.mailbox_bytes.or(kept.mailbox_bytes),
        newcomers: own.newcomers.or(kept.newcomers),
        connections: own.connections.or(kept.connections),
        connections_per_address: own.connections_per_address.or(kept.connections_per_address),
        hub: if has_hub { own.hub } else { kept.hub },
        no_hub: if has_hub { own.no_hub } else { kept.no_hub },
        lan: if has_lan { own.lan } else { kept.lan },
        no_lan: if has_lan { own.no_lan } else { kept.no_lan },
        metrics: own.metrics,
        passphrase_file: own.passphrase_file.or(kept.passphrase_file),
    })
}

fn arguments(text: &str) -> Result<Vec<String>, String> {
    let mut out = vec!["relay run".to_owned()];
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = at.saturating_add(1);
        let (key, value) = line.split_once('=').ok_or_else(|| format!("line {number} is not like `key = value`"))?;
        let (key, value) = (key.trim(), value.trim());
        if !KEYS.contains(&key) {
            return Err(format!("line {number}: there is no key `{}`", crate::text::line(key)));
        }
        match (key, value) {
            ("policy", "open") => out.push("--open".to_owned()),
            ("policy", "friends") => out.push("--friends".to_owned()),
            ("policy", "owner") => out.push("--owner-only".to_owned()),
            ("policy", _) => return Err(format!("line {number}: a policy is `owner`, `friends` or `open`")),
            ("hub", "yes") => out.push("--hub".to_owned()),
            ("hub", "no") => out.push("--no-hub".to_owned()),
            ("lan", "yes") => out.push("--lan".to_owned()),
            ("lan", "no") => out.push("--no-lan".to_owned()),
            ("hub" | "lan", _) => return Err(format!("line {number}: `{key}` is `yes` or `no`")),
            // In one argument, so that no value is taken for a flag.
            (key, value) => {
                let argument = format!("--{key}={value}");
                if Lines::try_parse_from(["relay run", &argument]).is_err() {
                    return Err(format!("line {number}: `{key}` cannot be `{}`: {}", crate::text::line(value), wanted(key, value)));
                }
                out.push(argument);
            }
        }
    }
    Ok(out)
}

/// What a value must be, in words.
fn wanted(key: &str, value: &str) -> &'static str {
    match key {
        _ if value.is_empty() => "there is no value",
        _ if value.contains('#') => "a remark needs a line of its own",
        "port" => "it is a number from 1 to 65535",
        "bytes" => "it is a size like 500M or 4G, at least 16M",
        "mailbox-bytes" => "it is a size like 104M, at least 4M",
        "mailboxes" | "newcomers" => "it is a number from 1 to 10240",
        "connections" => "it is a number from 16 to 12288",
        "connections-per-address" => "it is a number from 1 to 1024",
        _ => "it is not like the example in packaging/symbolon-relay.conf",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn merged(flags: &RelayRun, text: &str) -> Result<RelayRun, Failure> {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("relay.conf");
        std::fs::write(&file, text).unwrap();
        merge(flags, &file)
    }

    #[test]
    fn a_file_gives_flags_and_the_command_line_holds_over_it() {
        let text = "# a relay\n\nport = 4001\npolicy = friends\nhub = yes\nbytes = 1G\nannounce = /dns4/a.example/tcp/1\nannounce=/dns4/b.example/tcp/1\n";
        let plain = merged(&RelayRun::default(), text).unwrap();
        assert_eq!((plain.port, plain.friends, plain.bytes, plain.announce.len()), (Some(4001), true, Some(1 << 30), 2));
        assert!(plain.hub && !plain.no_hub);
        let limits = "mailboxes = 10\nmailbox-bytes = 8M\nnewcomers = 3\nconnections = 100\nconnections-per-address = 5\n";
        let limited = merged(&RelayRun { mailboxes: Some(7), ..RelayRun::default() }, limits).unwrap();
        assert_eq!((limited.mailboxes, limited.mailbox_bytes, limited.newcomers), (Some(7), Some(8 << 20), Some(3)));
        assert_eq!((limited.connections, limited.connections_per_address), (Some(100), Some(5)));
        let own = RelayRun { open: true, no_hub: true, listen: vec!["/ip4/127.0.0.1/tcp/0".into()], ..RelayRun::default() };
        let both = merged(&own, text).unwrap();
        assert_eq!((both.port, both.open, both.friends, both.listen.len()), (None, true, false, 1));
        assert!(both.no_hub && !both.hub);
        assert!(merged(&RelayRun::default(), "hub = no").is_ok_and(|flags| flags.no_hub));
        assert!(merged(&RelayRun::default(), "lan = yes").is_ok_and(|flags| flags.lan));
        assert!(merged(&RelayRun { no_lan: true, ..RelayRun::default() }, "lan = yes").is_ok_and(|flags| flags.no_lan && !flags.lan));
        assert_eq!(merged(&own, "").unwrap().listen.len(), 1);
    }

    #[test]
    fn what_a_file_does_not_say_well_is_named_with_its_line() {
        for (text, what) in [
            ("port", "line 1 is not like"),
            ("\npolicy = all", "line 2: a policy is"),
            ("colour = red", "line 1: there is no key `colour`"),
            ("http = 127.0.0.1:1", "no key `http`"),
            ("config = x", "no key `config`"),
            ("port = 0", "line 1: `port` cannot be `0`"),
            ("\nport = 4020 # my port", "line 2: `port` cannot be `4020 # my port`: a remark needs a line of its own"),
            ("port =", "there is no value"),
            ("hub = perhaps", "line 1: `hub` is"),
            ("lan = perhaps", "line 1: `lan` is"),
            ("hub = yes\nhub = no", "cannot be used"),
            ("bytes = much", "much"),
            ("mailboxes = 0", "0"),
            ("mailboxes = all", "all"),
            ("mailbox-bytes = 1K", "at least 4M"),
            ("newcomers = -1", "-1"),
            ("connections = 99999999", "99999999"),
            ("connections-per-address = 0", "0"),
            ("policy = open\npolicy = friends", "cannot be used"),
            ("port = 1\nlisten = /ip4/0.0.0.0/tcp/1", "cannot be used"),
        ] {
            let failure = merged(&RelayRun::default(), text).err().unwrap();
            assert!(failure.message.contains(what), "{text:?}: {}", failure.message);
            assert_eq!(failure.code, USAGE);
        }
        assert!(merge(&RelayRun::default(), Path::new("/nowhere/relay.conf")).is_err());
    }

    #[test]
    fn the_file_that_is_handed_out_names_every_key_and_says_nothing() {
        let shown = include_str!("../../../packaging/symbolon-relay.conf");
        assert_eq!(arguments(shown).unwrap(), ["relay run"], "every line is a remark");
        let bare: String = shown
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .filter(|line| line.contains(" = "))
            .fold(String::new(), |all, line| all + line + "\n");
        for key in KEYS {
            assert!(bare.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key}");
        }
    }
}

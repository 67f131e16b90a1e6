//! The `symbolon` command: runs a node, or talks to the one that runs.
//!
//! | file | holds |
//! |---|---|
//! | `commands` | every command: how it is typed, and what it does: it asks the node by its local API, and shows the answer |
//! | `args` | the flags of those that have several |
//! | `up`, `relay` | the node, or a relay, in the foreground |
//! | `pages` | completions of shells, man pages |
//! | `demo` | the whole, played through on this machine |
//! | `client` | the way to the running node |
//! | `show`, `text` | plain words, made harmless for a terminal |
//! | `output`, `failure` | standard output, exit codes |

mod args;
mod client;
mod commands;
mod demo;
mod failure;
mod output;
mod pages;
mod relay;
mod show;
mod text;
mod up;

use args::{BackupVerb, RelayVerb, flags};
use clap::FromArgMatches;
use clap::error::ErrorKind;
use client::Client;
use commands::{Cli, Verb, help};
use failure::{CLOSED, FAILED, Failure, LOST, USAGE};
use output::{Output, complain};
use std::path::PathBuf;
use std::process::ExitCode;
use symbolon_node::folder::claim::{CLAIM_FILE, is_relays};
use symbolon_node::folder::is_in_use;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

const NOTHING_TO_STOP: &str = "There is nothing to stop. If it runs on another folder, name that: --data DIR";

fn main() -> ExitCode {
    // Before any thread and any library starts.
    symbolon_node::memory::keep_private();
    if let Err(error) = symbolon_node::net::harden_environment() {
        complain(&format!("error: {error}\n"));
        return ExitCode::from(FAILED);
    }
    let mut words: Vec<_> = std::env::args_os().collect();
    // As other commands take it: `symbolon help send` is `symbolon send --help`.
    if words.get(1).is_some_and(|word| word == "help") {
        words.remove(1);
        words.push("--help".into());
    }
    let parsed = help::command().try_get_matches_from(words).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    // The host of a relay looks into its log, and starts it by a unit.
    let is_relay = matches!(&cli.verb, Verb::Relay { verb: RelayVerb::Run(_) });
    log_to_stderr(cli.verbose.saturating_add(u8::from(is_relay)));
    let output = Output { json: cli.json };
    let done = commands::done::hint(&cli.verb);
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.kind == LOST && done.is_some() => {
            fail(&Failure { hint: done.unwrap_or_default().to_owned(), ..failure }, output)
        }
        Err(failure) => fail(&failure, output),
    }
}

fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    if let Verb::Demo = &cli.verb {
        return demo::run(output);
    }
    if let Verb::Completions { shell } = &cli.verb {
        return pages::completions(*shell, output);
    }
    if let Verb::Man { folder } = &cli.verb {
        return pages::man(folder, output);
    }
    let (data, relays) = data_folders(cli.data)?;
    if let Verb::Up(flags) = &cli.verb {
        // Before anything of a node is put there.
        if data.join(CLAIM_FILE).exists() {
            return Err(Failure::new(
                "not_a_person",
                "this data folder is a relay's: a person needs one of their own",
                "Choose another folder with --data, or start the relay with `symbolon relay run`.",
            ));
        }
        return up::run(data, flags, output);
    }
    if let Verb::Relay { verb: RelayVerb::Run(flags) } = &cli.verb {
        return relay::run(relays, flags, output);
    }
    if let Verb::Backup { verb: BackupVerb::Restore { file, phrase: _, relay, passphrase_file } } = &cli.verb {
        return match file {
            Some(file) => commands::backup::restore(&data, file, passphrase_file.as_deref(), output),
            None => commands::backup::recover(&data, relay, passphrase_file.as_deref(), output),
        };
    }
    if let Some(asked) = of_relay(&cli.verb) {
        // Where no folder is named: of a node and a relay that both run, the relay has one command of its own.
        let place = if asked == relay::Asked::Info || !is_in_use(&data) { &relays } else { &data };
        if let Some(answer) = relay::ask(place, asked, output) {
            return answer;
        }
        if let Some(closed) = relay::is_closed(place) {
            return Err(closed);
        }
        if asked == relay::Asked::Info || (place.join(CLAIM_FILE).exists() && !is_in_use(place)) {
            return Err(relay::not_running(place));
        }
    }
    if relay::runs(&data) {
        let message = format!("a relay runs on {}, and this is a question for a node", data.display());
        return Err(Failure::new(
            "is_relay",
            message,
            "Name the folder of your node with --data. A relay answers `relay info`, `status`, `doctor` and `stop`.",
        ));
    }
    let client = Client::find(&data).map_err(|failure| {
        let is_stop = matches!(&cli.verb, Verb::Stop);
        let hint = if is_stop { NOTHING_TO_STOP.to_owned() } else { failure.hint };
        Failure { hint, ..failure }
    })?;
    commands::run(&cli.verb, &client, output)
}

/// What a relay answers, too, when one runs on the folder.
fn of_relay(verb: &Verb) -> Option<relay::Asked> {
    let asked = [
        (matches!(verb, Verb::Status), relay::Asked::Status),
        (matches!(verb, Verb::Doctor), relay::Asked::Doctor),
        (matches!(verb, Verb::Stop), relay::Asked::Stop),
        (matches!(verb, Verb::Relay { verb: RelayVerb::Info }), relay::Asked::Info),
    ];
    asked.into_iter().find_map(|(is_meant, asked)| is_meant.then_some(asked))
}

fn fail(failure: &Failure, output: Output) -> ExitCode {
    if failure.kind == CLOSED {
        return ExitCode::from(failure.code);
    }
    let is_lost = failure.kind == LOST;
    if output.json {
        if failure.is_told {
            return ExitCode::from(failure.code);
        }
        if is_lost || output.print(&format!("{}\n", text::json(&failure.object()))).is_err_and(|lost| lost.kind != CLOSED) {
            complain(&failure.lines());
        }
    } else {
        complain(&failure.lines());
    }
    ExitCode::from(failure.code)
}

/// Help and version are answers; everything else is a command line that means nothing.
fn usage(error: &clap::Error) -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let json = arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    if error.kind() == ErrorKind::DisplayHelp
        && let Some(word) = flags::flag_for_text(&arguments)
    {
        return fail(&Failure::taken_for_a_flag(word), Output { json });
    }
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Clap colours what goes to a terminal, and writes the rest plainly.
        return match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(lost) if lost.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::from(FAILED),
            Err(lost) => fail(&Failure::lost_output(&lost), Output { json: false }),
        };
    }
    let is_bare = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_bare && !json {
        // Somebody who types the bare name wants to know what there is.
        complain(&error.to_string());
        return ExitCode::from(USAGE);
    }
    let rendered = error.render().to_string();
    let first = rendered.lines().map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let message = if is_bare { "no command given" } else { first.trim_start_matches("error: ") };
    let mut failure = Failure::new("usage", message, help::hint(error, &arguments));
    failure.code = USAGE;
    fail(&failure, Output { json })
}

/// The data folder, and that of a relay. A folder that is named is either; without one, a relay does not take the
/// person's, except that it lies there since before.
fn data_folders(flag: Option<PathBuf>) -> Result<(PathBuf, PathBuf), Failure> {
    let from_environment = || std::env::var_os("SYMBOLON_DATA").filter(|path| !path.is_empty()).map(PathBuf::from);
    if let Some(named) = flag.or_else(from_environment) {
        return Ok((named.clone(), named));
    }
    let data = client::usual_folder()
        .ok_or_else(|| Failure::new("no_folder", "this system has no place for a data folder", "Name one with --data DIR."))?;
    let relays = if is_relays(&data) { data.clone() } else { data.with_file_name("symbolon-relay") };
    Ok((data, relays))
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // Only our own lines: libraries name addresses and transport ids in theirs.
    let ours = Targets::new().with_target("symbolon", level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
}

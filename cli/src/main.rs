//! The `symbolon` command: runs a node, or talks to the one that runs.
//!
//! | file | holds |
//! |---|---|
//! | `args` | every command and flag |
//! | `commands` | what they do: ask the node by its local API, show the answer |
//! | `up`, `relay` | the node, or a relay, in the foreground |
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
mod relay;
mod show;
mod text;
mod up;

use args::{BackupVerb, Cli, RelayVerb, Verb};
use clap::Parser;
use clap::error::ErrorKind;
use client::Client;
use failure::{FAILED, Failure, USAGE};
use output::Output;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> ExitCode {
    // Before any thread and any library starts.
    symbolon_node::memory::keep_private();
    if let Err(error) = symbolon_node::net::harden_environment() {
        eprintln!("error: {error}");
        return ExitCode::from(FAILED);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    log_to_stderr(cli.verbose);
    let output = Output { json: cli.json };
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure, output),
    }
}

fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    if let Verb::Demo = &cli.verb {
        return demo::run(output);
    }
    let data = data_folder(cli.data)?;
    if let Verb::Up(flags) = &cli.verb {
        return up::run(data, flags, output);
    }
    if let Verb::Relay { verb: RelayVerb::Run(flags) } = &cli.verb {
        return relay::run(data, flags, output);
    }
    if let Verb::Backup { verb: BackupVerb::Restore { file, passphrase_file } } = &cli.verb {
        return commands::backup::restore(&data, file, passphrase_file.as_deref(), output);
    }
    commands::run(&cli.verb, &Client::find(&data)?, output)
}

fn fail(failure: &Failure, output: Output) -> ExitCode {
    if output.json {
        if failure.is_told {
            return ExitCode::from(failure.code);
        }
        // A closed output cannot be told that it is closed.
        let _ = output.print(&format!("{}\n", text::json(&failure.object())));
    } else if *failure != Failure::closed_output() {
        eprint!("{}", failure.lines());
    }
    ExitCode::from(failure.code)
}

/// Help and version are answers; everything else is a command line that means nothing.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let printed = error.print();
        return if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) };
    }
    let json = std::env::args_os().skip(1).take_while(|arg| arg != "--").any(|arg| arg == "--json");
    let is_bare = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_bare && !json {
        // Somebody who types the bare name wants to know what there is.
        eprint!("{error}");
        return ExitCode::from(USAGE);
    }
    let rendered = error.render().to_string();
    let first = rendered.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let message = if is_bare { "no command given" } else { first.trim_start_matches("error: ") };
    let mut failure = Failure::new("usage", message, "`symbolon --help` lists the commands, `symbolon COMMAND --help` a command's flags.");
    failure.code = USAGE;
    fail(&failure, Output { json })
}

fn data_folder(flag: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let from_environment = || std::env::var_os("SYMBOLON_DATA").filter(|path| !path.is_empty()).map(PathBuf::from);
    let from_platform = || directories::ProjectDirs::from("", "", "symbolon").map(|dirs| dirs.data_dir().to_owned());
    flag.or_else(from_environment)
        .or_else(from_platform)
        .ok_or_else(|| Failure::new("no_folder", "this system has no place for a data folder", "Name one with --data DIR."))
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

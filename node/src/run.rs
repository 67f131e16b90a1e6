//! A node from start to stop: opens it, serves its face, says that it is ready, waits for
//! a signal, and stops everything in time.
//!
//! What "opening" means (folder, store, network, core thread) is passed in, so that this
//! file knows about none of them; [`open`] is the real one.

pub mod backup;
mod backup_file;
mod config;
pub(crate) mod errors;
pub(crate) mod kept;
mod log;
mod moves;
pub mod open;
pub mod recover;

pub use config::RunConfig;
pub use errors::RunError;
pub use open::{Opened, PublishAddress};

use crate::api::Api;
use crate::api::tokens::ONE_TIME_LIFE;
use crate::folder::api::{remove_redirect, write_redirect};
use crate::handle::NodeHandle;
use errors::start_error;
use std::future::Future;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use symbolon_core::command::{self, CommandError, Reply};
use tokio::sync::oneshot;

/// From the signal to the end of the process.
pub const STOP_TIMEOUT: Duration = Duration::from_millis(4_500);

/// The node is up.
#[derive(Clone)]
pub struct Ready {
    /// Own Peer ID.
    pub id: String,
    /// Own name.
    pub name: String,
    /// One-time address of the page.
    pub http: String,
    /// Where the node listens for friends.
    pub listen: Vec<String>,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ready(..)")
    }
}

/// Runs the node of a data folder on a runtime of its own, until it ends. That no caller needs
/// an async function of this crate has a reason: its code would be compiled into the caller once more.
pub fn run_here(config: RunConfig, ready: &mut dyn FnMut(&Ready)) -> Result<(), RunError> {
    let runtime = runtime()?;
    let again = RunConfig { open_browser: false, name: None, ..config.clone() };
    let mut ended = runtime.block_on(run(config, open::open, ready));
    // A copy of a folder is another device from now on, at the same address of the page. Nobody waits for it a second time.
    while matches!(&ended, Err(error) if error.kind == errors::MOVES) {
        let nobody: &mut dyn FnMut(&Ready) = &mut |_| {};
        ended = runtime.block_on(run(again.clone(), open::open, nobody));
    }
    ended
}

/// What nodes and relays run on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|_| RunError::new("internal", "the system gives no threads", "Check the limits of this system."))
}

/// Runs a node until SIGINT or SIGTERM, until it is asked to stop, or until it fails.
/// `open` opens it, `ready` is called once when it can be used.
pub async fn run<F: Future<Output = Result<Opened, RunError>>>(
    config: RunConfig,
    open: impl FnOnce(RunConfig) -> F,
    ready: impl FnOnce(&Ready),
) -> Result<(), RunError> {
    // Caught from the start: a signal during opening still ends in a clean stop.
    let mut signals = Signals::catch()?;
    let Opened { handle, api_token, door, listening, publish_address, mut ended } = open(config.clone()).await?;
    let started = async {
        let api = Api::start(config.http, api_token, door, handle.clone()).await.map_err(start_error)?;
        publish_address(&api.address())?;
        add_relays(&handle, config.relays).await?;
        let ready = introduce(&api, &handle, listening).await?;
        Ok((api, ready))
    };
    // A node that ends while its face starts has the better explanation.
    let started = tokio::select! {
        started = started => started,
        result = &mut ended => return outcome(result),
    };
    let (api, introduction) = match started {
        Ok(started) => started,
        Err(error) => {
            handle.stop();
            let _ = tokio::time::timeout(STOP_TIMEOUT, ended).await;
            return Err(error);
        }
    };
    tracing::info!(addresses = introduction.listen.len(), "the node runs");
    let log = tokio::spawn(log::tell(handle.clone()));
    ready(&introduction);
    if config.open_browser {
        open_browser(&config.data, &introduction.http);
    }
    let result = tokio::select! {
        () = signals.next() => None,
        () = handle.stopping() => None,
        result = &mut ended => Some(result),
    };
    log.abort();
    tracing::info!("the node stops");
    handle.stop();
    let stop = async {
        let result = match result {
            Some(result) => result,
            None => ended.await,
        };
        api.stopped().await;
        outcome(result)
    };
    tokio::select! {
        result = tokio::time::timeout(STOP_TIMEOUT, stop) => result.unwrap_or_else(|_| {
            Err(RunError::new(
                "stop_timed_out",
                "the node did not stop in time and was cut off",
                "Nothing that was acknowledged is lost; just start it again.",
            ))
        }),
        // Who asks twice does not want to wait.
        () = signals.next() => Err(RunError::new("interrupted", "stopped at once by a second signal", "Just start it again.")),
    }
}

/// What `--relay` asks for; the same again changes nothing.
async fn add_relays(handle: &NodeHandle, links: Vec<String>) -> Result<(), RunError> {
    for link in links {
        match handle.command(command::Command::RelayAdd { link, claim: None }).await {
            Ok(Ok(_)) => {}
            Ok(Err(CommandError::Full)) => {
                return Err(RunError::new("full", "there are too many relays", "Remove one with `symbolon relay remove`."));
            }
            Ok(Err(_)) => {
                return Err(RunError::new(
                    "bad_link",
                    "a link given with --relay is not a relay's link",
                    "Copy the whole link that `symbolon relay run` prints.",
                ));
            }
            Err(_) => return Err(RunError::new("internal", "the node did not take a relay", "Start it again.")),
        }
    }
    Ok(())
}

async fn introduce(api: &Api, handle: &NodeHandle, listen: Vec<String>) -> Result<Ready, RunError> {
    let broken = || RunError::new("internal", "the node did not say who it is", "Start it again; if it happens again, please report it.");
    let Ok(Ok(Reply::Identity(identity))) = handle.command(command::Command::Identity).await else { return Err(broken()) };
    let http = api.page_address().map_err(|error| start_error(error.into()))?;
    Ok(Ready { id: identity.id.to_string(), name: identity.name, http, listen })
}

fn outcome(ended: Result<Result<(), RunError>, oneshot::error::RecvError>) -> Result<(), RunError> {
    ended.unwrap_or_else(|_| {
        Err(RunError::new("internal", "the node ended without a word", "Start it again; if it happens again, please report it."))
    })
}

/// Opens the page in the user's browser; whether that works is the desktop's business, the
/// address is printed either way. The browser is given a file that leads there: every user
/// of the machine can read what stands on its command line.
fn open_browser(folder: &Path, address: &str) {
    let (program, arguments): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(target_os = "windows") {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else if std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some() {
        ("xdg-open", &[])
    } else {
        return;
    };
    let Ok(file) = write_redirect(folder, address) else { return };
    let folder = folder.to_owned();
    tokio::spawn(async move {
        tokio::time::sleep(ONE_TIME_LIFE).await;
        remove_redirect(&folder);
    });
    let child = Command::new(program).args(arguments).arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if let Ok(mut child) = child {
        // Waited for, so that no zombie stays behind.
        std::thread::spawn(move || child.wait());
    }
}

#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn catch() -> Result<Self, RunError> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |_| RunError::new("internal", "signals cannot be caught", "Check the limits of this system.");
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn catch() -> Result<Self, RunError> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

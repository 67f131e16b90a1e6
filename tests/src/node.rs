//! The built command `symbolon` as a test drives it: started on a folder, spoken to by
//! command line and by HTTP, stopped, killed, and never waited for without a deadline.
//!
//! Not a model of a node: what runs here is what a user runs.

mod client;
pub mod clock;
mod pair;

pub use client::{Api, ApiError};
pub use pair::{Carrier, Pair, befriend, calm, field, open_invite, pending, start, start_named, wait_for_friend};

use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

/// From the start of the process to its ready line (contract of the face).
pub const READY_WITHIN: Duration = Duration::from_secs(10);
/// From SIGINT to the end of the process (contract of the face).
pub const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Longest patience with one command.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// What went wrong, in words for the one who reads a failed test.
pub type Trouble = String;

/// The command, built when it is missing or older than its sources. `SYMBOLON_BIN` names
/// another one.
///
/// # Errors
/// When there is no target folder above this executable, or the build fails.
pub fn binary() -> Result<&'static Path, Trouble> {
    static BINARY: OnceLock<Result<PathBuf, Trouble>> = OnceLock::new();
    BINARY.get_or_init(find_binary).as_deref().map_err(Clone::clone)
}

fn find_binary() -> Result<PathBuf, Trouble> {
    if let Some(named) = std::env::var_os("SYMBOLON_BIN") {
        return Ok(named.into());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    // target/<profile>/deps/test-… or target/<profile>/examples/name
    let profile = own.parent().and_then(Path::parent).ok_or("this executable lies in no target folder")?;
    let binary = profile.join(format!("symbolon{}", std::env::consts::EXE_SUFFIX));
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    let built = modified(&binary);
    let sources = ["presence", "relay", "node", "cli"].map(|name| newest_source(&workspace.join(name)));
    if built.is_some_and(|built| sources.into_iter().flatten().all(|source| source <= built)) {
        return Ok(binary);
    }
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--package", "symbolon"]).current_dir(workspace);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    if let Some(target) = profile.parent() {
        build.arg("--target-dir").arg(target);
    }
    let done = build.output().map_err(|error| error.to_string())?;
    if done.status.success() && binary.exists() {
        Ok(binary)
    } else {
        Err(format!("the command cannot be built: {}", String::from_utf8_lossy(&done.stderr)))
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}

fn newest_source(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            match path.is_dir() {
                true => newest_source(&path),
                false => path.extension().is_some_and(|kind| kind == "rs").then(|| modified(&path)).flatten(),
            }
        })
        .max()
}

/// A node that runs. Killed when dropped.
#[derive(Debug)]
pub struct Node {
    folder: PathBuf,
    /// Where its standard error is collected.
    log: PathBuf,
    arguments: Vec<String>,
    child: Child,
    lines: Receiver<String>,
    /// The ready line.
    pub ready: Value,
    /// How long the ready line took.
    pub took: Duration,
    /// The file that says what time it is for this node, if that can be moved.
    clock: Option<PathBuf>,
}

/// The whole command line: a person's node, or the relay that the arguments begin with.
fn line<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let verb: &[&str] = if arguments.first() == Some(&"relay") { &["--json"] } else { &["--json", "up", "--no-open"] };
    [verb, arguments].concat()
}

/// A node that ended before it was ready.
#[derive(Debug)]
pub struct Refused {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed on standard output, line by line.
    pub objects: Vec<Value>,
    /// What it printed on standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Node {
    /// Starts `symbolon up` with a few more arguments; `Ok(Err(…))` when it refused to run.
    ///
    /// # Errors
    /// When neither comes in time, or the ready line is none.
    pub fn try_start(folder: &Path, arguments: &[&str]) -> Result<Result<Self, Refused>, Trouble> {
        Self::try_start_telling(folder, &stderr_of(folder), arguments)
    }

    /// As [`Node::try_start`], with its standard error collected elsewhere than beside the folder.
    ///
    /// # Errors
    /// See [`Node::try_start`].
    pub fn try_start_telling(folder: &Path, log: &Path, arguments: &[&str]) -> Result<Result<Self, Refused>, Trouble> {
        // Building it, if need be, is no part of its start.
        binary()?;
        let stderr = File::options().create(true).append(true).open(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let logged = stderr.metadata().map_or(0, |metadata| metadata.len());
        let start = Instant::now();
        let mut child =
            command(folder, &line(arguments))?.stdout(Stdio::piped()).stderr(stderr).spawn().map_err(|error| error.to_string())?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let kept = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut node = Self {
            folder: folder.to_owned(),
            log: log.to_owned(),
            arguments: kept,
            child,
            lines,
            ready: Value::Null,
            took: Duration::ZERO,
            clock: None,
        };
        let mut objects = Vec::new();
        loop {
            match node.lines.recv_timeout(READY_WITHIN.saturating_sub(start.elapsed())) {
                Ok(line) => {
                    let object: Value = serde_json::from_str(&line).map_err(|_| format!("not JSON: {line}"))?;
                    if object.get("event").and_then(Value::as_str) == Some("ready") {
                        node.ready = object;
                        node.took = start.elapsed();
                        return Ok(Ok(node));
                    }
                    objects.push(object);
                }
                Err(RecvTimeoutError::Timeout) => return Err(format!("neither ready nor refused within {READY_WITHIN:?}")),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let code = node.ended(STOP_WITHIN)?.code();
        let stderr = std::fs::read(log).unwrap_or_default();
        let stderr = stderr.get(usize::try_from(logged).unwrap_or_default()..).unwrap_or_default();
        let refused = Refused { code, objects, stderr: String::from_utf8_lossy(stderr).into_owned(), took: start.elapsed() };
        Ok(Err(refused))
    }

    /// As [`Node::try_start`], for a node that shall run.
    ///
    /// # Errors
    /// Also when it refuses to.
    pub fn start(folder: &Path, arguments: &[&str]) -> Result<Self, Trouble> {
        Self::try_start(folder, arguments)?.map_err(|refused| format!("the node does not start: {refused:?}"))
    }

    /// Starts it again, with the same arguments, after it has ended or was ended.
    ///
    /// # Errors
    /// See [`Node::start`].
    pub fn restart(&mut self) -> Result<(), Trouble> {
        self.kill()?;
        let arguments = self.arguments.clone();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let clock = self.clock.clone();
        let started = clock::by(clock.clone(), || Self::try_start_telling(&self.folder, &self.log, &arguments))?;
        *self = started.map_err(|refused| format!("the node does not start again: {refused:?}"))?;
        self.clock = clock;
        Ok(())
    }

    /// Starts it again and kills it after a while, ready or not.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart_and_kill(&mut self, after: Duration) -> Result<(), Trouble> {
        self.kill()?;
        let own: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let arguments = line(&own);
        let log = File::options().create(true).append(true).open(&self.log).map_err(|error| error.to_string())?;
        self.child = command(&self.folder, &arguments)?.stdout(Stdio::null()).stderr(log).spawn().map_err(|error| error.to_string())?;
        std::thread::sleep(after);
        self.kill()
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What nodes of this folder have written to their standard error.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn said(&self) -> Result<String, Trouble> {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(|error| error.to_string())
    }

    /// Fails when a node of this folder has ever panicked.
    ///
    /// # Errors
    /// With what it said.
    pub fn calm(&self) -> Result<(), Trouble> {
        let said = self.said()?;
        if said.contains("panicked") { Err(format!("a node panicked: {said}")) } else { Ok(()) }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A way to its API.
    ///
    /// # Errors
    /// When the folder does not say where it is.
    pub fn api(&self) -> Result<Api, Trouble> {
        Api::of(&self.folder)
    }

    /// Runs a command on this node's folder.
    ///
    /// # Errors
    /// See [`run`].
    pub fn run(&self, arguments: &[&str]) -> Result<Ran, Trouble> {
        run(&self.folder, arguments)
    }

    /// Runs a command with `--json` that shall succeed, and answers its objects.
    ///
    /// # Errors
    /// When it fails.
    pub fn json(&self, arguments: &[&str]) -> Result<Vec<Value>, Trouble> {
        let ran = self.run(&[&["--json"], arguments].concat())?;
        if ran.code == Some(0) { ran.objects() } else { Err(format!("{arguments:?} failed: {ran:?}")) }
    }

    /// Asks it to stop as Ctrl-C does, and waits for its end.
    ///
    /// # Errors
    /// When it does not end well in time.
    pub fn interrupt(&mut self) -> Result<Duration, Trouble> {
        let start = Instant::now();
        let asked = Command::new("kill").args(["-INT", &self.pid().to_string()]).status().map_err(|error| error.to_string())?;
        if !asked.success() {
            return Err("the node was gone before it was asked to stop".to_owned());
        }
        let status = self.ended(STOP_WITHIN)?;
        if status.success() { Ok(start.elapsed()) } else { Err(format!("the node stopped with {status}: {:?}", self.rest())) }
    }

    /// Stops all its threads outside of the kernel, until [`Node::thaw`] or a kill.
    ///
    /// # Errors
    /// When it does not come to rest, or the system does not tell.
    pub fn freeze(&self) -> Result<(), Trouble> {
        let asked = Command::new("kill").args(["-STOP", &self.pid().to_string()]).status().map_err(|error| error.to_string())?;
        if !asked.success() {
            return Err("the node was gone before it was held".to_owned());
        }
        let tasks = PathBuf::from(format!("/proc/{}/task", self.pid()));
        within(STOP_WITHIN, "every thread is held", || {
            for task in std::fs::read_dir(&tasks).map_err(|error| error.to_string())?.flatten() {
                let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                // The state stands behind the name, which is in brackets.
                if stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()) != Some("T") {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    }

    /// Lets it continue.
    ///
    /// # Errors
    /// When it is gone.
    pub fn thaw(&self) -> Result<(), Trouble> {
        let asked = Command::new("kill").args(["-CONT", &self.pid().to_string()]).status().map_err(|error| error.to_string())?;
        if asked.success() { Ok(()) } else { Err("the node was gone before it was let go".to_owned()) }
    }

    /// Ends the process as a crash would, by `kill -9`; nothing happens when it has ended.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn kill(&mut self) -> Result<(), Trouble> {
        self.child.kill().map_err(|error| error.to_string())?;
        self.child.wait().map(|_| ()).map_err(|error| error.to_string())
    }

    /// Waits for an end by itself.
    ///
    /// # Errors
    /// When it does not come within `limit`.
    pub fn ended(&mut self, limit: Duration) -> Result<ExitStatus, Trouble> {
        within(limit, "the node ends", || self.child.try_wait().map_err(|error| error.to_string()))
    }

    /// What it printed after the ready line.
    pub fn rest(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Resident memory in bytes, where the system tells.
    pub fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1_024)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// The JSON objects on standard output, one a line.
    ///
    /// # Errors
    /// When a line is something else.
    pub fn objects(&self) -> Result<Vec<Value>, Trouble> {
        self.stdout.lines().map(|line| serde_json::from_str(line).map_err(|_| format!("not JSON: {line}"))).collect()
    }
}

/// Runs a command on a folder and waits for its end.
///
/// # Errors
/// When it does not end in time.
pub fn run(folder: &Path, arguments: &[&str]) -> Result<Ran, Trouble> {
    let child = command(folder, arguments)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let pid = child.id();
    let (sender, output) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match output.recv_timeout(COMMAND_WITHIN) {
        Ok(Ok(output)) => Ok(Ran {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            Err(format!("{arguments:?} did not end within {COMMAND_WITHIN:?}"))
        }
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Result<Command, Trouble> {
    let mut command = Command::new(binary()?);
    command.arg("--data").arg(folder).args(arguments).env_remove("SYMBOLON_DATA").env_remove("SSLKEYLOGFILE").stdin(Stdio::null());
    clock::set(&mut command);
    Ok(command)
}

/// Where the standard error of a folder's nodes is collected: beside the folder.
pub fn stderr_of(folder: &Path) -> PathBuf {
    folder.with_extension("stderr")
}

/// Everything that the nodes of a folder have said on standard error.
pub fn said(folder: &Path) -> String {
    std::fs::read(stderr_of(folder)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Asks until there is an answer.
///
/// # Errors
/// When the question fails, or the time is up.
pub fn within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Result<Option<T>, Trouble>) -> Result<T, Trouble> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if start.elapsed() >= limit {
            return Err(format!("not within {limit:?}: {what}"));
        }
        std::thread::sleep(Duration::from_millis(15));
    }
}

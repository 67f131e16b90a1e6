//! Talks to the node that runs on a data folder, by its local API.

use crate::failure::Failure;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use symbolon_node::folder::api::{Running, running};
use ureq::http::Response;
use ureq::{Agent, Body};

/// Longest answer that is taken in, in bytes: a thousand messages of the longest kind.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;
/// Longest line of the event stream, in bytes.
const EVENT_LINE_MAX: u64 = 64 * 1024;
/// The node answers everything but event streams within this time.
const TIMEOUT: Duration = Duration::from_secs(40);
/// After so long without an answer, it is asked whether it runs at all.
const PATIENCE: Duration = Duration::from_secs(4);
/// That is answered at once, whatever else the node does.
const ALIVE_WITHIN: Duration = Duration::from_secs(1);

/// Pause between two looks whether a node runs again.
const AGAIN: Duration = Duration::from_millis(500);

/// What became of a request.
type Called = Result<Response<Body>, ureq::Error>;

/// A way to the running node.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    folder: PathBuf,
    address: String,
    token: String,
}

impl Client {
    /// Finds the node that runs on a folder.
    pub fn find(folder: &Path) -> Result<Self, Failure> {
        let Ok(Running { address, token }) = running(folder) else { return Err(not_running(folder)) };
        // The file lies in our own folder; but the token must never go anywhere else.
        let is_loopback = ["http://127.0.0.1:", "http://[::1]:"]
            .iter()
            .any(|start| address.strip_prefix(start).is_some_and(|port| port.parse::<u16>().is_ok()));
        if !is_loopback {
            return Err(not_running(folder));
        }
        // No proxy from the environment, no redirect: straight to loopback or not at all.
        let agent = Agent::config_builder().http_status_as_error(false).proxy(None).max_redirects(0).build().new_agent();
        Ok(Self { agent, folder: folder.to_owned(), address, token })
    }

    /// Reads from an address.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        let request = self.agent.get(format!("{}{path}", self.address)).query_pairs(query.iter().copied());
        let request = request.header("authorization", self.bearer()).config().timeout_global(Some(TIMEOUT)).build();
        self.answer(self.patiently(move || request.call())?)
    }

    /// Changes something.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let (request, body) = (self.agent.post(format!("{}{path}", self.address)), body.clone());
        let request = request.header("authorization", self.bearer()).config().timeout_global(Some(TIMEOUT)).build();
        self.answer(self.patiently(move || request.send_json(body))?)
    }

    /// Puts something in the place of what is there.
    pub fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let (request, body) = (self.agent.put(format!("{}{path}", self.address)), body.clone());
        let request = request.header("authorization", self.bearer()).config().timeout_global(Some(TIMEOUT)).build();
        self.answer(self.patiently(move || request.send_json(body))?)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Waits for an answer for as long as the node is alive: what it does may take its time, but a node that was
    /// suspended answers nothing at all.
    fn patiently(&self, call: impl FnOnce() -> Called + Send + 'static) -> Result<Called, Failure> {
        let (sender, answer) = mpsc::channel();
        std::thread::spawn(move || {
            // Nobody waits any more when the node was found dead.
            let _ = sender.send(call());
        });
        loop {
            match answer.recv_timeout(PATIENCE) {
                Ok(called) => return Ok(called),
                Err(RecvTimeoutError::Timeout) if self.is_alive() => {}
                Err(RecvTimeoutError::Timeout) => return Err(self.silent()),
                Err(RecvTimeoutError::Disconnected) => return Err(not_running(&self.folder)),
            }
        }
    }

    fn is_alive(&self) -> bool {
        let request = self.agent.get(format!("{}/api/v1/openapi.json", self.address)).header("authorization", self.bearer());
        request.config().timeout_global(Some(ALIVE_WITHIN)).build().call().is_ok()
    }

    fn silent(&self) -> Failure {
        Failure::new(
            "timed_out",
            format!("the node on {} runs, but does not answer", self.folder.display()),
            "If it was suspended with Ctrl-Z, type `fg` in its terminal. Otherwise end it there with Ctrl-C and start it again.",
        )
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until a node runs on the folder again, for as long as that takes.
    pub fn again(&self) -> (Self, Events) {
        loop {
            std::thread::sleep(AGAIN);
            if let Ok(client) = Self::find(&self.folder)
                && let Ok(events) = client.events()
            {
                return (client, events);
            }
        }
    }

    /// Everything that happens from now on.
    pub fn events(&self) -> Result<Events, Failure> {
        let request = self.agent.get(format!("{}/api/v1/events", self.address)).header("authorization", self.bearer());
        let response = self.patiently(move || request.call())?.map_err(|error| self.failed(&error))?;
        if !response.status().is_success() {
            return Err(self.refused(response));
        }
        Ok(Events { lines: BufReader::new(Box::new(response.into_body().into_reader())) })
    }

    fn answer(&self, result: Called) -> Result<Value, Failure> {
        let mut response = result.map_err(|error| self.failed(&error))?;
        if !response.status().is_success() {
            return Err(self.refused(response));
        }
        let bytes = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().map_err(|error| self.failed(&error))?;
        serde_json::from_slice(&bytes).map_err(|_| not_understood())
    }

    fn refused(&self, mut response: Response<Body>) -> Failure {
        let bytes = response.body_mut().with_config().limit(EVENT_LINE_MAX).read_to_vec().unwrap_or_default();
        let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let text = |field: &str| problem.get(field).and_then(Value::as_str).map(str::to_owned);
        let (Some(kind), Some(message), Some(hint)) = (text("error"), text("detail"), text("hint")) else { return not_understood() };
        if kind == "unauthorized" {
            // A new node on an old folder, or somebody else on the old node's port.
            return not_running(&self.folder);
        }
        let mut failure = Failure::new(kind, message, hint);
        if let Some(candidates) = problem.get("candidates").and_then(Value::as_array).filter(|ids| !ids.is_empty()) {
            let choices = problem.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let named = |one: &Value| Some(format!("\n  {}  {}", one.get("id")?.as_str()?, crate::text::line(one.get("name")?.as_str()?)));
            failure.hint = format!("{} It could be:{}", failure.hint, choices.iter().filter_map(named).collect::<String>());
            failure.fields.insert("candidates".to_owned(), candidates.clone().into());
            failure.fields.insert("choices".to_owned(), choices.into());
        }
        failure
    }

    fn failed(&self, error: &ureq::Error) -> Failure {
        if let ureq::Error::Timeout(_) = error {
            return Failure::new(
                "timed_out",
                "the node runs, but is not done with this yet",
                "It may still get done: see what there is by now, and try again if nothing has changed.",
            );
        }
        not_running(&self.folder)
    }
}

fn not_understood() -> Failure {
    Failure::new(
        "not_understood",
        "the node's answer cannot be understood",
        "Check that the node and this command are of the same version.",
    )
}

/// Where a person's data lies when nobody says where.
pub fn usual_folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "symbolon").map(|dirs| dirs.data_dir().to_owned())
}

fn not_running(folder: &Path) -> Failure {
    let is_usual = std::env::var_os("SYMBOLON_DATA").is_none() && usual_folder().is_some_and(|usual| usual == folder);
    let data = if is_usual { String::new() } else { format!("--data {} ", quoted(folder)) };
    Failure::new(
        "not_running",
        format!("no node is running on {}", folder.display()),
        format!("Start it in another terminal: symbolon {data}up"),
    )
}

fn quoted(folder: &Path) -> String {
    let text = folder.display().to_string();
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+:\\".contains(c));
    if is_plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The event stream.
pub struct Events {
    lines: BufReader<Box<dyn Read>>,
}

impl Events {
    /// Waits for the next event and tells its name; `None` when the node has stopped.
    pub fn next(&mut self) -> Option<String> {
        let mut name = None;
        loop {
            let mut line = String::new();
            let read = (&mut self.lines).take(EVENT_LINE_MAX).read_line(&mut line).ok()?;
            if read == 0 {
                return None;
            }
            match line.trim_end() {
                "" => {
                    if let Some(name) = name {
                        return Some(name);
                    }
                }
                line => {
                    if let Some(value) = line.strip_prefix("event:") {
                        name = Some(value.trim().to_owned());
                    }
                }
            }
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events(..)")
    }
}

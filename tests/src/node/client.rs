//! The local API of a running node.

use super::Trouble;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use ureq::Agent;

const TIMEOUT: Duration = Duration::from_secs(40);
const ANSWER_MAX: u64 = 64 * 1024 * 1024;
/// Most bytes of one event stream that are looked at.
const STREAM_MAX: u64 = 256 * 1024 * 1024;

/// A way to a node's API, as good as the node's life.
#[derive(Debug, Clone)]
pub struct Api {
    agent: Agent,
    address: String,
    token: String,
}

/// Why a request brought no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// The node refused, with a status and a kind: nothing was done.
    Refused(u16, String),
    /// The connection broke: it may have been done or not.
    Broken(String),
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        format!("{error:?}")
    }
}

impl Api {
    /// Finds the API of the node that runs on a folder.
    ///
    /// # Errors
    /// When the folder does not say where it is.
    pub fn of(folder: &Path) -> Result<Self, Trouble> {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"));
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            address: read("api-address")?.trim().trim_end_matches('/').to_owned(),
            token: read("api-token")?.trim().to_owned(),
        })
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Reads.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn get(&self, path: &str) -> Result<Value, ApiError> {
        let request = self.agent.get(format!("{}/api/v1/{path}", self.address));
        answer(request.header("authorization", format!("Bearer {}", self.token)).call())
    }

    /// Changes something. A 2xx means that it is durable.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        let request = self.agent.post(format!("{}/api/v1/{path}", self.address));
        answer(request.header("authorization", format!("Bearer {}", self.token)).send_json(body))
    }

    /// Sends a text and answers the message's id.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn send(&self, to: &str, text: &str) -> Result<String, ApiError> {
        let view = self.post("messages", &json!({ "to": to, "text": text }))?;
        Ok(view.get("message").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Names and contents of everything that happens from now on, until the node ends.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn events(&self) -> Result<Receiver<(String, Value)>, ApiError> {
        let request = self.agent.get(format!("{}/api/v1/events", self.address));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let response = request.config().timeout_global(None).build().call().map_err(|error| ApiError::Broken(error.to_string()))?;
        if !response.status().is_success() {
            return Err(ApiError::Refused(response.status().as_u16(), String::new()));
        }
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut name = String::new();
            for line in BufReader::new(response.into_body().into_reader().take(STREAM_MAX)).lines().map_while(Result::ok) {
                if let Some(event) = line.strip_prefix("event:") {
                    name = event.trim().to_owned();
                } else if let Some(data) = line.strip_prefix("data:") {
                    let data = serde_json::from_str(data.trim()).unwrap_or_default();
                    if sender.send((std::mem::take(&mut name), data)).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(receiver)
    }

    /// The whole history, in its order, without marking anything as read.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub fn history(&self) -> Result<Vec<Value>, ApiError> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let since = all.last().and_then(|view| view.get("message")).cloned().unwrap_or(Value::Null);
            let answer = self.post("messages/read", &json!({ "who": null, "since": since, "limit": null, "peek": true }))?;
            let views = answer.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
            // An answer is bounded; the next one continues behind its last message.
            if views.is_empty() || all.last() == views.last() {
                return Ok(all);
            }
            all.extend(views);
        }
    }
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, ApiError> {
    let broken = |error: ureq::Error| ApiError::Broken(error.to_string());
    let mut response = result.map_err(broken)?;
    let status = response.status();
    let bytes = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().map_err(broken)?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| ApiError::Broken(error.to_string()))?;
    if status.is_success() {
        return Ok(value);
    }
    Err(ApiError::Refused(status.as_u16(), value.get("error").and_then(Value::as_str).unwrap_or_default().to_owned()))
}

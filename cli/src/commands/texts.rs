//! Texts: written, waited for, looked for, printed.

use super::read::Reader;
use super::typed::{from_stdin, text_of_stdin};
use crate::args::Send;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(super) fn send(client: &Client, output: Output, flags: &Send) -> Result<(), Failure> {
    let text = match flags.text.as_deref() {
        Some("-") => from_stdin(output)?,
        None => text_of_stdin(output)?,
        Some(text) => text.to_owned(),
    };
    let lifetime = flags.expires.map(|time| time.as_secs());
    let view = client.post("/api/v1/messages", &json!({ "to": flags.to, "text": text, "lifetime_seconds": lifetime }))?;
    let Some(wanted) = flags.wait else {
        output.show(&view, show::sent)?;
        return output.remark("`symbolon read` shows how far it is; `--wait delivered` waits for it.\n");
    };
    let message = view.get("message").and_then(Value::as_str).unwrap_or_default();
    let view = wait(client, message, wanted.word(), flags.timeout)?;
    output.show(&view, show::sent)
}

/// Waits until a message has got so far. One request of the API waits a while only, so
/// so this asks again until the time is up.
fn wait(client: &Client, message: &str, wanted: &str, timeout: Duration) -> Result<Value, Failure> {
    let deadline = Instant::now().checked_add(timeout);
    loop {
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        let seconds = left.as_millis().div_ceil(1_000).min(25).to_string();
        let mut view = client.get(&format!("/api/v1/messages/{message}/wait"), &[("state", wanted), ("timeout", &seconds)])?;
        let reached = view.as_object_mut().and_then(|fields| fields.remove("reached")).and_then(|reached| reached.as_bool());
        let state = view.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
        if reached == Some(true) {
            return Ok(view);
        }
        let given_up = state == "failed";
        if !given_up && deadline.is_none_or(|deadline| Instant::now() < deadline) {
            continue;
        }
        let mut failure = if given_up {
            let reason = view.get("reason").and_then(Value::as_str).unwrap_or("no reason is known");
            Failure::new("failed", format!("the message could not be delivered: {reason}"), "See `symbolon friends` and `symbolon status`.")
        } else {
            Failure::new(
                "timed_out",
                format!("the message is not {wanted} yet; it is {state} and stays in the queue"),
                "It leaves as soon as your friend can be reached; `symbolon read` shows how far it is.",
            )
        };
        failure.fields = [("message".to_owned(), message.into()), ("state".to_owned(), state.into())].into_iter().collect();
        return Err(failure);
    }
}

pub(super) fn search(client: &Client, output: Output, text: &str, limit: Option<u32>) -> Result<(), Failure> {
    let limit = limit.map(|limit| limit.to_string());
    let query: Vec<(&str, &str)> = [("text", text)].into_iter().chain(limit.as_deref().map(|limit| ("limit", limit))).collect();
    let answer = client.get("/api/v1/messages/search", &query)?;
    let found = answer.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if found.is_empty() {
        return output.remark("Nothing found.\n");
    }
    found.iter().try_for_each(|view| output.show(view, show::message))
}

/// Prints history as JSON lines. They are as private as the messages: so it asks first.
pub(super) fn export(client: &Client, output: Output, who: Option<&str>, yes: bool) -> Result<(), Failure> {
    if !yes {
        if !output.can_ask() {
            return Err(Failure::new("not_confirmed", "this prints private messages unencrypted", "Pass --yes to confirm."));
        }
        if !output.ask("Print private messages unencrypted? Anyone who sees the output can read them.")? {
            return Err(Failure::declined());
        }
    }
    let lines = Output { json: true };
    Reader::new(client, lines, who).all().map(|_| ())
}

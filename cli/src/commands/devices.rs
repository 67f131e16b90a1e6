//! What is done with own devices.

use super::list::{entries, show_all};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show::{own_device, pairing};
use serde_json::{Value, json};
use std::time::Duration;

const DEVICES: &str = "/api/v1/devices";
/// Pause between two looks whether the other device has answered.
const PAUSE: Duration = Duration::from_millis(200);

fn is(view: &Value, field: &str) -> bool {
    view.get(field).and_then(Value::as_bool) == Some(true)
}

/// Lists them.
pub fn list(client: &Client, output: Output, all: bool) -> Result<(), Failure> {
    show(output, &client.get(DEVICES, &[])?, all)
}

fn show(output: Output, answer: &Value, all: bool) -> Result<(), Failure> {
    let shown = entries(answer, "devices").filter(|view| all || view.get("removed").is_none_or(Value::is_null) || is(view, "this"));
    show_all(output, shown, own_device, "")
}

/// Makes a pairing code.
pub fn pair(client: &Client, output: Output, tell: Option<&str>) -> Result<(), Failure> {
    output.show(&client.post("/api/v1/devices/pair", &json!({ "tell": tell }))?, pairing)
}

/// Changes something, and lists them.
pub fn change(client: &Client, output: Output, what: &str, body: &Value) -> Result<(), Failure> {
    show(output, &client.post(&format!("{DEVICES}/{what}"), body)?, false)
}

/// Becomes a further device: until both list each other, or the code has expired.
pub fn join(client: &Client, output: Output, code: &str) -> Result<(), Failure> {
    let mut answer = client.post("/api/v1/devices/join", &json!({ "code": code }))?;
    let mut said = None;
    loop {
        let others = || entries(&answer, "devices").filter(|view| !is(view, "this"));
        if others().any(|view| is(view, "settled")) {
            return show(output, &answer, false);
        }
        let joining = answer.get("joining").cloned().unwrap_or_default();
        let reason = joining.get("reason").and_then(Value::as_str).map(str::to_owned);
        if is(&joining, "over") && others().next().is_none() {
            return Err(Failure::not_joined(reason.as_deref()));
        }
        if reason.is_some() && reason != said {
            output.aside(reason.as_deref().unwrap_or_default());
            said = reason;
        }
        std::thread::sleep(PAUSE);
        answer = client.get(DEVICES, &[])?;
    }
}

//! What is done with own devices.

use super::list::{entries, show_all};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show::{own_device, pairing};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const DEVICES: &str = "/api/v1/devices";
/// A pairing code is good for ten minutes; a little more for clocks that differ.
const CODE_LIFE: Duration = Duration::from_secs(11 * 60);
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

/// For who joins without a relay: most of the time, that is why nobody is found.
const NO_RELAY: &str = "This device uses no relay. If it is not in one local network with your first device, add the same relay here, \
                        in another terminal: symbolon relay add LINK";

/// Whether this node has no relay.
fn has_no_relay(client: &Client) -> bool {
    client.get("/api/v1/relays", &[]).is_ok_and(|answer| entries(&answer, "relays").next().is_none())
}

/// Asks somebody at a terminal, and nobody else.
pub fn may_remove(output: Output, device: &str) -> Result<bool, Failure> {
    let question =
        format!("Remove {} from your devices? It reads nothing new any more, and friends learn of it.", crate::text::line(device));
    if output.can_ask() { output.ask(&question) } else { Ok(true) }
}

/// Changes something, and lists them.
pub fn change(client: &Client, output: Output, what: &str, body: &Value) -> Result<(), Failure> {
    show(output, &client.post(&format!("{DEVICES}/{what}"), body)?, false)
}

/// Becomes a further device: until both list each other, or the code has expired.
pub fn join(client: &Client, output: Output, code: &str) -> Result<(), Failure> {
    let mut answer = client.post("/api/v1/devices/join", &json!({ "code": code }))?;
    let (mut said, begun) = (None, Instant::now());
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
        // Whenever it was made: by now it is good no more.
        if begun.elapsed() > CODE_LIFE && others().next().is_none() {
            let mut failure = Failure::not_joined(Some("nobody with this code was found, and by now it has expired"));
            if has_no_relay(client) {
                failure.hint = format!("{} {NO_RELAY}", failure.hint);
            }
            return Err(failure);
        }
        if reason.is_some() && reason != said {
            output.aside(reason.as_deref().unwrap_or_default());
            if has_no_relay(client) {
                output.aside(NO_RELAY);
            }
            said = reason;
        }
        std::thread::sleep(PAUSE);
        answer = client.get(DEVICES, &[])?;
    }
}

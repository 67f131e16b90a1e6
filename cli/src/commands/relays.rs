//! `relay`: mailboxes of mine at relays.

use super::list::list;
use super::typed::typed;
use crate::args::RelayVerb;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long the word of a relay that was added is waited for.
const WORD_WITHIN: Duration = Duration::from_secs(8);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Carries out what needs the node; the caller has dealt with the rest.
pub fn run(client: &Client, output: Output, verb: &RelayVerb) -> Result<(), Failure> {
    match verb {
        RelayVerb::Run(_) | RelayVerb::Info => Ok(()),
        RelayVerb::Claim { code } => {
            let answer = client.post("/api/v1/relays/claim", &json!({ "code": typed(output, code)?.trim() }))?;
            super::list::entries(&answer, "relays").try_for_each(|view| output.show(view, show::relay))
        }
        RelayVerb::Add { link, claim } => {
            let claim = claim.as_deref().map(|claim| typed(output, claim)).transpose()?;
            let view = client.post("/api/v1/relays", &json!({ "link": link.trim(), "claim": claim.as_deref().map(str::trim) }))?;
            settled(client, output, view)
        }
        RelayVerb::Remove { relay } => output.show(&client.post("/api/v1/relays/remove", &json!({ "relay": relay }))?, show::relay_removed),
        RelayVerb::List | RelayVerb::Status => list(
            client,
            output,
            "/api/v1/relays",
            "relays",
            show::relay,
            "No relays. `symbolon relay run` starts one on a machine that is always on; `symbolon relay add LINK` uses it.\n",
        ),
    }
}

/// Waits for the word of a relay that was added, and ends as it says.
fn settled(client: &Client, output: Output, added: Value) -> Result<(), Failure> {
    let state = |view: &Value| view.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = added.get("relay").cloned().unwrap_or_default();
    let (mut view, end) = (added, Instant::now() + WORD_WITHIN);
    while state(&view) == "connecting" && Instant::now() < end {
        std::thread::sleep(PAUSE);
        let all = client.get("/api/v1/relays", &[])?;
        let Some(now) = super::list::entries(&all, "relays").find(|one| one.get("relay") == Some(&id)) else { break };
        view = now.clone();
    }
    let (message, hint) = match state(&view).as_str() {
        "refused" => (
            "the relay does not keep your mailbox: the claim code is missing or wrong",
            "Add it again with --claim CODE. `symbolon relay info` on the relay's machine prints the code.",
        ),
        "full" => {
            ("the relay has no room for your mailbox", "Ask its operator, or use another relay. `symbolon relay remove` gives this one up.")
        }
        "replaced" => {
            ("another relay answers at that address", "Ask its operator for the link that `symbolon relay info` prints there now.")
        }
        "connecting" | "unreachable" => {
            output.show(&view, show::relay)?;
            output.aside("The relay has not answered yet. Your node keeps trying; `symbolon relay list` shows how it stands.");
            return Ok(());
        }
        _ => return output.show(&view, show::relay),
    };
    let mut failure = Failure::new(format!("relay_{}", state(&view)), message, hint);
    failure.fields = [("relay".to_owned(), id), ("state".to_owned(), state(&view).into())].into_iter().collect();
    Err(failure)
}

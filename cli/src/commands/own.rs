//! This node: who its user is, what is set, its devices and servers, how it is.

use super::list::{self, list};
use super::{backup, devices};
use crate::args::{DeviceVerb, LookupVerb};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show;
use serde_json::{Value, json};
use symbolon_node::api::qr::Qr;

pub(super) fn identity(client: &Client, output: Output) -> Result<(), Failure> {
    let view = client.get("/api/v1/identity", &[])?;
    output.show(&view, show::identity)?;
    let id = view.get("id").and_then(Value::as_str).unwrap_or_default();
    match Qr::link(id) {
        Some(qr) => output.remark(&format!("\n{}", qr.half_blocks(output.has_colours()))),
        None => Ok(()),
    }
}

/// Shows the settings, or the one that is named, after it was changed if there is a value.
pub(super) fn settings(client: &Client, output: Output, setting: Option<&str>, value: Option<&str>) -> Result<(), Failure> {
    let all = match value {
        Some(value) => client.post("/api/v1/settings", &json!({ "setting": setting, "value": value }))?,
        None => client.get("/api/v1/settings", &[])?,
    };
    let is_meant = |view: &&Value| setting.is_none() || view.get("setting").and_then(Value::as_str) == setting;
    list::show_all(output, list::entries(&all, "settings").filter(is_meant), show::setting, "")
}

/// The address opens the page for anyone who reads it within a minute, so it must not end
/// in a file that others can read.
pub(super) fn page(client: &Client, output: Output) -> Result<(), Failure> {
    if !output.json && output.is_piped() {
        let message = "the address of the page is printed to a terminal only";
        return Err(Failure::new("not_a_terminal", message, "Run it without a redirection, or with --json if a program reads it."));
    }
    let view = client.post("/api/v1/page-token", &json!({}))?;
    let address = view.get("http").cloned().unwrap_or_default();
    output.show(&json!({ "http": address }), |_| format!("{}\n", crate::text::line(address.as_str().unwrap_or_default())))
}

pub(super) fn device(client: &Client, output: Output, verb: &DeviceVerb) -> Result<(), Failure> {
    match verb {
        DeviceVerb::List { all } => devices::list(client, output, *all),
        DeviceVerb::Pair { tell } => devices::pair(client, output, tell.as_deref()),
        DeviceVerb::Join { code } => devices::join(client, output, &code.concat()),
        DeviceVerb::Remove { device, yes } if !yes && !devices::may_remove(output, device)? => Err(Failure::declined()),
        DeviceVerb::Remove { device, yes: _ } => devices::change(client, output, "remove", &json!({ "device": device })),
        DeviceVerb::Keep { devices: stay, phrase: _ } => {
            let phrase = backup::read_words(output)?;
            devices::change(client, output, "keep", &json!({ "phrase": phrase.trim(), "devices": stay }))
        }
        DeviceVerb::Rename { name } => devices::change(client, output, "rename", &json!({ "name": name })),
        DeviceVerb::Confirm => output.show(&client.post("/api/v1/device/confirm", &json!({}))?, show::confirmed),
        DeviceVerb::Resend { friend } => output.show(&client.post("/api/v1/device/resend", &json!({ "friend": friend }))?, show::resent),
    }
}

pub(super) fn lookup(client: &Client, output: Output, verb: &LookupVerb) -> Result<(), Failure> {
    match verb {
        LookupVerb::Add { lookup } => output.show(&client.post("/api/v1/lookups", &json!({ "lookup": lookup }))?, show::lookup),
        LookupVerb::Remove { lookup } => {
            output.show(&client.post("/api/v1/lookups/remove", &json!({ "lookup": lookup }))?, show::lookup_removed)
        }
        LookupVerb::List => list(
            client,
            output,
            "/api/v1/lookups",
            "lookups",
            show::lookup,
            "No lookup servers of your own. Your relays serve look-ups, too; `symbolon lookup add MULTIADDR` names another.\n",
        ),
    }
}

/// What works; and for a person, what waits for them.
pub(super) fn status(client: &Client, output: Output) -> Result<(), Failure> {
    let view = client.get("/api/v1/status", &[])?;
    let mut waiting = String::new();
    if !output.json {
        let (requests, friends) = (client.get("/api/v1/requests", &[])?, client.get("/api/v1/friends", &[])?);
        let rooms = client.get("/api/v1/rooms", &[])?;
        let is = |view: &Value, field: &str, word: &str| view.get(field).and_then(Value::as_str) == Some(word);
        let asked =
            list::entries(&requests, "requests").filter(|view| is(view, "direction", "in") && is(view, "status", "pending")).count();
        let of_all = list::entries(&friends, "friends").chain(list::entries(&rooms, "rooms"));
        let unread: u64 = of_all.filter_map(|view| view.get("unread").and_then(Value::as_u64)).sum();
        if asked > 0 {
            waiting.push_str(&format!("requests to answer {asked} (symbolon requests)\n"));
        }
        if unread > 0 {
            waiting.push_str(&format!("texts not read     {unread} (symbolon read)\n"));
        }
    }
    output.show(&view, |view| format!("{waiting}{}", show::status(view)))
}

pub(super) fn doctor(client: &Client, output: Output) -> Result<(), Failure> {
    let answer = client.get("/api/v1/doctor", &[])?;
    let checks = answer.get("checks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    checks.iter().try_for_each(|check| output.show(check, show::check))?;
    let failed = checks.iter().filter(|check| check.get("ok") != Some(&Value::Bool(true))).count();
    match failed {
        0 => Ok(()),
        _ => Err(Failure::told(format!("{failed} of {} checks failed", checks.len()))),
    }
}

//! Every command but `up`: asks the running node and shows its answer.

pub mod backup;
mod devices;
pub mod done;
mod friends;
mod list;
mod read;
mod relays;
mod requests;
mod rooms;
mod stop;
mod typed;

use crate::args::{BackupVerb, DeviceVerb, ExportFormat, IdVerb, Invite, InviteVerb, LookupVerb, RequestsVerb, Send, Switch, Verb};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show;
use list::list;
use read::{Reader, read};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use symbolon_node::api::qr::Qr;
use symbolon_node::run::backup::wrong_with;
use typed::{from_stdin, text_of_stdin, typed};

/// Carries out a command.
pub fn run(verb: &Verb, client: &Client, output: Output) -> Result<(), Failure> {
    match verb {
        // These need no running node; the caller has dealt with them.
        Verb::Up(_) | Verb::Demo | Verb::Completions { .. } | Verb::Man { .. } => Ok(()),
        Verb::Backup { verb: BackupVerb::Restore { .. } } => Ok(()),
        Verb::Stop => stop::run(client, output),
        Verb::Name { name } => output.show(&client.put("/api/v1/identity/name", &json!({ "name": name }))?, show::identity),
        Verb::Id { verb: None } => identity(client, output),
        Verb::Id { verb: Some(IdVerb::Phrase { confirm }) } => backup::phrase(client, output, *confirm),
        Verb::Backup { verb: BackupVerb::Create { file } } => backup::create(client, output, file),
        Verb::Invite(flags) => invite(client, output, flags),
        Verb::Add { target, note } => {
            let target = typed(output, target)?;
            let view = client.post("/api/v1/requests", &json!({ "target": target.trim(), "note": note }))?;
            output.show(&view, show::request)?;
            if view.get("fault").is_some_and(Value::is_string) {
                return Ok(());
            }
            output.remark("\nThey have to accept it. `symbolon requests` shows how it stands.\n")
        }
        Verb::Requests { verb: Some(RequestsVerb::Cancel { request }), .. } => answer(client, output, request, "cancel"),
        Verb::Requests { verb: None, all } => requests::list(client, output, *all),
        Verb::Accept { request } => answer(client, output, request, "accept"),
        Verb::Ignore { request } => answer(client, output, request, "ignore"),
        Verb::Block { who, leave_rooms, device: None } => {
            output.show(&client.post("/api/v1/block", &json!({ "who": who, "leave_rooms": leave_rooms }))?, friend_or_request)
        }
        Verb::Block { who, device: Some(device), .. } => {
            output.show(&client.post("/api/v1/block", &json!({ "who": who, "device": device }))?, friend_or_request)
        }
        Verb::Unblock { who } => output.show(&client.post("/api/v1/unblock", &json!({ "who": who }))?, friend_or_request),
        Verb::Friends { former: true } => {
            list(client, output, "/api/v1/friends/former", "friends", show::former_friend, "No former friends here.\n")
        }
        Verb::Friends { former: false } => list(
            client,
            output,
            "/api/v1/friends",
            "friends",
            show::friend,
            "No friends here yet. `symbolon invite` makes a link to give to somebody, `symbolon add LINK` takes one.\n",
        ),
        Verb::Rename { friend, name } => {
            output.show(&client.post("/api/v1/friends/rename", &json!({ "friend": friend, "name": name }))?, show::friend)
        }
        Verb::Verify { friend, words } => verify(client, output, friend, words),
        Verb::Introduce { asker, target, note } => {
            let body = json!({ "asker": asker, "target": target, "note": note });
            output.show(&client.post("/api/v1/introductions", &body)?, show::request)
        }
        Verb::Hide { friend, off } => {
            output.show(&client.post("/api/v1/friends/hide", &json!({ "friend": friend, "hidden": !off }))?, show::friend)
        }
        Verb::Unfriend { friend, yes, leave_rooms } => friends::unfriend(client, output, friend, (*yes, *leave_rooms)),
        Verb::Send(flags) => send(client, output, flags),
        Verb::Read(flags) => read(client, output, flags),
        Verb::Room { verb } => rooms::run(client, output, verb),
        Verb::Settings { setting, value } => settings(client, output, setting.as_deref(), value.as_deref()),
        Verb::Search { text, limit } => search(client, output, &typed(output, &text.join(" "))?, *limit),
        Verb::Export { who, format: ExportFormat::Jsonl, yes } => export(client, output, who.as_deref(), *yes),
        Verb::Relay { verb } => relays::run(client, output, verb),
        Verb::Findable { state } => {
            let view = client.post("/api/v1/identity/findable", &json!({ "findable": *state == Switch::On }))?;
            output.show(&view, show::identity)
        }
        Verb::Device { verb } => device(client, output, verb),
        Verb::Lookup { verb } => lookup(client, output, verb),
        Verb::Status => status(client, output),
        Verb::Doctor => doctor(client, output),
        Verb::Page { sign_out: true } => output.show(&client.post("/api/v1/sessions/end", &json!({}))?, show::signed_out),
        Verb::Page { sign_out: false } => page(client, output),
    }
}

/// Shows the settings, or the one that is named, after it was changed if there is a value.
fn settings(client: &Client, output: Output, setting: Option<&str>, value: Option<&str>) -> Result<(), Failure> {
    let all = match value {
        Some(value) => client.post("/api/v1/settings", &json!({ "setting": setting, "value": value }))?,
        None => client.get("/api/v1/settings", &[])?,
    };
    let is_meant = |view: &&Value| setting.is_none() || view.get("setting").and_then(Value::as_str) == setting;
    list::show_all(output, list::entries(&all, "settings").filter(is_meant), show::setting, "")
}

/// The address opens the page for anyone who reads it within a minute, so it must not end
/// in a file that others can read.
fn page(client: &Client, output: Output) -> Result<(), Failure> {
    if !output.json && output.is_piped() {
        let message = "the address of the page is printed to a terminal only";
        return Err(Failure::new("not_a_terminal", message, "Run it without a redirection, or with --json if a program reads it."));
    }
    let view = client.post("/api/v1/page-token", &json!({}))?;
    let address = view.get("http").cloned().unwrap_or_default();
    output.show(&json!({ "http": address }), |_| format!("{}\n", crate::text::line(address.as_str().unwrap_or_default())))
}

fn device(client: &Client, output: Output, verb: &DeviceVerb) -> Result<(), Failure> {
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

fn lookup(client: &Client, output: Output, verb: &LookupVerb) -> Result<(), Failure> {
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

fn identity(client: &Client, output: Output) -> Result<(), Failure> {
    let view = client.get("/api/v1/identity", &[])?;
    output.show(&view, show::identity)?;
    let id = view.get("id").and_then(Value::as_str).unwrap_or_default();
    match Qr::link(id) {
        Some(qr) => output.remark(&format!("\n{}", qr.half_blocks(output.has_colours()))),
        None => Ok(()),
    }
}

fn invite(client: &Client, output: Output, flags: &Invite) -> Result<(), Failure> {
    match &flags.verb {
        Some(InviteVerb::List) => {
            return list(client, output, "/api/v1/invites", "invites", show::invite_row, "No invites. `symbolon invite` makes one.\n");
        }
        Some(InviteVerb::Revoke { invite }) => {
            // Anything else would be another address; ids have only these.
            if invite.is_empty() || !invite.chars().all(|c| c.is_ascii_alphanumeric()) {
                let hint = "`symbolon invite list` lists them with their ids.";
                return Err(Failure::new("not_found", "This is not the id of an invite.", hint));
            }
            return output.show(&client.post(&format!("/api/v1/invites/{invite}/revoke"), &json!({}))?, show::invite_row);
        }
        None => {}
    }
    let body = json!({ "expires_in": flags.expires.as_secs(), "no_ip": flags.no_ip, "auto_accept": flags.auto_accept });
    let mut view = client.post("/api/v1/invites", &body)?;
    if let Some(fields) = view.as_object_mut() {
        // The picture is for the page; a terminal draws its own.
        fields.remove("qr");
    }
    output.show(&view, |view| show::invite(view, output.is_piped()))?;
    if let Some(warning) = view.get("warning").and_then(Value::as_str) {
        crate::output::complain(&format!("warning: {}\n", crate::text::block(warning)));
    }
    if !flags.qr || output.json {
        return Ok(());
    }
    let link = view.get("link").and_then(Value::as_str).unwrap_or_default();
    match Qr::link(link) {
        Some(qr) => output.print(&format!("\n{}", qr.half_blocks(output.has_colours()))),
        None => Err(Failure::new("too_large", "the link is too long for a QR code", "Give the link itself.")),
    }
}

fn answer(client: &Client, output: Output, request: &str, verb: &str) -> Result<(), Failure> {
    // Anything else would be another address; ids have only these.
    if request.is_empty() || !request.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(Failure::new("not_found", "This is not the id of a request.", "`symbolon requests` lists them with their ids."));
    }
    let view = client.post(&format!("/api/v1/requests/{request}/{verb}"), &json!({}))?;
    output.show(&view, show::request)
}

fn friend_or_request(view: &Value) -> String {
    if view.get("request").is_some() { show::request(view) } else { show::friend(view) }
}

fn verify(client: &Client, output: Output, friend: &str, words: &[String]) -> Result<(), Failure> {
    let words = (!words.is_empty()).then(|| words.join(" "));
    let asked = client.post("/api/v1/friends/verify", &json!({ "friend": friend, "words": words }));
    let view = asked.map_err(|failure| match words.as_deref().map(|words| wrong_with(words, 12)) {
        // A slip of the keyboard is no attack.
        Some(wrong) if failure.kind == "words_differ" && !wrong.is_empty() => Failure {
            message: format!("These cannot be a person's words: {wrong}."),
            hint: "Type all twelve words as the friend reads them out, and compare again.".to_owned(),
            ..failure
        },
        _ => failure,
    })?;
    let matched = if words.is_some() { "The words match.\n" } else { "" };
    output.show(&view, |view| format!("{matched}{}", show::friend(view)))?;
    if words.is_none() {
        output.remark("\nLet your friend read out their words (`symbolon id`), then: symbolon verify FRIEND THE WORDS\n")?;
    }
    Ok(())
}

fn send(client: &Client, output: Output, flags: &Send) -> Result<(), Failure> {
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

fn search(client: &Client, output: Output, text: &str, limit: Option<u32>) -> Result<(), Failure> {
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
fn export(client: &Client, output: Output, who: Option<&str>, yes: bool) -> Result<(), Failure> {
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

/// What works; and for a person, what waits for them.
fn status(client: &Client, output: Output) -> Result<(), Failure> {
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

fn doctor(client: &Client, output: Output) -> Result<(), Failure> {
    let answer = client.get("/api/v1/doctor", &[])?;
    let checks = answer.get("checks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    checks.iter().try_for_each(|check| output.show(check, show::check))?;
    let failed = checks.iter().filter(|check| check.get("ok") != Some(&Value::Bool(true))).count();
    match failed {
        0 => Ok(()),
        _ => Err(Failure::told(format!("{failed} of {} checks failed", checks.len()))),
    }
}

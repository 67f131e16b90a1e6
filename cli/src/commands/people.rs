//! Invites, requests, and the words of friends.

use super::list::list;
use crate::args::{Invite, InviteVerb};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show;
use serde_json::{Value, json};
use symbolon_node::api::qr::Qr;
use symbolon_node::run::backup::wrong_with;

pub(super) fn invite(client: &Client, output: Output, flags: &Invite) -> Result<(), Failure> {
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

pub(super) fn answer(client: &Client, output: Output, request: &str, verb: &str) -> Result<(), Failure> {
    // Anything else would be another address; ids have only these.
    if request.is_empty() || !request.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(Failure::new("not_found", "This is not the id of a request.", "`symbolon requests` lists them with their ids."));
    }
    let view = client.post(&format!("/api/v1/requests/{request}/{verb}"), &json!({}))?;
    output.show(&view, show::request)
}

pub(super) fn friend_or_request(view: &Value) -> String {
    if view.get("request").is_some() { show::request(view) } else { show::friend(view) }
}

pub(super) fn verify(client: &Client, output: Output, friend: &str, words: &[String]) -> Result<(), Failure> {
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

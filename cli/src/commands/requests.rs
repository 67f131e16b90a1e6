//! Friend requests, those that are open first.

use super::list::entries;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show;
use serde_json::Value;
use symbolon_core::counted::counted;

/// How long a settled request is listed.
const RECENT: chrono::Duration = chrono::Duration::days(7);

/// Lists requests. A person sees those that are open, and those of the last week; a program sees all.
pub fn list(client: &Client, output: Output, all: bool) -> Result<(), Failure> {
    let answer = client.get("/api/v1/requests", &[])?;
    let views: Vec<&Value> = entries(&answer, "requests").collect();
    if views.is_empty() {
        return output.remark("No friend requests. `symbolon invite` makes a link to give away.\n");
    }
    if output.json || all {
        return views.into_iter().try_for_each(|view| output.show(view, show::request));
    }
    let (open, settled): (Vec<&Value>, Vec<&Value>) = views.into_iter().partition(|view| is_open(view));
    let since = chrono::Utc::now() - RECENT;
    let (recent, older): (Vec<&Value>, Vec<&Value>) = settled.into_iter().partition(|view| is_after(view, since));
    open.iter().chain(&recent).try_for_each(|view| output.show(view, show::request))?;
    if older.is_empty() {
        return Ok(());
    }
    let older = counted(older.len(), "older request is settled", "older requests are settled");
    output.remark(&format!("{older}: `symbolon requests --all` lists them too.\n"))
}

fn is_open(view: &Value) -> bool {
    view.get("status").and_then(Value::as_str).is_some_and(|status| ["pending", "unresolved", "accepted"].contains(&status))
}

/// Whether a request was made after this moment. What says no time is shown.
fn is_after(view: &Value, since: chrono::DateTime<chrono::Utc>) -> bool {
    let made = view.get("created").and_then(Value::as_str).and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    made.is_none_or(|made| made > since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_waits_for_an_answer_is_open_and_what_is_older_than_a_week_is_not_recent() {
        let of = |status: &str| is_open(&json!({ "status": status }));
        assert!(["pending", "unresolved", "accepted"].into_iter().all(of));
        assert!(!["confirmed", "ignored", "blocked", "expired", "cancelled"].into_iter().any(of));
        let since = chrono::DateTime::parse_from_rfc3339("2026-11-20T00:00:00Z").unwrap().to_utc();
        assert!(is_after(&json!({ "created": "2026-11-20T00:00:01.000Z" }), since));
        assert!(!is_after(&json!({ "created": "2026-11-19T23:59:59.000Z" }), since));
        assert!(is_after(&json!({}), since), "what says no time is shown");
    }
}

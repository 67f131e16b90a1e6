//! Lists: one line or object for each entry.

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use serde_json::Value;

/// Shows each entry of a list, or says that there is none.
pub fn list(client: &Client, output: Output, path: &str, field: &str, plain: fn(&Value) -> String, nothing: &str) -> Result<(), Failure> {
    let answer = client.get(path, &[])?;
    show_all(output, entries(&answer, field), plain, nothing)
}

/// The entries of an answer.
pub fn entries<'a>(answer: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    answer.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// Shows each of these, or says that there is none.
pub fn show_all<'a>(
    output: Output,
    views: impl Iterator<Item = &'a Value>,
    plain: fn(&Value) -> String,
    nothing: &str,
) -> Result<(), Failure> {
    let mut views = views.peekable();
    if views.peek().is_none() {
        return output.remark(nothing);
    }
    views.try_for_each(|view| output.show(view, plain))
}

//! Own devices, and what brings them back.

use super::fields::str_of;
use crate::text::{line, width};
use serde_json::Value;

/// The recovery phrase, numbered; or that it is erased.
pub fn phrase(view: &Value) -> String {
    let words: Vec<&str> = str_of(view, "phrase").split(' ').filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return "The words are erased here. What you have written down is the only copy.\n".to_owned();
    }
    let columns = if width() < 60 { 2 } else { 4 };
    let lines: String = words
        .chunks(columns)
        .zip(0..)
        .map(|(row, at)| {
            let row: Vec<String> = row.iter().zip(1..).map(|(word, nth)| format!("{:>2} {:<10}", at * columns + nth, line(word))).collect();
            format!("  {}\n", row.join("").trim_end())
        })
        .collect();
    format!(
        "{lines}\nWrite these words on paper, in this order, and keep them where nobody else looks: anyone who has them is you.\n\
         Then run `symbolon id phrase --confirm`, which erases them here.\n{}",
        relays(view)
    )
}

/// What is needed beside the words.
fn relays(view: &Value) -> String {
    let links: Vec<&str> = view.get("relays").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if links.is_empty() {
        return "\nYou have no relay: without one the words bring back your name alone. Make backups with `symbolon backup create FILE`.\n"
            .to_owned();
    }
    let links: String = links.iter().map(|link| format!("  {}\n", line(link))).collect();
    format!(
        "\nYour friends and names are kept at your relays as soon as one answers (`symbolon doctor` says whether they are there);\nonly these words open them. Keep one of these links beside the words:\n{links}"
    )
}

/// Where a backup lies.
pub fn backup(view: &Value) -> String {
    format!(
        "{}\nIt opens with your recovery phrase only, the 24 words. If they are not on paper yet: `symbolon id phrase`.\n\
         Bring it back with `symbolon --data DIR backup restore FILE`.\n",
        line(str_of(view, "file"))
    )
}

/// A device of our own, in a line.
pub fn own_device(view: &Value) -> String {
    let is = |field: &str| view.get(field).and_then(Value::as_bool) == Some(true);
    let mut marks = Vec::new();
    if is("this") {
        marks.push("this device");
    }
    if is("first") && str_of(view, "removed").is_empty() {
        marks.push("can add devices");
    }
    if !str_of(view, "removed").is_empty() {
        marks.push("removed");
    } else if is("online") {
        marks.push("online");
    } else if !is("settled") {
        marks.push("not heard of yet");
    }
    let name = match str_of(view, "name") {
        "" => "(no name)",
        name => name,
    };
    let marks = if marks.is_empty() { String::new() } else { format!("  {}", marks.join(", ")) };
    format!("{}  {}{marks}\n", line(str_of(view, "device")), line(name))
}

/// A pairing code.
pub fn pairing(view: &Value) -> String {
    let code = str_of(view, "code");
    let letters: Vec<char> = code.chars().collect();
    let parts: Vec<String> = letters.chunks(4).map(|part| part.iter().collect()).collect();
    format!(
        "{}\n\nType this on your new device, within ten minutes:\n  symbolon device join {}\n\n\
         There, start a node on a new folder first: `symbolon up`. If both are not in\n\
         one local network, let it use the relay that this device uses, by\n\
         `symbolon relay add LINK`. A code that was made before this one has expired.\n\
         The first who types it becomes one of your devices: show it to nobody else.\n",
        line(code),
        line(&parts.join("-"))
    )
}

/// This copy of the folder continues.
pub fn confirmed(view: &Value) -> String {
    if view.get("had_stopped").and_then(Value::as_bool) == Some(true) {
        "This copy continues. Stop the other one; otherwise it stops automatically once a friend knows of this one.\n".to_owned()
    } else {
        "Noted. This device continues.\n".to_owned()
    }
}

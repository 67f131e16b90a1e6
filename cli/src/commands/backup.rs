//! The recovery phrase, and backups.

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show;
use crate::text;
use serde_json::{Value, json};
use std::io::{IsTerminal, Read};
use std::path::Path;
use symbolon_node::run::RunError;
use symbolon_node::run::backup::{BackupFile, restore as restore_folder};
use symbolon_node::run::recover::{Returned, recover as recover_folder};

/// The longest phrase that is read, in bytes.
const PHRASE_MAX: u64 = 4_096;

/// Shows the recovery phrase, or says that it is written down.
pub fn phrase(client: &Client, output: Output, is_confirmed: bool) -> Result<(), Failure> {
    if !is_confirmed {
        return output.show(&client.post("/api/v1/phrase", &json!({}))?, show::phrase);
    }
    if output.can_ask() && !output.ask("The words are erased here for good. Are they written down, all 24?")? {
        return Err(Failure::declined());
    }
    output.show(&client.post("/api/v1/phrase/confirm", &json!({}))?, show::phrase)
}

/// Writes a backup of the node that runs.
pub fn create(client: &Client, output: Output, path: &Path) -> Result<(), Failure> {
    let mut file = BackupFile::create(path).map_err(failure)?;
    let mut cursor = Value::Null;
    loop {
        let answer = client.post("/api/v1/backup", &json!({ "cursor": cursor }))?;
        let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default();
        file.put(text("id"), text("part")).map_err(failure)?;
        cursor = answer.get("cursor").cloned().unwrap_or_default();
        if cursor.is_null() {
            break;
        }
    }
    file.finish().map_err(failure)?;
    let name = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    output.show(&json!({ "file": name.display().to_string() }), show::backup)
}

fn failure(RunError { kind, message, hint }: RunError) -> Failure {
    Failure::new(kind, message, hint)
}

/// Makes a fresh folder a new device by a backup.
pub fn restore(data: &Path, file: &Path, passphrase_file: Option<&Path>, output: Output) -> Result<(), Failure> {
    let restored = restore_folder(data, file, &read_words(output)?, passphrase_file).map_err(failure)?;
    output.show(&json!({ "id": restored.id, "device": restored.device }), restored_text)
}

/// Makes a fresh folder a new device by the words alone.
pub fn recover(data: &Path, relays: &[String], passphrase_file: Option<&Path>, output: Output) -> Result<(), Failure> {
    let words = read_words(output)?;
    output.aside(if relays.is_empty() { "Looking for relays on this network …" } else { "Asking the relays …" });
    let Returned { restored, made } = recover_folder(data, &words, relays, passphrase_file).map_err(failure)?;
    output.show(&json!({ "id": restored.id, "device": restored.device, "as_of": made }), restored_text)
}

fn restored_text(view: &Value) -> String {
    let field = |name: &str| text::line(view.get(name).and_then(Value::as_str).unwrap_or_default());
    let as_of = match view.get("as_of") {
        Some(_) => {
            format!("\nWhat your devices had left at your relays is of {}: friends and names, and no texts.", show::moment(&field("as_of")))
        }
        None => String::new(),
    };
    format!(
        "This folder is a new device of {}.{as_of}\nStart it with `symbolon up`: friends' devices are asked then, and answer when they are on.\n\
         If the device that you had is lost, remove it: `symbolon device list`, then `symbolon device remove`. If it was stolen, do this first,\n\
         within one hour: `symbolon device keep` says which devices are yours. Your other devices learn of this one after that hour.\n",
        field("id")
    )
}

pub fn read_words(output: Output) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        output.aside("Type the 24 words of your recovery phrase, then Ctrl-D on a line of its own:");
    }
    let mut words = String::new();
    std::io::stdin()
        .lock()
        .take(PHRASE_MAX)
        .read_to_string(&mut words)
        .map_err(|_| Failure::new("bad_phrase", "the words on standard input cannot be read", "Pipe the 24 words into this command."))?;
    Ok(words)
}

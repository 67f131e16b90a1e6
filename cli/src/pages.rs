//! What a packager installs beside the command: completions of shells, and man pages.

use crate::args::help;
use crate::failure::Failure;
use crate::output::Output;
use clap_complete::Shell;
use serde_json::json;
use std::path::Path;

/// Prints a shell's script.
pub fn completions(shell: Shell, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::command(), "symbolon", &mut script);
    let script = String::from_utf8(script).map_err(|_| Failure::new("internal", "the script cannot be written", "Please report it."))?;
    output.show(&json!({ "shell": shell.to_string(), "script": script }), |_| script.clone())
}

/// Writes a page for each command.
pub fn man(folder: &Path, output: Output) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new("io", format!("{} cannot be written: {error}", folder.display()), "Choose a folder that you may write into.")
    };
    if folder.exists() && !folder.is_dir() {
        let message = format!("{} is not a folder", folder.display());
        return Err(Failure::new("io", message, "Name a folder that you may write into; it is made if it is missing."));
    }
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(help::for_man(), folder).map_err(failed)?;
    let shown = folder.display().to_string();
    output.show(&json!({ "man": shown }), |_| {
        format!("The man pages are in {}. Read one with: man -l {}/symbolon.1\n", crate::text::line(&shown), crate::text::line(&shown))
    })
}

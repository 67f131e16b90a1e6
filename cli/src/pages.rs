//! What a packager installs beside the command: completions of shells, and man pages.

use crate::commands::help;
use crate::failure::Failure;
use crate::output::Output;
use clap_complete::Shell;
use serde_json::json;
use std::ffi::OsStr;
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
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with("symbolon") && name.ends_with(".1") {
            let page = std::fs::read_to_string(&path).map_err(failed)?;
            std::fs::write(&path, titled(&page)).map_err(failed)?;
        }
    }
    let shown = folder.display().to_string();
    output.show(&json!({ "man": shown }), |_| {
        format!("The man pages are in {}. Read one with: man -l {}/symbolon.1\n", crate::text::line(&shown), crate::text::line(&shown))
    })
}

/// A page with what its maker leaves out: values in the synopsis, groups of commands, and sections that say what is in them.
fn titled(page: &str) -> String {
    let mut out = page.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n").replace(".SH EXTRA\nExample:\n", ".SH EXAMPLES\n");
    out = out.replace("\nExit status: ", "\n.SH EXIT STATUS\n");
    for (title, first) in help::GROUPS {
        let first = format!(".TP\nsymbolon\\-{first}(1)\n");
        out = out.replacen(&first, &format!(".SS {title}\n{first}"), 1);
    }
    let Some(synopsis) = out.lines().skip_while(|line| *line != ".SH SYNOPSIS").nth(1).map(str::to_owned) else { return out };
    let mut whole = synopsis.clone();
    for line in out.lines().filter(|line| line.starts_with("\\fB\\-")) {
        let Some((flags, rest)) = line.split_once(" \\fI") else { continue };
        let Some((value, _)) = rest.split_once("\\fR") else { continue };
        let flags = flags.replace(", ", "|");
        for end in [']', '>'] {
            whole = whole.replacen(&format!("{flags}{end}"), &format!("{flags} \\fI{value}\\fR{end}"), 1);
        }
    }
    out.replacen(&synopsis, &whole, 1)
}

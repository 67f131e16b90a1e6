//! The command line as a whole: commands in groups, examples, and what was perhaps meant.

use super::Cli;
use crate::text::{WIDTH, labelled, width};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};
use std::fmt::Write as _;

/// Width of the names of commands in the list.
const NAMES: usize = 13;

/// The titles of groups, each with the command that stands first in it.
pub fn titles() -> impl Iterator<Item = (&'static str, &'static str)> {
    GROUPS.into_iter().filter_map(|(title, names)| Some((title, *names.first()?)))
}

/// Commands in the order in which a newcomer needs them.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Start", &["up", "page", "stop", "demo"]),
    (
        "Friends",
        &[
            "invite",
            "add",
            "requests",
            "accept",
            "ignore",
            "friends",
            "verify",
            "rename",
            "introduce",
            "hide",
            "block",
            "unblock",
            "unfriend",
        ],
    ),
    ("Messages", &["send", "read", "search", "export", "room"]),
    ("This node", &["id", "name", "findable", "settings", "device", "backup", "status", "doctor"]),
    ("Servers", &["relay", "lookup"]),
    ("Shell", &["completions", "man"]),
];

/// What is typed first, and what it does.
const EXAMPLES: [(&str, &str); 5] = [
    ("symbolon up", "start, and open the page"),
    ("symbolon invite", "make a link for one friend"),
    ("symbolon add LINK", "use a friend's link"),
    ("echo 'Hello' | symbolon send Ben -", "write"),
    ("symbolon read --follow", "read, and keep reading"),
];
/// Columns from which on both stand in one line.
const SIDE_BY_SIDE: usize = 64;

/// Exit codes, for the man page and nowhere else.
const EXIT: &str = "Exit status: 0 done; 1 failed, with `error:` and `hint:` on stderr (with --json as the only object on stdout: \
                    error, message, hint); 2 the command line cannot be understood.";

/// Examples of single commands.
const EXAMPLES_OF: [(&str, &str); 12] = [
    ("up", "Examples:\n  symbolon up --name Andi\n  symbolon up --no-open --relay symbolon:relay:…"),
    ("invite", "Examples:\n  symbolon invite\n  symbolon invite --expires 1d --qr\n  symbolon invite list"),
    ("add", "Examples:\n  symbolon add symbolon:… --note 'It is me, Ben'\n  symbolon add - < link.txt"),
    ("accept", "Example:\n  symbolon accept k3mq      the beginning of the id is enough"),
    ("verify", "Examples:\n  symbolon verify Ben       shows Ben's words\n  symbolon verify Ben wife sick ginger …"),
    (
        "send",
        "Examples:\n  echo 'Hello' | symbolon send Ben -\n  symbolon send Ben 'two words' --wait delivered\n  symbolon send -- Ben '-5 degrees'\n\nOther users of this machine can read command lines: a text from stdin stays private.",
    ),
    ("read", "Examples:\n  symbolon read Ben -n 20\n  symbolon read --follow --peek"),
    ("search", "Example:\n  symbolon search boat trip"),
    (
        "room",
        "Examples:\n  symbolon room create 'Boat trip'\n  symbolon room add 'Boat trip' Ben Cleo\n  symbolon send 'Boat trip' 'Who brings the oars?'",
    ),
    ("export", "Example:\n  symbolon export Ben --format jsonl --yes > ben.jsonl"),
    ("relay", "Examples:\n  symbolon --data /srv/relay relay run --port 4001\n  symbolon relay add symbolon:relay:… --claim -"),
    (
        "completions",
        "Examples:\n  symbolon completions bash > ~/.local/share/bash-completion/completions/symbolon\n  symbolon completions zsh > ~/.zfunc/_symbolon\n  symbolon completions fish > ~/.config/fish/completions/symbolon.fish",
    ),
];

/// The command line, with its help.
pub fn command() -> Command {
    let command = with_examples();
    let overview = overview(&command);
    command.override_help(overview)
}

/// The same for man pages: there, clap's own list of commands stands.
pub fn for_man() -> Command {
    let names = GROUPS.into_iter().flat_map(|(_, names)| names);
    let command =
        names.zip(0..).fold(with_examples(), |command, (name, place)| command.mut_subcommand(name, |one| one.display_order(place)));
    command.after_help(format!("{}\n{EXIT}", examples(WIDTH)))
}

fn examples(width: usize) -> String {
    let mut out = "Examples:\n".to_owned();
    for (typed, what) in EXAMPLES {
        let _ = if width < SIDE_BY_SIDE { writeln!(out, "  {typed}\n      {what}") } else { writeln!(out, "  {typed:<37}{what}") };
    }
    let more = ["`symbolon COMMAND --help` shows the flags of a command.", "`symbolon doctor` looks for faults."];
    let more: String = more.into_iter().map(|more| labelled("", more)).collect();
    format!("{out}\n{more}")
}

fn with_examples() -> Command {
    EXAMPLES_OF.into_iter().fold(Cli::command().max_term_width(WIDTH), |command, (name, examples)| {
        command.mut_subcommand(name, |one| one.after_help(examples))
    })
}

fn overview(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut out = format!("{}\nUsage: symbolon [OPTIONS] COMMAND\n", labelled("", &about));
    for (title, names) in GROUPS {
        let _ = write!(out, "\n{title}:\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string).unwrap_or_default();
            out.push_str(&row(name, &about));
        }
    }
    out.push_str("\nOptions:\n");
    for (flag, about) in [
        ("--data DIR", "The data folder; one folder is one identity [default: SYMBOLON_DATA, else the platform's place]"),
        ("--json", "Print JSON, one object a line, and nothing else on stdout"),
        ("-v, -vv", "More log output on stderr (-vv: debug)"),
        ("-h, --help", "Print help"),
        ("-V, --version", "Print the version"),
    ] {
        out.push_str(&row(flag, about));
    }
    let _ = write!(out, "\n{}", examples(width()));
    out
}

/// One line of the list, broken between words.
fn row(name: &str, about: &str) -> String {
    labelled(&format!("  {name:<NAMES$}  "), about)
}

/// What somebody perhaps meant who typed something that there is not.
pub fn hint(error: &clap::Error, arguments: &[String]) -> String {
    let suggested = |kind| match error.get(kind) {
        Some(ContextValue::String(one)) => Some(one.clone()),
        // The likeliest stands last.
        Some(ContextValue::Strings(many)) => many.last().cloned(),
        Some(_) | None => None,
    };
    if let Some(meant) = suggested(ContextKind::SuggestedSubcommand).or_else(|| suggested(ContextKind::SuggestedArg)) {
        return format!("Did you mean `{meant}`?");
    }
    let has = |word: &str| arguments.iter().any(|one| one == word);
    let is_surplus = error.kind() == ErrorKind::UnknownArgument;
    if is_surplus && has("send") {
        return "Put a text of several words in quotes: symbolon send Ben 'two words'. Before a text that begins with - write -- first."
            .to_owned();
    }
    if is_surplus && has("rename") && arguments.iter().skip_while(|one| *one != "rename").any(|one| one.starts_with('-')) {
        return "Before a name that begins with - write -- first: symbolon rename -- Ben --x".to_owned();
    }
    if is_surplus && (has("create") || has("rename") || has("name")) {
        return "Put a name of several words in quotes.".to_owned();
    }
    let mut path = String::from("symbolon");
    let mut command = Cli::command();
    for word in arguments {
        if let Some(one) = command.find_subcommand(word).cloned() {
            path.push(' ');
            path.push_str(word);
            command = one;
        }
    }
    match path.as_str() {
        "symbolon" => "`symbolon --help` lists the commands, `symbolon COMMAND --help` a command's flags.".to_owned(),
        path => format!("`{path} --help` shows what it takes."),
    }
}

/// What stands where the text of `send` could stand, and is a flag: nobody can know what was meant.
pub fn flag_for_text(arguments: &[String]) -> Option<&str> {
    let mut words = arguments.iter().map(String::as_str).skip_while(|word| *word != "send").skip(1);
    let mut has_name = false;
    while let Some(word) = words.next() {
        match word {
            "--" => return None,
            "--data" | "--expires" | "--wait" | "--timeout" => {
                words.next();
            }
            "--help" | "--json" | "--verbose" if has_name => return Some(word),
            _ if word.starts_with("--") => {}
            _ if word.len() > 1 && word.starts_with('-') && word.chars().skip(1).all(|c| "hv".contains(c)) => {
                if has_name {
                    return Some(word);
                }
            }
            // The text stands there.
            _ if has_name => return None,
            _ => has_name = true,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn flag_in_the_place_of_the_text_is_seen() {
        let seen = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            flag_for_text(&words).map(str::to_owned)
        };
        for (line, flag) in [
            ("send Ben -h", Some("-h")),
            ("--data send send Ben x", None),
            ("send --wait stored Ben --json", Some("--json")),
            ("send Ben --expires 7d -vv", Some("-vv")),
            ("send -v Ben hi", None),
            ("send Ben hi --json", None),
            ("send Ben -- -h", None),
            ("send --help", None),
            ("send Ben -hello", None),
            ("send Ben -", None),
            ("read Ben -h", None),
        ] {
            assert_eq!(seen(line).as_deref(), flag, "{line}");
        }
    }

    #[test]
    fn every_command_stands_in_one_group() {
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let all: BTreeSet<String> = Cli::command().get_subcommands().map(|one| one.get_name().to_owned()).collect();
        assert_eq!(grouped.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), all);
        assert_eq!(grouped.len(), all.len());
    }

    #[test]
    fn help_fits_eighty_columns() {
        let mut command = command();
        let mut pages = vec![command.render_help().to_string()];
        let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
        for name in names {
            if let Some(one) = command.find_subcommand_mut(&name) {
                pages.push(one.clone().max_term_width(WIDTH).render_help().to_string());
            }
        }
        for line in pages.iter().flat_map(|page| page.lines()) {
            // An example may be as long as what has to be typed.
            assert!(line.chars().count() <= WIDTH || line.starts_with("  symbolon "), "{line}");
        }
    }
}

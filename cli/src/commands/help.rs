//! The command line as a whole: commands in groups, examples, and what was perhaps meant.

use super::Cli;
use crate::text::{WIDTH, labelled, width};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};
use std::fmt::Write as _;

/// Width of the names of commands in the list.
const NAMES: usize = 13;

/// The groups of commands, each with the one that stands first in it: it has all up to the next group's.
pub const GROUPS: [(&str, &str); 6] =
    [("Start", "up"), ("Friends", "invite"), ("Messages", "send"), ("This node", "id"), ("Servers", "relay"), ("Shell", "completions")];

/// The commands in their order, which is the one in which a newcomer needs them. (What is changed in a [`Command`] goes to its end.)
fn names() -> Vec<String> {
    Cli::command().get_subcommands().map(|one| one.get_name().to_owned()).collect()
}

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
    let command = names()
        .iter()
        .zip(0..)
        .fold(with_examples(), |command, (name, place)| command.mut_subcommand(name, |one| one.display_order(place)));
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
    for name in names() {
        if let Some((title, _)) = GROUPS.into_iter().find(|(_, first)| *first == name) {
            let _ = write!(out, "\n{title}:\n");
        }
        let about = command.find_subcommand(&name).and_then(Command::get_about).map(ToString::to_string).unwrap_or_default();
        out.push_str(&row(&name, &about));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_begin_at_the_first_command_and_stand_in_the_order_of_theirs() {
        let names = names();
        let at: Vec<Option<usize>> = GROUPS.iter().map(|(_, first)| names.iter().position(|name| name == first)).collect();
        assert!(at.first() == Some(&Some(0)) && at.iter().all(Option::is_some) && at.is_sorted(), "{at:?}");
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

//! What a shell gets: completions, man pages, plain letters.

use super::*;

#[test]
fn completions_of_three_shells_name_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let script = |shell: &str| {
        let output = command(folder.path(), &["completions", shell]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    for (shell, mark) in [("bash", "complete -F"), ("zsh", "#compdef symbolon"), ("fish", "complete -c symbolon")] {
        let script = script(shell);
        assert!(script.contains(mark), "{shell}");
        for word in ["friends", "unfriend", "--follow", "befriend"] {
            assert!(script.contains(word.trim_start_matches("--")), "{shell}: {word}");
        }
    }
    let path = folder.path().join("bash");
    std::fs::write(&path, script("bash")).unwrap();
    let line = "COMP_WORDS=(symbolon unfr); COMP_CWORD=1; source \"$0\"; _symbolon symbolon unfr symbolon; echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash").args(["-c", line]).arg(&path).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "unfriend", "{:?}", String::from_utf8(output.stderr));
}

#[test]
fn man_pages_stand_for_each_command_and_say_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man");
    assert!(command(folder.path(), &["man", pages.to_str().unwrap()]).output().unwrap().status.success());
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    let text = page("symbolon.1").replace("\\-", "-");
    for what in ["EXIT STATUS", "0 done", "1 failed", "2 the command line cannot be understood"] {
        assert!(text.contains(what), "{what}");
    }
    assert!(page("symbolon-send.1").contains("two words"), "examples, too");
    assert!(text.contains("[\\fB--data\\fR \\fI<DIR>\\fR]") && text.contains(".SH EXAMPLES") && !text.contains("EXTRA"), "{text}");
    let place = |what: &str| text.find(what).unwrap();
    assert!(place(".SS Friends\n") < place("symbolon-invite(1)") && place("symbolon-unfriend(1)") < place(".SS Messages\n"));
    assert!(page("symbolon-read.1").contains("[\\fB\\-n\\fR|\\fB\\-\\-limit\\fR \\fI<N>\\fR]"), "{}", page("symbolon-read.1"));
    assert!(page("symbolon-relay-run.1").contains("config"));
}

#[test]
fn no_colour_is_used_where_none_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |args: &str, plain: bool| {
        let line = format!("'{}' --data '{}' {args}", env!("CARGO_BIN_EXE_symbolon"), folder.path().display());
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm-256color").env_remove("NO_COLOR").stdin(Stdio::null());
        if plain {
            script.env("NO_COLOR", "1");
        }
        script.output().unwrap().stdout
    };
    for args in ["--help", "send --help", "--version", "nonsense", "send", "friends", "doctor", "relay"] {
        let text = shown(args, true);
        assert!(!text.is_empty() && !text.contains(&0x1b), "{args}: {}", String::from_utf8_lossy(&text));
    }
    assert!(shown("send --help", false).contains(&0x1b), "a terminal was seen at all");
}

#[test]
fn options_of_the_help_stand_in_one_column() {
    let folder = tempfile::tempdir().unwrap();
    let help = String::from_utf8(command(folder.path(), &["--help"]).output().unwrap().stdout).unwrap();
    let column = |word: &str, about: &str| {
        let line = help.lines().find(|line| line.trim_start().starts_with(word)).unwrap();
        line.find(about).unwrap()
    };
    let columns = [("-V, --version", "Print the version"), ("-h, --help", "Print help"), ("up ", "Run the node"), ("--json", "Print JSON")];
    let columns: BTreeSet<usize> = columns.into_iter().map(|(word, about)| column(word, about)).collect();
    assert_eq!(columns.len(), 1, "{help}");
}

#[test]
fn a_narrow_terminal_gets_lines_that_fit() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Holger"));
    let shown = |args: &str| {
        let line = format!("stty cols 40; '{}' --data '{}' {args}", env!("CARGO_BIN_EXE_symbolon"), node.folder.path().display());
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").env("NO_COLOR", "1").stdin(Stdio::null());
        String::from_utf8(script.output().unwrap().stdout).unwrap()
    };
    for (args, what) in [("--help", "unfriend"), ("friends", "Holger"), ("doctor", "outbox")] {
        let text = shown(args);
        assert!(text.contains(what), "{args}: {text}");
        for line in text.lines().map(|line| line.trim_end_matches('\r')) {
            // An id has no place to break it.
            assert!(line.chars().count() <= 40 || line.split(' ').any(|word| word.len() > 23), "{args}: {line}");
        }
    }
}

//! What is printed, and what is not: closed pipes, full disks, flags in the place of texts, words that were mistyped.

use super::*;
use std::fs::OpenOptions;
use std::io::Read as _;

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

fn read_count(node: &Node) -> usize {
    node.fake.with(|world| world.messages.iter().filter(|view| view.state == MessageState::Read).count())
}

#[test]
fn only_what_was_written_is_marked_as_read() {
    let node = Node::start();
    node.fake.with(|world| {
        world.add_friend("Tom");
        for number in 0..200 {
            let view = world.message_from(0, &format!("{number} {}", "x".repeat(15_000)), NOW);
            world.messages.push(view);
        }
    });
    for args in [&["read", "-n", "1"][..], &["read"], &["--json", "read", "Tom"]] {
        let output = command(node.folder.path(), args).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("No space left on device"), "{args:?}");
        assert_eq!(read_count(&node), 0, "{args:?}");
    }
    // As `head -1` does it.
    let mut child = command(node.folder.path(), &["read"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(1), 0), "a closed pipe is no reason to complain");
    let read = read_count(&node);
    assert!((1..50).contains(&read), "what fits into a pipe: {read}");
    let is_read = |at: usize| node.fake.with(|world| world.messages[at].state == MessageState::Read);
    assert!(is_read(0) && is_read(read - 1) && !is_read(read), "the first ones");
    assert_eq!(node.json(&["read", "-n", "2"]).len(), 2);
    assert!(is_read(199) && is_read(198) && !is_read(197) && read_count(&node) == read + 2);
    node.json(&["read"]);
    assert_eq!(read_count(&node), 200);
}

#[test]
fn one_message_and_the_first_one_are_marked_alone() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Tom"));
    node.fake.receive(0, "one", NOW);
    node.json(&["read", "--peek"]);
    assert_eq!(read_count(&node), 0);
    node.json(&["read", "-n", "5"]);
    assert_eq!(read_count(&node), 1);
}

#[test]
fn output_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_not_worth_a_word() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Tom"));
    for args in [&["friends"][..], &["--json", "friends"], &["--json", "send", "Tom", ""], &["--help"], &["completions", "bash"]] {
        let output = command(node.folder.path(), args).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("error: ") && said.contains("hint: "), "{args:?}: {said}");
        // Not even that can be said; it must not end in a panic.
        let output = command(node.folder.path(), args).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(output.code(), Some(1), "{args:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(node.folder.path(), args).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(1), 0), "{args:?}: {output:?}");
    }
}

#[test]
fn what_was_done_is_not_to_be_done_again_where_the_answer_is_lost() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Tom"));
    let said = |args: &[&str]| {
        let output = command(node.folder.path(), args).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for args in [&["send", "Tom", "once"][..], &["--json", "send", "Tom", "twice"]] {
        let said = said(args);
        assert!(said.contains("do not send it again") && !said.contains("run the command again"), "{said}");
    }
    assert_eq!(node.fake.with(|world| world.messages.len()), 2);
    assert!(said(&["invite"]).contains("The invite was made all the same"));
    assert!(said(&["rename", "Tom", "Tim"]).contains("is done all the same"));
    assert!(said(&["friends"]).contains("run the command again"));
}

#[test]
fn a_slip_in_the_words_is_no_alarm_and_the_whole_words_that_differ_are() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Tom"));
    let said = |words: &str| {
        let object = node.failure(&["verify", "Tom", words], 1);
        assert_eq!(object["error"], "words_differ");
        object["message"].as_str().unwrap().to_owned()
    };
    assert!(said("tip couple").contains("12 words are needed, 2 are given"));
    let words = ["abandon"; 11].join(" ");
    assert!(said(&format!("{words} abot")).contains("word 12 is not in the list"));
    assert!(said(&format!("{words} abandon")).contains("do not go together"));
    assert!(said(&format!("{words} about")).contains("Somebody may stand between you"));
}

#[test]
fn help_can_be_asked_as_a_command_and_a_hint_names_the_command_that_was_typed() {
    let folder = tempfile::tempdir().unwrap();
    for (asked, shown) in [(&["help"][..], "Start:"), (&["help", "room", "add"], "Usage: symbolon room add")] {
        let mut help = Command::new(env!("CARGO_BIN_EXE_symbolon"));
        let output = help.args(asked).output().unwrap();
        assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains(shown), "{asked:?}");
    }
    let output = command(folder.path(), &["room", "add"]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("`symbolon room add --help`"));
}

#[test]
fn closed_standard_input_is_named() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Tom"));
    let shell = |redirection: &str| {
        let line = format!("exec \"$0\" --json --data \"$1\" send Tom {redirection}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &line, env!("CARGO_BIN_EXE_symbolon")]).arg(node.folder.path());
        failure(&shell.output().unwrap(), 1)
    };
    for redirection in ["<&-", "</dev/null", "- <&-"] {
        let object = shell(redirection);
        assert_eq!(object["error"], "empty_input", "{redirection}");
        assert!(object["message"].as_str().unwrap().contains("standard input"));
    }
    assert!(node.fake.with(|world| world.messages.is_empty()));
}

#[test]
fn flag_in_the_place_of_a_text_is_never_silence() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Tom"));
    for flag in ["-h", "--help", "-v", "-vv", "--json"] {
        let output = node.run(&["send", "Tom", flag]);
        assert_eq!(output.status.code(), Some(2), "{flag}: {output:?}");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("symbolon send Ben -- ") && said.contains(flag), "{flag}: {said}");
    }
    assert!(node.fake.with(|world| world.messages.is_empty()));
    for text in ["-h", "--json", "-5 degrees", "-x"] {
        assert_eq!(node.json(&["send", "Tom", "--", text])[0]["text"], text);
    }
    assert_eq!(node.json(&["send", "Tom", "-hello"])[0]["text"], "-hello");
    let help = node.run(&["send", "--help"]);
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("Usage: symbolon send"));
}

#[test]
fn mistyped_words_are_answered_with_the_likeliest_one() {
    let folder = tempfile::tempdir().unwrap();
    let hint = |args: &[&str]| {
        let output = command(folder.path(), args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8(output.stderr).unwrap().lines().last().unwrap().to_owned()
    };
    for (typed, meant) in [("fiends", "friends"), ("sned", "send"), ("reqests", "requests"), ("unfrend", "unfriend"), ("raed", "read")] {
        assert_eq!(hint(&[typed]), format!("hint: Did you mean `{meant}`?"));
    }
    assert_eq!(hint(&["read", "--folow"]), "hint: Did you mean `--follow`?");
    assert!(hint(&["send", "Ben", "two", "words"]).contains("symbolon send Ben 'two words'"));
    assert!(hint(&["rename", "Ben", "two", "words"]).contains("in quotes"));
}

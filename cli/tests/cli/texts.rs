//! Texts: from standard input, waited for, followed.

use super::*;

#[test]
fn text_is_taken_from_standard_input() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Tom"));
    for (args, input, text) in [
        (&["send", "Tom", "-"][..], "two\nlines\n", "two\nlines"),
        (&["send", "Tom"], "one", "one"),
        (&["send", "Tom", "--", "-x"], "", "-x"),
    ] {
        let mut child =
            command(node.folder.path(), &[&["--json"], args].concat()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(lines(&output.stdout)[0]["text"], text);
    }
    assert_eq!(node.failure(&["send", "Tom", ""], 1)["error"], "bad_text");
    assert_eq!(node.failure(&["send", "Tom", &"x".repeat(17_000)], 1)["error"], "bad_text");
    let mut child = command(node.folder.path(), &["--json", "send", "Tom"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The command may stop reading before everything is written.
    let _ = stdin.write_all(&vec![b'x'; 1_000_000]);
    drop(stdin);
    assert_eq!(failure(&child.wait_with_output().unwrap(), 1)["error"], "bad_text");
}

#[test]
fn waiting_ends_with_0_when_reached_and_with_1_in_time_otherwise() {
    let node = Node::start();
    node.fake.with(|world| world.add_friend("Tom"));
    let begun = Instant::now();
    let output = node.run(&["--json", "send", "Tom", "hi", "--wait", "delivered", "--timeout", "1s"]);
    assert!(begun.elapsed() >= Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(8));
    let object = failure(&output, 1);
    assert_eq!((&object["error"], &object["state"]), (&json!("timed_out"), &json!("queued")));
    let id = object["message"].as_str().unwrap();
    assert_eq!(node.json(&["read"])[0]["message"], id, "the message stays");

    let child =
        command(node.folder.path(), &["--json", "send", "Tom", "again", "--wait", "delivered"]).stdout(Stdio::piped()).spawn().unwrap();
    advance_when_there(&node, "again", MessageState::Delivered);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &lines(&output.stdout)[0]["state"]), (Some(0), &json!("delivered")));
    assert!(!keys(&lines(&output.stdout)[0]).contains("reached"));

    let child = command(node.folder.path(), &["--json", "send", "Tom", "never", "--wait", "stored"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    advance_when_there(&node, "never", MessageState::Failed);
    let object = failure(&child.wait_with_output().unwrap(), 1);
    assert_eq!((&object["error"], &object["state"]), (&json!("failed"), &json!("failed")));
}

fn advance_when_there(node: &Node, text: &str, state: MessageState) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let found = node.fake.with(|world| world.messages.iter().find(|view| view.text == text).map(|view| view.message));
        if let Some(message) = found {
            return node.fake.advance(message, state);
        }
        assert!(Instant::now() < deadline, "the message never came");
        std::thread::yield_now();
    }
}

/// A `read --follow` whose lines arrive by a channel.
fn follow(node: &Node, args: &[&str]) -> (Child, std::sync::mpsc::Receiver<Value>) {
    let mut child = command(node.folder.path(), &[&["--json", "read", "--follow"], args].concat()).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in stdout.lines() {
            let _ = sender.send(serde_json::from_str(&line.unwrap()).unwrap());
        }
    });
    (child, receiver)
}

#[test]
fn follow_prints_old_messages_then_new_ones_once_and_waits_for_a_node_that_stops() {
    let node = Node::start();
    node.fake.with(|world| (world.add_friend("Tom"), world.add_friend("Eve")));
    node.fake.receive(0, "old", NOW);
    let (mut child, heard) = follow(&node, &["Tom"]);
    let next = || heard.recv_timeout(Duration::from_secs(20)).unwrap()["text"].clone();
    assert_eq!(next(), "old");
    for text in ["one", "two", "three"] {
        node.fake.receive(1, "of somebody else", NOW);
        node.fake.receive(0, text, NOW);
        assert_eq!(next(), text);
    }
    node.fake.handle.stop();
    // `a_node_is_renamed_stopped_and_followed_over_a_restart` sees it continue.
    assert!(heard.recv_timeout(Duration::from_secs(2)).is_err(), "nothing more is printed");
    assert!(child.try_wait().unwrap().is_none(), "and it has not ended");
    child.kill().unwrap();
    child.wait().unwrap();
}

//! Two friends befriend, talk, restart and talk on.

use std::process::{Command, Stdio};
use std::time::Duration;
use symbolon_tests::node::{Carrier, Node, Pair, READY_WITHIN, STOP_WITHIN, binary, within};

/// Texts of a history in its order.
fn texts(node: &Node) -> Vec<String> {
    let messages = node.json(&["read", "--peek"]).unwrap();
    messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

fn say(node: &Node, to: &str, text: &str) {
    let sent = node.json(&["send", to, text, "--wait", "delivered", "--timeout", "20s"]).unwrap();
    assert_eq!(sent[0]["state"], "delivered");
}

fn befriend_talk_and_restart(carrier: Carrier) {
    let mut pair = Pair::befriended(carrier).unwrap();
    assert!(pair.andi.took < READY_WITHIN && pair.ben.took < READY_WITHIN);
    let ids = |pair: &Pair| [&pair.andi, &pair.ben].map(|node| node.json(&["id"]).unwrap()[0]["id"].clone());
    let before = ids(&pair);
    say(&pair.andi, "Ben", "hello Ben");
    say(&pair.ben, "Andi", "hello Andi, ünï ✓");
    let mut expected = vec!["hello Ben", "hello Andi, ünï ✓"];
    assert_eq!((texts(&pair.andi), texts(&pair.ben)), (owned(&expected), owned(&expected)));

    for node in [&mut pair.andi, &mut pair.ben] {
        assert!(node.interrupt().unwrap() < STOP_WITHIN);
        // After a clean stop one file is the whole store, and nobody finds an address to call.
        let left = |name: &str| std::fs::metadata(node.folder().join(name)).map_or(0, |file| file.len());
        assert_eq!((left("symbolon.db-wal"), left("api-address")), (0, 0));
        assert!(left("symbolon.db") > 0);
    }
    pair.andi.restart().unwrap();
    pair.ben.restart().unwrap();
    assert_eq!((texts(&pair.andi), texts(&pair.ben)), (owned(&expected), owned(&expected)));
    say(&pair.ben, "Andi", "after a stop");
    say(&pair.andi, "Ben", "indeed");

    pair.andi.kill().unwrap();
    pair.ben.kill().unwrap();
    pair.andi.restart().unwrap();
    pair.ben.restart().unwrap();
    expected.extend(["after a stop", "indeed"]);
    assert_eq!((texts(&pair.andi), texts(&pair.ben)), (owned(&expected), owned(&expected)));
    say(&pair.andi, "Ben", "after a kill");
    say(&pair.ben, "Andi", "still here");
    expected.extend(["after a kill", "still here"]);
    assert_eq!((texts(&pair.andi), texts(&pair.ben)), (owned(&expected), owned(&expected)));
    assert_eq!(ids(&pair), before);
    pair.assert_calm().unwrap();
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn friends_befriend_talk_and_find_their_conversation_after_restarts_over_tcp() {
    befriend_talk_and_restart(Carrier::Tcp);
}

#[test]
fn friends_befriend_talk_and_find_their_conversation_after_restarts_over_quic() {
    befriend_talk_and_restart(Carrier::Quic);
}

#[test]
fn message_to_a_friend_who_is_away_waits_and_arrives() {
    let mut pair = Pair::befriended(Carrier::Tcp).unwrap();
    pair.ben.interrupt().unwrap();
    let sent = pair.andi.json(&["send", "Ben", "for later"]).unwrap();
    assert_eq!(sent[0]["state"], "queued");
    let ran = pair.andi.run(&["--json", "send", "Ben", "for later too", "--wait", "delivered", "--timeout", "1s"]).unwrap();
    assert_eq!(ran.code, Some(1));
    let told = &ran.objects().unwrap()[0];
    assert_eq!((told["error"].as_str(), told["state"].as_str()), (Some("timed_out"), Some("queued")));
    assert!(told["message"].is_string());
    assert!(pair.andi.json(&["status"]).unwrap()[0]["queue"].as_u64() >= Some(2));
    pair.ben.restart().unwrap();
    within(Duration::from_secs(20), "both texts arrive", || Ok((texts(&pair.ben) == ["for later", "for later too"]).then_some(())))
        .unwrap();
    within(Duration::from_secs(20), "the sender hears of it", || {
        let read = pair.andi.json(&["read", "--peek"])?;
        Ok(read.iter().all(|message| message["state"] == "delivered").then_some(()))
    })
    .unwrap();
    pair.assert_calm().unwrap();
}

/// What a command prints where somebody sits at a terminal of their own.
fn at_a_terminal(node: &Node, arguments: &[&str]) -> String {
    let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
    let command = [binary().unwrap().to_str().unwrap(), "--data", node.folder().to_str().unwrap()];
    let typed: Vec<String> = command.iter().chain(arguments).map(|word| quoted(word)).collect();
    // `script` runs it in a terminal, and shows what is printed there.
    let ran =
        Command::new("script").args(["--quiet", "--return", "--command", &typed.join(" "), "/dev/null"]).stdin(Stdio::null()).output();
    let ran = ran.expect("script, of bsdutils");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    String::from_utf8(ran.stdout).unwrap().replace('\r', "")
}

#[test]
fn at_a_terminal_a_line_stands_before_the_first_new_text_once_and_in_a_pipe_never() {
    let pair = Pair::befriended(Carrier::Tcp).unwrap();
    say(&pair.andi, "Ben", "read before");
    let first = at_a_terminal(&pair.ben, &["read", "Andi"]);
    assert!(first.contains("read before") && !first.contains("---- new ----"), "all of it is new: {first}");
    say(&pair.andi, "Ben", "comes now");
    say(&pair.andi, "Ben", "and this, too");
    let piped = pair.ben.run(&["read", "Andi", "--peek"]).unwrap().stdout;
    assert!(piped.contains("comes now") && !piped.contains("---- new ----"), "{piped}");
    let shown = at_a_terminal(&pair.ben, &["read", "Andi"]);
    let lines: Vec<&str> = shown.lines().collect();
    let at = |what: &str| lines.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {shown}"));
    assert_eq!(
        (at("read before") + 1, at("---- new ----") + 1, at("comes now") + 1),
        (at("---- new ----"), at("comes now"), at("and this, too"))
    );
    let again = at_a_terminal(&pair.ben, &["read", "Andi"]);
    assert!(again.contains("and this, too") && !again.contains("---- new ----"), "{again}");
}

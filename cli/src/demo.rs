//! `symbolon demo`: two nodes and a relay on this machine, from strangers to friends who catch
//! up after they were never online together.
//!
//! Everything is real: the nodes are processes of this very command on folders of their own,
//! and each step is a command that anybody can type. Only loopback is listened on, and
//! nothing is left behind.

use crate::failure::Failure;
use crate::output::Output;
use crate::text;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";
/// Longest patience with a start, and with what goes from node to node.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at whether something has happened.
const LOOK: Duration = Duration::from_millis(50);

/// Plays the whole story.
pub fn run(output: Output) -> Result<(), Failure> {
    let mut stage = Stage::build(output)?;
    let told = stage.play();
    stage.clear();
    told
}

/// Somebody of the story, or the relay.
struct Actor {
    name: &'static str,
    folder: PathBuf,
    process: Option<Child>,
}

struct Stage {
    output: Output,
    command: PathBuf,
    // The folders go with it.
    home: TempDir,
    relay: Actor,
    andi: Actor,
    ben: Actor,
}

impl Stage {
    fn build(output: Output) -> Result<Self, Failure> {
        let home = tempfile::Builder::new().prefix("symbolon-demo-").tempdir();
        let home = home.map_err(|error| failed(format!("no folder can be made for it: {error}")))?;
        let command = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let actor = |name: &'static str| Actor { name, folder: home.path().join(name.to_lowercase()), process: None };
        let (relay, andi, ben) = (actor("relay"), actor("Andi"), actor("Ben"));
        Ok(Self { output, command, home, relay, andi, ben })
    }

    fn play(&mut self) -> Result<(), Failure> {
        let home = self.home.path().display().to_string();
        self.narrate(&format!("Two people and a relay, in folders under {}.\n\n", text::line(&home)))?;

        let link = self.scene("A relay starts. It is on all the time, and will know nobody.", "relay", |stage| {
            let ready = stage.relay.start(&stage.command, &["relay", "run", "--open", "--listen", LOOPBACK])?;
            field(&ready, "link")
        })?;
        self.scene("Andi and Ben start their nodes. Each has a mailbox at the relay.", "nodes", |stage| {
            for actor in [&mut stage.andi, &mut stage.ben] {
                let name = actor.name;
                actor.start(&stage.command, &["up", "--no-open", "--no-lan", "--listen", LOOPBACK, "--relay", &link, "--name", name])?;
            }
            for actor in [&stage.andi, &stage.ben] {
                stage.until(actor, &["relay", "list"], |relay| text_of(relay, "state") == "connected")?;
            }
            Ok(())
        })?;
        self.scene("They become friends: Andi invites, Ben asks, Andi accepts.", "friends", |stage| {
            let invite = field(&stage.say(&stage.andi, &["invite"])?, "link")?;
            stage.say(&stage.ben, &["add", &invite])?;
            let asked = stage.until(&stage.andi, &["requests"], |request| text_of(request, "status") == "pending")?;
            stage.say(&stage.andi, &["accept", &field(&asked, "request")?])?;
            for actor in [&stage.andi, &stage.ben] {
                stage.until(actor, &["friends"], |friend| friend.get("mutual") == Some(&Value::Bool(true)))?;
            }
            Ok(())
        })?;
        self.scene("They talk. \"delivered\" is said once the friend's own disk has it.", "talk", |stage| {
            stage.say(&stage.andi, &["send", "Ben", "Can you read this?", "--wait", "delivered"])?;
            stage.say(&stage.ben, &["send", "Andi", "Every word.", "--wait", "delivered"])?;
            stage.hears(&stage.ben, &["Can you read this?", "Every word."])
        })?;
        self.scene("Ben goes offline. What Andi writes is left, sealed, at the relay.", "stored", |stage| {
            stage.ben.stop(&stage.command)?;
            let sent = stage.say(&stage.andi, &["send", "Ben", "See you at eight!", "--wait", "stored"])?;
            match text_of(&sent, "state") {
                "stored" => Ok(()),
                other => Err(failed(format!("it is {other}, not stored"))),
            }
        })?;
        self.scene("Andi goes offline, too, and the relay's plug is pulled for a moment.", "plug", |stage| {
            stage.andi.stop(&stage.command)?;
            stage.relay.pull_the_plug();
            stage.relay.start(&stage.command, &["relay", "run", "--open", "--listen", LOOPBACK]).map(|_| ())
        })?;
        self.scene("Ben comes back, alone, and has everything.", "catch-up", |stage| {
            stage.ben.start(&stage.command, &["up", "--no-open", "--no-lan", "--listen", LOOPBACK])?;
            stage.until(&stage.ben, &["read", "--peek"], |message| text_of(message, "text") == "See you at eight!")?;
            stage.hears(&stage.ben, &["Can you read this?", "Every word.", "See you at eight!"])
        })?;
        self.scene("Andi comes back and sees that Ben has read it.", "read", |stage| {
            stage.andi.start(&stage.command, &["up", "--no-open", "--no-lan", "--listen", LOOPBACK])?;
            stage.until(&stage.andi, &["read", "--peek"], |message| {
                text_of(message, "text") == "See you at eight!" && text_of(message, "state") == "read"
            })?;
            Ok(())
        })?;
        self.narrate("All of it worked. Nothing is left of it; `symbolon up` starts a node of your own.\n")
    }

    /// Says something to a person.
    fn narrate(&self, text: &str) -> Result<(), Failure> {
        if self.output.json { Ok(()) } else { self.output.print(text) }
    }

    /// One step of the story: what is said about it, and whether it worked.
    fn scene<T>(&mut self, told: &str, step: &str, act: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        self.narrate(&format!("{told}\n"))?;
        let begun = Instant::now();
        let done = act(self);
        let object = json!({ "step": step, "ok": done.is_ok() });
        let took = begun.elapsed().as_secs_f32();
        self.output.show(&object, |_| match &done {
            Ok(_) => format!("  ok, {took:.1} s\n\n"),
            Err(_) => "  this did not work\n\n".to_owned(),
        })?;
        done.map_err(|failure| Failure { is_told: true, ..failure })
    }

    /// Types a command for somebody; its last answer.
    fn say(&self, actor: &Actor, arguments: &[&str]) -> Result<Value, Failure> {
        let shown: Vec<String> = arguments.iter().map(|argument| shortened(argument)).collect();
        self.narrate(&format!("  {:<5} $ symbolon {}\n", actor.name, text::line(&shown.join(" "))))?;
        self.ask(actor, arguments)?.pop().ok_or_else(|| failed(format!("`symbolon {}` answered nothing", arguments.join(" "))))
    }

    fn ask(&self, actor: &Actor, arguments: &[&str]) -> Result<Vec<Value>, Failure> {
        let done = actor.command(&self.command, arguments).output().map_err(|error| failed(error.to_string()))?;
        let objects: Vec<Value> =
            String::from_utf8_lossy(&done.stdout).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if done.status.success() {
            return Ok(objects);
        }
        let what = objects.last().map_or("it failed", |object| text_of(object, "message")).to_owned();
        Err(failed(format!("`symbolon {}` for {}: {what}", arguments.first().copied().unwrap_or_default(), actor.name)))
    }

    /// Looks again and again until one of a command's answers is as it should be.
    fn until(&self, actor: &Actor, arguments: &[&str], is_there: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
        let begun = Instant::now();
        loop {
            if let Some(found) = self.ask(actor, arguments)?.into_iter().find(&is_there) {
                return Ok(found);
            }
            if begun.elapsed() > PATIENCE {
                return Err(failed(format!("{} waited {} s for it", actor.name, PATIENCE.as_secs())));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Reads somebody's messages aloud and checks that it is these.
    fn hears(&self, actor: &Actor, texts: &[&str]) -> Result<(), Failure> {
        let messages = self.ask(actor, &["read"])?;
        let heard: Vec<&str> = messages.iter().map(|message| text_of(message, "text")).collect();
        for message in &messages {
            let (from, text) = (text_of(message, "from"), text_of(message, "text"));
            self.narrate(&format!("          {}: {}\n", text::line(from), text::line(text)))?;
        }
        if heard == texts { Ok(()) } else { Err(failed(format!("{} reads {heard:?}", actor.name))) }
    }

    /// Ends whatever still runs.
    fn clear(&mut self) {
        for actor in [&mut self.andi, &mut self.ben, &mut self.relay] {
            actor.pull_the_plug();
        }
    }
}

impl Actor {
    fn command(&self, command: &Path, arguments: &[&str]) -> Command {
        let mut line = Command::new(command);
        line.arg("--data").arg(&self.folder).arg("--json").args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
        line
    }

    /// Starts a process that runs on, and answers its ready line.
    fn start(&mut self, command: &Path, arguments: &[&str]) -> Result<Value, Failure> {
        let started = self.command(command, arguments).stdout(Stdio::piped()).spawn();
        let mut process = started.map_err(|error| failed(error.to_string()))?;
        let lines = process.stdout.take();
        self.process = Some(process);
        let (sender, first) = channel();
        std::thread::spawn(move || {
            let mut lines = lines.map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok);
            let _ = sender.send(lines.next());
            // Read on, so that nobody is stopped by a pipe that is full or closed.
            lines.for_each(drop);
        });
        let line = first.recv_timeout(PATIENCE).ok().flatten().unwrap_or_default();
        let object: Value = serde_json::from_str(&line).unwrap_or_default();
        if text_of(&object, "event") == "ready" {
            return Ok(object);
        }
        Err(failed(format!("{} does not start: {}", self.name, text_of(&object, "message"))))
    }

    /// Stops a node as Ctrl-C does.
    fn stop(&mut self, command: &Path) -> Result<(), Failure> {
        let client = crate::client::Client::find(&self.folder)?;
        client.post("/api/v1/stop", &json!({}))?;
        let begun = Instant::now();
        while let Some(process) = &mut self.process {
            if process.try_wait().map_err(|error| failed(error.to_string()))?.is_some() {
                self.process = None;
            } else if begun.elapsed() > PATIENCE {
                return Err(failed(format!("{} does not stop ({})", self.name, command.display())));
            } else {
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }

    /// Ends a process from one moment to the next.
    fn pull_the_plug(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself; then there is nothing to do.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.pull_the_plug();
    }
}

fn field(object: &Value, name: &str) -> Result<String, Failure> {
    object.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| failed(format!("an answer without {name}")))
}

/// A field as text; nothing where there is none.
fn text_of<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// As somebody would type it; links and ids cut short.
fn shortened(argument: &str) -> String {
    let shown: String = argument.chars().take(40).collect();
    let shown = if shown.len() < argument.len() { format!("{shown}…") } else { shown };
    if shown.contains(' ') { format!("\"{shown}\"") } else { shown }
}

fn failed(what: impl Into<String>) -> Failure {
    Failure::new("demo_failed", what, "Try once more; if it fails again, `symbolon -v demo` says more, and a report helps.")
}

//! Every command: how it is typed, and what it does. All but those that run a node or a relay ask the running node and show its answer.

pub mod backup;
mod devices;
pub mod done;
mod friends;
pub mod help;
mod list;
mod own;
mod people;
mod read;
mod relays;
mod requests;
mod rooms;
mod stop;
mod texts;
mod typed;

use crate::args::{
    BackupVerb, DeviceVerb, ExportFormat, IdVerb, Invite, LookupVerb, Read, RelayVerb, RequestsVerb, RoomVerb, Send, Switch, Up,
};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::show;
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use list::list;
use read::read;
use serde_json::{Value, json};
use std::path::PathBuf;
use typed::typed;

/// Symbolon: messages between friends, without a server.
#[derive(Debug, Parser)]
#[command(name = "symbolon", version, about, disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    /// The data folder; one folder is one identity [default: SYMBOLON_DATA, else the platform's place]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON, one object a line, and nothing else on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// More log output on stderr (-vv: debug)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do, in the order in which the help shows it; `help` says where its groups begin.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the node in the foreground until Ctrl-C
    Up(Up),
    /// Print a fresh address of the web page, good once, for a minute
    Page {
        /// Sign out every browser instead
        #[arg(long)]
        sign_out: bool,
    },
    /// End the node, or the relay, that runs on the data folder
    Stop,
    /// Watch two nodes and a relay befriend, talk, go offline and catch up, all on this machine
    Demo,
    /// Make an invite for one person, list those made, or revoke one
    #[command(args_conflicts_with_subcommands = true)]
    Invite(Invite),
    /// Send a friend request, by invite link or Peer ID
    Add {
        /// An invite link (`symbolon:…`) or a Peer ID; `-` reads it from standard input
        #[arg(value_name = "LINK|PEER_ID")]
        target: String,
        /// A line to go with the request
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List friend requests that are open or of this week, or cancel one of mine
    Requests {
        /// List all, those that were settled long ago as well
        #[arg(long)]
        all: bool,
        /// What to do with one; lists them without it
        #[command(subcommand)]
        verb: Option<RequestsVerb>,
    },
    /// Accept a friend request
    Accept {
        /// The request's id, or its beginning
        request: String,
    },
    /// Set a friend request aside; it can be accepted later
    Ignore {
        /// The request's id, or its beginning
        request: String,
    },
    /// List friends
    Friends {
        /// List former friends instead: what was written with them stays, and `read` shows it
        #[arg(long)]
        former: bool,
    },
    /// Show a friend's words, or compare them with those that the friend reads out
    Verify {
        /// The friend's name or id
        friend: String,
        /// The words as the friend reads them out
        words: Vec<String>,
    },
    /// Give a friend another name here
    Rename {
        /// The friend's name or id
        friend: String,
        /// The new name
        name: String,
    },
    /// Introduce two friends to each other; both are asked
    Introduce {
        /// Who will ask for friendship
        asker: String,
        /// Who will be asked
        target: String,
        /// A line to both
        #[arg(long)]
        note: Option<String>,
    },
    /// Hide from a friend where this node is; the friend does not hear of it
    Hide {
        /// The friend's name or id
        friend: String,
        /// Show it again
        #[arg(long)]
        off: bool,
    },
    /// Block a friend, or the one who made a request
    ///
    /// Nothing of theirs reaches you, and they do not hear of it. What a friend writes meanwhile stays on their side, and comes once
    /// you `unblock` them.
    Block {
        /// A friend's whole name or id, or a request's id
        #[arg(value_name = "REQUEST|FRIEND")]
        who: String,
        /// Leave all rooms that they are in, too
        #[arg(long)]
        leave_rooms: bool,
        /// Only this device of a friend who has several: its id, or the beginning of it, as `friends` shows them
        #[arg(long, value_name = "DEVICE", conflicts_with = "leave_rooms")]
        device: Option<String>,
    },
    /// Unblock a friend, or the one who made a request
    Unblock {
        /// A name, a Peer ID, or a request's id
        #[arg(value_name = "REQUEST|FRIEND")]
        who: String,
    },
    /// End a friendship on this side; the other side does not hear of it
    Unfriend {
        /// The friend's whole name or id
        friend: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        /// Leave all rooms that both of us are in, too
        #[arg(long)]
        leave_rooms: bool,
    },
    /// Write a message
    Send(Send),
    /// Read messages
    Read(Read),
    /// Search the history by words
    Search {
        /// Words: all of them must stand in a message, the last one as the beginning of a word; `-` reads them from standard input
        #[arg(required = true)]
        text: Vec<String>,
        /// Only the last so many; never more than 1000
        #[arg(short = 'n', long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Print the history unencrypted, to keep it elsewhere
    Export {
        /// Only the conversation with this friend, or in this room
        who: Option<String>,
        /// How to write it
        #[arg(long, value_enum)]
        format: ExportFormat,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Rooms: several people who write to each other
    Room {
        /// What to do
        #[command(subcommand)]
        verb: RoomVerb,
    },
    /// Show who I am
    Id {
        /// Instead, the recovery phrase
        #[command(subcommand)]
        verb: Option<IdVerb>,
    },
    /// Change my own name; friends see it with the next message or record
    Name {
        /// The new name
        name: String,
    },
    /// Allow friend requests from anyone who knows my Peer ID, or stop that
    Findable {
        /// `on` publishes a way in for anybody who knows the id; `off` (as at the start) takes it back
        #[arg(value_enum)]
        state: Switch,
    },
    /// Show what is set for this device, or change it
    Settings {
        /// Which: `rooms`, `vouch`
        #[arg(value_parser = ["rooms", "vouch"])]
        setting: Option<String>,
        /// `rooms`: `join` shows a room to which a friend adds me at once, `ask` asks me first. `vouch`: `on` vouches for
        /// friends who knock at a room, `off` leaves it to me
        #[arg(value_parser = ["join", "ask", "on", "off"])]
        value: Option<String>,
    },
    /// My devices: add, list and remove them; continue with an older copy of the folder
    Device {
        /// What to do
        #[command(subcommand)]
        verb: DeviceVerb,
    },
    /// Back up friends, names and history, or make a new device of a backup
    Backup {
        /// What to do
        #[command(subcommand)]
        verb: BackupVerb,
    },
    /// Show what works and what does not
    Status,
    /// Look for what is wrong, and say what to do about it
    Doctor,
    /// Mailboxes at relays, for when friends are not online together
    Relay {
        /// What to do
        #[command(subcommand)]
        verb: RelayVerb,
    },
    /// Servers where my records are kept and friends are looked up, beside the DHT and my relays
    Lookup {
        /// What to do
        #[command(subcommand)]
        verb: LookupVerb,
    },
    /// Print a script that completes commands and flags in a shell
    Completions {
        /// For which shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write the man pages into a folder
    Man {
        /// The folder; it is made if it is missing
        folder: PathBuf,
    },
}

/// Carries out a command.
pub fn run(verb: &Verb, client: &Client, output: Output) -> Result<(), Failure> {
    match verb {
        // These need no running node; the caller has dealt with them.
        Verb::Up(_) | Verb::Demo | Verb::Completions { .. } | Verb::Man { .. } => Ok(()),
        Verb::Backup { verb: BackupVerb::Restore { .. } } => Ok(()),
        Verb::Stop => stop::run(client, output),
        Verb::Name { name } => output.show(&client.put("/api/v1/identity/name", &json!({ "name": name }))?, show::identity),
        Verb::Id { verb: None } => own::identity(client, output),
        Verb::Id { verb: Some(IdVerb::Phrase { confirm }) } => backup::phrase(client, output, *confirm),
        Verb::Backup { verb: BackupVerb::Create { file } } => backup::create(client, output, file),
        Verb::Invite(flags) => people::invite(client, output, flags),
        Verb::Add { target, note } => {
            let target = typed(output, target)?;
            let view = client.post("/api/v1/requests", &json!({ "target": target.trim(), "note": note }))?;
            output.show(&view, show::request)?;
            if view.get("fault").is_some_and(Value::is_string) {
                return Ok(());
            }
            output.remark("\nThey have to accept it. `symbolon requests` shows how it stands.\n")
        }
        Verb::Requests { verb: Some(RequestsVerb::Cancel { request }), .. } => people::answer(client, output, request, "cancel"),
        Verb::Requests { verb: None, all } => requests::list(client, output, *all),
        Verb::Accept { request } => people::answer(client, output, request, "accept"),
        Verb::Ignore { request } => people::answer(client, output, request, "ignore"),
        Verb::Block { who, leave_rooms, device: None } => {
            output.show(&client.post("/api/v1/block", &json!({ "who": who, "leave_rooms": leave_rooms }))?, people::friend_or_request)
        }
        Verb::Block { who, device: Some(device), .. } => {
            output.show(&client.post("/api/v1/block", &json!({ "who": who, "device": device }))?, people::friend_or_request)
        }
        Verb::Unblock { who } => output.show(&client.post("/api/v1/unblock", &json!({ "who": who }))?, people::friend_or_request),
        Verb::Friends { former: true } => {
            list(client, output, "/api/v1/friends/former", "friends", show::former_friend, "No former friends here.\n")
        }
        Verb::Friends { former: false } => list(
            client,
            output,
            "/api/v1/friends",
            "friends",
            show::friend,
            "No friends here yet. `symbolon invite` makes a link to give to somebody, `symbolon add LINK` takes one.\n",
        ),
        Verb::Rename { friend, name } => {
            output.show(&client.post("/api/v1/friends/rename", &json!({ "friend": friend, "name": name }))?, show::friend)
        }
        Verb::Verify { friend, words } => people::verify(client, output, friend, words),
        Verb::Introduce { asker, target, note } => {
            let body = json!({ "asker": asker, "target": target, "note": note });
            output.show(&client.post("/api/v1/introductions", &body)?, show::request)
        }
        Verb::Hide { friend, off } => {
            output.show(&client.post("/api/v1/friends/hide", &json!({ "friend": friend, "hidden": !off }))?, show::friend)
        }
        Verb::Unfriend { friend, yes, leave_rooms } => friends::unfriend(client, output, friend, (*yes, *leave_rooms)),
        Verb::Send(flags) => texts::send(client, output, flags),
        Verb::Read(flags) => read(client, output, flags),
        Verb::Room { verb } => rooms::run(client, output, verb),
        Verb::Settings { setting, value } => own::settings(client, output, setting.as_deref(), value.as_deref()),
        Verb::Search { text, limit } => texts::search(client, output, &typed(output, &text.join(" "))?, *limit),
        Verb::Export { who, format: ExportFormat::Jsonl, yes } => texts::export(client, output, who.as_deref(), *yes),
        Verb::Relay { verb } => relays::run(client, output, verb),
        Verb::Findable { state } => {
            let view = client.post("/api/v1/identity/findable", &json!({ "findable": *state == Switch::On }))?;
            output.show(&view, show::identity)
        }
        Verb::Device { verb } => own::device(client, output, verb),
        Verb::Lookup { verb } => own::lookup(client, output, verb),
        Verb::Status => own::status(client, output),
        Verb::Doctor => own::doctor(client, output),
        Verb::Page { sign_out: true } => output.show(&client.post("/api/v1/sessions/end", &json!({}))?, show::signed_out),
        Verb::Page { sign_out: false } => own::page(client, output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a109_every_command_is_a_word_that_no_name_can_pose_as() {
        use clap::CommandFactory;
        for command in Cli::command().get_subcommands() {
            assert!(symbolon_core::names::reserved().any(|word| word == command.get_name()), "{}", command.get_name());
        }
    }

    #[test]
    fn command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}

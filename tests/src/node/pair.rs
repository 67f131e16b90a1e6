//! Two nodes in two folders that are friends: where most tests begin.

use super::{Node, Trouble, said, stderr_of, within};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Longest patience with what goes over the network.
const SOON: Duration = Duration::from_secs(20);

/// What a node listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// TCP with Noise and Yamux.
    Tcp,
    /// QUIC.
    Quic,
}

impl Carrier {
    /// The multiaddr: loopback, the port drawn once and kept.
    pub fn address(self) -> &'static str {
        match self {
            Self::Tcp => "/ip4/127.0.0.1/tcp/0",
            Self::Quic => "/ip4/127.0.0.1/udp/0/quic-v1",
        }
    }
}

/// Andi and Ben.
#[derive(Debug)]
pub struct Pair {
    /// The first, who invited.
    pub andi: Node,
    /// The second, who added.
    pub ben: Node,
    /// Holds the folders; gone with the pair.
    home: TempDir,
}

impl Pair {
    /// Starts two nodes in fresh folders and makes them friends.
    ///
    /// # Errors
    /// When a step fails or takes too long.
    pub fn befriended(carrier: Carrier) -> Result<Self, Trouble> {
        Self::befriended_in(carrier, None)
    }

    /// As [`Pair::befriended`], with Andi's folder elsewhere.
    ///
    /// # Errors
    /// When a step fails or takes too long.
    pub fn befriended_in(carrier: Carrier, andi: Option<&Path>) -> Result<Self, Trouble> {
        let pair = Self::strangers_in(carrier, andi)?;
        pair.befriend()?;
        Ok(pair)
    }

    /// Starts two nodes that have never met.
    ///
    /// # Errors
    /// When one does not start.
    pub fn strangers(carrier: Carrier) -> Result<Self, Trouble> {
        Self::strangers_in(carrier, None)
    }

    fn strangers_in(carrier: Carrier, andi: Option<&Path>) -> Result<Self, Trouble> {
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        let own = home.path().join("andi");
        let andi = start_telling(andi.unwrap_or(&own), &stderr_of(&own), carrier, "Andi")?;
        let ben = start_named(&home.path().join("ben"), carrier, "Ben")?;
        Ok(Self { andi, ben, home })
    }

    fn befriend(&self) -> Result<(), Trouble> {
        let link = field(self.andi.json(&["invite"])?.first(), "link")?;
        self.ben.json(&["add", &link])?;
        let request = pending(&self.andi)?;
        self.andi.json(&["accept", &request])?;
        wait_for_friend(&self.andi, "Ben")?;
        wait_for_friend(&self.ben, "Andi")
    }

    /// Where both folders lie.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Fails when a node of the pair has ever panicked.
    ///
    /// # Errors
    /// With what it said.
    pub fn assert_calm(&self) -> Result<(), Trouble> {
        [&self.andi, &self.ben].into_iter().try_for_each(Node::calm)
    }
}

/// Fails when a node of the folder has ever panicked.
///
/// # Errors
/// With what it said.
pub fn calm(folder: &Path) -> Result<(), Trouble> {
    let said = said(folder);
    if said.contains("panicked") { Err(format!("a node panicked: {said}")) } else { Ok(()) }
}

/// Starts a node of which the carrier is known.
///
/// # Errors
/// When it does not start.
pub fn start(folder: &Path, carrier: Carrier) -> Result<Node, Trouble> {
    Node::start(folder, &["--listen", carrier.address()])
}

/// As [`start`], giving it a name.
///
/// # Errors
/// When it does not start.
pub fn start_named(folder: &Path, carrier: Carrier, name: &str) -> Result<Node, Trouble> {
    start_telling(folder, &stderr_of(folder), carrier, name)
}

fn start_telling(folder: &Path, log: &Path, carrier: Carrier, name: &str) -> Result<Node, Trouble> {
    let started = Node::try_start_telling(folder, log, &["--listen", carrier.address(), "--name", name])?;
    let mut node = started.map_err(|refused| format!("the node does not start: {refused:?}"))?;
    // A name is given once, as a user does.
    node.arguments.truncate(2);
    Ok(node)
}

/// Waits for the request that came in and is not answered.
///
/// # Errors
/// When none comes.
pub fn pending(node: &Node) -> Result<String, Trouble> {
    within(SOON, "a request comes in", || {
        let requests = node.json(&["requests"])?;
        let is_open = |request: &&Value| {
            request.get("direction").and_then(Value::as_str) == Some("in")
                && request.get("status").and_then(Value::as_str) == Some("pending")
        };
        requests.iter().find(is_open).map(|request| field(Some(request), "request")).transpose()
    })
}

/// Waits until both sides have confirmed a friendship.
///
/// # Errors
/// When that does not come.
pub fn wait_for_friend(node: &Node, name: &str) -> Result<(), Trouble> {
    within(SOON, "the friendship is confirmed", || {
        let requests = node.json(&["requests"])?;
        let is_done = |request: &Value| {
            request.get("name").and_then(Value::as_str) == Some(name) && request.get("status").and_then(Value::as_str) == Some("confirmed")
        };
        Ok(requests.iter().any(is_done).then_some(()))
    })
}

/// An invite link that is accepted by itself.
///
/// # Errors
/// When the node makes none.
pub fn open_invite(node: &Node) -> Result<String, Trouble> {
    field(node.json(&["invite", "--auto-accept"])?.first(), "link")
}

/// The second one uses an open invite of the first; each with its name.
///
/// # Errors
/// When that does not make them friends.
pub fn befriend(inviting: (&Node, &str), invited: (&Node, &str)) -> Result<(), Trouble> {
    invited.0.json(&["add", &open_invite(inviting.0)?])?;
    wait_for_friend(inviting.0, invited.1)?;
    wait_for_friend(invited.0, inviting.1)
}

/// A text field of an object.
///
/// # Errors
/// When it is not there.
pub fn field(object: Option<&Value>, name: &str) -> Result<String, Trouble> {
    let text = object.and_then(|object| object.get(name)).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("no {name} in {object:?}"))
}

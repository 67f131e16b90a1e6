//! The seam between the core and everything else: four words with fixed directions.
//!
//! **Command** user -> core, **Input** world -> core, **Action** core -> world,
//! **Event** core -> user. A command is answered by exactly one [`Action::Reply`], released
//! once the turn that carried it is durable.

use crate::command::{Command, CommandError, Path, Reply};
use symbolon_presence::id::{LookupId, PublicKeyBytes};

pub use crate::command::{Event, Warning};
pub use symbolon_presence::address::Address;
pub use symbolon_presence::lan::LanPlaces;

/// One live, ordered, two-way pipe of frames to somebody: a long-lived
/// `/symbolon/mailbox/1` stream. Numbers are never reused while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// The Ed25519 keys that the two ends of a link have proved to the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportKeys {
    /// Ours.
    pub own: PublicKeyBytes,
    /// That of the other end.
    pub other: PublicKeyBytes,
}

/// One attempt to open a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u64);

/// Where a link comes from: a number for an IPv4 address or an IPv6 /64, another at each start.
/// Links that a relay forwards all have the same one. It bounds what one stranger may use, and
/// names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Source(pub u64);

/// A node on one network: drawn again at each start for each network, so it identifies nobody.
pub type Instance = [u8; 8];

/// A network that this machine is on: the index of an interface.
pub type Network = u32;

/// What a node shows on one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Which node.
    pub instance: Instance,
    /// The hour of the tag, since 1970.
    pub hour: u32,
    /// What friends recognise it by: [`FriendshipSecret::lan_tag`](symbolon_presence::friendship::FriendshipSecret::lan_tag).
    pub tag: [u8; 16],
    /// Where it says that it listens. The tag binds it.
    pub places: LanPlaces,
    /// Its name, while it is visible to strangers.
    pub name: Option<String>,
}

/// A node that the LAN shows. Unchecked: anybody on the LAN can write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What it shows.
    pub shown: Announcement,
    /// The transport key that it claims. The places lead to no other key.
    pub transport: PublicKeyBytes,
    /// The places that it shows, as they are dialled from here.
    pub places: Vec<Address>,
    /// Those of them that are on a network of this machine: strangers are called nowhere else.
    pub near: Vec<Address>,
}

/// One question to a hub of rooms that awaits its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// One question that a hub of rooms is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u64);

/// One command that awaits its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What the world tells the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The user wants something.
    Command(CommandId, Command),
    /// The addresses under which this node can be reached have changed. Best first.
    Addresses(Vec<Address>),
    /// A link is open: dialled by us, or by somebody unknown.
    LinkUp {
        /// The new link.
        link: LinkId,
        /// The attempt that led to it; `None` for an inbound link.
        dial: Option<DialId>,
        /// How the other end is reached.
        path: Path,
        /// Where the other end is.
        source: Source,
        /// By which keys the transport knows the two ends; none when the other's is of another
        /// kind. Such a link is never proved.
        keys: Option<TransportKeys>,
    },
    /// An attempt to open a link has failed for all its addresses.
    DialFailed(DialId),
    /// A link is gone.
    LinkDown(LinkId),
    /// A whole frame arrived. At most [`MAX_FRAME`] bytes; otherwise unchecked.
    Frame(LinkId, Vec<u8>),
    /// This node can show itself on the LAN: it listens under this transport key. Answered by
    /// [`Action::Announce`], now and whenever what is shown changes.
    LanUp {
        /// The Ed25519 key by which the transport proves itself.
        transport: PublicKeyBytes,
        /// Whether strangers may read this node's name for a while.
        visible: bool,
        /// Where it listens on each network. The first [`LAN_NETWORKS_MAX`](crate::limits::LAN_NETWORKS_MAX) count.
        networks: Vec<(Network, LanPlaces)>,
    },
    /// This node listens elsewhere on the LAN than before: all networks, as in [`Input::LanUp`].
    LanMoved(Vec<(Network, LanPlaces)>),
    /// The LAN shows a node, or another place or hour of one.
    Sighted(Sighting),
    /// A node is gone from the LAN.
    Unsighted(Instance),
    /// Something was found for an [`NetAction::Resolve`]; several may be. Unchecked.
    Found(LookupId, Vec<u8>),
    /// DHT servers that this node knows, all of them; and how many of the nodes on the LAN
    /// stand in for them, whose addresses it does not say. Unchecked beyond their form.
    Servers(Vec<Address>, usize),
    /// All lookup servers of ours, each by its addresses, and whether it answered when last asked.
    Lookups(Vec<(Vec<Address>, Option<bool>)>),
    /// Nothing more will be found for an [`NetAction::Resolve`].
    Resolved(LookupId),
    /// What a hub has answered to an [`NetAction::AskHub`]; nothing when it cannot be asked, or was silent. Unchecked.
    HubAnswered(AskId, Option<Vec<u8>>),
    /// A hub's: somebody asks, from there. Answered by [`NetAction::AnswerHub`]. Unchecked.
    HubAsked(QuestionId, Source, Vec<u8>),
    /// The node is going to stop: nothing but its last actions will be carried out.
    Stopping,
    /// The moment named by [`Core::poll_timeout`](crate::Core::poll_timeout) has come.
    Tick,
}

/// The longest frame on a link, in bytes: an envelope of the largest bucket and what
/// surrounds it.
pub const MAX_FRAME: usize = symbolon_relay::limits::FRAME_MAX;

/// Where a record is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// At our lookup servers and at these, each by its addresses: the DHT does not hear of it.
    Servers(Vec<Vec<Address>>),
    /// In the DHT.
    Dht,
    /// In the DHT and at our lookup servers.
    Everywhere,
}

/// What the core wants done. Released only after the turn's changes are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Something on the network.
    Net(NetAction),
    /// Show this on the LAN in place of all that was shown before, each on its network alone.
    Announce(Vec<(Network, Announcement)>),
    /// Answer a command.
    Reply(CommandId, Result<Reply, CommandError>),
}

impl From<NetAction> for Action {
    fn from(action: NetAction) -> Self {
        Self::Net(action)
    }
}

/// What the core wants done on the network: about links, records and other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetAction {
    /// Open a link to the node that listens at one of these addresses; try them together.
    /// Answered by [`Input::LinkUp`] or [`Input::DialFailed`].
    Dial(DialId, Vec<Address>),
    /// Send one frame on a link. Lost without notice when the link dies.
    Send(LinkId, Vec<u8>),
    /// Close a link. No [`Input::LinkDown`] is awaited.
    Close(LinkId, CloseReason),
    /// Ask the other end of a link, a relay of ours, to forward connections to this node. What
    /// comes of it is among [`Input::Addresses`].
    Reserve(LinkId),
    /// The first frame on a link that makes sense has come. An inbound link without one is
    /// closed after a minute.
    Heard(LinkId),
    /// The one behind a link has proved to be a friend, or at a relay the owner of a mailbox:
    /// its place is kept when strangers fill all others. With `false`: no longer.
    Keep(LinkId, bool),
    /// The one behind a link that a relay forwards has proved to be a friend who may know where
    /// this node is: a hole may be punched to them. With `false`: no longer.
    Punch(LinkId, bool),
    /// The transport is to take another key, after a revocation. With `false`: draw it, and say by
    /// [`Input::Addresses`] where relays will forward to this node, in any case. With `true`: end
    /// all links and begin again under it, on the same port; [`Input::LinkDown`] reports each.
    Rekey(bool),
    /// A relay's: connections may be forwarded to the node at the other end of this link.
    Admit(LinkId),
    /// Let these records be found, until they end; they are all of ours, and those published before are forgotten.
    Publish {
        /// By anyone who looks for them.
        everywhere: Vec<Vec<u8>>,
        /// At our lookup servers only.
        servers: Vec<Vec<u8>>,
    },
    /// Look for the record under this id. Answered by any number of [`Input::Found`], and by
    /// [`Input::Resolved`].
    Resolve(LookupId, Look),
    /// These are our lookup servers now, each by its addresses. Answered by [`Input::Lookups`],
    /// now and whenever one begins or ceases to answer.
    Lookups(Vec<Vec<Address>>),
    /// Ask the hub of rooms at these addresses. Answered by [`Input::HubAnswered`].
    AskHub(AskId, Vec<Address>, Vec<u8>),
    /// A hub's: this is the answer to a question.
    AnswerHub(QuestionId, Vec<u8>),
    /// A relay's: let this record be found, beside those that are found already.
    Host(u64, Vec<u8>),
    /// DHT servers may be at these addresses.
    Bootstrap(Vec<Address>),
    /// Make up a DHT with the nodes of the LAN at these addresses, and with those who join; with
    /// none yet what was kept stays. `None`: no longer.
    Neighbours(Option<Vec<Address>>),
}

/// Why the core closes a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The other side broke the protocol.
    Protocol,
    /// More work is asked for than allowed.
    Flood,
    /// Not needed any longer.
    Idle,
    /// The other side is blocked or no friend any longer.
    Refused,
}

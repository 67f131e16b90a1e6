//! Where people are: the LAN, records, look-ups.

use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};

/// Nodes on the LAN remembered.
pub const LAN_SEEN_MAX: usize = 256;
/// New ones of strangers taken in within a minute.
pub const LAN_NEW_MAX: usize = 64;
/// Tags that are computed within a minute, one for each friend and node shown: half a second's work.
pub const LAN_TAGS_MAX: usize = 250_000;
/// Networks on which a node shows itself.
pub const LAN_NETWORKS_MAX: usize = 8;
/// Without a server or a relay for so long, a node asks strangers' nodes on the LAN whether they
/// are of a friend who cannot know its newest secret.
pub const LAN_ASK_DELAY: u64 = MINUTE;
/// Pause between two such questions: eight a minute.
pub const LAN_ASK_PAUSE: u64 = MINUTE / 8;
/// How long this node's name is shown to strangers on the LAN.
pub const LAN_VISIBLE: u64 = 10 * MINUTE;
/// Friendship secrets remembered that were replaced, and for how long: one who still uses one hears of it.
pub const PAST_MAX: usize = 64;
/// See [`PAST_MAX`].
pub const PAST_LIFE: u64 = 30 * DAY;
/// How long a node gathers its addresses after a start before it publishes them.
pub const PUBLISH_DELAY: u64 = 300;
/// Pause between two publications, unless somebody is taken out.
pub const PUBLISH_PAUSE: u64 = 10 * SECOND;
/// Records are published again after so long: today's and tomorrow's, which live for two days.
pub const PUBLISH_INTERVAL: u64 = 6 * HOUR;
/// Friends whose records are looked for at once.
pub const SEEKS_MAX: usize = 16;
/// First pause before the records of a friend who cannot be reached are looked for again; it doubles.
pub const SEEK_PAUSE: u64 = SECOND;
/// Longest such pause.
pub const SEEK_PAUSE_MAX: u64 = HOUR;
/// Pause when the friend's own node says that our keys are replaced.
pub const SEEK_PAUSE_STALE: u64 = SECOND;
/// Friends of whom this node keeps records for friends.
pub const KEPT_FRIENDS_MAX: usize = 64;
/// Friends with whom this node leaves its records.
pub const RECORD_SERVERS_MAX: usize = 16;
/// How often a friend may leave others in their place.
pub const KEEPS_PER_HOUR: u32 = 60;
/// So many times somebody is looked for in vain before all friends' nodes are asked.
pub const SEEKS_BEFORE_FRIENDS: u32 = 3;
/// How often, at most, all who are missed are looked for because a first friend has come.
pub const SEEK_AGAIN_PAUSE: u64 = MINUTE;
/// Nodes on the LAN with which this one makes up a DHT while no server is known.
pub const NEIGHBOURS_MAX: usize = 8;
/// Addresses of one of them.
pub const NEIGHBOUR_PLACES_MAX: usize = 2;
/// For so long no server must be known before it does so.
pub const NEIGHBOURS_DELAY: u64 = 20 * SECOND;
/// Addresses of DHT servers remembered.
pub const SERVERS_MAX: usize = 16;
/// Of these, those that an invite names.
pub const SERVERS_TOLD: usize = 3;
/// After a publication, when it is looked whether the record can be read.
pub const READ_BACK: u64 = 2 * SECOND;
/// The pause doubles up to this while it cannot.
pub const READ_BACK_MAX: u64 = 10 * MINUTE;
/// How long the answer of lookup servers may take before the DHT is asked.
pub const SEEK_SERVERS_DEADLINE: u64 = 2 * SECOND;
/// How long an answer may take.
pub const SEEK_DEADLINE: u64 = 20 * SECOND;
/// How long the answer may take when only the body is looked for, before the header is.
pub const SEEK_BODY_DEADLINE: u64 = 5 * SECOND;
/// Our records are looked for again so long after they were last found.
pub const READ_AGAIN: u64 = 30 * MINUTE;
/// Our relays get the records of the days to come so long after something has changed; at once
/// when somebody was taken out.
pub const AWAY_DELAY: u64 = MINUTE;
/// Lookup servers that the user may name.
pub const LOOKUPS_MAX: usize = 8;
/// Of these, those that friends read of in our records.
pub const LOOKUPS_TOLD: usize = 3;
/// People looked for by Peer ID at once.
pub const FINDS_MAX: usize = 16;
/// Pause before the next of them are looked for; it doubles up to [`FIND_PAUSE_MAX`].
pub const FIND_PAUSE: u64 = 5 * SECOND;
/// See [`FIND_PAUSE`].
pub const FIND_PAUSE_MAX: u64 = HOUR;

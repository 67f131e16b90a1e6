//! What travels inside envelopes: the three messages of a connection, how friends stand with each other, and
//! what rooms carry.
//!
//! Every type is bounded by its `is_bounded` (called right after decoding) and by the
//! envelope's size. Each file names its protocol page.

mod backup;
mod bounds;
mod bundle;
mod capabilities;
mod capsule;
mod connection;
mod contact;
mod first;
mod gone;
mod group;
mod introduction;
mod leaf;
mod own;
mod package;
mod piece;
mod presence;
mod room;
mod roster;
mod standing;
mod vouching;

pub use backup::{BACKUP_MAGIC, BACKUP_PART_MAX, BackupHead, BackupPart, DeviceWays, ReaderWays, backup_key};
pub use bounds::{PAYLOAD_MAX, PIECE_LEN, is_name, is_note, is_text, is_topic};
pub use bundle::{Bundle, BundleDevice, Whereabouts};
pub use capabilities::Capabilities;
pub use capsule::CapsulePlaces;
pub use connection::{AcceptBody, AcceptHead, ConfirmBody, OfferBody, connection_psk};
pub use contact::{Contact, RelayMailbox, entry_is_of, package_digest};
pub use first::{First, Statement, Step};
pub use gone::Gone;
pub use group::{Befriend, COMMIT_INFO_MAX, CommitInfo, Leave, RoomChange, Seat, SeatedRoster, Ways, WelcomeBundle};
pub use introduction::{Consent, INTRODUCTION_LIFETIME, IntroCard, Introduced, Introduction, IntroductionBody, VerifiedIntroduction};
pub use leaf::{LeafOwner, OpenCredential, is_leaf_of, seal_credential};
pub use own::{
    DraftPlace, DraftSaid, JoinedBody, OwnSaid, PersonSaid, PersonStanding, RelaySaid, RoomIs, RoomSaid, RoomTextSaid, SettingSaid,
    TextSaid,
};
pub use package::{AddPackage, OwnMailbox, PackageSecrets, QueueAddress};
pub use piece::{Piece, WHOLE_MAX};
pub use presence::{Labels, PresenceBody, PresenceKeys, SignedPresence};
pub use room::{Known, MemberPayload, RoomPayload, Text, commit_rank};
pub use roster::{Role, Roster, RosterLeaf, RosterUser};
pub use standing::{Counted, Heard, Renews, RoomStanding, Standing, True, direct_package, is_start_of, sign_start};
pub(crate) use vouching::hubs_of;
pub use vouching::{
    CardBody, CardRecord, KnockBody, KnockSecret, Knocks, Transcript, VerifiedCard, Vouch, VouchHello, VouchResponse, keys_digest,
};

//! Every domain-separation label of Symbolon.
//!
//! One constant for each use of a signature, a hash, a derived key, a MAC or a seal. No
//! label is a prefix of another, so what is made for one use can never be taken for
//! another, whatever bytes follow (PROTOCOL-level attack: credential confusion).

/// A domain-separation label. Only this module makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(&'static str);

impl Label {
    /// The label's bytes as they enter a hash, a signature or a key derivation.
    pub fn as_bytes(self) -> &'static [u8] {
        self.0.as_bytes()
    }
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Label = Label(concat!("symbolon/1 ", $text, "."));)*
        /// All labels, for the test that no two are prefixes of each other.
        pub const ALL: &[Label] = &[$($name),*];
    };
}

labels! {
    // Signatures.
    /// Root key signs a device certificate.
    SIGN_DEVICE = "sign device certificate";
    /// Device signs a contact record or invite.
    SIGN_CONTACT = "sign contact record";
    /// Device signs an Offer.
    SIGN_OFFER = "sign offer";
    /// Device signs an Accept.
    SIGN_ACCEPT = "sign accept";
    /// Device signs a Confirm.
    SIGN_CONFIRM = "sign confirm";
    /// Device signs how it stands with a friend's device.
    SIGN_STANDING = "sign standing";
    /// Device signs one of its starts.
    SIGN_START = "sign start";
    /// Device signs that a room leaf is its own.
    SIGN_LEAF = "sign room leaf";
    /// Device signs that its user leaves a room.
    SIGN_LEAVE = "sign room leave";
    /// Device signs that it brings somebody into a room.
    SIGN_WELCOME = "sign welcome";
    /// Mailbox signs a list of frames it holds.
    SIGN_RECEIPT = "sign receipt";
    /// Owner of a mailbox at a relay signs its record.
    SIGN_RECORD = "sign mailbox record";
    /// Owner opens a session.
    SIGN_SESSION = "sign session";
    /// Owner signs which entries are settled.
    SIGN_ACK = "sign acknowledgement";
    /// Relay signs how a mailbox stands.
    SIGN_ACCEPTED = "sign mailbox standing";
    /// Device signs a contact record for anyone who knows its owner's Peer ID.
    SIGN_POSTED = "sign posted contact record";
    /// Owner signs which records a relay is to publish, and when.
    SIGN_AWAY = "sign records ahead";
    /// Friends sign what they ask a mailbox for.
    SIGN_FETCH = "sign package fetch";
    /// Owner signs which packages a mailbox hands out.
    SIGN_STOCK = "sign package stock";
    /// Blinded lookup key signs a record.
    SIGN_PRESENCE = "sign presence record";
    /// First device signs that another one is certified.
    SIGN_JOINED = "sign joined";
    /// Device that was restored asks a friend's device.
    SIGN_RETURNED = "sign returned";
    /// Device signs that another one of its person is gone.
    SIGN_GONE = "sign gone device";
    /// Second root key signs which devices its person has.
    SIGN_DEVICES = "sign device list";
    /// Device signs who its owner introduces to whom.
    SIGN_INTRODUCTION = "sign introduction";
    /// Device signs the body of a room card.
    SIGN_CARD = "sign room card";
    /// Device signs that its owner knocks at a room.
    SIGN_KNOCK = "sign knock";
    /// Member's device signs that its owner vouches for somebody.
    SIGN_VOUCHER = "sign voucher";
    /// Device signs that its owner comes in by a voucher.
    SIGN_NEWCOMER = "sign newcomer";
    /// Members of a room, any of them, sign what they say to its hub.
    SIGN_HUB = "sign to hub";
    /// Device signs what its owner's friends may read.
    SIGN_STATEMENT = "sign presence statement";

    // Hashes.
    /// A person's Peer ID is plain SHA-256 of the root key; this one hashes it as a context.
    HASH_CONTEXT = "hash signature context";
    /// The Peer ID of a further device.
    HASH_ALIAS = "hash alias";
    /// Device id from the root key and the device's keys.
    HASH_DEVICE = "hash device id";
    /// Mailbox id from its HPKE public key.
    HASH_MAILBOX = "hash mailbox id";
    /// One contact package of a contact record.
    HASH_PACKAGE = "hash contact package";
    /// Transcript after the Offer.
    HASH_OFFER = "hash transcript of offer";
    /// Transcript up to the Accept's head, from which the pre-shared key comes.
    HASH_HEAD = "hash transcript of accept head";
    /// Transcript after the Accept.
    HASH_ACCEPT = "hash transcript of accept";
    /// Fingerprint words.
    HASH_WORDS = "hash fingerprint words";
    /// The id of an invite, from its secret.
    HASH_INVITE = "hash invite id";
    /// Integrity of an invite link against mistyping.
    HASH_LINK = "hash invite link";
    /// Integrity of a relay link against mistyping.
    HASH_RELAY_LINK = "hash relay link";
    /// The second root key, as friends hold it.
    HASH_SECOND_ROOT = "hash second root";
    /// Which of two commits of one epoch stands.
    HASH_RANK = "hash commit rank";
    /// What the members of a shared room agree on.
    HASH_ROSTER = "hash room roster";
    /// What a room is called at its hub.
    HASH_ROOM_ALIAS = "hash room alias";
    /// The body of a room card.
    HASH_CARD = "hash room card";
    /// A public key that was drawn for one knock.
    HASH_KNOCK_KEY = "hash knock key";
    /// What a newcomer and a voucher sign.
    HASH_VOUCHING = "hash vouching transcript";
    /// In which order a hub asks members.
    HASH_HUB_ORDER = "hash hub order";
    /// A Welcome, or what goes with it.
    HASH_WELCOME = "hash welcome";
    /// The local name of an incoming request.
    HASH_REQUEST = "hash request row";
    /// Under which a record is looked up.
    HASH_LOOKUP = "hash lookup id";
    /// Under which a person's contact record is looked up.
    HASH_POSTED = "hash contact lookup id";
    /// Blinding factor of a day's header.
    HASH_BLIND_HEADER = "hash header blinding";
    /// Blinding factor of a day's body.
    HASH_BLIND_BODY = "hash body blinding";
    /// Commitment to the secret that a header wraps.
    HASH_COMMIT = "hash wrapped secret";

    // Key derivation.
    /// What opens knocks at a room.
    KEY_KNOCK = "key room knock";
    /// What members of a room sign with for its hub.
    KEY_HUB = "key room hub";
    /// Pre-shared key of the external commit in an Accept.
    KEY_CONNECTION_PSK = "key connection psk";
    /// Root of known envelopes in one direction between two devices, under one seed of the receiver.
    KEY_KNOWN = "key known root";
    /// The same of older builds, without a seed.
    KEY_KNOWN_BEFORE = "key known envelope";
    /// The first state of the ratchet of known envelopes.
    KEY_KNOWN_RATCHET = "key known ratchet";
    /// From one state of it to the next.
    KEY_KNOWN_STEP = "key known step";
    /// Content key of one known envelope.
    KEY_KNOWN_SEAL = "key known seal";
    /// Tag key of known envelopes.
    KEY_KNOWN_TAG = "key known tag";
    /// Key by which two devices prove to each other who is behind a link.
    KEY_LINK = "key link";
    /// Friendship encryption key (FEK).
    KEY_FEK = "key friendship encryption";
    /// Welcome attribution key (WAIK).
    KEY_WAIK = "key welcome attribution";
    /// LAN tag key.
    KEY_LAN = "key lan";
    /// Put key of friends at one mailbox.
    KEY_PUT = "key friends' put";
    /// Capability key pair at one mailbox.
    KEY_CAP = "key capability";
    /// Put key of one grant.
    KEY_GRANT = "key grant";
    /// Backups, from the entropy of the recovery phrase.
    KEY_BACKUP = "key backup";
    /// All keys of a capsule, from the key of backups.
    KEY_CAPSULE = "key capsule";
    /// Owner of a capsule's mailbox.
    KEY_CAPSULE_OWNER = "key of capsule owner";
    /// Queues of a capsule's mailbox.
    KEY_CAPSULE_QUEUE = "key of capsule queues";
    /// Who may fetch a capsule's pieces.
    KEY_CAPSULE_TOKEN = "key of capsule token";
    /// Seals a capsule's pieces.
    KEY_CAPSULE_PIECE = "key of capsule pieces";
    /// Where it is said at which relays a capsule lies.
    KEY_CAPSULE_PLACES = "key of capsule places";
    /// Root key from the recovery phrase's entropy.
    KEY_ROOT = "key root";
    /// Second root key from the recovery phrase's entropy.
    KEY_SECOND_ROOT = "key second root";
    /// Label of a node in its own tree.
    KEY_NODE = "key tree node";
    /// From a node's label to its left child's.
    KEY_LEFT = "key tree left";
    /// From a node's label to its right child's.
    KEY_RIGHT = "key tree right";
    /// From a node's label to the key of the subset.
    KEY_SUBSET = "key tree subset";
    /// What hides the entries of a header.
    KEY_HEADER = "key presence header";
    /// Hides the entries of one header.
    KEY_ENTRIES = "key header entries";
    /// Wraps the secret of a header for one subset.
    KEY_WRAP = "key presence wrap";
    /// From a day's ratchet to the next.
    KEY_RATCHET = "key presence ratchet";
    /// Seals a body.
    KEY_BODY = "key presence body";
    /// Hides a header from who does not know the lookup key.
    KEY_OUTER_HEADER = "key outer header";
    /// Hides a body from who did not open the header.
    KEY_OUTER_BODY = "key outer body";
    /// From the secret of an invite to the key under which its bodies lie.
    KEY_INVITE_LOOKUP = "key invite lookup";
    /// From a device's own key to what its addresses for friends are sealed with.
    KEY_FRIENDS_ADDRESS = "key friends' address";
    /// From the secret of an invite to what seals an Offer by it.
    KEY_INVITE_PSK = "key invite psk";
    /// From the secret of an invite to what hides its bodies.
    KEY_INVITE_BODY = "key invite body";
    /// Hides one record.
    KEY_OUTER = "key once outer";
    /// Where the counter of a day's records begins.
    KEY_COUNTER = "key record counter";
    /// What an owner draws for its own header: the same as long as the same people read it.
    KEY_DRAW = "key header draw";

    // MACs.
    /// Tag of a known envelope.
    MAC_TAG = "mac envelope tag";
    /// A Put.
    MAC_PUT = "mac put";
    /// By this friends on a LAN recognise each other and where they are. Tags under `mac lan`,
    /// which bound no places, are no longer made.
    MAC_LAN = "mac lan places";
    /// Who is behind a link.
    MAC_LINK = "mac link";

    // Seals.
    /// HPKE: first envelope.
    SEAL_FIRST = "seal first envelope";
    /// HPKE: first envelope to a friend's device, under its direct key.
    SEAL_DIRECT = "seal direct envelope";
    /// Whose a leaf of a room is.
    SEAL_LEAF = "seal room leaf";
    /// AEAD: what friends are to know of a package.
    SEAL_PACKAGE = "seal add package";
    /// AEAD: what a commit says of a shared room.
    SEAL_COMMIT = "seal room commit";
    /// AEAD: the roster of a room, for who comes in.
    SEAL_ROSTER = "seal room roster";
    /// A knock at a room, to its knock key.
    SEAL_KNOCK = "seal knock";
    /// What a voucher says to a newcomer.
    SEAL_VOUCHER = "seal voucher";
    /// What a newcomer answers to a voucher.
    SEAL_NEWCOMER = "seal newcomer";
    /// AEAD: who brings somebody into a room.
    SEAL_ATTRIBUTION = "seal welcome attribution";
    /// HPKE: sealed address.
    SEAL_ADDRESS = "seal mailbox address";
    /// HPKE: record of a mailbox at a relay.
    SEAL_RECORD = "seal mailbox record";
    /// AEAD: known envelope.
    SEAL_KNOWN = "seal known envelope";
    /// HPKE: subset labels for a friend's device.
    SEAL_LABELS = "seal subset labels";
    /// AEAD: secret of a header, for one subset.
    SEAL_WRAP = "seal wrapped secret";
    /// AEAD: entries of a header.
    SEAL_ENTRIES = "seal header entries";
    /// AEAD: body.
    SEAL_BODY = "seal presence body";
    /// A part of a backup.
    SEAL_BACKUP = "seal backup";
    /// AEAD: a piece of a capsule.
    SEAL_CAPSULE = "seal capsule piece";
    /// AEAD: what is in a record.
    SEAL_OUTER = "seal outer record";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_is_a_prefix_of_another() {
        for (i, a) in ALL.iter().enumerate() {
            for (j, b) in ALL.iter().enumerate() {
                assert!(i == j || !a.as_bytes().starts_with(b.as_bytes()), "{a:?} begins with {b:?}");
            }
        }
    }
}
